"""Tell the forms of question-answer rows apart and read them into one; load_sources.py and mix.py use it.

Forms: question/answer and their synonyms, chat messages, ShareGPT conversations, alpaca, prompt/completion, or the field names of
sources.yaml. All functions are pure; a row that cannot train anything raises Unusable with the reason it is to be rejected with.
"""

import collections
import re
import string

import rows as r
from answers.trim import after_thinking, still_thinking

QUESTION = ("question", "problem", "problem_text", "query", "goal")
ANSWER = ("answer", "solution", "response", "long_answer", "answer_text")
REASONED = (
    "rationale",
    "cot",
    "solution",
    "explanation",
)  # a worked solution beside a short `answer` or `correct`
REFERENCE = (
    "reference_answer",
    "ground_truth",
    "final_answer",
    "correct",
    "final_decision",
    "answer_number",
    "answer_letter",
)
SUBJECT = ("subject", "domain", "category", "topic", "field", "subject_name")
IDS = (
    "uuid",
    "qid",
    "pubid",
    "question_id",
    "unique_id",
    "id",
)  # a set that has one of the longer names uses `id`, if at all, for a mere number
ROLES = {
    "human": "user",
    "gpt": "assistant",
    "user": "user",
    "assistant": "assistant",
    "system": "system",
    "model": "assistant",
    "chatgpt": "assistant",
}
OWN = ("id", "question", "answer", "reference_answer", "subject", "source", "source_id", "license")


class Unusable(Exception):
    """The row cannot be used; the message is the reason it is rejected with."""


def text_of(value):
    """Text of a field: a string, a number, a list of answers (the first), or a dict that holds a response."""
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, dict):
        value = value.get("response", value.get("content", value.get("value", value.get("text"))))
    return "" if value is None else str(value).strip()


def turns(messages):
    """(system or None, question, answer) of a conversation; raises Unusable unless it is one question and one answer."""
    said = collections.defaultdict(list)
    for message in messages:
        if not isinstance(message, dict):
            raise Unusable("unknown form")
        role = ROLES.get(str(message.get("role", message.get("from"))).lower())
        if role is None:
            raise Unusable("unknown form")
        said[role].append(text_of(message.get("content", message.get("value"))))
    if len(said["user"]) > 1 or len(said["assistant"]) > 1:
        raise Unusable("several turns")
    return ("\n".join(said["system"]) or None, "".join(said["user"]), "".join(said["assistant"]))


def options_text(question, options):
    """The question with its options as lettered lines, unless it holds them already."""
    options = [option.strip() for option in options]
    bare = [re.sub(r"^\(?[A-Z][).:]\s*", "", option) for option in options]
    if not options or all(bare) and all(option in question for option in bare):
        return question
    if not all(re.match(r"\(?[A-Z][).:]", option) for option in options):
        options = [
            f"{letter}) {text}"
            for letter, text in zip(string.ascii_uppercase, options, strict=False)
        ]
    return "\n".join([question, *options])


def with_options(low, question, answer, reference):
    """(question with its options, answer, reference) where the row has options: an index, a letter
    or an option's text alone becomes "B) text", and the reference its letter."""
    options = [re.sub(r"^\(?[A-Z][).:]\s*", "", option) for option in r.options_of(low)]
    if len(options) < 2:
        return question, answer, reference
    names = (
        "answer_index",
        "answer_idx",
        "answerkey",
        "cop",
        "label",
        "correct",
        "answer",
        *REFERENCE,
    )
    right = next((letter for name in names if (letter := letter_of(low, name, options))), None)
    own = r.option_letter(answer, options)
    if right and (own or not answer):
        answer = f"{right}) {options[ord(right) - 65]}"
    return options_text(question, r.options_of(low)), answer, right or reference


def letter_of(low, name, options):
    """Letter that a field means; ARC's own labels ("1", "2", ...) come before positions from 0."""
    value, choices = low.get(name), low.get("choices")
    labels = choices.get("label") if isinstance(choices, dict) else None
    if isinstance(labels, list) and str(value) in labels:
        return string.ascii_uppercase[labels.index(str(value))]
    return r.option_letter(value, options)


