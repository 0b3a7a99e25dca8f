"""Tell the forms of question-answer rows apart and read them into one; load_sources.py and mix.py use it.

Forms: question/answer and their synonyms, chat messages, ShareGPT conversations, alpaca, prompt/completion, or the field names of
sources.yaml. All functions are pure; a row that cannot train anything raises Unusable with the reason it is to be rejected with.
"""

import collections
import re
import string
from typing import NamedTuple

import rows as r
from answers.markup import boxes
from answers.trim import after_thinking, still_thinking

QUESTION = ("question", "problem", "problem_text", "query", "goal")
ANSWER = ("answer", "solution", "response", "long_answer", "answer_text")
# a worked solution beside a short `answer` or `correct`
REASONED = ("rationale", "cot", "solution", "explanation")
REFERENCE = "reference_answer ground_truth final_answer correct final_decision answer_number answer_letter".split()
SUBJECT = ("subject", "domain", "category", "topic", "field", "subject_name")
# a set that has one of the longer names uses `id`, if at all, for a mere number
IDS = ("uuid", "qid", "pubid", "question_id", "unique_id", "id")
ROLES = {
    "human": "user",
    "gpt": "assistant",
    "user": "user",
    "assistant": "assistant",
    "system": "system",
    "model": "assistant",
    "chatgpt": "assistant",
}
TALKS = ("messages", "conversations", "conversation")
OWN = ("id", "question", "answer", "reference_answer", "subject", "source", "source_id", "license")


class Unusable(Exception):
    """The row cannot be used; the message is the reason it is rejected with."""


def text_of(value):
    """Text of a field: a string, a number, a list of answers (the first), or a dict that holds a
    response."""
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, dict):
        value = value.get("response", value.get("content", value.get("value", value.get("text"))))
    return "" if value is None else str(value).strip()


def turns(messages):
    """(system or None, question, answer) of a conversation; raises Unusable unless it is one
    question and one answer."""
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
    """The short final answer of an answer: itself where it is short, GSM8K's "#### x", the last
    \\boxed{x}, a last line "Answer: x"; None without."""
    line = re.search(r"(?:^|\n)(?:####|\**(?:Final )?Answer:?\**:?) *(\S.{0,80}?)\s*$", answer)
    start, _, boxed = (boxes(answer) or [(-1, -1, None)])[-1]
    if line and line.start() > start:
        return line[1]
    if boxed is not None:
        return boxed.strip() or None
    return answer if 0 < len(answer) <= 40 and "\n" not in answer else None


class Pair(NamedTuple):
    """A row of any form, read; used: the names of the fields that went into it."""

    form: str
    question: str
    answer: str
    used: set
    reference: str = ""
    system: str | None = None


def read_talk(low):
    """Chat messages or ShareGPT; low: the row with lower-cased names."""
    name = next(name for name in TALKS if isinstance(low.get(name), list))
    system, question, answer = turns(low[name])
    form = "chat messages" if name == "messages" else "ShareGPT"
    return Pair(form, question, answer, {name}, system=system)


def read_alpaca(low):
    parts = filter(None, (text_of(low["instruction"]), text_of(low.get("input"))))
    used = {"instruction", "input", "output", "answer"}
    answer, short = text_of(low["output"]), text_of(low.get("answer"))
    return Pair("alpaca", "\n\n".join(parts), answer, used, short)


def read_completion(low):
    second = "completion" if "completion" in low else "response"
    talk = []
    for name, role in (("prompt", "user"), (second, "assistant")):
        value = low[name]
        talk += value if isinstance(value, list) else [{"role": role, "content": value}]
    system, question, answer = turns(talk)
    return Pair("prompt/completion", question, answer, {"prompt", second}, system=system)


