"""How the rows of each benchmark are read: read_NAME makes the fields of an eval row from a raw row
of the benchmark NAME (hub fields, or those of the paper's evaluator), or a text that says why the
row has no place in it.

    read_gsm8k({"question": "2 + 2?", "answer": "It is 4.\\n#### 4"})
    -> {"kind": "math", "question": "2 + 2?", "reference": "4", ...}
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


def choice(question, options, right, shuffle=False, **more):
    """A choice row; `right` holds the positions of the right options."""
    options, order = [str(option).strip() for option in options], list(range(len(options)))
    right = [right] if isinstance(right, int) else right
    if not right or not all(0 <= place < len(options) for place in right):
        return "no reference answer"
    if shuffle and not any(NAMES_POSITION.search(option) for option in options):
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


NAMES_POSITION = re.compile(
    r"\b(?:all|none|both|any|neither|either) of (?:the )?(?:above|these|them)|"
    r"\b(?:both |and |or )\(?[A-E]\)?(?:[.,)]|$)|^\(?[A-E]\)? (?:and|or) \(?[A-E]",
    re.I,
)


def open_answer(question, reference, kind="math", **more):
    if not str(reference or "").strip():
        return "no reference answer"
    question = str(question).strip()
    return dict(kind=kind, question=question, options=None, reference=reference, **more)


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
    reference = row["reference"] if "reference" in row else row.get("answer")
    given = dict(kind=kind, question=r.question_of(row), reference=reference)
    open_to_null = {"reference"} & row.keys()
    missing = [n for n, value in given.items() if value is None and n not in open_to_null]
    if missing:
        raise r.BadInput(
            f"{where}: {' and '.join(missing)} missing (kind is one of {', '.join(KINDS)}); "
            f"the row has {', '.join(row)}"
        )
    if kind not in KINDS:
        raise wrong(where, "kind", f"one of {', '.join(KINDS)}", kind)
    if kind != "choice":
        check_reference(reference, where)
    elif len(options) < 2:
        raise wrong(where, "options", "at least two texts for a choice row", row.get("options"))
    else:
        given |= dict(options=options, reference=letters_of(reference, options, where))
    return {**row, **given}


def check_reference(reference, where):
    texts = reference if isinstance(reference, list) else [reference or "null"]
    if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
        raise wrong(where, "reference", "a text or a list of texts", reference)


def letters_of(answer, options, where):
    """Letter of a right option, or a list of letters; None where no answer is public."""
    if isinstance(answer, list):
        return [letters_of(each, options, where) for each in answer]
    letter = r.option_letter(answer, options)
    if letter is None and answer is not None:
        raise wrong(where, "reference", f"a letter of the {len(options)} options", answer)
    return letter


def wrong(where, field, wanted, value):
    return r.BadInput(f'{where}: field "{field}" must be {wanted}, this is {value!r}'[:300])


def read_mmlu(row):
    options, subject = row.get("choices") or row["options"], row.get("subject") or row.get("topic")
    return choice(row["question"], options, place_of(row["answer"]), subject=subject)


def read_mmlu_pro(row):
    right = row["answer_index"]
    options = [text for i, text in enumerate(row["options"]) if text != "N/A" or i == right]
    more = dict(subject=row.get("category"), source_id=row.get("question_id"))
    return choice(row["question"], options, place_of(row["answer"]), **more)


def read_gpqa_diamond(row):
    options = [row["Correct Answer"], *(row[f"Incorrect Answer {i}"] for i in (1, 2, 3))]
    more = dict(subject=row.get("High-level domain"), source_id=row.get("Record ID"))
    more["canary"] = row.get("Canary String") or None
    return choice(row["Question"], options, 0, shuffle=True, **more)


def read_supergpqa(row):
    more = dict(subject=row.get("field") or row.get("discipline"), source_id=row.get("uuid"))
    more["difficulty"] = row.get("difficulty")
    return choice(row["question"], row["options"], place_of(row["answer_letter"]), **more)


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
    if scores := example.get("target_scores"):
        scores = json.loads(scores) if isinstance(scores, str) else scores
        scores = {option: score for option, score in scores.items() if score is not None}
        right = [place for place, score in enumerate(scores.values()) if float(score) > 0]
        return choice(example["input"], list(scores), right, shuffle=True, **more)
    if (tolerance := row.get("relative_tolerance")) is not None:
        more["rel_tol"] = float(tolerance)
    return open_answer(example["input"], example["target"], **more)


def read_csbench(row):
    more = dict(subject=row.get("Domain"), source_id=row.get("ID"))
    if row.get("Language", "English") not in ("English", "en"):
        return "not in English"
    if row["Format"] == "Assertion":
        question = "Is this statement true or false? " + row["Question"]
        right = ["True", "False"].index(str(row["Answer"]).strip())
        return choice(question, ["True", "False"], right, **more)
    if row["Format"] != "Multiple-choice":
        return f"format {row['Format']}: the paper counts multiple choice and assertions"
    options = [row[letter] for letter in "ABCD"]
    return choice(row["Question"], options, place_of(row["Answer"]), **more)


def read_medqa(row):
    options = row["options"]
    if not isinstance(options, dict):
        options = {option["key"]: option["value"] for option in options}
    options = {letter: text for letter, text in sorted(options.items()) if text is not None}
    right = list(options).index(str(row["answer_idx"]).strip())
    return choice(row["question"], options.values(), right, subject=row.get("meta_info"))


def read_medmcqa(row):
    options = [row[f"op{letter}"] for letter in "abcd"]
    more = dict(subject=row.get("subject_name"), source_id=row.get("id"))
    return choice(row["question"], options, int(row["cop"]), **more)


def read_pubmedqa(row):
    parts = row.get("context") or row.get("CONTEXTS") or []
    parts = parts.get("contexts", []) if isinstance(parts, dict) else parts
    parts = [parts] if isinstance(parts, str) else parts
    decisions = ["yes", "no", "maybe"]
    right = [place for place, word in enumerate(decisions) if word == row.get("final_decision")]
    question = row.get("question") or row["QUESTION"]
    more = dict(passage="\n".join(parts), source_id=row.get("pubid") or row.get("id"))
    return choice(question, ["Yes", "No", "Maybe"], right, **more)


def read_piqa(row):
    question = f"What is the better way to reach this goal? {row['goal']}"
    return choice(question, [row["sol1"], row["sol2"]], int(row["label"]))


def read_gsm8k(row):
    reference = row["answer"].rsplit("####", 1)[-1].strip()
    return open_answer(row["question"], reference, source_id=row.get("id"))


def last_box(text):
    r"""Content of the last \boxed{...}, or None; "\boxed 2$" stands in a few solutions of MATH."""
    found = boxes(re.sub(r"\\boxed\s+([^\s{]+?)\$", r"\\boxed{\1}$", text))
    return found[-1][2] if found else None


def read_math(row):
    more = dict(subject=row.get("type"), level=row.get("level"), source_id=row.get("idx"))
    return open_answer(row["problem"], last_box(row["solution"]), **more)


def read_math500(row):
    more = dict(subject=row.get("subject"), level=row.get("level"), source_id=row.get("unique_id"))
    return open_answer(row["problem"], row["answer"], **more)
