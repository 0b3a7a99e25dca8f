"""Write the manifest, the plot and the dataset card of a mixture; mix.py calls it.

    python 02_mix/card.py --input data/runs/x/02_mix/train.jsonl        (makes them again for a finished mixture)

in   X.jsonl of mix.py with its meta file; the meta and rejected files of the steps before it, found through the inputs that each meta file
     names
out  X.manifest.json (rows, bytes and SHA-256 of every file), X.mixture.png, README.md (dataset card)
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import collections
import json
import shlex
import types

import load_sources
import row_forms

import rows as r


def lineage(path):
    """Steps that led to a file, first to last, as (output path, meta); follows `--input` through the meta files. Then the paths where the
    trail ends."""
    meta_path = r.beside(path, "meta.json")
    if not meta_path.is_file():
        return [], [str(path)]
    meta = json.loads(meta_path.read_text(encoding="utf-8"))
    inputs = meta.get("same_if", {}).get("options", {}).get("input") or []
    steps, ends = [], []
    for source in [inputs] if isinstance(inputs, str) else inputs:
        before, end = lineage(source)
        steps += [step for step in before if step[0] not in [s[0] for s in steps]]
        ends += end
    return [*steps, (str(path), meta)], ends


def rejected_by_source(steps):
    """Counter of (source, reason) over the rejected files of the steps, the reasons in the order of the steps,
    and what contaminated rows matched: Counter of (source, benchmark, method)."""
    counts, reasons, matched = collections.Counter(), [], collections.Counter()
    for path, meta in steps:
        for reason in sorted(meta["counts"]["rejected"]):
            if reason not in reasons:
                reasons.append(reason)
        rejected = r.beside(path, "rejected.jsonl")
        if not meta["counts"]["rejected"] or not rejected.is_file():
            continue
        with open(rejected, "rb") as file:
            for line in file:
                row = json.loads(line)
                source = row.get("source") or Path(path).stem
                counts[source, row["reason"]] += 1
                if "benchmark_id" in row:
                    matched[source, str(row.get("benchmark")), str(row.get("method"))] += 1
    return counts, reasons, matched


def table(head, lines):
    """Markdown table; numbers to the right."""
    right = [
        all(isinstance(line[i], int | float) or str(line[i]).endswith("%") for line in lines)
        for i in range(len(head))
    ]
    cells = [
        [f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in line] for line in lines
    ]
    return "\n".join(
        "| " + " | ".join(row) + " |"
        for row in [head, ["---:" if is_right else "---" for is_right in right], *cells]
    )


def shares(tally, place):
    """Lines (name, rows, % of rows, tokens, % of tokens) of one of source (1), subject (2), license (3), largest first."""
    rows, tokens = collections.Counter(), collections.Counter()
    for key, n in tally.items():
        (rows if key[0] == "rows" else tokens)[key[place]] += n
    total, all_tokens = max(1, rows.total()), max(1, tokens.total())
    return [
        (
            name,  # a licence may be null
            n,
            f"{100 * n / total:.1f} %",
            tokens[name],
            f"{100 * tokens[name] / all_tokens:.1f} %",
        )
        for name, n in rows.most_common()
    ]


def where_rows_went(steps, tally):
    """Markdown table: each source, what was loaded, how many rows left for which reason, what is in the mixture; and what does not add
    up."""
    kept = collections.Counter()
    for (unit, source, _, _), n in tally.items():
        kept[source] += n if unit == "rows" else 0
    rejected, reasons, matched = rejected_by_source(steps)
    loaded = collections.Counter()
    for _, meta in steps:
        loaded.update(meta.get("loaded", {}))
    names = sorted(
        {*kept, *loaded, *(source for source, _ in rejected)},
        key=lambda name: -(loaded[name] or kept[name]),
    )
    lines, unexplained = [], []
    for name in names:
        out = sum(rejected[name, reason] for reason in reasons)
        start = loaded[name] or kept[name] + out
        if start != kept[name] + out:
            unexplained.append(
                f"{name}: {start:,} rows came in, {kept[name]:,} are in the mixture, {out:,} rejected"
            )
        lines.append((name, start, *(rejected[name, reason] for reason in reasons), kept[name]))
    lines.append(("all", *(sum(line[i] for line in lines) for i in range(1, len(reasons) + 3))))
    text = table(["source", "rows in", *reasons, "in the mixture"], lines)
    if matched:
        text += "\n\n### Contaminated rows: what they matched\n\n"
        text += table(
            ["source", "benchmark", "found by", "rows"],
            [(*key, n) for key, n in sorted(matched.items(), key=lambda item: (-item[1], item[0]))],
        )
    return text, unexplained


def plot(path, tally, title):
    """Stacked bars: rows of each source by subject."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    counts = collections.defaultdict(collections.Counter)
    subjects = collections.Counter()
    for (unit, source, subject, _), n in tally.items():
        if unit == "rows":
            counts[source][subject] += n
            subjects[subject] += n
    top = [subject for subject, _ in subjects.most_common(11)]
    sources = sorted(counts, key=lambda name: counts[name].total())
    figure, axes = plt.subplots(figsize=(9, 1.6 + 0.45 * max(1, len(sources))))
    left = [0] * len(sources)
    for index, subject in enumerate([*top, "other"]):
        widths = [
            counts[s][subject]
            if subject != "other" or "other" in top
            else sum(n for k, n in counts[s].items() if k not in top)
            for s in sources
        ]
        if any(widths) and not (subject == "other" and "other" in top):
            axes.barh(
                sources,
                widths,
                left=left,
                label=f"{subject} ({sum(widths):,})",
                color=plt.get_cmap("tab20")(index % 20),
            )
            left = [a + b for a, b in zip(left, widths, strict=True)]
    axes.set_xlabel("rows")
    axes.set_title(title, fontsize=10)
    if sources:
        axes.legend(fontsize=7, ncols=2, loc="lower right")
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    with r.write_aside(path) as file:
        figure.savefig(file, format="png", dpi=150, metadata={"Software": None})
    plt.close(figure)


