"""Short answers in words: is the reference what the response states? Case, articles, plurals, hyphens, brackets, number words and Greek letters do not count.

same_text("The powerhouse is the mitochondrion.", "mitochondrion") -> True
same_text("It is not caused by iron", "iron") -> False
"""

import functools
import itertools
import re

from . import choice, trim
from .chemistry import bare_formula, formulas_of, is_formula, isotopes, reaction, states_formula
from .equal import INFINITE, same_math
from .markup import boxes, plain
from .names import (
    DISTINCT,
    INITIAL,
    TITLE,
    UMLAUTS,
    in_order,
    known_by_surname,
    short_for,
    spelt_out,
    without_eponym,
)
from .options import LETTERS
from .quantity import RATIO, parse_quantity, ratio, same_quantity, words_to_number
from .solution import LEADING, STATED
from .units import strip_wrappers, to_ascii_math, unit_after
from .values import value_of
from .words import GENERIC, MONTHS, SMALL, content, one_spelling, tokens

NEGATIVE = set(
    "not no never neither nor without none cannot isnt arent wasnt werent doesnt dont didnt cant wont non except".split()
)
OPPOSITES = [("increase", "decrease"), ("increas", "decreas"), ("higher", "lower"), ("more", "less"), ("greater", "smaller"), ("positive", "negative"), ("endothermic", "exothermic"), ("left", "right"), ("up", "down"),
             ("true", "false"), ("yes", "no"), ("above", "below"), ("faster", "slower"), ("before", "after"), ("gain", "lose"), ("oxidation", "reduction"), ("acidic", "basic"), ("attractive", "repulsive"),
             ("attract", "repel"), ("north", "south"), ("east", "west"), ("clockwise", "counterclockwise"), ("maximum", "minimum"), ("high", "low"), ("fast", "slow"), ("larg", "small"), ("great", "small"), ("expand", "contract"), ("spontaneous", "nonspontaneous"), ("same", "different")]  # fmt: skip
