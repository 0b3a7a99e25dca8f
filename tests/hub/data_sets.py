"""The hub's fifteen benchmarks and five sources in miniature: twelve rows each, in the real columns, layouts and quirks.

fill(hub)        every set at its pinned commit; `main` of the sets that are pinned to a converted branch holds only a script
"""

import csv
import io
import json

import benchmarks
import load_sources
import pyarrow
import pyarrow.parquet

ROWS = 12
LETTERS = "ABCDEFGHIJ"


def parquet(rows, **types):
    """Bytes of a parquet file; `types` gives the type of columns that pyarrow cannot tell from the rows."""
    table = pyarrow.Table.from_pylist(rows)
    for name, kind in types.items():
        column = table.column_names.index(name)
        table = table.set_column(column, name, table[name].cast(kind))
    out = io.BytesIO()
    pyarrow.parquet.write_table(table, out)
    return out.getvalue()


def jsonl(rows):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def card(*configs):
    """README.md whose front matter names the files: configs are (name, {split: path})."""
    lines = ["---", "configs:"]
    for name, files in configs:
        lines += [f"- config_name: {name}", "  data_files:"]
        lines += [
            line
            for split, path in files.items()
            for line in (f"  - split: {split}", f"    path: {path}")
        ]
    return "\n".join([*lines, "---", ""])


def many(make):
    return [make(i) for i in range(ROWS)]


def sums(i):
    return f"What is {i} plus {i + 1}, counted in whole apples of basket {i}?"


def mmlu():
    rows = many(
        lambda i: dict(
            question=sums(i),
            subject="college_physics",
            choices=[str(2 * i + k) for k in range(4)],
            answer=1,
        )
    )
    files = {"all/test-00000-of-00001.parquet": parquet(rows)}
    dev = parquet([{**rows[0], "question": "A worked example?"}])
    configs = ("all", {"test": "all/test-*", "dev": "all/dev-*"})
    return {"README.md": card(configs), **files, "all/dev-00000-of-00001.parquet": dev}


