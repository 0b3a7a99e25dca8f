"""Is an answer the reference? An ordered table of named rules; math-verify in the guarded worker
last.

same("0.5", r"\\frac{1}{2}") -> (True, "numbers")        same("(3, 2]", "[2, 3)") -> (False, "regions")
same("the cat", "a dog") -> (None, "undecided")          True is never a guess; None is for a judge

Each rule takes two spelled texts (markup.spell) and says True, False, or None where it does not
apply or cannot tell. Structures are compared part by part, by the same rules.
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
    re.compile(rf"(?:(?:it|the [a-z]+|[a-z]+) )?(?:{words})[.! ]*", re.I)
    for words in (
        r"(?:(?:there )?(?:is|are) |has )?no (?:\w+ )?solutions?|(?:empty|null) set|∅|\\\{ ?\\\}",
        r"(?:does not|doesn['’]?t) exist|DNE|(?:is )?undefined",
        r"(?:all|any|every) real(?: number| value)?s?|\\mathbb ?\{?R\}?|\(-∞, ?∞\)",
        r"infinitely many(?: solutions)?|infinite solutions",
    )
]
OTHER_SCRIPT = re.compile(
    r"[\u0600-\u06ff\u0900-\u097f\u0e00-\u0e7f\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]"
)
LAST_NUMBER = re.compile(r"\(?\\frac\{\d+\}\{\d+\}|[-+]?\d[\d.]*(?:/\d+)?")
SUFFIX = re.compile(  # of 1011_2, 3 \pmod{7} and 10:30 a.m.: one side may leave it out
    r"""(?x)(?<=\d)_\{?(\d{1,2})\}?$ | (?<=:\d\d)\s*([apAP])\.?\s?[mM]\.?$
    |\s*,?\s*\(?\s*\\?[bp]?mod\s*\{?\s*(\d+)\s*\}?\s*\)?$"""
)
COMMA = re.compile(r"^([-+]?\d+),(\d+)(?![\d,])")
CONTRARY = {"not", "no", "never", "neither", "nor", "or", "non", "except"}
TOWER = re.compile(  # 9^9^9^9, 10^10^10, (10!)!, 2^100000; brackets are taken off before
    r"\^[-+]?\w{1,6}\^[-+]?\w{1,6}\^|\d{2,9}\^\d{1,9}\^|\d\^\d{1,9}\^\d|\d{4}!|!!|!\^|\^\d{5}|\^[^,=]{0,20}!"
)
TEN = re.compile(r"\s*10\s*\^\s*\{?\s*([-+]?\d{1,2})\s*\}?\s*[*.]?\s*")  # of the unit 10^{-19} C
LEAD = re.compile(
    r"^(?:\([A-J]\)\s*(?=[-\d\\√])|(?:=>|→|⇒|=|:|[Ss]o|[Tt]hus|[Tt]hen)\s*|p[HK]\s*[=≈]?\s*(?=[-\d.]))"
)
PART = re.compile(r"(?:^|[\s;,.]+(?:and\s)?)\(?(?:[a-h]|i{1,3})[.)](?=[\s\d.$\\-])")
FAMILY = re.compile(r"∈\s*\\mathbb\s*\{?\s*Z|\binteger")
BUILDER = re.compile(r"\\\{\s*[a-zA-Z]\s*(?:∈\s*\\mathbb\s*\{?R\}?\s*)?[|:]\s*([^|:]+?)\s*\\\}")
MATRIX = re.compile(
    r"\\begin\s*\{([pbvBV]?matrix|array)\}(?:\s*\{[^{}]*\})?([^\[\]]*?)\\end\s*\{\1\}"
)
NAME = re.compile(
    r"""\[\w{1,8}[-+^{}\d]*\]|-?Δ[A-Z]°?|d\w?/d\w|[a-zA-Z]{2,20}(?:\s[a-zA-Z]{2,20}){0,3}  # [H+], minimum value
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
LOOSE = {"list", "set"}  # in any order


def same(answer, reference, unit=None, rel_tol=None):
    """(verdict, rule): True, False or None where the rules cannot tell, and the name of the rule
    that decided.

    answer, reference: texts, LaTeX or plain; unit: the reference's unit where it stands apart;
    rel_tol: see answers.check.
    """
    answer, reference = str(answer).strip(), str(reference).strip()
    if answer == reference != "":
        return True, "same text"
    if len(answer) > MAX_ANSWER or len(reference) > MAX_REFERENCE:
        return None, "length"
    answer, reference = unbox(answer), unbox(reference)
    if "\\begin" not in reference:  # escaped twice: -2 \\le x
        reference = re.sub(r"\\\\(?=[a-zA-Z])", r"\\", reference)
    if unit:
        return with_unit(answer, reference, unit, rel_tol)
    return decide(answer, reference, rel_tol)


