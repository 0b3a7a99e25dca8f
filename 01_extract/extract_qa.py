"""Take question-answer pairs from chunks of textbooks: with a language model, or word for word
where the book prints problems with solutions.

    python 01_extract/extract_qa.py --input chunks.jsonl --output qa.jsonl --model M --standard high,low
    python 01_extract/extract_qa.py --input classified.jsonl --output worked.jsonl --mode worked
    python 01_extract/extract_qa.py --input chunks.jsonl --model M --show 1    # try a prompt

in   chunks (or documents, with --mode worked) with text, subject, pages, source, license
out  one row a pair: id, question, answer, subject, source_id, pages, source, license, standard
     (high | low), method (the mode), generator, proof (characters and pages of the document that
     support the answer, and how they were found) and grounded (true | false)

--mode document: all pairs of a chunk, by prompts/<subject>_<standard>.txt, yours to edit. paragraph:
one pair a paragraph as JSON, for small models. worked: no model. --prompts 01_extract/prompts/skeleton
--standard high: first claims, evidence and derivations, then questions from four perspectives. An
answer cut off at --max-tokens keeps its whole pairs; a larger --max-tokens asks for it again.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import itertools
import json
import operator
import tempfile

import book_blocks
import grounding
import paragraphs
import parse_pairs
import replies
import worked_problems
from pdf import text as pdf_text
from pdf.formulas import MARK

import batch_generate
import rows as r

PROMPTS = Path(__file__).resolve().parent / "prompts"
PAIR_SCHEMA = replies.json_schema(
    question={"type": "string", "minLength": 15, "maxLength": 400},
    answer={"type": "string", "minLength": 2, "maxLength": 800},
)
CODE = (*replies.CODE, book_blocks, paragraphs, parse_pairs, worked_problems, pdf_text)


# ---- requests ----


def load_prompts(folder, standards):
    """{(subject, standard): prompt} of the files subject_standard.txt and standard.txt in a folder;
    the subject of the latter is ""."""
    prompts = {}
    for path in sorted(Path(folder).glob("*.txt")):
        subject, _, standard = path.stem.rpartition("_")
        if standard in standards:
            prompts[subject, standard] = text = path.read_text(encoding="utf-8")
            if "<chunk>" not in text:
                raise r.BadInput(
                    f"{path}: the placeholder <chunk> is missing, the model would never see the text"
                )
    if not prompts:
        raise r.BadInput(f"--prompts {folder}: no files SUBJECT_STANDARD.txt or STANDARD.txt")
    return prompts


def load_example(folder):
    """The worked turn of --mode paragraph, {} where the folder has none: without it the 135M model
    fills the JSON with "The answer is: 6.1"."""
    path = Path(folder) / "example.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def requests(chunks, prompts, standards, mode="document", example=None, worked=False):
    """Yield what to ask about each chunk and standard (in paragraph mode each paragraph): id,
    chunk, standard, and chat messages or the `reason` why there is nothing to ask."""
    for chunk in chunks:
        passages = [chunk["text"]]
        if mode == "paragraph":
            passages = paragraphs.split(chunk["text"], worked)
        for standard in standards:
            request = {"id": f"{chunk['id']}-{standard}", "chunk": chunk, "standard": standard}
            every_subject = prompts.get(("", standard)) if chunk["subject"] else None
            prompt = prompts.get((chunk["subject"], standard), every_subject)
            if not prompt:
                yield {**request, "reason": "no prompt for this subject"}
            elif not passages:
                yield {**request, "reason": "no paragraph"}
            for number, passage in enumerate(passages if prompt else ()):
                part = f"-{number}" if mode == "paragraph" else ""
                turns = messages(prompt, passage, request, example)
                yield {**request, "id": request["id"] + part, "messages": turns}


def messages(prompt, passage, request, example):
    """Chat messages about a passage, which cannot close its own fence."""

    def turn(passage):
        subject = request["chunk"]["subject"].replace("_", " ")
        text = batch_generate.fill(prompt, subject=subject, chunk=batch_generate.defused(passage))
        return {"role": "user", "content": text}

    if not example:
        return [turn(passage)]
    answer = {"role": "assistant", "content": json.dumps(example[request["standard"]])}
    return [turn(example["passage"]), answer, turn(passage)]


def ask(args, asked, raw_path, fresh=False):
    """Ask the model what has no answer yet."""
    schema = PAIR_SCHEMA if args.mode == "paragraph" else None
    how = {**batch_generate.options(args), "json_schema": schema}
    asked = (request for request in asked if "reason" not in request)
    to_messages = operator.itemgetter("messages")
    batch_generate.generate_jsonl(asked, to_messages, raw_path, fresh=fresh, **how)


# ---- from raw answers to rows: [(row, why it is rejected or None), ...] of each input row ----


def pair_fields(chunk, standard, pair, args):
    """What a row says of its pair."""
    place, by, grounded = grounding.prove(pair.answer, pair.quote, chunk["text"])
    proof, base = None, chunk.get("start") or 0
    if place:
        proof = {"start": base + place[0], "end": base + place[1]}
        proof |= {"pages": worked_problems.pages_in(chunk, *place), "by": by}
    return {
        "id": f"qa-{r.text_hash(chunk['id'], standard, pair.question, pair.answer)}",
        "question": pair.question,
        "answer": pair.answer,
        "method": args.mode,
        "generator": r.written_by(chunk, args.model),
        "grounded": grounded,
        "proof": proof,
    }


def fault(row, seen, chunk, args):
    """Why a pair does not become a row, or None; seen: ids of the chunk's pairs before it."""
    question, answer = row["question"], row["answer"]
    if not question or not answer:
        return "question without answer" if question else "answer without question"
    if row["id"] in seen:
        return "repeated in the same chunk"
    seen.add(row["id"])
    if MARK in question + answer:
        return "holds a formula that could not be read"
    if grounding.is_unrelated(f"{question} {answer}", chunk["text"]):
        return "nothing of the passage in it"
    if args.require_grounded and not row["grounded"]:
        return "no support in the passage"
    return None


