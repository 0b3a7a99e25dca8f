"""What sft.py watches while it trains: whole checkpoints, speed, memory, losses that are no
numbers.

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
    paths = {path.name.split("-")[1]: path for path in Path(output_dir).glob("checkpoint-*")}
    for step in sorted(filter(str.isdigit, paths), key=int, reverse=True):
        if is_whole(paths[step]):
            return paths[step], skipped
        skipped.append(paths[step])
    return None, skipped


def callbacks(state, meter, first_save=True):
    """Trainer callbacks: mark checkpoints whole, save once after the first step, time the steps,
    stop at a loss that is no number.  state  accelerate's PartialState
    """
    from transformers import TrainerCallback

    class Watch(TrainerCallback):
        trial = False

        def on_train_begin(self, args, trainer_state, control, **kwargs):
            meter.begin(trainer_state)

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

        def on_log(self, args, trainer_state, control, logs, **kwargs):
            loss = logs.get("loss")
            if loss is None:
                return
            if not math.isfinite(loss):
                raise RuntimeError(
                    f"the loss at step {trainer_state.global_step} is {loss}; checkpoints before "
                    "it are kept. Lower the learning rate, or look at the rows of this step"
                )
            if state.is_main_process and args.disable_tqdm:
                r.say(meter.line(trainer_state, logs))

    return [Watch()]


class Meter:
    """Tokens, seconds, memory and FLOPs of a training run; only the time inside steps counts, not
    evaluation or saving.

    flops  of a token by fit_estimate.flops_per_token, or None;  peak  FLOP/s of all GPUs, or None;
    gpu    its name, or None
    Trainer counts the tokens (include_num_input_tokens_seen), of all processes and without padding.
    """

    def __init__(self, flops=None, peak=None, gpu=None):
        self.flops, self.peak, self.gpu = flops, peak, gpu
        self.seconds = 0

    def begin(self, trainer_state):
        """Note where this session begins: a resumed run has taken steps before."""
        self.first_step = trainer_state.global_step
        self.first = self.last = (0, trainer_state.num_input_tokens_seen)

    def step_begins(self):
        self.begun = clock()

    def step_ends(self):
        self.seconds += clock() - self.begun

    def since_last(self, tokens):
        """Figures since the last call; tokens seen up to now."""
        before, self.last = self.last, (self.seconds, tokens)
        return self.figures(before)

    def total(self):
        return self.figures(self.first)

    def figures(self, before):
        """Figures from (seconds, tokens) of an earlier moment to the last."""
        seconds, tokens = (now - then for now, then in zip(self.last, before, strict=True))
        speed = tokens / seconds if seconds else 0  # a finished run that is resumed takes no step
        found = {"tokens_per_second": round(speed, 1)}
        found["peak_memory_gib"] = round(peak_memory() / 2**30, 2)
        if self.flops and self.peak:
            found["mfu"] = round(100 * speed * self.flops / self.peak, 2)
        return found

    def line(self, trainer_state, logs):
        step, steps = trainer_state.global_step, trainer_state.max_steps
        seconds = (steps - step) * self.seconds / max(1, step - self.first_step)
        left = time.strftime("%H:%M:%S", time.gmtime(seconds))
        mfu = f"  {logs['mfu']:.1f} % MFU" if "mfu" in logs else ""
        return (
            f"step {step}/{steps}  loss {logs['loss']:.4f}  lr {logs['learning_rate']:.2e}  "
            f"{logs['tokens_per_second']:,.0f} tok/s{mfu}  {logs['peak_memory_gib']:.1f} GiB  "
            f"left {left}"
        )


def measured(trainer_class, meter):
    """The trainer class, with the figures of Meter in its log."""

    class Measured(trainer_class):
        def log(self, logs, start_time=None):
            if "loss" in logs:
                logs |= meter.since_last(self.state.num_input_tokens_seen)
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
