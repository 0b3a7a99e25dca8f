"""Chemistry in answers: formulas of substances with their charges, electron configurations, oxidation numbers.

compare_chemistry("H_{2}O", "H2O2") -> False        compare_chemistry("1s^2 2s^1", "[He]2s1") -> True
"""

import re
from collections import Counter

ROMAN = {"I": 1, "II": 2, "III": 3, "IV": 4, "V": 5, "VI": 6, "VII": 7, "VIII": 8}
ELEMENTS = """H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As
    Se Br Kr Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Nd W Re Os Ir Pt Au Hg Tl
    Pb Bi Po At Rn Fr Ra Th U Pu Am""".split()
SYMBOL = "|".join(sorted(ELEMENTS, key=len, reverse=True))
COMPOUND = re.compile(rf"\d*((?:[(\[]?(?:{SYMBOL})\d*[)\]]?\d*){{1,16}})(\d?[+-])?")
SIGN = re.compile(  # sp^3, C_{2v}
    r"sp\^?\d?(?:d\^?\d?)?|[CDS]_?(?:\d|∞)[vhd]?|[CT]_?[vhsid]|[OI]_?h"
)
CORES = {"He": "1s2", "Ne": "1s22s22p6", "Ar": "1s22s22p63s23p6", "Kr": "1s22s22p63s23p63d104s24p6"}
SHELLS = re.compile(r"(?:\[(He|Ne|Ar|Kr)\])?((?:[1-7][spdf]\d{1,2})+)")
OXIDATION = re.compile(r"([+-]?)(?:(\d)|([IVX]{1,4}))([+-]?)")


def compare_chemistry(said, wanted):
    """True or False of two chemical formulas, configurations or signs; None where they are not both chemistry."""
    if len(said) > 200 or len(wanted) > 200 or not re.search("[A-Za-z]", wanted):
        return None
    one, two = bare(said), bare(wanted)
    for reader in (sign, shells, oxidation):
        values = reader(one), reader(two)
        if None not in values:
            return values[0] == values[1]
    return same_composition(one, two)


def bare(text):
    """ "Fe^{3+}" -> "Fe3+", "C_{2v}" -> "C2v"; a power that is no charge keeps its sign."""
    text = re.sub(r"[\s{}$]", "", text.rpartition("=")[2])
    text = re.sub(r"\^?([+-])(\d)$", r"\2\1", text) if re.match(r"\(?[A-Z]", text) else text
    return re.sub(r"\^(?=\d?[+-]$)|_(?=\w)", "", text)


def sign(text):
    return re.sub(r"[\^_]", "", text) if SIGN.fullmatch(text) else None


def shells(text):
    """The subshells of an electron configuration in order, noble gas cores written out; None of anything else."""
    match = SHELLS.fullmatch(text.replace("^", ""))
    if not match:
        return None
    one_shell = r"([1-7][spdf])(\d{1,2}?)(?=[1-7][spdf]|$)"
    return sorted(re.findall(one_shell, CORES.get(match[1], "")) + re.findall(one_shell, match[2]))


def oxidation(text):
    """(sign, number) of +VI, 6+, +6; None of anything else."""
    match = OXIDATION.fullmatch(text)
    if not match or bool(match[1]) == bool(match[4]):
        return None  # IV may be a product
    number = int(match[2]) if match[2] else ROMAN.get(match[3])
    return (match[1] or match[4]).replace("+", ""), number


def same_composition(one, two):
    """Equal formulas of compounds are one, other counts of atoms or charges another; None of isomers and of what may be algebra (P_1V_1)."""
    pair = COMPOUND.fullmatch(one), COMPOUND.fullmatch(two)
    if not all(pair) or not re.search(r"[A-Za-z)]\d|[+-]$", one + two):
        return None
    if one == two:
        return True
    differ = (pair[0][2] or "") != (pair[1][2] or "") or atoms(pair[0][1]) != atoms(pair[1][1])
    return False if differ else None


def atoms(text):
    """Counter of the atoms of a formula, one level of brackets."""
    found = Counter()
    groups = re.findall(r"[(\[]((?:[A-Z][a-z]?\d*)+)[)\]](\d*)", text)
    for group, times in [*groups, (re.sub(r"[(\[].*?[)\]]\d*", "", text), "")]:
        for symbol, count in re.findall(r"([A-Z][a-z]?)(\d*)", group):
            found[symbol] += int(count or 1) * int(times or 1)
    return found
