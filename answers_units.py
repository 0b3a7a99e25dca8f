"""Numbers and units as people write them: parsed without eval, compared with the care of a marker, converted by pint.

parse_quantity(r"1.2 \\times 10^{-3}\\,\\mathrm{mol\\,L^{-1}}") -> Quantity(value=0.0012, unit="mol*L^-1", ...)
"""

# ruff: noqa: E501 (tables and patterns stand on one line)

import functools
import math
import re
import unicodedata
from dataclasses import dataclass

SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "0123456789+-n")
SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉₊₋", "0123456789+-")
SYMBOLS = {
    "−": "-", "–": "-", "‒": "-", "﹣": "-", "－": "-", "×": "*", "·": "*", "⋅": "*", "∙": "*", "∗": "*", "÷": "/", "⁄": "/", "∕": "/",
    "≈": "\\approx ", "≃": "\\approx ", "≅": "\\approx ", "≤": "\\le ", "≥": "\\ge ", "≠": "\\ne ", "∞": "\\infty ", "π": "\\pi ",
    "√": "\\sqrt ", "±": "\\pm ", "∪": "\\cup ", "∩": "\\cap ", "∈": "\\in ", "µ": "μ", "Ω": "Ω", "º": "°", "˚": "°", "′": "'", "″": '"',
    "，": ",", "。": ".", "：": ":", "；": ";", "（": "(", "）": ")", "\u00a0": " ", "\u2009": " ", "\u202f": " ", "\u200b": "", "⟨": "(", "⟩": ")",
}  # fmt: skip
SYMBOL_TABLE = str.maketrans(SYMBOLS)
WORD_NUMBERS = {w: i for i, w in enumerate(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split())}  # fmt: skip
WORD_TENS = {w: 10 * i for i, w in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), 2)}
WORD_SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12}

# Names that models write for units, mapped to pint's. Whatever is not here (apples, students) is a noun, and nouns never contradict.
UNIT_NAMES = {
    "m": "meter", "g": "gram", "s": "second", "sec": "second", "secs": "second", "min": "minute", "mins": "minute", "h": "hour", "hr": "hour", "hrs": "hour",
    "d": "day", "yr": "year", "yrs": "year", "y": "year", "K": "kelvin", "mol": "mole", "A": "ampere", "amp": "ampere", "cd": "candela",
    "N": "newton", "J": "joule", "W": "watt", "V": "volt", "C": "coulomb", "F": "farad", "H": "henry", "T": "tesla", "G": "gauss", "Wb": "weber",
    "S": "siemens", "Ω": "ohm", "Omega": "ohm", "Pa": "pascal", "Hz": "hertz", "L": "liter", "l": "liter", "M": "mole/liter", "eV": "electron_volt",
    "cal": "calorie", "Cal": "kilocalorie", "atm": "atmosphere", "bar": "bar", "torr": "torr", "Torr": "torr", "mmHg": "mmHg", "psi": "psi",
    "rad": "radian", "deg": "degree", "°": "degree", "sr": "steradian", "u": "unified_atomic_mass_unit", "amu": "unified_atomic_mass_unit",
    "Da": "dalton", "e": "elementary_charge", "Å": "angstrom", "in": "inch", "ft": "foot", "feet": "foot", "yd": "yard", "mi": "mile", "lb": "pound", "lbs": "pound",
    "oz": "ounce", "gal": "gallon", "ly": "light_year", "AU": "astronomical_unit", "pc": "parsec", "Bq": "becquerel", "Ci": "curie", "Gy": "gray", "Sv": "sievert",
    "lm": "lumen", "lx": "lux", "dyn": "dyne", "erg": "erg", "P": "poise", "D": "debye", "B": "byte", "ha": "hectare", "hp": "horsepower",
    "mph": "mile/hour", "kph": "kilometer/hour", "rpm": "revolution/minute", "ppm": "ppm", "kt": "knot", "°C": "degC", "degC": "degC", "℃": "degC", "°F": "degF",
    "degF": "degF", "celsius": "degC", "fahrenheit": "degF", "cc": "cm**3", "wk": "week", "lbf": "pound_force", "rev": "revolution", "Wh": "watt_hour", "Eh": "hartree", "Btu": "Btu", "BTU": "Btu",
    "inches": "inch", "henries": "henry", "R": "roentgen", "molar": "mole/liter", "centimetre": "centimeter", "t": "metric_ton", "metre": "meter", "litre": "liter",
}  # fmt: skip
UNIT_WORDS = set(
    """meter gram second minute hour day week month year decade century kelvin mole ampere newton joule watt volt coulomb farad henry tesla gauss weber siemens
    ohm pascal hertz liter electronvolt electron_volt calorie atmosphere radian degree steradian dalton angstrom inch foot yard mile pound ounce gallon parsec becquerel
    curie gray sievert lumen lux dyne poise debye byte bit hectare acre horsepower revolution ton tonne knot hartree quart pint cup turn micron""".split()
)
COUNTED = re.compile(r"(?:photon|particle|molecule|atom|electron|proton|neutron|ion|cycle|count|event|decay|disintegration|collision|fission|cell|person)s?|nucle(?:us|i)|people")
PREFIXES = "yocto zepto atto femto pico nano micro milli centi deci deca hecto kilo mega giga tera peta".split()
PREFIX_LETTERS = "yzafpnuμmcdkMGTPE"
NO_PREFIX = set("min h d yr y in ft mi lb oz u e ° °C °F deg AU ly P B R D M rpm ppm mph in hr t sec rev cc ha".split()) - {"M"}
GEOMETRY = ("[length]", "[time]", "[currency]")  # an integer with such a unit was counted, not measured


