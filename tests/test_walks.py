"""The walks of a first visit: the blocks of README's "Change it" are typed as they stand, in a copy
of the tree."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT, read_jsonl, write_jsonl
from fake_server import FakeServer


def block(words):
    """The shell block of README.md that holds these words."""
    found = re.findall(r"^```bash\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
    (text,) = [text for text in found if words in text]
    return text


@pytest.fixture
def checkout(tmp_path):
    """A copy of the files under version control, as a clone gives it."""
    names = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in names.stdout.splitlines():
        if not name.startswith(("tests/", "docs/")) and (ROOT / name).is_file():
            target = tmp_path / "clone" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target)
    return tmp_path / "clone"


def type_in(checkout, text, **env):
    """Run a block in the copy, with the environment's python first on the path, as `activate` puts
    it."""
    path = f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text],
        cwd=checkout,
        env={**os.environ, "PATH": path, **env},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done


def test_a_prompt_is_changed_and_what_it_touches_is_asked_again(checkout):
    chunks = [
        {"id": name, "doc_id": "d", "subject": subject, "text": text, "n_tokens": 40, "pages": None}
        | {"source": "book.md", "license": None}
        for name, subject, text in (
            ("p1", "physics", "A force of 12 N gives a mass of 4 kg an acceleration of 3 m/s^2."),
            ("b1", "biology", "Chloroplasts of plant cells take up carbon dioxide in the light."),
        )
    ]
    write_jsonl(checkout / "chunks.jsonl", chunks)
    editor = checkout / "editor.sh"
    editor.write_text('#!/bin/sh\necho "MY OWN RULE: ask for numbers." >>"$1"\n')
    editor.chmod(0o755)

    def answer(messages, body):
        topic = "force" if "12 N" in messages[-1]["content"] else "gas"
        return f"Question: Which {topic} is named here, and why?\nAnswer: It is the {topic}."

    with FakeServer(answer) as server:
        given = {"MODEL": "scripted", "URL": server.url, "EDITOR": str(editor)}
        text = block("another prompt")
        edit = next(line for line in text.splitlines() if "EDITOR" in line)
        type_in(checkout, text.replace(edit, "").replace("--changed ask", ""), **given)
        before = len(server.requests)
        done = type_in(checkout, text, **given)
        asked = [request["messages"][-1]["content"] for request in server.requests[before:]]
    assert "MY OWN RULE" in done.stdout, "--show prints the prompt"
    again = [prompt for prompt in asked if "MY OWN RULE" in prompt]
    assert all("12 N" in prompt for prompt in again) and len(again) >= 1
    # --show asks for the first chunk under both standards; after that only the edited prompt's chunk
    assert len(asked) == 3 and len(read_jsonl(checkout / "qa.raw.jsonl")) == 4


def test_a_benchmark_of_five_questions_is_evaluated_and_reported(checkout):
    answers = {"drawn": "Answer: A", "train": "It is 60 km/h. Answer: 60 km/h", "gas": "Answer: B"}
    answers |= {"planet": "Answer: Mercury", "derivative": r"So \boxed{2x}"}

    def answer(messages, body):
        return next(text for word, text in answers.items() if word in messages[-1]["content"])

    with FakeServer(answer) as server:
        text = block("a benchmark of your own")
        type_in(checkout, text, MODEL="scripted", URL=server.url)
    run = checkout / "data/runs/mine"
    verdicts = {row["id"]: row["correct"] for row in read_jsonl(run / "scored.jsonl")}
    right = {key.split("@")[0]: value for key, value in verdicts.items()}
    assert right == {"1": True, "2": True, "3": True, "4": True, "5": False}
    with open(run / "results.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert sum(int(row["n"]) for row in rows if row["benchmark"] == "mine") == 5
    assert (run / "report.html").stat().st_size and (run / "viewer.html").stat().st_size


def test_why_an_answer_was_graded_wrong_and_the_answer_of_the_first_screen(checkout):
    said = type_in(checkout, block("why an answer was graded so")).stdout
    assert "read by statement" in said and "verdict  wrong" in said
    readme = (ROOT / "README.md").read_text()
    (command,) = re.findall(r"^graded +(python .*)$", readme, re.M)
    said = type_in(checkout, command).stdout
    read, compared, verdict = re.search(
        r"read by: ([^(]+) \(.*compared as: (\w+); verdict: (\w+)", readme
    ).groups()
    assert f"read by {read}" in said and f": {compared}\n" in said and f"verdict  {verdict}" in said


@pytest.mark.slow
def test_ten_rows_of_ones_own_are_trained_on(checkout, demo_model):
    """As README says it, but for one step in the place of the recipe's sixty; the talk afterwards
    is chat.py's own test."""
    rows = [
        {"question": f"What is {n} + {n}?", "answer": f"The sum is {2 * n}."} for n in range(10)
    ]
    write_jsonl(checkout / "rows.jsonl", rows)
    train, chat, *more = [line for line in block("rows of your own").splitlines() if line[0] != "#"]
    assert "chat.py" in chat and not more
    shorter = f"{train} --max_steps 1 --stop_test_prompts 0"
    type_in(checkout, shorter, MODEL=str(demo_model), CUDA_VISIBLE_DEVICES="")
    adapter = checkout / "data/runs/mine/adapter"
    assert (adapter / "adapter_model.safetensors").is_file()
    assert json.loads((adapter / "sft.meta.json").read_text())["rows"]["train"]["rows"] == 10
