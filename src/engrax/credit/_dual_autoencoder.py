"""A pair of auto-encoders for counter-current learning, and the losses that pull them together."""

import equinox as eqx
import jax.numpy as jnp
from jax.lax import stop_gradient
from jaxtyping import Array, Float, Key, PyTree

from engrax.core import named
from engrax.nn import ConvAutoencoder

from ._alignment import AlignmentLoss
from ._dual import DualNetwork


class DualAutoencoder(DualNetwork):
    """Two `ConvAutoencoder`s that run against each other: image to output, target to input.

    With K halvings there are 2K blocks and the levels 0..2K. The first half of the feedback
    network stands against the decoder and runs it backwards, the second half against the encoder.
    Both ends start at an output of exactly zero. Every block reads its input through a
    stop-gradient; both networks normalize by the batch while training and by running statistics at
    evaluation. BatchNorm's scale and shift are not trained (Kao & Hariharan 2024, the authors'
    code).

    **Here a level is (channels, height, width, batch)**: the batch is the last axis, where a
    convolution is fastest, and levels are too large to be turned around at every step. What goes
    in and `predict` have the batch in front.

    Raises ValueError for fewer than two channels, and for images that cannot be halved K times.
    """

    network: ConvAutoencoder
    mirror: ConvAutoencoder
    """The feedback network; its first block reads the target."""

    def __init__(self, channels: tuple[int, ...], *, key: Key[Array, ""]) -> None:
        """`channels` are those of the image and of each level down to the code."""
        self.network = ConvAutoencoder(channels, key=key)
        self.mirror = ConvAutoencoder(channels, key=named(key, "feedback"))

    def forward(self, x: Float[Array, "batch channels height width"]) -> list[Array]:
        """Levels 0..2K in evaluation mode: the image first, its reconstruction last."""
        return self.network.activities(x)[0]

    def feedback(self, target: Float[Array, "batch channels height width"]) -> list[Array]:
        """Signals of levels 0..2K in evaluation mode: the target last."""
        return self.mirror.activities(target)[0][::-1]

    def sweep(
        self,
        x: Float[Array, "batch channels height width"],
        target: Float[Array, "batch channels height width"],
    ) -> tuple[list[Array], list[Array], "DualAutoencoder"]:
        """Both sweeps in training mode, and the pair with moved running statistics."""
        activities, network = self.network.activities(x, training=True, between=stop_gradient)
        signals, mirror = self.mirror.activities(target, training=True, between=stop_gradient)
        moved = eqx.tree_at(lambda pair: (pair.network, pair.mirror), self, (network, mirror))
        return activities, signals[::-1], moved

    def predict(self, x: Float[Array, "batch channels height width"]) -> Array:
        """Reconstructions (batch, channels, height, width) in evaluation mode."""
        return self.network.predict(x)

    def encode(self, x: Float[Array, "batch channels height width"]) -> Array:
        """Codes (batch, features) in evaluation mode."""
        return self.network.encode(x)

    def forward_layers(self) -> list[PyTree]:
        """One tuple a block: its kernel, and for the last block also the bias."""
        return trained_blocks(self.network)

    def feedback_layers(self) -> list[PyTree]:
        """The same of the feedback network, the block that writes the input's level first."""
        return trained_blocks(self.mirror)[::-1]


def trained_blocks(network: ConvAutoencoder) -> list[PyTree]:
    """What is trained of each block: kernels and the one bias, never a normalization."""
    return [*((kernel,) for kernel in network.kernels[:-1]), (network.kernels[-1], network.bias)]


class AutoencoderAlignment(AlignmentLoss):
    """The losses of the paired auto-encoders; the target is the input image.

    With `MSE` the mean over everything, H the height of a level, and ã the map of one channel of
    one example, centered and divided by its Euclidean norm,

        hidden level:  scale H MSE(a, b) + shape_scale H MSE(ã, b̃)
        both ends:     scale H MSE(a, b)

    (Kao & Hariharan 2024, the authors' code; both scales are 1 there). The top end trains the
    output block, the bottom end the last block of the feedback network.
    """

    scale: Float[Array, ""]
    shape_scale: Float[Array, ""]

    def __init__(self, scale: float = 1.0, shape_scale: float = 1.0) -> None:
        """The weight of the levels themselves, and that of their normalized maps."""
        self.scale = jnp.float32(scale)
        self.shape_scale = jnp.float32(shape_scale)

    def targets(self, x: Array, y: Array) -> Array:
        """The images themselves."""
        return x

    def __call__(
        self, activities: list[Array], signals: list[Array], x: Array, y: Array
    ) -> Float[Array, " levels"]:
        """The loss of each level; levels are (channels, height, width, batch)."""
        top = len(activities) - 1
        losses = []
        for level, (a, b) in enumerate(zip(activities, signals, strict=True)):
            loss = self.scale * jnp.square(a - b).mean()
            if 0 < level < top:
                loss += self.shape_scale * jnp.square(_unit_maps(a) - _unit_maps(b)).mean()
            losses.append(a.shape[1] * loss)
        return jnp.stack(losses)


def _unit_maps(a: Float[Array, " channels height width batch"]) -> Array:
    """Every map centered and divided by its norm; a constant map stays zero."""
    a = a - a.mean((1, 2), keepdims=True)
    squares = jnp.square(a).sum((1, 2), keepdims=True)
    # The root of zero has no gradient: such maps (dead units, single pixels) get a constant norm.
    norm = jnp.sqrt(jnp.where(squares > 0, squares, 1.0))
    return a / (norm + 1e-8)
