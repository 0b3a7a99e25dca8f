"""Give each pair its reference answer: the short final answer that a grader compares with, taken from the worked answer and supported by it.

    python 01_extract/extract_reference.py --input clean.jsonl --output reference.jsonl --model Qwen/Qwen3-32B
    python 01_extract/extract_reference.py --input clean.jsonl --output reference.jsonl --no-model

in   question-answer rows: id, question, answer
out  the rows with reference_answer and reference_by: by rule "box", "stated" ("the answer is ...") or "whole" (an answer that is short itself), else
     "model". Rejected: "no reference", "reference not supported" (the model named something that the answer does not say), "generation failed",
     "truncated", "unparsed"; with --allow-missing these rows go on with reference_answer null

The method is the reference step of MegaScience (arXiv 2507.16812, section 2), which asks a model about every row and checks nothing.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import re

import replies
from replies import Rows, outcome

import answers
import answers.formula
import answers.short_text
import answers.solution
import batch_generate
import rows as r
from answers.markup import boxes
from answers.trim import after_thinking

PROMPT = """Below are a question and its worked answer. Name the final answer that a grader would compare with a student's.

<question>
{question}
</question>

<answer>
{answer}
</answer>

- Take it from the worked answer, in its words, numbers and units. Correct nothing and add nothing.
- As short as it can be while complete: a number with its unit, a formula, a letter, a name; all parts if the question has several, separated by "; ".
- For a proof or an explanation give the key statement in one short sentence made of the answer's own words.
- If the worked answer commits to nothing, write NONE.

