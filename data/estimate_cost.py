"""What a run will cost, before it starts, and what it has cost so far (run_all.sh --estimate; BUDGET asks --left before each step).

    python data/estimate_cost.py --profile lora --chunks 2000 --source-rows 40000 --eval-rows 7500
    python data/estimate_cost.py --left data/runs/lora              money left of BUDGET; exit code 4 where nothing is

out  a table: rows, prompt and completion tokens, GPU hours, disk and money of each step

Rows and tokens a row are those of the paper (arXiv 2507.16812, table 2) until --run names a run of yours: the steps that stand there, of a
small LIMIT for instance, give their own. Speeds are assumptions, to be set by TOKENS_PER_S (an 8B model's completion tokens a second, all
GPUs together) and TRAIN_TOKENS_PER_S. Money: PRICE_PER_GPU_HOUR x GPUS, or PRICE_IN and PRICE_OUT of an endpoint per million tokens.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import json
import os
import re

import rows as r

# step -> rows of the step before it that reach it, prompt and completion tokens a row, rows out a row. The paper's counts: 945,683 pairs
# of 546,134 chunks, 767,893 after dedup, 728,767 after the filter, 651,840 after decontamination; answers of 410 tokens.
TEXTBOOK = {
    "qa": dict(
        prompt=2 * 5000, completion=2 * 450, out=1.73
    ),  # two standards of a 4,096-token chunk
    "dedup": dict(prompt=0, completion=0, out=0.812),
    "refined": dict(prompt=5000, completion=500, out=0.98),
    "cot": dict(prompt=600, completion=60, out=1.0),
    "filtered": dict(prompt=900, completion=120, out=0.968),
    "clean": dict(prompt=500, completion=40, out=0.894),  # a judge asked about one pair in a row
    "reference": dict(prompt=700, completion=60, out=1.0),
}
DIFFICULTY = {  # 16 samples and their verdicts
    "difficulty": dict(prompt=16 * 950, completion=16 * 750, out=1.0),
    "annotated": dict(prompt=250, completion=900, out=0.95),
}
PREFILL = 20  # prompt tokens are read so many times faster than completion tokens are written
BYTES_A_TOKEN = 5  # of text and fields on disk, raw file included
# Completion tokens/s of an 8B model in 16 bit with full batches, one GPU, and tokens/s of its LoRA training: ASSUMED, no measurement of
# this project; the training rates of H100 and H200 are published ones (NeMo AutoModel, KempnerForge), the others scaled by bandwidth.
SPEEDS = {
    "H200": (15000, 12000),
    "H100": (12000, 12000),
    "A100": (6000, 5000),
    "L40S": (3000, 3500),
    "4090": (3000, 3000),
    "A10": (1800, 1500),
    "T4": (500, 300),
}
OTHER = (2000, 2000)


def number(name, default=0.0):
    return float(os.environ.get(name) or default)


def card_speeds(card):
    """(completion tokens/s, training tokens/s) of an 8B model on a card by its name."""
    return next((speed for name, speed in SPEEDS.items() if name in card), OTHER)


def billions(model):
    """Billions of parameters by the model's name: Qwen3-8B -> 8; 8 where it does not say."""
    found = re.search(r"(\d+(?:\.\d+)?)B\b", model)
    return float(found[1]) if found else 8.0


def measured(run, step, assumed):
    """The rates of a step: those of a finished step of `run`, or the assumed ones."""
    found = sorted(Path(run).glob(f"0*/{step}.meta.json")) if run else []
    meta = json.loads(found[0].read_text()) if found else {"counts": {"in": 0}}
    rows = meta["counts"]["in"]
    if not rows:
        return assumed, "assumed"
    tokens = meta.get("tokens", {})
    tokens = tokens if isinstance(tokens, dict) else {}
    rates = {k: tokens.get(f"{k}_tokens", 0) / rows for k in ("prompt", "completion")}
    return {**rates, "out": meta["counts"]["out"] / rows}, "measured"


def chain(steps, rows, model, run):
    """Estimates of steps that follow each other: dicts of step, model, rows, prompt, completion, by."""
    for step, assumed in steps.items():
        rates, by = measured(run, step, assumed)
        yield dict(
            step=step,
            model=model if rates["completion"] else "",
            rows=round(rows),
            prompt=rows * rates["prompt"],
            completion=rows * rates["completion"],
            by=by,
        )
        rows *= rates["out"]


def estimate(args):
    """All steps of a run."""
    steps, rows = [], args.source_rows
    if args.stage <= 1 <= args.stop:
        steps += chain(TEXTBOOK, args.chunks, args.teacher, args.run)
        rows += steps[-1]["rows"]
    if args.stage <= 2 <= args.stop and args.profile == "full":
        steps += chain(DIFFICULTY, args.source_rows, args.teacher, args.run)
    if args.stage <= 3 <= args.stop:
        tokens = rows * args.epochs * 700
        steps.append(
            dict(
                step="training",
                model=args.base,
                rows=rows,
                prompt=0,
                completion=tokens,
                by="assumed",
            )
        )
    if args.stage <= 4 <= args.stop:
        each = dict(prompt=300, completion=1100, out=1.0)
        for name in ("base", "tuned"):
            steps += [
                {**step, "step": f"evaluation, {name}"}
                for step in chain({"samples": each}, args.eval_rows, args.base, None)
            ]
    return steps


