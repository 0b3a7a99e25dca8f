"""Show what each step of a run kept and rejected, and why: a table and a plot from the meta files that the steps left.

    python 01_extract/funnel.py --input data/runs/demo/01_extract/reference.jsonl --output data/runs/demo/01_extract/funnel.md

in   a step's output; the steps before it are found through the meta files, each of which names its input
out  funnel.md (steps, rows in, out, rejected by reason, model, tokens, time; rows by subject after each step) and funnel.png beside it
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import json
import os

import rows as r

# at most four reasons a step are drawn apart
KEPT, REJECTED = "#2c6e91", ["#c8553d", "#e0876a", "#eeb79b", "#f3d6c3"]


def read_meta(path):
    """The meta file of an output with its name, or None where there is none or it is no meta file."""
    try:
        meta = json.loads(r.beside(path, "meta.json").read_text(encoding="utf-8"))
        return {**meta, "name": Path(path).stem, "path": Path(path)} if "counts" in meta else None
    except (OSError, ValueError, TypeError):
        return None


def chain(path):
    """Meta files of the steps that led to a file, in order. An input that was moved is looked for beside the file that was made of it."""
    found, path = [], Path(path)
    while (meta := read_meta(path)) is not None and path not in [m["path"] for m in found]:
        found.append(meta)
        before = meta.get("same_if", {}).get("options", {}).get("input")
        if not isinstance(before, str):
            break
        path = Path(before) if Path(before).is_file() else path.parent / Path(before).name
    return found[::-1]


def count_subjects(path):
    """Rows of a file by subject."""
    counts = {}
    for row in r.read(path, unique=False) if Path(path).is_file() else ():
        subject = str(row.get("subject") or "none")
        counts[subject] = counts.get(subject, 0) + 1
    return counts


def rejected_text(reasons, most=None):
    """ "unparsed 310, truncated 20": the most frequent first."""
    ordered = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    shown = ordered[:most] + (
        [("other", sum(n for _, n in ordered[most:]))] if most and len(ordered) > most else []
    )
    return ", ".join(f"{reason} {n:,}" for reason, n in shown)


def money_of(spent):
    """Price of the tokens at an endpoint that takes PRICE_IN and PRICE_OUT for a million of them."""
    prices = {"prompt_tokens": "PRICE_IN", "completion_tokens": "PRICE_OUT"}
    return sum(
        spent.get(kind, 0) * float(os.environ.get(name) or 0) / 1e6 for kind, name in prices.items()
    )


def table(steps, by_subject=True):
    """The funnel as Markdown: one line a step, and rows by subject."""
    lines = [
        "| step | rows in | rows out | rejected | share kept | why rejected | model | tokens | a row kept | seconds |",
        "|---|---:|---:|---:|---:|---|---|---:|---:|---:|",
    ]
    for step in steps:
        counts, rejected = step["counts"], sum(step["counts"]["rejected"].values())
        spent = step.get("tokens") or {}
        if not isinstance(spent, dict):  # chunking counts its own tokens under this name
            spent = {}
        # what the models read and wrote in every run of the step
        tokens = spent.get("prompt_tokens", 0) + spent.get("completion_tokens", 0)
        each = f"{tokens / counts['out']:,.0f}" if tokens and counts["out"] else "-"
        if (money := money_of(spent)) and counts["out"]:
            each += f" ({money / counts['out']:.2g} of money)"
        total = counts["out"] + rejected
        lines.append(
            f"| {step['name']} | {counts['in']:,} | {counts['out']:,} | {rejected:,} | {counts['out'] / total:.1%} | "
            if total
            else f"| {step['name']} | 0 | 0 | 0 | - | "
        )
        lines[-1] += (
            f"{rejected_text(counts['rejected']).replace('|', '/') or '-'} | {Path(str(step.get('model') or '-')).name} | "
            f"{f'{tokens:,}' if tokens else '-'} | {each} | {step.get('seconds', '-')} |"
        )
    counted = (
        [(step["name"], step.get("subjects") or count_subjects(step["path"])) for step in steps]
        if by_subject
        else []
    )
    subjects = sorted({subject for _, counts in counted for subject in counts})
    if len(subjects) > 1:
        lines += [
            "",
            f"| rows after | {' | '.join(subjects)} | all |",
            f"|---|{'---:|' * (len(subjects) + 1)}",
        ]
        lines += [
            f"| {name} | {' | '.join(f'{counts.get(s, 0):,}' for s in subjects)} | {sum(counts.values()):,} |"
            for name, counts in counted
        ]
    return "\n".join(lines) + "\n"


def plot(steps, path):
    """Horizontal bars, one a step, from top to bottom: kept rows, then the rejected by reason; a step's own units (documents, chunks, pairs)."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    totals = [step["counts"]["out"] + sum(step["counts"]["rejected"].values()) for step in steps]
    widest = max([*totals, 1])
    figure, axes = plt.subplots(figsize=(11, 1.3 + 0.52 * max(len(steps), 1)), layout="constrained")
    for place, (step, total) in enumerate(zip(steps, totals, strict=True)):
        kept = step["counts"]["out"]
        reasons = sorted(step["counts"]["rejected"].items(), key=lambda item: (-item[1], item[0]))
        axes.barh(place, kept, color=KEPT, height=0.66)
        left = kept
        for i, (_, n) in enumerate(reasons):
            axes.barh(
                place,
                n,
                left=left,
                color=REJECTED[min(i, 3)],
                height=0.66,
                edgecolor="white",
                linewidth=0.6,
            )
            left += n
        why = rejected_text(step["counts"]["rejected"], most=3)
        axes.text(
            total + 0.012 * widest,
            place,
            f"{kept:,}" + (f"   rejected: {why}" if why else ""),
            va="center",
            fontsize=8.5,
            color="#333333",
        )
    axes.set_yticks(range(len(steps)), [step["name"] for step in steps])
    axes.set_xlim(0, 1.9 * widest)  # the right half is for the text beside the bars
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xticks([tick for tick in axes.get_xticks() if 0 <= tick <= widest])
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.invert_yaxis()
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(
        "rows kept (blue) and rejected (red, darkest: the most frequent reason)",
        loc="left",
        fontsize=9,
    )
    axes.set_title("Rows after each step", loc="left", fontsize=12)
    with r.write_aside(path) as file:
        figure.savefig(file, format="png", dpi=160, bbox_inches="tight")
    plt.close(figure)


def main():
    parser = r.parser(__doc__, "input")
    parser.add_argument(
        "--output",
        required=True,
        metavar="FILE",
        help="the table to write (.md); the plot stands beside it",
    )
    args = parser.parse_args()
    steps = chain(args.input)
    if not steps:
        raise r.BadInput(
            f"{r.beside(args.input, 'meta.json')}: there is no such meta file, so nothing is known about how {args.input} was made"
        )
    text = table(steps)
    with r.write_aside(args.output, "w") as file:
        file.write(text)
    plot(steps, Path(args.output).with_suffix(".png"))
    print(text, end="")


if __name__ == "__main__":
    r.run(main)
