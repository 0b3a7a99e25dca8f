"""The plots of the report, in colours that stand out on its light and on its dark page."""

import benchmarks
import numpy

import rows as r

COLORS = ["#3f83f8", "#e0812d", "#2da562", "#9a6cf0", "#d9534f", "#2aa5b5"]
INK, GRID = "#808a96", "#80808060"  # text, lines
ACCURACY = "Accuracy with its 95 % interval. The tick is chance."
DIFFERENCES = (
    "with 95 % paired intervals; among many benchmarks some exclude zero by chance, which the p "
    "values (Holm) take into account."
)


def figure(height):
    """A matplotlib figure without a display, whose ground is the page's."""
    from matplotlib.figure import Figure

    made = Figure(figsize=(9.2, height), dpi=160, layout="constrained")
    axes = made.add_subplot(facecolor="none")
    axes.tick_params(colors=INK, length=0, labelsize=9)
    axes.spines[["left", "top", "right"]].set_visible(False)
    axes.spines["bottom"].set_color(GRID)
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    return made, axes


def finish(axes, names, label):
    """Labels of a plot with one row a benchmark, from top to bottom, and its legend above."""
    axes.set_yticks(range(len(names)), [benchmarks.title_of(name) for name in names])
    axes.set_ylim(len(names) - 0.45, -0.55)
    axes.set_xlabel(label, color=INK)
    place = dict(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=4)
    axes.legend(**place, frameon=False, fontsize=9, labelcolor=INK)


def intervals(axes, points, color, label):
    """Points with their intervals: [(low, value, high, height), ...]."""
    low, x, high, y = numpy.transpose(points)
    style = dict(fmt="o", markersize=5.5, elinewidth=1.8)
    axes.errorbar(x, y, xerr=(x - low, high - x), color=color, label=label, **style)


def plot_accuracy(table, names, models):
    """Accuracy with its interval, a row a benchmark, a colour a model."""
    made, axes = figure(1.1 + len(names) * (0.22 + 0.17 * len(models)))
    for place, model in enumerate(models):
        shift, points = (place - (len(models) - 1) / 2) * 0.7 / len(models), []
        for row in (row for row in table if row["model"] == model):
            y = names.index(row["benchmark"]) + shift
            points.append((row["ci_low"], row["accuracy"], row["ci_high"], y))
        intervals(axes, points, COLORS[place % len(COLORS)], model)
    guess = {row["benchmark"]: row["chance"] for row in table if row["chance"]}
    if guess:
        tick = dict(color=INK, markersize=13, markeredgewidth=1.4, label="chance")
        axes.plot(list(guess.values()), [names.index(name) for name in guess], "|", **tick)
    axes.set_xlim(0, 100)
    finish(axes, names, "accuracy (%) with 95 % interval")
    return made


def plot_differences(rows, label):
    """Differences of accuracy and of the unparsed share with their intervals."""
    made, axes = figure(1.2 + 0.42 * len(rows))
    for place, measure in enumerate(("accuracy", "unparsed")):
        points = []
        for at, (_, row) in enumerate(rows):
            m = row[measure]
            points.append((m["low"], m["difference"], m["high"], at + (place - 0.5) * 0.34))
        intervals(axes, points, COLORS[place], measure)
    axes.axvline(0, color=INK, linewidth=1)
    finish(axes, [name for name, _ in rows], f"{label} (points) with 95 % paired interval")
    return made


def draw_plots(folder, table, names, models, comparison):
    """Write plots/NAME.png; returns [(name, caption)]."""
    save(folder, "accuracy", plot_accuracy(table, names, models))
    plots = [("accuracy", ACCURACY)]
    if comparison:
        label = f"{comparison['model_b']} minus {comparison['model_a']}"
        save(folder, "differences", plot_differences(comparison["rows"], label))
        plots.append(("differences", f"Differences, {label}, {DIFFERENCES}"))
    return plots


def draw_loss(folder, training):
    """(name, caption) of the loss curve, drawn where a training of more than one step was logged;
    else None."""
    if not training or len(training["losses"]) < 2:
        return None
    losses = training["losses"]
    made, axes = figure(3)
    axes.plot(*zip(*losses, strict=True), color=COLORS[0], linewidth=1.6)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel("step", color=INK)
    axes.set_ylabel("training loss", color=INK)
    save(folder, "loss", made)
    (first, before), (last, after) = losses[0], losses[-1]
    return "loss", f"Training loss, {before:.3f} at step {first} to {after:.3f} at step {last}."


def save(folder, name, made):
    (folder / "plots").mkdir(parents=True, exist_ok=True)
    with r.write_aside(folder / "plots" / f"{name}.png") as file:
        made.savefig(file, format="png", transparent=True, metadata={"Software": None})
