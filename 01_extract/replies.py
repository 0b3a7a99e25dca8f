"""What the steps that ask a model share: asking about the rows of a file, passages by their id, and
the first reading of a reply.

The functions of a reply's text are pure and never raise, whatever the text.
"""

import json
import re
from pathlib import Path

import grounding

import batch_generate
import rows as r
from answers.trim import after_thinking

CODE = (__file__, grounding)  # of every step that uses this file
EMPTY_BOX = re.compile(r"\\f?boxed\s*\{(?:[\s.]|\\l?dots|\\(?:text|mathrm)\s*\{\s*\})*\}")
DISPLAYED_EMPTY_BOX = re.compile(rf"(?:\\\[|\$\$)\s*{EMPTY_BOX.pattern}\s*(?:\\\]|\$\$)")
ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|[\s\S]|$)")
NEWLINE_COMMAND = re.compile(
    r"(?:(u|e|i)|abla|eq|eg|ot|otin|mid|leq|geq|parallel|exists|subseteq|earrow|warrow)(?![a-zA-Z])"
)
JSON_START = re.compile(r"\{\s*\"|\[\s*\{")  # no brace of a formula
CLOSING = re.compile(  # how a paragraph or line begins that speaks to the user or about the editing
    r"""(?xi)[*_(\[>\s#-]*(?:
    let\s+me\s+know|i\s+hope|feel\s+free|would\s+you\s+like|
    if\s+you(?:\s+(?:need|want|have\s+any|would\s+like)|['’]d\s+like)\b[^\n]*
        \b(?:ask|let\s+me\s+know|feel\s+free|i\s+can)\b|
    if\s+you\s+have\s+(?:any|more|further|other|another)\s+questions?\b|
    (?:these|the|all|both)\s+(?:\w+\s+){0,3}(?:questions|pairs)\b[^\n]*\b(?:passage|text)|
    i(?:\s+have|'ve)\s+(?:made|rewritten|changed|included|extracted|provided|omitted)\b|
    notes?\b\W+(?:i|the\s+(?:original|question|answer|passage))\b|    # "Note that x > 0" stays
    (?:changes(?:\s+made)?|explanation\s+of\s+(?:the\s+)?changes)[*_\s]*:)"""
)


# ---- asking ----

PAIR = ("question!", "answer!")  # fields that a row must have


def ask(step, args, to_messages, wanted, *, fields=PAIR, kind="raw", read=None, asking=True, **how):
    """Ask the model about the rows of --input that are `wanted`, then yield every row with its raw
    answer (None: it got none) and whether it was asked about.

    The answers are kept in X.KIND.jsonl; `read` is r.read where the rows are not to be counted yet;
    asking=False leaves the model out; `how` goes to batch_generate.generate_jsonl.
    """
    asked = bytearray()  # 0 or 1 at each row's place
    raw_path = r.beside(step.output, f"{kind}.jsonl")

    def requests():
        for row in r.read(args.input, *fields, limit=args.limit):
            asked.append(bool(wanted(row)))
            if asked[-1]:
                yield row

    if asking:
        how = {**batch_generate.options(args), "fresh": args.fresh, **how}
        batch_generate.generate_jsonl(requests(), to_messages, raw_path, **how)
    rows = (read or step.read)(args.input, *fields, limit=args.limit)
    answered = batch_generate.read_raw(rows, raw_path if asking else None)
    for place, (row, raw) in enumerate(answered):
        was_asked = asking and bool(asked[place])
        yield row, raw if was_asked else None, was_asked


def add_keep_worked(parser):
    kept = "pairs that the book prints (method worked) go on as they are, without the model"
    parser.add_argument("--keep-worked", action="store_true", help=kept)


def is_kept(row, args):
    return args.keep_worked and row.get("method") == "worked"


def about(prompt, row, passage="", **values):
    """Chat messages of a prompt about a pair; its texts stand in fences that they cannot close."""
    texts = {"question": row["question"], "answer": row["answer"], "known_answer": row["answer"]}
    return batch_generate.user_turn(prompt, {**texts, "passage": passage}, **values)


