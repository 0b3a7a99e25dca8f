"""Text of a book from the lines of its pages (used by digitize_pdfs.py and chunk_documents.py; no
command of its own).

Running headers, footers and page numbers go, words cut at line ends are mended, lines become
paragraphs, footnotes step back before a paragraph that goes on overleaf, and the character offset
at which every page starts is kept.
"""

import bisect
import collections
import itertools
import re
import statistics
from dataclasses import dataclass

from pdf.page import HYPHEN

BULLET = re.compile(r"[•‣◦⁃∙▪■●○►] ?\S")
# begins an item only where the line before came to an end
ITEM = re.compile(r"(?:[–—*-]|\(?(?:\d{1,2}|[a-z]|[ivx]{1,4})[.)]|\[\d{1,3}\]) ")
ENDED = re.compile(r"[.!?:;]['”\")\]]*$")
# a heading
NUMBERED = re.compile(
    r"(?:(?:Chapter|Section|Appendix|Part|Lecture|Unit)\s+[\dIVXA-Z]+\b|\d+(?:\.\d+){1,3}\.?\s+[A-Z])[^.!?;]{0,80}$"
)
# "12", "- 12 -", "Page 12", "xii"; "Chapter 2: Forces  31", "32  Forces"
PAGE_NUMBER = re.compile(r"(?i)\W*(?:page\s+)?(\d{1,4}|[ivxlc]{1,7})(?:\s*(?:of|/)\s*\d+)?\W*")
OUTER_NUMBER = re.compile(r"(\d{1,4})\s+\D.{2,100}$|\D.{2,100}?\s(\d{1,4})$")
ROMAN = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


# ---- running headers, footers, page numbers ----


def without_running_lines(pages):
    """The lines of each page without running headers, footers and page numbers: of the two
    outermost lines at either end of a page, never its last line.

    Words count as running where the same words, numbers aside, stand at the same height on two of
    the eight pages before and after (left and right pages differ, chapters change), or where they
    begin or end with a page number; in both cases white space parts them from the body. A page
    number is one whose sequence the pages around carry on.
    """
    white = 1.3 * usual_step(pages, 0)
    drop = [set() for _ in pages]
    for sign in (1, -1):
        ordered = [sorted(lines, key=lambda line: sign * line.base) for lines in pages]
        for n, lines in enumerate(ordered):
            around = {m: ordered[m][:2] for m in range(max(n - 8, 0), n + 9) if m < len(pages)}
            del around[n]
            drop[n].update(running_at_edge(n, lines[:3], around, white))
    return [[x for x in lines if x not in gone] for lines, gone in zip(pages, drop, strict=True)]


def running_at_edge(number, lines, around, white):
    """The first of a page's outermost lines, as far as they run on over the pages around: {page:
    outermost lines}."""
    enough = min(2, max(len(around), 1))  # one page, in a paper of two
    count, numbered = 0, False  # a page has one number: "1", and below it "1 Introduction"
    for at, (line, inner) in enumerate(itertools.pairwise(lines), 1):
        follows = not numbered and follows_sequence(number, line, around) >= enough
        if not follows and repeats(line, around) < enough:
            break
        numbered = numbered or follows
        if PAGE_NUMBER.fullmatch(line.text) or abs(inner.base - line.base) >= white:
            count = at
    return lines[:count]


def usual_step(pages, otherwise):
    """Median distance of the baselines of neighbouring lines."""
    pairs = (pair for lines in pages for pair in itertools.pairwise(lines))
    steps = [b.base - a.base for a, b in pairs if 0 < b.base - a.base < 60]
    return statistics.median(steps) if steps else otherwise


def line_key(text):
    """Words of a line without numbers, in lower case."""
    words = re.sub(r"[\W\d_]+", " ", text[:150].lower())
    return re.sub(r"\b[ivxlc]+\b", "", words).strip()


def repeats(line, around):
    """Number of the pages around with the line's words at its height."""
    key = line_key(line.text)
    same = (
        any(abs(x.top - line.top) < 8 and line_key(x.text) == key for x in edge)
        for edge in around.values()
    )
    return sum(same) if len(key) >= 3 else 0


def follows_sequence(number, line, around):
    """Number of the pages around that bear the page number which goes with the line's."""
    value = page_number(line.text)
    if value is None:
        return 0
    return sum(
        any(page_number(other.text) == value + page - number for other in edge)
        for page, edge in around.items()
    )


