"""How well answers.py reads and grades: labelled answers, the benchmarks' own references in ten phrasings, speed.

    python tests/bench/answers.py                     everything (3 minutes)
    python tests/bench/answers.py labelled [--errors] [--half dev|test] | references | speed | rival | rules

in   the folder of real data beside the checkout (SHARED_DATA): answers/labelled.jsonl, benchmarks/*
out  tables on stdout. Labels given by a model (label_by gpt4, about 3 % wrong) stand apart from the others.
"""

import argparse
import hashlib
import inspect
import json
import os
import random
import re
import statistics
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
SHARED = Path(os.environ.get("SHARED_DATA", ROOT.parent / "shared" / "data"))

import answers
from answers.options import LETTERS, words


def read_rows(path):
    text = path.read_text(encoding="utf-8")
    return (
        json.loads(text)
        if path.suffix == ".json"
        else [json.loads(line) for line in text.split("\n") if line]
    )


def labelled_rows(half="all"):
    """The labelled answers; half dev or test: split by a hash of the id, to develop on one and check on the other."""
    rows = read_rows(SHARED / "answers" / "labelled.jsonl")
    return [
        r
        for r in rows
        if half == "all"
        or (hashlib.sha256(r["id"].encode()).digest()[0] % 2 == 0) == (half == "dev")
    ]


def judge(row):
    """(extraction right or None, graded right or None, false positive) of one labelled row."""
    gold, kind, options = row["gold_extraction"], row["kind"], row["options"]
    extracted = answers.extract(row["response"], kind, options)
    read = graded = None
    if gold is not None and options:
        read = extracted == (None if gold == "NONE" else gold)
    elif gold is not None:
        read = extracted is not None and answers.compare(extracted, gold, kind)[0] is True
    if row["label"] is not None:
        verdict = answers.grade(row["response"], row["reference_answer"], kind, options)
        graded = verdict == row["label"]
    return read, graded, graded is False and not row["label"], extracted


def table_of_labelled(half, errors):
    counts = defaultdict(Counter)
    for row in labelled_rows(half):
        read, graded, false_positive, extracted = judge(row)
        labeller = "model" if row["label_by"] == "gpt4" else "others"
        for key in (
            (row["kind"], labeller),
            (row["kind"], "all"),
            ("pooled", labeller),
            ("pooled", "all"),
        ):
            counts[key].update(
                n=1,
                read=read is True,
                read_n=read is not None,
                graded=graded is True,
                graded_n=graded is not None,
                fp=false_positive,
            )
        if errors and (read is False or graded is False):
            print(
                f"{row['id']} read {read} graded {graded} got {extracted!r} gold {row['gold_extraction']!r} reference {row['reference_answer']!r} label {row['label']} options {row['options']}"
            )
            print(
                "    ",
                repr(
                    row["response"][:200] + " ... " + row["response"][-400:]
                    if len(row["response"]) > 600
                    else row["response"]
                ),
            )
    print(
        f"labelled answers ({half})\n{'kind':8} {'labels by':9} {'rows':>5} {'extraction':>18} {'grading':>18} {'false pos.':>10}"
    )
    for (kind, labeller), c in sorted(
        counts.items(), key=lambda item: (item[0][0] == "pooled", item[0])
    ):
        share = [
            f"{100 * c[k] / c[k + '_n']:5.1f} % of {c[k + '_n']}" if c[k + "_n"] else "-"
            for k in ("read", "graded")
        ]
        print(f"{kind:8} {labeller:9} {c['n']:5} {share[0]:>18} {share[1]:>18} {c['fp']:10}")


def table_of_beyond(half):
    """Choices apart from the rows whose letter is no option ("(E) 80°" of four options), to which
    the labelling model gave the option with the nearest text."""
    beyond = re.compile(r"\W*\(([A-Z])\) [^\n]{1,40}")
    counts = Counter()
    for row in labelled_rows(half):
        match = beyond.fullmatch(row["response"].strip()[-45:])
        if row["kind"] != "choice" or row["gold_extraction"] is None:
            continue
        if match and LETTERS.index(match[1]) >= len(row["options"]):
            counts["beyond"] += 1
        else:
            counts.update(n=1, read=judge(row)[0])
    share = 100 * counts["read"] / counts["n"]
    print(
        f"choice without the {counts['beyond']} rows whose letter is no option: extraction {share:.1f} % of {counts['n']}"
    )


