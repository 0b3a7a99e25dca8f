"""Question-answer pairs in a model's text (used by extract_qa.py; no command of its own).

Pure functions that never raise, whatever the text.
"""

import re
from typing import NamedTuple

from replies import json_values, without_closing

from answers.trim import after_thinking

NO_QA = "[NO QA]"


class Pair(NamedTuple):
    """A pair as the model wrote it; a field it left out is ""."""

    question: str
    answer: str
    quote: str = ""  # words of the passage on which the answer rests
    perspective: str = ""


# ---- markers ----

# quoted, in a list, a heading, numbered, bold; no run of blanks is read twice
BEFORE = r"""^[ \t>]*+(?:[-*+•][ \t]++)?(?:\#{1,6}[ \t]*+)?
    (?:[*_]{0,3}[(\[]?\d{1,3}[.):\]][ \t]*+)?[*_]{0,3}[ \t]*+"""
FLAGS = re.IGNORECASE | re.MULTILINE | re.VERBOSE


def marker(words, ends=r"[:.)]|(?=\n)", number=r"(?:\(?\d{1,3}\)?)?"):
    """Pattern of a marker at the beginning of a line: "**Question 2:**", "### Answer", "3. Q:"."""
    after = rf"[ \t]*+[\#№]?[ \t]*+{number}[ \t]*+[*_]{{0,3}}[ \t]*+(?:{ends})[*_]{{0,3}}[ \t]*"
    return re.compile(f"{BEFORE}(?:{words}){after}", FLAGS)


def numbered(letter):
    """ "**Q1.** What is 2+2?": a letter with its number, so that "A." stays an option."""
    return marker(letter, "[.:)]", r"\d{1,3}")


def inline(word, marks, ends):
    return re.compile(rf"[*_]{marks}{word}[*_]{{0,3}}{ends}[*_]{{0,3}}[ \t]*")


NUMBER = r"[ \t]*\d{1,3}"
FAMILIES = (  # the first of which both markers are there; "A." alone may be an option, hence ":"
    (marker("question"), marker("answer|solution")),
    (marker("Q", ":|[.)](?=[ \t])"), marker("A", ":")),
    (numbered("Q"), numbered("A")),
    (marker("problem|exercise"), marker("answer|solution")),
    # "**Q1.** What is 2+2? **A1.** 4" on one line
    tuple(inline(rf"{letter}{NUMBER}", "{2}", "[.:)]?") for letter in "QA"),
    tuple(inline(rf"\b{word}(?:{NUMBER})?", "{0,3}", "[ \t]*:") for word in ("Question", "Answer")),
)
QUOTE = marker("quote|evidence|source[ ]sentence", ":")
PERSPECTIVE = re.compile(
    r"^[ \t>#*_-]{0,9}(?:\d{1,3}[.)][ \t]*)?[*_]{0,3}perspective[ \t]*\d?[*_]*[ \t]*:[*_ \t]*"
    r"([a-z]+)[^\n]*$",
    re.IGNORECASE | re.MULTILINE,
)
LONGEST_QUOTE = 1500  # characters; a longer one is the answer going on

# ---- fields ----

# a rule, the number of the next pair, a sentinel, marks left alone: on a line of their own after a
# pair; "42" alone may be the result
AFTER_PAIR = re.compile(
    r"""(?x)\n[ \t]*(?:[-*_=]{3,}|
    [\#*_ \t]{0,9}(?:(?:QA|Q&A)?[ \t]*pair[ \t]*\(?\d{1,3}[.):]?|\(?\d{1,3}[.):])[*_]{0,3}|
    \#{1,6}[ \t]*\d{1,3}|[*_]{2,3}\d{1,3}[*_]{2,3}|\[NO[ ]QA\]|\#{1,6}|[*_]{1,3})[ \t]*$""",
    re.IGNORECASE,
)
BEFORE_PAIR = re.compile(r"\A(?:[-=_]{3,}|\*{3,})[ \t]*\n")
EMPTY = re.compile(
    r"""(?x)n/?a|none|null|nil|tbd|unknown|no\s+(?:final\s+)?answer(?:\s+provided)?|no\s+qa|
    not\s+(?:given|provided|available|stated|specified|applicable)|
    (?:the|your|new|complete|refined|final)\s+(?:(?:new|complete|refined|final)\s+)?
    (?:question|answer|solution)""",
    re.IGNORECASE,
)
MARKS = r"""[\s*_#>`~|.:;,()\[\]{}<"'“”…–—-]+"""  # "∞" and "+" are answers
EDGES = re.compile(f"^{MARKS}|{MARKS}$")


