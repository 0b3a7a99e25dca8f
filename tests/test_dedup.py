"""Duplicates: the contract of the rejected rows, numbers, candidates against a full comparison,
ugly text, memory bounded families."""

import itertools
import json
import random
import re
import time

import dedup
import equal_questions
import numpy as np
import pytest
import question_text
from calling import call
from conftest import read_jsonl, write_jsonl
from hypothesis import given, settings
from hypothesis import strategies as st


def grams(text):
    words = re.findall(r"\w+", text.lower())
    return {tuple(words[i : i + 3]) for i in range(max(1, len(words) - 2))} if words else set()


def jaccard(one, other):
    one, other = grams(one), grams(other)
    return len(one & other) / len(one | other)


def run(run_script, tmp_path, questions, *options):
    source = tmp_path / "a.jsonl"
    source.write_text(
        "".join(
            json.dumps({"id": f"q{i}", "question": text, "note": i}) + "\n"
            for i, text in enumerate(questions)
        )
    )
    output = tmp_path / "b.jsonl"
    run_script("01_extract/dedup.py", "--input", source, "--output", output, *options)
    rejected = read_jsonl(tmp_path / "b.rejected.jsonl")
    assert len(read_jsonl(output)) + len(rejected) == len(questions)
    return [row["note"] for row in read_jsonl(output)], {row["note"]: row for row in rejected}


BASE = "A train leaves the station at noon and travels east with constant speed while a second train follows it on the same track"


def test_the_first_stands_and_the_rejected_row_says_why(run_script, tmp_path):
    kept, gone = run(
        run_script,
        tmp_path,
        [
            BASE,
            "What is an acid?",
            BASE.upper() + " ?!",
            BASE.replace("noon", "dawn"),
            "WHAT is an acid",
            "",
        ],
    )
    assert kept == [0, 1, 5]
    assert {n: row["duplicate_of"] for n, row in gone.items()} == {2: "q0", 3: "q0", 4: "q1"}
    assert {row["reason"] for row in gone.values()} == {"duplicate"}
    assert gone[2]["jaccard"] == 1 and gone[3]["jaccard"] == pytest.approx(
        jaccard(BASE, BASE.replace("noon", "dawn")), abs=1e-4
    )


def test_numbers_count(run_script, tmp_path):
    one = "A wooden block of mass 5 kg is pulled along a rough horizontal table by a steady force of 20 N ; find the acceleration of the block"
    questions = [
        one,
        one.replace("20 N", "30 N"),
        one.replace("20 N", "20N"),
        one.replace("5 kg", "5.0 kg"),
        one.replace("5 kg", "five kg"),
        one.replace("5 kg", "20 kg").replace("20 N", "5 N"),
        one + " (take g = 9.8)",
    ]
    kept, _ = run(run_script, tmp_path, questions)
    assert kept == [0, 1, 5]
    short = ["What is 3 times 7?", "What is 5 times 8?"]
    assert run(run_script, tmp_path, short)[0] == [0, 1]


def test_other_subjects_are_other_questions(run_script, tmp_path):
    """Pairs of MedQuAD and ChemBench that were merged by their frame alone, and edits of one
    question."""
    questions = [
        "What are the treatments for Osteoporosis ?",
        "What are the treatments for abetalipoproteinemia ?",
        r"What is the total electron count of \ce{H2O2}?",
        r"What is the total electron count of \ce{Cl2O}?",
        "Which of the following is true of the spine?",
        "Which of the following is not true of the spine?",
        "WHAT are the treatments for osteoporosis",
    ]
    kept, gone = run(run_script, tmp_path, questions)
    assert kept == [0, 1, 2, 3, 4, 5] and gone[6]["duplicate_of"] == "q0"
    case = "A sample of 2 mol of a perfect gas at 300 K is compressed reversibly and without heat exchange to half its volume by a piston. "
    long = [
        case + "Calculate the work $w$ done.",
        case + "Calculate the entropy $S$ gained.",
        case + "Calculate the work $w$ done!",
    ]
    kept, gone = run(run_script, tmp_path, long)
    assert kept == [0, 1] and gone[2]["jaccard"] == 1


