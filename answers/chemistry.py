"""Chemistry in answers: formulas, charges, isotopes, electron configurations, equations; common names from a table.

compare_chemistry("H_{2}O", "H2O2") -> False        compare_chemistry("^{14}_{6}C", "carbon-14") -> True
compare_chemistry("water", "H2O") -> True
"""

import re
from collections import Counter

from .markup import read_table

NAMES = {row["name"]: row["formula"] for row in read_table("substances")}
ELEMENTS = {name: sign for name, sign in NAMES.items() if re.fullmatch("[A-Z][a-z]?", sign)}


def longest_first(names):
    """The names as alternatives of a pattern."""
    return "|".join(sorted(names, key=len, reverse=True))


ROMAN = {"i": 1, "ii": 2, "iii": 3, "iv": 4, "v": 5, "vi": 6, "vii": 7, "viii": 8}
SYMBOL = longest_first(ELEMENTS.values())
ELEMENT = longest_first((*ELEMENTS.values(), *ELEMENTS, *map(str.title, ELEMENTS)))
ISOTOPE = re.compile(  # ^{14}_{6}C, ^{14}C, C-14, carbon-14
    rf"""(?<![A-Za-z\d])(?:(?:\{{\}})?(?:_\{{?\d{{1,3}}\}}?)?\^?\{{?(?P<above>\d{{1,3}})\}}?(?:_\{{?\d{{1,3}}\}}?)?\{{?(?P<one>{ELEMENT})\}}?
    |(?P<two>{ELEMENT})(?:-|(?<=[a-z]{{3}})\s)(?P<behind>\d{{1,3}}))(?![A-Za-z\d])""",
    re.VERBOSE,
)
COMPOUND = re.compile(rf"\d*((?:[(\[]?(?:{SYMBOL})\d*[)\]]?\d*){{1,16}})(\d?[+-])?")
HYBRID = re.compile(r"sp\^?\d?(?:d\^?\d?)?")  # sp^3
POINT_GROUP = re.compile(r"[CDS]_?(?:\d|∞)[vhd]?|[CT]_?[vhsid]|[OI]_?h")  # C_{2v}
CORES = {"He": "1s2", "Ne": "1s22s22p6", "Ar": "1s22s22p63s23p6", "Kr": "1s22s22p63s23p63d104s24p6"}
SHELLS = re.compile(r"(?:\[(He|Ne|Ar|Kr|Xe|Rn)\])?((?:[1-7][spdf]\d{1,2})+)")
OXIDATION = re.compile(r"([+-]?)(?:(\d)|([IVX]{1,4}))([+-]?)")
ARROW = re.compile(r"→|⟶|⇌|⇄|↔|<?=+>|<?-+>|\\(?:long)?(?:right|leftright)arrow|\\rightleftharpoons")


def compare_chemistry(said, wanted):
    """True or False of two chemical formulas, isotopes, configurations or equations by their signs; None where they are not both chemistry."""
    if len(said) > 200 or len(wanted) > 200 or not re.search("[A-Za-z]", wanted):
        return None
    named = [NAMES.get(text.lower()) for text in (said, wanted)]
    if any(named):  # hydrogen is H and H2: no name contradicts a formula
        return named[0] in (named[1], bare(wanted)) or named[1] == bare(said) or None
    texts = [bare(text) for text in (said, wanted)]
    for reader in (reaction, isotope, symbol, shells, oxidation):
        source = (said, wanted) if reader in (reaction, isotope) else texts
        one, two = (reader(text) for text in source)
        if one is not None and two is not None:
            return one == two
    return same_composition(*texts)


def symbol(text):
    """sp^3 and C_{2v} without their marks; None of anything else."""
    known = HYBRID.fullmatch(text) or POINT_GROUP.fullmatch(text)
    return re.sub(r"[\^_]", "", text) if known else None


def isotope(text):
    """("C", 14) of "carbon-14", "C-14", "^{14}_6C" and "14C"; None of anything else."""
    match = ISOTOPE.fullmatch(re.sub(r"\s+", "", text))
    if not match:
        return None
    name = match["one"] or match["two"]
    return ELEMENTS.get(name.lower(), name), int(match["above"] or match["behind"])


def bare(text):
    """ "Fe^{3+}" -> "Fe3+", "C_{2v}" -> "C2v"; a power that is no charge keeps its sign."""
    text = re.sub(r"[\s{}$]", "", text.rpartition("=")[2])
    text = re.sub(r"\^?([+-])(\d)$", r"\2\1", text) if re.match(r"\(?[A-Z]", text) else text
    return re.sub(r"\^(?=\d?[+-]$)|_(?=\w)", "", text)


def same_composition(one, two):
    """Equal formulas of compounds are one, other counts of atoms or charges another; None of isomers and of what may be algebra (P_1V_1)."""
    pair = COMPOUND.fullmatch(one), COMPOUND.fullmatch(two)
    if not all(pair) or not re.search(r"[A-Za-z)]\d|[+-]$", one + two):
        return None
    if one == two:
        return True
    if (pair[0][2] or "") != (pair[1][2] or "") or atoms(pair[0][1]) != atoms(pair[1][1]):
        return False
    return None


def atoms(text):
    """Counter of the atoms of a formula, one level of brackets."""
    found = Counter()
    for group, times in re.findall(r"[(\[]((?:[A-Z][a-z]?\d*)+)[)\]](\d*)", text):
        for symbol, count in re.findall(r"([A-Z][a-z]?)(\d*)", group):
            found[symbol] += int(count or 1) * int(times or 1)
    for symbol, count in re.findall(r"([A-Z][a-z]?)(\d*)", re.sub(r"[(\[].*?[)\]]\d*", "", text)):
        found[symbol] += int(count or 1)
    return found


def shells(text):
    """The subshells of an electron configuration in order, noble gas cores written out; None of anything else."""
    match = SHELLS.fullmatch(text.replace("^", ""))
    if not match or match[1] and match[1] not in CORES:
        return None
    split = [
        re.findall(r"([1-7][spdf])(\d{1,2}?)(?=[1-7][spdf]|$)", part)
        for part in (CORES.get(match[1], ""), match[2])
    ]
    return sorted(split[0] + split[1])


def oxidation(text):
    """(sign, number) of +VI, 6+, +6; None of anything else."""
    match = OXIDATION.fullmatch(text)
    if not match or bool(match[1]) == bool(match[4]):
        return None  # IV may be a product
    number = int(match[2]) if match[2] else ROMAN.get(match[3].lower())
    return (match[1] or match[4]).replace("+", ""), number


def reaction(text):
    """The two sides of a chemical equation as sorted terms, states of matter and spaces aside; None of anything else."""
    sides = ARROW.split(text.strip(" .$"))
    if len(sides) == 1:
        sides = re.split(r"(?<=[A-Za-z\d)\s])=(?=[\sA-Z\d(])", sides[0])
    if len(sides) != 2:
        return None
    terms = [
        sorted(
            re.sub(r"\((?:s|l|g|aq)\)|[\s_{}$^]", "", term)
            for term in re.split(r"\s\+\s|(?<=[A-Za-z\d)])\+(?=\s?\d?\s?[A-Z])", side)
        )
        for side in sides
    ]
    term = re.compile(r"\d{0,3}(?:[A-Z(\[][A-Za-z\d()\[\]]{0,30})(?:\^?\d?[+-])?|\d?e-")
    return terms if all(term.fullmatch(one) for side in terms for one in side) else None
