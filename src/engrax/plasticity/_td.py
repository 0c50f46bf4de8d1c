"""The temporal-difference rule."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from ._outer import outer


def td_rule(
    weight: Float[Array, "m n"],
    pre: Float[Array, " n"],
    post: Float[Array, " m"],
    state: Float[Array, " n"] | None = None,
    *,
    rate: float | Float[Array, ""] = 1.0,
    next_pre: Float[Array, " n"] | None = None,
    discount: float | Float[Array, ""] = 0.9,
    trace: float | Float[Array, ""] = 0.0,
) -> tuple[Float[Array, "m n"], Float[Array, " n"]]:
    """`rate (post + discount W next_pre - W pre) z^T`, `z <- trace discount z + pre`; one step.

    Sutton and Barto's TD(lambda) with lambda = `trace`, and the outcome `post` that this step
    brings. At discount 0 it is `delta_rule`. A missing `next_pre` ends the episode.

    Returns the change of the weight, and the state: z (zero where the state was `None`).
    """
    z = pre if state is None else trace * discount * state + pre
    coming = jnp.zeros_like(post) if next_pre is None else weight @ next_pre
    return rate * outer(post + discount * coming - weight @ pre, z), z
