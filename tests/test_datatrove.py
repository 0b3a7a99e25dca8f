"""docs/with_datatrove.py against dedup.py and batch_generate.py, by a Python that has datatrove:
DATATROVE_PYTHON names it."""

import os
import subprocess

import pytest
from conftest import ROOT
from fake_server import FakeServer

import batch_generate as bg
import rows as r

PYTHON = os.environ.get("DATATROVE_PYTHON")
pytestmark = pytest.mark.skipif(not PYTHON, reason="DATATROVE_PYTHON is not set")


def run(folder, action, *options):
    command = [PYTHON, ROOT / "docs/with_datatrove.py", action, "--input", folder / "in"]
    command += ["--output", folder / "out", "--workers", "1", *options]
    subprocess.run(list(map(str, command)), check=True, capture_output=True)


def test_the_kept_rows_are_those_of_dedup(tmp_path):
    text = "the force on a body of mass three that gains speed each second along the slope is"
    rows = [dict(id=f"r{n}", question=f"{text} {n // 2} newton", answer="x") for n in range(20)]
    rows.append(dict(id="none", question=None, answer="x"))
    r.write(tmp_path / "in/a.jsonl", rows[1::2])
    r.write(tmp_path / "in/b.jsonl", rows[::2])
    run(tmp_path, "dedup", "--parts", "2")
    alone, decided = tmp_path / "out/alone", tmp_path / "out/decided"
    kept = [*decided.glob("0000?.jsonl"), *alone.iterdir()]
    assert {row["id"] for path in kept for row in r.read(path)} == {
        row["id"] for row in rows[1::2]
    } | {"none"}
    gone = {row["id"]: row for path in decided.glob("*.rejected.jsonl") for row in r.read(path)}
    assert len(gone) == 10 and gone["r4"]["duplicate_of"] == "r5"


def test_batch_generate_finds_the_answers_and_asks_only_for_the_missing(tmp_path):
    rows = [dict(id=f"r{n}", question=f"What is {n}?") for n in range(9)]
    r.write(tmp_path / "in/a.jsonl", rows[:4])
    r.write(tmp_path / "in/b.jsonl", rows[4:8])
    prompt = "Solve: <question>"
    with FakeServer(lambda messages, body: f"seed {body['seed']}") as server:
        more = ("--model", "scripted", "--base-url", server.url, "--prompt", prompt)
        run(tmp_path, "generate", *more)
        answers = sorted((tmp_path / "out/answers").iterdir())
        r.concatenate(answers, tmp_path / "a.raw.jsonl")
        asked = [body["seed"] for body in server.requests]
        assert sorted(asked) == sorted(bg.row_seed(42, row["id"]) for row in rows[:8])
        counts = bg.generate_jsonl(
            rows,
            lambda row: bg.user_turn(prompt, **row),
            tmp_path / "a.raw.jsonl",
            model="scripted",
            base_url=server.url,
        )
    assert (counts["rows"], counts["asked"]) == (9, 1)
