"""Losses of a net whose head grows: labels for the new classes, an old net's word for the others.

Classes are numbered in the order in which they came: of `n_seen` classes the first `n_old` are old.
Both numbers may be traced, so that one program serves all tasks; logits of classes that have not
come yet are there and count nowhere.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ._distillation import distillation
from ._sequence import masked_cross_entropy

Number = int | Int[Array, ""]


class Taught(NamedTuple):
    """What a net is taught of a batch.

    **Fields:** `labels` (batch,); `logits` (batch, classes) and `features` (batch, features) of the
    teacher, the net as it was before the task; `n_old`, `n_seen`: how many classes there were then,
    and are now.
    """

    labels: Int[Array, " batch"]
    logits: Float[Array, "batch classes"]
    features: Float[Array, "batch features"]
    n_old: Int[Array, ""]
    n_seen: Int[Array, ""]


def mixed_bce(
    logits: Float[Array, "batch classes"],
    labels: Int[Array, " batch"],
    teacher_logits: Float[Array, "batch classes"] | None,
    n_old: Number,
    *,
    n_seen: Number | None = None,
    scale: float = 5.0,
) -> Float[Array, ""]:
    """`scale * mean BCE(sigmoid(z_j), t_j)` over examples and all classes seen so far, where
    `t_j = 1[y = j]` for a new class and `t_j = sigmoid(z_j of the teacher)` for an old one.

    Where student and teacher agree the gradient of every old logit is exactly 0. (Under softmax it
    is the class's probability: new classes push old ones down.)

    **Arguments:** `teacher_logits`: without a teacher the mean goes over the new classes alone, and
    old rows of the head are left alone; with `n_old=0` over all, and 0 is the target of old ones.
    `n_seen`: all classes if `None`.
    """
    old, new = _parts(logits, n_old, n_seen)
    target = jax.nn.one_hot(labels, logits.shape[1])
    counted = new if teacher_logits is None else old | new
    if teacher_logits is not None:
        said = jax.nn.sigmoid(jax.lax.stop_gradient(teacher_logits))
        target = jnp.where(old[None], said, target)
    each = _bce(logits, target)
    return scale * jnp.sum(jnp.where(counted[None], each, 0)) / _entries(labels, counted)


def new_class_bce(
    logits: Float[Array, "batch classes"],
    labels: Int[Array, " batch"],
    teacher_logits: Array | None,
    n_old: Number,
    *,
    n_seen: Number | None = None,
) -> Float[Array, ""]:
    """`mixed_bce` over the new classes alone: no teacher is heard, old rows of the head rest."""
    return mixed_bce(logits, labels, None, n_old, n_seen=n_seen)


def seen_class_bce(
    logits: Float[Array, "batch classes"],
    labels: Int[Array, " batch"],
    teacher_logits: Array | None,
    n_old: Number,
    *,
    n_seen: Number | None = None,
) -> Float[Array, ""]:
    """`mixed_bce` with 0 as the target of old classes: no teacher is heard."""
    return mixed_bce(logits, labels, None, 0, n_seen=n_seen)


def balanced_bce(
    logits: Float[Array, "batch classes"],
    labels: Int[Array, " batch"],
    teacher_logits: Float[Array, "batch classes"] | None,
    n_old: Number,
    *,
    n_seen: Number | None = None,
    scale: float = 5.0,
) -> Float[Array, ""]:
    """`mixed_bce` with new classes' own images and others' weighing the same.

    Of the n new classes an entry with target 1 weighs 1 and one with target 0 weighs 1 / n; their
    mean, times `2 n / (1 + 1 / n)`, and the mean over the old classes are mixed in proportion to
    the numbers of classes.
    """
    old, new = _parts(logits, n_old, n_seen)
    target = jax.nn.one_hot(labels, logits.shape[1])
    n = jnp.sum(new).astype(jnp.float32)
    weight = jnp.where(target > 0, 1, 1 / n)
    entries = jnp.where(new[None], weight * _bce(logits, target), 0)
    loss = jnp.sum(entries) / _entries(labels, new) * 2 * n / (1 + 1 / n)
    if teacher_logits is None:
        return scale * loss
    said = jax.nn.sigmoid(jax.lax.stop_gradient(teacher_logits))
    kept = jnp.sum(jnp.where(old[None], _bce(logits, said), 0))
    m = jnp.sum(old).astype(jnp.float32)
    return scale * (n * loss + kept / len(labels)) / (n + m)


def seen_cross_entropy(
    logits: Float[Array, "batch classes"],
    labels: Int[Array, " batch"],
    teacher_logits: Float[Array, "batch classes"] | None,
    n_old: Number,
    *,
    n_seen: Number | None = None,
) -> Float[Array, ""]:
    """Mean softmax cross-entropy among all classes seen so far; no teacher is heard."""
    old, new = _parts(logits, n_old, n_seen)
    return masked_cross_entropy(logits, labels, jnp.broadcast_to(old | new, logits.shape))


def softmax_kd(
    logits: Float[Array, "batch classes"],
    labels: Int[Array, " batch"],
    teacher_logits: Float[Array, "batch classes"],
    n_old: Number,
    *,
    n_seen: Number | None = None,
    temperature: float = 2.0,
) -> Float[Array, ""]:
    """`seen_cross_entropy` and, from the second task on, distillation among the old classes with
    softmax at a temperature (Li & Hoiem 2016).
    """
    old, _ = _parts(logits, n_old, n_seen)
    # A logit far below all others counts for nothing, and keeps 0 times infinity out.
    low = jnp.finfo(logits.dtype).min / 1e6
    student, teacher = (jnp.where(old[None], z, low) for z in (logits, teacher_logits))
    kept = distillation(
        student, jax.lax.stop_gradient(teacher),
        kind="softmax", temperature=temperature, weight=1.0,
    )  # fmt: skip
    plain = seen_cross_entropy(logits, labels, None, n_old, n_seen=n_seen)
    return plain + jnp.where(jnp.any(old), jnp.mean(kept), 0)


def feature_distillation(
    features: Float[Array, "batch features"], teacher_features: Float[Array, "batch features"]
) -> Float[Array, ""]:
    """Mean over examples and dimensions of the squared change of the features."""
    return jnp.mean(jnp.square(features - jax.lax.stop_gradient(teacher_features)))


def label_log_likelihoods(
    logits: Float[Array, " classes"], n_old: Number, n_seen: Number, *, scale: float = 5.0
) -> Float[Array, " classes"]:
    """Minus what `mixed_bce` without a teacher would be for each label, of one example.

    Its gradients are those that a batch Fisher squares; `-inf` for classes that are not new.
    """
    _, new = _parts(logits[None], n_old, n_seen)
    none = jnp.sum(jnp.where(new, jax.nn.softplus(logits), 0))
    found = scale * (logits - none) / jnp.sum(new).astype(jnp.float32)
    return jnp.where(new, found, -jnp.inf)


def _parts(
    logits: Array, n_old: Number, n_seen: Number | None
) -> tuple[Bool[Array, " classes"], Bool[Array, " classes"]]:
    """Which classes are old, and which new."""
    place = jnp.arange(logits.shape[1])
    seen = place < (logits.shape[1] if n_seen is None else n_seen)
    return seen & (place < n_old), seen & (place >= n_old)


@jax.custom_jvp
def _bce(logits: Array, target: Array) -> Array:
    return jax.nn.softplus(logits) - target * logits


@_bce.defjvp
def _bce_slope(at: tuple[Array, Array], along: tuple[Array, Array]) -> tuple[Array, Array]:
    # The difference of two equal sigmoids is 0; derived from the line above it is not quite.
    (logits, target), (logits_dot, target_dot) = at, along
    slope = (jax.nn.sigmoid(logits) - target) * logits_dot - logits * target_dot
    return _bce(logits, target), slope


def _entries(labels: Array, counted: Array) -> Array:
    return (len(labels) * jnp.sum(counted)).astype(jnp.float32)
