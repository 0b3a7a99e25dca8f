"""Is an answer the reference? Typed values (structure.of) compared by an ordered table of named rules; math-verify in the guarded worker last.

same("0.5", r"\\frac{1}{2}") -> (True, "numbers")        same("(3, 2]", "[2, 3)") -> (False, "regions")
same("the cat", "a dog") -> (None, "undecided")          True is never a guess; None is for a judge
"""

import re
from dataclasses import replace

from . import formula, worker
from .chemistry import compare_chemistry
from .markup import boxes, spell, squeeze
from .quantity import Quantity, ratio, read_quantity, same_quantity
from .structure import Formula, Many, Region, Relation, Words, of, read, split_top
from .units import read_unit
from .words import tokens

LOOSE = ("list", "set", "signs")  # kinds without an order
MAX_ANSWER, MAX_REFERENCE = 2000, 4000
PHRASES = [
    re.compile(
        rf"(?:(?:it|this|the\s(?:limit|expression|integral|value|function|equation|system|slope))\s)?(?:{words})[.! ]*",
        re.I,
    )
    for words in (
        r"(?:there\s(?:is|are)\s|has\s|have\s)?no\s(?:real\s|valid\s|such\s|possible\s)?(?:solutions?|roots?)(?:\sexists?)?|(?:the\s)?(?:empty|null)\sset|∅|\\\{\s*\\\}",
        r"(?:does\snot|doesn['’]?t)\sexist|DNE|(?:is\s)?(?:undefined|not\sdefined)",
        r"(?:all|any|every)\s(?:real\s(?:numbers?|values?)|reals?)(?:\sof\s[a-z])?|\\mathbb\s*\{?\s*R\s*\}?|\(\s*-\s*∞\s*,\s*\+?∞\s*\)",
        r"(?:(?:there\sare\s|has\s)?(?:infinitely\smany|an\sinfinite\snumber\sof)(?:\ssolutions)?)|infinite\ssolutions",
    )
]
INFINITY = re.compile(r"(?:\bpositive\s|\bplus\s|\+\s?)?(?:\binfinit(?:y|e)\b|∞)", re.I)
OTHER_SCRIPT = re.compile(
    r"[\u0600-\u06ff\u0900-\u097f\u0e00-\u0e7f\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]"
)
CLOCK = re.compile(r"0?(\d{1,2})(?::(\d\d))?\s*(?:([ap])\.?\s?m\.?)?", re.I)
LAST_NUMBER = re.compile(r"\(?\\frac\{\d+\}\{\d+\}|[-+]?\d[\d.]*(?:/\d+)?")
MODULUS = re.compile(r"\s*,?\s*\(?\s*\\?[bp]?mod(?![a-z])\s*\{?\s*(\d+)\s*\}?\s*\)?")
FAMILY = re.compile(  # ", k ∈ Z", "where n is an integer", "for any integer k"
    r"""[\s,;(]*\b(?:where\s|with\s|for\s)?(?:(?:any|all|every|some)\s)?(?:integers?\s)?([a-z])
    (?:\s*∈\s*\\mathbb\s*\{?\s*Z\s*\}?(?:\^?\+)?|\s(?:is|are|being)\s(?:an?\s|any\s)?integers?|(?<=integer\s[a-z])|(?<=integers\s[a-z]))\)?\s*$""",
    re.VERBOSE,
)
COMMA = re.compile(r"([-+]?\d+),(\d+)(\s*[a-zA-Zμ°%].{0,20})?")  # 22,5 J
NUMERAL = re.compile(
    r"""(?P<minus>-?)(?:0(?P<sign>[bxo])(?P<a>[0-9a-f]{1,60})
    |\(?(?P<b>[0-9a-z]{1,60}?)\)?(?:_\(?(?P<base>\d{1,2})\)?|(?:in)?(?P<word>binary|octal|hex(?:adecimal)?))?)""",
    re.I | re.VERBOSE,
)
UNIT_VECTOR = re.compile(
    r"\\(?:hat|vec|mathbf|bar)\s*\{?\s*([ijk])\s*\}?|(?<![a-zA-Z\\])([ijk])(?![a-zA-Z])"
)
CONTRARY = {"not", "no", "never", "neither", "nor", "or", "non", "except"}
TOWER = re.compile(  # 9^9^9^9, (10!)!, 2^100000: equal only when they are written alike
    r"\^[-+]?\w{1,6}\^[-+]?\w{1,6}\^|(?<!\d)\d{2,9}\^\d{1,9}\^|\d\^\d{1,9}\^\d|\d{4}!|!!|!\^|\^\d{5}|\^[^,=]{0,20}!"
)
LEAD = re.compile(r"^(?:=>|→|⇒|=|:)\s*(?=\S)|^p(?:H|OH|K_?\{?[abw]\}?)\s+(?=[-\d.])")
TUPLE = re.compile(r"^<([^<>=]+,[^<>=]+)>$")
PROSE = re.compile(r"(?<![\\a-zA-Z])(?!infinity|arcsin|arccos|arctan)[a-zA-Z]{5,}")


