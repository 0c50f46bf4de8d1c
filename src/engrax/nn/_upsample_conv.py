"""Nearest upsampling followed by a convolution, without ever making the large image."""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float


def upsample_conv2d(
    x: Float[Array, " channels height width *batch"],
    weight: Float[Array, " out channels 3 3"],
    bias: Float[Array, " out"] | None = None,
) -> Float[Array, " out two_height two_width *batch"]:
    """`conv2d(upsample(x, 2), weight, bias, padding=1)`, at a quarter of the products.

    A tap of the kernel gives the same product on all four pixels that come from one. So each tap
    meets the small image once, in one matrix product without windows, and what is left are sums of
    shifted products: an even row 2i takes the taps 0, 1, 2 from the small rows i-1, i, i, an odd
    one, 2i + 1, from i, i, i+1; columns likewise.
    """
    out, channels, size, _ = weight.shape
    height, width = x.shape[1:3]
    taps = weight.transpose(2, 3, 0, 1).reshape(-1, channels) @ x.reshape(channels, -1)
    taps = taps.reshape(size, size, out, *x.shape[1:])
    # First the rows, by the row taps; what is left is (column tap, out, height, width, ...).
    rows = _even_and_odd(taps)
    parts = [part for row in rows for part in _even_and_odd(row)]
    # One stack and one transposition: stacking rows of stacked columns is several times slower.
    y = jnp.moveaxis(jnp.stack(parts).reshape(2, 2, *parts[0].shape), (0, 1), (2, 4))
    y = y.reshape(out, 2 * height, 2 * width, *x.shape[3:])
    return y if bias is None else y + bias.reshape(-1, *(1,) * (y.ndim - 1))


def _even_and_odd(taps: Array) -> tuple[Array, Array]:
    """The sums over three taps at the even and the odd places of the doubled axis.

    `taps` are (tap, column tap, out, height, ...) for rows and (tap, out, height, width, ...) for
    columns, so that the axis is the third of one tap in both.
    """
    first, middle, last = taps
    length = first.shape[2]
    edge = [(0, 0), (0, 0), (1, 1)] + [(0, 0)] * (first.ndim - 3)
    before = lax.slice_in_dim(jnp.pad(first, edge), 0, length, axis=2)
    after = lax.slice_in_dim(jnp.pad(last, edge), 2, length + 2, axis=2)
    return before + middle + last, first + middle + after
