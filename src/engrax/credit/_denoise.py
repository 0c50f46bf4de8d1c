"""From noise to a label: the samplers."""

from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, Key

from engrax.core import draw_normal

from ._schedules import (
    CosineVariancePreserving,
    LearnableVariancePreserving,
    Schedule,
    posterior_coefficients,
)

Sampler = Literal["ancestral", "ode", "euler"]
Guess = Callable[[Int[Array, ""], Float[Array, ""], Float[Array, "batch dim"]], Array]


class Path(NamedTuple):
    """A run of a sampler: where it ended, and each step's input and guess."""

    end: Float[Array, "batch dim"]
    states: Float[Array, "steps batch dim"]
    guesses: Float[Array, "steps batch dim"]


def denoise(
    guess: Guess,
    schedule: Schedule | None,
    start: Float[Array, "batch dim"],
    *,
    key: Key[Array, ""],
    steps: int | None = None,
    sampler: Sampler = "ancestral",
) -> Path:
    """Carries noise to the clean end in `steps` steps.

    `guess(k, t, z)` is asked in step k = 0 .. steps - 1, at time t = k / steps, about the state z.

    - `"ancestral"`: guess is the clean label; z' = a guess + b z + sqrt(c) noise (Li et al. 2025,
      Eq. 4), whose noise comes from `key`.
    - `"ode"`: guess is the clean label; z' = sqrt(abar') guess + sqrt((1 - abar') / (1 - abar))
      (z - sqrt(abar) guess), which is deterministic (DDIM, Song et al. 2021).
    - `"euler"`: guess is a velocity; z' = z + guess / steps. No schedule takes part.

    A `CosineVariancePreserving` has its own number of steps, the others need one.

    Raises:
        ValueError: an unknown sampler, a missing schedule, or no or another number of steps.
    """
    if sampler not in ("ancestral", "ode", "euler"):
        raise ValueError(f"sampler is 'ancestral', 'ode' or 'euler', and was given as {sampler!r}.")
    if sampler != "euler" and schedule is None:
        raise ValueError(f"sampler={sampler!r} needs a schedule; without one use 'euler'.")
    if isinstance(schedule, CosineVariancePreserving) and sampler != "euler":
        steps = schedule.steps if steps is None else steps
        if steps != schedule.steps:
            raise ValueError(
                f"a chain of {schedule.steps} blocks was asked for {steps} steps; it takes one for "
                "each block, so leave `steps` out."
            )
    if steps is None or steps < 1:
        raise ValueError(f"denoise got steps={steps}; expected a number of at least 1.")
    times = jnp.arange(steps + 1, dtype=jnp.float32) / steps
    levels = _levels(schedule, times) if sampler != "euler" else times

    def step(z: Array, now: tuple[Array, ...]) -> tuple[Array, tuple[Array, Array]]:
        k, t, before, after, key = now
        found = guess(k, t, z)
        if sampler == "euler":
            new = z + found / steps
        elif sampler == "ode":
            kept = jnp.sqrt((1 - after) / (1 - before)) * (z - jnp.sqrt(before) * found)
            new = jnp.sqrt(after) * found + kept
        else:
            a, b, c = posterior_coefficients(before, after)
            new = a * found + b * z + jnp.sqrt(c) * draw_normal(key, z.shape)
        return new, (z, found)

    keys = jr.split(key, steps)
    xs = (jnp.arange(steps), times[:-1], levels[:-1], levels[1:], keys)
    end, (states, guesses) = jax.lax.scan(step, start, xs)
    return Path(end, states, guesses)


def _levels(schedule: Schedule | None, times: Float[Array, " levels"]) -> Array:
    if isinstance(schedule, LearnableVariancePreserving):
        return schedule.abar(times)
    assert schedule is not None
    return schedule.levels
