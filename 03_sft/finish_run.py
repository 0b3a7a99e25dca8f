"""What follows training, each step once: 16-bit weights, checks, card, merged adapter.

Imported by sft.py; no command of its own. sft.meta.json is there when training ends. A check adds
its result to "checks"; one that cannot run (out of memory, say) puts its reason into
"failed_checks", and the same command tries it again.
"""

import gc
import json
import os
from pathlib import Path

import merge_adapter
import model_card
import training_rows as t
from prepare_model import load_tokenizer, put_back_layers
from training_options import say

import rows as r

ENDED = 0.95  # share of held-out prompts that must be answered to an end


def leave_distribution():
    """From here on one process works alone: its models are not shared out over others."""
    from transformers.integrations.deepspeed import unset_hf_deepspeed_config

    unset_hf_deepspeed_config()
    for name in ("ACCELERATE_USE_FSDP", "ACCELERATE_USE_DEEPSPEED"):
        os.environ.pop(name, None)


def to_16bit(folder):
    """Turn fp32 weight files into bf16 ones: the form in which the model is used and shared. Files
    of 16 bits are left alone, so this can be called again. Memory: the largest tensor."""
    from safetensors import safe_open

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
        found = json.loads(index.read_text())
        sizes = [path.stat().st_size for path in folder.glob("model*.safetensors")]
        found["metadata"]["total_size"] = sum(sizes)
        r.write_json(index, found)
    r.write_json(folder / "config.json", config | {"dtype": "bfloat16"})


def write_narrow(path, file, slices):
    """Write an open safetensors file anew with bf16 in place of fp32, tensor by tensor.

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


def check_rows(folder, wanted):
    """Conversations to check on."""
    path = merge_adapter.rows_to_compare(folder)
    return [t.conversation(row)[0] for row in r.read(path, limit=wanted)]


def check_template(folder, tokenizer):
    """The saved tokenizer must render prompts to the very bytes that the one of training does.
    Returns how many were compared; raises RuntimeError with the first difference."""
    from transformers import AutoTokenizer

    saved = AutoTokenizer.from_pretrained(folder)
    chats = check_rows(folder, 16)
    for messages in chats:
        text, again = (t.render(one, messages[:-1], prompt=True) for one in (tokenizer, saved))
        ids = saved.apply_chat_template(
            messages[:-1], add_generation_prompt=True, tokenize=True, return_dict=False
        )
        if again != text or ids != saved(text, add_special_tokens=False).input_ids:
            raise RuntimeError(
                f"{folder}: the saved chat template renders a prompt otherwise than in training:\n"
                f"{again!r}\ninstead of\n{text!r}"
            )
    return len(chats)


def stop_test(model, tokenizer, prompts, max_new_tokens):
    """Answer the prompts greedily: how many end by themselves with the end-of-turn token.

    prompts  lists of messages  ->  {"prompts", "ended", "answers": texts, long ones cut}
    """
    new = merge_adapter.generate(model, tokenizer, prompts, max_new_tokens=max_new_tokens)
    answers = tokenizer.batch_decode(new, skip_special_tokens=True)
    return {
        "prompts": len(prompts),
        "ended": int((new == tokenizer.eos_token_id).any(1).sum()),
        "max_new_tokens": max_new_tokens,
        "answers": [a if len(a) <= 300 else a[:200] + " ... " + a[-90:] for a in answers],
    }


def run_stop_test(folder, wanted, quantization):
    """stop_test() of the saved model; an adapter stands on the base it was trained on, of 4 bits
    where that was so."""
    free_memory()
    model, tokenizer = merge_adapter.load_for_use(str(folder), quantization=quantization)
    chats = check_rows(folder, wanted)
    longest = max(len(tokenizer(messages[-1]["content"]).input_ids) for messages in chats)
    prompts = [messages[:-1] for messages in chats]
    test = stop_test(model, tokenizer, prompts, max(64, min(2048, longest + 64)))
    test["passed"] = test["ended"] >= ENDED * test["prompts"]
    say(f"stop test: {test['ended']} of {test['prompts']} held-out prompts were answered to an end")
    if not test["passed"]:
        say(
            "WARNING: fewer than 95 % end by themselves. The model has not learnt to stop: train "
            "longer, or look at the answers in sft.meta.json"
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
        reason = failed[name].splitlines()[0]
        say(f"WARNING: {name} could not run ({reason}); the same command tries it again")
    r.write_json(path, meta)


def finish(own, args, model_args, given):
    """Do what is not done yet after training: 16 bits, checks, card, merged adapter. Called by one
    process."""
    from trl import get_quantization_config

    leave_distribution()
    put_back_layers()
    folder = Path(args.output_dir)
    path = folder / "sft.meta.json"
    meta = json.loads(path.read_text())
    if not model_args.use_peft:
        to_16bit(folder)
    model, revision = model_args.model_name_or_path, model_args.model_revision
    quantization = get_quantization_config(model_args)
    checks = {
        "template_prompts_equal": lambda: check_template(
            folder, load_tokenizer(model, given.get("chat_template_path"), revision)[0]
        )
    }
    if own.stop_test_prompts:
        checks["stop_test"] = lambda: run_stop_test(folder, own.stop_test_prompts, quantization)
    before = set(meta["checks"])
    for name, check in checks.items():
        attempt(name, check, meta, path)
    if before != set(meta["checks"]):  # else README.md may have scores by now
        # TRL's card knows neither data nor checks
        with r.write_aside(folder / "README.md", "w") as file:
            file.write(model_card.card(meta, ([], []), folder.resolve().name))
    if wrong := meta["failed_checks"].get("template_prompts_equal"):
        raise RuntimeError(wrong)
    if own.merge_to and model_args.use_peft:
        free_memory()
        merge_adapter.merge(str(folder), own.merge_to, check=True)
