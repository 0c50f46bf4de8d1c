"""The figures of the claims on convolutional nets and auto-encoders."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

from engrax.lab import figures

from ._figures import interval, side_by_side

CONV = {
    "conv_ccl": ("CCL", 1),
    "conv_bp": ("backprop", 0),
    "conv_frozen": ("frozen features", 2),
}
"""Arm -> what figures call it, and its place in the palette; CCL is blue everywhere."""
AUTO = {
    "auto_ccl": ("CCL", 1),
    "auto_frozen": ("CCL, frozen feedback", 3),
    "auto_bp": ("backprop", 0),
    "auto_random": ("random encoder", 2),
}
"""The same for the auto-encoders."""


def plots(run: Any) -> dict[str, Figure]:
    """What the run holds of these figures."""
    drawn = {}
    if all(name in run for name in CONV):
        drawn["conv"] = _conv(run)
    if all(name in run for name in (*AUTO, "auto_linear")):
        drawn["autoencoders"] = _errors(run)
        drawn["reconstructions"] = _reconstructions(run)
    return drawn


def _named_rows(ax: Axes, names: list[str]) -> range:
    rows = range(len(names))[::-1]
    ax.set_yticks(rows, names)
    ax.set_ylim(-0.6, len(names) - 0.4)
    ax.grid(visible=False, axis="y")
    return rows


def _conv(run: Any) -> Figure:
    """Test accuracy by arm, and validation accuracy after each epoch."""
    figure, (left, right) = side_by_side(2, width=4.6, height=3.2)
    rows = _named_rows(left, [label for label, _ in CONV.values()])
    for row, (name, (label, place)) in zip(rows, CONV.items(), strict=True):
        color = figures.PALETTE[place]
        interval(left, row, 100 * run[name]["test_accuracy"].isel(tick=-1).values, color)
        curve = run[name]["validation_accuracy"]
        figures.band(right, curve["tick"], 100 * curve.values, label=label, color=color)
    left.set(xlabel="test accuracy (%)")
    right.set(xlabel="epoch", ylabel="validation accuracy (%)")
    right.legend(loc="lower right")
    return figure


def _errors(run: Any) -> Figure:
    """Test error of each auto-encoder, its course, and what a linear probe reads off the code."""
    figure, (left, middle, right) = side_by_side(3, width=4.3, height=3.4)
    trained = [name for name in AUTO if name != "auto_random"]
    linear = run["auto_linear"]
    rows = _named_rows(left, [AUTO[name][0] for name in trained])
    for row, name in zip(rows, trained, strict=True):
        label, place = AUTO[name]
        color = figures.PALETTE[place]
        interval(left, row, run[name]["final"]["test_error"].values, color)
        curve = run[name]["validation_error"]
        figures.band(middle, curve["tick"], curve.values, label=label, color=color)
    size = int(linear["code_size"])
    lines = (("mean_image_error", "mean image", "--"), ("pca_error", f"PCA, {size} numbers", ":"))
    for name, label, line in lines:
        left.axvline(float(linear[name]), color=figures.INK, linestyle=line, label=label)
    left.set_xscale("log")
    _plain(left.xaxis, 1.0, 2.0, 5.0)
    left.set(xlabel="test error (mean square)")
    left.legend(loc="upper left", bbox_to_anchor=(0.0, -0.18), ncols=2)
    middle.set_yscale("log")
    _plain(middle.yaxis, 1.0, 1.5, 2.0, 2.5)
    middle.set(xlabel="epoch", ylabel="validation error (mean square)")
    middle.legend(loc="upper left", bbox_to_anchor=(0.0, -0.18), ncols=2)
    for row, (name, (_, place)) in zip(
        _named_rows(right, [label for label, _ in AUTO.values()]), AUTO.items(), strict=True
    ):
        accuracy = 100 * run[name]["final"]["probe_accuracy"].values
        interval(right, row, accuracy, figures.PALETTE[place])
    right.set(xlabel="accuracy of a linear probe (%)")
    return figure


def _plain(axis: Axis, *digits: float) -> None:
    """Logarithmic, labeled at these multiples of powers of ten, in plain numbers."""
    axis.set_major_locator(LogLocator(subs=digits))
    axis.set_major_formatter(FormatStrFormatter("%g"))
    axis.set_minor_formatter(NullFormatter())


def _reconstructions(run: Any) -> Figure:
    """The first test images, and what each auto-encoder (of the first seed) makes of them."""
    linear = run["auto_linear"]
    rows = {"original": linear["original"].values}
    for name in ("auto_ccl", "auto_frozen", "auto_bp"):
        rows[AUTO[name][0]] = run[name]["final"]["reconstructed"].isel(seed=0).values
    rows["PCA"] = linear["reconstructed"].values
    count = len(rows["original"])
    with figures.style():
        figure = Figure(figsize=(0.72 * count + 1.6, 0.74 * len(rows)))
        axes = figure.subplots(len(rows), count, squeeze=False)
    for line, (label, images) in zip(axes, rows.items(), strict=True):
        for ax, image in zip(line, images, strict=True):
            # (channel, row, column) -> (row, column, channel); matplotlib drops a single channel.
            ax.imshow(np.moveaxis(image, 0, -1).clip(0, 1).squeeze(), cmap="gray", vmin=0, vmax=1)
            ax.set(xticks=[], yticks=[])
            ax.grid(visible=False)
            ax.spines[:].set_visible(False)
        line[0].set_ylabel(label, rotation=0, ha="right", va="center")
    return figure
