"""One table of an ablation: each selection method with its accuracy and interval, and a winner only where the paired tests say so;
ablate.sh calls it.

    python 02_mix/ablation_table.py --csv OUT/scores.csv --comparisons OUT/comparisons/*.json --output OUT/ablation.md

in   the scores of 04_eval/score.py (--csv) with models named SOURCE.METHOD.sSEED, and the comparisons of each pair of methods by
     04_eval/compare.py
out  X.md: per source the methods with rows, tokens, accuracy by benchmark, their mean with its interval, and the paired differences;
     X.json: the same as data

A method wins where, against every other method and with every training seed, the 95 % interval of the paired difference (mean over
benchmarks) lies above zero and the paired test over all questions has p < 0.05 after Holm's correction over the pairs of that source. The
intervals are about questions: what another training seed would change shows only in runs with several seeds.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import collections
import csv
import json
import math

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
    half = math.sqrt(
        sum(((float(line["ci_high"]) - float(line["ci_low"])) / 2) ** 2 for line in lines)
    ) / len(lines)
    mean = sum(float(line["accuracy"]) for line in lines) / len(lines)
    if len(lines) == 1:
        return (mean, float(lines[0]["ci_low"]), float(lines[0]["ci_high"]))
    return (mean, max(0.0, mean - half), min(100.0, mean + half))


def holm(values):
    """Holm's adjusted p values, in the order given."""
    adjusted, running = {}, 0.0
    for rank, place in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        running = max(running, min(1.0, (len(values) - rank) * values[place]))
        adjusted[place] = running
    return [adjusted[place] for place in range(len(values))]


def winner(methods, pairs):
    """The method that is clearly better than each other one with every seed, or None; pairs: dicts
    with a, b, low, high, p_holm (difference b - a)."""
    for method in methods:
        won = collections.Counter()
        for pair in pairs:
            if method in (pair["a"], pair["b"]):
                above = pair["low"] > 0 if pair["b"] == method else pair["high"] < 0
                won[
                    pair["b"] if pair["a"] == method else pair["a"], above and pair["p_holm"] < 0.05
                ] += 1
        others = [other for other in methods if other != method]
        if others and all(won[other, True] and not won[other, False] for other in others):
            return method
    return None


def gather(csv_path, comparisons):
    """{source: {"arms": [...], "pairs": [...], "winner": name or None}} of an ablation."""
    with open(csv_path, newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    sources = {}
    for model in dict.fromkeys(line["model"] for line in lines):
        source, method, seed = name_parts(model)
        own = [line for line in lines if line["model"] == model]
        mean, low, high = mean_of(own)
        sources.setdefault(source, {"arms": [], "pairs": []})["arms"].append(
            dict(
                method=method,
                seed=seed,
                mean=mean,
                low=low,
                high=high,
                n=sum(int(line["n"]) for line in own),
                benchmarks={line["benchmark"]: float(line["accuracy"]) for line in own},
                **trained_on(csv_path.parent / f"{source}.{method}"),
            )
        )
    for path in comparisons:
        its = json.loads(Path(path).read_text(encoding="utf-8"))
        (source, a, seed), (_, b, _) = name_parts(its["model_a"]), name_parts(its["model_b"])
        mean = its["average"]["accuracy"]
        sources[source]["pairs"].append(
            dict(
                a=a,
                b=b,
                seed=seed,
                difference=mean["difference"],
                low=mean["low"],
                high=mean["high"],
                p=its["all"]["accuracy"]["p"],
                only_a=its["all"]["only_a"],
                only_b=its["all"]["only_b"],
            )
        )
    for its in sources.values():
        for pair, p in zip(its["pairs"], holm([pair["p"] for pair in its["pairs"]]), strict=True):
            pair["p_holm"] = p
        its["winner"] = winner(
            list(dict.fromkeys(arm["method"] for arm in its["arms"])), its["pairs"]
        )
    return sources


def trained_on(folder):
    """Rows and tokens of an arm's training file, where it is there."""
    path = folder / "train.jsonl"
    if not path.is_file():
        return dict(rows=None, tokens=None)
    sizes = [row.get("n_tokens") or 0 for row in r.read(path)]
    return dict(rows=len(sizes), tokens=sum(sizes))


def markdown(sources):
    def number(value):
        return "" if value is None else f"{value:,}"

    text = [
        "# Ablation of the selection methods",
        "Accuracies in percent with 95 % intervals. Differences are paired over the same questions; p values are exact, Holm over the "
        "pairs of a source. A winner is named only where every interval and every test says so.",
    ]
    for source, its in sources.items():
        names = list(dict.fromkeys(name for arm in its["arms"] for name in arm["benchmarks"]))
        text.append(f"## {'All rows' if source == 'all' else source}")
        lines = [
            f"| method | seed | rows | tokens | {' | '.join(names)} | mean of {len(names)} | 95 % interval | |",
            "|---|--:|--:|--:|" + "--:|" * len(names) + "--:|:-:|---|",
        ]
        for arm in its["arms"]:
            scores = " | ".join(
                f"{arm['benchmarks'][name]:.2f}" if name in arm["benchmarks"] else ""
                for name in names
            )
            mark = "winner" if arm["method"] == its["winner"] else ""
            lines.append(
                f"| {arm['method']} | {arm['seed']} | {number(arm['rows'])} | {number(arm['tokens'])} | {scores} | {arm['mean']:.2f} "
                f"| [{arm['low']:.2f}, {arm['high']:.2f}] | {mark} |"
            )
        text.append("\n".join(lines))
        lines = [
            "| difference | seed | points | 95 % interval | only first right | only second right | p | p (Holm) |",
            "|---|--:|--:|:-:|--:|--:|--:|--:|",
        ]
        for pair in its["pairs"]:
            lines.append(
                f"| {pair['b']} - {pair['a']} | {pair['seed']} | {pair['difference']:+.2f} | [{pair['low']:+.2f}, {pair['high']:+.2f}] "
                f"| {pair['only_a']} | {pair['only_b']} | {pair['p']:.3f} | {pair['p_holm']:.3f} |"
            )
        text.append("\n".join(lines))
        text.append(
            f"**{its['winner']}** is the best method here."
            if its["winner"]
            else "No method is clearly better: the differences are within what chance gives on these questions."
        )
    return "\n\n".join(text) + "\n"


def main():
    parser = r.parser(__doc__)
    add = parser.add_argument
    add("--csv", required=True, metavar="FILE", help="scores of all arms")
    add(
        "--comparisons",
        nargs="+",
        required=True,
        metavar="FILE",
        help="comparisons of the pairs (.json)",
    )
    add(
        "--output",
        required=True,
        metavar="FILE.md",
        help="table to write; the data stand beside it as .json",
    )
    args = parser.parse_args()
    for path in (args.csv, *args.comparisons):
        if not Path(path).is_file():
            raise r.BadInput(f"{path}: there is no such file")
    sources = gather(Path(args.csv), args.comparisons)
    r.write_json(Path(args.output).with_suffix(".json"), sources)
    with r.write_aside(args.output, "w") as file:
        file.write(markdown(sources))
    print(markdown(sources))


if __name__ == "__main__":
    r.run(main)
