"""Take question-answer pairs from chunks of textbooks: with a language model, or word for word where the book prints problems with solutions.

    python 01_extract/extract_qa.py --input chunks.jsonl --output qa.jsonl --model M [--base-url URL] --standard high,low
    python 01_extract/extract_qa.py --input classified.jsonl --output worked.jsonl --mode worked          # no model
    python 01_extract/extract_qa.py --input chunks.jsonl --model M --standard low --show 1                # try a prompt: print, write nothing

in   chunks (or documents, with --mode worked) with text, subject, pages, source, license
out  one row a pair: id, question, answer, subject, source_id, pages, source, license, standard (high | low), method (the mode), generator,
     proof (characters and pages of the document that support the answer, and how they were found) and grounded (true | false)

--mode document: all pairs of a chunk; the prompts stand in prompts/<subject>_<standard>.txt and are yours to edit. paragraph: one pair a paragraph
as JSON, for small models. skeleton: claims, evidence and derivations first, then questions from four perspectives. worked: no model.
An answer cut off at --max-tokens is asked again with four times the room; its whole pairs are kept. What does not go on stands in X.rejected.jsonl.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import json
import re
import tempfile

import book_blocks
import grounding
import parse_pairs
import replies
import worked_problems
from parse_pairs import parse, read_pairs
from pdf import text as pdf_text
from pdf.formulas import MARK

import batch_generate
import rows as r
from answers.trim import after_thinking

PROMPTS = Path(__file__).resolve().parent / "prompts"
STANDARDS = ("high", "low")
MAX_TOKENS = {"document": 4096, "paragraph": 512, "skeleton": 4096}
RETRY = 4  # times --max-tokens for answers that were cut off
PAIR_SCHEMA = {
    "type": "object",
    "properties": {
        "question": {"type": "string", "minLength": 15, "maxLength": 400},
        "answer": {"type": "string", "minLength": 2, "maxLength": 800},
    },
    "required": ["question", "answer"],
    "additionalProperties": False,
}
# words of a paragraph that is asked about; a worked example or exercise with its solution counts as
# one paragraph
SHORTEST, LONGEST = 40, 400
CODE = (book_blocks, grounding, parse_pairs, replies, worked_problems, pdf_text)


# ---- prompts ----


def load_prompts(standards, mode, folder=PROMPTS):
    """{(subject, standard): prompt with <chunk>}: of the prompt files, or of paragraph/ and
    skeleton/ for every subject that has a file."""
    subjects = sorted({path.stem.rsplit("_", 1)[0] for path in folder.glob("*_*.txt")})
    names = {
        "document": lambda subject, standard: f"{subject}_{standard}.txt",
        "paragraph": lambda _, standard: f"paragraph/{standard}.txt",
        "skeleton": lambda *_: "skeleton/questions.txt",
    }[mode]
    prompts = {}
    for subject in subjects:
        for standard in standards:
            path = folder / names(subject, standard)
            if path.is_file():
                prompts[subject, standard] = read_prompt(path, subject)
    if not prompts:
        raise r.BadInput(f"{folder}: no prompt files named {names('<subject>', '<standard>')}")
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


# ---- passages of a chunk for small models ----


def is_unanswered(text, unit):
    """True for an exercise without its solution: a small model would invent one."""
    body = next((block for block in unit if not block.level or block.kind), unit[0])
    # "Example 5" and "Theorem 2" explain themselves
    asks = re.match(r"exercise|problem|question|check|practice|try", body.word)
    return body.kind == "start" and bool(asks) and not any(b.kind == "part" for b in unit)


def unit_parts(text, unit):
    """Texts of a unit's blocks; headings and one whole where that is not too long."""
    parts = [text[block.start : block.end] for block in unit]
    if len(text[unit[0].start : unit[-1].end].split()) > LONGEST:
        return parts
    first = next((i for i, block in enumerate(unit) if not block.level), 0)
    return [*parts[:first], text[unit[first].start : unit[-1].end]]


def is_prose(text):
    """False for what is hardly text: an index, formulas, numbers."""
    words = text.split()
    letters = re.findall(r"[^\W\d_]{2,}", text)
    return len(words) >= SHORTEST and len(letters) >= 0.4 * len(words)


