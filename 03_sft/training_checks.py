"""What sft.py checks and measures while it trains and after: whole checkpoints, speed, the stop test, the template, the loss plot.

Imported by sft.py, merge_adapter.py and chat.py; no command of its own.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import json
import math
import shutil
import time

import batch_generate
import rows as r

WHOLE = "whole.json"  # written last into a checkpoint: its files and their sizes
SPARE = 2 * 2**30  # bytes beside the weights: one layer in fp32, the logits of one row
# bytes in 16 bits up to which a CPU computes in fp32: without AMX bf16 takes 2 to 6 times as long
SMALL = 2**30


def mark_whole(folder):
    """Write down what a finished checkpoint consists of."""
    sizes = {
        str(p.relative_to(folder)): p.stat().st_size
        for p in sorted(Path(folder).rglob("*"))
        if p.is_file() and p.name != WHOLE
    }
    r.write_json(Path(folder) / WHOLE, sizes)


def is_whole(folder):
    """True where every file that the finished checkpoint had is there in its full size."""
    try:
        sizes = json.loads((Path(folder) / WHOLE).read_text())
        return all((Path(folder) / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError, AttributeError):
        return False


def newest_whole(output_dir):
    """Newest whole checkpoint of a run and the half-written ones that are newer: (path or None,
    [paths])."""
    numbered = [
        (int(p.name.split("-")[1]), p)
        for p in Path(output_dir).glob("checkpoint-*")
        if p.is_dir() and p.name.split("-")[1].isdigit()
    ]
    skipped = []
    for _, path in sorted(numbered, reverse=True):
        if is_whole(path):
            return path, skipped
        skipped.append(path)
    return None, skipped


def callbacks(state, meter, first_save=True):
    """Trainer callbacks: marks checkpoints whole, saves once after the first step, times the steps,
    stops at a loss that is no number.

    state  accelerate's PartialState;  meter  Meter
    """
    from transformers import TrainerCallback

    class Watch(TrainerCallback):
        trial = False

        def on_step_begin(self, args, trainer_state, control, **kwargs):
            meter.step_begins()

        def on_step_end(self, args, trainer_state, control, **kwargs):
            meter.step_ends()
            if trainer_state.global_step == 1 and first_save and trainer_state.max_steps > 1:
                # full disk or unsavable state shows now, not in hours
                self.trial, control.should_save = (not control.should_save, True)

        def on_save(self, args, trainer_state, control, **kwargs):
            state.wait_for_everyone()  # the other ranks write their random states
            folder = Path(args.output_dir) / f"checkpoint-{trainer_state.global_step}"
            if state.is_main_process:
                mark_whole(folder)
                if self.trial and trainer_state.global_step == 1:
                    shutil.rmtree(folder)
                    r.say("test save after the first step: whole")
            state.wait_for_everyone()

        def on_log(self, args, trainer_state, control, logs=None, **kwargs):
            loss = (logs or {}).get("loss")
            if loss is not None and not math.isfinite(loss):
                raise RuntimeError(
                    f"the loss at step {trainer_state.global_step} is {loss}; checkpoints before it are kept. Lower the learning rate, or look at "
                    "the rows of this step"
                )
            if state.is_main_process and args.disable_tqdm and loss is not None:
                print(meter.line(trainer_state, logs), file=sys.stderr, flush=True)

    return [Watch()]


class Meter:
    """Tokens, seconds, memory and FLOPs of a training run; only the time inside steps counts, not
    evaluation or saving.

    flops_per_token   (non-causal, causal) from fit_estimate.flops_per_token, or None;  peak  FLOP/s of all GPUs together, or None
    MFU = tokens per second x FLOPs per token / peak
    """

    def __init__(self, flops, peak):
        self.flops, self.peak = flops, peak
        self.seconds = self.tokens = self.seen = 0
        self.last = (0.0, 0)

    def step_begins(self):
        self.begun = clock()

    def step_ends(self):
        self.seconds += clock() - self.begun

    def count(self, batch):
        """Add the tokens of one batch of this process that are no padding."""
        mask = batch.get("attention_mask")
        self.seen = self.seen + (batch["input_ids"].numel() if mask is None else mask.sum())

    def measure(self, accelerator):
        """Figures since the last call, of all processes together; every process must call."""
        import torch

        seen = torch.as_tensor(self.seen, device=accelerator.device)
        tokens = int(accelerator.reduce(seen, "sum"))
        seconds, new = self.seconds - self.last[0], tokens - self.last[1]
        self.last, self.tokens = (self.seconds, tokens), tokens
        return self.figures(new, seconds) if seconds > 0 else {}

    def figures(self, tokens, seconds):
        speed = tokens / seconds
        found = {"tokens_per_second": round(speed, 1)}
        if self.flops:
            found["tflops"] = round(speed * self.flops[0] / 1e12, 3)
            if self.peak:
                found |= {
                    "mfu": round(100 * speed * self.flops[0] / self.peak, 2),
                    "mfu_causal": round(100 * speed * self.flops[1] / self.peak, 2),
                }
        return found | {"peak_memory_gib": round(peak_memory() / 2**30, 2)}

    def total(self):
        return self.figures(self.tokens, self.seconds) if self.seconds else {}

    def line(self, trainer_state, logs):
        left = (
            (trainer_state.max_steps - trainer_state.global_step)
            * self.seconds
            / max(1, trainer_state.global_step - getattr(self, "first_step", 0))
        )
        speed = f"  {logs['tokens_per_second']:,.0f} tok/s" if "tokens_per_second" in logs else ""
        mfu = f"  {logs['mfu']:.1f} % MFU" if "mfu" in logs else ""
        return (
            f"step {trainer_state.global_step}/{trainer_state.max_steps}  loss {logs['loss']:.4f}  lr {logs.get('learning_rate', 0):.2e}{speed}{mfu}"
            f"  {logs.get('peak_memory_gib', 0):.1f} GiB  left {time.strftime('%H:%M:%S', time.gmtime(left))}"
        )


def measured(trainer_class, meter):
    """The trainer class, with the tokens of each batch counted and the figures of Meter in its
    log."""

    class Measured(trainer_class):
        def training_step(self, model, inputs, *more, **named):
            meter.count(inputs)
            return super().training_step(model, inputs, *more, **named)

        def log(self, logs, start_time=None):
            if "loss" in logs:
                logs |= meter.measure(self.accelerator)
            super().log(logs, start_time)

    return Measured


def clock():
    """Seconds, read when this GPU has done all that was asked of it: else the last backward and the
    optimizer are not timed."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def peak_memory():
    """Largest memory so far in bytes: of this GPU, or of this process where there is none."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.max_memory_reserved()
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def place_for(model, revision="main"):
    """Where a model is used in 16 bits, and in which type: ("cuda" or "cpu", torch dtype).

    model  folder or hub id, of which only the config is read.  Raises BadInput where neither the GPU nor this machine has room for
    its 16-bit weights and one layer.
    """
    import os

    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    batch_generate.check_gpu()
    config = AutoConfig.from_pretrained(model, revision=revision)
    with torch.device("meta"):
        shapes = AutoModelForCausalLM.from_config(config)
    size = 2 * sum(parameter.numel() for parameter in shapes.parameters())
    if torch.cuda.is_available() and torch.cuda.mem_get_info()[0] > size + SPARE:
        modern = torch.cuda.is_bf16_supported(including_emulation=False)  # from Ampere on
        return "cuda", torch.bfloat16 if modern else torch.float16
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if free < size:
        raise r.BadInput(
            f"{model} takes {size / 2**30:.1f} GiB in 16 bits, and this machine has {free / 2**30:.1f} GiB "
            "free; use a machine with more memory, what is saved is whole"
        )
    return "cpu", torch.float32 if size < SMALL else torch.bfloat16


def load_for_use(model, adapter=None, quantization=None):
    """A model to generate with, and its tokenizer: (model, tokenizer).

    An adapter's folder may be given as `model`: its base is then found in its adapter_config.json.
    quantization, a transformers config, is the one of a QLoRA run: its base in 16 bits may not fit
    where it was trained. Raises BadInput where nothing can be loaded.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    if adapter is None and (Path(model) / "adapter_config.json").is_file():
        config = json.loads((Path(model) / "adapter_config.json").read_text())
        adapter, model = model, config["base_model_name_or_path"]
    try:
        tokenizer = AutoTokenizer.from_pretrained(adapter or model)
        if quantization:
            loaded = AutoModelForCausalLM.from_pretrained(
                model, quantization_config=quantization, dtype=quantization.bnb_4bit_compute_dtype
            )
        else:
            device, dtype = place_for(model)
            loaded = AutoModelForCausalLM.from_pretrained(model, dtype=dtype, device_map=device)
        if adapter:
            from peft import PeftModel

            loaded = PeftModel.from_pretrained(loaded, adapter)
            # merged in memory: an adapter layer beside each of 210 matrices slows every generated
            # token
            loaded = loaded if quantization else loaded.merge_and_unload()
    except (OSError, ValueError) as error:
        raise r.BadInput(
            f"{adapter or model}: no model can be loaded from there ({str(error).splitlines()[0]})"
        ) from None
    return loaded.eval(), tokenizer