def table_of_rules(half):
    """Which rules read and compared the labelled rows; share that the rules decide, and errors among the decided."""
    read_by, equal_by, decided, wrong, rows = Counter(), Counter(), 0, Counter(), 0
    for row in labelled_rows(half):
        if row["label"] is None:
            continue
        kind, options = row["kind"], row["options"]
        verdict = answers.check(row["response"], row["reference_answer"], kind, options)
        rows += 1
        read_by[verdict.read_by] += 1
        equal_by[verdict.equal_by] += 1
        if verdict.correct is not None:
            decided += 1
            labeller = "model" if row["label_by"] == "gpt4" else "others"
            wrong[labeller] += verdict.correct != row["label"]
    errors = ", ".join(f"{n} by labels of {who}" for who, n in sorted(wrong.items()))
    share = 100 * sum(wrong.values()) / decided
    print(
        f"\ndecided by rules {100 * decided / rows:.1f} % of {rows}; wrong {share:.2f} % of them ({errors})"
    )
    for title, counts in (("read by", read_by), ("equal by", equal_by)):
        print(
            f"{title}: " + ", ".join(f"{name or 'no rule'} {n}" for name, n in counts.most_common())
        )


def benchmark_rows(folder):
    """(benchmark, kind, options, reference, unit, rel_tol) of every row of the shared benchmarks."""
    for path in sorted(folder.glob("*/*.json*")):
        name = path.parent.name
        for row in read_rows(path):
            yield from ((name, *fields) for fields in fields_of(name, path.stem, row))


def fields_of(name, stem, r):
    if name == "mmlu":
        options = r.get("choices") or r["options"]
        return [
            (
                "choice",
                options,
                LETTERS[r["answer"]] if isinstance(r["answer"], int) else r["answer"],
                None,
                None,
            )
        ]
    if name in ("mmlu_pro", "super_gpqa"):
        return [("choice", r["options"], r.get("answer_letter") or r["answer"], None, None)]
    if name == "medqa":
        return [("choice", list(r["options"].values()), r["answer_idx"], None, None)]
    if name == "medmcqa":
        return [
            ("choice", [r[k] for k in ("opa", "opb", "opc", "opd")], LETTERS[r["cop"]], None, None)
        ]
    if name == "piqa":
        return [("choice", [r["sol1"], r["sol2"]], LETTERS[r["label"]], None, None)]
    if name == "pubmedqa":
        return [("label", ["yes", "no", "maybe"], r["final_decision"], None, None)]
    if name == "cs_bench":
        return (
            [("label", ["True", "False"], r["Answer"], None, None)]
            if r["Format"] == "Assertion"
            else [("choice", [r[k] for k in "ABCD"], r["Answer"], None, None)]
        )
    if name == "chembench":
        example = r["examples"][0]
        if not example["target_scores"]:
            return [("math", None, example["target"], None, None)]
        scores = json.loads(example["target_scores"])
        return [
            (
                "choice",
                list(scores),
                [LETTERS[i] for i, v in enumerate(scores.values()) if v > 0],
                None,
                None,
            )
        ]
    if name == "scibench":
        return [("math", None, r["answer_number"], r["unit"], 0.05)]
    if name == "olympiad_bench_en_math":
        return [("math", None, r["final_answer"][0], r["unit"], None)]
    return [("math", None, r["answer"] if "answer" in r else last_box(r["solution"]), None, None)]


def last_box(solution):
    from answers.markup import boxes

    return boxes(solution)[-1][2]


