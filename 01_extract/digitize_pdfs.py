"""Turn books into plain text: PDF (text layer, or OCR for scanned pages), Markdown, text and JSONL files into one row a document.

    python 01_extract/digitize_pdfs.py --input books/ more/notes.pdf --output documents.jsonl

in   files, or folders that are walked: .pdf .md .txt .jsonl(.gz) (rows with `text`); README, LICENSE and SOURCES files are skipped and listed
out  one row a document: id, title, subject (one of the seven by the file name's prefix, e.g. physics_mechanics.pdf, else null), text (headings
     marked "#"), pages ([[page number, character offset where it starts], ...], null where the source has no pages), source (file name),
     license (from --license, front matter, or a statement on the first pages, else null); where there are some: empty_pages, formula_pages (with
     fractions, roots or sums, which stand as "[unread formula]" in the text) and unread_formulas (their number)

One bad page costs that page: it stands in documents.rejected.jsonl with doc and page, reason "page unreadable", "no text layer" (a scan and no
OCR at hand) or "ocr failed". A broken or encrypted PDF, an empty file and a second copy of the same text are rejected with their name.

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
PAGES_A_TASK = 16


# ---- which files ----


def suffix_of(path):
    name = path.name.lower()
    return next((suffix for suffix in reversed(SUFFIXES) if name.endswith(suffix)), None)


def is_book(path):
    return suffix_of(path) and not NOT_BOOKS.fullmatch(path.name)


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
    alone = len(inputs) == 1 and Path(inputs[0]).is_file()
    every = [pair for given in inputs for pair in files_of(Path(given))]
    found = [pair for pair in every if alone or is_book(pair[0])]
    if not found:
        raise r.BadInput(
            f"--input {' '.join(map(str, inputs))}: no file of a kind that can be read ({', '.join(SUFFIXES)})"
        )
    if skipped := [source for path, source in every if (path, source) not in found]:
        names = ", ".join(skipped[:20]) + " ..." * (len(skipped) > 20)
        r.say(f"skipped {len(skipped)}: {names}")
    return found


# ---- what is known of a document beside its text ----

LICENSE_NAMES = re.compile(
    r"CC[ -](?:BY(?:[ -](?:NC|SA|ND))*|0|Zero)(?:[ -]?(?:v(?:ersion)? ?)?\d\.\d)?|Creative\s+Commons\s+(?:Attribution|Zero)"
    r"(?:[- ]*(?:Non-?Commercial|Share-?Alike|No-?Deriv\w+))*(?:\s+(?:\d\.\d|v?\d\b))?(?:\s+International)?|"
    r"GNU\s+Free\s+Documentation\s+Licen[cs]e",
    re.IGNORECASE,
)
PUBLIC_DOMAIN = re.compile(  # of the work itself; not "Dickens is in the public domain; all rights reserved for the rest"
    r"""(?xi)
    \A\W*(?:licen[cs]e\W+)?public\s+domain\W*\Z          # "License: public domain"
    | \b(?:this|the)\s(?:\w+\s){0,2}(?:book|work|text|edition|document|chapter)s?\b[^.;]{0,60}\bpublic\s+domain
    | \b(?:released|placed|dedicated)\s+(?:in)?to\s+the\s+public\s+domain"""
)
LICENSE_URL = re.compile(
    r"creativecommons\.org/(licenses|publicdomain)/([a-z-]+)/(\d\.\d)", re.IGNORECASE
)


def find_license(start):
    """Licence stated near a book's beginning, or null: its name or address in a paragraph that
    speaks of licence, copyright or rights.

    Credits of pictures are passed over: they speak of the picture alone.
    """
    picture = (
        r"\bcredits?\b|\[Figure|\b(?:photo\w*|images?|pictures?|cover)\b[^.\n]{0,60}(?:CC|licen)"
    )
    for paragraph in re.split(r"\n\s*\n", start):
        if re.search(picture, paragraph, re.I):
            continue
        if not re.search(
            r"licen[cs]e|copyright|©|\brights\b|public\s+domain|permission", paragraph, re.I
        ):
            continue
        address = LICENSE_URL.search(re.sub(r"\s+", "", paragraph))
        if address:
            kind = "CC0" if address[1].lower() == "publicdomain" else f"CC {address[2].upper()}"
            return f"{kind} {address[3]}"
        name = LICENSE_NAMES.search(paragraph)
        if name:
            return short_license(re.sub(r"\s+", " ", name[0]))
        if PUBLIC_DOMAIN.search(paragraph) and not re.search(
            r"all\s+rights\s+reserved", paragraph, re.I
        ):
            return "public domain"
    return None


BOOK_FIELDS = ("title", "authors", "url", "isbn", "license", "restricted")


@functools.cache
def read_metadata(path):
    """What a table of books (CSV with a column `file` and any of BOOK_FIELDS) says: {file name or
    path below the input: fields}. Raises BadInput for another column, or a file named twice."""
    if path is None:
        return {}
    books = {}
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file)
            wrong = set(table.fieldnames or ["file"]) - {"file", *BOOK_FIELDS}
            if wrong or "file" not in (table.fieldnames or ()):
                raise r.BadInput(
                    f"--metadata {path}, line 1: {f'unknown column {min(wrong)!r}' if wrong else 'no column `file`'}; "
                    f"there are file, {', '.join(BOOK_FIELDS)}"
                )
            for number, row in enumerate(table, 2):
                if row["file"] in books:
                    raise r.BadInput(
                        f"--metadata {path}, line {number}: {row['file']} is named twice"
                    )
                books[row["file"]] = {
                    k: v.strip() for k, v in row.items() if k in BOOK_FIELDS and v and v.strip()
                }
    except (OSError, UnicodeDecodeError) as error:
        raise r.BadInput(f"--metadata {path}: cannot be read ({error})") from None
    return books


def book_of(source, path):
    """The fields that the table of books has for a document; `restricted` as true or absent."""
    books = read_metadata(path)
    book = dict(books.get(source) or books.get(Path(source).name) or {})
    if book.pop("restricted", "no").lower() in ("yes", "true", "1", "x", "restricted"):
        book["restricted"] = True
    return book


def short_license(name):
    """CC BY-SA 4.0 for "Creative Commons Attribution-ShareAlike 4.0 International"; other names as
    they are."""
    if not name.lower().startswith("creative"):
        return name
    words = (
        ("attribution", "BY"),
        ("non-?commercial", "NC"),
        ("share-?alike", "SA"),
        ("no-?deriv", "ND"),
    )
    parts = [short for long, short in words if re.search(long, name, re.I)]
    number = re.search(r"\d(?:\.\d)?", name)
    return ("CC " + "-".join(parts) if parts else "CC0") + (f" {number[0]}" if number else "")


def subject_of(name):
    """Subject by a file name's prefix, or null."""
    plain = re.sub(r"[\s-]+", "_", Path(name).name.lower())
    return next((subject for subject in SUBJECTS if re.match(rf"{subject}(?![a-z])", plain)), None)