def is_worked(unit):
    """True for an example or exercise with its printed solution: --worked takes it word for
    word."""
    return any(b.kind == "start" for b in unit) and any(
        b.word in worked_problems.ANSWERS for b in unit
    )


def paragraphs_of(text, without_worked=False):
    """Passages of a chunk for --mode paragraph, SHORTEST to LONGEST words: its units
    (book_blocks.py), headings and short ones joined to the next, those too long in parts. Exercises
    without a solution and what is hardly text are left out."""
    made, held = [], ""
    for unit in book_blocks.find_units(text, book_blocks.find_blocks(text)):
        if is_unanswered(text, unit) or (without_worked and is_worked(unit)):
            continue
        parts = unit_parts(text, unit)
        for number, part in enumerate(parts):
            heading = re.fullmatch(
                r"#{1,6}[ \t]+(?:chapter[ \t]+)?(?:[\d.]+[ \t]+)?([^\n]*)", part, re.IGNORECASE
            )
            part = heading[1] if heading else part  # small models ask about "Chapter 7"
            joined = f"{held}\n\n{part}" if held else part
            words = len(joined.split())
            if words > LONGEST:
                pieces = part.split()
                made += [
                    held,
                    *(" ".join(pieces[i : i + LONGEST]) for i in range(0, len(pieces), LONGEST)),
                ]
                held = ""
            elif words < SHORTEST or heading or number < len(parts) - 1:
                held = joined
            else:
                made.append(joined)
                held = ""
    return [passage for passage in [*made, held] if is_prose(passage)]


# ---- requests ----


def requests(chunks, prompts, standards, mode, example=None, worked=False):
    """Yield a request (id, prompt) for each chunk and standard, in paragraph mode for each of its
    paragraphs."""
    for chunk in chunks:
        for standard in standards:
            prompt = prompts.get((chunk["subject"], standard))
            if prompt is None:
                continue
            if mode != "paragraph":
                asked = fill(prompt, chunk=chunk["text"])
                yield {"id": f"{chunk['id']}-{standard}", "prompt": asked, "chunk": chunk}
                continue
            for number, passage in enumerate(paragraphs_of(chunk["text"], worked)):
                request = {"id": f"{chunk['id']}-{standard}-{number}"}
                request["prompt"] = fill(prompt, chunk=passage)
                # without a worked turn the 135M model fills the JSON with "The answer is: 6.1"
                if example:
                    asked = fill(prompt, chunk=example["passage"])
                    request["example"] = [asked, json.dumps(example[standard])]
                yield request


def to_messages(request):
    """Chat messages of a request, after the worked turn where it has one."""
    turns = [*request.get("example", ()), request["prompt"]]
    return [
        {"role": ("user", "assistant")[number % 2], "content": turn}
        for number, turn in enumerate(turns)
    ]


def with_skeletons(claims, prompts, standard):
    """Requests of the second turn of --mode skeleton from [(request, raw), ...] of the first;
    `reason` stands where there is nothing to ask."""
    for request, raw in claims:
        chunk = request["chunk"]
        text = after_thinking(raw["response"]) if raw else ""
        if not raw or not text or parse_pairs.NO_QA in text[:200]:
            reason = "no claims" if raw else "generation failed"
            yield {"id": request["id"], "prompt": "", "reason": reason}
            continue
        skeleton = batch_generate.fenced("skeleton", text)
        prompt = prompts[chunk["subject"], standard]
        asked = fill(prompt, chunk=chunk["text"], skeleton_text=skeleton)
        yield {"id": request["id"], "prompt": asked}


