"""Which option did a response commit to? RULES are tried in order; the first that answers decides.

    read("(A) is wrong. So the answer is **(C) 5 cm**.", options) -> ("C", "statement")
    read("Answer: A, D", options)                                 -> ("AD", "only letters")
    read("The answer is A or B.", options)                        -> (None, None)

A rule takes the text, without its looks, and the option texts (or None: letters A to J), and returns
a letter, several letters where all of them are called right, "" where it finds that nothing (or one
of several) was committed, and None where it does not apply.
"""

import re

from .markup import plain
from .options import LETTERS, named, option_text, words

MAX_READ = 24_000
SHORT = 400  # characters: a response that has no room for steps on the way
SENTENCE_END = re.compile(r"(?<=[.!?。！？])[\"'”’)*\]]*\s+(?=[^a-z\s])|\n+|(?<=[。！？])")


def sentence_at(text, start):
    """The rest of the sentence that begins at start."""
    stop = SENTENCE_END.search(text, start)
    return text[start : stop.start() if stop else start + 400]


def sentences_of(text):
    return [sentence for sentence in SENTENCE_END.split(text.strip()) if sentence.strip()]


def count_of(options):
    return min(len(options), 26) if options else 10


def is_option(letter, options):
    return letter.isascii() and ord(letter.upper()) - 65 < count_of(options)


# ---- a letter, and what is said about it ----

FILLS = re.compile(  # between a cue and its letter: "the answer is therefore: **option (B)**"
    r"""(?xi)
    (?: [\s:"'“”‘’<>\[{(=–—→\#|,*] | -(?![\w.\\$(])
      | (?: therefore|thus|hence|so|clearly|probably|(?:most\s+)?likely|definitely|certainly
          | for\s+sure|indeed|actually|simply|just|then|now|also|given\s+by|labell?ed|options?
          | choices?|letter|answer|number|statement|alternative|the\s+following|as\s+follows
          | the|that|best|correct|final|is|are )
        (?![a-z0-9]) _?
    ){0,14}"""
)
LETTER = re.compile(
    r"""(?x)
    [(\[{<（]{0,2}\s* ([A-Za-z]) \s*
    (?: [)\]}>）] | (?! [A-Za-z0-9^_+*/=\\{] | ['’][A-Za-z] | -[A-Za-z0-9] ) )"""
)
GLUED = re.compile(r"[A-J]{2,6}(?=\W*(?:$|\n))")  # "AD"
MORE = re.compile(  # ", D", " and (D)", " or D", where the next letter is no subject of its own
    r"""(?x)
    \s*[)\]]? \s*\(?(?P<join>,\s*(?:and|or)?|;|and|or|/|&)\s*
    (?:(?:possibly|maybe|perhaps|option|choice)\s+){0,2}
    [(\["']? (?P<letter>[A-Z]) [)\]"']? (?![A-Za-z0-9'’])
    (?= \s*(?:$|[.,;:)\n/&+—–-]) | \s+(?:are|and|or|because|since|as|both|but)\b )"""
)
ARTICLE = re.compile(  # what follows "A" or "I" where they are letters
    r"""(?x)
    \s*(?: $ | [.,:;)!?"'”’\]\n}(|–—-]
      | (?: because|since|as|is|are|was|and|or|which|due|for|with|by|from|based|it|this|that|but|not
          | according|where|when|while|if|so|[A-Z][a-z]+ )\b )"""
)
NEGATED = re.compile(  # before a letter: "not", "rather than option", "we can rule out"
    r"""(?xi)
    (?: \b(?:not|neither|nor|rather\s+than|instead\s+of|except|exclud\w+|eliminat\w+|rul\w+\s+out
        |discard\w*|reject\w*|unlike|without|incorrect|wrong) | n['’]t | 不是|不选 )
    \s* (?:the|answer)? \s* (?:options?|choices?)? \s* [(\[:]? \s* $"""
)
REFUSED = re.compile(  # behind a letter: "is not", "can be ruled out", ") false"
    r"""(?xi)
    \s*[)\]:]\s*(?:false|incorrect|wrong)\b
  | \s*[)\]]? (?:\s(?!(?:it|because|since|as)\b)[^.,;:\n]{0,60})? \s
    (?: (?:is|are|was|can|could|would|does|do|should|may|might|will)\s*(?:n['’]t|not) | cannot
      | (?:is|are|was|be|seems) \s+ (?:(?:also|clearly|therefore|thus|both)\s+)?
        (?:incorrect|wrong|false|invalid|ruled|eliminated|excluded|irrelevant|unlikely)
      | (?:can|could|should|may)\s+be\s+(?:ruled|eliminated|excluded|discarded) | 不正确|错误 )"""
)


