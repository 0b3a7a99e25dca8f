"""Short answers in words: what a response states, and whether that is the reference. Words that differ are left to a judge.

    read("The powerhouse is the mitochondrion.")             -> ("The powerhouse is the mitochondrion.", "whole text")
    same("The powerhouse is the mitochondrion.", "mitochondria") -> (True, "states it")
    same("It is not caused by iron", "iron")                  -> (None, "states it")      denied
    same("the lysosome", "ribosome")                          -> (None, "other words")    perhaps a synonym

True only where the reference's own words, number or formula are stated, unhedged; False only where the
two are of one kind and differ: yes and no, numbers. RULES are tried in order.
"""

import itertools
import re

from . import choice, equal, solution
from .markup import boxes, flat_scripts, plain
from .options import LETTERS
from .quantity import parse_quantity
from .words import OPPOSITES, squeezed, tokens

MAX_READ = 20_000
LONG = 400  # characters: an explanation, of which the first and the last sentence count

# ---- reading ----

SENTENCES = re.compile(r"(?<=[.!?])(?<!\n\d\.)[\"'”’)*\]]*\s+(?=[\"'“(*]*[A-Z0-9])|\n+")
CONCLUSION = re.compile(
    r"(?i)\W*(?:therefore|thus|hence|so|in (?:conclusion|summary|short)|finally)\b"
)
STATED = re.compile(  # "the answer is", "**Final answer:**", "####"
    r"(?i)#{4}|\b(?:final )?answer\b(?P<mid>[^.\n:=]{0,80}?)(?:\s*[:=]|\s(?:is|are|was|were|be)\b)"
)


def box(text, options):
    found = boxes(text)
    return found[-1][2].strip() or None if found else None


def statement(text, options):
    """What follows the last "answer is", "Answer:", "####"; None without such a mark."""
    for match in reversed(list(itertools.islice(STATED.finditer(text), 500))):
        before = text[max(0, match.start() - 25) : match.start()] + (match["mid"] or "")
        if re.search(r"(?i)\b(?:if|whether|not|wrong|incorrect|cannot|because)\b[^.\n]*$", before):
            continue
        tail = text[match.end() : match.end() + 1500].lstrip("*_\"'“ \n:")
        head = re.split(r"\n|(?<=[^A-Z.][.!?])\s+(?=[\"'“(*]*[A-Z])", tail, maxsplit=1)[0]
        head = plain(head).strip(" \"'“”").rstrip(".,:;!").strip()
        if re.search(r"\w", head):
            return head
    return None


def whole_text(text, options):
    return plain(text).strip() or None if len(text) <= LONG else None


def conclusion(text, options):
    return next((plain(part) for part in sentences(text)[:-5:-1] if CONCLUSION.match(part)), None)


def sentences(text):
    found = (part.strip() for part in SENTENCES.split(text) if part)
    return [part for part in found if part and not part.startswith("#")] or [text]


def first_and_last_sentence(text, options):
    found = sentences(text)
    return plain(" ".join(dict.fromkeys((found[0], found[-1]))))[:1500]


def chosen_option(text, options):
    """The text of the option that was chosen; "" where none was."""
    if not options:
        return None
    letters = choice.read(text, options)[0]
    return str(options[LETTERS.index(letters)]) if letters and len(letters) == 1 else ""


READING = (
    ("option", chosen_option),
    ("box", box),
    ("statement", statement),
    ("whole text", whole_text),
    ("conclusion", conclusion),
    ("first and last sentence", first_and_last_sentence),
)


def read(text, options=None):
    """(answer, rule); with options the text of the option that was chosen."""
    *_, (name, answer) = steps(text, options)
    return answer or None, name if answer else None


def steps(text, options=None):
    """(rule, what it said) up to the rule that decided."""
    text = text[-MAX_READ:].strip()
    for name, rule in READING:
        answer = rule(text, options)
        yield name, answer
        if answer is not None:
            return


# ---- comparing: rules of (statement, reference) -> (verdict,), None where one does not apply ----

