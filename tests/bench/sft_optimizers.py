"""Which optimizer can train bf16 weights: loss after N steps and share of the update that arrives, against fp32 weights.

    python tests/bench/sft_optimizers.py --model MODEL --input data/sample/train.jsonl --output DIR --rate 5e-6 --runs fp32 bf16 torchao optimi
    python tests/bench/sft_optimizers.py --output DIR --report        # Markdown table of all runs in DIR

Every run trains the same batches in the same order with a constant learning rate: the top --layers of the model, over hidden states that
the layers below made once (a CPU has no time for all). Weights, gradients and states have the run's type; the passes themselves run in
fp32 from these weights, so that nothing but the update differs. Losses are means over held-out rows. `arrived` is the projection of a run's change of weights on that of the fp32 run with the same rate: 1 = the whole update, 0 =
rounded away; fp32 must come first. FlashAdamW of flashoptim needs a GPU: add flashoptim to --runs there.
"""

import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "03_sft")]
import rows as r

RUNS = ("fp32", "bf16", "torchao", "optimi", "flashoptim")
BYTES = dict(fp32=16, bf16=8, torchao=6, optimi=10, flashoptim=7)  # weight, gradient, states


def optimizer(name, parameters, rate):
    import torch

    parameters, same = list(parameters), dict(lr=rate, weight_decay=0.0)
    if name == "torchao":
        from torchao.optim import AdamW8bit

        if not torch.cuda.is_available():
            torch.compiler.set_stance("force_eager")  # compiling costs a CPU minutes
        return AdamW8bit(parameters, bf16_stochastic_round=True, **same)
    if name == "optimi":
        from optimi import AdamW

        return AdamW(parameters, betas=(0.9, 0.999), eps=1e-8, kahan_sum=True, **same)
    if name == "flashoptim":
        from flashoptim import FlashAdamW

        return FlashAdamW(parameters, master_weight_bits=24, **same)
    return torch.optim.AdamW(parameters, **same)


def batches(path, model, tokens, steps):
    """`steps` lists of (ids, labels) that hold at least `tokens` tokens each, and 8 held-out rows."""
    import training_rows as t
    from prepare_model import load_tokenizer

    tokenizer, _ = load_tokenizer(model)
    encoded = t.encode(
        tokenizer, [t.pieces(tokenizer, *t.conversation(row)) for row in r.read(path)]
    )
    encoded = [row for row in encoded if len(row[0]) <= 2 * tokens]
    held, train, made, place = encoded[:8], encoded[8:], [], 0
    while len(made) < steps:
        batch = []
        while sum(len(ids) for ids, _ in batch) < tokens:
            batch.append(train[place % len(train)])
            place += 1
        made.append(batch)
    return made, held


def loss_of(model, batch):
    """Mean loss of the trained tokens of a batch [(hidden states, labels)]; each row by itself, so no padding and no mask."""
    import torch

    total, count = 0, 0
    for hidden, labels in batch:
        hidden = hidden.to(model.device, model.dtype)
        logits = model(inputs_embeds=hidden, use_cache=False).logits[0, :-1]
        target = torch.tensor(labels[1:], device=model.device)
        total = total + torch.nn.functional.cross_entropy(logits.float(), target, reduction="sum")
        count += int((target != -100).sum())
    return total / count


def top_of(model, layers, texts):
    """The model cut down to its top layers, in place; texts [[(ids, labels)]] become what these layers read."""
    import torch

    kept, body = len(model.model.layers) - layers, model.model
    made = []
    with torch.no_grad():
        for text in r.progress(texts, total=len(texts), desc="layers below"):
            ids = [torch.tensor([ids], device=model.device) for ids, _ in text]
            states = [body(one, output_hidden_states=True).hidden_states[kept].cpu() for one in ids]
            made.append([(h, labels) for h, (_, labels) in zip(states, text, strict=True)])
    body.layers = body.layers[kept:]
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("embed" not in name and "lm_head" not in name)
    return made


