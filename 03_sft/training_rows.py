"""Rows as conversations, and conversations as tokens of which only the answers are trained.

Forms, told apart by their fields (FORMS, the first that fits); a field may hold a text or a chat
list, a `system` text may stand beside each:
    prompt, completion     TRL                                          the completion is trained
    messages               [{role, content}, ...]                       every assistant turn is
    conversations          ShareGPT: [{from, value}, ...]               every assistant turn is
    instruction, output    Alpaca (+ input)                             output is
    question, answer       one question and its answer                  answer is

Imported by token_files.py; no command of its own: `sft.py --check_only` shows the first row.
"""

import itertools

FORMS = (
    ("prompt", "completion"),
    ("messages",),
    ("conversations",),
    ("instruction", "output"),
    ("question", "answer"),
)
SHAREGPT = {"human": "user", "gpt": "assistant", "chatgpt": "assistant"}
IGNORED = -100  # label of a token that is read but not trained


def conversation(row):
    """Messages of one row and the index of the first that may be trained; raises ValueError that
    says what is wrong.

    row  dict in one of the forms above  ->  ([{"role", "content"}, ...], int)
    """
    fields = next((fields for fields in FORMS if row.keys() >= set(fields)), None)
    if fields is None:
        forms = " or ".join(" and ".join(fields) for fields in FORMS)
        raise ValueError(f"needs the fields {forms}; this row has {', '.join(row)}")
    asked, *answered = (row[field] for field in fields)
    if fields[0] == "instruction" and row.get("input"):
        asked = f"{asked}\n\n{row['input']}"
    system = turns(row["system"], "system") if row.get("system") else []
    prompt = system + turns(asked, "user")
    answer = turns(answered[0], "assistant") if answered else []
    check_turns(prompt + answer)
    return prompt + answer, len(prompt) if answered else 0


def turns(value, role):
    """Turns of a chat list; anything else is the text of one turn."""
    if not isinstance(value, list):  # also null, which check_turns names
        return [{"role": role, "content": value}]
    try:
        names = ("from", "value") if value and "from" in value[0] else ("role", "content")
        said = [[part[name] for name in names] for part in value]
    except (KeyError, TypeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise ValueError(f"a turn is not in the form of its kind ({reason})") from None
    return [{"role": SHAREGPT.get(role, role), "content": text} for role, text in said]


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


def refusal(labels, eos_id):
    """Why this row would train the wrong thing, or None. Every trained stretch must end with the
    end-of-turn token."""
    if IGNORED not in labels:
        return "every token of it is trained, the prompt too"
    for label, following in itertools.pairwise([*labels, IGNORED]):
        if following == IGNORED and label not in (IGNORED, eos_id):
            return "its trained tokens do not end with the end-of-turn token"
    return None


def preview(tokenizer, input_ids, labels, limit=3000):
    """One row as text with the trained tokens between [[ and ]]."""
    text = ""
    pairs = zip(input_ids, labels, strict=True)
    for ignored, stretch in itertools.groupby(pairs, key=lambda pair: pair[1] == IGNORED):
        part = tokenizer.decode([token for token, _ in stretch])
        text += part if ignored else f"[[{part}]]"
    trained = sum(label != IGNORED for label in labels)
    if len(text) > limit:
        cut = f"\n[... {len(text) - limit:,} characters ...]\n"
        text = text[: limit * 2 // 3] + cut + text[-limit // 3 :]
    return f"--- first row: {len(input_ids)} tokens, {trained} trained ([[...]]) ---\n{text}\n---"
