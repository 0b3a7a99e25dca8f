"""Choose which rows go into the mixture: random, the longest answers, by difficulty, by new 4-grams, by
a score of your own, or all.

    python 02_mix/select_rows.py --input clean.jsonl --output selected.jsonl --method difficulty
    python 02_mix/select_rows.py --input clean.jsonl --output random.jsonl --method random --match-n selected.jsonl
    python 02_mix/select_rows.py --input clean.jsonl --output mine.jsonl --scorer my_scorer.py:steps --n 50000
    python 02_mix/select_rows.py --input clean.jsonl --output selected.jsonl --recipe 02_mix/recipes/megascience.yaml

in   rows with id, question, answer; difficulty (0-10, of score_difficulty.py) where the method is difficulty
out  the chosen rows with `selection` (why) and `selection_score` (what it was ranked by, or null); which, and in what order,
     depends on seed and ids alone. Rejected: "not selected"; "too easy" (mean > 9), "too hard (noisy)" (mean < 1), "no difficulty
     score"; "other source" with --source; "not in the recipe"

length measures `annotator_tokens` where every row has it, else the characters of annotator_response, else of the answer. A scorer is
a function of a row: the highest numbers are kept, None rejects. novelty takes rows one by one, each with the most word 4-grams that no
chosen row has. --match-tokens takes the best until they hold as many tokens as FILE (without --tokenizer: characters). In a recipe
weighted sources share the mixture in that proportion, as large as the rows allow.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import array
import bisect
import importlib.util
import itertools
import math
import tempfile

import count_tokens
import load_sources
import novelty
import score_difficulty

import rows as r

METHODS = ("random", "length", "difficulty", "novelty", "all")
BUCKETS = 64  # temporary files of the sort: one in 64 of the data is in memory at a time


# ---- an order that depends on seed and ids alone ----


def order_key(seed, id_, use):
    """64-bit place of a row in the order of `use` ("select", "mix"); another seed or use gives an
    unrelated order."""
    import xxhash

    return xxhash.xxh3_64_intdigest(f"{use}\x1f{seed}\x1f{id_}".encode("utf-8", "surrogatepass"))


def in_key_order(keyed, folder, buckets=BUCKETS):
    """Sort (key, row) pairs of any number through temporary files without a name (nothing is left
    after a crash); yields (key, row)."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    files = [tempfile.TemporaryFile(dir=folder, buffering=1 << 18) for _ in range(buckets)]
    try:
        for key, row in keyed:
            files[key * buckets >> 64].write(b"%016x" % key + r.dumps(row))
        for file in files:
            file.seek(0)
            for line in sorted(file):
                yield int(line[:16], 16), r.decode(line[16:])
            file.close()
    finally:
        for file in files:
            file.close()


# ---- the choice ----


class Pool:
    """What is remembered of the rows of one source: keys, scores, lengths; 24 bytes a row."""

    def __init__(self):
        self.keys, self.scores, self.sizes = array.array("Q"), array.array("d"), array.array("d")

    def add(self, key, score, size=1):
        self.keys.append(key)
        self.scores.append(math.nan if score is None else score)
        self.sizes.append(size)

    def ranked(self, method, keep):
        """Positions of the rows that may be chosen, best first; equal ones by their key."""
        import numpy as np

        keys, scores = np.frombuffer(self.keys, dtype=np.uint64), np.frombuffer(self.scores)
        if method in ("random", "all"):
            allowed, order = np.ones(len(keys), bool), keys
        elif method == "difficulty":
            allowed, order = (scores >= keep[0]) & (scores <= keep[1]), keys
        else:
            allowed, order = ~np.isnan(scores), None
        places = np.flatnonzero(allowed)
        return places[
            np.argsort(order[places], kind="stable")
            if order is not None
            else np.lexsort((keys[places], -scores[places]))
        ]

    def choose(self, method, keep=(1, 9), n=None, tokens=None):
        """Sorted keys of the chosen rows: n of them, or as many as come nearest to `tokens`, or all
        that may be."""
        import numpy as np

        places = self.ranked(method, keep)
        if method != "all" and tokens is not None:
            sums = np.cumsum(np.frombuffer(self.sizes)[places])
            count = int(np.searchsorted(sums, tokens))
            if count < len(sums) and (sums[count] - tokens) <= tokens - (
                sums[count - 1] if count else 0
            ):
                count += 1
            places = places[:count]
        elif method != "all" and n is not None:
            places = places[:n]
        return np.sort(np.frombuffer(self.keys, dtype=np.uint64)[places]).tolist(), len(self.keys)