def letters_at(tail, options):
    """The letters that stand at the start of tail, fillers skipped; "" where they are refused or one of several."""
    at = FILLS.match(tail).end()
    rest = tail[at:]
    if glued := GLUED.match(rest):
        return glued_letters(glued[0], options)
    match = LETTER.match(rest)
    if not match or not is_option(match[1], options):
        return None
    letter, after = match[1].upper(), rest[match.end() :]
    wrapped = re.search(r"[(\[{<]\s*$", tail[:at]) or re.search(r"[(\[{<（)\]}>）]", match[0])
    if text := text_with_letter(rest, letter, options):
        return text
    if not wrapped and is_a_word(match[1], after):
        return None
    several = with_more(letter, after, options)
    if len(several) == 1 and REFUSED.match(after[:90]):
        # "D) The pressures cannot be compared": the words are the option's own
        return letter if letter in named(after.lstrip(" ).:]")[:300], options, "start") else ""
    return several


def is_a_word(letter, after):
    """Is a bare letter no option: an article, a pronoun, a lower-case symbol?"""
    if letter.islower():
        return not re.match(r"\s*(?:$|[.):;]\s|[.):;]$|\n)", after)
    return letter in "AI" and not ARTICLE.match(after)


def text_with_letter(rest, letter, options):
    """The option whose text itself begins with the letter that was read: "I only", "C, Ruby", "A > D > B"."""
    found = named(rest[:300], options, "start")
    if found and found[0] != letter:
        text = plain(option_text(found[0], options)).strip(" $(")
        return found[0] if len(text) > 1 and text[0] == rest[0] else None
    return None


def glued_letters(word, options):
    """ "AD" -> "AD" where the letters stand in order; "FFFFF" -> "F"; None for another word."""
    letters = "".join(dict.fromkeys(word))
    in_order = letters == "".join(sorted(letters)) and is_option(letters[-1], options)
    return letters if in_order and len(letters) in (1, len(word)) else None


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


# ---- statements: a cue word, its tail, and what stands behind it ----

COPULA = r"""(?<![a-z])(?:is|are|was|were|be|being|remains|becomes
    |(?:must|would|should|will|could|might|may|has\s+to)\s+(?:be|have\s+been)
    |(?:seems?|appears)(?:\s+to\s+be)?)(?![a-z])"""
MID = r"(?P<mid>[^.\n:=?]{0,90}?)"
WRAPPED = r"(?=\s*[(\[]\s*[A-Za-z]\s*[)\]])"
CHOSEN = r"""(?=\s*(?:(?:the|answer|option|choice|letter|statement|most|correct|best)\s+){0,4}
    (?:["'“‘]|[(\[]\s*[A-Za-z]\s*[)\]]|(?-i:[A-Z])(?![A-Za-z'’])))"""
