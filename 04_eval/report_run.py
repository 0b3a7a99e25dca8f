"""What the report says of the run behind the scores: funnel, mixture, training.

All is read from the meta files and rows that the stages left in a run's folder (data/runs/NAME);
what is not there is left out.
"""

import collections
import json
from pathlib import Path

import rows as r


def funnel_of(run):
    """[dict(step, rows_in, out, rejected, reasons, model, tokens, a_row, seconds)] of the steps of
    stages 1 and 2, in the order in which they ended."""
    found = []
    for stage in ("01_extract", "02_mix"):
        for path in (run / stage).glob("*.meta.json"):
            name = path.name.removesuffix(".meta.json")
            if meta := r.read_meta(path.with_name(f"{name}.jsonl")):
                found.append((stage, meta.get("date", ""), name, meta))
    return [funnel_row(name, meta) for *_, name, meta in sorted(found, key=lambda step: step[:3])]


def funnel_row(name, meta):
    counts, spent = meta["counts"], meta.get("tokens")
    reasons = sorted(counts["rejected"].items(), key=lambda item: -item[1])
    # what the models read and wrote in every run of the step; chunking counts its own tokens
    tokens = sum(r.total_tokens([spent]).values()) if isinstance(spent, dict) else 0
    return dict(
        step=name,
        rows_in=counts["in"],
        out=counts["out"],
        rejected=sum(counts["rejected"].values()),
        reasons=", ".join(f"{reason} {n:,}" for reason, n in reasons[:4]),
        model=Path(str(meta.get("model") or "")).name,
        tokens=tokens,
        a_row=round(tokens / counts["out"]) if counts["out"] else None,
        seconds=meta.get("seconds"),
    )


def mixture_of(path):
    """[(source, rows, share in percent)] of the training rows, largest first."""
    rows = r.read(path, unique=False) if path.is_file() else ()
    counts = collections.Counter(str(row.get("source") or "unknown") for row in rows)
    return [(source, n, 100 * n / counts.total()) for source, n in counts.most_common()]


def training_of(run):
    """dict(losses [(step, loss)], facts {name: text}) of the run's fine-tuning, or None."""
    paths = [run / "03_sft" / name / "sft.meta.json" for name in ("adapter", "model")]
    path = next(filter(Path.is_file, paths), None)
    if path is None:
        return None
    meta = json.loads(path.read_text(encoding="utf-8"))
    train = meta["rows"]["train"]
    facts = {
        "Base model": meta["model"],
        "Method": meta["method"],
        "Rows": f"{train['rows']:,}",
        "Tokens": f"{train['tokens']:,}",
        "Steps": meta["steps"],
        "Tokens a second": meta.get("speed", {}).get("tokens_per_second"),
        "Device": meta.get("gpu") or "CPU",
    }
    losses = [(entry["step"], entry["loss"]) for entry in meta["log"] if "loss" in entry]
    return dict(losses=losses, facts={name: value for name, value in facts.items() if value})


def facts_of(run):
    """dict(funnel, mixture, training) of a run's folder; BadInput where the folder is not there."""
    run = Path(run)
    if not run.is_dir():
        raise r.BadInput(f"--run {run}: there is no such folder")
    mixture = mixture_of(run / "02_mix" / "train.jsonl")
    return dict(funnel=funnel_of(run), mixture=mixture, training=training_of(run))