CHOICE_PHRASINGS = [
    "{L}", "({L})", "**{L}**", "Answer: {L}", "The answer is ({L}).", "So the correct option is {L}. {text}", "{L}) {text}", "\\boxed{{{L}}}", "The first option can be ruled out. Therefore, ({L}) is correct.",
    "<think>It might be (B), or the answer is A?</think>\n\n**Final answer:** {L}",
]  # fmt: skip
TEXT_PHRASING = "The answer is: {text}"
MATH_PHRASINGS = [
    "\\boxed{{{g}}}", "So we get $x$ and\n\\[\n\\boxed{{{g}}}\n\\]", "The final answer is $\\boxed{{{g}}}$. I hope it is correct.", "The answer is ${g}$.", "**Answer:** ${g}$", "Answer: {g}", "#### {g}", "Therefore, the final answer is:\n\n$${g}$$",
    "<think>Is it 17? The answer is 3.</think>\nThe answer is \\({g}\\).", "First we had \\boxed{{0.123}}, which is only a step. Final answer: $\\boxed{{{g}}}$",
]  # fmt: skip


def table_of_references():
    counts, failed = defaultdict(Counter), []
    for name, kind, options, reference, unit, rel_tol in benchmark_rows(SHARED / "benchmarks"):
        c = counts[name]
        right = reference if isinstance(reference, list) else [reference]
        if options:
            right = [answers.reference_letter(one, options) for one in right]
            flat = [words(str(o)) for o in options]
            for letter, text in zip(LETTERS, options, strict=False):
                twin = (
                    flat.count(flat[LETTERS.index(letter)]) > 1
                    or not flat[LETTERS.index(letter)].strip()
                    or len(str(text).strip()) == 1
                    and str(text).isalpha()
                )
                for phrasing in CHOICE_PHRASINGS + ([] if twin else [TEXT_PHRASING]):
                    verdict = answers.grade(
                        phrasing.format(L=letter, text=text), right, kind, options
                    )
                    if letter in right:
                        c.update(
                            n=phrasing != TEXT_PHRASING,
                            right=verdict and phrasing != TEXT_PHRASING,
                            text_n=phrasing == TEXT_PHRASING,
                            text=verdict and phrasing == TEXT_PHRASING,
                        )
                        if not verdict:
                            failed.append(
                                (
                                    name,
                                    "missed",
                                    phrasing.format(L=letter, text=text),
                                    right,
                                    options,
                                )
                            )
                    else:
                        c.update(wrong_n=1, wrong=verdict)
                        if verdict:
                            failed.append(
                                (
                                    name,
                                    "wrong option scored",
                                    phrasing.format(L=letter, text=text),
                                    right,
                                    options,
                                )
                            )
            continue
        for phrasing in MATH_PHRASINGS:
            gold = str(reference).strip()
            gold = gold[1:-1] if re.fullmatch(r"\$[^$]*\$", gold) else gold
            text = phrasing.format(g=gold)
            verdict = answers.grade(text, reference, kind, unit=unit, rel_tol=rel_tol)
            c.update(n=1, right=verdict)
            if not verdict:
                failed.append((name, "missed", text, reference, unit))
    print(
        f"{'benchmark':24} {'references in ten phrasings':>28} {'as option text':>18} {'wrong options that scored':>26}"
    )
    for name, c in sorted(counts.items()):
        print(
            f"{name:24} {c['right']:12} of {c['n']:12} {c['text']:8} of {c['text_n']:6} {c['wrong']:12} of {c['wrong_n']:10}"
        )
    return failed


