"""Processes that read the pages of PDFs side by side (used by digitize_pdfs.py; no command of its own).

A page that cannot be read, or on which the PDF library crashes or hangs, costs that page alone.
"""

import concurrent.futures
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
_open = {}


def start_reader(memory):
    """Initializer of a process that reads pages: it ends with its parent, and where it takes more memory."""
    r.end_with_parent()
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


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
    """(number of pages, title) of a PDF; ("encrypted PDF" or "broken PDF", message) where it cannot
    be opened."""
    try:
        pdf = open_pdf(path)
        if not len(pdf):
            return "broken PDF", "it has no pages"
        return len(pdf), pdf.get_metadata_dict().get("Title")
    except Exception as error:  # whatever the library says, it is this file's fault
        return "encrypted PDF" if "password" in str(error).lower() or "security" in str(
            error
        ).lower() else "broken PDF", str(error)


def read_pages(path, indices, ocr_language=None):
    """[(page index, kind, value), ...]: "lines" with a list of Line, "blank", "scan" (no usable
    text layer), or a reason with a message.

    With ocr_language the pages are read by tesseract instead. No page's fault reaches another page.
    """
    done = []
    for index in indices:
        page = None
        try:
            page = open_pdf(path)[index]
            if ocr_language:
                done.append((index, "lines", pdf_page.read_tesseract(page, ocr_language)))
                continue
            lines = pdf_page.read_text_layer(page)
            usable = pdf_page.is_readable(lines)
            short = usable and sum(len(line.text) for line in lines) < 200
            stamp = short and pdf_page.picture_share(page) > 0.5  # e.g. a library's mark on a scan
            if usable and not stamp:
                done.append((index, "lines", lines))
            else:
                kind = "scan" if lines or pdf_page.picture_share(page) > 0.02 else "blank"
                if kind == "blank" and pdf_page.content_is_lost(open_pdf(path), index):
                    raise ValueError("its content stream is damaged")
                done.append((index, kind, None))
        except PAGE_FAULTS as error:
            done.append(
                (
                    index,
                    "ocr failed" if ocr_language and page is not None else "page unreadable",
                    f"{type(error).__name__}: {error}"[:300],
                )
            )
        finally:
            if page is not None:
                page.close()
    return done


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
            self.pool.shutdown(wait=False, cancel_futures=True)
        self.pool = concurrent.futures.ProcessPoolExecutor(
            self.workers, multiprocessing.get_context("spawn"), start_reader, (MEMORY,)
        )

    def submit(self, function, *arguments):
        try:
            return self.pool.submit(function, *arguments)
        except concurrent.futures.BrokenExecutor:
            self.start()
            return self.pool.submit(function, *arguments)

    def probe(self, path):
        try:
            return self.submit(probe, path).result(timeout=pdf_page.PAGE_SECONDS)
        except (concurrent.futures.BrokenExecutor, TimeoutError):
            self.start()
            return "broken PDF", "the PDF library crashed or hung on it"

    def ask(self, path, indices, a_task, *more):
        """Futures of read_pages over all pages, a_task pages in each; collect() takes them."""
        tasks = [indices[i : i + a_task] for i in range(0, len(indices), a_task)]
        return [(self.submit(read_pages, path, task, *more), task) for task in tasks]

    def collect(self, path, futures, bar, *more):
        """{page index: (kind, value)}; where a process died or hung, its pages are asked one at a
        time to find the one at fault."""
        found, left = {}, []
        for future, task in futures:
            try:
                for index, kind, value in future.result(
                    timeout=pdf_page.PAGE_SECONDS + 60 * len(task)
                ):
                    found[index] = (kind, value)
                bar.update(sum(found[index][0] != "scan" for index in task))
            except (
                concurrent.futures.BrokenExecutor,
                concurrent.futures.CancelledError,
                TimeoutError,
            ):
                left += task
        if left:
            self.start()
        for index in left:
            try:
                ((_, kind, value),) = self.submit(read_pages, path, [index], *more).result(
                    timeout=pdf_page.PAGE_SECONDS + 60
                )
                found[index] = (kind, value)
            except (concurrent.futures.BrokenExecutor, TimeoutError):
                self.start()
                found[index] = ("page unreadable", "the PDF library crashed or hung on it")
            bar.update(found[index][0] != "scan")
        return found

    def close(self):
        self.pool.shutdown(wait=False, cancel_futures=True)
