"""Numbers with their units as people write them: read without eval, compared with the care of a
marker.

parse_quantity(r"1.2 \\times 10^{-3}\\,\\mathrm{mol\\,L^{-1}}") -> Quantity(value=0.0012, unit=Unit("mole**1*liter**-1", ...))
parse_quantity(r"2\\sqrt{3} cm") -> Quantity(value=3.46..., exact=True, ...);  parse_quantity("x + 1") -> None
"""

import functools
import math
import re
from dataclasses import dataclass, replace

from . import formula
from .markup import spell
from .units import Unit, read_unit, unit_after

ONES = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen
    fifteen sixteen seventeen eighteen nineteen""".split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
WORD_NUMBERS = {word: i for i, word in enumerate(ONES)}
WORD_NUMBERS |= {word: 10 * i for i, word in enumerate(TENS, 2)}
SCALES = {"k": 10**3, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
SMALL_SCALES = {"dozen": 12, "hundred": 100}
PARTS = dict(half=2, third=3, quarter=4, fourth=4, fifth=5, sixth=6, eighth=8, tenth=10)


@dataclass(frozen=True)
class Quantity:
    value: float  # in the unit
    unit: Unit | None = None
    digits: int | None = None  # significant digits; None where it is exact (integer, fraction)
    percent: bool = False
    noun: str = ""  # what is counted: "apples"
    exact: bool = False  # a closed formula such as 2 sqrt(3): no decimal of a few digits is it


ABOUT = re.compile(r"^\s*(?:about|approx(?:imately|\.)?|around|roughly|nearly|almost|≈|∼)\s*", re.I)
CLEAN = (  # what stands around a number and its unit
    (re.compile(r"^\s*(?:=|exactly|only|just|at|some|a total of)\s*(?=\S)", re.I), ""),
    (re.compile(r"\s*\\(?:hat|vec)\s*\{?[a-z]\}?\s*$"), ""),  # 6.0 N \hat{x}
    (re.compile(r"^(?:minus|negative)\s+(?=\d)"), "-"),
    (re.compile(r"^(-?)\s*¤\s*(.*)"), r"\1\2 ¤"),  # $5
    (re.compile(r"^(-?)\s*[£€]\s*"), r"\1"),
    (re.compile(r"(?<=[\w%°])\s*\((?!or\b|and\b|mod\b)[A-Za-z ]{3,30}\)$"), ""),  # 2.7 K (Kelvin)
    (re.compile(r"^([-+]?\d+\.\d+)\(\d{1,2}\)(?=\s*(?:[A-Za-z%°]|\*\s*10))"), r"\1"),  # 5.3(2) m
    (re.compile(r"^\(?\s*([-+]?[\d.]+)\s*(?:±|\+/-)\s*\d*\.\d+\)?"), r"\1"),  # 5.0 ± 0.2 cm
    (re.compile(r"(?<=\d) (?=\d{3}(?!\d|[./]))"), ""),  # 12 500
    (re.compile(r"^(\d{1,9})\s+(?:in|out\s+of)\s+(\d{1,9})$"), r"\1/\2"),  # 1 in 36
)
REPEATED = re.compile(
    r"(\d{1,9})\.(\d{0,20}?)(?:(?:\\overline|\\bar)\s*\{(\d{1,9})\}|(\d{1,6}?)\4+\.\.\.)"
)
LITERAL = re.compile(  # 12, 0.5, 6.02*10^{23}, 1e5
    r"[-+]?\s*(\d*\.?\d*)(\s*\*\s*10\s*\^\s*\{?\s*\(?[-+]?\s*\d+\s*\)?\}?|[eE][-+]?\d+)?"
)
WITH_UNIT = re.compile(  # a number or closed formula, and what stands behind it
    r"(?P<number>[^=]*?[\d})\]π!.])\s*(?P<rest>(?:1?\s*/\s*)?(?!e[-+]?\d)(?:\\frac\s*\{\s*[A-Za-z]|[A-Za-zμΩÅ°℃¤¢%-])[^=]{0,80}|)"
)
SINE = re.compile(r"(?:sin|cos|tan|cot|sec|csc)[^a-z].*°")  # of an angle, no angle itself
SCALE = re.compile(r"(hundred|thousand|million|billion|trillion|k(?=\s[a-z]{3}))s?\b\s*", re.I)
PERCENT = re.compile(
    r"""(?:(?:mol|wt|vol|mass|[wvm]/[wvm])\.?\s?)?(?:%|pct|percent|percentage\ points?)
    \s*(?:of\s.*|[a-z ]{0,40})?""",
    re.VERBOSE,
)
TAIL = re.compile(  # 7.5 m/s at 30° above the horizontal, 6.0 N to the left, 2.5 g of Ca(OH)2
    r"""(?!.*\b(?:or|plus|minus|times|if|mod)\b),?\s+(?:at\s+[\d.]+\s*°[^\d]*
    |(?:of\s+)?(?:[A-Z][a-z]?[\d_{}()\[\]]*){1,9}|[a-zA-Z][^\d=;]*)""",
    re.VERBOSE,
)
NOUN = re.compile(r"(?:of\s(?:an?\s)?)?[A-Za-z]{3}[A-Za-z,'() -]{0,60}")  # but 2ab is a formula
NO_NOUN = re.compile(
    r"\b(?:or|and|plus|minus|times(?=\s)|to|if|pi|mod|yields|gives|is|are|was|has)\b"
)
PARTICLE = re.compile(r"proton|neutron|electron|positron|photon")
COMPOUND = re.compile(  # 3 h 20 min
    r"\d[\d.]*\s*[a-zA-Z°']{1,8}(?:,?\s*(?:and\s+)?\d[\d.]*\s*[a-zA-Z'\"]{1,8}){1,2}"
)
LOOSE_UNIT = re.compile(r"pound|ppm|electron_volt|mole.*kilogram")  # of force, by mass, molal
RATIO = re.compile(r"(?<![\w.:])(\d+(?:\.\d+)?)\s*(?::|\s+to\s+)\s*(\d+(?:\.\d+)?)(?![\w:]|\.\d)")


def words_to_number(text):
    """ "twenty-three" -> 23, "two and a half" -> 2.5, "a dozen" -> 12; None for anything else."""
    words = re.findall(r"[a-z]+|[^\sa-z-]", text.lower())
    if not 0 < len(words) <= 12:
        return None
    if words[0] in ("minus", "negative"):
        below = words_to_number(" ".join(words[1:]))
        return None if below is None else -below
    if words[0] == "a" and len(words) > 1:
        words[0] = "one"
    if len(words) == 2 and (part := PARTS.get(words[1].removesuffix("s"))):
        top = WORD_NUMBERS.get(words[0])
        return top / part if top else None
    if words[-3:] == ["and", "a", "half"]:
        whole = whole_number(words[:-3])
        return None if whole is None else whole + 0.5
    return 0.5 if words == ["half"] else whole_number(words)


def whole_number(words):
    """two million three hundred and five -> 2000305; None for anything else."""
    total = current = 0
    for word in words:
        if word in WORD_NUMBERS:
            current += WORD_NUMBERS[word]
        elif word in SMALL_SCALES:
            current = (current or words[0] == word) * SMALL_SCALES[word]
        elif word in SCALES:
            total, current = total + (current or words[0] == word) * SCALES[word], 0
        elif word != "and" or not (total or current):
            return None
    return float(total + current) if words else None


def parse_quantity(text):
    """The one number with its unit that the whole text is, or None. Never raises."""
    return read_quantity(spell(text)) if len(text) <= 300 else None


@functools.lru_cache(maxsize=4096)
def read_quantity(text):
    """parse_quantity of a spelled text."""
    if len(text) > 200 or not re.search(r"[\dπe]|[a-z]{3}", text) or SINE.search(text):
        return None
    text = ABOUT.sub("", text)
    for pattern, by in CLEAN:
        text = pattern.sub(by, text).strip()
    text = REPEATED.sub(as_fraction, text)
    found = compound(text) if COMPOUND.fullmatch(text) else None
    if found := found or number_and_unit(text):
        return found
    if (value := words_to_number(text)) is not None:
        return Quantity(value)
    return None if WITH_UNIT.fullmatch(text) else words_and_unit(text)


def number_and_unit(text):
    """A number or closed formula, alone or with its unit."""
    if number := closed(text):
        return number
    match = WITH_UNIT.fullmatch(text)
    number = closed(match["number"]) if match else None
    return attach_unit(number, match["rest"]) if number else None


def words_and_unit(text):
    """five apples"""
    head, _, rest = text.partition(" ")
    value = words_to_number(head) if rest.count(" ") < 2 else None
    return None if value is None else attach_unit(Quantity(value), rest)


def closed(text):
    """The Quantity of a number or of a formula without unknowns; None of anything else."""
    value = formula.number(text)
    if value is None or abs(value.imag) > 1e-9 * max(1, abs(value.real)):
        return None
    literal, value = LITERAL.fullmatch(text), value.real
    if literal and "." in literal[1]:
        return Quantity(value, digits=len(literal[1].replace(".", "").lstrip("0")) or 1)
    if literal:  # 3*10^8 has one digit, 10^8 is exact
        rough = literal[2] and literal[1] != "10"
        return Quantity(value, digits=max(1, len(literal[1].strip("0"))) if rough else None)
    if re.search(r"\d\.\d|\.\d", text):
        return Quantity(value, digits=3)
    rational = any(abs(value * n - round(value * n)) < 1e-9 * n for n in range(1, 1000))
    return Quantity(value, exact=not rational)


def as_fraction(match):
    """0.1\\overline{6} or 0.1666... as (0.1+6/90)."""
    whole, decimals, period = match[1], match[2], match[3] or match[4]
    return (
        f"({whole}.{decimals or 0}+{int(period)}/{(10 ** len(period) - 1) * 10 ** len(decimals)})"
    )


def compound(text):
    """Several units of one dimension, the larger first, as one quantity: 3 h 20 min, 5 ft 6 in."""
    pairs = re.findall(r"(\d+(?:\.\d+)?)\s*([a-zA-Z°]+)", text.replace("and", " "))
    units = [read_unit(unit) for _, unit in pairs]
    if len(pairs) < 2 or None in units or len({unit.dimension for unit in units}) > 1:
        return None
    sizes = [unit.size for unit in units]
    if sizes != sorted(sizes, reverse=True):
        return None
    total = sum(float(number) * size for (number, _), size in zip(pairs, sizes, strict=True))
    return Quantity(total / sizes[0], units[0], 6)


def ratio(text):
    """3.0 of "3:1" or "3 to 1"; None for anything else."""
    text = ABOUT.sub("", text.strip().strip("$").rstrip("."), count=1)
    match = RATIO.fullmatch(text) if len(text) < 60 else None
    return float(match[1]) / float(match[2]) if match and float(match[2]) else None


def attach_unit(number, rest):
    """The number with the unit or noun that the rest of the text is; None where it is neither."""
    rest = re.sub(r"^\s*-\s*(?=[a-zA-Z])", "", rest).strip()
    if scale := SCALE.match(rest):
        number = replace(number, value=number.value * SCALES.get(scale[1].lower(), 100))
        rest = rest[scale.end() :]
    if not rest:
        return number
    if PERCENT.fullmatch(rest):
        return replace(number, percent=True)
    if unit := read_unit(rest):
        return replace(number, unit=unit)
    name = unit_after(rest)
    if name not in ("", "in") and TAIL.fullmatch(rest[len(name) :]):
        return replace(number, unit=read_unit(name))
    return replace(number, noun=rest) if NOUN.fullmatch(rest) and not NO_NOUN.search(rest) else None


def close(value, reference, digits, rel_tol=None):
    """Is value the reference? Exact references (digits None) ask for equality, decimals for the
    reference's digits or 1 %."""
    if not (math.isfinite(value) and math.isfinite(reference)):
        return value == reference
    gap, size = abs(value - reference), abs(reference)
    if rel_tol is not None:
        return gap <= rel_tol * size + 1e-12
    if gap <= 1e-9 * max(abs(value), size):
        return True
    if digits is None or reference == 0:
        return False
    return gap <= max(0.01 * size, min(half_digit(reference, digits), 0.1 * size))


