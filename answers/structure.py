"""Answers as typed values: quantities, formulas, several values, regions of the number line, relations, words.

of("(-2, 3]") -> Region;  of("x = 2, y = 3") -> Many of two Relations;  of("2\\\\sqrt{3} cm") -> Quantity;  of("x^2 - 1") -> Formula
"""

import re
from dataclasses import dataclass

from . import formula
from .markup import spell, squeeze
from .quantity import Quantity, ratio, read_number, read_quantity
from .units import read_unit

MAX_DEPTH, MAX_PARTS = 5, 60
CLOSING = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True)
class Formula:
    """An expression with unknowns, or one that the small reader cannot read."""

    text: str


@dataclass(frozen=True)
class Words:
    text: str


@dataclass(frozen=True)
class Many:
    """Several values. kind: list (any order), signs (±), set, parts (labelled a, b, c), vector, matrix, cases, or the two brackets."""

    text: str
    kind: str
    parts: tuple


@dataclass(frozen=True)
class Region:
    """A part of the number line: pieces (low, high, brackets) with values as ends; "x ≠ 2" has two."""

    text: str
    pieces: tuple


@dataclass(frozen=True)
class Relation:
    """A chain of sides (texts) with one sign: "v = d/t = 5", "x + y < 3"; a label with a colon is one too."""

    text: str
    sign: str
    sides: tuple

    @property
    def name(self):
        """The symbol that is given a value, squeezed: x of "x = 5"; "" where the first side is none."""
        first = self.sides[0]
        return re.sub(r"[{}\s\\]", "", squeeze(first)) if NAME.fullmatch(first) else ""


NAME = re.compile(
    r"""\s*(?:∠|\\triangle|\\overline|m\s?∠|Δ)?\s*\{?(?:\\?[a-zA-Zα-ωΑ-Ωħ]+|[A-Z]{1,4})\}?'*   # x, \det, ∠ APC
    (?:_\s*(?:\{[^{}]{0,20}\}|\w))?(?:\^\{?['*\w]+\}?)?\s*(?:\(\w(?:,\s*\w)*\))?\s*         # V_{max}, f(x)
    |\(\s*\w{1,3}(?:\s*,\s*\w{1,3}){1,5}\s*\)                                             # (p, q)
    |\[\w{1,8}(?:[\^{]*\d?[-+]\}?)?\]                                                     # [OH-]
    |(?:the\s)?[a-zA-Z]{3,20}(?:\s[a-zA-Z]{2,20}){0,3}\s*""",  # minimum value
    re.VERBOSE,
)
LABEL = re.compile(
    r"((?:[a-zA-Z]{2,20}(?:\s[a-zA-Z]{2,20}){0,3}|\[\w{1,8}[-+]?\]|[a-zA-Zα-ω]_?\w?)):\s*(?=[^\s=])([^:]+)"
)
SIDES = re.compile(r"[=≈≡]|(?<=\S)\s*∼(?=\s*[-+\d.])")
NOT_EQUAL = re.compile(r"(≠)")
BOUNDS = re.compile(r"(<=|>=|<|>)")
AND = re.compile(r"(?<![a-zA-Z\\])(?:and|or|i\.e\.|that is,?)(?![a-zA-Z])")
LINK = re.compile(r"^(?:so|then|thus|with|where)\s+(?=\S)")
PART = re.compile(r"(?:^|(?<=[\s;,.]))\(?(?P<label>[a-h]|i{1,3}|iv|v)[.)](?=[\s\d.$\\-])\s*")
LABELS = (tuple("abcdefgh"), ("i", "ii", "iii", "iv", "v"))
MATRIX = re.compile(
    r"([\[(]?)\s*\\begin\s*\{([pbvBV]?matrix|array)\}(?:\s*\{[^{}]*\})?(.*?)\\end\s*\{\2\}\s*[\])]?",
    re.S,
)
CASES = re.compile(r"\\?\{?\s*\\begin\s*\{cases\}(.*?)\\end\s*\{cases\}", re.S)
BUILDER = re.compile(r"\\?\{\s*[a-z]\s*(?:∈\s*\\mathbb\s*\{?R\}?\s*)?[|:]\s*(.+?)\s*\\?\}")
REAL = r"(?:\\mathbb\s*\{?\s*R\s*\}?|all\s+real\s+numbers?|R)"
ALL_BUT = re.compile(
    rf"(?:[a-zA-Z]\s*≠|{REAL}\s*(?:except|but|\\setminus|\\backslash|-)\s*(?:for\s+)?(?:[a-z]\s*=)?)\s*(\\?\{{?[^,=<>]{{1,40}}?\}}?)[\s.]*",
    re.I,
)
VARIABLE = re.compile(r"\s*[a-zA-Zα-ω](?:_\{?\w\}?)?\s*(?:\([a-z]\))?\s*")
WITH_UNIT = re.compile(r"(.*?(?:[\d})\]π]))\s*(?<!\^)([A-Za-zμΩ°¤][^\\]{0,40})")
SQUARE_UNITS = re.compile(
    r"(?:square|sq\.?|cubic)?\s*units?(?:\s*\^\s*\{?[23]\}?|\s(?:squared|cubed))?", re.I
)
ASIDE = re.compile(
    r"([^()]{1,60}?)\s*\(\s*(?:or|i\.e\.,?|about|approximately|≈|=)?\s*([^()]{1,60})\)"
)
FUNCTION_WORD = re.compile(r"(?:pi|ln|log|sin|cos|tan|exp|sqrt|infinity|inf)\b")


