"""Questions that are alike and have unequal answers: which rows stay (used by dedup.py; no command
of its own).

Near questions whose final answers surely differ are two (exercises that differ by their drawing:
0.615 atm and 468 torr). Of equal questions with unequal answers one is wrong: that of most rows
stays, and where no one has most none does: the question may mean nothing without its book ("What is
the F statistic?", 3.74 and 0.72).
Final answers are compared by `answers`, those of near questions also by their numbers where one is
worked out in prose; where that cannot tell (proofs, other words), the rows are plain duplicates.
"""

import collections
import functools
import itertools

import extract_reference
import grounding
import numpy as np

import answers
from answers import kinds

FIELDS = ("id", "question", "answer", "reference_answer", "options")


def telling_numbers(text):
    """Significant digits of the numbers of a text that hardly stand there by chance: at least
    two."""
    return {n for n in map(grounding.digits, grounding.NUMBER.findall(text)) if len(n) > 1}


class Claim:
    """What a row answers, worked out where it is asked for; row: its FIELDS, number: its place in
    the file."""

    def __init__(self, number, row):
        self.number, self.id, self.row = number, row["id"], row
        self.answer = row["answer"] if isinstance(row["answer"], str) else ""
        self.options = kinds.option_texts(row["options"])

    @functools.cached_property
    def final(self):
        reference = self.row["reference_answer"]
        if isinstance(reference, str) and reference.strip() and self.row["answer"] is not None:
            return reference
        return extract_reference.by_rule(self.answer)[0]

    @functools.cached_property
    def kind(self):
        """Of `answers`; None: rules cannot compare it."""
        return kinds.kind_of(self.final, self.row["question"] or "", self.row["options"])

    @functools.cached_property
    def numbers(self):
        return telling_numbers(self.final) if self.kind else set()

    @functools.cached_property
    def worked(self):
        """Numbers of the whole answer."""
        return telling_numbers(self.answer)


def same(claim, other):
    """True, False, or None where the rules cannot tell, for the final answers of two claims."""
    said = f"Answer: {claim.final}" if other.kind == "choice" else f"\\boxed{{{claim.final}}}"
    if claim.final.strip() == other.final.strip():
        return True
    return answers.check(said, other.final, other.kind, other.options).correct


def by_answer(claims):
    """The claims in groups of equal answers; those that rules cannot compare are left out."""
    groups = []
    for claim in claims:
        verdicts = [same(claim, group[0]) for group in groups]
        if True in verdicts:
            groups[verdicts.index(True)].append(claim)
        elif None not in verdicts:
            groups.append([claim])
    return groups


def described(groups):
    """The answers of a conflict as they are written into the rejected rows."""
    return [dict(id=group[0].id, answer=group[0].final, rows=len(group)) for group in groups]


def answer_hash(row):
    """64-bit hash of what a row answers."""
    return hash(f"{row.get('answer')}\0{row.get('reference_answer')}\0{row.get('options')}")


class Claims:
    """The claims of rows of a file, read where they are needed: of rows that answer with the same
    texts the first one's counts. read() gives all rows in order, hashes their answer_hash."""

    def __init__(self, read, hashes):
        self.read, self.of = read, {}
        _, first, places = np.unique(hashes, return_index=True, return_inverse=True)
        self.first = first[places]

    def load(self, numbers):
        wanted = set(numbers) - self.of.keys()
        for number, row in enumerate(self.read() if wanted else ()):
            if number in wanted:
                self.of[number] = Claim(number, {name: row.get(name) for name in FIELDS})

    def load_pairs(self, pairs):
        """Read what differ() needs for these pairs, and for any chain of them."""
        firsts = self.first[np.array(pairs, dtype=np.int64).reshape(-1, 2)]
        self.load(firsts[firsts[:, 0] != firsts[:, 1]].ravel().tolist())

    def differ(self, later, earlier):
        """True where the answers of two rows are surely not the same: by `answers`, or since all
        numbers of a final answer are missing in the other row's worked answer, which has its
        own."""
        later, earlier = self.first[later], self.first[earlier]
        if later == earlier:
            return False
        ours, theirs, verdicts = self.of[earlier], self.of[later], {None}
        if not (ours.kind or ours.worked):  # prose: the other answer need not be looked at
            return False
        if ours.kind and theirs.kind:
            verdicts = {same(ours, theirs), same(theirs, ours)}
        if verdicts != {None}:
            return verdicts == {False}
        pairs = (ours.numbers, theirs.worked), (theirs.numbers, ours.worked)
        return any(some and more and some.isdisjoint(more) for some, more in pairs)


def settle(same_words, claims):
    """Decide between equal questions.

    same_words: {row number: earlier row number with the same question}; claims: a Claims.
    Returns ({row: row that stays for it}, {row: the answers} for rows that lost to another answer,
    {row: the answers} for rows of which none stays).
    """
    kept, lost, unsettled = dict(same_words), {}, {}
    asking_the_same = collections.defaultdict(set)
    for row, first in same_words.items():
        asking_the_same[first] |= {first, row}
    groups = map(sorted, asking_the_same.values())
    unequal = [rows for rows in groups if len(set(claims.first[rows])) > 1]
    claims.load(itertools.chain.from_iterable(unequal))
    for rows in unequal:
        groups = by_answer([claims.of[row] for row in rows if claims.of[row].kind])
        if len(groups) < 2:
            continue
        groups.sort(key=len, reverse=True)
        told = described(groups)
        if len(groups[0]) == len(groups[1]):
            unsettled |= dict.fromkeys(rows, told)
        else:
            kept |= dict.fromkeys(rows, groups[0][0].number)
            lost |= {claim.number: told for claim in itertools.chain(*groups[1:])}
    kept = {row: stays for row, stays in kept.items() if row != stays and row not in unsettled}
    return kept, lost, unsettled


CODE = [__file__, extract_reference.__file__, grounding.__file__, *answers.FILES]
