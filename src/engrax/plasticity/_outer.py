"""The product that all local rules share."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def outer(post: Float[Array, "*n m"], pre: Float[Array, "*n k"]) -> Float[Array, "m k"]:
    """`post pre^T`, averaged over all leading axes."""
    rows, columns = post.reshape(-1, post.shape[-1]), pre.reshape(-1, pre.shape[-1])
    return rows.T @ columns / jnp.asarray(rows.shape[0], rows.dtype)
