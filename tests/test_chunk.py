"""Chunking: nothing lost, no chunk too long, nothing cut that fits; with words and with a real
tokenizer."""

import itertools
import re

import chunk_documents as c
import pytest
import worked_problems
from calling import call
from conftest import read_jsonl, write_jsonl
from hypothesis import given, settings
from hypothesis import strategies as st

WORDS = c.counter("words")
PROSE = "Energy is conserved in every process that we know. " * 4
PIECES = [
    "# Chapter 1",
    "## 1.1 Work",
    "### Problems",
    PROSE,
    "A short paragraph.",
    "It follows that",
    "$$ E = mc^2 $$",
    "$$\na = b\n\nc = d\n$$",
    "\\begin{align}\nx &= 1\n\ny &= 2\n\\end{align}",
    "```python\nprint(1)\n\nprint(2)\n```",
    "| a | b |\n|---|---|\n| 1 | 2 |",
    "- one\n- two",
    "**Example 1.2.** A stone falls. How far?",
    "**Solution.** It falls five metres.",
    "**Problem 3.** Compute it.",
    "**Solution 3.** It is 4.",
    "**Theorem 2.** All is one.",
    "*Proof.* Clear. ∎",
    "where $v$ is the speed.",
    "lone $$ of a slip",
    "wort" * 300,
    "\u2028 odd \u00a0 space",
]
documents = st.lists(st.sampled_from(PIECES) | st.text(max_size=200), max_size=40).map("\n\n".join)


def chunks(text, limit, count=WORDS):
    return [text[a:b] for a, b, _ in c.chunk_text(text, count, limit)]


@settings(max_examples=300, deadline=None)
@given(documents, st.integers(1, 60))
def test_laid_end_to_end_the_chunks_are_the_document(text, limit):
    spans = c.chunk_text(text, WORDS, limit)
    assert "".join("".join(text[a:b].split()) for a, b, _ in spans) == "".join(text.split())
    assert all(0 < size <= limit and size == len(text[a:b].split()) for a, b, size in spans)


def filler(words):
    return " ".join(["Words"] + ["word"] * (words - 2)) + " end." if words > 1 else "End."


@pytest.mark.parametrize(
    "whole",
    [
        "**Example 4.1.** A stone falls from 20 m. How long?\n\n**Solution.** We use\n\n$$ h = \\tfrac12 g t^2 $$\n\nso that it falls 2.0 s.",
        "##### Example 3\n\nA car brakes.\n\n**Strategy**\n\nUse energy.\n\n**Solution**\n\n$$ W = \\Delta K $$\n\n**Significance**\n\nIt stops.",
        "**Problem 7.** Find the sum.\n\n(a) of two\n\n(b) of three\n\n**Solution 7.** a. 5; b. 6",
        "Exercise 1.4: Show that a is b.\n\n(i) directly\n\nAnswer: since a is b.",
        "**Theorem 2.1.** If $a$ then $b$.\n\n*Proof.* Assume $a$. Then\n\n\\begin{align}\nb &= a\n\nc &= b\n\\end{align}",
        "> **Lemma.** All sets are sets.\n\n**Proof.** By definition, which needs a few words.",
        "### Example 3.1\n\n#### Calculating the Force\n\nA car of 900 kg brakes. How large is the force?\n\n#### Strategy\n\nUse the law.\n\n#### Solution\n\nIt is large.",
        "### Question 5\n\nWhat is a cell?\n\n### Answer 5\n\nThe smallest unit of life, as far as one knows.",
        "The energy is given by\n\n$$\nE = mc^2\n\n+ 0\n$$\n\nwhere $c$ is the speed of light, a constant.".replace(
            "by\n", "by:\n"
        ),
        "```python\ndef f(x):\n\n    return x\n```\n",
        "## A heading\n\nAnd the first paragraph below it, which is not long.",
    ],
)
def test_what_belongs_together_stays_together(whole):
    whole = whole.strip()
    size = len(whole.split())
    for before in range(1, 40):
        text = f"{filler(before)}\n\n{whole}\n\n{filler(30)}\n\n{filler(30)}"
        assert sum(whole in chunk for chunk in chunks(text, max(size, 40))) == 1, (
            before,
            chunks(text, max(size, 40)),
        )


def test_an_example_longer_than_a_chunk_is_cut_at_its_paragraphs():
    text = "**Example 1.** " + filler(20) + "\n\n**Solution.** " + filler(20) + "\n\n" + filler(20)
    parts = chunks(text, 25)
    assert len(parts) == 3 and all(part.endswith("end.") for part in parts)
    sentences = " ".join(f"Sentence number {i} is here." for i in range(20))
    assert all(part.endswith(".") for part in chunks(sentences, 12))