def speed():
    rows = [r for r in labelled_rows() if r["label"] is not None]
    answers.worker.equal("1", "1")  # its start (3 s for sympy) is no row's time
    times = defaultdict(list)
    for row in rows:
        start = time.perf_counter()
        answers.grade(row["response"], row["reference_answer"], row["kind"], row["options"])
        times["math" if row["kind"] == "math" else "choice"].append(
            1000 * (time.perf_counter() - start)
        )
    for kind, values in times.items():
        values.sort()
        print(
            f"{kind:8} median {statistics.median(values):.3f} ms, mean {statistics.mean(values):.3f} ms, 99 % {values[int(0.99 * len(values))]:.1f} ms, longest {values[-1]:.0f} ms a row; {len(values)} rows"
        )
    many = [
        {
            "response": r["response"],
            "reference": r["reference_answer"],
            "kind": r["kind"],
            "options": r["options"],
        }
        for r in rows
    ]
    many = (many * (100_000 // len(many) + 1))[:100_000]
    start = time.perf_counter()
    answers.grade_many(many, workers=2)
    print(f"100,000 rows, 2 workers: {time.perf_counter() - start:.1f} s")


def rival():
    """Plain math-verify on the labelled mathematics, its parse and verify as its page shows them."""
    from math_verify import parse, verify

    counts, start = Counter(), time.process_time()
    for row in labelled_rows():
        if row["kind"] == "math" and row["label"] is not None:
            verdict = bool(
                verify(parse("$" + row["reference_answer"] + "$"), parse(row["response"]))
            )
            counts.update(n=1, right=verdict == row["label"], fp=verdict and not row["label"])
    seconds = time.process_time() - start
    print(
        f"math-verify alone: grading {100 * counts['right'] / counts['n']:.1f} % of {counts['n']}, {counts['fp']} false positives, {1000 * seconds / counts['n']:.1f} CPU ms a row"
    )


def rules():
    """What each function of answers/ decides: rows whose verdict changes where it returns a constant.

    Of three constants (None, True, its first argument) the one that changes least counts; 20 stands
    for 20 and more.
    """
    rows = [
        (r["response"], r["reference_answer"], r["kind"], r["options"])
        for r in labelled_rows()
        if r["label"] is not None
    ]
    written = [
        (c["response"], c["reference"], kind)
        for kind in ("math", "short_text")
        for c in read_rows(ROOT / f"tests/answers/{kind}.jsonl")
    ]
    random.Random(0).shuffle(rows)
    answers.worker.equal = lambda *texts, **limits: None  # math-verify would be asked too often
    base = [[verdict_of(row) for row in group] for group in (rows, written)]
    print(f"{'characters':>10} {'labelled':>9} {'written':>8}   (verdicts that change)")
    for function in list(functions_of_answers()):
        size = len(inspect.getsource(function))
        found = [(changed_by(function, fake, rows, base[0]), i) for i, fake in enumerate(FAKES)]
        labelled, best = min(found)
        cases = changed_by(function, FAKES[best], written, base[1])
        name = f"{function.__module__}.{function.__name__}"
        print(f"{size:10} {labelled:9} {cases:8}   {name}", flush=True)


def changed_by(function, fake, rows, base):
    """How many verdicts change where the function is the fake one."""
    code, defaults = function.__code__, function.__defaults__
    function.__code__, function.__defaults__ = fake.__code__, None
    clear_caches()
    count = changed(rows, base)
    function.__code__, function.__defaults__ = code, defaults
    clear_caches()
    return count


def changed(rows, base, most=20):
    """How many verdicts are no more those of before; counted up to `most`."""
    count = 0
    for row, was in zip(rows, base, strict=True):
        count += verdict_of(row) != was
        if count == most:
            break
    return count


FAKES = (
    lambda *values, **named: None,
    lambda *values, **named: True,
    lambda *values, **named: values[0],
)


def verdict_of(row):
    try:
        return answers.check(*row).correct
    except Exception as error:  # a constant in its place breaks what stands around it
        return type(error)


def functions_of_answers():
    modules = [module for name, module in sys.modules.items() if name.startswith("answers.")]
    for module in modules:
        for value in vars(module).values():
            value = getattr(value, "__wrapped__", value)
            if inspect.isfunction(value) and value.__module__ == module.__name__:
                yield value


def clear_caches():
    for name, module in list(sys.modules.items()):
        if name.startswith("answers."):
            for value in vars(module).values():
                if hasattr(value, "cache_clear") and value.__name__ != "registry":
                    value.cache_clear()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "part", nargs="?", choices=["labelled", "references", "speed", "rival", "rules"]
    )
    parser.add_argument("--half", default="all", choices=["all", "dev", "test"])
    parser.add_argument("--errors", action="store_true", help="print the rows that went wrong")
    args = parser.parse_args()
    if args.part in (None, "labelled"):
        table_of_labelled(args.half, args.errors)
        table_of_beyond(args.half)
        table_of_rules(args.half)
    if args.part in (None, "references"):
        failed = table_of_references()
        for line in failed if args.errors else failed[:5]:
            print("   ", *line)
    if args.part in (None, "speed"):
        speed()
    if args.part in (None, "rival"):
        rival()
    if args.part == "rules":
        rules()


if __name__ == "__main__":
    main()
