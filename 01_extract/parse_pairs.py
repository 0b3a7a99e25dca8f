"""Question-answer pairs in a model's text (used by extract_qa.py; no command of its own).

Pure functions that never raise, whatever the text.
"""

import re
from typing import NamedTuple

from replies import json_value, without_closing

from answers.trim import after_thinking


class Pair(NamedTuple):
    """A pair as the model wrote it; a field it left out is ""."""

    question: str
    answer: str
    quote: str = ""  # words of the passage on which the answer rests


# ---- markers ----

# quoted, in a list, a heading, numbered, bold; no run of blanks is read twice
BEFORE = r"""^[ \t>]*+(?:[-*+•][ \t]++)?(?:\#{1,6}[ \t]*+)?
    (?:[*_]{0,3}[(\[]?\d{1,3}[.):\]][ \t]*+)?[*_]{0,3}[ \t]*+"""


def marker(words, ends=r"[:.)]|(?=\n)"):
    """Pattern of a marker at the beginning of a line: "**Question 2:**", "### Answer", "3. Q:"."""
    after = rf"[ \t]*+\#?(?:\(?\d{{1,3}}\)?)?[ \t]*+[*_]{{0,3}}[ \t]*+(?:{ends})[*_]{{0,3}}[ \t]*"
    return re.compile(f"{BEFORE}(?:{words}){after}", re.IGNORECASE | re.MULTILINE | re.VERBOSE)


QUESTION, ANSWER, QUOTE = marker("question"), marker("answer|solution"), marker("quote")
# "A." is an option, "A 2.5 kg" no marker
Q, A = marker("Q"), marker("A", r":|(?<=A\d)[.)]|(?<=A\d\d)[.)]")
INLINE = re.compile(r"[*_]{0,3}\bAnswer[*_]{0,3}[ \t]*:[*_]{0,3}[ \t]*")  # "What is 2+2? Answer: 4"
FAMILIES = (  # (marker of a question, those of an answer): a text is read by the first that it has
    (QUESTION, ANSWER, A, INLINE),
    (Q, A, ANSWER),
    (marker("problem|exercise"), ANSWER, INLINE),
)

# ---- fields ----

# the last lines of a field: a rule, marks left alone, the heading of the next pair, a sentinel;
# "42" or "=" alone may be the result
AFTER_PAIR = re.compile(
    r"""(?xi)[-*_\# ]*|={3,}|\[NO[ ]QA\]|[*_(]*\d{1,3}[.):][*_]*|
    \#+[ *_]*\d{1,3}[*_]*|[\#*_ ]*(?:QA[ ]|Q&A[ ])?pair[ ]\(?\d{1,3}[.):*_]*"""
)
EMPTY = re.compile(
    r"""(?xi)n/?a|none|null|unknown|no\s+(?:answer|qa)|
    not\s+(?:given|provided|available|stated|specified|applicable)|
    the\s+(?:new|complete|refined|final)\s+(?:question|answer|solution)"""
)
MARKS = " \t\r\n*_#>`~|.:;,()[]{}<\"'“”…–—-"  # "∞" and "+" are answers


def is_empty(text):
    """True for "N/A", "<the complete answer>", marks alone."""
    words = text[:200].strip(MARKS)
    return not words or (len(text) < 200 and EMPTY.fullmatch(words) is not None)


def field(text):
    """A field without what surrounds it: rules and headings between pairs, a fence or bold mark
    without its pair; "" where it is empty or a placeholder."""
    lines = text.strip().split("\n")
    while len(lines) > 1 and AFTER_PAIR.fullmatch(lines[-1].strip()):
        lines.pop()
    text = "\n".join(lines).strip()
    if text.count("```") % 2:
        text = text.removesuffix("```")
    if text.count("**") % 2:
        text = text.removeprefix("**") if text.startswith("**") else text.removesuffix("**")
    return "" if is_empty(text) else text.strip()


# ---- the whole text ----


def json_pairs(text):
    """Pairs of an answer that is a JSON object or a list of them, options below their question;
    None where it is not."""
    value, pairs = json_value(text), []
    for item in value if isinstance(value, list) else [value]:
        found = {str(k).lower(): v for k, v in item.items()} if isinstance(item, dict) else {}
        texts = (found.get(name) for name in Pair._fields)
        pair = Pair(*("" if text is None else field(str(text)) for text in texts))
        if pair.question and isinstance(options := found.get("options"), list):
            lines = (
                f"\n{letter}. {text}" for letter, text in zip("ABCDEFGHIJ", options, strict=False)
            )
            pair = pair._replace(question=pair.question + "".join(lines))
        pairs.append(pair)
    return pairs if any(map(any, pairs)) else None


def marked_pairs(text):
    """Pairs between markers."""
    asks, *tells = next((marks for marks in FAMILIES if marks[0].search(text)), FAMILIES[0])
    pairs = []
    for block in asks.split(text)[1:]:
        marks = (tell.search(block) for tell in tells)
        found = next(filter(None, marks), None)
        question, answer = (block[: found.start()], block[found.end() :]) if found else (block, "")
        answer, *quotes = QUOTE.split(answer)
        quote = field("\n".join(quotes)).strip("\"“”'` ")
        pairs.append(Pair(field(question), field(answer), quote))
    return pairs


def read_pairs(response):
    """[Pair, ...] of a model's text; question or answer may be "" where it is missing. [] for the
    sentinel [NO QA], None where the text holds neither.

    Markers stand at the beginning of a line, bold, numbered or as headings. "Answer:" a second time
    within an answer belongs to it. What the model says to its user after the last pair goes.
    """
    text = after_thinking(response or "").replace("\r\n", "\n")
    pairs = json_pairs(text)
    if pairs is None:
        pairs = marked_pairs(without_closing(text))
    if pairs := [pair for pair in pairs if pair.question or pair.answer]:
        return pairs
    return [] if re.search(r"\bNO[ _-]?QA\b", text, re.IGNORECASE) else None
