"""Is an answer the reference? An ordered table of named rules; math-verify in the guarded worker last.

same("0.5", r"\\frac{1}{2}") -> (True, "numbers")        same("(3, 2]", "[2, 3)") -> (False, "regions")
same("the cat", "a dog") -> (None, "undecided")          True is never a guess; None is for a judge

Each rule takes two spelled texts (markup.spell) and says True, False, or None where it does not apply
or cannot tell. Structures are compared part by part, by the same rules.
"""

import functools
import re
from dataclasses import replace

from . import formula, worker
from .chemistry import compare_chemistry
from .markup import boxes, spell, squeeze
from .quantity import Quantity, ratio, read_quantity, same_quantity
from .trim import short_spaces
from .units import read_unit
from .words import tokens

MAX_ANSWER, MAX_REFERENCE, MAX_PARTS, MAX_DEPTH = 2000, 4000, 40, 6
PHRASES = [
    re.compile(rf"(?:(?:it|this|(?:the\s)?[a-z]+)\s)?(?:{words})[.! ]*", re.I)
    for words in (
        r"(?:there\s(?:is|are)\s|has\s)?no\s(?:\w+\s)?solutions?(?:\sexists?)?|(?:empty|null)\sset|∅|\\\{ ?\\\}",
        r"(?:does\snot|doesn['’]?t)\sexist|DNE|(?:is\s)?undefined",
        r"(?:all|any|every)\sreal(?:\snumbers?|\svalues?|s)|\\mathbb\s*\{?R\}?|\(-∞, ?∞\)",
        r"(?:(?:there\s)?are\s|has\s)?infinite(?:ly\smany(?:\ssolutions)?|\ssolutions)",
    )
]
INFINITY = re.compile(r"(?:\bpositive\s|\bplus\s|\+\s?)?(?:\binfinit(?:y|e)\b(?!ly)|∞)", re.I)
OTHER_SCRIPT = re.compile(
    r"[\u0600-\u06ff\u0900-\u097f\u0e00-\u0e7f\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]"
)
LAST_NUMBER = re.compile(r"\(?\\frac\{\d+\}\{\d+\}|[-+]?\d[\d.]*(?:/\d+)?")
SUFFIX = re.compile(  # of 1011_2, 3 \pmod{7} and 10:30 a.m.: one side may leave it out
    r"""(?x)(?<=\d)_\{?(\d{1,2})\}?$ | (?<=:\d\d)\s*([apAP])\.?\s?[mM]\.?$
    |\s*,?\s*\(?\s*\\?[bp]?mod(?![a-z])\s*\{?\s*(\d+)\s*\}?\s*\)?$"""
)
COMMA = re.compile(
    r"^([-+]?(?:0(?=,)|\d+(?!,\d{3}(?!\d)))),(\d+)(?![\d,])"
)  # 22,5 J; 22,500 are thousands
CONTRARY = {"not", "no", "never", "neither", "nor", "or", "non", "except"}
TOWER = re.compile(  # 9^9^9^9, (10!)!, 2^100000: equal only when they are written alike
    r"\^[-+]?\w{1,6}\^[-+]?\w{1,6}\^|(?<!\d)\d{2,9}\^\d{1,9}\^|\d\^\d{1,9}\^\d|\d{4}!|!!|!\^|\^\d{5}|\^[^,=]{0,20}!"
)
TEN = re.compile(r"\s*10\s*\^\s*\{?\s*([-+]?\d{1,2})\s*\}?\s*[*.]?\s*")  # of the unit 10^{-19} C
LEAD = re.compile(
    r"^(?:\([A-J]\)\s*(?=[-\d\\√])|(?:=>|→|⇒|=|:|[Ss]o|[Tt]hus|[Tt]hen)\s*(?=\S)|p(?:OH|H|K_?\{?[abw]\}?)\s*[=≈]?\s*(?=[-\d.]))"
)
PART = re.compile(r"(?:^|[\s;,.]+(?:and\s)?)\(?(?:[a-h]|i{1,3}|iv|v)[.)](?=[\s\d.$\\-])")
FAMILY = re.compile(r"∈\s*\\mathbb\s*\{?\s*Z|\binteger")
BUILDER = re.compile(r"\\\{\s*[a-z]\s*(?:∈\s*\\mathbb\s*\{?R\}?\s*)?[|:]\s*([^|:]+?)\s*\\\}")
MATRIX = re.compile(
    r"\\begin\s*\{([pbvBV]?matrix|array)\}(?:\s*\{[^{}]*\})?([^\[\]]*?)\\end\s*\{\1\}"
)
PROSE = re.compile(r"(?<![\\a-zA-Z])(?!infinity|arcsin|arccos|arctan)[a-zA-Z]{5,}")
FUNCTION_WORD = re.compile(r"(?:pi|ln|log|sin|cos|tan|exp|sqrt|inf)")
NAME = re.compile(
    r"""\[\w{1,8}[-+^{}\d]*\]|p[HK]\w*|-?Δ[A-Z]°?|d\w?/d\w|(?:the\s)?[a-zA-Z]{3,20}(?:\s[a-zA-Z]{2,20}){0,3}       # minimum value
    |[∠Δ]?\s?\{?(?:\\?[a-zA-Zα-ωΑ-Ωħ]|[A-Z]{2,4}|\\[a-z]{2,9})\}?'*  # x, ∠ APC
    (?:\s*_\s*(?:\{[^{}]{0,20}\}|\w))?\s*(?:\(\w(?:,\s*\w)*\))?      # V_{max}, f(x)""",
    re.VERBOSE,
)
SIDES = re.compile(r"[=≈≡]|(?<=[a-z])\s*:(?=\s)")
BOUNDS = re.compile(r"(<=|>=|<|>)")
AND = re.compile(r"(?<![a-zA-Z\\])(?:and|or|so|i\.e\.|that is,?)(?![a-zA-Z])")
VARIABLE = re.compile(r"[a-zA-Zα-ω](?:_\{?\w\}?)?\s*(?:\([a-z]\))?")
IN = re.compile(rf"^{VARIABLE.pattern}\s*∈\s*")
NO_BASE = re.compile(r"log(?![_a-z])")  # ten in chemistry, e in mathematics
ASIDE = re.compile(r"([^()]{1,60}?)\s*\(\s*(?:or|i\.e\.,?|about|≈|=)?\s*([^()]{1,60})\)")


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
    """What counts of a reference: its last box, the end of a worked solution (GSM8K's "#### 72"), what stands in formula signs."""
    if boxes(text) or "####" in text:
        from .solution import extract_math

        text = extract_math(short_spaces(text)) or text
    framed = re.fullmatch(r"\\\((.*)\\\)\s*\.?|\\\[(.*)\\\]\s*\.?|\$+([^$]*)\$+\s*\.?", text, re.S)
    return next(part for part in framed.groups() if part is not None).strip() if framed else text


