"""Units of measurement as people write them, in pint's language: "kJ mol^{-1}", "ms^-2", "degrees Celsius".

read_unit("kJ/mol") -> ("(kilojoule)**1*(mole)**-1", 1.0)
unit_info("(kilometer)**1*(hour)**-1") -> ("[length] / [time]", 0.2777..., 0.0)
"""

import functools
import re

from .markup import read_table, spell

PREFIXES = dict(
    zip(
        "y z a f p n u μ m c d h k M G T P E".split(),
        """yocto zepto atto femto pico nano micro micro milli centi deci hecto kilo mega giga tera
        peta exa""".split(),
        strict=True,
    )
)
UNITS, PREFIXED = {}, set()  # spelling -> pint's name; spellings that take k, M, m and so on
for _row in read_table("units"):
    for _spelling in (_row["unit"], *_row["spellings"].split()):
        UNITS[_spelling] = _row["unit"]
        PREFIXED.update([_spelling] if _row["prefixes"] == "1" else [])
SHORT = "|".join(
    "mmol mol rad kPa MPa MeV keV kg km cm mm dm nm μm kJ mJ kN mN kW kV mV mA Pa Hz eV m g s J K N W V C A T L Ω".split()
)  # not ms: kgms^-1
GLUED = re.compile(f"(?:{SHORT}){{2,4}}")  # Jkg^-1
GLUED_ALONE = re.compile("[kM]?[NJV]m|k?[JNVW]s|[kmM]?Ω(?:m|cm)|kgm|mAh")  # Nm, without an exponent
COUNTED = re.compile(
    r"""(?:photon|particle|molecule|atom|electron|proton|neutron|ion|cycle|count|event|decay
    |disintegration|collision|fission|cell|person|beat|breath)s?|nucle(?:us|i)|people""",
    re.VERBOSE,
)
TEN = re.compile(r"\s*10\s*\^\s*\{?\s*([-+]?\d{1,2})\s*\}?\s*[*.]?")
FACTOR = re.compile(
    r"""[\s*.()]*(?P<name>°\s*[CF](?![A-Za-z])|℃|[°¤¢]|[A-Za-zμΩÅ_]+)\.?
    (?P<power>\s*(?:\^|(?=[-{\d]))\s*[{(]{0,2}\s*[-+]?\d(?!\d)\s*[})]{0,2})?[\s.)]*""",
    re.VERBOSE,
)
# One spelling for words and habits inside a unit; in order.
HABITS = [
    (re.compile(pattern, re.I if flag else 0), by)
    for pattern, by, flag in (
        (r"\\frac\s*\{([^{}]{1,30})\}\s*\{([^{}]{1,30})\}", r"(\1)/(\2)", 0),  # \frac{kJ}{mol}
        (r"μ\s+(?=[A-Za-zΩ])", "μ", 0),  # \mu\mathrm{T}
        (r"[αβγ][\s-]*(?=particle|photon|ray|decay)", "", 0),  # J/\alpha-particle
        (r"\b(?:square|sq\.?)\s+([a-zA-Z]+)|([a-zA-Z]+)\s+squared\b", r"\1\2^2", 0),
        (r"\b(?:cubic|cu\.?)\s+([a-zA-Z]+)|([a-zA-Z]+)\s+cubed\b", r"\1\2^3", 0),
        (r"\b(?:mm|millimet(?:er|re)s?)\s+(?:of\s+)?(?:Hg|mercury)\b", "mmHg", 1),
        (r"\b(electron|light)[\s-]((?:volt|year)s?)\b", r"\1\2", 1),
        (r"\bwatt[\s-]hours?\b", "Wh", 1),
        (r"\bastronomical units?\b", "AU", 1),
        (r"\blbs?\s*/\s*in\s*\^?\s*2(?!\d)", "psi", 0),
        (r"\bper\b", "/", 0),
        (r"\bdeg(?:ree)?s?\s", "°", 0),
        (r"(?<=eV)\s*/\s*c(?:\s*\^?\s*\{?2\}?)?(?![A-Za-z])", "", 0),  # MeV/c^2
        (r"°\s*(?:celsius|centigrade|c)\b", "°C", 1),
        (r"°\s*(?:fahrenheit|f)\b", "°F", 1),
        (r"°\s*(?:kelvin|K\b)", "K", 1),
        (r"(?<=[A-Za-z\d])-(?=[A-Za-z])", "*", 0),
    )
]


