"""Units of measurement as people write them, read without eval into pint's language: "kJ mol^{-1}", "ms^-2", "degrees Celsius".

read_unit("kJ/mol") -> ("(kilojoule)**1*(mole)**-1", 1.0)
"""

import functools
import re
import unicodedata

SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "0123456789+-n")
SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉₊₋", "0123456789+-")
SYMBOLS = {
    "−": "-", "–": "-", "‒": "-", "﹣": "-", "－": "-", "×": "*", "·": "*", "⋅": "*", "∙": "*", "∗": "*", "÷": "/", "⁄": "/", "∕": "/",
    "≈": "\\approx ", "≃": "\\approx ", "≅": "\\approx ", "≤": "\\le ", "≥": "\\ge ", "≠": "\\ne ", "∞": "\\infty ", "π": "\\pi ",
    "√": "\\sqrt ", "±": "\\pm ", "∪": "\\cup ", "∩": "\\cap ", "∈": "\\in ", "µ": "μ", "Ω": "Ω", "º": "°", "˚": "°", "′": "'", "″": '"',
    "，": ",", "。": ".", "：": ":", "；": ";", "（": "(", "）": ")", "\u00a0": " ", "\u2009": " ", "\u202f": " ", "\u200b": "", "⟨": "(", "⟩": ")",
}  # fmt: skip
SYMBOL_TABLE = str.maketrans(SYMBOLS)

# Names that models write for units, mapped to pint's. Whatever is not here (apples, students) is a noun, and nouns never contradict.
UNIT_NAMES = {
    "m": "meter", "g": "gram", "s": "second", "sec": "second", "secs": "second", "min": "minute", "mins": "minute", "h": "hour", "hr": "hour", "hrs": "hour",
    "d": "day", "yr": "year", "yrs": "year", "y": "year", "K": "kelvin", "mol": "mole", "A": "ampere", "amp": "ampere", "amps": "ampere", "cd": "candela",
    "N": "newton", "J": "joule", "W": "watt", "V": "volt", "C": "coulomb", "F": "farad", "H": "henry", "T": "tesla", "G": "gauss", "Wb": "weber",
    "S": "siemens", "Ω": "ohm", "Omega": "ohm", "Pa": "pascal", "Hz": "hertz", "L": "liter", "l": "liter", "M": "mole/liter", "eV": "electron_volt",
    "cal": "calorie", "Cal": "kilocalorie", "atm": "atmosphere", "bar": "bar", "torr": "torr", "Torr": "torr", "mmHg": "mmHg", "psi": "psi",
    "rad": "radian", "deg": "degree", "°": "degree", "sr": "steradian", "u": "unified_atomic_mass_unit", "amu": "unified_atomic_mass_unit",
    "Da": "dalton", "e": "elementary_charge", "Å": "angstrom", "in": "inch", "ft": "foot", "feet": "foot", "yd": "yard", "mi": "mile", "lb": "pound", "lbs": "pound",
    "oz": "ounce", "gal": "gallon", "ly": "light_year", "AU": "astronomical_unit", "pc": "parsec", "Bq": "becquerel", "Ci": "curie", "Gy": "gray", "Sv": "sievert",
    "lm": "lumen", "lx": "lux", "dyn": "dyne", "erg": "erg", "P": "poise", "D": "debye", "B": "byte", "ha": "hectare", "hp": "horsepower",
    "speed_of_light": "speed_of_light", "mph": "mile/hour", "kph": "kilometer/hour", "rpm": "revolution/minute", "ppm": "ppm", "kt": "knot", "°C": "degC", "degC": "degC", "℃": "degC", "°F": "degF",
    "degF": "degF", "celsius": "degC", "fahrenheit": "degF", "cc": "cm**3", "wk": "week", "lbf": "pound_force", "rev": "revolution", "Wh": "watt_hour", "Eh": "hartree", "Btu": "Btu", "BTU": "Btu",
    "inches": "inch", "henries": "henry", "R": "roentgen", "molar": "mole/liter", "centimetre": "centimeter", "t": "metric_ton", "metre": "meter", "litre": "liter",
}  # fmt: skip
UNIT_WORDS = set(
    """meter gram second minute hour day week month year decade century kelvin mole ampere newton joule watt volt coulomb farad henry tesla gauss weber siemens
    ohm pascal hertz liter electronvolt electron_volt calorie atmosphere radian degree steradian dalton angstrom inch foot yard mile pound ounce gallon parsec becquerel
    curie gray sievert lumen lux dyne poise debye byte bit hectare acre horsepower revolution ton tonne knot hartree quart pint cup turn micron""".split()
)
SHORT = "|".join(
    "mmol mol rad kPa MPa MeV keV kg km cm mm dm nm μm kJ mJ kN mN kW kV mV mA Pa Hz eV m g s J K N W V C A T L Ω".split()
)  # not ms: kgms^-1
GLUED = re.compile(f"(?:{SHORT}){{2,4}}")  # Jkg^-1
GLUED_ALONE = re.compile(
    "k?[NJ]m|k?[JNVW]s|[kM]?[NJV]m|[kmM]?Ω(?:m|cm)|kgm"
)  # without an exponent: anything else may be a word
COUNTED = re.compile(
    r"(?:photon|particle|molecule|atom|electron|proton|neutron|ion|cycle|count|event|decay|disintegration|collision|fission|cell|person|beat|breath)s?|nucle(?:us|i)|people"
)
PREFIXES = "yocto zepto atto femto pico nano micro milli centi deci deca hecto kilo mega giga tera peta".split()
NO_PREFIX = set(
    "min h d yr y in ft mi lb oz u e ° °C °F deg AU ly P B R D M rpm ppm mph in hr t sec rev cc ha".split()
) - {"M"}


