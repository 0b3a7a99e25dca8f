"""What follows training, each step once: the saved model in 16 bits, its checks, plot and card, the merged adapter.

Imported by sft.py; no command of its own. sft.meta.json is there when training ends. A check adds its result to "checks"; one that
cannot run (out of memory, say) puts its reason into "failed_checks", and the same command tries it again.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import gc
import json
import os

import fast_training
import model_card
from training_options import say

import rows as r

ENDED = 0.95  # share of held-out prompts that must be answered to an end


def leave_distribution():
    """From here on one process works alone: no model it loads may be shared out over processes that
    are gone."""
    from transformers.integrations.deepspeed import unset_hf_deepspeed_config

    unset_hf_deepspeed_config()
    for name in ("ACCELERATE_USE_FSDP", "ACCELERATE_USE_DEEPSPEED"):
        os.environ.pop(name, None)


def to_16bit(folder):
    """Turn fp32 weight files into bf16 ones, tensor by tensor: the form in which the model is used
    and shared.

    A file whose weights are 16 bits wide already is left alone, so this can be called again.
    Memory: the largest tensor.
    """
    from safetensors import safe_open

    folder = Path(folder)
    for path in sorted(folder.glob("model*.safetensors")):
        with safe_open(path, "pt") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            if any(part.get_dtype() == "F32" for part in slices.values()):
                write_narrow(path, file, slices)
    config = json.loads((folder / "config.json").read_text())
    if config.get("dtype") == "bfloat16":
        return
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        total = sum(path.stat().st_size for path in folder.glob("model*.safetensors"))
        found = json.loads(index.read_text())
        r.write_json(index, found | {"metadata": {**found["metadata"], "total_size": total}})
    r.write_json(folder / "config.json", config | {"dtype": "bfloat16"})


def write_narrow(path, file, slices):
    """Write an open safetensors file anew with bf16 in place of fp32, one tensor in memory at a
    time.

    The format: length of the header in 8 bytes, header (JSON: type, shape and place of each
    tensor), bytes of the tensors.
    """
    import torch

    header, end = {"__metadata__": {"format": "pt"}}, 0
    for name, part in slices.items():
        kind = part.get_dtype().replace("F32", "BF16")
        count = torch.Size(part.get_shape()).numel()
        begin, end = end, end + count * {"BF16": 2, "F16": 2, "I64": 8}[kind]
        header[name] = {"dtype": kind, "shape": part.get_shape(), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with r.write_aside(path) as out:
        out.write(len(text).to_bytes(8, "little") + text)
        for name in slices:
            tensor = file.get_tensor(name)
            narrow = tensor.to(torch.bfloat16) if tensor.dtype == torch.float32 else tensor
            out.write(narrow.contiguous().reshape(-1).view(torch.uint8).numpy().data)


def free_memory():
    import torch

    gc.collect()  # the trainer stands in circles of references
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def check_rows(own, folder, wanted):
    """Conversations to check on: held-out rows, or the first rows trained on where none were kept
    back."""
    import training_rows as t

    rows = list(r.read(folder / "sft.heldout.jsonl", limit=wanted))
    rows = rows or list(r.read(own.train_file, limit=wanted))
    return [t.conversation(row)[0] for row in rows]


def check_template(own, folder, tokenizer):
    """The saved template renders prompts as in training; returns how many were compared."""
    import training_checks as c
    import training_rows as t

    prompts = [messages[:-1] for messages in check_rows(own, folder, 16)]
    return c.check_template(
        [(messages, t.render(tokenizer, messages, prompt=True)) for messages in prompts], folder
    )


def run_stop_test(own, folder, quantization):
    """Answers of the saved model end by themselves; an adapter is tested on the base it was trained
    on, of 4 bits where that was so."""
    import training_checks as c

    free_memory()
    model, tokenizer = c.load_for_use(str(folder), quantization=quantization)
    chats = check_rows(own, folder, own.stop_test_prompts)
    longest = max(len(tokenizer(messages[-1]["content"]).input_ids) for messages in chats)
    test = c.stop_test(
        model, tokenizer, [messages[:-1] for messages in chats], max(64, min(2048, longest + 64))
    )
    test["passed"] = test["ended"] >= ENDED * test["prompts"]
    say(f"stop test: {test['ended']} of {test['prompts']} held-out prompts were answered to an end")
    if not test["passed"]:
        say(
            "WARNING: fewer than 95 % end by themselves. The model has not learnt to stop: train longer, or look "
            "at the answers in sft.meta.json"
        )
    return test


def attempt(name, check, meta, path):
    """Do a check that is not done yet and write down its result, or why it could not run."""
    if name in meta["checks"]:
        return
    failed = meta["failed_checks"]
    failed.pop(name, None)
    try:
        meta["checks"][name] = check()
    except Exception as error:  # above all OutOfMemoryError: the model is trained and saved
        failed[name] = f"{type(error).__name__}: {str(error)[:500]}"
        say(
            f"WARNING: {name} could not run ({failed[name].splitlines()[0]}); the same command tries it again"
        )
    r.write_json(path, meta)


def finish(own, args, model_args, given):
    """Do what is not done yet after training: 16 bits, checks, plot, card, merged adapter. Called
    by one process."""
    import training_checks as c
    from prepare_model import load_tokenizer
    from trl import get_quantization_config

    leave_distribution()
    fast_training.put_back_layers()
    folder = Path(args.output_dir)
    path = folder / "sft.meta.json"
    meta = json.loads(path.read_text())
    if not model_args.use_peft:
        to_16bit(folder)

    def template():
        tokenizer, _ = load_tokenizer(
            model_args.model_name_or_path,
            given.get("chat_template_path"),
            model_args.model_revision,
            args.trust_remote_code,
        )
        return check_template(own, folder, tokenizer)

    def stop():
        return run_stop_test(own, folder, get_quantization_config(model_args))

    before = json.dumps(meta["checks"])
    attempt("template_prompts_equal", template, meta, path)
    if own.stop_test_prompts:
        attempt("stop_test", stop, meta, path)
    if before != json.dumps(meta["checks"]) or not (folder / "README.md").is_file():
        c.plot_loss(meta["log"], folder / "loss.png")
        with r.write_aside(
            folder / "README.md", "w"
        ) as file:  # TRL's knows neither data nor checks
            file.write(model_card.card(meta, ([], []), folder.resolve().name))
    if wrong := meta["failed_checks"].get("template_prompts_equal"):
        raise RuntimeError(wrong)
    if own.merge_to and model_args.use_peft:
        free_memory()
        merge(folder, own.merge_to)


def merge(adapter, output):
    """The merged model, where it is not there yet, compared with base + adapter."""
    import merge_adapter

    base = merge_adapter.base_of(adapter)
    made = merge_adapter.made_from(adapter, base, True, None)
    if not merge_adapter.finished(output, made):
        merge_adapter.merge(str(adapter), output, base, check=True, made=made)
