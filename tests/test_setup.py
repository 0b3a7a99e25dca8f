"""setup.sh: the driver decides the build, said before anything is installed. nvidia-smi and uv on
PATH are scripted; nothing is installed."""

import json
import os
import subprocess
import sys

import pytest
from conftest import ROOT

import batch_generate
import rows as r

NVIDIA_SMI = """#!/bin/sh
case "$*" in
*driver_version*) echo {driver} ;;
*compute_cap*) echo {capability} ;;
*memory.total*) echo 16384 ;;
*) echo "GPU 0: Tesla T4 (UUID: GPU-x)" ;;
esac
"""
UV = """#!/bin/sh
echo "$@" >>{log}
env | grep -E '^UV_(DEFAULT_INDEX|FIND_LINKS)=' >>{log}
exit 7
"""


@pytest.fixture
def machine(tmp_path):
    """run(driver, *options, **settings): setup.sh on a machine with that driver; returns what
    ended, and what uv was asked."""

    def run(driver, *options, **settings):
        tools, log = tmp_path / "tools", tmp_path / "uv.log"
        tools.mkdir(exist_ok=True)
        log.write_text("")
        scripts = {"uv": UV.format(log=log)}
        if driver:
            scripts["nvidia-smi"] = NVIDIA_SMI.format(driver=driver, capability="7.5")
        for name, text in scripts.items():
            (tools / name).write_text(text)
            (tools / name).chmod(0o755)
        hidden = ("CUDA_VISIBLE_DEVICES", "REQUIREMENTS", "PIP_INDEX_URL", "UV_DEFAULT_INDEX")
        hidden += ("PIP_FIND_LINKS", "UV_FIND_LINKS")
        env = {name: value for name, value in os.environ.items() if name not in hidden}
        env |= {"PATH": f"{tools}:{env['PATH']}", "VENV": str(tmp_path / "venv")}
        env |= {"PYTHON": sys.executable, **settings}
        done = subprocess.run(
            ["bash", "setup.sh", *options], cwd=ROOT, env=env, capture_output=True, text=True
        )
        return done, log.read_text()

    return run


@pytest.mark.parametrize(
    "driver, list_, options",
    [
        ("580.65.06", "requirements.txt", ""),
        ("610.10", "requirements.txt", ""),
        ("575.57.08", "requirements.txt", "--torch-backend cu129"),
        ("535.183.01", "requirements.txt", "--torch-backend cu129"),
        (None, "requirements-cpu.txt", "--torch-backend cpu"),
    ],
)
def test_the_driver_decides_the_build(machine, driver, list_, options):
    _, asked = machine(driver)
    line = asked.splitlines()[0]
    assert line.startswith("pip install") and line.endswith(f"-r {list_}") and options in line
    assert ("--torch-backend" in line) == bool(options)
    assert ("https://wheels.vllm.ai/0.32.0/cu129" in line) == ("cu129" in options)
    assert "UV_" not in asked, "no index of its own where uv's default serves"


def test_an_old_driver_is_one_clear_sentence(machine):
    done, asked = machine("470.256.02")
    (line,) = done.stderr.strip().splitlines()
    assert done.returncode == 1 and not asked
    assert "470.256.02" in line and "525" in line and "requirements-cpu.txt" in line


def test_check_says_the_build_and_what_to_do_next(machine):
    done, asked = machine("550.54.15", "--check")
    assert (
        not asked and "cu129 (CUDA 12.9, since driver 550.54.15 is older than 580)" in done.stdout
    )
    assert done.stdout.splitlines()[-1].split()[:3] == ["next", "bash", "setup.sh"]


def test_check_of_an_environment_that_lacks_a_package_says_to_run_setup(machine, tmp_path):
    wanted = tmp_path / "cpu.txt"
    wanted.write_text("unsloth==1.0\n")
    done, _ = machine(None, "--check", VENV=sys.prefix, REQUIREMENTS=str(wanted))
    last = done.stdout.strip().splitlines()[-1]
    assert last.startswith("next           bash setup.sh") and str(wanted) in last


def test_a_hidden_gpu_is_none_and_a_list_can_be_named(machine):
    assert "requirements-cpu.txt" in machine("580.1", CUDA_VISIBLE_DEVICES="")[1]
    asked = machine(None, REQUIREMENTS="requirements.txt")[1]
    assert "-r requirements.txt" in asked and "--torch-backend" not in asked


