"""run_eval.py: what a sample holds, limits, resume, a model trained again, base models;
scripted endpoint, and the real engine once."""

import json
import shutil

import benchmark_prompts
import pytest
import run_eval
import transformers_backend
from calling import call
from conftest import ROOT, read_jsonl, write_jsonl
from fake_server import FakeServer

import rows as r

FIELDS = (
    "id benchmark category subject kind question options reference unit group prompt response finish_reason n_tokens extracted correct "
    "question_id option_order model prompt_id seed"
).split()


def own(folder, n=12, name="mine", **more):
    """A file of n choice rows in the eval form whose right letter goes round."""
    rows = [
        dict(
            id=f"q{i}",
            benchmark=name,
            kind="choice",
            question=f"Number {i}?",
            options=["w", "x", "y", "z"],
            reference="ABCD"[i % 4],
            subject=f"s{i % 2}",
            **more,
        )
        for i in range(n)
    ]
    return write_jsonl(folder / f"{name}.jsonl", rows)


def always(letter):
    return lambda messages, body: f"It must be so.\nAnswer: {letter}"


def test_a_sample_holds_everything(tmp_path):
    data = own(tmp_path)
    with FakeServer(always("A")) as server:
        done = call(
            run_eval,
            "--model",
            "org/m",
            "--base-url",
            server.url,
            "--data",
            data.parent,
            "--output",
            tmp_path / "out",
        )
    rows = read_jsonl(tmp_path / "out/samples.jsonl")
    assert len(rows) == 12 and set(FIELDS) - {"option_order"} <= rows[0].keys()
    assert (
        [row["correct"] for row in rows] == [True, False, False, False] * 3
        and rows[0]["extracted"] == "A"
        and rows[0]["model"] == "org/m"
    )
    assert rows[0]["prompt"] == benchmark_prompts.user_message(rows[0]) and rows[0][
        "response"
    ].endswith("Answer: A")
    assert "missing: mmlu, " in done.stderr and "mine" in done.stderr
    meta = json.loads((tmp_path / "out/samples.meta.json").read_text())
    assert (
        meta["counts"]["in"] == meta["counts"]["out"] == 12
        and meta["summary"][0]["accuracy"] == 25.0
        and meta["generation"]["asked"] == 12
    )
    assert (
        len(read_jsonl(tmp_path / "out/samples.raw.jsonl")) == 12
        and (tmp_path / "out/samples.rejected.jsonl").read_text() == ""
    )


