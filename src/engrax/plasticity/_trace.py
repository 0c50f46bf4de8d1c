"""Hebb's rule on a trace of the input, which bridges gaps in time."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from ._outer import outer


def trace_rule(
    weight: Float[Array, "m n"],
    pre: Float[Array, " n"],
    post: Float[Array, " m"],
    state: Float[Array, " n"] | None = None,
    *,
    rate: float | Float[Array, ""] = 1.0,
    trace: float | Float[Array, ""] = 0.9,
) -> tuple[Float[Array, "m n"], Float[Array, " n"]]:
    """`rate post z^T`, with the eligibility `z <- trace z + pre`; one step in time.

    Returns the change of the weight, and the state: z (zero where the state was `None`).
    """
    z = pre if state is None else trace * state + pre
    return rate * outer(post, jnp.asarray(z)), z
