"""The prompts of the benchmarks and the message of a row.

messages(row) -> chat messages;  prompt_id(thinking) -> hash that scores must share to be compared
"""

import string

import rows as r
from batch_generate import fill

CHOICE_PROMPT = """Work out the answer to the multiple-choice question below, step by step.

<passage>Question: <question>
<options>

End with a last line of the form 'Answer: X', where X is the letter of the right option."""

OPEN_PROMPT = """<passage><question>

<unit>Reason step by step and put the final answer within \\boxed{}."""

PASSAGE = "Passage: <passage>\n\n"
UNIT = "State the answer in this unit: <unit>\n"


def lettered(options):
    """A line for each option, its letter before it."""
    pairs = zip(string.ascii_uppercase, options or (), strict=False)
    return "\n".join(f"{letter}. {option}" for letter, option in pairs)


def user_message(row):
    """The question as it is put to the model."""
    passage = fill(PASSAGE, passage=row["passage"]) if row.get("passage") else ""
    if row["kind"] == "choice":
        texts = dict(options=lettered(row["options"]), passage=passage, question=row["question"])
        return fill(CHOICE_PROMPT, **texts)
    unit = fill(UNIT, unit=row["unit"]) if row.get("unit") else ""
    return fill(OPEN_PROMPT, unit=unit, passage=passage, question=row["question"])


def messages(row):
    return [{"role": "user", "content": user_message(row)}]


def prompt_id(thinking=None):
    """Hash of everything in the prompts that is not the row's own: scores with different ids are
    not comparable."""
    return r.text_hash(CHOICE_PROMPT, OPEN_PROMPT, PASSAGE, UNIT, str(thinking))[:8]
