"""Bumps made of two rectifiers."""

from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ._basis import Basis, along, check_domain, check_size


@final
class ReLU(Basis):
    """Squared products of two rectifiers on g = size - order intervals of [low, high] (ReLU-KAN).

    With x mapped to [0, 1], R_m = [ReLU(e_m - x) ReLU(x - s_m) 4 g^2 / (k + 1)^2]^2, where s_m =
    (m - k) / g, e_m = s_m + (k + 1) / g and k is the order: 1 in the middle of [s_m, e_m].

    **Outside the grid** they are 0 beyond the supports, which reach k intervals further.

    Raises:
        ValueError: an order below 1, no interval left, or an empty or infinite [low, high].
    """

    _size: int = eqx.field(static=True)
    order: int = eqx.field(static=True)
    low: float = eqx.field(static=True)
    high: float = eqx.field(static=True)

    def __init__(
        self, size: int = 8, *, order: int = 3, low: float = -1.0, high: float = 1.0
    ) -> None:
        if order < 1:
            raise ValueError(f"ReLU got order={order}; expected 1 or more intervals.")
        check_size("ReLU", size, order + 1)
        check_domain("ReLU", low, high)
        self._size = size
        self.order = order
        self.low = float(low)
        self.high = float(high)

    @property
    def size(self) -> int:
        """How many functions there are."""
        return self._size

    @property
    def domain(self) -> tuple[float, float]:
        """The grid's ends."""
        return self.low, self.high

    def __call__(self, x: Float[Array, "*shape"], axis: int = -1) -> Float[Array, "..."]:
        """The bumps at `x`, along a new axis."""
        half = (self.order + 1) / 2
        step = (self.high - self.low) / (self._size - self.order)
        middles = along(np.arange(self._size) - self.order + half, x, axis)
        u = jnp.expand_dims((x - self.low) * (1 / step), axis) - middles
        return (jax.nn.relu(half - u) * jax.nn.relu(half + u) * (1 / half**2)) ** 2
