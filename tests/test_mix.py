"""mix.py and card.py: form, token limit, order, provenance, and a card that accounts for
every row; difficulty and annotation over a scripted model."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter

import annotate
import card
import load_sources
import mix
import pytest
import score_difficulty
import select_rows
from conftest import ROOT, read_jsonl, write_jsonl
from fake_server import FakeServer

import batch_generate
import rows as r

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
)


@pytest.fixture(scope="session")
def student(tmp_path_factory):
    """Folder of a tokenizer trained here: words and the two chat marks, with a chat template."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    folder = tmp_path_factory.mktemp("student")
    made = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.add_special_tokens(["<|im_start|>", "<|im_end|>"])
    made.save(str(folder / "tokenizer.json"))
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    return folder


@pytest.fixture
def call(monkeypatch, capsys):
    """Run a script in this process (matplotlib and pyarrow are imported once); returns its
    stderr."""

    def run(module, *arguments):
        r.file_hash.cache_clear()  # other tests write other rows under the same names
        monkeypatch.setattr("sys.argv", [module.__file__, *map(str, arguments)])
        module.main()
        return capsys.readouterr().err

    return run


def rows(n=120):
    return [
        dict(
            id=f"r{i}",
            question=f"What is {i} plus {i}?",
            answer=f"It is {2 * i}." + " word" * (i % 40),
            source="ab"[i % 2],
            source_id=str(i),
            subject=["maths", None, "physics"][i % 3],
            license=["mit", "cc-by-nc-4.0"][i % 2],
            reference_answer=str(2 * i),
            selection="by hand",
            note=i,
        )
        for i in range(n)
    ]


def test_token_count_is_that_of_the_chat_template(student):
    row = {"question": "one two", "answer": "three"}  # 4 marks, 2 roles, 3 words
    assert mix.lengths(mix.load_tokenizer(student), [row]) == [9]


def test_rows_and_card(tmp_path, student, call):
    write_jsonl(tmp_path / "in.jsonl", rows())
    call(
        mix,
        "--input",
        tmp_path / "in.jsonl",
        "--output",
        tmp_path / "train.jsonl",
        "--tokenizer",
        student,
        "--max-tokens",
        40,
    )
    made, rejected = (
        read_jsonl(tmp_path / "train.jsonl"),
        read_jsonl(tmp_path / "train.rejected.jsonl"),
    )
    words = {
        row["id"]: 6 + len(row["question"].split()) + len(row["answer"].split()) for row in rows()
    }
    assert {row["id"] for row in made} == {i for i, n in words.items() if n <= 40} and len(
        made
    ) + len(rejected) == 120
    assert (
        all(
            row["reason"] == "too long" and row["n_tokens"] == words[row["id"]] > 40
            for row in rejected
        )
        and rejected
    )
    by_id = {row["id"]: row for row in rows()}
    for row in made:
        source = by_id[row["id"]]
        assert (
            row["prompt"] == [{"role": "user", "content": row["question"]}]
            and row["question"] == source["question"]
            and row["completion"] == [{"role": "assistant", "content": source["answer"]}]
        )
        for field in ("source", "source_id", "subject", "license", "reference_answer", "selection"):
            assert row[field] == source[field]
        assert (
            row["recipe"] == "inputs"
            and re.fullmatch("[0-9a-f]{16}", row["recipe_hash"])
            and json.loads(row["extra"]) == {"note": source["note"]}
        )
    card = (tmp_path / "README.md").read_text()
    assert "Not for commercial use" in card and "cc-by-nc-4.0 (non-commercial)" in card


