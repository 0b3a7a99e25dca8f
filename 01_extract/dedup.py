"""Remove duplicate questions: MinHash finds candidate pairs, the true Jaccard similarity of their word 3-grams decides.

    python 01_extract/dedup.py --input qa.jsonl --output dedup.jsonl --field question --threshold 0.6

in   rows with a text in `question` (or --field)
out  the rows that stand first among their duplicates; the others are in dedup.rejected.jsonl with reason `duplicate`, `duplicate_of` (id of a
     kept row) and `jaccard`, or with reason `semantic duplicate`, `duplicate_of` and `cosine`. Equal questions with unequal answers: "other
     answer" (the kept row's is better backed) or "answers disagree" (none stays), with all `answers`; near ones stay where their short
     answers surely differ; the rules stand in equal_questions.py

Words are lower-cased \\w+, shingles are three words in a row, a question of one or two words is one
shingle, and none is too short. A question without any word is kept. Questions that differ in their
numbers are two, and so are short ones, or those whose last sentence is short,
where each holds a content word that the other lacks ("treatments for Osteoporosis", "... for COPD").
--semantic 0.92 adds a pass with sentence embeddings. About 1.5 KB a row; the file is read twice, and
again for the answers of rows that have a near one.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import functools
import gc
import itertools
import math
import re

import equal_questions
import numpy as np
import question_text

import rows as r

BATCH = 1024  # rows tokenised at once: their arrays stay near the processor's cache
FOUND_AT_THRESHOLD = 0.95  # share of pairs exactly at the threshold that the bands must find; above it the share rises steeply
LARGEST_SIGNATURE = 256
FAMILY = 32  # a bucket of more rows is one template with many fillings: it is split by the numbers, and pairs reach back this far
BANDS_AT_ONCE = 10
SEED = 42
ODD = np.random.default_rng(SEED).integers(2**62, 2**63, 64, dtype=np.uint64) * np.uint64(
    2
) + np.uint64(1)  # multipliers of the hashes


def bands_and_rows(threshold):
    """Bands b and rows r of the signature for a Jaccard threshold: the largest r (fewest false candidates) whose bands still find
    FOUND_AT_THRESHOLD of the pairs at the threshold, 1 - (1 - t^r)^b, within LARGEST_SIGNATURE values."""
    best = (1, 1)
    for rows in range(1, 33):
        hit = min(threshold**rows, 1 - 1e-9)
        bands = math.ceil(math.log(1 - FOUND_AT_THRESHOLD) / math.log1p(-hit))
        if rows * bands <= LARGEST_SIGNATURE:
            best = (bands, rows)
    return best


# ---- words and shingles, many texts at once ----


def mix(values):
    """Final mix of splitmix64 (Steele et al. 2014): spreads 64-bit values in place."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        values ^= values >> np.uint64(shift)
        values *= np.uint64(factor)
    values ^= values >> np.uint64(31)
    return values


@functools.cache
def word_characters():
    """For every code point whether \\w matches it."""
    table = np.zeros(0x110000, dtype=bool)
    for run in re.finditer(r"\w+", "".join(map(chr, range(0x110000)))):
        table[run.start() : run.end()] = True
    return table


@functools.cache
def powers(count):
    """Powers 0 .. count - 1 of an odd base and of its inverse, modulo 2^64."""

    def table(base):
        factors = np.full(count, base, dtype=np.uint64)
        factors[0] = 1
        return np.multiply.accumulate(factors)

    base = int(ODD[0])
    return table(np.uint64(base)), table(np.uint64(pow(base, -1, 2**64)))


def segment_hashes(values, starts, ends):
    """Polynomial hash of values[start:end] for each segment, as uint64: differences of one running sum, moved to the segment's start."""
    up, down = powers(1 << max(16, len(values).bit_length()))
    sums = np.zeros(len(values) + 1, dtype=np.uint64)
    np.cumsum(values * up[: len(values)], out=sums[1:])
    return mix((sums[ends] - sums[starts]) * down[starts])


