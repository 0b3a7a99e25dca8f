"""Rehearsal of the GPU benchmarks on a CPU: tiny shapes, the same commands."""

import json
import os
import subprocess
import sys
import zipfile

import pytest
from conftest import ROOT


def run(script, **settings):
    done = subprocess.run(
        ["bash", str(ROOT / "tests/bench" / script)],
        env={**os.environ, "REHEARSE": "1", **settings},
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout


def test_wheels_are_unpacked_beside_the_packages_of_a_bare_machine(tmp_path):
    """Without pip, index or venv: where python3 is that of a venv, one made from it would not see
    its torch."""
    with zipfile.ZipFile(tmp_path / "brought-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("brought.py", "print('brought')")
    python = tmp_path / "python"
    python.write_text(
        f'#!/bin/sh\n[ "$1" = -m ] || {sys.executable} -c "import brought"\nexec {sys.executable} "$@"\n'
    )
    python.chmod(0o755)
    said = run(
        "gpu_sft.sh",
        PYTHON=str(python),
        WHEELS=str(tmp_path),
        OUT=str(tmp_path / "out"),
        KEEP=str(tmp_path / "keep"),
        RUNS=" ",
    )
    assert said.splitlines()[0] == "brought" and "| run |" in said


@pytest.mark.slow
def test_rows_of_gpu_sft(tmp_path):
    """QLoRA and plain TRL; a row that cannot run (Unsloth, no GPU) is told and ends nothing."""
    out = tmp_path / "out"
    said = run(
        "gpu_sft.sh",
        OUT=str(out),
        KEEP=str(tmp_path / "keep"),
        STEPS="3",
        RUNS="unsloth-8b full-8b qlora-8b trl-lora-8b",
    )
    assert "unsloth-8b failed" in said and "needs an NVIDIA GPU" in said
    for name in ("full-8b", "qlora-8b", "trl-lora-8b"):
        found = json.loads((out / f"{name}.json").read_text())
        assert found["tokens_per_second"] > 0 and len(found["losses"]) == 3, name
        assert f"| {name} |" in said
    assert not list((tmp_path / "keep/tiny/out").glob("**/*.safetensors")), "nothing is saved"


@pytest.mark.slow
def test_the_whole_path(tmp_path, demo_model):
    run("gpu_path.sh", OUT=str(tmp_path / "out"), MODEL=str(demo_model), KEEP=str(tmp_path))
    found = json.loads((tmp_path / "out/path.json").read_text())
    assert found["questions"] == 4 and found["stop_test"] is not None
    assert found["tokens_per_second"] > 0 and not found["failed"]
