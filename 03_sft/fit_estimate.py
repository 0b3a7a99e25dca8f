"""Estimate, from a model's shape alone, what fine-tuning needs: memory of each GPU, disk, FLOPs of a token.

    python 03_sft/fit_estimate.py                                   # which of the paper's models fits on which GPU (Markdown)
    python 03_sft/fit_estimate.py --model MODEL                     # one model, a folder or a hub id (only its config.json is read)

in   --max-length N      tokens in one packed sequence (default 4096), one sequence a GPU at a time, gradient checkpointing on
out  a table on stdout: GiB for full fine-tuning, LoRA and QLoRA

How memory is counted, in bytes a parameter, W being all weights and A the adapter's:
    full    weights, gradients and AdamW's two states in the weights' type: 16 W in fp32; in bf16 with states of 8 bits 6 W (STATES)
    LoRA    2 W (16-bit base) + 16 A;  QLoRA  0.52 of each matrix, 2 of embedding, head and fused experts, + 8 A
    and the largest of: one layer recomputed, the loss with the head's gradient, the loss with autocast's bf16 copies;
    one layer input a layer (checkpointing) or all that a layer leaves (without); DDP's buckets; what FSDP2 has gathered.
FSDP2 and ZeRO-3 divide weights, gradients and states by the GPUs. 5 % are added for fragmentation, 1 GiB for the CUDA context.
tests/bench/count_memory.py checks these terms against what torch allocates.
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
# dense bf16/fp16 of the makers' data sheets
PEAK_TFLOPS = {
    "H200": 989,
    "H200 NVL": 835,
    "H100": 989,
    "H100 NVL": 835,
    "H100 PCIe": 756,
    "H20": 148,
    "H800": 989,
    "GH200": 989,
    "B200": 2250,
    "A100": 312,
    "A800": 312,
    "L40S": 362,
    "L40": 181,
    "L4": 121,
    "A10": 125,
    "A10G": 70,
    "A6000": 155,
    "5090": 209,
    "4090": 165,
    "3090": 71,
    "T4": 65,
    "V100": 125,
}


FLOPS_FORMULA = (
    "FLOPs a token = 6 x used parameters (4 x with LoRA: no gradients of frozen weights) + 12 x layers x q width x context, "
    "half of the latter in the causal count; recomputation is not counted"
)


# Bytes of optimizer states a trained weight, beside the weight and its gradient; a part of the name
# that --optim has.
STATES = {
    "8bit": 2.04,  # torchao 0.18 and bitsandbytes: two states of 8 bits, one fp32 scale a block of 256
    "adafactor": 0.01,  # a row and a column of each matrix
}
LAYER = 1.5  # times what a layer leaves: while it is recomputed, gradients of it are there too
NF4 = 0.52  # bytes a weight: half a byte, and scales of 64 weights that are quantized themselves (0.56 where they are not)
# Bytes a parameter of one checkpoint. FSDP: weights twice (model.safetensors and
# pytorch_model_fsdp.bin, transformers trainer.py
# _save_optimizer_and_scheduler) and AdamW's states, fp32. ZeRO-3: bf16 weights, then fp32 weights
# and states.
CHECKPOINT = {"fsdp": 16, "zero3": 14}


@dataclass
class Shape:
    """What a decoder's config.json says about its size; q = heads x head_dim, kv = key/value heads
    x head_dim."""

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
        return (
            self.hidden * (2 * self.q + 2 * self.kv)
            + self.experts * 3 * self.hidden * self.inter
            + (self.experts * self.hidden if self.experts > 1 else 0)
        )

    @property
    def expert_weights(self):
        """Parameters of one layer's experts: one fused tensor each, which bitsandbytes leaves as it
        is."""
        return self.experts * 3 * self.hidden * self.inter if self.experts > 1 else 0

    def inside(self, wide, liger=False, adapter=False):
        """Bytes a token that one layer leaves for its backward pass where it computes in bf16
        (tests/bench/count_memory.py).

        Norms in fp32, attention with repeated keys and values, the gated MLP of the active experts.
        Liger's norms keep their 16-bit input alone, its SwiGLU makes the product again. Over fp32
        weights (wide 4) the norms' results are fp32, and autocast makes a bf16 copy for each matrix
        that reads them; adapters under Liger's layers make copies of their own.
        """
        norms, mlp = (2, 6) if liger else (8, 8)
        heads = norms * (self.q + self.kv) if self.qk_norm else 0
        copies = 10 if wide == 4 else 8 if liger and adapter else 0
        plain = 8 if liger else 16
        return (plain + copies) * self.hidden + 10 * self.q + mlp * self.inter * self.active + heads

    @property
    def embedding(self):
        return self.vocab * self.hidden

    @property
    def parameters(self):
        return self.layers * self.layer + self.embedding * (1 if self.tied else 2)

    @property
    def used(self):
        """Parameters multiplied for one token: active experts, and the head, but no embedding
        look-up."""
        idle = (self.experts - self.active) * 3 * self.hidden * self.inter
        return self.layers * (self.layer - idle) + self.embedding

    def adapter(self, rank):
        """LoRA parameters on all linear layers; the experts of a mixture are left out, as PEFT's
        all-linear does for fused experts."""
        h, inter = self.hidden, self.inter
        mlp = 3 * (h + inter) if self.experts == 1 else 0
        return self.layers * rank * ((h + self.q) * 2 + (h + self.kv) * 2 + mlp)


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


def shape_of(config):
    """Shape of a transformers config; None where it is no plain decoder with gated MLP."""
    get = lambda name, default=None: getattr(config, name, default)  # noqa: E731
    if not all(
        get(name)
        for name in ("hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size")
    ):
        return None
    head = get("head_dim") or config.hidden_size // config.num_attention_heads
    experts = get("num_experts") or get("num_local_experts") or 1
    inter = (
        get("moe_intermediate_size")
        if experts > 1 and get("moe_intermediate_size")
        else get("intermediate_size")
    )
    return Shape(
        config.hidden_size,
        config.num_hidden_layers,
        head * config.num_attention_heads,
        head * (get("num_key_value_heads") or config.num_attention_heads),
        inter or 4 * config.hidden_size,
        config.vocab_size,
        bool(get("tie_word_embeddings", False)),
        experts,
        get("num_experts_per_tok") or 1,
        str(get("model_type")).startswith(QK_NORM),
    )


def state_bytes(optimizer, dtype):
    """Bytes of optimizer states a trained weight takes, by the name --optim has (STATES), else
    AdamW's two of the weights' type."""
    found = [size for name, size in STATES.items() if name in optimizer.lower()]
    return found[0] if found else 2 * (4 if dtype == "float32" else 2)


def held(shape, method, wide, rank, states):
    """Bytes of (weights, gradients, optimizer states) before they are shared out."""
    total, trained = shape.parameters, shape.adapter(rank)
    if method == "full":
        return wide * total, wide * total, states * total
    if method == "lora":  # PEFT makes the adapter fp32: autocast_adapter_dtype
        return 2 * total + 4 * trained, 4 * trained, 8 * trained
    packed = shape.layers * (shape.layer - shape.expert_weights)
    # trl sft_trainer.py puts the adapters of a quantized model into bf16
    return NF4 * packed + 2 * (total - packed) + 2 * trained, 2 * trained, 4 * trained


def in_use(shape, method, gpus, ddp, gradients):
    """Bytes of copies that are made of weights and gradients while they are used."""
    if gpus > 1:
        # FSDP2: two layers gathered in bf16 (the second is fetched ahead), the gradient of one in
        # bf16 and, to be summed, in fp32; or, while the loss is made, the head with its gradient,
        # of one chunk and summed, and an embedding of its own.
        # Between accumulation steps nothing whole stays: sft.py sets sync_each_batch, else 2 bytes
        # of every weight would.
        head = (6 if shape.tied else 8) * shape.embedding
        return max((2 + 2 + 2 + 4) * shape.layer, head)
    # DDP: buckets beside the gradients (gradient_as_bucket_view is off)
    copies = gradients if ddp else 0
    if method == "qlora":  # bitsandbytes unpacks the matrix in hand
        return copies + 2 * shape.hidden * max(shape.inter, shape.q)
    return copies


def activations_of(shape, tokens, wide, left, autocast, checkpointing, loss, chunk, whole):
    """Bytes of what the forward pass leaves for the backward pass and of what both take in passing,
    at the largest moment.

    left   bytes a token of one layer;  whole  all weights are trained, and on one GPU: then the head's gradient and autocast's copies count
    """
    narrow = 1 if autocast or wide == 2 else 2
    stream = wide * shape.hidden * tokens  # the residual stream that enters a layer
    inside = tokens * left * narrow
    # TRL: bf16 and fp32 logits of a chunk, their log-softmax, two products of it, gradients
    if loss == "chunked":
        scores = 20 * min(chunk, tokens) * shape.vocab
    elif loss == "liger":  # chunks of tokens x hidden / vocab tokens
        scores = 8 * tokens * shape.hidden
    else:  # logits in bf16 and fp32, log-softmax
        scores = 10 * tokens * shape.vocab
    # the head's gradient in bf16, of one chunk and summed; with fp32 weights their copy and the
    # gradient in fp32 too
    head = (11 if wide == 4 else 5) * shape.embedding if whole else 0
    # torch.autocast keeps bf16 copies of fp32 matrices through a forward pass, and those that a
    # backward pass needs beyond it
    copies = 2 * (shape.layers * shape.layer + shape.embedding) if whole and wide == 4 else 0
    if not checkpointing:
        return shape.layers * inside + scores + copies + head
    return shape.layers * stream + max(LAYER * inside, scores + head, scores + copies)


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
    loss="chunked",
    chunk=LOSS_CHUNK,
    autocast=True,
    liger_layers=False,
    states=None,
):
    """Bytes one device needs: {weights, gradients, optimizer, activations, overhead, total}.

    method  full, lora or qlora;  tokens  in one forward pass of one device;  gpus  that share weights and states (1 = plain or DDP)
    loss    chunked (TRL's own, of so many tokens: chunk), liger or whole;  states  bytes of optimizer states a trained weight (default: AdamW's two)
    """
    wide = 4 if dtype == "float32" else 2
    states = 2 * wide if states is None else states
    parts = held(shape, method, wide, rank, states)
    weights, gradients, optimizer = (part / gpus for part in parts)
    weights += in_use(shape, method, gpus, ddp, gradients)
    if gpus > 1:  # FSDP2 and ZeRO-3 compute in bf16, whatever the weights are
        wide = 2
    left = shape.inside(wide, liger_layers, method != "full")
    whole = method == "full" and gpus == 1
    activations = activations_of(
        shape, tokens, wide, left, autocast, checkpointing, loss, chunk, whole
    )
    total = weights + gradients + optimizer + activations
    overhead = 0.05 * total + GIB
    return dict(
        weights=weights,
        gradients=gradients,
        optimizer=optimizer,
        activations=activations,
        overhead=overhead,
        total=total + overhead,
    )


def flops_per_token(shape, context, method="full", causal=False):
    """FLOPs of training one token (FLOPS_FORMULA); context is the mean number of tokens that a
    token's own text has.

    That mean is sum of squared lengths / sum of lengths, so packed neighbours are not counted.
    """
    attention = 12 * shape.layers * shape.q * context * (0.5 if causal else 1)
    return (6 if method == "full" else 4) * shape.used + attention


def peak_flops(name):
    """Dense bf16 FLOP/s of a GPU by its name, or None."""
    found = [key for key in PEAK_TFLOPS if key in name]
    return PEAK_TFLOPS[max(found, key=len)] * 1e12 if found else None


def disk(shape, method, dtype="float32", checkpoints=2, rank=16, backend="plain"):
    """Bytes written: so many checkpoints (weights and optimizer states) and the final model, while
    it is turned into 16 bits."""
    wide = 4 if dtype == "float32" else 2
    if method != "full":
        return int((checkpoints * 12 + 4) * shape.adapter(rank)) + 64 * 2**20
    final = wide + 2 if wide == 4 else wide
    one = CHECKPOINT.get(backend, 3 * wide)
    return int((checkpoints * one + final) * shape.parameters) + 64 * 2**20


def what_would_fit(shape, available, tokens, rank=16):
    """Other ways to train this model that fit in `available` bytes a device, as sentences, the
    nearest to full fine-tuning first."""
    ways = []
    for gpus in (2, 4, 8, 16, 32, 64):
        if memory(shape, gpus=gpus, tokens=tokens)["total"] <= available:
            ways.append(
                f"full fine-tuning on {gpus} such GPUs (accelerate/fsdp2.yaml, {memory(shape, gpus=gpus, tokens=tokens)['total'] / GIB:.0f} GiB each)"
            )
            break
    narrow = memory(shape, dtype="bfloat16", tokens=tokens, states=STATES["8bit"])
    if narrow["total"] <= available:
        ways.append("full fine-tuning with --dtype bfloat16 (states in 8 bit, stochastic rounding)")
    for method, option in (("lora", "--use_peft"), ("qlora", "--use_peft --load_in_4bit")):
        for shorter in dict.fromkeys((tokens, tokens // 2, tokens // 4)):
            need = memory(shape, method, dtype="bfloat16", tokens=shorter, rank=rank)["total"]
            if need <= available:
                ways.append(
                    f"{'LoRA' if method == 'lora' else 'QLoRA'} ({option}, {need / GIB:.0f} GiB"
                    + (f", with --max_length {shorter})" if shorter != tokens else ")")
                )
                break
    return ways


def table(shapes, tokens):
    """Markdown: GiB and the smallest usual GPU for each way to train."""

    def cell(bytes_needed):
        # the driver keeps about 3 %
        fits = [size for size in SIZES if bytes_needed <= size * GIB * 0.97]
        if fits:
            return f"{bytes_needed / GIB:.0f} GiB → {fits[0]} GB"
        return f"{bytes_needed / GIB:.0f} GiB → none"

    lines = [
        "| model | parameters | QLoRA, one GPU | LoRA, one GPU | full (bf16 weights), one GPU | "
        "full (fp32 weights), one GPU | full (fp32), 8 GPUs, each |\n" + "|---" * 7 + "|"
    ]
    for name, shape in shapes.items():
        lines.append(
            f"| {name} | {shape.parameters / 1e9:.2f} B | "
            + " | ".join(
                cell(need["total"])
                for need in (
                    memory(shape, "qlora", tokens=tokens, dtype="bfloat16"),
                    memory(shape, "lora", tokens=tokens, dtype="bfloat16"),
                    memory(shape, tokens=tokens, dtype="bfloat16", states=STATES["8bit"]),
                    memory(shape, tokens=tokens),
                    memory(shape, tokens=tokens, gpus=8),
                )
            )
            + " |"
        )
    return "\n".join(lines)


def main():
    parser = r.parser(__doc__)
    parser.add_argument(
        "--model", metavar="M", help="a folder or hub id (default: the nine models of the paper)"
    )
    parser.add_argument(
        "--max-length",
        type=r.positive,
        default=4096,
        metavar="N",
        help="tokens in one sequence (default 4096)",
    )
    args = parser.parse_args()
    shapes = KNOWN
    if args.model:
        if args.model in KNOWN:
            shapes = {args.model: KNOWN[args.model]}
        else:
            from transformers import AutoConfig

            try:
                shapes = {args.model: shape_of(AutoConfig.from_pretrained(args.model))}
            except (OSError, ValueError) as error:
                raise r.BadInput(
                    f"--model {args.model}: its config cannot be read ({str(error).splitlines()[0]})"
                ) from None
            if shapes[args.model] is None:
                raise r.BadInput(
                    f"--model {args.model}: its config does not describe a plain decoder"
                )
    print(table(shapes, args.max_length))


if __name__ == "__main__":
    r.run(main)
