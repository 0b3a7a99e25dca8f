"""Paragraphs of a book and the labels that begin them (used by chunk_documents.py,
worked_problems.py, extract_qa.py; no command of its own).

A block is a paragraph, heading, display, table or program text. Its kind is that of the label it
begins with (LABELS), else "".
"""

import re
from typing import NamedTuple

LABELS = {  # the first three begin something, the others are parts of it
    "example": r"(?:worked\s+)?examples?",
    "exercise": r"exercises?|problems?|questions?|check\s+your\s+(?:understanding|learning)|practice|try\s+it",
    "theorem": "theorem|lemma|proposition|corollary",
    "answer": "solutions?|answers?|proof",
    "lead": "strategy|approach|analysis",  # the plan before a solution
    "aside": "significance|discussion|explanation|hints?|verification|check",
}
STARTS = ("example", "exercise", "theorem")
LABEL = re.compile(
    rf"""(?xi)(?:\#{{1,6}}[ \t]+|>[ \t]*)?
    (?P<mark>\*\*\*?|__|\*|_)?[ \t]*
    (?:note:[ \t]+)?                                        # "##### Note: Answer:"
    (?:{"|".join(f"(?P<{kind}>{words})" for kind, words in LABELS.items())})\b
    [ \t]*(?P<number>\(?[A-Z]?\d+(?:[.\-]\d+)*[a-z]?\)?)?"""
)
LABEL_END = re.compile(r"[ \t]*[.:)]?(?:\*\*\*?|__|\*|_)?[.:]?[ \t]*")
PARAGRAPH = re.compile(r"(#{1,6})[ \t]+\S[^\n]*|\S[^\n]*(?:\n[ \t]*\S[^\n]*)*")  # or a heading
LIST_ITEM = re.compile(r"(?:[-*+•]|\(?[a-zA-Z0-9]{1,3}[.)]|\([ivx]+\)|\|)[ \t]")
INTRODUCES = re.compile(r"[:,;]\s*\Z")
CONTINUES = re.compile(r"[a-zß-öø-ÿα-ω]|\$\$|\\\[|\\begin|\||```")
# ends with a formula, a table, program text
DISPLAYED = re.compile(r"(?:\$\$|\\\]|\}|```|\|)[* ]*\Z")
LONGEST_FORMULA = 30  # paragraphs; a lone $$ must not swallow the rest of a book


class Block(NamedTuple):
    """Where a block stands in the document and what it is."""

    start: int
    end: int
    level: int  # of a heading, 0 for anything else
    kind: str  # of its label, "" without one
    number: str  # of the example or exercise, as printed
    body: int  # where the text after the label begins


# ---- paragraphs ----


def find_blocks(text):
    """Blocks of a document in order: headings and runs of lines without an empty line; a display
    formula or fenced text is one block."""
    found = list(PARAGRAPH.finditer(text))
    blocks, at = [], 0
    while at < len(found):
        last = end_of_display(found, at)
        level = len(found[at][1] or "")
        blocks.append(make_block(text, found[at].start(), found[last].end(), level))
        at = last + 1
    return blocks


def end_of_display(found, at):
    """Index of the paragraph that closes the ```, $$ or \\[ opened in found[at]; `at` where none
    does."""
    fenced = found[at][0].startswith("```")
    fences = dollars = depth = 0
    for last, paragraph in enumerate(found[at : at + LONGEST_FORMULA], at):
        words = paragraph[0].replace(r"\\", "")  # a line of a matrix may end in \\[2pt]
        fences += words.count("```")
        dollars += words.count("$$")
        depth += words.count(r"\[") - words.count(r"\]")
        if fences % 2 == 0 and (fenced or (dollars % 2 == 0 and depth <= 0)):
            return last
    return at


def make_block(text, start, end, level):
    plain = Block(start, end, level, "", "", start)
    match = LABEL.match(text, start, end)
    if not match or not is_label(text, match, level, end):
        return plain
    kind = next(kind for kind in LABELS if match[kind])
    number = (match["number"] or "").strip("()")
    if level and not number and match[kind][-1] in "sS":
        return plain  # "## Exercises": the heading of a section
    return Block(start, end, level, kind, number, end if level else body_start(text, match, end))


def is_label(text, match, level, end):
    """False for a word that only begins a sentence or title: "Problems of this kind", "Example 5.1
    shows that", "## Answer Key"."""
    after = text[match.end() : min(match.end() + 2, end)]
    if not after:
        return True
    if level:
        return bool(match["number"] or not re.match(r"[-\w]", after))
    numbered = match["number"] and re.match(r" [A-Z(]", after)
    return bool(match["mark"] or after[0] in ":." or numbered)


def body_start(text, match, end):
    """Where the text after a label begins; a title in the same bold run goes: "**Example 5.1:
    Braking.** A car ..."."""
    at = LABEL_END.match(text, match.end(), end).end()
    mark = match["mark"]
    if mark and mark not in text[match.end() : at]:
        title, closed, _ = text[at : min(at + 100, end)].partition(mark)
        if closed and "\n" not in title:
            at += len(title) + len(mark)
    return end - len(text[at:end].lstrip())


# ---- units: what should stay in one chunk ----


def goes_on(text, before, block):
    """True where a block continues the one before it: a formula, table or list after its
    introduction, the rest of a sentence after a formula."""
    introduced = before.level or INTRODUCES.search(text, before.start, before.end)
    return bool(introduced or CONTINUES.match(text, block.start))


def in_example(text, before, block):
    """As goes_on, within an example or exercise: its parts (a), (b) and the text after a formula
    belong to it too."""
    label_only = before.kind and before.body >= before.end
    displayed = DISPLAYED.search(text, before.start, before.end)
    listed = LIST_ITEM.match(text, block.start)
    return bool(label_only or displayed or listed or goes_on(text, before, block))


def find_units(text, blocks):
    """Groups of blocks that should stay together, as lists."""
    units, at = [], 0
    while at < len(blocks):
        last = end_of_unit(text, blocks, at)
        units.append(blocks[at : last + 1])
        at = last + 1
    return units


def end_of_unit(text, blocks, last):
    """Index of the last block that goes on from blocks[last]: headings lead to what they head."""
    while blocks[last].kind not in STARTS and last + 1 < len(blocks):
        here, after = blocks[last], blocks[last + 1]
        new = (after.level or after.kind in STARTS) and not here.level
        if new or not goes_on(text, here, after):
            return last
        last += 1
    return end_of_example(text, blocks, last) if blocks[last].kind in STARTS else last


def end_of_example(text, blocks, start):
    """Index of the last block of the example, exercise or theorem that begins at blocks[start]: its
    solution or proof included."""
    last, first = start, blocks[start]
    for j in range(start + 1, len(blocks)):
        block = blocks[j]
        fits = block.number in ("", first.number or block.number)
        if block.kind and block.kind not in STARTS and fits:
            last = j
        elif block.kind or block.level and block.level <= (first.level or 6):
            break
        elif j == last + 1 and not block.level and in_example(text, blocks[j - 1], block):
            last = j
    return last
