"""What makes training fast: attention of packed rows without a mask, larger loss chunks, tokens and
seconds counted right."""

import json

import pytest
from test_sft_training import SMALL, leaky, losses, rows_file, sft, tiny  # noqa: F401

import rows as r

pytestmark = pytest.mark.slow
STEPS = (*SMALL, "--max_steps", "3", "--save_strategy", "no", "--eval_strategy", "no")


def packed_batch(*lengths):
    import torch

    positions = torch.cat([torch.arange(n) for n in lengths])[None]
    return {"input_ids": torch.randint(1, 99, positions.shape), "position_ids": positions}


def test_packed_rows_train_as_under_sdpa_without_a_mask(sft, tmp_path, monkeypatch):  # noqa: F811
    """The same losses as SDPA with its dense mask; bounds are made once a batch, and no mask is
    made at all."""
    import packed_attention

    dense = sft(*STEPS, "--attn_implementation", "sdpa", out=tmp_path / "dense")
    made, bounds = [], packed_attention.row_bounds
    monkeypatch.setattr(packed_attention, "row_bounds", lambda ids: made.append(1) or bounds(ids))
    masks, mask_of = [], packed_attention.mask_of
    monkeypatch.setattr(
        packed_attention, "mask_of", lambda *a, **k: masks.append(mask_of(*a, **k)) or masks[-1]
    )
    packed = sft(*STEPS, out=tmp_path / "packed")
    assert packed["attention"] == "packed_rows" and packed["checks"]["packing"] is True
    assert losses(packed) == pytest.approx(losses(dense), abs=1e-4)
    assert masks and all(mask is None for mask in masks)
    # the check: one batch, and three rows alone through two layers; then nine batches of two layers
    assert len(made) < 7 + 2 * 9, "bounds are made once a batch, not by every layer"


def test_bounds_of_packed_rows():
    import packed_attention

    found = packed_attention.row_bounds(packed_batch(5, 1, 7)["position_ids"])
    assert found["cu_seq_lens_q"].tolist() == [0, 5, 6, 13] and found["max_length_q"] == 7
    one = packed_attention.row_bounds(packed_batch(4)["position_ids"] + 3)
    assert one["cu_seq_lens_q"].tolist() == [0, 4], "a text that does not begin at 0 is one row"


def test_row_by_row_is_eager_attention_and_varlen_takes_the_same(monkeypatch):
    """Against the model's own eager attention; torch's real varlen_attn accepts the call (meta
    tensors)."""
    import packed_attention
    import torch
    from transformers import AutoModelForCausalLM, LlamaConfig

    config = LlamaConfig(
        hidden_size=64,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=99,
    )
    batch = packed_batch(9, 3, 17)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    eager = model(**batch, use_cache=False).logits
    model.set_attn_implementation(packed_attention.register())
    assert (model(**batch, use_cache=False).logits - eager).abs().max() < 1e-5
    bounds = packed_attention.row_bounds(batch["position_ids"])
    given = model(**batch, **bounds, use_cache=False).logits
    assert (given - eager).abs().max() < 1e-5, "the same with the collator's bounds"

    from torch.nn.attention.varlen import varlen_attn

    monkeypatch.setattr(packed_attention, "kernel", lambda: varlen_attn)
    query, key, value = (
        torch.empty(1, heads, 29, 16, device="meta", dtype=torch.bfloat16, requires_grad=True)
        for heads in (4, 2, 2)
    )
    cu = bounds["cu_seq_lens_q"].to("meta")
    for window in (None, 6):
        made = packed_attention.varlen(query, key, value, cu, 17, window, 0.25)
        assert made.shape == (1, 29, 4, 16)
    made.sum().backward()
    assert key.grad.shape == key.shape


@pytest.mark.parametrize(("capability", "there"), [((7, 5), False), ((8, 0), True)])
def test_the_kernel_needs_ampere(monkeypatch, capability, there):
    """A T4 (7.5) goes row by row; an A100 gets torch's kernel."""
    import packed_attention
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *a: capability)
    packed_attention.kernel.cache_clear()
    try:
        assert bool(packed_attention.kernel()) is there
    finally:
        packed_attention.kernel.cache_clear()


def test_a_backend_that_leaks_gives_way_to_sdpa(monkeypatch):
    import packed_attention
    import prepare_model
    from transformers import AttentionInterface, LlamaConfig

    AttentionInterface.register("leaky", leaky)
    config = LlamaConfig(
        hidden_size=64, intermediate_size=64, num_attention_heads=4, num_key_value_heads=2
    )
    monkeypatch.setattr(packed_attention, "register", lambda: "leaky")
    assert prepare_model.attention_for(config, None, True) == "sdpa"


