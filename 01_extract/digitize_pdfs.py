"""Turn books into plain text: PDF (text layer, or OCR for scanned pages), Markdown, text and JSONL files into one row a document.

    python 01_extract/digitize_pdfs.py --input books/ more/notes.pdf --output documents.jsonl

in   files, or folders that are walked: .pdf .md .txt .jsonl(.gz) (rows with `text`); README, LICENSE and SOURCES files are skipped and listed
out  one row a document: id, title, subject (one of the seven by the file name's prefix, e.g. physics_mechanics.pdf, else null), text (headings
     marked "#"), pages ([[page number, character offset where it starts], ...], null where the source has no pages), source (file name),
     license (from --license, front matter, or a statement on the first pages, else null); where there are some: formula_pages (with fractions,
     roots or sums, which stand as "[unread formula]" in the text) and unread_formulas (their number)

One bad page costs that page: it stands in documents.rejected.jsonl with doc and page, reason "page unreadable", "blank page", "no text layer" (a
scan and no OCR at hand) or "ocr failed". A broken or encrypted PDF, an empty file and a second copy of the same text are rejected with their name.

Scanned pages (--ocr auto): olmOCR where it is installed (it needs an NVIDIA GPU) or served behind --base-url, else tesseract, else rejected.
    --olmocr PYTHON                                      # of an environment with olmocr: its command line reads those pages
    vllm serve allenai/olmOCR-2-7B-1025-FP8    then  --ocr olmocr --base-url http://localhost:8000/v1 --model allenai/olmOCR-2-7B-1025-FP8
    apt-get install tesseract-ocr
A killed run goes on where it stopped, document by document. About 80 pages/s a core with a text layer, 0.7 with tesseract.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import collections
import csv
import functools
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
    name = path.name.lower()
    return next((suffix for suffix in reversed(SUFFIXES) if name.endswith(suffix)), None)


def files_of(given):
    """[(path, source name)] of an input; raises BadInput for a path that is not there or of an
    unknown kind."""
    if not given.exists():
        raise r.BadInput(f"--input {given}: there is no such file or folder")
    if given.is_dir():
        inside = sorted(p for p in given.rglob("*") if p.is_file() and p.name[0] != ".")
        return [(path, path.relative_to(given).as_posix()) for path in inside]
    if not suffix_of(given):
        raise r.BadInput(f"--input {given}: only {', '.join(SUFFIXES)} can be read")
    return [(given, given.name)]


def find_files(inputs):
    """[(path, source name)] of the files to read; says which were skipped. A README that is named
    alone is meant."""
    found, skipped = [], []
    alone = len(inputs) == 1 and Path(inputs[0]).is_file()
    for path, source in itertools.chain(*(files_of(Path(given)) for given in inputs)):
        is_book = suffix_of(path) and not NOT_BOOKS.fullmatch(path.name)
        (found if is_book or alone else skipped).append((path, source))
    if not found:
        names = " ".join(map(str, inputs))
        raise r.BadInput(f"--input {names}: no file of a kind that can be read ({SUFFIXES})")
    if skipped:
        names = ", ".join(source for _, source in skipped[:20]) + " ..." * (len(skipped) > 20)
        r.say(f"skipped {len(skipped)}: {names}")
    return found


# ---- what is known of a document beside its text ----

LICENSE_NAMES = re.compile(
    r"CC[ -]?(?:BY(?:[ -](?:NC|SA|ND))*|0|Zero)(?:[ -]?(?:v(?:ersion)? ?)?\d\.\d)?|Creative\s+Commons\s+(?:Attribution|Zero)"
    r"(?:[- ]*(?:Non-?Commercial|Share-?Alike|No-?Deriv\w+))*(?:\s+(?:\d\.\d|v?\d\b))?(?:\s+International)?|"
    r"GNU\s+Free\s+Documentation\s+Licen[cs]e",
    re.IGNORECASE,
)
BARE_LICENSE = re.compile(rf"^[ \t*_#>]*(?:{LICENSE_NAMES.pattern})[ \t*_.]*$", re.I | re.M)
PUBLIC_DOMAIN = re.compile(  # of the work itself; not "Dickens is in the public domain; all rights reserved for the rest"
    r"""(?xi)
    \A\W*(?:licen[cs]e\W+)?public\s+domain\W*\Z          # "License: public domain"
    | \b(?:this|the)\s(?:\w+\s){0,2}(?:book|work|text|edition|document|chapter)s?\b[^.;]{0,60}\bpublic\s+domain
    | \b(?:released|placed|dedicated)\s+(?:in)?to\s+the\s+public\s+domain"""
)
LICENSE_URL = re.compile(
    r"creativecommons\.org/(?:licenses|publicdomain)/[a-z-]+/\d\.\d", re.IGNORECASE
)
LICENSE_TALK = re.compile(r"licen[cs]e|copyright|©|\brights\b|public\s+domain|permission", re.I)
PICTURE = re.compile(  # "(credit: NASA, public domain)", "Cover photo: CC BY 2.0"
    r"\bcredits?\b|\[Figure|\b(?:photo\w*|images?|pictures?|cover)\b[^.\n]{0,60}(?:CC|licen)", re.I
)


def find_license(start):
    """Licence stated near a book's beginning, or null: its name or address in a paragraph that
    speaks of licence, copyright or rights, or its name alone on a line.

    Credits of pictures are passed over: they speak of the picture alone.
    """
    for paragraph in re.split(r"\n\s*\n", start):
        talk = LICENSE_TALK.search(paragraph) or BARE_LICENSE.search(paragraph)
        if PICTURE.search(paragraph) or not talk:
            continue
        address = LICENSE_URL.search(re.sub(r"\s+", "", paragraph))
        if name := address or LICENSE_NAMES.search(paragraph):
            return short_license(re.sub(r"\s+", " ", name[0]))
        reserved = re.search(r"all\s+rights\s+reserved", paragraph, re.I)
        if PUBLIC_DOMAIN.search(paragraph) and not reserved:
            return "public domain"
    return None


def short_license(name):
    """CC BY-SA 4.0 for "Creative Commons Attribution-ShareAlike 4.0 International" or its address;
    other names as they are."""
    short = r.license_id(name)
    if not short.startswith("cc"):
        return name
    return re.sub(r"-(?=\d)", " ", short.upper()).replace("CC-", "CC ")


# "Microsoft Word - thesis.doc"
NO_TITLE = re.compile(
    r"^(untitled|microsoft word|document\d*$)|\.(tex|dvi|docx?|pdf|indd|qxd)\b", re.IGNORECASE
)
BOOK_FIELDS = ("title", "authors", "url", "isbn", "license", "restricted")


@functools.cache
def read_metadata(path):
    """What a table of books (CSV with a column `file` and any of BOOK_FIELDS) says: {file name or
    path below the input: fields}. Raises BadInput for another column, or a file named twice."""
    books = {}
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file)
            columns = set(table.fieldnames or ())
            if wrong := columns - {"file", *BOOK_FIELDS} or {"file"} - columns:
                raise r.BadInput(
                    f"--metadata {path}, line 1: {'unknown' if columns & wrong else 'no'} column {min(wrong)!r}; "
                    f"there are file, {', '.join(BOOK_FIELDS)}"
                )
            for number, row in enumerate(table, 2):
                name = row.pop("file")
                if name in books:
                    raise r.BadInput(f"--metadata {path}, line {number}: {name} is named twice")
                stated = {field: (row.get(field) or "").strip() for field in BOOK_FIELDS}
                books[name] = {field: value for field, value in stated.items() if value}
    except (OSError, UnicodeDecodeError) as error:
        raise r.BadInput(f"--metadata {path}: cannot be read ({error})") from None
    return books


def book_of(source, path):
    """The fields that the table of books has for a document; `restricted` as true or absent."""
    books = read_metadata(path) if path else {}
    book = dict(books.get(source) or books.get(Path(source).name) or {})
    if book.pop("restricted", "no").lower() in ("yes", "true", "1", "x", "restricted"):
        book["restricted"] = True
    return book


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
    """(dict of a Markdown file's front matter, text below it)."""
    import yaml

    match = re.match(r"---[ \t]*\n(.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|$)", text, re.DOTALL)
    try:
        fields = yaml.safe_load(match[1]) if match else None
    except (yaml.YAMLError, RecursionError, ValueError):  # "[[[[..." nests too deep
        fields = None
    if not isinstance(fields, dict):
        return {}, text
    # lists that hold each other ("&b [*a, *a]" nine times over) become 10 GB as a text
    plain = {key: value for key, value in fields.items() if isinstance(value, str | int | float)}
    return {str(key).lower(): str(value) for key, value in plain.items()}, text[match.end() :]


def make_row(text, source, args, pages=None, start=None, more=(), **stated):
    """A document row; what is stated of it (title, subject, license) gives way to the table of
    books. The id is made of the file's name and a hash of the text."""
    text = text.strip("\n")
    name = re.sub(r"[^\w.-]+", "_", Path(source).stem)[:60]
    book = book_of(source, args.metadata)
    license = book.pop("license", None) or args.license or stated.get("license")
    return {
        "id": f"{name}-{r.text_hash(text)[:10]}",
        "title": title_of(text, book.pop("title", None) or stated.get("title"), source),
        "subject": args.subject or stated.get("subject") or subject_of(source),
        "text": text,
        "pages": pages,
        "source": source,
        "license": license or find_license(start or text[:3000]),
        **book,
        **dict(more),
    }


# ---- Markdown, text, JSONL ----


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
    """Outcome of a Markdown or text file: {"row": ..., "rejected": [...]}."""
    try:
        text = decode(path.read_bytes()).replace("\r\n", "\n").replace("\r", "\n")
    except ValueError as error:
        return refused(source, "broken file", str(error))
    stated, body = split_front_matter(text)
    if not body.strip():
        return refused(source, "no text")
    stated.setdefault("license", stated.get("licence"))
    stated = {name: stated.get(name) for name in ("title", "subject", "license")}
    return {"row": make_row(body, source, args, **stated), "rejected": []}


def refused(source, reason, detail=None):
    """Outcome of a document that gave no text."""
    return {"row": None, "rejected": [bad_row(f"{source}#file", source, reason, detail)]}


def bad_row(id_, source, reason, detail=None, **more):
    """A rejected row that says which document or page gave no text."""
    more |= {"detail": detail} if detail else {}
    return {"id": id_, "source": source, "reason": reason, **more}


def read_rows(path, source, args):
    """Outcomes of a JSONL file's rows, one by one; their own title, subject, pages, source and
    license are kept."""
    for row in r.read(path, "text?", "title?", "subject?", "pages?", limit=args.limit):
        name = row.get("source") or source
        if not (row.get("text") or "").strip():
            yield {"row": None, "rejected": [{**row, "source": name, "reason": "no text"}]}
            continue
        stated = {field: row.get(field) for field in ("title", "subject", "license")}
        made = make_row(row["text"], name, args, row.get("pages"), **stated)
        # offsets count from the text as it came
        text = row["text"] if row.get("pages") else made["text"]
        yield {"row": {**row, **made, "text": text, "id": row["id"]}, "rejected": []}


# ---- a PDF from its pages ----


READ = ("lines", "markdown")  # kinds of pages that were read; all others are reasons


def finish_pdf(source, title, found, args):
    """Outcome of a PDF: its row, and a rejected row for each page that gave none."""
    found = {index + 1: page for index, page in sorted(found.items())}
    bad = {number: page for number, page in found.items() if page[0] not in READ}
    read = {number: page[1] for number, page in found.items() if number not in bad}
    text, offsets = pdf_text.assemble(list(read.items()))
    if not text.strip():
        common = collections.Counter(reason for reason, _ in bad.values()) or {"no text": 1}
        outcome = refused(source, max(common, key=common.get))
        outcome["rejected"][0]["n_pages"] = len(found)
        return outcome
    more = {"n_pages": len(found)}
    if unread := {number: count for number in read if (count := formulas_of(read[number]))}:
        more |= {"formula_pages": list(unread), "unread_formulas": sum(unread.values())}
    start = next((offset for page, offset in offsets if page > 8), len(text))
    row = make_row(text, source, args, offsets, text[:start], more, title=title)
    rejected = [
        bad_row(f"{row['id']}#page{number}", source, *page, doc=row["id"], page=number)
        for number, page in bad.items()
    ]
    return {"row": row, "rejected": rejected}


def read_pdfs(todo, ocr, step, args):
    """Read the PDFs of todo, (path, source, place of the outcome) each; several are under way at
    once. What is done stays on disk while a run is under way, so that a killed run keeps it."""
    readers = pdf_workers.Readers(args.workers)
    bar = r.progress(total=0, desc="pages", unit="page")
    to_olmocr = []

    def begin(item):
        count, title = readers.probe(item[0])
        if isinstance(count, str):
            return item, title, None, count
        bar.total += count
        return item, title, readers.ask(item[0], range(count)), None

    try:
        begun = map(begin, todo)
        waiting = collections.deque(itertools.islice(begun, 2 * args.workers))
        while waiting:
            (path, source, place), title, futures, broken = waiting.popleft()
            waiting.extend(itertools.islice(begun, 1))
            if broken:
                r.write_json(place, refused(source, broken, title))
                continue
            found = readers.collect(path, futures, bar)
            asked = pages_to_ocr(found, args.ocr_pages)
            if asked and ocr == "olmocr":
                to_olmocr.append((path, source, place, title, found, asked))
                continue
            if asked and ocr == "tesseract":
                scans = readers.ask(path, asked, args.language)
                found |= readers.collect(path, scans, bar, args.language)
            r.write_json(place, finish_pdf(source, title, found, args))
    finally:
        readers.close()
        bar.close()
    if not to_olmocr:
        return
    asked = [(path, index) for path, *_, indices in to_olmocr for index in indices]
    texts = ocr_olmocr.read(asked, step.raw_path, args)
    for path, source, place, title, found, indices in to_olmocr:
        found |= {i: ocr_outcome(found[i], texts.get((path, i))) for i in indices}
        r.write_json(place, finish_pdf(source, title, found, args))


def pages_to_ocr(found, which):
    """Indices of the pages that go to OCR: scans, also those with formulas that no line of text
    holds, or all that are not blank."""
    asked = []
    for index, (kind, value) in sorted(found.items()):
        wanted = kind == "lines" and (which == "all" or which == "formulas" and formulas_of(value))
        if kind == SCAN or wanted:
            asked.append(index)
    return asked


def ocr_outcome(before, text):
    """What a page is after OCR; where that failed, a page with a text layer keeps it."""
    if text is None:
        return before if before[0] == "lines" else ("ocr failed", "olmOCR gave no whole answer")
    return ("markdown", text) if text else ("blank page", None)


def formulas_of(page):
    """Number of formulas on a page that could not be read; none on one that a model wrote."""
    lines = () if isinstance(page, str) else page
    return sum(line.text.count(pdf_formulas.MARK) for line in lines)


def emit(outcome, step, seen, source):
    """Hand a document and its rejected pages to the step; a text that was there already is
    rejected."""
    row, rejected = outcome["row"], outcome["rejected"]
    step.counts["in"] += 1
    step.split(len(rejected) + (row is not None))
    for bad in rejected:
        step.reject(bad, bad["reason"])
    if row is None:
        return
    same = r.text_hash(" ".join(row["text"].split()))
    if same in seen:
        del row["text"]
        step.reject(row, "duplicate", duplicate_of=seen[same])
        return
    seen[same] = row["source"]
    if ("id", row["id"]) in seen:  # two files of rows may both count from 1
        row["id"] += f"-{same[:8]}"
    seen["id", row["id"]] = True
    step.keep(row)


def options_of():
    """The options of the command."""
    parser = r.parser(__doc__, "output", "limit", "workers", "fresh")
    add = parser.add_argument
    table = f"table of the books (.csv), comes first: file, {', '.join(BOOK_FIELDS)}"
    stated = "licence of all documents, e.g. 'CC BY 4.0' (default: as stated, else null)"
    ocr = ("auto", "olmocr", "tesseract", "none")
    add("--input", nargs="+", required=True, metavar="PATH", help="files or folders")
    add("--subject", choices=SUBJECTS, help="of all documents (default: by the file name's prefix)")
    add("--metadata", metavar="FILE", help=table)
    add("--license", metavar="L", help=stated)
    add("--ocr", choices=ocr, default="auto", help="reader of pages without a text layer")
    add("--language", default="eng", metavar="L", help="tesseract's, e.g. eng+deu (default eng)")
    add("--base-url", metavar="URL", help="OpenAI-compatible endpoint of olmOCR's model")
    add("--model", metavar="M", help="name of olmOCR's model at the endpoint")
    add(
        "--ocr-pages",
        choices=("scans", "formulas", "all"),
        default="scans",
        help="pages that go to OCR: those without text (default), also those with fractions, roots and sums, or all",
    )
    add(
        "--olmocr",
        default=os.environ.get("OLMOCR_PYTHON", sys.executable),
        metavar="PYTHON",
        help="Python of the environment that has olmocr (default: OLMOCR_PYTHON, else this one)",
    )
    args = parser.parse_args()
    args.workers = args.workers or len(os.sched_getaffinity(0))
    return args


def outcomes_of(path, source, place, args):
    """Outcomes of the documents in a file; those of PDFs stand on disk."""
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
    same = r.text_hash(step.same_if["options"], step.same_if["code"], ocr)
    places = {
        path: done / f"{r.text_hash(source, r.file_hash(str(path)), same)}.json"
        for path, source in files
    }
    todo = [
        (str(path), source, places[path])
        for path, source in files
        if suffix_of(path) == ".pdf" and not places[path].exists()
    ]
    if todo:
        read_pdfs(todo, ocr, step, args)
    seen, limit = {}, args.limit or sys.maxsize
    for path, source in files:
        for outcome in outcomes_of(path, source, places[path], args):
            if step.counts["in"] < limit:
                emit(outcome, step, seen, source)
    step.finish(ocr=ocr)
    shutil.rmtree(done)
    shutil.rmtree(r.beside(args.output, "olmocr"), ignore_errors=True)


if __name__ == "__main__":
    r.run(main)
