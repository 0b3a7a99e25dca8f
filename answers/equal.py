"""Is an answer the reference? A table of rules, then math-verify in the guarded worker.

same("0.5", r"\\frac{1}{2}") -> (True, "numbers")        same("the cat", "a dog") -> (None, "undecided")

A rule takes two spelled, tidy texts and says True, which is never a guess, False, or None where it
cannot tell.
"""

import functools
import re
from dataclasses import replace

from . import formula, worker
from .markup import boxes, spell, squeeze
from .quantity import read_quantity, same_quantity
from .trim import short_spaces
from .units import read_unit

MAX_LENGTH, MAX_PARTS, MAX_DEPTH = 4000, 40, 6
COMMA = re.compile(r"^([-+]?\d+),(\d+)(?![\d,])")  # 2,74 as Europeans write it
UNFIT = re.compile(  # 10^10^10, (10!)!, 2^100000, 1011_2, 10:30
    r"\d\^\d+\^\w|!!|!\^|\d{4}!|\^\d{5}|\d_\d|\d:\d|mod|[∝→]"
)
LEAD = re.compile(
    r"^(?:\([A-J]\)\s*(?=[-\d\\√])|(?:=>|→|⇒|=|:|[Ss]o|[Tt]hus|[Tt]hen)\s*|p[HK]\s*(?=[\d.]))"
)
LABEL = re.compile(r"(?:^|[\s;,.]+(?:and\s)?)\(?(?:[a-h]|i{1,3})[.)](?=[\s\d.$\\-])")  # (a), ii.
FREE = re.compile(  # k ∈ Z, + C, c_1 e^x: another text may give the same family
    r"""(?x)∈\s*\\mathbb\s*\{?\s*Z | \binteger | [-+]\s?[cC](?:_\d|_\{\d\})?(?![a-zA-Z\d])
    | (?<![a-zA-Z\\])[cC](?:_\d|_\{\d\})?\s?(?=[a-z](?![a-z])|\\)"""
)
OTHER_SCRIPT = re.compile(r"[\u0600-\u0fff\u3040-\ud7af]{2}")  # Arabic, Chinese
LAST_NUMBER = re.compile(r"\\frac\{\d+\}\{\d+\}|[-+]?\d[\d.]*(?:/\d+)?")
VARIABLE = re.compile(r"[a-zA-Zα-ω](?:_\{?\w\}?)?\s*(?:\([a-z]\))?")
ELEMENT = re.compile(  # x ∈ (0, 1), \{x ∈ R : x > 3\}
    rf"{VARIABLE.pattern}\s*∈\s*(.+)|\\\{{\s*[a-zA-Z]\s*(?:∈\s*\\mathbb\s*\{{?R\}}?\s*)?[|:](.+)\\\}}"
)
MATRIX = re.compile(
    r"\\begin\s*\{([pbvBV]?matrix|array)\}(?:\s*\{[^{}]*\})?([^\[\]]*?)\\end\s*\{\1\}"
)
CHEMICAL = re.compile(  # Fe^{3+} as Fe3+, C_{2v} as C2v, sp^3 as sp3, 1s^2 as 1s2
    r"[\s{}$]|\^(?=\{?\d?[+-]\}?$)|_(?=\{?\w)|(?<=sp)\^|(?<=\d[spdf])\^"
)
NUMERAL = re.compile(
    r"0[box]|[+-]?[IVX]+[+-]?$|(?:\[[A-Z][a-z]\])?\s*[1-7][spdf]\s*\^?\s*\{?\d"
)  # 0x1F, +VI, 3d^5
NAME = re.compile(  # x, V_{max}, f(3), AB/BC, -ΔH, [H+], minimum value
    r"""(?x)-?(?:[^\W\d_]|[\\∠'°|/!{}\s]|\[[^][]+\]|\(-?\w[\w,\s]*\)|_\s*(?:\{[^{}]*\}|\w)){1,40}"""
)
SIDES = re.compile(r"[=≈≡]|(?<=[a-z])\s*:(?=\s)")
INEQUALITY = re.compile(rf"(?:([^<>]+)([<>]=?))??\s*{VARIABLE.pattern}\s*(?:([<>]=?)([^<>]+))?")
AND = re.compile(
    r"""(?x)(?<![a-zA-Z\\])(?:and|or|so|i\.e\.|that\ is,?)(?![a-zA-Z])
    |∪|(?<=[)\]])\s*U\s*(?=[(\[])"""
)
SIGNS = [str.maketrans("±∓", signs) for signs in ("+-", "-+")]  # 1 ± \sqrt{2} has two values
ASIDE = re.compile(r"([^()]{1,60}?)\s*\(\s*(?:or|i\.e\.,?|about|≈|=)?\s*([^()]{1,60})\)")
ORDER = (False, None, True).index
LOOSE = {"list", "set"}  # in any order


