"""Figures: spikes, predictions against the truth, heights and switches."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from scipy import special

from engrax.lab import figures, t_half_width

from . import _claims as claims
from ._arms import GATES, SWITCHES
from ._closed_loop import cells
from ._prediction import beta_confidence
from ._weight_plots import angles, mixing, structure

INK, BLUE, ORANGE, GREEN, PINK, YELLOW, SKY = figures.PALETTE[:7]
PAPER_ERROR = ((1, 0.192), (10, 0.136), (50, 0.092), (100, 0.085))
"""The paper's test error after so many trials; how it was measured could not be read."""


def plots(run: Any) -> dict[str, Figure]:
    """The figures whose arms were run."""
    drawn: dict[str, tuple[tuple[str, ...], Callable[[Any], Figure]]] = {
        "spikes": (("recording",), spikes),
        "prediction": (("single",), prediction),
        "learning": (("single",), learning),
        "probability": (("levels",), probability),
        "switches": (("local", "rls_keep", "rls_reset", "rls_forget"), switches),
        "baselines": (("local", "rls_keep", "rls_reset", "rls_forget"), baselines),
        "angles": (("single", "surrogate"), angles),
        "structure": (("structure", "structure_switch"), structure),
        "mixing": (("single",), mixing),
        "gates": (("single",), gates),
        "limits": (("limits",), limits),
    }
    return {name: draw(run) for name, (arms, draw) in drawn.items() if all(a in run for a in arms)}


def dots(ax: Axes, x: ArrayLike, values: np.ndarray, **style: Any) -> None:
    """Means over seeds (seed, point) with their 95 % intervals."""
    style = {"fmt": "o", "markersize": 5, "capsize": 2, "linestyle": "none", **style}
    ax.errorbar(np.asarray(x), values.mean(0), yerr=t_half_width(values), **style)


def after_cue(run: Any, count: int) -> np.ndarray:
    """The first ms shown is that of a trial; 0 is the onset of the cue."""
    return np.arange(count) - run.config.cue_on


def spikes(run: Any) -> Figure:
    """Raster of one seed, a few membrane traces, and how often neurons fire."""
    config, final = run.config, run["recording"]["final"]
    raster, v = final["spikes"].to_numpy()[0], final["v"].to_numpy()[0]
    at = after_cue(run, len(raster))
    with figures.style():
        figure = Figure(figsize=(7.2, 6.2))
        top, middle, bottom = figure.subplots(3, 1, height_ratios=(2, 2, 1.2))
        first = round(0.8 * raster.shape[1])
        for color, part, name in (
            (INK, slice(0, first), "excitatory"),
            (ORANGE, slice(first, None), "inhibitory"),
        ):
            when, who = np.nonzero(raster[:, part])
            top.plot(at[when], who + (part.start or 0), ".", color=color, ms=2, label=name)
        top.set(ylabel="neuron", xlim=(at[0], at[-1]), title="some neurons of one seed")
        top.tick_params(labelbottom=False)
        top.legend(loc="lower right", bbox_to_anchor=(1, 0.97), ncols=2, markerscale=4)
        for i, trace in enumerate(v.T[:5]):
            middle.plot(at, trace + 110 * i, color=figures.PALETTE[i], linewidth=0.8)
        middle.set(
            ylabel="potential v (mV),\nshifted by 110 mV each",
            xlabel="time after the onset of the cue (ms)",
            xlim=(at[0], at[-1]),
        )
        for panel in (top, middle):
            panel.axvspan(0, config.cue_off - config.cue_on, color=YELLOW, alpha=0.25, lw=0)
        count = run["recording"]["spike_count"].to_numpy()[:, 0]
        bottom.hist(count.ravel(), bins=np.arange(count.max() + 2) - 0.5, color=BLUE, alpha=0.7)
        rate = 1000 * count.mean() / config.trial_ms
        bottom.set(
            xlabel=f"spikes of a neuron in a trial of {config.trial_ms} ms", ylabel="neurons",
            title=f"{count.sum():,} spikes in {len(count)} seeds, {rate:.1f} a second and neuron",
        )  # fmt: skip
    return figure


