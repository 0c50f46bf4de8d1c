"""The claims, fixed before any run; each rule reads one value a seed."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from engrax.lab import Claim, Part, at_least, at_most, between, paired_difference, t_interval

from ._learners import EMBEDDINGS

CHAINS = tuple(itertools.product(("a", "b"), ("noprop", "bp"), EMBEDDINGS))
"""C1: data, method and embedding of every chain."""
PAPER = {
    ("a", "onehot"): (0.9947, 0.9946),
    ("a", "dim"): (0.9949, 0.9943),
    ("a", "prototype"): (0.9954, 0.9944),
    ("b", "onehot"): (0.7925, 0.7992),
    ("b", "dim"): (0.7912, 0.793),
    ("b", "prototype"): (0.8054, 0.7958),
}
"""The paper's test accuracies, NoProp's and backpropagation's: those on MNIST for A, on CIFAR-10
for B."""
RIVALS = ("b_ff", "b_drtp", "b_fwdtp", "b_fg")
"""The earlier methods whose best C2 is judged against."""


def final_accuracy(arm: Any) -> xr.DataArray:
    """Test accuracy after the last measurement: (seed, ...)."""
    return arm["test_accuracy"].isel(tick=-1, drop=True)


def gap(first: str, second: str) -> Callable[[Any], xr.DataArray]:
    """Test accuracy of one arm minus that of another, seed by seed."""
    return lambda run: paired_difference(run, first, second, final_accuracy)


def lead(run: Any) -> xr.DataArray:
    """NoProp minus the best of the earlier methods, the best taken for each seed by itself."""
    gaps = [gap("b_noprop_onehot", name)(run) for name in RIVALS]
    return xr.concat(gaps, "rival").min("rival")


def over_single(prefix: str) -> Callable[[Any], xr.DataArray]:
    """NoProp minus one classifier alone, the mean over the independent ones."""

    def value(run: Any) -> xr.DataArray:
        alone = run[f"{prefix}_independent"]["final"]["block_accuracy"].mean("block")
        with xr.set_options(arithmetic_join="exact"):
            return final_accuracy(run[f"{prefix}_noprop_onehot"]) - alone

    return value


def memory_ratios(run: Any) -> xr.DataArray:
    """State and scratch of a step by depth, NoProp block by block over backprop."""
    total = run["cost"]["scratch_bytes"] + run["cost"]["state_bytes"]
    return total.sel(learner="noprop", drop=True) / total.sel(learner="bp", drop=True)


def memory_ratio(run: Any) -> np.ndarray:
    """`memory_ratios` at the study's depth."""
    return np.atleast_1d(memory_ratios(run).sel(depth=run.config.blocks).values)


def growth(method: str) -> Callable[[Any], np.ndarray]:
    """Scratch bytes at the largest depth over those at the smallest."""

    def value(run: Any) -> np.ndarray:
        scratch = run["cost"]["scratch_bytes"].sel(learner=method)
        return np.atleast_1d((scratch.isel(depth=-1) / scratch.isel(depth=0)).values)

    return value


def at_equal_time(run: Any, variant: str) -> xr.DataArray:
    """Accuracy of a variant at the time when the adjoint baseline's run ends: (seed,).

    That of the last measurement made by then; 0 if there is none.
    """
    seconds = run["cost"]["seconds"]
    given = float(run["adjoint"]["tick"][-1] * seconds.sel(variant="adjoint"))
    curve = run[variant]["test_accuracy"]
    done = int(np.sum(curve["tick"].values * float(seconds.sel(variant=variant)) <= given))
    return curve.isel(tick=max(done, 1) - 1, drop=True) * float(done > 0)


def over_adjoint(variant: str) -> Callable[[Any], xr.DataArray]:
    """A variant minus the adjoint baseline at equal wall time."""

    def value(run: Any) -> xr.DataArray:
        with xr.set_options(arithmetic_join="exact"):
            return at_equal_time(run, variant) - final_accuracy(run["adjoint"])

    return value


