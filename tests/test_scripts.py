"""Every script: --help at once from another directory and without torch, no name of an installed
module, exit code 2 for a wrong option."""

import importlib.util
import re
import subprocess
import sys
import time

import pytest
from conftest import ROOT

SCRIPTS = sorted(
    str(p.relative_to(ROOT))
    for folder in (
        "",
        "01_extract/",
        "02_mix/",
        "03_sft/",
        "04_eval/",
        "data/",
        "data/sample/",
        "tests/bench/",
    )
    for p in ROOT.glob(f"{folder}*.py")
    if "r.run(main)" in p.read_text(encoding="utf-8")
)
NO_TORCH = """
import os, runpy, sys
sys.argv = [sys.argv[1], "--help"]
sys.path[0] = os.path.dirname(sys.argv[0])
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    heavy = {"torch", "vllm", "transformers", "datasets", "trl", "matplotlib", "scipy"} & set(sys.modules)
    assert not heavy, f"--help imports {heavy}"
"""


def test_all_stages_have_scripts():
    assert len(SCRIPTS) > 25 and all(
        any(s.startswith(f"0{n}_") for s in SCRIPTS) for n in (1, 2, 3, 4)
    )


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_from_another_directory_is_the_docstring_and_imports_no_torch(script, tmp_path):
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", NO_TORCH, ROOT / script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    first = re.match(r'(?:#!.*\n)?r?"""(.+)', (ROOT / script).read_text(encoding="utf-8"))
    assert first and first.group(1).strip() in done.stdout, (
        "the docstring's first line is part of the help"
    )
    assert time.perf_counter() - started < 6, (
        "under 2 s on an idle machine; three times that while the other core is busy"
    )


@pytest.mark.parametrize("script", [s for s in SCRIPTS if not s.startswith("tests/")])
def test_a_wrong_option_ends_with_exit_code_2_and_one_line(script, tmp_path):
    done = subprocess.run(
        [sys.executable, ROOT / script, "--no-such-option", "x"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2 and done.stderr.strip() and "Traceback" not in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith(script.rsplit("/", 1)[-1]), done.stderr


@pytest.mark.parametrize(
    "script", sorted(str(p.relative_to(ROOT)) for p in [*ROOT.glob("*/*.py"), *ROOT.glob("*.py")])
)
def test_no_script_bears_the_name_of_a_module(script):
    name = script.rsplit("/", 1)[-1].removesuffix(".py")
    if script.startswith("tests/") or name.startswith("__"):
        return
    assert name not in sys.stdlib_module_names
    found = importlib.util.find_spec(name)
    assert found is None or str(ROOT) in str(found.origin), (
        f"{script} hides the installed module {found.origin}"
    )


@pytest.mark.parametrize("script", [s for s in SCRIPTS if re.match(r"0[124]_", s)])
def test_every_numbered_script_reaches_the_shared_modules_by_the_same_line(script):
    text = (ROOT / script).read_text(encoding="utf-8")
    assert "sys.path.insert(0, str(Path(__file__).resolve().parents[1]))" in text
    assert "r.run(main)" in text
