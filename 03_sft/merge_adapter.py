"""Merge a LoRA or QLoRA adapter into its 16-bit base: one plain model, which everything loads.

    python 03_sft/merge_adapter.py --adapter data/runs/my/adapter --output data/runs/my/merged --check

in   --adapter  folder of sft.py; its base is looked up in adapter_config.json, or given by --base
     --check    compare with base + adapter: the likeliest next token everywhere in held-out rows
out  --output   a folder: 16-bit weights, tokenizer, sft.meta.json with the comparison as "merge"

A QLoRA adapter too is merged onto the 16-bit weights; the sum is formed in fp32 and rounded once.
The comparison is an error (exit 1, nothing is left under --output) where fewer than 98 % of the
tokens agree.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import json
import os
import shutil

import training_rows as t
from fit_estimate import read_config

import batch_generate
import rows as r

AGREE = 0.98  # share of equal top-1 tokens; rounding to bf16 moves about 1 in 300 on a 135M model
SHARD = "2GB"  # of a weight file: from a GPU one file at a time is brought to the host
SPARE = 2 * 2**30  # bytes beside the weights: one layer in fp32, the logits of one row
# bytes in 16 bits up to which a CPU computes in fp32: without AMX bf16 takes 2 to 6 times as long
SMALL = 2**30


def base_of(adapter, base=None):
    """Name of the model the adapter belongs to: `base`, else what its adapter_config.json says."""
    config = Path(adapter) / "adapter_config.json"
    if not config.is_file():
        raise r.BadInput(f"--adapter {adapter}: there is no adapter_config.json in it")
    return base or json.loads(config.read_text())["base_model_name_or_path"]


def place_for(model):
    """Where a model is used in 16 bits: from_pretrained's device_map and dtype. Raises BadInput
    where neither the GPU nor this machine has room for its weights; reads the config only."""
    import psutil
    import torch
    from transformers import AutoModelForCausalLM

    batch_generate.check_gpu()
    with torch.device("meta"):
        shapes = AutoModelForCausalLM.from_config(read_config(model))
    size, free = 2 * shapes.num_parameters(), psutil.virtual_memory().available
    if torch.cuda.is_available() and torch.cuda.mem_get_info()[0] > size + SPARE:
        modern = torch.cuda.is_bf16_supported(including_emulation=False)  # from Ampere on
        return {"device_map": "cuda", "dtype": torch.bfloat16 if modern else torch.float16}
    if free < size:
        raise r.BadInput(
            f"{model} takes {size / 2**30:.1f} GiB in 16 bits, and this machine has "
            f"{free / 2**30:.1f} GiB free; use a machine with more memory"
        )
    return {"device_map": "cpu", "dtype": torch.float32 if size < SMALL else torch.bfloat16}


def load_for_use(model, adapter=None, quantization=None, merged=True):
    """(model, tokenizer) to generate with; an adapter's folder may be given as `model`.

    quantization  transformers' config of a QLoRA run, whose base may not fit in 16 bits
    merged        in memory: an adapter beside each of 210 matrices slows every generated token
    Raises BadInput where nothing can be loaded.
    """
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    if adapter is None and (Path(model) / "adapter_config.json").is_file():
        adapter, model = model, base_of(model)
    try:
        tokenizer = AutoTokenizer.from_pretrained(adapter or model)
        if quantization:
            how = dict(quantization_config=quantization, dtype=quantization.bnb_4bit_compute_dtype)
        else:
            how = place_for(model)
        loaded = AutoModelForCausalLM.from_pretrained(model, **how)
        if adapter:
            loaded = PeftModel.from_pretrained(loaded, adapter)
    except (OSError, ValueError) as error:
        place = f"{adapter} on {model}" if adapter else model
        reason = str(error).splitlines()[0]
        raise r.BadInput(f"{place}: no model can be loaded ({reason})") from None
    if adapter and merged and not quantization:
        loaded = loaded.merge_and_unload()
    return loaded.eval(), tokenizer


def generate(model, tokenizer, chats, **settings):
    """Tokens a model answers conversations with, a row each; settings are those of its
    generate()."""
    import torch

    tokenizer.padding_side = "left"
    batch = tokenizer.apply_chat_template(
        chats,
        add_generation_prompt=True,
        tokenize=True,
        padding=True,
        return_dict=True,
        return_tensors="pt",
    ).to(model.device)
    ends = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    with torch.no_grad():
        made = model.generate(**batch, **ends, **settings, do_sample=False)
    return made[:, batch["input_ids"].shape[1] :]


def top_tokens(model, sequences):
    """The likeliest next token at each place of some token sequences, as one tensor."""
    import torch

    tokens = []
    for ids in sequences:
        with torch.no_grad():
            logits = model(torch.tensor([ids], device=model.device), use_cache=False).logits[0]
        tokens.append(logits.argmax(-1).cpu())
    return torch.cat(tokens)


def is_same(differ, tokens):
    """Is it rounding that so many tokens differ? One always may: one near tie of 8 is 12 %."""
    return differ <= max(1, (1 - AGREE) * tokens)


def compare_saved(folder, adapted, sequences):
    """How far the model on the disk agrees with the top_tokens() of base + adapter; raises
    RuntimeError and deletes it where it does not."""
    saved, _ = load_for_use(str(folder))
    differ = (adapted != top_tokens(saved, sequences)).sum().item()
    agree = 1 - differ / len(adapted)
    said = f"{100 * agree:.2f} % of {len(adapted):,} top tokens agree"
    if not is_same(differ, len(adapted)):
        shutil.rmtree(folder)
        raise RuntimeError(
            f"the merged model differs from base + adapter: {said} (at least {100 * AGREE:.0f} % "
            "wanted)"
        )
    r.say(f"merged = base + adapter: {said}")
    return {"tokens": len(adapted), "agree": round(agree, 5)}


def read_meta(folder):
    path = Path(folder) / "sft.meta.json"
    return json.loads(path.read_text()) if path.is_file() else {}


def rows_to_compare(adapter):
    """Path of the held-out rows, or of those trained on where none were kept back."""
    held, meta = Path(adapter) / "sft.heldout.jsonl", read_meta(adapter)
    if meta and not (held.is_file() and held.stat().st_size):
        return Path(meta["given"]["train_file"])
    return held


def tokens_to_compare(path, tokenizer, limit=16):
    chats = [t.conversation(row)[0] for row in r.read(path, limit=limit)]
    tokens = tokenizer.apply_chat_template(chats, tokenize=True, return_dict=False)
    return [ids[:2048] for ids in tokens]


def merge(adapter, output, base=None, check=False):
    """Write the merged model to `output`, where it is not there yet; returns the comparison made.

    PEFT adds each module's fp32 difference to its weight in place, rounded once to bf16 (its
    safe_merge rounds the difference too). Memory: the model in 16 bits and one layer. Raises
    RuntimeError where the comparison fails.
    """
    import torch
    from transformers.trainer_utils import align_special_tokens

    output, base = Path(output), base_of(adapter, base)
    parts = [batch_generate.identify(model) for model in (adapter, base)]
    made = r.text_hash(*parts, check, r.file_hash(__file__))
    if read_meta(output).get("merge", {}).get("made_from") == made:
        r.say(f"{output}: finished already (merged model)")
        return None
    if output.exists() and any(output.iterdir()) and not (output / "config.json").is_file():
        raise r.BadInput(f"--output {output} holds other files; choose another folder")
    r.starting(output, f"{adapter} on {base}")
    model, tokenizer = load_for_use(base, adapter, merged=False)
    if check:
        sequences = tokens_to_compare(rows_to_compare(adapter), tokenizer)
        adapted = top_tokens(model, sequences)
    model = model.merge_and_unload().to(torch.bfloat16)
    align_special_tokens(model, tokenizer)
    aside = output.with_name(f".{output.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    model.save_pretrained(aside, max_shard_size=SHARD)
    tokenizer.save_pretrained(aside)
    del model
    facts = {"adapter": str(adapter), "base": base, "made_from": made}
    result = compare_saved(aside, adapted, sequences) if check else {}
    r.write_json(aside / "sft.meta.json", read_meta(adapter) | {"merge": facts | result})
    shutil.rmtree(output, ignore_errors=True)
    os.replace(aside, output)
    r.say(f"{output}: merged model in bf16")
    return result


def main():
    parser = r.parser(__doc__)
    add = parser.add_argument
    add("--adapter", required=True, metavar="DIR", help="folder of the adapter")
    add("--output", required=True, metavar="DIR", help="folder for the merged model")
    add("--base", metavar="M", help="base model, where it moved since training")
    add("--check", action="store_true", help="compare with base + adapter on held-out rows")
    args = parser.parse_args()
    merge(args.adapter, args.output, args.base, args.check)


if __name__ == "__main__":
    r.run(main)
