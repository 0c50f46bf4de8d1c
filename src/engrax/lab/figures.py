"""Figures of studies: one palette, one style, mean curves with a band over seeds.

Figures are made without pyplot, so drawing has no global state and needs no display:

    figure, axes = figures.axes(xlabel="training step", ylabel="test accuracy (%)")
    figures.band(axes, steps, 100 * accuracy, label="backprop", color=figures.PALETTE[1])
"""

import contextlib
import io
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from cycler import cycler
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import PathCollection, QuadMesh
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from ._format import scale_of
from ._intervals import t_half_width
from ._judgements import PartJudgement
from ._manifest import write

INK = "#1b2430"
"""Color of text, axes and the first series; in a report it follows the reader's theme."""
DARK_GROUND, DARK_INK, DARK_BLUE = "#1e2129", "#e4e9f0", "#2e86d1"
"""Ground, ink and first color of a figure on a dark page."""
MUTED = "#8a929e"
"""Color of grids and reference lines that stay in the background."""
PALETTE = (
    INK,
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#f0e442",
)
"""Okabe and Ito's colors, told apart with any color vision; lighter ones last."""
VERDICT_COLORS = {"holds": "#009e73", "fails": "#d55e00", "open": "#8a929e"}
VERDICT_MARKERS = {"holds": "o", "fails": "X", "open": "s"}

WIDTH = 6.4
"""Width of a figure in inches: fits a README column and a phone held sideways."""

_MANY_MARKERS, _MANY_CELLS, _MANY_POINTS = 400, 400, 5000

_GROUND = "ground"
"""Name of what a figure and its panels are drawn on, in a file."""

_NO_LAYOUT: dict[Any, Any] = {
    "figure.constrained_layout.use": False,
    "figure.autolayout": False,
}
_STYLE: dict[Any, Any] = {
    "figure.constrained_layout.use": True,
    "font.family": "sans-serif",
    "font.size": 10.0,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.labelsize": 10.0,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.prop_cycle": cycler(color=PALETTE),
    "grid.color": MUTED,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 9.0,
    "ytick.labelsize": 9.0,
    "legend.frameon": False,
    "legend.fontsize": 9.0,
    "lines.linewidth": 1.6,
    "savefig.dpi": 150.0,
    "svg.fonttype": "none",
    "svg.hashsalt": "engrax",
}


@contextlib.contextmanager
def style() -> Iterator[None]:
    """The settings under which figures are made and saved; nothing leaks out."""
    with matplotlib.rc_context(_STYLE):
        yield


def axes(*, xlabel: str, ylabel: str, title: str = "", height: float = 3.6) -> tuple[Figure, Axes]:
    """One empty panel with labeled axes; lengths in inches."""
    with style():
        figure = Figure(figsize=(WIDTH, height))
        panel = figure.subplots()
        panel.set(xlabel=xlabel, ylabel=ylabel, title=title)
    return figure, panel


