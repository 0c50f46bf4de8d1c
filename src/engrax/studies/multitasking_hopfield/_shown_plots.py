"""Figures of what no claim reads: the phase diagram, and three images out of one state."""

from typing import Any

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure

from engrax.lab import figures

INK, BLUE, ORANGE = figures.PALETTE[:3]
SHADES = LinearSegmentedColormap.from_list("spread", ["#f4e3d5", "#7fb3d8", "#08407a"])
"""From equal overlaps to one pattern alone; monotone in lightness."""
SCALE = Normalize(0, 1)


def diagram(run: Any) -> Figure:
    """Spread of the overlaps over dilution and temperature: theory as shade, simulation as dots."""
    theory, data, config = run["diagram_theory"], run["diagram"], run.config
    rho = config.diagram_entropies
    with figures.style():
        figure = Figure(figsize=(max(4.4, 3.6 * len(rho)), 3.7))
        axs = figure.subplots(1, len(rho), sharey=True, squeeze=False)[0]
        for i, (ax, value) in enumerate(zip(axs, rho, strict=True)):
            m = np.abs(theory["m"].to_numpy()[:, :, i])
            d, t = theory["dilution"].to_numpy(), theory["temperature"].to_numpy()
            ax.pcolormesh(d, t, np.ptp(m, axis=-1).T, norm=SCALE, cmap=SHADES, rasterized=True)
            largest = m.max(-1)
            ax.contour(d, t, np.ma.masked_invalid(largest).T, [0.05], colors=[INK])
            found = np.abs(data["m"].to_numpy()[:, :, :, i, 0]).mean(0)
            x, y = np.meshgrid(config.diagram_dilutions, config.diagram_temperatures)
            ax.scatter(x, y, c=np.ptp(found, axis=-1).T, cmap=SHADES, norm=SCALE, s=26,
                       edgecolors=ORANGE, linewidths=0.8)  # fmt: skip
            ax.set(xlabel="dilution d (share of blanks)", title=f"rho = {value:g}")
            ax.grid(visible=False)
        axs[0].set_ylabel("temperature T")
        bar = figure.colorbar(ScalarMappable(SCALE, SHADES), ax=list(axs))
        bar.set_label("largest - smallest overlap")
        figure.suptitle(
            f"K = 3. Shade: theory; dots: simulation, N = {config.diagram_size}; line: m1 = 0.05",
            fontsize=9,
        )
    return figure


def images(run: Any) -> Figure:
    """Three masked images, the damaged cue, and what is recalled on the sites of each."""
    data = run["images"]
    patterns, recalled = data["pattern_pixels"].to_numpy(), data["recalled"].to_numpy()
    error, before = data["error"].to_numpy(), data["cue_error"].to_numpy()
    with figures.style():
        figure = Figure(figsize=(7.2, 4.4))
        axs = figure.subplots(2, 4)
        for i in range(3):
            seen = np.where(patterns[i] == 0, 0, recalled)
            for ax, picture, title in (
                (axs[0, i], patterns[i], f"pattern {i + 1}, blanks gray"),
                (axs[1, i], seen, f"recalled there: {100 * error[i]:.0f} % wrong\n"
                 f"(cue: {100 * before[i]:.0f} %)"),
            ):  # fmt: skip
                ax.imshow(picture, cmap="gray", vmin=-1, vmax=1, interpolation="nearest")
                ax.set_title(title, fontsize=8)
        for ax, name, title in (
            (axs[0, 3], "cue", "cue: all three, 20 % flipped"),
            (axs[1, 3], "recalled", "recalled state"),
        ):
            picture = data[name].to_numpy()
            ax.imshow(picture, cmap="gray", vmin=-1, vmax=1, interpolation="nearest")
            ax.set_title(title, fontsize=8)
        for ax in axs.flat:
            ax.set_axis_off()
    return figure
