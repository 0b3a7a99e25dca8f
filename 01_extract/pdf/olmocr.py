"""Scanned pages read by olmOCR's model behind an endpoint (used by digitize_pdfs.py; no command of
its own)."""

import base64
import re
import shutil

from pdf import page as pdf_page

import batch_generate
import rows as r

# what olmOCR 2 was trained on: pixels, and build_no_anchoring_v4_yaml_prompt of its package
LONGEST_SIDE = 1288
PROMPT = """Attached is one page of a document that you must process. Just return \
the plain text representation of this document as if you were reading it naturally. \
Convert equations to LateX and tables to HTML.
If there are any figures or charts, label them with the following markdown syntax \
![Alt text describing the contents of the figure](page_startx_starty_width_height.png)
Return your output as markdown, with a front matter section on top specifying values for the \
primary_language, is_rotation_valid, rotation_correction, is_table, and is_diagram parameters."""
TEMPERATURES = (0.0, 0.3, 0.7)  # of the tries of a page


def parse(response):
    """Markdown of a page from olmOCR's answer: front matter and fences around the whole go."""
    text = re.sub(r"^\s*---\s*\n.*?\n---[ \t]*(?:\n|$)", "", response, count=1, flags=re.DOTALL)
    fenced = re.fullmatch(r"\s*```(?:markdown|md)?[ \t]*\n(.*)\n```\s*", text, re.DOTALL)
    return (fenced[1] if fenced else text).strip()


def rotation_of(response):
    """Degrees by which olmOCR wants the page turned, 0 where it stands upright: "is_rotation_valid:
    False", on the next line "rotation_correction: 90"."""
    wrong = re.search(
        r"(?i)is_rotation_valid:\s*false\s+rotation_correction:\s*(90|180|270)\b", response[:400]
    )
    return int(wrong[1]) if wrong else 0


def to_messages(row):
    """The page of a row ({path, index, turn}) as a picture, turned clockwise."""
    import pypdfium2

    with pypdfium2.PdfDocument(row["path"]) as pdf:
        page = pdf[row["index"]]
        scale = LONGEST_SIDE / max(page.get_size())
        png = pdf_page.page_png(page, scale, rotation=row["turn"])
    url = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    picture = {"type": "image_url", "image_url": {"url": url}}
    return [{"role": "user", "content": [{"type": "text", "text": PROMPT}, picture]}]


def read(scans, raw_path, args):
    """{(path, index): Markdown} of the pages that olmOCR's model could read; raw answers are kept
    and not asked twice.

    A page that was cut off, or that the model found turned, is asked again, warmer and upright: at
    most len(TEMPERATURES) times.
    """
    answers, left = {}, [{"path": path, "index": index, "turn": 0} for path, index in scans]
    for number, temperature in enumerate(TEMPERATURES):
        rows, left = left, []
        for row in rows:
            row["id"] = f"{r.file_hash(row['path'])[:16]}-{row['index'] + 1}-{number}"
        path = raw_path.with_name(raw_path.name.replace(".raw.", f".ocr{number}.raw."))
        batch_generate.generate_jsonl(
            rows,
            to_messages,
            path,
            model=args.model,
            base_url=args.base_url,
            workers=args.workers,
            temperature=temperature,
            max_tokens=8000,
            fresh=args.fresh,
        )
        for row, raw in batch_generate.read_raw(rows, path):
            turn = rotation_of(raw["response"]) if raw else 0
            if raw and raw["finish_reason"] != "length" and not turn:
                answers[row["path"], row["index"]] = parse(raw["response"])
            else:
                left.append({**row, "turn": (row["turn"] + turn) % 360})
        if not left:
            break
    return answers


NEEDED = {
    "olmocr": "--base-url and --model of olmOCR's model",
    "tesseract": "the command tesseract (apt-get install tesseract-ocr)",
}


def choose(args):
    """ "olmocr", "tesseract" or "none" for --ocr; BadInput where what is asked for is not there."""
    if args.base_url and not args.model:
        raise r.BadInput("--base-url: name the OCR model with --model")
    tesseract = shutil.which("tesseract") is not None
    have = {"olmocr": bool(args.base_url), "tesseract": tesseract, "none": True}
    reader = next(name for name in have if have[name]) if args.ocr == "auto" else args.ocr
    if not have[reader]:
        raise r.BadInput(f"--ocr {reader} needs {NEEDED[reader]}")
    if args.ocr_pages != "scans" and reader != "olmocr":
        needed = NEEDED["olmocr"]
        raise r.BadInput(f"--ocr-pages {args.ocr_pages} is for olmOCR alone, which needs {needed}")
    return reader
