"""What each step of a run kept and rejected, and why: a table and a plot from the meta files that
the steps left (used by finalize.py; no command of its own)."""

from collections import Counter
from pathlib import Path

import batch_generate
import rows as r

KEPT, REJECTED = "#2c6e91", "#c8553d"
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


def subjects_of(step):
    """Counter of a step's rows by subject."""
    if "subjects" in step:
        return step["subjects"]
    rows = r.read(step["path"], unique=False) if step["path"].is_file() else ()
    return Counter(str(row.get("subject") or "none") for row in rows)


def reasons_of(step, most=None):
    """ "reason 3, another 1": why a step rejected rows, the most frequent first."""
    rejected = sorted(step["counts"]["rejected"].items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{reason} {n:,}" for reason, n in rejected[:most])


def cost_of(step):
    """(tokens that models read and wrote in all runs of a step, tokens and price a row kept)."""
    spent, kept = step.get("tokens"), step["counts"]["out"]
    if not isinstance(spent, dict):  # chunking counts its own tokens under this name
        return "-", "-"
    tokens = spent.get("prompt_tokens", 0) + spent.get("completion_tokens", 0)
    if not tokens or not kept:
        return f"{tokens:,}", "-"
    price = batch_generate.money(Counter(spent), seconds=0) / kept
    return f"{tokens:,}", f"{tokens / kept:,.0f}" + (f" ({price:.2g} of money)" if price else "")


def step_line(step):
    """The cells of one step."""
    counts = step["counts"]
    rejected = sum(counts["rejected"].values())
    total = counts["out"] + rejected
    return (
        step["name"],
        *(f"{n:,}" for n in (counts["in"], counts["out"], rejected)),
        f"{counts['out'] / total:.1%}" if total else "-",
        reasons_of(step).replace("|", "/") or "-",
        Path(str(step.get("model") or "-")).name,
        *cost_of(step),
        step.get("seconds", "-"),
    )


def markdown(lines):
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def table(steps):
    """The funnel as Markdown: one line a step, and rows by subject where there are several."""
    text = markdown([COLUMNS.split("|"), ALIGNED.split("|"), *map(step_line, steps)])
    counted = [(step["name"], subjects_of(step)) for step in steps]
    subjects = sorted(set().union(*(counts for _, counts in counted)))
    if len(subjects) < 2:
        return text
    lines = [["rows after", *subjects, "all"], ["---", *["---:"] * (len(subjects) + 1)]]
    for name, counts in counted:
        numbers = [counts.get(subject, 0) for subject in subjects]
        lines.append([name, *(f"{n:,}" for n in (*numbers, sum(numbers)))])
    return f"{text}\n{markdown(lines)}"


def plot(steps, path):
    """Horizontal bars, one a step: rows kept and rejected, in the step's own units (documents,
    chunks, pairs), with the most frequent reasons."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    places = range(len(steps))
    kept = [step["counts"]["out"] for step in steps]
    rejected = [sum(step["counts"]["rejected"].values()) for step in steps]
    labels = []
    for step in steps:
        why = reasons_of(step, most=3)
        labels.append(f"{step['counts']['out']:,}" + (f"   rejected: {why}" if why else ""))
    figure, axes = plt.subplots(figsize=(11, 1.3 + 0.52 * max(len(steps), 1)), layout="constrained")
    axes.barh(places, kept, color=KEPT)
    bars = axes.barh(places, rejected, left=kept, color=REJECTED)
    axes.bar_label(bars, labels=labels, padding=4, fontsize=8.5)
    axes.set_yticks(places, [step["name"] for step in steps])
    widest = max(map(sum, zip(kept, rejected, strict=True)), default=1)
    axes.set_xlim(0, 1.9 * max(widest, 1))  # the right half is for the text beside the bars
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.invert_yaxis()
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.set_title("Rows after each step: kept (blue) and rejected (red)", loc="left", fontsize=12)
    with r.write_aside(path) as file:
        figure.savefig(file, format="png", dpi=160, bbox_inches="tight")
    plt.close(figure)


def write(steps, path):
    """Write the table as .md and the plot beside it; returns the table."""
    text = table(steps)
    with r.write_aside(path, "w") as file:
        file.write(text)
    plot(steps, Path(path).with_suffix(".png"))
    return text
