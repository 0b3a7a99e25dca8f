"""Endpoints that misbehave, die and come back: what a run of batch_generate makes of them
(tests/bench/endpoint_faults.py is the long form)."""

import json
import sys
import threading
import time

import filter_qa
import pytest
import run_eval
from calling import call
from conftest import ROOT, read_jsonl, write_jsonl
from fake_server import FakeServer

import batch_generate as bg
import rows as r

sys.path.append(str(ROOT / "tests/bench"))
import endpoint_faults

GOOD_AT_ONCE = {"usage null", "finish_reason null", "finish_reason unknown"}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(bg, "BACKOFF", 0.01)
    monkeypatch.setattr(bg, "TIMEOUT", 1)


def questions(n):
    return [{"id": f"q{i}", "question": f"question {i}"} for i in range(n)]


def to_messages(row):
    return [{"role": "user", "content": row["question"]}]


def generate(urls, tmp_path, rows, **options):
    options = {"model": "scripted", "retries": 2, "to_messages": to_messages, **options}
    ask = options.pop("to_messages")
    return bg.generate_jsonl(rows, ask, tmp_path / "a.raw.jsonl", base_url=urls, **options)


@pytest.mark.parametrize("kind", endpoint_faults.FAULTS)
def test_a_fault_costs_the_row_it_was_sent_for_and_is_not_stored(tmp_path, kind):
    always = "question number 3."
    counts, raw, rejected = endpoint_faults.run(kind, tmp_path, rows=6, always=always, retries=1)
    stored = [json.loads(line) for line in raw.splitlines()]
    assert all(row["response"] == "fine" and row["finish_reason"] == "stop" for row in stored)
    if kind in GOOD_AT_ONCE:
        assert len(stored) == 6 and not rejected
        return
    assert len(stored) == 5 and [row["id"] for row in rejected] == ["q3"] and counts["failed"] == 1
    assert rejected[0]["reason"] == "generation failed" and 3 < len(rejected[0]["error"]) <= 1000


def test_retry_after_is_waited_for(tmp_path):
    times = []

    def busy_once(messages, body):
        times.append(time.monotonic())
        return 503 if len(times) == 1 else "fine"

    with FakeServer(busy_once) as server:
        assert generate(server.url, tmp_path, questions(1))["failed"] == 0
    assert (
        bg.retry_after("2.5") == 2.5 and bg.retry_after("soon") == 0 and bg.retry_after(None) == 0
    )
    assert bg.retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert bg.retry_after("99999") == 300, "a server cannot stop a run for hours"


def test_a_limit_of_requests_in_a_while_costs_no_row(tmp_path):
    """As a hosted endpoint of three requests a minute: far more are refused than a row has tries."""
    given = []

    def limited(messages, body):
        now = time.monotonic()
        if len([then for then in given if now - then < 0.4]) >= 3:
            return 429
        given.append(now)
        return "fine"

    with FakeServer(limited) as server:
        assert generate(server.url, tmp_path, questions(12))["failed"] == 0
        assert len(server.requests) > 60


def test_a_surrogate_in_a_prompt_costs_that_row(tmp_path):
    rows = [*questions(2), {"id": "bad", "question": "half a \ud83d face"}]
    with FakeServer(lambda messages, body: "fine") as server:
        assert generate(server.url, tmp_path, rows)["failed"] == 1
        assert len(server.requests) == 2
    (rejected,) = read_jsonl(tmp_path / "a.raw.rejected.jsonl")
    assert rejected["id"] == "bad" and "surrogate" in rejected["error"]


def test_a_servers_error_text_does_not_write_the_key(tmp_path, run_script):
    path = write_jsonl(tmp_path / "q.jsonl", questions(2))
    command = ["--input", path, "--output", tmp_path / "a.jsonl", "--model", "m"]
    with endpoint_faults.FaultyServer(
        (400, {}, b"bad key " + endpoint_faults.KEY.encode()), "question"
    ) as server:
        done = run_script(
            "batch_generate.py",
            *[*command, "--prompt", "<question>", "--base-url", server.url],
            env={"LLM_API_KEY": endpoint_faults.KEY},
        )
    written = "".join(path.read_text() for path in tmp_path.iterdir() if path.is_file())
    assert "bad key [key]" in written and "2 rows got no answer" in done.stderr
    assert endpoint_faults.KEY not in written + done.stdout + done.stderr


