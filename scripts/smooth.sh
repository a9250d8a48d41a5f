#!/usr/bin/env bash
# Makes the trajectories read as one train of thought.
# Run it again and it goes on where it was.
#
# Usage: bash scripts/smooth.sh CONFIG RUN [LEMMA OPTION]...      (such as: --limit 100, --set smooth.scope=whole; lemma smooth --help)
set -euo pipefail
. "$(dirname "$0")/stage.sh"
run_stage smooth "$0" "$@"