@dataclass(frozen=True)
class Quantity:
    """value without the unit; unit in pint's language ("" = none); digits = significant digits, or None where the number is exact (integer, fraction)."""

    value: float
    unit: str = ""
    digits: int | None = None
    percent: bool = False
    scientific: bool = False  # written with a power of ten
    noun: str = ""


def to_ascii_math(text):
    """Unicode signs of mathematics in the plain or LaTeX spelling: 10⁻³ -> 10^{-3}, H₂O -> H2O, − -> -, ½ -> 1/2."""
    if "<su" in text:
        text = re.sub(r"<sup>([^<>]{1,40})</sup>", r"^{\1}", re.sub(r"<sub>([^<>]{1,40})</sub>", r"_{\1}", text))
    if text.isascii():
        return text
    text = re.sub(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ]+", lambda m: "^{" + m.group().translate(SUPERSCRIPTS) + "}", text)
    text = re.sub(r"(\d?)([½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞])", lambda m: (m[1] + " " if m[1] else "") + unicodedata.normalize("NFKC", m[2]).replace("⁄", "/"), text)
    return text.translate(SUBSCRIPTS).translate(SYMBOL_TABLE)


NUMBER = re.compile(
    r"""(?P<sign>[-+]?)\s*(?:\$|\\\$|USD|€|£)?\s*(?P<sign2>-?)
    (?:(?P<whole>\d{1,6})\s*[ ]\s*(?P<num>\d{1,4})/(?P<den>\d{1,4})(?![\d.])
    |(?P<dec>[1-9]\d{0,2}(?:,\d{3})+(?!\d)(?:\.\d+)?|[1-9]\d{0,2}(?:[ ]\d{3})+(?![\d.])|\d+(?:\.\d*)?|\.\d+)
     (?:\s*/\s*(?P<over>\d+(?:\.\d+)?)(?!\s*\^|\d))?
    )
    (?:(?P<e>[eE][-+]?\d{1,4})(?![\w.])|\s*(?:\*|x|X|\\times|\\cdot|\.)?\s*10\s*(?:\^\s*\{?\s*|\*\*\s*\(?)(?P<ten>[-+]?\s*\d{1,4})\s*[})]?)?""",
    re.VERBOSE,
)
POWER_ONLY = re.compile(r"(?P<sign>[-+]?)\s*10\s*(?:\^\s*\{?\s*|\*\*\s*)(?P<ten>[-+]?\s*\d{1,4})\s*\}?")
SCALE = re.compile(r"\s*(hundred|thousand|million|billion|trillion)s?\b", re.I)
LEAD = re.compile(
    r"^\s*(?:\\(?:approx|sim|simeq)|~|≈|=|about|approximately|around|roughly|nearly|almost|some|ca\.?|circa|exactly|only|just|a total of)\s*(?=\S)",
    re.I,
)