def to_ascii_math(text):
    """Unicode signs of mathematics in the plain or LaTeX spelling: 10⁻³ -> 10^{-3}, H₂O -> H2O, − -> -, ½ -> 1/2."""
    if "<su" in text:
        text = re.sub(
            r"<sup>([^<>]{1,40})</sup>",
            r"^{\1}",
            re.sub(r"<sub>([^<>]{1,40})</sub>", r"_{\1}", text),
        )
    if text.isascii():
        return text
    text = re.sub(
        r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ]+", lambda m: "^{" + m.group().translate(SUPERSCRIPTS) + "}", text
    )
    text = re.sub(
        r"(\d?)([½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞])",
        lambda m: (
            (m[1] + " " if m[1] else "") + unicodedata.normalize("NFKC", m[2]).replace("⁄", "/")
        ),
        text,
    )
    text = re.sub(
        r"(?<=\d)[₀-₉]+", lambda m: "_{" + m[0].translate(SUBSCRIPTS) + "}", text
    )  # 1010₂
    return text.translate(SUBSCRIPTS).translate(SYMBOL_TABLE)


def strip_wrappers(text):
    """LaTeX that changes the looks and not the meaning is taken off; \\text{ cm} -> cm."""
    text = to_ascii_math(text)
    if "\\" in text or "{" in text or "$" in text:
        text = re.sub(r"(?<=\d)\s*,\s*\\!\s*(?=\d{3})", ",", text.replace("{,}", ",")).replace(
            "\\!", ""
        )
        text = re.sub(r"\^\s*\{\s*([-+]?\d+)\s*\}", r"^\1", text)
        text = re.sub(r"\\[,;:> ]|~|\\q?quad", " ", text).replace("{10}", "10")
        text = re.sub(
            r"\\(?:text|textbf|textit|textrm|textnormal|textsf|texttt|mathrm|mathbf|mathit|mathsf|operatorname|mbox|hbox|rm|bf|unit|si)\s*\{([^{}]*)\}",
            r" \1 ",
            text,
        )
        text = re.sub(
            r"\\[dtc]?frac\s*(?:\{\s*(-?[\d.]+)\s*\}\s*\{\s*([\d.]+)\s*\}|(\d)\s*(\d)(?!\d))",
            lambda m: f" {m[1] or m[3]}/{m[2] or m[4]} ",
            text,
        )
        text = re.sub(r"\^\s*\{?\s*\\(?:circ|degree)\s*\}?|\\degree|\\circ", "°", text)
        text = re.sub(
            r"\\[,;:> ]|~|\\quad|\\qquad|\\left|\\right|\\displaystyle|\\rm\b|\\bf\b|\$",
            " ",
            text.replace("\\$", "$ ") if text.count("$") == 1 else text.replace("\\$", ""),
        )
        text = (
            text.replace("\\%", "%")
            .replace("\\mu", "μ")
            .replace("\\Omega", "Ω")
            .replace("\\AA", "Å")
            .replace("\\cdot", "*")
            .replace("\\times", "*")
        )
    return text.strip()


