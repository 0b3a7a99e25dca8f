"""Fine-tune a model on conversations: full, LoRA or QLoRA, on one process or many GPUs.

    python 03_sft/sft.py --config 03_sft/recipes/qwen3_8b_lora_24gb.yaml --train_file ROWS --output_dir D
    accelerate launch --config_file 03_sft/accelerate/fsdp2.yaml 03_sft/sft.py --config 03_sft/recipes/qwen3_8b_full.yaml --train_file ROWS --output_dir D

in   --train_file  .jsonl, .jsonl.gz or .parquet; each row has prompt + completion (chat lists or
     texts), messages, conversations (ShareGPT), instruction + output (Alpaca) or question + answer;
     only the assistant's turns are trained; the forms may be mixed
out  output_dir/         the model (16 bit) or the adapter, with its tokenizer; runs/ (TensorBoard)
     sft.meta.json       options, hashes, rows, tokens, speed, memory, results of checks, log
     sft.rejected.jsonl  rows longer than max_length (dropped whole)
     sft.heldout.jsonl   rows kept back for evaluation

The same command again goes on from the newest whole checkpoint, or does nothing if the run is
finished. A recipe or the command line may hold every option of TRL's SFTConfig and ModelConfig
(`--help-all`) and these; in brackets the default:
    --train_file            rows to train on (required)
    --output_dir            the folder that gets the model or the adapter (required)
    --config                recipe (YAML, one option a line); the command line overrides it
    --model_name_or_path    a folder or a hub id (required)
    --eval_rows             rows kept back [1 in 100, 16 to 500; none below 64 rows]
    --limit                 only the first N rows of train_file
    --max_length            tokens of a packed sequence; longer rows are dropped [4096]
    --global_batch_size     rows of one optimizer step over all GPUs [512]
    --per_device_train_batch_size   packed sequences of one forward pass, flattened [1]
    --learning_rate         peak; 5e-6 for full fine-tuning in the paper, 2e-4 for LoRA here [2e-5]
    --num_train_epochs      passes over the rows [3]; --max_steps ends earlier
    --use_peft              train an adapter (LoRA); with --load_in_4bit QLoRA
    --lora_r                rank of the adapter [16]; --lora_alpha goes with it [32]
    --unsloth               train with Unsloth's kernels (one NVIDIA GPU), rows not packed
    --check_only            do the checks, show a row and the plan, and stop
    --ignore_fit            train although the estimate says that it does not fit
    --stop_test_prompts     held-out prompts answered at the end: do answers stop? [16; 0: none]
    --fresh                 start over: delete what an earlier run left in output_dir
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import functools
import os
import shlex
import shutil
import time

import fit_estimate
import packed_attention
import prepare_model
import token_files
import training_rows
from check_fit import backend, check_fit, method_of
from finish_run import finish
from training_options import (
    agreed,
    batch_plan,
    check_early,
    fingerprint,
    given_options,
    is_on,
    look_back,
    parse,
    quiet,
    say,
)

import rows as r


def prepare(own, args, model_args, state):
    """Everything that can go wrong before training: model, template, fit, attention, packing, rows.
    Returns what training needs, as a dict."""
    import torch
    from transformers import set_seed

    if torch.cuda.device_count() > 1 and state.num_processes == 1 and not own.check_only:
        raise r.BadInput(
            "several GPUs are visible but one process was started: use `accelerate launch "
            "--config_file 03_sft/accelerate/ddp.yaml 03_sft/sft.py ...`, or CUDA_VISIBLE_DEVICES=0"
        )
    set_seed(args.seed)  # before the trainer is built: the adapter's first values come from it
    model, revision = model_args.model_name_or_path, model_args.model_revision
    config = fit_estimate.read_config(model, revision)
    tokenizer, notes = prepare_model.load_tokenizer(model, args.chat_template_path, revision)
    args.chat_template_path = None  # done here; the trainer must not do it again
    args.eos_token = tokenizer.eos_token  # the trainer lets the model's configs stop there too
    shape = fit_estimate.shape_of(config)
    model_args.lora_target_modules = prepare_model.adapter_targets(
        model_args.lora_target_modules, shape.experts if shape else 1
    )
    liger = not own.unsloth and not args.use_liger_kernel and prepare_model.use_liger_layers(config)
    if liger:
        notes.append("layers: Liger's RMSNorm, SwiGLU and RoPE; TRL's loss")
    need, chunk = check_fit(shape, liger, own, args, model_args)
    if own.unsloth:
        args.packing = False  # its attention is not the one that attention_for() tries
    model_args.attn_implementation = prepare_model.attention_for(
        config, model_args.attn_implementation, args.packing
    )
    notes.append(f"attention: {model_args.attn_implementation}")
    notes.append("packing: on, rows do not see each other" if args.packing else "packing: off")
    say("\n".join(notes))
    train_set, held, first, found = token_files.prepare_data(own, args, tokenizer, state)
    say(training_rows.preview(tokenizer, **first))
    if held is None:
        args.eval_strategy = "no"
    plan_batch(own, args, found, len(train_set), state.num_processes)
    return dict(
        tokenizer=tokenizer,
        train_set=train_set,
        held=held,
        found=found,
        liger=liger,
        need=need,
        chunk=chunk,
    )


def plan_batch(own, args, found, sequences, world):
    """Set batch and accumulation, and say what there is to train on."""
    train = found["train"]
    per_sequence = train["rows"] / sequences
    size, steps = batch_plan(
        own.global_batch_size, per_sequence, args.per_device_train_batch_size, world
    )
    args.per_device_train_batch_size, args.gradient_accumulation_steps = size, steps
    rows = size * steps * world * per_sequence
    say(
        f"rows: {train['rows']:,} to train on ({train['tokens']:,} tokens, "
        f"{train['trained_tokens']:,} trained, longest {train['longest']:,}), "
        f"{found['eval']['rows']:,} held out, {found['too_long']:,} longer than {args.max_length} "
        f"dropped (sft.rejected.jsonl)\nbatch: {world} process(es) x {size} x {steps} accumulation "
        f"= {size * steps * world} {'packed sequences' if args.packing else 'rows'} = {rows:.0f} "
        f"rows a step (asked for {own.global_batch_size})"
    )


def build_trainer(own, args, model_args, made):
    """TRL's SFTTrainer over the tokens of prepare(), ready for the first step."""
    from training_checks import Watch
    from transformers import PrinterCallback
    from trl import SFTTrainer, get_peft_config, get_quantization_config
    from trl.trainer import sft_trainer

    args.dataset_kwargs = {"skip_prepare_dataset": True}
    args.include_num_input_tokens_seen = "non_padding"  # its log then holds tokens a second
    if backend() == "fsdp":
        # else each GPU keeps the whole gradient from one accumulation step to the next
        args.accelerator_config.gradient_accumulation_kwargs = {"sync_each_batch": True}
    # no option of TRL 1.14; SFTTrainer reads it when it is built
    sft_trainer._CHUNKED_LM_HEAD_CHUNK_SIZE = made["chunk"]
    if own.unsloth:
        model = {"model": prepare_model.unsloth_model(args, model_args)}
    else:
        model = dict(
            model=model_args.model_name_or_path,
            peft_config=get_peft_config(model_args),
            quantization_config=get_quantization_config(model_args),
        )
        args.model_init_kwargs = dict(
            revision=model_args.model_revision,
            attn_implementation=model_args.attn_implementation,
            dtype=model_args.dtype,
        )
    trainer = SFTTrainer(
        **model,
        args=args,
        train_dataset=made["train_set"],
        eval_dataset=made["held"],
        processing_class=made["tokenizer"],
        callbacks=[Watch()],
    )
    if args.packing:
        with_bounds = packed_attention.collate_with_bounds
        trainer.data_collator = functools.partial(with_bounds, trainer.data_collator)
    for config in getattr(trainer.model, "peft_config", {}).values():
        # Unsloth names its own 4-bit copy of the base; an adapter is merged onto the 16-bit one
        config.base_model_name_or_path = model_args.model_name_or_path
    if args.disable_tqdm:
        trainer.remove_callback(PrinterCallback)  # Watch prints its own line
    prepare_model.shard_exactly(trainer)
    if args.fp16:
        prepare_model.widen_for_scaler(trainer.model)
    return trainer


