"""Short answers in words: what a response states, and whether that is the reference. Words that differ are left to a judge.

    read("The powerhouse is the mitochondrion.")             -> ("The powerhouse is the mitochondrion.", "whole text")
    same("The powerhouse is the mitochondrion.", "mitochondria") -> (True, "states it")
    same("It is not caused by iron", "iron")                  -> (None, "denied")
    same("the lysosome", "ribosome")                          -> (None, "other words")      perhaps a synonym

True only where the reference's own words, number or formula are stated, unhedged; False only where the
two are of one kind and differ: yes and no, opposites, numbers, formulas. RULES are tried in order.
"""

import itertools
import re

from . import choice, equal, solution
from .markup import boxes, flat_scripts, plain
from .options import LETTERS
from .quantity import parse_quantity, ratio
from .solution import LEADING, STATED
from .words import MONTHS, OPPOSITES, content, squeezed, tokens

MAX_READ = 20_000
LONG = 400  # characters: an explanation, of which the first and the last sentence count

# ---- reading ----

SENTENCES = re.compile(r"(?<=[.!?])(?<!\n\d\.)[\"'”’)*\]]*\s+(?=[\"'“(*]*[A-Z0-9])|\n+")
PREFACE = re.compile(  # "Let's think step by step.", "## Solution", "Great question!"
    r"""(?xi)
    \#+\s.{0,60} | \W*(?:let['’]s|let\ us)\s+(?:think|solve|break|analy[sz]e|work)\b.{0,80}
  | \W*(?:solution|explanation|reasoning|analysis|great\ question|sure|to\s+(?:answer|solve)\b.{0,80})\W*"""
)
CONCLUSION = re.compile(
    r"(?i)\W*(?:therefore|thus|hence|so|in (?:conclusion|summary|short)|overall|consequently|finally|accordingly)\b"
)
CORRECTION = re.compile(  # "A. No, actually B" states B
    r"""(?xi)
    \b(?:wait\b|no,\ actually|actually,\ no\b|scratch\ that|correction\s*:|let\ me\ correct|I\ meant\b|sorry,)
    [\s,.:;!—–-]* (?:no\b,?\s*)?(?:actually\b,?\s*)?"""
)


def box(text, options):
    found = boxes(text)
    return found[-1][2].strip() or None if found else None


def statement(text, options):
    return marked(text)


def marked(text):
    """What follows the last "answer is", "Answer:", "####"; None without such a mark."""
    for match in reversed(list(itertools.islice(STATED.finditer(text), 500))):
        before = text[max(0, match.start() - 25) : match.start()]
        if re.search(r"\b(?:if|whether|not|wrong|incorrect)\b[^.\n]{0,20}$", before, re.I):
            continue
        if re.search(r"\b(?:not|cannot|can't|if|as|because)\b", match["mid"] or ""):
            continue
        tail = LEADING.sub("", text[match.end() : match.end() + 1500].lstrip("*_ \n:"))
        tail = re.sub(r"^[\"“]([^\"“”\n]{1,300})[\"”].*", r"\1", tail, flags=re.S)
        head = re.split(r"\n|(?<=[^A-Z.][.!?])\s+(?=[\"'“(*]*[A-Z])", tail, maxsplit=1)[0]
        head = plain(head).strip().strip("\"'“”").rstrip(".,:;!").strip()
        if re.search(r"\w", head):
            return head
    return None


def whole_text(text, options):
    if len(text) > LONG:
        return None
    corrected = CORRECTION.split(text)[-1]
    return plain(corrected if len(corrected.split()) > 1 else text).strip() or None


def conclusion(text, options):
    return next((plain(s) for s in reversed(sentences(text)[-4:]) if CONCLUSION.match(s)), None)


def first_and_last_sentence(text, options):
    found = sentences(text)
    return plain(" ".join(dict.fromkeys((found[0], found[-1]))))[:1500]


def sentences(text):
    found = (s.strip() for s in SENTENCES.split(text) if s and s.strip())
    return [s for s in found if not PREFACE.fullmatch(s)] or [text]


def chosen_option(text, options):
    """The text of the option that was chosen; "" where none was."""
    letters = choice.read(text, options)[0] if options else None
    if not options:
        return None
    return str(options[LETTERS.index(letters)]) if letters and len(letters) == 1 else ""


