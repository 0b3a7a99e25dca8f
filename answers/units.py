"""Units of measurement as people write them, read by pint: "kJ mol^{-1}", "ms^-2", "degrees
Celsius".

read_unit("km/h") -> Unit(name="kilometer**1*hour**-1", dimension="[length] / [time]", size=0.2777..., zero=0.0)
read_unit("apples") -> None
"""

import functools
import re
from typing import NamedTuple

from .markup import spell

PREFIXES = "femto pico nano micro milli centi deci hecto kilo mega giga tera peta".split()
# Of pint's 1,000 units those that answers have; a word such as "points" or "hand" is none.
METRIC = set(
    """meter gram second ampere kelvin mole candela newton joule watt volt coulomb farad henry tesla
    gauss weber siemens ohm pascal hertz liter molar electron_volt calorie bar parsec becquerel curie
    gray sievert lumen lux dyne erg watt_hour dalton radian poise stokes byte bit""".split()
)
OTHERS = set(
    """kilocalorie unified_atomic_mass_unit minute hour day week month year decade century torr
    standard_atmosphere meter_Hg pound_force_per_square_inch degree steradian angstrom inch foot yard
    mile mile_per_hour kilometer_per_hour pound ounce force_pound gallon quart pint cup light_year
    astronomical_unit speed_of_light elementary_charge debye hectare acre horsepower metric_ton knot
    turn revolutions_per_minute ppm hartree british_thermal_unit cubic_centimeter micron
    degree_Celsius degree_Fahrenheit dollar cent""".split()
)
SPELLINGS = {
    "°": "degree", "°C": "degC", "°F": "degF", "℃": "degC", "centigrade": "degC", "¤": "dollar",
    "USD": "dollar", "¢": "cent", "Cal": "kilocalorie", "AU": "au", "gm": "gram", "rev": "turn",
    "ev": "eV", "wb": "Wb", "hz": "Hz", "henries": "henry", "Omega": "ohm", "tons": "tonne",
    "y": "year", "BTU": "Btu", "celcius": "degC",
}  # fmt: skip
COUNTED = re.compile(
    r"""(?:photon|particle|molecule|atom|electron|proton|neutron|ion|cycle|count|event|decay
    |disintegration|cell|person|beat)s?|nucle(?:us|i)|people""",
    re.VERBOSE,
)
FACTOR = re.compile(
    r"""[\s*.()]*(?P<name>°\s*[CF](?![A-Za-z])|[℃°¤¢]|[A-Za-zμΩÅ_]+)\.?
    (?P<power>\s*(?:\^|(?=[-{\d]))\s*[{(]{0,2}\s*[-+]?\d(?!\d)\s*[})]{0,2})?[\s.)]*""",
    re.VERBOSE,
)
# One spelling for words and habits inside a unit; in order.
HABITS = [
    (re.compile(pattern), by)
    for pattern, by in (
        (r"\\frac\s*\{([^{}]{1,30})\}\s*\{([^{}]{1,30})\}", r"(\1)/(\2)"),  # \frac{kJ}{mol}
        (r"μ\s+(?=[A-Za-zΩ])|(?<![A-Za-z])([kM])\s+(?=Ω)", lambda m: m[1] or "μ"),  # \mu\mathrm{T}
        (r"[αβγ][\s-]*(?=particle|photon|ray|decay)", ""),  # J/\alpha-particle
        (r"\b(?:square|sq\.?)\s+([a-zA-Z]+)|([a-zA-Z]+)\s+squared\b", r"\1\2^2"),
        (r"\b(?:cubic|cu\.?)\s+([a-zA-Z]+)|([a-zA-Z]+)\s+cubed\b", r"\1\2^3"),
        (r"\bmm\s*(?:of\s+)?Hg\b", "mmHg"),
        (r"\b([eE]lectron|[lL]ight|[wW]att)[\s-]((?:volt|year|hour)s?)\b", r"\1_\2"),
        (r"\bper\b", "/"),
        (r"\bdeg(?:ree)?s?\s+", "°"),
        (r"(?<=eV)\s*/\s*c(?:\s*\^?\s*\{?2\}?)?(?![A-Za-z])", ""),  # MeV/c^2
        (r"°\s*([cC]elsius|centigrade|c\b|[fF]ahrenheit)", lambda m: "°" + m[1][0].upper()),
        (r"°\s*(?:[kK]elvin|K\b)", "K"),
        (r"(?<=[A-Za-z\d])-(?=[A-Za-z])", "*"),
    )
]


