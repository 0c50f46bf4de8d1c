"""The study's figures; each draws what the run holds."""

import itertools
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from engrax.continual import need_odds, rehearsal_weights
from engrax.lab import figures, t_half_width

from ._arms import cell_name
from ._claims import (
    COMBINED,
    REGULARIZERS,
    after,
    average,
    lead,
    needed,
    over_regularizers,
    steps_to_criterion,
)

INK, BLUE, RED, GREEN, PINK, ORANGE, SKY = figures.PALETTE[:7]
SCHEDULES = {
    "uniform": ("uniform", GREEN, "-"),
    "power": ("power law", RED, "-"),
    "exp": ("exponential, same mean lag", BLUE, "-"),
    "exp_lag1": ("exponential, same lag 1", SKY, "--"),
    "oldest": ("first task only", PINK, ":"),
    "recent": ("last task only", ORANGE, "-."),
    "none": ("none", INK, "--"),
}
"""Schedule -> what it is called, its color and its line."""

METHODS = {"ewc": "EWC", "si": "SI", "l2": "L2", "lwf": "LwF"}
SIZES = {"small": 0, "large": 1}


def plots(run: Any) -> dict[str, Figure]:
    """All figures for which the run has the arms."""
    found = {}
    if held := [name for name in SCHEDULES if f"{name}_small" in run]:
        found["matrices"] = _matrices(run, held)
    sizes = [size for size in SIZES if any(f"{name}_{size}" in run for name in SCHEDULES)]
    if sizes:
        found["ages"] = _ages(run, sizes)
    if all(cell in run for cell in ("power_middle_10", "none_middle_10", "ewc_middle_10")):
        found["robustness"] = _robustness(run)
    if all(name in run for name in ("power_small", "none_small", "fresh")):
        found["facilitation"] = _facilitation(run)
    if "need" in run:
        found["need"] = _need(run)
    if "power_small" in run and len(held) > 1:
        found["comparisons"] = _comparisons(run)
    return found


def _percent(run: Any, size: str) -> str:
    return f"r = {100 * run.config.shares[SIZES[size]]:g} %"


def _accuracies(arm: Any) -> np.ndarray:
    return arm["accuracy"].transpose("seed", "tick", "tested").to_numpy()


