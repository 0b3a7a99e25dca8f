"""Write the model card (README.md) of a trained model, with its scores.

    python 03_sft/model_card.py --model DIR --results results.csv --output DIR/README.md
    hf upload you/model DIR --exclude "checkpoint-*" --exclude "runs/*" --exclude "*.jsonl" \\
        --exclude "tokens/*"

in   --model    folder with sft.meta.json (of sft.py or merge_adapter.py)
     --results  results.csv of 04_eval (optional)
out  --output   Markdown with the hub's YAML header: recipe, data with hashes, scores with
                intervals, usage, limits, citation; a figure that was not recorded is left out
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import json

import rows as r

RECIPE = """
    learning_rate lr_scheduler_type warmup_steps num_train_epochs max_steps global_batch_size max_length
    packing lora_r lora_alpha load_in_4bit seed
""".split()
COLUMNS = "model benchmark n accuracy ci_low ci_high unparsed".split()
METHODS = {"full": "full fine-tuning", "lora": "LoRA", "qlora": "QLoRA"}
TEMPLATE = Path(__file__).with_name("templates") / "model_card.md"


def read_results(path):
    """(names of models, lines of the table) of a results.csv: one line a benchmark, one cell a
    model."""
    rows, table = list(r.read(path, *COLUMNS)) if path else [], {}
    models = list(dict.fromkeys(row["model"] for row in rows))
    for row in rows:
        text = f"{float(row['accuracy']):.1f}"
        if row["ci_low"]:
            text += f" [{float(row['ci_low']):.1f}, {float(row['ci_high']):.1f}]"
        if row["unparsed"]:
            text += f" ({row['unparsed']})"
        table.setdefault((row["benchmark"], row["n"]), {})[row["model"]] = text
    return models, [[*key, *(cells.get(m, "") for m in models)] for key, cells in table.items()]


def card(meta, results, hub_id):
    """The card's text from a run's meta and the scores."""
    import jinja2
    import yaml

    base, speed = meta["model"], meta["speed"]
    inputs = {Path(name).name: digest for name, digest in meta["same_if"]["inputs"].items()}
    inputs.pop(Path(base).name, None)
    header = {
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["sft", "trl", "science", "reasoning"],
    }
    if Path(base).exists() or base.startswith(("/", ".")):
        base = Path(base).name
    else:
        header["base_model"] = base
    hardware = f"{meta['processes']} × {meta['gpu']}" if meta["gpu"] else "CPU"
    environment = jinja2.Environment(keep_trailing_newline=True)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        meta,
        models=results[0],
        scores=results[1],
        header=yaml.safe_dump(header, sort_keys=False).strip(),
        hub_id=hub_id,
        base=base,
        method=METHODS[meta["method"]],
        recipe=[(name, meta["given"][name]) for name in RECIPE if name in meta["given"]],
        speed_text=f"{speed['tokens_per_second']:,.0f} tokens/s on {hardware}",
        files=sorted(inputs.items()),
    )


def main():
    parser = r.parser(__doc__)
    add = parser.add_argument
    add("--model", required=True, metavar="DIR", help="folder of the trained or merged model")
    add("--results", metavar="FILE", help="results.csv of 04_eval")
    add("--output", required=True, metavar="FILE", help="the card, Markdown")
    add("--hub-id", metavar="OWNER/NAME", help="name on the hub (default: the folder's name)")
    args = parser.parse_args()
    path = Path(args.model) / "sft.meta.json"
    if not path.is_file():
        raise r.BadInput(f"{path}: there is no such file")
    name = args.hub_id or Path(args.model).resolve().name
    text = card(json.loads(path.read_text()), read_results(args.results), name)
    with r.write_aside(args.output, "w") as file:
        file.write(text)
    r.say(f"{args.output}: model card, {len(text.splitlines())} lines")


if __name__ == "__main__":
    r.run(main)