def of(text, marked=False):
    """The value that a text is. marked: letters behind a formula were set as text, so that they may be a unit."""
    marked = marked or bool(re.search(r"\\(?:text|mathrm|mbox)", text))
    return read(spell(text), marked, 0)


def read(text, marked=False, depth=0):
    """The value of a spelled text."""
    if depth > MAX_DEPTH:
        return Formula(text)
    if (quantity := read_quantity(text)) is not None:
        return quantity
    for reader in READERS:
        if (value := reader(text, marked, depth)) is not None:
            return value
    return Words(text) if is_words(text) else Formula(text)


def split_top(text, separators):
    """The text cut at separators that stand outside brackets."""
    parts, depth, start = [], 0, 0
    for at, sign in enumerate(text):
        if sign in "([{":
            depth += 1
        elif sign in ")]}":
            depth -= 1
        elif sign in separators and depth <= 0:
            parts.append(text[start:at])
            start = at + 1
    parts.append(text[start:])
    return [part.strip() for part in parts if part.strip()]


def read_matrix(text, marked, depth):
    """pmatrix, bmatrix, array, cases: a vector where it has one row or column; None for anything else."""
    if "\\begin" not in text or len(text) > 2000:
        return None
    text = re.sub(r"^[^=\\]{1,20}=\s*(?=\\?\{?\s*\\begin)", "", text)  # f(x) = \begin{cases}
    if match := CASES.fullmatch(text):
        rows = tuple(tuple(cell.strip(" ,") for cell in row) for row in cells_of(match[1]))
        return Many(text, "cases", rows)
    match = MATRIX.fullmatch(text)
    if not match or "\\begin" in match[3]:
        return None
    rows = [tuple(read(c.strip(), marked, depth + 1) for c in row) for row in cells_of(match[3])]
    if len(rows) == 1 or {len(row) for row in rows} == {1}:
        return Many(text, "vector", sum(rows, ()))
    return Many(text, "matrix", tuple(Many("", "vector", row) for row in rows))


def cells_of(body):
    """The cells of the rows between \\begin and \\end."""
    return [row.split("&") for row in re.split(r"\\\\|\\cr(?![a-z])", body) if row.strip()]


def read_parts(text, marked, depth):
    """ "(a) .15 (b) .148", "a. 3.6 km/h; b. 2.2 mi/h": parts that are labelled in order."""
    found = list(PART.finditer(text)) if len(text) < 1500 else []
    labels = tuple(match["label"] for match in found)
    if (
        len(found) < 2
        or labels not in (order[: len(labels)] for order in LABELS)
        or found[0].start()
    ):
        return None
    ends = [match.start() for match in found[1:]] + [len(text)]
    pieces = [
        text[m.end() : end].strip(" ;,").rstrip(".") for m, end in zip(found, ends, strict=True)
    ]
    pieces = [re.sub(r"[\s,;]+and$", "", piece) for piece in pieces]
    return Many(text, "parts", tuple(read(piece, marked, depth + 1) for piece in pieces))


