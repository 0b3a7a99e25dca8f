"""Lines of one PDF page in reading order, from its text layer or from tesseract (used by
pdf/workers.py; no command of its own).

Characters come with their boxes from pypdfium2; runs of them become rows, rows become lines, column
by column. All lengths are points (1/72 inch), y grows downwards.
"""

import collections
import ctypes
import io
import itertools
import math
import os
import re
import statistics
import subprocess
import unicodedata
from typing import NamedTuple

from pdf.formulas import MARK, MARKS, font_of, mark_formulas

# ligatures as letters, invisible signs as nothing, and the alphabets of mathematical fonts as plain
# letters: tokenizers know x, hardly 𝑥
LETTERS = {
    code: unicodedata.normalize("NFKC", chr(code))
    for code in (0xA0, *range(0xFB00, 0xFB07), *range(0x1D400, 0x1D800))
} | dict.fromkeys((0xAD, 0x200B, 0xFEFF), "")
# a line of a table of contents
LEADER = re.compile(r"(?:[.·…] ?){4,}\s*[\divxlc]*$|(?: [.·…]){2,} *\d+$")
ORDINALS = frozenset(("st", "nd", "rd", "th", "′", "’", "'", "″", "*", "†", "°", "TM"))
BOLD = re.compile(rb"(?i)bold|black|heavy|-sb|demi")
# CMTT10, NimbusMonL; most others say that their width is fixed
TYPEWRITER = re.compile(rb"(?i)tt\d|mono|nimbusmon|courier|consol|typewriter")
# text of a page runs from left to right, upwards, upside down, downwards: corners (x0, y0, x1, y1) of
# a box and a point on its baseline, all in PDF's own coordinates, as (x0, top, x1, bottom, baseline)
PLACES = {
    0: lambda x0, y0, x1, y1, x, y: (x0, -y1, x1, -y0, -y),
    90: lambda x0, y0, x1, y1, x, y: (y0, x0, y1, x1, x),
    180: lambda x0, y0, x1, y1, x, y: (-x1, y0, -x0, y1, y),
    270: lambda x0, y0, x1, y1, x, y: (-y1, -x1, -y0, -x0, -x),
}
HYPHEN = "\x02"  # PDFium's mark of a hyphen at a line end
GAP = 1.5  # one wider than this many line heights parts two columns or cells
SCAN_DPI = 300  # what tesseract is trained on
PAGE_SECONDS = 300  # a page that takes tesseract longer than this is given up


class Line(NamedTuple):
    """One line of a column: text, box, baseline, heights of its letters; kept = code or a table
    row, which stays a line of its own."""

    text: str  # with the indentation of program text
    x0: float
    top: float
    x1: float
    bottom: float
    base: float
    sizes: tuple  # heights that a good part of its letters have; the first is the commonest; () from OCR
    kept: bool = False
    bold: bool = False


# ---- characters of a page ----


def text_direction(raw):
    """Direction in which most of a page's text runs: 0, 90 (upwards), 180 or 270 degrees (PDFium
    counts clockwise)."""
    import pypdfium2.raw as pdfium

    angles = collections.Counter(
        round(-math.degrees(pdfium.FPDFText_GetCharAngle(raw, i)) / 90) % 4 * 90
        for i in range(0, pdfium.FPDFText_CountChars(raw), 7)
        if pdfium.FPDFText_GetUnicode(raw, i) > 32
    )
    return angles.most_common(1)[0][0] if angles else 0


