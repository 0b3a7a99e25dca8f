"""Which option did a response commit to? RULES are tried in order; the first that answers decides.

    read("(A) is wrong. So the answer is **(C) 5 cm**.", options) -> ("C", "statement")
    read("Answer: A, D", options)                                 -> ("AD", "statement")
    read("The answer is A or B.", options)                        -> (None, None)

A rule takes the text without its looks, the option texts (or None: letters A to J) and the text's
statements. It returns a letter, several letters where all of them are called right, "" where
nothing, or one of several, was committed, and None where it does not apply.
"""

import re

from .markup import plain
from .options import LETTERS, is_option, named, words

MAX_READ = 24_000
SHORT = 400  # characters: a response that has no room for steps on the way
SENTENCE_END = re.compile(r"(?<=[.!?。！？])[\"'”’)*\]]*\s+(?=[^a-z\s])|\n+|(?<=[。！？])")
CLAUSE_END = re.compile(SENTENCE_END.pattern + "|;")

# ---- letters, and what is said about them ----

FILLS = re.compile(  # between a cue and its letter: "the answer is therefore: **option (B)**"
    r"""(?xi)
    (?: [\s:"'“”‘’=>–—→⇒∴\#|,*] | -(?![\w.\\$(])
      | (?: therefore|thus|hence|so|clearly|probably|(?:most\s+)?likely|definitely|for\s+sure|indeed
          | in\s+fact|actually|simply|then|also|given\s+by|labell?ed|options?|choices?|letter|answer|number
          | statement|alternative|the\s+following|as\s+follows|the|that|best|correct|final|is|are
          | we\s+get | not\s+[(\[]?[A-Z][)\]]?,?\s+but(?:\s+rather)? )
        (?![a-z0-9]) _?
    ){0,14}"""
)
LETTER = re.compile(
    r"""(?x)
    (?P<open>[(\[{<（]{0,2}) \s* (?P<letter>[A-Za-z])
    (?: \s*(?P<close>[)\]}>）]) | (?! [A-Za-z0-9^_+*/=\\{] | ['’][A-Za-z] | -[A-Za-z0-9] ) )"""
)
GLUED = re.compile(r"[(\[]?([A-J]{2,6})(?=\W*(?:$|\n))")  # "AD", "FFFFF"
MORE = re.compile(  # ", D", " and (D)", " or D", where the next letter is no subject of its own
    r"""(?x)
    \s*[)\]]? \s*\(?(?P<join>,\s*(?:and|or)?|;|and|or|/|&|to|through)\s*
    (?:(?:possibly|maybe|perhaps|option|choice)\s+){0,2}
    [(\["']? (?P<letter>[A-Z]) [)\]"']? (?![A-Za-z0-9'’])
    (?= \s*(?:$|[.,;:)\n/&+—–-]) | \s+(?:are|and|or|because|since|as|both|but)\b )"""
)
PAUSE = r"\s*(?: $ | \n | [.,:;!](?![A-Za-z0-9]) | [–—-]\s | [\"'”’)(|] | (?:because|since|as)\b"
AFTER_LETTER = re.compile(  # what follows "A" or "I" where they are no words
    PAUSE + r"| (?:is|are|was|and|or|which|due|for|with|by|it|this|that|but|not|where|when|if|so)\b"
    r"| [A-Z][a-z]+\b )",
    re.VERBOSE,
)
PAUSE = re.compile(PAUSE + ")", re.VERBOSE)
NEGATED = re.compile(  # before a letter: "not", "rather than option", "we can rule out"
    r"""(?xi)
    (?: \b(?:not|neither|nor|rather\s+than|instead\s+of|except|exclud\w+|eliminat\w+|rul\w+\s+out
        |would\s+(?:give|yield|lead\s+to)|discard\w*|reject\w*|unlike|without|incorrect|wrong) | n['’]t | 不是|不选 )
    \s* (?:the|answer)? \s* (?:options?|choices?)? \s* [(\[:]? \s* $"""
)
REFUSED = re.compile(  # behind a letter: "is not", "can be ruled out", ") false"
    r"""(?xi)
    \s*[)\]:]\s*(?:false|incorrect|wrong)\b
  | \s*[)\]]? (?:\s(?!(?:it|because|since|as)\b)[^.,;:\n]{0,60})? \s
    (?: (?:is|are|was|can|could|would|does|do|should|may|might|will)\s*(?:n['’]t|not) | cannot
      | (?:is|are|was|be|seems) \s+ (?:(?:also|clearly|therefore|thus|both)\s+)?
        (?:incorrect|wrong|false|invalid|ruled|eliminated|excluded|irrelevant|unlikely|tempting) )"""
)
MENTION = re.compile(  # "(B)", "option B"
    r"""(?x) (?<![A-Za-z0-9\\^_])
    (?: [(\[]\s*([A-Z])\s*[)\]]
      | (?i:option|choice)s?[\s_]+["'“‘(]?([A-Za-z])(?![A-Za-z0-9'’])
      | (?i:answer|statement|letter|image)s?[\s_]+["'“‘(]?([A-Z])(?![A-Za-z0-9'’]) )"""
)


