"""The study's figures; each draws what the run holds."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from engrax.lab import figures, t_half_width
from engrax.theory import chain_success

from ._chains import cells

COLORS = {
    "hebb": figures.PALETTE[1],
    "decay": figures.PALETTE[6],
    "delta": figures.PALETTE[2],
    "delta_swept": figures.PALETTE[5],
    "gated_delta": figures.PALETTE[5],
    "softmax": figures.PALETTE[3],
}
NAMES = {
    "hebb": "Hebb",
    "decay": "Hebb, decay",
    "delta": "delta",
    "delta_swept": "delta, many sweeps",
    "gated_delta": "gated delta",
    "softmax": "softmax",
}
MARKERS = dict(zip(NAMES, "osD^v*", strict=True))


def plots(run: Any) -> dict[str, Figure]:
    """All figures for which the run has the arms."""
    found = {}
    if "conditioning" in run:
        found["conditioning"] = _conditioning(run)
    if "adversarial" in run and "capacity_theory" in run:
        found["capacity"] = _capacity(run)
    if "chains" in run:
        found["chains"] = _chains(run)
    if "hebb" in run and "delta" in run:
        found["rules"] = _rules(run)
    if trained := [name for name in NAMES if f"trained_{name}" in run]:
        found["recall"] = _recall(run, trained)
        found["blocking"] = _blocking(run, trained)
    return found


def _conditioning(run: Any) -> Figure:
    """Responses in the experiments of the table, with the closed forms."""
    data = run["conditioning"]
    names = data["experiment"].to_numpy()
    rows = np.arange(len(names))[::-1]
    scale = run.config.rate * run.config.trials
    with figures.style():
        figure = Figure(figsize=(figures.WIDTH + 1, 4.4))
        left, right = figure.subplots(1, 2, sharey=True)
        for name in ("delta", "softmax"):
            left.plot(data[name], rows, MARKERS[name], color=COLORS[name], label=NAMES[name])
        left.plot(
            data["delta_theory"], rows, "|", color=figures.INK, markersize=13, label="closed form"
        )
        right.plot(
            data["hebb"] / scale, rows, MARKERS["hebb"], color=COLORS["hebb"], label=NAMES["hebb"]
        )
        right.plot(data["hebb_theory"] / scale, rows, "|", color=figures.INK, markersize=13)
        left.set_yticks(rows, names)
        left.set_xlabel("response (size of the US)")
        right.set_xlabel("response (all trials' worth)")
        figure.legend(loc="outside lower center", ncols=4)
    return figure


CAPACITIES = {
    "adversarial": ("values chosen against the key", figures.PALETTE[2], "-"),
    "bits": ("random values, 1 % of bits wrong", figures.PALETTE[1], "-"),
    "noisy": ("the same, noisy query", figures.PALETTE[6], "-"),
    "nearest": ("nearest of the stored values", figures.PALETTE[4], "-"),
    "bits_delta": ("delta rule, random values", figures.PALETTE[5], "--"),
    "bits_softmax": ("softmax, random values", figures.PALETTE[3], "--"),
}


def _capacity(run: Any) -> Figure:
    """Pairs over key features, for every criterion; and for correlated keys."""
    with figures.style():
        figure = Figure(figsize=(figures.WIDTH + 1.6, 4.6))
        left, right = figure.subplots(1, 2, sharey=True)
    theory = run["capacity_theory"]
    d = theory["d_key"].to_numpy()
    for name, (label, color, line) in CAPACITIES.items():
        if name in run:
            _curve(left, run[name].isel(cosine=0), label, color, line)
    for name in ("adversarial", "bits"):
        left.plot(
            d,
            theory[name].isel(cosine=0),
            ":",
            color=figures.INK,
            label="theory" * (name == "bits"),
        )
    for mu, color in zip(run.config.cosines, figures.PALETTE[1:], strict=False):
        for name, line, word in (("bits", "-", "random"), ("adversarial", "--", "adversarial")):
            where = {"cosine": mu, "method": "nearest"}
            if name in run:
                _curve(right, run[name].sel(**where), f"cosine {mu:g}, {word}", color, line)
            right.plot(d, theory[name].sel(**where), ":", color=figures.INK, linewidth=1)
    left.set_title("independent keys")
    right.set_title("correlated keys")
    for panel in (left, right):
        panel.set(xscale="log", yscale="log", xlabel="key features")
        panel.set_xticks(d, [str(n) for n in d], rotation=45)
        panel.minorticks_off()
        with figures.style():
            panel.legend(loc="upper left", fontsize=7.5)
    left.set_ylabel("pairs held")
    left.set_yticks(
        [2, 5, 10, 20, 50, 100, 200, 500, 1000], map(str, [2, 5, 10, 20, 50, 100, 200, 500, 1000])
    )
    left.set_ylim(2, 20 * d[-1] / 4)
    return figure


def _curve(panel: Any, data: Any, label: str, color: str, line: str) -> None:
    values = data["capacity"].isel(tick=-1).to_numpy()
    figures.band(panel, data["d_key"].to_numpy(), values, label=label, color=color, linestyle=line)


def _chains(run: Any) -> Figure:
    """Success over depth with clean-up, beside the law from one retrieval, and without."""
    config, data = run.config, run["chains"].isel(tick=-1)
    features = config.chain_d_keys
    load = config.chain_loads[-1]
    titles = [
        "the same, no clean-up" if raw else f"{d} features, {round(load * d)} pairs"
        for raw in (False, True)
        for d in features
    ]
    figure, grid = figures.panels(
        len(features), rows=2, xlabel="layers", ylabel="right at the end (%)", titles=titles
    )
    depth, all_cells = data["depth"].to_numpy(), cells(config)
    for panel, (record, d) in zip(
        grid, [(r, d) for r in ("cleaned", "raw") for d in features], strict=True
    ):
        for heads, color in zip(config.heads, figures.PALETTE[1:], strict=False):
            cell = all_cells.index((heads, d, round(load * d)))
            values = 100 * data[record].to_numpy()[:, cell]
            label = f"{heads} head" + "s" * (heads > 1)
            figures.band(panel, depth, values, label=label, color=color)
            if record == "cleaned":
                single = float(data["failure"].to_numpy()[:, cell].mean())
                law = 100 * chain_success(single, depth)
                panel.plot(depth, law, ":", color=figures.INK, label="(1 - p)^L" * (heads == 1))
        panel.set(xscale="log", ylim=(-3, 103))
        panel.set_xticks(depth, [str(n) for n in depth])
        panel.minorticks_off()
    _legend(figure, *grid[0].get_legend_handles_labels())
    return figure


def _rules(run: Any) -> Figure:
    """Error, recall and overwriting over load, at each mean cosine, for each rule."""
    config = run.config
    cosines = config.rule_cosines
    records = {
        "error": "relative error",
        "recall": "nearest value is right (%)",
        "overwrite": "new value wins (%)",
    }
    with figures.style():
        figure = Figure(figsize=(2.1 * max(len(cosines), 3), 6.4))
        grid = figure.subplots(3, len(cosines), sharex=True, sharey="row", squeeze=False)
    for row, (record, label) in zip(grid, records.items(), strict=True):
        row[0].set_ylabel(label)
        for panel, mu in zip(row, cosines, strict=True):
            for name in ("hebb", "delta", "delta_swept"):
                if name not in run:
                    continue
                data = run[name][record].isel(tick=-1).sel(cosine=mu, method="nearest")
                scale = 1 if record == "error" else 100
                values = scale * data.to_numpy()
                x = data["load"].to_numpy()
                figures.band(panel, x, values, label=NAMES[name], color=COLORS[name])
            if record == "error":
                panel.set_title(f"mean cosine {mu:g}")
                panel.set_ylim(0, 2.5)
            if record == "overwrite":
                panel.set_xlabel("pairs / features")
    _legend(figure, *grid[0][0].get_legend_handles_labels())
    return figure


def _recall(run: Any, names: list[str]) -> Figure:
    """Accuracy over training at each number of pairs, for each write rule."""
    pairs = run.config.pairs
    titles = [f"{n} pairs, {run.config.d_key} features" for n in pairs]
    figure, grid = figures.panels(
        len(pairs), xlabel="optimizer step", ylabel="recalled (%)", titles=titles
    )
    for panel, n in zip(grid, pairs, strict=True):
        for name in names:
            data = run[f"trained_{name}"]["test"].sel(pairs=n)
            step = data["tick"].to_numpy()
            figures.band(panel, step, 100 * data.to_numpy(), label=NAMES[name], color=COLORS[name])
        chance = 100 / run.config.values
        panel.axhline(chance, color=figures.MUTED, linestyle=":", linewidth=1, label="chance")
        panel.set_ylim(-3, 103)
    _legend(figure, *grid[0].get_legend_handles_labels())
    return figure


def _blocking(run: Any, names: list[str]) -> Figure:
    """What trained memories respond to a blocked stimulus, relative to the control."""
    figure, panel = figures.axes(
        xlabel="response to the blocked stimulus / control", ylabel="", height=2.8
    )
    pairs = run.config.pairs
    offsets = np.linspace(0.25, -0.25, len(pairs)) if len(pairs) > 1 else [0.0]
    rows = np.arange(len(names))[::-1]
    for j, (n, offset) in enumerate(zip(pairs, offsets, strict=True)):
        for row, name in zip(rows, names, strict=True):
            values = run[f"trained_{name}"]["final"]["ratio"].to_numpy()[:, j]
            panel.errorbar(
                values.mean(),
                row + offset,
                xerr=t_half_width(values),
                fmt="osD^"[j % 4],
                markersize=5,
                color=figures.PALETTE[1 + j],
                label=f"{n} pairs" if row == rows[0] else None,
            )
    panel.axvline(1.0, color=figures.MUTED, linewidth=1, linestyle=":")
    panel.axvline(0.5, color=figures.INK, linewidth=1, linestyle="--")
    panel.set_yticks(rows, [NAMES[name] for name in names])
    with figures.style():
        panel.legend(loc="best")
    return figure


def _legend(figure: Figure, handles: Any, labels: Any) -> None:
    """A legend below all panels, each label once."""
    once = dict(zip(labels, handles, strict=True))
    once.pop("", None)
    with figures.style():
        figure.legend(once.values(), once.keys(), loc="outside lower center", ncols=5)
