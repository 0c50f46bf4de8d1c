"""C5 and C6 drawn."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from engrax.lab import figures, t_half_width

from ._claims import conv_accuracy, image_sets

_KINDS = {
    "skan": ("S-ConvKAN, S-KAN", figures.PALETTE[2]),
    "cnn": ("CNN, same channels", figures.PALETTE[1]),
    "cnn_wide": ("CNN or MLP, same parameters", figures.PALETTE[0]),
}
_SET_NAMES = {
    "digits": "digits",
    "mnist_5k": "MNIST-5k",
    "fashion_mnist": "Fashion-MNIST",
    "mnist_1d": "MNIST-1D",
    "mnist": "MNIST",
    "cifar10": "CIFAR-10",
    "cifar100": "CIFAR-100",
}


def images(run: Any) -> Figure:
    """Test accuracy of convolutional nets on each set of images, and of flat ones on digits."""
    names = list(image_sets(run).values())
    figure, panel = figures.axes(xlabel="", ylabel="test accuracy (%)")
    x = np.arange(len(names))
    if names and all(f"conv_single_{i}" in run for i in image_sets(run)):
        single = 100 * conv_accuracy(run, "single").mean("seed")
        for i, family in enumerate(single["family"].values):
            values = single.sel(family=family).transpose("set")
            panel.plot(x - 0.2, values, "_", color=figures.MUTED, markersize=12, markeredgewidth=2,
                       label="each family alone" if i == 0 else None)  # fmt: skip
    for shift, (kind, (label, color)) in zip((0.0, 0.14, 0.28), _KINDS.items(), strict=True):
        columns = _columns(run, kind)
        if not columns:
            continue
        at = np.array([place + shift for place in columns])
        means = [100 * float(values.mean()) for values in columns.values()]
        half = [100 * t_half_width(values) for values in columns.values()]
        panel.errorbar(at, means, half, fmt="o", color=color, label=label, capsize=3, markersize=5)
    ticks = [_SET_NAMES.get(name, name) for name in names]
    if "flat_skan" in run:
        ticks.append("digits,\n64-32-10")
    panel.set_xticks(range(len(ticks)), ticks)
    panel.grid(visible=False, axis="x")
    with figures.style():
        figure.legend(loc="outside lower center", ncols=2)
    return figure


def _columns(run: Any, kind: str) -> dict[int, np.ndarray]:
    """Place along the axis -> accuracy of each run; the last place is that of fully connected."""
    sets = image_sets(run)
    found = {}
    if sets and all(f"conv_{kind}_{i}" in run for i in sets):
        table: xr.DataArray = conv_accuracy(run, kind).transpose("set", "seed")
        found = dict(enumerate(table.to_numpy()))
    flat = {"skan": "flat_skan", "cnn_wide": "flat_mlp"}.get(kind)
    if flat is not None and flat in run:
        found[len(sets)] = run[flat]["test_accuracy"].isel(tick=-1).to_numpy()
    return found
