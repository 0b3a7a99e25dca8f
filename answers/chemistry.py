"""Chemistry in answers: formulas, charges, isotopes, electron configurations, equations; names of substances from a table.

compare_chemistry("H_{2}O", "H2O2") -> False        compare_chemistry("^{14}_{6}C", "carbon-14") -> True
formulas_of("sodium chloride") -> {"NaCl"}
"""

import math
import re
from collections import Counter

from .markup import flat_scripts, read_table

ELEMENTS, SUBSTANCES, CHARGES, ANIONS = {}, {}, {}, {}
for _row in read_table("substances"):
    _name, _formula, _charge = _row["name"], _row["formula"], int(_row["charge"] or 0)
    if _charge < 0:
        ANIONS[_name] = (_formula, -_charge)
    elif re.fullmatch("[A-Z][a-z]?", _formula):
        ELEMENTS[_name] = _formula
    else:
        SUBSTANCES[_name] = _formula
    if _charge > 0:
        CHARGES[_name] = _charge


def longest_first(names):
    """The names as alternatives of a pattern."""
    return "|".join(sorted(names, key=len, reverse=True))


SYMBOLS = ELEMENTS | {"ammonium": "NH4"}
FORMULAS = {  # one-letter symbols mean too much to count
    name: formula for name, formula in (ELEMENTS | SUBSTANCES).items() if len(formula) > 1
}
DIATOMIC = "hydrogen nitrogen oxygen fluorine chlorine bromine iodine".split()
ROMAN = {"i": 1, "ii": 2, "iii": 3, "iv": 4, "v": 5, "vi": 6, "vii": 7, "viii": 8}
SYMBOL = longest_first(ELEMENTS.values())
ELEMENT = longest_first((*ELEMENTS.values(), *ELEMENTS, *map(str.title, ELEMENTS)))
IONIC = re.compile(
    rf"(?:({'|'.join(SYMBOLS)})\s?(?:\(({'|'.join(ROMAN)})\))?)?\s?(?:({longest_first(ANIONS)}))?(\sions?)?"
)
ISOTOPE = re.compile(  # ^{14}_{6}C, ^{14}C, C-14, carbon-14
    rf"""(?<![A-Za-z\d])(?:(?:\{{\}})?(?:_\{{?\d{{1,3}}\}}?)?\^?\{{?(?P<above>\d{{1,3}})\}}?(?:_\{{?\d{{1,3}}\}}?)?\{{?(?P<one>{ELEMENT})\}}?
    |(?P<two>{ELEMENT})(?:-|(?<=[a-z]{{3}})\s)(?P<behind>\d{{1,3}}))(?![A-Za-z\d])""",
    re.VERBOSE,
)
FORMULA = re.compile(r"(?:\d*(?:[(\[]?[A-Z][a-z]?\d*[)\]]?\d*){1,12}(?:\^?\{?\d*[+-]+\}?)?)$")
COMPOUND = re.compile(rf"\d*((?:[(\[]?(?:{SYMBOL})\d*[)\]]?\d*){{1,16}})(\d?[+-])?")
HYBRID = re.compile(r"sp\^?\d?(?:d\^?\d?)?")  # sp^3
POINT_GROUP = re.compile(r"[CDS]_?(?:\d|∞)[vhd]?|[CT]_?[vhsid]|[OI]_?h")  # C_{2v}
CORES = {"He": "1s2", "Ne": "1s22s22p6", "Ar": "1s22s22p63s23p6", "Kr": "1s22s22p63s23p63d104s24p6"}
SHELLS = re.compile(r"(?:\[(He|Ne|Ar|Kr|Xe|Rn)\])?((?:[1-7][spdf]\d{1,2})+)")
OXIDATION = re.compile(r"([+-]?)(?:(\d)|([IVX]{1,4}))([+-]?)")
ARROW = re.compile(r"→|⟶|⇌|⇄|↔|<?=+>|<?-+>|\\(?:long)?(?:right|leftright)arrow|\\rightleftharpoons")
BARE = re.compile(
    r"^(?:(?:it|this|that|the\s(?:gas|answer|compound|substance|product|element|ion|formula))\s+(?:is|was|would\sbe)\s+)?(?:(?:an?|the)\s+)?|\s+(?:gas|gases|molecules?|atoms?|compound|vapou?r|metal)$"
)


def compare_chemistry(said, wanted):
    """True or False of two chemical formulas, isotopes, configurations or equations by their signs; None where they are not both chemistry."""
    if len(said) > 200 or len(wanted) > 200 or not re.search("[A-Za-z]", wanted):
        return None
    if (one := reaction(said)) and (two := reaction(wanted)):
        return one == two
    nuclides = [ISOTOPE.fullmatch(re.sub(r"\s+", "", text)) for text in (said, wanted)]
    if all(nuclides):
        return isotopes(said.replace(" ", "")) == isotopes(wanted.replace(" ", ""))
    one, two = (bare(text) for text in (said, wanted))
    for pattern in (HYBRID, POINT_GROUP):
        if pattern.fullmatch(one) and pattern.fullmatch(two):
            return one.replace("^", "").replace("_", "") == two.replace("^", "").replace("_", "")
    if (first := shells(one)) and (second := shells(two)):
        return first == second
    if (first := oxidation(one)) and (second := oxidation(two)) and re.search("[IVX]", one + two):
        return first == second
    return same_composition(one, two)


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
    if not match or match[1] and match[4]:
        return None
    number = int(match[2]) if match[2] else ROMAN.get(match[3].lower())
    return (match[1] or match[4]).replace("+", ""), number


