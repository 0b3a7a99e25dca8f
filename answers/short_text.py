"""Short answers in words: what a response states, and whether that is the reference.

    same("The powerhouse is the mitochondrion", "mitochondria") -> (True, "words")
    same("the lysosome", "ribosome")              -> (None, "other words")   perhaps a synonym

True only where the reference's own words, number or formula are stated, unhedged; False only where
both are yes or no, or numbers, and differ.
"""

import re

from . import equal, solution
from .choice import SENTENCE_END
from .markup import plain
from .quantity import parse_quantity
from .words import tokens

MAX_READ = 20_000
LONG = 400  # characters: an explanation, of which the first and the last sentence count
CONCLUSION = re.compile(  # or "This process is called reduction."
    r"""(?xi) \W*(?:therefore|thus|hence|so|in\ (?:conclusion|summary|short)|finally)\b[,\s]*
    | (?=.*\b(?:called|known\ as)\b)"""
)
POLARITY = re.compile(  # "No, ...", "The statement is not true", "so the answer is no"
    r"""(?x)
    (?: ^\W* | \b(?:is|answer|statement|therefore|thus|hence|so)\W+ )
    (not\s+)? (true|false|correct|incorrect|wrong|yes|no)\b (?!\s+(?:longer|more|matter|or\b)|\W*/)"""
)
AFFIRM, DENY = ("yes", "true", "correct", "right"), ("no", "false", "incorrect", "wrong")
NO_VALUE = re.compile(r"\d-[a-z\d]|[a-z]-\d|→|->")  # 2-butanol, carbon-14, a date, a reaction
SYMBOL = re.compile(r"(?=\S{1,6}$)(?:.*[+#-]$|.*[A-Z].?$|.+[A-Z])")  # Co, CO, Na+, C++, pH
APART = re.compile(r"\s*[,;/]\s*(?:and\s)?")
REFUSED = re.compile(  # in stemmed words, # for the reference's
    r"""(?x)
    \b(?:either|or|might|may|could|mayb|perhap|possibly|unsure|sure|guess|wait|actually|although
      |depend)\b
    | \b(?:not|no|never|neither|nor|without|none|cannot|(?:is|are|was|were|do|does|did|ca|wo)nt|non
      |except|unlike|than|instead|oppos|contrast|who|which(?!\ is)) (?:\ (?!but\b)[^\s\#]+){0,3}\ \#
    | \b(?:and|then|befor|after|new|north|south|east|west|upper|lower|left|right)\ \#
    | \bof\ \#\ \w         # "the symbol of gold is Ag" asks for gold
    | \#\ (?:and\ (?!not|who|which|in\b|where)|then|is\ not|isnt|cannot|does\ not|doesnt)\b"""
)


def candidates(text):
    """(rule, words) of what may be the answer, best first."""
    for _, tail in solution.statements(text):
        yield "statement", SENTENCE_END.split(tail.lstrip("*_\"'“ \n:"), maxsplit=1)[0]
    parts = [part for part in SENTENCE_END.split(text) if part and part[0] not in "# "]
    for part in parts[:-5:-1]:
        if found := CONCLUSION.match(part):
            yield "conclusion", part[found.end() :]
    yield "text", text if len(text) <= LONG or not parts else f"{parts[0]} {parts[-1]}"[:1500]


def steps(text, options=None):
    """(rule, what it said) of the rule that decided."""
    text = plain(text[-MAX_READ:]).strip()  # a box is a statement then
    for name, said in candidates(text):
        if re.search(r"\w", said):
            yield name, said.strip(" \"'“”.,:;!\n")
            return


def read(text, options=None):
    """(answer, rule)"""
    return next(((said, name) for name, said in steps(text)), (None, None))


def same(answer, reference):
    """(True, False or None, rule): does the statement give the reference, with or without what
    stands in brackets, or the acronym there?"""
    answer, reference = (plain(str(text)[:MAX_READ]).strip(" .\n") for text in (answer, reference))
    bracket = re.fullmatch(r"(.*\S) \((?![IVX]+\))([A-Za-z ]{3,})\)", reference)
    forms = bracket.groups()[: 1 + bracket[2].isupper()] if bracket else ()
    found = [decide(answer, wanted) for wanted in (reference, *forms)]
    return min(found, key=lambda pair: (True, None, False).index(pair[0]))


def decide(answer, reference):
    """The first rule decides that gives a (verdict,) and not None."""
    for name, rule in RULES:
        if (verdict := rule(answer, reference)) is not None:
            return verdict[0], name
    return None, "other words"


def yes_or_no(answer, reference):
    if reference.lower() not in AFFIRM + DENY:
        return None
    said = POLARITY.search(answer.lower())
    return (said and ((said[2] in DENY) == bool(said[1])) == (reference.lower() in AFFIRM),)


def mathematics(answer, reference):
    """A number, quantity or formula. False where both are quantities."""
    if not re.search(r"\d|[=^\\]", reference) or NO_VALUE.search(reference):
        return None
    verdict = equal.same(solution.read(answer)[0] or answer, reference)[0]
    quantities = parse_quantity(answer) and parse_quantity(reference)
    return (verdict,) if verdict or verdict is False and quantities else None


def words(answer, reference):
    """The reference's words side by side in the statement, unless it hedges, denies or lists."""
    said, wanted = (tokens(APART.sub(" and ", text)) for text in (answer, reference))
    rest = f" {' '.join(said)} ".replace(f" {' '.join(wanted)} ", " # ")
    if "".join(said) == "".join(wanted):  # quick sort, quicksort
        rest = " # "
    if not wanted or "#" not in rest:
        return None
    numbers = [[word for word in text if re.fullmatch(r"[\d.]+", word)] for text in (said, wanted)]
    if not signs_kept(answer, reference) or numbers[1] and numbers[0] != numbers[1]:
        return (None,)
    return (None if REFUSED.search(rest) else True,)


def signs_kept(answer, reference):
    """Does a symbol keep its case and sign: Co is not CO, Na not Na+, C not C++?"""
    answer, reference = (re.sub(r"[_^{}]", "", text) for text in (answer, reference))
    there = rf"(?<!\w){re.escape(reference)}(?![\w+#]|-(?!\w))"
    return not SYMBOL.match(reference) or bool(re.search(there, answer))


RULES = (("yes or no", yes_or_no), ("mathematics", mathematics), ("words", words))
