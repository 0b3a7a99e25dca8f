"""Turn books into plain text: PDF (text layer, or OCR for scanned pages), Markdown, text and JSONL files into one row a document.

    python 01_extract/digitize_pdfs.py --input books/ more/notes.pdf --output documents.jsonl

in   files, or folders that are walked: .pdf .md .txt .jsonl(.gz) (rows with `text`); README, LICENSE and SOURCES files are skipped and listed
out  one row a document: id, title, subject (one of the seven by the file name's prefix, e.g. physics_mechanics.pdf, else null), text (headings
     marked "#"), pages ([[page number, character offset where it starts], ...], null where the source has no pages), source (file name),
     license (from --license, front matter, or a statement on the first pages, else null), empty_pages (page numbers, only where there are some)

One bad page costs that page: it stands in documents.rejected.jsonl with doc and page, reason "page unreadable", "no text layer" (a scan and no
OCR at hand) or "ocr failed". A broken or encrypted PDF, an empty file and a second copy of the same text are rejected with their name.

Scanned pages (--ocr auto): olmOCR where it is installed (it needs an NVIDIA GPU) or served behind --base-url, else tesseract, else rejected.
    pip install olmocr                                                         # its command line is called on the scanned pages only
    vllm serve allenai/olmOCR-2-7B-1025-FP8    then  --ocr olmocr --base-url http://localhost:8000/v1 --model allenai/olmOCR-2-7B-1025-FP8
    apt-get install tesseract-ocr
A killed run goes on where it stopped, document by document. About 100 pages/s a core with a text layer, 0.3 pages/s a core with tesseract.
"""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import base64
import collections
import concurrent.futures
import importlib.util
import io
import json
import multiprocessing
import os
import re
import shutil
import subprocess
import tempfile

import pdf_text

import batch_generate
import rows as r

SUBJECTS = ("biology", "chemistry", "computer_science", "economics", "mathematics", "medicine", "physics")
SUFFIXES = (".pdf", ".md", ".markdown", ".txt", ".jsonl", ".jsonl.gz")
NOT_BOOKS = re.compile(r"(readme|licen[cs]e|sources|copying|notice|contributing|changelog)\b.*", re.IGNORECASE)
PAGES_A_TASK = 16
OCR_LONGEST_SIDE = 1288    # pixels; what olmOCR 2 was trained on
OCR_PROMPT = """The image is one page of a textbook. Write down its text as a person would read it aloud, in Markdown: headings with #,
formulas in LaTeX ($...$ and $$...$$), tables as HTML, program text in fences.
Leave out page numbers and running headers. Do not describe pictures beyond their captions, and add nothing that is not on the page."""


# ---- which files ----

def suffix_of(path):
    name = path.name.lower()
    return next((suffix for suffix in sorted(SUFFIXES, key=len, reverse=True) if name.endswith(suffix)), None)


def find_files(inputs):
    """(files to read as (path, source name), names skipped); raises BadInput for a path that is not there or of an unknown kind."""
    found, skipped = [], []
    for given in map(Path, inputs):
        if given.is_dir():
            for path in sorted(p for p in given.rglob("*") if p.is_file() and not p.name.startswith(".")):
                wanted = suffix_of(path) and not NOT_BOOKS.fullmatch(path.name)
                (found if wanted else skipped).append((path, path.relative_to(given).as_posix()))
        elif not given.exists():
            raise r.BadInput(f"--input {given}: there is no such file or folder")
        elif not suffix_of(given):
            raise r.BadInput(f"--input {given}: only {', '.join(SUFFIXES)} can be read")
        else:   # `books/*.md` names a README as well
            (skipped if NOT_BOOKS.fullmatch(given.name) and len(inputs) > 1 else found).append((given, given.name))
    if not found:
        raise r.BadInput(f"--input {' '.join(map(str, inputs))}: no file of a kind that can be read ({', '.join(SUFFIXES)})")
    if skipped:
        print(f"skipped {len(skipped)}: {', '.join(name for _, name in skipped[:20])}{' ...' if len(skipped) > 20 else ''}", file=sys.stderr)
    return found


# ---- what is known of a document beside its text ----

LICENSE_NAMES = re.compile(r"CC[ -](?:BY(?:[ -](?:NC|SA|ND))*|0|Zero)(?:[ -]?(?:v(?:ersion)? ?)?\d\.\d)?|Creative\s+Commons\s+(?:Attribution|Zero)"
                           r"(?:[- ]*(?:Non-?Commercial|Share-?Alike|No-?Deriv\w+))*(?:\s+(?:\d\.\d|v?\d\b))?(?:\s+International)?|"
                           r"GNU\s+Free\s+Documentation\s+Licen[cs]e|public\s+domain", re.IGNORECASE)
