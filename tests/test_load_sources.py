"""load_sources.py: the forms people have, provenance, licences, rejected rows, sets that cannot be
had."""

import datetime
import gzip
import json
import re

import load_sources
import pytest
import row_forms
from conftest import read_jsonl, write_jsonl


def one(row, source=None):
    return row_forms.to_row({"id": "7", **row}, source or {"name": "s"})


FORMS = [
    ("question/answer", {"question": "Q?", "answer": "It is so."}),
    ("question/answer", {"problem": "Q?", "solution": "It is so."}),
    ("question/answer", {"Question": "Q?", "Answer": "It is so."}),
    ("alpaca", {"instruction": "Q?", "input": "", "output": "It is so."}),
    (
        "chat messages",
        {
            "messages": [
                {"role": "user", "content": "Q?"},
                {"role": "assistant", "content": "It is so."},
            ]
        },
    ),
    (
        "ShareGPT",
        {
            "conversations": [
                {"from": "human", "value": "Q?"},
                {"from": "gpt", "value": "It is so."},
            ]
        },
    ),
    ("prompt/completion", {"prompt": "Q?", "completion": "It is so."}),
    (
        "prompt/completion",
        {
            "prompt": [{"role": "user", "content": "Q?"}],
            "completion": [{"role": "assistant", "content": "It is so."}],
        },
    ),
]


@pytest.mark.parametrize("form, row", FORMS)
def test_forms_are_told_apart(form, row):
    told, made = one(row)
    assert (told, made["question"], made["answer"]) == (form, "Q?", "It is so.")
    assert made["source"] == "s" and made["source_id"] == "7" and made["license"] is None


@pytest.mark.parametrize(
    "row, reference",
    [
        ({"question": "Which?", "choices": ["red", "blue"], "answer": 1}, "B"),
        (
            {
                "question": "Which?",
                "choices": {"text": ["red", "blue"], "label": ["A", "B"]},
                "answerKey": "B",
            },
            "B",
        ),
        (
            {
                "question": "Which?",
                "choices": {"text": ["red", "blue"], "label": ["1", "2"]},
                "answerKey": "1",
            },
            "A",
        ),
        ({"Question": "Which?", "A": "red", "B": "blue", "Answer": "B"}, "B"),
        ({"question": "Which?", "opa": "red", "opb": "blue", "cop": 0}, "A"),
        ({"goal": "Which?", "sol1": "red", "sol2": "blue", "label": 1}, "B"),
        ({"question": "Which?", "options": ["red", "blue"], "answer": "blue"}, "B"),
    ],
)
def test_options_in_any_form_stay_with_the_question(row, reference):
    """`choices` with an index became a question without options and the answer "1"."""
    made = one(row)[1]
    assert made["question"] == "Which?\nA) red\nB) blue" and made["reference_answer"] == reference
    assert made["answer"] == {"A": "A) red", "B": "B) blue"}[reference]


@pytest.mark.parametrize("choices", [["1", "3"], "['1', '3']"])
def test_an_index_is_no_option_text(choices):
    assert one({"question": "Which?", "choices": choices, "answer": 1})[1]["answer"] == "B) 3"


def test_markers_of_openthoughts_and_nemotron():
    said = "<|begin_of_thought|>\nhm\n<|end_of_thought|>\n\n<|begin_of_solution|>\nIt is 4.\n<|end_of_solution|>"
    talk = [{"from": "user", "value": "Q?"}, {"from": "assistant", "value": said}]
    made = one({"conversations": talk})[1]
    assert made["answer"] == "It is 4."
    with pytest.raises(row_forms.Unusable, match="unfinished thinking"):
        one({"question": "Q?", "answer": "<|begin_of_thought|>hm"})
    nemotron = {"input": [{"role": "user", "content": "Q?"}], "output": "<think>hm</think>It is 4."}
    form, made = one(nemotron | {"system_prompt": "detailed thinking on"})
    assert (form, made["question"], made["answer"]) == ("prompt/completion", "Q?", "It is 4.")
    assert made["reference_answer"] == "It is 4.", "not the thought before it"


def test_a_null_licence_stays_null():
    """Rows of one's own book became cc-by-nc-sa-4.0 where they stood in for textbook_reasoning."""
    source = {"name": "textbook_reasoning", "license": "cc-by-nc-sa-4.0"}
    row = {"question": "Q?", "answer": "It is so."}
    assert one({**row, "license": None}, source)[1]["license"] is None
    assert one(row, source)[1]["license"] == "cc-by-nc-sa-4.0"
    address = "https://creativecommons.org/licenses/by-sa/4.0/"
    assert one({**row, "license": address})[1]["license"] == "cc-by-sa-4.0"