def isotopes(text):
    """The isotopes that a text names, as (symbol, mass number): "carbon-14", "C-14", "^{14}_6C" and "14C" are ("C", 14)."""
    text = re.sub(r"\$|\\text|\\mathrm", "", flat_scripts(text))
    found = []
    for match in ISOTOPE.finditer(text):
        name = match["one"] or match["two"]
        found.append((ELEMENTS.get(name.lower(), name), int(match["above"] or match["behind"])))
    return found


def reaction(text):
    """The two sides of a chemical equation as sorted terms, states of matter and spaces aside; None of anything else."""
    sides = ARROW.split(text.strip(" .$"))
    if len(sides) == 1:
        sides = re.split(r"(?<=[A-Za-z\d)\s])=(?=[\sA-Z\d(])", sides[0])
    if len(sides) != 2:
        return None
    terms = [
        sorted(
            bare_formula(re.sub(r"\((?:s|l|g|aq)\)", "", term))
            for term in re.split(r"\s\+\s|(?<=[A-Za-z\d)])\+(?=\s?\d?\s?[A-Z])", side)
        )
        for side in sides
    ]
    term = re.compile(r"\d{0,3}(?:[A-Z(\[][A-Za-z\d()\[\]]{0,30})(?:\^?\d?[+-])?|\d?e-")
    return terms if all(term.fullmatch(one) for side in terms for one in side) else None


def formulas_of(text):
    """The formulas of a substance or ion that is named, or itself written as a formula; none of anything else, a sentence among them."""
    from .words import american

    if len(text) > 80:
        return set()
    name = BARE.sub("", BARE.sub("", american(" ".join(text.strip().strip(".").lower().split()))))
    twice = ELEMENTS[name] + "2" if name in DIATOMIC else None
    if known := {FORMULAS.get(name) or ionic(name), twice} - {None}:
        return known
    if len(text.split()) > 3:
        return set()
    written = bare_formula(re.sub(r"\s+(?:gas|ions?|molecules?|atoms?)\W*$", "", text)).strip(".")
    return {written} if is_formula(written) or written in FORMULAS.values() else set()


def ionic(name):
    """The formula of a salt or ion from the charges of its parts: "iron(iii) oxide" -> Fe2O3, "calcium ion" -> Ca2+; None of anything else."""
    match = IONIC.fullmatch(name)
    if not match:
        return None
    metal, number, anion, ion = match.groups()
    charge = ROMAN.get(number) or CHARGES.get(metal)
    if bool(metal) == bool(anion):
        if not charge or ion:
            return None
        group, negative = ANIONS[anion]
        common = math.gcd(charge, negative)
        return counted(SYMBOLS[metal], negative // common) + counted(group, charge // common)
    if metal:
        formula, charge, sign = SYMBOLS[metal], charge if ion or number else None, "+"
    else:
        formula, charge, sign = *ANIONS[anion], "-"
    return f"{formula}{charge if charge > 1 else ''}{sign}" if charge else None


def counted(group, count):
    """ "OH", 2 -> "(OH)2"; "Cl", 2 -> "Cl2"; "Na", 1 -> "Na"."""
    if count == 1:
        return group
    return f"({group}){count}" if re.search(r"\d|[A-Z].*[A-Z]", group) else f"{group}{count}"


def bare_formula(text):
    """A chemical formula without the marks of its setting: "\\ce{SO4^{2-}}" -> "SO42-"."""
    return re.sub(
        r"[\s_{}$^]|\\ce|\\mathrm|\\text|(?<=[A-Za-z\d)])-(?=[A-Z(])", "", flat_scripts(text)
    )


def is_formula(text):
    """Does the text look like a chemical formula or an acronym with capitals: H2O, Fe3+, NaCl, DNA?"""
    if len(text) > 24 or not FORMULA.fullmatch(text):
        return False
    capitals = re.search(r"[A-Z].*[A-Z]", text) and not re.search(r"[a-z]{3}", text)
    return bool(re.search(r"\d|[+-]$", text) or capitals)


def states_formula(statement, formula):
    """Chemical formulas are compared with their capitals (CO is not Co), charges and counts, however they are set."""
    text = re.sub(r"[_{}$^]|\\ce|\\mathrm|\\text|\\,|~", "", flat_scripts(statement))
    words = [w.strip(".,;:!?\"'") for w in re.split(r"[\s,;/]+", text)]
    bare_words = [w.strip("()*`") for w in words]
    if formula in words or formula in bare_words or formula == re.sub(r"\s", "", text).strip("."):
        return True
    if re.search(r"\d|[+-]$", formula) or len(formula) < 3:
        return False
    return formula.lower() in [w.lower() for w in bare_words]