def same(answer, reference, unit=None, rel_tol=None):
    """(True, False or None where the rules cannot tell, the name of the rule that decided).

    unit: the reference's unit where it stands apart; rel_tol: see answers.check.
    """
    answer, reference = str(answer).strip(), str(reference).strip()
    if answer == reference != "":
        return True, "same text"
    if max(len(answer), len(reference)) > MAX_LENGTH:
        return None, "length"
    answer, reference = unbox(answer), unbox(reference)
    if "\\begin" not in reference:
        reference = reference.replace("\\\\", "\\")  # escaped twice
    if unit:
        return with_unit(answer, reference, unit, rel_tol)
    return decide(answer, reference, rel_tol)


def unbox(text):
    """The last box, or the end of a worked solution (GSM8K's "#### 72")."""
    if boxes(text) or "####" in text:
        from .solution import read

        text = read(short_spaces(text))[0] or text
    return text


def with_unit(answer, reference, unit, rel_tol):
    """SciBench's units may hold a power of ten ("10^{-19} C"); the answer may leave out both."""
    wanted, said, unit = read_quantity(spell(reference)), spell(answer), spell(unit)
    said = read_quantity(sides(said)[-1])
    if wanted is None or said is None:
        return decide(answer, f"{reference} {unit}", rel_tol)
    ten = re.match(r"(?:10 ?\^ ?\{? ?([-+]?\d{1,2}) ?\}? ?[*.]? ?)?", unit)
    plain = replace(wanted, unit=read_unit(unit[ten.end() :]))
    scaled = replace(plain, value=plain.value * 10.0 ** int(ten[1] or 0))
    ways = [scaled] if said.unit else [plain, scaled]
    return any(same_quantity(said, one, rel_tol) for one in ways), "number and unit apart"


def decide(answer, reference, rel_tol=None):
    """The rules, then math-verify, whose "no" proves nothing."""
    said, wanted = spell(answer), spell(reference)
    if OTHER_SCRIPT.search(said) and not OTHER_SCRIPT.search(wanted):
        said = (LAST_NUMBER.findall(said) or [said])[-1].strip(".")
    said, wanted = tidy(said), tidy(wanted)
    verdict, rule = compare(said, wanted, rel_tol)
    if FREE.search(f"{said} {wanted}") and not read_quantity(wanted):
        return verdict or None, rule
    if verdict is not None or rel_tol is not None or not worth_asking(said, wanted):
        return verdict, rule
    return (True, "math-verify") if worker.equal(reference, answer) else (None, rule)


def compare(said, wanted, rel_tol):
    """(verdict, rule) of two tidy texts."""
    for name, rule in RULES:
        if (verdict := rule(said, wanted, rel_tol)) is not None:
            return verdict, name
    return None, "undecided"


def equal(said, wanted, rel_tol):
    return compare(tidy(said), tidy(wanted), rel_tol)[0]


def rows(match):
    """A matrix as ⟨⟨1,2⟩,⟨3,4⟩⟩."""
    cells = [f"⟨{row.replace('&', ',')}⟩" for row in match[2].split(r"\\") if row.strip()]
    return f"⟨{','.join(cells)}⟩"


def tidy(text):
    """Without "=>" or "x ∈" in front or brackets around one value; matrices and labelled parts as
    tuples in ⟨⟩, inequalities as intervals."""
    text = MATRIX.sub(rows, LEAD.sub("", text))
    if len(values := LABEL.split(text[:1500])) > 2 and not values[0]:
        return f"⟨{';'.join(values[1:])}⟩"  # (a) .15 (b) .148
    if found := ELEMENT.fullmatch(text):
        text = (found[1] or found[2]).strip()
    text = re.sub(r"(?i)(?:\+ ?)?(?:\binfinity\b|∞)", "∞", text)
    kind, found = parts(text)
    if len(found) == 1 and kind in ("()", "⟨⟩", "[]"):
        return tidy(found[0])
    return as_interval(text)


def as_interval(text):
    """-793 < a <= 10 as (-793,10]; what is no inequality in one unknown as it is."""
    match = INEQUALITY.fullmatch(text)
    low, first, second, high = match.groups("") if match else [""] * 4
    if not first + second or first and second and first[0] != second[0]:
        return text
    if ">" in first + second:
        low, first, second, high = high, second, first, low
    return f"{'(['['=' in first]}{low or '-∞'},{high or '∞'}{')]'['=' in second]}"


