"""Which option did a response commit to? RULES are tried in order; the first that answers decides.

    read("(A) is wrong. So the answer is **(C) 5 cm**.", options) -> ("C", "statement")
    read("Answer: A, D", options)                                 -> ("AD", "statement")
    read("It is A or B.", options)                                -> (None, "statement")

A rule takes the text, without its looks, and the option texts (or None: letters A to J), and returns
a letter, several letters where all of them are called right, "" where it finds that nothing (or one
of several) was committed, and None where it does not apply.
"""

import re

from .markup import plain
from .options import (
    LETTERS,
    by_value,
    named,
    named_loosely,
    option_text,
    told_apart,
    whole_option,
    words,
)

MAX_READ = 24_000
SHORT = 400  # characters: a response that has no room for steps on the way

# ---- a letter, and what is said about it ----

FILLS = re.compile(  # between a cue and its letter: "the answer is therefore: **option (B)**"
    r"""(?x)
    (?: [\s:"'“”‘’<>\[{(=–—→\#|,*] | -(?![\w.\\$(])
      | (?: therefore|thus|hence|so|clearly|probably|likely|most\s+likely|definitely|certainly
          | obviously|for\s+sure|indeed|in\s+fact|actually|simply|just|still|then|now|also
          | (?:given|represented|marked|described|best\s+described)\s+(?:by|as)|label(?:l?ed)?
          | options?|choices?|letter|answer|number|statement|alternative|the\s+following|as\s+follows
          | the|that|best|correct|final|is|are )
        (?![a-z0-9]) _?
    ){0,14}""",
    re.I,
)
LETTER = re.compile(
    r"""(?x)
    [(\[{<（]{0,2}\s* ([A-Za-z]) \s*
    (?: [)\]}>）] | (?! [A-Za-z0-9^_+*/=\\{] | ['’][A-Za-z] | -[A-Za-z0-9] ) )"""
)
GLUED = re.compile(r"[A-J]{2,6}(?=\W*(?:$|\n))")  # "AD"
MORE = (
    re.compile(  # ", D", " and (D)", " or D", as long as the next letter is no subject of its own
        r"""(?x)
    \s*[)\]]? \s*\(?(?P<join>,\s*(?:and|or)?|;|and|or|/|&|\+)\s*
    (?:(?:possibly|maybe|perhaps|option|choice)\s+){0,2}
    [(\["']? (?P<letter>[A-Z]) [)\]"']? (?![A-Za-z0-9'’])
    (?= \s*(?:$|[.,;:)\n/&+—–-]) | \s+(?:are|and|or|because|since|as|both|but)\b )"""
    )
)
ARTICLE = re.compile(  # what cannot follow "A" or "I" where they are words
    r"""(?x)
    \s*(?: $ | [.,:;)!?"'”’\]\n}(|–—-]
      | (?: because|since|as|is|are|was|and|or|which|due|for|with|by|from|based|it|this|that|but|not
          | given|according|where|when|while|although|would|I|The|This|It|Because|Since|As
          | Explanation|Reason\w*|There\w*|Final|Answer|in\s+(?:this|the)|the|if|so|here|hence )\b )"""
)
NEGATED = re.compile(  # before a letter: "not", "rather than option", "we can rule out"
    r"""(?x)
    (?: \b(?: not|never|neither|nor|rather\s+than|instead\s+of|except|excluding|excludes?|eliminat\w+
            | rul\w+\s+out|discard\w*|reject\w*|unlike|without|no\s+longer|cross\w*\s+out
            | incorrect(?:ly)?|wrong )
      | n['’]t | 不是|不选|排除 )
    \s* (?:be|either|just|simply|necessarily|out|the|an?|answer|options?|choices?)?
    \s* (?:option|choice)? \s* [(\[:]? \s* $""",
    re.I,
)
AFTER_NEGATED = re.compile(  # behind a letter: "is not", "can be ruled out", "would be wrong"
    r"""(?x)
    \s*[)\]]? (?:\s(?!(?:it|because|since|as)\b)[^.,;:\n]{0,60})? \s
    (?: (?:is|are|was|can|could|would|does|do|should|may|might|will)\s*(?:n['’]t|not) | cannot
      | (?:is|are|was|be|seems|would\s+be) \s+ (?:(?:also|clearly|therefore|thus|both)\s+)?
        (?:incorrect|wrong|false|invalid|ruled|eliminated|excluded|irrelevant|unlikely|not\b)
      | (?:can|could|should|may)\s+be\s+(?:ruled|eliminated|excluded|discarded)
      | 不正确|错误 )""",
    re.I,
)
NOT_BUT = re.compile(  # "not A; it's D", "not B but rather A"
    r"""(?x)
    not\s+ (?:option\s+|choice\s+)? [(\[]?[A-Z][)\]]? \s*[,;:.–—-]*\s* (?:but|rather|it\s*(?:is|['’]s))
    (?: \s+(?:rather|instead|it\s*(?:is|['’]s)|option|choice) )* \s+ (?=[(\[]?[A-Z]\b)""",
    re.I,
)
UNDECIDED = re.compile(
    r"(?i)(?:not|n't|never|neither|either|unclear|unknown|none|any|one\s+of|between)\b"
)
SENTENCE_END = re.compile(r"(?<=[.!?。！？])[\"'”’)*\]]*\s+(?=[^a-z\s])|\n+|(?<=[。！？])")


