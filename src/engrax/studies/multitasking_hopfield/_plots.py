"""Figures: theory as lines, simulation as points with 95 % intervals, baselines beside them."""

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from engrax.lab import figures, t_half_width

from . import _claims as claims
from ._shown_plots import diagram, images

INK, BLUE, ORANGE, GREEN, PINK, YELLOW, SKY = figures.PALETTE[:7]
MUTED = figures.MUTED


def plots(run: Any) -> dict[str, Figure]:
    """The figures whose arms were run."""
    teachers = tuple(f"teacher_{100 * r:.0f}" for r in run.config.learn_qualities)
    drawn: dict[str, tuple[tuple[str, ...], Callable[[Any], Figure]]] = {
        "tasks": (("ladder_theory", "tasks"), tasks),
        "ladder": (("ladder_theory", "rungs", "onset"), ladder),
        "parallel": (("parallel_theory", "parallel_small", "parallel_large"), parallel),
        "teacher": (("learning_theory", *teachers), teacher),
        "collapse": (("learning_theory", "collapse"), collapse),
        "loss": (("stability_theory", "descent", "stability"), loss),
        "growth": (("growth",), growth),
        "diagram": (("diagram_theory", "diagram"), diagram),
        "images": (("images",), images),
    }
    return {name: draw(run) for name, (arms, draw) in drawn.items() if all(a in run for a in arms)}


def points(ax: Axes, x: ArrayLike, values: np.ndarray, *, color: str, **kw: Any) -> None:
    """Means over seeds (seed, point) with their Student t intervals."""
    style = {"fmt": "o", "markersize": 5, "elinewidth": 1.2, "capsize": 2, "linestyle": "none"}
    ax.errorbar(
        np.asarray(x), values.mean(0), yerr=t_half_width(values), color=color, **(style | kw)
    )


def tasks(run: Any) -> Figure:
    """C1: overlaps by rank, from three starts, of the network with blanks and of the dense one."""
    config = run.config
    with figures.style():
        figure = Figure(figsize=(7.2, 3.6))
        left, right = figure.subplots(1, 2, gridspec_kw={"width_ratios": (1.5, 1)})
        rank = 1 + np.arange(config.tasks_patterns)
        left.plot(rank, run["ladder_theory"]["tasks_m"], color=INK, label="theory, with blanks")
        shown = (
            ("ladder", BLUE, "o", "with blanks, from the ladder"),
            ("noisy", SKY, "s", f"from a cue with {100 * config.damage:.0f} % flipped"),
            ("pure", GREEN, "D", "from the first pattern alone"),
            ("dense", ORANGE, "v", "no blanks"),
            ("mixture", PINK, "^", "no blanks, mixture of three"),
        )
        for i, (name, color, marker, label) in enumerate(shown):
            m = claims.falling(claims.task(run, name))
            points(left, rank + 0.09 * (i - 2), m, color=color, fmt=marker, label=label)
        level = claims.threshold(config.tasks_size, config.tasks_dilution)
        left.axhline(level, color=MUTED, linestyle=":", label="there, above")
        left.set(
            xlabel="pattern, by size of overlap", ylabel="overlap |m|", ylim=(0, 1.05),
            title=f"N = {config.tasks_size}, d = {config.tasks_dilution}, T = {config.cold}",
        )  # fmt: skip
        left.set_xticks(rank)
        left.legend(fontsize=7.5)
        errors = [claims.worst_error(run, "ladder"), claims.mixture_error(run)]
        for at, (error, color) in enumerate(zip(errors, (BLUE, PINK), strict=True)):
            right.bar([at], [100 * error.mean()], color=color, alpha=0.3, width=0.6)
            jitter = np.linspace(-0.18, 0.18, len(error))
            right.plot(at + jitter, 100 * error, "o", color=color, markersize=3)
        right.set_xticks([0, 1], ["with blanks,\nworst pattern", "no blanks,\nmixture"])
        right.axhline(25, color=INK, linewidth=1, linestyle="--", label="theory of the mixture")
        right.set(ylabel="wrong bits on own sites (%)", title="error", ylim=(0, 31))
        right.legend(fontsize=8, loc="upper left")
    return figure


