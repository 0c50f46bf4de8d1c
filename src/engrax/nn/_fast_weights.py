"""The Hebbian memory of one layer of BDH: read by its queries, written by its keys and values."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Float

from ._causal_square import causal_square

SPAN = 8
"""Longest stretch that is read at once where every value slot forgets at a pace of its own."""
LOG_FORGOTTEN = -8.0
"""Lowest logarithm of such a factor: SPAN of them, inverted, are far from float32's largest."""


class Reading(NamedTuple):
    """What a piece of text does with a memory: asks, and leaves something behind.

    **Fields:** `q`, `k` (heads, time, N) queries and keys, rotated; `v` (time, d) values, the same
    for all heads; `log_keep` (heads or 1, time, 1 or d), the logarithm of the factor that memory
    is multiplied by before each write, about LOG_FORGOTTEN at least where there are d, or None
    where nothing is forgotten; `k` None where the keys are the queries; `detach_kv`, whether no
    gradient reaches keys and values.
    """

    q: Float[Array, "heads time N"]
    k: Float[Array, "heads time N"] | None
    v: Float[Array, "time d"]
    log_keep: Float[Array, "paces time slots"] | None = None
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
    if it.log_keep is None:
        scores = it.q @ jnp.swapaxes(it.keys(), 1, 2)
        within = jnp.tril(scores, -1) @ jnp.broadcast_to(v, (heads, *v.shape))
        return within if rho is None else within + it.q @ rho
    kept = jnp.cumsum(it.log_keep, axis=1)
    before = kept - it.log_keep
    if kept.shape[-1] == 1:
        scores = it.q @ jnp.swapaxes(it.keys(), 1, 2)
        strict = jnp.tril(jnp.ones((time, time), bool), -1)[None]
        gap = jnp.where(strict, before - jnp.swapaxes(kept, 1, 2), -jnp.inf)
        within = (scores * jnp.exp(gap)) @ jnp.broadcast_to(v, (heads, *v.shape))
    else:
        within = _read_by_slot(it, kept, before)
    return within if rho is None else within + jnp.exp(before) * (it.q @ rho)


def _read_by_slot(it: Reading, kept: jax.Array, before: jax.Array) -> jax.Array:
    """`sum_s<t (q_t . k_s) exp(before_tj - kept_sj) v_sj`, a weight for each value slot j.

    The text is halved again and again. What the later half of a span reads from the earlier one
    decays to the border and from there on, two factors of at most 1, so nothing overflows; and
    no score of a later token is computed but in the shortest spans.
    """
    heads, time, _ = it.q.shape
    halvings = max(0, (-(-time // SPAN) - 1).bit_length())
    shortest = -(-time // 2**halvings)
    fill = (shortest << halvings) - time
    pad = lambda z: jnp.pad(z, ((0, 0), (0, fill), (0, 0)))
    v = lax.stop_gradient(it.v) if it.detach_kv else it.v
    q, k, v = pad(it.q), pad(it.keys()), pad(v[None])
    # Rows that fill the last span keep what the last one has.
    kept, before = (jnp.pad(z, ((0, 0), (0, fill), (0, 0)), mode="edge") for z in (kept, before))

    cut = lambda z, *sizes: z.reshape(z.shape[0], -1, *sizes, z.shape[-1])
    spans = [cut(z, shortest) for z in (q, k, v, kept, before)]
    out = _within_spans(*spans).reshape(heads, -1, v.shape[-1])
    for halving in range(halvings):
        halves = [cut(z, 2, shortest << halving) for z in (q, k, v, kept, before)]
        read = _across(*halves)
        out = out + jnp.concatenate([jnp.zeros_like(read), read], 2).reshape(out.shape)
    return out[:, :time]


def _across(
    q: jax.Array, k: jax.Array, v: jax.Array, kept: jax.Array, before: jax.Array
) -> jax.Array:
    """What the later halves of spans, (heads, spans, 2, time, ...), read from the earlier ones."""
    border = before[:, :, 1, :1]
    decayed = jnp.exp(border - kept[:, :, 0]) * v[:, :, 0]
    decayed = jnp.broadcast_to(decayed, (q.shape[0], *decayed.shape[1:]))
    scores = checkpoint_name(q[:, :, 1] @ jnp.swapaxes(k[:, :, 0], 2, 3), "scores")
    return jnp.exp(before[:, :, 1] - border) * (scores @ decayed)


def _within_spans(
    q: jax.Array, k: jax.Array, v: jax.Array, kept: jax.Array, before: jax.Array
) -> jax.Array:
    """The same within short spans, (heads, spans, time, ...).

    Decays are counted from the first row: where one factor is above 1, the other is below by as
    much, or the pair is masked.
    """
    begin = before[:, :, :1]
    scores = jnp.tril(checkpoint_name(q @ jnp.swapaxes(k, 2, 3), "scores"), -1)
    decayed = jnp.exp(begin - kept) * v
    decayed = jnp.broadcast_to(decayed, (q.shape[0], *decayed.shape[1:]))
    return jnp.exp(before - begin) * (scores @ decayed)


def _written(it: Reading, rho: jax.Array) -> jax.Array:
    """The memory after the piece."""
    k = it.keys()
    v = jnp.broadcast_to(it.v, (k.shape[0], *it.v.shape))
    v = lax.stop_gradient(v) if it.detach_kv else v
    if it.log_keep is None:
        return rho + jnp.swapaxes(k, 1, 2) @ v
    kept = jnp.cumsum(it.log_keep, axis=1)
    return jnp.exp(kept[:, -1:]) * rho + jnp.swapaxes(k, 1, 2) @ (jnp.exp(kept[:, -1:] - kept) * v)
