"""What batch_generate adds to the bare engine: the same prompts through vllm.LLM.chat and through generate_jsonl, in turn, in one process.

    python tests/bench/batch_overhead.py --model data/runs/demo/models/base [--rows 128] [--pairs 5]

out  one line a pair and the median of the ratios of the two times (1.00 = nothing is added); prefix caching is off on both sides, the engine is one
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import batch_generate as bg
import rows as r


def main():
    parser = r.parser(__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--rows", type=r.positive, default=128)
    parser.add_argument("--pairs", type=r.positive, default=5)
    parser.add_argument("--max-tokens", type=r.positive, default=96)
    args = parser.parse_args()
    rows = [
        {
            "id": str(i),
            "question": f"Explain in a few sentences what happens when {i} moles of a gas are heated.",
        }
        for i in range(args.rows)
    ]
    engine = {"enable_prefix_caching": False, "max_model_len": 1024, "tensor_parallel_size": 1}

    def to_messages(row):
        return [{"role": "user", "content": row["question"]}]

    def ours(folder):
        started = time.perf_counter()
        counts = bg.generate_jsonl(
            rows,
            to_messages,
            Path(folder) / "a.raw.jsonl",
            model=args.model,
            max_tokens=args.max_tokens,
            engine=engine,
            fresh=True,
        )
        return time.perf_counter() - started, counts["completion_tokens"]

    def bare():
        import vllm

        llm = next(iter(bg.ENGINE.values()))
        started = time.perf_counter()
        params = vllm.SamplingParams(temperature=0.0, max_tokens=args.max_tokens, seed=42)
        outputs = llm.chat([to_messages(row) for row in rows], params, use_tqdm=False)
        return time.perf_counter() - started, sum(
            len(output.outputs[0].token_ids) for output in outputs
        )

    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        ours(folder)  # starts the engine and warms it up
        for pair in range(args.pairs):
            one, two = (ours(folder), bare()) if pair % 2 else reversed((bare(), ours(folder)))
            ratios.append(one[0] / one[1] / (two[0] / two[1]))
            print(
                f"pair {pair + 1}: batch_generate {one[1] / one[0]:.0f} tokens/s, bare engine {two[1] / two[0]:.0f} tokens/s, "
                f"time per token x {ratios[-1]:.3f}"
            )
    print(
        f"median of {len(ratios)} pairs: batch_generate takes {statistics.median(ratios):.3f} times the bare engine's time per token"
    )


if __name__ == "__main__":
    r.run(main)
