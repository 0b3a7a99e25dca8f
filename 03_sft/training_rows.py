"""Rows of a training file as conversations, and conversations as tokens of which only the answers are trained.

Forms that are told apart by their fields (the first that fits):
    prompt, completion           chat lists or plain texts                       the completion is trained
    messages                     [{role, content}, ...]                          every assistant turn is trained
    conversations                ShareGPT: [{from, value}, ...] (+ system)       every assistant turn is trained
    instruction, output          Alpaca (+ input, system)                        output is trained
    question, answer             one question and its answer                     answer is trained

sft.py calls tokenize_file(); `python 03_sft/training_rows.py --input ROWS --model M` prints the preview alone.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import heapq

import rows as r

SHAREGPT = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "chatgpt": "assistant",
    "system": "system",
}
FORMS = "prompt+completion, messages, conversations, instruction+output or question+answer"
IGNORED = -100  # label of a token that is read but not trained
BATCH = 1000  # rows tokenised at once; the fast tokenizers then use every core


def conversation(row):
    """Messages of one row and the index of the first that may be trained; raises ValueError that says what is wrong.

    row  dict in one of the forms above  ->  ([{"role", "content"}, ...], int)
    """

    def turns(value, role):
        if isinstance(value, str):
            return [{"role": role, "content": value}]
        return [{"role": turn["role"], "content": turn["content"]} for turn in value]

    try:
        if "prompt" in row and "completion" in row:
            prompt = turns(row["prompt"], "user")
            messages, first = prompt + turns(row["completion"], "assistant"), len(prompt)
        elif "messages" in row:
            messages, first = turns(row["messages"], "user"), 0
        elif "conversations" in row:
            system = [{"role": "system", "content": row["system"]}] if row.get("system") else []
            messages, first = (
                system
                + [
                    {"role": SHAREGPT[t["from"]], "content": t["value"]}
                    for t in row["conversations"]
                ],
                0,
            )
        elif "instruction" in row and "output" in row:
            system = [{"role": "system", "content": row["system"]}] if row.get("system") else []
            asked = "\n\n".join(text for text in (row["instruction"], row.get("input")) if text)
            messages, first = (
                [
                    *system,
                    {"role": "user", "content": asked},
                    {"role": "assistant", "content": row["output"]},
                ],
                0,
            )
        elif "question" in row and "answer" in row:
            messages, first = (
                [
                    {"role": "user", "content": row["question"]},
                    {"role": "assistant", "content": row["answer"]},
                ],
                0,
            )
        else:
            raise ValueError(f"needs the fields {FORMS}; this row has {', '.join(row)}")
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"a turn is not in the form of its kind ({type(error).__name__}: {error})"
        ) from None
    for number, message in enumerate(messages):
        if message["role"] not in ("system", "user", "assistant"):
            raise ValueError(
                f'turn {number + 1} has the role "{message["role"]}"; known are system, user and assistant'
            )
        if not isinstance(message["content"], str) or not message["content"].strip():
            raise ValueError(f"turn {number + 1} ({message['role']}) has no text")
    if not messages or messages[-1]["role"] != "assistant":
        raise ValueError("the last turn must be the assistant's answer")
    return messages, first


def render(tokenizer, messages, prompt=False):
    """Text of a conversation; prompt=True ends with the opening of the answer, as the model reads it at evaluation and in chat."""
    return tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=prompt)


def pieces(tokenizer, messages, first=0):
    """Rendered conversation cut into (text, trained) at the bounds of the trained turns.

    Pieces are tokenised one by one, so that a prompt has the very tokens it has at evaluation: no token spans a bound. White space
    that the template puts behind the end of a turn is read but not trained.
    """
    full, done, cut = render(tokenizer, messages), 0, []
    for number, message in enumerate(messages):
        if message["role"] != "assistant" or number < first:
            continue
        last = number == len(messages) - 1
        before = render(tokenizer, messages[:number], prompt=True)
        after = full if last else render(tokenizer, messages[: number + 1])
        if not (full.startswith(before) and full.startswith(after)):
            if not last:  # a template that shortens earlier turns (Qwen3 takes their thinking out): they are read, not trained
                continue
            raise ValueError(
                "the chat template does not render the prompt alone as the beginning of the whole conversation, "
                "so the model would be trained on another prompt than it reads later"
            )
        end = len(before) + len(full[len(before) : len(after)].rstrip())
        cut += [(full[done : len(before)], False), (full[len(before) : end], True)]
        done = end
    return [piece for piece in [*cut, (full[done:], False)] if piece[0]]


def encode(tokenizer, conversations):
    """Token ids and labels of many conversations: [(messages, first), ...] -> [(input_ids, labels), ...]; untrained labels are -100."""
    cut = [pieces(tokenizer, messages, first) for messages, first in conversations]
    flat = iter(
        tokenizer(
            [text for one in cut for text, _ in one], add_special_tokens=False, verbose=False
        ).input_ids
    )
    encoded = []
    for one in cut:
        ids, labels = [], []
        for _, trained in one:
            new = next(flat)
            ids += new
            labels += new if trained else [IGNORED] * len(new)
        encoded.append((ids, labels))
    return encoded


def refusal(ids, labels, eos_id):
    """Why this row would train the wrong thing, or None. Every trained stretch must end with the end-of-turn token."""
    if all(label == IGNORED for label in labels):
        return "no token of it is trained"
    if IGNORED not in labels:
        return "every token of it is trained, the prompt too"
    ends = [
        label
        for label, following in zip(labels, [*labels[1:], IGNORED], strict=True)
        if label != IGNORED and following == IGNORED
    ]
    if any(end != eos_id for end in ends):
        return "its trained tokens do not end with the end-of-turn token, so the model would not learn to stop"
    return None


def preview(tokenizer, ids, labels, color=False, limit=3000):
    """One row as text with the trained tokens marked: green on a terminal, between [[ and ]] elsewhere."""
    begin, end = ("\033[32m", "\033[0m") if color else ("[[", "]]")
    text, start = "", 0
    for place in range(1, len(ids) + 1):
        if place == len(ids) or (labels[place] == IGNORED) != (labels[start] == IGNORED):
            part = tokenizer.decode(
                ids[start:place], skip_special_tokens=False, clean_up_tokenization_spaces=False
            )
            text += part if labels[start] == IGNORED else begin + part + end
            start = place
    trained = sum(label != IGNORED for label in labels)
    if len(text) > limit:
        text = f"{text[: limit * 2 // 3]}\n[... {len(text) - limit:,} characters ...]\n{text[-limit // 3 :]}"
    return f"--- first row: {len(ids)} tokens, {trained} of them trained (marked) ---\n{text}\n---"


def held_out_ids(path, wanted, limit=None):
    """Ids of the rows kept back for evaluation: those with the smallest hashes, so that the choice does not hang on the order of rows.

    wanted  number of rows, or None: 1 % but at least 16 and at most 500, and none where fewer than 64 rows are given
    """
    ids = [row["id"] for row in r.read(path, limit=limit)]
    if wanted is None:
        wanted = min(500, max(16, len(ids) // 100)) if len(ids) >= 64 else 0
    if wanted >= len(ids):
        raise r.BadInput(f"--eval_rows {wanted}: {path} has only {len(ids)} rows")
    return set(
        heapq.nsmallest(wanted, ids, key=lambda row_id: r.text_hash("held out", row_id))
    ), len(ids)


def batches(sources, tokenizer):
    """Lists of up to BATCH (part, source, row, conversation); raises BadInput at a row that has no known form."""
    batch = []
    for part, source, row in sources:
        try:
            batch.append((part, source, row, conversation(row)))
            if len(batch) == 1:
                pieces(tokenizer, *batch[0][3])
        except ValueError as error:
            raise r.BadInput(f'{source}, row "{row["id"]}": {error}') from None
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def tokenize_batch(batch, tokenizer, max_length, found, rejected, kept_back):
    """{"train": (input_ids, labels), "eval": ...} of a batch; counts into `found`, writes long rows to rejected and eval rows to kept_back."""
    columns = {"train": ([], []), "eval": ([], [])}
    for (part, source, row, _), (ids, labels) in zip(
        batch, encode(tokenizer, [chat for *_, chat in batch]), strict=True
    ):
        if reason := refusal(ids, labels, tokenizer.eos_token_id):
            raise r.BadInput(f'{source}, row "{row["id"]}": {reason}')
        if len(ids) > max_length:
            found["too_long"] += 1
            rejected.write(r.dumps({**row, "reason": "too long", "n_tokens": len(ids)}))
            continue
        found["first"] = found["first"] or (ids, labels)
        count = found[part]
        count["rows"] += 1
        count["tokens"] += len(ids)
        count["trained_tokens"] += sum(label != IGNORED for label in labels)
        count["longest"] = max(count["longest"], len(ids))
        count["squares"] += len(ids) ** 2  # for the attention part of the FLOPs
        columns[part][0].append(ids)
        columns[part][1].append(labels)
        if part == "eval":
            kept_back.write(r.dumps(row))
    return columns


def tokenize_file(path, tokenizer, max_length, folder, eval_rows=None, eval_path=None, limit=None):
    """Write the rows of a file as Arrow files of input_ids and labels; returns what is in them.

    folder  gets train.arrow and eval.arrow (memory-mapped later, so memory does not grow with the rows), sft.heldout.jsonl (the rows
            kept back) and sft.rejected.jsonl (rows longer than max_length: dropped whole, never cut)
    returns {"train": {rows, tokens, trained_tokens, longest, squares}, "eval": {...}, "too_long": n, "first": (ids, labels)}
    Raises BadInput that names file and row where a row has no known form or would train the wrong tokens.
    """
    import pyarrow

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    held, total = (set(), None) if eval_path else held_out_ids(path, eval_rows, limit)
    schema = pyarrow.schema(
        [(name, pyarrow.list_(pyarrow.int32())) for name in ("input_ids", "labels")]
    )
    counts = {
        part: dict(rows=0, tokens=0, trained_tokens=0, longest=0, squares=0)
        for part in ("train", "eval")
    }
    found = {**counts, "too_long": 0, "first": None}

    def sources():
        for row in r.progress(r.read(path, limit=limit), total=total, desc="tokenise"):
            yield ("eval" if row["id"] in held else "train"), path, row
        for row in r.read(eval_path) if eval_path else ():
            yield "eval", eval_path, row

    with (
        r.write_aside(folder / "train.arrow") as train,
        r.write_aside(folder / "eval.arrow") as held_file,
        r.write_aside(folder / "sft.rejected.jsonl") as rejected,
        r.write_aside(folder / "sft.heldout.jsonl") as kept_back,
        pyarrow.ipc.new_stream(train, schema) as train_writer,
        pyarrow.ipc.new_stream(held_file, schema) as eval_writer,
    ):
        writers = {"train": train_writer, "eval": eval_writer}
        for batch in batches(sources(), tokenizer):
            columns = tokenize_batch(batch, tokenizer, max_length, found, rejected, kept_back)
            for part, writer in writers.items():
                writer.write_batch(
                    pyarrow.record_batch(
                        [pyarrow.array(c, schema[0].type) for c in columns[part]], schema=schema
                    )
                )
    if not counts["train"]["rows"]:
        raise r.BadInput(
            f"{path}: no row is left to train on ({found['too_long']} are longer than --max_length {max_length})"
        )
    return found


def main():
    parser = r.parser(__doc__, "input")
    parser.add_argument("--model", required=True, help="model or tokenizer, a folder or a hub id")
    args = parser.parse_args()
    from prepare_model import load_tokenizer

    tokenizer, _ = load_tokenizer(args.model)
    row = next(r.read(args.input), None)
    try:
        ((ids, labels),) = encode(tokenizer, [conversation(row or {})])
    except ValueError as error:
        raise r.BadInput(f"{args.input}, first row: {error}") from None
    print(preview(tokenizer, ids, labels, sys.stdout.isatty()))
    print(refusal(ids, labels, tokenizer.eos_token_id) or "this row is fit for training")


if __name__ == "__main__":
    r.run(main)
