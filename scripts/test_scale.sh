#!/usr/bin/env bash
# Tests of runs on several machines that need packages of their own: runs on a local S3 (moto's server), and on Ray.
# Makes .venv/scale, installs what they need there, and runs them. Arguments go to pytest. Not part of scripts/test.sh.
#
# Usage: bash scripts/test_scale.sh [--count N] [PYTEST ARGUMENT]...      (such as: -k killed)
#   --count N   kill each thing of Ray's N times (1)
set -euo pipefail
case "${1:-}" in -h | --help) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit ;; esac
if [ "${1:-}" = --count ]; then
    export LEMMA_SCALE_COUNT="$2"
    shift 2
fi
. "$(dirname "$0")/setup.sh" dev
if [ ! -x .venv/scale/bin/python ]; then
    .venv/bin/python -m venv .venv/scale
fi
stamp=".venv/scale/installed-$(cksum <pyproject.toml | cut -d' ' -f1)"
if [ ! -e "$stamp" ]; then
    echo "installing lemma with [ray,s3] and moto's server into .venv/scale (once) …" >&2
    pip=(.venv/scale/bin/python -m pip install --quiet --disable-pip-version-check)
    "${pip[@]}" -e ".[dev,ray,s3]"
    # moto wants any boto3, and pip would try a hundred before the one that goes with the botocore of s3fs
    botocore=$(.venv/scale/bin/python -c 'import botocore; print(botocore.__version__)')
    "${pip[@]}" "moto[server]>=5.2" "boto3<=$botocore" "botocore==$botocore"
    touch "$stamp"
fi
# -rP: the times that were seen are told
.venv/scale/bin/pytest -rP -m "slow or not slow" tests/storage tests/executors "$@"