class Asker:
    """The requests of a run and their answers, asked in one turn or, with --mode skeleton, in
    two."""

    def __init__(self, args, standards, raw_path):
        self.args, self.standards, self.raw_path = args, standards, Path(raw_path)
        folder = Path(args.prompts)
        self.prompts = load_prompts(standards, args.mode, folder)
        self.claims, self.example = {}, None
        self.claims_path = self.raw_path.with_name(
            self.raw_path.name.replace(".raw.jsonl", ".skeleton.raw.jsonl")
        )
        if args.mode == "skeleton":
            path = folder / "skeleton/claims.txt"
            self.claims = {key: read_prompt(path, key[0]) for key in self.prompts}
        if args.mode == "paragraph" and (folder / "paragraph/example.json").is_file():
            self.example = json.loads((folder / "paragraph/example.json").read_text())

    def texts(self):
        """Every text that a model is sent beside the passages."""
        return [*self.prompts.values(), *self.claims.values(), self.example]

    def first(self, limit):
        rows = r.read(self.args.input, "text", "subject", "pages?", limit=limit)
        chunks = with_text(rows, self.args.input)
        prompts = self.claims or self.prompts
        return requests(
            chunks, prompts, self.standards, self.args.mode, self.example, self.args.worked
        )

    def make(self, limit):
        """All requests whose answers become pairs."""
        if not self.claims:
            return self.first(limit)
        claims = batch_generate.read_raw(self.first(limit), self.claims_path)
        return with_skeletons(claims, self.prompts, self.standards[0])

    def ask(self, limit, fresh=False):
        """Ask what has no answer yet; returns the counts of each turn."""
        turns = {"claims": (self.first, self.claims_path)} if self.claims else {}
        turns["generation"] = (self.make, self.raw_path)
        how = batch_generate.options(self.args)
        how |= {"retry_max_tokens": RETRY * self.args.max_tokens, "fresh": fresh}
        if self.args.mode == "paragraph":
            how["json_schema"] = PAIR_SCHEMA
        counts = {}
        for name, (make, path) in turns.items():
            if self.args.changed == "ask" and not fresh:
                set_aside(path, make(limit))
            asked = (request for request in make(limit) if "reason" not in request)
            counts[name] = batch_generate.generate_jsonl(asked, to_messages, path, **how)
        return counts

    def answers(self, limit):
        return batch_generate.read_raw(self.make(limit), self.raw_path)


def set_aside(raw_path, asked):
    """Move the stored answers to other prompts than those of `asked` to X.raw.old.jsonl, so that
    they are asked again."""
    if not raw_path.is_file():
        return
    expected = {q["id"]: r.text_hash(to_messages(q)) for q in asked if "reason" not in q}
    raw = batch_generate.RawFile(raw_path)  # nobody writes the file meanwhile
    aside = raw_path.with_name(raw_path.name.replace(".raw.jsonl", ".raw.old.jsonl"))
    stale = 0
    with r.write_aside(raw_path) as kept, open(aside, "ab") as old, open(raw_path, "rb") as lines:
        for line in lines:
            row = json.loads(line)
            changed = expected.get(row["id"], row["messages_hash"]) != row["messages_hash"]
            (old if changed else kept).write(line)
            stale += changed
    raw.close()
    if not stale:
        return aside.unlink() if not aside.stat().st_size else None
    r.say(f"{raw_path.name}: {stale} answers to other prompts now stand in {aside.name}")


# ---- from raw answers to rows ----


def qa_row(chunk, standard, pair, args):
    carried = {k: v for k, v in chunk.items() if k not in worked_problems.NOT_CARRIED}
    proof, grounded = grounding.prove(pair.answer, pair.quote, chunk["text"])
    pages = chunk.get("pages")
    if proof:
        starts = chunk.get("page_starts")
        here = pdf_text.pages_of(starts, proof["start"], proof["end"]) if starts else pages
        base = chunk.get("start") or 0
        proof |= {"start": base + proof["start"], "end": base + proof["end"], "pages": here}
    return {
        **carried,
        "id": f"qa-{r.text_hash(chunk['id'], standard, pair.question, pair.answer)}",
        "question": pair.question,
        "answer": pair.answer,
        "subject": chunk["subject"],
        "source_id": chunk["id"],
        "pages": pages,
        "source": chunk.get("source"),
        "license": chunk.get("license"),
        "standard": standard,
        "method": args.mode,
        "generator": replies.written_by(chunk, args.model),
        "grounded": grounded,
        "proof": proof,
        **({"perspective": pair.perspective} if pair.perspective else {}),
    }


def whole_pairs(raw):
    """The pairs of a raw answer; of one that was cut off those before the cut. None where it holds
    neither pairs nor [NO QA]."""
    pairs = read_pairs(raw["response"])
    if raw["finish_reason"] == "length" and pairs:
        pairs = pairs[: -1 if raw["response"].lstrip()[:1] not in "[{" else None]
    return pairs


