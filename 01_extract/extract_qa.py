"""Take question-answer pairs from chunks of textbooks with a language model, by a prompt for each subject and standard.

    python 01_extract/extract_qa.py --input chunks.jsonl --output qa.jsonl --model M [--base-url URL] --standard high,low
    python 01_extract/extract_qa.py --input chunks.jsonl --model M --standard low --show 1       # try a prompt: print, write nothing

in   chunks with text, subject, pages, source, license
out  one row a pair: id, question, answer, subject, source_id (the chunk), pages, source, license, standard (high | low)

--standard  high: several steps of reasoning and a full solution in the text; low: every complete question with its answer. The prompts stand in
            01_extract/prompts/<subject>_<standard>.txt and are yours to edit; <chunk> is replaced by the text. Each chunk is asked once a standard.
--mode      document: all pairs of a chunk in one answer. paragraph: one pair a paragraph as JSON, for small models (--max-tokens 512 by default).
An answer cut off at --max-tokens is asked again with four times the room, then rejected. Rejected rows: "no qa" (the model found none), "truncated",
"unparsed", "question without answer", "repeated in the same chunk", "no prompt for this subject", "no paragraph", "generation failed".
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import json
import re
import tempfile

import chunk_documents
from replies import mend_escapes

import batch_generate
import rows as r
from answers.trim import after_thinking

PROMPTS = Path(__file__).resolve().parent / "prompts"
STANDARDS = ("high", "low")
NO_QA = "[NO QA]"
MAX_TOKENS = {"document": 4096, "paragraph": 512}
RETRY = 4  # times --max-tokens for answers that were cut off
PARAGRAPH_PROMPTS = {
    "high": """Write one exam question about this passage of a <subject> textbook that takes some reasoning, with its answer.
The question must make sense to someone who cannot see the passage. The answer gives the reasons, in two to five sentences, by the passage alone.

Passage:
<paragraph>""",
    "low": """Write one exam question that this passage of a <subject> textbook answers, with the answer.
The question must make sense to someone who cannot see the passage. The answer is complete, in one to four sentences, by the passage alone.

