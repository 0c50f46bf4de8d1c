"""What the three variants of NoProp minimize."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Array, Float, Int, Key

from engrax.core import draw_normal, named
from engrax.nn import DenoisingBlock, LabelEmbedding

from ._schedules import (
    CosineVariancePreserving,
    LearnableVariancePreserving,
    noised,
    prior_divergence,
)


def embedded_guess(
    logits: Float[Array, "batch classes"], embedding: LabelEmbedding
) -> Float[Array, "batch dim"]:
    """softmax(logits) W: inside the convex hull of the classes' embeddings."""
    return jax.nn.softmax(logits) @ embedding.weight


def block_error(
    block: DenoisingBlock,
    embedding: LabelEmbedding,
    x: Float[Array, "batch ..."],
    y: Int[Array, " batch"],
    abar: Float[Array, ""],
    key: Key[Array, ""],
) -> tuple[Float[Array, ""], DenoisingBlock]:
    """Mean |guess - u_y|^2 of a block that sees labels noised to alpha-bar, and the block moved."""
    noise, drop = named(key, "noise"), named(key, "dropout")
    u = embedding(y)
    z = noised(u, abar, draw_normal(noise, u.shape))
    logits, moved = block.train(x, z, key=drop)
    return jnp.square(embedded_guess(logits, embedding) - u).sum(1).mean(), moved


def noprop_dt_loss(
    blocks: DenoisingBlock,
    embedding: LabelEmbedding,
    schedule: CosineVariancePreserving,
    x: Float[Array, "batch ..."],
    y: Int[Array, " batch"],
    eta: Float[Array, ""],
    key: Key[Array, ""],
    *,
    index: Int[Array, ""] | None = None,
) -> tuple[Float[Array, ""], tuple[DenoisingBlock, Float[Array, "..."]]]:
    """The denoising part of Li et al. 2025, Eq. 8.

        (T eta / 2) sum_t (SNR(t) - SNR(t - 1)) mean |guess_t(z_{t-1}, x) - u_y|^2

    with z_{t-1} from q(z_{t-1} | y), drawn by itself for every block: no block sees another's
    output. `blocks` is the stack of all T; with `index` it is the block t = index + 1 alone, and
    the sum its term alone, with the same noise. Also gives the blocks moved and their errors.
    """
    weight = 0.5 * schedule.steps * eta

    def one(block: DenoisingBlock, number: Array, abar: Array) -> tuple[Array, DenoisingBlock]:
        return block_error(block, embedding, x, y, abar, jr.fold_in(key, number))

    if index is not None:
        error, moved = one(blocks, index, schedule.abar(index))
        return weight * schedule.dsnr(index + 1) * error, (moved, error)
    numbers = jnp.arange(schedule.steps)
    errors, moved = eqx.filter_vmap(one)(blocks, numbers, schedule.abar(numbers))
    return weight * jnp.sum(schedule.dsnr(numbers + 1) * errors), (moved, errors)


def noprop_ct_loss(
    block: DenoisingBlock,
    embedding: LabelEmbedding,
    schedule: LearnableVariancePreserving,
    x: Float[Array, "batch ..."],
    y: Int[Array, " batch"],
    eta: Float[Array, ""],
    key: Key[Array, ""],
) -> tuple[Float[Array, ""], tuple[DenoisingBlock, Float[Array, ""]]]:
    """The denoising part of Eq. 9, (eta / 2) mean SNR'(t) |guess(z_t, x, t) - u_y|^2.

    Each example has a time of its own; the times of a batch are stratified over [0, 1].
    """
    u, t = embedding(y), stratified_times(named(key, "time"), len(y))
    z = noised(u, schedule.abar(t), draw_normal(named(key, "noise"), u.shape))
    logits, moved = block.train(x, z, t, key=named(key, "dropout"))
    errors = jnp.square(embedded_guess(logits, embedding) - u).sum(1)
    return 0.5 * eta * jnp.mean(schedule.dsnr(t) * errors), (moved, errors.mean())


def noprop_fm_loss(
    block: DenoisingBlock,
    embedding: LabelEmbedding,
    x: Float[Array, "batch ..."],
    y: Int[Array, " batch"],
    key: Key[Array, ""],
) -> tuple[Float[Array, ""], tuple[DenoisingBlock, Float[Array, "batch dim"]]]:
    """Flow matching (Eq. 12): mean |v(z_t, x, t) - (u_y - z_0)|^2, z_t = t u_y + (1 - t) z_0.

    The velocity v is g W with the logits g as they are: no softmax. Also gives where each example's
    velocity would carry it, z_t + (1 - t) v.
    """
    u, t = embedding(y), stratified_times(named(key, "time"), len(y))[:, None]
    start = draw_normal(named(key, "noise"), u.shape)
    z = t * u + (1 - t) * start
    logits, moved = block.train(x, z, t[:, 0], key=named(key, "dropout"))
    velocity = logits @ embedding.weight
    loss = jnp.square(velocity - (u - start)).sum(1).mean()
    return loss, (moved, z + (1 - t) * velocity)


def stratified_times(key: Key[Array, ""], count: int) -> Float[Array, " count"]:
    """(u + i) / count, one uniform u in [0, 1) for all: times that cover [0, 1) evenly."""
    return (jr.uniform(key) + jnp.arange(count, dtype=jnp.float32)) / count


def readout_loss(
    scores: Any,
    embedding: LabelEmbedding,
    y: Int[Array, " batch"],
    abar: Float[Array, ""],
    key: Key[Array, ""],
) -> tuple[Float[Array, ""], Float[Array, "batch classes"]]:
    """Cross-entropy of `scores(z)` on clean ends z drawn from q(z_T | y), and the scores."""
    u = embedding(y)
    logits = scores(noised(u, abar, draw_normal(key, u.shape)))
    return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean(), logits


def label_divergence(
    embedding: LabelEmbedding, y: Int[Array, " batch"], abar: Float[Array, ""]
) -> Float[Array, ""]:
    """Mean KL(q(z_0 | y) || N(0, I)) over a batch."""
    return prior_divergence(embedding(y), abar).mean()
