"""Difficulty, annotation and lengths with a real engine: vLLM in this process on the demo model."""

import mix
import pytest
from conftest import ROOT, read_jsonl, write_jsonl

ROWS = [
    {
        "id": f"q{i}",
        "question": f"What is {i} plus {i + 1}?",
        "answer": str(2 * i + 1),
        "reference_answer": str(2 * i + 1),
        "source": "s",
    }
    for i in range(6)
]


@pytest.mark.long
@pytest.mark.slow
def test_sampled_scored_and_annotated_by_a_real_model(tmp_path, run_script, demo_model):
    """Two engine starts, about three minutes on 2 cores."""
    engine = ("--model", demo_model, "--engine", '{"max_model_len": 1024}')
    write_jsonl(tmp_path / "in.jsonl", ROWS)
    run_script(
        "02_mix/score_difficulty.py",
        "--input",
        tmp_path / "in.jsonl",
        "--output",
        tmp_path / "d.jsonl",
        "--k",
        4,
        "--max-tokens",
        96,
        *engine,
    )
    scored = read_jsonl(tmp_path / "d.jsonl")
    assert [row["id"] for row in scored] == [row["id"] for row in ROWS]
    assert all(
        len(row["difficulty_scores"]) == 4 and 0 <= row["difficulty"] <= 10 for row in scored
    )
    raw = read_jsonl(tmp_path / "d.raw.jsonl")
    assert [row["id"] for row in raw] == [f"q{i}#{j}" for i in range(6) for j in range(4)]
    assert len({row["response"] for row in raw[:4]}) > 1, (
        "four seeds at temperature 1 do not say the same"
    )
    run_script(
        "02_mix/annotate.py",
        "--input",
        tmp_path / "d.jsonl",
        "--output",
        tmp_path / "a.jsonl",
        "--max-tokens",
        400,
        *engine,
    )
    made, rejected = read_jsonl(tmp_path / "a.jsonl"), read_jsonl(tmp_path / "a.rejected.jsonl")
    assert len(made) + len(rejected) == 6 and len(made) >= 4
    assert all(
        row["answer"].strip()
        and row["original_answer"]
        and row["agrees_with_reference"] in (True, False)
        for row in made
    )


@pytest.mark.slow
def test_tokens_are_counted_as_transformers_counts_them(demo_model):
    """What the trainer will see, to the token."""
    from transformers import AutoTokenizer

    theirs, ours = AutoTokenizer.from_pretrained(demo_model), mix.load_tokenizer(demo_model)
    rows = read_jsonl(ROOT / "data/sample/train.jsonl")[:100]
    rows += [{"question": " \n odd <|im_end|> {{ text }} \u2028", "answer": "\n\n\\boxed{1} "}]
    assert mix.lengths(ours, rows) == [
        len(theirs.apply_chat_template(mix.conversation(row), return_dict=False)) for row in rows
    ]
