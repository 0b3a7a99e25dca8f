"""Numbers with their units as people write them: parsed without eval, converted by pint, compared with the care of a marker.

parse_quantity(r"1.2 \\times 10^{-3}\\,\\mathrm{mol\\,L^{-1}}") -> Quantity(value=0.0012, unit="(mole)**1*(liter)**-1", ...)
"""

import functools
import math
import re
from dataclasses import dataclass, replace

from .markup import spell
from .units import read_unit, unit_info

ONES = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen
    fifteen sixteen seventeen eighteen nineteen""".split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
WORD_NUMBERS = {word: i for i, word in enumerate(ONES)}
WORD_NUMBERS |= {word: 10 * i for i, word in enumerate(TENS, 2)}
SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
SMALL_SCALES = {"dozen": 12, "hundred": 100}
PARTS = dict(half=2, third=3, quarter=4, fourth=4, fifth=5, sixth=6, eighth=8, tenth=10)


@dataclass(frozen=True)
class Quantity:
    """value without the unit; unit in pint's language ("" = none)."""

    value: float
    unit: str = ""
    digits: int | None = None  # significant digits; None where it is exact (integer, fraction)
    percent: bool = False
    noun: str = ""  # what is counted: "apples"
    exact: bool = False  # a closed formula such as 2 sqrt(3): no decimal of a few digits is it


FRACTION = re.compile(  # \frac{1}{2}, \frac12; 1\frac{4}{5} is 1 4/5
    r"(\d?)\s*\\frac\s*(?:\{\s*(-?[\d.]{1,15})\s*\}\s*\{\s*([\d.]{1,15})\s*\}|(\d)\s?(\d)(?!\d))"
)
NUMBER = re.compile(
    r"""(?P<sign>[-+]?)\s*(?:¤|USD|€|£)?\s*(?P<sign2>-?)
    (?:(?P<whole>\d{1,6})\s+(?P<num>\d{1,4})/(?P<den>\d{1,4})(?![\d.])           # 1 4/5
    |(?P<dec>[1-9]\d{0,2}(?:[ ]\d{3})+(?![\d.])|\d+(?:\.\d*)?|\.\d+)
     (?P<again>(?:\\overline|\\bar)\s*\{\d{1,9}\}|\.\.\.)?                     # 0.\overline{3}, 0.333...
     (?:\s*/\s*(?P<over>\d+(?:\.\d+)?)(?!\s*\^|\d))?)
    (?:(?P<e>[eE][-+]?\d{1,4})(?![\w.])
      |\s*(?:\*|x|X|\.)?\s*10\s*\^\s*\{?\s*\(?(?P<ten>[-+]?\s*\d{1,4})\s*[})]?
      |\s*\*\s*1(?P<one>[eE][-+]?\d{1,4}))?                                 # 2.6*1e5""",
    re.VERBOSE,
)
POWER = re.compile(r"(?P<sign>[-+]?)\s*10\s*\^\s*\{?\s*(?P<ten>[-+]?\s*\d{1,4})\s*\}?")
SCALE = re.compile(r"\s*(hundred|thousand|million|billion|trillion)s?\b", re.I)
ABOUT = re.compile(r"\s*(?:about|approx(?:imately|\.)?|around|roughly|nearly|almost|≈|∼)\s*", re.I)
CLEAN = (  # what stands around a number and its unit
    (re.compile(r"^\s*(?:=|exactly|only|just|at|some|a total of)\s*(?=\S)", re.I), ""),
    (re.compile(r"\s*\\(?:hat|vec)\s*\{?[a-z]\}?\s*$"), ""),  # 6.0 N \hat{x}
    (re.compile(r"^(?:minus|negative)\s+(?=\d)"), "-"),
    (re.compile(r"^\(([^()]*)\)$"), r"\1"),
    (re.compile(r"(?<=[\w%°])\s*\((?!or\b|and\b|mod\b)[A-Za-z ]{3,30}\)$"), ""),  # 2.7 K (Kelvin)
    (re.compile(r"^([-+]?\d+\.\d+)\(\d{1,2}\)(?=\s*(?:[A-Za-z%°]|\*\s*10))"), r"\1"),  # 5.3(2) m
    (re.compile(r"^(\d{1,9})\s+(?:in|out\s+of)\s+(\d{1,9})$"), r"\1/\2"),  # 1 in 36
)
SPREAD = re.compile(  # 5.0 ± 0.2 cm
    r"\(?\s*([-+]?[\d.]+)\s*(?:±|\+/-)\s*([\d.]+)\s*([^\s)]{0,9})\)?(.*)"
)
PERCENT = re.compile(
    r"""(?:(?:mol|wt|vol|mass|[wvm]/[wvm])\.?\s?)?(?:%|percent|percentage\ points?)
    \s*(?:of\s.*|[a-z ]{0,40})?""",
    re.VERBOSE,
)
TAIL = re.compile(  # 7.5 m/s at 30° above the horizontal, 6.0 N to the left, 2.5 g of Ca(OH)2
    r"""(\S+(?:\s(?!of\b)\S+)?)\s+(?:(?:of\s)?[(\[]?(?:[A-Z][a-z]?[\d_{}()\[\]]*){1,9}$
    |(?:to|towards?|from|in|on|at|of|for|above|below|per|downward|upward|left|right
    |north|south|east|west|and|away|clockwise|along|directed)\w*\b.*)""",
    re.VERBOSE,
)
NOUN = re.compile(r"(?:of\s(?:an?\s)?)?[A-Za-z]{3}[A-Za-z,'() -]{0,60}")  # but 2ab is a formula
PARTICLE = re.compile(r"proton|neutron|electron|positron|photon")
NO_NOUN = re.compile(r"\b(?:or|and|plus|minus|times(?=\s)|to|if|pi|mod)\b")
COMPOUND = re.compile(  # 3 h 20 min
    r"\d[\d.]*\s*[a-zA-Z°']{1,8}(?:,?\s*(?:and\s+)?\d[\d.]*\s*[a-zA-Z'\"]{1,8}){1,2}"
)
LOOSE_UNIT = re.compile(
    r"pound|ppm|electron_volt|mole.*kilogram"
)  # of force, by mass, / c^2, molal
RATIO = re.compile(r"(?<![\w.:])(\d+(?:\.\d+)?)\s*(?::|\s+to\s+)\s*(\d+(?:\.\d+)?)(?![\w:]|\.\d)")


