"""Words of a short answer as they are compared: stemmed, in one spelling, numbers and numerals as digits, no articles.

tokens("the Second World Wars") == tokens("2nd world war") -> True
"""

import functools
import re
import unicodedata

from .quantity import words_to_number
from .units import strip_wrappers

GREEK = {"α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "Δ": "delta", "ε": "epsilon", "θ": "theta", "λ": "lambda", "μ": "mu", "µ": "mu", "ν": "nu", "π": "pi",
         "ρ": "rho", "σ": "sigma", "Σ": "sigma", "τ": "tau", "φ": "phi", "ϕ": "phi", "χ": "chi", "ψ": "psi", "ω": "omega", "Ω": "omega", "κ": "kappa", "η": "eta", "ζ": "zeta"}  # fmt: skip
GREEK_TABLE = str.maketrans({k: f" {v} " for k, v in GREEK.items()})
ARTICLES = {"a", "an", "the"}
SMALL = ARTICLES | set(
    "of in on at to for by with and or from is are was were be been it its this that these those their there as into than which who whom whose will would can could may".split()
)
MONTHS = {
    m[:3]: m
    for m in "january february march april may june july august september october november december".split()
} | {"sept": "september"}
ORDINALS = {
    w: str(i)
    for i, w in enumerate(
        "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth".split(),
        1,
    )
}
BRITISH_RE = re.compile(r"(?<=[a-z][btv])re(?=s?$|d$)")  # centre, fibre, litres
BRITISH_OUR = re.compile(
    r"(?<=[a-z]{2})our(?=s?$|ed$|ing$|less$|al$)|(?<=^od)our(?=s?$)"
)  # colour, behavioural, vapours
PREFIXED = re.compile(
    r"\b(non|anti|semi|multi|sub|inter|intra|extra|micro|macro|pre|post|co|un|re|bi|iso|hetero|homo|auto|poly)[-‐‑–](?=[a-z]{3})|\b(non) (?=[a-z]{4})"
)
NUMERAL = re.compile(
    r"\b(?:X{0,3}(?:IX|IV|V?I{2,3}|VI)|X{2,3}|X{1,3}[IV]|(?=[XLVI]{3})(?:XL|LX{0,3})(?:IX|IV|V?I{0,3}))\b"
)
ONE_NUMERAL = re.compile(
    r"\b((?i:war|type|class|phase|stage|grade|photosystem|complex|nerve|group|factor)s?\s?\(?)([IVX])\b(?!['’])"
)
DIGITS = {"I": 1, "V": 5, "X": 10, "L": 50}
SAME = re.compile(
    r"(?:\b(?:remain|stay|keep)(?:s|ed|ing)?|\b(?:is|are|be)(?!\s+constant))\s+(?:about\s+|exactly\s+|at\s+)?(?:the\s+same|constant|unchanged|unaffected|fixed|not\s+(?:affected|changed))\b(?!\s+(?:as|to|for)\b)|\b(?:there\s+(?:is|will\s+be|would\s+be)\s+)?no\s+change\b|\b(?:does|do|did|will|would)\s?(?:not|nt)\s+change\b|\bunaffected\b|^\W*(?:constant|the\s+same)\W*$"
)
RAYS = re.compile(
    r"\b(alpha|beta|gamma|cosmic|infrared|ultraviolet|uv|x)[\s-](?:rays?|radiation)\b"
)
RNA = {"m": "messenger", "t": "transfer", "r": "ribosomal", "mt": "mitochondrial"}
SUBSHELLS = re.compile(r"(?<![a-z\d])(?:\d[spdf]\d{1,2}\s*){2,12}(?![a-z\d])")
IRREGULAR = {
    "mitochondria": "mitochondrion", "bacteria": "bacterium", "nuclei": "nucleus", "fungi": "fungus", "phenomena": "phenomenon",
    "criteria": "criterion", "men": "man", "women": "woman", "mice": "mouse", "feet": "foot", "teeth": "tooth", "vertebre": "vertebra",
    "alge": "alga", "ova": "ovum", "axes": "axis", "analyses": "analysis", "hypotheses": "hypothesis", "loci": "locus", "bronchi": "bronchus",
    "alveoli": "alveolus", "radii": "radius", "matrices": "matrix", "vertices": "vertex", "indices": "index", "children": "child", "higher": "high",
    "lower": "low", "larger": "larg", "greater": "great", "faster": "fast", "slower": "slow", "leaves": "leaf", "wolves": "wolf",
}  # fmt: skip
BASE_LETTERS = str.maketrans(
    {"ø": "o", "Ø": "O", "ß": "ss", "æ": "ae", "Æ": "Ae", "œ": "oe", "ł": "l", "Ł": "L", "đ": "d"}
)
SHORT_NAMES = {"St": "Saint", "Mt": "Mount", "Ft": "Fort"}
SHORT_NAME = re.compile(r"\b(St|Mt|Ft)\b\.?\s+(?=[A-Z])")


def american(text):
    """Spellings that British English has inside words, the American way: haemoglobin, sulphur, caesium, oxidisation."""
    return (
        text.replace("ae", "e")
        .replace("oe", "e")
        .replace("sulph", "sulf")
        .replace("aluminium", "aluminum")
        .replace("isation", "ization")
    )


