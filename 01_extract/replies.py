"""What the steps that ask a model share: rows and passages read in streams, and the first reading of a model's reply.

The functions of a reply's text are pure and never raise, whatever the text.
"""

import json
import re
from pathlib import Path

import rows as r
from answers.trim import after_thinking

EMPTY_BOX = re.compile(
    r"\\f?boxed\s*\{(?:\s|\.|\\[,;:!]|\\(?:text|mathrm|mathbf)\s*\{\s*\}|\\l?dots)*\}"
)
ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|[\s\S]|$)")
NEWLINE_COMMAND = re.compile(
    r"(u|e|i)(?![a-zA-Z])|(?:abla|eq|eg|ot|otin|mid|leq|geq|parallel|exists|subseteq|earrow|warrow)(?![a-zA-Z])"
)


CLOSING = re.compile(
    r"""(?x)[*_(\[> #-]*(?:
    let\s+me\s+know|i\s+hope|feel\s+free|please\s+let|hope\s+this|would\s+you\s+like|is\s+there\s+anything|
    if\s+you\s+(?:need|want|would|have|'d|like)|
    (?:these|the|all|both|each)\s+(?:\w+\s+){0,3}(?:questions|pairs|question-answer)\b[^\n]*\b(?:passage|text|cover|stand|based)|
    (?:note:?\s+)?i\s+(?:have|'ve)\s+(?:made|rewritten|written|included|covered|extracted|provided|omitted|left)|
    that(?:'s|\s+is)\s+all|end\s+of\b)""",
    re.IGNORECASE,
)


SIGN_OFF = re.compile(  # on a line of its own; "If you have 3 mol" may be a solution's last line
    r"\n[*_(> ]*(?:let me know|i hope (?:this|these|that)|feel free|hope this helps)\b[^\n]{0,200}\Z",
    re.IGNORECASE,
)


def without_closing(text):
    """A reply without the last paragraphs that speak to the user: "Let me know if you need
    more!"."""
    text = SIGN_OFF.sub("", text.rstrip()).rstrip()
    for _ in range(3):
        at = max(text.rfind("\n\n"), text.rfind("\n---\n"))
        last = text[at:].strip().lstrip("-\n ") if at >= 0 else ""
        if not last or len(last) > 400 or not CLOSING.match(last):
            break
        text = text[:at].rstrip()
    return text


def written_by(row, model):
    """The row's `generator` with one more model: all that wrote or changed it, in order."""
    before = row.get("generator") or []
    before = [before] if isinstance(before, str) else list(before)
    return before if model in before else [*before, model]


def mend_escapes(text):
    """Double the backslashes of LaTeX commands in JSON text: \\frac, \\times, \\beta, \\nu would
    become control characters, \\sqrt an error."""

    def mend(match):
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

    return ESCAPE.sub(mend, text)


def json_answer(text):
    """The JSON object in a model's text as a dict, or None; a Markdown fence, text around it and
    undoubled LaTeX backslashes are survived."""
    # not the brace of a formula before it
    start, end = (re.search(r"\{\s*\"", text), text.rfind("}"))
    if not start or end < start.start():
        return None
    try:
        value = json.loads(mend_escapes(text[start.start() : end + 1]), strict=False)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def without_empty_boxes(text):
    """Drop the sentence or display formula that holds an empty box, e.g. "The final answer is
    \\boxed{}."."""
    while match := EMPTY_BOX.search(text):
        before, after = text[: match.start()], text[match.end() :]
        display = re.search(r"(?:\\\[|\$\$)\s*$", before)
        start = (
            display.start()
            if display
            else max(before.rfind("\n"), before.rfind(". "), before.rfind("? "), before.rfind("! "))
            + 1
        )
        close = re.match(r"\s*(?:\\\]|\\\)|\$\$|\$)?[ \t*]*[.!]?", after)
        text = text[:start].rstrip(" ") + after[close.end() :]
    return text.strip()


class Rows:
    """The rows of a file, read anew each time, with their number for the progress bar: nothing is
    held in memory."""

    def __init__(self, path, *fields, limit=None):
        self.path, self.fields, self.limit = Path(path), fields, limit

    def __iter__(self):
        return r.read(self.path, *self.fields, limit=self.limit)

    def __len__(self):
        if self.path.suffix != ".jsonl":
            return sum(1 for _ in r.read(self.path, limit=self.limit))
        with open(self.path, "rb") as file:
            lines = sum(1 for line in file if line.strip())
        part = r.within(self.limit)
        return len(range(part.start, min(part.stop, lines)))


class Passages:
    """Text of source chunks by id. Only the places in the file are held (a few bytes a chunk); .gz
    and .parquet are read whole."""

    def __init__(self, path):
        self.path, self.places, self.texts = Path(path), {}, {}
        if self.path.suffix != ".jsonl":
            self.texts = {row["id"]: row["text"] for row in r.read(path, "text")}
            return
        self.places = {
            row["id"]: place
            for row, place in zip(r.read(path, "text"), self.line_starts(), strict=True)
        }
        self.file = open(path, "rb")

    def line_starts(self):
        """Offset in the file of each line that holds a row."""
        with open(self.path, "rb") as file:
            start = 0
            for line in file:
                if line.strip():
                    yield start
                start += len(line)

    def get(self, id_):
        """Text of a chunk, or None where there is no such chunk."""
        if id_ not in self.places:
            return self.texts.get(id_)
        self.file.seek(self.places[id_])
        return json.loads(self.file.readline())["text"]


def outcome(raw):
    """Why a raw row cannot be used: "generation failed", "truncated" or "empty"; None where it
    can."""
    if raw is None:
        return "generation failed"
    if raw["finish_reason"] == "length":
        return "truncated"
    return None if after_thinking(raw["response"]) else "empty"
