"""Short answers in words: what a response states, and whether that is the reference. Words that
differ are left to a judge.

    read("The powerhouse is the mitochondrion.")             -> ("The powerhouse is the mitochondrion.", "whole text")
    same("The powerhouse is the mitochondrion.", "mitochondria") -> (True, "states it")
    same("It is not caused by iron", "iron")                  -> (None, "states it")      denied
    same("the lysosome", "ribosome")                          -> (None, "other words")    perhaps a synonym

True only where the reference's own words, number or formula are stated, unhedged; False only where
the two are of one kind and differ: yes and no, numbers. RULES are tried in order.
"""

import re

from . import equal, solution
from .choice import SENTENCE_END
from .markup import plain
from .quantity import parse_quantity
from .words import squeezed, tokens

MAX_READ = 20_000
LONG = 400  # characters: an explanation, of which the first and the last sentence count

# ---- reading ----

CONCLUSION = re.compile(
    r"(?i)\W*(?:therefore|thus|hence|so|in (?:conclusion|summary|short)|finally)\b"
)


def statement(text):
    """What follows the last "answer is", "Answer:", "####"; None without such a mark."""
    for _, tail in solution.statements(text):
        head = SENTENCE_END.split(tail.lstrip("*_\"'“ \n:"), maxsplit=1)[0].strip(" \"'“”.,:;!")
        if re.search(r"\w", head):
            return head
    return None


def whole_text(text):
    return text if len(text) <= LONG else None


def conclusion(text):
    """The last sentence that concludes, or the first and the last sentence."""
    found = [part.strip() for part in SENTENCE_END.split(text) if part and part.strip()]
    found = [part for part in found if not part.startswith("#")] or [text]
    concluding = [part for part in found[-4:] if CONCLUSION.match(part)]
    return concluding[-1] if concluding else " ".join(dict.fromkeys((found[0], found[-1])))[:1500]


READING = (("statement", statement), ("whole text", whole_text), ("conclusion", conclusion))


def steps(text, options=None):
    """(rule, what it said) up to the rule that decided."""
    text = plain(text[-MAX_READ:]).strip()  # a box is a statement then
    for name, rule in READING:
        answer = rule(text)
        yield name, answer
        if answer is not None:
            return


def read(text, options=None):
    """(answer, rule)"""
    *_, (name, answer) = steps(text)
    return answer or None, name if answer else None


# ---- comparing: rules of (statement, reference) -> (verdict,), None where one does not apply ----

NEGATIVE = set(
    """not no never neither nor without none cannot isnt arent wasnt werent doesnt dont didnt cant wont
    non except unlike than""".split()
)
NAMES = set("befor after new north south east west upper lower left right".split())  # West Virginia
HEDGE = re.compile(
    r"(?i)\b(?:either|or|might|may|could|maybe|perhaps|possibly|unsure|not sure|guess|wait|actually"
    r"|although|depends)\b|\d\s*(?:to|[-–])\s*\d"
)
AFFIRM, DENY = set("yes true correct right".split()), set("no false incorrect wrong".split())
POLARITY = re.compile(  # "No, ...", "The statement is not true", "so the answer is no"
    r"""(?x)
    (?: ^\W* | \b(?:is|answer|statement|therefore|thus|hence|so)\W+ (?:indeed\s+|actually\s+)? )
    (not\s+)? (true|false|correct|incorrect|wrong|yes|no)\b (?!\s+(?:longer|more|matter|or\b)|\W*/)"""
)
NAME_WITH_NUMBER = re.compile(r"\d+-[a-z\d]|[a-z]-\d")  # 2-butanol, carbon-14, a date
FORMULA = re.compile(r"[=^\\_]|\d|[+-]$|\(.+\)|^[A-Z][a-z]?$|[A-Z]{2}")


def same(answer, reference, unit=None, rel_tol=None):
    """(True, False or None, rule): does the statement give the reference, or one of its
    alternatives?"""
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
    """The ways to write a reference: whole, without its brackets, and what they or an "or" say is
    the same."""
    found = [reference := reference.rstrip(".")]
    if bracket := re.fullmatch(r"(.*?\S)\s+\(([^()]+)\)", reference):
        found.append(bracket[1])
        if re.fullmatch(r"(?=.*[A-Z].*[A-Z\d])[\w.+-]{2,10}", bracket[2]):
            found.append(bracket[2])  # DNA, CO2
    if not parse_quantity(reference):
        apart = r",? or |\W+(?:also known as|also called|aka) |\s+/\s+|\s*\|\s*"
        found += [part.strip(" )") for part in re.split(apart, reference)]
    return [part for part in dict.fromkeys(found[:9]) if re.search(r"\w", part)] or [reference]


