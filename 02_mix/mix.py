"""Make the training file: chat-form rows in the order of a seed, whole rows within the token limit,
each with its provenance, and a card.

    python 02_mix/mix.py --input selected.jsonl --recipe 02_mix/recipes/demo.yaml --tokenizer MODEL --output train.jsonl

in   rows of select_rows.py, or any with question, answer and, where they are known, source,
     source_id, subject, license, reference_answer, selection
out  X.jsonl: id, prompt and completion (chat messages), question, source, source_id, subject,
     license, reference_answer, selection, selection_score, recipe, recipe_hash, n_tokens (in the
     student's chat template), extra (JSON of all other fields). Rejected: "too long" (never cut),
     "empty question", "empty answer", "not in the recipe". Beside it: data/X-*.parquet (the same
     rows), X.manifest.json (hashes of all files), X.mixture.png, README.md (dataset card: where
     every row of every source went)

Order and rows depend on the seed and the ids alone. --append-reference ends answers that commit to
nothing with "The final answer is \\boxed{x}" ("Answer: B" for a letter), where the reference is at
most eight words. Files that were cleaned apart should go through dedup.py and decontaminate.py once
more: both read X.jsonl.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import contextlib
import functools
import itertools
import json
import re
import tempfile

import card
import count_tokens
import load_sources
import row_forms
import select_rows

import rows as r

SHARD_ROWS = 250_000  # of a parquet file
BATCH = 2048  # rows written at once
BUCKETS = 64  # files that rows are sorted through
COLUMNS = "source source_id subject license reference_answer selection".split()
USED = {"id", "question", "answer", "system", "selection_score", "n_tokens", *COLUMNS}


def with_reference(row):
    """The row with its reference as a last line, where the answer commits to nothing and the
    reference is short: boxed, or "Answer: B" for a letter."""
    reference = row.get("reference_answer")
    reference = reference.strip() if isinstance(reference, str) else ""
    if not 0 < len(reference) <= 80 or "\n" in reference or len(reference.split()) > 8:
        return row
    answer, line = row["answer"], f"The final answer is \\boxed{{{reference}}}."
    stated = re.search(r"\b(final )?answer\b[^\n]{0,40}\b(is|:)", answer[-200:], re.I)
    if stated or row_forms.final_of(answer) not in (None, answer):
        return row
    if re.fullmatch(r"\(?[A-J]\)?\.?", reference):
        line = f"Answer: {reference.strip('().')}"
    return {**row, "answer": f"{answer.rstrip()}\n\n{line}", "appended_reference": True}


def train_row(row, recipe, recipe_hash):
    """A row in TRL's conversational prompt-completion form, with the same columns and types
    whatever its source."""
    chat = count_tokens.conversation(row)
    made = {
        "id": row["id"],
        "prompt": chat[:-1],
        "completion": chat[-1:],
        "question": row["question"],
    }
    made |= {name: None if row.get(name) is None else str(row[name]) for name in COLUMNS}
    score, extra = row.get("selection_score"), {k: v for k, v in row.items() if k not in USED}
    return made | {
        "selection_score": None if score is None else float(score),
        "recipe": recipe,
        "recipe_hash": recipe_hash,
        "n_tokens": row["n_tokens"],
        "extra": json.dumps(extra, ensure_ascii=False) if extra else None,
    }


def schema():
    import pyarrow as pa

    message = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
    columns = dict.fromkeys(["id", "prompt", "completion", "question", *COLUMNS], pa.string())
    columns |= {"prompt": message, "completion": message, "selection_score": pa.float64()}
    columns |= {"recipe": pa.string(), "recipe_hash": pa.string(), "n_tokens": pa.int64()}
    return pa.schema({**columns, "extra": pa.string()})


def table_of(rows):
    import pyarrow as pa

    try:
        return pa.Table.from_pylist(rows, schema=schema())
    except UnicodeEncodeError:  # lone surrogates have no UTF-8 form, which Arrow insists on
        plain = json.dumps(rows, ensure_ascii=False).encode("utf-8", "replace")
        return pa.Table.from_pylist(json.loads(plain), schema=schema())


def write_shards(rows, folder, stem):
    """Write rows to parquet files of SHARD_ROWS, named once all are there; returns the paths.
    Shards of an earlier run of this name are removed."""
    from pyarrow.parquet import ParquetWriter

    folder.mkdir(parents=True, exist_ok=True)
    rows, aside = iter(rows), []
    first = list(itertools.islice(rows, 1))
    while first or not aside:
        shard = itertools.chain(first, itertools.islice(rows, SHARD_ROWS - 1))
        aside.append(folder / f".{stem}-{len(aside):05d}.part")
        with r.naming(aside[-1]), ParquetWriter(aside[-1], schema(), compression="zstd") as file:
            while batch := list(itertools.islice(shard, BATCH)):
                file.write_table(table_of(batch))
        first = list(itertools.islice(rows, 1))
    old = {*folder.glob(f"{stem}-*-of-*.parquet"), *folder.glob(f".{stem}-*.part")}
    for path in old - set(aside):
        path.unlink()
    name = f"{stem}-{{:05d}}-of-{len(aside):05d}.parquet"
    return [path.replace(folder / name.format(number)) for number, path in enumerate(aside)]


# ---- rows in ----


def trainable(args, step, sources):
    """The rows to mix; those that cannot be trained on or that the recipe does not name are
    rejected."""
    seen = set()
    for path in args.input:
        for row in step.read(path, "question", "answer", "subject?", "reference_answer?"):
            key = hash(row["id"])
            if key in seen:
                raise r.BadInput(f'{path}: id "{row["id"]}" stands already in another --input file')
            seen.add(key)
            row["source"] = row.get("source") or Path(path).stem
            row.setdefault("source_id", row["id"])
            row["license"] = r.license_id(row.get("license"))
            row["selection"] = row.get("selection") or "all rows of the input"
            empty = [name for name in ("question", "answer") if not (row[name] or "").strip()]
            if sources and row["source"] not in sources:
                step.reject(row, "not in the recipe")
            elif empty:
                step.reject(row, f"empty {empty[0]}")
            else:
                yield with_reference(row) if args.append_reference else row


def fitting(rows, step, tokenizer, max_tokens):
    """The rows within the limit, with n_tokens; without a tokenizer nothing is counted."""
    counted = count_tokens.counted(rows, tokenizer) if tokenizer else ((row, None) for row in rows)
    for row, tokens in counted:
        row["n_tokens"] = tokens
        if max_tokens and tokens > max_tokens:
            step.reject(row, "too long")
        else:
            yield row


def mixed(rows, seed, folder):
    """Any number of rows in the order of the seed, sorted in temporary files without a name:
    nothing is left after a crash, and one in BUCKETS of the rows is in memory."""
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        make = functools.partial(tempfile.TemporaryFile, dir=folder, buffering=1 << 18)
        files = [stack.enter_context(make()) for _ in range(BUCKETS)]
        for row in rows:
            key = select_rows.order_key(seed, row["id"], "mix")
            files[key * BUCKETS >> 64].write(b"%016x" % key + r.dumps(row))
        for file in files:
            file.seek(0)
            for line in sorted(file):
                yield r.decode(line[16:])


def settings(args, recipe):
    """What the mixture is made by, as one dict: the options given, else the recipe's. Its hash
    stands in every row."""
    defaults = dict(seed=42, tokenizer=None, max_tokens=4096, append_reference=False)
    for name, default in defaults.items():
        if getattr(args, name) is None:
            setattr(args, name, recipe.get(name, default))
    if args.tokenizer is None and args.max_tokens:
        raise r.BadInput(
            "--tokenizer: name the student's (hub id or folder of the model) for the token limit, or say --max-tokens 0 for no limit"
        )
    return {**recipe, **{name: getattr(args, name) for name in defaults if name != "tokenizer"}}


def options_of():
    parser = r.parser(__doc__, "output", "fresh")
    add = parser.add_argument
    add("--input", nargs="+", required=True, metavar="FILE", help="rows to mix")
    add("--recipe", metavar="FILE", help="its sources go in, no others; its settings hold")
    add("--tokenizer", metavar="NAME_OR_FOLDER", help="the student's (default: the recipe's)")
    add("--max-tokens", type=int, metavar="N", help="0: no limit (default: the recipe's or 4096)")
    add("--append-reference", action="store_true", default=None, help="to unclear answers")
    add("--seed", type=int, metavar="N", help="of the order (default: the recipe's, else 42)")
    return parser.parse_args()


def main():
    args = options_of()
    recipe = load_sources.read_recipe(args.recipe) if args.recipe else {"name": "inputs"}
    made_by = settings(args, recipe)
    recipe_hash = r.text_hash(made_by)
    tokenizer = count_tokens.Tokenizer(args.tokenizer) if args.tokenizer else None
    named = tokenizer and {"name": Path(tokenizer.name).name, "sha256": tokenizer.hash}
    inputs = [*args.input, *filter(None, [args.recipe])]
    code = (card, count_tokens, load_sources, load_sources.TABLE, row_forms, select_rows)
    made = dict(recipe=made_by, recipe_hash=recipe_hash, tokenizer=named)
    step = r.Step(args, inputs=inputs, code=code, **made)
    if step.finished():
        # without a manifest it was stopped between the rows and the card
        if not r.beside(step.output, "manifest.json").is_file():
            card.write(step.output)
        return
    sources = {entry["source"] for entry in recipe.get("sources", ())}
    rows = r.progress(trainable(args, step, sources), desc=step.output.name)
    rows = fitting(rows, step, tokenizer, args.max_tokens)

    def kept():
        for row in mixed(rows, args.seed, step.output.parent):
            made = train_row(row, recipe["name"], recipe_hash)
            step.keep(made)
            yield made

    files = write_shards(kept(), step.output.parent / "data", step.output.stem)
    step.finish(files=[str(path.relative_to(step.output.parent)) for path in files])
    card.write(step.output)


if __name__ == "__main__":
    r.run(main)
