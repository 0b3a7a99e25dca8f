"""Each benchmark and each source as the hub has it, loaded through `datasets` itself from a local hub: commits, counts, gates, failures."""

import json
import os
import re
import subprocess
import sys

import benchmarks
import data_sets
import load_sources
import local_hub
import pytest
from conftest import ROOT, read_jsonl

FILES = {f"{name}.jsonl" for name in benchmarks.BENCHMARKS}
NO_ANSWER = re.compile("(Connect|Connection|Protocol)Error: ")  # of the hub's clients
LEFT_OUT = {"olympicarena": 5, "csbench": 4, "scibench": 1}  # of twelve rows of a configuration


@pytest.fixture
def hub():
    hub = local_hub.LocalHub()
    data_sets.fill(hub)
    with hub:
        yield hub


@pytest.mark.slow
def test_the_fifteen_benchmarks_come_from_the_hub_in_their_real_columns(hub, tmp_path, run_script):
    """One process loads them all: a wrong count is named first, then every row is read at its pinned commit."""
    script, folder = "04_eval/benchmarks.py", tmp_path / "benchmarks"
    env = hub.env(tmp_path / "home")
    refused = run_script(script, "--download", folder, env=env, check=False)
    last = refused.stderr.strip().splitlines()[-1]
    assert refused.returncode == 2 and "12 rows" in last and "14,042" in last
    assert "--allow-other-rows" in last and not folder.exists()
    done = run_script(script, "--download", folder, "--allow-other-rows", env=env)
    assert "left out: GPQA-Diamond" in done.stderr and "HF_TOKEN" in done.stderr
    assert not (folder / "gpqa_diamond.jsonl").exists()
    env = hub.env(tmp_path / "home", token="hf_x")
    run_script(script, "--download", folder, "--allow-other-rows", env=env)
    for name, entry in benchmarks.BENCHMARKS.items():
        rows = read_jsonl(folder / f"{name}.jsonl")
        kept = (data_sets.ROWS - LEFT_OUT.get(name, 0)) * len(entry["configs"])
        assert len(rows) == kept, name
        left_out = len(read_jsonl(folder / f"{name}.rejected.jsonl"))
        assert left_out == LEFT_OUT.get(name, 0) * len(entry["configs"]), name
        assert all(isinstance(row["unit"], str | None) for row in rows), name
        assert not any("For display" in row["question"] for row in rows)
    chem = read_jsonl(folder / "chembench.jsonl")
    assert {row["subject"] for row in chem} == set(benchmarks.BENCHMARKS["chembench"]["configs"])
    assert {row.get("rel_tol") for row in chem} == {None, 0.05}
    olympic = read_jsonl(folder / "olympicarena.jsonl")
    assert {row["unit"] for row in olympic} == {"kg", "kg, m/s", None}
    asked = [line for line in hub.requests if "/resolve/main/" in line]
    assert not asked, f"only pinned commits are read: {asked[:3]}"


@pytest.mark.slow
def test_the_five_sources_come_from_the_hub_at_their_commits(hub, tmp_path, run_script):
    names, out = list(load_sources.read_table()), tmp_path / "x.jsonl"
    options = ["--sources", *names, "--output", out]
    env = hub.env(tmp_path / "home")
    refused = run_script("02_mix/load_sources.py", *options, env=env, check=False)
    last = refused.stderr.strip().splitlines()[-1]
    assert refused.returncode == 2 and "gave 12 rows" in last and "651,840" in last
    run_script("02_mix/load_sources.py", *options, "--allow-other-rows", env=env)
    rows = read_jsonl(out)
    assert {name: sum(row["source"] == name for row in rows) for name in names} == dict.fromkeys(
        names, data_sets.ROWS
    )
    assert not any("<think>" in row["answer"] for row in rows)
    by_source = {row["source"]: row for row in rows}
    assert by_source["scp_116k"]["license"] == "mit"
    assert by_source["nemotron_science"]["generator"] == "DeepSeek-R1"
    assert by_source["natural_reasoning"]["reference_answer"]