NOUN = r"(?:option|choice|statement|alternative|conclusion|solution|letter|description|one|match)s?"
CUES = (  # (words, the tail that makes them a cue)
    (
        "answer answers ans",  # "answer is", "Ans. (B)", "### Answer\nD"
        rf"""(?:[\s_](?:choice|option|letter|here|key))? {MID}
        (?: \s*(?:{COPULA}|[:：=→>]) | {WRAPPED} | \s*\n(?=[(\[]?(?-i:[A-Z])[)\].]?\s*(?:\n|$))
          | [.]?\s+(?=[(\[]?(?-i:[A-Z])[)\]]?(?:[.\n]|$)) | \s+-+\s+ )""",
    ),
    (  # "the best option would be"
        "correct right best appropriate final likely true closest incorrect false",
        rf"\s+(?:answer\s+)?{NOUN}\b {MID} (?: \s*(?:{COPULA}|[:：=→]) | {WRAPPED} )",
    ),
    ("option choice selection selected label prediction conclusion", r"[\"']?\s*(?:is|:|=)(?!=)"),
    (  # "I'd go with B", "we choose (c)", "choosing B", "this corresponds to option C"
        """go going choose choosing chose pick select selecting say conclude leads corresponds
        matches closest leaving left""",
        rf"(?:\s+(?:with|for|on|that|to|us|only))? :?{CHOSEN}",
    ),
    ("gives is means", rf"\s+(?:the\s+)?(?:answer|option|choice)\b{CHOSEN}"),
    (
        "so thus hence therefore",  # "Hence (a)."
        r"""\s{0,3},? (?=\s{1,3}(?:(?:option|choice)\s{1,3})?(?:[(\[]?(?-i:[A-Z])[)\]]?|[(\[][a-z][)\]])
        \s{0,3}(?:[.!]\s|[.!]?\s*$))""",
    ),
    ("####", ""),
    ("答案 选项 选", "(?:应该|应)?(?:是|为|选|：|:)?"),
)
TAILS = {word: re.compile(tail, re.X | re.I) for names, tail in CUES for word in names.split()}
WORD = re.compile(r"[A-Za-z]+|#{4}|答案|选项?")
DOUBT = re.compile(  # right before a cue: "whether the answer is", "the student's answer is"
    r"""(?xi)
    \b(?:if|whether|suppose|supposing|assum\w+|unless|not\s+sure|unsure|wrong|incorrect|how\s+can|why
      |hypothetical\w*|had|other|previous|student'?s?|your|possible)\b [^.\n]{0,24}$"""
)
REMARK = re.compile(  # "Note: had it asked about X, the answer would be A"
    r"""(?xi)
    \b(?:if|had|were|suppose|assuming|unless|otherwise|in\s+case|for\s+(?:the\s+)?other)\b .*
    \b(?:would|were|might|could)\b | ^\W*(?:note|remark|p\.?s|nb)\b\W"""
)
CORRECTION = re.compile(
    r"(?i)\b(?:wait|actually|no|not|but|however|instead|correct|so|therefore)\b"
)
NO_OPTION = re.compile(
    r"""(?xi)
    none\s+of\s+(?:the|these|those) | not\s+(?:among|one\s+of|listed|in|provided|given|present)\b
  | no\s+(?:correct|valid|right)\s | (?:cannot|can['’]t|unable\s+to)\s+(?:be\s+)?(?:determine|answer)"""
)
RETRACTED = re.compile(
    r"(?i)(?:, (?:but|which)|\. but this) .{0,20}\bnot (?:the|an?|among|listed)\b"
)
WITHDRAWN = "?"  # "the answer is not among the options" takes back what was said before


def statements(text, options):
    """[(start, end, letters, is a remark)] of the cues behind which something readable, or a denial, stands."""
    found, done = [], 0
    for word in WORD.finditer(text):
        tail = TAILS.get(word[0].lower())
        cue = tail.match(text, word.end()) if tail and word.start() >= done else None
        if not cue:
            continue
        done, start = cue.end(), text.rfind("\n", 0, word.start()) + 1
        before = SENTENCE_END.split(text[max(start, word.start() - 200) : word.start()])[-1] or ""
        mid = cue.groupdict().get("mid")
        if DOUBT.search(before[-60:]) or mid and DOUBT.search(mid + " "):
            continue
        longest = max(map(len, options)) if options else 0
        letters = offered(text[done : done + max(400, 100 + longest)], options)
        if letters is not None:
            remark = REMARK.search(before + text[word.start() : done])
            found.append((word.start(), done, letters, bool(remark)))
    return found


def offered(tail, options):
    """The letters that the text behind a cue offers, by letter, by an option's words or by its value."""
    line = sentence_at(tail, FILLS.match(tail).end())
    if line.rstrip().endswith("?"):
        return None
    if RETRACTED.search(tail[:200]):
        return WITHDRAWN if NO_OPTION.search(line) else ""
    letters = letters_at(tail, options)
    return named_behind(tail, line, options) if letters is None else letters


def named_behind(tail, line, options):
    """The one option that is named behind a cue; "" where the options are said not to hold the answer."""
    body = tail[FILLS.match(tail).end() :]
    if re.search(r"\bor\b", line) and len(named(line, options)) > 1 > len(
        named(line, options, "all")
    ):
        return ""  # the nucleus or the ribosome
    whole = tail.lstrip(" :\n")  # "- 0.5": its sign is no filler
    hits = named(line, options, "all") or named(body, options, "start")
    hits = hits or named(whole, options, "start") or named(sentence_at(whole, 0), options)
    hits = hits if len(hits) == 1 else mentions(line, options)
    if len(hits) == 1:
        return hits[0]
    return WITHDRAWN if NO_OPTION.search(line) else None


