"""Generation with resume: against a scripted endpoint (fast) and against the real engine and server
(slow)."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from conftest import ROOT, read_jsonl, write_jsonl
from fake_server import FakeServer

import batch_generate as bg
import rows as r


def questions(n):
    return [{"id": f"q{i}", "question": f"question {i}"} for i in range(n)]


def to_messages(row):
    return [{"role": "user", "content": row["question"]}]


def echo(messages, body):
    return "answer to " + messages[-1]["content"]


def generate(server, tmp_path, rows, **options):
    return bg.generate_jsonl(
        rows,
        options.pop("to_messages", to_messages),
        tmp_path / "a.raw.jsonl",
        **{"model": "scripted", "base_url": server.url, "retries": 2, **options},
    )


def test_one_line_per_id_in_the_order_of_the_rows(tmp_path):
    with FakeServer(echo, delay=0.01) as server:
        counts = generate(server, tmp_path, questions(40), workers=8)
        assert 2 <= server.most_in_flight <= 8
    raw = read_jsonl(tmp_path / "a.raw.jsonl")
    assert [row["id"] for row in raw] == [f"q{i}" for i in range(40)] and raw[3][
        "response"
    ] == "answer to question 3"
    assert {
        "finish_reason",
        "prompt_tokens",
        "completion_tokens",
        "model",
        "sampling",
        "messages_hash",
    } <= raw[0].keys()
    assert counts["rows"] == counts["asked"] == 40 and counts["failed"] == 0


def test_second_run_asks_nothing_and_a_larger_input_continues(tmp_path):
    with FakeServer(echo) as server:
        generate(server, tmp_path, questions(3))
        before = (tmp_path / "a.raw.jsonl").read_bytes()
        generate(server, tmp_path, questions(3))
        assert len(server.requests) == 3 and (tmp_path / "a.raw.jsonl").read_bytes() == before
        generate(server, tmp_path, questions(5))
        assert len(server.requests) == 5 and len(read_jsonl(tmp_path / "a.raw.jsonl")) == 5


@pytest.mark.parametrize(
    "change,named",
    [
        ({"model": "other"}, '"scripted", now it is "other"'),
        ({"temperature": 0.7}, '"temperature": 0.7'),
        (
            {
                "to_messages": lambda row: [
                    {"role": "user", "content": "New prompt: " + row["question"]}
                ]
            },
            "prompt (hash of the messages)",
        ),
    ],
)
def test_answers_of_another_experiment_are_refused_with_both_values(tmp_path, change, named):
    with FakeServer(echo) as server:
        generate(server, tmp_path, questions(2))
        before = (tmp_path / "a.raw.jsonl").read_bytes()
        with pytest.raises(r.BadInput) as error:
            generate(server, tmp_path, questions(2), **change)
        assert named in str(error.value) and "--fresh" in str(error.value)
        assert (tmp_path / "a.raw.jsonl").read_bytes() == before and len(server.requests) == 2
        generate(server, tmp_path, questions(2), fresh=True, **change)
        assert len(server.requests) == 4


def test_torn_last_line_is_cut_and_a_broken_middle_line_is_an_error(tmp_path):
    path = tmp_path / "a.raw.jsonl"
    with FakeServer(echo) as server:
        generate(server, tmp_path, questions(3))
        whole = path.read_bytes()
        path.write_bytes(whole[:-20])
        generate(server, tmp_path, questions(3))
        assert path.read_bytes() == whole and len(server.requests) == 4
        lines = whole.split(b"\n")
        path.write_bytes(b"\n".join([lines[0], b'{"id": broken', *lines[2:]]))
        with pytest.raises(r.BadInput, match="line 2: not a raw row"):
            generate(server, tmp_path, questions(3))


def test_failed_rows_are_retried_then_recorded_then_asked_again(tmp_path):
    healthy = []

    def sometimes(messages, body):
        return (
            500 if "question 1" in messages[-1]["content"] and not healthy else echo(messages, body)
        )

    with FakeServer(sometimes) as server:
        counts = generate(server, tmp_path, questions(3), retries=1)
        assert counts["failed"] == 1 and len(server.requests) == 4, "one retry"
        rejected = read_jsonl(tmp_path / "a.raw.rejected.jsonl")
        assert (
            rejected[0]["id"] == "q1"
            and rejected[0]["reason"] == "generation failed"
            and "500" in rejected[0]["error"]
        )
        assert [
            raw and raw["id"] for _, raw in bg.read_raw(questions(3), tmp_path / "a.raw.jsonl")
        ] == ["q0", None, "q2"]
        healthy.append(True)
        assert generate(server, tmp_path, questions(3))["asked"] == 1
    assert (
        len(read_jsonl(tmp_path / "a.raw.jsonl")) == 3
        and not (tmp_path / "a.raw.rejected.jsonl").exists()
    )


def test_structured_output_and_thinking_reach_the_endpoint(tmp_path):
    schema = {"type": "object", "properties": {"x": {"type": "string"}}}
    with FakeServer(lambda messages, body: "text") as server:
        generate(server, tmp_path, questions(1), json_schema=schema, thinking=False, seed=7)
        (tmp_path / "b").mkdir()
        generate(server, tmp_path / "b", questions(1), choices=["A", "B"])
    chat, chosen = server.requests
    assert chat["response_format"]["json_schema"]["schema"] == schema and chat[
        "seed"
    ] == bg.row_seed(7, "q0")
    assert chat["chat_template_kwargs"] == {"enable_thinking": False}
    assert chosen["structured_outputs"] == {"choice": ["A", "B"]}


def test_several_endpoints_share_the_work(tmp_path):
    with FakeServer(echo, delay=0.01) as one, FakeServer(echo, delay=0.01) as two:
        bg.generate_jsonl(
            questions(20),
            to_messages,
            tmp_path / "a.raw.jsonl",
            model="scripted",
            base_url=f"{one.url},{two.url}",
            workers=4,
        )
        assert len(one.requests) > 3 and len(two.requests) > 3


@pytest.mark.slow
def test_no_server_and_unknown_model_end_the_run_with_one_line(tmp_path, run_script):
    path = write_jsonl(tmp_path / "q.jsonl", questions(2))
    done = run_script(
        "batch_generate.py",
        "--input",
        path,
        "--output",
        tmp_path / "a.jsonl",
        "--model",
        "m",
        "--prompt",
        "<question>",
        "--base-url",
        "http://127.0.0.1:9/v1",
        check=False,
    )
    assert done.returncode == 3 and "no server answers" in done.stderr.splitlines()[-1]
    with FakeServer(lambda messages, body: 404) as server, pytest.raises(r.BadInput, match="404"):
        generate(server, tmp_path, questions(2))


def test_two_processes_never_write_one_file(tmp_path):
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import batch_generate as bg; "
    code += "held = bg.RawFile(sys.argv[1]); print('holds', flush=True); input()"
    path, pipe = tmp_path / "a.raw.jsonl", subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code, path], stdin=pipe, stdout=pipe) as holder:
        assert holder.stdout.readline() == b"holds\n"
        with pytest.raises(r.BadInput, match="another run is writing it"):
            bg.RawFile(path)
    bg.RawFile(path).close()
    assert [found.name for found in tmp_path.iterdir()] == ["a.raw.jsonl"]


@pytest.mark.slow
def test_kill_in_the_middle_then_again_equals_an_uninterrupted_run(tmp_path, run_script):
    path = write_jsonl(tmp_path / "q.jsonl", questions(60))

    def command(name, server):
        return [
            "batch_generate.py",
            "--input",
            path,
            "--output",
            tmp_path / name,
            "--model",
            "scripted",
            "--prompt",
            "Solve: <question>",
            "--base-url",
            server.url,
            "--workers",
            "4",
        ]

    with FakeServer(echo, delay=0.05) as server:
        run_script(*command("whole.jsonl", server))
        script, *arguments = command("killed.jsonl", server)
        victim = subprocess.Popen(
            [sys.executable, ROOT / script, *map(str, arguments)], stderr=subprocess.DEVNULL
        )
        deadline = time.time() + 30
        while time.time() < deadline and len(server.requests) < 60 + 20:
            time.sleep(0.01)
        os.kill(victim.pid, signal.SIGKILL)
        victim.wait()
        stored = len((tmp_path / "killed.jsonl").read_bytes().split(b"\n")) - 1
        assert 0 < stored < 60
        asked = len(server.requests)
        run_script(*command("killed.jsonl", server))
        assert len(server.requests) - asked == 60 - stored, "only the missing rows are asked again"
    assert (tmp_path / "killed.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


# A server as vLLM's is one, started by its options. It ends at its fifth request where DEATH=1.
SERVER = """
import os, sys
sys.path.insert(0, {folder!r})
from fake_server import FakeServer
assert "--data-parallel-size=2" in sys.argv
port = next(int(given.split("=")[1]) for given in sys.argv if given.startswith("--port="))
def answer(messages, body):
    if len(server.requests) > 4 and os.environ["DEATH"] == "1":
        os._exit(7)
    return messages[-1]["content"]
