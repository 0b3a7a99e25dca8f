"""Options of sft.py: what was given, defaults, early refusals, batch size, what a re-run does.

Imported by sft.py; no command of its own. Heavy modules are imported late: wrong options are told
at once.
"""

import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

import batch_generate
import rows as r

# Options that do not change the model: a finished run stays finished when they differ.
NEUTRAL = """
    config output_dir fresh ignore_fit check_only report_to disable_tqdm logging_steps dataset_num_proc
    save_total_limit stop_test_prompts push_to_hub hub_model_id hub_private_repo run_name
    log_level dataloader_num_workers save_strategy save_steps deepspeed local_rank ddp_timeout
""".split()
# where TRL's own defaults would surprise
DEFAULTS = dict(
    max_length=4096,
    packing=True,
    per_device_train_batch_size=1,
    per_device_eval_batch_size=1,
    lr_scheduler_type="cosine",
    warmup_steps=0.05,
    logging_steps=1,
    eval_strategy="epoch",
    save_strategy="epoch",
    save_total_limit=2,
    report_to=["tensorboard"],
    lora_target_modules=["all-linear"],
    lora_dropout=0.0,
    gradient_checkpointing=None,  # where the estimate says that it is needed
    ddp_timeout=86400,  # seconds: the others wait while one process tokenises
    logging_nan_inf_filter=False,  # else a loss that is no number shows as the mean of earlier ones
)
# Plain AdamW on 16-bit weights loses most of its updates (tests/bench/README.md has the table).
BF16_OPTIMIZER = dict(optim="adamw_torch_8bit", optim_args="bf16_stochastic_round=True")
# What --fresh may delete: the files of a run, nothing else that a folder may hold.
OF_A_RUN = """
    checkpoint-* tokens runs sft.* adapter_* model*.safetensors* config.json generation_config.json
    tokenizer* special_tokens_map.json chat_template.jinja README.md
""".split()


@dataclass
class OwnOptions:
    """The script's own options; sft.py's docstring says what they do."""

    train_file: str | None = None
    eval_rows: int | None = None
    limit: int | None = None
    global_batch_size: int = 512
    unsloth: bool = False
    check_only: bool = False
    ignore_fit: bool = False
    stop_test_prompts: int = 16
    fresh: bool = False


def say(text):
    """A line on stderr, from the first process only."""
    if int(os.environ.get("RANK", 0)) == 0:
        print(text, file=sys.stderr, flush=True)


def quiet():
    """Silence what the checks of this script answer, and bars that only clutter a log file."""
    import logging

    import datasets
    import transformers

    # TRL doubts packing under other backends than FlashAttention; packing_refusal() has measured it
    for name in ("trl.trainer.sft_trainer", "bitsandbytes"):
        logging.getLogger(name).setLevel(logging.ERROR)
    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
        transformers.utils.logging.disable_progress_bar()


def is_on(value):
    return str(value).lower() in ("true", "1", "yes")


