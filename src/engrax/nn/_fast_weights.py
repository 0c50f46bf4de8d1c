"""The Hebbian memory of one layer of BDH: read by its queries, written by its keys and values."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from ._causal_square import causal_square

BLOCK = 16
"""Rows at a time where every value slot forgets at its own pace."""


class Reading(NamedTuple):
    """What a piece of text does with a memory: asks, and leaves something behind.

    **Fields:** `q`, `k` (heads, time, N) queries and keys, rotated; `v` (time, d) values, the same
    for all heads; `log_keep` (heads, time, 1 or d), the logarithm of the factor that the memory is
    multiplied by before each write, or None where nothing is forgotten; `k` None where the keys
    are the queries; `detach_kv`, whether no gradient reaches keys and values.
    """

    q: Float[Array, "heads time N"]
    k: Float[Array, "heads time N"] | None
    v: Float[Array, "time d"]
    log_keep: Float[Array, "heads time slots"] | None = None
    detach_kv: bool = False

    def part(self, first: int, last: int) -> "Reading":
        """The same for some of the text."""
        cut = lambda z: None if z is None else z[:, first:last]
        keep = cut(self.log_keep)
        return Reading(self.q[:, first:last], cut(self.k), self.v[first:last], keep, self.detach_kv)

    def keys(self) -> Float[Array, "heads time N"]:
        """The keys."""
        k = self.q if self.k is None else self.k
        return lax.stop_gradient(k) if self.detach_kv else k


def read_and_write(
    it: Reading, rho: Float[Array, "heads N d"] | None = None, *, piece: int
) -> tuple[Float[Array, "heads time d"], Float[Array, "heads N d"] | None]:
    """Answers `rho_(t-1) q_t` for `rho_t = keep_t rho_(t-1) + k_t v_t^T`, and the last rho.

    Without a `rho` the memory starts empty and is not returned. Texts longer than `piece` are read
    piece by piece: scores within a piece, the memory between pieces, so that the cost stops growing
    with the length.
    """
    time = it.v.shape[0]
    if time <= piece:
        return _read(it, rho), None if rho is None else _written(it, rho)
    heads, _, n = it.q.shape
    start = jnp.zeros((heads, n, it.v.shape[1]), it.v.dtype) if rho is None else rho
    pieces = time // piece
    cut = (
        _cut(it.q, pieces, piece),
        None if it.k is None else _cut(it.k, pieces, piece),
        it.v[: pieces * piece].reshape(pieces, piece, -1),
        None if it.log_keep is None else _cut(it.log_keep, pieces, piece),
    )

    # What a piece computed is computed again on the way back: only the memories are kept.
    @jax.checkpoint
    def next_piece(rho: jax.Array, parts: tuple) -> tuple[jax.Array, jax.Array]:
        q, k, v, log_keep = parts
        now = Reading(q, k, v, log_keep, it.detach_kv)
        return _written(now, rho), _read(now, rho)

    middle, out = lax.scan(next_piece, start, cut)
    out = jnp.moveaxis(out, 0, 1).reshape(heads, pieces * piece, -1)
    if pieces * piece < time:
        tail = it.part(pieces * piece, time)
        out = jnp.concatenate([out, _read(tail, middle)], axis=1)
        middle = _written(tail, middle)
    return out, None if rho is None else middle


def _cut(z: jax.Array, pieces: int, piece: int) -> jax.Array:
    """(heads, time, ...) as (pieces, heads, piece, ...), without what is left over."""
    whole = z[:, : pieces * piece].reshape(z.shape[0], pieces, piece, *z.shape[2:])
    return jnp.moveaxis(whole, 1, 0)


def _read(it: Reading, rho: jax.Array | None) -> jax.Array:
    """Within the piece by scores, from before it by the memory."""
    if it.log_keep is None and it.k is None:
        within = causal_square(it.q, it.v, detach_kv=it.detach_kv)
        return within if rho is None else within + it.q @ rho
    heads, time, _ = it.q.shape
    v = lax.stop_gradient(it.v) if it.detach_kv else it.v
    scores = it.q @ jnp.swapaxes(it.keys(), 1, 2)
    if it.log_keep is None:
        within = jnp.tril(scores, -1) @ jnp.broadcast_to(v, (heads, *v.shape))
        return within if rho is None else within + it.q @ rho
    kept = jnp.cumsum(it.log_keep, axis=1)
    before = kept - it.log_keep
    if kept.shape[-1] == 1:
        strict = jnp.tril(jnp.ones((time, time), bool), -1)[None]
        gap = jnp.where(strict, before - jnp.swapaxes(kept, 1, 2), -jnp.inf)
        within = (scores * jnp.exp(gap)) @ jnp.broadcast_to(v, (heads, *v.shape))
    else:
        within = _read_by_slot(scores, v, kept, before)
    return within if rho is None else within + jnp.exp(before) * (it.q @ rho)


def _read_by_slot(scores: jax.Array, v: jax.Array, kept: jax.Array, before: jax.Array) -> jax.Array:
    """`sum_s<t scores_ts exp(before_tj - kept_sj) v_sj`, a weight for each value slot j.

    Rows are taken in blocks. What lies before a block decays to its first row and from there to
    each of its rows, two factors below 1; within it every pair has its own weight. Nothing is ever
    divided by a decay, so nothing overflows.
    """
    heads, time, _ = scores.shape
    blocks = -(-time // BLOCK)
    fill = blocks * BLOCK - time
    pad = lambda z, *axes: jnp.pad(z, [(0, fill if a in axes else 0) for a in range(z.ndim)])
    scores, v = pad(scores, 1, 2), pad(v, 0)
    # Rows that fill the last block keep what the last one has.
    kept, before = (jnp.pad(z, ((0, 0), (0, fill), (0, 0)), mode="edge") for z in (kept, before))
    within = jnp.tril(jnp.ones((BLOCK, BLOCK), bool), -1)[None, :, :, None]

    def block(first: jax.Array) -> jax.Array:
        rows = lambda z: lax.dynamic_slice_in_dim(z, first, BLOCK, axis=1)
        mine, start = rows(before), rows(before)[:, :1]
        earlier = (jnp.arange(blocks * BLOCK) < first)[None, :, None]
        decayed = jnp.exp(jnp.where(earlier, start - kept, -jnp.inf)) * v[None]
        past = jnp.exp(mine - start) * (rows(scores) @ decayed)
        gap = jnp.where(within, mine[:, :, None] - rows(kept)[:, None], -jnp.inf)
        near = lax.dynamic_slice(scores, (0, first, first), (heads, BLOCK, BLOCK))
        here = lax.dynamic_slice_in_dim(v, first, BLOCK, axis=0)
        return past + jnp.einsum("hts,htsd,sd->htd", near, jnp.exp(gap), here)

    out = lax.map(block, BLOCK * jnp.arange(blocks))
    return jnp.moveaxis(out, 0, 1).reshape(heads, blocks * BLOCK, -1)[:, :time]


def _written(it: Reading, rho: jax.Array) -> jax.Array:
    """The memory after the piece."""
    k = it.keys()
    v = jnp.broadcast_to(it.v, (k.shape[0], *it.v.shape))
    v = lax.stop_gradient(v) if it.detach_kv else v
    if it.log_keep is None:
        return rho + jnp.swapaxes(k, 1, 2) @ v
    kept = jnp.cumsum(it.log_keep, axis=1)
    return jnp.exp(kept[:, -1:]) * rho + jnp.swapaxes(k, 1, 2) @ (jnp.exp(kept[:, -1:] - kept) * v)
