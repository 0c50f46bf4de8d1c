"""Products computed by coincidence."""

import jax
import jax.numpy as jnp
import jax.random as jr
from jax import lax
from jaxtyping import Array, Float, Key


def bernoulli_product(
    key: Key[Array, ""], x: Float[Array, "*m"], y: Float[Array, "*n"], repeats: int
) -> Float[Array, "..."]:
    """The share of `repeats` moments at which x and y spike together: `x * y` on average.

    At each moment every entry of `x` and of `y`, a probability in [0, 1], draws one spike, and an
    AND gate joins them where the two shapes, of equal rank, broadcast: `y[:, None]` and
    `x[None, :]` give the Hebbian write of a whole layer, in which all synapses of a neuron see the
    same spike (Kosowski et al. 2025, Sec. 2). The variance of an entry is `p (1 - p) / repeats`
    with `p = x y`. Entries outside [0, 1] count as 0 or 1.

    Raises:
        ValueError: fewer than one repeat.
    """
    if repeats < 1:
        raise ValueError(f"bernoulli_product needs at least one repeat, and was given {repeats}.")

    def moment(count: jax.Array, now: jax.Array) -> tuple[jax.Array, None]:
        left, right = jr.split(now)
        spikes = jr.bernoulli(left, x, x.shape) & jr.bernoulli(right, y, y.shape)
        return count + spikes.astype(x.dtype), None

    zeros = jnp.zeros(jnp.broadcast_shapes(x.shape, y.shape), x.dtype)
    return lax.scan(moment, zeros, jr.split(key, repeats))[0] / repeats
