"""Merge a LoRA or QLoRA adapter into its 16-bit base: one plain model, which everything loads.

    python 03_sft/merge_adapter.py --adapter data/runs/my/adapter --output data/runs/my/merged

in   --adapter  folder of sft.py; its base is looked up in adapter_config.json, or given by --base
out  --output   a folder: 16-bit weights, tokenizer, sft.meta.json with what was merged

A QLoRA adapter too is merged onto the 16-bit weights; the sum is formed in fp32 and rounded once.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import json
import os
import shutil

from fit_estimate import read_config

import batch_generate
import rows as r

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


def load_for_use(model, adapter=None, quantization=None):
    """(model, tokenizer) to generate with; an adapter's folder may be given as `model`. Adapters
    are merged in memory: beside each of 210 matrices they slow every generated token.

    quantization  transformers' config of a QLoRA run, whose base may not fit in 16 bits: its
                  adapter stays beside it
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
    if adapter and not quantization:
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


def read_meta(folder):
    path = Path(folder) / "sft.meta.json"
    return json.loads(path.read_text()) if path.is_file() else {}


def merge(adapter, output, base=None):
    """Write the merged model to `output`, where it is not there yet.

    PEFT adds each module's fp32 difference to its weight in place, rounded once to bf16 (its
    safe_merge rounds the difference too). Memory: the model in 16 bits and one layer.
    """
    import torch
    from transformers.trainer_utils import align_special_tokens

    output, base = Path(output), base_of(adapter, base)
    parts = [batch_generate.identify(model) for model in (adapter, base)]
    made = r.text_hash(*parts, r.file_hash(__file__))
    if read_meta(output).get("merge", {}).get("made_from") == made:
        r.say(f"{output}: finished already (merged model)")
        return
    if output.exists() and any(output.iterdir()) and not (output / "config.json").is_file():
        raise r.BadInput(f"--output {output} holds other files; choose another folder")
    r.starting(output, f"{adapter} on {base}")
    model, tokenizer = load_for_use(base, adapter)
    model = model.to(torch.bfloat16)
    align_special_tokens(model, tokenizer)
    aside = output.with_name(f".{output.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    model.save_pretrained(aside, max_shard_size=SHARD)
    tokenizer.save_pretrained(aside)
    facts = {"adapter": str(adapter), "base": base, "made_from": made}
    r.write_json(aside / "sft.meta.json", read_meta(adapter) | {"merge": facts})
    shutil.rmtree(output, ignore_errors=True)
    os.replace(aside, output)
    r.say(f"{output}: merged model in bf16")


def main():
    parser = r.parser(__doc__)
    add = parser.add_argument
    add("--adapter", required=True, metavar="DIR", help="folder of the adapter")
    add("--output", required=True, metavar="DIR", help="folder for the merged model")
    add("--base", metavar="M", help="base model, where it moved since training")
    args = parser.parse_args()
    merge(args.adapter, args.output, args.base)


if __name__ == "__main__":
    r.run(main)
