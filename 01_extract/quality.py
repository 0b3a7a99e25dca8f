"""What a data set's card says of its rows: counts, measures of measure_qa.py, people's marks and
their agreement (used by finalize.py; no command of its own)."""

import csv
import itertools
from collections import Counter
from pathlib import Path

from measure_qa import LEVELS, share

import rows as r

GOOD, NOT_ALONE = "good", "not self-contained"
MARKS = [GOOD, "wrong answer", NOT_ALONE, "unclear question", "not in the passage"]


def read_marks(paths):
    """{file: {id: mark}} of CSV files saved by spot_check.html, one a person; rows without a mark
    are left out."""
    marks = {}
    for path in paths:
        try:
            with open(path, encoding="utf-8-sig", newline="") as file:
                of = {line["id"]: line["mark"] for line in csv.DictReader(file) if line["mark"]}
        except (OSError, UnicodeDecodeError, KeyError, csv.Error) as error:
            raise r.BadInput(
                f"--marks {path}: cannot be read as a CSV with the columns id and mark "
                f"({error!r}); save it by the button of spot_check.html"
            ) from None
        if unknown := sorted(set(of.values()) - set(MARKS)):
            raise r.BadInput(
                f'--marks {path}: "{unknown[0]}" is no mark; they are {", ".join(MARKS)}'
            )
        marks[str(path)] = of
    return marks


def check_ids(marks, known):
    """Raise BadInput where a person's marks belong to other rows."""
    for path, of in marks.items():
        if foreign := sorted(set(of) - set(known)):
            raise r.BadInput(
                f"--marks {path}: {len(foreign)} of {len(of)} marks belong to other rows, "
                f'e.g. id "{foreign[0]}"; save the marks of this run\'s spot_check.html'
            )


class Statistics:
    """Counts for the card; `alone` holds the judge's self_contained of the rows in `marked`."""

    def __init__(self, marked):
        self.fields, self.subjects, self.groups = Counter(), Counter(), Counter()
        self.licenses, self.generators, self.grounded = Counter(), Counter(), Counter()
        self.books, self.marked, self.alone = set(), marked, {}

    def add(self, row):
        self.fields.update(name for name, value in row.items() if value is not None)
        subject = row["subject"] or "none"
        self.subjects[subject] += 1
        self.groups[subject, row.get("standard")] += 1
        self.licenses[row["license"] or "not stated"] += 1
        self.books |= {row["source"]} - {None}
        self.generators.update(r.written_by(row))
        if row.get("grounded") is not None:
            self.grounded[bool(row["grounded"])] += 1
        if row["id"] in self.marked:
            self.alone[row["id"]] = row.get("self_contained")


def worth_of(statistics, metas, marks):
    """{"measures": lines of what, rows, share in percent, "low to high"; "agreement": lines of who,
    rows, percent, kappa} for the card. metas: of the steps before, first to last."""
    check_ids(marks, statistics.alone)
    supported = share(statistics.grounded[True], statistics.grounded.total())
    shares = {"answer supported by a place of the passage (`grounded`)": supported}
    for meta in [meta for meta in metas if meta.get("measures")][-1:]:  # of measure_qa.py
        judge, measures = Path(str(meta["model"])).name, meta["measures"]
        shares[f"self-contained, says {judge}"] = measures["self_contained"]
        for level in LEVELS:
            shares[f"level {level}, says {judge}"] = measures["level"][level]
        shares["an independent solver comes to the reference"] = measures["consistent"]
    given = Counter(mark for of in marks.values() for mark in of.values())  # once a person
    for mark in sorted(given, key=MARKS.index):
        shares[f'marked "{mark}" by people'] = share(given[mark], given.total())
    lines = [
        [what, of["n"], of["share"], f"{of['low']:.1f} to {of['high']:.1f}"]
        for what, of in shares.items()
        if of
    ]
    return {"measures": lines, "agreement": agreements(list(marks.values()), statistics.alone)}


def agreements(people, alone):
    """Lines (who, rows in common, share of equal marks in percent, Cohen's kappa or None): of each
    pair of people, and of each person and the judge on whether a question is self-contained."""
    views = [
        (f"two people, pair {number}", one, other)
        for number, (one, other) in enumerate(itertools.combinations(people, 2), 1)
    ]
    judged = {id_: verdict for id_, verdict in alone.items() if verdict is not None}
    for number, of in enumerate(people, 1):
        person = {id_: mark == GOOD for id_, mark in of.items() if mark in (GOOD, NOT_ALONE)}
        views.append((f"person {number} and the judge: self-contained", person, judged))
    return [agreement(*view) for view in views if view[1].keys() & view[2].keys()]


def agreement(who, one, other):
    """(who, rows, percent, kappa) of two views {id: label}; kappa is None where all labels are
    one."""
    from sklearn.metrics import accuracy_score, cohen_kappa_score

    ids = sorted(one.keys() & other.keys())
    labels = [[str(view[id_]) for id_ in ids] for view in (one, other)]
    same = len({*labels[0], *labels[1]}) == 1
    kappa = None if same else round(cohen_kappa_score(*labels), 2)
    return [who, len(ids), round(100 * accuracy_score(*labels), 1), kappa]
