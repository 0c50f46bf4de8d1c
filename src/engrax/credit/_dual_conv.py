"""A convolutional pair for counter-current learning."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.lax import stop_gradient
from jaxtyping import Array, Float, Key, PyTree

from engrax.core import named
from engrax.nn import Conv2d, ConvNet, Pool, conv_sizes, uniform_fan_in, upsample

from ._dual import DualNetwork


class DualConv(DualNetwork):
    """A convolutional classifier and its mirror, from one-hot rows back to images.

    Forward this is a `ConvNet`: per level a 3 x 3 convolution, halving by `pool`, the activation;
    then a linear readout without bias. Feedback starts with a linear map and the activation to the
    features of the top level; each level below is nearest upsampling, a 3 x 3 convolution and the
    activation, but for the image, which has none. Every layer reads its input through a
    stop-gradient. Feedback shapes equal the pooled forward shapes; where pooling cut an odd edge
    (14, 7, 3, 1), upsampling repeats the last row and column.

    With `pool="stride"` all convolutions have a bias, zero at the start; with `"max"` none has
    (Kao & Hariharan 2024, the authors' code).

    The forward weights are those of a `ConvNet` with the same key.
    """

    network: ConvNet
    top: Float[Array, " features classes"]
    """The feedback weights from the classes to the highest level."""
    convolutions: tuple[Conv2d, ...]
    """The feedback convolutions; the first one makes the image."""
    sizes: tuple[tuple[int, int], ...] = eqx.field(static=True)
    """Height and width of the levels, the image first."""

    def __init__(
        self,
        channels: tuple[int, ...],
        shape: tuple[int, int],
        classes: int,
        *,
        pool: Pool = "max",
        activation: Callable[[Array], Array] = jax.nn.elu,
        key: Key[Array, ""],
    ) -> None:
        """`channels` are those of the image and of each level; `shape` is (height, width).

        Raises:
            ValueError: fewer than two channels, an unknown `pool`, or an image that is too small.
        """
        self.network = ConvNet(channels, shape, classes, pool=pool, activation=activation, key=key)
        self.sizes = tuple(conv_sizes(shape, len(channels) - 1, pool))
        features = self.network.readout.shape[1]
        self.top = uniform_fan_in(named(key, "feedback_top"), (features, classes), classes)
        self.convolutions = tuple(
            _mirrored(layer, pool == "stride", named(key, f"feedback{level}"))
            for level, layer in enumerate(self.network.convolutions, start=1)
        )

    def forward(self, x: Float[Array, "batch channels height width"]) -> list[Array]:
        """The image, (batch, channels, height, width) after each pooling, and the logits."""
        return self.network.activities(x, between=stop_gradient)[0]

    def feedback(self, target: Float[Array, "rows classes"]) -> list[Array]:
        """Signals with the shapes of `forward`, for target rows: the image first."""
        act = self.network.activation
        top = act(self.top @ stop_gradient(target).T)
        # The rows in the last axis, as in `ConvNet`.
        signals = [top.reshape(-1, *self.sizes[-1], target.shape[0])]
        for level in reversed(range(len(self.convolutions))):
            large = upsample(stop_gradient(signals[-1]), 2, shape=self.sizes[level])
            y = self.convolutions[level](large)
            signals.append(act(y) if level else y)
        return [*(jnp.moveaxis(b, -1, 0) for b in reversed(signals)), target]

    def forward_layers(self) -> list[PyTree]:
        """The convolutions and the readout."""
        return [*self.network.convolutions, self.network.readout]

    def feedback_layers(self) -> list[PyTree]:
        """The convolutions, the one that makes the image first, and the map from the classes."""
        return [*self.convolutions, self.top]


def _mirrored(layer: Conv2d, bias: bool, key: Key[Array, ""]) -> Conv2d:
    """A convolution at full resolution from the outputs of `layer` to its inputs."""
    out, channels = layer.weight.shape[:2]
    mirror = Conv2d(out, channels, 3, padding=1, bias=bias, key=key)
    return eqx.tree_at(lambda c: c.bias, mirror, jnp.zeros(channels)) if bias else mirror