Passage:
<paragraph>""",
}
# one worked turn goes before the passage: without it the 135M model fills the JSON with "The answer is: 6.1"
EXAMPLE_PASSAGE = (
    "Viscosity measures how strongly a fluid resists flowing. Honey has a high viscosity and pours slowly, while water has a low one. "
    "When a liquid is heated, its molecules move faster and slide past each other more easily, so its viscosity falls. "
    "This is why warm honey runs off a spoon much sooner than cold honey."
)
EXAMPLE_PAIRS = {
    "high": {
        "question": "Why does warm honey run off a spoon much sooner than cold honey?",
        "answer": "Heating makes the molecules of a liquid move faster, so that they slide past each other more easily. The liquid then resists "
        "flowing less, which means that its viscosity is lower. Warm honey therefore flows off the spoon faster than cold honey.",
    },
    "low": {
        "question": "What does the viscosity of a fluid measure, and how does it change when a liquid is heated?",
        "answer": "Viscosity measures how strongly a fluid resists flowing. It falls when a liquid is heated, because the molecules then move "
        "faster and slide past each other more easily.",
    },
}
PAIR_SCHEMA = {
    "type": "object",
    "properties": {
        "question": {"type": "string", "minLength": 15, "maxLength": 400},
        "answer": {"type": "string", "minLength": 2, "maxLength": 800},
    },
    "required": ["question", "answer"],
    "additionalProperties": False,
}
SHORTEST, LONGEST = (
    40,
    400,
)  # words of a paragraph that is asked about; a worked example or exercise with its solution counts as one paragraph


# ---- prompts ----


def load_prompts(standards, mode, folder=PROMPTS):
    """{(subject, standard): prompt with <chunk>} of the prompt files, or of the two paragraph prompts for every subject."""
    subjects = sorted({path.stem.rsplit("_", 1)[0] for path in folder.glob("*_*.txt")})
    if mode == "paragraph":
        return {
            (s, standard): PARAGRAPH_PROMPTS[standard].replace("<subject>", s.replace("_", " "))
            for s in subjects
            for standard in standards
        }
    prompts = {}
    for subject in subjects:
        for standard in standards:
            path = folder / f"{subject}_{standard}.txt"
            if path.is_file():
                prompts[subject, standard] = path.read_text(encoding="utf-8")
                if "<chunk>" not in prompts[subject, standard]:
                    raise r.BadInput(
                        f"{path}: the placeholder <chunk> is missing, the model would never see the text"
                    )
    if not prompts:
        raise r.BadInput(f"{folder}: no prompt files named <subject>_<standard>.txt")
    return prompts


def is_unanswered(text, unit):
    """True for an exercise without its solution: a small model would invent one."""
    body = next((block for block in unit if not block.level or block.kind), unit[0])
    return (
        body.kind == "start"
        and not any(block.kind == "part" for block in unit)
        and re.match(
            r"[#>*_ ]*(?:exercise|problem|question|check|practice|try)",
            text[body.start : body.end],
            re.IGNORECASE,
        )
        is not None
    )


def paragraphs_of(text):
    """Passages of a chunk for --mode paragraph, SHORTEST to LONGEST words: its units (chunk_documents.py), headings and short ones joined to the
    next, those too long in parts. Exercises without a solution and what is hardly text (an index, formulas, numbers) are left out."""
    made, held = [], ""
    for unit in chunk_documents.find_units(text, chunk_documents.find_blocks(text)):
        if is_unanswered(text, unit):
            continue
        whole = text[unit[0].start : unit[-1].end]
        parts = [text[block.start : block.end] for block in unit]
        if len(whole.split()) <= LONGEST:
            first = next((i for i, block in enumerate(unit) if not block.level), 0)
            parts = [*parts[:first], text[unit[first].start : unit[-1].end]]
        for number, part in enumerate(parts):
            heading = re.fullmatch(
                r"#{1,6}[ \t]+(?:chapter[ \t]+)?(?:[\d.]+[ \t]+)?([^\n]*)", part, re.IGNORECASE
            )
            part = heading[1] if heading else part  # small models ask about "Chapter 7"
            joined = f"{held}\n\n{part}" if held else part
            words = len(joined.split())
            last = number == len(parts) - 1
            if words > LONGEST:
                pieces = part.split()
                made += [held] * (len(held.split()) >= SHORTEST) + [
                    " ".join(pieces[i : i + LONGEST]) for i in range(0, len(pieces), LONGEST)
                ]
                held = ""
            elif words < SHORTEST or not last or heading:
                held = joined
            else:
                made.append(joined)
                held = ""
    return [
        p
        for p in [*made, held]
        if len(words := p.split()) >= SHORTEST
        and len(re.findall(r"[^\W\d_]{2,}", p)) >= 0.4 * len(words)
    ]


def requests(chunks, prompts, standards, mode):
    """Yield a request (id, prompt) for each chunk and standard, in paragraph mode for each of its paragraphs."""
    placeholder = "<chunk>" if mode == "document" else "<paragraph>"
    for chunk in chunks:
        for standard in standards:
            prompt = prompts.get((chunk["subject"], standard))
            if prompt is None:
                continue
            passages = [chunk["text"]] if mode == "document" else paragraphs_of(chunk["text"])
            for number, passage in enumerate(passages):
                place = f"-{number}" if mode == "paragraph" else ""
                request = {
                    "id": f"{chunk['id']}-{standard}{place}",
                    "prompt": prompt.replace(placeholder, passage),
                }
                if mode == "paragraph":
                    request["example"] = [
                        prompt.replace(placeholder, EXAMPLE_PASSAGE),
                        json.dumps(EXAMPLE_PAIRS[standard]),
                    ]
                yield request


def to_messages(request):
    """Chat messages of a request, after the worked turn where it has one."""
    turns = [*request.get("example", ()), request["prompt"]]
    return [
        {"role": ("user", "assistant")[number % 2], "content": turn}
        for number, turn in enumerate(turns)
    ]


# ---- parsing: pure functions of the model's text ----


def marker(words, ends=r"[:.)]|(?=\n)"):
    """Pattern of a marker at the beginning of a line: quoted, in a list, a heading, numbered before or after, bold."""
    before = r"^[ \t>]*(?:[-*+•][ \t]+)?(?:\#{1,6}[ \t]*)?(?:[*_]{0,3}[(\[]?\d{1,3}[.):\]][ \t]*)?[*_]{0,3}[ \t]*"
    after = (
        rf"[ \t]*[#№]?[ \t]*(?:\(?\d{{1,3}}\)?)?[ \t]*[*_]{{0,3}}[ \t]*(?:{ends})[*_]{{0,3}}[ \t]*"
    )
    return re.compile(f"{before}(?:{words}){after}", re.IGNORECASE | re.MULTILINE)


def inline(word):
    return re.compile(
        rf"[*_]{{0,3}}\b{word}(?:[ \t]*\d{{1,3}})?[*_]{{0,3}}[ \t]*:[*_]{{0,3}}[ \t]*"
    )


FAMILIES = (  # tried in this order: the first of which both markers are there; "A." alone may be an option of a question, hence the colon
    (marker("question"), marker("answer|solution")),
    (marker("Q", ":|[.)](?=[ \t])"), marker("A", ":")),
    (marker("problem|exercise"), marker("answer|solution")),
    (inline("Question"), inline("Answer")),
)
# a backslash of LaTeX that a model left single inside JSON: "\frac" would become a form feed and "rac", "\sin" would be no JSON at all
LATEX_IN_JSON = re.compile(
    r"(?<!\\)\\(?=[^\"\\/bfnrtu]|u(?![0-9a-fA-F]{4})|(?:bar|begin|beta|big|binom|bmod|boldsymbol|bot|bullet|flat|"
    r"forall|frac|nabla|neg?|neq|not|notin|nu|rangle|rho|right|rightarrow|rm|tan|tanh|tau|text|tfrac|theta|times|to|"
    r"top|triangle)(?![a-z]))"
)
AFTER_PAIR = re.compile(  # a rule, the number of the next pair, a sentinel, marks left alone: on a line of their own after a pair
    r"\n[ \t]*(?:[-*_=]{3,}|(?:\#{1,6}[ \t]*)?(?:[*_]{1,3})?"
    r"(?:(?:QA|Q&A)?[ \t]*pair[ \t]*)?\(?\d{1,3}[.):]?(?:[*_]{1,3})?|\[NO QA\]|\#{1,6}|[*_]{1,3})[ \t]*$",
    re.IGNORECASE,
)
EMPTY = re.compile(
    r"[\W_]*(?:n/?a|none|null|nil|tbd|unknown|not\s+(?:given|provided|available|stated|specified|applicable)|"
    r"no\s+answer(?:\s+provided)?|<?(?:the\s+)?complete\s+(?:question|answer|solution)>?|\.{3}|no\s+qa)?[\W_]*",
    re.IGNORECASE,
)


def tidy(text):
    """A field without what surrounds it: rules between pairs, the number of the next pair, unpaired bold marks, a fence around the whole."""
    text = text.strip()
    for _ in range(4):
        before = text
        text = AFTER_PAIR.sub("", text).strip()
        text = re.sub(r"^(?:[-=_]{3,}|\*{3,})[ \t]*\n", "", text).strip()
        if text == before:
            break
    if text.count("**") % 2:
        text = (
            text[2:].lstrip()
            if text.startswith("**")
            else text[:-2].rstrip()
            if text.endswith("**")
            else text
        )
    if len(text) > 4 and text.startswith("**") and text.endswith("**") and text.count("**") == 2:
        text = text[2:-2].strip()
    return text.removesuffix("\n```").rstrip() if text.count("```") % 2 else text


def json_values(text):
    """JSON values that stand one after the other in a text (an object, a list, or objects line by line), up to the first thing that is none."""
    text, values, at, decoder = (
        LATEX_IN_JSON.sub(r"\\\\", text),
        [],
        0,
        json.JSONDecoder(strict=False),
    )
    while start := re.compile(r"[\s,]*(?=[\[{])").match(text, at):
        try:
            value, at = decoder.raw_decode(text, start.end())
        except (ValueError, RecursionError):
            break
        values.append(value)
    return values


def json_pairs(text):
    """Pairs of an answer that is JSON: an object, objects, a list of them, or {"pairs": [...]}; None where it is not JSON."""
    fenced = re.search(r"```(?:json)?[ \t]*\n(\s*[\[{].*?)```", text, re.DOTALL)
    items = []
    for value in json_values(mend_escapes(fenced[1] if fenced else text.strip())):
        if isinstance(value, dict) and not {"question", "answer"} & {str(k).lower() for k in value}:
            value = next((v for v in value.values() if isinstance(v, list)), [])
        items += value if isinstance(value, list) else [value]
    pairs = []
    for item in items:
        fields = {str(k).lower(): v for k, v in item.items()} if isinstance(item, dict) else {}
        if "question" in fields or "answer" in fields:
            values = (fields.get(k) for k in ("question", "answer"))
            pairs.append(
                tuple(
                    tidy(v) if isinstance(v, str) else "" if v is None else str(v) for v in values
                )
            )
    return pairs or None


def parse(response):
    """[(question, answer), ...] of a model's text; either may be "" where it is missing. Never raises, whatever the text.

    Markers stand at the beginning of a line, bold, numbered or as headings; text on one line is read too. "Answer:" a second time within an answer
    belongs to it. [] for the sentinel [NO QA], None where the text holds neither pairs nor the sentinel.
    """
    text = after_thinking(response).replace("\r\n", "\n")
    pairs = json_pairs(text)
    if pairs is None:
        asks, tells = next(
            (family for family in FAMILIES if all(mark.search(text) for mark in family)),
            next((family for family in FAMILIES if family[0].search(text)), FAMILIES[0]),
        )
        starts = list(asks.finditer(text))
        pairs = []
        for match, following in zip(starts, [*starts[1:], None], strict=False):
            block = text[match.end() : following.start() if following else len(text)]
            split = tells.search(block) or FAMILIES[-1][1].search(block)
            question, answer = (
                (block[: split.start()], block[split.end() :]) if split else (block, "")
            )
            pairs.append((tidy(question), tidy(answer)))
    pairs = [("" if EMPTY.fullmatch(q) else q, "" if EMPTY.fullmatch(a) else a) for q, a in pairs]
    pairs = [pair for pair in pairs if any(pair)]
    if pairs:
        return pairs
    return [] if re.search(r"\[?\bNO[ _-]?QA\b\]?", text, re.IGNORECASE) else None


# ---- from raw answers to rows ----


def qa_row(chunk, standard, question, answer):
    carried = {k: v for k, v in chunk.items() if k not in ("text", "n_tokens", "start")}
    return {
        **carried,
        "id": f"qa-{r.text_hash(chunk['id'], standard, question, answer)}",
        "question": question,
        "answer": answer,
        "subject": chunk["subject"],
        "source_id": chunk["id"],
        "pages": chunk.get("pages"),
        "source": chunk.get("source"),
        "license": chunk.get("license"),
        "standard": standard,
    }


def outcome(chunk, standard, answers):
    """(pairs kept, rejected rows) of a chunk at one standard from its [(request, raw or None), ...]."""

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
        if raw is None or raw["finish_reason"] == "length":
            refuse(
                "generation failed" if raw is None else "truncated",
                request,
                **({"response": raw["response"][-500:]} if raw else {}),
            )
            continue
        pairs = parse(raw["response"])
        if not pairs:
            refuse(
                "unparsed" if pairs is None else "no qa", request, response=raw["response"][:500]
            )
        for question, answer in pairs or ():
            key = " ".join(question.lower().split()), " ".join(answer.lower().split())
            if not (question and answer):
                refuse(
                    "question without answer" if question else "answer without question",
                    request,
                    question=question,
                    answer=answer,
                )
            elif key in seen:
                refuse("repeated in the same chunk", request, question=question, answer=answer)
            else:
                seen.add(key)
                kept.append(qa_row(chunk, standard, question, answer))
    if not answers:
        refuse("no paragraph", {"id": f"{chunk['id']}-{standard}"})
    return kept, rejected


def collect(chunks, raw_rows, prompts, standards, mode, step):
    """Match raw answers (an iterator in the order of the requests) with their chunks; every chunk and standard ends in rows kept or rejected."""
    for chunk in chunks:
        made = []
        for standard in standards:
            if (chunk["subject"], standard) not in prompts:
                made.append(
                    (
                        [],
                        [
                            {
                                "id": f"{chunk['id']}-{standard}",
                                "source_id": chunk["id"],
                                "subject": chunk["subject"],
                                "standard": standard,
                                "reason": "no prompt for this subject",
                            }
                        ],
                    )
                )
                continue
            count = 1 if mode == "document" else len(paragraphs_of(chunk["text"]))
            made.append(outcome(chunk, standard, [next(raw_rows) for _ in range(count)]))
        step.split(sum(len(kept) + len(rejected) for kept, rejected in made))
        for kept, rejected in made:
            for row in kept:
                step.keep(row)
            for row in rejected:
                step.reject(row, row.pop("reason"))


def read_chunks(path, limit):
    for row in r.read(path, "text", "subject", "pages?", limit=limit):
        r.check_text(row, path, "text")
        yield row


def show(chunks, prompts, standards, args, how):
    """Print prompt, answer and parsed pairs of the first chunks; everything else goes to a folder that is deleted."""
    asked = [
        request
        for chunk in chunks
        for request in list(requests([chunk], prompts, standards, args.mode))[: len(standards)]
    ]
    with tempfile.TemporaryDirectory() as folder:
        raw_path = Path(folder) / "show.raw.jsonl"
        batch_generate.generate_jsonl(asked, to_messages, raw_path, **how)
        for request, raw in batch_generate.read_raw(asked, raw_path):
            pairs = parse(raw["response"]) if raw else None
            print(
                f"=== {request['id']}: prompt\n{request['prompt']}\n=== answer ({raw['finish_reason'] if raw else 'generation failed'})\n"
                f"{raw['response'] if raw else ''}\n=== {len(pairs) if pairs else 'no'} pairs"
            )
            for question, answer in pairs or ():
                print(f"Q: {question}\nA: {answer}\n")


def main():
    parser = r.parser(__doc__, "input")
    parser.add_argument(
        "--output", metavar="FILE", help="rows to write (.jsonl); not needed with --show"
    )
    batch_generate.add_options(parser)
    parser.add_argument(
        "--standard", default="high,low", metavar="S", help="high, low, or high,low (default)"
    )
    parser.add_argument(
        "--mode",
        choices=("document", "paragraph"),
        default="document",
        help="default document; paragraph for small models",
    )
    parser.add_argument(
        "--prompts",
        default=str(PROMPTS),
        metavar="DIR",
        help="folder of the prompt files (default 01_extract/prompts)",
    )
    parser.add_argument(
        "--show",
        type=r.positive,
        metavar="N",
        help="print prompt and answer for the first N chunks and write nothing",
    )
    parser.set_defaults(max_tokens=None)
    args = parser.parse_args()
    args.max_tokens = args.max_tokens or MAX_TOKENS[args.mode]
    standards = [name.strip() for name in args.standard.split(",")]
    if not set(standards) <= set(STANDARDS) or len(set(standards)) < len(standards):
        raise r.BadInput(f"--standard {args.standard}: choose from high, low, or high,low")
    prompts = load_prompts(standards, args.mode, Path(args.prompts))
    schema = PAIR_SCHEMA if args.mode == "paragraph" else None
    how = batch_generate.options(args) | {
        "retry_max_tokens": RETRY * args.max_tokens,
        "json_schema": schema,
    }
    if args.show:
        return show(read_chunks(args.input, args.show), prompts, standards, args, how)
    if not args.output:
        raise r.BadInput("--output: name the file to write (or --show N to print only)")
    texts = [*(prompts[key] for key in sorted(prompts)), EXAMPLE_PASSAGE, EXAMPLE_PAIRS]
    step = r.Step(
        args, inputs=[args.input, args.prompts], prompt=texts, code=[chunk_documents.__file__]
    )
    if step.finished():
        return None
    asked = requests(read_chunks(args.input, args.limit), prompts, standards, args.mode)
    counts = batch_generate.generate_jsonl(
        asked, to_messages, step.raw_path, fresh=args.fresh, **how
    )
    asked = requests(read_chunks(args.input, args.limit), prompts, standards, args.mode)
    raw_rows = batch_generate.read_raw(asked, step.raw_path)
    collect(
        step.read(args.input, "text", "subject", "pages?", limit=args.limit),
        raw_rows,
        prompts,
        standards,
        args.mode,
        step,
    )
    return step.finish(generation=counts)


if __name__ == "__main__":
    r.run(main)