def manifest(step, files, recipe, recipe_hash, tokenizer):
    """Every file of the mixture with its rows, bytes and hash."""
    import pyarrow.parquet

    listed = []
    for path in [step.output, step.rejected_path, *files]:
        n = (
            pyarrow.parquet.read_metadata(path).num_rows
            if path.suffix == ".parquet"
            else sum(1 for _ in open(path, "rb"))
        )
        r.file_hash.cache_clear()
        listed.append(
            {
                "file": str(path.relative_to(step.output.parent)),
                "rows": n,
                "bytes": path.stat().st_size,
                "sha256": r.file_hash(str(path)),
            }
        )
    return {
        "recipe": recipe,
        "recipe_hash": recipe_hash,
        "tokenizer": tokenizer,
        "rows": step.counts["out"],
        "files": listed,
    }


def generators_of(path):
    """Names of the models that wrote rows of the mixture (`generator` stands in their field `extra`)."""
    with open(path, "rb") as file:
        extras = (json.loads(line).get("extra") for line in file if b"generator" in line)
        return {
            name for extra in extras for name in json.loads(extra or "{}").get("generator") or []
        }


def card_head(recipe, recipe_hash, stem, tally, generators=()):
    """First paragraphs of the card: the hub's front matter, what it is and how it was made, what its licences forbid."""
    licenses = shares(tally, 3)
    rows, tokens = (
        sum(n for key, n in tally.items() if key[0] == unit) for unit in ("rows", "tokens")
    )
    license_ = licenses[0][0] if len(licenses) == 1 and licenses[0][0] else "other"
    front = f"pretty_name: {recipe['name']}\ntask_categories: [text-generation]\ntags: [science, reasoning, sft]\nlicense: {license_}\n"
    front += f"configs:\n- config_name: default\n  data_files:\n  - split: train\n    path: data/{stem}-*.parquet"
    text = [
        f"---\n{front}\n---",
        f"# {recipe['name']}: {rows:,} rows, {tokens:,} tokens",
        recipe.get(
            "about",
            "A mixture of question-answer sets for supervised fine-tuning, in chat form (prompt, completion).",
        ),
        f"Made by `02_mix/mix.py`, recipe `{recipe['name']}` (hash `{recipe_hash}`), seed {recipe['seed']}, "
        + (
            f"rows of at most {recipe['max_tokens']:,} tokens."
            if recipe["max_tokens"]
            else "no token limit."
        )
        + " Every row names its source, its id there, its licence, why it was selected and the hash of the recipe.",
    ]
    closed = sorted({key[1] for key in tally if row_forms.non_commercial(key[3])})
    if closed:
        n = sum(n for name, n, *_ in licenses if row_forms.non_commercial(name))
        share = f"{n:,} rows ({100 * n / rows:.1f} %)"
        text.append(
            f"**Not for commercial use as a whole:** {share} come from non-commercial sources: {', '.join(closed)}."
        )
    if unknown := sum(n for name, n, *_ in licenses if not name):
        text.append(
            f"**Licence not stated** for {unknown:,} rows: look it up before you publish them."
        )
    return [*text, *r.model_terms(generators)]


