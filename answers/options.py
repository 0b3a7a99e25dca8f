"""Which options does a text name by their own words or stems, without a letter?

named("The gas is nitrogen dioxide.", ("nitrogen", "nitrogen dioxide")) -> ["B"]
"""

import functools
import re
import string

from .markup import plain
from .words import stem

LETTERS = string.ascii_uppercase
LABEL = re.compile(r"^\s*\(?([A-Z])[).:]\s+")
DROPPED = {"the", "an", "times", "cdot"}
BEFORE = re.compile(  # "not nitrogen"; the 10 of 3/10, the 3 of -3
    r" (?:not|isnt|arent|never|neither|nor|without|than|except|instead of|no)(?: be| to be| of)? $"
    r"|[-+/^] $"
)


def is_option(letter, options):
    return letter.upper() in LETTERS[: len(options) if options else 10]


@functools.lru_cache(maxsize=4096)
def words(text, stemmed=False):
    """The text as " token token " for containment tests: lower case, no articles, no punctuation,
    LaTeX flattened."""
    text = plain(text).lower()
    if "\\" in text:
        text = re.sub(r"\^\s*\{?\s*\\circ\s*\}?", " deg ", text)
        text = re.sub(r"\\[dtc]frac", r"\\frac", text)
    text = re.sub(r"°|\bdegrees?\b", " deg ", text)
    text = re.sub(r"(?<=\d),(?=\d{3}\b)|(?<=[a-z])-(?=[a-z])", "", text)
    for short in ("can't", "cannot", "n't"):
        text = text.replace(short, " not")
    tokens = re.findall(r"[^\W\d_]+|\d+(?:\.\d+)?|[-+/^%=<>|]", text)
    drop = DROPPED | {"a"} if len(tokens) > 1 else DROPPED
    tokens = [stem(token) if stemmed else token for token in tokens if token not in drop]
    return f" {' '.join(tokens)} "


@functools.lru_cache(maxsize=512)
def option_words(options):
    """(are they stems, longest, [(letter, words)] longest first); options without words, or with
    those of another, are left out. Stems, unless they make two options one."""
    labels = "".join(match[1] for match in map(LABEL.match, options) if match)
    labelled = labels == LETTERS[: len(options)]  # and not E. coli
    texts = [LABEL.sub("", option) for option in options] if labelled else options
    flat = [words(text, True) for text in texts]
    stemmed = len({*flat}) == len(flat)
    flat = flat if stemmed else list(map(words, texts))
    pairs = zip(LETTERS, flat, strict=False)
    found = [pair for pair in pairs if pair[1].strip() and flat.count(pair[1]) == 1]
    return stemmed, max(map(len, texts)), sorted(found, key=lambda pair: -len(pair[1]))


def named(text, options, where="in"):
    """Letters of the options whose words stand "in" a text, at its "start", or are "all" of it."""
    if not options:
        return []
    stemmed, longest, known = option_words(options)
    if where == "in":
        return contained(words(text, stemmed), known)
    flat = words(text[: 2 * longest + 60] if where == "start" else text, stemmed)
    fits = str.__eq__ if where == "all" else str.startswith
    hits = [letter for letter, option in known if fits(flat, option)][:1]
    return hits or by_number(flat, known)


def by_number(flat, known):
    """The one option that is a bare number with a unit: "15" for "15 m/s"."""
    if not re.fullmatch(r" (?:- )?[\d.]+ ", flat):
        return []
    unit = re.compile(re.escape(flat) + r"(?!(?:and|or|to) )(?:[^\d ]+ |(?<=\^ )(?:- )?\d )+")
    hits = [letter for letter, option in known if unit.fullmatch(option)]
    return hits if len(hits) == 1 else []


def contained(flat, known):
    """The letters whose words stand in flat, longest first; neither parts of longer ones nor what
    is denied."""
    hits = []
    for letter, option in known:
        at = flat.rfind(option)
        if at < 0:
            continue
        before, after = flat[: at + 1], flat[at + len(option) :]
        number = option[1].isdigit()
        denied = BEFORE.search(before[-30:])
        if number and (after[:1] in tuple("/^") or denied):
            continue
        if denied and before[-2:-1].isalpha():
            continue
        hits.append(letter)
        flat = flat.replace(option, " # ")
    return hits
