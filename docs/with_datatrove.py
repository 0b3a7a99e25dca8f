"""Past 10^8 rows: deduplication and generation as datatrove pipelines on one machine, under Slurm
or on Ray.

    pip install "datatrove[io,processing]==0.10.1" aiosqlite httpx openai     # beside requirements.txt
    python docs/with_datatrove.py dedup --input PARTS --output DIR [--executor slurm]
    python docs/with_datatrove.py generate --input PARTS --output DIR --model M --prompt "Solve: <question>"

in   a folder of files of rows (.jsonl, .jsonl.gz, .parquet) on a disk that all nodes see; a file is
     a task
out  dedup     kept rows in DIR/alone/*.jsonl and DIR/decided/N.jsonl, others in DIR/decided/N.rejected.jsonl
     generate  DIR/answers/*.jsonl, raw rows of batch_generate.py: joined as its --output, they are
               found there, and it asks only for rows that got no answer

dedup: MinHash puts rows that may be duplicates into clusters; a row without company is kept. Whole
clusters are dealt into --parts files, and 01_extract/dedup.py decides in each as it does on one
machine. generate: vLLM on each task's GPUs, or --base-url; answers of a stopped task are kept in
DIR/checkpoints.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "01_extract")]

import contextlib
import functools
import struct
import subprocess

import dedup
from datatrove import executor
from datatrove.data import Document
from datatrove.pipeline.dedup import minhash
from datatrove.pipeline.inference.run_inference import InferenceConfig, InferenceRunner
from datatrove.pipeline.writers import JsonlWriter
from datatrove.utils.word_tokenizers import NLTKTokenizer

import batch_generate as bg
import rows as r

SLURM = dict(partition="cpu", time="24:00:00", mem_per_cpu_gb=4)  # of your cluster


def stage(args, name, pipeline, tasks, before=None, **more):
    """A pipeline over so many tasks, after the stage `before`; a second run skips finished
    tasks."""
    kind = {"local": "Local", "slurm": "Slurm", "ray": "Ray"}[args.executor]
    if args.executor == "slurm":
        more = {**SLURM, "job_name": name, **more}
    logs = str(args.output / "logs" / name)
    make = getattr(executor, f"{kind}PipelineExecutor")
    return make(pipeline, tasks, workers=args.workers, depends=before, logging_dir=logs, **more)


def read(files, field, data, rank, world_size):
    for row in r.read(files[rank]):
        yield Document(text=row.get(field) or "", id=row["id"], metadata={"row": row})


class Signatures(minhash.MinhashDedupSignature):
    def get_shingles(self, text):
        return dedup.shingles([text])[0][:, None]


def deal(clusters, output, parts, data, rank, world_size):
    """Write rows without company to `alone`, and each whole cluster into one of the parts."""
    path, cluster_of = clusters / f"{rank:06d}.clusters", {}
    if path.exists():
        cluster_of = dict(struct.iter_unpack("<2I", path.read_bytes()))
    names = [output / "alone" / f"{rank:05d}.jsonl"]
    names += [output / "parts" / f"{part:05d}" / f"{rank:05d}.jsonl" for part in range(parts)]
    with contextlib.ExitStack() as stack:
        alone, *dealt = [stack.enter_context(r.write_aside(name)) for name in names]
        for number, document in enumerate(data):
            cluster = cluster_of.get(number)
            file = alone if cluster is None else dealt[cluster % parts]
            file.write(r.dumps(document.metadata["row"]))


def decide(output, options, data, rank, world_size):
    """Run dedup.py on the rows of one part, in the order of the input."""
    folder = output / "parts" / f"{rank:05d}"
    joined = folder.with_suffix(".jsonl")
    r.concatenate(sorted(folder.glob("*.jsonl")), joined)
    command = [sys.executable, ROOT / "01_extract" / "dedup.py", *options]
    command += ["--input", joined, "--output", output / "decided" / joined.name]
    subprocess.run(list(map(str, command)), check=True)


def deduplicate(args, files):
    signatures, pairs, clusters = (str(args.output / f"minhash{n}") for n in (1, 2, 3))
    bands, per_band = dedup.bands_and_rows(args.threshold)
    config = minhash.MinhashConfig(n_grams=3, num_buckets=bands, hashes_per_bucket=per_band)
    words = NLTKTokenizer("english")  # is not used: the shingles are ours
    rows = functools.partial(read, files, args.field)
    sign = Signatures(signatures, config, words)
    first = stage(args, "signatures", [rows, sign], len(files))
    buckets = minhash.MinhashDedupBuckets(signatures, pairs, config=config)
    second = stage(args, "pairs", [buckets], bands, first)
    cluster = minhash.MinhashDedupCluster(pairs, clusters, config, save_cluster_id=True)
    third = stage(args, "clusters", [cluster], 1, second)
    dealt = functools.partial(deal, Path(clusters), args.output, args.parts)
    fourth = stage(args, "deal", [rows, dealt], len(files), third)
    options = ("--field", args.field, "--threshold", args.threshold)
    decided = functools.partial(decide, args.output, options)
    stage(args, "decide", [decided], args.parts, fourth).run()


def generate(args, files):
    sampling = bg.full_sampling(max_tokens=args.max_tokens)
    model = args.model if args.base_url else bg.identify(args.model)

    async def ask(document, send):
        row = document.metadata["row"]
        body = {"messages": bg.user_turn(args.prompt, **row), "seed": bg.row_seed(42, row["id"])}
        return await send({**body, **bg.sampler(sampling), "max_tokens": args.max_tokens})

    def raw_row(writer, document):
        (result,) = document.metadata["rollout_results"]
        return dict(
            id=document.id,
            response=result.text,
            finish_reason=bg.finish_reason(result.finish_reason),
            **{k: result.usage.get(k, 0) for k in ("prompt_tokens", "completion_tokens")},
            model=model,
            sampling=sampling,
            messages_hash=r.text_hash(bg.user_turn(args.prompt, **document.metadata["row"])),
        )

    config = InferenceConfig(
        server_type="endpoint" if args.base_url else "vllm",
        model_name_or_path=args.model,
        endpoint_url=args.base_url and args.base_url.removesuffix("/v1"),
        tp=args.tensor_parallel,
    )
    names = "${rank}_chunk_${chunk_index}.jsonl"
    writer = JsonlWriter(str(args.output / "answers"), names, compression=None, adapter=raw_row)
    kept = str(args.output / "checkpoints")
    runner = InferenceRunner(ask, config, writer, None, kept, skip_bad_requests=True)
    gpus = {} if args.base_url else {"gpus_per_task": args.tensor_parallel}
    rows = functools.partial(read, files, args.field)
    stage(args, "generate", [rows, runner], len(files), **gpus).run()


def main():
    parser = r.parser(__doc__)
    add = parser.add_argument
    add("action", choices=["dedup", "generate"])
    add("--input", type=Path, required=True)
    add("--output", type=Path, required=True)
    add("--executor", choices=["local", "slurm", "ray"], default="local")
    add("--workers", type=int, default=-1, help="tasks at once (default: all)")
    add("--field", default="question")
    add("--threshold", type=float, default=0.6)
    add("--parts", type=r.positive, default=64, help="files that dedup.py decides on")
    for name in ("--model", "--prompt", "--base-url"):
        add(name)
    add("--max-tokens", type=r.positive, default=4096)
    add("--tensor-parallel", type=r.positive, default=1)
    args = parser.parse_args()
    files = sorted(p for p in args.input.glob("*") if p.suffix in (".jsonl", ".gz", ".parquet"))
    if not files or args.action == "generate" and not (args.model and args.prompt):
        parser.error("rows are needed in --input, and --model and --prompt to generate")
    args.output = args.output.absolute()
    {"dedup": deduplicate, "generate": generate}[args.action](args, files)


if __name__ == "__main__":
    r.run(main)
