"""The figures: what the run holds of them is drawn."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from engrax.lab import figures, t_interval

from ._claims import PAPER, final_accuracy, memory_ratios
from ._learners import BASELINES, EMBEDDINGS

NOPROP, BP, CONTROL, OTHER = (figures.PALETTE[i] for i in (1, 0, 2, 3))
METHODS = {"noprop": "NoProp", "bp": "backprop"}
ROWS = {
    kind: {
        **{f"{kind}_{m}_{e}": f"{n}, {label}" for e, label in EMBEDDINGS.items()
           for m, n in METHODS.items()},
        f"{kind}_independent": "independent votes",
        **{f"{kind}_{name}": label for name, label in BASELINES.items() if kind == "b"},
    }
    for kind in ("a", "b")
}  # fmt: skip
"""Data set -> arm -> what figures call it."""
NAMES = {
    "digits": "8 x 8 digits", "fashion_mnist": "Fashion-MNIST", "mnist": "MNIST",
    "mnist_5k": "MNIST", "cifar10": "CIFAR-10", "cifar100": "CIFAR-100",
}  # fmt: skip
QUOTED = {
    **{f"{kind}_{method}_{name}": values[i]
       for (kind, name), values in PAPER.items() for i, method in enumerate(METHODS)},
    "b_fg": 0.6932,
}  # fmt: skip
"""Arm -> test accuracy in the paper: for A on MNIST, for B on CIFAR-10."""
QUOTED_MEMORY = (10, 0.49 / 0.87)
"""Blocks, and NoProp's share of backpropagation's memory in the paper (MNIST, on a GPU)."""
MANY = {
    "factor_fm": ("FM, learned", 0.3114), "factor_fm_onehot": ("FM, one-hot", 0.0638),
    "factor_ct_onehot": ("CT, one-hot", 0.3366),
    "factor_fm_collapse": ("FM, learned,\nno cross-entropy", None),
}  # fmt: skip
"""C6: arm -> what figures call it, and the paper's accuracy on CIFAR-100."""
READOUTS = {"linear": "linear", "posterior": "posterior", "nearest": "nearest class",
            "vote_accuracy": "votes of the blocks"}  # fmt: skip


def plots(run: Any) -> dict[str, Figure]:
    """What the run holds of these figures."""
    drawn = {}
    if any(arm in run for rows in ROWS.values() for arm in rows):
        drawn["accuracy"] = _accuracy(run)
    if "a_noprop_onehot" in run and "a_bp_onehot" in run:
        drawn["depth"] = _depth(run)
    if any(f"{kind}_noprop_{name}" in run for kind in ROWS for name in EMBEDDINGS):
        drawn["readouts"] = _readouts(run)
    if "cost" in run:
        drawn["memory"] = _memory(run)
    if all(arm in run for arm in ("cost", "ct", "fm", "adjoint")):
        drawn["time"] = _time(run)
    if "grid_noprop" in run and "grid_fwdtp" in run:
        drawn["grid"] = _grid(run)
    if "factor_fm" in run and "factor_fm_onehot" in run:
        drawn["many_classes"] = _many_classes(run)
    if "distribution" in run:
        drawn["distribution"] = _distribution(run["distribution"])
    return drawn


def _color(arm: str) -> str:
    if "_noprop" in arm:
        return NOPROP
    return BP if "_bp" in arm else CONTROL if "independent" in arm else OTHER


def _panels(columns: int, *, height: float = 3.6) -> tuple[Figure, list[Axes]]:
    """Panels with axes of their own."""
    with figures.style():
        figure = Figure(figsize=(max(figures.WIDTH, 4.6 * columns), height))
        return figure, list(figure.subplots(1, columns, squeeze=False)[0])


def _interval(ax: Axes, row: int | float, values: np.ndarray, color: str, **mark: Any) -> None:
    """The seeds as dots, their mean with its 95 % interval, in one row."""
    ax.plot(
        values, np.full(len(values), row - 0.15), "o", color=figures.MUTED, markersize=3, alpha=0.6
    )
    if len(values) > 1 and np.isfinite(values).all():
        found = t_interval(values)
        ax.plot([found.low, found.high], [row, row], color=color, linewidth=3)
    ax.plot(values.mean(), row, "o", color=color, markersize=6, **mark)


def _quoted(ax: Axes, row: int | float, value: float, **mark: Any) -> None:
    """The paper's value."""
    ax.plot(value, row + 0.15, "D", color=figures.INK, markersize=5, fillstyle="none", **mark)


def _rows(ax: Axes, labels: list[str]) -> None:
    ax.set_yticks(range(len(labels))[::-1], labels)
    ax.set_ylim(-0.6, len(labels) - 0.4)
    ax.grid(visible=False, axis="y")


def _accuracy(run: Any) -> Figure:
    """Test accuracy of every arm on A and on B, with the paper's on its own images."""
    sets = {kind: [arm for arm in rows if arm in run] for kind, rows in ROWS.items()}
    sets = {kind: arms for kind, arms in sets.items() if arms}
    height = 1.4 + 0.32 * max(len(arms) for arms in sets.values())
    figure, axes = _panels(len(sets), height=height)
    for ax, (kind, arms) in zip(axes, sets.items(), strict=True):
        label = f"paper, on {'MNIST' if kind == 'a' else 'CIFAR-10'}"
        for row, arm in zip(range(len(arms))[::-1], arms, strict=True):
            _interval(ax, row, 100 * final_accuracy(run[arm]).values, _color(arm))
            if arm in QUOTED:
                _quoted(ax, row, 100 * QUOTED[arm], label=label)
                label = "_"
        _rows(ax, [ROWS[kind][arm] for arm in arms])
        data = run.config.a_data if kind == "a" else run.config.b_data
        ax.set(xlabel="test accuracy (%)", title=f"{kind.upper()}: {NAMES[data]}")
        if label == "_":
            ax.legend(loc="lower left")
    return figure


