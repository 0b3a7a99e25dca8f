"""Problems with their printed solutions, taken from a book word for word (used by extract_qa.py
--mode worked; no command of its own).

find_pairs() reads examples with solutions, problems with answers, and numbered exercises with an
answer key elsewhere in the book. Nothing is rewritten: question and answer are slices of the text,
cut by the labels of book_blocks.py. What has no clear end is left out.
"""

import re
from typing import NamedTuple

from book_blocks import STARTS, Block, find_blocks, in_example
from pdf import text as pdf_text
from question_text import SMALL

import rows as r

EXERCISES = re.compile(
    r"""(?xi)\b(?:exercises?|problems?|questions?|homework|practice|free\s+response|
    review|self-?check|quiz|connections|check\s+your|try\s+it)\b"""
)
# "Answers to Odd-Numbered Exercises"
KEYS = re.compile(r"\b(?:answers?(?:\s+key)?|solutions?|key)\b(?!\s+of\b)", re.IGNORECASE)
AMID_TEXT = re.compile(r"check\s+your|try\s+it", re.IGNORECASE)  # prose goes on after the answer
# "*Use the following information to answer the next five exercises:* A company ..."
STEM = re.compile(
    r"""(?xi)[*_>\s]*(?:use|for|refer\s+to|consider)\s+(?:the\s+)?(?:following|next|this|these)\b
    [^\n]{0,120}?\b(?:answer|next|exercises?|problems?|questions?)\b"""
)
STEM_COUNT = re.compile(r"next\s+(\w+)\s+(?:exercise|problem|question)", re.IGNORECASE)
# "12. ", "**12.** ", "**2.1** ", "2.1 What is a newton?"
ITEM = re.compile(
    r"""(?xm)^[ \t]*\*{0,2}
    (\d{1,3}(?:\.\d{1,3}){0,3}(?=[.)]|\*\*)|\d{1,2}(?:\.\d{1,3}){1,3}(?=[ \t]+[A-Z$(\\]))
    (?:[.)]\*{0,2}|\*\*)?[ \t]+(?=\S)"""
)
SHORT_KEY = re.compile(r"(?<!\S)(\d{1,3})[.)][ \t]*(?=\(?[A-Ea-e]\)?(?:[\s,;]|$))")  # "1. B  2. C"
FURNITURE = re.compile(r"\\?\[Figure\b|!\[|\[image\b|Figure: |[-*_]{3,}$|\\newpage")
PLACE_ONLY = re.compile(r"(?:(?:chapter|section|unit|part)\s+)?[\d.]+\W*", re.IGNORECASE)
PLACE = re.compile(r"\b(\d{1,2}(?:\.\d{1,2})*)\b")  # "Chapter 3", "## 3.2 Collisions"
TITLE = re.compile(r"\*\*[^\n]{3,120}\*\*")  # "**Conversion of Pressure Units**"
ASKS = re.compile(
    r"""(?xi)[?]|(?:^|[.:]\s+)(?:please\s+)?(?:find|solve|compute|calculate|determine|evaluate|show|prove|estimate|
    attempt|approximate|derive|write|verify|sketch)\b"""
)
DATUM = re.compile(r"\d+\.\d+|\d{3,}")  # a number that two texts hardly share by chance
NOT_CARRIED = ("text", "n_tokens", "start", "page_starts", "n_pages")
HIGH_WORDS, HIGH_STEPS = 40, 2  # an answer this long, or with this many equals signs, is worked out


class Pair(NamedTuple):
    """A question with its answer as they stand in the text."""

    question: str
    answer: str
    start: int  # of the question, its shared introduction not counted
    end: int
    answer_start: int
    answer_end: int
    kind: str  # "example", "exercise" or "key"
    label: str  # as printed: "Example 5.1"


# ---- a book as entries ----