CONTRASTS = (
    ("rather", "than"),
    ("instead", "of"),
    ("oppos", "to"),
    ("other", "than"),
    ("contrast", "to"),
    ("contrast", "with"),
)
RELATIONS = set(
    "lag lead exceed preced follow caus inhibit activat than befor after from to into becom convert divid over under".split()
)  # stems: the order of what they join counts
DIRECTIONS = {word for pair in OPPOSITES for word in pair} | {
    "increas",
    "decreas",
    "high",
    "low",
    "ris",
    "fall",
}
AFFIRM, DENY = (
    {"yes", "true", "correct", "indeed", "right", "agree", "affirmative", "yeah", "yep"},
    {"no", "false", "incorrect", "wrong", "not", "never", "nope", "disagree", "negative", "untrue"},
)
SENTENCES = re.compile(r"(?<=[.!?])(?<!\n\d\.)[\"'”’)*\]]*\s+(?=[\"'“(*]*[A-Z0-9])|\n+")
PREFACE = re.compile(
    r"#+\s.{0,60}|\W*(?:let['’]s|let us)\s+(?:think|solve|break|analy[sz]e|work)\b.{0,80}|\W*(?:solution|explanation|reasoning|analysis|it depends.{0,40}|great question|sure|to\s+(?:answer|solve)\b.{0,80})\W*",
    re.I,
)
CONCLUSION = re.compile(
    r"^\W*(?:therefore|thus|hence|so|in conclusion|in summary|overall|consequently|to conclude|in short|finally|as a result|accordingly)\b",
    re.I,
)
ANOTHER = re.compile(
    r"(.{0,200}?\b(?:is|are|was|were|be|called|named)\b[^,.;]{2,80}|(?-i:[A-Z][\w.-]{0,30}(?:\s[A-Z][\w.-]{0,30}){0,3})),\s*(?:whereas|while|unlike|(?:which|who)\s+(?!(?:is|are|was|were|means|equals|gives|makes|corresponds)\b))",
    re.I | re.S,
)
KINDS = {"type", "group", "vitamin", "class", "factor"}
BOTH_WAYS = re.compile(
    r"\b(?:increas|decreas|rise|fall)\w*[^.;]{0,30}\bthen\s+(?:\w+\s+)?(?:increas|decreas|rise|fall)",
    re.I,
)
ERA = re.compile(r"\bB\.?C\.?(?:E\b\.?)?(?![A-Za-z])")
NO_START = re.compile(
    r"(?:of\s+course|absolutely|definitely|certainly)\s+not\b|not\s+(?:really|at\s+all|possible|necessarily)\b|i\s+do(?:n['’]t|\s+not)\s+think\s+so\b|impossible\b|it\s+(?:cannot|(?:is|was|does|did|can|will|would)\s?(?:not|n['’]t))\b",
    re.I,
)
YES_START = re.compile(
    r"(?:absolutely|definitely|certainly|of\s+course|sure)\b|it\s+(?:does|did|can|will|would|is\s+possible)\b",
    re.I,
)
END_OF_SENTENCE = re.compile(
    r"\b(?:is|are|called|named|forms?|producing|produces?|gives?|yields?)\s+(\S.{0,40}?)[.\s]*$"
)
SPAN = re.compile(
    r"(?:about\s+|approximately\s+|between\s+)?(-?[\d.]+)\s*(?:-|to|and)\s*([\d.]+)\s*(\D{0,20})"
)
BARE_LIST = re.compile(
    r"(?:the\s)?[\w-]+(?:\s[\w-]+)?(?:,\s[\w-]+(?:\s[\w-]+)?){0,6},?\sand\s(?:the\s)?[\w-]+(?:\s[\w-]+)?\.?",
    re.I,
)
HEDGE = re.compile(
    r"\beither\b|\b(?:might|may|could|maybe|perhaps|possibly|probably|likely|unsure|not sure|guess)\b[^.;]{0,60}\bor\b|\bor (?:maybe|perhaps|possibly)\b",
    re.I,
)
CALL = re.compile(r"(?<![A-Za-z])[A-Za-zΘΩ]\s*\((?:[^()]|\([^()]*\)){1,40}\)")
CORRECTION = re.compile(
    r"\b(?:wait\b|no, actually|actually, no\b|scratch that|correction\s*:|let me correct|I meant\b|sorry,)[\s,.:;!—–-]*(?:no\b,?\s*)?(?:actually\b,?\s*)?",
    re.I,
)
QUANTITY = re.compile(
    r"(?<![\w.^])(?<![a-zA-Z]-)[-+−]?\s?(?:(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+)(?:\s*/\s*\d+)?(?:\s*(?:[×x*]|\\times|\\cdot)\s*10\s*\^?\s*\{?\s*[-+−]?\s*\d+\}?|[eE][-+]?\d+)?"
)
ASIDE = re.compile(r"(?P<kept>)\((?:[a-z]+\s){1,4}[\d.,]+\)")
CIRCUMSTANCE = re.compile(
    r"(?P<kept>\d\s?[^\s.,;]{1,12}(?:\s[^\s.,;]{1,12}){0,3})\s(?:after|at|within|when)\s(?:t\s?=\s?|about\s|approximately\s)?-?\d[\d.,]*\s?[a-zA-Z°%/]*"
)
COUNT = re.compile(
    r"\b(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)\b(?![\s-](?:hundred|thousand|million|billion|one|two|three|four|five|six|seven|eight|nine|thirds?|fourths?|quarters?|fifths?|and))",
    re.I,
)
MAX_READ = 20_000


def extract_text(text):
    """The stated answer: the last box, the last "answer is ...", else the concluding sentence of a long text, else the text; None if empty."""
    text = text[-MAX_READ:].strip()
    if not text:
        return None
    found = boxes(text)
    if found:
        return found[-1][2].strip() or None
    said = marked(text)
    if said:
        return said
    if len(text) <= 400:
        corrected = CORRECTION.split(text)[-1]
        return plain(corrected if len(corrected.split()) > 1 else text).strip() or None
    sentences = [
        s.strip()
        for s in SENTENCES.split(text)
        if s and s.strip() and not PREFACE.fullmatch(s.strip())
    ] or [text]
    for sentence in reversed(sentences[-4:]):
        if CONCLUSION.match(sentence):
            return plain(sentence)
    if sentences[0].endswith(":"):  # a list: its points
        points = [
            point
            for point in (
                re.match(r"(?:[-*•]|\d{1,2}[.)])\s+(.{1,80})$", line) for line in sentences[1:10]
            )
            if point
        ]
        return (
            plain(sentences[0] + " " + ", ".join(point[1] for point in points))
            if points
            else plain(sentences[0] + " " + sentences[-1])[:1500]
        )
    return plain(sentences[0] if len(sentences) < 2 else sentences[0] + " " + sentences[-1])[:1500]


