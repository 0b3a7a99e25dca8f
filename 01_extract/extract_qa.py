"""Take question-answer pairs from chunks of textbooks: with a language model, or word for word
where the book prints problems with solutions.

    python 01_extract/extract_qa.py --input chunks.jsonl --output qa.jsonl --model M --standard high,low
    python 01_extract/extract_qa.py --input classified.jsonl --output worked.jsonl --mode worked
    python 01_extract/extract_qa.py --input chunks.jsonl --model M --show 1    # try a prompt

in   chunks (or documents, with --mode worked) with text, subject, pages, source, license
out  one row a pair: id, question, answer, subject, source_id, pages, source, license, standard
     (high | low), method (the mode), generator, proof (characters and pages of the document that
     support the answer, and how they were found) and grounded (true | false). What does not go on
     stands in X.rejected.jsonl

--mode document: all pairs of a chunk; the prompts stand in prompts/<subject>_<standard>.txt and are
yours to edit. paragraph: one pair a paragraph as JSON, for small models. skeleton: claims, evidence
and derivations first, then questions from four perspectives. worked: no model. An answer cut off at
--max-tokens is asked again with four times the room; its whole pairs are kept.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import itertools
import json
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
from answers.trim import after_thinking

PROMPTS = Path(__file__).resolve().parent / "prompts"
PROMPT_FILES = {
    "document": "{subject}_{standard}.txt",
    "paragraph": "paragraph/{standard}.txt",
    "skeleton": "skeleton/questions.txt",
}
RETRY = 4  # times --max-tokens for answers that were cut off
PAIR_SCHEMA = replies.json_schema(
    question={"type": "string", "minLength": 15, "maxLength": 400},
    answer={"type": "string", "minLength": 2, "maxLength": 800},
)
CODE = (*replies.CODE, book_blocks, paragraphs, parse_pairs, worked_problems, pdf_text)


# ---- prompts ----


def load_prompts(standards, mode, folder=PROMPTS):
    """{(subject, standard): prompt with <chunk>} for every subject that has a prompt file."""
    subjects = sorted({path.stem.rsplit("_", 1)[0] for path in folder.glob("*_*.txt")})
    prompts = {}
    for subject, standard in itertools.product(subjects, standards):
        path = folder / PROMPT_FILES[mode].format(subject=subject, standard=standard)
        if path.is_file():
            prompts[subject, standard] = read_prompt(path, subject)
    if not prompts:
        raise r.BadInput(f"{folder}: no prompt files named {PROMPT_FILES[mode]}")
    return prompts


def read_prompt(path, subject):
    text = path.read_text(encoding="utf-8")
    if "<chunk>" not in text:
        raise r.BadInput(
            f"{path}: the placeholder <chunk> is missing, the model would never see the text"
        )
    return text.replace("<subject>", subject.replace("_", " "))


def fill(prompt, chunk, **values):
    """The prompt around a passage, which cannot close its own fence."""
    return batch_generate.fill(prompt, chunk=batch_generate.defused(chunk), **values)


# ---- requests: id, chunk, standard, and prompt or the `reason` why there is nothing to ask ----


def requests(chunks, prompts, standards, mode, example=None, worked=False):
    """Yield the requests of each chunk and standard: one, in paragraph mode one a paragraph."""
    for chunk in chunks:
        for standard in standards:
            request = {"id": f"{chunk['id']}-{standard}", "chunk": chunk, "standard": standard}
            prompt = prompts.get((chunk["subject"], standard))
            if prompt is None:
                yield {**request, "reason": "no prompt for this subject"}
            elif mode == "paragraph":
                yield from about_paragraphs(request, prompt, example, worked)
            else:
                yield {**request, "prompt": fill(prompt, chunk["text"])}


def about_paragraphs(request, prompt, example, worked):
    passages, turns = paragraphs.split(request["chunk"]["text"], worked), []
    if not passages:
        yield {**request, "reason": "no paragraph"}
    # without a worked turn the 135M model fills the JSON with "The answer is: 6.1"
    if example:
        turns = [fill(prompt, example["passage"]), json.dumps(example[request["standard"]])]
    for number, passage in enumerate(passages):
        own = {"id": f"{request['id']}-{number}", "prompt": fill(prompt, passage)}
        yield {**request, **own, "turns": turns}


def with_skeletons(claims, prompts):
    """Requests of the second turn of --mode skeleton from [(request, raw), ...] of the first."""
    for request, raw in claims:
        text = after_thinking(raw["response"]) if raw else ""
        if "reason" in request or raw is None:
            yield {"reason": "generation failed", **request}
        elif not text or parse_pairs.NO_QA in text[:200]:
            yield {**request, "reason": "no claims"}
        else:
            chunk, skeleton = request["chunk"], batch_generate.fenced("skeleton", text)
            prompt = prompts[chunk["subject"], request["standard"]]
            yield {**request, "prompt": fill(prompt, chunk["text"], skeleton_text=skeleton)}


def to_messages(request):
    """Chat messages of a request, after the worked turn where it has one."""
    turns = [*request.get("turns", ()), request["prompt"]]
    return [
        {"role": ("user", "assistant")[number % 2], "content": turn}
        for number, turn in enumerate(turns)
    ]


class Asker:
    """The requests of a run and their answers: one turn, or two with --mode skeleton."""

    def __init__(self, args, standards, raw_path):
        self.args, self.standards, self.raw_path = args, standards, Path(raw_path)
        folder, self.claims, self.example = Path(args.prompts), {}, None
        self.prompts = load_prompts(standards, args.mode, folder)
        example = folder / "paragraph/example.json"
        if args.mode == "skeleton":
            path = folder / "skeleton/claims.txt"
            self.claims = {key: read_prompt(path, key[0]) for key in self.prompts}
            name = self.raw_path.name.replace(".raw.jsonl", ".skeleton.raw.jsonl")
            self.claims_path = self.raw_path.with_name(name)
        elif args.mode == "paragraph" and example.is_file():
            self.example = json.loads(example.read_text())

    def texts(self):
        """Every text that a model is sent beside the passages."""
        return [*self.prompts.values(), *self.claims.values(), self.example]

    def first(self, limit, read=r.read):
        """Requests of the first turn."""
        args, prompts = self.args, self.claims or self.prompts
        chunks = read(args.input, "text!", "subject", "pages?", limit=limit)
        return requests(chunks, prompts, self.standards, args.mode, self.example, args.worked)

    def requests(self, limit, read=r.read):
        """Requests whose answers become pairs."""
        asked = self.first(limit, read)
        if self.claims:
            asked = with_skeletons(batch_generate.read_raw(asked, self.claims_path), self.prompts)
        return asked

    def ask(self, limit, fresh=False):
        """Ask what has no answer yet."""
        how = batch_generate.options(self.args)
        how |= {"retry_max_tokens": RETRY * self.args.max_tokens, "fresh": fresh}
        how["json_schema"] = PAIR_SCHEMA if self.args.mode == "paragraph" else None
        turns = [(self.first, self.claims_path)] if self.claims else []
        for make, path in [*turns, (self.requests, self.raw_path)]:
            asked = (request for request in make(limit) if "reason" not in request)
            batch_generate.generate_jsonl(asked, to_messages, path, **how)

    def answers(self, limit, read=r.read):
        """Yield (request, raw answer or None)."""
        return batch_generate.read_raw(self.requests(limit, read), self.raw_path)


# ---- from raw answers to rows: [(row, why it is rejected or None), ...] of each input row ----


def qa_row(chunk, standard, pair, args):
    carried = {k: v for k, v in chunk.items() if k not in worked_problems.NOT_CARRIED}
    proof, grounded = grounding.prove(pair.answer, pair.quote, chunk["text"])
    if proof:
        start, end, base = proof["start"], proof["end"], chunk.get("start") or 0
        proof["pages"] = worked_problems.pages_in(chunk, start, end)
        proof |= {"start": base + start, "end": base + end}
    row = {
        **dict.fromkeys(("pages", "source", "license")),
        **carried,
        "id": f"qa-{r.text_hash(chunk['id'], standard, pair.question, pair.answer)}",
        "question": pair.question,
        "answer": pair.answer,
        "source_id": chunk["id"],
        "standard": standard,
        "method": args.mode,
        "generator": replies.written_by(chunk, args.model),
        "grounded": grounded,
        "proof": proof,
    }
    return {**row, "perspective": pair.perspective} if pair.perspective else row


def fault(row, seen, chunk, args):
    """Why a pair does not become a row, or None; seen: the pairs of the chunk before it."""
    question, answer = row["question"], row["answer"]
    if not question or not answer:
        return "question without answer" if question else "answer without question"
    key = tuple(" ".join(text.lower().split()) for text in (row["standard"], question, answer))
    if key in seen:
        return "repeated in the same chunk"
    seen.add(key)
    if MARK in question + answer:
        return "holds a formula that could not be read"
    if grounding.is_unrelated(f"{question} {answer}", chunk["text"]):
        return "nothing of the passage in it"
    if args.require_grounded and not row["grounded"]:
        return "no support in the passage"
    return None


def pairs_of(raw):
    """(pairs of an answer, why there are no more or None)"""
    text, cut_off = raw["response"], raw["finish_reason"] == "length"
    pairs = parse_pairs.read_pairs(text)
    if pairs is None:
        return [], "truncated" if cut_off else "unparsed"
    if cut_off:
        is_json = text.lstrip()[:1] in "[{"  # holds whole pairs only
        return pairs if is_json else pairs[:-1], "truncated"
    return pairs, None if pairs else "no qa"


def answer_rows(request, raw, seen, args):
    """What one answer of the model gives."""
    chunk, made = request["chunk"], []
    rejected = {"id": request["id"], "source_id": chunk["id"], "standard": request["standard"]}
    rejected |= {name: chunk.get(name) for name in ("subject", "source", "pages")}
    if raw is None or "reason" in request:
        return [(rejected, request.get("reason", "generation failed"))]
    pairs, reason = pairs_of(raw)
    if reason:
        made.append(({**rejected, "response": raw["response"][-500:]}, reason))
    for pair in pairs:
        row = qa_row(chunk, request["standard"], pair, args)
        reason = fault(row, seen, chunk, args)
        texts = {"question": pair.question, "answer": pair.answer}
        made.append(({**rejected, **texts} if reason else row, reason))
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


def show(args, standards):
    """Print prompt, answer and parsed pairs of the first chunks; everything else goes to a folder
    that is deleted."""
    with tempfile.TemporaryDirectory() as folder:
        asker = Asker(args, standards, Path(folder) / "show.raw.jsonl")
        asker.ask(args.show)
        for request, raw in asker.answers(args.show):
            text, reason = (raw["response"], raw["finish_reason"]) if raw else ("", "no answer")
            pairs = parse_pairs.read_pairs(text) or ()
            print(f"=== {request['id']}: prompt\n{request.get('prompt') or request['reason']}")
            print(f"=== answer ({reason})\n{text}\n=== {len(pairs)} pairs")
            for pair in pairs:
                print(f"Q: {pair.question}\nA: {pair.answer}\n")


def take_generated(args, standards):
    """All modes that ask a model."""
    asker = Asker(args, standards, r.beside(args.output, "raw.jsonl"))
    inputs = [args.input, args.prompts]
    step = r.Step(args, inputs, prompt=asker.texts(), code=CODE)
    if step.finished():
        return
    asker.ask(args.limit, fresh=args.fresh)
    answers = asker.answers(args.limit, step.read)
    for _, group in itertools.groupby(answers, lambda answer: answer[0]["chunk"]["id"]):
        made, seen = [], set()
        for number, (request, raw) in enumerate(group):
            if args.worked and number == 0:  # exercises without an answer are the model's to see
                made += printed_rows(request["chunk"], standards, set())[0]
            made += answer_rows(request, raw, seen, args)
        put(step, made)
    step.finish()


def parse_options():
    parser = r.parser(__doc__, "input")
    add = parser.add_argument
    add("--output", metavar="FILE", help="rows to write (.jsonl); not needed with --show")
    batch_generate.add_options(parser, model=None)
    standards = ("high,low", "high", "low")
    add("--standard", choices=standards, default="high,low", help="default %(default)s")
    modes = "default %(default)s; paragraph for small models; worked needs no model"
    add("--mode", choices=(*PROMPT_FILES, "worked"), default="document", help=modes)
    add("--worked", action="store_true", help="also the pairs that a chunk prints, word for word")
    add("--require-grounded", action="store_true", help="reject pairs that no place supports")
    add("--prompts", default=str(PROMPTS), metavar="DIR", help="folder of the prompt files")
    add("--show", type=r.positive, metavar="N", help="print prompt and answer of N chunks only")
    return parser.parse_args()


def main():
    args = parse_options()
    standards = args.standard.split(",")
    if not args.output and not args.show:
        raise r.BadInput("--output: name the file to write (or --show N to print only)")
    if args.mode == "worked":
        return take_worked(args, standards)
    if not args.model:
        raise r.BadInput(f"--model: --mode {args.mode} asks a model (only worked needs none)")
    if args.mode == "skeleton":  # its questions are of one kind
        standards = ["high"]
    return show(args, standards) if args.show else take_generated(args, standards)


if __name__ == "__main__":
    r.run(main)
