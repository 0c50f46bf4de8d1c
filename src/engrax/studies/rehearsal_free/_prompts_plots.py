"""Figures of the part on transformers."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from engrax.lab import figures, t_interval

from ._claims import final, forgotten
from ._prompts import METHODS, PROMPTS

INK, BLUE, RED, GREEN, PINK, ORANGE, SKY = figures.PALETTE[:7]
CURVES = {
    "vit_l2": (RED, "-"),
    "vit_ewc": (BLUE, "-"),
    "vit_free": (INK, "-"),
    "vit_frozen": (figures.MUTED, "--"),
    "vit_l2p": (SKY, "-."),
    "vit_dual": (ORANGE, "-."),
    "vit_coda": (GREEN, "-."),
    "vit_ft": (PINK, ":"),
    "vit_ft_masked": (PINK, "--"),
}
"""Arm -> color and line; prompts are dash-dotted."""
PAPER = {
    "vit_l2": (76.06, None),
    "vit_ewc": (None, 1.55),
    "vit_coda": (75.45, None),
    "vit_dual": (71.32, None),
}
"""Final accuracy and global forgetting on ImageNet-R in 10 tasks with a ViT-B/16."""


def prompt_plots(run: Any) -> dict[str, Figure]:
    """Name -> figure; none where the run has no transformers."""
    shown = [name for name in METHODS if name in run]
    if not shown:
        return {}
    return {"transformers": _curves(run, shown), "transformers_final": _final(run, shown)}


def _curves(run: Any, shown: list[str]) -> Figure:
    """Accuracy among all classes seen so far, after every task."""
    figure, panel = figures.axes(xlabel="tasks learned", ylabel="accuracy so far (%)")
    for name in shown:
        matrix = run[name]["accuracy"].transpose("seed", "tick", "tested").to_numpy()
        so_far = np.tril(np.ones(matrix.shape[1:]))
        values = 100 * (matrix * so_far).sum(-1) / so_far.sum(-1)
        color, line = CURVES[name]
        x = 1 + np.arange(values.shape[1])
        figures.band(panel, x, values, label=METHODS[name], color=color, linestyle=line)
    panel.set_ylim(0, 100)
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    with figures.style():
        panel.legend(loc="center left", bbox_to_anchor=(1.02, 0.5))
    return figure


def _final(run: Any, shown: list[str]) -> Figure:
    """Final accuracy and global forgetting, with the paper's beside them."""
    shown = shown[::-1]
    with figures.style():
        figure = Figure(figsize=(figures.WIDTH + 1.4, 1.5 + 0.32 * len(shown)))
        grid = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    for row, name in enumerate(shown):
        color, marker = (GREEN, "s") if name in PROMPTS else (INK, "o")
        measures = (100 * final(run[name]), 100 * forgotten(run[name]))
        for panel, values, paper in zip(grid, measures, PAPER.get(name, (None, None)), strict=True):
            _interval(panel, values, row, color, marker)
            if paper is not None:
                panel.plot(paper, row, "D", color=RED, fillstyle="none", markersize=6)
    grid[0].plot([], [], "o", color=INK, label="weights tuned")
    grid[0].plot([], [], "s", color=GREEN, label="prompts learned")
    grid[0].plot([], [], "D", color=RED, fillstyle="none", label="paper (ImageNet-R, ViT-B/16)")
    labels = [f"{METHODS[name]}\n{_trainable(run, name):,} trained" for name in shown]
    grid[0].set_yticks(np.arange(len(shown)), labels)
    grid[0].set_xlabel("final accuracy $A_{1:N}$ (%)")
    grid[0].set_xlim(0, 100)
    grid[1].set_xlabel("global forgetting $F^G$ (points)")
    grid[1].axvline(0, color=figures.MUTED, linewidth=1)
    for panel in grid:
        panel.grid(visible=False, axis="y")
    with figures.style():
        figure.legend(loc="outside lower center", ncols=3)
    return figure


def _trainable(run: Any, name: str) -> int:
    return int(run[name]["final"]["trainable"][0])


def _interval(panel: Any, values: xr.DataArray, row: float, color: str, marker: str) -> None:
    x = values.to_numpy()
    panel.plot(x, np.full(len(x), row), ".", color=figures.MUTED, markersize=3, alpha=0.6)
    if len(x) > 1 and np.isfinite(x).all():
        found = t_interval(x)
        panel.plot([found.low, found.high], [row, row], color=color, linewidth=2)
    panel.plot(x.mean(), row, marker, color=color, markersize=5)
