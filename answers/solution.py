"""The final answer of a worked solution: the last box or statement, else the value that the last
sentence states.

read("... so $x = \\\\boxed{\\\\frac12}$.") -> ("\\\\frac12", "box")
"""

import functools
import itertools
import re

from .choice import OPEN_END
from .choice import REMARK as HYPOTHETICAL
from .markup import boxes
from .quantity import WORD_NUMBERS, parse_quantity
from .units import unit_after

MAX_READ = 60_000
STATED = re.compile(
    r"""(?:\#{4}\s*|["']?\b(?:final[ _]?)?(?:answers?|ans|result)\b["']?
        (?P<mid>[^.\n:=]{0,80}?)
        (?:\s*(?::|=|→|：)|\s+(?:is|are|was|be|equals?|(?:would|should|must)\s+be|comes?\s+(?:out\s+)?to)\b)
    |(?:^|\n)[ \t]*(?-i:A|ANSWER|Ans)[ \t]*:(?=\s)|答案(?:是|为|：|:)?)\s*:?""",
    re.VERBOSE | re.I,
)
LEADING = re.compile(
    r"""^(?:[\s:*_>"'“”`=]|(?:therefore|thus|hence|so|then|simply|just|exactly|given\s+by|as\s+follows|that|is|are|equal\s+to|equals)\b)+""",
    re.VERBOSE | re.I,
)
MATHS = re.compile(
    r"""\\\[(.{1,2000}?)\\\] | \\\((.{1,2000}?)\\\) | \$\$(.{1,2000}?)\$\$
    | (?<![\\\d])\$(?=\S|\s*\\)([^$\n]{1,1000}?)(?<!\\)\$(?!\d)""",
    re.VERBOSE | re.S,
)
NUMBER = re.compile(
    r"""(?<![\w.^{}])(?<![a-zA-Zμ][-−])(?<!\^[-−])[-+−]?\s?(?:\\?\$)?\s?
    (?:\d{1,3}(?:,\d{3})+(?!\d)|\d+(?:,\d{1,2}(?![\d,]))?)(?:\.\d+)?(?:\s*/\s*\d+)?(?:\s*[×x*]\s*10\s*\^?\s*\{?[-+−⁻⁰¹²³⁴⁵⁶⁷⁸⁹\d]+\}?)?(?:\s*%|°)?
    |(?<![\w.])[-+−]?\.\d+""",
    re.VERBOSE,
)
END = re.compile(
    r"""(?<!\bsq)\.(?=\s|$)(?!\s*\d)|\n\s*\n|(?<=\S)\n|;\s|\s\((?=[a-z]{3})|。|，
    |,\s+(?:and\s+)?not\s|,?\s+(?:because|since|which|where\s|so\s|as\s+(?:the|we|it)|I\s+hope|when\s|given\s+that|for\s+a\s+total
    |due\s+to|in\s+total|if\s|(?:after|at|for|over)\s(?=\d))""",
    re.VERBOSE,
)
REFUSAL = re.compile(
    r"""\b(?:can(?:not|'t|’t)|could\s?n[o']t|unable\s+to|not\s+(?:possible|able)\s+to|impossible\s+to|insufficient
    |not\s+enough|do(?:es)?\s+not\s+(?:provide|contain|have)\s+(?:enough|any|the)|more\s+information
    |not\s+given|sorry|do(?:n['’]?t|\s+not)\s+know|not\s+sure|no\s+idea|unsure)\b""",
    re.VERBOSE | re.I,
)
VERBS = r"""\b(?:is|are|was|were|be|equals?|has|have|had|makes?|costs?|takes?|needs?|only|leaves?
    |remains?)\s+(?:(?:about|approximately|exactly|simply|only|a\s+total\s+of)\s)*"""
