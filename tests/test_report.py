"""report.py: numbers in the pages, hostile text, the paper's rows, and both pages in a real
headless browser."""

import html
import json
import re

import pytest
import report
import report_viewer
import score
from browser import HOSTILE, browse, needs_browser
from calling import call
from conftest import read_jsonl, write_jsonl
from test_score import sample


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with the report of two models on three benchmarks, one response and one subject
    hostile, made by the scripts themselves."""
    folder, inputs = tmp_path_factory.mktemp("report"), []
    for model, letters in (("base|1", "A-B-"), ("tuned", "AABC")):
        rows = []
        for number in range(60):
            name = ("gsm8k", "mmlu", "mine")[number % 3]
            letter = letters[number % 4]
            rows.append(
                sample(
                    number,
                    None if letter == "-" else letter,
                    model=model,
                    benchmark=name,
                    category="Math" if name == "gsm8k" else "General",
                    subject=HOSTILE if number == 5 else f"part_{number % 2}",
                    question=f"Question {number} <i>",
                    finish_reason="length" if letter == "-" else "stop",
                )
            )
        rows[3]["response"] = HOSTILE + "\nAnswer: A"
        rows[3]["prompt"] = HOSTILE
        rows[4]["question"] = "The area of a circle"
        rows[4]["response"] = (
            "It is $\\pi r^2$, and \\\\(\\href{javascript:alert(1)}{x}\\\\).\nAnswer: A"
        )
        inputs.append(write_jsonl(folder / f"{model[:4]}.jsonl", rows))
    call(score, "--input", *inputs, "--output", folder / "scored.jsonl")
    call(
        report,
        "--scored",
        folder / "scored.jsonl",
        "--output",
        folder,
        "--note",
        "This shows <machinery>.",
    )
    return folder


def test_the_files_are_there(made):
    names = {str(path.relative_to(made)) for path in made.rglob("*")}
    assert {"report.html", "viewer.html", "plots/accuracy.png"} <= names
    assert (made / "plots/accuracy.png").read_bytes().startswith(b"\x89PNG")


def test_the_numbers_of_the_table_stand_in_the_report(made):
    table = report.read_table([made / "scored.jsonl"])
    assert len(table) == 6
    page = (made / "report.html").read_text()
    for row in table:
        assert f"{row['accuracy']:.1f}" in page
        assert f"[{row['ci_low']:.1f}, {row['ci_high']:.1f}]" in page
    assert "1 of 3" in page and "0 of 6" in page and "1 of 14" in page, (
        "averages say how many benchmarks they hold"
    )
    assert "Not evaluated: GPQA-Diamond" in page and "part 1" in page
    assert "Qwen2.5-7B-MegaScience" in page and "89.8" in page, "the paper's figure on GSM8K"
    assert "This shows &lt;machinery&gt;." in page and "<machinery>" not in page
    assert not re.search(
        r'(?:src|href)="https?:',
        page + (made / "viewer.html").read_text().split('<script type="application/json"')[0],
    )


def parts_of(folder):
    """The texts of all parts, read as the page reads them."""
    texts = {}
    for path in (folder / "samples").glob("*.js"):
        number, data = re.fullmatch(r"part\((\d+),(.*)\);\n", path.read_text(), re.S).groups()
        texts[int(number)] = json.loads(data)
    return texts


def index_of(folder):
    page = (folder / "viewer.html").read_text()
    return json.loads(
        re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)[1]
    )


def test_the_data_of_the_viewer_cannot_leave_its_element(made):
    files = [made / "viewer.html", *(made / "samples").glob("*.js")]
    assert all("</script><script>document" not in path.read_text() for path in files)
    texts, samples = parts_of(made), index_of(made)["samples"]
    shown = [texts[part][at] for part, at in zip(samples["part"], samples["at"], strict=True)]
    assert len(shown) == 120 and any(text[0] == HOSTILE for text in shown)
    assert any(text[1].startswith(HOSTILE) for text in shown)
    assert json.loads(report_viewer.script_json({"x": "\ud800 \u2029"})) == {"x": "? \u2029"}


def test_questions_of_gpqa_stay_out(tmp_path):
    row = dict(sample(1, "A", benchmark="gpqa_diamond"), correct=True, extracted="A")
    row |= dict(question="A secret question", prompt="A secret question?", question_id="q1")
    row["response"] = "The secret question says A"
    index = report_viewer.write(tmp_path, [write_jsonl(tmp_path / "s.jsonl", [row])])
    written = json.dumps(index) + "".join(p.read_text() for p in (tmp_path / "samples").iterdir())
    assert "secret" not in written and index["samples"]["c"] == [1]


def test_a_file_that_score_has_not_written_is_refused(made, tmp_path):
    scored = tmp_path / "scored.jsonl"
    options = ["--scored", scored, "--output", tmp_path / "out"]
    assert "there is no such file" in call(report, *options, code=2).stderr
    scored.write_bytes((made / "scored.jsonl").read_bytes())
    assert "run score.py again" in call(report, *options, code=2).stderr


def test_the_table_of_an_ablation_stands_in_the_report(made, tmp_path):
    arms = [
        dict(
            method=method,
            seed="42",
            mean=mean,
            low=mean - 5,
            high=mean + 5,
            n=60,
            rows=24,
            tokens=4321,
            benchmarks={},
        )
        for method, mean in [("random", 20.0), ("<length>", 31.5)]
    ]
    pair = dict(
        a="random",
        b="<length>",
        seed="42",
        difference=11.5,
        low=2.5,
        high=20.5,
        p=0.004,
        p_holm=0.004,
        only_a=3,
        only_b=10,
    )
    path = tmp_path / "ablation.json"
    path.write_text(
        json.dumps(
            {
                "all": {"arms": arms, "pairs": [pair], "winner": "<length>"},
                "s2": {"arms": arms, "pairs": [pair], "winner": None},
            }
        )
    )
    call(report, "--scored", made / "scored.jsonl", "--output", tmp_path, "--ablation", path)
    page = (tmp_path / "report.html").read_text()
    shown = ("4,321", "31.5", "+11.5", "+2.5", "selection methods: s2")
    assert all(part in page for part in shown)
    assert "&lt;length&gt;</b> is the best" in page
    assert page.count("No method is clearly better") == 1
    options = [
        "--scored",
        made / "scored.jsonl",
        "--output",
        tmp_path,
        "--ablation",
        tmp_path / "no.json",
    ]
    assert "no.json" in call(report, *options, code=2).stderr


def test_one_model_and_models_that_cannot_be_compared(tmp_path):
    one = write_jsonl(
        tmp_path / "one.jsonl", [sample(i, "A", model="one", benchmark="gsm8k") for i in range(4)]
    )
    other = write_jsonl(
        tmp_path / "other.jsonl",
        [
            sample(i, "A", model="Qwen/Qwen2.5-7B-Instruct", benchmark="gsm8k", prompt="else")
            for i in range(4)
        ],
    )
    for inputs, wanted in (([one], "1 model,"), ([one, other], "cannot be compared")):
        call(score, "--input", *inputs, "--output", tmp_path / "scored.jsonl", "--fresh")
        call(report, "--scored", tmp_path / "scored.jsonl", "--output", tmp_path / "out")
        page = (tmp_path / "out/report.html").read_text()
        assert wanted in page
    assert "What the paper published" in page and ">92.0</td>" in page and "91.96" not in page


# ---- a real browser ----


DRIVE = """
(async () => {
  const results = {}, wait = (ms = 150) => new Promise(go => setTimeout(go, ms));
  const set = (id, value) => {
    const field = document.getElementById(id);
    if (field.type === "checkbox") field.checked = value; else field.value = value;
    field.dispatchEvent(new Event(id === "search" ? "input" : "change"));
  };
  const count = () => document.getElementById("count").textContent;
  const listed = () => document.querySelectorAll("#list li").length;
  const detail = () => document.getElementById("detail").textContent;
  results.title = document.title; results.all = count(); results.listed = listed();
  results.first = document.querySelector("#list li").textContent;
  set("outcome", "unparsed"); results.unparsed = count();
  set("outcome", "truncated"); results.truncated = count();
  set("outcome", "right"); results.right = count();
  document.querySelector("#list li").click(); await wait(); results.rules = detail();
  set("outcome", "differ"); results.differ = count();
  set("outcome", ""); set("benchmark", "1"); results.benchmark = count(); set("model", "1"); results.both = count();
  set("model", ""); set("benchmark", "");
  document.getElementById("next").click(); results.page = document.getElementById("page").textContent;
  document.querySelectorAll("#list li")[2].click(); await wait(); results.chosen = detail();
  document.dispatchEvent(new KeyboardEvent("keydown", {key: "j", bubbles: true})); await wait();
  results.after_j = detail() !== results.chosen;
  results.parts = document.querySelectorAll("script[src^=samples]").length;
  set("everywhere", true); set("search", "broken out"); await wait(FOUND_AFTER);
  results.found = count(); results.hostile = detail(); results.marks = document.querySelectorAll("mark").length;
  results.title_after = document.title;
  results.images = document.querySelectorAll("img").length;
  set("everywhere", false); set("search", "area of a circle"); await wait(400);
  results.formulas = document.querySelectorAll("math").length;
  set("search", "no such text anywhere"); await wait(400);
  results.none = detail(); document.body.innerHTML = "";
  const pre = document.createElement("pre"); pre.id = "results";
  pre.textContent = JSON.stringify(results); document.body.append(pre);
})();
"""


def driven(page, found_after=600):
    script = DRIVE.replace("FOUND_AFTER", str(found_after))
    found = re.search(r'<pre id="results">(.*?)</pre>', browse(page, script), re.S)
    assert found, "the script at the end of the page did not finish"
    return json.loads(html.unescape(found[1]))


@needs_browser
def test_the_viewer_in_a_browser(made):
    its = driven(made / "viewer.html")
    rows = read_jsonl(made / "scored.jsonl")

    def number(text):
        return int(text.split()[0].replace(",", ""))

    assert (
        its["all"] == "120 of 120 samples"
        and its["listed"] == 50
        and its["page"].startswith("page 2 of 3")
    )
    assert number(its["unparsed"]) == sum(row["extracted"] is None for row in rows) == 29
    assert number(its["truncated"]) == sum(row["finish_reason"] == "length" for row in rows)
    assert number(its["right"]) == sum(row["correct"] for row in rows)
    questions = {}
    for row in rows:
        questions.setdefault((row["benchmark"], row["question_id"]), set()).add(row["correct"])
    assert number(its["differ"]) == 2 * sum(len(values) == 2 for values in questions.values())
    assert number(its["benchmark"]) == 40 and number(its["both"]) == 20
    assert (
        all(
            word in its["chosen"]
            for word in ("Extracted answer", "Reference", "Response", "Prompt")
        )
        and its["after_j"]
    )
    assert (
        number(its["found"]) == 2
        and HOSTILE.split("\u2028")[0] in its["hostile"]
        and its["marks"] > 0
    )
    assert its["title"] == its["title_after"] and its["images"] == 0, (
        "text of a sample never becomes markup"
    )
    assert "read by: " in its["rules"] and "decided by: " in its["rules"]
    assert its["none"] == "No sample matches these filters."
    assert "right" not in its["first"] and its["parts"] == 1
    assert its["formulas"] >= 1, "formulas are drawn"


@needs_browser
@pytest.mark.parametrize("width", [400, 700, 1600])
def test_the_report_in_a_browser(made, width):
    dom = browse(
        made / "report.html",
        """addEventListener("load", () => {
        for (const image of document.images) document.body.dataset[image.src.split("/").pop()[0]] = image.naturalWidth;
        document.body.dataset.title = document.title;
        document.body.dataset.wide = document.documentElement.scrollWidth > innerWidth; });""",
        width=width,
    )
    assert "prefers-color-scheme: dark" in dom
    assert dom.count("<table") > 6 and 'data-wide="false"' in dom, (
        "no sideways scrolling of the page on a narrow screen"
    )
    widths = re.findall(r'data-a="(\d+)"', dom)
    assert len(widths) == 1 and all(int(width) > 800 for width in widths)
    assert "data-title" in dom and 'data-title="broken' not in dom and "onerror" in dom, (
        "text of a row is shown and never runs"
    )
    assert dom.count("<img") == 1


@needs_browser
@pytest.mark.slow
def test_a_hundred_thousand_samples_in_a_browser(tmp_path):
    """Two models x 50,000 samples: the page holds an index, and one part of the texts is loaded
    (bench/viewer.py times it)."""
    from bench.viewer import write_page

    write_page(tmp_path, questions=50_000, words=20)
    assert (tmp_path / "viewer.html").stat().st_size < 20_000_000
    its = driven(tmp_path / "viewer.html", found_after=4000)
    assert its["all"] == "100,000 of 100,000 samples" and its["listed"] == 50 and its["parts"] <= 3
    assert its["page"].startswith("page 2 of 2000")
    assert its["found"].startswith("1 of 100,000")
