"""Questions as dedup.py and decontaminate.py read them: their numbers, their options, and their
normalised words.

Two exercises with other numbers are different questions, so both scripts must agree on what a
number is: "16 N" and "16N", "3.0" and "3", "1,000" and "1000", "twelve" and "12", "½" and "1/2" are
the same; "-3" and "3", "2 + 3" and "2 * 3" are not.
"""

import collections
import decimal
import functools
import re
import unicodedata

UNITS = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen".split()
UNITS += "fifteen sixteen seventeen eighteen nineteen".split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
SCALES = {"thousand": 1000, "million": 10**6, "billion": 10**9}
SMALL = {word: value for value, word in enumerate(["zero", *UNITS])}
SMALL |= {word: 10 * value for value, word in enumerate(TENS, 2)}
QUANTITIES = dict(dozen="12", half="1/2", halves="1/2", quarter="1/4", quarters="1/4")
QUANTITIES |= dict(twice="2", double="2", thrice="3", triple="3")
# longest first: "seventeen" before "seven"
_UNITS = rf"{'|'.join(reversed(UNITS))}|zero"
_BELOW_100 = rf"(?:(?:{'|'.join(TENS)})(?:[- ](?:{'|'.join(UNITS[:9])}))?|{_UNITS})\b"
_BELOW_1000 = rf"(?:(?:{_BELOW_100} +)?hundred\b(?:(?: +and)? +{_BELOW_100})?|{_BELOW_100})"
_SCALE = rf"(?:{'|'.join(SCALES)})\b"
NUMBER_WORDS = re.compile(  # one number; "one two" are two
    rf"\b(?:{_BELOW_1000}|{_SCALE})"
    rf"(?: +{_SCALE}|(?:(?<=thousand)|(?<=million))(?: +and)? +{_BELOW_1000})*"
)
QUANTITY_WORDS = re.compile(rf"\b(?:{'|'.join(QUANTITIES)})\b")
WORDS = frozenset((*SMALL, *SCALES, "hundred", *QUANTITIES))
THOUSANDS = re.compile(
    r"(?<=\d)(?: , |,|\{,\}|\\,)(?=\d{3}(?!\d))"
)  # 1,000; "1 , 000"; not "100, 200"
DASHES = str.maketrans("−–—‐‑×⋅·∙÷⁄", "-----****//")
MINUS = re.compile(r"(?<=[\w)\]}])\s*-\s*(?=\.?\d)")  # "x - 3"; with no value before it, a sign
VALUE = re.compile(r"-?(?:\d+(?:\.\d+)?|\.\d+)")
OPERATOR = re.compile(r"(?<=[\w)\]}])\s*([+*^])\s*(?=\.?\d)")


def spell_digits(match):
    """Digits of a spelled number: "one thousand nine hundred and fifty" -> 1950."""
    total = value = 0
    for word in re.findall("[a-z]+", match.group()):
        if word in SCALES:
            total, value = total + (value or 1) * SCALES[word], 0
        elif word == "hundred":
            value = (value or 1) * 100
        else:
            value += SMALL.get(word, 0)  # "and" is none
    return str(total + value)


def has_number_words(text):
    """A quick look before the slower patterns."""
    return not WORDS.isdisjoint(re.findall("[a-z]+", text))


def digits_for_words(text):
    """Lower-case text with spelled numbers as digits."""
    return NUMBER_WORDS.sub(spell_digits, text) if has_number_words(text) else text


def digits_for_quantities(text):
    return QUANTITY_WORDS.sub(lambda match: QUANTITIES[match.group()], text)


def plain_characters(text):
    """Compatibility forms, dashes and multiplication signs as plain characters ("½" -> 1/2)."""
    return text if text.isascii() else unicodedata.normalize("NFKC", text).translate(DASHES)


@functools.lru_cache(1 << 16)
def spelled(text):
    """Lower-case text in plain characters with spelled numbers as digits."""
    return digits_for_words(plain_characters(text).lower())


