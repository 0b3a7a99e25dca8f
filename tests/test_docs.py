"""The commands of README, docs and CONTRIBUTING: every script, file, option and setting that they
name is there."""

import ast
import re
import shlex
import subprocess
import sys
from functools import cache

import pytest
from conftest import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES += [ROOT / "data/README.md", ROOT / "tests/bench/README.md"]
PAGES += [ROOT / "01_extract/dataset_card.md", ROOT / "03_sft/templates/model_card.md"]
SCRIPTS = [path for folder in ("0[1-4]_*", "data") for path in sorted(ROOT.glob(f"{folder}/*.py"))]
SCRIPT = re.compile(r"(?:0[1-4]_\w+|data|tests/bench)/\w+\.(?:py|sh)|rows\.py|batch_generate\.py")
OURS = re.compile(
    r"(?:0[1-4]_\w+|docs|answers|data/sample|tests)/[\w./*-]*\w"
)  # a file of the tree
SHELLS = {"run_all.sh", "setup.sh", "tests/run.sh", "02_mix/ablate.sh"}


def blocks(page):
    """Fenced blocks of shell commands."""
    found = re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(), re.M | re.S)
    return [text for kind, text in found if kind in ("", "bash")]


def spans(page):
    """Code in running text that begins with a command: `04_eval/run_eval.py --benchmarks
    mine.jsonl`."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
    codes = re.findall(r"`([^`\n]+)`", text)
    return [code for code in codes if SCRIPT.search(code.split(" --")[0]) or "run_all.sh" in code]


def commands(text):
    """The commands of a block as lists of words; lines ended by a backslash are joined, texts of a
    here-document left out."""
    text = re.sub(r"<<'(\w+)'\n.*?^\1$", "", text, flags=re.M | re.S).replace("\\\n", " ")
    for line in text.replace("\\|", "|").splitlines():
        words = shlex.split(line, comments=True)
        for word in list(words):  # srun bash -c '...', sbatch --wrap '...'
            if SCRIPT.search(word) and " " in word:
                yield word.split()
        if words:
            yield words


@cache
def help_of(script):
    command = ["bash", script] if script.endswith(".sh") else [sys.executable, script]
    done = subprocess.run([*command, "--help"], cwd=ROOT, capture_output=True, text=True)
    text = done.stdout
    if (
        script == "03_sft/sft.py"
    ):  # its options are TRL's too; those of the recipes are tested there
        recipes = (path.read_text() for path in (ROOT / "03_sft/recipes").glob("*.yaml"))
        text += " ".join(
            f"--{name}" for page in recipes for name in re.findall(r"^(\w+):", page, re.M)
        )
    return text


def check_options(script, words):
    for word in words:
        if word.startswith("--") and word != "--":
            name = word.split("=")[0]
            assert re.search(rf"(?<![\w-]){name}(?![\w-])", help_of(script)), f"{script}: {name}?"


def check_settings(words, script):
    """NAME=value before a shell script: the script reads a variable of that name."""
    text = (ROOT / script).read_text() + (ROOT / "batch_generate.py").read_text()
    text += (ROOT / "data/estimate_cost.py").read_text()
    for word in words:
        if setting := re.match(r"([A-Z_]+)=", word):
            assert re.search(rf"\b{setting[1]}\b", text), f"{script} has no setting {setting[1]}"


def check(words):
    for word in words:
        if OURS.fullmatch(word) and not re.search(r"NAME|SUBJECT|STAGE", word):
            assert list(ROOT.glob(word)), f"{word} is not in the tree"
    for place, word in enumerate(words):
        if word in SHELLS:
            check_settings(words[:place], word)
            if word == "run_all.sh":
                check_options(word, words[place + 1 :])
            return
        if SCRIPT.fullmatch(word):
            assert (ROOT / word).is_file(), f"{word} is not in the tree"
            check_options(word, words[place + 1 :])
            return


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_of_a_page_names_scripts_files_options_and_settings_that_exist(page):
    for text in [*blocks(page), *spans(page)]:
        for words in commands(text):
            check(words)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_of_a_docstring_exists(path):
    docstring = (ast.get_docstring(ast.parse(path.read_text())) or "").replace("\\\n", " ")
    for line in re.findall(r"^    ((?:python|accelerate|bash) .*)", docstring, re.M):
        for words in commands(re.sub(r"   .*|[][|]", " ", line)):
            check([word for word in words if word != "..."])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_to_a_file(page):
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
        beside = page.name.endswith("_card.md")  # a card's pictures are made beside it
        assert "://" in target or beside or (page.parent / target).exists(), (
            f"{page.name}: {target}"
        )


def test_a_page_with_a_wrong_name_is_seen():
    for wrong in (
        "python 02_mix/mix.py --no-such x",
        "python 02_mix/no_such.py",
        "NO_SUCH=1 bash run_all.sh",
        "bash run_all.sh --no-such",
        "python 03_sft/sft.py --config 03_sft/recipes/no_such.yaml",
    ):
        with pytest.raises(AssertionError):
            check(shlex.split(wrong))
