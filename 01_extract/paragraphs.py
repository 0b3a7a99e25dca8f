"""Passages of a chunk that a small model is asked about, one pair each (extract_qa.py --mode
paragraph; no command of its own)."""

import re

import book_blocks

SHORTEST, LONGEST = 40, 400  # words of a passage


def is_unanswered(unit):
    """True for an exercise without its solution: a small model would invent one. "Example 5" and
    "Theorem 2" explain themselves."""
    first = next((block for block in unit if not block.level or block.kind), unit[0])
    return first.kind == "exercise" and {block.kind for block in unit} <= {"exercise", ""}


def is_worked(unit):
    """True for an example or exercise with its printed solution: --worked takes it word for
    word."""
    kinds = {block.kind for block in unit}
    return "answer" in kinds and not kinds.isdisjoint(book_blocks.STARTS)


def parts_of(text, without_worked):
    """Yield (block of a chunk, whether a passage may end behind it): no heading ends one, and a
    unit (book_blocks.py) ends with its last block."""
    for unit in book_blocks.find_units(text, book_blocks.find_blocks(text)):
        if is_unanswered(unit) or (without_worked and is_worked(unit)):
            continue
        for block in unit:
            part = text[block.start : block.end]
            # small models ask about "Chapter 7"
            heading = re.fullmatch(r"(?i)#+[ \t]+(?:chapter[ \t]+)?(?:[\d.]+[ \t]+)?(.*)", part)
            yield (heading[1], False) if heading else (part, block is unit[-1])


def is_prose(text):
    """False for what is hardly text: an index, formulas, numbers."""
    words = text.split()
    letters = re.findall(r"[^\W\d_]{2,}", text)
    return len(words) >= SHORTEST and len(letters) >= 0.4 * len(words)


def split(text, without_worked=False):
    """Passages of a chunk for --mode paragraph, SHORTEST to LONGEST words: parts joined until they
    may end, those too long cut."""
    made, held = [], ""
    for part, may_end in parts_of(text, without_worked):
        joined = f"{held}\n\n{part}" if held else part
        length = len(joined.split())
        if length > LONGEST:
            words = part.split()
            cut = [" ".join(words[i : i + LONGEST]) for i in range(0, len(words), LONGEST)]
            made, held = [*made, held, *cut], ""
        elif may_end and length >= SHORTEST:
            made, held = [*made, joined], ""
        else:
            held = joined
    return [passage for passage in [*made, held] if is_prose(passage)]
