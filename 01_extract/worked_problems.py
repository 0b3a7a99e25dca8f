"""Problems with their printed solutions, taken from a book word for word (used by extract_qa.py --mode worked; no command of its own).

find_pairs() reads examples with solutions, problems with answers, and numbered exercises with an answer key elsewhere in the book. Nothing is rewritten:
question and answer are slices of the text, cut by the labels of book_blocks.py. What has no clear end is left out.
"""

import re
from typing import NamedTuple

from book_blocks import Block, find_blocks, in_example
from pdf import text as pdf_text
from question_text import SMALL

import rows as r

ANSWERS = ("solution", "solutions", "answer", "answers", "proof")
LEADS = ("strategy", "approach", "analysis")  # the plan before a solution belongs to the answer
EXAMPLES = ("example", "examples", "worked example", "worked examples")
THEOREMS = ("theorem", "lemma", "proposition", "corollary")  # "Theorem 2 ... Proof" asks nothing
EXERCISES = re.compile(
    r"""(?x)\b(?:exercises?|problems?|questions?|homework|practice|free\s+response|
    review|self-?check|quiz|connections)\b""",
    re.IGNORECASE,
)
# "Answers to Odd-Numbered Exercises"
KEYS = re.compile(r"\b(?:answers?(?:\s+key)?|solutions?|key)\b(?!\s+of\b)", re.IGNORECASE)
AMID_TEXT = re.compile(r"check\s+your|try\s+it", re.IGNORECASE)  # prose goes on after the answer
# "*Use the following information to answer the next five exercises:* A company ..."
STEM = re.compile(
    r"""(?x)[*_>\s]*(?:use|for|refer\s+to|consider)\s+(?:the\s+)?(?:following|next|this|these)\b
    [^\n]{0,120}?\b(?:answer|next|exercises?|problems?|questions?)\b""",
    re.IGNORECASE,
)
ITEM = re.compile(
    r"""(?x)[ \t]*\*{0,2}(?:
    (?P<plain>\d{1,3}(?:\.\d{1,3}){0,3})(?:[.)]\*{0,2}|\*\*)      # "12. ", "**12.** ", "**2.1** "
    |(?P<dotted>\d{1,2}(?:\.\d{1,3}){1,3})(?=[ \t]+[A-Z$(\\]))     # "2.1 What is a newton?"
    [ \t]+(?=\S)""",
    re.MULTILINE,
)
ITEM_LINE = re.compile(rf"(?x)^(?:{ITEM.pattern[4:]})", re.MULTILINE)
SHORT_KEY = re.compile(r"(?<!\S)(\d{1,3})[.)][ \t]*\(?([A-Ea-e])\)?(?=\s|[,;]|$)")  # "1. B  2. C"
FURNITURE = re.compile(r"\\?\[Figure\b|!\[|\[image\b|Figure: |[-*_]{3,}$|\\newpage")
PLACE_ONLY = re.compile(r"(?:(?:chapter|section|unit|part)\s+)?[\d.]+\W*", re.IGNORECASE)
PLACE = re.compile(r"\b(\d{1,2}(?:\.\d{1,2})*)\b")  # "Chapter 3", "## 3.2 Collisions"
ASKS = re.compile(
    r"""(?x)[?]|(?:^|[.:]\s+)(?:please\s+)?(?:find|solve|compute|calculate|determine|evaluate|show|prove|estimate|
    attempt|approximate|derive|write|verify|sketch)\b""",
    re.IGNORECASE,
)
DATUM = re.compile(r"\d+\.\d+|\d{3,}")  # a number that two texts hardly share by chance
NOT_CARRIED = ("text", "n_tokens", "start", "page_starts", "n_pages", "empty_pages")
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


class Question(NamedTuple):
    block: Block
    start: int
    end: int
    number: str
    place: str  # number of the chapter or section that it stands in
    kind: str
    stem: tuple | None  # span of what it shares with its neighbours
    first: int  # index of the block in which it begins
    stop: int  # index of the first block after it