def share_out(weights, available):
    """Rows of each weighted source: in proportion to the weights, as many as the scarcest source
    allows, none repeated."""
    total = min(available[name] / weight for name, weight in weights.items())
    return {name: math.floor(total * weight + 1e-9) for name, weight in weights.items()}


def why_not(method, score, keep):
    """Reason a row was left out."""
    if method == "difficulty" and score is None:
        return "no difficulty score"
    if method == "difficulty" and score > keep[1]:
        return "too easy"
    if method == "difficulty" and score < keep[0]:
        return "too hard (noisy)"
    return "no score" if method not in METHODS and score is None else "not selected"


def left_out(row, args):
    """Reason why a row takes no part in the choice (--source, --only), or None."""
    if args.source and row.get("source") != args.source:
        return "other source"
    if args.only:
        kind = "verifiable" if score_difficulty.checkable(row) else "open"
        return None if kind == args.only else f"{kind} question"
    return None


# ---- what a row is ranked by ----


def length_field(path):
    """The field that measures the answers of these rows: the first of three that every row has."""
    total, counts = 0, dict.fromkeys(("annotator_tokens", "annotator_response"), 0)
    for row in r.read(path):
        total += 1
        for field in counts:
            counts[field] += row.get(field) is not None
    return next((field for field, count in counts.items() if count == total and total), "answer")


