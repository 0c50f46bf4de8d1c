"""Centered kernel alignment: how alike two representations of the same examples are."""

from collections.abc import Sequence
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def cka(
    x: Float[Array, "examples p"],
    y: Float[Array, "_ q"],
    *,
    kernel: Literal["linear", "rbf"] = "linear",
    bandwidth: float = 0.25,
) -> Float[Array, ""]:
    """Centered kernel alignment of two representations, row by row of the same examples.

    HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L)) with centered kernels (Kornblith et al. 2019): 1 for
    representations that are rotations or isotropic scalings of each other, 0 for unrelated ones.
    The linear kernel never forms an examples x examples matrix. The RBF kernel's width is
    `bandwidth` times the median distance between examples.

    A representation that is constant over examples is alike to nothing: 0.
    Raises ValueError if the numbers of examples differ or are below 2.
    """
    if x.shape[0] != y.shape[0] or x.shape[0] < 2:
        raise ValueError(
            f"cka got {x.shape[0]} and {y.shape[0]} examples; expected the same 2 or more "
            "examples in both representations."
        )
    if kernel == "linear":
        x, y = x - x.mean(0, keepdims=True), y - y.mean(0, keepdims=True)
        cross, own_x, own_y = (jnp.sum((a.T @ b) ** 2) for a, b in ((x, y), (x, x), (y, y)))
    else:
        k, m = _centered(_rbf(x, bandwidth)), _centered(_rbf(y, bandwidth))
        cross, own_x, own_y = jnp.sum(k * m), jnp.sum(k * k), jnp.sum(m * m)
    # Two roots, not the root of the product, which overflows float32 earlier.
    scale = jnp.sqrt(own_x) * jnp.sqrt(own_y)
    return jnp.where(scale > 0, cross / jnp.where(scale > 0, scale, 1.0), 0.0)


def cka_matrix(
    xs: Sequence[Float[Array, "examples _"]], ys: Sequence[Float[Array, "examples _"]]
) -> Float[Array, "len_xs len_ys"]:
    """Linear `cka` of every pair from two lists of representations, in one matrix product."""
    xs, ys = ([v - v.mean(0, keepdims=True) for v in vs] for vs in (xs, ys))
    (of_x, own_x), (of_y, own_y) = (
        (_membership(vs), jnp.stack([jnp.sum((v.T @ v) ** 2) for v in vs])) for vs in (xs, ys)
    )
    cross = (jnp.concatenate(xs, axis=1).T @ jnp.concatenate(ys, axis=1)) ** 2
    scale = jnp.sqrt(own_x)[:, None] * jnp.sqrt(own_y)[None, :]
    return jnp.where(scale > 0, of_x @ cross @ of_y.T / jnp.where(scale > 0, scale, 1.0), 0.0)


def _membership(representations: Sequence[Array]) -> Float[Array, "len_representations features"]:
    """Which of the concatenated features belong to which representation."""
    sizes = [v.shape[1] for v in representations]
    owner = jnp.repeat(jnp.arange(len(sizes)), jnp.array(sizes), total_repeat_length=sum(sizes))
    return jax.nn.one_hot(owner, len(sizes), axis=0)


def _rbf(x: Float[Array, "examples p"], bandwidth: float) -> Float[Array, "examples examples"]:
    norms = jnp.sum(x * x, axis=1)
    squared = jnp.maximum(norms[:, None] + norms[None, :] - 2 * x @ x.T, 0.0)
    upper = jnp.triu_indices(x.shape[0], 1)
    width = bandwidth**2 * jnp.median(squared[upper])
    return jnp.exp(-squared / (2 * jnp.where(width > 0, width, 1.0)))


def _centered(k: Float[Array, "n n"]) -> Float[Array, "n n"]:
    return k - k.mean(0, keepdims=True) - k.mean(1, keepdims=True) + k.mean()
