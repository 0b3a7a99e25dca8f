"""03_sft without torch: rows and their forms, refusals, options, batch size, checkpoints, re-runs,
the fit estimate, recipes, the model card."""

import dataclasses
import json
import re
import subprocess
import sys

import fit_estimate as fit
import model_card
import pytest
import token_files
import training_options as options
import training_rows as t
import yaml
from conftest import ROOT, write_jsonl

import rows as r

RECIPES = sorted((ROOT / "03_sft" / "recipes").glob("*.yaml"))
USER, ANSWER = {"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "4"}


def last_line(done):
    return done.stderr.strip().split("\n")[-1]


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": [USER], "completion": [ANSWER]},
        {"prompt": "2 + 2?", "completion": "4"},
        {"messages": [USER, ANSWER]},
        {"conversations": [{"from": "human", "value": "2 + 2?"}, {"from": "gpt", "value": "4"}]},
        {"instruction": "2 + 2?", "input": "", "output": "4"},
        {"question": "2 + 2?", "answer": "4", "reference_answer": "4"},
    ],
)
def test_every_form_gives_the_same_conversation(row):
    messages, first = t.conversation(row)
    assert messages == [USER, ANSWER]
    assert first in (0, 1)


def test_forms_keep_system_prompt_and_input():
    system = {"role": "system", "content": "Be brief."}
    row = {"instruction": "Add.", "input": "2, 2", "output": "4", "system": "Be brief."}
    asked = {"role": "user", "content": "Add.\n\n2, 2"}
    assert t.conversation(row)[0] == [system, asked, ANSWER]
    turns = [{"from": "human", "value": "2 + 2?"}, {"from": "gpt", "value": "4"}]
    row = {"system": "Be brief.", "conversations": turns}
    assert t.conversation(row)[0] == [system, USER, ANSWER]


@pytest.mark.parametrize(
    ("row", "part"),
    [
        ({"text": "hello"}, "needs the fields"),
        ({"question": "2 + 2?", "answer": " "}, "turn 2 (assistant) has no text"),
        ({"question": "2 + 2?", "answer": None}, "turn 2 (assistant) has no text"),
        ({"messages": [USER]}, "the last turn must be the assistant's"),
        ({"messages": [{"role": "robot", "content": "x"}, ANSWER]}, 'role "robot"'),
        ({"conversations": [{"from": "alien", "value": "x"}]}, 'role "alien"'),
        ({"conversations": [{"from": "human"}]}, "KeyError"),
        ({"messages": []}, "the last turn"),
    ],
)
def test_a_bad_row_is_named(row, part):
    with pytest.raises(ValueError, match=r".") as caught:
        t.conversation(row)
    assert part in str(caught.value)


def test_refusals_of_what_would_be_trained():
    end = 9
    assert t.refusal([-100, 2, end, -100], end) is None
    assert "every token" in t.refusal([1, end], end)
    assert "do not end" in t.refusal([-100, 2, -100], end)
    first_without_end = [-100, 2, -100, 4, end]
    assert "do not end" in t.refusal(first_without_end, end)


def test_held_out_rows_do_not_hang_on_the_order(tmp_path):
    rows = [{"id": f"r{i}", "question": "q", "answer": "a"} for i in range(200)]
    one, _ = token_files.held_out_ids(write_jsonl(tmp_path / "a.jsonl", rows), None)
    two, total = token_files.held_out_ids(write_jsonl(tmp_path / "b.jsonl", rows[::-1]), None)
    assert one == two and len(one) == 16 and total == 200
    assert token_files.held_out_ids(write_jsonl(tmp_path / "c.jsonl", rows[:20]), None)[0] == set()
    with pytest.raises(r.BadInput, match="has only 20 rows"):
        token_files.held_out_ids(tmp_path / "c.jsonl", 20)


@pytest.mark.parametrize("world", [1, 2, 3, 4, 8, 16])
def test_global_batch_is_about_the_same_on_any_number_of_devices(world):
    for per_device in (1, 4, 8):
        for packed in (1.0, 4.6):  # 512 rows are 111.3 packed sequences
            size, steps = options.batch_plan(512, packed, per_device, world)
            assert size <= per_device
            assert size * steps * world * packed == pytest.approx(512, rel=0.03)


