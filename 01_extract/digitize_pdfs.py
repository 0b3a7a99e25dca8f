"""Turn books (PDF, Markdown, text, JSONL) into plain text, one row a document.

    python 01_extract/digitize_pdfs.py --input books/ more/notes.pdf --output documents.jsonl

in   files, or folders that are walked: .pdf .md .txt .jsonl(.gz) (rows with `text`); README,
     LICENSE and SOURCES files are skipped and listed
out  one row a document: id, title, subject (by the file's name: physics_mechanics.pdf, else null),
     text (headings marked "#"), pages ([[page number, character offset where it starts], ...] or
     null), source (file name), license (from --metadata, --license, front matter, or a statement on
     the first pages, else null); where there are some, unread_formulas: the number of fractions,
     roots and sums that are "[unread formula]" in the text

One bad page costs that page: it is rejected with doc, page and reason. A broken or encrypted PDF, an
empty file and a second copy of the same text are rejected by name.

Scanned pages (--ocr auto): olmOCR where its model is served behind --base-url, else tesseract, else
rejected.
    vllm serve allenai/olmOCR-2-7B-1025-FP8    then  --base-url http://localhost:8000/v1 --model allenai/olmOCR-2-7B-1025-FP8
    apt-get install tesseract-ocr
A killed run goes on where it stopped, document by document. About 80 pages/s a core with a text
layer, 0.7 with tesseract.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import collections
import csv
import functools
import io
import itertools
import json
import os
import re
import shutil

from pdf import formulas as pdf_formulas
from pdf import olmocr as ocr_olmocr
from pdf import page as pdf_page
from pdf import text as pdf_text
from pdf import workers as pdf_workers

import rows as r

SUBJECTS = "biology chemistry computer_science economics mathematics medicine physics".split()
SUFFIXES = (".pdf", ".md", ".markdown", ".txt", ".jsonl", ".jsonl.gz")
NOT_BOOKS = re.compile(
    r"(readme|licen[cs]e|sources|copying|notice|contributing|changelog)\b.*", re.IGNORECASE
)
SCAN = "no text layer"  # the kind of a page to be read by OCR, and the reason without one


# ---- which files ----


def suffix_of(path):
    return next((suffix for suffix in SUFFIXES if path.name.lower().endswith(suffix)), None)


def files_of(given):
    """[(path, source name)] of an input; raises BadInput where it is not there or of no known
    kind."""
    if given.is_dir():
        inside = [path for path in sorted(given.rglob("*")) if path.name[0] != "."]
        return [(path, path.relative_to(given).as_posix()) for path in inside if path.is_file()]
    if not given.exists():
        raise r.BadInput(f"--input {given}: there is no such file or folder")
    if not suffix_of(given):
        raise r.BadInput(f"--input {given}: only {', '.join(SUFFIXES)} can be read")
    return [(given, given.name)]


def find_files(inputs):
    """[(path, source name)] of the files to read; says which were skipped."""
    found, skipped = [], []
    for path, source in itertools.chain(*map(files_of, map(Path, inputs))):
        is_book = suffix_of(path) and not NOT_BOOKS.fullmatch(path.name)
        (found if is_book else skipped).append((path, source))
    if not found:
        raise r.BadInput(
            f"--input {' '.join(inputs)}: no file that can be read ({', '.join(SUFFIXES)})"
        )
    if skipped:
        names = ", ".join(source for _, source in skipped[:20]) + " ..." * (len(skipped) > 20)
        r.say(f"skipped {len(skipped)}: {names}")
    return found


# ---- what is known of a document beside its text ----

# how the name or address of a licence begins
LICENSE = re.compile(
    r"(?i)\bCC[ -]?(?:BY|0|Zero)(?![a-z])|Creative ?Commons|GNU Free Documentation"
)
LICENSE_TALK = re.compile(r"(?i)licen[cs]e|copyright|©|\brights\b|permission")
PICTURE = re.compile(  # "(credit: NASA, CC BY)", "Cover photo: CC BY 2.0"
    r"(?i)\bcredits?\b|\[Figure|\b(?:photo\w*|images?|pictures?|cover)\b[^.\n]{0,60}(?:CC|licen)"
)


def find_license(start):
    """Licence stated near a book's beginning, as "CC BY-SA 4.0", or null: its name or address in a
    paragraph that speaks of licence, copyright or rights, or alone on a line."""
    for paragraph in re.split(r"\n\s*\n", start):
        lines = [line.strip(" \t*_#>") for line in paragraph.split("\n")]
        alone = any(LICENSE.match(line) and len(line.split()) < 9 for line in lines)
        if not (alone or LICENSE_TALK.search(paragraph)) or PICTURE.search(paragraph):
            continue
        # an address may run over a line end
        text = re.sub(r"(?<=[-/])\s+", "", " ".join(paragraph.split()))
        places = itertools.islice(LICENSE.finditer(text), 4)  # 25 ms each
        names = [r.license_id(text[at.start() :][:100]) for at in places]
        known = [name for name in names if name.startswith(("cc-by", "cc0", "gfdl", "public"))]
        if known:  # the fullest: "Creative Commons Attribution License (CC BY 4.0)"
            name = max(known, key=len).upper()
            if name.startswith("GFDL"):
                return "GNU Free Documentation License"  # license_id() names a version, the book may not
            return re.sub(r"-(?=\d)", " ", name).replace("CC-", "CC ")
    return None


# "Microsoft Word - thesis.doc"
NO_TITLE = re.compile(
    r"(?i)^(untitled|microsoft word|document\d*$)|\.(tex|dvi|docx?|pdf|indd|qxd)\b"
)
BOOK_FIELDS = ("title", "authors", "url", "isbn", "license", "restricted")


@functools.cache
def read_metadata(path):
    """What a table of books (CSV with a column `file` and any of BOOK_FIELDS) says: {file name or
    path below the input: fields}; `restricted` is true or absent. Raises BadInput for another
    column, or a file named twice."""
    if not path:
        return {}
    table = csv.DictReader(io.StringIO(decode(Path(path).read_bytes())))
    columns, known = set(table.fieldnames or ()), {"file", *BOOK_FIELDS}
    if wrong := columns - known or {"file"} - columns:
        fault = "unknown" if columns & wrong else "no"
        fields = ", ".join(("file", *BOOK_FIELDS))
        raise r.BadInput(f"--metadata {path}: {fault} column {min(wrong)!r}; there are {fields}")
    books = {}
    for row in table:
        if row["file"] in books:
            line = table.line_num
            raise r.BadInput(f"--metadata {path}, line {line}: {row['file']} is named twice")
        book = {field: row[field].strip() for field in BOOK_FIELDS if row.get(field)}
        if book.pop("restricted", "no").lower() in ("yes", "true", "1", "x", "restricted"):
            book["restricted"] = True
        books[row["file"]] = book
    return books


def subject_of(name):
    """Subject by a file name's prefix, or null."""
    plain = re.sub(r"[\s-]+", "_", Path(name).name.lower())
    return next((subject for subject in SUBJECTS if re.match(rf"{subject}(?![a-z])", plain)), None)


