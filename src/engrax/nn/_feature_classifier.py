"""A classifier in two parts: features, and a linear head that reads them."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from engrax.core import named

from ._conv import Conv2d
from ._conv_net import conv_sizes
from ._initializers import uniform_fan_in


class FeatureClassifier(eqx.Module):
    """`head(body(x))`: what distillation of features, pulls on them and linear probes ask for.

    `body(x)` maps images (batch, channels, rows, columns) to features (batch, body.features); it
    may be `ConvFeatures`, a ResNet or a transformer without its head. The head's weights and biases
    start uniform within 1 / sqrt(features).

        net = FeatureClassifier(body, 50, key=key)
        net.classify(net.body(x))    # logits of a batch: (batch, 50)
        net(x[0])                    # of one image
    """

    body: Any
    weight: Float[Array, "classes features"]
    bias: Float[Array, " classes"]

    def __init__(self, body: Any, classes: int, *, key: Key[Array, ""]) -> None:
        """Put a head of so many classes on a body.

        Raises:
            ValueError: no classes.
        """
        if classes < 1:
            raise ValueError(f"FeatureClassifier needs at least 1 class, and was given {classes}.")
        self.body = body
        shape = (classes, body.features)
        self.weight = uniform_fan_in(named(key, "weight"), shape, body.features)
        self.bias = uniform_fan_in(named(key, "bias"), (classes,), body.features)

    def classify(self, features: Float[Array, "batch features"]) -> Float[Array, "batch classes"]:
        """What the head says of features."""
        return features @ self.weight.T + self.bias[None]

    def predict(self, x: Float[Array, "batch ..."]) -> Float[Array, "batch classes"]:
        """Logits of a batch."""
        return self.classify(self.body(x))

    def __call__(self, x: Float[Array, "..."]) -> Float[Array, " classes"]:
        """Logits of one image."""
        return self.predict(x[None])[0]


class ConvFeatures(eqx.Module):
    """Convolutions of 3 x 3 that each halve the image, a dense layer, and nothing that normalizes.

    All layers have biases and the same activation, and start uniform within 1 / sqrt(fan-in).
    """

    convolutions: tuple[Conv2d, ...]
    weight: Float[Array, "features flat"]
    bias: Float[Array, " features"]
    activation: Callable[[Array], Array] = eqx.field(static=True)

    def __init__(
        self,
        channels: Sequence[int],
        shape: tuple[int, int],
        features: int,
        *,
        activation: Callable[[Array], Array] = jax.nn.relu,
        key: Key[Array, ""],
    ) -> None:
        """`channels` are those of the image and of each convolution; `shape` is (rows, columns).

        Raises:
            ValueError: fewer than two channels, no features, or an image that is too small.
        """
        if len(channels) < 2 or min(*channels, features) < 1:
            raise ValueError(
                f"ConvFeatures needs the channels of the image and of at least one convolution, "
                f"and at least one feature, and was given {tuple(channels)} and {features}."
            )
        rows, columns = conv_sizes(shape, len(channels) - 1, "stride")[-1]
        self.convolutions = tuple(
            Conv2d(below, above, 3, stride=2, padding=1, key=named(key, f"layer{level}"))
            for level, (below, above) in enumerate(itertools.pairwise(channels), start=1)
        )
        flat = channels[-1] * rows * columns
        self.weight = uniform_fan_in(named(key, "weight"), (features, flat), flat)
        self.bias = uniform_fan_in(named(key, "bias"), (features,), flat)
        self.activation = activation

    @property
    def features(self) -> int:
        """Size of the features."""
        return len(self.bias)

    def levels(self, x: Float[Array, "batch channels rows columns"]) -> list[Array]:
        """Activities (batch, units) of every convolution, and the features (batch, features)."""
        # The batch in the last axis, where convolution is fastest.
        above, levels = jnp.moveaxis(x, 0, -1), []
        for convolve in self.convolutions:
            above = self.activation(convolve(above))
            levels.append(above.reshape(-1, x.shape[0]).T)
        flat = above.reshape(-1, x.shape[0])
        levels.append(self.activation(self.weight @ flat + self.bias[:, None]).T)
        return levels

    def __call__(
        self, x: Float[Array, "batch channels rows columns"]
    ) -> Float[Array, "batch features"]:
        """The features of a batch."""
        return self.levels(x)[-1]
