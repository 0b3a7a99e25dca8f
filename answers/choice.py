"""Which option did a response commit to? The first of RULES that answers decides.

    read("(A) is wrong. So the answer is **(C) 5 cm**.", options) -> ("C", "statement")
    read("Answer: A, D", options)                                 -> ("AD", "statement")

A rule takes the plain text, the option texts (None: letters A to J) and announcements(). It returns
letters (several where all are called right), "" where nothing or one of several was committed, None
where it does not apply.
"""

import re

from .markup import plain
from .options import LETTERS, is_option, named

MAX_READ = 24_000
SHORT = 400  # characters: a response that has no room for steps on the way
SENTENCE_END = re.compile(r"(?<=[.!?。！？])[\"'”’)*\]]*\s+(?=[^a-z\s])|\n+|(?<=[。！？])")

FILLS = re.compile(  # between a cue and its letter: "the answer is therefore: **option (B)**"
    r"""(?xi)
    (?: [\s:"'“”‘’=>–—→⇒∴✅✓✔\#|,*.] | -(?=\s*\(?(?-i:[A-Z])\b)
      | (?: therefore|thus|hence|so|(?:most\s+)?[a-z]{4,9}ly|for\s+sure|then|also|given\s+by
          |options?|choices?|letter|answer|number|statement|the|that|best|correct|final|is|are|we\s+get
          |not\s+[(\[]?[A-Z][)\]]?,?\s+but(?:\s+rather)? ) (?![a-z0-9]) _?
    ){0,14}"""
)
ONE = r"[(\[{<（]{0,2}\s*[%s](?:\s*[)\]}>）]|(?![A-Za-z0-9^_+*/=\\{]|['’][A-Za-z]|-[A-Za-z0-9]))"
LETTERS_READ = re.compile(  # "B", "(b)", "A, C and (D)", "A or B"; "AD", "FFFFF"
    rf"""(?x)
    [(\[]?(?P<glued> ([A-J])\2+ | (?=[A-J]{{2}})A?B?C?D?E?F?G?H?I?J? )(?=\W*(?:$|\n))
  | {ONE % "A-Za-z"}
    (?: \s*\(?(?:,\s*(?:and|or)?|;|and|or|/|&|to|through)\s*
        (?:(?:possibly|maybe|perhaps|option|choice)\s+){{0,2}} ["']?{ONE % "A-Z"}["']?
        (?= \s*(?:$|[.,;:)\n/&+—–-]) | \s+(?:are|and|or|because|since|as|both|but)\b ) )*"""
)
PAUSE = re.compile(
    r"""(?x) \s*(?: $ | \n | [.,:;!](?![A-Za-z0-9]) | [–—-]\s | [\"'”’)|]
      | (?:because|since|as|here|it\s+is)\b ) | \s\("""
)
MENTION = re.compile(  # "(B)", "option B"
    r"""(?x) (?<![A-Za-z0-9\\^_])
    (?: [(\[]\s*([A-Z])\s*[)\]]
      | (?i:option|choice|answer|statement|letter)[\s_]+["'“‘(]?([A-Za-z])(?![A-Za-z0-9'’]) )"""
)
NEGATED = re.compile(  # before a letter: "not", "rather than option", "we can rule out"
    r"""(?xi)
    (?: \b(?:not|neither|nor|rather\s+than|instead\s+of|except|exclud\w+|eliminat\w+|rul\w+\s+out
        |would\s+(?:give|yield|lead\s+to)|discard\w*|reject\w*|unlike|without|incorrect|wrong) | n['’]t | 不是|不选 )
    \s* (?:(?:be|the|answer|options?|choices?)\s*){0,2} [(\[:]? \s* $"""
)
REFUSED = re.compile(  # behind a letter: "is not", "can be ruled out", ") false"
    r"""(?xi)
    \s*[)\]:]\s*(?:false|incorrect|wrong)\b
  | \s*[)\]]? (?:\s(?!(?:it|because|since|as)\b)[^.,;:\n]{0,60})? \s
    (?: (?:is|are|was|can|could|would|does|do|should|may|might|will)\s*(?:n['’]t|not) | cannot
      | (?:is|are|was|be|seems) \s+ (?:\w+\s+)?
        (?:incorrect|wrong|false|invalid|ruled|eliminated|excluded|unlikely|tempting|irrelevant) )"""
)


