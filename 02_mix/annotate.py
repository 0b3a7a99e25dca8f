"""Let a teacher model write the solutions of the chosen rows, step by step, and check each against
the reference answer.

    python 02_mix/annotate.py --input selected.jsonl --output annotated.jsonl --model M --base-url URL --disagree drop
    python 02_mix/annotate.py --input clean.jsonl --output lengths.jsonl --model M --base-url URL --field annotator_response

in   rows with id, question, answer, and reference_answer where it is to be checked
out  the rows with the teacher's answer (the old one in original_answer), annotator,
     annotator_tokens, agrees_with_reference (true, false, or null where rules cannot tell). With
     --field annotator_response the answer stays and the teacher's text stands there, for
     select_rows.py --method length. Rejected: "truncated", "empty answer", "generation failed", and
     "disagrees with the reference answer" under --disagree drop

A larger --max-tokens asks again for the answers that were cut off. MegaScience kept all and never
checked.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import collections
import itertools
import re

import load_sources
import row_forms
import score_difficulty

import answers
import batch_generate
import rows as r

PROMPT = """Solve the following problem. Lay out the reasoning in clear steps, name the laws or definitions you rely on, and check
units and arithmetic as you go. Close with one line that states the result; put the final answer itself inside \\boxed{}.

<question>"""
CHUNK = 4000  # rows graded at once
FIELDS = "question", "answer", "subject?", "reference_answer?"


def to_messages(row):
    return batch_generate.user_turn(PROMPT, question=row["question"])


def answer_in(text):
    """The answer in a teacher's text, "" where it never ends its thinking or says nothing."""
    try:
        text = row_forms.strip_thinking(text).strip()
    except row_forms.Unusable:
        return ""
    return text if re.search(r"\w", text) else ""


def failure(raw):
    """Reason why a raw row holds no answer, or None."""
    if raw is None:
        return "generation failed"
    if raw["finish_reason"] == "length":
        return "truncated"
    return None if answer_in(raw["response"]) else "empty answer"


def asked(args):
    """The rows that the teacher is to answer."""
    rows = r.read(args.input, *FIELDS, limit=args.limit)
    return (row for row in rows if load_sources.is_named(row, args.sources))


def answered(args, step):
    """(row, raw) of the rows with a new answer; the others are kept or rejected."""
    raws = batch_generate.read_raw(asked(args), step.raw_path)
    for row in step.read(args.input, *FIELDS, limit=args.limit):
        if not load_sources.is_named(row, args.sources):
            step.keep(row)
            continue
        raw = next(raws)[1]
        if reason := failure(raw):
            step.reject(row, reason, response=raw and raw["response"])
        else:
            yield row, raw


def finish(row, raw, answer, agrees, args, step):
    """Keep or reject a row with its new answer."""
    made = {
        **row,
        "generator": r.written_by(row, args.model),
        "annotator": args.model,
        "annotator_tokens": raw["completion_tokens"],
        "agrees_with_reference": agrees,
        args.field: answer,
    }
    if args.field == "answer":
        made["original_answer"] = row["answer"]
    if agrees is False and args.disagree == "drop":
        step.reject(made, "disagrees with the reference answer")
    else:
        step.keep(made)


def main():
    parser = r.parser(__doc__, "input", "output")
    add = parser.add_argument
    batch_generate.add_options(parser, max_tokens=4096)
    fields = ("answer", "annotator_response")
    add("--field", choices=fields, default="answer", help="of the new text (default answer)")
    add("--disagree", choices=("mark", "drop"), default="mark", help="with the reference")
    add("--recipe", metavar="FILE", help="ask only about the sources that say `annotate: true`")
    args = parser.parse_args()
    args.sources = load_sources.names_of(args.recipe, lambda entry: entry.get("annotate"))
    code = [*answers.FILES, score_difficulty, load_sources, row_forms]
    step = r.Step(args, inputs=[args.input], prompt=PROMPT, code=code, ignore=("recipe",))
    if step.finished():
        return
    spent = batch_generate.generate_jsonl(
        asked(args), to_messages, step.raw_path, **batch_generate.options(args)
    )
    told, rows = collections.Counter(), answered(args, step)
    while chunk := list(itertools.islice(rows, CHUNK)):
        texts = [answer_in(raw["response"]) for _, raw in chunk]
        pairs = [(row, text) for (row, _), text in zip(chunk, texts, strict=True)]
        agree = score_difficulty.graded(pairs)
        told.update({True: "agree", False: "disagree", None: "not checkable"}[a] for a in agree)
        for (row, raw), text, agrees in zip(chunk, texts, agree, strict=True):
            finish(row, raw, text, agrees, args, step)
    step.finish(spent=spent, reference=dict(told))
    r.say(f"reference answers: {', '.join(f'{n:,} {name}' for name, n in told.items()) or 'none'}")


if __name__ == "__main__":
    r.run(main)