@pytest.mark.parametrize("status", [402, 404])
def test_a_wrong_model_or_an_empty_account_ends_the_run_with_one_line(tmp_path, status):
    with (
        FakeServer(lambda messages, body: status) as server,
        pytest.raises(r.BadInput, match=str(status)),
    ):
        generate(server.url, tmp_path, questions(2))


def test_rows_of_a_dead_endpoint_go_to_the_others_and_back_when_it_is_there_again(tmp_path, capsys):
    answer = {"n": 0}

    def slow(messages, body):
        time.sleep(0.02)
        return "fine"

    one, two = FakeServer(slow).__enter__(), FakeServer(slow).__enter__()
    port = two.http.server_port

    def kill_then_start():
        while len(two.requests) < 10:
            time.sleep(0.005)
        two.kill()
        answer["killed"] = len(two.requests)
        while len(one.requests) < 60:
            time.sleep(0.005)
        answer["again"] = FakeServer(slow, port=port).__enter__()

    killer = threading.Thread(target=kill_then_start)
    killer.start()
    counts = generate(f"{one.url},{two.url}", tmp_path, questions(400), workers=8)
    killer.join()
    again = answer["again"]
    again.__exit__()
    one.__exit__()
    assert counts["failed"] == 0 and len(read_jsonl(tmp_path / "a.raw.jsonl")) == 400
    assert len(again.requests) > 10, "the rows are shared again"
    told = capsys.readouterr().err
    assert "does not answer (" in told and "its rows go to the others" in told
    assert "answers again" in told


def test_the_run_ends_where_no_endpoint_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(bg, "PATIENCE", 0.5)
    with FakeServer(lambda messages, body: "fine", delay=0.02) as server:
        threading.Timer(0.5, server.kill).start()
        with pytest.raises(r.BadInput, match="no server has answered for"):
            generate(server.url, tmp_path, questions(500), workers=2)
    stored = len(read_jsonl(tmp_path / "a.raw.jsonl"))
    assert 0 < stored < 500, "the answers so far are kept"


def test_the_run_ends_where_one_endpoint_refuses_and_the_other_is_gone(tmp_path, monkeypatch):
    monkeypatch.setattr(bg, "PATIENCE", 0.5)
    with (
        FakeServer(lambda messages, body: 401) as one,
        FakeServer(lambda messages, body: "fine", delay=0.02) as two,
    ):
        threading.Timer(0.5, two.kill).start()
        with pytest.raises(r.BadInput, match="no server has answered for"):
            generate(f"{one.url},{two.url}", tmp_path, questions(500), workers=2)


def test_an_endpoint_that_refuses_leaves_its_rows_to_the_others(tmp_path, capsys):
    with (
        FakeServer(lambda messages, body: "fine", delay=0.01) as one,
        FakeServer(lambda messages, body: 401) as two,
    ):
        counts = generate(f"{one.url},{two.url}", tmp_path, questions(30), workers=4)
    assert counts["failed"] == 0 and len(one.requests) == 30
    assert "refuses (401" in capsys.readouterr().err


@pytest.mark.parametrize("retries", [0, 2])
def test_a_key_that_is_revoked_in_mid_run_ends_the_run(tmp_path, retries):
    """Each of the other rows was asked seven times, and all were rejected; without retries the
    workers ended with the server, and the run waited for ever."""
    given = []

    def answer(messages, body):
        given.append(1)
        return "fine" if len(given) <= 10 else 401

    with FakeServer(answer) as server, pytest.raises(r.BadInput, match="401"):
        generate(server.url, tmp_path, questions(300), workers=4, retries=retries)
    assert len(read_jsonl(tmp_path / "a.raw.jsonl")) == 10 and len(given) < 60


@pytest.mark.parametrize("message", [{"content": "fine"}, None])
@pytest.mark.parametrize("usage", [None, {"completion_tokens": None}, {"completion_tokens": 2.0}])
def test_odd_usage_costs_no_answer(message, usage):
    reply = {"choices": [{"message": message, "finish_reason": "stop"}], "usage": usage}
    answer = bg.parse_reply(json.dumps(reply).encode())
    assert answer["response"] == ("fine" if message else "")
    assert answer["completion_tokens"] == (2 if usage and usage["completion_tokens"] else 0)


