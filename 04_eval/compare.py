"""Compare two models on the same questions: paired tests, with intervals of the differences.

    python 04_eval/compare.py base_scored.jsonl tuned_scored.jsonl --output comparison.json
    python 04_eval/compare.py scored.jsonl:base scored.jsonl:tuned        a file that holds several models (or --models base tuned)

in   two files of score.py
out  a table on stdout; with --output X.json also X.md: per benchmark and over all, the difference B - A in accuracy and in unparsed answers with its
     95 % interval (paired bootstrap over questions, or over passages that questions share) and the p value (exact McNemar; over benchmarks by Holm)

Only the same questions under the same prompts can be paired: anything else is refused, with the rows named.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import zlib

import benchmarks
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
    for row in r.read(path, "benchmark", "kind", "reference", "correct", "extracted"):
        row.setdefault("model", Path(path).resolve().parent.name)
        row.setdefault("question_id", row["id"])
        yield score.facts_of(row) | {
            "prompt_hash": zlib.crc32(str(row.get("prompt")).encode("utf-8", "surrogatepass"))
        }


def read_model(text, model=None):
    """(name, rows) of one model from FILE or FILE:MODEL; BadInput where the choice is not clear."""
    path = text
    if not Path(text).is_file() and ":" in text:
        path, model = text.rsplit(":", 1)
    rows = score.groups(read_facts(path), "model")
    names = [name for (name,) in rows]
    if model is None and len(rows) != 1:
        raise r.BadInput(
            f"{path} holds {len(rows)} models ({', '.join(names)}): name one by --models A B, or {path}:MODEL"
        )
    if model is not None and model not in names:
        raise r.BadInput(f'{path}: there is no model "{model}" in it; it holds {", ".join(names)}')
    return model or names[0], rows[model or names[0],]


def named(keys, many=5):
    keys = sorted(map(str, keys))
    return ", ".join(keys[:many]) + (f" and {len(keys) - many} more" if len(keys) > many else "")


def refuse(pairs, differ, what):
    """BadInput that names the pairs which differ, where there are some."""
    other = [f"{x['benchmark']}:{x['question_id']}" for x, y in pairs if differ(x, y)]
    if other:
        raise r.BadInput(
            f"the two were {what} on {len(other)} rows: {named(other)}; run both alike"
        )


def by_question(rows):
    """{(benchmark, question, repeat): row} of the rows that have a reference."""
    return {
        (row["benchmark"], row["question_id"], row["repeat"]): row
        for row in rows
        if row["correct"] is not None
    }


def pair(rows_a, rows_b, name_a="A", name_b="B"):
    """[(row of A, row of B)] on the same questions, prompts and graders; raises BadInput that names
    what differs.

    Rows without a reference are left out.
    """
    a, b = by_question(rows_a), by_question(rows_b)
    for name, more, less in ((name_a, a, b), (name_b, b, a)):
        alone = [f"{bench}:{id_}#{n}".removesuffix("#0") for bench, id_, n in more.keys() - less]
        if alone:
            raise r.BadInput(
                f'the two were not asked the same rows: {len(alone)} only of "{name}": {named(alone)}'
            )
    pairs = [(a[key], b[key]) for key in a]
    if not pairs:
        raise r.BadInput("there is no row with a reference to compare")
    ids = (score.only(rows, "prompt_id") for rows in (a.values(), b.values()))
    prompts = f"made with other prompts ({' and '.join(ids)})"
    refuse(pairs, lambda x, y: x.get("prompt_id") != y.get("prompt_id"), prompts)
    prompts = "made with other prompt texts"
    refuse(pairs, lambda x, y: x.get("prompt_hash") != y.get("prompt_hash"), prompts)
    # the difference would be the judge's
    if any(x["judged"] for x, _ in pairs) != any(y["judged"] for _, y in pairs):
        refuse(pairs, lambda x, y: x["judged"] != y["judged"], "graded by other judges")
    return pairs


# ---- tests ----


def mcnemar(only_a, only_b):
    """Exact two-sided p value of McNemar's test: only_a rows that A alone had right, only_b that B
    alone had right."""
    n, k = only_a + only_b, min(only_a, only_b)
    if n == 0:
        return 1.0
    from scipy.stats import binom

    return min(1.0, 2 * float(binom.cdf(k, n, 0.5)))


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
    import numpy

    kinds = {}
    for value in sums.values():
        kinds[value] = kinds.get(value, 0) + 1
    totals, sizes = (numpy.array([value[i] for value in kinds], float) for i in (0, 1))
    counts = numpy.array(list(kinds.values()))
    drawn = numpy.random.default_rng(seed).multinomial(
        counts.sum(), counts / counts.sum(), size=draws
    )
    return drawn @ totals / (drawn @ sizes)


def sign_flips(sums, seed, draws=DRAWS):
    """Two-sided p value of a paired permutation test: the sign of each cluster's difference is as
    likely plus as minus where the models are equal."""
    import numpy

    totals = numpy.array([total for total, _ in sums.values() if total])
    if not len(totals):
        return 1.0
    rng, seen, reached, left = numpy.random.default_rng(seed), abs(totals.sum()) - 1e-9, 0, draws
    while left:
        block = min(left, max(1, 4_000_000 // len(totals)))
        reached += int(
            (abs(rng.choice((-1.0, 1.0), size=(block, len(totals))) @ totals) >= seen).sum()
        )
        left -= block
    return (reached + 1) / (draws + 1)


def holm(values):
    """Holm's adjusted p values, in the order given."""
    adjusted, running = [0.0] * len(values), 0.0
    for rank, place in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        running = max(running, min(1.0, (len(values) - rank) * values[place]))
        adjusted[place] = running
    return adjusted


