"""Nearest upsampling followed by a convolution, without ever making the large image."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from ._conv import conv2d


def upsample_conv2d(
    x: Float[Array, " channels height width *batch"],
    weight: Float[Array, " out channels 3 3"],
    bias: Float[Array, " out"] | None = None,
) -> Float[Array, " out two_height two_width *batch"]:
    """`conv2d(upsample(x, 2), weight, bias, padding=1)`, at 4/9 of the products.

    An even output row sees the rows i-1, i, i of the small image and an odd one i, i, i+1: the two
    kernel rows that fall on one pixel can be added before they are used. So the 3 x 3 kernel on the
    large image is four 2 x 2 kernels on the small one, one for each parity of row and column.
    """
    channels, height, width = x.shape[:3]
    fold = {
        0: lambda taps: (taps[0], taps[1] + taps[2]),
        1: lambda taps: (taps[0] + taps[1], taps[2]),
    }
    x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), *((0, 0),) * (x.ndim - 3)))
    rows = []
    for row in (0, 1):
        kernel = jnp.stack(fold[row](weight.transpose(2, 0, 1, 3)))
        columns = []
        for column in (0, 1):
            small = jnp.stack(fold[column](kernel.transpose(3, 1, 2, 0)))
            part = x[:, row : row + height + 1, column : column + width + 1]
            columns.append(conv2d(part, small.transpose(1, 2, 3, 0), bias))
        rows.append(jnp.stack(columns, axis=3))
    y = jnp.stack(rows, axis=2)
    return y.reshape(y.shape[0], 2 * height, 2 * width, *x.shape[3:])