def letters_at(text, at, options, formal=True):
    """(letters, their end) at a place, fillers skipped. "": one of several, no option, or beside
    another option's text; None: none stands there, or it is refused."""
    at = FILLS.match(text, at).end()
    match = LETTERS_READ.match(text, at)
    if not match or not is_letter(match, text, formal, options):
        return None, at
    written, end = match[0], match.end()
    found = match["glued"] or re.findall(r"(?<![A-Za-z])[A-Za-z](?![A-Za-z])", written)
    letters = "".join(dict.fromkeys(letter.upper() for letter in found))
    if not all(is_option(letter, options) for letter in letters):
        return "" if re.match(r"\([A-Z]\)", written) else None, end  # "(E) 80°" of four options
    if option := begun_option(text[at:], found[0], options):
        return option, at
    if len(letters) > 1:
        several = not formal or re.search(r"\b(?:or|to|through)\b|/", written)
        return "" if several else letters, end
    return beside(letters, text, end, options), end


def is_letter(match, text, formal, options):
    """No article, pronoun or numeral; informally, a capital or in brackets, with a pause or the
    option's text behind."""
    written, end = match[0], match.end()
    if written == "I" and "II" in text or not formal and written[0].islower():
        return False
    is_word = len(written) == 1 and (written in "AI" or written.islower())
    if named(text[end:], options, "start") == [written.strip("( )")]:
        return True
    return bool(PAUSE.match(text, end)) or formal and not is_word


def beside(letter, text, end, options):
    """A letter; None where the words behind it refuse it, "" where they are another option's."""
    own = named(text[end:].lstrip(" ).:]"), options, "start")  # "B. The vapor load", which is D
    if not own and REFUSED.match(text, end, end + 90):
        return None
    return "" if own and letter not in own else letter


def begun_option(text, letter, options):
    """The option whose own words begin with another letter: "I only", "C, Ruby", "A > D > B"."""
    for option in named(text, options, "start"):
        own = plain(options[LETTERS.index(option)]).strip(" $([{}")
        if len(own) > 1 and own[0] == letter != option:
            return option
    return None


def mentions(text, options):
    """The letters in wrappers ("(B)", "option B") that are not taken back, each once, in order."""
    found = []
    for match in MENTION.finditer(text):
        letter = match[match.lastindex].upper()
        start, end = match.start(), match.end(match.lastindex)
        denied = NEGATED.search(text, max(0, start - 40), start) or REFUSED.match(text, end)
        if not denied and is_option(letter, options):
            found.append(letter)
    return list(dict.fromkeys(found))


# ---- announcements: a cue, and what stands behind it ----

CUE = re.compile(
    r"""(?xi) (?=[a-eghilmopr-tf\#=→⇒∴选答]) (?<![a-z])
    (?: (?P<noun> (?: answers? | ans
          | (?:correct|right|best|appropriate|final|likely|true|closest|incorrect|false)\s+
            (?:option|choice|statement|alternative|conclusion|solution|letter|one|match)s?
          | (?:option|choice|statement|select(?:ion|ed)|label|prediction|diagnosis|exception|conclusion) (?!\s*[(\[]?(?-i:[A-Z])\b) ) (?![a-z])
        [^.;\n:=?]{0,90}?
        (?: \s*[:：=→>] | \s+-+\s
          | (?<![a-z]) (?: is|are|was|were|(?<!not\ )(?<!n['’]t\ )be|been|being|remains|becomes|seems ) (?![a-z]|\s+not\s+(?-i:[a-z])) )
      | \#{4} | 答案(?:应该|应)?[是为选：:]? )
    | (?: answers?|ans|go(?:ing)?|lean|pick(?:ing)?|choos(?:e|ing)|chose|select(?:ing)?|say|conclude
        |leads|corresponds|matches|closest|leav(?:es|ing)|left|so|thus|hence|therefore|it['’]s|it\s+is
        |(?:must|should|has\s+to)\s+be ) (?![a-z]) (?:\s+(?:with|to|towards?|for|on|us|only)\b)?
    | (?<!\b(?-i:[A-Z])\ )[→⇒∴] | => | 选项?[是为：:]? )"""
)
DOUBT = re.compile(  # before a cue: "whether the answer is", "the student's answer is"
    r"""(?xi)
    \b(?:if|whether|suppos\w+|assum\w+|unless|(?:not\s+|un)sure|wrong(?!,)|how\s+can|hypothetical\w*
      |had|previous|initial\w*|at\s+first|argue|students?(?:'s)?|others|people|tempted|going\s+to|mistake
      |your|(?<!only\s)possible) \b (?:(?!\bbut\b)[^.\n]){0,24}$"""
)
REMARK = re.compile(  # "Note: had it asked about X, the answer would be A"; "Incorrect answers:"
    r"""(?xi)
    \b(?:incorrect|wrong|false|other)\s(?:answer|option|choice)s(?:\sare)?\W*$ |
    \b(?:if|had|were|suppose|assuming|unless|otherwise|in\s+case|for\s+(?:the\s+)?other)\b .*
    \b(?:would|were|might|could)\b"""
)
CONDITION = re.compile(r"(?i)^\W*[A-Z]?\W*if\b|\botherwise\b|\?$")  # "A if ..., otherwise B"
TAKEN_BACK = re.compile(  # behind an announcement
    r"""(?xi) [.!?\n]\s*(?:\w+,?\s)?(?:wait|actually|correction|hold\son)\b
    | \bI\s(?:can(?:['’]t|not)|am\snot\ssure)\b
    | ,\swhich\s.{0,20}\bnot\s(?:(?:the|a)\s)?(?:correct|right|best|among|listed|one\sof)\b"""
)
RIGHT = re.compile(  # "B is correct", "(C) seems the best choice", "only D (4 m) survives"
    r"""(?x) (?=[A-Z]\W)(?<!\bor\s)(?<!\bor\s\()(?<![\w'’\\-]) (.) \)? (?:\s\([^()]{0,40}\))? \s{1,3}
    (?: (?:is|seems|must\sbe|should\sbe|would\sbe(?=\sthe)) \s (?:(?!not\b)\w+\s){0,4}?
        (?:correct|right|best|answer|appropriate|closest|(?:option|one)\sthat)
      | remains|survives|matches|fits )\b (?!\s+(?:or|if|only)\b)"""
)


