"""One transformer block, with or without normalization."""

import math
from collections.abc import Callable
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key

from ._attention import Prefix, SoftmaxAttention


class TransformerBlock(eqx.Module):
    """Attention, then a two-layer net at each position, both on a residual stream.

    With `norm="pre"` each branch reads a layer-normalized stream; with None it reads the stream
    itself, and the block has no statistics at all (as in Doshi et al. 2024, App. A). Linear maps
    start from a normal distribution of variance 1 / fan-in, biases at 0.
    """

    attention: eqx.Module
    """Maps `(time, d)` to `(time, d)`; takes `mask` and `last` as `SoftmaxAttention` does."""
    up: eqx.nn.Linear
    """First layer of the net at each position."""
    down: eqx.nn.Linear
    """Its second layer."""
    norms: tuple[eqx.nn.LayerNorm, eqx.nn.LayerNorm] | None
    """What stands before each branch."""
    activation: Callable = eqx.field(static=True)
    """Between `up` and `down`."""
    causal: bool = eqx.field(static=True)
    """Whether a position is kept from reading later ones."""

    def __init__(
        self,
        d: int,
        heads: int,
        *,
        attention: Callable = SoftmaxAttention,
        mlp_ratio: float = 4.0,
        activation: Callable = jax.nn.relu,
        norm: Literal["pre"] | None = "pre",
        eps: float = 1e-5,
        bias: bool = True,
        causal: bool = False,
        key: Key[Array, ""],
    ) -> None:
        """Build the block; `attention(d, heads, key=...)` builds its first branch.

        `eps` is what the layer norms add to a variance.
        """
        key_attention, key_up, key_down = jr.split(key, 3)
        width = round(mlp_ratio * d)
        self.attention = attention(d, heads, key=key_attention)
        self.up = _linear(d, width, bias, key_up)
        self.down = _linear(width, d, bias, key_down)
        norms = (eqx.nn.LayerNorm(d, eps=eps), eqx.nn.LayerNorm(d, eps=eps))
        self.norms = norms if norm == "pre" else None
        self.activation = activation
        self.causal = causal

    def __call__(
        self, x: Float[Array, "time d"], *, last: bool = False, prefix: Prefix | None = None
    ) -> Float[Array, "out d"]:
        """Move the stream through the block.

        With `last`, only the last position comes out, at the cost of one: for the final block of a
        model that is read there. A `prefix` goes to the attention, which has to take one.
        """
        before, between = self.norms or (_identity, _identity)
        mask = jnp.tril(jnp.ones((x.shape[0], x.shape[0]), bool)) if self.causal else None
        read = jax.vmap(before)(x)
        more = {} if prefix is None else {"prefix": prefix}
        x = (x[-1:] if last else x) + self.attention(read, mask=mask, last=last, **more)  # pyright: ignore[reportCallIssue] (any module with that call)
        return x + jax.vmap(self._net)(jax.vmap(between)(x))

    def _net(self, x: Float[Array, " d"]) -> Float[Array, " d"]:
        return self.down(self.activation(self.up(x)))


def _identity(x: jax.Array) -> jax.Array:
    return x


def _linear(fan_in: int, fan_out: int, bias: bool, key: Key[Array, ""]) -> eqx.nn.Linear:
    """A linear map whose weights have variance 1 / fan-in, and whose bias is 0."""
    layer = eqx.nn.Linear(fan_in, fan_out, use_bias=bias, key=key)
    weight = jr.normal(key, (fan_out, fan_in)) / math.sqrt(fan_in)
    layer = eqx.tree_at(lambda layer: layer.weight, layer, weight)
    return eqx.tree_at(lambda layer: layer.bias, layer, jnp.zeros(fan_out)) if bias else layer
