"""Spikes with a substitute for their derivative."""

import math
from collections.abc import Callable
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@final
class Surrogate(eqx.Module):
    """The step function, 1 where v >= 0, whose derivative is taken to be `derivative(v)`.

    v is the distance from the threshold. `derivative` is an `eqx.Partial` of a function of a
    module, so that an equal surrogate built again reuses the compiled program.
    """

    derivative: Callable[[Array], Array]

    def __call__(self, v: Float[Array, "..."]) -> Float[Array, "..."]:
        """Spikes, 0 or 1."""
        return _spike(v, self.derivative)


@eqx.filter_custom_jvp
def _spike(v: Array, derivative: Callable[[Array], Array]) -> Array:
    return (v >= 0).astype(v.dtype)


@_spike.def_jvp
def _spike_jvp(primals: tuple[Array, Callable[[Array], Array]], tangents: tuple[Any, Any]):
    (v, derivative), (dv, _) = primals, tangents
    out = _spike(v, derivative)
    return out, jnp.zeros_like(v) if dv is None else derivative(v) * dv


def sigmoid_surrogate(alpha: float | Float[Array, ""] = 4.0) -> Surrogate:
    """`alpha sig(alpha v) (1 - sig(alpha v))`, as in OTTT (Xiao et al. 2022) and SpikingJelly."""
    return Surrogate(eqx.Partial(_sigmoid, alpha))


def triangular_surrogate(a: float | Float[Array, ""] = 1.0) -> Surrogate:
    """`max(0, a - |v|) / a^2`: a triangle of area 1 and half width `a`."""
    return Surrogate(eqx.Partial(_triangle, a))


def rectangular_surrogate(half_width: float | Float[Array, ""] = 0.5) -> Surrogate:
    """`1 / (2 half_width)` where |v| < half_width, zero elsewhere (STBP, Wu et al. 2018)."""
    return Surrogate(eqx.Partial(_rectangle, half_width))


def atan_surrogate(alpha: float | Float[Array, ""] = 2.0) -> Surrogate:
    """`alpha / 2 / (1 + (pi alpha v / 2)^2)` (Fang et al. 2021), of area 1."""
    return Surrogate(eqx.Partial(_atan, alpha))


def fast_sigmoid_surrogate(slope: float | Float[Array, ""] = 25.0) -> Surrogate:
    """`1 / (1 + slope |v|)^2` (SuperSpike, Zenke & Ganguli 2018)."""
    return Surrogate(eqx.Partial(_fast_sigmoid, slope))


def _sigmoid(alpha: float | Array, v: Array) -> Array:
    # One division and one exponential; of |v|, so that nothing overflows.
    decayed = jnp.exp(-jnp.abs(alpha * v))
    return alpha * decayed / jnp.square(1 + decayed)


def _triangle(a: float | Array, v: Array) -> Array:
    return jax.nn.relu(a - jnp.abs(v)) / (a * a)


def _rectangle(half_width: float | Array, v: Array) -> Array:
    return jnp.where(jnp.abs(v) < half_width, 0.5 / half_width, 0.0).astype(v.dtype)


def _atan(alpha: float | Array, v: Array) -> Array:
    return 0.5 * alpha / (1 + jnp.square(0.5 * math.pi * alpha * v))


def _fast_sigmoid(slope: float | Array, v: Array) -> Array:
    return 1 / jnp.square(1 + slope * jnp.abs(v))
