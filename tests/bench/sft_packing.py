"""Packing against padding on the same rows: non-padding tokens per second and the loss curve, in alternating runs of the real trainer.

    python tests/bench/sft_packing.py --model data/models/smollm2-135m-instruct --input data/sample/train.jsonl [--steps 4 --rounds 3]

Each run trains --steps optimizer steps of 16 rows (LoRA, bf16, as in recipes/demo.yaml): padded in batches of 4 rows, or packed to
--max-length tokens. Warm-up step apart. Prints a line a run and, last, the ratio of the medians and the two losses.
"""

import json
import statistics
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "03_sft")]
import rows as r


def one_run(args, packing, folder):
    """Tokens a second (first step left out) and the losses of one training run."""
    import sft

    sys.argv = [
        "sft.py",
        "--config",
        str(ROOT / "03_sft/recipes/demo.yaml"),
        "--model_name_or_path",
        args.model,
        "--train_file",
        args.input,
        "--output_dir",
        str(folder),
        "--max_steps",
        str(args.steps + 1),
        "--max_length",
        str(args.max_length),
        "--eval_rows",
        "0",
        "--save_strategy",
        "no",
        "--stop_test_prompts",
        "0",
        "--report_to",
        "none",
        "--packing",
        str(packing).lower(),
        "--global_batch_size",
        "16",
        "--limit",
        "400",
        "--per_device_train_batch_size",
        "1" if packing else "4",
    ]
    sft.main()
    log = [
        entry
        for entry in json.loads((folder / "sft.meta.json").read_text())["log"]
        if "loss" in entry
    ]
    tokens, seconds = (
        log[-1][name] - log[0][name] for name in ("num_input_tokens_seen", "train_runtime")
    )
    return tokens / seconds, [entry["loss"] for entry in log]


def main():
    parser = r.parser(__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--input", required=True)
    parser.add_argument("--steps", type=r.positive, default=4)
    parser.add_argument("--rounds", type=r.positive, default=3)
    parser.add_argument("--max-length", type=r.positive, default=1024)
    args = parser.parse_args()
    speed, losses = {True: [], False: []}, {}
    with tempfile.TemporaryDirectory() as place:
        for number in range(args.rounds):
            for packing in (True, False):
                tokens, losses[packing] = one_run(args, packing, Path(place) / f"{number}{packing}")
                speed[packing].append(tokens)
                print(
                    f"{'packed' if packing else 'padded'}: {tokens:.0f} non-padding tokens/s, losses "
                    + " ".join(f"{loss:.3f}" for loss in losses[packing])
                )
    packed, padded = (statistics.median(speed[way]) for way in (True, False))
    print(
        f"packing / padding = {packed:.0f} / {padded:.0f} = {packed / padded:.2f}; "
        f"mean loss {statistics.mean(losses[True]):.3f} / {statistics.mean(losses[False]):.3f}"
    )


if __name__ == "__main__":
    r.run(main)
