"""Nearest upsampling followed by a convolution, without ever making the large image."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ._conv import conv2d

# [parity of the output row, row of the small kernel, row of the kernel]: which rows of the kernel
# fall on the same pixel of the small image. An even output row 2i sees the small rows i - 1, i, i;
# an odd one, 2i + 1, sees i, i, i + 1.
_FOLD = np.array([[[1, 0, 0], [0, 1, 1]], [[1, 1, 0], [0, 0, 1]]], np.float32)


def upsample_conv2d(
    x: Float[Array, " channels height width *batch"],
    weight: Float[Array, " out channels 3 3"],
    bias: Float[Array, " out"] | None = None,
) -> Float[Array, " out two_height two_width *batch"]:
    """`conv2d(upsample(x, 2), weight, bias, padding=1)`, at 4/9 of the products.

    Kernel rows that fall on one pixel can be added before they are used, and columns likewise. So
    the 3 x 3 kernel on the large image is four 2 x 2 kernels on the small one, one for each parity
    of the output's row and column.
    """
    height, width = x.shape[1:3]
    fold = jnp.asarray(_FOLD, weight.dtype)
    kernels = jnp.einsum("rpi,sqj,ocij->rsocpq", fold, fold, weight)
    x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), *((0, 0),) * (x.ndim - 3)))
    parts = [
        conv2d(x[:, r : r + height + 1, s : s + width + 1], kernels[r, s], bias)
        for r in (0, 1)
        for s in (0, 1)
    ]
    # One stack and one transposition: stacking rows of stacked columns is several times slower.
    y = jnp.stack(parts).reshape(2, 2, *parts[0].shape)
    y = jnp.moveaxis(y, (0, 1), (2, 4))
    return y.reshape(y.shape[0], 2 * height, 2 * width, *x.shape[3:])
