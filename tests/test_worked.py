"""Worked problems taken word for word: forms of labels and keys, places in the document, real
chapters."""

import importlib.util
import re
import time

import chunk_documents
import extract_qa
import pytest
import worked_problems as w
from calling import call
from conftest import ROOT, read_jsonl, write_jsonl
from fake_server import FakeServer


def pairs_of(text):
    pairs, left = w.find_pairs(text)
    for pair in pairs:
        assert text[pair.answer_start : pair.answer_end].strip() == pair.answer
        assert text[pair.start : pair.end].strip() in pair.question
    return [(pair.question, pair.answer) for pair in pairs], [q.number for q in left]


FORMS = [  # (text, pairs, numbers of the questions left open)
    (
        "**Example 1.** A stone falls 20 m. How long?\n\n**Solution.** It takes 2.0 s.",
        [("A stone falls 20 m. How long?", "It takes 2.0 s.")],
        [],
    ),
    ("Example 10.1. Find a in x = a.\n\nSolution. a = x.", [("Find a in x = a.", "a = x.")], []),
    (
        "**Example 5.1: Braking.** A car stops. Why?\n\n**Solution.** Friction.",
        [("A car stops. Why?", "Friction.")],
        [],
    ),
    (  # University Physics: title, strategy, solution, significance
        "##### Example 3\n\n**What *F* Does?**\n\nA car brakes. How far?\n\n**Strategy**\n\nUse energy.\n\n**Solution**\n\nIt goes\n\n$$s=5$$\n\n"
        "**Significance**\n\nCars stop.\n\n## Next",
        [
            (
                "A car brakes. How far?",
                "**Strategy**\n\nUse energy.\n\n**Solution**\n\nIt goes\n\n$$s=5$$",
            )
        ],
        [],
    ),
    (  # Chemistry 2e: the answer of "Check Your Learning" under a heading of its own, prose after it
        "#### Example 1\n\nConvert 1 atm.\n\n**Solution**\n\nMultiply.\n\nThe result follows.\n\n**Check Your Learning**\n\nConvert 2 atm.\n\n"
        "##### Note: Answer:\n\n1520 torr\n\nGases are measured by a barometer.",
        [("Convert 1 atm.", "Multiply.\n\nThe result follows."), ("Convert 2 atm.", "1520 torr")],
        [],
    ),
    (  # an answer in several paragraphs, bounded by the next exercise; one without an answer
        "## Problems\n\n**Problem 1.** Find a.\n\n(i) twice\n\n**Solution 1.** First.\n\nThen.\n\n**Problem 2.** Find b.\n\n**Problem 3.** Find c.\n\n*Answer.* c = 3",
        [("Find a.\n\n(i) twice", "First.\n\nThen."), ("Find c.", "c = 3")],
        ["2"],
    ),
    (
        "**Problem 13.** Solve $y' = x$.\n\n**Solution to the problem above.** $y = x^2/2$",
        [("Solve $y' = x$.", "$y = x^2/2$")],
        [],
    ),
    (  # prose after a run-in answer is not the answer, what works with the numbers of the question is
        "**Example 2.** A buffer holds 0.20 mol. What is its pH?\n\n**Solution.** It is 5.\n\nWith 0.20 mol of salt it rises.\n\nSalts are common.",
        [
            (
                "A buffer holds 0.20 mol. What is its pH?",
                "It is 5.\n\nWith 0.20 mol of salt it rises.",
            )
        ],
        [],
    ),
    (  # a shared introduction goes before each of its questions
        "## Homework\n\n*Use the following information to answer the next two exercises:* A die is cast.\n\n**Problem 1.** Mean?\n\n**Solution 1.** 3.5\n\n"
        "**Problem 2.** Mode?\n\n**Solution 2.** none\n\n**Problem 3.** Is 7 prime?\n\n**Solution 3.** yes",
        [
            (
                "*Use the following information to answer the next two exercises:* A die is cast.\n\nMean?",
                "3.5",
            ),
            (
                "*Use the following information to answer the next two exercises:* A die is cast.\n\nMode?",
                "none",
            ),
            ("Is 7 prime?", "yes"),
        ],
        [],
    ),
    (  # an example whose solution bears no label
        "**Example 4.** Find the general solution of $y' = y^2$.\n\nWrite $x' = 1/y^2$, so $y = 1/(C-x)$.\n\nProse follows here.",
        [("Find the general solution of $y' = y^2$.", "Write $x' = 1/y^2$, so $y = 1/(C-x)$.")],
        [],
    ),
    (  # a key at the end of the book, by chapter; odd numbers only
        "# Chapter 1. Motion\n\n## Exercises\n\n1. How fast?\n2. How far?\n   a. near\n   b. far\n3. Why?\n\n# Chapter 2. Force\n\n## Exercises\n\n1. What force?\n"
        "2. Which law?\n\n# Answers to Selected Exercises\n\n## Chapter 1\n\n1. 50 km/h\n3. Because.\n\n## Chapter 2\n\n1. Friction,\n   the static one.",
        [
            ("How fast?", "50 km/h"),
            ("Why?", "Because."),
            ("What force?", "Friction,\n   the static one."),
        ],
        ["2", "2"],
    ),
    (
        "## Review Questions\n\n1. Even?\n   A. 3\n   B. 4\n\n2. Odd?\n   A. 3\n   B. 4\n\n### Answer Key\n\n1. B  2. A",
        [("Even?\n   A. 3\n   B. 4", "B"), ("Odd?\n   A. 3\n   B. 4", "A")],
        [],
    ),
    (
        "Problems of this kind are common.\n\nExample 5.1 shows that.\n\n## Analysis of Sorting\n\nText.",
        [],
        [],
    ),
    ("**Theorem 2.** All is one.\n\n*Proof.* Clear.", [], []),
    (  # OpenStax Biology: the last option of the only problem of a section was its question
        "### Review Questions\n\n**Problem.** What occurs?\n\n1.  ATP is used.\n2.  Fructose splits.\n3.  ATP is made.\n\n**Solution.** C\n\n### Next",
        [("What occurs?\n\n1.  ATP is used.\n2.  Fructose splits.\n3.  ATP is made.", "C")],
        [],
    ),
    ("**Problem 1.** Find a.\n\n## Other section\n\n**Solution 2.** b = 2", [], ["1"]),
    (
        "## Review Questions\n\n**4.1** What is a joule?\n\n**4.2** Which two?\n\n### Answer Key\n\n4.1 A newton times a metre.\n\n4.2 Both.",
        [("What is a joule?", "A newton times a metre."), ("Which two?", "Both.")],
        [],
    ),
]


