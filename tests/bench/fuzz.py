"""Hostile texts through every parser and grader: crashes, and calls that take long.

    python tests/bench/fuzz.py --strings 20000 [--seed 1] [--seconds 280] [--only answers]

A text is put together from pieces that parsers meet (LaTeX, brackets, options, JSON, tags, markers, odd
Unicode). Most are short; in one of --long (default 100) a unit comes up to 20,000 times. One worker process
makes and calls all, timed by its CPU; only a call over 20 s of CPU ends it, and the next text starts another.
Math-verify, four fifths of the time, sees one text of 20.
Exit code 1 where a call crashed or took over 3 s; finds are printed as rows for tests/fuzz_corpus.jsonl.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), *map(str, sorted(ROOT.glob("0[1-4]_*")))]

import json
import multiprocessing
import random
import time

import psutil

import rows as r

LIMIT = 3.0  # seconds of CPU a call may take
STUCK = 20.0  # seconds of CPU in one call after which the worker is given up
MATH_VERIFY = 20  # one text of so many reaches it
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
    {r"\n": "\n", r"\n\n": "\n\n", r"\t": "\t"}.get(piece, piece)
    for line in PIECES.strip("\n").split("\n")
    for piece in line.split("|")
]
PIECES += ["\u2028", "\x00", "\ud83d", "|", "<|im_end|>", "<|im_start|>user\n"]


def parts_of(seed, number, long=100):
    """Text number `number` of a seed as [[text, times], ...]: 1 to 30 pieces; in one of `long` a unit comes up to 20,000 times."""
    chance = random.Random(f"{seed}:{number}")
    between = chance.choice(["", " "])
    before, after = (
        between.join(chance.choices(PIECES, k=int(30 ** chance.random()))) for _ in range(2)
    )
    if chance.random() * long >= 1:
        return [[before, 1]]
    unit = "".join(chance.choices(PIECES, k=chance.randint(1, 3)))
    return [[before, 1], [unit, int(10 ** chance.uniform(1, 4.3))], [after, 1]]


def text_of(parts):
    return "".join(text * times for text, times in parts)[:60_000]


def targets(only):
    """{name: function of one text}: every parser and grader that sees a model's or a stranger's text."""
    import add_cot
    import chunk_documents
    import classify_documents
    import decontaminate
    import digitize_pdfs
    import extract_reference
    import filter_qa
    import measure_qa
    import paragraphs
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
        "extract.parse": parse_pairs.read_pairs,
        "extract.paragraphs": lambda t: list(paragraphs.split(t)),
        "refine.parse": refine_qa.parse,
        "cot.parse": add_cot.parse_judge,
        "cot.shows_reasoning": add_cot.shows_reasoning,
        "filter.rule": lambda t: filter_qa.rule(t, t),
        "filter.parse": filter_qa.parse_judge,
        "decontaminate.parse": decontaminate.parse_judgement,
        "question.words": question_text.words_of,
        "question.options": question_text.split_options,
        "reference.rule": extract_reference.by_rule,
        "reference.parse": extract_reference.parse,
        "measure.parse": measure_qa.parse_judge,
        "difficulty.parse": score_difficulty.parse_score,
        "difficulty.kind": lambda t: score_difficulty.checkable(row(t)),
        "forms.thinking": lambda t: row_forms.strip_thinking(t),
        "score.judge": score.parse_verdict,
    }
    return {name: function for name, function in found.items() if name.startswith(only)}


def accepted():
    """Exceptions that are an answer: a row that cannot be used says so by them."""
    import row_forms

    return (r.BadInput, row_forms.Unusable)


def call(function, text, fine):
    """(error or None, seconds of CPU) of one call."""
    start, error = time.process_time(), None
    try:
        function(text)
    except fine:
        pass
    except Exception as problem:
        error = f"{type(problem).__name__}: {str(problem)[:200]}"
    return error, time.process_time() - start


def work(pipe, at, args, numbers):
    """Call every target with the texts of these numbers; the pipe gets the finds, `at` where it is."""
    from answers import worker

    functions, fine, longest = targets(args.only), accepted(), worker.MAX_LENGTH
    for at[0] in numbers:
        if time.time() > args.end:
            break
        worker.MAX_LENGTH = 0 if at[0] % MATH_VERIFY else longest
        text = text_of(parts_of(args.seed, at[0], args.long))
        for at[1], (name, function) in enumerate(functions.items()):
            error, seconds = call(function, text, fine)
            at[2] += 1
            if error or seconds > LIMIT:
                pipe.send((at[0], name, error or "slow", seconds))
    else:
        at[0] = numbers.stop
    pipe.send(None)


class Worker:
    """A process that goes through texts; its place is read from outside, so that a hang can be named."""

    def __init__(self, args, numbers):
        self.at = multiprocessing.Array("q", 3, lock=False)
        self.at[0], self.numbers = numbers.start, numbers
        self.pipe, child = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        self.process = context.Process(target=work, args=(child, self.at, args, numbers))
        self.process.start()
        child.close()
        self.cpu = psutil.Process(self.process.pid).cpu_times

    def finds(self, bar):
        """Yield (number, target, error, seconds); the last may be "stuck" or "killed" (the process died)."""
        seen, since = None, 0.0
        while True:
            if self.pipe.poll(0.5):
                try:
                    found = self.pipe.recv()
                except EOFError:
                    yield *self.at[:2], "killed", 0.0
                    return
                if found is None:
                    return
                yield found
            bar.update(self.at[0] - bar.n)
            if (now := self.at[:]) != seen:
                seen, since = now, self.cpu().user
            elif self.cpu().user - since > STUCK:
                yield *self.at[:2], "stuck", STUCK
                return

    def stop(self):
        self.process.kill()
        self.process.join()


def search(args):
    """(texts, calls, [(parts, target, error or "slow", seconds)]) of args.strings texts, or of what args.seconds allow."""
    finds, calls, first, names = [], 0, 0, list(targets(args.only))
    args.end, done = time.time() + args.seconds, False
    with r.progress(total=args.strings, desc="fuzz", unit="text") as bar:
        while not done:
            worker, done = Worker(args, range(first, args.strings)), True
            for number, name, error, seconds in worker.finds(bar):
                if error in ("stuck", "killed"):
                    name, done = names[name], False
                finds.append((parts_of(args.seed, number, args.long), name, error, seconds))
            worker.stop()
            calls, first = calls + worker.at[2], worker.at[0] + (not done)
    return first, calls, finds


def main():
    parser = r.parser(__doc__)
    parser.add_argument("--strings", type=r.positive, default=2000, metavar="N")
    parser.add_argument("--seconds", type=float, default=1e9, help="begin no text after")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--long", type=float, default=100, metavar="N", help="one of N is long")
    parser.add_argument("--only", default="", metavar="PREFIX", help="targets by their beginning")
    args = parser.parse_args()
    start = time.time()
    texts, calls, finds = search(args)
    seen = set()
    for parts, name, error, seconds in finds:
        if (name, error) not in seen:
            seen.add((name, error))
            print(json.dumps(dict(target=name, error=error, cpu=round(seconds, 1), parts=parts)))
    slow = sum(error in ("slow", "stuck") for _, _, error, _ in finds)
    print(
        f"seed {args.seed}: {texts:,} texts, {calls:,} calls in {time.time() - start:.0f} s: "
        f"{len(finds) - slow} crashes, {slow} calls over {LIMIT:g} s of CPU"
    )
    if finds:
        raise SystemExit(1)


if __name__ == "__main__":
    r.run(main)
