"""What is watched while a model trains: speed, memory, a first save, losses that are no numbers.

Imported late by sft.py, since it needs torch; no command of its own.
"""

import math
import resource
import shutil
import time
from pathlib import Path

import torch
from accelerate import PartialState
from fit_estimate import peak_flops
from transformers import TrainerCallback

import rows as r


class Watch(TrainerCallback):
    """Times the steps, saves once after the first one, stops at a loss that is no number.

    flops  of a token by fit_estimate.flops_per_token, or None;  world  processes
    Only the time inside steps counts, not evaluation or saving. Trainer counts the tokens
    (include_num_input_tokens_seen), of all processes and without padding.
    """

    def __init__(self, flops=None, world=1):
        self.gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
        self.flops, self.peak = flops, world * (peak_flops(self.gpu or "") or 0)
        self.seconds, self.trial = 0, False

    def on_train_begin(self, args, state, control, **kwargs):
        # a resumed run has taken steps before
        self.first_step = state.global_step
        self.first = self.last = (0, state.num_input_tokens_seen)

    def on_step_begin(self, args, state, control, **kwargs):
        self.begun = clock()

    def on_step_end(self, args, state, control, **kwargs):
        self.seconds += clock() - self.begun
        if state.global_step == 1 < state.max_steps and args.save_strategy != "no":
            # full disk or unsavable state shows now, not in hours
            self.trial, control.should_save = (not control.should_save, True)

    def on_save(self, args, state, control, **kwargs):
        if not self.trial or state.global_step != 1:
            return
        PartialState().wait_for_everyone()  # the other ranks write their random states
        if state.is_world_process_zero:
            check_room(Path(args.output_dir), args.save_total_limit)

    def on_log(self, args, state, control, logs, **kwargs):
        loss, step, steps = logs.get("loss"), state.global_step, state.max_steps
        if loss is None:
            return
        if not math.isfinite(loss):
            raise RuntimeError(
                f"the loss at step {step} is {loss}; checkpoints before it are kept. Lower the "
                "learning rate, or look at the rows of this step"
            )
        if not (state.is_world_process_zero and args.disable_tqdm):
            return
        seconds = (steps - step) * self.seconds / max(1, step - self.first_step)
        left = time.strftime("%H:%M:%S", time.gmtime(seconds))
        mfu = f"  {logs['mfu']:.1f} % MFU" if "mfu" in logs else ""
        r.say(
            f"step {step}/{steps}  loss {loss:.4f}  lr {logs['learning_rate']:.2e}  "
            f"{logs['tokens_per_second']:,.0f} tok/s{mfu}  {logs['peak_memory_gib']:.1f} GiB  "
            f"left {left}"
        )

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


def check_room(folder, kept):
    """Delete the test save; NoRoom where the disk cannot hold as many as are kept and one more,
    while it is written."""
    saved = folder / "checkpoint-1"
    size = sum(path.stat().st_size for path in saved.rglob("*"))
    (saved / "trainer_state.json").unlink()  # now it is no whole checkpoint any more
    shutil.rmtree(saved)
    wanted, free = ((kept or 3) + 1) * size, shutil.disk_usage(folder).free
    if free < wanted:
        raise r.NoRoom(
            f"{folder}: {wanted / 1e9:.1f} GB are needed for checkpoints of {size / 1e9:.1f} GB, "
            f"{free / 1e9:.1f} GB are free; lower --save_total_limit, take --save_strategy no, or "
            "choose another --output_dir"
        )
    r.say("test save after the first step: whole")


def measured(trainer_class, watch):
    """The trainer class, with the figures of Watch in its log."""

    class Measured(trainer_class):
        def log(self, logs, start_time=None):
            if "loss" in logs:
                logs |= watch.since_last(self.state.num_input_tokens_seen)
            super().log(logs, start_time)

    return Measured


def clock():
    """Seconds, read when this GPU has done all that was asked of it: else the last backward and the
    optimizer are not timed."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def peak_memory():
    """Largest memory so far in bytes: of this GPU, or of this process where there is none."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_reserved()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