READING = (
    ("option", chosen_option),
    ("box", box),
    ("statement", statement),
    ("whole text", whole_text),
    ("conclusion", conclusion),
    ("first and last sentence", first_and_last_sentence),
)


def read(text, options=None):
    """(answer, rule); with options the text of the option that was chosen."""
    *_, (name, answer) = steps(text, options)
    return answer or None, name if answer else None


def steps(text, options=None):
    """(rule, what it said) up to the rule that decided."""
    text = text[-MAX_READ:].strip()
    for name, rule in READING:
        answer = rule(text, options)
        yield name, answer
        if answer is not None:
            return


# ---- comparing: rules of (statement, reference) -> (verdict, rule), None where one does not apply ----

NEGATIVE = set(
    "not no never neither nor without none cannot isnt arent wasnt werent doesnt dont didnt cant wont non except unlike than".split()
)
ORDERED = set(  # stems: words for which the order of what they join counts
    """lag lead exceed preced follow caus inhibit activat than befor after from to into becom convert
    divid over under""".split()
)
HEDGE = re.compile(
    r"""(?xi)
    \beither\b | \bor\b | \b(?:might|may|could|maybe|perhaps|possibly|unsure|not\ sure|guess)\b"""
)
AFFIRM = "yes true correct indeed right agree affirmative yeah yep".split()
DENY = "no false incorrect wrong nope disagree negative untrue".split()
POLARITY = re.compile(  # "The statement is not true", "so the answer is no"
    r"""(?x)
    \b(?:is|answer|statement|therefore|thus|hence|so)\W+ (?:indeed\s+|definitely\s+|actually\s+)?
    (not\s+)? (true|false|correct|incorrect|yes|no)\b (?!\s+(?:longer|more|matter))"""
)
PLACE_WORD = r"\b(?:New|North|South|East|West|Upper|Lower|Great|San|Los)\s"  # West Virginia
AKA = r"(?i)^(?:also\s+(?:known\s+as|called)|or|aka|i\.e\.,?|e\.g\.,?|accept|abbreviated)\s+"


def same(answer, reference, unit=None, rel_tol=None, response=None):
    """(True, False or None, rule): does the statement give the reference, or one of its alternatives?"""
    answer, reference = (plain(str(text)[:MAX_READ]).strip() for text in (answer, reference))
    if unit:
        return equal.same(answer, reference, unit, rel_tol)
    found = []
    for wanted in alternatives(reference):
        for name, rule in RULES:
            verdict = rule(answer, wanted)
            if verdict is not None:
                found.append((verdict[0], name))
                break
    right = next((pair for pair in found if pair[0]), None)
    return right or next((pair for pair in found if pair[0] is None), None) or found[0]


def alternatives(reference):
    """The ways to write a reference: whole, without its brackets, and what they or an "or" say is the same."""
    reference = reference.strip().rstrip(".")
    found = [reference]
    bracket = re.fullmatch(r"(.*?\S)\s+\(([^()]+)\)", reference)
    if bracket:
        note = re.sub(AKA, "", bracket[2])
        found.append(bracket[1])
        if note != bracket[2] or re.fullmatch(r"(?=.*[A-Z].*[A-Z\d])[\w.+-]{2,10}", note):
            found.append(note)  # DNA, CO2
    apart = r",?\s+or\s+|,?\s*(?:also\s+known\s+as|also\s+called|a\.?k\.?a\.?)\s+|\s+/\s+|\s*\|\s*"
    parts = re.split(apart, reference)
    if 1 < len(parts) <= 6 and not parse_quantity(reference):
        found += [part.strip() for part in parts]
    return list(dict.fromkeys(part for part in found if re.search(r"\w", part))) or [reference]


def one_letter(answer, reference):
    """A letter or a sign of one character is the whole answer, or its last word."""
    letter = reference.strip("().")
    if len(letter) != 1 or not letter.isalpha():
        return None
    bare = answer.strip(" ().,*\"'")
    last = re.search(r"\b(?:is|are|option|choice)\s+\W?([A-Za-z])\W*$", answer)
    said = bare if len(bare) == 1 else last[1] if last else None
    return (said == letter if letter.isupper() else said.lower() == letter,) if said else (None,)