def test_a_batch_of_a_device_is_lowered_where_it_would_change_the_global_one():
    assert options.batch_plan(512, 1.0, 5, 1) == (5, 102), "510: within 2 %"
    assert options.batch_plan(4, 1.0, 3, 1) == (2, 2)
    assert options.batch_plan(4, 6.0, 1, 1) == (1, 1)
    assert options.batch_plan(512, 4.6, 4, 16) == (1, 7)


def test_recipe_and_command_line(tmp_path):
    (tmp_path / "a.yaml").write_text("learning_rate: 1.0e-4\nuse_peft: true\n")
    words = "--learning-rate 2e-4 --fresh --lora_target_modules q_proj v_proj"
    given = options.given_options(["--config", str(tmp_path / "a.yaml"), *words.split()])
    assert given["learning_rate"] == "2e-4" and given["use_peft"] is True
    assert given["fresh"] is True and given["lora_target_modules"] == "q_proj v_proj"
    (tmp_path / "b.yaml").write_text("- a\n")
    with pytest.raises(r.BadInput, match="option: value"):
        options.given_options(["--config", str(tmp_path / "b.yaml")])


def test_early_refusals_come_without_torch(run_script, tmp_path):
    rows = write_jsonl(tmp_path / "rows.jsonl", [{"question": "q", "answer": "a"}])
    good = ["--model_name_or_path", "m", "--output_dir", tmp_path / "out", "--train_file", rows]
    for extra, part in [
        (["--train_file", "nowhere.jsonl"], "nowhere.jsonl: there is no such file"),
        (["--config", "nowhere.yaml"], "nowhere.yaml: there is no such file"),
        (["--load_in_4bit"], "load_in_4bit needs use_peft"),
        (["--max_length", "none"], "--max_length: an integer"),
        (["--packing_strategy", "wrapped"], "--packing_strategy wrapped: rows would be cut"),
    ]:
        done = run_script("03_sft/sft.py", *good, *extra, check=False, timeout=20)
        assert done.returncode == 2 and part in last_line(done), done.stderr
    done = run_script("03_sft/sft.py", "--train_file", rows, check=False)
    assert done.returncode == 2 and "--model_name_or_path is missing" in last_line(done)


