"""Quotients of polynomials, and the identity."""

from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ._basis import Basis, check_size


def pade(
    x: Float[Array, "*shape"], numerator: Float[Array, "..."], denominator: Float[Array, "..."]
) -> Float[Array, "..."]:
    """The safe Padé unit (a_0 + .. + a_p x^p) / (1 + |b_1 x + .. + b_q x^q|).

    `numerator` is (.., p + 1) from the constant on, `denominator` (.., q) from the slope on; their
    leading axes broadcast against `x`. Defined for every x, since the denominator is at least 1.
    """
    top = _horner(x, numerator)
    return top / (1 + jnp.abs(x * _horner(x, denominator)))


def _horner(x: Array, coefficients: Array) -> Array:
    value = coefficients[..., -1]
    for n in range(coefficients.shape[-1] - 2, -1, -1):
        value = value * x + coefficients[..., n]
    return value


@final
class Pade(Basis):
    """Powers over one learned denominator: x^m / (1 + |b_1 x + .. + b_q x^q|), m = 0 .. size - 1.

    One denominator serves the whole layer, so that a layer stays one matrix product; a function of
    its own for every edge is `pade`. It starts at 1 + x^2 (at 0 it would never move: the absolute
    value has no slope there).

    **Outside [-1, 1]** the functions go on as they are, and grow where size - 1 exceeds q.

    Raises:
        ValueError: no power, or fewer than two coefficients in the denominator.
    """

    denominator: Float[Array, " q"]
    _size: int = eqx.field(static=True)

    def __init__(self, size: int = 6, *, order: int = 4) -> None:
        check_size("Pade", size, 1)
        if order < 2:
            raise ValueError(f"Pade got order={order}; expected a denominator of order 2 or more.")
        self._size = size
        with jax.ensure_compile_time_eval():
            self.denominator = jnp.zeros(order).at[1].set(1.0)

    @property
    def size(self) -> int:
        """How many functions there are."""
        return self._size

    def __call__(self, x: Float[Array, "*shape"], axis: int = -1) -> Float[Array, "..."]:
        """The functions at `x`, along a new axis."""
        values = [1 / (1 + jnp.abs(x * _horner(x, self.denominator)))]
        for _ in range(1, self._size):
            values.append(values[-1] * x)
        return jnp.stack(values, axis)


@final
class Identity(Basis):
    """The one function x: a layer with it is a linear layer.

    **Outside [-1, 1]** it goes on as it is.
    """

    @property
    def size(self) -> int:
        """One."""
        return 1

    def __call__(self, x: Float[Array, "*shape"], axis: int = -1) -> Float[Array, "..."]:
        """`x`, along a new axis of length 1."""
        return jnp.expand_dims(x, axis)
