"""What several figures of the study share."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from engrax.lab import figures, t_half_width

ARMS = {
    "skan": ("S-KAN", figures.PALETTE[2]),
    "mixture": ("all families, 6 times the parameters", figures.PALETTE[1]),
    "random": ("random families", figures.PALETTE[4]),
    "mlp": ("MLP", figures.PALETTE[0]),
    "mlp_k": ("MLP, 6 times the parameters", figures.PALETTE[6]),
    "mlp_long": ("MLP, 10 times the steps", figures.PALETTE[5]),
}
"""Kind of arm -> what it is called, its color."""
FAMILY_NAMES = {
    "bspline": "B-spline",
    "rbf": "Gaussian",
    "chebyshev": "Chebyshev",
    "mexican_hat": "wavelet",
    "relu": "ReLU bump",
    "fourier": "Fourier",
}
"""Family -> what it is called."""


def called(name: str) -> str:
    """An arm's or a family's name as people write it."""
    return ARMS[name][0] if name in ARMS else FAMILY_NAMES.get(name, name.replace("_", " "))


def point(panel: Axes, values: np.ndarray, row: int, color: str) -> None:
    """One row: a dot a run, the mean, and its 95 % interval."""
    panel.plot(values, np.full(len(values), row - 0.2), "o", color=figures.MUTED, markersize=3,
               alpha=0.6, markeredgewidth=0)  # fmt: skip
    mean, half = values.mean(), t_half_width(values)
    panel.plot([mean - half, mean + half], [row, row], color=color, linewidth=3)
    panel.plot(mean, row, "o", color=color, markersize=6)


def rows_of(panel: Axes, names: list[str]) -> None:
    """Names at the rows of a panel, the last on top."""
    panel.set_yticks(range(len(names)), [called(name) for name in names])
    panel.set_ylim(-0.6, len(names) - 0.4)
    panel.grid(visible=False, axis="y")


def legend_below(figure: Figure, panel: Axes, columns: int = 3) -> None:
    """The panel's legend under all panels."""
    lines, labels = panel.get_legend_handles_labels()
    with figures.style():
        figure.legend(lines, labels, loc="outside lower center", ncols=min(columns, len(labels)))
