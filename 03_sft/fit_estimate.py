"""Estimate, from a model's shape, how much memory of a GPU fine-tuning needs.

    python 03_sft/fit_estimate.py                   # which of the paper's models fits on which GPU
    python 03_sft/fit_estimate.py --model MODEL     # one model, by its config.json

in   --max-length N   tokens in one packed sequence, one a GPU at a time, gradient checkpointing on
out  a Markdown table on stdout: GiB for full fine-tuning, LoRA and QLoRA

memory() adds up what is held, what a step leaves and makes in passing, 5 % and 1 GiB for CUDA;
tests/bench/count_memory.py checks it against what torch allocates.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from dataclasses import dataclass

import rows as r

GIB = 2**30
QK_NORM = ("qwen3", "olmo2", "gemma3")  # architectures that normalise queries and keys
LOSS_CHUNK = 256  # tokens of TRL's chunked loss
SIZES = (16, 24, 40, 80, 141)  # memory of usual GPUs in GB: T4, 4090/L4, A100-40, A100/H100, H200
# bytes a trained weight of torchao's and bitsandbytes' AdamW: two states of 8 bits, one fp32 scale
# a block of 256
STATES_8BIT = 2.04
LAYER = 1.5  # times what a layer leaves: while it is recomputed, gradients of it are there too
NF4 = 0.52  # bytes a weight: half a byte, and scales of 64 weights that are quantized themselves


@dataclass
class Shape:
    """A decoder's sizes; q = heads x head_dim, kv = key/value heads x head_dim."""

    hidden: int
    layers: int
    q: int
    kv: int
    inter: int
    vocab: int
    tied: bool
    experts: int = 1
    active: int = 1
    qk_norm: bool = False

    @property
    def layer(self):
        """Parameters of one layer's matrices (norms and biases are below 0.1 %)."""
        mlp = self.experts * self.hidden * (3 * self.inter + 1)  # 1: the router
        return self.hidden * (2 * self.q + 2 * self.kv) + mlp

    def inside(self, wide, liger=False, adapter=False):
        """Bytes a token that one layer leaves for its backward pass where it computes in bf16.

        Norms in fp32, attention with repeated keys and values, the gated MLP of the active experts.
        Liger's norms keep their 16-bit input alone, its SwiGLU makes the product again. Over fp32
        weights (wide 4) autocast copies the norms' results for each matrix, under Liger's layers
        adapters do.
        """
        plain, mlp, norms = (8, 6, 2) if liger else (16, 8, 8)
        copies = 8 if wide == 4 or (liger and adapter) else 0
        heads = norms * (self.q + self.kv) if self.qk_norm else 0
        return (plain + copies) * self.hidden + 10 * self.q + mlp * self.inter * self.active + heads

    @property
    def embedding(self):
        return self.vocab * self.hidden

    @property
    def parameters(self):
        return self.layers * self.layer + self.embedding * (1 if self.tied else 2)

    def adapter(self, rank):
        """LoRA parameters on all linear layers, without the experts of a mixture."""
        mlp = 3 * (self.hidden + self.inter) if self.experts == 1 else 0
        return self.layers * rank * (4 * self.hidden + 2 * self.q + 2 * self.kv + mlp)


# The config.json of each model on the hub, for tables where no hub is reached.
KNOWN = {
    "Qwen/Qwen2.5-1.5B": Shape(1536, 28, 1536, 256, 8960, 151936, True),
    "Qwen/Qwen2.5-3B": Shape(2048, 36, 2048, 256, 11008, 151936, True),
    "Qwen/Qwen2.5-7B": Shape(3584, 28, 3584, 512, 18944, 152064, False),
    "Qwen/Qwen3-1.7B-Base": Shape(2048, 28, 2048, 1024, 6144, 151936, True, qk_norm=True),
    "Qwen/Qwen3-4B-Base": Shape(2560, 36, 4096, 1024, 9728, 151936, True, qk_norm=True),
    "Qwen/Qwen3-8B-Base": Shape(4096, 36, 4096, 1024, 12288, 151936, False, qk_norm=True),
    "Qwen/Qwen3-14B-Base": Shape(5120, 40, 5120, 1024, 17408, 151936, False, qk_norm=True),
    "Qwen/Qwen3-30B-A3B-Base": Shape(2048, 48, 4096, 512, 768, 151936, False, 128, 8, True),
    "meta-llama/Llama-3.1-8B": Shape(4096, 32, 4096, 1024, 14336, 128256, False),
}


def read_config(model, revision="main"):
    """transformers' config of a folder or a hub id; BadInput where there is none."""
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(model, revision=revision)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise r.BadInput(f"{model}: no model is found there ({reason})") from None


def shape_of(config):
    """Shape of a transformers config; None where it is no plain decoder with gated MLP."""
    get = config.to_dict().get
    heads, hidden = get("num_attention_heads"), get("hidden_size")
    layers, vocab = get("num_hidden_layers"), get("vocab_size")
    if None in (heads, hidden, layers, vocab):
        return None
    head = get("head_dim") or hidden // heads
    experts = get("num_experts") or get("num_local_experts") or 1
    width = get("intermediate_size", 4 * hidden)
    if experts > 1:
        width = get("moe_intermediate_size", width)
    return Shape(
        hidden,
        layers,
        q=head * heads,
        kv=head * get("num_key_value_heads", heads),
        inter=width,
        vocab=vocab,
        tied=bool(get("tie_word_embeddings")),
        experts=experts,
        active=get("num_experts_per_tok", 1),
        qk_norm=str(get("model_type")).startswith(QK_NORM),
    )