def statement(text, options):
    """The last statement that is no remark; "" where it is withdrawn, or the one right before it differs, uncorrected."""
    found = [item for item in statements(text, options) if item[2]]
    firm = [item for item in found if not item[3]] or found
    if not firm:
        return None
    start, _, letters, _ = firm[-1]
    between = text[firm[-2][1] : start] if len(firm) > 1 and firm[-2][2] != letters else ""
    if 0 < len(between) < 60 and not CORRECTION.search(between):
        return ""  # "Answer: A\nAnswer: B"
    return letters.replace(WITHDRAWN, "")


# ---- the whole response, its first line, its last line ----

ONLY_LETTERS = re.compile(  # "B", "Choice_C", "A, B and D", "Both A and D are correct"
    r"""(?x)
    (?: (?i:both|option|choice|answer|letter)s?[\s_:]* )? [(\[]?
    (?: (?P<same>[A-Za-z]) (?P=same)*
      | (?P<glued>[A-J]{2,6})
      | [A-Z][)\]]? (?: \s*(?:,\s*(?:and)?|;|and|&)\s* [(\[]?[A-Z][)\]]? )+ )
    (?: \s+are\s+(?:all\s+|both\s+)?(?:correct|right|true) )?"""
)
LINE_LETTER = re.compile(
    r"(?:^|\n)[ \t]*(?:[-•#*]+[ \t]*)?(?:option|choice)?\s?[(\[]?([A-Z])[)\].:](?=\s|$)", re.I
)
START = re.compile(
    r"""(?xi) \s*
    (?:(?:it['’]?s|probably|(?:most\s+)?likely|definitely|clearly|I\s+(?:think|believe))[\s,:]+){0,2}
    (?:option|choice|answer|letter)?[\s_]* ([(\[{<]?)\s*([A-Za-z])\s*
    ([)\]}>] | [.:,;!](?![A-Za-z0-9]) | (?=\s*$) | (?=\s*\n) | (?=\s+[-–—]\s) | (?=\s+[(]))"""
)
LAST = re.compile(  # "(D)", "=> C", "∴ (D)", "so we get (c)"
    r"""(?xi)
    (?: ^ | =>|->|⇒|→|∴|\b(?:so|we\s+(?:get|have|obtain)) ) [\s,:]* (?:(?:option|choice)\s+)?
    (?: [(\[]([a-z])[)\]] | [(\[{<"']{0,2}(?-i:([A-Z]))[)\]}>"']{0,2} ) [.!\s]*$"""
)


def only_letters(text, options):
    """A response of nothing but its letter or letters: "B", "**(b)**", "Choice_C", "FFFFF", "A, D"."""
    if len(text) > 60:
        return None
    bare = text.strip(" \n.:()[]{}<>\"'`*_$“”")
    match = ONLY_LETTERS.fullmatch(bare)
    if not match or len(bare) > 1 and named(bare, options, "all"):
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
    line = text.strip().split("\n", 1)[0]
    listed = {label.upper() for label in LINE_LETTER.findall(text[:3000])}
    if len({label for label in listed if is_option(label, options)}) > 1:
        return None
    beyond = re.fullmatch(r"[(]([A-Z])[)] (.{1,40})", text.strip())
    if options and beyond and not is_option(beyond[1], options):
        return ""  # "(E) 80°" of four options
    if letter := first_letter(text, line, options):
        return letter
    word = re.match(r"\W*([A-Za-z]+)\b\s*(?:[,.:;!—–-]|$)", line)
    hits = named(line, options, "all") or word and named(word[1], options, "all")
    return hits[0] if hits else None


def first_letter(text, line, options):
    match = START.match(line)
    if not match or not is_option(match[2], options):
        return None
    letter, rest = match[2].upper(), line[match.end() :]
    small = match[2].islower() and len(line.strip()) > 3
    if small and letter not in named(rest, options, "start"):
        return None
    if letter == "I" and re.search(r"\n\s*[(\[]?II[.)\]:]", text):
        return None  # statement I, statement II
    if letter in "AI" and not (match[3] or match[1]) and rest.strip():
        return None
    several = re.match(r"\s*(?:or|and|/)\s*\(?[A-Z]\b", rest) or MORE.match(line, match.end(2))
    refused = REFUSED.match(line, match.end(2)) and letter not in named(rest, options, "start")
    return None if several or refused else letter