def _readouts(run: Any) -> Figure:
    """NoProp's read-outs of the end of the chain, and its blocks' own votes."""
    kinds = [k for k in ROWS if any(f"{k}_noprop_{name}" in run for name in EMBEDDINGS)]
    figure, axes = _panels(len(kinds), height=3.2)
    for ax, kind in zip(axes, kinds, strict=True):
        for at, (name, label) in enumerate(EMBEDDINGS.items()):
            if (arm := f"{kind}_noprop_{name}") not in run:
                continue
            for row, readout in enumerate(reversed(READOUTS)):
                _interval(
                    ax, row + 0.25 * (1 - at), 100 * run[arm]["final"][readout].values,
                    figures.PALETTE[1 + at], label=label if row == 0 else None,
                )  # fmt: skip
        _rows(ax, list(READOUTS.values()))
        data = run.config.a_data if kind == "a" else run.config.b_data
        ax.set(xlabel="test accuracy (%)", title=f"{kind.upper()}: {NAMES[data]}")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
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
    """C3: scratch of a training step by depth, and NoProp's share of backpropagation's memory."""
    figure, (ax, share) = _panels(2)
    styles = {
        "noprop": ("NoProp, block by block", NOPROP, "-"),
        "noprop, all blocks at once": ("NoProp, all blocks at once", NOPROP, "--"),
        "bp": ("backprop", BP, "-"),
    }
    scratch = run["cost"]["scratch_bytes"] / 1e6
    depth = scratch["depth"].values
    for method, (label, color, line) in styles.items():
        values = scratch.sel(learner=method)
        ax.plot(depth, values, line, marker="o", markersize=4, color=color, label=label)
    ax.set(xlabel="blocks", ylabel="scratch memory of a step (MB)", ylim=(0, None))
    ax.legend(loc="upper left")
    share.plot(depth, memory_ratios(run), "-o", color=NOPROP, markersize=4, label="measured")
    share.plot(
        *QUOTED_MEMORY, "D", color=figures.INK, markersize=5, fillstyle="none", label="paper"
    )
    share.axhline(0.7, color=figures.MUTED, linestyle=":", label="rule: below, at 10 blocks")
    share.set(xlabel="blocks", ylabel="memory, NoProp / backprop", ylim=(0, None))
    share.legend(loc="lower left")
    return figure


def _time(run: Any) -> Figure:
    """C3: accuracy against seconds of training on this machine."""
    figure, ax = figures.axes(xlabel="seconds of training", ylabel="test accuracy (%)")
    names = {"ct": ("NoProp-CT", NOPROP), "fm": ("NoProp-FM", OTHER), "adjoint": ("adjoint", BP)}
    for arm, (label, color) in names.items():
        curve = run[arm]["test_accuracy"]
        seconds = curve["tick"] * float(run["cost"]["seconds"].sel(variant=arm))
        figures.band(ax, seconds, 100 * curve.values, label=label, color=color)
        if arm == "adjoint":
            ax.axvline(
                float(seconds[-1]), color=figures.MUTED, linestyle=":", label="time of the claim"
            )
    ax.set(xscale="log", ylim=(0, 100))
    ax.legend(loc="upper left")
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
    present = [arm for arm in MANY if arm in run]
    figure, axes = _panels(2, height=3.0)
    for row, arm in zip(range(len(present))[::-1], present, strict=True):
        color = CONTROL if "collapse" in arm else NOPROP
        _interval(axes[0], row, 100 * final_accuracy(run[arm]).values, color)
        _interval(axes[1], row, run[arm]["final"]["spread"].values, color)
        if (quoted := MANY[arm][1]) is not None:
            label = "paper, CIFAR-100" if arm == "factor_fm" else None
            _quoted(axes[0], row, 100 * quoted, label=label)
    axes[0].axvline(100 / 64, color=figures.MUTED, linestyle=":", label="chance")
    axes[0].legend(loc="lower right")
    for ax, label in zip(axes, ("test accuracy (%)", "mean distance of classes"), strict=True):
        _rows(ax, [MANY[arm][0] for arm in present])
        ax.set(xlabel=label, xlim=(0, None))
    return figure


def _distribution(found: Any) -> Figure:
    """C7: what a step sends between devices, and its seconds on several."""
    devices = found["devices"].values
    figure, (sent, *timed) = _panels(1 + (len(devices) > 1), height=2.8)
    names = {
        "exchanged_bytes": "NoProp: gradients of\nembedding, read-out",
        "passed_bytes": "backprop, a block a\ndevice: states and\ntheir gradients",
    }
    values = [float(found[name]) / 1e3 for name in names]
    sent.barh([1, 0], values, height=0.5, color=[NOPROP, BP])
    _rows(sent, list(names.values()))
    sent.set(xscale="log", xlabel="sent in a step (kB)", xlim=(min(values) / 10, 3 * max(values)))
    for ax in timed:  # nothing to see where there is one device
        ax.bar(range(len(devices)), 1e3 * found["seconds"], width=0.5, color=NOPROP)
        ax.set_xticks(range(len(devices)), [str(n) for n in devices])
        ax.set(xlabel="devices that share the blocks", ylabel="gradient of a step (ms)")
        ax.grid(visible=False, axis="x")
    return figure