def percentiles(sample):
    import numpy

    return [float(value) for value in numpy.percentile(sample, (2.5, 97.5))]


def difference(pairs, seed):
    """Statistics of one set of pairs, shares in percent; and the bootstrap samples of each
    measure."""
    plain = len({score.cluster_of(row) for row, _ in pairs}) == len(pairs)
    wins = [int(row_b["correct"]) - int(row_a["correct"]) for row_a, row_b in pairs]
    result = dict(
        n=len({row["question_id"] for row, _ in pairs}),
        only_a=wins.count(-1),
        only_b=wins.count(1),
        test="mcnemar" if plain else "sign flips by cluster",
    )
    samples = {}
    for number, (name, measure) in enumerate(MEASURES.items()):
        sums = cluster_sums(pairs, measure)
        samples[name] = 100 * bootstrap(sums, [seed, number])
        low, high = percentiles(samples[name])
        # no difference was seen, which is not to say that there is none: exact bound of 0 in n
        if not any(total for total, _ in sums.values()):
            high = 100 * (1 - 0.025 ** (1 / len(sums)))
            low = -high
        a, b = (100 * sum(measure(pair[i]) for pair in pairs) / len(pairs) for i in (0, 1))
        values = [measure(row_b) - measure(row_a) for row_a, row_b in pairs]
        p = (
            mcnemar(values.count(-1), values.count(1))
            if plain
            else sign_flips(sums, [seed, number, 1])
        )
        result[name] = dict(a=a, b=b, difference=b - a, low=low, high=high, p=p)
    return result, samples


def batch_noise(pairs):
    """How much two runs of one model differ on the same questions: rows whose verdict changed, and
    whose extracted answer did."""
    verdicts = sum(x["correct"] != y["correct"] for x, y in pairs)
    answers = sum(x["extracted"] != y["extracted"] for x, y in pairs)
    runs = {str(row.get("deterministic") or False) for pair in pairs for row in pair}
    return dict(rows=len(pairs), verdicts=verdicts, answers=answers, deterministic=runs == {"True"})


def noise_text(noise):
    share = {key: 100 * noise[key] / noise["rows"] for key in ("verdicts", "answers")}
    return (
        f"Two runs of one model: {noise['verdicts']:,} of {noise['rows']:,} rows ({share['verdicts']:.2f} %) changed their verdict, "
        f"{noise['answers']:,} ({share['answers']:.2f} %) their answer. At one seed this is batch noise"
        + (
            "."
            if noise["deterministic"]
            else "; --deterministic takes it out where the engine can."
        )
    )


