"""Drop rows whose question is one of a benchmark: exact match, n-gram overlap, sentence embeddings,
numbers, and an optional LLM judge.

    python 01_extract/decontaminate.py --input qa.jsonl --output clean.jsonl --field question --benchmarks DIR_OR_FILES... --no-judge

in   rows with a text in `question` (or --field); benchmark files of any common form
     (benchmark_texts.py)
out  the clean rows; the others are in clean.rejected.jsonl with reason `contaminated`, benchmark,
     benchmark_id, method (exact | ngram | embedding | judge) and score; clean.audit.csv lists every
     matched pair, also the ones spared and why; clean.embeddings/ (or --cache) keeps the vectors

exact: the same words (case, punctuation, LaTeX mark-up and options taken off, number words as
digits). ngram: the share of the benchmark question's 5-grams that the row holds.
embedding: the 5 nearest questions, contaminated from --embedding-threshold on. Without a judge
pairs with other numbers are spared: another number is another question (25 %, 1/4 and 0.25 are
one). With --model or --base-url an LLM decides on the pairs that the embedding found (from
JUDGE_FROM on) and on n-gram matches with another number, denial or key word; any YES drops the row.
--encoder BAAI/bge-large-en-v1.5 is the paper's, intfloat/multilingual-e5-large reads translations.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import collections
import csv
import json
import re
from typing import NamedTuple

import benchmark_texts
import embed_texts
import question_text
from question_text import split_options, words_of

import batch_generate
import rows as r
from answers.trim import after_thinking

GRAM = 5  # words
# share of a benchmark question's 5-grams from which a row holds it; of a question of fewer words
SHARE, SHORT, SHARE_OF_SHORT = 0.6, 13, 0.8
# a 5-gram of more benchmark questions than this is instruction text and counts for none
SHARED_TEXT = 20
SHOWN = 1000  # characters of a row's answer, from its end, that the judge is shown
NEAREST = 5
# words of a long row embedded apart: an encoder reads 256 tokens, a copy may stand anywhere
WINDOW, STEP = 120, 80
LAST_SENTENCE = 10  # words from which a benchmark question's last sentence is looked for by itself
# cosine above the threshold that a last sentence alone needs: almost the same words
LAST_SENTENCE_MORE = 0.1
JUDGE_FROM = 0.6  # cosine from which a judge is asked
# cosine from which a pair is contaminated without a judge; a row here is measured by
# tests/bench/decontaminate.py
DEFAULT_ENCODER = "all-MiniLM-L6-v2"
THRESHOLDS = {DEFAULT_ENCODER: 0.788}

PROMPT = """Two questions are shown. The first is from training data, the second from a public benchmark. Decide whether the first gives the \
second away: whether somebody who has studied the first with its solution would know the answer of the second without new work.

It does when both ask the same thing about the same situation, even in other words, another order, another language, another answer format, or \
with the options left out or shuffled. It does not when they only share a topic, a method or a style, or when a quantity, condition or asked-for \
result is different.

<training_row>

<benchmark_question>

Reply with one word: YES if the first gives the second away, NO if it does not."""


def parse_judgement(text):
    """True for YES, False for NO, None for neither; reasoning may stand before the word."""
    text = after_thinking(text)
    found = re.findall(r"\b(YES|NO)\b", text) or re.findall(r"\b(yes|no)\b", text.lower())
    return found[-1].upper() == "YES" if found else None


# ---- exact and n-gram ----


def ngrams(words, n):
    return {hash(tuple(words[i : i + n])) for i in range(len(words) - n + 1)}


def words_key(text):
    return tuple(words_of(text))


class Row(NamedTuple):
    """A row as it is compared: its question without options, and what a judge is shown."""

    id: str
    question: str
    options: tuple
    answer: str


class Known(NamedTuple):
    """A benchmark question as it is compared."""

    number: int
    item: benchmark_texts.Item
    question: str  # without options
    options: set  # words of each
    words: list
    grams: set  # 5-grams that tell it from others

    def same_options(self, options):
        """False where a short question has options in both texts and they are others: "Which of
        these is true?" is many questions."""
        if len(self.words) >= SHORT or not options or not self.options:
            return True
        return not self.options.isdisjoint(map(words_key, options))


