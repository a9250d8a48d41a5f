#!/usr/bin/env bash
# The whole pipeline: shows the plan, then runs sample, analyze, inject, correct, smooth and export in order.
# It stops with the exit status of the stage that could not be finished; run it again and it goes on where it was.
#
# Usage: bash scripts/run_full.sh CONFIG RUN [--retries N] [--pause SECONDS] [LEMMA OPTION]...
#
#   --retries N        after status 3 (units left: the teacher is failing, the budget is reached) go on by itself,
#                      N times at most (default 0). A budget that is reached stays reached: raise it instead.
#   --pause SECONDS    before the first retry (default 60); doubled each time, to an hour at most
#   LEMMA OPTION       such as --limit 100, --set teacher.model=gpt-4o, --quiet (lemma run --help)
#
# Exit status: 0 complete, 1 an error, 2 usage, 3 ended with units left to do, 130 interrupted.
set -euo pipefail
. "$(dirname "$0")/stage.sh"
need_config_and_run "$0" "$@"
CONFIG="$1" RUN="$2"
shift 2

need_number() { # a whole number behind OPTION, read in base 10
    [[ "${2:-}" =~ ^[0-9]{1,6}$ ]] || { echo "run_full.sh: $1 needs a whole number" >&2; exit 2; }
}

retries=0 pause=60
planned=() options=() # the plan takes --set and --limit alone
while [ $# -gt 0 ]; do
    case "$1" in
        --retries) need_number "$1" "${2:-}"; retries=$((10#$2)); shift 2 ;;
        --pause) need_number "$1" "${2:-}"; pause=$((10#$2)); shift 2 ;;
        --set | --limit)
            [ $# -ge 2 ] || { echo "run_full.sh: $1 needs a value" >&2; exit 2; }
            planned+=("$1" "$2") options+=("$1" "$2"); shift 2 ;;
        --set=* | --limit=*) planned+=("$1") options+=("$1"); shift ;;
        *) options+=("$1"); shift ;;
    esac
done

find_lemma
"$LEMMA" plan "$CONFIG" -o "$RUN" ${planned[@]+"${planned[@]}"}
echo
while true; do
    status=0
    "$LEMMA" run "$CONFIG" -o "$RUN" ${options[@]+"${options[@]}"} || status=$?
    if [ "$status" -ne 3 ] || [ "$retries" -eq 0 ]; then exit "$status"; fi
    echo "run_full.sh: units are left; going on in $pause s ($retries retries left)" >&2
    sleep "$pause"
    retries=$((retries - 1)) pause=$((pause * 2 > 3600 ? 3600 : pause * 2))
done