def test_scripts_refuse_clearly(run_script, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    output = ("--output", tmp_path / "m")
    done = run_script("03_sft/merge_adapter.py", "--adapter", tmp_path, *output, check=False)
    assert done.returncode == 2 and "no adapter_config.json" in last_line(done)
    done = run_script("03_sft/model_card.py", "--model", tmp_path, *output, check=False)
    assert done.returncode == 2 and "sft.meta.json: there is no such file" in last_line(done)


def test_half_written_checkpoints_are_skipped(tmp_path, capsys):
    for number in (5, 10, 15, 20):
        folder = tmp_path / f"checkpoint-{number}"
        folder.mkdir()
        if number < 20:  # 20: the last file was never written
            (folder / "trainer_state.json").write_text('{"global_step": 5}')
    (tmp_path / "checkpoint-15" / "trainer_state.json").write_text('{"glo')  # cut by a full disk
    assert options.newest_whole(tmp_path) == tmp_path / "checkpoint-10"
    said = capsys.readouterr().err.splitlines()
    assert said == [f"checkpoint-{n} is half-written and is skipped" for n in (20, 15)]


def same_if(**options_given):
    return {"options": options_given, "inputs": {"rows.jsonl": "aa"}}


def test_what_a_rerun_does(tmp_path, capsys):
    assert options.look_back(tmp_path / "new", same_if(seed="1"), False) is None
    out = tmp_path / "out"
    folder = out / "checkpoint-2"
    folder.mkdir(parents=True)
    (folder / "trainer_state.json").write_text("{}")
    r.write_json(out / "sft.started.json", same_if(seed="1"))
    assert options.look_back(out, same_if(seed="1"), False) == folder
    with pytest.raises(r.BadInput, match="seed was 1 and is now 2"):
        options.look_back(out, same_if(seed="2"), False)
    facts = {"rows": {"train": {"rows": 3}}, "steps": 2, "final_loss": 0.5}
    r.write_json(out / "sft.meta.json", {"same_if": same_if(seed="1"), **facts})
    (out / "README.md").write_text("scores of this model")
    assert options.look_back(out, same_if(seed="1"), False) == "finished"
    assert options.look_back(out, same_if(seed="2"), False) is None
    assert "since seed was 1 and is now 2" in capsys.readouterr().err and not folder.exists()
    assert not (out / "README.md").exists(), "the card of another model"
    (out / "mine.txt").write_text("keep")
    assert options.look_back(out, same_if(seed="2"), True) is None
    assert [p.name for p in out.iterdir()] == ["mine.txt"], "--fresh deletes a run's files only"


@pytest.mark.parametrize(
    ("name", "billions"),
    [
        ("Qwen/Qwen2.5-1.5B", 1.54),
        ("Qwen/Qwen2.5-3B", 3.09),
        ("Qwen/Qwen2.5-7B", 7.61),
        ("Qwen/Qwen3-1.7B-Base", 1.72),
        ("Qwen/Qwen3-4B-Base", 4.02),
        ("Qwen/Qwen3-8B-Base", 8.19),
        ("Qwen/Qwen3-14B-Base", 14.77),
        ("Qwen/Qwen3-30B-A3B-Base", 30.53),
        ("meta-llama/Llama-3.1-8B", 8.03),
    ],
)
def test_parameters_of_known_models(name, billions):
    """Figures of the model cards."""
    assert fit.KNOWN[name].parameters / 1e9 == pytest.approx(billions, rel=0.005)


def test_memory_estimate_follows_what_is_known():
    shape, gib = fit.KNOWN["Qwen/Qwen3-8B-Base"], fit.GIB
    need = {
        way: fit.memory(shape, way, dtype="bfloat16")["total"] / gib
        for way in ("full", "lora", "qlora")
    }
    assert need["qlora"] < 16 < need["lora"] < 24 < need["full"] < 80
    assert fit.memory(shape)["total"] / gib > 131, (
        "weights, gradients and AdamW alone are 16 bytes a parameter"
    )
    one, eight = fit.memory(shape), fit.memory(shape, gpus=8)
    assert eight["optimizer"] == one["optimizer"] / 8 and eight["total"] < one["total"] / 5
    kept, stored = (
        fit.memory(shape, "lora", checkpointing=on)["activations"] for on in (True, False)
    )
    assert stored > 5 * kept
    for way, times in (("full", 1.4), ("lora", 1.2)):  # 235,833 and 158,009 bytes a token and layer
        kept, less = (
            fit.memory(shape, way, dtype="bfloat16", checkpointing=False, liger_layers=on)
            for on in (False, True)
        )
        assert kept["activations"] > times * less["activations"], way
    ddp, half = fit.memory(shape, ddp=True), fit.memory(shape, dtype="bfloat16")
    assert ddp["weights"] - one["weights"] == one["gradients"], "buckets beside the gradients"
    small = fit.memory(shape, dtype="bfloat16", optim="adamw_torch_8bit")
    assert half["total"] - small["total"] == pytest.approx((4 - 2.04) * 1.05 * shape.parameters)
    assert one["optimizer"] == 8 * shape.parameters


def test_fit_table_is_printed(run_script):
    lines = run_script("03_sft/fit_estimate.py").stdout.strip().split("\n")
    assert len(lines) == 2 + len(fit.KNOWN) and all(
        line.count("|") == lines[0].count("|") for line in lines
    )


def method_of(recipe):
    if recipe.get("load_in_4bit"):
        return "qlora"
    return "lora" if recipe.get("use_peft") else "full"


def test_recipes_stand_alone():
    """MODEL_METHOD.yaml, or MODEL_METHOD_16gb.yaml for one GPU of that size; one model and one
    size, one recipe."""
    same = "learning_rate lr_scheduler_type warmup_steps num_train_epochs max_length".split()
    same.append("global_batch_size")
    full = {}
    for path in RECIPES:
        recipe = yaml.safe_load(path.read_text())
        assert set(same) <= set(recipe), path.name
        if path.name == "demo.yaml":
            continue
        model = recipe["model_name_or_path"].split("/")[1].lower()
        words = path.stem.replace("30b_a3b", "30b-a3b").split("_")
        family, size, method = words[:3]
        assert f"{family}-{size}" in model.replace("llama-", "llama") and method == method_of(
            recipe
        ), path.name
        assert not words[3:] or words[3].endswith("gb"), path.name
        assert path.stem in path.read_text(), f"{path.name}: its header names another recipe"
        if method == "full":
            full[recipe["model_name_or_path"]] = [recipe[key] for key in same]
    assert set(full) == set(fit.KNOWN), "the nine models of the paper"
    assert all(settings == [5e-6, "cosine", 0.05, 3, 4096, 512] for settings in full.values())


def test_recipes_fit_their_gpu():
    sized = [path for path in RECIPES if path.stem.endswith("gb")]
    assert len(sized) >= 6
    for path in sized:
        recipe = yaml.safe_load(path.read_text())
        shape, method = fit.KNOWN.get(recipe["model_name_or_path"]), method_of(recipe)
        if shape is None:  # Qwen2.5-32B is none of the paper's nine
            continue
        need = fit.memory(
            shape,
            method,
            tokens=recipe["per_device_train_batch_size"] * recipe["max_length"],
            dtype="bfloat16",
            rank=recipe.get("lora_r", 0),
            optim="adamw_torch_8bit",
        )
        size = int(path.stem.rsplit("_", 1)[-1].removesuffix("gb"))
        assert need["total"] < 0.97 * size * fit.GIB, path.name


def test_below_23_gb_run_all_takes_a_recipe_of_the_model_it_trains():
    text = (ROOT / "run_all.sh").read_text()
    lora = re.search(r"(?ms)^lora\).*?;;", text).group()
    assert re.search(r"method=lora\n.*-lt 23 \]\]; then .*method=qlora; fi", lora)
    base = re.search(r"BASE_MODEL:-(\S+?)\}", lora).group(1)
    name = re.search(r"RECIPE=\$\{RECIPE:-(\S+)\}", lora).group(1)
    for method in ("qlora", "lora"):
        recipe = yaml.safe_load((ROOT / name.replace("${method}", method)).read_text())
        assert recipe["model_name_or_path"] == base and method_of(recipe) == method


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ({"dtype": "bfloat16", "optim": "adamw_torch"}, "5e-6 0.5 % of it arrives, at 1e-4 11 %"),
        ({"dtype": "bfloat16", "optim": "adamw_torch_8bit"}, "loses most"),
        ({"dtype": "float16"}, "float16 weights cannot be trained"),
        ({"dtype": "bfloat16"}, None),
        ({"dtype": "bfloat16", "optim": "adamw_torch", "use_peft": True}, None),
        ({"dtype": "float32", "optim": "adamw_torch"}, None),
        ({"dtype": "bfloat16", **options.BF16_OPTIMIZER}, None),
    ],
)
def test_bf16_weights_need_an_optimizer_that_keeps_small_updates(tmp_path, given, part):
    rows = write_jsonl(tmp_path / "rows.jsonl", [{"id": "1", "question": "q", "answer": "a"}])
    given = given | {"train_file": str(rows), "model_name_or_path": "m", "output_dir": "o"}
    if part is None:
        return options.check_early(given)
    with pytest.raises(r.BadInput, match=part):
        options.check_early(given)


