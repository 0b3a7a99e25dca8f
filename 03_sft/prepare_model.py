"""Tokenizer and model made ready for training: chat template, end-of-turn and pad tokens, attention backend, the packing check.

Imported by sft.py and by the other scripts of this folder; no command of its own.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import contextlib
import itertools

import packed_attention

import rows as r
from batch_generate import add_template, end_of_turn

PAD_TOKENS = (
    "<|finetune_right_pad_id|>",
    "<pad>",
    "[PAD]",
    "<|pad|>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<unk>",
)
LEAK = 1e-3  # largest difference of fp32 logits that rounding explains; measured 6e-5, and 30 where packed rows see each other


def find_template(tokenizer, given=None):
    """Set the chat template: `given` (a .jinja file, or a model whose template is taken), the tokenizer's own, or one that suits a base
    model's vocabulary. Returns where it came from."""
    if given and Path(given).is_file():
        tokenizer.chat_template = Path(given).read_text(encoding="utf-8")
        return given
    if given:
        from transformers import AutoTokenizer

        tokenizer.chat_template = AutoTokenizer.from_pretrained(given).chat_template
        return given
    if tokenizer.chat_template:
        return "the model's own"
    return add_template(tokenizer)


def load_tokenizer(model, template=None, revision="main", trust_remote_code=False):
    """Tokenizer whose eos_token is the token that ends a turn and whose pad_token is another one; and notes on what was changed."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(
            model, revision=revision, trust_remote_code=trust_remote_code
        )
    except (OSError, ValueError) as error:
        raise r.BadInput(
            f"{model}: no tokenizer can be loaded from there ({str(error).splitlines()[0]})"
        ) from None
    try:
        notes = [f"chat template: {find_template(tokenizer, template)}"]
        end = end_of_turn(tokenizer)
    except Exception as error:  # jinja's and the tokenizer's own errors, whose classes differ from version to version
        raise r.BadInput(
            f"{template or model}: the chat template cannot be used ({type(error).__name__}: {str(error)[:200]})"
        ) from None
    if end is None:
        raise r.BadInput(
            f"{template or model}: the chat template puts no special token behind an answer, so the model could not learn to stop; "
            "name another with --chat_template_path (03_sft/templates/ holds three)"
        )
    if end != tokenizer.eos_token_id:
        notes.append(
            f"eos token: {tokenizer.convert_ids_to_tokens(end)}, which ends a turn (was {tokenizer.eos_token})"
        )
        tokenizer.eos_token = tokenizer.convert_ids_to_tokens(end)
    if tokenizer.pad_token_id in (None, tokenizer.eos_token_id):
        vocabulary = tokenizer.get_vocab()
        special = [
            token.content for token in tokenizer.added_tokens_decoder.values() if token.special
        ]
        choice = next(
            (
                token
                for token in (*PAD_TOKENS, *special)
                if token in vocabulary and token != tokenizer.eos_token
            ),
            None,
        )
        if (
            choice is None
        ):  # labels are masked by position, not by id, so this still trains the end of turn
            notes.append("pad token: equal to eos, since the vocabulary has no other special token")
            tokenizer.pad_token = tokenizer.eos_token
        else:
            notes.append(f"pad token: {choice} (was {tokenizer.pad_token})")
            tokenizer.pad_token = choice
    return tokenizer, notes


def align_model(model, tokenizer):
    """Let config and generation_config stop where the tokenizer does: end of turn first, then the ids they had."""
    generation = model.generation_config
    old = (
        generation.eos_token_id
        if isinstance(generation.eos_token_id, list)
        else [generation.eos_token_id]
    )
    stops = list(
        dict.fromkeys([tokenizer.eos_token_id, *(token for token in old if token is not None)])
    )
    generation.eos_token_id = stops if len(stops) > 1 else stops[0]
    generation.pad_token_id = tokenizer.pad_token_id
    text_config = model.config.get_text_config()
    text_config.eos_token_id, text_config.pad_token_id = (
        tokenizer.eos_token_id,
        tokenizer.pad_token_id,
    )


def choose_attention(wanted=None):
    """Attention backend: the one asked for, else FlashAttention or its Hub kernel where installed, else SDPA; with the reason."""
    import importlib.util

    import torch

    if wanted:
        return (
            packed_attention.register() if wanted == packed_attention.NAME else wanted,
            "asked for",
        )
    if not torch.cuda.is_available():
        return packed_attention.register(), "no GPU; packed rows one by one"
    from transformers.utils import is_flash_attn_2_available

    if is_flash_attn_2_available():
        return "flash_attention_2", "flash-attn is installed"
    if importlib.util.find_spec("kernels"):
        name = (
            "kernels-community/vllm-flash-attn3"
            if torch.cuda.get_device_capability()[0] == 9
            else "kernels-community/flash-attn2"
        )
        try:
            from kernels import get_kernel

            get_kernel(name)
            return name, "kernel from the hub"
        except (
            Exception
        ) as error:  # offline, or no build for this torch: whatever it is, SDPA works
            return "sdpa", f"the hub kernel {name} could not be loaded: {type(error).__name__}"
    return "sdpa", "neither flash-attn nor kernels is installed; with them packed rows train faster"


def small_copy(config):
    """The same architecture with two small layers and 128 tokens."""
    import copy

    small = copy.deepcopy(config)
    text = small.get_text_config()
    text.num_hidden_layers, text.vocab_size = 2, 128
    for name in ("layer_types", "mlp_layer_types"):
        if getattr(text, name, None):
            setattr(text, name, getattr(text, name)[:2])
    sizes = dict(
        intermediate_size=64,
        moe_intermediate_size=64,
        num_experts=4,
        num_local_experts=4,
        num_experts_per_tok=2,
    )
    for name, size in sizes.items():
        if getattr(text, name, None):
            setattr(text, name, size)
    for name in ("pad_token_id", "bos_token_id", "eos_token_id"):
        setattr(text, name, 0)
    return small


def packing_leak(config, attention, trust_remote_code=False):
    """Largest difference of logits between rows packed into one sequence, as TRL's collator does, and the same rows alone.

    A random model with the config's architecture and two small layers is used, in fp32 (bf16 where the backend has no fp32), so this
    takes about a second and no download. A backend that keeps rows apart gives rounding noise (below LEAK), one that does not gives 1e-2 to 30.
    """
    import torch
    from transformers import AutoModelForCausalLM
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    small = small_copy(config)
    flash = "flash" in attention
    device = "cuda" if flash else "cpu"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = (
            AutoModelForCausalLM.from_config(
                small,
                attn_implementation=attention,
                dtype=torch.bfloat16 if flash else torch.float32,
                trust_remote_code=trust_remote_code,
            )
            .to(device)
            .eval()
        )
        parts = [torch.randint(1, 128, (n,)).tolist() for n in (23, 9, 40)]
    packed = DataCollatorForLanguageModeling(pad_token_id=0, padding_free=True)(
        [
            {
                "input_ids": list(itertools.chain(*parts)),
                "labels": list(itertools.chain(*parts)),
                "seq_lengths": [len(part) for part in parts],
            }
        ]
    )
    packed.pop("labels")
    with torch.no_grad():
        together = (
            model(**{k: v.to(device) for k, v in packed.items()}, use_cache=False).logits[0].float()
        )
        alone = torch.cat(
            [
                model(input_ids=torch.tensor([part], device=device), use_cache=False)
                .logits[0]
                .float()
                for part in parts
            ]
        )
    return (together - alone).abs().max().item() / (alone.abs().max().item() if flash else 1)


def packing_is_safe(config, attention, trust_remote_code=False):
    """(True, note) where packed rows do not see each other under this backend; raises BadInput where that cannot be found out."""
    try:
        with apart_from_deepspeed():
            leak = packing_leak(config, attention, trust_remote_code)
    except Exception as error:  # whatever an architecture or a backend raises: unknown is no answer
        raise r.BadInput(
            f"the packing check cannot run on this architecture under {attention} ({type(error).__name__}: "
            f"{str(error)[:160]}); train without packing (--packing false) or with another --attn_implementation"
        ) from None
    limit = 0.05 if "flash" in attention else LEAK  # bf16 rounding against the size of the logits
    return (
        leak <= limit,
        f"packed and separate rows differ by {leak:.1e} under {attention} (limit {limit:g})",
    )


@contextlib.contextmanager
def apart_from_deepspeed():
    """Models made in here belong to this process: under ZeRO-3 transformers would make them in shares, with weights of size 0."""
    from transformers.integrations import deepspeed

    kept = deepspeed._hf_deepspeed_config_weak_ref
    deepspeed.unset_hf_deepspeed_config()
    try:
        yield
    finally:
        deepspeed._hf_deepspeed_config_weak_ref = kept


def adapter_targets(wanted, experts):
    """Names of the modules that get an adapter; "all-linear" of a mixture of experts means its attention.

    PEFT's own all-linear adapts the fused experts and the router too: 1.0 B parameters of Qwen3-30B-A3B instead of 13 M.
    """
    whole = wanted in ("all-linear", ["all-linear"])
    return ["q_proj", "k_proj", "v_proj", "o_proj"] if whole and experts > 1 else wanted


def widen_for_scaler(model):
    """Trainable weights in fp32, as the gradient scaler of fp16 wants them; TRL puts the adapters of a 4-bit base into bf16."""
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()


def shard_exactly(trainer):
    """FSDP2: gradients are summed over the GPUs in fp32, not in bf16 as accelerate's one word for the policy has it."""
    import torch
    from torch.distributed.fsdp import MixedPrecisionPolicy

    plugin = getattr(trainer.accelerator.state, "fsdp_plugin", None)
    if plugin and plugin.fsdp_version == 2 and trainer.args.bf16:
        plugin.mixed_precision_policy = MixedPrecisionPolicy(
            param_dtype=torch.bfloat16, reduce_dtype=torch.float32, output_dtype=None
        )
