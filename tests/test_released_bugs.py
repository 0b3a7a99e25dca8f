"""Each defect that was found in the evaluator released with the paper has a test here that shows
ours right.

The paper: arXiv 2507.16812; its evaluator: GAIR-NLP/lm-open-science-evaluation. The defects were
found by running it.
"""

import collections
import random

import benchmark_rows
import benchmarks
import pytest
import run_eval
from calling import call
from conftest import read_jsonl, write_jsonl
from fake_server import FakeServer

import answers


def test_1_gpqa_the_right_letter_is_not_always_the_same():
    """The released code seeds the generator anew before each shuffle: all 198 right answers are
    D."""
    theirs, ours = set(), collections.Counter()
    for number in range(198):
        random.seed(42)
        order = ["right", "wrong 1", "wrong 2", "wrong 3"]
        random.shuffle(order)
        theirs.add("ABCD"[order.index("right")])
        row = {
            "Question": f"Question {number}?",
            "Correct Answer": f"right {number}",
            **{f"Incorrect Answer {i}": f"wrong {i} {number}" for i in (1, 2, 3)},
        }
        ours[benchmark_rows.read_gpqa_diamond(row)["reference"]] += 1
    assert theirs == {"D"} and min(ours[letter] for letter in "ABCD") > 30


@pytest.mark.parametrize(
    "gold",
    [
        r"90^\circ",
        r"\text{Evelyn}",
        r"\left( \frac{3}{2}, -13 \right)",
        r"(6, 31, -1)",
        r"11\sqrt2",
        r"\frac43",
        "58,500",
        r"\$18.90",
        r"\text{(C)}",
        r"x^3 + 3x - 6",
        r"10\%",
        r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}",
        r"[0, \infty)",
        r"\frac{1}{2}, 3",
    ],
)
def test_2_math500_the_reference_fed_back_is_right(gold):
    """The released code compares a normalised answer with the raw reference: 37 of 500 references
    fed back score wrong."""
    assert answers.grade(f"So the answer is $\\boxed{{{gold}}}$.", gold, "math")


def test_2_math500_every_shared_reference_fed_back_is_right(shared):
    rows = benchmarks.load_folder(shared / "benchmarks" / "math500")["rows"]["math500"]
    assert (
        len(rows) > 150
        and [
            row["id"]
            for row in rows
            if not answers.grade(f"$\\boxed{{{row['reference']}}}$", row["reference"], "math")
        ]
        == []
    )


def test_2_math500_an_earlier_box_does_not_spoil_the_last():
    """The released code wants every distinct box to match, since its reference is a string."""
    assert answers.grade(
        r"The discriminant is $\boxed{25}$, so the larger root is $\boxed{3}$.", "3", "math"
    )


OPTIONS = ["4 cm", "5 cm", "6 cm", "7 cm"]


@pytest.mark.parametrize(
    "response, letter",
    [
        (
            "Option A is wrong because the units differ.\nOption B is too small.\n\\[ \\boxed{C} \\]",
            "C",
        ),  # theirs: A, the first pattern that hits anywhere
        (
            "The result is a decrease in pressure.\nAnswer: C",
            "C",
        ),  # theirs: "a" of "a decrease", graded as A
        ("It is a common mistake to choose B. The correct answer is D.", "D"),
        ("(A) and (B) can be ruled out, the answer is **(C)**", "C"),
    ],
)
def test_3_choice_the_committed_answer_is_read_not_the_first_letter(response, letter):
    assert answers.extract(response, "choice", OPTIONS) == letter


def test_4_chembench_every_right_option_counts():
    """394 of its 2,544 choice rows have several right options; the released code takes only the
    first."""
    row = benchmark_rows.read_chembench(
        dict(
            examples=[dict(input="Which?", target_scores='{"Fire": 1, "Heat": 1.0, "Nothing": 0}')],
            metrics=["x"],
            name="n",
            uuid="u",
        )
    )
    right = {
        option
        for letter, option in zip("ABC", row["options"], strict=True)
        if answers.grade(f"Answer: {letter}", row["reference"], "choice", options=row["options"])
    }
    assert right == {"Fire", "Heat"}


def test_4_chembench_the_right_letters_are_spread(shared):
    """In the source 911 of the right options stand first and 872 second."""
    rows = benchmarks.load_folder(shared / "benchmarks" / "chembench")["rows"]["chembench"]
    four = collections.Counter(
        row["reference"]
        for row in rows
        if row["kind"] == "choice"
        and len(row["options"]) == 4
        and isinstance(row["reference"], str)
    )
    assert sum(isinstance(row["reference"], list) for row in rows) > 10 and max(
        four.values()
    ) < 1.6 * min(four.values()), four


@pytest.mark.parametrize("gold", ["89,034.79", "102,965.21", "−2", "−1.642876"])
def test_5_scibench_references_with_commas_and_unicode_minus_can_be_matched(gold):
    plain = gold.replace(",", "").replace("−", "-")
    assert answers.grade(f"\\boxed{{{plain}}}", gold, "math") and answers.grade(
        f"\\boxed{{{gold}}}", gold, "math"
    )
    assert not answers.grade("\\boxed{17}", gold, "math")


@pytest.mark.parametrize(
    "answer",
    [
        r"11\,\mu\mathrm{T}",
        r"11 \mu \mathrm{T}",
        r"11~\mu T",
        "11 µT",
        r"1.1 \times 10^{-5} \mathrm{~T}",
        "11",
    ],
)
def test_5_scibench_units_with_the_prefix_micro(answer):
    assert answers.grade(f"\\boxed{{{answer}}}", "11", "math", unit=r"\mu \mathrm{T}")
    assert not answers.grade(r"\boxed{11\,\mathrm{T}}", "11", "math", unit=r"\mu \mathrm{T}")


