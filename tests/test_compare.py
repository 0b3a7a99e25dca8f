"""compare.py: the tests against scipy and simulation, pairing by question, and every refusal."""

import itertools
import json
import random

import compare
import numpy
import pytest
import score
from calling import call
from conftest import write_jsonl
from scipy.stats import binomtest
from test_score import sample

import rows as r


def scored(name, letters, **more):
    """Graded rows of a model whose letters are given, one a question; "A" is right, "-" commits to
    nothing."""
    return [
        score.grade_row(
            sample(i, None if letter == "-" else letter, model=name, question_id=f"q{i}", **more)
        )
        | {"id": f"q{i}@{name}"}
        for i, letter in enumerate(letters)
    ]


def put(tmp_path, **models):
    return [write_jsonl(tmp_path / f"{name}.jsonl", rows) for name, rows in models.items()]


def test_single_questions_are_tested_as_by_mcnemar():
    for only_a, only_b in ((0, 0), (1, 0), (3, 9), (10, 10), (40, 12), (0, 25)):
        sums = dict(enumerate([(-1.0, 1)] * only_a + [(1.0, 1)] * only_b + [(0.0, 1)] * 9))
        wanted = binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
        assert compare.exact_p(sums) == pytest.approx(wanted)


def test_clusters_flip_together():
    """Counted by hand over all 32 signs; a draw of 10,000 gave 0.047 and 0.055 for an exact
    0.052."""
    totals = (3.0, -1.0, 2.0, 2.0, 1.0)
    signs = itertools.product((-1, 1), repeat=5)
    reached = sum(abs(sum(s * t for s, t in zip(its, totals, strict=True))) >= 7 for its in signs)
    p = compare.exact_p({i: (t, 4) for i, t in enumerate(totals)})
    assert p == pytest.approx(reached / 32)


def test_a_difference_is_named_only_where_interval_and_p_agree():
    assert (
        compare.verdict(dict(low=-40, high=-5, p=0.06, p_holm=0.4))
        == compare.verdict(dict(low=-4, high=5, p=0.01))
        == "no clear difference"
    )
    assert (
        compare.verdict(dict(low=-40, high=-5, p=0.001, p_holm=0.01)) == "lower"
        and compare.verdict(dict(low=1, high=5)) == "higher"
    )


def test_holm():
    assert compare.holm([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.09, 0.09, 0.5])
    assert compare.holm([0.6, 0.7]) == [1.0, 1.0] and compare.holm([]) == []


def test_the_bootstrap_has_the_spread_of_the_theory():
    differences = [1.0] * 30 + [-1.0] * 10 + [0.0] * 160
    drawn = compare.bootstrap({i: (d, 1) for i, d in enumerate(differences)}, 3)
    assert drawn.mean() == pytest.approx(0.1, abs=0.003) and drawn.std() == pytest.approx(
        numpy.std(differences) / 200**0.5, rel=0.05
    )
    clustered = compare.bootstrap({i: (sum(differences[i::50]), 4) for i in range(50)}, 3)
    assert clustered.mean() == pytest.approx(0.1, abs=0.005)


def test_intervals_hold_the_true_difference_about_95_times_in_100():
    rng, held, runs = random.Random(2), 0, 300
    for _ in range(runs):
        sums = {}
        for i in range(150):
            a, b = rng.random() < 0.4, rng.random() < 0.5
            sums[i] = (float(b) - float(a), 1)
        low, high = compare.percentiles(compare.bootstrap(sums, rng.randrange(10**6), 2000))
        held += low <= 0.1 <= high
    assert 0.91 < held / runs < 0.99, held / runs


def test_a_lower_unparsed_rate_is_seen(tmp_path):
    base, tuned = put(
        tmp_path, base=scored("base", "A-B-C-D-" * 15), tuned=scored("tuned", "AABBCCDD" * 15)
    )
    result = json.loads(call_json(tmp_path, base, tuned))
    its = result["benchmarks"]["mine"]["unparsed"]
    assert (
        (its["a"], its["b"], its["difference"]) == (50.0, 0.0, -50.0)
        and its["high"] < 0
        and its["p"] < 1e-6
    )
    assert (
        result["benchmarks"]["mine"]["accuracy"]["difference"] == 12.5 and result["all"]["n"] == 120
    )
    # a mean of one benchmark would be named by its interval alone, against the row above it
    assert "mean of" not in call(compare, base, tuned).stdout


