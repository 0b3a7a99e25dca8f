"""Count, on fake tensors, the memory that training takes: torch's own record of every allocation, against 03_sft/fit_estimate.py.

    python tests/bench/count_memory.py                      # the nine models of the paper: full (fp32, bf16), LoRA, both with all layers kept, full over 8 GPUs
    python tests/bench/count_memory.py --models Qwen3-8B --ways full_stored,lora_stored --liger     # with Liger's layers, where it is installed

in   nothing: the models are made from their shapes, without storage;  --tokens N (default 4096) in one packed sequence
out  a Markdown table on stdout: counted, estimated, their ratio. No GPU, no weights; about 10 s a cell on one core

One optimizer step and a second forward and backward pass are recorded (gradients and states are then all there) under torch's FakeTensorMode, with the project's settings: autocast to bf16, gradient checkpointing, TRL's chunked loss, fully_shard over a fake process
group for 8 GPUs. Two small numbers of layers are counted and the difference is extended to all: layers are alike.
Left out: the CUDA context, fragmentation and the workspaces of kernels (fit_estimate's "overhead"); QLoRA, whose kernels know no fake tensors.
"""

import functools
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
    "lora_stored": dict(method="lora", dtype="bfloat16", checkpointing=False),
}


def config_of(shape, layers):
    """transformers config of a Shape with so many layers."""
    from transformers import LlamaConfig, Qwen3Config, Qwen3MoeConfig

    kind = Qwen3Config if shape.qk_norm else LlamaConfig
    kind = Qwen3MoeConfig if shape.experts > 1 else kind
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
    """The model as sft.py trains it, of fake tensors."""
    import torch
    from torch._subclasses.fake_tensor import unset_fake_temporarily
    from transformers import AutoModelForCausalLM

    with torch.device("meta"), unset_fake_temporarily():
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
        with unset_fake_temporarily():
            model = get_peft_model(model, LoraConfig(r=rank, target_modules=targets))
    give_storage(model)
    if gpus > 1:
        from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

        policy = MixedPrecisionPolicy(torch.bfloat16, torch.float32, None)
        with unset_fake_temporarily():
            mesh = torch.distributed.init_device_mesh("cpu", (gpus,))
        tail = [model.model.norm, model.lm_head]  # the units of accelerate's fsdp2_prepare_model
        tail += [model.model.embed_tokens] if shape.tied else []
        head = [] if shape.tied else [model.model.embed_tokens]
        for part in (*model.model.layers, *head, tail, model):
            fully_shard(part, mp_policy=policy, mesh=mesh, reshard_after_forward=part is not tail)
    return model.train()


def give_storage(model):
    """Put fake CPU tensors in the place of meta tensors; tied weights stay one."""
    import torch

    made = {}
    for module in model.modules():
        for held in (module._parameters, module._buffers):
            for name, tensor in held.items():
                if tensor is None:
                    continue
                if id(tensor) not in made:
                    new = torch.empty(tensor.shape, dtype=tensor.dtype)
                    if isinstance(tensor, torch.nn.Parameter):
                        new = torch.nn.Parameter(new, tensor.requires_grad)
                    made[id(tensor)] = (
                        new,
                        tensor,
                    )  # the old one is kept, so that no other gets its id
                held[name] = made[id(tensor)][0]


def loss_of(core, ids):
    """TRL's chunked loss over all tokens; its own loop asks for a value, which fake tensors do not have."""
    from torch.utils.checkpoint import checkpoint
    from trl.trainer.sft_trainer import _chunk

    hidden = core.model(input_ids=ids, use_cache=False).last_hidden_state[0]
    weight, loss = core.lm_head.weight, 0
    weight = weight.full_tensor() if hasattr(weight, "full_tensor") else weight
    for part, label in zip(hidden.split(CHUNK), ids[0].split(CHUNK), strict=True):
        loss = (
            loss + checkpoint(_chunk, part, weight, None, label, 1.0, None, use_reentrant=False)[0]
        )
    return loss


