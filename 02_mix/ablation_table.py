"""One table of an ablation: each method with its accuracy and interval, and a winner only where the
paired tests say so; ablate.sh calls it.

    python 02_mix/ablation_table.py --csv OUT/scores.csv --comparisons OUT/comparisons/*.json --output OUT/ablation.json

in   the scores of 04_eval/score.py (--csv) with models named SOURCE.METHOD.sSEED, and the
     comparisons of each pair of methods by 04_eval/compare.py
out  on stdout and as JSON for report.py: per source the methods with rows, tokens, accuracy by
     benchmark, their mean with its interval, and the paired differences

A method wins where, against every other and with every training seed, the 95 % interval of the
paired difference (mean over benchmarks) lies above zero and the paired test over all questions has
p < 0.05 after Holm's correction. The intervals are about questions: what another training seed
would change shows only in runs with several seeds.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "04_eval"))

import collections
import json

import compare
import numpy as np
import pandas as pd

import rows as r


def name_parts(model):
    """SOURCE.METHOD.sSEED -> (source, method, seed)."""
    source, _, rest = model.partition(".")
    method, _, seed = rest.rpartition(".s")
    return source, method, seed


def mean_of(lines):
    """(mean accuracy over benchmarks, low, high) of a DataFrame of scores: the interval of
    independent benchmarks with the given half-widths."""
    if len(lines) == 1:
        return lines[["accuracy", "ci_low", "ci_high"]].astype(float).iloc[0].tolist()
    mean = float(lines.accuracy.mean())
    half = float(np.linalg.norm((lines.ci_high - lines.ci_low) / 2)) / len(lines)
    return mean, max(0.0, mean - half), min(100.0, mean + half)


def wins(method, pair):
    """Is the method clearly the better one of a pair? low, high: of the difference b - a."""
    better = pair["low"] > 0 if method == pair["b"] else pair["high"] < 0
    return better and pair["p_holm"] < 0.05


def winner(methods, pairs):
    """The method that is clearly better than each other one with every seed, or None."""
    for method in methods:
        own = [pair for pair in pairs if method in (pair["a"], pair["b"])]
        met = {pair[side] for pair in own for side in "ab"}
        if met == set(methods) and all(wins(method, pair) for pair in own):
            return method
    return None


def read_arms(csv_path):
    """{source: its arms, dicts} by the scores of all models and the arms' training files."""
    arms = collections.defaultdict(list)
    for model, lines in pd.read_csv(csv_path).groupby("model", sort=False):
        source, method, seed = name_parts(model)
        trained_on = csv_path.parent / f"{source}.{method}" / "train.jsonl"
        tokens = [row["n_tokens"] for row in r.read(trained_on)]
        arm = dict(method=method, seed=seed, rows=len(tokens), tokens=sum(tokens))
        arm |= zip(("mean", "low", "high"), mean_of(lines), strict=True)
        scores = dict(zip(lines.benchmark, lines.accuracy.tolist(), strict=True))
        arms[source].append(arm | {"n": int(lines.n.sum()), "benchmarks": scores})
    return arms


def read_pairs(paths):
    """{source: its comparisons, dicts with the difference b - a}."""
    pairs = collections.defaultdict(list)
    for path in paths:
        compared = json.loads(Path(path).read_text(encoding="utf-8"))
        source, a, seed = name_parts(compared["model_a"])
        mean, every = compared["average"]["accuracy"], compared["all"]
        pair = dict(a=a, b=name_parts(compared["model_b"])[1], seed=seed, **mean)
        pair |= {name: every[name] for name in ("only_a", "only_b")}
        pairs[source].append(pair | {"p": every["accuracy"]["p"]})
    for own in pairs.values():
        for pair, p in zip(own, compare.holm([pair["p"] for pair in own]), strict=True):
            pair["p_holm"] = p
    return pairs


def main():
    parser = r.parser(__doc__)
    add = parser.add_argument
    add("--csv", required=True, metavar="FILE", help="scores of all arms")
    add("--comparisons", nargs="+", required=True, metavar="FILE", help="of the pairs (.json)")
    add("--output", required=True, metavar="FILE.json", help="the table as data")
    args = parser.parse_args()
    pairs, sources = read_pairs(args.comparisons), {}
    for source, arms in read_arms(Path(args.csv)).items():
        best = winner(dict.fromkeys(arm["method"] for arm in arms), pairs[source])
        sources[source] = {"arms": arms, "pairs": pairs[source], "winner": best}
        print(
            f"{source}: best method: {best or 'none is clearly better'} (differences are b - a)\n"
        )
        for table in (arms, pairs[source]):
            print(pd.json_normalize(table).round(3).to_string(index=False), end="\n\n")
    r.write_json(args.output, sources)


if __name__ == "__main__":
    r.run(main)
