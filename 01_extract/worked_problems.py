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
# "Q. Is work a vector?" and, on the next line or after an empty one, "A. No, ..."
QUESTION_ANSWER = re.compile(
    r"(?m)^(\*{0,2}Q[.:]\*{0,2})[ \t]+\S[^\n]*(?:\n[^\n]+){0,12}?\n{1,2}(\*{0,2}A[.:]\*{0,2})[ \t]+(?=\S)"
)
QUOTE = re.compile(r"^(?:[ \t]*>)+", re.MULTILINE)
SUMMARY = re.compile(r"(?i)<summary>\W*(\w+)[^<\n]*</summary>")  # of a fold: "Solution"
FOLD = re.compile(r"(?i)</?details[^>\n]*>")
DIRECTIVE = (
    re.compile(  # of MyST, as Jupyter books have it: "```{exercise} Spring", ":label: ex-spring"
        r"(?m)^(`{3,}|:{3,})\{(exercise|problem|question|example|solution|answer|proof)\}[^\n]*"
        r"((?:\n[ \t]*:\w+:[^\n]*)*)\n((?:(?!\1[ \t]*$)[^\n]*\n){0,200})\1[ \t]*$"
    )
)
SHORT_KEY = re.compile(r"(?<!\S)(\d{1,3})[.)][ \t]*\(?([A-Ea-e])\)?(?=\s|[,;]|$)")  # "1. B  2. C"
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


class Sections:
    """The kind of section the walk is in, "key", "exercises" or "": a heading below "Answer Key", or
    a mere "Chapter 2", stays in it."""

    def __init__(self):
        self.level, self.kind, self.step = 9, "", 1

    def enter(self, level, title):
        kind = "key" if KEYS.search(title) else "exercises" if EXERCISES.search(title) else ""
        inner = self.kind and (level > self.level or PLACE_ONLY.fullmatch(title))
        if kind or not inner:
            self.level, self.kind = level, kind
            self.step = 2 if kind == "key" and re.search(r"\bodd\b", title, re.IGNORECASE) else 1
        return self.kind


def item_marks(text, block, kind):
    """[(start, end of the mark, number), ...] of what looks like numbered items in a block; a key
    may have several on a line."""
    short = list(SHORT_KEY.finditer(text, block.start, block.end)) if kind == "part" else []
    if len(short) > 1:
        return [(m.start(), m.start(2), m[1]) for m in short]
    return [(m.start(), m.end(), m[1]) for m in ITEM.finditer(text, block.start, block.end)]


def numbered_items(text, block, kind, last, step):
    """(the numbered items of one block as labelled blocks, or [block] where it has none; the last
    number). They must count on from `last`; a key to odd numbers has even ones in lists only."""
    marks = []
    for mark in item_marks(text, block, kind):
        value = int(mark[2].rsplit(".", 1)[-1])
        skipped = step == 2 and value % 2 == 0
        if not skipped and last < value <= last + (6 if kind == "part" else 2):
            marks.append(mark)
            last = value
    if not marks:
        return [block], last
    made = [block._replace(end=marks[0][0])] if text[block.start : marks[0][0]].strip() else []
    ends = [start for start, *_ in marks[1:]] + [block.end]
    for (start, body, printed), end in zip(marks, ends, strict=True):
        stop = start + len(text[start:end].rstrip())
        made.append(Block(start, stop, 0, kind, printed, "item", body))
    return made, last


def number_items(text, section, kind, step):
    """The blocks of a section with its numbered items labelled, where it uses no words for labels."""
    made, number = [], 0
    for block in section:
        items = [block]
        if not block.level:
            start = "part" if kind == "key" else "start"
            items, number = numbered_items(text, block, start, number, step)
        made += items
    words = [block for block in section if block.kind == "start" or block.word in ANSWERS]
    # a problem and a solution with labels of their own: the numbers within are options
    labelled = {"start", "part"} <= {block.kind for block in words}
    numbered = sum(block.word == "item" for block in made) > len(words)
    return made if numbered and not labelled else section


def label_items(text, blocks):
    """Blocks with the numbered items of exercise and key sections labelled."""
    made, section, sections = [], [], Sections()
    for block in [*blocks, None]:
        if section and (block is None or is_plain_heading(block)):
            made += (
                number_items(text, section, sections.kind, sections.step)
                if sections.kind
                else section
            )
            section = []
        if block is not None:
            section.append(block)
            if is_plain_heading(block):
                sections.enter(block.level, text[block.start : block.end].lstrip("# "))
    return made


# ---- labels of other markup ----


def blank(text):
    return re.sub(r"[^\n]", " ", text)


def as_label(markup, word):
    """A label as long as the markup that says the same."""
    return f"**{word.capitalize()}**".ljust(len(markup))


def plain_directive(match):
    """Its opening line as a label, its options and its closing line blank, its body as it is."""
    opening = match[0].split("\n", 1)[0]
    body = slice(match.start(4) - match.start(), match.end(4) - match.start())
    options = blank(match[0][len(opening) : body.start])
    return as_label(opening, match[2]) + options + match[4] + blank(match[0][body.stop :])


def plain_labels(text):
    """The text, every character in its place, with the labels of quotes, folds and directives as
    bold words: "> **Example.**", "<summary>Solution</summary>", "```{exercise}"."""
    text = QUOTE.sub(lambda match: blank(match[0]), text)
    text = SUMMARY.sub(lambda match: as_label(match[0], match[1]), text)
    text = FOLD.sub(lambda match: blank(match[0]), text)
    return DIRECTIVE.sub(plain_directive, text)


