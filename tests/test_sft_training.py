"""03_sft with the real trainer on a model of 100,000 random weights: masks, checks, resume,
merging, and the same losses in four launches."""

import io
import json
import os
import shutil
import subprocess
import sys

import model_card
import pytest
import training_options as options
import training_rows as t
import yaml
from conftest import ROOT, read_jsonl, write_jsonl

import rows as r

pytestmark = pytest.mark.slow
SFT = ROOT / "03_sft"
WORDS = (
    "cell energy force water acid graph price mass light field atom wave plant heat rate".split()
)


@pytest.fixture(scope="session")
def rows_file(tmp_path_factory):
    """60 rows of very different lengths."""
    rows = [
        {
            "id": f"r{i}",
            "question": f"Which word comes after {' '.join(WORDS[: 1 + i % 15])}?",
            "answer": f"It is {WORDS[i % 15]}. " * (1 + i % 7) + "\\boxed{4}",
        }
        for i in range(60)
    ]
    return write_jsonl(tmp_path_factory.mktemp("rows") / "rows.jsonl", rows)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory, rows_file):
    """Folder of a random Llama and a byte-level tokenizer of its own, without a chat template,
    whose pad token is its EOS: a base model."""
    os.environ.setdefault("OMP_NUM_THREADS", "2")
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder, special = (
        tmp_path_factory.mktemp("tiny"),
        ["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
    )
    words = Tokenizer(models.BPE())
    words.pre_tokenizer, words.decoder = (
        pre_tokenizers.ByteLevel(add_prefix_space=False),
        decoders.ByteLevel(),
    )
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    words.train_from_iterator(
        [row["question"] + row["answer"] for row in read_jsonl(rows_file)],
        trainers.BpeTrainer(
            vocab_size=400, special_tokens=special, initial_alphabet=alphabet, show_progress=False
        ),
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, eos_token=special[0], pad_token=special[0]
    )
    torch.manual_seed(0)
    LlamaForCausalLM(
        LlamaConfig(
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            vocab_size=len(tokenizer),
            max_position_embeddings=1024,
            tie_word_embeddings=True,
        )
    ).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def arguments(model, train_file, out):
    words = "--report_to none --learning_rate 3e-3 --stop_test_prompts 0 --eval_rows 4".split()
    paths = ("--model_name_or_path", model, "--train_file", train_file, "--output_dir", out)
    return [*map(str, paths), *words]


@pytest.fixture
def sft(tiny, rows_file, tmp_path, monkeypatch):
    """Call sft.py's main() in this process: sft("--max_steps", 3) -> its meta, or None; the folder
    is sft.out."""

    def call(*more, model=tiny, train_file=rows_file, out=None):
        import sft as script

        call.out = out or tmp_path / "out"
        words = ["sft.py", *arguments(model, train_file, call.out), *map(str, more)]
        monkeypatch.setattr(sys, "argv", words)
        script.main()
        path = call.out / "sft.meta.json"
        return json.loads(path.read_text()) if path.is_file() else None

    return call


SMALL = ("--max_length", "256", "--global_batch_size", "16")
# On a CPU TrainingArguments starts gloo and does not tell DeepSpeed, which then sees one process; on
# GPUs accelerate tells it.
ZERO3_ON_CPU = """
import runpy, sys, deepspeed, torch
torch.distributed.init_process_group("gloo")
deepspeed.init_distributed(dist_backend="gloo")
sys.argv = sys.argv[1:]
sys.path.insert(0, sys.argv[0].rsplit("/", 1)[0])
runpy.run_path(sys.argv[0], run_name="__main__")
"""
ZERO3 = {
    "zero_optimization": {"stage": 3, "stage3_gather_16bit_weights_on_model_save": True},
    "train_micro_batch_size_per_gpu": "auto",
    "gradient_accumulation_steps": "auto",
    "train_batch_size": "auto",
    "gradient_clipping": "auto",
    "zero_allow_untested_optimizer": True,
}


def losses(meta, key="loss"):
    return [entry[key] for entry in meta["log"] if key in entry]


def test_full_training_from_raw_rows(sft, capsys):
    import torch
    from safetensors.torch import load_file
    from transformers import AutoConfig, AutoTokenizer, GenerationConfig

    meta = sft(*SMALL, "--num_train_epochs", "4")
    said = capsys.readouterr().err
    assert (
        losses(meta)[-1] < losses(meta)[0] - 0.5
        and meta["method"] == "full"
        and meta["eval_loss"] > 0
    )
    assert (
        meta["rows"]["train"]["rows"] == 56
        and meta["rows"]["eval"]["rows"] == 4
        and meta["checks"]["packing"] is True
    )
    assert meta["speed"]["tokens_per_second"] > 0 and meta["speed"]["peak_memory_gib"] > 0
    tokenizer, config = AutoTokenizer.from_pretrained(sft.out), AutoConfig.from_pretrained(sft.out)
    generation = GenerationConfig.from_pretrained(sft.out)
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert tokenizer.eos_token_id == config.eos_token_id == end and tokenizer.pad_token_id != end
    assert end in (
        generation.eos_token_id
        if isinstance(generation.eos_token_id, list)
        else [generation.eos_token_id]
    )
    assert "<|im_start|>" in tokenizer.chat_template
    assert all(
        tensor.dtype == torch.bfloat16
        for tensor in load_file(sft.out / "model.safetensors").values()
    )
    assert "56 question-answer rows" in model_card.card(meta, ([], []), "out")
    assert not list(sft.out.glob("*.bin")) and not (sft.out / "README.md").exists()
    assert len(read_jsonl(sft.out / "sft.heldout.jsonl")) == 4
    for part in ("[[It is", "<|im_end|>]]", "packing: on", "tok/s", "fit estimate"):
        assert part in said, part
    assert "test save after the first step: whole" in said
    assert not (sft.out / "checkpoint-1").exists(), "the test save is taken away again"
    assert not (sft.out / "tokens").exists(), "a finished run needs them no more"
    before = (sft.out / "sft.meta.json").stat().st_mtime_ns
    sft(*SMALL, "--num_train_epochs", "4", "--logging_steps", "2")
    assert (
        "finished already" in capsys.readouterr().err
        and (sft.out / "sft.meta.json").stat().st_mtime_ns == before
    )
    again = sft(*SMALL, "--max_steps", "1")
    assert (
        again["steps"] == 1 and "since max_steps was None and is now 1" in capsys.readouterr().err
    )


def test_tokens_are_those_of_evaluation_and_only_answers_are_trained(tiny, tmp_path):
    """TRL's own preparation of the same rows gives the same ids; trained are the answers and the
    end of each turn."""
    from prepare_model import load_tokenizer

    tokenizer, notes = load_tokenizer(str(tiny))
    assert any("chatml.jinja" in note for note in notes) and any(
        "<|im_end|>" in note for note in notes
    )
    turns = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "heat?"},
        {"role": "assistant", "content": "  It is\nheat "},
        {"role": "user", "content": "and wave?"},
        {"role": "assistant", "content": "wave"},
    ]
    (ids, labels), (last_ids, last_labels) = t.encode(
        tokenizer, [t.pieces(tokenizer, turns, first) for first in (0, 4)]
    )
    assert ids == last_ids
    assert (
        tokenizer.decode([label for label in labels if label != t.IGNORED])
        == "  It is\nheat <|im_end|>wave<|im_end|>"
    )
    assert (
        tokenizer.decode([label for label in last_labels if label != t.IGNORED]) == "wave<|im_end|>"
    )
    prompt = tokenizer.apply_chat_template(
        turns[:-1], add_generation_prompt=True, tokenize=True, return_dict=False
    )
    assert ids[: len(prompt)] == prompt, "the model reads the same tokens at evaluation"
    assert ids == tokenizer.apply_chat_template(turns, tokenize=True, return_dict=False)
    assert t.preview(tokenizer, ids, labels).split("---\n", 1)[1].count("[[") == 2


