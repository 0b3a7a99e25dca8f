"""A training file as tokens on the disk: made by all cores, kept under a key, read by all processes.

Imported by sft.py; no command of its own. output_dir/tokens/nodeN/ (one for each machine) holds
train.arrow, eval.arrow (ids and labels), counts.json, sft.heldout.jsonl (rows kept back),
sft.rejected.jsonl (rows longer than max_length) and, written last, key.json.
"""

import collections
import heapq
import itertools
import json
import os
import shutil
from pathlib import Path

import training_rows as t
from training_options import say

import rows as r

BATCH = 1000  # rows tokenised at once
ALONE = 5000  # rows up to which one process does it: to start another takes as long as these
FILES = ("sft.rejected.jsonl", "sft.heldout.jsonl")


def held_out_ids(path, wanted, limit=None):
    """(ids of the rows kept back for evaluation, number of rows): those with the smallest hashes, so
    that the choice does not hang on the order of rows.

    wanted  how many, or None: 1 %, 16 to 500, and none of fewer than 64 rows
    """
    ids = [row["id"] for row in r.read(path, limit=limit)]
    if wanted is None:
        wanted = min(500, max(16, len(ids) // 100)) if len(ids) >= 64 else 0
    if wanted >= len(ids):
        raise r.BadInput(f"--eval_rows {wanted}: {path} has only {len(ids)} rows")
    held = heapq.nsmallest(wanted, ids, key=lambda row_id: r.text_hash("held out", row_id))
    return set(held), len(ids)


def key_of(own, args, tokenizer):
    """What the tokens depend on, as short hashes and values; equal keys are equal tokens."""

    def short(*values):
        return r.text_hash(*values)[:12]

    files = [path and r.file_hash(path) for path in (own.train_file, own.eval_file)]
    words = getattr(tokenizer, "backend_tokenizer", None)
    words = words.to_str() if words else sorted(tokenizer.get_vocab().items())
    return {
        "rows": short(files, own.eval_rows, own.limit),
        "tokenizer": short(words, tokenizer.eos_token, tokenizer.pad_token),
        "template": short(tokenizer.chat_template),
        "max_length": args.max_length,
        "packing": args.packing,
        "code": short(r.file_hash(t.__file__), r.file_hash(__file__)),
    }


def write_key(key):
    return ", ".join(f"{name} {value}" for name, value in key.items())


def make_tokens(own, args, tokenizer, tokens):
    """Fill the folder, or leave it where it was made with the same key. Raises BadInput, with both
    keys, where a run that has begun was made with another one."""
    key, made = key_of(own, args, tokenizer), tokens / "key.json"
    old = json.loads(made.read_text()) if made.is_file() else None
    if old == key:
        say(f"tokens: those in {tokens} are used again ({write_key(key)})")
        return
    if old and (Path(args.output_dir) / "sft.started.json").is_file():
        raise r.BadInput(
            f"{tokens} holds the tokens of a run that has begun, made with {write_key(old)}; now it "
            f"is {write_key(key)}; choose another --output_dir, or start over with --fresh"
        )
    shutil.rmtree(tokens, ignore_errors=True)
    say(f"tokens: {write_key(key)}")
    found = tokenize_file(
        own.train_file,
        tokenizer,
        args.max_length,
        tokens,
        own.eval_rows,
        own.eval_file,
        own.limit,
        args.dataset_num_proc,
    )
    r.write_json(tokens / "counts.json", found)
    r.write_json(made, key)


def prepare_data(own, args, tokenizer, state):
    """Tokenised and packed data sets, and what is in them: (train, eval or None, counts). The first
    process of a machine writes, the others wait (ddp_timeout) and read."""
    from datasets import Dataset
    from trl import pack_dataset

    folder = Path(args.output_dir)
    tokens = folder / "tokens" / f"node{os.environ.get('GROUP_RANK', 0)}"
    if state.is_local_main_process:
        make_tokens(own, args, tokenizer, tokens)
    if state.is_main_process:
        for name in FILES:
            shutil.copyfile(tokens / name, folder / name)
    state.wait_for_everyone()
    sets = []
    with state.local_main_process_first():
        for part in ("train", "eval"):
            data = Dataset.from_file(str(tokens / f"{part}.arrow"))
            if args.packing and len(data):
                data = pack_dataset(data, args.max_length, "bfd")
            sets.append(data if len(data) else None)
    return *sets, json.loads((tokens / "counts.json").read_text())


def column_type():
    import pyarrow

    return pyarrow.list_(pyarrow.int32())


def conversations(batch, tokenizer):
    """t.conversation() of each row; raises BadInput that names the row."""
    chats = []
    for _, source, row in batch:
        try:
            chats.append(t.conversation(row))
            if len(chats) == 1:
                t.pieces(tokenizer, *chats[0])  # a template that does not fit
        except ValueError as error:
            raise r.BadInput(f'{source}, row "{row["id"]}": {error}') from None
    return chats


def tokenize_batch(batch, tokenizer, max_length):
    """Tokens of some rows: {"train": columns, "eval": columns, "rejected": lines, "kept_back":
    lines, "first": (ids, labels) or None}.

    batch  [(part, source, row), ...];  columns  Arrow arrays of input_ids and of labels
    """
    import pyarrow

    pairs = {"train": [], "eval": []}
    rejected, kept_back = [], []
    encoded = t.encode(tokenizer, conversations(batch, tokenizer))
    for (part, source, row), (ids, labels) in zip(batch, encoded, strict=True):
        if reason := t.refusal(ids, labels, tokenizer.eos_token_id):
            raise r.BadInput(f'{source}, row "{row["id"]}": {reason}')
        if len(ids) > max_length:
            rejected.append(r.dumps({**row, "reason": "too long", "n_tokens": len(ids)}))
            continue
        pairs[part].append((ids, labels))
        if part == "eval":
            kept_back.append(r.dumps(row))
    made = {"rejected": rejected, "kept_back": kept_back}
    made["first"] = next(iter(pairs["train"] + pairs["eval"]), None)
    for part, kept in pairs.items():
        made[part] = [pyarrow.array([pair[i] for pair in kept], column_type()) for i in (0, 1)]
    return made


def start_worker(tokenizer, max_length):
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # there are as many processes as cores
    start_worker.settings = tokenizer, max_length


def work(batch):
    return tokenize_batch(batch, *start_worker.settings)


def tokenized(batches, tokenizer, max_length, workers):
    """tokenize_batch() of each batch, in order, by so many processes; few batches are held."""
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    if workers == 1:
        yield from (tokenize_batch(batch, tokenizer, max_length) for batch in batches)
        return
    # a fork would copy the threads of torch and NCCL
    started = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, started, start_worker, (tokenizer, max_length)) as pool:
        waiting = collections.deque()
        for batch in batches:
            waiting.append(pool.submit(work, batch))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def sources(path, held, total, eval_path, limit):
    """(part, file, row) of all rows, with a progress bar."""
    for row in r.progress(r.read(path, limit=limit), total=total, desc="tokenise"):
        yield ("eval" if row["id"] in held else "train"), path, row
    for row in r.read(eval_path) if eval_path else ():
        yield "eval", eval_path, row


def tokenize_file(
    path, tokenizer, max_length, folder, eval_rows=None, eval_path=None, limit=None, workers=None
):
    """Write the rows of a file as Arrow files of input_ids and labels (memory-mapped later);
    returns {"train": count(), "eval": count(), "too_long": n, "first": (ids, labels)}.

    workers  processes; by default one a core, and a single one for up to ALONE rows
    Raises BadInput that names file and row where a row has no known form or would train the wrong
    tokens.
    """
    import pyarrow

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    held, total = held_out_ids(path, 0 if eval_path else eval_rows, limit)
    if not workers:
        workers = 1 if total <= ALONE else len(os.sched_getaffinity(0))
    schema = pyarrow.schema([(name, column_type()) for name in ("input_ids", "labels")])
    found = {"too_long": 0, "first": None}
    rows = sources(path, held, total, eval_path, limit)
    batches = iter(lambda: list(itertools.islice(rows, BATCH)), [])
    with (
        r.write_aside(folder / "train.arrow") as train,
        r.write_aside(folder / "eval.arrow") as held_file,
        r.write_aside(folder / FILES[0]) as rejected,
        r.write_aside(folder / FILES[1]) as kept_back,
        pyarrow.ipc.new_stream(train, schema) as train_writer,
        pyarrow.ipc.new_stream(held_file, schema) as eval_writer,
    ):
        for made in tokenized(batches, tokenizer, max_length, workers):
            found["first"] = found["first"] or made["first"]
            found["too_long"] += len(made["rejected"])
            rejected.writelines(made["rejected"])
            kept_back.writelines(made["kept_back"])
            for part, writer in (("train", train_writer), ("eval", eval_writer)):
                writer.write_batch(pyarrow.record_batch(made[part], schema=schema))
    found |= {part: count(folder / f"{part}.arrow") for part in ("train", "eval")}
    if not found["train"]["rows"]:
        raise r.BadInput(f"{path}: all {found['too_long']} rows are longer than --max_length")
    return found


def count(path):
    """What is in a file of tokens: {rows, tokens, trained_tokens, longest, squares}."""
    import pyarrow
    import pyarrow.compute as pc

    table = pyarrow.ipc.open_stream(pyarrow.memory_map(str(path))).read_all()
    lengths = pc.list_value_length(table["input_ids"]).to_numpy().astype(int)
    trained = pc.not_equal(pc.list_flatten(table["labels"]), t.IGNORED)
    return {
        "rows": len(lengths),
        "tokens": int(lengths.sum()),
        "trained_tokens": pc.sum(trained).as_py() or 0,
        "longest": int(lengths.max(initial=0)),
        "squares": int((lengths**2).sum()),  # for the attention part of the FLOPs
    }
