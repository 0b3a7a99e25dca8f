"""Equal questions with unequal answers: which of the rows stays (used by dedup.py; no command of its own).

The final answers are compared by `answers`; where it cannot tell (prose, proofs, other words), the rows
are plain duplicates. Of answers that differ the one with the best backing stays, of equally backed ones
that of most rows, and where that is equal too none stays: one of them is wrong, or the question means
nothing without its book ("What is the F statistic?", 3.74 and 0.72).
"""

from typing import NamedTuple

import extract_reference

import answers
from answers import kinds

BACKING = (  # what speaks for an answer, the best last
    "its own reference disagrees",  # or the solver of measure_qa.py does
    "nothing beside it",
    "its reference",
    "a solver",
)


class Claim(NamedTuple):
    """The final answer of a row."""

    row: int  # place in the file
    id: str
    final: str
    kind: str  # of `answers`
    options: list | None
    backing: int  # index into BACKING


def claim_of(number, row):
    """The Claim of a row, or None where it has no final answer that rules could compare."""
    reference, answer = row.get("reference_answer"), row.get("answer")
    if not isinstance(answer, str):
        return None
    own = extract_reference.by_rule(answer)[0]
    final = reference if isinstance(reference, str) and reference.strip() else own
    kind = kinds.kind_of(final, row.get("question") or "", row.get("options")) if final else None
    if not kind:
        return None
    options = kinds.option_texts(row.get("options"))
    return Claim(number, row["id"], final, kind, options, backing_of(row, final, kind, options))


def backing_of(row, final, kind, options):
    solved, own = row.get("consistent"), None
    if row.get("reference_answer"):
        own = answers.check(row["answer"], final, kind, options).correct
    if own is False or (isinstance(solved, float | int) and solved < 0.5):
        return 0
    if isinstance(solved, float | int):
        return 3
    return 2 if row.get("reference_answer") else 1


def same(claim, other):
    """True, False, or None where the rules cannot tell, for the final answers of two claims."""
    said = f"Answer: {claim.final}" if other.kind == "choice" else f"\\boxed{{{claim.final}}}"
    if claim.final.strip() == other.final.strip():
        return True
    return answers.check(said, other.final, other.kind, other.options).correct


def by_answer(claims):
    """The claims in groups of equal answers; those that the rules cannot tell from the first of a group are left out."""
    groups = []
    for claim in claims:
        verdicts = [same(claim, group[0]) for group in groups]
        if True in verdicts:
            groups[verdicts.index(True)].append(claim)
        elif None not in verdicts:
            groups.append([claim])
    return groups


def strength(group):
    return max(claim.backing for claim in group), len(group)


def described(groups):
    """The answers of a conflict as they are written into the rejected rows."""
    return [
        {
            "id": group[0].id,
            "answer": group[0].final,
            "rows": len(group),
            "backed_by": BACKING[strength(group)[0]],
        }
        for group in groups
    ]


def settle(same_words, read):
    """Decide between equal questions.

    same_words: {row number: earlier row number with the same question}; read(): all rows in order.
    Returns ({row: row that stays for it}, {row: the answers} for rows that lost to another answer,
    {row: the answers} for rows of which none stays).
    """
    kept, lost, unsettled = dict(same_words), {}, {}
    members = {}  # first row: all rows with its question
    for row, first in same_words.items():
        members.setdefault(first, [first]).append(row)
    wanted = {row for group in members.values() for row in group}
    claims = {}
    for number, row in enumerate(read() if wanted else ()):
        if number in wanted and (claim := claim_of(number, row)):
            claims[number] = claim
    for rows in members.values():
        groups = by_answer([claims[row] for row in sorted(rows) if row in claims])
        if len(groups) < 2:
            continue
        groups.sort(key=strength, reverse=True)
        found = described(groups)
        if strength(groups[0]) == strength(groups[1]):
            unsettled |= dict.fromkeys(rows, found)
            for row in rows:
                kept.pop(row, None)
            continue
        stays = max(groups[0], key=lambda claim: claim.backing).row
        lost |= {claim.row: found for group in groups[1:] for claim in group}
        kept |= dict.fromkeys(rows, stays)
        del kept[stays]
    return kept, lost, unsettled


CODE = [__file__, extract_reference.__file__, *answers.FILES]