LICENSE_URL = re.compile(r"creativecommons\.org/(licenses|publicdomain)/([a-z-]+)/(\d\.\d)", re.IGNORECASE)


def find_license(start):
    """Licence stated near a book's beginning, or null: its name or address in a paragraph that speaks of licence, copyright or rights.

    Credits of pictures are passed over: they speak of the picture alone.
    """
    for paragraph in re.split(r"\n\s*\n", start):
        if re.search(r"\bcredits?\b|\[Figure", paragraph, re.I):
            continue
        if not re.search(r"licen[cs]e|copyright|©|\brights\b|public\s+domain|permission", paragraph, re.I):
            continue
        address = LICENSE_URL.search(re.sub(r"\s+", "", paragraph))
        if address:
            kind = "CC0" if address[1].lower() == "publicdomain" else f"CC {address[2].upper()}"
            return f"{kind} {address[3]}"
        name = LICENSE_NAMES.search(paragraph)
        if name:
            return short_license(re.sub(r"\s+", " ", name[0]))
    return None


def short_license(name):
    """CC BY-SA 4.0 for "Creative Commons Attribution-ShareAlike 4.0 International"; other names as they are."""
    if not name.lower().startswith("creative"):
        return name
    words = (("attribution", "BY"), ("non-?commercial", "NC"), ("share-?alike", "SA"), ("no-?deriv", "ND"))
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
    if len(given) > 2 and not re.search(r"^(untitled|microsoft word|document\d*$)|\.(tex|dvi|docx?|pdf|indd|qxd)\b", given, re.IGNORECASE):
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
        except yaml.YAMLError:
            fields = None
        if isinstance(fields, dict):
            return {str(k).lower(): v for k, v in fields.items()}, text[match.end():]
    return {}, text


def make_row(text, source, args, pages=None, title=None, subject=None, license=None, start=None, **more):
    """A document row; the id is made of the file's name and a hash of the text."""
    text = text.strip("\n")
    name = re.sub(r"[^\w.-]+", "_", Path(source).stem)[:60]
    return {"id": f"{name}-{r.text_hash(text)[:10]}", "title": title_of(text, title, source),
            "subject": args.subject or subject or subject_of(source), "text": text, "pages": pages, "source": source,
            "license": args.license or license or find_license(start or text[:3000]), **more}


# ---- Markdown, text, JSONL ----

def decode(data):
    """Text of a file's bytes: UTF-8, UTF-16 with its mark, else Windows-1252. Raises ValueError for binary data."""
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
    row = make_row(body, source, args, title=fields.get("title"), subject=fields.get("subject"), license=license and str(license))
    return {"row": row, "rejected": []}


def refused(source, reason, detail=None):
    """Outcome of a document that gave no text."""
    return {"row": None, "rejected": [{"id": f"{source}#file", "source": source, "reason": reason, **({"detail": detail} if detail else {})}]}


def read_rows(path, source, args):
    """Outcomes of a JSONL file's rows, one by one; their own title, subject, pages, source and license are kept."""
    for row in r.read(path, limit=args.limit):
        if not isinstance(row.get("text"), str) or not row["text"].strip():
            yield {"row": None, "rejected": [{**row, "source": row.get("source", source), "reason": "no text"}]}
            continue
        made = make_row(row["text"], row.get("source") or source, args, row.get("pages"), row.get("title"), row.get("subject"), row.get("license"))
        text = row["text"] if row.get("pages") else made["text"]   # offsets count from the text as it came
        yield {"row": {**row, **made, "text": text, "id": row["id"]}, "rejected": []}


# ---- PDF: what runs in the worker processes ----

# PdfiumError is a RuntimeError; the others come from broken geometry, a failed or endless tesseract, a page too large to render
PAGE_FAULTS = (RuntimeError, OSError, ValueError, ArithmeticError, LookupError, subprocess.SubprocessError, MemoryError)
_open = {}


def open_pdf(path):
    """The PDF, kept open by this process until another one is asked for."""
    import pypdfium2

    if path not in _open:
        for other in _open.values():
            other.close()
        _open.clear()
        _open[path] = pypdfium2.PdfDocument(path)
    return _open[path]