def with_unit(answer, reference, unit, rel_tol):
    """SciBench's way: the unit stands apart and may hold a power of ten ("10^{-19} C"); the answer may leave out both."""
    wanted = read_quantity(spell(reference))
    said = number((sides(spell(answer)) or [spell(answer)])[-1])
    if wanted is None or said is None:
        verdict = decide(answer, reference, rel_tol)
        again = wanted is None and not verdict[0]
        return decide(answer, f"{reference} {unit}", rel_tol) if again else verdict
    ten = TEN.match(spell(unit))
    factor = 10.0 ** int(ten[1]) if ten else 1.0
    name = read_unit(spell(unit)[ten.end() if ten else 0 :])
    plain = replace(wanted, unit=name, percent="%" in unit)
    scaled = replace(plain, value=wanted.value * factor)
    ways = [scaled] if said.unit and ten else [plain, scaled]
    return any(same_quantity(said, one, rel_tol) for one in ways), "number and unit apart"


def decide(answer, reference, rel_tol=None):
    """(verdict, rule) of two texts: the rules, then math-verify, whose "no" proves nothing."""
    said, wanted = one_way(spell(answer), spell(reference))
    verdict, rule = compare(said, wanted, rel_tol)
    if FAMILY.search(said + wanted):  # "+ kπ, k ∈ Z"
        return verdict or None, rule
    equation = [len(split_top(text, "=")) > 1 for text in (said, wanted)]
    known = SUFFIX.search(said) or number(said) and number(wanted)
    if equation[0] != equation[1] or known:  # math-verify drops names, bases and units
        return verdict, rule
    asked = verdict is None and rel_tol is None and worth_asking(answer, reference)
    return (True, "math-verify") if asked and worker.equal(reference, answer) else (verdict, rule)


