"""Which options does a text name by their own words, stems or values, without a letter?

named("The gas is nitrogen dioxide.", ("nitrogen", "nitrogen dioxide")) -> ["B"]
by_value("0.02 kN", ("10 N", "20 N")) -> "B"
"""

import functools
import re
import string

from .markup import MARKS, NOISE, WRAP, flat_scripts, plain
from .quantity import parse_quantity, same_quantity
from .words import stem

LETTERS = string.ascii_uppercase
OPTION_LABEL = re.compile(r"^\s*\(?[A-Z][).:]\s+(?=\S)")
FILLER = set(
    "it is are was were be they that thi these those there to of in on at by so becaus and will would".split()
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
        text = re.sub(r"(?<=[a-z])n['’]t\b|(?<=\bcan)not\b", " not", text).replace(
            "ca not", "can not"
        )
    text = re.sub(r"(?<=[a-z])[-'](?=[a-z])", "", text)
    tokens = re.findall(r"[^\W\d_]+|\d+(?:\.\d+)?|[-+/^%=<>|]", text)
    drop = {"the", "an", "text", "mathrm", "left", "right", "times", "cdot"} | (
        {"a"} if len(tokens) > 1 else set()
    )
    return " " + " ".join(t for t in tokens if t not in drop) + " "


def stems(text):
    """words(text), each stemmed: "It decreases" -> " it decreas "."""
    return (
        " " + " ".join(stem(word) if word.isalpha() else word for word in words(text).split()) + " "
    )


@functools.lru_cache(maxsize=512)
def option_words(options, read=words):
    """[(letter, words or stems)] longest first; options whose words are empty are left out."""
    found = [
        (letter, read(OPTION_LABEL.sub("", option)))
        for letter, option in zip(LETTERS, options, strict=False)
    ]
    return sorted((item for item in found if item[1].strip()), key=lambda item: -len(item[1]))


@functools.lru_cache(maxsize=512)
def option_values(options):
    """[(letter, quantity)] of the options that are numbers."""
    found = [
        (letter, parse_quantity(OPTION_LABEL.sub("", option)))
        for letter, option in zip(LETTERS, options, strict=False)
    ]
    return [item for item in found if item[1] is not None]


def named_loosely(text, options, prefix=False, exact=False):
    """named(), and by the stems of the words where the words themselves are not there: "it decreases" names "Decrease"."""
    return named(text, options, prefix, exact) or named(text, options, prefix, exact, read=stems)


def named(text, options, prefix=False, exact=False, read=words):
    """Letters of the options whose words stand in text (longest first, parts of longer ones left out)."""
    flat, hits = read(text), []
    for letter, option in option_words(options, read):
        if exact:
            if flat == option:
                return [letter]
        elif prefix:
            if flat.startswith(option):
                return (
                    [letter]
                    if not any(
                        option == o and other != letter for other, o in option_words(options, read)
                    )
                    else []
                )
        elif option in flat:
            at = flat.rindex(option)
            before = flat[:at]
            if option.strip()[0].isdigit() and (
                before.rstrip()[-1:] in tuple("-+/^") or flat[at + len(option) :][:1] in tuple("/^")
            ):
                continue  # the 10 of 3/10, the 3 of -3
            if re.search(
                r" (?:not|isnt|arent|never|neither|nor|without|than|except|instead of|no)(?: be| to be| of)? $",
                before + " ",
            ) and not option.startswith((" not ", " no ")):
                continue
            hits.append(letter)
            flat = flat.replace(option, " # ")
    if hits and not exact:
        same = [o for letter, o in option_words(options, read) if letter == hits[0]]
        if same and sum(o == same[0] for _, o in option_words(options, read)) > 1:
            return []
    return hits


def by_value(text, options):
    """The letter of the only option that is the number (with unit) at the start of text, or None."""
    head = re.match(
        r"[^\n,;]{1,60}?(?=[,;\n]|\.(?:\s|$)|\s(?:and|because|which|since|so|when|if)\b|$)", text
    )
    value = parse_quantity(head[0]) if head else None
    if value is None:
        return None
    hits = [letter for letter, option in option_values(options) if option.percent == value.percent and abs(option.value - value.value) <= 1e-9 * abs(value.value)
            and (not option.unit or not value.unit or option.unit == value.unit) or option.unit and value.unit and option.unit != value.unit and same_quantity(value, option, rel_tol=1e-6)]  # fmt: skip
    hits = hits or [
        letter for letter, option in option_values(options) if same_quantity(value, option)
    ]
    return hits[0] if len(hits) == 1 else None


def told_apart(text, options):
    """Of two options, the one whose own words (those the other lacks) a short text uses, and none of the other's.

    told_apart("with a sharp knife", ("use a sharp knife", "use a spoon")) -> "A"
    """
    if len(text) > 300 or re.search(
        r"\b(?:not|never|neither|nor|instead|rather|than)\b|n['’]t", text
    ):
        return None
    one, two = (set(stems(option).split()) - FILLER for option in options)
    said = set(stems(text).split())
    hits = [2 * len(own & said) >= max(len(own), 1) for own in (one - two, two - one)]
    mixed = (one - two) & said and (two - one) & said
    return None if mixed or hits[0] == hits[1] else LETTERS[hits.index(True)]


def whole_option(line, options):
    """The option whose text the line is, where that text itself begins like a letter ("C, Ruby", "A > D > B", "H2O"); None else."""
    if not options or not re.match(r"[A-Za-z]\b|[A-Z]", line):
        return None
    flat = words(line.rstrip(" ."))
    for letter, option in option_words(options):
        if (
            option == flat
            and len(option_text(letter, options)) > 1
            and plain(option_text(letter, options)).strip()[:1].lower() == line[0].lower()
        ):
            return letter
    return None


def option_text(letter, options):
    return str(options[LETTERS.index(letter)]).strip()