def train(model, name, rate, texts, held):
    """Train `model` (fp32) in place of weights of the run's own type, and put it back; returns (change of weights, figures)."""
    import torch

    torch.manual_seed(0)  # of stochastic rounding
    wide = {key: value for key, value in model.named_parameters() if value.requires_grad}
    dtype = torch.float32 if name == "fp32" else torch.bfloat16
    trained = {
        key: torch.nn.Parameter(value.detach().to(dtype, copy=True)) for key, value in wide.items()
    }
    # a copy: of fp32 weights on the CPU .float().cpu() would be the very weights that are trained
    before = {
        key: value.detach().to("cpu", torch.float32, copy=True) for key, value in trained.items()
    }
    base = {key: value.detach().clone() for key, value in wide.items()}

    def load(weights):
        with torch.no_grad():
            for key, value in wide.items():
                value.copy_(weights[key])

    def held_out():
        load(trained)
        with torch.no_grad():
            return round(loss_of(model, held).item(), 4)

    first, stepper = held_out(), optimizer(name, trained.values(), rate)
    began = time.time()
    for batch in r.progress(texts, total=len(texts), desc=name):
        load(trained)
        loss_of(model, batch).backward()
        for key, value in wide.items():
            trained[key].grad, value.grad = value.grad.to(dtype), None
        stepper.step()
    seconds, after = time.time() - began, held_out()
    load(base)
    change = {key: value.detach().float().cpu() - before[key] for key, value in trained.items()}
    moved = sum(int((part != 0).sum()) for part in change.values())
    return change, {
        "run": name,
        "rate": rate,
        "steps": len(texts),
        "before": first,
        "after": after,
        "moved": round(100 * moved / sum(part.numel() for part in change.values()), 1),
        "seconds_a_step": round(seconds / len(texts), 2),
    }


def arrived(change, reference):
    """Projection of one change of weights on the reference's."""
    dot = sum((part * reference[key]).sum().item() for key, part in change.items())
    return round(dot / sum((part * part).sum().item() for part in reference.values()), 3)


def report(folder):
    print(
        "| weights and optimizer | bytes a parameter | learning rate | steps | held-out loss before | after | weights moved, % | "
        "update that arrived | s a step |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|"
    )
    for row in r.read(folder / "runs.jsonl"):
        print(
            f"| {row['run']} | {BYTES[row['run']]} | {row['rate']:g} | {row['steps']} | {row['before']} | {row['after']} | {row['moved']} | "
            f"{row['arrived']} | {row['seconds_a_step']} |"
        )


def main():
    parser = r.parser(__doc__)
    parser.add_argument("--model")
    parser.add_argument("--input")
    parser.add_argument("--output", required=True, metavar="DIR")
    parser.add_argument("--rate", type=float, default=5e-6)
    parser.add_argument("--steps", type=r.positive, default=200)
    parser.add_argument("--tokens", type=r.positive, default=128, help="tokens of a step")
    parser.add_argument("--layers", type=r.positive, default=4, help="layers that are trained")
    parser.add_argument("--runs", nargs="*", default=[], choices=RUNS)
    parser.add_argument("--report", action="store_true")
    args = parser.parse_args()
    folder = Path(args.output)
    folder.mkdir(parents=True, exist_ok=True)
    if args.runs:
        import torch
        from transformers import AutoModelForCausalLM

        texts, held = batches(args.input, args.model, args.tokens, args.steps)
        base = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32)
        base = base.to("cuda" if torch.cuda.is_available() else "cpu")
        *texts, held = top_of(base, args.layers, [*texts, held])
    for name in args.runs:
        change, result = train(base, name, args.rate, texts, held)
        kept = folder / f"change-{args.rate:g}.pt"
        if name == "fp32":
            torch.save(change, kept)
        reference = torch.load(kept, weights_only=True)
        result = {"id": f"{name}-{args.rate:g}", **result, "arrived": arrived(change, reference)}
        with open(folder / "runs.jsonl", "ab") as file:
            file.write(r.dumps(result))
        print(result, flush=True)
    if args.report:
        report(folder)


if __name__ == "__main__":
    r.run(main)
