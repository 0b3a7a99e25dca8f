"""What a data set's card says of its rows: counts, measures of measure_qa.py, people's marks (used
by finalize.py; no command of its own)."""

from collections import Counter
from pathlib import Path

from measure_qa import LEVELS, share

import rows as r

MARKS = ["good", "wrong answer", "not self-contained", "unclear question", "not in the passage"]


def read_marks(paths):
    """{file: {id: mark}} of CSV files saved by spot_check.html, one a person; rows without a mark
    are left out."""
    marks = {}
    for path in paths:
        of = {row["id"]: row["mark"] for row in r.read(path, "mark!") if row["mark"]}
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
    """Counts for the card, and which of the rows in `marked` were there."""

    def __init__(self, marked):
        self.fields, self.subjects, self.books = Counter(), Counter(), set()
        self.licenses, self.generators, self.grounded = Counter(), Counter(), Counter()
        self.marked, self.found = marked, set()

    def add(self, row):
        self.fields.update(name for name, value in row.items() if value is not None)
        self.subjects[row["subject"] or "none"] += 1
        self.licenses[row["license"] or "not stated"] += 1
        self.books |= {row["source"]} - {None}
        self.generators.update(r.written_by(row))
        if row.get("grounded") is not None:
            self.grounded[bool(row["grounded"])] += 1
        self.found |= {row["id"]} & self.marked


def measures(statistics, metas, marks):
    """Lines of the card: what, rows, share in percent, "low to high". metas: of the steps before,
    first to last."""
    check_ids(marks, statistics.found)
    supported = share(statistics.grounded[True], statistics.grounded.total())
    shares = {"answer supported by a place of the passage (`grounded`)": supported}
    for meta in [meta for meta in metas if meta.get("measures")][-1:]:  # of measure_qa.py
        judge, measured = Path(str(meta["model"])).name, meta["measures"]
        shares[f"self-contained, says {judge}"] = measured["self_contained"]
        for level in LEVELS:
            shares[f"level {level}, says {judge}"] = measured["level"][level]
        shares["an independent solver comes to the reference"] = measured["consistent"]
    given = Counter(mark for of in marks.values() for mark in of.values())  # once a person
    for mark in sorted(given, key=MARKS.index):
        shares[f'marked "{mark}" by people'] = share(given[mark], given.total())
    return [
        (what, of["n"], of["share"], f"{of['low']:.1f} to {of['high']:.1f}")
        for what, of in shares.items()
        if of
    ]
