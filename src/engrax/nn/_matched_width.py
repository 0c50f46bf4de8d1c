"""Baselines of equal size."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.random as jr


def parameter_count(model: Any) -> int:
    """How many floating-point numbers a model has; its shapes are enough."""
    return sum(
        leaf.size
        for leaf in jax.tree.leaves(model)
        if hasattr(leaf, "dtype") and jax.numpy.issubdtype(leaf.dtype, jax.numpy.floating)
    )


def matched_width(
    make: Callable[[int], Callable[..., Any]],
    target: int,
    *,
    count: Callable[[Any], int] = parameter_count,
    multiple: int = 1,
) -> int:
    """The width at which a model comes nearest to a number of parameters.

    `make(width)` gives the builder of a model, called as `build(key=...)` but only for its shapes,
    and `count(model)` must grow with the width. The result is a multiple of `multiple`, for widths
    that heads have to divide. On a tie the smaller width wins.

    Raises:
        ValueError: a target below the count of the smallest width.
    """

    def size(steps: int) -> int:
        return count(eqx.filter_eval_shape(make(steps * multiple), key=jr.key(0)))

    low, high = 1, 2
    if (least := size(low)) > target:
        raise ValueError(
            f"The smallest width, {multiple}, already counts {least}; the target is {target}."
        )
    while size(high) < target:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if size(middle) < target else (low, middle)
    nearer = high if size(high) - target < target - size(low) else low
    return nearer * multiple