def read_region(text, marked, depth):
    """Intervals, unions, inequalities in one unknown, set-builder, "all real numbers except 2"; None of a plain (1,2)."""
    if match := BUILDER.fullmatch(text):
        text = match[1]
    if (match := ALL_BUT.fullmatch(text)) and read_quantity(text) is None:
        end = read(match[1].strip("\\{} "), marked, depth + 1)
        low, high = Formula("-∞"), Formula("∞")
        return Region(text, ((low, end, "()"), (end, high, "()")))
    inner = re.sub(rf"^{VARIABLE.pattern}∈\s*", "", text)
    pieces = []
    for part in re.split(r"∪|\bU\b|(?<![a-zA-Z])or(?![a-zA-Z])", inner):
        piece = interval(part.strip()) or bounds(part.strip())
        if piece is None:
            return None
        low, high = (read(end, marked, depth + 1) for end in piece[:2])
        pieces.append((low, high, piece[2]))
    plain = len(pieces) == 1 and inner == text and pieces[0][2] in ("()", "[]") and text[-1] in ")]"
    return None if plain and "∞" not in text else Region(text, tuple(pieces))


def interval(text):
    """("0", "1", "[)") of "[0, 1)"; None for anything else."""
    if text[:1] not in ("(", "[") or text[-1:] not in (")", "]"):
        return None
    ends = split_top(text[1:-1], ",;")
    return (*ends, text[0] + text[-1]) if len(ends) == 2 and balanced(text[1:-1]) else None


def bounds(text):
    """An inequality in one unknown as an interval: "-793 < a < 10" -> ("-793", "10", "()"); None else."""
    parts = [part.strip() for part in BOUNDS.split(text)]
    if len(parts) == 3:  # x < 5 as -∞ < x < 5, 5 > x as 5 > x > -∞
        ends = {"<": ("-∞", "∞"), ">": ("∞", "-∞")}[parts[1][0]]
        if VARIABLE.fullmatch(parts[0]) and is_closed(parts[2]):
            parts = [ends[0], parts[1][0], *parts]
        elif VARIABLE.fullmatch(parts[2]) and is_closed(parts[0]):
            parts = [*parts, parts[1][0], ends[1]]
    if len(parts) != 5 or not VARIABLE.fullmatch(parts[2]) or parts[1][0] != parts[3][0]:
        return None
    low, first, _, second, high = parts if parts[1][0] == "<" else parts[::-1]
    return low, high, ("[" if "=" in first else "(") + ("]" if "=" in second else ")")


def is_closed(text):
    """Is a text a formula without unknowns?"""
    tree = formula.read(text)
    return tree is not None and not formula.symbols(tree)


def balanced(text):
    depth = 0
    for sign in text:
        depth += (sign in "([{") - (sign in ")]}")
        if depth < 0:
            return False
    return depth == 0


def read_many(text, marked, depth):
    """Lists, sets and tuples, perhaps behind "x ∈"; one value in two forms."""
    text = re.sub(rf"^{VARIABLE.pattern}∈\s*", "", text)
    if found := read_forms(text, marked, depth):
        return found
    inner, kind = opened(text)
    separators = ";" if kind == "list" and split_top(inner, ";")[1:] else ",;"
    parts = [LINK.sub("", part) for part in split_top(AND.sub(",", inner), separators)]
    if len(parts) > MAX_PARTS:
        return None
    if len(parts) < 2 and kind != "set":
        grouped = inner is not text and kind in ("list", "()")  # (5) is 5, [5] is a list
        return read(inner.strip(), marked, depth + 1) if grouped else None
    return Many(text, kind, regrouped([read(part, marked, depth + 1) for part in parts]))


def read_forms(text, marked, depth):
    """72 km/h (20 m/s) as a list of two quantities, 1 ± \\sqrt{2} as the values of both signs; None of anything else."""
    if match := ASIDE.fullmatch(text):
        both = tuple(read_quantity(part.strip()) for part in match.groups())
        if all(both) and (both[0].unit or both[0].percent or both[1].percent or "." in text):
            return Many(text, "list", both)
    if not re.search("[±∓]", text) or split_top(text, ",;")[1:]:
        return None
    parts = [text.translate(str.maketrans("±∓", signs)) for signs in ("+-", "-+")]
    return Many(text, "signs", tuple(read(part, marked, depth + 1) for part in parts))


def opened(text):
    """(what stands inside, kind) of a text in brackets; (the text, "list") of any other. Bare braces only group in LaTeX."""
    if text[:2] == "\\{" and text[-2:] == "\\}" and balanced(text[2:-2].replace("\\", "")):
        return text[2:-2], "set"
    if text[:1] not in CLOSING or text[-1:] not in (")", "]", "}") or not balanced(text[1:-1]):
        return text, "list"
    return text[1:-1], "list" if text[0] == "{" else text[0] + text[-1]