def is_empty(text):
    """True for "N/A", "<the complete answer>", marks alone."""
    words = EDGES.sub("", text[:200])
    return not words or (len(text) < 200 and EMPTY.fullmatch(words) is not None)


def tidy(text):
    """A field without what surrounds it: rules between pairs, the number of the next pair, unpaired
    bold marks, a fence around the whole."""
    text = text.strip()
    for _ in range(4):
        text = BEFORE_PAIR.sub("", AFTER_PAIR.sub("", text).strip()).strip()
    if text.count("**") % 2:
        text = text.removeprefix("**") if text.startswith("**") else text.removesuffix("**")
    elif text.count("**") == 2 and text.startswith("**") and text.endswith("**"):
        text = text[2:-2]
    if text.count("```") % 2:
        text = text.removesuffix("\n```")
    return text.strip()


def field(text):
    """A field as it stands in a row: tidy, and "" where it is empty or a placeholder."""
    text = tidy(text)
    return "" if is_empty(text) else text


# ---- JSON ----


def json_pair(item):
    """The pair of a JSON object, None where it is none; options of a multiple-choice question go
    under the question."""
    fields = {str(k).lower(): v for k, v in item.items()} if isinstance(item, dict) else {}
    if not {"question", "answer"} & set(fields):
        return None
    texts = [fields.get(name) for name in ("question", "answer", "quote")]
    question, answer, quote = ("" if text is None else field(str(text)) for text in texts)
    options = fields.get("options", fields.get("choices"))
    if isinstance(options, list) and options and str(options[0]) not in question:
        question += "".join(f"\n{'ABCDEFGHIJ'[n]}. {text}" for n, text in enumerate(options[:10]))
    return Pair(question, answer, quote)


def json_pairs(text):
    """Pairs of an answer that is JSON: an object, objects, a list of them, or {"pairs": [...]};
    None where it is not JSON."""
    pairs = []
    for value in json_values(text):
        if isinstance(value, dict) and not json_pair(value):
            value = next((v for v in value.values() if isinstance(v, list)), [])
        pairs += map(json_pair, value if isinstance(value, list) else [value])
    return list(filter(None, pairs)) or None


# ---- the whole text ----


def family_of(text):
    """The markers (of questions, of answers) that a text uses."""
    asked = [marks for marks in FAMILIES if marks[0].search(text)]
    return next((marks for marks in asked if marks[1].search(text)), (asked or FAMILIES)[0])


def marked_pairs(text, perspective=""):
    """Pairs between markers, in the family of markers that the text uses."""
    asks, tells = family_of(text)
    starts = list(asks.finditer(text))
    ends = [start.start() for start in starts[1:]] + [len(text)]
    pairs = []
    for start, end in zip(starts, ends, strict=False):  # no start has one end
        block = text[start.end() : end]
        split = tells.search(block) or FAMILIES[-1][1].search(block)
        question, answer = (block[: split.start()], block[split.end() :]) if split else (block, "")
        if end == len(text):
            answer = without_closing(answer)
        pairs.append(Pair(field(question), *answer_and_quote(answer), perspective))
    return pairs


def answer_and_quote(text):
    """The parts of an answer before and after its last "Quote:" marker."""
    marks = list(QUOTE.finditer(text))
    if not marks or len(text) - marks[-1].end() > LONGEST_QUOTE:
        return field(text), ""
    return field(text[: marks[-1].start()]), tidy(text[marks[-1].end() :]).strip("\"“”'` ")


def read_pairs(response):
    """[Pair, ...] of a model's text; question or answer may be "" where it is missing. [] for the
    sentinel [NO QA], None where the text holds neither.

    Markers stand at the beginning of a line, bold, numbered or as headings; text on one line is
    read too. "Answer:" a second time within an answer belongs to it. What the model says to its
    user after the last pair goes.
    """
    text = after_thinking(response or "").replace("\r\n", "\n")
    pairs = json_pairs(text)
    if pairs is None:
        parts, pairs = ["", *PERSPECTIVE.split(text)], []
        for name, part in zip(parts[::2], parts[1::2], strict=True):
            pairs += marked_pairs(part, name.lower())
    if pairs := [pair for pair in pairs if pair.question or pair.answer]:
        return pairs
    return [] if re.search(r"\bNO[ _-]?QA\b", text, re.IGNORECASE) else None
