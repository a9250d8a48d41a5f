#!/usr/bin/env bash
# Measures a model on benchmarks: one that is served already, or one that is served for as long as it takes.
# Run it again and it goes on where it was.
#
# Usage: bash scripts/eval.sh CONFIG RUN [--serve MODEL] [--with COMMAND] [--port N] [LEMMA OPTION]...
#
#   --serve MODEL      a folder or a name on the hub: served with vLLM while it is measured, in place of student.base_url
#   --with COMMAND     another server; a shell command that finds $MODEL, $NAME (what it is to be called) and $PORT
#                      (default: vllm serve "$MODEL" --served-model-name "$NAME" --port "$PORT")
#   --port N           where it listens, on 127.0.0.1 (default 8000)
#   --wait SECONDS     how long it may take to start (default 1200: large models load slowly)
#   LEMMA OPTION       such as --limit 100, --set eval.num_samples=8, --quiet (lemma eval --help)
#
# Exit status: 0 complete, 1 an error, 2 usage, 3 ended with units left to do, 130 interrupted.
set -euo pipefail
. "$(dirname "$0")/stage.sh"
need_config_and_run "$0" "$@"
CONFIG="$1" RUN="$2"
shift 2

model='' port=8000 wait_s=1200
command='exec vllm serve "$MODEL" --served-model-name "$NAME" --port "$PORT"'
options=()
while [ $# -gt 0 ]; do
    case "$1" in
        --serve | --with | --port | --wait)
            [ $# -ge 2 ] || { echo "eval.sh: $1 needs a value" >&2; exit 2; }
            case "$1" in --serve) model="$2" ;; --with) command="$2" ;; --port) port="$2" ;; --wait) wait_s="$2" ;; esac
            shift 2 ;;
        *) options+=("$1"); shift ;;
    esac
done
[[ "$port" =~ ^[0-9]{1,5}$ && "$wait_s" =~ ^[0-9]{1,6}$ ]] || { echo "eval.sh: --port and --wait need whole numbers" >&2; exit 2; }

find_lemma
if [ -z "$model" ]; then
    exec "$LEMMA" eval "$CONFIG" -o "$RUN" ${options[@]+"${options[@]}"}
fi

name=$(basename "$model")
url="http://127.0.0.1:$port/v1"
answers() { # whether a server is there
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null
}
if answers; then
    echo "eval.sh: something listens on port $port already; choose another with --port" >&2
    exit 1
fi
mkdir -p "$(dirname "$RUN")"
log="${RUN%/}.server.log"
MODEL="$model" NAME="$name" PORT="$port" setsid bash -c "$command" >"$log" 2>&1 &
server=$!
stop() { # the server and all that it started
    kill -- "-$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
}
trap stop EXIT
trap 'exit 130' INT TERM
started=$SECONDS
until answers; do
    if ! kill -0 "$server" 2>/dev/null; then
        echo "eval.sh: the server ended before it answered; the end of $log:" >&2
        tail -n 5 "$log" >&2
        exit 1
    fi
    if [ $((SECONDS - started)) -ge "$wait_s" ]; then
        echo "eval.sh: the server did not answer within $wait_s s (--wait); see $log" >&2
        exit 1
    fi
    sleep 1
done
"$LEMMA" eval "$CONFIG" -o "$RUN" --set "student.base_url=$url" --set "student.model=$name" ${options[@]+"${options[@]}"}
