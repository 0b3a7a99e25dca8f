"""Questions as dedup.py and decontaminate.py read them: their numbers, and the bare question in normalised words.

Two exercises with other numbers are different questions, so both scripts must agree on what a number is: "16 N" and "16N", "3.0" and "3",
"1,000" and "1000", "twelve" and "12", "½" and "1/2" are the same; "-3" and "3", "2 + 3" and "2 * 3" are not.
"""

import collections
import functools
import itertools
import re
import unicodedata

UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen "
    "nineteen"
).split()
SMALL = {word: value for value, word in enumerate(UNITS)}
TENS = {
    word: 10 * value
    for value, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), 2)
}
SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9}
OTHERS = {
    "dozen": "12",
    "half": "1/2",
    "halves": "1/2",
    "twice": "2",
    "double": "2",
    "thrice": "3",
    "triple": "3",
    "quarter": "1/4",
    "quarters": "1/4",
}
_WORD = "|".join((*reversed(UNITS), *TENS, *SCALES))  # longest first: "seventeen" before "seven"
NUMBER_WORDS = re.compile(
    rf"\b(?:{_WORD})\b(?:(?:-| +|(?:(?<=hundred)|(?<=thousand)|(?<=million)) +and +)(?:{_WORD})\b)*"
)
QUANTITY_WORDS = re.compile(rf"\b(?:{'|'.join(OTHERS)})\b")
WORDS = frozenset((*UNITS, *TENS, *SCALES, *OTHERS))
THOUSANDS = re.compile(r"(?<=\d)(?:,|\{,\}|\\,)(?=\d{3}(?!\d))")
VALUE = re.compile(r"\d+(?:\.\d+)?|\.\d+")
# a value, then an operator: "2 + 3", "x - 3"; a minus with no value before it is a sign
JOINED = re.compile(r"[\w)\]}]\s*([-+*/^=<>])\s*$")
DASHES = str.maketrans("−–—‐‑×⋅·∙÷⁄", "-----****//")


def spell_digits(match):
    """Digits of a spelled number: "one thousand nine hundred and fifty" -> 1950, "twenty-one" -> 21, "one two" -> "1 2"."""
    # room: what a following word must be smaller than to belong to this number
    numbers, total, value, room = [], 0, None, 0
    for word in re.findall("[a-z]+", match.group()):
        if word == "and":
            continue
        if word in SCALES:
            if (value or 0) >= 10**12:  # "million million million ...": a list, no number
                numbers.append(total + value)
                total, value = 0, None
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
        text = NUMBER_WORDS.sub(
            lambda match: "~1" if match.group() == "one" else spell_digits(match), text
        )
        text = QUANTITY_WORDS.sub(lambda match: OTHERS[match.group()], text)
    elif not re.search(r"\d", text):
        return ()
    text = THOUSANDS.sub("", text)
    found = []
    for match in VALUE.finditer(text):
        value, before = match.group(), text[max(0, match.start() - 6) : match.start()]
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


FACTORS = {  # of a unit or a per cent sign behind a number
    "%": 0.01, "percent": 0.01, "km": 1000, "kilometers": 1000, "kilometres": 1000, "cm": 0.01, "centimeters": 0.01, "mm": 0.001,
    "kg": 1000, "kilograms": 1000, "mg": 0.001, "kj": 1000, "ml": 0.001, "hours": 3600, "hour": 3600, "minutes": 60, "minute": 60,
    "min": 60, "cents": 0.01, "feet": 12, "foot": 12, "weeks": 7, "week": 7, "dozen": 12,
}  # fmt: skip
AMOUNT = re.compile(r"(?<![\w.])(-?\d*\.?\d+)(?:\s*/\s*(\d+(?:\.\d+)?))?\s*(%|[a-z]+)?")
FRACTION = re.compile(r"\\[dt]?frac\s*\{(\d+)\}\s*\{(\d+)\}")


@functools.lru_cache(1 << 16)
def amounts(text):
    """Values of the numbers of a text, as a set of rounded floats: 25 %, 1/4 and 0.25 are one, and so
    are 1.5 km and 1500 m, half an hour and 30 minutes."""
    text = FRACTION.sub(r" \1/\2 ", plain_characters(text).lower().replace("\\%", "%"))
    text = QUANTITY_WORDS.sub(lambda match: OTHERS[match.group()], digits_for_words(text))
    text = re.sub(r"(\d)\s+(?:an?|of an?)\s+(hour|minute|dozen)", r"\1 \2", THOUSANDS.sub("", text))
    found = set()
    for value, below, unit in AMOUNT.findall(text):
        value = float(value) / (float(below) if below and float(below) else 1.0)
        found.add(float(f"{value * FACTORS.get(unit, 1):.6g}"))
    return frozenset(found)


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
    signs = [[value for value in found if value in ("+", "*", "^")] for found in (ours, theirs)]
    if all(signs) and signs[0] != signs[1]:
        return True  # 3 + 4 and 3 * 4
    if set(ours) - set(theirs) - {"~1"} and set(theirs) - set(ours) - {"~1"}:
        mine, other = amounts(first), amounts(second)
        return bool(mine - other and other - mine)
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
    return "".join(
        re.findall(
            r"(?<![\w)\]}])-(?=[\d.])|[\d+*/=<>^]", digits_for_words(plain_characters(text).lower())
        )
    )