WITHDRAWN = "?"  # what takes back everything before it: "which is not among the options"
CLOSERS = tuple(").:]")


def letters_at(text, at, options):
    """(letters, their end) at a place, fillers skipped; "" where they are refused or one of several,
    WITHDRAWN where another option's text stands beside, None where none stands there."""
    at = FILLS.match(text, at).end()
    if glued := GLUED.match(text, at):
        return in_order(glued[1], options), glued.end()
    match = LETTER.match(text, at)
    if not match or not is_option(match["letter"], options):
        return None, at
    letter, end = match["letter"].upper(), match.end()
    by_text = named(text[at:], options, "start")  # "I only", "C, Ruby", "A > D > B"
    if by_text and by_text[0] != letter and begins_with(match["letter"], by_text[0], options):
        return by_text[0], at
    letters, after = with_more(letter, text, end, options)
    wrapped = match["open"] or match["close"] or len(letters) > 1
    if not wrapped and is_a_word(match["letter"], text, end):
        return None, at
    return (beside(letters, text, end, options) if len(letters) == 1 else letters), after


def beside(letter, text, end, options):
    """A letter, "" where the words behind it refuse it, WITHDRAWN where they are another option's."""
    behind = text[end : end + 300].lstrip(" ).:]")
    if REFUSED.match(text, end, end + 90):
        # "D) The pressures cannot be compared": the words are the option's own
        return letter if letter in named(behind, options, "start") else ""
    if text[end - 1 : end + 1].strip(" \n")[-1:] not in CLOSERS:
        return letter
    hits = named(behind.split("\n", 1)[0], options, "all")  # "B. The vapor load", which is D
    return letter if not hits or letter in hits else WITHDRAWN


def begins_with(letter, option, options):
    text = plain(options[LETTERS.index(option)]).strip(" $([")
    return len(text) > 1 and text[0] == letter


def is_a_word(letter, text, end):
    """Is a bare letter no option: an article, a pronoun, a numeral, a lower-case symbol?"""
    if letter.islower():
        return not PAUSE.match(text, end)
    return letter in "AI" and (is_numeral(letter, text) or not AFTER_LETTER.match(text, end))


def is_numeral(letter, text):
    return letter == "I" and "II" in text  # statements I and II


def in_order(word, options):
    """ "AD" where the letters of a word stand in order, "F" of "FFFFF"; None of another word."""
    letters = "".join(dict.fromkeys(word))
    ordered = letters == "".join(sorted(letters)) and is_option(letters[-1], options)
    return letters if ordered and len(letters) in (1, len(word)) else None