UNIT_TOKEN = re.compile(
    r"\s*(?:(?P<name>°\s*[CF](?![A-Za-z])|℃|°|speed_of_light|[A-Za-zμΩÅ]+|')\.?|(?P<ten>10\s*\^\s*\{?\s*[-+]?\d+\s*\}?)|(?P<exp>(?:\^\s*|(?<=[A-Za-zμΩÅ°])|(?=-)|(?=\{))\{?\s*\(?\s*[-+]?\d(?!\d)(?:/\d)?\s*\)?\s*\}?|\*\*\s*-?\d)|(?P<op>[/*.()-]|\bper\b))"
)


def unit_symbols(text):
    """The unit in one spelling: words such as "square", "per" and "degrees" as signs, fractions with a slash, mm of Hg, electron volts and psi as one name."""
    text = strip_wrappers(text).strip().rstrip(".").strip()
    text = re.sub(
        r"μ\s+(?=[A-Za-zΩ])", "μ", text
    )  # \mu\mathrm{T}: the letter and its prefix are one unit
    text = re.sub(
        r"\\[dtc]?frac\s*\{([^{}]{1,30})\}\s*\{([^{}]{1,30})\}", r"(\1)/(\2)", text
    )  # \frac{kJ}{mol}
    text = re.sub(r"\\(?:alpha|beta|gamma)[\s-]*(?=particle|photon|ray|decay)", "", text)
    text = re.sub(r"\b(square|sq\.?)\s+([a-zA-Z]+)", r"\2^2", text)
    text = re.sub(r"\b(cubic|cu\.?)\s+([a-zA-Z]+)", r"\2^3", text)
    text = re.sub(
        r"([a-zA-Z]+)\s+squared\b", r"\1^2", re.sub(r"([a-zA-Z]+)\s+cubed\b", r"\1^3", text)
    )
    text = re.sub(
        r"\b(?:mm|millimet(?:er|re)s?)\s+(?:of\s+)?(?:Hg|mercury)\b",
        "mmHg",
        re.sub(r"\belectron[\s-](volts?)\b", r"electron\1", text, flags=re.I),
    )
    text = re.sub(
        r"\blbs?\s*/\s*in\s*\^?\s*2(?!\d)",
        "psi",
        re.sub(r"\bper\b", "/", re.sub(r"\bdeg(?:ree)?s?\s", "°", text)),
    )
    text = re.sub(r"(?<=eV)\s*/\s*\(?c\)?(?![A-Za-z])", "/(speed_of_light)", text)
    text = re.sub(
        r"°\s*(celsius|centigrade|c)\b",
        "°C",
        re.sub(r"°\s*(fahrenheit|f)\b", "°F", text, flags=re.I),
        flags=re.I,
    )
    text = re.sub(r"°\s*(?:kelvin|K\b)", "K", text, flags=re.I)
    return re.sub(r"(?<=[A-Za-z\d])-(?=[A-Za-z])", "*", text)


