"""Questions that are alike and have unequal answers: which rows stay (used by dedup.py; no command
of its own).

Near questions whose final answers surely differ are two (exercises that differ by their drawing:
0.615 atm and 468 torr). Of equal questions with unequal answers one is wrong: the answer with the
best backing stays, of equally backed ones that of most rows, and where that is equal too none
stays: the question may mean nothing without its book ("What is the F statistic?", 3.74 and 0.72).
Final answers are compared by `answers`, those of near questions also by their numbers where one is
worked out in prose; where that cannot tell (proofs, other words), the rows are plain duplicates.
"""

from typing import NamedTuple

import extract_reference
import grounding
import numpy as np

import answers
from answers import kinds

BACKING = (  # what speaks for an answer, the best last
    "its own reference disagrees",  # or the solver of measure_qa.py does
    "nothing beside it",
    "its reference",
    "a solver",
)


FIELDS = ("id", "question", "answer", "reference_answer", "options")  # that a Claim is made of


class Claim(NamedTuple):
    """What a row answers."""

    row: int  # place in the file
    id: str
    final: str | None
    kind: str | None  # of `answers`; None: rules cannot compare it
    options: list | None
    numbers: set  # of the final answer
    worked: set  # numbers of the whole answer
    backing: int | None = None  # index into BACKING


def claim_of(number, row):
    reference, answer = row.get("reference_answer"), row.get("answer")
    if not isinstance(answer, str):
        return Claim(number, row["id"], None, None, None, set(), set())
    known = isinstance(reference, str) and reference.strip()
    final = reference if known else extract_reference.by_rule(answer)[0]
    kind = kinds.kind_of(final, row.get("question") or "", row.get("options"))
    numbers = telling_numbers(final) if kind else set()
    options = kinds.option_texts(row.get("options"))
    return Claim(number, row["id"], final, kind, options, numbers, telling_numbers(answer))


def telling_numbers(text):
    """Significant digits of the numbers of a text that hardly stand there by chance: at least
    two."""
    return {n for n in map(grounding.digits, grounding.NUMBER.findall(text)) if len(n) > 1}


def backing_of(row, claim):
    solved, own = row.get("consistent"), None
    solved = solved if isinstance(solved, float | int) else None
    if row.get("reference_answer") and claim.kind:
        own = answers.check(row["answer"], claim.final, claim.kind, claim.options).correct
    if own is False or (solved is not None and solved < 0.5):
        return 0
    if solved is not None:
        return 3
    return 2 if row.get("reference_answer") else 1


def same(claim, other):
    """True, False, or None where the rules cannot tell, for the final answers of two claims."""
    said = f"Answer: {claim.final}" if other.kind == "choice" else f"\\boxed{{{claim.final}}}"
    if claim.final.strip() == other.final.strip():
        return True
    return answers.check(said, other.final, other.kind, other.options).correct


def by_answer(claims):
    """The claims in groups of equal answers; those that the rules cannot tell from the first of a
    group are left out."""
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
    told = []
    for group in groups:
        backed = BACKING[strength(group)[0]]
        first = {"id": group[0].id, "answer": group[0].final}
        told.append({**first, "rows": len(group), "backed_by": backed})
    return told


def answer_hash(row):
    """64-bit hash of the texts that a Claim is made of."""
    return hash(f"{row.get('answer')}\0{row.get('reference_answer')}\0{row.get('options')}")


class Claims:
    """The claims of rows of a file, made where they are needed: of rows that answer with the same
    texts the first one's counts. read() gives all rows in order, hashes their answer_hash."""

    def __init__(self, read, hashes):
        self.read, self.rows, self.of = read, {}, {}
        _, first, places = np.unique(hashes, return_index=True, return_inverse=True)
        self.first = first[places]

    def unequal(self, row, other):
        """Do two rows answer with other texts?"""
        return self.first[row] != self.first[other]

    def read_pairs(self, pairs):
        """Read what differ() needs for these pairs, and for any chain of them."""
        firsts = self.first[np.array(pairs, dtype=np.int64).reshape(-1, 2)]
        wanted = set(firsts.ravel().tolist()) - self.of.keys() - self.rows.keys()
        for number, row in enumerate(self.read() if wanted else ()):
            if number in wanted:
                self.rows[number] = {name: row.get(name) for name in FIELDS}

    def claim(self, number):
        if number not in self.of:
            self.of[number] = claim_of(number, self.rows.pop(number))
        return self.of[number]

    def backed(self, wanted):
        """{row number: Claim with its backing} of rows."""
        found = {}
        for number, row in enumerate(self.read() if wanted else ()):
            if number in wanted:
                claim = claim_of(number, row)
                found[number] = claim._replace(backing=backing_of(row, claim))
        return found

    def differ(self, later, earlier):
        """True where the answers of two rows are surely not the same: by `answers`, or since all
        numbers of a final answer are missing in the other row's worked answer, which has its
        own."""
        later, earlier = self.first[later], self.first[earlier]
        if later == earlier:
            return False
        ours = self.claim(earlier)
        if not (ours.kind or ours.worked):  # prose: the other answer need not be read
            return False
        theirs, verdicts = self.claim(later), {None}
        if ours.kind and theirs.kind:
            verdicts = {same(ours, theirs), same(theirs, ours)}
        if verdicts != {None}:
            return verdicts == {False}
        pairs = (ours.numbers, theirs.worked), (theirs.numbers, ours.worked)
        return any(some and more and some.isdisjoint(more) for some, more in pairs)


def best_of(groups):
    """The claim that stays of groups of equal answers, the strongest first, or None: two are as
    strong."""
    if strength(groups[0]) == strength(groups[1]):
        return None
    return max(groups[0], key=lambda claim: claim.backing)


def by_question(same_words):
    """Lists of the rows that ask the same, the first row first."""
    members = {}
    for row, first in same_words.items():
        members.setdefault(first, [first]).append(row)
    return members.values()


def settle(same_words, claims):
    """Decide between equal questions.

    same_words: {row number: earlier row number with the same question}; claims: a Claims.
    Returns ({row: row that stays for it}, {row: the answers} for rows that lost to another answer,
    {row: the answers} for rows of which none stays).
    """
    kept, lost, unsettled = dict(same_words), {}, {}
    unequal = [rows for rows in by_question(same_words) if len(set(claims.first[rows])) > 1]
    found = claims.backed(set().union(*unequal))
    for rows in unequal:
        groups = by_answer([found[row] for row in sorted(rows) if found[row].kind])
        if len(groups) < 2:
            continue
        groups.sort(key=strength, reverse=True)
        best = best_of(groups)
        if best is None:
            unsettled |= dict.fromkeys(rows, described(groups))
        else:
            kept |= dict.fromkeys(rows, best.row)
            lost |= {c.row: described(groups) for group in groups[1:] for c in group}
    for row in unsettled:
        kept.pop(row, None)
    return {row: stays for row, stays in kept.items() if row != stays}, lost, unsettled


CODE = [__file__, extract_reference.__file__, grounding.__file__, *answers.FILES]
