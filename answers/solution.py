"""The final answer of a worked solution: the last box or statement, else the value that the last
sentence states.

extract_math("... so $x = \\\\boxed{\\\\frac12}$.") -> "\\\\frac12"
"""

import functools
import itertools
import re

from .choice import OPEN_END
from .choice import REMARK as HYPOTHETICAL
from .markup import boxes
from .quantity import RATIO, WORD_NUMBERS, parse_quantity, ratio
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
    r"""^(?:[\s:*_>"'“”`=]|(?:therefore|thus|hence|so|then|simply|just|exactly
    |the\s+(?:final\s+)?answer\s+is|given\s+by|as\s+follows|that|is|are|equal\s+to|equals)\b)+""",
    re.VERBOSE | re.I,
)
MATHS = re.compile(
    r"\\\[(.{1,2000}?)\\\]|\\\((.{1,2000}?)\\\)|\$\$(.{1,2000}?)\$\$|(?<![\\\d])\$(?=\S|\s*\\)([^$\n]{1,1000}?)(?<!\\)\$(?!\d)",
    re.S,
)
NUMBER_RUN = re.compile(
    r"""(?<![\w.^{}])(?<![a-zA-Zμ][-−])(?<!\^[-−])[-+−]?\s?(?:\\?\$)?\s?
    (?:\d{1,3}(?:,\d{3})+(?!\d)|\d+(?:,\d{1,2}(?![\d,]))?)(?:\.\d+)?(?:\s*/\s*\d+)?
    (?:\s*[×x*]\s*10\s*\^?\s*\{?[-+−⁻⁰¹²³⁴⁵⁶⁷⁸⁹\d]+\}?)?(?:[eE][-+]?\d+)?(?:\s*%|°|\s?[-+−]\s?\d*i\b)?
    |(?<![\w.])[-+−]?\.\d+""",
    re.VERBOSE,
)
COMPOUND = re.compile(  # 2 hours and 30 minutes
    r"(?<![\d.])\d[\d.]{0,12}\s{0,3}[a-zA-Z]{1,8},?\s{1,3}(?:and\s{1,3})?\d[\d.]{0,12}\s{0,3}[a-zA-Z]{1,8}\b"
)
END = re.compile(
    r"""(?<!\bsq)\.(?=\s|$)(?!\s*\d)|\n\s*\n|(?<=\S)\n|;\s|\s\((?=[a-z]{3})|。|，
    |,\s+(?:and\s+)?not\s|,?\s+(?:because|since|which|where\s|so\s|as\s+(?:the|we|it)|I\s+hope|when\s|given\s+that
    |due\s+to|for\s+a\s+total|per\s+the|in\s+total|if\s)""",
    re.VERBOSE,
)
REFUSAL = re.compile(
    r"""\b(?:can(?:not|'t|’t)|could\s?n[o']t|unable\s+to|not\s+(?:possible|able)\s+to|impossible\s+to|insufficient
    |not\s+enough|do(?:es)?\s+not\s+(?:provide|contain|have)\s+(?:enough|any|the)|no\s+way\s+to|more\s+information
    |undetermined|indeterminate|not\s+given|sorry|do(?:n['’]?t|\s+not)\s+know|not\s+sure|no\s+idea|unsure)\b""",
    re.VERBOSE | re.I,
)
GUESS = re.compile(
    r"(?:estimate|would be|answer|maybe|perhaps|probably|guess|likely|think)\D{0,40}\d"
)
ITEM = r"(?:\b[^\W\d]\w{0,4}\s?=\s?)?[-+−]?\d[\d.]*(?:/\d+)?"
SEVERAL = re.compile(  # 2, 3 and 5; x = 2 or x = -3
    rf"(?<![\d.]){ITEM}(?:,?\s(?:and|or)\s{ITEM}|,\s{ITEM}){{1,8}}(?=[.\s]*$)"
)
POINT = re.compile(  # (m, b) = (1.5, -13)
    r"(?:[=≈]|\b(?:is|are|at))\s*([(⟨<](?=[^()]{0,60}\d)[^()<>⟨⟩,]{1,30}(?:,[^()<>⟨⟩,]{1,30}){1,3}[)⟩>])[.\s]*$"
)
PLAIN_FORMULA = re.compile(  # is 2√3 cm, = e^2, about 1/(1-r)
    r"(?:\b(?:is|are|be|was|equals?)\b|[=≈:])\s*(?:(?:about|approximately|exactly|simply)\s)?(?=\S{0,60}[√π^²³∠!(/])([-+−(]?[\w√π(][^\s,;]{0,60}(?:\s[-+−*/×·]\s[^\s,;]{1,60}){0,8})"
)
ENVIRONMENT = r"\{(?:align|equation|gather|aligned|split|gathered|alignat)\*?\}"
SHOWN = re.compile(
    rf"\$\$([^$]{{1,4000}}?)\$\$|\\\[(.{{1,4000}}?)\\\]|\\begin\s*{ENVIRONMENT}(.{{1,4000}}?)\\end\s*{ENVIRONMENT}",
    re.S,
)
COPULA = re.compile(
    r"""(?:\b(?:is|are|was|were|be|equals?|has|have|had|makes?|costs?|only|total\s+of|leaves?|remains?
    |approximately|about)\b|[=≈:])\s*(?=[-+$−(]?\s*\\?[$(\[]?\s*-?\.?[\d\\])""",
    re.VERBOSE,
)
COUNT = re.compile(  # There are three ways
    rf"(\b(?:are|is|were|was|has|have|had|only|total\sof|remains?|with)\s(?:a\stotal\sof\s|only\s|exactly\s|about\s)?)({'|'.join(WORD_NUMBERS)})\b(?!\sof\b|-)"
)
# What stands behind a value and is not the answer: "-4, reached at x = 2", "7 cm, since its
# diameter is 14 cm".
ASIDE = re.compile(
    r"""[\s.]*,?\s+\(?(?:because|since|which(?!\s(?:means|gives|implies|yields))|where|when|while|if|given|assuming|as\s+(?:the|we|it)|using
    |after|before|until|at|within|with|for|reached|attained|occurring|compared)\b""",
    re.VERBOSE,
)
SUBORDINATE = re.compile(r"\s*(?:If|When|Since|Because|As|For|At|After|With|Given|Of|In)\b")
VERB = re.compile(
    r"\b(?:is|are|was|were|equals|so|thus|therefore|hence|then)\b|\b(?:giv|tak|yield|need|mak|get)\w*\b"
)
ADJUNCT = re.compile(  # "in 2.5 hours", "at t = 1.2 s"
    r"""\b(?:after|at|in|when|since|because|for|with|before|within|per|if|until)
    (?:\s(?!(?:is|are|was|were|equals)\b)[^\s\d$\\]+){0,3}$""",
    re.VERBOSE,
)
CHECK = re.compile(
    r"""(?im)^\W{0,6}(?:(?:quick|sanity|double)[\s-])?(?:check|verif\w+)\b
    |^\W{0,6}(?:let(?:['’]s|\s+me|\s+us)|to|we\s+can|i['’]ll)\s+(?:double[\s-]?|quickly\s+)?(?:check|verify)\b""",
    re.VERBOSE,
)
CORRECTION = re.compile(r"(?i)\b(?:wrong|mistake|error|actually|wait|incorrect|recomput\w*)\b")
LABEL = re.compile(r"(?i)\b(?:part|step|figure|fig\.|table|equation|eq\.|case)\s*\(?$")
BOUND = re.compile(r"\b(?:less|more|greater|fewer|larger|smaller|higher|lower)\s+than\s*$", re.I)
DOUBT = re.compile(r"(?i)\b(?:if|whether|not|wrong|incorrect|check|verify|previous)\b[^.\n]{0,20}$")
PARTIAL = re.compile(  # "multiply the result by 100 to get", "the answer for the first day is"
    r"\b(?:not|cannot|can't|if|by|to\s+(?:get|find|obtain)|for\s+(?:the\s+)?(?:first|second|each)|to\s+part)\b"
)
POINTER = re.compile(  # "the answer is within \\boxed{}"
    r"(?:with)?in(?:side)?\s|(?:shown|given|written|placed)\s|(?:as\s)?(?:follows|above|below)\b"
)
SENTENCE = re.compile(
    r"(?:The|There|It|She|He|They|We|So|In|[A-Z][a-z]+\s(?:has|have|is|are|needs?))\s"
)
SUBJECT = re.compile(r"(?:It|He|She|They|We|You|There|This|That)\b")
PARTS = re.compile(r"\W{0,4}a[).][^\n]*?\s\W{0,4}b[).]\s", re.S)  # (a) 3.5 m; (b) 7.0 m/s
DOUBTFUL = "one of several values"  # the rule whose answer is never decided


