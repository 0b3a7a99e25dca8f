"""Measure what one engine start for all benchmark files saves against one start per file: the same rows, model and budget.

    python tests/bench/eval_engine_starts.py --model data/runs/demo/models/base --data BENCHMARKS --files 4 --rows 20 --tokens 256

in   a folder of benchmark files in any form that 04_eval/benchmarks.py reads
out  seconds of the one run, of the runs one by one, and their ratio, on stdout; with --files N only the first N files are taken
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "04_eval")]

import subprocess
import tempfile
import time

import benchmarks

import rows as r


def prepare(data, folder, files, rows):
    """Write `rows` rows of each of the first `files` benchmark files in the eval form; returns the paths."""
    made = []
    for path in benchmarks.data_files(data):
        raw = [row for _, row in r.raw_rows(path)]
        name, _ = benchmarks.recognise(raw[0], path.name) if raw else (None, None)
        if name is None or files and len(made) == files:
            continue
        kept = [row for row, reason in benchmarks.eval_rows(name, raw, path) if not reason][:rows]
        label = f"{path.parent.name}_{path.name.split('.')[0]}"
        made.append(folder / f"{label}.jsonl")
        r.write(
            made[-1],
            [{**row, "benchmark": label, "id": f"{label}-{i}"} for i, row in enumerate(kept)],
        )
    return made


def evaluate(args, data, output):
    """Seconds of one run of run_eval.py, from start to end of the process."""
    command = [
        sys.executable,
        ROOT / "04_eval/run_eval.py",
        "--model",
        args.model,
        "--data",
        data,
        "--output",
        output,
        "--max-tokens",
        args.tokens,
        "--engine",
        args.engine,
    ]
    started = time.perf_counter()
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode:
        raise r.BadInput(f"run_eval.py ended with {done.returncode}: {done.stderr[-500:]}")
    return time.perf_counter() - started


def main():
    parser = r.parser(__doc__)
    parser.add_argument("--model", required=True, metavar="M", help="model to evaluate")
    parser.add_argument("--data", required=True, metavar="DIR", help="folder of benchmark files")
    parser.add_argument(
        "--files", type=r.positive, metavar="N", help="only the first N files (default: all)"
    )
    parser.add_argument(
        "--rows", type=r.positive, default=20, metavar="N", help="rows of each file (default 20)"
    )
    parser.add_argument(
        "--tokens", type=r.positive, default=256, metavar="N", help="longest answer (default 256)"
    )
    parser.add_argument("--engine", default="{}", metavar="JSON", help="arguments of vllm.LLM")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "data").mkdir()
        files = prepare(args.data, folder / "data", args.files, args.rows)
        print(
            f"{len(files)} files x {args.rows} rows, at most {args.tokens} tokens each", flush=True
        )
        one = evaluate(args, folder / "data", folder / "one")
        print(f"one engine start for all files: {one:8.1f} s", flush=True)
        each = []
        for number, path in enumerate(files):
            each.append(evaluate(args, path, folder / str(number)))
            print(f"  {path.stem}: {each[-1]:.1f} s", file=sys.stderr, flush=True)
    print(
        f"one engine start for each file: {sum(each):7.1f} s (median {sorted(each)[len(each) // 2]:.1f} s a file)"
    )
    print(f"ratio {sum(each) / one:.2f}")


if __name__ == "__main__":
    r.run(main)
