"""Strictly causal attention whose keys are its queries, with the backward pass this allows."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Float

SAVED = ("scores", "read", "out")
"""What a layer keeps for its backward pass: small beside its neurons, which are computed again."""


def causal_square(
    q: Float[Array, "heads time N"], v: Float[Array, "time d"], *, detach_kv: bool = False
) -> Float[Array, "heads time d"]:
    """`a_t = sum_s<t (q_t . q_s) v_s` for each head; `detach_kv` cuts the gradient of q_s and v_s.

    Scores are computed for four blocks of rows, each up to its own diagonal: 5/8 of the square.
    With D the gradient of the scores, that of q is one product, (D + D^T) q, where keys of their
    own would take two. All products are laid out as XLA's CPU backend computes them fastest:
    contractions over time put the narrow side first.
    """
    return _square(q, v, detach_kv)


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _square(q: jax.Array, v: jax.Array, detach_kv: bool) -> jax.Array:
    return _forward(q, v, detach_kv)[0]


def _blocks(time: int) -> list[tuple[int, int]]:
    """First and last row of each block; short texts are one."""
    size = -(-time // 4) if time >= 128 else time
    return [(first, min(first + size, time)) for first in range(0, time, size)]


def _each_head(z: jax.Array, heads: int) -> jax.Array:
    return jnp.broadcast_to(z, (heads, *z.shape))


def _forward(q: jax.Array, v: jax.Array, detach_kv: bool) -> tuple[jax.Array, tuple]:
    del detach_kv
    values = _each_head(v, q.shape[0])
    scores, read = [], []
    for first, last in _blocks(q.shape[1]):
        block = q[:, first:last] @ jnp.swapaxes(q[:, :last], 1, 2)
        past = jnp.arange(first, last)[:, None] > jnp.arange(last)[None]
        block = jnp.where(past[None], block, jnp.zeros_like(block))
        scores.append(checkpoint_name(block, "scores"))
        read.append(scores[-1] @ values[:, :last])
    return jnp.concatenate(read, axis=1), (q, v, scores)


def _backward(detach_kv: bool, kept: tuple, error: jax.Array) -> tuple[jax.Array, jax.Array]:
    q, v, scores = kept
    heads, time, _ = q.shape
    back = jnp.tril(error @ _each_head(v.T, heads), -1)
    if detach_kv:
        return back @ q, jnp.zeros_like(v)
    value_error = jnp.zeros((v.shape[1], time), v.dtype)
    for (first, last), block in zip(_blocks(time), scores, strict=True):
        part = (jnp.swapaxes(error[:, first:last], 1, 2) @ block).sum(0)
        value_error = lax.dynamic_update_slice_in_dim(
            value_error, value_error[:, :last] + part, 0, axis=1
        )
    return (back + jnp.swapaxes(back, 1, 2)) @ q, value_error.T


_square.defvjp(_forward, _backward)
