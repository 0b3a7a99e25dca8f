"""Which options does a text name by their own words or stems, without a letter?

named("The gas is nitrogen dioxide.", ("nitrogen", "nitrogen dioxide")) -> ["B"]
"""

import functools
import re
import string

from .markup import MARKS, NOISE, WRAP, flat_scripts
from .words import stem

LETTERS = string.ascii_uppercase
OPTION_LABEL = re.compile(r"^\s*\(?[A-Z][).:]\s+(?=\S)")
DROPPED = set("the an text mathrm left right times cdot".split())
BEFORE = re.compile(  # "not nitrogen"; the 10 of 3/10, the 3 of -3
    r" (?:not|isnt|arent|never|neither|nor|without|than|except|instead of|no)(?: be| to be| of)? $"
    r"|[-+/^] $"
)


@functools.lru_cache(maxsize=4096)
def words(text):
    """The text as " token token " for containment tests: lower case, no articles, no punctuation, LaTeX flattened."""
    text = flat_scripts(text).lower()
    text = NOISE.sub(" ", WRAP.sub(r"\1", text)) if MARKS.search(text) else text
    text = re.sub(r"\\(?:d|t|c)frac", r"\\frac", text)
    text = re.sub(r"\^\s*\{?\s*\\circ\s*\}?|°|\bdegrees?\b", " deg ", text)
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text)
    if "n't" in text or "n’t" in text or "cannot" in text:
        text = re.sub(r"(?<=[a-z])n['’]t\b|(?<=\bcan)not\b", " not", text)
        text = text.replace("ca not", "can not")
    text = re.sub(r"(?<=[a-z])[-'](?=[a-z])", "", text)
    tokens = re.findall(r"[^\W\d_]+|\d+(?:\.\d+)?|[-+/^%=<>|]", text)
    drop = DROPPED | {"a"} if len(tokens) > 1 else DROPPED
    return f" {' '.join(token for token in tokens if token not in drop)} "


@functools.lru_cache(maxsize=4096)
def stems(text):
    """words(text), each stemmed: "It decreases" -> " it decreas "."""
    return f" {' '.join(stem(word) if word.isalpha() else word for word in words(text).split())} "


@functools.lru_cache(maxsize=512)
def option_words(options, read=words):
    """[(letter, words or stems)] longest first; options without words, or with those of another, are left out."""
    flat = [read(OPTION_LABEL.sub("", option)) for option in options]
    pairs = zip(LETTERS, flat, strict=False)
    found = [pair for pair in pairs if pair[1].strip() and flat.count(pair[1]) == 1]
    return sorted(found, key=lambda pair: -len(pair[1]))


def named(text, options, where="in"):
    """Letters of the options whose words, or else stems, stand "in" a text, at its "start", or are "all" of it."""
    for read in (words, stems) if options else ():
        flat, known = read(text), option_words(options, read)
        if where == "in":
            hits = contained(flat, known)
        else:
            fits = str.__eq__ if where == "all" else str.startswith
            hits = [letter for letter, option in known if fits(flat, option)][:1]
        if hits:
            return hits
    return []


def contained(flat, known):
    """The letters whose words stand in flat, longest first; neither parts of longer ones nor what is denied."""
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
        if denied and before[-2:-1].isalpha() and not option.startswith((" not ", " no ")):
            continue
        hits.append(letter)
        flat = flat.replace(option, " # ")
    return hits


def option_text(letter, options):
    return str(options[LETTERS.index(letter)]).strip()