# ---- what a question asks about ----

SHORT_QUESTION = 20  # words up to which one other word makes another question
FUNCTION_WORDS = frozenset(
    "an the this that these those it its they them their theirs he she his her him hers who whom whose which what of in "
    "on at to for by from as and or is are was were be been being am do does did has have had will would can could may "
    "might shall should must there here you your we our us me my so then also such each please briefly following "
    "figure fig table equation example see shown given text overline overset bar cap cup frac mathrm sqrt left right sup sub "
    "start_smiles end_smiles".split()
)
NEGATIONS = frozenset(
    "not no never none neither nor except incorrect incorrectly false without least".split()
)
SENTENCE = re.compile(r"(?<=[.?!:])\s+|\n+")
# "N", "H2", "START_SMILES"; not the s of "book's"
WORD = re.compile(r"(?<!['’])[^\W\d_]+\d*(?:_\w+)?")
ARTICLE = re.compile(r"\ba(?=\s+\w)", re.I)  # not "hepatitis A?", "A-type"
ENDING = re.compile(r"(?<=\w{3})(?:ings?|ed|e?s|e)$")


@functools.lru_cache(1 << 16)
def subjects(text):
    """(number of words, stems of the content words, those of the last sentence) of a question
    without its options."""
    question, options = split_options(text)
    length = len(question.split())
    everything = content(question) if length <= 2 * SHORT_QUESTION else frozenset()
    if length <= SHORT_QUESTION:
        return length, everything, everything
    # an exercise in parts: "a. What is X? b. Is it ...?"
    if any("?" in option for option in options):
        return length, everything, frozenset()
    sentences = [part for part in SENTENCE.split(question) if part.count(" ") >= 3] or [""]
    last = next((part for part in sentences[::-1] if "?" in part), sentences[-1])
    if len(last.split()) > SHORT_QUESTION:
        return length, everything, frozenset()
    # a word that the rest holds too is not what is asked for: "... the father ... Could he be the father?"
    return length, everything, content(last) - content(question.replace(last, " "))


def content(text):
    words = (word.lower() for word in WORD.findall(ARTICLE.sub(" ", text)))
    return frozenset(ENDING.sub("", word) for word in words if word not in FUNCTION_WORDS)


SAME_TASK = 0.5  # Jaccard of the words of two tasks after one introduction from which they are one


def other_tasks(first, second):
    """True where two questions begin with the same paragraphs and then ask other things: "Let X be the
    years of a new hire ... P(x >= 5) = ____" and "... What does the column sum to?"."""
    ours, theirs = first.split("\n\n"), second.split("\n\n")
    pairs = zip(ours, theirs, strict=False)
    shared = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
    rests = [set(re.findall(r"\w+", " ".join(some[shared:]).lower())) for some in (ours, theirs)]
    if not shared or not all(rests):
        return False
    return len(rests[0] & rests[1]) < SAME_TASK * len(rests[0] | rests[1])


def other_words(first, second):
    """True where two questions that look alike ask about other things: each holds a content word
    that the other lacks, or only one of them denies.

    Short questions ("treatments for Osteoporosis", "... for abetalipoproteinemia") are compared
    whole; of longer ones the last sentence, which asks ("Calculate q", "Calculate w").
    """
    if other_tasks(first, second):
        return True
    ours, all_ours, last_ours = subjects(first)
    theirs, all_theirs, last_theirs = subjects(second)
    if min(ours, theirs) > SHORT_QUESTION:
        all_ours, all_theirs = last_ours, last_theirs
    return tell_apart(all_ours, all_theirs)


def tell_apart(ours, theirs):
    """Does each of two sets of content words hold one that the other lacks, or only one a denial?"""
    only_ours, only_theirs = ours - theirs, theirs - ours
    return bool(only_ours and only_theirs or (only_ours | only_theirs) & NEGATIONS)


# ---- what is compared with a benchmark ----