NEGATIVE = set(
    """not no never neither nor without none cannot isnt arent wasnt werent doesnt dont didnt cant wont
    non except unlike than""".split()
)
HEDGE = re.compile(
    r"(?i)\b(?:either|or|might|may|could|maybe|perhaps|possibly|unsure|not sure|guess|wait|actually)\b"
)
AFFIRM, DENY = set("yes true correct right".split()), set("no false incorrect wrong".split())
POLARITY = re.compile(  # "No, ...", "The statement is not true", "so the answer is no"
    r"""(?x)
    (?: ^\W* | \b(?:is|answer|statement|therefore|thus|hence|so)\W+ (?:indeed\s+|actually\s+)? )
    (not\s+)? (true|false|correct|incorrect|wrong|yes|no)\b (?!\s+(?:longer|more|matter|or\b)|\W*/)"""
)
PLACE_WORD = r"\b(?:New|North|South|East|West|Upper|Lower|Great|San|Los)\s"  # West Virginia
AKA = r"(?i)^(?:also\s+(?:known\s+as|called)|or|aka|i\.e\.,?|e\.g\.,?|accept|abbreviated)\s+"
NAME_WITH_NUMBER = re.compile(r"\d+-[a-z\d]|[a-z]-\d")  # 2-butanol, carbon-14, a date
FORMULA = re.compile(r"[=^\\_]|\d|[+-]$|\(.+\)|^[A-Z][a-z]?$|[A-Z]{2}")


def same(answer, reference, unit=None, rel_tol=None):
    """(True, False or None, rule): does the statement give the reference, or one of its alternatives?"""
    answer, reference = (plain(str(text)[:MAX_READ]).strip() for text in (answer, reference))
    if unit:
        return equal.same(answer, reference, unit, rel_tol)
    found = [decide(answer, wanted) for wanted in alternatives(reference)]
    return min(found, key=lambda pair: (True, None, False).index(pair[0]))


def decide(answer, reference):
    for name, rule in RULES:
        if (verdict := rule(answer, reference)) is not None:
            return verdict[0], name
    return None, "other words"


def alternatives(reference):
    """The ways to write a reference: whole, without its brackets, and what they or an "or" say is the same."""
    reference = reference.strip().rstrip(".")
    found = [reference]
    if bracket := re.fullmatch(r"(.*?\S)\s+\(([^()]+)\)", reference):
        note = re.sub(AKA, "", bracket[2])
        found.append(bracket[1])
        if note != bracket[2] or re.fullmatch(r"(?=.*[A-Z].*[A-Z\d])[\w.+-]{2,10}", note):
            found.append(note)  # DNA, CO2
    apart = r",?\s+or\s+|,?\s*(?:also\s+known\s+as|also\s+called|a\.?k\.?a\.?)\s+|\s+/\s+|\s*\|\s*"
    parts = re.split(apart, reference)
    if 1 < len(parts) <= 6 and not parse_quantity(reference):
        found += [part.strip() for part in parts]
    return list(dict.fromkeys(part for part in found if re.search(r"\w", part))) or [reference]


def yes_or_no(answer, reference):
    if reference.lower() not in AFFIRM | DENY:
        return None
    said = POLARITY.search(answer.lower())
    if not said:
        return (None,)
    return (((said[2] in AFFIRM) != bool(said[1])) == (reference.lower() in AFFIRM),)


def number(answer, reference):
    """A number or quantity: as mathematics. False where the statement is a number, another one."""
    if parse_quantity(reference) is None or re.match(r"\d+-[a-z]|\d[spdf]\d?\b", reference):
        return None
    span = re.search(r"\d\s*(?:to|[-–])\s*\d", answer) and not re.search(r"\d{4}-\d\d", answer)
    if (HEDGE.search(answer) or span) and not HEDGE.search(reference) and "-" not in reference:
        return (None,)
    said = solution.read(answer)[0] if len(answer.split()) > 2 else answer
    verdicts = [equal.same(text, reference)[0] for text in {answer, said or answer}]
    if True in verdicts:
        return (True,)
    if tokens(reference) == tuple(word for word in tokens(answer) if word[0].isdigit()):
        return None  # "in 1990", "port 80"
    return (False if verdicts[0] is False and parse_quantity(answer) is not None else None,)