def marked(text):
    """What follows the last "answer is", "Answer:", "####"; None without such a mark."""
    for match in reversed(list(itertools.islice(STATED.finditer(text), 500))):
        if re.search(
            r"\b(?:if|whether|not|wrong|incorrect)\b[^.\n]{0,20}$",
            text[max(0, match.start() - 25) : match.start()],
            re.I,
        ):
            continue
        if match["mid"] and re.search(r"\b(?:not|cannot|can't|if|as|because)\b", match["mid"]):
            continue
        tail = LEADING.sub("", text[match.end() : match.end() + 1500].lstrip("*_ \n:"))
        tail = re.sub(r"^[\"“]([^\"“”\n]{1,300})[\"”].*", r"\1", tail, flags=re.S)
        head = re.split(r"\n|(?<=[^A-Z.][.!?])\s+(?=[\"'“(*]*[A-Z])", tail, maxsplit=1)[0]
        head = plain(head).strip().strip("\"'“”").rstrip(".,;:!").strip()
        if re.search(r"\w", head):
            return head
    return None


@functools.lru_cache(maxsize=4096)
def alternatives(reference):
    """The ways to write a reference: whole, without and inside its brackets, each side of "or", "also known as", a spaced slash."""
    reference = reference.strip().rstrip(".")
    found = [reference]
    if subject := re.match(
        r"(?:it|they|this)\s+(?:(?:will|would)\s+)?(?!is\b|are\b|was\b)(?=\w{4})", reference, re.I
    ):
        found.append(reference[subject.end() :])  # "It increases" names no other subject
    bracket = re.fullmatch(
        r"(.*?\S)(?:\s+|(?=\(e?s\))|(?<=[a-zA-Z]{3})(?<!sin|cos|tan|log|exp)(?=\([a-zA-Z ]{4}))\(([^()]+)\)\s*(.*)",
        reference,
    )
    if bracket:
        found.append(f"{bracket[1]} {bracket[3]}".strip())
        note = re.sub(
            r"^(?:also\s+(?:known\s+as|called)|or|aka|i\.e\.,?|e\.g\.,?|accept|abbreviated)\s+",
            "",
            bracket[2],
            flags=re.I,
        )
        if not bracket[3] and (
            set(tokens(note)) & set(tokens(bracket[1]))
            or bracket[1].islower()
            and re.fullmatch(r".{0,60}[a-z]s\s[a-z]{3,30}s", f"{bracket[1]} {note}")
            or re.fullmatch(r"(?=.*[A-Z].*[A-Z\d])[\w.+-]{2,10}", note)
            or note != bracket[2]
        ):
            found.append(note)
    for separator in (
        r",?\s+or\s+",
        r",?\s*(?:also\s+known\s+as|also\s+called|a\.?k\.?a\.?|i\.e\.)\s+",
        r"\s+/\s+|(?<=[a-z])/(?=[A-Za-z]{3})",
        r"\s*;\s*(?:or\s+)?|\s*\|\s*",
    ):
        parts = re.split(separator, reference, flags=re.I)
        if 1 < len(parts) <= 8 and all(re.search(r"\w", p) for p in parts):
            if (
                separator.startswith(r"\s+/")
                and parse_quantity(reference)
                or separator.startswith(r"\s*;")
                and any(re.match(r"\(?[a-z0-9]\)|[a-z0-9]\.", p.strip()) for p in parts)
            ):
                continue
            found.extend(p.strip() for p in parts)
    found += [f.translate(UMLAUTS) for f in found] + [
        TITLE.sub("", f) for f in found if TITLE.match(f)
    ]
    found += [
        f[article.end() :]
        for f in found
        if (article := re.match(r"(?:in|at|on|of|from|for|through)\s+(?=\w)", f, re.I))
    ]
    return tuple(
        dict.fromkeys(
            f
            for f in found
            if re.search(r"\w", f) and (f == reference or not re.fullmatch(r"\W*[a-z]\W*", f))
        )
    )  # not the (b) of "(b), (c)"


