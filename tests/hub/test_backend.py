"""run_eval.py --backend transformers on a miniature from the local hub: the same files as by vLLM, base models without a chat template too."""

import local_hub
import models
import pytest
from conftest import read_jsonl, write_jsonl

import batch_generate

BASE = "meta-llama/Llama-3.1-8B"
ROW = dict(kind="short_text", benchmark="own", reference="4")


@pytest.mark.slow
def test_a_base_model_without_a_template_is_asked_by_transformers(tmp_path, run_script, demo_model):
    hub = local_hub.LocalHub()
    models.add(hub, BASE, tmp_path / "made", demo_model)
    rows = [dict(ROW, id=f"q{i}", question="What is 2 and 2? " * (1 + i % 3)) for i in range(20)]
    rows.append(dict(ROW, id="long", question="apple " * 9000))
    data = write_jsonl(tmp_path / "own.jsonl", rows)
    options = ["--model", BASE, "--benchmarks", data, "--backend", "transformers"]
    options += ["--max-tokens", 12, "--output", tmp_path / "out"]
    with hub:
        env = hub.env(tmp_path / "home") | {"CUDA_VISIBLE_DEVICES": ""}
        done = run_script("04_eval/run_eval.py", *options, env=env)
    assert "chat template: templates/chatml.jinja, since the model has none" in done.stderr
    assert "slow" in done.stderr
    made = read_jsonl(tmp_path / "out/samples.jsonl")
    assert len(made) == 20 and all(0 < row["n_tokens"] <= 12 for row in made)
    assert {row["finish_reason"] for row in made} <= {"length", "stop"}
    (lost,) = read_jsonl(tmp_path / "out/samples.raw.rejected.jsonl")
    assert lost["id"] == "long" and "no room in 8192" in lost["error"]
    raw = read_jsonl(tmp_path / "out/samples.raw.jsonl")
    assert {row["sampling"]["backend"] for row in raw} == {"transformers"}
    tuned, base = read_jsonl(tmp_path / "out/samples.raw.jsonl")[:2]
    assert tuned["prompt_tokens"] > 5 and base["prompt_tokens"] > tuned["prompt_tokens"]


@pytest.mark.slow
def test_the_template_of_the_trainer_and_the_end_of_a_turn(tmp_path, demo_model):
    from transformers import AutoTokenizer

    models.make(tmp_path / "base", BASE, demo_model)
    models.make(tmp_path / "qwen", "Qwen/Qwen3-4B-Base", demo_model)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "base")
    assert not tokenizer.chat_template
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert batch_generate.prepare_chat(tokenizer) == [end]
    import prepare_model

    trained, _ = prepare_model.load_tokenizer(str(tmp_path / "base"))
    assert trained.chat_template == tokenizer.chat_template
    qwen = AutoTokenizer.from_pretrained(tmp_path / "qwen")
    qwen.eos_token = "<|endoftext|>"  # as in Qwen's base models: the template ends a turn otherwise
    assert batch_generate.prepare_chat(qwen) == [end] != [qwen.eos_token_id]
