"""The study's figures; each draws what the run holds."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from engrax.lab import figures, t_interval

from ._claims import final, forgotten
from ._prompts_plots import prompt_plots

INK, BLUE, RED, GREEN, PINK, ORANGE, SKY = figures.PALETTE[:7]
STARTS = {"scratch": "from scratch", "pretrained": "pre-trained"}
NAMES = {
    "softmax": "softmax",
    "softmax_kd": "softmax + KD",
    "bce": "sigmoid",
    "l2": "L2",
    "ewc": "EWC",
    "feat": "FeatKD",
    "kd": "PredKD",
    "kd_l2": "PredKD + L2",
    "kd_ewc": "PredKD + EWC",
    "kd_ewc_start": "PredKD + EWC, L2 start",
    "kd_feat": "PredKD + FeatKD",
    "kd_frozen": "PredKD, features frozen",
    "rehearsal": "PredKD, images stored",
    "joint": "all tasks at once",
}
"""Method -> what figures call it, in their order."""

CURVES = {
    "softmax": (INK, "--"),
    "softmax_kd": (PINK, "--"),
    "kd": (GREEN, "-"),
    "kd_l2": (RED, "-"),
    "kd_ewc": (BLUE, "-"),
    "kd_feat": (ORANGE, "-."),
    "rehearsal": (SKY, ":"),
}
"""Method -> color and line."""

PAPER = {
    "scratch": {
        "softmax_ewc": (7.3, None), "ewc": (7.7, None), "feat": (8.0, None), "kd": (25.2, None),
        "kd_ewc": (22.7, -0.7), "kd_l2": (21.6, 1.6), "kd_feat": (19.1, None),
        "rehearsal": (24.0, None),
    },
    "pretrained": {"kd": (26.6, None), "kd_ewc": (31.1, None), "kd_l2": (35.6, None)},
}  # fmt: skip
"""Start -> method -> A_{1:N} and F^G on CIFAR-100 in ten tasks, in percent."""


def plots(run: Any) -> dict[str, Figure]:
    """All figures for which the run has the arms."""
    found = {}
    for stream in ("letters", "clothes"):
        held = {start: methods(run, stream, start) for start in STARTS}
        if not any(held.values()):
            continue
        found[f"{stream}_accuracy"] = _accuracy(run, stream, held)
        found[f"{stream}_final"] = _final(run, stream, held)
    if shown := [s for s in STARTS if f"letters_{s}_kd" in run]:
        found["matrices"] = _matrices(run, shown)
        found["drift"] = _drift(run, shown)
    return {**found, **prompt_plots(run)}


def methods(run: Any, stream: str, start: str) -> list[str]:
    """The methods of which a run has arms."""
    return [name for name in NAMES if f"{stream}_{start}_{name}" in run]


def _accuracy(run: Any, stream: str, held: dict[str, list[str]]) -> Figure:
    """Accuracy among all classes seen so far, after every task."""
    starts = [start for start, names in held.items() if names]
    figure, grid = figures.panels(
        len(starts),
        xlabel="tasks learned",
        ylabel="accuracy so far (%)",
        titles=[STARTS[start] for start in starts],
    )
    for panel, start in zip(grid, starts, strict=True):
        for name in held[start]:
            if name not in CURVES:
                continue
            color, line = CURVES[name]
            values = 100 * _seen(run[f"{stream}_{start}_{name}"])
            x = 1 + np.arange(values.shape[1])
            figures.band(panel, x, values, label=NAMES[name], color=color, linestyle=line)
        if "joint" in held[start]:
            ceiling = 100 * float(final(run[f"{stream}_{start}_joint"]).mean())
            panel.axhline(ceiling, color=figures.MUTED, linestyle=":", label=NAMES["joint"])
        panel.set_ylim(0, 100)
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    _legend_below(figure, grid)
    return figure


def _seen(arm: Any) -> np.ndarray:
    """Mean accuracy on the tasks so far: (seed, tick)."""
    matrix = arm["accuracy"].transpose("seed", "tick", "tested").to_numpy()
    tasks = np.tril(np.ones(matrix.shape[1:]))
    return (matrix * tasks).sum(-1) / tasks.sum(-1)


def _final(run: Any, stream: str, held: dict[str, list[str]]) -> Figure:
    """A_{1:N} and F^G of every method, with the paper's beside them."""
    shown = [name for name in NAMES if any(name in names for names in held.values())][::-1]
    with figures.style():
        figure = Figure(figsize=(figures.WIDTH + 1.4, 1.3 + 0.3 * len(shown)))
        grid = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    rows = np.arange(len(shown))
    for i, start in enumerate(STARTS):
        color, marker, shift = ((INK, "o", 0.15), (RED, "s", -0.15))[i]
        for row, name in zip(rows, shown, strict=True):
            arm = f"{stream}_{start}_{name}"
            if arm not in run:
                continue
            _interval(grid[0], 100 * final(run[arm]), row + shift, color, marker)
            if name != "joint":
                _interval(grid[1], 100 * forgotten(run[arm]), row + shift, color, marker)
            paper = PAPER[start].get(name, (None, None)) if stream == "letters" else (None, None)
            for panel, value in zip(grid, paper, strict=True):
                if value is not None:
                    panel.plot(value, row + shift, "D", color=color, fillstyle="none", markersize=5)
        grid[0].plot([], [], marker, color=color, label=STARTS[start])
        if stream == "letters":
            grid[0].plot([], [], "D", color=color, fillstyle="none",
                         label=f"{STARTS[start]}, paper (CIFAR-100)")  # fmt: skip
    _gates(run, stream, grid[0])
    grid[0].set_yticks(rows, [NAMES[name] for name in shown])
    grid[0].set_xlabel("final accuracy $A_{1:N}$ (%)")
    grid[1].set_xlabel("global forgetting $F^G$ (points)")
    grid[1].axvline(0, color=figures.MUTED, linewidth=1)
    grid[0].set_xlim(0, 100)
    for panel in grid:
        panel.grid(visible=False, axis="y")
    _legend_below(figure, grid)
    return figure


