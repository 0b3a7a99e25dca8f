"""Lines of one PDF page in reading order, from its text layer or from tesseract (used by pdf/workers.py; no command of its own).

Characters come with their boxes from pypdfium2; runs of them become rows, rows become lines, column by column. All lengths are points (1/72 inch),
y grows downwards from the top of the page as it is shown.
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
import zlib
from typing import NamedTuple

from pdf.formulas import MARK, MARKS, font_name, mark_formulas

# ligatures as letters, invisible signs as nothing, and the alphabets of mathematical fonts as plain
# letters: tokenizers know x, hardly 𝑥
LETTERS = {code: unicodedata.normalize("NFKC", chr(code)) for code in range(0x1D400, 0x1D800)} | {
    0xFB00: "ff",
    0xFB01: "fi",
    0xFB02: "fl",
    0xFB03: "ffi",
    0xFB04: "ffl",
    0xFB05: "st",
    0xFB06: "st",
    0x00AD: "",
    0x200B: "",
    0xFEFF: "",
    0xA0: " ",
}
# a line of a table of contents
LEADER = re.compile(r"(?:[.·…] ?){4,}\s*[\divxlc]*$|(?: [.·…]){2,} *\d+$")
HYPHEN = "\x02"  # PDFium's mark of a hyphen at a line end
GUTTER = 1.5  # a gap wider than this many line heights parts two columns or cells
SCAN_DPI = 300  # what tesseract is trained on
PAGE_SECONDS = 300  # a page that takes tesseract longer than this is given up


class Line(NamedTuple):
    """One line of a column: text, box, baseline, heights of its letters; kept = code or a table
    row, which stays a line of its own."""

    text: str
    x0: float
    top: float
    x1: float
    bottom: float
    base: float
    sizes: tuple  # heights that a good part of its letters have; the first is the commonest; () from OCR
    kept: bool = False
    indent: int = 0  # spaces before a line of code
    bold: bool = False


# ---- characters of a page ----


def text_direction(raw, count):
    """Direction in which most of a page's text runs: 0, 90 (upwards), 180 or 270 degrees (PDFium
    counts clockwise)."""
    import pypdfium2.raw as pdfium

    angles = collections.Counter(
        round(-math.degrees(pdfium.FPDFText_GetCharAngle(raw, i)) / 90) % 4 * 90
        for i in range(0, count, 7)
        if pdfium.FPDFText_GetUnicode(raw, i) > 32
    )
    return angles.most_common(1)[0][0] if angles else 0


def page_chars(page, textpage, turn=None):
    """Yield (character, (x0, top, x1, bottom, baseline, number)) of a page in the order of its
    content; line ends and spaces have no box but None.

    The page is turned so that its text runs from left to right (pages stored sideways, wide
    tables); text across that direction (stamps in the margin, labels of an axis) is left out. The
    number is PDFium's of the character.
    """
    import pypdfium2.raw as pdfium

    raw, count = textpage.raw, pdfium.FPDFText_CountChars(textpage.raw)
    turn = text_direction(raw, count) if turn is None else turn
    box, x, y = pdfium.FS_RECTF(), ctypes.c_double(), ctypes.c_double()
    at, to_x, to_y = ctypes.byref(box), ctypes.byref(x), ctypes.byref(y)
    place, level = placer(page, turn), math.radians(turn)
    high = 0
    for i in range(count):
        code = pdfium.FPDFText_GetUnicode(raw, i)
        if code in (10, 13, 32, 9, 0xA0, 0):
            yield (" " if code in (32, 9, 0xA0) else "\n"), None
            continue
        if 0xD800 <= code < 0xDC00:  # characters beyond the basic plane may come as two
            high = code
            continue
        if 0xDC00 <= code < 0xE000:
            code = 0x10000 + ((high - 0xD800) << 10) + (code - 0xDC00) if high else 0xFFFD
            high = 0
        if abs(math.sin(pdfium.FPDFText_GetCharAngle(raw, i) - level)) > 0.7:
            continue
        pdfium.FPDFText_GetLooseCharBox(raw, i, at)
        pdfium.FPDFText_GetCharOrigin(raw, i, to_x, to_y)
        yield (
            HYPHEN if code in (2, 0xFFFE) else chr(code),
            (*place(box.left, box.bottom, box.right, box.top, x.value, y.value), i),
        )


def placer(page, turn):
    """Function that turns PDF coordinates (origin below left, page unturned) into (x0, top, x1,
    bottom, baseline) of the turned page."""
    left, bottom, right, top = page.get_mediabox()

    def place(x0, y0, x1, y1, x, y):
        if turn == 90:
            return y0 - bottom, x0 - left, y1 - bottom, x1 - left, x - left
        if turn == 180:
            return right - x1, y0 - bottom, right - x0, y1 - bottom, y - bottom
        if turn == 270:
            return top - y1, right - x1, top - y0, right - x0, right - x
        return x0 - left, top - y1, x1 - left, top - y0, top - y

    return place


class Segment:
    """A run of characters on one baseline without a wide gap."""

    __slots__ = ("base", "bottom", "chars", "height", "top", "x0", "x1")

    def __init__(self, char, box):
        self.chars = []
        self.x0, self.top, self.x1, self.bottom, self.base, _ = box
        self.height = max(box[3] - box[1], 0.1)
        self.add(char, box)

    def add(self, char, box):
        self.chars.append((char, box))
        self.x1, height = max(self.x1, box[2]), box[3] - box[1]
        self.x0 = min(self.x0, box[0])
        if height > 1.1 * self.height:  # it began with a raised or lowered sign
            self.height, self.top, self.bottom, self.base = height, box[1], box[3], box[4]

    def takes(self, box):
        """True where a character at this box goes on with the run."""
        x0, top, x1, bottom, *_ = box
        low = min(self.height, bottom - top)
        gap = x0 - self.x1
        return (
            min(self.bottom, bottom) - max(self.top, top) > 0.35 * low
            and -0.6 * self.height - (x1 - x0) < gap < GUTTER * self.height
        )


def segments(chars):
    """Runs of the page's characters, in the order of the content."""
    runs, space = [], ""
    for char, box in chars:
        if box is None:
            space = space if space == " " else char
            continue
        if box[2] <= box[0] and box[3] <= box[1]:
            continue
        if runs and runs[-1].takes(box):
            gap = box[0] - runs[-1].x1
            if space and (gap > 0.08 * runs[-1].height or space == " "):
                runs[-1].chars.append((" ", None))
            runs[-1].add(char, box)
        else:
            runs.append(Segment(char, box))
        space = ""
    return runs


