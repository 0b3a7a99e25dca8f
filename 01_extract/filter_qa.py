"""Drop pairs that cannot be used alone: rules for what a pattern can see, then a judge for
contradictions and the rest.

    python 01_extract/filter_qa.py --input cot.jsonl --output filtered.jsonl --model Qwen/Qwen3-32B
    python 01_extract/filter_qa.py --input cot.jsonl --output filtered.jsonl --no-judge

in   question-answer rows: id, question, answer
out  the rows that stay, unchanged. Rejected by rule: "outside reference", "no question",
     "no answer", "empty box", "refusal", "remark about itself", "answer repeats the question",
     "text repeats itself", "not grounded" (`matched` is what the rule saw,
     `matched_in` where); by the judge: "judge: contradiction", "judge: outside reference",
     "judge: no answer", "judge: no task", "judge: other", "judge unreadable" (`response` is what it
     said), "generation failed"

A reference is outside only where the pair does not hold what it points to: "the table below"
followed by a table stays. The method is the filtering step of MegaScience (arXiv 2507.16812,
section 2), which leaves all of it to the judge.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import itertools
import re

import parse_pairs
import replies

import batch_generate
import rows as r
from answers.trim import after_thinking

PROMPT = """Decide whether a question and its answer are fit for a collection of science exercises that people see without the book they come from.

<question>

<answer>

Look for these faults, in the question and in the answer:
- contradiction: the answer contradicts itself, gives different results in different places, or concludes what its own reasoning does not support.
- outside reference: something is needed that is not there, such as a figure, a table, a numbered equation, an earlier exercise, "the text".
- no answer: the answer is missing, cut off, refuses, only repeats the question, or answers another question.
- no task: the question asks nothing and leaves nothing to be judged or completed.
Small gaps in the reasoning, plain style and harmless typing errors are no faults.

