"""C5: nets of two convolutions, with functions, with selectable functions, and with rectifiers."""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from engrax.core import named
from engrax.nn import (
    Conv2d,
    DenseLayer,
    KANConv1d,
    KANConv2d,
    SelectableKANConv1d,
    SelectableKANConv2d,
    bases,
    max_pool,
    uniform_fan_in,
)


def halved(x: Array, dims: int) -> Array:
    """The largest of each pair of places, or each 2 x 2 pixels; odd edges are cut."""
    if dims == 2:
        return max_pool(x)
    length = x.shape[1] // 2
    return x[:, : 2 * length].reshape(x.shape[0], length, 2, *x.shape[2:]).max(2)


def _head(shape: tuple[int, ...], kernel: int, channels: int, n_out: int, key: Any) -> DenseLayer:
    """The linear layer on what two convolutions that keep their size, and two poolings, leave."""
    n_in = channels * math.prod(side // 2 // 2 for side in shape)
    return DenseLayer(uniform_fan_in(key, (n_out, n_in), n_in), jnp.zeros(n_out), None)


def _flat(x: Array) -> Array:
    """(channels, *space, batch) -> (batch, features)."""
    return x.reshape(-1, x.shape[-1]).T


class ConvKAN(eqx.Module):
    """conv, pool, tanh, conv, pool, tanh, linear; the convolutions' taps are functions.

    Takes a batch (batch, channels, *space). Every channel has a family that is data, all of them
    `family` at the start.
    """

    first: KANConv1d | KANConv2d
    second: KANConv1d | KANConv2d
    head: DenseLayer

    def __init__(
        self,
        shape: tuple[int, ...],
        channels: tuple[int, int],
        kernel: int,
        n_out: int,
        pool: tuple[bases.Basis, ...],
        family: Int[Array, ""],
        *,
        key: Key[Array, ""],
    ) -> None:
        kind = KANConv1d if len(shape) == 2 else KANConv2d
        first, second = (
            bases.Picked(pool, jnp.full(n, family), inputs=0) for n in (shape[0], channels[0])
        )
        padding = kernel // 2
        self.first = kind(
            shape[0], channels[0], kernel, first, padding=padding, key=named(key, "first")
        )
        self.second = kind(
            channels[0], channels[1], kernel, second, padding=padding, key=named(key, "second")
        )
        self.head = _head(shape[1:], kernel, channels[1], n_out, named(key, "head"))

    def __call__(self, x: Float[Array, "batch channels *space"]) -> Float[Array, "batch classes"]:
        """The logits of a batch."""
        dims = x.ndim - 2
        h = jnp.tanh(halved(self.first(jnp.moveaxis(x, 0, -1)), dims))
        return self.head(_flat(jnp.tanh(halved(self.second(h), dims))))


class SelectableConvKAN(eqx.Module):
    """`ConvKAN` with all families of a pool, weighed channel by channel."""

    first: SelectableKANConv1d | SelectableKANConv2d
    second: SelectableKANConv1d | SelectableKANConv2d
    head: DenseLayer

    def __init__(
        self,
        shape: tuple[int, ...],
        channels: tuple[int, int],
        kernel: int,
        n_out: int,
        pool: tuple[bases.Basis, ...],
        *,
        key: Key[Array, ""],
    ) -> None:
        kind = SelectableKANConv1d if len(shape) == 2 else SelectableKANConv2d
        padding = kernel // 2
        self.first = kind(
            shape[0], channels[0], kernel, pool, padding=padding, key=named(key, "first")
        )
        self.second = kind(
            channels[0], channels[1], kernel, pool, padding=padding, key=named(key, "second")
        )
        self.head = _head(shape[1:], kernel, channels[1], n_out, named(key, "head"))

    def __call__(
        self,
        x: Float[Array, "batch channels *space"],
        temperature: float | Float[Array, ""] = 1.0,
        hard: Any = False,
    ) -> Float[Array, "batch classes"]:
        """The logits of a batch."""
        dims = x.ndim - 2
        h = self._hidden(x, temperature, hard)
        return self.head(_flat(jnp.tanh(halved(self.second(h, temperature, hard), dims))))

    def _hidden(self, x: Array, temperature: Any, hard: Any) -> Array:
        first = self.first(jnp.moveaxis(x, 0, -1), temperature, hard)
        return jnp.tanh(halved(first, x.ndim - 2))

    def entropy(self, temperature: float | Float[Array, ""] = 1.0) -> Float[Array, ""]:
        """Mean entropy of the shares over channels of both convolutions, in nats."""
        shares = [conv.shares(temperature) for conv in (self.first, self.second)]
        flat = jnp.concatenate([p.reshape(-1, p.shape[-1]) for p in shares])
        return -(flat * jnp.log(jnp.maximum(flat, 1e-12))).sum(-1).mean()

    def select(self, x: Float[Array, "batch channels *space"], temperature: Array) -> Any:
        """The families that contribute most, judged on a batch of images."""
        h = self._hidden(x, temperature, False)
        first = self.first.select(jnp.moveaxis(x, 0, -1), temperature)
        second = self.second.select(h, temperature)
        return eqx.tree_at(lambda m: (m.first, m.second), self, (first, second))

    def prune(self, like: ConvKAN) -> ConvKAN:
        """The net of the picked families, in the form of `like`."""
        parts = (self.first.prune(), self.second.prune(), self.head)
        return eqx.tree_at(lambda m: (m.first, m.second, m.head), like, parts)


def _line(n_in: int, n_out: int, kernel: int, key: Key[Array, ""]) -> KANConv1d:
    """An ordinary convolution of one axis: its only function is the identity."""
    padding = kernel // 2
    conv = KANConv1d(n_in, n_out, kernel, bases.Identity(), base=None, padding=padding, key=key)
    weight = uniform_fan_in(key, conv.coefficients.shape, n_in * kernel)
    return eqx.tree_at(lambda m: m.coefficients, conv, weight)


class ConvReLU(eqx.Module):
    """The same net with ordinary convolutions and rectifiers."""

    first: Any
    second: Any
    head: DenseLayer

    def __init__(
        self,
        shape: tuple[int, ...],
        channels: tuple[int, int],
        kernel: int,
        n_out: int,
        *,
        key: Key[Array, ""],
    ) -> None:
        padding = kernel // 2
        sizes = ((shape[0], channels[0], "first"), (channels[0], channels[1], "second"))
        if len(shape) == 2:
            self.first, self.second = (_line(i, o, kernel, named(key, n)) for i, o, n in sizes)
        else:
            self.first, self.second = (
                Conv2d(i, o, kernel, padding=padding, key=named(key, name)) for i, o, name in sizes
            )
        self.head = _head(shape[1:], kernel, channels[1], n_out, named(key, "head"))

    def __call__(self, x: Float[Array, "batch channels *space"]) -> Float[Array, "batch classes"]:
        """The logits of a batch."""
        dims = x.ndim - 2
        h = halved(jax.nn.relu(self.first(jnp.moveaxis(x, 0, -1))), dims)
        return self.head(_flat(halved(jax.nn.relu(self.second(h)), dims)))
