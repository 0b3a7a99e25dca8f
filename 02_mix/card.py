"""Dataset card of a finished mixture (used by mix.py; no command of its own).

It is made from X.jsonl and its meta file, and from the meta and rejected files of the steps before
it, found through the inputs that each names.
"""

import collections
import json
from pathlib import Path

import load_sources
import row_forms

import rows as r

# ---- how the mixture came about ----


def lineage(path):
    """{output path: meta} of the steps that led to a file, first to last, by the meta files."""
    meta = r.read_meta(path)
    if meta is None:
        return {}
    before, steps = meta["same_if"]["options"].get("input", []), {}
    for source in [before] if isinstance(before, str) else before:
        steps |= lineage(source)
    return {**steps, str(path): meta}


def rejected_by_source(steps):
    """Counter of (source, reason) over the rejected files of the steps, and what contaminated rows
    matched: Counter of (source, benchmark, method)."""
    counts, matched = collections.Counter(), collections.Counter()
    for path in steps:
        rejected = r.beside(path, "rejected.jsonl")
        for row in r.read(rejected, unique=False) if rejected.is_file() else ():
            source = row.get("source") or Path(path).stem
            counts[source, row["reason"]] += 1
            if "benchmark_id" in row:
                matched[source, str(row.get("benchmark")), str(row.get("method"))] += 1
    return counts, matched


# ---- tables ----


def table(head, lines):
    """Markdown table: names to the left, all else to the right."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    cells = [[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, rule, *cells])


def shares(frame, column):
    """Lines (name, rows, % of rows, tokens, % of tokens) by a column of the frame, largest
    first."""
    grouped = frame.groupby(column, sort=False)[["rows", "tokens"]].sum()
    grouped = grouped.sort_values("rows", ascending=False, kind="stable")
    all_rows, all_tokens = frame.rows.sum(), max(1, frame.tokens.sum())
    return [
        (name, n, f"{100 * n / all_rows:.1f} %", tokens, f"{100 * tokens / all_tokens:.1f} %")
        for name, n, tokens in grouped.itertuples()
    ]


def where_rows_went(steps, in_mixture):
    """Sections on each source's rows: loaded, rejected by reason, in the mixture (a dict)."""
    kept, loaded = collections.Counter(in_mixture), collections.Counter()
    rejected, matched = rejected_by_source(steps)
    reasons = {}
    for meta in steps.values():
        loaded.update(meta.get("loaded", {}))
        reasons |= dict.fromkeys(sorted(meta["counts"]["rejected"]))
    lines, text = [], []
    for name in sorted({*kept, *loaded, *(source for source, _ in rejected)}):
        gone = [rejected[name, reason] for reason in reasons]
        start = loaded[name] or kept[name] + sum(gone)
        if start != kept[name] + sum(gone):  # where a step had --limit
            told = f"{name}: {start:,} rows came in, {kept[name]:,} are in the mixture, {sum(gone):,} rejected"
            r.say(f"does not add up: {told}")
            text.append(f"**Does not add up:** {told}")
        lines.append((name, start, *gone, kept[name]))
    lines.sort(key=lambda line: -line[1])
    lines.append(("all", *map(sum, list(zip(*lines, strict=True))[1:])))
    head = ["source", "rows in", *reasons, "in the mixture"]
    text = ["## Where every row went", table(head, lines), *text]
    if matched:
        lines = sorted(((*key, n) for key, n in matched.items()), key=lambda line: (-line[3], line))
        text.append("### Contaminated rows: what they matched")
        text.append(table(["source", "benchmark", "found by", "rows"], lines))
    return text


# ---- the card ----

# types of the columns for `datasets`, which else goes by the first 10 MB, where one may be null alone
MESSAGES = "list: [{name: role, dtype: string}, {name: content, dtype: string}]"
COLUMNS = {"prompt": MESSAGES, "completion": MESSAGES}
COLUMNS |= {"selection_score": "dtype: float64", "n_tokens": "dtype: int64"}


def features(output):
    """Lines of the front matter: the columns of a mixture; "" for one without rows."""
    row = next(r.read(output, unique=False), None)
    if row is None:
        return ""
    names = (f"  - {{name: {name}, {COLUMNS.get(name, 'dtype: string')}}}\n" for name in row)
    return "dataset_info:\n  features:\n" + "".join(names)