def strip_wrappers(text):
    """LaTeX that changes the looks and not the meaning is taken off; \\text{ cm} -> cm."""
    text = to_ascii_math(text)
    if "\\" in text or "{" in text or "$" in text:
        text = re.sub(r"(?<=\d)\s*,\s*\\!\s*(?=\d{3})", ",", text.replace("{,}", ",")).replace("\\!", "")
        text = re.sub(r"\^\s*\{\s*([-+]?\d+)\s*\}", r"^\1", text)
        text = re.sub(r"\\[,;:> ]|~|\\q?quad", " ", text).replace("{10}", "10")
        text = re.sub(
            r"\\(?:text|textbf|textit|textrm|textnormal|textsf|texttt|mathrm|mathbf|mathit|mathsf|operatorname|mbox|hbox|rm|bf|unit|si)\s*\{([^{}]*)\}", r" \1 ", text
        )
        text = re.sub(r"\\[dtc]?frac\s*(?:\{\s*(-?[\d.]+)\s*\}\s*\{\s*([\d.]+)\s*\}|(\d)\s*(\d)(?!\d))", lambda m: f" {m[1] or m[3]}/{m[2] or m[4]} ", text)
        text = re.sub(r"\^\s*\{?\s*\\(?:circ|degree)\s*\}?|\\degree|\\circ", "°", text)
        text = re.sub(
            r"\\[,;:> ]|~|\\quad|\\qquad|\\left|\\right|\\displaystyle|\\rm\b|\\bf\b|\$",
            " ",
            text.replace("\\$", "$ ") if text.count("$") == 1 else text.replace("\\$", ""),
        )
        text = (
            text.replace("\\%", "%").replace("\\mu", "μ").replace("\\Omega", "Ω").replace("\\AA", "Å").replace("\\cdot", "*").replace("\\times", "*")
        )
    return text.strip()


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


def parse_quantity(text):
    """The one number with its unit that the whole text is, or None. Never raises."""
    if len(text) > 200:
        return None
    text = strip_wrappers(text)
    for _ in range(3):
        text = LEAD.sub("", text)
    text = text.strip().rstrip(".,;:").strip()
    if text.count("(") == text.count(")") == 1 and text[:1] == "(" and text[-1:] == ")":
        text = text[1:-1].strip()
    text = re.sub(r"\s*\\(?:hat|vec|mathbf|boldsymbol)\s*\{?[a-z]\}?\s*$", "", text)
    spread = re.match(r"\(?\s*(?P<mean>[-+]?[\d.]+)\s*(?:\\pm|\+/-)\s*(?P<error>[\d.]+)\s*\)?(?P<rest>.*)$", text)
    if spread and ("." in spread["mean"] + spread["error"] or read_unit(spread["rest"])):
        text = spread["mean"] + " " + spread["rest"]  # 5.0 ± 0.2 cm
    if odds := re.fullmatch(r"(\d[\d,]{0,12})\s+(?:in|out\s+of)\s+(\d[\d,]{0,12})", text):
        below = float(odds[2].replace(",", ""))
        return Quantity(float(odds[1].replace(",", "")) / below) if below else None
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
    rest = text[end:].strip()
    return attach_unit(value, digits, scientific, rest)


def compound(text):
    """ "3 h 20 min", "5 ft 6 in": several units of one dimension as one quantity; None for anything else."""
    if not re.fullmatch(r"\d[\d.]*\s*[a-zA-Z]{1,8}(?:,?\s*(?:and\s+)?\d[\d.]*\s*[a-zA-Z]{1,8}){1,2}", text):
        return None
    pieces = [(float(n), read_unit(u)) for n, u in re.findall(r"(\d+(?:\.\d+)?)\s*([a-zA-Z]+)", text.replace("and", " "))]
    if not all(unit for _, unit in pieces):
        return None
    infos = [unit_info(unit[0]) for _, unit in pieces]
    if len({i[0] for i in infos}) > 1 or any(i[1] is None for i in infos) or [i[1] for i in infos] != sorted((i[1] for i in infos), reverse=True):
        return None
    return Quantity(sum(n * i[1] for (n, _), i in zip(pieces, infos, strict=False)) / infos[0][1], pieces[0][1][0], 6)