# ---- a book as labelled pieces ----


def is_plain_heading(block):
    return bool(block.level) and not block.kind


def section_kind(title):
    """ "key", "exercises" or "" for the heading of a section."""
    if KEYS.search(title) and not re.search(r"\bexample|working", title, re.I):
        return "key"
    return "exercises" if EXERCISES.search(title) or AMID_TEXT.search(title) else ""


class Sections:
    """The kind of section the walk is in: a heading below "Answer Key", or a mere "Chapter 2",
    stays in it."""

    def __init__(self):
        self.level, self.kind, self.step = 9, "", 1

    def enter(self, level, title):
        kind = section_kind(title)
        inner = self.kind and (level > self.level or PLACE_ONLY.fullmatch(title))
        if not kind and inner:
            return self.kind
        self.level, self.kind = level, kind
        self.step = 2 if kind == "key" and re.search(r"\bodd\b", title, re.IGNORECASE) else 1
        return kind


def item_marks(text, block, kind):
    """[(start, end of the mark, number), ...] of what looks like numbered items in a block; a key
    may have several on a line."""
    if kind == "part" and len(short := list(SHORT_KEY.finditer(text, block.start, block.end))) > 1:
        return [(m.start(), m.start(2), m[1]) for m in short]
    found = ITEM_LINE.finditer(text, block.start, block.end)
    return [(m.start(), m.end(), m["plain"] or m["dotted"]) for m in found]


def numbered_items(text, block, kind, last, step=1):
    """(the numbered items of one block as labelled blocks, or [block] where it has none; the last
    number). They must count on from `last`."""
    marks, number = [], last
    for mark in item_marks(text, block, kind):
        value = int(mark[2].rsplit(".", 1)[-1])
        if step == 2 and value % 2 == 0:
            continue  # an item of a list within an answer
        if number < value <= number + (6 if kind == "part" else 2):
            marks.append(mark)
            number = value
    if not marks:
        return [block], last
    made = [block._replace(end=marks[0][0])] if text[block.start : marks[0][0]].strip() else []
    ends = [start for start, *_ in marks[1:]] + [block.end]
    for (start, body, printed), end in zip(marks, ends, strict=True):
        stop = start + len(text[start:end].rstrip())
        made.append(Block(start, stop, 0, kind, printed, "item", body))
    return made, number


def number_items(text, section, kind, step):
    """The blocks of a section with its numbered items labelled."""
    made, number = [], 0
    for block in section:
        items = [block]
        if not block.level:
            start = "part" if kind == "key" else "start"
            items, number = numbered_items(text, block, start, number, step)
        made += items
    return made


def label_items(text, blocks):
    """Blocks with the numbered items of exercise and key sections labelled, where those sections
    use no words for labels."""
    made, at, sections = [], 0, Sections()
    while at < len(blocks):
        stop = at + 1
        while stop < len(blocks) and not is_plain_heading(blocks[stop]):
            stop += 1
        section = blocks[at:stop]
        kind = ""
        if is_plain_heading(section[0]):
            title = text[section[0].start : section[0].end].lstrip("# ")
            kind = sections.enter(section[0].level, title)
        words = [block for block in section if block.kind == "start" or block.word in ANSWERS]
        items = number_items(text, section, kind, sections.step) if kind else []
        # a problem and a solution with labels of their own: the numbers within are options
        labelled = {"start", "part"} <= {block.kind for block in words}
        numbered = sum(b.word == "item" for b in items) > len(words)
        made += items if numbered and not labelled else section
        at = stop
    return made


# ---- questions and answers ----


