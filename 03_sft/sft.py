"""Fine-tune a model on conversations: full, LoRA or QLoRA, on one process or many GPUs, with checks before and after.

    python 03_sft/sft.py --config 03_sft/recipes/lora_24gb.yaml --train_file my_rows.jsonl --output_dir data/runs/my/adapter
    python 03_sft/sft.py --config 03_sft/recipes/demo.yaml --model_name_or_path MODEL --train_file ROWS --output_dir D    # CPU, minutes
    accelerate launch --config_file 03_sft/accelerate/fsdp2.yaml 03_sft/sft.py --config 03_sft/recipes/qwen3_8b.yaml --train_file ROWS

in   --train_file  .jsonl, .jsonl.gz or .parquet; each row has prompt + completion (chat lists or texts), messages, conversations (ShareGPT),
     instruction + output (Alpaca) or question + answer; only the assistant's turns are trained; the forms may be mixed
out  output_dir/   the model (16 bit) or the adapter, with its tokenizer and chat template; loss.png; runs/ (TensorBoard)
     sft.meta.json       options, hashes, rows and tokens, speed, MFU, memory, the results of the checks, the log
     sft.rejected.jsonl  rows longer than max_length (dropped whole, never cut);  sft.heldout.jsonl  rows kept back for evaluation

The same command again goes on from the newest whole checkpoint, or does nothing if the run is finished. Every option of TRL's SFTConfig
and ModelConfig can stand in the recipe or on the command line: `--help-all` lists them. The script's own options:
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import contextlib
import difflib
import json
import os
import shlex
import shutil
import time
from dataclasses import dataclass, field, fields

import fit_estimate
import rows as r

HERE = Path(__file__).resolve().parent
CODE = [HERE / name for name in ("sft.py", "training_rows.py", "prepare_model.py")]
# Options that do not change the model: a finished run stays finished when they differ.
NEUTRAL = {"config", "output_dir", "fresh", "ignore_fit", "check_only", "report_to", "disable_tqdm", "logging_steps", "dataset_num_proc", "save_total_limit",
           "stop_test_prompts", "merge_to", "push_to_hub", "hub_model_id", "hub_private_repo", "run_name", "log_level", "dataloader_num_workers"}
# Where TRL's own defaults would surprise: its max_length is 1024, and it neither packs, evaluates nor bounds the number of checkpoints.
DEFAULTS = dict(max_length=4096, packing=True, per_device_train_batch_size=1, per_device_eval_batch_size=1, lr_scheduler_type="cosine", warmup_steps=0.05,
                logging_steps=1, eval_strategy="epoch", save_strategy="epoch", save_total_limit=2, report_to=["tensorboard"], seed=42,
                lora_target_modules=["all-linear"], lora_dropout=0.0, attn_implementation=None)


@dataclass
class OwnOptions:
    train_file: str | None = field(default=None, metadata={"help": "rows to train on (required)"})
    eval_file: str | None = field(default=None, metadata={"help": "rows to evaluate on; without it some of train_file are kept back"})
    eval_rows: int | None = field(default=None, metadata={"help": "how many rows are kept back (default: 1 percent, 16 to 500; none below 64 rows)"})
    limit: int | None = field(default=None, metadata={"help": "only the first N rows of train_file"})
    global_batch_size: int = field(default=512, metadata={"help": "rows of one optimizer step over all GPUs; accumulation is computed from it"})
    unsloth: bool = field(default=False, metadata={"help": "train with Unsloth's kernels (one NVIDIA GPU)"})
    check_only: bool = field(default=False, metadata={"help": "do the checks, show a row and the plan, and stop before training"})
    ignore_fit: bool = field(default=False, metadata={"help": "train although the estimate says that it does not fit"})
    stop_test_prompts: int = field(default=16, metadata={"help": "held-out prompts answered after training, to see that answers end (0: none)"})
    merge_to: str | None = field(default=None, metadata={"help": "merge the adapter into this folder when done, and compare"})
    fresh: bool = field(default=False, metadata={"help": "start over: delete what an earlier run left in output_dir, saying what"})


def help_text():
    return __doc__ + "\n".join(f"    --{f.name:<18} {f.metadata['help']} [{f.default}]" for f in fields(OwnOptions)) + \
        "\n    --config             recipe (YAML, one option a line); the command line overrides it"


def say(*words):
    """A line on stderr, from the first process only."""
    if int(os.environ.get("RANK", 0)) == 0:
        print(*words, file=sys.stderr, flush=True)


def given_options(argv):
    """Options as the user gave them, recipe first and command line over it: {name: value}. Reads no heavy library."""
    import yaml

    given, name = {}, None
    for word in argv:
        if word.startswith("--"):
            name, _, value = word[2:].partition("=")
            name = name.replace("-", "_")
            given[name] = value if "=" in word else True
        elif name is None:
            raise r.BadInput(f"\"{word}\" belongs to no option; options are written --name value")
        else:
            given[name] = word if given[name] is True else f"{given[name]} {word}"
    recipe = given.get("config")
    if recipe is None:
        return given
    if not Path(str(recipe)).is_file():
        raise r.BadInput(f"--config {recipe}: there is no such file (recipes stand in 03_sft/recipes/)")
    try:
        from_file = yaml.safe_load(Path(recipe).read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise r.BadInput(f"--config {recipe}: not valid YAML ({error})") from None
    if not isinstance(from_file, dict):
        raise r.BadInput(f"--config {recipe}: a recipe is one \"option: value\" a line")
    return {k: v for k, v in from_file.items() if k not in given} | given


def is_on(value):
    return str(value).lower() in ("true", "1", "yes")


def check_early(given):
    """What can be refused before torch is imported."""
    if not given.get("train_file"):
        raise r.BadInput(f"--train_file is missing: rows to train on, with {'prompt and completion, messages, or question and answer'}")
    for name in ("train_file", "eval_file"):
        if given.get(name) and not Path(given[name]).is_file():
            raise r.BadInput(f"--{name} {given[name]}: there is no such file")
    if not given.get("model_name_or_path"):
        raise r.BadInput("--model_name_or_path is missing: a folder or a hub id")
    if not given.get("output_dir"):
        raise r.BadInput("--output_dir is missing: the folder that gets the model")
    if is_on(given.get("use_liger_kernel", False)) and given.get("loss_type") == "chunked_nll":
        raise r.BadInput("use_liger_kernel and loss_type chunked_nll exclude each other; leave one out")
    if is_on(given.get("load_in_4bit", False)) and not is_on(given.get("use_peft", False)):
        raise r.BadInput("load_in_4bit needs use_peft: weights of 4 bits cannot be trained themselves")
    if given.get("max_length") is not None and int(given["max_length"]) < 1:
        raise r.BadInput(f"max_length {given['max_length']} is not at least 1")


def start_unsloth():
    """Import Unsloth before everything it patches; a clear refusal where it cannot work."""
    import torch

    if not torch.cuda.is_available():
        raise r.BadInput("--unsloth needs an NVIDIA GPU, and none is visible; leave the option out to train with TRL alone")
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        raise r.BadInput("--unsloth trains on one GPU; leave the option out, or start one process")
    try:
        import unsloth  # noqa: F401
    except ImportError as error:
        raise r.BadInput(f"--unsloth: the package cannot be imported ({error}); install it with requirements.txt") from None


def machine_defaults(given):
    """Defaults that hang on the machine and on the way to train."""
    import torch

    peft, gpu = is_on(given.get("use_peft", False)), torch.cuda.is_available()
    wide = gpu and not torch.cuda.is_bf16_supported(including_emulation=False)   # before Ampere: fp16 with loss scaling
    found = dict(DEFAULTS, dtype=("float16" if wide else "bfloat16") if peft else "float32", gradient_checkpointing=gpu, fp16=wide)
    if gpu:
        return found | {"bf16": not wide}
    # CPU: autocast over fp32 weights is unusable, over a bf16 LoRA base it gains a fifth (311 against 260 tok/s)
    return found | {"bf16": peft and not is_on(given.get("load_in_4bit", False)), "use_cpu": True}


def parse(argv, given):
    """(OwnOptions, SFTConfig, ModelConfig) by TRL's parser; a wrong option is BadInput with the nearest right one."""
    from trl import ModelConfig, SFTConfig, TrlParser

    class Parser(TrlParser):
        def error(self, message):
            raise r.BadInput(f"{message} (--help lists the script's options, --help-all TRL's)")

    parser = Parser((OwnOptions, SFTConfig, ModelConfig), prog="sft.py", allow_abbrev=False, description=help_text())
    if "--help-all" in argv:
        parser.print_help()
        raise SystemExit(0)
    known = {action.dest for action in parser._actions} | {f"no_{action.dest}" for action in parser._actions} | {"config", "env"}
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            raise r.BadInput(f"there is no option \"{name}\"" + (f"; did you mean \"{near[0]}\"?" if near else " (--help-all lists them)"))
    parser.set_defaults_with_config(**machine_defaults(given))
    try:
        own, args, model_args = parser.parse_args_and_config([word for word in argv])
    except (ValueError, TypeError) as error:
        raise r.BadInput(str(error)) from None
    if args.packing and not args.max_length:
        raise r.BadInput("packing needs a max_length")
    return own, args, model_args


