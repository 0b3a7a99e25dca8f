"""The final answer of a worked solution: the last box or statement, else the last value that a sentence ends up with.

extract_math("... so $x = \\\\boxed{\\\\frac12}$.") -> "\\\\frac12"
"""

import itertools
import re

from .choice import REMARK as HYPOTHETICAL
from .markup import boxes
from .quantity import RATIO, parse_quantity, ratio, words_to_number
from .units import unit_after

MAX_READ = 60_000
MONEY = r"(?:\\?\$|€|£)"
STATED = re.compile(
    r"""(?:\#{4}\s*|["']?\b(?:final[ _]?)?(?:answers?|ans|result|respuesta|réponse)\b["']?(?P<mid>[^.\n:=]{0,80}?)(?:\s*(?::|=|→|：)|\s+(?:is|are|was|be|equals?|would\s+be|should\s+be|must\s+be|comes?\s+(?:out\s+)?to)\b)
        |(?:^|\n)[ \t]*(?-i:A|ANSWER|Ans)[ \t]*:(?=\s)|答案(?:是|为|：|:)?)\s*:?""",
    re.X | re.I,
)  # fmt: skip
LEADING = re.compile(
    r"^(?:[\s:*_>\"'“”`=]|\*\*|(?:therefore|thus|hence|so|then|indeed|simply|just|exactly|the\s+final\s+answer\s+is|the\s+answer\s+is|given\s+by|as\s+follows|that|is|are|equal\s+to|equals)\b)+",
    re.I,
)
MATHS = re.compile(
    r"\\\[(.{1,2000}?)\\\]|\\\((.{1,2000}?)\\\)|\$\$(.{1,2000}?)\$\$|(?<![\\\d])\$(?=\S|\s*\\)([^$\n]{1,1000}?)(?<!\\)\$(?!\d)",
    re.S,
)
NUMBER_RUN = re.compile(
    r"(?<![\w.^{}])(?<![a-zA-Zμ][-−])(?<!\^[-−])[-+−]?\s?(?:\\?\$)?\s?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+(?:,\d{1,2}(?![\d,]))?)(?:\.\d+)?(?:\s*/\s*\d+)?(?:\s*[×x*]\s*10\s*\^?\s*\{?[-+⁻⁰¹²³⁴⁵⁶⁷⁸⁹\d]+\}?)?(?:[eE][-+]?\d+)?(?:\s*%|°)?|(?<![\w.])[-+−]?\.\d+"
)
COMPOUND = re.compile(
    r"(?<![\d.])\d[\d.]{0,12}\s{0,3}[a-zA-Z]{1,8},?\s{1,3}(?:and\s{1,3})?\d[\d.]{0,12}\s{0,3}[a-zA-Z]{1,8}\b"
)
END = re.compile(
    r"(?<!\bsq)\.(?=\s|$)(?!\s*\d)|\n\s*\n|(?<=\S)\n|;\s|,?\s+(?:because|since|which|where\s|so\s|as\s+(?:the|we|it)|I\s+hope|when\s|given\s+that|due\s+to|for\s+a\s+total|per\s+the|in\s+total|if\s)|\s\((?=[a-z]{3})|。|，"
)
REFUSAL = re.compile(
    r"\b(?:(?:can(?:not|'t|’t)|could\s?n[o']t|unable\s+to|not\s+(?:possible|able)\s+to|impossible\s+to|insufficient|not\s+enough|do(?:es)?\s+not\s+(?:provide|contain|have)\s+(?:enough|any|the)|no\s+way\s+to|more\s+information|undetermined|indeterminate|cannot\s+be\s+determined|not\s+given|sorry|do(?:n['’]?t|\s+not)\s+know|not\s+sure|no\s+idea|unsure)\b)",
    re.I,
)
LISTED = re.compile(
    r"[-+−]?\d[\d.]*(?:/\d+)?(?:,\s(?:and\s)?[-+−]?\d[\d.]*(?:/\d+)?){0,8}(?:,?\s(?:and|or)\s|,\s)[-+−]?\d[\d.]*(?:/\d+)?(?=[.\s]*$)"
)
ASSIGNED = re.compile(
    r"(\b[a-z]\s?=\s?[-+−]?\d[\d./]*(?:,?\s(?:and|or)\s|,\s)){1,6}\b[a-z]\s?=\s?[-+−]?\d[\d./]*(?=[.\s]*$)"
)
PLAIN_FORMULA = re.compile(
    r"(?:\b(?:is|are|be|was|equals?)\b|[=≈:])\s*(?:(?:about|approximately|exactly|simply)\s)?(?=\S{0,60}[√π^²³∠!(/])([-+−(]?[\w√π(][^\s,;]{0,60}(?:\s[-+−*/×·]\s[^\s,;]{1,60}){0,8})"
)
PLURAL = re.compile(
    r"\b(?:roots|solutions|values|zeroe?s|intercepts|numbers|eigenvalues|factors|answers|integers|primes)\b[^.]{0,60}\b(?:are|were)\b|\b[a-z]\s*=\s*[-+−]?$",
    re.I,
)
BOUND = re.compile(r"\b(?:less|more|greater|fewer|larger|smaller|higher|lower)\s+than\s*$", re.I)
SHOWN = re.compile(
    r"\$\$([^$]{1,4000}?)\$\$|\\\[(.{1,4000}?)\\\]|\\begin\s*\{(?:align|equation|gather)\*?\}(.{1,4000}?)\\end\s*\{(?:align|equation|gather)\*?\}",
    re.S,
)
REMARK = re.compile(
    r"(?<=[$\d\w])[\s.,]*(?:\(\s*)?\b(?:where\s+we\s+(?:have\s+)?used?|using|(?:note|notice)\s+that)\s(?:(?!\$\$|\\\[)[^\n]){1,250}$",
    re.I,
)
SIZE = re.compile(
    r"\b\d{1,3}\s?(?:x|×|by)\s?\d{1,3}(?=\s(?:matri|determinant|grid|table|board|square|chess))"
)
VECTOR = re.compile(
    r"(?:\b(?:is|are)|[=:])\s*([(<\[]\s*[-+−]?[\w./√π^]{1,12}(?:\s*,\s*[-+−]?[\w./√π^]{1,12}){1,6}\s*[)>\]])(?=[.\s]*$)"
)
COPULA = re.compile(
    r"(?:\b(?:is|are|was|were|be|equals?|has|have|had|makes?|costs?|only|total\s+of|leaves?|remains?|approximately|about)\b|[=≈:])\s*(?=[-+$−(]?\s*\\?\$?\.?\d)"
)
COUNT_WORD = re.compile(
    r"\b(?:is|are|was|were|has|have)\s+((?:[a-z]+-)?(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty))\b"
)
CALC = re.compile(r"<<[^<>\n]{0,200}>>")