def ladder(run: Any) -> Figure:
    """C2: rungs on a log scale, and where the ladder of three patterns ends."""
    config, theory = run.config, run["ladder_theory"]
    with figures.style():
        figure = Figure(figsize=(7.2, 3.5))
        left, right = figure.subplots(1, 2)
        rank = 1 + np.arange(config.ladder_patterns)
        for i, (d, color) in enumerate(
            zip(config.ladder_dilutions, (BLUE, ORANGE, GREEN, PINK), strict=False)
        ):
            left.plot(rank, theory["m"].sel(dilution=d), color=color)
            left.plot(rank, d ** (rank - 1.0), color=color, linestyle=":", linewidth=1)
            m = claims.rungs(run, d)
            points(left, rank + 0.05 * (i - 1.5), m, color=color, fmt="osDv"[i], label=f"d = {d}")
        left.set_yscale("log")
        left.set_ylim(0.005, 1.5)
        left.set_xticks(rank)
        left.set(
            xlabel="rung (pattern by size of overlap)", ylabel="overlap m",
            title=f"N = {config.ladder_size}, T = {config.cold}",
        )  # fmt: skip
        left.plot([], [], color=INK, label="theory")
        left.plot([], [], color=INK, linestyle=":", label="$d^{\\mu-1}$")
        left.legend(fontsize=8, loc="lower left")
        grid = np.array(config.onset_dilutions)
        right.plot(grid, theory["onset_m"], color=INK, label="theory")
        m = claims.falling(run["onset"]["m"].to_numpy())[..., 0]
        points(right, grid, m, color=BLUE, label=f"simulation, N = {config.onset_size}")
        right.axvline(float(theory["critical"]), color=ORANGE, linestyle="--",
                      label="golden ratio 0.618")  # fmt: skip
        right.set(xlabel="dilution d (share of blanks)", ylabel="largest overlap",
                  title="three patterns, T = 0")  # fmt: skip
        right.legend(fontsize=8, loc="upper right")
        right.set_ylim(0.92, 1.055)
    return figure


def parallel(run: Any) -> Figure:
    """C3: overlaps against dilution, and their spread against N."""
    config, theory = run.config, run["parallel_theory"]
    with figures.style():
        figure = Figure(figsize=(7.2, 3.5))
        left, right = figure.subplots(1, 2)
        d = np.array(config.parallel_dilutions)
        for i, color in enumerate((BLUE, ORANGE, GREEN)):
            left.plot(theory["line"], theory["m_line"][:, i], color=color,
                      label=f"theory, m{i + 1}")  # fmt: skip
            m = claims.falling(run["parallel_large"]["m"].to_numpy())[..., i]
            points(left, d, m, color=color, fmt="osD"[i])
        left.plot([], [], "o", color=INK, label=f"simulation, N = {config.parallel_sizes[1]}")
        left.set(xlabel="dilution d (share of blanks)", ylabel="overlap m",
                 title=f"K = 3, T = {config.warm}")  # fmt: skip
        left.legend(fontsize=8)
        sizes = np.array(config.parallel_sizes)
        for i, (value, color) in enumerate(zip(d, (ORANGE, BLUE, GREEN), strict=True)):
            found = np.stack([claims.spread(run, value, w) for w in ("small", "large")], axis=1)
            points(right, sizes, found, color=color, fmt="osD"[i], label=f"d = {value:g}")
            expected = float(np.ptp(theory["m"].to_numpy()[i]))
            if expected > 1e-6:
                right.axhline(expected, color=color, linewidth=1, label="theory")
            else:
                right.plot(sizes, found[:, 0].mean() * (sizes / sizes[0]) ** -0.5, "--",
                           color=color, linewidth=1)  # fmt: skip
        right.plot([], [], "--", color=MUTED, label="slope -1/2")
        right.set_xscale("log")
        right.set_yscale("log")
        right.set_xticks(sizes, [str(n) for n in sizes])
        right.minorticks_off()
        right.set_yticks([0.02, 0.05, 0.1, 0.2, 0.4], ["0.02", "0.05", "0.1", "0.2", "0.4"])
        right.set(xlabel="spins N", ylabel="largest - smallest overlap", title="spread")
        right.set_xlim(sizes[0] / 1.4, sizes[1] * 1.4)
        right.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, 0.9))
    return figure


def teacher(run: Any) -> Figure:
    """C4: overlaps with and without a teacher against the number of examples."""
    config, theory = run.config, run["learning_theory"]
    known = float(theory["known"])
    figure, axs = figures.panels(
        len(config.learn_qualities), xlabel="examples M of each pattern", ylabel="mean overlap m",
        titles=[f"quality r = {r}" for r in config.learn_qualities],
    )  # fmt: skip
    with figures.style():
        for ax, r in zip(axs, config.learn_qualities, strict=True):
            arm = run[f"teacher_{100 * r:.0f}"]
            count = arm["tick"].to_numpy().astype(float)
            ax.plot(theory["examples"], theory[f"curve_{100 * r:.0f}"], color=INK,
                    label="theory, with a teacher")  # fmt: skip
            for name, color, marker, shift in (
                ("supervised", BLUE, "o", 0.97), ("unsupervised", ORANGE, "s", 1.03)
            ):  # fmt: skip
                label = f"{'with' if name == 'supervised' else 'without'} a teacher"
                m = arm[name].to_numpy().mean(-1)
                points(ax, shift * count, m, color=color, fmt=marker, label=label)
            ax.axhline(0.9 * known, color=MUTED, linestyle=":", label="90 % of known patterns")
            ax.axhline(r, color=PINK, linestyle="--", linewidth=1, label="one example, m = r")
            ax.set_xscale("log")
            ax.minorticks_off()
            ax.set_ylim(0, 1)
        ticks = (*config.learn_examples, config.learn_more)
        axs[0].set_xticks(ticks, [str(c) for c in ticks])
        figure.set_size_inches(7.2, 3.6)
        figure.legend(*axs[0].get_legend_handles_labels(), loc="outside lower center", ncols=3,
                      fontsize=8)  # fmt: skip
    return figure