def read_mixture(output):
    """A DataFrame with the rows and tokens of each source, subject, license and licence (as the card
    names it), and the names of the models that wrote or changed rows."""
    import pandas as pd

    rows, tokens, models = collections.Counter(), collections.Counter(), set()
    for row in r.read(output, unique=False):
        group = row["source"], row["subject"] or "none", row["license"] or ""
        rows[group] += 1
        tokens[group] += row["n_tokens"] or 0
        if '"generator"' in (row["extra"] or ""):
            models.update(r.written_by(json.loads(row["extra"])))
    frame = pd.DataFrame(list(rows), columns=["source", "subject", "license"])
    frame = frame.assign(rows=list(rows.values()), tokens=list(tokens.values()))
    frame = frame.astype({"rows": int, "tokens": int})  # floats where there is no row
    frame["closed"] = frame.license.map(row_forms.non_commercial).astype(bool)
    closed = frame.closed.map({True: " (non-commercial)", False: ""})
    frame["licence"] = frame.license.replace("", "not stated") + closed
    return frame, models


def card_head(meta, output, frame, models):
    """First paragraphs of the card: the hub's front matter, what it is and how it was made, what
    its licences forbid."""
    recipe, licenses = meta["recipe"], set(frame.license)
    license_ = (licenses.pop() if len(licenses) == 1 else "") or "other"
    most = recipe["max_tokens"]
    limit = f"rows of at most {most:,} tokens" if most else "no token limit"
    default = "A mixture of question-answer sets for supervised fine-tuning, in chat form (prompt, completion)."
    text = [
        f"---\npretty_name: {recipe['name']}\ntask_categories: [text-generation]\ntags: [science, reasoning, sft]\n"
        f"license: {license_}\n{features(output)}configs:\n- config_name: default\n  data_files:\n  - split: train\n"
        f"    path: {output.name}\n---",
        f"# {recipe['name']}: {frame.rows.sum():,} rows, {frame.tokens.sum():,} tokens",
        recipe.get("about", default),
        f"Made by `02_mix/mix.py`, recipe `{recipe['name']}` (hash `{meta['recipe_hash']}`), seed {recipe['seed']}, {limit}. "
        "Every row names its source, its id there, its licence, why it was selected and the hash of the recipe.",
    ]
    closed = frame[frame.closed]
    if n := closed.rows.sum():
        share = f"{n:,} rows ({100 * n / frame.rows.sum():.1f} %)"
        names = ", ".join(sorted(set(closed.source)))
        text.append(
            f"**Not for commercial use as a whole:** {share} come from non-commercial sources: {names}."
        )
    if unknown := frame.rows[frame.license == ""].sum():
        text.append(
            f"**Licence not stated** for {unknown:,} rows: look it up before you publish them."
        )
    return [*text, *r.model_terms(models)]


def shares_sections(frame):
    head, text = ["rows", "% of rows", "tokens", "% of tokens"], []
    for name in ("source", "subject", "licence"):
        text += [f"## By {name}", table([name, *head], shares(frame, name))]
    return text


def citations(recipe, names):
    known = load_sources.read_table()
    known |= {entry["source"]: entry for entry in recipe.get("sources", []) if "citation" in entry}
    lines = []
    for name in names:
        source = known.get(name, {})
        if source.get("citation"):
            hub = f" (hub: {source['hub']})" if "hub" in source else ""
            lines.append(f"- {name}: {source['citation']}{hub}")
    return ["## Citations", "\n".join(lines)] if lines else []


def write(output):
    """README.md beside a finished mixture, a path."""
    meta, (frame, models) = r.read_meta(output), read_mixture(output)
    sources = shares(frame, "source")
    went = where_rows_went(lineage(output), {name: n for name, n, *_ in sources})
    text = [
        *card_head(meta, output, frame, models),
        *went,
        *shares_sections(frame),
        *citations(meta["recipe"], [name for name, *_ in sources]),
        "## Files",
        f"`{output.name}`; rows left out, each with its reason, in the `*.rejected.jsonl`.",
    ]
    with r.write_aside(output.parent / "README.md", "w") as file:
        file.write("\n\n".join(text) + "\n")
    r.say(went[1])
