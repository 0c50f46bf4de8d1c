"""Drawings of the page, as SVG elements written by hand."""

from html import escape

import numpy as np
from jaxtyping import Float

from ._graph import NeuronGraph
from ._synapses import Synapse

COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b07d00", "#3f8fc4")
"""One a synapse, and one a community; readable on white and on black."""

LEFT, WIDTH, HEIGHT = 34.0, 760.0, 110.0
"""Left edge and width of a curve's plot, and its height, in units of its drawing."""


def curve(
    strength: Float[np.ndarray, " letters"], marks: list[tuple[int, int]], color: str, k: int
) -> str:
    """A synapse's strength over the text, 1 at its highest; bars where its word is said."""
    count = len(strength)
    place = lambda t: LEFT + WIDTH * t / count
    level = lambda value: 8 + HEIGHT * (1 - value)
    said = "".join(
        f'<rect class="said" x="{place(a):.1f}" y="8" width="{max(place(b) - place(a), 1.5):.1f}" '
        f'height="{HEIGHT:g}" fill="{color}" fill-opacity=".5" stroke="none"/>'
        for a, b in marks
    )
    steps, before = [f"M{LEFT:.1f} {level(0):.1f}"], 0.0
    for t, value in enumerate(strength):
        # Only where it moves by a visible amount: most bytes leave a synapse as it is.
        if abs(value - before) > 0.002 or t == count - 1:
            steps.append(f"H{place(t + 1):.1f}V{level(value):.1f}")
            before = float(value)
    bottom = level(0)
    right = LEFT + WIDTH
    return (
        f'<svg role="img" aria-label="strength over the text" viewBox="0 0 {right + 6:g} '
        f'{HEIGHT + 34:g}">{said}'
        f'<line class="axis" x1="{LEFT}" x2="{right}" y1="{bottom}" y2="{bottom}"/>'
        f'<text x="{LEFT - 6}" y="{bottom + 3}" text-anchor="end">0</text>'
        f'<text x="{LEFT - 6}" y="16" text-anchor="end">max</text>'
        f'<text x="{LEFT}" y="{bottom + 16}">first letter</text>'
        f'<text x="{right}" y="{bottom + 16}" text-anchor="end">last letter</text>'
        f'<line class="half" x1="{LEFT + WIDTH / 2}" x2="{LEFT + WIDTH / 2}" y1="8" '
        f'y2="{bottom}"/><path class="curve" stroke="{color}" d="{"".join(steps)}"/>'
        f'<line class="cursor" id="cursor{k}" x1="{right}" x2="{right}" y1="8" y2="{bottom}"/>'
        "</svg>"
    )


def sparsity(x: Float[np.ndarray, " layers"], y: Float[np.ndarray, " layers"]) -> str:
    """Two bars a layer, in percent."""
    top = max(float(x.max()), float(y.max()), 0.01)
    scale = 520 / top
    rows = []
    for layer, shares in enumerate(zip(x, y, strict=True)):
        begin = 8 + 46 * layer
        rows.append(f'<text x="0" y="{begin + 20}">layer {layer + 1}</text>')
        for k, (name, share) in enumerate(zip("xy", shares, strict=True)):
            height = begin + 18 * k
            rows.append(
                f'<rect class="{name}" x="60" y="{height}" width="{max(scale * share, 1):.1f}" '
                f'height="15" rx="2"/><text x="{66 + scale * share:.1f}" y="{height + 12}">'
                f"{name}: {100 * share:.1f} %</text>"
            )
    return (
        f'<svg role="img" aria-label="share of neurons that fire, by layer" '
        f'viewBox="0 0 680 {14 + 46 * len(x)}">{"".join(rows)}</svg>'
    )


def wires(graph: NeuronGraph, favorites: tuple[str, ...], shown: tuple[Synapse, ...]) -> str:
    """The strongest wires and their neurons; a neuron says what it fires at when pointed at."""
    place = 20 + graph.place * np.array([720.0, 420.0])
    chosen = {s.i for s in shown if s.head == graph.head} | {
        s.j for s in shown if s.head == graph.head
    }
    lines = "".join(
        f'<line class="wire" x1="{place[a, 0]:.1f}" y1="{place[a, 1]:.1f}" '
        f'x2="{place[b, 0]:.1f}" y2="{place[b, 1]:.1f}" '
        f'stroke-opacity="{0.12 + 0.6 * weight:.2f}" stroke-width="{0.6 + 1.8 * weight:.2f}"/>'
        for a, b, weight in graph.edges
    )
    dots = "".join(
        f'<circle cx="{place[k, 0]:.1f}" cy="{place[k, 1]:.1f}" '
        f'r="{8 if neuron in chosen else 5.5}" '
        f'fill="{COLORS[graph.group[k] % len(COLORS)]}"><title>neuron {neuron}: fires most at '
        f"{escape(favorites[k] or 'nothing in this text')}</title></circle>"
        f'<text x="{place[k, 0] + 8:.1f}" y="{place[k, 1] + 4:.1f}">'
        f"{escape(favorites[k].split(' ')[0] if favorites[k] else '')}</text>"
        for k, neuron in enumerate(graph.neurons)
    )
    return (
        '<svg role="img" aria-label="the strongest wires between neurons" '
        f'viewBox="0 0 780 460">{lines}{dots}</svg>'
    )
