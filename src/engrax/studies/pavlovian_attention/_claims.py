"""The claims, fixed before any run; each rule reads one value a seed."""

from typing import Any

import equinox as eqx
import numpy as np
from scipy import special

from engrax.lab import Claim, Part, at_least, at_most, between, equivalent, t_half_width

from ._config import SCALES

CPU = SCALES["cpu"]


def identity_error(run: Any, name: str) -> Any:
    """Largest relative difference between conditioning and attention."""
    return run["identity"][name].isel(tick=-1)


def table_error(run: Any, rule: str) -> np.ndarray:
    """Errors of one rule against the closed forms, one an experiment."""
    return run["conditioning"]["error"].sel(rule=rule).to_numpy()


def other_error(run: Any, name: str) -> np.ndarray:
    """One further error against a closed form."""
    return run["conditioning"][name].to_numpy().reshape(1)


def capacity(run: Any, arm: str, cosine: float = 0.0) -> np.ndarray:
    """Capacities (seed, d_key)."""
    found = run[arm]["capacity"].isel(tick=-1).sel(cosine=cosine, method="nearest")
    return found.transpose("seed", "d_key").to_numpy()


def slope(run: Any, arm: str, cosine: float = 0.0, upper: bool = False) -> np.ndarray:
    """Slope of log capacity on log d_key, one a seed.

    With `upper`, over the larger half of d_key; a middle one belongs to neither half.
    """
    features = np.log(run[arm]["d_key"].to_numpy().astype(float))
    found = np.log(capacity(run, arm, cosine))
    half = len(features) // 2
    if upper and half > 1:
        features, found = features[-half:], found[:, -half:]
    return np.polyfit(features, found.T, 1)[0]


def slope_difference(run: Any, a: str, b: str) -> np.ndarray:
    """Slope of one criterion less that of another, seed by seed."""
    return slope(run, a) - slope(run, b)


