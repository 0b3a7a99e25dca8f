"""What is watched while a model trains: a first save, losses that are no numbers, how it goes.

Imported late by sft.py, since it needs torch; no command of its own.
"""

import datetime
import math
import resource
import shutil
from pathlib import Path

import torch
from accelerate import PartialState
from transformers import TrainerCallback

import rows as r


class Watch(TrainerCallback):
    """Saves once after the first step, stops at a loss that is no number, says each step in a line
    where there is no bar."""

    trial = False

    def on_train_begin(self, args, state, control, **kwargs):
        self.first_step = state.global_step  # a resumed run has taken steps before

    def on_step_end(self, args, state, control, **kwargs):
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
        seconds = logs["train_runtime"] * max(0, steps - step) / (step - self.first_step)
        r.say(
            f"step {step}/{steps}  loss {loss:.4f}  lr {logs['learning_rate']:.2e}  "
            f"{logs['train_tokens_per_second']:,.0f} tok/s  {peak_memory() / 2**30:.1f} GiB  "
            f"left {datetime.timedelta(seconds=round(seconds))}"
        )


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


def peak_memory():
    """Largest memory so far in bytes: of this GPU, or of this process where there is none."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_reserved()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
