"""What follows training, each step once: 16-bit weights, stop test.

Imported by sft.py; no command of its own. sft.meta.json is there when training ends. A step adds
its result to "checks"; one that cannot run (out of memory, say) puts its reason into
"failed_checks", and the same command tries it again.
"""

import json
import os
from pathlib import Path

import merge_adapter
import training_rows as t
from token_files import HELD_OUT
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
    """Turn a model's weights into bf16, the form in which it is used and shared; returns
    "bfloat16". Memory: the model in 16 bits."""
    import torch
    from transformers import AutoModelForCausalLM

    before, aside = set(folder.glob("model*.safetensors*")), folder / "16bit.part"
    AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).save_pretrained(aside)
    for path in list(aside.iterdir()):
        os.replace(path, folder / path.name)
        before.discard(folder / path.name)
    for path in before:  # a file in fp32 that is several in bf16, or the other way round
        path.unlink()
    aside.rmdir()
    return "bfloat16"


def stop_test(model, tokenizer, prompts, max_new_tokens):
    """Answer the prompts (lists of messages) greedily; how many end by themselves with the
    end-of-turn token?"""
    new = merge_adapter.generate(model, tokenizer, prompts, max_new_tokens=max_new_tokens)
    answers = tokenizer.batch_decode(new, skip_special_tokens=True)
    ended = int((new == tokenizer.eos_token_id).any(1).sum())
    return {
        "prompts": len(prompts),
        "ended": ended,
        "passed": ended >= ENDED * len(prompts),
        "max_new_tokens": max_new_tokens,
        "answers": [answer[-300:] for answer in answers],
    }


def run_stop_test(folder, own, quantization):
    """stop_test() of the saved model on held-out rows, or on those trained on where none were kept
    back; an adapter stands on the base it was trained on, of 4 bits where that was so."""
    from accelerate.utils.memory import clear_device_cache

    clear_device_cache(garbage_collection=True)  # the trainer stands in circles of references
    model, tokenizer = merge_adapter.load_for_use(str(folder), quantization=quantization)
    held = folder / HELD_OUT
    path = held if held.stat().st_size else own.train_file
    chats = [t.conversation(row)[0] for row in r.read(path, limit=own.stop_test_prompts)]
    longest = max(len(tokenizer(messages[-1]["content"]).input_ids) for messages in chats)
    prompts = [messages[:-1] for messages in chats]
    test = stop_test(model, tokenizer, prompts, max(64, min(2048, longest + 64)))
    say(f"stop test: {test['ended']} of {test['prompts']} held-out prompts were answered to an end")
    if not test["passed"]:
        say("WARNING: the model has not learnt to stop: train longer, see answers in sft.meta.json")
    return test


def finish(own, args, model_args):
    """Do what is not done yet after training: 16 bits, stop test. Called by one process."""
    from trl import get_quantization_config

    leave_distribution()
    folder = Path(args.output_dir)
    path = folder / "sft.meta.json"
    meta = json.loads(path.read_text())
    done, failed, steps = meta["checks"], meta["failed_checks"], {}
    quantization = get_quantization_config(model_args)
    if not model_args.use_peft:
        steps["weights"] = lambda: to_16bit(folder)
    if own.stop_test_prompts:
        steps["stop_test"] = lambda: run_stop_test(folder, own, quantization)
    for name in [name for name in steps if name not in done]:
        failed.pop(name, None)
        try:
            done[name] = steps[name]()
        except Exception as error:  # above all OutOfMemoryError: the model is trained and saved
            failed[name] = f"{type(error).__name__}: {str(error)[:500]}"
            reason = failed[name].splitlines()[0]
            say(f"WARNING: {name} could not run ({reason}); the same command tries it again")
        r.write_json(path, meta)
