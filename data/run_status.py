"""Where a run stands: each step of run_all.sh done, running or not started, with its rows and time.

    bash run_all.sh --status      is: bash run_all.sh --dry-run 2>&1 | python data/run_status.py RUN

in   the commands of a dry run on stdin ("+ python SCRIPT --input ... --output ..."); the meta, raw
     and log files of the run
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
    """The process that a lock file names ("process 4711, since ..."), where it lives; else None."""
    try:
        pid = int(re.match(r"process (\d+)", lock.read_text())[1])
    except (OSError, TypeError, ValueError):
        return None
    return pid if r.alive(pid) else None


def parse_command(words):
    """{name, inputs, output} of a command of the dry run."""
    name = Path(next(word for word in words if word.endswith(".py"))).stem
    following = dict(itertools.pairwise(words))
    output = next(following[option] for option in OUTPUTS if option in following)
    inputs = [Path(following[o]) for o in ("--input", "--train_file") if o in following]
    return {"name": name, "inputs": inputs, "output": Path(output) / LAST_FILE.get(name, "")}


def last_match(log, pattern):
    """The last match of a pattern in the log of a step, or None."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    return next(reversed([*re.finditer(pattern, text, re.M)]), None)


def progress_of(step, logs):
    """How far a step that is not done has come, in words; "" where nothing of it is there."""
    log = logs / f"{step['name']}.log"
    if step["name"] == "sft":
        found = last_match(log, r"step (\d+/\d+) .*")
        return found[0] if found else ""
    raw = r.beside(step["output"], "raw.jsonl")
    if not raw.is_file():
        return ""
    asked = f"{r.count_rows(raw):,}"
    found = last_match(log, rf"^{re.escape(raw.name)}: at most ([\d,]+) rows to ask \(([\d,]+) are")
    if found:
        asked += f" of {sum(int(number.replace(',', '')) for number in found.groups()):,}"
    return f"{asked} rows asked"


def meta_of(step):
    """The meta of a finished step, {} where its kind leaves none; None where it is not finished."""
    output = step["output"]
    if not output.exists():
        return None
    if output.suffix == ".jsonl":
        return r.read_meta(output)
    return json.loads(output.read_text()) if step["name"] == "sft" else {}


def describe(meta):
    """Rows or loss of a finished step, in words."""
    if "final_loss" in meta:
        return f"{meta['steps']} steps, loss {meta['final_loss']}"
    if "counts" not in meta:
        return ""
    rejected = sum(meta["counts"]["rejected"].values())
    text = f"{meta['counts']['in']:,} rows -> {meta['counts']['out']:,}"
    return text + (f", rejected {rejected:,}" if rejected else "")


def state_of(step, logs):
    """(state, detail, seconds) of a step."""
    output = step["output"]
    lock = output.with_name(f".{output.name}.lock")
    if holder(lock):
        return "running", progress_of(step, logs), time.time() - lock.stat().st_mtime
    meta = meta_of(step)
    if meta is None:
        detail = progress_of(step, logs)
        return ("begun" if detail else "not started"), detail, None
    made = output.stat().st_mtime
    for path in step["inputs"]:
        if path.is_file() and path.stat().st_mtime > made:
            return "to be made again", f"{path.name} is newer", None
    return "done", describe(meta), meta.get("seconds")


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
        waiting = waiting and state == "done"
        took = r.duration(seconds) if seconds is not None else ""
        output = str(step["output"]).removeprefix(f"{run}/")
        print(f"  {step['name']:<19}{output:<32}{state:<17}{took:>11}  {detail}".rstrip())


if __name__ == "__main__":
    r.run(main)
