"""Merge a LoRA or QLoRA adapter into its 16-bit base, so that vLLM and everything else loads one plain model.

    python 03_sft/merge_adapter.py --adapter data/runs/my/adapter --output data/runs/my/merged --check

in   --adapter  folder of sft.py (adapter, tokenizer, sft.heldout.jsonl); its base is looked up in adapter_config.json, or given by --base
     --check    compare the merged model with base + adapter: the likeliest next token at every position of held-out rows
     --prompts  rows for that comparison (default: the adapter's sft.heldout.jsonl, or the rows trained on); any form that sft.py reads
     --gguf     also write FILE in GGUF, by llama.cpp's convert_hf_to_gguf.py (found on PATH or in $LLAMA_CPP)
out  --output   a folder: 16-bit weights, tokenizer, chat template, sft.meta.json with the comparison under "merge"

A QLoRA adapter is merged onto the 16-bit weights, never onto the 4-bit ones. The sum is formed in fp32 and rounded once. The comparison is an
error (exit 1, nothing is left under --output) where fewer than 98 % of the tokens agree (of a few tokens:
where more than one differs), or where a token differs that was no close call.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import json
import os
import shutil
import subprocess

import training_rows as t

import batch_generate
import rows as r

AGREE = 0.98  # share of equal top-1 tokens; rounding to bf16 moves about 1 in 300 on a 135M model
SHARD = "2GB"  # of a weight file: from a GPU one file at a time is brought to the host
CLOSE = 0.5  # logits; a token that led by more than this must not change


def base_of(adapter, base=None):
    """Name of the model the adapter belongs to."""
    config = Path(adapter) / "adapter_config.json"
    if not config.is_file():
        raise r.BadInput(
            f"--adapter {adapter}: there is no adapter_config.json in it, so it is no adapter"
            + (
                " (it looks like a whole model: nothing has to be merged)"
                if (Path(adapter) / "config.json").is_file()
                else ""
            )
        )
    found = base or json.loads(config.read_text())["base_model_name_or_path"]
    if not found:
        raise r.BadInput(
            f'{config}: field "base_model_name_or_path" is empty; name the base with --base'
        )
    return found


def top_tokens(model, batches):
    """For each token sequence: the likeliest next tokens and the leads over the second, as two
    tensors."""
    import torch

    found = []
    with torch.no_grad():
        for ids in batches:
            best = (
                model(input_ids=torch.tensor([ids], device=model.device), use_cache=False)
                .logits[0]
                .float()
                .topk(2)
            )
            found.append((best.indices[:, 0].cpu(), (best.values[:, 0] - best.values[:, 1]).cpu()))
    return found


def compare(adapted, merged):
    """Agreement of two lists of top_tokens(): {"tokens", "agree", "largest_lead_lost"}; the lead is
    the first model's."""
    import torch

    first, second = (torch.cat([tokens for tokens, _ in side]) for side in (adapted, merged))
    lead, differ = torch.cat([lead for _, lead in adapted]), first != second
    return {
        "tokens": len(first),
        "agree": round(1 - differ.float().mean().item(), 5),
        "largest_lead_lost": round(lead[differ].max().item(), 4) if differ.any() else 0.0,
    }


def is_same(result):
    """Whether what compare() found is rounding: few tokens differ (of fewer than 50 one may, since
    one near tie of 8 is 12 %), and each was a close call."""
    differ = round((1 - result["agree"]) * result["tokens"])
    return differ <= max(1, (1 - AGREE) * result["tokens"]) and result["largest_lead_lost"] <= CLOSE


def rows_to_compare(adapter, prompts=None):
    """Path of the rows to compare on: the file named, the held-out rows, or the rows trained on
    where none were kept back."""
    held, meta = Path(adapter) / "sft.heldout.jsonl", Path(adapter) / "sft.meta.json"
    if prompts or (held.is_file() and held.stat().st_size):
        return Path(prompts or held)
    given = json.loads(meta.read_text()).get("given", {}) if meta.is_file() else {}
    return Path(given.get("train_file") or held)


def held_out_tokens(path, tokenizer, limit=16):
    rows = list(r.read(path, limit=limit)) if path.is_file() else []
    if not rows:
        raise r.BadInput(f"{path}: no rows to compare on; name some with --prompts")
    try:
        return [ids[:2048] for ids, _ in t.encode(tokenizer, [t.conversation(row) for row in rows])]
    except ValueError as error:
        raise r.BadInput(f"{path}: {error}") from None


def made_from(adapter, base, check, prompts):
    """What a merged model depends on: the weights of both, the comparison asked for, this
    script."""
    weights = [
        r.file_hash(str(path)) for path in sorted(Path(adapter).glob("adapter_*")) if path.is_file()
    ]
    path = rows_to_compare(adapter, prompts)
    compared = r.file_hash(str(path)) if check and path.is_file() else check
    return r.text_hash(weights, batch_generate.identify(base), compared, r.file_hash(__file__))[:16]


def finished(output, made):
    """Is the merged model there, made from the same? Then a line says so."""
    meta = Path(output) / "sft.meta.json"
    if not meta.is_file() or json.loads(meta.read_text()).get("merge", {}).get("made_from") != made:
        return False
    r.say(f"{output}: finished already (merged model)")
    return True


