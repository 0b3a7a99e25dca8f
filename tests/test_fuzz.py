"""Hostile texts: those that once crashed a parser or took seconds, and a few hundred new ones
(slow). tests/bench/fuzz.py runs many."""

import json
import sys
from types import SimpleNamespace

import pytest
from calling import call
from conftest import ROOT, read_jsonl, write_jsonl

sys.path.append(str(ROOT / "tests/bench"))
import fuzz


@pytest.mark.parametrize("row", read_jsonl(ROOT / "tests/fuzz_corpus.jsonl"), ids=json.dumps)
def test_what_once_failed_is_read_in_time(row):
    text, function = fuzz.text_of(row["parts"]), fuzz.targets(row["target"])[row["target"]]
    error, seconds = fuzz.call(function, text, fuzz.accepted())
    assert error is None and seconds < fuzz.LIMIT


@pytest.mark.slow
def test_new_texts_crash_no_parser():
    args = SimpleNamespace(seed="ci", strings=400, seconds=60, long=20, only="")
    texts, calls, finds = fuzz.search(args)
    assert texts == 400 and calls == 400 * len(fuzz.targets("")) and finds == []


def crash(text):
    if text.startswith("b"):
        raise IndexError("of the text " + text)


def test_a_crash_is_found():
    assert fuzz.call(crash, "abc", ()) == (None, pytest.approx(0, abs=0.1))
    assert fuzz.call(crash, "bc", ())[0] == "IndexError: of the text bc"
    assert fuzz.call(crash, "bc", IndexError)[0] is None


@pytest.mark.slow
def test_no_id_or_name_leads_out_of_the_output_folder(tmp_path):
    """Ids, sources and benchmarks such as "../../x" are texts, never parts of a path."""
    import digitize_pdfs
    import finalize
    import load_sources
    import mix
    import report
    import score

    names = ["../../x", "/tmp/absolute", "a/b", "..", "~/.profile"]
    row = dict(answer="It is 4, since 2 + 2 is \\boxed{4}.", reference_answer="4", text="A text.")
    sample = dict(kind="math", prompt="p", response="\\boxed{4}", reference="4", model="m")
    sample |= dict(finish_reason="stop", n_tokens=1, seed=1, prompt_id="p", commit=None, date="d")
    base = tmp_path / "a" / "b"
    (base / "in").mkdir(parents=True)
    rows, samples = base / "in/rows.jsonl", base / "in/samples.jsonl"
    made = [
        dict(row, id=name, question=f"How much is 2 + 2 in {name}?", source=name, subject=name)
        for name in names
    ]
    write_jsonl(rows, made)
    write_jsonl(samples, [dict(sample, id=x, benchmark=x, category=x, subject=x) for x in names])
    before = set(tmp_path.rglob("*"))
    out = base / "out"
    call(digitize_pdfs, "--input", rows, "--output", out / "documents.jsonl")
    call(finalize, "--input", rows, "--output", out / "final.jsonl")
    call(load_sources, "--sources", f"own={rows}", "--output", out / "sources.jsonl")
    call(mix, "--input", rows, "--max-tokens", "0", "--output", out / "train.jsonl")
    call(score, "--input", samples, "--output", out / "scored.jsonl")
    call(report, "--scored", out / "scored.jsonl", "--output", out / "report")
    written = set(tmp_path.rglob("*")) - before
    assert len(written) > 20 and {*written} == {out, *out.rglob("*")}
