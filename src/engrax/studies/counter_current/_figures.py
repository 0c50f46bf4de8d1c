"""The figures of the claims on fully connected nets."""

from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from engrax.lab import figures, t_interval

from ._mlp import RULES

COLORS = dict(zip(RULES, (1, 0, 2, 3, 4, 5), strict=True))
"""Rule -> position in the palette; counter-current learning is blue everywhere."""
_COLUMNS: tuple[str, ...] = ("ccl", "bp", "fa", "dfa", "fwdtp", "drtp")
PAPER_ACCURACY: dict[str, dict[str, float]] = {
    data: dict(zip(_COLUMNS, values, strict=True))
    for data, values in {
        "mnist": (98.13, 98.19, 96.96, 97.27, 97.20, 92.16),
        "mnist_5k": (98.13, 98.19, 96.96, 97.27, 97.20, 92.16),
        "fashion_mnist": (88.58, 89.58, 87.38, 87.35, 87.78, 82.03),
        "cifar10": (52.73, 50.03, 45.76, 42.86, 45.91, 33.85),
        "cifar100": (21.76, 22.55, 22.13, 19.87, 21.09, 15.53),
    }.items()
}
"""The paper's test accuracies (%), each on the whole data set."""
NAMES = {
    "mnist": "MNIST", "mnist_5k": "MNIST", "fashion_mnist": "Fashion-MNIST",
    "cifar10": "CIFAR-10", "cifar100": "CIFAR-100",
}  # fmt: skip


def _set(run: Any, prefix: str) -> tuple[str, str]:
    """The data set behind the arms with this prefix, and what to call it."""
    config = run.config
    data, images = ("mnist_5k", config.digits_train) if prefix else (config.data, config.train)
    return data, f"{NAMES[data]}, {'all' if images is None else format(images, ',')} images"


def plots(run: Any) -> dict[str, Figure]:
    """What the run holds of these figures."""
    drawn = {}
    sets = [prefix for prefix in ("mnist_", "") if f"{prefix}ccl" in run and f"{prefix}bp" in run]
    if sets:
        drawn["accuracy"] = _accuracy(run, sets)
        drawn["learning"] = _learning(run, sets)
    tuned = [prefix for prefix in sets if "tuning" in run[f"{prefix}ccl"].children]
    if tuned:
        drawn["tuning"] = _tuning(run, tuned)
    if "surface" in run:
        drawn["rates"] = _surface(run)
    if "pair" in run:
        drawn["agreement"] = _agreement(run)
        drawn["weights"] = _weights(run)
    if "cost" in run:
        drawn["cost"] = _cost(run)
    return drawn


def _color(rule: str) -> str:
    return figures.PALETTE[COLORS[rule]]


def side_by_side(columns: int, *, width: float = 5.2, height: float = 3.6) -> tuple[Figure, Any]:
    """Panels with axes of their own: the data sets differ in their range."""
    with figures.style():
        figure = Figure(figsize=(max(figures.WIDTH, width * columns), height))
        return figure, figure.subplots(1, columns, squeeze=False)[0]


def _accuracy(run: Any, sets: list[str]) -> Figure:
    """Test accuracy of each rule: seeds, mean with its interval, the paper's value."""
    figure, axes = side_by_side(len(sets))
    for ax, prefix in zip(axes, sets, strict=True):
        rules = [rule for rule in RULES if f"{prefix}{rule}" in run]
        rows = range(len(rules))[::-1]
        for row, rule in zip(rows, rules, strict=True):
            values = 100 * run[f"{prefix}{rule}"]["test_accuracy"].isel(tick=-1).values
            interval(ax, row, values, _color(rule))
            paper = PAPER_ACCURACY[_set(run, prefix)[0]][rule]
            label = "paper (whole data set, wider net)" if row == rows[0] else None
            ax.plot(paper, row, "D", color=figures.INK, markersize=5, fillstyle="none", label=label)
        ax.set_yticks(rows, [RULES[rule] for rule in rules])
        ax.set_ylim(-0.6, len(rules) - 0.4)
        ax.grid(visible=False, axis="y")
        ax.set(xlabel="test accuracy (%)", title=_set(run, prefix)[1])
        ax.legend(loc="upper left", bbox_to_anchor=(0.0, -0.18))
    return figure


