"""Figures of what trained models look like inside."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from engrax.lab import figures

from ._training import images

INK, BLUE, ORANGE = figures.PALETTE[:3]
MODELS = {"softmax": "softmax", "karat": "learned functions"}


def functions(run: Any) -> Figure:
    """The functions that vary most in the first head, and where its logits lie."""
    final = run["karat"]["final"].isel(seed=0)
    figure, ax = figures.axes(xlabel="logit", ylabel="learned function")
    for curve in final["functions"].to_numpy():
        ax.plot(final["x"], curve, color=BLUE, linewidth=1.2, alpha=0.7)
    low, middle, high = final["logit_range"].to_numpy()
    ax.axvspan(low, high, color=ORANGE, alpha=0.15, linewidth=0, label="98 % of the logits")
    ax.axvline(middle, color=ORANGE, linewidth=1, label="their median")
    ax.set_xlim(-np.pi, np.pi)
    ax.legend()
    return figure


def landscape(run: Any) -> Figure:
    """The loss over the plane of the optimizer's path, one seed of each."""
    with figures.style():
        figure = Figure(figsize=(9.6, 3.7))
        figure.set_layout_engine("constrained", wspace=0.08)
        for ax, (arm, label) in zip(figure.subplots(1, 2), MODELS.items(), strict=True):
            final = run[arm]["final"]
            rough = final["roughness"].to_numpy()
            one = final.isel(seed=0)
            mesh = ax.contourf(
                one["plane_first"], one["plane_second"], one["plane"].to_numpy().T, levels=20,
                cmap="viridis",
            )  # fmt: skip
            path = one["path"].to_numpy()
            ax.plot(path[:, 0], path[:, 1], ".-", color="white", linewidth=1, markersize=4)
            ax.set(
                xlabel="first direction", ylabel="second direction",
                title=f"{label}: roughness {rough.mean():.4f}",
            )  # fmt: skip
            ax.grid(visible=False)
            figure.colorbar(mesh, ax=ax, label="training loss")
    return figure


def spectra(run: Any) -> Figure:
    """Singular values of logits and of maps, and the weights near zero."""
    with figures.style():
        figure = Figure(figsize=(9.6, 3.6))
        left, right = figure.subplots(1, 2)
        for (arm, label), color in zip(MODELS.items(), (INK, BLUE), strict=True):
            final = run[arm]["final"]
            for name, style in (("logit_spectrum", ":"), ("map_spectrum", "-")):
                values = final[name].mean("seed").to_numpy()
                what = "logits" if style == ":" else "map"
                at = np.arange(1, len(values) + 1)
                shown = np.maximum(values, 1e-7)
                left.plot(at, shown, style, color=color, label=f"{label}, {what}")
            right.step(
                final["bin"], 100 * final["histogram"].mean("seed"), where="mid", color=color,
                label=f"{label}: {100 * float(final['near_zero'].mean()):.1f} % below 0.01",
            )  # fmt: skip
        left.set(xlabel="index of the singular value", ylabel="singular value, mean", yscale="log")
        left.xaxis.get_major_locator().set_params(integer=True)
        right.set_ylim(top=1.3 * right.get_ylim()[1])
        right.set(xlabel="weight (queries, keys, values, nets)", ylabel="share (%)")
        left.legend(fontsize=8)
        right.legend(fontsize=8, loc="upper right")
    return figure


def maps(run: Any) -> Figure:
    """How the class token of the last block weighs the patches of a few images.

    Red is positive, blue negative; each map has a scale of its own.
    """
    shown = {arm: run[arm]["final"]["shown"].isel(seed=0).to_numpy() for arm in MODELS}
    count, patches = shown["karat"].shape
    side = round(patches**0.5)
    raw = images(run.config).test.x[:count]
    with figures.style():
        figure = Figure(figsize=(max(1.6 * count, 6.4), 5.6))
        figure.set_layout_engine("constrained", hspace=0.16)
        panels = figure.subplots(3, count, squeeze=False)
        for column in range(count):
            pixels = raw[column] if raw.ndim == 3 else raw[column].mean(0)
            panels[0, column].imshow(pixels, cmap="gray")
            for row, arm in enumerate(MODELS, start=1):
                weights = shown[arm][column].reshape(side, side)
                top = np.abs(weights).max() or 1.0
                panels[row, column].imshow(weights, cmap="RdBu_r", vmin=-top, vmax=top)
        for panel in panels.ravel():
            panel.set_axis_off()
        for row, arm in enumerate(MODELS, start=1):
            final = run[arm]["final"]
            mass, area = (100 * float(final[n].mean()) for n in ("foreground", "foreground_area"))
            negative = 100 * float(final["negative"].mean())
            said = panels[row, 0].text(
                0, 1.06,
                f"{MODELS[arm]}: {mass:.0f} % on the object ({area:.0f} % of the image), "
                f"{negative:.0f} % of the map negative",
                transform=panels[row, 0].transAxes, fontsize=9,
            )  # fmt: skip
            # Wider than its panel: the grid is not to make room for it.
            said.set_in_layout(False)
    return figure