def test_same_seed_same_file_whatever_the_order_of_the_input(tmp_path, student, call):
    shuffled = rows()
    random.Random(1).shuffle(shuffled)
    write_jsonl(tmp_path / "a.jsonl", rows())
    write_jsonl(tmp_path / "b1.jsonl", shuffled[:50])
    write_jsonl(tmp_path / "b2.jsonl", shuffled[50:])
    for name, files, more in (
        ("x", ["a"], ()),
        ("y", ["b2", "b1"], ()),
        ("z", ["a"], ("--seed", "5")),
    ):
        call(
            mix,
            "--input",
            *(tmp_path / f"{f}.jsonl" for f in files),
            "--output",
            tmp_path / name / "train.jsonl",
            "--tokenizer",
            student,
            *more,
        )
    x, y, z = ((tmp_path / name / "train.jsonl").read_bytes() for name in "xyz")
    assert x == y != z
    order = [row["id"] for row in read_jsonl(tmp_path / "x" / "train.jsonl")]
    assert order != sorted(order) and order != [row["id"] for row in rows()] and len(order) == 120


def test_a_recipe_reads_selects_and_accounts_for_every_row(tmp_path, student, call):
    """Files of two forms by one recipe; each source's rows are in the mixture or in the rejected
    file, and the card says so."""
    write_jsonl(
        tmp_path / "qa.jsonl",
        [
            *({"question": f"Q{i}?", "answer": f"It is {i}."} for i in range(30)),
            {"question": "Q?", "answer": ""},
        ],
    )
    write_jsonl(
        tmp_path / "alpaca.jsonl",
        [
            {
                "instruction": f"Say {i}.",
                "input": "",
                "output": "ok " * 60 if i == 3 else f"Said {i}.",
            }
            for i in range(20)
        ],
    )
    (tmp_path / "r.yaml").write_text(
        f"name: tiny\nsources:\n- {{source: qa, path: {tmp_path}/qa.jsonl, count: 12, license: mit}}\n"
        f"- {{source: alp, path: {tmp_path}/alpaca.jsonl}}\n"
    )
    out, recipe = tmp_path / "out", ("--recipe", tmp_path / "r.yaml")
    call(load_sources, *recipe, "--output", out / "s.jsonl")
    call(select_rows, "--input", out / "s.jsonl", *recipe, "--output", out / "selected.jsonl")
    options = ("--tokenizer", student, "--max-tokens", 50, "--output", out / "train.jsonl")
    call(mix, "--input", out / "selected.jsonl", *recipe, *options)
    made = read_jsonl(out / "train.jsonl")
    names = ("s", "selected", "train")
    rejected = [row for name in names for row in read_jsonl(out / f"{name}.rejected.jsonl")]
    assert Counter(row["source"] for row in made) == {"qa": 12, "alp": 19}
    assert Counter((row["source"], row["reason"]) for row in rejected) == {
        ("qa", "not selected"): 18,
        ("qa", "empty answer"): 1,
        ("alp", "too long"): 1,
    }
    assert {row["selection"] for row in made} == {
        "at random: 12 of 30, seed 42",
        "all 20 rows of the source",
    } and {row["recipe"] for row in made} == {"tiny"}
    assert len({row["recipe_hash"] for row in made}) == 1 and all(
        row["source_id"] and row["license"] in ("mit", "cc-by-nc-4.0", None) for row in made
    )
    lines = [
        line
        for line in (tmp_path / "out" / "README.md").read_text().split("\n")
        if line.startswith(("| qa ", "| alp "))
    ]
    assert any(
        line.startswith("| qa | 31 |") and line.endswith("| 12 |") for line in lines
    ) and any(line.startswith("| alp | 20 |") for line in lines)


