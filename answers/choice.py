"""Which option did a response commit to? The last statement wins; negations, quoted lists of options and questions do not count.

extract_choice("... (A) is wrong. So the answer is **(C) 5 cm**.", options) -> "C"
"""

import re

from .markup import plain
from .options import (
    LETTERS,
    by_value,
    named,
    named_loosely,
    only_part,
    option_text,
    option_words,
    whole_option,
    words,
)

FILL = (
    r"(?:[\s:\"'“”‘’<>\[{(=–—→#|,*]|-(?![\w.\\$(])|(?:"
    + "|".join(
        """therefore thus hence so clearly probably likely most\\s+likely definitely certainly obviously for\\s+sure indeed in\\s+fact actually simply just still then now also given\\s+by
    given\\s+as represented\\s+by marked\\s+as labell?ed options? choices? letter answer number statement alternative the\\s+following as\\s+follows best\\s+described\\s+as the that
    best correct final is are""".split()
    )
    + r")(?![a-z0-9]))"
)
FILLS = re.compile(FILL + "{0,14}", re.I)
ADJECTIVE = r"(?:correct|right|best|appropriate|suitable|accurate|final|likely|true|closest|matching|valid|proper|incorrect|false|logical|reasonable|plausible|sensible|chosen|selected)"
NOUN = r"(?:option|choice|statement|alternative|selection|response|conclusion|completion|solution|ending|letter|description|explanation|one|match|diagnosis)s?"
COPULA = r"(?<![a-z])(?:is|are|was|be|being|remains|becomes|(?:must|would|should|will|could|might|may)\s+be|seems?(?:\s+to\s+be)?|appears\s+to\s+be)(?![a-z])"
WRAPPED = r"(?=\s*[(\[]\s*[A-Za-z]\s*[)\]])"
CHOSEN = r"(?=\s*(?:(?:the|answer|option|choice|letter|statement|most|correct|best)\s+){0,4}(?:[\"'“‘]|[(\[]\s*[A-Za-z]\s*[)\]]|(?-i:[A-Z])(?![A-Za-z'’])))"
ANSWER = re.compile(
    "|".join(
        [
            r"\b(?:answers?|ans|respuesta|réponse|antwort)\b(?:\s+(?:choice|option|letter|here|key))?(?P<mid>[^.\n:=?]{0,90}?)"
            rf"(?:\s*(?:{COPULA}|[:：=→>])|{WRAPPED}|\s*\n+(?=\s*[(\[]?(?-i:[A-Z])[)\].]?\s*(?:\n|$))|\s+(?=(?-i:[A-Z])(?:[.)\n]|$))|\s+-+\s+)",
            rf"\b{ADJECTIVE}\s+(?:answer\s+)?{NOUN}\b(?P<mid2>[^.\n:=?]{{0,90}}?)(?:\s*(?:{COPULA}|[:：=→])|{WRAPPED})",
            r"\b(?:I|we)(?:\s*(?:would|will|['’]d|['’]ll|shall|must|should|can|am|have\s+to|therefore|thus|choose\s+to|am\s+going\s+to|['’]m)){0,3}\s+"
            rf"(?:go|going|choose|chose|pick|select|opt|say|answer|vote|conclude|settle|guess)\b\s*(?:with|for|on|that)?\s*:?{CHOSEN}",
            r"\b(?:choosing|selecting|selected|choose|chosen|select|pick|opt(?:ing)?\s+for|go(?:ing)?\s+with|leads?\s+(?:us\s+)?to|corresponds?\s+(?:most\s+closely\s+)?to|matches|"
            rf"closest\s+to|(?:narrows?|points?)\s+(?:it\s+)?(?:down\s+)?to)\b\s*:?{CHOSEN}",
            rf"\b(?:is|gives|means|yields|being|namely)\s+(?:the\s+)?(?:answer|option|choice|letter)\b{CHOSEN}",
            r"\b(?:option|choice|selection|selected|label|prediction|verdict|conclusion)\s*(?:is|:|=)(?!=)",
            rf"\b(?:leaving|leaves|left\s+with)\b(?:\s+us)?(?:\s+with)?(?:\s+only)?{CHOSEN}",
            r"\b(?:so|thus|hence|therefore)\s{0,3}[,:]?(?=\s{1,3}(?:option\s{1,3}|choice\s{1,3})?(?:[(\[]?(?-i:[A-Z])[)\]]?|[(\[][a-z][)\]])\s{0,3}(?:[.!]\s|[.!]?\s*$))",
            r"\bans\.\s*(?=[(\[]?(?-i:[A-Z])[)\]]?(?![A-Za-z]))",
            r"\#{4}",
            r"(?:正确)?(?:答案|选项)(?:应该|应)?(?:是|为|选|：|:)?|(?:选择|应选|选)(?=\s*[:：]?\s*[（(]?[A-J])",
        ]
    ),
    re.I,
)
LETTER = re.compile(
    r"[(\[{<（]{0,2}\s*([A-Za-z])\s*(?:[)\]}>）]|(?![A-Za-z0-9^_+*/=\\{]|['’][A-Za-z]|-[A-Za-z0-9]))"
)
LETTER_RIGHT = re.compile(
    r"""(?:\b(?:option|choice|answer|statement|alternative)s?\s*)?(?P<open>[(\[]\s*)?(?<![A-Za-z0-9'’\\-])(?P<letter>[A-Z])(?![A-Za-z0-9'’])\s*[)\]]?[:.]?(?:\s*,?\s*(?:(?![A-Z](?![A-Za-z]))[^.\n?]){0,60}?,?)?\s+
        (?:is|seems|appears|must\s+be|would\s+be|should\s+be)\s+(?:to\s+be\s+)?(?:(?:the|therefore|thus|clearly|indeed|definitely|most|more|likely|probably|only|also|our|my|a|single|one)\s+){0,4}
        (?:correct|right|best|true|answer|appropriate|accurate|final|closest|suitable|(?:(?<=most\ )|(?<=more\ ))(?:reasonable|plausible|logical)|(?:option|choice|one|statement)\s+(?:that|consistent|left|which)|likely)\b
        (?!\s*(?:or|that\s+.{0,20}not|\w+\s+if))
        |(?i:only)\s+(?:option\s+|choice\s+|statement\s+)?[(]?(?P<only>[A-Z])[)]?\s+(?:remains|is\s+left|fits|satisfies|works|matches|makes\s+sense)
        |(?P<fits>[A-Z])\s*(?:(?:fits|works|matches)\s+(?:the\s+)?(?:best|better)|it\s+is|\?\s*(?:Yes|Correct|Right|True))\b
        |\bIt(?:['’]s|\s+is|\s+must\s+be)\s+(?:option\s+)?[(]?(?P<its>[A-Z])[)]?(?=\s*(?:[.!;,]|$))
        |选项\s*(?P<zh>[A-J])\s*(?:是)?正确|(?P<zh2>[A-J])\s*选项?正确|选项?\s*(?P<zh3>[A-J])(?=\s*[。.）)]?\s*$)""",
    re.X,
)
NEGATED = re.compile(
    r"(?:\bnot|n't|n’t|\bnever|\bneither|\bnor|\brather\s+than|\binstead\s+of|\bexcept|\bexcluding|\bexcludes?|\beliminat\w+|\brul\w+\s+out|\bdiscard\w*|\breject\w*|\bunlike|\bwithout|\bno\s+longer|\bcross\w*\s+out|\bincorrect(?:ly)?|\bwrong|不是|不选|排除)\s*(?:be|either|just|simply|necessarily|out|the|a|an|answer|option|choice|options|choices)?\s*(?:option|choice)?\s*[(\[:]?\s*$",
    re.I,
)
AFTER_NEGATED = re.compile(
    r"\s*[)\]]?(?:\s(?!it\b|because\b|since\b|as\b)[^.,;:\n]{0,60})?\s(?:(?:is|are|was|can|could|would|does|do|should|may|might|will)\s*(?:n't|n’t|not)|cannot|(?:is|are|was|be|seems|would\s+be)\s+(?:also\s+|clearly\s+|therefore\s+|thus\s+|both\s+)?(?:incorrect|wrong|false|invalid|ruled|eliminated|excluded|irrelevant|unlikely|not\b)|(?:can|could|should|may)\s+be\s+(?:ruled|eliminated|excluded|discarded)|不正确|错误)",
    re.I,
)
DOUBT = re.compile(
    r"\b(?:if|whether|suppose|supposing|assum\w+|unless|not\s+sure|unsure|wrong|incorrect|how\s+can|why|hypothetical\w*|had|other|previous|student'?s?|your|possible)\b[^.\n]{0,24}$",
    re.I,
)
NO_COMMITMENT = re.compile(
    r"(?:none\s+of\s+(?:the|these|those)\s+(?:above|options|choices|answers|given|provided|listed|statements)|not\s+(?:among|one\s+of|listed|in|provided|given|present)\s+(?:in\s+)?(?:the\s+)?(?:options|choices|given|listed|provided|answer)|no\s+(?:correct|valid|right)\s+(?:answer|option|choice)|(?:cannot|can't|can\s+not|unable\s+to|impossible\s+to|not\s+possible\s+to)\s+(?:be\s+)?(?:determine|answer|choose|select|provide|say|give))",
    re.I,
)
MENTION = re.compile(
    r"(?<![A-Za-z0-9\\^_])(?:[(\[]\s*([A-Z])\s*[)\]]|\b(?:[Oo]ption|[Cc]hoice|[Aa]nswer|[Ss]tatement|[Ll]etter)s?\s+[\"'“‘(]?([A-Z])(?![A-Za-z0-9'’])|选项?\s*[(（]?([A-J])[)）]?|(?:^|\n)\s*([A-Z])\s*[.):]\s)"
)
START = re.compile(
    r"\s*(?:(?:it['’]?s|probably|(?:most\s+)?likely|perhaps|definitely|clearly|I\s+(?:think|believe))[\s,:]+){0,2}(?:option|choice|answer|letter)?\s*([(\[{<]?)\s*([A-Za-z])\s*([)\]}>]|[.:,;!](?![A-Za-z0-9])|(?=\s*$)|(?=\s*\n)|(?=\s+[-–—]\s)|(?=\s+[(]))",
    re.I,
)
LINE_LETTER = re.compile(
    r"(?:^|\n)[ \t]*(?:[-•#*]+[ \t]*)?(?:option|choice)?\s?[(\[]?([A-Z])[)\].:](?=\s|$)", re.I
)
FOLLOWS_A = re.compile(
    r"\s*(?:$|[.,:;)!?\"'”’\]\n}(|–—-]|(?:because|since|as|is|are|was|and|which|due|for|with|by|from|based|it|this|that|but|not|given|according|where|when|while|although|would|I|The|This|It|Because|Since|As|Explanation|Reason\w*|There\w*|Final|Answer|in\s+(?:this|the)|the|if|so|here|hence|since)\b)"
)
SENTENCE_END = re.compile(r"(?<=[.!?。！？])[\"'”’)*\]]*\s+(?=[^a-z\s])|\n+|(?<=[。！？])")
TAKEN_BACK = re.compile(
    r"[^.\n]{0,80}?,\s*(?:but|which)\s+(?:this\s+)?(?:is|was)\s*(?:not|n't)\s+(?:the\s+)?(?:correct|right|answer|among|listed)|[^.\n]{0,80}[.\n]\s*(?:\w+\W+){0,2}?(?:but|however|although)\W+(?:this|that|it)\s+(?:is\s*(?:not|n't|incorrect|wrong)|isn't)",
    re.I,
)
TOKENS = re.compile(r"[A-Za-zéèê]+|#{4}|[正答选应]")
TRIGGERS = set(
    """answer answers ans respuesta réponse antwort correct right best appropriate suitable accurate final likely true closest matching valid proper incorrect false logical reasonable
    plausible sensible chosen selected i we choosing selecting choose select pick opt opting go going so thus hence therefore leaving leaves left leads lead corresponds correspond matches narrows narrow points point option choice selection label
    prediction verdict conclusion is gives means yields being namely #### 正 答 选 应""".split()
)
MAX_READ = 24_000
CONCLUDES = re.compile(
    r"\b(?:therefore|thus|hence|so|conclu\w+|consequently|answer|finally|overall|accordingly|we\s+(?:get|have|find|obtain)|most\s+likely|correct|best|in\s+summary|this\s+means|closest)\b",
    re.I,
)
GIVES_UP = re.compile(
    r"\b(?:sorry|unable|cannot|can't|can’t|impossible|not\s+possible|don't|do\s+not|does\s+not|doesn't|without)\s+(?:\w+\s+){0,4}?(?:see|view|answer|determine|help|provide|assist|know|have|contain|information|tell|say|sure|access)\b|please\s+provide|\bas\s+an\s+ai\b|more\s+information",
    re.I,
)
OPEN_END = re.compile(
    r"\s(?:because|since|and|or|but|the|an|is|are|was|of|to|that|which|with|for|if|as|by|from|it)$"
)  # no sentence ends so
ASIDE = re.compile(
    r"(?<=\w.{8}),\s*(?:whereas|while|unlike|in\s+contrast|as\s+opposed\s+to)\b", re.I
)  # what follows is about another option
SUBORDINATE = re.compile(
    r"^\W*(?:as|when|if|because|since|although|while|after|once)\b[^,]{0,160},\s*", re.I
)
NOT_BUT = re.compile(
    r"not\s+(?:option\s+|choice\s+)?[(\[]?[A-Z][)\]]?\s*[,;:.–—-]*\s*(?:but|rather|it\s*(?:is|['’]s))(?:\s+(?:rather|instead|it\s*(?:is|['’]s)|option|choice))*\s+(?=[(\[]?[A-Z]\b)",
    re.I,
)  # "not A; it's D"
ARROW = re.compile(
    r"(?:=+>|-+>|⇒|→|∴|\b(?:hence|thus|so|therefore|we\s+(?:get|have|obtain)))[\s,:]*(?:(?:option|choice)\s+)?(?:[(\[]([a-z])[)\]]|[(\[{<\"']{0,2}(?-i:([A-Z]))[)\]}>\"']{0,2})[.!\s]*$",
    re.I,
)
LABEL = re.compile(r"(?:^|(?<=[\s;,]))(?:[Oo]ption\s+)?[(\[]?([A-Z])[)\].:]+\s")
VERDICT = re.compile(
    r"(?P<wrong>[✗✘❌]|\b(?:incorrect|wrong|false|not\s+(?:the\s+)?(?:correct|true))\b|(?:^|[-–—:?])\s*no\b)|[✓✔✅]|\b(?:correct|true)\b|(?:^|[-–—:?])\s*yes\b",
    re.I,
)
LETTER_LIST = r"((?:[Oo]ptions?\s|[Cc]hoices?\s)?[(]?[A-J][)]?(?:\s?(?:,\s?(?:and|or)?|and|or|&)\s?[(]?[A-J][)]?){0,8})(?![A-Za-z'’])"
DISMISSED = re.compile(
    rf"\b{LETTER_LIST}\s+(?:is|are|was|were|can\s+be|could\s+be)\s+(?:(?:also|all|both|clearly|therefore|thus|obviously)\s+)?(?:incorrect|wrong|false|eliminated|excluded|ruled\s+out|discarded|not\s+(?:correct|true|right))|\b(?:eliminat\w+|rul(?:e|es|ed|ing)\s+out|exclud\w+|discard\w*|reject\w*)\s+{LETTER_LIST}"
)
PLACE = re.compile(
    r"\b(first|second|third|fourth|fifth|last)\s+(?:option|choice|answer|one|statement|alternative|solution)\b|\b(?:option|choice|solution)\s+(?:number\s+)?#?(\d)\b(?!\.\d)|\banswer\s+is\s+the\s+(first|second|third|fourth|fifth|last)\s*[.!]?\s*$",
    re.I,
)
LIST = re.compile(
    r"\n[ \t]*\(?A[).:][^\n]*\n+[ \t]*\(?B[).:][^\n]*\n+[ \t]*\(?C[).:][^\n]*(?:\n+[ \t]*\(?[D-J][).:][^\n]*)*(?=\n)"
)
WITHDRAWN = "?"  # "the answer is not among the options" takes back what was said before