@pytest.mark.parametrize(
    "text, expected",
    [
        ("CC-BY-4.0 OR MIT", "cc-by-4.0 or mit"),
        ("Creative Commons Attribution-NonCommercial 4.0 International", "cc-by-nc-4.0"),
        ("http://creativecommons.org/publicdomain/zero/1.0", "cc0-1.0"),
        # "sa" was lost: MIT OpenCourseWare's footer in older pages
        ("Creative Commons Attribution-Noncommercial-Share Alike 3.0 US", "cc-by-nc-sa-3.0"),
        ("Apache License 2.0", "apache-2.0"),
        ("public domain", "public-domain"),
        ("Not stated", None),
    ],
)
def test_licences_have_one_name(text, expected):
    assert load_sources.r.license_id(text) == expected


@pytest.mark.parametrize(
    "row, answer, reference",
    [
        # MATH, NuminaMath-1.5, OpenR1: the short answer was trained on and the worked one lost
        ({"problem": "Q?", "solution": "It is \\boxed{4}", "answer": "4"}, "It is \\boxed{4}", "4"),
        # OpenMathInstruct-2, SciQ, NaturalReasoning: refused as "empty answer"
        (
            {"problem": "Q?", "generated_solution": "2 + 2 is 4", "expected_answer": "4"},
            "2 + 2 is 4",
            "4",
        ),
        (
            {
                "question": "Q?",
                "correct_answer": "oxygen",
                "distractor1": "x",
                "support": "Air holds it.",
            },
            "Air holds it.\nAnswer: oxygen",
            "oxygen",
        ),
        (
            {"question": "Q?", "reference_answer": "4", "responses": [{"response": "It is 4."}]},
            "It is 4.",
            "4",
        ),
        # AI2's own files of ARC: "empty question"
        (
            {
                "question": {
                    "stem": "Q?",
                    "choices": [{"text": "red", "label": "1"}, {"text": "blue", "label": "2"}],
                },
                "answerKey": "2",
            },
            "B) blue",
            "B",
        ),
    ],
)
def test_forms_of_public_sets(row, answer, reference):
    made = one(row)[1]
    assert made["question"].split("\n")[0] == "Q?"
    assert (made["answer"], made["reference_answer"]) == (answer, reference)


def test_alpaca_input_joins_the_question_and_system_is_kept():
    assert (
        one({"instruction": "Add.", "input": "1 and 2", "output": "The sum is 3."})[1]["question"]
        == "Add.\n\n1 and 2"
    )
    chat = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Q?"},
        {"role": "assistant", "content": "It is so."},
    ]
    assert one({"messages": chat})[1]["system"] == "Be brief."


@pytest.mark.parametrize(
    "answer, reference",
    [
        ("2 + 2 = 4\n#### 4", "4"),
        (r"So it is \boxed{\frac{1}{2}}.", r"\frac{1}{2}"),
        ("Thus.\nAnswer: B", "B"),
        ("**Answer:** 3 m", "3 m"),
        ("It is hard to say what follows from this.", None),
        (r"First \boxed{1}, then" + " more words" * 5 + r" \boxed{2}", "2"),
        ("12 m", "12 m"),
    ],
)
def test_reference_is_read_off_the_answer(answer, reference):
    assert one({"question": "Q?", "answer": answer})[1]["reference_answer"] == reference


def test_own_reference_and_options():
    made = one(
        {
            "question": "Which?",
            "options": ["A)24 years", "B)30 years"],
            "rationale": "Because 6x = 30 and so on.",
            "correct": "B",
        }
    )[1]
    assert made["question"] == "Which?\nA)24 years\nB)30 years" and made["reference_answer"] == "B"
    assert made["answer"] == "Because 6x = 30 and so on.\nAnswer: B"
    assert (
        one({"question": "Which?", "options": {"A": "x", "B": "y"}, "answer": "B"})[1]["question"]
        == "Which?\nA) x\nB) y"
    )
    assert (
        one({"question": "Which? A) x B) y", "options": ["x", "y"], "answer": "B"})[1]["question"]
        == "Which? A) x B) y"
    )


@pytest.mark.parametrize(
    "row, reason",
    [
        ({"question": " ", "answer": "Yes."}, "empty question"),
        ({"question": "Q?", "answer": ""}, "empty answer"),
        ({"question": "Q?", "answer": None}, "empty answer"),
        ({"question": "Q?", "answer": "..."}, "empty answer"),
        ({"question": "Why is it so?", "answer": "Why is it so? "}, "answer repeats the question"),
        ({"question": "Q?", "answer": r"It is \boxed{ }"}, "empty \\boxed{}"),
        ({"question": "Q?", "answer": "<think>hm"}, "unfinished thinking"),
        ({"text": "no pair"}, "unknown form"),
        (
            {
                "messages": [
                    {"role": "user", "content": "a"},
                    {"role": "assistant", "content": "b"},
                    {"role": "user", "content": "c"},
                ]
            },
            "several turns",
        ),
    ],
)
def test_unusable_rows(row, reason):
    with pytest.raises(row_forms.Unusable, match=re.escape(reason)):
        one(row)