def price(step, args):
    """Adds GPU hours, megabytes and money to a step."""
    write, train = card_speeds(args.card)
    gpus, scale = max(number("GPUS", 1), 1), 8 / billions(step["model"])
    if step["step"] == "training":
        speed = number("TRAIN_TOKENS_PER_S", train * gpus) * scale
    else:
        speed = number("TOKENS_PER_S", write * gpus) * scale
    seconds = (step["completion"] + step["prompt"] / PREFILL) / speed
    hours = gpus * seconds / 3600
    remote = (
        bool(os.environ.get("LLM_BASE_URL"))
        and step["by"]
        and not step["step"].startswith(("training", "evaluation"))
    )
    if remote:
        money = (
            step["prompt"] * number("PRICE_IN") + step["completion"] * number("PRICE_OUT")
        ) / 1e6
        hours = 0
    else:
        money = hours * number("PRICE_PER_GPU_HOUR")
    kept = 0 if step["step"] == "training" else step["completion"] + 0.1 * step["prompt"]
    return {**step, "hours": hours, "mb": kept * BYTES_A_TOKEN / 1e6, "money": money}


def show(steps):
    line = "| {:24} | {:>11} | {:>15} | {:>15} | {:>9} | {:>9} | {:>9} | {:8} |"
    print(
        line.format(
            "step", "rows", "prompt tokens", "completion", "GPU hours", "disk, MB", "money", "rates"
        )
    )
    print("|---|--:|--:|--:|--:|--:|--:|---|")
    total = {
        k: sum(step[k] for step in steps) for k in ("prompt", "completion", "hours", "mb", "money")
    }
    for step in [*steps, {"step": "all", "rows": "", "by": "", **total}]:
        rows = f"{step['rows']:,}" if step["rows"] != "" else ""
        numbers = [f"{step[k]:,.0f}" for k in ("prompt", "completion")]
        numbers += [f"{step['hours']:,.1f}", f"{step['mb']:,.0f}", f"{step['money']:,.2f}"]
        print(line.format(step["step"], rows, *numbers, step["by"]))


def spent(folder):
    """Money a run has taken: seconds of its steps at the GPUs' price, tokens of its raw files at the endpoint's."""
    ledger = Path(folder) / "seconds.tsv"
    seconds = (
        sum(float(line.split("\t")[0]) for line in ledger.read_text().splitlines())
        if ledger.is_file()
        else 0
    )
    money = seconds / 3600 * number("GPUS") * number("PRICE_PER_GPU_HOUR")
    prices = {"prompt_tokens": number("PRICE_IN"), "completion_tokens": number("PRICE_OUT")}
    for path in Path(folder).rglob("*raw.jsonl") if any(prices.values()) else ():
        for line in open(path, "rb"):
            try:
                row = r.decode(line)
            except ValueError:
                continue  # torn by a crash
            tries = (row, row.get("earlier", {}))
            money += sum(one.get(k, 0) * each / 1e6 for one in tries for k, each in prices.items())
    return money


def main():
    parser = r.parser(__doc__)
    add = parser.add_argument
    add("--profile", choices=("demo", "lora", "full"), default="lora")
    add("--chunks", type=int, default=1000, help="chunks of textbooks (stage 1)")
    add("--source-rows", type=int, default=40000, help="rows of public sets (stage 2)")
    add("--eval-rows", type=int, default=7500, help="benchmark questions (stage 4)")
    add("--epochs", type=float, default=3)
    add("--teacher", default="Qwen/Qwen3-8B")
    add("--base", default="Qwen/Qwen3-4B-Base")
    add("--card", default="", help="name of the GPU, as nvidia-smi has it")
    add("--stage", type=int, default=1)
    add("--stop", type=int, default=4)
    add("--run", metavar="DIR", help="a run whose steps give their own rates")
    add("--left", metavar="DIR", help="print what is left of BUDGET for this run")
    args = parser.parse_args()
    if args.left:
        taken, budget = spent(args.left), number("BUDGET")
        print(f"{budget - taken:.4f}")
        if taken >= budget:
            r.say(f"BUDGET={budget:g} is spent ({taken:,.2f}); a larger one goes on from here")
            raise SystemExit(4)
        return
    write, train = card_speeds(args.card)
    write, train = number("TOKENS_PER_S", write), number("TRAIN_TOKENS_PER_S", train)
    print(
        f"{args.card or 'GPU unknown'}: {write:,.0f} completion tokens/s, {train:,.0f} training tokens/s of an 8B model a GPU; other sizes in "
        f"proportion, prompts {PREFILL} times as fast; price {number('PRICE_PER_GPU_HOUR'):g} a GPU hour"
    )
    show([price(step, args) for step in estimate(args)])


if __name__ == "__main__":
    r.run(main)
