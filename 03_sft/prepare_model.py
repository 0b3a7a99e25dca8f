"""Tokenizer and model made ready: template, end-of-turn and pad tokens, layers, packing check.

Imported by the scripts of this folder; no command of its own.
"""

import copy
import importlib.util
import os
from pathlib import Path

import packed_attention

import rows as r
from batch_generate import add_template, end_of_turn

PAD_TOKENS = "<|finetune_right_pad_id|> <pad> [PAD] <|pad|> <|endoftext|> <|end_of_text|> <unk>"
LEAK = 1e-3  # of fp32 logits: rounding makes 6e-5, rows that see each other up to 30


def find_template(tokenizer, given=None):
    """Set the chat template: `given` (a .jinja file or a model), the tokenizer's own, or one that
    suits a base model's vocabulary. Returns where it came from."""
    from transformers import AutoTokenizer

    if given and Path(given).is_file():
        tokenizer.chat_template = Path(given).read_text(encoding="utf-8")
    elif given:
        tokenizer.chat_template = AutoTokenizer.from_pretrained(given).chat_template
    elif not tokenizer.chat_template:
        return add_template(tokenizer)
    return given or "the model's own"


def load_tokenizer(model, template=None, revision="main"):
    """Tokenizer whose eos_token ends a turn and whose pad_token is another one; and notes."""
    from transformers import AutoTokenizer

    place = template or model
    try:
        tokenizer = AutoTokenizer.from_pretrained(model, revision=revision)
        notes = [f"chat template: {find_template(tokenizer, template)}"]
        end = end_of_turn(tokenizer)
    except Exception as error:  # jinja's and the tokenizer's own, whose classes change
        reason = f"{type(error).__name__}: {str(error)[:200]}"
        raise r.BadInput(f"{place}: its chat template cannot be used ({reason})") from None
    if end is None:
        raise r.BadInput(
            f"{place}: the chat template puts no special token behind an answer, where the model "
            "could learn to stop; name another by --chat_template_path (03_sft/templates/ has three)"
        )
    if end != tokenizer.eos_token_id:
        old, tokenizer.eos_token = tokenizer.eos_token, tokenizer.convert_ids_to_tokens(end)
        notes.append(f"eos token: {tokenizer.eos_token}, which ends a turn (was {old})")
    if tokenizer.pad_token_id in (None, end):  # who trains on would mask the end of a turn with it
        others = tokenizer.get_vocab().keys() - {tokenizer.eos_token}
        known = (token for token in PAD_TOKENS.split() if token in others)
        tokenizer.pad_token = next(known, tokenizer.eos_token)
        notes.append(f"pad token: {tokenizer.pad_token}")
    return tokenizer, notes


def start_unsloth():
    """Import Unsloth before everything it patches; BadInput where it cannot work."""
    import torch

    if not torch.cuda.is_available():
        raise r.BadInput("--unsloth needs an NVIDIA GPU, and none is visible")
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        raise r.BadInput("--unsloth trains on one GPU; leave it out, or start one process")
    import unsloth  # noqa: F401


def unsloth_model(args, model_args):
    """The model by Unsloth, with its adapter."""
    from unsloth import FastLanguageModel

    model, _ = FastLanguageModel.from_pretrained(
        model_args.model_name_or_path,
        max_seq_length=args.max_length,
        load_in_4bit=model_args.load_in_4bit,
        full_finetuning=not model_args.use_peft,
        revision=model_args.model_revision,
    )
    if not model_args.use_peft:
        return model
    return FastLanguageModel.get_peft_model(
        model,
        r=model_args.lora_r,
        lora_alpha=model_args.lora_alpha,
        lora_dropout=model_args.lora_dropout,
        target_modules=model_args.lora_target_modules,
        random_state=args.seed,
    )


# Liger's layers: one kernel replaces five to ten passes over tokens, with sums in fp32 as in
# transformers. The loss stays TRL's.
LIGER = dict(
    rope=True, rms_norm=True, swiglu=True, cross_entropy=False, fused_linear_cross_entropy=False
)


def use_liger_layers(config):
    """Give models of this type that are built from now on Liger's layers, where the package is
    there and a GPU from Ampere on. Returns whether."""
    import torch

    ampere = torch.cuda.is_available() and torch.cuda.get_device_capability() >= (8, 0)
    if not ampere or not importlib.util.find_spec("liger_kernel"):
        return False
    from liger_kernel.transformers.monkey_patch import MODEL_TYPE_TO_APPLY_LIGER_FN

    patch = MODEL_TYPE_TO_APPLY_LIGER_FN.get(config.model_type)
    if patch:
        patch(**LIGER)
    return bool(patch)


