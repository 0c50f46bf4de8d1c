"""Convolutions whose taps are learned functions, of families tried all at once."""

import math
from collections.abc import Callable, Sequence
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Int, Key

from engrax.core import named, straight_through

from ._assemble import assemble
from ._kan_conv import KANConv, KANConv1d, KANConv2d, check_conv, convolve, joined_conv, padded
from ._select import chosen
from .bases import Basis, check_pool


class _SelectableKANConv(eqx.Module):
    """A selectable layer applied to every window: see `SelectableKANConv2d`."""

    coefficients: Float[Array, "families out channels size *taps"]
    gates: Float[Array, "*nodes families"]
    base_weight: Float[Array, "out channels *taps"] | None
    bias: Float[Array, " out"]
    pool: tuple[Basis, ...]
    granularity: Literal["channel", "layer"] = eqx.field(static=True)
    base: Callable[[Array], Array] | None = eqx.field(static=True)
    stride: int = eqx.field(static=True)
    padding: int = eqx.field(static=True)

    dims = 0

    def __init__(
        self,
        channels: int,
        out: int,
        size: int,
        pool: Sequence[Basis],
        *,
        granularity: Literal["channel", "layer"] = "channel",
        stride: int = 1,
        padding: int = 0,
        base: Callable[[Array], Array] | None = jax.nn.silu,
        key: Key[Array, ""],
    ) -> None:
        check_conv(type(self).__name__, channels, out, size, stride, padding)
        check_pool(pool)
        if granularity not in ("channel", "layer"):
            raise ValueError(
                f"{type(self).__name__} got granularity={granularity!r}; expected 'channel' or "
                "'layer'."
            )
        taps = (size,) * self.dims
        scale = 1 / math.sqrt(channels * math.prod(taps))
        shape = (len(pool), out, channels, pool[0].size, *taps)
        self.coefficients = 0.1 * scale * jr.normal(named(key, "coefficients"), shape)
        self.gates = jnp.zeros(((channels,) if granularity == "channel" else ()) + (len(pool),))
        self.base_weight = (
            None
            if base is None
            else scale * jr.normal(named(key, "base_weight"), (out, channels, *taps))
        )
        self.bias = jnp.zeros(out)
        self.pool = tuple(pool)
        self.granularity = granularity
        self.base = base
        self.stride = stride
        self.padding = padding

    def picks(self) -> Int[Array, "*nodes"]:
        """The family with the largest gate at each channel; the first of equals."""
        return jnp.argmax(self.gates, -1)

    def shares(
        self, temperature: float | Float[Array, ""] = 1.0, hard: bool | Bool[Array, ""] = False
    ) -> Float[Array, "*nodes families"]:
        """As `SelectableKANLayer.shares`."""
        soft = jax.nn.softmax(self.gates / temperature)
        one = jax.nn.one_hot(self.picks(), len(self.pool), dtype=soft.dtype)
        return straight_through(jnp.where(hard, one, soft), soft)

    def weighed(self, shares: Float[Array, "*nodes families"]) -> Array:
        """The coefficients times the shares of their channels."""
        first = jnp.moveaxis(shares, -1, 0).reshape(len(self.pool), 1, -1, 1, *(1,) * self.dims)
        return self.coefficients * first

    def _apply(
        self, x: Array, temperature: float | Array = 1.0, hard: bool | Array = False
    ) -> Array:
        x = padded(x, self.padding, self.dims)
        weighed = self.weighed(self.shares(temperature, hard))
        sums = [
            convolve(basis(x, 1), c, self.stride)
            for basis, c in zip(self.pool, weighed, strict=True)
        ]
        z = sums[0]
        for more in sums[1:]:
            z = z + more
        return joined_conv(z, x, self.base, self.base_weight, self.bias, self.stride)

    def _selected(self, x: Array, temperature: float | Array) -> "_SelectableKANConv":
        x = padded(x, self.padding, self.dims)
        weighed = self.weighed(self.shares(temperature))
        variance = jnp.stack(
            [self._variance(b(x, 1), c) for b, c in zip(self.pool, weighed, strict=True)], -1
        )
        scores = jnp.sqrt(variance if self.granularity == "channel" else variance.sum(0))
        shares = scores / scores.sum(-1, keepdims=True)
        gates = temperature * jnp.log(jnp.maximum(shares, 1e-9))
        return eqx.tree_at(lambda m: (m.coefficients, m.gates), self, (weighed, gates))

    def _variance(self, features: Array, coefficients: Array) -> Array:
        """Variance over pixels of the functions, summed over outputs and taps: (channels)."""
        rows = features.reshape(*features.shape[:2], -1)
        rows = rows - rows.mean(-1, keepdims=True)
        covariance = jnp.einsum("cmp,cnp->cmn", rows, rows) / rows.shape[-1]
        flat = coefficients.reshape(*coefficients.shape[:3], -1)
        return jnp.einsum("ocmt,cmn,ocnt->c", flat, covariance, flat)

    def _pruned(self, kind: type[KANConv], picks: Array | None) -> KANConv:
        picks = jnp.broadcast_to(
            self.picks() if picks is None else picks, (self.coefficients.shape[2],)
        )
        one = jax.nn.one_hot(picks, len(self.pool), dtype=self.coefficients.dtype)
        mine = one.T.reshape(len(self.pool), 1, -1, 1, *(1,) * self.dims) > 0
        kept = jnp.where(mine, self.coefficients, 0.0).sum(0)
        return assemble(
            kind,
            coefficients=kept,
            base_weight=self.base_weight,
            bias=self.bias,
            basis=chosen(self.pool, picks, inputs=0),
            base=self.base,
            stride=self.stride,
            padding=self.padding,
        )