def split_top(text, separators):
    """The text cut at separators outside brackets; [] where brackets do not match or are too deep."""
    found, depth, start = [], 0, 0
    for at, sign in enumerate(text):
        depth += (sign in "([{⟨") - (sign in ")]}⟩")
        if not 0 <= depth <= MAX_DEPTH:
            return []
        if sign in separators and not depth:
            found.append(text[start:at])
            start = at + 1
    return [] if depth else [part.strip() for part in (*found, text[start:]) if part.strip()]


def inside(text):
    """(kind, what stands inside its brackets)"""
    if text[:2] == "\\{" and split_top(text[2:-2], ""):
        return "set", text[2:-2]
    if text[:1] in ("(", "[", "{", "⟨") and split_top(text[1:-1], ""):
        return "list" if text[0] == "{" else text[0] + text[-1], text[1:-1]
    return "list", text


@functools.lru_cache(maxsize=2048)
def parts(text):
    """(kind, texts) of one or several values. kind: the two brackets, set, or list, which may be
    several forms of one value."""
    if read_quantity(text):
        return "list", [text]
    if (aside := ASIDE.fullmatch(text)) and all(map(read_quantity, aside.groups())):
        return "list", list(aside.groups())  # 72 km/h (20 m/s)
    kind, inner = inside(AND.sub(",", text))
    found = split_top(inner, ";")
    if len(found) < 2:
        found = split_top(inner, ",")
    if kind in LOOSE:
        pairs = [dict.fromkeys(part.translate(signs) for signs in SIGNS) for part in found]
        found = [part for pair in pairs for part in pair]
    return kind, found if 0 < len(found) <= MAX_PARTS else [text]


def sides(text):
    """The sides of an equation or a chain, or a label and its value; [text] of anything else."""
    if not SIDES.search(text) or re.search(r"[<>]|\sto\s", text) or len(parts(text)[1]) > 1:
        return [text]
    return split_top(SIDES.sub("=", text), "=") or [text]


def named(text):
    """(name, value) of "x = 5" or "minimum: 1"; ("", text) where there is no name."""
    name, *values = sides(text)
    if not values or not NAME.fullmatch(name):
        return "", text
    return re.sub(r"[{}\s\\]", "", name), values[-1]


def same_spelling(said, wanted, rel_tol):
    if is_words(wanted):
        said, wanted = said.lower(), wanted.lower()
    if wanted and squeeze(said) == squeeze(wanted):
        return True
    one, two = (CHEMICAL.sub("", text) for text in (said, wanted))
    return True if one == two and re.match(r"\d?(?:\[?[A-Z]|sp|[spdf]\d)", one) else None


def same_parts(said, wanted, rel_tol):
    """Lists and sets in any order; intervals, tuples, vectors and named values in order."""
    (kind, one), (wanted_kind, two) = parts(said), parts(wanted)
    kinds = {kind, wanted_kind}
    if "set" not in kinds and 1 in (len(one), len(two)):
        several = kinds == {"list"} and len(one) != len(two)
        return several_forms(said, wanted, rel_tol) if several else None
    if len(one) == len(two):
        return same_items(one, two, kinds, rel_tol)
    return False if names_of(one) == names_of(two) == [] else None


def same_items(one, two, kinds, rel_tol):
    """same_parts of as many parts on both sides."""
    names, wanted_names = names_of(one), names_of(two)
    if len(one) == len(kinds) == 2 and kinds <= {"()", "[)", "(]", "[]"}:
        return False
    if kinds <= LOOSE and not (names or wanted_names):
        return matched(one, two, rel_tol)
    if None in (names, wanted_names) or names != wanted_names and set(names) == set(wanted_names):
        return None  # x = 2, x = -3 is no point (2, -3)
    verdict = in_order(one, two, rel_tol)
    may_be_list = kinds <= LOOSE and names != wanted_names  # λ_1 = 5, λ_2 = 2 for 2, 5
    return verdict or (None if may_be_list else verdict)


def in_order(one, two, rel_tol):
    """Is each value the one in its place?"""
    pairs = ((named(x)[1], named(y)[1]) for x, y in zip(one, two, strict=True))
    return min((equal(*pair, rel_tol) for pair in pairs), key=ORDER)


def names_of(texts):
    """The names of values, [] where none has one, None where not each has one of its own."""
    names = list(filter(None, (named(text)[0] for text in texts)))
    return names if len(set(names)) in (0, len(texts)) else None


def matched(one, two, rel_tol):
    """Is there a pairing of the parts, in any order?"""
    left = list(one)
    for part in two:
        verdicts = [equal(other, part, rel_tol) for other in left]
        verdict = max(verdicts, key=ORDER)
        if not verdict:
            return verdict
        left.pop(verdicts.index(True))
    return True


