"""What is known of the worth of a data set, for its card: measures of measure_qa.py, people's
marks, their agreement (used by finalize.py; no command of its own)."""

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


def measure_lines(meta):
    """[(what, share or None), ...] of what measure_qa.py left in its meta file."""
    if not meta:
        return []
    measures, judge = meta["measures"], Path(str(meta.get("model"))).name
    return [
        (f"self-contained, says {judge}", measures["self_contained"]),
        *((f"level {level}, says {judge}", measures["level"][level]) for level in LEVELS),
        ("an independent solver comes to the reference", measures["consistent"]),
    ]


def mark_lines(marks):
    """The same of people's marks; a row that several marked counts once a person."""
    given = [mark for of in marks.values() for mark in of.values()]
    return [
        (f'marked "{mark}" by people', share([m == mark for m in given]))
        for mark in MARKS
        if mark in given
    ]


def worth_of(statistics, metas, marks):
    """{"measures": lines of what, rows, share in percent, "low to high"; "agreement": lines of who,
    rows, percent, kappa} for the card. metas: of the steps before, first to last."""
    check_ids(marks, statistics.alone)
    measured = next((meta for meta in reversed(metas) if meta.get("measures")), None)
    supported = share(list(statistics.grounded.elements()))
    lines = [("answer supported by a place of the passage (`grounded`)", supported)]
    lines += measure_lines(measured) + mark_lines(marks)
    table = [
        [what, of["n"], of["share"], f"{of['low']:.1f} to {of['high']:.1f}"]
        for what, of in lines
        if of
    ]
    return {"measures": table, "agreement": agreements(marks, statistics.alone)}


def agreements(marks, alone):
    """Lines (who, rows in common, share of equal marks in percent, Cohen's kappa or None): each pair of
    people, and each person against the judge on whether a question is self-contained (other
    faults say nothing about that).

    alone: {id: the judge's self_contained}
    """
    lines = []
    for number, (one, other) in enumerate(itertools.combinations(marks.values(), 2), 1):
        both = [(one[id_], other[id_]) for id_ in one if id_ in other]
        lines.append(agreement(f"two people, pair {number}", both))
    judged = {id_ for id_, verdict in alone.items() if verdict is not None}
    for number, of in enumerate(marks.values(), 1):
        seen = [id_ for id_ in of if id_ in judged and of[id_] in (GOOD, NOT_ALONE)]
        both = [(of[id_] == GOOD, alone[id_]) for id_ in seen]
        lines.append(agreement(f"person {number} and the judge: self-contained", both))
    return [line for line in lines if line]


def agreement(who, pairs):
    """(who, n, percent, kappa) of pairs of labels; kappa is None where all labels are one; None
    without pairs."""
    if not pairs:
        return None
    from sklearn.metrics import cohen_kappa_score

    one, other = ([str(pair[side]) for pair in pairs] for side in (0, 1))
    equal = round(100 * Counter(a == b for a, b in pairs)[True] / len(pairs), 1)
    same = len({*one, *other}) == 1
    return [who, len(pairs), equal, None if same else round(cohen_kappa_score(one, other), 2)]