def word_hashes(texts):
    """64-bit hashes of the lower-cased words of all texts in one array, and the place where each text's words start (and the last end)."""
    lowered = "\n".join(texts).lower()
    lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    # a few capitals have longer lower-case forms
    if len(lowered) != lengths.sum() + len(texts) - 1:
        texts = [text.lower() for text in texts]
        lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
        lowered = "\n".join(texts)
    if lowered.isascii():
        codes = np.frombuffer(lowered.encode(), dtype=np.uint8)
    else:
        codes = np.frombuffer(lowered.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    inside = np.zeros(len(codes) + 2, dtype=np.int8)
    inside[1:-1] = word_characters()[codes]
    change = np.diff(inside)
    starts, ends = np.flatnonzero(change == 1), np.flatnonzero(change == -1)
    hashes = segment_hashes((codes.astype(np.uint64) + ODD[1]) * ODD[2], starts, ends)
    text_starts = np.concatenate([[0], np.cumsum(lengths + 1)])
    return hashes, np.searchsorted(starts, text_starts)


def shingles(texts):
    """Word 3-grams of each text as 64-bit hashes in one array, the place where each text's shingles start (and the last end), and one
    hash of each text's whole word sequence."""
    words, places = word_hashes(texts)
    counts = np.diff(places)
    whole = segment_hashes(words, places[:-1], places[1:])
    index = np.arange(len(words))
    last = np.repeat(places[1:], counts)  # where the text of each word ends
    padded = np.concatenate([words, np.zeros(2, dtype=np.uint64)])
    grams = padded[:-2] * ODD[3]
    grams += np.where(index + 1 < last, padded[1:-1], 0) * ODD[4]
    grams += np.where(index + 2 < last, padded[2:], 0) * ODD[5]
    # the first word always starts a shingle, however short the text
    used = (index + 2 < last) | (index == np.repeat(places[:-1], counts))
    per_text = np.where(counts >= 3, counts - 2, np.minimum(counts, 1))
    return mix(grams[used]), np.concatenate([[0], np.cumsum(per_text)]), whole


class Shingles:
    """Shingle hashes of all rows (8 bytes each), in blocks as they were read."""

    def __init__(self):
        self.blocks, self.starts, self.total = [], [np.zeros(1, dtype=np.int64)], 0

    def add(self, values, places):
        self.blocks.append(values)
        self.starts.append(places[1:] + self.total)
        self.total += len(values)

    def close(self):
        self.values = np.concatenate(self.blocks) if self.blocks else np.zeros(0, dtype=np.uint64)
        self.starts = np.concatenate(self.starts)
        self.blocks = None

    def set_of(self, row):
        return set(self.values[self.starts[row] : self.starts[row + 1]].tolist())

    def digests(self, size, seed, rows=None):
        """RMinHash digest matrix of all rows, or of the given ones (an array of row numbers)."""
        from rensa import RMinHash

        values, starts = self.values, self.starts
        if rows is not None:
            counts = np.diff(starts)[rows]
            places = np.concatenate([[0], np.cumsum(counts)])
            shift = np.repeat(starts[:-1][rows] - places[:-1], counts)
            values, starts = values[shift + np.arange(places[-1])], places
        return RMinHash.digest_matrix_from_flat_token_hashes(
            values, starts.astype(np.uint64), size, seed
        )


# ---- candidates ----


def rows_with_company(grams, rows, bands, per_band):
    """Of the given rows those that share a whole band with another row, and their signatures as an
    array (n, bands * per_band) of uint32.

    Rensa marks them without giving its values out; only theirs, a fraction of all, are computed
    again and copied to Python. A few bands at a time: all at once would be most of the memory.
    """
    from rensa import RMinHashLSH

    groups = [min(BANDS_AT_ONCE, bands - at) for at in range(0, bands, BANDS_AT_ONCE)]
    company = np.zeros(len(grams.starts) - 1, dtype=bool)
    for number, group in enumerate(groups if len(rows) else ()):
        size = group * per_band
        index = RMinHashLSH(0.5, size, group)
        flags = index.query_duplicate_flags_matrix_one_shot(grams.digests(size, SEED + number))
        company |= np.fromiter(flags, dtype=bool, count=len(company))
    chosen = rows[company[rows]]
    signatures = np.zeros((len(chosen), bands * per_band), dtype=np.uint32)
    for at in range(0, len(chosen), BATCH):
        parts = [
            grams.digests(group * per_band, SEED + number, chosen[at : at + BATCH]).to_rows()
            for number, group in enumerate(groups)
        ]
        signatures[at : at + BATCH] = np.concatenate(
            [np.array(part, dtype=np.uint32) for part in parts], axis=1
        )
    return chosen, signatures


def split_families(keys, family_key):
    """Give rows of over-full buckets new keys that also hold the row's numbers; `family_key(position)` -> int."""
    _, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
    for position in np.flatnonzero(counts[inverse] > FAMILY):
        keys[position] ^= np.uint64(family_key(int(position)))
    return keys


def candidate_pairs(signatures, bands, family_key=None):
    """Pairs (earlier, later) of positions that share a band, each once, sorted by the later one: an array (n, 2)."""
    count, size = signatures.shape
    per_band, codes = size // bands, [np.zeros(0, dtype=np.int64)]
    for band in range(bands):
        keys = np.zeros(count, dtype=np.uint64)
        for column in range(per_band):
            keys = mix(keys ^ signatures[:, band * per_band + column] * ODD[6])
        if family_key:
            keys = split_families(keys, family_key)
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        for step in range(1, FAMILY + 1):
            at = np.flatnonzero(keys[step:] == keys[:-step])
            if not len(at):
                break
            codes.append(order[at + step] * count + order[at])
        if band % 8 == 7:
            codes = [np.unique(np.concatenate(codes))]
    codes = np.unique(np.concatenate(codes))
    if count:
        return np.stack([codes % count, codes // count], axis=1)
    return np.zeros((0, 2), dtype=np.int64)


def near_duplicates(grams, chosen, signatures, pairs, threshold, differ):
    """Map row -> (kept row, Jaccard) for every row that has an earlier kept row at or above the threshold
    and from which none of the functions in `differ` tells it apart.

    A candidate that was dropped itself stands for the row it is a duplicate of, so that every row is compared with kept rows only.
    """
    found, tried, current, set_of = {}, set(), None, functools.lru_cache(8192)(grams.set_of)
    # of the estimate: pairs below it need no exact count
    margin = 4 * math.sqrt(threshold * (1 - threshold) / signatures.shape[1])
    for at in range(0, len(pairs), 1 << 16):
        part = pairs[at : at + (1 << 16)]
        likely = (signatures[part[:, 0]] == signatures[part[:, 1]]).mean(
            axis=1
        ) >= threshold - margin
        for earlier, later in chosen[part[likely]].tolist():
            if later != current:
                current, tried = later, set()
            earlier = found[earlier][0] if earlier in found else earlier
            if later in found or earlier in tried:
                continue
            tried.add(earlier)
            one, other = set_of(earlier), set_of(later)
            common = len(one & other)
            jaccard = common / (len(one) + len(other) - common)
            if jaccard >= threshold and not any(test(earlier, later) for test in differ):
                found[later] = earlier, jaccard
    return found


# ---- the two passes over the file ----


def read_shingles(args):
    """First pass: ids, texts and shingles of all rows, and exact duplicates as a map row -> earlier row with the same words and numbers."""
    grams, ids, texts, wholes = Shingles(), [], [], []
    reader = r.read(args.input, args.field, limit=args.limit)
    bar = r.progress(desc="reading")
    while batch := list(itertools.islice(reader, BATCH)):
        for row in batch:
            if not isinstance(row[args.field], str | None):
                raise r.BadInput(
                    f'{args.input}, row "{row["id"]}": field "{args.field}" must be a text, this is {row[args.field]!r}'[
                        :300
                    ]
                )
        questions = [row[args.field] or "" for row in batch]
        values, places, whole = shingles(questions)
        grams.add(values, places)
        wholes.append(whole)
        texts += questions
        ids += [row["id"] for row in batch]
        bar.update(len(batch))
    bar.close()
    grams.close()
    return grams, ids, texts, np.concatenate(wholes) if wholes else np.zeros(0, dtype=np.uint64)


def exact_duplicates(wholes, lengths, differ):
    """Map row -> earlier row with the same words in the same order (and no other numbers); rows without a word are never duplicates."""
    order = np.argsort(wholes, kind="stable")
    keys = wholes[order]
    repeated = np.flatnonzero((keys[1:] == keys[:-1]) & (lengths[order[1:]] > 0))
    found, firsts = {}, {}
    for position in repeated.tolist():
        row, key = int(order[position + 1]), int(keys[position])
        known = firsts.setdefault(key, [int(order[position])])  # one row for each set of numbers
        for first in known[:FAMILY]:
            if not differ(first, row):
                found[row] = first
                break
        else:
            known.append(row)
    return found


def semantic_duplicates(args, texts, rows, differ):
    """Map row -> (kept row, cosine) among `rows`, an array of row numbers; blocks of rows against all kept ones before them (n^2 / 2 products:
    seconds for 100,000 rows on a GPU, minutes on a CPU)."""
    import embed_texts

    vectors = embed_texts.embed(
        [texts[row] for row in rows], args.encoder, r.beside(args.output, "embeddings")
    )
    kept, found, block = [], {}, 4096
    for at in range(0, len(rows), block):
        new = vectors[at : at + block]
        pairs = [
            (at + i, at + j) for i, j in embed_texts.pairs_from(new, new, args.semantic) if j < i
        ]
        for start in range(0, len(kept), 4 * block):
            earlier = np.asarray(kept[start : start + 4 * block])
            pairs += [
                (at + i, int(earlier[j]))
                for i, j in embed_texts.pairs_from(new, vectors[earlier], args.semantic)
            ]
        dropped = {}
        for later, earlier in sorted(pairs):
            if (
                later not in dropped
                and earlier not in dropped
                and not any(test(int(rows[earlier]), int(rows[later])) for test in differ)
            ):
                dropped[later] = earlier
                found[int(rows[later])] = (
                    int(rows[earlier]),
                    float(vectors[later] @ vectors[earlier]),
                )
        kept += [i for i in range(at, min(at + block, len(rows))) if i not in dropped]
    return found


def find_duplicates(args):
    """All rows to leave out as a map row -> (reason, more fields of the rejected row), and what the meta file says."""
    grams, ids, texts, wholes = read_shingles(args)

    def other_numbers(a, b):
        return question_text.other_numbers(texts[a], texts[b])

    def differ(a, b):
        return other_numbers(a, b) or question_text.other_words(texts[a], texts[b])

    lengths = np.diff(grams.starts)
    same_words = exact_duplicates(wholes, lengths, other_numbers)
    claims = equal_questions.Claims(
        lambda: r.read(args.input, args.field, limit=args.limit, unique=False)
    )
    exact, lost, unsettled = equal_questions.settle(same_words, claims)
    gone = np.array([*exact, *unsettled], dtype=np.int64)
    rest = np.setdiff1d(np.flatnonzero(lengths > 0), gone)
    bands, per_band = bands_and_rows(args.threshold)
    chosen, signatures = rows_with_company(grams, rest, bands, per_band)
    family_key = functools.cache(
        lambda at: int(r.text_hash(*question_text.numbers(texts[chosen[at]])), 16)
    )
    pairs = candidate_pairs(signatures, bands, family_key)

    def find_near(other_answers):
        tests = (differ, other_answers)
        return near_duplicates(grams, chosen, signatures, pairs, args.threshold, tests)

    near = claims.spare(find_near)
    near |= {row: near.get(kept, (kept, 1.0)) for row, kept in exact.items()}
    found = {
        row: ("duplicate", {"duplicate_of": ids[kept], "jaccard": round(jaccard, 4)})
        for row, (kept, jaccard) in near.items()
    }
    for row, known in lost.items():
        found[row] = "other answer", {**found[row][1], "answers": known}
    for row, known in unsettled.items():
        found[row] = "answers disagree", {"answers": known}
    if args.semantic:
        rows = np.setdiff1d(np.flatnonzero(lengths > 0), np.array([*found], dtype=np.int64))

        def find_semantic(other_answers):
            return semantic_duplicates(args, texts, rows, (other_numbers, other_answers))

        for row, (kept, cosine) in claims.spare(find_semantic).items():
            more = {"duplicate_of": ids[kept], "cosine": round(cosine, 4)}
            found[row] = "semantic duplicate", more
    return found, ids, dict(bands=bands, rows_per_band=per_band, candidates=len(chosen))


def main():
    parser = r.parser(__doc__, "input", "output", "limit", "fresh")
    add = parser.add_argument
    add("--field", default="question", help="field with the text (default question)")
    add(
        "--threshold",
        type=float,
        default=0.6,
        metavar="J",
        help="Jaccard similarity from which rows are duplicates (default 0.6)",
    )
    add(
        "--semantic",
        type=float,
        metavar="C",
        help="also drop paraphrases from this cosine of their embeddings on, e.g. 0.92",
    )
    add(
        "--encoder",
        metavar="M",
        help="sentence-transformers model of --semantic (default: the embedded all-MiniLM-L6-v2)",
    )
    args = parser.parse_args()
    for name in ("threshold", "semantic"):
        if getattr(args, name) is not None and not 0 < getattr(args, name) <= 1:
            parser.error(
                f"argument --{name}: must be above 0 and at most 1, this is {getattr(args, name)}"
            )
    step = r.Step(args, inputs=[args.input], code=[question_text, *equal_questions.CODE])
    if step.finished():
        return
    gc.disable()  # rows are plain trees: reference counts free them, and the collector's walks cost a fifth of the time
    found, ids, meta = find_duplicates(args)
    # the first pass has seen to the ids
    reader = step.read(args.input, args.field, limit=args.limit, unique=False)
    for number, row in enumerate(r.progress(reader, total=len(ids), desc="writing")):
        row["id"] = ids[number]
        if number in found:
            reason, more = found[number]
            step.reject(row, reason, **more)
        else:
            step.keep(row)
    step.finish(**meta)


if __name__ == "__main__":
    r.run(main)
