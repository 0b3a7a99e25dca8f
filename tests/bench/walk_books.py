"""Stage 1 over real books with a scripted teacher: what each step keeps and rejects, and rejected rows to read.

    python tests/bench/walk_books.py --books ../shared/data/textbooks --benchmarks ../shared/data/benchmarks --work FOLDER [--show 10]

in   chapters and PDFs; the teacher writes the problems that a passage prints with their solutions and finds no fault
out  every file of 01_extract in FOLDER, down to the dataset card; printed: the funnel and --show rejected rows of each step and reason

The scripted teacher's rows are the book's own, so that a row lost after extraction was lost by a rule.
"""

import argparse
import collections
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "01_extract"), str(ROOT / "tests")]

import add_cot
import digitize_pdfs
import funnel
import worked_problems
from fake_server import FakeServer

import rows as r

NAMES = ["documents", "classified", "chunks", "qa", "dedup", "refined", "cot", "filtered"]
NAMES += ["clean", "reference", "textbook_qa"]


def between(text, tag):
    """What a prompt holds between the tags of one fence, "" without them."""
    found = re.search(rf"<{tag}>\n(.*?)\n?</{tag}>", text, re.S)
    return found[1].strip() if found else ""


def extracted(prompt):
    """The problems that the passage prints, of the standard that the prompt asks for."""
    standard = "high" if "demanding" in prompt.split("</passage>")[1] else "low"
    pairs = worked_problems.find_pairs(between(prompt, "passage"))[0]
    wanted = [pair for pair in pairs if worked_problems.standard_of(pair.answer) == standard]
    lines = [f"Question: {pair.question}\nAnswer: {pair.answer}" for pair in wanted]
    return "\n\n".join(lines) or "[NO QA]"


def classified(prompt):
    subject = next((s for s in digitize_pdfs.SUBJECTS if s in prompt), "computer science")
    return f"Subject: {subject.replace('_', ' ')}\nLevel: undergraduate"


def teacher(messages, body):
    """The reply to a prompt of any step of 01_extract."""
    prompt = messages[-1]["content"]
    question, answer = between(prompt, "question"), between(prompt, "answer")
    row = {"question": question, "answer": answer}
    for mark, reply in (
        ("You catalogue books", lambda: classified(prompt)),
        ("You are editing", lambda: f"Refined Question: {question}\nRefined Answer: {answer}"),
        ("does it show it", lambda: f"Reasoning: {'YES' if add_cot.by_rule(row) else 'NO'}"),
        ("Write a worked solution", lambda: between(prompt, "known_answer")),
        ("Decide whether a question", lambda: "Fault: none\nDecision: YES"),
        ("Name the final answer", lambda: "Final answer: NONE"),
        ("<passage>", lambda: extracted(prompt)),
    ):
        if mark in prompt:
            return reply()
    return "[NO QA]"


def walk(args, url):
    """Run all steps in order; their files are NAMES in --work."""
    path = {name: args.work / f"{name}.jsonl" for name in NAMES}
    model = ("--model", "scripted", "--base-url", url)
    chunks = ("--chunks", path["chunks"])
    benchmarks = ("--benchmarks", args.benchmarks, "--no-judge", "--cache", args.work / "vectors")
    steps = [
        ("digitize_pdfs", "--ocr", "none"),
        ("classify_documents", *model),
        ("chunk_documents", "--tokenizer", "words", "--max-tokens", "1500"),
        ("extract_qa", "--worked", *model),
        ("dedup",),
        ("refine_qa", *chunks, *model),
        ("add_cot", *chunks, *model),
        ("filter_qa", *model),
        ("decontaminate", *benchmarks),
        ("extract_reference", *model),
        ("finalize",),
    ]
    before = args.books
    for name, (script, *options) in zip(NAMES, steps, strict=True):
        inputs = before if isinstance(before, list) else [before]
        command = [sys.executable, ROOT / f"01_extract/{script}.py", "--input", *inputs]
        command += ["--output", path[name], *options]
        subprocess.run(list(map(str, command)), check=True, stderr=subprocess.DEVNULL)
        before = path[name]


def show(args, name):
    """Print rejected rows of a step, the first of each reason."""
    seen = collections.Counter()
    for row in r.read(args.work / f"{name}.rejected.jsonl", unique=False):
        seen[row["reason"]] += 1
        if seen[row["reason"]] <= args.show:
            text = " | ".join(
                f"{field}: {' '.join(str(row[field]).split())[:300]}"
                for field in ("source", "page", "matched", "question", "answer", "text", "response")
                if row.get(field)
            )
            more = {k: row[k] for k in ("duplicate_of", "benchmark_id", "score") if k in row}
            print(f"[{name}: {row['reason']}] {text} {more or ''}")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--books", nargs="+", required=True, metavar="PATH")
    parser.add_argument("--benchmarks", required=True, metavar="DIR")
    parser.add_argument("--work", type=Path, required=True, metavar="DIR")
    parser.add_argument("--show", type=int, default=0, metavar="N", help="rejected rows a reason")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    with FakeServer(teacher) as server:
        walk(args, server.url)
    print(funnel.table(funnel.chain(args.work / "textbook_qa.jsonl")))
    for name in NAMES if args.show else ():
        show(args, name)


if __name__ == "__main__":
    main()
