"""Drop rows whose question is one of a benchmark: exact match, n-gram overlap, sentence embeddings,
numbers, and an optional LLM judge.

    python 01_extract/decontaminate.py --input qa.jsonl --output clean.jsonl --field question --benchmarks DIR_OR_FILES... --no-judge

in   rows with a text in `question` (or --field); benchmark files of any common form, see
     benchmark_texts.py
out  the clean rows; the others are in clean.rejected.jsonl with reason `contaminated`, benchmark,
     benchmark_id, method (exact | ngram | embedding | judge) and score; clean.audit.csv lists every
     matched pair, also the ones spared and why; clean.embeddings/ (or --cache) keeps the vectors

Cheapest first. exact: the same words after normalisation (case, punctuation, LaTeX mark-up, options
and instructions taken off, number words as digits). ngram: the share of the benchmark question's
13-grams, or of its 5-grams, that the row holds; one shared 13-gram decides nothing. embedding: the
5 nearest questions, contaminated from --embedding-threshold on; long texts in windows. Without a
judge pairs with other numbers are spared: another number is another question (25 %, 1/4 and 0.25
are one, and so are 1.5 km and 1500 m). With --model or --base-url an LLM decides on the pairs that
the embedding found (from --judge-from on) and on n-gram matches with another number, denial or key
word; any YES drops the row. The default encoder is the embedded all-MiniLM-L6-v2; --encoder
BAAI/bge-large-en-v1.5 is the paper's, intfloat/multilingual-e5-large reads translations.
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
from question_text import bare_question, words_of

import batch_generate
import rows as r
from answers.trim import after_thinking

LONG, SHORT = 13, 5  # lengths of the n-grams, in words
# shares of the benchmark question's n-grams from which a row holds it
SHARE_LONG, SHARE_SHORT = 0.5, 0.6
SHARE_OF_SHORT = 0.8  # the same for a benchmark question of fewer than LONG words
# a 5-gram of more benchmark questions than this is instruction text and counts for none
SHARED_TEXT = 20
SHOWN = 1000  # characters of a row's answer, from its end, that the judge is shown
NEAREST = 5
# words of a long row embedded apart: an encoder reads 256 tokens, a copy may stand anywhere
WINDOW, STEP = 120, 80
LAST_SENTENCE = 10  # words from which a benchmark question's last sentence is looked for by itself
# cosine above the threshold that a last sentence alone needs: almost the same words
LAST_SENTENCE_MORE = 0.1
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
<differences>
Reply with one word: YES if the first gives the second away, NO if it does not."""


def parse_judgement(text):
    """True for YES, False for NO, None where the text says neither. The last such word counts:
    reasoning may stand before it."""
    text = after_thinking(text)
    found = re.findall(r"\b(YES|NO)\b", text) or re.findall(r"\b(yes|no)\b", text.lower())
    return found[-1].upper() == "YES" if found else None


# ---- exact and n-gram ----


class Pair(NamedTuple):
    """A row and a benchmark question that look alike."""

    row: str  # id
    question: str  # of the row, bare
    item: int  # place among the benchmark questions
    method: str  # exact, ngram, embedding or judge
    score: float


def ngrams(words, n):
    return {hash(tuple(words[i : i + n])) for i in range(len(words) - n + 1)}


SENTENCE = re.compile(r"(?<=[.?!])\s+")


def windows(text):
    """The text itself, and windows of WINDOW words where it has more: what lies past 256 tokens is
    seen too."""
    words = text.split()
    if len(words) <= WINDOW:
        return [text]
    starts = range(0, len(words) - WINDOW + STEP, STEP)
    return [text, *(" ".join(words[at : at + WINDOW]) for at in starts)]