def page_chars(textpage, turn):
    """Yield (character, (x0, top, x1, bottom, baseline, number)) of a page in the order of its
    content; line ends and spaces have no box but None. The number is PDFium's of the character.

    The page is turned so that its text runs from left to right (pages stored sideways, wide
    tables); text across that direction (stamps in the margin, labels of an axis) is left out.
    """
    import pypdfium2.raw as pdfium

    raw, place = textpage.raw, PLACES[turn]
    box, x, y = pdfium.FS_RECTF(), ctypes.c_double(), ctypes.c_double()
    high = 0
    for i in range(pdfium.FPDFText_CountChars(raw)):
        code = pdfium.FPDFText_GetUnicode(raw, i)
        if code in (10, 13, 32, 9, 0xA0, 0):
            yield (" " if code in (32, 9, 0xA0) else "\n"), None
            continue
        if 0xD800 <= code < 0xDC00:  # characters beyond the basic plane come as two
            high = code
            continue
        if 0xDC00 <= code < 0xE000:
            code = 0x10000 + ((high - 0xD800) << 10) + (code - 0xDC00) if high else 0xFFFD
            high = 0
        if abs(math.sin(pdfium.FPDFText_GetCharAngle(raw, i) - math.radians(turn))) > 0.7:
            continue
        pdfium.FPDFText_GetLooseCharBox(raw, i, box)
        pdfium.FPDFText_GetCharOrigin(raw, i, x, y)
        char = HYPHEN if code in (2, 0xFFFE) else chr(code)
        yield char, (*place(box.left, box.bottom, box.right, box.top, x.value, y.value), i)


class Run:
    """Characters on one baseline without a wide gap."""

    __slots__ = ("base", "bottom", "chars", "height", "top", "x0", "x1")

    def __init__(self, char, box):
        self.chars = []
        self.x0, self.top, self.x1, self.bottom, self.base, _ = box
        self.height = max(box[3] - box[1], 0.1)
        self.add(char, box)

    def add(self, char, box):
        self.chars.append((char, box))
        self.x0, self.x1 = min(self.x0, box[0]), max(self.x1, box[2])
        height = box[3] - box[1]
        if height > 1.1 * self.height:  # it began with a raised or lowered sign
            self.height, self.top, self.bottom, self.base = height, box[1], box[3], box[4]

    def takes(self, box):
        """True where a character at this box goes on with the run."""
        x0, top, x1, bottom, *_ = box
        shared = min(self.bottom, bottom) - max(self.top, top)
        gap = x0 - self.x1
        near = -0.6 * self.height - (x1 - x0) < gap < GAP * self.height
        return near and shared > 0.35 * min(self.height, bottom - top)

    def boxes(self):
        return [box for _, box in self.chars if box]


def find_runs(chars):
    """Runs of the page's characters, in the order of the content."""
    runs, space = [], ""
    for char, box in chars:
        if box is None:
            space = space if space == " " else char
            continue
        if runs and runs[-1].takes(box):
            gap = box[0] - runs[-1].x1
            if space and (gap > 0.08 * runs[-1].height or space == " "):
                runs[-1].chars.append((" ", None))
            runs[-1].add(char, box)
        else:
            runs.append(Run(char, box))
        space = ""
    return runs


def run_text(run):
    """Text of a run; raised and lowered small signs become ^ and _, since 10^5 must not become
    105."""
    out = ""
    for mark, group in itertools.groupby(marked_chars(run), key=lambda pair: pair[0]):
        text = "".join(char for _, char in group)
        if mark and not out:
            out = text + " "
        elif not mark or (mark == "^" and text in ORDINALS):
            out += text
        else:
            out += mark + (text if len(text) == 1 else f"{{{text}}}")
    return out.translate(LETTERS)


def marked_chars(run):
    """Yield (mark, character) of a run; the mark is "^" for a small raised sign, "_" for a lowered
    one, else ""."""
    heights = sorted(box[3] - box[1] for box in run.boxes())
    full = heights[int(len(heights) * 0.7)]
    lines = [box[4] for box in run.boxes() if box[3] - box[1] > 0.88 * full]
    base = statistics.median_low(lines or [run.base])
    mark, level = "", 0.0
    for char, box in run.chars:
        if box is None:
            mark = ""
        else:
            raised = (base - box[4]) / full
            if not mark or abs(raised - level) >= 0.05:  # a full-sized sign may stand raised too
                small = box[3] - box[1] < 0.88 * full
                mark = "" if not small else "^" if raised > 0.18 else "_" if raised < -0.06 else ""
            level = raised
        yield mark, char