def rewritten(row, model, passage, **texts):
    """The row with the answer and perhaps question that a model wrote, and the id, generator and
    `grounded` that follow from them."""
    made = {**row, **texts, "id": r.text_hash(row["id"], *texts.values())}
    if row.get("grounded"):
        question = texts.get("question", "")
        made["grounded"] = grounding.still_grounded(row, question, texts["answer"], passage)
    return {**made, "generator": r.written_by(row, model)}


class Passages:
    """Texts of the chunks in a file (None: of none). Of a .jsonl file only the places of the rows
    are held."""

    def __init__(self, path):
        self.places, self.texts = {}, {}
        if path is None:
            return
        rows = r.read(path, "text")
        if Path(path).suffix != ".jsonl":
            self.texts = {row["id"]: row["text"] for row in rows}
            return
        self.file, start = open(path, "rb"), 0
        for line in self.file:
            if line.strip():
                self.places[next(rows)["id"]] = start
            start += len(line)

    def of(self, row):
        """Text of the chunk that a row was taken from, "" where there is none."""
        id_ = row.get("source_id")
        if id_ not in self.places:
            return self.texts.get(id_, "")
        self.file.seek(self.places[id_])
        return json.loads(self.file.readline())["text"]


# ---- the text of a reply ----


def said(raw):
    """{"response"} of a raw row, for a rejected row."""
    return {"response": raw["response"]} if raw else {}


def outcome(raw):
    """Why a raw row cannot be used: "generation failed", "truncated", "empty", or None."""
    if raw is None:
        return "generation failed"
    if raw["finish_reason"] == "length":
        return "truncated"
    return None if after_thinking(raw["response"]) else "empty"


def verdict(text, label):
    """True or False by the last "label: YES" or "label: NO" of a reply, else by one that is no more
    than YES or NO; None where neither stands there."""
    text = after_thinking(text)
    said = re.findall(rf"{label}[\s*_`\"':：-]{{1,10}}(yes|no)\b", text, re.I)
    said = said or re.findall(r"^\W*(yes|no)\W*$", text, re.I)
    return said[-1].lower() == "yes" if said else None


def without_closing(text):
    """An answer without its last paragraphs and lines that speak to the user or about the
    editing."""
    text, before = text.strip(), None
    while text != before:
        before = text
        for break_ in ("\n\n", "\n---\n", "\n"):
            head, _, last = text.rpartition(break_)
            if head and len(last) < 400 and CLOSING.match(last):
                text = head.rstrip("- \n")
    return text


def mend_escapes(text):
    """Double the backslashes of LaTeX commands in JSON text: \\frac, \\times, \\beta, \\nu would
    become control characters, \\sqrt an error."""
    return ESCAPE.sub(mend_escape, text)


def mend_escape(match):
    kind, after = match[1], match.string[match.end() : match.end() + 12]
    if kind in ('"', "\\", "/") or len(kind) == 5:
        return match[0]
    if kind in ("b", "f", "r", "t") and not after[:1].islower():
        return match[0]
    if kind == "n":
        command = NEWLINE_COMMAND.match(after)
        # "Given:\nu = 5" outside of $...$ is a new line
        if not command or command[1] and match.string.count("$", 0, match.start()) % 2 == 0:
            return match[0]
    return "\\" + match[0]


def json_value(text):
    """The first JSON object or list of objects in a model's text, None where there is none; text
    around it, a fence and undoubled LaTeX backslashes are survived."""
    text = mend_escapes(text)
    if not (start := JSON_START.search(text)):
        return None
    try:
        return json.JSONDecoder(strict=False).raw_decode(text, start.start())[0]
    except (ValueError, RecursionError):
        return None


def json_answer(text):
    """The JSON object that begins a reply as a dict; {} where there is none."""
    value = json_value(after_thinking(text))
    return value if isinstance(value, dict) else {}


def json_schema(**properties):
    """The schema of an object that has these properties and no others."""
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return {**schema, "additionalProperties": False}


def without_empty_boxes(text):
    """Drop the sentences, lines and display formulas that hold an empty box: "The answer is
    \\boxed{}."."""
    text = DISPLAYED_EMPTY_BOX.sub(r"\\boxed{}", text)
    parts = re.split(r"(?<=[.!?])(?=\s)|(?<=\n)", text)
    return "".join(part for part in parts if not EMPTY_BOX.search(part)).strip()
