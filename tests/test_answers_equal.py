"""Comparing: pairs of answers that are one or are not, hostile text, and the same verdicts on a
loaded machine."""

import json
import os
import random
import subprocess
import sys
import time

import pytest
from conftest import ROOT, read_jsonl

from answers import worker
from answers.equal import same

PAIRS = read_jsonl(ROOT / "tests" / "answers" / "equal.jsonl")


@pytest.mark.parametrize("case", PAIRS, ids=[f"line {n + 1}" for n in range(len(PAIRS))])
def test_pairs(case):
    """An equal pair is right; an unequal one never; null: the rules must not say right."""
    verdict, rule = same(case["answer"], case["reference"])
    assert (verdict is True) == (case["correct"] is True), rule


def test_verdicts_name_their_rule_and_abstain():
    assert same("0.5", "\\frac{1}{2}") == (True, "numbers")
    assert same("(3, 2]", "[2, 3)") == (False, "parts")
    assert same("the cat sat", "a dog ran") == (None, "undecided")
    assert same("a" * 3000, "5")[0] is None


def test_tolerance_and_a_unit_apart():
    assert same("310", "300", rel_tol=0.05)[0] and not same("320", "300", rel_tol=0.05)[0]
    assert same("1.55e-19 C", "1.6", unit="10^{-19} C", rel_tol=0.05)[0]
    assert same("1.6", "1.6", unit="10^{-19} C")[0]
    assert same("1.6e-20 C", "1.6", unit="10^{-19} C")[0] is False
    assert same("300 K", "300", unit="°C")[0] is False


HOSTILE = [
    "[" * 1500,
    "\\text{" * 300 + "x" + "}" * 300,
    '{"a":' * 350,
    "](" * 900,
    " " * 3000 + "5",
    "∼" * 1500,
    "\\begin{array}{c}" * 100,
    "-" * 1900,
    "(" * 900 + "1" + ")" * 900,
    "1," * 950,
    "x=" * 900,
    "a. " * 600,
    "\\frac" * 380,
    "^{14}_{6" * 200,
    "or " * 600,
    "9^" * 900 + "9",
    "\\{" * 900,
    "(a) 1 " * 300,
    "H2" * 900,
    "\\pm 1 " * 300,
]


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_hostile_texts_take_little_cpu(number):
    start = time.process_time()
    for answer, reference in ((HOSTILE[number], "5"), ("5", HOSTILE[number])):
        for unit in (None, "cm"):
            assert same(answer, reference, unit, rel_tol=0.01)[0] is not True or number == 4
    assert time.process_time() - start < 3


PIECES = r"""\frac \sqrt \text{ \mathrm{ \begin{pmatrix} \end{pmatrix} \begin{cases} \end{cases} \\ & { } [ ] ( ) , ; :
    = < > <= \le \ne \in \cup \pm \infty \pi x y 2 3.5 10 1/2 ^ _ - + * / ! % ° $ \$ | or and if otherwise mod \pmod{7}
    k\in\mathbb{Z} cm kg m/s J mol^{-1} ⁻¹ ₂ ½ ≈ ~ ∼ \propto sp^3 [Ar] 3d^5 H2O Fe^{3+} → (a) (b) b. ii) \boxed{ \hat{i}
    \overline{3} ... 12:30 p.m. 1011_2 0x1f {"a": ]( \{ \} \sin \log_ e^ 1e5 ×10^ undefined except even""".split()


def fuzzed(rng):
    """A text of the grammar's pieces, a damaged pair, or one piece again and again."""
    kind = rng.random()
    if kind < 0.5:
        return "".join(rng.choice(PIECES) + rng.choice(["", " "]) for _ in range(rng.randrange(14)))
    if kind < 0.8:
        text = rng.choice(PAIRS)["reference"]
        at = rng.randrange(len(text) + 1)
        return text[:at] + rng.choice(["", rng.choice(PIECES)]) + text[at + rng.randrange(2) :]
    return rng.choice(PIECES) * rng.choice([3, 40, 300])


def test_no_text_crashes_the_rules():
    rng = random.Random(20)
    for _ in range(2000):
        answer, reference = fuzzed(rng), rng.choice([fuzzed(rng), rng.choice(PAIRS)["reference"]])
        start = time.process_time()
        assert same(answer, reference, rel_tol=0.01)[0] in (True, False, None)
        assert time.process_time() - start < 3, (answer, reference)


GRADE = """
import json, sys, answers
rows = json.load(open(sys.argv[1]))
verdicts = [list(answers.check(row["response"], row["reference"], "math")) for row in rows]
print(json.dumps([verdicts, answers.worker.timeouts]))
"""


@pytest.mark.long
@pytest.mark.slow
def test_a_loaded_machine_gives_the_same_verdicts(tmp_path):
    """300 rows, 12 of them for math-verify and one that it never ends, quiet and beside six busy
    processes."""
    rows = read_jsonl(ROOT / "tests" / "answers" / "math.jsonl")[:287]
    integrals = [
        {"response": f"\\boxed{{\\int_0^{n} x^2 dx}}", "reference": f"\\int_0^{n} x \\cdot x\\,dx"}
        for n in range(2, 14)
    ]
    rows += [*integrals, {"response": "\\boxed{\\sum_{k=1}^{3000} k^{k^2}!}", "reference": "1+n_k"}]
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    command = [sys.executable, "-c", GRADE, tmp_path / "rows.json"]

    def graded():
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    quiet = graded()
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(6)]
    try:
        assert graded() == quiet
    finally:
        for process in busy:
            process.kill()
            process.wait()


@pytest.mark.slow
def test_the_limit_is_cpu_time_and_a_new_worker_follows():
    worker.equal("1", "1")
    before, child = worker.timeouts, worker._process.pid
    assert worker.equal("1", "9^{9^{9^{9}}}", seconds=0.5) is None
    assert worker.timeouts == before + 1 and not os.path.exists(f"/proc/{child}")
    assert worker.equal("\\frac{1}{2}", "0.5") is True
