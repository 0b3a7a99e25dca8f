"""Which options does a text name by their own words, without a letter?

named("The gas is nitrogen dioxide.", ("nitrogen", "nitrogen dioxide")) -> ["B"]
"""

import functools
import re
import string

from .markup import plain
from .words import stem

LETTERS = string.ascii_uppercase
ARTICLES = {"a", "an", "the"}
FRACTION = re.compile(r"\\[dtc]?frac\s*\{([^{}]{1,20})\}\s*\{([^{}]{1,20})\}")
BEFORE = re.compile(  # "not nitrogen"; the 10 of 3/10, the 3 of -3
    r" (?:not|never|neither|nor|without|than|except|instead of|no)(?: be| to be| of)? $|[-+/^] $"
)


def is_option(letter, options):
    return letter.upper() in LETTERS[: len(options) if options else 10]


@functools.lru_cache(maxsize=4096)
def words(text):
    """The text as " stem stem " for containment tests: lower case, no articles, no punctuation,
    LaTeX flattened."""
    text = FRACTION.sub(r" \1/\2 ", plain(text).lower())
    text = re.sub(r",(?<=\d,)(?=\d{3}\b)|-(?<=[a-z]-)(?=[a-z])", "", text)
    text = re.sub(r"can't|cannot|n't", " not", text)
    tokens = re.findall(r"[^\W\d_]+|\d+(?:\.\d+)?|[-+/^%=<>|]", text)
    drop = ARTICLES if len(tokens) > 1 else ()
    return f" {' '.join(stem(token) for token in tokens if token not in drop)} "


@functools.lru_cache(maxsize=512)
def option_words(options):
    """(longest, [(letter, words)] longest first); no options without words or with another's."""
    flat = list(map(words, options))
    pairs = zip(LETTERS, flat, strict=False)
    known = [pair for pair in pairs if pair[1].strip() and flat.count(pair[1]) == 1]
    return max(map(len, options)), sorted(known, key=lambda pair: -len(pair[1]))


def named(text, options, where="in"):
    """Letters of the options whose words are "in" a text, at its "start", or "all" of it."""
    if not options:
        return []
    longest, known = option_words(options)
    if where == "in":
        return contained(words(text), known)
    flat = words(text[: 2 * longest + 60] if where == "start" else text)
    fits = str.__eq__ if where == "all" else str.startswith
    return [letter for letter, option in known if fits(flat, option)][:1]


def contained(flat, known):
    """The letters whose words stand in flat, longest first; neither parts of longer ones nor what
    is denied."""
    hits = []
    for letter, option in known:
        at = flat.rfind(option)
        if at < 0:
            continue
        before, after = flat[: at + 1], flat[at + len(option) :]
        denied = BEFORE.search(before[-30:])
        if denied and (option[1].isdigit() or before[-2].isalpha()):
            continue
        if option in (" yes ", " no ") and before.strip() and after.strip():
            continue  # "There is no abstract, so I cannot say yes or no without it"
        hits.append(letter)
        flat = flat.replace(option, " # ")
    return hits
