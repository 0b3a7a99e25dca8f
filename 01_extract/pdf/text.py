"""Text of a book from the lines of its pages (used by digitize_pdfs.py and chunk_documents.py; no command of its own).

Running headers, footers and page numbers go, words cut at line ends are mended, lines become paragraphs, footnotes step back before a paragraph
that goes on overleaf, and the character offset at which every page starts is kept.
"""

import bisect
import collections
import itertools
import re
import statistics

from pdf.page import HYPHEN

BULLET = re.compile(r"[•‣◦⁃∙▪■●○►] ?\S")
# begins an item only where the line before came to an end
ITEM = re.compile(r"(?:[–—*-]|\(?(?:\d{1,2}|[a-z]|[ivx]{1,4})[.)]|\[\d{1,3}\]) ")
ENDED = re.compile(r"[.!?:;]['”\")\]]*$")
# a heading
NUMBERED = re.compile(
    r"(?:(?:Chapter|Section|Appendix|Part|Lecture|Unit)\s+[\dIVXA-Z]+\b|\d+(?:\.\d+){1,3}\.?\s+[A-Z])[^.!?;]{0,80}$"
)
PAGE_NUMBER = re.compile(
    r"\W*(?:page\s+)?(\d{1,4}|[ivxlc]{1,7})(?:\s*(?:of|/)\s*\d+)?\W*", re.IGNORECASE
)
OUTER_NUMBER = re.compile(r"(\d{1,4})\s+\D.{2,100}$|\D.{2,100}?\s(\d{1,4})$")
ROMAN = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


# ---- running headers, footers, page numbers ----


def running_lines(pages):
    """Set of (page index, line index) of running headers, footers and page numbers among the two
    outermost lines at either end of a page; the last line of a page is never taken.

    Words count as running where the same words, numbers aside, stand at the same height on two of
    the eight pages before and after (left and right pages differ, chapters change), or where they
    begin or end with a page number; in both cases white space parts them from the body. A page
    number is one whose sequence the pages around carry on.
    """
    white = 1.3 * usual_step(pages, 0)
    found = set()
    for sign in (1, -1):
        orders = [sorted(range(len(lines)), key=lambda i: sign * lines[i].base) for lines in pages]
        edges = [[lines[i] for i in order[:2]] for lines, order in zip(pages, orders, strict=True)]
        for n, order in enumerate(orders):
            around = {m: edges[m] for m in range(max(n - 8, 0), min(n + 9, len(pages))) if m != n}
            lines = [pages[n][i] for i in order[:3]]
            found |= {(n, i) for i in order[: running_at_edge(n, lines, around, white)]}
    return found


def running_at_edge(number, lines, around, white):
    """How many of a page's outermost lines run on over the pages around: {page: outermost lines}."""
    count = 0
    for at, (line, inner) in enumerate(itertools.pairwise(lines), 1):
        if follows_sequence(number, line, around, page_number):
            count = at
        elif not repeats(line, around) and not follows_sequence(number, line, around, outer_number):
            break
        elif abs(inner.base - line.base) >= white:
            count = at
    return count


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
    """True where the line's words stand at its height on two pages around."""
    key = line_key(line.text)
    same = [
        any(abs(other.top - line.top) < 8 and line_key(other.text) == key for other in edge)
        for edge in around.values()
    ]
    return len(key) >= 3 and sum(same) >= min(2, max(len(same), 1))


def follows_sequence(number, line, around, value_of):
    """True where the line bears a page number: two pages around (one, in a paper of two pages) bear
    the number that goes with it."""
    value = value_of(line.text)
    if value is None:
        return False
    right = sum(
        any(value_of(other.text) == value + page - number for other in edge)
        for page, edge in around.items()
    )
    return right >= min(2, max(len(around), 1))


def outer_number(text):
    """Number that a line with words begins or ends with, else None: "Chapter 2: Forces  31", "32  Forces"."""
    match = OUTER_NUMBER.match(text)
    return int(match[1] or match[2]) if match else None


def page_number(text):
    """Value of a line that is a page number only (12, - 12 -, Page 12, xii), else None."""
    match = PAGE_NUMBER.fullmatch(text.strip())
    if not match:
        return None
    if match[1].isdigit():
        return int(match[1])
    values = [ROMAN[letter] for letter in match[1].lower()]
    return sum(-a if a < b else a for a, b in zip(values, [*values[1:], 0], strict=True))


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


def starts_paragraph(before, line, lines, book):
    """True where a line does not go on with the paragraph of the line before it (on one page)."""
    if before.kept or line.kept or book.is_heading(before) or book.is_heading(line):
        return True
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