def prepared(text):
    """The end of a long text, with the boxes of JSON as boxes, dashes before numbers as signs,
    units in one formula."""
    text = text[-MAX_READ:].replace("\r", "").replace("\\\\boxed", "\\boxed")
    text = re.sub(r"(?<=[\s=(])[–—−](?=\.?\d)", "-", text)
    return re.sub(r"(?<=[A-Za-z])\$\^\{?(-?\d)\}?\$", r"^\1", text)  # $25\pi$ cm$^2$


def inner(match):
    """What stands between the signs of a match of MATHS."""
    return next(group for group in match.groups() if group is not None).strip()


# Boxes.


def last_box(text):
    """The last box, unless a statement behind it gives another value."""
    found = [box for box in boxes(text) if box[2].strip()]
    said = last_statement(text) if found else None
    if not found or said and said[0] > found[-1][0] and looks_maths(said[1]):
        return None
    return joined_boxes(text, found)


def looks_maths(text):
    """Is a stated answer one that could replace a box: a number or formula, not "in simplest
    form"?"""
    return bool(parse_quantity(text) or re.search(r"\d|\\[a-z]+|=", text) and len(text) < 80)


def joined_boxes(text, found):
    """The last box, with the boxes of the same sentence before it: "\\boxed{1} and \\boxed{2}" ->
    "1, 2"."""
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
    unit = r"\s*[})]?\s*\$?\s*(\\?%|percent\b|°|\\circ|\\text\s*\{[^{}]{1,30}\})"
    after = re.match(unit, text[run[-1][1] :][:60])
    return f"{parts[0]} {after[1]}" if after else parts[0]


