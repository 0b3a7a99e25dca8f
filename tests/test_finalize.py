"""finalize.py and funnel.py: final rows, parquet, card, spot check; all of it also for an empty
run."""

import html
import json
import random
import re

import finalize
import funnel
import pytest
from browser import HOSTILE, browse, needs_browser
from conftest import read_jsonl, write_jsonl
from test_refine import call

import rows as r


def final_rows(n=80):
    rows = []
    for i in range(n):
        row = {
            "id": f"r{i:03}", "question": f"What is {i} plus {i}? <b>&amp;</b>",
            "answer": f"Counting on gives $2 \\cdot {i} = {2 * i}$, so \\boxed{{{2 * i}}}.",
            "subject": ["physics", "computer science", None][i % 3], "reference_answer": str(2 * i), "reference_by": "box", "source": f"Book {i % 4}",
            "license": ["CC BY 4.0", "CC BY-SA 4.0"][i % 2], "pages": [i, i + 1], "source_id": f"c{i % 5}", "standard": ["high", "low"][i % 2],
            "score": i if i % 2 else i / 4, "note": {"by": "hand"} if i % 10 == 0 else None,
            "mixed": "text" if i % 2 else 5, "empty": None, "tags": [] if i % 2 else ["a"],
        }  # fmt: skip
        rows.append(row)
    return rows


def meta(path, name, before, counts, **more):
    """A meta file as a step leaves it."""
    write_jsonl(
        path / f"{name}.jsonl",
        [
            {"id": str(i), "subject": "physics" if i % 3 else "biology"}
            for i in range(counts["out"])
        ],
    )
    value = {
        "counts": {"split": 0, **counts},
        "seconds": 1.5,
        "same_if": {"options": {"input": before}},
        **more,
    }
    r.write_json(path / f"{name}.meta.json", value)


@pytest.fixture
def run(tmp_path):
    """A folder as the steps leave it: documents -> chunks -> reference, with a moved input in
    between."""
    meta(tmp_path, "documents", "/books", {"in": 4, "out": 3, "rejected": {"encrypted": 1}})
    meta(tmp_path, "chunks", str(tmp_path / "documents.jsonl"), {"in": 3, "out": 9, "rejected": {}})
    counts = {"in": 90, "out": 80, "rejected": {"no reference": 8, "unparsed": 2}}
    meta(
        tmp_path,
        "reference",
        "elsewhere/chunks.jsonl",
        counts,
        model="Qwen/Qwen3-32B",
        tokens={"prompt_tokens": 0, "completion_tokens": 12345},
    )
    write_jsonl(tmp_path / "reference.jsonl", final_rows())
    r.write(
        tmp_path / "chunks.jsonl",
        [
            {"id": f"c{i}", "text": f"Passage {i} <script>alert(1)</script> \ud800"}
            for i in range(5)
        ],
    )
    return tmp_path


@pytest.mark.slow
def test_rows_and_parquet_are_the_same(run):
    import pyarrow.parquet

    rows = read_jsonl(run / "reference.jsonl")
    rows.append({**rows[0], "id": "again", "question": "what is 0   plus 0? <B>&amp;</b>"})
    rows += [{**rows[1], "id": "e", "answer": " "}, {**rows[2], "id": "s", "question": "\ud800?"}]
    r.write(run / "reference.jsonl", rows)
    call(finalize, "--input", run / "reference.jsonl", "--output", run / "textbook_qa.jsonl")
    kept, rejected = (
        read_jsonl(run / "textbook_qa.jsonl"),
        read_jsonl(run / "textbook_qa.rejected.jsonl"),
    )
    assert len(kept) == 81 and list(kept[0])[:7] == [
        "id",
        "question",
        "answer",
        "subject",
        "reference_answer",
        "reference_by",
        "source",
    ]
    assert [(row["id"], row["reason"]) for row in rejected] == [
        ("again", "same question"),
        ("e", "empty answer"),
    ]
    assert rejected[0]["duplicate_of"] == "r000"
    table = pyarrow.parquet.read_table(run / "textbook_qa.parquet")
    assert table.num_rows == 81 and table.schema.field("pages").type == pyarrow.list_(
        pyarrow.int64()
    )
    assert (
        table.schema.field("tags").type == pyarrow.list_(pyarrow.string())
        and table.schema.field("score").type == pyarrow.float64()
    )
    stored = table.to_pylist()
    for one, other in zip(kept[:80], stored, strict=False):
        assert all(other[k] == one[k] for k in one if k not in ("note", "mixed"))
        assert (
            json.loads(other["mixed"]) == one["mixed"]
            and json.loads(other["note"] or "null") == one["note"]
        )
    assert stored[80]["question"] == "??"
    assert len(list(r.read(run / "textbook_qa.parquet", "question", "reference_answer"))) == 81