@pytest.mark.parametrize(
    ("template", "part"),
    [
        (
            "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\n' }}{% endfor %}",
            "no special token behind an answer",
        ),
        (
            "{% for m in messages %}{{ '<|im_start|>' + m['content'] + '<|im_end|>' }}{% endfor %}"
            "{% if add_generation_prompt %}{{ 'A:' }}{% endif %}",
            "does not render the prompt alone as the beginning",
        ),
        ("{% for m in messages %}{{ m['content'] }}", "chat template cannot be used"),
        (
            "{% for m in messages %}{% if m['role'] == 'assistant' %}"
            "{{ m['content'] + '.<|im_end|>' if m['content'] == 'THE-ANSWER-ENDS-HERE' else m['content'] }}{% else %}"
            "{{ '<|im_start|>' + m['content'] }}{% endif %}{% endfor %}",
            "do not end with the end-of-turn token",
        ),
        (
            "{% for m in messages %}{% if m['role'] == 'assistant' %}{{ m['content'] + '<|im_end|>' }}{% endif %}{% endfor %}",
            "every token of it is trained",
        ),
    ],
)
def test_templates_that_would_train_the_wrong_tokens_are_refused(sft, tmp_path, template, part):
    (tmp_path / "t.jinja").write_text(template)
    with pytest.raises(r.BadInput, match=r".") as caught:
        sft(*SMALL, "--chat_template_path", tmp_path / "t.jinja", "--check_only")
    assert part in str(caught.value)


