"""Classes as points: one row a class."""

from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, Int, Key, Shaped

from engrax.core import draw_normal

EmbeddingMode = Literal["onehot", "orthogonal", "prototype"]


class LabelEmbedding(eqx.Module):
    """u_y = W[y] for `classes` rows W of `dim` numbers (Li et al. 2025, Sec. 4).

    - `"onehot"`: W is the identity, and stays it.
    - `"orthogonal"`: trained; orthonormal rows at the start, or normal ones of variance 1 / dim
      where there are more classes than dimensions.
    - `"prototype"`: trained; starts at the `rows` given (see `class_prototypes`).

    A learner reads `trained`. Labels outside 0 .. classes - 1 raise a ValueError where their values
    are known; inside a compiled function, where they are not, their embedding is NaN, so that a
    run with such labels shows as one that diverged.
    """

    weight: Float[Array, "classes dim"]
    trained: bool = eqx.field(static=True)

    def __init__(
        self,
        classes: int,
        dim: int | None = None,
        mode: EmbeddingMode = "onehot",
        *,
        rows: Float[Array, "classes dim"] | Float[np.ndarray, "classes dim"] | None = None,
        key: Key[Array, ""],
    ):
        """`dim` is that of `"orthogonal"` (the number of classes if None).

        Raises:
            ValueError: an unknown mode, fewer than one class, or a `dim` or `rows` that do not fit
                the mode.
        """
        if mode not in ("onehot", "orthogonal", "prototype"):
            raise ValueError(
                f"LabelEmbedding got mode={mode!r}; expected 'onehot', 'orthogonal' or 'prototype'."
            )
        given = None if rows is None else rows.shape
        wanted = dim if dim is not None else (classes if given is None else given[1])
        if min(classes, wanted) < 1 or (mode == "onehot" and wanted != classes):
            raise ValueError(
                f"LabelEmbedding got {classes} classes in {wanted} dimensions for mode={mode!r}; "
                "expected at least one of each, and with 'onehot' as many dimensions as classes."
            )
        if (mode == "prototype") != (rows is not None) or given not in (None, (classes, wanted)):
            raise ValueError(
                f"LabelEmbedding got rows of shape {given} for mode={mode!r}; give rows of shape "
                f"{(classes, wanted)} with 'prototype', and none otherwise."
            )
        if rows is not None:
            self.weight = jnp.asarray(rows, jnp.float32)
        elif mode == "onehot":
            self.weight = jnp.eye(classes)
        elif classes <= wanted:
            self.weight = jax.nn.initializers.orthogonal()(key, (classes, wanted))
        else:
            self.weight = draw_normal(key, (classes, wanted)) / jnp.sqrt(jnp.float32(wanted))
        self.trained = mode != "onehot"

    def __call__(self, labels: Int[Array, "*batch"]) -> Float[Array, "*batch dim"]:
        """The rows of these labels."""
        classes = len(self.weight)
        if labels.size and not isinstance(labels, Tracer):
            # NumPy, since JAX would trace the minimum of known labels inside a compiled function.
            known = np.asarray(labels)
            low, high = int(known.min()), int(known.max())
            if low < 0 or high >= classes:
                raise ValueError(
                    f"labels from {low} to {high} do not fit an embedding of {classes} rows; "
                    f"expected labels from 0 to {classes - 1}, so build it with one row a class."
                )
        # A negative index would count from the end.
        inside = jnp.where(labels < 0, classes, labels)
        return jnp.take(self.weight, inside, axis=0, mode="fill", fill_value=jnp.nan)


def class_prototypes(
    x: Shaped[np.ndarray, "examples ..."], y: Int[np.ndarray, " examples"], classes: int
) -> Float[np.ndarray, "classes features"]:
    """For each class, its example with the smallest median distance to the others of the class.

    Raises:
        ValueError: a class without examples.
    """
    x = np.asarray(x, np.float32).reshape(len(x), -1)
    found = []
    for label in range(classes):
        mine = x[np.asarray(y) == label]
        if not len(mine):
            raise ValueError(
                f"class {label} has no example to be its prototype; give data with every one of "
                f"the {classes} classes."
            )
        square = np.square(mine).sum(1)
        # Medians of squared distances are in the order of medians of distances.
        distance = square[:, None] + square[None] - 2 * mine @ mine.T
        found.append(mine[np.median(distance, 1).argmin()])
    return np.stack(found)