def held(shape, method, wide, rank, optim):
    """Bytes of (weights, gradients, optimizer states) before they are shared out."""
    total, trained = shape.parameters, shape.adapter(rank)
    if method == "full":
        states = STATES_8BIT if "8bit" in optim else 2 * wide
        return wide * total, wide * total, states * total
    if method == "lora":  # PEFT makes the adapter fp32: autocast_adapter_dtype
        return 2 * total + 4 * trained, 4 * trained, 8 * trained
    # bitsandbytes leaves fused experts, embedding and head as they are
    experts = 3 * shape.experts * shape.hidden * shape.inter if shape.experts > 1 else 0
    packed = shape.layers * (shape.layer - experts)
    # trl sft_trainer.py puts the adapters of a quantized model into bf16
    return NF4 * packed + 2 * (total - packed) + 2 * trained, 2 * trained, 4 * trained


def gathered(shape):
    """Bytes that one GPU holds of the others' shares at the largest moment of FSDP2; between
    accumulation steps nothing whole stays (sync_each_batch)."""
    # two layers in bf16 (the second is fetched ahead), the gradient of one in bf16 and, to be
    # summed, in fp32
    layers = (2 + 2 + 2 + 4) * shape.layer
    # while the loss is made: the head with its gradient, of one chunk and summed, and an embedding
    head = (6 if shape.tied else 8) * shape.embedding
    return max(layers, head)


def memory(
    shape,
    method="full",
    *,
    tokens=4096,
    gpus=1,
    ddp=False,
    dtype="float32",
    rank=16,
    checkpointing=True,
    chunk=LOSS_CHUNK,
    liger_layers=False,
    optim="adamw_torch",
):
    """Bytes one device needs: {weights, gradients, optimizer, activations, overhead, total}.

    method  full, lora or qlora;  tokens  in one forward pass of one device
    gpus    that share weights and states (1 = plain or DDP)
    chunk   tokens of TRL's chunked loss at once
    """
    wide = 4 if dtype == "float32" else 2
    weights, gradients, states = (size / gpus for size in held(shape, method, wide, rank, optim))
    if ddp:  # buckets beside the gradients (gradient_as_bucket_view is off)
        weights += gradients
    if gpus > 1:  # FSDP2 and ZeRO-3 compute in bf16, whatever the weights are
        weights += gathered(shape)
        wide = 2
    whole = method == "full" and gpus == 1  # all weights are trained on one GPU
    # what a layer leaves for the backward pass, and the residual stream that enters it
    left = tokens * shape.inside(wide, liger_layers, method != "full")
    stream = tokens * wide * shape.hidden
    # TRL: bf16 and fp32 logits of a chunk, their log-softmax, two products of it, gradients
    scores = 20 * min(chunk, tokens) * shape.vocab
    # the head's gradient in bf16, of one chunk and summed
    head = 5 * shape.embedding if whole else 0
    # torch.autocast keeps bf16 copies of fp32 matrices through a forward pass, and those that a
    # backward pass needs beyond it
    copies = 2 * (shape.layers * shape.layer + shape.embedding) if whole and wide == 4 else 0
    if checkpointing:
        activations = shape.layers * stream + max(LAYER * left, scores + max(head, copies))
    else:
        activations = shape.layers * left + scores + copies + head
    need = dict(weights=weights, gradients=gradients, optimizer=states, activations=activations)
    need["overhead"] = 0.05 * sum(need.values()) + GIB
    return need | {"total": sum(need.values())}


WAYS = {  # to train: the columns of the table
    "QLoRA (--use_peft --load_in_4bit)": dict(method="qlora", dtype="bfloat16"),
    "LoRA (--use_peft)": dict(method="lora", dtype="bfloat16"),
    "full, 8 GPUs (accelerate/fsdp2.yaml)": dict(gpus=8),
    "full (--dtype bfloat16)": dict(dtype="bfloat16", optim="adamw_torch_8bit"),
    "full (fp32)": {},
}


def table(shapes, tokens):
    """Markdown: GiB a GPU and the smallest usual GPU for each way to train."""
    lines = ["| model | parameters | " + " | ".join(WAYS) + " |", "|---" * (len(WAYS) + 2) + "|"]
    for name, shape in shapes.items():
        cells = [name, f"{shape.parameters / 1e9:.2f} B"]
        for way in WAYS.values():
            need = memory(shape, tokens=tokens, **way)["total"] / GIB
            # the driver keeps about 3 %
            card = next((f"{size} GB" for size in SIZES if need <= size * 0.97), "none")
            cells.append(f"{need:.0f} GiB → {card}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main():
    parser = r.parser(__doc__)
    add = parser.add_argument
    add("--model", metavar="M", help="a folder or hub id (default: the nine models of the paper)")
    add("--max-length", type=r.positive, default=4096, metavar="N", help="tokens in one sequence")
    args = parser.parse_args()
    shapes = KNOWN
    if args.model:
        shapes = {args.model: KNOWN.get(args.model) or shape_of(read_config(args.model))}
    if None in shapes.values():
        raise r.BadInput(f"--model {args.model}: its config does not describe a plain decoder")
    print(table(shapes, args.max_length))


if __name__ == "__main__":
    r.run(main)
