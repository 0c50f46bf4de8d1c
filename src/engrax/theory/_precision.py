"""Float64 for solvers, without touching the program around them."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import jax
import numpy as np

P = ParamSpec("P")
R = TypeVar("R")


def in_float64(function: Callable[P, R]) -> Callable[P, R]:
    """Run a solver in float64 and hand its arrays back as NumPy.

    JAX arrays of float64 must not leak into a float32 program, so arrays come back as
    ``np.ndarray`` (scalars as 0-d arrays). The switch is a local context: nothing global moves.
    """

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        with jax.enable_x64(True):
            return jax.tree.map(np.asarray, function(*args, **kwargs))

    return wrapped