def test_dedup_merges_by_answer(run_script, tmp_path, shared):
    """At most 1 % of MedQuAD's rows may go to a question on another disease or of another kind."""
    rows = read_jsonl(shared / "qa" / "medquad.jsonl")
    _, gone = run(run_script, tmp_path, [row["question"] for row in rows])
    wrong = [
        number
        for number, row in gone.items()
        for other in [rows[int(row["duplicate_of"][1:])]]
        if (rows[number]["focus"].lower(), rows[number]["qtype"])
        != (other["focus"].lower(), other["qtype"])
    ]
    assert len(wrong) <= 0.01 * len(rows) and len(gone) - len(wrong) >= 75


def test_same_words_with_other_operators_are_other_questions(run_script, tmp_path):
    questions = ["Compute 12 + 5", "Compute 12 * 5", "compute 12+5", "Solve x = -3", "Solve x = 3"]
    kept, _ = run(run_script, tmp_path, questions)
    assert kept == [0, 1, 3, 4]


@pytest.mark.slow
def test_candidates_are_those_of_a_full_comparison(run_script, tmp_path):
    """Every rejected row has its Jaccard with a kept row, and next to nothing above the threshold
    is left among the kept rows."""
    rng = random.Random(3)
    vocabulary = [f"w{chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(400)]
    questions = []
    for _ in range(700):
        if questions and rng.random() < 0.4:
            words = rng.choice(questions).split()
            for _ in range(rng.randrange(4)):
                words[rng.randrange(len(words))] = rng.choice(vocabulary)
        else:
            words = rng.choices(vocabulary, k=rng.randrange(8, 40))
        questions.append(" ".join(words))
    kept, gone = run(run_script, tmp_path, questions)
    assert len(gone) > 100
    for number, row in gone.items():
        other = int(row["duplicate_of"][1:])
        assert other in kept and other < number
        assert (
            row["jaccard"] == pytest.approx(jaccard(questions[number], questions[other]), abs=1e-4)
            and row["jaccard"] >= 0.6
        )
    sets = {n: grams(questions[n]) for n in kept}
    left = sum(
        len(sets[a] & sets[b]) >= 0.6 * len(sets[a] | sets[b])
        and not question_text.other_words(questions[a], questions[b])
        for i, a in enumerate(kept)
        for b in kept[:i]
    )
    assert left <= 0.05 * len(gone)  # short ones with another word are two questions


def test_bands_are_shared_as_often_as_theory_says():
    """Sets of Jaccard 0.3 and 0.6: they share a band with 1 - (1 - t^r)^b, here 0.086 and 0.95."""
    rng = np.random.default_rng(0)
    bands, rows = dedup.bands_and_rows(0.6)
    for overlap, low, high in ((24, 0.93, 0.97), (15, 0.06, 0.11)):
        hit = 0
        for _ in range(20):
            values = rng.integers(0, 2**63, (200, 32), dtype=np.uint64)
            values[100:, :overlap] = values[:100, :overlap]
            keys = dedup.band_keys(values.ravel(), np.arange(201) * 32, bands, rows)
            hit += (keys[:, :100] == keys[:, 100:]).any(axis=0).sum()
            assert len(np.unique(keys[:, :100])) > 0.99 * keys[:, :100].size
        assert low < hit / 2000 < high


def test_pairs_are_those_of_the_bands():
    keys = np.array([[1, 1, 2, 1], [5, 6, 6, 7]], dtype=np.uint32)
    pairs = dedup.candidate_pairs(keys, np.arange(4), lambda position: 0)
    assert pairs.tolist() == [[1, 0], [2, 1], [3, 0], [3, 1]]


def test_bands_find_pairs_at_the_threshold():
    for threshold in (0.3, 0.5, 0.6, 0.8, 0.9, 1.0):
        bands, rows = dedup.bands_and_rows(threshold)
        assert 1 - (1 - threshold**rows) ** bands >= 0.95 and bands * rows <= 256


@pytest.mark.slow
def test_a_template_with_many_fillings_is_not_compared_pair_by_pair(run_script, tmp_path):
    """1,500 rows that share every band: without a bound on a bucket this takes minutes."""
    frame = "A sample of an ideal gas is held in a rigid container whose walls conduct heat well ; it holds {} mol at {} K and you find the pressure"
    questions = [frame.format(i % 60 + 2, i // 60 + 250) for i in range(1500)] + [
        frame.format(7, 255).replace("rigid", "stiff")
    ]
    kept, gone = run(run_script, tmp_path, questions)
    assert list(gone) == [1500] and len(kept) == 1500 and gone[1500]["question"].count("stiff") == 1


def test_chains_end_at_a_kept_row(run_script, tmp_path):
    words = [f"word{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(34)]
    chain = [" ".join(words[shift : shift + 24]) for shift in (0, 3, 6, 9)]
    kept, gone = run(run_script, tmp_path, [*chain, chain[1]])
    for row in gone.values():
        assert int(row["duplicate_of"][1:]) in kept
        assert jaccard(row["question"], chain[int(row["duplicate_of"][1:])]) >= 0.6
    assert (
        2 in kept and gone[4]["duplicate_of"] == "q0"
    )  # the copy of a dropped row names the row that is kept


def test_ugly_rows(run_script, tmp_path):
    texts = [
        "",
        " ",
        "?!",
        "",
        "\u2028",
        "ΣΟΦΟΣ ΟΔΟΣ",
        "σοφος οδος",
        "水的沸点是多少?",
        "水的沸点是多少",
        "İstanbul nerede",
        "x" * 70_000,
        "\ud800 lone",
        "\ud800 lone!",
    ]
    kept, gone = run(run_script, tmp_path, texts)
    assert kept == [0, 1, 2, 3, 4, 5, 7, 9, 10, 11] and set(gone) == {6, 8, 12}
    assert (tmp_path / "b.jsonl").read_text().count("\n") == len(kept)


def answered(*answers, **more):
    """Rows of one question, one for each (answer, reference)."""
    return [
        {"question": BASE + " When do they meet?", "answer": a, "reference_answer": ref, **more}
        for a, ref in answers
    ]


def test_questions_after_one_introduction_are_two(tmp_path):
    """Illowsky, Introductory Statistics: five exercises on one table; dedup kept the first."""
    stem = (
        "*Use the following information to answer the next seven exercises:* A ballet instructor wants to know what "
        "percent of each year's class will continue on to the next, so that she can plan what classes to offer.\n\n"
        "- Let *X* = the number of years a student will study ballet with the teacher.\n"
        "- Let *P*(*x*) = the probability that a student will study ballet *x* years."
    )
    tasks = [
        "In words, define the random variable *X*.",
        "*P*(*x* < 4) = ____",
        "*P*(*x* < 4) = __ ?",
    ]
    rows = [{"id": f"q{i}", "question": f"{stem}\n\n{task}"} for i, task in enumerate(tasks)]
    write_jsonl(tmp_path / "a.jsonl", rows)
    call(dedup, "--input", tmp_path / "a.jsonl", "--output", tmp_path / "b.jsonl")
    assert [row["id"] for row in read_jsonl(tmp_path / "b.jsonl")] == ["q0", "q1"]
    gone = read_jsonl(tmp_path / "b.rejected.jsonl")
    assert [(row["id"], row["duplicate_of"]) for row in gone] == [("q2", "q1")]


MANOMETER = (
    "The pressure of a sample of gas is measured at sea level with an {}-end manometer, as the drawing shows. "
    "Determine the pressure of the gas in {}."
)
NEAR = [  # (answers of two near-equal questions, are both kept)
    # OpenStax Chemistry 2e, chapter 9: exercises that differ by their drawing and the unit asked
    # for
    (("It is 0.615 atm.", "It is 468 torr."), True),
    (
        (
            "The pressure equals that of a column of mercury of height 26.4 cm, or 264 mm, so that it is 264 torr. In "
            "pascal these are 264 times 133.3, which is 35,200 Pa, and in bar it is that number over 100,000: 0.352 bar.",
            "(a) 150 torr; (b) 20,000 Pa; (c) 0.20 bar",
        ),
        True,
    ),
    (
        (
            "The column is 26.4 cm high. Each mm is a torr, so it is 264 torr in all, far from zero.",
            "264 torr",
        ),
        False,
    ),
    (("The pressure is $\\boxed{0.974}$ atm.", "The pressure is $\\boxed{1.02}$ atm."), True),
    (("The pressure is 0.5 atm.", "The pressure is \\boxed{1/2} atm."), False),
    (("It follows from the height of the column.", "\\boxed{1.02}"), False),  # cannot tell
    (("\\boxed{1.02}", None), False),
]


@pytest.mark.parametrize(("told", "both"), NEAR)
def test_near_questions_with_other_answers_are_two(tmp_path, told, both):
    asked = [MANOMETER.format("open", "kPa"), MANOMETER.format("open", "kPa") + " Explain."]
    rows = [
        {"id": f"q{i}", "question": question, "answer": answer}
        for i, (question, answer) in enumerate(zip(asked, told, strict=True))
    ]
    rows.append({**rows[1], "id": "q2", "question": rows[1]["question"] + " Please"})
    write_jsonl(tmp_path / "a.jsonl", rows)
    call(dedup, "--input", tmp_path / "a.jsonl", "--output", tmp_path / "b.jsonl")
    kept = [row["id"] for row in read_jsonl(tmp_path / "b.jsonl")]
    assert kept == ["q0", "q1"][: 1 + both]
    gone = read_jsonl(tmp_path / "b.rejected.jsonl")[-1]
    assert (gone["id"], gone["duplicate_of"]) == ("q2", "q1" if both else "q0")


CONFLICTS = [  # (rows, numbers of those kept, reasons of the others)
    (answered(("So \\boxed{4 h}.", None), ("\\boxed{240 min}", None)), [0], ["duplicate"]),
    (answered(("\\boxed{4}", None), ("\\boxed{5}", None)), [], ["answers disagree"] * 2),
    (  # most rows; prose is no answer to compare
        answered(
            *[(f"\\boxed{{{n}}}", None) for n in (4, 5, 5)],
            ("They meet late. Since ... so it is.", None),
        ),
        [1],
        ["other answer", "duplicate", "duplicate"],
    ),
    (answered(("Paris", None), ("The town of light", None)), [0], ["duplicate"]),  # cannot tell
]


@pytest.mark.parametrize(("rows", "stay", "reasons"), CONFLICTS)
def test_equal_questions_with_unequal_answers_are_resolved(tmp_path, rows, stay, reasons):
    told = "They meet where the second train, which is the faster one, has made up for its later start."
    near = {"question": BASE + " when do they meet then?", "answer": told, "reference_answer": None}
    rows = [{"id": f"q{i}", **row} for i, row in enumerate([*rows, near])]
    write_jsonl(tmp_path / "a.jsonl", rows)
    call(dedup, "--input", tmp_path / "a.jsonl", "--output", tmp_path / "b.jsonl")
    kept = {row["id"] for row in read_jsonl(tmp_path / "b.jsonl")}
    gone = read_jsonl(tmp_path / "b.rejected.jsonl")
    of_near = [row for row in gone if row["id"] == rows[-1]["id"]]
    assert kept == {f"q{i}" for i in stay or [len(rows) - 1]}, (
        "a near-duplicate stays if no other does"
    )
    assert [row["reason"] for row in gone if row not in of_near] == reasons
    for row in gone:
        assert row["reason"] == "answers disagree" or row["duplicate_of"] in kept
        if row["reason"] in ("other answer", "answers disagree"):
            assert len(row["answers"]) == 2 and all(found["answer"] for found in row["answers"])


def test_rows_without_id_and_other_fields(run_script, tmp_path):
    source = tmp_path / "a.jsonl"
    source.write_text(
        '{"instruction": "What is a mole of a substance?"}\n' * 2 + '{"instruction": null}\n'
    )
    run_script(
        "01_extract/dedup.py",
        "--input",
        source,
        "--output",
        tmp_path / "b.jsonl",
        "--field",
        "instruction",
    )
    kept, (gone,) = read_jsonl(tmp_path / "b.jsonl"), read_jsonl(tmp_path / "b.rejected.jsonl")
    assert len(kept) == 2 and gone["duplicate_of"] == kept[0]["id"] != gone["id"]


def test_empty_file_second_run_and_bad_input(run_script, tmp_path):
    source = write_jsonl(tmp_path / "a.jsonl", [])
    command = ("01_extract/dedup.py", "--input", source, "--output", tmp_path / "b.jsonl")
    run_script(*command)
    assert (tmp_path / "b.jsonl").read_bytes() == b"" and "finished already" in run_script(
        *command
    ).stderr
    source.write_text('{"id": 1, "question": "q"}\n{"id": 2, "text": "q"}\n')
    done = run_script(*command, check=False)
    assert (
        done.returncode == 2
        and 'line 2: field "question" is missing' in done.stderr.splitlines()[-1]
    )
    source.write_text('{"id": 1, "question": 5}\n')
    done = run_script(*command, check=False)
    assert done.returncode == 2 and "must be a text" in done.stderr.splitlines()[-1]
    assert run_script(*command, "--threshold", "60", check=False).returncode == 2


@settings(deadline=None, max_examples=150)
@given(st.lists(st.text(max_size=60), min_size=1, max_size=6))
def test_shingles_are_those_of_the_plain_definition(texts):
    """Equal hashes exactly where Python's \\w+ and lower() give equal 3-grams, whatever the
    characters."""
    values, places, whole = dedup.shingles(texts)
    ours = [set(values[a:b].tolist()) for a, b in itertools.pairwise(places)]
    plain = [grams(text) for text in texts]
    for mine, theirs in zip(ours, plain, strict=True):
        assert len(mine) == len(theirs)
    for i, mine in enumerate(ours):
        for j, other in enumerate(ours):
            assert len(mine & other) == len(plain[i] & plain[j])
            same = re.findall(r"\w+", texts[i].lower()) == re.findall(r"\w+", texts[j].lower())
            assert (whole[i] == whole[j]) == same


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=80), st.text(max_size=80))
def test_numbers_never_raise_and_agree_with_themselves(one, other):
    assert not question_text.other_numbers(one, one)
    assert question_text.other_numbers(one, other) == question_text.other_numbers(other, one)


def test_absurd_texts_take_no_time():
    for text in (
        "hundred " * 9000,
        "million-thousand-" * 5000,
        "A. b " * 20_000,
        "1 " * 50_000,
        "one and " * 20_000,
        "9" * 100_000,
    ):
        started = time.process_time()
        question_text.numbers(text)
        question_text.words_of(question_text.split_options(text)[0])
        assert time.process_time() - started < 3


@pytest.mark.parametrize(
    "one, other, differ",
    [
        ("16 N", "16N", False),
        ("3.0 m", "3 m", False),
        ("1,000 units", "1000 units", False),
        ("twelve men", "12 men", False),
        ("one thousand nine hundred and fifty", "1950", False),
        ("twenty-one cards", "21 cards", False),
        ("½ of it", "1/2 of it", False),
        ("x = −3", "x = -3", False),
        ("x = -3", "x = 3", True),
        ("3 × 4", "3 * 4", False),
        ("3 + 4", "3 * 4", True),
        ("1 , 000 units", "1,000 units", False),
        ("5 apples, 3 pears", "3 apples, 5 pears", True),
        ("which one of the 4", "which of the 4", False),
        ("10^{-3} m", "10^{3} m", True),
        ("a force of 5 N", "a force of 5 N (g = 9.8)", False),
        ("two cats", "three cats", True),
        ("half of 8", "1/2 of 8", False),
        ("$2{,}500$ J", "2500 J", False),
        ("three and four", "3 and 4", False),
        ("one dog", "1 dog", False),
        ("x² + 1", "x2 + 1", False),
    ],
)
def test_what_a_number_is(one, other, differ):
    assert question_text.other_numbers(one, other) == differ


def test_natural_pairs_of_two_editions(run_script, tmp_path, shared):
    """Labelled pairs: recall at Jaccard >= 0.8 and the Jaccard of every rejected row."""
    pairs = read_jsonl(shared / "qa" / "natural_near_duplicates_openstax_stats.jsonl")
    kept, gone = run(
        run_script, tmp_path, [pair[f"question_{side}"] for pair in pairs for side in "ab"]
    )
    alike = [
        n for n, pair in enumerate(pairs) if jaccard(pair["question_a"], pair["question_b"]) >= 0.8
    ]
    found = [n for n in alike if not {2 * n, 2 * n + 1} <= set(kept)]
    assert len(found) >= 0.95 * len(alike)
    assert all(row["jaccard"] >= 0.6 for row in gone.values())


def test_pairs_whose_answers_differ_are_looked_for_once(tmp_path):
    """The whole search ran again, words and vectors alike, where answers told a pair apart."""
    answers = ["\\boxed{0.974}", "\\boxed{1.02}", "\\boxed{1.020}", "\\boxed{0.974}", None]
    rows = [{"id": str(i), "answer": answer} for i, answer in enumerate(answers)]
    reads, asked = [], []

    def read():
        reads.append(1)
        return iter(rows)

    def likeness(later, earlier):
        asked.append((later, earlier))
        return 0.95

    claims = equal_questions.Claims(read, np.array(list(map(equal_questions.answer_hash, rows))))
    pairs = sorted((later, earlier) for earlier, later in itertools.combinations(range(5), 2))
    found = dedup.resolve(np.array(pairs), likeness, lambda later, earlier: False, claims)
    assert found == {2: (1, 0.95), 3: (0, 0.95), 4: (0, 0.95)}
    assert set(asked) == set(pairs) and len(asked) <= 2 * len(pairs) and len(reads) == 1
