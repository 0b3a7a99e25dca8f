"""Greedy choice of rows by the 4-grams they add (used by select_rows.py --method novelty; no
command of its own).

Method: Dr. SCI (arXiv 2602.08321): each next row is the one with the most word 4-grams that no
chosen row holds yet. The gain of a row only falls while others are chosen, so that a row whose gain
was just counted and is still the largest need not be compared with the rest (lazy greedy, Minoux
1978). Long rows win where all is new: compare methods at equal tokens (--match-tokens).
"""

import heapq
import re

WORDS = 4  # of a gram


def grams(text):
    """64-bit hashes of the distinct 4-grams of a text's lower-cased words; of all its words where
    it has fewer."""
    import xxhash

    words = re.findall(r"\w+", text.lower())
    starts = range(max(1, len(words) - WORDS + 1))
    joined = {" ".join(words[start : start + WORDS]) for start in starts}
    return [xxhash.xxh3_64_intdigest(gram.encode("utf-8", "surrogatepass")) for gram in joined]


def gains(texts, n):
    """[new 4-grams the text added when it was chosen, or None where it was not], for the n texts
    chosen greedily.

    Memory: 16 bytes a gram (a row of 100 words: 1.6 KB). Equal gains go to the earlier text, so the
    caller orders the texts by seed.
    """
    import numpy as np

    hashes, ends = [], []
    for text in texts:
        hashes.append(np.array(grams(text), dtype=np.uint64))
        ends.append((ends[-1] if ends else 0) + len(hashes[-1]))
    if not ends:
        return []
    _, ids = np.unique(np.concatenate(hashes), return_inverse=True)
    rows = np.split(ids, ends[:-1])
    seen, found = np.zeros(int(ids.max(initial=0)) + 1, bool), [None] * len(rows)
    heap = [(-len(row), place) for place, row in enumerate(rows)]
    heapq.heapify(heap)
    for _ in range(min(n, len(rows))):
        while True:
            old, place = heap[0]
            gain = int(np.count_nonzero(~seen[rows[place]]))
            if gain == -old:
                break
            heapq.heapreplace(heap, (-gain, place))
        heapq.heappop(heap)
        seen[rows[place]] = True
        found[place] = gain
    return found