def with_more(letters, text, end, options):
    """A letter with those listed behind it, and their end; "" where "or" joins them."""
    while (more := MORE.match(text, end)) and is_option(more["letter"], options):
        end = more.end()
        if more["letter"] in "AI" and not AFTER_LETTER.match(text, end):
            break
        if more["join"].endswith(("or", "/", "to", "through")):
            return letters if more["letter"] == letters else "", end
        letters = "".join(dict.fromkeys(letters + more["letter"]))
    return letters, end


def mentions(text, options):
    """The letters in wrappers ("(B)", "option B") that are not negated, each once, in order."""
    found = []
    for match in MENTION.finditer(text):
        letter = match[match.lastindex].upper()
        start, end = match.start(), match.end(match.lastindex)
        denied = NEGATED.search(text, max(0, start - 40), start)
        if denied or REFUSED.match(text, end, end + 90) or is_numeral(letter, text):
            continue
        more = MORE.match(text, end)  # options B and D
        found += [letter, more["letter"]] if more else [letter]
    return [letter for letter in dict.fromkeys(found) if is_option(letter, options)]


# ---- statements: a cue word, its tail, and what stands behind it ----

COPULA = r"""(?<![a-z])(?:is|are|was|were|be|been|being|remains|becomes
    |(?:seems?|appears)(?:\s+to\s+be)?)(?![a-z])"""
MID = r"[^.\n:=?]{0,90}?"
WRAPPED = r"[(\[]\s*[A-Za-z]\s*[)\]]"
BARE = rf"(?:(?:option|choice)\s)?(?:{WRAPPED}|(?-i:[A-Z]))"
CHOSEN = rf"""(?=\s*(?:(?:the|answer|option|choice|letter|statement|most|correct|best)\s+){{0,4}}
    (?:["'“‘]|{WRAPPED}|(?-i:[A-Z])(?![A-Za-z'’])))"""
NOUN = r"(?:option|choice|statement|alternative|conclusion|solution|letter|description|one|match)s?"
CUES = {  # words, and the tail that makes them a cue
    # "answer is", "Ans. (B)", "### Answer\nD"
    "answer answers ans": rf"""(?:[\s_](?:choice|option|letter|here|key))?
        (?: {MID} (?: \s*(?:{COPULA}|[:：=→>]) | (?=\s*{WRAPPED}) | \s+-+\s+ )
          | [.]?\s+(?=[(\[]?(?-i:[A-Z])[)\].]?\s*(?:\n|$))
          | [.]?\s*\n\W*(?=(?-i:[A-Z])[).:]\s) )""",
    # "the best option would be"
    "correct right best appropriate final likely true closest incorrect false": rf"""
        \s+(?:answer\s+)?{NOUN}\b {MID} (?: \s*(?:{COPULA}|[:：=→]) | (?=\s*{WRAPPED}) )""",
    "option choice selection selected label prediction conclusion elimination": r"""
        (?:\s(?:that|which)\s[^.\n]{0,60}?)?["']?\s*(?:\bis|:|=)(?!=)""",
    # "I'd go with B", "we choose (c)", "this corresponds to option C"
    """go going lean pick picking choose choosing chose select selecting say conclude leads corresponds matches
    closest leaving leaves left""": rf"(?:\s+(?:with|for|on|that|to|towards?|us|only))? :?{CHOSEN}",
    "gives is means": rf"\s+(?:the\s+)?(?:answer|option|choice)\b{CHOSEN}",
    # "Hence (a).", "It's B.", "so B it is", "a heap → C"
    "so thus hence therefore it → ⇒ ∴ =>": rf"""
        (?:['’]s|\s+is|\s+(?:must|should|has\s+to)\s+be|(?<!\bit))
        [,:]?(?=\s{{1,3}}{BARE}\s{{0,3}}(?:it\s+is)?(?:[.!]\s|[.!]?\s*$))""",
    # "only C remains"
    "only": rf"""(?=\s{BARE}\s(?:\([^()]{{0,40}}\)\s)?
        (?:remains|survives|fits|matches|works|holds|satisfies|agrees)\b)""",
    "####": "",
    "答案 选项 选": "(?:应该|应)?(?:是|为|选|：|:)?",
}
TAILS = {word: re.compile(tail, re.X | re.I) for all, tail in CUES.items() for word in all.split()}
WORD = re.compile(r"[A-Za-z]+|#{4}|[→⇒∴]|=>|答案|选项?")
DOUBT = re.compile(  # right before a cue: "whether the answer is", "the student's answer is"
    r"""(?xi)
    \b(?:if|whether|suppose|supposing|assum\w+|unless|not\s+sure|unsure|wrong|incorrect|how\s+can
      |hypothetical\w*|had|previous|initial\w*|at\s+first|argue|student'?s?|mistake|your
      |(?<!only\s)possible) \b [^.\n]{0,24}$"""
)
REMARK = re.compile(  # "Note: had it asked about X, the answer would be A"
    r"""(?xi)
    \b(?:if|had|were|suppose|assuming|unless|otherwise|in\s+case|for\s+(?:the\s+)?other)\b .*
    \b(?:would|were|might|could)\b | ^\W*(?:note|remark|p\.?s|nb)\b\W"""
)
IF = re.compile(r"\W*[A-Z]?\W*if\b")  # "the answer would be A if"
CORRECTION = re.compile(
    r"(?i)\b(?:wait|actually|no|not|but|however|instead|correct|so|therefore)\b"
)
SECOND_THOUGHT = re.compile(r"(?:^|[.!?\n]\s*)(?:\w+,? )?(?i:wait|actually|correction|hold on)\b")
DENIED = re.compile(r"(?i)\b(?:can|could|must|should|would|may|might)(?:\s?not|n?['’]t)\s+be\s*$")
RETRACTED = re.compile(
    r"(?i), (?:but|which) .{0,20}\bnot (?:(?:the|a) )?(?:correct|right|best|among|listed|one of)\b"
)


