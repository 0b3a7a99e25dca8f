"""Numbers with their units as people write them: parsed without eval, compared with the care of a marker, converted by pint.

parse_quantity(r"1.2 \\times 10^{-3}\\,\\mathrm{mol\\,L^{-1}}") -> Quantity(value=0.0012, unit="mol*L^-1", ...)
"""

import functools
import math
import re
from dataclasses import dataclass, replace

from .units import read_unit, strip_wrappers, unit_info

WORD_NUMBERS = {w: i for i, w in enumerate(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split())}  # fmt: skip
WORD_TENS = {
    w: 10 * i
    for i, w in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), 2)
}
WORD_SCALES = {
    "hundred": 100,
    "thousand": 1000,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
}


@dataclass(frozen=True)
class Quantity:
    """value without the unit; unit in pint's language ("" = none); digits = significant digits, or None where the number is exact (integer, fraction)."""

    value: float
    unit: str = ""
    digits: int | None = None
    percent: bool = False
    scientific: bool = False  # written with a power of ten
    noun: str = ""


NUMBER = re.compile(
    r"""(?P<sign>[-+]?)\s*(?:\$|\\\$|USD|€|£)?\s*(?P<sign2>-?)
    (?:(?P<whole>\d{1,6})\s*[ ]\s*(?P<num>\d{1,4})/(?P<den>\d{1,4})(?![\d.])
    |(?P<dec>[1-9]\d{0,2}(?:,\d{3})+(?!\d)(?:\.\d+)?|[1-9]\d{0,2}(?:[ ]\d{3})+(?![\d.])|\d+(?:\.\d*)?|\.\d+)
     (?:\s*/\s*(?P<over>\d+(?:\.\d+)?)(?!\s*\^|\d))?
    )
    (?:(?P<e>[eE][-+]?\d{1,4})(?![\w.])|\s*(?:\*|x|X|\\times|\\cdot|\.)?\s*10\s*(?:\^\s*\{?\s*|\*\*\s*\(?)(?P<ten>[-+]?\s*\d{1,4})\s*[})]?)?""",
    re.VERBOSE,
)
POWER_ONLY = re.compile(
    r"(?P<sign>[-+]?)\s*10\s*(?:\^\s*\{?\s*|\*\*\s*)(?P<ten>[-+]?\s*\d{1,4})\s*\}?"
)
SCALE = re.compile(r"\s*(hundred|thousand|million|billion|trillion)s?\b", re.I)
LEAD = re.compile(
    r"^\s*(?:\\(?:approx|sim|simeq)|~|≈|=|about|approximately|around|roughly|nearly|almost|some|ca\.?|circa|exactly|only|just|at|a total of)\s*(?=\S)",
    re.I,
)


ABOUT = re.compile(
    r"\s*(?:about|approximately|around|roughly|nearly|almost|ca\.?|circa|~|≈|\\approx|\\sim)\s*",
    re.I,
)
SMALL_NUMBER = re.compile(rf"\b(?:{'|'.join(WORD_NUMBERS)})\b(?=\s+[a-z]+,?\s+(?:and\s+)?\d)")


def words_to_number(text):
    """ "twenty-three" -> 23, "two and a half" -> 2.5; None for anything else."""
    words = re.findall(r"[a-z]+|[^\sa-z-]", text.lower())
    if not words or len(words) > 12:
        return None
    if words[0] in ("minus", "negative") and len(words) > 1:
        below = words_to_number(" ".join(words[1:]))
        return None if below is None else -below
    if words[-1] == "dozen":
        count = 1.0 if words[:-1] in ([], ["a"]) else words_to_number(" ".join(words[:-1]))
        return None if count is None else 12 * count
    if words[-3:] == ["and", "a", "half"]:
        whole = words_to_number(" ".join(words[:-3]))
        return None if whole is None else whole + 0.5
    parts = {
        "half": 2,
        "third": 3,
        "thirds": 3,
        "quarter": 4,
        "quarters": 4,
        "fourth": 4,
        "fourths": 4,
        "fifth": 5,
        "fifths": 5,
        "eighth": 8,
        "eighths": 8,
        "tenth": 10,
    }
    if words[-1] in parts and len(words) <= 2:
        top = 1 if len(words) == 1 or words[0] in ("a", "one") else WORD_NUMBERS.get(words[0])
        return top / parts[words[-1]] if top and (len(words) == 2 or words[0] == "half") else None
    total = current = 0
    for word in words:
        if word in WORD_NUMBERS:
            current += WORD_NUMBERS[word]
        elif word in WORD_TENS:
            current += WORD_TENS[word]
        elif word == "hundred":
            current = (current or 1) * 100
        elif word in WORD_SCALES:
            total, current = total + (current or 1) * WORD_SCALES[word], 0
        elif word != "and" or not (total or current):
            return None
    return float(total + current)