def panels(
    columns: int, *, xlabel: str, ylabel: str, titles: Sequence[str], rows: int = 1
) -> tuple[Figure, list[Axes]]:
    """Panels side by side that share both axes, row by row, one title each."""
    with style():
        size = (max(WIDTH, 2.6 * columns), 2.8 * rows)
        figure = Figure(figsize=size)
        grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for i, panel in enumerate(grid.flat):
            panel.set_title(titles[i] if i < len(titles) else "")
            panel.set_xlabel(xlabel if i // columns == rows - 1 else "")
            panel.set_ylabel(ylabel if i % columns == 0 else "")
    return figure, list(grid.flat)


def band(
    ax: Axes,
    x: ArrayLike,
    values: Float[np.ndarray, "seed point"],
    *,
    label: str,
    color: str,
    level: float = 0.95,
    linestyle: str = "-",
) -> None:
    """The mean over seeds as a line, its Student t interval as a band.

    With one seed there is no band; where a seed is not finite there is a gap, since a mean over
    the seeds that survived would flatter the method.
    """
    x, values = np.asarray(x), np.asarray(values, dtype=float)
    mean = values.mean(0)
    ax.plot(x, mean, color=color, label=label, linestyle=linestyle)
    if len(values) > 1:
        half = t_half_width(values, level=level)
        ax.fill_between(x, mean - half, mean + half, color=color, alpha=0.2, linewidth=0)


def interval_bars(ax: Axes, parts: Sequence[PartJudgement]) -> None:
    """One row a part: values per seed, mean with interval, the rule's region, the paper's value.

    Raises:
        ValueError: no parts, or parts in different units (they cannot share an axis).
    """
    if len({part.unit for part in parts}) != 1:
        raise ValueError("Interval bars need at least one part, and all parts in the same unit.")
    factor = scale_of(parts[0].unit)
    rows = np.arange(len(parts))[::-1]
    for row, part in zip(rows, parts, strict=True):
        color = VERDICT_COLORS[part.verdict]
        ax.plot(
            factor * np.asarray(part.values), row + 0.18 * (-1) ** np.arange(len(part.values)), "o",
            color=MUTED, markersize=3, alpha=0.5, markeredgewidth=0,
        )  # fmt: skip
        if math.isfinite(part.estimate):
            ax.plot([factor * part.low, factor * part.high], [row, row], color=color, linewidth=3)
            marker = VERDICT_MARKERS[part.verdict]
            ax.plot(factor * part.estimate, row, marker, color=color, markersize=7)
        if part.paper is not None:
            ax.plot(factor * part.paper, row, "D", color=INK, markersize=5, fillstyle="none")
    low, high = ax.get_xlim()
    for row, part in zip(rows, parts, strict=True):
        left, right = (min(max(factor * end, low), high) for end in part.rule)
        ax.fill_between([left, right], row - 0.36, row + 0.36, color=PALETTE[3], alpha=0.12, lw=0)
    ax.set_xlim(low, high)
    ax.set_yticks(rows, [part.name for part in parts])
    ax.set_ylim(-0.6, len(parts) - 0.4)
    ax.grid(visible=False, axis="y")


def check_labels(figure: Figure) -> None:
    """Refuse a figure with an axis that says nothing about what it shows.

    Raises:
        ValueError: an axis that shows tick labels has no label.
    """
    shared = {"x": figure.get_supxlabel(), "y": figure.get_supylabel()}
    for i, panel in enumerate(figure.axes):
        if not panel.axison:
            continue
        for axis, sides in ((panel.xaxis, ("bottom", "top")), (panel.yaxis, ("left", "right"))):
            ticks = axis.get_tick_params()
            shown = any(ticks.get(f"label{side}") for side in sides)
            named = axis.get_label_text() or shared[axis.axis_name] or _categories(axis)
            if shown and len(axis.get_ticklocs()) and not named:
                raise ValueError(
                    f"Panel {i} of a figure has no {axis.axis_name} label; "
                    "say what the axis shows, and its unit."
                )


@contextlib.contextmanager
def _placed(figure: Figure) -> Iterator[None]:
    """Place the panels, once: each file would otherwise do it again, at the price of a drawing.

    "none" would leave a placeholder, for which saving draws twice; None asks the settings.
    """
    with style():
        if engine := figure.get_layout_engine():
            engine.execute(figure)
        with matplotlib.rc_context(_NO_LAYOUT):
            figure.set_layout_engine(None)
            yield


def save(figure: Figure, folder: Path, name: str) -> tuple[Path, Path]:
    """Write `name`.svg and `name`.png into a folder, each whole or not at all; their paths."""
    vector, pixels = folder / f"{name}.svg", folder / f"{name}.png"
    write(vector, file_svg(figure))
    out = io.BytesIO()
    with _placed(figure):
        # A few kilobytes more in less time.
        figure.savefig(out, format="png", facecolor="white", pil_kwargs={"compress_level": 1})
    write(pixels, out.getvalue())
    return vector, pixels


def file_svg(figure: Figure, *, dpi: float = 150.0) -> str:
    """The figure as the text of an SVG file, on white; the same figure gives the same text.

    `dpi` is that of the images inside.
    """
    check_labels(figure)
    _rasterize_heavy(figure)
    panels = [inner for panel in figure.axes for inner in (panel, *panel.child_axes)]
    for ground in (figure, *panels):
        ground.patch.set_gid(_GROUND)
    out = io.StringIO()
    with _placed(figure):
        figure.savefig(out, format="svg", metadata={"Date": None}, facecolor="white", dpi=dpi)
    return out.getvalue()


def dark_svg(svg: str) -> str:
    """A saved figure for a dark page: white grounds become dark, dark ink becomes light."""
    svg = re.sub(r'(<path[^>]*style="[^"]*)fill: #ffffff', rf"\1fill: {DARK_GROUND}", svg)
    return svg.replace(INK, DARK_INK).replace(PALETTE[1], DARK_BLUE)


def size_of(svg: str) -> tuple[int, int]:
    """Width and height of a saved figure, in points."""
    found = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    if not found:
        raise ValueError("the text is no figure of ours: it has no viewBox that begins at 0 0")
    return round(float(found[1])), round(float(found[2]))


def inline_svg(svg: str) -> str:
    """A saved figure as an <svg> element without grounds, whose ink follows the page's text."""
    text = svg[svg.index("<svg") :].replace(INK, "currentColor")
    text = text.replace(PALETTE[1], f"var(--series-blue, {PALETTE[1]})")  # too dark on black
    text = re.sub(rf'(<g id="{_GROUND}">\s*<path[^>]*style="fill: )#ffffff', r"\1none", text)
    text = re.sub(r"<metadata>.*?</metadata>", "", text, count=1, flags=re.DOTALL)
    text = text.replace(' xmlns="http://www.w3.org/2000/svg"', "", 1)  # implied inside HTML
    return text.replace("<svg ", '<svg role="img" ', 1).strip()


def rasterize(figure: Figure) -> None:
    """Turn everything inside the axes into an image; text and axes stay vectors."""
    for panel in figure.axes:
        for artist in (*panel.collections, *panel.lines, *panel.patches, *panel.images):
            artist.set_rasterized(True)


def _categories(axis: Axis) -> bool:
    """Whether the ticks are words, which name themselves."""
    texts = (label.get_text() for label in axis.get_ticklabels())
    return any("$" not in text and re.search(r"[A-Za-z]{2}", text) for text in texts)


def _rasterize_heavy(figure: Figure) -> None:
    """Turn artists with many elements into an image inside the vector file."""
    for panel in figure.axes:
        for artist in panel.collections:
            if isinstance(artist, PathCollection):
                heavy = len(np.asarray(artist.get_offsets())) > _MANY_MARKERS
            else:
                cells = artist.get_array() if isinstance(artist, QuadMesh) else None
                heavy = cells is not None and cells.size > _MANY_CELLS
            if heavy:
                artist.set_rasterized(True)
        for line in panel.lines:
            if np.size(line.get_xdata()) > _MANY_POINTS:
                line.set_rasterized(True)