def prepared(text):
    """The end of a long text; without GSM8K's calculator marks, with the boxes of JSON as boxes."""
    text = CALC.sub("", text[-MAX_READ:]).replace("\r", "")
    if "\\\\boxed" in text or '"answer"' in text:
        text = text.replace("\\\\boxed", "\\boxed")
    return text


def last_box(text):
    """The last box, unless a statement behind it gives another value."""
    found = [box for box in boxes(text) if box[2].strip()]
    said = last_statement(text) if found else None
    if not found or said and said[0] > found[-1][0] and looks_maths(said[1]):
        return None
    return joined_boxes(text, found)


def statement(text):
    said = last_statement(text)
    return said[1] if said else None


def extract_math(text):
    """The committed answer of text as it was written (LaTeX or prose), or None."""
    return read(text)[0]


def joined_boxes(text, found):
    """The last box, with the boxes of the same sentence before it: "\\boxed{1} and \\boxed{2}" -> "1, 2"."""
    run = [found[-1]]
    for before in reversed(found[:-1]):
        gap = text[before[1] : run[0][0]]
        if (
            len(gap) > 60
            or re.search(
                r"[.?!]\s|\n\s*\n|=\s*$|\b(?:so|thus|therefore|hence|simpl\w+|approx\w*|i\.e|that is|which is|is)\b",
                gap,
            )
            and not re.search(r"\b(?:and|or)\b", gap)
        ):
            break
        run.insert(0, before)
    parts = list(dict.fromkeys(part.strip() for _, _, part in run))
    if len(parts) == 1:
        after = re.match(
            r"\s*[})]?\s*\$?\s*(\\?%|percent\b|°|\\circ|\\text\s*\{[^{}]{1,30}\})",
            text[run[-1][1] :][:60],
        )
        return parts[0] + (" " + after[1] if after and parse_quantity(parts[0]) else "") or None
    return ", ".join(parts)


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
CLOSER = re.compile(  # what a chat model says when it is done
    r"(?i)\s*\b(?:let\s+me\s+know|feel\s+free|I\s+hope|if\s+you\s+have\s+(?:any|more))\b[^\n]{0,200}$"
)