def gpqa():
    rows = many(
        lambda i: {
            "Question": sums(i),
            "Correct Answer": str(2 * i + 1),
            **{f"Incorrect Answer {k}": str(2 * i + 1 + k) for k in (1, 2, 3)},
            "High-level domain": "Physics",
            "Record ID": f"rec{i}",
            "Canary String": "canary GUID of a miniature",
        }
    )
    out = io.StringIO()
    writer = csv.DictWriter(out, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    return {
        "README.md": card(("gpqa_diamond", {"train": "gpqa_diamond.csv"})),
        "gpqa_diamond.csv": out.getvalue(),
    }


def mmlu_pro():
    rows = many(
        lambda i: dict(
            question_id=i,
            question=sums(i),
            options=[str(2 * i + k) for k in range(10)],
            answer="B",
            answer_index=1,
            cot_content="",
            category="physics",
            src="theoremQA-x",
        )
    )
    path = "data/test-00000-of-00001.parquet"
    return {"README.md": card(("default", {"test": "data/test-*"})), path: parquet(rows)}


def supergpqa():
    rows = many(
        lambda i: dict(
            uuid=f"u{i}",
            question=sums(i),
            options=[str(2 * i + k) for k in range(10)],
            answer=str(2 * i + 1),
            answer_letter="B",
            discipline="Science",
            field="Physics",
            subfield="Mechanics",
            difficulty="easy",
            is_calculation=True,
        )
    )
    return {
        "README.md": card(("default", {"train": "SuperGPQA-all.jsonl"})),
        "SuperGPQA-all.jsonl": jsonl(rows),
    }


def scibench():
    books = ["fund", "thermo", "class", "atkins", "quan", "stat", "diff", "calculus"]
    rows = many(
        lambda i: dict(
            problem_text=sums(i),
            answer_latex=f" {2 * i + 1}",
            answer_number=f"{2 * i + 1}",
            problemid=f" {i}.1",
            unit=" $\\mathrm{~m}$" if i % 2 else " ",
            source=books[i % 8],
            solution="",
            comment=" ",
        )
    )
    path = "data/train-00000-of-00001.parquet"
    return {"README.md": card(("default", {"train": "data/train-*"})), path: parquet(rows)}


def olympicarena():
    """unit, answer, answer_sequence and type_sequence are lists of texts, in every configuration; answers of the test split are withheld."""
    texts, files = pyarrow.list_(pyarrow.string()), {}
    configs = benchmarks.BENCHMARKS["olympicarena"]["configs"]
    for config in configs:
        rows = many(
            lambda i, config=config: dict(
                id=f"{config}_{i}",
                problem=sums(i) + f" ({config})",
                prompt="theirs",
                figure_urls=None,
                answer=None,
                answer_type=["NV", "MPV", "TF", "CODE"][i % 4],
                unit=[["kg"], ["kg", "m/s"], None, []][i % 4],
                answer_sequence=["mass", "speed"] if i % 4 == 1 else None,
                type_sequence=["NV", "NV"] if i % 4 == 1 else None,
                subject=config,
                language="ZH" if i == 8 else "EN",
                modality="multi-modal" if i == 9 else "text-only",
            )
        )
        types = dict.fromkeys(("answer", "unit", "answer_sequence", "type_sequence"), texts)
        types["figure_urls"] = texts
        files[f"{config}/test-00000-of-00001.parquet"] = parquet(rows, **types)
        solved = [{**row, "answer": ["1", "2"][: 1 + i % 2]} for i, row in enumerate(rows)]
        files[f"{config}/val-00000-of-00001.parquet"] = parquet(solved, **types)
    named = [(c, {"test": f"{c}/test-*", "val": f"{c}/val-*"}) for c in configs]
    return {"README.md": card(*named), **files}


def chembench():
    files, configs = {}, benchmarks.BENCHMARKS["chembench"]["configs"]
    for config in configs:
        rows = many(
            lambda i, config=config: dict(
                canary="canary GUID of a miniature",
                description="a sum",
                examples=[
                    dict(
                        input=sums(i) + f" ({config})",
                        target=None if i % 2 else str(2 * i + 1),
                        target_scores=json.dumps({"0": 0, str(2 * i + 1): 1}) if i % 2 else None,
                    )
                ],
                in_humansubset_w_tool=False,
                in_humansubset_wo_tool=False,
                keywords=["requires-calculation"],
                metrics=["multiple_choice_grade" if i % 2 else "exact_str_match"],
                name=f"{config}-{i}",
                preferred_score="exact_str_match",
                relative_tolerance=None if i % 4 else 0.05,
                uuid=f"{config}-{i}",
            )
        )
        files[f"{config}/train-00000-of-00001.parquet"] = parquet(rows)
    named = [(c, {"train": f"{c}/train-*"}) for c in configs]
    return {"README.md": card(*named), **files}


def csbench():
    """The real layout: a folder a language, several formats in one file, and a display file at the root that joins split test by its name."""

    def row(i):
        kind = ["Multiple-choice", "Assertion", "Fill-in-the-blank"][i % 3]
        more = {"A": "0", "B": str(2 * i + 1), "C": "77", "D": "78", "Answer": "B"}
        if kind != "Multiple-choice":
            more = {"Answer": "True" if kind == "Assertion" else "x", "Explanation": "So it is."}
        about = dict(Domain="Operating System", SubDomain="Overview", Tag="Reasoning")
        return dict(
            ID=i, Split="Test", Format=kind, Language="English", Question=sums(i), **about, **more
        )

    rows = many(row)
    shown = [{**row, "Question": "For display: " + row["Question"]} for row in rows]
    return {
        "README.md": "---\nlicense: cc-by-nc-4.0\n---\n",
        "en_test_100_multiple-choice_case_just_for_display.jsonl": jsonl(shown),
        "CS-Bench/English/test.jsonl": jsonl(rows),
        "CS-Bench/English/valid.jsonl": jsonl(rows),
        "CS-Bench/Chinese/test.jsonl": jsonl([{**row, "Language": "Chinese"} for row in rows]),
    }


def medqa():
    rows = many(
        lambda i: dict(
            meta_info="step1",
            question=sums(i),
            answer_idx="B",
            answer=str(2 * i + 1),
            options=[dict(key=letter, value=str(2 * i + k)) for k, letter in enumerate("ABCDE")],
        )
    )
    return {"med_qa.py": "raise SystemExit", "med_qa_en_source/med_qa-test.parquet": parquet(rows)}


def medmcqa():
    rows = many(
        lambda i: dict(
            id=f"m{i}",
            question=sums(i),
            **{f"op{letter}": str(2 * i + k) for k, letter in enumerate("abcd")},
            cop=1,
            choice_type="single",
            exp=None,
            subject_name="Surgery",
            topic_name=None,
        )
    )
    path = "data/validation-00000-of-00001.parquet"
    return {
        "README.md": card(("default", {"validation": "data/validation-*"})),
        path: parquet(rows),
    }


def pubmedqa():
    rows = many(
        lambda i: dict(
            QUESTION=sums(i),
            CONTEXTS=[f"Part one of {i}.", "Part two."],
            LABELS=["BACKGROUND", "RESULTS"],
            MESHES=["Apples"],
            YEAR="2001",
            reasoning_required_pred="yes",
            reasoning_free_pred="yes",
            final_decision=["yes", "no", "maybe"][i % 3],
            LONG_ANSWER="So it is.",
        )
    )
    return {"pubmed_qa_labeled_fold0_source/test/0000.parquet": parquet(rows)}


def piqa():
    rows = many(lambda i: dict(goal=sums(i), sol1=f"twist {i}", sol2=f"shout {i}", label=i % 2))
    return {"plain_text/validation/0000.parquet": parquet(rows)}


def gsm8k():
    rows = many(lambda i: dict(question=sums(i), answer=f"It is so.\n#### {2 * i + 1}"))
    path = "main/test-00000-of-00001.parquet"
    return {"README.md": card(("main", {"test": "main/test-*"})), path: parquet(rows)}


def math():
    files, configs = {}, benchmarks.BENCHMARKS["math"]["configs"]
    for config in configs:
        rows = many(
            lambda i, config=config: dict(
                problem=sums(i) + f" ({config})",
                level="Level 1",
                type=config.title(),
                solution=f"So \\boxed{{{2 * i + 1}}}.",
            )
        )
        files[f"{config}/test-00000-of-00001.parquet"] = parquet(rows)
    return {"README.md": card(*((c, {"test": f"{c}/test-*"}) for c in configs)), **files}


def math500():
    rows = many(
        lambda i: dict(
            problem=sums(i),
            solution=f"So \\boxed{{{2 * i + 1}}}.",
            answer=f"{2 * i + 1}",
            subject="Algebra",
            level=2,
            unique_id=f"test/algebra/{i}.json",
        )
    )
    return {"README.md": card(("default", {"test": "test.jsonl"})), "test.jsonl": jsonl(rows)}


# ---- training sources ----

FACTS = [
    ("Which planet is nearest to the Sun", "Mercury", "astronomy"),
    ("Which gas do plants take up from the air to build sugar", "carbon dioxide", "biology"),
    ("How do we call the change of a liquid into a gas at its surface", "evaporation", "physics"),
    (
        "Which metal is liquid at room temperature and stands in thermometers",
        "mercury",
        "chemistry",
    ),
    ("Which cell organelle makes most of the ATP", "the mitochondrion", "biology"),
    ("What is the derivative of the sine function", "the cosine", "mathematics"),
    ("How many degrees have the angles of a plane triangle together", "180", "mathematics"),
    ("Which force keeps the Moon on its way round the Earth", "gravity", "physics"),
    ("Which organ cleans the blood and makes urine", "the kidney", "medicine"),
    ("Which particle of the atom bears the negative charge", "the electron", "chemistry"),
    ("Which data structure hands out first what came in last", "a stack", "computer science"),
    ("What do we call the smallest unit of a chemical element", "an atom", "chemistry"),
]


def facts(start):
    """(question, answer, reference, subject) of twelve rows, worded differently by each source."""
    return [
        (
            f"{start} {question}? (question {i})",
            f"We look for it step by step. It is {short}.",
            short,
            subject,
        )
        for i, (question, short, subject) in enumerate(FACTS)
    ]


def textbook_reasoning():
    rows = [
        dict(question=q, answer=a, subject=s, reference_answer=ref)
        for q, a, ref, s in facts("From the textbook:")
    ]
    path = "data/train-00000-of-00001.parquet"
    return {"README.md": card(("default", {"train": "data/train-*"})), path: parquet(rows)}


def natural_reasoning():
    rows = [
        dict(
            question=q,
            reference_answer=ref,
            responses=[dict(response_model="Llama3.3-70B-Instruct", response=a)],
        )
        for q, a, ref, s in facts("Somebody wants to know, and needs the reasons as well:")
    ]
    return {"README.md": card(("default", {"train": "full.jsonl"})), "full.jsonl": jsonl(rows)}


def nemotron_science():
    rows = [
        dict(
            version="v1",
            input=[dict(role="user", content=q)],
            output=f"<think>\nLet me see.\n</think>\n{a}",
            category="science",
            license="cc-by-4.0",
            reasoning="on",
            generator="DeepSeek-R1",
            used_in_training="Ultra",
            system_prompt="detailed thinking on",
        )
        for q, a, ref, s in facts("Pick the word that fits what is asked in this line:")
    ]
    named = ("SFT", {"science": "SFT/science/*.jsonl"})
    return {"README.md": card(named), "SFT/science/science.jsonl": jsonl(rows)}


def scp_116k():
    rows = [
        dict(domain=s, problem=q, matched_solution=a, o1_solution=a, qwq_solution=a)
        for q, a, ref, s in facts("For a degree, solve this:")
    ]
    path = "data/train-00000-of-00001.parquet"
    return {"README.md": card(("default", {"train": "data/train-*"})), path: parquet(rows)}


def megascience():
    rows = [
        dict(question=q, answer=a, subject=s, reference_answer=ref, source="textbook_reasoning")
        for q, a, ref, s in facts("In the mixture:")
    ]
    path = "data/train-00000-of-00001.parquet"
    return {"README.md": card(("default", {"train": "data/train-*"})), path: parquet(rows)}


BENCHMARK_FILES = {
    "mmlu": mmlu,
    "gpqa_diamond": gpqa,
    "mmlu_pro": mmlu_pro,
    "supergpqa": supergpqa,
    "scibench": scibench,
    "olympicarena": olympicarena,
    "chembench": chembench,
    "csbench": csbench,
    "medqa": medqa,
    "medmcqa": medmcqa,
    "pubmedqa": pubmedqa,
    "piqa": piqa,
    "gsm8k": gsm8k,
    "math": math,
    "math500": math500,
}
SOURCE_FILES = {
    "textbook_reasoning": textbook_reasoning,
    "natural_reasoning": natural_reasoning,
    "nemotron_science": nemotron_science,
    "scp_116k": scp_116k,
    "megascience": megascience,
}


def fill(hub):
    """Put every set on the hub under its real name and commit; GPQA is gated, and later commits hold other files."""
    for name, make in BENCHMARK_FILES.items():
        entry = benchmarks.BENCHMARKS[name]
        commit = entry["revision"].ljust(40, "0")
        gated = "gated" in entry["license"]
        repo = hub.add("datasets", entry["hub"], make(), commit, gated=gated)
        # what stands there today is not what was pinned
        repo.commit({"README.md": "moved", "loader.py": "raise SystemExit"}, ref="main")
    for name, make in SOURCE_FILES.items():
        source = load_sources.read_table()[name]
        commit = source["revision"].ljust(40, "0")
        repo = hub.add("datasets", source["hub"], make(), commit)
        repo.commit({"README.md": "moved"}, ref="main")
