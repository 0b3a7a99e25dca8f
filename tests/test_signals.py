"""run_all.sh under fire: SIGINT and SIGTERM end it at once and leave no process; no key stands in
what a run writes or says."""

import collections
import os
import signal
import subprocess
import sys
import time

import pytest
from conftest import ROOT, read_jsonl
from fake_server import FakeServer

KEY, TOKEN = "sk-marked-4711-key", "hf_markedToken4711"


def start(tmp_path, url, **settings):
    env = {
        **os.environ,
        "PROFILE": "lora",
        "GPUS": "0",
        "VENV": sys.prefix,
        "RUNS_DIR": str(tmp_path / "runs"),
        "STOP": "1",
        "INPUT": str(tmp_path / "books"),
        "TOKENIZER": "words",
        "CHUNK_TOKENS": "60",
        "BENCHMARK_DIR": str(ROOT / "data/sample/benchmark"),
        "LLM_BASE_URL": url,
        "WORKERS": "4",
        **settings,
    }
    return subprocess.Popen(
        ["bash", ROOT / "run_all.sh"],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # a test run in the background was started with SIGINT ignored, which no shell can undo
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def left_of(process):
    """Command lines of what still runs in the session of a process; a process that has ended and
    that init has not reaped yet ("<defunct>", state Z) runs no more."""
    listed = subprocess.run(
        ["ps", "-s", str(process.pid), "-o", "stat=,args="], capture_output=True, text=True
    )
    return [line for line in listed.stdout.splitlines() if not line.startswith("Z")]


def make_books(tmp_path):
    (tmp_path / "books").mkdir()
    words = "A force of three newtons acts on the body and it gains speed. " * 60
    (tmp_path / "books" / "physics_a.md").write_text(f"# Forces\n\n{words}\n")


class Teacher:
    """Answers what stage 1 asks, slowly; says which step it is asked by."""

    def __init__(self):
        self.asked = collections.Counter()

    def __call__(self, messages, body):
        text = messages[-1]["content"]
        step = "classify" if "Level:" in text else "extract"
        self.asked[step] += 1
        time.sleep(0.3 if step == "classify" else 0.2 * self.asked[step])
        if step == "classify":
            return "Subject: physics\nLevel: undergraduate"
        return f"Question: What is {len(text)} plus 1?\nAnswer: It is \\boxed{{{len(text) + 1}}}."


def wait_for(condition, process):
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.01)


def end_by(sign, process):
    """Send the signal to the shell alone, as `kill` or a scheduler does; asserts that nothing is
    left, soon."""
    os.kill(process.pid, sign)
    said = process.communicate(timeout=20)[0]
    code = {signal.SIGINT: 130, signal.SIGTERM: 143}[sign]
    assert process.returncode == code and "Traceback" not in said, said
    assert not left_of(process)


@pytest.mark.slow
def test_a_signal_ends_the_run_and_the_same_command_goes_on(tmp_path):
    make_books(tmp_path)
    raw, teacher = tmp_path / "runs/lora/01_extract/qa.raw.jsonl", Teacher()
    with FakeServer(teacher) as server:
        process = start(tmp_path, server.url)
        wait_for(lambda: teacher.asked["classify"], process)
        end_by(signal.SIGINT, process)
        process = start(tmp_path, server.url)
        wait_for(lambda: raw.is_file() and raw.stat().st_size, process)
        end_by(signal.SIGTERM, process)
        kept = read_jsonl(raw)
        assert kept and not raw.with_name("qa.jsonl").exists()
        teacher.asked["extract"] = 0
        process = start(tmp_path, server.url)
        wait_for(raw.with_name("qa.meta.json").is_file, process)
        end_by(signal.SIGTERM, process)
    whole = read_jsonl(raw)
    assert all(row in whole for row in kept)
    assert teacher.asked["extract"] <= len(whole) - len(kept), "no answer is asked for again"


@pytest.mark.slow
def test_no_key_stands_in_a_file_of_a_run_or_on_the_console(tmp_path):
    """The endpoint repeats the key in its errors, and a model both in its answers."""
    make_books(tmp_path)
    keys = {"LLM_API_KEY": KEY, "HF_TOKEN": TOKEN}

    def echo(messages, body):
        text = messages[-1]["content"]
        if "Level:" in text:
            return "Subject: physics\nLevel: undergraduate"
        if len(text) % 3 == 0:
            return 400
        return f"Question: What is {len(text)} plus 1, {KEY}?\nAnswer: {TOKEN}, \\boxed{{{len(text) + 1}}}."

    with FakeServer(echo, error=f"Incorrect API key {KEY} or token {TOKEN}") as server:
        process = start(tmp_path, server.url, **keys)
        raw = tmp_path / "runs/lora/01_extract/qa.raw.jsonl"
        wait_for(raw.with_name("dedup.meta.json").is_file, process)
        os.kill(process.pid, signal.SIGTERM)
        said = process.communicate(timeout=30)[0]
    written = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert b"[key]" in written[raw] and "[key]" in raw.with_suffix(".rejected.jsonl").read_text()
    assert "qa.jsonl" in said
    for secret in keys.values():
        assert secret not in said
        assert [path for path, data in written.items() if secret.encode() in data] == []
