"""Let a model answer the benchmarks: one engine start, all rows at once, every sample kept.

    python 04_eval/run_eval.py --model Qwen/Qwen3-8B --thinking off --benchmarks all --data benchmarks/ --output runs/qwen3-8b
    python 04_eval/run_eval.py --model merged/ --name tuned --benchmarks sample --data data/sample/benchmark --output tuned/ --max-tokens 256
    python 04_eval/run_eval.py --model Qwen/Qwen3-8B-Base --base-model --few-shot 3 --benchmarks gsm8k,math500 --output runs/base   (from the hub)

in   a folder of benchmark files (benchmarks.py says in which forms), or the hub where --data is left out;
     or --benchmarks FILE.jsonl, rows in the eval form
out  OUTPUT/samples.jsonl: id, benchmark, category, subject, kind, question, options, reference, unit, group, prompt, response,
     finish_reason, n_tokens, extracted, correct, and question_id, option_order, model, prompt_id, seed, repeat;
     the model's text in samples.raw.jsonl; rows without a place or an answer in samples.rejected.jsonl;
     OlympicArena's answers for its authors in olympicarena_submission.json
Stopped, the same command goes on where it was. A model that was trained again under the same path is evaluated again.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import collections
import dataclasses
import json
import os

import benchmark_prompts
import benchmarks
import score

import answers
import batch_generate
import rows as r


def choose(args):
    """The benchmarks' rows by the options, as (rows, rejected, files); prints what is there and
    what is missing."""
    names = None
    if Path(args.benchmarks).suffix in (".jsonl", ".gz", ".json", ".parquet"):
        args.data = args.benchmarks
    elif args.benchmarks != "all":
        given = [name.strip() for name in args.benchmarks.split(",") if name.strip()]
        names = [benchmarks.name_of(name) or name.lower() for name in given]
    loaded = from_folder(args, names) if args.data else from_hub(args, names)
    found = loaded["rows"]
    if not found:
        raise r.BadInput(
            f"no benchmark found {'in ' + args.data if args.data else 'on the hub'}; see python 04_eval/benchmarks.py --data DIR"
        )
    missing = [name for name in benchmarks.BENCHMARKS if name not in found]
    if missing and args.benchmarks == "all":
        r.say(f"missing: {', '.join(missing)}; averages will say how many of how many they hold")
    order = [*benchmarks.BENCHMARKS, *sorted(found.keys() - benchmarks.BENCHMARKS.keys())]
    rows = {name: limited(found[name], args.limit) for name in order if name in found}
    return rows, loaded["rejected"], loaded["files"]


def from_folder(args, names):
    """What benchmarks.load_folder finds; a benchmark that was named and is not there is
    BadInput."""
    loaded = benchmarks.load_folder(args.data, names)
    for path, reason in loaded["unused"].items():
        r.say(f"not used: {path}: {reason}")
    missing = [name for name in names or () if name not in loaded["rows"]]
    if missing:
        there = benchmarks.load_folder(args.data)["rows"]
        raise r.BadInput(
            f"--benchmarks {', '.join(missing)}: not found in {args.data}; it holds {', '.join(there) or 'none'}"
        )
    return loaded


def from_hub(args, names):
    """The benchmarks from the hub; one that needs a token is BadInput where it was named, else it
    is said and left out."""
    loaded = dict(rows={}, rejected=[], files=[])
    for name in names or benchmarks.BENCHMARKS:
        if name not in benchmarks.BENCHMARKS:
            raise r.BadInput(
                f"--benchmarks {name}: not one of {', '.join(benchmarks.BENCHMARKS)}; rows of one's own need --data or a file"
            )
        try:
            rows, rejected = benchmarks.load_hub(name, other_rows=args.allow_other_rows)
        except r.NoAccess as error:
            if names:
                raise
            r.say(f"left out: {error}")
            continue
        loaded["rows"][name] = rows
        loaded["rejected"] += rejected
    return loaded


def limited(rows, limit):
    """The first `limit` rows by the hash of their ids: a fair sample whatever the file's order, and
    a larger limit holds the smaller one's."""
    if limit is None or limit >= len(rows):
        return rows
    chosen = {row["id"] for row in sorted(rows, key=lambda row: r.text_hash(row["id"]))[:limit]}
    return [row for row in rows if row["id"] in chosen]