def stop_test(model, tokenizer, prompts, max_new_tokens):
    """Answer the prompts greedily: how many end by themselves with the end-of-turn token.

    prompts  lists of messages  ->  {"prompts", "ended", "answers": [texts, long ones cut in the middle]}
    """
    import torch

    tokenizer.padding_side = "left"
    batch = tokenizer.apply_chat_template(
        prompts,
        add_generation_prompt=True,
        tokenize=True,
        padding=True,
        return_dict=True,
        return_tensors="pt",
    ).to(model.device)
    with torch.no_grad():
        made = model.generate(
            **batch,
            max_new_tokens=max_new_tokens,
            do_sample=False,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    new = made[:, batch["input_ids"].shape[1] :]
    return {
        "prompts": len(prompts),
        "ended": int((new == tokenizer.eos_token_id).any(1).sum()),
        "max_new_tokens": max_new_tokens,
        "answers": [
            a if len(a) <= 300 else a[:200] + " ... " + a[-90:]
            for a in tokenizer.batch_decode(new, skip_special_tokens=True)
        ],
    }


def check_template(rendered, folder):
    """The saved tokenizer must render each prompt to the very bytes that were trained on, as
    evaluation and chat will.

    rendered  [(messages, text used in training), ...];  raises RuntimeError with the first difference
    """
    from transformers import AutoTokenizer

    saved = AutoTokenizer.from_pretrained(folder)
    for messages, text in rendered:
        ids = saved.apply_chat_template(
            messages, add_generation_prompt=True, tokenize=True, return_dict=False
        )
        again = saved.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        if again != text or ids != saved(text, add_special_tokens=False).input_ids:
            raise RuntimeError(
                f"{folder}: the saved chat template renders a prompt otherwise than in training:\n{again!r}\ninstead of\n{text!r}"
            )
    return len(rendered)


def plot_loss(history, path):
    """Loss (training and evaluation) and learning rate over the steps, as a picture."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, left = plt.subplots(figsize=(8, 4.5))
    train = [(entry["step"], entry["loss"]) for entry in history if "loss" in entry]
    held = [(entry["step"], entry["eval_loss"]) for entry in history if "eval_loss" in entry]
    rate = [
        (entry["step"], entry["learning_rate"]) for entry in history if "learning_rate" in entry
    ]
    left.plot(*zip(*train, strict=True), color="tab:blue", label="training loss") if train else None
    left.plot(
        *zip(*held, strict=True), color="tab:red", marker="o", label="held-out loss"
    ) if held else None
    left.set(xlabel="step", ylabel="loss")
    right = left.twinx()
    right.plot(
        *zip(*rate, strict=True), color="tab:gray", linestyle=":", label="learning rate"
    ) if rate else None
    right.set_ylabel("learning rate")
    figure.legend(loc="upper right", bbox_to_anchor=(0.9, 0.9))
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)