LATEX_NOISE = re.compile(
    r"\\(?:left|right|big|Big|mathrm|mathbf|mathit|mathcal|mathbb|boldsymbol|text|textbf|textit|textrm|operatorname|displaystyle|[dt]?frac|cdot|times"
    r"|q?quad|begin|end|ce|pu|overline|underline|bar|hat|vec|rm|bf|limits|over)(?![a-zA-Z])"
    r"|\\[,;!: ]|(?<=\{)(?:aligned|align|array|cases|tabular|equation)\*?(?=\})"
)
# scripts without spaces: letter by letter
TOKEN = re.compile(r"\d+(?:\.\d+)?|\.\d+|[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]|[^\W\d_]+")
# sentences that tell how to answer; looked for only where one of the hints stands in the text
HINTS = ("step", "carefully", "final answer", "following", "below", "answer", "option", "reasoning")
INSTRUCTIONS = [
    re.compile(pattern)
    for pattern in (
        r"(?:please )?(?:solve|answer|consider|read|work through)\b.*\b(?:following|below|this|given)\b.*"
        r"\b(?:step by step|questions?|problems?|exercises?)\b",
        r"(?:please )?(?:let'?s )?(?:reason|think|work|explain|show|solve)\b.*(?:step[- ]by[- ]step|carefully|your (?:work|reasoning|steps)|reasoning)",
        r".*\b(?:put|give|state|write|provide|box)\b.{0,40}\bfinal answer\b",
        r"(?:please )?(?:choose|select|pick) the (?:best|correct|right|most \w+) (?:answer|option|choice)",
        r"the last line of your (?:answer|response|reply)\b",
    )
]
SENTENCE_END = re.compile(r"((?<=[.:?!])\s+|\n+)")
LABEL = re.compile(
    r"(?:^|\n)[#* \t]*(?:problem|question|exercise|instruction|input|task|q)(?:\s+\d+)?\s*\**[:.]\**\s*",
    re.I,
)
OPTIONS_HEAD = re.compile(r"\s*(?:answer choices|options|choices)\s*:?\s*$", re.I)
FIRST_OPTION = re.compile(r"(?:^|\s)(\(?)([Aa])([).:])\s*(?=\S)")


def split_options(text):
    """(text before the options, tuple of option texts); options are A, B, C ... in order, on lines or in running text, at the end."""
    for start in list(FIRST_OPTION.finditer(text))[:-20:-1]:
        opening, letter, closing = start.groups()
        marks = [start]
        for following in range(ord(letter) + 1, ord(letter) + 26):
            mark = re.compile(
                rf"\s{re.escape(opening)}{chr(following)}{re.escape(closing)}\s*(?=\S)"
            ).search(text, marks[-1].end())
            if not mark:
                break
            marks.append(mark)
        if len(marks) > 1:
            ends = [mark.start() for mark in marks[1:]] + [len(text)]
            options = tuple(
                text[mark.end() : end].strip() for mark, end in zip(marks, ends, strict=True)
            )
            return OPTIONS_HEAD.sub("", text[: start.start()]), options
    return text, ()


def without_instructions(text):
    """The text without the sentences that only tell how to answer."""
    lowered = text.lower()
    if not any(hint in lowered for hint in HINTS):
        return text
    pieces = SENTENCE_END.split(text)  # sentences, and what stands between them
    for at in range(0, len(pieces), 2):
        sentence = pieces[at].strip().lower()
        if (
            len(sentence) <= 200
            and not sentence.endswith("?")
            and any(pattern.match(sentence) for pattern in INSTRUCTIONS)
        ):
            pieces[at] = ""
    return "".join(pieces)


def bare_question(text):
    """(the question without instructions around it, its options): what is compared."""
    question, options = split_options(text)
    stripped = without_instructions(question)
    labels = list(LABEL.finditer(stripped))
    if labels and len(stripped) - labels[-1].end() > 0.5 * len(stripped):
        stripped = stripped[labels[-1].end() :]
    stripped = stripped.strip()
    return (stripped if len(stripped) >= 0.3 * len(question) else question.strip()), options


def words_of(text):
    """Normalised words: lower case, numbers as digits, no punctuation, no LaTeX mark-up, Greek letters by name."""
    text = LATEX_NOISE.sub(" ", plain_characters(text)).lower()
    if not text.isascii():
        text = re.sub("[α-ω]", lambda match: f" {greek_name(match.group())} ", text)
    text = THOUSANDS.sub("", digits_for_words(text))
    return TOKEN.findall(text)


@functools.cache
def greek_name(letter):
    return unicodedata.name(letter, "?").split()[-1].lower()
