"""What the report says of the run behind the scores: funnel, mixture, training, examples (used by report.py --run; no command of its own).

Everything is read from the meta files and rows that the stages left in a run's folder (data/runs/NAME); what is not there is left out.
"""

import json
from pathlib import Path

import rows as r

EXAMPLES = 3
LONGEST = 1500  # characters of a text that is shown as an example


def read_json(path):
    """The value of a JSON file, or None where there is none or it cannot be read: a report does
    without."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def steps_of(run):
    """[meta of each step of stages 1 and 2 with `step` and `stage`], in the order in which they
    ended."""
    found = []
    for stage in ("01_extract", "02_mix"):
        for path in sorted((run / stage).glob("*.meta.json")):
            meta = read_json(path)
            if isinstance(meta, dict) and "counts" in meta:
                name = path.name.removesuffix(".meta.json")
                found.append({**meta, "step": name, "stage": stage})
    return sorted(found, key=lambda meta: (meta["stage"], meta.get("date", "")))


def funnel_rows(steps):
    """[dict(step, rows_in, out, rejected, reasons, model, tokens, seconds)] for the table."""
    table = []
    for meta in steps:
        counts = meta["counts"]
        reasons = sorted(counts["rejected"].items(), key=lambda item: -item[1])
        spent = meta.get("tokens") or {}
        if not isinstance(spent, dict):  # chunking counts its own tokens under this name
            spent = {}
        # what the models read and wrote in every run of the step
        tokens = spent.get("prompt_tokens", 0) + spent.get("completion_tokens", 0)
        table.append(
            dict(
                step=meta["step"],
                rows_in=counts["in"],
                out=counts["out"],
                rejected=sum(counts["rejected"].values()),
                reasons=", ".join(f"{reason} {n:,}" for reason, n in reasons[:4]),
                model=Path(str(meta.get("model") or "")).name,
                tokens=tokens or None,
                a_row=round(tokens / counts["out"]) if tokens and counts["out"] else None,
                seconds=meta.get("seconds"),
            )
        )
    return table


def mixture_of(path):
    """[(source, rows, share in percent)] of the training rows, largest first, and the first
    EXAMPLES of them."""
    counts, examples = {}, []
    for row in r.read(path, unique=False) if path.is_file() else ():
        source = str(row.get("source") or "unknown")
        counts[source] = counts.get(source, 0) + 1
        if counts[source] == 1 and len(examples) < EXAMPLES:
            examples.append(example_of(row))
    total = sum(counts.values())
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    return [(source, n, 100 * n / total) for source, n in ordered], examples


def example_of(row):
    """dict(question, answer, source, reference) of a training row, texts cut at LONGEST."""

    def last(messages):
        text = messages[-1].get("content", "") if messages else ""
        return text if len(text) <= LONGEST else text[:LONGEST] + " ..."

    return dict(
        question=last(row.get("prompt")),
        answer=last(row.get("completion")),
        source=str(row.get("source") or ""),
        reference=row.get("reference_answer"),
    )


def training_of(run):
    """dict(losses [(step, loss)], facts [(name, text)]) of the run's fine-tuning, or None."""
    paths = [run / "03_sft" / name / "sft.meta.json" for name in ("adapter", "model")]
    meta = next((meta for path in paths if (meta := read_json(path))), None)
    if not meta:
        return None
    log, speed = meta.get("log") or [], meta.get("speed") or {}
    train = meta.get("rows", {}).get("train", {})
    facts = [
        ("Base model", meta.get("model")),
        ("Method", meta.get("method")),
        ("Rows", f"{train['rows']:,}" if "rows" in train else None),
        ("Tokens", f"{train['tokens']:,}" if "tokens" in train else None),
        ("Steps", meta.get("steps")),
        ("Tokens a second", speed.get("tokens_per_second")),
        ("Device", meta.get("gpu") or "CPU"),
    ]
    return dict(
        losses=[(entry["step"], entry["loss"]) for entry in log if "loss" in entry],
        facts=[(name, value) for name, value in facts if value],
    )


def facts_of(run):
    """dict(funnel, mixture, examples, training) of a run's folder; BadInput where the folder is not
    there."""
    run = Path(run)
    if not run.is_dir():
        raise r.BadInput(f"--run {run}: there is no such folder")
    mixture, examples = mixture_of(run / "02_mix" / "train.jsonl")
    return dict(
        funnel=funnel_rows(steps_of(run)),
        mixture=mixture,
        examples=examples,
        training=training_of(run),
    )