def first_of(row, names):
    """(name, text) of the first of the fields that holds something."""
    for name in names:
        value = row.get(name)
        if value is not None and value not in ("", [], {}):
            return name, text_of(value)
    return None, ""


def final_of(answer):
    """The short final answer of an answer: itself where it is short, GSM8K's "#### x", the last \\boxed{x}, a last line "Answer: x"; None
    without."""
    line = re.search(r"(?:^|\n)(?:####|\**(?:Final )?Answer:?\**:?) *(\S.{0,80}?)\s*$", answer)
    start = answer.rfind("\\boxed{")
    if line and line.start() > start:
        return line[1]
    depth = 0
    for place in range(start + 6, len(answer)) if start >= 0 else ():
        depth += {"{": 1, "}": -1}.get(answer[place], 0)
        if depth == 0:
            return answer[start + 7 : place].strip() or None
    return answer if 0 < len(answer) <= 40 and "\n" not in answer else None


def read_pair(low, reference):
    """Question and answer in their many names: (question, answer, reference, fields used up); low: the row with lower-cased names."""
    if not any(name in low for name in QUESTION):
        raise Unusable("unknown form")
    asked, question = first_of(low, QUESTION)
    given, answer = first_of(low, ANSWER)
    reasoned, worked = first_of(low, REASONED)
    used = (asked, given)
    if (
        worked and reasoned != given and len(worked) > max(len(answer), 20)
    ):  # a short answer beside its worked solution
        reference, answer, used = reference or answer, worked, (asked, given, reasoned)
        if reference and not re.search(rf"(?<!\w){re.escape(reference)}(?!\w)", worked[-80:]):
            answer += f"\nAnswer: {reference}"
    return *with_options(low, question, answer, reference), used


def read_form(row):
    """Tell the form of a row apart: (form, question, answer, reference, system, fields used up). Raises Unusable."""
    fields = {str(name).lower(): name for name in row}
    low = {name: row[own] for name, own in fields.items()}
    system = text_of(low.get("system")) or None
    reference_field, reference = first_of(
        low, [name for name in REFERENCE if not isinstance(low.get(name), bool)]
    )  # `correct: true` is a grade
    talk = next(
        (
            name
            for name in ("messages", "conversations", "conversation")
            if isinstance(low.get(name), list)
        ),
        None,
    )
    inside = None
    if talk:
        inside, question, answer = turns(low[talk])
        form, used = "chat messages" if talk == "messages" else "ShareGPT", (talk,)
    elif "instruction" in low and "output" in low:
        form, used = "alpaca", ("instruction", "input", "output")
        question = "\n\n".join(
            part for part in (text_of(low["instruction"]), text_of(low.get("input"))) if part
        )
        answer = text_of(low["output"])
        if not reference and low.get("answer") is not None:
            reference, used = text_of(low["answer"]), (*used, "answer")
    elif "prompt" in low and ("completion" in low or "response" in low):
        form, used = (
            "prompt/completion",
            ("prompt", second := "completion" if "completion" in low else "response"),
        )
        asked = (
            low["prompt"]
            if isinstance(low["prompt"], list)
            else [{"role": "user", "content": low["prompt"]}]
        )
        given = (
            low[second]
            if isinstance(low[second], list)
            else [{"role": "assistant", "content": low[second]}]
        )
        inside, question, answer = turns([*asked, *given])
    else:
        form = "question/answer"
        question, answer, reference, used = read_pair(low, reference)
    reference = reference or final_of(answer)
    used = {fields[name] for name in (*used, reference_field) if name in fields} | (
        {fields["system"]} if system else set()
    )
    return form, question, answer, reference or None, inside or system, used