def _interval(panel: Axes, values: xr.DataArray, row: float, color: str, marker: str) -> None:
    x = values.to_numpy()
    panel.plot(x, np.full(len(x), row), ".", color=figures.MUTED, markersize=3, alpha=0.6)
    if len(x) > 1 and np.isfinite(x).all():
        found = t_interval(x)
        panel.plot([found.low, found.high], [row, row], color=color, linewidth=2)
    panel.plot(x.mean(), row, marker, color=color, markersize=5)


def _gates(run: Any, stream: str, panel: Axes) -> None:
    """Linear probes on features that never saw the stream."""
    if f"{stream}_gates" not in run:
        return
    for probe, label, line in (
        ("random_probe", "linear probe, random features", "--"),
        ("pretrained_probe", "linear probe, pre-trained features", ":"),
    ):
        value = 100 * float(run[f"{stream}_gates"][probe])
        panel.axvline(value, color=figures.MUTED, linestyle=line, linewidth=1.2, label=label)


def _matrices(run: Any, starts: list[str]) -> Figure:
    """Accuracy on every task after every task, mean over seeds."""
    names = [n for n in ("softmax", "kd", "kd_l2", "kd_ewc", "kd_feat")
             if all(f"letters_{start}_{n}" in run for start in starts)]  # fmt: skip
    figure, grid = figures.panels(
        len(names),
        xlabel="tested on task",
        ylabel="after task",
        titles=[f"{NAMES[name]}\n{STARTS[start]}" for start in starts for name in names],
        rows=len(starts),
    )
    image = None
    for panel, (start, name) in zip(grid, [(s, n) for s in starts for n in names], strict=True):
        arm = run[f"letters_{start}_{name}"]
        values = 100 * arm["accuracy"].transpose("seed", "tick", "tested").to_numpy().mean(0)
        future = np.triu(np.ones(values.shape, bool), 1)
        edges = np.arange(len(values) + 1) + 0.5
        image = panel.pcolormesh(
            edges, edges, np.ma.masked_array(values, future), vmin=0, vmax=100, cmap="viridis"
        )
        panel.grid(visible=False)
        ticks = np.arange(1, len(values) + 1, 1 if len(values) < 6 else 3)
        panel.set(xticks=ticks, yticks=ticks, aspect="equal")
        if not panel.yaxis_inverted():
            panel.invert_yaxis()
    with figures.style():
        assert image is not None
        figure.colorbar(image, ax=grid, label="accuracy among classes seen (%)", shrink=0.8)
    return figure


def _drift(run: Any, starts: list[str]) -> Figure:
    """How alike each layer is to what it was after the first task, at the end."""
    figure, grid = figures.panels(
        len(starts),
        xlabel="layer",
        ylabel="CKA with the first task's net",
        titles=[STARTS[start] for start in starts],
    )
    for panel, start in zip(grid, starts, strict=True):
        for name in ("kd", "kd_l2", "kd_ewc"):
            if (arm := f"letters_{start}_{name}") not in run:
                continue
            color, line = CURVES[name]
            last = run[arm]["cka"].isel(tick=-1).transpose("seed", "layer")
            x = np.arange(last.sizes["layer"])
            figures.band(panel, x, last.to_numpy(), label=NAMES[name], color=color, linestyle=line)
            labels = [str(layer).replace("convolution ", "conv ") for layer in last["layer"].values]
            panel.set_xticks(x, labels, rotation=30, ha="right")
        panel.set_ylim(None, 1.02)
    _legend_below(figure, grid)
    return figure


def _legend_below(figure: Figure, grid: Any) -> None:
    """One legend for all panels."""
    found = {}
    for panel in grid:
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    with figures.style():
        figure.legend(found.values(), found.keys(), loc="outside lower center", ncols=3)
