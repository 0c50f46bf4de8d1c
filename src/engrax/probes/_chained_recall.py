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
) -> Bool[Array, "depth N"]:
    """Whether a chain that starts at each item is at the right one after 1, 2, ... layers.

    Layer l stores `codes[h, l, i] -> codes[h, l + 1, order[l, i]]` in a memory for each head h.
    The evidence of the heads is added: the answer is the item whose codes have the largest sum of
    inner products with the responses.

    - With `cleanup`, every layer's answer is replaced by the codes of the item it names.
    - Without, each head hands on its own response, scaled to norm 1, and only the last is named:
      row l is what a chain that ends there would answer.

    A tie counts as wrong. Heads whose codes are zero take no part.
    """

    def step(
        carry: tuple[Array, Array], layer: tuple[Array, Array, Array]
    ) -> tuple[tuple[Array, Array], Array]:
        asked, right = carry
        keys, coming, following = layer
        heard = jax.vmap(memory)(keys, coming[:, following], asked)
        right = following[right]
        scores = jnp.einsum("hnd,hmd->nm", coming, heard)
        own = jnp.take_along_axis(scores, right[None], 0)[0]
        others = jnp.where(items[:, None] == right[None], -jnp.inf, scores)
        if cleanup:
            heard = coming[:, jnp.argmax(scores, 0)]
        else:
            # A head whose codes are zero takes no part, and stays at zero.
            size = jnp.linalg.norm(heard, axis=-1, keepdims=True)
            heard = heard / jnp.where(size > 0, size, 1.0)
        return (heard, right), own > others.max(0)

    layers = jnp.moveaxis(codes, 1, 0)
    items = jnp.arange(codes.shape[2], dtype=order.dtype)
    return jax.lax.scan(step, (layers[0], items), (layers[:-1], layers[1:], order))[1]
