"""The page to read samples by: an index in viewer.html, the texts in samples/*.js, loaded when a
sample is opened.

Everything works from disk without a server: a page opened as file:// may not fetch, but it may load
scripts, so each part of the texts is a script that hands over JSON. Formulas are drawn by KaTeX as
MathML, which needs no fonts.
"""

import collections
import itertools
import json
from pathlib import Path

import benchmarks

import rows as r

# texts in one file: loads in an instant, and a run of any size stays readable
PART_BYTES = 1_000_000
# Its authors ask that no question appears in plain text on the web (canary of the data set).
HIDDEN = ("gpqa_diamond",)
HIDDEN_TEXT = "not shown: the authors of this benchmark ask to keep its questions off the web"


def script_json(value):
    r"""JSON that is safe inside a script element: "<" (of "</script>" or "<!--") is written \u003c,
    which JSON reads as the same character; a lone surrogate becomes "?"."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for sign in "<\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text.encode("utf-8", "replace").decode()


def texts_of(row):
    """[prompt, response, reasoning, reference, unit] as the page shows them."""
    shown = [row.get("prompt") or row.get("question") or "", row["response"] or ""]
    shown.append(row.get("reasoning"))
    if row["benchmark"] in HIDDEN:
        shown = [HIDDEN_TEXT, HIDDEN_TEXT, None]
    return [*shown, row["reference"], row.get("unit")]


def about_question(row, names):
    """[benchmark, beginning of the question, subject, kind] for the list."""
    text = str(row.get("question") or row.get("prompt") or "")
    text = "" if row["benchmark"] in HIDDEN else " ".join(text[:200].split())[:100]
    return [names[row["benchmark"]], text, row.get("subject"), row["kind"]]


def state(row):
    """0 wrong, 1 right, 2 not graded, or undecided without a judge."""
    undecided = row.get("undecided") and not row.get("judged")
    return 2 if undecided or row["correct"] is None else int(row["correct"])


def write_part(folder, number, texts):
    with r.write_aside(folder / f"{number}.js") as file:
        file.write(f"part({number},{script_json(texts)});\n".encode())


def write(folder, paths):
    """Write the texts below folder/samples; returns the index for the page: columns of equal
    length, one entry a sample."""
    samples = Path(folder) / "samples"
    for old in samples.glob("*.js"):
        old.unlink()
    part, texts, size = 0, [], 0
    asked, columns = [], collections.defaultdict(list)
    # a number for each text, in order of appearance
    models, names, questions, rules = (
        collections.defaultdict(itertools.count().__next__) for _ in range(4)
    )
    for row in (row for path in paths for row in r.read(path, "response?", "extracted", "correct")):
        key = (row["benchmark"], row["question_id"])
        if questions[key] == len(asked):
            asked.append(about_question(row, names))
        if size > PART_BYTES:
            write_part(samples, part, texts)
            part, texts, size = part + 1, [], 0
        texts.append(texts_of(row))
        size += sum(len(text) for text in texts[-1] if isinstance(text, str))
        judged = f"judge: {row['judged']}" if row.get("judged") else row.get("equal_by")
        sample = dict(
            id=row["id"],
            q=questions[key],
            m=models[row["model"]],
            c=state(row),
            x=row["extracted"],
            f=int(row.get("finish_reason") == "length"),  # cut off
            n=row.get("n_tokens"),
            by=rules[row.get("read_by")],
            eq=rules[judged],
            part=part,
            at=len(texts) - 1,
        )
        for name, cell in sample.items():
            columns[name].append(cell)
    write_part(samples, part, texts)
    return dict(
        models=list(models),
        benchmarks=list(names),
        titles=[benchmarks.title_of(name) for name in names],
        questions=asked,
        rules=list(rules),
        samples=columns,
    )