def same_text(statement, reference, whole=None):
    """Does statement give the reference (or one of its alternatives)? whole: the response the statement was taken from, for long explanations."""
    statement, reference = str(statement)[:MAX_READ], plain(str(reference)[:MAX_READ]).strip()
    if whole is not None and several_parts(reference):
        statement = after_mark(whole)
    if len(reference.strip("().")) == 1 and reference.strip("().").isalpha():
        letter = reference.strip("().")
        return not part_texts(statement) and bool(
            re.fullmatch(
                rf"\W*(?:(?:option|choice|letter|part|variable|symbol)\s+)?{letter}(?![+#])\W*|.{{0,80}}\b(?:is|are)\s+{letter}(?![+#])\W*|\W*{letter}[).:]\s.*",
                statement,
                re.S | (0 if letter.isupper() else re.I),
            )
        )
    parts = part_texts(reference)
    if parts:
        said = part_texts(plain(statement))
        return (
            len(said) == len(parts)
            and all(same_text(one, two) for one, two in zip(said, parts, strict=False))
            or not said
            and any(len(tokens(p)) > 1 for p in parts)
            and all(same_text(statement, part) for part in parts)
        )
    polarity = yes_no(reference)
    if polarity is not None and len(tokens(reference)) == 1:
        return yes_no(statement) == polarity
    if polarity is not None and yes_no(statement) == (not polarity):
        return False
    # Substances count where they stand alone or end a sentence: "the symbol of gold is Ag" names gold only to ask for it.
    ends = (
        END_OF_SENTENCE.search(sentence) for sentence in SENTENCES.split(statement)[:4] if sentence
    )
    substances = formulas_of(statement).union(*(formulas_of(end[1]) for end in ends if end))
    if substances and any(substances & formulas_of(option) for option in alternatives(reference)):
        return True
    if len(wanted := items(reference)) > 1 and any(map(formulas_of, wanted)):  # NaCl and water
        end = END_OF_SENTENCE.search(statement)
        said = items(end[1] if end else statement)
        if len(said) == len(wanted) and all(
            any(same_text(one, two) for one in said) for two in wanted
        ):
            return True
    if (
        (isotope := isotopes(reference))
        and len(tokens(reference)) <= 4
        and re.search(r"[a-z]{3}|-|\^|^\d{2,3}(?!Pa)[A-Z][a-z]$", reference)
    ):
        return isotopes(statement)[-1:] == isotope
    statements = dict.fromkeys((statement, statement.translate(UMLAUTS)))
    return any(
        gives(spelt_out(said, option), option)
        for option in alternatives(reference)
        for said in statements
    )


def after_mark(text):
    """Everything behind the last "answer is" of a response, or all of it: for references of several sentences or parts."""
    found = list(itertools.islice(STATED.finditer(text), 500))
    return plain(text[found[-1].end() :] if found else text)[:MAX_READ].strip().lstrip("*: ")


def part_texts(text):
    """["3.26", "1.02"] of "a. 3.26; b. 1.02": the parts of an answer that labels them; [] of any other."""
    pieces = re.split(r"(?:^|[;.,\n]\s*|\s)\(?([a-h])[.)]\s+", text.strip())
    labels = pieces[1::2]
    return (
        [p.strip(" ;.\n") for p in pieces[2::2]]
        if len(labels) > 1 and labels == [chr(97 + i) for i in range(len(labels))]
        else []
    )


def several_parts(reference):
    return bool(re.search(r"[.;?!]\s+\S|\n", reference.strip()))


