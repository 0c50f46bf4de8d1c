"""Convolution as a matrix product on a CPU, by the library on a GPU."""

import math

import equinox as eqx
import jax
from jax import lax
from jaxtyping import Array, Float, Key

from engrax.core import image_columns, named

from ._initializers import uniform_fan_in


def conv2d(
    x: Float[Array, " channels height width *batch"],
    weight: Float[Array, " out channels size size"],
    bias: Float[Array, " out"] | None = None,
    *,
    stride: int = 1,
    padding: int = 0,
) -> Float[Array, " out out_height out_width *batch"]:
    """Cross-correlate a channel-first image with square kernels, after padding it with zeros.

    Axes behind the width are carried along. **A batch is fastest in the last axis**: there the
    windows are contiguous copies, and the whole batch is one matrix product with the weights. On a
    CPU a compiled `scan` runs XLA's own convolution about ten times slower than on its own, so the
    convolution is written as that product; other backends get `lax.conv_general_dilated`.

    Raises:
        ValueError: the kernel does not fit into the padded image, or a number is out of range.
    """
    multiply = _by_product if jax.default_backend() == "cpu" else _by_library
    y = multiply(x, weight, stride, padding)
    return y if bias is None else y + bias.reshape(-1, *(1,) * (y.ndim - 1))


def _by_product(x: Array, weight: Array, stride: int, padding: int) -> Array:
    """Windows as columns: (out, channels * taps) @ (channels * taps, pixels * batch)."""
    out, _, size, _ = weight.shape
    columns = image_columns(x, size, stride, padding)
    product = weight.reshape(out, -1) @ columns.reshape(math.prod(columns.shape[:2]), -1)
    return product.reshape(out, *columns.shape[2:])


def _by_library(x: Array, weight: Array, stride: int, padding: int) -> Array:
    """XLA's convolution; cuDNN picks the kernel."""
    batch = x.shape[3:]
    y = lax.conv_general_dilated(
        x.reshape(*x.shape[:3], -1),
        weight,
        (stride, stride),
        ((padding, padding),) * 2,
        dimension_numbers=("CHWN", "OIHW", "CHWN"),
    )
    return y.reshape(*y.shape[:3], *batch)


class Conv2d(eqx.Module):
    """A square convolution with PyTorch's default start: uniform within 1 / sqrt(fan-in).

    layer = Conv2d(3, 16, 3, stride=2, padding=1, key=key)
    y = layer(x)         # x: (3, height, width), or (3, height, width, batch)
    """

    weight: Float[Array, " out channels size size"]
    bias: Float[Array, " out"] | None
    stride: int = eqx.field(static=True)
    padding: int = eqx.field(static=True)

    def __init__(
        self,
        channels: int,
        out: int,
        size: int,
        *,
        stride: int = 1,
        padding: int = 0,
        bias: bool = True,
        key: Key[Array, ""],
    ) -> None:
        """`channels` to `out` channels by kernels of `size` x `size`.

        Raises:
            ValueError: a number is out of range.
        """
        if min(channels, out, size, stride) < 1 or padding < 0:
            raise ValueError(
                f"Conv2d needs channels, out, size and stride >= 1 and padding >= 0, and was given "
                f"{channels}, {out}, {size}, {stride} and {padding}."
            )
        fan_in = channels * size * size
        shape = (out, channels, size, size)
        self.weight = uniform_fan_in(named(key, "weight"), shape, fan_in)
        self.bias = uniform_fan_in(named(key, "bias"), (out,), fan_in) if bias else None
        self.stride = stride
        self.padding = padding

    def __call__(
        self, x: Float[Array, " channels height width *batch"]
    ) -> Float[Array, " out out_height out_width *batch"]:
        """Convolve one image, or many with their batch in the last axis (see `conv2d`)."""
        return conv2d(x, self.weight, self.bias, stride=self.stride, padding=self.padding)