class Pair(NamedTuple):
    """A row and a benchmark question that look alike."""

    row: Row
    known: Known
    method: str  # exact, ngram, embedding or judge
    score: float


class Index:
    """Benchmark questions by their words and by their 5-grams."""

    def __init__(self, items):
        self.known, self.exact = [], collections.defaultdict(list)
        for number, item in enumerate(items):
            question, options = split_options(item.question.strip())
            options = set(map(words_key, item.options or options))
            words = words_of(question)
            grams = ngrams(words, min(GRAM, len(words)) or 1)
            self.known.append(Known(number, item, question, options, words, grams))
            self.exact[tuple(words)].append(self.known[-1])
        counts = collections.Counter(gram for known in self.known for gram in known.grams)
        instructions = {gram for gram, count in counts.items() if count > SHARED_TEXT}
        self.by_gram = collections.defaultdict(list)
        for known in self.known:
            known.grams.difference_update(instructions)
            for gram in known.grams:
                self.by_gram[gram].append(known.number)

    def matches(self, row):
        """Pairs of a row, the best first: exact ones, or those above the n-gram shares."""
        words = words_of(row.question)
        same = self.exact.get(tuple(words) or None, ())
        same = [known for known in same if known.same_options(row.options)]
        return [Pair(row, known, "exact", 1.0) for known in same] or self.overlaps(row, words)

    def overlaps(self, row, words):
        ours = ngrams(words, GRAM)
        shared = collections.Counter(item for gram in ours for item in self.by_gram.get(gram, ()))
        likely = [(-count, number) for number, count in shared.items() if count >= 4]
        found = []
        for count, number in sorted(likely)[: 2 * NEAREST]:
            known = self.known[number]
            share = -count / len(known.grams)
            enough = SHARE_OF_SHORT if len(known.words) < SHORT else SHARE
            if share >= enough and known.same_options(row.options):
                found.append(Pair(row, known, "ngram", share))
        return sorted(found, key=lambda pair: (-pair.score, pair.known.number))[:NEAREST]


# ---- the passes ----


class Audit:
    """Decisions on pairs: all of them for the CSV file, and of each row the first that drops it."""

    COLUMNS = "id benchmark benchmark_id method score decision question benchmark_question".split()

    def __init__(self):
        self.decisions, self.dropped = [], {}

    def add(self, pair, decision):
        self.decisions.append((pair, decision))
        if decision == "dropped":
            self.dropped.setdefault(pair.row.id, pair)

    def settle(self, pair, judged):
        """Decide on a pair; True where that is left to the judge: numbers, a denial or a key word
        differ, or only the embeddings found it."""
        texts = pair.row.question, pair.known.question
        doubt = other = question_text.other_numbers(*texts)
        if pair.method == "ngram":
            doubt = other or question_text.tell_apart(*map(question_text.content, texts))
        if judged and (doubt or pair.method == "embedding"):
            return True
        self.add(pair, "kept: other numbers" if other else "dropped")
        return False

    def write(self, path):
        with r.write_aside(path, "w") as file:
            table = csv.writer(file)
            table.writerow(self.COLUMNS)
            for (row, known, method, score), decision in self.decisions:
                where = row.id, known.item.benchmark, known.item.id
                texts = row.question, known.item.question
                table.writerow((*where, method, round(score, 4), decision, *texts))


def match_words(args, index, audit):
    """Settle exact and n-gram matches; returns the undecided rows and the doubtful pairs."""
    rest, doubtful = [], []
    rows = r.read(args.input, args.field, limit=args.limit)
    for row in r.progress(rows, desc="exact and n-gram"):
        answer = str(row.get("answer") or "")[-SHOWN:] if args.model else ""
        row = Row(row["id"], *split_options((row[args.field] or "").strip()), answer)
        doubtful += [pair for pair in index.matches(row) if audit.settle(pair, args.model)]
        if row.question and row.id not in audit.dropped:
            rest.append(row)
    return rest, doubtful