@functools.lru_cache(1 << 16)
def numbers(text):
    """Numbers of a text in order, and the operators +, *, ^ between two values: two tuples.

    "one" is no number here: "which one of" tells no two questions apart.
    """
    text = plain_characters(text).lower()
    if has_number_words(text):
        text = digits_for_words(re.sub(r"\bone\b(?! +(?:hundred|thousand|million))", "", text))
        text = digits_for_quantities(text)
    text = THOUSANDS.sub("", text)
    values = map(decimal.Decimal, VALUE.findall(MINUS.sub(" ", text)))
    return tuple(values), tuple(OPERATOR.findall(text))


FACTORS = {  # of a unit or a per cent sign behind a number
    "%": 0.01, "percent": 0.01, "km": 1000, "kilometers": 1000, "kilometres": 1000, "cm": 0.01,
    "centimeters": 0.01, "mm": 0.001, "kg": 1000, "kilograms": 1000, "mg": 0.001, "kj": 1000,
    "ml": 0.001, "hours": 3600, "hour": 3600, "minutes": 60, "minute": 60, "min": 60,
}  # fmt: skip
FRACTION = re.compile(r"\\[dt]?frac\s*\{(\d+)\}\s*\{(\d+)\}")
AMOUNT = re.compile(r"(?<![\w.])(-?\d*\.?\d+)(?:\s*/\s*(\d+(?:\.\d+)?))?\s*(%|[a-z]+)?")


@functools.lru_cache(1 << 16)
def amounts(text):
    """How often each value of a number stands in a text, a Counter of rounded floats: 25 %, 1/4 and
    0.25 are one, and so are 1.5 km and 1500 m, half an hour and 30 minutes."""
    text = FRACTION.sub(r" \1/\2 ", spelled(text).replace("\\%", "%"))
    text = digits_for_quantities(text)
    text = THOUSANDS.sub("", re.sub(r"(\d)\s+(?:of )?an hour", r"\1 hour", text))
    found = collections.Counter()
    for value, below, unit in AMOUNT.findall(text):
        value = float(value) / (float(below or 1) or 1.0)
        found[float(f"{value * FACTORS.get(unit, 1):.6g}")] += 1
    return found


def words_between(text):
    """Words of a text without its numbers."""
    return re.findall(r"[^\W\d_]+", spelled(text))


def each_has_more(ours, theirs):
    """Does each of two Counters, or sets, hold something that the other lacks?"""
    return bool(ours - theirs and theirs - ours)


def other_numbers(first, second):
    """True where two questions that look alike ask with other numbers: each text has one the other
    lacks, or the same numbers stand in another order between the same words. A number that only one
    of them mentions ("take g = 9.8") does not count."""
    (ours, signs), (theirs, other_signs) = numbers(first), numbers(second)
    if (ours, signs) == (theirs, other_signs):
        return False
    if signs and other_signs and signs != other_signs:
        return True  # 3 + 4 and 3 * 4
    counts = collections.Counter(ours), collections.Counter(theirs)
    if counts[0] == counts[1]:
        return ours != theirs and words_between(first) == words_between(second)
    return each_has_more(*counts) and each_has_more(amounts(first), amounts(second))


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


def content(text):
    """Content words of a text in lower case, a set."""
    words = {word.lower() for word in WORD.findall(ARTICLE.sub(" ", text))}
    return frozenset(words - FUNCTION_WORDS)


@functools.lru_cache(1 << 16)
def last_subjects(text):
    """Content words of a long question's last sentence, where that is short."""
    question = split_options(text)[0]
    sentences = [part for part in SENTENCE.split(question) if part.count(" ") >= 3] or [""]
    last = next((part for part in sentences[::-1] if "?" in part), sentences[-1])
    if len(last.split()) > SHORT_QUESTION:
        return frozenset()
    # a word that the rest holds too is not what is asked for: "... the father ... Could he be the
    # father?"
    return content(last) - content(question.replace(last, " "))