def saturation(run: Any, cosine: float) -> np.ndarray:
    """Capacity over theory for correlated keys, the mean over the larger half of d_key."""
    theory = run["capacity_theory"]["bits"].sel(cosine=cosine, method="nearest").to_numpy()
    ratio = capacity(run, "bits", cosine) / theory
    return ratio[:, -max(1, ratio.shape[1] // 2) :].mean(1)


def within_its_interval(value: float, half: float) -> float:
    """1 or less where an interval around a value includes 0."""
    # Equal values have no width: then only a value of exactly zero is inside.
    return abs(value) / half if half > 0 else (0.0 if value == 0 else np.inf)


def series_cells(run: Any) -> np.ndarray:
    """Whether log success is L log(1 - p) within its interval: (cell, depth).

    Success and p come from draws of their own, so their errors add. A cell that never fails, here
    and there, agrees.
    """
    data = run["chains"].isel(tick=-1)
    depth = data["depth"].to_numpy()
    success = data["cleaned"].to_numpy()
    single = 1 - data["failure"].to_numpy()[:, :, None]
    n = len(success)

    def error(x: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            return x.std(0, ddof=1) / np.sqrt(n) / x.mean(0)

    with np.errstate(divide="ignore"):
        gap = np.abs(np.log(success.mean(0)) - depth * np.log(single.mean(0)))
    allowed = special.stdtrit(n - 1, 0.975) * np.hypot(error(success), depth * error(single))
    return gap <= allowed + 1e-6


def agreeing(run: Any) -> float:
    """Share of the cells in which the series law holds."""
    return float(series_cells(run).mean())


def minimal_heads(run: Any, target: float = 0.01) -> np.ndarray:
    """Heads that keep the failure of a cleaned chain at 1 %: (seed, depth), the mean over cells.

    The logarithm of the failure is interpolated between the measured numbers of heads. Where one
    head is enough it is one, where the most are not enough it is those.
    """
    data, config = run["chains"].isel(tick=-1), run.config
    heads = np.array(config.heads, float)
    failure = 1 - data["cleaned"].to_numpy()
    seeds, _, depths = failure.shape
    failure = np.maximum(failure, 0.5 / config.chains)
    curves = np.log(failure.reshape(seeds, -1, len(heads), depths))
    found = np.empty((seeds, curves.shape[1], depths))
    for i, j, k in np.ndindex(*found.shape):
        # Failure falls with heads but for noise; its running minimum does so surely.
        curve = np.minimum.accumulate(curves[i, j, :, k])
        found[i, j, k] = np.interp(-np.log(target), -curve, heads)
    return found.mean(1)


def heads_on_depth(run: Any, degree: int) -> np.ndarray:
    """Leading coefficient of minimal heads on ln L, of degree 1 or 2, one a seed."""
    depth = np.log(np.array(run.config.depths, float))
    return np.polyfit(depth, minimal_heads(run).T, degree)[0]


def curvature(run: Any) -> float:
    """Quadratic coefficient, in half-widths of its interval."""
    values = heads_on_depth(run, 2)
    return within_its_interval(float(values.mean()), float(t_half_width(values)))


def budget_difference(run: Any, cell: int) -> np.ndarray:
    """One-layer success of another split of the budget, less that of one head."""
    success = run["budget"]["cleaned"].isel(tick=-1, depth=0).to_numpy()
    return success[:, cell] - success[:, 0]


def gain(run: Any, a: str, b: str, record: str, load: float, cosine: float) -> np.ndarray:
    """A record of one rule less that of another in one cell."""
    where = {"load": load, "cosine": cosine, "method": "nearest"}
    first, second = (run[arm][record].isel(tick=-1).sel(**where).to_numpy() for arm in (a, b))
    return first - second


def overwrite_gain(run: Any) -> np.ndarray:
    """Overwrite accuracy of delta less that of hebb, the mean over all cells."""
    first, second = (
        run[arm]["overwrite"].isel(tick=-1).mean(("load", "cosine")).to_numpy()
        for arm in ("delta", "hebb")
    )
    return first - second


def trained_accuracy(run: Any, rule: str) -> Any:
    """Test accuracy at the end: (seed, pairs)."""
    return run[f"trained_{rule}"]["test"].isel(tick=-1)


def trained_gain(run: Any, pairs: int) -> np.ndarray:
    """Test accuracy of delta less that of hebb at one number of pairs."""
    first, second = (
        trained_accuracy(run, rule).sel(pairs=pairs, method="nearest").to_numpy()
        for rule in ("delta", "hebb")
    )
    return first - second


def blocking_ratio(run: Any, rule: str) -> np.ndarray:
    """Response to B over that of the control, the mean over numbers of pairs, one a seed."""
    return run[f"trained_{rule}"]["final"]["ratio"].mean("pairs").to_numpy()


def not_blocked(run: Any) -> float:
    """Distance of hebb's ratio from 1, in half-widths of its interval."""
    values = blocking_ratio(run, "hebb")
    return within_its_interval(float(values.mean()) - 1, float(t_half_width(values)))


CORRELATED = (0.1, 0.3, 0.5)
SPARSE = (0.25, 0.5)

CLAIMS = (
    Claim(
        "C1",
        "Linear attention is conditioning, pair by pair, and the textbook's phenomena follow from "
        "the rule that writes.",
        {
            "attention, plain keys": Part(
                eqx.Partial(identity_error, name="plain"), at_most(1e-5), "exact"
            ),
            "attention, mapped keys": Part(
                eqx.Partial(identity_error, name="mapped"), at_most(1e-5), "exact"
            ),
            "table, hebb": Part(eqx.Partial(table_error, rule="hebb"), at_most(1e-4), "exact"),
            "table, delta": Part(eqx.Partial(table_error, rule="delta"), at_most(1e-4), "exact"),
            "trace over a gap": Part(
                eqx.Partial(other_error, name="trace_error"), at_most(1e-4), "exact"
            ),
            "split by salience": Part(
                eqx.Partial(other_error, name="salience_error"), at_most(1e-4), "exact"
            ),
            "TD without a forecast": Part(
                eqx.Partial(other_error, name="td_error"), at_most(1e-4), "exact"
            ),
        },
        arms=("identity", "conditioning"),
        paper="attention as Pavlovian conditioning, by construction",
    ),
    Claim(
        "C2",
        "A linear memory of d_key features holds of the order of sqrt(d_key) pairs where values "
        "are chosen against it, and of the order of d_key where they are random: only the first "
        "notion gives the square root.",
        {
            "adversarial values: slope": Part(
                eqx.Partial(slope, arm="adversarial"), between(0.45, 0.55), paper=0.5
            ),
            "1 % of random bits: slope": Part(eqx.Partial(slope, arm="bits"), between(0.9, 1.05)),
            "nearest value - adversarial: slope": Part(
                eqx.Partial(slope_difference, a="nearest", b="adversarial"), at_least(0.0)
            ),
            "random bits - nearest value: slope": Part(
                eqx.Partial(slope_difference, a="bits", b="nearest"), at_least(0.0)
            ),
            **{
                f"mean cosine {mu:g}: slope, large d_key": Part(
                    eqx.Partial(slope, arm="bits", cosine=mu, upper=True), at_most(0.15)
                )
                for mu in CPU.cosines
            },
            **{
                f"mean cosine {mu:g}: capacity / theory": Part(
                    eqx.Partial(saturation, cosine=mu), between(0.75, 1.25)
                )
                for mu in CPU.cosines
            },
        },
        arms=(
            "adversarial", "bits", "nearest", "noisy", "bits_delta", "bits_softmax",
            "capacity_theory",
        ),
        paper="O(sqrt(d_key)) associations a head",
    ),
    Claim(
        "C3",
        "Errors compound over layers as independent failures do, redundant heads make up for it, "
        "and their number grows with the logarithm of the depth (our formalization of the paper's "
        "trade-off).",
        {
            "cells in which success is (1 - p)^L": Part(agreeing, at_least(0.9), "exact", "%"),
            "minimal heads on ln L: slope": Part(
                eqx.Partial(heads_on_depth, degree=1), at_least(0.0)
            ),
            "its curvature, in half-intervals": Part(curvature, at_most(1.0), "exact"),
            **{
                f"one layer, {h} heads of {d} - 1 of {CPU.budgets[0][1]}": Part(
                    eqx.Partial(budget_difference, cell=i), equivalent(0.03), unit="%"
                )
                for i, (h, d) in enumerate(CPU.budgets)
                if i
            },
        },
        arms=("chains", "budget"),
        paper="a trade-off of depth, width and redundancy",
    ),
    Claim(
        "C4",
        "A write that corrects its error retrieves better from correlated keys, and overwrites.",
        {
            **{
                f"error, {name} - hebb, N/d {load:g}, cosine {mu:g}": Part(
                    eqx.Partial(gain, a=arm, b="hebb", record="error", load=load, cosine=mu),
                    at_most(0.0),
                )
                for arm, name in (("delta", "delta"), ("delta_swept", "20 sweeps"))
                for load in SPARSE
                for mu in CORRELATED
            },
            "overwriting, delta - hebb": Part(overwrite_gain, at_least(0.0), unit="%"),
        },
        arms=("hebb", "delta", "delta_swept"),
        paper="plausible rules could enhance transformers",
    ),
    Claim(
        "C5",
        "Trained to recall as many pairs as it has key features or more, a memory that corrects "
        "its errors is right more often than one that adds.",
        {
            f"delta - hebb, N = {n}": Part(eqx.Partial(trained_gain, pairs=n), at_least(0.0),
                                           unit="%")
            for n in CPU.pairs
            if n >= CPU.d_key
        },
        arms=tuple(f"trained_{rule}" for rule in ("hebb", "decay", "delta", "gated_delta",
                                                  "softmax")),
        paper="(not measured there)",
    ),
    Claim(
        "C6",
        "A trained memory with the delta rule blocks: what A predicts, B does not learn. One with "
        "Hebb's rule does not block.",
        {
            "delta: response / control": Part(
                eqx.Partial(blocking_ratio, rule="delta"), at_most(0.5)
            ),
            "hebb: distance from 1, in half-intervals": Part(not_blocked, at_most(1.0), "exact"),
        },
        arms=("trained_delta", "trained_hebb"),
        paper="predicted in a later version of the paper, which was not read in full",
    ),
)  # fmt: skip
