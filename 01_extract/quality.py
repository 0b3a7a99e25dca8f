"""What is known of the worth of a data set, for its card: measures of measure_qa.py, people's marks, agreement (used by finalize.py; no
command of its own)."""

import csv
import itertools
from collections import Counter

from measure_qa import LEVELS, share

import rows as r

GOOD, NOT_ALONE = "good", "not self-contained"
MARKS = [GOOD, "wrong answer", NOT_ALONE, "unclear question", "not in the passage"]


def read_marks(paths):
    """{file: {id: mark}} of CSV files saved by spot_check.html, one a person; rows without a mark are left out."""
    marks = {}
    for path in paths:
        try:
            with open(path, encoding="utf-8-sig", newline="") as file:
                lines = list(csv.DictReader(file))
            marks[str(path)] = {line["id"]: line["mark"] for line in lines if line["mark"]}
        except (OSError, UnicodeDecodeError, KeyError, csv.Error) as error:
            raise r.BadInput(
                f"--marks {path}: cannot be read as a CSV with the columns id and mark ({error!r}); save it by the "
                "button of spot_check.html"
            ) from None
        if unknown := sorted(set(marks[str(path)].values()) - set(MARKS)):
            raise r.BadInput(
                f'--marks {path}: "{unknown[0]}" is no mark; they are {", ".join(MARKS)}'
            )
    return marks


def check_ids(marks, known):
    """Raise BadInput where a person's marks belong to other rows."""
    for path, of in marks.items():
        if foreign := sorted(set(of) - set(known)):
            raise r.BadInput(
                f'--marks {path}: {len(foreign)} of {len(of)} marks belong to other rows, e.g. id "{foreign[0]}"; '
                "save the marks of this run's spot_check.html"
            )


def measure_lines(measures, judge):
    """[(what, the dict of measure_qa.share or None), ...] of the three measures."""
    if not measures:
        return []
    lines = [(f"self-contained, says {judge}", measures["self_contained"])]
    lines += [(f"level {level}, says {judge}", measures["level"][level]) for level in LEVELS]
    return [*lines, ("an independent solver comes to the reference", measures["consistent"])]


def mark_lines(marks):
    """The same of people's marks; a row that several marked counts once a person."""
    given = [mark for of in marks.values() for mark in of.values()]
    counted = Counter(given)
    return [
        (f'marked "{mark}" by people', share([m == mark for m in given]))
        for mark in MARKS
        if counted[mark]
    ]


def table(grounded, measures, judge, marks):
    """Lines (what, rows, share in percent, "low to high") of all that was measured.

    grounded: one bool for each row that holds the field; measures: the meta file's dict, or None.
    """
    lines = [("answer supported by a place of the passage (`grounded`)", share(grounded))]
    lines += measure_lines(measures, judge) + mark_lines(marks)
    return [
        [what, of["n"], of["share"], f"{of['low']:.1f} to {of['high']:.1f}"]
        for what, of in lines
        if of
    ]


def agreements(marks, alone):
    """Lines (who, rows in common, share of equal marks in percent, Cohen's kappa or None): each pair of people, and each person against the
    judge on whether a question is self-contained (other faults say nothing about that).

    alone: {id: the judge's self_contained}
    """
    lines = []
    for number, (one, other) in enumerate(itertools.combinations(marks.values(), 2), 1):
        both = [(one[id_], other[id_]) for id_ in one if id_ in other]
        lines.append(agreement(f"two people, pair {number}", both))
    for number, of in enumerate(marks.values(), 1):
        both = [
            (mark == GOOD, alone[id_])
            for id_, mark in of.items()
            if mark in (GOOD, NOT_ALONE) and alone.get(id_) is not None
        ]
        lines.append(agreement(f"person {number} and the judge: self-contained", both))
    return [line for line in lines if line]


def agreement(who, pairs):
    """(who, n, percent, kappa) of pairs of labels; kappa is None where all labels are one; None without pairs."""
    if not pairs:
        return None
    from sklearn.metrics import cohen_kappa_score

    one, other = ([str(pair[side]) for pair in pairs] for side in (0, 1))
    kappa = cohen_kappa_score(one, other) if len({*one, *other}) > 1 else None
    equal = 100 * sum(a == b for a, b in pairs) / len(pairs)
    return [who, len(pairs), round(equal, 1), None if kappa is None else round(float(kappa), 2)]
