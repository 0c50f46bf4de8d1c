"""Figures of losses: scaling, learning, working memory, merging, training without BPTT, spikes."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from engrax.lab import figures

from ._drawing import COLORS, grouped_bars, legend_below, side_by_side, with_interval
from ._merging import BRANCHES
from ._scaling import FAMILIES, PAPER_LOSSES, PAPER_PARAMETERS, SIZES

LOSS = "loss (nats/byte)"
PAPER_MERGING = {
    "base": ((0.36, 0.77, 0.64), (0.35, 2.21, 2.27)),
    "first_branch": ((0.58, 0.36, 0.68), (2.57, 0.31, 2.54)),
    "second_branch": ((0.44, 0.76, 0.34), (1.79, 2.20, 0.33)),
    "merged": ((0.43, 0.40, 0.39), (1.45, 0.77, 0.86)),
}
"""The paper's losses from and into English, of Spanish, French and Portuguese."""


def plots(run: Any) -> dict[str, Figure]:
    """What the run holds of these figures."""
    drawn = {}
    families = [f for f in FAMILIES if all(f"{f}_{size}" in run for size in SIZES)]
    if families:
        drawn["scaling"] = _scaling(run, families)
    if any(f"{f}_middle" in run for f in FAMILIES):
        drawn["learning"] = _learning(run)
    if any("tuning" in run[arm].children for arm in _tunable(run)):
        drawn["tuning"] = _tuning(run)
    if "memory" in run:
        drawn["memory"] = _memory(run)
    if "merged" in run:
        drawn["merging"] = _merging(run)
    if all(arm in run for arm in ("detached", "bdh_middle", "bigram", "translation")):
        drawn["local"] = _local(run)
    if "spiking" in run:
        drawn["spiking"] = _spiking(run)
    if all(f"shakespeare_{f}" in run for f in FAMILIES):
        drawn["shakespeare"] = _shakespeare(run)
    return drawn


def _tunable(run: Any) -> list[str]:
    arms = (*(f"{f}_middle" for f in FAMILIES), "detached", "facts")
    return [arm for arm in arms if arm in run]


def _scaling(run: Any, families: list[str]) -> Figure:
    """Test loss over parameters and over operations, beside the paper's six sizes."""
    figure, (ours, work, paper) = side_by_side(3)
    for name in families:
        loss = np.stack([run[f"{name}_{s}"]["final"]["test_loss"].values for s in SIZES], 1)
        parameters = [float(run[f"{name}_{s}"]["final"]["parameters"][0]) for s in SIZES]
        style: dict[str, Any] = {"color": COLORS[name], "label": FAMILIES[name]}
        with_interval(ours, parameters, loss, **style)
        if "cost" in run:
            flops = run["cost"]["flops_per_token"].sel(family=name, size=list(SIZES))
            with_interval(work, flops.values, loss, **style)
        paper.plot(PAPER_PARAMETERS, PAPER_LOSSES[name], "D--", fillstyle="none", **style)
    if "bigram" in run:
        level = float(run["bigram"]["test_loss"])
        for ax in (ours, work):
            ax.plot([], [], ":", color=figures.MUTED, label=f"bigrams: {level:.2f}")
    corpus = run.config.corpus.replace("_", "-")
    ours.set(xlabel="parameters in the layers", ylabel=f"test {LOSS}", title=f"here, {corpus}")
    work.set(xlabel="operations a byte, forward", ylabel=f"test {LOSS}", title="the same by work")
    paper.set(xlabel="parameters (six sizes)", ylabel=f"validation {LOSS}", title="paper, Europarl")
    sizes = [float(run[f"{families[0]}_{s}"]["final"]["parameters"][0]) for s in SIZES]
    for ax, ticks in ((ours, sizes), (paper, PAPER_PARAMETERS), (work, ())):
        ax.set_xscale("log")
        if len(ticks):
            ax.set_xticks(ticks, [_short(tick) for tick in ticks])
            ax.minorticks_off()
    legend_below(ours)
    return figure


def _short(number: float) -> str:
    """25k, 800M."""
    return f"{number / 1e6:.0f}M" if number >= 1e6 else f"{number / 1e3:.0f}k"


def _learning(run: Any) -> Figure:
    """Validation loss during training, middle size."""
    figure, ax = figures.axes(xlabel="training step", ylabel=f"validation {LOSS}")
    for name, label in FAMILIES.items():
        if f"{name}_middle" in run:
            curve = run[f"{name}_middle"]["validation_loss"]
            figures.band(ax, curve["tick"], curve.values, label=label, color=COLORS[name])
        if f"{name}_long" in run:
            curve = run[f"{name}_long"]["validation_loss"]
            style: dict[str, Any] = {"color": COLORS[name], "linestyle": "--"}
            figures.band(ax, curve["tick"], curve.values, label=f"{label}, longer", **style)
    if "detached" in run:
        curve = run["detached"]["validation_loss"]
        label = "BDH without BPTT"
        figures.band(ax, curve["tick"], curve.values, label=label, color=COLORS["detached"])
    if "bigram" in run:
        level = float(run["bigram"]["test_loss"])
        ax.axhline(level, color=figures.MUTED, linestyle=":", label="bigrams, add-1")
        if "entropy" in run["bigram"]:
            entropy = float(run["bigram"]["entropy"])
            ax.axhline(entropy, color=figures.INK, linestyle=":", label="entropy of the text")
    ax.set_yscale("log")
    ax.legend()
    return figure