SENTENCE = re.compile(r"(?<=[.?!])\s+")


def windows(text):
    """The text itself, and windows of WINDOW words where it has more."""
    words = text.split()
    if len(words) <= WINDOW:
        return [text]
    starts = range(0, len(words) - WINDOW + STEP, STEP)
    return [text, *(" ".join(words[at : at + WINDOW]) for at in starts)]


def views(text):
    """(text to embed, cosine that it needs beyond the threshold) of a benchmark question: in
    windows where it is long; the last paragraph alone after a long passage; the last sentence."""
    found = [(part, 0.0) for part in windows(text)]
    passage, _, last = text.rpartition("\n")
    if len(passage.split()) >= 40 and len(last.split()) >= 8:
        found.append((last.strip(), 0.0))
    _, *others = SENTENCE.split(text.strip())
    if others and len(others[-1].split()) >= LAST_SENTENCE:
        found.append((others[-1], LAST_SENTENCE_MORE))
    return found


def match_vectors(args, index, rows):
    """Pairs of rows and their nearest benchmark questions, from the lowest cosine that counts."""
    folder = args.cache or r.beside(args.output, "embeddings")
    lowest = JUDGE_FROM if args.model else args.embedding_threshold
    theirs = ((known.number, *view) for known in index.known for view in views(known.question))
    numbers, texts, needed = zip(*theirs, strict=True)
    ours = ((row, part) for row in rows for part in windows(row.question))
    owners, parts = zip(*ours, strict=True)
    vectors = embed_texts.embed(texts, args.encoder, folder)
    found = embed_texts.nearest(embed_texts.embed(parts, args.encoder, folder), vectors, NEAREST)
    best = collections.defaultdict(collections.Counter)  # {row: {benchmark question: cosine}}
    for part, near in found:
        cosines = best[owners[part]]
        for view, cosine in near:
            cosines[numbers[view]] = max(cosine - needed[view], cosines[numbers[view]])
    for row, cosines in best.items():
        for number, cosine in cosines.most_common(NEAREST):
            known = index.known[number]
            if cosine >= lowest and known.same_options(row.options):
                yield Pair(row, known, "embedding", cosine)


# ---- the judge ----


def pair_text(question, options, answer):
    """A question with its options and its answer, as the judge sees them."""
    lines = [question, *(f"- {option}" for option in options)]
    return "\n".join([*lines, f"Answer: {answer}"] if answer else lines)


def to_messages(asked):
    row, item = asked["pair"].row, asked["pair"].known.item
    texts = {
        "training_row": pair_text(row.question, row.options, row.answer),
        "benchmark_question": pair_text(item.question, item.options, item.answer),
    }
    return batch_generate.user_turn(PROMPT, texts)


def judge(args, step, audit, pairs):
    """Ask the model about each pair; returns the ids of rows that got no answer, and counts. An
    answer that is neither YES nor NO leaves the pair to the threshold."""
    asked, silent = {}, set()
    for pair in pairs:
        # a pair that words and vectors found is asked about once, a row that is gone not at all
        if pair.row.id not in audit.dropped:
            item = pair.known.item
            id_ = r.text_hash(pair.row.id, str(pair.known.number), item.question)
            asked.setdefault(id_, {"id": id_, "pair": pair})
    asked = list(asked.values())
    counts = batch_generate.generate_jsonl(
        asked, to_messages, step.raw_path, choices=["YES", "NO"], **batch_generate.options(args)
    )
    for question, raw in batch_generate.read_raw(asked, step.raw_path):
        pair, verdict = question["pair"], raw and parse_judgement(raw["response"])
        if raw is None:
            silent.add(pair.row.id)
            audit.add(pair, "no answer")
        elif verdict is None:
            over = pair.score >= (args.embedding_threshold or 1.0)
            audit.add(pair, "dropped" if over else "kept: unclear judgement")
        else:
            audit.add(pair._replace(method="judge"), "dropped" if verdict else "kept: judge")
    return silent, counts