server = FakeServer(answer, delay=0.02, port=port)
server.http.serve_forever()
"""


@pytest.fixture
def two_engines(tmp_path, monkeypatch):
    """two_engines(death): 40 questions to such a server."""
    script = tmp_path / "server.py"
    script.write_text(SERVER.format(folder=str(ROOT / "tests")))
    monkeypatch.setattr(bg, "SERVER", [sys.executable, str(script)])
    monkeypatch.setattr(bg, "START", 2)
    monkeypatch.setattr(bg, "PATIENCE", 1)
    monkeypatch.setattr(bg, "check_gpu", lambda: None)
    monkeypatch.setattr(bg, "server_arguments", lambda setup: ({}, setup))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")

    def run(death):
        monkeypatch.setenv("DEATH", death)
        path = tmp_path / "e.raw.jsonl"
        return bg.generate_jsonl(questions(40), to_messages, path, model="none")

    return run


def test_where_the_engines_end_the_answers_stay_and_the_same_command_goes_on(two_engines, tmp_path):
    with pytest.raises(r.BadInput, match="no server has answered for"):
        two_engines("1")
    stored = len(read_jsonl(tmp_path / "e.raw.jsonl"))
    assert 0 < stored < 40
    assert two_engines("0")["asked"] == 40 - stored
    raw = read_jsonl(tmp_path / "e.raw.jsonl")
    assert [row["response"] for row in raw] == [f"question {i}" for i in range(40)]


def test_an_engine_that_does_not_start_ends_the_run(two_engines, monkeypatch):
    monkeypatch.setattr(bg, "SERVER", [sys.executable, "-c", "raise SystemExit(5)"])
    with pytest.raises(r.BadInput, match="ended with code 5"):
        two_engines("0")


@pytest.mark.slow
def test_servers_of_a_base_model_get_a_template_and_the_token_that_ends_its_turns(tmp_path):
    from tokenizers import Tokenizer, models

    words = {"?": 0, "<|im_start|>": 1, "<|im_end|>": 2}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="?"))
    tokenizer.add_special_tokens(list(words)[1:])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    config = {"tokenizer_class": "PreTrainedTokenizerFast"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    (tmp_path / "adapter_config.json").write_text('{"r": 16}')
    setup = dict(model=str(tmp_path), adapter=str(tmp_path), engine={"enforce_eager": True})
    arguments, setup = bg.server_arguments({**setup, "sampling": bg.full_sampling()})
    assert setup["model"] == "adapter" and setup["sampling"]["stop_token_ids"] == [2]
    assert arguments["lora_modules"] == f"adapter={tmp_path}" and arguments["max_lora_rank"] == 16
    assert "<|im_start|>" in arguments["chat_template"]
    assert arguments["generation_config"] == "vllm" and arguments["enforce_eager"]


class ScriptedDriver:
    """As bg.Driver, two requests at once: it refuses q1 and breaks the answer about q3 off."""

    window = 2

    def __init__(self, setup):
        self.asked, self.most = [], 0

    def add(self, request):
        if request["id"] == "q1":
            return "too long"
        self.asked.append(request)
        self.most = max(self.most, len(self.asked))

    def step(self):
        request = self.asked.pop(0)
        return [(request, {"error": "abort"} if request["id"] == "q3" else {"response": "fine"})]


def test_an_engine_is_kept_busy_until_the_last_request(monkeypatch):
    drivers, answers, coming = [], [], [{"id": f"q{i}"} for i in range(6)]
    monkeypatch.setattr(
        bg, "Driver", lambda setup: drivers.append(ScriptedDriver(setup)) or drivers[0]
    )

    def emit(request, answer):
        answers.append((request["id"], "error" in answer))

    bg.drive(iter(coming), emit, {})
    assert sorted(answers) == [(f"q{i}", i in (1, 3)) for i in range(6)]
    (driver,) = drivers
    assert driver.most == 2


@pytest.mark.long
@pytest.mark.slow
def test_real_servers_on_two_groups_and_an_engine_here_with_a_schema(tmp_path, demo_model):
    script = f"""