def page_paragraphs(lines, book):
    """Paragraphs of one page as [kind, text, letter height]; kind is "text", "heading" or "kept"
    (code and table rows, a line a line)."""
    made, before = [], None
    for line in lines:
        kind = "kept" if line.kept else "heading" if book.is_heading(line) else "text"
        last = made[-1] if made else [None]
        if kind == last[0] == "kept" and 0 < line.base - before.base < 1.8 * book.step:
            last[1] += "\n" + line.text
        elif kind == last[0] == "heading" and goes_on(before, line):
            last[1] += " " + line.text
        elif made and not starts_paragraph(before, line, lines, book):
            last[1] = join_lines(last[1], line.text, book.known)
        else:
            made.append([kind, line.text, line.sizes[0] if line.sizes else 0])
        before = line
    for paragraph in made:
        if paragraph[0] == "text" and NUMBERED.match(paragraph[1]):
            paragraph[0] = "heading"
    return made


def goes_on(before, line):
    """True where a heading of two lines goes on."""
    return line.sizes == before.sizes and line.top - before.bottom < line.sizes[0]


def is_unfinished(kind, text):
    return kind == "text" and not ENDED.search(text)


def footnotes_first(paragraphs, book):
    """Paragraphs of a page with its footnotes before a last paragraph that goes on overleaf, so
    that its halves meet."""
    at = len(paragraphs)
    while at and paragraphs[at - 1][0] == "text" and paragraphs[at - 1][2] <= 0.93 * book.size:
        at -= 1
    # a first paragraph stays the first: the page before may end in its beginning
    body = at - 1
    if body < 1 or paragraphs[body][2] <= 0.95 * book.size:
        return paragraphs
    if not is_unfinished(*paragraphs[body][:2]):
        return paragraphs
    return [*paragraphs[:body], *paragraphs[at:], paragraphs[body]]


# ---- the book ----


def assemble(pages):
    """Text of a book from the lines of its pages.

    pages    list of (page number from 1, list of Line, or a string where a model already wrote the page as Markdown)
    Returns (text, offsets): paragraphs parted by an empty line, headings marked "## ", and [[page
    number, character offset where it starts], ...]. A paragraph that runs over a page end is one
    paragraph; its second page starts inside it.
    """
    lined = [[] if isinstance(given, str) else given for _, given in pages]
    drop = running_lines(lined)
    kept = [
        [line for i, line in enumerate(lines) if (number, i) not in drop]
        for number, lines in enumerate(lined)
    ]
    book = Book(kept)
    parts, starts, unfinished = [], [], False
    for (number, given), lines in zip(pages, kept, strict=True):
        paragraphs = paragraphs_on(given, lines, book)
        if unfinished and paragraphs and runs_over(parts[-1], *paragraphs[0][:2]):
            _, text, _ = paragraphs.pop(0)
            parts[-1] = join_lines(parts[-1], text, book.known)
            starts.append((number, len(parts) - 1, len(parts[-1]) - len(text)))
            unfinished = is_unfinished("text", text)
        else:
            starts.append((number, len(parts), 0))
        for kind, text, _ in paragraphs:
            parts.append(f"## {text}" if kind == "heading" else text)
            unfinished = is_unfinished(kind, text)
    # marks of hyphens and control characters that are left; every character stays one character
    text = CONTROL.sub(lambda m: "-" if m[0] == HYPHEN else " ", "\n\n".join(parts))
    at = [0, *itertools.accumulate(len(part) + 2 for part in parts)]
    return text, [[number, min(at[n] + inside, len(text))] for number, n, inside in starts]


def paragraphs_on(given, lines, book):
    """[kind, text, letter height] of the paragraphs of one page."""
    if isinstance(given, str):
        return [["text", given.strip(), 0]] if given.strip() else []
    return footnotes_first(page_paragraphs(lines, book), book)


def runs_over(last, kind, text):
    """True where an unfinished paragraph goes on with the first one of the next page."""
    return kind == "text" and (last.endswith(HYPHEN) or text[:1].islower())


def pages_of(offsets, start, end):
    """[first, last] page of the characters start..end of a document, None where it has no pages."""
    if not offsets:
        return None
    starts = [offset for _, offset in offsets]
    first = max(bisect.bisect_right(starts, start) - 1, 0)
    last = max(bisect.bisect_left(starts, max(end, start + 1)) - 1, first)
    return [offsets[first][0], offsets[last][0]]