def test_funnel_follows_the_inputs(run):
    steps = funnel.chain(run / "reference.jsonl")
    assert [step["name"] for step in steps] == ["documents", "chunks", "reference"]
    text = funnel.table(steps)
    assert "| documents | 4 | 3 | 1 | 75.0% | encrypted 1 | - | - | - | 1.5 |" in text
    assert (
        "| reference | 90 | 80 | 10 | 88.9% | no reference 8, unparsed 2 | Qwen3-32B | 12,345 | 154 | 1.5 |"
        in text
    )
    assert funnel.chain(run / "nothing.jsonl") == []


def test_card_is_valid_for_the_hub_and_counts(run):
    import huggingface_hub

    call(
        finalize,
        "--input",
        run / "reference.jsonl",
        "--output",
        run / "textbook_qa.jsonl",
        "--name",
        "Little Science: a test",
    )
    card = huggingface_hub.DatasetCard.load(run / "README.md")
    assert card.data.license == ["cc-by-4.0", "cc-by-sa-4.0"]
    assert card.data.pretty_name == "Little Science: a test"
    assert card.data.configs[0]["data_files"] == [{"split": "train", "path": "textbook_qa.parquet"}]
    text = card.text
    assert (
        "80 question-answer pairs" in text
        and "4 books or chapters" in text
        and "| physics | 27 | 33.8 % |" in text
    )
    assert "| CC BY 4.0 | 40 |" in text and "no reference 8, unparsed 2" in text
    assert text.count("````text") == 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CC BY 4.0", "cc-by-4.0"),
        ("CC BY-SA 4.0 (dual with CC BY-NC-SA 4.0)", "cc-by-sa-4.0"),
        ("CC BY (2.5 Canada)", "cc-by-2.5"),
        ("cc-by-nc-4.0", "cc-by-nc-4.0"),
        ("CC-BY-SA-4.0", "cc-by-sa-4.0"),
        ("CC BY-SA 3.0", "cc-by-sa-3.0"),
        ("CC BY-NC 1.0", "other"),
        ("Creative Commons Attribution 4.0", "cc-by-4.0"),
        (
            "Creative Commons Attribution-NonCommercial-ShareAlike 4.0 International",
            "cc-by-nc-sa-4.0",
        ),
        ("CC0", "cc0-1.0"),
        ("MIT", "mit"),
        ("Apache-2.0", "apache-2.0"),
        ("public domain", "other"),
        ("all rights reserved", "other"),
        (None, "other"),
    ],
)
def test_licences_in_the_terms_of_the_hub(text, expected):
    assert finalize.hub_license(text) == expected


def test_spot_check_is_a_seeded_sample_with_passages(run):
    options = ("--input", run / "reference.jsonl", "--output", run / "textbook_qa.jsonl")
    call(finalize, *options)
    page = (run / "spot_check.html").read_text(encoding="utf-8")
    assert (
        page.count("<article") == 50
        and "Passage 3 &lt;script&gt;alert(1)" in page
        and "<script>alert" not in page
    )
    assert "&lt;b&gt;&amp;amp;" in page
    first = sorted(line for line in page.split("\n") if "<article" in line)
    rows = read_jsonl(run / "reference.jsonl")
    random.Random(0).shuffle(rows)
    write_jsonl(run / "reference.jsonl", rows)
    call(finalize, *options)
    again = (run / "spot_check.html").read_text(encoding="utf-8")
    assert sorted(line for line in again.split("\n") if "<article" in line) == first, (
        "the sample does not depend on the order of the rows"
    )
    call(finalize, *options, "--seed", 7)
    assert (
        sorted(
            line
            for line in (run / "spot_check.html").read_text(encoding="utf-8").split("\n")
            if "<article" in line
        )
        != first
    )


