"""Mean-field curves that the claims and the figures hold the Monte Carlo against."""

import warnings

import jax.numpy as jnp
import numpy as np
import xarray as xr

from engrax.theory import (
    MultitaskingState,
    critical_dilution,
    dataset_entropy,
    multitasking_mean_field,
    multitasking_step,
)

from ._config import Config
from ._learning import PATTERNS


def ladder(config: Config) -> xr.Dataset:
    """Overlaps of C2's rungs and of C1's, and m_1 of three patterns at T = 0 against dilution."""
    d, k = np.array(config.ladder_dilutions), config.ladder_patterns
    rungs = multitasking_mean_field(k, d, 0.0, 1 / config.cold, init="hierarchical")
    tasks = multitasking_mean_field(
        config.tasks_patterns, config.tasks_dilution, 0.0, 1 / config.cold, init="hierarchical"
    )
    grid = np.array(config.onset_dilutions)
    onset = multitasking_mean_field(3, grid, 0.0, np.inf, init="hierarchical")
    return xr.Dataset(
        {
            "m": (("dilution", "pattern"), rungs.m),
            "tasks_m": (("task",), tasks.m),
            "onset_m": (("onset_dilution",), onset.m[:, 0]),
            "critical": ((), critical_dilution(3)),
        },
        {"dilution": d, "onset_dilution": grid},
    )


def parallel(config: Config) -> xr.Dataset:
    """Overlaps at C3's dilutions, and on a line of dilutions."""
    d, line = np.array(config.parallel_dilutions), np.linspace(0.5, 0.98, 49)
    at = multitasking_mean_field(PATTERNS, d, 0.0, 1 / config.warm, init="hierarchical")
    along = drawn(line, 0.0, 1 / config.warm)
    return xr.Dataset(
        {"m": (("dilution", "pattern"), at.m), "m_line": (("line", "pattern"), along.m)},
        {"dilution": d, "line": line},
    )


def learning(config: Config) -> xr.Dataset:
    """Overlap of the equal patterns of C4 and C5: known, against rho, and at C5's cells."""

    def solved(rho: np.ndarray | float, n_examples: int | None = None) -> np.ndarray:
        found = multitasking_mean_field(
            PATTERNS,
            config.learn_dilution,
            rho,
            1 / config.warm,
            init="hierarchical",
            n_examples=n_examples,
        )
        return np.asarray(found.m)

    rho, fine = np.array(config.entropies), np.geomspace(0.03, 8, 40)
    cells = [solved(rho, m if m < 10 else None).mean(-1) for m in config.collapse_examples]
    curves = {}
    count = config.learn_examples
    for quality in config.learn_qualities:
        m = [solved(float(dataset_entropy(quality, c)), c if c < 10 else None) for c in count]
        curves[f"curve_{100 * quality:.0f}"] = (("examples",), np.array(m).mean(-1))
    return xr.Dataset(
        {
            "known": ((), solved(0.0).mean()),
            "cells": (("entropy", "count"), np.array(cells).T),
            "m_fine": (("fine",), solved(fine).mean(-1)),
            **curves,
        },
        {
            "entropy": rho,
            "count": list(config.collapse_examples),
            "fine": fine,
            "examples": list(count),
        },
    )


def stability(config: Config) -> xr.Dataset:
    """Share of the first pattern's bits that the ladder state's field holds, by signal and noise.

    In the ladder state m_mu = d^(mu-1), and the noise of the averages is independent of it, so
    n = m / (1 + rho).
    """
    found = []
    for rho in config.stability_entropies:
        n = config.descent_dilution ** np.arange(PATTERNS) / (1 + rho)
        step = multitasking_step(jnp.asarray(n, jnp.float32), config.descent_dilution, rho, np.inf)
        found.append((1 + float(step.m[0])) / 2)
    entropy = np.array(config.stability_entropies)
    return xr.Dataset({"stable": (("entropy",), np.array(found))}, {"entropy": entropy})


def drawn(
    dilution: np.ndarray, entropy: np.ndarray | float, beta: np.ndarray | float
) -> MultitaskingState:
    """Solutions for a figure; next to a transition some do not converge: those are NaN."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        found = multitasking_mean_field(PATTERNS, dilution, entropy, beta, init="hierarchical")
    known = np.asarray(found.converged)
    return found._replace(m=np.where(known[..., None], found.m, np.nan))


def diagram(config: Config) -> xr.Dataset:
    """Overlaps over dilution, temperature and entropy; NaN where the solver did not converge."""
    d = np.linspace(0.02, 0.98, config.diagram_points)
    t = np.linspace(0.02, 1.15, config.diagram_points)
    rho = np.array(config.diagram_entropies)
    found = drawn(d[:, None, None], rho, 1 / t[:, None])
    dims = ("dilution", "temperature", "entropy")
    return xr.Dataset(
        {"m": ((*dims, "pattern"), found.m), "converged": (dims, found.converged)},
        {"dilution": d, "temperature": t, "entropy": rho},
    )
