#!/usr/bin/env bash
# Finds the first wrong step and the error type of each wrong sample; counts the types.
# Run it again and it goes on where it was.
#
# Usage: bash scripts/analyze.sh CONFIG RUN [LEMMA OPTION]...      (such as: --limit 100, --set analyze.votes=3; lemma analyze --help)
set -euo pipefail
. "$(dirname "$0")/stage.sh"
run_stage analyze "$0" "$@"
