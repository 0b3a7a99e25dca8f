"""The fifteen benchmarks: how files and hub sets become rows, and what the paper measured.

    python 04_eval/benchmarks.py --download DIR     all from the hub, as DIR/NAME.jsonl; what is
                                                    there stays

The table is benchmarks.yaml, readers of raw rows stand in benchmark_rows.py, prompts in
benchmark_prompts.py.

in   the fields of the hub data sets, the files of the paper's evaluator, or rows of your own
     (question, options and answer for a choice, else kind, question and reference)
out  rows with id, benchmark, category, subject, kind (choice | math | short_text), question,
     options, reference, unit, group, passage, option_order; what has no place in the benchmark
     stands in NAME.rejected.jsonl

GPQA's and ChemBench's options come with the right one first or nearly so: a hash of the row's own
text shuffles them, and `option_order` says where each shown option stood in the source. The other
benchmarks publish lettered options, whose order is kept, as everyone keeps it.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import collections
import itertools
import re

import benchmark_rows
import yaml

import rows as r

TABLE = Path(__file__).with_name("benchmarks.yaml")
BENCHMARKS = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
# what a step that reads benchmarks depends on
FILES = sorted(Path(__file__).parent.glob("benchmark*"))
# arXiv 2507.16812 v2, tables 6, 12 and 13, in percent
PAPER_SCORES = Path(__file__).with_name("paper_scores.csv")
# a row with one of these is a model's output, not a benchmark
MODEL_TEXT = ("response", "generated_text", "model_outputs", "pred")


def category_of(name):
    return BENCHMARKS[name]["category"] if name in BENCHMARKS else "Own"


def title_of(name):
    return BENCHMARKS[name]["title"] if name in BENCHMARKS else name


def in_order(names):
    """Names of benchmarks in the order of the table, those of one's own behind."""
    return [*(n for n in BENCHMARKS if n in names), *sorted(set(names) - BENCHMARKS.keys())]


def paper_scores():
    """{model: {benchmark: accuracy in percent}} as the paper printed them."""
    import pandas

    return pandas.read_csv(PAPER_SCORES, index_col="model").T.to_dict()


def averages(scores):
    """Averages as the paper counts them, of {benchmark: value}: {category: (mean or None,
    benchmarks found, benchmarks there are)}.

    General is the mean of its five without MMLU, Specific of six, Math of three, All of the
    fourteen benchmarks (not of the categories).
    """
    counted = {n: entry["category"] for n, entry in BENCHMARKS.items() if entry.get("averaged", 1)}
    result = {}
    for category in ("General", "Specific", "Math", "All"):
        wanted = [name for name, its in counted.items() if category in (its, "All")]
        found = [scores[name] for name in wanted if scores.get(name) is not None]
        result[category] = (sum(found) / len(found) if found else None, len(found), len(wanted))
    return result


# ---- files and rows ----

SPLITS = dict(train="train", test="test", dev="dev")
SPLITS |= dict.fromkeys(("validation", "valid", "val"), "validation")


def misplaced(entry, path):
    """Why a file with rows of a benchmark is not the benchmark, by its path; None where it is."""
    words = re.findall("[a-z]+", str(path).lower())
    named = {SPLITS[word] for word in words if word in SPLITS}
    if named and not named & set(entry.get("splits", [entry["split"]])):
        return f"the {min(named)} split, not {entry['split']}"
    if re.search(entry.get("not_in_path", "(?!)"), str(path), re.I):
        return "another subset"


def has(row, field):
    """Has a row the field of a benchmark's `fields`: "answer", or "answer: ####" with that text?"""
    name, _, text = field.partition(": ")
    return name in row and text in str(row[name])


def recognise(row, path):
    """(benchmark, None) of a raw row, ("own", None) for a row of one's own, or (None, reason)."""
    if any(field in row for field in MODEL_TEXT):
        return None, "holds a model's outputs"
    if {"kind", "reference", "question"} <= row.keys():
        return "own", None
    for name, entry in BENCHMARKS.items():
        if any(all(has(row, field) for field in fields) for fields in entry["fields"]):
            reason = misplaced(entry, path)
            return (None, f"{entry['title']}: {reason}") if reason else (name, None)
    if r.question_of(row) and (r.options_of(row) or "reference" in row):
        return "own", None
    return None, "rows of no known benchmark"


def eval_row(name, source, path, number):
    """Fields of one row of a benchmark or of one's own, or a text that says why it is left out;
    raises BadInput."""
    where = f"{path}, row {number}"
    if name == "own":
        row = benchmark_rows.read_own(source, where)
        named = row.get("benchmark") or path.name.split(".")[0].lower()
        return {**row, "benchmark": named, "category": row.get("category") or category_of(named)}
    try:
        fields = getattr(benchmark_rows, f"read_{name}")(source)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise r.BadInput(
            f"{where}: not a row of {title_of(name)} ({type(error).__name__}: {error})"
        ) from None
    if isinstance(fields, str):
        return fields
    # ChemBench's rows do not say their subject, their folder does
    configs = BENCHMARKS[name]["configs"]
    subject = next((part for part in path.parts if part in configs and len(configs) > 1), None)
    known = dict(benchmark=name, category=category_of(name), subject=subject)
    return known | benchmark_rows.carried(source) | fields


