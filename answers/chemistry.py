"""Chemistry in answers: charges, point groups, electron configurations, oxidation numbers.

compare_chemistry("H_{2}O", "H2O") -> True        compare_chemistry("1s^2 2s^1", "[He]2s1") -> True
"""

import re

SIGN = re.compile(r"sp\d?(?:d\d?)?|[+-](?:\d|[IVX]{1,4})|(?:\d|[IVX]{1,4})[+-]")  # sp^3, +VI, 6+
ROMAN = dict(zip("I II III IV V VI VII VIII".split(), "12345678", strict=True))
CORES = {"He": "1s2", "Ne": "1s22s22p6", "Ar": "1s22s22p63s23p6", "Kr": "1s22s22p63s23p63d104s24p6"}
SHELLS = re.compile(r"(?:\[(He|Ne|Ar|Kr)\])?((?:[1-7][spdf]\d{1,2})+)")


def compare_chemistry(said, wanted, rel_tol=None):
    """True or False of two chemical formulas, configurations or signs; None where they are not both
    chemistry."""
    one, two = bare(said), bare(wanted)
    values = read(one), read(two)
    if None not in values and re.search("[A-Za-z]", wanted):
        return values[0] == values[1]
    return True if one == two and re.match(r"\d?[A-Z]", one) else None


def bare(text):
    """ "Fe^{+3}" -> "Fe3+", "C_{2v}" -> "C2v"; a power that is no charge keeps its sign."""
    text = re.sub(r"[\s{}$]", "", text.rpartition("=")[2])
    text = re.sub(r"\^?([+-])(\d)$", r"\2\1", text) if re.match(r"\(?[A-Z]", text) else text
    return re.sub(r"\^(?=\d?[+-]$)|_(?=\w)", "", text)


def read(text):
    """A hybrid, point group or oxidation number (+VI, 6+ and +6 are one), or the subshells of an
    electron configuration in order, noble gas cores written out; None of anything else."""
    text = text.replace("^", "")
    if SIGN.fullmatch(text):
        charge, number = re.sub(r"[^+-]", "", text), re.sub(r"[+-]", "", text)
        return charge + ROMAN.get(number, number)
    if match := SHELLS.fullmatch(text):
        one_shell = r"([1-7][spdf])(\d{1,2}?)(?=[1-7][spdf]|$)"
        return sorted(re.findall(one_shell, CORES.get(match[1], "") + match[2]))
    return None
