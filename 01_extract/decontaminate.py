"""Drop rows whose question is one of a benchmark: exact match, n-gram overlap, sentence embeddings, numbers, and an optional LLM judge.

    python 01_extract/decontaminate.py --input qa.jsonl --output clean.jsonl --field question --benchmarks DIR_OR_FILES... --no-judge

in   rows with a text in `question` (or --field); benchmark files of any common form, see benchmark_texts.py
out  the clean rows; the others are in clean.rejected.jsonl with reason `contaminated`, benchmark, benchmark_id, method (exact | ngram | embedding |
     judge) and score; clean.audit/BENCHMARK.csv lists every matched pair, also the ones spared and why; clean.embeddings/ keeps the vectors

Cheapest first. exact: the same words after normalisation (case, punctuation, LaTeX mark-up, options and instructions taken off, number words as
digits). ngram: the share of the benchmark question's 13-grams, or of its 5-grams, that the row holds; one shared 13-gram decides nothing.
embedding: the 5 nearest questions, contaminated from --embedding-threshold on; long texts in windows. Without a judge pairs with other numbers are
spared: another number is another question (25 %, 1/4 and 0.25 are one, and so are 1.5 km and 1500 m). With --model or --base-url an LLM decides on
the pairs that the embedding found (from --judge-from on) and on n-gram matches with another number, denial or key word; any YES drops the row. The
default encoder is the embedded all-MiniLM-L6-v2; --encoder BAAI/bge-large-en-v1.5 is the paper's, intfloat/multilingual-e5-large reads translations.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import collections
import csv
import json
import re

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
THRESHOLDS = {DEFAULT_ENCODER: 0.785}

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
        self.items, self.exact = items, {}
        self.bare, self.options, self.words, self.grams = [], [], [], []
        counts = collections.Counter()
        for number, item in enumerate(items):
            question, options = bare_question(item.question)
            words = words_of(question)
            self.bare.append(question)
            self.options.append({tuple(words_of(option)) for option in item.options or options})
            self.words.append(words)
            self.grams.append(ngrams(words, min(SHORT, len(words)) or 1))
            counts.update(self.grams[-1])
            self.exact.setdefault(tuple(words), []).append(number)
        self.by_gram = collections.defaultdict(list)
        for number, grams in enumerate(self.grams):
            self.grams[number] = grams = {gram for gram in grams if counts[gram] <= SHARED_TEXT}
            for gram in grams:
                self.by_gram[gram].append(number)

    def same_options(self, number, options):
        """False where a short question has options in both texts and they are others: "Which of
        these is true?" is many questions."""
        ours = {tuple(words_of(option)) for option in options}
        return (
            len(self.words[number]) >= LONG
            or not ours
            or not self.options[number]
            or bool(ours & self.options[number])
        )

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

    def matches(self, question, options):
        """Pairs (item number, method, score) for the bare question of a row, the best first: exact
        ones, or those above the n-gram shares."""
        words = words_of(question)
        exact = [
            number
            for number in self.exact.get(tuple(words), ())
            if words and self.same_options(number, options)
        ]
        if exact:
            return [(number, "exact", 1.0) for number in exact]
        ours = ngrams(words, SHORT)
        shared = collections.Counter(
            number for gram in ours for number in self.by_gram.get(gram, ())
        )
        found = []
        for count, number in sorted(
            (-count, number) for number, count in shared.items() if count >= 4
        )[: 2 * NEAREST]:
            if (score := self.overlap(number, words, ours, -count)) and self.same_options(
                number, options
            ):
                found.append((number, "ngram", score))
        return sorted(found, key=lambda match: (-match[2], match[0]))[:NEAREST]

    def overlap(self, number, words, ours, count):
        """Share of the shorter text's n-grams that both hold, or 0 where it is too small to
        decide."""
        theirs = self.words[number]
        if len(theirs) < 10 and len(words) > 4 * len(theirs):
            return 0.0  # a few words inside a much longer question are a phrase
        share = count / len(self.grams[number])
        if len(theirs) < LONG:
            return share if share >= 0.8 else 0.0
        if len(words) >= LONG:
            # a benchmark question with its passage cut away
            share = max(share, count / len(ours) if len(words) >= 2 * LONG else 0.0)
        if share >= SHARE_SHORT:
            return share
        long = ngrams(theirs, LONG)
        share = len(long & ngrams(words, LONG)) / len(long)
        return share if share >= SHARE_LONG and len(long) >= LONG else 0.0


# ---- the passes ----