def test_card_follows_the_steps_back_and_adds_up(tmp_path, student, call, capsys):
    write_jsonl(
        tmp_path / "one.jsonl",
        [{"question": f"Q{i}?", "answer": f"It is {i}."} for i in range(40)]
        + [{"question": "", "answer": "x"}],
    )
    write_jsonl(
        tmp_path / "two.jsonl",
        [{"prompt": f"P{i}?", "completion": f"It is {i}."} for i in range(25)],
    )
    call(
        load_sources,
        "--sources",
        tmp_path / "one.jsonl",
        tmp_path / "two.jsonl",
        "--output",
        tmp_path / "m" / "sources.jsonl",
    )
    call(
        select_rows,
        "--input",
        tmp_path / "m" / "sources.jsonl",
        "--output",
        tmp_path / "m" / "selected.jsonl",
        "--method",
        "random",
        "--n",
        30,
    )
    done = call(
        mix,
        "--input",
        tmp_path / "m" / "selected.jsonl",
        "--output",
        tmp_path / "m" / "train.jsonl",
        "--max-tokens",
        0,
    )
    kept = Counter(row["source"] for row in read_jsonl(tmp_path / "m" / "train.jsonl"))
    text = (tmp_path / "m" / "README.md").read_text()
    assert (
        f"| one | 41 | 1 | {40 - kept['one']} | {kept['one']} |" in text
        and f"| two | 25 | 0 | {25 - kept['two']} | {kept['two']} |" in text
    )
    assert "does not add up" not in done and "Licence not stated" in text
    rejected = tmp_path / "m" / "selected.rejected.jsonl"
    rejected.write_text(
        "".join(rejected.read_text().splitlines(keepends=True)[1:])
    )  # a lost row is noticed
    card.write(tmp_path / "m" / "train.jsonl")
    assert "does not add up" in capsys.readouterr().err


def test_the_card_names_models(tmp_path, call):
    """A name alone was spelled into letters, and the terms of its licence were missing."""
    made = rows(3)
    made[1]["generator"] = ["meta-llama/Llama-3.3-70B-Instruct"]
    made[2]["generator"] = "Llama-3.1-8B"
    write_jsonl(tmp_path / "in.jsonl", made)
    output = tmp_path / "t.jsonl"
    call(mix, "--input", tmp_path / "in.jsonl", "--output", output, "--max-tokens", 0)
    assert "Llama-3.3-70B-Instruct" in (tmp_path / "README.md").read_text()
    assert card.read_mixture(output)[1] == {"meta-llama/Llama-3.3-70B-Instruct", "Llama-3.1-8B"}


def test_datasets_reads_the_folder_where_columns_begin_with_nulls(tmp_path, call):
    """Without types in the card a column is of the type "null" where its first rows have none."""
    import datasets

    made = [{"id": str(i), "question": f"What is {i}?", "answer": f"{i}."} for i in range(300)]
    write_jsonl(tmp_path / "in.jsonl", made)
    output = tmp_path / "m" / "t.jsonl"
    call(mix, "--input", tmp_path / "in.jsonl", "--output", output, "--max-tokens", 0)
    last = {"reference_answer": "5", "license": "mit", "selection_score": 2.5, "n_tokens": 3}
    *others, row = read_jsonl(output)
    write_jsonl(output, [*others, {**row, **last, "extra": "{}"}])
    read = datasets.load_dataset(
        str(tmp_path / "m"), split="train", cache_dir=str(tmp_path / "cache"), chunksize=1000
    )
    assert [*read] == read_jsonl(output)


def test_a_readme_that_is_no_card_stays(tmp_path, call):
    """`--output train.jsonl` in the root of a checkout took the project's README.md away."""
    write_jsonl(tmp_path / "in.jsonl", rows(3))
    options = (
        "--input",
        tmp_path / "in.jsonl",
        "--output",
        tmp_path / "t.jsonl",
        "--max-tokens",
        0,
    )
    readme = tmp_path / "README.md"
    readme.write_text("# Mine\n")
    with pytest.raises(r.BadInput, match="is no dataset card; give --output in a folder"):
        call(mix, *options)
    assert readme.read_text() == "# Mine\n" and not (tmp_path / "t.jsonl").exists()
    readme.unlink()
    call(mix, *options)
    call(mix, *options, "--fresh")  # its own card it may write again
    assert readme.read_text().startswith("---")


