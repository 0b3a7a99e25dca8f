"""Chemistry in answers: names of substances, ions and isotopes, and their symbols and formulas.

formulas_of("sodium chloride") -> {"NaCl"}
isotopes("C-14") -> [("C", 14)]
"""

import math
import re

from .units import to_ascii_math
from .words import american


def longest_first(names):
    """The names as alternatives of a pattern."""
    return "|".join(sorted(names, key=len, reverse=True))


FORMULA = re.compile(r"(?:\d*(?:[(\[]?[A-Z][a-z]?\d*[)\]]?\d*){1,12}(?:\^?\{?\d*[+-]+\}?)?)$")
ELEMENTS = dict(pair.split() for pair in """hydrogen H;helium He;lithium Li;beryllium Be;boron B;carbon C;nitrogen N;oxygen O;fluorine F;neon Ne;sodium Na;magnesium Mg;aluminum Al;silicon Si;phosphorus P;sulfur S
chlorine Cl;argon Ar;potassium K;calcium Ca;scandium Sc;titanium Ti;vanadium V;chromium Cr;manganese Mn;iron Fe;cobalt Co;nickel Ni;copper Cu;zinc Zn;gallium Ga;germanium Ge;arsenic As;selenium Se;bromine Br
krypton Kr;rubidium Rb;strontium Sr;yttrium Y;zirconium Zr;niobium Nb;molybdenum Mo;technetium Tc;ruthenium Ru;rhodium Rh;palladium Pd;silver Ag;cadmium Cd;indium In;tin Sn;antimony Sb;tellurium Te;iodine I
xenon Xe;cesium Cs;barium Ba;lanthanum La;cerium Ce;neodymium Nd;samarium Sm;europium Eu;gadolinium Gd;tungsten W;platinum Pt;gold Au;mercury Hg;thallium Tl;lead Pb;bismuth Bi;polonium Po;astatine At;radon Rn
francium Fr;radium Ra;actinium Ac;thorium Th;uranium U;neptunium Np;plutonium Pu;americium Am""".replace("\n", ";").split(";"))  # fmt: skip
SUBSTANCES = dict(pair.rsplit(" ", 1) for pair in """water H2O;hydrogen peroxide H2O2;carbon dioxide CO2;carbon monoxide CO;ammonia NH3;methane CH4;ethane C2H6;ethylene C2H4;ethene C2H4;acetylene C2H2;ethyne C2H2;propane C3H8;benzene C6H6
glucose C6H12O6;methanol CH3OH;ethanol C2H5OH;acetic acid CH3COOH;ethanoic acid CH3COOH;formic acid HCOOH;formaldehyde HCHO;hydrochloric acid HCl;hydrogen chloride HCl;hydrofluoric acid HF;hydrogen fluoride HF;hydrogen bromide HBr
hydrobromic acid HBr;hydrogen iodide HI;hydrogen sulfide H2S;hydrogen cyanide HCN;sulfuric acid H2SO4;sulfurous acid H2SO3;nitric acid HNO3;nitrous acid HNO2;phosphoric acid H3PO4;carbonic acid H2CO3;perchloric acid HClO4;hypochlorous acid HClO
boric acid H3BO3;sodium acetate CH3COONa;ammonium hydroxide NH4OH;silicon dioxide SiO2;silica SiO2;titanium dioxide TiO2;manganese dioxide MnO2;lead dioxide PbO2;sulfur dioxide SO2;sulfur trioxide SO3;sulfur hexafluoride SF6
nitrogen dioxide NO2;nitric oxide NO;nitrogen monoxide NO;nitrous oxide N2O;dinitrogen monoxide N2O;dinitrogen tetroxide N2O4;dinitrogen pentoxide N2O5;ozone O3;carbon tetrachloride CCl4;chloroform CHCl3;carbon disulfide CS2
boron trifluoride BF3;phosphorus pentachloride PCl5;phosphorus trichloride PCl3;phosphine PH3;silane SiH4;urea CO(NH2)2;quicklime CaO;slaked lime Ca(OH)2;hydronium H3O+;hydronium ion H3O+;ammonium NH4+;electron e-;iron oxide Fe2O3;copper sulfate CuSO4
lead iodide PbI2;lead nitrate Pb(NO3)2;table salt NaCl;baking soda NaHCO3""".replace("\n", ";").split(";"))  # fmt: skip
CHARGES = {
    name: charge
    for charge, names in (
        (1, "lithium sodium potassium rubidium cesium silver ammonium"),
        (2, "beryllium magnesium calcium strontium barium radium zinc cadmium"),
        (3, "aluminum gallium"),
    )
    for name in names.split()
}
ANIONS = {name: (formula, int(charge)) for name, formula, charge in (line.rsplit(" ", 2) for line in """fluoride F 1;chloride Cl 1;bromide Br 1;iodide I 1;hydride H 1;oxide O 2;sulfide S 2;nitride N 3;phosphide P 3;hydroxide OH 1;nitrate NO3 1
nitrite NO2 1;sulfate SO4 2;sulfite SO3 2;hydrogen sulfate HSO4 1;bisulfate HSO4 1;carbonate CO3 2;hydrogen carbonate HCO3 1;bicarbonate HCO3 1;phosphate PO4 3;permanganate MnO4 1;chromate CrO4 2;dichromate Cr2O7 2;cyanide CN 1
hypochlorite ClO 1;chlorite ClO2 1;chlorate ClO3 1;perchlorate ClO4 1;oxalate C2O4 2;thiosulfate S2O3 2;acetate CH3COO 1""".replace("\n", ";").split(";"))}  # fmt: skip
SYMBOLS = ELEMENTS | {"ammonium": "NH4"}
FORMULAS = {
    name: formula for name, formula in (ELEMENTS | SUBSTANCES).items() if len(formula) > 1
}  # one-letter symbols mean too much to count
DIATOMIC = "hydrogen nitrogen oxygen fluorine chlorine bromine iodine".split()
ROMAN = {"i": 1, "ii": 2, "iii": 3, "iv": 4, "v": 5, "vi": 6, "vii": 7}
IONIC = re.compile(
    rf"(?:({'|'.join(SYMBOLS)})\s?(?:\(({'|'.join(ROMAN)})\))?)?\s?(?:({longest_first(ANIONS)}))?(\sions?)?"
)
ELEMENT = longest_first((*ELEMENTS.values(), *ELEMENTS, *map(str.title, ELEMENTS)))
ISOTOPE = re.compile(
    rf"(?<![A-Za-z\d])(?:\^?\{{?(?P<above>\d{{1,3}})\}}?(?:_\{{?\d{{1,3}}\}}?)?\{{?(?P<one>{ELEMENT})\}}?|(?P<two>{ELEMENT})(?:-|(?<=[a-z]{{3}})\s)(?P<behind>\d{{1,3}}))(?![A-Za-z\d])"
)
COMPOUND = re.compile(
    rf"\d*(?:[(\[]?(?:{longest_first(ELEMENTS.values())})\d*[)\]]?\d*){{2,12}}(?:\d*[+-])?"
)
BARE = re.compile(
    r"^(?:(?:it|this|that|the\s(?:gas|answer|compound|substance|product|element|ion|formula))\s+(?:is|was|would\sbe)\s+)?(?:(?:an?|the)\s+)?|\s+(?:gas|gases|molecules?|atoms?|compound|vapou?r|metal)$"
)


