"""A layer whose outputs or edges keep families of their own."""

from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ._expand import expand, joined
from .bases import Basis


class PrunedKANLayer(eqx.Module):
    """One family an output or an edge: what `prune` leaves of choices made there.

    The parameters are those of one family; every family is still evaluated at all inputs.
    """

    coefficients: Float[Array, "out size in"]
    base_weight: Float[Array, "out in"] | None
    bias: Float[Array, " out"] | None
    picks: Int[Array, "out in"]
    pool: tuple[Basis, ...]
    base: Callable[[Array], Array] | None = eqx.field(static=True)

    def __call__(self, x: Float[Array, "*batch in"]) -> Float[Array, "*batch out"]:
        """The sums at the output nodes."""
        z = jnp.zeros((*x.shape[:-1], len(self.coefficients)), x.dtype)
        for k, basis in enumerate(self.pool):
            mine = jnp.where((self.picks == k)[:, None], self.coefficients, 0.0)
            z = z + expand(basis, x, mine)
        return joined(z, x, self.base, self.base_weight, self.bias)