def train(own, args, model_args, given, same_if, checkpoint):
    from accelerate import PartialState

    quiet()
    state, started = PartialState(), time.time()
    folder = Path(args.output_dir)
    made = prepare(own, args, model_args, state)
    if own.check_only:
        say("--check_only: all checks passed, nothing was trained")
        return
    if state.is_main_process:
        r.write_json(folder / "sft.started.json", same_if)
    args.disable_tqdm = args.disable_tqdm or not sys.stderr.isatty()
    trainer = build_trainer(own, args, model_args, made)
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    trainer.save_model(args.output_dir)
    state.wait_for_everyone()
    if not state.is_main_process:
        return
    # a pickle, where sft.meta.json says the same; TRL's card knows neither data nor licences
    for name in ("training_args.bin", "README.md"):
        (folder / name).unlink(missing_ok=True)
    meta = meta_of(model_args, made["found"], trainer.state) | {
        "processes": state.num_processes,
        "seconds": round(time.time() - started, 1),
        "checks": {"packing": args.packing},
        "failed_checks": {},
        "given": given,
        "same_if": same_if,
    }
    r.write_json(folder / "sft.meta.json", meta)
    shutil.rmtree(folder / "tokens", ignore_errors=True)
    say(
        f"{folder}: {meta['steps']} steps, loss {meta['first_loss']} -> {meta['final_loss']}, "
        f"{meta['speed']['tokens_per_second']:,.0f} tokens/s, {meta['seconds']:.0f} s"
    )


