"""The phase diagram: lines of the theory, and what the simulation does on both sides."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from engrax.lab import figures

from ._claims import classified

INK, BLUE, ORANGE, GREEN, PINK = figures.PALETTE[:5]
RETRIEVAL = LinearSegmentedColormap.from_list("retrieval", ["#f4e3d5", "#7fb3d8", "#08407a"])
"""From lost to retrieved; monotone in lightness, so it survives gray print."""


def phase_diagram(run: Any) -> Figure:
    """C7: retrieval spinodals and AT lines; simulated overlaps and probes on the same axes."""
    theory, config = run["phase_diagram"], run.config
    temperature = theory["temperature"].to_numpy()
    with figures.style():
        figure = Figure(figsize=(8.6, 4.0))
        left, right = figure.subplots(1, 2, sharey=True)
        spinodal = theory["spinodal"].sel(order=config.order).to_numpy()
        broken = theory["at"].sel(order=config.order).to_numpy()
        for row, (rho, color) in enumerate(
            zip(config.diagram_entropies, (INK, GREEN, PINK), strict=False)
        ):
            _line(left, spinodal[row], temperature, color, "-", f"end of retrieval, rho = {rho:g}")
            if row == 0:
                left.plot(broken[row], temperature, color=color, linestyle="--", linewidth=1.1,
                          label="AT line, rho = 0")  # fmt: skip
        if "map" in run:
            _map(figure, left, run)
        _probes(left, run)
        left.set(
            xlabel="load gamma = K N / (2 C(N, P))", ylabel="temperature T",
            title=f"P = {config.order}; simulation at rho = 0, N = {config.probe_size}",
            xlim=(0, 0.8), ylim=(0, 1.0),
        )  # fmt: skip
        left.legend(loc="upper right", fontsize=8)
        for order, color in zip(config.diagram_orders, (INK, BLUE, ORANGE), strict=False):
            for row, style in ((0, "-"), (1, ":")):
                if row >= len(config.diagram_entropies):
                    continue
                rho = config.diagram_entropies[row]
                load = theory["spinodal"].sel(order=order).to_numpy()[row]
                _line(right, load, temperature, color, style, f"P = {order}, rho = {rho:g}")
            at = theory["at"].sel(order=order).to_numpy()[0]
            right.plot(at, temperature, color=color, linestyle="--", linewidth=1.1)
        right.set(
            xlabel="load gamma = K N / (2 C(N, P))", xlim=(0, 0.9),
            title="theory by order (dashed: AT lines, rho = 0)",
        )  # fmt: skip
        right.legend(loc="lower right", fontsize=8)
    return figure


def _line(
    ax: Axes, load: np.ndarray, temperature: np.ndarray, color: str, style: str, label: str
) -> None:
    """A spinodal, down to the load axis at the temperature where retrieval ends."""
    kept = load > 0
    last = int(np.flatnonzero(kept).max()) if kept.any() else 0
    x, y = load[: last + 1], temperature[: last + 1]
    ax.plot(x, y, color=color, linestyle=style, label=label)


def _map(figure: Figure, ax: Axes, run: Any) -> None:
    """Mean overlaps of cooled chains as filled points."""
    config = run.config
    m = np.abs(run["map"]["m"].to_numpy()).mean(0)
    load, temperature = np.meshgrid(config.map_loads, config.map_temperatures)
    drawn = ax.scatter(
        load.ravel(), temperature.ravel(), c=m, cmap=RETRIEVAL, vmin=0, vmax=1, s=52,
        edgecolors=INK, linewidths=0.5, zorder=3,
    )  # fmt: skip
    figure.colorbar(drawn, ax=ax, label="simulated overlap m", shrink=0.85, pad=0.02)


def _probes(ax: Axes, run: Any) -> None:
    """The probes of C7, with the share of samples on the side that theory says."""
    theory = run["probe_theory"]
    for temperature, load in zip(
        theory["temperature"].to_numpy(), theory["load"].to_numpy(), strict=True
    ):
        for inside, share, marker, color in ((True, 0.5, "o", BLUE), (False, 1.5, "X", ORANGE)):
            right = classified(run, float(temperature), inside=inside).mean()
            ax.plot(share * load, temperature, marker, color=color, markersize=9,
                    markeredgecolor="white", zorder=4)  # fmt: skip
            ax.annotate(
                f"{100 * right:.0f} %", (share * load, temperature), xytext=(8, -3),
                textcoords="offset points", ha="left", fontsize=8, color=color, zorder=5,
            )  # fmt: skip
