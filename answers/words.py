"""Words of a short answer as they are compared: stemmed, in one spelling, numbers and ordinals as digits, no articles.

tokens("the Second World Wars") == tokens("2nd world war") -> True
"""

import functools
import re
import unicodedata

from .markup import GREEK, flat_scripts, unwrap
from .quantity import words_to_number

ARTICLES = {"a", "an", "the"}
ORDINALS = """zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh
    twelfth""".split()
OPPOSITE_STEMS = """increas decreas  high low  more less  great small  larg small  positiv negativ
    endothermic exothermic  left right  up down  true false  yes no  above below  fast slow
    before after  gain lose  oxidation reduction  acidic basic  attract repel  north south
    east west  clockwis counterclockwis  maximum minimum  expand contract  ris fall
    spontaneou nonspontaneou  same different"""
OPPOSITES = {}
for _pair in re.split(r"\s{2,}|\n", OPPOSITE_STEMS):
    _one, _two = _pair.split()
    OPPOSITES.setdefault(_one, _two)
    OPPOSITES.setdefault(_two, _one)
IRREGULAR = dict(
    pair.split(":")
    for pair in """mitochondria:mitochondrion bacteria:bacterium nuclei:nucleus fungi:fungus
    phenomena:phenomenon men:man women:woman feet:foot vertices:vertex children:child
    higher:high lower:low larger:larg greater:great faster:fast slower:slow""".split()
)
BRITISH_RE = re.compile(r"(?<=[a-z][btv])re(?=s?$|d$)")  # centre, fibre, litres
BRITISH_OUR = re.compile(r"(?<=[a-z]{2})our(?=s?$|ed$|ing$|less$|al$)")  # colour, behavioural
PREFIXED = re.compile(r"\b(non|anti|semi|multi|sub|inter|intra|micro|co)[-‐‑–](?=[a-z]{3})")
GREEK_COMMAND = re.compile(rf"\\({'|'.join(GREEK)})\b", re.I)
WORD = re.compile(
    r"""(?x)
    [a-z]+(?:\d+[a-z\d]*)? | \d+(?:\.\d+)?(?:st|nd|rd|th)?(?![a-z]) | \d+[a-z]+ | %
  | (?<=[a-z\d])[+](?![\w]) | (?<![a-z\d]\ )(?<![a-z\d])-(?=\d)"""
)


@functools.lru_cache(maxsize=8192)
def stem(word):
    """A light stem that joins plurals, tenses and the two spellings of English; never chemistry's -ate/-ite, -ane/-ene."""
    word = (
        word.replace("sulph", "sulf").replace("aluminium", "aluminum").replace("isation", "ization")
    )
    if not word.startswith("does"):  # haemoglobin, oestrogen
        word = word.replace("ae", "e").replace("oe", "e")
    word = BRITISH_OUR.sub("or", BRITISH_RE.sub("er", word))
    word = IRREGULAR.get(word, word)
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-2] if word.endswith(("ches", "shes", "xes", "sses")) else word[:-1]
    ending = next((e for e in ("ing", "ed") if word.endswith(e) and len(word) - len(e) >= 4), "")
    if ending:
        word = word[: -len(ending)]
        if len(word) > 4 and word[-1] == word[-2] and word[-1] not in "ls":
            word = word[:-1]
    return word[:-1] if len(word) > 4 and word.endswith("e") else word


def one_spelling(text):
    """Lower-case ASCII words and numbers: Greek letters by name, no accents, no thousands commas."""
    text = unwrap(flat_scripts(text))
    if not text.isascii():
        text = unicodedata.normalize("NFKD", "".join(map(greek_name, text.replace("’", "'"))))
        text = "".join(char for char in text if not unicodedata.combining(char))
    text = GREEK_COMMAND.sub(r" \1 ", re.sub(r"\\ce\s*\{([^{}]*)\}", r"\1", text)).lower()
    text = re.sub(r"(?<=s)'(?!\w)|'s\b", "", re.sub(r"n't\b", "nt", PREFIXED.sub(r"\1", text)))
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text.replace("anticlockwise", "counterclockwise"))
    return re.sub(r"(?<=\d)[_^{}]+(?=[\d+-])|(?<=[a-z])[_^]\{?(?=\d)|(?<=\d)\}", "", text)


def greek_name(char):
    name = unicodedata.name(char, "") if "Ͱ" <= char <= "Ͽ" or char == "µ" else ""
    return f" {name.split()[-1].lower().replace('lamda', 'lambda')} " if name else char


@functools.lru_cache(maxsize=4096)
def tokens(text):
    """The words that count, stemmed: no articles, number words and ordinals as digits."""
    words, run = [], []
    for word in [*WORD.findall(one_spelling(text)), ""]:
        number = word.isalpha() and word != "half" and words_to_number(word) is not None
        if number or run and word in ("hundred", "thousand", "million", "billion"):
            run.append(word)
            continue
        if run:
            value = words_to_number(" ".join(run))
            words += run if value is None else [f"{value:g}"]
            run = []
        if word and word not in ARTICLES:
            words.append(one_form(word))
    return tuple(words)


def one_form(word):
    """A word's stem; digits for ordinals and numbers."""
    if word in ORDINALS:
        return str(ORDINALS.index(word))
    number = re.fullmatch(r"(\d+(?:\.\d+)?)(?:st|nd|rd|th)?", word)
    if number and len(number[1]) < 16:
        return f"{float(number[1]):.15g}"
    return stem(word) if word.isalpha() else word


def squeezed(text):
    """The letters and digits of a text without articles, for words that are written as one or as two: merge-sort, mergesort."""
    return re.sub(r"\b(?:an?|the)\b|\W+|_", "", one_spelling(text))