def test_a_limit_below_the_count_asks_for_no_check(hub, tmp_path, run_script):
    out = tmp_path / "x.jsonl"
    options = ["--sources", "natural_reasoning", "--limit", 5, "--output", out]
    run_script("02_mix/load_sources.py", *options, env=hub.env(tmp_path / "home"))
    assert len(read_jsonl(out)) == 5


@pytest.mark.slow
def test_the_hub_going_down_is_one_sentence_and_the_same_command_goes_on(hub, tmp_path, run_script):
    folder = tmp_path / "benchmarks"
    options = ["--download", folder, "--allow-other-rows"]
    env = hub.env(tmp_path / "home", token="hf_x")
    hub.down_after = 60
    done = run_script("04_eval/benchmarks.py", *options, env=env, check=False)
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert NO_ANSWER.search(last) and "the same command goes on" in last
    there = {path.name for path in folder.glob("*.jsonl")} & FILES
    assert 0 < len(there) < 15
    hub.down_after = None
    again = run_script("04_eval/benchmarks.py", *options, env=env)
    assert {path.name for path in folder.glob("*.jsonl")} >= FILES
    assert not any(name in again.stderr for name in there), "what is there is not loaded again"


@pytest.mark.parametrize("revision", ["f" * 40, "abcdef1"])
def test_a_wrong_revision_is_one_sentence(hub, tmp_path, run_script, revision):
    entry = f"{{source: mine, hub: facebook/natural_reasoning, revision: {revision}}}"
    (tmp_path / "r.yaml").write_text(f"sources:\n- {entry}\n")
    options = ["--recipe", tmp_path / "r.yaml", "--output", tmp_path / "x.jsonl"]
    env = hub.env(tmp_path / "home")
    done = run_script("02_mix/load_sources.py", *options, env=env, check=False)
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 2 and revision[:12] in last and "RevisionNotFoundError" in last
    assert "mine=PATH" in last and "Traceback" not in done.stderr


READ = """
import sys
import rows
print([row["commit"] for row in rows.hub_rows("X", "me/set", "default", "train", sys.argv[1], hint="wait")])
"""


@pytest.mark.slow
def test_a_hub_that_goes_away_gives_no_row_of_another_commit(tmp_path):
    """`datasets` takes the newest rows of its cache then, of whatever commit: seen with its version 4.8.5."""
    hub, first, second = local_hub.LocalHub(), "a" * 40, "b" * 40
    card = data_sets.card(("default", {"train": "rows.parquet"}))
    for commit in (first, second):
        rows = data_sets.parquet([{"commit": commit[0]}])
        hub.add("datasets", "me/set", {"README.md": card, "rows.parquet": rows}, commit)

    def read(commit):
        command = [sys.executable, "-c", READ, commit]
        env = {**os.environ, **hub.env(tmp_path / "home")}
        return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)

    with hub:
        assert read(first).stdout == "['a']\n"
        hub.down_after = len(hub.requests) + 2  # the commit is looked up, then nothing answers
        gone = read(second)
    assert gone.returncode and NO_ANSWER.search(gone.stderr.split("BadInput: ")[-1]), gone.stderr
    assert not gone.stdout


UPLOAD = """
import huggingface_hub, sys
api = huggingface_hub.HfApi()
api.create_repo("me/mine", exist_ok=True)
api.create_repo("me/mine", exist_ok=True)
api.upload_folder(repo_id="me/mine", folder_path=sys.argv[1])
"""


def test_uploads_arrive_in_regular_and_lfs_mode(hub, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
    (folder / "model.safetensors").write_bytes(os.urandom(local_hub.LFS_FROM))
    env = {**os.environ, **hub.env(tmp_path / "home", token="hf_x")}
    subprocess.run([sys.executable, "-c", UPLOAD, folder], env=env, check=True, timeout=120)
    files = hub.repos["models", "me/mine"].files()
    for name in ("config.json", "model.safetensors"):
        assert files[name] == (folder / name).read_bytes()