def rows_to_ask(chosen):
    """The rows of all benchmarks; an id that stands in two of them gets the benchmark's name before it.

    GPQA goes last: its authors ask that no question is printed in the clear, and the first prompt is.
    """
    rows = [row for its in chosen.values() for row in its]
    rows.sort(key=lambda row: row["benchmark"] == "gpqa_diamond")
    times = collections.Counter(row["id"] for row in rows)
    return [
        row
        if times[row["id"]] == 1
        else {**row, "id": f"{row['benchmark']}:{row['id']}", "question_id": row["id"]}
        for row in rows
    ]


def repeated(rows, repeats, seed):
    """Every row `repeats` times, each under an id, and so a seed, of its own."""
    for row in rows:
        for repeat in range(repeats):  # side by side, so that one request asks them all
            yield {
                **row,
                "id": row["id"] + (f"#{repeat}" if repeat else ""),
                "question_id": row.get("question_id", row["id"]),
                "repeat": repeat,
                "seed": seed,
            }


def set_aside_other_model(raw_path, identity):
    """Move away the answers of a model that stood under the same path before it was trained again;
    nothing is deleted."""
    if not raw_path.is_file():
        return
    with open(raw_path, "rb") as file:
        line = file.readline()
    try:
        stored = json.loads(line)["model"]
    except (ValueError, KeyError, TypeError):
        return  # batch_generate says what is wrong with the file
    if (
        stored != identity
        and "@" in stored
        and stored.rsplit("@", 1)[0] == identity.rsplit("@", 1)[0]
    ):
        old = r.beside(raw_path, f"{stored.rsplit('@', 1)[1]}.jsonl")
        os.replace(raw_path, old)
        r.say(
            f"the model was trained again ({stored} is now {identity}): its answers are asked anew, the old ones stand in {old.name}"
        )


def shown(prompt):
    """A prompt as one text: the message itself, or the turns with their roles."""
    if isinstance(prompt, str):
        return prompt
    if len(prompt) == 1:
        return prompt[0]["content"]
    return "\n\n".join(f"[{message['role']}]\n{message['content']}" for message in prompt)


def sample(row, raw, prompt, args, prompt_id):
    """A row of samples.jsonl from a benchmark row and its raw answer."""
    keep = {key: raw[key] for key in ("reasoning", "retried") if raw.get(key)}
    if raw["sampling"].get("deterministic"):
        keep["deterministic"] = True
    return {
        **row,
        "prompt": shown(prompt),
        "response": raw["response"],
        "finish_reason": raw["finish_reason"],
        "n_tokens": raw["completion_tokens"],
        "n_prompt_tokens": raw["prompt_tokens"],
        **keep,
        "model": args.name,
        "prompt_id": prompt_id,
    }


def write_submission(path, samples):
    """{problem id: answer}, the JSON file that the authors of OlympicArena grade."""
    if samples:
        r.write_json(path, {row["source_id"]: row["extracted"] for row in samples})
        r.say(
            f"{path}: {len(samples)} answers; submit it at huggingface.co/spaces/GAIR/OlympicArenaSubmission"
        )


def parse():
    parser = r.parser(__doc__)
    add = parser.add_argument
    batch_generate.add_options(parser, max_tokens=2048)
    for action in parser._actions:
        if action.dest == "limit":
            action.help = "only N rows of each benchmark, chosen by hash"
    add(
        "--adapter",
        metavar="DIR",
        help="LoRA adapter on top of the model (merging it first is faster)",
    )
    add(
        "--backend",
        choices=("vllm", "transformers"),
        default="vllm",
        help="transformers: its generate, where vLLM cannot run; some ten times slower (default vllm)",
    )
    add("--name", help="name of the model in samples and tables (default: as given by --model)")
    add(
        "--benchmarks",
        default="all",
        metavar="A,B",
        help="names, all, or a file of rows in the eval form (default all)",
    )
    add(
        "--data",
        metavar="DIR",
        help="folder with the benchmarks' files (default: the Hugging Face hub)",
    )
    add(
        "--output",
        required=True,
        metavar="DIR",
        help="folder for samples.jsonl and what stands beside it",
    )
    add(
        "--allow-other-rows",
        action="store_true",
        help="go on where a hub set has another number of rows than the table says",
    )
    add(
        "--retry-truncated",
        type=r.positive,
        metavar="N",
        help="ask answers cut off at --max-tokens once more with this budget",
    )
    add(
        "--repeats",
        type=r.positive,
        default=1,
        metavar="K",
        help="ask every row K times with K seeds (default 1)",
    )
    add(
        "--few-shot",
        type=int,
        default=0,
        choices=range(benchmark_prompts.MOST_EXAMPLES + 1),
        metavar="K",
        help="worked examples before each question (0 to 3)",
    )
    add(
        "--base-model",
        action="store_true",
        help="plain completion prompt, for a model without chat template",
    )
    args = parser.parse_args()
    check(args, parser)
    args.name = args.name or args.model + (f"+{args.adapter}" if args.adapter else "")
    args.folder, args.output = Path(args.output), Path(args.output) / "samples.jsonl"
    if args.shard:
        number, of = r.parse_shard(args.shard)
        args.output, args.whole_limit = r.beside(args.output, f"{number}of{of}.jsonl"), args.limit
    # decides, with the adapter's, whether a finished file is still good
    args.identity = args.model if args.base_url else batch_generate.identify(args.model)
    args.identity += f"+{batch_generate.identify(args.adapter)}" if args.adapter else ""
    return args


