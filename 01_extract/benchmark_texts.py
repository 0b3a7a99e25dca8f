"""Read the questions of benchmarks in the many forms their files have, and name the benchmark each
belongs to (used by decontaminate.py; no command of its own).

Files and fields are those that rows.raw_rows(), question_of() and options_of() know.
"""

import csv
import itertools
import re
from typing import NamedTuple

import yaml

import rows as r

ID_FIELDS = (*"id uuid ID question_id unique_id idx pubid problemid".split(), "Record ID", "name")
ANSWER_FIELDS = "reference answer_idx answer_index answerkey cop label answer final_answer answer_number".split()
SPLITS = ("data", "test", "val", "valid", "validation", "dev")
# the 15 benchmarks of the evaluation, with what the path of their files says
TABLE = r.ROOT / "04_eval" / "benchmarks.yaml"
BENCHMARKS = {
    name: re.compile(entry.get("path", name.replace("_", "")))
    for name, entry in yaml.safe_load(TABLE.read_text(encoding="utf-8")).items()
}


class Item(NamedTuple):
    """One benchmark question, its options apart."""

    benchmark: str
    id: str
    question: str
    options: tuple
    answer: str = ""


def benchmark_name(path, row):
    """Name of a row's benchmark: its own field, else one of the 15 that its path names, else the file,
    or its folder where the file is a split."""
    if isinstance(row.get("benchmark"), str) and row["benchmark"]:
        return row["benchmark"]
    place = path.parent.name, path.stem.removesuffix(".jsonl")
    parts = [re.sub("[^a-z0-9]", "", part.lower()) for part in place]
    named = (name for name, pattern in BENCHMARKS.items() if any(map(pattern.search, parts)))
    return next(named, (place[0] if parts[1] in SPLITS else place[1]).lower())


def answer_of(row):
    """The benchmark's answer as the judge is shown it, or ""."""
    low, options = r.lower_names(row), r.options_of(row)
    given = [low[name] for name in ANSWER_FIELDS if low.get(name) not in (None, "")]
    letters = (r.option_letter(answer, options) for answer in given if options)
    letter = next(filter(None, letters), None)
    return options[ord(letter) - 65] if letter else str(next(iter(given), ""))[-300:]


def read_benchmarks(paths):
    """All items below the paths, and lines on what could not be read."""
    items, unread = [], []
    files = itertools.chain.from_iterable(r.files_below(path, "--benchmarks") for path in paths)
    for path in dict.fromkeys(files):
        try:
            rows = [row for _, row in r.raw_rows(path)]
        except (ValueError, OSError, csv.Error, r.BadInput) as error:
            unread.append(f"{path}: {' '.join(str(error).split())[:200]}")
            continue
        asked = [(number, row) for number, row in enumerate(rows) if r.question_of(row) is not None]
        items += [item_of(path, number, row) for number, row in asked]
        missing = len(rows) - len(asked)
        if missing or not rows:
            unread.append(
                f"{path}: {missing} of {len(rows)} rows have no question in a known field"
            )
    return items, unread


def item_of(path, number, row):
    ids = (str(row[name]).strip() for name in ID_FIELDS if row.get(name) not in (None, ""))
    id_, options = next(ids, f"{path.stem}:{number}"), tuple(r.options_of(row))
    return Item(benchmark_name(path, row), id_, r.question_of(row), options, answer_of(row))