class Audit:
    """Matched pairs by row, the decision on each, and the CSV files at the end."""

    COLUMNS = "id benchmark_id method score decision question benchmark_question".split()

    def __init__(self, index):
        self.index, self.pairs, self.verdict = index, collections.defaultdict(list), {}
        self.shown = {}  # row: its text for the judge

    def add(self, row, question, match, decision):
        """Note a pair; a decision "dropped" settles the row, the first one counts."""
        self.pairs[self.index.items[match[0]].benchmark].append((row, question, match, decision))
        if decision == "dropped":
            self.verdict.setdefault(row, match)

    def write(self, folder, ids):
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("*.csv"):
            old.unlink()
        for benchmark, pairs in self.pairs.items():
            with r.write_aside(
                folder / f"{re.sub(r'[^-.A-Za-z0-9]+', '_', benchmark)}.csv", "w"
            ) as file:
                table = csv.writer(file)
                table.writerow(self.COLUMNS)
                for row, question, (number, method, score), decision in sorted(
                    pairs, key=lambda pair: pair[0]
                ):
                    item = self.index.items[number]
                    table.writerow(
                        (
                            ids[row],
                            item.id,
                            method,
                            round(score, 4),
                            decision,
                            question,
                            item.question,
                        )
                    )


def match_words(args, index, audit):
    """First pass: exact and n-gram matches go to the audit; returns the ids of all rows, (row, bare
    question, options) of the undecided ones, and the pairs that are left to the judge."""
    ids, rest, unsure = [], [], []
    for number, row in enumerate(
        r.progress(r.read(args.input, args.field, limit=args.limit), desc="exact and n-gram")
    ):
        text = row[args.field]
        if not isinstance(text, str | None):
            raise r.BadInput(
                f'{args.input}, row "{row["id"]}": field "{args.field}" must be a text, this is {text!r}'[
                    :300
                ]
            )
        ids.append(row["id"])
        question, options = bare_question(text or "")
        if args.model and question:
            answer = row.get("answer") if isinstance(row.get("answer"), str) else ""
            audit.shown[number] = pair_text(question, options, answer[-SHOWN:])
        for match in index.matches(question, options):
            decide_words(args, index, audit, number, question, match, unsure)
        if number not in audit.verdict and question:
            rest.append((number, question, options))
    return ids, rest, unsure


def decide_words(args, index, audit, row, question, match, unsure):
    """Settle an exact or n-gram match, or leave it to the judge where numbers, a denial or a key
    word differ."""
    texts = question, index.bare[match[0]]
    other = question_text.other_numbers(*texts)
    doubt = (
        other
        or match[1] == "ngram"
        and question_text.tell_apart(*map(question_text.content, texts))
    )
    if args.model and doubt:
        unsure.append((row, question, match[0], match[2]))
    else:
        audit.add(row, question, match, "kept: other numbers" if other else "dropped")


def match_vectors(args, index, audit, rest, floor):
    """Pairs (row, question, item number, cosine) among the nearest questions from `floor` on that
    have the same numbers."""
    if not rest or not index.items:
        return []
    folder = args.cache or r.beside(args.output, "embeddings")
    views = index.views()
    theirs = embed_texts.embed([text for _, text, _ in views], args.encoder, folder)
    parts = [(place, part) for place, row in enumerate(rest) for part in windows(row[1])]
    ours = embed_texts.embed([part for _, part in parts], args.encoder, folder)
    best = collections.defaultdict(dict)  # row: {item: its best cosine over all windows}
    for part, near in embed_texts.nearest(ours, theirs, NEAREST):
        place = parts[part][0]
        for view, cosine in near:
            number, _, more = views[view]
            best[place][number] = max(cosine - more, best[place].get(number, 0.0))
    found = []
    for place, (row, question, options) in enumerate(rest):
        near = sorted(best[place].items(), key=lambda pair: -pair[1])[:NEAREST]
        for number, cosine in near:
            if cosine < floor or not index.same_options(number, options):
                continue
            other = question_text.other_numbers(question, index.bare[number])
            if other and not args.model:
                audit.add(row, question, (number, "embedding", cosine), "kept: other numbers")
            else:
                found.append((row, question, number, cosine))
    return found


def pair_text(question, options, answer):
    """A question with its options and its answer, as the judge sees them."""
    lines = [question, *(f"- {option}" for option in options)]
    return "\n".join([*lines, f"Answer: {answer}"] if answer else lines)


def differences(question, other):
    """What the judge is told of numbers that only one of the two has, or ""."""
    if not question_text.other_numbers(question, other):
        return ""
    ours, theirs = (set(question_text.numbers(text)) for text in (question, other))
    only = [", ".join(sorted(some)) or "none" for some in (ours - theirs, theirs - ours)]
    return f"\nNumbers that only the first has: {only[0]}; only the second: {only[1]}. Say whether that makes it another question.\n"