def sentence_at(text, start):
    """The rest of the sentence that begins at start."""
    stop = SENTENCE_END.search(text, start)
    return text[start : stop.start() if stop else min(len(text), start + 400)]


def count_of(options):
    return min(len(options), 26) if options else 10


def is_option(letter, options):
    return letter.isascii() and ord(letter.upper()) - 65 < count_of(options)


def denied(text, start, end, before=40):
    """Is the letter at text[start:end] named only to be refused?"""
    head, tail = text[max(0, start - before) : start], text[end : end + 90]
    return bool(NEGATED.search(head) or AFTER_NEGATED.match(tail))


def is_a_word(letter, after, options):
    """Is a bare letter no option: an article, a pronoun, a lower-case symbol?"""
    if letter.islower():
        return not re.match(r"\s*(?:$|[.):;]\s|[.):;]$|\n)", after)
    if letter not in "AI" or ARTICLE.match(after):
        return False
    text = option_text(letter, options)[:12] if options and is_option(letter, options) else ""
    return not (text and re.match(r"\s*" + re.escape(text), after))


def letters_at(tail, options):
    """The letters that stand at the start of tail, fillers skipped; "" where they are refused or one of several."""
    at = FILLS.match(tail).end()
    skipped, rest = tail[:at], tail[at:]
    if UNDECIDED.match(rest) and not (options and named(rest[:200], options, prefix=True)):
        return ""
    if glued := GLUED.match(rest):
        return glued_letters(glued[0], options)
    match = LETTER.match(rest)
    if not match or not is_option(match[1], options):
        return None
    letter, after = match[1], rest[match.end() :]
    opened = re.search(r"[(\[{<]\s*$", skipped)
    wrapped = opened or match[0][-1] in ")]}>）" or match[0][0] in "([{<（"
    if not wrapped and is_a_word(letter, after, options):
        return None
    text = named(rest[:300], options, prefix=True) if options and not wrapped else []
    if text and text[0] != letter.upper() and len(option_text(text[0], options)) > 4:
        return text[0]  # "I only", "A and B": the letter is part of an option's text
    several = with_more(letter.upper(), after, options)
    if len(several) != 1:
        return several
    if AFTER_NEGATED.match(after[:90]) and letter.upper() not in text:
        # "D) The pressures cannot be compared": the words are the option's own
        own = named(after.lstrip(" ).:]")[:300], options, prefix=True) if options else []
        return letter.upper() if letter.upper() in own else ""
    return letter.upper()


def glued_letters(word, options):
    """ "AD" -> "AD" where the letters stand in order; "FFFFF" -> "F"; None for another word."""
    letters = "".join(dict.fromkeys(word))
    in_order = letters == "".join(sorted(letters)) and is_option(letters[-1], options)
    if len(letters) > 1 and len(letters) < len(word) or not in_order:
        return None
    return letters


def with_more(letter, after, options):
    """The letter with those listed behind it; "" where "or" joins them."""
    letters = letter
    while (more := MORE.match(after)) and is_option(more["letter"], options):
        if more["letter"] in "AI" and not ARTICLE.match(after[more.end() :]):
            break
        if "or" in more["join"] or more["join"] == "/":
            return "" if more["letter"] != letter else letter
        letters += more["letter"] if more["letter"] not in letters else ""
        after = after[more.end() :]
    return letters


# ---- statements: a cue, and what stands behind it ----

ADJECTIVE = r"""(?:correct|right|best|appropriate|suitable|accurate|final|likely|true|closest|matching
    |valid|proper|incorrect|false|logical|reasonable|plausible|sensible|chosen|selected)"""
NOUN = r"""(?:option|choice|statement|alternative|selection|response|conclusion|completion|solution
    |ending|letter|description|explanation|one|match|diagnosis)s?"""
COPULA = r"""(?<![a-z])(?:is|are|was|were|be|being|remains|becomes
    |(?:must|would|should|will|could|might|may|has\s+to)\s+(?:be|have\s+been)
    |(?:seems?|appears)(?:\s+to\s+be)?)(?![a-z])"""