# Statements.


def statement(text):
    said = last_statement(text)
    return said[1] if said else None


def statements(text):
    """(position, what follows) of every "answer is", "Answer:", "####" that is no remark, the last
    one first."""
    for match in reversed(list(itertools.islice(STATED.finditer(text), 500))):
        start = max(text.rfind("\n", 0, match.start()), match.start() - 200) + 1
        before = re.split(r"[.!?]\s", text[start : match.start()])[-1]
        if DOUBT.search(before[-25:]) or HYPOTHETICAL.search(before + match[0]):
            continue
        if PARTIAL.search(match["mid"] or ""):
            continue
        tail = text[match.end() : match.end() + 1500]
        if "\n" in match[0] or tail.startswith(("\n", "**\n")):
            tail = re.sub(r"^[\s*]*[-*•]\s+(?=[\d$\\\[(])", "", tail)  # a list mark
        yield match.start(), tail


def last_statement(text):
    """(position, answer) of the last statement whose rest can be an answer; None without one."""
    for at, tail in statements(text):
        value = head_of(tail)
        if value and not POINTER.match(value + " "):
            return at, undressed(value)
    return None


def undressed(value):
    """A value without the brackets or the sentence around it: "[300] (in MPa)", "The teacher needs
    20 candies"."""
    if framed := re.fullmatch(r"\[([^\[\],]+)\]\s*(?:\(?in\s+([^()]{1,20})\)?)?", value):
        return f"{framed[1].strip()} {framed[2] or ''}".strip()
    if SENTENCE.match(value) and len(value.split()) > 3 and re.search(r"\d", value):
        return stated_value(value) or value
    return value


