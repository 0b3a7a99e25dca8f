"""Make the training file: chat-form rows in the order of a seed, whole rows within the token limit,
each with its provenance, and a card.

    python 02_mix/mix.py --input selected.jsonl --recipe 02_mix/recipes/demo.yaml --tokenizer MODEL --output train.jsonl

in   rows of select_rows.py, or any with question, answer and, where they are known, source,
     source_id, subject, license, reference_answer, selection
out  X.jsonl: id, prompt and completion (chat messages), question, source, source_id, subject,
     license, reference_answer, selection, selection_score, recipe, recipe_hash, n_tokens (in the
     student's chat template), extra (JSON of all other fields). Rejected: "too long" (never cut),
     "empty question", "empty answer", "not in the recipe". Beside it: README.md (dataset card: where
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
import load_sources
import row_forms
import select_rows

import batch_generate
import rows as r

BATCH = 512  # rows tokenized at once
BUCKETS = 64  # files that rows are sorted through
COLUMNS = "source source_id subject license reference_answer selection".split()
USED = {"id", "question", "answer", "system", "selection_score", "n_tokens", *COLUMNS}


# ---- one row ----


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


def conversation(row):
    """Chat messages of a row."""
    turns = [("user", row["question"]), ("assistant", row["answer"])]
    if row.get("system"):
        turns.insert(0, ("system", row["system"]))
    return [{"role": role, "content": text} for role, text in turns]


def train_row(row, recipe, recipe_hash):
    """A row in TRL's conversational prompt-completion form, with the same columns and types
    whatever its source."""
    chat = conversation(row)
    score, extra = row.get("selection_score"), {k: v for k, v in row.items() if k not in USED}
    return {
        "id": row["id"],
        "prompt": chat[:-1],
        "completion": chat[-1:],
        "question": row["question"],
        **{name: None if row.get(name) is None else str(row[name]) for name in COLUMNS},
        "selection_score": None if score is None else float(score),
        "recipe": recipe,
        "recipe_hash": recipe_hash,
        "n_tokens": row["n_tokens"],
        "extra": json.dumps(extra, ensure_ascii=False) if extra else None,
    }


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


def load_tokenizer(name):
    """The student's tokenizer, with the template that sft.py gives to a model without one."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(name)
    except Exception as error:  # plain, for a missing, gated or broken tokenizer
        raise r.BadInput(
            f"--tokenizer {name} cannot be loaded ({str(error)[:200]}): give a hub id or a folder"
        ) from None
    if not tokenizer.chat_template:
        batch_generate.add_template(tokenizer)
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    return tokenizer


def lengths(tokenizer, rows):
    """Tokens of each of the rows in the chat template."""
    import jinja2

    try:
        texts = tokenizer.apply_chat_template([*map(conversation, rows)], tokenize=False)
    except jinja2.TemplateError as error:
        raise r.BadInput(f"the chat template refuses a row: {error}") from None
    # the tokenizer beneath: transformers' own call takes a third more time
    encoded = tokenizer.backend_tokenizer.encode_batch_fast(texts, add_special_tokens=False)
    return list(map(len, encoded))


def fitting(rows, step, tokenizer, max_tokens):
    """The rows within the limit, with n_tokens; without a tokenizer nothing is counted."""
    rows = iter(rows)
    while batch := list(itertools.islice(rows, BATCH)):
        counts = lengths(tokenizer, batch) if tokenizer else [None] * len(batch)
        for row, tokens in zip(batch, counts, strict=True):
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


def options_of():
    parser = r.parser(__doc__, "output", "seed", "fresh")
    add = parser.add_argument
    add("--input", nargs="+", required=True, metavar="FILE", help="rows to mix")
    add("--recipe", metavar="FILE", help="its sources go in, no others")
    add("--tokenizer", metavar="NAME_OR_FOLDER", help="the student's, for the token limit")
    add("--max-tokens", type=int, default=4096, metavar="N", help="0: no limit (default 4096)")
    add("--append-reference", action="store_true", help="to answers that commit to nothing")
    args = parser.parse_args()
    if args.tokenizer is None and args.max_tokens:
        parser.error(
            "--tokenizer: name the student's (hub id or folder of the model) for the token limit, or say --max-tokens 0 for no limit"
        )
    return args


def main():
    args = options_of()
    recipe = load_sources.read_recipe(args.recipe) if args.recipe else {"name": "inputs"}
    settings = ("seed", "max_tokens", "append_reference")
    made_by = recipe | {name: getattr(args, name) for name in settings}
    recipe_hash = r.text_hash(made_by)
    inputs = [*args.input, *filter(None, [args.recipe])]
    code = (card, load_sources, load_sources.TABLE, row_forms, select_rows)
    step = r.Step(args, inputs=inputs, code=code, recipe=made_by, recipe_hash=recipe_hash)
    card_path = r.card_beside(step.output)
    if not step.finished():
        card_path.unlink(missing_ok=True)  # it tells of other rows
        tokenizer = load_tokenizer(args.tokenizer) if args.tokenizer else None
        sources = {entry["source"] for entry in recipe.get("sources", ())}
        rows = r.progress(trainable(args, step, sources), desc=step.output.name)
        rows = fitting(rows, step, tokenizer, args.max_tokens)
        for row in mixed(rows, args.seed, step.output.parent):
            step.keep(train_row(row, recipe["name"], recipe_hash))
        step.finish()
    if not card_path.is_file():
        card.write(step.output)


if __name__ == "__main__":
    r.run(main)
