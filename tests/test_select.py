"""select_rows.py: what each method keeps, why each row is there, and that the order of the input
never matters."""

import random

import numpy as np
import pandas as pd
import pytest
import select_rows
from conftest import read_jsonl, write_jsonl
from hypothesis import given, settings
from hypothesis import strategies as st

import rows as r


def rows(n=200):
    return [
        dict(
            id=f"r{i}",
            question=f"Q{i}?",
            answer="x" * (i % 50 + 1),
            difficulty=(i % 23) / 2,
            annotator_tokens=i * 7 % 101,
            source="ab"[i % 2],
        )
        for i in range(n)
    ]


@pytest.fixture
def select(tmp_path, monkeypatch, capsys):
    """Run select_rows.py in this process; returns the rows kept and rejected, or (exit code, last
    line of stderr)."""

    def run(*arguments, given=None, name="out"):
        write_jsonl(tmp_path / "in.jsonl", rows() if given is None else given)
        r.file_hash.cache_clear()  # other tests write other rows under the same names
        monkeypatch.setattr(
            "sys.argv",
            list(
                map(
                    str,
                    (
                        select_rows.__file__,
                        "--input",
                        tmp_path / "in.jsonl",
                        "--output",
                        tmp_path / f"{name}.jsonl",
                        *arguments,
                    ),
                )
            ),
        )
        try:
            r.run(select_rows.main)
        except SystemExit as stopped:
            return stopped.code, capsys.readouterr().err.strip().split("\n")[-1]
        return read_jsonl(tmp_path / f"{name}.jsonl"), read_jsonl(
            tmp_path / f"{name}.rejected.jsonl"
        )

    return run


def test_random_is_a_sample_by_seed_whatever_the_order(select, tmp_path):
    kept, rejected = select("--method", "random", "--n", "50", name="a")
    assert (
        len(kept) == 50
        and len(rejected) == 150
        and {row["reason"] for row in rejected} == {"not selected"}
    )
    assert {row["id"] for row in kept + rejected} == {row["id"] for row in rows()}
    assert all(row["selection"] == "at random: 50 of 200, seed 42" for row in kept)
    shuffled = rows()
    random.Random(3).shuffle(shuffled)
    select("--method", "random", "--n", "50", given=shuffled, name="b")
    for end in ("jsonl", "rejected.jsonl"):
        ours, theirs = (read_jsonl(tmp_path / f"{name}.{end}") for name in "ab")
        assert ours == sorted(theirs, key=lambda row: int(row["id"][1:]))
    other, _ = select("--method", "random", "--n", "50", "--seed", "7", name="c")
    assert 3 < len({row["id"] for row in other} & {row["id"] for row in kept}) < 30  # 12.5 expected


def test_random_has_no_favourites():
    """Each of 40 rows is among the chosen 10 in a quarter of 2,000 seeds: 500, standard deviation
    19."""
    hits = dict.fromkeys(range(40), 0)
    for seed in range(2000):
        for i in sorted(hits, key=lambda i: select_rows.order_key(seed, f"r{i}", "select"))[:10]:
            hits[i] += 1
    assert all(abs(n - 500) < 5 * 19.4 for n in hits.values())


def test_difficulty_keeps_one_to_nine_and_says_why_not(select):
    given_rows = [*rows(), {"id": "none", "question": "Q", "answer": "A", "difficulty": None}]
    kept, rejected = select("--method", "difficulty", given=given_rows)
    assert all(1 <= row["difficulty"] <= 9 for row in kept) and {1.0, 9.0} <= {
        row["difficulty"] for row in kept
    }
    reasons = {row["id"]: row["reason"] for row in rejected}
    for row in given_rows:
        value = row["difficulty"]
        assert reasons.get(row["id"]) == (
            "no difficulty score"
            if value is None
            else "too easy"
            if value > 9
            else "too hard (noisy)"
            if value < 1
            else None
        )
    kept, rejected = select("--method", "difficulty", "--n", "30", given=given_rows, name="n")
    assert (
        len(kept) == 30
        and sum(row["reason"] == "not selected" for row in rejected) > 50
        and "mean difficulty in 1 to 9" in kept[0]["selection"]
    )