class Section(NamedTuple):
    """What a heading says of the blocks below it."""

    kind: str = ""  # "key", "exercises" or ""
    level: int = 9
    odd: bool = False  # a key to exercises with odd numbers
    place: str = ""  # number of the chapter or section

    def below(self, level, title):
        """The section that a heading begins: one below "Answer Key", or a mere "Chapter 2", stays
        of its kind."""
        kind = "key" if KEYS.search(title) else "exercises" if EXERCISES.search(title) else ""
        found = PLACE.search(title)
        place = found[1] if found else self.place
        inner = self.kind and (level > self.level or PLACE_ONLY.fullmatch(title))
        if inner and not kind:
            return self._replace(place=place)
        return Section(kind, level, kind == "key" and "odd" in title.lower(), place)


def with_sections(text, blocks):
    """[(section, its blocks), ...] of a book; the heading of a section is its first block."""
    section, made = Section(), [(Section(), [])]
    for block in blocks:
        if block.level and not block.kind:
            section = section.below(block.level, text[block.start : block.end].lstrip("# "))
            made.append((section, []))
        made[-1][1].append(block)
    return made


def find_items(text, block, section, last):
    """Yield (number, match) of the items that may begin in a block and count on from `last`; a key
    may have several on a line."""
    if block.level:
        return
    short = section.kind == "key" and list(SHORT_KEY.finditer(text, block.start, block.end))
    several = short and len(short) > 1
    for match in short if several else ITEM.finditer(text, block.start, block.end):
        value = int(match[1].rsplit(".", 1)[-1])
        # a key to odd numbers has even ones in lists only
        if last < value <= last + 6 and not (section.odd and value % 2 == 0):
            last = value
            yield value, match


def number_items(text, section, blocks):
    """The blocks of a section of exercises or a key, cut at its numbered items, which count on from
    1; where most labels, or those of question and answer, are words, the numbers are options."""
    labels = [block.kind for block in blocks if block.kind in (*STARTS, "answer")]
    if not section.kind or ("answer" in labels and len(set(labels)) > 1):
        return blocks
    kind = "item" if section.kind == "key" else "exercise"
    made, last, count = [], 0, 0
    for block in blocks:
        for number, match in find_items(text, block, section, last):
            before = text[block.start : match.start()].rstrip()
            if before:
                made.append(block._replace(end=block.start + len(before)))
            block = Block(match.start(), block.end, 0, kind, match[1], match.end())
            last = number
            count += 1
        made.append(block)
    return made if count > len(labels) else blocks


class Entry(NamedTuple):
    """A label with the text up to the next one, a heading, or an introduction that exercises
    share."""

    at: int  # its place among the entries
    kind: str  # of its label (book_blocks.LABELS), "item" of a key, "heading" or "stem"
    block: Block  # the one with the label
    section: Section
    content: list  # blocks of the text, the label cut off
    stem: str = ""  # what a question shares with its neighbours

    @property
    def start(self):
        return self.content[0].start if self.content else self.block.end

    @property
    def end(self):
        return self.content[-1].end if self.content else self.block.end

    @property
    def number(self):
        return self.block.number


def kind_of(text, block):
    """Kind of the entry that a block begins, "" where it goes on with the one before."""
    if block.kind or block.level:
        return block.kind or "heading"
    return "stem" if STEM.match(text, block.start, block.end) else ""


def read_entries(text):
    """The entries of a book in order; an empty heading at its end closes the last."""
    entries = []
    for section, below in with_sections(text, find_blocks(text)):
        for block in number_items(text, section, below):
            kind = kind_of(text, block)
            if kind or not entries:
                entries.append(Entry(len(entries), kind or "aside", block, section, []))
            if kind != "heading" and block.body < block.end:
                entries[-1].content.append(block._replace(start=block.body))
    end = Block(len(text), len(text), 1, "", "", len(text))
    return [*entries, Entry(len(entries), "heading", end, Section(), [])]


# ---- questions and answers ----


