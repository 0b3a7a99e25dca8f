"""Words as they are compared: stemmed, in one spelling, numbers as digits, no articles.

tokens("the two tumours") -> ("2", "tumor")
"""

import functools
import re
import unicodedata

from .markup import GREEK, scripts, unwrap
from .quantity import words_to_number

IRREGULAR = dict(
    pair.split(":")
    for pair in """mitochondria:mitochondrion bacteria:bacterium nuclei:nucleus fungi:fungus
    phenomena:phenomenon men:man women:woman vertices:vertex""".split()
)
AMERICAN = {  # sulphur, haemoglobin, oestrogen, ionisation, centre, tumours
    "sulph": "sulf",
    "aluminium": "aluminum",
    "isation": "ization",
    "ae|(?<!d)oe": "e",
    "(?<=[a-z][btv])re(?=s?$|d$)": "er",
    "(?<=[a-z]{2})our(?=s?$|ed$|ing$|less$|al$)": "or",
}
BRITISH = re.compile("|".join(f"({spelling})" for spelling in AMERICAN))
GREEK_NAMES = str.maketrans({letter: f" {name} " for name, letter in GREEK.items()})
WORD = re.compile(
    r"""(?x) \d++(?:\.\d+)?(?:st|nd|rd|th)?(?![a-z]) | [a-z\d]+ | %
    | (?<=[a-z\d])[+](?!\w) | (?<![a-z\d]\ )(?<![a-z\d])-(?=\d)"""  # Na+, -5
)


@functools.lru_cache(maxsize=8192)
def stem(word):
    """A light stem that joins plurals and spellings, never chemistry's -ane and -ene."""
    word = BRITISH.sub(lambda match: list(AMERICAN.values())[match.lastindex - 1], word)
    word = IRREGULAR.get(word, word)
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    return word[:-1] if len(word) > 4 and word.endswith("e") else word


@functools.lru_cache(maxsize=4096)
def tokens(text):
    """The words and numbers that count, in order: lower-case ASCII, Greek letters by name."""
    text = unwrap(scripts(text)).lower().replace("’", "'").translate(GREEK_NAMES)
    text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    text = re.sub(r"(?<=n)'(?=t\b)|'s\b|'|(?<=\d),(?=\d{3}\b)", "", text)
    text = re.sub(r"(?<=[a-z\d])[_^{}]+(?=[a-z\d+-])", "", text)  # H_{2}O, Fe^{3+}
    return tuple(one_form(word) for word in WORD.findall(text) if word not in ("a", "an", "the"))


def one_form(word):
    """A word's stem; the digits of a number."""
    number = re.fullmatch(r"(\d+(?:\.\d+)?)(?:st|nd|rd|th)?", word)
    value = float(number[1]) if number else words_to_number(word)
    return stem(word) if value is None else f"{value:.15g}"