def test_a_limit_is_a_part_of_each_benchmark_and_a_larger_one_goes_on(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    own(data, 40, "one"), own(data, 40, "two")
    options = ["--model", "m", "--data", data, "--output", tmp_path / "out", "--base-url"]
    with FakeServer(always("B")) as server:
        call(run_eval, *options, server.url, "--limit", 5)
        first = {row["id"]: row for row in read_jsonl(tmp_path / "out/samples.jsonl")}
        assert len(first) == 10 and len(server.requests) == 10
        assert {row["question"] for row in first.values() if row["benchmark"] == "one"} != {
            f"Number {i}?" for i in range(5)
        }, "a sample, not the head of the file"
        call(run_eval, *options, server.url, "--limit", 8)
        assert len(server.requests) == 16
        again = call(run_eval, *options, server.url, "--limit", 8)
        assert len(server.requests) == 16 and "finished already" in again.stderr
    assert first.keys() < {row["id"] for row in read_jsonl(tmp_path / "out/samples.jsonl")}


def test_ids_of_two_benchmarks_that_are_the_same_do_not_mix(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    own(data, 3, "one"), own(data, 3, "two")
    with FakeServer(always("B")) as server:
        call(
            run_eval,
            "--model",
            "m",
            "--data",
            data,
            "--output",
            tmp_path / "out",
            "--base-url",
            server.url,
        )
    rows = read_jsonl(tmp_path / "out/samples.jsonl")
    assert (
        len(rows) == 6
        and len({row["id"] for row in rows}) == 6
        and {row["question_id"] for row in rows} == {"q0", "q1", "q2"}
    )


def test_a_larger_budget_on_a_finished_run_asks_only_what_was_cut_off(tmp_path):
    def answer(messages, body):
        enough = 300 if "Number 3?" in messages[-1]["content"] else 100
        return ("Let me see", "length") if body["max_tokens"] < enough else "Answer: A"

    def run(budget):
        server.requests.clear()
        call(run_eval, *options, "--max-tokens", budget)
        return read_jsonl(tmp_path / "out/samples.jsonl")

    with FakeServer(answer) as server:
        options = ["--model", "m", "--base-url", server.url, "--benchmarks", own(tmp_path, 4)]
        options += ["--output", tmp_path / "out"]
        rows = run(200)
        assert [row["finish_reason"] for row in rows] == ["stop"] * 3 + ["length"]
        assert [row["extracted"] for row in rows] == ["A", "A", "A", None]
        rows = run(400)
        assert [body["max_tokens"] for body in server.requests] == [400]
        assert [row["extracted"] for row in rows] == ["A"] * 4
        run(500)
        assert not server.requests, "nothing is cut off any more"


def test_an_evaluation_says_that_it_does_not_depend_on_the_batch(tmp_path):
    with FakeServer(lambda messages, body: "Answer: A") as server:
        call(
            run_eval,
            *("--model", "m", "--base-url", server.url, "--benchmarks", own(tmp_path, 2)),
            *("--output", tmp_path / "out", "--deterministic"),
        )
    samples = tmp_path / "out/samples.jsonl"
    assert all(row["deterministic"] is True for row in read_jsonl(samples))
    import csv

    import score

    table = tmp_path / "results.csv"
    call(score, "--input", samples, "--output", tmp_path / "scored.jsonl", "--csv", table)
    (row,) = csv.DictReader(table.open())
    assert row["deterministic"] == "True"


def test_rows_that_fail_are_rejected_and_asked_again(tmp_path):
    broken = [True]

    def answer(messages, body):
        return 400 if broken[0] and "Number 2?" in messages[-1]["content"] else "Answer: C"

    options = [
        "--model",
        "m",
        "--benchmarks",
        own(tmp_path, 4),
        "--output",
        tmp_path / "out",
        "--base-url",
    ]
    with FakeServer(answer) as server:
        call(run_eval, *options, server.url)
        (lost,) = read_jsonl(tmp_path / "out/samples.rejected.jsonl")
        assert (
            lost["reason"] == "generation failed"
            and lost["id"].startswith("q2")
            and len(read_jsonl(tmp_path / "out/samples.jsonl")) == 3
        )
        broken[0] = False
        asked = len(server.requests)
        call(run_eval, *options, server.url)
        assert len(server.requests) == asked + 1
    assert len(read_jsonl(tmp_path / "out/samples.jsonl")) == 4 and not read_jsonl(
        tmp_path / "out/samples.rejected.jsonl"
    )


def test_the_answers_for_the_authors_of_olympicarena(tmp_path):
    raw = dict(
        id="Math_1",
        problem="What is it?",
        answer_type="NV",
        unit=None,
        subject="Math",
        language="EN",
        modality="text-only",
        answer_sequence=None,
        prompt="",
    )
    data = tmp_path / "data"
    data.mkdir()
    write_jsonl(data / "Math.jsonl", [raw, {**raw, "id": "Math_2", "problem": "And this?"}])
    with FakeServer(
        lambda messages, body: (
            "So $\\boxed{12}$." if "What is it" in messages[-1]["content"] else ""
        )
    ) as server:
        done = call(
            run_eval,
            "--model",
            "m",
            "--base-url",
            server.url,
            "--data",
            data,
            "--output",
            tmp_path / "out",
        )
    assert json.loads((tmp_path / "out/olympicarena_submission.json").read_text()) == {
        "Math_1": "12",
        "Math_2": None,
    }
    assert (
        all(row["correct"] is None for row in read_jsonl(tmp_path / "out/samples.jsonl"))
        and "submit it at" in done.stderr
    )
    with FakeServer(lambda messages, body: "So $\\boxed{12}$.") as server:
        for shard in ("1/2", "2/2"):  # the second part's file took the place of the first's
            options = ["--model", "m", "--base-url", server.url, "--data", data, "--shard", shard]
            call(run_eval, *options, "--output", tmp_path / "parts")
    parts = sorted((tmp_path / "parts").glob("olympicarena_submission.*of2.json"))
    assert [list(json.loads(path.read_text())) for path in parts] == [["Math_1"], ["Math_2"]]


def test_a_model_trained_again_under_the_same_path_is_evaluated_again(tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    identity = run_eval.batch_generate.identify(str(model))
    raw = write_jsonl(
        tmp_path / "samples.raw.jsonl", [dict(id="q1", model=identity, response="old")]
    )
    run_eval.set_aside_other_model(raw, identity)
    assert raw.is_file()
    (model / "config.json").write_text('{"trained": "again"}')
    r.file_hash.cache_clear()
    run_eval.set_aside_other_model(raw, run_eval.batch_generate.identify(str(model)))
    assert (
        not raw.is_file()
        and read_jsonl(next(tmp_path.glob("samples.raw.*.jsonl")))[0]["response"] == "old"
    )


def test_another_model_in_the_same_folder_is_refused(tmp_path):
    options = ["--benchmarks", own(tmp_path, 2), "--output", tmp_path / "out"]
    with FakeServer(always("A")) as server:
        call(run_eval, "--model", "m1", "--base-url", server.url, *options)
        done = call(run_eval, "--model", "m2", "--base-url", server.url, *options, code=2)
    assert "m1" in done.stderr and "m2" in done.stderr and "--fresh" in done.stderr


@pytest.mark.parametrize(
    "options, message",
    [
        (["--benchmarks", "gsm9k"], "gsm9k: not found"),
        (["--benchmarks", "gsm8k"], "it holds mine"),
        (["--adapter", "nowhere"], "adapter_config.json"),
        (["--data", "nowhere"], "no such file or folder"),
        (["--backend", "transformers", "--base-url", "http://h/v1"], "leave out --base-url"),
    ],
)
def test_wrong_options_are_one_clear_line(options, message, tmp_path):
    done = call(
        run_eval,
        "--model",
        "m",
        "--data",
        own(tmp_path).parent,
        "--output",
        tmp_path / "out",
        *options,
        code=2,
    )
    assert message in done.stderr.strip().splitlines()[-1]


def test_gpqa_is_not_the_first_prompt_that_is_printed(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    own(data, 2, "zz")
    write_jsonl(
        data / "gpqa_diamond.jsonl",
        [
            {
                "Question": "SECRET?",
                "Correct Answer": "1",
                **{f"Incorrect Answer {i}": f"{i}{i}" for i in (1, 2, 3)},
                "Canary String": "CANARY-7",
            }
        ],
    )
    with FakeServer(always("A")) as server:
        done = call(
            run_eval,
            "--model",
            "m",
            "--base-url",
            server.url,
            "--data",
            data,
            "--output",
            tmp_path / "out",
        )
    assert (
        "SECRET" not in done.stderr + done.stdout
        and "CANARY-7" not in done.stderr + done.stdout + json.dumps(server.requests)
    )


def begin_with_a_token(model):
    """Let the tokenizer of a model folder put a begin token before every text, as Llama's does."""
    path = model / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    first, text = (
        {"SpecialToken": {"id": "<|im_start|>", "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}},
    )
    tokenizer["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [first, text],
        "pair": [first, text, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {
            "<|im_start|>": {"id": "<|im_start|>", "ids": [1], "tokens": ["<|im_start|>"]}
        },
    }
    path.write_text(json.dumps(tokenizer))


@pytest.mark.long
@pytest.mark.slow
def test_the_real_engine_answers_and_puts_no_second_begin_token(tmp_path, run_script, demo_model):
    """The evaluator released with the paper renders the template to text and lets the engine
    tokenize it: Llama then sees two begin tokens."""
    import transformers

    model = shutil.copytree(demo_model, tmp_path / "model")
    begin_with_a_token(model)
    options = [
        "--model",
        model,
        "--benchmarks",
        "sample",
        "--data",
        ROOT / "data/sample/benchmark",
        "--limit",
        12,
        "--max-tokens",
        48,
    ]
    done = run_script(
        "04_eval/run_eval.py",
        *options,
        "--engine",
        '{"max_model_len": 1024}',
        "--output",
        tmp_path / "chat",
        "--name",
        "demo",
    )
    rows = read_jsonl(tmp_path / "chat/samples.jsonl")
    assert (
        len(rows) == 12
        and all(row["response"] and 0 < row["n_tokens"] <= 48 for row in rows)
        and {row["model"] for row in rows} == {"demo"}
    )
    assert "sample" in done.stderr and all(
        (row["extracted"] is None) <= (row["correct"] is False) for row in rows
    )
    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    assert tokenizer("x").input_ids[0] == 1, "the tokenizer does put a begin token before a text"
    for row in rows:
        text = tokenizer.apply_chat_template(
            [{"role": "user", "content": row["prompt"]}], add_generation_prompt=True, tokenize=False
        )
        assert row["n_prompt_tokens"] == len(tokenizer(text, add_special_tokens=False).input_ids)


def test_an_answer_of_transformers_ends_at_its_first_end_and_cut_thoughts_are_marked():
    """Its batch goes on for the longest answer; the prompt may have opened thoughts."""

    class Words:
        def decode(self, tokens, skip_special_tokens):
            return " ".join(map(str, tokens))

    made = transformers_backend.finished(Words(), [5, 6, 7], {2}, False)
    assert made == dict(response="5 6 7", finish_reason="length", completion_tokens=3)
    made = transformers_backend.finished(Words(), [5, 6, 2, 7], {2}, True)
    assert made == dict(response="5 6 2", finish_reason="stop", completion_tokens=3)
    made = transformers_backend.finished(Words(), [5, 6, 7], {2}, True)
    assert made["response"] == "<think>\n5 6 7"
