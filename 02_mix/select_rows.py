"""Choose which rows go into the mixture: random, the longest answers, by difficulty, by new
4-grams, by a score of your own, or all.

    python 02_mix/select_rows.py --input clean.jsonl --output selected.jsonl --method difficulty
    python 02_mix/select_rows.py --input clean.jsonl --output random.jsonl --method random --match-n selected.jsonl
    python 02_mix/select_rows.py --input clean.jsonl --output mine.jsonl --scorer my_scorer.py:steps --n 50000
    python 02_mix/select_rows.py --input clean.jsonl --output selected.jsonl --recipe 02_mix/recipes/megascience.yaml

in   rows with id, question, answer; for the method difficulty: difficulty (of score_difficulty.py)
out  the chosen rows in the order of the input, with `selection` (why) and `selection_score` (what
     it was ranked by, or null); which depends on seed and ids alone. Rejected: "not selected"; "too
     easy" (mean > 9), "too hard (noisy)" (mean < 1), "no difficulty score"; "other source" with
     --source; "not in the recipe"

length measures `annotator_tokens` where every row has it, else the characters of
annotator_response, else of the answer. A scorer is a function of a row: the highest numbers are
kept, None rejects. novelty takes rows one by one, each with the most word 4-grams that no chosen
row has. --match-tokens takes the best until they hold as many tokens as FILE.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import math
import runpy

import count_tokens
import load_sources
import novelty
import score_difficulty

import rows as r

METHODS = ("random", "length", "difficulty", "novelty", "all")
HOW = {"random": "at random", "length": "longest", "novelty": "most new 4-grams"}
# of a row: place of its rule (-1: none), place in the order of the seed, score (NaN: none), size
MEASURES = [("rule", "i8"), ("key", "u8"), ("score", "f8"), ("size", "f8")]


def order_key(seed, id_, use):
    """64-bit place of a row in the order of `use` ("select", "mix"); another seed or use gives an
    unrelated order."""
    import xxhash

    return xxhash.xxh3_64_intdigest(f"{use}\x1f{seed}\x1f{id_}".encode("utf-8", "surrogatepass"))


# ---- the choice ----


def ranked(rows, method, keep):
    """The rows (a DataFrame of MEASURES) that may be chosen, best first."""
    if method in ("random", "all"):
        return rows.sort_values("key")
    if method == "difficulty":
        return rows[rows.score.between(*keep)].sort_values("key")
    return rows.dropna().sort_values(["score", "key"], ascending=[False, True])


def choose(rows, method, keep, n=None, tokens=None):
    """Index of the chosen rows: the best n, or as many as come nearest to `tokens`, or all that may
    be."""
    rows = ranked(rows, method, keep)
    if method == "all":
        n = None
    elif tokens is not None:
        sums = [0, *rows["size"].cumsum()]
        n = min(range(len(sums)), key=lambda count: abs(sums[count] - tokens))
    return rows.index[:n]


# ---- what a row is ranked by: functions row -> number, or None ----


def length_of(path):
    """Length by the first of three fields that every row has."""
    fields = ["annotator_tokens", "annotator_response"]
    for row in r.read(path):
        fields = [field for field in fields if row.get(field) is not None]
    field = [*fields, "answer"][0]
    r.say(f"length: measured by {field}")
    return lambda row: row[field] if isinstance(row[field], int) else len(row[field] or "")


def load_scorer(text):
    """The function named FILE.py:FUNCTION; raises BadInput where there is none. It is the user's
    own code and is run as such."""
    file, _, name = text.partition(":")
    if not Path(file).is_file() or not name:
        raise r.BadInput(f"--scorer {text}: give a file and a function in it: my_scorer.py:steps")
    defined = runpy.run_path(file)
    if name not in defined:
        raise r.BadInput(f"--scorer {text}: {file} has no function {name}")
    return defined[name]


def novelty_of(args, n):
    """4-grams that a row added when it was chosen, greedily among n; rows are offered in the order
    of seed and ids."""
    if args.recipe or n is None:
        raise r.BadInput("--method novelty needs --n or --match-n; a recipe cannot name it")
    texts = {
        row["id"]: f"{row['question']}\n{row['answer']}"
        for row in r.read(args.input, "question", "answer")
        if left_out(row, args) is None
    }
    ids = sorted(texts, key=lambda id_: order_key(args.seed, id_, "select"))
    gains = dict(zip(ids, novelty.gains((texts[id_] for id_ in ids), n), strict=True))
    return lambda row: gains.get(row["id"])


def scorer_of(rule, args):
    method = rule["method"]
    if method in ("random", "all"):
        return lambda row: None
    if method == "difficulty":
        return lambda row: row["difficulty"]
    if method == "length":
        return length_of(args.input)
    return novelty_of(args, rule["n"]) if method == "novelty" else load_scorer(method)


def checked_score(scorer, row, path):
    """The score of a row as a float, NaN for none; BadInput where it is no number."""
    place = f'{path}, row "{row["id"]}"'
    try:
        value = scorer(row)
    except KeyError as error:
        raise r.BadInput(f'{place}: field "{error.args[0]}" is missing') from None
    if value is None:
        return math.nan
    if type(value) not in (int, float) or math.isnan(value):
        raise r.BadInput(f"{place}: the score must be a number or null, this is {value!r:.99}")
    return float(value)


def sized(rows, tokenizer):
    """(row, size) of rows: tokens of the tokenizer, or characters of question and answer."""
    if tokenizer:
        return count_tokens.counted(rows, count_tokens.Tokenizer(tokenizer))
    return ((row, len(str(row["question"])) + len(str(row["answer"]))) for row in rows)


# ---- rules: how the rows of a source, or all (source None), are chosen ----


def rules_of(args):
    """List of dicts source, method, n, tokens."""
    if args.recipe:
        return recipe_rules(args.recipe)
    method, n, tokens = args.scorer or args.method, args.n, None
    if args.match_n:
        n = sum(1 for _ in r.read(args.match_n, unique=False))
    if args.match_tokens:
        rows = r.read(args.match_tokens, "question", "answer", unique=False)
        tokens = sum(size for _, size in sized(rows, args.tokenizer))
    if method not in ("difficulty", "all") and n is None and tokens is None:
        raise r.BadInput(
            f"--n: say how many rows {method} is to keep, or name a file with --match-n or --match-tokens"
        )
    return [dict(source=None, method=method, n=n, tokens=tokens)]


def recipe_rules(path):
    rules = []
    for entry in load_sources.read_recipe(path)["sources"]:
        name, n = entry["source"], entry.get("count")
        method = entry.get("method", "random" if "count" in entry else "all")
        if method not in METHODS:
            names = ", ".join(METHODS)
            raise r.BadInput(f"--recipe {path}: {name}: {method} is no method ({names})")
        rules.append(dict(source=name, method=method, n=n, tokens=None))
    return rules


# ---- the two passes over the file ----


def left_out(row, args):
    """Reason why a row takes no part in the choice (--source, --only), or None."""
    if args.source and row.get("source") != args.source:
        return "other source"
    if args.only:
        kind = "verifiable" if score_difficulty.checkable(row) else "open"
        return None if kind == args.only else f"{kind} question"
    return None


def measure(args, rules):
    """First pass: the MEASURES of each row."""
    places = {rule["source"]: place for place, rule in enumerate(rules)}
    scorers = [scorer_of(rule, args) for rule in rules]
    rows = r.progress(r.read(args.input, "question", "answer", "subject?"), desc="measuring")
    for row, size in sized(rows, args.tokenizer):
        place, score = places.get(row.get("source"), places.get(None, -1)), math.nan
        if left_out(row, args):
            place = -1
        if place >= 0:
            score = checked_score(scorers[place], row, args.input)
        yield place, order_key(args.seed, row["id"], "select"), score, size


def reason_for(rule, score, args):
    """The sentence that stays in a chosen row."""
    method, of = rule["method"], rule["of"]
    if method == "all":
        return f"all {of:,} rows of the source"
    how = HOW.get(method, f"highest {method}")
    if method == "difficulty":
        how = "mean difficulty in {:g} to {:g}".format(*args.keep)
    told = "" if score is None else f", score {score:g}"
    return f"{how}: {rule['chosen']:,} of {of:,}, seed {args.seed}{told}"


def why_not(method, score, keep):
    """Reason a row was left out."""
    if method == "difficulty":
        if score is None:
            return "no difficulty score"
        if not keep[0] <= score <= keep[1]:
            return "too easy" if score > keep[1] else "too hard (noisy)"
    return "no score" if method not in METHODS and score is None else "not selected"


def write(args, step, rules, frame, chosen):
    """Second pass: every row goes to the output or, with a reason, to the rejected file."""
    rows = r.progress(step.read(args.input, "question", "answer", "subject?"), desc="selecting")
    for row, place, score, is_chosen in zip(rows, frame.rule, frame.score, chosen, strict=True):
        if place < 0:
            step.reject(row, left_out(row, args) or "not in the recipe")
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
    mine, recipe = "rank by a function of your own", "method and count of each source from a recipe"
    choose_by("--scorer", metavar="FILE.py:FUNCTION", help=mine)
    choose_by("--recipe", metavar="FILE", help=recipe)
    add("--n", type=r.positive, metavar="N", help="rows to keep")
    add("--match-n", metavar="FILE", help="keep as many rows as FILE has")
    add("--match-tokens", metavar="FILE", help="keep as many tokens as FILE has")
    add("--tokenizer", metavar="M", help="of --match-tokens (default: characters are counted)")
    bounds = dict(nargs=2, type=float, default=(1.0, 9.0), metavar=("LOW", "HIGH"))
    add("--keep", **bounds, help="difficulty: means to keep (default 1 9)")
    add("--source", metavar="NAME", help="choose among the rows of this source only")
    add("--only", choices=("verifiable", "open"), help="by whether rules can check the reference")
    args = parser.parse_args()
    if len(list(filter(None, (args.n, args.match_n, args.match_tokens, args.recipe)))) > 1:
        parser.error("give one of --n, --match-n and --match-tokens (a recipe has its own counts)")
    return args


def main():
    import numpy as np
    import pandas as pd

    args = parse_options()
    scorer = args.scorer and args.scorer.partition(":")[0]
    others = filter(None, (args.match_n, args.match_tokens, args.recipe, scorer))
    modules = (count_tokens, load_sources, novelty, score_difficulty)
    step = r.Step(args, inputs=[args.input, *others], code=modules)
    if step.finished():
        return
    rules = rules_of(args)
    frame = pd.DataFrame(np.fromiter(measure(args, rules), MEASURES))
    chosen = np.zeros(len(frame), bool)
    for place, rule in enumerate(rules):
        own, wanted = frame[frame.rule == place], rule["n"]
        picked = choose(own, rule["method"], args.keep, wanted, rule["tokens"])
        chosen[picked] = True
        rule |= dict(chosen=len(picked), of=len(own))
        if wanted is not None and len(picked) < wanted:
            name = rule["source"] or "input"
            r.say(f"{name}: only {len(picked):,} rows for the {wanted:,} asked for")
    write(args, step, rules, frame, chosen)
    step.finish(chosen=rules)


if __name__ == "__main__":
    r.run(main)
