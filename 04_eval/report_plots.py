"""The plots of the report, in the colours of its light and its dark page.

draw_plots(folder, table, names, models, comparison) -> [(file name without ending, caption), ...]; report.py calls it
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import benchmarks

import rows as r

COLORS = {
    "light": ["#1f6feb", "#d9730d", "#1a7f4b", "#8250df", "#b3372f", "#0a7f8f"],
    "dark": ["#6cb0ff", "#f0a35e", "#4cc38a", "#c09bff", "#ff8a80", "#5fd0de"],
}
# text, lines, page: those of templates/style.css
INK = {"light": ("#1b1f24", "#dfe3e8", "#ffffff"), "dark": ("#e6e9ee", "#313943", "#14171c")}
OUTCOMES = (("right", "#2da562"), ("wrong", "#9aa4b1"), ("unparsed", "#e3a51a"))


def figure(theme, height):
    """A matplotlib figure without a display, in the colours of the page."""
    from matplotlib.figure import Figure

    text, line, page = INK[theme]
    made = Figure(figsize=(9.2, height), dpi=160, facecolor=page, layout="constrained")
    axes = made.add_subplot(facecolor=page)
    axes.tick_params(colors=text, length=0, labelsize=9)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(line)
    axes.grid(axis="x", color=line, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.xaxis.label.set_color(text)
    return made, axes


def finish(axes, theme, columns, names, label):
    """Labels of a plot with one row a benchmark, from top to bottom, and its legend above."""
    axes.set_ylim(len(names) - 0.45, -0.55)
    axes.set_xlabel(label)
    axes.legend(
        loc="lower center",
        bbox_to_anchor=(0.5, 1),
        ncols=columns,
        frameon=False,
        fontsize=9,
        labelcolor=INK[theme][0],
    )


def intervals(axes, points, color, label):
    """Points with their intervals: [(low, value, high, height), ...]."""
    low, x, high, y = zip(*points, strict=True)
    spread = [
        [v - n for v, n in zip(x, low, strict=True)],
        [n - v for v, n in zip(x, high, strict=True)],
    ]
    axes.errorbar(
        x, y, xerr=spread, fmt="o", color=color, markersize=5.5, elinewidth=1.8, label=label
    )


def plot_accuracy(table, names, models, theme):
    """Accuracy with its interval, a row a benchmark, a colour a model; the tick is chance, the
    hollow mark the paper's figure."""
    made, axes = figure(theme, 1.1 + len(names) * (0.22 + 0.17 * len(models)))
    scores = benchmarks.paper_scores().items()
    published = {benchmarks.short_name(model): found for model, found in scores}
    for place, model in enumerate(models):
        color, points, paper = COLORS[theme][place % 6], [], []
        printed = published.get(benchmarks.short_name(model), {})
        for row in (row for row in table if row["model"] == model):
            shift = (place - (len(models) - 1) / 2) * 0.7 / len(models)
            y = names.index(row["benchmark"]) + shift
            points.append((row["ci_low"], row["accuracy"], row["ci_high"], y))
            paper += [(printed[row["benchmark"]], y)] if row["benchmark"] in printed else []
        intervals(axes, points, color, model)
        if paper:
            hollow = dict(markerfacecolor="none", markeredgecolor=color, markersize=6)
            label = f"{model} in the paper"
            axes.plot(*zip(*paper, strict=True), "D", label=label, **hollow)
    guess = {row["benchmark"]: row["chance"] for row in table if row.get("chance")}
    if guess:
        tick = dict(color=INK[theme][0], markersize=13, markeredgewidth=1.4, label="chance")
        axes.plot(list(guess.values()), [names.index(name) for name in guess], "|", **tick)
    axes.set_yticks(range(len(names)), [benchmarks.title_of(name) for name in names])
    axes.set_xlim(0, 100)
    finish(axes, theme, 4, names, "accuracy (%) with 95 % interval")
    return made