def yes_or_no(answer, reference):
    wanted = polarity(reference) if len(tokens(reference)) == 1 else None
    if wanted is None:
        return None
    said = polarity(answer)
    return (None if said is None else said == wanted,)


def polarity(text):
    """True, False or None: does a text open with yes or no, or state one of them?"""
    words = re.findall(r"[a-z']+", text.lower())[:60]
    if {*AFFIRM} & {*words[:3]} and {*DENY} & {*words[:3]}:
        return None  # yes or no
    if (
        words
        and words[0] in (*AFFIRM, *DENY)
        and (len(words) == 1 or words[0] not in ("right", "wrong"))
    ):
        return words[0] in AFFIRM
    said = POLARITY.search(text.lower())
    return (said[2] in AFFIRM) != bool(said[1]) if said else None


def same_words(answer, reference):
    said, wanted = tokens(answer), tokens(reference)
    if said != wanted and squeezed(answer) != squeezed(reference) or not (said and wanted):
        return initials(answer, reference)
    return (True,) if one_sign(answer, reference) else None


def initials(answer, reference):
    """CPU against central processing unit, either way round."""
    for short, full in ((answer.strip("()., "), reference), (reference, answer.strip("()., "))):
        words = re.findall(r"[A-Za-z]+", full)
        if re.fullmatch(r"[A-Z]{3,6}", short) and "".join(w[0] for w in words).upper() == short:
            return (True,)
    return None


def one_sign(answer, reference):
    """Do symbols keep case and sign? Co is not CO, Na not Na+, C not C++, HTTP not HTTPS."""
    answer, reference = flat_scripts(answer), flat_scripts(reference)
    signs = [re.findall(r"[+#]|[-−](?!\w)|(?<!\w)[-−]", text) for text in (answer, reference)]
    if signs[0] != signs[1] and (len(signs[1]) or len(answer.split()) == 1):
        return False
    if answer.strip(" .").isupper() and reference.isupper() and len(answer) != len(reference):
        return False
    name = re.search(r"[A-Z]", reference) and len(reference) <= 5 and not reference[1:].islower()
    if not name and not re.fullmatch(r"[A-Z][a-z]", reference):
        return True
    words = {word.lower(): word for word in re.findall(r"[^\W_]+", answer)}
    return words.get(reference.lower(), reference).rstrip("s") in reference


def number(answer, reference):
    """A number, quantity or ratio: as mathematics. False where the statement gives one number, another one."""
    wanted = parse_quantity(reference)
    if wanted is None and ratio(reference) is None or re.match(NAME_WITH_NUMBER, reference):
        return None
    span = re.search(r"\d\s*(?:to|[-–])\s*\d", answer) and not re.search(r"\d{4}-\d\d", answer)
    if (HEDGE.search(answer) or span) and not HEDGE.search(reference) and "-" not in reference:
        return (None,)
    read_out = solution.read(answer)[0] if len(answer.split()) > 2 else answer
    verdicts = [equal.same(x, reference)[0] for x in dict.fromkeys((answer, read_out or answer))]
    if True in verdicts:
        return (True,)
    numbers = [word for word in tokens(answer) if word[0].isdigit()]
    if len(numbers) == 1 and tuple(numbers) == tokens(reference):
        return None  # "in 1990", "port 80"
    one = len(numbers) == 1
    bare = parse_quantity(read_out or answer) is not None
    return (False if verdicts[-1] is False and one and bare else None,)


NAME_WITH_NUMBER = r"\d+-[a-z]|\d[spdf]\d?\b"  # 2-butanol, 3d
FORMULA = re.compile(r"[=^\\_]|\d|[+-]$|\(.+\)|^[A-Z][a-z]?$|[A-Z]{2}")


def formula(answer, reference):
    """Formulas of mathematics and substances: by equal, where the statement is one or ends with one."""
    if re.search(r"\d-[a-z\d]|[a-z]-\d", reference):
        return None  # 2-butanol, carbon-14, a date
    symbols = FORMULA.search(reference)
    last = re.search(
        r"\b(?:is|are|=)\s+(?:an?\s|the\s)?(\S{1,40}(?:\s\S{1,40})?)$", answer.strip(" .")
    )
    verdict = None
    for text in filter(None, (last and last[1], answer.strip(" ."))):
        if len(text.split()) < 6 and one_sign(text, reference):
            verdict = equal.same(text, reference)[0] if FORMULA.search(text) or symbols else None
        if verdict:
            return (True,)
    alone = symbols and not re.search(r"\s", f"{answer.strip()}{reference}")
    return (False,) if verdict is False and alone else None


