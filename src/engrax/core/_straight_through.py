"""A discrete forward value with the gradient of a smooth one."""

import jax
from jaxtyping import Array, Float


@jax.custom_jvp
def straight_through(
    hard: Float[Array, "*shape"], soft: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """Exactly `hard`, differentiated as if it were `soft` (Bengio et al. 2013)."""
    return hard


@straight_through.defjvp
def _straight_through_jvp(
    values: tuple[Array, Array], tangents: tuple[Array, Array]
) -> tuple[Array, Array]:
    return values[0], tangents[1]
