"""Regression on known formulas: what nets with learned functions are measured on."""

import dataclasses
import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Key

from engrax.core import named


class FunctionData(NamedTuple):
    """Three parts of points in [-1, 1]^d and their targets, in units of the training targets'.

    Training targets have mean 0 and variance 1; the other parts use the same shift and scale.
    """

    x: Float[Array, "train d"]
    y: Float[Array, "train 1"]
    x_validation: Float[Array, "validation d"]
    y_validation: Float[Array, "validation 1"]
    x_test: Float[Array, "test d"]
    y_test: Float[Array, "test 1"]


@dataclasses.dataclass(frozen=True)
class FunctionTask:
    """A formula on [-1, 1]^d, to be learned from uniform points."""

    name: str
    formula: str
    """In Python's notation, with x, y, z or x1 .. x4."""
    dims: int
    function: Callable[[Array], Array]
    """From points (n, d) to values (n,)."""
    train: int = 1000
    """Training points."""
    validation: int = 200
    """Points that choose."""
    test: int = 2000
    """Points that judge."""

    def sample(self, key: Key[Array, ""]) -> FunctionData:
        """Fresh points of all three parts; works under `jit` and `vmap`."""
        sizes = {"train": self.train, "validation": self.validation, "test": self.test}
        points = [
            jr.uniform(named(key, part), (n, self.dims), minval=-1.0, maxval=1.0)
            for part, n in sizes.items()
        ]
        values = [self.function(x)[:, None] for x in points]
        mean, deviation = values[0].mean(), values[0].std()
        scaled = [(y - mean) / deviation for y in values]
        return FunctionData(points[0], scaled[0], points[1], scaled[1], points[2], scaled[2])


def bessel_j0(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """J_0(z) for |z| up to 40, as the mean of cos(z sin t) over 48 angles t.

    The midpoint rule on a periodic integrand is off by 2 J_96(z), far below rounding.
    """
    sines = np.sin(math.pi * (np.arange(48) + 0.5) / 48).astype(np.float32)
    return jnp.cos(z[..., None] * sines.reshape(*(1,) * z.ndim, -1)).mean(-1)


def _f1(p: Array) -> Array:
    return p[:, 0] * p[:, 1]


def _f2(p: Array) -> Array:
    return jnp.exp(jnp.sin(math.pi * p[:, 0]) + p[:, 1] ** 2)


def _f3(p: Array) -> Array:
    return bessel_j0(20 * p[:, 0])


def _f4(p: Array) -> Array:
    return jnp.sin(5 * math.pi * p[:, 0]) + 0.5 * jnp.sin(12 * math.pi * p[:, 0])


def _f5(p: Array) -> Array:
    return jnp.abs(p[:, 0] - 0.2) + jnp.maximum(p[:, 1], 0.0) * p[:, 0]


def _f6(p: Array) -> Array:
    x = p[:, 0]
    return jnp.exp(-80 * (x - 0.3) ** 2) * jnp.cos(40 * x) + 0.2 * x


def _f7(p: Array) -> Array:
    squares = p**2
    first, second = squares[:, 0] + squares[:, 1], squares[:, 2] + squares[:, 3]
    return jnp.exp(0.5 * (jnp.sin(math.pi * first) + jnp.sin(math.pi * second)))


def _g1(p: Array) -> Array:
    return jnp.tanh(8 * p[:, 0]) + p[:, 0] ** 2


def _g2(p: Array) -> Array:
    return p[:, 0] ** 3 * p[:, 1] - p[:, 1] ** 2


def _g3(p: Array) -> Array:
    return jnp.sin(math.pi * p[:, 0]) * jnp.cos(3 * math.pi * p[:, 1])


def _g4(p: Array) -> Array:
    return jnp.exp(-5 * ((p[:, 0] - 0.3) ** 2 + (p[:, 1] + 0.2) ** 2))


def _g5(p: Array) -> Array:
    return jnp.abs(jnp.sin(4 * math.pi * p[:, 0]))


def _g6(p: Array) -> Array:
    return p[:, 0] * p[:, 1] * p[:, 2] + jnp.sin(2 * math.pi * p[:, 2])


_SUITES = {
    "seven": (
        FunctionTask("f1", "x*y", 2, _f1),
        FunctionTask("f2", "exp(sin(pi*x) + y**2)", 2, _f2),
        FunctionTask("f3", "J0(20*x)", 1, _f3),
        FunctionTask("f4", "sin(5*pi*x) + sin(12*pi*x) / 2", 1, _f4),
        FunctionTask("f5", "abs(x - 0.2) + max(y, 0)*x", 2, _f5),
        FunctionTask("f6", "exp(-80*(x - 0.3)**2) * cos(40*x) + 0.2*x", 1, _f6),
        FunctionTask(
            "f7", "exp((sin(pi*(x1**2 + x2**2)) + sin(pi*(x3**2 + x4**2))) / 2)", 4, _f7, train=3000
        ),
    ),
    "confirmation": (
        FunctionTask("g1", "tanh(8*x) + x**2", 1, _g1),
        FunctionTask("g2", "x**3 * y - y**2", 2, _g2),
        FunctionTask("g3", "sin(pi*x) * cos(3*pi*y)", 2, _g3),
        FunctionTask("g4", "exp(-5*((x - 0.3)**2 + (y + 0.2)**2))", 2, _g4),
        FunctionTask("g5", "abs(sin(4*pi*x))", 1, _g5),
        FunctionTask("g6", "x*y*z + sin(2*pi*z)", 3, _g6),
    ),
}


def function_suite(name: Literal["seven", "confirmation"]) -> tuple[FunctionTask, ...]:
    """The tasks of a suite: f1 .. f7, on which settings were found, or g1 .. g6, which confirm.

    The formulas are choices made here: products, compositions, oscillations, a kink, a bump, and
    four dimensions.

    Raises:
        ValueError: there is no such suite.
    """
    if name not in _SUITES:
        raise ValueError(f"there is no suite {name!r}; expected {' or '.join(_SUITES)}.")
    return _SUITES[name]
