#!/usr/bin/env bash
# All checks from a bare Python 3.11: ruff, mypy --strict, pytest. Arguments go to pytest.
#
# Usage: bash scripts/test.sh [PYTEST ARGUMENT]...      (such as: -k resume, or -m slow for the heavy ones)
set -euo pipefail
case "${1:-}" in -h | --help) sed -n '2,4s/^# \{0,1\}//p' "$0"; exit ;; esac
. "$(dirname "$0")/setup.sh" dev

.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy
.venv/bin/pytest "$@"
