"""Single synapses of a fast-weight memory: their strengths, and what they respond to."""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Num


def synaptic_state(
    pre: Float[Array, "time n"],
    post: Float[Array, "time m"],
    *,
    rotate: Callable[[Float[Array, "time n"], Int[Array, " time"]], Float[Array, "time n"]]
    | None = None,
    length: Int[Array, ""] | None = None,
    rectify: bool = True,
) -> Float[Array, "m n"]:
    """The Hebbian state that a text has left: sigma_ij = sum over t of y_i(t) (U^(T - t) x(t))_j.

    In BDH (Kosowski et al. 2025, Sec. 6.3) `pre` is x of a layer and `post` is y of the layer
    before, both of one head. The model keeps this matrix only as its product with the decoder;
    here it is recovered from the activities.

    **Arguments:** `rotate(x, positions)`: turns each row as the model's position code does, so
    that the state is the one that the *next* byte reads; no turn if `None`. `length`: how many rows
    were read, where the rest is padding. `rectify`: drop negative entries, as the paper does; they
    come from the turn alone.
    """
    time = jnp.arange(pre.shape[0])
    if length is None:
        length = jnp.asarray(pre.shape[0])
    if rotate is not None:
        pre = rotate(pre, time - length)
    sigma = jnp.where((time < length)[:, None], post, 0).T @ pre
    return jnp.maximum(sigma, 0) if rectify else sigma


class Synapse(NamedTuple):
    """One entry among many, and how well it tells two kinds of examples apart."""

    place: tuple[int, ...]
    separation: float
    """Difference of the means over the pooled standard deviation, in the worst group."""


def find_synapse(
    positive: Num[np.ndarray, "groups positives *synapse"],
    negative: Num[np.ndarray, "groups negatives *synapse"],
) -> Synapse:
    """The entry that separates positive from negative examples best, in its worst group.

    Groups are what the entry should be indifferent to, such as languages. It is chosen on the
    examples given, so its separation there is biased upward: measure it on other examples.

    **Raises:** `ValueError`: less than two examples of a kind in a group.
    """
    positive, negative = np.asarray(positive), np.asarray(negative)
    if min(positive.shape[1], negative.shape[1]) < 2:
        raise ValueError("find_synapse needs at least two examples of each kind in every group.")
    gap = positive.mean(1) - negative.mean(1)
    pooled = np.sqrt((positive.var(1, ddof=1) + negative.var(1, ddof=1)) / 2)
    # An entry that is constant, such as one that never fires, separates nothing.
    separation = np.where(pooled > 0, gap / np.where(pooled > 0, pooled, 1), 0.0).min(0)
    index = np.unravel_index(int(separation.argmax()), separation.shape)
    return Synapse(tuple(map(int, index)), float(separation[index]))


def rank_biserial(
    positive: Num[np.ndarray, " positives"], negative: Num[np.ndarray, " negatives"]
) -> float:
    """Rank-biserial correlation 2 U / (n_1 n_2) - 1, with ties as halves.

    1 where every positive example lies above every negative one, -1 the other way, 0 for chance;
    twice the area under the ROC curve less 1.
    """
    from scipy import stats  # 0.3 s, and only here

    test = stats.mannwhitneyu(positive, negative, method="asymptotic")
    return float(2 * test.statistic / (len(positive) * len(negative)) - 1)


def activation_sparsity(
    activations: Num[Array, "*shape neurons"], threshold: float = 0.0
) -> Float[Array, "*shape"]:
    """The share of neurons above `threshold`: a firing rate where activations are spikes."""
    return (activations > threshold).mean(-1, dtype=jnp.float32)
