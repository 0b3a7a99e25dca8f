"""Write the model card (README.md) of a trained model from what its run left, with its scores; and push both to the Hugging Face hub.

    python 03_sft/model_card.py --model data/runs/my/merged --results data/runs/my/results.csv --output data/runs/my/merged/README.md
    python 03_sft/model_card.py --model data/runs/my/merged --results data/runs/my/results.csv --output README.md --push-to-hub --hub-id you/model

in   --model    folder with sft.meta.json (of sft.py or merge_adapter.py);  --results  results.csv of 04_eval (optional)
out  --output   Markdown with the hub's YAML header: recipe, data with hashes, scores with intervals, usage, limits, citation

Nothing is made up: a figure that the run did not record is left out. The folder is uploaded only with --push-to-hub.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import csv
import json

import rows as r

RECIPE = {
    "learning_rate": "Learning rate",
    "lr_scheduler_type": "Schedule",
    "warmup_steps": "Warm-up",
    "num_train_epochs": "Epochs",
    "max_steps": "Most steps",
    "global_batch_size": "Batch (rows a step)",
    "max_length": "Max length (tokens)",
    "packing": "Packing",
    "lora_r": "LoRA rank",
    "lora_alpha": "LoRA alpha",
    "load_in_4bit": "4-bit base (nf4)",
    "seed": "Seed",
}
METHODS = {"full": "full fine-tuning", "lora": "LoRA", "qlora": "QLoRA"}
TEMPLATE = """---
{{ header }}
---

# {{ title }}