def probe(path):
    """(number of pages, title) of a PDF; ("encrypted PDF" or "broken PDF", message) where it cannot be opened."""
    try:
        pdf = open_pdf(path)
        if not len(pdf):
            return "broken PDF", "it has no pages"
        return len(pdf), pdf.get_metadata_dict().get("Title")
    except Exception as error:   # whatever the library says, it is this file's fault
        return "encrypted PDF" if "password" in str(error).lower() or "security" in str(error).lower() else "broken PDF", str(error)


def read_pages(path, indices, ocr_language=None):
    """[(page index, kind, value), ...]: "lines" with a list of Line, "blank", "scan" (no usable text layer), or a reason with a message.

    With ocr_language the pages are read by tesseract instead. No page's fault reaches another page.
    """
    done = []
    for index in indices:
        page = None
        try:
            page = open_pdf(path)[index]
            if ocr_language:
                done.append((index, "lines", pdf_text.read_tesseract(page, ocr_language)))
                continue
            lines = pdf_text.read_text_layer(page)
            usable = pdf_text.is_readable(lines)
            short = usable and sum(len(line.text) for line in lines) < 200
            stamp = short and pdf_text.picture_share(page) > 0.5   # e.g. a library's mark on a scan
            if usable and not stamp:
                done.append((index, "lines", lines))
            else:
                kind = "scan" if lines or pdf_text.picture_share(page) > 0.02 else "blank"
                if kind == "blank" and pdf_text.content_is_lost(open_pdf(path), index):
                    raise ValueError("its content stream is damaged")
                done.append((index, kind, None))
        except PAGE_FAULTS as error:
            done.append((index, "ocr failed" if ocr_language and page is not None else "page unreadable", f"{type(error).__name__}: {error}"[:300]))
        finally:
            if page is not None:
                page.close()
    return done


class Readers:
    """Worker processes that read pages; a page on which the PDF library crashes or hangs takes a process with it, not the run."""

    def __init__(self, workers):
        self.workers, self.pool = workers, None
        self.start()

    def start(self):
        if self.pool:
            for process in list((self.pool._processes or {}).values()):   # a hung process never ends by itself
                process.kill()
            self.pool.shutdown(wait=False, cancel_futures=True)
        self.pool = concurrent.futures.ProcessPoolExecutor(self.workers, mp_context=multiprocessing.get_context("spawn"))

    def submit(self, function, *arguments):
        try:
            return self.pool.submit(function, *arguments)
        except concurrent.futures.BrokenExecutor:
            self.start()
            return self.pool.submit(function, *arguments)

    def probe(self, path):
        try:
            return self.submit(probe, path).result(timeout=pdf_text.PAGE_SECONDS)
        except (concurrent.futures.BrokenExecutor, TimeoutError):
            self.start()
            return "broken PDF", "the PDF library crashed or hung on it"

    def ask(self, path, indices, a_task, *more):
        """Futures of read_pages over all pages, a_task pages in each; collect() takes them."""
        tasks = [indices[i:i + a_task] for i in range(0, len(indices), a_task)]
        return [(self.submit(read_pages, path, task, *more), task) for task in tasks]

    def collect(self, path, futures, bar, *more):
        """{page index: (kind, value)}; where a process died or hung, its pages are asked one at a time to find the one at fault."""
        found, left = {}, []
        for future, task in futures:
            try:
                for index, kind, value in future.result(timeout=pdf_text.PAGE_SECONDS + 60 * len(task)):
                    found[index] = (kind, value)
                bar.update(sum(found[index][0] != "scan" for index in task))
            except (concurrent.futures.BrokenExecutor, concurrent.futures.CancelledError, TimeoutError):
                left += task
        if left:
            self.start()
        for index in left:
            try:
                (_, kind, value), = self.submit(read_pages, path, [index], *more).result(timeout=pdf_text.PAGE_SECONDS + 60)
                found[index] = (kind, value)
            except (concurrent.futures.BrokenExecutor, TimeoutError):
                self.start()
                found[index] = ("page unreadable", "the PDF library crashed or hung on it")
            bar.update(found[index][0] != "scan")
        return found

    def close(self):
        self.pool.shutdown(wait=False, cancel_futures=True)


# ---- olmOCR ----

def parse_olmocr(response):
    """Markdown of a page from olmOCR's answer: front matter and fences around the whole go."""
    text = re.sub(r"^\s*---\s*\n.*?\n---[ \t]*(?:\n|$)", "", response, count=1, flags=re.DOTALL)
    fenced = re.fullmatch(r"\s*```(?:markdown|md)?[ \t]*\n(.*)\n```\s*", text, re.DOTALL)
    return (fenced[1] if fenced else text).strip()