Reply with one line:
Final answer: (the final answer)"""

MARKER = re.compile(
    r"(?:final|reference|short)[ \t]+answer[ \t]*(?:[*_`]{0,3}[ \t]*[:：][ \t]*[*_`]{0,3}|\bis\b[ \t]*:?)[ \t]*",
    re.I,
)
SAID = re.compile(r"####|\b(?:answer|ans)\b\W*(?:is|are|:|=)|答案", re.I)
PARTS = re.compile(
    r"^\s*\(?a[.)]\s.*?(?:^|;|\s)\s*\(?b[.)]\s", re.I | re.S | re.M
)  # "a. ...; b. ...": no one statement is the whole answer
LONGEST_STATED, LONGEST_WHOLE, LONGEST = (
    20,
    12,
    80,
)  # words of a reference by "the answer is ...", of a whole answer, of any


def by_rule(answer):
    """(reference, how) where the answer holds a box, says "the answer is ...", or is short itself; (None, None) where a rule sees nothing."""
    text = answers.final_part(answer)
    if boxes(text):
        found = answers.extract(text, "math")
        return (
            (found.strip(), "box")
            if found and found.strip() and len(found.split()) <= LONGEST
            else (None, None)
        )
    if SAID.search(text) and not PARTS.search(text):
        place, found = answers.solution.last_statement(text) or (
            len(text),
            answers.short_text.marked(text),
        )
        last = len(text) - place <= max(
            300, 0.3 * len(text)
        )  # "the result is ..." in the middle of a derivation is not its end
        if (
            found
            and last
            and not found.startswith("#")
            and len(found.split()) <= LONGEST_STATED
            and supported(found, text)
        ):
            return found, "stated"
    whole = text.strip().rstrip(".").strip()
    if (
        whole
        and "\n" not in whole
        and len(whole.split()) <= LONGEST_WHOLE
        and re.search(r"\w", whole)
    ):
        return whole, "whole"
    return None, None


def parse(text):
    """The reference that a model names, "" where it says that there is none, None where its form cannot be read; the last marker counts."""
    text = after_thinking(text)
    marks = list(MARKER.finditer(text))
    said = (
        text[marks[-1].end() :]
        if marks
        else text
        if len(text.split("\n")) == 1 and len(text.split()) <= LONGEST_STATED
        else None
    )
    if said is None:
        return None
    said = re.split(
        r"\n[ \t]*\n|\n(?=[ \t]*[*_(]*(?:note|explanation)\b)", said.strip(), maxsplit=1, flags=re.I
    )[0].strip()
    said = re.sub(r"^([*_`\"]{1,3})(.*)\1\.?$", r"\2", said, flags=re.S).strip()
    if len(found := boxes(said)) == 1 and not re.sub(
        r"[\s$.]|\\[\[\]()]", "", said.replace(said[found[0][0] : found[0][1]], "")
    ):
        said = found[0][2].strip()
    if re.fullmatch(
        r"\W*(?:none|n/?a|null|no (?:final )?answer|\(?the final answer\)?)\W*", said, re.I
    ) or not re.search(r"\w", said):
        return ""
    return said


def within(part, whole, edge=r"\w"):
    """Does `part` stand in `whole` as it is, not inside a longer word (edge \\w) or number (edge \\d)?"""
    return (
        bool(part)
        and re.search(rf"(?<!{edge})(?<!\d\.){re.escape(part)}(?!{edge}|\.\d)", whole) is not None
    )


def supported(reference, answer):
    """Does the answer say the reference: word for word, as the same formula, or with all its numbers and negations and 80 % of its other words?"""
    if not reference.strip() or len(reference.split()) > LONGEST:
        return False
    if within(" ".join(reference.split()).lower(), " ".join(answer.split()).lower()):
        return True
    said, wanted = answers.short_text.tokens(answer), answers.short_text.tokens(reference)
    formula = answers.formula.squeeze(reference)
    if (
        wanted
        and within(" ".join(wanted), " ".join(said))
        or len(formula) > 2
        and within(formula, answers.formula.squeeze(answer), r"\d")
    ):
        return True
    must = [
        word for word in wanted if re.search(r"\d", word) or word in answers.short_text.NEGATIVE
    ]
    words = [word for word in wanted if word not in answers.short_text.SMALL and word not in must]
    said = set(said)
    return (
        all(word in said for word in must)
        and len(words) >= 2
        and sum(word in said for word in words) >= 0.8 * len(words)
    )


def to_messages(row):
    return [
        {
            "role": "user",
            "content": re.sub(r"\{(question|answer)\}", lambda match: row[match[1]], PROMPT),
        }
    ]


def main():
    parser = r.parser(__doc__, "input", "output")
    parser.add_argument("--no-model", action="store_true", help="rules only, no model")
    parser.add_argument(
        "--allow-missing",
        action="store_true",
        help="keep rows without a reference answer (null) instead of rejecting them",
    )
    batch_generate.add_options(parser, model=None, max_tokens=512)
    args = parser.parse_args()
    if not args.no_model and not args.model:
        parser.error("--model is needed for answers without a box; --no-model uses the rules alone")
    step = r.Step(args, inputs=[args.input], prompt=PROMPT, code=[replies.__file__, *answers.FILES])
    if step.finished():
        return
    rows = Rows(args.input, "question", "answer", limit=args.limit)
    if not args.no_model:
        unclear = (row for row in rows if by_rule(row["answer"])[0] is None)
        batch_generate.generate_jsonl(
            unclear,
            to_messages,
            step.raw_path,
            retry_max_tokens=4 * args.max_tokens,
            **batch_generate.options(args),
        )
    rows = step.read(args.input, "question", "answer", limit=args.limit)
    counted = replies.texts(rows, args.input, "question", "answer")
    for row, raw in (
        ((row, None) for row in counted)
        if args.no_model
        else batch_generate.read_raw(counted, step.raw_path)
    ):
        reference, how = by_rule(row["answer"])
        reason, more = None, {}
        if reference is None and args.no_model:
            reason = "no reference"
        elif reference is None:
            reference, how = None if raw is None else parse(raw["response"]), "model"
            reason = outcome(raw) or (
                "unparsed"
                if reference is None
                else "no reference"
                if not reference
                else None
                if supported(reference, row["answer"])
                else "reference not supported"
            )
            more = {} if raw is None else {"response": raw["response"]}
        if reason is None:
            step.keep({**row, "reference_answer": reference, "reference_by": how})
        elif args.allow_missing:
            step.keep(
                {**row, "reference_answer": None, "reference_by": None, "reference_missing": reason}
            )
        else:
            step.reject(row, reason, **more)
    step.finish()


if __name__ == "__main__":
    r.run(main)