def same(answer, reference, unit=None, rel_tol=None):
    """(verdict, rule): True, False or None where the rules cannot tell, and the name of the rule that decided.

    answer, reference: texts, LaTeX or plain; unit: the reference's unit where it stands apart; rel_tol: see answers.grade.
    """
    answer, reference = str(answer).strip(), str(reference).strip()
    if answer == reference != "":
        return True, "same text"
    if len(answer) > MAX_ANSWER or len(reference) > MAX_REFERENCE:
        return None, "length"
    answer, reference = unbox(answer), unbox(reference)
    if "\\\\" in reference and "\\begin" not in reference:  # escaped twice: -2 \\le x
        reference = re.sub(r"\\\\(?=[a-zA-Z])", r"\\", reference)
    if unit and unit.strip():
        return with_unit(answer, reference, unit, rel_tol)
    return decide(answer, reference, rel_tol)


def unbox(text):
    """What counts of a reference: the content of its boxes or of its formula signs; what a worked solution states."""
    found = boxes(text)
    if found:
        text = ", ".join(dict.fromkeys(part.strip() for _, _, part in found)) or text
    elif "####" in text or len(text) > 60 and re.search(r"\n\s*(?:A|Answer)\s*:\s", text):
        from .solution import extract_math  # GSM8K's reference: the solution, then "#### 72"

        text = extract_math(text) or text
    framed = re.fullmatch(r"\\\((.*)\\\)\s*\.?|\\\[(.*)\\\]\s*\.?|\$+([^$]*)\$+\s*\.?", text, re.S)
    return next(part for part in framed.groups() if part is not None).strip() if framed else text


def with_unit(answer, reference, unit, rel_tol):
    """SciBench's way: the unit stands apart and may hold a power of ten ("10^{-19} C"); it may be missing in the answer, with or without the power."""
    number, said = read_quantity(spell(reference)), last_quantity(of(answer))
    if number is None or said is None:
        verdict = decide(answer, reference, rel_tol)
        return (
            verdict
            if verdict[0] or number is not None
            else decide(answer, f"{reference} {unit}", rel_tol)
        )
    name, factor = read_unit(unit) or ("", 1.0)
    plain = replace(number, unit=name, percent="%" in unit)
    scaled = replace(plain, value=number.value * factor)
    wanted = [scaled] if said.unit and factor != 1.0 else [plain, scaled]
    return any(same_quantity(said, one, rel_tol) for one in wanted), "number and unit apart"


def last_quantity(value):
    """The Quantity that a value is, or that its last side states: v = 3.2 m/s; None of others."""
    if isinstance(value, Relation):
        value = read(value.sides[-1])
    return value if isinstance(value, Quantity) else None


def decide(answer, reference, rel_tol=None):
    """(verdict, rule) of two texts: rules of texts, rules of types, math-verify."""
    said, wanted = one_way(spell(answer), spell(reference))
    for name, rule in TEXT_RULES:
        if (verdict := rule(said, wanted, rel_tol)) is not None:
            return verdict, name
    marked = bool(re.search(r"\\(?:text|math|mbox)", answer + reference))
    return compare(read(said, marked), read(wanted, marked), rel_tol, (answer, reference))