def test_a_larger_budget_asks_only_the_answers_that_were_cut_off(tmp_path):
    def long(messages, body):
        cut = body["max_tokens"] < 50 and messages[-1]["content"] != "question 0"
        return ("it begins", "length") if cut else "whole"

    with FakeServer(long) as server:
        counts = generate(server.url, tmp_path, questions(3), max_tokens=20)
        assert counts["truncated"] == 2 and len(server.requests) == 3
        counts = generate(server.url, tmp_path, questions(3), max_tokens=100)
        assert len(server.requests) == 5 and counts["asked"] == 2 and counts["truncated"] == 0
        assert generate(server.url, tmp_path, questions(3), max_tokens=100)["asked"] == 0
        with pytest.raises(r.BadInput, match="sampling"):
            generate(server.url, tmp_path, questions(3), max_tokens=10)
    raw = read_jsonl(tmp_path / "a.raw.jsonl")
    assert [row["id"] for row in raw] == ["q0", "q1", "q2"]
    assert all(row["response"] == "whole" for row in raw)
    old = read_jsonl(tmp_path / "a.raw.old.jsonl")
    assert sorted((row["id"], row["response"]) for row in old) == [
        ("q1", "it begins"),
        ("q2", "it begins"),
    ]


def test_a_cut_off_answer_stays_where_the_server_refuses_the_larger_budget(tmp_path):
    """vLLM refuses a max_tokens above its max_model_len; the rows were rejected with it."""

    def small(messages, body):
        return ("it begins", "length") if body["max_tokens"] < 50 else 400

    with FakeServer(small) as server:
        generate(server.url, tmp_path, questions(2), max_tokens=20)
        assert generate(server.url, tmp_path, questions(2), max_tokens=100)["failed"] == 2
        assert generate(server.url, tmp_path, questions(2), max_tokens=20)["asked"] == 0
    raw = read_jsonl(tmp_path / "a.raw.jsonl")
    assert [(row["id"], row["response"]) for row in raw] == [
        ("q0", "it begins"),
        ("q1", "it begins"),
    ]


def test_budget_stops_a_run_cleanly_and_a_larger_one_goes_on(tmp_path, monkeypatch):
    monkeypatch.setenv("PRICE_OUT", "1000000")  # one a token
    monkeypatch.setenv("BUDGET", "12")
    with FakeServer(lambda messages, body: "fine", delay=0.005) as server:
        with pytest.raises(bg.OutOfBudget, match="BUDGET is spent"):
            generate(server.url, tmp_path, questions(100), workers=2)
        stored = read_jsonl(tmp_path / "a.raw.jsonl")
        assert 12 <= len(stored) <= 16 and len(server.requests) == len(stored), "none is wasted"
        monkeypatch.setenv("BUDGET", "1000")
        assert generate(server.url, tmp_path, questions(100))["asked"] == 100 - len(stored)


def test_thinking_and_sampling_reach_the_endpoint(tmp_path, run_script):
    path = write_jsonl(tmp_path / "q.jsonl", questions(1))
    command = ["--input", path, "--output", tmp_path / "a.jsonl", "--model", "m", "--prompt", "Q"]
    with FakeServer(lambda messages, body: "fine") as server:
        run_script(
            "batch_generate.py",
            *command,
            *["--base-url", server.url, "--sampling", '{"top_k": 20}', "--thinking", "off"],
        )
    (body,) = server.requests
    assert body["chat_template_kwargs"] == {"enable_thinking": False}
    assert (body["temperature"], body["top_p"], body["top_k"], body["max_tokens"]) == (
        0,
        1,
        20,
        4096,
    )
    assert read_jsonl(tmp_path / "a.jsonl")[0]["sampling"]["top_k"] == 20


@pytest.mark.parametrize("text", ["0.7", "model", "{top_p: 1}"])
def test_sampling_that_is_no_object_is_one_sentence(tmp_path, capsys, text):
    parser = r.parser("")
    bg.add_options(parser)
    with pytest.raises(SystemExit) as ended:
        parser.parse_args(["--model", "m", "--sampling", text])
    last = capsys.readouterr().err.splitlines()[-1]
    assert ended.value.code == 2 and f"--sampling: {text} is no JSON object" in last


def test_thoughts_that_were_cut_off_are_marked_where_the_template_opened_the_tag():
    assert bg.ends_in_thinking("<|assistant|>\n<think>\n")
    assert not bg.ends_in_thinking("<think>\n\n</think>\n\n")
    assert bg.mark_thinking("so 2", "length") == "<think>\nso 2"
    assert bg.mark_thinking("so 2", "stop") == "so 2"
    assert bg.mark_thinking("so 2</think>4", "length") == "so 2</think>4"