def words_to_number(text):
    """ "twenty-three" -> 23, "two and a half" -> 2.5, "a dozen" -> 12; None for anything else."""
    words = re.findall(r"[a-z]+|[^\sa-z-]", text.lower())
    if not words or len(words) > 12:
        return None
    if words[0] in ("minus", "negative"):
        below = words_to_number(" ".join(words[1:]))
        return None if below is None else -below
    if words[0] == "a" and len(words) > 1:
        words[0] = "one"
    if (part := PARTS.get(words[-1].removesuffix("s"))) and len(words) == 2:
        top = WORD_NUMBERS.get(words[0])
        return top / part if top else None
    half = words == ["half"] or words[-3:] == ["and", "a", "half"]
    whole = whole_number(words[:-3] if half else words) if words != ["half"] else 0.0
    return whole + 0.5 if half and whole is not None else whole


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
    if len(text) > 200 or not re.search(r"\d|[a-z]{3}", text):
        return None
    if "\\frac" in text:
        text = FRACTION.sub(lambda m: f"{m[1]} {m[2] or m[4]}/{m[3] or m[5]}", text).strip()
        text = re.sub(r"^- (?=\d)", "-", text)
    rough = ABOUT.match(text)
    text = text[rough.end() :] if rough else text
    for pattern, by in CLEAN:
        text = pattern.sub(by, text).strip()
    spread = SPREAD.fullmatch(text)
    if spread and ("." in spread[1] + spread[2] or read_unit(spread[3] + spread[4])):
        text = f"{spread[1]} {spread[3]} {spread[4]}"
    found = compound(text) if COMPOUND.fullmatch(text) else None
    return found or plain_quantity(text, rough)


def compound(text):
    """Several units of one dimension, the larger first, as one quantity: 3 h 20 min, 5 ft 6 in."""
    pairs = re.findall(r"(\d+(?:\.\d+)?)\s*([a-zA-Z°]+)", text.replace("and", " "))
    units = [read_unit(unit) for _, unit in pairs]
    if len(pairs) < 2 or None in units:
        return None
    infos = [unit_info(unit[0]) for unit in units]
    sizes = [info[1] or 0.0 for info in infos]
    if len({info[0] for info in infos}) > 1 or sizes != sorted(sizes)[::-1] or not sizes[-1]:
        return None
    total = sum(float(number) * size for (number, _), size in zip(pairs, sizes, strict=True))
    return Quantity(total / sizes[0], units[0][0], 6)


