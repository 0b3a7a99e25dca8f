"""Hostile texts: those that once crashed a parser or took seconds, and a few hundred new ones (slow). tests/bench/fuzz.py runs many."""

import json
import sys
from types import SimpleNamespace

import pytest
from conftest import ROOT, read_jsonl

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