@functools.lru_cache(maxsize=8192)
def stem(word):
    """A light stem that joins plurals, tenses and the two spellings of English; never chemistry's -ate/-ite, -ane/-ene."""
    word = american(word) if not word.startswith("does") else word
    word = BRITISH_RE.sub("er", word) if "re" in word else word
    word = BRITISH_OUR.sub("or", word) if "our" in word else word
    word = IRREGULAR.get(word, word)
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-2] if word.endswith(("ches", "shes", "xes", "sses")) else word[:-1]
    for ending in ("ing", "ed"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            word = word[: -len(ending)]
            word = (
                word[:-1]
                if len(word) > 4 and word[-1] == word[-2] and word[-1] not in "ls"
                else word
            )
            break
    return word[:-1] if len(word) > 4 and word.endswith("e") else word


GENERIC = {stem(word) for word in ("bond bonding reaction process law principle effect theory disease syndrome system method rule equation force phase state series river city country mountain island type kind form element "
              "gas molecule compound ion cell cells organ hormone enzyme protein test value number year people person answer region period era age species family class group bone muscle nerve "
              "artery vein gland algorithm model data structure language protocol layer model unit units property energy hybridized hybridization orbital geometry shape mechanism circuit semiconductor receptor proportional".split())}  # words that only say what kind of thing it is  # fmt: skip


def arabic(numeral):
    """The value of a Roman numeral below 90 as digits: "VIII" -> "8"."""
    values = [DIGITS[letter] for letter in numeral]
    return str(
        sum(
            -value if value < after else value
            for value, after in zip(values, [*values[1:], 0], strict=True)
        )
    )


def one_spelling(text):
    """Lower-case ASCII words and numbers: Greek letters by name, Roman numerals and dates in digits, no accents, St. as Saint, non-polar as nonpolar."""
    text = strip_wrappers(text.translate(GREEK_TABLE) if not text.isascii() else text)
    text = re.sub(
        r"\\ce\s*\{([^{}]*)\}|\\(alpha|beta|gamma|delta|Delta|epsilon|theta|lambda|mu|nu|pi|rho|sigma|tau|phi|omega|Omega)\b",
        lambda m: m[1] or " " + m[2] + " ",
        text,
    )
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text.translate(BASE_LETTERS))
        text = "".join(c for c in text if not unicodedata.combining(c)).replace("’", "'")
    text = re.sub(
        r"(\d{4})-(\d{2})-(\d{2})\b",
        lambda m: f"{m[1]} {list(MONTHS.values())[min(11, max(0, int(m[2]) - 1))]} {int(m[3])}",
        text,
    )
    text = ONE_NUMERAL.sub(lambda m: m[1] + arabic(m[2]), NUMERAL.sub(lambda m: arabic(m[0]), text))
    text = re.sub(
        r"\bU\.?\s?S\.?(?:\s?A\.?)?(?![A-Za-z])|\bUnited States of America\b",
        "United States",
        re.sub(r"\bU\.?K\.?(?![A-Za-z])", "United Kingdom", text),
    )
    text = SHORT_NAME.sub(lambda m: SHORT_NAMES[m[1]] + " ", text).lower()
    text = PREFIXED.sub(lambda m: m[1] or m[2], text)
    text = (
        re.sub(r"(?<=s)'(?!\w)|'s\b", "", re.sub(r"n't\b", "nt", text)) if "'" in text else text
    )  # Gauss' and Gauss's
    text = SAME.sub(
        "unchanged",
        RAYS.sub(r"\1 ray", re.sub(r"\b(mt|[mtr])(?=[rd]na\b)", lambda m: RNA[m[1]] + " ", text)),
    )
    text = re.sub(
        r"\black of\b", "deficiency of", text.replace("anticlockwise", "counterclockwise")
    )
    text = re.sub(
        r"(?<=\d),(?=\d{3}\b)",
        "",
        re.sub(r"(?<=\d)[_^{}]+(?=[\d+-])|(?<=[a-z])[_^]\{?(?=\d)|(?<=\d)\}", "", text),
    )
    return SUBSHELLS.sub(
        lambda m: " ".join(re.findall(r"\d[spdf]\d{1,2}?(?=\s*\d[spdf]|\s*$)", m[0].strip())) + " ",
        text,
    )


@functools.lru_cache(maxsize=4096)
def tokens(text):
    """The words that count, stemmed: no articles, number words as digits, ordinals and months in one spelling."""
    text = one_spelling(text)
    found = re.findall(
        r"[a-z]+(?:\d+[a-z\d]*)?|\d+(?:\.\d+)?(?:st|nd|rd|th|(?<=\d\d)s)?(?![a-z])|\d+[a-z]+|%|(?<=[a-z\d])[+](?![\w])|(?<![a-z\d] )(?<![a-z\d])-(?=\d)",
        text,
    )
    words, run = [], []
    for word in [*found, ""]:
        if re.fullmatch(r"[a-z]+", word) and (
            words_to_number(word) is not None
            and word != "half"
            or run
            and word in ("hundred", "thousand", "million", "billion")
        ):
            run.append(word)
            continue
        if run:
            value = words_to_number(" ".join(run))
            words.extend([f"{value:g}"] if value is not None else run)
            run = []
        if word:
            words.append(word)
    out = []
    for word in words:
        if word in ARTICLES:
            continue
        number = re.fullmatch(
            r"(\d+(?:\.\d+)?)(?:st|nd|rd|th|(?<=\d\d)s)?", word
        )  # 1990s, but 2S is a configuration
        out.append(
            f"{float(number[1]):.15g}"
            if number and len(number[1]) < 16
            else MONTHS.get(word, ORDINALS.get(word, word))
            if len(word) < 5 or word in ORDINALS
            else word
        )
    return tuple(stem(w) if w.isalpha() else w for w in out)


def content(words):
    """The words that say something: those that are not SMALL."""
    return tuple(word for word in words if word not in SMALL)
