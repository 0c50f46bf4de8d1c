"""Layers with a normalization that may keep statistics, and the image paths made of them."""

from collections.abc import Callable
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key, PyTree

from engrax.core import draw_uniform, named

from ._batch_norm import BatchNorm
from ._conv import Conv2d
from ._initializers import uniform_fan_in
from ._pooling import max_pool

Norm = Literal["batch", "layer"]


def make_norm(norm: Norm | None, size: int) -> "BatchNorm | eqx.nn.LayerNorm | None":
    """The normalization called so, over `size` features.

    Raises:
        ValueError: there is no such normalization.
    """
    if norm not in ("batch", "layer", None):
        raise ValueError(f"norm is 'batch', 'layer' or None, and was given as {norm!r}.")
    if norm is None:
        return None
    return BatchNorm(size) if norm == "batch" else eqx.nn.LayerNorm(size)


class NormedDense(eqx.Module):
    """x W^T + b, then a normalization if there is one, then a ReLU if `relu`, over rows."""

    weight: Float[Array, "out in"]
    bias: Float[Array, " out"]
    norm: BatchNorm | eqx.nn.LayerNorm | None
    relu: bool = eqx.field(static=True)

    def __init__(
        self, d_in: int, d_out: int, norm: Norm | None, *, relu: bool, key: Key[Array, ""]
    ):
        self.weight = uniform_fan_in(key, (d_out, d_in), d_in)
        self.bias = jnp.zeros(d_out)
        self.norm = make_norm(norm, d_out)
        self.relu = relu

    def run(
        self, x: Float[Array, "batch in"], *, training: bool
    ) -> tuple[Float[Array, "batch out"], "NormedDense"]:
        """The rows' outputs, and the layer with its running statistics moved if it is training."""
        y, layer = x @ self.weight.T + self.bias[None], self
        if isinstance(self.norm, BatchNorm) and training:
            y, norm = self.norm.train(y)
            layer = eqx.tree_at(lambda part: part.norm, self, norm)
        elif (norm := self.norm) is not None:
            y = jax.vmap(lambda row: norm(row))(y)
        return (jax.nn.relu(y) if self.relu else y), layer


Layers = tuple[NormedDense, ...]


def run_layers(
    layers: Layers, x: Float[Array, "batch in"], *, training: bool
) -> tuple[Float[Array, "batch out"], Layers]:
    """The layers in a row: outputs, and the layers with their statistics moved."""
    moved = []
    for layer in layers:
        x, new = layer.run(x, training=training)
        moved.append(new)
    return x, tuple(moved)


class ConvPath(eqx.Module):
    """Three convolutions and a dense layer (Li et al. 2025, Fig. 6).

    conv 3x3, ReLU, 2x2 max pooling, dropout; conv 3x3, ReLU, dropout; conv 3x3, ReLU, 2x2 max
    pooling, dropout; dense. The convolutions keep the size ("same" padding, which the paper leaves
    open).
    """

    convolutions: tuple[Conv2d, Conv2d, Conv2d]
    dense: NormedDense
    dropout: float = eqx.field(static=True)

    def __init__(
        self,
        shape: tuple[int, ...],
        channels: tuple[int, ...],
        out: int,
        norm: Norm | None,
        *,
        relu: bool,
        dropout: float,
        key: Key[Array, ""],
    ):
        """`shape` is (channels, height, width) of an image, `channels` those of the three levels.

        Raises:
            ValueError: an image too small to be halved twice, not three levels, or a `dropout`
                outside [0, 1).
        """
        if len(shape) != 3 or min(shape[1:]) < 4 or len(channels) != 3:
            raise ValueError(
                f"the convolutional path got images of shape {shape} and channels {channels}; "
                "expected (channels, height, width) with at least 4 x 4 pixels, and 3 numbers of "
                "channels."
            )
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout is a share in [0, 1), and was given as {dropout}.")
        sizes = (shape[0], *channels)
        first, second, third = (
            Conv2d(sizes[i], sizes[i + 1], 3, padding=1, key=named(key, f"conv{i + 1}"))
            for i in range(3)
        )
        self.convolutions = (first, second, third)
        flat = channels[-1] * (shape[1] // 4) * (shape[2] // 4)
        self.dense = NormedDense(flat, out, norm, relu=relu, key=named(key, "dense"))
        self.dropout = dropout

    def run(
        self,
        x: Float[Array, "batch channels height width"],
        *,
        training: bool,
        key: Key[Array, ""] | None,
    ) -> tuple[Float[Array, "batch out"], "ConvPath"]:
        """Features of a batch, and the path with its statistics moved; `key` is for dropout."""
        keys = [None] * 3 if key is None or not training else list(jr.split(key, 3))
        # The batch in the last axis, where convolution and pooling are fastest.
        h = jnp.moveaxis(x, 0, -1)
        for convolve, pooled, now in zip(self.convolutions, (True, False, True), keys, strict=True):
            h = convolve(h)
            # A ReLU commutes with the maximum, and is cheaper behind it.
            h = self._dropped(jax.nn.relu(max_pool(h) if pooled else h), now)
        rows = h.reshape(-1, h.shape[-1]).T
        y, dense = self.dense.run(rows, training=training)
        return y, eqx.tree_at(lambda path: path.dense, self, dense)

    def _dropped(self, h: Array, key: Key[Array, ""] | None) -> Array:
        if key is None or self.dropout == 0:
            return h
        keep = draw_uniform(key, h.shape) < 1 - self.dropout
        return jnp.where(keep, h / (1 - self.dropout), 0.0)


class DensePath(eqx.Module):
    """Two dense layers on the flattened image, a ReLU between them."""

    layers: Layers

    def __init__(
        self, features: int, out: int, norm: Norm | None, *, relu: bool, key: Key[Array, ""]
    ):
        self.layers = (
            NormedDense(features, out, None, relu=True, key=named(key, "dense1")),
            NormedDense(out, out, norm, relu=relu, key=named(key, "dense2")),
        )

    def run(
        self, x: Float[Array, "batch ..."], *, training: bool, key: Key[Array, ""] | None
    ) -> tuple[Float[Array, "batch out"], "DensePath"]:
        """Features of a batch, and the path with its statistics moved."""
        y, layers = run_layers(self.layers, x.reshape(len(x), -1), training=training)
        return y, eqx.tree_at(lambda path: path.layers, self, layers)


ImagePath = ConvPath | DensePath


def without_statistics(model: PyTree) -> PyTree:
    """True for every floating-point array but the running statistics of a `BatchNorm`."""

    def mask(part: PyTree) -> PyTree:
        wanted = jax.tree.map(eqx.is_inexact_array, part)
        if isinstance(part, BatchNorm):
            where: Callable = lambda norm: (norm.mean, norm.var)
            wanted = eqx.tree_at(where, wanted, (False, False))
        return wanted

    return jax.tree.map(mask, model, is_leaf=lambda part: isinstance(part, BatchNorm))