Think it through briefly, then end with these two lines:
Fault: none, contradiction, outside reference, no answer, or no task
Decision: YES to keep the pair (no fault), NO to drop it"""

# ---- what points outside ----

DRAWN = r"(?:figure|diagram|chart)s?"
SHOWN = rf"(?:{DRAWN}|(?:picture|image|drawing|photo|photograph|plot|graph|table)s?)"
BOOK = r"(?:textbook|chapter|passage|excerpt)"
IMAGE = re.compile(r"!\[[^\]\n]*\]\([^)\n]*\)|\\includegraphics|<img\b", re.I)
LATEX_REFERENCE = re.compile(r"\\(?:eq|page|auto|[cC])?(?:ref|ite[pt]?)\{([^{}\n]*)\}")
# not "write the equation 4 * x + 600", "Section 1287 of the ordinance", "Chapter 11", "figure 8 knot"
NUMBERED = re.compile(
    r"""(?x)\b(Figs?\.?|Eqs?\.?|Eqns?\.?|figure(?!\s8\s\w)|equation(?=\s\([\d.]+\)(?!\s?[*+/=^(-]))|
    (?:Section|Chapter|Proposition|Definition|Corollary|Algorithm)(?=\s\d+\.\d)|(?:Figure|Table|Equation|Example|Exercise|Problem|Theorem|Lemma)s?)
    [\s~\u00a0]*\(?((?:[A-Z]\.?)?\d+(?:[.\-–:]\d+)*)(?!\w)\)?"""
)
# "in the picture", "in the table", "in the image" may as well stand in the matter: the judge's call
DRAWING = re.compile(
    rf"""(?xi)\b(?:
    (?:in|from|see|to|of|on)\s(?:the|this|that)\s{DRAWN}(?!\w|\sof\b)
    | (?:following|accompanying|above|preceding|provided)\s{SHOWN}(?!\w|\sof\b)
    | {SHOWN}\s(?:(?:shown|given)\s)?(?:above|below)\b
    | (?:shown|depicted|illustrated)\s(?:in|on)\s(?:(?:the|this|a)\s)?{SHOWN}(?!\w|\sof\b)
    | see\s(?:the\s)?(?:figure|table|equation|section|chapter)s?(?!\w|\sof\b)
    | (?:in|watch)\sthis\s(?:video|animation)\b)"""
)
SOURCE_TEXT = re.compile(
    rf"""(?xi)\b(?:
    (?:in|from|see|of)\s(?:the|this|our)\s(?:(?:above|last|next)\s)?{BOOK}(?!\w|\sof\b)
    | (?:previous|preceding|earlier|next)\s(?:{BOOK}|section|lecture)(?!\sof\b)\b
    | in\sthis\s(?:book|lecture|module)\b
    | (?:according\sto|(?:[a-z]+ed|given|found)\s(?:in|by))\s(?:the|this)\s
        (?:{BOOK}|text|book|lecture|author)(?!\w|\sof\b)
    | the\sauthors?\s(?:claim|state|argue|mention|say|suggest)s?\b)"""
)
EARLIER = re.compile(
    r"""(?xi)\b(?:previous|preceding|foregoing|the\sabove)
    \s(?:example|exercise|problem|question|theorem|lemma|discussion|experiment)s?\b"""
)
PART = re.compile(r"\b(?:in|from|of|to)\spart\s\(?([a-h])\)?(?!\w)", re.I)
# a table, lines of cells parted by tabs or of three parted by commas, a drawing as text
DRAWN_THERE = re.compile(
    r"""(?xim)^[ \t]*\|.*\|[ \t]*$|<table\b|\\begin\{(?:array|tabular|\w*matrix|cases|tikz)
    |^[^\t\n]+\t.*\n[^\t\n]+\t
    |^(?:[^,\n]{1,30},){2,}[^,\n]{1,29}[^,.?!\n]\n(?:[^,\n]{1,30},){2,}
    |<svg|```|\[asy\]|\[figure:[^\]]*alt:"""
)


# ---- is it there? (match, question, text at hand: the question, with the answer for an answer) ----


def is_drawn_there(seen, question, at_hand):
    return DRAWN_THERE.search(at_hand)


def is_numbered_there(seen, question, at_hand):
    """Does the text hold the numbered thing: a drawing or "Table 1: masses", else a line "Problem
    3.2. Show that" or the number where none refers to it (\\tag{{2.5}}, "(2.5)")?"""
    number, kind = re.escape(seen[2]), seen[1][:2]
    label = rf"{kind}\w*\.?[\s~]*\(?{number}\)?[*_]*\s?"
    if kind in ("Fi", "fi", "Ta"):
        return is_drawn_there(seen, question, at_hand) or re.search(
            rf"(?m)(?:^|[.;:]\s)\W*{label}[:—–]", at_hand
        )
    formula = rf"(?m)^\W*{label}[.:]|\({number}\)\s*\$"
    stands = re.search(formula, at_hand)
    return stands or re.search(rf"[({{]{number}(?!\w|\.\d)", NUMBERED.sub("", at_hand))


def is_own_start(seen, question, at_hand):
    """ "above", late in a question, may mean its own start."""
    return seen.start() > 200 and seen[0].lower().startswith("the")


def is_part_there(seen, question, at_hand):
    return re.search(rf"(?im)(?:^|(?<!part)[\s.;:])\(?{seen[1]}[).]\s", question)


POINTERS = (  # (pattern of what points outside, is what it points to there?)
    (IMAGE, lambda *_: False),
    (LATEX_REFERENCE, lambda seen, question, at_hand: f"\\label{{{seen[1]}}}" in at_hand),
    (NUMBERED, is_numbered_there),
    (DRAWING, is_drawn_there),
    (SOURCE_TEXT, lambda seen, question, at_hand: len(question.split()) > 150),  # a reading task
)
# a solution may speak of its own lines
QUESTION_POINTERS = (*POINTERS, (EARLIER, is_own_start), (PART, is_part_there))


def outside_reference(question, answer):
    """ "outside reference", the field and the text seen of the first reference to something that
    neither text holds, or None."""
    both = f"{question}\n{answer}"
    for field, text, at_hand, pointers in (
        ("question", question, question, QUESTION_POINTERS),
        ("answer", answer, both, POINTERS),
    ):
        for pattern, is_there in pointers:
            for seen in itertools.islice(pattern.finditer(text), 50):  # linear in the length
                if not is_there(seen, question, at_hand):
                    return "outside reference", field, seen[0]
    return None


# ---- what an answer says of itself ----

NO_ANSWER = re.compile(  # of a book; what is no answer of a model stands in parse_pairs.EMPTY
    r"""(?xi)\W*(?:todo|same\sas\sabove|none\s(?:given|provided|available)
    |(?:the\s)?(?:answer|solution)s?\s(?:(?:is|are|was|were)\s)?
        (?:not\s(?:given|provided|available)|omitted|missing)
    |answers?\s(?:will|may)\svary|see\s(?:the\s)?(?:text|solution|answer|above|book|figure)s?
    |left\s(?:to\sthe\sreader|as\san\sexercise)(?:\s.{0,40})?)\W*"""
)
SOURCE = r"(?:passage|text|document|excerpt|context|question|problem)"
REFUSAL = re.compile(
    rf"""(?xi)\b(?:I(?:\sam|['’]m)\s(?:sorry|unable)
    |I\s(?:cannot|can['’]t)\s(?:answer|provide|help|assist|determine|solve|find)
    |as\san?\s(?:AI|language\smodel)\b
    |not\s(?:provided|given|mentioned|specified|stated)\s(?:in|by)\sthe\s(?:given\s)?{SOURCE}
    |the\s(?:provided\s|given\s)?{SOURCE}\s(?:does\snot|doesn['’]t)
        \s(?:contain|provide|give|include|mention|specify|state|define|describe|explain)
    |(?:not\senough|insufficient)\s(?:information|context)
        \s(?:(?:is|was)\s)?(?:(?:given|provided|available)\s)?to\s(?:answer|solve)
    |cannot\sbe\s(?:answered|determined|solved)\s(?:without|(?:from|with)\sthe\s(?:given|provided)))"""
)
REMARK = re.compile(  # the writer speaks of its work, not of the matter
    r"""(?xi)\b(?:the\s(?:original|known|provided|refined)\s(?:answer|question)|the\sprompt
    |wait,?\s(?:let|that|this|no|actually|i|we)
    |let(?:\sme|['’]s)\s(?:re-?(?:check|consider|examine|evaluate|calculate)|double[-\s]check)
    |i\s(?:apologi[sz]e|made\s(?:a|an)\s(?:mistake|error))
    |there\s(?:seems|appears)\sto\sbe\s(?:a|an|some)\s(?:mistake|error|typo|confusion))\b"""
)


def flat(text):
    """Lower-cased words and numbers of a text, for comparing two texts."""
    return " ".join(re.findall(r"\w+", text.lower()))


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


def rule(question, answer):
    """(reason, field, text seen) of the first rule that a pair breaks, or None."""
    if not question.strip():
        return "no question", "question", ""
    if parse_pairs.is_empty(answer) or NO_ANSWER.fullmatch(answer.strip()):
        return "no answer", "answer", answer.strip()[:200]
    for reason, field, seen in (
        ("empty box", "answer", replies.EMPTY_BOX.search(answer)),
        ("refusal", "answer", REFUSAL.search(answer)),
        ("remark about itself", "question", REMARK.search(question)),
        ("remark about itself", "answer", REMARK.search(answer)),
    ):
        if seen:
            return reason, field, seen[0]
    if flat(answer) == flat(question) != "":
        return "answer repeats the question", "answer", answer[:200]
    for field, text in (("answer", answer), ("question", question)):
        if seen := repeats_itself(text):
            return "text repeats itself", field, seen
    return outside_reference(question, answer)


# ---- judge ----


def parse_judge(text):
    """(keep, reason) of the judge's text, "no" with the fault that it names last; keep is None
    where no decision can be read."""
    keep = replies.verdict(text, "decision")
    if keep is None:
        return None, "judge unreadable"
    faults = re.findall(
        r"fault[\s*_`\"':：-]{1,10}(contradiction|outside reference|no answer|no task)\b",
        after_thinking(text),
        re.I,
    )
    return keep, None if keep else f"judge: {faults[-1].lower() if faults else 'other'}"


def main():
    parser = r.parser(__doc__, "input", "output")
    parser.add_argument("--no-judge", action="store_true", help="rules only, no model")
    parser.add_argument(
        "--require-grounded",
        action="store_true",
        help="reject pairs whose `grounded` is false: no support, or lost when rewritten",
    )
    batch_generate.add_options(parser, model=None)
    args = parser.parse_args()
    if not args.no_judge and not args.model:
        parser.error("--model is needed for the judge; --no-judge uses the rules alone")
    step = r.Step(args, inputs=[args.input], prompt=PROMPT, code=[*replies.CODE, parse_pairs])
    if step.finished():
        return

    def broken(row):
        if args.require_grounded and row.get("grounded") is False:
            return "not grounded", "grounded", "false"
        return rule(row["question"], row["answer"])

    for row, raw, asked in replies.ask(
        step,
        args,
        lambda row: replies.about(PROMPT, row),
        lambda row: broken(row) is None,
        asking=not args.no_judge,
    ):
        if asked:
            decide(step, row, raw)
        elif found := broken(row):
            step.reject(row, found[0], matched=found[2], matched_in=found[1])
        else:
            step.keep(row)
    step.finish()


def decide(step, row, raw):
    """Keep or reject a pair that the judge was asked about."""
    keep, reason = parse_judge(raw["response"]) if raw else (False, "generation failed")
    if keep:
        step.keep(row)
    else:
        step.reject(row, reason, **replies.said(raw))


if __name__ == "__main__":
    r.run(main)