def letter_at(tail, count, options):
    """The option letter that stands at the start of tail (fillers skipped): a letter, "" for "ambiguous or negated", None for "no letter"."""
    at = FILLS.match(tail).end()
    skipped, rest = tail[:at], tail[at:]
    if instead := NOT_BUT.match(rest):
        return letter_at(rest[instead.end() :], count, options)
    if re.match(
        r"(?:not|n't|never|neither|either|unclear|unknown|none|any|one\s+of|between|both)\b",
        rest,
        re.I,
    ) and not (options and named(rest[:200], options, prefix=True)):
        return ""
    opened = re.search(r"[(\[{<]\s*$", skipped)
    match = LETTER.match(rest)
    if not match or ord(match[1].upper()) - 65 >= count:
        return None
    letter, wrapped, after = (
        match[1],
        match[0][-1] in ")]}>）"
        or match[0][0] in "([{<（"
        or bool(opened and rest[match.end() : match.end() + 1] in ")]}>" or opened),
        rest[match.end() :],
    )
    if letter.islower() and not wrapped and not re.match(r"\s*(?:$|[.):;]\s|[.):;]$|\n)", after):
        return None
    if letter in "AI" and not wrapped and not FOLLOWS_A.match(after):
        return (
            None
            if not options
            or not re.match(
                r"\s*"
                + re.escape(
                    str(options[0 if letter == "A" else min(8, len(options) - 1)]).strip()[:12]
                ),
                after,
            )
            else letter
        )
    if (
        letter == "I"
        and not wrapped
        and re.match(r"\s+(?:am|think|believe|would|will|have|can)\b", after)
    ):
        return None
    if (
        options
        and not wrapped
        and re.match(r"\s+\w", after)
        and (hits := named(rest[:300], options, prefix=True))
        and len(option_text(hits[0], options)) > 4
        and hits[0] != letter.upper()
    ):
        return hits[0]  # "I only", "A and B": the letter is part of an option's text
    other = re.match(
        r"\s*[)\]]?\s*(?:,\s*(?:and|or)?|or|and|/|&|\+)\s*(?:option|choice)?\s*[(\[\"']?([A-Z])[)\]]?(?![A-Za-z0-9'’])",
        after,
    )
    if (
        other
        and ord(other[1]) - 65 < count
        and other[1] != letter.upper()
        and not (other[1] in "AI" and not FOLLOWS_A.match(after[other.end() :]))
    ):
        hits = named(rest[:300], options, prefix=True) if options else []
        return hits[0] if hits else ""
    if AFTER_NEGATED.match(after[:90]) and not (
        options and letter.upper() in named(after[:300], options, prefix=True)
    ):
        return ""
    return letter.upper()