def page_number(text):
    """Number that a line is, begins or ends with, else None."""
    match = PAGE_NUMBER.fullmatch(text) or OUTER_NUMBER.match(text)
    if not match:
        return None
    number = next(filter(None, match.groups())).lower()
    if number.isdigit():
        return int(number)
    values = [ROMAN[letter] for letter in number]
    return sum(-a if a < b else a for a, b in itertools.pairwise([*values, 0]))


# ---- words and paragraphs ----


def mend_hyphen(first, second, known):
    """Join a word cut by a hyphen at a line end: as the book writes it elsewhere, else without the
    hyphen."""
    head = re.search(r"[\w’'-]*$", first)[0]
    tail = re.match(r"[\w’'-]*", second)[0]
    if not head or not tail:
        return f"{first}-{second}"
    joined, hyphened = known[(head + tail).lower()], known[f"{head}-{tail}".lower()]
    # "control-C", "UTF-8", "3-component", "--no-site-file"
    compound = tail[0].isupper() or tail[0].isdigit() or re.search(r"-|\d$", head)
    keep = hyphened > joined or (compound and not joined)
    return f"{first}{'-' if keep else ''}{second}"


def vocabulary(pages):
    """How often the book writes each word, compounds with their hyphen."""
    known = collections.Counter()
    for lines in pages:
        for line in lines:
            known.update(re.findall(r"\w[\w’'-]*(?!\w*\x02)", line.text.lower()))
    return known


def join_lines(first, second, known):
    """Text of two lines of a paragraph as one."""
    if first.endswith(HYPHEN) or (re.search(r"\w-$", first) and second[:1].isalnum()):
        return mend_hyphen(first[:-1], second, known)
    return f"{first} {second}"


class Book:
    """What the pages have in common: size of the body text, usual distance of lines, words."""

    def __init__(self, pages):
        sizes = collections.Counter()
        for line in itertools.chain(*pages):
            sizes[line.sizes[:1]] += len(line.text)
        self.size = (sizes.most_common(1)[0][0] or (0,))[0] if sizes else 0
        self.step = usual_step(pages, 12)
        self.known = vocabulary(pages)

    def is_heading(self, line):
        """A short line in letters clearly larger than the body's, or bold and without the end of a
        sentence."""
        text = line.text
        if not line.sizes or line.kept or not re.match(r"(?=.*[^\W\d_]{3})\w.{0,119}$", text):
            return False
        if line.sizes[0] > 1.13 * self.size:
            return True
        alone = len(text) < 80 and text[-1] not in ".,;:?!)" + HYPHEN and not text[0].islower()
        return line.bold and alone and line.sizes[0] > 0.95 * self.size


@dataclass
class Paragraph:
    kind: str  # "text", "heading" or "kept" (code and table rows, a line a line)
    text: str
    size: float = 0  # height of its letters

    def is_unfinished(self):
        return self.kind == "text" and not ENDED.search(self.text)


def starts_paragraph(before, line, lines, book):
    """True where a line of text does not go on with the one before it (on one page)."""
    ended = bool(ENDED.search(before.text))
    mid_sentence = not ended and line.text[:1].islower()
    if line.top < before.top - 1:  # next column
        return not mid_sentence
    if BULLET.match(line.text) or (ended and ITEM.match(line.text)):
        return True
    # a tall formula may push lines apart; OCR's boxes are rough
    white = 1.6 if mid_sentence else 1.28 if line.sizes else 1.45
    step = max(book.step, 0.8 * (before.bottom - before.top))
    if line.base - before.base > white * step or other_letters(before, line):
        return True
    return not before.text.endswith(HYPHEN) and margins_part(before, line, lines, ended)


def other_letters(before, line):
    """True where two lines, the second of several words, have no letter height in common."""
    pairs = list(itertools.product(before.sizes, line.sizes))
    alike = any(abs(a - b) < 0.04 * a for a, b in pairs)
    return bool(pairs) and not alike and " " in line.text


def margins_part(before, line, lines, ended):
    """True where the left and right ends of two lines say that a paragraph ends between them."""
    em = before.bottom - before.top

    def shares_margin(other):
        starts_there = min(abs(other.x0 - before.x0), abs(other.x0 - line.x0)) < 0.5 * em
        return starts_there and other.x1 > before.x0

    block = list(filter(shares_margin, lines))
    left, right = min(other.x0 for other in block), max(other.x1 for other in block)
    word = (line.x1 - line.x0) * len(line.text.split(" ")[0]) / len(line.text)
    room = right - before.x1
    indented = line.x0 - left > 0.8 * em and before.x0 - left < 0.5 * em
    # the line before ended early where the next word would have found room in it
    if room > word + 1.2 * em and (ended or indented or room > 0.25 * (right - left)):
        return True
    return ended and indented  # without an end it is a hanging indent