def compare(said, wanted, rel_tol):
    """(verdict, rule) of two spelled texts."""
    for name, rule in RULES:
        if (verdict := rule(said, wanted, rel_tol)) is not None:
            return verdict, name
    return None, "undecided"


def equal(said, wanted, rel_tol):
    """The verdict on two parts of a structure."""
    return compare(tidy(said), tidy(wanted), rel_tol)[0]


def every(verdicts):
    """False where one is False, else None where one is None, else True."""
    verdicts = list(verdicts)
    return False if False in verdicts else None if None in verdicts else True


def one_way(said, wanted):
    """Both sides with the same habits: no base or modulus that one side alone names; a sentence in another script as its last number."""
    if OTHER_SCRIPT.search(said) and not OTHER_SCRIPT.search(wanted):
        numbers = LAST_NUMBER.findall(OTHER_SCRIPT.sub(" ", said))
        said = numbers[-1].strip("(.") if numbers else said
    found = [SUFFIX.search(text) for text in (said, wanted)]
    ends = ["".join(filter(None, match.groups())).lower() if match else "" for match in found]
    if any(ends) and (ends[0] == ends[1] or not all(ends)):
        said, wanted = SUFFIX.sub("", said), SUFFIX.sub("", wanted)
    return tidy(said), tidy(wanted)


def tidy(text):
    """Without "=>" in front or brackets around one value; matrices and <1, 2> as tuples in ⟨⟩; infinity as its sign."""
    text = MATRIX.sub(tuple_of, LEAD.sub("", text))
    text = re.sub(r"^(?:\[|\(|\\?\{)\s*(⟨.*⟩)\s*(?:\]|\)|\\?\})$", r"\1", text)
    if len(text) < 1500 and PART.match(text) and len(values := PART.split(text)) > 2:
        return f"⟨{';'.join(values[1:])}⟩"  # (a) .15 (b) .148
    text = re.sub(r"^<([^<>=]+,[^<>=]+)>$", r"⟨\1⟩", text)
    if text[:1] == "(" and parts(text) == ("()", [text[1:-1].strip()]):
        return tidy(text[1:-1].strip())
    if match := BUILDER.fullmatch(text):
        return match[1]
    if len(text) > 40 or phrase(text) or not ("infin" in text.lower() or "+∞" in text):
        return text
    return INFINITY.sub("∞", re.sub(r"\b(?:negative|minus)\s(?=infinity)", "-", text))


def tuple_of(match):
    """A matrix as ⟨⟨1,2⟩,⟨3,4⟩⟩, one row or column as ⟨1,2⟩."""
    rows = [row.split("&") for row in re.split(r"\\\\", match[2]) if row.strip()]
    if len(rows) == 1 or {len(row) for row in rows} == {1}:
        rows = [[cell] for row in rows for cell in row]
    texts = [row[0].strip() if len(row) == 1 else f"⟨{','.join(row)}⟩" for row in rows]
    return f"⟨{','.join(texts)}⟩"


# What a text is made of.


def split_top(text, separators):
    """The text cut at separators that stand outside brackets."""
    found, depth, start = [], 0, 0
    for at, sign in enumerate(text):
        if sign in "([{⟨":
            depth += 1
        elif sign in ")]}⟩":
            depth -= 1
        elif sign in separators and depth <= 0:
            found.append(text[start:at])
            start = at + 1
    return [part.strip() for part in (*found, text[start:]) if part.strip()]


def depth_of(text):
    """How deep its brackets stand inside each other; -1 where they do not match."""
    depth = deepest = 0
    for sign in text:
        depth += (sign in "([{⟨") - (sign in ")]}⟩")
        deepest = max(deepest, depth)
        if depth < 0:
            return -1
    return -1 if depth else deepest


@functools.lru_cache(maxsize=2048)
def parts(text):
    """(kind, texts) of one or several values. kind: the two brackets, set, or list (in any order, as a set is)."""
    if len(text) > MAX_ANSWER or depth_of(text) not in range(MAX_DEPTH) or read_quantity(text):
        return "list", [text]
    inner, kind = IN.sub("", text), "list"
    if inner[:2] == "\\{" and inner[-2:] == "\\}" and depth_of(inner[2:-2]) >= 0:
        inner, kind = inner[2:-2], "set"
    elif inner[:1] in ("(", "[", "{", "⟨") and depth_of(inner[1:-1]) >= 0:
        inner, kind = inner[1:-1], "list" if inner[0] == "{" else inner[0] + inner[-1]
    found = split_top(AND.sub(",", inner), ",;")
    if ";" in inner and not all(map(sides, found)):
        found = split_top(inner, ";")
    if kind in ("list", "set"):
        found = regrouped([one for part in found for one in both_signs(part)])
    return kind, found if len(found) <= MAX_PARTS else [text]