def test_a_packing_check_that_cannot_run_is_an_error():
    """Not a "no", which would switch packing off without a word."""
    from prepare_model import attention_for
    from transformers import LlamaConfig

    config = LlamaConfig(hidden_size=64, num_attention_heads=4, num_key_value_heads=2)
    with pytest.raises(r.BadInput, match="cannot run on this architecture under nowhere"):
        attention_for(config, "nowhere", True)


def test_bf16_rounding_is_no_leak(monkeypatch):
    """As where torch's kernel runs: in bf16 the limit is measured, and a leak is still found."""
    import packed_attention
    from prepare_model import packing_leak
    from transformers import AttentionInterface, LlamaConfig

    AttentionInterface.register("leaky", leaky)
    monkeypatch.setattr(packed_attention, "kernel", lambda: True)
    config = LlamaConfig(
        hidden_size=1024, intermediate_size=64, num_attention_heads=8, num_key_value_heads=2
    )
    leak, limit = packing_leak(config, packed_attention.register())
    assert 1e-3 < leak <= limit, "in 16 bit"
    leak, limit = packing_leak(config, "leaky")
    assert leak > limit


def test_a_backend_that_leaves_something_out_is_found_in_bf16_too(monkeypatch):
    """gpt-oss has attention sinks, which neither torch's kernel nor SDPA knows: in bf16 what they
    change in a row alone was taken for rounding, and it trained without them on a GPU."""
    import packed_attention
    from prepare_model import packing_leak
    from transformers import AttentionInterface, GptOssConfig
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    def no_sinks(*args, s_aux=None, sliding_window=None, **kwargs):
        return sdpa_attention_forward(*args, **kwargs)

    AttentionInterface.register("no_sinks", no_sinks)
    monkeypatch.setattr(packed_attention, "kernel", lambda: True)
    heads = dict(num_attention_heads=4, num_key_value_heads=2, head_dim=32)
    leak, limit = packing_leak(GptOssConfig(hidden_size=128, **heads), "no_sinks")
    assert leak > limit


@pytest.mark.parametrize(("capability", "there"), [(None, False), ((7, 5), False), ((8, 0), True)])
def test_layers_of_liger_need_a_gpu_from_ampere_on(monkeypatch, capability, there):
    import sys
    from types import ModuleType

    import prepare_model
    import torch
    from transformers import LlamaConfig

    used = []
    liger = ModuleType("liger_kernel.transformers.monkey_patch")
    liger.MODEL_TYPE_TO_APPLY_LIGER_FN = {"llama": lambda **layers: used.append(layers)}
    for name in ("liger_kernel", "liger_kernel.transformers"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, liger.__name__, liger)
    monkeypatch.setattr(prepare_model.importlib.util, "find_spec", lambda name: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: capability is not None)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    assert prepare_model.use_liger_layers(LlamaConfig()) is there
    assert used == ([prepare_model.LIGER] if there else [])


def test_under_unsloth_rows_are_not_packed_and_the_16_bit_base_is_named(
    sft,  # noqa: F811
    tiny,  # noqa: F811
    monkeypatch,
    capsys,
):
    """With Unsloth's habits: its own 4-bit copy is named as base, compute_loss counts no tokens."""
    import prepare_model
    import trl
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    def model_of(args, model_args):
        model = AutoModelForCausalLM.from_pretrained(tiny)
        model.name_or_path = "unsloth/tiny-bnb-4bit"
        return get_peft_model(model, LoraConfig(r=4, target_modules="all-linear"))

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        assert "attention_mask" in inputs and "cu_seq_lens_q" not in inputs
        outputs = model(**inputs, num_items_in_batch=num_items_in_batch)
        return (outputs.loss, outputs) if return_outputs else outputs.loss

    monkeypatch.setattr(prepare_model, "start_unsloth", lambda: None)
    monkeypatch.setattr(prepare_model, "unsloth_model", model_of)
    monkeypatch.setattr(trl.SFTTrainer, "compute_loss", compute_loss)
    meta = sft(*STEPS, "--unsloth", "--use_peft", "--load_in_4bit")
    assert meta["speed"]["tokens_per_second"] > 0 and meta["checks"]["packing"] is False
    assert "packing: off" in capsys.readouterr().err
    adapter = json.loads((sft.out / "adapter_config.json").read_text())
    assert adapter["base_model_name_or_path"] == str(tiny)