class Index:
    """Benchmark questions by their words and by their 5-grams."""

    def __init__(self, items):
        self.items, self.exact = items, collections.defaultdict(list)
        self.bare, self.options, self.words, self.grams = [], [], [], []
        for number, item in enumerate(items):
            question, options = bare_question(item.question)
            words = words_of(question)
            self.bare.append(question)
            self.options.append({tuple(words_of(option)) for option in item.options or options})
            self.words.append(words)
            self.grams.append(ngrams(words, min(SHORT, len(words)) or 1))
            self.exact[tuple(words)].append(number)
        counts = collections.Counter(gram for grams in self.grams for gram in grams)
        self.by_gram = collections.defaultdict(list)
        for number, grams in enumerate(self.grams):
            self.grams[number] = {gram for gram in grams if counts[gram] <= SHARED_TEXT}
            for gram in self.grams[number]:
                self.by_gram[gram].append(number)

    def same_options(self, number, options):
        """False where a short question has options in both texts and they are others: "Which of
        these is true?" is many questions."""
        if len(self.words[number]) >= LONG or not options or not self.options[number]:
            return True
        return not self.options[number].isdisjoint(tuple(words_of(option)) for option in options)

    def views(self):
        """(item number, text to embed, cosine that it needs beyond the threshold): each question,
        in windows where it is long; the last paragraph alone after a long passage; the last
        sentence."""
        found = []
        for number, text in enumerate(self.bare):
            found += [(number, part, 0.0) for part in windows(text)]
            passage, _, last = text.rpartition("\n")
            if len(passage.split()) >= 40 and len(last.split()) >= 8:
                found.append((number, last.strip(), 0.0))
            sentences = SENTENCE.split(text.strip())
            if len(sentences) > 1 and len(sentences[-1].split()) >= LAST_SENTENCE:
                found.append((number, sentences[-1], LAST_SENTENCE_MORE))
        return found

    def matches(self, row, question, options):
        """Pairs of a row's bare question, the best first: exact ones, or those above the n-gram
        shares."""
        words = words_of(question)
        found = [(number, "exact", 1.0) for number in self.exact.get(tuple(words) or None, ())]
        found = [match for match in found if self.same_options(match[0], options)]
        if not found:
            found = self.overlaps(words, options)
        return [Pair(row, question, *match) for match in found]

    def overlaps(self, words, options):
        """(item number, "ngram", share) of the benchmark questions whose n-grams the words hold."""
        ours = ngrams(words, SHORT)
        shared = collections.Counter(item for gram in ours for item in self.by_gram.get(gram, ()))
        likely = [(-count, number) for number, count in shared.items() if count >= 4]
        found = []
        for count, number in sorted(likely)[: 2 * NEAREST]:
            share = self.overlap(number, words, -count / len(ours), -count)
            if share and self.same_options(number, options):
                found.append((number, "ngram", share))
        return sorted(found, key=lambda match: (-match[2], match[0]))[:NEAREST]

    def overlap(self, number, words, of_ours, count):
        """Share of the benchmark question's n-grams that the words hold, or 0 where it is too small
        to decide; of_ours: share of the row's own."""
        theirs = self.words[number]
        share = count / len(self.grams[number])
        if len(theirs) < LONG:
            # a few words inside a much longer question are a phrase
            phrase = len(theirs) < 10 and len(words) > 4 * len(theirs)
            return share if share >= SHARE_OF_SHORT and not phrase else 0.0
        if len(words) >= 2 * LONG:  # a benchmark question with its passage cut away
            share = max(share, of_ours)
        if share >= SHARE_SHORT:
            return share
        long = ngrams(theirs, LONG)
        share = len(long & ngrams(words, LONG)) / len(long)
        return share if share >= SHARE_LONG and len(long) >= LONG else 0.0


# ---- the passes ----


