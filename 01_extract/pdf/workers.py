"""Processes that read the pages of PDFs side by side (used by digitize_pdfs.py; no command of its
own).

A page that cannot be read, or on which the PDF library crashes or hangs, costs that page alone.
"""

import concurrent.futures
import functools
import multiprocessing
import resource
import threading

from pdf import page as pdf_page

import rows as r

MEMORY = 3 << 30  # bytes of a process: a stream of 10 kB may unpack to gigabytes
CRASHED = "the PDF library crashed or hung on it"


@functools.lru_cache(1)
def open_pdf(path):
    """The PDF, kept open by this process until another one is asked for."""
    import pypdfium2

    return pypdfium2.PdfDocument(path)


def probe(path):
    """(number of pages, title, {}) of a PDF; (0, None, {-1: (reason, message)}) where it cannot be
    opened."""
    try:
        pdf = open_pdf(path)
        if len(pdf):
            return len(pdf), pdf.get_metadata_dict().get("Title"), {}
        reason, message = "broken PDF", "it has no pages"
    except Exception as error:  # whatever the library says, it is this file's fault
        message = str(error)
        locked = any(word in message.lower() for word in ("password", "security"))
        reason = "encrypted PDF" if locked else "broken PDF"
    return 0, None, {-1: (reason, message)}


def read_text_layer(page):
    """(kind, value) of a page: "lines" with a list of Line, or the reason why it has none."""
    lines = pdf_page.read_text_layer(page)
    long = sum(len(line.text) for line in lines) >= 200
    share = 0 if long else pdf_page.picture_share(page)
    # a short text on a large picture is a library's mark on a scan
    if pdf_page.is_readable(lines) and share <= 0.5:
        return "lines", lines
    return "no text layer" if lines or share > 0.02 else "blank page", None


def read_page(path, index, ocr_language=None):
    """(kind, value) of a page as read_text_layer() gives it, read by tesseract with
    ocr_language."""
    try:
        page = open_pdf(path)[index]
        try:
            if ocr_language:
                return "lines", pdf_page.read_tesseract(page, ocr_language)
            return read_text_layer(page)
        finally:
            page.close()
    except Exception as error:  # PDFium's, of broken geometry, of tesseract: a row says which
        fault = "ocr failed" if ocr_language else "page unreadable"
        return fault, f"{type(error).__name__}: {error}"[:300]


# ---- processes, one for each thread of a pool ----


def start_reader(memory):
    """Initializer of a process that reads pages: it ends with its parent, and where it takes more
    memory."""
    r.end_with_parent()
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


def kill(pool):
    for process in list((pool._processes or {}).values()):  # a hung one never ends by itself
        process.kill()
    pool.shutdown(wait=False)


class Readers:
    """A pool that reads the pages of PDFs; one on which the PDF library crashes or hangs takes a
    process with it, not the run."""

    def __init__(self, workers):
        self.threads = concurrent.futures.ThreadPoolExecutor(workers)
        self.mine, self.pools = threading.local(), []
        self.bar = r.progress(total=0, desc="pages", unit="page")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.threads.shutdown(wait=False, cancel_futures=True)
        for pool in self.pools:
            kill(pool)
        self.bar.close()

    def call(self, function, *arguments):
        """function(*arguments) in this thread's process, None where it crashed or took too long;
        the next call then starts another."""
        pool = getattr(self.mine, "pool", None)
        if pool is None:
            spawn = multiprocessing.get_context("spawn")
            pool = concurrent.futures.ProcessPoolExecutor(1, spawn, start_reader, (MEMORY,))
            self.mine.pool = pool
            self.pools.append(pool)
        try:
            return pool.submit(function, *arguments).result(pdf_page.PAGE_SECONDS + 60)
        except (concurrent.futures.BrokenExecutor, TimeoutError):
            kill(pool)
            self.mine.pool = None
            return None

    def begin(self, path):
        """(title of a PDF, what is known of its pages, tasks for collect() that read them)."""
        broken = 0, None, {-1: ("broken PDF", CRASHED)}
        count, title, found = self.threads.submit(self.call, probe, path).result() or broken
        return title, found, self.ask(path, range(count))

    def ask(self, path, indices, ocr_language=None):
        """Tasks that read pages: {page index: future}."""
        self.bar.total += len(indices)
        ask = functools.partial(self.threads.submit, self.call, read_page, path)
        return {index: ask(index, ocr_language) for index in indices}

    def collect(self, tasks):
        """{page index: (kind, value)}."""
        found = {}
        for index, task in tasks.items():
            found[index] = task.result() or ("page unreadable", CRASHED)
            self.bar.update()
        return found