def test_thoughts_are_marked_where_another_answer_shows_that_the_template_opens_them(tmp_path):
    """A server that is no vLLM does not tell; the answer in cut thoughts was graded."""

    def think(messages, body):
        cut = messages[-1]["content"] != "question 0"
        return ("so the answer is B. But", "length") if cut else "so B</think>A"

    with FakeServer(think) as server:
        generate(server.url, tmp_path, questions(2), workers=1)
    texts = [row["response"] for row in read_jsonl(tmp_path / "a.raw.jsonl")]
    assert texts == ["so B</think>A", "<think>\nso the answer is B. But"]


def test_a_thinking_model_asked_greedily_is_warned_about(tmp_path, capsys):
    with FakeServer(lambda messages, body: "<think>so</think>4") as server:
        generate(server.url, tmp_path, questions(2))
        assert capsys.readouterr().err.count("warning: this model reasons") == 1
        generate(server.url, tmp_path, questions(2), temperature=0.6, fresh=True)
        assert "warning" not in capsys.readouterr().err


@pytest.mark.parametrize(("waiting", "most"), [(0, 8), (3, 4)])
def test_as_many_requests_are_in_flight_as_the_servers_queue_takes(
    tmp_path, monkeypatch, waiting, most
):
    monkeypatch.setattr(bg, "START", 4)
    with FakeServer(lambda messages, body: "fine", delay=0.2, waiting=waiting) as server:
        generate(server.url, tmp_path, questions(32), workers=None)
        assert server.most_in_flight == most if waiting else server.most_in_flight >= most


def test_rows_do_not_depend_on_their_order_or_their_neighbours(tmp_path):
    with FakeServer(lambda messages, body: str(body["seed"])) as server:
        answers = []
        for rows in (questions(6), questions(6)[::-1], questions(6)[2:4]):
            generate(server.url, tmp_path, rows, temperature=1.0, fresh=True)
            answers.append(
                {row["id"]: row["response"] for row in read_jsonl(tmp_path / "a.raw.jsonl")}
            )
    assert answers[0] == answers[1] and answers[2].items() <= answers[0].items()


def test_shards_of_a_step_that_asks_join_to_the_files_of_one_run(tmp_path):
    rows = [
        {"id": f"q{i}", "question": f"What is {i} times {i}?", "answer": f"It is {i * i}."}
        for i in range(11)
    ]
    write_jsonl(tmp_path / "in.jsonl", rows)

    def judge(messages, body):
        return "Decision: NO" if "What is 7" in messages[-1]["content"] else "Decision: YES"

    def run(folder, *options):
        out = tmp_path / folder / "out.jsonl"
        given = ["--input", tmp_path / "in.jsonl", "--output", out, "--model", "m"]
        call(filter_qa, *given, "--base-url", server.url, *options)
        return out

    with FakeServer(judge) as server:
        whole = run("whole")
        for i in (3, 1, 2):
            parts = run("parts", "--shard", f"{i}/3")
        assert len(server.requests) == 22
        r.join(parts)
        for kind in ("jsonl", "raw.jsonl", "rejected.jsonl"):
            assert r.beside(parts, kind).read_bytes() == r.beside(whole, kind).read_bytes(), kind
        tokens = [
            json.loads(r.beside(out, "meta.json").read_text())["tokens"] for out in (whole, parts)
        ]
        assert tokens[0]["completion_tokens"] == tokens[1]["completion_tokens"] == 22
        assert (
            "finished already"
            in call(
                filter_qa, "--input", tmp_path / "in.jsonl", "--output", parts, "--model", "m"
            ).stderr
        )


def test_shards_of_an_evaluation_join_too(tmp_path):
    form = {"benchmark": "mine", "kind": "math", "reference": "4"}
    write_jsonl(
        tmp_path / "b.jsonl", [{"id": str(i), "question": f"{i}?", **form} for i in range(7)]
    )
    given = ["--benchmarks", tmp_path / "b.jsonl", "--model", "m"]

    with FakeServer(lambda messages, body: "\\boxed{4}") as server:
        for name, shards in (("whole", [None]), ("parts", ["1/2", "2/2"])):
            for shard in shards:
                more = ["--shard", shard] if shard else []
                call(run_eval, *given, "--output", tmp_path / name, "--base-url", server.url, *more)
    r.join(tmp_path / "parts/samples.jsonl")
    whole, parts = (read_jsonl(tmp_path / name / "samples.jsonl") for name in ("whole", "parts"))
    assert len(whole) == 7 and whole == parts