WRAPPED = r"(?=\s*[(\[]\s*[A-Za-z]\s*[)\]])"
CHOSEN = r"""(?=\s*(?:(?:the|answer|option|choice|letter|statement|most|correct|best)\s+){0,4}
    (?:["'“‘]|[(\[]\s*[A-Za-z]\s*[)\]]|(?-i:[A-Z])(?![A-Za-z'’])))"""
CUE = re.compile(
    rf"""(?x)
    \b(?:answers?|ans|respuesta|réponse|antwort)\b (?:[\s_](?:choice|option|letter|here|key))?
      (?P<mid>[^.\n:=?]{{0,90}}?)
      (?: \s*(?:{COPULA}|[:：=→>]) | {WRAPPED} | \s*\n+(?=\s*[(\[]?(?-i:[A-Z])[)\].]?\s*(?:\n|$))
        | \s+(?=(?-i:[A-Z])(?:[.)\n]|$)) | \s+-+\s+ )
  | \b{ADJECTIVE}\s+(?:answer\s+)?{NOUN}\b (?P<mid2>[^.\n:=?]{{0,90}}?)
      (?: \s*(?:{COPULA}|[:：=→]) | {WRAPPED} )
  | \b(?:I|we)                                    # I'd go with B
      (?:\s*(?:would|will|['’]d|['’]ll|shall|must|should|can|am|have\s+to|therefore|thus|choose\s+to
         |am\s+going\s+to|['’]m)){{0,3}} \s+
      (?:go|going|choose|chose|pick|select|opt|say|answer|vote|conclude|settle|guess)\b
      \s*(?:with|for|on|that)?\s*:?{CHOSEN}
  | \b(?:choosing|selecting|selected|choose|chosen|select|pick|opt(?:ing)?\s+for|go(?:ing)?\s+with
      |leads?\s+(?:us\s+)?to|corresponds?\s+(?:most\s+closely\s+)?to|matches|closest\s+to
      |(?:narrows?|points?)\s+(?:it\s+)?(?:down\s+)?to)\b \s*:?{CHOSEN}
  | \b(?:is|gives|means|yields|being|namely)\s+(?:the\s+)?(?:answer|option|choice|letter)\b{CHOSEN}
  | \b(?:option|choice|selection|selected|label|prediction|verdict|conclusion)["']?\s*(?:is|:|=)(?!=)
  | \b(?:leaving|leaves|left\s+with)\b (?:\s+us)?(?:\s+with)?(?:\s+only)?{CHOSEN}
  | \b(?:so|thus|hence|therefore)\s{{0,3}}[,:]?     # Hence (a).
      (?=\s{{1,3}}(?:(?:option|choice)\s{{1,3}})?(?:[(\[]?(?-i:[A-Z])[)\]]?|[(\[][a-z][)\]])
         \s{{0,3}}(?:[.!]\s|[.!]?\s*$))
  | \bans\.\s*(?=[(\[]?(?-i:[A-Z])[)\]]?(?![A-Za-z]))
  | \#{{4}}
  | (?:正确)?(?:答案|选项)(?:应该|应)?(?:是|为|选|：|:)? | (?:选择|应选|选)(?=\s*[:：]?\s*[（(]?[A-J])
    """,
    re.I,
)
CUE_WORDS = set(
    """answer answers ans respuesta réponse antwort correct right best appropriate suitable accurate
    final likely true closest matching valid proper incorrect false logical reasonable plausible
    sensible chosen selected i we choosing selecting choose select pick opt opting go going so thus
    hence therefore leaving leaves left leads lead corresponds correspond matches narrows narrow
    points point option choice selection label prediction verdict conclusion is gives means yields
    being namely #### 正 答 选 应""".split()
)
WORD = re.compile(r"[A-Za-zéèê]+|#{4}|[正答选应]")
DOUBT = re.compile(  # right before a cue: "whether the answer is", "the student's answer is"
    r"""(?x)
    \b(?:if|whether|suppose|supposing|assum\w+|unless|not\s+sure|unsure|wrong|incorrect|how\s+can|why
      |hypothetical\w*|had|other|previous|student'?s?|your|possible)\b [^.\n]{0,24}$""",
    re.I,
)
REMARK = re.compile(  # "Note: had it asked about X, the answer would be A"
    r"""(?xi)
    \b(?:if|had|were|suppose|assuming|unless|otherwise|in\s+case|for\s+(?:the\s+)?other)\b .*
    \b(?:would|were|might|could)\b | ^\W*(?:note|remark|p\.?s|nb)\b\W"""
)
CORRECTION = re.compile(
    r"""(?xi)
    \b(?:wait|actually|no|not|but|however|instead|rather|first|initially|let\s+me|mistake|sorry
      |check\w*|correct\w*|re-?\w+ing|hmm|oops|on\s+second|then|so|therefore|thus|hence|finally)\b"""
)
NO_OPTION = re.compile(
    r"""(?x)
    none\s+of\s+(?:the|these|those)\s+(?:above|options|choices|answers|given|provided|listed|statements)
  | not\s+(?:among|one\s+of|listed|in|provided|given|present)\s+(?:in\s+)?(?:the\s+)?
      (?:options|choices|given|listed|provided|answer)
  | no\s+(?:correct|valid|right)\s+(?:answer|option|choice)
  | (?:cannot|can't|can\s+not|unable\s+to|impossible\s+to|not\s+possible\s+to)\s+(?:be\s+)?
      (?:determine|answer|choose|select|provide|say|give)""",
    re.I,
)
RETRACTED = re.compile(r"(?i),\s*(?:but|which)\s.{0,20}\bnot\s+(?:the|an?|among|listed)\b")
WITHDRAWN = "?"  # "the answer is not among the options" takes back what was said before


