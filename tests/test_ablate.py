"""ablate.sh and ablation_table.py: a winner only where intervals and tests say so, and a real
two-method run on the demo model."""

import csv
import json
import os
import shlex
import subprocess

import ablation_table
import compare
import pandas as pd
import pytest
import test_mix
from conftest import ROOT, read_jsonl, write_jsonl
from test_run_all import assert_known

call = test_mix.call  # the fixture that runs a script in this process


def pair(a, b, low, high, p=0.001, seed="1"):
    return dict(a=a, b=b, seed=seed, low=low, high=high, p_holm=p)


@pytest.mark.parametrize(
    "methods, pairs, best",
    [
        (["x", "y"], [pair("x", "y", 0.5, 3)], "y"),
        (["x", "y"], [pair("x", "y", -3, -0.5)], "x"),
        (["x", "y"], [pair("x", "y", -0.5, 3)], None),
        (["x", "y"], [pair("x", "y", 0.5, 3, p=0.2)], None),
        (
            ["x", "y", "z"],
            [pair("x", "y", 0.5, 3), pair("x", "z", 1, 4), pair("y", "z", -1, 2)],
            None,
        ),
        (
            ["x", "y", "z"],
            [pair("x", "y", 0.5, 3), pair("x", "z", 1, 4), pair("y", "z", 0.1, 2)],
            "z",
        ),
        (["x", "y"], [pair("x", "y", 0.5, 3), pair("x", "y", -1, 2, seed="2")], None),
        (["x", "y"], [], None),
    ],
)
def test_a_winner_must_be_clear_against_all_with_every_seed(methods, pairs, best):
    assert ablation_table.winner(methods, pairs) == best


def test_holm_is_that_of_the_textbook():
    assert ablation_table.compare.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


def test_mean_and_its_interval():
    lines = pd.DataFrame(
        [dict(accuracy=50, ci_low=44, ci_high=56), dict(accuracy=30, ci_low=22, ci_high=38)]
    )
    assert ablation_table.mean_of(lines) == pytest.approx((40, 35, 45))
    assert ablation_table.mean_of(lines[:1]) == [50, 44, 56]


def scored(model, right):
    """Rows of score.py: 200 questions, those in `right` answered rightly."""
    fixed = dict(
        model=model,
        benchmark="b",
        category="General",
        kind="choice",
        options=["x", "y"],
        reference="A",
        response="Answer: A",
    )
    fixed |= dict(extracted="A", finish_reason="stop", n_tokens=3, repeat=0, seed=1)
    return [
        fixed
        | dict(
            id=f"q{i}@{model}",
            question_id=f"q{i}",
            question=f"Q{i}",
            prompt=f"Q{i}",
            correct=i in right,
        )
        for i in range(200)
    ]


