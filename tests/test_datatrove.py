"""docs/with_datatrove.py against dedup.py, by a Python that has datatrove: DATATROVE_PYTHON names
it."""

import os
import subprocess

import pytest
from conftest import ROOT

import rows as r

PYTHON = os.environ.get("DATATROVE_PYTHON")
pytestmark = pytest.mark.skipif(not PYTHON, reason="DATATROVE_PYTHON is not set")


def run(folder, *options):
    command = [PYTHON, ROOT / "docs/with_datatrove.py", "--input", folder / "in"]
    command += ["--output", folder / "out", "--workers", "1", *options]
    subprocess.run(list(map(str, command)), check=True, capture_output=True)


def test_the_kept_rows_are_those_of_dedup(tmp_path):
    text = "the force on a body of mass three that gains speed each second along the slope is"
    rows = [dict(id=f"r{n}", question=f"{text} {n // 2} newton", answer="x") for n in range(20)]
    rows.append(dict(id="none", question=None, answer="x"))
    r.write(tmp_path / "in/a.jsonl", rows[1::2])
    r.write(tmp_path / "in/b.jsonl", rows[::2])
    run(tmp_path, "--parts", "2")
    alone, decided = tmp_path / "out/alone", tmp_path / "out/decided"
    kept = [*decided.glob("0000?.jsonl"), *alone.iterdir()]
    assert {row["id"] for path in kept for row in r.read(path)} == {
        row["id"] for row in rows[1::2]
    } | {"none"}
    gone = {row["id"]: row for path in decided.glob("*.rejected.jsonl") for row in r.read(path)}
    assert len(gone) == 10 and gone["r4"]["duplicate_of"] == "r5"
