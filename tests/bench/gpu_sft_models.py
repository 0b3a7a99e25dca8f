"""What gpu_sft.sh needs beside the trainer: models of the right shape with random weights, rows of realistic lengths, and the table of results.

    python tests/bench/gpu_sft_models.py --output DIR --shapes qwen3_4b qwen3_8b --rows 2000      # DIR/qwen3_4b/, DIR/rows.jsonl
    python tests/bench/gpu_sft_models.py --output DIR --report                                     # Markdown table of DIR/*/sft.meta.json

Speed and memory do not hang on the values of the weights. Lengths of answers are log-normal with a mean of about 890 tokens, as the
prompts and answers of MegaScience together have (721 + 170), cut at 4,000.
"""

import json
import math
import random
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "03_sft")]
from fit_estimate import KNOWN

import rows as r

MODELS = {
    "qwen3_1.7b": "Qwen/Qwen3-1.7B-Base",
    "qwen3_4b": "Qwen/Qwen3-4B-Base",
    "qwen3_8b": "Qwen/Qwen3-8B-Base",
    "qwen3_14b": "Qwen/Qwen3-14B-Base",
}


def write_rows(path, count):
    """Questions and answers of random letters; a letter is about one token for the byte-level tokenizer below."""
    chance = random.Random(0)

    def text(tokens):
        return "".join(chance.choices("abcdefghijklmnopqrstuvwxyz ", k=max(8, tokens)))

    mu = math.log(720) - 0.32
    r.write(
        path,
        (
            {
                "id": f"row-{i}",
                "question": text(150),
                "answer": text(min(3700, int(chance.lognormvariate(mu, 0.8)))),
            }
            for i in range(count)
        ),
    )


def write_tokenizer(folder):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    plain = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(letters)}, merges=[]))
    plain.pre_tokenizer, plain.decoder = (
        pre_tokenizers.ByteLevel(add_prefix_space=False),
        decoders.ByteLevel(),
    )
    plain.add_special_tokens(special)
    PreTrainedTokenizerFast(
        tokenizer_object=plain, eos_token=special[0], pad_token=special[0]
    ).save_pretrained(folder)


def write_model(folder, shape):
    """A Qwen3 of this shape in bf16 with random weights."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    config = Qwen3Config(
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.q // 128,
        num_key_value_heads=shape.kv // 128,
        head_dim=128,
        intermediate_size=shape.inter,
        vocab_size=shape.vocab,
        tie_word_embeddings=shape.tied,
        max_position_embeddings=32768,
    )
    torch.manual_seed(0)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        torch.set_default_dtype(torch.bfloat16)
        model = Qwen3ForCausalLM(config)
        torch.set_default_dtype(torch.float32)
    model.save_pretrained(folder)
    write_tokenizer(folder)


def report(folder):
    """Table of every run: steps after the first two (compilation, warm-up), median tokens/s, MFU, peak memory beside the estimate."""
    import statistics

    print(
        "| run | tokens/s | MFU % (non-causal) | MFU % (causal) | peak GiB | estimated GiB | attention |\n|---|---|---|---|---|---|---|"
    )
    for path in sorted(folder.glob("*/sft.meta.json")):
        meta = json.loads(path.read_text())
        log = [entry for entry in meta["log"] if "tokens_per_second" in entry][2:]
        middle = {
            key: statistics.median(entry[key] for entry in log)
            for key in ("tokens_per_second", "mfu", "mfu_causal")
            if log and key in log[0]
        }
        print(
            f"| {path.parent.name} | {middle.get('tokens_per_second', 0):,.0f} | {middle.get('mfu', '')} | {middle.get('mfu_causal', '')} | "
            f"{meta['peak_memory_gib']} | {meta['fit_estimate_gib']} | {meta['attention']} |"
        )


def main():
    parser = r.parser(__doc__)
    parser.add_argument("--output", required=True, metavar="DIR")
    parser.add_argument("--shapes", nargs="*", default=[], choices=sorted(MODELS))
    parser.add_argument("--rows", type=r.positive, default=2000)
    parser.add_argument("--report", action="store_true")
    args = parser.parse_args()
    folder = Path(args.output)
    if args.report:
        report(folder)
        return
    folder.mkdir(parents=True, exist_ok=True)
    write_rows(folder / "rows.jsonl", args.rows)
    for name in args.shapes:
        if not (folder / name / "config.json").is_file():
            write_model(folder / name, KNOWN[MODELS[name]])
            print(f"{folder / name}: {KNOWN[MODELS[name]].parameters / 1e9:.2f} B random weights")


if __name__ == "__main__":
    r.run(main)
