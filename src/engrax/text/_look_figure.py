"""The inside of a model as one figure."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from engrax.lab import figures

from ._look import Inside


def draw(inside: Inside) -> Figure:
    """Sparsity per layer, the neuron graph, and synapses that grow as the text is read."""
    with figures.style():
        figure = Figure(figsize=(9.6, 7.6))
        grid = figure.subplot_mosaic([["sparsity", "graph"], ["synapses", "synapses"]])
        _sparsity(grid["sparsity"], inside)
        _graph(grid["graph"], inside)
        _synapses(grid["synapses"], inside)
    return figure


def _sparsity(ax: Axes, inside: Inside) -> None:
    layers = np.arange(1, len(inside.firing_x) + 1)
    for shift, share, label, color in (
        (-0.2, inside.firing_x, "x: before remembering", figures.PALETTE[6]),
        (0.2, inside.firing_y, "y: after remembering", figures.PALETTE[1]),
    ):
        bars = ax.bar(layers + shift, 100 * share, 0.38, color=color, label=label)
        ax.bar_label(bars, fmt="%.1f", fontsize=8, padding=2)
    ax.set(
        title="Few neurons fire at a time",
        xlabel="layer",
        ylabel="neurons that fire (%)",
        xticks=layers,
    )
    ax.margins(y=0.3)
    ax.legend(loc="upper right")


def _graph(ax: Axes, inside: Inside) -> None:
    graph = inside.graph
    for start, to, weight in graph.edges:
        (x0, y0), (x1, y1) = graph.place[start], graph.place[to]
        ax.plot([x0, x1], [y0, y1], color=figures.MUTED, alpha=0.15 + 0.6 * weight, lw=1.0)
    colors = [figures.PALETTE[1 + group % 6] for group in graph.group]
    ax.scatter(*graph.place.T, c=colors, s=26, zorder=3)
    ax.set_title(f"Strongest wires of head {graph.head + 1}, colored by community")
    ax.set_axis_off()


def _synapses(ax: Axes, inside: Inside) -> None:
    time = np.arange(1, len(inside.data) + 1)
    for k, synapse in enumerate(inside.synapses):
        color = figures.PALETTE[1 + k % (len(figures.PALETTE) - 1)]
        top = synapse.strength.max() or 1.0
        label = f"“{synapse.word}”, layer {synapse.layer + 1}: {synapse.j} → {synapse.i}"
        ax.step(time, synapse.strength / top, where="post", color=color, label=label)
    ax.set(
        title="Synapses grow when the text says their word",
        xlabel="bytes read",
        ylabel="strength (its highest = 1)",
    )
    half = len(inside.data) // 2
    ax.axvline(half, color=figures.MUTED, linestyle=":")
    ax.annotate("chosen on what is left of here", (half, 1.02), ha="right", fontsize=8)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=3)