def opposite(answer, reference):
    """ "decreases" against "increases", "the left ventricle" against "the right ventricle": wrong."""
    said, wanted = tokens(answer), tokens(reference)
    mirrored = [OPPOSITES.get(word, word) for word in wanted]
    one = set(said) & {OPPOSITES.get(word) for word in wanted} and not set(said) & (
        set(wanted) & set(OPPOSITES)
    )
    if list(said) == mirrored != list(wanted):
        return (False,)
    return (None,) if one else None


def stated(answer, reference):
    """The reference's words side by side in the statement, unhedged and not denied."""
    said, wanted = tokens(answer), tokens(reference)
    size = len(wanted)
    places = [at for at in range(len(said) - size + 1) if size and said[at : at + size] == wanted]
    if not places or not one_sign(answer, reference):
        return None
    if HEDGE.search(answer) and not HEDGE.search(reference) or more_items(answer, reference):
        return (None,)
    early = wanted[0].isdigit() and any(said[at - 1] in ("befor", "after") for at in places if at)
    if early or any(denied(said[:at], said[at + size :]) for at in places):
        return (None,)
    if any(said[at - 1 : at] == ("of",) and at + size < len(said) for at in places):
        return (None,)  # "the symbol of gold is Ag" asks for gold
    if (
        reference.istitle()
        and all(
            re.search(PLACE_WORD + re.escape(reference), part)
            for part in re.split(r"[.;]\s", answer)
            if reference in part
        )
        and reference in answer
    ):
        return (None,)
    turned = {"then", "whereas", "while", "unlik", "but"} & set(said)
    return (None,) if turned and size < 3 and set(wanted) & set(OPPOSITES) else (True,)


def denied(before, after):
    """Is what stands between these words refused: "not caused by X", "X is not", "instead of X"?"""
    verb = after[:1] and after[0] in ("is", "was", "are", "were", "do", "doe", "did", "can")
    negated = after[1:2] if verb else after[:1]
    return bool(
        NEGATIVE & {*before[-4:], *negated} - ({"not"} if after[:1] == ("not",) else set())
    ) or before[-2:] in (
        ("instead", "of"),
        ("oppos", "to"),
        ("contrast", "to"),
        ("contrast", "with"),
    )


def items(text):
    parts = re.split(
        r",\s*(?:and\s+)?|\s+and\s+|;\s*|\n|(?<=[a-z]{3})/(?=[A-Za-z]{3})", text.strip().rstrip(".")
    )
    return [part for part in parts if part.strip()]


def more_items(answer, reference):
    """Is the statement a list with more items than the reference has?"""
    said, wanted = items(answer), items(reference)
    short = all(len(part.split()) <= 4 for part in said)
    return len(said) > len(wanted) and short


def same_list(answer, reference):
    """The same items, or the same telling words, in another order."""
    said, wanted = content(tokens(answer)), content(tokens(reference))
    if (
        len(wanted) < 2
        or NEGATIVE & set(tokens(answer)) - set(tokens(reference))
        or HEDGE.search(answer)
    ):
        return None
    lists = [sorted(content(tokens(item)) for item in items(text)) for text in (answer, reference)]
    if lists[0] == lists[1] and len(lists[0]) > 1:
        return (True,)
    numbers = [word for word in wanted if word[0].isdigit()]
    if (ORDERED | set(OPPOSITES)) & {*tokens(reference), *tokens(answer)}:
        return None
    if len(numbers) > 1 and not set(MONTHS) & set(wanted):
        return None  # one sigma and two pi bonds
    return (True,) if sorted(said) == sorted(wanted) else None


def other_words(answer, reference):
    return (None,)


RULES = (
    ("letter", one_letter),
    ("yes or no", yes_or_no),
    ("number", number),
    ("same words", same_words),
    ("formula", formula),
    ("opposite", opposite),
    ("states it", stated),
    ("same list", same_list),
    ("other words", other_words),
)