def interval(ax: Axes, row: int, values: np.ndarray, color: str) -> None:
    """The seeds as dots, their mean with its 95 % interval, in one row."""
    ax.plot(values, np.full(len(values), row), "o", color=figures.MUTED, markersize=3, alpha=0.5)
    if len(values) > 1 and np.isfinite(values).all():
        found = t_interval(values)
        ax.plot([found.low, found.high], [row, row], color=color, linewidth=3)
    ax.plot(values.mean(), row, "o", color=color, markersize=7)


def _learning(run: Any, sets: list[str]) -> Figure:
    """Validation accuracy after each epoch."""
    figure, axes = side_by_side(len(sets))
    for ax, prefix in zip(axes, sets, strict=True):
        for rule, label in RULES.items():
            if f"{prefix}{rule}" not in run:
                continue
            curve = run[f"{prefix}{rule}"]["validation_accuracy"]
            figures.band(ax, curve["tick"], 100 * curve.values, label=label, color=_color(rule))
        if not prefix and "frozen" in run:
            curve = run["frozen"]["validation_accuracy"]
            figures.band(
                ax, curve["tick"], 100 * curve.values,
                label="CCL, frozen feedback", color=_color("ccl"), linestyle="--",
            )  # fmt: skip
        best = max(float(line.get_ydata().max()) for line in ax.lines)
        ax.set_ylim(bottom=best - 14, top=best + 1)
        ax.set(xlabel="epoch", ylabel="validation accuracy (%)", title=_set(run, prefix)[1])
    axes[-1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _tuning(run: Any, sets: list[str]) -> Figure:
    """Validation accuracy of every learning rate tried, on a seed that no claim uses."""
    figure, axes = side_by_side(len(sets), height=3.2)
    for ax, prefix in zip(axes, sets, strict=True):
        for rule, label in RULES.items():
            if f"{prefix}{rule}" not in run or "tuning" not in run[f"{prefix}{rule}"].children:
                continue
            score = 100 * run[f"{prefix}{rule}"]["tuning"]["score"].mean("calibration_seed")
            ax.plot(
                score["tuned_value"], score, "o-", color=_color(rule), label=label, markersize=4
            )
            best = score.isel(tuned_value=int(np.nanargmax(score)))
            ax.plot(
                best["tuned_value"], best, "o", color=_color(rule), markersize=9, fillstyle="none"
            )
        ax.set_xscale("log")
        # A rate at which learning breaks down leaves the panel instead of flattening the rest.
        best = max(float(np.nanmax(line.get_ydata())) for line in ax.lines)
        ax.set_ylim(best - 12, best + 1)
        ax.set(xlabel="learning rate", ylabel="validation accuracy (%)", title=_set(run, prefix)[1])
    axes[-1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _surface(run: Any) -> Figure:
    """Test accuracy over the two networks' learning rates."""
    accuracy = 100 * run["surface"]["test_accuracy"].isel(tick=-1).mean("seed")
    accuracy = accuracy.transpose("feedback_rate", "forward_rate")
    figure, ax = figures.axes(
        xlabel="learning rate of the forward network",
        ylabel="learning rate of\nthe feedback network",
        height=3.4,
    )
    # Without learning below the top the accuracy is far down: colors span the rest.
    learned = accuracy.sel(forward_rate=accuracy["forward_rate"] > 0)
    low, high = float(learned.min()), float(learned.max())
    image = ax.imshow(accuracy, cmap="viridis", vmin=low, vmax=high, aspect="auto", origin="lower")
    for (row, column), value in np.ndenumerate(accuracy.values):
        ink = "white" if value < (low + high) / 2 else "black"
        ax.text(column, row, f"{value:.1f}", ha="center", va="center", color=ink)
    ax.set_xticks(range(accuracy.sizes["forward_rate"]), _plain(accuracy["forward_rate"]))
    ax.set_yticks(range(accuracy.sizes["feedback_rate"]), _plain(accuracy["feedback_rate"]))
    ax.grid(visible=False)
    figure.colorbar(image, ax=ax, label="test accuracy (%)", extend="min")
    return figure


def _plain(values: Any) -> list[str]:
    return [f"{float(value):g}" for value in values]


def _agreement(run: Any) -> Figure:
    """CKA of every forward with every feedback level, from before training on."""
    steps = run["pair"]["cka"]["tick"].values
    wanted = [step for step in (0, 20, 40, 80, 160) if step in steps]
    wanted = wanted if len(wanted) > 1 else list(steps[[0, -1]])
    agreement = run["pair"]["cka"].mean("seed")
    top = np.ceil(10 * float(agreement.max())) / 10
    with figures.style():
        figure = Figure(figsize=(max(figures.WIDTH, 2.05 * len(wanted) + 0.9), 2.7))
        axes = figure.subplots(1, len(wanted), sharey=True, squeeze=False)[0]
        for ax, step in zip(axes, wanted, strict=True):
            shown = agreement.sel(tick=step).transpose("forward_level", "feedback_level")
            ax.imshow(shown, cmap="viridis", vmin=0, vmax=top, origin="lower")
            ax.set(title=f"step {step}")
            ax.set_xticks(
                range(shown.sizes["feedback_level"]), _names("b", shown["feedback_level"])
            )
            ax.set_yticks(range(shown.sizes["forward_level"]), _names("a", shown["forward_level"]))
            ax.grid(visible=False)
        figure.supxlabel("feedback level, from the input to the label side", fontsize=10)
        axes[0].set_ylabel("forward level")
        figure.colorbar(axes[0].images[0], ax=axes, label="linear CKA", shrink=0.8)
    return figure


def _names(letter: str, levels: Any) -> list[str]:
    return [f"${letter}_{{{int(level)}}}$" for level in levels]


def _weights(run: Any) -> Figure:
    """How far each forward weight comes to point along its feedback partner."""
    cosine = run["pair"]["weight_cosine"]
    depth = cosine.sizes["layer"]
    figure, ax = figures.axes(xlabel="training step", ylabel="cosine of $U_l$ and $V_l^T$")
    ramp = matplotlib.colormaps["viridis"](np.linspace(0, 0.85, depth))
    for color, layer in zip(ramp, cosine["layer"].values, strict=True):
        note = {1: " (input)", depth: " (output)"}.get(int(layer), "")
        figures.band(
            ax, cosine["tick"], cosine.sel(layer=layer).values,
            label=f"layer {layer}{note}", color=to_hex(color),
        )  # fmt: skip
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _cost(run: Any) -> Figure:
    """Operations of one training step, as compiled."""
    paper = {"bp": 2.39, "ccl": 2.55, "fwdtp": 18.06, "dtp": 48.69}
    names = RULES | {"dtp": "DTP"}
    flops = run["cost"]["flops_per_image"].sortby(run["cost"]["flops_per_image"], ascending=False)
    figure, ax = figures.axes(
        xlabel="million floating-point operations an image and step", ylabel="", height=3.0
    )
    for row, rule in enumerate(flops["rule"].values):
        value = float(flops.sel(rule=rule)) / 1e6
        color = _color(rule) if rule in COLORS else figures.MUTED
        ax.barh(row, value, color=color, height=0.6)
        ax.text(1.06, row, f"{value:.2f}", color="white", va="center")
        if rule in paper:
            label = None if "paper" in ax.get_legend_handles_labels()[1] else "paper"
            ax.plot(
                paper[rule],
                row,
                "D",
                color=figures.INK,
                markersize=5,
                fillstyle="none",
                label=label,
            )
    ax.set_yticks(range(len(flops)), [names[rule] for rule in flops["rule"].values])
    ax.set_xscale("log")
    ax.set_xlim(1, 80)
    ax.set_xticks([1, 2, 5, 10, 20, 50], ["1", "2", "5", "10", "20", "50"])
    ax.minorticks_off()
    ax.grid(visible=False, axis="y")
    ax.legend(loc="upper right")
    return figure