def test_bad_rows_are_refused_with_file_and_row(sft, tmp_path):
    bad = write_jsonl(
        tmp_path / "bad.jsonl",
        [
            {"id": "fine", "question": "q", "answer": "a"},
            {"id": "empty", "question": "q", "answer": ""},
        ],
    )
    with pytest.raises(r.BadInput, match=r'bad.jsonl, row "empty": turn 2'):
        sft("--eval_rows", "0", "--check_only", train_file=bad)


def test_check_only_deletes_nothing(sft):
    """With another option than those of the run that is there, its model was given up."""
    sft(*SMALL, "--max_steps", "1")
    before = {path: path.stat().st_mtime_ns for path in sft.out.glob("*.safetensors")}
    meta = sft(*SMALL, "--max_steps", "3", "--check_only")
    assert meta["steps"] == 1 and (sft.out / "checkpoint-1").is_dir()
    assert before == {path: path.stat().st_mtime_ns for path in sft.out.glob("*.safetensors")}


def test_too_long_rows_are_dropped_whole(sft, tmp_path, rows_file):
    rows = [*read_jsonl(rows_file)[:8], {"id": "long", "question": "Why?", "answer": "heat " * 500}]
    path = write_jsonl(tmp_path / "rows.jsonl", rows)
    sft(*SMALL, "--eval_rows", "1", "--check_only", train_file=path)
    dropped = read_jsonl(sft.out / "sft.rejected.jsonl")
    assert (
        [row["id"] for row in dropped] == ["long"]
        and dropped[0]["reason"] == "too long"
        and dropped[0]["n_tokens"] > 256
    )
    assert dropped[0]["answer"] == rows[-1]["answer"]