ORDINALS = frozenset(("st", "nd", "rd", "th", "′", "’", "'", "″", "*", "†", "°", "TM"))


def segment_text(run):
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
    boxes = [box for _, box in run.chars if box]
    heights = sorted(box[3] - box[1] for box in boxes)
    full = heights[int(len(heights) * 0.7)]
    lines = [box[4] for box in boxes if box[3] - box[1] > 0.88 * full]
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


def advance(run):
    """Width of the letters where all are equally wide (program text in most books), else 0."""
    widths = [box[2] - box[0] for _, box in run.chars if box]
    step = statistics.median(widths)
    alike = sum(abs(width - step) < 0.04 * step for width in widths)
    return step if step > 0 and alike > 0.9 * len(widths) else 0


# ---- reading order ----


def find_gutter(runs, height):
    """x of a white strip that parts the page into columns, or None; of several the one that the
    fewest runs cross."""
    left, right = min(run.x0 for run in runs), max(run.x1 for run in runs)
    width = right - left
    if len(runs) < 10 or width < 20 * height:
        return None
    middle = (left + 0.25 * width, left + 0.75 * width)
    starts = sorted({run.x0 - 0.5 for run in runs if middle[0] < run.x0 < middle[1]})
    found = [(crossing(runs, x), x) for x in starts if is_gutter(runs, x, left, right, height)]
    return min(found)[1] if found else None