def plain_quantity(text, rough):
    """A number in digits or words, and what stands behind it."""
    if found := read_number(text):
        value, digits, end = found
        if rough and digits is None and value >= 100:
            digits = whole_digits(value)
        dollars = "¤" in text[:end] and not text[end:].strip()
        return attach_unit(Quantity(value, "(dollar)**1" if dollars else "", digits), text[end:])
    if (value := words_to_number(text)) is not None:
        return Quantity(value)
    head = re.fullmatch(r"([a-zA-Z]+(?:-[a-zA-Z]+)?)\s+([a-zA-Z°%]+(?: [a-z]+)?)", text)
    if not head or head[1] in ("a", "an") and not read_unit(head[2]):
        return None
    value = 1.0 if head[1] in ("a", "an") else words_to_number(head[1])  # five apples, a day
    return None if value is None else attach_unit(Quantity(value), head[2])


def ratio(text):
    """3.0 of "3:1" or "3 to 1"; None for anything else."""
    text = ABOUT.sub("", text.strip().strip("$").rstrip("."), count=1)
    match = RATIO.fullmatch(text) if len(text) < 60 else None
    return float(match[1]) / float(match[2]) if match and float(match[2]) else None


def attach_unit(number, rest):
    """The number with the unit or noun that the rest of the text is; None where it is neither."""
    rest = re.sub(r"^\s*-\s*(?=[a-zA-Z])", "", rest).strip()
    if not rest:
        return number
    if PERCENT.fullmatch(rest):
        return replace(number, percent=True)
    unit = read_unit(rest)
    if unit is None and len(rest) < 80 and (match := TAIL.fullmatch(rest)):
        unit = read_unit(match[1])
    if unit is None:
        if not NOUN.fullmatch(rest) or NO_NOUN.search(rest):
            return None
        first = re.match("[a-zA-Z]+", rest)[0]  # 8 feet tall; but 3 new apples are counted
        unit = read_unit(first) if len(first) > 1 else None
    if unit is None:
        return replace(number, noun=rest)
    return replace(number, value=number.value * unit[1], unit=unit[0])


def read_number(text):
    """(value, digits, end) of the number at the start of text, or None."""
    match = NUMBER.match(text)
    if (power := POWER.match(text)) and (
        not match or power.end() > match.end() or match.end() <= 2
    ):
        exponent = int(power["ten"].replace(" ", ""))
        value = scale(-1.0 if power["sign"] == "-" else 1.0, exponent)
        return (value, None, power.end()) if abs(exponent) < 300 else None
    value, digits = mantissa(match) if match else (None, None)
    exponent = exponent_of(match) if match else 0
    if value is None or abs(exponent) > 290:
        return None
    if exponent:
        digits = digits or max(1, len((match["dec"] or "0").replace(" ", "").strip("0")))
        value = scale(value, exponent)
    end = match.end()
    if word := SCALE.match(text, end):
        value, end = value * SCALES.get(word[1].lower(), 100), word.end()
    return (-value if "-" in (match["sign"], match["sign2"]) else value), digits, end


def exponent_of(match):
    """The power of ten of a match of NUMBER, 0 where it has none."""
    written = (match["e"] or match["one"] or "e")[1:] or (match["ten"] or "0").replace(" ", "")
    return int(written)


def mantissa(match):
    """(value, digits) of a match of NUMBER, (None, None) of a division by zero."""
    if match["whole"]:
        low = int(match["den"])
        return (int(match["whole"]) + int(match["num"]) / low, None) if low else (None, None)
    plain = match["dec"].replace(" ", "")
    if len(plain) > 300:
        return None, None
    if match["again"]:
        return repeating(plain, re.sub(r"\D", "", match["again"])), None
    digits = len(plain.replace(".", "").lstrip("0")) or 1 if "." in plain else None
    if not (over := match["over"]):
        return float(plain), digits
    exact = "." not in plain + over
    if not float(over):
        return None, None
    return float(plain) / float(over), None if exact else digits or 3