@pytest.mark.parametrize(("text", "pairs", "left"), FORMS)
def test_forms_of_books(text, pairs, left):
    assert pairs_of(text) == (pairs, left)


@pytest.mark.parametrize(
    "text", ["1. a\n", "Example 1. Why?\n\nb\n\n", "**Answer.** a\n\n", "$$\n\n", "```\n\n## a\n\n"]
)
def test_a_book_is_read_in_linear_time(text):
    started = time.process_time()
    w.find_pairs("## Exercises\n\n" + text * 20_000)
    assert time.process_time() - started < 3


def test_two_exercises_of_one_number_take_no_answer_by_chance():
    text = "## Exercises\n\n1. How fast?\n2. Far?\n\n## More Exercises\n\n1. Why?\n2. When?\n\n## Answers\n\n1. Because.\n2. Now."
    assert pairs_of(text) == ([], ["1", "2", "1", "2"])


def test_a_stray_label_does_not_stop_the_numbering():
    key = "## Answers\n\n1. a\n2. b\n3. c\n4. d"
    text = "## Problems\n\n1. A?\n\n2. B?\n\n**Example.** Find e.\n\n3. C?\n\n4. D?\n\n"
    answers = [answer for _, answer in pairs_of(text + key)[0]]
    assert answers == ["a", "b", "c", "d"]
    text = "## Problems\n\n1. A?\n\nAnswer: a\n\n2. B?\n\nAnswer: b\n\n3. C?\n\n4. D?"
    assert pairs_of(text) == ([("A?", "a"), ("B?", "b")], ["3", "4"])
    text = "## Problems\n\n**Problem 1.** Which?\n\n1. a\n2. b\n\n**Problem 2.** Why?"
    assert pairs_of(text) == ([], ["1", "2"])  # options


