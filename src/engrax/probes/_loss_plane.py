"""The loss around the path that an optimizer took."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree


class LossPlane(NamedTuple):
    """A loss over a plane through the last weights.

    **Fields:** `loss` (points, points), rows along the first direction; `first`, `second` (points,)
    distances from the last weights along the two directions, which have length 1; `path`
    (checkpoints, 2), the checkpoints seen in the plane, the last of them at 0; `captured` (2,), the
    shares of the path's variance about the last weights that lie along the directions.
    """

    loss: Float[Array, "points points"]
    first: Float[Array, " points"]
    second: Float[Array, " points"]
    path: Float[Array, "checkpoints 2"]
    captured: Float[Array, " 2"]

    @property
    def roughness(self) -> Float[Array, ""]:
        """Mean |second difference| along both axes, over the range of the loss; 0 for a plane."""
        second = [jnp.abs(jnp.diff(self.loss, 2, axis)).mean() for axis in (0, 1)]
        span = self.loss.max() - self.loss.min()
        return jnp.where(span > 0, (second[0] + second[1]) / 2 / jnp.where(span > 0, span, 1.0), 0)


def loss_plane(
    trajectory: PyTree[Float[Array, "_ ..."]],
    loss: Callable[[PyTree], Float[Array, ""]],
    *,
    points: int = 21,
    margin: float = 0.1,
) -> LossPlane:
    """The loss on a grid over the plane that holds most of a path (Li et al. 2018, Sec. 7.1).

    `trajectory` holds weights saved along the way, stacked in the leading axis of each leaf, and
    `loss` takes one of them, without that axis. The plane goes through the last weights along the
    first two principal directions of the others' distances from it; the grid spans the path, and
    `margin` of its extent on either side. Runs under `jax.jit`.

    Raises:
        ValueError: fewer than 3 checkpoints or grid points, or leaves of different lengths.
    """
    lengths = {leaf.shape[0] for leaf in jax.tree.leaves(trajectory)}
    if len(lengths) != 1 or min(lengths) < 3 or points < 3:
        raise ValueError(
            f"loss_plane got leaves of {sorted(lengths)} checkpoints and {points} points; expected "
            "the same 3 or more checkpoints in all leaves, and 3 or more points."
        )
    last, restore = ravel_pytree(jax.tree.map(lambda leaf: leaf[-1], trajectory))
    away = jax.vmap(lambda one: ravel_pytree(one)[0])(trajectory) - last[None]
    # Few checkpoints and many weights: principal directions by the small Gram matrix.
    value, vector = jnp.linalg.eigh(away @ away.T)
    value, vector = jnp.maximum(value[::-1], 0), vector[:, ::-1]
    size = jnp.sqrt(value[:2])
    path = vector[:, :2] * size[None]
    directions = (vector[:, :2] / jnp.where(size > 0, size, 1.0)[None]).T @ away
    path = path - path[-1:]
    low, high = path.min(0), path.max(0)
    wide = margin * (high - low)
    at = jnp.linspace(low - wide, high + wide, points)

    def value_at(place: Array) -> Array:
        return loss(restore(last + place @ directions))

    grid = jnp.stack(jnp.meshgrid(at[:, 0], at[:, 1], indexing="ij"), -1)
    losses = jax.lax.map(value_at, grid.reshape(-1, 2)).reshape(points, points)
    total = value.sum()
    captured = value[:2] / jnp.where(total > 0, total, 1.0)
    return LossPlane(losses, at[:, 0], at[:, 1], path, captured)


def spectrum(matrices: Float[np.ndarray | Array, "*lead n m"]) -> Float[np.ndarray, "*lead k"]:
    """Singular values, falling, in double precision: what rank a map has, and how much it mixes.

    Raises:
        ValueError: entries that are not finite.
    """
    matrices = np.asarray(matrices, np.float64)
    if not np.isfinite(matrices).all():
        raise ValueError("spectrum got entries that are not finite; expected finite matrices.")
    return np.linalg.svd(matrices, compute_uv=False)
