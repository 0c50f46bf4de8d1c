"""Figures: theory as lines, simulation as points with 95 % intervals, in the same axes."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from engrax.lab import figures, t_half_width
from engrax.theory import detection_overlap

from . import _claims as claims
from ._diagram_plot import phase_diagram

INK, BLUE, ORANGE, GREEN, PINK, YELLOW, SKY = figures.PALETTE[:7]


def plots(run: Any) -> dict[str, Figure]:
    """The figures whose arms were run."""
    drawn: dict[str, tuple[tuple[str, ...], Callable[[Any], Figure]]] = {
        "theory_and_simulation": (("replica_symmetric", "stored", "examples"), overlaps),
        "phase_diagram": (("phase_diagram", "probe_theory", "probes"), phase_diagram),
        "ultra_storage": (("storage_p2", "storage_p3", "capacity_p2", "capacity_p4"), storage),
        "ultra_detection": (("detection_p4", "detection_p2"), detection),
        "examples_needed": (("low_load", "quality_p3", "quality_p4"), quality),
        "images": (("mnist_pixels", "fashion_pixels"), images),
        "speed": (("speed", "expansions"), speed),
    }
    return {name: draw(run) for name, (arms, draw) in drawn.items() if all(a in run for a in arms)}


def points(
    ax: Axes,
    x: ArrayLike,
    values: np.ndarray,
    *,
    label: str,
    color: str,
    marker: str = "o",
    **kw: Any,
) -> None:
    """Means over seeds (seed, point) with their Student t intervals."""
    ax.errorbar(
        np.asarray(x), values.mean(0), yerr=t_half_width(values), fmt=marker, color=color,
        label=label, markersize=5, elinewidth=1.2, capsize=2, linestyle="none", **kw,
    )  # fmt: skip


def overlaps(run: Any) -> Figure:
    """C1: overlaps against load, for stored patterns and for examples; sizes and extrapolation."""
    theory, config = run["replica_symmetric"], run.config
    rho = theory["entropy"].to_numpy()
    titles = [
        f"{what}, rho = {value:.2g}: {record}"
        for record in ("m", "q")
        for what, value in (("patterns stored", rho[0]), ("examples", rho[1]))
    ]
    figure, axs = figures.panels(
        2, rows=2, xlabel="load gamma = K N / (2 C(N, P))", ylabel="overlap", titles=titles
    )
    with figures.style():
        figure.set_size_inches(7.2, 6.0)
        for panel, record, row, arm in zip(
            axs, ("m", "m", "q", "q"), (0, 1, 0, 1), ("stored", "examples") * 2, strict=True
        ):
            curve = theory[f"{record}_curve"].to_numpy()[row].copy()
            curve[np.abs(theory["m_curve"].to_numpy()[row]) < 0.1] = np.nan
            panel.plot(theory["fine_load"], curve, color=INK, label="theory, N = infinity")
            values = claims.by_size_and_load(run, arm, record)
            loads = np.array(config.loads)
            for i, (size, color) in enumerate(zip(config.sizes, (SKY, BLUE, GREEN), strict=False)):
                points(
                    panel, loads, values[:, i], label=f"simulation, N = {size}", color=color,
                    marker="osv"[i],
                )  # fmt: skip
            points(
                panel, loads, claims.extrapolated(run, arm, record), color=ORANGE, marker="D",
                label="simulation, extrapolated in 1/N", fillstyle="none",
            )  # fmt: skip
        axs[0].legend(loc="lower left", fontsize=8)
        figure.suptitle(
            f"P = {config.order}, T = {config.temperature}: overlap m with the archetype, "
            "and q", fontsize=10,
        )  # fmt: skip
    return figure


def storage(run: Any) -> Figure:
    """C2: retrieval at one K for several P, and capacities against N."""
    config = run.config
    with figures.style():
        figure = Figure(figsize=(7.2, 3.5))
        left, right = figure.subplots(1, 2, gridspec_kw={"width_ratios": (1, 1.6)})
        orders = [p for p in config.storage_orders if f"storage_p{p}" in run]
        for order, color in zip(orders, (BLUE, ORANGE, GREEN), strict=False):
            m = run[f"storage_p{order}"]["m"].to_numpy()[:, 0]
            jitter = np.linspace(-0.18, 0.18, len(m))
            left.bar([f"P = {order}"], [m.mean()], color=color, alpha=0.3, width=0.62)
            left.plot(orders.index(order) + jitter, m, "o", color=color, markersize=3)
        left.set(
            xlabel="interaction order", ylabel="final overlap m", ylim=(0, 1.05),
            title=f"N = {config.storage_size}, K = {config.storage_patterns}, "
            f"{100 * config.damage:.0f} % flipped",
        )  # fmt: skip
        for order, color in zip((2, 3, 4), (BLUE, ORANGE, GREEN), strict=True):
            if f"capacity_p{order}" not in run:
                continue
            arm = run[f"capacity_p{order}"]
            size, count = arm["tick"].to_numpy(), arm["capacity"].to_numpy()
            slope = claims.capacity_exponent(run, order)
            points(
                right, size, np.log(count), color=color, marker="osD"[order - 2],
                label=f"P = {order}: slope {slope.mean():.2f}",
            )  # fmt: skip
            reference = np.log(count).mean() + (order - 1) * (np.log(size) - np.log(size).mean())
            right.plot(size, reference, color=color, linestyle="--", linewidth=1)
        counts = np.array([10, 100, 1000, 10_000])
        right.set_yticks(np.log(counts), [f"{c:,}" for c in counts])
        right.set_xscale("log")
        right.set_xticks([50, 70, 100, 140], ["50", "70", "100", "140"], minor=False)
        right.minorticks_off()
        right.set(
            xlabel="spins N", ylabel="patterns K with m > 0.9",
            title="capacity (dashed: slope P - 1)",
        )  # fmt: skip
        right.legend(loc="center right", bbox_to_anchor=(1.0, 0.36))
    return figure


def detection(run: Any) -> Figure:
    """C3: one-step and relaxed overlaps against N for both orders."""
    config = run.config
    noise = list(config.detection_noise)
    figure, axs = figures.panels(
        len(noise), xlabel="spins N", ylabel="overlap m with the stored pattern",
        titles=[f"storage noise {tau:g} sqrt(N)" for tau in noise],
    )  # fmt: skip
    with figures.style():
        figure.set_size_inches(7.2, 3.4)
        for panel, tau in zip(axs, noise, strict=True):
            expected = float(detection_overlap(tau, config.detection_load))
            panel.axhline(expected, color=INK, label="P = 4, theory, one step")
            size = run["detection_p4"]["tick"].to_numpy()
            for order, color, marker in ((4, ORANGE, "D"), (2, BLUE, "o")):
                one, end = (claims.detected(run, order, tau, r) for r in ("one_step", "relaxed"))
                points(panel, size / 1.03, one, label=f"P = {order}, one step", color=color,
                       marker=marker)  # fmt: skip
                points(panel, size * 1.03, end, label=f"P = {order}, relaxed", color=color,
                       marker=marker, fillstyle="none")  # fmt: skip
            panel.set_xscale("log")
            panel.set_xticks(size, [str(n) for n in size])
            panel.minorticks_off()
            panel.set_ylim(-0.1, 1.08)
        axs[-1].legend(loc="center right", fontsize=8)
    return figure


def quality(run: Any) -> Figure:
    """C4: m against rho for all qualities, and the examples needed for m = 0.9."""
    config, theory = run.config, run["low_load"]
    colors = (BLUE, GREEN, ORANGE, PINK)
    with figures.style():
        figure = Figure(figsize=(8.6, 3.5))
        axs = figure.subplots(1, 3)
        r, rho = np.array(config.qualities), np.array(config.entropies)
        enough = claims.enough_examples(config)
        for panel, order in zip(axs, (3, 4), strict=False):
            curve = theory["m_curve"].sel(order=order)
            panel.plot(theory["fine"], curve, color=INK, label="theory")
            m = claims.by_quality(run, order)
            for i, color in enumerate(colors[: len(r)]):
                kept = enough[i]
                points(panel, rho[kept], m[:, i, kept], label=f"r = {r[i]:g}", color=color,
                       marker="osDv"[i])  # fmt: skip
                if not kept.all():
                    points(panel, rho[~kept], m[:, i, ~kept], label="", color=color,
                           marker="osDv"[i], fillstyle="none", alpha=0.7)  # fmt: skip
            single = run[f"quality_p{order}"]["m"].to_numpy()[:, enough.size :]
            one = (1 - r**2) / r**2
            near = one < 8
            points(panel, one[near], single[:, near], label="one example", color=figures.MUTED,
                   marker="X")  # fmt: skip
            panel.set_xscale("log")
            panel.set(
                xlabel="data-set entropy rho", ylabel="overlap m with the archetype",
                title=f"P = {order}, T = {config.quality_temperature}", ylim=(0.3, 1.02),
            )  # fmt: skip
            ticked(panel, (0.02, 0.1, 0.5, 2.0, 5.0))
        axs[0].legend(loc="lower left", fontsize=8, title="open: under 10 examples",
                      title_fontsize=8)  # fmt: skip
        for order, color, marker in ((3, ORANGE, "s"), (4, GREEN, "D")):
            counts = claims.thresholds(run, order)
            shown = counts.mean(0) >= claims.ENOUGH_EXAMPLES
            if not shown.any():
                continue
            axs[2].loglog(r[shown], counts.mean(0)[shown], marker, color=color,
                          label=f"P = {order}")  # fmt: skip
            line = counts.mean(0)[shown][0] * (r[shown] / r[shown][0]) ** -2
            axs[2].loglog(r[shown], line, "--", color=color, linewidth=1)
        ticked(axs[2], r[enough.any(1)], (20, 50, 100, 200))
        axs[2].set(xlabel="quality r of an example", ylabel="examples for m = 0.9",
                   title="threshold (dashed: 1/r²)")  # fmt: skip
        axs[2].legend(loc="upper right")
    return figure


def images(run: Any) -> Figure:
    """C5: accuracy against order for each number of examples, data set and encoding."""
    config = run.config
    shown = [
        (f"{data}_{encoding}", f"{name}, {encoding}")
        for data, name in (("mnist", "MNIST"), ("fashion", "Fashion-MNIST"))
        for encoding in ("pixels", "projections")
        if f"{data}_{encoding}" in run
    ]
    columns = 2
    figure, axs = figures.panels(
        columns, rows=-(-len(shown) // columns), xlabel="interaction order P",
        ylabel="accuracy of the relaxed state (%)", titles=[title for _, title in shown],
    )  # fmt: skip
    with figures.style():
        figure.set_size_inches(7.2, 2.9 * (-(-len(shown) // columns)) + 0.2)
        for panel, (arm, _) in zip(axs, shown, strict=False):
            data = run[arm]
            for count, color in zip(
                config.image_examples, (SKY, YELLOW, GREEN, BLUE), strict=False
            ):
                accuracy = 100 * data["accuracy"].sel(tick=count).to_numpy()
                figures.band(panel, np.array(config.image_orders), accuracy,
                             label=f"{count} image{'s' * (count > 1)} a class",
                             color=color)  # fmt: skip
            most = {"tick": config.image_examples[-1]}
            for record, color, style, label in (
                ("exponential", PINK, ":", "exponential memory, all examples"),
                ("nearest", INK, "--", "nearest archetype, no dynamics"),
            ):
                level = 100 * float(data[record].sel(most).mean())
                panel.axhline(level, color=color, linestyle=style, label=label)
            panel.axhline(10, color=figures.MUTED, linewidth=0.8, label="chance")
            panel.set_xscale("log")
            panel.set_xticks(config.image_orders, [str(p) for p in config.image_orders])
            panel.minorticks_off()
            panel.set_ylim(0, 100)
        figure.legend(*axs[0].get_legend_handles_labels(), loc="outside lower center", ncols=3,
                      fontsize=8)  # fmt: skip
    return figure


Ticks = Sequence[float] | Sequence[int] | np.ndarray


def ticked(ax: Axes, x: Ticks, y: Ticks = ()) -> None:
    """Plain numbers as the only ticks of logarithmic axes; no `y` leaves that axis as it is."""
    low, high = ax.get_ylim()
    ax.xaxis.set_ticks(np.asarray(x), [f"{value:g}" for value in np.asarray(x)])
    ax.xaxis.set_ticks([], minor=True)
    shown = [value for value in np.asarray(y) if low <= value <= high]
    if shown:
        ax.yaxis.set_ticks(shown, [f"{value:g}" for value in shown])
        ax.yaxis.set_ticks([], minor=True)


def speed(run: Any) -> Figure:
    """C6: seconds of a sweep against N, and expansions against the exact sampler."""
    data, config = run["speed"], run.config
    with figures.style():
        figure = Figure(figsize=(7.2, 3.4))
        left, right = figure.subplots(1, 2)
        for dim, record, color, marker, label in (
            ("size", "seconds", BLUE, "o", f"power sums, K = {config.timing_patterns:,}"),
            ("tensor_size", "tensor_seconds", ORANGE, "D", "tensor of couplings"),
        ):
            size, milliseconds = data[dim].to_numpy(), 1e3 * data[record].to_numpy().T
            slope = claims.time_exponent(run, "power sums" if dim == "size" else "tensor")
            left.loglog(size, np.median(milliseconds, axis=0), marker, color=color,
                        label=f"{label}: N^{slope.mean():.1f}")  # fmt: skip
            fit = np.exp(np.polyval(np.polyfit(np.log(size), np.log(milliseconds).mean(0), 1),
                                    np.log(size)))  # fmt: skip
            left.loglog(size, fit, color=color, linewidth=1)
        left.set(xlabel="spins N", ylabel="milliseconds a sweep",
                 title=f"P = {config.timing_order}, one core")  # fmt: skip
        ticked(left, sorted({*config.tensor_sizes, *config.timing_sizes} - {24, 48}))
        left.legend(loc="lower right", fontsize=8)
        arm = run["expansions"]
        exact = arm["exact"].to_numpy()[:, 0]
        for which, color, marker, label in (
            ("plefka", SKY, "o", "first-order Plefka"), ("tap", ORANGE, "D", "second order (TAP)"),
        ):  # fmt: skip
            right.plot(exact, arm[which].to_numpy()[:, 0], marker, color=color, label=label,
                       markersize=5, fillstyle="none")  # fmt: skip
        ends = np.array([exact.min() - 0.004, min(1.0, exact.max() + 0.004)])
        right.plot(ends, ends, color=INK, linewidth=1, label="equal")
        right.fill_between(ends, ends - 0.02, ends + 0.02, color=GREEN, alpha=0.12, lw=0,
                           label="within 0.02")  # fmt: skip
        right.set(xlabel="m by exact sampling", ylabel="m by the expansion",
                  title=f"P = {config.order}, gamma = {config.expansion_load}")  # fmt: skip
        right.locator_params(axis="x", nbins=4)
        right.set_ylim(top=1.004)
        right.legend(loc="lower right", fontsize=8)
    return figure
