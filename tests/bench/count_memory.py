"""Count, on fake tensors, the memory that training takes: torch's own record of every allocation, against 03_sft/fit_estimate.py.

    python tests/bench/count_memory.py                      # the nine models of the paper: full (fp32, bf16), LoRA, full over 8 GPUs
    python tests/bench/count_memory.py --models Qwen3-8B --ways full,lora --layers 36

in   nothing: the models are made from their shapes, without storage;  --tokens N (default 4096) in one packed sequence
out  a Markdown table on stdout: counted, estimated, their ratio. No GPU, no weights; about 10 s a cell on one core

One optimizer step and a second forward and backward pass are recorded (gradients and states are then all there) by MemTracker under
FakeTensorMode, with the project's settings: autocast to bf16, gradient checkpointing, TRL's chunked loss, fully_shard over a fake process
group for 8 GPUs. Two small numbers of layers are counted and the difference is extended to all: layers are alike.
Left out: the CUDA context, fragmentation and the workspaces of kernels (fit_estimate's "overhead").
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "03_sft")]

import fit_estimate as fit

import rows as r

CHUNK = fit.LOSS_CHUNK
WAYS = {
    "full": dict(method="full", dtype="float32"),
    "full_bf16": dict(method="full", dtype="bfloat16"),
    "lora": dict(method="lora", dtype="bfloat16"),
    "full_8": dict(method="full", dtype="float32", gpus=8),
    "full_stored": dict(method="full", dtype="bfloat16", checkpointing=False),
}


def config_of(shape, layers):
    """transformers config of a Shape with so many layers."""
    from transformers import Qwen3Config, Qwen3MoeConfig

    kind = Qwen3MoeConfig if shape.experts > 1 else Qwen3Config
    return kind(
        hidden_size=shape.hidden,
        num_hidden_layers=layers,
        num_attention_heads=shape.q // 128,
        num_key_value_heads=shape.kv // 128,
        head_dim=128,
        intermediate_size=shape.inter,
        moe_intermediate_size=shape.inter,
        vocab_size=shape.vocab,
        tie_word_embeddings=shape.tied,
        use_cache=False,
        **(
            {"num_experts": shape.experts, "num_experts_per_tok": shape.active}
            if shape.experts > 1
            else {}
        ),
    )


def build(shape, layers, method, dtype, gpus, checkpointing, rank):
    """The model as sft.py trains it, on the fake device in hand."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_config(
        config_of(shape, layers), dtype=getattr(torch, dtype), attn_implementation="sdpa"
    )
    if checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    if method == "lora":
        from peft import LoraConfig, get_peft_model
        from prepare_model import adapter_targets

        targets = adapter_targets("all-linear", shape.experts)
        model.enable_input_require_grads()
        model = get_peft_model(model, LoraConfig(r=rank, target_modules=targets))
    if gpus > 1:
        from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

        policy = MixedPrecisionPolicy(torch.bfloat16, torch.float32, None)
        for part in (*model.model.layers, model):
            fully_shard(part, mp_policy=policy)
    return model.train()


def loss_of(model, ids):
    """TRL's chunked loss over all tokens; its own loop asks for a value, which fake tensors do not have."""
    from torch.utils.checkpoint import checkpoint
    from trl.trainer.sft_trainer import _chunk

    core = model.get_base_model() if hasattr(model, "get_base_model") else model
    hidden = core.model(input_ids=ids, use_cache=False).last_hidden_state[0]
    weight, loss = core.lm_head.weight, 0
    weight = weight.full_tensor() if hasattr(weight, "full_tensor") else weight
    for part, label in zip(hidden.split(CHUNK), ids[0].split(CHUNK), strict=True):
        loss = (
            loss + checkpoint(_chunk, part, weight, None, label, 1.0, None, use_reentrant=False)[0]
        )
    return loss


def count(shape, layers, method, dtype, *, gpus=1, tokens=4096, checkpointing=True, rank=16):
    """Peak bytes of one device that torch's MemTracker records for so many layers."""
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.distributed._tools.mem_tracker import MemTracker

    with FakeTensorMode(allow_non_fake_inputs=True):
        model = build(shape, layers, method, dtype, gpus, checkpointing, rank)
        trained = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(trained)
        tracker = MemTracker()
        tracker.track_external(model, optimizer)
        ids = torch.zeros((1, tokens), dtype=torch.int64)
        with tracker:
            for _ in range(2):
                with torch.autocast("cpu", torch.bfloat16):
                    loss = loss_of(model, ids)
                loss.backward()
                del loss
                tracker.reset_mod_stats()
                if not optimizer.state:
                    optimizer.step()
        peak = tracker.get_tracker_snapshot("peak")
    return sum(kinds["Total"] for kinds in peak.values())


def extended(shape, few=(2, 3), **settings):
    """count() of all layers, from two small numbers of them."""
    small, large = (count(shape, layers, **settings) for layers in few)
    return small + (shape.layers - few[0]) * (large - small) / (few[1] - few[0])


def main():
    parser = r.parser(__doc__)
    parser.add_argument("--models", default=",".join(fit.KNOWN), help="names, or parts of them")
    parser.add_argument("--ways", default=",".join(WAYS), help="of " + ", ".join(WAYS))
    parser.add_argument("--tokens", type=r.positive, default=4096, metavar="N")
    args = parser.parse_args()
    print("| model | way | counted GiB | estimated GiB | estimate / count |\n|---|---|--:|--:|--:|")
    for name, shape in fit.KNOWN.items():
        if not any(part in name for part in args.models.split(",")):
            continue
        for way in args.ways.split(","):
            counted = extended(shape, tokens=args.tokens, **WAYS[way])
            need = fit.memory(shape, tokens=args.tokens, **WAYS[way])
            guess = need["total"] - need["overhead"]
            print(
                f"| {name} | {way} | {counted / fit.GIB:.1f} | {guess / fit.GIB:.1f} | {guess / counted:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    r.run(main)
