"""How long the sample viewer takes to open: two models x 50,000 samples of 700 tokens in headless Chromium.

    python tests/bench/viewer.py [--questions 50000] [--words 540] [--runs 3]

out  megabytes of index and texts, seconds to write them, seconds until Chromium has drawn the first list and sample (median), with
     Chromium's own start on an empty page taken off
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "04_eval"))

import shutil
import statistics
import subprocess
import tempfile
import time

import rows as r


def write_page(folder, questions, words):
    """A viewer of made-up samples of two models; a response is `words` words long, 1.3 tokens each."""
    import report
    import report_viewer

    def samples():
        for model in ("base", "tuned"):
            for number in range(questions):
                wrong = number % 3 == 0
                mark = "broken out " if model == "base" and number == 7 else ""
                yield dict(
                    id=f"{model}:mmlu-{number}",
                    benchmark="mmlu",
                    kind="choice",
                    model=model,
                    question=f"Question {number} asks for something",
                    question_id=str(number),
                    prompt=f"Question {number} " + "context " * (words // 8),
                    response=mark + "thinking $x^2$ " * (words // 2) + "Answer: A",
                    extracted="B" if wrong else "A",
                    correct=not wrong,
                    reference="A",
                    read_by="statement",
                    equal_by="letter",
                    n_tokens=700,
                )

    path = Path(folder) / "scored.jsonl"
    r.write(path, samples())
    index = report_viewer.write(folder, [path])
    report.write_page(
        Path(folder) / "viewer.html",
        title="bench",
        data=report_viewer.script_json(index),
        katex=r.copy_katex(folder),
    )


def opened(browser, page, profile):
    """Seconds from the start of Chromium to the dumped document."""
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]
    command += ["--disable-background-networking", f"--user-data-dir={profile}", "--dump-dom"]
    start = time.perf_counter()
    done = subprocess.run([*command, page.as_uri()], capture_output=True, text=True, timeout=120)
    return time.perf_counter() - start, done.stdout


def main():
    parser = r.parser(__doc__)
    parser.add_argument("--questions", type=r.positive, default=50_000)
    parser.add_argument("--words", type=r.positive, default=540)
    parser.add_argument("--runs", type=r.positive, default=3)
    args = parser.parse_args()
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if not browser:
        raise r.BadInput("no browser: apt-get install chromium")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        start = time.perf_counter()
        write_page(folder, args.questions, args.words)
        written = time.perf_counter() - start
        texts = sum(path.stat().st_size for path in (folder / "samples").iterdir())
        index = (folder / "viewer.html").stat().st_size
        (folder / "empty.html").write_text("<!doctype html><title>empty</title>")
        times = {"empty.html": [], "viewer.html": []}
        for _ in range(args.runs):
            for page, its in times.items():
                seconds, dom = opened(browser, folder / page, folder / "profile")
                its.append(seconds)
        assert "of 100,000 samples" in dom or args.questions != 50_000, "the list was not drawn"
    empty, viewer = (statistics.median(its) for its in times.values())
    print(
        f"{2 * args.questions:,} samples: index {index / 1e6:.1f} MB, texts {texts / 1e6:.0f} MB, "
        f"written in {written:.0f} s"
    )
    print(
        f"opened in {viewer - empty:.1f} s (median of {args.runs}; Chromium with an empty page takes {empty:.1f} s)"
    )


if __name__ == "__main__":
    r.run(main)
