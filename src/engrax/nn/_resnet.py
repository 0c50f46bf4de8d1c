"""Residual convolutional nets for images."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from engrax.core import named

from ._batch_norm import BatchNorm
from ._conv import Conv2d
from ._initializers import uniform_fan_in


class BasicBlock(eqx.Module):
    """Two 3 x 3 convolutions beside a shortcut (He et al. 2016, Fig. 5 left), with batch norm.

    The shortcut is a 1 x 1 convolution where the block changes the shape, else the input itself.
    """

    first: Conv2d
    first_norm: BatchNorm
    second: Conv2d
    second_norm: BatchNorm
    shortcut: Conv2d | None
    shortcut_norm: BatchNorm | None

    def __init__(self, channels: int, out: int, stride: int, *, key: Key[Array, ""]) -> None:
        """From `channels` to `out` channels, and to 1 / stride of the size."""
        self.first = Conv2d(
            channels, out, 3, stride=stride, padding=1, bias=False, key=named(key, "first")
        )
        self.second = Conv2d(out, out, 3, padding=1, bias=False, key=named(key, "second"))
        self.first_norm, self.second_norm = BatchNorm(out), BatchNorm(out)
        changes = stride != 1 or channels != out
        self.shortcut = (
            Conv2d(channels, out, 1, stride=stride, bias=False, key=named(key, "shortcut"))
            if changes
            else None
        )
        self.shortcut_norm = BatchNorm(out) if changes else None

    def __call__(
        self, x: Float[Array, " channels rows columns *batch"]
    ) -> Float[Array, " out out_rows out_columns *batch"]:
        """The block on one image, or on many with their batch in the last axis."""
        y = jax.nn.relu(self.first_norm(self.first(x)))
        y = self.second_norm(self.second(y))
        if self.shortcut is not None and self.shortcut_norm is not None:
            x = self.shortcut_norm(self.shortcut(x))
        return jax.nn.relu(x + y)


class ResNet(eqx.Module):
    """A stem, groups of `BasicBlock`s that each halve the image but the first, and a linear head.

    `ResNet((64, 128, 256, 512), 2, channels=3, classes=1000)` is ResNet-18 with the stem for
    ImageNet, a 7 x 7 convolution of stride 2 and 3 x 3 max pooling of stride 2.

    **Batch norm uses its running statistics, also while a loss is differentiated**: they stay as
    they are, scale and shift are trained. From scratch they are 0 and 1. That is how a pre-trained
    net learns tasks one after another without statistics that drift (Smith et al. 2023); for
    training from scratch in the usual way, with statistics of the batch, this class is not made.
    """

    stem: Conv2d
    stem_norm: BatchNorm
    blocks: tuple[BasicBlock, ...]
    head: Float[Array, "classes features"]
    head_bias: Float[Array, " classes"]

    def __init__(
        self,
        widths: Sequence[int],
        depth: int,
        *,
        channels: int = 3,
        classes: int = 10,
        key: Key[Array, ""],
    ) -> None:
        """`depth` blocks of each of `widths` channels, for images of `channels`.

        Raises:
            ValueError: no widths, or sizes below 1.
        """
        if not widths or min(*widths, depth, channels, classes) < 1:
            raise ValueError(
                f"ResNet got widths={tuple(widths)}, depth={depth}, channels={channels} and "
                f"classes={classes}; expected one width or more, and sizes of at least 1."
            )
        self.stem = Conv2d(
            channels, widths[0], 7, stride=2, padding=3, bias=False, key=named(key, "stem")
        )
        self.stem_norm = BatchNorm(widths[0])
        before = (widths[0], *widths)
        self.blocks = tuple(
            BasicBlock(
                before[group] if place == 0 else width,
                width,
                2 if group and place == 0 else 1,
                key=named(key, f"block {group} {place}"),
            )
            for group, width in enumerate(widths)
            for place in range(depth)
        )
        self.head = uniform_fan_in(named(key, "head"), (classes, widths[-1]), widths[-1])
        self.head_bias = jnp.zeros(classes)

    def features(
        self, x: Float[Array, " channels rows columns *batch"]
    ) -> Float[Array, " features *batch"]:
        """The mean over the image of what the last block finds.

        **A batch is fastest in the last axis**, as in `conv2d`.
        """
        return self.levels(x)[-1].mean((1, 2))

    def levels(self, x: Float[Array, " channels rows columns *batch"]) -> list[Array]:
        """What every block finds: (channels, rows, columns, *batch)."""
        x = jax.nn.relu(self.stem_norm(self.stem(x)))
        x, found = _overlapping_max(x), []
        for block in self.blocks:
            x = block(x)
            found.append(x)
        return found

    def __call__(
        self, x: Float[Array, " channels rows columns *batch"]
    ) -> Float[Array, " classes *batch"]:
        """Logits of one image, or of many with their batch in the last axis."""
        features = self.features(x)
        bias = self.head_bias.reshape(-1, *(1,) * (features.ndim - 1))
        return jnp.tensordot(self.head, features, 1) + bias


def _overlapping_max(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """3 x 3 max pooling of stride 2, one pixel of padding: row by row, then column by column."""
    for axis in (1, 2):
        padding = [(0, 0)] * x.ndim
        padding[axis] = (1, 1)
        padded = jnp.pad(x, padding, constant_values=-jnp.inf)
        size = (x.shape[axis] - 1) // 2 + 1
        taken = [
            jax.lax.slice_in_dim(padded, start, start + 2 * size - 1, 2, axis=axis)
            for start in range(3)
        ]
        x = jnp.maximum(jnp.maximum(taken[0], taken[1]), taken[2])
    return x
