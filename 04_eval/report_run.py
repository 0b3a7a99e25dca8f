"""What the report says of the run behind the scores: funnel, mixture, training, examples.

All is read from the meta files and rows that the stages left in a run's folder (data/runs/NAME);
what is not there is left out.
"""

import collections
import json
from pathlib import Path

import rows as r

EXAMPLES = 3
LONGEST = 1500  # characters of a text that is shown as an example


def steps_of(run):
    """[(name, meta)] of the steps of stages 1 and 2, in the order in which they ended."""
    found = []
    for stage in ("01_extract", "02_mix"):
        for path in (run / stage).glob("*.meta.json"):
            name = path.name.removesuffix(".meta.json")
            if meta := r.read_meta(path.with_name(f"{name}.jsonl")):
                found.append((stage, meta.get("date", ""), name, meta))
    return [(name, meta) for _, _, name, meta in sorted(found, key=lambda step: step[:3])]


def funnel_row(name, meta):
    """dict(step, rows_in, out, rejected, reasons, model, tokens, a_row, seconds) for the table."""
    counts, spent = meta["counts"], meta.get("tokens")
    reasons = sorted(counts["rejected"].items(), key=lambda item: -item[1])
    # what the models read and wrote in every run of the step; chunking counts its own tokens
    tokens = r.total_tokens([spent]).values() if isinstance(spent, dict) else ()
    return dict(
        step=name,
        rows_in=counts["in"],
        out=counts["out"],
        rejected=sum(counts["rejected"].values()),
        reasons=", ".join(f"{reason} {n:,}" for reason, n in reasons[:4]),
        model=Path(str(meta.get("model") or "")).name,
        tokens=sum(tokens),
        a_row=round(sum(tokens) / counts["out"]) if counts["out"] else None,
        seconds=meta.get("seconds"),
    )


def mixture_of(path):
    """[(source, rows, share in percent)] of the training rows, largest first, and an example of
    each of the first EXAMPLES sources."""
    counts, examples = collections.Counter(), []
    for row in r.read(path, unique=False) if path.is_file() else ():
        source = str(row.get("source") or "unknown")
        counts[source] += 1
        if counts[source] == 1 and len(examples) < EXAMPLES:
            examples.append(example_of(row, source))
    return [(source, n, 100 * n / counts.total()) for source, n in counts.most_common()], examples


def example_of(row, source):
    """dict(question, answer, source, reference) of a training row, texts cut at LONGEST."""

    def last(messages):
        text = messages[-1].get("content", "") if messages else ""
        return text if len(text) <= LONGEST else text[:LONGEST] + " ..."

    question, answer = last(row.get("prompt")), last(row.get("completion"))
    reference = row.get("reference_answer")
    return dict(question=question, answer=answer, source=source, reference=reference)


def training_of(run):
    """dict(losses [(step, loss)], facts [(name, text)]) of the run's fine-tuning, or None."""
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
    return dict(losses=losses, facts=[(name, value) for name, value in facts.items() if value])


def facts_of(run):
    """dict(funnel, mixture, examples, training) of a run's folder; BadInput where the folder is not
    there."""
    run = Path(run)
    if not run.is_dir():
        raise r.BadInput(f"--run {run}: there is no such folder")
    mixture, examples = mixture_of(run / "02_mix" / "train.jsonl")
    funnel = [funnel_row(*step) for step in steps_of(run)]
    return dict(funnel=funnel, mixture=mixture, examples=examples, training=training_of(run))
