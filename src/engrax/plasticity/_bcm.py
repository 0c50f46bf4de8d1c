"""The rule of Bienenstock, Cooper and Munro."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from ._outer import outer


def bcm(
    weight: Float[Array, "m n"],
    pre: Float[Array, "*batch n"],
    post: Float[Array, "*batch m"],
    state: Float[Array, " m"] | None = None,
    *,
    rate: float | Float[Array, ""] = 1.0,
    horizon: float | Float[Array, ""] = 100.0,
) -> tuple[Float[Array, "m n"], Float[Array, " m"]]:
    """`rate (post (post - theta)) pre^T`, averaged over leading axes (Bienenstock et al. 1982).

    The threshold theta follows `post^2` with a time constant of `horizon` steps, after the weight
    has used it: `theta <- (1 - 1/horizon) theta + post^2 / horizon`.

    Returns the change of the weight, and the state: theta (zero where the state was `None`).
    """
    theta = jnp.zeros_like(weight[:, 0]) if state is None else state
    gap = post - jnp.broadcast_to(theta, post.shape)
    power = jnp.mean(jnp.square(post).reshape(-1, post.shape[-1]), 0)
    return rate * outer(post * gap, pre), theta + (power - theta) / horizon
