#!/usr/bin/env bash
# Writes the dataset in the forms that trainers read.
# Run it again and it goes on where it was.
#
# Usage: bash scripts/export.sh CONFIG RUN [LEMMA OPTION]...      (such as: --limit 100, --set export.validation=0.02; lemma export --help)
set -euo pipefail
. "$(dirname "$0")/stage.sh"
run_stage export "$0" "$@"
