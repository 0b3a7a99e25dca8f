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
    "<|finetune_right_pad_id|> <pad> [PAD] <|pad|> <|endoftext|> <|end_of_text|> <unk>".split()
)
LEAK = 1e-3  # difference of fp32 logits that rounding explains; measured 6e-5, and up to 30 where rows see each other


def find_template(tokenizer, given=None):
    """Set the chat template: `given` (a .jinja file, or a model whose template is taken), the
    tokenizer's own, or one that suits a base model's vocabulary. Returns where it came from."""
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
    """Tokenizer whose eos_token is the token that ends a turn and whose pad_token is another one;
    and notes on what was changed."""
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
        # labels are masked by position, not by id, so this still trains the end of turn
        if choice is None:
            notes.append("pad token: equal to eos, since the vocabulary has no other special token")
            tokenizer.pad_token = tokenizer.eos_token
        else:
            notes.append(f"pad token: {choice} (was {tokenizer.pad_token})")
            tokenizer.pad_token = choice
    return tokenizer, notes


def align_model(model, tokenizer):
    """Let config and generation_config stop where the tokenizer does: end of turn first, then the
    ids they had."""
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
    text_config.eos_token_id = tokenizer.eos_token_id
    text_config.pad_token_id = tokenizer.pad_token_id


def choose_attention(wanted=None):
    """Attention backend and the reason: the one asked for, else packed rows without a mask, by the
    fastest way this GPU has."""
    name = packed_attention.register()
    if wanted and wanted != name:
        return wanted, "asked for"
    if packed_attention.kernel():
        return name, "torch's varlen kernel over all rows of a batch"
    return name, "no GPU of sm_80 or newer with torch 2.11: SDPA, row by row"


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
        sliding_window=16,
    )
    for name, size in sizes.items():
        if getattr(text, name, None):
            setattr(text, name, size)
    for name in ("pad_token_id", "bos_token_id", "eos_token_id"):
        setattr(text, name, 0)
    return small


def packed_and_alone(config, attention, dtype, trust_remote_code=False):
    """Logits of three rows packed as TRL's collator does it, the same rows alone, and alone in fp32
    by the model's own eager attention.

    A random model with the config's architecture and two small layers, where training will run: a
    second, and no download. Three tensors (tokens, vocabulary) in fp32.
    """
    import torch
    from transformers import AutoModelForCausalLM
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    device = "cuda" if torch.cuda.is_available() else "cpu"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(
            small_copy(config),
            attn_implementation=attention,
            dtype=dtype,
            trust_remote_code=trust_remote_code,
        )
        parts = [torch.randint(1, 128, (n,)).tolist() for n in (23, 9, 40)]
    model = model.to(device).eval()
    row = {"input_ids": list(itertools.chain(*parts)), "seq_lengths": [len(p) for p in parts]}
    collate = DataCollatorForLanguageModeling(pad_token_id=0, padding_free=True)
    if attention == packed_attention.NAME:
        collate = packed_attention.add_row_bounds(collate)
    batch = collate([row | {"labels": row["input_ids"]}])

    def logits(**inputs):
        inputs = {k: v.to(device) if isinstance(v, torch.Tensor) else v for k, v in inputs.items()}
        return model(**inputs, use_cache=False).logits[0].float()

    together = logits(**{key: value for key, value in batch.items() if key != "labels"})
    together.sum().backward()  # a kernel without a backward pass must fail here
    with torch.no_grad():
        alone = torch.cat([logits(input_ids=torch.tensor([part])) for part in parts])
        model.float().set_attn_implementation("eager")
        exact = torch.cat([logits(input_ids=torch.tensor([part])) for part in parts])
    return together.detach(), alone, exact


def packing_leak(config, attention, dtype=None, trust_remote_code=False):
    """(largest difference between packed rows and the same rows alone, the limit rounding
    explains).

    In fp32 the limit is LEAK; in 16 bit it is three times what rounding does to the rows alone,
    measured, and LEAK.
    """
    import torch

    dtype = dtype or torch.float32
    together, alone, exact = packed_and_alone(config, attention, dtype, trust_remote_code)
    rounding = (alone - exact).abs().max().item() if dtype != torch.float32 else 0.0
    return (together - exact).abs().max().item(), LEAK + 3 * rounding