class Audit:
    """Decisions on pairs: all of them for the CSV file, and of each row the first that drops it."""

    COLUMNS = "id benchmark benchmark_id method score decision question benchmark_question".split()

    def __init__(self, items):
        self.items, self.decisions, self.dropped = items, [], {}

    def add(self, pair, decision):
        self.decisions.append((pair, decision))
        if decision == "dropped":
            self.dropped.setdefault(pair.row, pair)

    def write(self, path):
        with r.write_aside(path, "w") as file:
            table = csv.writer(file)
            table.writerow(self.COLUMNS)
            for pair, decision in self.decisions:
                item = self.items[pair.item]
                told = pair.method, round(pair.score, 4), decision, pair.question, item.question
                table.writerow((pair.row, item.benchmark, item.id, *told))


def settle(pair, index, audit, judged):
    """Decide on a pair; True where that is left to the judge: numbers, a denial or a key word
    differ, or only the embeddings found it."""
    texts = pair.question, index.bare[pair.item]
    other = question_text.other_numbers(*texts)
    if judged and (other or pair.method != "exact"):
        contents = map(question_text.content, texts)
        if other or pair.method == "embedding" or question_text.tell_apart(*contents):
            return True
    audit.add(pair, "kept: other numbers" if other else "dropped")
    return False


def match_words(args, index, audit):
    """First pass: settles exact and n-gram matches. Returns the doubtful pairs, (id, bare question,
    options) of the rows that are undecided, and what a judge is shown of each row."""
    doubtful, rest, shown = [], [], {}
    rows = r.read(args.input, args.field, limit=args.limit)
    for row in r.progress(rows, desc="exact and n-gram"):
        question, options = bare_question(str(row[args.field] or ""))
        pairs = index.matches(row["id"], question, options)
        doubtful += [pair for pair in pairs if settle(pair, index, audit, args.model)]
        if question and row["id"] not in audit.dropped:
            rest.append((row["id"], question, options))
            if args.model:
                answer = row.get("answer") if isinstance(row.get("answer"), str) else ""
                shown[row["id"]] = pair_text(question, options, answer[-SHOWN:])
    return doubtful, rest, shown


def nearest_items(args, index, texts):
    """For each text a Counter {item number: cosine} of the benchmark questions near it."""
    folder = args.cache or r.beside(args.output, "embeddings")
    views = index.views()
    theirs = embed_texts.embed([text for _, text, _ in views], args.encoder, folder)
    parts = [(place, part) for place, text in enumerate(texts) for part in windows(text)]
    ours = embed_texts.embed([part for _, part in parts], args.encoder, folder)
    best = [collections.Counter() for _ in texts]
    for part, near in embed_texts.nearest(ours, theirs, NEAREST):
        cosines = best[parts[part][0]]
        for view, cosine in near:
            number, _, more = views[view]
            cosines[number] = max(cosine - more, cosines[number])
    return best


def match_vectors(args, index, rest):
    """Pairs of the undecided rows and their nearest benchmark questions, from the lowest cosine on
    that counts."""
    lowest = args.judge_from if args.model else args.embedding_threshold
    best = nearest_items(args, index, [question for _, question, _ in rest])
    return [
        Pair(row, question, number, "embedding", cosine)
        for (row, question, options), cosines in zip(rest, best, strict=True)
        for number, cosine in cosines.most_common(NEAREST)
        if cosine >= lowest and index.same_options(number, options)
    ]


def pair_text(question, options, answer):
    """A question with its options and its answer, as the judge sees them."""
    lines = [question, *(f"- {option}" for option in options)]
    return "\n".join([*lines, f"Answer: {answer}"] if answer else lines)


def differences(question, other):
    """What the judge is told of numbers that only one of the two has, or ""."""
    if not question_text.other_numbers(question, other):
        return ""
    ours, theirs = (set(question_text.numbers(text)[0]) for text in (question, other))
    only = [", ".join(map(str, sorted(some))) for some in (ours - theirs, theirs - ours)]
    first, second = (numbers or "none" for numbers in only)
    return f"\nNumbers that only the first has: {first}; only the second: {second}. Say whether that makes it another question.\n"


def to_messages(asked):
    texts = {name: asked[name] for name in ("training_row", "benchmark_question")}
    return batch_generate.user_turn(PROMPT, texts, differences=asked["differences"])


