"""How much of some activity lies in a set of directions."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def captured_energy(x: Float[Array, "n p"], rows: Float[Array, "k p"]) -> Float[Array, ""]:
    """`1 - |X - X H^T H|^2 / |X|^2`: the share of the rows of `x` that the directions `rows` carry.

    For orthonormal directions it lies in [0, 1], and the k leading right singular vectors of `x`
    (`uncentered_pca`) reach the largest value that k directions can. It is 0 without directions,
    and can be negative for directions that are not orthonormal.
    """
    left = x - (x @ rows.T) @ rows
    return 1 - jnp.sum(jnp.square(left)) / jnp.sum(jnp.square(x))