def test_solutions_of_other_exercises_are_not_pulled_in():
    text = "**Problem 1.** Find a.\n\n**Problem 2.** Find b.\n\n## Answers\n\n**Solution 1.** a = 1\n\n**Solution 2.** b = 2"
    blocks = c.find_blocks(text)
    assert [
        [text[b.start : b.start + 13] for b in unit] for unit in c.find_units(text, blocks)
    ] == [
        ["**Problem 1.*"],
        ["**Problem 2.*"],
        ["## Answers\n\n*", "**Solution 1."],
        ["**Solution 2."],
    ]


def test_prose_that_begins_with_a_label_is_prose():
    text = "Problems of this kind are common in practice.\n\nAnother paragraph.\n\n## Exercises\n\n**Exercise 1.** Do it."
    assert [block.kind for block in c.find_blocks(text)] == ["", "", "", "exercise"]


def test_a_chunk_that_is_nearly_full_ends_before_a_heading():
    text = f"{filler(80)}\n\n## Next\n\n{filler(15)}\n\n{filler(50)}"
    assert [chunk.split()[0] for chunk in chunks(text, 100)] == ["Words", "##"]


def test_a_formula_with_an_empty_line_is_one_block():
    formula = "\\[\n\\begin{matrix} a \\\\[2pt] b \\end{matrix}\n\n+ A\n\\]"
    text = f"It is\n\n{formula}\n\nThis is so.\n\n```\nx = r'\\['\n\ny = 1\n```\n\nEnd of it, \\]."
    assert [text[b.start : b.end] for b in c.find_blocks(text)][1:3] == [formula, "This is so."]
    assert len(c.find_blocks(text)) == 5
    lone = "A slip \\[ here.\n\n" + "\n\n".join(filler(30) for _ in range(200))
    assert len(c.find_blocks(lone)) == 201


def test_a_lone_formula_mark_does_not_swallow_the_book():
    text = "A slip $$ here.\n\n" + "\n\n".join(filler(30) for _ in range(200))
    assert (
        len(c.find_blocks(text)) == 201
        and max(len(chunk.split()) for chunk in chunks(text, 100)) <= 100
    )


def test_a_solution_that_goes_on_in_prose_stays_with_its_example():
    """Chemistry 2e, gases, example 9: the paragraph after "Converting into the right units:" began
    a chunk."""
    whole = "#### Example 9\n\nWhat volume has 655 g?\n\n**Solution**\n\nGrams must be moles.\n\nConverting gives it.\n\nIt has 1 L."
    for before in range(1, 40):
        text = f"{filler(before)}\n\n{whole}\n\n**Check Your Learning**\n\n{filler(30)}\n\n{filler(30)}"
        assert sum(whole in chunk for chunk in chunks(text, 40)) == 1, before


def test_no_boundary_parts_problem_and_solution_in_real_chapters(shared):
    """7 of 26 boundaries of the chemistry chapters stood between "Check Your Learning" and its
    answer."""
    for path in sorted((shared / "textbooks").glob("*.md")):
        text = path.read_text(encoding="utf-8")
        pairs = [p for p in worked_problems.find_pairs(text)[0] if p.kind != "key"]
        for limit in (300, 600, 1500):
            starts = [start for start, _, _ in c.chunk_text(text, c.counter("words"), limit)]
            for pair in pairs:
                fits = (
                    len(text[pair.start : pair.answer_end].split()) < limit - 30
                )  # with its label
                parted = any(pair.start < start < pair.answer_end for start in starts)
                assert not (fits and parted), (path.name, limit, pair.label)


def test_chunks_full_of_unread_formulas_are_rejected(tmp_path):
    text = f"{filler(40)}\n\nSo it is\n\n{c.MARK}, {c.MARK} and\n\n{c.MARK}."
    write_jsonl(
        tmp_path / "d.jsonl",
        [
            {"id": "d", "subject": "physics", "text": text},
            {"id": "e", "subject": "physics", "text": f"{filler(300)} {c.MARK}"},
        ],
    )
    files = (
        "--input",
        tmp_path / "d.jsonl",
        "--output",
        tmp_path / "c.jsonl",
        "--tokenizer",
        "words",
    )
    call(c, *files)
    assert [row["doc_id"] for row in read_jsonl(tmp_path / "c.jsonl")] == ["e"]
    assert [row["reason"] for row in read_jsonl(tmp_path / "c.rejected.jsonl")] == [
        "rests on formulas that could not be read"
    ]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    """Folder with a byte-level BPE trained on the pieces above: the same library and file form that
    models have."""
    import tokenizers

    folder = tmp_path_factory.mktemp("tokenizer")
    made = tokenizers.Tokenizer(tokenizers.models.BPE())
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.train_from_iterator(
        PIECES * 5,
        tokenizers.trainers.BpeTrainer(
            vocab_size=400,
            initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
            special_tokens=["<s>"],
            show_progress=False,
        ),
    )
    made.enable_truncation(5)  # as some models' files do: must not cut the counts
    made.save(str(folder / "tokenizer.json"))
    return folder


