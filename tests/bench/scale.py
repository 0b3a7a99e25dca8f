"""What each step costs a row: rows/s, CPU and peak memory at growing numbers of rows, and the exponents of growth.

    python tests/bench/scale.py --rows 10000 100000 [--only dedup] [--limit-s 280]

Steps that ask a model ask an endpoint that answers at once, in a process of its own that is not counted. An
exponent of 1 in the time, or of 0 in the memory, is flat: log(last / first) / log(rows last / rows first).
"at 10^6" is the peak that the memory's growth a row between the two last sizes gives for a million rows, or
the measured one where 1000000 is among --rows. Children count: CPU is of all, memory of the largest process.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests/bench")]

import math
import multiprocessing
import os
import random
import subprocess
import tempfile
import time

import client
from kills import WORDS

import rows as r

# The endpoint gives this to every prompt: each parser finds its own line in it.
REPLY = """Subject: physics
Level: undergraduate
Reasoning: YES
Decision: YES
Score: 7
Refined Question: What is the force on a body of 3 kg that gains 2 m/s each second?
Refined Answer: The force is mass times acceleration, hence \\boxed{6 N}.
"""


def question(number):
    chance = random.Random(number)
    words = " ".join(chance.choice(WORDS) + str(chance.randrange(300)) for _ in range(25))
    text = f"Which of {words} holds for {number} moles?"
    answer = f"Because of {words}, one finds step by step that it is {number}. " * 3
    return dict(
        id=f"r{number}",
        question=text,
        answer=answer + f"The answer is \\boxed{{{number}}}.",
        reference_answer=str(number),
        source_id=f"c{number % 1000}",
        subject="physics",
        source="book",
        license="CC BY 4.0",
    )


def make_rows(name, count):
    """Rows of the input of this name: rows, chunks, documents, tests or samples."""
    text = " ".join(WORDS) * 8
    chunk = dict(subject="physics", pages=None, source="book", license=None, n_tokens=80)
    tests = dict(benchmark="b", category="c", kind="math", options=None, group=None, unit=None)
    answered = dict(model="m", prompt="", finish_reason="stop", n_tokens=9, seed=1, prompt_id="p")
    for n in range(count if name in ("rows", "documents", "samples") else 1000):
        asked = {**tests, "id": f"t{n}", "question": f"Who sees {n}?", "reference": str(n)}
        if name == "rows":
            yield question(n)
        elif name == "tests":
            yield asked
        elif name == "samples":
            yield {**asked, **answered, "response": f"So it is \\boxed{{{n}}}."}
        else:
            own = {"id": f"d{n}", "title": "A"} if name == "documents" else {"id": f"c{n}"}
            yield {"doc_id": "d", **chunk, **own, "text": f"It is {n}. {text}"}


def make_inputs(folder, count, options):
    """Write what a step's options name in the folder, unless it stands there."""
    folder.mkdir(exist_ok=True)
    for path in (Path(str(option).removeprefix("own=")) for option in options):
        if path.parent == folder and not path.exists():
            r.write(path, make_rows(path.stem, count))