def statements(text, options):
    """[(start, end, letters, is a remark)] of the cues behind which something readable, or a
    denial, stands."""
    found, done = [], 0
    reach = 400 + max(map(len, options or [""]))
    for word in WORD.finditer(text):
        tail = TAILS.get(word[0].lower())
        cue = tail.match(text, word.end()) if tail and word.start() >= done else None
        if not cue:
            continue
        done = cue.end()
        before = CLAUSE_END.split(text[max(0, word.start() - 200) : word.start()])[-1] or ""
        if DOUBT.search(before[-60:]):
            continue
        letters = offered(text[done : done + reach], options)
        if letters and DENIED.search(text, word.start(), done):
            letters = ""  # the answer cannot be A
        if letters is not None:
            remark = REMARK.search(before + text[word.start() : done]) or IF.match(text, done)
            found.append((word.start(), done, letters, bool(remark)))
    return found


def offered(tail, options):
    """What the text behind a cue offers: letters, or the one option that it names."""
    at = FILLS.match(tail).end()
    line = SENTENCE_END.split(tail[at:], maxsplit=1)[0]
    if line.rstrip().endswith("?"):
        return None
    letters = WITHDRAWN if RETRACTED.search(line) else letters_at(tail, at, options)[0]
    if letters is not None:
        return letters
    within = named(line, options)
    if len(within) > 1 and re.search(r"\bor\b", line) and not named(line, options, "all"):
        return ""  # the nucleus or the ribosome
    whole = tail.lstrip(" :\n")  # "- 0.5": its sign is no filler
    hits = named(tail[at:], options, "start") or named(whole, options, "start") or within
    hits = hits if len(hits) == 1 else mentions(line, options)
    return hits[0] if len(hits) == 1 else None


