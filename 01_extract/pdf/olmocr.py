"""Scanned pages read by olmOCR: its model behind an endpoint, or its own command line (used by digitize_pdfs.py; no command of its own)."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import base64
import collections
import importlib.util
import io
import json
import os
import re
import shutil
import subprocess
import tempfile

import batch_generate
import rows as r

OCR_LONGEST_SIDE = 1288  # pixels; what olmOCR 2 was trained on
OCR_PROMPT = """The image is one page of a textbook. Write down its text as a person would read it aloud, in Markdown: headings with #,
formulas in LaTeX ($...$ and $$...$$), tables as HTML, program text in fences.
Leave out page numbers and running headers. Do not describe pictures beyond their captions, and add nothing that is not on the page."""


def parse(response):
    """Markdown of a page from olmOCR's answer: front matter and fences around the whole go."""
    text = re.sub(r"^\s*---\s*\n.*?\n---[ \t]*(?:\n|$)", "", response, count=1, flags=re.DOTALL)
    fenced = re.fullmatch(r"\s*```(?:markdown|md)?[ \t]*\n(.*)\n```\s*", text, re.DOTALL)
    return (fenced[1] if fenced else text).strip()


def ask_endpoint(scans, raw_path, args):
    """{(path, index): Markdown} of scanned pages, asked from olmOCR's model; raw answers are kept and not asked twice."""
    try:
        from olmocr.prompts import (
            build_no_anchoring_v4_yaml_prompt,  # the model's own prompt, where the package is there
        )

        prompt = build_no_anchoring_v4_yaml_prompt()
    except ImportError:
        prompt = OCR_PROMPT
    import pypdfium2

    def to_messages(row):
        pdf = pypdfium2.PdfDocument(row["path"])
        page = pdf[row["index"]]
        width, height = page.get_size()
        out = io.BytesIO()
        page.render(scale=OCR_LONGEST_SIDE / max(width, height)).to_pil().save(out, "PNG")
        pdf.close()
        picture = {
            "type": "image_url",
            "image_url": {
                "url": f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}"
            },
        }
        return [{"role": "user", "content": [{"type": "text", "text": prompt}, picture]}]

    rows = [
        {"id": f"{r.file_hash(path)[:16]}-{index + 1}", "path": path, "index": index}
        for path, index in scans
    ]
    batch_generate.generate_jsonl(
        rows,
        to_messages,
        raw_path,
        model=args.model,
        base_url=args.base_url,
        max_tokens=8000,
        workers=args.workers,
    )
    answers = {}
    for row, raw in batch_generate.read_raw(rows, raw_path):
        if raw and raw["finish_reason"] != "length":
            answers[row["path"], row["index"]] = parse(raw["response"])
    return answers


def run_command(scans, args):
    """{(path, index): Markdown} of scanned pages by olmOCR's own command line, which starts its engine once for all."""
    import pypdfium2

    by_path, answers = collections.defaultdict(list), {}
    for path, index in scans:
        by_path[path].append(index)
    with tempfile.TemporaryDirectory() as folder:
        names = {}
        for number, (path, indices) in enumerate(by_path.items()):
            part = pypdfium2.PdfDocument.new()
            part.import_pages(pypdfium2.PdfDocument(path), indices)
            names[f"scan{number}.pdf"] = path
            part.save(os.path.join(folder, f"scan{number}.pdf"))
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "olmocr.pipeline",
                os.path.join(folder, "workspace"),
                "--pdfs",
                *(os.path.join(folder, name) for name in names),
            ],
            stdout=sys.stderr,
        )
        if done.returncode:
            raise r.BadInput(
                f"olmOCR ended with code {done.returncode}; its messages stand above. --ocr tesseract or none goes without it"
            )
        for result in Path(folder, "workspace", "results").glob("*.jsonl"):
            for line in result.read_text(encoding="utf-8").split("\n"):
                row = json.loads(line) if line.strip() else None
                path = row and names.get(Path(row["metadata"]["Source-File"]).name)
                for start, end, page in row["attributes"]["pdf_page_numbers"] if path else ():
                    answers[path, by_path[path][page - 1]] = row["text"][start:end].strip()
    return answers


def choose(args):
    """ "olmocr", "tesseract" or "none" for --ocr auto; BadInput where what is asked for is not there."""
    have = {
        "olmocr": bool(args.base_url and args.model)
        or (importlib.util.find_spec("olmocr") is not None and bool(batch_generate.visible_gpus())),
        "tesseract": shutil.which("tesseract") is not None,
        "none": True,
    }
    if args.base_url and not args.model:
        raise r.BadInput("--base-url: name the OCR model with --model")
    if args.ocr == "auto":
        return next(name for name in ("olmocr", "tesseract", "none") if have[name])
    if not have[args.ocr]:
        raise r.BadInput(
            "--ocr olmocr: give --base-url and --model, or pip install olmocr on a machine with a GPU"
            if args.ocr == "olmocr"
            else "--ocr tesseract: the command tesseract is not there (apt-get install tesseract-ocr)"
        )
    return args.ocr