def test_odd_text_goes_through(tmp_path, call):
    odd = [
        {"id": str(i), "question": f"Q{i} {text}?", "answer": f"It is {text}."}
        for i, text in enumerate(["\u2028", "\ud800", "\x00", "\U0001f600", "\r\n"])
    ]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in odd))
    call(mix, "--input", tmp_path / "in.jsonl", "--output", tmp_path / "t.jsonl", "--max-tokens", 0)
    made = {row["id"]: row for row in read_jsonl(tmp_path / "t.jsonl")}
    assert all(made[row["id"]]["question"] == row["question"] for row in odd)


def test_the_mixture_can_be_cleaned_once_more(tmp_path, call, run_script):
    write_jsonl(tmp_path / "in.jsonl", [*rows(10), {**rows(10)[3], "id": "again", "source": "c"}])
    call(mix, "--input", tmp_path / "in.jsonl", "--output", tmp_path / "t.jsonl", "--max-tokens", 0)
    run_script(
        "01_extract/dedup.py",
        "--input",
        tmp_path / "t.jsonl",
        "--output",
        tmp_path / "d.jsonl",
        "--field",
        "question",
    )
    made = read_jsonl(tmp_path / "d.jsonl")
    assert len(made) == 10 and made[0].keys() == read_jsonl(tmp_path / "t.jsonl")[0].keys()


@pytest.mark.parametrize(
    "answer, reference, added",
    [
        ("By the law of motion the mass is found to be as large as was said before.", "5 kg", True),
        ("It follows that x = 5.\nAnswer: 5", "5", False),
        (r"It follows that \boxed{5}.", "5", False),
        ("One adds the two and so the answer is 5.", "5", False),
        ("It is proved as above.", "a\nb", False),
        ("It is proved as above.", None, False),
        ("Short.", "5", True),
        (
            "It is proved as above.",
            "it holds since the sum of the two sides is never less than the third",
            False,
        ),
    ],
)
def test_reference_is_appended_only_where_nothing_is_committed(answer, reference, added):
    made = mix.with_reference({"answer": answer, "reference_answer": reference})
    assert made["answer"] == (
        f"{answer}\n\nThe final answer is \\boxed{{{reference}}}." if added else answer
    )


def test_a_letter_is_appended_in_the_form_of_a_choice():
    row = {"answer": "Only the second of them is a metal.", "reference_answer": "(B)"}
    assert mix.with_reference(row)["answer"] == "Only the second of them is a metal.\n\nAnswer: B"


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--max-tokens", "0"], "--input"),
        (["--input", "IN"], "--tokenizer"),
        (["--input", "IN", "--tokenizer", "/no/such"], "/no/such"),
        (["--input", "IN", "IN2", "--max-tokens", "0"], "r1"),
    ],
)
def test_wrong_options(tmp_path, run_script, arguments, words):
    for name in ("in", "in2"):
        write_jsonl(tmp_path / f"{name}.jsonl", rows(3))
    named = {"IN": tmp_path / "in.jsonl", "IN2": tmp_path / "in2.jsonl"}
    done = run_script(
        "02_mix/mix.py",
        *(named.get(a, a) for a in arguments),
        "--output",
        tmp_path / "t.jsonl",
        check=False,
        env={"HF_HUB_OFFLINE": "1"},
    )
    last = done.stderr.strip().split("\n")[-1]
    assert done.returncode == 2 and (words in last or "r0" in last), done.stderr


# ---- difficulty and annotation ----


def hard_rows(n=12):
    return [
        dict(
            id=f"q{i}",
            question=f"Question {i}: what is {i} times 3?",
            answer=f"{3 * i}",
            reference_answer=str(3 * i),
            source="s",
            options=None,
        )
        for i in range(n)
    ]


def sampler(messages, body):
    """Right in a share of seeds that falls with the number of the question; the judge gives what
    the last digit of the response says."""
    text = messages[-1]["content"]
    if "mark a student's solution" in text:
        solution = re.search(r"<response>\n(.*?)\n</response>", text, re.S)[1]
        return f"They conclude so.\nScore: {7 if 'boxed' in solution else 0}"
    i = int(re.search(r"Question (\d+)", text)[1])
    return f"Three times {i}: \\boxed{{{3 * i if body['seed'] % 12 >= i else -1}}}"