def statement(text, options, stated):
    """The last statement that is no remark; "" where the one right before it differs,
    uncorrected."""
    found = [item for item in stated if item[2]]
    firm = [item for item in found if not item[3]] or found
    if not firm:
        return None
    start, _, letters, _ = firm[-1]
    if back := SECOND_THOUGHT.search(text, start):
        return said_right(text[back.end() :], options, ()) or ""
    before, end, earlier, _ = firm[-2] if len(firm) > 1 else firm[-1]
    answered = text[before : before + 6].lower() == "answer"
    formal = begins_line(text, start) and not answered  # "which is option G.\n\nAnswer: F"
    uncorrected = start - end < 60 and not (formal or CORRECTION.search(text[end:start]))
    return "" if earlier != letters and uncorrected else letters


def begins_line(text, at):
    return not text[max(0, text.rfind("\n", 0, at)) : at].strip(" \n*_#")


# ---- the first line, the last line, verdicts ----

LISTED = re.compile(
    r"(?i)(?:^|\n)[ \t]*(?:[-•#*]+[ \t]*)?(?:option|choice)?\s?[(\[]?([A-Z])[)\].:](?=\s|$)"
)
VERDICTS = dict(t="true", correct="true", right="true", f="false", incorrect="false", wrong="false")
FIRST_WORD = re.compile(r"\W*([A-Za-z]+)\b\s*(?:[,.:;!—–-]|$)")
RIGHT = re.compile(  # "B is correct", "(C) seems the best choice"
    r"""(?x)
    \s{1,3}(?:is|seems|must\s+be|should\s+be|would\s+be(?=\s+the))\s+
    (?:(?:the|therefore|thus|clearly|indeed|most|more|likely|only|also|my)\s+){0,4}
    (?:correct|right|best|answer|appropriate|closest|(?:option|one)\s+that)\b
    (?!\s+(?:or|if|\w+\s+if)\b)"""
)
MARK = re.compile(  # of an option in a list
    r"(?i)(?P<wrong>\b(?:incorrect|wrong|false|no|not)\b|[✗❌✘])|\b(?:correct|right|true|yes)\b|[✓✅✔]"
)
SUBJECT = re.compile(r"(?<!\bor )(?<!\bor [(\[])(?<![A-Za-z0-9'’\\-])([A-Z])[)\]]?$")


def listed(text, options):
    """The options whose letters begin a line."""
    return {label.upper() for label in LISTED.findall(text) if is_option(label, options)}


def first_line(text, options, stated):
    """A response that begins with its answer: "B because ...", "(B) 5 cm", "Yes, ..."."""
    line = text.split("\n", 1)[0]
    if len(listed(text[:3000], options)) > 1:
        return None
    beyond = re.fullmatch(r"[(]([A-Z])[)] .{1,40}", text)
    if beyond and not is_option(beyond[1], options):
        return ""  # "(E) 80°" of four options
    if line.startswith("A:") and (hits := named(line[2:], options, "all")):
        return hits[0]  # "A: no", the answer to a "Q:"
    if letters := first_letters(text, options):
        return letters
    hits = named(line, options, "all") or named(first_word(line), options, "all")
    discussed = hits and any(named(one, options, "start") for one in text.split("\n")[1:9])
    return hits[0] if hits and not discussed else None  # "Nucleus: holds ...\nRibosome: makes ..."


def first_letters(text, options):
    """The letters that a text begins with, where a pause follows; None without."""
    letters, end = letters_at(text, 0, options)
    if not letters or letters == WITHDRAWN:
        return letters or None
    small = letters[0] not in text[:end] and len(text.split("\n", 1)[0]) > 4
    if small and letters not in named(text[end:], options, "start"):  # "(b) 5 cm"
        return None
    return letters if PAUSE.match(text, end) or text[end - 1] in ")]}>" else None


def first_word(line):
    """ "Yes" of "Yes, because", "false" of "F. A stack"; "" where no pause follows the word."""
    word = FIRST_WORD.match(line)
    return VERDICTS.get(word[1].lower(), word[1]) if word else ""


