"""Figures of the weights: angles between subspaces, components, mixing and lesions."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from engrax.lab import figures

from . import _claims as claims
from ._arms import structures

INK, BLUE, ORANGE, GREEN = figures.PALETTE[:4]
MARKERS = "osD^v<>"


def angles(run: Any) -> Figure:
    """C4: how parallel what and when are, seed by seed, against surrogates."""
    final, other = run["single"]["final"], run["surrogate"]["final"]
    figure, panels = figures.panels(
        2, xlabel="seed", ylabel="|cosine|",
        titles=["between weight vectors, v and w", "largest principal angle of the spans"],
    )  # fmt: skip
    seeds = np.arange(len(final["cosine"]))
    shown = (
        (final["cosine"].to_numpy()[:, 0].max(-1), other["cosine"].to_numpy().max(-1)),
        (final["largest_angle"].to_numpy()[:, 0], other["largest_angle"].to_numpy()),
    )
    chance = np.sqrt(2 / (np.pi * run.config.neurons))
    with figures.style():
        figure.set_size_inches(7.2, 3.8)
        for panel, (observed, surrogate) in zip(panels, shown, strict=True):
            jitter = np.linspace(-0.15, 0.15, surrogate.shape[1])
            panel.plot(
                (seeds[:, None] + jitter).ravel(), surrogate.ravel(), ".", color=figures.MUTED,
                ms=4, label="surrogates: events inside the window of what",
            )  # fmt: skip
            panel.plot(
                seeds, np.quantile(surrogate, 0.95, axis=1), "_", color=ORANGE, ms=18, mew=2,
                label="their 95th percentile",
            )  # fmt: skip
            panel.plot(seeds, observed, "o", color=BLUE, label="observed")
            panel.axhline(0.2, color=INK, linestyle="--", linewidth=1, label="rule")
            panel.axhline(
                chance, color=GREEN, linestyle=":", linewidth=1, label="random vectors, mean"
            )
            panel.set_xticks(seeds)
            panel.set_ylim(bottom=0)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8)
    return figure


def structure(run: Any) -> Figure:
    """C5: conditions in the plane of two components, and the way to another condition's end."""
    blocks, final = structures(run.config), run["structure"]["final"]
    scores, captured = final["scores"].to_numpy()[0], final["captured"].to_numpy()[0]
    odds = sorted({b.probability for b in blocks})
    latencies = sorted({b.latency for b in blocks})
    wanted = np.array([[b.probability, b.latency[0]] for b in blocks]).T
    match = np.array([[abs(np.corrcoef(w, s)[0, 1]) for s in scores.T] for w in wanted])
    x, y = int(match[0].argmax()), int(match[1].argmax())
    with figures.style():
        figure = Figure(figsize=(7.2, 3.8))
        left, right = figure.subplots(1, 2)
        for block, row in zip(blocks, scores, strict=True):
            left.plot(
                row[x], row[y], MARKERS[latencies.index(block.latency)], markersize=8,
                color=figures.PALETTE[1 + odds.index(block.probability)],
            )  # fmt: skip
        for i, p in enumerate(odds):
            left.plot([], [], "o", color=figures.PALETTE[1 + i], label=f"p(A) = {p:g}")
        for i, (a, b) in enumerate(latencies):
            left.plot([], [], MARKERS[i], color=INK, fillstyle="none", label=f"{a:g}, {b:g} ms")
        left.set(
            xlabel=f"component {x + 1} ({100 * captured[x]:.0f} % of the variance)",
            ylabel=f"component {y + 1} ({100 * captured[y]:.0f} %)",
            title=f"one seed: |r| = {match[0, x]:.2f} (p), {match[1, y]:.2f} (latency)",
        )  # fmt: skip
        left.margins(0.15)
        left.legend(fontsize=7, ncols=2)
        away = 100 * claims.distances(run).mean(-1)
        at = np.arange(away.shape[1])
        figures.band(right, at, away, label="all switches", color=BLUE)
        right.axhline(50, color=INK, linestyle="--", linewidth=1, label="rule")
        right.set(
            xlabel="trials after the switch", ylabel="distance left (%)", ylim=(0, 110),
            title="to the new condition's own end",
        )  # fmt: skip
        right.legend()
    return figure


def mixing(run: Any) -> Figure:
    """C6: weights of both readouts, neuron by neuron, and what lesions cost."""
    final = run["single"]["final"]
    what, when = (final[f"{name}_weight"].to_numpy()[0, 0] for name in ("what", "when"))
    with figures.style():
        figure = Figure(figsize=(7.2, 3.6))
        left, right = figure.subplots(1, 2)
        left.plot(np.abs(what), np.abs(when), ".", color=BLUE, ms=4, alpha=0.6)
        left.axvline(np.median(np.abs(what)), color=figures.MUTED, linewidth=1)
        left.axhline(np.median(np.abs(when)), color=figures.MUTED, linewidth=1)
        share, low, high = (
            100 * float(final[name].mean())
            for name in ("mixed", "mixed_null_low", "mixed_null_high")
        )
        left.set(
            xlabel="|v|, what", ylabel="|w|, when",
            title=f"strong in both: {share:.1f} % (null {low:.1f} to {high:.1f})",
        )  # fmt: skip
        for i, (name, label) in enumerate((("what", "y lost"), ("when", "rise of Ez"))):
            top = 100 * final[f"{name}_loss"].to_numpy()
            random = 100 * final[f"random_{name}_loss"].mean("lesion").to_numpy()
            for seed in range(len(top)):
                right.plot([2 * i, 2 * i + 1], [random[seed], top[seed]], color=figures.MUTED, lw=1)
            right.plot(np.full(len(top), 2 * i), random, "o", color=INK, ms=5)
            right.plot(np.full(len(top), 2 * i + 1), top, "s", color=ORANGE, ms=5)
            right.text(2 * i + 0.5, 1.0, label, transform=right.get_xaxis_transform(),
                       ha="center", va="top")  # fmt: skip
        lost = 100 * run.config.lesion
        right.set_xticks(range(4), ["random", "top what"] * 2)
        right.set(
            ylabel="loss (%)", xlim=(-0.5, 3.5), title=f"{lost:.0f} % of the neurons silenced"
        )
        right.margins(y=0.2)
    return figure
