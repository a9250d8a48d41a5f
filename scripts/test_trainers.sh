#!/usr/bin/env bash
# Shows that real trainers take an export as it is: datasets, LLaMA-Factory 0.9.5, TRL 0.24, on the processor.
# A tiny model with random weights is made here; nothing is downloaded but packages. Not part of scripts/test.sh.
#
# Usage: bash scripts/test_trainers.sh [EXPORT]
#
#   EXPORT    an export's folder with all formats; without it the bundled example is run and exported
#
# TRAINERS_ENV names the environment that is made and used (default: ~/.cache/lemma-trainers, about 2 GB). It is apart
# from lemma's own: trainers pin other versions. TORCH is what pip is asked for (default: torch==2.13.0+cpu, or, with an
# index that has no such wheel, any torch).
set -euo pipefail
. "$(dirname "$0")/stage.sh"
case "${1:-}" in -h | --help) show_help "$0"; exit 0 ;; esac

root=$(cd "$(dirname "$0")/.." && pwd)
environment="${TRAINERS_ENV:-$HOME/.cache/lemma-trainers}"
export HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false DISABLE_VERSION_CHECK=1 CUDA_VISIBLE_DEVICES= USE_TORCHVISION=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

install_trainers() {
    local python="$environment/bin/python" candidate
    for candidate in "${PYTHON:-}" python3.11 python3.12 python3; do
        [ -n "$candidate" ] && "$candidate" -m venv "$environment" && break
    done
    local pip=("$python" -m pip install --quiet --disable-pip-version-check)
    "${pip[@]}" "${TORCH:-torch==2.13.0+cpu}" || "${pip[@]}" torch
    # what LLaMA-Factory needs for text, in the versions that it allows; its demands for audio, video and a web page aside.
    # TRL 0.24, the newest that it allows, does not work with transformers 5
    "${pip[@]}" "accelerate<=1.11.0" "datasets<=4.0.0" "peft==0.18.1" "transformers>=4.57.1,<5" "trl==0.24.0" omegaconf \
        "av<=16.0.0" einops fire matplotlib pandas sentencepiece tiktoken "tyro<0.9.0" scipy pyyaml
    "${pip[@]}" --no-deps llamafactory==0.9.5
    # it imports torchaudio whatever it trains on; the wheels on PyPI are for GPUs
    "$python" -c 'import torchaudio' 2>/dev/null || "$python" - <<'END'
import sysconfig
from pathlib import Path

folder = Path(sysconfig.get_paths()["purelib"]) / "torchaudio"
folder.mkdir(exist_ok=True)
(folder / "__init__.py").write_text('"""Stands in for torchaudio, which text does not need."""\n')
END
    touch "$environment/complete"
}

[ -e "$environment/complete" ] || { echo "installing trainers into $environment (once) …" >&2; install_trainers; }

if [ $# -gt 0 ]; then
    export_folder=$(cd "$1" && pwd)
else
    find_lemma
    export_folder="$work/run/export"
    "$LEMMA" run "$root/configs/quickstart.yaml" -o "$work/run" --quiet --limit 40 --set export.validation=0.1 \
        --set export.plain_share=0.2 \
        --set "export.formats=[alpaca,messages,sharegpt,parquet,completion,llamafactory,steps,pairs]"
fi

export PATH="$environment/bin:$PATH" HF_HOME="$work/hf"
python "$root/tests/tools/train_tiny.py" model "$work/tiny"
python "$root/tests/tools/train_tiny.py" load "$export_folder"
for yaml in "" --lora; do
    bash "$root/scripts/train.sh" "$export_folder" $yaml --model "$work/tiny" --output "$work/llamafactory$yaml" \
        deepspeed=null bf16=false max_steps=2 per_device_train_batch_size=1 gradient_accumulation_steps=1 \
        cutoff_len=512 max_samples=20 plot_loss=false >"$work/log" 2>&1 || { tail -30 "$work/log" >&2; exit 1; }
    python "$root/tests/tools/train_tiny.py" trained "$work/llamafactory$yaml"
done
python "$root/tests/tools/train_tiny.py" trl "$export_folder" "$work/tiny" "$work/trl"
echo "trainers: all passed"