def crossing(runs, x):
    return sum(run.x0 < x < run.x1 for run in runs)


def is_gutter(runs, x, left, right, height):
    """True where few runs cross x, and both sides hold at least five rows whose wider ones fill a
    good part of the side; narrow cells of a table do not."""
    sides = [run for run in runs if run.x1 <= x], [run for run in runs if run.x0 >= x]
    if min(map(len, sides)) < 5 or crossing(runs, x) > 0.35 * len(runs):
        return False
    for side, room in zip(sides, (x - left, right - x), strict=True):
        wide = statistics.quantiles([run.x1 - run.x0 for run in side], n=10)[7]
        high = max(run.bottom for run in side) - min(run.top for run in side)
        if wide < 0.55 * room or high < 6 * height:
            return False
    starts = collections.Counter(round(run.x0) for run in sides[1])
    return starts.most_common(1)[0][1] >= 0.3 * len(sides[1])


def in_columns(runs, height, depth=0):
    """Runs as a list of columns in reading order: what crosses the gutter (a title, a wide figure)
    parts what stands above from what stands below."""
    x = find_gutter(runs, height) if runs and depth < 3 else None
    if x is None:
        return [runs] if runs else []
    groups, left, right = [], [], []

    def flush():
        groups.extend(
            in_columns(left[:], height, depth + 1) + in_columns(right[:], height, depth + 1)
        )
        left.clear()
        right.clear()

    wide = []
    for run in sorted(runs, key=lambda run: run.top):
        if run.x0 < x < run.x1:
            flush()
            wide.append(run)
            continue
        if wide:
            groups.append(wide[:])
            wide.clear()
        (left if run.x1 <= x else right).append(run)
    flush()
    return groups + ([wide] if wide else [])


def content_columns(runs, height):
    """Two columns as the content has them, or None: formulas hide the white strip between columns,
    but the page's program writes one column, then goes up to the top of the other."""
    left, right = min(run.x0 for run in runs), max(run.x1 for run in runs)
    middle = (left + right) / 2
    inner = middle - 0.05 * (right - left)  # where the second column may begin
    for at in range(10, len(runs) - 10):
        run, first, rest = runs[at], runs[:at], runs[at:]
        if run.top > runs[at - 1].top - 12 * height or run.x0 < inner:
            continue
        wide = sum(r.x1 > run.x0 + height and r.x1 - r.x0 < right - middle for r in first)
        astray = [r for r in rest if r.x0 < inner]
        if wide <= 0.02 * at and len(astray) <= 0.1 * len(rest):
            second = [r for r in rest if r.x0 >= inner]
            return [column for column in (first, second, astray) if column]
    return None


def rows_of(runs):
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


def find_code(rows):
    """(rows that are program text, advance width of its letters): rows in letters of one width, and
    rows between them that are so for the most part.

    Digits are equally wide in most fonts, so that a row of a few digits is code only where its
    width is that of a surer row.
    """
    alone = [advance(row[0]) if len(row) == 1 else 0 for row in rows]
    sure = [step for step, row in zip(alone, rows, strict=True) if step and is_typed(row[0])]
    if not sure:
        return set(), 0
    step = statistics.median(sure)
    code = {n for n, width in enumerate(alone) if abs(width - step) < 0.04 * step}
    for n, row in enumerate(rows):
        if {n - 1, n + 1} & code and is_mostly_typed(row, step):
            code.add(n)
    return code, step


def is_mostly_typed(row, step):
    """True where most letters of a row, the first and the last among them, are of the width."""
    boxes = [box for run in row for _, box in run.chars if box]
    same = [abs(box[2] - box[0] - step) < 0.04 * step for box in boxes]
    return same[0] and same[-1] and sum(same) >= 0.5 * len(same)


def is_typed(run):
    return sum(char.isalpha() or char in "()[]{};=" for char, _ in run.chars) > 5