def yes_no(text):
    """True, False or None: does a text open (or state) yes or no?"""
    text = strip_wrappers(text)
    words = re.findall(r"[a-z']+", text.lower())[:60]
    if not words:
        return None
    if words[0] in AFFIRM | DENY - {"not", "never", "wrong", "right"}:
        return words[0] in AFFIRM
    if NO_START.match(text) or YES_START.match(text):
        return not NO_START.match(text)
    said = re.search(
        r"\b(?:is|answer|statement|therefore|thus|hence|so)\W+(?:indeed\s+|definitely\s+|actually\s+)?(not\s+)?(true|false|correct|incorrect|yes|no)\b(?!\s+(?:longer|more|matter))",
        text.lower(),
    )
    return (said[2] in AFFIRM) != bool(said[1]) if said else None


def gives(statement, reference):
    """Does statement give this one way of writing the reference?"""
    if (wanted_ratio := ratio(reference)) is not None:
        said = [float(a) / float(b) for a, b in RATIO.findall(statement) if float(b)]
        return (
            any(abs(r - wanted_ratio) <= 1e-6 * wanted_ratio for r in said)
            or not said
            and same_math(statement, reference)
        )
    if INFINITE.fullmatch(reference):
        return bool(re.search(r"\binfinit(?:y|e)\b|\\infty|∞", statement, re.I)) and not re.search(
            r"\bnot\s+infinit", statement
        )
    if (verdict := in_span(statement, reference)) is not None:
        return verdict
    if re.fullmatch(r"[1-7][spdf]", reference.strip()):  # an orbital, not days
        return reference.strip() in re.findall(r"[1-7][spdf](?![a-z])", statement)
    quantity = parse_quantity(reference)
    in_words = (
        quantity is not None
        and words_to_number(reference) is not None
        and re.search(r"\d", statement)
    )
    if (
        quantity is not None
        and (in_words or re.search(r"\d", reference))
        and not (quantity.noun and re.match(r"\d+-[a-z]", reference))
    ):  # 2-butanol is a name
        return states_quantity(statement, quantity) and same_era(statement, reference)
    if is_formula(formula := bare_formula(reference)):
        return states_formula(statement, formula) or short_for(formula, statement)
    if re.fullmatch(r"[A-Z]{2,6}", bare := statement.strip("().,* ")) and short_for(
        bare, reference
    ):
        return True
    if re.fullmatch(CALL, reference):  # O(log n), f(x): a formula, whose letters are no words
        wanted = bare_call(reference)
        return any(bare_call(said) == wanted for said in re.findall(CALL, statement)) or same_math(
            statement, reference
        )
    if (wanted := reaction(reference)) and (said := reaction(statement)):
        return said == wanted
    if (
        re.search(r"[=^\\]|\d\s*[/*]\s*\d|\w\s*[+]\s*\w", reference)
        and len(statement) < 300
        and same_math(statement, reference)
    ):
        return True
    if re.fullmatch(
        r"[A-Z][a-z]?", reference.strip()
    ):  # the symbol of an element or a quantity: Co is not CO
        return reference.strip() in re.findall(r"[A-Za-z]+", statement)
    return words_give(statement, reference)


def in_span(statement, reference):
    """Does statement give a value inside a reference such as "5 to 6 hours", or the same range? None where the reference is no range."""
    span = SPAN.fullmatch(to_ascii_math(reference))
    low, high = (
        (parse_quantity(f"{end} {span[3]}") for end in (span[1], span[2])) if span else (None, None)
    )
    if not (low and high):
        return None
    if value := parse_quantity(statement):
        return value.unit in ("", low.unit) and low.value <= value.value <= high.value
    said = SPAN.fullmatch(to_ascii_math(statement).strip(" ."))
    return bool(said) and said.groups() == span.groups()


def same_era(statement, reference):
    """A year before Christ is said as one, and of no other reference."""
    if ERA.search(reference):
        return not re.search(r"\bA\.?D\.?\b|\bCE\b", statement)
    return not ERA.search(statement)


