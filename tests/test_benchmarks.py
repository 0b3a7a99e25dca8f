"""Loading the benchmarks: every form their files come in, options and references, what is left out
and why, prompts and averages."""

import collections
import gzip
import json
import re
from pathlib import Path

import benchmark_prompts
import benchmark_rows
import benchmarks
import pyarrow
import pyarrow.parquet
import pytest
from conftest import ROOT, write_jsonl

import rows as r

GPQA = {
    "Question": "Which one?",
    "Correct Answer": "yes ",
    "Incorrect Answer 1": "no",
    "Incorrect Answer 2": "maybe",
    "Incorrect Answer 3": "never",
    "High-level domain": "Physics",
    "Record ID": "rec1",
    "Canary String": "GPQA canary: keep out",
}
HUB_ROWS = {  # one row of each benchmark in the fields of its hub data set: file, row, the right option's text or the reference
    "mmlu": (
        "mmlu/test-00000-of-00001.parquet",
        dict(question="2+2?", subject="algebra", choices=["3", "4", "5", "6"], answer=1),
        "4",
    ),
    "gpqa_diamond": ("gpqa_diamond.csv", GPQA, "yes"),
    "mmlu_pro": (
        "pro/test.jsonl",
        dict(
            question_id=7,
            question="Q?",
            options=["a", "b", "c", "N/A"],
            answer="C",
            answer_index=2,
            cot_content="",
            category="law",
            src="x",
        ),
        "c",
    ),
    "supergpqa": (
        "super.jsonl",
        dict(
            uuid="u",
            question="Q?",
            options=list("pqrstuvwxy"),
            answer="r",
            answer_letter="C",
            discipline="Science",
            field="Physics",
        ),
        "r",
    ),
    "scibench": (
        "train.jsonl",
        dict(
            problem_text="How far?",
            answer_number=" −2.5 ",
            unit=" $10^{3} \\mathrm{~m}$ ",
            source="fund",
            problemid=" 1.1",
            solution="",
        ),
        "−2.5",
    ),
    "olympicarena": (
        "Physics/val-0.jsonl",
        dict(
            id="Physics_1",
            problem="How heavy?",
            answer_type="NV",
            answer=["3.5"],
            unit=["kg"],  # lists of texts in every configuration
            subject="Physics",
            language="EN",
            modality="text-only",
            prompt="theirs",
            type_sequence=None,
            answer_sequence=None,
        ),
        "3.5",
    ),
    "chembench": (
        "chembench.json",
        dict(
            uuid="c",
            metrics=["multiple_choice_grade"],
            name="tox",
            examples=[
                dict(
                    input="Which?",
                    target=None,
                    target_scores='{"wrong": 0, "right": 1.0, "other": 0}',
                )
            ],
        ),
        "right",
    ),
    "csbench": (
        "cs.jsonl",
        dict(
            ID=1,
            Domain="OS",
            SubDomain="x",
            Format="Assertion",
            Language="English",
            Question="It holds.",
            Answer="False",
        ),
        "False",
    ),
    "medqa": (
        "us_qbank.jsonl",
        dict(
            question="What?",
            answer="beta",
            options=[dict(key="B", value="beta"), dict(key="A", value="alpha")],
            answer_idx="B",
            meta_info="step1",
        ),
        "beta",
    ),
    "medmcqa": (
        "validation.jsonl",
        dict(
            id="i",
            question="What?",
            opa="w",
            opb="x",
            opc="y",
            opd="z",
            cop=3,
            choice_type="single",
            exp=None,
            subject_name="Surgery",
        ),
        "z",
    ),
    "pubmedqa": (
        "pqa.json",
        dict(
            pubid=1,
            question="Does it?",
            context=dict(contexts=["Part one.", "Part two."]),
            long_answer="",
            final_decision="maybe",
        ),
        "Maybe",
    ),
    "piqa": (
        "piqa_valid.jsonl",
        dict(goal="open a jar", sol1="twist", sol2="shout", label=0),
        "twist",
    ),
    "gsm8k": (
        "main/test.jsonl",
        dict(question="How many?", answer="2 and 2 is <<2+2=4>>4\n#### 1,234"),
        "1,234",
    ),
    "math": (
        "test.jsonl",
        dict(
            problem="Find x.",
            level="Level 1",
            type="Algebra",
            solution=r"First \boxed{1} then \boxed{\frac{1}{\sqrt{2}}}.",
        ),
        r"\frac{1}{\sqrt{2}}",
    ),
    "math500": (
        "test.jsonl",
        dict(
            problem="Find x.",
            solution="...",
            answer=r"90^\circ",
            subject="Algebra",
            level=2,
            unique_id="test/1.json",
        ),
        r"90^\circ",
    ),
}


