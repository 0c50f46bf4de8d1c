"""Oja's rule."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from ._outer import outer


def oja(
    weight: Float[Array, "m n"],
    pre: Float[Array, "*batch n"],
    post: Float[Array, "*batch m"],
    state: None = None,
    *,
    rate: float | Float[Array, ""] = 1.0,
) -> tuple[Float[Array, "m n"], None]:
    """`rate (post pre^T - diag(post^2) W)`, averaged over leading axes (Oja 1982, Eq. 3).

    With the free response `post = W pre`, each row turns to the first principal direction of its
    inputs, at norm 1. Where a teacher clamps the response, `v pre^T - (W pre) pre^T` is
    `delta_rule`.

    Returns the change of the weight, and the state (none).
    """
    power = jnp.mean(jnp.square(post).reshape(-1, post.shape[-1]), 0)
    return rate * (outer(post, pre) - power[:, None] * weight), state