def call_json(tmp_path, *args):
    call(compare, *args, "--output", tmp_path / "comparison.json")
    return (tmp_path / "comparison.json").read_text()


def test_equal_models_differ_in_nothing_and_the_interval_says_how_much_that_is_worth(tmp_path):
    base, tuned = put(tmp_path, base=scored("base", "ABCD" * 5), tuned=scored("tuned", "ABCD" * 5))
    its = json.loads(call_json(tmp_path, base, tuned))["benchmarks"]["mine"]["accuracy"]
    assert (
        its["difference"] == 0
        and its["p"] == 1.0
        and -17 < its["low"] < -15
        and 15 < its["high"] < 17
    )  # 0 of 20: exact bound 16.8 %


def test_the_same_seed_gives_the_same_file(tmp_path):
    files = put(tmp_path, base=scored("base", "ABCDA-" * 9), tuned=scored("tuned", "AACDAB" * 9))
    assert call_json(tmp_path, *files) == call_json(tmp_path, *files)


def test_one_file_with_several_models(tmp_path):
    both = write_jsonl(tmp_path / "both.jsonl", scored("base", "ABCD") + scored("tuned", "AACD"))
    assert "# tuned against base" in call(compare, f"{both}:base", f"{both}:tuned").stdout
    assert "it holds base, tuned" in call(compare, both, both, code=2).stderr
    assert 'no model "x"' in call(compare, f"{both}:x", both, code=2).stderr


def test_two_runs_of_one_model_are_told_apart(tmp_path):
    first, second = put(tmp_path, first=scored("m", "ABCD"), second=scored("m", "AACD"))
    assert "# m (second) against m (first)" in call(compare, first, second).stdout


def test_shared_passages_are_resampled_together():
    pairs = []
    for group in range(12):
        for i in range(5):
            a, b = (
                score.grade_row(
                    sample(
                        group * 5 + i, letter, question_id=f"q{group * 5 + i}", group=f"g{group}"
                    )
                )
                for letter in ("B", "A" if group % 2 else "B")
            )
            pairs.append((a, b))
    clustered, _ = compare.difference(pairs, 1)
    single, _ = compare.difference(
        [({**a, "group": None}, {**b, "group": None}) for a, b in pairs], 1
    )

    def width(its):
        return its["accuracy"]["high"] - its["accuracy"]["low"]

    assert width(clustered) > 1.8 * width(single)
    assert clustered["accuracy"]["p"] > single["accuracy"]["p"]


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda rows: rows[:-2], 'not asked the same rows: 2 only of "base": mine:q6, mine:q7'),
        (lambda rows: [{**row, "prompt_id": "other"} for row in rows], "other prompts on 8 rows"),
        (
            lambda rows: [
                {**row, "prompt": "changed"} if i == 3 else row for i, row in enumerate(rows)
            ],
            "other prompt texts on 1 rows: mine:q3",
        ),
        (
            lambda rows: [
                {**row, "judged": "SAME"} if i == 2 else row for i, row in enumerate(rows)
            ],
            "other judges on 1 rows: mine:q2",
        ),
    ],
)
def test_what_cannot_be_paired_is_refused_and_named(change, message, tmp_path):
    files = put(
        tmp_path, base=scored("base", "ABCD" * 2), tuned=change(scored("tuned", "AACD" * 2))
    )
    assert message in call(compare, *files, code=2).stderr.strip().splitlines()[-1]


def test_rows_without_a_reference_are_left_out(tmp_path):
    with pytest.raises(r.BadInput, match="no row with a reference"):
        compare.pair([dict(benchmark="b", question_id="q", correct=None)], [])


def test_twenty_thousand_questions_take_a_moment():
    sums = {i: (float(i % 3 - 1), 1) for i in range(20_000)}
    assert len(compare.bootstrap(sums, 1)) == compare.DRAWS
    assert compare.exact_p(sums) == pytest.approx(1.0, abs=0.01)