def test_thinking_and_mapping_of_the_table():
    table = load_sources.read_table()
    nemotron = {**table["nemotron_science"], "name": "nemotron_science"}
    row = {
        "input": [{"role": "user", "content": "Q?"}],
        "output": "<think>long</think>The answer is B.",
        "category": "science",
        "license": "cc-by-4.0",
    }
    _, made = one(row, nemotron)
    assert (made["question"], made["answer"], made["reference_answer"], made["subject"]) == (
        "Q?",
        "The answer is B.",
        "The answer is B.",
        "science",
    )
    natural = {**table["natural_reasoning"], "name": "natural_reasoning"}
    row = {
        "question": "Q?",
        "reference_answer": "",
        "responses": [{"response_model": "M", "response": "It is so."}],
    }
    made = one(row, natural)[1]
    assert (
        made["answer"] == "It is so."
        and made["reference_answer"] is None
        and made["license"] == "cc-by-nc-4.0"
    )


def test_every_source_of_the_table_is_complete():
    for name, source in load_sources.read_table().items():
        assert {
            "hub",
            "config",
            "split",
            "fields",
            "license",
            "citation",
            "revision",
            "verified",
        } <= source.keys(), name
        assert row_forms.non_commercial(source["license"]) == ("-nc" in source["license"])


@pytest.mark.parametrize("value", [0, 1, 2.5, True])
def test_numbers_are_answers_and_grades_are_no_reference(value):
    made = one({"question": "How many?", "answer": value, "correct": True})[1]
    assert made["answer"] == made["reference_answer"] == str(value)


def test_files_of_all_kinds_with_provenance(tmp_path, run_script):
    write_jsonl(
        tmp_path / "a.jsonl",
        [
            {
                "question": "Q1?",
                "answer": "It is one.",
                "source": "book",
                "license": "CC BY 4.0",
                "chapter": 3,
            },
            {
                "question": "Q1?",
                "answer": "It is one.",
                "source": "book",
                "license": "CC BY 4.0",
                "chapter": 3,
            },
            {"question": "", "answer": "nothing", "license": "mit"},
        ],
    )
    with gzip.open(tmp_path / "b.jsonl.gz", "wt") as file:
        file.write(
            json.dumps(
                {
                    "id": "b1",
                    "instruction": "Q2?",
                    "output": "It is two.",
                    "license": "CC BY-NC 4.0",
                }
            )
            + "\n"
        )
    (tmp_path / "c.json").write_text(
        json.dumps(
            [{"uuid": "u", "prompt": "Q3?", "completion": "It is\u2028three.", "license": "MIT"}]
        )
    )
    import pyarrow as pa
    import pyarrow.parquet

    made = {
        "question": ["Q4?"],
        "license": ["MIT"],
        "answer": ["It is four."],
        "day": [datetime.date(2024, 5, 1)],
        "bits": [[b"x"]],
    }
    pa.parquet.write_table(pa.table(made), tmp_path / "d.parquet")
    done = run_script(
        "02_mix/load_sources.py",
        "--sources",
        f"{tmp_path}/a.jsonl,{tmp_path}/b.jsonl.gz",
        tmp_path / "c.json",
        f"dee={tmp_path}/d.parquet",
        "--allow-licenses",
        "cc-by-4.0,mit",
        "--output",
        tmp_path / "out.jsonl",
    )
    rows, rejected = read_jsonl(tmp_path / "out.jsonl"), read_jsonl(tmp_path / "out.rejected.jsonl")
    assert [(row["source"], row["answer"]) for row in rows] == [
        ("a", "It is one."),
        ("c", "It is\u2028three."),
        ("dee", "It is four."),
    ]
    assert (
        rows[0]["origin_source"] == "book"
        and rows[0]["chapter"] == 3
        and rows[0]["license"] == "cc-by-4.0"
        and rows[1]["source_id"] == "u"
    )
    assert [(row["source"], row["reason"]) for row in rejected] == [
        ("a", "already loaded"),
        ("a", "empty question"),
        ("b", "license not allowed"),
    ]
    assert (
        "a: 2 rows question/answer, 1 rows unusable" in done.stderr
        and "c: 1 rows prompt/completion" in done.stderr
    )
    assert json.loads((tmp_path / "out.meta.json").read_text())["loaded"] == {
        "a": 3,
        "b": 1,
        "c": 1,
        "dee": 1,
    }


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--sources", "nowhere"], ["nowhere", "natural_reasoning"]),
        ([], ["--sources", "--recipe"]),
        pytest.param(
            ["--sources", "natural_reasoning"],
            ["facebook/natural_reasoning", "cannot be reached", "natural_reasoning=PATH"],
            marks=pytest.mark.slow,
        ),
        (["--recipe", "none.yaml"], ["none.yaml", "no such file"]),
    ],
)
def test_what_cannot_be_had_is_one_clear_line(tmp_path, run_script, arguments, words):
    done = run_script(
        "02_mix/load_sources.py",
        *arguments,
        "--output",
        tmp_path / "x.jsonl",
        check=False,
        cwd=tmp_path,
        env={"HF_HUB_OFFLINE": "1"},
    )
    last = done.stderr.strip().split("\n")[-1]
    assert done.returncode == 2 and all(word in last for word in words), done.stderr
    assert not (tmp_path / "x.jsonl").exists()


