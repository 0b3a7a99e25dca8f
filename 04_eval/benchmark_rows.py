"""How the rows of each benchmark are read: read_NAME makes the fields of an eval row from a raw row
of the benchmark NAME (hub fields, or those of the paper's evaluator), or a text that says why the
row has no place in it.

    read_gsm8k({"question": "2 + 2?", "answer": "It is 4.\\n#### 4"})
    -> {"kind": "math", "question": "2 + 2?", "reference": "4", ...}
"""

import json
import random
import re
import string

import rows as r
from answers.markup import boxes


def choice(question, options, right, shuffle=False, **more):
    """A choice row; `right` holds the positions of the right options."""
    options, order = [str(option).strip() for option in options], list(range(len(options)))
    right = [right] if isinstance(right, int) else right
    if not right or not all(0 <= place < len(options) for place in right):
        return "no reference answer"
    if shuffle:
        # of the row's own text: no seed that is the same for every row
        random.Random(r.text_hash(question, *options)).shuffle(order)
    letters = [string.ascii_uppercase[order.index(place)] for place in right]
    return dict(
        kind="choice",
        question=str(question).strip(),
        options=[options[source] for source in order],
        option_order=order,
        reference=letters[0] if len(letters) == 1 else sorted(letters),
        **more,
    )


def open_answer(question, reference, **more):
    if not str(reference or "").strip():
        return "no reference answer"
    question = str(question).strip()
    return dict(kind="math", question=question, options=None, reference=reference, **more)


def place_of(letter):
    """Position of an answer given as a letter or a number."""
    return letter if isinstance(letter, int) else string.ascii_uppercase.index(letter.strip())


KINDS = ("choice", "math", "short_text")


def read_own(row, where):
    """A row of one's own: kind, question and reference, or question, options and answer (a letter,
    a place or an option); raises BadInput.

    A reference that is null is a row that is asked and not graded.
    """
    options = r.options_of(row)
    kind = row.get("kind") or ("choice" if options else None)
    reference = row.get("reference", row.get("answer"))
    given = dict(kind=kind, question=r.question_of(row), reference=reference)
    needed = ("kind", "question") if "reference" in row else given
    if missing := [name for name in needed if given[name] is None]:
        raise r.BadInput(
            f"{where}: {' and '.join(missing)} missing (kind is one of {', '.join(KINDS)}); "
            f"the row has {', '.join(row)}"
        )
    if kind not in KINDS:
        raise wrong(where, "kind", f"one of {', '.join(KINDS)}", kind)
    if kind == "choice":
        given |= dict(options=options, reference=letters_of(reference, options, where))
    else:
        check_reference(reference, where)
    return {**row, **given}


def check_reference(reference, where):
    texts = reference if isinstance(reference, list) else [reference or "null"]
    if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
        raise wrong(where, "reference", "a text or a list of texts", reference)


def letters_of(answer, options, where):
    """Letter of a right option, or a list of letters; None where no answer is public."""
    if len(options) < 2:
        raise wrong(where, "options", "at least two texts for a choice row", options)
    if isinstance(answer, list):
        return [letters_of(each, options, where) for each in answer]
    letter = r.option_letter(answer, options)
    if letter is None and answer is not None:
        raise wrong(where, "reference", f"a letter of the {len(options)} options", answer)
    return letter


def wrong(where, field, wanted, value):
    return r.BadInput(f'{where}: field "{field}" must be {wanted}, this is {value!r}'[:300])


# What raw rows say beside the question, and the names that it has in the fifteen sets.
CARRIED = {
    "subject": (
        *"subject topic category field discipline Domain meta_info subject_name type".split(),
        "High-level domain",
    ),
    "source_id": (*"question_id uuid ID pubid unique_id problemid idx id".split(), "Record ID"),
    "canary": ("canary", "Canary String"),
}


def carried(row):
    """The fields of CARRIED that a raw row has."""
    found = {}
    for name, names in CARRIED.items():
        values = [row[n] for n in names if row.get(n) not in (None, "")]  # an id may be 0
        found |= {name: str(values[0]).strip()} if values else {}
    return found


def read_mmlu(row):
    return choice(row["question"], row.get("choices") or row["options"], place_of(row["answer"]))


def read_mmlu_pro(row):
    right = row["answer_index"]
    options = [text for i, text in enumerate(row["options"]) if text != "N/A" or i == right]
    return choice(row["question"], options, place_of(row["answer"]))


