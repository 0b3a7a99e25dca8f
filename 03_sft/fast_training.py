"""What makes training fast or exact without changing the losses: checkpointing only where needed, the loss chunk, Liger's layers, the optimizer.

Imported by sft.py and training_options.py; no command of its own.
"""

import importlib.util
import itertools
import sys

# tokens of TRL's chunked loss at once: the first is faster, the second is TRL's own
CHUNKS = (2048, 256)
# Share of the memory that an estimate may take: what is kept of every layer is estimated less
# exactly than a layer made again.
ROOM = {False: 0.85, True: 1.0}
# Full fine-tuning of 16-bit weights below this learning rate loses most of its updates under plain
# AdamW, which moves a weight by about the learning rate: bf16 values near 0.02 are 1.2e-4 apart.
# tests/bench/README.md has the share that arrives; of torch-optimi's Kahan sum it is half.
PLAIN_BF16 = 1e-3
BF16_OPTIMIZER = dict(optim="adamw_torch_8bit", optim_args="bf16_stochastic_round=True")
EXACT = ("adamw_torch_8bit", "adamw_torch_4bit")  # with stochastic rounding

REPLACED = {}  # modules of transformers: what they held before Liger's layers


def fastest_that_fits(args, own, estimate, available):
    """Choose checkpointing and loss chunk, where the user named neither, by what the estimate says
    fits; returns the estimate.

    estimate  function of (checkpointing, chunk) -> fit_estimate.memory();  available  bytes.
    Sets args.gradient_checkpointing and own.loss_chunk; the slowest way is taken where none fits.
    """
    import torch

    asked = args.gradient_checkpointing
    stored = (False, True) if asked is None else (asked,)
    usual = CHUNKS if torch.cuda.is_available() else CHUNKS[1:]
    chunks = (own.loss_chunk,) if own.loss_chunk else usual
    for checkpointing, chunk in itertools.product(stored, chunks):
        need = estimate(checkpointing, chunk)
        if need["total"] <= ROOM[checkpointing] * available:
            break
    args.gradient_checkpointing, own.loss_chunk = checkpointing, chunk
    return need


def set_loss_chunk(tokens):
    """TRL 1.14 has no option for it: SFTTrainer reads this constant of its module when it is
    built."""
    from trl.trainer import sft_trainer

    if not hasattr(sft_trainer, "_CHUNKED_LM_HEAD_CHUNK_SIZE"):
        raise RuntimeError(
            "this version of TRL keeps the chunk of its loss elsewhere; pin trl 1.14.2"
        )
    sft_trainer._CHUNKED_LM_HEAD_CHUNK_SIZE = tokens


def use_liger_layers(config, wanted=None):
    """Liger's RMSNorm, SwiGLU and RoPE for models of this type that are built from now on, without
    its loss; returns (on, note).

    wanted  True or False, or None: where a GPU from Ampere on and the package are there
    Their sums are formed in fp32 as transformers' are; one kernel takes the place of five to ten
    reads and writes of all tokens.
    """
    import torch

    if wanted is None:
        ampere = torch.cuda.is_available() and torch.cuda.get_device_capability() >= (8, 0)
        wanted = ampere and importlib.util.find_spec("liger_kernel")
    if not wanted:
        return False, "layers: transformers' own"
    from liger_kernel.transformers.monkey_patch import MODEL_TYPE_TO_APPLY_LIGER_FN as PATCHES
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING

    patch = PATCHES.get(config.model_type)
    if patch is None:
        return False, f"layers: transformers' own (Liger has none for {config.model_type})"
    module = sys.modules[MODEL_FOR_CAUSAL_LM_MAPPING[type(config)].__module__]
    REPLACED[module] = dict(vars(module))
    patch(
        rope=True, rms_norm=True, swiglu=True, cross_entropy=False, fused_linear_cross_entropy=False
    )
    return True, f"layers: Liger's RMSNorm, SwiGLU and RoPE for {config.model_type}; TRL's loss"


def put_back_layers():
    """transformers' own layers for models that are built from now on: Liger's need a GPU, and a
    model too large for it is merged on the CPU."""
    for module, own in REPLACED.items():
        vars(module).update(own)


def refusal_of_16bit(given):
    """Why full fine-tuning of 16-bit weights would not train with these options, or None. given  options as text or values."""
    if str(given.get("dtype")) == "float16":
        return "float16 weights cannot be trained whole (the gradient scaler needs fp32 ones); use --dtype float32, or bfloat16"
    rate, optim = float(given.get("learning_rate", 2e-5)), given.get("optim")  # 2e-5 is TRL's
    rounded = str(given.get("optim_args")).lower().replace(" ", "")
    exact = optim in EXACT and "bf16_stochastic_round=true" in rounded
    if optim is None or exact or rate >= PLAIN_BF16:
        return None
    return (
        f"--dtype bfloat16 with --optim {optim} at a learning rate of {rate:g} loses most of every update to rounding (at 5e-6 0.5 % "
        f"of it arrives, at 1e-4 11 %: bf16 values near 0.02 are 1.2e-4 apart); leave --optim out (then: {BF16_OPTIMIZER['optim']} with {BF16_OPTIMIZER['optim_args']}), "
        f"use --dtype float32, or a rate from {PLAIN_BF16:g} on"
    )
