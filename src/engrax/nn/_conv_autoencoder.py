"""A convolutional auto-encoder that mirrors itself."""

import itertools
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from engrax.core import named

from ._batch_norm import BatchNorm
from ._conv import conv2d
from ._conv_net import identity
from ._upsample_conv import upsample_conv2d


class ConvAutoencoder(eqx.Module):
    """Blocks that halve the image down to a code, then blocks that double it up to an image.

    Going down, a block is a 3 x 3 convolution of stride 2, going up it is nearest upsampling and a
    3 x 3 convolution; then BatchNorm (scale and shift stay at 1 and 0) and ReLU. The last block is
    its convolution alone, with a bias: the only one, as a normalization removes all others.

    Kernels start orthogonal; those going up are then scaled by 1e-3, and the last one is zero, so
    the first output is exactly zero (Kao & Hariharan 2024, the authors' code).
    """

    kernels: tuple[Float[Array, " out channels 3 3"], ...]
    """One a block, first block first."""
    bias: Float[Array, " channels"]
    """Of the last block."""
    norms: tuple[BatchNorm, ...]
    """One for each block but the last."""

    def __init__(self, channels: tuple[int, ...], *, key: Key[Array, ""]) -> None:
        """`channels` are those of the image and of each level down to the code.

        Raises:
            ValueError: fewer than two channels, or one below 1.
        """
        if len(channels) < 2 or min(channels) < 1:
            raise ValueError(
                f"ConvAutoencoder needs the channels of the image and of at least one level, all "
                f"positive, and was given {channels}."
            )
        depth = len(channels) - 1
        path = (*channels, *channels[-2::-1])
        scales = [1.0] * depth + [1e-3] * (depth - 1) + [0.0]
        self.kernels = tuple(
            scale * _orthogonal(c_in, c_out, named(key, f"layer{level}"))
            for level, (scale, (c_in, c_out)) in enumerate(
                zip(scales, itertools.pairwise(path), strict=True), start=1
            )
        )
        self.bias = jnp.zeros(channels[0])
        self.norms = tuple(BatchNorm(c) for c in path[1:-1])

    def activities(
        self,
        x: Float[Array, "batch channels height width"],
        *,
        training: bool = False,
        between: Callable[[Array], Array] = identity,
        stop: int | None = None,
    ) -> tuple[list[Array], "ConvAutoencoder"]:
        """Every level for a batch, from the image to its reconstruction, each (channels, height,
        width, batch); and the net with moved statistics.

        `between` is applied to what each block reads. `stop` is the last level wanted.

        Raises:
            ValueError: the image's sides are not multiples of 2 to the number of halvings.
        """
        depth = len(self.kernels) // 2
        if any(side % 2**depth for side in x.shape[2:]):
            raise ValueError(
                f"ConvAutoencoder halves the image {depth} times, and was given {x.shape[2]} x "
                f"{x.shape[3]}; pad it to multiples of {2**depth}."
            )
        # The batch in the last axis, where convolutions are fastest.
        levels, norms = [jnp.moveaxis(x, 0, -1)], list(self.norms)
        for block, kernel in enumerate(self.kernels[:stop]):
            below = between(levels[-1])
            last = block == 2 * depth - 1
            if block < depth:
                y = conv2d(below, kernel, stride=2, padding=1)
            else:
                y = upsample_conv2d(below, kernel, self.bias if last else None)
            if not last and training:
                y, norms[block] = norms[block].train(y, channel=0)
            elif not last:
                y = norms[block](y)
            levels.append(y if last else jax.nn.relu(y))
        return levels, eqx.tree_at(lambda net: net.norms, self, tuple(norms))

    def encode(self, x: Float[Array, "batch ..."]) -> Float[Array, "batch features"]:
        """The codes of a batch in evaluation mode, flattened."""
        levels, _ = self.activities(x, stop=len(self.kernels) // 2)
        return levels[-1].reshape(-1, x.shape[0]).T

    def train(self, x: Float[Array, "batch ..."]) -> tuple[Array, "ConvAutoencoder"]:
        """Reconstructions of a batch in training mode, and the net with moved statistics."""
        levels, moved = self.activities(x, training=True)
        return jnp.moveaxis(levels[-1], -1, 0), moved

    def predict(self, x: Float[Array, "batch ..."]) -> Float[Array, "batch ..."]:
        """Reconstructions of a batch in evaluation mode."""
        return jnp.moveaxis(self.activities(x)[0][-1], -1, 0)

    def __call__(self, x: Float[Array, " channels height width"]) -> Array:
        """The reconstruction of one image, in evaluation mode."""
        return self.predict(x[None])[0]


def _orthogonal(channels: int, out: int, key: Key[Array, ""]) -> Float[Array, " out channels 3 3"]:
    """One vector for each channel of the larger side, over the channels of the other side and the
    taps: orthonormal, or with orthonormal columns where there are more vectors than entries.
    """
    small, large = min(channels, out), max(channels, out)
    draw = jax.nn.initializers.orthogonal()(key, (large, small * 9), jnp.float32)
    kernel = draw.reshape(large, small, 3, 3)
    return kernel if out >= channels else kernel.transpose(1, 0, 2, 3)
