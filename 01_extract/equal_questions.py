"""Questions that are alike and have unequal answers: which rows stay (used by dedup.py; no command of its own).

Near questions whose final answers surely differ are two (exercises that differ by their drawing: 0.615 atm
and 468 torr). Of equal questions with unequal answers one is wrong: the answer with the best backing stays,
of equally backed ones that of most rows, and where that is equal too none stays: the question may mean
nothing without its book ("What is the F statistic?", 3.74 and 0.72). Final answers are compared by
`answers`, those of near questions also by their numbers where one is worked out in prose; where that cannot
tell (proofs, other words), the rows are plain duplicates.
"""

from typing import NamedTuple

import extract_reference
import grounding

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


def telling_numbers(text):
    """Significant digits of the numbers of a text that hardly stand there by chance: at least two."""
    if not isinstance(text, str):
        return set()
    return {n for n in map(grounding.digits, grounding.NUMBER.findall(text)) if len(n) > 1}


class Claims:
    """The final answers of rows of a file, read when they are asked for; read() gives all rows in order."""

    def __init__(self, read):
        self.read, self.of, self.numbers = read, {}, {}

    def get(self, wanted):
        """{row number: Claim} of the rows wanted, without those that have none."""
        missing = set(wanted) - self.of.keys()
        for number, row in enumerate(self.read() if missing else ()):
            if number in missing:
                self.of[number] = claim = claim_of(number, row)
                said = [row.get("answer"), claim and claim.final]
                self.numbers[number] = [telling_numbers(text or "") for text in said]
        return {row: self.of[row] for row in wanted if self.of[row]}

    def differ(self, row, other):
        """True where the answers of two rows are known and are surely not the same: by `answers`, or since
        all numbers of a final answer are missing in the other row's worked answer, which has its own."""
        if not {row, other} <= self.of.keys():
            return False
        ours, theirs = self.of[row], self.of[other]
        if ours and theirs and (verdicts := {same(ours, theirs), same(theirs, ours)}) != {None}:
            return verdicts == {False}
        (worked, final), (others_worked, others_final) = self.numbers[row], self.numbers[other]
        pairs = (final, others_worked), (others_final, worked)
        return any(some and more and some.isdisjoint(more) for some, more in pairs)

    def spare(self, find):
        """What find(differ) gives, {row: (row it is like, ...)}, with none whose answers differ: those of
        the rows it names are read, and it is asked again while they tell a pair apart."""
        while True:
            found = find(self.differ)
            pairs = [(later, earlier) for later, (earlier, _) in found.items()]
            self.get({row for pair in pairs for row in pair})
            if not any(self.differ(*pair) for pair in pairs):
                return found


def settle(same_words, claims):
    """Decide between equal questions.

    same_words: {row number: earlier row number with the same question}; claims: a Claims.
    Returns ({row: row that stays for it}, {row: the answers} for rows that lost to another answer,
    {row: the answers} for rows of which none stays).
    """
    kept, lost, unsettled = dict(same_words), {}, {}
    members = {}  # first row: all rows with its question
    for row, first in same_words.items():
        members.setdefault(first, [first]).append(row)
    found = claims.get([row for group in members.values() for row in group])
    for rows in members.values():
        groups = by_answer([found[row] for row in sorted(rows) if row in found])
        if len(groups) < 2:
            continue
        groups.sort(key=strength, reverse=True)
        answers_of = described(groups)
        if strength(groups[0]) == strength(groups[1]):
            unsettled |= dict.fromkeys(rows, answers_of)
            for row in rows:
                kept.pop(row, None)
            continue
        stays = max(groups[0], key=lambda claim: claim.backing).row
        lost |= {claim.row: answers_of for group in groups[1:] for claim in group}
        kept |= dict.fromkeys(rows, stays)
        del kept[stays]
    return kept, lost, unsettled


CODE = [__file__, extract_reference.__file__, grounding.__file__, *answers.FILES]