def sentence_from(text, start):
    """The rest of the sentence that begins at start."""
    stop = SENTENCE_END.search(text, start)
    return text[start : stop.start() if stop else min(len(text), start + 400)]


def statements(text, count, options):
    """(position, letter) of each committing statement in text, in order; the letter is "" where it commits to nothing readable."""
    done = 0
    for token in TOKENS.finditer(
        text
    ):  # the big pattern is tried only where one of its first words stands: five times faster than finditer
        if (
            token.start() < done
            or token[0].lower() not in TRIGGERS
            or not (match := ANSWER.match(text, token.start()))
        ):
            continue
        done = match.end()
        before = text[max(0, match.start() - 60) : match.start()]
        mid = match["mid"] or match["mid2"] or ""
        if (
            mid
            and re.search(r"\b(?:not|n't|never|if|whether)\b", mid)
            and not re.search(r"not\s+(?:given|sure|clear|known)", mid)
        ):
            continue
        if DOUBT.search(before) or mid and DOUBT.search(mid + " "):
            continue
        tail = text[
            match.end() : match.end() + (max(400, 100 + max(map(len, options))) if options else 400)
        ]
        line = sentence_from(tail, FILLS.match(tail).end())
        if line.rstrip().endswith("?"):
            continue
        body = tail[FILLS.match(tail).end() :]
        letter = whole_option(line, options) or letter_at(tail, count, options)
        if letter is None and options:
            hits = (
                named_loosely(line, options, exact=True)
                or named_loosely(body, options, prefix=True)
                or [by_value(body, options)]
            )
            hits = (
                hits
                if hits[0]
                else named_loosely(
                    sentence_from(tail, len(tail) - len(tail.lstrip(" :\n"))), options
                )
            )
            letter = hits[0] if len(hits) == 1 else None
            if letter is None and (mentions := distinct(line, count)) and len(mentions) == 1:
                letter = mentions[0]
        if letter is None and options and NO_COMMITMENT.search(line):
            letter = WITHDRAWN
        if letter and TAKEN_BACK.match(text[match.end() : match.end() + 200]):
            letter = ""
        if letter is not None:
            yield match.start(), letter


