"""Hebb's rule."""

from jaxtyping import Array, Float

from ._outer import outer


def hebb(
    weight: Float[Array, "m n"],
    pre: Float[Array, "*batch n"],
    post: Float[Array, "*batch m"],
    state: None = None,
    *,
    rate: float | Float[Array, ""] = 1.0,
) -> tuple[Float[Array, "m n"], None]:
    """`rate post pre^T`, averaged over leading axes: contiguity, the write of linear attention.

    Returns the change of the weight, and the state (none).
    """
    return rate * outer(post, pre), state
