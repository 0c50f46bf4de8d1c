"""The study's figures; each draws what the run holds."""

from typing import Any

import matplotlib.patches as patches
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure

from engrax.lab import figures
from engrax.probes import Phase, classify_phase

from ._claims import stages

CURVES = {
    "train": ("training labels", figures.PALETTE[1], "-"),
    "test": ("test labels", figures.PALETTE[2], "-"),
    "corrupt": ("corrupted labels", figures.PALETTE[3], "--"),
}
"""Part of the data -> what it is called, its color, its line."""

ORDERS = {
    "lowest": "lowest IPR",
    "highest": "highest IPR",
    "random": "at random",
    "magnitude": "smallest weights",
    "loss": "least training loss",
}
"""Order of pruning -> what goes first in it."""

COLLAPSED = 0.5
"""Below it in training and test, a transformer does neither."""

PHASE_COLORS = {
    Phase.CONFUSION: "#c3c8d0",
    Phase.MEMORIZATION: "#d98c5f",
    Phase.COEXISTENCE: "#efc75e",
    Phase.PARTIAL_INVERSION: "#8cc7ec",
    Phase.FULL_INVERSION: "#2b7bb9",
    Phase.FORGETTING: "#8a5a9e",
}

TITLES = {
    "none": "no regularization",
    "mild_decay": "weight decay {mild_decay:g}",
    "decay": "weight decay {decay:g}",
    "dropout": "dropout {dropout:g}",
    "mini_batch": "mini-batches of {norm_batch}",
    "norm": "the same, batch norm",
}


def plots(run: Any) -> dict[str, Figure]:
    """All figures for which the run has the arms."""
    found = {}
    if present := [name for name in TITLES if name in run]:
        found |= {"traces": _traces(run, present), "spectra": _spectra(run, present)}
    if "none" in run:
        found["pruning"] = _pruning(run)
    if "decay" in run and "decay_clean" in run:
        found["stages"] = _stages(run)
    if "norm" in run:
        found["gains"] = _gains(run)
    if "transformer" in run:
        found["transformer"] = _transformer(run)
    if "phases" in run:
        found["phases"] = _phases(run, "phases")
    return found


def _traces(run: Any, names: list[str]) -> Figure:
    """Accuracy over training in each arm, under a bar that says which phase the net is in."""
    figure, grid = _grid(run, names, "optimizer step", "accuracy (%)", height=2.3)
    for panel, name in zip(grid, names, strict=True):
        data = run[name]
        step = data["tick"].to_numpy()
        for part, (label, color, line) in CURVES.items():
            values = 100 * data[f"{part}_accuracy"].to_numpy()
            figures.band(panel, step, values, label=label, color=color, linestyle=line)
        ceiling = 100 * float(data["final"]["ceiling"].mean())
        _ceiling_line(panel, ceiling)
        _phase_bar(panel, step, data, _corruption(run, name))
        panel.set(xlim=(0, step[-1]), ylim=(-3, 113), yticks=(0, 25, 50, 75, 100))
    seen = Phase.CONFUSION, Phase.MEMORIZATION, Phase.COEXISTENCE
    seen = (*seen, Phase.PARTIAL_INVERSION, Phase.FULL_INVERSION)
    lines, labels = grid[0].get_legend_handles_labels()
    _legend(figure, [*lines, *_phase_handles(seen)], [*labels, *map(_phase_name, seen)], 5)
    return figure


def _phase_bar(panel: Axes, step: np.ndarray, data: Any, corruption: float) -> None:
    """A strip above the curves, colored by the phase of the mean over seeds."""
    train, test = (data[f"{name}_accuracy"].mean("seed").to_numpy() for name in ("train", "test"))
    best = np.maximum.accumulate(test)
    phases = classify_phase(train, test, corruption, best)[None]
    edges = np.concatenate([[0], step])
    panel.pcolormesh(edges, [104, 112], phases, cmap=_PHASE_MAP, norm=_PHASE_NORM, zorder=3)


def _corruption(run: Any, name: str) -> float:
    normed = name in ("norm", "mini_batch")
    return run.config.norm_corruption if normed else run.config.corruption


def _spectra(run: Any, names: list[str]) -> Figure:
    """How the units of each arm's final net are spread over inverse participation ratios."""
    xlabel = "inverse participation ratio"
    figure, grid = _grid(run, names, xlabel, "units (%)", height=2.0, sharex=True)
    edges = np.linspace(0, 1, 41)
    for panel, name in zip(grid, names, strict=True):
        ratios = run[name]["final"]["ipr"].to_numpy()
        share = 100 * np.histogram(ratios, edges)[0] / ratios.size
        low = edges[:-1] < 0.4
        for chosen, color, label in (
            (low, figures.PALETTE[3], "memorizing"),
            (~low, figures.PALETTE[2], "generalizing"),
        ):
            panel.stairs(np.where(chosen, share, 0), edges, fill=True, color=color, label=label)
        mean = ratios.mean()
        panel.axvline(mean, color=figures.INK, linewidth=1, linestyle=":", label="mean of all")
        panel.set_xlim(0, 1)
    _legend(figure, *grid[0].get_legend_handles_labels(), 3)
    return figure


