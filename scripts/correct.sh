#!/usr/bin/env bash
# Corrects each mistake: Fix & Continue, Fresh & Restart.
# Run it again and it goes on where it was.
#
# Usage: bash scripts/correct.sh CONFIG RUN [LEMMA OPTION]...      (such as: --limit 100, --set teacher.concurrency=32; lemma correct --help)
set -euo pipefail
. "$(dirname "$0")/stage.sh"
run_stage correct "$0" "$@"
