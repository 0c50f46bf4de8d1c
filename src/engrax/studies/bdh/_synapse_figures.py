"""Figures of single synapses and of sparse activity."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from engrax.lab import figures
from engrax.tasks import RepeatedFacts

from ._drawing import COLORS, grouped_bars, layer_color, legend_below, side_by_side, with_interval
from ._scaling import SIZES, all_sizes, probed
from ._sparsity import REPEATS, WARMUP, WORD
from ._synapses import READOUTS


def plots(run: Any) -> dict[str, Figure]:
    """What the run holds of these figures."""
    drawn = {}
    if "synapses" in run:
        drawn["synapses"] = _synapses(run)
    if "activity" in run and probed(run.config, "bdh") in run:
        drawn["sparsity"] = _sparsity(run)
    if "facts" in run:
        drawn["surprise"] = _surprise(run)
    return drawn


def _synapses(run: Any) -> Figure:
    """How well each readout tells currencies from nouns, and one synapse's strengths."""
    final = run["synapses"]["final"]
    figure, (left, right) = side_by_side(2, width=4.6, widths=(3, 2))
    languages = [str(name) for name in final["language"].values]
    colors = [figures.PALETTE[1], figures.PALETTE[2]]
    ranks = final["rank_biserial"].transpose("seed", "readout", "language").values
    names = ["synapse", "untrained", "shuffled\nlabels", "best\nneuron", "GPT\n$K^TV$"]
    assert len(names) == len(READOUTS)
    grouped_bars(left, ranks, names, languages, colors)
    left.axhline(0.86, color=figures.INK, linestyle="--", linewidth=1, label="paper, .86")
    left.axhline(0.5, color=figures.PALETTE[3], linewidth=1, label="claimed, .5")
    left.set(ylabel="rank-biserial correlation", ylim=(-1, 1.05), title="currency against noun")
    legend_below(left)
    strength = final["strength"].isel(seed=0).transpose("language", "kind", "example").values
    rng = np.random.default_rng(0)
    ticks = []
    for i, language in enumerate(languages):
        for j, kind in enumerate(("currency", "noun")):
            at = 3 * i + j
            jitter = at + 0.25 * (rng.random(strength.shape[-1]) - 0.5)
            color = colors[i] if j == 0 else figures.MUTED
            right.plot(jitter, strength[i, j], "o", color=color, markersize=3, alpha=0.6)
            ticks.append((at, f"{language}\n{kind}"))
    right.set_xticks([t for t, _ in ticks], [name for _, name in ticks])
    layer, head, row, column = (int(v) for v in final["place"].isel(seed=0).values)
    right.set(
        ylabel=r"strength $\sigma_{ij}$ after the sentence (a. u.)",
        title=f"seed 0: layer {layer + 1}, head {head + 1}, ({row}, {column})",
    )
    return figure


def _sparsity(run: Any) -> Figure:
    """Active shares during training, by layer; and over the number of neurons."""
    figure, (left, middle, right) = side_by_side(3)
    record, final = run[probed(run.config, "bdh")], run["activity"]["final"]
    for ax, name in ((left, "x"), (middle, "y")):
        shares = record[f"{name}_active"]
        for layer in range(shares.sizes["layer"]):
            before = final[f"{name}_active"].sel(when="untrained").isel(layer=layer).values
            during = shares.isel(layer=layer).transpose("seed", "tick").values
            steps = np.append(0, record["tick"].values)
            values = 100 * np.concatenate([before[:, None], during], 1)
            color = layer_color(layer)
            figures.band(ax, steps, values, label=f"layer {layer + 1}", color=color)
        ax.set(xlabel="training step", ylabel="active neurons (%)", title=f"{name}, by layer")
        ax.set_ylim(bottom=0)
    hidden = 100 * final["hidden_active"].sel(when="trained").mean("gpt_layer").values.mean()
    middle.axhline(hidden, color=figures.INK, linestyle=":", label="GPT with ReLU, hidden")
    middle.axhline(10, color=figures.PALETTE[3], linewidth=1, label="claimed, 10 %")
    middle.legend()
    arms = [f"bdh_{s}" for s in SIZES if f"bdh_{s}" in run]
    sizes = [all_sizes(run.config)[SIZES.index(arm[4:])] for arm in arms]
    for name, color in (("x", figures.PALETTE[5]), ("y", COLORS["bdh"])):
        shares = [run[arm]["final"][f"{name}_active"].mean("layer").values for arm in arms]
        with_interval(right, sizes, 100 * np.stack(shares, 1), color=color, label=f"{name}, here")
    right.plot(65_536, 5, "D", color=figures.PALETTE[5], fillstyle="none", label="x, paper")
    right.set_xscale("log")
    right.set(
        xlabel="neurons n", ylabel="active neurons (%)", title="after training", ylim=(0, None)
    )
    right.legend()
    return figure


def _surprise(run: Any) -> Figure:
    """Active y letter by letter while a word is learned and repeated, and the loss there."""
    final = run["facts"]["final"]
    stream = RepeatedFacts(WARMUP, WORD, REPEATS)
    letters = np.arange(1, stream.period + 1)
    figure, (left, right) = side_by_side(2, width=4.6)
    y = 100 * final["y_active"].transpose("seed", "layer", "letter")
    for layer in range(y.sizes["layer"]):
        values = y.isel(layer=layer).values
        figures.band(left, letters, values, label=f"layer {layer + 1}", color=layer_color(layer))
    end = WARMUP + WORD + 0.5
    paper = {"color": figures.INK, "alpha": 0.2, "linewidth": 0}
    left.fill_between([end - WORD, end], 4, 7.5, label="paper, layer 2", **paper)
    left.fill_between([end, stream.period], 2.3, 2.7, **paper)
    left.set(xlabel="letter of the period", ylabel="active y (%)", title="activity")
    figures.band(
        right, letters, final["letter_loss"].transpose("seed", "letter").values,
        label="BDH", color=COLORS["bdh"],
    )  # fmt: skip
    right.axhline(np.log(26), color=figures.MUTED, linestyle=":", label="chance, ln 26")
    right.set(xlabel="letter of the period", ylabel="loss (nats/letter)", title="surprise")
    for ax in (left, right):
        ax.axvspan(WARMUP + 0.5, WARMUP + WORD + 0.5, color=figures.PALETTE[5], alpha=0.15)
        ax.legend()
    return figure