def test_help_shows_what_people_change(run_script):
    text = run_script("03_sft/sft.py", "--help").stdout
    for name in (*(f.name for f in dataclasses.fields(options.OwnOptions)), "lora_r", "config"):
        assert f"--{name} " in text, name


def test_accelerate_files():
    files = {
        path.stem: yaml.safe_load(path.read_text())
        for path in (ROOT / "03_sft" / "accelerate").glob("*.yaml")
    }
    assert set(files) == {"ddp", "fsdp2", "zero3"}
    assert (
        files["fsdp2"]["fsdp_config"]["fsdp_version"] == 2
        and files["zero3"]["deepspeed_config"]["zero_stage"] == 3
    )
    assert {file["rdzv_backend"] for file in files.values()} == {"static"}, "c10d gives out ranks"


def meta(tmp_path, **more):
    value = {
        "model": "Qwen/Qwen3-4B-Base",
        "method": "lora",
        "rows": {
            "train": {"rows": 1000, "tokens": 9000, "trained_tokens": 4000},
            "eval": {"rows": 16},
            "too_long": 2,
        },
        "steps": 30,
        "eval_loss": 0.8,
        "speed": {"tokens_per_second": 1234.5},
        "processes": 1,
        "gpu": "NVIDIA H200",
        "commit": "abc",
        "checks": {"packing": True, "stop_test": {"ended": 16, "prompts": 16, "passed": True}},
        "failed_checks": {},
        "given": {"learning_rate": 2e-4, "global_batch_size": 128},
        "first_loss": 1.5,
        "final_loss": 0.7,
        "same_if": {"inputs": {"data/train.jsonl": "f" * 64}},
        **more,
    }
    (tmp_path / "sft.meta.json").write_text(json.dumps(value))
    return tmp_path