@functools.lru_cache(maxsize=4096)
def read_unit(text):
    """(pint expression, factor) of a unit such as "kJ mol^{-1}", "m/s2", "10^6 m s^-1"; None where a part is no unit."""
    text = unit_symbols(text)
    if not text or len(text) > 80:
        return None
    parts, factor, sign, depth_sign, at, below = [], 1.0, 1, [], 0, False
    while at < len(text):
        match = UNIT_TOKEN.match(text, at)
        if not match or match.end() == at:
            return None
        at = match.end()
        if match["name"]:
            names = unit_names(match["name"].replace(" ", ""), text[at:])
            if not names:
                return None
            parts.extend([name, sign] for name in names)
            sign = depth_sign[-1] if depth_sign else -1 if below else 1
        elif match["ten"]:
            exponent = int(re.search(r"[-+]?\d+\s*\}?$", match["ten"])[0].rstrip("} "))
            if abs(exponent) > 99 or parts:
                return None
            factor = float(f"1e{exponent}")
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
    if (
        not parts
        and factor == 1.0
        or depth_sign
        or parts
        and all(name == "count" for name, _ in parts)
    ):
        return None  # "5 molecules" has a noun and no unit
    return "*".join(f"({name})**{power}" for name, power in parts), factor


def unit_names(name, rest):
    """pint's names of one name or of several written as one, [] of no unit: "kJ" -> [kilojoule]; "Jkg", and "ms" before a negative power, are two."""
    if name == "ms" and re.match(r"\s*(?:\^|\*\*)?[\s{(]*-\s*\d", rest):
        return ["meter", "second"]
    if (known := pint_name(name)) is not None:
        return [known]
    if GLUED_ALONE.fullmatch(name) or re.match(r"\s*(?:\^|\*\*|-\d)", rest):
        return (
            [pint_name(part) for part in re.findall(SHORT, name)] if GLUED.fullmatch(name) else []
        )
    return []


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
        return {
            "kg": "kilogram",
            "km": "kilometer",
            "cm": "centimeter",
            "mm": "millimeter",
            "ml": "milliliter",
            "hz": "hertz",
        }.get(word)
    for candidate in (
        word,
        word[:-1] if word.endswith("s") else word,
        word[:-2] if word.endswith("es") else word,
    ):
        if candidate in ("celsius", "fahrenheit"):
            return UNIT_NAMES[candidate]
        if candidate in ("inches", "feet", "henries", "molar"):
            return UNIT_NAMES[candidate]
        base = next(
            (
                candidate[len(p) :]
                for p in PREFIXES
                if candidate.startswith(p) and candidate[len(p) :] in UNIT_WORDS
            ),
            None,
        )
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
            one, zero = (
                ureg.Quantity(x, expression[1:5]).to("kelvin").magnitude for x in (1.0, 0.0)
            )
            return "[temperature]", one - zero, zero
        unit = ureg.Quantity(
            1.0,
            ureg.parse_units(
                expression.replace("degC", "delta_degC").replace("degF", "delta_degF")
            ),
        ).to_base_units()
        return str(unit.dimensionality), float(unit.magnitude), 0.0
    except Exception:  # pint's own errors are many; each means: no such unit
        return "?", None, 0.0


def unit_after(text):
    """The longest unit, of one to four words, at the start of the text that follows a number; "" without one."""
    words = re.match(r"\s*-?((?:[^\s,;()]+(?:\s|$)*){1,4})", text[:60])
    if not words:
        return ""
    parts = words[1].split()
    for n in range(len(parts), 0, -1):
        unit = " ".join(parts[:n]).rstrip(".,;:!?*")
        if (
            unit in ("%", "percent", "\\%")
            or read_unit(unit)
            and re.match(r"[A-Za-zμΩÅ°%\\]", unit)
        ):
            return unit
    return ""