def check(args, parser):
    """End with exit code 2 where options exclude each other."""
    if args.base_model and args.thinking:
        parser.error("--thinking needs a chat template; leave out --base-model")
    if args.backend == "transformers" and args.base_url:
        parser.error("--backend transformers works in this process; leave out --base-url")
    if args.adapter and args.base_url:
        parser.error(
            "--adapter works in this process; an endpoint serves an adapter under a model name of its own"
        )
    if args.adapter and not (Path(args.adapter) / "adapter_config.json").is_file():
        parser.error(f"--adapter {args.adapter}: there is no adapter_config.json in it")


def generation_options(args):
    """Keyword arguments of generate_jsonl; the raw rows say where transformers answered in the
    place of vLLM."""
    options = batch_generate.options(args)
    if args.backend == "vllm":
        return options
    import transformers_backend

    r.say("answers come from transformers' generate: slow, vLLM is for whole runs")
    sampling = options["sampling"]
    sampling = dataclasses.replace(sampling, extra={**sampling.extra, "backend": args.backend})
    return {**options, "sampling": sampling, "backend": transformers_backend.ask}


def lost(meta_path):
    """How many rows got no answer last time; they are asked again, since a server may only have
    been busy."""
    if meta_path.is_file():
        return json.loads(meta_path.read_text())["counts"]["rejected"].get("generation failed", 0)
    return 0


def main():
    args = parse()
    chosen, rejected, files = choose(args)
    shots, completion = args.few_shot, args.base_model
    prompt_id = benchmark_prompts.prompt_id(shots, completion, args.thinking)
    code = [score, *benchmarks.FILES, *answers.FILES]
    step = r.Step(
        args,
        inputs=files,
        prompt=prompt_id,
        code=code,
        ignore=("tensor_parallel", "folder"),
        name=args.name,
    )
    if not lost(step.meta_path) and step.finished():
        return
    step.output.parent.mkdir(parents=True, exist_ok=True)
    set_aside_other_model(step.raw_path, args.identity)
    for name, rows in chosen.items():
        r.say(
            f"{name:14} {len(rows):>7,} rows" + (f" x {args.repeats}" if args.repeats > 1 else "")
        )
    rows = rows_to_ask(chosen)
    if args.shard:
        number, of = r.parse_shard(args.shard)
        rows = rows[len(rows) * (number - 1) // of : len(rows) * number // of]
        rejected = rejected if number == 1 else []
    rows = list(repeated(rows, args.repeats, args.seed))

    def to_messages(row):
        return benchmark_prompts.messages(row, shots, completion)

    counts = batch_generate.generate_jsonl(
        rows,
        to_messages,
        step.raw_path,
        **generation_options(args),
        adapter=args.adapter,
        stop=benchmark_prompts.COMPLETION_STOP if completion else None,
        retry_max_tokens=args.retry_truncated,
    )
    failed, facts, olympic = [], [], []

    def answered():  # runs in a thread of the pool where there are many rows, so it writes no file
        for row, raw in batch_generate.read_raw(rows, step.raw_path):
            if raw is None:
                failed.append((row, "generation failed"))
            else:
                yield sample(row, raw, to_messages(row), args, prompt_id)

    for row in r.progress(score.grade_all(answered()), total=len(rows), desc="grading"):
        step.keep(row)
        facts.append(score.facts_of(row))
        if row["benchmark"] == "olympicarena" and row["repeat"] == 0:
            olympic.append(row)
    for row, reason in rejected + failed:
        step.reject(row, reason)
    step.counts["in"] = len(rows) + len(rejected)
    write_submission(args.folder / "olympicarena_submission.json", olympic)
    table = score.results(facts)
    step.finish(generation=counts, summary=table)
    score.show(table)


if __name__ == "__main__":
    r.run(main)
