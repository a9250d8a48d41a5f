#!/usr/bin/env python3
"""The checks of ``scripts/test_trainers.sh``, run in the trainers' own environment, on a tiny model made here.

python tests/tools/train_tiny.py model TINY            # a llama of 100,000 random weights, with a tokenizer of bytes
python tests/tools/train_tiny.py load EXPORT           # every format, by datasets
python tests/tools/train_tiny.py trained FOLDER        # what LLaMA-Factory left there
python tests/tools/train_tiny.py trl EXPORT TINY OUT   # two steps each of TRL's trainers
"""

# mypy: disable-error-code="import-not-found"
from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

CHAT = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}{{ eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def make_model(folder: Path) -> None:
    """Writes the model; its tokenizer knows bytes alone, so that nothing has to be fetched."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = {token: number for number, token in enumerate(["<s>", "</s>", "<pad>", *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=tokens, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>", chat_template=CHAT
    )
    fast.save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=len(tokens),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=8192,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=2,
    )
    LlamaForCausalLM(config).save_pretrained(folder)


def load_all(export: Path) -> None:
    """Loads the folder by its card: every configuration, every split, and the Parquet file."""
    from datasets import get_dataset_config_names, load_dataset

    for name in get_dataset_config_names(str(export)):
        loaded = load_dataset(str(export), name)
        sizes = {split: len(rows) for split, rows in loaded.items()}
        assert all(sizes.values()), f"{name}: an empty split"
        print(f"datasets: {name} {sizes}")
    rows = load_dataset("parquet", data_files=str(export / "train.parquet"), split="train")
    assert len(rows) == sum(1 for _ in (export / "train.jsonl").open(encoding="utf-8"))
    print(f"datasets: parquet {len(rows)}")


def check_trained(folder: Path) -> None:
    """Two steps were made, and a model or an adapter is there."""
    state = json.loads((folder / "trainer_state.json").read_text(encoding="utf-8"))
    assert state["global_step"] == 2, state["global_step"]
    assert list(folder.glob("*.safetensors"))
    print(f"LLaMA-Factory: {folder.name}, 2 steps, loss {state['log_history'][-1]['train_loss']:.3f}")


def train_trl(export: Path, tiny: Path, out: Path) -> None:
    """SFT on messages and on completions, DPO on pairs, a process reward model on steps."""
    from datasets import load_dataset
    from transformers import AutoModelForTokenClassification, AutoTokenizer
    from trl import DPOConfig, DPOTrainer, PRMConfig, PRMTrainer, SFTConfig, SFTTrainer

    tokenizer = AutoTokenizer.from_pretrained(tiny)
    common: dict[str, Any] = {
        "max_steps": 2,
        "per_device_train_batch_size": 2,
        "report_to": [],
        "use_cpu": True,
        "bf16": False,
        "save_strategy": "no",
        "disable_tqdm": True,
    }

    def rows(name: str) -> Any:
        loaded = load_dataset("json", data_files=str(export / f"{name}.jsonl"), split="train")
        return loaded.select(range(min(16, len(loaded))))

    for name in ("messages", "completion"):
        sft = SFTConfig(output_dir=str(out / name), max_length=512, **common)
        trainer = SFTTrainer(str(tiny), args=sft, train_dataset=rows(name), processing_class=tokenizer)
        report(f"SFTTrainer on {name}", trainer)
    dpo = DPOConfig(output_dir=str(out / "pairs"), max_length=512, **common)
    report(
        "DPOTrainer on pairs", DPOTrainer(str(tiny), args=dpo, train_dataset=rows("pairs"), processing_class=tokenizer)
    )
    model = AutoModelForTokenClassification.from_pretrained(tiny, num_labels=2)
    prm = PRMConfig(output_dir=str(out / "steps"), max_length=512, **common)
    report("PRMTrainer on steps", PRMTrainer(model, args=prm, train_dataset=rows("steps"), processing_class=tokenizer))


def report(name: str, trainer: Any) -> None:
    """Trains, and says what came of it."""
    result = trainer.train()
    assert result.global_step == 2
    assert result.training_loss > 0
    print(f"TRL: {name}, 2 steps, loss {result.training_loss:.3f}")


def main() -> None:
    """Does what the first argument says."""
    command, *paths = sys.argv[1:]
    commands = {"model": make_model, "load": load_all, "trained": check_trained, "trl": train_trl}
    commands[command](*map(Path, paths))  # type: ignore[operator]


if __name__ == "__main__":
    main()