def ocr_by_endpoint(scans, raw_path, args):
    """{(path, index): Markdown} of scanned pages, asked from olmOCR's model; raw answers are kept and not asked twice."""
    try:
        from olmocr.prompts import build_no_anchoring_v4_yaml_prompt  # the model's own prompt, where the package is there

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
        picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}"}}
        return [{"role": "user", "content": [{"type": "text", "text": prompt}, picture]}]

    rows = [{"id": f"{r.file_hash(path)[:16]}-{index + 1}", "path": path, "index": index} for path, index in scans]
    batch_generate.generate_jsonl(rows, to_messages, raw_path, model=args.model, base_url=args.base_url, max_tokens=8000, workers=args.workers)
    answers = {}
    for row, raw in batch_generate.read_raw(rows, raw_path):
        if raw and raw["finish_reason"] != "length":
            answers[row["path"], row["index"]] = parse_olmocr(raw["response"])
    return answers


def ocr_by_command(scans, args):
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
        done = subprocess.run([sys.executable, "-m", "olmocr.pipeline", os.path.join(folder, "workspace"), "--pdfs",
                               *(os.path.join(folder, name) for name in names)], stdout=sys.stderr)
        if done.returncode:
            raise r.BadInput(f"olmOCR ended with code {done.returncode}; its messages stand above. --ocr tesseract or none goes without it")
        for result in Path(folder, "workspace", "results").glob("*.jsonl"):
            for line in result.read_text(encoding="utf-8").split("\n"):
                row = json.loads(line) if line.strip() else None
                path = row and names.get(Path(row["metadata"]["Source-File"]).name)
                for start, end, page in row["attributes"]["pdf_page_numbers"] if path else ():
                    answers[path, by_path[path][page - 1]] = row["text"][start:end].strip()
    return answers


def choose_ocr(args):
    """"olmocr", "tesseract" or "none" for --ocr auto; BadInput where what is asked for is not there."""
    have = {"olmocr": bool(args.base_url and args.model) or (importlib.util.find_spec("olmocr") is not None and bool(batch_generate.visible_gpus())),
            "tesseract": shutil.which("tesseract") is not None, "none": True}
    if args.base_url and not args.model:
        raise r.BadInput("--base-url: name the OCR model with --model")
    if args.ocr == "auto":
        return next(name for name in ("olmocr", "tesseract", "none") if have[name])
    if not have[args.ocr]:
        raise r.BadInput("--ocr olmocr: give --base-url and --model, or pip install olmocr on a machine with a GPU" if args.ocr == "olmocr" else
                         "--ocr tesseract: the command tesseract is not there (apt-get install tesseract-ocr)")
    return args.ocr


# ---- a PDF from its pages ----

def finish_pdf(source, title, found, args, path):
    """Outcome of a PDF: its row, and a rejected row for each page that gave none."""
    bad = {index: (kind, value) for index, (kind, value) in found.items() if kind not in ("lines", "blank", "markdown")}
    pages = [(index + 1, value) for index, (kind, value) in sorted(found.items()) if kind in ("lines", "markdown")]
    text, offsets = pdf_text.assemble(pages)
    if not text.strip():
        reasons = collections.Counter("no text layer" if kind == "scan" else kind for kind, _ in bad.values())
        outcome = refused(source, reasons.most_common(1)[0][0] if reasons else "no text")
        outcome["rejected"][0]["n_pages"] = len(found)
        return outcome
    start = next((offset for page, offset in offsets if page > 8), len(text))
    blank = [index + 1 for index, (kind, _) in sorted(found.items()) if kind == "blank"]
    row = make_row(text, source, args, offsets, title, start=text[:start], n_pages=len(found), **({"empty_pages": blank} if blank else {}))
    rejected = [{"id": f"{row['id']}#page{index + 1}", "doc": row["id"], "page": index + 1, "source": source,
                 "reason": "no text layer" if kind == "scan" else kind, **({"detail": value} if value else {})}
                for index, (kind, value) in sorted(bad.items())]
    return {"row": row, "rejected": rejected}


