"""Paragraphs of a book and the labels that begin them (used by chunk_documents.py, worked_problems.py, extract_qa.py; no command of its own).

A block is a paragraph, heading, display, table or program text. Its kind is "start" where it begins an example, exercise or theorem, "part" where it
begins a solution, proof or remark, else "".
"""

import re
from typing import NamedTuple

STARTS = r"""(?:worked\s+)?examples?|exercises?|problems?|questions?|theorem|lemma|proposition|corollary|
    check\s+your\s+(?:understanding|learning)|practice|try\s+it"""
PARTS = r"""solutions?|answers?|proof|strategy|significance|discussion|explanation|hints?|analysis|approach|
    verification|check"""
LABEL = re.compile(
    rf"""(?x)(?:\#{{1,6}}[ \t]+|>[ \t]*)?
    (?P<mark>\*\*\*?|__|\*|_)?[ \t]*
    (?:note:[ \t]+)?                                        # "##### Note: Answer:"
    (?:(?P<start>{STARTS})|(?P<part>{PARTS}))\b
    [ \t]*(?P<number>\(?[A-Z]?\d+(?:[.\-]\d+)*[a-z]?\)?)?""",
    re.IGNORECASE,
)
LABEL_END = re.compile(r"[ \t]*[.:)]?(?:\*\*\*?|__|\*|_)?[.:]?[ \t]*")
PLURAL = re.compile(r"problems|exercises|questions|examples|answers|solutions", re.IGNORECASE)
HEADING = re.compile(r"(#{1,6})[ \t]+\S")
LIST_ITEM = re.compile(r"(?:[-*+•]|\(?[a-zA-Z0-9]{1,3}[.)]|\([ivx]+\)|\|)[ \t]")
OPENING = re.compile(r"```|\$\$|(?<!\\)\\[\[\]]|\\begin\{|\\end\{")
LONGEST_FORMULA = 6000  # characters; a lone $$ must not swallow the rest of a book


class Block(NamedTuple):
    """Where a block stands in the document and what it is."""

    start: int
    end: int
    level: int  # of a heading, 0 for anything else
    kind: str  # "start", "part" or ""
    number: str  # of the example or exercise, as printed
    word: str = ""  # of the label, in lower case: "example", "solution"
    body: int = 0  # where the text after the label begins


# ---- paragraphs ----


def open_after(marks, fence=False, dollars=False, depth=0):
    """What is open after the marks of a paragraph: program text, a display formula, environments."""
    for mark in marks:
        if mark == "```":
            fence = not fence
        elif mark == "$$" and not fence:
            dollars = not dollars
        elif not fence:
            depth = max(depth + (1 if mark in ("\\[", "\\begin{") else -1), 0)
    return fence, dollars, depth


def find_blocks(text):
    """Blocks of a document in order: runs of lines without an empty line; a display formula or
    fenced text is one block."""
    spans = [(m.start(), m.end()) for m in re.finditer(r"\S[^\n]*(?:\n[ \t]*\S[^\n]*)*", text)]
    marks = [OPENING.findall(text, *span) for span in spans]
    blocks, at = [], 0
    while at < len(spans):
        start, last, state = spans[at][0], at, open_after(marks[at])
        while any(state) and last + 1 < len(spans) and spans[last + 1][1] - start < LONGEST_FORMULA:
            last += 1
            state = open_after(marks[last], *state)
        if any(state):  # never closed: only a slip of the source
            last = at
        blocks += heading_blocks(text, start, spans[last][1])
        at = last + 1
    return blocks


def heading_blocks(text, start, end):
    """A run of lines as blocks: heading lines stand alone even where no empty line follows."""
    made, at = [], start
    if not text.startswith("```", start):
        while (match := HEADING.match(text, at)) and at < end:
            stop = text.find("\n", at, end)
            stop = end if stop < 0 else stop
            made.append(make_block(text, at, stop, len(match[1])))
            at = stop + 1
            while at < end and text[at] in " \t\n":
                at += 1
    return made + ([make_block(text, at, end, 0)] if at < end else [])


def make_block(text, start, end, level):
    match = LABEL.match(text, start, end)
    plain = Block(start, end, level, "", "", "", start)
    if not match or not is_label(text, match, level, end):
        return plain
    word = " ".join((match["start"] or match["part"]).lower().split())
    number = (match["number"] or "").strip("()")
    if level and PLURAL.fullmatch(word) and not number:
        return plain  # the heading of a section of exercises
    body = end if level else body_start(text, match, end)
    return Block(start, end, level, "start" if match["start"] else "part", number, word, body)


def is_label(text, match, level, end):
    """False for a word that only begins a sentence or title: "Problems of this kind", "Example 5.1
    shows that", "## Answer Key"."""
    if match.end() == end:
        return True
    if level:
        named = match["number"] or (match["part"] or "").lower() == "proof"
        return bool(named) or not re.match(r"[-\w]", text[match.end() : end])
    if match["mark"]:
        return True
    after = text[match.end() : match.end() + 2]
    return after[:1] in (":", ".") or bool(match["number"] and re.match(r" [A-Z(]", after))


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
    head = text[block.start : block.start + 40]
    tail = text[max(before.start, before.end - 40) : before.end].rstrip()
    return bool(
        before.level
        or tail[-1:] in (":", ",", ";")
        or head[:1].islower()
        or head.startswith(("$$", "\\[", "\\begin", "|", "```"))
    )


def in_example(text, before, block):
    """As goes_on, within an example or exercise: its parts (a), (b) and the text after a formula
    belong to it too."""
    tail = text[max(before.start, before.end - 40) : before.end].rstrip("* ")
    label_only = before.kind and before.body >= before.end
    return (
        goes_on(text, before, block)
        or label_only
        or tail.endswith(("$$", "\\]", "}", "```", "|"))
        or bool(LIST_ITEM.match(text, block.start))
    )


def find_units(text, blocks):
    """Groups of blocks that should stay together, as lists."""
    units, i = [], 0
    while i < len(blocks):
        near = range(i, min(i + 4, len(blocks)))  # headings lead to what they head
        start = next((j for j in near if not blocks[j].level or blocks[j].kind), i)
        if blocks[start].kind == "start":
            last = end_of_example(text, blocks, start)
        else:
            last = end_of_prose(text, blocks, i)
        units.append(blocks[i : last + 1])
        i = last + 1
    return units


def end_of_prose(text, blocks, last):
    """Index of the last block that goes on from blocks[last]."""
    while last + 1 < len(blocks):
        here, after = blocks[last], blocks[last + 1]
        starts = after.level or after.kind == "start"
        if (starts and not here.level) or not goes_on(text, here, after):
            break
        last += 1
        if after.kind == "start":
            return end_of_example(text, blocks, last)
    return last


def end_of_example(text, blocks, start):
    """Index of the last block of the example, exercise or theorem that begins at blocks[start]: its
    solution or proof included."""
    last, first = start, blocks[start]
    for j in range(start + 1, min(start + 60, len(blocks))):
        block = blocks[j]
        outer = block.level and (not first.level or block.level <= first.level)
        if block.kind == "start" or (outer and block.kind != "part"):
            break
        if block.kind == "part":
            if first.number and block.number and first.number != block.number:
                break
            last = j
        elif j == last + 1 and not block.level and in_example(text, blocks[j - 1], block):
            last = j
    return last
