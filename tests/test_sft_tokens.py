"""03_sft: the tokens of a file are the same by one process or several."""

import pytest
import token_files
from conftest import write_jsonl
from test_sft_training import rows_file, tiny  # noqa: F401
from training_options import OwnOptions

import rows as r

pytestmark = pytest.mark.slow


def test_several_processes_write_the_same_tokens(tiny, tmp_path):  # noqa: F811
    from prepare_model import load_tokenizer

    tokenizer, _ = load_tokenizer(str(tiny))
    rows = [
        {"id": f"r{i}", "question": f"heat {i}?", "answer": "wave " * (1 + i % 60)}
        for i in range(3500)
    ]
    path = write_jsonl(tmp_path / "rows.jsonl", rows)
    own = OwnOptions(train_file=str(path), eval_rows=20)
    found = [
        token_files.tokenize_file(own, tokenizer, 64, tmp_path / str(n) / "tokens", workers=n)
        for n in (1, 2)
    ]
    assert found[0] == found[1] and found[0]["too_long"] > 0
    arrow = ("tokens/train.arrow", "tokens/eval.arrow")
    for name in (*arrow, token_files.REJECTED, token_files.HELD_OUT):
        one, two = ((tmp_path / n / name).read_bytes() for n in "12")
        assert one == two and one, name
    bad = write_jsonl(tmp_path / "bad.jsonl", [*rows[:2000], {"id": "x", "question": "no answer"}])
    with pytest.raises(r.BadInput, match=r'bad.jsonl, row "x"'):
        own.train_file = str(bad)
        token_files.tokenize_file(own, tokenizer, 64, tmp_path / "bad", workers=2)
