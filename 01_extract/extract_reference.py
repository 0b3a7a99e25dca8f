"""Give each pair its reference answer: the short final answer that a grader compares with, taken
from the worked answer and equal to what the worked answer says.

    python 01_extract/extract_reference.py --input clean.jsonl --output reference.jsonl --model M
    python 01_extract/extract_reference.py --input clean.jsonl --output reference.jsonl --no-model

in   question-answer rows: id, question, answer
out  all rows, with reference_answer and reference_by: by rule "box", "stated" ("the answer is ...")
     or "whole" (an answer that is short itself), else "model". A proof or an explanation has none:
     reference_answer is null and reference_missing says why ("no reference", "reference not
     supported", "truncated", "unparsed"). Rejected: "generation failed"

The method is the reference step of MegaScience (arXiv 2507.16812, section 2), which asks a model
about every row and checks nothing.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import re

import parse_pairs
import question_text
import replies

import answers
import batch_generate
import rows as r

PROMPT = """Below are a question and its worked answer. Name the final answer that a grader would compare with a student's.

<question>

<answer>

- Take it from the worked answer, in its words, numbers and units. Correct nothing and add nothing.
- As short as it can be while complete: a number with its unit, a formula, a letter, a name; all parts if the question has several, separated by "; ".
- For a proof or an explanation give the key statement in one short sentence made of the answer's own words.
- If the worked answer commits to nothing, write NONE.

Reply with one line:
Final answer: (the final answer)"""

MARKER = re.compile(
    r"(?:final|reference|short)[ \t]+answer[ \t]*"
    r"(?:[*_`]{0,3}[ \t]*[:：][ \t]*[*_`]{0,3}|\bis\b[ \t]*:?)[ \t]*",
    re.I,
)
SAID = re.compile(r"####|\b(?:answer|ans)\b\W*(?:is|are|:|=)|答案", re.I)
# "a. ...; b. ...": no one statement is the whole answer
PARTS = re.compile(r"^\s*\(?a[.)]\s.*?(?:^|;|\s)\s*\(?b[.)]\s", re.I | re.S | re.M)
LONGEST_STATED = 20  # words of a reference by "the answer is ..."
LONGEST_WHOLE = 12  # words of an answer that is its own reference
LONGEST = 80  # words of any reference
BOX = re.compile(r"\\f?boxed\b")
NEXT_PART = re.compile(r"\n[ \t]*\n|\n(?=[ \t]*[*_(]*(?:note|explanation)\b)", re.I)


def by_rule(answer):
    """(reference, how) where the answer holds a box, says "the answer is ...", or is short itself;
    (None, None) where a rule sees nothing."""
    text = answers.final_part(answer)
    if BOX.search(text):
        return short(answers.extract(text, "math"), LONGEST, "box")
    if SAID.search(text) and not PARTS.search(text):
        found = answers.extract(text, "math") or ""
        # "the result is ..." in the middle of a derivation is not its end
        end = text[-max(300, int(0.3 * len(text))) :]
        if found in end and not found.startswith("#"):
            stated = short(found, LONGEST_STATED, "stated")
            if stated[0]:
                return stated
    whole = text.rstrip().rstrip(".")
    return short("" if "\n" in whole else whole, LONGEST_WHOLE, "whole")


def short(text, most, how):
    """(text, how) of a text of at most `most` words, else (None, None)."""
    text = (text or "").strip()
    return (text, how) if re.search(r"\w", text) and len(text.split()) <= most else (None, None)


def parse(text):
    """The reference that a model names, "" where it says that there is none, None where its form
    cannot be read; the last marker counts."""
    *before, said = MARKER.split(answers.after_thinking(text))
    if not before and ("\n" in said or len(said.split()) > LONGEST_STATED):
        return None
    said = NEXT_PART.split(said.strip(), maxsplit=1)[0].strip()
    said = re.sub(r"^([*_`\"]{1,3})(.*)\1\.?$", r"\2", said, flags=re.S).strip()
    if re.fullmatch(r"[\s$]*\\f?boxed\s*\{.*\}[\s$.]*", said, re.S):
        said = answers.extract(said, "math") or said
    return "" if parse_pairs.is_empty(said) else said


def supported(reference, answer):
    """Does the answer say the reference: in its words, with all its numbers and denials and 80 % of
    its other words (key statements of proofs), or as an equal value ("0.5" for "1/2")?"""
    if not reference.strip() or len(reference.split()) > LONGEST:
        return False
    said, wanted = (f" {' '.join(question_text.words_of(text))} " for text in (answer, reference))
    return (
        bool(wanted.strip())
        and wanted in said
        or says_formula(answer, reference)
        or says_most_words(set(said.split()), wanted.split())
        or bool(answers.check(answer, reference, "math").correct)
    )


def says_formula(answer, reference):
    """ "E = \\frac{1}{2}mv^2" of "E = \\frac{1}{2} m v^2": white space aside."""
    formula, text = ("".join(text.split()) for text in (reference, answer))
    pattern = rf"(?<![\d.]){re.escape(formula)}(?![\d]|\.\d)"
    return len(formula) > 3 and bool(re.search(pattern, text))


def says_most_words(said, wanted):
    must = {word for word in wanted if word[0].isdigit() or word in question_text.NEGATIONS}
    words = [w for w in wanted if w not in must and w not in question_text.FUNCTION_WORDS]
    found = sum(word in said for word in words)
    return must <= said and len(words) >= 2 and found >= 0.8 * len(words)


def by_model(row, raw):
    """(reference, "model", None), or (None, None, why it is missing), by the model's reply."""
    if reason := replies.outcome(raw):
        return None, None, reason
    reference = parse(raw["response"])
    if reference and supported(reference, row["answer"]):
        return reference, "model", None
    why = {None: "unparsed", "": "no reference"}.get(reference, "reference not supported")
    return None, None, why


def main():
    parser = r.parser(__doc__, "input", "output")
    parser.add_argument("--no-model", action="store_true", help="rules only, no model")
    batch_generate.add_options(parser, model=None, max_tokens=2048)
    args = parser.parse_args()
    if not args.no_model and not args.model:
        parser.error("--model is needed for answers without a box; --no-model uses the rules alone")
    code = [*replies.CODE, parse_pairs, question_text, *answers.FILES]
    step = r.Step(args, inputs=[args.input], prompt=PROMPT, code=code)
    if step.finished():
        return
    named = replies.ask(
        step,
        args,
        lambda row: replies.about(PROMPT, row),
        lambda row: by_rule(row["answer"])[0] is None,
        asking=not args.no_model,
    )
    for row, raw, asked in named:
        if asked:
            reference, how, reason = by_model(row, raw)
        else:
            reference, how = by_rule(row["answer"])
            reason = None if reference else "no reference"
        if reason == "generation failed":
            step.reject(row, reason)
        else:
            why = {"reference_missing": reason} if reason else {}
            step.keep({**row, "reference_answer": reference, "reference_by": how, **why})
    step.finish()


if __name__ == "__main__":
    r.run(main)