def load_scorer(text):
    """The function named FILE.py:FUNCTION; raises BadInput where there is none. It is the user's
    own code and is run as such."""
    file, _, name = text.partition(":")
    if not Path(file).is_file() or not name:
        raise r.BadInput(
            f"--scorer {text}: give a file and a function in it, as in my_scorer.py:steps"
        )
    spec = importlib.util.spec_from_file_location("user_scorer", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not callable(getattr(module, name, None)):
        raise r.BadInput(f"--scorer {text}: {file} has no function {name}")
    return getattr(module, name)


def novelty_scores(args, n):
    """{id: 4-grams added} of the n rows that are chosen greedily; rows are offered in the order of
    seed and ids."""
    texts = {
        row["id"]: f"{row['question']}\n{row['answer']}"
        for row in r.read(args.input, "question", "answer")
        if left_out(row, args) is None
    }
    ids = sorted(texts, key=lambda id_: order_key(args.seed, id_, "select"))
    found = novelty.gains((texts[id_] for id_ in ids), n)
    return {id_: gain for id_, gain in zip(ids, found, strict=True) if gain is not None}


def score_of(row, method, path, field="answer"):
    """Number a row is ranked by under difficulty or length, None under other methods; BadInput
    where it is no number."""
    value = row.get("difficulty") if method == "difficulty" else None
    if method == "difficulty" and "difficulty" not in row:
        raise r.BadInput(
            f'{path}, row "{row["id"]}": field "difficulty" is missing; run score_difficulty.py first'
        )
    if method == "length":
        value = row.get(field)
        value = value if field == "annotator_tokens" else len(value or "")
    return checked(value, row, path)


def checked(value, row, path):
    if value is None or (type(value) in (int, float) and not math.isnan(value)):
        return value
    raise r.BadInput(
        f'{path}, row "{row["id"]}": the score must be a number or null, this is {value!r}'[:300]
    )


def scorer_of(args, rules):
    """Function (row, method) -> number a row is ranked by, or None."""
    methods = {rule["method"] for rule in rules.values()}
    if args.scorer:
        user = load_scorer(args.scorer)
        return lambda row, method: checked(user(row), row, args.input)
    if "novelty" in methods:
        if args.recipe or rules[None]["n"] is None:
            raise r.BadInput("--method novelty needs --n or --match-n; a recipe cannot name it")
        added = novelty_scores(args, rules[None]["n"])
        return lambda row, method: added.get(row["id"])
    field = None
    if "length" in methods:
        field = length_field(args.input)
        unit = "" if field == "annotator_tokens" else " (characters)"
        r.say(f"length: measured by {field}{unit}")
    return lambda row, method: score_of(row, method, args.input, field)


def rules_of(args):
    """How each source is chosen: {source: rule}, or {None: rule} for all rows together; a rule has
    method, n, tokens, weight."""
    if args.recipe:
        return recipe_rules(args.recipe)
    method, n, tokens = args.scorer or args.method, args.n, None
    if method is None:
        raise r.BadInput(
            "--method: choose one of random, length, difficulty, all; or give a --scorer or a --recipe"
        )
    if args.match_n:
        n = sum(1 for _ in r.read(args.match_n, unique=False))
    if args.match_tokens:
        rows = r.read(args.match_tokens, "question", "answer", unique=False)
        tokens = sum(size for _, size in size_counter(args.tokenizer)(rows))
    if method not in ("difficulty", "all") and n is None and tokens is None:
        raise r.BadInput(
            f"--n: say how many rows {method} is to keep, or name a file with --match-n or --match-tokens"
        )
    return {None: dict(method=method, n=n, tokens=tokens, weight=None)}


def recipe_rules(path):
    rules = {}
    for entry in load_sources.read_recipe(path)["sources"]:
        default = "random" if {"count", "weight"} & entry.keys() else "all"
        method = entry.get("method", default)
        if method not in METHODS:
            raise r.BadInput(
                f'--recipe {path}: source {entry["source"]}: method "{method}" is none of {", ".join(METHODS)}'
            )
        n, weight = entry.get("count"), entry.get("weight")
        rules[entry["source"]] = dict(method=method, n=n, tokens=None, weight=weight)
    return rules


def size_counter(tokenizer):
    """Function rows -> (row, size): tokens of the tokenizer, or characters of question and
    answer."""
    if tokenizer:
        loaded = count_tokens.Tokenizer(tokenizer)
        return lambda rows: count_tokens.counted(rows, loaded)
    return lambda rows: ((row, len(str(row["question"])) + len(str(row["answer"]))) for row in rows)


def fill_weights(rules, pools, keep):
    """Turn the weights of a recipe into counts."""
    weighted = {name: rule for name, rule in rules.items() if rule["weight"] is not None}
    if not weighted:
        return
    available = {
        name: len(pools[name].ranked(rule["method"], keep)) if name in pools else 0
        for name, rule in weighted.items()
    }
    weights = {name: rule["weight"] for name, rule in weighted.items()}
    for name, n in share_out(weights, available).items():
        rules[name]["n"] = n
        if rules[name]["method"] == "all":
            rules[name]["method"] = "random"


def select(rows, step, rules, args, score_of):
    """Read all rows, choose, and write every one of them to the output or, with a reason, to the
    rejected file."""
    pools = {}
    sized = (
        size_counter(args.tokenizer)
        if args.match_tokens
        else (lambda rows: ((row, 1) for row in rows))
    )

    def group_of(row):
        return None if None in rules else row.get("source")

    def keyed():
        for row, size in sized(rows):
            key = order_key(args.seed, row["id"], "select")
            score = None
            rule = rules.get(group_of(row))
            if rule and left_out(row, args) is None:
                score = score_of(row, rule["method"])
                pools.setdefault(group_of(row), Pool()).add(key, score, size)
            yield key, (row, score)

    ordered = in_key_order(keyed(), step.output.parent)
    first = next(ordered, None)  # all rows have been read by now
    fill_weights(rules, pools, args.keep)
    chosen = {
        group: pool.choose(
            rules[group]["method"], args.keep, rules[group]["n"], rules[group]["tokens"]
        )
        for group, pool in pools.items()
    }
    for key, (row, score) in itertools.chain([first] if first else [], ordered):
        if group_of(row) not in rules:
            step.reject(row, "not in the recipe")
        elif reason := left_out(row, args):
            step.reject(row, reason)
        else:
            (keys, of), method = chosen[group_of(row)], rules[group_of(row)]["method"]
            place = bisect.bisect_left(keys, key)
            if keys[place : place + 1] == [key]:
                why = reason_for(method, score, len(keys), of, args.seed, args.keep)
                step.keep({**row, "selection": why, "selection_score": score})
            else:
                why = why_not(method, score, args.keep)
                step.reject(row, why, selection_method=method, selection_score=score)
    return {
        str(group): dict(method=rules[group]["method"], chosen=len(keys), of=of)
        for group, (keys, of) in chosen.items()
    }


def reason_for(method, score, n, of, seed, keep):
    """The sentence that stays in a chosen row."""
    if method == "all":
        return f"all {of:,} rows of the source"
    how = {
        "random": "at random",
        "length": "longest",
        "novelty": "most new 4-grams",
        "difficulty": f"mean difficulty in {keep[0]:g} to {keep[1]:g}",
    }.get(method, f"highest {method}")
    return f"{how}: {n:,} of {of:,}, seed {seed}" + (
        f", score {score:g}" if score is not None else ""
    )


def options_of():
    """The options of the command, checked."""
    parser = r.parser(__doc__, "input", "output", "seed", "fresh")
    add = parser.add_argument
    add("--method", choices=METHODS)
    add("--n", type=r.positive, metavar="N", help="rows to keep")
    add("--match-n", metavar="FILE", help="keep as many rows as FILE has")
    add("--match-tokens", metavar="FILE", help="keep as many tokens as FILE has")
    add(
        "--tokenizer",
        metavar="NAME_OR_FOLDER",
        help="tokenizer of --match-tokens (default: characters are counted)",
    )
    add(
        "--keep",
        nargs=2,
        type=float,
        default=(1.0, 9.0),
        metavar=("LOW", "HIGH"),
        help="difficulty: means to keep (default 1 9)",
    )
    add(
        "--scorer",
        metavar="FILE.py:FUNCTION",
        help="rank by a function of your own instead of a --method",
    )
    add("--recipe", metavar="FILE", help="method and count of each source from a recipe instead")
    add("--source", metavar="NAME", help="choose among the rows of this source only")
    add(
        "--only",
        choices=("verifiable", "open"),
        help="choose among rows whose reference rules can check, or among the others",
    )
    args = parser.parse_args()
    counts = (args.n, args.match_n, args.match_tokens, args.recipe)
    if (
        max(sum(map(bool, given)) for given in ((args.method, args.scorer, args.recipe), counts))
        > 1
    ):
        raise r.BadInput(
            "give one of --method, --scorer and --recipe, and one of --n, --match-n and --match-tokens (a recipe has its own counts)"
        )
    return args


def main():
    args = options_of()
    scorer = args.scorer and args.scorer.partition(":")[0]
    others = filter(None, (args.match_n, args.match_tokens, args.recipe, scorer))
    modules = (count_tokens, load_sources, novelty, score_difficulty)
    step = r.Step(args, inputs=[args.input, *others], code=modules)
    if step.finished():
        return
    rules = rules_of(args)
    score_of = scorer_of(args, rules)
    rows = step.read(args.input, "question", "answer", "subject?")
    chosen = select(r.progress(rows, desc=step.output.name), step, rules, args, score_of)
    step.finish(chosen=chosen)
    for name, rule in rules.items():
        got = chosen.get(str(name), {"chosen": 0, "of": 0})
        if rule["n"] is not None and rule["method"] != "all" and got["chosen"] < rule["n"]:
            r.say(
                f"{name or 'input'}: only {got['chosen']:,} rows for the {rule['n']:,} asked for ({got['of']:,} in all)"
            )


if __name__ == "__main__":
    r.run(main)
