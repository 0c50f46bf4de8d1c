"""Subspaces that vectors span, and the angles between them."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float


class Components(NamedTuple):
    """Principal components.

    **Fields:** `directions` (k, p): orthonormal rows, largest first; `scores` (n, k): the rows of
    the data in these directions; `captured` (k,): each direction's share of the sum of squares.
    """

    directions: Float[Array, "k p"]
    scores: Float[Array, "n k"]
    captured: Float[Array, " k"]


def uncentered_pca(x: Float[Array, "n p"], k: int) -> Components:
    """The `k` directions that capture most of the sum of squares of the rows of `x`.

    Nothing is subtracted: the first direction of data far from the origin is their mean. Subtract
    the mean beforehand for the usual analysis. Signs are chosen so that each direction's largest
    entry is positive.

    Raises ValueError if there are fewer than `k` directions.
    """
    if not 1 <= k <= min(x.shape):
        raise ValueError(
            f"uncentered_pca was asked for {k} of {min(x.shape)} directions; ask for 1 to "
            f"{min(x.shape)}."
        )
    u, s, vt = jnp.linalg.svd(x, full_matrices=False)
    largest = jnp.take_along_axis(vt, jnp.abs(vt).argmax(1)[:, None], axis=1)
    sign = jnp.where(largest >= 0, 1.0, -1.0).astype(x.dtype)
    total = jnp.sum(s**2)
    captured = s**2 / jnp.where(total > 0, total, 1.0)
    return Components((vt * sign)[:k], (u * s[None] * sign.T)[:, :k], captured[:k])


def principal_angles(
    a: Float[Array, "p n"], b: Float[Array, "q n"], *, tolerance: float = 1e-5
) -> Float[Array, " angles"]:
    """The angles (radians, smallest first) between the spans of the rows of `a` and of `b`.

    There are as many as the smaller span has dimensions. Directions with a singular value below
    `tolerance` times the largest are rounding, not span, so the number of angles depends on the
    values: this does not run under `jit`. Small angles come from sines, large ones from cosines,
    so both are exact to rounding (Bjorck and Golub 1973).

    Raises ValueError if a span has no dimension.
    """
    first, second = _basis(a, tolerance), _basis(b, tolerance)
    if first.shape[0] < second.shape[0]:
        first, second = second, first
    cosine = jnp.clip(jnp.linalg.svd(first @ second.T, compute_uv=False), 0.0, 1.0)
    outside = second - (second @ first.T) @ first
    sine = jnp.clip(jnp.linalg.svd(outside, compute_uv=False)[::-1], 0.0, 1.0)
    return jnp.where(cosine > 0.7, jnp.arcsin(sine), jnp.arccos(cosine))


def _basis(x: Float[Array, "p n"], tolerance: float) -> Float[Array, "rank n"]:
    _, s, vt = jnp.linalg.svd(x, full_matrices=False)
    rank = int(jnp.sum(s > tolerance * s[0])) if float(s[0]) > 0 else 0
    if rank == 0:
        raise ValueError("principal_angles got rows of zeros; expected at least one direction.")
    return vt[:rank]