def distinct(text, count):
    """Option letters mentioned in wrappers ("(B)", "option B") and not negated, each once, in order."""
    found = []
    for match in MENTION.finditer(text):
        letter = match[1] or match[2] or match[3] or match[4]
        if match[4] == "I" and re.search(r"\n\s*II\b", text):
            continue
        if ord(letter) - 65 < count and letter not in found:  # noqa: SIM102 (one long condition reads worse)
            if not NEGATED.search(
                text[max(0, match.start() - 40) : match.start()]
            ) and not AFTER_NEGATED.match(text[match.end() : match.end() + 90]):
                found.append(letter)
    return found


def said_right(text, count):
    """The letter of the last "B is correct", or None."""
    last = None
    for match in LETTER_RIGHT.finditer(text):
        letter = (
            match["letter"]
            or match["only"]
            or match["fits"]
            or match["its"]
            or match["zh"]
            or match["zh2"]
            or match["zh3"]
        )
        if (  # noqa: SIM102
            letter
            and ord(letter) - 65 < count
            and not (
                letter in "AI"
                and not match["open"]
                and not re.match(r"(?:option|choice|answer|statement)", match[0], re.I)
                and match[0][1:2] == " "
                and re.match(r"[AI]\s+[a-z]+\s", match[0])
                and not re.match(r"[AI]\s+(?:is|seems|appears)\b", match[0])
            )
        ):
            if not NEGATED.search(
                text[max(0, match.start() - 30) : match.start()]
            ) and not re.search(
                r"\b(?:if|whether)\b[^.]{0,20}$",
                text[max(0, match.start() - 30) : match.start()],
                re.I,
            ):
                last = letter
    return last