def card_text(step, steps, before, files, tally, recipe, recipe_hash):
    """The dataset card as Markdown; returns it with the list of rows that no file accounts for."""
    stem, sources = step.output.stem, shares(tally, 1)
    went, unexplained = where_rows_went(steps, tally)
    text = card_head(recipe, recipe_hash, stem, tally, generators_of(step.output))
    text += [
        "## Where every row went",
        went,
        *[f"**Does not add up:** {line}" for line in unexplained],
    ]
    marked = [
        ((name or "not stated") + " (non-commercial)" * row_forms.non_commercial(name), *rest)
        for name, *rest in shares(tally, 3)
    ]
    for title, lines in (("source", sources), ("subject", shares(tally, 2)), ("licence", marked)):
        text += [
            f"## By {title}",
            table([title, "rows", "% of rows", "tokens", "% of tokens"], lines),
        ]
    text += [
        f"![rows by source and subject]({stem}.mixture.png)",
        "## Steps",
        steps_table(before + steps),
    ]
    for path, meta in before + steps:  # of finalize.py: what it measured, people's marks
        if lines := (meta.get("quality") or {}).get("measures"):
            text += [
                f"## What was measured in {Path(path).name}",
                table(["rows with this property", "rows looked at", "%", "95 % interval"], lines),
            ]
    known = {
        **load_sources.read_table(),
        **{entry["source"]: entry for entry in recipe.get("sources", []) if "citation" in entry},
    }
    cited = [
        f"- {name}: {known[name]['citation']}"
        + (f" (hub: {known[name]['hub']})" if "hub" in known[name] else "")
        for name, *_ in sources
        if known.get(name, {}).get("citation")
    ]
    text += ["## Citations", "\n".join(cited)] if cited else []
    text += [
        "## Files",
        f"`{stem}.jsonl`, {len(files)} parquet shard(s) in `data/`; hashes in `{stem}.manifest.json`; rows left out, each with its reason, "
        "in the `*.rejected.jsonl`.",
    ]
    return "\n\n".join(text) + "\n", unexplained


def steps_table(steps):
    lines = []
    for path, meta in steps:
        counts, words = meta["counts"], shlex.split(meta["command"])
        gone = ", ".join(
            f"{reason} {n:,}"
            for reason, n in sorted(
                counts["rejected"].items(), key=lambda item: (-item[1], item[0])
            )
        )
        lines.append(
            (
                Path(words[1]).name if len(words) > 1 else "",
                Path(path).name,
                counts["in"],
                counts["out"],
                gone or "none",
            )
        )
    return table(["script", "file", "in", "out", "rejected"], lines)


def write(step, files, tally, recipe, recipe_hash, tokenizer):
    """All three files, after the mixture itself is finished."""
    steps, _ = lineage(step.output)
    before = []
    for path, meta in steps:  # what made the local files that load_sources.py read
        for source in meta.get("same_if", {}).get("inputs", {}) if "loaded" in meta else ():
            found, _ = lineage(source)
            before += [one for one in found if one[0] not in [b[0] for b in before] + [path]]
    text, unexplained = card_text(step, steps, before, files, tally, recipe, recipe_hash)
    r.write_json(
        r.beside(step.output, "manifest.json"),
        manifest(step, files, recipe, recipe_hash, tokenizer),
    )
    plot(
        r.beside(step.output, "mixture.png"),
        tally,
        f"{recipe['name']}: {step.counts['out']:,} rows",
    )
    with r.write_aside(step.output.parent / "README.md", "w") as file:
        file.write(text)
    for line in unexplained:
        r.say(f"does not add up: {line}")
    r.say(text.split("## Where every row went\n\n")[1].split("\n\n")[0])


def rebuild(output):
    """Write the three files of a mixture that is finished."""
    output = Path(output)
    meta_path = r.beside(output, "meta.json")
    if not output.is_file() or not meta_path.is_file():
        raise r.BadInput(
            f"{output}: not a finished mixture (it and {meta_path.name} must be there); run mix.py"
        )
    meta, tally = json.loads(meta_path.read_text(encoding="utf-8")), collections.Counter()
    for row in r.read(output):
        for unit, n in (("rows", 1), ("tokens", row["n_tokens"] or 0)):
            tally[unit, row["source"], row["subject"] or "none", row["license"]] += n
    # what write() reads of a Step
    finished = types.SimpleNamespace(
        output=output, counts=meta["counts"], rejected_path=r.beside(output, "rejected.jsonl")
    )
    write(
        finished,
        [output.parent / name for name in meta["files"]],
        tally,
        meta["recipe"],
        meta["recipe_hash"],
        meta["tokenizer"],
    )


def main():
    parser = r.parser(__doc__)
    parser.add_argument(
        "--input", required=True, metavar="FILE", help="finished train.jsonl of mix.py"
    )
    rebuild(parser.parse_args().input)


if __name__ == "__main__":
    r.run(main)