@functools.lru_cache(maxsize=4096)
def parse_quantity(text):
    """The one number with its unit that the whole text is, or None. Never raises."""
    if len(text) > 200:
        return None
    text = strip_wrappers(text)
    rough = ABOUT.match(text)
    for _ in range(3):
        text = LEAD.sub("", text)
    text = re.sub(
        r"^(?:minus|negative)\s+(?=\d)", "-", re.sub(r"^p(?:H|OH|Ka|Kb)\s+(?=\d)", "", text)
    )
    text = SMALL_NUMBER.sub(lambda m: str(WORD_NUMBERS[m[0]]), text)
    if (
        (one := re.fullmatch(r"an?\s+([a-z]{3,12})", text))
        and words_to_number(text) is None
        and read_unit(one[1])
    ):
        text = f"1 {one[1]}"  # a day
    text = text.strip().rstrip(".,;:").strip()
    if text.count("(") == text.count(")") == 1 and text[:1] == "(" and text[-1:] == ")":
        text = text[1:-1].strip()
    text = re.sub(
        r"(?<=[\w%°])\s*\((?!or\b|and\b)[A-Za-z ]{3,30}\)$", "", text
    )  # 2.7 K (Kelvin), 5.3 (no units)
    text = re.sub(
        r"^([-+]?\d+\.\d+)\(\d{1,2}\)(?=\s*(?:[A-Za-z%°]|\*\s*10))", r"\1", text
    )  # 5.3(2) m: the error of the last digit
    text = re.sub(r"\s*\\(?:hat|vec|mathbf|boldsymbol)\s*\{?[a-z]\}?\s*$", "", text)
    spread = re.match(
        r"\(?\s*(?P<mean>[-+]?[\d.]+)\s*(?:\\pm|\+/-)\s*(?P<error>[\d.]+)\s*\)?(?P<rest>.*)$", text
    )
    if spread and ("." in spread["mean"] + spread["error"] or read_unit(spread["rest"])):
        text = spread["mean"] + " " + spread["rest"]  # 5.0 ± 0.2 cm
    if odds := re.fullmatch(r"(\d[\d,]{0,12})\s+(?:in|out\s+of)\s+(\d[\d,]{0,12})", text):
        below = float(odds[2].replace(",", ""))
        return Quantity(float(odds[1].replace(",", "")) / below) if below else None
    if speed := re.fullmatch(r"(0?\.\d{1,6})\s*c", text):
        return Quantity(float(speed[1]), "(speed_of_light)**1", len(speed[1].lstrip("0.")))
    if sum_of_units := compound(text):
        return sum_of_units
    found = read_number(text)
    if not found:
        value = words_to_number(text)
        if value is None:
            head = re.match(r"([a-zA-Z]+(?:-[a-zA-Z]+)?)\s+([a-zA-Z°%]+)$", text)
            value = words_to_number(head[1]) if head else None
            return None if value is None else attach_unit(value, None, False, head[2])
        return Quantity(value)
    value, digits, scientific, end = found
    digits = digits or (whole_digits(value) if rough and value >= 100 else None)
    rest = text[end:].strip()
    return attach_unit(value, digits, scientific, rest)


def compound(text):
    """ "3 h 20 min", "5 ft 6 in": several units of one dimension as one quantity; None for anything else."""
    if not re.fullmatch(
        r"\d[\d.]*\s*[a-zA-Z]{1,8}(?:,?\s*(?:and\s+)?\d[\d.]*\s*[a-zA-Z]{1,8}){1,2}", text
    ):
        return None
    pieces = [
        (float(n), read_unit(u))
        for n, u in re.findall(r"(\d+(?:\.\d+)?)\s*([a-zA-Z]+)", text.replace("and", " "))
    ]
    if not all(unit for _, unit in pieces):
        return None
    infos = [unit_info(unit[0]) for _, unit in pieces]
    if (
        len({i[0] for i in infos}) > 1
        or any(i[1] is None for i in infos)
        or [i[1] for i in infos] != sorted((i[1] for i in infos), reverse=True)
    ):
        return None
    return Quantity(
        sum(n * i[1] for (n, _), i in zip(pieces, infos, strict=False)) / infos[0][1],
        pieces[0][1][0],
        6,
    )


RATIO = re.compile(r"(?<![\w.:])(\d+(?:\.\d+)?)\s*(?::|\s+to\s+)\s*(\d+(?:\.\d+)?)(?![\w:]|\.\d)")