def half_digit(value, digits):
    """Half a unit of the last of so many significant digits of value."""
    return 0.5 * 10.0 ** (math.floor(math.log10(abs(value) or 1)) - digits + 1) * (1 + 1e-9)


def same_quantity(value, reference, rel_tol=None):
    """True, False or None of two Quantities: a unit that only one side has is accepted, convertible
    ones are converted, others differ."""
    one, two = value.unit, reference.unit
    if one and two and one != two:
        if one.dimension == two.dimension:
            return same_converted(value, reference, rel_tol)
        return None if LOOSE_UNIT.search(f"{one.name} {two.name}") else False
    particles = [PARTICLE.match(q.noun) for q in (value, reference)]
    if all(particles) and particles[0][0] != particles[1][0]:
        return False  # 4 protons are not 4 electrons
    if value.percent != reference.percent:
        by_hundred = value.value / 100 if value.percent else value.value * 100
        if same_number(replace(value, value=by_hundred), reference, rel_tol):
            return True
    return same_number(value, reference, rel_tol)


def same_converted(value, reference, rel_tol):
    """Quantities of one dimension in two units; 0 °C is 273 K to half a degree."""
    (_, _, size, zero), (_, _, wanted_size, wanted_zero) = value.unit, reference.unit
    base, wanted = value.value * size + zero, reference.value * wanted_size + wanted_zero
    if zero != wanted_zero and reference.value == 0:
        return abs(base - wanted) <= 0.5
    converted = (base - wanted_zero) / wanted_size
    digits = reference.digits or whole_digits(reference.value)
    digits_back = None if value.digits is None else value.digits or 3
    there = close(converted, reference.value, digits, rel_tol)
    return there or close(wanted, base, digits_back, rel_tol)


def same_number(value, reference, rel_tol):
    """Two numbers in one unit. An integer with a unit of measurement or % (298 K) was rounded by
    its author: what rounds to it agrees."""
    if close(value.value, reference.value, reference.digits, rel_tol):
        return True
    if rel_tol is not None or reference.digits is not None or value.digits is None:
        return False
    gap, size = abs(value.value - reference.value), abs(reference.value)
    if reference.exact:  # 2.236068 for the root of 5, not 2.24
        return value.digits >= 6 and gap <= 5e-7
    if not (reference.value * 10**6).is_integer():  # 0.667 for 2/3, but 17/16 has a decimal
        return value.digits >= 3 and gap <= half_digit(value.value, value.digits)
    near = whole_digits(reference.value) > 1 and gap <= min(0.5, 0.01 * size)
    unit = reference.unit.name if reference.unit else ""
    if near and unit == "degree**1":  # measured in physics, exact in geometry
        return None
    return near and (reference.percent or unit not in ("", "dollar**1"))


def whole_digits(value):
    """Digits that an integer was written to, at least 2: 1900 -> 2, 298 -> 3."""
    return max(2, len(f"{abs(value):.0f}".rstrip("0")))
