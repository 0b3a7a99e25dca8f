"""Speed of the text layer and accuracy of the OCR on real books.

    python tests/bench/digitize.py --pdf BOOK.pdf                                    # seconds of the whole command, pages a second
    python tests/bench/digitize.py --scan PAGES.pdf --truth PAGES.json               # character error of tesseract's text

in   a PDF with a text layer; a PDF of pictures and a JSON list of {"text": ...}, one entry a page
"""

import argparse
import json
import re
import resource
import subprocess
import sys
import tempfile
import time
import unicodedata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SAME = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "—": "-", "–": "-", "−": "-"})


def plain(text):
    """Text without what is layout or typography: white space, heading marks, forms of quotes and dashes, mathematical alphabets."""
    return " ".join(
        re.sub(
            r"^#+ ", "", unicodedata.normalize("NFKC", text).translate(SAME), flags=re.MULTILINE
        ).split()
    )


def edit_distance(a, b):
    """Levenshtein distance, a numpy row at a time."""
    import numpy as np

    letters, steps = np.array([ord(c) for c in b]), np.arange(len(b) + 1)
    row = steps.copy()
    for number, letter in enumerate(a, 1):
        fresh = np.empty_like(row)
        fresh[0] = number
        fresh[1:] = np.minimum(row[1:] + 1, row[:-1] + (letters != ord(letter)))
        row = np.minimum.accumulate(fresh - steps) + steps
    return int(row[-1])


def character_error(document, truth):
    """Edit distance over the length of the truth, page by page, with page numbers and hyphens at line ends taken out of the truth as well."""
    starts = [offset for _, offset in document["pages"]] + [len(document["text"])]
    wrong = length = 0
    for number, page in enumerate(truth):
        wanted = plain(re.sub(r"-\n(?=[a-z])", "", re.sub(r"\n\d+\s*$", "", page)))
        wrong += edit_distance(wanted, plain(document["text"][starts[number] : starts[number + 1]]))
        length += len(wanted)
    return wrong / length


def digitize(pdf, *options):
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "documents.jsonl"
        started = time.time()
        command = [
            sys.executable,
            ROOT / "01_extract" / "digitize_pdfs.py",
            "--input",
            pdf,
            "--output",
            out,
            *options,
        ]
        subprocess.run(command, check=True, capture_output=True)
        return json.loads(out.read_text().split("\n")[0]), time.time() - started


def cpu_seconds():
    """user+sys of the commands so far: on a shared machine the steadier figure."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pdf", metavar="FILE", help="book with a text layer")
    parser.add_argument("--scan", metavar="FILE", help="pages as pictures")
    parser.add_argument("--truth", metavar="FILE", help='their text: a JSON list of {"text": ...}')
    parser.add_argument(
        "--runs", type=int, default=3, help="runs of which the median counts (default 3)"
    )
    args = parser.parse_args()
    if args.pdf:
        before = cpu_seconds()
        runs = [digitize(args.pdf, "--ocr", "none") for _ in range(args.runs)]
        seconds = sorted(seconds for _, seconds in runs)[args.runs // 2]
        cpu = (cpu_seconds() - before) / args.runs
        pages, characters = runs[0][0]["n_pages"], len(runs[0][0]["text"])
        print(
            f"{pages} pages, {characters:,} characters: {seconds:.1f} s, {pages / seconds:.0f} pages/s "
            f"(median of {args.runs} runs of the whole command), {cpu:.1f} s of CPU a run"
        )
    if args.scan:
        before = cpu_seconds()
        document, seconds = digitize(args.scan, "--ocr", "tesseract")
        truth = [page["text"] for page in json.loads(Path(args.truth).read_text())]
        print(
            f"{len(truth)} pages by tesseract: character error {100 * character_error(document, truth):.2f} %, {seconds:.0f} s, "
            f"{(cpu_seconds() - before) / len(truth):.1f} s of CPU a page"
        )


if __name__ == "__main__":
    main()