def compare(said, wanted, rel_tol, texts=None):
    """(verdict, rule) of two values; texts as they were written, for math-verify."""
    for name, left, right, rule in RULES:
        typed = isinstance(said, left) and isinstance(wanted, right)
        verdict = rule(said, wanted, rel_tol) if typed else None
        if verdict is not None:
            return verdict, name
    if isinstance(said, Many) and said.kind in LOOSE and not isinstance(wanted, Many):
        return None, "several values"
    answer, reference = texts or (said.text, wanted.text)
    asked = rel_tol is None and worth_asking(answer, reference)
    verdict = worker.equal(reference, answer) if asked else None
    return verdict, "undecided" if verdict is None else "math-verify"


def equal(said, wanted, rel_tol):
    """The verdict on two parts of a structure, which may be texts."""
    said = read(said) if isinstance(said, str) else said
    wanted = read(wanted) if isinstance(wanted, str) else wanted
    if squeeze(said.text) == squeeze(wanted.text) != "":
        return True
    return compare(said, wanted, rel_tol)[0]


def every(verdicts):
    """False where one is False, else None where one is None, else True."""
    verdicts = list(verdicts)
    return False if False in verdicts else None if None in verdicts else True


def one_way(said, wanted):
    """Both sides with the same habits: a modulus that one side alone names, infinity as a sign, a sentence in another script as its last number."""
    if OTHER_SCRIPT.search(said) and not OTHER_SCRIPT.search(wanted):
        numbers = LAST_NUMBER.findall(OTHER_SCRIPT.sub(" ", said))
        said = numbers[-1].strip("(.") if numbers else said
    moduli = [MODULUS.findall(text) for text in (said, wanted)]
    if any(moduli) and (moduli[0] == moduli[1] or not all(moduli)):
        said, wanted = (MODULUS.sub("", text).replace("≡", "=") for text in (said, wanted))
    return tidy(said), tidy(wanted)


def tidy(text):
    """Without "=>" and "pH" in front; <1, 2> as a tuple; infinity as its sign."""
    text = LEAD.sub("", TUPLE.sub(r"(\1)", text))
    if len(text) > 40 or phrase(text) or not ("infin" in text.lower() or "+∞" in text):
        return text
    return INFINITY.sub("∞", re.sub(r"\b(?:negative|minus)\s(?=infinity)", "-", text))


# Rules of texts: verdict of two spelled texts, None where the rule does not apply.


def same_spelling(said, wanted, rel_tol):
    one, two = squeeze(said), squeeze(wanted)
    if (
        one == two
        or re.fullmatch(r"\(?([A-Za-z])[).]?", one)
        and one.strip("().") == two.strip("().")
    ):
        return True if wanted else None
    return None


def phrase(text):
    """1 for "no solution", 2 "does not exist", 3 "all real numbers", 4 "infinitely many"; 0 for any other text."""
    numbers = (i for i, pattern in enumerate(PHRASES, 1) if pattern.fullmatch(text))
    return next(numbers, 0) if len(text) < 100 else 0


def same_phrase(said, wanted, rel_tol):
    one, two = phrase(said), phrase(wanted)
    if one and two:
        return one == two
    return False if (one or two) and read_quantity(wanted if one else said) else None


def same_numeral(said, wanted, rel_tol):
    """1010_2, 0b1010, "1010 in binary": by value where both name a base, by digits or value where one does."""
    one, two = numeral(said), numeral(wanted)
    if not one or not two or one[1] is two[1] is None:
        return None
    if one[1] and two[1]:
        return in_base(*one) == in_base(*two)
    if one[0].upper() == two[0].upper():
        return True
    return two[1] is None and two[0].isdigit() and in_base(*one) == int(two[0])


def numeral(text):
    """(digits, base) of a numeral, base None where it names none; None of anything else."""
    match = NUMERAL.fullmatch(re.sub(r"[\s{}]", "", text)) if len(text) < 80 else None
    if not match:
        return None
    prefix = (match["sign"] or match["word"] or "").lower()[:1]
    named = {"b": 2, "o": 8, "x": 16, "h": 16, "": None}[prefix]
    base = int(match["base"]) if match["base"] else named
    digits = match["minus"] + (match["a"] or match["b"])
    return (digits, base) if base is None or in_base(digits, base) is not None else None


def in_base(digits, base):
    try:
        return int(digits, base) if 2 <= base <= 36 else None
    except ValueError:
        return None