class Reader:
    """Walk over the blocks of a book once; pairs, open questions and answers without a question are
    gathered."""

    def __init__(self, text):
        self.text = text
        self.blocks = label_items(text, find_blocks(text))
        self.pairs, self.open, self.keys = [], [], []
        self.pending = self.stem = None
        self.stem_left = 0
        self.sections, self.section, self.place = Sections(), "", ""

    def words(self, block):
        return self.text[block.start : block.end]

    def read(self):
        at = 0
        while at < len(self.blocks):
            block = self.blocks[at]
            if is_plain_heading(block):
                at = self.heading(at)
            elif block.kind == "start":
                at = self.question(at)
            elif block.kind == "part" and (block.word in ANSWERS or block.word == "item"):
                at = self.answer(at)
            elif STEM.match(self.text, block.start, block.end):
                at = self.shared(at)
            else:
                at += 1
        self.close()
        self.match_keys()
        return sorted(self.pairs, key=lambda pair: pair.start), self.open

    def close(self):
        """The question that is waiting for its answer gets none after this."""
        asked, self.pending = self.pending, None
        if asked and not self.unlabelled(asked) and asked.start < asked.end:
            self.open.append(asked)

    def unlabelled(self, asked):
        """Take an example whose solution bears no label: a first paragraph that asks, then the
        answer. False where it is not of that form."""
        if asked.kind != "example" or asked.stop - asked.first < 2:
            return False
        following = self.blocks[asked.stop] if asked.stop < len(self.blocks) else None
        first = self.blocks[asked.first]
        question = first._replace(start=max(first.start, asked.start))
        words = self.words(question)
        # a long one goes on to the solution
        if not ASKS.search(words) or words.count("$$") > 2 or len(words) > 1500:
            return False
        closed = following is not None and is_plain_heading(following)
        closed = closed and bool(AMID_TEXT.search(self.words(following)))
        if (following and following.kind == "part") or (asked.block.level and not closed):
            return False
        data, last = set(DATUM.findall(words)), asked.first + 1
        while last + 1 < asked.stop and (closed or self.continues(last + 1, data)):
            last += 1
        last = self.without_furniture(asked.first + 1, last)
        answer = (self.blocks[asked.first + 1].start, self.blocks[last].end)
        if not re.search(r"=|\d|\$", self.text[slice(*answer)]):
            return False
        return self.add(asked._replace(end=question.end), answer, "example")

    def heading(self, at):
        title = self.words(self.blocks[at]).lstrip("# ")
        self.close()
        self.section = self.sections.enter(self.blocks[at].level, title)
        if AMID_TEXT.search(title):
            self.section = "amid text"
        if place := PLACE.search(title):
            self.place = place[1]
        self.stem, self.stem_left = None, 0
        return at + 1

    def run_of(self, at):
        """Index of the first block after blocks[at] that is labelled, a heading or a shared
        introduction."""
        stop = at + 1
        while stop < len(self.blocks):
            block = self.blocks[stop]
            if block.kind or block.level or STEM.match(self.text, block.start, block.end):
                break
            stop += 1
        return stop

    def shared(self, at):
        """ "Use the following information to answer the next five exercises": its span goes before
        those questions."""
        stop = self.run_of(at)
        said = re.search(
            r"next\s+(\w+)\s+(?:exercise|problem|question)", self.words(self.blocks[at]), re.I
        )
        self.stem = (self.blocks[at].start, self.blocks[stop - 1].end)
        self.stem_left = SMALL.get(said[1].lower(), 99) if said else 99
        self.close()
        return stop

    def question(self, at):
        block, stop = self.blocks[at], self.run_of(at)
        if block.word in THEOREMS:
            self.close()
            return stop
        first = at + (block.body >= block.end)  # the label stands alone: the question follows
        while first < stop - 1 and self.is_title(self.blocks[first]):
            first += 1
        start = end = block.end
        if first < stop:
            start = block.body if first == at else self.blocks[first].start
            end = self.blocks[stop - 1].end
        is_example, before, stem = block.word in EXAMPLES, self.pending, None
        if before is not None and before.kind == "example" and not is_example:
            # "Example 2. Suppose Nancy has classes ... Problem 2. a. Let X be ..."
            stem, self.pending = (before.start, before.end), None
        elif self.stem and self.stem_left > 0 and not is_example:
            stem = self.stem
            self.stem_left -= 1
        self.close()
        kind = "example" if is_example else "exercise"
        self.pending = Question(
            block, start, end, block.number, self.place, kind, stem, first, stop
        )
        return stop

    def is_title(self, block):
        """ "**Conversion of Pressure Units**" between "Example 1" and its question."""
        return re.fullmatch(r"\*\*[^\n]{3,120}\*\*", self.words(block)) is not None

    def answer(self, at):
        block, stop = self.blocks[at], self.run_of(at)
        span, at_end = self.answer_span(at, stop)
        asked = self.pending
        fits = asked and (not block.number or not asked.number or block.number == asked.number)
        if fits and block.word != "item":
            lead = self.lead_between(asked, at)
            self.add(asked, (lead if lead is not None else span[0], span[1]), asked.kind)
            self.pending = None
        elif block.number:
            self.keys.append((block.number, self.place, span))
        return at_end

    def lead_between(self, asked, at):
        """Where the strategy printed before the solution, blocks[at], begins, or None; it ended the question."""
        leads = (b.start for b in self.blocks[asked.stop : at] if b.word in LEADS)
        return next(leads, None)

    def answer_span(self, at, stop):
        """((start, end) of the answer whose label is blocks[at], index after it)."""
        block = self.blocks[at]
        last, alone = at, block.body >= block.end
        following = self.blocks[stop] if stop < len(self.blocks) else None
        whole = self.is_bounded(block, alone, following)
        asked = self.pending
        data = set(DATUM.findall(self.text[asked.start : asked.end])) if asked else set()
        for j in range(at + 1, stop):
            first_of_it = alone and j == at + 1
            if not whole and not first_of_it and not self.continues(j, data):
                break
            last = j
        last = self.without_furniture(at, last)
        start = self.blocks[at + 1].start if alone and last > at else block.body
        return (start, self.blocks[last].end), stop if whole else last + 1

    def without_furniture(self, first, last):
        """Index of the last block of an answer that is no figure or rule."""
        while last > first and FURNITURE.match(self.words(self.blocks[last])):
            last -= 1
        return last

    def is_bounded(self, block, alone, following):
        """True where the text up to the next label or heading is the answer: no prose of the
        chapter can stand between."""
        if block.word == "item" or self.section in ("exercises", "key"):
            return True
        if following is None:
            return False
        if AMID_TEXT.search(self.words(following)[:60]):  # an example, then "Check Your Learning"
            return True
        return alone and following.kind == "part"

    def continues(self, j, data):
        """True where blocks[j] goes on with the answer: by its form, or since it works with the
        numbers of the question."""
        before, block = self.blocks[j - 1], self.blocks[j]
        return in_example(self.text, before, block) or not data.isdisjoint(
            DATUM.findall(self.words(block))
        )

    # ---- answer keys ----

    def match_keys(self):
        """Give answers printed elsewhere to the open question of their number."""
        left = list(self.open)
        for number, place, span in self.keys:
            asked = self.asked_by(number, place, span[0], left)
            if asked and self.add(asked, span, "key"):
                left.remove(asked)
        self.open = left

    def asked_by(self, number, place, before, questions):
        """The question with a number: in the same section, the same chapter, or the book, where
        only one bears it; None where several do."""
        same = [
            q for q in questions if q.kind == "exercise" and q.number == number and q.end <= before
        ]
        chapter = place.split(".")[0]
        for found in (
            [q for q in same if q.place == place],
            [q for q in same if q.place.split(".")[0] == chapter],
            same,
        ):
            if len(found) == 1:
                return found[0]
        return None

    def add(self, asked, span, kind):
        question = self.text[asked.start : asked.end].strip()
        answer = self.text[slice(*span)].strip()
        if asked.stem:
            question = f"{self.text[slice(*asked.stem)].strip()}\n\n{question}"
        if not re.search(r"\w", question) or not re.search(r"\w", answer):
            return False
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


