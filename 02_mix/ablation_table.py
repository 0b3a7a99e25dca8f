"""One table of an ablation: each method with its accuracy and interval, and a winner only where the
paired tests say so; ablate.sh calls it.

    python 02_mix/ablation_table.py --csv OUT/scores.csv --comparisons OUT/comparisons/*.json --output OUT/ablation.md

in   the scores of 04_eval/score.py (--csv) with models named SOURCE.METHOD.sSEED, and the
     comparisons of each pair of methods by 04_eval/compare.py
out  X.md: per source the methods with rows, tokens, accuracy by benchmark, their mean with its
     interval, and the paired differences; X.json: the same as data

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
import csv
import json
import math

import card
import compare

import rows as r


def name_parts(model):
    """SOURCE.METHOD.sSEED -> (source, method, seed); raises BadInput for another name."""
    source, _, rest = model.partition(".")
    method, _, seed = rest.rpartition(".s")
    if not (source and method and seed):
        raise r.BadInput(
            f'model "{model}": not named SOURCE.METHOD.sSEED as ablate.sh names its arms'
        )
    return source, method, seed


def mean_of(lines):
    """(mean accuracy over benchmarks, low, high): the interval of independent benchmarks with the
    given half-widths."""
    names = ("accuracy", "ci_low", "ci_high")
    lines = [tuple(float(line[name]) for name in names) for line in lines]
    if len(lines) == 1:
        return lines[0]
    mean = sum(accuracy for accuracy, _, _ in lines) / len(lines)
    half = math.hypot(*((high - low) / 2 for _, low, high in lines)) / len(lines)
    return mean, max(0.0, mean - half), min(100.0, mean + half)


def better_of(pair):
    """The method of a pair that is clearly better, or None; pair: a dict with a, b, low, high,
    p_holm (difference b - a)."""
    if pair["p_holm"] >= 0.05 or pair["low"] <= 0 <= pair["high"]:
        return None
    return pair["b"] if pair["low"] > 0 else pair["a"]


def winner(methods, pairs):
    """The method that is clearly better than each other one with every seed, or None."""
    for method in methods:
        own = [pair for pair in pairs if method in (pair["a"], pair["b"])]
        met = {pair[side] for pair in own for side in "ab"}
        if met == set(methods) and all(better_of(pair) == method for pair in own):
            return method
    return None


def trained_on(folder):
    """Rows and tokens of an arm's training file."""
    sizes = [row["n_tokens"] for row in r.read(folder / "train.jsonl")]
    return dict(rows=len(sizes), tokens=sum(sizes))


def read_arms(csv_path):
    """{source: its arms, dicts} by the scores of all models."""
    lines_of, arms = collections.defaultdict(list), collections.defaultdict(list)
    with open(csv_path, newline="", encoding="utf-8") as file:
        for line in csv.DictReader(file):
            lines_of[line["model"]].append(line)
    for model, lines in lines_of.items():
        source, method, seed = name_parts(model)
        mean, low, high = mean_of(lines)
        arm = dict(method=method, seed=seed, mean=mean, low=low, high=high)
        arm["n"] = sum(int(line["n"]) for line in lines)
        arm["benchmarks"] = {line["benchmark"]: float(line["accuracy"]) for line in lines}
        arms[source].append(arm | trained_on(csv_path.parent / f"{source}.{method}"))
    return arms


def read_pairs(paths):
    """{source: its comparisons, dicts with the difference b - a}."""
    pairs = collections.defaultdict(list)
    for path in paths:
        compared = json.loads(Path(path).read_text(encoding="utf-8"))
        source, a, seed = name_parts(compared["model_a"])
        mean, every = compared["average"]["accuracy"], compared["all"]
        pair = dict(a=a, b=name_parts(compared["model_b"])[1], seed=seed, p=every["accuracy"]["p"])
        pair |= {name: mean[name] for name in ("difference", "low", "high")}
        pair |= {name: every[name] for name in ("only_a", "only_b")}
        pairs[source].append(pair)
    for own in pairs.values():
        for pair, p in zip(own, compare.holm([pair["p"] for pair in own]), strict=True):
            pair["p_holm"] = p
    return pairs


def gather(csv_path, comparisons):
    """{source: {"arms": [...], "pairs": [...], "winner": name or None}} of an ablation."""
    pairs, sources = read_pairs(comparisons), {}
    for source, arms in read_arms(csv_path).items():
        best = winner(dict.fromkeys(arm["method"] for arm in arms), pairs[source])
        sources[source] = {"arms": arms, "pairs": pairs[source], "winner": best}
    return sources


def table(lines):
    """Markdown table of dicts with the same keys."""
    return card.table([*lines[0]], [[*line.values()] for line in lines])


def arms_table(arms, best):
    names, lines = list(dict.fromkeys(name for arm in arms for name in arm["benchmarks"])), []
    for arm in arms:
        line, scores = {k: arm[k] for k in ("method", "seed", "rows", "tokens")}, arm["benchmarks"]
        line |= {name: f"{scores[name]:.2f}" if name in scores else "" for name in names}
        line[f"mean of {len(names)}"] = f"{arm['mean']:.2f}"
        line["95 % interval"] = f"[{arm['low']:.2f}, {arm['high']:.2f}]"
        lines.append(line | {"": "winner" if arm["method"] == best else ""})
    return table(lines)


def pairs_table(pairs):
    lines = []
    for pair in pairs:
        line = {"difference": f"{pair['b']} - {pair['a']}", "seed": pair["seed"]}
        line["points"] = f"{pair['difference']:+.2f}"
        line["95 % interval"] = f"[{pair['low']:+.2f}, {pair['high']:+.2f}]"
        line |= {"only first right": pair["only_a"], "only second right": pair["only_b"]}
        lines.append(line | {"p": f"{pair['p']:.3f}", "p (Holm)": f"{pair['p_holm']:.3f}"})
    return table(lines)


def markdown(sources):
    text = [
        "# Ablation of the selection methods",
        "Accuracies in percent with 95 % intervals. Differences are paired over the same questions; p values are exact, Holm over the "
        "pairs of a source. A winner is named only where every interval and every test says so.",
    ]
    for source, found in sources.items():
        best = found["winner"]
        text.append(f"## {'All rows' if source == 'all' else source}")
        text += [arms_table(found["arms"], best), pairs_table(found["pairs"])]
        none = "No method is clearly better: the differences are within what chance gives on these questions."
        text.append(f"**{best}** is the best method here." if best else none)
    return "\n\n".join(text) + "\n"


def main():
    parser = r.parser(__doc__)
    add = parser.add_argument
    add("--csv", required=True, metavar="FILE", help="scores of all arms")
    add("--comparisons", nargs="+", required=True, metavar="FILE", help="of the pairs (.json)")
    add("--output", required=True, metavar="FILE.md", help="its data stand beside it as .json")
    args = parser.parse_args()
    sources = gather(Path(args.csv), args.comparisons)
    r.write_json(Path(args.output).with_suffix(".json"), sources)
    with r.write_aside(args.output, "w") as file:
        file.write(markdown(sources))
    print(markdown(sources))


if __name__ == "__main__":
    r.run(main)