def pairs_of(raw):
    """(pairs of an answer, why there are no more or None); the last one may be cut off."""
    pairs, cut_off = parse_pairs.read_pairs(raw["response"]), raw["finish_reason"] == "length"
    if cut_off:
        return (pairs or [])[:-1], "truncated"
    if pairs is None:
        return [], "unparsed"
    return pairs, None if pairs else "no qa"


def answer_rows(request, raw, seen, args):
    """What one answer of the model gives."""
    chunk, standard = request["chunk"], request["standard"]
    base = {k: v for k, v in chunk.items() if k not in worked_problems.NOT_CARRIED}
    base = {**dict.fromkeys(("pages", "source", "license")), **base, "id": request["id"]}
    base |= {"source_id": chunk["id"], "standard": standard}
    if raw is None or "reason" in request:
        return [(base, request.get("reason", "generation failed"))]
    pairs, reason = pairs_of(raw)
    made = [({**base, "response": raw["response"][-500:]}, reason)] if reason else []
    for pair in pairs:
        row = {**base, **pair_fields(chunk, standard, pair, args)}
        made.append((row, fault(row, seen, chunk, args)))
    return made


def printed_rows(passage, standards, seen):
    """(the pairs that a book prints, its questions without an answer); seen: the pairs before."""
    pairs, unanswered = worked_problems.pair_rows(passage)
    made = []
    for row in pairs:
        reason, pair = None, (row["question"], row["answer"])
        if row["standard"] not in standards:
            reason = "of the other standard"
        elif MARK in "".join(pair):
            reason = "holds a formula that could not be read"
        elif pair in seen:
            reason = "repeated in the book"
        seen.add(pair)
        made.append((row, reason))
    return made, [(row, "no answer in the book") for row in unanswered]


def put(step, made):
    """Keep or reject what came of one row of the input."""
    step.split(len(made))
    for row, reason in made:
        step.reject(row, reason) if reason else step.keep(row)


