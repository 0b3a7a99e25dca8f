"""Processes that read the pages of PDFs side by side (used by digitize_pdfs.py; no command of its own).

A page that cannot be read, or on which the PDF library crashes or hangs, costs that page alone.
"""

import concurrent.futures
import functools
import multiprocessing
import resource
import subprocess

from pdf import page as pdf_page

import rows as r

# PdfiumError is a RuntimeError; the others come from broken geometry, a failed or endless
# tesseract, a page too large to render
PAGE_FAULTS = (
    RuntimeError,
    OSError,
    ValueError,
    ArithmeticError,
    LookupError,
    subprocess.SubprocessError,
    MemoryError,
)
MEMORY = 3 << 30  # bytes of a process: a stream of 10 kB may unpack to gigabytes
PAGES_A_TASK = 16
CRASHES = (concurrent.futures.BrokenExecutor, concurrent.futures.CancelledError, TimeoutError)


def start_reader(memory):
    """Initializer of a process that reads pages: it ends with its parent, and where it takes more memory."""
    r.end_with_parent()
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


@functools.lru_cache(1)
def open_pdf(path):
    """The PDF, kept open by this process until another one is asked for."""
    import pypdfium2

    return pypdfium2.PdfDocument(path)


def probe(path):
    """(number of pages, title) of a PDF; ("encrypted PDF" or "broken PDF", message) where it cannot
    be opened."""
    try:
        pdf = open_pdf(path)
        if not len(pdf):
            return "broken PDF", "it has no pages"
        return len(pdf), pdf.get_metadata_dict().get("Title")
    except Exception as error:  # whatever the library says, it is this file's fault
        locked = any(word in str(error).lower() for word in ("password", "security"))
        return "encrypted PDF" if locked else "broken PDF", str(error)


def read_text_layer(page):
    """(kind, value) of a page: "lines" with a list of Line, or the reason why it has none."""
    lines = pdf_page.read_text_layer(page)
    usable = pdf_page.is_readable(lines)
    if usable and sum(len(line.text) for line in lines) >= 200:
        return "lines", lines
    share = pdf_page.picture_share(page)
    if usable and share <= 0.5:  # a short text on a large picture is a library's mark on a scan
        return "lines", lines
    return "no text layer" if lines or share > 0.02 else "blank page", None


def read_page(path, index, ocr_language=None):
    """(kind, value) of a page as read_text_layer() gives it, read by tesseract with ocr_language."""
    fault = "page unreadable"
    try:
        page = open_pdf(path)[index]
        try:
            if not ocr_language:
                return read_text_layer(page)
            fault = "ocr failed"
            return "lines", pdf_page.read_tesseract(page, ocr_language)
        finally:
            page.close()
    except PAGE_FAULTS as error:
        return fault, f"{type(error).__name__}: {error}"[:300]


def read_pages(path, indices, *more):
    return [read_page(path, index, *more) for index in indices]


class Readers:
    """Worker processes that read pages; a page on which the PDF library crashes or hangs takes a
    process with it, not the run."""

    def __init__(self, workers):
        self.workers, self.pool = workers, None
        self.start()

    def start(self):
        if self.pool:
            # a hung process never ends by itself
            for process in list((self.pool._processes or {}).values()):
                process.kill()
            self.close()
        self.pool = concurrent.futures.ProcessPoolExecutor(
            self.workers, multiprocessing.get_context("spawn"), start_reader, (MEMORY,)
        )

    def close(self):
        self.pool.shutdown(wait=False, cancel_futures=True)

    def submit(self, function, *arguments):
        try:
            return self.pool.submit(function, *arguments)
        except concurrent.futures.BrokenExecutor:
            self.start()
            return self.pool.submit(function, *arguments)

    def alone(self, reason, function, *arguments):
        """Result of one task, or (reason, message) where the PDF library crashed or hung on it."""
        try:
            return self.submit(function, *arguments).result(pdf_page.PAGE_SECONDS + 60)
        except CRASHES:
            self.start()
            return reason, "the PDF library crashed or hung on it"

    def probe(self, path):
        return self.alone("broken PDF", probe, path)

    def ask(self, path, indices, *more):
        """Futures of read_pages over all pages, a few in each; collect() takes them."""
        size = 1 if more else PAGES_A_TASK  # OCR takes its time
        tasks = [indices[i : i + size] for i in range(0, len(indices), size)]
        return [(self.submit(read_pages, path, task, *more), task) for task in tasks]

    def collect(self, path, futures, bar, *more):
        """{page index: (kind, value)}; where a process died or hung, its pages are asked one at a
        time to find the one at fault."""
        found, left = {}, []
        for future, task in futures:
            try:
                pages = future.result(pdf_page.PAGE_SECONDS + 60 * len(task))
                found |= dict(zip(task, pages, strict=True))
            except CRASHES:
                left += task
        if left:
            self.start()
        for index in left:
            found[index] = self.alone("page unreadable", read_page, path, index, *more)
        bar.update(sum(kind != "no text layer" for kind, _ in found.values()))
        return found