def odd_one_out(text, count):
    """The one option that is called correct where the others are called wrong (or the other way round): "A. Incorrect. B. Correct. C. Incorrect."; None else."""
    text = text[-6000:]
    labels = [m for m in LABEL.finditer(text) if ord(m[1]) - 65 < count]
    ends = [m.start() for m in labels[1:]] + [len(text)]
    verdicts = {
        m[1]: verdict
        for m, end in zip(labels, ends, strict=False)
        if (verdict := VERDICT.search(text[m.end() : end]))
    }
    right = [letter for letter, verdict in verdicts.items() if not verdict["wrong"]]
    wrong = [letter for letter, verdict in verdicts.items() if verdict["wrong"]]
    return next(
        (
            one[0]
            for one, rest in ((right, wrong), (wrong, right))
            if len(one) == 1 and len(rest) > 1
        ),
        None,
    )


def listed_again(text, count):
    """The letter of the one option that stands again behind the whole list of options; None else."""
    labels = [label[1].upper() for label in LINE_LETTER.finditer(text)]
    again = (
        count > 1 and labels[:-1] == list(LETTERS[:count]) and labels[-1] in LETTERS[: count - 1]
    )
    return labels[-1] if again else None


def only_a_list(text, count):
    """Does a response list options and say nothing of them? A first line may stand apart, such as "The options are:"."""
    lines = [line for line in text.split("\n") if line.strip()]
    labels = [label[1].upper() if (label := LINE_LETTER.match(line)) else None for line in lines]
    return len(set(labels)) >= min(3, count) > 1 and None not in labels[min(1, len(labels) - 3) :]