def judge(args, step, index, audit, pairs, shown):
    """Ask the model about each pair; returns the rows that got no answer, and counts. An answer
    that is neither YES nor NO leaves the pair to the threshold."""
    asked, silent = {}, set()
    for pair in pairs:
        # a pair that words and vectors found is asked about once, a row that is gone not at all
        if pair.row in audit.dropped or (pair.row, pair.item) in asked:
            continue
        item = index.items[pair.item]
        asked[pair.row, pair.item] = {
            "id": r.text_hash(pair.row, str(pair.item), item.question),
            "pair": pair,
            "training_row": shown[pair.row],
            "benchmark_question": pair_text(item.question, item.options, item.answer),
            "differences": differences(pair.question, index.bare[pair.item]),
        }
    asked = list(asked.values())
    counts = batch_generate.generate_jsonl(
        asked,
        to_messages,
        step.raw_path,
        choices=["YES", "NO"],
        readable=lambda text: parse_judgement(text) is not None,
        **batch_generate.options(args),
    )
    for question, raw in batch_generate.read_raw(asked, step.raw_path):
        pair, verdict = question["pair"], raw and parse_judgement(raw["response"])
        if raw is None:
            silent.add(pair.row)
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
    unread = [f"{path}: {why}" for path, why in unread]
    for line in unread:
        r.say(f"could not be read: {line}")
    return dict(benchmarks=dict(counts), unread=unread)


def model_of_endpoint(url):
    """Name of the first model an OpenAI-compatible endpoint serves."""
    import urllib.error
    import urllib.request

    try:
        place = f"{url.split(',')[0].strip().rstrip('/')}/models"
        with urllib.request.urlopen(place, timeout=30) as answer:
            return json.load(answer)["data"][0]["id"]
    except (urllib.error.HTTPError, ValueError, LookupError, TypeError) as error:
        raise r.BadInput(
            f"--base-url {url}: its list of models cannot be read ({error}); name one with --model"
        ) from None
    except OSError as error:
        raise r.NoEndpoint(f"--base-url {url}: no server answers there ({error})") from None


def parse_options():
    parser = r.parser(__doc__, "input", "output")
    add = parser.add_argument
    add("--field", default="question", help="field with the text (default question)")
    add("--benchmarks", nargs="+", required=True, metavar="PATH", help="folders or files")
    add(
        "--no-judge", action="store_true", help="the threshold decides (as where no model is named)"
    )
    add("--encoder", metavar="M", help="sentence-transformers model (default: all-MiniLM-L6-v2)")
    add("--no-embedding", action="store_true", help="exact and n-gram matches only, no encoder")
    add("--embedding-threshold", type=float, help="cosine that counts without a judge")
    add("--judge-from", type=float, default=0.6, help="cosine shown to the judge (default 0.6)")
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
    code = [question_text, benchmark_texts, benchmark_texts.TABLE, embed_texts]
    step = r.Step(
        args, inputs=[args.input, *args.benchmarks], prompt=PROMPT, code=code, ignore=("cache",)
    )
    if step.finished():
        return
    items, unread = benchmark_texts.read_benchmarks(args.benchmarks)
    found = report(items, unread)
    if not items:
        raise r.BadInput(f"--benchmarks {' '.join(args.benchmarks)}: no question was found there")
    index, audit, silent, counts = Index(items), Audit(items), set(), {}
    doubtful, rest, shown = match_words(args, index, audit)
    if rest and not args.no_embedding:
        pairs = match_vectors(args, index, rest)
        doubtful += [pair for pair in pairs if settle(pair, index, audit, args.model)]
    if args.model:
        silent, counts = judge(args, step, index, audit, doubtful, shown)
    for row in step.read(args.input, args.field, limit=args.limit):
        if pair := audit.dropped.get(row["id"]):
            item, score = items[pair.item], round(pair.score, 4)
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
