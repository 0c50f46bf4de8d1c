"""The claims, fixed before any run; each rule reads one value a seed."""

from typing import Any

import numpy as np
import xarray as xr

from engrax.lab import Claim, Part, at_least, at_most, equivalent

LOW_RATIO = 0.2
"""Below it a unit's spectrum is broad. Histograms are empty from here to 0.6, so little hangs on
the number."""


def last(run: Any, arm: str, record: str) -> xr.DataArray:
    """The last value of a record."""
    return run[arm][record].isel(tick=-1)


def distance_to_ceiling(run: Any, arm: str) -> xr.DataArray:
    """How far training accuracy is from that of ignoring every corruption."""
    return np.abs(last(run, arm, "train_accuracy") - run[arm]["final"]["ceiling"])


def pruned(run: Any, order: str, part: str, share: float) -> xr.DataArray:
    """Accuracy on a part with a share of the units removed in this order."""
    curve = run["none"]["final"][f"{order}_accuracy_{part}"]
    return curve.sel(pruned=share, method="nearest")


def low_share(run: Any, arm: str) -> xr.DataArray:
    """Share of the units with a broad spectrum: the memorizing ones."""
    return (run[arm]["final"]["ipr"] < LOW_RATIO).mean("unit")


def paired(a: xr.DataArray, b: xr.DataArray) -> xr.DataArray:
    """A - b, seed by seed; refuses seeds that do not pair."""
    with xr.set_options(arithmetic_join="exact"):
        return a.drop_vars(("tick", "pruned"), errors="ignore") - b.drop_vars(
            ("tick", "pruned"), errors="ignore"
        )


def gain_correlation(run: Any) -> np.ndarray:
    """Spearman's correlation of a unit's |gamma| with its IPR, one a seed."""
    from scipy import stats  # 0.3 s, and only here

    final = run["norm"]["final"]
    pairs = zip(final["gain"].to_numpy(), final["ipr"].to_numpy(), strict=True)
    return np.array([float(np.asarray(stats.spearmanr(a, b))[0]) for a, b in pairs])


def stages(run: Any, arm: str) -> np.ndarray:
    """Steps (seed, 3): memorized, generalized, inverted; infinite where that did not happen."""
    data, ceiling = run[arm], run[arm]["final"]["ceiling"].to_numpy()[:, None]
    step = data["tick"].to_numpy()
    train, test = (data[f"{name}_accuracy"].to_numpy() for name in ("train", "test"))

    def first(reached: np.ndarray) -> np.ndarray:
        return np.where(reached.any(1), step[reached.argmax(1)], np.inf)

    memorized = first(train >= 0.995)
    after = step[None] > memorized[:, None]
    return np.stack(
        [memorized, first(test >= 0.95), first(after & (train <= ceiling + 0.02))], axis=1
    )


def in_order(run: Any) -> np.ndarray:
    """1 where a seed memorizes, then generalizes, then inverts; else 0."""
    memorized, generalized, inverted = stages(run, "decay").T
    return ((memorized < generalized) & (generalized < inverted) & np.isfinite(inverted)).astype(
        float
    )


def fall_share(run: Any) -> np.ndarray:
    """Share of all steps in which training accuracy falls from 90 to 10 % of its drop."""
    data = run["decay"]
    train, step = data["train_accuracy"].to_numpy(), data["tick"].to_numpy()
    shares = []
    for curve in train:
        top, end = curve.argmax(), curve[-1]
        height = (curve[top:] - end) / max(curve[top] - end, 1e-9)
        begin, finish = (top + int((height <= level).argmax()) for level in (0.9, 0.1))
        shares.append((step[finish] - step[begin]) / step[-1])
    return np.array(shares)


def embedding(run: Any, decay: float) -> xr.DataArray:
    """Mean inverse participation ratio of the transformer's embedding."""
    return _at(run["transformer"]["final"]["embedding_ipr"].mean("feature"), decay)


def best(run: Any, record: str) -> xr.DataArray:
    """A record's last value at the decay found on calibration seeds."""
    return _at(last(run, "transformer", record), run.config.transformer_best_decay)


def _at(values: xr.DataArray, decay: float) -> xr.DataArray:
    chosen = values.sel(weight_decay=decay, method="nearest")
    return chosen.drop_vars(("weight_decay", "tick"), errors="ignore")


