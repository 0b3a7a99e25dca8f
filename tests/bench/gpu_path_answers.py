"""Answers of a model to benchmark rows by transformers' generate(), in the form of 04_eval/run_eval.py's samples: for machines without vLLM.

python tests/bench/gpu_path_answers.py --model DIR --data data/sample/benchmark --output samples.jsonl [--limit N]
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "03_sft"), str(ROOT / "04_eval")]
import rows as r

BATCH = 32


def question_of(row):
    options = "\n".join(f"{chr(65 + i)}. {text}" for i, text in enumerate(row.get("options") or []))
    form = "Answer: LETTER" if options else "\\boxed{ANSWER}"
    return f"{row['question']}\n{options}\nThink step by step and end with {form}.".replace(
        "\n\n", "\n"
    )


def main():
    parser = r.parser(__doc__, "output", "limit")
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", required=True, metavar="DIR")
    parser.add_argument("--max-tokens", type=r.positive, default=256)
    args = parser.parse_args()
    import torch
    from merge_adapter import load_for_use

    rows = [row for path in sorted(Path(args.data).glob("*.jsonl")) for row in r.read(path)]
    rows = rows[: args.limit]
    model, tokenizer = load_for_use(args.model)
    tokenizer.padding_side, samples = "left", []
    for place in r.progress(range(0, len(rows), BATCH), desc="answers"):
        part = rows[place : place + BATCH]
        prompts = [question_of(row) for row in part]
        batch = tokenizer.apply_chat_template(
            [[{"role": "user", "content": prompt}] for prompt in prompts],
            add_generation_prompt=True,
            padding=True,
            return_dict=True,
            return_tensors="pt",
        ).to(model.device)
        with torch.no_grad():
            made = model.generate(**batch, max_new_tokens=args.max_tokens, do_sample=False)
        new = made[:, batch["input_ids"].shape[1] :]
        texts = tokenizer.batch_decode(new, skip_special_tokens=True)
        for row, prompt, text, ids in zip(part, prompts, texts, new, strict=True):
            ended = bool((ids == tokenizer.eos_token_id).any())
            count = int((ids != tokenizer.pad_token_id).sum())
            more = {"model": "tuned", "prompt_id": "gpu_path", "seed": 0, "repeat": 0}
            more |= {"question_id": row["id"], "option_order": None, "prompt": prompt}
            more |= {"finish_reason": "stop" if ended else "length", "n_tokens": count}
            samples.append({**row, **more, "response": text})
    r.write(args.output, samples)


if __name__ == "__main__":
    r.run(main)