def words_give(statement, reference):
    """Does statement give a reference of words: whole, as a list, by a surname, by its head, or by most of a long one?"""
    said, wanted = tokens(statement), tokens(reference)
    if "".join(said) == "".join(wanted) or squeezed(statement) == squeezed(reference):
        return not extra_items(statement, reference)
    said = not_joined(said, wanted)
    if wanted == ("unchang",):
        said = tuple("unchang" if word == "constant" else word for word in said)
    if len(wanted) == 1 and BOTH_WAYS.search(statement):
        return False  # increases, then decreases
    named = ANOTHER.match(statement) if len(wanted) <= 3 else None
    if named and len(tokens(named[1])) > 1:
        said = tokens(named[1])  # "it is glucagon, which opposes insulin" gives glucagon
    if not wanted or not said:
        return False
    if (
        re.fullmatch(r"[A-Z]\w+", reference)
        and (other := re.findall(rf"\b(?:({DISTINCT})\s)?{reference}\b", statement))
        and all(other)
    ):
        return False  # West Virginia is not Virginia
    if contains(said, wanted):
        return not extra_items(statement, reference)
    people = reference.split(" and ")
    if len(people) > 1 and all(known_by_surname(statement, person) for person in people):
        return True
    same_person = known_by_surname(named[1] if named else statement, reference)
    if same_person or same_person is False and INITIAL.search(reference):
        return same_person
    if len(wanted) >= 2 and listed(said, wanted, reference, statement):
        return True
    if len(said) <= max(6, len(wanted)) and part_of(said, wanted, reference):
        return True
    return len(wanted) > 7 and recalls(said, wanted)


def squeezed(text):
    """The letters and digits of a text without articles, for words that are written as one or as two: merge-sort, mergesort."""
    return re.sub(r"\b(?:an?|the)\b|\W+|_", "", one_spelling(text)) or None


def not_joined(said, wanted):
    """The said words with "not soluble" as the "insoluble" of the reference, or the other way round."""
    pairs = {
        ("not", word[len(prefix) :]): (word,)
        for word in wanted
        for prefix in ("non", "in", "im", "ir", "il", "un")
        if word.startswith(prefix) and len(word) > 6
    }
    opened = {
        (prefix + two,): ("not", two)
        for one, two in itertools.pairwise(wanted)
        if one == "not"
        for prefix in ("non", "in", "im", "ir", "il", "un")
    }
    for old, new in (pairs | opened).items():
        at = next(
            (i for i in range(len(said) - len(old) + 1) if said[i : i + len(old)] == old), None
        )
        said = said if at is None else said[:at] + new + said[at + len(old) :]
    return said


def bare_call(text):
    return re.sub(r"[\s\\{}()$*^]|left|right", "", text).lower()


def contains(said, wanted):
    """Do the wanted words stand in said, side by side and not negated?"""
    size = len(wanted)
    places = (at for at in range(len(said) - size + 1) if said[at : at + size] == wanted)
    return any(wanted[0] in NEGATIVE or not denied(said[:at]) for at in places)


def denied(before):
    """Do the words before a name deny it: "not", "does not use", "rather than", "unlike"?"""
    third, second, last = ("", "", "", *before[-3:])[-3:]
    return (
        last in NEGATIVE
        or last in ("than", "unlik")
        or second == "not"
        and third in ("do", "doe", "did")
        or second in ("dont", "doesnt", "didnt")
        or second in NEGATIVE
        and last in SMALL | {"caus", "due"}
        or (second, last) in CONTRASTS
    )


