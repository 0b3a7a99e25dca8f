"""One row of gpu_sft.sh: a model of the right shape with random weights is trained for a few steps; a JSON file of figures is left.

    python tests/bench/gpu_sft_run.py --run full-8b --output DIR --keep /tmp/gpu_sft     # DIR/full-8b.json; the model stays in --keep
    python tests/bench/gpu_sft_run.py --output DIR --report                              # Markdown table of DIR/*.json

Speed and memory do not hang on the values of the weights. Lengths of answers are log-normal with a mean of about 890 tokens, as prompts
and answers of MegaScience together have (721 + 170), cut at 4,000. Speed is that of the trainer's log: non-padding tokens, seconds to
the end of the GPU's work, the first two steps left out. `trl-` rows are TRL's own trainer with its defaults in bf16, batch 8.
"""

import itertools
import json
import math
import random
import statistics
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "03_sft")]
import fit_estimate

import rows as r

SHAPES = {"4b": "Qwen/Qwen3-4B-Base", "8b": "Qwen/Qwen3-8B-Base"}
TINY = fit_estimate.Shape(64, 2, 256, 128, 128, 512, False)
LORA = ["--use_peft", "--lora_r", "16", "--learning_rate", "2e-4"]
WAYS = {
    "full": ["--dtype", "bfloat16", "--learning_rate", "5e-6"],
    "lora": LORA,
    "qlora": [*LORA, "--load_in_4bit"],
    "unsloth": [*LORA, "--unsloth"],
    "flashoptim": ["--dtype", "bfloat16", "--learning_rate", "5e-6"],
}


def write_rows(path, count, longest):
    """Questions and answers of random letters; a letter is one token for the byte-level tokenizer below."""
    chance = random.Random(0)

    def text(tokens):
        return "".join(chance.choices("abcdefghijklmnopqrstuvwxyz ", k=max(8, tokens)))

    def row(number):
        answer = int(chance.lognormvariate(math.log(720) - 0.32, 0.8) * longest / 4096)
        asked = text(150 * longest // 4096)
        answer = text(min(3700 * longest // 4096, answer))
        return {"id": f"row-{number}", "question": asked, "answer": answer}

    r.write(path, map(row, range(count)))


def write_tokenizer(folder):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    plain = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(letters)}, merges=[]))
    plain.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    plain.decoder = decoders.ByteLevel()
    plain.add_special_tokens(special)
    PreTrainedTokenizerFast(
        tokenizer_object=plain, eos_token=special[0], pad_token=special[0]
    ).save_pretrained(folder)


def write_model(folder, shape):
    """A Qwen3 of this shape in bf16 with random weights, made on the GPU where there is one."""
    import torch
    from transformers import AutoModelForCausalLM, Qwen3Config

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
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.save_pretrained(folder)
    write_tokenizer(folder)


def options_of(way, model, data, folder, steps, rehearse):
    """Command line of sft.py for one row."""
    words = ["--model_name_or_path", model, "--train_file", data, "--output_dir", folder]
    words += ["--max_steps", steps, "--global_batch_size", 4 if rehearse else 64]
    words += ["--max_length", 512 if rehearse else 4096, "--per_device_train_batch_size", 2]
    words += "--eval_rows 0 --save_strategy no --report_to none --ignore_fit --fresh".split()
    return [str(word) for word in [*words, *WAYS[way]]]


def flash_optimizer(trainer):
    """flashoptim's FlashAdamW with 24-bit weights, beside the default for bf16 weights; needs a GPU."""
    from flashoptim import FlashAdamW

    trained = [p for p in trainer.model.parameters() if p.requires_grad]
    trainer.optimizer = FlashAdamW(trained, lr=trainer.args.learning_rate, master_weight_bits=24)


def ours(way, argv):
    """Train as sft.py does, up to the saving; returns (history, estimate in bytes, what ran)."""
    import prepare_model
    import sft
    import training_options as options
    from accelerate import PartialState

    given = options.given_options(argv)
    options.check_early(given)
    if way == "unsloth":
        prepare_model.start_unsloth()
    own, args, model_args = options.parse(argv, given)
    state = PartialState()
    made = sft.prepare(own, args, model_args, state)
    args.disable_tqdm = True
    trainer = sft.build_trainer(own, args, model_args, made)
    if way == "flashoptim":
        flash_optimizer(trainer)
    trainer.train()
    layers = "made again" if args.gradient_checkpointing else "kept"
    layers += " (Liger)" if made["liger"] else ""
    ran = f"{model_args.attn_implementation}, layers {layers}, loss by {made['chunk']}"
    ran += f", {'flash_adamw' if way == 'flashoptim' else args.optim.value}"
    return trainer.state.log_history, made["need"], ran


