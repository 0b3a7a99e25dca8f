"""Both hub profiles from an empty folder to report, card and upload, on the CPU: real scripts, miniature sets and models under the real names.

Only the edges are played: the hub (local_hub.py) and, for the full profile, the teachers' and judges' endpoint.
"""

import csv
import json
import os
import re
import shutil
import subprocess
import sys

import benchmarks
import data_sets
import local_hub
import models
import pytest
from conftest import ROOT, read_jsonl
from fake_server import FakeServer

SMALL = {"GPUS": "0", "EVAL_LIMIT": "1", "MAX_TOKENS": "16", "ALLOW_OTHER_ROWS": "1"}
SMALL |= {
    "BACKEND": "transformers"
}  # vLLM's own start is in the demo's test: it would cost a minute each time


@pytest.fixture
def rehearse(tmp_path, demo_model):
    """rehearse(models, **settings): run_all.sh against a filled hub; returns (hub, the run's folder, call again)."""
    hub = local_hub.LocalHub()
    data_sets.fill(hub)

    def run(names, profile, **settings):
        for name in names:
            models.add(hub, name, tmp_path / "made", demo_model)
        env = {**os.environ, **hub.env(tmp_path / "home"), **SMALL, **settings}
        env |= {"PROFILE": profile, "RUNS_DIR": str(tmp_path / "runs"), "VENV": sys.prefix}

        def call(**more):
            command = ["bash", "run_all.sh"]
            done = subprocess.run(
                command, cwd=ROOT, env={**env, **more}, capture_output=True, text=True, timeout=900
            )
            (tmp_path / "console.log").write_text(done.stderr + done.stdout)
            return done

        return hub, tmp_path / "runs" / profile, call

    with hub:
        yield run


def check_end(hub, out, hub_id):
    """What stands at the end of each profile: rows of both models, the report, the card, and the same files on the hub.

    OlympicArena has no public answers: its authors get them in a file, and no score stands here.
    """
    with open(out / "results.csv", newline="") as file:
        results = list(csv.DictReader(file))
    assert {row["model"] for row in results} == {"base", "tuned"}
    scored = set(benchmarks.BENCHMARKS) - {"olympicarena"}
    assert {row["benchmark"] for row in results} == scored
    for model in ("base", "tuned"):
        assert json.loads((out / "04_eval" / model / "olympicarena_submission.json").read_text())
    for path in ("04_eval/report.html", "04_eval/viewer.html", "02_mix/README.md"):
        assert (out / path).stat().st_size > 0, path
    pushed = hub.repos["models", hub_id].files()
    assert pushed["README.md"] == (out / "03_sft/model/README.md").read_bytes()
    weights = [path for path in pushed if path.endswith(".safetensors")]
    assert weights and all(
        pushed[path] == (out / "03_sft/model" / path).read_bytes() for path in weights
    )
    assert "config.json" in pushed and "tokenizer_config.json" in pushed


@pytest.mark.slow
def test_the_lora_profile_from_hub_data_to_the_pushed_model(rehearse):
    """Without a token GPQA is left out in one sentence; the hub goes down on the way, and the same command goes on."""
    hub, out, call = rehearse(["Qwen/Qwen3-4B-Base"], "lora", STAGE="2", HUB_ID="me/tuned")
    hub.down_after = 120
    down = call()
    last = down.stderr.strip().splitlines()[-1]
    assert down.returncode == 2 and "the hub cannot be reached" in last, down.stderr[-3000:]
    assert "left out: GPQA-Diamond" in down.stderr
    hub.down_after = None
    done = call(HF_TOKEN="hf_x")
    assert done.returncode == 0, done.stderr[-4000:]
    check_end(hub, out, "me/tuned")
    rows = read_jsonl(out / "02_mix/train.jsonl")
    assert {row["source"] for row in rows} == {"textbook_reasoning", "natural_reasoning"}


