"""Chemistry in answers: compare_chemistry("1s^2 2s^1", "[He]2s1") -> True"""

import re

SIGN = re.compile(r"sp\d?(?:d\d?)?|[+-](?:\d|[IVX]{1,4})|(?:\d|[IVX]{1,4})[+-]")  # sp^3, +VI, 6+
ROMAN = dict(zip("I II III IV V VI VII VIII".split(), "12345678", strict=True))
CORES = {"He": "1s2", "Ne": "1s22s22p6", "Ar": "1s22s22p63s23p6"}
SHELLS = re.compile(r"(?:\[(He|Ne|Ar)\])?((?:[1-7][spdf]\d{1,2})+)")


def compare_chemistry(said, wanted, rel_tol=None):
    """True or False of two formulas, configurations or signs; None where not both are chemistry."""
    one, two = bare(said), bare(wanted)
    values = read(one), read(two)
    if None not in values and re.search("[A-Za-z]", wanted):
        return values[0] == values[1]
    return True if one == two and re.match(r"\d?[A-Z]", one) else None


def bare(text):
    """ "Fe^{3+}" -> "Fe3+", "C_{2v}" -> "C2v"; a power that is no charge keeps its sign."""
    return re.sub(r"[\s{}$]|\^(?=\{?\d?[+-]\}?$)|_(?=\{?\w)", "", text)


def read(text):
    """A hybrid or oxidation number (+VI, 6+ and +6 are one), or the subshells of an electron
    configuration in order; None of anything else."""
    text = text.replace("^", "")
    if SIGN.fullmatch(text):
        charge, number = re.sub(r"[^+-]", "", text), re.sub(r"[+-]", "", text)
        return charge + ROMAN.get(number, number)
    if match := SHELLS.fullmatch(text):
        one_shell = r"([1-7][spdf])(\d{1,2}?)(?=[1-7][spdf]|$)"
        return sorted(re.findall(one_shell, CORES.get(match[1], "") + match[2]))
    return None
