"""From numbers and events to spike trains."""

from typing import Literal

import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, Key, Num


def direct_encode(x: Float[Array, "*n"], steps: int) -> Float[Array, "time *n"]:
    """The same current at every step. Where a network takes a static input, prefer that."""
    _check_steps("direct_encode", steps)
    return jnp.broadcast_to(x, (steps, *x.shape))


def poisson_encode(
    x: Float[Array, "*n"], steps: int, *, key: Key[Array, ""]
) -> Float[Array, "time *n"]:
    """A spike at each step with probability x, clipped to [0, 1] (Bernoulli in discrete time)."""
    _check_steps("poisson_encode", steps)
    return jr.bernoulli(key, jnp.clip(x, 0, 1)[None], (steps, *x.shape)).astype(x.dtype)


def latency_encode(
    x: Float[Array, "*n"], steps: int, *, threshold: float = 0.01
) -> Float[Array, "time *n"]:
    """One spike each, the earlier the larger x is: at step round((1 - x) (steps - 1)).

    x is clipped to [0, 1]; below `threshold` there is no spike.
    """
    _check_steps("latency_encode", steps)
    when = jnp.round((1 - jnp.clip(x, 0, 1)) * (steps - 1)).astype(jnp.int32)
    clock = jnp.arange(steps, dtype=jnp.int32).reshape(steps, *(1,) * x.ndim)
    fires = (clock == when[None]) & (x >= threshold)[None]
    return fires.astype(x.dtype)


def bin_events(
    times: Num[Array, " events"],
    channels: Int[Array, " events"],
    *,
    bins: int,
    width: float,
    n: int,
    reduce: Literal["or", "count"] = "or",
) -> Float[Array, "bins n"]:
    """Events (time, channel) in bins of `width`, in the unit of `times`, from time 0 on.

    "or": 1 where there is any event; "count": how many. Events outside of the bins, or with a
    channel outside 0..n-1, are left out: padding with negative times is safe.
    Raises ValueError for bins, width or n that are not positive.
    """
    if bins < 1 or n < 1 or not width > 0:
        raise ValueError(
            f"bin_events got bins={bins}, width={width}, n={n}; expected positive numbers, with "
            "the width in the unit of the times."
        )
    bin_of = jnp.floor(times.astype(jnp.float32) / width).astype(jnp.int32)
    inside = (bin_of >= 0) & (bin_of < bins) & (channels >= 0) & (channels < n)
    # Those left out all go to one row too many.
    row = jnp.where(inside, bin_of, bins)
    counts = jnp.zeros((bins + 1, n)).at[row, jnp.where(inside, channels, 0)].add(1.0)[:bins]
    return counts if reduce == "count" else jnp.minimum(counts, 1.0)


def _check_steps(name: str, steps: int) -> None:
    if steps < 1:
        raise ValueError(f"{name} got steps={steps}; expected 1 or more steps of time.")