def read_pair(low):
    """Question and answer in their many names, a short answer beside its worked solution,
    options."""
    if not any(name in low for name in QUESTION):
        raise Unusable("unknown form")
    asked, question = first_of(low, QUESTION)
    given, answer = first_of(low, ANSWER)
    reasoned, worked = first_of(low, REASONED)
    _, reference = reference_in(low)
    used = {asked, given}
    if worked and reasoned != given and len(worked) > max(len(answer), 20):
        reference, answer, used = reference or answer, worked, {asked, given, reasoned}
        if reference and not re.search(rf"(?<!\w){re.escape(reference)}(?!\w)", worked[-80:]):
            answer += f"\nAnswer: {reference}"
    question, answer, reference = with_options(low, question, answer, reference)
    return Pair("question/answer", question, answer, used, reference)


def reference_in(low):
    """(name, text) of the field that holds a reference; `correct: true` is a grade."""
    return first_of(low, [name for name in REFERENCE if not isinstance(low.get(name), bool)])


def read_form(row):
    """Tell the form of a row apart and read it; raises Unusable."""
    low = {str(name).lower(): value for name, value in row.items()}
    if any(isinstance(low.get(name), list) for name in TALKS):
        pair = read_talk(low)
    elif "output" in low and isinstance(low.get("input"), list):  # Nemotron
        renamed = {"prompt": low["input"], "completion": low["output"]}
        pair = read_completion(low | renamed)._replace(used={"input", "output"})
    elif {"instruction", "output"} <= low.keys():
        pair = read_alpaca(low)
    elif "prompt" in low and {"completion", "response"} & low.keys():
        pair = read_completion(low)
    else:
        pair = read_pair(low)
    name, stated = reference_in(low)
    used = {*pair.used, name, "system"}
    return pair._replace(
        # options turn a reference into its letter; elsewhere the field says it best
        reference=pair.reference if pair.form == "question/answer" else stated or pair.reference,
        system=pair.system or text_of(low.get("system")) or None,
        used={name for name in row if str(name).lower() in used},
    )


def read_mapped(row, mapping):
    """The same with the field names of the table."""
    named = {
        ours: theirs if isinstance(theirs, list) else [theirs] for ours, theirs in mapping.items()
    }
    asked = next((name for name in named["question"] if name in row), None)
    if asked is None:
        raise Unusable("unknown form")
    system, question = None, first_of(row, named["question"])[1]
    if isinstance(row[asked], list):  # a prompt in chat form
        system, question, _ = turns(row[asked])
    _, answer = first_of(row, named["answer"])
    _, reference = first_of(row, named.get("reference_answer", []))
    used = row.keys() & {name for names in named.values() for name in names}
    return Pair("as in the table", question, answer, used, reference, system)


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
    mapping = source.get("fields") or {}
    pair = read_mapped(row, mapping) if mapping else read_form(row)
    bare = strip_thinking(pair.answer, keep=False)
    answer = strip_thinking(pair.answer, keep=True) if thinking == "keep" else bare
    if reason := malformed(pair.question, answer, unanswered):
        raise Unusable(reason)
    reference = pair.reference
    if mapping.get("reference_answer") == "after_thinking":
        reference = bare
    elif not reference and not mapping:
        reference = final_of(bare)
    names = ("subject",) if mapping else SUBJECT
    subject = mapping.get("subject") or next(of_type(row, names, str), None)
    own = next((str(row[name]) for name in of_type(row, IDS, str | int)), row["id"])
    made = dict(
        id=f"{source['name']}-{r.text_hash(own, pair.question, answer)}",
        question=pair.question,
        answer=answer,
        reference_answer=reference or None,
        subject=text_of(row.get(subject)) or None,
        source=source["name"],
        source_id=own,
        license=license_of(row, source, license_),
    )
    if pair.system and not SWITCH.fullmatch(pair.system):
        made["system"] = pair.system
    spent = {*OWN, *pair.used, subject}
    return pair.form, made | origin_of(row, made) | {k: row[k] for k in row if k not in spent}


def of_type(row, names, kind):
    """Names of the fields that hold something of a type."""
    return (name for name in names if isinstance(row.get(name), kind) and row[name] != "")


def origin_of(row, made):
    """What the file itself says of its source, where that is another."""
    names = [name for name in ("source", "source_id") if name in row and row[name] != made[name]]
    return {f"origin_{name}": row[name] for name in names}
