"""Write the report of an evaluation: tables in Markdown and HTML, plots, the paper's figures beside ours, and a page to read the samples.

    python 04_eval/report.py --csv results.csv --scored scored.jsonl --output 04_eval --note "A 135M model: the machinery, not the quality."

in   results.csv and the scored files of score.py; with two models the second is compared with the first (compare.py); with --ablation the data of
     02_mix/ablation_table.py, whose table then stands in the report too; with --run the rows, training and mixture behind the model
out  OUTPUT/report.md, report.html, viewer.html (one static page with all samples: works from disk, no server), comparison.json and .md, plots/*.png
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import csv
import json

import benchmarks
import compare
import report_plots
import report_run
import report_viewer
import score

import rows as r

TEMPLATES = Path(__file__).with_name("templates")
SUBJECTS_SHOWN = 100
VIEWER_BYTES = 500_000_000  # most of samples in the viewer


# ---- numbers ----


def shown(value):
    """A share in percent with one decimal."""
    return f"{value:.1f}"


def signed(value):
    return f"{value:+.1f}".replace("-", "−")


def read_csv(path):
    """Rows of results.csv with numbers as numbers; raises BadInput where a column is missing."""
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for number, row in enumerate(rows, 2):
        missing = [column for column in score.COLUMNS[:14] if row.get(column) is None]
        if missing:
            raise r.BadInput(f'{path}, line {number}: field "{missing[0]}" is missing')
        try:
            row["n"] = int(row["n"])
            for column in ("accuracy", "ci_low", "ci_high", "unparsed", "truncated"):
                row[column] = float(row[column])
            row["mean_tokens"] = float(row["mean_tokens"]) if row["mean_tokens"] else None
        except ValueError as error:
            raise r.BadInput(f"{path}, line {number}: not a number ({error})") from None
    return rows


def details(table, facts, path):
    """Add to the rows of the CSV what only the samples tell: chance, repeats; BadInput where the
    two do not belong together."""
    fresh = {(row["model"], row["benchmark"]): row for row in score.results(facts)}
    for row in table:
        its = fresh.get((row["model"], row["benchmark"]), dict(n=0, accuracy=0.0))
        if its["n"] != row["n"] or abs(its["accuracy"] - row["accuracy"]) > 0.006:
            raise r.BadInput(
                f"{path}: {row['model']} on {row['benchmark']} has {row['accuracy']} % of {row['n']}, "
                f"the scored samples have {its['accuracy']:.2f} % of {its['n']}; "
                "run score.py again"
            )
        row |= {key: its.get(key) for key in ("chance", "repeats", "judge_changed")}
    return table


def by_category(table, names):
    """[(category, [(benchmark, rows of the models)])] in the paper's order."""
    result = {}
    for name in names:
        its = [row for row in table if row["benchmark"] == name]
        category = benchmarks.category_of(name) if name in benchmarks.BENCHMARKS else "Own rows"
        result.setdefault(category, []).append((name, its))
    return list(result.items())


def by_subject(facts, names, models):
    """[(benchmark, [(part, questions, {model: summary})])]: the subjects, largest first, then the
    kinds of question; one part alone is left out."""
    result = []
    for name in names:
        rows = [row for row in facts if row["benchmark"] == name]
        table = parts_of(rows, "subject", models) + parts_of(rows, "kind", models)
        if table:
            result.append((name, table))
    return result


def parts_of(rows, field, models):
    """[(value of the field, questions, {model: summary})], the largest first; [] where there is one
    value."""
    parts = []
    for part, its in score.groups(rows, field).items():
        summaries = {m: score.summarise([row for row in its if row["model"] == m]) for m in models}
        summaries = {model: summary for model, summary in summaries.items() if summary}
        if summaries:
            label = str(part or "not named").replace("_", " ") + " questions" * (field == "kind")
            parts.append((label, max(s["n"] for s in summaries.values()), summaries))
    parts.sort(key=lambda part: (-part[1], part[0]))
    return parts[:SUBJECTS_SHOWN] if len(parts) > 1 else []