# ---- reading order ----


def in_columns(runs, height):
    """Runs as columns in the order of the content: what sets a page writes one column, then goes up
    to the top of the next. (White strips part the cells of tables, and formulas hide them.)"""
    columns, pieces = [], [[runs[0]]]
    for before, run in itertools.pairwise(runs):
        if run.top < before.top - 6 * height:
            pieces.append([])
        pieces[-1].append(run)
    for piece in pieces:
        if columns and not is_beside(piece, columns[-1], height):
            columns[-1] += piece
        else:
            columns.append(piece)
    return columns


def is_beside(piece, column, height):
    """True where a piece of the content stands as a column beside another: at least five lines, and
    what is on their level ends before them or begins behind them (a note in the margin that is
    written first). Comments beside program text are fewer."""
    top = min(run.top for run in piece)
    level = [run for run in column if run.base > top]
    left, right = min(run.x0 for run in piece), max(run.x1 for run in piece)
    before = all(run.x1 <= left + height for run in level)
    behind = all(run.x0 >= right - height for run in level)
    return len(piece) >= 5 and (before or behind)


# ---- lines of a column ----


def find_rows(runs):
    """Runs of one column as rows from top to bottom, each from left to right."""
    rows = []
    for run in sorted(runs, key=lambda run: run.base):
        for row in rows[-3:]:
            first = row[0]
            shared = min(first.bottom, run.bottom) - max(first.top, run.top)
            apart = all(run.x0 >= other.x1 - 1 or run.x1 <= other.x0 + 1 for other in row)
            if apart and shared > 0.5 * min(first.height, run.height):
                row.append(run)
                break
        else:
            rows.append([run])
    return [sorted(row, key=lambda run: run.x0) for row in rows]