def test_several_processes_write_the_same_tokens(tiny, tmp_path):
    import token_files
    from prepare_model import load_tokenizer
    from training_options import OwnOptions

    tokenizer, _ = load_tokenizer(str(tiny))
    rows = [
        {"id": f"r{i}", "question": f"heat {i}?", "answer": "wave " * (1 + i % 60)}
        for i in range(3500)
    ]
    path = write_jsonl(tmp_path / "rows.jsonl", rows)
    own = OwnOptions(train_file=str(path), eval_rows=20)
    found = [
        token_files.tokenize_file(own, tokenizer, 64, tmp_path / str(n) / "tokens", workers=n)
        for n in (1, 2)
    ]
    assert found[0] == found[1] and found[0]["too_long"] > 0
    arrow = ("tokens/train.arrow", "tokens/eval.arrow")
    for name in (*arrow, token_files.REJECTED, token_files.HELD_OUT):
        one, two = ((tmp_path / n / name).read_bytes() for n in "12")
        assert one == two and one, name
    bad = write_jsonl(tmp_path / "bad.jsonl", [*rows[:2000], {"id": "x", "question": "no answer"}])
    with pytest.raises(r.BadInput, match=r'bad.jsonl, row "x"'):
        own.train_file = str(bad)
        token_files.tokenize_file(own, tokenizer, 64, tmp_path / "bad", workers=2)


def test_wrong_options_name_the_right_one(sft, capsys):
    with pytest.raises(r.BadInput, match=r"not used.*--learning_rat'"):
        sft("--learning_rat", "1")
    with pytest.raises(r.BadInput, match="learning_rate"):
        sft("--learning_rate", "fast")
    with pytest.raises(r.BadInput, match="no model is found there"):
        sft(model="/nowhere/model")
    with pytest.raises(r.BadInput, match="--unsloth needs an NVIDIA GPU"):
        sft("--unsloth")


def test_help_all_lists_trl(monkeypatch, capsys):
    import sft as script

    monkeypatch.setattr(sys, "argv", ["sft.py", "--help-all"])
    with pytest.raises(SystemExit) as ended:
        script.main()
    said = capsys.readouterr().out
    assert ended.value.code == 0 and all(
        f"--{name}" in said
        for name in ("learning_rate", "lora_r", "train_file", "use_liger_kernel")
    )


def test_every_recipe_is_understood(rows_file, tmp_path, monkeypatch):
    for path in sorted((SFT / "recipes").glob("*.yaml")):
        recipe = yaml.safe_load(path.read_text())
        # bf16 of a GPU recipe is refused by TRL on a machine without one; everything else is parsed
        # as it stands
        argv = ["--config", path, "--output_dir", tmp_path, "--train_file", rows_file]
        argv = [*map(str, argv), "--bf16", "false"]
        own, args, model_args = options.parse(argv, options.given_options(argv))
        assert own.global_batch_size == recipe["global_batch_size"], path.name
        assert args.max_length == recipe["max_length"], path.name
        assert args.learning_rate == recipe["learning_rate"], path.name
        assert args.ddp_timeout_delta.days == 1, "so long the other ranks wait for the tokens"
        assert (
            args.warmup_steps == 0.05
            and args.packing
            and model_args.use_peft == recipe.get("use_peft", False)
        ), path.name


def test_a_model_that_cannot_fit_is_refused_before_its_weights_are_read(sft, tmp_path, tiny):
    """The folder has a config of 70 billion parameters and no weights at all."""
    big = tmp_path / "big"
    shutil.copytree(tiny, big)
    (big / "model.safetensors").unlink()
    config = json.loads((big / "config.json").read_text()) | {
        "hidden_size": 8192,
        "intermediate_size": 28672,
        "num_hidden_layers": 80,
        "num_attention_heads": 64,
    }
    (big / "config.json").write_text(json.dumps(config))
    with pytest.raises(
        r.BadInput, match=r"will not fit: GiB: weights \d+.*fit_estimate.py --model .*--ignore_fit"
    ):
        sft(model=big)


def test_a_disk_without_room_for_the_checkpoints_is_told_after_the_first_step(sft):
    many = (*SMALL, "--max_steps", "2", "--save_total_limit", "1000000000")
    with pytest.raises(r.NoRoom, match=r"GB are needed for checkpoints of 0.0 GB"):
        sft(*many)
    assert not (sft.out / "checkpoint-1").exists()
    assert sft(*many, "--save_strategy", "no")["steps"] == 2


