"""Remove duplicate questions: MinHash finds candidate pairs, the true Jaccard similarity of their
word 3-grams decides.

    python 01_extract/dedup.py --input qa.jsonl --output dedup.jsonl --field question --threshold 0.6

in   rows with a text in `question` (or --field)
out  the rows that stand first among their duplicates; the others are in dedup.rejected.jsonl with
     reason `duplicate`, `duplicate_of` (id of a kept row) and `jaccard`. Equal questions with
     unequal answers: "other answer" (most rows have that of the kept row) or "answers disagree"
     (none stays), with all `answers`; near ones stay where their short answers surely differ
     (equal_questions.py)

Words are lower-cased \\w+; a question without any is kept. Questions with other numbers are two, and
so are short ones, or those whose last sentence is short, where each holds a content word that the
other lacks ("treatments for Osteoporosis", "... for COPD"). About 1.4 KB a row; the file is read
twice, and again for the answers of near rows.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import argparse
import collections
import functools
import gc
import itertools
import math
import re
from typing import NamedTuple

import equal_questions
import numpy as np
import question_text

import rows as r

BATCH = 1024  # rows tokenised at once: their arrays stay near the processor's cache
FOUND_AT_THRESHOLD = 0.95  # share of the pairs at the threshold that the bands must find
LARGEST_SIGNATURE = 256
# a bucket of more rows is one template with many fillings: it is split by the numbers, and pairs
# reach back this far
FAMILY = 32
PAIRS = 1 << 16  # candidates looked at together
_random = np.random.default_rng(42)
ODD = _random.integers(2**62, 2**63, 4, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
PERMUTATIONS = _random.integers(2**31, size=LARGEST_SIGNATURE, dtype=np.uint32) * 2 + np.uint32(1)


def bands_and_rows(threshold):
    """Bands b and rows r of the signature for a Jaccard threshold t: the largest r (fewest false
    candidates) whose bands find FOUND_AT_THRESHOLD of the pairs at t, 1 - (1 - t^r)^b."""
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


def hash_text(text):
    import xxhash

    return xxhash.xxh3_64_intdigest(text.encode("utf-8", "surrogatepass"))


hash_word = functools.lru_cache(1 << 17)(hash_text)


def shingles(texts):
    """Word 3-grams of the texts as 64-bit hashes in one array, the places where each text's start
    (and the last end), and a hash of each text's words."""
    words_of = [re.findall(r"\w+", text.lower()) for text in texts]
    whole = np.array([hash_text(" ".join(words)) for words in words_of], dtype=np.uint64)
    # one or two words are a shingle too
    words_of = [words + [""] * (3 - len(words)) if words else words for words in words_of]
    counts = np.array([len(words) for words in words_of], dtype=np.int64)
    ends = np.cumsum(counts)
    every_word = itertools.chain.from_iterable(words_of)
    words = np.fromiter(map(hash_word, every_word), np.uint64, ends[-1] if texts else 0)
    first = np.flatnonzero(np.arange(len(words)) + 2 < np.repeat(ends, counts))
    grams = words[first] * ODD[0]
    grams += words[first + 1] * ODD[1]
    grams += words[first + 2] * ODD[2]
    return mix(grams), np.concatenate([[0], np.cumsum(np.maximum(counts - 2, 0))]), whole


def band_keys(grams, places, bands, per_band):
    """MinHash (Broder 1997): one 32-bit key for each band and text, an array (bands, texts), of the
    text's smallest shingles under `per_band` orders of all shingles; 0 for a text without words."""
    filled = np.flatnonzero(np.diff(places))
    values, starts = (grams >> np.uint64(32)).astype(np.uint32), places[filled]
    keys = np.zeros((bands, len(places) - 1), dtype=np.uint32)
    for band in range(bands if len(filled) else 0):
        key = np.zeros(len(filled), dtype=np.uint64)
        for factor in PERMUTATIONS[band * per_band : (band + 1) * per_band]:
            key = mix(key ^ np.minimum.reduceat(values * factor, starts) * ODD[3])
        keys[band, filled] = key >> np.uint64(32)
    return keys


