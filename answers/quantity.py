"""Numbers with their units as people write them, compared with the care of a marker.

parse_quantity(r"2\\sqrt{3}\\,\\mathrm{mol\\,L^{-1}}") -> Quantity(value=3.46..., unit=Unit(...))
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
WORD_NUMBERS = dict(zip(ONES + TENS, [*range(20), *range(20, 100, 10)], strict=True))
MULTIPLES = dict(
    dozen=12, hundred=100, thousand=10**3, million=10**6, billion=10**9, trillion=10**12
)
WORDS = "|".join(MULTIPLES)


@dataclass(frozen=True)
class Quantity:
    value: float  # in the unit
    unit: Unit | None = None
    digits: int | None = None  # significant digits; None where it is exact (integer, fraction)
    noun: str = ""  # what is counted, where there is no unit: "apple"


LEAD = re.compile(
    r"""^\s*(?:about|approx(?:imately|\.)?|around|roughly|nearly|almost|exactly|only|just|some|at
    |a\stotal\sof|[≈∼=])\s*(?=\S)""",
    re.VERBOSE | re.I,
)
MONEY = re.compile(r"^(-?)\s*[¤£€]\s*(.*)")  # $5
UNSURE = re.compile(  # 5.3(2) m, 5.0 ± 0.2 cm
    r"^\(?([-+]?\d[\d.]*)(?:\(\d{1,2}\)(?=\s*[A-Za-z%°*])|\s*(?:±|\+/-)\s*\d*\.\d+\)?)"
)
LITERAL = re.compile(  # 12, 0.5, 6.02*10^{23}, 1e5
    r"[-+]?\s*(\d*\.?\d*)(\s*\*\s*10\s*\^[-+\s\d{}()]*|[eE][-+]?\d+)?"
)
WITH_UNIT = re.compile(  # a number or closed formula, and what stands behind it
    r"""(?P<number>[^=]*?[\d})\]π!.])\s*(?:-\s*(?=[a-zA-Z]))?
    (?P<rest>(?:1?\s*/\s*)?(?!e[-+]?\d)(?:\\frac\s*\{\s*[A-Za-z]|[A-Za-zμΩÅ°℃¤¢%])[^=]{0,80})""",
    re.VERBOSE,
)
SCALE = re.compile(rf"({WORDS}|k(?=\s[a-z]{{3}}))s?\b\s*", re.I)
BEHIND = re.compile(  # 7.5 m/s at 30° above the horizontal, 2.5 g of Ca(OH)2, 5 apples, not 2ab
    r"""(?!.*\b(?:or|and|plus|minus|times\s|to\s*(?:\d|$)|if|mod|yields|gives|is|are|was|has)\b)
    (?=,?\s|of\s|[A-Za-z]{3})[\s,]*(?:at\s[\d.]+\s*°)?(?:[^\d=;]*|(?:of\s)?[A-Z]\S*)""",
    re.VERBOSE,
)
RATIO = re.compile(r"(\d+(?:\.\d+)?)\s*(?::|\s(?:in|out\sof)\s)\s*(\d+(?:\.\d+)?)")
LOOSE_UNIT = re.compile(r"pound|ppm|electron_volt|mole.*kilogram")  # of force, by mass, molal


def words_to_number(text):
    """ "twenty-three" -> 23, "a dozen" -> 12; None for anything else."""
    text = re.sub(rf"^(?:an? |(?={WORDS}))", "one ", text.lower())
    words = re.findall(r"[a-z]+|[^\sa-z-]", text)
    last = words[-1].removesuffix("s") if words else ""
    times = MULTIPLES.get(last)
    values = [WORD_NUMBERS.get(word, -1) for word in (words[:-1] if times else words)]
    one_number = len(values) == 1 or len(values) == 2 and values[0] > 19 and 0 < values[1] < 10
    return float(sum(values) * (times or 1)) if one_number and min(values) >= 0 else None


def parse_quantity(text):
    """The one number with its unit that the whole text is, or None."""
    return read_quantity(spell(text)) if len(text) <= 300 else None


@functools.lru_cache(maxsize=4096)
def read_quantity(text):
    if len(text) > 200:
        return None
    text = UNSURE.sub(r"\1", MONEY.sub(r"\1\2 ¤", LEAD.sub("", text)))
    if share := RATIO.fullmatch(text):  # 3:1, 1 in 36; "1 to 7" may be a range
        text = f"{share[1]}/{share[2]}"
    if number := closed(text):
        return number
    if match := WITH_UNIT.fullmatch(text):
        number, rest = closed(match["number"]), match["rest"]
        return number and attach_unit(number, rest)
    value = words_to_number(text)
    return None if value is None else Quantity(value)


def closed(text):
    """The Quantity of a number or of a formula without unknowns; None of anything else."""
    value = formula.number(text)
    if value is None or abs(value.imag) > 1e-9 * max(1, abs(value.real)):
        return None
    literal = LITERAL.fullmatch(text)
    if not re.search(r"\.\d", text) and not (literal and literal[2]):
        return Quantity(value.real)
    digits = literal[1].replace(".", "").lstrip("0") if literal else "123"
    return Quantity(value.real, digits=len(digits) or 1)


def attach_unit(number, rest):
    """The number with the unit or noun that the rest begins with; None without one."""
    if scale := SCALE.match(rest):
        number = replace(number, value=number.value * (MULTIPLES.get(scale[1].lower(), 1000)))
        rest = rest[scale.end() :]
    name = unit_after(rest)
    name = "" if name == "in" != rest else name  # 5 in total
    behind = rest[len(name) :]
    if behind and not BEHIND.fullmatch(behind):
        unit = read_unit(rest)  # J/(mol K)
        return unit and replace(number, unit=unit)
    return replace(number, unit=read_unit(name), noun="" if name else behind.rstrip("s"))


def half_digit(value, digits):
    """Half a unit of the last significant digit of value."""
    return 0.5 * 10.0 ** (math.floor(math.log10(abs(value) or 1)) - digits + 1) * (1 + 1e-9)


def same_quantity(value, reference, rel_tol=None):
    """True, False or None of two Quantities. A unit that only one side has is accepted."""
    one, two = value.unit, reference.unit
    if one and two and one != two:
        return same_converted(value, reference, rel_tol)
    if one != two and "percent**1" in (one or two).name:
        by_hundred = replace(value, value=value.value / 100 if one else value.value * 100)
        if same_number(by_hundred, reference, rel_tol):
            return True
    verdict = same_number(value, reference, rel_tol)
    other = value.noun != reference.noun and value.noun and reference.noun
    return None if verdict and other else verdict  # 4 protons are not 4 electrons


def same_converted(value, reference, rel_tol):
    one, two = value.unit, reference.unit
    if one.dimension != two.dimension:
        return None if LOOSE_UNIT.search(f"{one.name} {two.name}") else False
    if not reference.value and one.zero != two.zero:
        return None  # 273 K for 0 °C
    base = value.value * one.size + one.zero
    value = replace(value, value=(base - two.zero) / two.size)
    return same_number(value, replace(reference, digits=reference.digits or 3), rel_tol)


def same_number(value, reference, rel_tol):
    """Equal, or within the digits of a decimal reference, or 1 % of it."""
    gap, size = abs(value.value - reference.value), abs(reference.value)
    if not math.isfinite(gap):
        return False
    if rel_tol is not None:
        return gap <= rel_tol * size + 1e-12
    if gap <= 1e-9 * max(abs(value.value), size):
        return True
    if reference.digits:
        digit = half_digit(reference.value, reference.digits)
        return gap <= max(0.01 * size, min(digit, 0.1 * size))
    return value.digits is not None and rounded(value, reference, gap)


def rounded(value, reference, gap):
    """Is a decimal an exact reference, rounded? An integer with a unit or % (298 K) was rounded by
    its author: what rounds to it agrees."""
    wanted = reference.value
    if not (wanted * 10**6).is_integer():  # 0.667 for 2/3, 2.236068 for the root of 5, not 2.24
        rational = any(abs(wanted * n - round(wanted * n)) < 1e-9 * n for n in range(1, 1000))
        enough = value.digits >= (3 if rational else 7)
        return enough and gap <= half_digit(value.value, value.digits)
    unit = reference.unit.name if reference.unit else ""
    if gap > min(0.5, 0.01 * abs(wanted)) or unit in ("", "dollar**1"):
        return False
    return None if unit == "degree**1" else True  # measured in physics, exact in geometry
