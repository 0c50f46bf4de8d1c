"""What a basis is, and its scaling to unit size."""

import abc
import math
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


class Basis(eqx.Module):
    """A family of `size` univariate functions B_1 .. B_size, evaluated together.

    A function on an edge is a weighted sum of them. What a basis knows is static, so that equal
    bases share a compiled program; array fields, where there are any, are learned with the
    weights. A NaN comes out as NaN, but for constant functions.
    """

    @property
    @abc.abstractmethod
    def size(self) -> int:
        """How many functions there are."""

    @abc.abstractmethod
    def __call__(self, x: Float[Array, "*shape"], axis: int = -1) -> Float[Array, "..."]:
        """B_m(x) for all m: the shape of `x` with an axis of length `size` put in at `axis`."""

    def columns(self, x: Float[Array, "in batch"]) -> Float[Array, "in size batch"]:
        """The functions at many examples, which lie along the fastest axis."""
        return self(x, 1)

    @property
    def domain(self) -> tuple[float, float]:
        """The interval the functions are made for."""
        return -1.0, 1.0


@final
class UnitRMS(Basis):
    """A basis whose every function has a root mean square of 1 over its domain.

    Weights of different families can be compared only after this: otherwise they measure the size
    of the features. The constants are found once, by 4,096 midpoints, for the basis as it was given
    (learned fields move afterwards, the constants do not).
    """

    basis: Basis
    scale: tuple[float, ...] = eqx.field(static=True)

    def __init__(self, basis: Basis) -> None:
        """Scales `basis`.

        Raises:
            ValueError: a function of the basis is zero, or not finite, all over the domain.
        """
        low, high = basis.domain
        with jax.ensure_compile_time_eval():
            points = jnp.asarray(low + (high - low) * (np.arange(4096) + 0.5) / 4096, jnp.float32)
            rms = np.sqrt((np.asarray(basis(points), np.float64) ** 2).mean(0))
        if not (np.isfinite(rms).all() and rms.min() > 0):
            raise ValueError(
                f"UnitRMS cannot scale a basis with root mean squares {rms.tolist()}; expected "
                "finite positive ones: leave out the functions that vanish on the domain."
            )
        self.basis = basis
        self.scale = tuple((1.0 / rms).tolist())

    @property
    def size(self) -> int:
        """How many functions there are."""
        return self.basis.size

    @property
    def domain(self) -> tuple[float, float]:
        """The interval the functions are made for."""
        return self.basis.domain

    def __call__(self, x: Float[Array, "*shape"], axis: int = -1) -> Float[Array, "..."]:
        """The functions at `x`, scaled."""
        return self.basis(x, axis) * along(self.scale, x, axis)


def along(values: tuple[float, ...] | np.ndarray, x: Array, axis: int) -> np.ndarray:
    """Constants of the type of `x`, laid out along an axis put into its shape at `axis`."""
    shape = [1] * (x.ndim + 1)
    shape[axis] = len(values)
    return np.asarray(values, x.dtype).reshape(shape)


def check_size(name: str, size: int, least: int) -> None:
    """Raises ValueError for a basis with too few functions."""
    if size < least:
        raise ValueError(
            f"{name} got size={size}; expected at least {least} functions: use a larger size."
        )


def check_domain(name: str, low: float, high: float) -> None:
    """Raises ValueError for an interval that is empty or not finite."""
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(
            f"{name} got the interval [{low}, {high}]; expected finite ends with low < high."
        )