class Stretch:
    """A document, or chunks of one that follow each other without a gap: their text, and what is
    known of its places."""

    def __init__(self, row):
        self.rows, self.text = [row], row["text"]
        self.start = row.get("start", 0) if "doc_id" in row else 0  # of the text in the document

    def takes(self, row):
        """True where a chunk goes on with the text; what lies between two chunks is white space, a
        few characters of it."""
        here = self.rows[-1]
        if "doc_id" not in row or row["doc_id"] != here.get("doc_id") or "start" not in row:
            return False
        gap = row["start"] - self.start - len(self.text)
        return 0 <= gap < 40

    def add(self, row):
        gap = row["start"] - self.start - len(self.text)
        self.text += ("\n\n" + " " * gap)[:gap] + row["text"]
        self.rows.append(row)

    def row_at(self, at):
        """The row (a document or chunk) that holds a character of the text."""
        if len(self.rows) == 1:
            return self.rows[0]
        return [row for row in self.rows if row["start"] <= self.start + at][-1]

    def pages(self, start, end):
        """[first, last] page of text[start:end], or null."""
        first, last = self.row_at(start), self.row_at(max(end - 1, start))
        if "doc_id" not in first:
            return pdf_text.pages_of(first.get("pages"), start, end)
        starts = [
            [page, row["start"] - self.start + offset]
            for row in self.rows[self.rows.index(first) : self.rows.index(last) + 1]
            for page, offset in row.get("page_starts") or ()
        ]
        if starts:
            return pdf_text.pages_of(starts, start, end)
        return first.get("pages") and [first["pages"][0], last["pages"][1]]


