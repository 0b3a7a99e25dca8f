"""How the rows of each benchmark are read: a function of a raw row (hub fields, or the paper's evaluator's) gives the fields of an eval row,
or a text that says why the row has no place in the benchmark. read_NAME reads the rows of the benchmark NAME of benchmarks.yaml.

    read_gsm8k({"question": "2 + 2?", "answer": "It is 4.\\n#### 4"}) -> {"kind": "math", "question": "2 + 2?", "reference": "4", ...}
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import json
import random
import re
import string

import rows as r
from answers.markup import boxes


def choice(row, question, options, right, shuffle=False, **more):
    """A choice row; `right` holds the positions of the right options."""
    options, order = [str(option).strip() for option in options], list(range(len(options)))
    right = [right] if isinstance(right, int) else list(right)
    if not right or not all(0 <= place < len(options) for place in right):
        return "no reference answer"
    if shuffle and not any(NAMES_POSITION.search(option) for option in options):
        # of the row's own text: no seed that is the same for every row
        random.Random(r.text_hash(question, *options)).shuffle(order)
    letters = [
        string.ascii_uppercase[place] for place, source in enumerate(order) if source in right
    ]
    return dict(
        kind="choice",
        question=str(question).strip(),
        options=[options[source] for source in order],
        option_order=order,
        reference=letters[0] if len(letters) == 1 else letters,
        **more,
    )


NAMES_POSITION = re.compile(
    r"\b(?:all|none|both|any|neither|either) of (?:the )?(?:above|these|them)|"
    r"\b(?:both |and |or )\(?[A-E]\)?(?:[.,)]|$)|^\(?[A-E]\)? (?:and|or) \(?[A-E]",
    re.I,
)


def open_answer(question, reference, kind="math", **more):
    if reference is None or reference == [] or not str(reference).strip():
        return "no reference answer"
    return dict(
        kind=kind, question=str(question).strip(), options=None, reference=reference, **more
    )


def place_of(letter):
    """Position of an answer given as a letter or a number."""
    if isinstance(letter, int):
        return letter
    return string.ascii_uppercase.index(str(letter).strip().strip("()").upper())


KINDS = ("choice", "math", "short_text")


def read_own(row, where):
    """A row of one's own: kind, question and reference, or question, options and answer (a letter,
    a place or an option); raises BadInput.

    A reference that is null is a row that is asked and not graded.
    """
    options = r.options_of(row) or None
    given = dict(
        kind=row.get("kind") or ("choice" if options else None),
        question=r.question_of(row),
        reference=row["reference"] if "reference" in row else row.get("answer"),
    )
    missing = [name for name, value in given.items() if value is None]
    if missing and not (missing == ["reference"] and "reference" in row):
        raise r.BadInput(
            f"{where}: {'fields' if len(missing) > 1 else 'field'} {' and '.join(missing)} missing "
            f"(kind is one of {', '.join(KINDS)}); the row has {', '.join(row)}"
        )
    if given["kind"] not in KINDS:
        wrong(where, "kind", f"one of {', '.join(KINDS)}", given["kind"])
    if given["kind"] != "choice":
        check_reference(given["reference"], where)
        return {**row, **given}
    if not options or len(options) < 2:
        wrong(where, "options", "a list of at least two texts for a choice row", row.get("options"))
    right = given["reference"]
    letters = (
        [letter_of(answer, options, where) for answer in right]
        if isinstance(right, list)
        else letter_of(right, options, where)
    )
    return {**row, **given, "options": options, "reference": letters}


def check_reference(reference, where):
    texts = reference if isinstance(reference, list) else [reference or "null"]
    if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
        wrong(where, "reference", "a text or a list of texts", reference)


def letter_of(answer, options, where):
    """Letter of a right option; None where no answer is public."""
    letter = r.option_letter(answer, options)
    if letter is None and answer is not None:
        wrong(where, "reference", f"a letter of the {len(options)} options", answer)
    return letter


def wrong(where, field, wanted, value):
    raise r.BadInput(f'{where}: field "{field}" must be {wanted}, this is {value!r}'[:300])


def read_mmlu(row):
    return choice(
        row,
        row["question"],
        row.get("choices") or row["options"],
        place_of(row["answer"]),
        subject=row.get("subject") or row.get("topic"),
    )


def read_mmlu_pro(row):
    options = [
        option
        for place, option in enumerate(row["options"])
        if option != "N/A" or place == row["answer_index"]
    ]
    return choice(
        row,
        row["question"],
        options,
        place_of(row["answer"]),
        subject=row.get("category"),
        source_id=row.get("question_id"),
    )


def read_gpqa_diamond(row):
    options = [row["Correct Answer"], *(row[f"Incorrect Answer {i}"] for i in (1, 2, 3))]
    return choice(
        row,
        row["Question"],
        options,
        0,
        shuffle=True,
        subject=row.get("High-level domain"),
        source_id=row.get("Record ID"),
        canary=row.get("Canary String") or None,
    )


def read_supergpqa(row):
    return choice(
        row,
        row["question"],
        row["options"],
        place_of(row["answer_letter"]),
        subject=row.get("field") or row.get("discipline"),
        source_id=row.get("uuid"),
        difficulty=row.get("difficulty"),
    )


def read_scibench(row):
    unit = " ".join(str(row["unit"]).split())
    # "$" alone means dollars
    unit = unit[1:-1].strip() if len(unit) > 2 and unit[0] == unit[-1] == "$" else unit
    return open_answer(
        row["problem_text"],
        str(row["answer_number"]).strip(),
        unit=unit or None,
        subject=row.get("subject") or SCIBENCH_SUBJECT.get(row.get("source")),
        source_id=f"{row.get('source', '')} {str(row.get('problemid', '')).strip()}".strip(),
    )


SCIBENCH_SUBJECT = (
    dict.fromkeys(("class", "fund", "thermo"), "physics")
    | dict.fromkeys(("atkins", "chemmc", "matter", "quan"), "chemistry")
    | dict.fromkeys(("calculus", "diff", "stat"), "math")
)


def read_olympicarena(row):
    if row.get("language", "EN") != "EN" or row.get("modality", "text-only") != "text-only":
        return "not an English text-only problem"
    if row["answer_type"] in ("CODE", "OT") or row.get("subject") == "CS":
        return "a program or an essay is asked for"
    # lists of texts in every configuration: sets and several quantities, all of which are the
    # answer, each with its unit
    answer, unit, sequence = (
        join_texts(row.get(name)) for name in ("answer", "unit", "answer_sequence")
    )
    question = row["problem"].strip()
    if sequence:
        question += "\nGive, in this order and separated by commas: " + sequence
    return dict(
        kind="short_text" if row["answer_type"] == "TF" else "math",
        question=question,
        options=None,
        reference=answer,  # none in the test split: its authors grade it
        unit=unit,
        subject=row.get("subject"),
        source_id=row["id"],
        answer_type=row["answer_type"],
    )


def join_texts(value):
    """One text of a text or a list of texts; None where nothing stands in it."""
    texts = value if isinstance(value, (list, tuple)) else [value]
    return ", ".join(str(text) for text in texts if text not in (None, "")) or None


def read_chembench(row):
    example = row["examples"][0]
    more = dict(subject=row.get("subject"), source_id=row.get("uuid"), canary=row.get("canary"))
    scores = example.get("target_scores")
    if scores:
        scores = (
            json.loads(scores)
            if isinstance(scores, str)
            else {k: v for k, v in scores.items() if v is not None}
        )
        right = [place for place, score in enumerate(scores.values()) if float(score) > 0]
        return choice(row, example["input"], list(scores), right, shuffle=True, **more)
    tolerance = row.get("relative_tolerance")
    more |= {} if tolerance is None else {"rel_tol": float(tolerance)}
    return open_answer(example["input"], example["target"], **more)


def read_csbench(row):
    more = dict(subject=row.get("Domain"), source_id=row.get("ID"))
    if row.get("Language", "English") not in ("English", "en"):
        return "not in English"
    if row["Format"] == "Assertion":
        return choice(
            row,
            "Is this statement true or false? " + row["Question"],
            ["True", "False"],
            ["True", "False"].index(str(row["Answer"]).strip()),
            **more,
        )
    if row["Format"] != "Multiple-choice":
        return f"format {row['Format']}: the paper counts multiple choice and assertions"
    return choice(
        row, row["Question"], [row[letter] for letter in "ABCD"], place_of(row["Answer"]), **more
    )


def read_medqa(row):
    options = row["options"]
    options = (
        options
        if isinstance(options, dict)
        else {option["key"]: option["value"] for option in options}
    )
    options = {letter: text for letter, text in sorted(options.items()) if text is not None}
    return choice(
        row,
        row["question"],
        options.values(),
        list(options).index(str(row["answer_idx"]).strip()),
        subject=row.get("meta_info"),
    )


def read_medmcqa(row):
    return choice(
        row,
        row["question"],
        [row["opa"], row["opb"], row["opc"], row["opd"]],
        int(row["cop"]),
        subject=row.get("subject_name"),
        source_id=row.get("id"),
    )


def read_pubmedqa(row):
    context = row.get("context") or row.get("CONTEXTS") or []
    parts = (
        context.get("contexts", [])
        if isinstance(context, dict)
        else [context]
        if isinstance(context, str)
        else context
    )
    decisions = ["yes", "no", "maybe"]
    right = decisions.index(row["final_decision"]) if row.get("final_decision") in decisions else -1
    return choice(
        row,
        row.get("question") or row["QUESTION"],
        ["Yes", "No", "Maybe"],
        right,
        passage="\n".join(parts),
        source_id=row.get("pubid"),
    )


def read_piqa(row):
    return choice(
        row,
        f"What is the better way to reach this goal? {row['goal']}",
        [row["sol1"], row["sol2"]],
        int(row["label"]),
    )


def read_gsm8k(row):
    return open_answer(
        row["question"], row["answer"].rsplit("####", 1)[-1].strip(), source_id=row.get("id")
    )


def last_box(text):
    r"""Content of the last \boxed{...}, or None; "\boxed 2$" stands in a few solutions of MATH."""
    found = boxes(re.sub(r"\\boxed\s+([^\s{]+?)\$", r"\\boxed{\1}$", text))
    return found[-1][2] if found else None


def read_math(row):
    return open_answer(
        row["problem"],
        last_box(row["solution"]),
        subject=row.get("type"),
        level=row.get("level"),
        source_id=row.get("idx"),
    )


def read_math500(row):
    return open_answer(
        row["problem"],
        row["answer"],
        subject=row.get("subject"),
        level=row.get("level"),
        source_id=row.get("unique_id"),
    )