class Done:
    """Outcomes on disk while a run is under way, so that a killed run keeps the documents it had read."""

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
    """Read the PDFs of todo ((path, source, key), ...) and put their outcomes into `done`; several are under way at once."""
    readers, bar, waiting, pending = Readers(args.workers), r.progress(total=0, desc="pages", unit="page"), collections.deque(), []

    def begin(path, source, key):
        count, title = readers.probe(str(path))
        if isinstance(count, str):
            done.put(key, refused(source, count, title))
            return
        bar.total += count
        bar.refresh()
        waiting.append((path, source, key, title, readers.ask(str(path), list(range(count)), PAGES_A_TASK)))

    def end(path, source, key, title, futures):
        found = readers.collect(str(path), futures, bar)
        scans = [index for index, (kind, _) in sorted(found.items()) if kind == "scan"]
        if scans and ocr == "tesseract":
            found |= readers.collect(str(path), readers.ask(str(path), scans, 1, args.language), bar, args.language)
        elif scans and ocr == "olmocr":
            pending.append((path, source, key, title, found, scans))
            return
        done.put(key, finish_pdf(source, title, found, args, path))

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
    if pending:
        scans = [(str(path), index) for path, *_, indices in pending for index in indices]
        answers = ocr_by_endpoint(scans, raw_path, args) if args.base_url else ocr_by_command(scans, args)
        for path, source, key, title, found, indices in pending:
            for index in indices:
                text = answers.get((str(path), index))
                found[index] = ("ocr failed", "olmOCR gave no whole answer") if text is None else ("markdown", text) if text else ("blank", None)
            done.put(key, finish_pdf(source, title, found, args, path))


def emit(outcome, step, seen, source):
    """Hand a document and its rejected pages to the step; a text that was there already is rejected."""
    row, rejected = outcome["row"], outcome["rejected"]
    step.counts["in"] += 1
    step.split(len(rejected) + (row is not None))
    for bad in rejected:
        step.reject(bad, bad["reason"])
    if row is None:
        return
    same = r.text_hash(" ".join(row["text"].split()))
    if same in seen:
        step.reject({k: v for k, v in row.items() if k != "text"}, "duplicate", duplicate_of=seen[same])
    else:
        seen[same] = row["source"]
        step.keep(row)


def main():
    parser = r.parser(__doc__, "output", "limit", "workers", "fresh")
    parser.add_argument("--input", nargs="+", required=True, metavar="PATH", help="files or folders")
    parser.add_argument("--subject", choices=SUBJECTS, help="subject of all documents (default: by the file name's prefix, else null)")
    parser.add_argument("--license", metavar="L", help="licence of all documents, e.g. 'CC BY 4.0' (default: what the document states, else null)")
    parser.add_argument("--ocr", choices=("auto", "olmocr", "tesseract", "none"), default="auto", help="reader of pages without a text layer")
    parser.add_argument("--language", default="eng", metavar="L", help="tesseract's language, e.g. eng or eng+deu (default eng)")
    parser.add_argument("--base-url", metavar="URL", help="OpenAI-compatible endpoint of olmOCR's model")
    parser.add_argument("--model", metavar="M", help="name of olmOCR's model at the endpoint")
    args = parser.parse_args()
    args.workers = args.workers or len(os.sched_getaffinity(0))
    files = find_files(args.input)[:args.limit]
    step = r.Step(args, inputs=args.input, code=[pdf_text.__file__])
    if step.finished():
        return
    ocr = choose_ocr(args)
    done_path = r.beside(args.output, "done.jsonl")
    if args.fresh:
        done_path.unlink(missing_ok=True)
    done_path.parent.mkdir(parents=True, exist_ok=True)
    done, same = Done(done_path), r.text_hash(step.same_if["options"], step.same_if["code"], ocr)
    keys = {path: r.text_hash(source, r.file_hash(str(path)), same) for path, source in files if not suffix_of(path).startswith(".jsonl")}
    first = {}   # copies of a file are read once
    for path, _ in files:
        if path in keys:
            first.setdefault(r.file_hash(str(path)), path)
    todo = [(path, source, keys[path]) for path, source in files if suffix_of(path) == ".pdf" and keys[path] not in done.index
            and first[r.file_hash(str(path))] == path]
    if todo:
        read_pdfs(todo, ocr, step.raw_path, done, args)
    seen, limit = {}, args.limit or sys.maxsize
    for path, source in files:
        if suffix_of(path).startswith(".jsonl"):
            outcomes = read_rows(path, source, args)
        elif first[r.file_hash(str(path))] != path:
            copy = {**refused(source, "duplicate")}
            copy["rejected"][0]["duplicate_of"] = dict(files)[first[r.file_hash(str(path))]]
            outcomes = [copy]
        else:
            outcomes = [done.get(keys[path]) if suffix_of(path) == ".pdf" else read_plain(path, source, args)]
        for outcome in outcomes:
            if step.counts["in"] < limit:
                emit(outcome, step, seen, source)
    step.finish(ocr=ocr)
    done_path.unlink()


if __name__ == "__main__":
    r.run(main)