SMALL = dict(  # sizes of an architecture's small copy
    num_hidden_layers=2,
    vocab_size=128,
    intermediate_size=64,
    moe_intermediate_size=64,
    num_experts=4,
    num_local_experts=4,
    num_experts_per_tok=2,
    sliding_window=16,
    pad_token_id=0,
    bos_token_id=0,
    eos_token_id=0,
)


def small_copy(config):
    """The same architecture with two small layers and 128 tokens."""
    small = copy.deepcopy(config)
    text = small.get_text_config()
    for name, size in SMALL.items():
        if getattr(text, name, None):
            setattr(text, name, size)
    for name in ("layer_types", "mlp_layer_types"):
        if kinds := getattr(text, name, None):
            setattr(text, name, kinds[:2])
    return small


def packing_leak(config, attention):
    """How far the logits of three packed rows are from those of the rows alone under eager
    attention in fp32, and how far they may be: LEAK, and in 16 bit three times what rounding does
    under eager attention. Random weights, two small layers: a second, no download."""
    import torch
    from transformers import AutoModelForCausalLM

    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.bfloat16 if packed_attention.kernel() else torch.float32  # it takes 16 bit alone
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(
            small_copy(config), attn_implementation=attention, dtype=dtype
        )
        rows = [torch.randint(1, 128, (1, n), device=device) for n in (23, 9, 40)]
    model = model.to(device).eval()

    def logits(ids, **more):
        return model(input_ids=ids, use_cache=False, **more).logits[0].float()

    positions = torch.cat([torch.arange(row.shape[1], device=device) for row in rows])
    packed = logits(torch.cat(rows, 1), position_ids=positions[None])
    packed.sum().backward()  # a kernel without a backward pass must fail here
    model.set_attn_implementation("eager")
    with torch.no_grad():
        rounded = torch.cat([logits(row) for row in rows])
        model.float()
        exact = torch.cat([logits(row) for row in rows])
    rounding = (rounded - exact).abs().max().item()
    return (packed - exact).abs().max().item(), LEAK + 3 * rounding


def packing_refusal(config, attention):
    """Why rows cannot be packed under this backend, or None."""
    from transformers.integrations import deepspeed

    kept = deepspeed._hf_deepspeed_config_weak_ref
    deepspeed.unset_hf_deepspeed_config()  # else the model would be made in shares under ZeRO-3
    try:
        leak, limit = packing_leak(config, attention)
    except Exception as error:  # whatever an architecture or a backend raises
        reason = f"{type(error).__name__}: {str(error)[:160]}"
        return f"the packing check cannot run on this architecture under {attention} ({reason})"
    finally:
        deepspeed._hf_deepspeed_config_weak_ref = kept
    if leak > limit:
        differ = f"logits differ by {leak:.1e}, limit {limit:.1e}"
        return f"packed rows get other logits than alone under {attention} ({differ})"
    return None


def attention_for(config, wanted, packing):
    """Name of the backend asked for, else SDPA; where rows are packed and stay apart under it,
    packed rows without a mask. BadInput where packed rows would see each other."""
    if not packing:
        return wanted or "sdpa"
    for name in [wanted] if wanted else [packed_attention.register(), "sdpa"]:
        reason = packing_refusal(config, name)
        if not reason:
            return name
    raise r.BadInput(f"{reason}; take --packing false or another --attn_implementation")


def adapter_targets(wanted, experts):
    """Names of the modules that get an adapter; "all-linear" of a mixture of experts means its
    attention: PEFT's own adapts the fused experts and the router too, 1.0 B parameters of
    Qwen3-30B-A3B instead of 13 M."""
    attention = ["q_proj", "k_proj", "v_proj", "o_proj"]
    return attention if wanted == "all-linear" and experts > 1 else wanted


def widen_for_scaler(model):
    """Trainable weights in fp32, as fp16's scaler wants them: TRL makes those of QLoRA bf16."""
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()


def shard_exactly(trainer):
    """FSDP2: gradients are summed over the GPUs in fp32, by accelerate's own policy in bf16."""
    import torch
    from torch.distributed.fsdp import MixedPrecisionPolicy

    plugin = getattr(trainer.accelerator.state, "fsdp_plugin", None)
    if plugin and plugin.fsdp_version == 2 and trainer.args.bf16:
        plugin.mixed_precision_policy = MixedPrecisionPolicy(
            param_dtype=torch.bfloat16, reduce_dtype=torch.float32, output_dtype=None
        )
