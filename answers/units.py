"""Units of measurement as people write them, read by pint.

read_unit("km/h") -> Unit(name="kilometer**1*hour**-1", dimension="[length] / [time]", size=0.2777..., zero=0.0)
"""

import functools
import re
from typing import NamedTuple

from .markup import spell

PREFIXES = "femto pico nano micro milli centi deci hecto kilo mega giga tera peta".split()
# Of pint's 1,000 units those that answers have; "points" or "hand" is none.
METRIC = set(
    """meter gram second ampere kelvin mole candela newton joule watt volt coulomb farad henry tesla
    gauss weber siemens ohm pascal hertz liter molar electron_volt calorie bar parsec becquerel curie
    gray sievert lumen lux dyne erg watt_hour dalton radian poise stokes byte bit meter_Hg""".split()
)
OTHERS = METRIC | set(
    """kilocalorie unified_atomic_mass_unit minute hour day week month year decade century torr
    standard_atmosphere pound_force_per_square_inch degree steradian angstrom inch foot yard mile
    mile_per_hour kilometer_per_hour pound ounce force_pound gallon quart pint cup light_year
    astronomical_unit speed_of_light elementary_charge debye hectare acre horsepower metric_ton knot
    turn revolutions_per_minute percent ppm hartree british_thermal_unit cubic_centimeter micron
    degree_Celsius degree_Fahrenheit dollar cent""".split()
)
SPELLINGS = {
    "°": "degree", "℃": "degC", "¤": "dollar", "¢": "cent", "USD": "dollar", "%": "percent",
    "Cal": "kilocalorie", "AU": "au", "rev": "turn", "a": "", "cycle": "", "cycles": "",
}  # fmt: skip
FACTOR = re.compile(
    r"""(?P<name>°[CFK](?![A-Za-z])|[℃°¤¢%]|[A-Za-zμΩÅ_]+)\.?
    (?:(?:\s*\^\s*[{(]{0,2}|(?=[-\d]))(?P<power>[-+]?\d(?!\d)))?""",
    re.VERBOSE,
)
# In order.
HABITS = (
    (r"\\frac\s*\{([^{}]{1,30})\}\s*\{([^{}]{1,30})\}", r"(\1)/(\2)"),  # \frac{kJ}{mol}
    (r"μ\s+(?=[A-Za-zΩ])", "μ"),  # \mu\mathrm{T}
    (r"\b(?:square|sq\.?)\s+([a-zA-Z]+)|([a-zA-Z]+)\s+squared\b", r"\1\2^2"),
    (r"\b(?:cubic|cu\.?)\s+([a-zA-Z]+)|([a-zA-Z]+)\s+cubed\b", r"\1\2^3"),
    (r"\bmm\s*(?:of\s+)?Hg\b", "mmHg"),
    (r"\b([eE]lectron|[lL]ight|[wW]att)[\s-]((?:volt|year|hour)s?)\b", r"\1_\2"),
    (r"\bper\b", "/"),
    (
        r"(?i)(?:°|\bdeg(?:ree)?s?\b)\s*(celsius|centigrade|fahrenheit|kelvin|[cfk]\b)",
        lambda match: "°" + match[1][0].upper(),
    ),
    (r"\b(?:(?:mol|wt|vol|mass|[wvm]/[wvm])\.?\s?%|percentage\spoints?)", "%"),
    (r"(?<=%)\s*/.*", ""),  # % per year
    (r"(?<=eV)\s*/\s*c(?:\s*\^?\s*\{?2\}?)?(?![A-Za-z])", ""),  # MeV/c^2
    (r"(?<![A-Za-z])([A-ZΩ])([ms])(?![A-Za-z])", r"\1 \2"),  # Nm, Js
    (r"(?<![A-Za-z])([ckm]?m|rad)s(?=\s*\^?\s*[{(]?-)", r"\1 s"),  # ms^-1
    (r"^1\s*(?=/)", ""),
)


class Unit(NamedTuple):
    """name: in pint's language; size and zero: value * size + zero is in base units."""

    name: str
    dimension: str
    size: float
    zero: float


@functools.lru_cache(maxsize=4096)
def read_unit(text):
    """The Unit of a text; None where a part is no unit. Everything behind the first "/" is below it:
    J/mol K is J/(mol K)."""
    text = spell(text)
    if not 0 < len(text) <= 80:
        return None
    for pattern, by in HABITS:
        text = re.sub(pattern, by, text)
    if re.search(r"[^\s*./(){}-]", FACTOR.sub("", text)):
        return None
    found, slash = [], text.find("/")
    for match in FACTOR.finditer(text):
        name, power = pint_name(match["name"]), int(match["power"] or 1)
        found.append((name, -abs(power) if 0 <= slash < match.start() else power))
    if not found or None in dict(found):
        return None
    return measured("*".join(f"{name}**{n}" for name, n in found))


@functools.lru_cache(maxsize=4096)
def pint_name(word):
    """ "metres" -> "meter", "apples" -> None."""
    word, parse = SPELLINGS.get(word, word), registry().parse_unit_name
    for prefix, base, _ in parse(word) or word[2:] and parse(word.lower()):
        if prefix in PREFIXES and base in METRIC or base in OTHERS and not prefix:
            return prefix + base
    return None


@functools.lru_cache(maxsize=1)
def registry():
    import pint  # 0.4 s

    ureg = pint.UnitRegistry(autoconvert_offset_to_baseunit=True)
    ureg.define("dollar = [money]")
    ureg.define("cent = 0.01 dollar")
    return ureg


def measured(name):
    """The Unit of a product of pint's names; None where pint refuses it."""
    factor = name.removesuffix("**1")  # a power, even the first, makes an offset a difference
    try:
        zero, one = (registry().Quantity(x, factor).to_base_units() for x in (0.0, 1.0))
    except Exception:  # pint's own errors are many
        return None
    return Unit(name, str(one.dimensionality), one.magnitude - zero.magnitude, zero.magnitude)


def unit_after(text):
    """The longest unit, of one to four words, that the text begins with; "" without one."""
    parts = re.split(r"[,;()]", text[:60])[0].lstrip(" -").split()[:4]
    for n in range(len(parts), 0, -1):
        unit = " ".join(parts[:n]).rstrip(".,;:!?*")
        if read_unit(unit):
            return unit
    return ""