def put(folder, name, row):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if name.endswith(".parquet"):
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist([row]), path)
    elif name.endswith(".csv"):
        path.write_text(
            ",".join(f'"{k}"' for k in row) + "\n" + ",".join(f'"{v}"' for v in row.values()) + "\n"
        )
    elif name.endswith(".json"):
        path.write_text(json.dumps([row]))
    else:
        write_jsonl(path, [row])
    return path


@pytest.mark.parametrize("name", benchmarks.BENCHMARKS)
def test_a_row_in_the_fields_of_the_hub_is_read(name, tmp_path):
    file, raw, wanted = HUB_ROWS[name]
    put(tmp_path, file, raw)
    found = benchmarks.load_folder(tmp_path)
    assert list(found["rows"]) == [name], found["unused"]
    (row,) = found["rows"][name]
    assert (
        row["kind"] in benchmark_rows.KINDS
        and row["category"] == benchmarks.BENCHMARKS[name]["category"]
        and row["id"].startswith(name)
    )
    if row["kind"] == "choice":
        assert row["options"]["ABCDEFGHIJ".index(row["reference"])] == wanted
        assert sorted(row["option_order"]) == list(range(len(row["options"])))
    else:
        assert row["reference"] == wanted and row["options"] is None
    assert benchmark_prompts.user_message(row).count(row["question"]) == 1


def test_every_benchmark_is_described_in_full():
    assert len(benchmarks.BENCHMARKS) == 15
    for name, entry in benchmarks.BENCHMARKS.items():
        assert {
            "title",
            "category",
            "hub",
            "configs",
            "split",
            "revision",
            "license",
            "metric",
            "citation",
        } <= entry.keys(), name
        assert re.fullmatch("[0-9a-f]{7,40}", entry["revision"]), f"{name}: pinned by its commit"


def test_shuffled_options_depend_on_the_row_alone_and_every_letter_is_right_about_as_often():
    letters = collections.Counter()
    for number in range(400):
        row = benchmark_rows.read_gpqa_diamond({**GPQA, "Question": f"Which one of {number}?"})
        assert [["yes", "no", "maybe", "never"][source] for source in row["option_order"]] == row[
            "options"
        ]
        assert row == benchmark_rows.read_gpqa_diamond(
            {**GPQA, "Question": f"Which one of {number}?"}
        )
        letters[row["reference"]] += 1
    assert all(70 < letters[letter] < 130 for letter in "ABCD"), (
        letters
    )  # 100 expected, 3.5 standard deviations


def test_the_canary_travels_with_the_row_but_is_in_no_prompt():
    ((row, _),) = benchmarks.eval_rows("gpqa_diamond", [GPQA], ROOT)
    assert row["canary"] == GPQA["Canary String"]
    assert (
        "canary"
        not in benchmark_prompts.user_message({**row, "passage": None, "unit": None}).lower()
    )