def test_model_card_holds_what_was_recorded(tmp_path, run_script):
    head = "model,benchmark,category,n,accuracy,ci_low,ci_high,unparsed,truncated,mean_tokens,seed,prompt_id,commit,date\n"
    (tmp_path / "results.csv").write_text(
        head
        + "base,gsm8k,Math,1319,41.02,38.4,43.7,120,3,200,0,p,c,d\ntuned,gsm8k,Math,1319,52.5,49.8,55.2,2,0,180,0,p,c,d\n"
        "tuned,medqa,Specific,1273,30.0,27.5,32.6,0,0,90,0,p,c,d\n"
    )
    paths = ("--results", tmp_path / "results.csv", "--output", tmp_path / "README.md")
    model = ("--model", meta(tmp_path), "--hub-id", "me/tuned")
    run_script("03_sft/model_card.py", *model, *paths)
    card = (tmp_path / "README.md").read_text()
    header = yaml.safe_load(card.split("---")[1])
    assert header["base_model"] == "Qwen/Qwen3-4B-Base"
    for part in (
        "| gsm8k | 1319 | 41.0 [38.4, 43.7] (120) | 52.5 [49.8, 55.2] (2) |",
        "| medqa | 1273 |  | 30.0 [27.5, 32.6] (0) |",
        "f" * 64,
        "1.5 → 0.7",
        "| Learning rate | 0.0002 |",
        "16 of 16 held-out prompts",
        "from_pretrained(name)",
        '"me/tuned"',
        "2507.16812",
        "1,234 tokens/s on 1 × NVIDIA H200",
    ):
        assert part in card, part
    assert "stop test failed" not in card
    compile(card.split("```python")[1].split("```")[0], "snippet", "exec")


def test_model_card_tells_a_failed_stop_test_and_local_bases(tmp_path):
    folder = meta(
        tmp_path,
        model="/somewhere/base",
        checks={"packing": False, "stop_test": {"ended": 3, "prompts": 16, "passed": False}},
    )
    card = model_card.card(json.loads((folder / "sft.meta.json").read_text()), ([], []), "mine")
    assert (
        "**The stop test failed**" in card
        and "/somewhere" not in card
        and "## Evaluation" not in card
        and "were packed" not in card
    )


def test_results_without_a_field_are_refused(tmp_path):
    (tmp_path / "r.csv").write_text("model,benchmark\na,b\n")
    with pytest.raises(r.BadInput, match=r'r.csv, line 2: field "n" is missing'):
        model_card.read_results(tmp_path / "r.csv")


def test_modules_import_nothing_heavy():
    """--help and wrong options are told at once because torch and trl are imported late."""
    code = (
        "import sys; sys.path[:0] = sys.argv[1:]; import sft, training_options, training_rows, token_files, prepare_model, fit_estimate; "
        "import merge_adapter, chat, model_card, finish_run; "
        "print(sorted({'torch', 'transformers', 'trl', 'datasets', 'matplotlib', 'jinja2'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(ROOT / "03_sft"), str(ROOT)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
