"""Choose the fastest way that fits; refuse, before weights are fetched, a run that will not fit.

Imported by sft.py; no command of its own. The figures are those of fit_estimate.py.
"""

import itertools
import os

import fit_estimate as fit
from training_options import is_on, say

import rows as r

# tokens of TRL's chunked loss at once: the first is faster, the second is TRL's own
CHUNKS = (2048, fit.LOSS_CHUNK)
# Share of the memory that an estimate may take: what is kept of every layer is estimated less
# exactly than a layer made again.
ROOM = {False: 0.85, True: 1.0}


def backend():
    """How this launch shares the model among its processes: plain, ddp, fsdp or zero3."""
    if is_on(os.environ.get("ACCELERATE_USE_FSDP")):
        return "fsdp"
    if is_on(os.environ.get("ACCELERATE_USE_DEEPSPEED")):
        return "zero3"
    return "ddp" if int(os.environ.get("WORLD_SIZE", 1)) > 1 else "plain"


def method_of(model_args):
    if not model_args.use_peft:
        return "full"
    return "qlora" if model_args.load_in_4bit else "lora"


def fastest_that_fits(args, estimate, available):
    """Set args.gradient_checkpointing, where the user did not, to the fastest that fits into
    `available` bytes, else to the smallest; returns the estimate and the tokens of the loss at
    once.

    estimate  function of (checkpointing, chunk) -> fit_estimate.memory()
    """
    import torch

    asked = args.gradient_checkpointing
    stored = (False, True) if asked is None else (asked,)
    chunks = CHUNKS if torch.cuda.is_available() else CHUNKS[1:]
    for checkpointing, chunk in itertools.product(stored, chunks):
        need = estimate(checkpointing, chunk)
        if need["total"] <= ROOM[checkpointing] * available:
            break
    args.gradient_checkpointing = checkpointing
    return need, chunk


def check_fit(shape, liger, own, args, model_args):
    """Raises BadInput where the smallest way needs more memory than there is (--ignore_fit: never);
    returns the estimate in bytes, None where shape is None, and the tokens of the loss at once."""
    import psutil
    import torch

    if shape is None:
        say("fit estimate: this architecture is not a plain decoder, so there is none")
        args.gradient_checkpointing = args.gradient_checkpointing is not False
        return None, CHUNKS[-1]
    available = psutil.virtual_memory().available
    if torch.cuda.is_available():
        available = torch.cuda.get_device_properties(0).total_memory
    method, shared = method_of(model_args), backend()
    settings = dict(
        tokens=args.per_device_train_batch_size * args.max_length,
        gpus=int(os.environ["WORLD_SIZE"]) if shared in ("fsdp", "zero3") else 1,
        ddp=shared == "ddp",
        dtype=str(model_args.dtype).removeprefix("torch."),
        rank=model_args.lora_r,
        optim=args.optim,
        liger_layers=liger and shape.experts == 1,  # what a mixture leaves was not counted
    )

    def estimate(checkpointing, chunk):
        return fit.memory(shape, method, checkpointing=checkpointing, chunk=chunk, **settings)

    need, chunk = fastest_that_fits(args, estimate, available)
    parts = ", ".join(f"{part} {size / fit.GIB:.1f}" for part, size in need.items())
    text = f"GiB: {parts} of {available / fit.GIB:.1f}"
    layers = "made again in" if args.gradient_checkpointing else "kept for"
    say(
        f"fit estimate: {shape.parameters / 1e9:.2f} B parameters, {method}, {text}\n"
        f"layers are {layers} the backward pass, the loss takes {chunk:,} tokens at once"
    )
    if need["total"] > available and not own.ignore_fit:
        model = model_args.model_name_or_path
        raise r.BadInput(
            f"{model} will not fit: {text}; `python 03_sft/fit_estimate.py --model {model}` says what "
            "each way to train takes, --ignore_fit tries all the same"
        )
    return need["total"], chunk
