"""The figures: what the run holds of them is drawn."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from engrax.lab import figures, t_interval

from ._claims import final_accuracy
from ._learners import BASELINES, EMBEDDINGS

NOPROP, BP, CONTROL, OTHER = (figures.PALETTE[i] for i in (1, 0, 2, 3))
ROWS = {
    "A": {
        **{f"a_{m}_{e}": f"{n}, {label}" for e, label in EMBEDDINGS.items()
           for m, n in (("noprop", "NoProp"), ("bp", "backprop"))},
        "a_independent": "independent votes",
    },
    "B": {
        "b_noprop": "NoProp", "b_bp": "backprop", "b_independent": "independent votes",
        **{f"b_{name}": label for name, label in BASELINES.items()},
    },
}  # fmt: skip
"""Data set -> arm -> what figures call it."""
NAMES = {
    "digits": "8 x 8 digits", "fashion_mnist": "Fashion-MNIST", "mnist": "MNIST",
    "mnist_5k": "MNIST", "cifar10": "CIFAR-10", "cifar100": "CIFAR-100",
}  # fmt: skip


def plots(run: Any) -> dict[str, Figure]:
    """What the run holds of these figures."""
    drawn = {}
    if any(arm in run for rows in ROWS.values() for arm in rows):
        drawn["accuracy"] = _accuracy(run)
    if "a_noprop_onehot" in run and "a_bp_onehot" in run:
        drawn["depth"] = _depth(run)
    if "cost" in run:
        drawn["memory"] = _memory(run)
    if all(arm in run for arm in ("cost", "ct", "fm", "adjoint")):
        drawn["time"] = _time(run)
    if "grid_noprop" in run and "grid_fwdtp" in run:
        drawn["grid"] = _grid(run)
    if "factor_fm" in run and "factor_fm_onehot" in run:
        drawn["many_classes"] = _many_classes(run)
    return drawn


def _color(arm: str) -> str:
    if "noprop" in arm:
        return NOPROP
    return BP if "_bp" in arm else CONTROL if "independent" in arm else OTHER


def _panels(columns: int, *, width: float = 4.6, height: float = 3.6) -> tuple[Figure, Any]:
    """Panels with axes of their own."""
    with figures.style():
        figure = Figure(figsize=(max(figures.WIDTH, width * columns), height))
        return figure, figure.subplots(1, columns, squeeze=False)[0]


def _interval(ax: Axes, row: float, values: np.ndarray, color: str) -> None:
    """The seeds as dots, their mean with its 95 % interval, in one row."""
    ax.plot(values, np.full(len(values), row), "o", color=figures.MUTED, markersize=3, alpha=0.5)
    if len(values) > 1 and np.isfinite(values).all():
        found = t_interval(values)
        ax.plot([found.low, found.high], [row, row], color=color, linewidth=3)
    ax.plot(values.mean(), row, "o", color=color, markersize=7)


def _rows(ax: Axes, labels: list[str]) -> None:
    ax.set_yticks(range(len(labels))[::-1], labels)
    ax.set_ylim(-0.6, len(labels) - 0.4)
    ax.grid(visible=False, axis="y")


def _accuracy(run: Any) -> Figure:
    """Test accuracy of every arm on A and on B."""
    sets = {kind: [arm for arm in rows if arm in run] for kind, rows in ROWS.items()}
    sets = {kind: arms for kind, arms in sets.items() if arms}
    figure, axes = _panels(len(sets), width=5.2)
    for ax, (kind, arms) in zip(axes, sets.items(), strict=True):
        for row, arm in zip(range(len(arms))[::-1], arms, strict=True):
            _interval(ax, row, 100 * final_accuracy(run[arm]).values, _color(arm))
        _rows(ax, [ROWS[kind][arm] for arm in arms])
        data = run.config.a_data if kind == "A" else run.config.b_data
        ax.set(xlabel="test accuracy (%)", title=f"{kind}: {NAMES[data]}")
    return figure


def _depth(run: Any) -> Figure:
    """C5: what each block says, and what a probe reads off it."""
    figure, axes = _panels(2)
    kinds = {"block_accuracy": "the block's own guess", "probe_accuracy": "linear probe"}
    for ax, (name, title) in zip(axes, kinds.items(), strict=True):
        for arm, label in (("a_noprop_onehot", "NoProp"), ("a_bp_onehot", "backprop")):
            values = 100 * run[arm]["final"][name].transpose("seed", "block").values
            blocks = 1 + np.arange(values.shape[1])
            figures.band(ax, blocks, values, label=label, color=_color(arm))
        if name == "block_accuracy" and "a_independent" in run:
            values = run["a_independent"]["final"][name].transpose("seed", "block").values
            figures.band(
                ax, 1 + np.arange(values.shape[1]), 100 * values, label="independent",
                color=CONTROL, linestyle="--",
            )  # fmt: skip
        ax.set(xlabel="block, from noise to label", ylabel="test accuracy (%)", title=title)
    axes[0].legend(loc="lower right")
    return figure


def _memory(run: Any) -> Figure:
    """C3: scratch of a training step by depth."""
    figure, ax = figures.axes(xlabel="blocks", ylabel="scratch memory of a step (MB)")
    styles = {
        "noprop": ("NoProp, block by block", NOPROP, "-"),
        "noprop, all blocks at once": ("NoProp, all blocks at once", NOPROP, "--"),
        "bp": ("backprop", BP, "-"),
    }
    scratch = run["cost"]["scratch_bytes"] / 1e6
    for method, (label, color, line) in styles.items():
        ax.plot(
            scratch["depth"], scratch.sel(method=method), line, marker="o", color=color, label=label
        )
    ax.set_ylim(bottom=0)
    ax.legend(loc="upper left")
    return figure


def _time(run: Any) -> Figure:
    """C3: accuracy against seconds of training on this machine."""
    figure, ax = figures.axes(xlabel="seconds of training", ylabel="test accuracy (%)")
    names = {"ct": ("NoProp-CT", NOPROP), "fm": ("NoProp-FM", OTHER), "adjoint": ("adjoint", BP)}
    for arm, (label, color) in names.items():
        curve = run[arm]["test_accuracy"]
        seconds = curve["tick"] * float(run["cost"]["seconds"].sel(variant=arm))
        figures.band(ax, seconds, 100 * curve.values, label=label, color=color)
    ax.set_xscale("log")
    ax.legend(loc="lower right")
    return figure


def _grid(run: Any) -> Figure:
    """C4: mean accuracy in every cell."""
    figure, axes = _panels(2)
    kinds = {
        "grid_noprop": ("NoProp", "eta", "weight of the denoising loss"),
        "grid_fwdtp": ("FW-DTP", "step_size", "step size of the target"),
    }
    shown = None
    for ax, (arm, (title, knob, label)) in zip(axes, kinds.items(), strict=True):
        cells = 100 * final_accuracy(run[arm]).mean("seed").transpose("rate", knob)
        shown = ax.imshow(cells, cmap="viridis", vmin=50, vmax=100, origin="lower", aspect="auto")
        for (row, column), value in np.ndenumerate(cells.values):
            ink = "white" if value < 75 else "black"
            ax.text(column, row, f"{value:.1f}", ha="center", va="center", color=ink)
        ax.set_xticks(range(cells.sizes[knob]), [f"{float(v):g}" for v in cells[knob]])
        ax.set_yticks(range(cells.sizes["rate"]), [f"{float(v):g}" for v in cells["rate"]])
        spread = float(final_accuracy(run[arm]).std([knob, "rate"]).mean())
        ax.set(
            xlabel=label, ylabel="learning rate", title=f"{title} (deviation {100 * spread:.1f})"
        )
        ax.grid(visible=False)
    assert shown is not None
    figure.colorbar(shown, ax=list(axes), label="test accuracy (%)", extend="min")
    return figure


def _many_classes(run: Any) -> Figure:
    """C6: accuracy with 64 classes, and how far apart their embeddings are."""
    names = {
        "factor_fm": "FM, learned", "factor_fm_onehot": "FM, one-hot",
        "factor_ct_onehot": "CT, one-hot", "factor_fm_collapse": "FM, learned,\nno cross-entropy",
    }  # fmt: skip
    present = [arm for arm in names if arm in run]
    figure, axes = _panels(2, height=3.0)
    for row, arm in zip(range(len(present))[::-1], present, strict=True):
        color = CONTROL if "collapse" in arm else NOPROP
        _interval(axes[0], row, 100 * final_accuracy(run[arm]).values, color)
        _interval(axes[1], row, run[arm]["final"]["spread"].values, color)
    for ax, label in zip(axes, ("test accuracy (%)", "mean distance between classes"), strict=True):
        _rows(ax, [names[arm] for arm in present])
        ax.set(xlabel=label)
    axes[0].axvline(100 / 64, color=figures.MUTED, linestyle=":")
    return figure