def _tuning(run: Any) -> Figure:
    """Validation loss at every learning rate tried, on a seed that no claim uses."""
    figure, ax = figures.axes(xlabel="learning rate", ylabel=f"validation {LOSS}")
    names = {f"{f}_middle": (label, COLORS[f]) for f, label in FAMILIES.items()}
    names["detached"] = ("BDH without BPTT", COLORS["detached"])
    names["facts"] = ("BDH, repeated words", figures.PALETTE[5])
    for arm in _tunable(run):
        if "tuning" not in run[arm].children:
            continue
        label, color = names[arm]
        loss = -run[arm]["tuning"]["score"].mean("calibration_seed")
        ax.plot(loss["tuned_value"], loss, "o-", color=color, label=label, markersize=4)
        best = loss.isel(tuned_value=int(np.nanargmin(loss)))
        ax.plot(best["tuned_value"], best, "o", color=color, markersize=9, fillstyle="none")
    ax.set_xscale("log")
    ax.legend()
    return figure


def _memory(run: Any) -> Figure:
    """What content costs under each intervention, and whose words are said."""
    final = run["memory"]["final"]
    figure, (left, right) = side_by_side(2, width=4.2)
    names, colors = ["BDH", "GPT"], [COLORS["bdh"], COLORS["gpt"]]
    loss = final["content_loss"].transpose("seed", "intervention", "model").values
    grouped_bars(left, loss, ["intact", "emptied at <T:", "no writes"], names, colors)
    left.set(ylabel="loss on fillings (nats/byte)", title="state intervened on")
    left.legend()
    said = np.stack([final[name].transpose("seed", "model") for name in ("own", "donor", "chance")])
    said = 100 * said.transpose(1, 0, 2)
    groups = ["its own,\nintact", "donor's,\nswapped", "not read\n(chance)"]
    grouped_bars(right, said, groups, names, colors)
    right.set(ylabel="fillings said (%)", title="whose words are decoded")
    return figure


def _merging(run: Any) -> Figure:
    """Loss of the base, its clones and their mergers on every pair, and the paper's table."""
    loss = run["merged"]["final"]["pair_loss"]
    first, second = ("-".join(pair) for pair in run.config.branches)
    names = {
        "base": "base",
        BRANCHES[0]: f"tuned on {first}",
        BRANCHES[1]: f"tuned on {second}",
        "merged": "concatenated",
        "averaged": "weights averaged",
        "ensemble": "logits averaged",
    }
    colors = [figures.MUTED, *(figures.PALETTE[i] for i in (6, 4, 1, 2, 5))]
    figure, (ours, paper) = side_by_side(2, width=5.0, height=4.0, widths=(3, 2))
    values = loss.sel(model=list(names)).transpose("seed", "pair", "model").values
    grouped_bars(ours, values, list(loss["pair"].values), list(names.values()), colors)
    ours.set(xlabel="pair of languages", ylabel=f"test {LOSS}", title="here")
    legend_below(ours, 3)
    table = np.array([PAPER_MERGING[name] for name in PAPER_MERGING]).mean(1).T[None]
    grouped_bars(paper, table, ["en-es", "en-fr", "en-pt"], list(PAPER_MERGING), colors[:4])
    paper.set(xlabel="pair of languages", ylabel=LOSS, title="paper, mean of both directions")
    return figure


def _local(run: Any) -> Figure:
    """Loss with and without backpropagation through time, and what a source is worth."""
    figure, (left, right) = side_by_side(2, width=4.2)
    arms = {"bdh_middle": ("with BPTT", "bdh"), "detached": ("without", "detached")}
    for row, (arm, (_, color)) in enumerate(arms.items()):
        values = run[arm]["final"]["test_loss"].values
        with_interval(left, [row], values[:, None], color=COLORS[color], markersize=6)
        left.plot(np.full(len(values), row + 0.12), values, ".", color=figures.MUTED)
    level = float(run["bigram"]["test_loss"])
    left.axhline(level, color=figures.MUTED, linestyle=":", label="bigrams, add-1")
    left.plot([0, 1], [0.65, 0.9], "D", color=figures.INK, fillstyle="none", label="paper, English")
    left.set_xticks([0, 1], [label for label, _ in arms.values()])
    left.set(xlim=(-0.5, 1.5), ylim=(0, None), ylabel=f"test {LOSS}", title="all bytes")
    left.legend()
    loss = run["translation"]["final"]["content_loss"].transpose("seed", "model", "source").values
    colors = [figures.PALETTE[1], figures.MUTED]
    grouped_bars(right, loss, ["with BPTT", "without"], ["own source", "another's"], colors)
    right.set(ylabel="loss on fillings (nats/byte)", title="translation")
    right.legend()
    return figure


def _spiking(run: Any) -> Figure:
    """Loss over the number of spikes that stand for an activity."""
    final = run["spiking"]["final"]
    figure, ax = figures.axes(xlabel="spikes R an activity", ylabel=f"held-out {LOSS}", height=3.2)
    loss = final["loss"].transpose("seed", "spikes")
    with_interval(ax, loss["spikes"], loss.values, color=COLORS["bdh"], label="spiking")
    exact = float(final["exact"].mean())
    ax.axhline(exact, color=figures.INK, linestyle="--", label="exact model (R to infinity)")
    ax.axhspan(0.98 * exact, 1.02 * exact, color=figures.PALETTE[3], alpha=0.2, label="within 2 %")
    ax.set_xscale("log", base=2)
    ax.set_xticks(loss["spikes"].values, [str(int(r)) for r in loss["spikes"]])
    ax.legend()
    return figure


def _shakespeare(run: Any) -> Figure:
    """Validation loss on Shakespeare during training."""
    figure, ax = figures.axes(xlabel="training step", ylabel=f"validation {LOSS}")
    for name, label in FAMILIES.items():
        curve = run[f"shakespeare_{name}"]["validation_loss"]
        figures.band(ax, curve["tick"], curve.values, label=label, color=COLORS[name])
    ax.legend()
    return figure
