"""Measure 01_extract/dedup.py: recall and precision on labelled pairs, CPU seconds and memory, beside a plain numpy MinHash and datasketch.

    python tests/bench/dedup.py --rows 100000 1000000 --rival-rows 100000
    python tests/bench/dedup.py --pairs DIR/natural_near_duplicates_openstax_stats.jsonl
    python tests/bench/dedup.py --by-answer ../shared/data      (rows merged although their answers are other ones)
    python tests/bench/dedup.py --rows 100000 --datatrove PYTHON      (kept rows beside docs/with_datatrove.py's, by a Python that has datatrove)

Synthetic questions are 12 to 60 words drawn with Zipf's frequencies from 30,000 invented words; one in ten is a copy of an earlier one with up to
a tenth of its words changed, dropped or added. User and system time are those of the whole command: start, reading, writing. The rival is what
dedup scripts commonly do: SHA-1 of each 3-gram, 250 permutations in numpy, one band of 10 values as the paper's command has it, union-find.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import argparse
import hashlib
import json
import re
import statistics
import subprocess
import tempfile

import numpy as np

import rows as r

SCRIPT = r.ROOT / "01_extract" / "dedup.py"
WORD = re.compile(r"\w+")


def grams(text):
    words = WORD.findall(text.lower())
    return {tuple(words[i : i + 3]) for i in range(max(1, len(words) - 2))}


def jaccard(one, other):
    one, other = grams(one), grams(other)
    return len(one & other) / len(one | other)


# ---- data ----


def vocabulary(rng, size=30_000):
    syllables = [
        a + b + c for a in "bcdfglmnprstv" for b in "aeiou" for c in ("", "n", "r", "s", "l")
    ]
    words = sorted({"".join(rng.choice(syllables, rng.integers(1, 5))) for _ in range(2 * size)})
    return rng.permutation(words)[:size]


def edited(words, rng, vocab):
    """A copy with one to a tenth of its words changed, dropped or doubled, or only its case and punctuation changed."""
    words = list(words)
    for _ in range(int(rng.integers(0, max(2, len(words) // 10)))):
        at, kind = int(rng.integers(len(words))), rng.integers(3)
        if kind == 0:
            words[at] = str(vocab[rng.integers(len(vocab))])
        elif kind == 1 and len(words) > 3:
            del words[at]
        else:
            words.insert(at, str(vocab[rng.integers(len(vocab))]))
    return words


def synthetic(path, count, seed=1, share=0.1):
    """Write `count` questions, a tenth of them planted copies (field copy_of)."""
    rng = np.random.default_rng(seed)
    vocab = vocabulary(rng)
    weights = 1 / (np.arange(len(vocab)) + 10)
    cumulative = np.cumsum(weights) / weights.sum()
    lengths = rng.integers(12, 61, count)
    words = vocab[np.searchsorted(cumulative, rng.random(int(lengths.sum())))].tolist()
    copies = set(np.flatnonzero(rng.random(count) < share).tolist()) - {0}
    at, texts = 0, []
    with open(path, "w") as file:
        for number, length in enumerate(lengths.tolist()):
            own, copy_of = words[at : at + length], None
            at += length
            if number in copies:
                copy_of = int(rng.integers(number))
                own = edited(texts[copy_of].split(), rng, vocab)
            texts.append(" ".join(own))
            question = texts[-1].capitalize() + "?" if number % 2 else texts[-1] + "."
            file.write(
                json.dumps(
                    {
                        "id": f"q{number}",
                        "question": question,
                        "answer": "The answer is " + " ".join(own[:20]),
                        "subject": "physics",
                        "copy_of": None if copy_of is None else f"q{copy_of}",
                    }
                )
                + "\n"
            )


# ---- rivals: whole commands too ----


def rival_numpy(source, output, permutations=250, bands=1, per_band=10):
    """Signatures by datasets.map, one row at a time, buckets in dicts, union-find, then filter and write."""
    import datasets

    datasets.disable_caching()  # else the second run would find the signatures of the first
    rng = np.random.default_rng(42)
    prime, largest = np.uint64((1 << 61) - 1), np.uint64((1 << 32) - 1)
    a, b = (rng.integers(1, int(prime), permutations, dtype=np.uint64) for _ in range(2))

    def sign(question):
        words = [word.lower() for word in WORD.findall(question)]
        shingles = {" ".join(words[i : i + 3]) for i in range(max(1, len(words) - 2))}
        hashed = np.array(
            [int.from_bytes(hashlib.sha1(s.encode()).digest()[:8], "little") for s in shingles],
            dtype=np.uint64,
        )
        signature = (((hashed[:, None] * a + b) % prime) & largest).min(axis=0)
        return {
            "bands": [
                signature[band * per_band : (band + 1) * per_band].byteswap().tobytes()
                for band in range(bands)
            ]
        }

    rows = datasets.load_dataset(
        "json",
        data_files=source,
        split="train",
        cache_dir=tempfile.mkdtemp(dir=Path(output).parent),
    )
    rows = rows.map(lambda row, number: {"number": number}, with_indices=True)
    signed = rows.map(sign, input_columns=["question"])
    parent, first = {}, [{} for _ in range(bands)]

    def root(x):
        while parent.get(x, x) != x:
            x = parent[x]
        return x

    for row in signed:
        for table, key in zip(first, row["bands"], strict=True):
            one, other = root(table.setdefault(key, row["number"])), root(row["number"])
            parent[max(one, other)] = min(one, other)
    signed.filter(lambda number: root(number) == number, input_columns=["number"]).remove_columns(
        ["bands", "number"]
    ).to_json(output)


def rival_datasketch(source, output):
    from datasketch import MinHash, MinHashLSH

    index, lines = MinHashLSH(threshold=0.6, num_perm=128), open(source).readlines()
    with open(output, "w") as file:
        for number, line in enumerate(lines):
            words = [word.lower() for word in WORD.findall(json.loads(line)["question"])]
            sketch = MinHash(num_perm=128)
            sketch.update_batch(
                [" ".join(words[i : i + 3]).encode() for i in range(max(1, len(words) - 2))]
            )
            if not index.query(sketch):
                index.insert(str(number), sketch)
                file.write(line)


# ---- measuring ----


MEASURE = """import json, resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stderr=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([done.returncode, used.ru_utime + used.ru_stime, used.ru_maxrss / 1e6]))"""


def timed(*command):
    """(user + system seconds, peak memory in GB) of a command.

    A small process starts it: the peak that the kernel reports holds the starting process's own
    memory at the fork, which here would be the synthetic data.
    """
    made = subprocess.run(
        [sys.executable, "-c", MEASURE, sys.executable, *map(str, command)],
        stdout=subprocess.PIPE,
        check=True,
    )
    code, seconds, memory = json.loads(made.stdout.decode().splitlines()[-1])
    if code:
        raise SystemExit(f"{command} ended with {code}")
    return seconds, memory


def planted_found(source, output):
    """Recall of planted pairs at Jaccard >= 0.6 and >= 0.8, and the share of rejected rows whose own Jaccard with duplicate_of is >= 0.6."""
    kept = {json.loads(line)["id"] for line in open(output)}
    texts, pairs = {}, []
    for line in open(source):
        row = json.loads(line)
        texts[row["id"]] = row["question"]
        if row["copy_of"]:
            pairs.append((row["id"], row["copy_of"]))
    near = [(row, jaccard(texts[row], texts[copy])) for row, copy in pairs]
    recall = [
        statistics.fmean(row not in kept for row, score in near if score >= level)
        for level in (0.6, 0.8)
    ]
    rejected = Path(r.beside(output, "rejected.jsonl"))
    if not rejected.exists():
        return *recall, None
    rejected = [json.loads(line) for line in open(rejected)]
    return *recall, statistics.fmean(
        row["duplicate_of"] in kept and jaccard(row["question"], texts[row["duplicate_of"]]) >= 0.6
        for row in rejected
    )


def labelled_pairs(path, folder):
    """Each labelled pair is a file of two rows in one larger file: are the two merged?"""
    pairs = list(r.read(path))
    source, output = folder / "pairs.jsonl", folder / "pairs.out.jsonl"
    r.write(
        source,
        (
            {"id": f"{number}{side}", "question": row[f"question_{side}"]}
            for number, row in enumerate(pairs)
            for side in "ab"
        ),
    )
    timed(SCRIPT, "--input", source, "--output", output)
    kept = {row["id"] for row in r.read(output)}
    rejected = {row["id"]: row for row in r.read(r.beside(output, "rejected.jsonl"))}
    merged = [not {f"{number}a", f"{number}b"} <= kept for number in range(len(pairs))]
    scores = [jaccard(row["question_a"], row["question_b"]) for row in pairs]
    alike = [m for m, score in zip(merged, scores, strict=True) if score >= 0.8]
    texts = {row["id"]: row["question"] for row in r.read(source)}
    right = [
        jaccard(row["question"], texts[row["duplicate_of"]]) >= 0.6 for row in rejected.values()
    ]
    print(
        f"labelled pairs: recall at Jaccard >= 0.8: {statistics.fmean(alike):.3f} of {len(alike)}; precision {statistics.fmean(right):.3f} of "
        f"{len(right)} rejected rows"
    )


def by_answer(data, folder, show=True):
    """Rows merged wrongly: MedQuAD rows on another disease or of another kind than the kept row,
    benchmark questions with another answer than the kept row's where their texts are not the same."""
    sys.path[:0] = [str(r.ROOT / "04_eval")]
    import benchmarks

    medquad = [
        {**row, "right": [row["focus"].lower(), row["qtype"]]}
        for row in r.read(data / "qa" / "medquad.jsonl")
    ]
    found = benchmarks.load_folder(data / "benchmarks")["rows"]
    expert = [
        {"id": f"{row['benchmark']}-{number}", "question": row["question"], "right": answer_of(row)}
        for number, row in enumerate(row for rows in found.values() for row in rows)
    ]
    for name, rows in (("MedQuAD", medquad), ("benchmark questions", expert)):
        source, output = folder / "answers.jsonl", folder / "answers.out.jsonl"
        r.write(source, rows)
        timed(SCRIPT, "--input", source, "--output", output, "--fresh")
        kept = {row["id"]: row for row in r.read(output)}
        gone = list(r.read(r.beside(output, "rejected.jsonl")))
        wrong = [
            (row["question"], kept[row["duplicate_of"]]["question"])
            for row in gone
            if row["right"] != kept[row["duplicate_of"]]["right"]
            and grams(row["question"]) != grams(kept[row["duplicate_of"]]["question"])
        ]
        print(
            f"{name}: {len(rows):,} rows, {len(gone)} merged, {len(wrong)} wrongly ({len(wrong) / len(rows):.2%})"
        )
        for pair in wrong if show else ():
            print("    " + " | ".join(" ".join(text.split())[-110:] for text in pair))