def stretches(rows):
    """Documents, or chunks put together again, one after the other."""
    held = None
    for row in rows:
        if held and held.takes(row):
            held.add(row)
        else:
            if held:
                yield held
            held = Stretch(row)
    if held:
        yield held


def pair_rows(stretch):
    """(rows of the pairs, rows of the questions without an answer) of a stretch."""
    pairs, left = find_pairs(stretch.text)
    return [pair_row(stretch, pair) for pair in pairs], [open_row(stretch, q) for q in left]


def pair_row(stretch, pair):
    """A pair as a row: where it stands is counted in characters of the document."""
    row, base = stretch.row_at(pair.start), stretch.start
    carried = {k: v for k, v in row.items() if k not in NOT_CARRIED}
    answer = [base + pair.answer_start, base + pair.answer_end]
    return {
        **carried,
        "id": f"qa-{r.text_hash(row['id'], 'worked', pair.question, pair.answer, str(answer))}",
        "question": pair.question,
        "answer": pair.answer,
        "subject": row.get("subject"),
        "source_id": row["id"],
        "pages": stretch.pages(pair.start, pair.end),
        "source": row.get("source"),
        "license": row.get("license"),
        "standard": standard_of(pair.answer),
        "method": "worked",
        "generator": [],
        "label": pair.label,
        "question_span": [base + pair.start, base + pair.end],
        "grounded": True,
        "proof": {
            "start": answer[0],
            "end": answer[1],
            "pages": stretch.pages(pair.answer_start, pair.answer_end),
            "by": "verbatim",
        },
    }


def open_row(stretch, asked):
    row, base = stretch.row_at(asked.start), stretch.start
    return {
        "id": f"{row['id']}-{base + asked.start}",
        "source_id": row["id"],
        "source": row.get("source"),
        "pages": stretch.pages(asked.start, asked.end),
        "question": stretch.text[asked.start : asked.end].strip(),
        "question_span": [base + asked.start, base + asked.end],
    }