import os, sys; sys.path.insert(0, {str(ROOT)!r})
import batch_generate as bg
if __name__ == "__main__":
    rows = [{{"id": f"q{{i}}", "question": f"What is {{i}} + {{i}}?"}} for i in range(12)]
    ask = lambda row: [{{"role": "user", "content": row["question"]}}]
    engine = {{"max_model_len": 512, "enforce_eager": True, "dtype": "bfloat16" if bg.cpu_has_bf16() else "float32"}}
    options = dict(model={str(demo_model)!r}, max_tokens=24, engine=engine)
    os.environ["VLLM_CPU_KVCACHE_SPACE"] = "1"
    seen, bg.visible_gpus = bg.visible_gpus, lambda: ["0", "1"]
    schema = {{"type": "object", "properties": {{"sum": {{"type": "integer"}}}}, "required": ["sum"]}}
    bg.generate_jsonl(rows, ask, "two.raw.jsonl", **options)
    bg.visible_gpus = seen
    bg.generate_jsonl(rows[:5], ask, "json.raw.jsonl", json_schema=schema, **options)
"""
    (tmp_path / "script.py").write_text(script)
    subprocess.run([sys.executable, "script.py"], cwd=tmp_path, check=True, timeout=600)
    two = read_jsonl(tmp_path / "two.raw.jsonl")
    assert [row["id"] for row in two] == [f"q{i}" for i in range(12)]
    assert all(row["response"].strip() and row["completion_tokens"] <= 24 for row in two)
    assert all(
        isinstance(json.loads(row["response"])["sum"], int)
        for row in read_jsonl(tmp_path / "json.raw.jsonl")
    )


@pytest.mark.long
@pytest.mark.slow
def test_a_row_that_the_real_engine_refuses_costs_that_row_alone(tmp_path, demo_model):
    """A prompt longer than the context raises VLLMValidationError, which is no ValueError."""
    script = f"""
