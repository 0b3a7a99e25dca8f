"""Past 10^8 rows: deduplication as a datatrove pipeline on one machine, under Slurm or on Ray.

    pip install "datatrove[io,processing]==0.10.1"     # beside requirements.txt
    python docs/with_datatrove.py --input PARTS --output DIR [--executor slurm]

in   a folder of files of rows (.jsonl, .jsonl.gz, .parquet) on a disk that all nodes see; a file is
     a task
out  kept rows in DIR/alone/*.jsonl and DIR/decided/N.jsonl, others in DIR/decided/N.rejected.jsonl

MinHash puts rows that may be duplicates into clusters; a row without company is kept. Whole
clusters are dealt into --parts files, and 01_extract/dedup.py decides in each as it does on one
machine.
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
from datatrove.utils.word_tokenizers import NLTKTokenizer

import rows as r

SLURM = dict(partition="cpu", time="24:00:00", mem_per_cpu_gb=4)  # of your cluster


def stage(args, name, pipeline, tasks, before=None):
    """A pipeline over so many tasks, after the stage `before`; a second run skips finished
    tasks."""
    kind = {"local": "Local", "slurm": "Slurm", "ray": "Ray"}[args.executor]
    more = {**SLURM, "job_name": name} if args.executor == "slurm" else {}
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
    pieces = sorted(folder.glob("*.jsonl"))
    r.write(joined, (row for piece in pieces for row in r.read(piece, unique=False)))
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


def main():
    parser = r.parser(__doc__)
    add = parser.add_argument
    add("--input", type=Path, required=True)
    add("--output", type=Path, required=True)
    add("--executor", choices=["local", "slurm", "ray"], default="local")
    add("--workers", type=int, default=-1, help="tasks at once (default: all)")
    add("--field", default="question")
    add("--threshold", type=float, default=0.6)
    add("--parts", type=r.positive, default=64, help="files that dedup.py decides on")
    args = parser.parse_args()
    files = sorted(p for p in args.input.glob("*") if p.suffix in (".jsonl", ".gz", ".parquet"))
    if not files:
        parser.error(f"--input {args.input}: no file of rows stands there")
    args.output = args.output.absolute()
    deduplicate(args, files)


if __name__ == "__main__":
    r.run(main)