def _pruning(run: Any) -> Figure:
    """Accuracy of the unregularized net while its units are removed, in five orders."""
    figure, grid = figures.panels(
        3,
        rows=2,
        xlabel="units removed (%)",
        ylabel="accuracy (%)",
        titles=[
            f"{title} first" if order != "random" else title for order, title in ORDERS.items()
        ],
    )
    final = run["none"]["final"]
    removed = 100 * final["pruned"].to_numpy()
    for panel, order in zip(grid, ORDERS, strict=False):
        for part, (label, color, line) in CURVES.items():
            values = 100 * final[f"{order}_accuracy_{part}"].to_numpy()
            figures.band(panel, removed, values, label=label, color=color, linestyle=line)
        _ceiling_line(panel, 100 * float(final["ceiling"].mean()))
        panel.set(xlim=(0, 100), ylim=(-3, 103))
    above, free = grid[2], grid[5]
    above.tick_params(labelbottom=True)
    above.set_xlabel("units removed (%)")
    free.set_axis_off()
    area = float(final["detector"].mean())
    says = "A low IPR tells the units whose\nremoval hurts the corrupted labels:"
    with figures.style():
        free.annotate(
            f"{says}\narea under the curve {area:.2f}",
            (0.02, 0.02),
            xycoords="axes fraction",
            fontsize=9,
        )
        free.legend(*grid[0].get_legend_handles_labels(), loc="upper left", borderaxespad=0)
    return figure


def _stages(run: Any) -> Figure:
    """When a net under weight decay memorizes, generalizes, and unlearns; and one with no noise."""
    titles = [f"{100 * run.config.corruption:g} % of the labels corrupted", "none corrupted"]
    figure, grid = figures.panels(2, xlabel="optimizer step", ylabel="accuracy (%)", titles=titles)
    for panel, name in zip(grid, ("decay", "decay_clean"), strict=True):
        data = run[name]
        step = data["tick"].to_numpy()
        for part in ("train", "test"):
            label, color, line = CURVES[part]
            values = 100 * data[f"{part}_accuracy"].to_numpy()
            figures.band(panel, step, values, label=label, color=color, linestyle=line)
        panel.set(xlim=(step[0], step[-1]), ylim=(-3, 103), xscale="log")
        # Without corruption the ceiling is 1, and there is nothing to unlearn.
        words = ("memorized", "generalized", "inverted")[: 3 if name == "decay" else 2]
        for word, when in zip(words, stages(run, name).T, strict=False):
            if np.isfinite(when).all():
                panel.axvline(when.mean(), color=figures.MUTED, linewidth=1, zorder=0)
                # The first word stands left of its line, so that it meets no other.
                side, shift = ("right", -2) if word == "memorized" else ("left", 2)
                panel.annotate(
                    word,
                    (when.mean(), 97 if word == "inverted" else 60),
                    (shift, 0),
                    textcoords="offset points",
                    fontsize=8,
                    rotation=90,
                    va="top",
                    ha=side,
                )
    _legend(figure, *grid[0].get_legend_handles_labels(), 2)
    return figure


def _gains(run: Any) -> Figure:
    """The scale that batch normalization gives to each unit, against the unit's spectrum."""
    figure, panel = figures.axes(
        xlabel="inverse participation ratio of a unit", ylabel="its scale |γ|", height=3.4
    )
    final = run["norm"]["final"]
    ratio, gain = final["ipr"].to_numpy(), final["gain"].to_numpy()
    for low, color, label in (
        (ratio < 0.4, figures.PALETTE[3], "memorizing"),
        (ratio >= 0.4, figures.PALETTE[2], "generalizing"),
    ):
        panel.scatter(
            ratio[low], gain[low], s=7, color=color, alpha=0.35, linewidths=0, label=label
        )
    panel.set(xlim=(0, 1), ylim=(0, None))
    with figures.style():
        legend = panel.legend(loc="lower right", markerscale=2.5)
    for handle in legend.legend_handles:
        handle.set_alpha(1)  # pyright: ignore[reportOptionalMemberAccess] (both were just drawn)
    return figure