def prediction(run: Any) -> Figure:
    """C1: the prediction object against p b after the block, and its factors."""
    config, final = run.config, run["single"]["final"]
    z, y = final["z"].to_numpy(), final["y"].to_numpy()
    at = np.arange(z.shape[1])
    p = np.array([config.probability, 1 - config.probability])
    figure, (left, right) = figures.panels(
        2, xlabel="time after the onset of the cue (ms)", ylabel="height",
        titles=["prediction P = y z", "when alone: z"],
    )  # fmt: skip
    with figures.style():
        figure.set_size_inches(7.2, 3.6)
        for k, (color, name) in enumerate(((BLUE, "A"), (ORANGE, "B"))):
            bump = np.exp(-0.5 * ((at - config.latency[k]) / config.bump) ** 2)
            for panel, values, truth in (
                (left, y[:, None, k] * z[..., k], p[k] * bump),
                (right, z[..., k], bump),
            ):
                figures.band(panel, at, values, label=name, color=color)
                panel.plot(at, truth, color=color, linestyle="--", linewidth=1)
            mean = jnp.float32(y[:, k].mean())
            belief = map(float, beta_confidence(mean, config.what_rate))
            low, high = special.betaincinv(*belief, (0.025, 0.975))
            left.text(
                0.02, 0.97 - 0.08 * k, f"y({name}) = {y[:, k].mean():.2f}, believed in "
                f"{low:.2f} to {high:.2f}", transform=left.transAxes, fontsize=8, color=color,
                va="top",
            )  # fmt: skip
        left.set_ylim(top=1.35)
        right.plot([], [], color=figures.MUTED, linestyle="--", linewidth=1, label="truth")
        right.legend(loc="upper right")
    return figure


def learning(run: Any) -> Figure:
    """C1: relative and absolute error over the trials of a block, with the paper's values."""
    config, arm = run.config, run["single"]
    trial = arm["tick"].to_numpy()
    with figures.style():
        figure = Figure(figsize=(7.2, 3.4))
        left, right = figure.subplots(1, 2)
        figures.band(
            left, trial, arm["error"].to_numpy()[..., 0], label="E of the prediction P", color=BLUE
        )
        figures.band(
            left, trial, arm["when_error"].to_numpy()[..., 0], label="Ez of when alone",
            color=ORANGE, linestyle="--",
        )  # fmt: skip
        left.set(xlabel="trial", ylabel="relative error", ylim=(0, 1.1), title="this study")
        left.legend()
        figures.band(
            right, trial, arm["absolute_error"].to_numpy()[..., 0], label="this study, rms",
            color=BLUE,
        )  # fmt: skip
        right.plot(
            *zip(*PAPER_ERROR, strict=True), "D", color=INK, fillstyle="none",
            label="paper (metric not read)",
        )  # fmt: skip
        right.set(xlabel="trial", ylabel="absolute test error", title="absolute", xscale="log")
        right.set_ylim(bottom=0)
        right.legend()
        figure.suptitle(
            f"N = {config.neurons}, {config.seeds} reservoirs, mean and 95 % interval", fontsize=10
        )
    return figure


def probability(run: Any) -> Figure:
    """C2: height of the prediction, and of z alone, against the probability."""
    p = run["levels"]["condition"].to_numpy()
    figure, (left, right) = figures.panels(
        2, xlabel="probability of A", ylabel="height at the event's time",
        titles=["prediction P = y z", "when alone: z"],
    )  # fmt: skip
    with figures.style():
        figure.set_size_inches(7.2, 3.6)
        for k, (color, name, paper) in enumerate(((BLUE, "A", 0.978), (ORANGE, "B", -0.989))):
            marker = "os"[k]
            r = claims.correlation(run, k).mean()
            dots(
                left, p, claims.level_heights(run, "height")[..., k], color=color, fmt=marker,
                label=f"{name}: r = {r:.3f} (paper {paper})",
            )  # fmt: skip
            dots(
                right, p, claims.level_heights(run, "when_height")[..., k], color=color, fmt=marker,
                label=f"{name}: slope {claims.slope(run, k, 'when_height', inner=True).mean():.2f} "
                "over 0.3 to 0.9",
            )  # fmt: skip
            left.plot(p, p if k == 0 else 1 - p, color=color, linestyle="--", linewidth=1)
        right.axhline(1, color=figures.MUTED, linestyle="--", linewidth=1)
        left.set_ylim(-0.1, 1.45)
        left.legend(loc="upper center")
        right.legend(loc="upper center")
    return figure