EMPTY = dict.fromkeys(("subject", "options", "unit", "group", "passage", "source_id"))


def eval_rows(name, raw, path):
    """Yield (row, None) or (raw row, reason) for the raw rows of one file; a row's id is a hash of
    its text, so that a changed text is a new id."""
    seen = collections.Counter()
    for number, source in enumerate(raw, 1):
        row = eval_row(name, source, path, number)
        if isinstance(row, str):
            yield {"benchmark": name, **source}, row
            continue
        row = EMPTY | row
        texts = [row["question"], row["options"] or []]
        text = r.text_hash(*texts, row["passage"] or "", row["subject"] or "")
        seen[text] += 1  # a benchmark may hold the same row twice; both count
        if row.get("id") is None or name != "own":
            row["id"] = f"{row['benchmark']}-{text}" + (f"-{seen[text]}" if seen[text] > 1 else "")
        row["id"] = str(row["id"])
        if row["passage"] and not row["group"]:
            row["group"] = r.text_hash(row["passage"])
        yield row, None


KINDS_OF_FILES = (".json", ".jsonl", ".jsonl.gz", ".parquet", ".csv")


def data_files(data):
    """The files of a folder that may hold rows; a file is taken as it is."""
    found = r.files_below(data, "--data")
    return [p for p in found if p.name.endswith(KINDS_OF_FILES) or p == Path(data)]


def load_file(path, inside, wanted=None):
    """[(row, None) or (raw row, reason)] of one file, or a text that says why it is not used;
    inside: its path below the folder of the benchmarks."""
    raw = (row for _, row in r.raw_rows(path))
    first = next(raw, None)  # a file that is no benchmark is not read to its end, however large
    name, reason = recognise(first, inside) if first else (None, "no rows")
    if reason:
        return reason
    if wanted is not None and name not in ("own", *wanted):
        return []
    rows = eval_rows(name, itertools.chain([first], raw), path)
    return [pair for pair in rows if wanted is None or pair[0]["benchmark"] in wanted]


def load_folder(data, wanted=None):
    """All rows of the benchmarks that a folder (or file) holds.

    wanted: names, or None for all. Returns dict(rows={benchmark: [row]}, files=[path used],
    unused={path: reason}, rejected=[(row, reason)]). Rows that stand in two files of a benchmark
    count once.
    """
    found = dict(rows={}, files=[], unused={}, rejected=[])
    places = {}  # of each (benchmark, id): the file in which it stood first
    for path in data_files(data):
        made = load_file(path, path.relative_to(data) if path != Path(data) else path.name, wanted)
        if isinstance(made, str):
            found["unused"][str(path)] = made
            continue
        found["files"] += [str(path)] if made else []
        for row, reason in made:
            place = path if reason else places.setdefault((row["benchmark"], row["id"]), path)
            if place != path:
                reason = f"the same row stands in {place.name}"
            if reason:
                found["rejected"].append((row, reason))
            else:
                found["rows"].setdefault(row["benchmark"], []).append(row)
    return found


# ---- the hub ----


def load_hub(name, other_rows=False):
    """Rows of one benchmark from the Hugging Face hub at its pinned commit, as (rows, rejected).

    other_rows: another number of rows than the table's is only said. Raises BadInput where the set
    cannot be had or has another number of rows, NoAccess where a token is missing.
    """
    entry, made = BENCHMARKS[name], []
    title, hub, split, revision = (entry[k] for k in ("title", "hub", "split", "revision"))
    for config in entry["configs"]:
        pinned = (title, hub, config, split, revision, entry.get("file"))
        raw = list(r.hub_rows(*pinned, hint="give a folder of its files by --data"))
        place, wanted = f"{title}, {config}: {hub} at {revision[:12]}", entry.get("raw", {})
        r.check_count(place, len(raw), wanted.get(config), other_rows)
        made += eval_rows(name, raw, Path(hub) / config)
    rows = [row for row, reason in made if not reason]
    place = f"{title}, {split}: {hub} at {revision[:12]}"
    r.check_count(place, len(rows), entry["n"], other_rows)
    return rows, [{**row, "reason": reason} for row, reason in made if reason]


def download(folder, names=None, other_rows=False):
    """Write each benchmark of the hub (or those named) to a file of eval rows; what is there stays.

    One that needs a token is BadInput where it was named; else it is said and left out, and tried
    again next time.
    """
    for name in names or BENCHMARKS:
        if name not in BENCHMARKS:
            raise r.BadInput(
                f"{name}: not one of {', '.join(BENCHMARKS)}; own rows need --data or a file"
            )
        path = Path(folder) / f"{name}.jsonl"
        if path.is_file():
            continue
        try:
            rows, rejected = load_hub(name, other_rows)
        except r.NoAccess as error:
            if names:
                raise
            r.say(f"left out: {error}")
            continue
        r.write(r.beside(path, "rejected.jsonl"), rejected)
        r.say(f"{path}: {r.write(path, rows):,} rows, {len(rejected):,} left out")


def main():
    parser = r.parser(__doc__)
    add = parser.add_argument
    add("--download", metavar="DIR", required=True, help="folder for the benchmarks of the hub")
    add("--allow-other-rows", action="store_true", help="take hub sets of other row counts too")
    args = parser.parse_args()
    download(args.download, other_rows=args.allow_other_rows)


if __name__ == "__main__":
    r.run(main)
