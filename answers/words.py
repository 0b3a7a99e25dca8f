"""Words of a short answer as they are compared: stemmed, in one spelling, numbers and ordinals as
digits, no articles.

tokens("the Second World Wars") == tokens("2nd world war") -> True
"""

import functools
import re
import unicodedata

from .markup import COMMANDS, GREEK, flat_scripts, unwrap
from .quantity import words_to_number

ARTICLES = {"a", "an", "the"}
ORDINALS = """zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh
    twelfth""".split()
IRREGULAR = dict(
    pair.split(":")
    for pair in """mitochondria:mitochondrion bacteria:bacterium nuclei:nucleus fungi:fungus
    phenomena:phenomenon men:man women:woman feet:foot vertices:vertex children:child
    higher:high lower:low larger:larg greater:great faster:fast slower:slow""".split()
)
BRITISH = re.compile(  # sulphur, aluminium, ionisation, haemoglobin, oestrogen, centre, tumours
    r"sulph|aluminium|isation|anticlock|ae|(?<!d)oe|(?<=[a-z][btv])re(?=s?$|d$)"
    r"|(?<=[a-z]{2})our(?=s?$|ed$|ing$|less$|al$)"
)
AMERICAN = dict(
    sulph="sulf", aluminium="aluminum", isation="ization", anticlock="counterclock"
) | dict(ae="e", oe="e", re="er", our="or")
PREFIXED = re.compile(r"\b(non|anti|semi|multi|sub|inter|intra|micro|co)[-‐‑–](?=[a-z]{3})")
GREEK_LETTERS = str.maketrans(
    {COMMANDS[f"\\{name}"]: f" {name} " for name in GREEK}
    | {COMMANDS[f"\\{name.title()}"]: f" {name} " for name in GREEK}
)
WORD = re.compile(
    r"""(?x)
    [a-z]+(?:\d+[a-z\d]*)? | \d+(?:\.\d+)?(?:st|nd|rd|th)?(?![a-z]) | \d+[a-z]+ | %
  | (?<=[a-z\d])[+](?![\w]) | (?<![a-z\d]\ )(?<![a-z\d])-(?=\d)"""
)


@functools.lru_cache(maxsize=8192)
def stem(word):
    """A light stem that joins plurals, tenses and the two spellings of English; never chemistry's
    -ate/-ite, -ane/-ene."""
    word = BRITISH.sub(lambda match: AMERICAN[match[0]], word)
    word = IRREGULAR.get(word, word)
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-2] if word.endswith(("ches", "shes", "xes", "sses")) else word[:-1]
    for ending in ("ing", "ed"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            word = word[: -len(ending)]
    return word[:-1] if len(word) > 4 and word.endswith("e") else word


def one_spelling(text):
    """Lower-case ASCII words and numbers: Greek letters by name, no accents, no thousands
    commas."""
    text = unwrap(flat_scripts(text)).replace("’", "'")
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text.translate(GREEK_LETTERS))
        text = "".join(char for char in text if not unicodedata.combining(char))
    text = re.sub(r"n't\b", "nt", PREFIXED.sub(r"\1", text.lower()))
    text = re.sub(r"(?<=s)'(?!\w)|'s\b|(?<=\d),(?=\d{3}\b)", "", text)
    return re.sub(r"(?<=[a-z\d])[_^{}]+(?=[\d+-])|(?<=\d)\}", "", text)  # sp^3, Fe^{3+}


@functools.lru_cache(maxsize=4096)
def tokens(text):
    """The words that count, stemmed: no articles, number words and ordinals as digits."""
    words = WORD.findall(one_spelling(text))
    return tuple(one_form(word) for word in words if word not in ARTICLES)


def one_form(word):
    """A word's stem; digits for ordinals and numbers."""
    if word in ORDINALS:
        return str(ORDINALS.index(word))
    number = re.fullmatch(r"(\d+(?:\.\d+)?)(?:st|nd|rd|th)?", word)
    value = float(number[1]) if number else word.isalpha() and words_to_number(word)
    if value and word != "half":
        return f"{value:.15g}"
    return stem(word)


def squeezed(text):
    """The letters and digits of a text without articles, for words that are written as one or as
    two: merge-sort, mergesort."""
    return re.sub(r"\b(?:an?|the)\b|\W+|_", "", one_spelling(text))