def compare(rows_a, rows_b, name_a="A", name_b="B", seed=42):
    """The whole comparison as a dict: benchmarks = {name: ...}, all = every row, average = mean of
    the benchmarks."""
    pairs = pair(rows_a, rows_b, name_a, name_b)
    parts, by_benchmark, samples = {}, {}, {}
    for both in pairs:
        parts.setdefault(both[0]["benchmark"], []).append(both)
    for name, its in parts.items():
        by_benchmark[name], samples[name] = difference(its, seed)
    for measure in MEASURES:
        found = [its[measure] for its in by_benchmark.values()]
        for its, p in zip(found, holm([its["p"] for its in found]), strict=True):
            its["p_holm"] = p
    return dict(
        model_a=name_a,
        model_b=name_b,
        seed=seed,
        draws=DRAWS,
        benchmarks=by_benchmark,
        all=difference(pairs, seed)[0],
        average=average(by_benchmark, samples),
    )


def average(by_benchmark, samples):
    """Unweighted mean of the differences over the benchmarks, with the interval of its
    bootstrap."""
    mean = {}
    for measure in MEASURES:
        low, high = percentiles(sum(its[measure] for its in samples.values()) / len(samples))
        mean[measure] = dict(
            difference=sum(its[measure]["difference"] for its in by_benchmark.values())
            / len(by_benchmark),
            low=low,
            high=high,
        )
    return dict(benchmarks=len(by_benchmark), **mean)


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


def markdown(result):
    """The comparison as a Markdown table."""
    a, b = (result[key].replace("|", "\\|") for key in ("model_a", "model_b"))
    lines = [
        f"# {b} against {a}",
        "",
        f"Differences are {b} minus {a}, in points, with 95 % paired bootstrap intervals; p values are exact (McNemar), Holm over the "
        f"{len(result['benchmarks'])} benchmarks.",
        "",
    ]
    for measure in MEASURES:
        lines += [
            f"## {measure.capitalize()}",
            "",
            f"| Benchmark | n | {a} | {b} | difference | 95 % interval | p | p (Holm) | |",
            "|---|--:|--:|--:|--:|:-:|--:|--:|---|",
        ]
        for name, its in [*result["benchmarks"].items(), ("all rows", result["all"])]:
            m = its[measure]
            lines.append(
                f"| {benchmarks.title_of(name)} | {its['n']:,} | {m['a']:.2f} | {m['b']:.2f} | {m['difference']:+.2f} "
                f"| [{m['low']:+.2f}, {m['high']:+.2f}] "
                f"| {p_text(m['p'])} | {p_text(m['p_holm']) if 'p_holm' in m else ''} | {verdict(m)} |"
            )
        m = result["average"][measure]
        lines += [
            f"| mean of {result['average']['benchmarks']} benchmarks | | | | {m['difference']:+.2f} | [{m['low']:+.2f}, {m['high']:+.2f}] "
            f"| | | {verdict(m)} |",
            "",
        ]
    return "\n".join(lines)


def main():
    parser = r.parser(__doc__, "seed")
    add = parser.add_argument
    add("scored_a", metavar="SCORED_A", help="scored file of the first model (FILE or FILE:MODEL)")
    add("scored_b", metavar="SCORED_B", help="scored file of the second model")
    add(
        "--models",
        nargs=2,
        metavar=("A", "B"),
        default=(None, None),
        help="which models, where a file holds several",
    )
    add(
        "--output", metavar="FILE.json", help="write the comparison here, and as Markdown beside it"
    )
    args = parser.parse_args()
    name_a, rows_a = read_model(args.scored_a, args.models[0])
    name_b, rows_b = read_model(args.scored_b, args.models[1])
    one_model = name_a == name_b
    if one_model:
        name_a, name_b = f"{name_a} (first)", f"{name_b} (second)"
    result = compare(rows_a, rows_b, name_a, name_b, args.seed)
    text = markdown(result)
    if one_model:
        result["noise"] = batch_noise(pair(rows_a, rows_b))
        text += noise_text(result["noise"]) + "\n"
    if args.output:
        path = Path(args.output)
        if path.suffix not in (".json", ".md"):
            raise r.BadInput(f"--output {path}: the name must end in .json or .md")
        r.write_json(path.with_suffix(".json"), result)
        with r.write_aside(path.with_suffix(".md"), "w") as file:
            file.write(text + "\n")
    print(text)


if __name__ == "__main__":
    r.run(main)