@pytest.mark.parametrize(
    "path, row, reason",
    [
        ("gsm8k/train.jsonl", HUB_ROWS["gsm8k"][1], "train split"),
        ("mmlu/dev-0.jsonl", HUB_ROWS["mmlu"][1], "dev split"),
        ("gpqa_extended.jsonl", GPQA, "another subset"),
        ("outputs.jsonl", {**HUB_ROWS["mmlu_pro"][1], "generated_text": "..."}, "model's outputs"),
        ("pairs.jsonl", {"question": "Is it?", "answer": "Yes"}, "no known benchmark"),
        ("empty.json", None, "no rows"),
    ],
)
def test_files_that_are_no_benchmark_are_named_with_the_reason(path, row, reason, tmp_path):
    target = put(tmp_path, path, row)
    if row is None:
        target.write_text("[]")
    found = benchmarks.load_folder(tmp_path)
    assert not found["rows"] and reason in found["unused"][str(target)]


@pytest.mark.parametrize(
    "row, reason",
    [
        ({**HUB_ROWS["csbench"][1], "Format": "Open-ended"}, "Open-ended"),
        ({**HUB_ROWS["scibench"][1], "source": "calculus"}, "the paper does not count"),
        ({**HUB_ROWS["csbench"][1], "Language": "Chinese"}, "English"),
        ({**HUB_ROWS["piqa"][1], "label": -1}, "no reference"),
        ({**HUB_ROWS["medmcqa"][1], "cop": -1}, "no reference"),
        ({**HUB_ROWS["olympicarena"][1], "language": "ZH"}, "English"),
        ({**HUB_ROWS["olympicarena"][1], "answer_type": "CODE"}, "program"),
        ({**HUB_ROWS["math"][1], "solution": "no box"}, "no reference"),
    ],
)
def test_rows_without_a_place_are_rejected_with_the_reason(row, reason, tmp_path):
    write_jsonl(tmp_path / "rows.jsonl", [row])
    found = benchmarks.load_folder(tmp_path)
    assert (
        not any(found["rows"].values())
        and len(found["rejected"]) == 1
        and reason in found["rejected"][0][1]
    )


def test_olympicarena_test_rows_have_no_reference_and_stay(tmp_path):
    put(
        tmp_path,
        "Physics/test-0.jsonl",
        {**HUB_ROWS["olympicarena"][1], "answer": None, "answer_sequence": ["mass", "speed"]},
    )
    (row,) = benchmarks.load_folder(tmp_path)["rows"]["olympicarena"]
    assert (
        row["reference"] is None
        and "mass, speed" in row["question"]
        and "State the answer in this unit: kg" in benchmark_prompts.user_message(row)
    )


def test_rows_of_ones_own_in_every_kind_of_file(tmp_path):
    row = dict(
        id="x1", benchmark="mine", kind="short_text", question="Name it.", reference=["a", "b"]
    )
    for name, write in (
        ("a.jsonl.gz", lambda p: p.write_bytes(gzip.compress(json.dumps(row).encode()))),
        ("b.json", lambda p: p.write_text(json.dumps([row]))),
    ):
        folder = tmp_path / name
        folder.mkdir()
        write(folder / name)
        (read,) = benchmarks.load_folder(folder)["rows"]["mine"]
        assert read["id"] == "x1" and read["category"] == "Own" and read["unit"] is None


@pytest.mark.parametrize(
    "change, message",
    [
        ({"kind": "essay"}, 'field "kind"'),
        ({"reference": 5}, 'field "reference"'),
        ({"reference": "E"}, "letter of the 2 options"),
        ({"options": None}, 'field "options"'),
        ({"kind": None, "options": None}, "kind missing"),
        ({"kind": None, "options": None, "reference": None, "question": None}, "kind and question"),
    ],
)
def test_a_wrong_row_of_ones_own_is_named(change, message, tmp_path):
    row = dict(
        id="x", benchmark="mine", kind="choice", question="Q?", options=["a", "b"], reference="A"
    )
    write_jsonl(tmp_path / "mine.jsonl", [row, {**row, "id": "y", **change}])
    with pytest.raises(r.BadInput, match=message) as error:
        benchmarks.load_folder(tmp_path)
    assert "mine.jsonl, row 2" in str(error.value)


