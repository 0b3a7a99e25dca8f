"""Kill steps at random moments and see what it costs: rows lost, rows doubled, files that differ from an uninterrupted run.

    python tests/bench/kills.py --kills 100 [--rows 300] [--seed 1] [--only dedup]

Each step runs once undisturbed; then it is started again and again in a new folder and killed (SIGKILL, with its
children) after a random share of that time, --kills in all over the steps; where it is done before that, it begins anew.
Each time it is done its X.jsonl and X.rejected.jsonl must be byte for byte those of the undisturbed run. Steps that ask
a model ask a scripted endpoint; answers asked twice are the cost of a crash.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import os
import random
import shutil
import signal
import subprocess
import tempfile
import time

from fake_server import FakeServer

import rows as r

WORDS = "heat light mass force cell gene acid base loop tree price market field charge wave".split()


REPLIES = {  # what stands in a prompt -> a reply that its step can read
    "Score:": "Score: 7",
    "Level:": "Subject: physics\nLevel: undergraduate",
    '"self_contained"': '{"missing": "", "self_contained": true, "level": "routine"}',
    "Refined Question:": "Refined Question: What is <n> plus 1?\nRefined Answer: It is \\boxed{<n>1}.",
    "Quote:": "Question: What is <n> plus 1?\nAnswer: It is \\boxed{<n>1}.",
    "Final answer:": "Final answer: <n>1",
    "YES": "Reasoning: YES\nDecision: YES",
    "": "Question <n> has the answer \\boxed{<n>1}.",
}


def answer_to(messages, body):
    """A function of the prompt, so that every run gives the same text."""
    text = messages[-1]["content"] if isinstance(messages, list) else messages
    reply = next(reply for mark, reply in REPLIES.items() if mark in text)
    return reply.replace("<n>", str(len(text)))


def question_of(number, chance):
    words = " ".join(chance.choice(WORDS) for _ in range(8))
    return dict(
        id=f"r{number}",
        question=f"What of {words} {number}?",
        answer=f"Because of {words}, it is {number}.",
        reference_answer=str(number),
        source_id=f"c{number % 20}",
        subject="physics",
        source="book",
        license=None,
    )


def make_rows(folder, count, seed):
    """What the steps read: questions (some alike), chunks, a folder of books, benchmark questions and answers to them."""
    chance = random.Random(seed)
    made = [question_of(number, chance) for number in range(count)]
    for number in range(9, count, 9):
        made[number]["question"] = made[number - 1]["question"] + "!"
    r.write(folder / "rows.jsonl", made)
    text = " ".join(WORDS) * 5
    chunk = dict(subject="physics", pages=None, source="book", license=None, n_tokens=80)
    chunks = [dict(chunk, id=f"c{n}", doc_id="d", text=f"It is {n}. {text}") for n in range(count)]
    r.write(folder / "chunks.jsonl", chunks)
    documents = [dict(chunk, title="A book") for chunk in chunks[:40]]
    r.write(folder / "documents.jsonl", documents)
    (folder / "books").mkdir()
    for number in range(40):
        (folder / "books" / f"b{number}.md").write_text(f"# Book {number}\n\n{text * 50}\n")
    tests = [
        dict(row, benchmark="b", category="c", kind="math", options=None, group=None, unit=None)
        for row in made
    ]
    r.write(folder / "tests.jsonl", [dict(row, reference=row["reference_answer"]) for row in tests])


def steps(folder, url):
    """{name: (script, options)} of the steps that are killed."""
    rows, chunks = folder / "rows.jsonl", folder / "chunks.jsonl"
    model = ("--model", "scripted", "--base-url", url)
    ask = ("--input", rows, *model, "--workers", "8")
    words = ("--tokenizer", "words", "--max-tokens", "50")
    return {
        "digitize": ("01_extract/digitize_pdfs.py", ("--input", folder / "books")),
        "classify": (
            "01_extract/classify_documents.py",
            ("--input", folder / "documents.jsonl", *model),
        ),
        "chunk": ("01_extract/chunk_documents.py", ("--input", chunks, *words)),
        "extract": ("01_extract/extract_qa.py", ("--input", chunks, "--limit", "100", *model)),
        "dedup": ("01_extract/dedup.py", ("--input", rows, "--field", "question")),
        "refine": ("01_extract/refine_qa.py", ("--chunks", chunks, *ask)),
        "add_cot": ("01_extract/add_cot.py", ask),
        "filter": ("01_extract/filter_qa.py", ask),
        "decontaminate": (
            "01_extract/decontaminate.py",
            ("--input", rows, "--benchmarks", folder / "tests.jsonl", "--no-embedding"),
        ),
        "reference": ("01_extract/extract_reference.py", ask),
        "measure": ("01_extract/measure_qa.py", ask),
        "finalize": ("01_extract/finalize.py", ("--input", rows)),
        "load": ("02_mix/load_sources.py", ("--sources", f"own={rows}")),
        "difficulty": (
            "02_mix/score_difficulty.py",
            ("--k", "2", "--judge-model", "scripted", *ask),
        ),
        "select": ("02_mix/select_rows.py", ("--input", rows, "--method", "random", "--n", "99")),
        "annotate": ("02_mix/annotate.py", ask),
    }


def start(script, options, output):
    command = [sys.executable, ROOT / script, *options, "--output", output]
    return subprocess.Popen(
        list(map(str, command)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def finish(script, options, output):
    """Run to the end; seconds. Raises RuntimeError with what it said where it fails."""
    begun, process = time.time(), start(script, options, output)
    said = process.communicate()[1].decode()
    if process.returncode:
        raise RuntimeError(f"{script} ended with {process.returncode}: {said[-800:]}")
    return time.time() - begun


def files_of(output):
    return [path.read_bytes() for path in (output, r.beside(output, "rejected.jsonl"))]


def kill_at(script, options, output, seconds):
    """Start the step and kill it with its children after so many seconds; False where it was done before."""
    process = start(script, options, output)
    time.sleep(seconds)
    done = process.poll() is not None
    if not done:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return not done


def torment(name, step, folder, kills, chance, server):
    """Kill one step `kills` times; a dict of what was seen."""
    script, options = step
    whole, broken = (folder / name / kind / f"{name}.jsonl" for kind in ("whole", "broken"))
    asked = len(server.requests)
    seconds = finish(script, options, whole)
    once, asked = len(server.requests) - asked, len(server.requests)
    killed, hurt, rounds = 0, 0, 1
    for _ in range(10 * kills):
        if killed == kills:
            break
        if kill_at(script, options, broken, chance.uniform(0.1, 1.0) * seconds):
            killed += 1
        else:  # done before the kill: the next one begins anew
            hurt += files_of(broken) != files_of(whole)
            shutil.rmtree(broken.parent)
            rounds += 1
    finish(script, options, broken)
    ids = [
        row["id"] for path in (broken, r.beside(broken, "rejected.jsonl")) for row in r.read(path)
    ]
    wanted = [
        row["id"] for path in (whole, r.beside(whole, "rejected.jsonl")) for row in r.read(path)
    ]
    return dict(
        killed=killed,
        lost=len(set(wanted) - set(ids)),
        doubled=len(ids) - len(set(ids)),
        differ=hurt + (files_of(whole) != files_of(broken)),
        left=len(list(broken.parent.glob(".*part"))),
        again=max(0, len(server.requests) - asked - once * rounds),
        once=once * rounds,
    )


def main():
    parser = r.parser(__doc__)
    parser.add_argument("--kills", type=r.positive, default=100)
    parser.add_argument("--rows", type=r.positive, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", metavar="STEP")
    args = parser.parse_args()
    chance, total, bad = random.Random(args.seed), 0, 0
    with tempfile.TemporaryDirectory() as name, FakeServer(answer_to, delay=0.02) as server:
        folder = Path(name)
        make_rows(folder, args.rows, args.seed)
        chosen = {k: v for k, v in steps(folder, server.url).items() if args.only in k}
        print(
            f"{'step':12} kills  lost  doubled  files that differ  parts left  answers asked again"
        )
        for number, (name, step) in enumerate(chosen.items()):
            kills = args.kills // len(chosen) + (number < args.kills % len(chosen))
            seen = torment(name, step, folder, kills, chance, server)
            total += seen["killed"]
            bad += seen["lost"] + seen["doubled"] + seen["differ"] + seen["left"]
            again = f"{seen['again']} of {seen['once']}" if seen["once"] else "-"
            print(
                f"{name:12} {seen['killed']:5}  {seen['lost']:4}  {seen['doubled']:7}  {seen['differ']:17}  "
                f"{seen['left']:10}  {again}",
                flush=True,
            )
    print(f"{total} kills over {len(chosen)} steps: {bad} rows or files hurt")
    if bad:
        raise SystemExit(1)


if __name__ == "__main__":
    r.run(main)