def fault(pair, seen, chunk):
    """Why a pair does not become a row, or None."""
    key = " ".join(pair.question.lower().split()), " ".join(pair.answer.lower().split())
    if not pair.question or not pair.answer:
        return "question without answer" if pair.question else "answer without question"
    if key in seen:
        return "repeated in the same chunk"
    seen.add(key)
    if MARK in pair.question + pair.answer:
        return "holds a formula that could not be read"
    if grounding.is_unrelated(pair.question, pair.answer, chunk["text"]):
        return "nothing of the passage in it"
    return None


def outcome(chunk, standard, answers, args):
    """(pairs kept, rejected rows) of a chunk at one standard from its [(request, raw or None),
    ...]."""

    def refuse(reason, request, **more):
        rejected.append(
            {
                "id": request["id"],
                "source_id": chunk["id"],
                "standard": standard,
                "source": chunk.get("source"),
                "pages": chunk.get("pages"),
                "reason": reason,
                **more,
            }
        )

    kept, rejected, seen = [], [], set()
    for request, raw in answers:
        if raw is None:
            refuse(request.get("reason", "generation failed"), request)
            continue
        pairs = whole_pairs(raw)
        if raw["finish_reason"] == "length":
            refuse("truncated", request, response=raw["response"][-500:])
        elif not pairs:
            reason = "unparsed" if pairs is None else "no qa"
            refuse(reason, request, response=raw["response"][:500])
        for pair in pairs or ():
            reason, row = fault(pair, seen, chunk), qa_row(chunk, standard, pair, args)
            if args.require_grounded and not row["grounded"]:
                reason = reason or "no support in the passage"
            if reason:
                refuse(reason, request, question=pair.question, answer=pair.answer)
            else:
                kept.append(row)
    if not answers:
        refuse("no paragraph", {"id": f"{chunk['id']}-{standard}"})
    return kept, rejected


def worked_of(chunk, standards):
    """(pairs that a chunk prints, those of them left out with the reason); exercises without an
    answer are the model's to see."""
    pairs, _ = worked_problems.pair_rows(worked_problems.Stretch(chunk))
    kept, rejected = [], []
    for row in pairs:
        reason = None
        if row["standard"] not in standards:
            reason = "standard not asked for"
        elif MARK in row["question"] + row["answer"]:
            reason = "unread formula"
        (rejected if reason else kept).append({**row, **({"reason": reason} if reason else {})})
    return kept, rejected


def collect(chunks, raw_rows, asker, step):
    """Match raw answers (an iterator in the order of the requests) with their chunks; every chunk
    and standard ends in rows kept or rejected."""
    args = asker.args
    for chunk in chunks:
        kept, rejected = worked_of(chunk, asker.standards) if args.worked else ([], [])
        for standard in asker.standards:
            if (chunk["subject"], standard) not in asker.prompts:
                row = {"id": f"{chunk['id']}-{standard}", "source_id": chunk["id"]}
                row |= {"subject": chunk["subject"], "standard": standard}
                rejected.append({**row, "reason": "no prompt for this subject"})
                continue
            count = (
                len(paragraphs_of(chunk["text"], args.worked)) if args.mode == "paragraph" else 1
            )
            made = outcome(chunk, standard, [next(raw_rows) for _ in range(count)], args)
            kept += made[0]
            rejected += made[1]
        step.split(len(kept) + len(rejected))
        keep_and_reject(step, kept, rejected)


def keep_and_reject(step, kept, rejected):
    for row in kept:
        step.keep(row)
    for row in rejected:
        step.reject(row, row.pop("reason"))


def with_text(rows, path):
    for row in rows:
        r.check_text(row, path, "text")
        yield row


# ---- the ways to run ----


def take_worked(args, standards):
    """--mode worked: pairs that the book prints, word for word."""
    step = r.Step(args, inputs=[args.input], code=CODE)
    if step.finished():
        return None
    rows = step.read(args.input, "text", "subject?", "pages?", limit=args.limit)
    rows = with_text(r.progress(rows, desc=step.output.name, unit="row"), args.input)
    seen = set()
    for stretch in worked_problems.stretches(rows):
        pairs, left = worked_problems.pair_rows(stretch)
        kept, rejected = [], [{**row, "reason": "no answer in the book"} for row in left]
        for row in pairs:
            if reason := left_out(row, standards, seen):
                rejected.append({**row, "reason": reason})
            else:
                kept.append(row)
        if not kept and not rejected:
            row = {k: v for k, v in stretch.rows[0].items() if k != "text"}
            rejected.append({**row, "reason": "no worked problem"})
        step.split(len(kept) + len(rejected))
        for _ in stretch.rows[1:]:
            step.split(0)
        keep_and_reject(step, kept, rejected)
    return step.finish()


