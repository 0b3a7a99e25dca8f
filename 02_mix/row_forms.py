"""Tell the forms of question-answer rows apart and read them into one; load_sources.py and mix.py
use it.

Forms: question/answer and their synonyms, chat messages, ShareGPT conversations, alpaca,
prompt/completion, or the field names of sources.yaml. A row that cannot train anything raises
Unusable.
"""

import collections
import re
import string
from typing import NamedTuple

import rows as r
from answers.markup import boxes
from answers.trim import after_thinking, still_thinking

QUESTION = ("question", "problem", "problem_text", "query", "goal")
ANSWER = (
    "answer solution response long_answer answer_text matched_solution "
    "generated_solution responses correct_answer"  # OpenMath sets, NaturalReasoning, SciQ
).split()
# a worked solution beside a short `answer` or `correct`
REASONED = ("rationale", "cot", "solution", "explanation", "support")
REFERENCE = (
    "reference_answer ground_truth final_answer expected_answer correct final_decision answer_number answer_letter"
).split()
RIGHT_OPTION = ("answer_index answer_idx answerkey cop label correct answer").split()
SUBJECT = ("subject", "domain", "category", "topic", "field", "subject_name")
# a set that has one of the longer names uses `id`, if at all, for a mere number
IDS = ("uuid", "qid", "pubid", "question_id", "unique_id", "id")
ROLES = {"human": "user", **dict.fromkeys(("gpt", "model", "chatgpt"), "assistant")}
ROLES |= {role: role for role in ("user", "assistant", "system")}
TALKS = {"messages": "chat messages", "conversations": "ShareGPT", "conversation": "ShareGPT"}
# Nemotron's `input` is a list of messages; beside alpaca's `output` it is a text
COMPLETIONS = (
    ("input", list, "output"),
    ("prompt", object, "completion"),
    ("prompt", object, "response"),
)
TEXTS = ("response", "content", "value", "text", "stem")  # of a dict that stands for a text
OWN = ("id", "question", "answer", "reference_answer", "subject", "source", "source_id", "license")
LABEL = re.compile(r"^\(?[A-Z][).:]\s*")  # of an option


class Unusable(Exception):
    """The message is the reason the row is rejected with."""


class Pair(NamedTuple):
    """A row of any form, read; used: the names of the fields that went into it, in lower case."""

    form: str
    question: str
    answer: str
    system: str
    used: set
    reference: str = ""


def text_of(value):
    """Text of a field: of a list the first, of a dict its response."""
    if isinstance(value, list):
        value = next(iter(value), None)
    if isinstance(value, dict):
        value = next(filter(None, map(value.get, TEXTS)), None)
    return "" if value is None else str(value).strip()


def first_of(row, names):
    """(name, text) of the first of the fields that holds something."""
    for name in names:
        if row.get(name) not in (None, "", [], {}):
            return name, text_of(row[name])
    return None, ""


def reference_in(low):
    """(name, text) of the field that holds a reference; `correct: true` is a grade."""
    return first_of(low, [name for name in REFERENCE if not isinstance(low.get(name), bool)])


# ---- options ----


def options_text(question, options):
    """The question with its options as lettered lines, unless it holds them already."""
    options = list(map(str.strip, options))
    bare = [LABEL.sub("", option) for option in options]
    if all(bare) and all(option in question for option in bare):
        return question
    if not all(map(LABEL.match, options)):
        options = list(map("{}) {}".format, string.ascii_uppercase, options))
    return "\n".join([question, *options])


def letter_of(low, name, options):
    """Letter that a field means; ARC's own labels ("1", "2", ...) come before positions from 0."""
    value, labels = low.get(name), low.get("choices")
    if isinstance(labels, dict):
        labels = labels.get("label")
    elif isinstance(labels, list):
        labels = [choice.get("label") for choice in labels if isinstance(choice, dict)]
    if isinstance(labels, list) and str(value) in labels:
        return string.ascii_uppercase[labels.index(str(value))]
    return r.option_letter(value, options)


def with_options(low, pair):
    """The pair of a row with options: they stand in its question; an index, a letter or an option's
    text alone becomes "B) text", and the reference its letter."""
    given = r.options_of(low)
    options = [LABEL.sub("", option) for option in given]
    if len(options) < 2:
        return pair
    letters = (letter_of(low, name, options) for name in (*RIGHT_OPTION, *REFERENCE))
    right = next(filter(None, letters), None)
    answer = pair.answer
    if right and (not answer or r.option_letter(answer, options)):
        answer = f"{right}) {options[ord(right) - 65]}"
    question = options_text(pair.question, given)
    return pair._replace(question=question, answer=answer, reference=right or pair.reference)


# ---- forms; low: the row with lower-case names ----


def turns(messages):
    """(question, answer, system) of a conversation of one question and one answer."""
    said = collections.defaultdict(list)
    for message in messages:
        named = message if isinstance(message, dict) else {}
        role = ROLES.get(str(named.get("role", named.get("from"))).lower())
        if role is None:
            raise Unusable("unknown form")
        said[role].append(text_of(message))
    if max(len(said["user"]), len(said["assistant"])) > 1:
        raise Unusable("several turns")
    return "".join(said["user"]), "".join(said["assistant"]), "\n".join(said["system"])


def read_talk(low):
    """Chat messages, ShareGPT; prompt and completion, each a text or messages."""
    for name, form in TALKS.items():
        if isinstance(low.get(name), list):
            return Pair(form, *turns(low[name]), {name})
    for asked, kind, answered in COMPLETIONS:
        if asked in low and answered in low and isinstance(low[asked], kind):
            talk = []
            for name, role in ((asked, "user"), (answered, "assistant")):
                text = low[name]
                talk += text if isinstance(text, list) else [{"role": role, "content": text}]
            return Pair("prompt/completion", *turns(talk), {asked, answered})