# ---- pairs ----


def split_families(keys, family_key):
    """Give rows of over-full buckets keys that also hold family_key(position), an int."""
    _, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
    for position in np.flatnonzero(counts[inverse] > FAMILY).tolist():
        keys[position] ^= np.uint32(family_key(position))
    return keys


def candidate_pairs(keys, rows, family_key):
    """Pairs (later, earlier) of positions among the rows that share a band: an array (n, 2)."""
    count, codes = len(rows), np.zeros(0, dtype=np.int64)
    for band in keys:
        # sorted by key, then by position
        ordered = split_families(band[rows], family_key).astype(np.uint64) << np.uint64(32)
        ordered |= np.arange(count, dtype=np.uint64)
        ordered.sort()
        band_key, position = ordered >> np.uint64(32), (ordered & 0xFFFFFFFF).astype(np.int64)
        found = [codes]
        for step in range(1, FAMILY + 1):
            at = np.flatnonzero(band_key[step:] == band_key[:-step])
            if not len(at):
                break
            found.append(position[at + step] * count + position[at])
        codes = np.unique(np.concatenate(found))
    return np.stack(np.divmod(codes, max(count, 1)), axis=1)


def near_pairs(found, rows, threshold, numbers_of):
    """Pairs (later, earlier) of row numbers that may be alike, and the function (later, earlier) ->
    Jaccard of their shingles, or None below the threshold."""
    family_key = functools.cache(lambda at: hash(numbers_of(rows[at])) & 0xFFFFFFFF)
    pairs = rows[candidate_pairs(found.keys, rows, family_key)]
    grams_of = functools.lru_cache(8192)(found.grams)

    def jaccard(later, earlier):
        one, other = grams_of(earlier), grams_of(later)
        common = len(one & other)
        share = common / (len(one) + len(other) - common)
        return share if share >= threshold else None

    return pairs, jaccard