class Unit(NamedTuple):
    """name: in pint's language; size and zero: value * size + zero is in base units."""

    name: str
    dimension: str
    size: float
    zero: float = 0.0


@functools.lru_cache(maxsize=4096)
def read_unit(text):
    """The Unit of a text such as "kJ mol^{-1}" or "m/s2"; None where a part is no unit.

    Everything behind the first "/" is below it: J/mol K is J/(mol K), as everybody writes it.
    """
    text = spell(text)
    if not 0 < len(text) <= 80:
        return None
    for pattern, by in HABITS:
        text = pattern.sub(by, text)
    above, *below = re.sub(r"^1\s*(?=/)", "", text).split("/")
    if below[1:] and not all(part.strip() for part in below):
        return None
    found = [factors(above, 1), *(factors(part, -1) for part in below)]
    if None in found:
        return None
    parts = [part for one in found for part in one]
    if all(name == "count" for name, _ in parts):
        return None  # "5 molecules" has a noun and no unit
    return measured("*".join(f"{name}**{n}" for name, n in parts))


def factors(text, sign):
    """[(pint's name, power), ...] of "kg m^2"; None where a part is no unit."""
    found, at = [], 0
    while at < len(text.rstrip()):
        match = FACTOR.match(text, at)
        if not match:
            return None
        power = int(re.sub(r"[^-\d]", "", match["power"] or "1"))
        names = names_of(match["name"].replace(" ", ""), match["power"])
        if not names:
            return None
        found += [(name, sign) for name in names[:-1]]
        found.append((names[-1], power if power < 0 else sign * power))
        at = match.end()
    return found


def names_of(word, power):
    """pint's names of a word: "kJ" -> [kilojoule]; "Jkg" before a power, and "Nm", are two; [] of
    no unit."""
    power = (power or "").replace(" ", "")
    if "-" in power and re.fullmatch("[ckm]?ms|rads", word):  # ms^-1 is m/s
        return [pint_name(word[:-1]), "second"]
    if name := pint_name(word):
        return [name]
    if not (power and len(word) < 8 or re.fullmatch("[A-ZΩ][ms]", word)):
        return []
    for at in range(1, len(word)):
        first, rest = pint_name(word[:at]), names_of(word[at:], power)
        if first and rest:
            return [first, *rest]
    return []


@functools.lru_cache(maxsize=4096)
def pint_name(word):
    """pint's name of a word or symbol: "metres" -> "meter", "photons" -> "count", "apples" ->
    None."""
    if COUNTED.fullmatch(word):
        return "count"
    if word == "a":  # a year in pint
        return None
    word = SPELLINGS.get(word, word)
    for spelling in (word, word.lower()) if len(word) > 2 else (word,):
        for prefix, base, _ in registry().parse_unit_name(spelling):
            if base in METRIC and prefix in PREFIXES or base in METRIC | OTHERS and not prefix:
                return prefix + base
            if (prefix, base) in (("milli", "meter_Hg"), ("kilo", "watt_hour")):
                return prefix + base
    return None


@functools.lru_cache(maxsize=1)
def registry():
    import pint  # 0.4 s

    ureg = pint.UnitRegistry(autoconvert_offset_to_baseunit=True)
    ureg.define("dollar = [money]")
    ureg.define("cent = 0.01 dollar")
    return ureg


@functools.lru_cache(maxsize=4096)
def measured(name):
    """The Unit of a product of pint's names; None where pint refuses it."""
    ureg = registry()
    try:
        if name in ("degree_Celsius**1", "degree_Fahrenheit**1"):
            one, zero = (ureg.Quantity(x, name[:-3]).to("kelvin").magnitude for x in (1.0, 0.0))
            return Unit(name, "[temperature]", one - zero, zero)
        unit = ureg.Quantity(1.0, re.sub("degree_(?=[CF])", "delta_degree_", name)).to_base_units()
        return Unit(name, str(unit.dimensionality), float(unit.magnitude))
    except Exception:  # pint's own errors are many; each means: no such unit
        return None


def unit_after(text):
    """The longest unit, of one to four words, at the start of the text that follows a number; ""
    without one."""
    words = re.match(r"\s*-?((?:[^\s,;()]+(?:\s|$)*){1,4})", text[:60])
    parts = words[1].split() if words else []
    for n in range(len(parts), 0, -1):
        unit = " ".join(parts[:n]).rstrip(".,;:!?*")
        if unit in ("%", "percent", "\\%"):
            return unit
        if re.match(r"[A-Za-zμΩÅ°%\\]", unit) and read_unit(unit):
            return unit
    return ""