def cues(text):
    """Matches of CUE, tried only where one of its first words stands: five times faster than finditer."""
    done = 0
    for word in WORD.finditer(text):
        if word.start() < done or word[0].lower() not in CUE_WORDS:
            continue
        if match := CUE.match(text, word.start()):
            done = match.end()
            yield match


def statements(text, options):
    """[(match, letters, is a remark)] of the cues behind which something readable, or a denial, stands."""
    found = []
    for cue in cues(text):
        start = text.rfind("\n", 0, cue.start()) + 1
        before = SENTENCE_END.split(text[max(start, cue.start() - 200) : cue.start()])[-1] or ""
        mid = cue["mid"] or cue["mid2"] or ""
        if DOUBT.search(before[-60:]) or mid and DOUBT.search(mid + " "):
            continue
        letters = offered(text[cue.end() : cue.end() + reach(options)], options)
        if letters is not None:
            found.append((cue, letters, bool(REMARK.search(before + cue[0]))))
    return found


def reach(options):
    """How many characters behind a cue can matter."""
    return max(400, 100 + max(map(len, options))) if options else 400


def offered(tail, options):
    """The letters that the text behind a cue offers, by letter, by an option's words or by its value."""
    at = FILLS.match(tail).end()
    line = sentence_at(tail, at)
    if line.rstrip().endswith("?"):
        return None
    if instead := NOT_BUT.match(tail, at):
        return letters_at(tail[instead.end() :], options)
    if RETRACTED.search(line):
        return ""
    letters = whole_option(line, options) or letters_at(tail, options)
    if letters is None and options:
        letters = named_behind(tail, line, options)
    return letters


def named_behind(tail, line, options):
    """The one option that is named behind a cue; "" where the options are said not to hold the answer."""
    body = tail[FILLS.match(tail).end() :]
    hits = named_loosely(line, options, exact=True)
    if not hits and re.search(r"\bor\b", line) and len(named_loosely(line, options)) > 1:
        return ""  # the nucleus or the ribosome
    hits = hits or named_loosely(body, options, prefix=True)
    if not hits and (letter := by_value(body, options)):
        return letter
    if not hits:
        hits = named_loosely(sentence_at(tail, len(tail) - len(tail.lstrip(" :\n"))), options)
    if len(hits) != 1:
        hits = mentions(line, options)
    if len(hits) == 1:
        return hits[0]
    return WITHDRAWN if NO_OPTION.search(line) else None


def statement(text, options):
    """The last statement that is no remark; "" where it is withdrawn, or the last two differ with nothing between."""
    found = [item for item in statements(text, options) if item[1]]
    firm = [item for item in found if not item[2]] or found
    if not firm:
        return None
    cue, letters, _ = firm[-1]
    if letters == WITHDRAWN:
        return ""
    if len(firm) > 1 and firm[-2][1] != letters:
        between = text[firm[-2][0].end() : cue.start()]
        if len(between) < 60 and not CORRECTION.search(between):
            return ""  # "Answer: A\nAnswer: B"
    return letters


# ---- mentions, verdicts on every option, lists ----

