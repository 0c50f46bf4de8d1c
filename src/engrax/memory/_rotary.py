"""Rotary positions whose phases stay exact however long the sequence is."""

import math
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt32

TURN = 2.0**32
"""Phases are counted in this many parts of a turn, so that whole turns drop out by overflow."""


def rotary_frequencies(n: int, base: float = 2.0**16) -> UInt32[Array, " half"]:
    """How far each of the n/2 pairs turns a position, in parts of a turn of 2^-32.

    Pair j turns by `base^(-2j/n)` radians a position (Su et al. 2021, Sec. 3.2.2). Integers, since
    `position * frequency mod 2^32` is then exact at every position, where a float32 phase has lost
    a thousandth of a turn after ten thousand positions; and since no optimizer moves an integer.

    Raises:
        ValueError: `n` is odd or below 2, or the base is not above 0.
    """
    if n < 2 or n % 2:
        raise ValueError(f"Rotary positions turn pairs of features, and n={n} is not even.")
    if not base > 0:
        raise ValueError(f"Rotary positions need a base above 0, and were given {base}.")
    turns = float(base) ** (-2 * np.arange(n // 2) / n) / (2 * math.pi)
    return jnp.asarray(np.round(turns * TURN).astype(np.uint64).astype(np.uint32))


def rotary_phases(
    frequencies: UInt32[Array, " half"], positions: Int[Array, " time"]
) -> tuple[Float[Array, "time half"], Float[Array, "time half"]]:
    """Cosine and sine of the angle of each pair at each position."""
    place = jax.lax.bitcast_convert_type(positions.astype(jnp.int32), jnp.uint32)
    turned = place[:, None] * frequencies[None, :]
    # Signed, so that the angle lies within half a turn of 0, where float32 is finest.
    signed = jax.lax.bitcast_convert_type(turned, jnp.int32)
    angle = signed.astype(jnp.float32) * (2 * math.pi / TURN)
    return jnp.cos(angle), jnp.sin(angle)


def rotary(
    x: Float[Array, "*batch time n"],
    positions: Int[Array, " time"],
    *,
    base: float = 2.0**16,
    pairing: Literal["adjacent", "half"] = "adjacent",
) -> Float[Array, "*batch time n"]:
    """Turns each pair (a, b) of features by an angle: `(a cos - b sin, b cos + a sin)`.

    Pair j turns by `position * base^(-2j/n)` radians. Pairs are the features (2j, 2j+1), or with
    `pairing="half"` the features (j, j + n/2). Scores between two turned sequences depend on the
    difference of their positions alone; positions may be negative. Rotating the keys that a
    memory holds, `rotary(state, -T)`, moves the origin of positions by T.

    Raises:
        ValueError: the number of features is odd.
    """
    cos, sin = rotary_phases(rotary_frequencies(x.shape[-1], base), positions)
    if pairing == "half":
        return rotate_halves(x, cos, sin)
    apart = jnp.concatenate([x[..., 0::2], x[..., 1::2]], axis=-1)
    a, b = jnp.split(rotate_halves(apart, cos, sin), 2, axis=-1)
    return jnp.stack([a, b], axis=-1).reshape(x.shape)


def rotate_halves(
    x: Float[Array, "*batch time n"],
    cos: Float[Array, "time half"],
    sin: Float[Array, "time half"],
) -> Float[Array, "*batch time n"]:
    """Turns the pairs (j, j + n/2) by angles that are already there: no strided reading."""
    shape = (*x.shape[:-1], cos.shape[-1])
    cos, sin = (jnp.broadcast_to(p.astype(x.dtype), shape) for p in (cos, sin))
    a, b = jnp.split(x, 2, axis=-1)
    return jnp.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)