def said_right(text, options, stated):
    """The last letter that is called right: "B is correct"."""
    last = None
    for match in RIGHT.finditer(text):
        subject = SENTENCE_END.split(text[max(0, match.start() - 120) : match.start()])[-1]
        bare = SUBJECT.search(subject)
        if bare and not NEGATED.search(subject, 0, bare.start()):
            letters = [bare[1]]
        else:
            letters = mentions(subject, options)
        doubted = re.search(r"(?i)\b(?:if|whether)\b", subject[-30:])
        if len(letters) == 1 and is_option(letters[0], options) and not doubted:
            last = letters[0]
    return last


def marked_right(text, options, stated):
    """The one option of a list that is marked right, all others wrong: "A: no.\nB: correct."."""
    lines = [(LISTED.match(line), MARK.search(line)) for line in text.split("\n")]
    marks = [(label[1].upper(), mark) for label, mark in lines if label]
    own = any(map(MARK.search, options or ()))  # the words may be the options' own
    if own or len(marks) < 2 or not all(mark for _, mark in marks):
        return None
    right = [letter for letter, mark in marks if not mark["wrong"]]
    return right[0] if len(right) == 1 and is_option(right[0], options) else None


def last_line(text, options, stated):
    """A response whose last line is nothing but its letters, or an option as it was listed: "(D)",
    "=> C", "✅ B. Iron", "Both A and D are correct."."""
    before, _, line = text.rpartition("\n")
    line = re.sub(r"^Both\b| are (?:all |both )?(?:correct|right)\b|[✅✓✔]", "", line[-300:])
    line = SENTENCE_END.split(line.strip())[-1]  # "That is the first option. A."
    letters, end = letters_at(line, 0, options)
    mark = re.fullmatch(r"\s*[a-z][).:]\s*", line)  # "b)", where the response was cut off
    if mark or line.endswith("?"):
        return None
    in_list = LISTED.match(before.rstrip().rpartition("\n")[2])
    whole = not in_list and letters in named(line[end:], options, "all")
    return letters if whole or not re.search(r"\w", line[end:]) else None


# ---- sentences that name an option ----

SUBORDINATE = re.compile(  # "as pressure increases, volume decreases" states the second
    r"(?i)^\W*(?:as|when|if|because|since|although|while|after|once)\b[^,]{0,160},\s*"
)
OPEN_END = re.compile(  # no sentence ends so
    r"""(?x)(?:\s|(?=[,;]))(?:because|since|and|or|but|the|an|is|are|was|of|to|that|which|with|for|if|as|by|from
    |gives|get|equals|have|[=+,;])$"""
)
CLOSED = re.compile(r"[.!?。！？:)\]}\"'”’]$|```$")
DENIAL = re.compile(r"(?i)\b(?:no|not|cannot)\b|n['’]t\b")
UNSURE = re.compile(
    r"(?i)\?|\b(?:may|might|could|perhaps|possibly|maybe|unclear|depends|cannot|please|sorry)\b"
    r"|\b(?:not|n't|im)\s?(?:possible|enough|provide|know|answer)\b"
)


def cut_off(text):
    """Does a response stop inside a sentence: at a word that needs another, or, a long one, without
    its full stop?"""
    unclosed = not CLOSED.search(text[-3:]) or text.count("\\[") > text.count("\\]")
    return bool(OPEN_END.search(text[-20:])) or len(text) > 300 and unclosed


def last_sentence(text, options, stated):
    """The one option that one of the last two sentences of a short response names, or that a long
    one mentions at all."""
    if cut_off(text):
        return None
    known = None if stated else options  # what was stated was refused: other words do not count
    if len(listed(text, options)) > 1:  # a list, of which no line is a conclusion
        text = "\n".join(line for line in text.split("\n") if not LISTED.match(line))
    sentences = [part for part in SENTENCE_END.split(text[-SHORT:]) if part.strip()]
    for sentence in sentences[:-3:-1] if len(text) < SHORT else ():
        found = concluded(sentence, known)
        if found is not None:
            return found or None
    everywhere = mentions(text, options)
    return everywhere[0] if len(everywhere) == 1 else None