def packing_is_safe(config, attention, dtype=None, trust_remote_code=False):
    """(True, note) where packed rows do not see each other under this backend, in the type in which
    attention will run.

    Raises BadInput where that cannot be found out.
    """
    try:
        with apart_from_deepspeed():
            leak, limit = packing_leak(config, attention, dtype, trust_remote_code)
    except Exception as error:  # whatever an architecture or a backend raises: unknown is no answer
        raise r.BadInput(
            f"the packing check cannot run on this architecture under {attention} ({type(error).__name__}: "
            f"{str(error)[:160]}); train without packing (--packing false) or with another --attn_implementation"
        ) from None
    return (
        leak <= limit,
        f"packed rows and rows alone differ by {leak:.1e} under {attention} (limit {limit:.1e})",
    )


@contextlib.contextmanager
def apart_from_deepspeed():
    """Models made in here belong to this process: under ZeRO-3 transformers would make them in
    shares, with weights of size 0."""
    from transformers.integrations import deepspeed

    kept = deepspeed._hf_deepspeed_config_weak_ref
    deepspeed.unset_hf_deepspeed_config()
    try:
        yield
    finally:
        deepspeed._hf_deepspeed_config_weak_ref = kept


def adapter_targets(wanted, experts):
    """Names of the modules that get an adapter; "all-linear" of a mixture of experts means its
    attention.

    PEFT's own all-linear adapts the fused experts and the router too: 1.0 B parameters of
    Qwen3-30B-A3B instead of 13 M.
    """
    whole = wanted in ("all-linear", ["all-linear"])
    return ["q_proj", "k_proj", "v_proj", "o_proj"] if whole and experts > 1 else wanted


def widen_for_scaler(model):
    """Trainable weights in fp32, as the gradient scaler of fp16 wants them; TRL puts the adapters
    of a 4-bit base into bf16."""
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()


def shard_exactly(trainer):
    """FSDP2: gradients are summed over the GPUs in fp32, not in bf16 as accelerate's one word for
    the policy has it."""
    import torch
    from torch.distributed.fsdp import MixedPrecisionPolicy

    plugin = getattr(trainer.accelerator.state, "fsdp_plugin", None)
    if plugin and plugin.fsdp_version == 2 and trainer.args.bf16:
        plugin.mixed_precision_policy = MixedPrecisionPolicy(
            param_dtype=torch.bfloat16, reduce_dtype=torch.float32, output_dtype=None
        )


def attention_for(config, wanted, packing, dtype=None, trust_remote_code=False):
    """(backend, packing, notes): the first backend under which packed rows stay apart; packing is
    off where there is none.

    Tried are the one asked for, or packed rows without a mask and then SDPA with one.
    """
    name, why = choose_attention(wanted)
    if not packing:
        return name, False, [f"attention: {name} ({why})"]
    ways = [name] if wanted else [name, "sdpa"]
    for attention in ways:
        try:
            safe, note = packing_is_safe(config, attention, dtype, trust_remote_code)
        except r.BadInput as error:
            if attention == ways[-1]:
                raise
            safe, note = False, str(error)
        if safe:
            break
        why = note
    verdict = "on" if safe else "SWITCHED OFF"
    return attention, safe, [f"attention: {attention} ({why})", f"packing: {verdict}, {note}"]


def packed_loss_is_right(trainer, rows):
    """Does the model that is about to train keep packed rows apart? (True or False, note)

    The same row twice in one batch, the second time alone trained: its loss must be that of the row
    by itself. A model that sees the first copy repeats it, and its loss falls. This runs what
    training runs: Unsloth's attention, the trainer's collator and loss.

    rows  [(input_ids, labels), ...]; one of up to 512 tokens is taken
    """
    import torch

    ids, labels = next((row for row in rows if len(row[0]) <= 512), rows[0])
    ids, labels = ids[:512], labels[:512]

    def loss(copies):
        masked = [-100] * len(ids) * (copies - 1)
        row = {"input_ids": ids * copies, "labels": masked + labels}
        batch = trainer.data_collator([row | {"seq_lengths": [len(ids)] * copies}])
        with torch.no_grad(), trainer.compute_loss_context_manager():
            return trainer.compute_loss(trainer.model, trainer._prepare_inputs(batch)).item()

    was_training = trainer.model.training
    trainer.model.train()
    counted, alone, together = trainer._total_train_tokens, loss(1), loss(2)
    trainer._total_train_tokens = counted
    trainer._metrics["train"].clear()
    trainer.model.train(was_training)
    limit = 0.02  # bf16 rounding of a mean loss is below 0.005
    note = f"the same row alone and packed behind itself: loss {alone:.4f} and {together:.4f}"
    return abs(alone - together) <= limit, note