class Reader:
    """Walks over the entries of a book once and gathers pairs, open questions, and answers (entry,
    span) that stand apart from their question."""

    def __init__(self, text):
        self.text = text
        self.entries = read_entries(text)
        self.pairs, self.open, self.keys = [], [], []
        self.stem, self.stem_left = "", 0

    def words(self, part):
        """Text of a block or entry."""
        return self.text[part.start : part.end]

    def read(self):
        waiting = None
        for entry in self.entries:
            if entry.kind in ("answer", "item"):
                waiting = self.answer(entry, waiting)
            elif entry.kind in ("example", "exercise"):
                waiting = self.question(entry, waiting)
            elif entry.kind in ("heading", "stem", "theorem"):
                self.close(waiting)
                waiting = None
                self.share(entry)
        for key, span in self.keys:
            asked = self.asked_by(key)
            if asked and self.add(asked, span, "key"):
                self.open.remove(asked)
        return sorted(self.pairs, key=lambda pair: pair.start), self.open

    def share(self, entry):
        """ "Use the following information to answer the next five exercises" goes before those
        questions, up to the next heading."""
        if entry.kind == "stem":
            self.stem = self.words(entry).strip()
            count = STEM_COUNT.search(self.words(entry.block))
            self.stem_left = SMALL.get(count[1].lower(), 99) if count else 99
        elif entry.kind == "heading":
            self.stem_left = 0

    def question(self, entry, before):
        """The question of an entry; the one before it gets no answer any more."""
        stem = ""
        if entry.kind == "exercise" and before and before.kind == "example":
            # "Example 2. Suppose Nancy has classes ... Problem 2. a. Let X be ..."
            stem = self.words(before).strip()
        else:
            self.close(before)
            if entry.kind == "exercise" and self.stem_left > 0:
                stem = self.stem
                self.stem_left -= 1
        content = entry.content
        if len(content) > 1 and TITLE.fullmatch(self.words(content[0])):
            content = content[1:]
        return entry._replace(content=content, stem=stem)

    def close(self, asked):
        """A question gets no labelled answer after this."""
        if asked and asked.content and not self.unlabelled(asked):
            self.open.append(asked)

    def unlabelled(self, asked):
        """Take an example whose solution bears no label: a first paragraph that asks, then the
        answer. False where it is not of that form."""
        if asked.kind != "example" or len(asked.content) < 2:
            return False
        first, *content = asked.content
        words = self.words(first)
        closed = self.is_amid(asked)
        # one with several formulas goes on to the solution
        if not ASKS.search(words) or words.count("$$") > 2 or (asked.block.level and not closed):
            return False
        span = self.answer_span(content, closed, words)
        return self.add(asked._replace(content=[first]), span, "example")

    def answer(self, entry, asked):
        """Give an answer to the question that waits, or put it by; returns what waits then."""
        if not entry.content:
            return asked
        question = self.words(asked) if asked else ""
        start, end = self.answer_span(entry.content, self.is_bounded(entry), question)
        if asked and entry.kind == "answer" and entry.number in ("", asked.number or entry.number):
            # the strategy printed before the solution, which ended the question
            between = self.entries[asked.at : entry.at]
            start = next((e.block.start for e in between if e.kind == "lead"), start)
            self.add(asked, (start, end), asked.kind)
            return None
        if entry.number:
            self.keys.append((entry, (start, end)))
        return asked

    def answer_span(self, content, whole, question):
        """(start, end) of the answer that begins the blocks of `content`: all of them where it is
        `whole`, else as far as they go on by their form, or work with the numbers of the
        question."""
        data = set(DATUM.findall(question))
        made = content[:1]
        for block in content[1:]:
            shared = not data.isdisjoint(DATUM.findall(self.words(block)))
            if not (whole or shared or in_example(self.text, made[-1], block)):
                break
            made.append(block)
        while len(made) > 1 and FURNITURE.match(self.words(made[-1])):
            made.pop()
        return made[0].start, made[-1].end

    def is_amid(self, entry):
        """True before "Check Your Learning" and the like."""
        return bool(AMID_TEXT.search(self.words(self.entries[entry.at + 1].block)[:60]))

    def is_bounded(self, entry):
        """True where the text up to the next label or heading is the answer: no prose of the
        chapter can stand between."""
        alone = entry.block.body >= entry.block.end  # the label
        follows = alone and self.entries[entry.at + 1].kind in ("answer", "lead", "aside")
        return bool(entry.section.kind or follows) or self.is_amid(entry)

    def asked_by(self, key):
        """The open question before a key that has its number: in the same section, the same chapter
        or the book, where only one bears it."""
        place = key.section.place
        chapter = place.split(".")[0]
        same = [q for q in self.open if q.number == key.number and q.end <= key.start]
        same = [q for q in same if q.kind == "exercise"]
        here = [q for q in same if q.section.place == place]
        near = [q for q in same if q.section.place.split(".")[0] == chapter]
        return next((found[0] for found in (here, near, same) if len(found) == 1), None)

    def add(self, asked, span, kind):
        """Keep a pair; False where question or answer holds no word."""
        question = self.words(asked).strip()
        answer = self.text[slice(*span)].strip()
        if not re.search(r"\w", question) or not re.search(r"\w", answer):
            return False
        question = f"{asked.stem}\n\n{question}" if asked.stem else question
        label = self.text[asked.block.start : asked.block.body].strip("#*_>:. \n\t")
        spans = asked.start, asked.end, *span
        self.pairs.append(Pair(question, answer, *spans, kind, " ".join(label.split())[:60]))
        return True


