"""Drop pairs that cannot be used alone: rules for what a pattern can see, then a judge for contradictions and the rest.

    python 01_extract/filter_qa.py --input cot.jsonl --output filtered.jsonl --model Qwen/Qwen3-32B
    python 01_extract/filter_qa.py --input cot.jsonl --output filtered.jsonl --no-judge

in   question-answer rows: id, question, answer
out  the rows that stay, unchanged (without a judge with `doubtful`, words that may point outside). Rejected by rule: "outside reference", "no question", "no task", "no answer", "empty box", "box not closed",
     "refusal", "remark about itself", "answer repeats the question", "text repeats itself", "not grounded" (`matched` is what the rule saw, `matched_in` where);
     by the judge: "judge: contradiction", "judge: outside reference", "judge: no answer", "judge: other", "judge unreadable" (`response` is what it
     said), "generation failed"

A reference is outside only where the pair does not hold what it points to: "the table below" followed by a table stays.
The method is the filtering step of MegaScience (arXiv 2507.16812, section 2), which leaves all of it to the judge.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import re

import replies

import batch_generate
import rows as r
from answers.markup import boxes
from answers.trim import after_thinking

PROMPT = """Decide whether a question and its answer are fit for a collection of science exercises that people see without the book they come from.

<question>

<answer>

Look for these faults, in the question and in the answer:
- contradiction: the answer contradicts itself, gives different results in different places, or concludes what its own reasoning does not support.
- outside reference: something is needed that is not there, such as a figure, a table, a numbered equation, an earlier exercise, "the text".
- no answer: the answer is missing, cut off, refuses, only repeats the question, or answers another question.
Small gaps in the reasoning, plain style and harmless typing errors are no faults.