def test_a_key_answers_the_questions_before_it_only():
    quiz = "# Chapter 4\n\n## Answers to the quiz of Chapter 3\n\n1. It is five newton.\n2. No.\n\n## Exercises\n\n1. When does water boil?\n2. Why?"
    assert pairs_of(quiz) == ([], ["1", "2"])
    text = "## Exercises\n\n1. How fast?\n2. Far?\n\n## Answers\n\n1. Very.\n2. Yes.\n\n## Review Exercises\n\n1. Why?\n2. When?"
    assert pairs_of(text) == ([("How fast?", "Very."), ("Far?", "Yes.")], ["1", "2"])


@pytest.mark.parametrize(
    ("problem", "solution", "title"),
    [
        ("**Problem {}** Find a.", "**Solution {}** It is a.", "Solutions to Problems"),
        ("{} Find a.", "{} It is a.", "Answers to Selected Exercises"),
    ],
)
def test_a_key_at_the_end_of_the_book_answers_all_its_chapters(problem, solution, title):
    numbers = [[f"{chapter}.{item}" for item in (1, 2, 3)] for chapter in (1, 2, 3)]
    parts = []
    for chapter, its in enumerate(numbers, 1):
        parts += [f"# Chapter {chapter}. Motion", "## Exercises", *map(problem.format, its)]
    parts += [f"# {title}", *(solution.format(number) for its in numbers for number in its)]
    pairs, _ = pairs_of("\n\n".join(parts))
    assert len(pairs) == (9 if "Problems" in title else 3)


def test_standards():
    assert w.standard_of("B") == "low" and w.standard_of("$y = x$") == "low"
    assert (
        w.standard_of("$a = b$, so $b = c = 4$") == "high" and w.standard_of("word " * 50) == "high"
    )


def test_the_command_on_documents_and_on_chunks(tmp_path):
    text = "Intro prose, a few words of it.\n\n**Example 1.** A stone falls. How long?\n\n**Solution.** It takes 2 s.\n\n## Problems\n\n**Problem 2.** Why?\n\n"
    text += "**Problem 3.** When?\n\n*Answer.* Now."
    page2 = text.index("**Solution.**")
    document = {
        "id": "d",
        "title": "T",
        "subject": "physics",
        "text": text,
        "pages": [[7, 0], [8, page2]],
        "source": "b.pdf",
        "license": "CC BY 4.0",
    }
    write_jsonl(tmp_path / "d.jsonl", [document])
    call(
        extract_qa,
        "--input",
        tmp_path / "d.jsonl",
        "--output",
        tmp_path / "w.jsonl",
        "--mode",
        "worked",
    )
    rows, rejected = read_jsonl(tmp_path / "w.jsonl"), read_jsonl(tmp_path / "w.rejected.jsonl")
    assert [
        (row["question"], row["answer"], row["pages"], row["proof"]["pages"]) for row in rows
    ] == [
        ("A stone falls. How long?", "It takes 2 s.", [7, 7], [8, 8]),
        ("When?", "Now.", [8, 8], [8, 8]),
    ]
    for row in rows:
        assert text[slice(*row["question_span"])] == row["question"] and row["grounded"]
        assert text[row["proof"]["start"] : row["proof"]["end"]] == row["answer"]
        assert row["license"] == "CC BY 4.0" and row["generator"] == [] and "text" not in row
    assert [(row["question"], row["reason"]) for row in rejected] == [
        ("Why?", "no answer in the book")
    ]
    call(
        chunk_documents,
        "--input",
        tmp_path / "d.jsonl",
        "--output",
        tmp_path / "c.jsonl",
        "--tokenizer",
        "words",
        "--max-tokens",
        "22",
    )
    assert len(read_jsonl(tmp_path / "c.jsonl")) > 1
    call(
        extract_qa,
        "--input",
        tmp_path / "c.jsonl",
        "--output",
        tmp_path / "v.jsonl",
        "--mode",
        "worked",
    )
    again = read_jsonl(tmp_path / "v.jsonl")
    for field in ("question", "answer", "pages", "proof", "question_span", "label"):
        assert [row[field] for row in again] == [row[field] for row in rows]
    assert {row["source_id"] for row in again} <= {
        row["id"] for row in read_jsonl(tmp_path / "c.jsonl")
    }


