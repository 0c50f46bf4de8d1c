"""Figures of accuracies: against the softmax and controls, over ranks, bases, recall, transfer."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from engrax.lab import figures, t_interval

from . import _look
from ._claims import accuracy, bases

INK, BLUE, ORANGE, GREEN, PINK = figures.PALETTE[:5]

CONTROLS = {
    "karat": "learned functions, blockwise",
    "universal": "learned functions, universal",
    "linear": "linear map of the logits",
    "const": "no logits at all",
    "frozen": "random functions, learned W",
    "position_bias": "softmax + position bias",
    "wide": "softmax, as many parameters",
    "softmax": "softmax",
}

PAPER = {"karat": 76.69, "universal": 75.56, "softmax": 72.76}
"""Accuracies of ViT-Tiny on CIFAR-10 in the paper, one run each (%)."""


def plots(run: Any) -> dict[str, Figure]:
    """What the run holds of the study's figures."""
    drawn: dict[str, Figure] = {}
    figures_of: Mapping[str, tuple[tuple[str, ...], Callable[[Any], Figure]]] = {
        "controls": (("softmax", "karat"), _controls),
        "learning": (("softmax", "karat"), _learning),
        "budgets": (("softmax", "karat"), _budgets),
        "ranks": (("short_karat", "ranks"), _ranks),
        "bases": (("short_karat", "short_const", "single_bases"), _bases),
        "recall": (("recall_softmax", "recall"), _recall),
        "transfer": (("transfer_karat", "short_softmax"), _transfer),
        "cost": (("cost",), _cost),
        "functions": (("karat",), _look.functions),
        "landscape": (("softmax", "karat"), _look.landscape),
        "spectra": (("softmax", "karat"), _look.spectra),
        "maps": (("softmax", "karat"), _look.maps),
    }
    for name, (needed, draw) in figures_of.items():
        if all(arm in run for arm in needed):
            drawn[name] = draw(run)
    return drawn


def rows(ax: Axes, values: Mapping[str, np.ndarray], color: Callable[[str], str]) -> None:
    """One row a name, from the top: seeds as dots, the mean with its 95 % interval."""
    at = range(len(values))[::-1]
    for row, (name, each) in zip(at, values.items(), strict=True):
        ax.plot(each, np.full(len(each), row), "o", color=figures.MUTED, markersize=3, alpha=0.6)
        if len(each) > 1 and np.isfinite(each).all():
            found = t_interval(each)
            ax.plot([found.low, found.high], [row, row], color=color(name), linewidth=3)
        ax.plot(each.mean(), row, "o", color=color(name), markersize=7)
    ax.set_yticks(at, list(values))
    ax.set_ylim(-0.6, len(values) - 0.4)
    ax.grid(visible=False, axis="y")


def _colored(name: str) -> str:
    if name.startswith("learned"):
        return BLUE
    return INK if name.startswith(("softmax", "own softmax")) else ORANGE


def _controls(run: Any) -> Figure:
    """Accuracies, and all differences from blockwise learned functions, paired by seed."""
    with figures.style():
        figure = Figure(figsize=(9.4, 3.9))
        left, right = figure.subplots(1, 2, sharey=True)
        there = {arm: label for arm, label in CONTROLS.items() if arm in run}
        own = 100 * accuracy(run, "karat")
        rows(left, {v: 100 * accuracy(run, k) for k, v in there.items()}, _colored)
        rows(right, {v: own - 100 * accuracy(run, k) for k, v in there.items()}, _colored)
        names = list(there)[::-1]
        found = {arm: x for arm, x in PAPER.items() if arm in there}
        right.plot(
            [PAPER["karat"] - x for x in found.values()], [names.index(arm) for arm in found], "D",
            markerfacecolor="none", markeredgecolor=PINK, markersize=7,
            label="paper, ViT-Tiny on CIFAR-10",
        )  # fmt: skip
        right.axvline(0, color=figures.MUTED, linewidth=1)
        right.tick_params(labelleft=False)
        right.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.2)
        left.set(xlabel="test accuracy (%)")
        right.set(xlabel="blockwise minus this one (points)")
    return figure


def _budgets(run: Any) -> Figure:
    """The lead over the softmax as training goes on, for longer schedules and a larger model."""
    figure, ax = figures.axes(
        xlabel="epoch", ylabel="learned functions - softmax (points)", height=3.2
    )
    config = run.config
    larger = f"{config.larger} x wider and deeper"
    pairs = {
        f"{config.epochs} epochs": ("karat", "softmax", BLUE),
        f"{config.short_epochs} epochs": ("short_karat", "short_softmax", GREEN),
        f"{config.long_epochs} epochs": ("long_karat", "long_softmax", ORANGE),
        f"{config.epochs} epochs, {larger}": ("large_karat", "large_softmax", PINK),
    }
    for label, (first, second, color) in pairs.items():
        if first in run and second in run:
            one, other = (run[arm]["test_accuracy"].to_numpy() for arm in (first, second))
            gaps = 100 * (one - other)
            at = config.epochs / 3 * np.arange(1, gaps.shape[1] + 1)
            # Two seeds give no interval worth drawing: their lines.
            if len(gaps) > 2:
                figures.band(ax, at, gaps, label=label, color=color)
            else:
                ax.plot(at, gaps.T, color=color, linewidth=0.8, alpha=0.6)
                ax.plot(at, gaps.mean(0), color=color, label=f"{label}, {len(gaps)} seeds")
            ax.plot(at, gaps.mean(0), "o", color=color, markersize=4)
    ax.axhline(0, color=figures.MUTED, linewidth=1)
    ax.set_xlim(left=0)
    ax.legend()
    return figure