VERB = re.compile(VERBS + r"(?=\S{0,10}[\d√π]|\w{1,3}\s?=)", re.VERBOSE)
COUNT = re.compile(  # There are three ways
    rf"({VERBS}|with\s)({'|'.join(WORD_NUMBERS)})\b(?!\sof\b|-)", re.VERBOSE
)
SIGN = re.compile(r"[=≈]|(?<!\s):\s")
CONCLUDES = re.compile(
    r"""(?:[→⇒]|(?<!\s):\s(?!.*(?:,|\band\b))|\b(?:so|thus|therefore|hence|then|namely|that\s+is|giv\w+|yield\w*|gets?|obtain|means)\b)
    (?=.*\d)""",
    re.VERBOSE | re.I,
)
SEVERAL = re.compile(r"[,;]|\s\([≈=a-z]|\b(?:and|or|than|while|but|when|at|for|if|with|in|after)\b")
UNSURE = re.compile(r"≠|\b(?:not(?!\ssure)|than|between|least|most)\b")
WOULD = re.compile(r"\b(?:would|could|might|may|approx\w*|round\w*)\b", re.I)
ASIDE = re.compile(  # in brackets, a question, a check
    r"""\W*\(.*\)\W*$ | .*\?\W*$ | where\b
    | \W*(?:(?:quick(?:ly)?|sanity|double|let(?:['’]s|\sme|\sus)|to|we\scan|i['’]ll)[\s-])*(?:check|verif)""",
    re.VERBOSE | re.I | re.S,
)
GUESS = re.compile(r"\b(?:maybe|perhaps|probably|guess|estimate|likely|think)\b\D{0,40}\d")
DOUBT = re.compile(r"(?i)\b(?:if|whether|not|wrong|incorrect|check|verify|previous)\b[^.\n]{0,20}$")
PARTIAL = re.compile(  # "multiply the result by 100 to get", "the answer for the first day is"
    r"\b(?:not|cannot|can't|if|by|to\s+(?:get|find|obtain)|for\s+(?:the\s+)?(?:first|second|each)|to\s+part)\b"
)
PROSE = re.compile(  # or working: more than a value
    r"""[a-zA-Z]{3,}\s+[a-zA-Z]{2,} | ^(?:It|He|She|They|We|You|There|This|That)\b
    | (?:[a-zA-Z]{2,}[^a-zA-Z]+.*?){2}[a-zA-Z]{2} | [:?] | \d\s*[-+*/×·]\s*\d.*=""",
    re.VERBOSE,
)
PARTS = re.compile(r"\W{0,4}a[).][^\n]*?\s\W{0,4}b[).]\s", re.S)  # (a) 3.5 m; (b) 7.0 m/s


def prepared(text):
    """The end of a long text, with the boxes of JSON as boxes."""
    text = text[-MAX_READ:].replace("\r", "").replace("\\\\boxed", "\\boxed")
    return re.sub(r"(?<=[-+=(])\$ \$", " ", text)  # OCW: $x_0 \cos(\omega t)+$ $...$


def inner(match):
    """What stands between the signs of a match of MATHS."""
    body = next(group for group in match.groups() if group is not None)
    return " ".join(body.split()).rstrip(".,")


def last_box(text):
    """The last box, unless a statement behind it gives another value."""
    found = [box for box in boxes(text) if box[2].strip()]
    said = last_statement(text) if found else None
    if not found or said and said[0] > found[-1][0] and NUMBER.search(said[1]):
        return None
    return joined_boxes(text, found)


def only_box(text):
    """last_box where no other sentence has one."""
    answer = last_box(text)
    return answer if all(box[2].strip() in (answer or "") for box in boxes(text)) else None


def joined_boxes(text, found):
    """The last box and those of its sentence: "\\boxed{1} and \\boxed{2}" -> "1, 2"."""
    run = [found[-1]]
    for before in reversed(found[:-1]):
        gap = text[before[1] : run[0][0]]
        linked = re.search(r"\b(?:and|or)\b", gap) or not re.search(
            r"[.?!]\s|\n\s*\n|=\s*$|\b(?:simpl\w+|approx\w*|i\.e|is)\b", gap
        )
        if len(gap) > 60 or not linked or re.search(r"\b(?:so|thus|therefore|hence)\b", gap):
            break
        run.insert(0, before)
    parts = list(dict.fromkeys(part.strip() for _, _, part in run))
    if len(parts) > 1 or not parse_quantity(parts[0]):
        return ", ".join(parts)
    return with_unit(parts[0], text[run[-1][1] :].lstrip("})$ "))