def concluded(sentence, options):
    """The letter that a sentence near the end commits to; "" where it names several or asks; None
    where none."""
    letters = mentions(sentence, options)
    if letters or sentence.rstrip().endswith("?"):
        return letters[0] if len(letters) == 1 else ""
    before = r"(?:\b(?:is|are)|[:–—])" if options else r"\b(?:is|are)"  # "a mixture: D."
    bare = re.search(before + r"\s+([A-Z])\s*[.!]?\s*$", sentence)
    if bare and is_option(bare[1], options) and not DOUBT.search(sentence[: bare.start()]):
        return bare[1]
    hits = named_at_end(sentence, options)
    determiner = re.search(r"(?i)\bno\s+\w(?!.*\bno\W*$)", sentence)  # "There is no abstract"
    if not hits or determiner and words(options[LETTERS.index(hits[0])]) == " no ":
        return None
    return hits[0] if len(hits) == 1 else ""


def named_at_end(sentence, options):
    """The options that a sentence names in its main clause, behind its last verb if there is one."""
    main = SUBORDINATE.sub("", sentence)
    sentence = main if named(main, options) else sentence
    *before, last = re.split(r"\b(?:is|are|was|were|be|equals?|about)\b(?! not)|[=≈:]", sentence)
    denied = before and re.search(r"(?:not|n['’]t)\s*$", before[-1])
    hits = named(last, options) if before and not denied else []
    return hits if len(hits) == 1 else named(sentence, options)


def yes_or_no(text, options, stated):
    """A plain statement of a few sentences answers a question of yes and no: "The lines do not
    cross." with no."""
    flat = [words(option).strip() for option in options or ()]
    if stated or set(flat) != {"yes", "no"}:
        return None
    if len(text.split()) < 3 or len(text) > SHORT or UNSURE.search(text) or cut_off(text):
        return None
    return LETTERS[flat.index("no" if DENIAL.search(text) else "yes")]


CALLED = re.compile(  # "The statement is not correct."
    r"""(?xi)\b(?:statement|assertion|claim|proposition|this|it)(?:\s+(?:is|was)|['’]s)\s+
    (?:\w+ly\s+)?(not\s+|in)?(true|correct|right|false|wrong)\b (?!\s+(?:if|only|or|when)\b)"""
)


def called_true(text, options, stated):
    """What a response calls the statement of a question of true and false; None where it wavers."""
    flat = [words(option).strip() for option in options or ()]
    if set(flat) != {"true", "false"} or cut_off(text):
        return None
    found = {
        bool(denied) == (word.lower() in ("false", "wrong"))
        for denied, word in CALLED.findall(text)
    }
    return LETTERS[flat.index(str(*found).lower())] if len(found) == 1 else None


RULES = (
    ("statement", statement),
    ("first line", first_line),
    ("said right", said_right),
    ("marked right", marked_right),
    ("last line", last_line),
    ("last sentence", last_sentence),
    ("called true", called_true),
    ("yes or no", yes_or_no),
)


def steps(text, options=None):
    """(rule, what it said) up to the rule that decided; of a very long text the beginning and the
    end are read."""
    if len(text) > MAX_READ:
        text = text[: MAX_READ // 4] + "\n" + text[-3 * MAX_READ // 4 :]
    text = plain(text.replace("\\_", "_")).strip()
    options = tuple(map(str, options[:26])) if options else None
    stated = statements(text, options)
    for name, rule in RULES:
        letters = rule(text, options, stated)
        letters = letters and letters.strip(WITHDRAWN)
        yield name, letters
        if letters is not None:
            return


def read(text, options=None):
    """(letters, rule); (None, rule) where the rule found that nothing, or one of several, was
    committed."""
    *_, (name, letters) = steps(text, options)
    return letters or None, name if letters is not None else None
