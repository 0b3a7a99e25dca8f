"""The plot of the report, in colours that stand out on its light and on its dark page."""

import benchmarks
import numpy

import rows as r

COLORS = ["#3f83f8", "#e0812d", "#2da562", "#9a6cf0", "#d9534f", "#2aa5b5"]
INK, GRID = "#808a96", "#80808060"  # text, lines


def plot_axes(names, models):
    """A matplotlib figure without a display, whose ground is the page's, and its axes: one row a
    benchmark, from top to bottom."""
    from matplotlib.figure import Figure

    height = 1.1 + len(names) * (0.22 + 0.17 * len(models))
    figure = Figure(figsize=(9.2, height), dpi=160, layout="constrained")
    axes = figure.add_subplot(facecolor="none")
    axes.tick_params(colors=INK, length=0, labelsize=9)
    axes.spines[["left", "top", "right"]].set_visible(False)
    axes.spines["bottom"].set_color(GRID)
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_yticks(range(len(names)), [benchmarks.title_of(name) for name in names])
    axes.set_ylim(len(names) - 0.45, -0.55)
    axes.set_xlim(0, 100)
    axes.set_xlabel("accuracy (%) with 95 % interval", color=INK)
    return figure, axes


def draw_accuracy(path, table, names, models):
    """Write a picture of each accuracy with its interval, a colour a model, a tick for chance."""
    figure, axes = plot_axes(names, models)
    for place, model in enumerate(models):
        rows = [row for row in table if row["model"] == model]
        cells = [[row[key] for key in ("ci_low", "accuracy", "ci_high")] for row in rows]
        low, x, high = numpy.transpose(cells)
        shift = (place - (len(models) - 1) / 2) * 0.7 / len(models)
        y = [names.index(row["benchmark"]) + shift for row in rows]
        style = dict(fmt="o", markersize=5.5, elinewidth=1.8, color=COLORS[place % len(COLORS)])
        axes.errorbar(x, y, xerr=(x - low, high - x), label=model, **style)
    chance = {row["benchmark"]: row["chance"] for row in table if row["chance"]}
    if chance:
        tick = dict(color=INK, markersize=13, markeredgewidth=1.4, label="chance")
        axes.plot(list(chance.values()), [names.index(name) for name in chance], "|", **tick)
    where = dict(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=4)
    axes.legend(**where, frameon=False, fontsize=9, labelcolor=INK)
    path.parent.mkdir(parents=True, exist_ok=True)
    with r.write_aside(path) as file:
        figure.savefig(file, format="png", transparent=True, metadata={"Software": None})