def dismissed(text, count):
    """The letters that a response rules out by name: "A and B are wrong", "we can eliminate C"."""
    found = " ".join(match[1] or match[2] for match in DISMISSED.finditer(text[-6000:]))
    return {
        letter
        for letter in re.findall(r"(?<![A-Za-z])[A-J](?![a-z])", found)
        if ord(letter) - 65 < count
    }


def by_place(text, count):
    """The letter of "the third option" or "option 3", where one place alone is named; None else."""
    names = ["first", "second", "third", "fourth", "fifth"]
    text = text[-2000:]
    found = [
        m
        for m in PLACE.finditer(text)
        if not NEGATED.search(text[max(0, m.start() - 30) : m.start()])
    ]
    said = [(m[1] or m[2] or m[3]).lower() for m in found]
    places = {
        count - 1 if one == "last" else int(one) - 1 if one.isdigit() else names.index(one)
        for one in said
    }
    return LETTERS[places.pop()] if len(places) == 1 and 0 <= min(places) < count else None


def opening(text, count, options):
    """The letter of a response that begins with its answer: "B", "(B) 5 cm", "B. because", "Yes, ..."."""
    lines = [line for line in text.strip().split("\n") if line.strip()]
    if not lines:
        return None
    match = START.match(lines[0])
    if (
        match
        and ord(match[2].upper()) - 65 < count
        and (
            match[2].isupper()
            or len(lines[0].strip()) <= 3
            or options
            and match[2].upper() in named(lines[0][match.end() :], options, prefix=True)
        )
    ):
        listed = {
            m.upper() for m in LINE_LETTER.findall(text[:3000]) if ord(m.upper()) - 65 < count
        }
        rest = lines[0][match.end() :]
        if match[2] == "I" and re.search(r"\n\s*[(\[]?II[.)\]:]", text):
            return None  # statement I, statement II
        if len(listed) > 1:
            return None
        initial = match[2] in "AI" and match[3] == "" and not match[1] and rest.strip() != ""
        if (
            not initial
            and not AFTER_NEGATED.match(rest[:60])
            and not re.match(r"\s*(?:or|and|/)\s*\(?[A-Z]\b", rest)
        ):
            return match[2].upper()
    if options:
        hits = named_loosely(lines[0], options, exact=True)
        if hits:
            return hits[0]
        if (
            len(lines) == 1
            and len(lines[0]) < 40
            and (value := by_value(lines[0].strip(" ."), options))
        ):
            return value
        word = re.match(r"\W*([A-Za-z]+)\b\s*(?:[,.:;!—–-]|$|\n)", lines[0])
        if word and (hits := named_loosely(word[1], options, exact=True)):
            return hits[0]
    return None


