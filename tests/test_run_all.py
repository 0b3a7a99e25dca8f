"""run_all.sh: every command of every profile is one that its script understands; the demo runs
through (slow)."""

import csv
import functools
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT


def dry_run(**settings):
    env = {**os.environ, "GPUS": "0", "RUNS_DIR": "data/runs", **settings}
    done = subprocess.run(
        ["bash", "run_all.sh", "--dry-run"], cwd=ROOT, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return [shlex.split(line[2:]) for line in done.stderr.splitlines() if line.startswith("+ ")]


PROFILES = {"demo": {"GPUS": "0"}, "lora": {"GPUS": "1"}, "full": {"GPUS": "8"}}


@pytest.mark.parametrize("profile", PROFILES)
def test_a_dry_run_prints_the_four_stages_and_writes_nothing(profile, tmp_path):
    commands = dry_run(PROFILE=profile, RUNS_DIR=str(tmp_path / "runs"), **PROFILES[profile])
    text = "\n".join(" ".join(command) for command in commands)
    assert [n for n in "1234" if f" 0{n}_" in text] == list("1234") and not (
        tmp_path / "runs"
    ).exists()
    assert ("accelerate launch" in text) == (profile == "full")


@pytest.mark.parametrize(("profile", "file"), [("lora", "ddp"), ("full", "fsdp2")])
def test_adapters_are_trained_with_the_whole_model_on_each_gpu(profile, file):
    commands = dry_run(PROFILE=profile, GPUS="4", STAGE="3", STOP="3")
    assert any(f"03_sft/accelerate/{file}.yaml" in command for command in commands)


def test_ocr_measures_and_marks_are_settings():
    commands = dry_run(
        PROFILE="lora", GPUS="1", STOP="1", OCR="olmocr", OCR_PAGES="formulas",
        OLMOCR_URL="http://h:1/v1", MEASURE="org/judge", MARKS="anna.csv ben.csv",
    )  # fmt: skip
    script = {Path(word).name: command for command in commands for word in command if ".py" in word}
    read = script["digitize_pdfs.py"]
    assert read[read.index("--ocr") :] == [
        *("--ocr", "olmocr", "--ocr-pages", "formulas"),
        *("--base-url", "http://h:1/v1", "--model", "allenai/olmOCR-2-7B-1025-FP8"),
    ]
    measured, final = script["measure_qa.py"], script["finalize.py"]
    assert measured[measured.index("--model") + 1] == "org/judge" and "--sample" in measured
    assert final[final.index("--input") + 1].endswith("/measured.jsonl")
    assert final[-3:] == ["--marks", "anna.csv", "ben.csv"]
    for command in commands:
        assert_known(command)
    plain = str(dry_run(PROFILE="lora", GPUS="1", STOP="1"))
    assert "--ocr" not in plain and "measure_qa" not in plain and "--marks" not in plain


@functools.cache
def help_of(script):
    return subprocess.run(
        [sys.executable, ROOT / script, "--help"], capture_output=True, text=True
    ).stdout


def assert_known(command):
    """A renamed option shows here and not after an hour of generation. sft.py's options are TRL's:
    its own test covers them."""
    script = next(word for word in command if word.endswith(".py"))
    assert (ROOT / script).is_file(), script
    if not script.endswith("sft.py"):
        for word in command[command.index(script) :]:
            if word.startswith("--"):
                known = re.search(rf"(?<![\w-]){word}(?![\w-])", help_of(script))
                assert known, f"{script} does not know {word}"
    for word in command:
        if word.startswith(("01_", "02_", "03_", "04_")):
            assert (ROOT / word).exists(), f"{word} is not in the tree"


@pytest.mark.parametrize("profile", PROFILES)
def test_every_option_of_every_command_is_known_to_its_script(profile):
    for command in dry_run(PROFILE=profile, **PROFILES[profile]):
        assert_known(command)


def test_the_profile_follows_the_gpus_and_stages_can_be_chosen():
    assert "SmolLM" not in str(dry_run(GPUS="1")) and "Qwen/Qwen3-4B-Base" in str(dry_run(GPUS="1"))
    assert "meta-llama/Llama-3.3-70B-Instruct" in str(dry_run(GPUS="4"))
    only = dry_run(STAGE="3", STOP="3", PROFILE="demo")
    words = {word for command in only for word in command if word.startswith("0")}
    assert words == {"03_sft/sft.py", "03_sft/recipes/demo.yaml", "03_sft/merge_adapter.py"}


@pytest.mark.parametrize(
    ("mib", "teacher", "recipe"),
    [
        ("15360", "Qwen/Qwen3-8B-AWQ", "qwen3_4b_qlora_16gb"),  # T4
        ("24576", "Qwen/Qwen3-8B", "qwen3_4b_lora_16gb"),  # 3090, 4090, L4
    ],
)
def test_teacher_and_recipe_fit_the_card(mib, teacher, recipe, tmp_path):
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\necho {mib}\n")
    tool.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    commands = dry_run(PROFILE="lora", GPUS="1", PATH=path)
    asked = next(c for c in commands if "01_extract/extract_qa.py" in c)
    assert asked[asked.index("--model") + 1] == teacher
    assert any(f"03_sft/recipes/{recipe}.yaml" in command for command in commands)


def test_the_engine_settings_of_the_teacher_are_its_servers_options():
    """The function of run_all.sh by itself: a server is started in the demo's test."""
    text = re.search(
        r"^engine_options\(\) \{.*?^\}", (ROOT / "run_all.sh").read_text(), re.M | re.S
    )[0]

    def options(settings):
        script = f'py={sys.executable}; {text}\nengine_options "$1"'
        command = ["bash", "-c", script, "-", settings]
        return subprocess.run(command, capture_output=True, text=True)

    given = '{"max_model_len": 4096, "enforce_eager": true, "quantization": "fp8", "hf_overrides": {"a": 1}}'
    wanted = ["--max-model-len", "4096", "--enforce-eager", "--quantization", "fp8"]
    assert options(given).stdout.splitlines() == [*wanted, "--hf-overrides", '{"a": 1}']
    assert options("{max_model_len: 4096}").returncode


def evaluations(commands):
    return [c for c in commands if any(word.endswith("run_eval.py") for word in c)]


def test_the_teachers_server_answers_for_the_base_model_where_they_are_the_same():
    """An engine start less; the base model's answers are then asked before the server ends for the
    training."""
    commands = dry_run(PROFILE="demo")
    base, tuned = evaluations(commands)
    scripts = [next(word for word in command if word.endswith(".py")) for command in commands]
    assert "--base-url" in base and "--base-url" not in tuned and "tuned" in tuned
    assert scripts.index("04_eval/run_eval.py") < scripts.index("03_sft/sft.py")
    for settings in ({"TEACHER_MODEL": "other"}, {"BACKEND": "transformers"}, {"GPUS": "1"}):
        base, tuned = evaluations(dry_run(**{"PROFILE": "demo", **settings}))[:2]
        assert ("--base-url" in base) == ("GPUS" in settings)
    assert not evaluations(dry_run(PROFILE="demo", STOP="3"))


@pytest.mark.parametrize("arguments,settings", [(["--no-such"], {}), ([], {"PROFILE": "huge"})])
def test_bad_settings_end_with_exit_code_2_and_one_line(arguments, settings):
    done = subprocess.run(
        ["bash", "run_all.sh", *arguments],
        cwd=ROOT,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
    )
    assert (
        done.returncode == 2
        and len(done.stderr.strip().splitlines()) == 1
        and done.stderr.startswith("run_all.sh:")
    )


@pytest.mark.slow
def test_the_demo_runs_shows_its_claim_and_is_skipped_the_second_time(tmp_path):
    """All four stages on real parts: real engine, real server, real trainer; then again, which must
    ask, train and generate nothing."""
    env = {**os.environ, "PROFILE": "demo", "RUNS_DIR": str(tmp_path), "RUN": "demo"}
    done = subprocess.run(
        ["bash", "run_all.sh"], cwd=ROOT, env=env, capture_output=True, text=True, timeout=2400
    )
    assert done.returncode == 0, done.stderr[-5000:]
    run = tmp_path / "demo"
    with open(run / "results.csv", newline="") as file:
        results = list(csv.DictReader(file))
    assert {row["model"] for row in results} == {"base", "tuned"} and all(
        int(row["n"]) >= 150 for row in results
    )
    comparison = json.loads((run / "04_eval/comparison.json").read_text())
    unparsed = next(part for part in [comparison["all"]] if part)["unparsed"]
    assert unparsed["high"] < 0, (
        f"the tuned model must leave fewer answers unparsed, with an interval that excludes 0: {unparsed}"
    )
    for path in (
        "01_extract/textbook_qa.jsonl",
        "01_extract/funnel.md",
        "02_mix/train.jsonl",
        "03_sft/model/model.safetensors",
        "03_sft/model/README.md",
        "04_eval/report.html",
        "04_eval/viewer.html",
    ):
        assert (run / path).stat().st_size > 0, path
    written = {
        path: path.stat().st_mtime_ns
        for path in run.rglob("*")
        if path.is_file() and path.suffix in (".jsonl", ".safetensors")
    }
    again = subprocess.run(
        ["bash", "run_all.sh"], cwd=ROOT, env=env, capture_output=True, text=True, timeout=600
    )
    assert again.returncode == 0, again.stderr[-3000:]
    assert "starting a vLLM server" not in again.stderr
    assert done.stderr.count("torchao") == 0 and (run / "logs/sft.log").stat().st_size > 0
    assert written == {path: path.stat().st_mtime_ns for path in written}, (
        "nothing is made a second time"
    )
    assert (
        subprocess.run(
            ["git", "status", "--porcelain", "-uall", "data"],
            cwd=ROOT,
            capture_output=True,
            text=True,
        ).stdout
        == ""
    )


def run_all(*options, **settings):
    env = {**os.environ, "GPUS": "0", "VENV": sys.prefix, **settings}
    return subprocess.run(
        ["bash", "run_all.sh", *options], cwd=ROOT, env=env, capture_output=True, text=True
    )


def test_a_second_run_in_one_folder_is_refused_and_names_the_first(tmp_path):
    folder = tmp_path / "demo"
    folder.mkdir()
    (folder / ".lock").write_text("process 4711, since yesterday\n")
    holder = subprocess.Popen(
        ["flock", folder / ".lock", "-c", "echo held; sleep 60"], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "held\n"
    done = run_all("--fresh", PROFILE="demo", RUNS_DIR=str(tmp_path))
    holder.terminate()
    assert done.returncode == 2 and "another run is writing" in done.stderr
    assert "process 4711" in done.stderr and (folder / ".lock").exists()


@pytest.mark.parametrize("profile", PROFILES)
def test_an_estimate_says_rows_tokens_hours_and_money_of_each_step(profile, tmp_path):
    given = {"PRICE_PER_GPU_HOUR": "2", "GPUS": "1", "RUNS_DIR": str(tmp_path)}
    done = run_all("--estimate", PROFILE=profile, **given)
    assert done.returncode == 0, done.stderr
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in done.stdout.splitlines()]
    table = {row[0]: row for row in rows if len(row) == 8}
    assert {"qa", "refined", "training", "evaluation, tuned", "all"} <= table.keys()
    number = {
        name: float(row[6].replace(",", "")) for name, row in table.items() if row[6][:1].isdigit()
    }
    total = number.pop("all")
    assert total > 0 and abs(total - sum(number.values())) < 0.02 * total + 0.1
    assert not list(tmp_path.iterdir()), "an estimate writes nothing"


def test_an_estimate_takes_the_rates_of_a_run_that_is_there(tmp_path):
    folder = tmp_path / "01_extract"
    folder.mkdir()
    counts = {"in": 10, "out": 40, "rejected": {}, "split": 30}
    meta = {"counts": counts, "tokens": {"prompt_tokens": 7000, "completion_tokens": 3000}}
    (folder / "qa.meta.json").write_text(json.dumps(meta))
    done = subprocess.run(
        [sys.executable, ROOT / "data/estimate_cost.py", "--chunks", "100", "--run", tmp_path],
        capture_output=True,
        text=True,
        check=True,
    )
    qa, dedup = (line.split("|") for line in done.stdout.splitlines()[3:5])
    assert qa[3].strip() == "70,000" and qa[4].strip() == "30,000" and qa[8].strip() == "measured"
    assert dedup[2].strip() == "400"


def test_what_is_left_of_a_budget_counts_every_try_and_every_second(tmp_path):
    raw = {"prompt_tokens": 100, "completion_tokens": 50}
    for name in ("qa.raw.jsonl", "qa.raw.old.jsonl"):
        (tmp_path / name).write_text(json.dumps(raw) + "\n")
    (tmp_path / "seconds.tsv").write_text("1800\tsft.py\n")

    def left(budget):
        prices = {"PRICE_IN": "10000", "PRICE_OUT": "20000", "PRICE_PER_GPU_HOUR": "3", "GPUS": "2"}
        return subprocess.run(
            [sys.executable, ROOT / "data/estimate_cost.py", "--left", tmp_path],
            env={**os.environ, **prices, "BUDGET": budget},
            capture_output=True,
            text=True,
        )

    assert float(left("10").stdout) == 10 - (2 + 2 + 3)
    assert left("5").returncode == 4 and "is spent" in left("5").stderr