def head_of(tail):
    """What is stated at the start of tail: a formula, or the words up to the end of the
    sentence."""
    tail = LEADING.sub("", tail.lstrip("*_ \n:")).replace("**", "").lstrip("`")
    if PARTS.match(tail):
        return " ".join(re.split(r"\n\s*\n", tail)[0].split()).rstrip(".")
    tail = re.sub(r"^\(?[a-eA-E]\)\s+(?=[-+\d$\\])", "", tail)  # (b) 5 cm
    quoted = r"^[\"'“]([^\"'“”\n]{1,300})[\"'”].*|^([^\"\n]{1,200})\"\s*[,}\n].*"
    tail = re.sub(quoted, lambda m: m[1] or m[2], tail, flags=re.S)
    if formula := MATHS.match(tail):
        return formula_at(formula, tail[formula.end() :])
    stop = END.search(tail)
    head = tail[: stop.start() if stop else 300]
    head = head.strip().strip("*_`").rstrip(".,:;!").strip()
    return head if parse_quantity(head) else bare_head(head)


def formula_at(formula, rest):
    """A formula with what is joined to it: "$a +$ $b$", "$2$ and $3$", a unit."""
    first = inner(formula)
    second = MATHS.match(rest.lstrip(" "))
    if second and re.search(r"[-+*/=,(]\s*$", first):  # OCW's reference, x_0 \cos(\omega t)+$ $...
        return first + " " + inner(second)
    more = re.match(r"\s*(?:,\s*and|,|and|or|\\cup)\s*(?=[$\\])", rest)
    if more and (second := MATHS.match(rest, more.end())):
        return first + ", " + formula_at(second, rest[second.end() :])
    return with_unit(first, rest)


def bare_head(head):
    """What a stated sentence ends up with: what stands behind its last "is", its last formula; None
    of mere words."""
    masked = MATHS.sub(lambda m: "$" * len(m[0]), head)
    copulas = list(
        re.finditer(
            r"\b(?:is|are|was|equals?|be)\b(?:\s+(?:approximately|about|exactly|simply))?\s+(?=[-$\\\d(.])",
            masked,
        )
    )
    if copulas:
        head = head[copulas[-1].end() :].strip()
    elif len(head.split()) > 6 and not re.search(r"\d|[$\\]", head):
        return None
    formulas = list(MATHS.finditer(head))
    if formulas and not parse_quantity(head) and not re.match(r"[-+]?[\d.,]+\b", head):
        return inner(formulas[-1])
    return head or None


def with_unit(formula, rest):
    """A formula with the unit that stands behind it: "v = 3" and " m/s downwards" -> "v = 3
    m/s"."""
    if re.fullmatch(r"\d{1,2}:\d\d", formula) and (half := re.match(r"\s*([ap])\.?\s?m\b", rest)):
        return f"{formula} {half[1]}.m."
    quantity = parse_quantity(re.split(r"=|\\approx|≈", formula)[-1])
    bare = quantity and (not quantity.unit or quantity.unit.name == "degree**1")
    unit = unit_after(rest) if bare else ""
    return f"{formula.strip()} {'' if unit == 'in' else unit}".strip()  # "$5$ in total"


# The last value.


