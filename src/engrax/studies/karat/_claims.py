"""The claims, fixed before any run; each rule reads one value a seed."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from engrax.lab import Claim, Part, at_least, at_most, between, equivalent

from ._models import SINGLE


def accuracy(run: Any, arm: str, tick: int = -1) -> np.ndarray:
    """(seed, *grid): test accuracy after a tick, the last by default."""
    return run[arm]["test_accuracy"].to_numpy()[..., tick]


def gap(first: str, second: str, tick: int = -1) -> Callable[[Any], np.ndarray]:
    """Accuracy of one arm minus that of another, seed by seed."""
    return lambda run: accuracy(run, first, tick) - accuracy(run, second, tick)


def over_controls(run: Any) -> np.ndarray:
    """Learned functions over the better of the two controls, chosen for each seed."""
    best = np.maximum(accuracy(run, "const"), accuracy(run, "linear"))
    return accuracy(run, "karat") - best


def rank_gap(run: Any, which: Callable[..., int]) -> np.ndarray:
    """Accuracy at the study's rank minus that at the lowest (min) or highest (max) one."""
    ranks = run.config.ranks
    return accuracy(run, "short_karat") - accuracy(run, "ranks")[:, ranks.index(which(ranks))]


def recall_gap(run: Any) -> np.ndarray:
    """Recall at the highest rank minus that at the lowest."""
    ranks, found = run.config.recall_ranks, accuracy(run, "recall")
    return found[:, ranks.index(max(ranks))] - found[:, ranks.index(min(ranks))]


def over_chance(run: Any) -> np.ndarray:
    """Recall without logits, over a guess."""
    return accuracy(run, "recall")[:, -1] - 1 / run.config.recall_values


def bases(run: Any) -> dict[str, np.ndarray]:
    """Basis -> accuracy (seed,), for all but Fourier's."""
    single = [name for name in run.config.bases if name in SINGLE]
    found = dict(zip(single, accuracy(run, "single_bases").T, strict=True))
    arms = {name: f"basis_{name}" for name in run.config.bases if name not in SINGLE}
    return found | {name: accuracy(run, arm) for name, arm in arms.items()}


def others(run: Any) -> list[np.ndarray]:
    """Accuracies (seed,) of the bases but for Fourier's, the best mean first."""
    return sorted(bases(run).values(), key=lambda each: -each.mean())


def over_third(run: Any) -> np.ndarray:
    """Fourier's over the third best of the others: Fourier's is one of three if this is not < 0."""
    rest = others(run)
    return accuracy(run, "short_karat") - rest[min(3, len(rest)) - 1]


def unstable(run: Any) -> set[str]:
    """Bases of which a run became non-finite: flagged, and not held to the control."""
    single = [name for name in run.config.bases if name in SINGLE]
    losses = run["single_bases"]["loss"].to_numpy()
    lost = {name for i, name in enumerate(single) if not np.isfinite(losses[:, i]).all()}
    arms = {name: f"basis_{name}" for name in run.config.bases if name not in SINGLE}
    return lost | {
        name for name, arm in arms.items() if not np.isfinite(run[arm]["loss"].to_numpy()).all()
    }


def worst_over_const(run: Any) -> np.ndarray:
    """The worst stable basis, Fourier's included, over the control without logits."""
    flagged = unstable(run)
    stable = [each for name, each in bases(run).items() if name not in flagged]
    worst = min([accuracy(run, "short_karat"), *stable], key=np.mean)
    return worst - accuracy(run, "short_const")


def inside(run: Any, arm: str, name: str) -> np.ndarray:
    """(seed,): a number of the dissection."""
    return run[arm]["final"][name].to_numpy()


def inside_gap(name: str) -> Callable[[Any], np.ndarray]:
    """Learned functions minus softmax, in a number of the dissection."""
    return lambda run: inside(run, "karat", name) - inside(run, "softmax", name)


def roughness_ratio(run: Any) -> np.ndarray:
    """Roughness of the loss plane of learned functions over that of the softmax."""
    return inside(run, "karat", "roughness") / inside(run, "softmax", "roughness")


def _cost(run: Any, name: str) -> np.ndarray:
    return np.ravel(run["cost"][name].to_numpy()).astype(float)


WATCHED = ("long_softmax", "long_karat", "large_softmax", "large_karat")
"""Longer training, and a larger model (C8): shown beside C1, not judged."""