def plain_trl(way, argv):
    """TRL's SFTTrainer as it comes: no packing, SDPA, rows padded to the longest of 8, AdamW in the weights' type."""
    import torch
    import training_options as options
    from accelerate import PartialState
    from transformers import AutoTokenizer
    from trl import SFTConfig, SFTTrainer, get_peft_config

    given = options.given_options(argv)
    own, ready, model_args = options.parse(argv, given)
    tokenizer = AutoTokenizer.from_pretrained(model_args.model_name_or_path)
    tokenizer.chat_template = (ROOT / "03_sft/templates/chatml.jinja").read_text()
    state = PartialState()
    train_set = made_rows(own, ready, tokenizer, state)[0]
    size = min(8, own.global_batch_size)
    args = SFTConfig(
        output_dir=ready.output_dir,
        max_steps=ready.max_steps,
        max_length=ready.max_length,
        per_device_train_batch_size=size,
        gradient_accumulation_steps=own.global_batch_size // size,
        learning_rate=ready.learning_rate,
        bf16=torch.cuda.is_available(),
        use_cpu=not torch.cuda.is_available(),
        include_num_input_tokens_seen="non_padding",
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataset_kwargs={"skip_prepare_dataset": True},
        model_init_kwargs={"dtype": torch.bfloat16},
    )
    trainer = SFTTrainer(
        model=model_args.model_name_or_path,
        args=args,
        train_dataset=train_set,
        processing_class=tokenizer,
        peft_config=get_peft_config(model_args),
    )
    trainer.train()
    return trainer.state.log_history, None, "sdpa, padded rows, layers made again, adamw_torch"


def made_rows(own, args, tokenizer, state):
    """Tokenised rows, not packed; sft.py's own function."""
    import token_files

    args.packing = False
    tokenizer.eos_token, tokenizer.pad_token = "<|im_end|>", "<|endoftext|>"
    return token_files.prepare_data(own, args, tokenizer, state)


def speed_of(steps):
    """Median of the tokens a second of all logged steps but the first two. The clock of a log is read after its loss, for which the GPU
    has done all that was asked of it."""
    names = ("num_input_tokens_seen", "train_runtime")
    pairs = [
        [late[name] - early[name] for name in names] for early, late in itertools.pairwise(steps)
    ]
    return statistics.median(tokens / seconds for tokens, seconds in pairs[1:] or pairs)


def measure(args):
    """Make what is not there yet, train, and write the figures."""
    import torch
    from training_checks import peak_memory

    if not torch.cuda.is_available():
        torch.compiler.set_stance("force_eager")  # torchao compiles its steps: minutes on a CPU
    plain = args.run.startswith("trl-")
    way, size = args.run.removeprefix("trl-").rsplit("-", 1)
    keep = Path(args.keep) / ("tiny" if args.rehearse else size)
    model, data = keep / "model", keep / "rows.jsonl"
    if not (model / "config.json").is_file():
        keep.mkdir(parents=True, exist_ok=True)
        write_model(model, TINY if args.rehearse else fit_estimate.KNOWN[SHAPES[size]])
    if not data.is_file():
        write_rows(data, 40 if args.rehearse else 1000, 512 if args.rehearse else 4096)
    if torch.cuda.is_available():  # what making the model took is none of training's peak
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    argv = options_of(way, model, data, keep / "out", args.steps, args.rehearse)
    history, need, ran = (plain_trl if plain else ours)(way, argv)
    steps = [entry for entry in history if "loss" in entry]
    result = {"run": args.run, "ran": ran, "losses": [round(e["loss"], 4) for e in steps]}
    result["tokens_per_second"] = round(speed_of(steps), 1)
    result["peak_gib"] = round(peak_memory() / fit_estimate.GIB, 1)
    result["estimated_gib"] = need and round(need / fit_estimate.GIB, 1)
    result["gpu"] = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "none"
    result["torch"] = torch.__version__
    r.write_json(Path(args.output) / f"{args.run}.json", result)


def report(folder):
    print(
        "| run | tokens/s | peak GiB | estimated GiB | what ran | GPU |\n|---|--:|--:|--:|---|---|"
    )
    for path in sorted(folder.glob("*.json")):
        row = json.loads(path.read_text())
        columns = ("run", "tokens_per_second", "peak_gib", "estimated_gib")
        cells = [str(row[name] if row[name] is not None else "") for name in columns]
        print("| " + " | ".join([*cells, row["ran"], row["gpu"]]) + " |")


def main():
    parser = r.parser(__doc__)
    parser.add_argument("--run", choices=[f"{p}{w}-{s}" for p in ("", "trl-") for w in WAYS for s in SHAPES])  # fmt: skip
    parser.add_argument("--output", required=True, metavar="DIR")
    parser.add_argument("--keep", default="/tmp/gpu_sft", metavar="DIR")
    parser.add_argument("--steps", type=r.positive, default=6)
    parser.add_argument("--rehearse", action="store_true", help="tiny shapes, also on a CPU")
    parser.add_argument("--report", action="store_true")
    args = parser.parse_args()
    if args.run:
        Path(args.output).mkdir(parents=True, exist_ok=True)
        measure(args)
    if args.report:
        report(Path(args.output))


if __name__ == "__main__":
    r.run(main)
