"""03_sft after training: exact merging, peak memory of merge, 16-bit conversion and stop test,
failures that are recorded and made good."""

import json
import os
import subprocess
import sys

import model_card
import pytest
from conftest import ROOT
from test_sft_training import SMALL, rows_file, sft, tiny  # noqa: F401

pytestmark = pytest.mark.slow

# Run in a process of its own; prints the largest memory of each part in MiB, above what it began
# with. The conversion reads a mapped file of fp32, whose pages the system takes back when it needs
# them, so there only its own memory (RssAnon) counts.
MEASURE = """
import gc, json, sys, threading, time
sys.path[:0] = sys.argv[1:3]
folder, layers = sys.argv[3], int(sys.argv[4])
import torch
from pathlib import Path
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM
import finish_run, merge_adapter
merge_adapter.SMALL = 0                      # so that a small model takes the way of a large one
base, adapter, full = (str(Path(folder) / name) for name in ("base", "adapter", "full"))
tokenizer = AutoTokenizer.from_pretrained(sys.argv[5])
tokenizer.chat_template = "{% for m in messages %}<|im_start|>{{ m['content'] }}<|im_end|>{% endfor %}"
config = LlamaConfig(hidden_size=2048, intermediate_size=5632, num_hidden_layers=layers, num_attention_heads=16, num_key_value_heads=4,
                     vocab_size=32000, tie_word_embeddings=False)
torch.manual_seed(0)
torch.set_default_dtype(torch.bfloat16)
model = LlamaForCausalLM(config)
torch.set_default_dtype(torch.float32)
model.save_pretrained(base)
tokenizer.save_pretrained(base)
model = get_peft_model(model, LoraConfig(r=4, target_modules=["q_proj", "down_proj"], init_lora_weights=False))
model.peft_config["default"].base_model_name_or_path = base
model.save_pretrained(adapter)
tokenizer.save_pretrained(adapter)
size = sum(p.numel() for p in model.get_base_model().parameters() if not p.requires_grad)
model = model.unload().float()
model.save_pretrained(full)
tokenizer.save_pretrained(full)
del model

def memory(kind):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(kind)) / 1024

def measure(part, kind="VmRSS"):
    gc.collect()
    before, peak, ended = memory(kind), [0], threading.Event()
    def watch():
        while not ended.wait(0.01):
            peak[0] = max(peak[0], memory(kind))
    thread = threading.Thread(target=watch)
    thread.start()
    try:
        part()
    finally:
        ended.set()  # else the process would wait for the watch for ever
        thread.join()
    return round(peak[0] - before)

found = {"parameters": size, "model": round(2 * size / 2**20), "layer": round(4 * 32000 * 2048 / 2**20)}
found["convert"] = measure(lambda: finish_run.to_16bit(Path(full)), "RssAnon")
found["merge"] = measure(lambda: merge_adapter.merge(adapter, folder + "/merged"))
def stop():
    model, words = merge_adapter.load_for_use(folder + "/merged")
    finish_run.stop_test(model, words, [[{"role": "user", "content": "heat?"}]], 2)
found["stop_test"] = measure(stop)
print(json.dumps(found))
"""