RULES = (
    ("local", "local rule", BLUE, "-"),
    ("rls_keep", "RLS, kept", ORANGE, "-"),
    ("rls_reset", "RLS, reset (oracle)", GREEN, "--"),
    ("rls_forget", "RLS, tuned forgetting", PINK, "-."),
    ("merged", "merged readout", figures.MUTED, ":"),
)


def switches(run: Any) -> Figure:
    """C3: error over three blocks, for what switches and for who learns."""
    figure, panels = figures.panels(
        3, xlabel="trial", ylabel="relative error E", titles=[f"{k} switches" for k in SWITCHES]
    )
    trials = run.config.trials
    with figures.style():
        figure.set_size_inches(7.6, 3.6)
        at = run["local"]["tick"].to_numpy()
        for kind, panel in zip(SWITCHES, panels, strict=True):
            for rule, label, color, line in RULES:
                values = claims.switched(run, rule, kind)
                figures.band(panel, at, values, label=label, color=color, linestyle=line)
            for block in (1, 2):
                panel.axvline(block * trials + 0.5, color=INK, linewidth=0.8)
            panel.set_ylim(0, 1.5)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


def baselines(run: Any) -> Figure:
    """C3: E(local) - E(other) after switches, with 95 % intervals: left of 0 local wins."""
    figure, panel = figures.axes(
        xlabel="E(local) - E(other), second halves of blocks 2 and 3", ylabel="", height=3.8
    )
    with figures.style():
        for place, kind in enumerate(SWITCHES):
            for j, (rule, label, color, _) in enumerate(RULES[1:]):
                values = claims.over_baseline(run, rule, kind)
                y = len(SWITCHES) - 1 - place + 0.27 - 0.18 * j
                panel.plot(values, np.full(len(values), y), ".", color=figures.MUTED, ms=4)
                panel.errorbar(
                    values.mean(), y, xerr=t_half_width(values), fmt="osD^"[j], color=color,
                    capsize=2, markersize=5, label=label if place == 0 else None,
                )  # fmt: skip
        panel.axvline(0, color=INK, linewidth=0.8)
        panel.set_yticks(range(len(SWITCHES)), [f"{k} switches" for k in SWITCHES[::-1]])
        figure.legend(loc="outside lower center", ncols=4, fontsize=8)
    return figure


def gates(run: Any) -> Figure:
    """C7: both errors over the trials of a block, by gate and for the merged readout."""
    figure, (left, right) = figures.panels(
        2, xlabel="trial", ylabel="relative error",
        titles=["Ez: when against unit bumps", "E: prediction against p b"],
    )  # fmt: skip
    with figures.style():
        figure.set_size_inches(7.2, 3.6)
        at = run["single"]["tick"].to_numpy()
        for gate, color, line in zip(GATES, (BLUE, ORANGE, GREEN), ("-", "--", "-."), strict=True):
            label = "no gate" if gate == "none" else f"gate: {gate}"
            for panel, record in ((left, "when_error"), (right, "error")):
                values = claims.gated(run, gate, record)
                figures.band(panel, at, values, label=label, color=color, linestyle=line)
        merged = claims.gated(run, "none", "merged_error")
        figures.band(right, at, merged, label="merged readout", color=figures.MUTED, linestyle=":")
        left.set_ylim(0, 1.5)
        handles, labels = right.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=4)
    return figure


def limits(run: Any) -> Figure:
    """Where it ends: Ez and E after the last trial, by recurrence, noise, feedback and events."""
    names = [name for name, _ in cells(run.config)]
    figure, panel = figures.axes(
        xlabel="", ylabel=f"error after {run.config.limit_trials} trials",
        title="everything simulated in every trial", height=3.8,
    )  # fmt: skip
    with figures.style():
        place = np.arange(len(names))
        for record, label, color, shift in (
            ("when_error", "Ez of when alone", ORANGE, -0.1),
            ("error", "E of the prediction", BLUE, 0.1),
        ):
            values = run["limits"][record].to_numpy()[:, :, -1]
            dots(panel, place + shift, values, color=color, label=label, fmt="os"[shift > 0])
        panel.axhline(1, color=figures.MUTED, linestyle=":", label="silence")
        panel.set_xticks(place, names, rotation=35, ha="right")
        panel.set_ylim(bottom=0)
        panel.legend()
    return figure
