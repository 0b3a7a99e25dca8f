"""03_sft over two processes: ZeRO-3 and FSDP2 with packing and the stop test, two nodes; adapters
in fp16 and on experts."""

import json
import os
import subprocess
import sys

import pytest
from conftest import ROOT
from test_sft_training import (
    SMALL,
    ZERO3,
    ZERO3_ON_CPU,
    agreement,
    arguments,
    losses,
    rows_file,  # noqa: F401
    sft,  # noqa: F401
    tiny,  # noqa: F401
)

pytestmark = pytest.mark.slow
SFT = ROOT / "03_sft" / "sft.py"
# 4 packed sequences a step: 2 processes x 2 of accumulation
STEPS = "--max_steps 3 --stop_test_prompts 2 --save_strategy no --max_length 256"
STEPS = [*STEPS.split(), "--global_batch_size", "19"]

# accelerate knows FSDP on GPUs only: told that two gloo processes are such, its own FSDP2 plugin
# calls torch's real fully_shard on them. What this leaves out: NCCL, CUDA streams (prefetching),
# and the memory of a GPU.
FSDP_ON_CPU = """
import runpy, sys
from accelerate import state
from accelerate.utils import DistributedType
known = state.PartialState.__init__
def init(self, *args, **kwargs):
    known(self, *args, **kwargs)
    if self.distributed_type == DistributedType.MULTI_CPU:
        self.distributed_type = DistributedType.MULTI_GPU
state.PartialState.__init__ = init
import accelerate.utils.fsdp_utils as f
shard = f.fsdp2_prepare_model
def prepare(accelerator, model):
    policy = accelerator.state.fsdp_plugin.mixed_precision_policy
    model = shard(accelerator, model)
    kinds = {type(parameter).__name__ for parameter in model.parameters()}
    print("FSDP2", kinds, policy, accelerator.gradient_state.plugin_kwargs, flush=True)
    known_sync = model.set_requires_gradient_sync
    def no_sync(on):
        print("GRADIENTS NOT SHARDED", flush=True)
        known_sync(on)
    model.set_requires_gradient_sync = no_sync
    return model
import accelerate.accelerator
accelerate.accelerator.fsdp2_prepare_model = prepare
sys.argv = sys.argv[1:]
sys.path.insert(0, sys.argv[0].rsplit("/", 1)[0])
runpy.run_path(sys.argv[0], run_name="__main__")
"""
FSDP2 = {
    "ACCELERATE_USE_FSDP": "true",
    "FSDP_VERSION": "2",
    "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
    "FSDP_RESHARD_AFTER_FORWARD": "true",
    "FSDP_STATE_DICT_TYPE": "FULL_STATE_DICT",
    "FSDP_CPU_RAM_EFFICIENT_LOADING": "true",
}


