"""The Colab notebook, executed cell by cell on the CPU against the local hub."""

import json
import re
import subprocess
import sys

import data_sets
import local_hub
import models
import pytest
from conftest import ROOT, read_jsonl

NOTEBOOK = ROOT / "03_sft" / "colab_lora.ipynb"
NAME = "Qwen/Qwen3-1.7B-Base"


def cells():
    return ["".join(cell["source"]) for cell in json.loads(NOTEBOOK.read_text())["cells"]]


def test_away_from_the_scripts_the_notebook_asks_for_the_repository(tmp_path):
    """Opened from a fork: nothing in it names one repository, and its recipe is there."""
    settings, scripts = cells()[1:3]
    recipe = re.search(r'"(03_sft/recipes/[^"]+)"', settings)[1]
    assert (ROOT / recipe).is_file()

    def run(**env):
        command = [sys.executable, "-c", settings + scripts]
        return subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True).stderr

    assert "into REPOSITORY above" in run().splitlines()[-1]
    missing = tmp_path / "none"
    assert (
        run(REPOSITORY=str(missing), PATH="/usr/bin:/bin")
        .splitlines()[-1]
        .endswith(f"REPOSITORY={missing} cannot be cloned; the reason stands above")
    )


@pytest.mark.slow
def test_the_notebook_trains_evaluates_chats_and_saves(tmp_path, demo_model, monkeypatch):
    import nbclient
    import nbformat

    hub = local_hub.LocalHub()
    data_sets.fill(hub)
    models.add(hub, NAME, tmp_path / "made", demo_model)
    settings = dict(ROWS="10", QUESTIONS="2", MAX_TOKENS="12", BACKEND="transformers")
    settings |= dict(OUT=str(tmp_path / "out"), ALLOW_OTHER_ROWS="1", CUDA_VISIBLE_DEVICES="")
    for name, value in {**hub.env(tmp_path / "home"), **settings}.items():
        monkeypatch.setenv(name, value)
    book = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") for cell in book.cells)
    with hub:
        nbclient.NotebookClient(
            book, timeout=600, resources={"metadata": {"path": str(ROOT / "03_sft")}}
        ).execute()
    said = "".join(
        output.get("text", "") for cell in book.cells for output in cell.get("outputs", [])
    )
    assert "installing" not in said, "what is there in its version is not installed again"
    assert "answers by transformers" in said
    samples = read_jsonl(tmp_path / "out/tuned/samples.jsonl")
    assert {row["benchmark"] for row in samples} == {"gsm8k", "piqa"} and len(samples) == 4
    assert (tmp_path / "out/adapter.zip").stat().st_size > 1000
    assert (tmp_path / "out/results.csv").read_text().count("\n") >= 5
