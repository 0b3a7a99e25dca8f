"""What each step of a run kept and rejected, and why: a table from the meta files that the steps
left (used by finalize.py; no command of its own)."""

from pathlib import Path

import rows as r

COLUMNS = "step|rows in|rows out|rejected|share kept|why rejected|model|tokens|a row kept|seconds"
ALIGNED = "---|---:|---:|---:|---:|---|---|---:|---:|---:"


def chain(path):
    """Meta files of the steps that led to a file, in order, with their name and path. An input that
    was moved is looked for beside the file that was made of it."""
    found, path = [], Path(path)
    while (meta := r.read_meta(path)) and path not in [m["path"] for m in found]:
        found.append({**meta, "name": path.stem, "path": path})
        before = meta.get("same_if", {}).get("options", {}).get("input")
        if not isinstance(before, str):
            break
        path = Path(before) if Path(before).is_file() else path.parent / Path(before).name
    return found[::-1]


def step_line(step):
    """The cells of one step; tokens are what models read and wrote in all its runs."""
    counts, spent = step["counts"], step.get("tokens")
    rejected = sorted(counts["rejected"].items(), key=lambda item: (-item[1], item[0]))
    lost = sum(counts["rejected"].values())
    # chunking counts its own tokens under this name
    tokens = sum(spent[key] for key in r.TOKENS) if isinstance(spent, dict) else 0
    cells = (
        step["name"],
        *(f"{n:,}" for n in (counts["in"], counts["out"], lost)),
        f"{counts['out'] / (counts['out'] + lost):.1%}" if counts["out"] or lost else "-",
        ", ".join(f"{reason} {n:,}" for reason, n in rejected).replace("|", "/") or "-",
        Path(str(step.get("model") or "-")).name,
        f"{tokens:,}" if tokens else "-",
        f"{tokens / counts['out']:,.0f}" if tokens and counts["out"] else "-",
        str(step.get("seconds", "-")),
    )
    return f"| {' | '.join(cells)} |"


def table(steps):
    """The funnel as Markdown: one line a step."""
    lines = (f"| {' | '.join(line.split('|'))} |" for line in (COLUMNS, ALIGNED))
    return "\n".join([*lines, *map(step_line, steps)]) + "\n"
