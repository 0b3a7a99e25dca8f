"""Measure the rules of filter_qa.py on real questions: what they lose among self-contained ones, what they find among textbook exercises.

    python tests/bench/filter_rules.py --data ../shared/data

in   the folder of real data: benchmarks/ and qa/ (GSM8K, MATH, MMLU-Pro, SuperGPQA; exercises of OpenStax books)
out  a table on stdout. Self-contained: share of benchmark questions that the rule "outside reference" rejects (some of them do need a figure).
     Found: the exercises whose source had a cross-reference, lost when the book became text and marked "(see figure/equation)" by the converter;
     the mark is replaced by what a book prints there (Figure 5.12, Equation 3.4, ...), seeded. Exercises that bring a table or a described
     figure, which the rule may take for what is meant, are apart.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "01_extract")]

import json
import random
import re

import filter_qa

import rows as r

SETS = ["qa/gsm8k_train.jsonl", "benchmarks/math/test.jsonl", "benchmarks/mmlu_pro/test.json", "benchmarks/super_gpqa/super_gpqa_biology.json",
        "benchmarks/super_gpqa/super_gpqa_chemistry.json", "benchmarks/super_gpqa/super_gpqa_medicine.json",
        "benchmarks/super_gpqa/super_gpqa_physics.json", "benchmarks/gsm8k/test.jsonl"]  # fmt: skip
PRINTED = ["Figure {a}.{b}", "Fig. {a}.{b}", "Equation {a}.{b}", "Eq. ({a}.{b})", "Table {a}.{b}", "Example {a}.{b}", "the figure below",
           "the preceding example"]  # fmt: skip
MARK = re.compile(r"\(see (?:\(see )?(?:the note at the end of \(see )?figure/equation\)*")


def read_any(path):
    text = path.read_text(encoding="utf-8")
    return (
        json.loads(text)
        if text.lstrip().startswith("[")
        else [json.loads(line) for line in text.split("\n") if line.strip()]
    )


def rejected(question, answer=""):
    """The text that the rule "outside reference" saw, or None."""
    seen = filter_qa.outside_reference(question, answer)
    return seen and seen[2]


def main():
    parser = r.parser(__doc__, "seed")
    parser.add_argument(
        "--data",
        default=str(ROOT.parent / "shared" / "data"),
        metavar="DIR",
        help="folder of real data",
    )
    parser.add_argument(
        "--show",
        type=int,
        default=0,
        metavar="N",
        help="print N questions of each kind that went the other way",
    )
    args = parser.parse_args()
    data, generator = Path(args.data), random.Random(args.seed)
    if not data.is_dir():
        raise r.BadInput(f"--data {data}: there is no such folder")
    asked = lost = 0
    for name in SETS:
        questions = [row.get("question") or row.get("problem") for row in read_any(data / name)]
        seen = [(text, question) for question in questions if (text := rejected(question))]
        asked, lost = asked + len(questions), lost + len(seen)
        print(f"{name:52} {len(questions):6,} questions, {len(seen):3} rejected")
        for text, question in seen[: args.show]:
            print(f"    {text!r}: {' '.join(question.split())[:160]}")
    print(
        f"{'self-contained, all':52} {asked:6,} questions, {lost:3} rejected ({lost / asked:.2%})"
    )
    for kind in ("with nothing else", "with a table or a described figure"):
        exercises = [
            row
            for row in read_any(data / "qa" / "openstax_problem_solutions.jsonl")
            if MARK.search(row["question"])
        ]
        brings = [
            bool(filter_qa.DRAWN_THERE.search(row["question"]) or "[Figure" in row["question"])
            for row in exercises
        ]
        exercises = [
            row for row, table in zip(exercises, brings, strict=True) if table == ("table" in kind)
        ]
        missed, n = [], len(exercises)
        for row in exercises:
            question = MARK.sub(
                lambda _: generator.choice(PRINTED).format(
                    a=generator.randint(1, 19), b=generator.randint(1, 60)
                ),
                row["question"],
            )
            missed += [] if rejected(question, row["answer"]) else [question]
        print(
            f"exercises that refer, {kind:36} {n:5,} questions, {n - len(missed):3} rejected ({1 - len(missed) / n:.1%})"
        )
        for question in missed[: args.show]:
            print(f"    {' '.join(question.split())[:160]}")


if __name__ == "__main__":
    r.run(main)