def regrouped(found):
    """Solutions in several unknowns as tuples: p=5, q=2, p=7, q=2 -> (5,2), (7,2)."""
    names = list(map(name_of, found))
    size = len(set(names))
    if not all(names) or size < 2 or names != names[:size] * (len(found) // size):
        return found
    groups = [found[at : at + size] for at in range(0, len(found), size)]
    return [f"({','.join(map(value_of, group))})" for group in groups] if groups[1:] else found


def both_signs(text):
    """1 ± \\sqrt{2} as its two values."""
    if not re.search("[±∓]", text):
        return [text]
    return [text.translate(str.maketrans("±∓", signs)) for signs in ("+-", "-+")]


def is_loose(kind):
    return kind in ("list", "set")


def sides(text):
    """The sides of an equation or a chain, or what stands behind a label ("minimum: 1"); [] of anything else."""
    if not SIDES.search(text) or BOUNDS.search(text) or len(split_top(text, ",;")) > 1:
        return []
    found = split_top(SIDES.sub("=", text), "=")
    return found if len(found) > 1 else []


def name_of(text):
    """The symbol or the words that are given a value: x of "x = 5"; "" where there is none."""
    first = next(iter(sides(text)), "")
    return re.sub(r"[{}\s\\]", "", first) if NAME.fullmatch(first) else ""


def value_of(text):
    """The text without the name that is given the value."""
    return sides(text)[-1] if name_of(text) else text


def pieces(text):
    """[(low, high, brackets), ...] of intervals, their unions and inequalities in one unknown; [] of anything else."""
    found = [
        interval(part.strip()) or bounds(part.strip())
        for part in re.split(r"∪|\bU\b|(?<![a-zA-Z])or(?![a-zA-Z])", IN.sub("", text))
    ]
    return [] if None in found else found


def interval(text):
    """("0", "1", "[)") of "[0, 1)"; None for anything else."""
    if text[:1] not in ("(", "[") or text[-1:] not in (")", "]") or depth_of(text[1:-1]) < 0:
        return None
    ends = split_top(text[1:-1], ",;")
    return (*ends, text[0] + text[-1]) if len(ends) == 2 else None


def bounds(text):
    """An inequality in one unknown as an interval: "-793 < a < 10" -> ("-793", "10", "()"); None else."""
    found = [part.strip() for part in BOUNDS.split(text)] if len(text) < 200 else []
    if len(found) == 3:  # x < 5 as -∞ < x < 5, 5 > x as 5 > x > -∞
        ends = {"<": ("-∞", "∞"), ">": ("∞", "-∞")}[found[1][0]]
        left = VARIABLE.fullmatch(found[0])
        found = [ends[0], found[1][0], *found] if left else [*found, found[1][0], ends[1]]
    if len(found) != 5 or not VARIABLE.fullmatch(found[2]) or found[1][0] != found[3][0]:
        return None
    low, first, _, second, high = found if found[1][0] == "<" else found[::-1]
    if VARIABLE.fullmatch(low + high):
        return None
    return low, high, ("[" if "=" in first else "(") + ("]" if "=" in second else ")")


def number(text):
    """The Quantity of a number, a closed formula or a ratio; None of others."""
    if (quantity := read_quantity(text)) is None and (share := ratio(text)) is not None:
        return Quantity(share)
    return quantity


# Rules.


def same_spelling(said, wanted, rel_tol):
    one, two = squeeze(said), squeeze(wanted)
    letters = re.fullmatch(r"\(?[A-Za-z][).]?", one) and one.strip("().") == two.strip("().")
    return True if wanted and (one == two or letters) else None


def phrase(text):
    """1 for "no solution", 2 "does not exist", 3 "all real numbers", 4 "infinitely many"; 0 for any other text."""
    numbers = (i for i, pattern in enumerate(PHRASES, 1) if pattern.fullmatch(text))
    return next(numbers, 0) if len(text) < 100 else 0


def same_phrase(said, wanted, rel_tol):
    one, two = phrase(said), phrase(wanted)
    if one and two:
        return one == two
    return False if (one or two) and read_quantity(wanted if one else said) else None


def numbers(said, wanted, rel_tol):
    one, two = number(said), number(wanted)
    if one is None or two is None:
        return None
    if "π" in said + wanted and "degree**1" in unit_names(one, two):  # π alone is in radians
        one, two = (q if q.unit else replace(q, unit=read_unit("rad")) for q in (one, two))
    verdict = same_quantity(one, two, rel_tol)
    if verdict is False:
        return None if NO_BASE.search(said + wanted) else False
    doubtful = said != wanted and (open_unit(one, wanted) or rel_tol is None and rounded(one, two))
    return None if doubtful else verdict


def unit_names(*quantities):
    return [quantity.unit.name for quantity in quantities if quantity.unit]


def open_unit(one, wanted):
    """Is the letter behind a reference's number a unit or a factor (12h), where the answer has none?"""
    return re.search(r"(?:\d|[)}π]\s?)[A-Za-z]$", wanted) and not one.unit


def rounded(one, two):
    """5 for 5.001: an integer where four digits were asked for."""
    integer = one.digits is None and one.value.is_integer() and one.value != two.value
    return integer and (two.digits or 0) > 3 and not (one.unit or two.unit)


def decimal_comma(said, wanted, rel_tol):
    """2,74 as Europeans write it, where the other side is one number."""
    texts = COMMA.sub(r"\1.\2", said), COMMA.sub(r"\1.\2", wanted)
    changed = (texts[0] != said) + (texts[1] != wanted)
    return True if changed == 1 and numbers(*texts, rel_tol) else None


def regions(said, wanted, rel_tol):
    """Intervals, unions and inequalities: the same ends, open or closed alike, in any order."""
    one, two = pieces(said), pieces(wanted)

    def same_piece(x, y):
        return every((x[2] == y[2], equal(x[0], y[0], rel_tol), equal(x[1], y[1], rel_tol)))

    return matched(one, two, same_piece) if one and two else None


def collections(said, wanted, rel_tol):
    """Lists and sets in any order; tuples, vectors and distinct names in order."""
    (kind, one), (wanted_kind, two) = parts(said), parts(wanted)
    if len(two) < 2 and wanted_kind != "set" or len(one) < 2 and kind != "set":
        return None
    if len(one) != len(two):
        return False
    names = [distinct_names(one), distinct_names(two)]
    loose = is_loose(kind) and is_loose(wanted_kind)
    if all(names) and set(names[0]) == set(names[1]):
        one = [one[names[0].index(name)] for name in names[1]]
    elif loose and not any(names):
        return matched(one, two, lambda x, y: equal(x, y, rel_tol))
    elif sides(one[0]) and not names[0]:
        return None  # x = 2, x = -3 is no point (2, -3)
    elif "set" in (kind, wanted_kind):
        return False
    return every(equal(value_of(x), value_of(y), rel_tol) for x, y in zip(one, two, strict=True))


def distinct_names(texts):
    """The names of the parts where each has one of its own, else []."""
    names = [name_of(text) for text in texts]
    return names if all(names) and len(set(names)) == len(names) else []


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


def several_forms(said, wanted, rel_tol):
    """5/2 or 2.5, 72 km/h (20 m/s): one value in several forms, all of them right; different values are not."""
    one, two = forms(said), forms(wanted)
    if (len(one) > 1) == (len(two) > 1) or is_words(one[0]) or is_words(two[0]):
        return None
    verdict = every(equal(value_of(x), value_of(y), rel_tol) for x in one for y in two)
    named = distinct_names(one) or distinct_names(two)  # t = 5 s, d = 10 m: which was asked for?
    return None if named and len(one + two) > 2 else verdict


def forms(text):
    match = ASIDE.fullmatch(text)
    both = [read_quantity(part.strip()) for part in match.groups()] if match else [None]
    if all(both) and (both[0].unit or both[0].percent or both[1].percent or "." in text):
        return list(match.groups())
    kind, found = parts(text)
    return found if is_loose(kind) and found else [text]


def equations(said, wanted, rel_tol):
    """Two equations: named values by the last sides, others up to a factor."""
    one, two = sides(said), sides(wanted)
    if not one or not two:
        return None
    names = name_of(said), name_of(wanted)
    if all(names):
        verdict = equal(one[-1], two[-1], rel_tol)
        if verdict:
            return True if alike(*names) else None
        if names[0] == names[1] or len(one) + len(two) > 4:
            return verdict
    if len(one) == len(two) == 2:
        return formula.proportional(*(f"({left})-({right})" for left, right in (one, two)))
    return None


def alike(one, two):
    """May two names mean one thing? y and f(x), v and v_max, speed and v; not x and y."""
    words = re.match(r"[a-zA-Z]{3}", one) or re.match(r"[a-zA-Z]{3}", two)
    return one[0] == two[0] or "(" in one + two or bool(words)


def named_value(said, wanted, rel_tol):
    """A named value or a chain against a value: "x = 5", "x = 1/3 ≈ 0.33", "NO/BO = 1/\\sqrt{6}"."""
    one, two = sides(said), sides(wanted)
    if bool(one) == bool(two):
        return None
    chain = one or two
    if not name_of(said if one else wanted) and len(chain) == 2 and in_unknowns(chain[0]):
        return None  # 1 is not the equation 2x + z = 1
    values = chain[1:] if name_of(said if one else wanted) else chain
    pairs = [(side, wanted) if one else (said, side) for side in values]
    verdicts = [equal(*pair, rel_tol) for pair in pairs]
    return True if True in verdicts else verdicts[-1]


def in_unknowns(text):
    """Is a side a sum, product or power of unknowns, such as x^2 + y^2, but not f(3) + f(4)?"""
    text = re.sub(r"[A-Za-z]\w*\s*\(\d[^()]*\)", "1", text)
    found = formula.read(text)
    sign = re.search(r"[-+^\d]", text) and not re.search(r"[/|!]|frac", text)
    return bool(found and found[0] and sign)


def formulas(said, wanted, rel_tol):
    unread = is_words(said) or is_words(wanted) or re.match("0[box]", said)
    unread = unread or number(said) and number(wanted)  # which the rule for numbers left open
    verdict = None if unread else formula.agree(said, wanted)
    return None if verdict is False and NO_BASE.search(said + wanted) else verdict


def is_words(text):
    """Plain words, such as "even" or "the midpoints form a hexagon": to be compared as words."""
    flat = text.strip("() .")
    if re.search(r"[\\^_=<>+*/\d{}\[\]|]", flat) or FUNCTION_WORD.match(flat):
        return False
    return bool(re.search(r"[A-Za-z]{4}|\b(?=\w?\w?[AEIOUYaeiouy])[A-Za-z]{3}\b", flat))


def words(said, wanted, rel_tol):
    """The same words, or a short text that holds them and denies nothing; another form of words is undecided."""
    if not is_words(wanted):
        return None
    one, two = (re.findall(r"[^\W_]+", text.lower()) for text in (said, wanted))
    if one == two or tokens(said) == tokens(wanted):
        return True
    if len(one) <= 12 and f" {' '.join(two)} " in f" {' '.join(one)} ":
        return None if CONTRARY & set(one) - set(two) else True
    return False if set(one) ^ set(two) <= CONTRARY else None


RULES = (
    ("same spelling", same_spelling),
    ("stock phrase", same_phrase),
    ("chemistry", lambda said, wanted, rel_tol: compare_chemistry(said, wanted)),
    ("decimal comma", decimal_comma),
    ("regions", regions),
    ("collections", collections),
    ("one value in several forms", several_forms),
    ("numbers", numbers),
    ("equations", equations),
    ("named value", named_value),
    ("words", words),
    ("formulas", formulas),
)


def worth_asking(answer, reference):
    """Is there anything that math-verify could see and the rules could not? Words are not, towers of powers would only burn its time."""
    if len(answer) > 400 or len(reference) > 600 or not re.search(r"\w", reference):
        return False
    for text in (answer, reference):
        crowded = text.count("(") > 40 or text.count("{") > 120
        if crowded or "∝" in text or TOWER.search(re.sub(r"[\s{}()]", "", text).replace("**", "^")):
            return False
    plain = re.sub(r"\\[a-zA-Z]+(?:\s*\{[a-z]*matrix\})?", "", answer)
    return bool(re.search(r"[\d\\=<>^(\[{]", answer)) and not PROSE.search(plain)
