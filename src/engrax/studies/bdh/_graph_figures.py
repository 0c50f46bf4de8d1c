"""Figures of the graph between neurons."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from engrax.lab import figures

from ._drawing import grouped_bars, legend_below, side_by_side, with_interval
from ._graph import CLAIMED, CURVES, GRAPHS

_COLORS: dict[str, int] = dict(zip(CURVES, (1, 6, 2, 3, 4, 5), strict=True))
_NAMES: dict[str, str] = {
    "graph": "trained",
    "untrained": "untrained",
    "low_rank": "$P_1 P_2^T$, same rank",
    "random": "G(n, m)",
    "shuffled": "entries shuffled",
    "rewired": "degrees kept, rewired",
}


def plots(run: Any) -> dict[str, Figure]:
    """What the run holds of these figures."""
    if "graph" not in run:
        return {}
    return {"modularity": _modularity(run), "degrees": _degrees(run)}


def _modularity(run: Any) -> Figure:
    """Modularity as the graph is filled, of each graph and its nulls."""
    found = run["graph"]["final"]["modularity"].mean("head")
    figure, axes = side_by_side(len(GRAPHS), width=4.2, height=4.0)
    for ax, (graph, name) in zip(axes, GRAPHS.items(), strict=True):
        for curve in CURVES:
            values = found.sel(graph=graph, curve=curve).transpose("seed", "fraction").values
            with_interval(
                ax, 100 * found["fraction"].values, values,
                color=figures.PALETTE[_COLORS[curve]], label=_NAMES[curve],
            )  # fmt: skip
        ax.axvline(100 * CLAIMED, color=figures.MUTED, linewidth=0.8)
        ax.set_xscale("log")
        ticks = 100 * found["fraction"].values
        ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
        ax.minorticks_off()
        ax.set(xlabel="pairs that are edges (%)", ylabel="modularity Q", title=name)
    legend_below(axes[0])
    return figure


def _degrees(run: Any) -> Figure:
    """Entries of the graph, how unequal degrees are, and which law their tail follows."""
    final = run["graph"]["final"]
    figure, (entries, unequal, tail) = side_by_side(3, width=3.6, height=3.8)
    matrices: dict[str, str] = {
        "trained": "graph",
        "untrained": "untrained",
        "low_rank": "low_rank",
    }
    colors = [figures.PALETTE[_COLORS[curve]] for curve in matrices.values()]
    names = [_NAMES[curve] for curve in matrices.values()]
    density = final["entries"].mean(("seed", "graph", "head"))
    for matrix, color, name in zip(matrices, colors, names, strict=True):
        shown = density.sel(matrix=matrix)
        entries.plot(shown["entry"], np.where(shown > 0, shown, np.nan), color=color, label=name)
    entries.set_yscale("log")
    entries.set(xlabel="entry / standard deviation", ylabel="density", title="weights")
    legend_below(entries, 1)
    degrees = final["degrees"].mean("head").transpose("seed", "graph", "direction", "matrix", ...)
    groups = [f"{name}\n{way}" for name in GRAPHS.values() for way in ("in", "out")]
    spread = degrees.sel(statistic="cv").values.reshape(degrees.sizes["seed"], len(groups), -1)
    grouped_bars(unequal, spread, groups, names, colors)
    unequal.set(ylabel="degree, deviation / mean", title=f"degrees at {100 * CLAIMED:g} % edges")
    ratios = degrees.sel(matrix="trained", statistic=["lognormal", "exponential"])
    ratios = ratios.values.reshape(degrees.sizes["seed"], len(groups), -1)
    grouped_bars(
        tail, np.nan_to_num(ratios), groups, ["log-normal", "exponential"],
        [figures.PALETTE[4], figures.PALETTE[5]],
    )  # fmt: skip
    tail.axhline(0, color=figures.INK, linewidth=0.8)
    tail.set(ylabel="normalized log-likelihood ratio", title="power law against")
    legend_below(tail, 1)
    return figure