def beside_datatrove(count, python, folder):
    """Print how far the rows kept by docs/with_datatrove.py (four files, local executor) are those of dedup.py."""
    source, output, parts = folder / "all.jsonl", folder / "ours.jsonl", folder / "in"
    synthetic(source, count)
    timed(SCRIPT, "--input", source, "--output", output)
    lines = open(source).readlines()
    parts.mkdir()
    for part in range(4):
        piece = lines[part * count // 4 : (part + 1) * count // 4]
        (parts / f"{part}.jsonl").write_text("".join(piece))
    script, made = r.ROOT / "docs" / "with_datatrove.py", folder / "made"
    command = [python, script, "--input", parts, "--output", made, "--parts", "4"]
    subprocess.run([*map(str, command), "--workers", "1"], stderr=subprocess.DEVNULL, check=True)
    decided = [p for p in (made / "decided").glob("*.jsonl") if "rejected" not in p.name]
    theirs = {row["id"] for p in [*(made / "alone").iterdir(), *decided] for row in r.read(p)}
    gone = {row["id"] for p in (made / "decided").glob("*.rejected.jsonl") for row in r.read(p)}
    ours = {row["id"] for row in r.read(output)}
    assert len(theirs) + len(gone) == count and not theirs & gone, "rows were lost"
    print(
        f"{count:,} rows: dedup.py keeps {len(ours):,}, datatrove with dedup.py {len(theirs):,}; same verdict for "
        f"{1 - len(ours ^ theirs) / count:.4%}; only dedup.py keeps {len(ours - theirs)}, only datatrove {len(theirs - ours)}"
    )


def answer_of(row):
    """The right answer's text: the option of the letter, or the reference."""
    letters = row["reference"] if isinstance(row["reference"], list) else [row["reference"]]
    if not row["options"]:
        return [str(letter) for letter in letters]
    return sorted(row["options"][ord(letter) - 65] for letter in letters)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs="*", default=[100_000, 1_000_000])
    parser.add_argument(
        "--rival-rows", type=int, default=100_000, help="rows of the side by side runs (0: none)"
    )
    parser.add_argument(
        "--runs", type=int, default=3, help="alternating runs side by side; medians are printed"
    )
    parser.add_argument("--by-answer", type=Path, metavar="DIR", help="folder of real data")
    parser.add_argument("--datatrove", metavar="PYTHON", help="a Python that has datatrove")
    parser.add_argument("--pairs", help="labelled pairs with question_a, question_b")
    parser.add_argument(
        "--rival",
        nargs=3,
        metavar=("NAME", "IN", "OUT"),
        help="run one rival as a command (used by this script itself)",
    )
    args = parser.parse_args()
    if args.rival:
        return {"numpy": rival_numpy, "datasketch": rival_datasketch}[args.rival[0]](
            *args.rival[1:]
        )
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        if args.by_answer:
            return by_answer(args.by_answer, folder)
        if args.datatrove:
            return beside_datatrove(args.rows[0], args.datatrove, folder)
        if args.pairs:
            return labelled_pairs(args.pairs, folder)
        for count in args.rows:
            source, output = folder / f"{count}.jsonl", folder / f"{count}.out.jsonl"
            synthetic(source, count)
            seconds, memory = timed(SCRIPT, "--input", source, "--output", output)
            at6, at8, precise = planted_found(source, output)
            print(
                f"{count:,} rows: {seconds:.1f} s user+sys, {1e6 * seconds / count:.1f} us a row, peak {memory:.2f} GB; planted copies found "
                f"{at6:.4f} at Jaccard >= 0.6, {at8:.4f} at >= 0.8; rejected rows confirmed {precise:.4f}",
                flush=True,
            )
        if args.rival_rows:
            side_by_side(folder, args.rival_rows, args.runs)


def side_by_side(folder, count, runs):
    source = folder / "rival.jsonl"
    synthetic(source, count)
    names = ["ours", "numpy"]
    try:
        import datasketch  # noqa: F401

        names.append("datasketch")
    except ImportError:
        print("datasketch is not installed (pip install datasketch shows its figure beside)")
    spent = {name: [] for name in names}
    for _ in range(runs):
        for name in names:
            command = (
                [SCRIPT, "--fresh", "--input", source, "--output"]
                if name == "ours"
                else [__file__, "--rival", name, source]
            )
            spent[name].append(timed(*command, folder / f"{name}.jsonl")[0])
    base = statistics.median(spent["ours"])
    for name in names:
        seconds = statistics.median(spent[name])
        at6, at8, _ = planted_found(source, folder / f"{name}.jsonl")
        print(
            f"{name}: {count:,} rows in {seconds:.1f} s user+sys (median of {runs}), {count / seconds:,.0f} rows/s, {seconds / base:.1f} times "
            f"the time of dedup.py; found {at6:.3f} of the planted copies at Jaccard >= 0.6, {at8:.3f} at >= 0.8",
            flush=True,
        )


if __name__ == "__main__":
    main()
