"""Let a model answer the benchmarks: one engine start, all rows at once, every sample kept.

    python 04_eval/run_eval.py --model Qwen/Qwen3-8B --thinking off --data benchmarks/ --output out/
    python 04_eval/run_eval.py --model M --benchmarks gsm8k,math500 --output out/     from the hub
    python 04_eval/run_eval.py --model M --benchmarks mine.jsonl --output out/        own rows

in   --data: a folder of benchmark files (benchmarks.py says in which forms); without it the hub's,
     which are kept in OUTPUT/benchmarks. --limit N takes N rows of each benchmark, by hash
out  OUTPUT/samples.jsonl: id, benchmark, category, subject, kind, question, options, reference,
     unit, group, prompt, response, finish_reason, n_tokens, extracted, correct, question_id,
     option_order, model, prompt_id, seed; the model's text in samples.raw.jsonl; rows without a
     place or an answer in samples.rejected.jsonl; OlympicArena's answers for its authors in
     olympicarena_submission.json

Stopped, the same command goes on where it was; with a larger --max-tokens what was cut off is asked
again. A model that was trained again under the same path
is evaluated again.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import collections
import json
import os
import re

import benchmark_prompts
import benchmarks
import score

import answers
import batch_generate
import rows as r


def names_of(text):
    """Ids of the benchmarks A,B of --benchmarks; None where all that are found are meant (all, or a
    file of rows)."""
    if text == "all" or text.endswith(benchmarks.KINDS_OF_FILES):
        return None
    return re.findall(r"[^\s,]+", text.lower())


def choose(args):
    """The benchmarks' rows by the options, as ({benchmark: rows}, rejected, files); prints what is
    there and what is missing."""
    names = names_of(args.benchmarks)
    if names is None and args.benchmarks != "all":
        args.data = args.benchmarks
    if not args.data:
        args.data = str(args.folder / "benchmarks")
        benchmarks.download(args.data, names, args.allow_other_rows)
    loaded = benchmarks.load_folder(args.data, names)
    for path, reason in loaded["unused"].items():
        r.say(f"not used: {path}: {reason}")
    found = loaded["rows"]
    say_missing(found, names, args)
    rows = {name: limited(found[name], args.limit) for name in benchmarks.in_order(found)}
    return rows, loaded["rejected"], loaded["files"]


def say_missing(found, names, args):
    """Name the benchmarks that were not found; BadInput where they were asked for by name, or where
    there is none at all."""
    missing = ", ".join(name for name in names or benchmarks.BENCHMARKS if name not in found)
    if names and missing:
        there = ", ".join(benchmarks.load_folder(args.data)["rows"]) or "none"
        raise r.BadInput(f"{missing}: not found in {args.data}; it holds {there}")
    if not found:
        raise r.BadInput(f"no benchmark found in {args.data}")
    if missing and args.benchmarks == "all":
        r.say(f"missing: {missing}; averages will say how many of how many they hold")


def limited(rows, limit):
    """The first `limit` rows by the hash of their ids: a fair sample whatever the file's order, and
    a larger limit holds the smaller one's."""
    chosen = {row["id"] for row in sorted(rows, key=lambda row: r.text_hash(row["id"]))[:limit]}
    return [row for row in rows if row["id"] in chosen]


def rows_to_ask(chosen, args):
    """The rows of all benchmarks (those of a shard); an id that stands in two benchmarks gets the
    benchmark's name before it.

    GPQA goes last: its authors ask that no question is printed, and the first prompt is.
    """
    rows = [row for its in chosen.values() for row in its]
    rows.sort(key=lambda row: row["benchmark"] == "gpqa_diamond")
    times = collections.Counter(row["id"] for row in rows)
    asked = []
    for row in part_of(rows, args.shard):
        id_ = f"{row['benchmark']}:{row['id']}" if times[row["id"]] > 1 else row["id"]
        asked.append({**row, "question_id": row["id"], "id": id_, "seed": args.seed})
    return asked