def judge(args, step, index, audit, pairs):
    """Ask the model about each pair; returns the rows that got no answer. An answer that is neither
    YES nor NO leaves the pair to the threshold."""
    asked, numbers = [], []
    for row, question, number, cosine in pairs:
        item = index.items[number]
        asked.append(
            {
                "id": r.text_hash(audit.shown[row], item.benchmark, item.id, item.question),
                "shown": audit.shown[row],
                "question": question,
                "benchmark": item.benchmark,
                "benchmark_id": item.id,
                "benchmark_question": pair_text(item.question, item.options, item.answer),
                "differences": differences(question, index.bare[number]),
            }
        )
        numbers.append((row, number, cosine))
    unique = {pair["id"]: pair for pair in asked}

    def to_messages(pair):
        texts = {"training_row": pair["shown"], "benchmark_question": pair["benchmark_question"]}
        return batch_generate.user_turn(PROMPT, texts, differences=pair["differences"])

    counts = batch_generate.generate_jsonl(
        list(unique.values()),
        to_messages,
        step.raw_path,
        choices=["YES", "NO"],
        readable=lambda text: parse_judgement(text) is not None,
        **batch_generate.options(args),
    )
    answers = {
        pair["id"]: raw for pair, raw in batch_generate.read_raw(unique.values(), step.raw_path)
    }
    silent = set()
    for pair, (row, number, cosine) in zip(asked, numbers, strict=True):
        raw = answers[pair["id"]]
        said = None if raw is None else parse_judgement(raw["response"])
        if raw is None:
            silent.add(row)
            audit.add(row, pair["question"], (number, "judge", cosine), "no answer")
        elif said is None:
            over = cosine >= (args.embedding_threshold or 1.0)
            audit.add(
                row,
                pair["question"],
                (number, "embedding", cosine),
                "dropped" if over else "kept: unclear judgement",
            )
        else:
            audit.add(
                row,
                pair["question"],
                (number, "judge", cosine),
                "dropped" if said else "kept: judge",
            )
    return silent, counts


def report(items, unread):
    """Say which benchmarks were found and what could not be read."""
    counts = collections.Counter(item.benchmark for item in items)
    r.say("benchmarks: " + ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items())))
    if absent := [name for name in benchmark_texts.BENCHMARKS if name not in counts]:
        r.say(f"not among them, of the 15 of the evaluation: {', '.join(absent)}")
    for path, why in unread:
        r.say(f"could not be read: {path}: {why}")
    return dict(benchmarks=dict(counts), unread=[f"{path}: {why}" for path, why in unread])


def model_of_endpoint(url):
    """Name of the first model an OpenAI-compatible endpoint serves."""
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(
            f"{url.split(',')[0].strip().rstrip('/')}/models", timeout=30
        ) as answer:
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
    add(
        "--benchmarks",
        nargs="+",
        required=True,
        metavar="PATH",
        help="folders or files of benchmark questions",
    )
    add(
        "--no-judge",
        action="store_true",
        help="the threshold decides, no model is asked (also where no model is named)",
    )
    add(
        "--encoder",
        metavar="M",
        help="sentence-transformers model (default: the embedded all-MiniLM-L6-v2)",
    )
    add(
        "--no-embedding",
        action="store_true",
        help="words only: exact and n-gram matches, no encoder",
    )
    add(
        "--embedding-threshold",
        type=float,
        metavar="C",
        help="cosine from which a pair counts without a judge (default: that of THRESHOLDS, where the encoder stands there)",
    )
    add(
        "--judge-from",
        type=float,
        default=0.6,
        metavar="C",
        help="cosine from which pairs are shown to the judge (default 0.6)",
    )
    add(
        "--cache",
        metavar="DIR",
        help="folder of the vectors, to share them between runs (default: OUTPUT.embeddings/)",
    )
    batch_generate.add_options(parser, max_tokens=1024)
    for action in parser._actions:
        if action.dest == "model":
            action.required = False
    args = parser.parse_args()
    if args.no_judge or args.no_embedding:
        args.model = args.base_url = None
    elif args.base_url and not args.model:
        args.model = model_of_endpoint(args.base_url)
    if args.embedding_threshold is None and not args.no_embedding:
        args.embedding_threshold = THRESHOLDS.get(args.encoder or DEFAULT_ENCODER)
        if args.embedding_threshold is None and not args.model:
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
    index = Index(items)
    audit, silent, counts = Audit(index), set(), {}
    ids, rest, unsure = match_words(args, index, audit)
    pairs = []
    if not args.no_embedding:
        floor = args.judge_from if args.model else args.embedding_threshold
        pairs = match_vectors(args, index, audit, rest, floor)
    if args.model:
        known = {pair[:3:2] for pair in unsure}  # row and item: asked about once
        pairs = unsure + [pair for pair in pairs if pair[:3:2] not in known]
        silent, counts = judge(args, step, index, audit, pairs)
    else:
        for row, question, number, cosine in pairs:
            audit.add(row, question, (number, "embedding", cosine), "dropped")
    for number, row in enumerate(step.read(args.input, args.field, limit=args.limit)):
        if number in audit.verdict:
            which, method, score = audit.verdict[number]
            step.reject(
                row,
                "contaminated",
                benchmark=items[which].benchmark,
                benchmark_id=items[which].id,
                method=method,
                score=round(score, 4),
            )
        elif number in silent:
            step.reject(row, "generation failed")
        else:
            step.keep(row)
    audit.write(r.beside(step.output, "audit"), ids)
    methods = collections.Counter(method for _, method, _ in audit.verdict.values())
    step.finish(**found, methods=dict(methods), judge=counts)
    r.say(
        f"contaminated by method: {dict(methods) or 'none'}; pairs in {r.beside(step.output, 'audit').name}/"
    )


if __name__ == "__main__":
    r.run(main)
