"""Rules that correct an error: delta rule, and the same with normalized inputs."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from ._outer import outer


def delta_rule(
    weight: Float[Array, "m n"],
    pre: Float[Array, "*batch n"],
    post: Float[Array, "*batch m"],
    state: None = None,
    *,
    rate: float | Float[Array, ""] = 1.0,
) -> tuple[Float[Array, "m n"], None]:
    """`rate (post - W pre) pre^T`, averaged over leading axes; `post` is the target.

    Widrow and Hoff's rule, Rescorla and Wagner's, and the write of DeltaNet. One example is
    learned at once where `rate |pre|^2 = 1`; the rule is stable below 2.

    Returns the change of the weight, and the state (none).
    """
    return rate * outer(post - pre @ weight.T, pre), state


def normalized_delta_rule(
    weight: Float[Array, "m n"],
    pre: Float[Array, "*batch n"],
    post: Float[Array, "*batch m"],
    state: None = None,
    *,
    rate: float | Float[Array, ""] = 1.0,
    epsilon: float = 1e-6,
) -> tuple[Float[Array, "m n"], None]:
    """`rate (post - W pre) pre^T / (epsilon + |pre|^2)`: the delta rule at a rate free of scale.

    It is stable for rates below 2, and at rate 1 learns one example at once.
    """
    size = epsilon + jnp.sum(jnp.square(pre), -1, keepdims=True)
    return rate * outer((post - pre @ weight.T) / size, pre), state