def is_code(row, textpage):
    """True for a row of program text: the first, the last and most of its letters are of a font of
    fixed width."""
    boxes = [box for run in row for box in run.boxes()]

    def typed(box):
        name, fixed = font_of(textpage, box[5])
        return fixed or bool(TYPEWRITER.search(name))

    if not typed(boxes[0]) or not typed(boxes[-1]):
        return False
    some = boxes[:: len(boxes) // 6 + 1]
    return sum(map(typed, some)) > 0.6 * len(some)


def heights_of(run):
    """Letter heights of a run that at least 15 % of its letters have, the commonest first."""
    count = collections.Counter(round(box[3] - box[1], 1) for box in run.boxes())
    return tuple(height for height, n in count.most_common(3) if n >= 0.15 * count.total())


def is_bold(textpage, run):
    """True where the font of a run's middle character says so in its name."""
    boxes = run.boxes()
    return bool(BOLD.search(font_of(textpage, boxes[len(boxes) // 2][5])[0]))


def column_lines(runs, textpage):
    """Lines of one column."""
    rows = find_rows(runs)
    indent = indents_of([row for row in rows if is_code(row, textpage)])
    made = []
    for row in rows:
        text = row_text(row).strip()
        if not text:
            continue
        longest = max(row, key=lambda run: len(run.chars))
        kept = row[0] in indent or "  " in text or bool(LEADER.search(text))
        x0, x1, sizes = row[0].x0, row[-1].x1, heights_of(longest)
        top, bottom = min(run.top for run in row), max(run.bottom for run in row)
        bold = is_bold(textpage, longest)
        text = " " * indent.get(row[0], 0) + text
        made.append(Line(text, x0, top, x1, bottom, longest.base, sizes, kept, bold))
    return made


def indents_of(rows):
    """{first run of a row: spaces before it} of the rows of program text."""
    if not rows:
        return {}
    step = statistics.median(box[2] - box[0] for row in rows for run in row for box in run.boxes())
    margin = min(row[0].x0 for row in rows)
    return {row[0]: min(round((row[0].x0 - margin) / max(step, 0.1)), 60) for row in rows}


def row_text(row):
    """Text of a row; two spaces part the cells of a table."""
    text = run_text(row[0])
    for before, run in itertools.pairwise(row):
        wide = run.x0 - before.x1 > GAP * before.height
        text += ("  " if wide else " ") + run_text(run)
    return MARKS.sub(MARK, text)


def read_text_layer(page):
    """Lines of a page from its text layer, in reading order ([] where there is none)."""
    textpage = page.get_textpage()
    turn = text_direction(textpage.raw)
    chars = list(page_chars(textpage, turn))
    runs = find_runs(mark_formulas(page, textpage, chars, PLACES[turn]))
    if not runs:
        return []
    height = statistics.median(run.height for run in runs)
    columns = in_columns(runs, height)
    lines = (line for column in columns for line in column_lines(column, textpage))
    # from the page's top: running heads are compared over pages of any height
    top = PLACES[turn](*page.get_mediabox(), 0, 0)[1]
    return [x._replace(top=x.top - top, bottom=x.bottom - top, base=x.base - top) for x in lines]


def is_readable(lines):
    """False where a text layer is missing or garbage: private-use and replacement characters come
    from fonts without a character map."""
    text = "".join(line.text for line in lines)
    bad = len(re.findall(r"[\ufffd\ue000-\uf8ff\x00\x01\x03-\x1f]", text))
    return bool(text.strip()) and bad < 0.2 * len(text)


def picture_share(page):
    """Share of the page that its largest picture or drawing covers, 0 to 1; a page without text and
    pictures is blank."""
    import pypdfium2.raw as pdfium

    width, height = page.get_size()
    kinds = [pdfium.FPDF_PAGEOBJ_IMAGE, pdfium.FPDF_PAGEOBJ_PATH, pdfium.FPDF_PAGEOBJ_SHADING]
    largest = 0.0
    for thing in page.get_objects(filter=kinds, max_depth=4):
        left, bottom, right, top = thing.get_bounds()
        largest = max(largest, (right - left) * (top - bottom) / max(width * height, 1))
    return min(largest, 1.0)


# ---- OCR of one page ----


def page_png(page, scale, **options):
    """PNG bytes of a page, rendered at `scale` pixels a point."""
    out = io.BytesIO()
    page.render(scale=scale, **options).to_pil().save(out, "PNG", compress_level=1)
    return out.getvalue()


def read_tesseract(page, language="eng"):
    """Lines of a page by tesseract's command line; its own layout analysis gives the order. Raises
    RuntimeError where it fails."""
    width, height = page.get_size()
    # at most 30 million pixels, whatever the page claims to measure
    scale = min(SCAN_DPI / 72, (30e6 / max(width * height, 1)) ** 0.5)
    command = f"tesseract stdin stdout --dpi {round(72 * scale)} -l {language} --psm 3 tsv"
    done = subprocess.run(
        command.split(),
        input=page_png(page, scale, grayscale=True),
        capture_output=True,
        timeout=PAGE_SECONDS,
        env={**os.environ, "OMP_THREAD_LIMIT": "1"},
    )
    if done.returncode:
        raise RuntimeError(f"tesseract: {done.stderr.decode(errors='replace').strip()[:300]}")
    lines = collections.defaultdict(list)  # words of each, in tesseract's reading order
    for row in done.stdout.decode("utf-8", "replace").split("\n")[1:]:
        cells = row.split("\t")
        if len(cells) == 12 and cells[0] == "5" and cells[11].strip():
            x, y, width, height = (float(cell) / scale for cell in cells[6:10])
            word = (cells[11].strip(), x, y, x + width, y + height)
            lines[tuple(cells[1:5])].append(word)
    return [ocr_line(words) for words in lines.values()]


def ocr_line(words):
    """A line from its words, (text, x0, top, x1, bottom) each."""
    texts, lefts, tops, rights, bottoms = zip(*words, strict=True)
    text = re.sub(r"(?<=[a-z])[-‐\xad]$", HYPHEN, " ".join(texts)).translate(LETTERS)
    return Line(text, lefts[0], min(tops), max(rights), max(bottoms), max(bottoms), ())
