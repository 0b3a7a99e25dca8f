"""Tokenizer and model made ready: template, end-of-turn and pad tokens, layers, packing check.

Imported by the scripts of this folder; no command of its own.
"""

import copy
import importlib.util
import os
import sys
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


REPLACED = {}  # modules of transformers: what they held before Liger's layers


def liger_patch(config):
    """Liger's function for models of this type where a GPU from Ampere on and the package are
    there, else None."""
    import torch

    ampere = torch.cuda.is_available() and torch.cuda.get_device_capability() >= (8, 0)
    if not ampere or not importlib.util.find_spec("liger_kernel"):
        return None
    from liger_kernel.transformers.monkey_patch import MODEL_TYPE_TO_APPLY_LIGER_FN

    return MODEL_TYPE_TO_APPLY_LIGER_FN.get(config.model_type)


def use_liger_layers(config, patch):
    """Liger's RMSNorm, SwiGLU and RoPE for models of this type that are built from now on, without
    its loss: one kernel replaces five to ten passes over tokens, with sums in fp32 as in
    transformers.  patch  by liger_patch()"""
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING

    module = sys.modules[MODEL_FOR_CAUSAL_LM_MAPPING[type(config)].__module__]
    REPLACED[module] = dict(vars(module))
    losses = dict(cross_entropy=False, fused_linear_cross_entropy=False)
    patch(rope=True, rms_norm=True, swiglu=True, **losses)


def put_back_layers():
    """transformers' own layers from now on: Liger's need a GPU, and large models are merged on the
    CPU."""
    for module, own in REPLACED.items():
        vars(module).update(own)


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


def packing_leak(config, attention, dtype=None):
    """How far the logits of three packed rows are from those of the rows alone under eager
    attention in fp32, and how far rounding may bring them: LEAK, and in 16 bit three times what it
    does to the rows alone. Random weights, two small layers: a second, no download."""
    import torch
    from transformers import AutoModelForCausalLM

    device = "cuda" if torch.cuda.is_available() else "cpu"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(
            small_copy(config), attn_implementation=attention, dtype=dtype or torch.float32
        )
        rows = [torch.randint(1, 128, (1, n), device=device) for n in (23, 9, 40)]
    model = model.to(device).eval()

    def logits(ids, **more):
        return model(input_ids=ids, use_cache=False, **more).logits[0].float()

    positions = torch.cat([torch.arange(row.shape[1], device=device) for row in rows])
    packed = logits(torch.cat(rows, 1), position_ids=positions[None])
    packed.sum().backward()  # a kernel without a backward pass must fail here
    with torch.no_grad():
        alone = torch.cat([logits(row) for row in rows])
        model.float().set_attn_implementation("eager")
        exact = torch.cat([logits(row) for row in rows])
    limit = LEAK
    if dtype not in (None, torch.float32):
        limit += 3 * (alone - exact).abs().max().item()
    return (packed - exact).abs().max().item(), limit


def packing_refusal(config, attention, dtype=None):
    """Why rows cannot be packed under this backend, or None."""
    from transformers.integrations import deepspeed

    kept = deepspeed._hf_deepspeed_config_weak_ref
    deepspeed.unset_hf_deepspeed_config()  # else the model would be made in shares under ZeRO-3
    try:
        leak, limit = packing_leak(config, attention, dtype)
    except Exception as error:  # whatever an architecture or a backend raises
        reason = f"{type(error).__name__}: {str(error)[:160]}"
        return f"the packing check cannot run on this architecture under {attention} ({reason})"
    finally:
        deepspeed._hf_deepspeed_config_weak_ref = kept
    if leak > limit:
        differ = f"logits differ by {leak:.1e}, limit {limit:.1e}"
        return f"packed rows see each other under {attention} ({differ})"
    return None


def attention_for(config, wanted, packing, dtype=None):
    """Name of the backend asked for, else SDPA; where rows are packed and stay apart under it,
    packed rows without a mask. BadInput where packed rows would see each other.

    dtype  in which attention will run
    """
    if not packing:
        return wanted or "sdpa"
    for name in [wanted] if wanted else [packed_attention.register(), "sdpa"]:
        reason = packing_refusal(config, name, dtype)
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


def check_unsloth(trainer, input_ids, labels):
    """Raise BadInput where Unsloth's attention, which attention_for() cannot try, does not keep
    packed rows apart; returns a note.

    Of the same row twice in one batch only the second is trained: its loss must be that of the row
    alone, while a model that sees the first copy repeats it. This runs what training runs:
    Unsloth's attention, the trainer's collator and loss.
    """
    import torch

    ids, labels = input_ids[:512], labels[:512]

    def loss(copies):
        masked = [-100] * len(ids) * (copies - 1)
        row = {"input_ids": ids * copies, "labels": masked + labels}
        batch = trainer.data_collator([row | {"seq_lengths": [len(ids)] * copies}])
        with torch.no_grad(), trainer.compute_loss_context_manager():
            return trainer.compute_loss(trainer.model, trainer._prepare_inputs(batch)).item()

    trainer.model.train()
    alone, together = loss(1), loss(2)
    trainer._metrics["train"].clear()
    note = f"the same row alone and packed behind itself: loss {alone:.4f} and {together:.4f}"
    if abs(alone - together) > 0.02:  # bf16 rounding of a mean loss is below 0.005
        raise r.BadInput(f"--unsloth: packed rows see each other ({note}); add --packing false")
    return f"packing under Unsloth: {note}"