def yes_or_no(answer, reference):
    if reference.lower() not in AFFIRM | DENY:
        return None
    said = POLARITY.search(answer.lower())
    if not said:
        return (None,)
    return (((said[2] in AFFIRM) != bool(said[1])) == (reference.lower() in AFFIRM),)


def number(answer, reference):
    """A number or quantity: as mathematics. False where the statement is a number, another one."""
    if parse_quantity(reference) is None or NAME_WITH_NUMBER.search(reference):
        return None
    if HEDGE.search(answer):
        return (None,)
    said = solution.read(answer)[0] or answer
    verdict = equal.same(said, reference)[0]
    if not verdict and tokens(reference) == tuple(w for w in tokens(answer) if w[0].isdigit()):
        return None  # "in 1990", "port 80"
    return (verdict if verdict or parse_quantity(answer) else None,)


def same_words(answer, reference):
    said, wanted = tokens(answer), tokens(reference)
    alike = said and wanted and (said == wanted or squeezed(answer) == squeezed(reference))
    return (True,) if alike and own_signs(answer, reference) else None


def formula(answer, reference):
    """A formula or a substance that the statement is."""
    text = answer.strip(" .")
    named = NAME_WITH_NUMBER.search(reference) or len(text.split()) > 5
    formulas = FORMULA.search(text) or FORMULA.search(reference)
    alike = formulas and not named and own_signs(text, reference)
    return (True,) if alike and equal.same(text, reference)[0] else None


def own_signs(answer, reference):
    """Do symbols keep case and sign? Co is not CO, Na not Na+, C not C++, HTTP not HTTPS."""
    signs = [re.findall(r"[+#]|[-−](?!\w)|(?<!\w)[-−]", text) for text in (answer, reference)]
    if signs[0] != signs[1] and (signs[1] or " " not in answer):
        return False
    said, wanted = (re.sub(r"[\s_^{}]", "", text) for text in (answer, reference))
    sizes = {len(re.findall(r"\w", text)) for text in (said, wanted)}
    if said.isupper() and wanted.isupper() and len(sizes) > 1:
        return False  # the s of a plural is lower-case
    short = len(reference) <= 5 and re.search("[A-Z].?$|.[A-Z]", reference)  # Co, CO, not Paris
    return not short or wanted.rstrip("s") in said


def states_it(answer, reference):
    """The reference's words side by side in the statement, unhedged and not denied."""
    last = SENTENCE_END.split(answer.rstrip())[-1]
    if re.search(r"\b(?:called|known as)\b", last):  # "... This process is called reduction."
        answer = last
    said, wanted = tokens(answer), tokens(reference)
    size = len(wanted)
    places = [at for at in range(len(said) - size + 1) if size and said[at : at + size] == wanted]
    if not places or not own_signs(answer, reference):
        return None
    hedged = HEDGE.search(answer) and not HEDGE.search(reference)
    refusals = [refused(said[:at], said[at + size :]) for at in places]
    return (None if hedged or any(refusals) or more_items(answer, reference) else True,)


def refused(before, after):
    """Is what stands between these words refused: "not caused by X", "X is not", "instead of X",
    "of X is Y"?"""
    if before[-1:] == ("but",):
        return False  # "not mitosis but meiosis"
    behind = () if after[:1] == ("not",) else after[:2]  # "the ribosome, not the nucleus"
    denied = NEGATIVE & {*before[-4:], *behind}
    apart = " ".join(before[-2:]) in ("instead of", "oppos to", "contrast to", "contrast with")
    of_it = after and before[-1:] == ("of",)  # "the symbol of gold is Ag" asks for gold
    turned = after[:1] == ("then",)  # "increases then decreases"
    return bool(denied or apart or of_it or turned or NAMES & {*before[-1:]})


def more_items(answer, reference):
    """Is the statement a list with more items than the reference has?"""
    apart = r",\s*(?:and\s+)?|\s+and\s+|;\s*|\n|(?<=[a-z]{3})/(?=[A-Za-z]{3})"
    items, right = (
        [part for part in re.split(apart, text) if part.strip(" .")] for text in (answer, reference)
    )
    return len(items) > len(right) and all(len(part.split()) <= 4 for part in items)


RULES = (
    ("yes or no", yes_or_no),
    ("number", number),
    ("same words", same_words),
    ("formula", formula),
    ("states it", states_it),
)
