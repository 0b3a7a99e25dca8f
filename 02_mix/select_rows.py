"""Choose which rows go into the mixture: random, the longest answers, by difficulty, or all.

    python 02_mix/select_rows.py --input clean.jsonl --output selected.jsonl --method difficulty
    python 02_mix/select_rows.py --input clean.jsonl --output random.jsonl --method random --n $(wc -l <selected.jsonl)
    python 02_mix/select_rows.py --input clean.jsonl --output selected.jsonl --recipe 02_mix/recipes/megascience.yaml

in   rows with id, question, answer; for the method difficulty: difficulty (of score_difficulty.py)
out  the chosen rows in the order of the input, with `selection` (why) and `selection_score` (what
     it was ranked by, or null); which depends on seed and ids alone. Rejected: "not selected"; "too
     easy" (mean > 9), "too hard (noisy)" (mean < 1), "no difficulty score"; "other source" with
     --source; "not in the recipe"

length measures `annotator_tokens` where every row has it, else the characters of the answer.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import math

import load_sources

import rows as r

METHODS = ("random", "length", "difficulty", "all")
# of a row: place of its rule (-1: none), place in the order of the seed, score (NaN: none)
MEASURES = [("rule", "i8"), ("key", "u8"), ("score", "f8")]


def order_key(seed, id_, use):
    """64-bit place of a row in the order of `use` ("select", "mix"); another seed or use gives an
    unrelated order."""
    import xxhash

    return xxhash.xxh3_64_intdigest(f"{use}\x1f{seed}\x1f{id_}".encode("utf-8", "surrogatepass"))


def choose(rows, method, keep, n=None):
    """Index of the rows (a DataFrame of MEASURES) that are chosen: the best n, or all that may
    be."""
    if method == "all":
        return rows.index
    if method == "difficulty":
        rows = rows[rows.score.between(*keep)]
    if method in ("random", "difficulty"):
        return rows.sort_values("key").index[:n]
    return rows.dropna().sort_values(["score", "key"], ascending=[False, True]).index[:n]


# ---- what a row is ranked by: functions row -> number, NaN for none ----


def length_of(path):
    every = all(row.get("annotator_tokens") is not None for row in r.read(path))
    field = "annotator_tokens" if every else "answer"
    r.say(f"length: measured by {field}")
    return lambda row: row[field] if every else len(row[field] or "")


def difficulty_of(path):
    def score(row):
        value = row.get("difficulty", "missing")
        if type(value) not in (int, float, type(None)):
            place = f'{path}, row "{row["id"]}"'
            raise r.BadInput(
                f'{place}: field "difficulty" must be a number or null, it is {value!s:.99}'
            )
        return math.nan if value is None else float(value)

    return score


def scorer_of(method, path):
    if method in ("random", "all"):
        return lambda row: math.nan
    return {"length": length_of, "difficulty": difficulty_of}[method](path)


# ---- rules: how the rows of a source, or all (source None), are chosen ----


def rules_of(args):
    """List of dicts source, method, n."""
    if args.recipe:
        rules = recipe_rules(args.recipe)
        return [rule for rule in rules if args.source in (None, rule["source"])]
    return [dict(source=args.source, method=args.method, n=args.n)]


def recipe_rules(path):
    rules = []
    for entry in load_sources.read_recipe(path)["sources"]:
        name, n = entry["source"], entry.get("count")
        method = entry.get("method", "random" if "count" in entry else "all")
        if method not in METHODS:
            names = ", ".join(METHODS)
            raise r.BadInput(f"--recipe {path}: {name}: {method} is no method ({names})")
        rules.append(dict(source=name, method=method, n=n))
    return rules


# ---- the two passes over the file ----


def measure(args, rules):
    """First pass: the MEASURES of each row."""
    places = {rule["source"]: place for place, rule in enumerate(rules)}
    scorers = [scorer_of(rule["method"], args.input) for rule in rules]
    rows = r.read(args.input, "question", "answer", "subject?")
    for row in r.progress(rows, desc="measuring"):
        place = places.get(row.get("source"), places.get(None, -1))
        score = math.nan if place < 0 else scorers[place](row)
        yield place, order_key(args.seed, row["id"], "select"), score


def reason_for(rule, score, args):
    """The sentence that stays in a chosen row."""
    method, of = rule["method"], rule["of"]
    if method == "all":
        return f"all {of:,} rows of the source"
    how = {"random": "at random", "length": "longest"}.get(method)
    if method == "difficulty":
        how = "mean difficulty in {:g} to {:g}".format(*args.keep)
    told = "" if score is None else f", score {score:g}"
    return f"{how}: {rule['chosen']:,} of {of:,}, seed {args.seed}{told}"


def why_not(method, score, keep):
    """Reason a row was left out."""
    if score is None and method == "difficulty":
        return "no difficulty score"
    if method == "difficulty" and not keep[0] <= score <= keep[1]:
        return "too easy" if score > keep[1] else "too hard (noisy)"
    return "not selected"


def write(args, step, rules, frame, chosen):
    """Second pass: every row goes to the output or, with a reason, to the rejected file."""
    rows = r.progress(step.read(args.input, "question", "answer", "subject?"), desc="selecting")
    for row, place, score, is_chosen in zip(rows, frame.rule, frame.score, chosen, strict=True):
        if place < 0:
            step.reject(row, "other source" if args.source else "not in the recipe")
            continue
        rule, score = rules[place], None if math.isnan(score) else score
        if is_chosen:
            why = reason_for(rule, score, args)
            step.keep({**row, "selection": why, "selection_score": score})
        else:
            why = why_not(rule["method"], score, args.keep)
            step.reject(row, why, selection_method=rule["method"], selection_score=score)


def parse_options():
    parser = r.parser(__doc__, "input", "output", "seed", "fresh")
    add = parser.add_argument
    choose_by = parser.add_mutually_exclusive_group(required=True).add_argument
    choose_by("--method", choices=METHODS)
    choose_by("--recipe", metavar="FILE", help="method and count of each source from a recipe")
    add("--n", type=r.positive, metavar="N", help="rows to keep")
    bounds = dict(nargs=2, type=float, default=(1.0, 9.0), metavar=("LOW", "HIGH"))
    add("--keep", **bounds, help="difficulty: means to keep (default 1 9)")
    add("--source", metavar="NAME", help="choose among the rows of this source only")
    args = parser.parse_args()
    if args.n and args.recipe:
        parser.error("--n: a recipe has its own counts")
    if args.method in ("random", "length") and not args.n:
        parser.error(f"--n: say how many rows {args.method} is to keep")
    return args


def main():
    import numpy as np
    import pandas as pd

    args = parse_options()
    inputs = [args.input, *filter(None, [args.recipe])]
    step = r.Step(args, inputs=inputs, code=[load_sources])
    if step.finished():
        return
    rules = rules_of(args)
    frame = pd.DataFrame(np.fromiter(measure(args, rules), MEASURES))
    chosen = np.zeros(len(frame), bool)
    for place, rule in enumerate(rules):
        own, wanted = frame[frame.rule == place], rule["n"]
        picked = choose(own, rule["method"], args.keep, wanted)
        chosen[picked] = True
        rule |= dict(chosen=len(picked), of=len(own))
        if wanted is not None and len(picked) < wanted:
            name = rule["source"] or "input"
            r.say(f"{name}: only {len(picked):,} rows for the {wanted:,} asked for")
    write(args, step, rules, frame, chosen)
    step.finish(chosen=rules)


if __name__ == "__main__":
    r.run(main)