def whole_text(text):
    """A short response that is nothing but its answer."""
    bare = text.strip().rstrip(".").strip("*`").strip()
    if PARTS.match(bare) and len(bare) < 400:
        return " ".join(bare.split())
    if not 0 < len(bare) <= 100 or "\n" in bare or MATHS.search(bare):
        return None
    clock = re.fullmatch(r"\d{1,2}:\d\d\s*(?:[apAP]\.?\s?[mM])?", bare)
    if parse_quantity(bare) or ratio(bare) or clock:
        return bare
    flat = re.sub(r"\\[a-zA-Z]+", "", bare.replace("*", ""))
    prose = re.search(r"[a-zA-Z]{3,}\s+[a-zA-Z]{2,}", flat) or SUBJECT.match(flat)
    prose = prose or len(re.findall("[a-zA-Z]{2,}", flat)) > 2
    working = re.search(r"[:?]|\d\s*[-+*/×]\s*\d.*=", flat)
    return bare if re.search(r"[\d=^]", flat) and not prose and not working else None


def bold(text):
    """The last value in bold letters."""
    found = re.findall(r"\*\*([^*\n]{1,60})\*\*", concluded(text)[-1500:])
    found = [
        b.strip(" .:$")
        for b in found
        if re.search(r"\d", b) and not re.match(r"\d+[.)]\s", b) and parse_quantity(b.strip(" .:$"))
    ]
    return found[-1] if found and not REFUSAL.search(text[-200:]) else None


def last_value(text):
    """The number or formula of the last sentence that states one, unless the text gives up or the
    sentence has others."""
    sentence, value = last_stated(text)
    return None if value is None or doubtful(sentence, value) else value


def one_of_several(text):
    return last_stated(text)[1]


@functools.lru_cache(2)  # three rules ask
def concluded(text):
    """The text before it checks its answer, unless the check finds a mistake."""
    check = next(CHECK.finditer(text, 1), None)
    kept = check and re.search(r"\d", text[: check.start()])
    return text[: check.start()] if kept and not CORRECTION.search(text, check.start()) else text


@functools.lru_cache(2)  # two rules ask
def last_stated(text):
    """(sentence, value) of the last sentence that states a value, checks left out; (text, None)
    where the text gives up."""
    text = SHOWN.sub(last_row, concluded(text).replace("**", "").replace("`", "")).strip()
    if OPEN_END.search(text[-20:]):  # cut off
        return text, None
    for sentence in last_sentences(text):
        if REFUSAL.search(sentence) and not GUESS.search(sentence):
            return text, None
        if sentence.rstrip().endswith("?"):
            continue
        main = main_clause(sentence)
        if (value := stated_value(main)) is not None:
            return main, value
    words = 0 < len(text) <= 80 and not re.search(r"\n|\?$", text)
    return text, text if words and not REFUSAL.search(text) else None


def main_clause(sentence):
    """A sentence up to what it adds behind the value it states: "is -4, reached at x = 2" -> "is
    -4"."""
    stated = COPULA.search(sentence)
    if not stated or SUBORDINATE.match(sentence):
        return sentence
    formula = MATHS.match(sentence, stated.end())
    aside = ASIDE.search(sentence, formula.end() if formula else stated.end())
    if not aside or VERB.search(
        re.sub(r",?\s+(?:because|since|which|where)\b.*", "", sentence[aside.start() :])
    ):
        return sentence
    return sentence[: aside.start()]


def doubtful(sentence, value):
    """Does a value stand in an adjunct, behind another value: "travels 150 km in 2.5 hours"?"""
    at = sentence.rfind(value.split(" ")[0])
    before = sentence[: max(at, 0)]
    aside = before.endswith(" (") or ADJUNCT.search(before.rstrip("$\\([ "))
    other = NUMBER_RUN.search(before) and value not in before
    compared = re.match(r"(?:On|For|With|Without|Using)\b.*\bwould (?!be\b)", sentence)
    return bool(compared or aside and other and not COPULA.search(before))


def last_sentences(text, most=6):
    """The last sentences, the last one first, without hypothetical remarks."""
    sentences = [s for s in re.split(r"(?<=[.!?。])\s+(?=[^a-z])|\n+", text) if s.strip()]
    sentences = [s for s in sentences if not HYPOTHETICAL.search(s[:300])] or sentences
    return sentences[: -most - 1 : -1]