def resolve(pairs, likeness, differ, claims):
    """Map row -> (kept row, likeness) for each row that is like an earlier kept one.

    A dropped row stands for the row it is a duplicate of, so that all are compared with kept rows.
    Answers are read of those pairs only that their texts do not tell apart.
    """

    def alike(later, earlier):
        share = likeness(later, earlier)
        return None if share is None or differ(later, earlier) else share

    near = {}
    for block in np.array_split(pairs, len(pairs) // PAIRS + 1):  # as lists they fill the memory
        every = ((pair, alike(*pair)) for pair in map(tuple, block.tolist()))
        near.update((pair, share) for pair, share in every if share is not None)
    claims.load_pairs([*near])
    found = {}
    for (later, earlier), share in near.items():
        if later not in found:
            kept = found.get(earlier, (earlier,))[0]
            share = share if kept == earlier else alike(later, kept)
            if share is not None and not claims.differ(later, kept):
                found[later] = kept, share
    return found


# ---- the two passes over the file ----


class Found(NamedTuple):
    """What the first pass keeps of all rows."""

    ids: list
    texts: list
    blocks: tuple  # (shingles of BATCH rows, 8 bytes each, and where those of a row start)
    lengths: np.ndarray  # shingles of each row
    wholes: np.ndarray  # hash of a row's word sequence
    said: np.ndarray  # hash of what the row answers
    keys: np.ndarray  # (bands, rows) of uint32

    def grams(self, row):
        values, places = self.blocks[row // BATCH]
        at = row % BATCH
        return set(values[places[at] : places[at + 1]].tolist())


def read_rows(args, bands, per_band):
    """First pass: a Found of all rows."""
    ids, texts, parts, batch = [], [], [], True
    reader = iter(r.progress(r.read(args.input, args.field, limit=args.limit), desc="reading"))
    while batch:  # the last one is empty
        batch = list(itertools.islice(reader, BATCH))
        questions = [row[args.field] or "" for row in batch]
        values, places, whole = shingles(questions)
        keys = band_keys(values, places, bands, per_band)
        said = np.array([equal_questions.answer_hash(row) for row in batch], dtype=np.int64)
        parts.append(((values, places), np.diff(places), whole, said, keys))
        texts += questions
        ids += [row["id"] for row in batch]
    blocks, *arrays, keys = zip(*parts, strict=True)
    return Found(ids, texts, blocks, *map(np.concatenate, arrays), np.concatenate(keys, axis=1))


def exact_duplicates(wholes, lengths, other_numbers):
    """Map row -> earlier row with the same words in the same order (and no other numbers); rows
    without a word are never duplicates."""
    _, places, counts = np.unique(wholes, return_inverse=True, return_counts=True)
    found, firsts = {}, collections.defaultdict(list)  # of the same words, one for each numbers
    for row in np.flatnonzero((counts[places] > 1) & (lengths > 0)).tolist():
        known = firsts[places[row]]
        first = next((first for first in known[:FAMILY] if not other_numbers(first, row)), None)
        if first is None:
            known.append(row)
        else:
            found[row] = first
    return found


def find_duplicates(args):
    """The ids of all rows, and {row to leave out: (reason, more fields of the rejected row)}."""
    found = read_rows(args, *bands_and_rows(args.threshold))
    ids, texts = found.ids, found.texts

    def other_numbers(a, b):
        return question_text.other_numbers(texts[a], texts[b])

    def differ(a, b):
        return other_numbers(a, b) or question_text.other_words(texts[a], texts[b])

    claims = equal_questions.Claims(
        lambda: r.read(args.input, args.field, limit=args.limit, unique=False), found.said
    )
    same_words = exact_duplicates(found.wholes, found.lengths, other_numbers)
    exact, lost, unsettled = equal_questions.settle(same_words, claims)
    still_there = np.setdiff1d(np.flatnonzero(found.lengths), [*exact, *unsettled]).astype(np.int64)
    pairs, jaccard = near_pairs(
        found, still_there, args.threshold, lambda row: question_text.numbers(texts[row])
    )
    near = resolve(pairs, jaccard, differ, claims)
    near |= {row: near.get(kept, (kept, 1.0)) for row, kept in exact.items()}
    out = {row: ("answers disagree", {"answers": known}) for row, known in unsettled.items()}
    for row, (kept, share) in near.items():
        more = {"duplicate_of": ids[kept], "jaccard": round(share, 4)}
        if row in lost:
            out[row] = "other answer", {**more, "answers": lost[row]}
        else:
            out[row] = "duplicate", more
    return ids, out


def share(text):
    """argparse type: a number above 0 and at most 1."""
    if not 0 < float(text) <= 1:
        raise argparse.ArgumentTypeError(f"must be above 0 and at most 1, this is {text}")
    return float(text)


def main():
    parser = r.parser(__doc__, "input", "output", "limit", "fresh")
    add = parser.add_argument
    add("--field", default="question", help="field with the text (default question)")
    add("--threshold", type=share, default=0.6, help="Jaccard of duplicates (default 0.6)")
    args = parser.parse_args()
    step = r.Step(args, inputs=[args.input], code=[question_text, *equal_questions.CODE])
    if step.finished():
        return
    gc.disable()  # rows are plain trees: the collector's walks cost a fifth of the time
    ids, out = find_duplicates(args)
    # the first pass has seen to the ids
    reader = step.read(args.input, args.field, limit=args.limit, unique=False)
    for number, row in enumerate(r.progress(reader, total=len(ids), desc="writing")):
        row["id"] = ids[number]
        if number in out:
            reason, more = out[number]
            step.reject(row, reason, **more)
        else:
            step.keep(row)
    step.finish()


if __name__ == "__main__":
    r.run(main)
