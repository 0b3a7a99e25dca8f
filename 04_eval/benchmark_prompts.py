"""The prompts of the benchmarks, with their worked examples, and the messages of a row.

messages(row, shots=0, completion=False) -> chat messages, or one text for a base model;  prompt_id(...) -> hash that scores must share
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import json
import string

from benchmark_rows import KINDS

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

# Worked examples for --few-shot, in the format the prompts ask for: (kind, question, options,
# answer)
# fmt: off
EXAMPLES = [
    ("choice", "Which gas do plants take up for photosynthesis?", ["Nitrogen", "Oxygen", "Carbon dioxide", "Helium"],
     "Photosynthesis builds sugar from water and a gas that supplies the carbon. That gas is carbon dioxide, which is option C.\nAnswer: C"),
    ("math", "A shop sells pens at 3 dollars each. How many dollars do 7 pens cost?", None,
     "One pen costs 3 dollars, so 7 pens cost 7 times 3, which is 21 dollars.\n\\boxed{21}"),
    ("short_text", "What is the name of the force that pulls objects towards the centre of the Earth?", None,
     "Objects near the Earth fall because of the attraction between masses, which is called gravity.\n\\boxed{gravity}"),
    ("choice", "A car covers 150 km in 3 hours at constant speed. What is its speed?", ["50 km/h", "75 km/h", "450 km/h", "30 km/h"],
     "Speed is distance over time: 150 km divided by 3 h gives 50 km/h, which is option A.\nAnswer: A"),
    ("math", "Solve $2x + 6 = 20$ for $x$.", None, "Subtracting 6 gives $2x = 14$; dividing by 2 gives $x = 7$.\n\\boxed{7}"),
    ("short_text", "Which organ pumps blood through the human body?", None,
     "Blood circulates because a muscular organ in the chest contracts: the heart.\n\\boxed{heart}"),
    ("choice", "Which data structure hands out its elements in first-in, first-out order?", ["Stack", "Heap", "Hash table", "Queue"],
     "First in, first out means that the oldest element leaves first. A stack does the opposite; a queue does this. It is option D.\nAnswer: D"),
    ("math", "What is the kinetic energy, in joules, of a 2 kg body that moves at 5 m/s?", None,
     "The kinetic energy is half of mass times speed squared: 0.5 times 2 times 25, which is 25 J.\n\\boxed{25}"),
    ("short_text", "What is the chemical name of table salt?", None,
     "Table salt consists of sodium and chloride ions, so it is sodium chloride.\n\\boxed{sodium chloride}"),
]
# fmt: on
MOST_EXAMPLES = 3


def user_message(row):
    """The question as it is put to a chat model."""
    passage = fill(PASSAGE, passage=row["passage"]) if row.get("passage") else ""
    if row["kind"] == "choice":
        options = "\n".join(
            f"{letter}. {option}"
            for letter, option in zip(string.ascii_uppercase, row["options"], strict=False)
        )
        return fill(CHOICE_PROMPT, options=options, passage=passage, question=row["question"])
    unit = fill(UNIT, unit=row["unit"]) if row.get("unit") else ""
    return fill(OPEN_PROMPT, unit=unit, passage=passage, question=row["question"])


def examples(kind, shots):
    """(question as put to the model, answer) of the first `shots` worked examples of a kind."""
    return [
        (user_message(dict(kind=kind, question=question, options=options)), answer)
        for its, question, options, answer in EXAMPLES
        if its == kind
    ][:shots]


def messages(row, shots=0, completion=False):
    """Chat messages of a row, or one text for a base model (completion=True)."""
    turns = examples(row["kind"], shots)
    if completion:
        return (
            "".join(f"Problem: {asked}\n\nSolution: {answer}\n\n\n" for asked, answer in turns)
            + f"Problem: {user_message(row)}\n\nSolution:"
        )
    return [
        message
        for asked, answer in turns
        for message in (
            {"role": "user", "content": asked},
            {"role": "assistant", "content": answer},
        )
    ] + [{"role": "user", "content": user_message(row)}]


COMPLETION_STOP = ["\nProblem:", "\n\n\n"]


def prompt_id(shots=0, completion=False, thinking=None):
    """Hash of everything in the prompts that is not the row's own: scores with different ids are
    not comparable."""
    shown = [example for kind in KINDS for example in examples(kind, shots)]
    return r.text_hash(
        CHOICE_PROMPT, OPEN_PROMPT, PASSAGE, UNIT, json.dumps([shown, completion, thinking])
    )[:8]