def regrouped(parts):
    """Solutions in several unknowns as tuples: p=5, q=2, p=7, q=2 -> (5,2), (7,2)."""
    names = [part.name if isinstance(part, Relation) else "" for part in parts]
    order = list(dict.fromkeys(names))
    size = len(order)
    if not all(names) or size < 2 or len(parts) == size or len(parts) % size:
        return tuple(parts)
    groups = [parts[i : i + size] for i in range(0, len(parts), size)]
    if any([part.name for part in group] != order for group in groups):
        return tuple(parts)
    return tuple(Many("", "()", tuple(read(p.sides[-1]) for p in group)) for group in groups)


def read_relation(text, marked, depth):
    """Equations, chains, inequalities in several unknowns, labels ("minimum: 1"); None for anything else."""
    label = LABEL.fullmatch(text)
    if label and ratio(text) is None and not SIDES.search(label[2]):
        return Relation(text, "=", (label[1], label[2]))
    if "∝" in text or text[:1] == "∼":
        return Relation(text, "∝", (text.rpartition("∝")[2].strip("∼ "),))
    for splitter in (NOT_EQUAL, BOUNDS):
        if splitter.search(text):
            parts = [part.strip() for part in splitter.split(text)]
            return Relation(text, "".join(parts[1::2]), tuple(parts[::2])) if all(parts) else None
    sides = split_top(SIDES.sub("=", text), "=")
    if not sides or sides == [text]:
        return None
    return Relation(text, "≈" if "≈" in text else "=", tuple(sides))


def read_closed(text, marked, depth):
    """A closed formula, perhaps with a unit, as an exact Quantity: 2\\sqrt{3} cm, 5!, 25π/4 square units; None of others."""
    if (value := closed(text)) is not None:
        return value
    match = WITH_UNIT.fullmatch(text) if len(text) < 200 and "=" not in text else None
    if not match or (value := closed(match[1])) is None:
        return None
    if SQUARE_UNITS.fullmatch(match[2].strip()):
        return value
    if len(match[2].strip(" .")) == 1 and not marked:
        return None  # a bare letter may be a variable
    quantity = read_quantity(f"1 {match[2]}")
    if quantity is None or not (quantity.unit or quantity.percent or quantity.noun):
        return None
    return Quantity(
        value.value * quantity.value,
        quantity.unit,
        value.digits,
        quantity.percent,
        noun=quantity.noun,
        exact=value.exact,
        text=text,
    )


def closed(text):
    """The Quantity of a formula without unknowns: exact where no decimal of six places is it."""
    if (quantity := read_quantity(text)) is not None:
        return quantity
    value = formula.number(text)
    if value is None or abs(value.imag) > 1e-9:
        return None
    digits = 3 if re.search(r"\d\.\d", text) else None
    rational = any(
        abs(value.real * low - round(value.real * low)) < 1e-9 * low for low in range(1, 1000)
    )
    return Quantity(value.real, "", digits, exact=digits is None and not rational, text=text)


def read_led(text, marked, depth):
    """The number that leads a longer text: "5.0 m/s (taken as constant)", "3.2 m/s, which is slow"; None without a unit."""
    head = read_number(text)
    if not head or len(text) > 200:
        return None
    rest = re.split(r"\s+(?=[a-z]{3,}\b)|[,;(]", text[head[3] :].strip() + " ", maxsplit=1)
    unit = read_unit(rest[0].strip()) if len(rest) > 1 and rest[0].strip() else None
    if not unit or re.search(r"\d", rest[1]):
        return None
    return Quantity(head[0] * unit[1], unit[0], head[1], scientific=head[2], text=text)


READERS = (read_matrix, read_parts, read_region, read_many, read_relation, read_closed, read_led)


def is_words(text):
    """Plain words, such as "even" or "the midpoints form a hexagon": to be compared as words."""
    flat = text.strip("() .")
    if re.search(r"[\\^_=<>+*/\d{}\[\]|]", flat) or FUNCTION_WORD.match(flat):
        return False
    return bool(
        re.search(r"[A-Za-z]{4}|[A-Za-z]{0,2}[AEIOUYaeiouy][A-Za-z]{0,2}(?<=\b\w{3})\b", flat)
    )
