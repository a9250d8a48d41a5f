# Sourced by the scripts of the stages: finds `lemma`, and runs one stage.
# Usage: . scripts/stage.sh      then: run_stage STAGE SCRIPT [ARGUMENT]...
#
# A `lemma` on the PATH is used; without one, .venv is made beside scripts/ (see setup.sh). Commands run in the
# caller's folder, where relative paths start.

show_help() { # the comment that a script opens with
    sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p}' "$1"
}

find_lemma() {
    LEMMA=$(command -v lemma) && return
    local root
    root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
    (. "$root/scripts/setup.sh" "")
    LEMMA="$root/.venv/bin/lemma"
}

# Ends the script with the help or with a word on usage, unless CONFIG and RUN are there.
need_config_and_run() {
    local script="$1"
    shift
    case "${1:-}" in -h | --help) show_help "$script"; exit 0 ;; esac
    if [ $# -lt 2 ] || [[ "$1" == -* ]] || [[ "$2" == -* ]]; then
        echo "usage: bash $script CONFIG RUN [OPTION]...      (--help says more)" >&2
        exit 2
    fi
}

run_stage() {
    local stage="$1" script="$2"
    shift 2
    need_config_and_run "$script" "$@"
    local config="$1" run="$2"
    shift 2
    find_lemma
    exec "$LEMMA" "$stage" "$config" -o "$run" "$@"
}