C1 = Claim(
    "C1",
    "In a small vision transformer learned functions in the place of the softmax do better, and "
    "one set of them for all blocks does not do worse.",
    arms=("softmax", "karat", "universal", "wide", *WATCHED),
    parts={
        "blockwise - softmax": Part(
            gap("karat", "softmax"), at_least(0.0), unit="%", paper=0.7669 - 0.7276
        ),
        "universal - softmax": Part(
            gap("universal", "softmax"), at_least(-0.01), unit="%", paper=0.7556 - 0.7276
        ),
    },
    paper="ViT-Tiny on CIFAR-10, one run each: softmax 72.76, blockwise 76.69, universal 75.56 %",
)
C2 = Claim(
    "C2",
    "Learned token interaction helps: learned functions beat both the pooling that sees no logits "
    "and a linear map of the logits.",
    arms=("karat", "const", "linear", "position_bias", "frozen", "softmax", "wide"),
    parts={
        "blockwise - better of const and linear": Part(over_controls, at_least(0.0), unit="%"),
    },
    paper="no such controls in the paper",
)
C2B = Claim(
    "C2b",
    "To select by content takes rank: recall climbs with the rank of the operator, where softmax "
    "solves the task and pooling without logits does not.",
    arms=("recall_softmax", "recall"),
    parts={
        "softmax": Part(partial(accuracy, arm="recall_softmax"), at_least(0.9), unit="%"),
        "rank 17 - rank 2": Part(recall_gap, at_least(0.0), unit="%"),
        "const - chance": Part(over_chance, at_most(0.1), unit="%"),
    },
    paper="a prediction from the rank of the Jacobian; not in the paper",
)
C3 = Claim(
    "C3",
    "The modular operator is needed and is enough: it has r / N of the functions, r = 6 does as "
    "well as r = 17 and as the full operator, and r = 1 does worse.",
    arms=("cost", "short_karat", "ranks", "full"),
    parts={
        "parameters - formula": Part(
            partial(_cost, name="off_formula"), between(0.0, 0.0), "exact"
        ),
        "functions, full over modular, by N / r": Part(
            partial(_cost, name="functions_over_n_by_r"), between(1.0, 1.0), "exact"
        ),
        "r = 6 - r = 17": Part(partial(rank_gap, which=max), equivalent(0.01), unit="%"),
        "r = 6 - r = 1": Part(partial(rank_gap, which=min), at_least(0.0), unit="%"),
        "full - modular": Part(gap("full", "short_karat"), equivalent(0.015), unit="%"),
    },
    paper="ViT-Tiny on CIFAR-10: r = 12 76.69, r = 4 75.90, r = 2 74.39 %",
)
C4 = Claim(
    "C4",
    "Any basis works in the same code, and Fourier's is among the best three.",
    arms=("short_karat", "single_bases", "basis_pade", "basis_bspline", "short_const"),
    parts={
        "Fourier - third best of the others": Part(over_third, at_least(0.0), unit="%"),
        "worst basis - const": Part(worst_over_const, at_least(-0.05), unit="%"),
    },
    paper="ViT-Tiny on CIFAR-10: Fourier 76.69, DOG 73.89, Shannon 71.41, Meyer 71.13, "
    "Morlet 70.84, Mexican hat 69.62, Padé 69.22 %",
    tolerates_divergence=True,
)
C5 = Claim(
    "C5",
    "Projecting rows onto the simplex hurts, and functions before the linear map do no worse than "
    "behind it.",
    arms=("short_karat", "simplex", "mixed_first"),
    parts={
        "without - with projection": Part(
            gap("short_karat", "simplex"), at_least(0.0), unit="%", paper=0.7669 - 0.4199
        ),
        "functions first - map first": Part(
            gap("short_karat", "mixed_first"), at_least(-0.005), unit="%", paper=0.7541 - 0.6704
        ),
    },
    paper="ViT-Tiny on CIFAR-10: projected 41.99 %; map first 67.04 against 75.41 % at G = 11",
)
C6 = Claim(
    "C6",
    "Inside: maps of rank r with smaller singular values than softmax's, faster early progress, a "
    "spikier loss, and more weights near zero.",
    arms=("softmax", "karat"),
    parts={
        "largest sigma_(r+1) / sigma_1": Part(
            partial(inside, arm="karat", name="beyond_rank"), at_most(1e-6)
        ),
        "mean singular value, karat - softmax": Part(
            inside_gap("mean_singular_value"), at_most(0.0)
        ),
        "accuracy after a third, karat - softmax": Part(
            gap("karat", "softmax", tick=0), at_least(0.0), unit="%"
        ),
        "roughness of the loss, karat / softmax": Part(roughness_ratio, at_least(1.0)),
        "weights near zero, karat - softmax": Part(
            inside_gap("near_zero"), at_least(0.0), unit="%"
        ),
    },
    paper="figures of one model each",
)
C7 = Claim(
    "C7",
    "A transformer trained on the frozen maps of one with learned functions beats one with its own "
    "softmax, and one on maps of an untrained model or of a trained softmax model.",
    arms=("transfer_karat", "transfer_random", "transfer_softmax", "short_softmax"),
    parts={
        "on learned maps - own softmax": Part(
            gap("transfer_karat", "short_softmax"), at_least(0.0), unit="%", paper=0.7794 - 0.7276
        ),
        "on learned maps - on untrained maps": Part(
            gap("transfer_karat", "transfer_random"), at_least(0.0), unit="%"
        ),
        "on learned maps - on softmax maps": Part(
            gap("transfer_karat", "transfer_softmax"), at_least(0.0), unit="%"
        ),
    },
    paper="ViT-Tiny on CIFAR-10: 77.94 on learned maps, 72.76 % with its own",
)
CLAIMS = (C1, C2, C2B, C3, C4, C5, C6, C7)