def recorder():
    """A dispatch mode that follows every storage torch makes as long as it lives: .peak in bytes."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_iter
    from torch.utils.weak import WeakIdKeyDictionary

    class Recorder(TorchDispatchMode):
        def __init__(self):
            super().__init__()
            self.peak, self.seen = 0, WeakIdKeyDictionary()

        def follow(self, tensors):
            for tensor in tensors:
                own = getattr(tensor, "_local_tensor", tensor)  # a DTensor's share of this GPU
                self.seen[own.untyped_storage()] = None
            # FSDP2 frees a storage by making it empty, so that sizes are read anew
            self.peak = max(self.peak, sum(storage.nbytes() for storage in self.seen))

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            made = function(*args, **kwargs or {})
            self.follow(part for part in tree_iter(made) if isinstance(part, torch.Tensor))
            return made

    return Recorder()


def count(shape, layers, method, dtype, *, gpus=1, tokens=4096, checkpointing=True, rank=16):
    """Largest numbers of bytes alive at once on one device with so many layers: (in the forward pass, in the backward pass)."""
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode

    if gpus > 1 and not torch.distributed.is_initialized():
        from torch.testing._internal.distributed.fake_pg import FakeStore

        torch.distributed.init_process_group("fake", store=FakeStore(), rank=0, world_size=gpus)
    with FakeTensorMode(allow_non_fake_inputs=True):
        model = build(shape, layers, method, dtype, gpus, checkpointing, rank)
        core = model.get_base_model() if method == "lora" else model
        core.forward = functools.partial(loss_of, core)  # as TRL does: FSDP2 begins with the root
        trained = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(trained, fused=True)
        ids = torch.zeros((1, tokens), dtype=torch.int64)
        with recorder() as record:
            record.follow([*model.parameters(), *model.buffers()])
            for _ in range(2):  # the second time gradients and states are there
                record.peak = 0
                with torch.autocast("cpu", torch.bfloat16):
                    loss = core(ids)
                forward, record.peak = record.peak, 0
                loss.backward()
                del loss
                if not optimizer.state:
                    optimizer.step()
    return forward, record.peak


def use_liger(shapes):
    """Liger's layers in all models; their kernels do nothing, since fake tensors hold nothing, and what its functions keep is the same."""
    import triton
    from liger_kernel.transformers.monkey_patch import MODEL_TYPE_TO_APPLY_LIGER_FN
    from prepare_model import LIGER

    triton.runtime.jit.JITFunction.run = lambda *args, **settings: None
    for shape in shapes:
        config = config_of(shape, 1)
        MODEL_TYPE_TO_APPLY_LIGER_FN[config.model_type](**LIGER)


def extended(shape, **settings):
    """Peak bytes with all layers, from two small numbers of them: in each pass every layer adds as much as the one before.

    Under FSDP2 that holds from the third on: the first ones are gathered beside the embedding and the head.
    """
    few = (3, 4) if settings.get("gpus", 1) > 1 else (1, 2)
    small, large = (count(shape, layers, **settings) for layers in few)
    times = (shape.layers - few[0]) / (few[1] - few[0])
    return max(one + times * (two - one) for one, two in zip(small, large, strict=True))


def main():
    parser = r.parser(__doc__)
    parser.add_argument("--models", default=",".join(fit.KNOWN), help="names, or parts of them")
    parser.add_argument("--ways", default=",".join(WAYS), help="of " + ", ".join(WAYS))
    parser.add_argument("--tokens", type=r.positive, default=4096, metavar="N")
    parser.add_argument("--liger", action="store_true", help="with Liger's layers")
    args = parser.parse_args()
    if args.liger:
        use_liger(fit.KNOWN.values())
    print("| model | way | counted GiB | estimated GiB | estimate / count |\n|---|---|--:|--:|--:|")
    for name, shape in fit.KNOWN.items():
        if not any(part in name for part in args.models.split(",")):
            continue
        for way in args.ways.split(","):
            if shape.experts > 1 and WAYS[way]["dtype"] == "float32" and "gpus" not in WAYS[way]:
                continue  # torch's kernel for experts takes no fp32: there is nothing to count
            counted = extended(shape, tokens=args.tokens, **WAYS[way])
            need = fit.memory(shape, tokens=args.tokens, liger_layers=args.liger, **WAYS[way])
            guess = need["total"] - need["overhead"]
            print(
                f"| {name} | {way} | {counted / fit.GIB:.1f} | {guess / fit.GIB:.1f} | {guess / counted:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    r.run(main)
