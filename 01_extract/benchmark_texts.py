"""Read the questions of benchmarks in the many forms their files have, and name the benchmark each belongs to.

Read by decontaminate.py. Understands .json (an array, an object that holds one, or rows by id), .jsonl, .jsonl.gz, .parquet and .csv; the question
and the options in any of the forms that rows.question_of() and rows.options_of() know.
"""

import csv
import json
import re
from pathlib import Path
from typing import NamedTuple

import rows as r

SUFFIXES = (".json", ".jsonl", ".gz", ".parquet", ".csv")
ID_FIELDS = (
    "id",
    "uuid",
    "ID",
    "question_id",
    "unique_id",
    "idx",
    "pubid",
    "problemid",
    "Record ID",
    "name",
)
# The 15 benchmarks of the evaluation, each with a pattern of its path once only letters and digits are left; the first that matches names it.
BENCHMARKS = {
    "mmlu_pro": "mmlupro(?!fessional)",
    "mmlu": "mmlu",
    "supergpqa": "supergpqa",
    "gpqa_diamond": "gpqa",
    "scibench": "scibench",
    "olympicarena": "olympicarena",
    "chembench": "chembench",
    "csbench": "csbench",
    "medmcqa": "medmcqa",
    "pubmedqa": "pubmedqa",
    "medqa": "medqa",
    "piqa": "piqa",
    "gsm8k": "gsm8k",
    "math500": "math500",
    "math": None,
}


class Item(NamedTuple):
    """One benchmark question: where it stands, its text without options, and the texts of its options (empty where it has none)."""

    benchmark: str
    id: str
    question: str
    options: tuple
    answer: str = ""


def benchmark_name(path, row):
    """Name of a row's benchmark: its own field, else one of the 15 that its path names, else the folder or the file."""
    if isinstance(row.get("benchmark"), str) and row["benchmark"]:
        return row["benchmark"]
    parts = [
        re.sub("[^a-z0-9]", "", part.lower())
        for part in (path.parent.name, path.stem.removesuffix(".jsonl"))
    ]
    for name, key in BENCHMARKS.items():
        if (
            any(part == "math" or part.startswith("hendrycksmath") for part in parts)
            if key is None
            else any(re.search(key, part) for part in parts)
        ):
            return name
    generic = ("benchmarks", "benchmark", "data", "test", "val", "valid", "validation", "dev", "")
    return (
        path.parent.name.lower()
        if parts[0] not in generic and parts[1] in generic
        else path.stem.removesuffix(".jsonl")
    )


def answer_of(row):
    """The benchmark's answer as the judge is shown it, or ""."""
    low, options = r.lower_names(row), r.options_of(row)
    names = ("reference", "answer_idx", "answer_index", "answerkey", "cop", "label", "answer")
    letters = (r.option_letter(low.get(name), options) for name in names if options)
    if letter := next(filter(None, letters), None):
        return options[ord(letter) - 65]
    found = next(
        (low[name] for name in (*names, "final_answer", "answer_number") if low.get(name)), ""
    )
    return str(found)[-300:]


def file_rows(path):
    """Rows of one file as dicts; raises ValueError, OSError, csv.Error or BadInput where it cannot be read."""
    if path.suffix == ".json":
        text = path.read_text(encoding="utf-8-sig")
        try:
            value = json.loads(text)
        except ValueError:
            value = [
                json.loads(line) for line in text.split("\n") if line.strip()
            ]  # JSONL under another name
        if (
            isinstance(value, dict)
            and value
            and all(isinstance(row, dict) for row in value.values())
        ):
            value = [
                {"id": key, **row} for key, row in value.items()
            ]  # rows by id, as PubMedQA has them
        elif isinstance(value, dict):
            value = next(
                (v for v in value.values() if isinstance(v, list) and v and isinstance(v[0], dict)),
                [value],
            )
        return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []
    if path.suffix == ".csv":
        with open(path, newline="", encoding="utf-8-sig") as file:
            return list(csv.DictReader(file))
    return [row for _, row in r._raw_rows(path)]


def files_below(paths):
    """Files named or found below the folders named, sorted, each once; hidden files and rejected or meta files of a run are passed over."""
    found = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = (
                p
                for p in path.rglob("*")
                if p.is_file()
                and not any(part.startswith(".") for part in p.relative_to(path).parts)
            )
            found += sorted(
                p
                for p in inside
                if not re.search(r"\.(rejected\.jsonl|raw\.jsonl|meta\.json)$", p.name)
            )
        elif path.is_file():
            found.append(path)
        else:
            raise r.BadInput(f"--benchmarks {path}: there is no such file or folder")
    return list(dict.fromkeys(found))


def read_benchmarks(paths):
    """All items below the paths, and what could not be read as a list of (path, why)."""
    items, unread = [], []
    for path in files_below(paths):
        if path.suffix not in SUFFIXES:
            if path.suffix.lower() not in (".md", ".txt", ".py", ".license", ""):
                unread.append((path, f'unknown kind of file "{path.suffix}"'))
            continue
        try:
            rows = file_rows(path)
        except (ValueError, OSError, csv.Error, r.BadInput) as error:
            unread.append((path, " ".join(str(error).split())[:200]))
            continue
        before = len(items)
        for number, row in enumerate(rows):
            question = r.question_of(row)
            if question is None:
                continue
            name = next(
                (str(row[field]) for field in ID_FIELDS if row.get(field) not in (None, "")), None
            )
            items.append(
                Item(
                    benchmark_name(path, row),
                    f"{path.stem}:{number}" if name is None else name.strip(),
                    question,
                    tuple(r.options_of(row)),
                    answer_of(row),
                )
            )
        if len(items) - before < len(rows) or not rows:
            unread.append(
                (
                    path,
                    f"{len(rows) - len(items) + before} of {len(rows)} rows have no question in a known field"
                    if rows
                    else "no rows",
                )
            )
    return items, unread