def same_clock(said, wanted, rel_tol):
    """7:30 pm; a missing half of the day is accepted."""
    one, two = CLOCK.fullmatch(said), CLOCK.fullmatch(wanted)
    if not one or not two or not (two[2] or two[3]) or not (one[2] or one[3]):
        return None
    halves = {one[3] and one[3].lower(), two[3] and two[3].lower()} - {None}
    return one[1] == two[1] and (one[2] or "00") == (two[2] or "00") and len(halves) < 2


def same_ratio(said, wanted, rel_tol):
    """3:2 and 1.5; 3:1 is not 1:3."""
    if ratio(wanted) is None and (ratio(said) is None or read_quantity(wanted) is None):
        return None
    pair = []
    for text in (said.rpartition("=")[2].strip(), wanted):
        number = read_quantity(text)
        pair.append(ratio(text) if ratio(text) is not None else number.value if number else None)
    return None if None in pair else formula.near(*pair)


def decimal_comma(said, wanted, rel_tol):
    """2,74 as Europeans write it, where the other side is one number; True or None."""
    for text, other in ((said, wanted), (wanted, said)):
        match = COMMA.fullmatch(text)
        if (
            match
            and (number := read_quantity(other))
            and not ("." not in other and len(match[2]) == 3)
        ):
            point = read_quantity(f"{match[1]}.{match[2]}{match[3] or ''}")
            pair = (point, number) if text is said else (number, point)
            return True if point and same_quantity(*pair, rel_tol) else None
    return None


def same_family(said, wanted, rel_tol):
    """π/4 + kπ with k ∈ Z: the values at small k of either are among those of the other."""
    tails = [FAMILY.search(text) for text in (said, wanted)]
    if not any(tails):
        return None
    heads = [
        text[: tail.start()] if tail else text
        for text, tail in zip((said, wanted), tails, strict=True)
    ]
    inner, outer = (
        [members(head, tail, reach) for head, tail in zip(heads, tails, strict=True)]
        for reach in (6, 40)
    )
    if None in inner or None in outer:
        verdict = decide(*heads, rel_tol)[0] if "" not in heads else None
        return verdict or None
    return all(
        any(formula.near(x, y) for y in outer[1 - side]) for side in (0, 1) for x in inner[side]
    )


def members(head, tail, reach):
    """The values of the formulas of a family at -reach <= k <= reach; None where they cannot be read."""
    found = []
    for part in split_top(re.sub(r"\b(?:or|and)\b", ",", head), ",;"):
        tree = formula.read(part.rpartition("=")[2].strip())
        names = formula.symbols(tree) if tree else set()
        if tree is None or len(names) != 1 or tail and names != {tail[1]}:
            return None
        for k in range(-reach, reach + 1):
            try:
                found.append(formula.value_at(tree, {name: complex(k) for name in names}))
            except formula.Unreadable:
                return None
    return found or None


TEXT_RULES = (
    ("same spelling", same_spelling),
    ("stock phrase", same_phrase),
    ("numeral in a base", same_numeral),
    ("clock time", same_clock),
    ("chemistry", lambda said, wanted, rel_tol: compare_chemistry(said, wanted)),
    ("ratio", same_ratio),
    ("decimal comma", decimal_comma),
    ("family over the integers", same_family),
)


# Rules of types: verdict of two values, None where they cannot tell.


def numbers(said, wanted, rel_tol):
    for one, two in (
        (said, wanted),
        (wanted, said),
    ):  # π/4 against 45 degrees: π alone is in radians
        if "π" in one.text and not one.unit and two.unit == "(degree)**1":
            one, two = replace(one, unit="(radian)**1"), two
            return same_quantity(*((one, two) if "π" in said.text else (two, one)), rel_tol)
    bare = re.search(r"\d[A-Za-z]$", wanted.text) and not said.unit
    verdict = same_quantity(said, wanted, rel_tol)
    return (
        None if verdict and bare and said.text != wanted.text else verdict
    )  # 12h may be 12 times h


def formulas(said, wanted, rel_tol):
    if "∞" in said.text or "∞" in wanted.text:
        return (
            None if "lim" in said.text + wanted.text else squeeze(said.text) == squeeze(wanted.text)
        )
    return formula.agree(said.text, wanted.text)


