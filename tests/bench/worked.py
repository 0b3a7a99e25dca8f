"""Worked problems of real books: pairs found of those a person counts, and wrong ones.

    python tests/bench/worked.py --books ../shared/data/textbooks [--keys ../shared/data/qa/openstax_problem_solutions.jsonl] [--show 20]

in   Markdown chapters named in COUNTED; rows with question, answer, chapter, from which books with an answer key at their end are set
Found is a pair whose question and answer belong together. Wrong is one whose answer's printed number is not that of the question, or that holds the label
of another exercise. --show prints pairs drawn at random, to be read.
"""

import argparse
import collections
import json
import random
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "01_extract")]

import worked_problems

# counted by eye: labelled solutions and answers, and examples that are worked out without a label (the second number); by hand on 25 November 2026
COUNTED = {
    "biology_cellular_respiration": (27, 0),
    "biology_mendels_experiments": (24, 0),
    "chemistry_gases": (101, 0),
    "chemistry_stoichiometry": (80, 0),
    "computer_science_hash_tables": (0, 0),
    "computer_science_sorting": (0, 0),
    "economics_demand_and_supply": (11, 2),  # two boxes "Work it out"
    "economics_elasticity": (9, 1),
    "mathematics_discrete_random_variables": (84, 11),
    "mathematics_first_order_odes": (43, 24),
    "medicine_endocrine_system": (60, 0),
    "medicine_heart": (37, 0),
    "physics_electric_charges_and_fields": (78, 0),
    "physics_newtons_laws_of_motion": (80, 1),
}
# read and found wanting: the answer stops before the result (statistics, Example 26) or after a digression (equations, Example 8)
WANTING = {
    "mathematics_discrete_random_variables": {"Example 26"},
    "mathematics_first_order_odes": {"Example 8"},
}
LABEL = re.compile(r"^\*\*(?:Problem|Exercise|Solution \d)", re.MULTILINE)


def is_wrong(text, pair):
    """True where question and answer do not belong together."""
    before = text[max(pair.answer_start - 60, 0) : pair.answer_start]
    printed = re.findall(r"\*\*Solution (\d+)\.\*\*\s*$", before)
    asked = re.search(r"\d+$", pair.label)
    other = bool(printed and asked and printed[-1] != asked[0])
    return other or bool(LABEL.search(pair.question) or LABEL.search(pair.answer))


def measure_chapters(folder):
    """(pairs found, counted by eye, wrong, lines of a table)."""
    totals, lines = collections.Counter(), []
    for name, (labelled, bare) in COUNTED.items():
        path = Path(folder) / f"{name}.md"
        if not path.is_file():
            continue
        text = path.read_text(encoding="utf-8")
        pairs, _ = worked_problems.find_pairs(text)
        bad = {pair.label for pair in pairs if is_wrong(text, pair)} | WANTING.get(name, set())
        wrong = sum(pair.label in bad for pair in pairs)
        totals.update(found=len(pairs), counted=labelled + bare, wrong=wrong)
        lines.append(f"{name:42} {len(pairs):5} of {labelled + bare:4}, wrong {wrong}")
    return totals["found"], totals["counted"], totals["wrong"], lines


def measure_keys(path, limit):
    """(pairs found, asked, wrong) of books set from rows: numbered exercises by chapter, and a key to the odd numbers at the end."""
    chapters = collections.defaultdict(list)
    for line in Path(path).read_text(encoding="utf-8").split("\n")[:limit]:
        if line:
            row = json.loads(line)
            if "\n" not in row["question"].strip() and row["answer"].strip():
                chapters[row["chapter"]].append((row["question"].strip(), row["answer"].strip()))
    body, key, truth = [], ["# Answers to Odd-Numbered Exercises"], collections.defaultdict(set)
    for number, (title, rows) in enumerate(chapters.items(), 1):
        body.append(
            f"# Chapter {number}. {title}\n\n## {number}.1 Theory\n\nProse.\n\n## Exercises"
        )
        key.append(f"## Chapter {number}")
        for n, (question, answer) in enumerate(rows, 1):
            body.append(f"{n}. {question}")
            if n % 2:
                key.append(f"{n}. {answer}")
                truth[question].add(answer)
    pairs, _ = worked_problems.find_pairs("\n\n".join(body + key))
    right = sum(same(truth.get(pair.question, ()), pair.answer) for pair in pairs)
    return right, sum(map(len, truth.values())), len(pairs) - right


def same(answers, answer):
    """True where an answer is one of the true ones, figures at its end aside."""
    for truth in answers:
        rest = truth[len(answer) :].split("\n\n") if truth.startswith(answer) else ["other"]
        if all(not part.strip() or worked_problems.FURNITURE.match(part.strip()) for part in rest):
            return True
    return False


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--books", metavar="DIR", required=True)
    parser.add_argument("--keys", metavar="FILE", help="rows to set books with an answer key from")
    parser.add_argument("--show", type=int, default=0, metavar="N", help="print N pairs to read")
    args = parser.parse_args()
    found, counted, wrong, lines = measure_chapters(args.books)
    print("\n".join(lines))
    print(
        f"found {found} of {counted} ({found / counted:.3f}), wrong {wrong} ({100 * wrong / found:.1f} %)"
    )
    if args.keys:
        right, asked, wrong = measure_keys(args.keys, None)
        print(
            f"answer keys: right {right} of {asked} ({right / asked:.3f}), wrong {wrong} ({100 * wrong / (right + wrong):.1f} %)"
        )
    pairs = []
    for name in COUNTED:
        path = Path(args.books) / f"{name}.md"
        if args.show and path.is_file():
            pairs += [(name, pair) for pair in worked_problems.find_pairs(path.read_text())[0]]
    for name, pair in random.Random(0).sample(pairs, min(args.show, len(pairs))):
        print(f"--- {name} {pair.label}\nQ: {pair.question}\nA: {pair.answer}\n")


if __name__ == "__main__":
    main()
