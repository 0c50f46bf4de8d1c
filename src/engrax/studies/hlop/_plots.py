"""The study's figures; each draws what the run holds."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from engrax.lab import figures, t_half_width

from ._claims import average, matrix, transfer
from ._learners import RULES

METHODS = {
    "hlop": ("HLOP", figures.PALETTE[2]),
    "sequential": ("sequential", figures.PALETTE[0]),
    "gpm": ("GPM, equal k", figures.PALETTE[1]),
    "ewc": ("EWC", figures.PALETTE[4]),
    "replay": ("replay", figures.PALETTE[5]),
    "hlop_replay": ("HLOP + replay", figures.PALETTE[3]),
    "joint": ("joint (upper bound)", figures.PALETTE[6]),
}
"""Arm -> what it is called, its color."""

UNVERIFIED = {"hlop": (0.9515, -0.0130), "sequential": (0.706, -0.289), "gpm": (0.948, -0.016)}
"""Arm -> ACC and BWT that are remembered of the paper's table, not read: ten permutations of all
of MNIST, net 784-800-800-10."""

LAYERS = (figures.PALETTE[1], figures.PALETTE[2], figures.PALETTE[3])
_NOTE = "paper, larger setting (unverified)"


def plots(run: Any) -> dict[str, Figure]:
    """All figures for which the run has the arms."""
    found = {}
    methods = [name for name in METHODS if name in run]
    if methods:
        found["forgetting"] = _matrices(
            run, [name for name in methods if name != "joint"] or methods
        )
        found["tasks"] = _over_tasks(run, methods)
        found["methods"] = _methods(run, methods)
    if "hlop" in run:
        found["subspaces"] = _subspaces(run["hlop"])
        found["angles"] = _angles(run["hlop"])
    if "interference" in run:
        found["interference"] = _interference(run["interference"])
        found["plasticity"] = _plasticity(run["interference"])
    if "burst" in run and "hlop" in run:
        found["bursts"] = _bursts(run)
    if rules := [name for name in RULES if _arm("hlop", name) in run]:
        found["rules"] = _rules(run, rules)
    return found


def _arm(kind: str, rule: str) -> str:
    return kind if rule == "dsr" else f"{kind}_{rule}"


def _matrices(run: Any, names: list[str]) -> Figure:
    """The accuracy matrix R of each method, mean over seeds."""
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    figure, grid = figures.panels(
        columns,
        xlabel="tested on task",
        ylabel="after task",
        titles=[METHODS[name][0] for name in names],
        rows=rows,
    )
    image = None
    for panel, name in zip(grid, names, strict=False):
        values = 100 * matrix(run[name]).mean("seed").transpose("trained", "tested").to_numpy()
        edges = np.arange(len(values) + 1) + 0.5
        image = panel.pcolormesh(edges, edges, values, vmin=0, vmax=100, cmap="viridis")
        panel.grid(visible=False)
        panel.set(yticks=np.arange(1, len(values) + 1), xticks=np.arange(1, len(values) + 1))
        if not panel.yaxis_inverted():
            panel.invert_yaxis()
        for i, j in np.ndindex(values.shape):
            color = "white" if values[i, j] < 60 else "black"
            panel.text(j + 1, i + 1, f"{values[i, j]:.0f}", ha="center", va="center", color=color,
                       fontsize=8)  # fmt: skip
    for panel in grid[len(names) :]:
        panel.set_axis_off()
    with figures.style():
        assert image is not None
        figure.colorbar(image, ax=grid, label="test accuracy (%)", shrink=0.8)
    return figure


def _over_tasks(run: Any, names: list[str]) -> Figure:
    """Mean accuracy over the tasks learned so far, and accuracy on the first task."""
    figure, grid = figures.panels(
        2,
        xlabel="tasks learned",
        ylabel="test accuracy (%)",
        titles=["mean over tasks so far", "first task"],
    )
    for name in names:
        label, color = METHODS[name]
        found = matrix(run[name]).transpose("seed", "trained", "tested").to_numpy()
        tasks = found.shape[1]
        seen = np.stack([found[:, i, : i + 1].mean(-1) for i in range(tasks)], axis=1)
        x = np.arange(1, tasks + 1)
        line = "--" if name == "joint" else "-"
        for panel, values in zip(grid, (seen, found[:, :, 0]), strict=True):
            figures.band(panel, x, 100 * values, label=label, color=color, linestyle=line)
            panel.set_xticks(x)
    _legend_below(figure, grid[0])
    return figure


def _methods(run: Any, names: list[str]) -> Figure:
    """Average accuracy and backward transfer of each method, with the figures remembered."""
    names = names[::-1]
    figure, grid = _pair(len(names))
    for column, (panel, measure) in enumerate(zip(grid, (average, transfer), strict=True)):
        for row, name in enumerate(names):
            if name == "joint" and column == 1:
                continue
            _point(panel, 100 * measure(run[name]).to_numpy(), row, METHODS[name][1])
            if name in UNVERIFIED:
                panel.plot(
                    100 * UNVERIFIED[name][column], row, "D", color=figures.MUTED,
                    markersize=5, fillstyle="none", label=_NOTE if row == len(names) - 1 else None,
                )  # fmt: skip
        panel.set_yticks(range(len(names)), [METHODS[name][0] for name in names])
        panel.set_ylim(-0.6, len(names) - 0.4)
        panel.grid(visible=False, axis="y")
    _legend_below(figure, grid[0])
    return figure


def _pair(rows: int) -> tuple[Figure, list[Axes]]:
    """Panels for average accuracy and backward transfer, whose rows are methods."""
    with figures.style():
        figure = Figure(figsize=(figures.WIDTH + 1, 1.4 + 0.4 * rows))
        grid = list(figure.subplots(1, 2, sharey=True))
        grid[0].set_xlabel("average accuracy (%)")
        grid[1].set_xlabel("backward transfer (points)")
    return figure, grid


def _point(
    panel: Axes, values: np.ndarray, row: int | float, color: str, *, label: str | None = None
) -> None:
    """One row: a dot a seed, the mean, and its 95 % interval."""
    panel.plot(values, np.full(len(values), row - 0.13), "o", color=figures.MUTED, markersize=3,
               alpha=0.6, markeredgewidth=0)  # fmt: skip
    mean, half = values.mean(), t_half_width(values)
    panel.plot([mean - half, mean + half], [row, row], color=color, lw=3)
    panel.plot(mean, row, "o", color=color, markersize=6, label=label)


def _subspaces(arm: Any) -> Figure:
    """Captured energy against principal components task by task, and the cosines of the angles."""
    layers = [str(name) for name in arm["layer"].to_numpy()]
    figure, grid = figures.panels(
        len(layers), xlabel="task", ylabel="energy captured (%)", titles=layers
    )
    x = arm["tick"].to_numpy()
    for level, panel in enumerate(grid):
        part = arm.isel(layer=level)
        for name, label, color, line in (
            ("best_energy", "best: principal components", figures.PALETTE[0], "--"),
            ("energy", "lateral neurons", figures.PALETTE[2], "-"),
            ("alignment", "mean squared cosine", figures.MUTED, ":"),
        ):
            values = 100 * part[name].transpose("seed", "tick").to_numpy()
            figures.band(panel, x, values, label=label, color=color, linestyle=line)
        panel.set(xticks=x, ylim=(min(50.0, panel.get_ylim()[0]), 102))
    grid[0].set_ylabel("share (%)")
    _legend_below(figure, grid[0])
    return figure


def _angles(arm: Any) -> Figure:
    """The principal angles between lateral neurons and principal components, by their cosines."""
    layers = [str(name) for name in arm["layer"].to_numpy()]
    figure, grid = figures.panels(
        len(layers), xlabel="principal angle, by size", ylabel="its cosine", titles=layers
    )
    for level, panel in enumerate(grid):
        for task, label, color, line in (
            (0, "after the first task", figures.PALETTE[2], "-"),
            (-1, "after the last task, of its activity", figures.PALETTE[1], "--"),
        ):
            part = arm.isel(tick=task, layer=level)
            # As many angles as components in every seed.
            count = int(part["components"].min())
            cosine = part["cosine"].transpose("seed", "component").to_numpy()[:, :count]
            x = np.arange(1, count + 1)
            figures.band(panel, x, cosine, label=label, color=color, linestyle=line)
        panel.set_ylim(0, 1.05)
    _legend_below(figure, grid[0])
    return figure


def _interference(arm: Any) -> Figure:
    """What share of each step of the second task reaches old outputs, layer by layer."""
    layers = [str(name) for name in arm["layer"].to_numpy()]
    figure, grid = figures.panels(
        len(layers),
        xlabel="step of the second task",
        ylabel="share of a step that\nreaches old outputs",
        titles=layers,
    )
    for level, panel in enumerate(grid):
        for name, label, color in (
            ("random_interference", "random directions, as many", figures.PALETTE[0]),
            ("interference", "lateral neurons", figures.PALETTE[2]),
        ):
            values = arm[name].isel(tick=1, layer=level).transpose("seed", "step").to_numpy()
            steps, smooth = _blocks(values)
            figures.band(panel, steps, smooth, label=label, color=color)
        panel.axhline(
            0.35, color=figures.MUTED, linestyle=":", label="the claim's bound on the median"
        )
        panel.set_ylim(0, 1.05)
    _legend_below(figure, grid[0])
    return figure


def _blocks(values: np.ndarray, blocks: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Medians of as many blocks of steps, and the blocks' middle steps."""
    size = max(1, values.shape[1] // blocks)
    whole = values.shape[1] // size * size
    cut = values[:, :whole].reshape(len(values), -1, size)
    return size * (np.arange(cut.shape[1]) + 0.5), np.median(cut, axis=2)


def _plasticity(arm: Any) -> Figure:
    """The lateral neurons of the first task, learning: energy captured of each batch."""
    figure, panel = figures.axes(
        xlabel="step of the first task", ylabel="energy of the batch captured (%)"
    )
    for level, name in enumerate(arm["layer"].to_numpy()):
        values = arm["step_energy"].isel(tick=0, layer=level).transpose("seed", "step").to_numpy()
        steps, smooth = _blocks(values)
        figures.band(panel, steps, 100 * smooth, label=str(name), color=LAYERS[level % 3])
    panel.legend()
    return figure


def _bursts(run: Any) -> Figure:
    """Average accuracy with lateral neurons that spike, against the length of a burst."""
    figure, panel = figures.axes(
        xlabel="spikes of a burst, at most", ylabel="average accuracy (%)", height=3.0
    )
    arm = average(run["burst"]).transpose("seed", "burst_levels")
    levels = arm["burst_levels"].to_numpy()
    linear = 100 * average(run["hlop"]).to_numpy()[:, None]
    ends = np.array([levels[0] * 0.9, levels[-1] * 1.1])
    figures.band(panel, ends, np.repeat(linear, 2, 1), label="linear lateral neurons",
                 color=figures.PALETTE[0], linestyle="--")  # fmt: skip
    for level, values in zip(levels, 100 * arm.to_numpy().T, strict=True):
        panel.errorbar(level, values.mean(), t_half_width(values), fmt="o", capsize=3,
                       color=figures.PALETTE[2],
                       label="spiking" if level == levels[0] else None)  # fmt: skip
    panel.set_xscale("log")
    panel.set_xticks(levels, [f"{level:g}" for level in levels])
    panel.minorticks_off()
    panel.legend()
    return figure


def _rules(run: Any, rules: list[str]) -> Figure:
    """Every training rule with the projection and without: accuracy and backward transfer."""
    figure, grid = _pair(len(rules) + 1)
    rules = rules[::-1]
    for panel, measure in zip(grid, (average, transfer), strict=True):
        for row, rule in enumerate(rules):
            for kind, shift in (("hlop", 0.2), ("sequential", -0.15)):
                if (name := _arm(kind, rule)) in run:
                    label, color = METHODS[kind]
                    label = label if row == 0 else None
                    values = 100 * measure(run[name]).to_numpy()
                    _point(panel, values, row + shift, color, label=label)
        panel.set_yticks(range(len(rules)), [RULES[rule] for rule in rules])
        panel.set_ylim(-0.6, len(rules) - 0.4)
        panel.grid(visible=False, axis="y")
    _legend_below(figure, grid[0])
    return figure


def _legend_below(figure: Figure, panel: Axes) -> None:
    lines, labels = panel.get_legend_handles_labels()
    with figures.style():
        figure.legend(lines, labels, loc="outside lower center", ncols=min(3, len(labels)))