def test_rules_give_ten_times_the_pass_rate(tmp_path, call):
    write_jsonl(
        tmp_path / "in.jsonl",
        [
            *hard_rows(),
            {
                "id": "p",
                "question": "Prove it.",
                "answer": "x",
                "reference_answer": "One shows by induction that it holds for all n.",
            },
            {"id": "z", "question": "Why?", "answer": "x", "reference_answer": None},
        ],
    )
    with FakeServer(sampler) as server:
        call(
            score_difficulty,
            "--input",
            tmp_path / "in.jsonl",
            "--output",
            tmp_path / "d.jsonl",
            "--model",
            "scripted",
            "--base-url",
            server.url,
            "--k",
            8,
        )
    assert (
        len(server.requests) == 96
        and len({body["seed"] for body in server.requests}) == 96
        and {body["temperature"] for body in server.requests} == {1.0}
    )
    made = read_jsonl(tmp_path / "d.jsonl")
    for i, row in enumerate(made):
        right = [batch_generate.row_seed(42, f"q{i}#{j}") % 12 >= i for j in range(8)]
        assert row["difficulty_scores"] == [10.0 * ok for ok in right] and row[
            "difficulty"
        ] == round(10 * sum(right) / 8, 4)
        assert row["answer"] == str(3 * i)
    assert made[0]["difficulty"] == 10 and sum(row["difficulty"] for row in made[8:]) < 20
    assert [row["reason"] for row in read_jsonl(tmp_path / "d.rejected.jsonl")] == [
        "reference not checkable",
        "no reference answer",
    ]


def answers_by_model(server):
    return Counter(body["model"] for body in server.requests)


def test_judge_scores_every_sample(tmp_path, call):
    write_jsonl(tmp_path / "in.jsonl", hard_rows(3))
    with FakeServer(sampler) as server:
        arguments = (
            score_difficulty,
            "--input",
            tmp_path / "in.jsonl",
            "--output",
            tmp_path / "d.jsonl",
            "--model",
            "scripted",
            "--base-url",
            server.url,
            "--judge-model",
            "judge",
        )
        call(*arguments, "--k", 4)
        assert answers_by_model(server) == {"scripted": 12, "judge": 12}
        assert all(
            row["difficulty"] == 7 and len(row["difficulty_scores"]) == 4
            for row in read_jsonl(tmp_path / "d.jsonl")
        )
        call(*arguments, "--k", 6)  # a larger k only adds samples
        assert answers_by_model(server) == {"scripted": 18, "judge": 18}


def test_a_recipe_says_which_sources_are_scored_and_annotated(tmp_path, call):
    mixed = [row | {"source": "ab"[i % 2]} for i, row in enumerate(hard_rows(8))]
    write_jsonl(tmp_path / "in.jsonl", mixed)
    (tmp_path / "r.yaml").write_text(
        "sources:\n- {source: a, method: difficulty, annotate: true}\n- {source: b}\n"
    )
    with FakeServer(lambda messages, body: "So \\boxed{1}") as server:
        more = ("--model", "scripted", "--base-url", server.url, "--recipe", tmp_path / "r.yaml")
        call(
            score_difficulty,
            "--input",
            tmp_path / "in.jsonl",
            "--output",
            tmp_path / "d.jsonl",
            "--k",
            2,
            *more,
        )
        call(annotate, "--input", tmp_path / "d.jsonl", "--output", tmp_path / "a.jsonl", *more)
        assert answers_by_model(server) == {"scripted": 4 * 2 + 4}
    made = read_jsonl(tmp_path / "a.jsonl")
    assert sorted(row["id"] for row in made) == sorted(row["id"] for row in mixed)
    assert all(
        ("difficulty" in row) == ("annotator" in row) == (row["source"] == "a") for row in made
    )