def ratio(text):
    """3.0 of "3:1" or "3 to 1"; None for anything else."""
    match = RATIO.fullmatch(LEAD.sub("", text.strip().strip("$").rstrip(".")))
    return float(match[1]) / float(match[2]) if match and float(match[2]) else None


def attach_unit(value, digits, scientific, rest):
    rest = rest.strip().lstrip("-").strip() if re.match(r"\s*-\s*[a-zA-Z]", rest) else rest.strip()
    if not rest:
        return Quantity(value, "", digits, scientific=scientific)
    percent = re.fullmatch(
        r"(?:(?:mol|wt|vol|mass|w/w|v/v|m/m|w/v)\.?\s?)?(?:%|percent|per cent|pct|percentage points?)\s*(?:of\s.*|[a-z ]{0,40})?",
        rest,
    )
    if percent:
        return Quantity(value, "", digits, percent=True, scientific=scientific)
    if rest in ("cent", "cents", "¢"):
        return Quantity(value, "", digits, scientific=scientific, noun="cents")
    dollars = re.fullmatch(r"\$|dollars?|USD|euros?|EUR|€|£|pounds sterling|rupees?|yuan|yen", rest)
    if dollars:
        return Quantity(value, "", digits, scientific=scientific, noun="money")
    unit = read_unit(rest)
    if unit is not None:
        return Quantity(value * unit[1], unit[0], digits, scientific=scientific)
    cut = re.match(
        r"(\S+(?:\s\S+)?)\s+(?:(?:to|towards?|from|in|on|at|of|for|above|below|per|downward|upward|left|right|north|south|east|west|and|away|counter|clockwise|along|directed)\w*\b.*)",
        rest,
    )
    if cut and len(rest) < 80 and (unit := read_unit(cut[1])):
        return Quantity(value * unit[1], unit[0], digits, scientific=scientific)
    substance = re.fullmatch(
        r"([A-Za-zμ°/]{1,12})\s(?:of\s)?[\[(]?(?=\S{0,24}[A-Z\d])(?:[A-Z][a-z]?\d{0,3}|[()\[\]]\d?){1,12}(?:\([a-z]{1,2}\))?",
        rest,
    )
    if substance and (unit := read_unit(substance[1])):  # 3 mol H2O, 2.5 g of Ca(OH)2
        return Quantity(value * unit[1], unit[0], digits, scientific=scientific)
    if (
        re.fullmatch(r"[A-Za-z][A-Za-z '-]{0,60}", rest)
        and not re.search(r"\b(?:or|and|plus|minus|times(?=\s)|to|if|pi)\b", rest)
        and len(rest) > 1
    ):
        first = re.match(r"(?:[a-zA-Z]+)", rest)[
            0
        ]  # "8 feet tall", "6 mol of gas", but "3 new apples" is a count
        unit = (
            read_unit(first)
            if len(first) > 1 or len(rest) == 1 or re.match(r".\s+(?:of|in|from|at|per)\b", rest)
            else None
        )
        return (
            Quantity(value * unit[1], unit[0], digits, scientific=scientific)
            if unit
            else Quantity(value, "", digits, scientific=scientific, noun=rest)
        )
    return None


def read_number(text):
    """(value, digits, scientific, end) of the number at the start of text, or None."""
    match = NUMBER.match(text)
    power = POWER_ONLY.match(text)
    if power and (not match or power.end() > match.end() or match.end() <= 2):
        exponent = int(power["ten"].replace(" ", ""))
        return (
            ((-1 if power["sign"] == "-" else 1) * scale(1, exponent), None, True, power.end())
            if abs(exponent) < 300
            else None
        )
    if not match:
        return None
    negative = "-" in (match["sign"], match["sign2"])
    if match["whole"]:
        if float(match["den"]) == 0:
            return None
        value, digits = int(match["whole"]) + int(match["num"]) / int(match["den"]), None
    else:
        plain = match["dec"].replace(",", "").replace(" ", "")
        if len(plain) > 300:
            return None
        value = float(plain)
        digits = len(plain.replace(".", "").lstrip("0")) or 1 if "." in plain else None
        if match["over"]:
            if float(match["over"]) == 0:
                return None
            value, digits = (
                value / float(match["over"]),
                None if "." not in match["over"] else digits,
            )
    exponent = match["e"] and match["e"][1:] or match["ten"] and match["ten"].replace(" ", "")
    if exponent:
        if abs(int(exponent)) > 290:
            return None
        digits = (
            digits or max(1, len(match["dec"].replace(",", "").strip("0")))
            if match["dec"]
            else digits
        )
        value = scale(value, int(exponent))
    end = match.end()
    word = SCALE.match(text, end)
    if word:
        value, end = value * WORD_SCALES[word[1].lower()], word.end()
    return (-value if negative else value), digits, bool(exponent), end