def _transformer(run: Any) -> Figure:
    """What weight decay does to a transformer: its embedding's spectrum, and its accuracies."""
    data = run["transformer"]
    decays = data["weight_decay"].to_numpy()
    with figures.style():
        figure = Figure(figsize=(figures.WIDTH, 3.2))
        left, right = figure.subplots(1, 2)
    ratios = data["final"]["embedding_ipr"].mean("feature").to_numpy()
    place = np.arange(len(decays))
    left.plot(place, ratios.mean(0), color=figures.INK)
    for seed in ratios:
        left.plot(place, seed, "o", color=figures.MUTED, markersize=4, alpha=0.7)
    left.set(ylabel="mean IPR of the embedding", ylim=(0, None))
    for part, (label, color, line) in CURVES.items():
        values = 100 * data[f"{part}_accuracy"].isel(tick=-1).to_numpy()
        figures.band(right, place, values, label=label, color=color, linestyle=line)
    right.set(ylabel="accuracy at the end (%)", ylim=(-3, 103))
    # A net that does neither has collapsed, and a constant embedding has the ratio 1.
    train, test = (
        data[f"{part}_accuracy"].isel(tick=-1).mean("seed") for part in ("train", "test")
    )
    for panel in (left, right):
        for decay in place[np.maximum(train, test).to_numpy() < COLLAPSED]:
            panel.axvspan(decay - 0.5, decay + 0.5, color=figures.MUTED, alpha=0.15, linewidth=0)
        panel.set_xlim(-0.5, len(place) - 0.5)
        panel.set_xticks(place, [f"{decay:g}" for decay in decays])
        panel.set_xlabel("weight decay")
    handles, labels = right.get_legend_handles_labels()
    shade = patches.Patch(color=figures.MUTED, alpha=0.15)
    _legend(figure, [*handles, shade], [*labels, "collapsed"], 4)
    return figure


def _phases(run: Any, name: str) -> Figure:
    """The phase most seeds end in, over data and corruption; a dot where the seeds disagree."""
    data = run[name].to_dataset()
    codes = phases_of(data)
    decays = data["weight_decay"].to_numpy()
    titles = [f"weight decay {decay:g}" for decay in decays]
    figure, grid = figures.panels(
        len(decays),
        xlabel="corrupted labels (%)",
        ylabel="pairs that train (%)",
        titles=titles,
    )
    columns, rows = (100 * data[axis].to_numpy() for axis in ("corruption", "fraction"))
    for panel, decay in zip(grid, decays, strict=True):
        mine = codes.sel(weight_decay=decay).transpose("seed", "fraction", "corruption").to_numpy()
        votes = np.stack([(mine == phase).sum(0) for phase in Phase])
        panel.pcolormesh(
            columns,
            rows,
            votes.argmax(0),
            cmap=_PHASE_MAP,
            norm=_PHASE_NORM,
            edgecolors="white",
            linewidth=1.5,
            shading="nearest",
        )
        split = np.argwhere(votes.max(0) < len(mine))
        panel.plot(columns[split[:, 1]], rows[split[:, 0]], "o", color=figures.INK, markersize=3)
        panel.set(xticks=columns[:: max(1, len(columns) // 5)])
        panel.set(yticks=rows[:: max(1, len(rows) // 5)])
        panel.grid(visible=False)
    seen = [phase for phase in Phase if (codes == phase).any()]
    _legend(figure, _phase_handles(seen), list(map(_phase_name, seen)), 6)
    return figure


def phases_of(data: xr.Dataset) -> xr.DataArray:
    """The phase of every run of a diagram."""
    train, test = data["train_accuracy"], data["test_accuracy"]
    codes = classify_phase(
        train.isel(tick=-1).to_numpy(),
        test.isel(tick=-1).to_numpy(),
        data["corruption"].broadcast_like(test.isel(tick=-1)).to_numpy(),
        test.max("tick").to_numpy(),
    )
    return test.isel(tick=-1).copy(data=codes)


def _grid(
    run: Any, names: list[str], xlabel: str, ylabel: str, *, height: float, sharex: bool = False
) -> tuple[Figure, list[Axes]]:
    """Up to three small panels in a row, one an arm, titled."""
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    with figures.style():
        figure = Figure(figsize=(2.7 * max(columns, 2), height * rows + 0.9))
        grid = list(figure.subplots(rows, columns, sharex=sharex, sharey=True, squeeze=False).flat)
        for place, panel in enumerate(grid):
            if place >= len(names):
                panel.set_axis_off()
                continue
            panel.set_title(TITLES[names[place]].format(**vars(run.config)))
            lowest = place + columns >= len(names)
            panel.set_xlabel(xlabel if lowest or not sharex else "")
            panel.set_ylabel(ylabel if place % columns == 0 else "")
    return figure, grid[: len(names)]


def _ceiling_line(panel: Axes, ceiling: float) -> None:
    style = {"color": figures.MUTED, "linewidth": 1, "linestyle": ":", "zorder": 0}
    panel.axhline(ceiling, label="all corruptions ignored", **style)


def _legend(figure: Figure, handles: Any, labels: Any, columns: int) -> None:
    """A legend below all panels."""
    with figures.style():
        figure.legend(handles, labels, loc="outside lower center", ncols=columns)


_PHASE_MAP = ListedColormap([PHASE_COLORS[phase] for phase in Phase])
_PHASE_NORM = BoundaryNorm(np.arange(len(Phase) + 1) - 0.5, len(Phase))


def _phase_name(phase: Phase) -> str:
    return phase.name.lower().replace("_", " ")


def _phase_handles(phases: Any) -> list[patches.Patch]:
    return [patches.Patch(color=PHASE_COLORS[phase]) for phase in phases]
