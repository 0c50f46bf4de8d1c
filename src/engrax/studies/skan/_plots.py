"""The study's figures; each draws what the run holds."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from engrax.lab import figures

from ._claims import conv_accuracy, image_sets
from ._edge_plots import edges, picks
from ._measures import GROUPS, SUITES, best_of_all, families, other_errors, regret

ARMS = {
    "skan": ("S-KAN", figures.PALETTE[2]),
    "mixture": ("all families", figures.PALETTE[1]),
    "random": ("random families", figures.PALETTE[4]),
    "mlp": ("MLP", figures.PALETTE[0]),
    "mlp_k": ("MLP, parameters of all", figures.PALETTE[6]),
    "mlp_long": ("MLP, more steps", figures.PALETTE[5]),
}
"""Kind of arm -> what it is called, its color."""
_TITLES = {"seven": "formulas that settled choices", "confirmation": "formulas that confirm"}


def plots(run: Any) -> dict[str, Figure]:
    """All figures for which the run has the arms."""
    found = {}
    suites = [suite for suite in SUITES if _holds(run, suite)]
    if suites:
        found["errors"] = _errors(run, suites)
        found["regret"] = _regret(run, suites)
    if drawn := edges(run):
        found["edges"] = drawn
        found["families"] = picks(run)
    if "planted" in run:
        found["planted"] = _planted(run["planted"])
    if image_sets(run):
        found["images"] = _images(run)
    return found


def _holds(run: Any, suite: str) -> bool:
    """Whether S-KAN and the single families were run on tasks of the suite."""
    mine = [g for g in GROUPS if f"skan_{g}" in run]
    if not mine or any(f"single_{g}" not in run for g in mine):
        return False
    tasks = [str(t) for g in mine for t in run[f"skan_{g}"]["task"].values]
    return any(task.startswith(SUITES[suite]) for task in tasks)


def _present(run: Any) -> list[str]:
    groups = [g for g in GROUPS if f"skan_{g}" in run]
    return [kind for kind in ARMS if all(f"{kind}_{g}" in run for g in groups)]


def _errors(run: Any, suites: list[str]) -> Figure:
    """Test error of every arm on every task, mean over seeds; gray letters are single families."""
    figure, grid = figures.panels(
        len(suites),
        xlabel="task",
        ylabel="log10 of the test error",
        titles=[_TITLES[suite] for suite in suites],
    )
    with figures.style():
        figure.set_size_inches(max(figures.WIDTH, 4.2 * len(suites)), 4.2)
    for panel, suite in zip(grid, suites, strict=True):
        tasks = [str(task) for task in other_errors(run, suite, "skan")["task"].values]
        x = np.arange(len(tasks))
        for i, name in enumerate(families(run)):
            values = other_errors(run, suite, name).mean("seed")
            label = "one family" if i == 0 else None
            panel.plot(
                x - 0.2, values, "_", color=figures.MUTED, markersize=9, markeredgewidth=2,
                label=label,
            )  # fmt: skip
        best = best_of_all(run, suite).mean("seed")
        panel.plot(
            x - 0.2, best, "D", color=figures.INK, markersize=5, fillstyle="none",
            label="best family by validation",
        )  # fmt: skip
        for shift, kind in zip(np.linspace(-0.05, 0.35, len(ARMS)), _present(run), strict=False):
            name, color = ARMS[kind]
            values = other_errors(run, suite, kind).mean("seed")
            panel.plot(x + shift, values, "o", color=color, markersize=5, label=name)
        panel.set_xticks(x, tasks)
    _legend_below(figure, grid[0])
    return figure


def _regret(run: Any, suites: list[str]) -> Figure:
    """How far an arm is from the best family on its worst task, with 95 % intervals."""
    names = [*_present(run), *families(run)][::-1]
    figure, grid = figures.panels(
        len(suites),
        xlabel="largest distance to the best family (decades)",
        ylabel="",
        titles=[_TITLES[suite] for suite in suites],
    )
    with figures.style():
        figure.set_size_inches(max(figures.WIDTH, 4.2 * len(suites)), 1.4 + 0.32 * len(names))
    for panel, suite in zip(grid, suites, strict=True):
        for row, name in enumerate(names):
            color = ARMS[name][1] if name in ARMS else figures.MUTED
            _point(panel, regret(run, suite, name).to_numpy(), row, color)
        labels = [ARMS[name][0] if name in ARMS else name.replace("_", " ") for name in names]
        panel.set_yticks(range(len(names)), labels)
        panel.grid(visible=False, axis="y")
    return figure


def _point(panel: Axes, values: np.ndarray, row: int, color: str) -> None:
    """One row: the mean over seeds and its 95 % interval."""
    mean, n = values.mean(), len(values)
    if n > 1:
        half = stats.t.ppf(0.975, n - 1) * values.std(ddof=1) / np.sqrt(n)
        panel.plot([mean - half, mean + half], [row, row], color=color, linewidth=3)
    panel.plot(mean, row, "o", color=color, markersize=6)


def _planted(arm: Any) -> Figure:
    """How many of a teacher's families are found, over the soft phase."""
    figure, panel = figures.axes(xlabel="record of the soft phase", ylabel="families found (%)")
    values = 100 * arm["recovered"].transpose("seed", "tick").to_numpy()
    figures.band(panel, arm["tick"], values, label="S-KAN", color=figures.PALETTE[2])
    panel.axhline(60, color=figures.MUTED, linestyle="--", label="claimed")
    panel.set_ylim(0, 105)
    panel.legend()
    return figure


def _images(run: Any) -> Figure:
    """Test accuracy of convolutional nets on each set of images."""
    names = list(image_sets(run).values())
    figure, panel = figures.axes(xlabel="", ylabel="test accuracy (%)")
    x = np.arange(len(names))
    if all(f"conv_single_{i}" in run for i in image_sets(run)):
        single = 100 * conv_accuracy(run, "single").mean("seed")
        for i, family in enumerate(single["family"].values):
            label = "one family" if i == 0 else None
            values = single.sel(family=family).transpose("set")
            panel.plot(x - 0.1, values, "_", color=figures.MUTED, markersize=12, label=label)
    kinds = {"skan": "S-ConvKAN", "cnn": "CNN, same channels", "cnn_wide": "CNN, same parameters"}
    for shift, color, (kind, label) in zip(
        (0.0, 0.1, 0.2), (figures.PALETTE[2], *figures.PALETTE[:2]), kinds.items(), strict=True
    ):
        if not all(f"conv_{kind}_{i}" in run for i in image_sets(run)):
            continue
        accuracy = 100 * conv_accuracy(run, kind).transpose("seed", "set").to_numpy()
        mean, deviation = accuracy.mean(0), accuracy.std(0, ddof=1 if len(accuracy) > 1 else 0)
        panel.errorbar(x + shift, mean, deviation, fmt="o", color=color, label=label, capsize=2)
    panel.set_xticks(x, [name.replace("_", " ") for name in names])
    panel.legend()
    return figure


def _legend_below(figure: Figure, panel: Axes) -> None:
    lines, labels = panel.get_legend_handles_labels()
    with figures.style():
        figure.legend(lines, labels, loc="outside lower center", ncols=min(4, len(labels)))
