#!/usr/bin/env bash
# Injects mistakes into correct solutions, of types drawn from the analysed distribution.
# Run it again and it goes on where it was.
#
# Usage: bash scripts/inject.sh CONFIG RUN [LEMMA OPTION]...      (such as: --limit 100, --set inject.per_problem=2; lemma inject --help)
set -euo pipefail
. "$(dirname "$0")/stage.sh"
run_stage inject "$0" "$@"
