"""Recall of stored patterns from damaged ones, many cues at once."""

import functools

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Int8

from engrax.memory import (
    DenseAssociativeMemory,
    HopfieldNetwork,
    SpinNetwork,
    glauber,
    retrieve,
)

from ._capacity import Schedule


def recall(
    patterns: Int8[np.ndarray, "K N"],
    cues: Int8[np.ndarray, "rows N"],
    order: int,
    temperature: float,
    schedule: Schedule,
    sweeps: int,
    seed: int,
) -> Int8[np.ndarray, "rows N"]:
    """What the network of `patterns` makes of every cue."""
    # Few numbers of rows: each is a program of its own.
    rows = 1 << (len(cues) - 1).bit_length()
    padded = np.concatenate([cues, np.ones((rows - len(cues), cues.shape[1]), np.int8)])
    settings = order, temperature == 0, schedule, sweeps
    beta = jnp.float32(np.inf if temperature == 0 else 1 / temperature)
    found = _recalled(settings, jnp.asarray(patterns), jnp.asarray(padded), beta, jr.key(seed))
    return np.asarray(found)[: len(cues)]


@functools.partial(jax.jit, static_argnums=0)
def _recalled(
    settings: tuple[int, bool, Schedule, int], patterns: Array, cues: Array, beta: Array, key: Array
) -> Array:
    order, frozen, schedule, sweeps = settings
    network = (
        HopfieldNetwork.from_patterns(patterns)
        if order == 2
        else DenseAssociativeMemory(patterns, order)
    )

    def one(cue: Array) -> Array:
        if not frozen:
            return _averaged(key, network, cue, beta, sweeps)
        if schedule == "parallel":
            return retrieve(network, cue, steps=sweeps)
        return _quenched(key, network, cue, sweeps)

    # One key for all rows: what is recalled does not depend on which rows stand beside it.
    return jax.vmap(one)(cues)


def _quenched(key: Array, network: SpinNetwork, cue: Array, sweeps: int) -> Array:
    """Sequential dynamics at T = 0 until a sweep moves nothing; the energy only falls."""

    def moving(carry: tuple[Array, Array, Array]) -> Array:
        sweep, before, spins = carry
        return (sweep < sweeps) & jnp.any(before != spins)

    def move(carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        sweep, _, spins = carry
        return sweep + 1, spins, glauber(jr.fold_in(key, sweep), network, spins, jnp.inf, 1)[0]

    return jax.lax.while_loop(moving, move, (jnp.int32(0), jnp.zeros_like(cue), cue))[2]


def _averaged(key: Array, network: SpinNetwork, cue: Array, beta: Array, sweeps: int) -> Array:
    """The sign of the mean over the second half of the sweeps, the last state where it is 0."""
    spins, seen = glauber(key, network, cue, beta, sweeps, measure=lambda spins, _: spins)
    total = jnp.sum(seen[sweeps // 2 :].astype(jnp.int32), axis=0)
    return jnp.where(total == 0, spins, jnp.sign(total).astype(spins.dtype))