def last_line(text, options):
    """A response whose last line is its letter."""
    found = LAST.search(text.strip().rsplit("\n", 1)[-1][-80:].strip())
    letter = (found[1] or found[2]).upper() if found else None
    return letter if letter and is_option(letter, options) else None


# ---- sentences that name an option ----

RIGHT = re.compile(  # "B is correct", "(C) seems the best choice", "It's D"
    r"""(?x)
    (?P<noun>\b(?:[Oo]ption|[Cc]hoice|[Aa]nswer|[Ss]tatement)s?\s*)?
      (?P<open>[(\[]\s*)? (?<![A-Za-z0-9'’\\-])(?P<letter>[A-Z])(?![A-Za-z0-9'’])\s{0,3}[)\]]?[:.]?
      (?P<mid>(?:\s{0,3},?\s{0,3}(?:(?![A-Z](?![A-Za-z]))[^.\n?]){0,60}?,?)?) \s{1,3}
      (?:is|seems|must\s+be|would\s+be|should\s+be)\s+
      (?:(?:the|therefore|thus|clearly|indeed|most|more|likely|only|also|my)\s+){0,4}
      (?:correct|right|best|true|answer|appropriate|closest|(?:option|one)\s+that)\b
      (?!\s*(?:or|that\s+.{0,20}not|\w+\s+if))
  | \b[Ii]t(?:['’]s|\s+is|\s+must\s+be|\s+has\s+to\s+be)\s+(?:option\s+)?[(]?(?P<its>[A-Z])[)]?
      (?=\s*(?:[.!;,]|$))"""
)
MENTION = re.compile(
    r"""(?x) (?<![A-Za-z0-9\\^_])
    (?: [(\[]\s*([A-Z])\s*[)\]]
      | \b(?:[Oo]ption|[Cc]hoice|[Aa]nswer|[Ss]tatement|[Ll]etter|[Ii]mage)s?[\s_]+["'“‘(]?([A-Z])(?![A-Za-z0-9'’])
      | 选项?\s*[(（]?([A-J])[)）]?
      | (?:^|\n)\s*([A-Z])\s*[.):]\s )"""
)
SUBORDINATE = re.compile(  # "as pressure increases, volume decreases" states the second
    r"(?i)^\W*(?:as|when|if|because|since|although|while|after|once)\b[^,]{0,160},\s*"
)
OPEN_END = re.compile(  # no sentence ends so
    r"\s(?:because|since|and|or|but|the|an|is|are|was|of|to|that|which|with|for|if|as|by|from|it)$"
)
DENIAL = re.compile(
    r"""(?xi)
    \b(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|should)\s*(?:not\b|n['’]t)
  | \bcannot\b | \bno\s+(?:evidence|difference|significant|such)\b | \bthere\s+(?:is|are)\s+no\b"""
)
UNSURE = re.compile(
    r"(?i)\?\s*$|\b(?:may|might|could|perhaps|possibly|maybe|unclear|depends|cannot|please|sorry)\b"
    r"|\b(?:not|n't|im)\s?(?:possible|enough|provide|know|answer)\b|without"
)


def mentions(text, options):
    """Option letters in wrappers ("(B)", "option B") that are not negated, each once, in order."""
    found = []
    for match in MENTION.finditer(text):
        letter, start, end = match[match.lastindex], match.start(), match.end(match.lastindex)
        denied = NEGATED.search(text[max(0, start - 40) : start]) or REFUSED.match(
            text, end, end + 90
        )
        numeral = match[4] == "I" and re.search(r"\n\s*II\b", text)
        if is_option(letter, options) and not (denied or numeral):
            more = MORE.match(text, end)  # options B and D
            found += [letter, more["letter"]] if more else [letter]
    return list(dict.fromkeys(found))


