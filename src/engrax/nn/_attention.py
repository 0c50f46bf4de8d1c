"""Softmax attention with a scale of one's own choice."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Key

Prefix = tuple[Float[Array, "_ d"], Float[Array, "_ d"]]
"""Keys and values, of all heads side by side, that stand before those of the tokens. As prompts
they steer a frozen model, and leave the number of its tokens as it is (Li and Liang 2021)."""


class SoftmaxAttention(eqx.Module):
    """Multi-head softmax attention over a sequence, without biases (Vaswani et al. 2017, Sec. 3.2).

    The scores are `scale * query . key`. The usual scale is `d_head ** -0.5`; the maximal-update
    parametrization takes `d_head ** -1`. Weights start from a normal distribution of variance
    1 / fan-in.
    """

    query: Float[Array, "d d"]
    """Queries of all heads, one below the other."""
    key: Float[Array, "d d"]
    """Keys of all heads."""
    value: Float[Array, "d d"]
    """Values of all heads."""
    output: Float[Array, "d d"] | None
    """Mixes the heads; None leaves them one beside the other."""
    heads: int = eqx.field(static=True)
    """Number of heads; it divides d."""
    scale: float = eqx.field(static=True)
    """Factor of the scores."""

    def __init__(
        self,
        d: int,
        heads: int,
        *,
        scale: float | None = None,
        output: bool = True,
        key: Key[Array, ""],
    ) -> None:
        """Build `heads` heads of `d // heads` features each.

        Raises:
            ValueError: `heads` does not divide `d`.
        """
        if heads < 1 or d % heads:
            raise ValueError(f"Attention needs heads that divide d, and was given {heads=}, {d=}.")
        keys = jr.split(key, 4)
        draw = [jr.normal(k, (d, d)) / math.sqrt(d) for k in keys]
        self.query, self.key, self.value = draw[:3]
        self.output = draw[3] if output else None
        self.heads = heads
        self.scale = (d // heads) ** -0.5 if scale is None else scale

    def __call__(
        self,
        x: Float[Array, "time d"],
        *,
        mask: Bool[Array, "time time"] | None = None,
        last: bool = False,
        prefix: Prefix | None = None,
    ) -> Float[Array, "out d"]:
        """Attend. `mask[i, j]` allows position i to read position j.

        With `last`, only the last position asks: the result has one row, at the cost of one. A
        `prefix` is read by every position, whatever the mask.
        """
        weights = self.weights(x, mask=mask, last=last, prefix=prefix)
        values = self._heads(_after(None if prefix is None else prefix[1], x @ self.value.T))
        # With a handful of positions a product and a sum beat thousands of tiny matrix products.
        mixed = jnp.einsum("hij,jhc->ihc", weights, values)
        mixed = mixed.reshape(mixed.shape[0], -1)
        return mixed if self.output is None else mixed @ self.output.T

    def weights(
        self,
        x: Float[Array, "time d"],
        *,
        mask: Bool[Array, "time time"] | None = None,
        last: bool = False,
        prefix: Prefix | None = None,
    ) -> Float[Array, "heads out read"]:
        """The attention map of each head: row i says what position i reads, and sums to 1.

        What is read is the prefix, if there is one, and then the positions.
        """
        asking = x[-1:] if last else x
        queries = self._heads(asking @ self.query.T)
        keys = self._heads(_after(None if prefix is None else prefix[0], x @ self.key.T))
        scores = self.scale * jnp.einsum("ihc,jhc->hij", queries, keys)
        if mask is not None:
            allowed = mask[-1:] if last else mask
            always = jnp.ones((allowed.shape[0], keys.shape[0] - x.shape[0]), bool)
            allowed = jnp.concatenate([always, allowed], axis=1)
            scores = jnp.where(allowed[None], scores, jnp.full_like(scores, -jnp.inf))
        return jax.nn.softmax(scores, axis=-1)

    def _heads(self, x: Float[Array, "time d"]) -> Float[Array, "time heads d_head"]:
        return x.reshape(x.shape[0], self.heads, -1)


def _after(prefix: Array | None, rows: Array) -> Array:
    return rows if prefix is None else jnp.concatenate([prefix, rows])