def repeating(plain, period):
    """0.\\overline{3} (period "3") or 0.333... (no period given: the last run that repeats) as its fraction."""
    whole, _, decimals = plain.partition(".")
    if not period:
        run = re.search(r"(\d{1,6}?)\1+$", decimals)
        if not run:
            return float(plain)
        period, decimals = run[1], decimals[: run.start()]
    before = float(f"{whole}.{decimals or 0}")
    return before + int(period) / (10.0 ** len(period) - 1) / 10.0 ** len(decimals)


def scale(value, exponent):
    """value * 10**exponent, rounded as the decimal literal would be (6.02e23, not 6.0199999e23)."""
    return float(f"{value!r}e{exponent}") if "e" not in repr(value) else value * 10.0**exponent


def close(value, reference, digits, rel_tol=None):
    """Is value the reference? Exact references (digits None) ask for equality, decimals for the reference's digits or 1 %."""
    if not (math.isfinite(value) and math.isfinite(reference)):
        return value == reference
    gap = abs(value - reference)
    if rel_tol is not None:
        return gap <= rel_tol * abs(reference) + 1e-12
    if gap <= 1e-9 * max(abs(value), abs(reference)):
        return True
    if digits is None or reference == 0:
        return False
    return gap <= max(
        0.01 * abs(reference), min(half_digit(reference, digits), 0.1 * abs(reference))
    )


def half_digit(value, digits):
    """Half a unit of the last of so many significant digits of value."""
    return 0.5 * 10.0 ** (math.floor(math.log10(abs(value) or 1)) - digits + 1) * (1 + 1e-9)


def same_quantity(value, reference, rel_tol=None):
    """Compare two Quantities by the conventions: a unit that only one side has is accepted, convertible ones are converted, others differ."""
    if value.unit and reference.unit and value.unit != reference.unit:
        one, two = unit_info(value.unit), unit_info(reference.unit)
        if one[0] != two[0]:
            return None if LOOSE_UNIT.search(value.unit + " " + reference.unit) else False
        if one[1] is not None and two[1] is not None:
            return same_converted(value, reference, one, two, rel_tol)
    particles = [PARTICLE.match(q.noun) for q in (value, reference)]
    if all(particles) and particles[0][0] != particles[1][0]:
        return False  # 4 protons are not 4 electrons
    if value.percent != reference.percent:
        by_hundred = value.value / 100 if value.percent else value.value * 100
        if same_number(replace(value, value=by_hundred), reference, rel_tol):
            return True
    return same_number(value, reference, rel_tol)


def same_converted(value, reference, one, two, rel_tol):
    """Quantities of one dimension, (dimension, factor, offset) each; 0 °C is 273 K to half a degree."""
    si, wanted = (q.value * info[1] + info[2] for q, info in ((value, one), (reference, two)))
    if one[2] != two[2] and reference.value == 0:
        return abs(si - wanted) <= 0.5
    converted = (si - two[2]) / two[1]
    digits = reference.digits or whole_digits(reference.value)
    digits_back = (value.digits or 3) if value.digits is not None else None
    return close(converted, reference.value, digits, rel_tol) or close(
        wanted, si, digits_back, rel_tol
    )


def same_number(value, reference, rel_tol):
    """Two numbers in one unit. An integer with a unit of measurement or % (298 K) was rounded by its author: what rounds to it agrees."""
    if close(value.value, reference.value, reference.digits, rel_tol):
        return True
    if rel_tol is not None or reference.digits is not None or value.digits is None:
        return False
    gap = abs(value.value - reference.value)
    if reference.exact:  # 2.236068 for the root of 5, not 2.24
        return value.digits >= 6 and gap <= 5e-7
    if not (reference.value * 10**6).is_integer():  # 0.667 for 2/3, but 17/16 has a decimal
        return value.digits >= 3 and gap <= half_digit(value.value, value.digits)
    measured = reference.percent or reference.unit not in ("", "(degree)**1", "(dollar)**1")
    return (
        measured
        and whole_digits(reference.value) > 1
        and gap <= min(0.5, 0.01 * abs(reference.value))
    )


def whole_digits(value):
    """Digits that an integer was written to, at least 2: 1900 -> 2, 298 -> 3."""
    return max(2, len(f"{abs(value):.0f}".rstrip("0")))