def announcements(text, options):
    """[(start, end, letters, is it firm)] of the cues behind which a letter or an option stands."""
    found = []
    for cue in list(CUE.finditer(text))[-1000:]:
        start, end = cue.span()
        tail = text[end : end + 3000]
        letters, _ = letters_at(tail, 0, options, bool(cue["noun"]))
        line = SENTENCE_END.split(tail[FILLS.match(tail).end() :], maxsplit=1)[0].rstrip()
        if letters is None:
            if cue["noun"]:
                letters = offered(tail.lstrip(" :\n"), line, options)
            elif hits := first_word(tail, options):
                letters = hits[0]
        if letters is not None:
            clause = SENTENCE_END.split(text[max(0, start - 200) : start])[-1].rpartition(";")[2]
            condition = CONDITION.search(line) and not named(line, options, "all")
            doubt = condition or REMARK.search(clause + cue[0]) or DOUBT.search(clause)
            found.append((start, end, letters, not doubt))
    return found


def offered(text, line, options):
    """The option that a text begins with or its line names; "" for "the nucleus or the ribosome"."""
    within = named(line, options)
    if len(within) > 1 and " or " in line and not named(line, options, "all"):
        return ""
    hits = named(text, options, "start") or within
    return hits[0] if len(hits) == 1 else None


def first_word(text, options):
    """The option that is the first word of a text, a pause behind it: "Yes, because"."""
    word = re.match(r"\W*([A-Za-z]+)\b\s*(?:[,.;!(–—-]|$)", text)
    return named(word[1] if word else "", options, "all")


def statement(text, options, stated):
    """The last firm announcement; "" where the one right before it differs, uncorrected."""
    firm = [item for item in stated if item[3]]
    if not firm:
        return None
    (_, end, earlier, _), (start, _, letters, _) = [firm[0], *firm][-2:]
    differs = earlier != letters and start - end < 14  # and no "No, wait" stands between
    return "" if differs or TAKEN_BACK.search(text, start) else letters


def said_right(text, options, stated):
    """The one letter that is called right: "B is correct"; "" where several are."""
    called = [match for match in RIGHT.finditer(text) if is_option(match[1], options)]
    found = {m[1] for m in called if not DOUBT.search(text, max(0, m.start() - 60), m.start())}
    return None if not found else "" if len(found) > 1 else found.pop()


LISTED = re.compile(r"(?im)^[-•#* \t]*(?:option|choice)?\s?[(\[]?([A-Z])[)\].:](?=\s|$)")
OPEN_END = re.compile(  # no sentence ends so
    r"""(?x)(?:\s|(?=[,;]))(?:because|since|and|or|but|the|an|is|are|was|of|to|that|which|with|for|if|as|by|from
    |gives|get|equals|have|[=+,;])$"""
)


def is_list(text):
    """Do several options' letters begin a line?"""
    return len({label.upper() for label in LISTED.findall(text)}) > 1