def report(items, unread):
    """Say which benchmarks were found and what could not be read."""
    counts = collections.Counter(item.benchmark for item in items)
    r.say("benchmarks: " + ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items())))
    if absent := [name for name in benchmark_texts.BENCHMARKS if name not in counts]:
        r.say(f"not among them, of the 15 of the evaluation: {', '.join(absent)}")
    for line in unread:
        r.say(f"could not be read: {line}")
    return dict(benchmarks=dict(counts), unread=unread)


def model_of_endpoint(url):
    """Name of the first model an OpenAI-compatible endpoint serves."""
    import urllib.request

    try:
        place = f"{url.split(',')[0].strip().rstrip('/')}/models"
        with urllib.request.urlopen(place, timeout=30) as answer:
            return json.load(answer)["data"][0]["id"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise r.NoEndpoint(
            f"--base-url {url}: no server answers there with its models ({error}); start it, or name one with --model"
        ) from None


def parse_options():
    parser = r.parser(__doc__, "input", "output")
    add = parser.add_argument
    add("--field", default="question", help="field with the text (default question)")
    add("--benchmarks", nargs="+", required=True, metavar="PATH", help="folders or files")
    alone = "the threshold decides (as where no model is named)"
    add("--no-judge", action="store_true", help=alone)
    add("--encoder", metavar="M", help="sentence-transformers model (default: all-MiniLM-L6-v2)")
    add("--no-embedding", action="store_true", help="exact and n-gram matches only, no encoder")
    add("--embedding-threshold", type=float, help="cosine that counts without a judge")
    add("--cache", metavar="DIR", help="folder of the vectors, to share them between runs")
    batch_generate.add_options(parser, model=None, max_tokens=1024)
    args = parser.parse_args()
    if args.no_judge or args.no_embedding:
        args.model = args.base_url = None
    elif args.base_url and not args.model:
        args.model = model_of_endpoint(args.base_url)
    if args.embedding_threshold is None:
        args.embedding_threshold = THRESHOLDS.get(args.encoder or DEFAULT_ENCODER)
    if not (args.embedding_threshold or args.model or args.no_embedding):
        parser.error(
            f"--encoder {args.encoder}: no threshold of it was measured; give --embedding-threshold "
            "(tests/bench/decontaminate.py --encoder prints the one that loses 1 % of clean rows), or a judge"
        )
    return args


def main():
    args = parse_options()
    inputs = [args.input, *args.benchmarks]
    code = (question_text, benchmark_texts, benchmark_texts.TABLE, embed_texts)
    step = r.Step(args, inputs=inputs, prompt=PROMPT, code=code, ignore=("cache",))
    if step.finished():
        return
    items, unread = benchmark_texts.read_benchmarks(args.benchmarks)
    found = report(items, unread)
    if not items:
        raise r.BadInput(f"--benchmarks {' '.join(args.benchmarks)}: no question was found there")
    index, audit, silent, counts = Index(items), Audit(), set(), {}
    rest, doubtful = match_words(args, index, audit)
    if rest and not args.no_embedding:
        pairs = match_vectors(args, index, rest)
        doubtful += [pair for pair in pairs if audit.settle(pair, args.model)]
    if args.model:
        silent, counts = judge(args, step, audit, doubtful)
    for row in step.read(args.input, args.field, limit=args.limit):
        if pair := audit.dropped.get(row["id"]):
            item, score = pair.known.item, round(pair.score, 4)
            where = dict(benchmark=item.benchmark, benchmark_id=item.id)
            step.reject(row, "contaminated", **where, method=pair.method, score=score)
        elif row["id"] in silent:
            step.reject(row, "generation failed")
        else:
            step.keep(row)
    audit.write(r.beside(step.output, "audit.csv"))
    methods = collections.Counter(pair.method for pair in audit.dropped.values())
    step.finish(**found, methods=dict(methods), judge=counts)
    r.say(
        f"contaminated by method: {dict(methods) or 'none'}; pairs in {step.output.stem}.audit.csv"
    )


if __name__ == "__main__":
    r.run(main)