def test_shapes_count_what_the_real_classes_hold():
    import fit_estimate as fit
    import torch
    from transformers import (
        AutoModelForCausalLM,
        LlamaConfig,
        Qwen2Config,
        Qwen3Config,
        Qwen3MoeConfig,
    )

    classes = {
        "Qwen2.5": Qwen2Config,
        "Qwen3-30B": Qwen3MoeConfig,
        "Qwen3": Qwen3Config,
        "Llama": LlamaConfig,
    }
    for name, shape in fit.KNOWN.items():
        make = next(make for key, make in classes.items() if key in name)
        config = make(
            hidden_size=shape.hidden,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.q // 128,
            num_key_value_heads=shape.kv // 128,
            head_dim=128,
            intermediate_size=shape.inter,
            moe_intermediate_size=shape.inter,
            vocab_size=shape.vocab,
            tie_word_embeddings=shape.tied,
            **(
                {"num_experts": shape.experts, "num_experts_per_tok": shape.active}
                if shape.experts > 1
                else {}
            ),
        )
        with torch.device("meta"):
            real = sum(
                parameter.numel()
                for parameter in AutoModelForCausalLM.from_config(config).parameters()
            )
        assert fit.shape_of(config) == shape, name
        assert shape.parameters == pytest.approx(real, rel=0.002), name


def leaky(module, query, key, value, attention_mask, scaling=None, dropout=0.0, **kwargs):
    """An attention backend that forgets the mask: rows that stand before another one are seen by
    it."""
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    return sdpa_attention_forward(
        module, query, key, value, None, scaling=scaling, dropout=dropout, is_causal=True
    )


def test_packed_rows_do_not_see_each_other(tiny):
    """Packed logits == unpacked logits in fp32 under the backend that sft.py chooses; a backend and
    an architecture that leak are found out."""
    from packed_attention import register
    from prepare_model import LEAK, attention_for, packing_leak, packing_refusal
    from transformers import AttentionInterface, AutoConfig, MistralConfig, OPTConfig, Qwen3Config

    config = AutoConfig.from_pretrained(tiny)
    chosen = attention_for(config, None, True)
    assert chosen == register() == "packed_rows"
    for one in (
        config,
        Qwen3Config(hidden_size=256, num_attention_heads=4, num_key_value_heads=2, head_dim=64),
    ):
        assert packing_leak(one, chosen)[0] < 1e-4 < LEAK
    windowed = MistralConfig(
        hidden_size=128, num_attention_heads=4, num_key_value_heads=2, sliding_window=16
    )  # shorter than two of the rows
    assert attention_for(windowed, None, True) == "sdpa"
    AttentionInterface.register("leaky", leaky)
    assert packing_leak(config, "leaky")[0] > 3 * LEAK
    opt = OPTConfig(hidden_size=64, num_attention_heads=4, word_embed_proj_dim=64, ffn_dim=64)
    assert "packed rows get other logits than alone under sdpa" in packing_refusal(opt, "sdpa")


def test_packing_is_refused_where_it_leaks(sft):
    from transformers import AttentionInterface

    AttentionInterface.register("leaky", leaky)
    options = (*SMALL, "--attn_implementation", "leaky", "--check_only")
    with pytest.raises(r.BadInput, match=r"under leaky .* take --packing false"):
        sft(*options)
    sft(*options, "--packing", "false")


def test_resume_gives_the_same_losses_to_the_bit(sft, tmp_path, capsys):
    """A run that dies while it writes its third checkpoint goes on from the second."""
    saves = "--max_steps 6 --save_strategy steps --save_steps 2 --save_total_limit 5"
    steps = (*SMALL, *saves.split())
    whole = sft(*steps)
    first = sft.out
    broken = tmp_path / "broken"
    for number in (2, 4, 6):
        shutil.copytree(first / f"checkpoint-{number}", broken / f"checkpoint-{number}")
    (broken / "checkpoint-6" / "trainer_state.json").unlink()
    shutil.copyfile(first / "sft.started.json", broken / "sft.started.json")
    resumed = sft(*steps, out=broken)
    said = capsys.readouterr().err
    assert (
        "checkpoint-6 is half-written and is skipped" in said
        and "going on from checkpoint-4" in said
    )
    assert losses(resumed) == losses(whole) and losses(resumed, "grad_norm") == losses(
        whole, "grad_norm"
    )
    assert (first / "model.safetensors").read_bytes() == (broken / "model.safetensors").read_bytes()


