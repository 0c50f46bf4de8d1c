"""How often a chain of retrievals ends where it should."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

Retrieve = Callable[
    [Float[Array, "N dk"], Float[Array, "N dk"], Float[Array, "M dk"]], Float[Array, "M dk"]
]
"""`(keys, values, queries) -> responses` of one layer's memory."""


def chained_recall(
    memory: Retrieve,
    codes: Float[Array, "heads layers N dk"],
    order: Int[Array, "depth N"],
    *,
    cleanup: bool,
) -> Bool[Array, " N"]:
    """Whether a chain that starts at each item of the first layer ends at the right one.

    Layer l stores `codes[h, l, i] -> codes[h, l + 1, order[l, i]]` in a memory for each head h.
    The evidence of the heads is added: the answer is the item whose codes have the largest sum of
    inner products with the responses.

    - With `cleanup`, every layer's answer is replaced by the codes of the item it names.
    - Without, each head hands on its own response, scaled to norm 1, and only the last is named.

    A tie counts as wrong.
    """

    def named(layer: Array, heard: Array) -> Array:
        """Scores (N, M) of the items of a layer: (heads, items, dk) against (heads, M, dk)."""
        return jnp.einsum("hnd,hmd->nm", layer, heard)

    def step(
        carry: tuple[Array, Array], layer: tuple[Array, Array, Array]
    ) -> tuple[tuple[Array, Array], Array]:
        asked, right = carry
        keys, coming, following = layer
        heard = jax.vmap(memory)(keys, coming[:, following], asked)
        right = following[right]
        scores = named(coming, heard)
        if cleanup:
            heard = coming[:, jnp.argmax(scores, 0)]
        else:
            heard = heard / jnp.linalg.norm(heard, axis=-1, keepdims=True)
        return (heard, right), scores

    layers = jnp.moveaxis(codes, 1, 0)
    start = layers[0], jnp.arange(codes.shape[2], dtype=order.dtype)
    (_, right), scores = jax.lax.scan(step, start, (layers[:-1], layers[1:], order))
    last, items = scores[-1], jnp.arange(codes.shape[2], dtype=order.dtype)
    own = jnp.take_along_axis(last, right[None], 0)[0]
    others = jnp.where(items[:, None] == right[None], -jnp.inf, last)
    return own > others.max(0)