MENTION = re.compile(
    r"""(?x) (?<![A-Za-z0-9\\^_])
    (?: [(\[]\s*([A-Z])\s*[)\]]
      | \b(?:[Oo]ption|[Cc]hoice|[Aa]nswer|[Ss]tatement|[Ll]etter)s?[\s_]+["'“‘(]?([A-Z])(?![A-Za-z0-9'’])
      | 选项?\s*[(（]?([A-J])[)）]?
      | (?:^|\n)\s*([A-Z])\s*[.):]\s )"""
)
RIGHT = re.compile(  # "B is correct", "Only C remains", "B fits best", "C it is", "It's D."
    r"""(?x)
    (?P<noun>\b(?:[Oo]ption|[Cc]hoice|[Aa]nswer|[Ss]tatement|[Aa]lternative)s?\s*)?
      (?P<open>[(\[]\s*)? (?<![A-Za-z0-9'’\\-])(?P<letter>[A-Z])(?![A-Za-z0-9'’])\s*[)\]]?[:.]?
      (?P<mid>(?:\s*,?\s*(?:(?![A-Z](?![A-Za-z]))[^.\n?]){0,60}?,?)?) \s+
      (?:is|seems|appears|must\s+be|would\s+be|should\s+be)\s+(?:to\s+be\s+)?
      (?:(?:the|therefore|thus|clearly|indeed|definitely|most|more|likely|probably|only|also|our|my|a
         |single|one)\s+){0,4}
      (?: correct|right|best|true|answer|appropriate|accurate|final|closest|suitable|likely
        | (?:(?<=most\ )|(?<=more\ ))(?:reasonable|plausible|logical)
        | (?:option|choice|one|statement)\s+(?:that|consistent|left|which) )\b
      (?!\s*(?:or|that\s+.{0,20}not|\w+\s+if))
  | (?:[Oo]nly|ONLY)\s+(?:(?:option|choice|statement)\s+)?[(]?(?P<only>[A-Z])[)]?\s+
      (?:remains|is\s+left|fits|satisfies|works|matches|makes\s+sense)
  | (?P<fits>[A-Z])\s*(?:(?:fits|works|matches)\s+(?:the\s+)?(?:best|better)
      |\s+best\s+(?:fits|describes|matches|answers|explains)|it\s+is
      |\?\s*(?:Yes|Correct|Right|True))\b
  | \b[Ii]t(?:['’]s|\s+is|\s+must\s+be|\s+has\s+to\s+be)\s+(?:option\s+)?[(]?(?P<its>[A-Z])[)]?(?=\s*(?:[.!;,]|$))"""
)
LABEL = re.compile(r"(?:^|(?<=[\s;,]))(?:[Oo]ption\s+)?[(\[]?([A-Z])[)\].:]+\s")
VERDICT = re.compile(
    r"""(?xi)
    (?P<wrong> [✗✘❌] | \b(?:incorrect|wrong|false|not\s+(?:the\s+)?(?:correct|true))\b
             | (?:^|[-–—:?])\s*no\b )
  | [✓✔✅] | \b(?:correct|true)\b | (?:^|[-–—:?])\s*yes\b"""
)
LINE_LETTER = re.compile(
    r"(?:^|\n)[ \t]*(?:[-•#*]+[ \t]*)?(?:option|choice)?\s?[(\[]?([A-Z])[)\].:](?=\s|$)", re.I
)
LETTERS_LISTED = r"""((?:[Oo]ptions?\s|[Cc]hoices?\s)?[(]?[A-J][)]?
    (?:\s?(?:,\s?(?:and|or)?|and|or|&)\s?[(]?[A-J][)]?){0,8})(?![A-Za-z'’])"""
DISMISSED = re.compile(
    rf"""(?x)
    \b{LETTERS_LISTED}\s+(?:is|are|was|were|can\s+be|could\s+be)\s+
      (?:(?:also|all|both|clearly|therefore|thus|obviously)\s+)?
      (?:incorrect|wrong|false|eliminated|excluded|ruled\s+out|discarded|not\s+(?:correct|true|right))
  | \b(?:eliminat\w+|rul(?:e|es|ed|ing)\s+out|exclud\w+|discard\w*|reject\w*)\s+{LETTERS_LISTED}"""
)


def mentions(text, options):
    """Option letters in wrappers ("(B)", "option B") that are not negated, each once, in order."""
    found = []
    for match in MENTION.finditer(text):
        letter = next(filter(None, match.groups()))
        numeral = match[4] == "I" and re.search(r"\n\s*II\b", text)
        if numeral or letter in found or not is_option(letter, options):
            continue
        if not denied(text, match.start(), match.end()):
            more = MORE.match(text, match.end())  # options B and D
            found += [letter, more["letter"]] if more else [letter]
    return found