CLAIMS = (
    Claim(
        "C1",
        "Without regularization a net memorizes corrupted labels and generalizes perfectly at the "
        "same time.",
        arms=("none", "clean", "sparse"),
        parts={
            "test accuracy": Part(
                lambda run: last(run, "none", "test_accuracy"),
                at_least(0.95),
                unit="%",
                paper=0.983,
            ),
            "accuracy on corrupted labels": Part(
                lambda run: last(run, "none", "corrupt_accuracy"), at_least(0.85), unit="%"
            ),
        },
        paper="train .978, test .983 after 1000 steps; one seed",
    ),
    Claim(
        "C2",
        "Memorization sits in units of its own: with the 60 % of units of lowest IPR cut out, the "
        "corrupted labels are forgotten and the net generalizes better.",
        arms=("none",),
        parts={
            "corrupted labels, lowest first": Part(
                lambda run: pruned(run, "lowest", "corrupt", 0.6),
                at_most(0.05),
                unit="%",
                paper=0.01,
            ),
            "test: lowest - random first": Part(
                lambda run: paired(
                    pruned(run, "lowest", "test", 0.6), pruned(run, "random", "test", 0.6)
                ),
                at_least(0.5),
                unit="%",
            ),
            "test: lowest first - not pruned": Part(
                lambda run: paired(
                    pruned(run, "lowest", "test", 0.6), pruned(run, "lowest", "test", 0.0)
                ),
                at_least(0.0),
                unit="%",
                paper=0.015,
            ),
        },
        paper="corrupted accuracy .94 to .01 at 60 %, test .983 to .998; one seed",
    ),
    Claim(
        "C3",
        "Weight decay and batch normalization make the net ignore corrupted labels altogether, and "
        "dropout makes it memorize fewer.",
        arms=("none", "mild_decay", "decay", "dropout", "norm", "mini_batch"),
        parts={
            "decay: test": Part(
                lambda run: last(run, "decay", "test_accuracy"), at_least(0.99), unit="%", paper=1.0
            ),
            "decay: |train - ceiling|": Part(
                lambda run: distance_to_ceiling(run, "decay"), at_most(0.02), unit="%", paper=0.0
            ),
            "norm: test": Part(
                lambda run: last(run, "norm", "test_accuracy"), at_least(0.99), unit="%", paper=1.0
            ),
            "norm: |train - ceiling|": Part(
                lambda run: distance_to_ceiling(run, "norm"), at_most(0.02), unit="%", paper=0.002
            ),
            "corrupted labels: dropout - none": Part(
                lambda run: paired(
                    last(run, "dropout", "corrupt_accuracy"), last(run, "none", "corrupt_accuracy")
                ),
                at_most(0.0),
                unit="%",
            ),
        },
        paper="decay 15: train .6537, test 1; batch norm: train .8043, test 1; one seed",
    ),
    Claim(
        "C4",
        "Weight decay and dropout remove the memorizing units; batch normalization keeps them and "
        "turns them down.",
        arms=("none", "decay", "dropout", "norm", "mini_batch"),
        parts={
            "low-IPR units: decay - none": Part(
                lambda run: paired(low_share(run, "decay"), low_share(run, "none")),
                at_most(0.0),
                unit="%",
                paper=-0.62,
            ),
            "low-IPR units: dropout - none": Part(
                lambda run: paired(low_share(run, "dropout"), low_share(run, "none")),
                at_most(0.0),
                unit="%",
            ),
            "low-IPR units: norm - no norm": Part(
                lambda run: paired(low_share(run, "norm"), low_share(run, "mini_batch")),
                equivalent(0.15),
                unit="%",
            ),
            "rank correlation of |gamma| and IPR": Part(gain_correlation, at_least(0.5)),
        },
        paper="low mode of 500 units: some 340 without, 30 under decay 15, 205 under batch norm",
    ),
    Claim(
        "C5",
        "Under weight decay a net first memorizes, then generalizes, then unlearns the corrupted "
        "labels, and the last step is sudden.",
        arms=("decay", "decay_clean"),
        parts={
            "memorize, generalize, invert in order": Part(in_order, at_least(1.0), "exact"),
            "share of the steps in which training accuracy falls": Part(
                fall_share, at_most(0.25), unit="%"
            ),
        },
        paper="train .999 at step 60, test .993 at 140, train .6537 by 300; one seed",
    ),
    Claim(
        "C6",
        "In a transformer too, weight decay makes the embedding periodic and inverts the corrupted "
        "labels.",
        arms=("transformer",),
        parts={
            "embedding IPR: highest - lowest decay": Part(
                lambda run: paired(
                    embedding(run, run.config.transformer_decays[-1]),
                    embedding(run, run.config.transformer_decays[0]),
                ),
                at_least(0.0),
            ),
            "embedding IPR: best - lowest decay": Part(
                lambda run: paired(
                    embedding(run, run.config.transformer_best_decay),
                    embedding(run, run.config.transformer_decays[0]),
                ),
                at_least(0.0),
            ),
            "test at the best decay": Part(
                lambda run: best(run, "test_accuracy"), at_least(0.9), unit="%"
            ),
            "train at the best decay": Part(
                lambda run: best(run, "train_accuracy"), at_most(0.85), unit="%"
            ),
        },
        paper="full inversion by weight decay in a one-layer encoder, p = 97, d = 128",
    ),
)