def formulas_of(text):
    """The formulas of a substance or ion that is named, or itself written as a formula; none of anything else, a sentence among them."""
    if len(text) > 80:
        return set()
    name = BARE.sub("", BARE.sub("", american(" ".join(text.strip().strip(".").lower().split()))))
    if known := {
        FORMULAS.get(name) or ionic(name),
        ELEMENTS[name] + "2" if name in DIATOMIC else None,
    } - {None}:
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
    formula, charge, sign = (
        (SYMBOLS[metal], charge if ion or number else None, "+") if metal else (*ANIONS[anion], "-")
    )
    return f"{formula}{charge if charge > 1 else ''}{sign}" if charge else None


def counted(group, count):
    """ "OH", 2 -> "(OH)2"; "Cl", 2 -> "Cl2"; "Na", 1 -> "Na"."""
    if count == 1:
        return group
    return f"({group}){count}" if re.search(r"\d|[A-Z].*[A-Z]", group) else f"{group}{count}"


def compare_chemistry(answer, reference):
    """Chemical formulas and isotopes by their signs, CO is not CO2; None where the two are not both chemistry."""
    said, wanted = (
        bare_formula(re.split(r"=|:", text)[-1]).strip(".") for text in (answer, reference)
    )
    if all(is_formula(one) and COMPOUND.fullmatch(one) for one in (said, wanted)) and re.search(
        r"[A-Za-z)]\d", said + wanted
    ):
        return said == wanted
    if (
        re.search(r"[A-Za-z]{2}-\d|\^", reference)
        and (nuclides := isotopes(reference))
        and (found := isotopes(answer))
    ):
        return nuclides == found
    return None


