"""The study's figures; each draws what the run holds."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from engrax.lab import figures, t_half_width

from ._claims import image_sets
from ._drawing import ARMS, legend_below, point, rows_of
from ._edge_plots import edges, picks
from ._image_plots import images
from ._measures import (
    GROUPS,
    SUITES,
    best_of_all,
    curve,
    families,
    other_errors,
    ranks,
    regret,
    wins,
)

TITLES = {
    "seven": "f1 to f7, on which settings were found",
    "confirmation": "g1 to g6, which confirm",
}
"""Suite -> what it is for."""
_LINES = {"skan": "-", "mixture": "--", "mlp": ":"}


def plots(run: Any) -> dict[str, Figure]:
    """All figures for which the run has the arms."""
    found = {}
    suites = [suite for suite in SUITES if _holds(run, suite)]
    if suites:
        found["errors"] = _errors(run, suites)
        found["ranks"] = _ranks(run, suites)
        found["regret"] = _regret(run, suites)
    if suites and all(f"{kind}_{g}" in run for kind in ("full", "commit") for g in _groups(run)):
        found["learning"] = _learning(run, suites)
    if drawn := edges(run):
        found["edges"] = drawn
        found["families"] = picks(run)
    if "planted" in run:
        found["planted"] = _planted(run)
    if image_sets(run) or "flat_skan" in run:
        found["images"] = images(run)
    return found


def _groups(run: Any) -> list[str]:
    return [g for g in GROUPS if f"skan_{g}" in run]


def _holds(run: Any, suite: str) -> bool:
    """Whether S-KAN and the single families were run on tasks of the suite."""
    mine = _groups(run)
    if not mine or any(f"single_{g}" not in run for g in mine):
        return False
    tasks = [str(t) for g in mine for t in run[f"skan_{g}"]["task"].values]
    return any(task.startswith(SUITES[suite]) for task in tasks)


def _present(run: Any) -> list[str]:
    return [kind for kind in ARMS if all(f"{kind}_{g}" in run for g in _groups(run))]


def _stacked(suites: list[str], ylabel: str, height: float) -> tuple[Figure, list[Axes]]:
    """One panel a suite, one below the other."""
    with figures.style():
        figure = Figure(figsize=(figures.WIDTH + 0.6, 0.9 + height * len(suites)))
        grid = list(figure.subplots(len(suites), 1, squeeze=False)[:, 0])
        for panel, suite in zip(grid, suites, strict=True):
            panel.set_title(TITLES[suite])
            panel.set_ylabel(ylabel)
    return figure, grid


def _beside(suites: list[str], xlabel: str, rows: int) -> tuple[Figure, list[Axes]]:
    """One panel a suite, side by side, with as many rows."""
    with figures.style():
        figure = Figure(figsize=(figures.WIDTH + 1.4, 1.2 + 0.34 * rows))
        grid = list(figure.subplots(1, len(suites), sharey=True, squeeze=False)[0])
        for panel, suite in zip(grid, suites, strict=True):
            panel.set_title(TITLES[suite], fontsize=9)
            panel.set_xlabel(xlabel)
    return figure, grid


def _errors(run: Any, suites: list[str]) -> Figure:
    """Test error of every arm on every task: means over runs with 95 % intervals."""
    figure, grid = _stacked(suites, "test error (log10 of\nstandard deviations)", 2.7)
    kinds = _present(run)
    for panel, suite in zip(grid, suites, strict=True):
        tasks = [str(task) for task in other_errors(run, suite, "skan")["task"].values]
        x = np.arange(len(tasks))
        for i, name in enumerate(families(run)):
            values = other_errors(run, suite, name).mean("seed")
            label = "each family alone" if i == 0 else None
            panel.plot(x - 0.36, values, "_", color=figures.MUTED, markersize=11,
                       markeredgewidth=1.6, label=label)  # fmt: skip
        best = best_of_all(run, suite).mean("seed")
        panel.plot(x - 0.36, best, "D", color=figures.INK, markersize=5, fillstyle="none",
                   label="best family by validation, 6 times the compute")  # fmt: skip
        for shift, kind in zip(np.linspace(-0.2, 0.4, len(ARMS)), kinds, strict=False):
            name, color = ARMS[kind]
            values = other_errors(run, suite, kind).transpose("task", "seed").to_numpy()
            half = [t_half_width(each) for each in values]
            panel.errorbar(x + shift, values.mean(1), half, fmt="o", color=color, markersize=4,
                           capsize=2, elinewidth=1.2, label=name)  # fmt: skip
        panel.set_xticks(x, tasks)
        panel.set_xlabel("formula")
        for border in x[1:] - 0.5:
            panel.axvline(border, color=figures.MUTED, linewidth=0.5, alpha=0.4)
        panel.grid(visible=False, axis="x")
    legend_below(figure, grid[0], 2)
    return figure


def _ranks(run: Any, suites: list[str]) -> Figure:
    """The average rank of S-KAN among single families, and on how many tasks each is best."""
    names = ["skan", *families(run)][::-1]
    figure, grid = _beside(suites, "average rank (1 is best)", len(names))
    for panel, suite in zip(grid, suites, strict=True):
        table, best = ranks(run, suite), wins(run, suite)
        for row, name in enumerate(names):
            color = ARMS[name][1] if name in ARMS else figures.INK
            point(panel, table.sel(arm=name).to_numpy(), row, color)
            count = float(best.sel(arm=name).mean())
            panel.text(1.01, row, f"{count:.1f}", transform=panel.get_yaxis_transform(),
                       va="center", fontsize=8, color=figures.INK)  # fmt: skip
        panel.text(1.01, len(names) - 0.3, "wins", transform=panel.get_yaxis_transform(),
                   va="bottom", fontsize=8, color=figures.INK)  # fmt: skip
        panel.set_xlim(0.7, len(names) + 0.3)
        rows_of(panel, names)
    return figure


def _regret(run: Any, suites: list[str]) -> Figure:
    """How far an arm is from the best family on its worst task."""
    names = [*_present(run), *families(run)][::-1]
    figure, grid = _beside(suites, "largest distance to\nthe best family (decades)", len(names))
    for panel, suite in zip(grid, suites, strict=True):
        for row, name in enumerate(names):
            color = ARMS[name][1] if name in ARMS else figures.MUTED
            point(panel, regret(run, suite, name).to_numpy(), row, color)
        panel.axvline(0, color=figures.INK, linewidth=0.8)
        rows_of(panel, names)
    return figure


def _learning(run: Any, suites: list[str]) -> Figure:
    """Test error over the steps, mean over tasks: the phases of S-KAN against single families."""
    figure, grid = _stacked(suites, "test error (log10,\nmean over tasks)", 2.4)
    for panel, suite in zip(grid, suites, strict=True):
        for i, name in enumerate(families(run)):
            values = curve(run, suite, name).mean("seed")
            panel.plot(values["tick"], values, color=figures.MUTED, linewidth=1,
                       label="each family alone" if i == 0 else None)  # fmt: skip
        for kind, line in _LINES.items():
            if kind in _present(run):
                values = curve(run, suite, kind)
                label, color = ARMS[kind]
                rows = values.transpose("seed", "tick").to_numpy()
                figures.band(panel, values["tick"], rows, label=label, color=color, linestyle=line)
        group = _groups(run)[0]
        full = int(run[f"full_{group}"]["tick"].max())
        for step, text in ((full, "select"), (full + _last(run, group), "prune")):
            panel.axvline(step, color=figures.INK, linewidth=0.8, linestyle=":")
            panel.text(step, 1.0, f" {text}", transform=panel.get_xaxis_transform(), va="top",
                       fontsize=8)  # fmt: skip
        panel.set_xlabel("step of Adam")
    legend_below(figure, grid[0], 2)
    return figure


def _last(run: Any, group: str) -> int:
    return int(run[f"commit_{group}"]["tick"].max())


def _planted(run: Any) -> Figure:
    """How many of a teacher's families are found, over the soft phase."""
    figure, panel = figures.axes(xlabel="step of Adam, soft gates", ylabel="families found (%)")
    arm = run["planted"]
    values = 100 * arm["recovered"].transpose("seed", "tick").to_numpy()
    figures.band(panel, arm["tick"], values, label="S-KAN", color=figures.PALETTE[2])
    panel.axhline(60, color=figures.INK, linestyle="--", label="claimed, at least", linewidth=1)
    chance = 100 / len(run.config.families)
    panel.axhline(chance, color=figures.MUTED, linestyle=":", label="chance")
    panel.set_ylim(0, 105)
    panel.legend()
    return figure