def merge(adapter, output, base=None, check=False, prompts=None, made=None):
    """Write the merged model to `output`; returns the comparison, or None without check.

    Memory: the model in 16 bits and one layer (small models on a CPU: in fp32). Raises RuntimeError
    where the comparison fails.
    """
    from transformers import AutoTokenizer

    output, base = Path(output), base_of(adapter, base)
    if output.exists() and any(output.iterdir()) and not (output / "config.json").is_file():
        raise r.BadInput(f"--output {output} holds other files; choose another folder")
    made = made or made_from(adapter, base, check, prompts)
    tokenizer = AutoTokenizer.from_pretrained(adapter)
    path = rows_to_compare(adapter, prompts)
    sequences = held_out_tokens(path, tokenizer) if check else []
    aside = output.with_name(f".{output.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    adapted = write_merged(adapter, base, tokenizer, aside, sequences)
    result = compare_saved(aside, adapted, sequences) if check else None
    meta = Path(adapter) / "sft.meta.json"
    merge_facts = {"adapter": str(adapter), "base": base, "made_from": made, **(result or {})}
    r.write_json(
        aside / "sft.meta.json",
        {**(json.loads(meta.read_text()) if meta.is_file() else {}), "merge": merge_facts},
    )
    shutil.rmtree(output, ignore_errors=True)
    output.parent.mkdir(parents=True, exist_ok=True)
    os.replace(aside, output)
    r.say(f"{output}: merged model in bf16")
    return result


def write_merged(adapter, base, tokenizer, folder, sequences):
    """Save base + adapter to a folder; returns top_tokens() of the two side by side, before they
    are merged.

    PEFT adds each module's fp32 difference to its weight in place: W.float() + difference, rounded
    once to bf16.
    """
    import torch
    from peft import PeftModel
    from prepare_model import align_model
    from training_checks import place_for
    from transformers import AutoModelForCausalLM

    try:
        device, dtype = place_for(base)
        model = AutoModelForCausalLM.from_pretrained(
            base, dtype=torch.bfloat16, device_map=device
        ).to(dtype)
    except (OSError, ValueError) as error:
        raise r.BadInput(
            f"the base model {base} cannot be loaded ({str(error).splitlines()[0]}); name it with --base"
        ) from None
    model = PeftModel.from_pretrained(model, adapter).eval()
    adapted = top_tokens(model, sequences)
    model = model.merge_and_unload().to(torch.bfloat16)
    broken = [name for name, weight in model.named_parameters() if not weight.isfinite().all()]
    if broken:
        raise RuntimeError(f"{adapter}: the merged {broken[0]} holds values that are no numbers")
    align_model(model, tokenizer)
    model.save_pretrained(folder, max_shard_size=SHARD)
    tokenizer.save_pretrained(folder)
    return adapted


def compare_saved(folder, adapted, sequences):
    """compare() with what lies on the disk, not with what is in memory; raises RuntimeError and
    deletes the folder where it differs."""
    from training_checks import load_for_use

    saved, _ = load_for_use(str(folder))
    result = compare(adapted, top_tokens(saved, sequences))
    said = f"{100 * result['agree']:.2f} % of {result['tokens']:,} top tokens agree"
    if not is_same(result):
        shutil.rmtree(folder)
        raise RuntimeError(
            f"the merged model differs from base + adapter: {said} (at least {100 * AGREE:.0f} % wanted), largest "
            f"lead lost {result['largest_lead_lost']} (at most {CLOSE}); nothing was written"
        )
    r.say(f"merged = base + adapter: {said}, largest lead lost {result['largest_lead_lost']}")
    return result


def to_gguf(model, target):
    """Convert by llama.cpp's own script."""
    script = (
        shutil.which("convert_hf_to_gguf.py")
        or Path(os.environ.get("LLAMA_CPP", "")) / "convert_hf_to_gguf.py"
    )
    if not Path(script).is_file():
        raise r.BadInput(
            "--gguf needs llama.cpp's convert_hf_to_gguf.py on PATH, or LLAMA_CPP set to llama.cpp's folder"
        )
    subprocess.run([sys.executable, str(script), str(model), "--outfile", str(target)], check=True)


def main():
    parser = r.parser(__doc__)
    add = parser.add_argument
    add("--adapter", required=True, metavar="DIR", help="folder of the adapter")
    add(
        "--output",
        required=True,
        metavar="DIR",
        help="folder for the merged model (a folder, not a file)",
    )
    add("--base", metavar="M", help="base model, where it moved since training")
    add("--check", action="store_true", help="compare with base + adapter on held-out rows")
    add("--prompts", metavar="FILE", help="rows to compare on")
    add("--gguf", metavar="FILE", help="also write a GGUF file")
    args = parser.parse_args()
    base = base_of(args.adapter, args.base)
    if args.prompts and not Path(args.prompts).is_file():
        raise r.BadInput(f"--prompts {args.prompts}: there is no such file")
    made = made_from(args.adapter, base, args.check, args.prompts)
    if not finished(args.output, made):
        r.starting(args.output, f"{args.adapter} on {base}")
        merge(args.adapter, args.output, base, args.check, args.prompts, made)
    if args.gguf:
        to_gguf(args.output, args.gguf)


if __name__ == "__main__":
    r.run(main)