def unit_vectors(said, wanted, rel_tol):
    """3i - 2j + k against (3, -2, 1)."""
    vector, parts = (said, wanted) if isinstance(wanted, Many) else (wanted, said)
    text = UNIT_VECTOR.sub(lambda m: f" u_{m[1] or m[2]} ", vector.text)
    tree = formula.read(text)
    if tree is None or len(parts.parts) not in (2, 3) or parts.kind in ("cases", *LOOSE):
        return None
    if not {"u_i", "u_j"} & formula.symbols(tree):
        return None
    names = formula.symbols(tree) | {"u_i", "u_j", "u_k"}
    if names != {"u_i", "u_j", "u_k"}:
        return None
    axes = ["u_i", "u_j", "u_k"][: len(parts.parts)]
    try:
        cells = [
            formula.value_at(tree, {name: complex(name == axis) for name in names}) for axis in axes
        ]
    except formula.Unreadable:
        return None
    made = [Quantity(cell.real, text=f"{cell.real!r}") for cell in cells]
    pairs = zip(made, parts.parts, strict=True)
    return every(equal(*(pair if vector is said else pair[::-1]), rel_tol) for pair in pairs)


def cases(said, wanted, rel_tol):
    """Formulas with their conditions, in any order; "otherwise" agrees with any condition."""
    if "cases" not in (said.kind, wanted.kind):
        return None
    rows = said.parts + wanted.parts
    if said.kind != wanted.kind or any(len(row) != 2 for row in rows):
        return False
    return matched(said.parts, wanted.parts, lambda one, two: same_case(one, two, rel_tol))


def same_case(one, two, rel_tol):
    conditions = [
        re.sub(r"^\s*(?:if|for|when|where)\s+|[.,;]\s*$", "", row[1]).strip() for row in (one, two)
    ]
    other = any(re.match(r"otherwise|else", condition) for condition in conditions)
    return every(
        (
            equal(one[0].strip(" ,"), two[0].strip(" ,"), rel_tol),
            other or equal(*conditions, rel_tol),
        )
    )


def collections(said, wanted, rel_tol):
    """Lists and sets in any order; tuples, vectors, labelled parts and distinct names in order."""
    one, two = flat(said), flat(wanted)
    if len(one.parts) != len(two.parts):
        return False
    names = [names_of(one), names_of(two)]
    if all(names) and set(names[0]) == set(names[1]):
        found = dict(zip(names[0], one.parts, strict=True))
        return every(
            equal(found[name], part, rel_tol)
            for name, part in zip(names[1], two.parts, strict=True)
        )
    kinds = {one.kind, two.kind}
    if not any(names):
        if kinds <= set(LOOSE):
            return matched(one.parts, two.parts, lambda x, y: equal(x, y, rel_tol))
        if "set" in kinds or len(one.parts) == 2 and kinds == {"()", "[]"}:
            return False  # (1, 2) is not [1, 2]
    if not names[0] and isinstance(one.parts[0], Relation) and not kinds <= set(LOOSE):
        return False  # x = 2, x = -3 is no point (2, -3)
    return every_pair(one, two, rel_tol)


def names_of(many):
    """The names of the parts where each has one of its own, else []."""
    names = [part.name if isinstance(part, Relation) else "" for part in many.parts]
    return names if all(names) and len(set(names)) == len(names) else []


def every_pair(one, two, rel_tol):
    """The parts in order, without their names."""
    pairs = [[plain_part(part) for part in many.parts] for many in (one, two)]
    return every(equal(x, y, rel_tol) for x, y in zip(*pairs, strict=True))


def plain_part(part):
    """The value of a named part, or the part itself."""
    return read(part.sides[-1]) if isinstance(part, Relation) and part.sign == "=" else part


def flat(many):
    """Lists inside a list as one list: 1 ± \\sqrt{2}, 3 has three values."""
    if many.kind not in ("list", "set") or not any(
        isinstance(p, Many) and p.kind == "signs" for p in many.parts
    ):
        return many
    parts = [p.parts if isinstance(p, Many) and p.kind == "signs" else (p,) for p in many.parts]
    return replace(many, parts=tuple(part for group in parts for part in group))


def matched(one, two, rule):
    """Is there a pairing of the parts, in any order? None where only undecided pairs could make it one."""
    if len(one) != len(two):
        return False
    left, doubt = list(one), False
    for part in two:
        verdicts = [rule(other, part) for other in left]
        if True in verdicts:
            left.pop(verdicts.index(True))
        elif None in verdicts:
            doubt = True
        else:
            return False
    return None if doubt else True