def ending(text, count, options):
    """The letter of a response whose last line is its answer."""
    line = text.strip().rsplit("\n", 1)[-1].strip()
    if len(line) == 1 and line in LETTERS[:count]:
        return line
    if len(line) > 300 or len(LINE_LETTER.findall(text[-2000:])) >= max(2, count - 1):
        return None
    if (arrow := ARROW.search(line[-80:])) and ord(
        letter := (arrow[1] or arrow[2]).upper()
    ) - 65 < count:
        return letter
    match = re.fullmatch(r"[\s(\[{<\"']*([A-Z])[\s)\]}>.\"':]*", line)
    if match and ord(match[1]) - 65 < count:
        return match[1]
    match = re.match(r"[(\[]?([A-Z])[)\].:]+\s+(?=\S)", line)
    if (
        match
        and ord(match[1]) - 65 < count
        and options
        and named(line[match.end() :], options, prefix=True) == [match[1]]
    ):
        return match[1] if len(set(LINE_LETTER.findall(text))) < 3 else None
    if options and (hits := named_loosely(line, options, exact=True)):
        return hits[0]
    return None


def cut_off(text):
    """Does a response stop in the middle of a sentence: a short one at a word that needs another, a long one without its full stop?"""
    text = text.rstrip()
    if OPEN_END.search(text[-20:]):
        return True
    if len(text) <= 300:
        return False
    return text.count("\\[") > text.count("\\]") or not re.search(
        r"[.!?。！？:)\]}\"'”’]$|```$", text
    )


def prose(text, count, options, cut=False):
    """The option that the last (or first) sentence of a response names, where it names exactly one."""
    text = text[-6000:].strip()
    if (
        options and len(LINE_LETTER.findall(text)) >= count > 1
    ):  # the list of options, repeated, perhaps not word for word
        text = LIST.sub("", "\n" + text)
        flat = {option for _, option in option_words(options)}
        text = "\n".join(
            line
            for line in text.split("\n")
            if not (LINE_LETTER.match(line) and words(LINE_LETTER.sub("", line)) in flat)
        ).strip()
    sentences = [s for s in SENTENCE_END.split(text) if s and s.strip()]
    if not sentences:
        return None
    if cut:
        sentences = sentences[:-1]
        last = []
    else:
        last = sentences[-2:][::-1] if len(sentences) > 1 else sentences[-1:]
    out = dismissed(text, count)
    everywhere = [letter for letter in distinct(text, count) if letter not in out]
    for sentence in last:
        sentence = ASIDE.split(sentence, maxsplit=1)[0]
        letters = [letter for letter in distinct(sentence, count) if letter not in out]
        if len(letters) == 1 and (
            len(text) < 400 or len(everywhere) == 1 or CONCLUDES.search(sentence)
        ):
            return letters[0]
        if letters or sentence.rstrip().endswith("?"):
            return None
        bare = re.search(r"\b(?:is|are|be)\s+([A-Z])\s*[.!]?\s*$", sentence)
        if bare and ord(bare[1]) - 65 < count and not NEGATED.search(sentence[: bare.start(1)]):
            return bare[1]
        if options and (len(text) < 400 or CONCLUDES.search(sentence)):
            letter = stated(sentence, options)
            if letter is not None:
                return letter or None
    if options and sentences and len(sentences) > 1 and not cut:
        letter = stated(sentences[0], options)
        if letter:
            return letter
    return everywhere[0] if len(everywhere) == 1 and not cut else None