def said_right(text, options):
    """The last letter that is called right: "B is correct"."""
    last = None
    for match in RIGHT.finditer(text):
        letter = next(
            match[name] for name in match.re.groupindex if name in LETTER_GROUPS and match[name]
        )
        article = letter in "AI" and not match["noun"] and not match["open"] and match["letter"]
        if article and re.match(r"\s*\w", match["mid"]):
            continue  # "A gas in a vessel is the correct ..."
        before = text[max(0, match.start() - 30) : match.start()]
        if not NEGATED.search(before) and not re.search(r"\b(?i:if|whether)\b[^.]{0,20}$", before):
            last = letter if is_option(letter, options) else last
    return last


LETTER_GROUPS = ("letter", "only", "fits", "its")


def verdict_on_each(text, options):
    """The one option that is called correct where the others are called wrong, or the other way round."""
    text = text[-6000:]
    labels = [m for m in LABEL.finditer(text) if is_option(m[1], options)]
    sides = {True: {}, False: {}}
    for label, end in zip(labels, [m.start() for m in labels[1:]] + [len(text)], strict=False):
        if verdict := VERDICT.search(text[label.end() : end]):
            sides[not verdict["wrong"]][label[1]] = None
    for side, other in ((sides[True], sides[False]), (sides[False], sides[True])):
        if len(side) == 1 and len(other) > 1:
            return next(iter(side))
    return None


def list_of_options(text, options):
    """The letter that stands again behind the whole list of options; "" for a response that is only such a list."""
    count = count_of(options)
    labels = [label[1].upper() for label in LINE_LETTER.finditer(text)]
    if count > 1 and labels[:-1] == list(LETTERS[:count]) and labels[-1] in LETTERS[: count - 1]:
        return labels[-1]
    lines = [line for line in text.split("\n") if line.strip()]
    marks = [LINE_LETTER.match(line) for line in lines]
    distinct = {mark[1].upper() for mark in marks if mark}
    listed = marks[min(1, len(marks) - 3) :]  # a first line may stand apart: "The options are:"
    return "" if len(distinct) >= min(3, count) > 1 and all(listed) else None


def dismissed(text, options):
    """The letters that a response rules out by name: "A and B are wrong", "we can eliminate C"."""
    listed = " ".join(match[1] or match[2] for match in DISMISSED.finditer(text[-6000:]))
    letters = re.findall(r"(?<![A-Za-z])[A-J](?![a-z])", listed)
    return {letter for letter in letters if is_option(letter, options)}


# ---- the first and the last line ----

START = re.compile(
    r"""(?xi) \s*
    (?:(?:it['’]?s|probably|(?:most\s+)?likely|perhaps|definitely|clearly|I\s+(?:think|believe))[\s,:]+){0,2}
    (?:option|choice|answer|letter)?[\s_]* ([(\[{<]?)\s*([A-Za-z])\s*
    ([)\]}>] | [.:,;!](?![A-Za-z0-9]) | (?=\s*$) | (?=\s*\n) | (?=\s+[-–—]\s) | (?=\s+[(]))"""
)
ARROW = re.compile(  # "=> C", "we get (c)"
    r"""(?xi)
    (?: =+>|-+>|⇒|→|∴|\b(?:hence|thus|so|therefore|we\s+(?:get|have|obtain)) ) [\s,:]*
    (?:(?:option|choice)\s+)?
    (?: [(\[]([a-z])[)\]] | [(\[{<"']{0,2}(?-i:([A-Z]))[)\]}>"']{0,2} ) [.!\s]*$"""
)


ONLY_LETTERS = re.compile(  # "B", "Choice_C", "A, B and D", "Both A and D are correct"
    r"""(?x)
    (?: (?i:both|option|choice|answer|letter)s?[\s_:]* )? [(\[]?
    (?: (?P<same>[A-Za-z]) (?P=same)*
      | (?P<glued>[A-J]{2,6})
      | [A-Z][)\]]? (?: \s*(?:,\s*(?:and)?|;|and|&)\s* [(\[]?[A-Z][)\]]? )+ )
    (?: \s+are\s+(?:all\s+|both\s+)?(?:correct|right|true) )?"""
)


def only_letters(text, options):
    """A response of nothing but its letter or letters: "B", "**(b)**", "Choice_C", "FFFFF", "A, D"."""
    if len(text) > 60:
        return None
    bare = text.strip(" \n.:()[]{}<>\"'`*_$“”")
    match = ONLY_LETTERS.fullmatch(bare)
    if not match or len(bare) > 1 and options and named(bare, options, exact=True):
        return None
    if match["glued"]:
        return glued_letters(match["glued"], options)
    if match["same"]:
        small = match["same"].islower() and len(bare) > 1
        return None if small or not is_option(match["same"], options) else match["same"].upper()
    letters = "".join(dict.fromkeys(re.findall(r"(?<![A-Za-z])[A-Z](?![A-Za-z])", bare)))
    return letters if all(is_option(letter, options) for letter in letters) else None