def unbox(text):
    """What counts of a reference: its last box, the end of a worked solution (GSM8K's "#### 72"),
    what stands in formula signs."""
    if boxes(text) or "####" in text:
        from .solution import extract_math

        text = extract_math(short_spaces(text)) or text
    framed = re.fullmatch(r"(?:\\\(|\\\[|\$+)([^$]*?)(?:\\\)|\\\]|\$+)\s*\.?", text)
    return framed[1].strip() if framed else text


def with_unit(answer, reference, unit, rel_tol):
    """SciBench's way: the unit stands apart and may hold a power of ten ("10^{-19} C"); the answer
    may leave out both."""
    wanted = read_quantity(spell(reference))
    said = number((sides(spell(answer)) or [spell(answer)])[-1])
    if wanted is None or said is None:
        return decide(answer, f"{reference} {unit}", rel_tol)
    ten = TEN.match(spell(unit))
    factor = 10.0 ** int(ten[1]) if ten else 1.0
    name = read_unit(spell(unit)[ten.end() if ten else 0 :])
    plain = replace(wanted, unit=name)
    scaled = replace(plain, value=wanted.value * factor)
    ways = [scaled] if said.unit and ten else [plain, scaled]
    return any(same_quantity(said, one, rel_tol) for one in ways), "number and unit apart"


def decide(answer, reference, rel_tol=None):
    """(verdict, rule) of two texts: the rules, then math-verify, whose "no" proves nothing."""
    said, wanted = one_way(spell(answer), spell(reference))
    verdict, rule = compare(said, wanted, rel_tol)
    if FAMILY.search(said + wanted):  # "+ kπ, k ∈ Z"
        return verdict or None, rule
    if verdict is not None or rel_tol is not None or not worth_asking(said, wanted):
        return verdict, rule
    return (True, "math-verify") if worker.equal(reference, answer) else (None, rule)


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
    """Both sides with the same habits: no base or modulus that one side alone names; a sentence in
    another script as its last number."""
    if OTHER_SCRIPT.search(said) and not OTHER_SCRIPT.search(wanted):
        said = LAST_NUMBER.findall(said)[-1].strip("(.") if LAST_NUMBER.search(said) else said
    found = [SUFFIX.search(text) for text in (said, wanted)]
    ends = ["".join(filter(None, match.groups())).lower() if match else "" for match in found]
    if ends[0] == ends[1] or not all(ends):
        said, wanted = SUFFIX.sub("", said), SUFFIX.sub("", wanted)
    return tidy(said), tidy(wanted)


def tidy(text):
    """Without "=>" in front or brackets around one value; matrices and <1, 2> as tuples in ⟨⟩;
    infinity as its sign."""
    text = MATRIX.sub(tuple_of, LEAD.sub("", text))
    text = re.sub(r"^[\[(]\s*(⟨.*⟩)\s*[\])]$", r"\1", text)
    if len(values := PART.split(text[:1500])) > 2 and not values[0]:
        return f"⟨{';'.join(values[1:])}⟩"  # (a) .15 (b) .148
    text = re.sub(r"^<([^<>=]+,[^<>=]+)>$", r"⟨\1⟩", text)
    if parts(text) == ("()", [text[1:-1].strip()]):
        return tidy(text[1:-1].strip())
    if match := BUILDER.fullmatch(text):
        return match[1]
    if phrase(text):
        return text
    text = re.sub(r"\b(?:negative|minus)\s(?=infinity)", "-", text)
    return re.sub(r"(?i)(?:\b(?:positive|plus)\s|\+\s?)?(?:\binfinit[ye]\b|∞)", "∞", text)


def tuple_of(match):
    """A matrix as ⟨⟨1,2⟩,⟨3,4⟩⟩, one row or column as ⟨1,2⟩."""
    rows = [row.split("&") for row in re.split(r"\\\\", match[2]) if row.strip()]
    if len(rows) == 1:
        rows = [[cell] for cell in rows[0]]
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


def balanced(text):
    """Do the brackets of a text match, at most MAX_DEPTH deep?"""
    depth = 0
    for sign in text:
        depth += (sign in "([{⟨") - (sign in ")]}⟩")
        if not 0 <= depth <= MAX_DEPTH:
            return False
    return not depth