def test_question_options_and_answer_are_a_choice_row(tmp_path):
    """Also as a later row of a file whose first one names its kind: that was a KeyError."""
    short = dict(question="Which?", options=["red", "blue"])
    first = dict(kind="math", question="2 + 2?", reference="4")
    answers = ["B", "blue", 1, ["A", "B"]]
    write_jsonl(tmp_path / "mine.jsonl", [first, *({**short, "answer": a} for a in answers)])
    rows = benchmarks.load_folder(tmp_path)["rows"]["mine"]
    assert [row["reference"] for row in rows] == ["4", "B", "B", "B", ["A", "B"]]
    assert {row["kind"] for row in rows[1:]} == {"choice"}
    write_jsonl(tmp_path / "mine.jsonl", [{**short, "answer": "blue"}])
    assert benchmarks.load_folder(tmp_path)["rows"]["mine"][0]["reference"] == "B"


def test_a_row_that_stands_in_two_files_counts_once_and_one_that_stands_twice_in_a_file_twice(
    tmp_path,
):
    raw = HUB_ROWS["gsm8k"][1]
    write_jsonl(tmp_path / "a_test.jsonl", [raw, raw])
    write_jsonl(tmp_path / "b_test.jsonl", [raw, {**raw, "question": "How few?"}])
    found = benchmarks.load_folder(tmp_path)
    ids = [row["id"] for row in found["rows"]["gsm8k"]]
    assert (
        len(ids) == len(set(ids)) == 3
        and found["rejected"][0][1] == "the same row stands in a_test.jsonl"
    )


def test_the_subject_of_a_row_comes_before_its_folder():
    """MATH's folders are its subjects in other letters; the subject is part of a row's id."""
    path = Path("EleutherAI/hendrycks_math/algebra")
    ((row, _),) = benchmarks.eval_rows("math", [HUB_ROWS["math"][1]], path)
    assert row["subject"] == HUB_ROWS["math"][1]["type"] != "algebra"
    first = {**HUB_ROWS["mmlu_pro"][1], "question_id": 0}
    ((row, _),) = benchmarks.eval_rows("mmlu_pro", [first], Path("test"))
    assert row["source_id"] == "0"


def test_questions_on_one_passage_share_a_group(tmp_path):
    raw = HUB_ROWS["pubmedqa"][1]
    write_jsonl(
        tmp_path / "p.jsonl",
        [
            raw,
            {**raw, "question": "Does it not?"},
            {**raw, "question": "And then?", "context": {"contexts": ["Else."]}},
        ],
    )
    rows = benchmarks.load_folder(tmp_path)["rows"]["pubmedqa"]
    assert rows[0]["group"] == rows[1]["group"] != rows[2]["group"]
    assert benchmark_prompts.user_message(rows[0]).index(
        "Part two."
    ) < benchmark_prompts.user_message(rows[0]).index("Does it?")


# ---- prompts ----

CHOICE = dict(
    kind="choice",
    question="Which {x} holds?",
    options=["\\frac{1}{2}", "b"],
    passage=None,
    unit=None,
)
OPEN = dict(kind="math", question="How far?", options=None, passage=None, unit="m")


def test_prompts_state_the_contract_of_the_answer():
    assert benchmark_prompts.user_message(CHOICE).endswith(
        "End with a last line of the form 'Answer: X', where X is the letter of the right option."
    )
    assert "A. \\frac{1}{2}\nB. b" in benchmark_prompts.user_message(CHOICE)
    assert benchmark_prompts.user_message(OPEN).endswith(
        "State the answer in this unit: m\nReason step by step and put the final answer within \\boxed{}."
    )
    assert "unit" not in benchmark_prompts.user_message({**OPEN, "unit": None})


