"""The claims, fixed before any run; each rule reads one value a seed, or one in all."""

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from engrax.continual import average_accuracy, backward_transfer
from engrax.lab import Claim, Part, at_least, at_most, between, paired_difference

from ._config import SCALES
from ._perceptron_arms import second_name

LOADS = SCALES["cpu"].loads
"""Loads at which one task is held against the theory."""
CELL = 0.04
"""How far the mean of both errors may be from the theory in a cell of two tasks."""
SECOND = tuple(second_name(alpha) for alpha in SCALES["cpu"].second_loads)


def theory_gap(run: Any) -> float:
    """The largest distance of the mean error from the low branch of the theory, over all loads
    that are judged.
    """
    loads = [a for a in LOADS if a in run["single"]["tick"].to_numpy()]
    mean = run["single"]["error"].mean("seed").sel(tick=loads).to_numpy()
    low = run["theory"]["error"].sel(branch="low", load=loads).to_numpy()
    return float(np.max(np.abs(mean - low)))


def second_errors(run: Any) -> xr.Dataset:
    """Both errors after the second task: (seed, similarity, gamma, load)."""
    found, loads = [], []
    for name in SECOND:
        if name in run:
            found.append(run[name].to_dataset()[["error1", "error2", "qd"]].isel(tick=0, drop=True))
            loads.append(float(name.removeprefix("second_")))
    similar = [part.assign_coords(similarity=part["similarity"].round(6)) for part in found]
    joined = xr.concat(similar, xr.DataArray(loads, dims="load", name="load"))
    assert isinstance(joined, xr.Dataset)
    return joined


def cell_gaps(run: Any) -> xr.DataArray:
    """The larger distance of the two mean errors from the potential: (gamma, similarity, load)."""
    mean = second_errors(run).mean("seed")
    potential = run["potential"].to_dataset()
    gaps = []
    for name in ("error1", "error2"):
        expected = potential[name].sel(load=mean["load"])
        measured = mean[name].sel(gamma=potential["gamma"]).transpose(*expected.dims)
        gaps.append(np.abs(measured.to_numpy() - expected.to_numpy()))
    dims = ("gamma", "similarity", "load")
    return xr.DataArray(np.maximum(*gaps), {d: expected[d] for d in dims}, dims)


def cells_in_agreement(run: Any) -> float:
    """Cells where both mean errors lie within 0.04 of the potential; an unknown one does not."""
    return float((cell_gaps(run) < CELL).sum())


def protection(run: Any) -> xr.DataArray:
    """Error on the first task without the prior minus with gamma = 1, mean over cells."""
    error = second_errors(run)["error1"]
    return (error.sel(gamma=0.0) - error.sel(gamma=1.0)).mean(("similarity", "load"))


def matrix(arm: Any, name: str = "accuracy") -> xr.DataArray:
    """R (seed, trained, tested) of an arm."""
    return arm[name].rename(tick="trained").transpose("seed", "trained", "tested")


def average(arm: Any, name: str = "accuracy") -> xr.DataArray:
    """Mean accuracy over all tasks after the last one: (seed,)."""
    return _over_tasks(arm, average_accuracy, name)


def transfer(arm: Any, name: str = "accuracy") -> xr.DataArray:
    """Backward transfer: (seed,)."""
    return _over_tasks(arm, backward_transfer, name)


def _over_tasks(arm: Any, measure: Callable[[Any], np.ndarray], name: str) -> xr.DataArray:
    found = matrix(arm, name)
    return xr.DataArray(measure(found.to_numpy()), {"seed": found["seed"]}, ("seed",))


def foretold(arm: Any) -> xr.DataArray:
    """How well variance at the end of a task foretells what the next one changes: (seed,)."""
    return arm["auc"].isel(tick=slice(1, None)).mean("tick")


def variance_change(arm: Any) -> float:
    """Mean variance in the last epoch minus that in the first, in the seed where it is largest."""
    found = arm["variance"]
    last, first = found.isel(tick=-1, epoch=-1), found.isel(tick=0, epoch=0)
    return float((last.to_numpy() - first.to_numpy()).max())


def second_order_error(arm: Any) -> xr.DataArray:
    """Median over the steps of the last epoch: (seed,)."""
    return arm["kl_error"].isel(tick=-1, epoch=-1).drop_vars("tick", errors="ignore")


def identity_deviation(run: Any) -> float:
    """By how much the formula of the gradient is off, relatively."""
    return float(run["identity"]["deviation"])


def converged_after(trace: np.ndarray, window: int, stillness: float) -> np.ndarray:
    """T_c: the end of the first window in which the error (..., step) stands still; the number of
    steps where it never does.

    A window's standard deviation is that of the `window` errors before its end.
    """
    steps = trace.shape[-1]
    windows = np.lib.stride_tricks.sliding_window_view(trace.astype(float), window, axis=-1)
    still = windows.std(-1)[..., : steps - window] < stillness
    first = np.where(still.any(-1), still.argmax(-1), steps - window)
    return (first + window).astype(float)


