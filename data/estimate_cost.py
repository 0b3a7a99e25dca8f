"""What a run will cost, before it starts (run_all.sh --estimate), and what is left of its BUDGET.

    python data/estimate_cost.py --profile lora --chunks 2000 --source-rows 40000 --eval-rows 7500
    python data/estimate_cost.py --left data/runs/lora      exit code 4 where nothing is left

out  a table: rows, prompt and completion tokens, GPU hours, disk and money of each step

Rows and tokens a row are those of the paper (arXiv 2507.16812, table 2) until --run names a run of
yours: the steps that stand there, of a small LIMIT for instance, give their own. Speeds are
assumptions, to be set by TOKENS_PER_S (an 8B model's completion tokens a second, all GPUs together)
and TRAIN_TOKENS_PER_S. Money: PRICE_PER_GPU_HOUR x GPUS, or PRICE_IN and PRICE_OUT of an endpoint
per million tokens.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import collections
import os
import re

import rows as r
from batch_generate import money, setting

# step -> prompt tokens, completion tokens and rows out for each row of the step before. The paper's
# counts: 945,683 pairs of 546,134 chunks, 767,893 after dedup, 728,767 after the filter, 651,840
# after decontamination; answers of 410 tokens.
TEXTBOOK = {
    "qa": (10000, 900, 1.73),  # two standards of a 4,096-token chunk
    "dedup": (0, 0, 0.812),
    "refined": (5000, 500, 0.98),
    "cot": (600, 60, 1.0),
    "filtered": (900, 120, 0.968),
    "clean": (500, 40, 0.894),  # a judge asked about one pair in a row
    "reference": (700, 60, 1.0),
}
# 16 samples of each question and their verdicts, then new solutions
DIFFICULTY = {"difficulty": (16 * 950, 16 * 750, 1.0), "annotated": (250, 900, 0.95)}
SAMPLES = (300, 1100, 1.0)  # of the evaluation
TRAINED = 3 * 700  # epochs x tokens of a training row
PREFILL = 20  # prompt tokens are read so many times faster than completion tokens are written
BYTES_A_TOKEN = 5  # of text and fields on disk, raw file included
# Completion tokens/s of an 8B model in 16 bit with full batches, one GPU, and tokens/s of its LoRA
# training: ASSUMED, no measurement of this project; the training rates of H100 and H200 are
# published ones (NeMo AutoModel, KempnerForge), the others scaled by bandwidth.
SPEEDS = {
    "H200": (15000, 12000),
    "H100": (12000, 12000),
    "A100": (6000, 5000),
    "L40S": (3000, 3500),
    "4090": (3000, 3000),
    "A10": (1800, 1500),
    "T4": (500, 300),
    "": (2000, 2000),  # another card
}


def speeds(card):
    """(completion tokens/s, training tokens/s) of an 8B model on all GPUs."""
    write, train = next(speed for name, speed in SPEEDS.items() if name in card)
    gpus = max(setting("GPUS", 1), 1)
    return setting("TOKENS_PER_S", write * gpus), setting("TRAIN_TOKENS_PER_S", train * gpus)


def billions(model):
    """Billions of parameters by the model's name: Qwen3-8B -> 8; 8 where it does not say."""
    found = re.search(r"(\d+(?:\.\d+)?)B\b", model)
    return float(found[1]) if found else 8.0


def measured(run, step):
    """(prompt tokens, completion tokens, rows out) a row of a finished step of `run`, or None."""
    path = next(Path(run).glob(f"0*/{step}.meta.json"), None) if run else None
    meta = r.read_meta(path.with_name(f"{step}.jsonl")) if path else None
    if not meta or not meta["counts"]["in"]:
        return None
    rows, tokens = meta["counts"]["in"], meta.get("tokens", {})
    prompt, completion = (tokens.get(f"{k}_tokens", 0) / rows for k in ("prompt", "completion"))
    return prompt, completion, meta["counts"]["out"] / rows


def chain(steps, rows, model, run=None):
    """Estimates of steps that follow each other, as dicts."""
    for step, assumed in steps.items():
        known = measured(run, step)
        prompt, completion, out = known or assumed
        tokens = dict(prompt=rows * prompt, completion=rows * completion)
        by = "measured" if known else "assumed"
        yield dict(step=step, model=model, rows=round(rows), by=by, **tokens)
        rows *= out


