#!/usr/bin/env bash
# From a bare Python 3.11 to a finished error-corrective dataset: bundled student mistakes, the embedded teacher,
# no key, no network beyond the package registry. Interrupt it and run it again: it goes on where it was.
#
# Usage: bash scripts/quickstart.sh [RUN]      (default: runs/quickstart)
set -euo pipefail
case "${1:-}" in -h | --help) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit ;; esac
RUN=$(realpath -m "${1:-$(dirname "$0")/../runs/quickstart}")
. "$(dirname "$0")/setup.sh" ""  # without an argument it would see ours

.venv/bin/lemma run configs/quickstart.yaml -o "$RUN"
echo
echo "The dataset is in ${RUN#"$PWD"/}/export/ ; its README.md says what is in it."
