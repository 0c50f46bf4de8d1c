"""C3: what operators cost, by counting; nothing is trained."""

from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from engrax.lab import Reference
from engrax.nn import KANRowOperator, parameter_count
from engrax.probes import compiled_cost

from ._config import Config
from ._models import count

HEAD = 16
"""Features of a head."""
FORMS = ("full", "modular")


def _operator(n: int, rank: int | None, grid: int) -> Any:
    build = eqx.Partial(KANRowOperator, n, rank, "fourier", grid)
    return eqx.filter_eval_shape(build, key=jax.random.key(0))


def _applied(operator: Any, n: int) -> Any:
    """The compiler's count for one head of one image."""
    shapes, rest = eqx.partition(operator, lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct))
    a, v = (jax.ShapeDtypeStruct((n, width), jnp.float32) for width in (n, HEAD))
    return compiled_cost(lambda op, a, v: eqx.combine(op, rest).apply(a, v), shapes, a, v)


def _costs(config: Config) -> xr.Dataset:
    rank, grid = config.rank, config.grid
    counts, formulas, functions, costs = [], [], [], []
    for n in config.costs:
        full, modular = _operator(n, None, grid), _operator(n, rank, grid)
        counts.append([parameter_count(full), parameter_count(modular)])
        formulas.append([2 * n * n * grid, 2 * n * rank * grid + n * rank])
        functions.append(full.coefficients.size / modular.coefficients.size * rank / n)
        costs.append([_applied(operator, n) for operator in (full, modular)])
    dims = ("tokens", "form")
    models = ("softmax", "fourier", "universal")
    return xr.Dataset(
        {
            "parameters": (dims, np.array(counts)),
            "off_formula": (dims, np.array(counts) - np.array(formulas)),
            "functions_over_n_by_r": ("tokens", np.array(functions)),
            "operations": (dims, np.array([[c.flops for c in row] for row in costs])),
            "scratch_bytes": (dims, np.array([[c.peak_memory for c in row] for row in costs])),
            "model_parameters": ("model", np.array([count(config, kind) for kind in models])),
        },
        {"tokens": list(config.costs), "form": list(FORMS), "model": list(models)},
    )


def arms(config: Config) -> dict[str, Any]:
    """One reference, whose numbers are exact."""
    return {"cost": lambda: Reference(partial(_costs, config))}
