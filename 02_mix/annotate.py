"""Let a teacher model write the solutions of the chosen rows, step by step, and check each against the reference answer.

    python 02_mix/annotate.py --input selected.jsonl --output annotated.jsonl --model M --base-url URL --disagree drop
    python 02_mix/annotate.py --input clean.jsonl --output lengths.jsonl --model M --base-url URL --field annotator_response

in   rows with id, question, answer, and reference_answer where it is to be checked
out  --field answer (default): the rows with the teacher's answer; the old one stands in original_answer; annotator, annotator_tokens, and
     agrees_with_reference: true, false, or null where rules cannot tell (no reference, or one in prose).  --field annotator_response: the
     answer stays, the teacher's text goes into annotator_response, for select_rows.py --method length. Rejected: "truncated", "empty
     answer", "generation failed", and "disagrees with the reference answer" under --disagree drop

An answer cut off at --max-tokens is asked again with twice the budget; what is then still cut off or empty gets one more try at temperature
0.7 and another seed (X.retry.raw.jsonl), and is rejected after that. --disagree: keep (no mark), mark (agrees_with_reference false; the
default) or drop. MegaScience kept all and never checked. With a --recipe only the sources that say `annotate: true` are asked; the other
rows pass through as they are.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import os
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
RETRY_TEMPERATURE = 0.7
CHUNK = 4000  # rows graded at once


def to_messages(row):
    return batch_generate.user_turn(PROMPT, question=row["question"])


def parse(raw, keep_thinking=False):
    """(answer, None) of a raw row, or (None, reason) where it is no answer."""
    if raw is None:
        return None, "generation failed"
    if raw["finish_reason"] == "length":
        return None, "truncated"
    try:
        text = row_forms.strip_thinking(raw["response"], keep_thinking).strip()
    except row_forms.Unusable:
        return None, "truncated"
    return (text, None) if re.search(r"\w", text) else (None, "empty answer")


def asked(args, sources):
    """The rows that the teacher is to answer."""
    return (
        row
        for row in r.read(
            args.input, "question", "answer", "subject?", "reference_answer?", limit=args.limit
        )
        if sources is None or row.get("source") in sources
    )


def failed(args, sources, raw_path):
    for row, raw in batch_generate.read_raw(asked(args, sources), raw_path):
        if parse(raw, args.keep_thinking)[1]:
            yield row


def agreements(rows):
    """For each (row, answer): True or False where rules can compare it with the reference, else
    None."""
    checked = [
        answer is not None and score_difficulty.checkable(row) is not None for row, answer in rows
    ]
    graded = [
        score_difficulty.graded_row(row, answer)
        for (row, answer), check in zip(rows, checked, strict=True)
        if check
    ]
    right = iter(answers.grade_many(graded, workers=os.cpu_count() or 1))
    return [next(right) if check else None for check in checked]


def keep_chunk(chunk, args, step, told):
    """Keep or reject the rows of a chunk of (row, answer, raw); raw is None where the teacher was
    not asked."""
    for (row, answer, raw), agrees in zip(
        chunk, agreements([(row, answer) for row, answer, _ in chunk]), strict=True
    ):
        told[
            "not asked"
            if raw is None
            else {True: "agree", False: "disagree", None: "not checkable"}[agrees]
        ] += 1
        if raw is None:
            step.keep(row)
            continue
        written_by = list(dict.fromkeys([*(row.get("generator") or []), args.model]))
        made = {
            **row,
            "generator": written_by,
            "annotator": args.model,
            "annotator_tokens": raw["completion_tokens"],
        }
        if args.field == "answer":
            made |= {"original_answer": row["answer"], "answer": answer}
        else:
            made[args.field] = answer
        if args.disagree != "keep":
            made["agrees_with_reference"] = agrees
        if agrees is False and args.disagree == "drop":
            step.reject(made, "disagrees with the reference answer")
        else:
            step.keep(made)


def assemble(args, step, sources, retry_path):
    """Read the raw answers and keep or reject every row of the input; returns how many agree with
    their reference."""
    first = batch_generate.read_raw(asked(args, sources), step.raw_path)
    again = (
        {
            row["id"]: raw
            for row, raw in batch_generate.read_raw(
                failed(args, sources, step.raw_path), retry_path
            )
        }
        if retry_path.is_file()
        else {}
    )
    chunk, told = [], {"agree": 0, "disagree": 0, "not checkable": 0, "not asked": 0}
    for row in step.read(
        args.input, "question", "answer", "subject?", "reference_answer?", limit=args.limit
    ):
        if sources is not None and row.get("source") not in sources:
            chunk.append((row, None, None))
        else:
            raw = next(first)[1]
            answer, reason = parse(raw, args.keep_thinking)
            if reason and again.get(row["id"]) is not None:
                raw = again[row["id"]]
                answer, reason = parse(raw, args.keep_thinking)
            if reason:
                step.reject(row, reason, response=raw and raw["response"])
                continue
            chunk.append((row, answer, raw))
        if len(chunk) == CHUNK:
            keep_chunk(chunk, args, step, told)
            chunk = []
    keep_chunk(chunk, args, step, told)
    return told


def main():
    parser = r.parser(__doc__, "input", "output")
    add = parser.add_argument
    batch_generate.add_options(parser, max_tokens=4096)
    add(
        "--field",
        choices=("answer", "annotator_response"),
        default="answer",
        help="where the teacher's text goes (default answer)",
    )
    add(
        "--disagree",
        choices=("keep", "mark", "drop"),
        default="mark",
        help="rows whose answer is not the reference (default mark)",
    )
    add("--recipe", metavar="FILE", help="ask only about the sources that say `annotate: true`")
    add(
        "--keep-thinking",
        action="store_true",
        help="keep <think> blocks of the teacher in the answer",
    )
    args = parser.parse_args()
    sources = (
        {
            entry["source"]
            for entry in load_sources.read_recipe(args.recipe)["sources"]
            if entry.get("annotate")
        }
        if args.recipe
        else None
    )
    step = r.Step(
        args,
        inputs=[args.input, *([args.recipe] if args.recipe else [])],
        prompt=PROMPT,
        code=[*answers.FILES, score_difficulty, load_sources, row_forms],
    )
    if step.finished():
        return
    retry_path, options = r.beside(step.output, "retry.raw.jsonl"), batch_generate.options(args)
    spent = {
        "first": batch_generate.generate_jsonl(
            asked(args, sources),
            to_messages,
            step.raw_path,
            retry_max_tokens=2 * args.max_tokens,
            **options,
        )
    }
    if args.fresh:
        retry_path.unlink(missing_ok=True)
    again = list(failed(args, sources, step.raw_path))
    if again:
        r.say(f"{len(again):,} answers are truncated, empty or missing: one more try")
        spent["retry"] = batch_generate.generate_jsonl(
            again,
            to_messages,
            retry_path,
            **{
                **options,
                "temperature": max(RETRY_TEMPERATURE, args.temperature),
                "seed": args.seed + 1,
                "max_tokens": 2 * args.max_tokens,
            },
        )
    told = assemble(args, step, sources, retry_path)
    step.finish(spent=spent, reference=told)
    r.say(f"reference answers: {', '.join(f'{n:,} {name}' for name, n in told.items())}")


if __name__ == "__main__":
    r.run(main)