def convergence_times(run: Any) -> xr.DataArray:
    """T_c in steps: (seed, load)."""
    config = run.config
    trace = run["slowing"]["trace"].transpose("seed", "tick", "step")
    times = converged_after(trace.to_numpy(), config.window, config.stillness)
    return xr.DataArray(
        times, {"seed": trace["seed"], "load": trace["tick"].to_numpy()}, ("seed", "load")
    )


def slowest_load(run: Any) -> float:
    """The load at which T_c, mean over seeds, is largest."""
    times = convergence_times(run).mean("seed")
    return float(times["load"][times.to_numpy().argmax()])


def slowing_down(run: Any) -> xr.DataArray:
    """T_c at the slowest load over that at load 1: (seed,)."""
    times = convergence_times(run)
    return times.sel(load=slowest_load(run), drop=True) / times.sel(load=1.0, drop=True)


CLAIMS = (
    Claim(
        "C1",
        "The replica-symmetric order parameters predict what stochastic gradient descent makes of "
        "a single task.",
        arms=("theory", "single", "tuned"),
        parts={
            "largest |mean error - theory|, loads 0.2 to 1.2": Part(
                theory_gap, at_most(0.02), interval="exact"
            ),
        },
        paper="agreement by eye, with learning rate, batch and decay chosen for each load",
    ),
    Claim(
        "C2",
        "What a second task does to the first is given by the Franz-Parisi potential, and the "
        "prior protects the first task.",
        arms=("potential", "first", *SECOND, "first_strong", "second_strong"),
        parts={
            "cells of 24 where both errors are within 0.04": Part(
                cells_in_agreement, at_least(20.0), interval="exact"
            ),
            "error on the first task: no prior - gamma 1": Part(protection, at_least(0.0)),
        },
        paper="agreement by eye",
    ),
    Claim(
        "C3",
        "The prior of the previous step gives a better trade-off between old and new tasks than "
        "annealing alone.",
        arms=(
            "variational",
            "no_prior",
            "no_prior_fixed",
            "previous_task",
            "pair_variational",
            "pair_no_prior",
            "pair_no_prior_fixed",
        ),
        parts={
            "accuracy: prior - none, both annealed": Part(
                lambda run: paired_difference(run, "variational", "no_prior", average),
                at_least(0.0),
                unit="%",
            ),
            "backward transfer: prior - none, both annealed": Part(
                lambda run: paired_difference(run, "variational", "no_prior", transfer),
                at_least(0.0),
                unit="%",
            ),
        },
        paper="numbers not recovered; trade-off better than without the prior",
    ),
    Claim(
        "C4",
        "It beats metaplasticity in a binarized network whose norms are shared by the tasks.",
        arms=("variational", "metaplastic", "metaplastic_per_task", "ewc", "sgd"),
        parts={
            "accuracy: variational - metaplastic, shared norms": Part(
                lambda run: paired_difference(run, "variational", "metaplastic", average),
                at_least(0.0),
                unit="%",
            ),
        },
        paper="numbers not recovered; better than metaplasticity",
    ),
    Claim(
        "C5",
        "A weight's uncertainty modulates its plasticity: uncertain weights are those that change, "
        "and weights become certain.",
        arms=("variational", "fixed", "no_prior"),
        parts={
            "AUC of the variance for a change of sign": Part(
                lambda run: foretold(run["variational"]), at_least(0.6)
            ),
            "mean variance, last - first epoch, largest seed": Part(
                lambda run: variance_change(run["variational"]), at_most(0.0), interval="exact"
            ),
        },
        paper="no number is given",
    ),
    Claim(
        "C6",
        "The divergence is elastic weight consolidation with a Fisher information of beta^2 "
        "sigma^2, and its gradient has this form exactly.",
        arms=("variational", "identity"),
        parts={
            "relative error of second order, median of the last epoch": Part(
                lambda run: second_order_error(run["variational"]), at_most(0.05), unit="%"
            ),
            "deviation of the gradient's formula": Part(
                identity_deviation, at_most(1e-6), interval="exact"
            ),
        },
        paper="derived",
    ),
    Claim(
        "C7",
        "Gradient descent slows down where the theory has two solutions.",
        arms=("slowing", "theory"),
        parts={
            "load of the longest convergence": Part(
                slowest_load, between(1.3, 1.8), interval="exact"
            ),
            "convergence time there / at load 1": Part(slowing_down, at_least(2.0)),
        },
        paper="a peak near 1.5",
    ),
)
