"""What sft.py watches while it trains: whole checkpoints, speed, memory, losses that are no numbers.

Imported by sft.py; no command of its own.
"""

import json
import math
import shutil
import time
from pathlib import Path

import rows as r

WHOLE = "whole.json"  # written last into a checkpoint: its files and their sizes


def mark_whole(folder):
    """Write down what a finished checkpoint consists of."""
    files = [p for p in sorted(folder.rglob("*")) if p.is_file() and p.name != WHOLE]
    r.write_json(folder / WHOLE, {str(p.relative_to(folder)): p.stat().st_size for p in files})


def is_whole(folder):
    """True where every file that the finished checkpoint had is there in its full size."""
    try:
        sizes = json.loads((folder / WHOLE).read_text())
        return all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError):
        return False


def newest_whole(output_dir):
    """(newest whole checkpoint or None, half-written ones that are newer)."""
    skipped = []
    paths = Path(output_dir).glob("checkpoint-*")
    found = {path.name.removeprefix("checkpoint-"): path for path in paths}
    for step in sorted(filter(str.isdigit, found), key=int, reverse=True):
        path = found[step]
        if is_whole(path):
            return path, skipped
        skipped.append(path)
    return None, skipped


def callbacks(state, meter, first_save=True):
    """Trainer callbacks: mark checkpoints whole, save once after the first step, time the steps,
    stop at a loss that is no number.  state  accelerate's PartialState
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
            loss = (logs or {}).get("loss", 0)
            if not math.isfinite(loss):
                raise RuntimeError(
                    f"the loss at step {trainer_state.global_step} is {loss}; checkpoints before "
                    "it are kept. Lower the learning rate, or look at the rows of this step"
                )
            if state.is_main_process and args.disable_tqdm and "loss" in (logs or {}):
                r.say(meter.line(trainer_state, logs))

    return [Watch()]


class Meter:
    """Tokens, seconds, memory and FLOPs of a training run; only the time inside steps counts, not
    evaluation or saving.

    flops  of a token by fit_estimate.flops_per_token, or None;  peak  FLOP/s of all GPUs, or None;
    first_step  of this session, after a resume
    MFU = tokens per second x FLOPs per token / peak
    """

    def __init__(self, flops, peak, first_step=0):
        self.flops, self.peak, self.first_step = flops, peak, first_step
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
        self.tokens = int(accelerator.reduce(seen, "sum"))
        seconds, tokens = self.seconds - self.last[0], self.tokens - self.last[1]
        self.last = (self.seconds, self.tokens)
        return self.figures(tokens, seconds)

    def figures(self, tokens, seconds):
        if not seconds:
            return {}
        speed = tokens / seconds
        found = {"tokens_per_second": round(speed, 1)}
        found["peak_memory_gib"] = round(peak_memory() / 2**30, 2)
        if self.flops:
            found["tflops"] = round(speed * self.flops / 1e12, 3)
        if self.flops and self.peak:
            found["mfu"] = round(100 * speed * self.flops / self.peak, 2)
        return found

    def total(self):
        return self.figures(self.tokens, self.seconds)

    def line(self, trainer_state, logs):
        step, steps = trainer_state.global_step, trainer_state.max_steps
        seconds = (steps - step) * self.seconds / max(1, step - self.first_step)
        left = time.strftime("%H:%M:%S", time.gmtime(seconds))
        speed = f"  {logs['tokens_per_second']:,.0f} tok/s" if "tokens_per_second" in logs else ""
        mfu = f"  {logs['mfu']:.1f} % MFU" if "mfu" in logs else ""
        return (
            f"step {step}/{steps}  loss {logs['loss']:.4f}  "
            f"lr {logs.get('learning_rate', 0):.2e}{speed}{mfu}  "
            f"{logs.get('peak_memory_gib', 0):.1f} GiB  left {left}"
        )


def measured(trainer_class, meter):
    """The trainer class, with tokens counted and the figures of Meter in its log."""

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