def worst_cell(run: Any, name: str) -> xr.DataArray:
    """The lowest accuracy in a grid: (seed,)."""
    found = final_accuracy(run[name])
    return found.min([dim for dim in found.dims if dim != "seed"])


def worst_cell_gap(run: Any) -> xr.DataArray:
    """NoProp's worst cell minus FW-DTP's."""
    with xr.set_options(arithmetic_join="exact"):
        return worst_cell(run, "grid_noprop") - worst_cell(run, "grid_fwdtp")


def slopes(arm: Any, name: str) -> np.ndarray:
    """Accuracy gained a block, by least squares over the blocks of a chain: (seed,)."""
    values = arm["final"][name].transpose("seed", "block").values
    depth = np.arange(values.shape[1], dtype=float)
    depth -= depth.mean()
    return values @ depth / np.square(depth).sum()


def no_hierarchy(run: Any) -> np.ndarray:
    """1 where C5's rule is met, else 0.

    The interval of NoProp's slope of the probes includes 0, or NoProp's slope is below half of
    backpropagation's slope of its guesses' accuracy (with its interval).
    """
    probes = slopes(run["a_noprop_onehot"], "probe_accuracy")
    guesses = slopes(run["a_bp_onehot"], "block_accuracy")
    flat, below = t_interval(probes), t_interval(probes - 0.5 * guesses)
    return np.array([float(flat.low <= 0 <= flat.high or below.high < 0)])


def collapse(run: Any) -> xr.DataArray:
    """Mean distance between classes without the cross-entropy, over that with it."""
    spread = lambda name: run[name]["final"]["spread"]
    with xr.set_options(arithmetic_join="exact"):
        return spread("factor_fm_collapse") / spread("factor_fm")


def distribution(name: str) -> Callable[[Any], np.ndarray]:
    """A number of C7's reference."""
    return lambda run: np.atleast_1d(run["distribution"][name].values)


def extra_bytes(run: Any) -> np.ndarray:
    """Bytes that a step exchanges beyond the gradients of embedding and read-out."""
    found = run["distribution"]
    return np.atleast_1d((found["exchanged_bytes"] - found["shared_bytes"]).values)