def letters(facts, models):
    """[(letter, share of the choice rows where it is right, {model: share of its answers that name
    it})] in percent: shows a bias to a place."""
    rows = [row for row in facts if row["kind"] == "choice" and row["reference"]]
    chosen = {
        model: [row["extracted"] for row in rows if row["model"] == model and row["extracted"]]
        for model in models
    }
    result = []
    for letter in "ABCDEFGHIJ"[: max((len(row["options"]) for row in rows), default=0)]:
        right = 100 * sum(letter in row["reference"] for row in rows) / len(rows)
        result.append(
            (
                letter,
                right,
                {model: 100 * its.count(letter) / len(its) for model, its in chosen.items() if its},
            )
        )
    return result


def paper_rows(table, names):
    """(rows of ours for models that the paper measured, with `paper`; all published rows on our
    benchmarks, with ours marked; the benchmarks)."""
    published, same = benchmarks.paper_scores(), []
    by_name = {benchmarks.short_name(model): scores for model, scores in published.items()}
    for row in table:
        paper = by_name.get(benchmarks.short_name(row["model"]), {}).get(row["benchmark"])
        if paper is not None:
            same.append({**row, "paper": paper})
    columns = [name for name in names if any(name in scores for scores in published.values())]
    ours = [(model, accuracies(table, model), True) for model in distinct(table, "model")]
    return (
        same,
        [*ours, *((model, scores, False) for model, scores in published.items())]
        if columns
        else [],
        columns,
    )


# ---- pages ----


def render(name, **context):
    import jinja2

    pages = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=name.endswith(".html"),
        trim_blocks=False,
        undefined=jinja2.StrictUndefined,
    )
    pages.globals |= dict(
        score=shown,
        signed=signed,
        title_of=benchmarks.title_of,
        p_text=compare.p_text,
        verdict=compare.verdict,
        benchmarks=benchmarks.BENCHMARKS,
        cell=lambda text: str(text).replace("|", "\\|").replace("\n", " "),
        style=(TEMPLATES / "style.css").read_text(encoding="utf-8"),
    )
    return pages.get_template(name).render(**context)


def write_text(path, text):
    with r.write_aside(path) as file:
        # a lone surrogate of a model's output becomes "?"
        file.write((text.rstrip("\n") + "\n").encode("utf-8", "replace"))


def compared(facts, models, folder):
    """(comparison of the last model with the first, or None; why there is none) and its files."""
    if len(models) < 2:
        return None, ""
    sides = [[row for row in facts if row["model"] == model] for model in (models[0], models[-1])]
    try:
        result = compare.compare(*sides, models[0], models[-1])
    except r.BadInput as error:
        return None, f"{models[-1]} and {models[0]} cannot be compared: {error}."
    r.write_json(folder / "comparison.json", result)
    text = compare.markdown(result)
    write_text(folder / "comparison.md", text)
    return {
        **result,
        "rows": [*result["benchmarks"].items(), ("all rows", result["all"])],
        "markdown": text.replace("\n## ", "\n### ").replace("# ", "## ", 1),
    }, ""


def arguments():
    """The options, with the files they name checked."""
    parser = r.parser(__doc__)
    add = parser.add_argument
    add("--csv", metavar="FILE", required=True, help="results.csv of score.py")
    add(
        "--scored",
        nargs="+",
        metavar="FILE",
        required=True,
        help="scored.jsonl of score.py, one or more",
    )
    add("--output", metavar="DIR", required=True, help="folder for the report")
    add("--title", default="Evaluation report", help="heading of the report")
    add(
        "--note",
        default="",
        metavar="TEXT",
        help="what this run can and cannot show; stands on top",
    )
    add(
        "--ablation",
        metavar="FILE",
        help="ablation.json of 02_mix/ablate.sh: its table of selection methods is shown",
    )
    add(
        "--run",
        metavar="DIR",
        help="folder of the whole run (data/runs/NAME): funnel, mixture, loss curve and example rows are shown",
    )
    args = parser.parse_args()
    if args.ablation and not Path(args.ablation).is_file():
        raise r.BadInput(f"{args.ablation}: there is no such file; 02_mix/ablate.sh makes it")
    for path in (args.csv, *args.scored):
        if not Path(path).is_file():
            raise r.BadInput(f"{path}: there is no such file; score.py makes it")
    return args


