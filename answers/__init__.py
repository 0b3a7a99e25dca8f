"""Find the final answer in a response and compare it with a reference: choices, mathematics with units, short texts.

    from answers import extract, grade
    extract("... so (A) is wrong. The answer is **(C)**.", "choice", ["4 cm", "5 cm", "6 cm"]) -> "C"
    grade(r"... $\\boxed{0.05\\,\\mathrm{m}}$", "5 cm", "math") -> True
    grade_many(rows, workers=2)     rows with response, reference, kind and, where there are, options, unit, rel_tol -> list of bool

Reading: choice (letters), options (options by their words), solution, short_text, markup. Comparing: equal, formula,
values, quantity, units; for words short_text, words, names, chemistry. worker guards sympy.

Kinds: "choice" and "label" (an option letter; labels are options such as yes/no), "math", "short_text". Pure functions of their input: no model,
no eval; sympy runs only in the guarded process of worker.py, whose stopped comparisons timeouts() counts.
"""

import itertools
import re
import threading
from pathlib import Path

from . import worker
from .choice import extract_choice
from .equal import same_math
from .options import LETTERS, named
from .short_text import extract_text, same_text
from .solution import extract_math

FILES = sorted(
    Path(__file__).parent.glob("*.py")
)  # the code that a step which reads answers depends on
KINDS = ("choice", "label", "math", "short_text")
SPACE = re.compile(r"\s{8,}")
THINK = re.compile(
    r"<\s*(think|thinking|thought|reasoning|reflection|scratchpad)\s*>|<\|begin_of_thought\|>|◁think▷",
    re.I,
)
THINK_END = re.compile(
    r"<\s*/\s*(?:think|thinking|thought|reasoning|reflection|scratchpad)\s*>|<\|end_of_thought\|>|◁/think▷|<\|channel\|>final<\|message\|>|assistantfinal",
    re.I,
)
ANSWER_TAG = re.compile(
    r"<\s*(?:answer|final_answer|solution|ans)\s*>((?:(?!<\s*/?\s*(?:answer|final_answer|solution|ans)\s*>).){1,5000}?)<\s*/\s*(?:answer|final_answer|solution|ans)\s*>",
    re.I | re.S,
)
SPECIAL = re.compile(
    r"<\|?(?:eot_id|im_end|endoftext|end|end_of_text|return|eos|EOS_TOKEN|end_of_turn|eom_id)\|?>|</s>|<s>|\[/?INST\]|<｜end▁of▁sentence｜>|<\|begin_of_solution\|>|<\|end_of_solution\|>",
    re.I,
)
NEXT_TURN = re.compile(
    r"<\|im_start\|>\s*user|<\|start_header_id\|>\s*user|<\|user\|>|<start_of_turn>\s*user|<｜User｜>|\[INST\]|\n[ \t]*(?:###[ \t]*)?(?:Human|User)[ \t]*:"
)
NEXT_QUESTION = re.compile(
    r"\n[ \t]*(?:[#*]{0,4}[ \t]*)?(?:\[?(?:Next|New|Another)[ \t]+)?(?:Question|Problem|Q|Exercise|Instruction|Input|Hint|Passage|Context)\b\]?[ \t]*(?:\d{1,3}|\(\d{1,3}\))?[ \t]*(?:\*\*)?[ \t]*[:.](?![ \t]*\n?[ \t]*$)|\n[ \t]*###[ \t]*(?:Instruction|Input|Question|Problem)\b|\n[ \t]*Q\d{0,3}[.:][ \t]"
)


def timeouts():
    """How many comparisons the guarded worker had to stop since this process began (grade_many adds those of its workers)."""
    return worker.timeouts


def final_part(response):
    """The response without its reasoning block, special tokens and invented turns of a user; "" where it was cut off while reasoning."""
    text = re.sub(r"[ \t]{4,}", "   ", re.sub(r"\n{3,}", "\n\n", (response or "").strip()))
    text = SPACE.sub(
        lambda run: "\n\n" if run[0].count("\n") > 1 else "   ", text
    )  # of any kind: patterns with several \s* would take cubic time
    if "<" in text or "◁" in text or "assistantfinal" in text:
        ends = list(THINK_END.finditer(text))
        if ends:
            text = text[ends[-1].end() :]
        elif opened := THINK.search(text):
            text = text[: opened.start()] if len(text[: opened.start()].strip()) > 200 else ""
        if "<|channel|>analysis" in text:
            return ""
        text = re.sub(
            r"<\|im_start\|>\s*assistant|<\|start_header_id\|>\s*assistant\s*<\|end_header_id\|>",
            "",
            text,
        )
    turn = NEXT_TURN.search(text)
    if turn and text[: turn.start()].strip():
        text = text[: turn.start()]
    if "<" in text or "[" in text:
        text = SPECIAL.sub("\n", text)
        tags = ANSWER_TAG.findall(text)
        if tags and tags[-1].strip():
            text = tags[-1]
    return text.replace("\r\n", "\n").strip()