def last_row(display):
    """A displayed formula on one line; of several rows the last one: "$$ x = 1 \\\\ = 2 $$" -> "$$=
    2$$"."""
    body = " ".join(re.sub(rf"\\(?:begin|end)\s*{ENVIRONMENT}", " ", inner(display)).split())
    if not re.search("matrix|array|cases", body):
        rows = [row for row in re.split(r"\\\\(?:\[[^\]]{0,9}\])?", body) if row.strip(" &")]
        body = rows[-1].replace("&", " ") if rows else ""
    return f" $${body.strip().rstrip('.,')}$$ "


def stated_value(sentence):
    """The number or formula that a sentence ends up with: what stands behind its last "is" or "=",
    else its last number."""
    if (formula := last_formula(sentence)) is not None:
        return formula
    plain = COUNT.sub(lambda m: f"{m[1]}{WORD_NUMBERS[m[2]]}", sentence)
    if (value := marked_value(plain)) is not None:
        return value
    copulas = list(COPULA.finditer(plain))
    if (formula := plain_formula(plain, copulas[-1].start() if copulas else 0)) is not None:
        return formula
    runs = [
        run
        for run in NUMBER_RUN.finditer(plain)
        if not LABEL.search(plain, max(0, run.start() - 12), run.start())
    ]
    if not runs:
        return None
    at = runs[-1]
    if copulas:
        at = next((run for run in runs if run.start() >= copulas[-1].end() - 1), at)
    head = head_of(plain[at.start() :])
    if bound := BOUND.search(plain, max(0, at.start() - 20), at.start()):
        return f"{bound[0].strip()} {head}"  # less than 5 m
    if head and parse_quantity(head):
        return head
    return f"{at[0].strip()} {unit_after(plain[at.end() :])}".strip()


def last_formula(sentence):
    """The last LaTeX formula of a sentence, with its unit; None where a number stands behind it."""
    formulas = list(MATHS.finditer(sentence))
    if not formulas or NUMBER_RUN.search(sentence, formulas[-1].end()):
        return None
    at = formulas[-1]
    if len(formulas) > 1:
        before, gap = inner(formulas[-2]), sentence[formulas[-2].end() : at.start()]
        named = all(re.match(r"[^=(+^]{1,12}=", text) for text in (before, inner(at)))
        if named and re.fullmatch(r",?\s*(?:and|or)?\s*", gap):
            return f"{before}, {inner(at)}"
    return with_unit(inner(at), sentence[at.end() :])


def marked_value(plain):
    """A value that its form marks: "x = 2 and x = -3", a ratio; None without one."""
    several = [found[0] for found in COMPOUND.finditer(plain) if parse_quantity(found[0])]
    if several:
        return several[-1]
    if listed := SEVERAL.search(plain[-200:]):
        return listed[0].rstrip(".")
    if point := POINT.search(plain[-200:]):
        return point[1]
    if re.search(r"\bratio\b", plain, re.I) and (ratios := list(RATIO.finditer(plain))):
        return ratios[-1][0]
    return None


def plain_formula(sentence, start):
    """The last formula without LaTeX that stands behind "is" or "=" from `start` on, with its unit;
    None without one."""
    found = list(itertools.islice(PLAIN_FORMULA.finditer(sentence, start), 50))[-1:]
    piece = found[0][1].rstrip(".,;:!?*") if found else ""
    if NUMBER_RUN.fullmatch(piece) or not re.search(r"[\dπ√²³]", piece):
        return None
    if piece.count("(") != piece.count(")") or re.fullmatch(r"\(\w\)", piece):
        return None
    return with_unit(piece, sentence[found[0].start(1) + len(piece) :])


RULES = (
    ("box", last_box),
    ("statement", statement),
    ("whole text", whole_text),
    ("bold", bold),
    ("last value", last_value),
    (DOUBTFUL, one_of_several),
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


def extract_math(text):
    """The committed answer of text as it was written (LaTeX or prose), or None."""
    return read(text)[0]
