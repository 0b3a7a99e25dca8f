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


# ---- running headers, footers, page numbers ----


def running_lines(pages):
    """Set of (page index, line index) of running headers, footers and page numbers among the two
    outermost lines at either end of a page.

    Words count as running where the same words, numbers aside, stand at the same height on at least
    two of the eight pages before and after (left and right pages differ, chapters change), or where
    they begin or end with a page number; in both cases white space parts them from the body, and
    the page has at least five lines. A page number is one whose sequence the pages around carry on.
    The last line of a page is never taken.
    """
    white = 1.3 * usual_step(pages, 0)
    found = set()
    for sign in (1, -1):
        orders = [sorted(range(len(lines)), key=lambda i: sign * lines[i].base) for lines in pages]
        ordered = [[lines[i] for i in order] for lines, order in zip(pages, orders, strict=True)]
        edges = [[(line_key(line.text), line) for line in lines[:2]] for lines in ordered]
        inner = [{line_key(line.text) for line in lines[2:-2]} for lines in ordered]
        for n, lines in enumerate(ordered):
            near = [m for m in range(max(n - 8, 0), min(n + 9, len(pages))) if m != n]
            count = running_at_edge(n, lines, edges, inner, near, white)
            found |= {(n, i) for i in orders[n][:count]}
    return found


def running_at_edge(n, lines, edges, inner, near, white):
    """How many lines of a page, counted from its edge, run on over the pages `near`."""
    count = 0  # lines that run on; words only where white space follows
    for at, (key, line) in enumerate(edges[n][: len(lines) - 1]):
        if follows_sequence(n, line, edges, near, page_number):
            count = at + 1
        elif len(lines) < 5 or not (
            repeats(key, line, edges, inner, near)
            or follows_sequence(n, line, edges, near, outer_number)
        ):
            break
        elif abs(lines[at + 1].base - line.base) >= white:
            count = at + 1
    return count


def usual_step(pages, otherwise):
    """Median distance of the baselines of neighbouring lines."""
    pairs = (pair for lines in pages for pair in itertools.pairwise(lines))
    steps = [b.base - a.base for a, b in pairs if 0 < b.base - a.base < 60]
    return statistics.median(steps) if steps else otherwise


def line_key(text):
    """Words of a line without numbers, in lower case."""
    words = re.sub(r"[\W\d_]+", " ", text.lower())
    return "" if len(text) > 150 else re.sub(r"\b[ivxlc]+\b", "", words).strip()


def repeats(key, line, edge, inner, near):
    """True where the line's words stand at its height at the edge of two pages around, and not in
    the body of any."""
    if len(key) < 3 or any(key in inner[m] for m in near):
        return False
    return sum(
        any(other == key and abs(there.top - line.top) < 8 for other, there in edge[m])
        for m in near
    ) >= min(2, max(len(near), 1))


def follows_sequence(number, line, edge, near, value_of):
    """True where the line bears a page number: two pages around (one, in a paper of two pages) bear
    the number that goes with it."""
    value = value_of(line.text)
    if value is None:
        return False
    right = sum(
        any(value_of(there.text) == value + m - number for _, there in edge[m]) for m in near
    )
    return right >= min(2, max(len(near), 1))


def outer_number(text):
    """Number that a line with words begins or ends with, else None: "Chapter 2: Forces  31", "32  Forces"."""
    match = re.match(r"(\d{1,4})\s+\D.{2,100}$|\D.{2,100}?\s(\d{1,4})$", text)
    return int(match[1] or match[2]) if match else None


