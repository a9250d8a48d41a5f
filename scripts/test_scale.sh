#!/usr/bin/env bash
<<<<<<< Updated upstream
# Tests of runs on several machines that need packages of their own: runs on a local S3 (moto's server). Makes
# .venv/scale, installs what they need there, and runs them. Arguments go to pytest. Not part of scripts/test.sh.
#
# Usage: bash scripts/test_scale.sh [PYTEST ARGUMENT]...      (such as: -k killed)
set -euo pipefail
case "${1:-}" in -h | --help) sed -n '2,5s/^# \{0,1\}//p' "$0"; exit ;; esac
. "$(dirname "$0")/setup.sh" dev
if [ ! -x .venv/scale/bin/python ]; then
    .venv/bin/python -m venv .venv/scale
fi
stamp=".venv/scale/installed-$(cksum <pyproject.toml | cut -d' ' -f1)"
if [ ! -e "$stamp" ]; then
    echo "installing lemma with [s3] and moto's server into .venv/scale (once) …" >&2
    .venv/scale/bin/python -m pip install --quiet --disable-pip-version-check -e ".[dev,s3]" "moto[server]>=5.2"
    touch "$stamp"
fi
.venv/scale/bin/pytest -m "slow or not slow" tests/storage "$@"
=======
# Work on several machines, with what it takes: real Ray (tests/executors/test_ray.py). Makes an environment of its own,
# .venv-scale, since Ray is large; not part of scripts/test.sh. Arguments go to pytest.
#
# Usage: bash scripts/test_scale.sh [--count N] [PYTEST ARGUMENT]...
#   --count N   kill each thing N times (1)
set -euo pipefail
case "${1:-}" in -h | --help) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit ;; esac
if [ "${1:-}" = --count ]; then
    export LEMMA_SCALE_COUNT="$2"
    shift 2
fi
cd "$(dirname "$0")/.."
tests="tests/executors/test_ray.py"

stamp=".venv-scale/installed-$(cksum <pyproject.toml | cut -d' ' -f1)"
if [ ! -e "$stamp" ]; then
    echo "installing lemma with Ray into .venv-scale (once) …" >&2
    "${PYTHON:-python3}" -m venv .venv-scale
    .venv-scale/bin/python -m pip install --quiet --disable-pip-version-check -e ".[dev,ray]"
    touch "$stamp"
fi
# -s: the times that were seen are printed
.venv-scale/bin/python -m pytest -s -m "slow or not slow" $tests "$@"
>>>>>>> Stashed changes
