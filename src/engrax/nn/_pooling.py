"""Pooling and upsampling by reshape: cheap to differentiate, also on a CPU."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def max_pool(
    x: Float[Array, " channels height width *batch"], size: int = 2
) -> Float[Array, " channels out_height out_width *batch"]:
    """The largest value of each `size x size` block; rows and columns that fill no block are cut.

    So 14 pixels become 7, and 7 become 3. A tie shares its gradient. Axes behind the width are
    carried along, as in `conv2d`.

    Raises:
        ValueError: no block fits.
    """
    return _blocks(x, size).max((2, 4))


def mean_pool(
    x: Float[Array, " channels height width *batch"], size: int = 2
) -> Float[Array, " channels out_height out_width *batch"]:
    """The mean of each `size x size` block, with edges cut as in `max_pool`.

    Raises:
        ValueError: no block fits.
    """
    return _blocks(x, size).mean((2, 4))


def _blocks(x: Array, size: int) -> Array:
    """(channels, height, width, ...) -> (channels, rows, size, columns, size, ...)."""
    channels, height, width = x.shape[:3]
    rows, columns = height // size if size > 0 else 0, width // size if size > 0 else 0
    if min(rows, columns) < 1:
        raise ValueError(
            f"no {size} x {size} block fits into an image of {height} x {width}; use a smaller "
            "block of at least 1 x 1."
        )
    x = x[:, : rows * size, : columns * size]
    return x.reshape(channels, rows, size, columns, size, *x.shape[3:])


def upsample(
    x: Float[Array, " channels height width *batch"],
    factor: int = 2,
    *,
    shape: tuple[int, int] | None = None,
) -> Float[Array, " channels out_height out_width *batch"]:
    """Nearest upsampling: every pixel becomes a `factor x factor` block.

    `shape` is the wanted (height, width) where halving met an odd edge: the last row and column
    are repeated, or cut off, until it is reached, so that a pixel stands where it came from.

    Raises:
        ValueError: `factor` is below 1.
    """
    if factor < 1:
        raise ValueError(f"upsample needs a factor of at least 1, and was given {factor}.")
    channels, height, width = x.shape[:3]
    x = jnp.expand_dims(x, (2, 4))
    wide = (channels, height, factor, width, factor, *x.shape[5:])
    x = jnp.broadcast_to(x, wide).reshape(channels, height * factor, width * factor, *wide[5:])
    if shape is None or shape == x.shape[1:3]:
        return x
    x = x[:, : shape[0], : shape[1]]
    edges = [(0, 0), (0, shape[0] - x.shape[1]), (0, shape[1] - x.shape[2])]
    return jnp.pad(x, edges + [(0, 0)] * (x.ndim - 3), mode="edge")