def last_statement(text):
    """(position, answer) of the last "answer is ..." whose rest can be an answer and that is no remark; None without one."""
    for match in reversed(list(itertools.islice(STATED.finditer(text), 2000))):
        start = max(text.rfind("\n", 0, match.start()), match.start() - 200) + 1
        before = re.split(r"[.!?]\s", text[start : match.start()])[-1]
        if DOUBT.search(before[-25:]) or HYPOTHETICAL.search(before + match[0]):
            continue
        if PARTIAL.search(match["mid"] or ""):
            continue
        tail = text[match.end() : match.end() + 1500]
        if "\n" in match[0] or tail.startswith(("\n", "**\n")):
            tail = re.sub(r"^[\s*]*[-*•]\s+(?=[\d$\\\[(])", "", tail)  # a list mark
        value = head_of(tail)
        if value and not POINTER.match(value + " "):
            return match.start(), undressed(value)
    return None


def undressed(value):
    """A value without the brackets or the sentence around it: "[300] (in MPa)", "The teacher needs 20 candies"."""
    if framed := re.fullmatch(r"\[([^\[\],]+)\]\s*(?:\(?in\s+([^()]{1,20})\)?)?", value):
        return f"{framed[1].strip()} {framed[2] or ''}".strip()
    if SENTENCE.match(value) and len(value.split()) > 3 and re.search(r"\d", value):
        return stated_value(value) or value
    return value


def head_of(tail):
    """What is stated at the start of tail: a formula, or the words up to the end of the sentence."""
    tail = LEADING.sub("", tail.lstrip("*_ \n:")).replace("**", "")
    tail = re.sub(
        r"^\(?[a-eA-E]\)\s+(?=[-+\d$\\])(?!.{0,300}[(\s][b-f]\))", "", tail
    )  # the label of an option that is named with its value
    if tail[:3] in ("```", "..."):
        tail = tail.lstrip("`.\n")
    tail = (
        re.sub(r"^[\"'“]([^\"'“”\n]{1,300})[\"'”].*", r"\1", tail, flags=re.S)
        if tail[:1] in "\"'“"
        else re.sub(r'^([^"\n]{1,200})"\s*[,}\n].*', r"\1", tail, flags=re.S)
    )
    formula = MATHS.match(tail)
    if formula:
        inner = next(g for g in formula.groups() if g is not None)
        rest = tail[formula.end() :]
        joined = re.match(r"[ ]*(?=\$)", rest)
        if (
            joined
            and (second := MATHS.match(rest[joined.end() :]))
            and re.search(r"[-+*/=,(]\s*$", inner)
        ):  # "$a +$ $b$": one formula, set in two
            return inner.strip() + " " + next(g for g in second.groups() if g is not None).strip()
        more = re.match(r"\s*(?:,|and|or|,\s*and|\\cup)\s*(?=[$\\])", rest)
        if more and (second := head_of(rest[more.end() :])) and MATHS.match(rest[more.end() :]):
            return inner.strip() + ", " + second
        return with_unit(inner, rest)
    stop = END.search(tail)
    head = (
        (tail[: stop.start()] if stop else tail[:300]).strip().strip("*_`").rstrip(".,:;!").strip()
    )
    if not parse_quantity(head):
        masked = MATHS.sub(lambda m: "$" * len(m[0]), head)
        copulas = list(
            re.finditer(
                r"\b(?:is|are|was|equals?|be)\b(?:\s+(?:approximately|about|exactly|therefore|thus|just|simply))?\s+(?=[-$\\\d(.])",
                masked,
            )
        )
        if copulas:
            head = head[copulas[-1].end() :].strip()
        elif len(head.split()) > 6 and not re.search(r"\d|[$\\]", head):
            return None
    formula = MATHS.search(head)
    if formula and not parse_quantity(head) and not re.match(r"[-+]?[\d.,]+\b", head):
        inner = [next(g for g in m.groups() if g is not None) for m in MATHS.finditer(head)]
        return inner[-1].strip()
    return head or None


def with_unit(formula, rest):
    """A formula with the unit that stands behind it: "v = 3" and " m/s downwards" -> "v = 3 m/s"."""
    if re.fullmatch(r"\d{1,2}:\d\d", formula.strip()) and (
        half := re.match(r"\s*([ap])\.?\s?m\b", rest, re.I)
    ):
        return f"{formula.strip()} {half[1]}.m."
    quantity = parse_quantity(re.split(r"=|\\approx|≈", formula)[-1])
    unit = unit_after(rest) if quantity and quantity.unit in ("", "(degree)**1") else ""
    if unit == "in" and re.match(r"\s*in\s+\w", rest):  # "$5$ in total"
        unit = ""
    return f"{formula.strip()} {unit}".strip()