def plot_outcomes(table, names, models, theme):
    """What became of the responses: right, wrong, unparsed; a stacked bar a benchmark and model,
    with the truncated share beside it."""
    made, axes = figure(theme, 1.1 + len(names) * (0.2 + 0.2 * len(models)))
    ticks, labels, height = [], [], 0.8 / len(models)
    for row in table:
        shift = (models.index(row["model"]) - (len(models) - 1) / 2) * height
        y, left = names.index(row["benchmark"]) + shift, 0
        wrong = 100 - row["accuracy"] - row["unparsed"]
        shares = (row["accuracy"], wrong, row["unparsed"])
        for (name, color), share in zip(OUTCOMES, shares, strict=True):
            label = None if ticks else name
            axes.barh(y, share, left=left, height=height * 0.86, color=color, label=label)
            left += share
        if row["truncated"]:
            text = f"{row['truncated']:.0f} % cut off"
            axes.text(101, y, text, va="center", fontsize=8, color=INK[theme][0])
        ticks.append(y)
        model = f" · {row['model'][-24:]}" if len(models) > 1 else ""
        labels.append(benchmarks.title_of(row["benchmark"]) + model)
    axes.set_yticks(ticks, labels)
    axes.set_xlim(0, 100)
    finish(axes, theme, 4, names, "share of responses (%)")
    return made


def plot_differences(comparison, theme):
    """Differences of accuracy and of the unparsed share with their intervals."""
    rows = [*comparison["benchmarks"].items(), ("all rows", comparison["all"])]
    made, axes = figure(theme, 1.2 + 0.42 * len(rows))
    for place, measure in enumerate(("accuracy", "unparsed")):
        found = [row[measure] for _, row in rows]
        points = [
            (m["low"], m["difference"], m["high"], at + (place - 0.5) * 0.34)
            for at, m in enumerate(found)
        ]
        label = measure if measure == "accuracy" else "unparsed share"
        intervals(axes, points, COLORS[theme][place], label)
    axes.axvline(0, color=INK[theme][0], linewidth=1)
    axes.set_yticks(range(len(rows)), [benchmarks.title_of(name) for name, _ in rows])
    names = f"{comparison['model_b']} minus {comparison['model_a']}"
    finish(axes, theme, 2, rows, f"{names} (points) with 95 % paired interval")
    return made


def draw_plots(folder, table, names, models, comparison):
    """Write plots/NAME.png and NAME_dark.png; returns [(name, caption)]."""
    save(folder, "accuracy", lambda theme: plot_accuracy(table, names, models, theme))
    save(folder, "outcomes", lambda theme: plot_outcomes(table, names, models, theme))
    plots = [
        (
            "accuracy",
            "Accuracy with its 95 % interval. The tick is chance; a hollow mark is what the paper published for the same model.",
        ),
        (
            "outcomes",
            "What became of the responses. Unparsed ones commit to no answer; the share that was cut off at the token budget stands at the right.",
        ),
    ]
    if comparison:
        save(folder, "differences", lambda theme: plot_differences(comparison, theme))
        caption = (
            f"Differences, {comparison['model_b']} minus {comparison['model_a']}, with 95 % paired intervals; among many benchmarks "
            "some exclude zero by chance, which the p values (Holm) take into account."
        )
        plots.append(("differences", caption))
    return plots


def save(folder, name, plot):
    """Write plots/NAME.png and NAME_dark.png."""
    (folder / "plots").mkdir(parents=True, exist_ok=True)
    for theme, suffix in (("light", ""), ("dark", "_dark")):
        with r.write_aside(folder / "plots" / f"{name}{suffix}.png") as file:
            plot(theme).savefig(file, format="png", metadata={"Software": None})


def plot_loss(losses, theme):
    """Training loss by step."""
    made, axes = figure(theme, 3)
    axes.plot(*zip(*losses, strict=True), color=COLORS[theme][0], linewidth=1.6)
    axes.grid(axis="y", color=INK[theme][1], linewidth=0.8)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel("step")
    axes.set_ylabel("training loss", color=INK[theme][0])
    return made


def draw_loss(folder, training):
    """(name, caption) of the loss curve, drawn where a training of more than one step was logged;
    else None."""
    if not training or len(training["losses"]) < 2:
        return None
    losses = training["losses"]
    save(folder, "loss", lambda theme: plot_loss(losses, theme))
    return (
        "loss",
        f"Training loss, {losses[0][1]:.3f} at step {losses[0][0]} to {losses[-1][1]:.3f} at step {losses[-1][0]}.",
    )
