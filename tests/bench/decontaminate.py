"""Measure 01_extract/decontaminate.py without a judge on labelled rows, on real LLM rephrasings, and on contamination found in the wild.

    python tests/bench/decontaminate.py --data DIR [--work FOLDER] [--parts clean]

--data holds benchmarks/ and qa/ (contamination_labelled.jsonl, contaminated_real_llm_rephrased_*.jsonl, llm_adapters_math_data.jsonl,
real_13gram_overlaps.jsonl, and the sets of CLEAN). --work keeps the vectors between runs: the first run on two cores embeds about 12,000 texts.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import argparse
import collections
import csv
import os
import re
import subprocess
import tempfile

import rows as r

SCRIPT = r.ROOT / "01_extract" / "decontaminate.py"
# sets on which no threshold was chosen and that are no part of a benchmark: name, field of the question
CLEAN = {
    "medquad": "question",
    "openstax_problem_solutions": "question",
    "gsm8k_train": "question",
    "arc_challenge_train_alpaca": "instruction",
    "aqua_rat_dev": "question",
    "pubmedqa_labeled_nontest": "QUESTION",
}


def decontaminate(source, output, benchmarks, *options):
    """Run the command; returns kept rows, rejected rows, and the best dropped or spared score of each row from the audit."""
    command = [
        sys.executable,
        SCRIPT,
        "--input",
        source,
        "--output",
        output,
        "--no-judge",
        "--fresh",
        "--benchmarks",
        *benchmarks,
        *options,
    ]
    before = os.times()
    subprocess.run(list(map(str, command)), check=True, stderr=subprocess.DEVNULL)
    after = os.times()
    kept, rejected = list(r.read(output)), list(r.read(r.beside(output, "rejected.jsonl")))
    scores = collections.defaultdict(float)
    with open(r.beside(output, "audit.csv"), newline="", encoding="utf-8") as file:
        for pair in csv.DictReader(file):
            if pair["decision"] == "dropped":
                score = 1.0 if pair["method"] != "embedding" else float(pair["score"])
                scores[pair["id"]] = max(scores[pair["id"]], score)
    seconds = (
        after.children_user + after.children_system - before.children_user - before.children_system
    )
    return kept, rejected, scores, seconds


def share(part, whole):
    return f"{len(part)} of {len(whole)} = {len(part) / max(1, len(whole)):.3f}"


def labelled(data, work):
    source = data / "qa" / "contamination_labelled.jsonl"
    rows = list(r.read(source))
    _, rejected, _, seconds = decontaminate(
        source, work / "labelled.jsonl", [data / "benchmarks"], "--cache", work / "vectors"
    )
    gone = {row["id"]: row["method"] for row in rejected}
    by_label = collections.defaultdict(list)
    for row in rows:
        by_label[row["label"]].append(row)
    contaminated = by_label["contaminated"]
    lost = [row for row in by_label["clean"] if row["id"] in gone]
    spared = [row for row in by_label["hard_negative"] if row["id"] not in gone]
    print(
        f"labelled, {len(rows)} rows, {seconds:.0f} s user+sys: contaminated found "
        f"{share([row for row in contaminated if row['id'] in gone], contaminated)}; clean lost {share(lost, by_label['clean'])}; "
        f"hard negatives kept {share(spared, by_label['hard_negative'])}; by method {dict(collections.Counter(gone.values()))}"
    )
    for kind in sorted({row["kind"] for row in contaminated}):
        own = [row for row in contaminated if row["kind"] == kind]
        print(f"    {kind}: {share([row for row in own if row['id'] in gone], own)}")


def rephrased(data, work):
    """Recall of real rephrasings where one clean row in a hundred is lost, and at the default threshold."""
    clean = [
        row
        for row in r.read(data / "qa" / "contamination_labelled.jsonl")
        if row["label"] == "clean" and not row["clean_source"].startswith(("gsm8k", "mmlu"))
    ]  # theirs may be among the originals
    sets = {
        name: list(r.read(data / "qa" / f"contaminated_real_llm_rephrased_{name}.jsonl"))
        for name in ("gsm8k", "mmlu")
    }
    # the questions the rephrasings came from join the benchmarks: the folder holds only a sample of them
    everything = [row for rows in sets.values() for row in rows]
    originals = {
        row["benchmark_question"]: {
            "id": f"original-{row['id']}",
            "question": row["benchmark_question"],
            "options": row.get("benchmark_choices"),
        }
        for row in everything
    }
    r.write(work / "originals.jsonl", originals.values())
    r.write(
        work / "rephrased_in.jsonl",
        [{"id": row["id"], "question": row["question"]} for row in [*clean, *everything]],
    )
    benchmarks = [data / "benchmarks", work / "originals.jsonl"]
    for label, options in (
        ("any cosine", ["--embedding-threshold", "0.3"]),
        ("default threshold", []),
    ):
        _, rejected, scores, _ = decontaminate(
            work / "rephrased_in.jsonl",
            work / "rephrased.jsonl",
            benchmarks,
            "--cache",
            work / "vectors",
            *options,
        )
        gone = {row["id"] for row in rejected}
        if options:
            allowed = len(clean) // 100
            level = sorted((scores[row["id"]] for row in clean), reverse=True)[allowed]
            text = "; ".join(
                f"{name} {share([x for x in rows if scores[x['id']] > level], rows)}"
                for name, rows in sets.items()
            )
            print(
                f"real LLM rephrasings, {allowed} of {len(clean)} clean rows lost (cosine above {level:.3f}): {text}"
            )
        else:
            text = "; ".join(
                f"{name} {share([x for x in rows if x['id'] in gone], rows)}"
                for name, rows in sets.items()
            )
            print(
                f"real LLM rephrasings, {label}: {text}; clean lost {share([x for x in clean if x['id'] in gone], clean)}"
            )


def hidden(data, work):
    """Benchmark questions wrapped into lines of 8 words, inside a longer text, and cut to their last sentence."""
    import random

    chosen = list(r.read(data / "benchmarks" / "gsm8k" / "test.jsonl"))
    chosen += [
        row
        for row in r.read(data / "benchmarks" / "medqa" / "medqa_US_test.jsonl")
        if row.get("question")
    ][:100]
    stories = [
        row["answer"]
        for row in r.read(data / "qa" / "medquad.jsonl")
        if 150 < len(row["answer"].split()) < 300
    ]
    generator, made = random.Random(42), []
    for number, row in enumerate(chosen):
        words = row["question"].split()
        lines = "\n".join(" ".join(words[at : at + 8]) for at in range(0, len(words), 8))
        before, after = generator.sample(stories, 2)
        last = re.split(r"(?<=[.?!])\s+", row["question"].strip())[-1]
        forms = {
            "wrapped": lines,
            "embedded": f"{before}\n\n{row['question']}\n\n{after}",
            "last sentence": last,
        }
        made += [
            {"id": f"{number} {form}", "form": form, "question": text}
            for form, text in forms.items()
            if form != "last sentence" or len(last.split()) >= 10
        ]
    r.write(work / "hidden_in.jsonl", made)
    _, rejected, _, _ = decontaminate(
        work / "hidden_in.jsonl",
        work / "hidden.jsonl",
        [data / "benchmarks"],
        "--cache",
        work / "vectors",
    )
    gone = {row["id"] for row in rejected}
    for form in ("wrapped", "embedded", "last sentence"):
        rows = [row for row in made if row["form"] == form]
        print(f"{form}: found {share([row for row in rows if row['id'] in gone], rows)}")


def in_the_wild(data, work):
    """GSM8K test questions inside the LLM-Adapters file: those that share 13-grams with the benchmark must all be found."""
    source = data / "qa" / "llm_adapters_math_data.jsonl"
    known = {
        row["qa_row"]: row
        for row in r.read(data / "qa" / "real_13gram_overlaps.jsonl")
        if Path(row["qa_file"]).name == source.name and "gsm8k" in row["benchmark_file"]
    }
    rows = list(r.read(source))
    _, rejected, _, seconds = decontaminate(
        source,
        work / "adapters.jsonl",
        [data / "benchmarks" / "gsm8k"],
        "--field",
        "instruction",
        "--no-embedding",
    )
    gone = {row["id"] for row in rejected}
    found = [number for number in known if rows[number]["id"] in gone]
    print(
        f"LLM-Adapters, {len(rows)} rows, {seconds:.1f} s user+sys: known GSM8K test questions found {share(found, known)}; "
        f"rejected {len(gone)} in all"
    )
    for number in sorted(set(known) - set(found)):
        print(
            f"    not found: row {number}, {known[number]['shared_13grams']} shared 13-grams: {rows[number]['instruction'][:150]}"
        )


def other_clean_sets(data, work, shown=200):
    """Share of the rows of sets beside the labelled ones that the embedding pass drops, and every such pair, to be read."""
    for name, field in CLEAN.items():
        rows = list(r.read(data / "qa" / f"{name}.jsonl"))
        r.write(
            work / f"{name}_in.jsonl", [{"id": row["id"], "question": row[field]} for row in rows]
        )
        _, rejected, _, _ = decontaminate(
            work / f"{name}_in.jsonl",
            work / f"{name}.jsonl",
            [data / "benchmarks"],
            "--cache",
            work / "vectors",
        )
        near = [row for row in rejected if row["method"] == "embedding"]
        methods = collections.Counter(row["method"] for row in rejected)
        print(
            f"{name}: dropped by embedding {share(near, rows)}, at 0.82 "
            f"{share([row for row in near if row['score'] >= 0.82], rows)}; by method {dict(methods)}"
        )
        for row in rejected[:shown]:
            print(
                f"    {row['method']} {row['score']:.3f} {row['benchmark']} {row['benchmark_id']}: {' '.join(row['question'].split())[:300]}"
            )


PARTS = {
    "wild": in_the_wild,
    "labelled": labelled,
    "rephrased": rephrased,
    "hidden": hidden,
    "clean": other_clean_sets,
}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--work", type=Path, help="folder to keep (default: a temporary one)")
    parser.add_argument(
        "--parts", nargs="+", choices=PARTS, default=list(PARTS), help="default: all"
    )
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = args.work or Path(folder)
        work.mkdir(parents=True, exist_ok=True)
        for name in args.parts:
            PARTS[name](args.data, work)


if __name__ == "__main__":
    main()