@pytest.mark.parametrize("layers", [4, pytest.param(20, marks=pytest.mark.long)])
def test_merge_conversion_and_stop_test_hold_one_16_bit_model(layers, tiny, tmp_path):  # noqa: F811
    """4 layers and two embeddings are 0.3 B parameters; the `long` test has 20 layers, 1.0 B."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            MEASURE,
            str(ROOT / "03_sft"),
            str(ROOT),
            str(tmp_path),
            str(layers),
            str(tiny),
        ],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.strip().splitlines()[-1])
    print(found)
    one = found["model"] + found["layer"] + 192  # libraries that are loaded on the way
    assert all(found[part] < one for part in ("convert", "merge", "stop_test")), found
    size = (tmp_path / "full" / "model.safetensors").stat().st_size
    assert size < 2 * found["parameters"] + 1e5


def test_the_sum_is_rounded_once(tiny, tmp_path, monkeypatch):  # noqa: F811
    """Merged weight == bf16(fp32 of the 16-bit base + fp32 difference), by the way of large models
    and by that of small ones."""
    import merge_adapter
    import torch
    from peft import LoraConfig, get_peft_model
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM, AutoTokenizer

    base = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.bfloat16)
    base.save_pretrained(tmp_path / "base")
    weights = {name: weight.clone() for name, weight in base.state_dict().items()}
    torch.manual_seed(1)
    model = get_peft_model(
        base, LoraConfig(r=4, target_modules=["q_proj", "down_proj"], init_lora_weights=False)
    )
    model.peft_config["default"].base_model_name_or_path = str(tmp_path / "base")
    model.save_pretrained(tmp_path / "adapter")
    AutoTokenizer.from_pretrained(tiny).save_pretrained(tmp_path / "adapter")
    adapter = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    for limit in (0, merge_adapter.SMALL):
        monkeypatch.setattr(merge_adapter, "SMALL", limit)
        merge_adapter.merge(str(tmp_path / "adapter"), str(tmp_path / f"merged{limit}"))
        merged = load_file(tmp_path / f"merged{limit}" / "model.safetensors")
        for name in ("model.layers.0.self_attn.q_proj", "model.layers.1.mlp.down_proj"):
            down, up = (
                adapter[f"base_model.model.{name}.lora_{side}.weight"].float() for side in "AB"
            )
            whole = weights[f"{name}.weight"].float() + up @ down * 2  # alpha 8 / rank 4
            assert (merged[f"{name}.weight"] == whole.bfloat16()).all(), name


def test_a_stop_test_without_memory_is_recorded_and_made_good(
    sft,  # noqa: F811
    monkeypatch,
    capsys,
):
    """The run is finished all the same, says what is missing, and the same command does that
    alone."""
    import merge_adapter
    import torch

    def full(*args, **kwargs):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")

    options = (*SMALL, "--max_steps", "2", "--stop_test_prompts", "2")
    with monkeypatch.context() as patch:
        patch.setattr(merge_adapter, "load_for_use", full)
        meta = sft(*options)
    assert meta["steps"] == 2 and "stop_test" not in meta["checks"]
    assert meta["failed_checks"]["stop_test"].startswith("OutOfMemoryError: CUDA out of memory")
    card = model_card.card(meta, ([], []), "out")
    assert "stop_test could not run: OutOfMemoryError" in card
    weights = (sft.out / "model.safetensors").stat().st_mtime_ns
    again = sft(*options)
    assert "finished already" in capsys.readouterr().err
    assert again["checks"]["stop_test"]["prompts"] == 2 and again["failed_checks"] == {}
    assert again["log"] == meta["log"]
    assert (sft.out / "model.safetensors").stat().st_mtime_ns == weights


def test_a_qlora_run_is_tested_on_its_own_base(sft, monkeypatch):  # noqa: F811
    """The base of the stop test has 4 bits, as in training; in 16 bits it may not fit. Its prompts are
    rows trained on where none were kept back."""
    import finish_run

    seen = {}

    def stop_test(model, *args, known=finish_run.stop_test):
        seen["kinds"] = {type(module).__name__ for module in model.modules()}
        return known(model, *args)

    monkeypatch.setattr(finish_run, "stop_test", stop_test)
    options = ("--use_peft", "--load_in_4bit", "--max_steps", "1", "--stop_test_prompts", "2")
    options += ("--eval_rows", "0")
    meta = sft(*SMALL, *options)
    assert "Linear4bit" in seen["kinds"] and meta["checks"]["stop_test"]["prompts"] == 2


def test_fp32_weights_are_narrowed_whatever_the_config_says(tiny, tmp_path):  # noqa: F811
    """FSDP2 makes 16-bit weights fp32 while it trains; the config that is saved still says
    bfloat16."""
    import finish_run
    import torch
    from safetensors.torch import load_file, save_file
    from transformers import AutoConfig

    weights = load_file(tiny / "model.safetensors")
    names = list(weights)
    places = {}
    for number, part in enumerate((names[:3], names[3:]), 1):  # two files, as a large model has
        name = f"model-{number:05}-of-00002.safetensors"
        save_file({key: weights[key] for key in part}, tmp_path / name, {"format": "pt"})
        places |= dict.fromkeys(part, name)
    index = {"metadata": {}, "weight_map": places}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    config = json.loads((tiny / "config.json").read_text()) | {"dtype": "bfloat16"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    for _ in range(2):
        finish_run.to_16bit(tmp_path)
        found = load_file(tmp_path / "model.safetensors")
        assert all(torch.equal(found[name], weights[name].bfloat16()) for name in names)
        assert AutoConfig.from_pretrained(tmp_path).dtype == torch.bfloat16
        assert [p.name for p in tmp_path.glob("model*")] == ["model.safetensors"]