def isotopes(text):
    """The isotopes that a text names, as (symbol, mass number): "carbon-14", "C-14", "^{14}_6C" and "14C" are ("C", 14)."""
    found = (
        match.groupdict()
        for match in ISOTOPE.finditer(
            to_ascii_math(text).replace("$", "").replace("\\text", "").replace("\\mathrm", "")
        )
    )
    return [
        (
            ELEMENTS.get((i["one"] or i["two"]).lower(), i["one"] or i["two"]),
            int(i["above"] or i["behind"]),
        )
        for i in found
    ]


def bare_formula(text):
    """A chemical formula without the marks of its setting: "\\ce{SO4^{2-}}" -> "SO42-"."""
    return re.sub(
        r"[\s_{}$^]|\\ce|\\mathrm|\\text|(?<=[A-Za-z\d)])-(?=[A-Z(])", "", to_ascii_math(text)
    )


def is_formula(text):
    """Does the text look like a chemical formula or an acronym with capitals: H2O, Fe3+, NaCl, DNA?"""
    marked = (
        re.search(r"\d|[+-]$", text)
        or re.search(r"[A-Z].*[A-Z]", text)
        and not re.search(r"[a-z]{3}", text)
    )
    return bool(len(text) <= 24 and FORMULA.fullmatch(text) and marked)


def states_formula(statement, formula):
    """Chemical formulas are compared with their capitals (CO is not Co), charges and counts, however they are set."""
    text = re.sub(r"[_{}$]|\\ce|\\mathrm|\\text|\\,|~", "", to_ascii_math(statement)).replace(
        "^", ""
    )
    words = [w.strip(".,;:!?\"'") for w in re.split(r"[\s,;/]+", text)]
    bare = [w.strip("()*`") for w in words]
    if formula in words or formula in bare or formula == re.sub(r"\s", "", text).strip("."):
        return True
    return (
        bool(re.search(r"\d|[+-]$", formula)) is False
        and len(formula) >= 3
        and formula.lower() in [w.lower() for w in bare]
    )


def reaction(text):
    """The two sides of a chemical equation as sorted terms, states of matter and spaces aside; None of anything else."""
    sides = re.split(
        r"→|⟶|⇌|⇄|↔|<?=+>|<?-+>|\\(?:long)?(?:right|leftright)arrow|\\rightleftharpoons|(?<=[A-Za-z\d)\s])=(?=[\sA-Z\d(])",
        text.strip(" .$"),
    )
    terms = [
        sorted(
            bare_formula(re.sub(r"\((?:s|l|g|aq)\)", "", term))
            for term in re.split(r"\s\+\s|(?<=[A-Za-z\d)])\+(?=\s?\d?\s?[A-Z])", side)
        )
        for side in sides
    ]
    return (
        terms
        if len(sides) == 2
        and all(
            re.fullmatch(r"\d{0,3}(?:[A-Z(\[][A-Za-z\d()\[\]]{0,30})(?:\^?\d?[+-])?|\d?e-", term)
            for side in terms
            for term in side
        )
        else None
    )
