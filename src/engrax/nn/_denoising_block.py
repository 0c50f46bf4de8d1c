"""A block that sees an input and a noisy label, and says which label it is."""

import math
from typing import Literal, NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from engrax.core import named

from ._image_path import (
    ConvPath,
    DensePath,
    ImagePath,
    Layers,
    Norm,
    NormedDense,
    run_layers,
)
from ._initializers import uniform_fan_in
from ._sinusoidal import sinusoidal


class Decision(NamedTuple):
    """What a block makes of a noisy label: `logits` (batch, classes), and the activity below."""

    logits: Float[Array, "batch classes"]
    hidden: Float[Array, "batch hidden"]


class DenoisingBlock(eqx.Module):
    """Logits of the classes from an input and a noisy embedded label (Li et al. 2025, Fig. 6).

    Three paths meet: the image path (`image_path`, "conv" or "dense"), the path of the noisy label
    z and, with `time`, one of the sine-embedded time. Without time (a block of a chain):

        z path: h = relu(norm(FC z)),  h + norm(FC relu(norm(FC h)))
        joined: relu(norm(FC)), relu(norm(FC to half the width)), FC to the classes

    and the image path ends in a normalization. With `time` (one block for all times) every layer
    is dense and a ReLU, `norm` is not "batch", and z has one layer. A z that is an image
    (`z_shape`, for prototypes as embedding) first goes through an image path of its own.

    **The image path depends neither on z nor on the time**: `image_features` once, `decide` for
    each step.

        block = DenoisingBlock((1, 8, 8), 10, 10, key=key)
        features = block.image_features(x)          # x: (batch, 1, 8, 8)
        logits, hidden = block.decide(features, z)  # z: (batch, 10)

    Weights start uniform within 1 / sqrt(fan-in), biases of dense layers at 0.
    """

    image: ImagePath
    z_image: ImagePath | None
    entry: NormedDense
    residual: Layers
    clock: NormedDense | None
    joined: Layers
    weight: Float[Array, "classes half"]
    bias: Float[Array, " classes"]
    x_shape: tuple[int, ...] = eqx.field(static=True)
    z_shape: tuple[int, ...] | None = eqx.field(static=True)
    dim: int = eqx.field(static=True)
    time_dim: int = eqx.field(static=True)

    def __init__(
        self,
        x_shape: tuple[int, ...],
        dim: int,
        classes: int,
        *,
        image_path: Literal["conv", "dense"] = "conv",
        channels: tuple[int, ...] = (32, 64, 128),
        hidden: int = 256,
        norm: Norm | None = "batch",
        image_norm: Norm | None = None,
        time: bool = False,
        time_dim: int = 64,
        z_shape: tuple[int, int, int] | None = None,
        dropout: float = 0.2,
        key: Key[Array, ""],
    ):
        """For inputs of `x_shape`, embeddings of `dim` numbers and `classes` classes.

        **Arguments:** `channels` and `dropout` are those of convolutional paths; `hidden` is the
        width of every path, half of which the last hidden layer has; `image_norm` the normalization
        at the end of the image path if it is another one; `time_dim` the size of the time's
        embedding.

        Raises:
            ValueError: an unknown path or normalization, a size out of range, a `z_shape` of
                another size than `dim`, or batch normalization with `time`.
        """
        if min(dim, classes, hidden // 2) < 1:
            raise ValueError(
                f"DenoisingBlock got dim={dim}, classes={classes}, hidden={hidden}; expected at "
                "least 1, 1 and 2."
            )
        if image_path not in ("conv", "dense"):
            raise ValueError(f"image_path is 'conv' or 'dense', and was given as {image_path!r}.")
        if time and norm == "batch":
            raise ValueError(
                "a block with time got norm='batch', whose statistics would mix all noise levels; "
                "use norm=None, as the paper does, or 'layer'."
            )
        if z_shape is not None and math.prod(z_shape) != dim:
            raise ValueError(f"z_shape={z_shape} does not hold dim={dim} numbers; make them agree.")

        def path(shape: tuple[int, ...], name: str) -> ImagePath:
            last, size = image_norm or norm, {"relu": time, "key": named(key, name)}
            if image_path == "dense":
                return DensePath(math.prod(shape), hidden, last, **size)
            return ConvPath(shape, channels, hidden, last, dropout=dropout, **size)

        def layer(name: str, d_in: int, d_out: int, *, relu: bool = True) -> NormedDense:
            return NormedDense(d_in, d_out, norm, relu=relu, key=named(key, name))

        self.image = path(x_shape, "image")
        self.z_image = None if z_shape is None else path(z_shape, "z_image")
        self.entry = layer("entry", hidden if z_shape else dim, hidden)
        self.residual = (
            ()
            if time
            else (
                layer("residual1", hidden, hidden),
                layer("residual2", hidden, hidden, relu=False),
            )
        )
        self.clock = layer("clock", time_dim, hidden) if time else None
        self.joined = (
            layer("joined1", (3 if time else 2) * hidden, hidden),
            layer("joined2", hidden, hidden // 2),
        )
        self.weight = uniform_fan_in(named(key, "output"), (classes, hidden // 2), hidden // 2)
        self.bias = jnp.zeros(classes)
        self.x_shape, self.z_shape = tuple(x_shape), z_shape
        self.dim, self.time_dim = dim, time_dim

    def image_features(self, x: Float[Array, "batch ..."]) -> Float[Array, "batch hidden"]:
        """What the image path makes of a batch, in evaluation mode."""
        return self.image.run(self._shaped(x), training=False, key=None)[0]

    def decide(
        self,
        features: Float[Array, "batch hidden"],
        z: Float[Array, "batch dim"],
        t: Float[Array, " batch"] | None = None,
    ) -> Decision:
        """Logits and the last hidden activity, in evaluation mode."""
        return self._decide(features, z, t, training=False, key=None)[0]

    def __call__(
        self,
        x: Float[Array, "batch ..."],
        z: Float[Array, "batch dim"],
        t: Float[Array, " batch"] | None = None,
    ) -> Float[Array, "batch classes"]:
        """Logits of a batch in evaluation mode."""
        return self.decide(self.image_features(x), z, t).logits

    def train_features(
        self, x: Float[Array, "batch ..."], *, key: Key[Array, ""] | None
    ) -> tuple[Float[Array, "batch hidden"], "DenoisingBlock"]:
        """Features in training mode, and the block with the image path's statistics moved."""
        features, image = self.image.run(self._shaped(x), training=True, key=key)
        return features, eqx.tree_at(lambda block: block.image, self, image)

    def train_decide(
        self,
        features: Float[Array, "batch hidden"],
        z: Float[Array, "batch dim"],
        t: Float[Array, " batch"] | None = None,
        *,
        key: Key[Array, ""] | None,
    ) -> tuple[Float[Array, "batch classes"], "DenoisingBlock"]:
        """Logits in training mode, and the block with the other statistics moved."""
        decision, moved = self._decide(features, z, t, training=True, key=key)
        return decision.logits, moved

    def train(
        self,
        x: Float[Array, "batch ..."],
        z: Float[Array, "batch dim"],
        t: Float[Array, " batch"] | None = None,
        *,
        key: Key[Array, ""] | None,
    ) -> tuple[Float[Array, "batch classes"], "DenoisingBlock"]:
        """Logits of a batch in training mode, and the block with its statistics moved.

        `key` is for dropout; without one nothing is dropped.
        """
        first, second = (None, None) if key is None else (named(key, "x"), named(key, "z"))
        features, moved = self.train_features(x, key=first)
        return moved.train_decide(features, z, t, key=second)

    def _decide(
        self,
        features: Array,
        z: Array,
        t: Array | None,
        *,
        training: bool,
        key: Key[Array, ""] | None,
    ) -> tuple[Decision, "DenoisingBlock"]:
        if (t is None) != (self.clock is None):
            raise ValueError(
                f"a block with{'out' if self.clock is None else ''} time was "
                f"{'not ' if t is None else ''}given a time; build it with the other `time`."
            )
        parts, moved = [features], self
        if self.z_image is not None and self.z_shape is not None:
            image = z.reshape(len(z), *self.z_shape)
            z, z_image = self.z_image.run(image, training=training, key=key)
            moved = eqx.tree_at(lambda block: block.z_image, moved, z_image)
        h, entry = self.entry.run(z, training=training)
        change, residual = run_layers(self.residual, h, training=training)
        parts.append(h + change if self.residual else h)
        moved = eqx.tree_at(lambda block: (block.entry, block.residual), moved, (entry, residual))
        if self.clock is not None and t is not None:
            parts.append(self.clock.run(sinusoidal(t, self.time_dim), training=training)[0])
        hidden, joined = run_layers(self.joined, jnp.concatenate(parts, 1), training=training)
        moved = eqx.tree_at(lambda block: block.joined, moved, joined)
        return Decision(hidden @ self.weight.T + self.bias[None], hidden), moved

    def _shaped(self, x: Array) -> Array:
        if x[0].size != math.prod(self.x_shape):
            raise ValueError(
                f"a block for inputs of shape {self.x_shape} got a batch of shape {x.shape}; let "
                "the stream shape its inputs."
            )
        return x.reshape(len(x), *self.x_shape)