{{ base }} after supervised fine-tuning ({{ method }}) on {{ train_rows }} question-answer rows, made with
[MegaScience-style scripts](https://arxiv.org/abs/2507.16812): the recipe, the data and the checks of this run stand below as they were recorded.

## Training recipe

| | |
|---|---|
| Base model | `{{ base }}` |
| Method | {{ method }} |
{% for name, value in recipe %}| {{ name }} | {{ value }} |
{% endfor %}| Steps | {{ "{:,}".format(steps) }} |
| Training loss, first and last step | {{ losses }} |
{% if eval_loss %}| Held-out loss | {{ "%.4f" | format(eval_loss) }} |
{% endif %}{% if speed_text %}| Speed | {{ speed_text }} |
{% endif %}| Code | commit `{{ commit }}` |

## Data

| file | SHA-256 |
|---|---|
{% for name, digest in files %}| {{ name }} | `{{ digest }}` |
{% endfor %}
{{ train_rows }} rows with {{ tokens }} tokens were trained on ({{ trained }} of them in answers);
{{ rows.eval.rows }} rows were held out and {{ rows.too_long }} were dropped as too long.
{% if checks.packing %}Rows were packed; a test showed that packed rows do not see each other.
{% endif %}

## Checks of this run

{% if checks.stop_test %}- {{ checks.stop_test.ended }} of {{ checks.stop_test.prompts }} held-out prompts were answered to an end of their own.
{% endif %}{% if checks.template_prompts_equal %}- The chat template renders {{ checks.template_prompts_equal }} prompts byte for byte as in training.
{% endif %}{% for name, reason in failed_checks %}- {{ name }} could not run: {{ reason }}
{% endfor %}{% if merge and "tokens" in merge %}- The merged model and base + adapter agree on
  {{ "%.2f" | format(100 * merge.agree) }} % of {{ merge.tokens }} top tokens.
{% endif %}
{% if scores %}## Evaluation

Accuracy in percent with its 95 % interval; in brackets the answers in which no final answer was found.

| benchmark | n | {{ models | join(" | ") }} |
|---|---|{{ "---|" * models | length }}
{% for line in scores %}| {{ line | join(" | ") }} |
{% endfor %}
{% endif %}## Use

```python
from transformers import AutoModelForCausalLM, AutoTokenizer

name = "{{ hub_id }}"
tokenizer = AutoTokenizer.from_pretrained(name)
model = AutoModelForCausalLM.from_pretrained(name, dtype="auto", device_map="auto")
messages = [{"role": "user", "content": "A ball falls from 20 m. How long does it fall? Put the final answer in \\\\boxed{}."}]
inputs = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True, return_tensors="pt").to(model.device)
print(tokenizer.decode(model.generate(**inputs, max_new_tokens=1024)[0, inputs["input_ids"].shape[1]:], skip_special_tokens=True))
```

## Limits

- The model can state wrong things with confidence; it is no source for medical, legal or financial decisions.
- It was trained on answers in the language and form of the data above; other tasks may have become worse than in the base model.
{% if unstopped %}- **The stop test failed**: fewer than 95 % of the held-out prompts were answered to an end.
{% endif %}- Small differences between scores lie within the intervals and say nothing.

## Citation

```bibtex
@article{fan2025megascience,
  title   = {MegaScience: Pushing the Frontiers of Post-Training Datasets for Science Reasoning},
  author  = {Fan, Run-Ze and Wang, Zengzhi and Liu, Pengfei},
  journal = {arXiv preprint arXiv:2507.16812},
  year    = {2025}
}
```
"""


def read_results(path):
    """(names of models, lines of the table) of a results.csv: one line a benchmark, one cell a model."""
    if path is None:
        return [], []
    if not Path(path).is_file():
        raise r.BadInput(f"--results {path}: there is no such file")
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for field in ("model", "benchmark", "n", "accuracy", "ci_low", "ci_high", "unparsed"):
        if rows and field not in rows[0]:
            raise r.BadInput(
                f'{path}, line 1: field "{field}" is missing (04_eval/score.py writes it)'
            )
    models, table = list(dict.fromkeys(row["model"] for row in rows)), {}
    for row in rows:
        interval = (
            f" [{float(row['ci_low']):.1f}, {float(row['ci_high']):.1f}]"
            if row["ci_low"] and row["ci_high"]
            else ""
        )
        unparsed = f" ({row['unparsed']})" if row["unparsed"] not in ("", None) else ""
        table.setdefault((row["benchmark"], row["n"]), {})[row["model"]] = (
            f"{float(row['accuracy']):.1f}{interval}{unparsed}"
        )
    return models, [
        [benchmark, n, *(cells.get(model, "") for model in models)]
        for (benchmark, n), cells in table.items()
    ]


def speed_text(meta):
    speed = meta["speed"]
    hardware = f"{meta['processes']} × {meta['gpu']}" if meta.get("gpu") else "CPU"
    if "tokens_per_second" not in speed:
        return None
    return (
        f"{speed['tokens_per_second']:,.0f} tokens/s"
        + (f", {speed['mfu']} % MFU" if "mfu" in speed else "")
        + f" on {hardware}"
    )


def card(meta, results, hub_id):
    """The card's text from a run's meta and the scores."""
    import jinja2
    import yaml

    models, scores = results
    given = meta.get("given", {})
    losses = [entry["loss"] for entry in meta["log"] if "loss" in entry]
    inputs = {
        Path(name).name: digest
        for name, digest in meta["same_if"]["inputs"].items()
        if name != meta["model"]
    }
    base = meta["model"]
    header = {
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["sft", "trl", "science", "reasoning"],
        **(
            {"base_model": base}
            if not Path(base).exists() and not base.startswith(("/", "."))
            else {}
        ),
    }
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    return environment.from_string(TEMPLATE).render(
        header=yaml.safe_dump(header, sort_keys=False).strip(),
        title=hub_id.split("/")[-1],
        base=base if header.get("base_model") else Path(base).name,
        method=METHODS[meta["method"]],
        recipe=[(label, given[key]) for key, label in RECIPE.items() if key in given],
        rows=meta["rows"],
        train_rows=f"{meta['rows']['train']['rows']:,}",
        tokens=f"{meta['rows']['train']['tokens']:,}",
        trained=f"{meta['rows']['train']['trained_tokens']:,}",
        steps=meta["steps"],
        losses=f"{losses[0]:.3f} → {losses[-1]:.3f}" if losses else "not recorded",
        eval_loss=meta.get("eval_loss"),
        speed_text=speed_text(meta),
        commit=meta["commit"],
        files=sorted(inputs.items()),
        checks={"stop_test": None, "template_prompts_equal": None, **meta["checks"]},
        failed_checks=[
            (name, reason.splitlines()[0]) for name, reason in meta.get("failed_checks", {}).items()
        ],
        merge=meta.get("merge"),
        models=models,
        scores=scores,
        hub_id=hub_id,
        unstopped=not meta["checks"].get("stop_test", {}).get("passed", True),
    )


def main():
    parser = r.parser(__doc__)
    add = parser.add_argument
    add("--model", required=True, metavar="DIR", help="folder of the trained or merged model")
    add("--results", metavar="FILE", help="results.csv of 04_eval")
    add("--output", required=True, metavar="FILE", help="the card, Markdown")
    add("--hub-id", metavar="OWNER/NAME", help="name on the hub (default: the folder's name)")
    add("--push-to-hub", action="store_true", help="upload folder and card (needs `hf auth login`)")
    args = parser.parse_args()
    path = Path(args.model) / "sft.meta.json"
    if not path.is_file():
        raise r.BadInput(
            f"{path}: there is no such file; --model is the folder that sft.py or merge_adapter.py made"
        )
    meta = json.loads(path.read_text())
    for field in ("model", "method", "rows", "log", "checks"):
        if field not in meta:
            raise r.BadInput(
                f'{path}: field "{field}" is missing; the run was not finished by sft.py'
            )
    if args.push_to_hub and not args.hub_id:
        raise r.BadInput("--push-to-hub needs --hub-id OWNER/NAME")
    text = card(meta, read_results(args.results), args.hub_id or Path(args.model).resolve().name)
    with r.write_aside(args.output, "w") as file:
        file.write(text)
    r.say(f"{args.output}: model card, {len(text.splitlines())} lines")
    if args.push_to_hub:
        push(args.model, args.output, args.hub_id)


def push(folder, readme, hub_id):
    """Upload the model's folder (checkpoints and token files apart) and its card."""
    from huggingface_hub import HfApi

    api = HfApi()
    api.create_repo(hub_id, exist_ok=True)
    api.upload_folder(
        repo_id=hub_id,
        folder_path=folder,
        ignore_patterns=[
            "checkpoint-*",
            "tokens/*",
            "runs/*",
            "sft.heldout.jsonl",
            "sft.rejected.jsonl",
            "*.bin",
        ],
    )
    api.upload_file(repo_id=hub_id, path_or_fileobj=readme, path_in_repo="README.md")
    r.say(f"pushed to https://huggingface.co/{hub_id}")


if __name__ == "__main__":
    r.run(main)