def test_padding_is_not_counted(sft, rows_file, tmp_path):  # noqa: F811
    """Rows of four in a batch, padded to the longest, are as many tokens as the rows have."""
    steps = ("--max_length", "256", "--packing", "false", "--num_train_epochs", "1")
    batch = ("--per_device_train_batch_size", "4", "--global_batch_size", "8")
    meta = sft(*steps, *batch, "--save_strategy", "no", "--eval_strategy", "no", out=tmp_path)
    assert meta["log"][-1]["num_input_tokens_seen"] == meta["rows"]["train"]["tokens"]


def test_chunk_checkpointing_and_flattening_change_no_loss(sft, tmp_path, monkeypatch):  # noqa: F811
    """One flattened batch of three packed sequences, layers made again, chunks of 32 = three
    batches, layers kept, chunks of 256."""
    import check_fit
    from trl.trainer import sft_trainer

    sizes, chunk = set(), sft_trainer._chunk
    monkeypatch.setattr(
        sft_trainer, "_chunk", lambda h, *rest: sizes.add(len(h)) or chunk(h, *rest)
    )
    plain = sft(*STEPS, out=tmp_path / "plain")
    assert max(sizes) > 32
    sizes.clear()
    monkeypatch.setattr(check_fit, "CHUNKS", (2048, 32))
    other = sft(
        *STEPS,
        *("--gradient_checkpointing", "true"),
        *("--per_device_train_batch_size", "3"),
        out=tmp_path / "other",
    )
    assert max(sizes) == 32
    assert losses(other) == pytest.approx(losses(plain), abs=1e-4)
    assert losses(other, "grad_norm") == pytest.approx(losses(plain, "grad_norm"), rel=1e-3)


@pytest.mark.parametrize(
    ("asked", "gib", "found"),
    [
        (None, 100, (False, 2048)),
        (None, 62, (False, 256)),
        (None, 30, (True, 2048)),
        (None, 24, (True, 256)),
        (True, 100, (True, 2048)),
    ],
)
def test_layers_are_made_again_only_where_they_must(monkeypatch, asked, gib, found):
    from types import SimpleNamespace

    import check_fit
    import torch

    def estimate(checkpointing, chunk):
        return {"total": (20 if checkpointing else 50) + (6 if chunk == 2048 else 2)}

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    args = SimpleNamespace(gradient_checkpointing=asked)
    _, chunk = check_fit.fastest_that_fits(args, estimate, gib)
    assert (args.gradient_checkpointing, chunk) == found


def moved(folder, base):
    """Share of a saved model's weights that differ from the bf16 values they started from."""
    import torch
    from safetensors.torch import load_file

    now, before = (load_file(path / "model.safetensors") for path in (folder, base))
    changed = [(now[key] != before[key].to(torch.bfloat16)).flatten() for key in now]
    return torch.cat(changed).float().mean().item()


def test_bf16_weights_learn_by_the_default_optimizer(sft, tiny, tmp_path, monkeypatch):  # noqa: F811
    """At 5e-6 plain AdamW loses nearly every update to rounding; the default does not, and goes on
    after an interruption."""
    import shutil

    import torch
    import training_options

    torch.compiler.set_stance("force_eager")  # torchao compiles its steps: minutes on a CPU
    bf16 = (*SMALL, "--dtype", "bfloat16", "--learning_rate", "5e-6", "--max_steps", "6")
    bf16 = (*bf16, "--lr_scheduler_type", "constant", "--eval_strategy", "no")
    saves = ("--save_strategy", "steps", "--save_steps", "3")
    meta = sft(*bf16, *saves, out=tmp_path / "default")
    share = moved(sft.out, tiny)
    shutil.copytree(sft.out / "checkpoint-3", tmp_path / "cut" / "checkpoint-3")
    shutil.copyfile(sft.out / "sft.started.json", tmp_path / "cut" / "sft.started.json")
    again = sft(*bf16, *saves, out=tmp_path / "cut")
    assert again["steps"] == 6 and losses(again) == pytest.approx(losses(meta), abs=1e-3)
    monkeypatch.setattr(training_options, "refusal_of_16bit", lambda given: None)
    sft(*bf16, "--save_strategy", "no", "--optim", "adamw_torch", out=tmp_path / "plain")
    assert share > 2 * moved(sft.out, tiny) and share > 0.1
