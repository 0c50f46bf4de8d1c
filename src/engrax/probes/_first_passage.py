"""When a curve first reaches a level."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


class FirstPassage(NamedTuple):
    """When a curve reached a level, and whether it ever did."""

    step: Int[Array, ""]
    """Index of the first point at or above the level; the curve's length where there is none."""
    censored: Bool[Array, ""]
    """True where the level was not reached: the step is then only a lower bound."""


def first_passage(
    curve: Float[Array, " t"], level: float | Float[Array, ""], *, persist: int = 1
) -> FirstPassage:
    """The first index from which `persist` points in a row are at or above `level`.

    For a fall, negate both. A NaN is below every level.

    Raises:
        ValueError: `persist` below 1.
    """
    if persist < 1:
        raise ValueError(f"first_passage needs persist >= 1, and was given {persist}.")
    length = curve.shape[0]
    above = (curve >= level).astype(jnp.int32)
    before = jnp.concatenate([jnp.zeros(1, jnp.int32), jnp.cumsum(above, dtype=jnp.int32)])
    end = jnp.minimum(jnp.arange(length) + persist, length)
    lasts = before[end] - before[:length] == persist
    reached = lasts.any()
    return FirstPassage(jnp.where(reached, jnp.argmax(lasts), length).astype(jnp.int32), ~reached)