def test_a_file_of_no_known_form_names_its_fields(tmp_path, run_script):
    write_jsonl(tmp_path / "a.jsonl", [{"frage": "Q?", "antwort": "A."}])
    done = run_script(
        "02_mix/load_sources.py",
        "--sources",
        tmp_path / "a.jsonl",
        "--output",
        tmp_path / "x.jsonl",
        check=False,
    )
    assert done.returncode == 2 and "frage, antwort" in done.stderr.strip().split("\n")[-1]


def test_a_recipe_with_an_unknown_key_is_refused(tmp_path, run_script):
    (tmp_path / "r.yaml").write_text("sources:\n- {source: natural_reasoning, counts: 5}\n")
    done = run_script(
        "02_mix/load_sources.py",
        "--recipe",
        tmp_path / "r.yaml",
        "--output",
        tmp_path / "x.jsonl",
        check=False,
    )
    assert done.returncode == 2 and "counts" in done.stderr.strip().split("\n")[-1]


def test_real_files_of_other_people(shared, tmp_path, run_script):
    """Ten sets with different fields: each is read, and only rows that say nothing are lost."""
    names = [
        "gsm8k_train",
        "aqua_rat_dev",
        "alpaca_en_demo",
        "openstax_problem_solutions",
        "medquad",
        "theoremqa",
        "scieval_valid",
        "pubmedqa_labeled_nontest",
    ]
    run_script(
        "02_mix/load_sources.py",
        "--sources",
        *(shared / "qa" / f"{name}.jsonl" for name in names),
        "--limit",
        "100",
        "--output",
        tmp_path / "x.jsonl",
    )
    rows = read_jsonl(tmp_path / "x.jsonl")
    counts = {name: sum(row["source"] == name for row in rows) for name in names}
    assert min(counts.values()) >= 97 and all(
        row["question"].strip() and row["answer"].strip() for row in rows
    ), counts
    gsm = [row for row in rows if row["source"] == "gsm8k_train"]
    assert all(
        row["reference_answer"] and row["answer"].rstrip().endswith(row["reference_answer"])
        for row in gsm
    )
    aqua = next(row for row in rows if row["source"] == "aqua_rat_dev")
    assert "\nA)" in aqua["question"] and aqua["reference_answer"] in "ABCDE"


@pytest.mark.slow
def test_a_hub_set_is_streamed_with_the_fields_of_its_entry(tmp_path, run_script):
    """The real loader of the datasets library on a set in a folder, by the same call that reads the
    hub."""
    (tmp_path / "set").mkdir()
    write_jsonl(
        tmp_path / "set" / "train.jsonl",
        [
            {"problem": f"P{i}?", "worked": f"It is {i}.", "domain": "physics", "level": i}
            for i in range(50)
        ],
    )
    entry = f"{{source: mine, hub: {tmp_path}/set, split: train, fields: {{question: problem, answer: worked, subject: domain}}, license: MIT}}"
    (tmp_path / "r.yaml").write_text(f"sources:\n- {entry}\n")
    run_script(
        "02_mix/load_sources.py",
        "--recipe",
        tmp_path / "r.yaml",
        "--output",
        tmp_path / "x.jsonl",
        "--limit",
        20,
    )
    rows = read_jsonl(tmp_path / "x.jsonl")
    assert [row["question"] for row in rows] == [f"P{i}?" for i in range(20)] and rows[7][
        "answer"
    ] == "It is 7."
    assert (
        rows[0]["subject"] == "physics"
        and rows[0]["license"] == "mit"
        and rows[3]["level"] == 3
        and len(rows[0]["source_id"]) == 16
    )
    (tmp_path / "wrong.yaml").write_text(
        f"sources:\n- {entry.replace('split: train', 'split: test')}\n"
    )
    done = run_script(
        "02_mix/load_sources.py",
        "--recipe",
        tmp_path / "wrong.yaml",
        "--output",
        tmp_path / "y.jsonl",
        check=False,
    )
    assert done.returncode == 2 and "source mine" in done.stderr.strip().split("\n")[-1], (
        done.stderr
    )
