"""The claims, fixed before any run; each rule reads one value a seed."""

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from engrax.continual import average_accuracy, backward_transfer
from engrax.lab import Claim, Part, at_least, at_most, paired_difference

from ._learners import RULES

BURST = 40.0
"""Spikes of a burst at which lateral neurons that spike are claimed to suffice."""


def matrix(arm: Any) -> xr.DataArray:
    """R (seed, ..., trained, tested) of an arm."""
    return arm["accuracy"].rename(tick="trained")


def average(arm: Any) -> xr.DataArray:
    """Mean accuracy over all tasks after the last one: (seed, ...)."""
    return _over_tasks(arm, average_accuracy)


def transfer(arm: Any) -> xr.DataArray:
    """Backward transfer: (seed, ...)."""
    return _over_tasks(arm, backward_transfer)


def _over_tasks(arm: Any, measure: Callable[[Any], np.ndarray]) -> xr.DataArray:
    found = matrix(arm)
    lead = [dim for dim in found.dims if dim not in ("trained", "tested")]
    values = measure(found.transpose(*lead, "trained", "tested").to_numpy())
    return xr.DataArray(values, {d: found[d] for d in lead if d in found.coords}, lead)


def lead(run: Any, first: str, second: str) -> xr.DataArray:
    """Average accuracy of one arm minus that of another, seed by seed."""
    return paired_difference(run, first, second, average)


def worst_layer(run: Any, measure: Callable[[Any], xr.DataArray]) -> xr.DataArray:
    """The lowest value of a layer after the first task."""
    return measure(run["hlop"].isel(tick=0)).min("layer").drop_vars("tick", errors="ignore")


def energy_ratio(arm: Any) -> xr.DataArray:
    """Captured energy, as a share of what principal components of the same number capture."""
    return arm["energy"] / arm["best_energy"]


def median_interference(run: Any, name: str) -> xr.DataArray:
    """The median over the second task's steps: (seed, layer)."""
    return run["interference"][name].isel(tick=1, drop=True).median("step")


def spiking_lead(run: Any) -> xr.DataArray:
    """Average accuracy with bursts of 40 spikes minus that with linear lateral neurons."""
    bursts = average(run["burst"]).sel(burst_levels=BURST, drop=True)
    with xr.set_options(arithmetic_join="exact"):
        return bursts - average(run["hlop"])


CLAIMS = (
    Claim(
        "C1",
        "With Hebbian orthogonal projection a spiking net that learns one permutation of digits "
        "after another forgets nearly nothing, and ends more accurate than without.",
        arms=("hlop", "sequential"),
        parts={
            "backward transfer, HLOP": Part(
                lambda run: transfer(run["hlop"]), at_least(-0.02), unit="%"
            ),
            "accuracy: HLOP - sequential": Part(
                lambda run: lead(run, "hlop", "sequential"), at_least(0.0), unit="%"
            ),
        },
        paper="unverified: ACC 95.15, BWT -1.30 % against about 70.6 and -28.9 %; ten permutations "
        "of all of MNIST, net 784-800-800-10",
    ),
    Claim(
        "C2",
        "Hebbian and anti-Hebbian lateral plasticity extracts the principal subspace of each "
        "layer's activity.",
        arms=("hlop",),
        parts={
            "captured energy / PCA's, worst layer": Part(
                lambda run: worst_layer(run, energy_ratio), at_least(0.9)
            ),
            "mean squared cosine of principal angles, worst layer": Part(
                lambda run: worst_layer(run, lambda arm: arm["alignment"]), at_least(0.8)
            ),
        },
        paper="no number is given",
    ),
    Claim(
        "C3",
        "What the second task changes hardly reaches the outputs of the first, and less than with "
        "as many random directions taken out.",
        arms=("interference",),
        parts={
            "median share of a step, worst layer": Part(
                lambda run: median_interference(run, "interference").max("layer"), at_most(0.35)
            ),
            "the same - random directions, worst layer": Part(
                lambda run: (
                    median_interference(run, "interference")
                    - median_interference(run, "random_interference")
                ).max("layer"),
                at_most(0.0),
            ),
        },
        paper="no number is given",
    ),
    Claim(
        "C4",
        "It works for any training rule: DSR, BPTT and OTTT, and DSR with feedback alignment and "
        "sign-symmetric feedback, all end more accurate with the projection than without.",
        arms=(
            "hlop",
            "sequential",
            *(f"{arm}_{name}" for name in RULES if name != "dsr" for arm in ("hlop", "sequential")),
        ),
        parts={
            f"accuracy: HLOP - sequential, {label}": Part(
                (
                    lambda run, end="" if name == "dsr" else f"_{name}": lead(
                        run, f"hlop{end}", f"sequential{end}"
                    )
                ),
                at_least(0.0),
                unit="%",
            )
            for name, label in RULES.items()
        },
        paper="similar for all five; numbers not read",
    ),
    Claim(
        "C5",
        "It beats earlier approaches: elastic weight consolidation, and going over 50 stored "
        "images of each class.",
        arms=("hlop", "ewc", "replay", "gpm", "hlop_replay", "joint"),
        parts={
            f"accuracy: HLOP - {label}": Part(
                (lambda run, name=name: lead(run, "hlop", name)), at_least(0.0), unit="%"
            )
            for name, label in (("ewc", "EWC"), ("replay", "replay"))
        },
        paper="unverified: HLOP 95.15 against about 94.8 % for GPM on the same net",
    ),
    Claim(
        "C6",
        "Lateral neurons that spike suffice: bursts of at most 40 spikes cost less than a point.",
        arms=("hlop", "burst"),
        parts={
            "accuracy: bursts of 40 - linear": Part(spiking_lead, at_least(-0.01), unit="%"),
        },
        paper="no loss; numbers not read",
    ),
)
