"""Miniature models under the real names of the hub: two layers, 64 wide, random, with the tokenizer of the demo model.

make(folder, "Qwen/Qwen3-4B-Base", demo_model)        a model folder, whose files go onto the local hub
"""

import json
import shutil
from pathlib import Path

TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.json")


def make(folder, name, demo_model, layers=2):
    """Write the model; names that begin with meta-llama/ and end without Instruct have no chat template, as on the hub."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM, Qwen3Config
    from transformers import Qwen3ForCausalLM as Qwen3

    folder = Path(folder)
    tokenizer = AutoTokenizer.from_pretrained(demo_model)
    shape = dict(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=layers,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=32,
        max_position_embeddings=8192,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(0)
    config, kind = (LlamaConfig, LlamaForCausalLM) if "lama" in name else (Qwen3Config, Qwen3)
    kind(config(**shape)).to(torch.bfloat16).save_pretrained(folder)
    for file in (*TOKENIZER, "chat_template.jinja", "merges.txt"):
        if (Path(demo_model) / file).is_file():
            shutil.copy(Path(demo_model) / file, folder)
    if "lama" in name and "Instruct" not in name:
        (folder / "chat_template.jinja").unlink(missing_ok=True)
        settings = json.loads((folder / "tokenizer_config.json").read_text())
        settings.pop("chat_template", None)
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


def add(hub, name, folder, demo_model):
    """Make a model and put it on the hub."""
    made = make(Path(folder) / name, name, demo_model)
    hub.add("models", name, {path.name: path for path in sorted(made.iterdir())})