def same_words(answer, reference):
    said, wanted = tokens(answer), tokens(reference)
    equals = said and wanted and (said == wanted or squeezed(answer) == squeezed(reference))
    return (True,) if equals and one_sign(answer, reference) else None


def one_sign(answer, reference):
    """Do symbols keep case and sign? Co is not CO, Na not Na+, C not C++, HTTP not HTTPS."""
    answer, reference = flat_scripts(answer), flat_scripts(reference)
    signs = [re.findall(r"[+#]|[-−](?!\w)|(?<!\w)[-−]", text) for text in (answer, reference)]
    if signs[0] != signs[1] and (signs[1] or len(answer.split()) == 1):
        return False
    bare = [re.sub(r"[\s.]", "", text) for text in (answer, reference)]
    if bare[0].isupper() and bare[1].isupper() and len(bare[0]) != len(bare[1]):
        return False
    name = re.search(r"[A-Z]", reference) and len(reference) <= 5 and not reference[1:].islower()
    if not name and not re.fullmatch(r"[A-Z][a-z]", reference):
        return True
    words = {word.lower(): word for word in re.findall(r"[^\W_]+", answer)}
    return words.get(reference.lower(), reference).rstrip("s") in reference


def formula(answer, reference):
    """A formula or a substance that the statement is, or ends with."""
    last = re.search(
        r"\b(?:is|are|=)\s+(?:an?\s|the\s)?(\S{1,40}(?:\s\S{1,40})?)$", answer.strip(" .")
    )
    texts = [text for text in (answer.strip(" ."), last and last[1]) if text]
    if NAME_WITH_NUMBER.search(reference):
        return None
    for text in texts:
        formulas = FORMULA.search(text) or FORMULA.search(reference)
        alike = formulas and len(text.split()) < 6 and one_sign(text, reference)
        if alike and equal.same(text, reference)[0]:
            return (True,)
    return None


def states_it(answer, reference):
    """The reference's words side by side in the statement, unhedged and not denied."""
    said, wanted = tokens(answer), tokens(reference)
    size = len(wanted)
    places = [at for at in range(len(said) - size + 1) if size and said[at : at + size] == wanted]
    if not places or not one_sign(answer, reference):
        return None
    hedged = HEDGE.search(answer) and not HEDGE.search(reference)
    turned = (
        size < 3
        and {*wanted} & {*OPPOSITES}
        and {*said} & set("then whereas while unlik but".split())
    )
    if hedged or turned or more_items(answer, reference) or part_of_a_name(answer, reference):
        return (None,)
    return (None if any(refused(said[:at], said[at + size :]) for at in places) else True,)


def refused(before, after):
    """Is what stands between these words refused: "not caused by X", "X is not", "instead of X", "of X is Y"?"""
    verb = after[:1] and after[0] in ("is", "was", "are", "were", "do", "doe", "did", "can")
    negated = after[1:2] if verb else after[:1]
    denied = NEGATIVE & {*before[-4:], *negated} - ({"not"} if after[:1] == ("not",) else set())
    apart = " ".join(before[-2:]) in ("instead of", "oppos to", "contrast to", "contrast with")
    of_it = after and before[-1:] == ("of",)  # "the symbol of gold is Ag" asks for gold
    return bool(denied or apart or of_it or before[-1:] in (("befor",), ("after",)))


def items(text):
    parts = re.split(r",\s*(?:and\s+)?|\s+and\s+|;\s*|\n|(?<=[a-z]{3})/(?=[A-Za-z]{3})", text)
    return [part for part in parts if part.strip(" .")]


def more_items(answer, reference):
    """Is the statement a list with more items than the reference has?"""
    said = items(answer)
    return len(said) > len(items(reference)) and all(len(part.split()) <= 4 for part in said)


def part_of_a_name(answer, reference):
    """Does a place stand in the statement only as a part of another: West Virginia?"""
    name = re.escape(reference)
    places = len(re.findall(name, answer))
    return 0 < places == len(re.findall(PLACE_WORD + name, answer)) and reference.istitle()


RULES = (
    ("yes or no", yes_or_no),
    ("number", number),
    ("same words", same_words),
    ("formula", formula),
    ("states it", states_it),
)
