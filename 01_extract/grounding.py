"""Where a passage supports a pair, and what of a pair it does not (used by extract_qa.py,
refine_qa.py and add_cot.py; no command of its own)."""

import itertools
import re
from collections import Counter, defaultdict

WORD = re.compile(r"\w+")
NUMBER = re.compile(r"(?<![\w.])\d+(?:,\d{3})+(?:\.\d+)?|(?<![\w.])\d+(?:\.\d+)?|(?<=\w)\.\d+")
SENTENCE = re.compile(r"(?<=[.!?])[\"”')\]]*\s+|\n\s*\n")
COMMON = frozenset(
    """about above after again also although among another answer because been before being between
    both cannot could does doing each either every find following from further given gives have
    having here hold holds however into itself just know less like made make makes many might
    more most much must need needs never often only other over question same shall should show
    since some such than that their them then there therefore these they this those through thus
    under until upon used using value very want well were what when where whether which while
    will with within without would your text mathrm frac left right""".split()
)
RUN = 4  # words in a row that count as copied
COPIED = 0.6  # share of a quote's runs that must stand in the passage, in their order
COVERED = 0.5  # share of an answer's content words that its best sentences must hold
LONGEST_PROOF = 4  # sentences


def content_words(text):
    """Words of at least four letters that carry meaning, in lower case and without plural s, and
    numbers of at least two digits."""
    found = set()
    for word in {word.lower() for word in WORD.findall(text)}:
        if word.isdigit():
            found |= {word} if len(word) > 1 else set()
        elif len(word) > 3 and word not in COMMON:
            found.add(word[:-1] if word.endswith("s") and len(word) > 4 else word)
    return found


def is_unrelated(text, other, least=1):
    """True where a text of at least so many content words shares none with another: nonsense, or of
    another book."""
    words = content_words(text)
    return len(words) >= least and words.isdisjoint(content_words(other))


# ---- the place that supports an answer ----


def find_quote(quote, passage):
    """(start, end) of the place in the passage that a quote copies, None where it is no copy.

    White space, case, punctuation and marks of Markdown and LaTeX do not count; left-out words
    ("...") and a changed word are forgiven, since the place is the one where most runs of RUN words
    agree.
    """
    places = list(WORD.finditer(passage))
    asked = [word.lower() for word in WORD.findall(quote)]
    size = min(RUN, len(asked))
    if size < 2:
        return None
    starts = defaultdict(list)  # of the passage's runs
    for at, run in enumerate(runs_of([place[0].lower() for place in places], size)):
        starts[run].append(at)
    wanted = runs_of(asked, size)
    hits = [(there, at) for at, run in enumerate(wanted) for there in starts[run][:20]]
    near = Counter((there - at) // 8 for there, at in hits)  # a left-out word shifts what follows
    shift = max(near, key=lambda key: near[key] + near[key + 1], default=0)
    found = [(there, at) for there, at in hits if (there - at) // 8 in (shift, shift + 1)]
    if len({at for _, at in found}) < COPIED * len(wanted):
        return None
    first, last = min(found)[0], max(found)[0] + size - 1
    return places[first].start(), places[last].end()


def runs_of(words, size):
    return [tuple(words[at : at + size]) for at in range(len(words) - size + 1)]


def find_support(answer, passage):
    """((start, end) or None, share) of the sentences, at most LONGEST_PROOF in a row, that hold most
    of an answer's content words."""
    words = content_words(answer)
    bounds = [0, *(match.end() for match in SENTENCE.finditer(passage)), len(passage)]
    spans = [(a, b) for a, b in itertools.pairwise(bounds) if passage[a:b].strip()]
    held = [content_words(passage[a:b]) & words for a, b in spans]
    best, place, share = 0.0, None, 0.0
    for first, (start, _) in enumerate(spans):
        seen = set()
        for more, (_, end) in enumerate(spans[first : first + LONGEST_PROOF]):
            seen |= held[first + more]
            score = len(seen) - 0.1 * more  # of two equal places the shorter
            if score > best:
                best, share = score, len(seen) / len(words)
                place = start, start + len(passage[start:end].rstrip())
    return place, share


def prove(answer, quote, passage):
    """((start, end) or None, by, is it support?) of the place that supports an answer: by "quote"
    where the model's quote stands there, else by "words", the sentences nearest to it; these are
    support where no quote was given and they hold COVERED of the answer's content words."""
    if quote and (place := find_quote(quote, passage)):
        return place, "quote", True
    place, share = find_support(answer, passage)
    return place, "words", not quote and share >= COVERED


# ---- what a pair says that its sources do not ----


def digits(number):
    """The significant digits of a number: 0.05 and 5 are the same, since units may change ("5 cm"
    is "0.05 m")."""
    return number.replace(",", "").replace(".", "").strip("0") or "0"


def new_numbers(text, *sources):
    """Numbers of a text that stand in none of the sources; 0 to 10 count steps and are let go."""
    known = {digits(number) for source in sources for number in NUMBER.findall(source)}
    found = [n for n in NUMBER.findall(text) if not re.fullmatch(r"\d|10", n)]
    return [n for n in dict.fromkeys(found) if digits(n) not in known]


# what stands behind such a sign or word is a result: "F = 31.4 N", "which gives 12.6"
RESULT = re.compile(
    r"(?:[=≈]|\\approx|\\boxed\{|\b(?:is|gives|about))[\s$({+\-−]*(?:\\\w+\{)?(?=[\d.])"
)


def given_numbers(text):
    """A text without the numbers that it gives as results, wherever they are used again."""
    found = (NUMBER.match(text, match.end()) for match in RESULT.finditer(text))
    results = {digits(number[0]) for number in found if number}
    return NUMBER.sub(lambda number: "" if digits(number[0]) in results else number[0], text)


def still_grounded(row, question, answer, passage):
    """Does what proves a row's answer prove the rewritten pair too? It must keep COVERED of the
    answer's content words, and bring in no number that is neither in passage or pair nor a result
    of its own."""
    words = content_words(row["answer"])
    kept = len(words & content_words(answer)) >= COVERED * len(words)
    sources = passage, row["question"], row["answer"]
    return kept and not new_numbers(f"{question}\n{given_numbers(answer)}", *sources)
