"""Shared fixtures: where the scripts are, how to run one, and the optional folder of real data
beside the checkout."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("SHARED_DATA", ROOT.parent / "shared" / "data"))
for folder in (ROOT, *sorted(ROOT.glob("0[1-4]_*")), ROOT / "tests/hub"):
    sys.path.insert(0, str(folder))


@pytest.fixture
def shared():
    """Folder of real benchmarks, textbooks and labelled answers; the test is skipped where it is
    absent."""
    if not SHARED.is_dir():
        pytest.skip(f"needs the folder of real data at {SHARED} (set SHARED_DATA to its place)")
    return SHARED


@pytest.fixture
def run_script():
    """Call a script of the repository in a process of its own: run_script("01_extract/dedup.py",
    "--input", ...)."""

    def run(script, *args, check=True, cwd=None, env=None, timeout=600):
        command = [sys.executable, str(ROOT / script), *map(str, args)]
        done = subprocess.run(
            command,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        if check:
            assert done.returncode == 0, (
                f"{script} ended with {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
            )
        return done

    return run


@pytest.fixture(scope="session")
def demo_model(tmp_path_factory):
    """Folder of SmolLM2-135M-Instruct, unpacked once for all tests of a run; DEMO_MODEL names one
    that is there already."""
    folder = Path(os.environ.get("DEMO_MODEL", tmp_path_factory.getbasetemp() / "demo_model"))
    if not (folder / "config.json").is_file():
        subprocess.run(
            [sys.executable, ROOT / "data/demo_model.py", "--output", folder],
            check=True,
            capture_output=True,
        )
    return folder


def read_jsonl(path):
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").split("\n") if line]


def write_jsonl(path, rows):
    Path(path).write_text(
        "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8"
    )
    return Path(path)