def test_worked_pairs_beside_those_of_a_small_model(tmp_path):
    prose = (
        "Friction turns kinetic energy into heat wherever two surfaces slide over each other, and it grows with the load on them. "
        * 3
    )
    text = f"{prose}\n\n**Example 1.** {prose} How long?\n\n**Solution.** {prose} It takes 2 s."
    write_jsonl(
        tmp_path / "c.jsonl",
        [{"id": "c", "doc_id": "d", "start": 0, "subject": "physics", "text": text}],
    )
    answer = '{"question": "What does friction turn into heat?", "answer": "Kinetic energy."}'
    with FakeServer(lambda messages, body: answer) as server:
        call(
            extract_qa,
            "--input",
            tmp_path / "c.jsonl",
            "--output",
            tmp_path / "o.jsonl",
            "--mode",
            "paragraph",
            "--worked",
            "--model",
            "m",
            "--base-url",
            server.url,
        )
        assert len(server.requests) == 2 and not any(
            "Example 1" in str(q["messages"][-1]) for q in server.requests
        )
    rows = read_jsonl(tmp_path / "o.jsonl")
    assert [(row["method"], row["standard"], row["generator"]) for row in rows] == [
        ("worked", "high", []),
        ("paragraph", "high", ["m"]),
        ("paragraph", "low", ["m"]),
    ]


def test_a_standard_that_is_not_asked_for_is_rejected(tmp_path):
    text = "**Problem 1.** Why?\n\n**Solution 1.** So."
    write_jsonl(
        tmp_path / "d.jsonl",
        [
            {"id": "d", "subject": "physics", "text": text},
            {"id": "e", "subject": None, "text": "Prose."},
        ],
    )
    call(
        extract_qa,
        "--input",
        tmp_path / "d.jsonl",
        "--output",
        tmp_path / "w.jsonl",
        "--mode",
        "worked",
        "--standard",
        "high",
    )
    assert read_jsonl(tmp_path / "w.jsonl") == []
    reasons = [row["reason"] for row in read_jsonl(tmp_path / "w.rejected.jsonl")]
    assert reasons == ["of the other standard", "no worked problem"]


def test_the_sample_books_give_all_their_pairs():
    for path in sorted((ROOT / "data/sample/textbooks").glob("*.md")):
        text = path.read_text(encoding="utf-8")
        pairs, left = w.find_pairs(text)
        assert (
            len(pairs) == len(re.findall(r"^(?:\*\*Solution|\*Answer)", text, re.MULTILINE)) >= 7
        ), path.name
        assert not left


def test_real_chapters_give_what_a_person_counts(shared):
    """The truth and the counting are those of tests/bench/worked.py."""
    spec = importlib.util.spec_from_file_location("bench_worked", ROOT / "tests/bench/worked.py")
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    found, counted, wrong, _ = bench.measure_chapters(shared / "textbooks")
    assert found >= 0.9 * counted and wrong < 0.02 * found, (found, counted, wrong)
    found, asked, wrong = bench.measure_keys(
        shared / "qa" / "openstax_problem_solutions.jsonl", 600
    )
    assert found >= 0.9 * asked and wrong < 0.02 * found, (found, asked, wrong)
