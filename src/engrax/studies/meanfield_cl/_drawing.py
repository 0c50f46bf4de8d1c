"""Small pieces that the study's figures share."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from engrax.lab import figures


def half_width(values: np.ndarray) -> np.ndarray:
    """Half of the 95 % Student t interval of the mean over the first axis; 0 for one value."""
    n = len(values)
    if n < 2:
        return np.zeros(values.shape[1:])
    return np.asarray(stats.t.ppf(0.975, n - 1) * values.std(0, ddof=1) / np.sqrt(n))


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
        half_width(values),
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
    half = float(half_width(values))
    middle = values.mean()
    panel.plot([middle - half, middle + half], [height, height], color=color, lw=2.5)
    panel.plot(middle, height, marker, color=color, markersize=6, label=label)


def legend_below(figure: Figure, panel: Axes, columns: int = 3) -> None:
    """One legend for all panels, below them."""
    lines, labels = panel.get_legend_handles_labels()
    with figures.style():
        figure.legend(lines, labels, loc="outside lower center", ncols=min(columns, len(labels)))
