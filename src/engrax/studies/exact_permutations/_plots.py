"""Figures: theory as lines, networks and samples as points with 95 % intervals."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from engrax.lab import figures, t_half_width

from . import _claims as claims

INK, BLUE, ORANGE, GREEN, PINK, YELLOW, SKY = figures.PALETTE[:7]
COLORS = {"ntk": BLUE, "readout": ORANGE, "standard": GREEN}
LABELS = {"ntk": "both layers (NTK)", "readout": "readout alone"}


def plots(run: Any) -> Mapping[str, Figure]:
    """The figures whose arms were run."""
    drawn: dict[str, tuple[tuple[str, ...], Callable[[Any], Figure]]] = {
        "accuracy": (("sizes", "ntk", "readout", "baselines", "linear"), accuracy),
        "means": (("coefficients", "mean_ntk", "mean_readout"), means),
        "process": (claims.WIDTHS, process),
        "one_input": (("sizes", "single_ntk", "single_readout", "ntk", "standard"), one_input),
        "all_inputs": (("sizes", "all_ntk", "all_readout"), all_inputs),
        "examples": (("missing_ntk", "missing_readout"), examples),
    }
    return {name: draw(run) for name, (arms, draw) in drawn.items() if all(a in run for a in arms)}


def points(ax: Axes, x: ArrayLike, values: np.ndarray, **look: Any) -> None:
    """Means over the first axis with their Student t intervals."""
    ax.errorbar(
        np.asarray(x), values.mean(0), yerr=t_half_width(values),
        **{"fmt": "o", "markersize": 5, "elinewidth": 1.2, "capsize": 2, "linestyle": "none"}
        | look,
    )  # fmt: skip


def accuracy(run: Any) -> Figure:
    """C3: share of all nonzero inputs that are right, against the number of networks."""
    ks = run["linear"]["k"].to_numpy()
    figure, axs = figures.panels(
        2, xlabel="networks averaged, N", ylabel="inputs right, of all 2^k - 1 (%)",
        titles=list(LABELS.values()),
    )  # fmt: skip
    with figures.style():
        figure.set_size_inches(7.2, 4.3)
        for panel, kind in zip(axs, LABELS, strict=True):
            for k, color in zip(ks, (SKY, BLUE, GREEN, ORANGE), strict=False):
                _growth(panel, run, kind, int(k), color)
            linear = 100 * run["linear"]["accuracy"].mean()
            panel.axhline(linear, color=INK, linewidth=1, linestyle=":")
            panel.plot([1], [linear], "D", color=INK, markersize=7, clip_on=False, zorder=5,
                       label="linear map, fitted once: right on all")  # fmt: skip
            panel.set(xscale="log", ylim=(0, 104))
        k = int(ks[-1])
        for name, style, label in (
            ("random_examples", "--", f"k = {k}, trained on k random inputs"),
            ("zero_start", "-.", f"k = {k}, untrained outputs subtracted"),
        ):
            values = 100 * run["baselines"][name].sel(k=k).to_numpy().mean(0)
            nets = np.arange(1, len(values) + 1)
            axs[0].plot(nets, values, color=PINK, linestyle=style, linewidth=1.2, label=label)
        handles, labels = axs[0].get_legend_handles_labels()
        handles.append(axs[1].plot([], [], "|", color=INK, markersize=10)[0])
        labels.append("theory: all right in 90 % of ensembles")
        figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=8)
    return figure


def _growth(ax: Axes, run: Any, kind: str, k: int, color: str) -> None:
    values = 100 * run[kind]["accuracy"].sel(k=k).to_numpy()
    size = claims.theory_exact(run, kind, k)
    nets = np.arange(1, values.shape[1] + 1)
    shown = nets <= max(2, run.config.allowance * size)
    figures.band(ax, nets[shown], values[:, shown], label=f"k = {k}", color=color)
    ax.plot([size], [100], "|", color=color, markersize=14, markeredgewidth=2, clip_on=False)


def means(run: Any) -> Figure:
    """C1: mean and spread of one-bits and zero-bits by the number of ones of the input."""
    config, theory = run.config, run["coefficients"]
    figure, axs = figures.panels(
        2, xlabel="ones in the input, n", ylabel="output bit", titles=list(LABELS.values())
    )
    with figures.style():
        figure.set_size_inches(7.2, 3.9)
        n = theory["ones"].to_numpy()
        for panel, kind in zip(axs, LABELS, strict=True):
            at = theory.sel(kernel=kind)
            spread = at["std"].to_numpy()
            for name, color, label in (("one", BLUE, "bit is 1"), ("zero", ORANGE, "bit is 0")):
                mean = at[name].to_numpy()
                panel.plot(n, mean, color=color, label=f"{label}: theory")
                panel.fill_between(n, mean - spread, mean + spread, color=color, alpha=0.15, lw=0)
                found = [
                    claims.net_means(run, kind, ones)[name == "zero"] for ones in config.mean_ones
                ]
                points(
                    panel, np.array(config.mean_ones), np.stack(found, 1), color=color,
                    label=f"{label}: {config.mean_nets} networks, width {config.mean_width}",
                )  # fmt: skip
            panel.axhline(0, color=INK, linewidth=1)
        handles, labels = axs[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=8)
        figure.suptitle(
            f"k = {config.mean_bits}; shaded: one standard deviation between networks", fontsize=10
        )
    return figure


def process(run: Any) -> Figure:
    """C2: covariance entry by entry, and what is left of finite width."""
    config = run.config
    widths = np.array(config.process_widths)
    with figures.style():
        figure = Figure(figsize=(7.2, 3.5))
        left, right = figure.subplots(1, 2)
        _, sigma = claims.process_theory(run)
        outputs = run[claims.WIDTHS[-1]]["outputs"].to_numpy().astype(float)
        off = outputs - outputs.mean(1, keepdims=True)
        found = np.einsum("snib,snjb->ij", off, off) / off[..., 0, :].size
        corner = np.triu_indices(len(sigma))
        left.plot(sigma[corner], found[corner], "o", color=BLUE, markersize=3)
        ends = [0, sigma.max() * 1.05]
        left.plot(ends, ends, color=INK, linewidth=1)
        left.set(
            xlabel="covariance, theory", ylabel="covariance between networks",
            title=f"width {widths[-1]}, {config.seeds} x {config.process_nets} networks",
        )  # fmt: skip
        for measure, color, marker, label in (
            (claims.covariance_error, BLUE, "o", "covariance, relative error"),
            (claims.mean_deviation, ORANGE, "s", "mean, deviation"),
        ):
            values = np.stack([measure(run, arm) for arm in claims.WIDTHS], 1)
            slope = claims.width_exponent(run, measure).mean()
            label = f"{label}: slope {slope:.2f}"
            points(right, widths, values, color=color, fmt=marker, label=label)
        start = claims.mean_deviation(run, claims.WIDTHS[0]).mean()
        right.plot(
            widths, start * (widths / widths[0]) ** -0.5, color=ORANGE, linestyle="--",
            linewidth=1, label="slope -1/2",
        )  # fmt: skip
        right.set(
            xscale="log", yscale="log", xlabel="width", ylabel="distance from theory",
            title=f"ensembles of {config.process_nets} networks",
        )  # fmt: skip
        right.set_xticks(widths, [f"{w:,}" for w in widths])
        right.minorticks_off()
        right.legend(loc="center right", bbox_to_anchor=(1.0, 0.62), fontsize=8)
    return figure


def one_input(run: Any) -> Figure:
    """C4: networks for 90 % of the inputs with two ones, against k."""
    sizes, config = run["sizes"], run.config
    figure, ax = figures.axes(
        xlabel="bits, k", ylabel="networks N for 90 % of inputs with two ones", height=4.4
    )
    with figures.style():
        k = sizes["k"].to_numpy()
        for kernel, label in LABELS.items():
            color = COLORS[kernel]
            ax.plot(k, sizes["single"].sel(kernel=kernel), color=color, label=f"theory, {label}")
            arm = run[f"single_{kernel}"]
            points(
                ax, arm["tick"], arm["size"].to_numpy(), color=color, fmt=".", markersize=4,
                label=f"sampled from the process, {label}",
            )  # fmt: skip
        ks = np.array(config.net_bits)
        for kind, marker, label in (("ntk", "o", "NTK"), ("standard", "s", "standard")):
            first = claims.first_crossings(run, kind)
            reached = np.isfinite(first).all(0)
            points(
                ax, ks[reached], first[:, reached], color=COLORS[kind], fmt=marker,
                fillstyle="none", label=f"first crossing, {label} networks, width {config.width}",
            )  # fmt: skip
        for kernel, label in LABELS.items():
            arm = run[f"single_{kernel}"]
            first = arm["first"].to_numpy().mean(0)
            grown = first > 0
            ax.plot(arm["tick"].to_numpy()[grown], first[grown], "x", color=COLORS[kernel],
                    label=f"first crossing, sampled, {label}")  # fmt: skip
        ax.plot(
            k, sizes["published"], "+", color=INK, markersize=6, label="official code, one trial"
        )
        ax.set(yscale="log", ylim=(0.8, None))
        ax.legend(loc="lower right", fontsize=7.5)
    return figure


def all_inputs(run: Any) -> Figure:
    """C5: networks for all nonzero inputs at once, against k."""
    sizes = run["sizes"]
    figure, ax = figures.axes(
        xlabel="bits, k", ylabel="networks N for all 2^k - 1 inputs", height=4.6
    )
    with figures.style():
        k = run["all_ntk"]["tick"].to_numpy()
        for kernel, label in LABELS.items():
            size, color = run[f"all_{kernel}"]["size"].to_numpy(), COLORS[kernel]
            slope = claims.all_exponent(run, kernel).mean()
            points(ax, k, size, color=color, label=f"{label}: slope {slope:.2f}")
            mean = np.log(size).mean() + 2 * (np.log(k) - np.log(k).mean())
            ax.plot(k, np.exp(mean), color=color, linestyle=":", linewidth=1.2)
            ax.plot(
                k, sizes["midpoint"].sel(kernel=kernel), color=color, linestyle="--", linewidth=1.2,
                label=f"{label}, rounded half-way between the means",
            )  # fmt: skip
        ax.plot([], [], color=INK, linestyle=":", label="slope 2")
        ax.axhline(1, color=INK, linewidth=1, label="linear map: one fit")
        ax.set(xscale="log", yscale="log")
        ax.set_xticks(k[::2], [str(value) for value in k[::2]])
        ax.minorticks_off()
        figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=2,
                      fontsize=8)  # fmt: skip
    return figure


def examples(run: Any) -> Figure:
    """C6: accuracy by the number of examples left out."""
    figure, ax = figures.axes(
        xlabel="one-hot examples left out", ylabel="inputs right, of all 2^k - 1 (%)"
    )
    with figures.style():
        missing = np.arange(3)
        for i, (kind, k) in enumerate(
            zip(("readout", "ntk"), run.config.missing_bits, strict=True)
        ):
            values = 100 * run[f"missing_{kind}"]["accuracy"].isel(tick=-1).to_numpy()
            nets = run[f"missing_{kind}"].sizes["tick"]
            label = f"{LABELS[kind]}, k = {k}, {nets} networks"
            points(ax, missing + 0.06 * i - 0.03, values, color=COLORS[kind], label=label)
            free = [100 * (2 ** (k - s) - (s > 0)) / (2**k - 1) - 100 * (s == 0) / (2**k - 1)
                    for s in missing]  # fmt: skip
            ax.plot(missing, free, color=COLORS[kind], linestyle="--", linewidth=1,
                    label=f"share of inputs without those bits, k = {k}")  # fmt: skip
        ax.set_xticks(missing, ["0", "1", "2"])
        ax.set(ylim=(0, 104))
        ax.legend(loc="upper right", fontsize=8)
    return figure
