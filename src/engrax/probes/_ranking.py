"""How well a score tells two kinds of entries apart."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def ranking_auc(scores: Float[Array, " n"], positive: Bool[Array, " n"]) -> Float[Array, ""]:
    """The chance that a positive entry scores above another one: the area under the ROC curve.

    By the sum of ranks (Mann & Whitney). Ties are broken by place, so scores should differ. NaN
    where all entries are of one kind.
    """
    n = len(scores)
    order = jnp.argsort(scores)
    # Ranks as shares of n: their sum stays exact enough in float32 for millions of entries.
    ranks = jnp.zeros(n).at[order].set((jnp.arange(n, dtype=jnp.float32) + 0.5) / n)
    share = positive.mean(dtype=jnp.float32)
    mean_rank = jnp.where(positive, ranks, 0).mean() / share
    return (mean_rank - share / 2) / (1 - share)
