"""Sources of other people through load, dedup, decontaminate, select and mix: contaminated rows are
gone, every row can be traced."""

import random
from collections import Counter

import decontaminate
import dedup
import load_sources
import mix
import select_rows
import test_mix
from conftest import read_jsonl, write_jsonl

call = test_mix.call  # the fixture that runs a script in this process


def test_contaminated_rows_are_gone_and_every_row_is_traced(shared, tmp_path, call):
    """A public instruction set that holds 168 of 200 sampled GSM8K test questions word for word,
    beside clean sets in other forms."""
    names = {
        "llm_adapters_math_data": 1400,
        "gsm8k_train": 300,
        "aqua_rat_dev": 200,
        "alpaca_en_demo": 200,
        "openstax_problem_solutions": 300,
    }
    for name, n in names.items():
        write_jsonl(tmp_path / f"{name}.jsonl", read_jsonl(shared / "qa" / f"{name}.jsonl")[:n])
    known = [
        row
        for row in read_jsonl(shared / "qa" / "real_13gram_overlaps.jsonl")
        if "llm_adapters" in row["qa_file"]
    ]
    benchmark = shared / "benchmarks" / "gsm8k" / "test.jsonl"
    files = [tmp_path / f"{name}.jsonl" for name in names]
    call(load_sources, "--sources", *files, "--output", tmp_path / "m/sources.jsonl")
    call(dedup, "--input", tmp_path / "m/sources.jsonl", "--output", tmp_path / "m/dedup.jsonl")
    clean = (
        "--output",
        tmp_path / "m/clean.jsonl",
        "--benchmarks",
        benchmark,
        "--no-judge",
        "--no-embedding",
    )
    call(decontaminate, "--input", tmp_path / "m/dedup.jsonl", *clean)
    call(
        select_rows,
        "--input",
        tmp_path / "m/clean.jsonl",
        "--output",
        tmp_path / "m/selected.jsonl",
        "--method",
        "random",
        "--n",
        900,
    )
    call(
        mix,
        "--input",
        tmp_path / "m/selected.jsonl",
        "--output",
        tmp_path / "m/train.jsonl",
        "--max-tokens",
        0,
    )

    def start(text):  # the list of known overlaps cuts long questions off
        return text.strip()[:300]

    bad = {start(row["qa_question"]) for row in known}
    made = read_jsonl(tmp_path / "m/train.jsonl")
    assert len(known) == 168 and not bad & {start(row["prompt"][0]["content"]) for row in made}
    audit = [
        row
        for row in read_jsonl(tmp_path / "m/clean.rejected.jsonl")
        if row["reason"] == "contaminated"
    ]
    left = bad - {start(row["question"]) for row in read_jsonl(tmp_path / "m/dedup.rejected.jsonl")}
    assert left <= {start(row["question"]) for row in audit} and all(
        row["benchmark_id"] and row["method"] for row in audit
    )
    assert len(audit) <= len(bad) + 3, "hardly anything else is dropped"

    inputs = {row["id"]: row for row in read_jsonl(tmp_path / "m/sources.jsonl")}
    for row in made:  # from the training row to the line of the file it came from
        source = inputs[row["id"]]
        assert all(
            row[field] == source[field]
            for field in ("source", "source_id", "license", "reference_answer")
        )
        assert row["selection"].startswith("at random: 900 of ") and len(row["recipe_hash"]) == 16
        assert (
            row["prompt"][-1]["content"] == source["question"]
            and row["completion"][0]["content"] == source["answer"]
        )
    card = (tmp_path / "m/README.md").read_text()
    kept = Counter(row["source"] for row in made)
    for name in names:
        n = len(read_jsonl(tmp_path / f"{name}.jsonl"))
        line = next(line for line in card.split("\n") if line.startswith(f"| {name} | {n:,} |"))
        cells = [int(cell.replace(",", "")) for cell in line.split("|")[2:-1]]
        assert cells[0] == n == sum(cells[1:]) and cells[-1] == kept[name]
    assert f"| llm_adapters_math_data | gsm8k | exact | {len(audit)} |" in card


def test_a_duplicate_keeps_the_row_of_the_source_named_first(tmp_path, call):
    question = "A train runs 120 km in two hours at a steady pace; how fast is it on the average over the whole way?"
    for name in ("first", "second"):
        write_jsonl(
            tmp_path / f"{name}.jsonl",
            [{"question": question, "answer": f"60 km/h, says the {name} one."}],
        )
    for order in (("first", "second"), ("second", "first")):
        call(
            load_sources,
            "--sources",
            *(tmp_path / f"{name}.jsonl" for name in order),
            "--output",
            tmp_path / "s.jsonl",
        )
        call(dedup, "--input", tmp_path / "s.jsonl", "--output", tmp_path / "d.jsonl")
        assert [row["source"] for row in read_jsonl(tmp_path / "d.jsonl")] == [order[0]]


def test_the_whole_mixture_is_the_same_whatever_the_order_of_the_rows(tmp_path, call):
    rows = [
        {
            "id": f"r{i}",
            "question": f"What is {i} and {i * 7 % 11}?",
            "answer": f"It is {i}.",
            "difficulty": i % 11,
        }
        for i in range(150)
    ]
    random.Random(2).shuffle(shuffled := list(rows))
    for name, listed in (("a", rows), ("b", shuffled)):
        write_jsonl(tmp_path / f"{name}.jsonl", listed)
        folder = tmp_path / name
        call(
            load_sources,
            "--sources",
            f"s={tmp_path}/{name}.jsonl",
            "--output",
            folder / "sources.jsonl",
        )
        call(
            select_rows,
            "--input",
            folder / "sources.jsonl",
            "--output",
            folder / "sel.jsonl",
            "--method",
            "difficulty",
            "--n",
            40,
        )
        call(
            mix,
            "--input",
            folder / "sel.jsonl",
            "--output",
            folder / "train.jsonl",
            "--max-tokens",
            0,
        )
    for file in ("train.jsonl", "train.rejected.jsonl", "README.md"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file