def _learning(run: Any) -> Figure:
    """Training loss along the way."""
    figure, ax = figures.axes(xlabel="epoch", ylabel="training loss (smoothed labels)")
    shown = {"softmax": INK, "karat": BLUE, "const": ORANGE, "linear": GREEN}
    for arm, color in shown.items():
        if arm not in run:
            continue
        loss = run[arm]["loss"]
        loss = loss.to_numpy().reshape(loss.sizes["seed"], -1)
        at = run.config.epochs * (np.arange(loss.shape[1]) + 0.5) / loss.shape[1]
        figures.band(ax, at, loss, label=CONTROLS[arm], color=color)
    ax.legend()
    return figure


def _ranks(run: Any) -> Figure:
    """Accuracy over the rank, and that of the full operator."""
    figure, ax = figures.axes(xlabel="rank r of the operators", ylabel="test accuracy (%)")
    at = np.array([run.config.rank, *run.config.ranks])
    values = np.concatenate([accuracy(run, "short_karat")[:, None], accuracy(run, "ranks")], 1)
    order = np.argsort(at)
    at, values = at[order], 100 * values[:, order]
    figures.band(ax, at, values, label="modular", color=BLUE)
    ax.plot(at, values.mean(0), "o", color=BLUE, markersize=4)
    for arm, label, color in (("full", "full operator", GREEN), ("short_softmax", "softmax", INK)):
        if arm in run:
            mean = 100 * accuracy(run, arm).mean()
            ax.axhline(mean, color=color, linestyle="--", linewidth=1.2, label=label)
    ax.set_xticks(at)
    ax.legend()
    return figure


def _bases(run: Any) -> Figure:
    """Bases by their accuracy."""
    arms = {"fourier": "short_karat", "no logits at all": "short_const"}
    found = {name: accuracy(run, arm) for name, arm in arms.items()} | bases(run)
    values = {name.replace("_", " "): 100 * value for name, value in found.items()}
    values = dict(sorted(values.items(), key=lambda item: -item[1].mean()))
    figure, ax = figures.axes(xlabel="test accuracy (%)", ylabel="")
    shades = {"fourier": BLUE, "no logits at all": INK}
    rows(ax, values, lambda name: shades.get(name, ORANGE))
    return figure


def _recall(run: Any) -> Figure:
    """Recall over the rank."""
    figure, ax = figures.axes(xlabel="rank r of the operator", ylabel="keys recalled (%)")
    at, found = list(run.config.recall_ranks), 100 * accuracy(run, "recall")
    values = found[:, :-1]
    figures.band(ax, at, values, label="learned functions", color=BLUE)
    ax.plot(at, values.mean(0), "o", color=BLUE, markersize=4)
    softmax = 100 * accuracy(run, "recall_softmax")
    for level, label, color in (
        (softmax.mean(), "softmax", INK), (found[:, -1].mean(), "no logits at all", ORANGE)
    ):  # fmt: skip
        ax.axhline(level, color=color, linestyle="--", linewidth=1.2, label=label)
    chance = 100 / run.config.recall_values
    ax.axhline(chance, color=figures.MUTED, linestyle=":", linewidth=1.2, label="chance")
    ax.set_xticks(at)
    ax.set_ylim(0, 103)
    ax.legend()
    return figure


def _transfer(run: Any) -> Figure:
    """Students on given maps, and a model with its own."""
    names = {
        "transfer_karat": "learned functions' maps",
        "transfer_softmax": "a softmax model's maps",
        "transfer_random": "an untrained model's maps",
        "short_softmax": "own softmax",
    }
    figure, ax = figures.axes(xlabel="test accuracy (%)", ylabel="", height=2.6)
    values = {v: 100 * accuracy(run, k) for k, v in names.items() if k in run}
    rows(ax, values, _colored)
    return figure


def _cost(run: Any) -> Figure:
    """Parameters and operations of one head's operator."""
    cost = run["cost"]
    with figures.style():
        figure = Figure(figsize=(7.2, 3.2))
        for ax, name, label in zip(
            figure.subplots(1, 2), ("parameters", "operations"),
            ("parameters of an operator", "operations, one image"), strict=True,
        ):  # fmt: skip
            for form, color in (("full", ORANGE), ("modular", BLUE)):
                ax.plot(cost["tokens"], cost[name].sel(form=form), "o-", color=color, label=form)
            ax.set(xlabel="tokens N", ylabel=label, xscale="log", yscale="log")
            ax.set_xticks(cost["tokens"].to_numpy(), [str(n) for n in cost["tokens"].to_numpy()])
            ax.minorticks_off()
            ax.legend()
    return figure
