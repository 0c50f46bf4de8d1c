"""Small pieces that the study's figures share."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from engrax.lab import figures, t_half_width


def points(
    panel: Axes,
    x: np.ndarray,
    values: np.ndarray,
    *,
    label: str | None,
    color: str,
    marker: str = "o",
    filled: bool = True,
) -> None:
    """Means over the first axis (seed, point) with their intervals."""
    panel.errorbar(
        x,
        values.mean(0),
        t_half_width(values),
        fmt=marker,
        color=color,
        markersize=4.5,
        markerfacecolor=color if filled else "white",
        capsize=2,
        linewidth=1,
        label=label,
    )


def row(
    panel: Axes,
    values: np.ndarray,
    height: float,
    color: str,
    *,
    marker: str = "o",
    label: str | None = None,
    seeds: bool = True,
) -> None:
    """One row: a dot a seed, the mean, and its interval."""
    if seeds:
        panel.plot(values, np.full(len(values), height - 0.13), "o", color=figures.MUTED,
                   markersize=3, alpha=0.6, markeredgewidth=0)  # fmt: skip
    middle, half = values.mean(), t_half_width(values)
    panel.plot([middle - half, middle + half], [height, height], color=color, lw=2.5)
    panel.plot(middle, height, marker, color=color, markersize=6, label=label)


def legend_below(figure: Figure, panel: Axes, columns: int = 3) -> None:
    """One legend for all panels, below them."""
    lines, labels = panel.get_legend_handles_labels()
    with figures.style():
        figure.legend(lines, labels, loc="outside lower center", ncols=min(columns, len(labels)))
