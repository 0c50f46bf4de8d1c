"""Convolutions whose taps are learned functions."""

import math
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key

from engrax.core import named

from ._conv import conv2d
from .bases import Basis


def conv1d(
    x: Float[Array, " channels length *batch"],
    weight: Float[Array, " out channels size"],
    *,
    stride: int = 1,
) -> Float[Array, " out out_length *batch"]:
    """Cross-correlate channels of a signal, by slices and one matrix product."""
    out, channels, size = weight.shape
    span = x.shape[1] - size
    if span < 0:
        raise ValueError(
            f"a kernel of {size} does not fit into a padded signal of {x.shape[1]}; use a smaller "
            "kernel or more padding."
        )
    last = span // stride * stride
    columns = jnp.stack([x[:, i : i + last + 1 : stride] for i in range(size)], 1)
    product = weight.reshape(out, -1) @ columns.reshape(channels * size, -1)
    return product.reshape(out, *columns.shape[2:])


def convolve(features: Array, weight: Array, stride: int) -> Array:
    """(channels, size, *space, *batch) by (out, channels, size, *taps)."""
    x = features.reshape(-1, *features.shape[2:])
    flat = weight.reshape(len(weight), -1, *weight.shape[3:])
    if flat.ndim == 3:
        return conv1d(x, flat, stride=stride)
    return conv2d(x, flat, stride=stride)


def padded(x: Array, padding: int, dims: int) -> Array:
    """Zeros around the axes of space."""
    border = [(0, 0), *((padding, padding),) * dims, *((0, 0),) * (x.ndim - 1 - dims)]
    return jnp.pad(x, border)


def joined_conv(
    z: Array, x: Array, base: Callable | None, weight: Array | None, bias: Array | None, stride: int
) -> Array:
    """Adds the base term and the bias, where there are any."""
    if base is not None and weight is not None:
        z = z + convolve(base(x)[:, None], weight[:, :, None], stride)
    return z if bias is None else z + bias.reshape(-1, *(1,) * (z.ndim - 1))


def check_conv(name: str, channels: int, out: int, size: int, stride: int, padding: int) -> None:
    """Raises ValueError for numbers out of range."""
    if min(channels, out, size, stride) < 1 or padding < 0:
        raise ValueError(
            f"{name} needs channels, out, size and stride >= 1 and padding >= 0, and was given "
            f"{channels}, {out}, {size}, {stride} and {padding}."
        )


class KANConv(eqx.Module):
    """A `KANLayer` applied to every window: see `KANConv1d` and `KANConv2d`."""

    coefficients: Float[Array, "out channels size *taps"]
    base_weight: Float[Array, "out channels *taps"] | None
    bias: Float[Array, " out"] | None
    basis: Basis
    base: Callable[[Array], Array] | None = eqx.field(static=True)
    stride: int = eqx.field(static=True)
    padding: int = eqx.field(static=True)

    dims = 0

    def __init__(
        self,
        channels: int,
        out: int,
        size: int,
        basis: Basis,
        *,
        stride: int = 1,
        padding: int = 0,
        base: Callable[[Array], Array] | None = jax.nn.silu,
        bias: bool = True,
        key: Key[Array, ""],
    ) -> None:
        check_conv(type(self).__name__, channels, out, size, stride, padding)
        taps = (size,) * self.dims
        scale = 1 / math.sqrt(channels * math.prod(taps))
        shape = (out, channels, basis.size, *taps)
        self.coefficients = 0.1 * scale * jr.normal(named(key, "coefficients"), shape)
        self.base_weight = (
            None
            if base is None
            else scale * jr.normal(named(key, "base_weight"), (out, channels, *taps))
        )
        self.bias = jnp.zeros(out) if bias else None
        self.basis = basis
        self.base = base
        self.stride = stride
        self.padding = padding

    def _apply(self, x: Array) -> Array:
        x = padded(x, self.padding, self.dims)
        # Functions are evaluated once a pixel, and the windows are cut out of their values.
        z = convolve(self.basis(x, 1), self.coefficients, self.stride)
        return joined_conv(z, x, self.base, self.base_weight, self.bias, self.stride)


class KANConv2d(KANConv):
    """Each output pixel is a Kolmogorov-Arnold layer of its window, with zeros as border.

    layer = KANConv2d(3, 16, 3, bases.UnitRMS(bases.BSpline(8)), padding=1, key=key)
    y = layer(x)         # x: (3, height, width), or (3, height, width, batch), which is faster

    Sizes are those of `conv2d`. The border's zeros go through the functions like any pixel, and
    inputs outside the grid are what the basis makes of them. Start and fields are `KANLayer`'s,
    with `coefficients` (out, channels, functions, size, size).

    Raises ValueError for numbers out of range; at the call, for a window that does not fit.
    """

    dims = 2

    def __call__(
        self, x: Float[Array, " channels height width *batch"]
    ) -> Float[Array, " out out_height out_width *batch"]:
        """Every window's sums."""
        return self._apply(x)


class KANConv1d(KANConv):
    """`KANConv2d` along one axis: x is (channels, length), or (channels, length, batch)."""

    dims = 1

    def __call__(
        self, x: Float[Array, " channels length *batch"]
    ) -> Float[Array, " out out_length *batch"]:
        """Every window's sums."""
        return self._apply(x)
