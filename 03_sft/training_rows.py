"""Rows as conversations, and conversations as tokens of which only the answers are trained.

Forms, told apart by their fields (the first that fits):
    prompt, completion     chat lists or plain texts                   the completion is trained
    messages               [{role, content}, ...]                      every assistant turn is
    conversations          ShareGPT: [{from, value}, ...] (+ system)   every assistant turn is
    instruction, output    Alpaca (+ input, system)                    output is
    question, answer       one question and its answer                 answer is

Imported by token_files.py; no command of its own: `sft.py --check_only` shows the first row.
"""

import itertools

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
    read = next((read for fields, read in FORMS.items() if row.keys() >= set(fields)), None)
    if read is None:
        forms = " or ".join(" and ".join(fields) for fields in FORMS)
        raise ValueError(f"needs the fields {forms}; this row has {', '.join(row)}")
    try:
        prompt, answer = read(row)
    except (KeyError, TypeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise ValueError(f"a turn is not in the form of its kind ({reason})") from None
    check_turns(prompt + answer)
    return prompt + answer, len(prompt)


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


FORMS = {  # the first whose fields a row has
    ("prompt", "completion"): read_completion,
    ("messages",): read_messages,
    ("conversations",): read_sharegpt,
    ("instruction", "output"): read_alpaca,
    ("question", "answer"): read_pair,
}


def check_turns(messages):
    """Raise ValueError for an unknown role, an empty turn or a last turn that is no answer."""
    for number, message in enumerate(messages, 1):
        role, text = message["role"], message["content"]
        if role not in ("system", "user", "assistant"):
            raise ValueError(f'turn {number}: role "{role}" is none of system, user, assistant')
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"turn {number} ({role}) has no text")
    if not messages or messages[-1]["role"] != "assistant":
        raise ValueError("the last turn must be the assistant's answer")


def render(tokenizer, messages, prompt=False):
    """Text of a conversation; prompt=True ends with the opening of the answer, as at evaluation."""
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
            if not last:
                continue  # Qwen3's template takes the thinking out of earlier turns: not trained
            raise ValueError(
                "the chat template does not render the prompt alone as the beginning of the whole "
                "conversation, so the model would be trained on another prompt than it reads later"
            )
        end = len(before) + len(full[len(before) : len(after)].rstrip())
        cut += [(full[done : len(before)], False), (full[len(before) : end], True)]
        done = end
    return [piece for piece in [*cut, (full[done:], False)] if piece[0]]


def encode(tokenizer, rows):
    """Token ids and labels of many conversations: [pieces(), ...] -> [(input_ids, labels), ...];
    untrained labels are -100."""
    texts = [text for row in rows for text, _ in row]
    flat = iter(tokenizer(texts, add_special_tokens=False, verbose=False).input_ids)
    encoded = []
    for row in rows:
        ids, labels = [], []
        for _, trained in row:
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
    for label, following in itertools.pairwise([*labels, IGNORED]):
        if following == IGNORED and label not in (IGNORED, eos_id):
            return "its trained tokens do not end with the end-of-turn token"
    return None


def preview(tokenizer, input_ids, labels, color=False, limit=3000):
    """One row as text with the trained tokens marked: green on a terminal, between [[ and ]]
    elsewhere."""
    begin, end = ("\033[32m", "\033[0m") if color else ("[[", "]]")
    text = ""
    pairs = zip(input_ids, labels, strict=True)
    for ignored, stretch in itertools.groupby(pairs, key=lambda pair: pair[1] == IGNORED):
        part = tokenizer.decode([token for token, _ in stretch])
        text += part if ignored else begin + part + end
    trained = sum(label != IGNORED for label in labels)
    if len(text) > limit:
        cut = f"\n[... {len(text) - limit:,} characters ...]\n"
        text = text[: limit * 2 // 3] + cut + text[-limit // 3 :]
    return f"--- first row: {len(input_ids)} tokens, {trained} of them trained (marked) ---\n{text}\n---"