def steps(folder, url):
    """{name: (script, options)}"""
    rows = ("--input", folder / "rows.jsonl")
    documents = ("--input", folder / "documents.jsonl")
    model = ("--model", "instant", "--base-url", url)
    chunks = ("--chunks", folder / "chunks.jsonl")
    return {
        "chunk_documents": ("01_extract/chunk_documents.py", (*documents, "--tokenizer", "words")),
        "dedup": ("01_extract/dedup.py", rows),
        "decontaminate, words": (
            "01_extract/decontaminate.py",
            (*rows, "--benchmarks", folder / "tests.jsonl", "--no-embedding"),
        ),
        "finalize": ("01_extract/finalize.py", rows),
        "load_sources": ("02_mix/load_sources.py", ("--sources", f"own={folder / 'rows.jsonl'}")),
        "select_rows": ("02_mix/select_rows.py", (*rows, "--method", "random", "--n", "999")),
        "mix": ("02_mix/mix.py", (*rows, "--max-tokens", "0")),
        "score": ("04_eval/score.py", ("--input", folder / "samples.jsonl")),
        "classify_documents": ("01_extract/classify_documents.py", (*documents, *model)),
        "extract_qa": ("01_extract/extract_qa.py", (*documents, "--standard", "high", *model)),
        "refine_qa": ("01_extract/refine_qa.py", (*rows, *chunks, *model)),
        "add_cot": ("01_extract/add_cot.py", (*rows, *model)),
        "filter_qa": ("01_extract/filter_qa.py", (*rows, *model)),
        "extract_reference": ("01_extract/extract_reference.py", (*rows, *model)),
        "score_difficulty, k 2": (
            "02_mix/score_difficulty.py",
            (*rows, *model, "--k", "2", "--judge-model", "instant"),
        ),
        "annotate": ("02_mix/annotate.py", (*rows, *model)),
    }


def measure(script, options, output):
    """(seconds, CPU seconds, peak in GB) of one step; raises RuntimeError with what it said where it fails."""
    command = [sys.executable, ROOT / script, *options, "--output", output]
    begun = time.time()
    process = subprocess.Popen(
        list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    said = process.stderr.read().decode()
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"{script}: {said[-500:]}")
    return time.time() - begun, used.ru_utime + used.ru_stime, used.ru_maxrss / 2**20


def start_endpoint():
    """(process, address) of the instant endpoint."""
    port = multiprocessing.Queue()
    server = multiprocessing.Process(target=client.serve, args=(port, REPLY), daemon=True)
    server.start()
    return server, f"http://127.0.0.1:{port.get()}/v1"


def exponent(first, last, growth):
    return math.log(last / first) / math.log(growth)


def show(name, sizes, found):
    """One line of the table for each size, the exponents and the peak at a million rows in the last."""
    for count, (seconds, cpu, peak) in zip(sizes, found, strict=False):
        cells = f"| {name} | {count:,} | {count / seconds:,.0f} | {1e6 * cpu / count:,.0f} | {peak:.2f} |"
        if count != sizes[len(found) - 1] or len(found) < 2:
            print(f"{cells} | | |", flush=True)
            continue
        (_, cpu0, peak0), (_, cpu1, peak1) = found[-2:]
        growth = sizes[len(found) - 1] / sizes[len(found) - 2]
        a_row = (peak1 - peak0) / (count - count / growth)
        million = peak1 + a_row * (1_000_000 - count)
        print(
            f"{cells} {exponent(cpu0, cpu1, growth):.2f} / {exponent(peak0, peak1, growth):.2f} | {million:.2f} |",
            flush=True,
        )


def main():
    parser = r.parser(__doc__)
    parser.add_argument("--rows", type=r.positive, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--only", default="", metavar="STEP")
    parser.add_argument("--limit-s", type=float, default=1e9, help="begin nothing after so long")
    args = parser.parse_args()
    server, url = start_endpoint()
    begun = time.time()
    print("| step | rows | rows/s | CPU µs a row | peak GB | exponents | GB at 10^6 |")
    print("|---|--:|--:|--:|--:|--:|--:|", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folders = {count: Path(name) / str(count) for count in args.rows}
        for step in steps(Path(name), url):
            if args.only not in step or time.time() - begun > args.limit_s:
                continue
            found = []
            for count, folder in folders.items():
                script, options = steps(folder, url)[step]
                make_inputs(folder, count, options)
                output = folder / f"{step.split(',')[0]}.jsonl"
                found.append(measure(script, options, output))
                for path in folder.glob(f"{output.stem}.*"):
                    path.unlink() if path.is_file() else None
            show(step, args.rows, found)
    server.terminate()


if __name__ == "__main__":
    r.run(main)
