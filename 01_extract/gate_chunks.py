"""Keep the chunks that are likely to hold questions: a small classifier, trained on the chunks a
teacher has read already.

    python 01_extract/extract_qa.py --input chunks.jsonl --limit 2000 --output first.jsonl --model M
    python 01_extract/gate_chunks.py --input chunks.jsonl --asked 2000 --found first.jsonl --output likely.jsonl
    python 01_extract/extract_qa.py  --input likely.jsonl --output qa.jsonl --model M

in   chunks; --asked: how many of them, from the first on, the teacher has read; --found: the pairs
     it found (source_id names the chunk)
out  the chunks that were read and held pairs, and the likely ones of the rest, with
     gate_probability. Rejected: "held no question" (read already), "unlikely to hold a question".
     X.meta.json says what the gate will lose and save: recall and share of chunks kept in
     cross-validation

In MegaScience 72,548 of 546,134 chunks (13 %) held a pair (table 1 of arXiv 2507.16812), each read
by a 70B model twice.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import itertools

import rows as r

RECALL = 0.95  # share of the chunks with pairs that are to be kept
FOLDS = 5
FEWEST = 20  # chunks of each class: with fewer the recall is not worth stating
TOKEN = r"\w+|[?=$*]"  # signs of questions, formulas and labels are words too
BATCH = 1000  # chunks that are judged at once


def train(texts, labels):
    """(classifier, threshold, {"recall", "kept"} in percent as cross-validation finds them)."""
    import numpy as np
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(
        TfidfVectorizer(sublinear_tf=True, min_df=2, ngram_range=(1, 2), token_pattern=TOKEN),
        LogisticRegression(C=10, max_iter=2000, class_weight="balanced"),
    )
    labels = np.array(labels)
    held_out = cross_val_predict(model, texts, labels, cv=FOLDS, method="predict_proba")[:, 1]
    threshold = float(np.quantile(held_out[labels], 1 - RECALL, method="lower"))
    kept = held_out >= threshold
    shares = {"recall": kept[labels].mean(), "kept": kept.mean()}
    measured = {name: round(100 * float(share), 1) for name, share in shares.items()}
    return model.fit(texts, labels), threshold, measured


def main():
    parser = r.parser(__doc__, "input", "output", "fresh")
    add = parser.add_argument
    add("--asked", type=r.positive, required=True, metavar="N")
    add("--found", required=True, metavar="FILE", help="pairs of extract_qa.py")
    args = parser.parse_args()
    step = r.Step(args, inputs=[args.input, args.found])
    if step.finished():
        return
    holding = {row["source_id"] for row in r.read(args.found, "source_id")}
    texts, labels = [], []
    for chunk in r.read(args.input, "text!", limit=args.asked):
        texts.append(chunk["text"])
        labels.append(chunk["id"] in holding)
    with_pairs = sum(labels)
    if min(with_pairs, len(labels) - with_pairs) < FEWEST:
        raise r.BadInput(
            f"{args.found}: {with_pairs} of the first {len(labels)} chunks hold pairs; "
            f"at least {FEWEST} with and {FEWEST} without are needed: let the teacher read more"
        )
    model, threshold, measured = train(texts, labels)
    chunks = enumerate(step.read(args.input, "text!"))
    while batch := list(itertools.islice(chunks, BATCH)):
        probabilities = model.predict_proba([chunk["text"] for _, chunk in batch])[:, 1]
        for (number, chunk), probability in zip(batch, probabilities, strict=True):
            chunk["gate_probability"] = round(float(probability), 4)
            was_read = number < len(labels)
            if labels[number] if was_read else probability >= threshold:
                step.keep(chunk)
            else:
                reason = "held no question" if was_read else "unlikely to hold a question"
                step.reject(chunk, reason)
    step.finish(threshold=threshold, cross_validated=measured)
    r.say(
        f"cross-validated: {measured['recall']} % of the chunks with pairs are kept, "
        f"{measured['kept']} % of all chunks are read"
    )


if __name__ == "__main__":
    r.run(main)