def left_out(row, standards, seen):
    """Reason why a printed pair is left out, or None; seen: the pairs before it."""
    if row["standard"] not in standards:
        return "of the other standard"
    if MARK in row["question"] + row["answer"]:
        return "holds a formula that could not be read"
    pair = row["question"], row["answer"]
    if pair in seen:
        return "repeated in the book"
    return seen.add(pair)


def show(args, standards):
    """Print prompt, answer and parsed pairs of the first chunks; everything else goes to a folder
    that is deleted."""
    with tempfile.TemporaryDirectory() as folder:
        asker = Asker(args, standards, Path(folder) / "show.raw.jsonl")
        asker.ask(args.show)
        for request, raw in asker.answers(args.show):
            pairs = parse(raw["response"]) if raw else None
            print(
                f"=== {request['id']}: prompt\n{request['prompt']}\n=== answer ({raw['finish_reason'] if raw else 'generation failed'})\n"
                f"{raw['response'] if raw else ''}\n=== {len(pairs) if pairs else 'no'} pairs"
            )
            for question, answer in pairs or ():
                print(f"Q: {question}\nA: {answer}\n")


def take_generated(args, standards):
    """All modes that ask a model."""
    step_raw = r.beside(args.output, "raw.jsonl")
    asker = Asker(args, standards, step_raw)
    step = r.Step(
        args,
        inputs=[args.input, args.prompts],
        prompt=asker.texts(),
        code=CODE,
        ignore=("changed",),
    )
    if step.finished():
        return None
    try:
        counts = asker.ask(args.limit, fresh=args.fresh)
    except r.BadInput as error:
        if "hash of the messages" in str(error):
            raise r.BadInput(
                f"{error}; --changed ask asks again only where the prompt changed"
            ) from None
        raise
    chunks = step.read(args.input, "text", "subject", "pages?", limit=args.limit)
    collect(chunks, asker.answers(args.limit), asker, step)
    return step.finish(**counts)


def parse_options():
    parser = r.parser(__doc__, "input")
    add = parser.add_argument
    add("--output", metavar="FILE", help="rows to write (.jsonl); not needed with --show")
    batch_generate.add_options(parser, model=None)
    add("--standard", default="high,low", metavar="S", help="high, low, or high,low (default)")
    add(
        "--mode",
        choices=(*MAX_TOKENS, "worked"),
        default="document",
        help="default document; paragraph for small models; worked needs no model",
    )
    add(
        "--worked",
        action="store_true",
        help="beside the model's pairs also those that a chunk prints with their solution, word for word",
    )
    add(
        "--require-grounded",
        action="store_true",
        help="reject the model's pairs whose answer no place of the passage supports (default: grounded is false)",
    )
    add(
        "--prompts",
        default=str(PROMPTS),
        metavar="DIR",
        help="folder of the prompt files (default 01_extract/prompts)",
    )
    add(
        "--changed",
        choices=("refuse", "ask"),
        default="refuse",
        help="ask: where a prompt was edited, its chunks are asked again, the old answers go to X.raw.old.jsonl (default refuse)",
    )
    add(
        "--show",
        type=r.positive,
        metavar="N",
        help="print prompt and answer for the first N chunks and write nothing",
    )
    parser.set_defaults(max_tokens=None)
    return parser.parse_args()


def main():
    args = parse_options()
    standards = [name.strip() for name in args.standard.split(",")]
    if not set(standards) <= set(STANDARDS) or len(set(standards)) < len(standards):
        raise r.BadInput(f"--standard {args.standard}: choose from high, low, or high,low")
    if not args.output and not args.show:
        raise r.BadInput("--output: name the file to write (or --show N to print only)")
    if args.mode == "worked":
        return take_worked(args, standards)
    if not args.model:
        raise r.BadInput(
            f"--model: --mode {args.mode} asks a model, name it (only worked needs none)"
        )
    args.max_tokens = args.max_tokens or MAX_TOKENS[args.mode]
    if args.mode == "skeleton":  # its questions are of one kind
        standards = ["high"]
    return show(args, standards) if args.show else take_generated(args, standards)


if __name__ == "__main__":
    r.run(main)
