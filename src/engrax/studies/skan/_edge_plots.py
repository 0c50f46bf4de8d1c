"""What was learned on the edges, and which families were picked."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from engrax.lab import figures

from ._drawing import called, legend_below
from ._measures import GROUPS, families

COLORS = (*figures.PALETTE[1:7], figures.PALETTE[0])
"""One a family, in the pool's order."""


def _group(run: Any) -> str | None:
    """The group that is drawn: two inputs, or what there is."""
    order = sorted(GROUPS, key=lambda g: g != "2d")
    return next((g for g in order if _final(run, g) is not None), None)


def _final(run: Any, group: str) -> Any:
    """Picks and functions at the end, where the run holds them."""
    name = f"skan_{group}"
    if name not in run:
        return None
    try:
        return run[name]["final"]
    except KeyError:
        return None


def edges(run: Any) -> Figure | None:
    """All functions of one trained net, a row for each input of a layer; colors are families."""
    group = _group(run)
    if group is None:
        return None
    final, names = _final(run, group), families(run)
    one = final.isel(seed=0, task=0)
    rows = [
        (level, i)
        for level in (1, 2)
        for i in range(one[f"picks_{level}"].shape[-1])
        if f"edges_{level}" in one
    ]
    columns = max(one[f"edges_{level}"].shape[0] for level in (1, 2))
    labels = {1: "input", 2: "node"}
    figure, grid = figures.panels(
        columns, xlabel="x", ylabel="", titles=[""] * (columns * len(rows)), rows=len(rows)
    )
    x = np.linspace(-1, 1, 101)
    for row, (level, i) in enumerate(rows):
        family = int(one[f"picks_{level}"][i])
        curves = one[f"edges_{level}"].to_numpy()
        for j in range(columns):
            panel = grid[row * columns + j]
            if j >= len(curves):
                panel.set_axis_off()
                continue
            panel.plot(x, curves[j, i], color=COLORS[family % len(COLORS)])
        name = called(names[family]) if names else f"family {family}"
        grid[row * columns].set_title(f"{labels[level]} {i + 1}: {name}", loc="left", fontsize=8)
    with figures.style():
        figure.set_size_inches(max(figures.WIDTH, 1.5 * columns), 1.1 * len(rows))
        figure.supylabel("function value", fontsize=9)
        figure.suptitle(f"learned functions on {one['task'].item()}, one run", fontsize=10)
    return figure


def picks(run: Any) -> Figure:
    """How often each family is picked, task by task, over all nodes and seeds."""
    rows, tasks = [], []
    names = families(run)
    for group in GROUPS:
        final = _final(run, group)
        if final is None:
            continue
        levels = [f"picks_{n}" for n in (1, 2, 3) if f"picks_{n}" in final]
        count = len(names) or 1 + max(int(final[level].max()) for level in levels)
        for task in final["task"].values:
            mine = final.sel(task=task)
            chosen = np.concatenate([mine[level].to_numpy().ravel() for level in levels])
            rows.append(np.bincount(chosen.astype(int), minlength=count) / len(chosen))
            tasks.append(str(task))
    order = np.argsort(tasks)
    shares = 100 * np.array(rows)[order]
    figure, panel = figures.axes(xlabel="task", ylabel="nodes that keep the family (%)")
    bottom = np.zeros(len(shares))
    for k in range(shares.shape[1]):
        label = called(names[k]) if names else f"family {k}"
        panel.bar(
            np.arange(len(shares)), shares[:, k], bottom=bottom, color=COLORS[k % len(COLORS)],
            label=label, width=0.8,
        )  # fmt: skip
        bottom += shares[:, k]
    panel.set_xticks(range(len(shares)), [tasks[i] for i in order])
    legend_below(figure, panel, 3)
    return figure