def test_length_takes_the_longest_of_the_annotator_then_of_the_answer(select):
    kept, rejected = select("--method", "length", "--n", "20")
    assert min(row["annotator_tokens"] for row in kept) >= max(
        row["annotator_tokens"] for row in rejected
    )
    plain = [{k: v for k, v in row.items() if k != "annotator_tokens"} for row in rows()]
    kept, rejected = select("--method", "length", "--n", "20", given=plain, name="plain")
    assert min(len(row["answer"]) for row in kept) >= max(len(row["answer"]) for row in rejected)
    half = [
        row if i % 2 else plain[i] for i, row in enumerate(rows())
    ]  # a field that only some rows have measures nothing
    assert {
        row["id"] for row in select("--method", "length", "--n", "20", given=half, name="half")[0]
    } == {row["id"] for row in kept}


def test_all_keeps_all(select):
    kept, rejected = select("--method", "all", "--n", "3")
    assert len(kept) == 200 and not rejected


def test_one_source_only(select):
    kept, rejected = select("--method", "random", "--n", "10", "--source", "a")
    assert {row["source"] for row in kept} == {"a"} and sum(
        row["reason"] == "other source" for row in rejected
    ) == 100


def test_recipe_counts(select, tmp_path):
    (tmp_path / "c.yaml").write_text("sources:\n- {source: a, method: random, count: 7}\n")
    kept, rejected = select("--recipe", tmp_path / "c.yaml", name="c")
    assert len(kept) == 7 and sum(row["reason"] == "not in the recipe" for row in rejected) == 100


@pytest.mark.parametrize(
    "arguments, words",
    [
        ((), "--method"),
        (("--method", "random"), "--n"),
        (("--method", "random", "--n", "0"), "at least 1"),
        (("--method", "best", "--n", "2"), "invalid choice"),
        (("--recipe", "r.yaml", "--n", "2"), "its own counts"),
        (("--method", "random", "--N", "2"), "--N"),
    ],
)
def test_wrong_options(select, arguments, words):
    code, last = select(*arguments)
    assert code == 2 and words in last


def test_missing_difficulty_names_file_row_and_field(select):
    code, last = select(
        "--method", "difficulty", given=[{"id": "x1", "question": "Q", "answer": "A"}]
    )
    assert code == 2 and "in.jsonl" in last and "x1" in last and '"difficulty"' in last
    code, last = select("--method", "difficulty", given=[{**rows(1)[0], "difficulty": "easy"}])
    assert code == 2 and "r0" in last and "it is easy" in last


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.text(max_size=5), st.one_of(st.none(), st.floats(0, 10))),
        max_size=60,
        unique_by=lambda pair: pair[0],
    ),
    st.integers(1, 40),
    st.sampled_from(select_rows.METHODS),
    st.randoms(),
)
def test_choice_is_a_function_of_the_set(pairs, n, method, shuffler):
    def choose(listed):
        keys = [select_rows.order_key(1, id_, "select") for id_, _ in listed]
        scores = np.array([np.nan if score is None else score for _, score in listed])
        keyed = {"key": np.array(keys, dtype=np.uint64), "score": scores}
        frame = pd.DataFrame(keyed, index=range(len(listed)))
        return sorted(keys[at] for at in select_rows.choose(frame, method, (1, 9), n))

    shuffled = list(pairs)
    shuffler.shuffle(shuffled)
    chosen = choose(pairs)
    assert chosen == choose(shuffled)
    fit = {
        "random": len(pairs),
        "all": len(pairs),
        "length": sum(s is not None for _, s in pairs),
        "difficulty": sum(s is not None and 1 <= s <= 9 for _, s in pairs),
    }
    assert len(chosen) == (fit[method] if method == "all" else min(n, fit[method]))