def test_placeholders_in_a_row_stay_as_they_are():
    row = {
        **CHOICE,
        "question": "What does <options> do in <question>?",
        "options": ["<question>", "<passage>"],
        "passage": "<unit> and <options>",
    }
    text = benchmark_prompts.user_message(row)
    assert (
        "Passage: <unit> and <options>" in text
        and "Question: What does <options> do in <question>?\nA. <question>\nB. <passage>\n" in text
    )


def test_scores_with_other_prompts_have_another_id():
    assert len({benchmark_prompts.prompt_id(thinking) for thinking in (None, "on", "off")}) == 3


# ---- the paper's figures ----


def test_the_averages_of_the_papers_scores_are_the_papers_averages():
    scores = benchmarks.paper_scores()
    assert len(scores) == 22 and all(len(its) == 14 for its in scores.values())
    for model, printed in {
        "Qwen2.5-7B-Instruct": (39.14, 65.31, 78.55, 58.80),
        "Qwen2.5-7B-MegaScience": (43.20, 66.55, 79.61, 61.01),
        "Llama-3.1-8B-Instruct": (24.44, 64.79, 61.49, 49.67),
        "Qwen3-30B-A3B-MegaScience": (61.12, 76.75, 89.33, 73.86),
    }.items():
        ours = benchmarks.averages(scores[model])
        assert [
            round(ours[c][0], 2) for c in ("General", "Specific", "Math", "All")
        ] == pytest.approx(printed, abs=0.011)
        assert [ours[c][1:] for c in ("General", "Specific", "Math", "All")] == [
            (5, 5),
            (6, 6),
            (3, 3),
            (14, 14),
        ]


def test_an_average_says_how_many_it_holds_and_leaves_mmlu_out():
    assert benchmarks.averages({"mmlu": 90.0, "gsm8k": 50.0, "math": 70.0}) == {
        "General": (None, 0, 5),
        "Specific": (None, 0, 6),
        "Math": (60.0, 2, 3),
        "All": (60.0, 2, 14),
    }


# ---- real files ----


def test_the_shared_folder_holds_thirteen_benchmarks(shared):
    found = benchmarks.load_folder(shared / "benchmarks")
    counts = {name: len(rows) for name, rows in found["rows"].items()}
    assert len(counts) == 13 and set(benchmarks.BENCHMARKS) - set(counts) == {
        "gpqa_diamond",
        "olympicarena",
    }
    assert (
        counts["chembench"] == 289
        and counts["csbench"] == 381
        and counts["scibench"] == 247
        and counts["supergpqa"] == 800
    )
    ids = [row["id"] for rows in found["rows"].values() for row in rows]
    assert len(ids) == len(set(ids))


def test_the_sample_benchmark_is_read():
    rows = benchmarks.load_folder(ROOT / "data/sample/benchmark")["rows"]["sample"]
    assert (
        len(rows) > 100
        and {row["kind"] for row in rows} == set(benchmark_rows.KINDS)
        and len({row["group"] for row in rows}) > 2
    )


def test_a_part_of_olympicarena_with_other_rows_is_refused(monkeypatch):
    row = HUB_ROWS["olympicarena"][1]
    monkeypatch.setattr(benchmarks.r, "hub_rows", lambda *pinned, hint: iter([row]))
    with pytest.raises(benchmarks.r.BadInput, match=r"Math.* gave 1 rows, the table says 2,977"):
        benchmarks.load_hub("olympicarena")
    assert benchmarks.load_hub("olympicarena", other_rows=True)[0]


@pytest.mark.slow
def test_the_hub_out_of_reach_is_a_clear_error(run_script, tmp_path):
    done = run_script(
        "04_eval/run_eval.py",
        "--model",
        "m",
        "--base-url",
        "http://127.0.0.1:9/v1",
        "--benchmarks",
        "gsm8k",
        "--output",
        tmp_path,
        check=False,
        env={"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)},
    )
    assert (
        done.returncode == 2
        and "GSM8K (openai/gsm8k" in done.stderr
        and "--data" in done.stderr
        and "Traceback" not in done.stderr
    )
