"""What the figures share."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from engrax.lab import figures, t_interval

COLORS = {
    "bdh": figures.PALETTE[1],
    "gated": figures.PALETTE[3],
    "gpt": figures.INK,
    "detached": figures.PALETTE[2],
}
"""Family -> color, in every figure."""
LAYERS = (figures.PALETTE[1], figures.PALETTE[2], figures.PALETTE[3], figures.PALETTE[5])
"""Colors of layers, from the first on; deeper models begin again."""


def layer_color(layer: int) -> str:
    """The color of a layer."""
    return LAYERS[layer % len(LAYERS)]


def side_by_side(
    columns: int, *, widths: Any = None, width: float = 3.4, height: float = 3.3
) -> tuple[Figure, list[Axes]]:
    """Panels with axes of their own."""
    with figures.style():
        figure = Figure(figsize=(max(figures.WIDTH, width * columns), height))
        axes = figure.subplots(1, columns, squeeze=False, width_ratios=widths)[0]
    return figure, list(axes)


def with_interval(
    ax: Axes, x: Any, values: np.ndarray, *, color: str, label: str | None = None, **more: Any
) -> None:
    """Means over seeds (seed, point) with their 95 % intervals, joined by a line."""
    style = {"linestyle": "-", "marker": "o", "markersize": 4, "capsize": 2} | more
    mean = values.mean(0)
    found = [t_interval(v) for v in values.T] if len(values) > 1 else None
    spread = None
    if found is not None and np.isfinite(values).all():
        spread = np.abs(np.array([[i.low, i.high] for i in found]).T - mean)
    ax.errorbar(np.asarray(x, float), mean, spread, color=color, label=label, **style)


def grouped_bars(
    ax: Axes, values: np.ndarray, groups: list[str], members: list[str], colors: list[str]
) -> None:
    """Means of (seed, group, member) as bars with 95 % intervals and the seeds as dots."""
    step = 0.8 / len(members)
    for i, (member, color) in enumerate(zip(members, colors, strict=True)):
        at = np.arange(len(groups)) + (i - (len(members) - 1) / 2) * step
        ax.bar(at, values[:, :, i].mean(0), 0.9 * step, color=color, alpha=0.55, label=member)
        with_interval(
            ax, at, values[:, :, i], color=color, linestyle="none", marker="", elinewidth=1.6
        )
        for seed in values[:, :, i]:
            ax.plot(at, seed, ".", color=figures.INK, markersize=3, alpha=0.4)
    ax.set_xticks(range(len(groups)), groups)
    ax.grid(visible=False, axis="x")


def legend_below(ax: Axes, columns: int = 2) -> None:
    """The legend under a panel, where no data is."""
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=columns)