def as_region(value):
    """A tuple of two as the interval that it may be."""
    if isinstance(value, Many) and len(value.parts) == 2 and value.kind in ("()", "[]"):
        return Region(value.text, ((*value.parts, value.kind),))
    return value


def regions(said, wanted, rel_tol):
    """Intervals, unions and inequalities: the same ends, open or closed alike, in any order."""
    one, two = as_region(said), as_region(wanted)
    if not (isinstance(one, Region) and isinstance(two, Region)):
        return None

    def same_piece(x, y):
        return every((x[2] == y[2], equal(x[0], y[0], rel_tol), equal(x[1], y[1], rel_tol)))

    return matched(one.pieces, two.pieces, same_piece)


def several_forms(said, wanted, rel_tol):
    """5/2 or 2.5, 72 km/h (20 m/s): one value in several forms, all of them right; different values are not."""
    many, other, reverse = (
        (wanted, said, True) if isinstance(wanted, Many) else (said, wanted, False)
    )
    if many.kind not in LOOSE or isinstance(other, Many | Words):
        return None
    parts = [plain_part(part) for part in many.parts]
    verdict = every(
        equal(*((other, part) if reverse else (part, other)), rel_tol) for part in parts
    )
    named = all(isinstance(part, Relation) and part.name for part in many.parts)
    if named and verdict is False and len({part.name for part in many.parts}) == len(parts):
        return None  # t = 5 s, d = 10 m: which of them was asked for?
    return verdict if parts else None


def equations(said, wanted, rel_tol):
    """Two relations: equations and inequalities up to a factor, proportions, chains by their last sides."""
    signs = said.sign + wanted.sign
    for mark, rule in (
        ("∝", proportions),
        ("≠", unequal),
        ("<", inequalities),
        (">", inequalities),
    ):
        if mark in signs:
            return rule(said, wanted, rel_tol)
    if said.name and wanted.name:
        verdict = equal(said.sides[-1], wanted.sides[-1], rel_tol)
        if verdict and not alike(said.name, wanted.name):
            verdict = None
        if verdict or said.name == wanted.name or len(said.sides) + len(wanted.sides) > 4:
            return verdict
    if len(said.sides) == len(wanted.sides) == 2:
        verdict = formula.proportional(difference(said), difference(wanted))
        return None if verdict is None else bool(verdict)
    return equal(said.sides[-1], wanted.sides[-1], rel_tol) if wanted.name else None


def difference(relation):
    """Left side minus right side, as a text."""
    return f"({relation.sides[0]})-({relation.sides[1]})"


def unequal(said, wanted, rel_tol):
    """x ≠ 2 and 2 ≠ x."""
    if said.sign != wanted.sign:
        return False
    ways = (said.sides, said.sides[::-1])
    return any(
        every(equal(x, y, rel_tol) for x, y in zip(way, wanted.sides, strict=True)) for way in ways
    )


def alike(one, two):
    """May two names mean one thing? y and f(x), v and v_max, speed and v; not x and y."""
    words = re.match(r"[a-zA-Z]{3}", one) or re.match(r"[a-zA-Z]{3}", two)
    return (
        one[0] == two[0]
        or "(" in one + two
        or "y" in (one, two)
        and len(one + two) > 2
        or bool(words)
    )


def proportions(said, wanted, rel_tol):
    """∼ 1/x^4 and ∝ x^{-4}: the same up to a constant factor."""
    sides = [
        value.sides[-1] if isinstance(value, Relation) else value.text for value in (said, wanted)
    ]
    verdict = formula.proportional(*sides)
    return None if verdict is None else bool(verdict)


def inequalities(said, wanted, rel_tol):
    if (
        len(said.sides) == len(wanted.sides) == 2
        and said.sign[0] in "<>"
        and wanted.sign[0] in "<>"
    ):
        factor = formula.proportional(difference(said), difference(wanted))
        if not factor:
            return factor
        flipped = said.sign[0] != wanted.sign[0]
        return ("=" in said.sign) == ("=" in wanted.sign) and flipped == (factor.real < 0)
    if len(said.sides) == len(wanted.sides) == 3:
        sides, sign = said.sides, said.sign
        if sign[0] != wanted.sign[0]:
            sides, sign = sides[::-1], mirrored(sign)
        same_sides = every(equal(x, y, rel_tol) for x, y in zip(sides, wanted.sides, strict=True))
        return same_sides if sign == wanted.sign else False
    return None


