"""Names and their short forms in science: chemical symbols and formulas, and the initials of longer names.

other_names("sodium chloride") -> ["NaCl"]
short_for("DNA", "deoxyribonucleic acid") -> True
"""

# ruff: noqa: E501 (tables and patterns stand on one line)

import re

from answers_units import to_ascii_math
from answers_words import american

FORMULA = re.compile(r"(?:\d*[(\[]?(?:[A-Z][a-z]?\d*[)\]]?\d*){1,12}(?:\^?\{?\d*[+-]+\}?)?)$")
ELEMENTS = dict(pair.split() for pair in """hydrogen H;helium He;lithium Li;beryllium Be;boron B;carbon C;nitrogen N;oxygen O;fluorine F;neon Ne;sodium Na;magnesium Mg;aluminum Al;silicon Si;phosphorus P;sulfur S
chlorine Cl;argon Ar;potassium K;calcium Ca;scandium Sc;titanium Ti;vanadium V;chromium Cr;manganese Mn;iron Fe;cobalt Co;nickel Ni;copper Cu;zinc Zn;gallium Ga;germanium Ge;arsenic As;selenium Se;bromine Br
krypton Kr;rubidium Rb;strontium Sr;yttrium Y;zirconium Zr;niobium Nb;molybdenum Mo;technetium Tc;ruthenium Ru;rhodium Rh;palladium Pd;silver Ag;cadmium Cd;indium In;tin Sn;antimony Sb;tellurium Te;iodine I
xenon Xe;cesium Cs;barium Ba;lanthanum La;cerium Ce;neodymium Nd;samarium Sm;europium Eu;gadolinium Gd;tungsten W;platinum Pt;gold Au;mercury Hg;thallium Tl;lead Pb;bismuth Bi;polonium Po;astatine At;radon Rn
francium Fr;radium Ra;actinium Ac;thorium Th;uranium U;neptunium Np;plutonium Pu;americium Am""".replace("\n", ";").split(";"))  # fmt: skip
SUBSTANCES = dict(pair.rsplit(" ", 1) for pair in """water H2O;hydrogen peroxide H2O2;carbon dioxide CO2;carbon monoxide CO;ammonia NH3;methane CH4;ethane C2H6;ethylene C2H4;ethene C2H4;acetylene C2H2;ethyne C2H2;propane C3H8;benzene C6H6
glucose C6H12O6;methanol CH3OH;ethanol C2H5OH;acetic acid CH3COOH;formic acid HCOOH;formaldehyde HCHO;hydrochloric acid HCl;hydrogen chloride HCl;hydrofluoric acid HF;hydrogen fluoride HF;hydrogen bromide HBr;hydrogen iodide HI
hydrogen sulfide H2S;hydrogen cyanide HCN;sulfuric acid H2SO4;sulfurous acid H2SO3;nitric acid HNO3;nitrous acid HNO2;phosphoric acid H3PO4;carbonic acid H2CO3;perchloric acid HClO4;hypochlorous acid HClO;boric acid H3BO3
sodium chloride NaCl;sodium hydroxide NaOH;sodium carbonate Na2CO3;sodium bicarbonate NaHCO3;sodium hydrogen carbonate NaHCO3;sodium sulfate Na2SO4;sodium nitrate NaNO3;sodium oxide Na2O;sodium bromide NaBr;sodium iodide NaI
potassium chloride KCl;potassium hydroxide KOH;potassium nitrate KNO3;potassium permanganate KMnO4;potassium iodide KI;potassium bromide KBr;potassium dichromate K2Cr2O7;calcium carbonate CaCO3;calcium oxide CaO;calcium hydroxide Ca(OH)2
calcium chloride CaCl2;calcium fluoride CaF2;calcium sulfate CaSO4;calcium phosphate Ca3(PO4)2;magnesium oxide MgO;magnesium hydroxide Mg(OH)2;magnesium chloride MgCl2;magnesium sulfate MgSO4;aluminum oxide Al2O3;aluminum hydroxide Al(OH)3
aluminum chloride AlCl3;silver chloride AgCl;silver nitrate AgNO3;silver bromide AgBr;silver iodide AgI;barium sulfate BaSO4;barium chloride BaCl2;barium hydroxide Ba(OH)2;lead iodide PbI2;zinc oxide ZnO;zinc sulfide ZnS;zinc chloride ZnCl2
ammonium chloride NH4Cl;ammonium nitrate NH4NO3;ammonium sulfate (NH4)2SO4;ammonium hydroxide NH4OH;silicon dioxide SiO2;titanium dioxide TiO2;sulfur dioxide SO2;sulfur trioxide SO3;sulfur hexafluoride SF6;nitrogen dioxide NO2;nitric oxide NO
nitrogen monoxide NO;nitrous oxide N2O;dinitrogen monoxide N2O;dinitrogen tetroxide N2O4;dinitrogen pentoxide N2O5;ozone O3;carbon tetrachloride CCl4;chloroform CHCl3;boron trifluoride BF3;phosphorus pentachloride PCl5;phosphorus trichloride PCl3
phosphine PH3;silane SiH4;urea CO(NH2)2;hydroxide OH-;hydroxide ion OH-;ammonium NH4+;ammonium ion NH4+;hydronium H3O+;hydronium ion H3O+;nitrate NO3-;nitrate ion NO3-;sulfate SO42-;sulfate ion SO42-;carbonate CO32-;carbonate ion CO32-
phosphate PO43-;phosphate ion PO43-;bicarbonate HCO3-;permanganate ion MnO4-;dichromate ion Cr2O72-;iron oxide Fe2O3;copper sulfate CuSO4;lithium fluoride LiF;lithium hydroxide LiOH;cesium chloride CsCl""".replace("\n", ";").split(";"))  # fmt: skip