def two(script, words, port, env, torchrun=("--nproc_per_node", "2"), cwd=None):
    """Start torchrun; the caller waits."""
    run = [sys.executable, "-m", "torch.distributed.run", *torchrun, "--master_port", str(port)]
    return subprocess.Popen(
        [*run, *map(str, script), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env={**os.environ, "DS_ACCELERATOR": "cpu", "OMP_NUM_THREADS": "1", **env},
    )


def test_zero3_and_fsdp2_pack_and_stop_test(sft, tiny, rows_file, tmp_path):  # noqa: F811
    """Both give the losses of one process, keep packing on and answer the prompts of the stop
    test."""
    (tmp_path / "zero3.json").write_text(json.dumps(ZERO3))
    (tmp_path / "on_cpu.py").write_text(FSDP_ON_CPU)
    (tmp_path / "zero3.py").write_text(ZERO3_ON_CPU)
    words = [*arguments(tiny, rows_file, tmp_path / "zero3"), *STEPS]
    zero3 = two(
        [tmp_path / "zero3.py", SFT], [*words, "--deepspeed", tmp_path / "zero3.json"], 29621, {}
    )
    said = zero3.communicate(timeout=500)
    assert zero3.returncode == 0, said[1][-3000:]
    words = [*arguments(tiny, rows_file, tmp_path / "fsdp2"), *STEPS, "--bf16", "true"]
    fsdp = two([tmp_path / "on_cpu.py", SFT], words, 29622, FSDP2)
    out, err = fsdp.communicate(timeout=500)
    assert fsdp.returncode == 0, err[-3000:]
    assert "FSDP2 {'DTensor'}" in out and "GRADIENTS NOT SHARDED" not in out
    assert (
        "param_dtype=torch.bfloat16, reduce_dtype=torch.float32, output_dtype=None" in out
        and "'sync_each_batch': True" in out
    )
    one = sft(*STEPS, out=tmp_path / "one")
    for name, near in (("zero3", 1e-4), ("fsdp2", 2e-2)):  # bf16 in the second
        meta = json.loads((tmp_path / name / "sft.meta.json").read_text())
        assert meta["processes"] == 2 and meta["checks"]["packing"] is True, name
        assert meta["checks"]["stop_test"]["prompts"] == 2 and not meta["failed_checks"], name
        assert losses(meta) == pytest.approx(losses(one), abs=near), name


def test_adapters_of_a_quantized_model_are_fp32_where_fp16_is_scaled(tiny):  # noqa: F811
    """TRL casts them to bf16, whose gradients the scaler of a T4 refuses; in fp32 a step with
    torch's scaler moves them."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from prepare_model import widen_for_scaler
    from transformers import AutoTokenizer, BitsAndBytesConfig
    from trl import SFTConfig, SFTTrainer

    rows = Dataset.from_dict({"input_ids": [[5, 6, 7, 8]], "labels": [[-100, 6, 7, 8]]})
    trainer = SFTTrainer(
        str(tiny),
        SFTConfig(
            output_dir="unused",
            use_cpu=True,
            bf16=False,
            report_to="none",
            dataset_kwargs={"skip_prepare_dataset": True},
        ),
        train_dataset=rows,
        processing_class=AutoTokenizer.from_pretrained(tiny),
        peft_config=LoraConfig(r=4, target_modules="all-linear"),
        quantization_config=BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_compute_dtype=torch.float16
        ),
    )
    trained = [p for p in trainer.model.parameters() if p.requires_grad]
    assert {p.dtype for p in trained} == {torch.bfloat16}, "else this is not needed any more"
    widen_for_scaler(trainer.model)
    assert {p.dtype for p in trained} == {torch.float32}
    before = [p.clone() for p in trained]
    optimizer, scaler = torch.optim.AdamW(trained), torch.amp.GradScaler("cpu", init_scale=256.0)
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.autocast("cpu", torch.bfloat16):  # fp16 has no kernels there
        scaler.scale(trainer.model(input_ids=ids, labels=ids).loss).backward()
    scaler.step(optimizer)
    assert any((p != old).any() for p, old in zip(trained, before, strict=True))


def test_a_mixture_of_experts_is_adapted_in_its_attention(sft, tmp_path, tiny, rows_file):  # noqa: F811
    """As many trainable parameters as fit_estimate says; it merges; named modules are taken as they
    are."""
    import fit_estimate
    import merge_adapter
    import torch
    from prepare_model import adapter_targets
    from safetensors.torch import load_file
    from transformers import AutoTokenizer, Qwen3MoeConfig, Qwen3MoeForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(tiny)
    config = Qwen3MoeConfig(
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        moe_intermediate_size=32,
        num_experts=4,
        num_experts_per_tok=2,
        vocab_size=len(tokenizer),
    )
    torch.manual_seed(0)
    Qwen3MoeForCausalLM(config).save_pretrained(tmp_path / "moe")
    tokenizer.save_pretrained(tmp_path / "moe")
    options = ("--use_peft", "--lora_target_modules", "all-linear", "--lora_r", "4")
    sft(*SMALL, *options, "--max_steps", "1", model=tmp_path / "moe")
    adapter = load_file(sft.out / "adapter_model.safetensors")
    shape = fit_estimate.shape_of(config)
    assert sum(weight.numel() for weight in adapter.values()) == shape.adapter(4)
    assert {name.split(".")[-3] for name in adapter} == {"q_proj", "k_proj", "v_proj", "o_proj"}
    merge_adapter.merge(str(sft.out), str(tmp_path / "merged"))
    assert agreement(sft.out, tmp_path / "merged", rows_file) >= 0.98
    assert adapter_targets(["down_proj"], 4) == ["down_proj"]
    assert adapter_targets("all-linear", 1) == "all-linear"


def test_two_machines_without_a_shared_folder_are_told_so(tiny, rows_file, tmp_path):  # noqa: F811
    """Two nodes of one process each, on this machine; a relative output_dir means another folder on
    each."""
    nodes = []
    for rank in "01":
        (tmp_path / rank).mkdir()
        launch = ("--nnodes", "2", "--node_rank", rank, "--nproc_per_node", "1")
        launch += ("--master_addr", "127.0.0.1")
        words = [*arguments(tiny, rows_file, "out"), *STEPS]
        nodes.append(two([SFT], words, 29623, {}, launch, cwd=tmp_path / rank))
    said = [node.communicate(timeout=300)[1] for node in nodes]
    assert all(node.returncode for node in nodes)
    assert "--output_dir out is not the same folder on all machines" in "".join(said)