def contents(args, folder):
    """What the templates show, by name; the plots are drawn into folder. Raises BadInput where the
    CSV holds no score."""
    facts = [row for path in args.scored for row in compare.read_facts(path)]
    table = details(read_csv(args.csv), facts, args.csv)
    if not table:
        raise r.BadInput(f"{args.csv}: there is no score in it")
    models, present = distinct(table, "model"), distinct(table, "benchmark")
    known = list(benchmarks.BENCHMARKS)
    names = [name for name in known if name in present] + sorted({*present} - {*known})
    comparison, refused = compared(facts, models, folder)
    same_model, published, columns = paper_rows(table, names)
    run = report_run.facts_of(args.run) if args.run else None
    dates = [row["date"] for row in table]
    return dict(
        title=args.title,
        note=args.note,
        models=models,
        names=names,
        n_rows=len(facts),
        dates=" to ".join(dict.fromkeys((min(dates), max(dates)))),
        by_category=by_category(table, names),
        pooled={
            model: score.summarise([row for row in facts if row["model"] == model])
            for model in models
        },
        averages={model: benchmarks.averages(accuracies(table, model)) for model in models},
        missing=[benchmarks.title_of(name) for name in known if name not in present],
        comparison=comparison,
        refused=refused,
        ablation=json.loads(Path(args.ablation).read_text("utf-8")) if args.ablation else {},
        same_model=same_model,
        published=published,
        published_names=columns,
        repeated=[row for row in table if row["repeats"]],
        by_subject=by_subject(facts, names, models),
        letters=letters(facts, models),
        plots=report_plots.draw_plots(folder, table, names, models, comparison),
        run=run,
        loss_plot=report_plots.draw_loss(folder, run["training"]) if run else None,
        facts=[
            ("Prompt id", ", ".join(sorted(distinct(table, "prompt_id")))),
            ("Seed", ", ".join(sorted(distinct(table, "seed")))),
            ("Commit", ", ".join(sorted(distinct(table, "commit")))),
            *judge_facts(table),
        ],
    )


def distinct(rows, field):
    """The values of a field, each once, in order of appearance; empty ones aside."""
    return list(dict.fromkeys(row[field] for row in rows if row[field]))


def accuracies(table, model):
    return {row["benchmark"]: row["accuracy"] for row in table if row["model"] == model}


def main():
    args = arguments()
    folder = Path(args.output)
    context = contents(args, folder)
    katex = r.copy_katex(folder)
    for name in ("report.md", "report.html"):
        write_text(folder / name, render(name, katex=katex, **context))
    index = report_viewer.write(folder, args.scored, VIEWER_BYTES)
    write_text(
        folder / "viewer.html",
        render("viewer.html", title=args.title, data=report_viewer.script_json(index), katex=katex),
    )
    r.say(
        f"{folder / 'report.html'}: {len(context['models'])} models, {len(context['names'])} benchmarks; "
        f"viewer.html holds {len(index['samples']['id']):,} samples"
    )


def judge_facts(table):
    return [
        (
            f"Judge, {row['model']}, {benchmarks.title_of(row['benchmark'])}",
            f"changed {row['judge_changed']:.1f} % of the rows from wrong to right",
        )
        for row in table
        if row["judge_changed"] is not None
    ]


if __name__ == "__main__":
    r.run(main)
