"""By how much the released evaluator's rules move a score, on real model outputs and references.

    python tests/bench/released_rules.py

in   the folder of real data beside the checkout (SHARED_DATA): answers/labelled.jsonl, benchmarks/
out  a table: choice answers read by "the first pattern that hits anywhere" against ours; ChemBench answers of several right options where only the first counts

The first rule is a reconstruction in our words of what the released code does (GAIR-NLP/lm-open-science-evaluation: all phrases on the last
line, then anywhere, the box last, case ignored); scores under it are near, not equal, to those of that code.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "04_eval"), str(ROOT / "tests")]

import re

import benchmarks
from conftest import SHARED

import answers
import rows as r

# In the released order: phrases first, the box last; case is ignored, so that "a decrease" can be read as A.
PHRASES = (
    r"final answer to this question is:?\s*\(?([A-J])",
    r"correct answer is:?\s*\(?([A-J])",
    r"best option is:?\s*\(?([A-J])",
    r"answer is:?\s*\(?([A-J])",
    r"answer:?\s*\(?([A-J])",
    r"option\s*\(?([A-J])",
    r"\(?([A-J])\)? is (?:correct|right|wrong)",
    r"boxed\{\(?([A-J])",
)


def first_hit(response):
    """The letter of the first pattern that hits, on the last line, then anywhere; None where none does."""
    lines = response.strip().splitlines() or [""]
    for text in (lines[-1], response):
        for phrase in PHRASES:
            if found := re.search(phrase, text, re.I):
                return found[1].upper()
    return None


def choice_rows():
    for row in r.read(SHARED / "answers" / "labelled.jsonl"):
        if row["kind"] == "choice" and row["gold_extraction"]:
            yield row


def main():
    r.parser(__doc__).parse_args()
    if not SHARED.is_dir():
        raise r.BadInput(f"{SHARED}: there is no such folder; set SHARED_DATA")
    table, total = {"first hit": 0, "ours": 0}, 0
    for row in choice_rows():
        gold = None if row["gold_extraction"] == "NONE" else row["gold_extraction"]
        table["first hit"] += first_hit(row["response"]) == gold
        table["ours"] += answers.extract(row["response"], "choice", row["options"]) == gold
        total += 1
    print(f"choice answers read as a careful reader does, {total} responses of real models:")
    for name, right in table.items():
        print(f"  {name:9} {100 * right / total:5.1f} %")
    rows = benchmarks.load_folder(SHARED / "benchmarks" / "chembench")["rows"]["chembench"]
    choices = [row for row in rows if row["kind"] == "choice"]
    share = sum(
        1 / len(row["reference"]) if isinstance(row["reference"], list) else 1 for row in choices
    )
    print(f"ChemBench, {len(choices)} choice rows, a model that always names one right option:")
    print(f"  released  {100 * share / len(choices):5.1f} %\n  ours      100.0 %")


if __name__ == "__main__":
    r.run(main)