def find_pairs(text):
    """(pairs, questions that the book leaves open) of a document's text, in its order."""
    return Reader(text).read()


def standard_of(answer):
    """ "high" for a solution that is worked out, "low" for a result or a short statement."""
    steps = len(re.findall(r"(?<![<>!=])=(?!=)|\\(?:approx|implies|Rightarrow)\b|≈", answer))
    return "high" if len(answer.split()) >= HIGH_WORDS or steps >= HIGH_STEPS else "low"


# ---- rows ----


def pages_in(row, start, end):
    """[first, last] page of the characters start..end of a document's or chunk's text, or null."""
    starts = row.get("page_starts" if "doc_id" in row else "pages")
    return pdf_text.pages_of(starts, start, end) if starts else row.get("pages")


def pair_rows(row):
    """(rows of the pairs, rows of the questions without an answer) of a document or chunk; places
    are counted in characters of the document."""
    pairs, left = find_pairs(row["text"])
    base = row.get("start", 0) if "doc_id" in row else 0
    return [pair_row(row, pair, base) for pair in pairs], [open_row(row, q, base) for q in left]


def pair_row(row, pair, base):
    carried = {k: v for k, v in row.items() if k not in NOT_CARRIED}
    answer = [base + pair.answer_start, base + pair.answer_end]
    pages = pages_in(row, pair.answer_start, pair.answer_end)
    proof = {"start": answer[0], "end": answer[1], "pages": pages, "by": "verbatim"}
    return {
        **dict.fromkeys(("subject", "source", "license")),
        **carried,
        "id": f"qa-{r.text_hash(row['id'], 'worked', pair.question, pair.answer, str(answer))}",
        "question": pair.question,
        "answer": pair.answer,
        "source_id": row["id"],
        "pages": pages_in(row, pair.start, pair.end),
        "standard": standard_of(pair.answer),
        "method": "worked",
        "generator": [],
        "label": pair.label,
        "question_span": [base + pair.start, base + pair.end],
        "grounded": True,
        "proof": proof,
    }


def open_row(row, asked, base):
    return {
        "id": f"{row['id']}-{base + asked.start}",
        "source_id": row["id"],
        "source": row.get("source"),
        "pages": pages_in(row, asked.start, asked.end),
        "question": row["text"][asked.start : asked.end].strip(),
        "question_span": [base + asked.start, base + asked.end],
    }