def stated(sentence, options):
    """The one option that a sentence names, read first behind its last copula; "" where it names several, None where none."""
    if NO_COMMITMENT.search(sentence) and not named_loosely(sentence, options):
        return ""
    main = SUBORDINATE.sub(
        "", sentence
    )  # "as pressure increases, volume decreases" states the second
    sentence = main if named_loosely(main, options) else sentence
    pieces = re.split(r"\b(?:is|are|was|were|be|equals?|approximately|about)\b|[=≈:]", sentence)
    if len(pieces) > 1:
        hits = named_loosely(pieces[-1], options, prefix=True) or named_loosely(pieces[-1], options)
        if len(hits) == 1 and not re.search(r"\bnot\s*$", pieces[-2]):
            return hits[0]
        if value := by_value(pieces[-1].strip(), options):
            return value
    hits = named_loosely(sentence, options)
    yes_no = {words(o).strip() for o in options} <= {"yes", "no", "maybe", "true", "false"}
    if yes_no and not hits:
        return None
    return hits[0] if len(hits) == 1 else "" if hits else None


def polarity(text, options):
    """Yes or no of a short plain statement: "The lines do not cross." answers a yes/no question with no, "They cross." with yes."""
    flat = [words(str(o)).strip() for o in options]
    if set(flat) == {"true", "false"} and (said := VERDICT.findall(text)) and len(said) == 1:
        return LETTERS[flat.index("false" if said[0] else "true")]
    if not {"yes", "no"} <= set(flat) or GIVES_UP.search(text) or cut_off(text):
        return None
    sentences = [s for s in SENTENCE_END.split(text.strip()) if s and len(s.split()) > 2]
    if (
        not 1 <= len(sentences) <= 3
        or any(s.rstrip().endswith("?") for s in sentences)
        or re.search(r"\b(?:may|might|could|perhaps|possibly|maybe|unclear|depends)\b", text, re.I)
    ):
        return None
    denied = re.search(
        r"\b(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|should)\s*(?:not\b|n't|n’t)|\bcannot\b|\bno\s+(?:evidence|difference|significant|such)\b|\bthere\s+(?:is|are)\s+no\b",
        sentences[0],
    )
    return LETTERS[flat.index("no" if denied else "yes")]


def extract_choice(text, options=None):
    """The upper-case letter that text commits to, or None. options: the option texts; without them letters A to J are read."""
    count = min(len(options), 26) if options else 10
    options = tuple(str(o) for o in options[:26]) if options else None
    text = (
        text if len(text) <= MAX_READ else text[: MAX_READ // 4] + "\n" + text[-3 * MAX_READ // 4 :]
    )
    bare = text.strip()
    if (
        len(bare) > 1
        and bare[0] in LETTERS[:count]
        and not bare.strip(bare[0])
        and not (options and named(bare, options, exact=True))
    ):
        return bare[0]
    cut = cut_off(text)
    text = plain(text)
    said = [letter for _, letter in statements(text, count, options)]
    letters = [letter for letter in said if letter]
    if letters:
        return (
            letters[-1]
            if letters[-1] != WITHDRAWN
            else prose(SENTENCE_END.split(text.strip())[-1], count, None)
        )
    found = odd_one_out(text, count) or listed_again(text, count)
    if not found and only_a_list(text, count):
        return None
    found = (
        found
        or opening(text, count, options)
        or said_right(text, count)
        or ending(text, count, options)
    )
    if (
        not found
        and options
        and len(left := set(LETTERS[:count]) - dismissed(text, count)) == 1 < count
    ):
        return left.pop()
    found = (
        found
        or prose(text, count, None if said else options, cut)
        or by_place(text, count)
        or options
        and only_part(text, options)
        or None
    )
    return found or (
        polarity(text, options) if options and not said and len(options) <= 3 else None
    )


def read(text, options=None):
    """(letter or None, rule)"""
    letter = extract_choice(text, options)
    return letter, "choice" if letter else None


def steps(text, options=None):
    yield "choice", extract_choice(text, options)
