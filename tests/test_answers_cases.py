"""The cases of tests/answers/*.jsonl, one a line: what a response says, and whether it is the
reference.

choice      response, options -> extracted (a letter, or null: nothing, or more than one thing, was
            committed; undecided: the answer is there, and the rules abstain); letters: several right ones
math, short_text  response, reference (unit, rel_tol) -> correct: true; false; null where the rules
                  abstain
units       one, other: two spellings of one unit
several     responses that offer several different answers at once: none of `offered` is accepted
misses      known wrong verdicts, of any kind: they may become right at any time
`seen` says where a form was met (a model, a data set), null where it was written by hand.
"""

import json

import pytest
from conftest import ROOT, read_jsonl

import answers

CASES = ROOT / "tests" / "answers"


def cases(name):
    rows = read_jsonl(CASES / f"{name}.jsonl")
    return pytest.mark.parametrize("case", rows, ids=[f"line {n + 1}" for n in range(len(rows))])


def verdict(case, kind):
    more = (case.get(field) for field in ("options", "unit", "rel_tol"))
    return answers.check(case["response"], case["reference"], case.get("kind", kind), *more)


def explained(case, kind):
    """What a failing test shows: the path of the verdict."""
    more = (case.get(field) for field in ("options", "unit", "rel_tol"))
    return "\n".join(answers.explain(case["response"], case.get("reference", ""), kind, *more))


@cases("choice")
def test_choice(case):
    found = answers.extract(case["response"], "choice", case["options"])
    assert found == case["extracted"], explained(case, "choice")
    if (
        "letters" in case
    ):  # several called right: right where the question has several right options
        right = {"reference": list(case["letters"]), **case}
        assert verdict(right, "choice").correct is True, explained(right, "choice")
        assert verdict(right | {"reference": case["letters"][0]}, "choice").correct is None


@cases("math")
def test_math(case):
    assert_as_marked(case, "math")


@cases("short_text")
def test_short_text(case):
    assert_as_marked(case, "short_text")


def assert_as_marked(case, kind):
    """A right answer is graded right, a wrong one never, and one that is marked undecided never
    wrong."""
    correct = verdict(case, kind).correct
    allowed = {True: (True,), False: (False, None), None: (None,)}[case["correct"]]
    assert correct in allowed, explained(case, kind)


@cases("several")
def test_several_answers_at_once_are_none(case):
    for wanted in case["offered"]:
        assert verdict({"reference": wanted, **case}, case["kind"]).correct is not True, wanted


@cases("units")
def test_units_of_one_meaning(case):
    for one, other in ((case["one"], case["other"]), (case["other"], case["one"])):
        assert answers.grade(f"The answer is 5.2 {one}.", f"5.2 {other}", "math")
        assert not answers.grade(f"The answer is 6.2 {one}.", f"5.2 {other}", "math")


@cases("misses")
def test_misses_are_known(case):
    """A miss is no promise: this only tells which have become right."""
    if "extracted" in case:
        right = answers.extract(case["response"], "choice", case["options"]) == case["extracted"]
    else:
        right = verdict(case, "math").correct is case["correct"]
    if right:
        print("no longer missed:", json.dumps(case, ensure_ascii=False))
