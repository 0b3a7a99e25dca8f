"""Where a run stands: each step of run_all.sh done, running or not started, with its rows and its time.

    bash run_all.sh --status           the same as: bash run_all.sh --dry-run 2>&1 | python data/run_status.py data/runs/demo

in   the commands of a dry run on stdin ("+ python SCRIPT --input ... --output ..."); the meta, raw and log files of the run
out  a table on stdout; nothing is written, no model is loaded
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import itertools
import json
import re
import shlex
import time

import rows as r

# What shows that a step with a folder for an output has ended.
LAST_FILE = {
    "run_eval": "samples.jsonl",
    "sft": "sft.meta.json",
    "merge_adapter": "sft.meta.json",
    "report": "report.html",
    "demo_model": "config.json",
}
OUTPUTS = ("--output", "--output_dir", "--download")


def holder(lock):
    """The process that a lock file names ("process 4711, since ..."), where it still lives; else None."""
    try:
        pid = int(re.match(r"process (\d+)", lock.read_text())[1])
    except (OSError, TypeError, ValueError):
        return None
    return pid if r.alive(pid) else None


def parse_command(words):
    """{script, inputs, output} of a command of the dry run."""
    script = next(word for word in words if word.endswith(".py"))
    following = dict(itertools.pairwise(words))
    output = next((following[name] for name in OUTPUTS if name in following), None)
    name = Path(script).stem
    path = Path(output) / LAST_FILE.get(name, "") if output else None
    inputs = [following[name] for name in ("--input", "--train_file") if name in following]
    return {"name": name, "inputs": list(map(Path, inputs)), "output": path}


def last_match(log, pattern):
    """The last match of a pattern in the log of a step, or None."""
    if not log.is_file():
        return None
    found = None
    with open(log, encoding="utf-8", errors="replace") as file:
        for line in file:
            found = re.search(pattern, line) or found
    return found


def progress_of(step, logs):
    """How far a step that is not done has come, in words; "" where nothing of it is there."""
    log = logs / f"{step['name']}.log"
    if step["name"] == "sft":
        found = last_match(log, r"step (\d+/\d+) .*")
        return found[0] if found else ""
    raw = r.beside(step["output"], "raw.jsonl")
    if not raw.is_file():
        return ""
    answers, total = r.count_rows(raw), None
    found = last_match(log, rf"^{re.escape(raw.name)}: at most ([\d,]+) rows to ask \(([\d,]+) are")
    if found:
        total = sum(int(number.replace(",", "")) for number in found.groups())
    elif step["inputs"]:
        total = r.count_rows(step["inputs"][0])
    return f"{answers:,} of {total:,} rows asked" if total else f"{answers:,} rows asked"


def describe_meta(name, meta):
    """(rows or loss, seconds) of a finished step by its meta file."""
    if name == "sft":
        return f"{meta['steps']} steps, loss {meta['final_loss']}", meta.get("seconds")
    counts = meta.get("counts")
    if name == "merge_adapter" or not counts:
        return "", None
    rejected = sum(counts["rejected"].values())
    text = f"{counts['in']:,} rows -> {counts['out']:,}"
    return text + (f", rejected {rejected:,}" if rejected else ""), meta.get("seconds")


def state_of(step, logs):
    """(state, detail, seconds) of a step."""
    output = step["output"]
    if output is None:
        return "", "", None
    lock = output.with_name(f".{output.name}.lock")
    if holder(lock):
        return "running", progress_of(step, logs), time.time() - lock.stat().st_mtime
    meta_path = output if output.name == "sft.meta.json" else r.beside(output, "meta.json")
    with_rows = output.suffix == ".jsonl" or output == meta_path
    if not output.exists() or with_rows and not meta_path.is_file():
        detail = progress_of(step, logs)
        return ("begun" if detail else "not started"), detail, None
    made = output.stat().st_mtime
    newer = [p for p in step["inputs"] if p.is_file() and p.stat().st_mtime > made]
    if newer:
        return "to be made again", f"{newer[0].name} is newer", None
    detail, seconds = "", None
    if with_rows:
        detail, seconds = describe_meta(step["name"], json.loads(meta_path.read_text()))
    return "done", detail, seconds


def main():
    parser = r.parser(__doc__)
    parser.add_argument("run", metavar="FOLDER", help="folder of the run, as data/runs/demo")
    run = Path(parser.parse_args().run)
    living = holder(run / ".lock")
    print(f"{run}: {f'running, process {living}' if living else 'not running now'}")
    waiting = living  # the first step that is not done is the one at work
    for line in sys.stdin:
        if re.match(r"\S*stage \d", line):
            print(line.strip())
        if not line.startswith("+ "):
            continue
        step = parse_command(shlex.split(line[2:]))
        state, detail, seconds = state_of(step, run / "logs")
        if waiting and state in ("not started", "begun", "to be made again"):
            state = "running"
        waiting = waiting and state in ("done", "")
        took = r.duration(seconds) if seconds is not None else ""
        output = str(step["output"] or "").removeprefix(f"{run}/")
        print(f"  {step['name']:<19}{output:<32}{state:<17}{took:>11}  {detail}".rstrip())


if __name__ == "__main__":
    r.run(main)