def page_number(text):
    """Value of a line that is a page number only (12, - 12 -, Page 12, xii), else None."""
    match = re.fullmatch(
        r"\W*(?:page\s+)?(\d{1,4}|[ivxlc]{1,7})(?:\s*(?:of|/)\s*\d+)?\W*",
        text.strip(),
        re.IGNORECASE,
    )
    if not match:
        return None
    if match[1].isdigit():
        return int(match[1])
    values = [{"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}[c] for c in match[1].lower()]
    return sum(-a if a < b else a for a, b in zip(values, [*values[1:], 0], strict=True))


# ---- words and paragraphs ----


def mend_hyphen(first, second, known):
    """Join a word cut by a hyphen at a line end: as the book writes it elsewhere, else without the
    hyphen."""
    head = re.search(r"[\w’'-]*$", first)[0]
    tail = re.match(r"[\w’'-]*", second)[0]
    if not head or not tail:
        return f"{first}-{second}"
    joined, hyphened = (head + tail).lower(), f"{head}-{tail}".lower()
    keep = known[hyphened] > known[joined] or (
        not known[joined]
        and (tail[0].isupper() or tail[0].isdigit() or head[-1].isdigit() or "-" in head)
    )
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
    if first.endswith(HYPHEN):
        return mend_hyphen(first[:-1], second, known)
    if re.search(r"\w-$", first) and second[:1].isalnum():
        return mend_hyphen(first[:-1], second, known)
    return f"{first} {second}"


class Book:
    """What the pages have in common: size of the body text, usual distance of lines, right margin
    of each column."""

    def __init__(self, pages):
        lines = [line for page in pages for line in page]
        sizes = collections.Counter()
        for line in lines:
            sizes[line.sizes[:1]] += len(line.text)
        self.size = (sizes.most_common(1)[0][0] or (0,))[0] if sizes else 0
        letters = sum(len(line.text) for line in lines)
        self.bold_text = sum(len(line.text) for line in lines if line.bold) > 0.3 * letters
        self.step = usual_step(pages, 12)
        self.known = vocabulary(pages)

    def is_heading(self, line):
        """A short line in letters clearly larger than the body's, or bold and without the end of a
        sentence."""
        text = line.text
        if (
            not line.sizes
            or line.kept
            or len(text) > 120
            or not text[0].isalnum()
            or not re.search(r"[^\W\d_]{3}", text)
        ):
            return False
        bold = line.bold and not self.bold_text and line.sizes[0] > 0.95 * self.size
        return line.sizes[0] > 1.13 * self.size or (
            bold and len(text) < 80 and text[-1] not in ".,;:?!)" + HYPHEN and not text[0].islower()
        )


def starts_paragraph(before, line, lines, book, count):
    """True where a line does not go on with the paragraph of the line before it, which has `count`
    lines so far (all of one page)."""
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
    em = before.bottom - before.top
    if line.base - before.base > white * max(book.step, 0.8 * em):
        return True
    if " " in line.text and other_letters(before, line):
        return True
    return not before.text.endswith(HYPHEN) and margins_part(before, line, lines, ended, count)


def other_letters(before, line):
    """True where two lines have no letter height in common."""
    pairs = list(itertools.product(before.sizes, line.sizes))
    return bool(pairs) and not any(abs(a - b) < 0.04 * a for a, b in pairs)


def margins_part(before, line, lines, ended, count):
    """True where the left and right ends of two lines say that a paragraph ends between them."""
    em = before.bottom - before.top
    starts = (before.x0, line.x0)
    block = [
        other
        for other in lines
        if min(abs(other.x0 - x0) for x0 in starts) < 0.5 * em and other.x1 > before.x0
    ]
    left, right = min(other.x0 for other in block), max(other.x1 for other in block)
    word = (line.x1 - line.x0) * len(line.text.split(" ")[0]) / len(line.text)
    room = right - before.x1
    indented = line.x0 - left > 0.8 * em and before.x0 - left < 0.5 * em
    # the line before ended early where the next word would have found room in it
    if room > word + 1.2 * em and (ended or indented or room > 0.25 * (right - left)):
        return True
    # the next entry of a list with hanging indents
    hanging = line.x0 - left < 0.5 * em and before.x0 - left > 0.8 * em
    if count > 1 and room > em and hanging:
        return True
    return ended and indented  # without an end it is a hanging indent


def page_paragraphs(lines, book):
    """Paragraphs of one page as [kind, text, letter height]; kind is "text", "heading" or "kept"
    (code and table rows, a line a line)."""
    made, before = [], None
    for line in lines:
        text = " " * line.indent + line.text
        kind = "kept" if line.kept else "heading" if book.is_heading(line) else "text"
        last = made[-1] if made else [None]
        if kind == last[0] == "kept" and 0 < line.base - before.base < 1.8 * book.step:
            last[1] += "\n" + text
        elif kind == last[0] == "heading" and goes_on(before, line):
            last[1] += " " + text
        elif made and not starts_paragraph(before, line, lines, book, last[3]):
            last[1] = join_lines(last[1], text, book.known)
            last[3] += 1
        else:
            made.append([kind, text, line.sizes[0] if line.sizes else 0, 1])
        before = line
    return [[number_heading(*paragraph), *paragraph[1:3]] for paragraph in made]


def number_heading(kind, text, size, count):
    """ "heading" for one line of text that is numbered as headings are, else its kind."""
    return "heading" if kind == "text" and count == 1 and NUMBERED.match(text) else kind


def goes_on(before, line):
    """True where a heading of two lines goes on."""
    return line.sizes == before.sizes and line.top - before.bottom < line.sizes[0]


def is_unfinished(kind, text):
    return kind == "text" and not ENDED.search(text)


def footnotes_first(paragraphs, book):
    """Paragraphs of a page with its footnotes before a last paragraph that goes on overleaf, so
    that its halves meet."""
    last = next(
        (i for i in range(len(paragraphs) - 1, -1, -1) if paragraphs[i][2] > 0.95 * book.size), None
    )
    # a first paragraph stays the first: the page before may end in its beginning
    notes = paragraphs[last + 1 :] if last else []
    if (
        not notes
        or not is_unfinished(*paragraphs[last][:2])
        or any(kind != "text" or size > 0.93 * book.size for kind, _, size in notes)
    ):
        return paragraphs
    return [*paragraphs[:last], *notes, paragraphs[last]]


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
    parts, offsets, length, open_end = [], [], 0, False
    for (number, given), lines in zip(pages, kept, strict=True):
        start = None
        for kind, paragraph, _ in paragraphs_on(given, lines, book):
            joins = (
                start is None and open_end and kind == "text" and runs_over(parts[-1], paragraph)
            )
            if joins:
                last = parts.pop()
                length -= len(last)
                text = join_lines(last, paragraph, book.known)
            else:
                text = f"## {paragraph}" if kind == "heading" else paragraph
                parts += ["\n\n"] if parts else []
                length += 2 * (len(parts) > 0)
            if start is None:
                start = length + (len(text) - len(paragraph) if joins else 0)
            parts.append(text)
            length += len(text)
            open_end = is_unfinished(kind, paragraph)
        offsets.append([number, length if start is None else start])
    # marks of hyphens and control characters that are left; every character stays one character
    text = CONTROL.sub(lambda m: "-" if m[0] == HYPHEN else " ", "".join(parts))
    return text, offsets


CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def paragraphs_on(given, lines, book):
    """[kind, text, letter height] of the paragraphs of one page."""
    if isinstance(given, str):
        return [["text", given.strip(), 0]] if given.strip() else []
    return footnotes_first(page_paragraphs(lines, book), book)


def runs_over(last, paragraph):
    """True where an unfinished paragraph goes on with the first one of the next page."""
    return last.endswith(HYPHEN) or paragraph[:1].islower()


def pages_of(offsets, start, end):
    """[first, last] page of the characters start..end of a document, None where it has no pages."""
    if not offsets:
        return None
    starts = [offset for _, offset in offsets]
    first = max(bisect.bisect_right(starts, start) - 1, 0)
    last = max(bisect.bisect_left(starts, max(end, start + 1)) - 1, first)
    return [offsets[first][0], offsets[last][0]]
