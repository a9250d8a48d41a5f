#!/usr/bin/env bash
# Trains a model on an exported dataset with LLaMA-Factory (0.9.5 is tested): the paper's settings, or LoRA.
#
# Usage: bash scripts/train.sh EXPORT [--lora] [--model MODEL] [--output DIR] [KEY=VALUE]...
#
#   EXPORT           an export's folder, such as runs/gsm8k/export; it holds llamafactory/
#   --lora           train_lora.yaml, for one GPU, in place of full fine-tuning (train.yaml)
#   --model MODEL    a name on the Hugging Face hub, or a folder; without it, the one in the yaml
#   --output DIR     where the trained model goes; without it, EXPORT/model
#   KEY=VALUE        further settings of LLaMA-Factory, such as num_train_epochs=1 deepspeed=null bf16=false
#
# The settings are in EXPORT/llamafactory/; edit them there, or override them here. docs/training.md says more.
# Exit status: that of LLaMA-Factory; 1 where something is missing, 2 usage.
set -euo pipefail
. "$(dirname "$0")/stage.sh"

usage() {
    echo "usage: bash $0 EXPORT [--lora] [--model MODEL] [--output DIR] [KEY=VALUE]...      (--help says more)" >&2
    exit 2
}

missing() {
    echo "train.sh: $1" >&2
    exit 1
}

absolute() { # a path as seen from elsewhere
    case "$1" in /*) echo "$1" ;; *) echo "$PWD/$1" ;; esac
}

case "${1:-}" in -h | --help) show_help "$0"; exit 0 ;; '' | -* | *=*) usage ;; esac
folder="$1/llamafactory"
shift

yaml=train.yaml
settings=() # later ones win
while [ $# -gt 0 ]; do
    case "$1" in
        --lora) yaml=train_lora.yaml; shift ;;
        --model)
            [ $# -ge 2 ] || usage
            if [ -d "$2" ]; then settings+=("model_name_or_path=$(absolute "$2")"); else settings+=("model_name_or_path=$2"); fi
            shift 2 ;;
        --output)
            [ $# -ge 2 ] || usage
            settings+=("output_dir=$(absolute "$2")"); shift 2 ;;
        [a-z]*=*) settings+=("$1"); shift ;;
        *) usage ;;
    esac
done

[ -f "$folder/$yaml" ] || missing "$folder/$yaml is not there; export the run with llamafactory among export.formats (lemma export CONFIG -o RUN --set export.formats=[llamafactory])"
[ -s "$folder/train.jsonl" ] || missing "$folder/train.jsonl holds no rows; there is nothing to train on"
command -v llamafactory-cli >/dev/null || missing "llamafactory-cli is not on the PATH; install it into an environment of its own: pip install llamafactory==0.9.5 (and deepspeed, for several GPUs)"
if grep -q '^deepspeed:' "$folder/$yaml" && [[ " ${settings[*]-} " != *" deepspeed="* ]] && ! command -v deepspeed >/dev/null; then
    missing "full fine-tuning wants deepspeed: pip install deepspeed, or add deepspeed=null (one GPU), or --lora"
fi

cd "$folder"
exec llamafactory-cli train "$yaml" ${settings[@]+"${settings[@]}"}