SAME_TASK = 0.5  # Jaccard of the words of two tasks after one introduction from which they are one


def other_tasks(first, second):
    """True where two questions begin with the same paragraphs and then ask other things: "Let X be
    the years of a new hire ... P(x >= 5) = ____" and "... What does the column sum to?"."""
    parts = first.split("\n\n"), second.split("\n\n")
    shared = 0
    while shared < min(map(len, parts)) and parts[0][shared] == parts[1][shared]:
        shared += 1
    ours, theirs = (set(re.findall(r"\w+", " ".join(some[shared:]).lower())) for some in parts)
    if not (shared and ours and theirs):
        return False
    return len(ours & theirs) < SAME_TASK * len(ours | theirs)


def other_words(first, second):
    """True where two questions that look alike ask about other things. Short ones ("treatments for
    Osteoporosis", "... for abetalipoproteinemia") are compared whole; of longer ones the last
    sentence, which asks ("Calculate q", "Calculate w")."""
    if other_tasks(first, second):
        return True
    questions = [split_options(text)[0] for text in (first, second)]
    if min(len(question.split()) for question in questions) <= SHORT_QUESTION:
        return tell_apart(*map(content, questions))
    return tell_apart(last_subjects(first), last_subjects(second))


def tell_apart(ours, theirs):
    """Does each of two sets of words hold one that the other lacks, or only one a denial?"""
    return each_has_more(ours, theirs) or bool((ours ^ theirs) & NEGATIONS)


# ---- what is compared with a benchmark ----

LATEX_NOISE = re.compile(
    r"\\(?:left|right|big|Big|mathrm|mathbf|mathit|mathcal|mathbb|boldsymbol|text|textbf|textit|textrm|operatorname|displaystyle|[dt]?frac|cdot|times"
    r"|q?quad|begin|end|ce|pu|overline|underline|bar|hat|vec|rm|bf|limits|over)(?![a-zA-Z])"
    r"|\\[,;!: ]|(?<=\{)(?:aligned|align|array|cases|tabular|equation)\*?(?=\})"
)
# scripts without spaces: letter by letter
TOKEN = re.compile(r"\d+(?:\.\d+)?|\.\d+|[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]|[^\W\d_]+")
OPTIONS_HEAD = re.compile(r"\s*(?:answer choices|options|choices)\s*:?\s*$", re.I)
FIRST_OPTION = re.compile(r"(?:^|\s)(\(?)([Aa])([).:])\s*(?=\S)")


def option_marks(text, first):
    """Matches of the marks (A) (B) (C) ... in order, in the form of the first."""
    opening, letter, closing = first.groups()
    marks = [first]
    for code in range(ord(letter) + 1, ord(letter) + 26):
        form = rf"\s{re.escape(opening + chr(code) + closing)}\s*(?=\S)"
        mark = re.compile(form).search(text, marks[-1].end())
        if not mark:
            break
        marks.append(mark)
    return marks


@functools.lru_cache(1 << 12)
def split_options(text):
    """(text before the options, tuple of option texts): A, B, C ... in order, at the end."""
    for first in list(FIRST_OPTION.finditer(text))[:-20:-1]:
        marks = option_marks(text, first)
        if len(marks) > 1:
            ends = [*(mark.start() for mark in marks[1:]), len(text)]
            pairs = zip(marks, ends, strict=True)
            options = tuple(text[mark.end() : end].strip() for mark, end in pairs)
            return OPTIONS_HEAD.sub("", text[: first.start()]), options
    return text, ()


def words_of(text):
    """Normalised words: numbers as digits, no punctuation or LaTeX mark-up, Greek letters by
    name."""
    text = LATEX_NOISE.sub(" ", plain_characters(text)).lower()
    text = re.sub("[α-ω]", lambda match: f" {greek_name(match.group())} ", text)
    text = THOUSANDS.sub("", digits_for_words(text))
    return TOKEN.findall(text)


@functools.cache
def greek_name(letter):
    return unicodedata.name(letter, "?").split()[-1].lower()
