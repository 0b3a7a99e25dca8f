"""Write the report of an evaluation: tables, a plot, the paper's figures beside ours, and a page to
read the samples.

    python 04_eval/report.py --scored scored.jsonl --output 04_eval --note "What this run can show."

in   scored files of score.py (of several models the last is compared with the first); --ablation:
     the data of 02_mix/ablation_table.py
out  OUTPUT/report.html, plots/accuracy.png, and viewer.html with all samples (works from disk)
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import json

import benchmarks
import compare
import report_plot
import report_viewer
import score

import rows as r

TEMPLATES = Path(__file__).with_name("templates")
MADE_BY = {"Prompt id": "prompt_id", "Seed": "seed", "Commit": "commit"}


# ---- numbers ----


def read_table(paths):
    """The rows of results.csv of all scored files, as their meta files keep them."""
    table = []
    for path in paths:
        if not Path(path).is_file():
            raise r.BadInput(f"{path}: there is no such file; score.py makes it")
        meta = r.read_meta(path) or {}
        if not meta.get("summary"):
            raise r.BadInput(f"{path}: no score stands in its meta file; run score.py again")
        table += meta["summary"]
    return table


def distinct(rows, field):
    """The values of a field, each once, in order of appearance; empty ones aside."""
    return list(dict.fromkeys(row[field] for row in rows if row[field]))


def accuracies(table, model):
    return {row["benchmark"]: row["accuracy"] for row in table if row["model"] == model}


def by_category(table, names):
    """{category: [(benchmark, rows of the models)]} in the paper's order."""
    result, of_name = {}, score.groups(table, "benchmark")
    for name in names:
        result.setdefault(benchmarks.category_of(name), []).append((name, of_name[name]))
    return result


def by_subject(facts, names):
    """[(benchmark, [(subject, questions, {model: summary})])], the largest subject first; a
    benchmark of one subject is left out."""
    result, of_name = [], score.groups(facts, "benchmark")
    for name in names:
        parts = []
        for subject, rows in score.groups(of_name[name], "subject").items():
            summaries = summaries_of(rows)
            if summaries:
                label = str(subject or "not named").replace("_", " ")
                parts.append((label, max(s["n"] for s in summaries.values()), summaries))
        if len(parts) > 1:
            result.append((name, sorted(parts, key=lambda part: (-part[1], part[0]))))
    return result


def summaries_of(rows):
    """{model: summary} of the models that have a row with a reference."""
    summaries = {m: score.summarise(its) for m, its in score.groups(rows, "model").items()}
    return {model: summary for model, summary in summaries.items() if summary}


def paper_rows(table, names):
    """(rows of the models measured here and of all published ones on these benchmarks, as (model,
    {benchmark: accuracy}, is it ours); the benchmarks that the paper has)."""
    published = benchmarks.paper_scores()
    columns = [name for name in names if any(name in scores for scores in published.values())]
    rows = [(model, accuracies(table, model), True) for model in distinct(table, "model")]
    rows += [(model, scores, False) for model, scores in published.items()]
    return rows if columns else [], columns


# ---- pages ----


def write_page(path, **context):
    """Fill the template of a page's name and write it; a lone surrogate of a model's output becomes
    "?"."""
    import jinja2

    pages = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined
    )
    pages.globals |= dict(
        score="{:.1f}".format,
        signed=lambda points: f"{points:+.1f}".replace("-", "−"),
        title_of=benchmarks.title_of,
        p_text=compare.p_text,
        verdict=compare.verdict,
        benchmarks=benchmarks.BENCHMARKS,
        style=(TEMPLATES / "style.css").read_text(encoding="utf-8"),
    )
    text = pages.get_template(path.name).render(**context) + "\n"
    with r.write_aside(path) as file:
        file.write(text.encode("utf-8", "replace"))


def compared(facts, models):
    """(comparison of the last model with the first, or None; why there is none)."""
    if len(models) < 2:
        return None, ""
    of_model = score.groups(facts, "model")
    names = (models[0], models[-1])
    try:
        result = compare.compare(*map(of_model.get, names), *names)
    except r.BadInput as error:
        return None, f"{models[-1]} and {models[0]} cannot be compared: {error}."
    result["rows"] = [*result["benchmarks"].items(), ("all rows", result["all"])]
    return result, ""


def contents(args):
    """What report.html shows, by name."""
    table = read_table(args.scored)
    facts = [row for path in args.scored for row in compare.read_facts(path)]
    models = distinct(table, "model")
    names = benchmarks.in_order(distinct(table, "benchmark"))
    comparison, refused = compared(facts, models)
    published, columns = paper_rows(table, names)
    dates = sorted(distinct(table, "date"))
    return dict(
        title=args.title,
        note=args.note,
        models=models,
        names=names,
        n_rows=len(facts),
        dates=" to ".join(sorted({dates[0], dates[-1]})),
        by_category=by_category(table, names),
        pooled=summaries_of(facts),
        averages={model: benchmarks.averages(accuracies(table, model)) for model in models},
        missing=[benchmarks.title_of(name) for name in benchmarks.BENCHMARKS if name not in names],
        comparison=comparison,
        refused=refused,
        ablation=json.loads(Path(args.ablation).read_text("utf-8")) if args.ablation else {},
        published=published,
        published_names=columns,
        by_subject=by_subject(facts, names),
        table=table,
        facts=[(name, ", ".join(sorted(distinct(table, f)))) for name, f in MADE_BY.items()],
    )


def main():
    parser = r.parser(__doc__)
    add = parser.add_argument
    add("--scored", nargs="+", metavar="FILE", required=True, help="files of score.py")
    add("--output", metavar="DIR", required=True, help="folder for the report")
    add("--title", default="Evaluation report", help="heading (default %(default)s)")
    add("--note", default="", metavar="TEXT", help="what this run can show; stands on top")
    add("--ablation", metavar="FILE", help="ablation.json of 02_mix/ablate.sh, shown as a table")
    args = parser.parse_args()
    folder, context = Path(args.output), contents(args)
    picture = folder / "plots" / "accuracy.png"
    report_plot.draw_accuracy(picture, *(context[name] for name in ("table", "names", "models")))
    write_page(folder / "report.html", **context)
    index = report_viewer.write(folder, args.scored)
    data = report_viewer.script_json(index)
    write_page(folder / "viewer.html", title=args.title, data=data, katex=r.copy_katex(folder))
    r.say(
        f"{folder / 'report.html'}: {len(context['models'])} models, "
        f"{len(context['names'])} benchmarks; "
        f"viewer.html holds {len(index['samples']['id']):,} samples"
    )


if __name__ == "__main__":
    r.run(main)
