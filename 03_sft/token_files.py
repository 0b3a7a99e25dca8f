"""A training file as tokens on the disk: made by all cores, read by all processes.

Imported by sft.py; no command of its own. output_dir/ gets sft.heldout.jsonl (rows kept back) and
sft.rejected.jsonl (rows longer than max_length), output_dir/tokens/ train.arrow, eval.arrow (ids
and labels) and, written last, found.json (what was counted).
"""

import contextlib
import heapq
import itertools
import json
import multiprocessing
import os
import shutil
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pyarrow
import pyarrow.compute as pc
import training_rows as t

import rows as r

BATCH = 1000  # rows tokenised at once
AHEAD = 8  # batches a process is given at once
ALONE = 5000  # rows up to which one process does it: to start another takes as long as these
PARTS = ("train", "eval")
INTEGERS = pyarrow.list_(pyarrow.int32())
SCHEMA = pyarrow.schema({"input_ids": INTEGERS, "labels": INTEGERS})
REJECTED, HELD_OUT = "sft.rejected.jsonl", "sft.heldout.jsonl"


def held_out_ids(path, wanted, limit=None):
    """(ids of the rows kept back for evaluation, number of rows): those with the smallest hashes,
    so that the choice does not hang on the order of rows.

    wanted  how many, or None: 1 %, 16 to 500, and none of fewer than 64 rows
    """
    ids = [row["id"] for row in r.read(path, limit=limit)]
    if wanted is None:
        wanted = min(500, max(16, len(ids) // 100)) if len(ids) >= 64 else 0
    if wanted >= len(ids):
        raise r.BadInput(f"--eval_rows {wanted}: {path} has only {len(ids)} rows")
    held = heapq.nsmallest(wanted, ids, key=lambda row_id: r.text_hash("held out", row_id))
    return set(held), len(ids)


def prepare_data(own, args, tokenizer, state):
    """Tokenised and packed data sets, the first row and what is in all: (train, eval or None,
    {"input_ids", "labels"}, counts). The first process writes, the others wait (ddp_timeout).
    Raises BadInput where a machine does not see the output_dir of the first one."""
    from accelerate.utils import gather_object
    from datasets import Dataset
    from trl import pack_dataset

    tokens = Path(args.output_dir) / "tokens"
    made = tokens / "found.json"
    if state.is_main_process:
        shutil.rmtree(tokens, ignore_errors=True)
        found = tokenize_file(own, tokenizer, args.max_length, tokens, args.dataset_num_proc)
        r.write_json(made, found)
    state.wait_for_everyone()
    seen = gather_object([made.read_text() if made.is_file() else None])
    if len(set(seen)) > 1:
        raise r.BadInput(
            f"--output_dir {args.output_dir} is not the same folder on all machines; name one on a "
            "file system that they share"
        )
    with state.main_process_first():
        train, held = (Dataset.from_file(str(tokens / f"{part}.arrow")) for part in PARTS)
        first = train[0]
        if args.packing:
            train = pack_dataset(train, args.max_length, "bfd")
            held = pack_dataset(held, args.max_length, "bfd") if len(held) else held
    return train, held if len(held) else None, first, json.loads(seen[0])


def tokenize_batch(tokenizer, path, held, max_length, batch):
    """Tokens of some rows of a file, those with an id of `held` for evaluation: {"train": Arrow
    batch, "eval": Arrow batch, REJECTED: lines, HELD_OUT: lines}."""

    def bad(row, reason):
        return r.BadInput(f'{path}, row "{row["id"]}": {reason}')

    cut = []
    for row in batch:
        try:
            cut.append(t.pieces(tokenizer, *t.conversation(row)))
        except ValueError as error:
            raise bad(row, error) from None
    made = {name: [] for name in (*PARTS, REJECTED, HELD_OUT)}
    for row, (ids, labels) in zip(batch, t.encode(tokenizer, cut), strict=True):
        if reason := t.refusal(labels, tokenizer.eos_token_id):
            raise bad(row, reason)
        if len(ids) > max_length:
            made[REJECTED].append(r.dumps({**row, "reason": "too long", "n_tokens": len(ids)}))
            continue
        if row["id"] in held:
            made[HELD_OUT].append(r.dumps(row))
        part = "eval" if row["id"] in held else "train"
        made[part].append({"input_ids": ids, "labels": labels})
    return made | {part: pyarrow.RecordBatch.from_pylist(made[part], SCHEMA) for part in PARTS}


def start_worker(*settings):
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # there are as many processes as cores
    start_worker.settings = settings


def work(batch):
    return tokenize_batch(*start_worker.settings, batch)


def tokenized(batches, settings, workers):
    """tokenize_batch(*settings, batch) of each batch, in order, by so many processes; few batches
    are held."""
    if workers == 1:
        yield from (tokenize_batch(*settings, batch) for batch in batches)
        return
    # a fork would copy the threads of torch and NCCL
    started = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, started, start_worker, settings) as pool:
        while some := list(itertools.islice(batches, AHEAD * workers)):
            yield from pool.map(work, some)


def tokenize_file(own, tokenizer, max_length, folder, workers=None):
    """Write the rows of a run (own: OwnOptions) as Arrow files of input_ids and labels
    (memory-mapped later); returns {"train": count(), "eval": count(), "too_long": n}.

    workers  processes; by default one a core, and a single one for up to ALONE rows
    Raises BadInput that names file and row where a row has no known form or would train the wrong
    tokens.
    """
    folder.mkdir(parents=True)
    held, total = held_out_ids(own.train_file, own.eval_rows, own.limit)
    workers = workers or (1 if total <= ALONE else len(os.sched_getaffinity(0)))
    rows, too_long = r.read(own.train_file, limit=own.limit), 0
    rows = iter(r.progress(rows, total=total, desc="tokenise"))
    batches = iter(lambda: list(itertools.islice(rows, BATCH)), [])
    with contextlib.ExitStack() as stack:
        writers = {}
        for part in PARTS:
            file = stack.enter_context(r.write_aside(folder / f"{part}.arrow"))
            writers[part] = stack.enter_context(pyarrow.ipc.new_stream(file, SCHEMA)).write_batch
        for name in (REJECTED, HELD_OUT):
            writers[name] = stack.enter_context(r.write_aside(folder.parent / name)).writelines
        settings = (tokenizer, own.train_file, held, max_length)
        for made in tokenized(batches, settings, workers):
            too_long += len(made[REJECTED])
            for name, write in writers.items():
                write(made[name])
    found = {part: count(folder / f"{part}.arrow") for part in PARTS} | {"too_long": too_long}
    if not found["train"]["rows"]:
        raise r.BadInput(f"{own.train_file}: all {too_long} rows are longer than --max_length")
    return found


def count(path):
    """What is in a file of tokens: {rows, tokens, trained_tokens, longest}."""
    table = pyarrow.ipc.open_stream(pyarrow.memory_map(str(path))).read_all()
    lengths = pc.list_value_length(table["input_ids"]).to_numpy().astype(int)
    trained = pc.not_equal(pc.list_flatten(table["labels"]), t.IGNORED)
    return {
        "rows": len(lengths),
        "tokens": int(lengths.sum()),
        "trained_tokens": pc.sum(trained).as_py() or 0,
        "longest": int(lengths.max(initial=0)),
    }