<doubt>Think it through briefly, then end with these two lines:
Fault: none, contradiction, outside reference, or no answer
Decision: YES to keep the pair (no fault), NO to drop it"""

# ---- rules: each returns the text that it saw, or None ----

DRAWN = r"(?:figures?|diagrams?|illustrations?|schematics?|charts?)"  # words that mean nothing else; a picture or a table can stand in a room
SEEN = (
    rf"(?:{DRAWN}|pictures?|images?|drawings?|photo(?:graph)?s?|sketch(?:es)?|plots?|maps?|graphs?)"
)
VERDICT = re.compile(
    r"\W*(?:the (?:statement|claim) is )?(?:true|false|correct|incorrect|right|wrong|yes|no)\b",
    re.I,
)
TEXT = r"(?:textbook|chapter|passage|excerpt|source text|provided text|given text)"
ITEM = r"(?:examples?|exercises?|problems?|questions?|theorems?|lemmas?|propositions?|corollar(?:y|ies)|discussion|experiment|derivation)"
NUMBERED = re.compile(
    r"\b(Figs?\.?|Figures?|Tables?|Eqs?\.|Eqns?\.?|Equations?|Chapters?|Chap\.|Sections?|Sect?\.|Examples?|Exercises?|Ex\.|Problems?|Theorems?|Thm\.|"
    r"Lemmas?|Propositions?|Corollary|Definitions?|Appendix|Listing|Algorithm|Exhibit|Plate)[\s~\u00a0]*\(?((?:[A-Z]\.?)?\d+(?:[.\-–:]\d+)*)(?!\w)\)?"
)
NAMES = re.compile(
    r"chapter (?:7|9|11|12|13)\b.{0,40}(?:bankrupt|filing|petition|reorgani)|bankrupt.{0,60}chapter (?:7|9|11|12|13)\b|"
    r"figure[- ](?:8(?![.\d])|of[- ]eight)|section \d+\w?(?:\(\w\))? of (?:the )?[A-Z]",
    re.I | re.S,
)
BEFORE = r"(?:following|accompanying|above|preceding|adjacent|provided)"
POINTING = {
    "visual": re.compile(
        rf"\b(?:(?:in|from|see|to|of|on) (?:the|this|that) {DRAWN}(?! of\b| that\b|\w)"
        rf"|{BEFORE} {SEEN}(?! of\b|\w)"
        rf"|{SEEN} (?:shown |given |displayed )?(?:above|below|at (?:the )?(?:right|left)|on the (?:right|left|next page|facing page))\b"
        rf"|(?:shown|depicted|illustrated|pictured|sketched) (?:in|on) (?:the |this |that |a )?{SEEN}(?! of\b|\w)"
        r"|see (?:figure|table|equation|example|section|chapter|problem|exercise)s?(?!\w)|(?:in|watch) this (?:video|animation)\b)",
        re.I,
    ),
    "table": re.compile(
        rf"\b(?:see (?:the|this|that) table(?! of\b| lists?\b|\w)|{BEFORE} tables?\b"
        r"|tables? (?:shown |given )?(?:above|below)\b|(?:shown|given|listed|as) in tables?\b)",
        re.I,
    ),
    "text": re.compile(
        rf"\b(?:(?:in|from|see|of) (?:the|this|our|that) (?:(?:preceding|previous|above|next|last|same) )?{TEXT}(?! of\b|\w)"
        r"|(?:previous|preceding|earlier|next|last) (?:chapter|section|passage|lecture)\b|in this (?:book|lecture|unit|module)\b"
        r"|(?:according to|(?:discussed|mentioned|described|stated|provided|given|found|presented) (?:in|by)) (?:the|this) "
        rf"(?:{TEXT}|text|book|document|reading|lecture|material|author)(?! of\b|\w)"
        r"|the authors?['’]? (?:claims?|states?|argues?|mentions?|says?|suggests?)\b)",
        re.I,
    ),
    "earlier": re.compile(
        rf"\b(?:(?:previous|preceding|foregoing) {ITEM}\b|(?:the|this) above {ITEM}\b|{ITEM} (?:above|below)\b"
        r"|the (?:[a-z]+ )?(?:function|reaction|data|code|program|expression|formula|statement|scenario|situation|circuit|equation|model) above\b"
        r"|as (?:we )?(?:have )?(?:mentioned|discussed|described|seen|defined|noted|explained|introduced) (?:above|earlier|previously|before)\b"
        r"|(?:discussed|described|mentioned|introduced|derived|proved|proven) (?:earlier|previously|in class)\b)",
        re.I,
    ),
}
# what may as well stand in the matter: "in the graph" G, "in the table" of a database, "in this
# section"
# of a program. With a judge it decides, and is told; without one the row stays and `doubtful` says
# why.
DOUBTFUL = re.compile(
    r"""(?xi)\b(?:
      (?:in|see)\s(?:the|this)\s(?:graph|plot|picture|photo(?:graph)?|image)(?!\sof\b|\sthat\b|\w|\splane)
    | (?:in|from|use|using)\s(?:the|this|that)\stable(?!\sof\b|\slists?\b|\w)
    | (?:in|of|from)\s(?:the|this|that)\ssection(?!\sof\b|\w)
    | (?:in|of|from)\s(?:the|this)\sexample(?!\sof\b|\w)               # "the train in the example"
    )"""
)
# what the question points to, and what must stand in the question so that it is there
NEEDED = {
    "part": (  # "use the result of part (a)"
        re.compile(r"\b(?:in|from|of|to)\spart\s\(?([a-h])\)?(?!\w)", re.I),
        re.compile(r"\A\b"),  # its own letter is looked for
    ),
    "shown": (  # "the product in the reaction shown"
        re.compile(
            r"\b(?:reaction|circuit|structure|compound|molecule|scheme|code|network|mechanism|graph)s?\s"
            r"(?:shown|depicted|drawn)(?!\s(?:to|that)\b)",
            re.I,
        ),
        re.compile(r"->|→|⟶|=>|⇌|\\\w*arrow|\\ce\b|```|\$|\[[A-Z]{2,}|\n"),
    ),
    "data": (  # "using the data given"
        re.compile(
            r"\b(?:using|from|with|by)\sthe\s(?:data|values|information)\s(?:given|provided|shown)",
            re.I,
        ),
        re.compile(r"\d.*\d", re.S),
    ),
}
IMAGE = re.compile(r"!\[[^\]\n]*\]\([^)\n]*\)|\\includegraphics|<img\b", re.I)
# \ref, \eqref, \cite
LATEX_REFERENCE = re.compile(r"\\(?:eq|page|auto|[cC])?(?:ref|ite[pt]?)\{([^{}\n]*)\}")
HOLDS_TABLE = re.compile(
    r"^[ \t]*\|.*\|[ \t]*$|\\begin\{(?:array|tabular|[pbv]?matrix|cases)|<table\b|\t[^\t\n]+\t"
    r"|^(?:[^,\n]+,){2,}[^,\n]+\n(?:[^,\n]+,){2,}",
    re.M | re.I,
)
HOLDS_VISUAL = re.compile(
    r"\\begin\{(?:tikz|tabular|array)|<svg|```|\[asy\]|\[figure:[^\]]*alt:", re.I
)
NO_ANSWER = re.compile(
    r"\W*(?:n/?a|none(?: (?:given|provided|available))?|null|unknown|tbd|todo|\[?no qa\]?|(?:answer|solution)s?|same as above"
    r"|no (?:answer|solution)(?: (?:is |was )?(?:given|provided|available))?|not (?:given|provided|available|applicable|answered)"
    r"|(?:the )?(?:answer|solution)s? (?:is |are |was |were )?(?:not (?:given|provided|available)|omitted|missing)|answers? (?:will|may) vary"
    r"|see (?:the )?(?:text|solution|answer|above|book|figure)s?|left (?:to the reader|as an exercise)(?: .{0,40})?)\W*",
    re.I,
)
SOURCE = r"(?:passage|text|document|source|chunk|excerpt|context|question|problem)"
REFUSAL = re.compile(
    r"\b(?:I(?: am|['’]m) (?:sorry|unable|not able)|I (?:cannot|can['’]t|can not|could not|won['’]t) "
    r"(?:answer|provide|help|assist|determine|solve|give|find|access|see|view|complete)|as an? (?:AI|artificial intelligence|language model)\b"
    rf"|(?:is|was|are|were) not (?:provided|given|included|mentioned|specified|stated|available|contained|answered) (?:in|by) the {SOURCE}"
    rf"|the {SOURCE}(?: provided| given)? (?:does not|doesn['’]t|do not) (?:contain|provide|give|include|mention|specify|state|answer)"
    r"|(?:cannot|can not|can['’]t) (?:be )?(?:answer|determine|solve)d? (?:this |the |it )?(?:question |problem )?"
    r"(?:without|from the (?:given|provided)|with the (?:given|provided)|based on the (?:given|provided))"
    r"|(?:not enough|insufficient) (?:information|context) (?:is |was )?(?:given |provided |available )?(?:to|in order to) (?:answer|solve))",
    re.I,
)
REMARK = re.compile(  # the writer speaks of its work, not of the matter
    r"\b(?:the (?:original|known|provided|reference|refined) (?:answer|question)|refined (?:question|answer)|(?:the|your) prompt\b"
    r"|wait,? (?:let|that|this|no|actually|i|we)\b|let(?: me|['’]s) (?:re-?(?:check|consider|examine|evaluate|calculate)|double[- ]check)"
    r"|i (?:apologi[sz]e|made (?:a|an) (?:mistake|error))|there (?:seems|appears) to be (?:an? |some )(?:mistake|error|typo|confusion))\b",
    re.I,
)
# blanks and options are tasks too
TASK = re.compile(
    r"[?？؟]|_{2,}|\b(?:account|add|analy[sz]e|answer|apply|approximate|argue|arrange|assess|assume|balance|characteri[sz]e|check|choose|classify|compare|"
    r"complete|compute|calculate|consider|construct|contrast|convert|create|decide|deduce|define|demonstrate|derive|describe|design|determine|develop|"
    r"differentiate|discuss|divide|distinguish|draw|establish|estimate|evaluate|examine|expand|explain|express|factor|fill|find|follow|formulate|generate|give|"
    r"graph|identify|illustrate|implement|indicate|integrate|interpret|investigate|judge|justify|label|let|list|make|match|maximi[sz]e|minimi[sz]e|multiply|name|"
    r"obtain|optimi[sz]e|order|outline|plot|predict|prepare|propose|prove|provide|rank|recall|reduce|relate|repeat|rewrite|round|select|show|simplify|"
    r"sketch|solve|sort|state|suggest|summari[sz]e|suppose|test|trace|translate|true or false|use|using|verify|write|"
    r"what|which|why|how|when|where|who|whose)\b"
    r"|^\W*(?:is|are|was|were|does|do|did|can|will)\b|[(\[]\s*[)\]]|…|\.\.\.|^\W*\(?[ab][.)]\s",
    re.I | re.M,
)


def flat(text):
    """Lower-cased words and numbers of a text, for comparing two texts."""
    return " ".join(re.findall(r"\w+", text.lower()))


def is_given(kind, number, text):
    """Does the text itself hold the numbered thing: "Table 1: ...", \\tag{2.5}, "(2.5)" at the end
    of a displayed formula?"""
    number = re.escape(number)
    titled = rf"(?:^\W*|[.;:]\s+){kind[:3]}\w*\.?[\s~]*\(?{number}\)?[*_]*\s*(?:[:：—–]|\([^)\n]{{4,}}\)\s*[:.])"
    headed = rf"^\W*{kind}[\s~]*\(?{number}\)?[*_]*\s?[.:)]"  # of an exercise, theorem or equation that follows
    if re.search(titled, text, re.I | re.M) or re.search(rf"\\tag\*?\{{\(?{number}\)?\}}", text):
        return True
    if not kind.lower().startswith("fig") and re.search(headed, text, re.M):
        return True
    if kind.lower().startswith("tab"):
        return bool(HOLDS_TABLE.search(text))
    displayed = (
        rf"\({number}\)\s*(?:\$|\\\]|\\\)|$)|(?:\$|\\\]|\\\))[\s,.;]*(?:\\q?quad)?\s*\({number}\)"
    )
    return kind.lower().startswith("eq") and re.search(displayed, text, re.M) is not None


def outside_reference(question, answer):
    """First reference to something that neither text holds; (field, text seen) or None.

    The words "above" and "earlier" are looked for in the question only: a solution may speak of its
    own lines.
    """
    for field, text, at_hand in (
        ("question", question, question),
        ("answer", answer, f"{question}\n{answer}"),
    ):
        if seen := IMAGE.search(text):
            return field, seen[0]
        for seen in LATEX_REFERENCE.finditer(text):
            if f"\\label{{{seen[1]}}}" not in at_hand:
                return field, seen[0]
        for seen in NUMBERED.finditer(text):
            around = text[max(0, seen.start() - 80) : seen.end() + 60]
            if not NAMES.search(around) and not is_given(seen[1], seen[2], at_hand):
                return field, seen[0]
        if seen := pointing(field, text, at_hand, len(question.split())):
            return field, seen
    for name, (pattern, held) in NEEDED.items():
        for seen in pattern.finditer(question):
            there = held.search(question)
            if name == "part":
                there = re.search(
                    rf"(?:^|(?<!part)[\s.;:])\(?{seen[1]}[).]\s", question, re.I | re.M
                )
            if not there:
                return "question", seen[0]
    return None


def pointing(field, text, at_hand, length):
    """Words that point to a figure, a table, the book or something earlier that is not at hand, or
    None."""
    for name, pattern in POINTING.items():
        if name == "earlier" and field == "answer":
            continue
        if name in ("table", "visual") and (
            HOLDS_TABLE.search(at_hand) or HOLDS_VISUAL.search(at_hand)
        ):
            continue
        if name == "text" and length > 150:  # a reading task that brings its passage along
            continue
        for seen in pattern.finditer(text):
            late = seen.start() > 200 and not re.search("previous|preceding", seen[0], re.I)
            if name != "earlier" or not late:  # "above" may mean the question's own start
                return seen[0]
    return None


def doubtful(question):
    """Words that may point to something outside, or None; a question that holds a table or drawing
    is clear."""
    seen = DOUBTFUL.search(question)
    holds = HOLDS_TABLE.search(question) or HOLDS_VISUAL.search(question)
    return seen[0] if seen and not holds else None


def repeats_itself(text):
    """A sentence of four words or more that stands there five times or more and makes up 40 % of
    the text: a model in a loop."""
    seen, total = {}, len(text.split())
    for part in re.split(r"\n|(?<=[.!?]) ", text):
        words = flat(part)
        if words.count(" ") >= 3:
            seen[words] = seen.get(words, 0) + 1
            if seen[words] >= 5 and seen[words] * len(part.split()) >= 0.4 * total:
                return part.strip()[:200]
    return None


def unanswered(question, answer):
    if not question.strip():
        return "no question", "question", ""
    if not answer.strip() or NO_ANSWER.fullmatch(answer.strip()):
        return "no answer", "answer", answer.strip()[:200]
    return None


def broken_box(question, answer):
    if seen := replies.EMPTY_BOX.search(answer):
        return "empty box", "answer", seen[0]
    place = answer.rfind("\\boxed{")
    if place >= 0 and not any(start <= place < end for start, end, _ in boxes(answer)):
        return "box not closed", "answer", answer[place : place + 200]
    return None


def talk(question, answer):
    if seen := REFUSAL.search(answer):
        return "refusal", "answer", seen[0]
    for field, text in (("question", question), ("answer", answer)):
        if seen := REMARK.search(text):
            return "remark about itself", field, seen[0]
    return None


def no_task(question, answer):
    """A full sentence that asks nothing; open ones are to be completed, statements to be judged."""
    english = sum(c.isascii() for c in question) > len(question) / 2  # the list of tasks is English
    whole = re.search(r"[.!][\s\"'”)$*]*$", question)
    if english and whole and not TASK.search(question) and not VERDICT.match(answer):
        return "no task", "question", question[:200]
    return None


def repetition(question, answer):
    if flat(answer) == flat(question) != "":
        return "answer repeats the question", "answer", answer[:200]
    for field, text in (("answer", answer), ("question", question)):
        if seen := repeats_itself(text):
            return "text repeats itself", field, seen
    return None


def outside(question, answer):
    seen = outside_reference(question, answer)
    return ("outside reference", *seen) if seen else None


RULES = (unanswered, broken_box, talk, no_task, repetition, outside)


def rule(question, answer):
    """(reason, field, text seen) of the first rule that a pair breaks, or None."""
    return next(filter(None, (broken(question, answer) for broken in RULES)), None)


# ---- judge ----


def parse_judge(text):
    """(keep, reason) of the judge's text; keep is None where no decision can be read. The last
    decision counts; "no" keeps the named fault."""
    text = after_thinking(text)
    said = re.findall(r"decision[\s*_`\"':：-]{1,10}(yes|no)\b", text, re.I) or re.findall(
        r"^\W*(yes|no)\W*$", text, re.I
    )
    if not said:
        return None, "judge unreadable"
    faults = re.findall(
        r"fault[\s*_`\"':：-]{1,10}(none|contradiction|outside reference|no answer)\b", text, re.I
    )
    if said[-1].lower() == "yes":
        return True, None
    fault = faults[-1].lower() if faults else "none"
    return False, f"judge: {fault if fault != 'none' else 'other'}"


def to_messages(row):
    seen = doubtful(row["question"])
    doubt = f'The question says "{seen}": look whether that is there.\n' if seen else ""
    texts = {name: row[name] for name in ("question", "answer")}
    return batch_generate.user_turn(PROMPT, texts, doubt=doubt)


def main():
    parser = r.parser(__doc__, "input", "output")
    parser.add_argument("--no-judge", action="store_true", help="rules only, no model")
    parser.add_argument(
        "--require-grounded",
        action="store_true",
        help="reject pairs whose `grounded` is false: they had no support, or lost it when rewritten",
    )
    batch_generate.add_options(parser, model=None, max_tokens=1024)
    args = parser.parse_args()
    if not args.no_judge and not args.model:
        parser.error("--model is needed for the judge; --no-judge uses the rules alone")
    step = r.Step(args, inputs=[args.input], prompt=PROMPT, code=[replies])
    if step.finished():
        return

    def broken(row):
        if args.require_grounded and row.get("grounded") is False:
            return "not grounded", "grounded", "false"
        return rule(row["question"], row["answer"])

    judged = replies.ask(
        args,
        to_messages,
        step.raw_path,
        read=step.read,
        wanted=lambda row: broken(row) is None,
        asking=not args.no_judge,
        retry_max_tokens=4 * args.max_tokens,
        readable=lambda text: parse_judge(text)[0] is not None,
    )
    for row, raw in judged:
        if found := broken(row):
            reason, field, matched = found
            step.reject(row, reason, matched=matched, matched_in=field)
        elif args.no_judge:
            seen = doubtful(row["question"])
            step.keep({**row, "doubtful": seen} if seen else row)
        else:
            decide(step, row, raw)
    step.finish()


def decide(step, row, raw):
    """Keep or reject a pair that the judge was asked about."""
    if raw is None:
        return step.reject(row, "generation failed")
    keep, reason = parse_judge(raw["response"])
    return step.keep(row) if keep else step.reject(row, reason, response=raw["response"])


if __name__ == "__main__":
    r.run(main)
