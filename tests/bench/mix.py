"""Rows per second and memory of load, select and mix on synthetic rows; checks that a row costs the same in a tenth of the data.

    python tests/bench/mix.py --rows 1000000 --tokenizer data/runs/demo/models/base       (about 15 minutes, 7 GB of disk, 2 cores)

out  one line per step and size: seconds of user and system time, rows a second of it, peak memory; exit 1 where a step needs 4 GB or a row
     of the large run costs over 1.25 times one of the small runs before and after it
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import json
import random
import resource
import shutil
import subprocess
import tempfile

import rows as r

WORDS = [word for word in Path(__file__).read_text().replace("_", " ").split() if word.isalpha()]


def synthetic(path, n):
    """Question-answer rows of about 900 bytes, none like another."""
    draw = random.Random(n)
    with open(path, "w") as file:
        for i in range(n):
            words = draw.choices(WORDS, k=110)
            file.write(
                json.dumps(
                    {
                        "id": f"row-{i}",
                        "question": f"Question {i}: " + " ".join(words[:25]),
                        "answer": " ".join(words[25:]) + f" \\boxed{{{i}}}",
                        "subject": WORDS[i % 7],
                        "license": "mit",
                        "difficulty": i % 21 / 2,
                    }
                )
                + "\n"
            )


def measured(script, *arguments):
    """(seconds of user and system time, peak memory in GB) of one script."""
    code = (
        "import json,resource,runpy,sys\nsys.argv=sys.argv[1:]\nsys.path.insert(0,str(__import__('pathlib').Path(sys.argv[0]).parent))\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "finally:\n u=resource.getrusage(resource.RUSAGE_SELF); print(json.dumps([u.ru_utime+u.ru_stime,u.ru_maxrss/2**20]))"
    )
    command = [sys.executable, "-c", code, str(ROOT / script), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.strip().split("\n")[-1])


def one_size(n, folder, tokenizer):
    folder.mkdir()
    synthetic(folder / "in.jsonl", n)
    token_limit = ("--tokenizer", tokenizer) if tokenizer else ("--max-tokens", 0)
    steps = {
        "load": (
            "02_mix/load_sources.py",
            "--sources",
            f"bench={folder}/in.jsonl",
            "--output",
            folder / "sources.jsonl",
        ),
        "select": (
            "02_mix/select_rows.py",
            "--input",
            folder / "sources.jsonl",
            "--output",
            folder / "selected.jsonl",
            "--method",
            "difficulty",
        ),
        "mix": (
            "02_mix/mix.py",
            "--input",
            folder / "selected.jsonl",
            "--output",
            folder / "train.jsonl",
            *token_limit,
        ),
    }
    cost = {}
    for name, command in steps.items():
        seconds, memory = measured(*command)
        read = json.loads(
            (folder / f"{Path(command[command.index('--output') + 1]).stem}.meta.json").read_text()
        )["counts"]["in"]
        cost[name] = seconds / read, memory
        print(
            f"{name:7} {read:>9,} rows  {seconds:7.1f} s CPU  {read / seconds:>8,.0f} rows/s  peak {memory:.2f} GB",
            flush=True,
        )
    shutil.rmtree(folder)
    return cost


def main():
    parser = r.parser(__doc__)
    parser.add_argument(
        "--rows",
        type=r.positive,
        default=1_000_000,
        metavar="N",
        help="rows of the large run (default 1,000,000)",
    )
    parser.add_argument(
        "--tokenizer",
        metavar="FOLDER",
        help="count tokens in mix with this tokenizer (default: no token limit)",
    )
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        before, large, after = (
            one_size(n, Path(folder) / str(n), args.tokenizer)
            for n in (args.rows // 10, args.rows, args.rows // 10)
        )
    worst = 0
    for name in large:  # the small run stands before and after the large one: other work on the machine is the same for both
        ratio = 2 * large[name][0] / (before[name][0] + after[name][0])
        worst = max(worst, ratio)
        print(
            f"{name}: a row of {args.rows:,} costs {ratio:.2f} times a row of {args.rows // 10:,}"
        )
    peak = max(memory for _, memory in large.values())
    print(
        f"peak memory {peak:.2f} GB; this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GB"
    )
    raise SystemExit(0 if peak < 4 and worst < 1.25 else 1)


if __name__ == "__main__":
    main()
