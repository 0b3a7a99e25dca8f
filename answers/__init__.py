"""Find the final answer in a response, compare it with a reference, and say which rules decided.

    extract("(A) is wrong. The answer is **(C)**.", "choice", ["4 cm", "5 cm", "6 cm"]) -> "C"
    check("... $\\\\boxed{0.05}$ m", "5 cm", "math")
        -> Verdict(correct=True, extracted="0.05 m", read_by="box", equal_by="numbers")

A verdict is True, False, or None where the rules cannot tell, which a judge model may settle
(04_eval/score.py --judge). `python -m answers` prints the steps of one.

trim takes off what is no answer; choice, solution and short_text read by the first of their rules
that applies; equal compares. A "label" is a choice whose options are words such as yes and no. No
model and no eval; sympy runs only in worker.py's process.
"""

import re
from pathlib import Path
from typing import NamedTuple

from . import choice, equal, short_text, solution, trim
from .options import LETTERS, named
from .trim import after_thinking, final_part

FILES = sorted(Path(__file__).parent.glob("*.*"))  # what a step that reads answers depends on
KINDS = ("choice", "label", "math", "short_text")
LETTERED = ("choice", "label")
READERS = {"choice": choice, "label": choice, "math": solution, "short_text": short_text}
# What these rules read is right or undecided.
INFERRED = ("last box", "bold", "last value", "last sentence", "yes or no")
__all__ = [
    "FILES", "KINDS", "Verdict", "after_thinking", "check", "explain", "extract", "final_part",
    "grade", "grade_many", "reward",
]  # fmt: skip


class Verdict(NamedTuple):
    """Is a response right, what does it say, and which rules read and compared it?"""

    correct: bool | None
    extracted: str | None
    read_by: str | None
    equal_by: str | None


def read(response, kind, options=None):
    """(text, answer, rule): the part of a response that is read, up to the first question that a
    base model invents behind an answer, and what it says; no answer where the rule found none, no
    rule either where none could read it."""
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, not {kind!r}")
    text = final_part(response)
    for head in [*trim.before_next_question(text), text]:
        answer, rule = READERS[kind].read(head, options)
        if answer is not None:
            break
    return head, answer, rule if text else "empty"


def extract(response, kind, options=None):
    """The committed answer of a response, or None where nothing or more than one thing was.

    choice, label: an upper-case letter (options: the option texts, at most 26); math: the answer as
    written; short_text: the stated words.
    """
    answer = read(response, kind, options)[1]
    return None if kind in LETTERED and answer and len(answer) > 1 else answer


def check(response, reference, kind, options=None, unit=None, rel_tol=None):
    """The Verdict on a response.

    reference: a string, or a list where several are right (letters or option texts for a choice).
    unit: the reference's unit where it stands apart ("10^{-19} C"); a response may leave it out or
    give a convertible one. rel_tol=None: integers exact; decimals agree to the reference's
    significant digits or within 1 %.
    """
    references = list(reference) if isinstance(reference, (list, tuple, set)) else [reference]
    _, answer, rule = read(response, kind, options)
    if answer is None:
        return Verdict(False if rule in ("empty", "gives up") else None, None, rule, None)
    if kind in LETTERED and len(answer) > 1:  # several letters, each among several right ones
        right = {reference_letter(str(wanted).strip(), options) for wanted in references}
        correct = set(answer) <= right if len(references) > 1 else None
        return Verdict(correct, ", ".join(answer), rule, "letters")
    if kind == "math" and response.strip() in map(str, references):
        return Verdict(True, answer, rule, "verbatim")
    found = [compare(answer, wanted, kind, options, unit, rel_tol) for wanted in references]
    correct, equal_by = min(found, key=lambda pair: (True, None, False).index(pair[0]))
    correct = None if correct is False and rule in INFERRED else correct
    return Verdict(correct, answer, rule, equal_by)


def grade(response, reference, kind, options=None, unit=None, rel_tol=None):
    """check(...).correct is True"""
    return check(response, reference, kind, options, unit, rel_tol).correct is True


def compare(answer, reference, kind, options=None, unit=None, rel_tol=None):
    """(True, False or None, rule): is an extracted answer the one reference?"""
    reference = str(reference).strip()
    if kind in LETTERED:
        letter = reference_letter(reference, options)
        return (answer == letter, "letter") if letter else (None, "no such option")
    if kind == "math" or unit:
        return equal.same(answer, reference, unit, rel_tol)
    return short_text.same(answer, reference)


def reference_letter(reference, options):
    """The letter that a reference means: "B", "(B)", or that of the option with its text; None for
    no option."""
    texts = [str(option).strip().lower() for option in options or ()]
    match = re.fullmatch(r"\(?([A-Za-z])\)?\.?", reference)
    if reference.lower() in texts and not (match and match[1].isupper()):
        return LETTERS[texts.index(reference.lower())]
    if match:
        return match[1].upper()
    hits = named(reference, tuple(map(str, options or ())), "all")
    return hits[0] if hits else None


def grade_row(row):
    fields = ("response", "reference", "kind", "options", "unit", "rel_tol")
    return grade(*map(row.get, fields))


def grade_many(rows, workers=1):
    """grade() of many rows, in order, on `workers` processes: a list of bool.

    rows: dicts with the arguments of check.
    """
    from rows import in_processes

    return list(in_processes(grade_row, rows, workers))


def reward(prompts, completions, reference_answer, kind=None, options=None, unit=None, **_):
    """A reward function for TRL's GRPOTrainer: 1.0 right, 0.0 wrong, None where undecided or without
    a reference.

    Arguments are columns; completions: texts, or conversations whose last message is the answer;
    kind: "math" where it is left out.
    """
    rewards = []
    columns = [column or [None] * len(completions) for column in (kind, options, unit)]
    for said, wanted, kind, *more in zip(completions, reference_answer, *columns, strict=True):
        text = said if isinstance(said, str) else said[-1]["content"]
        correct = None if wanted is None else check(text, wanted, kind or "math", *more).correct
        rewards.append(None if correct is None else float(correct))
    return rewards


def explain(response, reference, kind, options=None, unit=None, rel_tol=None):
    """The steps of check() as lines of text."""
    response = response or ""
    text = read(response, kind, options)[0]
    cut = len(response) - len(text)
    yield f"trim     {cut} of {len(response)} characters are no answer (thoughts, marks, turns)"
    for name, said in READERS[kind].steps(text, options) if text else ():
        yield f"read     {name:20} {'-' if said is None else said!r}"
    verdict = check(response, reference, kind, options, unit, rel_tol)
    yield f"answer   {verdict.extracted!r}, read by {verdict.read_by or 'no rule'}"
    yield f"compare  with {reference!r}: {verdict.equal_by or 'nothing to compare'}"
    words = {True: "right", False: "wrong", None: "undecided: the rules cannot tell"}
    yield f"verdict  {words[verdict.correct]}"