def listed(said, wanted, reference, statement):
    """All wanted content words near each other in said (dates, names with initials, lists in another order)."""
    initials = {initial.lower() for initial in re.findall(r"\b([A-Za-z])\.(?=\s)", reference)}
    telling = [w for w in wanted if w not in SMALL and w not in initials]
    if (
        not telling
        or NEGATIVE & set(said) - set(wanted)
        or len(telling) < 2
        and len(wanted) > 1
        and re.match(r"[a-z]", reference)
    ):
        return False
    if not set(telling) <= set(said) or len(telling) > 12:
        return False
    if INITIAL.search(reference) and any(
        i not in {n[:1] for n in reference.split()} for i in INITIAL.findall(statement)
    ):
        return False  # George H. W. Bush is not George W. Bush
    if RELATIONS & set(wanted) and not in_order(
        telling, said
    ):  # "the current lags the voltage" is not "the voltage lags the current"
        return False
    pairs = [pair for pair in itertools.pairwise(wanted) if pair[0].isdigit() and pair[1].isalpha()]
    if (
        len(pairs) > 1
        and not set(MONTHS.values()) & set(wanted)
        and not set(pairs) <= set(itertools.pairwise(said))
    ):
        return False  # one sigma and two pi bonds
    if extra_items(statement, reference):
        return False
    places = [[i for i, w in enumerate(said) if w == c] for c in telling]
    span = min(
        (
            max(min(p, key=lambda x: abs(x - start)) for p in places)
            - min(min(p, key=lambda x: abs(x - start)) for p in places)
            for start in places[0]
        ),
        default=99,
    )
    if any(
        a in said and b in said and (a in wanted) != (b in wanted) for a, b in OPPOSITES
    ) or directions(said) != directions(wanted):
        return False
    return span <= 2 * len(wanted) + 4


def items(text):
    parts = re.split(r",\s*(?:and|or)?\s*|\s+and\s+|;\s*|\n", text.strip().rstrip("."))
    return [p for p in parts if p.strip()]


def extra_items(statement, reference):
    """Is the statement a bare list with more items than the reference has?"""
    wanted, said = items(reference), items(statement)
    if len(wanted) < 2 and HEDGE.search(statement):
        return True
    if (
        len(wanted) < 2
        and BARE_LIST.fullmatch(statement.strip())
        and not (RELATIONS | DIRECTIONS) & set(tokens(statement))
    ):
        return len(said) > 1
    return (
        len(wanted) >= 2
        and len(said) > len(wanted)
        and all(len(p.split()) <= 3 for p in said)
        and len(tokens(statement)) < 25
    )


def part_of(said, wanted, reference):
    """Is a shorter statement still the reference: its surname, its head before "of", the reference without a word that only says what kind of thing it is?"""
    if NEGATIVE & set(said) != NEGATIVE & set(wanted):
        return False
    core = content(said)
    names = re.findall(r"[^\s,]+", re.sub(r"\([^()]*\)", "", reference))
    if (
        len(core) <= 2
        and 2 <= len(names) <= 4
        and not (len(core) == 1 and re.fullmatch(DISTINCT, names[-2]))
        and "," not in reference
        and all(
            n[:1].isupper()
            and n[1:].islower()
            or re.fullmatch(r"[A-Z]\.?|de|van|von|der|da|di|del|la|the", n)
            for n in names
        )
        and core
        and (
            core[-1:] == tokens(names[-1]) or core == tokens(names[0]) and names[1] in ("the", "da")
        )
        and set(core) <= set(wanted)
    ):
        return True
    head = re.split(
        r"\s+(?:of|in|from|by|with|due|that|which|because|for|at|on|between)\s+|,",
        re.sub(r"\([^()]*\)", "", reference),
        maxsplit=1,
    )
    heads = [tokens(head[0])] + (
        [tokens(head[1])]
        if len(head) > 1 and tokens(head[0]) and tokens(head[0])[-1] in GENERIC
        else []
    )
    if re.search(r"\d", reference[len(head[0]) :]):
        heads = []  # July 4 is not all of July 4, 1776
    if (
        any(core == content(h) and h for h in heads)
        and len(core)
        and not (len(core) == 1 and core[0] in GENERIC)
    ):
        return True
    if wanted[0] in KINDS and core == wanted[1:]:
        return True  # AB of type AB, B12 of vitamin B12
    if core == without_eponym(reference):
        return True
    return (
        bool(core)
        and len(items(reference)) == 1
        and wanted[: len(core)] == core
        and not set(core) <= GENERIC
        and 1 <= len(wanted) - len(core) <= 2
        and set(wanted[len(core) :]) <= GENERIC
    )


