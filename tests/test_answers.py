"""The public functions of answers: three-valued verdicts with their rules, several references,
options, reward, the command."""

import subprocess
import sys

import pytest
from conftest import ROOT

import answers
from answers import check, extract, grade, kinds
from answers.formula import agree, number
from answers.quantity import parse_quantity

CELL = ["Nucleus", "Mitochondrion", "Ribosome", "Golgi apparatus"]


def test_a_verdict_says_which_rules_decided():
    verdict = check("So (A) is wrong. The answer is (B).", "B", "choice", CELL)
    assert verdict.correct is True and verdict.extracted == "B"
    assert verdict.read_by and verdict.equal_by
    assert check("The answer is (C).", "B", "choice", CELL).correct is False


def test_nothing_answered_is_wrong_and_nothing_readable_is_undecided():
    assert check("", "B", "choice", CELL) == (False, None, "empty", None)
    assert check("<think>Is it B?", "B", "choice", CELL).correct is False
    assert check("A or B", "B", "choice", CELL).correct is None
    assert not grade("A or B", "B", "choice", CELL)


def test_references_of_choices():
    assert grade("The answer is (B).", ["A", "B"], "choice", CELL)
    assert grade("The answer is (B).", "Mitochondrion", "choice", CELL)
    yes_no = ["yes", "no"]
    assert grade("Yes.", "yes", "label", yes_no) and grade("Yes.", "A", "label", yes_no)
    assert check("The answer is (B).", "Lysosome", "choice", CELL).correct is None
    assert grade("The answer is (B).", "b", "choice", CELL)
    assert grade("The answer is Z", "Z", "choice", list("abcdefghijklmnopqrstuvwxyz"))


def test_a_reference_that_is_an_option_is_a_choice():
    options = ["(A) car", "(B) bicycle"]
    assert kinds.kind_of("bicycle", options=options) == "choice"
    assert grade("(B)", "bicycle", "choice", kinds.option_texts(options))
    assert kinds.kind_of("B", "Which?\nA) a car\nB) a bicycle") == "choice"
    assert kinds.kind_of("bicycle") == "short_text" and kinds.kind_of("4.2 m") == "math"


def test_unknown_kind():
    with pytest.raises(ValueError, match="kind"):
        extract("B", "letters", CELL)


def test_several_references():
    assert grade("\\boxed{5}", ["4", "5"], "math") and not grade("\\boxed{6}", ["4", "5"], "math")
    assert grade("Paris", ["London", "Paris"], "short_text")


@pytest.mark.parametrize("giving_up", ["I do not know.", "I have no idea how to solve this."])
def test_giving_up_is_no_answer(giving_up):
    assert extract(giving_up, "math") is None
    assert grade("I'm not sure, maybe 5", "5", "math")


def test_reward_in_the_form_of_trl():
    columns = dict(reference_answer=["5", "5", "B", None], kind=["math", "math", "choice", "math"])
    chat = [{"role": "assistant", "content": "The answer is \\boxed{5}."}]
    completions = [chat, "\\boxed{6}", "A or B", "\\boxed{7}"]
    found = answers.reward(prompts=[""] * 4, completions=completions, trainer_state=None, **columns)
    assert found == [1.0, 0.0, None, None]


def test_the_command_prints_every_step():
    command = [sys.executable, "-m", "answers", "--kind", "choice", "--options", *CELL, "--"]
    done = subprocess.run(
        [*command, "<think>A?</think>The answer is (B).", "B"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "verdict  right" in done.stdout and "'B', read by" in done.stdout


def test_quantities():
    assert parse_quantity("1.2 × 10⁻³ mol L⁻¹").value == 0.0012
    assert parse_quantity("x+1") is None and parse_quantity("3.14.15") is None
    assert parse_quantity("25 °C").unit != parse_quantity("25 C").unit


def test_formulas_are_read_and_never_run():
    assert abs(number("\\frac{9}{4}π") - 7.0685834705770345) < 1e-12
    assert number("x") is None and number("9^{9^{9^9}}") is None
    assert agree("__import__('os')", "1") is None
    assert agree("x", "x^{1}") is True and agree("|x|", "x") is None


@pytest.mark.parametrize(
    "response, kept",
    [
        ("<think>A or B?</think>The answer is B.", "The answer is B."),
        ("A or B?</think>\n\nB", "B"),  # the template itself opened the block
        ("<think>The answer is", ""),
        ("[THINK]hm[/THINK]B", "B"),
        ("<think>one</think>B<think>two", "B"),
        ("<|channel|>analysis<|message|>A?<|end|><|channel|>final<|message|>B<|return|>", "B"),
        ("analysisWe need A.assistantfinalB", "B"),
        ("analysisWe need A", ""),
        ("analysis of variance", "analysis of variance"),
        ("Answer: C\nuser\nAnd this one?\nassistant\nAnswer: B", "Answer: C"),
        ("assistant\n\nAnswer: C", "Answer: C"),
        ("Answer: C<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nWhy?", "Answer: C"),
        ("I think that the user\nneeds B.", "I think that the user\nneeds B."),
        (None, ""),
    ],
)
def test_what_is_no_answer_is_trimmed(response, kept):
    assert answers.final_part(response) == kept
