"""Formulas that a line of text cannot hold (used by pdf/page.py; no command of its own).

Read as text, the fraction (x/y^2 + 2y)/3 becomes "x/y^2 + 2y" and a stray 3, exp(-1/2) becomes
"-12". Fractions, roots and sums with limits are found by their rules and fonts and replaced by
MARK, so that nothing false stands in the text.
"""

import ctypes
import re
import statistics
from typing import NamedTuple

MARK = "[unread formula]"
# neighbours, raised or not
MARKS = re.compile(rf"(?:[_^]?\{{?{re.escape(MARK)}\}}?[ \t]*)+(?<![ \t])")
# fonts of large sums, integrals, roots, brackets: TeX, MathType
EXTENSION = re.compile(rb"(?i)(?:cm|lm|eur|tx|px|ntx)ex|mathext|mt-?extra|stixsize")
LARGE = frozenset("∑∏∫∮√⎧⎨⎩⎛⎝⎞⎠⎡⎣⎤⎦")  # of other fonts, where they stand higher than the text
THIN, SHORTEST_BAR = 1.6, 2.5  # points
MOST_PATHS = 3000  # drawings of more are figures; a page takes no more time than this


class Bar(NamedTuple):
    """A thin horizontal rule: of a fraction, a root, a table, or below a word."""

    x0: float
    x1: float
    y: float


def font_of(textpage, number):
    """(name, True where its letters are all equally wide) of a character's font."""
    import pypdfium2.raw as pdfium

    name, flags = ctypes.create_string_buffer(128), ctypes.c_int()
    pdfium.FPDFText_GetFontInfo(textpage.raw, number, name, 128, flags)
    return name.value, bool(flags.value & 1)


def find_bars(page, place):
    """Rules of a page from the narrowest to the widest; `place` turns PDF coordinates into those of
    the characters."""
    import pypdfium2.raw as pdfium

    width, bars = page.get_size()[0], []
    paths = page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_PATH], max_depth=3)
    for path, _ in zip(paths, range(MOST_PATHS), strict=False):
        left, bottom, right, top = path.get_bounds()
        x0, y0, x1, y1, _ = place(left, bottom, right, top, left, bottom)
        if y1 - y0 <= THIN and SHORTEST_BAR <= x1 - x0 <= 0.6 * width:
            bars.append(Bar(x0, x1, (y0 + y1) / 2))
    return sorted(bars, key=lambda bar: bar.x1 - bar.x0)


# Below, `signs` are the characters of a page that have a box: {index: (character, box)}.


def near(signs, bar, text_height):
    """(indices of the characters above, below) a bar, as far as a numerator and a denominator
    reach."""
    above, below = [], []
    for index, (_, box) in signs.items():
        if bar.x0 - 1 <= (box[0] + box[2]) / 2 <= bar.x1 + 1:
            height, rise = max(box[3] - box[1], 0.9 * text_height), bar.y - box[4]
            if -0.1 * height < rise < 0.8 * height:
                above.append(index)
            elif 0.25 * height < -rise < 1.5 * height:
                below.append(index)
    return above, below


def stands_alone(signs, side, bar, taken):
    """True where characters stand centred at a bar and their line does not run on beyond it: no
    underlined word, no rule of a table. What is `taken` stands at another bar: 1/s ds/w."""
    boxes = [signs[i][1] for i in side]
    left, right = min(box[0] for box in boxes), max(box[2] for box in boxes)
    if abs(left + right - bar.x0 - bar.x1) >= 0.24 * (bar.x1 - bar.x0) + 2:
        return False
    base = statistics.median(box[4] for box in boxes)
    reach = 0.8 * statistics.median(box[3] - box[1] for box in boxes)
    for box in (signs[i][1] for i in signs.keys() - taken):
        before = bar.x0 - reach < box[2] <= bar.x0 + 1
        behind = bar.x1 - 1 <= box[0] < bar.x1 + reach
        if (before or behind) and abs(box[4] - base) <= 1.5:
            return False
    return True


def has_radical(signs, bar, large):
    """True where a radical sign stands at the bar's left end."""
    return any(
        abs(box[2] - bar.x0) < 2.5 and box[1] - 4 < bar.y < box[3]
        for index, (char, box) in signs.items()
        if char == "√" or index in large
    )


def replace(signs, indices, y):
    """Put a mark where the first of some characters stood: one sign as wide as they are, on the
    line whose middle is y."""
    boxes = [signs.pop(i)[1] for i in indices]
    left, right = min(box[0] for box in boxes), max(box[2] for box in boxes)
    height = statistics.median(box[3] - box[1] for box in boxes)
    box = (left, y - 0.6 * height, right, y + 0.6 * height, y + 0.3 * height, -1)
    signs[min(indices)] = (MARK, box)


def mark_fractions(signs, bars, text_height, large):
    """Replace numerators, denominators and what stands below roots, inner ones first."""
    taken = set()
    for bar in bars:
        taken.update(*near(signs, bar, text_height))
    for bar in bars:
        sides = above, below = near(signs, bar, text_height)
        if all(side and stands_alone(signs, side, bar, taken) for side in sides):
            replace(signs, [*above, *below], bar.y)
        elif below and has_radical(signs, bar, large):
            boxes = [signs[i][1] for i in below]
            replace(signs, below, statistics.median((box[1] + box[3]) / 2 for box in boxes))


def mark_large_signs(signs, text_height, large):
    """Replace sums, integrals and tall brackets with their limits: the small signs above and below
    them."""
    for at in sorted(large):
        if at not in signs or signs[at][0] == MARK:
            continue
        x0, top, x1, bottom, *_ = signs[at][1]
        middle, height = (top + bottom) / 2, bottom - top
        found = [at]
        for index, (char, box) in signs.items():
            if char == MARK or box[3] - box[1] >= 0.85 * text_height:
                continue
            beside = x0 - 6 <= (box[0] + box[2]) / 2 <= x1 + 6
            if beside and 0.2 * height <= abs((box[1] + box[3]) / 2 - middle) < height:
                found.append(index)
        replace(signs, found, middle)


def large_signs(textpage, signs, text_height):
    """Indices of the large signs, by their fonts or their height. A font is asked for once by the
    height of its letters and how far it reaches below the line, since asking takes long."""
    found, fonts = set(), {}
    for index, (char, box) in signs.items():
        height = box[3] - box[1]
        shape = int(10 * height), int(10 * (box[4] - box[1]))
        if shape not in fonts:
            fonts[shape] = EXTENSION.search(font_of(textpage, box[5])[0])
        if fonts[shape] or (char in LARGE and height > 1.1 * text_height):
            found.add(index)
    return found


def mark_formulas(page, textpage, chars, place):
    """The characters of a page with MARK in place of each two-dimensional formula."""
    signs = {index: pair for index, pair in enumerate(chars) if pair[1]}
    if not signs:
        return chars
    text_height = statistics.median(box[3] - box[1] for _, box in signs.values())
    large = large_signs(textpage, signs, text_height)
    mark_fractions(signs, find_bars(page, place), text_height, large)
    mark_large_signs(signs, text_height, large)
    return [signs.get(i, pair) for i, pair in enumerate(chars) if i in signs or not pair[1]]