@functools.lru_cache(maxsize=4096)
def read_unit(text):
    """(pint expression, factor) of a unit such as "kJ mol^{-1}", "m/s2", "10^6 m s^-1"; None where a part is no unit.

    Everything behind the first "/" is below it: J/mol K is J/(mol K), as everybody writes it.
    """
    text = spell(text)
    if not text or len(text) > 80:
        return None
    for pattern, by in HABITS:
        text = pattern.sub(by, text)
    ten = TEN.match(text)
    above, *below = text[ten.end() if ten else 0 :].split("/")
    parts = []
    for sign, part in ((1, above), *((-1, part) for part in below)):
        if (found := factors(part, sign)) is None or below[1:] and not part.strip():
            return None
        parts += found
    if not (parts or ten) or parts and all(name == "count" for name, _ in parts):
        return None  # "5 molecules" has a noun and no unit
    return "*".join(f"({name})**{n}" for name, n in parts), 10.0 ** int(ten[1]) if ten else 1.0


def factors(text, sign):
    """[(pint's name, power), ...] of "kg m^2"; None where a part is no unit."""
    found, at = [], 0
    while at < len(text.rstrip()):
        match = FACTOR.match(text, at)
        names = (
            unit_names(match["name"].replace(" ", ""), text[match.end("name") :]) if match else []
        )
        if not names:
            return None
        power = int(re.sub(r"[^-\d]", "", match["power"] or "1"))
        found += [(name, sign) for name in names[:-1]]
        found.append((names[-1], power if power < 0 else sign * power))
        at = match.end()
    return found


def unit_names(name, rest):
    """pint's names of one name or of several written as one, [] of no unit: "kJ" -> [kilojoule]; "Jkg", and "ms" before a negative power, are two."""
    if name == "ms" and re.match(r"\s*\^?[\s{(]*-\s*\d", rest):
        return ["meter", "second"]
    if known := symbol_name(name):
        return [known]
    if GLUED_ALONE.fullmatch(name) or re.match(r"\s*(?:\^|-\d)", rest) and GLUED.fullmatch(name):
        return [symbol_name(part) for part in re.findall(f"{SHORT}|h", name)]
    known = word_name(name)
    return [known] if known else []


def symbol_name(name):
    """pint's name of a symbol, perhaps with a prefix: "kJ" -> "kilojoule"; None of anything else."""
    if name in UNITS:
        return UNITS[name]
    if name[:1] not in PREFIXES or name[1:] not in PREFIXED:
        return None
    base, prefix = UNITS[name[1:]], PREFIXES[name[0]]
    return f"({prefix}mole/liter)" if base == "mole/liter" else prefix + base


@functools.lru_cache(maxsize=4096)
def word_name(name):
    """pint's name of a word: "metres" -> "meter", "photons" -> "count", "apples" -> None."""
    if COUNTED.fullmatch(name):
        return "count"
    word = name.lower().replace("metre", "meter").replace("litre", "liter")
    for candidate in (word, word.removesuffix("s"), word.removesuffix("es")):
        for prefix in ("", *PREFIXES.values()):
            base = candidate.removeprefix(prefix)
            if len(base) > 2 and base in UNITS and candidate == prefix + base:
                return prefix + UNITS[base]
    return None


@functools.lru_cache(maxsize=1)
def registry():
    import pint  # 0.4 s

    ureg = pint.UnitRegistry(autoconvert_offset_to_baseunit=True)
    ureg.define("dollar = [money]")
    ureg.define("cent = 0.01 dollar")
    return ureg


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
        difference = expression.replace("degC", "delta_degC").replace("degF", "delta_degF")
        unit = ureg.Quantity(1.0, ureg.parse_units(difference)).to_base_units()
        return str(unit.dimensionality), float(unit.magnitude), 0.0
    except Exception:  # pint's own errors are many; each means: no such unit
        return "?", None, 0.0


def unit_after(text):
    """The longest unit, of one to four words, at the start of the text that follows a number; "" without one."""
    words = re.match(r"\s*-?((?:[^\s,;()]+(?:\s|$)*){1,4})", text[:60])
    parts = words[1].split() if words else []
    for n in range(len(parts), 0, -1):
        unit = " ".join(parts[:n]).rstrip(".,;:!?*")
        if unit in ("%", "percent", "\\%"):
            return unit
        if read_unit(unit) and re.match(r"[A-Za-zμΩÅ°%\\]", unit):
            return unit
    return ""
