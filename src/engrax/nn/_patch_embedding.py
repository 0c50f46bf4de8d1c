"""An image as a sequence of tokens."""

import math

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key

from engrax.core import patches


class PatchEmbedding(eqx.Module):
    """Square patches that tile an image, each through one linear map: a token a patch.

    Tokens come in reading order. The map starts from a normal distribution of variance 1 / fan-in,
    its bias at 0.

    Raises:
        ValueError: patches that do not tile the image, or sizes below 1.
    """

    weight: Float[Array, "d features"]
    """Features of a patch are channel, row, column, as in a convolution's weight."""
    bias: Float[Array, " d"]
    image: tuple[int, int, int] = eqx.field(static=True)
    """Channels, rows and columns."""
    patch: int = eqx.field(static=True)
    """Pixels along a side of a patch."""

    def __init__(
        self, image: tuple[int, int, int], patch: int, d: int, *, key: Key[Array, ""]
    ) -> None:
        """Build it for images of this shape, with tokens of `d` features."""
        channels, rows, columns = image
        if min(channels, rows, columns, patch, d) < 1 or rows % patch or columns % patch:
            raise ValueError(
                f"PatchEmbedding got patches of {patch} pixels for images {tuple(image)}; expected "
                "sizes of at least 1 and a patch that divides rows and columns."
            )
        features = channels * patch * patch
        self.weight = jr.normal(key, (d, features)) / math.sqrt(features)
        self.bias = jnp.zeros(d)
        self.image, self.patch = (channels, rows, columns), patch

    @property
    def tokens(self) -> int:
        """How many patches an image has."""
        _, rows, columns = self.image
        return (rows // self.patch) * (columns // self.patch)

    def __call__(self, x: Float[Array, "channels rows columns"]) -> Float[Array, "tokens d"]:
        """The tokens of one image.

        Raises:
            ValueError: an image of another shape than the module was built for.
        """
        if x.shape != self.image:
            raise ValueError(
                f"PatchEmbedding got an image of shape {x.shape}; expected {self.image}."
            )
        return patches(x, self.patch, self.patch) @ self.weight.T + self.bias[None]