def mirrored(signs):
    """The signs of a chain read from its other end: "<<=" -> ">=>"."""
    return "".join(re.findall(r"[<>]=?", signs)[::-1]).translate(str.maketrans("<>", "><"))


def stated(said, wanted, rel_tol):
    """A named value or a chain against a value: "x = 5", "x = 1/3 ≈ 0.33", "NO/BO = 1/\\sqrt{6}"."""
    chain, value, reverse = (
        (said, wanted, False) if isinstance(said, Relation) else (wanted, said, True)
    )
    if chain.sign == "∝":
        return (
            proportions(said, wanted, rel_tol)
            if reverse
            else equal(chain.sides[-1], value, rel_tol)
        )
    if chain.sign not in "=≈":
        return None if isinstance(value, Words) else False
    sides = chain.sides[1:] if chain.name and len(chain.sides) > 1 else chain.sides
    if not chain.name and chain.sign == "=" and len(chain.sides) == 2:
        if not quantity_name(chain.sides[0]) if reverse else in_unknowns(chain.sides[0]):
            return False  # 1 is not the equation 2x + z = 1
        sides = chain.sides[1:]
    verdicts = [equal(*((value, side) if reverse else (side, value)), rel_tol) for side in sides]
    return True if True in verdicts else verdicts[-1]


def quantity_name(text):
    """Does a side of an equation name what was asked for, such as NO/BO, A:B, |AB|, f(2) or f(x), and no equation in unknowns?"""
    if not re.search(r"\\frac|/|[A-Z]{2}|\(|:|\|", text):
        return not re.search("[a-zα-ω]", text)
    return not re.search(r"(?<![a-zA-Z\\])[a-z](?![a-zA-Z(])", re.sub(r"\([a-z]\)", "()", text))


def in_unknowns(text):
    """Is a side a sum or power of unknowns, such as x^2 + y^2?"""
    tree = formula.read(text)
    return bool(tree and tree[0] in "+-^" and formula.symbols(tree))


def words(said, wanted, rel_tol):
    """The same words, or a short text that holds them and denies nothing; another form of words is undecided."""
    if isinstance(said, Quantity):
        return None
    if max(len(said.text), len(wanted.text)) < 5 and formula.agree(said.text, wanted.text):
        return True  # abc and bca
    one, two = (re.findall(r"[^\W_]+", value.text.lower()) for value in (said, wanted))
    if one == two or tokens(said.text) == tokens(wanted.text):
        return True
    if len(one) <= 12 and f" {' '.join(two)} " in f" {' '.join(one)} ":
        return None if CONTRARY & set(one) - set(two) else True
    return False if set(one) ^ set(two) <= CONTRARY else None


RULES = (
    ("numbers", Quantity, Quantity, numbers),
    ("regions", Region | Many, Region | Many, regions),
    ("cases", Many, Many, cases),
    ("collections", Many, Many, collections),
    ("unit vectors", Formula, Many, unit_vectors),
    ("unit vectors", Many, Formula, unit_vectors),
    ("one value in several forms", Many, object, several_forms),
    ("one value in several forms", object, Many, several_forms),
    ("equations", Relation, Relation, equations),
    ("named value", Relation, object, stated),
    ("named value", object, Relation, stated),
    ("formulas", Formula | Quantity, Formula | Quantity, formulas),
    ("words", object, Words, words),
)


def worth_asking(answer, reference):
    """Is there anything that math-verify could see and the rules could not? Words are not, towers of powers would only burn its time."""
    if len(answer) > 400 or len(reference) > 600 or not re.search(r"\w", reference):
        return False
    for text in (answer, reference):
        crowded = text.count("(") > 40 or text.count("{") > 120
        if crowded or TOWER.search(re.sub(r"[\s{}()]", "", text).replace("**", "^")):
            return False
    plain = re.sub(r"\\[a-zA-Z]+(?:\s*\{[a-z]*matrix\})?", "", answer)
    return bool(re.search(r"[\d\\=<>^(\[{]", answer)) and not PROSE.search(plain)