@functools.lru_cache(maxsize=2048)
def parts(text):
    """(kind, texts) of one or several values. kind: the two brackets, set, or list (in any order,
    as a set is)."""
    if len(text) > MAX_ANSWER or not balanced(text) or read_quantity(text):
        return "list", [text]
    inner, kind = IN.sub("", text), "list"
    if inner[:2] == "\\{" and balanced(inner[2:-2]):
        inner, kind = inner[2:-2], "set"
    elif inner[:1] in ("(", "[", "{", "⟨") and balanced(inner[1:-1]):
        inner, kind = inner[1:-1], "list" if inner[0] == "{" else inner[0] + inner[-1]
    found = split_top(AND.sub(",", inner), ",;")
    if ";" in inner and not all(map(sides, found)):
        found = split_top(inner, ";")
    if kind in LOOSE:
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


def sides(text):
    """The sides of an equation or a chain, or what stands behind a label ("minimum: 1"); [] of
    anything else."""
    if not SIDES.search(text) or BOUNDS.search(text):
        return []
    if len(split_top(AND.sub(",", text), ",;")) > 1:
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
    """[(low, high, brackets), ...] of intervals, their unions and inequalities in one unknown; []
    of anything else."""
    found = [
        interval(part.strip()) or bounds(part.strip())
        for part in re.split(r"∪|\bU\b|\bor\b", IN.sub("", text))
    ]
    return [] if None in found else found


def interval(text):
    """("0", "1", "[)") of "[0, 1)"; None for anything else."""
    if text[:1] not in ("(", "[") or text[-1:] not in (")", "]"):
        return None
    ends = split_top(text[1:-1], ",;")
    return (*ends, text[0] + text[-1]) if len(ends) == 2 else None


def bounds(text):
    """An inequality in one unknown as an interval: "-793 < a < 10" -> ("-793", "10", "()"); None
    else."""
    found = [part.strip() for part in BOUNDS.split(text)] if len(text) < 200 else []
    if len(found) == 3:  # x < 5 as -∞ < x < 5, 5 > x as 5 > x > -∞
        ends = {"<": ("-∞", "∞"), ">": ("∞", "-∞")}[found[1][0]]
        left = VARIABLE.fullmatch(found[0])
        found = [ends[0], found[1][0], *found] if left else [*found, found[1][0], ends[1]]
    if len(found) != 5 or not VARIABLE.fullmatch(found[2]) or found[1][0] != found[3][0]:
        return None
    low, first, _, second, high = found if found[1][0] == "<" else found[::-1]
    return low, high, ("[" if "=" in first else "(") + ("]" if "=" in second else ")")


def number(text):
    """The Quantity of a number, a closed formula or a ratio; None of others."""
    if (quantity := read_quantity(text)) is None and (share := ratio(text)) is not None:
        return Quantity(share)
    return quantity


# Rules.


def same_spelling(said, wanted, rel_tol):
    one, two = (re.sub(r"^\(?([A-Za-z])[).]?$", r"\1", squeeze(text)) for text in (said, wanted))
    letter = re.match(r"\(([A-Z])\)\s", said)  # "(C) a plane" for "(C)"
    return True if wanted and two in (one, letter and letter[1]) else None


def phrase(text):
    """1 for "no solution", 2 "does not exist", 3 "all real numbers", 4 "infinitely many"; 0 for any
    other text."""
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
    """Is the letter behind a reference's number a unit or a factor (12h), where the answer has
    none?"""
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
    loose = {kind, wanted_kind} <= LOOSE
    names, wanted_names = distinct_names(one), distinct_names(two)
    if loose and not names and not wanted_names:
        return matched(one, two, lambda x, y: equal(x, y, rel_tol))
    if names and set(names) == set(wanted_names):
        one = [one[names.index(name)] for name in wanted_names]
    elif sides(one[0]) and not names:
        return None  # x = 2, x = -3 is no point (2, -3)
    elif "set" in (kind, wanted_kind):
        return False
    unnamed = loose and not wanted_names
    return in_order(list(map(value_of, one)), list(map(value_of, two)), unnamed, rel_tol)


def in_order(one, two, unnamed, rel_tol):
    """Do the values agree in order? None where they do in another one: x_1 = 5, x_2 = 2 for "2, 5"."""
    verdict = every(equal(x, y, rel_tol) for x, y in zip(one, two, strict=True))
    return verdict or None if unnamed and set(one) == set(two) else verdict


def distinct_names(texts):
    """The names of the parts where each has one of its own, else []."""
    names = [name_of(text) for text in texts]
    return names if all(names) and len(set(names)) == len(names) else []


