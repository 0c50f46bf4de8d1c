"""Bumps around centers."""

from typing import final

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ._basis import Basis, along, check_domain, check_size


class _Radial(Basis):
    """`size` centers evenly spaced from `low` to `high`; `width` is their distance by default."""

    _size: int = eqx.field(static=True)
    low: float = eqx.field(static=True)
    high: float = eqx.field(static=True)
    width: float = eqx.field(static=True)

    def __init__(
        self, size: int = 8, *, low: float = -1.0, high: float = 1.0, width: float | None = None
    ) -> None:
        name = type(self).__name__
        check_size(name, size, 2)
        check_domain(name, low, high)
        if width is not None and not 0 < width < np.inf:
            raise ValueError(f"{name} got width={width}; expected a positive finite number.")
        self._size = size
        self.low = float(low)
        self.high = float(high)
        self.width = float(width or (high - low) / (size - 1))

    @property
    def size(self) -> int:
        """How many functions there are."""
        return self._size

    @property
    def domain(self) -> tuple[float, float]:
        """The first and the last center."""
        return self.low, self.high

    def _distances(self, x: Array, axis: int) -> Array:
        """(x - g_m) / width."""
        centers = np.linspace(self.low, self.high, self._size) / self.width
        return jnp.expand_dims(x * (1 / self.width), axis) - along(centers, x, axis)


@final
class RBF(_Radial):
    """Gaussian bumps exp(-((x - g_m) / width)^2) (FastKAN).

    **Outside the grid** they fade to 0.

    Raises:
        ValueError: fewer than two centers, an empty interval, or a width that is not positive.
    """

    __init__ = _Radial.__init__  # type checkers would make one of the fields

    def __call__(self, x: Float[Array, "*shape"], axis: int = -1) -> Float[Array, "..."]:
        """The bumps at `x`, along a new axis."""
        return jnp.exp(-(self._distances(x, axis) ** 2))


@final
class RSWAF(_Radial):
    """Reflectional switch bumps sech^2((x - g_m) / width) (FasterKAN).

    **Outside the grid** they fade to 0.

    Raises:
        ValueError: fewer than two centers, an empty interval, or a width that is not positive.
    """

    __init__ = _Radial.__init__  # type checkers would make one of the fields

    def __call__(self, x: Float[Array, "*shape"], axis: int = -1) -> Float[Array, "..."]:
        """The bumps at `x`, along a new axis."""
        return 1 - jnp.tanh(self._distances(x, axis)) ** 2