def test_6_the_word_problem_does_not_cut_the_response():
    """The released extractor drops everything after the first "Problem:"."""
    assert answers.grade(
        "Problem: find the larger root.\n\nSolution: the roots are 2 and 7, so the answer is $\\boxed{7}$.",
        "7",
        "math",
    )


@pytest.mark.parametrize(
    "option, sent",
    [
        (["--thinking", "off"], {"enable_thinking": False}),
        (["--thinking", "on"], {"enable_thinking": True}),
        ([], None),
    ],
)
def test_7_thinking_is_an_explicit_option(option, sent, tmp_path):
    """The released code never says whether Qwen3 shall think."""
    write_jsonl(
        tmp_path / "mine.jsonl", [dict(id="a", kind="math", question="1+1?", reference="2")]
    )
    with FakeServer(lambda messages, body: "\\boxed{2}") as server:
        call(
            run_eval,
            "--model",
            "m",
            "--base-url",
            server.url,
            "--benchmarks",
            tmp_path / "mine.jsonl",
            "--output",
            tmp_path / "out",
            *option,
        )
        assert server.requests[0].get("chat_template_kwargs") == sent


def phrasings(row):
    """Ten ways to state the right answer of a row."""
    reference = row["reference"] if isinstance(row["reference"], str) else row["reference"][0]
    if row["kind"] == "choice":
        text = row["options"]["ABCDEFGHIJKLMNOPQRSTUVWXYZ".index(reference)]
        return [
            f"Answer: {reference}",
            f"Let us see.\n\nAnswer: {reference}",
            f"The answer is ({reference}).",
            f"\\boxed{{{reference}}}",
            f"**Answer: {reference}**",
            f"The correct answer is {reference}. {text}",
            f"Therefore the correct option is **{reference}**.",
            f"Answer: {reference}) {text}",
            f"So the answer is:\n\n({reference}) {text}",
            f"I think {reference} is correct.\nAnswer: $\\boxed{{{reference}}}$",
        ]
    return [
        f"\\boxed{{{reference}}}",
        f"We work it out. The final answer is $\\boxed{{{reference}}}$.",
        f"The answer is ${reference}$.",
        f"**Final answer:** {reference}",
        f"Answer: {reference}",
        f"So we get\n$$\\boxed{{{reference}}}$$",
        f"Therefore, the answer is {reference}.",
        f"Thus the result is \\(\\boxed{{{reference}}}\\).",
        f"The final answer is: $\\boxed{{{reference}}}$. I hope it is correct.",
        f"#### {reference}",
    ]


@pytest.mark.parametrize("rows_each", [25, pytest.param(None, marks=pytest.mark.slow)])
def test_8_every_reference_fed_back_is_right_and_a_wrong_option_never(rows_each, shared):
    """The references of the thirteen benchmarks of the shared folder, in ten phrasings; 41 of them
    fail in the released code."""
    found = benchmarks.load_folder(shared / "benchmarks")["rows"]
    assert len(found) == 13
    lost, taken = [], []
    for name, rows in found.items():
        for row in run_eval.limited(rows, rows_each):

            def grade(text, row=row):
                return answers.grade(
                    text, row["reference"], row["kind"], options=row["options"], unit=row["unit"]
                )

            lost += [(name, row["id"], text) for text in phrasings(row) if not grade(text)]
            if row["kind"] == "choice":
                right = {row["options"]["ABCDEFGHIJ".index(letter)] for letter in row["reference"]}
                wrong = [
                    letter
                    for letter, option in zip("ABCDEFGHIJ", row["options"], strict=False)
                    if option not in right
                ]
                taken += [
                    (name, row["id"], letter) for letter in wrong if grade(f"Answer: {letter}")
                ]
    assert lost == [] and taken == []


def test_9_a_resumed_run_scores_all_rows_not_the_last_ones(tmp_path):
    """The released evaluator, stopped and started again, averages only over what the second start
    did."""
    write_jsonl(
        tmp_path / "mine.jsonl",
        [
            dict(id=f"q{i}", kind="math", question=f"{i} + 1?", reference=str(i + 1))
            for i in range(30)
        ],
    )
    options = [
        "--model",
        "m",
        "--benchmarks",
        tmp_path / "mine.jsonl",
        "--output",
        tmp_path / "out",
    ]

    def right(messages, body):
        return f"\\boxed{{{int(messages[0]['content'].split()[0]) + 1}}}"

    with FakeServer(right) as server:
        call(run_eval, *options, "--base-url", server.url, "--limit", 10)
    with FakeServer(lambda messages, body: "") as server:
        call(run_eval, *options, "--base-url", server.url)
        assert len(server.requests) == 20
    rows = read_jsonl(tmp_path / "out/samples.jsonl")
    assert (
        len(rows) == 30
        and sum(row["correct"] for row in rows) == 10
        and sum(row["extracted"] is None for row in rows) == 20
    )


def test_10_nothing_is_evaluated_from_names_in_options():
    """The released code calls eval() on names of functions from its configuration."""
    assert all(
        callable(getattr(benchmarks.benchmark_rows, f"read_{n}")) for n in benchmarks.BENCHMARKS
    )
    name = "__import__('os').getcwd()"
    assert run_eval.names_of(name) == [name] and run_eval.limited([], 3) == []