def looks_maths(text):
    """Is a stated answer one that could replace a box: a number or formula, not "in simplest form"?"""
    return bool(parse_quantity(text) or re.search(r"\d|\\[a-z]+|=", text) and len(text) < 80)


def last_value(text):
    """No box and no statement: the number or formula of the last sentence that states one, unless the text gives up."""
    text = CLOSER.sub("", SHOWN.sub(last_row, text.strip()))
    if remark := REMARK.search(text):  # "17 kN (using 1 J = 1 N m)"
        text = text[: remark.start()].rstrip()
    bare = text.rstrip(".").strip("*`").strip()
    if re.fullmatch(r"\d{1,2}:\d\d\s*(?:[ap]\.?\s?m)?", bare, re.I):
        return bare
    if len(bare) <= 100 and "\n" not in bare and not MATHS.search(bare):
        flat = re.sub(r"\\[a-zA-Z]+", "", bare.replace("*", ""))
        if (
            parse_quantity(bare)
            or ratio(bare)
            or len(re.findall(r"[a-zA-Z]{2,}", flat)) < 3
            and not re.search(r"[a-zA-Z]{3,}\s+[a-zA-Z]{2,}", flat)
            and re.search(r"[\d=^]", flat)
            and not re.match(r"(?:It|He|She|They|We|You|There|This|That)\b", flat)
            and not re.search(r"[:?]|\d\s*[-+*/×]\s*\d.*=", flat)
        ):
            return bare  # the whole response is the answer
    bold = [
        b
        for b in re.findall(r"\*\*([^*\n]{1,60})\*\*", text[-1500:])
        if re.search(r"\d", b) and parse_quantity(b.strip(" .:$")) is not None
    ]
    if bold and not REFUSAL.search(text[-200:]):
        return bold[-1].strip(" .:$")
    sentences = [s for s in re.split(r"(?<=[.!?。])\s+(?=[^a-z])|\n+", text) if s.strip()]
    sentences = [s for s in sentences if not HYPOTHETICAL.search(s[:300])] or sentences
    for back, sentence in enumerate(reversed(sentences[-6:])):
        if REFUSAL.search(sentence) and not re.search(
            r"(?:estimate|would be|answer|maybe|perhaps|probably|guess|likely|think)\D{0,40}\d",
            sentence,
        ):
            return None
        if sentence.rstrip().endswith("?") and back < 5:
            continue
        value = stated_value(sentence)
        if value is not None:
            return value
    bare = text.strip()
    return (
        bare
        if len(bare) <= 80
        and "\n" not in bare
        and bare
        and not REFUSAL.search(bare)
        and not bare.endswith("?")
        else None
    )


def last_row(display):
    """A displayed formula on one line; of several rows the last one: "$$ x = 1 \\\\ = 2 $$" -> "$$= 2$$"."""
    body = re.sub(
        r"\\(?:begin|end)\s*\{(?:aligned|align|split|gathered|equation|gather|alignat)\*?\}",
        " ",
        display[1] or display[2] or display[3],
    )
    body = " ".join(body.split())
    if not re.search("matrix|array|cases", body):
        rows = [row for row in re.split(r"\\\\(?:\[[^\]]{0,9}\])?", body) if row.strip(" &")]
        body = rows[-1].replace("&", " ") if rows else ""
    return f" $${body.strip().rstrip('.,')}$$ "


def listed_formulas(sentence, formulas):
    """ "$\\lambda_1 = 2$ and $\\lambda_2 = 5$" as one list; None where the last formula stands alone."""
    run = [formulas[-1]]
    for before in reversed(formulas[:-1]):
        if not re.fullmatch(
            r"\s*(?:,|and|or|,\s*and|,\s*or)\s*", sentence[before.end() : run[0].start()]
        ):
            break
        run.insert(0, before)
    inner = [next(g for g in formula.groups() if g is not None).strip() for formula in run]
    return (
        ", ".join(inner)
        if len(inner) > 1 and all(re.fullmatch(r"[^=]{1,20}=[^=]+", one) for one in inner)
        else None
    )


def plain_formula(sentence, start):
    """The last formula without LaTeX that stands behind "is" or "=" from `start` on, with its unit: "2√3 cm", "e^2", "1/(1-r)"; None without one."""
    found = list(itertools.islice(PLAIN_FORMULA.finditer(sentence, start), 50))[-1:]
    if (
        not found
        or NUMBER_RUN.fullmatch(piece := found[0][1].rstrip(".,;:!?*"))
        or piece.count("(") != piece.count(")")
        or re.fullmatch(r"\(\w\)", piece)
    ):
        return None
    return (
        with_unit(piece, sentence[found[0].start(1) + len(piece) :])
        if re.search(r"\d|[π√]|[²³]", piece)
        else None
    )