import sys; sys.path.insert(0, {str(ROOT)!r})
import batch_generate as bg
if __name__ == "__main__":
    rows = [{{"id": f"q{{i}}", "question": "word " * (2000 if i == 1 else 5)}} for i in range(4)]
    ask = lambda row: [{{"role": "user", "content": row["question"]}}]
    options = dict(model={str(demo_model)!r}, engine={{"max_model_len": 512}})
    print(bg.generate_jsonl(rows, ask, "a.raw.jsonl", max_tokens=8, **options))
    same = [{{"id": f"s#{{k}}", "question": "Name a colour."}} for k in range(3)]
    bg.generate_jsonl(same, ask, "n.raw.jsonl", max_tokens=12, temperature=1.0, **options)
"""
    (tmp_path / "script.py").write_text(script)
    subprocess.run([sys.executable, "script.py"], cwd=tmp_path, check=True, timeout=600)
    assert [row["id"] for row in read_jsonl(tmp_path / "a.raw.jsonl")] == ["q0", "q2", "q3"]
    (rejected,) = read_jsonl(tmp_path / "a.raw.rejected.jsonl")
    assert rejected["id"] == "q1" and "512" in rejected["error"]
    sampled = read_jsonl(tmp_path / "n.raw.jsonl")
    assert len({row["response"] for row in sampled}) > 1
    assert all(0 < row["completion_tokens"] <= 12 for row in sampled)
    assert all(row["prompt_tokens"] > 0 for row in sampled)


@pytest.mark.long
@pytest.mark.slow
def test_a_killed_run_leaves_no_engine_behind(tmp_path, demo_model):
    import psutil

    path = write_jsonl(tmp_path / "q.jsonl", questions(400))
    command = [
        "--input",
        path,
        "--output",
        tmp_path / "a.raw.jsonl",
        "--model",
        demo_model,
        "--prompt",
        "<question>",
        "--max-tokens",
        "400",
    ]
    victim = subprocess.Popen(
        [sys.executable, ROOT / "batch_generate.py", *map(str, command)], stderr=subprocess.DEVNULL
    )
    deadline = time.time() + 300
    raw = tmp_path / "a.raw.jsonl"
    while (
        time.time() < deadline
        and victim.poll() is None
        and not (raw.exists() and raw.stat().st_size)
    ):
        time.sleep(0.5)
    engine = [
        child
        for child in psutil.Process(victim.pid).children(recursive=True)
        if "VLLM" in " ".join(child.cmdline())
    ]
    assert engine
    victim.kill()
    victim.wait()
    _, alive = psutil.wait_procs(engine, timeout=30)
    assert not alive
    stored = len(raw.read_bytes().split(b"\n")) - 1
    assert 0 < stored < 400
