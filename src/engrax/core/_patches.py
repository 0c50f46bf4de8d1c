"""Image patches by slices: what turns a convolution into a matrix product."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def image_columns(
    x: Float[Array, " channels height width *batch"], size: int, stride: int = 1, padding: int = 0
) -> Float[Array, " channels taps out_height out_width *batch"]:
    """Every `size x size` window of a zero-padded image, one slice of the image a tap.

    Tap `i * size + j` at output pixel `(r, c)` is the padded pixel `(r * stride + i, c * stride +
    j)`. Axes behind the width are carried along, so a batch may stand in the last axis: there the
    slices are contiguous, and on a CPU several times faster than with the batch in front.

    Raises:
        ValueError: the window does not fit into the padded image, or a number is out of range.
    """
    if size < 1 or stride < 1 or padding < 0:
        raise ValueError(
            f"patches need size >= 1, stride >= 1 and padding >= 0, and were given {size}, "
            f"{stride} and {padding}."
        )
    height, width = (n + 2 * padding for n in x.shape[1:3])
    if size > min(height, width):
        raise ValueError(
            f"a {size} x {size} patch does not fit into a padded image of {height} x {width}; use "
            "a smaller patch or more padding."
        )
    border = (padding, padding)
    x = jnp.pad(x, ((0, 0), border, border, *((0, 0),) * (x.ndim - 3)))
    down, right = (height - size) // stride, (width - size) // stride
    return jnp.stack(
        [
            x[:, i : i + down * stride + 1 : stride, j : j + right * stride + 1 : stride]
            for i in range(size)
            for j in range(size)
        ],
        axis=1,
    )


def patches(
    x: Float[Array, " channels height width"], size: int, stride: int = 1, padding: int = 0
) -> Float[Array, " positions features"]:
    """The `size x size` patches of a zero-padded image, one row a position, in reading order.

    A row holds `channels * size * size` values in the order of a convolution's weight: with weight
    `(out, channels, size, size)` the convolution is `patches(x, size) @ weight.reshape(out, -1).T`.

    Raises:
        ValueError: the patch does not fit into the padded image, or a number is out of range.
    """
    columns = image_columns(x, size, stride, padding)
    return columns.reshape(x.shape[0] * size * size, -1).T
