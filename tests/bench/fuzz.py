"""Hostile texts through every parser and grader: crashes, and calls that take long.

    python tests/bench/fuzz.py --strings 20000 [--seed 1] [--workers 2] [--only answers]

A text is put together from pieces that parsers meet (LaTeX, brackets, options, JSON, tags, markers, odd Unicode), some of them repeated many
times. Each call runs in a worker process and is timed by its CPU; a worker that does not come back within 60 s is killed and its text
counted. Ends with exit code 1 where a call crashed or took over 3 s; finds are printed as Python strings for tests/fuzz_corpus.jsonl.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), *map(str, sorted(ROOT.glob("0[1-4]_*")))]

import json
import multiprocessing
import random
import time

import rows as r

LIMIT = 3.0  # seconds of CPU a call may take
STUCK = 60  # seconds of the clock after which a worker is given up
CORPUS = ROOT / "tests" / "fuzz_corpus.jsonl"
PIECES = r"""
\frac{1}{2}|\sqrt{|\text{|\boxed{|\boxed{}|\left(|\right)|\begin{array}{c}|\end{array}|\begin{pmatrix}1&2\\3&4\end{pmatrix}|$|$$|\[|\]|\(|\)
{|}|[|]|(|)|[[|]]|](|{"a":|{"a":1}|"|:|,|;|.|...|=|==|<|>|<=|≤|≠|±|×10^|10^{-3}|1e5|3.14|0|-1|1,234,567|½|π|∞|x|x^2|x_1|i|e|nan|inf
A|B)|(C)|D.|Option A|Answer: A|The answer is|answer is not|**Answer:**|Final answer|therefore|Choice_C|A, B and C|none of the above|yes|no
m/s|m s^{-1}|kg|°C|K|%|mol/L|µm|\mathrm{J}|\,|~|\\|&|#|##|###|-|*|**|`|```|```python|1.|2)|(a)|(b)|a)|\n|\n\n|\t| |     |<think>|</think>
<|im_end|>|<|im_start|>user|<answer>|</answer>|Question:|Answer:|**Q1.**|**A1.**|[NO QA]|Refined Question:|Refined Answer:|Score: 7|Decision: YES
Reasoning: NO|Example 3|Solution|Exercise 1.2|Proof.|QED|Figure 2|in the table|see above|{|}|—|“|”|’|\u2028|\u0000|\ud83d|é|中|ﬁ|⟨2,3⟩|\hbar|k \in Z
H_2SO_4|Na+|[OH-]|C_{2v}|sp^3|1s^2 2s^2|n choose k|\binom{n}{k}|\sum_{k=1}^{n}|\int_0^1|d/dx|lim|\lim_{x\to 0}|f(x)|{1,2,3}|(0,1]|x>2|or|and|if|otherwise
"""
PIECES = [
    piece.replace(r"\n", "\n")
    .replace(r"\t", "\t")
    .encode("utf-8", "surrogatepass")
    .decode("utf-8", "surrogatepass")
    for line in PIECES.strip("\n").split("\n")
    for piece in line.split("|")
]
PIECES += ["\u2028", "\x00", "\ud83d", "|", "<|im_end|>", "<|im_start|>user\n"]


def text_of(seed):
    """A text from its seed: up to 40 pieces; in one of three a unit of 1 to 3 pieces comes up to 20,000 times."""
    chance = random.Random(seed)
    parts = [chance.choice(PIECES) for _ in range(chance.randint(1, 40))]
    if chance.random() < 1 / 3:
        unit = "".join(chance.choice(PIECES) for _ in range(chance.randint(1, 3)))
        times = int(10 ** chance.uniform(1, 4.3))
        parts.insert(chance.randrange(len(parts) + 1), unit * times)
    return chance.choice(["", " "]).join(parts)[:60_000]


def targets(only):
    """{name: function of one text}: every parser and grader that sees a model's or a stranger's text."""
    import add_cot
    import chunk_documents
    import classify_documents
    import decontaminate
    import digitize_pdfs
    import extract_qa
    import extract_reference
    import filter_qa
    import measure_qa
    import parse_pairs
    import question_text
    import refine_qa
    import row_forms
    import score
    import score_difficulty
    from pdf import olmocr

    import answers
    from answers import trim

    options = ["4 cm", "5 cm", "none of these", "x^2"]

    def row(text):
        return dict(id="1", question=text, answer=text, reference_answer=text, options=None)

    found = {
        "answers.trim": trim.after_thinking,
        "answers.choice": lambda t: answers.check(t, "A", "choice", options),
        "answers.math": lambda t: answers.check(t, "3 m/s", "math"),
        "answers.short_text": lambda t: answers.check(t, "the mitochondrion", "short_text"),
        "answers.reference": lambda t: answers.check("\\boxed{2}", t, "math"),
        "answers.self": lambda t: answers.check(t, t, "math"),
        "answers.options": lambda t: answers.extract("B", "choice", [t, "b", t]),
        "digitize.front_matter": digitize_pdfs.split_front_matter,
        "olmocr.parse": olmocr.parse,
        "classify.parse": classify_documents.parse,
        "chunk.chunk_text": lambda t: list(
            chunk_documents.chunk_text(t, lambda texts: [len(x) // 4 for x in texts], 500)
        ),
        "extract.parse": parse_pairs.parse,
        "extract.paragraphs": lambda t: list(extract_qa.paragraphs_of(t)),
        "refine.parse": refine_qa.parse,
        "cot.parse": add_cot.parse_judge,
        "cot.shows_reasoning": add_cot.shows_reasoning,
        "filter.rule": lambda t: filter_qa.rule(t, t),
        "filter.parse": filter_qa.parse_judge,
        "decontaminate.parse": decontaminate.parse_judgement,
        "question.bare": question_text.bare_question,
        "question.words": question_text.words_of,
        "question.options": question_text.split_options,
        "reference.rule": extract_reference.by_rule,
        "reference.parse": extract_reference.parse,
        "measure.parse": measure_qa.parse_judge,
        "difficulty.parse": score_difficulty.parse_score,
        "difficulty.kind": lambda t: score_difficulty.checkable(row(t)),
        "forms.thinking": lambda t: row_forms.strip_thinking(t, False),
        "score.judge": score.parse_verdict,
    }
    return {name: function for name, function in found.items() if name.startswith(only)}


def accepted():
    """Exceptions that are an answer: a row that cannot be used says so by them."""
    import row_forms

    return (r.BadInput, row_forms.Unusable)


def work(pipe, only):
    """Call every target with each text that comes down the pipe; report (name, error or None, CPU seconds)."""
    functions, fine = targets(only), accepted()
    while (text := pipe.recv()) is not None:
        for name, function in functions.items():
            pipe.send(("begin", name))
            start, error = time.process_time(), None
            try:
                function(text)
            except fine:
                pass
            except Exception as problem:
                error = f"{type(problem).__name__}: {str(problem)[:200]}"
            pipe.send(("end", name, error, time.process_time() - start))
        pipe.send(("next",))


class Worker:
    """A process that calls the targets; started anew where it hangs."""

    def __init__(self, only):
        self.only = only
        self.start()

    def start(self):
        self.pipe, child = multiprocessing.Pipe()
        self.process = multiprocessing.get_context("spawn").Process(
            target=work, args=(child, self.only), daemon=False
        )
        self.process.start()
        child.close()

    def run(self, text):
        """Yield (name, error, seconds) of each call; a hang ends the text."""
        self.pipe.send(text)
        name = "start"
        while True:
            if not self.pipe.poll(STUCK):
                self.process.kill()
                self.process.join()
                self.start()
                yield name, f"no return within {STUCK} s", float(STUCK)
                return
            kind, *rest = self.pipe.recv()
            if kind == "next":
                return
            name = rest[0]
            if kind == "end":
                yield tuple(rest)

    def stop(self):
        self.pipe.send(None)
        self.process.join(10)
        self.process.kill()


def corpus():
    """Texts that failed once: [{"target", "text"}]."""
    return [row["text"] for row in r.read(CORPUS)] if CORPUS.is_file() else []


def search(texts, only, limit=LIMIT, bar=lambda texts: texts):
    """(calls, [(name, error or "slow", seconds, text)]) of all texts, one worker."""
    worker, calls, finds = Worker(only), 0, []
    try:
        for text in bar(texts):
            for name, error, seconds in worker.run(text):
                calls += 1
                if error or seconds > limit:
                    finds.append((name, error or "slow", seconds, text))
    finally:
        worker.stop()
    return calls, finds


def main():
    parser = r.parser(__doc__)
    parser.add_argument("--strings", type=r.positive, default=2000, metavar="N")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", metavar="PREFIX", help="targets by their beginning")
    args = parser.parse_args()
    seeds = (f"{args.seed}:{number}" for number in range(args.strings))
    texts = (*corpus(), *map(text_of, seeds)) if args.strings < 10_000 else map(text_of, seeds)
    start = time.time()
    calls, finds = search(
        texts, args.only, bar=lambda t: r.progress(t, total=args.strings, desc="fuzz", unit="text")
    )
    seen = set()
    for name, error, seconds, text in finds:
        if (name, error) not in seen:
            seen.add((name, error))
            shown = text if len(text) < 300 else text[:150] + "…" + text[-150:]
            print(
                json.dumps(
                    {"target": name, "error": error, "cpu": round(seconds, 1), "text": shown}
                )
            )
    crashes = sum(error != "slow" for _, error, _, _ in finds)
    print(
        f"{args.strings:,} texts, {calls:,} calls in {time.time() - start:.0f} s: "
        f"{crashes} crashes, {len(finds) - crashes} calls over {LIMIT:g} s of CPU"
    )
    if finds:
        raise SystemExit(1)


if __name__ == "__main__":
    r.run(main)