def batch_plan(global_rows, rows_per_sequence, per_device, world):
    """(sequences of a device, accumulation steps) so that one optimizer step sees `global_rows` rows on any number of devices.

    Where rows are packed, so many packed sequences are taken as hold that many rows on average, rounded to a number that 1 to 16 devices divide.
    """
    packed = rows_per_sequence > 1
    sequences = max(1, round(global_rows / rows_per_sequence))
    if packed:
        unit = min(16, 2 ** max(0, (sequences // 6).bit_length() - 1))
        sequences = max(unit, round(sequences / unit) * unit)
        if sequences % world:
            sequences = max(1, round(sequences / world)) * world
    elif sequences % world:
        raise r.BadInput(f"global_batch_size {global_rows} cannot be divided among {world} processes; take a multiple of {world}")
    share = sequences // world
    fitting = max(n for n in range(1, min(per_device, share) + 1) if share % n == 0)
    return fitting, share // fitting


def fingerprint(given, own, model):
    """What decides whether a finished run is still good: options, data, model, code."""
    def hash_of(path):   # weights are compared by size: hashing 60 GB would take minutes
        path = Path(path)
        if path.is_file():
            return r.file_hash(str(path))
        return r.text_hash({str(p.relative_to(path)): r.file_hash(str(p)) if p.stat().st_size < 50e6 else p.stat().st_size
                            for p in sorted(path.rglob("*")) if p.is_file()})

    inputs = {str(p): hash_of(p) for p in (own.train_file, own.eval_file, model) if p and Path(p).exists()}
    return json.loads(json.dumps(dict(options={k: str(v) for k, v in sorted(given.items()) if k not in NEUTRAL}, inputs=inputs,
                                      code={p.name: r.file_hash(str(p))[:16] for p in CODE})))


def look_back(output_dir, same_if, fresh):
    """What an earlier run left: "finished", a whole checkpoint to go on from, or None. Refuses checkpoints of another experiment."""
    output_dir = Path(output_dir)
    if fresh and output_dir.exists():
        for path in sorted(output_dir.iterdir()):
            say(f"--fresh: deleting {path}")
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    meta, started = output_dir / "sft.meta.json", output_dir / "sft.started.json"
    if meta.is_file():
        old = json.loads(meta.read_text())
        changed = [key for key in same_if if old["same_if"].get(key) != same_if[key]]
        if not changed:
            say(f"{output_dir}: finished already ({old['rows']['train']['rows']:,} rows, {old['steps']} steps, loss {old['final_loss']})")
            return "finished"
        say(f"{output_dir}: made again, since its {' and '.join(changed)} changed")
        for path in [*output_dir.glob("checkpoint-*"), meta]:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        return None
    checkpoint, skipped = __import__("training_checks").newest_whole(output_dir)
    for path in skipped:
        say(f"{path.name} is half-written and is skipped")
    if checkpoint is None:
        return None
    old = json.loads(started.read_text()) if started.is_file() else {}
    for part in ("options", "inputs"):
        for key in sorted({*old.get(part, {}), *same_if[part]}):
            if old.get(part, {}).get(key) != same_if[part].get(key):
                raise r.BadInput(f"{output_dir} holds checkpoints of another run: {key} was {old.get(part, {}).get(key)} and is now {same_if[part].get(key)}; "
                                 "choose another --output_dir, or start over with --fresh")
    if old.get("code") != same_if["code"]:
        say("note: the scripts changed since these checkpoints were written")
    say(f"going on from {checkpoint.name}")
    return checkpoint


def sharding():
    """Over how many processes this launch shares out weights and states (1 = plain or DDP)."""
    sharded = is_on(os.environ.get("ACCELERATE_USE_FSDP", "")) or is_on(os.environ.get("ACCELERATE_USE_DEEPSPEED", ""))
    return int(os.environ.get("WORLD_SIZE", 1)) if sharded else 1


def check_fit(config, own, args, model_args):
    """Refuse, before any weights are fetched, what will not fit into memory or onto the disk; returns the estimate in bytes, or None."""
    import torch

    shape = fit_estimate.shape_of(config)
    if shape is None:
        say("fit estimate: this architecture is not a plain decoder, so there is none")
        return None
    method = "full" if not model_args.use_peft else "qlora" if model_args.load_in_4bit else "lora"
    tokens = args.per_device_train_batch_size * args.max_length
    need = fit_estimate.memory(shape, method, tokens=tokens, gpus=sharding(), dtype=model_args.dtype, rank=model_args.lora_r,
                               checkpointing=args.gradient_checkpointing, chunked=args.loss_type in (None, "chunked_nll"), autocast=args.bf16 or args.fp16)
    gpu = torch.cuda.is_available()
    # a machine's memory is shared with whatever else runs there: what is available counts, not what is built in
    available = torch.cuda.get_device_properties(0).total_memory if gpu else os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    gib = {k: v / fit_estimate.GIB for k, v in need.items()}
    text = (f"{gib['total']:.1f} GiB (weights {gib['weights']:.1f}, gradients {gib['gradients']:.1f}, optimizer {gib['optimizer']:.1f}, activations "
            f"{gib['activations']:.1f}) of {available / fit_estimate.GIB:.1f} GiB {'on this GPU' if gpu else 'free'}")
    say(f"fit estimate: {shape.parameters / 1e9:.2f} B parameters, {method}, {text}")
    if need["total"] > available and not own.ignore_fit:
        ways = fit_estimate.what_would_fit(shape, available, tokens, model_args.lora_r)
        raise r.BadInput(f"{model_args.model_name_or_path} will not fit: about {text}. What would fit: {'; '.join(ways) or 'a smaller model'}. "
                         "--ignore_fit tries all the same")
    room, wanted = shutil.disk_usage(existing(args.output_dir)).free, fit_estimate.disk(shape, method, model_args.dtype, (args.save_total_limit or 3) + 1, model_args.lora_r)
    if room < wanted:
        raise r.BadInput(f"{args.output_dir}: {wanted / 1e9:.1f} GB are needed for the checkpoints, {room / 1e9:.1f} GB are free; "
                         "lower --save_total_limit or choose another --output_dir")
    return need["total"]


def existing(path):
    """The path, or its nearest parent that exists."""
    return next(p for p in (Path(path).resolve(), *Path(path).resolve().parents) if p.exists())


def prepare_data(own, args, tokenizer, state):
    """Tokenised and packed data sets, and what is in them: (train, eval or None, counts). The first process of a node writes, the others read."""
    import training_rows as t
    from datasets import Dataset
    from trl import pack_dataset

    folder = Path(args.output_dir)
    tokens = folder / "tokens" / f"node{int(os.environ.get('GROUP_RANK', 0))}"
    if state.is_local_main_process:
        shutil.rmtree(tokens, ignore_errors=True)
        found = t.tokenize_file(own.train_file, tokenizer, args.max_length, tokens, own.eval_rows, own.eval_file, own.limit)
        r.write_json(tokens / "counts.json", found)
        if state.is_main_process:
            for name in ("sft.rejected.jsonl", "sft.heldout.jsonl"):
                shutil.copyfile(tokens / name, folder / name)
    state.wait_for_everyone()
    found = json.loads((tokens / "counts.json").read_text())
    with state.local_main_process_first():
        train, held = (Dataset.from_file(str(tokens / f"{part}.arrow")) for part in ("train", "eval"))
        if args.packing:
            train = pack_dataset(train, args.max_length, "bfd")
            held = pack_dataset(held, args.max_length, "bfd") if len(held) else held
    return train, held if len(held) else None, found


def describe_data(found, tokenizer, args):
    import training_rows as t

    train = found["train"]
    say(t.preview(tokenizer, *found["first"], color=sys.stderr.isatty()))
    say(f"rows: {train['rows']:,} to train on ({train['tokens']:,} tokens, {train['trained_tokens']:,} trained, longest {train['longest']:,}), "
        f"{found['eval']['rows']:,} held out, {found['too_long']:,} longer than {args.max_length} dropped (sft.rejected.jsonl)")


def build_trainer(own, args, model_args, tokenizer, train, held, meter, state):
    """TRL's SFTTrainer over token ids and labels that are ready, with the figures of Meter in its log."""
    from training_checks import callbacks
    from trl import SFTTrainer, get_peft_config, get_quantization_config

    class MeasuredTrainer(SFTTrainer):
        def log(self, logs, start_time=None):
            if "loss" in logs:   # TRL counts the non-padding tokens of all processes
                logs |= meter.measure(self._total_train_tokens)
            super().log(logs, start_time)

    args.dataset_kwargs = {"skip_prepare_dataset": True}
    peft, quantization, model = get_peft_config(model_args), get_quantization_config(model_args), model_args.model_name_or_path
    if own.unsloth:
        model, peft, quantization = unsloth_model(args, model_args), None, None
    else:
        args.model_init_kwargs = dict(revision=model_args.model_revision, attn_implementation=model_args.attn_implementation, dtype=model_args.dtype)
    trainer = MeasuredTrainer(model=model, args=args, train_dataset=train, eval_dataset=held, processing_class=tokenizer, peft_config=peft,
                              quantization_config=quantization, callbacks=callbacks(state, meter))
    if args.disable_tqdm:
        from transformers import PrinterCallback

        trainer.remove_callback(PrinterCallback)   # its lines are replaced by Meter.line
    return trainer


def unsloth_model(args, model_args):
    """The model by Unsloth, with the same adapter settings."""
    from unsloth import FastLanguageModel

    model, _ = FastLanguageModel.from_pretrained(model_args.model_name_or_path, max_seq_length=args.max_length, load_in_4bit=model_args.load_in_4bit,
                                                 full_finetuning=not model_args.use_peft, revision=model_args.model_revision)
    if not model_args.use_peft:
        return model
    targets = model_args.lora_target_modules
    if targets in ("all-linear", ["all-linear"]):
        targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    return FastLanguageModel.get_peft_model(model, r=model_args.lora_r, lora_alpha=model_args.lora_alpha, lora_dropout=model_args.lora_dropout,
                                            target_modules=targets, use_gradient_checkpointing="unsloth", random_state=args.seed)


def save_16bit(folder):
    """Turn fp32 weight files into bf16, one file at a time: the form in which the model is used and shared."""
    import torch
    from safetensors.torch import load_file, save_file

    total = 0
    for path in sorted(Path(folder).glob("model*.safetensors")):
        tensors = {name: t.to(torch.bfloat16) if t.dtype == torch.float32 else t for name, t in load_file(path).items()}
        total += sum(t.numel() * t.element_size() for t in tensors.values())
        aside = path.with_suffix(".part")
        save_file(tensors, aside, metadata={"format": "pt"})
        os.replace(aside, path)
    for name, change in (("config.json", lambda c: c | {"dtype": "bfloat16"}),
                         ("model.safetensors.index.json", lambda c: c | {"metadata": {**c.get("metadata", {}), "total_size": total}})):
        if (Path(folder) / name).is_file():
            r.write_json(Path(folder) / name, change(json.loads((Path(folder) / name).read_text())))


def check_after(own, args, meter, history):
    """On the saved model: prompts render as in training, answers end by themselves; and the plot. Returns the results."""
    import training_checks as c
    import training_rows as t

    folder, results = Path(args.output_dir), {}
    c.plot_loss(history, folder / "loss.png")
    rows = list(r.read(folder / "sft.heldout.jsonl", limit=own.stop_test_prompts)) or list(r.read(own.train_file, limit=own.stop_test_prompts))
    chats = [t.conversation(row)[0] for row in rows]
    prompts = [messages[:-1] for messages in chats]
    with contextlib.suppress(ImportError):
        import torch

        torch.cuda.empty_cache() if torch.cuda.is_available() else None
    if not prompts:
        return results
    model, tokenizer = c.load_for_use(str(folder))
    longest = max(len(tokenizer(messages[-1]["content"]).input_ids) for messages in chats)
    results["stop_test"] = c.stop_test(model, tokenizer, prompts, max(64, min(1024, 2 * longest)))
    ended, asked = results["stop_test"]["ended"], len(prompts)
    results["stop_test"]["passed"] = ended >= 0.95 * asked
    say(f"stop test: {ended} of {asked} held-out prompts were answered to an end" + ("" if results["stop_test"]["passed"] else
        "\nWARNING: fewer than 95 % end by themselves. The model has not learnt to stop: train longer, or look at the answers in sft.meta.json"))
    return results


def train(own, args, model_args, given, same_if, checkpoint):
    import torch
    import training_checks as c
    import training_rows as t
    from accelerate import PartialState
    from prepare_model import align_model, choose_attention, load_tokenizer, packing_is_safe
    from transformers import AutoConfig, set_seed

    state, world, started = PartialState(), int(os.environ.get("WORLD_SIZE", 1)), time.time()
    if torch.cuda.device_count() > 1 and world == 1 and not own.check_only:
        raise r.BadInput(f"{torch.cuda.device_count()} GPUs are visible but one process was started: use `accelerate launch --config_file "
                         "03_sft/accelerate/ddp.yaml 03_sft/sft.py ...`, or set CUDA_VISIBLE_DEVICES=0")
    set_seed(args.seed)   # before the trainer is built: the adapter's first values come from it
    try:
        config = AutoConfig.from_pretrained(model_args.model_name_or_path, revision=model_args.model_revision, trust_remote_code=args.trust_remote_code)
    except (OSError, ValueError) as error:
        raise r.BadInput(f"--model_name_or_path {model_args.model_name_or_path}: no model is found there ({str(error).splitlines()[0]})") from None
    need = check_fit(config, own, args, model_args)
    tokenizer, notes = load_tokenizer(model_args.model_name_or_path, args.chat_template_path, model_args.model_revision, args.trust_remote_code)
    args.chat_template_path = args.eos_token = None   # done here; the trainer must not do it again
    model_args.attn_implementation, why = choose_attention(model_args.attn_implementation)
    notes.append(f"attention: {model_args.attn_implementation} ({why})")
    if args.packing:
        args.packing, note = packing_is_safe(config, model_args.attn_implementation, args.trust_remote_code)
        notes.append(f"packing: {'on' if args.packing else 'SWITCHED OFF'}, {note}")
    for note in notes:
        say(note)
    Path(args.output_dir).mkdir(parents=True, exist_ok=True)
    train_set, held, found = prepare_data(own, args, tokenizer, state)
    describe_data(found, tokenizer, args)
    per_sequence = found["train"]["rows"] / len(train_set)
    args.per_device_train_batch_size, args.gradient_accumulation_steps = batch_plan(own.global_batch_size, per_sequence, args.per_device_train_batch_size, world)
    sequences = args.per_device_train_batch_size * args.gradient_accumulation_steps * world
    say(f"batch: {world} process(es) x {args.per_device_train_batch_size} x {args.gradient_accumulation_steps} accumulation = {sequences} "
        f"{'packed sequences' if args.packing else 'rows'} = {sequences * per_sequence:.0f} rows a step (asked for {own.global_batch_size})")
    if held is None:
        args.eval_strategy = "no"
    if own.check_only:
        say("--check_only: all checks passed, nothing was trained")
        return
    if state.is_main_process:
        r.write_json(Path(args.output_dir) / "sft.started.json", same_if)
    args.disable_tqdm = args.disable_tqdm or not sys.stderr.isatty()
    shape, method = fit_estimate.shape_of(config), "lora" if model_args.use_peft else "full"
    context = found["train"]["squares"] / found["train"]["tokens"]
    flops = [fit_estimate.flops_per_token(shape, context, method, causal) for causal in (False, True)] if shape else None
    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
    peak = fit_estimate.peak_flops(gpu) if gpu else None
    meter = c.Meter(flops, peak and peak * world)
    trainer = build_trainer(own, args, model_args, tokenizer, train_set, held, meter, state)
    core = trainer.model.get_base_model() if model_args.use_peft else trainer.model
    align_model(core, tokenizer)
    meter.first_step = int(checkpoint.name.split("-")[1]) if checkpoint else 0
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    trainer.save_model(args.output_dir)
    history = trainer.state.log_history
    steps, peak_bytes = trainer.state.global_step, c.peak_memory()
    state.wait_for_everyone()
    if not state.is_main_process:
        return
    folder = Path(args.output_dir)
    (folder / "training_args.bin").unlink(missing_ok=True)   # a pickle; sft.meta.json says the same
    if not model_args.use_peft:
        save_16bit(folder)
    prompts = [t.conversation(row)[0][:-1] for row in r.read(folder / "sft.heldout.jsonl", limit=16)]
    rendered = c.check_template([(messages, t.render(tokenizer, messages, prompt=True)) for messages in prompts], folder)
    del trainer, core
    checks = {"packing": args.packing, "template_prompts_equal": rendered} | check_after(own, args, meter, history)
    losses = [entry["loss"] for entry in history if "loss" in entry]
    found.pop("first")
    r.write_json(folder / "sft.meta.json", {
        "command": shlex.join(["python", *sys.argv]), "commit": r.git_commit(), "model": model_args.model_name_or_path, "method": method if not model_args.load_in_4bit
        else "qlora", "rows": found, "steps": steps, "final_loss": losses[-1] if losses else None,
        "eval_loss": next((entry["eval_loss"] for entry in reversed(history) if "eval_loss" in entry), None),
        "rows_per_step": round(sequences * per_sequence, 1), "processes": world, "gpu": gpu, "attention": model_args.attn_implementation, "notes": notes,
        "speed": meter.total(), "mfu_formula": fit_estimate.flops_per_token.__doc__.split("\n\n")[1].strip(), "fit_estimate_gib": need and round(need / 2**30, 2),
        "peak_memory_gib": round(peak_bytes / 2**30, 2), "checks": checks, "seconds": round(time.time() - started, 1),
        "date": time.strftime("%Y-%m-%dT%H:%M:%S"), "given": given, "same_if": same_if, "log": history})
    shutil.rmtree(folder / "tokens", ignore_errors=True)
    say(f"{folder}: {steps} steps, loss {losses[0]:.3f} -> {losses[-1]:.3f}, {meter.total().get('tokens_per_second', 0):,.0f} tokens/s, "
        f"{time.time() - started:.0f} s")
    if own.merge_to and model_args.use_peft:
        import merge_adapter

        merge_adapter.merge(str(folder), own.merge_to, check=True)


def main():
    argv = sys.argv[1:]
    if not argv or "-h" in argv or "--help" in argv:
        print(help_text())
        raise SystemExit(0 if argv else 2)
    if "--help-all" in argv:
        parse(argv, {})
    given = given_options(argv)
    check_early(given)
    if is_on(given.get("unsloth", False)):
        start_unsloth()
    own, args, model_args = parse(argv, given)
    same_if = fingerprint(given, own, model_args.model_name_or_path)
    checkpoint = look_back(args.output_dir, same_if, own.fresh)
    if checkpoint != "finished":
        train(own, args, model_args, given, same_if, checkpoint)


if __name__ == "__main__":
    r.run(main)
