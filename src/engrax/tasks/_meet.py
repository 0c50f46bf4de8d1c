"""The multi-event expectation task: a cue, then one of several events, each at its own latency."""

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int, Key


class MeetBlock(NamedTuple):
    """Trials under one rule: event A at `latency[0]` ms with `probability`, else B."""

    latency: tuple[float, float]
    """When A and B come, in ms after the onset of the cue."""
    probability: float
    """Of A."""
    trials: int = 100


class MeetTrials(NamedTuple):
    """What happens in each trial, and what could be known about it.

    **Fields:** `outcome`: 1 for the event that occurs, 0 for the others (all 0 in a catch trial);
    `latency`: when the events would occur in this trial (ms after cue onset); `expected`: when
    they occur in this block on average; `probability` of each event in this block; `block`.
    """

    outcome: Float[Array, "trials 2"]
    latency: Float[Array, "trials 2"]
    expected: Float[Array, "trials 2"]
    probability: Float[Array, "trials 2"]
    block: Int[Array, " trials"]


def meet_blocks(
    key: Key[Array, ""],
    blocks: Sequence[MeetBlock],
    *,
    jitter: float = 0.0,
    catch: float = 0.0,
) -> MeetTrials:
    """Trials of blocks whose timing and probability switch without notice (Yamada & Chao 2026).

    Outcomes are independent draws.

    **Arguments:** `jitter`: standard deviation of the latencies around the block's, in ms;
    `catch`: share of trials, drawn independently, in which nothing follows the cue.

    **Raises:** `ValueError` where there are no blocks, or a block's numbers make no sense.
    """
    if not blocks:
        raise ValueError("meet_blocks got no blocks; give at least one MeetBlock.")
    for block in blocks:
        if not 0 <= block.probability <= 1 or min(block.latency) <= 0 or block.trials < 1:
            raise ValueError(
                f"{block} makes no sense; give a probability in [0, 1], latencies above 0 ms and "
                "at least one trial."
            )
    if jitter < 0 or not 0 <= catch <= 1:
        raise ValueError(f"jitter={jitter}, catch={catch}; give jitter >= 0 ms and a share.")
    count = np.array([block.trials for block in blocks])
    index = np.repeat(np.arange(len(blocks)), count)
    p = np.array([[b.probability, 1 - b.probability] for b in blocks], np.float32)[index]
    expected = jnp.asarray(np.array([b.latency for b in blocks], np.float32)[index])
    outcome_key, jitter_key, catch_key = jr.split(key, 3)
    first = jr.uniform(outcome_key, (len(index),)) < p[:, 0]
    outcome = jnp.stack([first, ~first], -1).astype(jnp.float32)
    happens = ~jr.bernoulli(catch_key, catch, (len(index),))
    shift = jitter * jr.normal(jitter_key, expected.shape)
    return MeetTrials(
        outcome=jnp.where(happens[:, None], outcome, 0.0),
        latency=expected + shift,
        expected=expected,
        probability=jnp.asarray(p),
        block=jnp.asarray(index, jnp.int32),
    )


def event_bump(
    time: Float[Array, " time"], latency: Float[Array, " k"], width: float
) -> Float[Array, "time k"]:
    """A Gaussian bump of height 1 for each event, all in ms: what an event looks like in time."""
    return jnp.exp(-0.5 * ((time[:, None] - latency[None]) / width) ** 2)
