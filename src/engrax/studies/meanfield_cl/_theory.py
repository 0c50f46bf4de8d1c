"""The curves that simulations are held against; where a solver did not converge there is a gap."""

import numpy as np
import xarray as xr

from engrax.theory import (
    PerceptronMeanField,
    binary_perceptron_mean_field,
    franz_parisi,
)

from ._config import Config

BRANCHES = 1.3
"""Loads from which on both starts of the solver are followed."""


def first_task(config: Config) -> xr.Dataset:
    """Both branches of one task: `error`, `p`, `r`, `qd`, `free_entropy` (branch, load).

    "low" starts from a student that knows nothing, "high" from the perfect one; below a load of
    1.3 there is the low branch alone.
    """
    tuned = [row[0] for row in config.tuned]
    every = {*config.theory_loads, *config.loads, *config.late_loads, *tuned}
    loads = np.array(sorted(every))
    late = loads >= BRANCHES
    low = binary_perceptron_mean_field(loads, config.beta)
    found = {name: [_known(low, name), _known(low, name)] for name in _NAMES}
    if late.any():
        high = binary_perceptron_mean_field(loads[late], config.beta, init="informed")
        for name in _NAMES:
            found[name][1] = found[name][1].copy()
            found[name][1][late] = _known(high, name)
    dims = ("branch", "load")
    data = {name: (dims, np.stack(values)) for name, values in found.items()}
    return xr.Dataset(data, {"branch": ["low", "high"], "load": loads})


def second_task(config: Config) -> xr.Dataset:
    """The Franz-Parisi potential: `error1`, `error2` (gamma, similarity, load), and the first
    task's `first_qd` and `first_error`.
    """
    task1 = binary_perceptron_mean_field(config.first_load, config.beta, init="informed")
    loads = np.array(sorted({*config.second_theory_loads, *config.second_loads}))
    gammas = [gamma for gamma in config.gammas if gamma > 0]
    shape = (len(gammas), len(config.similarities), len(loads))
    errors = {name: np.empty(shape) for name in ("error1", "error2")}
    for i, gamma in enumerate(gammas):
        for j, similarity in enumerate(config.similarities):
            found = franz_parisi(task1, loads, similarity, gamma)
            for name, values in errors.items():
                values[i, j] = np.where(found.converged, getattr(found, name), np.nan)
    dims = ("gamma", "similarity", "load")
    data = {name: (dims, values) for name, values in errors.items()}
    return xr.Dataset(
        {**data, "first_qd": float(task1.qd), "first_error": float(task1.error)},
        {"gamma": gammas, "similarity": list(config.similarities), "load": loads},
    )


_NAMES = ("error", "p", "r", "qd", "free_entropy")


def _known(solved: PerceptronMeanField, name: str) -> np.ndarray:
    return np.where(solved.converged, getattr(solved, name), np.nan)