@pytest.mark.parametrize(
    "reply, score",
    [
        ("Fine.\nScore: 7", 7),
        ("Score: 3 at first.\n**Score: 10**", 10),
        ("score 4.5", 4.5),
        ("Score: 70", None),
        ("7", None),
        ("", None),
    ],
)
def test_judge_reply(reply, score):
    assert score_difficulty.parse_score(reply) == score


@pytest.mark.parametrize(
    "reference, kind",
    [
        ("42", "math"),
        (r"\frac{1}{2}", "math"),
        ("5.0 m/s", "math"),
        ("B", "choice"),
        ("mitochondria", "short_text"),
        ("the citric acid cycle", "short_text"),
        ("x = 2y", "math"),
        ("It rises, because demand at 5 dollars exceeds what the sellers offer", None),
        ("", None),
        (None, None),
        ("a\nb", None),
    ],
)
def test_what_rules_can_check(reference, kind):
    assert (
        score_difficulty.checkable(
            {"question": "Which?\nA) x\nB) y", "reference_answer": reference}
        )
        == kind
    )


def teacher(messages, body):
    i = int(re.search(r"Question (\d+)", messages[-1]["content"])[1])
    if i == 3:
        return ""
    if i == 5:
        return ("It goes on and on", "length")
    return f"<think>hm</think>Step by step: \\boxed{{{3 * i + (i == 7)}}}"


@pytest.mark.parametrize("disagree, kept", [("mark", 10), ("drop", 9)])
def test_teacher_is_checked_and_rejected(tmp_path, call, disagree, kept):
    first, *others = hard_rows()
    write_jsonl(tmp_path / "in.jsonl", [first | {"generator": "one model"}, *others])
    with FakeServer(teacher) as server:
        call(
            annotate,
            "--input",
            tmp_path / "in.jsonl",
            "--output",
            tmp_path / "a.jsonl",
            "--model",
            "scripted",
            "--base-url",
            server.url,
            "--max-tokens",
            64,
            "--disagree",
            disagree,
        )
    made, rejected = (
        read_jsonl(tmp_path / "a.jsonl"),
        {row["id"]: row["reason"] for row in read_jsonl(tmp_path / "a.rejected.jsonl")},
    )
    assert (
        len(made) == kept and rejected.items() >= {"q3": "empty answer", "q5": "truncated"}.items()
    )
    assert [row["generator"] for row in made if row["id"] in ("q0", "q1")] == [
        ["one model", "scripted"],
        ["scripted"],
    ]
    assert (rejected.get("q7") == "disagrees with the reference answer") == (disagree == "drop")
    by_id = {row["id"]: row for row in made}
    assert (
        by_id["q8"]["answer"] == "Step by step: \\boxed{24}"
        and by_id["q8"]["original_answer"] == "24"
        and by_id["q8"]["annotator"] == "scripted"
    )
    if disagree == "mark":
        assert {i: row["agrees_with_reference"] for i, row in by_id.items()} == {
            i: i != "q7" for i in by_id
        }


def test_annotator_response_for_lengths_leaves_the_answer(tmp_path, call):
    write_jsonl(tmp_path / "in.jsonl", hard_rows(3))
    with FakeServer(teacher) as server:
        call(
            annotate,
            "--input",
            tmp_path / "in.jsonl",
            "--output",
            tmp_path / "a.jsonl",
            "--model",
            "scripted",
            "--base-url",
            server.url,
            "--field",
            "annotator_response",
        )
    assert all(
        row["answer"] == str(3 * i)
        and "boxed" in row["annotator_response"]
        and row["annotator_tokens"]
        for i, row in enumerate(read_jsonl(tmp_path / "a.jsonl"))
    )


def test_prompts_are_filled_whatever_the_question_holds():
    row = {
        "question": "Let <response> be {x} \\boxed{1}?",
        "answer": "a",
        "reference_answer": "<response>",
    }
    assert row["question"] in annotate.to_messages(row)[0]["content"]
    text = score_difficulty.judge_messages({"row": row, "response": "R"})[0]["content"]
    assert text.count("<response>\nR\n</response>") == 1
    assert batch_generate.defused(row["question"]) in text