def test_table_from_real_comparisons(tmp_path, call):
    """Three methods over 200 questions: z beats both by far, x and y differ by two."""
    right = {"x": set(range(80)), "y": set(range(82)), "z": set(range(140))}
    write_jsonl(
        tmp_path / "scored.jsonl",
        [row for name, its in right.items() for row in scored(f"all.{name}.s1", its)],
    )
    for a, b in (("x", "y"), ("x", "z"), ("y", "z")):
        places = [f"{tmp_path}/scored.jsonl:all.{name}.s1" for name in (a, b)]
        call(compare, *places, "--output", tmp_path / f"{a}{b}.json")
    with open(tmp_path / "results.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["model", "benchmark", "n", "accuracy", "ci_low", "ci_high"])
        writer.writerows(
            [f"all.{name}.s1", "b", 200, len(its) / 2, len(its) / 2 - 6, len(its) / 2 + 6]
            for name, its in right.items()
        )
    for name in right:
        (tmp_path / f"all.{name}").mkdir()
        write_jsonl(tmp_path / f"all.{name}" / "train.jsonl", [{"n_tokens": 7}, {"n_tokens": 8}])
    files = [tmp_path / f"{name}.json" for name in ("xy", "xz", "yz")]
    arguments = (
        ablation_table,
        "--csv",
        tmp_path / "results.csv",
        "--output",
        tmp_path / "t.json",
        "--comparisons",
    )
    call(*arguments, *files)
    made = json.loads((tmp_path / "t.json").read_text())["all"]
    assert made["winner"] == "z" and {
        (p["a"], p["b"]): round(p["difference"]) for p in made["pairs"]
    } == {("x", "y"): 1, ("x", "z"): 30, ("y", "z"): 29}
    best = made["arms"][2]
    assert [best[name] for name in ("method", "seed", "rows", "tokens")] == ["z", "1", 2, 15]
    assert (best["mean"], best["low"], best["high"], best["n"]) == (70, 64, 76, 200)
    lines = (tmp_path / "results.csv").read_text().splitlines(keepends=True)
    (tmp_path / "results.csv").write_text("".join(line for line in lines if ".z." not in line))
    call(*arguments, files[0])
    assert json.loads((tmp_path / "t.json").read_text())["all"]["winner"] is None


@pytest.mark.parametrize(
    "given, words",
    [
        ({}, "INPUT"),
        ({"INPUT": "/no/file"}, "no such file"),
        ({"INPUT": str(ROOT / "rows.py"), "METHODS": "random", "N": "9"}, "two methods"),
        ({"TABLE": "7"}, "none of 3, 8, 9, 10, 11"),
        ({"TABLE": "3", "INPUT": str(ROOT / "rows.py")}, "ASK"),
        ({"TABLE": "10", "RUN_DIR": "/no/run"}, "no such file"),
    ],
)
def test_ablate_says_what_is_missing(given, words):
    env = {
        k: v for k, v in os.environ.items() if k not in ("INPUT", "METHODS", "N", "TABLE")
    } | given
    done = subprocess.run(
        ["bash", ROOT / "02_mix/ablate.sh"],
        env=env | {"BASE_MODEL": "x", "PROFILE": "full"},
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0 and words in done.stderr.strip().split("\n")[-1], done.stderr


@pytest.mark.parametrize("table", ["3", "8", "9", "10", "11"])
def test_each_table_of_the_paper_is_a_list_of_commands_that_their_scripts_know(table):
    """Two arms or more are trained and evaluated; every option is known to its script."""
    env = {**os.environ, "DRY_RUN": "true", "ASK": "--model M --base-url U", "REFINERS": "a/b c/d"}
    done = subprocess.run(
        ["bash", "02_mix/ablate.sh", table], cwd=ROOT, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    commands = [shlex.split(line[2:]) for line in done.stderr.splitlines() if line[:2] == "+ "]
    trained = [c[c.index("--train_file") + 1] for c in commands if "03_sft/sft.py" in c]
    assert len(trained) == len(set(trained)) >= 2 and all("/all." in path for path in trained)
    for command in commands:
        assert_known(command)


@pytest.mark.long
@pytest.mark.slow
def test_two_methods_on_the_demo_model(tmp_path, demo_model):
    """select -> mix -> SFT -> evaluation for random and length at 24 rows each; about 6 minutes on
    2 cores."""
    rows = read_jsonl(ROOT / "data/sample/train.jsonl")[:50]
    write_jsonl(tmp_path / "in.jsonl", rows)
    settings = dict(
        INPUT=tmp_path / "in.jsonl",
        METHODS="random length",
        N=24,
        BASE_MODEL=demo_model,
        EVAL_LIMIT=16,
        MAX_TOKENS=64,
        MAX_LENGTH=512,
    )
    env = {**os.environ, **{name: str(value) for name, value in settings.items()}}
    done = subprocess.run(
        ["bash", ROOT / "02_mix/ablate.sh"], env=env, capture_output=True, text=True, timeout=1500
    )
    assert done.returncode == 0, done.stderr[-4000:]
    made = json.loads((tmp_path / "ablation" / "ablation.json").read_text())["all"]
    assert [arm["method"] for arm in made["arms"]] == ["random", "length"] and all(
        arm["n"] == 16 and arm["rows"] == 24 for arm in made["arms"]
    )
    assert (
        len(made["pairs"]) == 1
        and made["pairs"][0]["low"] <= made["pairs"][0]["difference"] <= made["pairs"][0]["high"]
    )
    again = subprocess.run(
        ["bash", ROOT / "02_mix/ablate.sh"], env=env, capture_output=True, text=True, timeout=600
    )
    assert (
        "selection methods" in (tmp_path / "ablation" / "report.html").read_text()
        and (tmp_path / "ablation" / "viewer.html").is_file()
    )
    assert again.returncode == 0 and "train.jsonl: finished already" in again.stderr