def title_of(text, given, source):
    """The stated title where it is one, else the first heading, else the file's name."""
    given = " ".join(str(given or "").split())
    if len(given) > 2 and not NO_TITLE.search(given):
        return given
    heading = re.search(r"^#{1,2} +(.+)$", text[:20_000], re.MULTILINE)
    return heading[1].strip("# *")[:200] if heading else Path(source).stem.replace("_", " ")


def split_front_matter(text):
    """(texts and numbers of a Markdown file's front matter as texts, text below it)."""
    import yaml

    match = re.match(r"---[ \t]*\n(.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|$)", text, re.DOTALL)
    try:
        fields = yaml.safe_load(match[1]) if match else None
    except (yaml.YAMLError, RecursionError, ValueError):  # "[[[[..." nests too deep
        fields = None
    if not isinstance(fields, dict):
        return {}, text
    # lists that hold each other ("&b [*a, *a]" nine times over) become 10 GB as a text
    plain = {str(k).lower(): str(v) for k, v in fields.items() if isinstance(v, str | int | float)}
    return plain, text[match.end() :]


def make_row(text, source, args, stated, pages=None, start=None, **more):
    """A document row; what is stated of it (title, subject, license) gives way to the table of
    books. The id is made of the file's name and a hash of the text."""
    text = text.strip("\n")
    name = re.sub(r"[^\w.-]+", "_", Path(source).stem)[:60]
    books = read_metadata(args.metadata)
    book = dict(books.get(source) or books.get(Path(source).name) or {})
    license = book.pop("license", None) or args.license or stated.get("license")
    return {
        "id": f"{name}-{r.text_hash(text)[:10]}",
        "title": title_of(text, book.pop("title", None) or stated.get("title"), source),
        "subject": stated.get("subject") or subject_of(source),
        "text": text,
        "pages": pages,
        "source": source,
        "license": license or find_license(start or text[:3000]),
        **book,
        **more,
    }


