"""A number as a vector of sines and cosines."""

import math

import jax.numpy as jnp
from jaxtyping import Array, Float


def sinusoidal(
    t: Float[Array, "*batch"], dim: int, *, scale: float = 1000.0, longest: float = 10_000.0
) -> Float[Array, "*batch dim"]:
    """`dim / 2` sines, then as many cosines, of `scale * t` (Vaswani et al. 2017, Sec. 3.5).

    The angular frequencies fall geometrically from 1 to almost `1 / longest`. The default `scale`
    is for times in [0, 1].

    Raises:
        ValueError: `dim` is odd or below 2.
    """
    if dim < 2 or dim % 2:
        raise ValueError(
            f"sinusoidal got dim={dim}; expected an even number of at least 2, half of it for the "
            "sines and half for the cosines."
        )
    rates = jnp.exp(-math.log(longest) * jnp.arange(dim // 2, dtype=jnp.float32) / (dim // 2))
    angles = scale * jnp.expand_dims(t, -1) * rates.reshape(*(1,) * t.ndim, -1)
    return jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], -1)