def read_gpqa_diamond(row):
    options = [row["Correct Answer"], *(row[f"Incorrect Answer {i}"] for i in (1, 2, 3))]
    return choice(row["Question"], options, 0, shuffle=True)


def read_supergpqa(row):
    return choice(row["question"], row["options"], place_of(row["answer_letter"]))


def read_scibench(row):
    if row.get("source") == "calculus":
        return "the calculus book, which the paper does not count"
    unit = " ".join(str(row["unit"]).split())
    # "$" alone means dollars
    unit = unit[1:-1].strip() if len(unit) > 2 and unit[0] == unit[-1] == "$" else unit
    return open_answer(
        row["problem_text"],
        str(row["answer_number"]).strip(),
        unit=unit or None,
        subject=row.get("subject") or row.get("source"),  # the hub's rows name their book
    )


def read_olympicarena(row):
    if row.get("language", "EN") != "EN" or row.get("modality", "text-only") != "text-only":
        return "not an English text-only problem"
    if row["answer_type"] in ("CODE", "OT") or row.get("subject") == "CS":
        return "a program or an essay is asked for"
    question = row["problem"].strip()
    if sequence := join_texts(row.get("answer_sequence")):
        question += "\nGive, in this order and separated by commas: " + sequence
    return dict(
        kind="short_text" if row["answer_type"] == "TF" else "math",
        question=question,
        options=None,
        # lists of texts: sets and several quantities, all of which are the answer, each with its
        # unit; none in the test split: its authors grade it
        reference=join_texts(row.get("answer")),
        unit=join_texts(row.get("unit")),
        source_id=row["id"],
    )


def join_texts(value):
    """One text of a text or a list of texts; None where nothing stands in it."""
    texts = value if isinstance(value, (list, tuple)) else [value]
    return ", ".join(str(text) for text in texts if text not in (None, "")) or None


def read_chembench(row):
    example = row["examples"][0]
    if scores := example.get("target_scores"):
        scores = json.loads(scores) if isinstance(scores, str) else scores
        scores = {option: score for option, score in scores.items() if score is not None}
        right = [place for place, score in enumerate(scores.values()) if float(score) > 0]
        return choice(example["input"], list(scores), right, shuffle=True)
    tolerance = row.get("relative_tolerance")
    more = {} if tolerance is None else {"rel_tol": float(tolerance)}
    return open_answer(example["input"], example["target"], **more)


def read_csbench(row):
    if row.get("Language", "English") not in ("English", "en"):
        return "not in English"
    if row["Format"] == "Assertion":
        question = "Is this statement true or false? " + row["Question"]
        return choice(question, OUTCOMES, OUTCOMES.index(str(row["Answer"]).strip()))
    if row["Format"] != "Multiple-choice":
        return f"format {row['Format']}: the paper counts multiple choice and assertions"
    return choice(row["Question"], [row[letter] for letter in "ABCD"], place_of(row["Answer"]))


OUTCOMES = ["True", "False"]


def read_medqa(row):
    options = row["options"]
    if not isinstance(options, dict):
        options = {option["key"]: option["value"] for option in options}
    options = {letter: text for letter, text in sorted(options.items()) if text is not None}
    right = list(options).index(str(row["answer_idx"]).strip())
    return choice(row["question"], options.values(), right)


def read_medmcqa(row):
    return choice(row["question"], [row[f"op{letter}"] for letter in "abcd"], int(row["cop"]))


def read_pubmedqa(row):
    parts = row["context"]["contexts"] if "context" in row else row["CONTEXTS"]
    right = {"yes": 0, "no": 1, "maybe": 2}.get(row["final_decision"], -1)
    question = row.get("question") or row["QUESTION"]
    return choice(question, ["Yes", "No", "Maybe"], right, passage="\n".join(parts))


def read_piqa(row):
    question = f"What is the better way to reach this goal? {row['goal']}"
    return choice(question, [row["sol1"], row["sol2"]], int(row["label"]))


def read_gsm8k(row):
    return open_answer(row["question"], row["answer"].rsplit("####", 1)[-1].strip())


def read_math(row):
    return open_answer(row["problem"], last_box(row["solution"]))


def last_box(text):
    r"""Content of the last \boxed{...}, or None; "\boxed 2$" stands in a few solutions of MATH."""
    found = boxes(re.sub(r"\\boxed\s+([^\s{]+?)\$", r"\\boxed{\1}$", text))
    return found[-1][2] if found else None


def read_math500(row):
    return open_answer(row["problem"], row["answer"])