class SelectableKANConv2d(_SelectableKANConv):
    """A `KANConv2d` that tries all families of a pool at once, weighed channel by channel.

    `granularity` "channel": every input channel has gates of its own, shared by its taps; "layer":
    one choice for all. See `SelectableKANLayer` for gates, start and scaling.

    Raises ValueError for numbers out of range, an unknown granularity, an empty pool or families
    of unequal size.
    """

    dims = 2

    def __call__(
        self,
        x: Float[Array, " channels height width *batch"],
        temperature: float | Float[Array, ""] = 1.0,
        hard: bool | Bool[Array, ""] = False,
    ) -> Float[Array, " out out_height out_width *batch"]:
        """Every window's sums, at this temperature of the gates."""
        return self._apply(x, temperature, hard)

    def select(
        self,
        x: Float[Array, " channels height width *batch"],
        temperature: float | Float[Array, ""] = 1.0,
    ) -> "SelectableKANConv2d":
        """Gates set by `select`'s score "rms" over all pixels of `x`; coefficients times shares."""
        made = self._selected(x, temperature)
        assert isinstance(made, SelectableKANConv2d)
        return made

    def prune(self, picks: Int[Array, "*nodes"] | None = None) -> KANConv2d:
        """The convolution of the picked families alone: those of the gates by default."""
        pruned = self._pruned(KANConv2d, picks)
        assert isinstance(pruned, KANConv2d)
        return pruned


class SelectableKANConv1d(_SelectableKANConv):
    """`SelectableKANConv2d` along one axis: x is (channels, length), or with a batch behind."""

    dims = 1

    def __call__(
        self,
        x: Float[Array, " channels length *batch"],
        temperature: float | Float[Array, ""] = 1.0,
        hard: bool | Bool[Array, ""] = False,
    ) -> Float[Array, " out out_length *batch"]:
        """Every window's sums, at this temperature of the gates."""
        return self._apply(x, temperature, hard)

    def select(
        self,
        x: Float[Array, " channels length *batch"],
        temperature: float | Float[Array, ""] = 1.0,
    ) -> "SelectableKANConv1d":
        """Gates set by `select`'s score "rms" over all places of `x`; coefficients times shares."""
        made = self._selected(x, temperature)
        assert isinstance(made, SelectableKANConv1d)
        return made

    def prune(self, picks: Int[Array, "*nodes"] | None = None) -> KANConv1d:
        """The convolution of the picked families alone: those of the gates by default."""
        pruned = self._pruned(KANConv1d, picks)
        assert isinstance(pruned, KANConv1d)
        return pruned