def several_forms(said, wanted, rel_tol):
    """5/2 or 2.5: one value in several forms, all of them right; different values are not."""
    if decimal_comma(said, wanted, rel_tol) or decimal_comma(wanted, said, rel_tol):
        return True
    one, two = ([named(part) for part in parts(text)[1]] for text in (said, wanted))
    if is_words(said) or max(len({name for name, _ in found}) for found in (one, two)) > 1:
        return None  # t = 5 s, d = 10 m: which was asked for?
    verdict = min((equal(x, y, rel_tol) for _, x in one for _, y in two), key=ORDER)
    return verdict or (None if several_units(one + two) else verdict)


def decimal_comma(text, other, rel_tol):
    """2,5 is 2.5 where the other side says so."""
    return COMMA.match(text) and numbers(COMMA.sub(r"\1.\2", text), other, rel_tol)


def several_units(values):
    """2 hours and 30 minutes may be one value."""
    found = [read_quantity(text) for _, text in values]
    return len({quantity.unit for quantity in found if quantity and quantity.unit}) > 1


def numbers(said, wanted, rel_tol):
    one, two = read_quantity(said), read_quantity(wanted)
    if one is None or two is None:
        return None
    if "π" in said + wanted and "degree**1" in f"{one.unit} {two.unit}":
        one, two = (q if q.unit else replace(q, unit=read_unit("rad")) for q in (one, two))
    verdict = same_quantity(one, two, rel_tol)
    if verdict is False:
        return None if "log" in said + wanted else False  # to the base ten in chemistry
    return None if said != wanted and not rel_tol and doubtful(one, two, wanted) else verdict


def doubtful(one, two, wanted):
    """12 for 12h, where h may be a factor; 5 for 5.001."""
    if re.search(r"(?:\d|[)}π] ?)[A-Za-z]$", wanted) and not one.unit:
        return True
    integer = one.digits is None and one.value.is_integer() and one.value != two.value
    return integer and (two.digits or 0) > 3 and not (one.unit or two.unit)


def equations(said, wanted, rel_tol):
    one, two = sides(said), sides(wanted)
    if len(one) == len(two) == 1:
        return None
    names = named(said)[0], named(wanted)[0]
    if len(one) > 1 and len(two) > 1:
        verdict = equal(one[-1], two[-1], rel_tol) if all(names) else None
        return verdict if names[0] == names[1] else None
    return in_chain(one, two, any(names), rel_tol)


def in_chain(one, two, has_name, rel_tol):
    """A chain against a value: the last side decides, or one of which the last is a decimal."""
    chain = max(one, two, key=len)
    unknowns = (formula.read(chain[0]) or [()])[0]
    if has_name:
        del chain[0]
    elif len(chain) == 2 and unknowns:
        return None  # 1 is not the equation 2x + z = 1
    verdicts = [equal(x, y, rel_tol) for x in one for y in two]
    if verdicts[-1] or True not in verdicts:
        return verdicts[-1]
    return equal(chain[verdicts.index(True)], chain[-1], rel_tol) or None


def formulas(said, wanted, rel_tol):
    one, two = read_quantity(said), read_quantity(wanted)
    unread = one and two or said.startswith(f"{wanted} ")  # 72 Mb/hour
    if unread or any(is_words(text) or NUMERAL.match(text) for text in (said, wanted)):
        return None
    verdict = formula.agree(said, wanted)
    units = one and one.unit or two and two.unit  # their letters are no unknowns
    return None if verdict is False and units else verdict


def is_words(text):
    """Is "even" or "the midpoints" to be compared as words?"""
    if re.search(r"[\\^_=<>+*/\d{}\[\]|]", text) or formula.FUNCTION.match(text.strip("() .")):
        return False
    return bool(re.search(r"[A-Za-z]{4}|\b(?=\w?\w?[AEIOUYaeiouy])[A-Za-z]{3}\b", text))


RULES = (
    ("same spelling", same_spelling),
    ("parts", same_parts),
    ("numbers", numbers),
    ("equations", equations),
    ("formulas", formulas),
)


def worth_asking(said, wanted):
    """Could math-verify see more than the rules? It drops names, bases, units and words."""
    equations = {len(split_top(text, "=")) > 1 for text in (said, wanted)}
    if len(equations) > 1 or read_quantity(said) and read_quantity(wanted):
        return False
    both = re.sub(r"\\[a-zA-Z]+(?:\s*\{[a-z]*matrix\})?", "", f"{said}={wanted}")
    if len(both) > 1000 or re.search(r"[a-zA-Z]{5,}|\bto\b", both):
        return False
    return not UNFIT.search(re.sub(r"[\s{}()]", "", both))