RATIO = re.compile(r"(?<![\w.:])(\d+(?:\.\d+)?)\s*(?::|\s+to\s+)\s*(\d+(?:\.\d+)?)(?![\w:]|\.\d)")


def ratio(text):
    """3.0 of "3:1" or "3 to 1"; None for anything else."""
    match = RATIO.fullmatch(LEAD.sub("", text.strip().strip("$").rstrip(".")))
    return float(match[1]) / float(match[2]) if match and float(match[2]) else None


def unit_after(text):
    """The longest unit, of one to four words, at the start of the text that follows a number; "" without one."""
    words = re.match(r"\s*-?((?:[^\s,;()]+(?:\s|$)*){1,4})", text[:60])
    if not words:
        return ""
    parts = words[1].split()
    for n in range(len(parts), 0, -1):
        unit = " ".join(parts[:n]).rstrip(".,;:!?*")
        if unit in ("%", "percent", "\\%") or read_unit(unit) and re.match(r"[A-Za-zμΩÅ°%\\]", unit):
            return unit
    return ""


def attach_unit(value, digits, scientific, rest):
    rest = rest.strip().lstrip("-").strip() if re.match(r"\s*-\s*[a-zA-Z]", rest) else rest.strip()
    if not rest:
        return Quantity(value, "", digits, scientific=scientific)
    percent = re.fullmatch(r"(?:%|percent|per cent|pct|percentage points?)\s*(?:of\s.*|[a-z ]{0,40})?", rest)
    if percent:
        return Quantity(value, "", digits, percent=True, scientific=scientific)
    dollars = re.fullmatch(r"\$|dollars?|USD|cents?|euros?|EUR|€|£|pounds sterling|rupees?|yuan|yen", rest)
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
    if re.fullmatch(r"[A-Za-z][A-Za-z '-]{0,60}", rest) and not re.search(r"\b(?:or|and|plus|minus|times(?=\s)|to|if|pi)\b", rest) and len(rest) > 1:
        first = re.match(r"(?:[a-zA-Z]+)", rest)[0]  # "8 feet tall", "6 mol of gas", but "3 new apples" is a count
        unit = read_unit(first) if len(first) > 1 or len(rest) == 1 or re.match(r".\s+(?:of|in|from|at|per)\b", rest) else None
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
        return ((-1 if power["sign"] == "-" else 1) * scale(1, exponent), None, True, power.end()) if abs(exponent) < 300 else None
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
            value, digits = value / float(match["over"]), None if "." not in match["over"] else digits
    exponent = match["e"] and match["e"][1:] or match["ten"] and match["ten"].replace(" ", "")
    if exponent:
        if abs(int(exponent)) > 290:
            return None
        digits = digits or max(1, len(match["dec"].replace(",", "").strip("0"))) if match["dec"] else digits
        value = scale(value, int(exponent))
    end = match.end()
    word = SCALE.match(text, end)
    if word:
        value, end = value * WORD_SCALES[word[1].lower()], word.end()
    return (-value if negative else value), digits, bool(exponent), end


def scale(value, exponent):
    """value * 10**exponent, rounded as the decimal literal would be (6.02e23, not 6.0199999e23)."""
    return float(f"{value!r}e{exponent}") if "e" not in repr(value) else value * 10.0**exponent


UNIT_TOKEN = re.compile(
    r"\s*(?:(?P<name>°\s*[CF](?![A-Za-z])|℃|°|[A-Za-zμΩÅ]+|')\.?|(?P<ten>10\s*\^\s*\{?\s*[-+]?\d+\s*\}?)|(?P<exp>\^?\s*\{?\s*\(?\s*[-+]?\d(?:/\d)?\s*\)?\s*\}?|\*\*\s*-?\d)|(?P<op>[/*.()-]|\bper\b))"
)