@pytest.mark.slow
@pytest.mark.parametrize(
    "script, more, per_row",
    [
        ("02_mix/score_difficulty.py", ("--k", "4", "--judge-model", "judge"), 8),
        ("02_mix/annotate.py", (), 1),
    ],
)
def test_killed_and_run_again_loses_and_doubles_nothing(
    tmp_path, run_script, script, more, per_row
):
    """kill -9 twice, at a random point each time; then the same command finishes with every sample
    once."""
    n = 40
    write_jsonl(tmp_path / "in.jsonl", hard_rows(n))

    def answer(messages, body):
        return (
            sampler(messages, body)
            if "mark a student" in messages[-1]["content"] or "--k" in more
            else "So \\boxed{1}"
        )

    with FakeServer(answer, delay=0.02) as server:
        command = [
            script,
            "--input",
            tmp_path / "in.jsonl",
            "--output",
            tmp_path / "x.jsonl",
            "--model",
            "scripted",
            "--base-url",
            server.url,
            "--workers",
            "4",
            *more,
        ]
        for target in (n * per_row // 4, n * per_row * 2 // 3):
            process = subprocess.Popen(
                [sys.executable, *map(str, [ROOT / command[0], *command[1:]])],
                stderr=subprocess.DEVNULL,
            )
            while len(server.requests) < target and process.poll() is None:
                time.sleep(0.005)
            assert process.poll() is None, "it ended before it could be killed"
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            assert not (tmp_path / "x.jsonl").exists()
        run_script(*command)
    assert (
        n * per_row <= len(server.requests) <= n * per_row + 2 * 4
    )  # only what was in flight at a kill is asked twice
    assert [row["id"] for row in read_jsonl(tmp_path / "x.jsonl")] == [f"q{i}" for i in range(n)]
    for path in tmp_path.glob("x*.raw.jsonl"):
        ids = [row["id"] for row in read_jsonl(path)]
        assert ids == (
            [f"q{i}#{j}" for i in range(n) for j in range(4)]
            if "--k" in more
            else [f"q{i}" for i in range(n)]
        ), path.name


@pytest.mark.slow
def test_worker_count_does_not_change_the_result(tmp_path, call):
    write_jsonl(tmp_path / "in.jsonl", hard_rows())
    with FakeServer(sampler, delay=0.005) as server:
        for workers in (1, 16):
            call(
                score_difficulty,
                "--input",
                tmp_path / "in.jsonl",
                "--output",
                tmp_path / f"w{workers}.jsonl",
                "--model",
                "scripted",
                "--base-url",
                server.url,
                "--k",
                3,
                "--workers",
                workers,
            )
    assert (tmp_path / "w1.jsonl").read_bytes() == (tmp_path / "w16.jsonl").read_bytes()


def test_recipes_of_the_project_are_valid():
    for path in sorted((ROOT / "02_mix" / "recipes").glob("*.yaml")):
        recipe = load_sources.read_recipe(path)
        assert all(
            entry["source"] in load_sources.read_table() or "path" in entry
            for entry in recipe["sources"]
        ), path
    counts = {
        entry["source"]: entry.get("count")
        for entry in load_sources.read_recipe(ROOT / "02_mix/recipes/megascience.yaml")["sources"]
    }
    assert counts == {
        "textbook_reasoning": None,
        "natural_reasoning": 436_400,
        "nemotron_science": 173_300,
    }


def test_sort_through_files_keeps_odd_text(tmp_path):
    odd = [
        {"id": str(i), "text": text}
        for i, text in enumerate(["a\u2028b", "\ud800", "line\nline", "\x1f\t"])
    ]
    made = list(mix.mixed(odd, 0, tmp_path))
    order = sorted(range(4), key=lambda i: select_rows.order_key(0, str(i), "mix"))
    assert made == [odd[i] for i in order] and not list(tmp_path.iterdir())