CLAIMS = (
    Claim(
        "C1",
        "NoProp matches backpropagation on the same blocks: no more than a point below it on small "
        "images and on Fashion-MNIST, with any of three label embeddings.",
        arms=tuple(f"{kind}_{method}_{name}" for kind, method, name in CHAINS),
        parts={
            f"{kind.upper()}, {label}: NoProp - BP": Part(
                gap(f"{kind}_noprop_{name}", f"{kind}_bp_{name}"), at_least(-0.01), unit="%",
                paper=PAPER[kind, name][0] - PAPER[kind, name][1],
            )
            for kind in ("a", "b")
            for name, label in EMBEDDINGS.items()
        },
        paper="MNIST: NoProp-DT 99.47, 99.49, 99.54, backprop 99.46, 99.43, 99.44 %; CIFAR-10: "
        "79.25, 79.12, 80.54 and 79.92, 79.3, 79.58 %",
    ),
    Claim(
        "C2",
        "NoProp is more accurate than earlier methods without backpropagation with as many "
        "parameters: forward-forward, DRTP, FW-DTP and forward gradients.",
        arms=("b_noprop_onehot", *RIVALS, "b_ccl"),
        parts={
            "B: NoProp - best of FF, DRTP, FW-DTP, FG": Part(
                lead, at_least(0.0), unit="%", paper=0.7925 - 0.6932
            ),
        },
        paper="MNIST: NoProp-DT 99.47, forward-forward 98.63, target propagation 98.06, forward "
        "gradients 97.45 %; CIFAR-10: 79.25 against 69.32 (forward gradients)",
    ),
    Claim(
        "C2f",
        "Fairness control: denoising adds accuracy to what the same blocks reach as independent "
        "classifiers of the image that vote, and to one of them alone.",
        arms=("b_noprop_onehot", "b_independent", "a_noprop_onehot", "a_independent"),
        parts={
            "B: NoProp - independent votes": Part(
                gap("b_noprop_onehot", "b_independent"), at_least(0.0), unit="%"
            ),
            "B: NoProp - single block": Part(over_single("b"), at_least(0.0), unit="%"),
            "A: NoProp - independent votes": Part(
                gap("a_noprop_onehot", "a_independent"), at_least(0.0), unit="%"
            ),
            "A: NoProp - single block": Part(over_single("a"), at_least(0.0), unit="%"),
        },
        paper="not measured",
    ),
    Claim(
        "C3",
        "NoProp is cheaper: block by block, a step needs less memory than backpropagation's and no "
        "more scratch in a deeper chain, and the continuous variants are more accurate than the "
        "adjoint method in equal time.",
        arms=("cost", "ct", "fm", "adjoint"),
        parts={
            "memory of a step, NoProp / BP": Part(
                memory_ratio, at_most(0.7), "exact", paper=0.49 / 0.87
            ),
            "scratch, deepest / shallowest, NoProp": Part(
                growth("noprop"), at_most(1.5), "exact"
            ),
            "scratch, deepest / shallowest, BP": Part(growth("bp"), at_least(3.0), "exact"),
            "CT - adjoint, equal time": Part(over_adjoint("ct"), at_least(0.0), unit="%"),
            "FM - adjoint, equal time": Part(over_adjoint("fm"), at_least(0.0), unit="%"),
        },
        paper="MNIST, GB: NoProp-DT 0.49, backprop 0.87; CIFAR-10: NoProp-CT and -FM reach about "
        "70 % within 2,500 s, the adjoint method about 67 % after 20,000 s",
    ),
    Claim(
        "C4",
        "NoProp is easier to set up: over nine settings of its two main knobs, its worst accuracy "
        "is above FW-DTP's.",
        arms=("grid_noprop", "grid_fwdtp"),
        parts={"A, worst cell: NoProp - FW-DTP": Part(worst_cell_gap, at_least(0.0), unit="%")},
        paper="said, not measured",
    ),
    Claim(
        "C5",
        "NoProp learns no hierarchy: what a linear probe reads off a block's last hidden layer "
        "does not get better along the chain, or by less than half of what the guesses do under "
        "backpropagation.",
        arms=("a_noprop_onehot", "a_bp_onehot"),
        parts={"A: flat, or less than half as steep": Part(no_hierarchy, at_least(1.0), "exact")},
        paper="said, not measured",
    ),
    Claim(
        "C6",
        "With many classes flow matching needs a learned embedding, and continuous time does not.",
        arms=("factor_fm", "factor_fm_onehot", "factor_ct_onehot"),
        parts={
            "64 classes, FM: learned - one-hot": Part(
                gap("factor_fm", "factor_fm_onehot"),
                at_least(0.0),
                unit="%",
                paper=0.3114 - 0.0638,
            ),
            "64 classes, one-hot: CT - FM": Part(
                gap("factor_ct_onehot", "factor_fm_onehot"),
                at_least(0.0),
                unit="%",
                paper=0.3366 - 0.0638,
            ),
        },
        paper="CIFAR-100: FM one-hot 6.38, dim-20 31.14, prototypes 37.57 %; CT one-hot 33.66 %",
    ),
    Claim(
        "C6c",
        "Control: without the cross-entropy of the read-out the learned embedding of flow matching "
        "collapses, to a tenth of the distance between classes that it has with it.",
        arms=("factor_fm", "factor_fm_collapse"),
        parts={
            "distance of classes, without / with cross-entropy": Part(collapse, at_most(0.1)),
        },
        paper="said, not measured",
    ),
    Claim(
        "C7",
        "Blocks can be trained on machines of their own: no gradient crosses a block, and a step "
        "exchanges the gradients of the embedding and the read-out alone.",
        arms=("distribution",),
        parts={
            "gradient across blocks": Part(
                distribution("crossing_gradient"), between(0.0, 0.0), "exact"
            ),
            "bytes exchanged beyond embedding and read-out": Part(
                extra_bytes, between(0.0, 0.0), "exact"
            ),
        },
        paper="said, not measured",
    ),
)  # fmt: skip