def statement(text):
    said = last_statement(text)
    return said[1] if said else None


def statements(text):
    """(position, what follows) of every "answer is", "####" that is no remark, the last one first."""
    for match in reversed(list(itertools.islice(STATED.finditer(text), 500))):
        start = max(text.rfind("\n", 0, match.start()), match.start() - 200) + 1
        before = re.split(r"[.!?]\s", text[start : match.start()])[-1]
        if DOUBT.search(before) or HYPOTHETICAL.search(before + match[0]):
            continue
        if PARTIAL.search(match["mid"] or ""):
            continue
        tail = text[match.end() : match.end() + 1500]
        if "\n" in match[0] or tail.startswith(("\n", "**\n")):
            tail = re.sub(r"^[\s*]*[-*•]\s+(?=[\d$\\\[(])", "", tail)  # a list mark
        yield match.start(), tail


def last_statement(text):
    """(position, answer) of the last statement whose rest can be an answer, or None."""
    for at, tail in statements(text):
        if value := head_of(tail):
            return at, value
    return None


def head_of(tail):
    """What is stated at the start of tail: a formula, or the words up to a sentence's end."""
    tail = LEADING.sub("", tail.lstrip("*_ \n:")).replace("**", "").lstrip("`")
    if PARTS.match(tail):
        return " ".join(re.split(r"\n\s*\n", tail)[0].split()).rstrip(".")
    tail = re.sub(r"^\(?[a-eA-E]\)\s+(?=[-+\d$\\])", "", tail)  # (b) 5 cm
    tail = re.sub(r"^([^\"\n]{1,200})[\"”].*", r"\1", tail, flags=re.S)
    if formula := MATHS.match(tail):
        return formula_at(formula, tail[formula.end() :])
    stop = END.search(tail)
    head = tail[: stop.start() if stop else 300].strip().strip("*_`").rstrip(".,:;!").strip()
    if parse_quantity(head):
        return head
    if verb := VERB.search(masked(head)):
        return head_of(head[verb.end() :])
    is_prose = len(head.split()) > 6 and not re.search(r"\d|[$\\]", head)
    return None if is_prose else head or None


def masked(text):
    """A text with zeros for its formulas."""
    return MATHS.sub(lambda m: "0" * len(m[0]), text)


def formula_at(formula, rest):
    """A formula with what is joined to it: "$2$ and $3$", a unit."""
    first = inner(formula)
    more = re.match(r"\s*(?:,\s*and|,|and|or|\\cup)\s*(?=[$\\])", rest)
    if more and (second := MATHS.match(rest, more.end())):
        return first + ", " + formula_at(second, rest[second.end() :])
    return with_unit(first, rest)


def with_unit(formula, rest):
    """A formula with the unit behind it: "v = 3" and " m/s downwards" -> "v = 3 m/s"."""
    quantity = parse_quantity(re.split(r"=|\\approx|≈", formula)[-1])
    bare = quantity and (not quantity.unit or quantity.unit.name == "degree**1")
    unit = unit_after(rest) if bare else ""
    return f"{formula.strip()} {'' if unit == 'in' else unit}".strip()  # "$5$ in total"


def whole_text(text):
    """A short response that is nothing but its answer."""
    bare = text.strip().rstrip(".").strip("*`").strip()
    if PARTS.match(bare):
        return head_of(bare)
    if formula := MATHS.fullmatch(bare):
        return inner(formula)
    if not 0 < len(bare) <= 100 or "\n" in bare or MATHS.search(bare):
        return None
    if parse_quantity(bare):
        return bare
    flat = re.sub(r"\\[a-zA-Z]+", "", bare.replace("*", ""))
    return bare if re.search(r"[\d=^]", flat) and not PROSE.search(flat) else None


def only_value(text):
    value, plainly = last_stated(text)
    return value if plainly else None


def bold(text):
    """The last value in bold letters."""
    parts = re.findall(r"\*\*(?!\d+[.)]\s)([^*\n]{1,60})\*\*", text[-1500:])
    values = [part for part in (part.strip(" .:$") for part in parts) if parse_quantity(part)]
    return values[-1] if values else None