def test_adapter_stop_test_merge_and_chat(sft, tmp_path, capsys, monkeypatch):
    """LoRA as in the demo recipe on rows with one short answer: it learns to stop, merges and
    answers in chat."""
    import chat
    import finish_run
    import merge_adapter

    rows = write_jsonl(
        tmp_path / "yes.jsonl",
        [
            {"id": f"y{i}", "question": f"{WORDS[i % 15]} {WORDS[i % 7]}?", "answer": "heat wave"}
            for i in range(40)
        ],
    )
    more = "--max_length 256 --num_train_epochs 12 --learning_rate 1e-2 --eval_rows 16"
    recipe = ("--config", SFT / "recipes" / "demo.yaml", *more.split())
    meta = sft(*recipe, "--stop_test_prompts", "16", train_file=rows)
    assert (
        meta["method"] == "lora"
        and meta["checks"]["stop_test"]["ended"] == 16
        and meta["checks"]["stop_test"]["passed"]
    )
    assert set(meta["checks"]["stop_test"]["answers"]) == {"heat wave"}
    merge_adapter.merge(str(sft.out), str(tmp_path / "merged"))
    merged = json.loads((tmp_path / "merged" / "sft.meta.json").read_text())
    assert merged["merge"]["adapter"] == str(sft.out) and merged["steps"] == meta["steps"]
    assert agreement(sft.out, tmp_path / "merged", rows) >= 0.98
    # the second time there is nothing to do
    for said in ("merged model in bf16", "finished already"):
        again = ["--adapter", str(sft.out), "--output", str(tmp_path / "again")]
        monkeypatch.setattr(sys, "argv", ["merge_adapter.py", *again])
        merge_adapter.main()
        assert said in capsys.readouterr().err
    # the same question through chat.py from the merged model and from base + adapter; then a
    # conversation of two turns
    for place in (tmp_path / "merged", sft.out):
        capsys.readouterr()
        monkeypatch.setattr(
            sys, "argv", ["chat.py", "--model", str(place), "--prompt", "heat light?"]
        )
        chat.main()
        assert capsys.readouterr().out.strip() == "heat wave"
    monkeypatch.setattr(sys, "argv", ["chat.py", "--model", str(tmp_path / "merged")])
    monkeypatch.setattr(sys, "stdin", io.StringIO("heat light?\n/new\nwave?\n"))
    chat.main()
    assert capsys.readouterr().out.split("\n")[:2] == ["heat wave", "heat wave"]
    # an untrained model does not stop
    model, tokenizer = merge_adapter.load_for_use(str(tmp_path / "merged"))
    prompts = [[{"role": "user", "content": "heat?"}]] * 4
    assert finish_run.stop_test(untrained(model), tokenizer, prompts, 8)["ended"] == 0


def agreement(adapter, merged, rows):
    """Share of the likeliest next tokens in some rows that a merged model, as saved, has in common
    with its base and the adapter beside it; rounding to bf16 moves about 1 in 300."""
    import merge_adapter
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(merged)
    chats = [t.conversation(row)[0] for row in read_jsonl(rows)[:8]]
    tokens = tokenizer.apply_chat_template(chats, tokenize=True, return_dict=False)
    base = AutoModelForCausalLM.from_pretrained(merge_adapter.base_of(adapter), dtype=torch.float32)
    beside = PeftModel.from_pretrained(base, adapter).eval()
    whole = AutoModelForCausalLM.from_pretrained(merged, dtype=torch.float32).eval()
    with torch.no_grad():
        best = [
            torch.cat([model(torch.tensor([ids])).logits[0].argmax(-1) for ids in tokens])
            for model in (beside, whole)
        ]
    return (best[0] == best[1]).float().mean().item()