def first_line(text, options, stated):
    """A response that begins with its answer: "B because ...", "(B) 5 cm", "Yes, ..."."""
    line = text.split("\n", 1)[0]
    if is_list(text[:3000]):
        return None
    step = re.match(r"\W?[a-z]\W", line) and len(line) > 4  # "a) With both given, ..."
    letters, end = letters_at(text, 0, options)
    if letters is not None and not step and (PAUSE.match(text, end) or text[end - 1] in ")]}>"):
        return letters
    hits = named(line, options, "all") or first_word(line, options)
    return hits[0] if hits else None


def cut_off(text):
    """Does a response stop at a word that needs another, or, a long one, without a full stop?"""
    return bool(OPEN_END.search(text[-20:])) or len(text) > 300 and text[-1].isalnum()


def last_letters(text, options, stated):
    """A response that ends with letters alone, "(D)", "✅ B.", or with an option on a line, "5 cm",
    "(D) 5 cm"."""
    last = SENTENCE_END.split(text[-300:])[-1]
    letters, end = letters_at(last, 0, options, formal=False)
    if not re.search(r"[\w?]", last[end:]):
        return letters
    before, line_end, line = text.rpartition("\n")
    if letters and before.endswith("\n") and named(line[-len(last) + end :], options, "all"):
        return letters
    hits = named(line, options, "all") if line_end else ()
    return hits[0] if hits else None


def last_sentence(text, options, stated):
    """The one letter that a text or its end mentions, or the one option that a sentence at its end
    names."""
    if stated or cut_off(text):
        return None
    if is_list(text):  # of which no line is a conclusion
        text = re.sub(LISTED.pattern + ".*", "", text)
    ends = [part for part in SENTENCE_END.split(text[-SHORT:]) if part.strip()][-2:]
    hits, said = mentions(text, options), named_at_end(ends, options)
    if len(hits) > 1:
        hits = mentions(" ".join(ends), options)
    if hits and said and hits != said:
        return None  # "(A) is oxygen. Plants need carbon dioxide."
    return (hits or said)[0] if len(hits or said) == 1 else None


def named_at_end(sentences, options):
    """The options that the last of these sentences to name one names; no questions."""
    for sentence in reversed(sentences):
        hits = [] if sentence.rstrip().endswith("?") else named(sentence, options)
        if len(hits) > 1:
            hits = named(sentence.rpartition("=")[2], options) or hits  # 12 N - 4 N = 8 N
        if hits:
            return hits
    return []


def yes_or_no(text, options, stated):
    """A short statement answers a question of yes and no: "The lines do not cross." with no."""
    flat = [option.strip().lower() for option in options or ()]
    if stated or set(flat) != {"yes", "no"} or len(text) > SHORT or text.count(" ") < 2:
        return None
    if re.search(r"(?i)\?|\b(?:may|might|could|know|cannot|sorry)\b", text) or cut_off(text):
        return None
    denied = re.search(r"(?i)\b(?:no|not|cannot)\b|n['’]t\b", text)
    return LETTERS[flat.index("no" if denied else "yes")]


CALLED = re.compile(  # of a statement: "is not correct", "Incorrect.", "T"
    r"""(?xi) (?:(?<!\)\ )\b(?:is|was|['’]s)|^) \s*
    (not\s+|n['’]t\s+|in)? (?:(true|correct|right|(?-i:T))|false|wrong|(?-i:F))\b"""
)

RULES = (
    ("statement", statement),
    ("first line", first_line),
    ("said right", said_right),
    ("last letters", last_letters),
    ("last sentence", last_sentence),
    ("yes or no", yes_or_no),
)


def steps(text, options=None):
    """(rule, what it said) up to the rule that decided, of the beginning and the end of a text."""
    if len(text) > MAX_READ:
        text = text[: MAX_READ // 4] + "\n" + text[-3 * MAX_READ // 4 :]
    text = plain(text.replace("\\_", "_")).strip()
    options = tuple(map(str, options[:26])) if options else None
    if {option.strip().lower() for option in options or ()} == {"true", "false"}:
        text = CALLED.sub(lambda m: " false" if bool(m[1]) == bool(m[2]) else " true", text)
    stated = announcements(text, options)
    for name, rule in RULES:
        letters = rule(text, options, stated)
        yield name, letters
        if letters is not None:
            return


def read(text, options=None):
    """(letters, rule); (None, rule) where nothing, or one of several, was committed."""
    *_, (name, letters) = steps(text, options)
    return letters or None, name if letters is not None else None