def last_value(text):
    return last_stated(text)[0]


@functools.lru_cache(2)  # two rules ask
def last_stated(text):
    """(value, is it plainly stated at the end) of the last sentence with a value; (None, False) of
    a text that is cut off or gives up."""
    text = text.replace("**", "").replace("`", "").strip()
    if OPEN_END.search(text[-20:]) or "\\boxed{" in text:  # which nothing closes
        return None, False
    for number, sentence in enumerate(last_sentences(text)):
        if REFUSAL.search(sentence) and not GUESS.search(sentence):
            return None, False
        if ASIDE.match(sentence) or HYPOTHETICAL.search(sentence[:300]):
            continue
        sentence = COUNT.sub(lambda m: f"{m[1]}{WORD_NUMBERS[m[2]]}", sentence)
        if re.search(r"[\d=≈π√]", masked(sentence)):
            value, plainly = value_of(sentence[-2000:])  # patterns look ahead to its end
            return value, plainly and not number
    words = 0 < len(text) <= 80 and not re.search(r"\n|\?$", text)
    return text if words else None, False


def last_sentences(text, most=6):
    ends = [m.end() for m in re.finditer(r"(?<=[.!?。])\s+(?=[^a-z])|\n+", masked(text))]
    found = [text[a:b] for a, b in itertools.pairwise([0, *ends, len(text)])]
    return [sentence for sentence in reversed(found) if sentence.strip()][:most]


def value_of(sentence):
    """(what stands behind "is" or the last "=", else the only number; is it plainly stated);
    (None, False) where several stand side by side."""
    mask = masked(sentence)
    start = max((m.end() for m in CONCLUDES.finditer(mask)), default=0)
    verb = VERB.search(mask, start)
    start = verb.end() if verb else start
    at = max((m.end() for m in SIGN.finditer(mask, start)), default=start)
    numbers = list(NUMBER.finditer(mask, at))
    if side_by_side(mask, start, at):
        return whole_text(sentence[start:]), False
    alone = len(numbers if verb else NUMBER.findall(mask)) == 1 and at > 0
    if not verb and at == start:
        if len(numbers) != 1:
            return only_equation(sentence), False
        if UNSURE.search(mask, start, numbers[0].start()):
            return None, False
        at = numbers[0].start()
    value = value_at(sentence, at, numbers)
    return value, alone and is_plain(value or "", sentence, mask)


def only_equation(sentence):
    one = [formula for formula in MATHS.finditer(sentence) if "=" in formula[0]]
    return formula_at(one[0], sentence[one[0].end() :]) if len(one) == 1 else None


def side_by_side(mask, start, at):
    before = NUMBER.search(mask, start, at)
    return before and SEVERAL.search(mask, before.end(), at) or re.search(r"\d.*;.*\d", mask[at:])


def is_plain(value, sentence, mask):
    """Is a value stated without a hedge, and nothing in brackets behind it: (which is 18.8 hours)?"""
    hedged = WOULD.search(sentence) or mask.rstrip(" .").endswith(")")
    return bool(parse_quantity(re.split("=|≈", value)[-1])) and not hedged


def value_at(sentence, at, numbers):
    head = head_of(sentence[at:])
    if len(numbers) != 1 or head and parse_quantity(head) or not numbers[0][0].strip(" 0"):
        return head
    return f"{numbers[0][0].strip()} {unit_after(sentence[numbers[0].end() :])}".strip()


RULES = (
    ("box", only_box),
    ("last box", last_box),
    ("statement", statement),
    ("whole text", whole_text),
    ("only value", only_value),
    ("bold", bold),
    ("last value", last_value),
)


def steps(text, options=None):
    """(rule, what it said) up to the rule that decided."""
    text = prepared(text)
    for name, rule in RULES:
        answer = rule(text)
        yield name, answer
        if answer is not None:
            return


def read(text, options=None):
    """(answer, rule); (None, rule) where the text gives up, (None, None) where no rule reads it."""
    *_, (name, answer) = steps(text)
    if answer is not None:
        return answer, name
    return None, "gives up" if REFUSAL.search(text[-300:]) else None
