"""Rows of a training file as conversations, and conversations as tokens of which only the answers are trained.

Forms that are told apart by their fields (the first that fits):
    prompt, completion           chat lists or plain texts                       the completion is trained
    messages                     [{role, content}, ...]                          every assistant turn is trained
    conversations                ShareGPT: [{from, value}, ...] (+ system)       every assistant turn is trained
    instruction, output          Alpaca (+ input, system)                        output is trained
    question, answer             one question and its answer                     answer is trained

Imported by token_files.py, which tokenises a whole file; no command of its own: `sft.py --check_only` shows the first row.
"""

SHAREGPT = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "chatgpt": "assistant",
    "system": "system",
}
IGNORED = -100  # label of a token that is read but not trained


def conversation(row):
    """Messages of one row and the index of the first that may be trained; raises ValueError that
    says what is wrong.

    row  dict in one of the forms above  ->  ([{"role", "content"}, ...], int)
    """
    read = next((read for fields, read in FORMS if all(field in row for field in fields)), None)
    if read is None:
        forms = [" and ".join(fields) for fields, _ in FORMS]
        raise ValueError(
            f"needs the fields {', '.join(forms[:-1])} or {forms[-1]}; this row has {', '.join(row)}"
        )
    try:
        prompt, answer = read(row)
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"a turn is not in the form of its kind ({type(error).__name__}: {error})"
        ) from None
    messages = prompt + answer
    check_turns(messages)
    return messages, len(prompt)


def turns(value, role="user"):
    if not isinstance(value, list):  # also null, which check_turns names
        return [{"role": role, "content": value}]
    return [{"role": turn["role"], "content": turn["content"]} for turn in value]


def system_of(row):
    return turns(row["system"], "system") if row.get("system") else []


def read_completion(row):
    return turns(row["prompt"]), turns(row["completion"], "assistant")


def read_messages(row):
    return [], turns(row["messages"])


def read_sharegpt(row):
    said = [{"role": SHAREGPT[t["from"]], "content": t["value"]} for t in row["conversations"]]
    return [], system_of(row) + said


def read_alpaca(row):
    asked = "\n\n".join(text for text in (row["instruction"], row.get("input")) if text)
    return system_of(row) + turns(asked), turns(row["output"], "assistant")


def read_pair(row):
    return turns(row["question"]), turns(row["answer"], "assistant")


FORMS = (  # the first whose fields a row has
    (("prompt", "completion"), read_completion),
    (("messages",), read_messages),
    (("conversations",), read_sharegpt),
    (("instruction", "output"), read_alpaca),
    (("question", "answer"), read_pair),
)


def check_turns(messages):
    """Raise ValueError where a conversation has an unknown role, an empty turn or no answer at its
    end."""
    for number, message in enumerate(messages, 1):
        role, text = message["role"], message["content"]
        if role not in ("system", "user", "assistant"):
            raise ValueError(
                f'turn {number} has the role "{role}"; known are system, user and assistant'
            )
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"turn {number} ({role}) has no text")
    if not messages or messages[-1]["role"] != "assistant":
        raise ValueError("the last turn must be the assistant's answer")


def render(tokenizer, messages, prompt=False):
    """Text of a conversation; prompt=True ends with the opening of the answer, as the model reads
    it at evaluation and in chat."""
    return tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=prompt)


def pieces(tokenizer, messages, first=0):
    """Rendered conversation cut into (text, trained) at the bounds of the trained turns.

    Pieces are tokenised one by one, so that a prompt has the very tokens it has at evaluation: no
    token spans a bound. White space that the template puts behind the end of a turn is read but not
    trained.
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
    """Token ids and labels of many conversations: [(messages, first), ...] -> [(input_ids, labels),
    ...]; untrained labels are -100."""
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
    """Why this row would train the wrong thing, or None. Every trained stretch must end with the
    end-of-turn token."""
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
    """One row as text with the trained tokens marked: green on a terminal, between [[ and ]]
    elsewhere."""
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
