"""Multi-head attention whose rows go through any operator."""

import math
from collections.abc import Callable
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Key

from ._attention import Prefix
from ._kan_rows import KANRowOperator
from ._rows import SimplexRows, SoftmaxRows
from .bases import Basis


class RowAttention(eqx.Module):
    """Multi-head self-attention: logits A = Q K^T / sqrt(d_head), an operator on rows, values.

    The operator (`KANRowOperator`, `SoftmaxRows`, ...) maps the logits of a head and its values to
    the head's answers; each head has one of its own. With `SoftmaxRows` this is the attention of
    Vaswani et al. 2017, with biases. Everything but the operator starts the same under the same
    key, whatever the operator is: matrices normal with variance 1 / fan-in, biases at 0.

    `share="universal"` asks a model for one operator for all its blocks (`VisionTransformer` does
    so); alone, the layer is the same. `rows` is how many queries are taken at once: then no more
    than `rows` rows of the logits exist at a time, and they are computed again on the way back.

    Raises:
        ValueError: heads that do not divide d, or `rows` below 1.
    """

    qkv: eqx.nn.Linear
    """Queries of all heads, then keys, then values, one below the other: weight (3 d, d)."""
    output: Float[Array, "d d"]
    """Mixes the heads."""
    output_bias: Float[Array, " d"]
    operator: Any
    """The operators of all heads, stacked along the first axis of their arrays."""
    heads: int = eqx.field(static=True)
    share: Literal["block", "universal"] = eqx.field(static=True)
    rows: int | None = eqx.field(static=True)

    def __init__(
        self,
        d: int,
        heads: int,
        operator: Callable[..., Any] = SoftmaxRows,
        *,
        share: Literal["block", "universal"] = "block",
        rows: int | None = None,
        key: Key[Array, ""],
    ) -> None:
        """Build the layer; `operator(key=...)` builds what one head does to its logits."""
        if heads < 1 or d % heads:
            raise ValueError(f"Attention needs heads that divide d, and was given {heads=}, {d=}.")
        if rows is not None and rows < 1:
            raise ValueError(f"RowAttention got rows={rows}; expected at least 1, or None for all.")
        keys = jr.split(key, 3)
        drawn = jr.normal(keys[0], (3 * d, d)) / math.sqrt(d), jnp.zeros(3 * d)
        layer = eqx.nn.Linear(d, 3 * d, key=keys[0])
        self.qkv = eqx.tree_at(lambda layer: (layer.weight, layer.bias), layer, drawn)
        self.output = jr.normal(keys[1], (d, d)) / math.sqrt(d)
        self.output_bias = jnp.zeros(d)
        self.operator = eqx.filter_vmap(lambda key: operator(key=key))(jr.split(keys[2], heads))
        self.heads, self.share, self.rows = heads, share, rows

    def __call__(
        self,
        x: Float[Array, "time d"],
        *,
        mask: Bool[Array, "time time"] | None = None,
        last: bool = False,
        prefix: Prefix | None = None,
    ) -> Float[Array, "out d"]:
        """Attend; with `last`, only the last position asks, at the cost of one.

        With a `prefix` its keys and values stand before those of the tokens: all positions read
        them, and nothing comes out for them. Not for operators of a fixed number of tokens.

        Raises:
            ValueError: a mask (causal use too): the operators know of none.
        """
        if mask is not None:
            raise ValueError(
                f"{type(self).__name__} got a mask; expected None: its rows read all tokens, so "
                "build the block with causal=False."
            )
        queries, keys, values = self._heads(x, last)
        if prefix is not None:
            keys, values = (
                jnp.concatenate([_split(given, self.heads), own], axis=1)
                for given, own in zip(prefix, (keys, values), strict=True)
            )

        def answers(queries: Array) -> Array:
            return _each(lambda op, a, v: op.apply(a, v))(
                self.operator, _logits(queries, keys), values
            )

        if self.rows is None or self.rows >= queries.shape[1]:
            mixed = answers(queries)
        else:
            mixed = _in_blocks(jax.checkpoint(answers), queries, self.rows)
        return self.joined(mixed)

    def logits(
        self, x: Float[Array, "time d"], *, last: bool = False
    ) -> Float[Array, "heads out time"]:
        """A, before the operator."""
        queries, keys, _ = self._heads(x, last)
        return _logits(queries, keys)

    def weights(
        self, x: Float[Array, "time d"], *, last: bool = False
    ) -> Float[Array, "heads out time"]:
        """What the operators make of A: row i says how position i weighs the values."""
        return _each(lambda op, a: op.matrix(a))(self.operator, self.logits(x, last=last))

    def values(self, x: Float[Array, "time d"]) -> Float[Array, "heads time d_head"]:
        """V."""
        return _split(self._project(x, slice(2 * x.shape[-1], None)), self.heads)

    def joined(self, answers: Float[Array, "heads out d_head"]) -> Float[Array, "out d"]:
        """The heads' answers side by side, mixed."""
        flat = jnp.swapaxes(answers, 0, 1).reshape(answers.shape[1], -1)
        return flat @ self.output.T + self.output_bias[None]

    def _heads(self, x: Array, last: bool) -> tuple[Array, Array, Array]:
        """Queries (heads, out, d_head), keys and values (heads, time, d_head)."""
        d = x.shape[-1]
        if last:
            queries = self._project(x[-1:], slice(None, d))
            rest = self._project(x, slice(d, None))
        else:
            together = self._project(x, slice(None))
            queries, rest = together[:, :d], together[:, d:]
        keys, values = rest[:, :d], rest[:, d:]
        return _split(queries, self.heads), _split(keys, self.heads), _split(values, self.heads)

    def _project(self, x: Array, rows: slice) -> Array:
        """Some rows of `qkv` applied to (time, d)."""
        assert self.qkv.bias is not None
        return x @ self.qkv.weight[rows].T + self.qkv.bias[None, rows]