def read_alpaca(low):
    if {"instruction", "output"} <= low.keys():
        parts = filter(None, (text_of(low["instruction"]), text_of(low.get("input"))))
        answer, short = text_of(low["output"]), text_of(low.get("answer"))
        used = {"instruction", "input", "output", "answer"}
        return Pair("alpaca", "\n\n".join(parts), answer, "", used, short)


def read_pair(low):
    """Question and answer in their many names, a short answer beside its worked solution,
    options."""
    if isinstance(low.get("question"), dict):  # AI2: {"stem": ..., "choices": [...]}
        low = {**low, **r.lower_names(low["question"])}
    asked, question = first_of(low, QUESTION)
    if low.keys().isdisjoint(QUESTION):
        raise Unusable("unknown form")
    given, answer = first_of(low, ANSWER)
    reasoned, worked = first_of(low, REASONED)
    _, reference = reference_in(low)
    used = {asked, given}
    if reasoned != given and len(worked) > len(answer):
        reference, answer, used = reference or answer, worked, {asked, given, reasoned}
        if reference and not re.search(rf"(?<!\w){re.escape(reference)}(?!\w)", worked[-80:]):
            answer += f"\nAnswer: {reference}"
    return with_options(low, Pair("question/answer", question, answer, "", used, reference))


def read_form(row):
    """Tell the form of a row apart and read it; raises Unusable."""
    low = r.lower_names(row)
    pair = read_talk(low) or read_alpaca(low) or read_pair(low)
    name, stated = reference_in(low)
    system = pair.system or text_of(low.get("system"))
    used = {*pair.used, name, "system"}
    return pair._replace(reference=pair.reference or stated, system=system, used=used)


def read_mapped(row, fields):
    """The same with the field names of the table: ours -> theirs, or a list of them."""
    found, used = {}, set()
    for ours, theirs in fields.items():
        names = [theirs] if isinstance(theirs, str) else theirs
        found[ours] = next((row[name] for name in names if row.get(name)), "")
        used |= set(map(str.lower, names))
    if isinstance(found["question"], list):  # a prompt in chat form
        found |= {"prompt": found.pop("question"), "completion": text_of(found["answer"])}
    return read_form(found)._replace(form="as in the table", used=used)


# ---- a row of ours ----


MARKED_THINKING = re.compile(r"<\|begin_of_thought\|>.*?<\|end_of_thought\|>", re.S)  # OpenThoughts
MARKED_ANSWER = re.compile(r"<\|(?:begin|end)_of_solution\|>")


def strip_thinking(answer):
    """An answer without its <think> block or OpenThoughts' markers; raises Unusable where the block
    never ends."""
    answer = MARKED_ANSWER.sub("", MARKED_THINKING.sub("", answer)).strip()
    if still_thinking(answer) or "<|begin_of_thought|>" in answer:
        raise Unusable("unfinished thinking")
    return after_thinking(answer)


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


def malformed(question, answer):
    """Reason why this pair cannot train anything, or None."""
    if not question.strip():
        return "empty question"
    if not re.search(r"\w", answer):
        return "empty answer"
    if answer.strip() == question.strip():
        return "answer repeats the question"
    if re.search(r"\\boxed\s*\{\s*\}", answer):
        return "empty \\boxed{}"
    return None


def license_of(row, source):
    """A row's own licence, where it has the field (null stays null); else the one that the table
    gives for the whole set."""
    return r.license_id((row if "license" in row else source).get("license"))


def non_commercial(license_):
    return bool(re.search(r"(^|-)nc(-|$)|non-?commercial", license_ or ""))


def reference_of(pair, answer, fields):
    """The reference of a pair: its own, or the last part of its answer; None without."""
    if fields.get("reference_answer") == "after_thinking":
        return answer or None
    return pair.reference or (None if fields else final_of(answer)) or None


def of_type(row, names, kind):
    """Names of the fields that hold something of a type."""
    return (name for name in names if isinstance(row.get(name), kind) and row[name] != "")


def to_row(row, source):
    """One row of any form -> (form, row of ours); raises Unusable with the reason."""
    fields = source.get("fields", {})
    pair = read_mapped(row, fields) if fields else read_form(row)
    answer = strip_thinking(pair.answer)
    if reason := malformed(pair.question, answer):
        raise Unusable(reason)
    subject = fields.get("subject") or next(of_type(row, SUBJECT, str), None)
    own = str(row[next(of_type(row, IDS, str | int), "id")])
    made = dict(
        id=f"{source['name']}-{r.text_hash(own, pair.question, answer)}",
        question=pair.question,
        answer=answer,
        reference_answer=reference_of(pair, answer, fields),
        subject=text_of(row.get(subject)) or None,
        source=source["name"],
        source_id=own,
        license=license_of(row, source),
    )
    if pair.system:
        made["system"] = pair.system
    made |= origin_of(row, made)
    spent = {*OWN, *pair.used, subject}
    return pair.form, made | {name: row[name] for name in row if not {name, name.lower()} & spent}


def origin_of(row, made):
    """What the file itself says of its source, where that is another."""
    names = [name for name in ("source", "source_id") if name in row and row[name] != made[name]]
    return {f"origin_{name}": row[name] for name in names}


def unusable_row(row, source):
    """A row that cannot be read, with where it comes from."""
    where = dict(source=source["name"], source_id=row["id"], license=license_of(row, source))
    return {**row, **origin_of(row, where), **where}