@settings(max_examples=60, deadline=None)
@given(text=documents, limit=st.integers(8, 120))
def test_token_counts_are_those_of_the_chunk_and_within_the_limit(tokenizer, text, limit):
    count = c.counter(str(tokenizer))
    import tokenizers

    plain = tokenizers.Tokenizer.from_file(str(tokenizer / "tokenizer.json"))
    plain.no_truncation()
    spans = c.chunk_text(text, count, limit)
    assert "".join("".join(text[a:b].split()) for a, b, _ in spans) == "".join(text.split())
    assert all(size == len(plain.encode(text[a:b]).ids) <= limit for a, b, size in spans)


def test_the_command(run_script, tmp_path, tokenizer):
    text = "\n\n".join([f"# Title\n\n{PROSE}"] + [PROSE] * 30)
    rows = [
        {
            "id": "d1",
            "title": "T",
            "subject": "physics",
            "text": text,
            "pages": [[5, 0], [6, len(text) // 2]],
            "source": "a.pdf",
            "license": "CC BY 4.0",
            "level": "graduate",
        },
        {
            "id": "d2",
            "title": "E",
            "subject": None,
            "text": "  ",
            "pages": None,
            "source": "b.md",
            "license": None,
        },
    ]
    write_jsonl(tmp_path / "d.jsonl", rows)
    run_script(
        "01_extract/chunk_documents.py",
        "--input",
        tmp_path / "d.jsonl",
        "--output",
        tmp_path / "c.jsonl",
        "--tokenizer",
        tokenizer,
        "--max-tokens",
        256,
    )
    made, rejected = read_jsonl(tmp_path / "c.jsonl"), read_jsonl(tmp_path / "c.rejected.jsonl")
    assert rejected[0]["id"] == "d2" and rejected[0]["reason"] == "no text"
    assert len({row["id"] for row in made}) == len(made) > 3 and all(
        row["n_tokens"] <= 256 and row["doc_id"] == "d1" for row in made
    )
    assert (made[0]["pages"], made[-1]["pages"]) == ([5, 5], [6, 6]) and {
        row["level"] for row in made
    } == {"graduate"}
    assert all(text[row["start"] :].startswith(row["text"]) for row in made)
    run_script(
        "01_extract/chunk_documents.py",
        "--input",
        tmp_path / "d.jsonl",
        "--output",
        tmp_path / "w.jsonl",
        "--tokenizer",
        "words",
        "--max-tokens",
        100,
    )
    assert all(
        row["n_tokens"] == len(row["text"].split()) <= 100
        for row in read_jsonl(tmp_path / "w.jsonl")
    )


def test_a_sample_is_drawn_evenly_from_the_documents(run_script, tmp_path):
    rows = [
        {"id": f"d{i}", "subject": "physics", "text": "\n\n".join([f"{PROSE} {i}"] * n)}
        for i, n in enumerate((1, 9, 30))
    ]
    write_jsonl(tmp_path / "d.jsonl", rows)
    for out, seed in (("a", 1), ("b", 1), ("c", 2)):
        run_script(
            "01_extract/chunk_documents.py",
            "--input",
            tmp_path / "d.jsonl",
            "--output",
            tmp_path / f"{out}.jsonl",
            "--tokenizer",
            "words",
            "--max-tokens",
            40,
            "--sample",
            9,
            "--seed",
            seed,
        )
    a, b, other = (read_jsonl(tmp_path / f"{out}.jsonl") for out in "abc")
    assert [sum(row["doc_id"] == f"d{i}" for row in a) for i in range(3)] == [
        1,
        4,
        4,
    ] and a == b != other
    assert len(a) + len(read_jsonl(tmp_path / "a.rejected.jsonl")) == 40


@pytest.mark.parametrize(
    ("options", "message"), [(["--tokenizer", "/nowhere/at/all"], "--tokenizer /nowhere/at/all")]
)
def test_clear_errors(run_script, tmp_path, options, message):
    write_jsonl(tmp_path / "d.jsonl", [{"id": "d", "text": "x"}])
    done = run_script(
        "01_extract/chunk_documents.py",
        "--input",
        tmp_path / "d.jsonl",
        "--output",
        tmp_path / "c.jsonl",
        *options,
        check=False,
        env={"HF_HUB_OFFLINE": "1"},
    )
    assert done.returncode == 2 and message in done.stderr.strip().split("\n")[-1]


def test_real_chapters_keep_their_solutions_and_formulas(shared):
    for path in sorted((shared / "textbooks").glob("*.md")):
        text = path.read_text(encoding="utf-8")
        if path.name == "SOURCES.md":
            continue
        parts = chunks(text, 600)
        assert "".join("".join(part.split()) for part in parts) == "".join(text.split())
        for before, after in itertools.pairwise(parts):
            assert before.count("$$") % 2 == 0 and after.count("$$") % 2 == 0, path.name
            assert not re.search(r"\n#{1,6} [^\n]*$", before), (path.name, before[-80:])
            solution = re.match(r"\*\*Solution (\d+)\.\*\*", after)
            assert not solution or f"**Problem {solution[1]}.**" not in before, (
                path.name,
                after[:80],
            )