def refused(source, reason, detail=None, **more):
    """A file that gave no text, with the reason."""
    return {"id": f"{source}#file", "source": source, **more, "detail": detail}, reason


# ---- Markdown, text, JSONL: [(row, None, or the reason why it does not go on), ...] ----


def decode(data):
    """Text of a file's bytes: UTF-8, UTF-16 with its mark, else Windows-1252. Raises ValueError for
    binary data."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16")
    if b"\0" in data[:100_000]:
        raise ValueError("not a text file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def read_plain(path, source, args):
    """The row of a Markdown or text file."""
    try:
        text = decode(path.read_bytes()).replace("\r\n", "\n").replace("\r", "\n")
    except ValueError as error:
        return [refused(source, "broken file", str(error))]
    stated, body = split_front_matter(text)
    if not body.strip():
        return [refused(source, "no text")]
    stated.setdefault("license", stated.get("licence"))
    return [(make_row(body, source, args, stated), None)]


def read_rows(path, source, args):
    """The rows of a JSONL file, one by one; their own title, subject, pages, source and license are
    kept."""
    for row in r.read(path, "text?", "title?", "subject?", "pages?", limit=args.limit):
        name = row.get("source") or source
        if not (row.get("text") or "").strip():
            yield [({**row, "source": name}, "no text")]
            continue
        made = make_row(row["text"], name, args, row, row.get("pages"))
        # the text as it came: the offsets of its pages count from there
        yield [({**row, **made, "id": row["id"], "text": row["text"]}, None)]


# ---- a PDF from its pages: {page index, -1 for the whole file: (kind, value)}; the kind is "lines"
# (value: a list of Line, or Markdown by a model), else the reason why there are none ----


def finish_pdf(source, title, found, args):
    """The row of a PDF, and a rejected row for each page that gave none."""
    pages = [(index + 1, *outcome) for index, outcome in sorted(found.items())]
    read = [(number, value) for number, kind, value in pages if kind == "lines"]
    lost = [page for page in pages if page[1] != "lines"]
    text, offsets = pdf_text.assemble(read)
    more = {"n_pages": max(found) + 1}
    if not text.strip():
        return [refuse_pdf(source, lost, more)]
    if unread := text.count(pdf_formulas.MARK):
        more["unread_formulas"] = unread
    start = next((offset for page, offset in offsets if page > 8), len(text))
    row = make_row(text, source, args, {"title": title}, offsets, text[:start], **more)
    return [(row, None), *(lost_page(row, *page) for page in lost)]


def refuse_pdf(source, lost, more):
    """A PDF without text: rejected for what most of its pages lack."""
    reasons = collections.Counter(reason for _, reason, _ in lost) or {"no text": 1}
    broken = next((detail for number, _, detail in lost if not number), None)
    return refused(source, max(reasons, key=reasons.get), broken, **more)


def lost_page(row, number, reason, detail):
    """A page without text of the document `row`, with the reason."""
    doc = row["id"]
    page = {"id": f"{doc}#page{number}", "source": row["source"], "doc": doc, "page": number}
    return {**page, "detail": detail}, reason


def ahead(items, n):
    """The items of an iterable, n of which are made before the first is handed out."""
    items = iter(items)
    waiting = collections.deque(itertools.islice(items, n))
    while waiting:
        yield waiting.popleft()
        waiting.extend(itertools.islice(items, 1))


def read_pdfs(todo, ocr, step, args):
    """Read the PDFs of todo, (path, source, place of what is made) each; several are under way at
    once. What is done stays on disk while a run is under way, so that a killed run keeps it."""
    to_olmocr = []
    with pdf_workers.Readers(args.workers) as readers:
        begun = ahead((readers.begin(path) for path, *_ in todo), 2 * args.workers)
        for (path, source, place), (title, found, tasks) in zip(todo, begun, strict=True):
            found |= readers.collect(tasks)
            asked = pages_to_ocr(found, args.ocr_pages)
            if asked and ocr == "olmocr":
                to_olmocr.append((path, source, place, title, found, asked))
                continue
            if asked and ocr == "tesseract":
                found |= readers.collect(readers.ask(path, asked, args.language))
            r.write_json(place, finish_pdf(source, title, found, args))
    asked = [(path, index) for path, *_, indices in to_olmocr for index in indices]
    texts = ocr_olmocr.read(asked, step.raw_path, args) if asked else {}
    for path, source, place, title, found, indices in to_olmocr:
        found |= {i: ocr_outcome(found[i], texts.get((path, i))) for i in indices}
        r.write_json(place, finish_pdf(source, title, found, args))


def pages_to_ocr(found, which):
    """Indices of the pages that go to OCR: scans, also those with formulas that no line of text
    holds, or all that are not blank."""

    def is_asked(kind, lines):
        if kind != "lines" or which == "scans":
            return kind == SCAN
        return which == "all" or any(pdf_formulas.MARK in line.text for line in lines)

    return [index for index, outcome in sorted(found.items()) if is_asked(*outcome)]


def ocr_outcome(before, text):
    """What a page is after OCR; where that failed, a page with a text layer keeps it."""
    if text is None:
        return before if before[0] == "lines" else ("ocr failed", "olmOCR gave no whole answer")
    return ("lines", text) if text else ("blank page", None)


# ---- the command ----


def emit(made, step, seen):
    """Hand a document and its rejected pages to the step; a text that was there already is
    rejected."""
    step.counts["in"] += 1
    step.split(len(made))
    for row, reason in made:
        if reason:
            step.reject(row, reason)
            continue
        same = r.text_hash(" ".join(row["text"].split()))
        if same in seen:
            del row["text"]
            step.reject(row, "duplicate", duplicate_of=seen[same])
            continue
        seen[same] = row["source"]
        if ("id", row["id"]) in seen:  # two files of rows may both count from 1
            row["id"] += f"-{same[:8]}"
        seen["id", row["id"]] = True
        step.keep(row)


def options_of():
    parser = r.parser(__doc__, "output", "limit", "workers", "fresh")
    add = parser.add_argument
    table = f"table of the books (.csv), comes first: file, {', '.join(BOOK_FIELDS)}"
    stated = "licence of all documents, e.g. 'CC BY 4.0' (default: as stated, else null)"
    asked = "which pages: without text (default), also with fractions, roots and sums, or all"
    add("--input", nargs="+", required=True, metavar="PATH", help="files or folders")
    add("--metadata", metavar="FILE", help=table)
    add("--license", metavar="L", help=stated)
    readers = ("auto", "olmocr", "tesseract", "none")
    add("--ocr", choices=readers, default="auto", help="reader of pages without a text layer")
    add("--ocr-pages", choices=("scans", "formulas", "all"), default="scans", help=asked)
    add("--language", default="eng", metavar="L", help="tesseract's, e.g. eng+deu (default eng)")
    add("--base-url", metavar="URL", help="OpenAI-compatible endpoint of olmOCR's model")
    add("--model", metavar="M", help="name of olmOCR's model at the endpoint")
    args = parser.parse_args()
    args.workers = args.workers or len(os.sched_getaffinity(0))
    return args


def documents_in(path, source, place, args):
    """What was made of each document in a file; of a PDF it stands on disk."""
    kind = suffix_of(path)
    if kind == ".pdf":
        return [json.loads(place.read_text(encoding="utf-8"))]
    if kind.startswith(".jsonl"):
        return read_rows(path, source, args)
    return [read_plain(path, source, args)]


def main():
    args = options_of()
    files = find_files(args.input)[: args.limit]
    modules = (pdf_page, pdf_text, pdf_formulas, pdf_workers, ocr_olmocr)
    tables = [args.metadata] if args.metadata else []
    step = r.Step(args, inputs=[*args.input, *tables], code=modules)
    if step.finished():
        return
    ocr = ocr_olmocr.choose(args)
    done = r.beside(args.output, "done")
    if args.fresh:
        shutil.rmtree(done, ignore_errors=True)
    done.mkdir(parents=True, exist_ok=True)
    tables = list(map(r.file_hash, tables))
    same = r.text_hash(step.same_if["options"], step.same_if["code"], ocr, *tables)
    places, todo = {}, []
    for path, source in files:
        places[path] = done / f"{r.text_hash(source, r.file_hash(str(path)), same)}.json"
        if suffix_of(path) == ".pdf" and not places[path].exists():
            todo.append((str(path), source, places[path]))
    read_pdfs(todo, ocr, step, args)
    seen, limit = {}, args.limit or sys.maxsize
    for path, source in files:
        for made in documents_in(path, source, places[path], args):
            if step.counts["in"] < limit:
                emit(made, step, seen)
    step.finish(ocr=ocr)
    shutil.rmtree(done)


if __name__ == "__main__":
    r.run(main)
