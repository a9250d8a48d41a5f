#!/usr/bin/env bash
# The whole of it: makes the dataset, trains a model on it, measures it and the model that it was made from, and
# compares the two. Run it again and it goes on where it was; a step that is done is not done again.
#
# Usage: bash scripts/reproduce.sh CONFIG EVAL_CONFIG WORK --model BASE [OPTION]...
#
#   CONFIG             how the dataset is made, such as configs/gpt-4o-gsm8k.yaml
#   EVAL_CONFIG        how models are measured, such as configs/eval.yaml
#   WORK               a folder for everything:  data/ (the run)  model/ (trained)  eval-base/  eval-tuned/  comparison.md
#   --model BASE       the model to train, a name on the hub or a folder
#   --lora             train LoRA adapters on one GPU (scripts/train.sh), in place of full fine-tuning; vLLM then serves
#                      them on top of BASE (with --with: $BASE and $MODEL, which holds the adapters)
#   --train SETTING    a setting for the trainer, such as num_train_epochs=1 (repeatable)
#   --with COMMAND     how a model is served while it is measured (scripts/eval.sh; default: vLLM)
#   --port N           where (default 8000)
#   --base-url URL, --tuned-url URL
#                      the models are served there already, and nothing is started here; the configuration's
#                      student.model names them, or --base-name and --tuned-name
#   --limit N          problems of each dataset and benchmark at most, for a first look
#   --retries N        after status 3 go on by itself, N times at most (scripts/run_full.sh)
#
# The steps: 1 scripts/run_full.sh (sample, analyze, inject, correct, smooth, export) · 2 scripts/train.sh
# · 3 scripts/eval.sh twice · 4 lemma eval --compare.
# A step is done where WORK/model/.done, WORK/eval-…/eval/results.json stand; remove them to do it anew.
# Exit status: that of the step that could not be finished; 2 usage.
set -euo pipefail
here=$(dirname "$0")
. "$here/stage.sh"
case "${1:-}" in -h | --help) show_help "$0"; exit 0 ;; esac
usage() {
    echo "usage: bash $0 CONFIG EVAL_CONFIG WORK --model BASE [OPTION]...      (--help says more)" >&2
    exit 2
}
[ $# -ge 3 ] && [[ "$1" != -* && "$2" != -* && "$3" != -* ]] || usage
CONFIG="$1" EVAL_CONFIG="$2" WORK="${3%/}"
shift 3

base='' base_url='' tuned_url='' base_name='' tuned_name=''
is_lora='' has_command=''
run_options=() train_options=() serve_options=() eval_options=()
while [ $# -gt 0 ]; do
    case "$1" in
        --lora) train_options+=(--lora); is_lora=1; shift; continue ;;
        --model | --train | --with | --port | --base-url | --tuned-url | --base-name | --tuned-name | --limit | --retries) ;;
        *) echo "reproduce.sh: unknown option $1" >&2; usage ;;
    esac
    [ $# -ge 2 ] || { echo "reproduce.sh: $1 needs a value" >&2; exit 2; }
    case "$1" in
        --model) base="$2" ;;
        --train) train_options+=("$2") ;;
        --with) has_command=1; serve_options+=("$1" "$2") ;;
        --port) serve_options+=("$1" "$2") ;;
        --base-url) base_url="$2" ;;
        --tuned-url) tuned_url="$2" ;;
        --base-name) base_name="$2" ;;
        --tuned-name) tuned_name="$2" ;;
        --limit) run_options+=(--limit "$2"); eval_options+=(--limit "$2") ;;
        --retries) run_options+=(--retries "$2") ;;
    esac
    shift 2
done
export BASE="$base"
[ -n "$base" ] || { echo "reproduce.sh: --model is missing" >&2; exit 2; }

say() { echo "── $1" >&2; }

measure() { # measure RUN MODEL URL NAME
    if [ -s "$1/eval/results.json" ]; then
        say "$1 is measured already"
        cat "$1/eval/results.md"
        return
    fi
    say "measuring $2"
    local options=(${eval_options[@]+"${eval_options[@]}"})
    if [ -n "$3" ]; then
        options+=(--set "student.base_url=$3")
        [ -z "$4" ] || options+=(--set "student.model=$4")
    else
        if [ -n "$is_lora" ] && [ -z "$has_command" ] && [ "$2" != "$base" ]; then
            options+=(--with 'exec vllm serve "$BASE" --enable-lora --lora-modules "$NAME=$MODEL" --port "$PORT"')
        fi
        options+=(--serve "$2" ${serve_options[@]+"${serve_options[@]}"})
    fi
    bash "$here/eval.sh" "$EVAL_CONFIG" "$1" "${options[@]}"
}

find_lemma
mkdir -p "$WORK"
say "making the dataset"
bash "$here/run_full.sh" "$CONFIG" "$WORK/data" ${run_options[@]+"${run_options[@]}"} --set 'export.formats=[llamafactory, messages]'

if [ -n "$tuned_url" ]; then
    say "the trained model is served at $tuned_url: nothing is trained here"
elif [ -e "$WORK/model/.done" ]; then
    say "$WORK/model is trained already"
else
    say "training $base"
    bash "$here/train.sh" "$WORK/data/export" --model "$base" --output "$WORK/model" ${train_options[@]+"${train_options[@]}"}
    touch "$WORK/model/.done"
fi

measure "$WORK/eval-base" "$base" "$base_url" "$base_name"
measure "$WORK/eval-tuned" "$WORK/model" "$tuned_url" "$tuned_name"
say "comparing: first the base model, second the trained one"
"$LEMMA" eval --compare "$WORK/eval-base" "$WORK/eval-tuned" | tee "$WORK/comparison.md"
