"""Every recipe for real, on a miniature of its own architecture: two steps, the saved model, the
merge, the stop test, the meta file."""

import json
import sys

import pytest
import yaml
from conftest import ROOT
from test_sft_training import agreement, rows_file  # noqa: F401

pytestmark = pytest.mark.slow
RECIPES = sorted((ROOT / "03_sft" / "recipes").glob("*.yaml"))


@pytest.fixture(scope="session")
def miniatures(tmp_path_factory, demo_model):
    """miniatures("qwen3") -> folder of a random model of that type with two layers, and the demo's
    tokenizer."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    made, tokenizer = {}, AutoTokenizer.from_pretrained(demo_model)

    def make(kind):
        if kind in made:
            return made[kind]
        config = AutoConfig.for_model(
            kind,
            hidden_size=64,
            intermediate_size=64,
            moe_intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=16,
            num_experts=4,
            num_experts_per_tok=2,
            vocab_size=len(tokenizer),
            tie_word_embeddings=True,
        )
        torch.manual_seed(0)
        made[kind] = tmp_path_factory.mktemp(kind)
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
        model.save_pretrained(made[kind])
        tokenizer.save_pretrained(made[kind])
        return made[kind]

    return make


def kind_of(recipe):
    name = recipe.get("model_name_or_path", "Llama")
    kinds = {"30B-A3B": "qwen3_moe", "Qwen3": "qwen3", "Qwen2.5": "qwen2", "Llama": "llama"}
    return next(kind for part, kind in kinds.items() if part in name)


@pytest.mark.parametrize("path", RECIPES, ids=[path.stem for path in RECIPES])
def test_recipe(path, miniatures, rows_file, tmp_path, monkeypatch):  # noqa: F811
    import merge_adapter
    import sft
    import torch
    from transformers import AutoConfig

    torch.compiler.set_stance("force_eager")  # torchao compiles its steps: minutes on a CPU
    recipe, out, merged = yaml.safe_load(path.read_text()), tmp_path / "out", tmp_path / "merged"
    base = miniatures(kind_of(recipe))
    argv = {
        "config": path,
        "model_name_or_path": base,
        "train_file": rows_file,
        "output_dir": out,
        "max_steps": 2,
        "stop_test_prompts": 1,
        "eval_rows": 4,
        "limit": 20,  # the head's 49,000 columns cost most of a step
        "report_to": "none",
    }
    if recipe.get("bf16"):  # autocast of a GPU; on a CPU full fine-tuning is in the weights' type
        argv["bf16"] = "false"
    words = [str(word) for name, value in argv.items() for word in (f"--{name}", value)]
    monkeypatch.setattr(sys, "argv", ["sft.py", *words])
    sft.main()
    meta = json.loads((out / "sft.meta.json").read_text())
    adapter = recipe.get("use_peft", False)
    quantized = recipe.get("load_in_4bit", False)
    assert meta["method"] == ("qlora" if quantized else "lora" if adapter else "full")
    assert meta["steps"] == 2 and meta["speed"]["tokens_per_second"] > 0
    assert meta["checks"]["packing"] is True
    assert meta["checks"]["stop_test"]["prompts"] == 1 and not meta.get("failed_checks")
    if adapter:
        found = json.loads((out / "adapter_config.json").read_text())
        assert found["base_model_name_or_path"] == str(base) and found["r"] == recipe["lora_r"]
        merge_adapter.merge(str(out), str(merged))
        assert agreement(out, merged, rows_file) >= 0.98
    whole = merged if adapter else out
    assert AutoConfig.from_pretrained(whole).dtype == torch.bfloat16