def untrained(model):
    """The model with its last norm turned round: the same shapes, other answers."""
    import torch

    with torch.no_grad():
        model.model.norm.weight.mul_(-1)
    return model


def test_a_loss_that_is_no_number_ends_the_run(sft):
    with pytest.raises(RuntimeError, match=r"the loss at step .* is (nan|inf)"):
        sft(*SMALL, "--learning_rate", "1e30", "--max_steps", "6", "--save_strategy", "no")


def test_more_than_a_day_left_is_told(capsys):
    """The hours of a day were told alone: 1 day and 2 hours as 02:00:00."""
    from types import SimpleNamespace

    from training_checks import Watch

    watch, state = Watch(), SimpleNamespace(global_step=4, max_steps=10, is_world_process_zero=True)
    watch.on_train_begin(None, state, None)
    state.global_step = 5
    logs = dict(loss=1.0, learning_rate=1e-4, train_runtime=18720, train_tokens_per_second=1234.5)
    watch.on_log(SimpleNamespace(disable_tqdm=True), state, None, logs)
    assert capsys.readouterr().err.endswith("left 1 day, 2:00:00\n")


def test_qlora_nf4_trains_on_cpu(sft):
    options = "--use_peft --load_in_4bit --max_steps 5 --learning_rate 1e-2"
    meta = sft(*SMALL, *options.split())
    assert meta["method"] == "qlora" and len(losses(meta)) == 5
    assert losses(meta)[-1] < losses(meta)[0]
    from safetensors import safe_open

    with safe_open(sft.out / "adapter_model.safetensors", "pt") as file:
        names = {key.split(".")[-3] for key in file.keys()}  # noqa: SIM118
    assert names == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}, (
        "every linear layer but the head"
    )


def test_one_process_accumulation_ddp_and_zero3_agree(sft, tiny, rows_file, tmp_path):
    """1 x 4 rows == 4 accumulation steps == DDP 2 x 2 (gloo) == ZeRO-3 2 x 2 (DeepSpeed on CPU):
    losses and gradient norms within 1e-4."""
    same = "--packing false --max_length 256 --global_batch_size 4 --max_steps 4 --max_grad_norm 1"
    same = [*same.split(), *"--eval_strategy no --save_strategy no".split()]
    runs = {
        size: sft(*same, "--per_device_train_batch_size", size, out=tmp_path / size)
        for size in ("4", "1")
    }
    (tmp_path / "zero3.json").write_text(json.dumps(ZERO3))
    zero3 = ["--deepspeed", str(tmp_path / "zero3.json")]
    on_cpu = tmp_path / "on_cpu.py"
    on_cpu.write_text(ZERO3_ON_CPU)
    sft_py = SFT / "sft.py"
    for name, port, script, more in (
        ("ddp", "29611", [sft_py], []),
        ("zero3", "29612", [on_cpu, sft_py], zero3),
    ):
        launch = ["torch.distributed.run", "--nproc_per_node", "2", "--master_port", port]
        words = arguments(tiny, rows_file, tmp_path / name)
        batch = ["--per_device_train_batch_size", "2"]
        command = [sys.executable, "-m", *launch, *script, *words, *same, *batch, *more]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=500,
            env={**os.environ, "DS_ACCELERATOR": "cpu", "OMP_NUM_THREADS": "1"},
        )
        assert done.returncode == 0, done.stderr[-3000:]
        runs[name] = json.loads((tmp_path / name / "sft.meta.json").read_text())
    assert runs["ddp"]["processes"] == runs["zero3"]["processes"] == 2
    for name, meta in runs.items():
        assert len(losses(meta)) == 4, name
        assert losses(meta) == pytest.approx(losses(runs["4"]), abs=1e-4), name
        assert losses(meta, "grad_norm") == pytest.approx(
            losses(runs["4"], "grad_norm"), abs=1e-4
        ), name
