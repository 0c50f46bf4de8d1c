"""Figures of the deep networks: what is remembered, and which weights move."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from engrax.lab import figures

from ._claims import average, foretold, matrix, transfer
from ._drawing import legend_below, points, row

METHODS = {
    "variational": ("variational: prior, annealed", figures.PALETTE[2]),
    "no_prior": ("no prior, annealed", figures.PALETTE[1]),
    "no_prior_fixed": ("no prior, β = 1", figures.PALETTE[6]),
    "fixed": ("prior, β = 1", figures.PALETTE[5]),
    "previous_task": ("prior of the task before, β = 1", figures.PALETTE[3]),
    "metaplastic": ("metaplastic BNN, shared norms", figures.PALETTE[4]),
    "metaplastic_per_task": ("metaplastic BNN, norms per task", "#7a3e66"),
    "ewc": ("real weights, EWC", figures.PALETTE[0]),
    "sgd": ("real weights, SGD", figures.MUTED),
}
"""Arm -> what it is called, its color."""

_MODES = {"accuracy": ("o", "noise"), "accuracy_sample": ("^", "drawn weights"),
          "accuracy_sign": ("s", "most probable weights")}  # fmt: skip
"""Record -> its marker and how the network was tested."""


def forgetting(run: Any) -> Figure:
    """Mean accuracy over the tasks learned so far, and accuracy on the first task."""
    figure, grid = figures.panels(
        2,
        xlabel="tasks learned",
        ylabel="test accuracy (%)",
        titles=["mean over tasks so far", "first task"],
    )
    figure.set_figheight(4.6)
    for name, (label, color) in METHODS.items():
        if name not in run:
            continue
        found = matrix(run[name]).to_numpy()
        x = np.arange(1, found.shape[1] + 1)
        seen = np.stack([found[:, i, : i + 1].mean(-1) for i in range(len(x))], axis=1)
        line = "--" if name in ("ewc", "sgd", "metaplastic_per_task") else "-"
        for panel, values in zip(grid, (seen, found[:, :, 0]), strict=True):
            figures.band(panel, x, 100 * values, label=label, color=color, linestyle=line)
            panel.set_xticks(x)
    legend_below(figure, grid[0], 2)
    return figure


def methods(run: Any) -> Figure:
    """Average accuracy and backward transfer of each method, by each way to test it."""
    names = [name for name in METHODS if name in run][::-1]
    with figures.style():
        figure = Figure(figsize=(figures.WIDTH + 1.6, 1.6 + 0.45 * len(names)))
        grid = list(figure.subplots(1, 2, sharey=True))
    grid[0].set_xlabel("average accuracy (%)")
    grid[1].set_xlabel("backward transfer (points)")
    for panel, measure in zip(grid, (average, transfer), strict=True):
        for height, name in enumerate(names):
            for record, (marker, label) in _MODES.items():
                if record not in run[name]:
                    continue
                main = record == "accuracy"
                shift = {"accuracy": 0.0, "accuracy_sample": 0.2, "accuracy_sign": 0.34}[record]
                values = 100 * measure(run[name], record).to_numpy()
                row(panel, values, height + shift, METHODS[name][1], marker=marker, seeds=main,
                    label=label if name == "variational" else None)  # fmt: skip
        panel.set_yticks(range(len(names)), [METHODS[name][0] for name in names])
        panel.set_ylim(-0.5, len(names) - 0.3)
        panel.grid(visible=False, axis="y")
    legend_below(figure, grid[0])
    return figure


def plasticity(run: Any) -> Figure:
    """How well uncertainty foretells changes, and how it falls with time."""
    with figures.style():
        figure = Figure(figsize=(figures.WIDTH, 3.4))
        left, right = figure.subplots(1, 2)
    left.set(xlabel="task", ylabel="AUC of the variance\nfor a change of sign")
    right.set(xlabel="epoch", ylabel="mean variance σ²", yscale="log")
    for name in ("variational", "no_prior", "fixed"):
        if name not in run:
            continue
        label, color = METHODS[name]
        auc = run[name]["auc"].isel(tick=slice(1, None)).transpose("seed", "tick")
        points(left, auc["tick"].to_numpy(), auc.to_numpy(), color=color,
               label=f"{label} (mean {float(foretold(run[name]).mean()):.2f})")  # fmt: skip
        values = run[name]["variance"].transpose("seed", "tick", "epoch").to_numpy()
        flat = values.reshape(len(values), -1)
        figures.band(right, np.arange(1, flat.shape[1] + 1), flat, label=label, color=color)
    left.axhline(0.6, color=figures.MUTED, linestyle=":", label="the claim's bound")
    left.axhline(0.5, color=figures.MUTED, linestyle="--", label="chance")
    left.set_ylim(0.3, 1.0)
    left.set_xticks(np.arange(2, run.config.tasks + 1))
    legend_below(figure, left, 2)
    return figure


def divergence(run: Any) -> Figure:
    """By how much the quadratic form of the divergence is off, epoch by epoch."""
    figure, panel = figures.axes(
        xlabel="epoch", ylabel="relative error (%)\nmedian of an epoch", height=3.4
    )
    for name in ("variational", "no_prior", "fixed"):
        if name in run:
            label, color = METHODS[name]
            values = run[name]["kl_error"].transpose("seed", "tick", "epoch").to_numpy()
            flat = 100 * values.reshape(len(values), -1)
            figures.band(panel, np.arange(1, flat.shape[1] + 1), flat, label=label, color=color)
    panel.axhline(5, color=figures.MUTED, linestyle=":", label="the claim's bound")
    panel.set_yscale("log")
    legend_below(figure, panel, 2)
    return figure


def pair(run: Any) -> Figure:
    """Accuracy on both data sets after the first and after the second."""
    names = [name for name in METHODS if f"pair_{name}" in run]
    tested = [str(name) for name in run["pair_variational"]["tested"].to_numpy()]
    titles = [f"after {tested[0]}", f"then after {tested[1]}"]
    figure, grid = figures.panels(2, xlabel="tested on", ylabel="test accuracy (%)", titles=titles)
    figure.set_figheight(3.8)
    for place, name in enumerate(names):
        label, color = METHODS[name]
        for record, (marker, way) in _MODES.items():
            found = 100 * matrix(run[f"pair_{name}"], record).to_numpy()
            for panel, after in zip(grid, (0, 1), strict=True):
                shift = 0.22 * (place - (len(names) - 1) / 2) + 0.06 * (list(_MODES).index(record))
                # One entry a method, and the ways to test it once, for all of them.
                entry = label if record == "accuracy" else way if place == 0 else None
                points(panel, np.arange(2) + shift, found[:, after], marker=marker, color=color,
                       label=entry, filled=record == "accuracy")  # fmt: skip
    for panel in grid:
        panel.set_xticks([0, 1], tested)
        panel.set_xlim(-0.6, 1.6)
    legend_below(figure, grid[0], 2)
    return figure