def label_letters(text, blocks):
    """Blocks with "Q. ..." and the "A. ..." below it as a question and its answer."""
    labels = []
    for match in QUESTION_ANSWER.finditer(text):
        labels.append((match.start(1), "start", "question", match.end(1)))
        labels.append((match.start(2), "part", "answer", match.end(2)))
    labels.reverse()
    made = []
    for block in blocks:
        made.append(block)
        while labels and labels[-1][0] < block.end:
            start, kind, word, body = labels.pop()
            made[-1] = made[-1]._replace(end=start)
            made.append(Block(start, block.end, 0, kind, "", word, body))
    return [block for block in made if block.start < block.end]


# ---- questions and answers ----


class Reader:
    """Walk over the blocks of a book once; pairs, open questions and answers without a question are
    gathered."""

    def __init__(self, text):
        self.text = text = plain_labels(text)
        self.blocks = label_items(text, label_letters(text, find_blocks(text)))
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
        first = self.blocks[asked.first]
        question = first._replace(start=max(first.start, asked.start))
        words = self.words(question)
        # one with several formulas goes on to the solution
        if not ASKS.search(words) or words.count("$$") > 2:
            return False
        following = self.blocks[asked.stop] if asked.stop < len(self.blocks) else None
        closed = following is not None and is_plain_heading(following)
        closed = closed and bool(AMID_TEXT.search(self.words(following)))
        if asked.block.level and not closed:
            return False
        data, last = set(DATUM.findall(words)), asked.first + 1
        while last + 1 < asked.stop and (closed or self.continues(last + 1, data)):
            last += 1
        last = self.without_furniture(asked.first + 1, last)
        answer = (self.blocks[asked.first + 1].start, self.blocks[last].end)
        return self.add(asked._replace(end=question.end), answer, "example")

    def heading(self, at):
        title = self.words(self.blocks[at]).lstrip("# ")
        self.close()
        self.section = self.sections.enter(self.blocks[at].level, title)
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
        count = STEM_COUNT.search(self.words(self.blocks[at]))
        self.stem = (self.blocks[at].start, self.blocks[stop - 1].end)
        self.stem_left = SMALL.get(count[1].lower(), 99) if count else 99
        self.close()
        return stop

    def question(self, at):
        block, stop = self.blocks[at], self.run_of(at)
        if block.word in THEOREMS:
            self.close()
            return stop
        first = at + (block.body >= block.end)  # the label stands alone: the question follows
        while first < stop - 1 and TITLE.fullmatch(self.words(self.blocks[first])):
            first += 1
        start = end = block.end
        if first < stop:
            start = block.body if first == at else self.blocks[first].start
            end = self.blocks[stop - 1].end
        kind = "example" if block.word in EXAMPLES else "exercise"
        stem = self.take_stem() if kind == "exercise" else None
        self.close()
        self.pending = Question(
            block, start, end, block.number, self.place, kind, stem, first, stop
        )
        return stop

    def take_stem(self):
        """Span of what an exercise shares with its neighbours, or None."""
        before = self.pending
        if before is not None and before.kind == "example":
            # "Example 2. Suppose Nancy has classes ... Problem 2. a. Let X be ..."
            self.pending = None
            return before.start, before.end
        self.stem_left -= 1
        return self.stem if self.stem_left >= 0 else None

    def answer(self, at):
        block, stop = self.blocks[at], self.run_of(at)
        span, stop = self.answer_span(at, stop)
        asked = self.pending
        fits = asked and (not block.number or not asked.number or block.number == asked.number)
        if fits and block.word != "item":
            # the strategy printed before the solution, which ended the question
            leads = (b.start for b in self.blocks[asked.stop : at] if b.word in LEADS)
            self.add(asked, (next(leads, span[0]), span[1]), asked.kind)
            self.pending = None
        elif block.number:
            self.keys.append((block.number, self.place, span))
        return stop

    def answer_span(self, at, stop):
        """((start, end) of the answer whose label is blocks[at], index after it)."""
        block, asked = self.blocks[at], self.pending
        alone = block.body >= block.end
        whole = self.is_bounded(block, alone, stop)
        data = set(DATUM.findall(self.text[asked.start : asked.end])) if asked else set()
        last = at + 1 if alone and at + 1 < stop else at
        start = self.blocks[last].start if last > at else block.body
        while last + 1 < stop and (whole or self.continues(last + 1, data)):
            last += 1
        end = self.blocks[self.without_furniture(at, last)].end
        return (start, end), stop if whole else last + 1

    def without_furniture(self, first, last):
        """Index of the last block of an answer that is no figure or rule."""
        while last > first and FURNITURE.match(self.words(self.blocks[last])):
            last -= 1
        return last

    def is_bounded(self, block, alone, stop):
        """True where the text up to the next label or heading is the answer: no prose of the
        chapter can stand between."""
        if block.word == "item" or self.section in ("exercises", "key"):
            return True
        if stop == len(self.blocks):
            return False
        following = self.blocks[stop]
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
        same = [q for q in questions if q.kind == "exercise" and q.number == number]
        same = [q for q in same if q.end <= before]
        here = [q for q in same if q.place == place]
        chapter = [q for q in same if q.place.split(".")[0] == place.split(".")[0]]
        return next((found[0] for found in (here, chapter, same) if len(found) == 1), None)

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
        **carried,
        "id": f"qa-{r.text_hash(row['id'], 'worked', pair.question, pair.answer, str(answer))}",
        "question": pair.question,
        "answer": pair.answer,
        "subject": row.get("subject"),
        "source_id": row["id"],
        "pages": pages_in(row, pair.start, pair.end),
        "source": row.get("source"),
        "license": row.get("license"),
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