def part_of(rows, shard):
    """The rows of part I of N, "I/N"; all without one."""
    number, of = r.parse_shard(shard or "1/1")
    return rows[len(rows) * (number - 1) // of : len(rows) * number // of]


def set_aside_other_model(raw_path, identity):
    """Move away the answers of a model (PATH@HASH) that stood under the same path before it was
    trained again; nothing is deleted."""
    try:
        with open(raw_path, "rb") as file:
            stored = json.loads(file.readline())["model"]
    except (OSError, ValueError, KeyError, TypeError):
        return  # no file, or batch_generate says what is wrong with it
    path, _, old_hash = stored.rpartition("@")
    if path and stored != identity and path == identity.rpartition("@")[0]:
        old = r.beside(raw_path, f"{old_hash}.jsonl")
        os.replace(raw_path, old)
        r.say(
            f"the model was trained again ({stored} is now {identity}): its answers are asked "
            f"anew, the old ones stand in {old.name}"
        )


def sample(row, raw, args, prompt_id):
    """A row of samples.jsonl from a benchmark row and its raw answer."""
    more = dict(reasoning=raw.get("reasoning"))
    more["deterministic"] = raw["sampling"].get("deterministic")
    return {
        **row,
        "prompt": benchmark_prompts.user_message(row),
        "response": raw["response"],
        "finish_reason": raw["finish_reason"],
        "n_tokens": raw["completion_tokens"],
        "n_prompt_tokens": raw["prompt_tokens"],
        "model": args.name,
        "prompt_id": prompt_id,
        **{key: value for key, value in more.items() if value},
    }


def parse():
    parser = r.parser(__doc__)
    add = parser.add_argument
    batch_generate.add_options(parser, max_tokens=2048)
    add("--adapter", metavar="DIR", help="LoRA adapter on the model (merging it first is faster)")
    add(
        "--backend",
        choices=("vllm", "transformers"),
        default="vllm",
        help="transformers where vLLM cannot run; some ten times slower (default %(default)s)",
    )
    add("--name", help="name of the model in samples and tables (default: as given by --model)")
    add(
        "--benchmarks", default="all", metavar="A,B", help="names, all (default), or a file of rows"
    )
    add("--data", metavar="DIR", help="folder of the benchmarks' files (default: the hub)")
    add("--output", required=True, metavar="DIR", help="folder for samples.jsonl and the rest")
    add("--allow-other-rows", action="store_true", help="take hub sets of other row counts too")
    args = parser.parse_args()
    if args.base_url and (args.adapter or args.backend == "transformers"):
        parser.error("--adapter and --backend work in this process; leave out --base-url")
    if args.adapter and not (Path(args.adapter) / "adapter_config.json").is_file():
        parser.error(f"--adapter {args.adapter}: there is no adapter_config.json in it")
    args.name = args.name or args.model + (f"+{args.adapter}" if args.adapter else "")
    args.folder, args.output = Path(args.output), Path(args.output) / "samples.jsonl"
    if args.shard:
        part = args.shard.replace("/", "of")
        args.output, args.whole_limit = r.beside(args.output, f"{part}.jsonl"), args.limit
    # decides, with the adapter's, whether a finished file is still good
    args.identity = args.model if args.base_url else batch_generate.identify(args.model)
    args.identity += f"+{batch_generate.identify(args.adapter)}" if args.adapter else ""
    return args


def generation_options(args):
    """Keyword arguments of generate_jsonl; the raw rows say where transformers answered in the
    place of vLLM."""
    options = batch_generate.options(args)
    if args.backend == "vllm":
        return options
    import transformers_backend

    r.say("answers come from transformers' generate: slow, vLLM is for whole runs")
    sampling = {**options["sampling"], "backend": args.backend}
    return {**options, "sampling": sampling, "backend": transformers_backend.ask}


def main():
    args = parse()
    chosen, rejected, files = choose(args)
    prompt_id = benchmark_prompts.prompt_id(args.thinking)
    step = r.Step(
        args,
        inputs=files,
        prompt=prompt_id,
        code=[score, *benchmarks.FILES, *answers.FILES],
        ignore=("tensor_parallel", "folder"),
        name=args.name,
    )
    if step.finished():
        return
    step.output.parent.mkdir(parents=True, exist_ok=True)
    set_aside_other_model(step.raw_path, args.identity)
    for name, rows in chosen.items():
        r.say(f"{name:14} {len(rows):>7,} rows")
    rows, rejected = rows_to_ask(chosen, args), part_of(rejected, args.shard)
    counts = batch_generate.generate_jsonl(
        rows,
        benchmark_prompts.messages,
        step.raw_path,
        **generation_options(args),
        adapter=args.adapter,
    )
    step.counts["in"] = len(rows) + len(rejected)
    for row, reason in rejected:
        step.reject(row, reason)

    def answered():
        for row, raw in batch_generate.read_raw(rows, step.raw_path):
            if raw is None:
                step.reject(row, "generation failed")
            else:
                yield sample(row, raw, args, prompt_id)

    facts, olympic = [], {}
    graded = r.in_processes(score.grade_row, answered())
    for row in r.progress(graded, total=len(rows), desc="grading"):
        step.keep(row)
        facts.append(score.facts_of(row))
        if row["benchmark"] == "olympicarena":
            olympic[row["source_id"]] = row["extracted"]
    if olympic:  # the form that its authors grade: {problem id: answer}
        name = step.output.stem.replace("samples", "olympicarena_submission")  # a shard's own
        path = args.folder / f"{name}.json"
        r.write_json(path, olympic)
        where = "huggingface.co/spaces/GAIR/OlympicArenaSubmission"
        r.say(f"{path}: {len(olympic)} answers; submit it at {where}")
    table = score.results(facts)
    step.finish(generation=counts, summary=table)
    score.show(table)


if __name__ == "__main__":
    r.run(main)
