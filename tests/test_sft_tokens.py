"""03_sft: tokens are kept under a key and used again, refused where a run began with others, and
the same by one process or several."""

import pytest
import token_files
from conftest import write_jsonl
from test_sft_training import SMALL, rows_file, sft, tiny  # noqa: F401
from training_options import OwnOptions

import rows as r

pytestmark = pytest.mark.slow


def test_tokens_are_used_again_or_refused(sft, capsys):  # noqa: F811
    sft(*SMALL, "--check_only")
    arrow = sft.out / "tokens" / "train.arrow"
    first = arrow.stat().st_mtime_ns
    sft(*SMALL, "--check_only")
    assert "are used again" in capsys.readouterr().err and arrow.stat().st_mtime_ns == first
    sft(*SMALL, "--check_only", "--max_length", "200")  # nothing was trained with them yet
    assert arrow.stat().st_mtime_ns != first
    (sft.out / "sft.started.json").write_text("{}")
    with pytest.raises(r.BadInput, match="tokens of a run that has begun, of other rows, options"):
        sft(*SMALL)
    meta = sft(*SMALL, "--fresh", "--max_steps", "1")
    assert meta["steps"] == 1 and not arrow.exists(), "a finished run needs them no more"


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