def title_of(text, given, source):
    """The stated title where it is one, else the first heading, else the file's name."""
    given = " ".join(str(given or "").split())
    if len(given) > 2 and not re.search(
        r"^(untitled|microsoft word|document\d*$)|\.(tex|dvi|docx?|pdf|indd|qxd)\b",
        given,
        re.IGNORECASE,
    ):
        return given
    heading = re.search(r"^#{1,2} +(.+)$", text[:20_000], re.MULTILINE)
    return heading[1].strip("# *")[:200] if heading else Path(source).stem.replace("_", " ")


def split_front_matter(text):
    """(dict of a Markdown file's front matter, text below it)."""
    import yaml

    match = re.match(r"---[ \t]*\n(.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|$)", text, re.DOTALL)
    if match:
        try:
            fields = yaml.safe_load(match[1])
        except (yaml.YAMLError, RecursionError, ValueError):  # "[[[[..." nests too deep
            fields = None
        if isinstance(fields, dict):
            # lists that hold each other ("&b [*a, *a]" nine times over) become 10 GB as a text
            plain = {k: v for k, v in fields.items() if isinstance(v, str | int | float)}
            return {str(k).lower(): v for k, v in plain.items()}, text[match.end() :]
    return {}, text


def make_row(
    text, source, args, pages=None, title=None, subject=None, license=None, start=None, **more
):
    """A document row; the id is made of the file's name and a hash of the text."""
    text = text.strip("\n")
    name = re.sub(r"[^\w.-]+", "_", Path(source).stem)[:60]
    book = book_of(source, args.metadata)
    stated = book.pop("license", None) or args.license or license
    return {
        "id": f"{name}-{r.text_hash(text)[:10]}",
        "title": title_of(text, book.pop("title", None) or title, source),
        "subject": args.subject or subject or subject_of(source),
        "text": text,
        "pages": pages,
        "source": source,
        "license": stated or find_license(start or text[:3000]),
        **book,
        **more,
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
    fields, body = split_front_matter(text)
    if not body.strip():
        return refused(source, "no text")
    license = fields.get("license", fields.get("licence"))
    row = make_row(
        body,
        source,
        args,
        title=fields.get("title"),
        subject=fields.get("subject"),
        license=license and str(license),
    )
    return {"row": row, "rejected": []}


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
        if not isinstance(row.get("text"), str) or not row["text"].strip():
            yield {
                "row": None,
                "rejected": [{**row, "source": row.get("source", source), "reason": "no text"}],
            }
            continue
        made = make_row(
            row["text"],
            row.get("source") or source,
            args,
            row.get("pages"),
            row.get("title"),
            row.get("subject"),
            row.get("license"),
        )
        # offsets count from the text as it came
        text = row["text"] if row.get("pages") else made["text"]
        yield {"row": {**row, **made, "text": text, "id": row["id"]}, "rejected": []}


# ---- a PDF from its pages ----


PAGES = ("lines", "markdown", "blank")  # kinds of pages that were read; all others are reasons


def finish_pdf(source, title, found, args):
    """Outcome of a PDF: its row, and a rejected row for each page that gave none."""
    found = {index + 1: page for index, page in sorted(found.items())}

    def of_kind(*kinds):
        return {number: value for number, (kind, value) in found.items() if kind in kinds}

    text, offsets = pdf_text.assemble(list(of_kind("lines", "markdown").items()))
    bad = found.keys() - of_kind(*PAGES)
    reasons = {n: "no text layer" if found[n][0] == "scan" else found[n][0] for n in sorted(bad)}
    if not text.strip():
        common = collections.Counter(reasons.values()) or {"no text": 1}
        outcome = refused(source, max(common, key=common.get))
        outcome["rejected"][0]["n_pages"] = len(found)
        return outcome
    more = {"n_pages": len(found)}
    if blank := of_kind("blank"):
        more["empty_pages"] = list(blank)
    unread = {number: formulas_of(lines) for number, lines in of_kind("lines").items()}
    if any(unread.values()):
        more["formula_pages"] = [number for number, count in unread.items() if count]
        more["unread_formulas"] = sum(unread.values())
    start = next((offset for page, offset in offsets if page > 8), len(text))
    row = make_row(text, source, args, offsets, title, start=text[:start], **more)
    rejected = [
        bad_row(f"{row['id']}#page{n}", source, reason, found[n][1], doc=row["id"], page=n)
        for n, reason in reasons.items()
    ]
    return {"row": row, "rejected": rejected}


class Done:
    """Outcomes on disk while a run is under way, so that a killed run keeps the documents it had
    read."""

    def __init__(self, path):
        self.index = {}
        self.file = open(path, "ab+")
        self.file.seek(0)
        at = 0
        for line in self.file:
            if not line.endswith(b"\n"):
                self.file.truncate(at)
                break
            self.index[json.loads(line)["key"]] = at
            at += len(line)

    def put(self, key, outcome):
        self.file.seek(0, os.SEEK_END)
        self.index[key] = self.file.tell()
        self.file.write(r.dumps({"key": key, **outcome}))
        self.file.flush()

    def get(self, key):
        self.file.seek(self.index[key])
        return json.loads(self.file.readline())


def read_pdfs(todo, ocr, raw_path, done, args):
    """Read the PDFs of todo ((path, source, key), ...) and put their outcomes into `done`; several
    are under way at once."""
    readers = pdf_workers.Readers(args.workers)
    bar = r.progress(total=0, desc="pages", unit="page")
    waiting, pending = collections.deque(), []

    def begin(path, source, key):
        count, title = readers.probe(str(path))
        if isinstance(count, str):
            done.put(key, refused(source, count, title))
            return
        bar.total += count
        waiting.append(
            (path, source, key, title, readers.ask(str(path), list(range(count)), PAGES_A_TASK))
        )

    def end(path, source, key, title, futures):
        found = readers.collect(str(path), futures, bar)
        asked = pages_to_ocr(found, args.ocr_pages)
        if asked and ocr == "tesseract":
            found |= readers.collect(
                str(path), readers.ask(str(path), asked, 1, args.language), bar, args.language
            )
        elif asked and ocr == "olmocr":
            pending.append((path, source, key, title, found, asked))
            return
        done.put(key, finish_pdf(source, title, found, args))

    try:
        for item in todo:
            begin(*item)
            while len(waiting) > 2 * args.workers:
                end(*waiting.popleft())
        while waiting:
            end(*waiting.popleft())
    finally:
        readers.close()
        bar.close()
    asked = [(str(path), index) for path, *_, indices in pending for index in indices]
    if not asked:
        return
    if args.base_url:
        texts = ocr_olmocr.ask_endpoint(asked, raw_path, args)
    else:
        texts = ocr_olmocr.run_command(asked, r.beside(args.output, "olmocr"), args)
    for path, source, key, title, found, indices in pending:
        found |= {i: ocr_outcome(found[i], texts.get((str(path), i))) for i in indices}
        done.put(key, finish_pdf(source, title, found, args))


def pages_to_ocr(found, which):
    """Indices of the pages that go to OCR: scans, also those with formulas that no line of text
    holds, or all that are not blank."""
    return [
        index
        for index, (kind, value) in sorted(found.items())
        if kind == "scan"
        or (which == "all" and kind == "lines")
        or (which == "formulas" and kind == "lines" and formulas_of(value))
    ]


def ocr_outcome(before, text):
    """What a page is after OCR; where that failed, a page with a text layer keeps it."""
    if text is None:
        return before if before[0] == "lines" else ("ocr failed", "olmOCR gave no whole answer")
    return ("markdown", text) if text else ("blank", None)


def formulas_of(lines):
    """Number of formulas on a page that could not be read."""
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
        step.reject(
            {k: v for k, v in row.items() if k != "text"}, "duplicate", duplicate_of=seen[same]
        )
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
    add("--input", nargs="+", required=True, metavar="PATH", help="files or folders")
    add(
        "--subject",
        choices=SUBJECTS,
        help="subject of all documents (default: by the file name's prefix, else null)",
    )
    add(
        "--metadata",
        metavar="FILE",
        help=f"table of the books (.csv): file, {', '.join(BOOK_FIELDS)}; what it says comes first",
    )
    add(
        "--license",
        metavar="L",
        help="licence of all documents, e.g. 'CC BY 4.0' (default: what the document states, else null)",
    )
    add(
        "--ocr",
        choices=("auto", "olmocr", "tesseract", "none"),
        default="auto",
        help="reader of pages without a text layer",
    )
    add(
        "--language",
        default="eng",
        metavar="L",
        help="tesseract's language, e.g. eng or eng+deu (default eng)",
    )
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


def outcomes_of(path, source, key, done, args):
    """Outcomes of the documents in a file; those of PDFs stand in `done`."""
    kind = suffix_of(path)
    if kind == ".pdf":
        return [done.get(key)]
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
    done_path = r.beside(args.output, "done.jsonl")
    if args.fresh:
        done_path.unlink(missing_ok=True)
    done_path.parent.mkdir(parents=True, exist_ok=True)
    done, same = Done(done_path), r.text_hash(step.same_if["options"], step.same_if["code"], ocr)
    keys = {path: r.text_hash(source, r.file_hash(str(path)), same) for path, source in files}
    todo = {
        keys[path]: (path, source, keys[path])
        for path, source in files
        if suffix_of(path) == ".pdf" and keys[path] not in done.index
    }
    if todo:
        read_pdfs(todo.values(), ocr, step.raw_path, done, args)
    seen, limit = {}, args.limit or sys.maxsize
    for path, source in files:
        for outcome in outcomes_of(path, source, keys[path], done, args):
            if step.counts["in"] < limit:
                emit(outcome, step, seen, source)
    step.finish(ocr=ocr)
    done_path.unlink()
    shutil.rmtree(r.beside(args.output, "olmocr"), ignore_errors=True)


if __name__ == "__main__":
    r.run(main)