class KolmogorovArnoldAttention(RowAttention):
    """Attention with learned functions for a softmax (Maity et al. 2025, arXiv 2503.10632).

    `RowAttention` with a `KANRowOperator` in each head, projected onto the simplex if `simplex` is
    true (Alg. 1; the paper's main results leave it out, since it costs accuracy). Made for a fixed
    number of tokens and self-attention without masks.

    Differs from the paper: nothing that its text states; coefficients start smaller than its
    Table 6 says (see `KANRowOperator`).
    """

    def __init__(
        self,
        d: int,
        heads: int,
        n_tokens: int,
        rank: int | None = 12,
        *,
        basis: str | Basis = "fourier",
        grid: int = 3,
        dc: bool = False,
        base: Callable[[Array], Array] | None = None,
        init: Literal["scaled", "unit"] = "scaled",
        simplex: bool = False,
        share: Literal["block", "universal"] = "block",
        rows: int | None = None,
        key: Key[Array, ""],
    ) -> None:
        """Build the layer; see `KANRowOperator` for the arguments of the operator.

        Raises:
            ValueError: as `RowAttention` and `KANRowOperator` do.
        """
        operator: Callable[..., Any] = eqx.Partial(
            KANRowOperator, n_tokens, rank, basis, grid, dc=dc, base=base, init=init
        )
        if simplex:
            operator = eqx.Partial(SimplexRows, operator)
        super().__init__(d, heads, operator, share=share, rows=rows, key=key)


class GivenMaps(eqx.Module):
    """An attention layer whose maps come from elsewhere; its values and output are its own.

    For models that are trained on the frozen maps of another.
    """

    attention: RowAttention
    maps: Float[Array, "heads rows time"]
    """As from `RowAttention.weights`: all rows, or the last alone."""

    def __call__(
        self,
        x: Float[Array, "time d"],
        *,
        mask: Bool[Array, "time time"] | None = None,
        last: bool = False,
    ) -> Float[Array, "out d"]:
        """The values weighed by the maps.

        Raises:
            ValueError: a mask.
        """
        if mask is not None:
            raise ValueError("GivenMaps got a mask; expected None: mask the maps themselves.")
        maps = self.maps[:, -1:] if last else self.maps
        return self.attention.joined(maps @ self.attention.values(x))


def _split(x: Array, heads: int) -> Array:
    """(time, d) as (heads, time, d_head)."""
    return jnp.swapaxes(x.reshape(x.shape[0], heads, x.shape[1] // heads), 0, 1)


def _logits(queries: Array, keys: Array) -> Array:
    return jnp.einsum("hid,hjd->hij", queries, keys) / math.sqrt(queries.shape[-1])


def _each(function: Callable[..., Array]) -> Callable[..., Array]:
    """`function` for each head."""
    return eqx.filter_vmap(function, in_axes=eqx.if_array(0))


def _in_blocks(function: Callable[[Array], Array], queries: Array, rows: int) -> Array:
    """`function` of (heads, rows, d_head) over blocks of the queries, one after another."""
    heads, time, d = queries.shape
    blocks = -(-time // rows)
    padded = jnp.pad(queries, ((0, 0), (0, blocks * rows - time), (0, 0)))
    parts = jnp.swapaxes(padded.reshape(heads, blocks, rows, d), 0, 1)
    done = jnp.swapaxes(jax.lax.map(function, parts), 0, 1)
    return done.reshape(heads, blocks * rows, -1)[:, :time]