REPLIES = [  # (what stands in a prompt, the teacher's reply): the first that fits
    (r"You catalogue books", "Subject: physics\nLevel: undergraduate"),
    (r"editing a science question bank", "echo"),
    (r"shows how its result is reached", "Reasoning: YES"),
    (r"fit for a collection of science exercises", "Fault: none\nDecision: YES"),
    (r"gives the second away|second from a public benchmark", "NO"),
    (r"Name the final answer", "Final answer: 12 J"),
    (r"You mark a student's solution", "Right in the main.\nScore: 6"),
    (r"in exactly this form, without numbering|Passage:", "pairs"),
]
PAIR = (
    "A body of {i} kg moves at {v} m/s along a straight track. Find its kinetic energy in joules."
)
SOLVED = "The kinetic energy is half the mass times the speed squared, because work builds it up: 0.5 * {i} * {v} * {v} = {e}. So it is \\boxed{{{e}}}."


def echo(prompt):
    """The pair of a prompt as it stands there: a refinement may not invent numbers."""
    found = [
        re.search(f"<{name}>\n(.*?)\n</{name}>", prompt, re.S) for name in ("question", "answer")
    ]
    return "Refined Question: {}\nRefined Answer: {}".format(*(match[1] for match in found))


class Teacher:
    """All models of the full profile behind one endpoint; each chunk yields another pair."""

    def __init__(self):
        self.count = 0

    def pair(self):
        self.count += 1
        i, v = 2 * self.count, 3 + self.count
        numbers = {"i": i, "v": v, "e": i * v * v // 2}
        return f"Question: {PAIR.format(**numbers)}\nAnswer: {SOLVED.format(**numbers)}"

    def __call__(self, messages, body):
        text = messages if isinstance(messages, str) else messages[-1]["content"]
        for pattern, reply in REPLIES:
            if re.search(pattern, text):
                if reply == "pairs":
                    return self.pair()
                return echo(text) if reply == "echo" else reply
        return "We go step by step, because each step follows. It is so. \\boxed{12}"


@pytest.mark.slow
def test_the_full_profile_from_textbooks_to_the_pushed_model(rehearse, tmp_path):
    """Teachers and judges at one endpoint, training by two processes, evaluation by transformers."""
    recipe = {
        "name": "small",
        "sources": [
            {"source": "textbook_reasoning", "method": "all"},
            {"source": "natural_reasoning", "method": "random", "count": 6, "annotate": True},
            {"source": "nemotron_science", "method": "difficulty", "count": 6, "annotate": True},
        ],
    }
    (tmp_path / "small.yaml").write_text(json.dumps(recipe))
    two = f"{sys.prefix}/bin/python -m torch.distributed.run --nproc_per_node 2"
    names = ["Qwen/Qwen3-8B-Base", "meta-llama/Llama-3.3-70B-Instruct"]
    settings = dict(
        HUB_ID="me/full",
        HF_TOKEN="hf_x",
        LIMIT="3",
        EVAL_LIMIT="1",
        LAUNCH=two,
        MIX_RECIPE=str(tmp_path / "small.yaml"),
    )
    books = tmp_path / "books"  # the scripted pairs are about energy
    books.mkdir()
    shutil.copy(ROOT / "data/sample/textbooks/physics_energy_and_momentum.md", books)
    settings["INPUT"] = str(books)
    with FakeServer(Teacher()) as teacher:
        hub, out, call = rehearse(names, "full", LLM_BASE_URL=teacher.url, **settings)
        done = call()
        asked = {body["model"] for body in teacher.requests}
    assert done.returncode == 0, done.stderr[-6000:]
    check_end(hub, out, "me/full")
    assert "Qwen/Qwen2.5-32B-Instruct" in asked and "Qwen/Qwen2.5-7B-Instruct" in asked
    rows = read_jsonl(out / "02_mix/train.jsonl")
    assert {row["source"] for row in rows} == {source["source"] for source in recipe["sources"]}
    meta = json.loads((out / "03_sft/model/sft.meta.json").read_text())
    assert meta["processes"] == 2 and meta["method"] == "full"