def estimate(args):
    """All steps of a run."""
    steps, rows = [], args.source_rows
    if args.stage <= 1 <= args.stop:
        steps += chain(TEXTBOOK, args.chunks, args.teacher, args.run)
        rows += steps[-1]["rows"]
    if args.stage <= 2 <= args.stop and args.profile == "full":
        steps += chain(DIFFICULTY, args.source_rows, args.teacher, args.run)
    if args.stage <= 3 <= args.stop:
        steps += chain({"training": (0, TRAINED, 1.0)}, rows, args.base)
    if args.stage <= 4 <= args.stop:
        for name in ("base", "tuned"):
            steps += chain({f"evaluation, {name}": SAMPLES}, args.eval_rows, args.base)
    return [price(step, args.card) for step in steps]


def price(step, card):
    """The step with its GPU hours, megabytes on disk and money: GPUs are paid by the hour, an
    endpoint of others (LLM_BASE_URL, which neither training nor evaluation uses) by the token."""
    write, train = speeds(card)
    training = step["step"] == "training"
    speed = (train if training else write) * 8 / billions(step["model"])
    seconds = (step["completion"] + step["prompt"] / PREFILL) / speed
    tokens = dict.fromkeys(r.TOKENS, 0)
    if os.environ.get("LLM_BASE_URL") and not step["step"].startswith(("training", "evaluation")):
        seconds, tokens = 0, {key: step[key.removesuffix("_tokens")] for key in r.TOKENS}
    hours = max(setting("GPUS"), 1) * seconds / 3600
    kept = 0 if training else step["completion"] + 0.1 * step["prompt"]
    kept *= BYTES_A_TOKEN / 1e6
    return {**step, "hours": hours, "mb": kept, "money": money(tokens, seconds)}


def show(steps):
    line = "| {:24} | {:>11} | {:>15} | {:>15} | {:>9} | {:>9} | {:>9} | {:8} |"
    heads = "step|rows|prompt tokens|completion|GPU hours|disk, MB|money|rates".split("|")
    print(line.format(*heads))
    print("|---|--:|--:|--:|--:|--:|--:|---|")
    forms = dict(prompt=",.0f", completion=",.0f", hours=",.1f", mb=",.0f", money=",.2f")
    total = {name: sum(step[name] for step in steps) for name in forms}
    for step in [*steps, {"step": "all", "rows": "", "by": "", **total}]:
        numbers = [format(step[name], form) for name, form in forms.items()]
        rows = f"{step['rows']:,}" if step["rows"] else ""
        print(line.format(step["step"], rows, *numbers, step["by"]))


def spent(folder):
    """Money a run has taken: for the seconds of its steps and the tokens of its raw files."""
    ledger, tokens = Path(folder) / "seconds.tsv", collections.Counter()
    lines = ledger.read_text().splitlines() if ledger.is_file() else ()
    paid = setting("PRICE_IN") or setting("PRICE_OUT")
    for path in Path(folder).rglob("*raw*.jsonl") if paid else ():
        for line in open(path, "rb"):
            try:
                row = r.decode(line)
            except ValueError:
                continue  # torn by a crash
            tokens.update({key: row.get(key, 0) for key in r.TOKENS})
    return money(tokens, sum(float(line.split("\t")[0]) for line in lines))


def say_what_is_left(folder):
    """Print what is left of BUDGET; exit code 4 where nothing is."""
    taken, budget = spent(folder), setting("BUDGET")
    print(f"{budget - taken:.4f}")
    if taken >= budget:
        r.say(f"BUDGET={budget:g} is spent ({taken:,.2f}); a larger one goes on from here")
        raise SystemExit(4)


def main():
    parser = r.parser(__doc__)
    add = parser.add_argument
    add("--profile", choices=("demo", "lora", "full"), default="lora")
    add("--chunks", type=int, default=1000, help="chunks of textbooks (stage 1)")
    add("--source-rows", type=int, default=40000, help="rows of public sets (stage 2)")
    add("--eval-rows", type=int, default=7500, help="benchmark questions (stage 4)")
    add("--teacher", default="Qwen/Qwen3-8B")
    add("--base", default="Qwen/Qwen3-4B-Base")
    add("--card", default="", help="name of the GPU, as nvidia-smi has it")
    add("--stage", type=int, default=1)
    add("--stop", type=int, default=4)
    add("--run", metavar="DIR", help="a run whose steps give their own rates")
    add("--left", metavar="DIR", help="print what is left of BUDGET for this run")
    args = parser.parse_args()
    if args.left:
        return say_what_is_left(args.left)
    write, train = speeds(args.card)
    print(
        f"{args.card or 'GPU unknown'}: {write:,.0f} completion tokens/s, {train:,.0f} training "
        f"tokens/s of an 8B model on all GPUs; other sizes in proportion, prompts {PREFILL} times "
        f"as fast; price {setting('PRICE_PER_GPU_HOUR'):g} a GPU hour"
    )
    show(estimate(args))


if __name__ == "__main__":
    r.run(main)