@functools.lru_cache(maxsize=4096)
def read_unit(text):
    """(pint expression, factor) of a unit such as "kJ mol^{-1}", "m/s2", "10^6 m s^-1"; None where a part is no unit."""
    text = strip_wrappers(text).strip().rstrip(".").replace("{", "{").strip()
    text = re.sub(r"μ\s+(?=[A-Za-zΩ])", "μ", text)  # \mu\mathrm{T}: the letter and its prefix are one unit
    text = re.sub(r"\\[dtc]?frac\s*\{([^{}]{1,30})\}\s*\{([^{}]{1,30})\}", r"(\1)/(\2)", text)  # \frac{kJ}{mol}
    text = re.sub(r"\\(?:alpha|beta|gamma)[\s-]*(?=particle|photon|ray|decay)", "", text)
    text = re.sub(r"\b(square|sq\.?)\s+([a-zA-Z]+)", r"\2^2", text)
    text = re.sub(r"\b(cubic|cu\.?)\s+([a-zA-Z]+)", r"\2^3", text)
    text = re.sub(r"([a-zA-Z]+)\s+squared\b", r"\1^2", re.sub(r"([a-zA-Z]+)\s+cubed\b", r"\1^3", text))
    text = re.sub(r"\bper\b", "/", text.replace("degrees ", "°").replace("degree ", "°").replace("deg ", "°")).replace("mm Hg", "mmHg")
    text = re.sub(r"°\s*(celsius|centigrade|c)\b", "°C", re.sub(r"°\s*(fahrenheit|f)\b", "°F", text, flags=re.I), flags=re.I)
    text = re.sub(r"°\s*kelvin|°\s*K\b", "K", text)
    if not text or len(text) > 80:
        return None
    text = re.sub(r"(?<=[A-Za-z\d])-(?=[A-Za-z])", "*", text)
    parts, factor, sign, depth_sign, at, below = [], 1.0, 1, [], 0, False
    while at < len(text):
        match = UNIT_TOKEN.match(text, at)
        if not match or match.end() == at:
            return None
        at = match.end()
        if match["name"]:
            name = pint_name(match["name"].replace(" ", ""))
            if name is None:
                return None
            parts.append([name, sign])
            sign = depth_sign[-1] if depth_sign else -1 if below else 1
        elif match["ten"]:
            exponent = int(re.search(r"[-+]?\d+\s*\}?$", match["ten"])[0].rstrip("} "))
            if abs(exponent) > 99 or parts:
                return None
            factor = scale(1.0, exponent)
        elif match["exp"]:
            power = re.search(r"[-+]?\d(?:/\d)?", match["exp"])[0]
            if not parts or "/" in power:
                return None
            parts[-1][1] = int(power) if int(power) < 0 else parts[-1][1] * int(power)
        elif match["op"] == "/":  # J/mol K is J/(mol K), as everybody writes it
            below, sign = True, -(depth_sign[-1] if depth_sign else 1)
        elif match["op"] == "(":
            depth_sign.append(sign)
        elif match["op"] == ")":
            if not depth_sign:
                return None
            depth_sign.pop()
            sign = depth_sign[-1] if depth_sign else -1 if below else 1
    if not parts and factor == 1.0 or depth_sign or parts and all(name == "count" for name, _ in parts):
        return None  # "5 molecules" has a noun and no unit
    return "*".join(f"({name})**{power}" for name, power in parts), factor