def heights_of(run):
    """Letter heights of a run that at least 15 % of its letters have, the commonest first."""
    count = collections.Counter(round(box[3] - box[1], 1) for _, box in run.chars if box)
    return tuple(height for height, n in count.most_common(3) if n >= 0.15 * count.total())


def is_bold(textpage, run):
    """True where the font of a run's middle character says so in its name or weight."""
    import pypdfium2.raw as pdfium

    numbers = [box[5] for _, box in run.chars if box]
    number = numbers[len(numbers) // 2]
    named = re.search(rb"(?i)bold|black|heavy|-sb|demi", font_name(textpage, number))
    return bool(named) or pdfium.FPDFText_GetFontWeight(textpage.raw, number) >= 700


def column_lines(runs, textpage):
    """Lines of one column."""
    rows = rows_of(runs)
    code, step = find_code(rows)
    left = min(run.x0 for run in runs)
    ends = collections.Counter(round(row[-1].x1) for row in rows)
    made = []
    for n, row in enumerate(rows):
        justified = row[0].x0 - left < 2 and ends[round(row[-1].x1)] > 1 and has_even_gaps(row)
        text = row_text(row, cells=not justified)
        if not text.strip():
            continue
        table = (len(row) > 2 and not justified) or "  " in text or bool(LEADER.search(text))
        longest = max(row, key=lambda run: len(run.chars))
        line = Line(
            text.strip(),
            row[0].x0,
            min(run.top for run in row),
            row[-1].x1,
            max(run.bottom for run in row),
            longest.base,
            heights_of(longest),
            kept=n in code or table,
            indent=-1 if n in code else 0,
            bold=is_bold(textpage, longest),
        )
        made.append(line)
    margin = min((line.x0 for line in made if line.indent), default=0)
    return [
        line._replace(indent=min(round((line.x0 - margin) / step), 60)) if line.indent else line
        for line in made
    ]


def gaps_of(row):
    return [run.x0 - before.x1 for before, run in itertools.pairwise(row)]


def has_even_gaps(row):
    """True where the gaps of a row are as wide as those of a table, but equal: a justified line of
    few words."""
    words = all(box for run in row for _, box in run.chars)  # no run has a space
    return words and len(row) > 2 and min(gaps_of(row)) > 0.8 * max(gaps_of(row))


def row_text(row, cells):
    """Text of a row; two spaces part the cells of a table."""
    text = segment_text(row[0])
    for before, run, gap in zip(row, row[1:], gaps_of(row), strict=False):
        wide = cells and gap > GUTTER * before.height
        text += ("  " if wide else " ") + segment_text(run)
    return MARKS.sub(MARK, text)


def read_text_layer(page):
    """Lines of a page from its text layer, in reading order ([] where there is none)."""
    import pypdfium2.raw as pdfium

    textpage = page.get_textpage()
    turn = text_direction(textpage.raw, pdfium.FPDFText_CountChars(textpage.raw))
    chars = list(page_chars(page, textpage, turn))
    runs = segments(mark_formulas(page, textpage, chars, placer(page, turn)))
    if not runs:
        return []
    height = statistics.median(run.height for run in runs)
    columns = content_columns(runs, height) or in_columns(runs, height)
    return [line for column in columns for line in column_lines(column, textpage)]


def is_readable(lines):
    """False where a text layer is missing or garbage: private-use and replacement characters come
    from fonts without a character map."""
    text = "".join(line.text for line in lines)
    bad = sum(
        1 for c in text if c == "\ufffd" or "\ue000" <= c <= "\uf8ff" or (c < " " and c != HYPHEN)
    )
    return len(text.strip()) > 0 and bad < 0.2 * len(text)


def picture_share(page):
    """Share of the page that its largest picture or drawing covers, 0 to 1; a page without text and
    pictures is blank."""
    import pypdfium2.raw as pdfium

    width, height = page.get_size()
    largest = 0.0
    for thing in page.get_objects(
        filter=[pdfium.FPDF_PAGEOBJ_IMAGE, pdfium.FPDF_PAGEOBJ_PATH, pdfium.FPDF_PAGEOBJ_SHADING],
        max_depth=4,
    ):
        left, bottom, right, top = thing.get_bounds()
        largest = max(largest, (right - left) * (top - bottom) / max(width * height, 1))
    return min(largest, 1.0)


# colours, frames, fonts and clips, and nothing that is painted
BLANK_TOKEN = re.compile(
    rb"[-+.\d]+|/[\w.+-]+|<<|>>|[\[\]]|[qQ]|cm|[gGkKwJjMdin]|rg|RG|ri|gs|cs|CS|scn?|SCN?|BT|ET|T[fdDm*cwzLrs]|BMC|BDC|EMC|"
    rb"W\*?|re"
)


def content_is_lost(pdf, index):
    """True where a page on which nothing was found has a content stream that says otherwise:
    damaged, so that PDFium passed over it in silence.

    The page is written to a file of its own, where its stream is easy to find. A blank page's
    stream sets colours and frames at most.
    """
    import pypdfium2

    alone, out = pypdfium2.PdfDocument.new(), io.BytesIO()
    alone.import_pages(pdf, [index])
    alone.save(out)
    data = out.getvalue()
    named = re.search(rb"/Contents\s*(\[[^\]]*\]|\d+ \d+ R)", data)
    for number in re.findall(rb"(\d+) \d+ R", named[1]) if named else ():
        stream = re.search(
            rb"(?:^|[\r\n])"
            + number
            + rb" \d+ obj(?:(?!endobj).)*?stream\r?\n(.*?)\r?\n?endstream",
            data,
            re.DOTALL,
        )
        content = stream[1] if stream else b""
        try:
            content = zlib.decompressobj().decompress(content, 1_000_000)
        except zlib.error:
            pass  # not compressed, or damaged: then it holds other bytes than these
        if not all(BLANK_TOKEN.fullmatch(token) for token in content[:100_000].split()):
            return True
    return False


# ---- OCR of one page ----


def page_png(page, dpi=SCAN_DPI):
    """PNG bytes of a rendered page; at most 30 million pixels, whatever the page claims to
    measure."""
    width, height = page.get_size()
    scale = min(dpi / 72, (30e6 / max(width * height, 1)) ** 0.5)
    out = io.BytesIO()
    page.render(scale=scale, grayscale=True).to_pil().save(out, "PNG", compress_level=1)
    return out.getvalue(), scale


def read_tesseract(page, language="eng"):
    """Lines of a page by tesseract's command line; its own layout analysis gives the order. Raises
    RuntimeError where it fails."""
    png, scale = page_png(page)
    command = [
        "tesseract",
        "stdin",
        "stdout",
        "--dpi",
        str(round(72 * scale)),
        "-l",
        language,
        "--psm",
        "3",
        "tsv",
    ]
    done = subprocess.run(
        command,
        input=png,
        capture_output=True,
        timeout=PAGE_SECONDS,
        env={**os.environ, "OMP_THREAD_LIMIT": "1"},
    )
    if done.returncode:
        raise RuntimeError(f"tesseract: {done.stderr.decode(errors='replace').strip()[:300]}")
    words = collections.defaultdict(list)
    for row in done.stdout.decode("utf-8", "replace").split("\n")[1:]:
        cells = row.split("\t")
        if len(cells) == 12 and cells[0] == "5" and cells[11].strip():
            words[tuple(map(int, cells[1:5]))].append(
                (*(float(cell) / scale for cell in cells[6:10]), cells[11].strip())
            )
    lines = []
    for line in words.values():  # dicts keep tesseract's reading order
        text = " ".join(word[4] for word in line)
        text = re.sub(r"(?<=[a-z])[-‐\xad]$", HYPHEN, text).translate(LETTERS)
        tops, bottoms = [word[1] for word in line], [word[1] + word[3] for word in line]
        lines.append(
            Line(
                text,
                line[0][0],
                min(tops),
                max(w[0] + w[2] for w in line),
                max(bottoms),
                max(bottoms),
                (),
            )
        )
    return lines