def recalls(said, wanted):
    """A long reference: at least three quarters of its content words, all of its numbers, no opposite and no other negation."""
    telling = set(content(wanted))
    here = set(said)
    if not telling or any(w[0].isdigit() and w not in here for w in telling):
        return False
    if bool(NEGATIVE & here) != bool(NEGATIVE & set(wanted)):
        return False
    if any(
        (a in telling and a not in here and b in here)
        or (b in telling and b not in here and a in here)
        for a, b in OPPOSITES
    ):
        return False
    ours, theirs = directions(said), directions(wanted)
    return len(telling & here) >= 0.75 * len(telling) and (ours == theirs or len(theirs) < 2)


def directions(words):
    """The words of direction in their order: "pressure rises, volume falls" is not "pressure falls, volume rises"."""
    return [w for w in words if w in DIRECTIONS]


def states_quantity(statement, quantity):
    """Is the number with its unit among those that the statement states? A hedge ("3 or 4") is no statement."""
    if quantity.value == 0 and re.fullmatch(r"\W*(?:none|nil)\W*", statement, re.I):
        return True
    if len(statement) < 30 and re.fullmatch(
        r"[\d\s^*+().×-]*\d\s*[\^*+×][\d\s^*+().×-]*", statement
    ):
        return same_math(statement, f"{quantity.value:.15g}")
    whole = parse_quantity(statement) or (
        value_of(statement) if len(statement) < 60 and re.search(r"[\\π√]", statement) else None
    )
    if whole is not None:
        return same_quantity(whole, quantity)
    text = COUNT.sub(
        lambda word: f"{words_to_number(word[0]):g}",
        strip_wrappers(re.sub(r"_\s*(?:\{[^{}]{0,20}\}|\w)", "", statement)),
    )
    for aside in (ASIDE, CIRCUMSTANCE):  # carbon (atomic number 6) has 4; 25 m/s after 5 s
        if re.search(r"\d", shorter := aside.sub(r"\g<kept>", text)):
            text = shorter
    if (
        re.search(r"\d\s*(?:or|to|[-–])\s*\d", text)
        and not re.search(r"10\s*\^", text)
        and not quantity.scientific
        and not re.search(r"\d{4}-\d\d", text)
    ):
        text = re.sub(r"\d+(?:\.\d+)?\s*(?:or|to)\s*\d+(?:\.\d+)?", " ", text)
    for match in itertools.islice(QUANTITY.finditer(text), 200):
        piece, rest = match[0].strip(), text[match.end() : match.end() + 60]
        if re.match(r"\s*(?:\\(?:hat|vec|sqrt|pi|frac)|:\d)", rest) or re.search(
            r"\d:$", text[max(0, match.start() - 3) : match.start()]
        ):
            continue  # a coefficient, a part of a ratio
        scale = re.match(r"\s*(hundred|thousand|million|billion|trillion)\b", rest)
        piece, rest = (piece + scale[0], rest[scale.end() :]) if scale else (piece, rest)
        unit = unit_after(rest)
        said = parse_quantity(f"{piece} {unit}") if unit else None
        said = said or parse_quantity(piece)
        early = (
            said
            and not said.unit
            and 1000 <= said.value < 2100
            and re.search(r"\b(?:before|after|prior\s+to)\s*$", text[: match.start()][-12:])
        )
        if said and not early and same_quantity(said, quantity):
            return True
    words = words_to_number(" ".join(re.findall(r"[a-z-]+", statement.lower())[:1]) or "x")
    if words is not None and words == quantity.value:
        return True
    return f"{quantity.value:.15g}" in tokens(statement) and not re.search(r"\d", statement)


def read(text, options=None):
    """(answer or None, rule); with options the text of the option that was chosen."""
    if options:
        letter = choice.read(text, options)[0]
        found = None if letter is None or len(letter) > 1 else str(options[LETTERS.index(letter)])
    else:
        found = extract_text(text)
    return found, "text" if found else None


def steps(text, options=None):
    yield "text", read(text, options)[0]


def same(answer, reference, unit=None, rel_tol=None, response=None):
    """(True, False or None, rule)"""
    if unit:
        right = same_math(answer, reference, unit, rel_tol) or same_text(
            answer, f"{reference} {unit}"
        )
    else:
        right = same_text(answer, reference, trim.final_part(response) if response else None)
    return right, "words"
