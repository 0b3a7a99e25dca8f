"""Compare two models on the same questions: paired tests, with intervals of the differences.

    python 04_eval/compare.py base_scored.jsonl tuned_scored.jsonl --output comparison.json
    python 04_eval/compare.py scored.jsonl:base scored.jsonl:tuned   a file with several models

in   two files of score.py
out  a table on stdout (and as JSON in --output): per benchmark and over all, the difference B - A
     in accuracy and in unparsed answers with its 95 % interval (paired bootstrap over questions, or
     over passages that questions share) and the p value (exact: McNemar's, or flips of sign where
     questions share passages; over benchmarks by Holm)

Only the same questions under the same prompts can be paired: anything else is refused and named.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import collections
import statistics
import zlib

import benchmarks
import numpy
import score

import rows as r

DRAWS = 10000  # bootstrap samples
MEASURES = {
    "accuracy": lambda row: float(row["correct"]),
    "unparsed": lambda row: float(row["extracted"] is None),
}


# ---- reading and pairing ----


def read_facts(path):
    """Graded rows of a file without their long texts; the prompt stays as a checksum."""
    fields = ("model", "benchmark", "question_id", "kind", "reference", "correct", "extracted")
    for row in r.read(path, *fields):
        prompt = str(row.get("prompt")).encode("utf-8", "surrogatepass")
        yield score.facts_of(row) | {"prompt_hash": zlib.crc32(prompt)}


def read_model(text):
    """(name, rows) of one model from FILE or FILE:MODEL; BadInput where the choice is not clear."""
    path, wanted = text, None
    if not Path(text).is_file() and ":" in text:
        path, wanted = text.rsplit(":", 1)
    models = score.groups(read_facts(path), "model")
    if wanted is None and len(models) == 1:
        (wanted,) = models
    if wanted not in models:
        what = f'there is no model "{wanted}" in it' if wanted else f"name a model by {path}:MODEL"
        raise r.BadInput(f"{path}: {what}; it holds {', '.join(models) or 'no rows'}")
    return wanted, models[wanted]


def refuse(what, keys):
    """BadInput that names the first five of some (benchmark, question), if there are."""
    names = sorted(map(":".join, keys))
    if names:
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        raise r.BadInput(f"{what}: {', '.join(names[:5])}{more}")


def by_question(rows):
    """{(benchmark, question): row} of the rows that have a reference."""
    rows = (row for row in rows if row["correct"] is not None)
    return {(row["benchmark"], row["question_id"]): row for row in rows}


def pair(rows_a, rows_b, name_a="A", name_b="B"):
    """[(row of A, row of B)] on the same questions, prompts and graders, rows without a reference
    left out; raises BadInput that names what differs."""
    a, b = by_question(rows_a), by_question(rows_b)
    for name, alone in ((name_a, a.keys() - b), (name_b, b.keys() - a)):
        refuse(f'the two were not asked the same rows: {len(alone)} only of "{name}"', alone)
    if not a:
        raise r.BadInput("there is no row with a reference to compare")
    alike = {"prompt_id": "made with other prompts", "prompt_hash": "made with other prompt texts"}
    # of one that a judge saw and one that none saw, the difference would be the judge's
    if len({any(row["judged"] for row in side.values()) for side in (a, b)}) > 1:
        alike["judged"] = "graded by other judges"
    for field, what in alike.items():
        other = [key for key in a if a[key][field] != b[key][field]]
        refuse(f"run both alike: they were {what} on {len(other)} rows", other)
    return [(a[key], b[key]) for key in a]


# ---- tests ----


def cluster_sums(pairs, measure):
    """{cluster: (sum of differences B - A, rows)} of a measure."""
    sums = {}
    for row_a, row_b in pairs:
        total, n = sums.get(score.cluster_of(row_a), (0.0, 0))
        sums[score.cluster_of(row_a)] = total + measure(row_b) - measure(row_a), n + 1
    return sums


def bootstrap(sums, seed, draws=DRAWS):
    """Mean differences of `draws` samples of clusters with replacement; array of floats.

    Equal clusters are drawn together (a multinomial over the kinds of cluster), so that 20,000
    questions cost no more than 20.
    """
    kinds = collections.Counter(sums.values())
    totals, sizes = numpy.array(list(kinds), float).T
    shares = numpy.array(list(kinds.values())) / kinds.total()
    drawn = numpy.random.default_rng(seed).multinomial(kinds.total(), shares, size=draws)
    return drawn @ totals / (drawn @ sizes)


def exact_p(sums):
    """Exact two-sided p value of a paired test: the sign of each cluster's difference is as likely
    plus as minus where the models are equal. Where clusters are single questions: McNemar's."""
    from scipy.stats import binom

    totals = [int(total) for total, _ in sums.values() if total]
    chances = numpy.ones(1)  # of each sum that flipped signs can give, the middle one is 0
    for size, number in collections.Counter(map(abs, totals)).items():
        part = numpy.zeros(2 * size * number + 1)
        part[:: 2 * size] = binom.pmf(range(number + 1), number, 0.5)
        chances = numpy.convolve(chances, part)
    distance = numpy.abs(numpy.arange(len(chances)) - len(chances) // 2)
    return min(1.0, float(chances[distance >= abs(sum(totals))].sum()))


def holm(values):
    """Holm's adjusted p values, in the order given."""
    adjusted, running = [0.0] * len(values), 0.0
    for rank, place in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        running = max(running, min(1.0, (len(values) - rank) * values[place]))
        adjusted[place] = running
    return adjusted


def percentiles(sample):
    return numpy.percentile(sample, (2.5, 97.5)).tolist()


def difference(pairs, seed):
    """Statistics of one set of pairs, shares in percent; and the bootstrap samples of each
    measure."""
    wins = [row_b["correct"] - row_a["correct"] for row_a, row_b in pairs]
    result = dict(n=len(pairs), only_a=wins.count(-1), only_b=wins.count(1))
    samples = {}
    for number, (name, measure) in enumerate(MEASURES.items()):
        sums = cluster_sums(pairs, measure)
        samples[name] = 100 * bootstrap(sums, [seed, number])
        low, high = percentiles(samples[name])
        # no difference was seen, which is not to say that there is none: exact bound of 0 in n
        if not any(total for total, _ in sums.values()):
            high = 100 * (1 - 0.025 ** (1 / len(sums)))
            low = -high
        a, b = (score.percent(side, measure) for side in zip(*pairs, strict=True))
        result[name] = dict(a=a, b=b, difference=b - a, low=low, high=high, p=exact_p(sums))
    return result, samples


def compare(rows_a, rows_b, name_a="A", name_b="B", seed=42):
    """The whole comparison as a dict: benchmarks = {name: ...}, all = every row, average = mean of
    the benchmarks."""
    pairs, by_benchmark = pair(rows_a, rows_b, name_a, name_b), {}
    for both in pairs:
        by_benchmark.setdefault(both[0]["benchmark"], []).append(both)
    found = {name: difference(its, seed) for name, its in by_benchmark.items()}
    average = {"benchmarks": len(found)}
    for measure in MEASURES:
        own = [result[measure] for result, _ in found.values()]
        for its, p in zip(own, holm([its["p"] for its in own]), strict=True):
            its["p_holm"] = p
        low, high = percentiles(numpy.mean([drawn[measure] for _, drawn in found.values()], axis=0))
        mean = statistics.fmean(its["difference"] for its in own)
        average[measure] = dict(difference=mean, low=low, high=high)
    return dict(
        model_a=name_a,
        model_b=name_b,
        seed=seed,
        draws=DRAWS,
        benchmarks={name: result for name, (result, _) in found.items()},
        all=difference(pairs, seed)[0],
        average=average,
    )


# ---- tables ----


def verdict(its):
    """The sign of a difference whose interval excludes zero and whose p value (by Holm, where there
    are several benchmarks) is below 0.05."""
    sure = its.get("p_holm", its.get("p", 0.0)) < 0.05
    if sure and its["low"] > 0:
        return "higher"
    if sure and its["high"] < 0:
        return "lower"
    return "no clear difference"


def p_text(p):
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def table_line(title, n, its):
    """A line of the table; a mean has neither shares nor tests."""
    shares = [f"{its[side]:.2f}" if side in its else "" for side in ("a", "b")]
    spread = [f"{its['difference']:+.2f}", f"[{its['low']:+.2f}, {its['high']:+.2f}]"]
    tests = [p_text(its[p]) if p in its else "" for p in ("p", "p_holm")]
    return f"| {' | '.join([title, n, *shares, *spread, *tests, verdict(its)])} |"


def markdown(result):
    """The comparison as a Markdown table."""
    a, b = (result[key].replace("|", "\\|") for key in ("model_a", "model_b"))
    average, number = result["average"], len(result["benchmarks"])
    lines = [
        f"# {b} against {a}\n",
        f"Differences are {b} minus {a}, in points, with 95 % paired bootstrap intervals; "
        "p values are exact (McNemar; flips of sign where questions share passages), "
        f"Holm over the {number} benchmarks.\n",
    ]
    for measure in MEASURES:
        lines += [
            f"## {measure.capitalize()}\n",
            f"| Benchmark | n | {a} | {b} | difference | 95 % interval | p | p (Holm) | |",
            "|---|--:|--:|--:|--:|:-:|--:|--:|---|",
        ]
        for name, its in [*result["benchmarks"].items(), ("all rows", result["all"])]:
            lines.append(table_line(benchmarks.title_of(name), f"{its['n']:,}", its[measure]))
        if number > 1:  # a mean of one has no test beside its interval
            lines.append(table_line(f"mean of {number} benchmarks", "", average[measure]))
        lines.append("")
    return "\n".join(lines)


def main():
    parser = r.parser(__doc__, "seed")
    add = parser.add_argument
    add("scored_a", metavar="SCORED_A", help="scored file of the first model (FILE or FILE:MODEL)")
    add("scored_b", metavar="SCORED_B", help="scored file of the second model")
    add("--output", metavar="FILE.json", help="where to write all of it")
    args = parser.parse_args()
    name_a, rows_a = read_model(args.scored_a)
    name_b, rows_b = read_model(args.scored_b)
    if name_a == name_b:
        name_a, name_b = f"{name_a} (first)", f"{name_b} (second)"
    result = compare(rows_a, rows_b, name_a, name_b, args.seed)
    if args.output:
        r.write_json(args.output, result)
    print(markdown(result))


if __name__ == "__main__":
    r.run(main)