def read_mapped(row, mapping):
    """The same with the field names of the table."""
    named = {
        ours: theirs if isinstance(theirs, list) else [theirs] for ours, theirs in mapping.items()
    }
    if not any(name in row for name in named["question"]):
        raise Unusable("unknown form")
    _, question = first_of(row, named["question"])
    name = next(n for n in named["question"] if n in row)
    system = None
    if isinstance(row[name], list):  # a prompt in chat form
        system, question, _ = turns(row[name])
    _, answer = first_of(row, named["answer"])
    _, reference = first_of(
        row, [n for n in named.get("reference_answer", []) if n != "after_thinking"]
    )
    return (
        "as in the table",
        question,
        answer,
        reference or None,
        system,
        {n for names in named.values() for n in names} & row.keys(),
    )


MARKED_THINKING = re.compile(  # OpenThoughts; Nemotron's switch is no system prompt of a user
    r"<\|begin_of_thought\|>(.*?)<\|end_of_thought\|>\s*", re.S
)
MARKED_ANSWER = re.compile(r"<\|(?:begin|end)_of_solution\|>\s*")
SWITCH = re.compile(r"\s*detailed thinking (?:on|off)\s*", re.I)


def strip_thinking(answer, keep):
    """An answer without its <think> block or OpenThoughts' markers; raises Unusable where the block
    never ends."""
    if "<|begin_of_thought|>" in answer:
        answer = MARKED_THINKING.sub(r"<think>\1</think>\n", answer).replace(
            "<|begin_of_thought|>", "<think>"
        )
    answer = MARKED_ANSWER.sub("", answer).strip() if "_of_solution|>" in answer else answer
    if still_thinking(answer):
        raise Unusable("unfinished thinking")
    return answer if keep else after_thinking(answer)


def malformed(question, answer, unanswered_too):
    """Reason why this pair cannot train anything, or None."""
    if not question.strip():
        return "empty question"
    if not re.search(r"\w", answer):
        return None if unanswered_too and not answer.strip() else "empty answer"
    if answer.strip() == question.strip():
        return "answer repeats the question"
    if re.search(r"\\boxed\s*\{\s*\}", answer):
        return "empty \\boxed{}"
    return None


def license_of(row, source, stated=None):
    """A row's own licence, where it has the field (null stays null, unless the user states one);
    else the one that the table gives for the whole set."""
    return r.license_id(row.get("license")) or r.license_id(
        stated if "license" in row else source.get("license") or stated
    )


def non_commercial(license_):
    return bool(re.search(r"(^|-)nc(-|$)|non-?commercial", license_ or ""))


def to_row(row, source, thinking="drop", unanswered=False, license_=None):
    """One row of any form -> (form, row of ours); raises Unusable with the reason."""
    mapping = source.get("fields")
    form, question, answer, reference, system, used = (
        read_mapped(row, mapping) if mapping else read_form(row)
    )
    bare = strip_thinking(answer, keep=False)
    if mapping and mapping.get("reference_answer") == "after_thinking":
        reference = bare or None
    answer = strip_thinking(answer, keep=True) if thinking == "keep" else bare
    subject_field = (
        mapping.get("subject", "subject")
        if mapping
        else next((name for name in SUBJECT if isinstance(row.get(name), str) and row[name]), None)
    )
    own = next((str(row[name]) for name in IDS if isinstance(row.get(name), str | int)), row["id"])
    made = dict(
        id=f"{source['name']}-{r.text_hash(own, question, answer)}",
        question=question,
        answer=answer,
        reference_answer=reference,
        subject=(text_of(row.get(subject_field)) or None) if subject_field else None,
        source=source["name"],
        source_id=own,
        license=license_of(row, source, license_),
    )
    reason = malformed(question, answer, unanswered)
    if reason:
        raise Unusable(reason)
    if system and not SWITCH.fullmatch(system):
        made["system"] = system
    for name, value in row.items():
        if name in ("source", "source_id") and value != made[name]:
            made[f"origin_{name}"] = value
        elif name not in OWN and name not in used and name != subject_field:
            made[name] = value
    return form, made