@functools.lru_cache(maxsize=4096)
def pint_name(name):
    """pint's name of one unit, or None: "kJ" -> "kilojoule", "metres" -> "meter", "apples" -> None."""
    if name in UNIT_NAMES:
        return UNIT_NAMES[name]
    if COUNTED.fullmatch(name):
        return "count"
    letters = {"y": "yocto", "z": "zepto", "a": "atto", "f": "femto", "p": "pico", "n": "nano", "u": "micro", "μ": "micro", "m": "milli", "c": "centi",
               "d": "deci", "k": "kilo", "M": "mega", "G": "giga", "T": "tera", "P": "peta", "E": "exa"}  # fmt: skip
    if name[:1] in letters and name[1:] in UNIT_NAMES and name[1:] not in NO_PREFIX:
        if name[1:] == "M":
            return f"({letters[name[0]]}mole/liter)"
        base = UNIT_NAMES[name[1:]]
        return letters[name[0]] + base if re.fullmatch(r"[a-z_]+", base) else None
    if name[:2] == "da" and name[2:] in ("m", "g", "L"):
        return "deca" + UNIT_NAMES[name[2:]]
    word = name.lower().replace("metre", "meter").replace("litre", "liter")
    if len(word) < 3:
        return {"kg": "kilogram", "km": "kilometer", "cm": "centimeter", "mm": "millimeter", "ml": "milliliter", "hz": "hertz"}.get(word)
    for candidate in (word, word[:-1] if word.endswith("s") else word, word[:-2] if word.endswith("es") else word):
        if candidate in ("celsius", "fahrenheit"):
            return UNIT_NAMES[candidate]
        if candidate in ("inches", "feet", "henries", "molar"):
            return UNIT_NAMES[candidate]
        base = next((candidate[len(p) :] for p in PREFIXES if candidate.startswith(p) and candidate[len(p) :] in UNIT_WORDS), None)
        if candidate in UNIT_WORDS or base:
            return candidate.replace("electronvolt", "electron_volt").replace("tonne", "metric_ton")
    return None


@functools.lru_cache(maxsize=1)
def registry():
    import pint  # 0.4 s

    return pint.UnitRegistry(autoconvert_offset_to_baseunit=True)


@functools.lru_cache(maxsize=4096)
def unit_info(expression):
    """(dimension as text, factor to base units, offset) of a pint expression; factor None where pint refuses it."""
    ureg = registry()
    try:
        if expression in ("(degC)**1", "(degF)**1"):
            one, zero = (ureg.Quantity(x, expression[1:5]).to("kelvin").magnitude for x in (1.0, 0.0))
            return "[temperature]", one - zero, zero
        unit = ureg.Quantity(1.0, ureg.parse_units(expression.replace("degC", "delta_degC").replace("degF", "delta_degF"))).to_base_units()
        return str(unit.dimensionality), float(unit.magnitude), 0.0
    except Exception:  # pint's own errors are many; each means: no such unit
        return "?", None, 0.0


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
                return False
            converted = (value.value * one[1] + one[2] - two[2]) / two[1]
            digits = reference.digits or whole_digits(reference.value)
            return close(converted, reference.value, digits, rel_tol) or close(
                reference.value * two[1] + two[2], value.value * one[1] + one[2], (value.digits or 3) if value.digits is not None else None, rel_tol
            )
    if value.percent != reference.percent:
        by_hundred = value.value / 100 if value.percent else value.value * 100
        if close(by_hundred, reference.value, reference.digits, rel_tol):
            return True
    if close(value.value, reference.value, reference.digits, rel_tol):
        return True
    if rel_tol is not None or reference.digits is not None:
        return False
    if value.digits is not None and reference.value and not float(reference.value).is_integer():  # 0.667 for 2/3, 66.7 % too
        said = [value.value] + ([value.value / 100] if value.percent and not reference.percent else [])
        return value.digits >= 3 and any(
            abs(one - reference.value) <= 0.5 * 10.0 ** (math.floor(math.log10(abs(one) or 1)) - value.digits + 1) * 1.001 for one in said
        )
    measured = reference.unit and unit_info(reference.unit)[1] is not None
    if measured and value.digits is not None and whole_digits(reference.value) >= 2:
        return abs(value.value - reference.value) <= 0.5 and abs(value.value - reference.value) <= 0.01 * abs(reference.value) + 1e-12
    return False


def whole_digits(value):
    """Digits that an integer was written to, at least 2: 1900 -> 2, 298 -> 3."""
    plain = f"{abs(value):.0f}".rstrip("0")
    return max(2, len(plain))
