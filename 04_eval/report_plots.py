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


def legend(axes, theme, columns):
    axes.legend(
        loc="lower center",
        bbox_to_anchor=(0.5, 1),
        ncols=columns,
        frameon=False,
        fontsize=9,
        labelcolor=INK[theme][0],
    )


def plot_accuracy(table, names, models, theme):
    """Accuracy with its interval, a row a benchmark, a colour a model; the tick is chance, the hollow mark the paper's figure."""
    made, axes = figure(theme, 1.1 + len(names) * (0.22 + 0.17 * len(models)))
    published = {
        benchmarks.short_name(model): scores for model, scores in benchmarks.paper_scores().items()
    }
    for place, model in enumerate(models):
        color, rows = COLORS[theme][place % 6], [row for row in table if row["model"] == model]
        y = [
            names.index(row["benchmark"]) + (place - (len(models) - 1) / 2) * 0.7 / len(models)
            for row in rows
        ]
        x = [row["accuracy"] for row in rows]
        axes.errorbar(
            x,
            y,
            xerr=[
                [row["accuracy"] - row["ci_low"] for row in rows],
                [row["ci_high"] - row["accuracy"] for row in rows],
            ],
            fmt="o",
            color=color,
            markersize=5.5,
            elinewidth=1.8,
            label=model,
        )
        paper = [
            (published.get(benchmarks.short_name(model), {}).get(row["benchmark"]), at)
            for row, at in zip(rows, y, strict=True)
        ]
        paper = [(value, at) for value, at in paper if value is not None]
        if paper:
            axes.plot(
                *zip(*paper, strict=True),
                "D",
                markerfacecolor="none",
                markeredgecolor=color,
                markersize=6,
                label=f"{model} in the paper",
            )
    guess = {row["benchmark"]: row["chance"] for row in table if row.get("chance")}
    axes.plot(
        list(guess.values()),
        [names.index(name) for name in guess],
        "|",
        color=INK[theme][0],
        markersize=13,
        markeredgewidth=1.4,
        label="chance",
    ) if guess else None
    axes.set_yticks(range(len(names)), [benchmarks.title_of(name) for name in names])
    axes.set_ylim(len(names) - 0.45, -0.55)
    axes.set_xlim(0, 100)
    axes.set_xlabel("accuracy (%) with 95 % interval")
    legend(axes, theme, 4)
    return made


def plot_outcomes(table, names, models, theme):
    """What became of the responses: right, wrong, unparsed; a stacked bar a benchmark and model, with the truncated share beside it."""
    made, axes = figure(theme, 1.1 + len(names) * (0.2 + 0.2 * len(models)))
    ticks, labels, height = [], [], 0.8 / len(models)
    for place, model in enumerate(models):
        for row in (row for row in table if row["model"] == model):
            y, left = names.index(row["benchmark"]) + (place - (len(models) - 1) / 2) * height, 0
            parts = dict(
                right=row["accuracy"],
                wrong=100 - row["accuracy"] - row["unparsed"],
                unparsed=row["unparsed"],
            )
            for name, color in OUTCOMES:
                axes.barh(
                    y,
                    parts[name],
                    left=left,
                    height=height * 0.86,
                    color=color,
                    label=name if not ticks else None,
                )
                left += parts[name]
            if row["truncated"]:
                axes.text(
                    101,
                    y,
                    f"{row['truncated']:.0f} % cut off",
                    va="center",
                    fontsize=8,
                    color=INK[theme][0],
                )
            ticks.append(y)
            labels.append(
                benchmarks.title_of(row["benchmark"])
                + (f" · {model[-24:]}" if len(models) > 1 else "")
            )
    axes.set_yticks(ticks, labels)
    axes.set_ylim(len(names) - 0.45, -0.55)
    axes.set_xlim(0, 100)
    axes.set_xlabel("share of responses (%)")
    legend(axes, theme, 4)
    return made


def plot_differences(comparison, theme):
    """Differences of accuracy and of the unparsed share with their intervals."""
    rows = [*comparison["benchmarks"].items(), ("all rows", comparison["all"])]
    made, axes = figure(theme, 1.2 + 0.42 * len(rows))
    for place, (measure, label) in enumerate(
        (("accuracy", "accuracy"), ("unparsed", "unparsed share"))
    ):
        its = [row[measure] for _, row in rows]
        y = [at + (place - 0.5) * 0.34 for at in range(len(rows))]
        x = [m["difference"] for m in its]
        axes.errorbar(
            x,
            y,
            xerr=[
                [m["difference"] - m["low"] for m in its],
                [m["high"] - m["difference"] for m in its],
            ],
            fmt="o",
            color=COLORS[theme][place],
            markersize=5.5,
            elinewidth=1.8,
            label=label,
        )
    axes.axvline(0, color=INK[theme][0], linewidth=1)
    axes.set_yticks(range(len(rows)), [benchmarks.title_of(name) for name, _ in rows])
    axes.set_ylim(len(rows) - 0.45, -0.55)
    axes.set_xlabel(
        f"{comparison['model_b']} minus {comparison['model_a']} (points) with 95 % paired interval"
    )
    legend(axes, theme, 2)
    return made


def draw_plots(folder, table, names, models, comparison):
    """Write plots/NAME.png and NAME_dark.png; returns [(name, caption)]."""
    plots = [
        (
            "accuracy",
            "Accuracy with its 95 % interval. The tick is chance; a hollow mark is what the paper published for the same model.",
            lambda theme: plot_accuracy(table, names, models, theme),
        ),
        (
            "outcomes",
            "What became of the responses. Unparsed ones commit to no answer; the share that was cut off at the token budget stands at the right.",
            lambda theme: plot_outcomes(table, names, models, theme),
        ),
    ]
    if comparison:
        plots.append(
            (
                "differences",
                f"Differences, {comparison['model_b']} minus {comparison['model_a']}, with 95 % paired intervals; among many benchmarks "
                "some exclude zero by chance, which the p values (Holm) take into account.",
                lambda theme: plot_differences(comparison, theme),
            )
        )
    for name, _, plot in plots:
        save(folder, name, plot)
    return [(name, caption) for name, caption, _ in plots]


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
    """(name, caption) of the loss curve, drawn where a training of more than one step was logged; else None."""
    if not training or len(training["losses"]) < 2:
        return None
    losses = training["losses"]
    save(folder, "loss", lambda theme: plot_loss(losses, theme))
    return (
        "loss",
        f"Training loss, {losses[0][1]:.3f} at step {losses[0][0]} to {losses[-1][1]:.3f} at step {losses[-1][0]}.",
    )