MARKED = """addEventListener("load", async () => {
  let saved
  URL.createObjectURL = blob => { saved = blob; return "#" }
  HTMLAnchorElement.prototype.click = () => {}
  const radios = number => document.querySelectorAll("article")[number].querySelectorAll("input[type=radio]")
  radios(0)[0].click(); radios(1)[2].click()
  document.getElementById("save").click()
  const found = { csv: await saved.text(), title: document.title, images: document.images.length,
    formulas: document.querySelectorAll("math").length, state: document.getElementById("state").textContent }
  document.body.innerHTML = "<pre id=found></pre>"
  document.getElementById("found").textContent = JSON.stringify(found)
})"""


@needs_browser
def test_the_spot_check_in_a_browser(run):
    """Formulas are drawn, text of a row runs nothing, and the marks that a person saves go into the
    card."""
    rows = read_jsonl(run / "reference.jsonl")[:4]
    rows[0] |= {"question": HOSTILE, "answer": "$\\href{javascript:alert(1)}{x}$ <img src=y>"}
    write_jsonl(run / "reference.jsonl", rows)
    options = ("--input", run / "reference.jsonl", "--output", run / "textbook_qa.jsonl")
    call(finalize, *options)
    dom = browse(run / "spot_check.html", MARKED)
    found = json.loads(html.unescape(re.search(r'<pre id="found">(.*?)</pre>', dom, re.S)[1]))
    assert found["title"].startswith("Spot check") and found["images"] == 0
    assert found["formulas"] >= 4 and found["state"] == "2 of 4 marked, 1 good"
    (run / "anna.csv").write_text(found["csv"])
    call(finalize, *options, "--marks", run / "anna.csv")
    card = (run / "README.md").read_text()
    assert 'marked "good" by people | 2 | 50.0 %' in card and 'marked "not self-contained"' in card


def share(n, percent):
    return {"n": n, "share": percent, "low": percent - 5, "high": percent + 5}


@pytest.fixture
def measured(run):
    """The run with rows as measure_qa.py leaves them."""
    rows = [
        row | {"grounded": number % 4 > 0, "self_contained": number % 2 == 0}
        for number, row in enumerate(read_jsonl(run / "reference.jsonl"))
    ]
    measures = {
        "self_contained": share(80, 50.0),
        "level": {"recall": share(80, 25.0), "routine": share(80, 75.0), "multi-step": None},
        "consistent": share(41, 70.73),
    }
    counts = {"in": 80, "out": 80, "rejected": {}}
    before = str(run / "reference.jsonl")
    meta(run, "measured", before, counts, model="org/Judge-1", measures=measures)
    write_jsonl(run / "measured.jsonl", rows)
    return run


def save_marks(path, marks):
    lines = [f'"{id_}","{mark}","a remark, with ""quotes"""' for id_, mark in marks.items()]
    path.write_text("\n".join(["id,mark,remark", *lines]))
    return path


def test_measures_and_marks_stand_in_the_card(measured):
    good, alone = "good", "not self-contained"
    ids = [f"r{n:03}" for n in range(10)]
    anna = dict.fromkeys(ids, good) | {"r001": alone, "r003": alone, "r009": ""}
    ben = dict.fromkeys(ids[:4], good) | {"r001": alone, "r002": "wrong answer"}
    files = [save_marks(measured / f"{n}.csv", of) for n, of in enumerate((anna, ben))]
    output = measured / "textbook_qa.jsonl"
    call(finalize, "--input", measured / "measured.jsonl", "--output", output, "--marks", *files)
    card = (measured / "README.md").read_text()
    for line in (
        "| answer supported by a place of the passage (`grounded`) | 80 | 75.0 % | 64.5 to 83.2 |",
        "| self-contained, says Judge-1 | 80 | 50.0 % | 45.0 to 55.0 |",
        "| level routine, says Judge-1 | 80 | 75.0 % | 70.0 to 80.0 |",
        "| an independent solver comes to the reference | 41 | 70.7 % | 65.7 to 75.7 |",
        '| marked "good" by people | 13 | 69.2 % | 42.4 to 87.3 |',
        '| marked "wrong answer" by people | 13 | 7.7 % |',
    ):
        assert line in card, (line, card)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,mark\nr001,splendid\n", '"splendid" is no mark'),
        ("id,mark\nelse,good\n", 'other rows, e.g. id "else"'),
        ("a,b\n1,2\n", 'm.csv, line 2: field "mark" is missing'),
        (None, "there is no such file"),
    ],
)
def test_marks_that_do_not_fit_are_refused(run, text, message):
    if text:
        (run / "m.csv").write_text(text)
    options = ("--input", run / "reference.jsonl", "--output", run / "q.jsonl")
    with pytest.raises(r.BadInput, match=re.escape(message)):
        call(finalize, *options, "--marks", run / "m.csv")
    assert not (run / "q.jsonl").exists()