FORMULAS = {name: formula for name, formula in (ELEMENTS | SUBSTANCES).items() if len(formula) > 1}
NAMES = {formula: [name for name in FORMULAS if FORMULAS[name] == formula] for formula in FORMULAS.values()}


def other_names(text):
    """The formula or symbol of a named substance and the names of a formula, [] of anything else; one-letter symbols mean too much to count."""
    name = american(" ".join(text.strip().strip(".").lower().split()))
    return [*filter(None, [FORMULAS.get(name)]), *NAMES.get(bare_formula(text).strip("."), ())]


def bare_formula(text):
    """A chemical formula without the marks of its setting: "\\ce{SO4^{2-}}" -> "SO42-"."""
    return re.sub(r"[\s_{}$^]|\\ce|\\mathrm|\\text", "", to_ascii_math(text))


def is_formula(text):
    """Does the text look like a chemical formula or an acronym with capitals: H2O, Fe3+, NaCl, DNA?"""
    marked = re.search(r"\d|[+-]$", text) or re.search(r"[A-Z].*[A-Z]", text) and not re.search(r"[a-z]{3}", text)
    return bool(len(text) <= 24 and FORMULA.fullmatch(text) and marked)


def states_formula(statement, formula):
    """Chemical formulas are compared with their capitals (CO is not Co), charges and counts, however they are set."""
    text = re.sub(r"[_{}$]|\\ce|\\mathrm|\\text|\\,|~", "", to_ascii_math(statement)).replace("^", "")
    words = [w.strip(".,;:!?\"'") for w in re.split(r"[\s,;/]+", text)]
    bare = [w.strip("()*`") for w in words]
    if formula in words or formula in bare or formula == re.sub(r"\s", "", text).strip("."):
        return True
    return bool(re.search(r"\d|[+-]$", formula)) is False and len(formula) >= 3 and formula.lower() in [w.lower() for w in bare]


def short_for(acronym, statement):
    """Are the initials of neighbouring words of the statement the acronym (central processing unit, CPU), or does it run through them (DNA)?"""
    spelt, short = [w.lower() for w in re.findall(r"[A-Za-z]+", statement)], acronym.lower()
    if not acronym.isalpha() or len(acronym) < 2 or not spelt:
        return False
    if len(acronym) == 2:
        return "".join(re.findall(r"\b([A-Z])[a-z]", re.sub(r"^The\b", "", statement))) == acronym
    begins = 2 <= len(spelt) <= len(short) and spelt[0][0] == short[0]
    if begins and all(w[0] in short for w in spelt) and in_order(short, "".join(spelt)):
        return True
    letters = "".join(w[0] for w in spelt if w not in ("of", "the", "and", "for"))
    return short in letters and len(letters) <= len(short) + 6


def in_order(parts, whole):
    """Do all parts stand in whole, in their order?"""
    rest = iter(whole)
    return all(part in rest for part in parts)