def meta_of(model_args, found, state):
    """What sft.meta.json says of rows, model, speed and losses.  state  the Trainer's"""
    import torch
    from training_checks import peak_memory

    def logged(name):
        return [entry[name] for entry in state.log_history if name in entry]

    losses = [round(loss, 4) for loss in logged("loss")] or [None]
    speed = {  # tests before training apart; zero where a run that is resumed has no step left
        "tokens_per_second": (logged("train_tokens_per_second") or [0])[-1],
        "peak_memory_gib": round(peak_memory() / 2**30, 2),
    }
    return {
        "command": shlex.join(["python", *sys.argv]),
        "commit": r.git_commit(),
        "date": time.strftime("%Y-%m-%dT%H:%M:%S"),
        "model": model_args.model_name_or_path,
        "method": method_of(model_args),
        "rows": found,
        "attention": model_args.attn_implementation,
        "gpu": torch.cuda.get_device_name(0) if torch.cuda.is_available() else None,
        "speed": speed,
        "steps": state.global_step,
        "first_loss": losses[0],
        "final_loss": losses[-1],
        "eval_loss": (logged("eval_loss") or [None])[-1],
        "log": state.log_history,
    }


def words_given():
    """The command line as TRL reads it, "--config X" for "--config=X"; --help ends here."""
    argv = []
    for word in sys.argv[1:]:
        argv += word.split("=", 1) if word.startswith("--") else [word]
    if not argv or {"-h", "--help"} & set(argv):
        print(__doc__)
        raise SystemExit(0 if argv else 2)
    return argv


def main():
    argv = words_given()
    if "--help-all" in argv:
        parse(argv, {})
    given = given_options(argv)
    check_early(given)
    if is_on(given.get("unsloth")):
        prepare_model.start_unsloth()
    own, args, model_args = parse(argv, given)
    same_if = fingerprint(given, own, model_args.model_name_or_path)
    checkpoint = None
    if not own.check_only:
        checkpoint = agreed(lambda: look_back(args.output_dir, same_if, own.fresh))
    first_process = int(os.environ.get("RANK", 0)) == 0
    if checkpoint != "finished":
        if first_process:
            rows = r.count_rows(own.train_file)
            r.starting(args.output_dir, f"{rows:,} rows of {own.train_file}" if rows else None)
        train(own, args, model_args, given, same_if, checkpoint)
    if not own.check_only and first_process:
        finish(own, args, model_args)


if __name__ == "__main__":
    r.run(main)