def first_line(text, options):
    """A response that begins with its answer: "B because ...", "(B) 5 cm", "Yes, ..."."""
    lines = [line for line in text.strip().split("\n") if line.strip()]
    listed = {m.upper() for m in LINE_LETTER.findall(text[:3000]) if is_option(m, options)}
    if not lines or len(listed) > 1:
        return None
    letter = first_letter(text, lines[0], options)
    if letter or not options:
        return letter
    if hits := named_loosely(lines[0], options, exact=True):
        return hits[0]
    if (
        len(lines) == 1
        and len(lines[0]) < 40
        and (value := by_value(lines[0].strip(" ."), options))
    ):
        return value
    word = re.match(r"\W*([A-Za-z]+)\b\s*(?:[,.:;!—–-]|$|\n)", lines[0])
    hits = named_loosely(word[1], options, exact=True) if word else ()
    return hits[0] if hits else None


def first_letter(text, line, options):
    match = START.match(line)
    if not match or not is_option(match[2], options):
        return None
    letter, rest = match[2].upper(), line[match.end() :]
    written_small = match[2].islower() and len(line.strip()) > 3
    if written_small and not (options and letter in named(rest, options, prefix=True)):
        return None
    if letter == "I" and re.search(r"\n\s*[(\[]?II[.)\]:]", text):
        return None  # statement I, statement II
    if letter in "AI" and not match[3] and not match[1] and rest.strip():
        return None
    if AFTER_NEGATED.match(rest[:60]) or re.match(r"\s*(?:or|and|/)\s*\(?[A-Z]\b", rest):
        return None
    return letter


def last_line(text, options):
    """A response whose last line is its answer."""
    line = text.strip().rsplit("\n", 1)[-1].strip()
    few = max(2, count_of(options) - 1)
    if len(line) > 300 or len(line) > 1 and len(LINE_LETTER.findall(text[-2000:])) >= few:
        return None
    arrow = ARROW.search(line[-80:])
    alone = re.fullmatch(r"[\s(\[{<\"']*([A-Z])[\s)\]}>.\"':]*", line)
    for found in (arrow and (arrow[1] or arrow[2]), alone and alone[1]):
        if found and is_option(found, options):
            return found.upper()
    label = re.match(r"[(\[]?([A-Z])[)\].:]+\s+(?=\S)", line)
    if label and options and named(line[label.end() :], options, prefix=True) == [label[1]]:
        return label[1] if len(set(LINE_LETTER.findall(text))) < 3 else None
    hits = named_loosely(line, options, exact=True) if options else ()
    return hits[0] if hits else None


# ---- sentences that name an option by its words ----

CONCLUDES = re.compile(
    r"""(?xi)
    \b(?:therefore|thus|hence|so|conclu\w+|consequently|answer|finally|overall|accordingly
      |we\s+(?:get|have|find|obtain)|most\s+likely|correct|best|in\s+summary|this\s+means|closest)\b"""
)
GIVES_UP = re.compile(
    r"""(?xi)
    \b(?:sorry|unable|can(?:not|['’]t)|impossible|not\s+possible|do(?:es)?\s?n(?:o|['’])t|without)\s+
      (?:\w+\s+){0,4}?(?:see|view|answer|determine|help|provide|assist|know|have|contain|information
        |tell|say|sure|access)\b
  | please\s+provide | \bas\s+an\s+ai\b | more\s+information"""
)
SUBORDINATE = re.compile(  # "as pressure increases, volume decreases" states the second
    r"(?i)^\W*(?:as|when|if|because|since|although|while|after|once)\b[^,]{0,160},\s*"
)
OPEN_END = re.compile(  # no sentence ends so
    r"\s(?:because|since|and|or|but|the|an|is|are|was|of|to|that|which|with|for|if|as|by|from|it)$"
)


def cut_off(text):
    """Does a response stop in the middle of a sentence: a short one at a word that needs another, a long one without its full stop?"""
    text = text.rstrip()
    if OPEN_END.search(text[-20:]):
        return True
    closed = re.search(r"[.!?。！？:)\]}\"'”’]$|```$", text)
    return len(text) > 300 and (text.count("\\[") > text.count("\\]") or not closed)


def sentence(text, options):
    """The option that one of the last two sentences names (or the first), where it names exactly one."""
    if cut_off(text):
        return None
    if options and statements(text, options):
        options = None  # what was stated was refused: other words do not count
    text = text[-6000:].strip()
    if len(LINE_LETTER.findall(text)) > 1:  # a list, of which no line is a conclusion
        text = "\n".join(line for line in text.split("\n") if not LINE_LETTER.match(line))
    sentences = [s for s in SENTENCE_END.split(text) if s and s.strip()]
    out = dismissed(text, options)
    everywhere = [letter for letter in mentions(text, options) if letter not in out]
    for one in sentences[:-3:-1]:
        found = concluded(one, text, everywhere, out, options)
        if found is not None:
            return found or None
    return everywhere[0] if len(everywhere) == 1 else None


