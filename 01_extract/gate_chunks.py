"""Keep the chunks that are likely to hold questions: a small classifier, trained on the chunks a
teacher has read already.

    python 01_extract/extract_qa.py --input chunks.jsonl --limit 2000 --output first.jsonl --model M
    python 01_extract/gate_chunks.py --input chunks.jsonl --asked 2000 --found first.jsonl --output likely.jsonl
    python 01_extract/extract_qa.py  --input likely.jsonl --output qa.jsonl --model M

in   chunks; --asked: how many of them, from the first on, the teacher has read; --found: the pairs
     it found (source_id names the chunk)
out  the chunks that were read and held pairs, and those of the rest whose probability reaches the
     threshold, with gate_probability. Rejected: "held no question" (read already), "unlikely to
     hold a question". X.meta.json says the threshold, and the recall and share of chunks kept that
     it has in cross-validation: what the gate will lose and save

In MegaScience 72,548 of 546,134 chunks (13 %) held a pair (table 1 of arXiv 2507.16812), each read
by a 70B model twice. The classifier is a logistic regression on sentence vectors of a chunk's parts
and counts of signs of exercises.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import re

import embed_texts

import rows as r

PART = 1000  # characters of a chunk that one vector stands for: the encoder reads about 256 tokens
FOLDS = 5
FEWEST = 20  # chunks of each class: with fewer the recall is not worth stating
SIGNS = re.compile(
    r"(?i)\b(?:example|exercise|problem|question|solution|answer|proof|theorem|lemma)s?\b"
    r"|\?|=|\b(?:find|calculate|determine|show that|prove|what is|how many)\b"
)


def features(chunks, args):
    """Array (chunks, 2 x dimension + 2): mean and maximum of the vectors of each chunk's parts,
    signs of exercises, length."""
    import numpy as np

    parts = [
        [chunk["text"][at : at + PART] for at in range(0, len(chunk["text"]) or 1, PART)]
        for chunk in chunks
    ]
    folder = Path(args.output).parent / "cache"
    texts = [part for own in parts for part in own]
    vectors = embed_texts.embed(texts, args.encoder, folder).astype(np.float32)
    counts = np.array([len(own) for own in parts])
    starts = np.cumsum(counts) - counts
    means = np.add.reduceat(vectors, starts) / counts[:, None]
    marks = [(len(SIGNS.findall(chunk["text"])), len(chunk["text"])) for chunk in chunks]
    return np.hstack([means, np.maximum.reduceat(vectors, starts), np.log1p(marks)])


def threshold_for(probabilities, labels, recall):
    """The highest threshold at which at least `recall` of the chunks with pairs are kept."""
    import numpy as np

    positive = np.sort(probabilities[labels])
    return float(positive[int(np.floor((1 - recall) * len(positive)))])


def train(table, labels, recall):
    """(classifier, threshold, {"recall", "kept"} in percent as cross-validation finds them)."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(
        StandardScaler(), LogisticRegression(C=0.05, max_iter=2000, class_weight="balanced")
    )
    held_out = cross_val_predict(model, table, labels, cv=FOLDS, method="predict_proba")[:, 1]
    threshold = threshold_for(held_out, labels, recall)
    kept = held_out >= threshold
    measured = {
        "recall": round(100 * float(kept[labels].mean()), 1),
        "kept": round(100 * float(kept.mean()), 1),
    }
    return model.fit(table, labels), threshold, measured


def main():
    parser = r.parser(__doc__, "input", "output", "fresh")
    add = parser.add_argument
    add("--asked", type=r.positive, required=True, metavar="N")
    add("--found", required=True, metavar="FILE", help="pairs of extract_qa.py")
    add("--recall", type=float, default=0.95, help="default 0.95")
    add("--encoder", metavar="M", help="default: the embedded MiniLM")
    args = parser.parse_args()
    if not 0 < args.recall <= 1:
        raise r.BadInput(f"--recall {args.recall}: a share above 0 and at most 1 is needed")
    step = r.Step(args, inputs=[args.input, args.found])
    if step.finished():
        return
    import numpy as np

    holding = {row["source_id"] for row in r.read(args.found, "source_id")}
    chunks = list(step.read(args.input, "text"))
    labels = np.array([chunk["id"] in holding for chunk in chunks[: args.asked]])
    if min(labels.sum(), (~labels).sum()) < FEWEST:
        raise r.BadInput(
            f"{args.found}: {labels.sum()} of the first {len(labels)} chunks hold pairs; "
            f"at least {FEWEST} with and {FEWEST} without are needed: let the teacher read more"
        )
    table = features(chunks, args)
    model, threshold, measured = train(table[: len(labels)], labels, args.recall)
    probabilities = model.predict_proba(table)[:, 1]
    for number, (chunk, probability) in enumerate(zip(chunks, probabilities, strict=True)):
        chunk["gate_probability"] = round(float(probability), 4)
        was_read = number < len(labels)
        if labels[number] if was_read else probability >= threshold:
            step.keep(chunk)
        else:
            step.reject(chunk, "held no question" if was_read else "unlikely to hold a question")
    step.finish(threshold=threshold, cross_validated=measured)
    r.say(
        f"cross-validated: {measured['recall']} % of the chunks with pairs are kept, "
        f"{measured['kept']} % of all chunks are read"
    )


if __name__ == "__main__":
    r.run(main)
