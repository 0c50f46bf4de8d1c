"""Figures of the perceptron: theory as curves, gradient descent as points, in the same axes."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from engrax.lab import figures

from ._claims import convergence_times, second_errors
from ._drawing import legend_below, points

_QUANTITIES = {
    "error": "generalization error",
    "p": "p: signs with teacher",
    "r": "r: means with teacher",
    "qd": "qd: means with themselves",
}
FIRST, SECOND = figures.PALETTE[1], figures.PALETTE[2]
_PERFECT, _GOOD = 0.98, 0.95


def single_task(run: Any) -> Figure:
    """The order parameters of one task against its load, and the seeds that got it right."""
    theory = run["theory"].to_dataset()
    figure, grid = figures.panels(
        2, xlabel="load α = P / N", ylabel="", titles=list(_QUANTITIES.values()), rows=2
    )
    for panel, name in zip(grid, _QUANTITIES, strict=True):
        loads = theory["load"].to_numpy()
        low, high = (theory[name].sel(branch=b).to_numpy() for b in ("low", "high"))
        p = theory["p"].transpose("branch", "load").to_numpy()
        # Where the low branch has ended both starts find the nearly perfect student.
        poor, good = p[0] < _PERFECT, p[1] >= _GOOD
        panel.plot(loads[poor], low[poor], color=figures.PALETTE[0], label="theory, poor student")
        panel.plot(loads[good], high[good], color=figures.PALETTE[0], linestyle="--",
                   label="theory, nearly perfect student")  # fmt: skip
        for arm, label, color, shift in (
            ("single", "Adam, one setting", FIRST, 0.0),
            ("tuned", "Adam, the authors' settings", SECOND, 0.02),
        ):
            if arm in run:
                found = run[arm][name].transpose("seed", "tick")
                points(panel, found["tick"].to_numpy() + shift, found.to_numpy(), label=label,
                       color=color, filled=arm == "single")  # fmt: skip
        panel.set_ylim(-0.03, 1.05)
    grid[0].set_ylabel("order parameter")
    grid[2].set_ylabel("order parameter")
    found = run["single"]["p"].transpose("seed", "tick")
    late = found["tick"].to_numpy()[found["tick"].to_numpy() > 1.3]
    for load in late:
        share = float((found.sel(tick=load) > _PERFECT).mean())
        grid[0].text(load, 0.42, f"{share:.0%}", ha="center", fontsize=7)
    if late.size:
        grid[0].text(1.03, 0.5, f"seeds with p > {_PERFECT}:", fontsize=8)
    legend_below(figure, grid[0], 2)
    return figure


def two_tasks(run: Any) -> Figure:
    """Both errors after the second task against its load, for each similarity and gamma."""
    potential, measured = run["potential"].to_dataset(), second_errors(run)
    similarities, gammas = potential["similarity"].to_numpy(), potential["gamma"].to_numpy()
    figure, grid = figures.panels(
        len(similarities),
        xlabel="load of the second task α₂",
        ylabel="generalization error",
        titles=[f"γ = {g:g}, r₀ = {s:g}" for g in gammas for s in similarities],
        rows=len(gammas),
    )
    for place, panel in enumerate(grid):
        gamma, similarity = gammas[place // len(similarities)], similarities[
            place % len(similarities)
        ]  # fmt: skip
        at = {"gamma": gamma, "similarity": similarity}
        for name, label, color, marker in (
            ("error1", "first task", FIRST, "o"),
            ("error2", "second task", SECOND, "s"),
        ):
            curve = potential[name].sel(at)
            panel.plot(curve["load"], curve, color=color, label=f"{label}, potential")
            found = measured[name].sel(at).transpose("seed", "load")
            points(panel, found["load"].to_numpy(), found.to_numpy(),
                   label=f"{label}, gradient descent", color=color, marker=marker)  # fmt: skip
        panel.set_ylim(-0.03, 0.82)
    legend_below(figure, grid[0], 2)
    return figure


def protection(run: Any) -> Figure:
    """The error on the first task with and without the prior, and after a first task trained
    too well.
    """
    measured, potential = second_errors(run), run["potential"].to_dataset()
    figure, panel = figures.axes(
        xlabel="load of the second task α₂", ylabel="error on the first task, r₀ = 0", height=3.8
    )
    labels = {0.0: "no prior"}
    for gamma, color in zip(run.config.gammas, figures.PALETTE[1:], strict=False):
        label = labels.get(gamma, f"γ = {gamma:g}")
        found = measured["error1"].sel(gamma=gamma, similarity=0.0).transpose("seed", "load")
        points(panel, found["load"].to_numpy(), found.to_numpy(), label=label, color=color)
        if gamma > 0:
            curve = potential["error1"].sel(gamma=gamma, similarity=0.0)
            panel.plot(curve["load"], curve, color=color, label=f"{label}, potential")
    if "second_strong" in run:
        strong = run["second_strong"]["error1"].sel(gamma=1.0).transpose("seed", "tick")
        points(panel, np.array([1.04]), strong.to_numpy(), label="γ = 1, first task trained harder",
               color=figures.PALETTE[1], marker="v", filled=False)  # fmt: skip
        qd = [float(run[arm]["qd"].mean()) for arm in ("first", "first_strong")]
        panel.set_title(
            f"qd after the first task: {qd[0]:.3f}, trained harder {qd[1]:.3f}, "
            f"theory {float(potential['first_qd']):.3f}"
        )
    panel.set_ylim(0, 0.55)
    legend_below(figure, panel, 3)
    return figure


def slowing(run: Any) -> Figure:
    """Time to converge against the load, and where the theory has two solutions."""
    times = convergence_times(run).transpose("seed", "load")
    theory = run["theory"].to_dataset()
    figure, panel = figures.axes(
        xlabel="load α = P / N", ylabel="steps until the error stands still, T_c"
    )
    apart = np.abs(theory["p"].sel(branch="high") - theory["p"].sel(branch="low")) > 1e-3
    two = theory["load"].to_numpy()[apart.to_numpy()]
    if two.size:
        panel.axvspan(two.min(), two.max(), color=figures.PALETTE[5], alpha=0.15, lw=0,
                      label="theory: two solutions")  # fmt: skip
    loads = times["load"].to_numpy()
    figures.band(panel, loads, times.to_numpy(), label="gradient descent, full batch", color=FIRST)
    for values in times.to_numpy():
        panel.plot(loads, values, "o", color=figures.MUTED, markersize=3, alpha=0.6)
    panel.axhline(run.config.slow_steps, color=figures.MUTED, linestyle=":",
                  label="steps of the run")  # fmt: skip
    panel.set_ylim(0, 1.08 * run.config.slow_steps)
    legend_below(figure, panel, 3)
    return figure