def test_settings_of_pip_alone_reach_uv_and_a_cpu_wheel_is_out_of_the_gpu_lists_sight(
    machine, tmp_path
):
    (tmp_path / "torch-2.13.0+cpu-cp311.whl").touch()
    links = {"PIP_FIND_LINKS": str(tmp_path), "PIP_INDEX_URL": "https://mirror.example/simple"}
    asked = machine(None, **links)[1]
    assert f"UV_FIND_LINKS={tmp_path}" in asked and "--torch-backend" not in asked
    assert "UV_DEFAULT_INDEX=https://mirror.example/simple" in asked
    assert "UV_FIND_LINKS" not in machine("580.1", **links)[1]


@pytest.mark.slow
def test_a_gpu_that_torch_cannot_use_is_an_error_with_the_remedy(tmp_path, monkeypatch):
    """One function for engine, trainer and encoder; the torch of these tests is a CPU build."""
    import torch

    if torch.cuda.is_available():
        pytest.skip("torch can use the GPU of this machine")
    tool = tmp_path / "nvidia-smi"
    tool.write_text(NVIDIA_SMI.format(driver="470.1", capability="7.5"))
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with pytest.raises(r.BadInput, match=r"built for.*setup\.sh.*CUDA_VISIBLE_DEVICES="):
        batch_generate.check_gpu()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    batch_generate.check_gpu()


@pytest.mark.slow
@pytest.mark.parametrize("list_", ["requirements.txt", "requirements-cpu.txt"])
def test_both_lists_resolve(list_, tmp_path):
    """Only package metadata is read. A pin that another package forbids shows here, and not on a
    user's GPU machine."""
    uv = next(
        (p for p in (ROOT / ".venv/bin/uv", f"{sys.prefix}/bin/uv") if os.path.exists(p)), "uv"
    )
    env = {**os.environ, "UV_FIND_LINKS": os.environ.get("PIP_FIND_LINKS", "")}
    if "cpu" not in list_:
        env["UV_FIND_LINKS"] = ""
    command = [
        uv,
        "pip",
        "compile",
        "--quiet",
        "--python",
        sys.executable,
        list_,
        "-o",
        "/dev/null",
    ]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]


def audit_with(tmp_path, dependencies):
    """dependencies.py audit with a scripted uv, which writes what pip-audit would; None: it writes
    nothing, as without a network."""
    report = tmp_path / "answer.json"
    report.write_text(json.dumps({"dependencies": dependencies}))
    uv = tmp_path / "uv"
    copy = f'cp {report} "${{@: -1}}"' if dependencies is not None else "echo no route to host >&2"
    uv.write_text(f"#!/bin/bash\n{copy}\n")
    uv.chmod(0o755)
    return subprocess.run(
        [sys.executable, ROOT / "tests/bench/dependencies.py", "audit"],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )


def test_an_audit_says_what_is_known_and_never_takes_no_answer_for_a_good_one(tmp_path):
    clean = {"name": "tqdm", "version": "4.70.1", "vulns": []}
    known = {"id": "PYSEC-1", "fix_versions": ["2"], "aliases": [], "description": "x"}
    skipped = {"name": "torch", "skip_reason": "not found on PyPI"}
    good = audit_with(tmp_path, [clean, skipped])
    assert good.returncode == 0 and "requirements.txt: 1 packages asked about, 0" in good.stdout
    assert "torch" in good.stderr
    bad = audit_with(tmp_path, [{**clean, "vulns": [known]}])
    assert bad.returncode == 1 and "tqdm 4.70.1  PYSEC-1  mended in: 2" in bad.stdout
    for answer, words in (([skipped], "none of 1 packages"), (None, "no route to host")):
        silent = audit_with(tmp_path, answer)
        assert silent.returncode == 1 and words in silent.stderr.strip().splitlines()[-1]
        assert not silent.stdout


def test_the_licence_of_every_package_is_printed(run_script):
    table = run_script("tests/bench/dependencies.py", "licences").stdout
    assert "| tqdm | 4.70.1 | MPL-2.0 AND MIT |" in table and "| trl |" in table