def _matrices(run: Any, names: list[str]) -> Figure:
    """The accuracy matrix R under each schedule, mean over seeds."""
    columns = min(4, len(names))
    figure, grid = figures.panels(
        columns,
        xlabel="tested on task",
        ylabel="after task",
        titles=[SCHEDULES[name][0].replace(", ", ",\n") for name in names],
        rows=-(-len(names) // columns),
    )
    image = None
    for panel, name in zip(grid, names, strict=False):
        values = 100 * _accuracies(run[f"{name}_small"]).mean(0)
        edges = np.arange(len(values) + 1) + 0.5
        image = panel.pcolormesh(edges, edges, values, vmin=0, vmax=100, cmap="viridis")
        panel.grid(visible=False)
        ticks = np.arange(1, len(values) + 1, 1 if len(values) < 6 else 3)
        panel.set(xticks=ticks, yticks=ticks, aspect="equal")
        if not panel.yaxis_inverted():
            panel.invert_yaxis()
    for i, panel in enumerate(grid):
        if i >= len(names):
            panel.set_axis_off()
        elif i + columns >= len(names):
            panel.set_xlabel("tested on task")
            panel.tick_params(labelbottom=True)
    with figures.style():
        assert image is not None
        figure.colorbar(image, ax=grid, label="test accuracy (%)", shrink=0.8)
        figure.suptitle(f"rehearsed images: {_percent(run, 'small')} of the new ones", fontsize=10)
    return figure


def _ages(run: Any, sizes: list[str]) -> Figure:
    """Accuracy after the last phase against how long ago a task was new."""
    figure, grid = figures.panels(
        len(sizes),
        xlabel="age of the task (phases)",
        ylabel="test accuracy (%)",
        titles=[_percent(run, size) for size in sizes],
    )
    for panel, size in zip(grid, sizes, strict=True):
        for name, (label, color, line) in SCHEDULES.items():
            if (arm := f"{name}_{size}") in run:
                values = 100 * _accuracies(run[arm])[:, -1, ::-1]
                figures.band(
                    panel, _since(values), values, label=label, color=color, linestyle=line
                )
        if "ewc" in run:
            values = 100 * _accuracies(run["ewc"])[:, -1, ::-1]
            figures.band(panel, _since(values), values, label="EWC, no rehearsal",
                         color=figures.MUTED, linestyle="-")  # fmt: skip
        if "joint" in run:
            values = 100 * _accuracies(run["joint"])[:, -1, ::-1]
            figures.band(panel, _since(values), values, label="all tasks at once",
                         color=figures.MUTED, linestyle=":")  # fmt: skip
    _legend_below(figure, grid[0])
    return figure


def _since(values: np.ndarray) -> np.ndarray:
    """Phases since each task was new, the newest first."""
    return np.arange(values.shape[1])


def _robustness(run: Any) -> Figure:
    """A_T against the share of rehearsal, and against the number of tasks."""
    config = run.config
    with figures.style():
        figure = Figure(figsize=(figures.WIDTH + 1, 3.6))
        left, right = figure.subplots(1, 2, sharey=True)
    methods = {"power": ("power law", RED, "-"), "ewc": ("EWC", BLUE, "--"),
               "none": ("fine-tuning", INK, ":")}  # fmt: skip
    shares = np.array(config.robust_shares)
    for name, (label, color, line) in methods.items():
        cells = [cell_name(name, share, "middle") for share in shares]
        if all(cell in run for cell in cells):
            values = np.stack([after(run[cell], config.tasks).to_numpy() for cell in cells], 1)
            figures.band(left, 100 * shares, 100 * values, label=label, color=color, linestyle=line)
    middle = shares[len(shares) // 2]
    for width, marker, size in (("narrow", "v", config.narrow), ("middle", "o", config.width),
                                ("wide", "^", config.wide)):  # fmt: skip
        for name, (_, color, line) in methods.items():
            cell = cell_name(name, middle, width)
            if cell not in run:
                continue
            held = run[cell]["accuracy"].sizes["tick"]
            tasks = [t for t in config.robust_tasks if t <= held]
            values = 100 * np.stack([after(run[cell], t).to_numpy() for t in tasks], 1)
            right.errorbar(
                tasks, values.mean(0), t_half_width(values), color=color, linestyle=line,
                marker=marker, capsize=2, markersize=5,
                label=f"{size} neurons" if name == "power" else None,
            )  # fmt: skip
    left.set(xscale="log", xlabel="rehearsed images (% of the new ones)",
             ylabel="mean accuracy over all tasks (%)", title=f"{config.tasks} tasks")  # fmt: skip
    left.set_xticks(100 * shares, [f"{100 * share:g}" for share in shares])
    left.minorticks_off()
    right.set(xscale="log", xlabel="tasks", title=f"r = {100 * middle:g} %")
    right.set_xticks(config.robust_tasks, [str(t) for t in config.robust_tasks])
    right.minorticks_off()
    lines, labels = left.get_legend_handles_labels()
    more, words = right.get_legend_handles_labels()
    lines.append(right.plot([], [], color=INK, linestyle=":")[0])
    labels.append("fine-tuning")
    with figures.style():
        figure.legend(lines + more, labels + words, loc="outside lower center", ncols=3)
    return figure


def _facilitation(run: Any) -> Figure:
    """Steps until a new task is learned, against its number, and accuracy early in a phase."""
    with figures.style():
        figure = Figure(figsize=(figures.WIDTH + 1, 3.5))
        left, right = figure.subplots(1, 2)
    arms = {"power_small": ("power law", RED, "-"), "none_small": ("fine-tuning", INK, "--"),
            "fresh": ("fresh net", BLUE, ":")}  # fmt: skip
    censored, x = 0, np.arange(0)
    for name, (label, color, line) in arms.items():
        steps, never = steps_to_criterion(run, name)
        censored += int(never.sum())
        x = steps["tick"].to_numpy()
        figures.band(
            left, x, steps.to_numpy().astype(float), label=label, color=color, linestyle=line
        )
        traced = run[name]["trace"].transpose("seed", "tick", "point").to_numpy()
        early = max(0, round(0.1 * traced.shape[-1]) - 1)
        figures.band(right, x, 100 * traced[..., early], label=label, color=color, linestyle=line)
    level = f"{100 * run.config.criterion:g} %"
    reached = "all runs got there" if not censored else f"{censored} runs never got there"
    left.set(xlabel="task", ylabel=f"steps to {level} test accuracy", yscale="log", title=reached)
    left.yaxis.set_major_locator(MaxNLocator(6))
    _plain(left.yaxis)
    right.set(xlabel="task", ylabel="test accuracy (%)", title="after a tenth of the phase")
    for panel in (left, right):
        panel.set_xticks(x[:: 1 if len(x) < 6 else 3])
    _legend_below(figure, left)
    return figure


def _need(run: Any) -> Figure:
    """Odds that a task is needed against the time since it last was, in both environments."""
    config = run.config
    with figures.style():
        figure = Figure(figsize=(figures.WIDTH + 1, 3.8))
        left, right = figure.subplots(1, 2)
    lag = np.arange(1.0, config.tasks)
    laws = (
        ("power", "power law", RED, "o-"),
        ("exp", "exponential, same mean lag", BLUE, "s--"),
    )
    for kind, label, color, line in laws:
        share = rehearsal_weights(kind, config.tasks - 1, config.b)[::-1]
        left.plot(lag, 100 * share, line, color=color, label=label, markersize=4)
    if "power_small" in run:
        counts = run["power_small"]["rehearsed"].transpose("seed", "tick", "tested").to_numpy()
        last = counts[0, -1, :-1][::-1]
        left.plot(lag, 100 * last / last.sum(), "x", color=INK, label="realized", markersize=6)
    left.set(xscale="log", yscale="log", xlabel="lag (phases)", ylabel="share of rehearsal (%)",
             title="phases, the last one")  # fmt: skip
    left.set_xticks(lag)
    for axis in (left.xaxis, left.yaxis):
        _plain(axis)
    left.set_yticks([2, 5, 10, 20, 50])
    left.set_ylim(1, 60)
    _pooled_odds(run, right)
    right.set(xscale="log", yscale="log", xlabel="steps since it was last performed",
              ylabel="odds of being needed", title="stochastic environment")  # fmt: skip
    for panel in (left, right):
        with figures.style():
            panel.legend(loc="lower left", fontsize=8)
    return figure


def _pooled_odds(run: Any, panel: Axes) -> None:
    """All seeds' logs as one, in bins of lags; both fits, and that from lag 2 on."""
    config, arm = run.config, run["need"]
    logs = [arm[name].transpose("seed", "tick").to_numpy() for name in ("task", "introduced")]
    offset = config.tasks * np.arange(len(logs[0]))[:, None]
    events, counted = (logs[0] + offset).ravel(), (~logs[1]).ravel()
    # Tasks of different seeds are different tasks; only the few lags across a seam are lost.
    many, length = config.tasks * len(offset), logs[0].shape[1]
    fits = []
    for least in (1, 2):
        fits.append(_seams(events, counted, many, config.max_lag, length, least))
    found, later = fits
    edges = np.unique(np.round(np.geomspace(1, config.max_lag + 1, 25)).astype(int))
    x, y = [], []
    hits = found.at_risk * found.odds / (1 + found.odds)
    for low, high in itertools.pairwise(edges):
        here = (found.lags >= low) & (found.lags < high)
        risk, hit = found.at_risk[here].sum(), hits[here].sum()
        if 0 < hit < risk:
            x.append(np.exp(np.average(np.log(found.lags[here]), weights=found.at_risk[here])))
            y.append(hit / (risk - hit))
    panel.plot(x, y, "o", color=INK, markersize=4, label="measured")
    lag = np.geomspace(1, config.max_lag, 200)
    panel.plot(lag, np.exp(found.intercept) * lag**found.slope, color=RED,
               label=f"power law, exponent {found.slope:.2f}")  # fmt: skip
    panel.plot(lag, np.exp(later.intercept) * lag**later.slope, color=RED, linestyle=":",
               label=f"the same from lag 2 on, {later.slope:.2f}")  # fmt: skip
    exponential = np.exp(found.rate_intercept + found.rate * lag)
    panel.plot(lag, exponential, color=BLUE, linestyle="--", label="exponential")
    panel.set_ylim(0.01 * min(y), 3 * max(y))  # room for the legend


def _seams(
    events: np.ndarray, counted: np.ndarray, tasks: int, longest: int, length: int, least: int
) -> Any:
    """`need_odds` of logs in a row: a gap without events and risks stands between two."""
    rows = events.reshape(-1, length)
    gap = np.full((len(rows), longest), -1)
    joined = np.concatenate([rows, gap], 1).ravel()
    there = np.concatenate([counted.reshape(rows.shape), np.zeros(gap.shape, bool)], 1).ravel()
    return need_odds(joined, tasks, longest, min_lag=least, counted=there)


def _comparisons(run: Any) -> Figure:
    """Win, tie or loss of the power law against everything else, with 95 % intervals."""
    rows = _rows(run)
    with figures.style():
        figure = Figure(figsize=(figures.WIDTH + 1, 1.5 + 0.27 * len(rows)))
        panel = figure.subplots()
    for row, (_, values) in enumerate(rows[::-1]):
        mean, half = values.mean(), t_half_width(values)
        word = "win" if mean - half > 0 else "loss" if mean + half < 0 else "tie"
        color = {"win": GREEN, "loss": RED, "tie": figures.MUTED}[word]
        panel.plot(values, np.full(len(values), row - 0.2), "o", color=figures.MUTED,
                   markersize=2.5, alpha=0.6, markeredgewidth=0)  # fmt: skip
        panel.plot([mean - half, mean + half], [row, row], color=color, lw=3)
        panel.plot(mean, row, "o", color=color, markersize=5)
        panel.text(1.01, row, f"{mean:+.1f}  {word}", transform=panel.get_yaxis_transform(),
                   va="center", fontsize=8.5, color=color)  # fmt: skip
    panel.axvline(0, color=INK, lw=0.8)
    panel.set_yticks(range(len(rows)), [label for label, _ in rows[::-1]])
    panel.set_ylim(-0.7, len(rows) - 0.4)
    panel.set_xlabel("power law minus the other, mean accuracy over all tasks (points)")
    panel.grid(visible=False, axis="y")
    return figure


def _rows(run: Any) -> list[tuple[str, np.ndarray]]:
    rows = []
    for size in SIZES:
        power = f"power_{size}"
        if power not in run:
            continue
        share = _percent(run, size)
        for name, (label, _, _) in SCHEDULES.items():
            if name != "power" and (other := f"{name}_{size}") in run:
                rows.append((f"{label}, {share}", 100 * lead(run, power, other).to_numpy()))
        if (other := f"uniform_{size}") in run:
            gap = needed(run, run[power]) - needed(run, run[other])
            rows.append((f"uniform, {share}, need-weighted", 100 * gap.to_numpy()))
    share = _percent(run, "small")
    for name, label in METHODS.items():
        if name in run:
            rows.append((f"{label}, {share}", 100 * lead(run, "power_small", name).to_numpy()))
    if all(name in run for name in REGULARIZERS):
        rows.append((f"best regularizer, {share}", 100 * over_regularizers(run).to_numpy()))
    for name in COMBINED:
        if name in run:
            label = f"power law + {METHODS[name.removeprefix('power_')]}, {share}"
            rows.append((label, 100 * lead(run, "power_small", name).to_numpy()))
    for name, b in zip(("shallow", "steep"), run.config.other_exponents, strict=True):
        if f"power_{name}" in run:
            gap = average(run["power_small"]) - average(run[f"power_{name}"])
            rows.append((f"power law, b = {b:g}, {share}", 100 * gap.to_numpy()))
    return rows


def _plain(axis: Axis) -> None:
    """Numbers as they are along a logarithmic axis."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _legend_below(figure: Figure, panel: Axes) -> None:
    lines, labels = panel.get_legend_handles_labels()
    with figures.style():
        figure.legend(lines, labels, loc="outside lower center", ncols=min(3, len(labels)))