def collapse(run: Any) -> Figure:
    """C5: overlap against rho for all numbers of examples."""
    config, theory = run.config, run["learning_theory"]
    figure, ax = figures.axes(
        xlabel="data-set entropy rho = (1 - r²) / (M r²)", ylabel="mean overlap m",
        title=f"K = 3, d = {config.learn_dilution}, T = {config.warm}, N = {config.learn_size}",
    )  # fmt: skip
    with figures.style():
        ax.plot(theory["fine"], theory["m_fine"], color=INK, label="theory, many examples")
        rho, m = np.array(config.entropies), claims.collapsed(run)
        for i, (count, color) in enumerate(
            zip(config.collapse_examples, (ORANGE, BLUE, GREEN), strict=False)
        ):
            points(ax, rho * 1.06 ** (i - 1), m[:, :, i], color=color, fmt="sov"[i],
                   label=f"M = {count}")  # fmt: skip
            if count < 10:
                ax.plot(rho * 1.06 ** (i - 1), theory["cells"][:, i], "_", color=INK,
                        markersize=14, markeredgewidth=1.5,
                        label=f"theory, exactly {count} examples")  # fmt: skip
        ax.set_xscale("log")
        ax.set_xticks(rho, [f"{value:g}" for value in rho])
        ax.minorticks_off()
        ax.set_ylim(0, 1)
        ax.legend(loc="lower left", fontsize=8)
    return figure


def loss(run: Any) -> Figure:
    """C6: energy against loss along trajectories, and one-step stability against rho."""
    config, theory = run.config, run["stability_theory"]
    with figures.style():
        figure = Figure(figsize=(7.2, 3.5))
        left, right = figure.subplots(1, 2)
        ticks = run["descent"]["tick"].to_numpy()
        for rho, color in zip(ticks, (INK, BLUE, ORANGE), strict=False):
            arm = run["descent"].sel(tick=rho)
            energy = arm["energy"].to_numpy() / config.descent_size
            label = "patterns stored" if rho == 0 else f"learned, rho = {rho:g}"
            for seed in range(min(5, len(energy))):
                left.plot(arm["loss"].to_numpy()[seed], energy[seed], color=color, linewidth=1,
                          alpha=0.8, label=label if seed == 0 else "")  # fmt: skip
        left.set(xlabel="loss of the archetypes, sum of L+ L-", ylabel="energy per spin",
                 title="relaxation at T = 0 (5 seeds)")  # fmt: skip
        left.legend(fontsize=8)
        rho = np.array(config.stability_entropies)
        right.plot(rho, 100 * theory["stable"], color=INK, label="signal and noise (erf)")
        points(right, rho, 100 * run["stability"]["stable"].to_numpy(), color=BLUE,
               label=f"simulation, N = {config.descent_size}")  # fmt: skip
        right.set_xscale("log")
        right.set_xticks(rho, [f"{value:g}" for value in rho])
        right.minorticks_off()
        right.set(xlabel="data-set entropy rho", ylabel="stable bits of the first pattern (%)",
                  title=f"one step, d = {config.descent_dilution}")  # fmt: skip
        right.legend(fontsize=8)
    return figure


def growth(run: Any) -> Figure:
    """C7: patterns held at once against N, with blanks and without."""
    config = run.config
    figure, ax = figures.axes(
        xlabel="spins N", ylabel="patterns held at once", title=f"T = 0, d = "
        f"{config.growth_dilution}, K = whole part of ln N / ln(1/d)",
    )  # fmt: skip
    with figures.style():
        sizes = np.array(config.growth_sizes, float)
        for dense, color, marker, label in (
            (False, BLUE, "o", "with blanks"), (True, ORANGE, "s", "without"),
        ):  # fmt: skip
            count = claims.counts(run, dense=dense)
            points(ax, sizes, count, color=color, fmt=marker, label=label)
        count = claims.counts(run).mean(0)
        slope, start = np.polyfit(np.log(sizes), count, 1)
        ax.plot(sizes, start + slope * np.log(sizes), color=BLUE, linewidth=1,
                label=f"{slope:.2f} ln N + const")  # fmt: skip
        d = config.growth_dilution
        level = 1 + np.log(np.sqrt(sizes * (1 - d)) / 3) / np.log(1 / d)
        ax.plot(sizes, level, color=INK, linestyle="--", linewidth=1,
                label="rung whose overlap is the threshold")  # fmt: skip
        ax.set_xscale("log")
        ax.set_xticks(sizes, [f"{n:g}" for n in sizes])
        ax.minorticks_off()
        ax.set_ylim(0)
        ax.legend(fontsize=8)
    return figure