def stated_value(sentence):
    """The number or formula that a sentence ends up with: what stands behind its last "is" or "=", else its last number."""
    if (formula := last_formula(sentence)) is not None:
        return formula
    plain = sentence.replace("**", "").replace("`", "")
    plain = re.sub(r"(\b(?:are|is|were|has|have|had|only|total\s+of|remains?|remaining|leaves|left\s+with)\s+(?:a\s+total\s+of\s+|only\s+|exactly\s+|about\s+)?)(two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|zero|one(?!\s+of\b))\b",
                   lambda m: m[1] + str(int(words_to_number(m[2]))), plain)  # fmt: skip
    plain = SIZE.sub("square", plain)  # a 2x2 matrix
    if (value := marked_value(plain)) is not None:
        return value
    copula = [
        one
        for one in COPULA.finditer(plain)
        if not re.search(
            r"\b(?:at|when|for|after|where|with|if)\s+\w{1,3}\s*$",
            plain[max(0, one.start() - 12) : one.start()],
        )
    ]  # at t = 2 s
    runs = list(NUMBER_RUN.finditer(plain))
    if not runs:
        return plain_formula(plain, 0) or (word[1] if (word := COUNT_WORD.search(plain)) else None)
    at = runs[-1]
    if len(runs) > 1 and re.fullmatch(
        r"[^,;:]{1,30}\s(?:after|at|within|when)(?:\s(?:t\s?=|about|approximately))?\s?",
        plain[runs[-2].end() : at.start()],
    ):
        at = runs[-2]  # 20.4 m after 2.04 s
    if copula:
        behind = [run for run in runs if run.start() >= copula[-1].end() - 1]
        at = behind[0] if behind else at
        several = LISTED.match(plain, at.start())
        if several and (" or " in several[0] or PLURAL.search(plain[: at.start()])):
            return several[0]
    if (formula := plain_formula(plain, copula[-1].start() if copula else 0)) is not None:
        return formula
    head = head_of(plain[at.start() :])
    if bound := BOUND.search(plain, max(0, at.start() - 20), at.start()):
        return f"{bound[0].strip()} {head}"  # less than 5 m
    if head and parse_quantity(head):
        return head
    rest = plain[at.end() :]
    unit = unit_after(rest)
    return at[0].strip() + (
        " " + unit
        if unit and (len(unit) > 1 or re.match(rf"\s?{re.escape(unit)}\s*(?:[,;()]|[. ]*$)", rest))
        else ""
    )


def last_formula(sentence):
    """The last LaTeX formula of a sentence, with its unit or with those it is listed with; None where a number stands behind it."""
    formulas = list(MATHS.finditer(sentence))
    if formulas:
        at = formulas[-1]
        if len(formulas) > 1 and re.fullmatch(
            r"\s*[A-Za-zμΩ/^\d{}-]{0,10}\s+at\s+(?:an?\s+angle\s+of\s+)?",
            sentence[formulas[-2].end() : at.start()],
        ):
            at = formulas[-2]  # 5 N at 53°
        inner = next(g for g in at.groups() if g is not None).strip()
        rest = sentence[at.end() :]
        if not NUMBER_RUN.search(rest):
            return listed_formulas(sentence, formulas) or with_unit(inner, rest)
    return None


def marked_value(plain):
    """A value that its form or its words mark: "of which 31", "2 hours and 30 minutes", "x = 2 and x = -3", a ratio, a vector; None without one."""
    if part := re.search(
        r",\s*of\s+(?:which|these|those)\s[^\d,]{0,20}(\d[\d,]*)", plain
    ):  # 32 subsets, of which 31 are not empty
        return part[1].rstrip(",")
    several = [found[0] for found in COMPOUND.finditer(plain) if parse_quantity(found[0])]
    if several:  # 2 hours and 30 minutes
        return several[-1]
    if assigned := ASSIGNED.search(plain):  # x = 2 and x = -3
        return assigned[0].rstrip(".")
    if re.search(r"\bratio\b", plain, re.I) and (ratios := list(RATIO.finditer(plain))):
        return ratios[-1][0]
    if phrase := re.search(
        r"\ball\s+real\s+numbers?\s+except\b[^.,]{1,40}|\b(?:is|equals?|=)\s+((?:positive\s|negative\s|plus\s|minus\s)?infinity)\b",
        plain,
        re.I,
    ):
        return phrase[1] or phrase[0]
    if vector := VECTOR.search(plain):
        return vector[1]
    return None


RULES = (("box", last_box), ("statement", statement), ("last value", last_value))


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