def joined(kind, text, before, line, lines, book):
    """Text of a paragraph and the next line of its kind, None where that begins another."""
    if kind == "kept":
        near = 0 < line.base - before.base < 1.8 * book.step
        return f"{text}\n{line.text}" if near else None
    if kind == "heading":
        goes_on = line.sizes == before.sizes and line.top - before.bottom < line.sizes[0]
        return f"{text} {line.text}" if goes_on else None
    new = starts_paragraph(before, line, lines, book)
    return None if new else join_lines(text, line.text, book.known)


def page_paragraphs(lines, book):
    """Paragraphs of one page."""
    made, before = [], None
    for line in lines:
        kind = "kept" if line.kept else "heading" if book.is_heading(line) else "text"
        whole = None
        if made and made[-1].kind == kind:
            whole = joined(kind, made[-1].text, before, line, lines, book)
        if whole is None:
            made.append(Paragraph(kind, line.text, line.sizes[0] if line.sizes else 0))
        else:
            made[-1].text = whole
        before = line
    for paragraph in made:
        if paragraph.kind == "text" and NUMBERED.match(paragraph.text):
            paragraph.kind = "heading"
    return footnotes_first(made, book)


def footnotes_first(paragraphs, book):
    """Paragraphs of a page with its footnotes before a last paragraph that goes on overleaf, so
    that its halves meet."""

    def is_note(paragraph):
        return paragraph.kind == "text" and paragraph.size <= 0.93 * book.size

    body = len(paragraphs) - 1
    while body > 0 and is_note(paragraphs[body]):
        body -= 1
    # a first paragraph stays the first: the page before may end in its beginning
    last = paragraphs[body] if body > 0 else None
    if not last or not last.is_unfinished():
        return paragraphs
    return [*paragraphs[:body], *paragraphs[body + 1 :], last]


# ---- the book ----


def assemble(pages):
    """Text of a book from the lines of its pages.

    pages    list of (page number from 1, list of Line, or a string where a model already wrote the
             page as Markdown)
    Returns (text, offsets): paragraphs parted by an empty line, headings marked "## ", and [[page
    number, character offset where it starts], ...]. A paragraph that runs over a page end is one
    paragraph; its second page starts inside it.
    """
    kept = without_running_lines([[] if isinstance(page, str) else page for _, page in pages])
    book = Book(kept)
    made, starts = [], []
    for (number, page), lines in zip(pages, kept, strict=True):
        if isinstance(page, str):
            paragraphs = [Paragraph("text", page.strip())] if page.strip() else []
        else:
            paragraphs = page_paragraphs(lines, book)
        starts.append((number, *add_page(made, paragraphs, book)))
    parts = [f"## {p.text}" if p.kind == "heading" else p.text for p in made]
    # marks of hyphens and control characters that are left; every character stays one character
    text = CONTROL.sub(lambda m: "-" if m[0] == HYPHEN else " ", "\n\n".join(parts))
    at = [0, *itertools.accumulate(len(part) + 2 for part in parts)]
    return text, [[number, min(at[n] + inside, len(text))] for number, n, inside in starts]


def add_page(made, paragraphs, book):
    """Add the paragraphs of a page to those `made` before it; returns the index of the paragraph in
    which the page starts, and the character of it."""
    if not made or not paragraphs or not runs_over(made[-1], paragraphs[0]):
        made += paragraphs
        return len(made) - len(paragraphs), 0
    last, first = made[-1], paragraphs[0]
    last.text = join_lines(last.text, first.text, book.known)
    made += paragraphs[1:]
    return len(made) - len(paragraphs), len(last.text) - len(first.text)


def runs_over(last, first):
    """True where a paragraph goes on with the first one of the next page."""
    goes_on = last.text.endswith(HYPHEN) or first.text[:1].islower()
    return last.is_unfinished() and first.kind == "text" and goes_on


def pages_of(offsets, start, end):
    """[first, last] page of the characters start..end of a document, None where it has no pages."""
    if not offsets:
        return None
    starts = [offset for _, offset in offsets]
    first = max(bisect.bisect_right(starts, start) - 1, 0)
    last = max(bisect.bisect_left(starts, max(end, start + 1)) - 1, first)
    return [offsets[first][0], offsets[last][0]]
