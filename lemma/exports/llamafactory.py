"""``llamafactory/``: a folder that LLaMA-Factory trains on as it is, by ``llamafactory-cli train train.yaml`` in it.

::

    train.jsonl, validation.jsonl     {"prompt", "completion", "instruction", "output"} a line
    dataset_info.json                 the datasets: lemma, lemma_chat, their validation splits, lemma_pairs
    train.yaml                        full fine-tuning with the paper's settings (section 4.1)
    train_lora.yaml                   the same with LoRA, for one GPU
    deepspeed.json                    ZeRO stage 2, for train.yaml

`lemma` is text in the prompt of `export.prompt`, for a base model; `lemma_chat` is the question alone, for a template
of LLaMA-Factory's. The forms are those of LLaMA-Factory 0.9.5 (its data/README.md and `DatasetAttr`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Final

from lemma.config import ExportConfig
from lemma.exports.base import ExportFormat, JsonLines
from lemma.exports.completion import parts_of
from lemma.exports.templates import template_of
from lemma.records import TrainingRow

FOLDER: Final = "llamafactory"

_FULL: Final = """\
finetuning_type: full
deepspeed: deepspeed.json      # ZeRO stage 2 over all GPUs; `deepspeed=null` trains on one
"""
_LORA: Final = """\
finetuning_type: lora
lora_rank: 64
lora_alpha: 128
lora_target: all
"""
_SETTINGS: Final = """\
# {head}
# Run it in this folder: llamafactory-cli train {name} [key=value]...      (scripts/train.sh does that)
stage: sft
do_train: true
model_name_or_path: meta-llama/Meta-Llama-3-8B
{tuning}
# `lemma` is text in the prompt that stands in train.jsonl, and `fewshot` adds nothing to it but the end of text. Ask
# the trained model with the same prompt. For a chat model: dataset: lemma_chat, and template: that of the model.
dataset_dir: .
dataset: lemma
template: fewshot
cutoff_len: 4096

num_train_epochs: 3.0
learning_rate: {rate}
lr_scheduler_type: cosine
warmup_ratio: 0.03
per_device_train_batch_size: {batch}
gradient_accumulation_steps: {steps}
bf16: true
seed: 0
{validation}
output_dir: ../model
logging_steps: 5
plot_loss: true
save_strategy: epoch
save_total_limit: 1
save_only_model: true
report_to: none
"""
_VALIDATION: Final = """
eval_dataset: lemma_validation
eval_strategy: epoch
per_device_eval_batch_size: 4
"""
_DEEPSPEED: Final = {
    "train_batch_size": "auto",
    "train_micro_batch_size_per_gpu": "auto",
    "gradient_accumulation_steps": "auto",
    "gradient_clipping": "auto",
    "zero_allow_untested_optimizer": True,
    "bf16": {"enabled": "auto"},
    "fp16": {"enabled": "auto"},
    "zero_optimization": {
        "stage": 2,
        "overlap_comm": True,
        "contiguous_gradients": True,
        "round_robin_gradients": True,
    },
}
"""`auto` takes the value of the training's settings (huggingface.co/docs/transformers/deepspeed)."""


def _info(has_validation: bool, files: frozenset[str]) -> dict[str, object]:
    text = {"prompt": "prompt", "response": "completion"}
    question = {"prompt": "instruction", "response": "output"}
    info: dict[str, object] = {}
    for split, suffix in (("train", ""), ("validation", "_validation")):
        if split == "train" or has_validation:
            for name, columns in (("lemma", text), ("lemma_chat", question)):
                info[name + suffix] = {"file_name": f"{split}.jsonl", "formatting": "alpaca", "columns": columns}
        pairs = "pairs" + suffix + ".jsonl"
        if pairs in files:
            info["lemma_pairs" + suffix] = {
                "file_name": f"../{pairs}",
                "formatting": "alpaca",
                "ranking": True,
                "columns": {"prompt": "prompt", "chosen": "chosen", "rejected": "rejected"},
            }
    return info


def _companions(has_validation: bool, files: frozenset[str]) -> Mapping[str, bytes]:
    def settings(**values: str) -> bytes:
        return _SETTINGS.format(validation=_VALIDATION if has_validation else "", **values).encode()

    return {
        f"{FOLDER}/dataset_info.json": _json(_info(has_validation, files)),
        f"{FOLDER}/train.yaml": settings(
            head="Full fine-tuning with the settings of the paper (arXiv 2503.17439): 32 rows a step on each GPU.",
            name="train.yaml",
            tuning=_FULL,
            rate="1.0e-5",
            batch="4",
            steps="8",
        ),
        f"{FOLDER}/train_lora.yaml": settings(
            head="LoRA on one GPU of 24 GB or more; the paper's schedule, with a rate that suits low ranks.",
            name="train_lora.yaml",
            tuning=_LORA,
            rate="1.0e-4",
            batch="1",
            steps="32",
        ),
        f"{FOLDER}/deepspeed.json": _json(_DEEPSPEED),
    }


def _json(tree: Mapping[str, object]) -> bytes:
    return json.dumps(tree, indent=2).encode() + b"\n"


def llamafactory_format(config: ExportConfig) -> ExportFormat:
    """The format as configured.

    Raises:
        ConfigError: an unknown prompt.
    """
    template = template_of(config.prompt)

    def shape(row: TrainingRow) -> dict[str, object]:
        parts = parts_of(row, template, config.loss_on)
        question = f"{row.instruction}\n{row.input}" if row.input else row.instruction
        return {**parts._asdict(), "instruction": question, "output": row.output}

    return ExportFormat(
        f"{FOLDER}/train.jsonl",
        f"{FOLDER}/validation.jsonl",
        partial(JsonLines, shape),
        "prompt, completion, instruction, output",
        companions=_companions,
        companion_names=tuple(_companions(True, frozenset())),
    )


LLAMAFACTORY = replace(llamafactory_format(ExportConfig()), configured=llamafactory_format)