def scale(value, exponent):
    """value * 10**exponent, rounded as the decimal literal would be (6.02e23, not 6.0199999e23)."""
    return float(f"{value!r}e{exponent}") if "e" not in repr(value) else value * 10.0**exponent


def close(value, reference, digits, rel_tol=None, exact=False):
    """Is value the reference? Exact references ask for equality, decimals for the reference's digits or 1 %."""
    if not (math.isfinite(value) and math.isfinite(reference)):
        return value == reference
    if rel_tol is not None:
        return abs(value - reference) <= rel_tol * abs(reference) + 1e-12
    if abs(value - reference) <= 1e-9 * max(abs(value), abs(reference)):
        return True
    if exact or digits is None or reference == 0:
        return False
    if abs(value - reference) <= 0.01 * abs(reference):
        return True
    half_digit = 0.5 * 10.0 ** (math.floor(math.log10(abs(reference))) - digits + 1)
    return abs(value - reference) <= min(half_digit, 0.1 * abs(reference)) * (1 + 1e-9)


def same_quantity(value, reference, rel_tol=None):
    """Compare two Quantities by the conventions: a unit that only one side has is accepted, convertible ones are converted, others differ.

    Integers are exact, decimals agree to the reference's digits or within 1 %. An integer with a unit of measurement (298 K) was
    rounded by its author, so a decimal that rounds to it agrees too.
    """
    if value.unit and reference.unit and value.unit != reference.unit:
        one, two = unit_info(value.unit), unit_info(reference.unit)
        if one[1] is not None and two[1] is not None:
            if one[0] != two[0]:
                return same_meaning(value, reference, rel_tol)
            if one[2] != two[2] and reference.value == 0:
                return abs(value.value * one[1] + one[2] - two[2]) <= 0.5
            converted = (value.value * one[1] + one[2] - two[2]) / two[1]
            digits = reference.digits or whole_digits(reference.value)
            return close(converted, reference.value, digits, rel_tol) or close(
                reference.value * two[1] + two[2],
                value.value * one[1] + one[2],
                (value.digits or 3) if value.digits is not None else None,
                rel_tol,
            )
    if {value.noun, reference.noun} == {"cents", "money"}:
        return close(
            value.value * (100 if reference.noun == "cents" else 0.01),
            reference.value,
            reference.digits,
            rel_tol,
        )
    if value.percent != reference.percent:
        by_hundred = value.value / 100 if value.percent else value.value * 100
        if close(by_hundred, reference.value, reference.digits, rel_tol):
            return True
    if close(value.value, reference.value, reference.digits, rel_tol):
        return True
    if rel_tol is not None or reference.digits is not None:
        return False
    if (
        value.digits is not None and reference.value and not float(reference.value).is_integer()
    ):  # 0.667 for 2/3, 66.7 % too
        said = [value.value] + (
            [value.value / 100] if value.percent and not reference.percent else []
        )
        return value.digits >= 3 and any(
            abs(one - reference.value)
            <= 0.5 * 10.0 ** (math.floor(math.log10(abs(one) or 1)) - value.digits + 1) * 1.001
            for one in said
        )
    measured = reference.unit and unit_info(reference.unit)[1] is not None
    if measured and value.digits is not None and whole_digits(reference.value) >= 2:
        return (
            abs(value.value - reference.value) <= 0.5
            and abs(value.value - reference.value) <= 0.01 * abs(reference.value) + 1e-12
        )
    return False


def same_meaning(value, reference, rel_tol):
    """Units of two dimensions that people use for one thing: pounds of force and of mass, MeV for MeV/c^2, m for mol/kg."""
    for habit, meant in (
        ("(pound)", "(pound_force)"),
        ("(ppm)**1", "(milligram)**1*(liter)**-1"),
        ("*(speed_of_light)**-2", ""),
        ("*(speed_of_light)**-1", ""),
        ("(mole)**1*(kilogram)**-1", "(meter)**1"),
    ):
        one, two = value.unit.replace(habit, meant), reference.unit.replace(habit, meant)
        if (one, two) != (value.unit, reference.unit) and unit_info(one)[0] == unit_info(two)[0]:
            return same_quantity(replace(value, unit=one), replace(reference, unit=two), rel_tol)
    return False


def whole_digits(value):
    """Digits that an integer was written to, at least 2: 1900 -> 2, 298 -> 3."""
    plain = f"{abs(value):.0f}".rstrip("0")
    return max(2, len(plain))