def concluded(one, text, everywhere, out, options):
    """The letter that a sentence near the end commits to; "" where it names several or asks; None where none."""
    letters = [letter for letter in mentions(one, options) if letter not in out]
    weighty = len(text) < SHORT or CONCLUDES.search(one)
    if len(letters) == 1 and (weighty or len(everywhere) == 1):
        return letters[0]
    if letters or one.rstrip().endswith("?"):
        return ""
    bare = re.search(r"\b(?:is|are|(?<!could )(?<!might )(?<!may )be)\s+([A-Z])\s*[.!]?\s*$", one)
    if bare and is_option(bare[1], options) and not NEGATED.search(one[: bare.start(1)]):
        return bare[1]
    return stated(one, options) if options and weighty else None


def stated(one, options):
    """The option that a sentence names, read first behind its last copula; "" where it names several, None where none."""
    if NO_OPTION.search(one) and not named_loosely(one, options):
        return ""
    main = SUBORDINATE.sub("", one)
    one = main if named_loosely(main, options) else one
    pieces = re.split(r"\b(?:is|are|was|were|be|equals?|approximately|about)\b|[=≈:]", one)
    if len(pieces) > 1:
        last = pieces[-1]
        hits = named_loosely(last, options, prefix=True) or named_loosely(last, options)
        if len(hits) == 1 and not re.search(r"\bnot\s*$", pieces[-2]):
            return hits[0]
        if value := by_value(last.strip(), options):
            return value
    hits = named_loosely(one, options)
    if not hits:
        return None
    return hits[0] if len(hits) == 1 else ""


def one_of_two(text, options):
    """Of two options that share most of their words, the one whose own words a short response uses."""
    return told_apart(text, options) if options and len(options) == 2 else None


DENIAL = re.compile(
    r"""(?xi)
    \b(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|should)\s*(?:not\b|n['’]t)
  | \bcannot\b | \bno\s+(?:evidence|difference|significant|such)\b | \bthere\s+(?:is|are)\s+no\b"""
)


def yes_or_no(text, options):
    """A plain statement of a few sentences answers a question of yes and no: "The lines do not cross." with no."""
    flat = [words(option).strip() for option in options or ()]
    if len(flat) > 3 or not flat or statements(text, options):
        return None
    verdicts = VERDICT.findall(text)
    if set(flat) == {"true", "false"} and len(verdicts) == 1:
        return LETTERS[flat.index("false" if verdicts[0] else "true")]
    if not {"yes", "no"} <= set(flat) or GIVES_UP.search(text) or cut_off(text):
        return None
    sentences = [s for s in SENTENCE_END.split(text.strip()) if s and len(s.split()) > 2]
    unsure = r"\?\s*$|\b(?:may|might|could|perhaps|possibly|maybe|unclear|depends)\b"
    if not 1 <= len(sentences) <= 3 or any(re.search(unsure, s, re.I) for s in sentences):
        return None
    return LETTERS[flat.index("no" if DENIAL.search(sentences[0]) else "yes")]


RULES = (
    ("only letters", only_letters),
    ("statement", statement),
    ("verdict on each", verdict_on_each),
    ("list of options", list_of_options),
    ("first line", first_line),
    ("said right", said_right),
    ("last line", last_line),
    ("sentence", sentence),
    ("one of two", one_of_two),
    ("yes or no", yes_or_no),
)


def prepared(text, options):
    """The text without its looks, of a very long one the beginning and the end; options as a tuple of at most 26 texts."""
    if len(text) > MAX_READ:
        text = text[: MAX_READ // 4] + "\n" + text[-3 * MAX_READ // 4 :]
    return plain(text.replace("\\_", "_")), tuple(
        str(option) for option in options[:26]
    ) if options else None


def read(text, options=None):
    """(letters, rule); (None, rule) where the rule found that nothing, or one of several, was committed."""
    text, options = prepared(text, options)
    for name, rule in RULES:
        if (letters := rule(text, options)) is not None:
            return letters or None, name
    return None, "gives up" if len(text) < SHORT and GIVES_UP.search(text) else None


def steps(text, options=None):
    """(rule, what it said) up to the rule that decided."""
    text, options = prepared(text, options)
    for name, rule in RULES:
        letters = rule(text, options)
        yield name, letters
        if letters is not None:
            return
