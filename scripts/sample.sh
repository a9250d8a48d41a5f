#!/usr/bin/env bash
# Samples the student, or scores the samples that came with the problems.
# Run it again and it goes on where it was.
#
# Usage: bash scripts/sample.sh CONFIG RUN [LEMMA OPTION]...      (such as: --limit 100, --set sample.num_samples=8; lemma sample --help)
set -euo pipefail
. "$(dirname "$0")/stage.sh"
run_stage sample "$0" "$@"
