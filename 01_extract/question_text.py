"""Numbers in question texts, read the same way by dedup.py and decontaminate.py.

Two exercises with other numbers are different questions, so both scripts must agree on what a number is: "16 N" and "16N", "3.0" and "3",
"1,000" and "1000", "twelve" and "12", "½" and "1/2" are the same; "-3" and "3", "2 + 3" and "2 * 3" are not.
"""

import collections
import functools
import re
import unicodedata

UNITS = ("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen "
         "nineteen").split()
SMALL = {word: value for value, word in enumerate(UNITS)}
TENS = {word: 10 * value for value, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), 2)}
SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9}
OTHERS = {"dozen": "12", "half": "1/2", "halves": "1/2", "twice": "2", "double": "2", "thrice": "3", "triple": "3", "quarter": "1/4", "quarters": "1/4"}
_WORD = "|".join((*reversed(UNITS), *TENS, *SCALES))   # longest first: "seventeen" before "seven"
NUMBER_WORDS = re.compile(rf"\b(?:{_WORD})\b(?:(?:-| +|(?:(?<=hundred)|(?<=thousand)|(?<=million)) +and +)(?:{_WORD})\b)*")
QUANTITY_WORDS = re.compile(rf"\b(?:{'|'.join(OTHERS)})\b")
WORDS = frozenset((*UNITS, *TENS, *SCALES, *OTHERS))
THOUSANDS = re.compile(r"(?<=\d)(?:,|\{,\}|\\,)(?=\d{3}(?!\d))")
VALUE = re.compile(r"\d+(?:\.\d+)?|\.\d+")
JOINED = re.compile(r"[\w)\]}]\s*([-+*/^=<>])\s*$")   # a value, then an operator: "2 + 3", "x - 3"; a minus with no value before it is a sign
DASHES = str.maketrans("−–—‐‑×⋅·∙÷⁄", "-----****//")


def spell_digits(match):
    """Digits of a spelled number: "one thousand nine hundred and fifty" -> 1950, "twenty-one" -> 21, "one two" -> "1 2"."""
    numbers, total, value, room = [], 0, None, 0   # room: what a following word must be smaller than to belong to this number
    for word in re.findall("[a-z]+", match.group()):
        if word == "and":
            continue
        if word in SCALES:
            value = (1 if value is None else value) * SCALES[word]
            if SCALES[word] >= 1000:
                total, value = total + value, 0
            room = min(SCALES[word], 1000) if SCALES[word] >= 1000 else 100
            continue
        new = TENS[word] if word in TENS else SMALL[word]
        if value is not None and (new >= room or new == 0):
            numbers.append(total + value)
            total, value = 0, None
        value = (value or 0) + new
        room = 10 if word in TENS else 0
    return " ".join(map(str, [*numbers, total + (value or 0)]))


def has_number_words(text):
    """A quick look before the slower patterns."""
    return not WORDS.isdisjoint(re.findall("[a-z]+", text))


def digits_for_words(text):
    """Lower-case text with spelled numbers as digits."""
    return NUMBER_WORDS.sub(spell_digits, text) if has_number_words(text) else text


def plain_characters(text):
    """Compatibility forms, dashes and multiplication signs as their plain characters ("½" -> 1/2, "x²" -> x2)."""
    return text if text.isascii() else unicodedata.normalize("NFKC", text).translate(DASHES)


@functools.lru_cache(1 << 16)
def numbers(text):
    """Numbers of a text in order, as a tuple of strings without trailing zeros, and the operators that join two values.

    A lone "one" is marked "~1": it matches a 1 of another text, but by itself ("which one of") tells no two questions apart.
    """
    text = plain_characters(text).lower()
    if has_number_words(text):
        text = NUMBER_WORDS.sub(lambda match: "~1" if match.group() == "one" else spell_digits(match), text)
        text = QUANTITY_WORDS.sub(lambda match: OTHERS[match.group()], text)
    elif not re.search(r"\d", text):
        return ()
    text = THOUSANDS.sub("", text)
    found = []
    for match in VALUE.finditer(text):
        value, before = match.group(), text[max(0, match.start() - 6):match.start()]
        if "." in value:
            value = ("0" + value if value[0] == "." else value).rstrip("0").rstrip(".")
        value = value.lstrip("0") or "0" if "." not in value else value
        if before.endswith("~"):
            value = "~" + value
        elif joined := JOINED.search(before):
            found.append(joined[1])
        elif before.endswith("-"):
            value = "-" + value
        found.append(value)
    return tuple(found)


def words_between(text):
    """Words of a text without its numbers."""
    return re.findall(r"[^\W\d_]+", digits_for_words(plain_characters(text).lower()))


def other_numbers(first, second):
    """True where two questions that look alike ask with other numbers.

    A number must have been changed: each text has one the other lacks, or the same numbers stand in another order between the same words.
    A number that only one of them mentions ("take g = 9.8") does not make another question; nor does spacing ("1 , 000", "3 . 5").
    """
    ours, theirs = numbers(first), numbers(second)
    if ours == theirs or digits_of(first) == digits_of(second):
        return False
    if set(ours) - set(theirs) - {"~1"} and set(theirs) - set(ours) - {"~1"}:
        return True
    left = [collections.Counter(found) for found in (ours, theirs)]
    for some, more in (left, left[::-1]):
        matched = min(some.pop("~1", 0), max(0, more["1"] - some["1"]))
        some["1"] += matched
    only_ours, only_theirs = left[0] - left[1], left[1] - left[0]
    if only_ours or only_theirs:
        return bool(only_ours and only_theirs)
    in_order = [[value for value in found if value not in ("1", "~1")] for found in (ours, theirs)]
    return in_order[0] != in_order[1] and words_between(first) == words_between(second)


@functools.lru_cache(1 << 16)
def digits_of(text):
    """Digits, signs and operators of a text, without what spacing and punctuation can change."""
    return "".join(re.findall(r"(?<![\w)\]}])-(?=[\d.])|[\d+*/=<>^]", digits_for_words(plain_characters(text).lower())))