def extract(response, kind, options=None):
    """The committed answer of a response, or None where nothing was committed.

    choice, label: an upper-case letter (options: the option texts, at most 26); math: the answer as written, LaTeX or prose; short_text: the stated
    words, or the option's text where options are given. A base model that goes on to invent the next question is read only up to there.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, not {kind!r}")
    text = final_part(response)
    if not text:
        return None
    read = {
        "choice": read_letter,
        "label": read_letter,
        "math": read_math,
        "short_text": read_text,
    }[kind]
    for cut in itertools.islice(NEXT_QUESTION.finditer(text), 20):
        head = text[: cut.start()]
        if (
            head.strip()
            and (found := read(head, options)) is not None
            and (kind != "short_text" or len(head) > 20)
        ):
            return found
    return read(text, options)


def read_letter(text, options):
    return extract_choice(text, options)


def read_math(text, options):
    return extract_math(text)


def read_text(text, options):
    if options:
        letter = extract_choice(text, options)
        return None if letter is None else str(options[LETTERS.index(letter)])
    return extract_text(text)


def grade(response, reference, kind, options=None, unit=None, rel_tol=None):
    """Is the response right? reference: a string, or a list where any one is right (letters or option texts for a choice).

    rel_tol=None: integers exact; decimals agree to the reference's significant digits or within 1 %; a unit that is missing in the response is
    accepted, a convertible one converted, another one wrong. unit: the reference's unit where it stands apart ("10^{-19} C").
    """
    answer = extract(response, kind, options)
    if answer is None:
        return False
    references = list(reference) if isinstance(reference, (list, tuple, set)) else [reference]
    return any(compare(answer, one, kind, options, unit, rel_tol, response) for one in references)


def compare(answer, reference, kind, options=None, unit=None, rel_tol=None, response=None):
    """Is an extracted answer the one reference?"""
    reference = str(reference).strip()
    if kind in ("choice", "label"):
        return answer == reference_letter(reference, options)
    if kind == "math":
        if (
            response
            and len(response) < 400
            and final_part(response).rstrip(".") == reference.rstrip(".")
        ):
            return True
        return same_math(answer, reference, unit, rel_tol)
    if options:
        letter = reference_letter(reference, options)
        return (
            letter is not None
            and answer == str(options[LETTERS.index(letter)])
            or answer.strip().lower() == reference.lower()
        )
    if unit:
        return same_math(answer, reference, unit, rel_tol) or same_text(
            answer, f"{reference} {unit}"
        )
    return same_text(answer, reference, final_part(response) if response else None)


def reference_letter(reference, options):
    """The letter that a reference means: itself, "(B)", or the option with its text; None where it means no option."""
    match = re.fullmatch(r"\(?([A-Za-z])\)?\.?", reference)
    texts = [str(o).strip().lower() for o in options or ()]
    if reference.lower() in texts and not (match and match[1].isupper()):
        return LETTERS[texts.index(reference.lower())]
    if match:
        return match[1].upper()
    hits = named(reference, tuple(map(str, options)), exact=True) if options else []
    return hits[0] if hits else None


def grade_row(row):
    return grade(
        row["response"],
        row["reference"],
        row["kind"],
        row.get("options"),
        row.get("unit"),
        row.get("rel_tol"),
    )


def _grade_rows(rows):
    before = worker.timeouts
    return [grade_row(row) for row in rows], worker.timeouts - before


def grade_many(rows, workers=1):
    """grade() of many rows (dicts with response, reference, kind; options, unit, rel_tol where there are), in order, on `workers` processes.

    Inside a daemonic process, where no processes may be started, it falls back to this one.
    """
    rows = list(rows)
    if workers > 1 and len(rows) > 2000:
        import concurrent.futures
        import multiprocessing

        if not multiprocessing.current_process().daemon:
            chunks = [rows[i : i + 500] for i in range(0, len(rows), 500)]
            with concurrent.futures.ProcessPoolExecutor(
                workers, mp_context=multiprocessing.get_context("spawn")
            ) as pool:
                done = list(pool.map(_grade_rows, chunks))
            with _count_lock:
                worker.timeouts += sum(stopped for _, stopped in done)
            return [verdict for verdicts, _ in done for verdict in verdicts]
    return _grade_rows(rows)[0]


_count_lock = threading.Lock()
