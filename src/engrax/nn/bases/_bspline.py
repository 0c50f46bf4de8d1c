"""Uniform B-splines in closed form."""

import functools
import math
from typing import final

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ._basis import Basis, along, check_domain, check_size


@final
class BSpline(Basis):
    """Uniform B-splines of degree k on G intervals of [low, high], `size` = G + k of them.

    Function m is supported on k + 1 intervals, from low + (m - k) h on, with h = (high - low) / G.
    It is the cardinal B-spline at the distance u of x from the middle of its support, in units of
    h: with v = (k + 1) / 2 - |u|,

        B(v) = 1 / k! * sum_j (-1)^j C(k + 1, j) max(v - j, 0)^k,   j = 0 .. k // 2

    For k = 3 this is (max(v, 0)^3 - 4 max(v - 1, 0)^3) / 6: no recursion, no branch, the same
    values as the Cox-de Boor recursion. Inside [low, high] the functions sum to 1.

    **Outside the grid** they fade to 0 within k intervals and are 0 beyond.

    Raises:
        ValueError: a degree outside 1 .. 5, no interval left (size <= degree), or an empty or
            infinite [low, high].
    """

    _size: int = eqx.field(static=True)
    degree: int = eqx.field(static=True)
    low: float = eqx.field(static=True)
    high: float = eqx.field(static=True)

    def __init__(
        self, size: int = 8, *, degree: int = 3, low: float = -1.0, high: float = 1.0
    ) -> None:
        if not 1 <= degree <= 5:
            raise ValueError(f"BSpline got degree={degree}; expected 1 to 5 (3 is cubic).")
        check_size("BSpline", size, degree + 1)
        check_domain("BSpline", low, high)
        self._size = size
        self.degree = degree
        self.low = float(low)
        self.high = float(high)

    @property
    def size(self) -> int:
        """How many functions there are."""
        return self._size

    @property
    def intervals(self) -> int:
        """Intervals of the grid inside [low, high]."""
        return self._size - self.degree

    @property
    def domain(self) -> tuple[float, float]:
        """The grid's ends."""
        return self.low, self.high

    def __call__(self, x: Float[Array, "*shape"], axis: int = -1) -> Float[Array, "..."]:
        """The splines at `x`, along a new axis."""
        k = self.degree
        step = (self.high - self.low) / self.intervals
        centers = along(np.arange(self.size) - (k - 1) / 2, x, axis)
        u = jnp.expand_dims((x - self.low) * (1 / step), axis) - centers
        v = (k + 1) / 2 - jnp.abs(u)
        terms = [
            (-1) ** j * math.comb(k + 1, j) / math.factorial(k) * jnp.maximum(v - j, 0.0) ** k
            for j in range(k // 2 + 1)
        ]
        return functools.reduce(jnp.add, terms)