# ---- the ways to run ----


def take_worked(args, standards):
    """--mode worked: pairs that the book prints, word for word."""
    step = r.Step(args, inputs=[args.input], code=CODE)
    if step.finished():
        return
    rows, seen = step.read(args.input, "text!", "subject?", "pages?", limit=args.limit), set()
    for row in rows:
        pairs, unanswered = printed_rows(row, standards, seen)
        first = {k: v for k, v in row.items() if k != "text"}
        put(step, pairs + unanswered or [(first, "no worked problem")])
    step.finish()


def take_generated(args, standards):
    """All modes that ask a model."""
    folder = args.prompts or (PROMPTS / "paragraph" if args.mode == "paragraph" else PROMPTS)
    prompts = load_prompts(folder, standards)
    example = load_example(folder) if args.mode == "paragraph" else {}

    def asked(limit, read=r.read):
        chunks = read(args.input, "text!", "subject", "pages?", limit=limit)
        return requests(chunks, prompts, standards, args.mode, example, args.worked)

    if args.show:
        return show(args, asked)
    texts = [*prompts.values(), example]
    step = r.Step(args, inputs=[args.input, folder], prompt=texts, code=CODE)
    if step.finished():
        return None
    ask(args, asked(args.limit), step.raw_path, args.fresh)
    answers = batch_generate.read_raw(asked(args.limit, step.read), step.raw_path)
    for _, group in itertools.groupby(answers, lambda answer: answer[0]["chunk"]["id"]):
        made, seen = [], set()
        for number, (request, raw) in enumerate(group):
            if args.worked and number == 0:  # exercises without an answer are the model's to see
                made += printed_rows(request["chunk"], standards, set())[0]
            made += answer_rows(request, raw, seen, args)
        put(step, made)
    return step.finish()


def show(args, asked):
    """Print prompt, answer and parsed pairs of the first chunks; everything else goes to a folder
    that is deleted."""
    with tempfile.TemporaryDirectory() as folder:
        raw_path = Path(folder) / "show.raw.jsonl"
        ask(args, asked(args.show), raw_path)
        for request, raw in batch_generate.read_raw(asked(args.show), raw_path):
            shown = (
                request["messages"][-1]["content"] if "messages" in request else request["reason"]
            )
            text = raw["response"] if raw else ""
            pairs = parse_pairs.read_pairs(text) or ()
            print(f"=== {request['id']}: prompt\n{shown}\n=== answer\n{text}")
            print(f"=== {len(pairs)} pairs")
            for pair in pairs:
                print(f"Q: {pair.question}\nA: {pair.answer}\n")


def parse_options():
    parser = r.parser(__doc__, "input")
    add = parser.add_argument
    add("--output", metavar="FILE", help="rows to write (.jsonl); not needed with --show")
    batch_generate.add_options(parser, model=None)
    standards = ("high,low", "high", "low")
    add("--standard", choices=standards, default="high,low", help="default %(default)s")
    modes = "default %(default)s; paragraph for small models; worked needs no model"
    add("--mode", choices=("document", "paragraph", "worked"), default="document", help=modes)
    add("--worked", action="store_true", help="also the pairs that a chunk prints, word for word")
    add("--require-grounded", action="store_true", help="reject pairs that no place supports")
    prompts = (
        "folder of the prompt files (default: prompts/, for --mode paragraph prompts/paragraph/)"
    )
    add("--prompts", metavar="DIR", help=prompts)
    add("--show", type=r.positive, metavar="N", help="print prompt and answer of N chunks only")
    return parser.parse_args()


def main():
    args = parse_options()
    standards = args.standard.split(",")
    if not args.output and not args.show:
        raise r.BadInput("--output: name the file to write (or --show N to print only)")
    if args.mode == "worked":
        take_worked(args, standards)
    elif args.model:
        take_generated(args, standards)
    else:
        raise r.BadInput(f"--model: --mode {args.mode} asks a model (only worked needs none)")


if __name__ == "__main__":
    r.run(main)
