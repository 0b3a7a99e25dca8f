"""What follows training, each step once: 16-bit weights, checks, card.

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


def free_memory():
    import torch

    gc.collect()  # the trainer stands in circles of references
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


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


def check_rows(folder, wanted):
    """Conversations to check on."""
    path = merge_adapter.rows_to_compare(folder)
    return [t.conversation(row)[0] for row in r.read(path, limit=wanted)]


def check_template(folder, tokenizer):
    """The saved tokenizer must give prompts the very tokens they have in training. Returns how many
    were compared; raises RuntimeError with the first difference."""
    from transformers import AutoTokenizer

    saved = AutoTokenizer.from_pretrained(folder)
    chats = check_rows(folder, 16)
    for messages in chats:
        text = t.render(tokenizer, messages[:-1], prompt=True)
        found = saved.apply_chat_template(
            messages[:-1], add_generation_prompt=True, tokenize=True, return_dict=False
        )
        if found != tokenizer(text, add_special_tokens=False).input_ids:
            raise RuntimeError(
                f"{folder}: the saved chat template renders a prompt otherwise than in training:\n"
                f"{saved.decode(found)!r}\ninstead of\n{text!r}"
            )
    return len(chats)


def stop_test(model, tokenizer, prompts, max_new_tokens):
    """Answer the prompts (lists of messages) greedily; how many end by themselves with the
    end-of-turn token?"""
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
        say("WARNING: the model has not learnt to stop: train longer, see answers in sft.meta.json")
    return test


def run_checks(checks, meta, path):
    """Do the checks that are not done yet; results, and why one could not run, go into meta and its
    file. Returns whether there is a new result."""
    done, failed = meta["checks"], meta["failed_checks"]
    wanted = [name for name in checks if name not in done]
    for name in wanted:
        failed.pop(name, None)
        try:
            done[name] = checks[name]()
        except Exception as error:  # above all OutOfMemoryError: the model is trained and saved
            failed[name] = f"{type(error).__name__}: {str(error)[:500]}"
            reason = failed[name].splitlines()[0]
            say(f"WARNING: {name} could not run ({reason}); the same command tries it again")
        r.write_json(path, meta)
    return any(name in done for name in wanted)


def finish(own, args, model_args, given):
    """Do what is not done yet after training: 16 bits, checks, card. Called by one process."""
    from trl import get_quantization_config

    leave_distribution()
    put_back_layers()
    folder = Path(args.output_dir)
    path = folder / "sft.meta.json"
    meta = json.loads(path.read_text())
    model, revision = model_args.model_name_or_path, model_args.model_revision
    quantization = get_quantization_config(model_args)
    checks = {} if model_args.use_peft else {"weights": lambda: to_16bit(folder)}
    checks["template_prompts_equal"] = lambda: check_template(
        folder, load_tokenizer(model, given.get("chat_template_path"), revision)[0]
    )
    if own.stop_test_prompts:
        checks["stop_test"] = lambda: run_stop_test(folder, own.stop_test_prompts, quantization)
    if run_checks(checks, meta, path):  # else README.md may have scores by now
        # TRL's card knows neither data nor checks
        with r.write_aside(folder / "README.md", "w") as file:
            file.write(model_card.card(meta, ([], []), folder.resolve().name))
    if wrong := meta["failed_checks"].get("template_prompts_equal"):
        raise RuntimeError(wrong)