def matched(one, two, rule):
    """Is there a pairing of the parts, in any order? None where only undecided pairs could make it
    one."""
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
    """5/2 or 2.5, 72 km/h (20 m/s): one value in several forms, all of them right; different values
    are not."""
    one, two = forms(said), forms(wanted)
    if (len(one) > 1) == (len(two) > 1) or is_words(one[0]):
        return None
    verdict = every(equal(value_of(x), value_of(y), rel_tol) for x in one for y in two)
    named = distinct_names(one) or distinct_names(two)  # t = 5 s, d = 10 m: which was asked for?
    return None if named and len(one + two) > 2 else verdict


def forms(text):
    match = ASIDE.fullmatch(text)
    both = [read_quantity(part.strip()) for part in match.groups()] if match else [None]
    if all(both) and (both[0].unit or "." in text):
        return list(match.groups())
    kind, found = parts(text)
    return found if kind in LOOSE and found else [text]


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
        if names[0] == names[1]:
            return verdict
    if len(one) == len(two) == 2:
        return formula.proportional(*(f"({left})-({right})" for left, right in (one, two)))
    return None


def alike(one, two):
    """May two names mean one thing? y and f(x), v and v_max, speed and v; not x and y."""
    word = re.search(r"\b[a-zA-Z]{3}", f"{one} {two}")
    return one[0] == two[0] or "(" in one + two or bool(word)


def named_value(said, wanted, rel_tol):
    """A named value or a chain against a value: "x = 5", "x = 1/3 ≈ 0.33", "NO/BO =
    1/\\sqrt{6}"."""
    one, two = sides(said), sides(wanted)
    if bool(one) == bool(two):
        return None
    chain = one or two
    if NAME.fullmatch(chain[0]):
        chain = chain[1:]
    elif len(chain) == 2 and in_unknowns(chain[0]):
        return None  # 1 is not the equation 2x + z = 1
    verdicts = [equal(*((side, wanted) if one else (said, side)), rel_tol) for side in chain]
    return True if True in verdicts else verdicts[-1]


def in_unknowns(text):
    """Is a side a sum, product or power of unknowns, such as x^2 + y^2, but not f(3) + f(4)?"""
    found = formula.read(re.sub(r"[A-Za-z]\w*\s*\(\d[^()]*\)", "1", text))
    return bool(found and found[0] and re.search(r"[-+^\d]", text) and "/" not in text)


def formulas(said, wanted, rel_tol):
    unread = is_words(said) or is_words(wanted) or re.match("0[box]", said)
    unread = unread or number(said) and number(wanted)  # which the rule for numbers left open
    verdict = None if unread else formula.agree(said, wanted)
    if verdict is False and (NO_BASE.search(said + wanted) or has_unit(said) or has_unit(wanted)):
        return None  # the letters of a unit are no unknowns
    return verdict


def has_unit(text):
    quantity = number(text)
    return quantity and quantity.unit


def is_words(text):
    """Plain words, such as "even" or "the midpoints form a hexagon": to be compared as words."""
    if re.search(r"[\\^_=<>+*/\d{}\[\]|]", text) or formula.FUNCTION.match(text.strip("() .")):
        return False
    return bool(re.search(r"[A-Za-z]{4}|\b(?=\w?\w?[AEIOUYaeiouy])[A-Za-z]{3}\b", text))


def words(said, wanted, rel_tol):
    """The same words, or a short text that holds them and denies nothing; another form of words is
    undecided."""
    if not is_words(wanted):
        return None
    if tokens(said) == tokens(wanted):
        return True
    one, two = (re.findall(r"[^\W_]+", text.lower()) for text in (said, wanted))
    if len(one) <= 12 and f" {' '.join(two)} " in f" {' '.join(one)} ":
        return None if CONTRARY & set(one) - set(two) else True
    return False if set(one) ^ set(two) <= CONTRARY else None


RULES = (
    ("same spelling", same_spelling),
    ("stock phrase", same_phrase),
    ("chemistry", compare_chemistry),
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


def worth_asking(said, wanted):
    """Is there anything that math-verify could see and the rules could not?

    It drops names, bases and units, words tell it nothing, towers of powers would only burn its
    time.
    """
    equations = [len(split_top(text, "=")) > 1 for text in (said, wanted)]
    if equations[0] != equations[1] or SUFFIX.search(said) or number(said) and number(wanted):
        return False
    both = re.sub(r"\\[a-zA-Z]+(?:\s*\{[a-z]*matrix\})?", "", f"{said}={wanted}")
    if len(both) > 1000 or "∝" in both or TOWER.search(re.sub(r"[\s{}()]", "", both)):
        return False
    return bool(re.search(r"[\d\\=<>^(\[{]", said)) and not re.search(r"[a-zA-Z]{5,}", both)