def test_a_finished_data_set_is_left_alone_and_a_missing_part_made_again(run, capsys):
    options = ("--input", run / "reference.jsonl", "--output", run / "textbook_qa.jsonl")
    call(finalize, *options)
    made = (run / "textbook_qa.meta.json").read_text()
    call(finalize, *options)
    assert (
        "finished already" in capsys.readouterr().err
        and (run / "textbook_qa.meta.json").read_text() == made
    )
    (run / "funnel.md").unlink()
    call(finalize, *options)
    assert (run / "funnel.md").is_file()


def test_a_readme_that_is_no_card_stays(run):
    (run / "README.md").write_text("# Mine\n")
    options = ("--input", run / "reference.jsonl", "--output", run / "textbook_qa.jsonl")
    with pytest.raises(r.BadInput, match="is no dataset card"):
        call(finalize, *options)
    assert (run / "README.md").read_text() == "# Mine\n"


def test_an_empty_run_has_a_card_too(tmp_path):
    import huggingface_hub
    import pyarrow.parquet

    write_jsonl(tmp_path / "reference.jsonl", [])
    call(
        finalize,
        "--input",
        tmp_path / "reference.jsonl",
        "--output",
        tmp_path / "textbook_qa.jsonl",
    )
    assert (
        read_jsonl(tmp_path / "textbook_qa.jsonl") == []
        and pyarrow.parquet.read_table(tmp_path / "textbook_qa.parquet").num_rows == 0
    )
    assert (
        "0 question-answer pairs" in huggingface_hub.DatasetCard.load(tmp_path / "README.md").text
    )
    assert (tmp_path / "funnel.md").is_file() and "<article" not in (
        tmp_path / "spot_check.html"
    ).read_text()


@pytest.mark.slow
def test_rows_load_with_datasets(run):
    datasets = pytest.importorskip("datasets")
    call(finalize, "--input", run / "reference.jsonl", "--output", run / "textbook_qa.jsonl")
    loaded = datasets.Dataset.from_parquet(
        str(run / "textbook_qa.parquet"), cache_dir=str(run / "cache")
    )
    assert loaded.num_rows == 80 and loaded[3]["reference_answer"] == "6"


def test_licences_are_a_gate_and_models_have_terms(run):
    rows = read_jsonl(run / "reference.jsonl")
    rows[0] |= {"license": None}
    rows[1] |= {"restricted": True}
    for row in rows:
        row["generator"] = ["meta-llama/Llama-3.3-70B-Instruct", "Qwen/Qwen2.5-72B-Instruct"]
    write_jsonl(run / "reference.jsonl", rows)
    options = ("--input", run / "reference.jsonl", "--output", run / "t.jsonl")
    call(finalize, *options)
    text = (run / "README.md").read_text()
    assert "98.8 % of the rows name the licence" in text and "Built with Qwen" in text
    assert "Built with Llama" in text and "| Qwen/Qwen2.5-72B-Instruct | 80 |" in text
    call(finalize, *options, "--allow-licenses", "https://creativecommons.org/licenses/by/4.0/")
    gone = read_jsonl(run / "t.rejected.jsonl")
    assert (
        sorted({row["reason"] for row in gone}) == ["license not allowed", "restricted"]
        and len(gone) == 41
    )


def test_an_id_with_a_lone_surrogate_and_a_folder_as_input(tmp_path):
    rows = [dict(id="\ud83d", question="What is it?", answer="A body.", subject=None, source=None)]
    r.write(tmp_path / "a.jsonl", rows)
    call(finalize, "--input", tmp_path / "a.jsonl", "--output", tmp_path / "out.jsonl")
    assert [row["id"] for row in read_jsonl(tmp_path / "out.jsonl")] == ["\ud83d"]
    with pytest.raises(r.BadInput, match="is a folder"):
        call(finalize, "--input", ".", "--output", tmp_path / "out.jsonl", "--fresh")