def given_options(argv):
    """Options as the user gave them, recipe first and command line over it: {name: value}."""
    given, name = {}, None
    for word in argv:
        if word.startswith("--"):
            name = word[2:].replace("-", "_")
            given[name] = True
        elif name is None:
            raise r.BadInput(f'"{word}" belongs to no option; options are written --name value')
        else:
            given[name] = word if given[name] is True else f"{given[name]} {word}"
    if "config" not in given:
        return given
    recipe = str(given["config"])
    if not Path(recipe).is_file():
        raise r.BadInput(f"--config {recipe}: there is no such file (recipes: 03_sft/recipes/)")
    try:
        return yaml.safe_load(Path(recipe).read_text(encoding="utf-8")) | given
    except (yaml.YAMLError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise r.BadInput(
            f'--config {recipe}: not YAML of one "option: value" a line ({reason})'
        ) from None


def full_16bit(given):
    """Are 16-bit weights to be trained whole?"""
    return str(given.get("dtype")) in ("bfloat16", "float16") and not is_on(given.get("use_peft"))


def refusal_of_16bit(given):
    """Why full fine-tuning of 16-bit weights would not train with these options, or None."""
    if not full_16bit(given):
        return None
    if str(given["dtype"]) == "float16":
        return "float16 weights cannot be trained whole; use --dtype float32 or bfloat16"
    optim, rounding = given.get("optim"), BF16_OPTIMIZER["optim_args"]
    if optim is None or rounding.lower() in str(given.get("optim_args")).lower():
        return None
    return (
        f"--dtype bfloat16 with --optim {optim} loses most of every update to rounding (at a "
        "learning rate of 5e-6 0.5 % of it arrives, at 1e-4 11 %); leave --optim out (then: "
        f"{BF16_OPTIMIZER['optim']}, {rounding}) or use --dtype float32"
    )


def check_early(given):
    """What can be refused before torch is imported."""
    for name in ("train_file", "model_name_or_path", "output_dir"):
        if given.get(name) in (None, "", True):
            raise r.BadInput(f"--{name} is missing (--help says what it is)")
    if not Path(given["train_file"]).is_file():
        raise r.BadInput(f"--train_file {given['train_file']}: there is no such file")
    if is_on(given.get("load_in_4bit")) and not is_on(given.get("use_peft")):
        raise r.BadInput(
            "load_in_4bit needs use_peft: weights of 4 bits are not trained themselves"
        )
    if given.get("packing_strategy") == "wrapped":
        raise r.BadInput(
            "--packing_strategy wrapped: rows would be cut and see each other; leave it out"
        )
    if not str(given.get("max_length", 1)).isdigit():
        raise r.BadInput("--max_length: an integer is needed (longer rows are dropped)")
    if reason := refusal_of_16bit(given):
        raise r.BadInput(reason)


def machine_defaults(given):
    """Defaults that hang on the machine and on the way to train."""
    import torch

    batch_generate.check_gpu()
    peft, found = is_on(given.get("use_peft")), dict(DEFAULTS)
    if torch.cuda.is_available():
        modern = torch.cuda.is_bf16_supported(including_emulation=False)
        # before Ampere: fp16 with loss scaling
        found |= dict(bf16=modern, fp16=not modern, dtype="bfloat16" if modern else "float16")
    else:
        # autocast over fp32 weights is unusable, over a bf16 LoRA base it gains a fifth (311
        # against 260 tok/s) where the processor has bf16
        modern = batch_generate.cpu_has_bf16()
        autocast = peft and modern and not is_on(given.get("load_in_4bit"))
        found |= dict(bf16=autocast, use_cpu=True, dtype="bfloat16" if modern else "float32")
    if not peft:
        found["dtype"] = "float32"
    if full_16bit(given) and "optim" not in given:
        found |= BF16_OPTIMIZER
    return found


def parse(argv, given):
    """(OwnOptions, SFTConfig, ModelConfig) by TRL's parser; a wrong option is BadInput."""
    from trl import ModelConfig, SFTConfig, TrlParser

    class Parser(TrlParser):
        def error(self, message):
            raise r.BadInput(f"{message} (--help lists the script's options, --help-all TRL's)")

    parser = Parser((OwnOptions, SFTConfig, ModelConfig), prog="sft.py", allow_abbrev=False)
    if "--help-all" in argv:
        parser.print_help()
        raise SystemExit(0)
    parser.set_defaults_with_config(**machine_defaults(given))
    try:
        return parser.parse_args_and_config(argv)
    except (ValueError, TypeError) as error:
        raise r.BadInput(str(error)) from None


def batch_plan(global_rows, rows_per_sequence, per_device, world):
    """(sequences of a device, accumulation steps) so that one optimizer step sees about
    `global_rows` rows on any number of devices; several rows may be packed into a sequence."""
    share = max(1, round(global_rows / rows_per_sequence / world))
    for size in range(min(per_device, share), 0, -1):
        steps = round(share / size)
        if abs(size * steps - share) <= 0.02 * share:
            return size, steps


def agreed(decide):
    """What the first process decides, in all processes: it may be deleting files."""
    from accelerate.utils import broadcast_object_list

    decided = [decide() if int(os.environ.get("RANK", 0)) == 0 else None]
    broadcast_object_list(decided)
    return decided[0]


def fingerprint(given, own, model):
    """What decides whether a finished run is still good: options, data, model."""
    inputs = {own.train_file: r.file_hash(own.train_file)}
    if Path(model).is_dir():
        inputs[model] = batch_generate.identify(model)
    options = {name: str(value) for name, value in sorted(given.items()) if name not in NEUTRAL}
    return {"options": options, "inputs": inputs}


def newest_whole(output_dir):
    """The newest checkpoint that is not half-written, or None: trainer_state.json is the last file
    that Trainer writes."""
    found = {path.name.split("-")[1]: path for path in Path(output_dir).glob("checkpoint-*")}
    for step in sorted(filter(str.isdigit, found), key=int, reverse=True):
        try:
            json.loads((found[step] / "trainer_state.json").read_text())
            return found[step]
        except (OSError, ValueError):
            say(f"{found[step].name} is half-written and is skipped")
    return None


def remove(paths, reason):
    for path in sorted(paths):
        say(f"{reason}: deleting {path}")
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def difference(old, new):
    """How two fingerprints differ first, like "seed was 1 and is now 2", or None."""
    for kind in new:
        before, now = old.get(kind, {}), new[kind]
        for key in sorted(before | now):
            if before.get(key) != now.get(key):
                return f"{key} was {before.get(key)} and is now {now.get(key)}"


def look_back(output_dir, same_if, fresh):
    """What an earlier run left: "finished", a whole checkpoint to go on from, or None. Refuses
    checkpoints of another experiment."""
    output_dir = Path(output_dir)
    meta, started = output_dir / "sft.meta.json", output_dir / "sft.started.json"
    if fresh:
        remove({path for pattern in OF_A_RUN for path in output_dir.glob(pattern)}, "--fresh")
    if meta.is_file():
        old = json.loads(meta.read_text())
        changed = difference(old["same_if"], same_if)
        if not changed:
            rows, loss = old["rows"]["train"]["rows"], old["final_loss"]
            said = f"{rows:,} rows, {old['steps']} steps, loss {loss}"
            say(f"{output_dir}: finished already ({said})")
            return "finished"
        say(f"{output_dir}: made again, since {changed}")
        remove(
            [meta, *output_dir.glob("checkpoint-*"), *output_dir.glob("README.md")], "made again"
        )
    checkpoint = newest_whole(output_dir)
    if checkpoint is not None:
        old = json.loads(started.read_text()) if started.is_file() else {}
        if changed := difference(old, same_if):
            raise r.BadInput(
                f"{output_dir} holds checkpoints of another run: {changed}; choose another "
                "--output_dir, or start over with --fresh"
            )
        say(f"going on from {checkpoint.name}")
    return checkpoint