def said_right(text, options):
    """The last letter that is called right: "B is correct"."""
    last = None
    for match in RIGHT.finditer(text):
        letter = match["letter"] or match["its"]
        bare = letter in "AI" and match["letter"] and not (match["noun"] or match["open"])
        before = text[max(0, match.start() - 30) : match.start()]
        if bare and re.match(r"\s*\w", match["mid"]) or NEGATED.search(before):
            continue  # "A gas in a vessel is the correct ...", "not B is right"
        if is_option(letter, options) and not re.search(
            r"(?i)\b(?:if|whether)\b[^.]{0,20}$", before
        ):
            last = letter
    return last


def cut_off(text):
    """Does a response stop in the middle of a sentence: a short one at a word that needs another, a long one without its full stop?"""
    text = text.rstrip()
    closed = re.search(r"[.!?。！？:)\]}\"'”’]$|```$", text)
    unclosed = text.count("\\[") > text.count("\\]") or not closed
    return bool(OPEN_END.search(text[-20:])) or len(text) > 300 and unclosed


def last_sentence(text, options):
    """The one option that one of the last two sentences of a short response names, or that a long one mentions at all."""
    if cut_off(text):
        return None
    if options and statements(text, options):
        options = None  # what was stated was refused: other words do not count
    text = text[-6000:].strip()
    if len(LINE_LETTER.findall(text)) > 1:  # a list, of which no line is a conclusion
        text = "\n".join(line for line in text.split("\n") if not LINE_LETTER.match(line))
    for sentence in sentences_of(text)[:-3:-1] if len(text) < SHORT else ():
        found = concluded(sentence, options)
        if found is not None:
            return found or None
    everywhere = mentions(text, options)
    return everywhere[0] if len(everywhere) == 1 else None


def concluded(sentence, options):
    """The letter that a sentence near the end commits to; "" where it names several or asks; None where none."""
    letters = mentions(sentence, options)
    if letters or sentence.rstrip().endswith("?"):
        return letters[0] if len(letters) == 1 else ""
    bare = re.search(
        r"\b(?:is|are|(?<!could )(?<!might )(?<!may )be)\s+([A-Z])\s*[.!]?\s*$", sentence
    )
    if bare and is_option(bare[1], options):
        return bare[1]
    return worded(sentence, options) if options else None


def worded(sentence, options):
    """The option that a sentence names, read first behind its last copula; "" where it names several, None where none."""
    main = SUBORDINATE.sub("", sentence)
    sentence = main if named(main, options) else sentence
    pieces = re.split(r"\b(?:is|are|was|were|be|equals?|approximately|about)\b|[=≈:]", sentence)
    last = pieces[-1] if len(pieces) > 1 and not re.search(r"\bnot\s*$", pieces[-2]) else ""
    hits = named(last, options, "start") or named(last, options)
    if len(hits) == 1:
        return hits[0]
    hits = named(sentence, options)
    if not hits:
        return "" if NO_OPTION.search(sentence) else None
    return hits[0] if len(hits) == 1 else ""


def yes_or_no(text, options):
    """A plain statement of a few sentences answers a question of yes and no: "The lines do not cross." with no."""
    flat = [words(option).strip() for option in options or ()]
    if not {"yes", "no"} <= set(flat) or len(flat) > 3 or cut_off(text):
        return None
    found = [sentence for sentence in sentences_of(text) if len(sentence.split()) > 2]
    if not 1 <= len(found) <= 3 or any(map(UNSURE.search, found)) or statements(text, options):
        return None
    return LETTERS[flat.index("no" if DENIAL.search(found[0]) else "yes")]


RULES = (
    ("only letters", only_letters),
    ("statement", statement),
    ("first line", first_line),
    ("said right", said_right),
    ("last line", last_line),
    ("last sentence", last_sentence),
    ("yes or no", yes_or_no),
)


def steps(text, options=None):
    """(rule, what it said) up to the rule that decided; of a very long text the beginning and the end are read."""
    if len(text) > MAX_READ:
        text = text[: MAX_READ // 4] + "\n" + text[-3 * MAX_READ // 4 :]
    text = plain(text.replace("\\_", "_"))
    options = tuple(map(str, options[:26])) if options else None
    for name, rule in RULES:
        letters = rule(text, options)
        yield name, letters
        if letters is not None:
            return


def read(text, options=None):
    """(letters, rule); (None, rule) where the rule found that nothing, or one of several, was committed."""
    *_, (name, letters) = steps(text, options)
    return letters or None, name if letters is not None else None
