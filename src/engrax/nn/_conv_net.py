"""A plain convolutional classifier."""

import itertools
from collections.abc import Callable
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from engrax.core import named

from ._batch_norm import BatchNorm
from ._conv import Conv2d
from ._initializers import uniform_fan_in
from ._pooling import max_pool

Pool = Literal["max", "stride"]


def conv_sizes(shape: tuple[int, int], depth: int, pool: Pool) -> list[tuple[int, int]]:
    """Height and width at levels 0..depth: halved, rounding down by pooling and up by stride.

    Raises:
        ValueError: `pool` is neither, or nothing is left of the image.
    """
    if pool not in ("max", "stride"):
        raise ValueError(f"pool is 'max' or 'stride', and was given as {pool!r}.")
    half = (lambda n: n // 2) if pool == "max" else (lambda n: -(-n // 2))
    sizes = [shape]
    for _ in range(depth):
        sizes.append((half(sizes[-1][0]), half(sizes[-1][1])))
    if min(sizes[-1]) < 1:
        raise ValueError(
            f"an image of {shape[0]} x {shape[1]} cannot be halved {depth} times; use fewer "
            "channels or a larger image."
        )
    return sizes


def identity(x: Array) -> Array:
    """`x` as it is."""
    return x


class ConvNet(eqx.Module):
    """Convolutions of 3 x 3 that each halve the image, then a linear readout.

    With `pool="max"` a level is a convolution without bias, the activation and 2 x 2 max pooling;
    with `pool="stride"` it is a convolution of stride 2 with bias (0 at the start), and the
    activation. `normalize` puts a BatchNorm without trained scale and shift before each
    convolution. The readout has no bias. Weights start uniform within 1 / sqrt(fan-in).

    Pooling comes before the activation here: a monotone activation commutes with the maximum, and
    so is evaluated at a quarter of the pixels. The activation must therefore not decrease anywhere.
    """

    convolutions: tuple[Conv2d, ...]
    norms: tuple[BatchNorm, ...]
    readout: Float[Array, " classes features"]
    pool: Pool = eqx.field(static=True)
    activation: Callable[[Array], Array] = eqx.field(static=True)

    def __init__(
        self,
        channels: tuple[int, ...],
        shape: tuple[int, int],
        classes: int,
        *,
        pool: Pool = "max",
        activation: Callable[[Array], Array] = jax.nn.elu,
        normalize: bool = False,
        key: Key[Array, ""],
    ) -> None:
        """`channels` are those of the image and of each level; `shape` is (height, width).

        Raises:
            ValueError: fewer than two channels, or an image that is too small.
        """
        if len(channels) < 2 or min(*channels, classes) < 1:
            raise ValueError(
                f"ConvNet needs the channels of the image and of at least one level, and at least "
                f"one class, and was given {channels} and {classes}."
            )
        height, width = conv_sizes(shape, len(channels) - 1, pool)[-1]
        self.convolutions = tuple(
            halving_convolution(c_in, c_out, pool, key=named(key, f"layer{level}"))
            for level, (c_in, c_out) in enumerate(itertools.pairwise(channels), start=1)
        )
        self.norms = tuple(BatchNorm(c) for c in channels[:-1]) if normalize else ()
        features = channels[-1] * height * width
        self.readout = uniform_fan_in(named(key, "readout"), (classes, features), features)
        self.pool = pool
        self.activation = activation

    def activities(
        self,
        x: Float[Array, "batch channels height width"],
        *,
        training: bool = False,
        between: Callable[[Array], Array] = identity,
    ) -> tuple[list[Array], "ConvNet"]:
        """Every level for a batch: the image, (batch, channels, height, width) after each
        convolution, and the logits (batch, classes); and the net with moved statistics.

        `between` is applied to what each layer reads: `jax.lax.stop_gradient` keeps learning local.
        """
        # The batch in the last axis, where convolution and pooling are fastest.
        levels, norms = [jnp.moveaxis(x, 0, -1)], []
        for index, convolve in enumerate(self.convolutions):
            below = between(levels[-1])
            if self.norms and training:
                below, norm = self.norms[index].train(below, channel=0)
                norms.append(norm)
            elif self.norms:
                below = self.norms[index](below)
            above = convolve(below)
            levels.append(self.activation(max_pool(above) if self.pool == "max" else above))
        levels = [jnp.moveaxis(level, -1, 0) for level in levels]
        logits = between(levels[-1]).reshape(x.shape[0], -1) @ self.readout.T
        moved = eqx.tree_at(lambda net: net.norms, self, tuple(norms)) if norms else self
        return [*levels, logits], moved

    def train(
        self, x: Float[Array, "batch ..."]
    ) -> tuple[Float[Array, "batch classes"], "ConvNet"]:
        """Logits of a batch in training mode, and the net with moved statistics."""
        levels, moved = self.activities(x, training=True)
        return levels[-1], moved

    def predict(self, x: Float[Array, "batch ..."]) -> Float[Array, "batch classes"]:
        """Logits of a batch in evaluation mode."""
        return self.activities(x)[0][-1]

    def __call__(self, x: Float[Array, " channels height width"]) -> Float[Array, " classes"]:
        """Logits of one image, in evaluation mode."""
        return self.predict(x[None])[0]


def halving_convolution(channels: int, out: int, pool: Pool, *, key: Key[Array, ""]) -> Conv2d:
    """The 3 x 3 convolution of one level; with a stride it halves the image by itself."""
    if pool == "max":
        return Conv2d(channels, out, 3, padding=1, bias=False, key=key)
    layer = Conv2d(channels, out, 3, stride=2, padding=1, key=key)
    return eqx.tree_at(lambda c: c.bias, layer, jnp.zeros(out))
