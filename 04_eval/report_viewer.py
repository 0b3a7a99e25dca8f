"""The page to read samples by: an index in viewer.html, the texts in samples/*.js, loaded when a sample is opened (used by report.py; no command).

Everything works from disk without a server: a page opened as file:// may not fetch, but it may load scripts, so each part of the texts
is a script that hands over JSON. Formulas are drawn by KaTeX as MathML, which needs no fonts.
"""

import json
from pathlib import Path

import benchmarks

import rows as r

# texts in one file: loads in an instant, and a run of any size stays readable
PART_BYTES = 1_000_000
STATE = {False: 0, True: 1, None: 2}
# GPQA's authors ask that its questions do not appear in plain text on the web (canary of the data
# set).
HIDDEN = ("gpqa_diamond",)
HIDDEN_TEXT = "not shown: the authors of this benchmark ask to keep its questions off the web"


def script_json(value):
    r"""JSON that is safe inside a script element: "<" (of "</script>" or "<!--") is written \u003c,
    which JSON reads as the same character."""
    return (
        json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        .replace("<", "\\u003c")
        .replace("\u2028", "\\u2028")
        .replace("\u2029", "\\u2029")
        .encode("utf-8", "replace")
        .decode()
    )


class Names:
    """Numbers for texts that come again and again: Names()("gsm8k") -> 0."""

    def __init__(self):
        self.numbers = {}

    def __call__(self, name):
        return self.numbers.setdefault(name, len(self.numbers))


class Parts:
    """The texts of samples, in files of about PART_BYTES below a folder."""

    def __init__(self, folder):
        self.folder, self.number, self.texts, self.size = Path(folder), 0, [], 0

    def add(self, texts):
        """(part, place) of a sample's texts."""
        if self.size > PART_BYTES:
            self.flush()
        self.texts.append(texts)
        self.size += sum(len(text) for text in texts if isinstance(text, str))
        return self.number, len(self.texts) - 1

    def flush(self):
        if self.texts:
            with r.write_aside(self.folder / f"{self.number}.js") as file:
                file.write(f"part({self.number},{script_json(self.texts)});\n".encode())
        self.number, self.texts, self.size = self.number + 1, [], 0


def question_key(row):
    """The same for a question's repeats and for every model that was asked it."""
    return f"{row['benchmark']}:{row.get('question_id') or row['id'].rsplit('@', 1)[0]}"


def edge_of(paths, most_bytes):
    """The largest hash of a question that is shown, so that about most_bytes are: the same
    questions of every model stay."""
    share = most_bytes / max(1, sum(Path(path).stat().st_size for path in paths))
    return f"{min(int(share * 16**8), 16**8 - 1):08x}" if share < 1 else None


def texts_of(row):
    """[prompt, response, reasoning, reference, unit] as the page shows them."""
    if row["benchmark"] in HIDDEN:
        return [HIDDEN_TEXT, HIDDEN_TEXT, None, row["reference"], row.get("unit")]
    prompt = row.get("prompt") or row.get("question") or ""
    return [prompt, row["response"] or "", row.get("reasoning"), row["reference"], row.get("unit")]


def write(folder, paths, most_bytes):
    """Write the texts below folder/samples; returns the index for the page: columns of equal
    length, one entry a sample.

    Samples past most_bytes are left out by the hash of their question; `left_out` says how many.
    """
    samples = Path(folder) / "samples"
    for old in samples.glob("*.js"):
        old.unlink()
    parts, left_out, edge = Parts(samples), 0, edge_of(paths, most_bytes)
    models, names, questions, rules = Names(), Names(), Names(), Names()
    asked, columns = [], {name: [] for name in "id q m c x f n by eq part at".split()}
    for path in paths:
        for row in r.read(path, "benchmark", "response?", "extracted", "correct"):
            key = question_key(row)
            if edge and r.text_hash(key)[:8] > edge:
                left_out += 1
                continue
            if questions(key) == len(asked):
                hidden = row["benchmark"] in HIDDEN
                text = "" if hidden else str(row.get("question") or row.get("prompt") or "")
                asked.append(
                    [
                        names(row["benchmark"]),
                        " ".join(text[:200].split())[:100],
                        row.get("subject"),
                        row["kind"],
                    ]
                )
            part, at = parts.add(texts_of(row))
            judged = f"judge: {row['judged']}" if row.get("judged") else row.get("equal_by")
            values = (
                row["id"],
                questions(key),
                models(row.get("model", "")),
                STATE[None if row.get("undecided") and not row.get("judged") else row["correct"]],
                row["extracted"],
                int(row.get("finish_reason") == "length"),
                row.get("n_tokens"),
                rules(row.get("read_by")),
                rules(judged),
                part,
                at,
            )
            for column, value in zip(columns.values(), values, strict=True):
                column.append(value)
    parts.flush()
    return dict(
        models=list(models.numbers),
        benchmarks=list(names.numbers),
        titles=[benchmarks.title_of(name) for name in names.numbers],
        questions=asked,
        rules=list(rules.numbers),
        samples=columns,
        left_out=left_out,
    )
