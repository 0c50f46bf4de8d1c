"""Wavelets whose place and width are learned, edge by edge."""

import math
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key

from engrax.core import named

from ._expand import joined
from .bases import mexican_hat


class FreeWaveletLayer(eqx.Module):
    """z_j = b_j + sum_i [ w_ji base(x_i) + v_ji mother((x_i - t_ji) / s_ji) ] (Wav-KAN).

    Scales s start at 1, shifts t at 0, weights v and w as N(0, 1 / in). Here every edge has its
    own features, so memory grows with examples x inputs x outputs: a small layer's tool. Far from
    its shift an edge is left with its base term.

    Raises ValueError for widths below 1.
    """

    weight: Float[Array, "out in"]
    scale: Float[Array, "out in"]
    shift: Float[Array, "out in"]
    base_weight: Float[Array, "out in"] | None
    bias: Float[Array, " out"]
    mother: Callable[[Array], Array] = eqx.field(static=True)
    base: Callable[[Array], Array] | None = eqx.field(static=True)

    def __init__(
        self,
        n_in: int,
        n_out: int,
        mother: Callable[[Array], Array] = mexican_hat,
        *,
        base: Callable[[Array], Array] | None = jax.nn.silu,
        key: Key[Array, ""],
    ) -> None:
        if min(n_in, n_out) < 1:
            raise ValueError(
                f"FreeWaveletLayer got widths {n_in} and {n_out}; expected 1 or more each."
            )
        shape, size = (n_out, n_in), 1 / math.sqrt(n_in)
        self.weight = size * jr.normal(named(key, "weight"), shape)
        self.scale = jnp.ones(shape)
        self.shift = jnp.zeros(shape)
        self.base_weight = (
            None if base is None else size * jr.normal(named(key, "base_weight"), shape)
        )
        self.bias = jnp.zeros(n_out)
        self.mother = mother
        self.base = base

    def __call__(self, x: Float[Array, "*batch in"]) -> Float[Array, "*batch out"]:
        """The sums at the output nodes."""
        lead = (1,) * (x.ndim - 1)
        scale, shift, weight = (
            a.reshape(*lead, *a.shape) for a in (self.scale, self.shift, self.weight)
        )
        z = (weight * self.mother((x[..., None, :] - shift) / scale)).sum(-1)
        return joined(z, x, self.base, self.base_weight, self.bias)
