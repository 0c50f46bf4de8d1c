"""Monte Carlo of one sample: patterns ordered by support, a start, and a chain's mean spins."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, Int8, Key

from engrax.core import System, named
from engrax.memory import HopfieldNetwork, block_gibbs, pattern_overlaps
from engrax.tasks import diluted_patterns, flip

STARTS = ("ladder", "noisy", "pure", "mixture")
"""All patterns, rung by rung; a damaged copy of that; the first pattern alone; three mixed."""


def ordered_patterns(
    key: Key[Array, ""], count: int, size: int, dilution: Array | float
) -> Int8[Array, "K N"]:
    """Diluted patterns, the one with the largest support first.

    At finite N it is the one that wins the first rung, so without this order an average over
    samples would blur the ladder.
    """
    patterns = diluted_patterns(named(key, "patterns"), count, size, dilution)
    return patterns[jnp.argsort(-jnp.sum(jnp.abs(patterns.astype(jnp.int32)), axis=1))]


def ladder(key: Key[Array, ""], patterns: Int8[Array, "K N"]) -> Int8[Array, " N"]:
    """The first pattern, its blanks filled by the second, and so on; what is left is random."""
    spins = jr.rademacher(key, patterns.shape[1:], dtype=jnp.int8)
    for pattern in reversed(list(patterns)):
        spins = jnp.where(pattern == 0, spins, pattern)
    return spins


def start_state(
    key: Key[Array, ""], patterns: Int8[Array, "K N"], start: Int[Array, ""] | int, damage: float
) -> Int8[Array, " N"]:
    """The start of that number in `STARTS`; free sites are random."""
    spins = ladder(named(key, "blanks"), patterns)
    mixed = jnp.sum(patterns[:3].astype(jnp.int32), axis=0)
    states = (
        spins,
        flip(named(key, "damage"), spins, damage),
        ladder(named(key, "blanks"), patterns[:1]),
        jnp.where(mixed < 0, -1, 1).astype(jnp.int8),
    )
    return jnp.stack(states)[start]


def mean_spins(
    key: Key[Array, ""],
    network: HopfieldNetwork,
    spins: Int8[Array, " N"],
    beta: Float[Array, ""] | float,
    burn_in: int,
    sweeps: int,
) -> Float[Array, " N"]:
    """Mean of every spin over `sweeps` sweeps of block Gibbs, after `burn_in` others."""
    first, then = jr.split(key)
    spins, _ = block_gibbs(first, network, spins, beta, burn_in, measure=lambda *_: ())

    def sweep(carry: tuple[Array, Array], key: Array) -> tuple[tuple[Array, Array], None]:
        spins, total = carry
        spins, _ = block_gibbs(key, network, spins, beta, 1, measure=lambda *_: ())
        return (spins, total + spins.astype(total.dtype)), None

    start = (spins, jnp.zeros(spins.shape, jnp.int32))
    (_, total), _ = jax.lax.scan(sweep, start, jr.split(then, sweeps))
    return total.astype(jnp.float32) / sweeps


def mean_overlaps(patterns: Int8[Array, "K N"], means: Float[Array, " N"]) -> Float[Array, " K"]:
    """Overlap of mean spins with each pattern, over its actual support."""
    return pattern_overlaps(patterns, means)


def private_errors(patterns: Int8[Array, "K N"], means: Float[Array, " N"]) -> Float[Array, " K"]:
    """Share of wrong bits of each pattern where every pattern of a larger overlap is blank.

    A pattern is right up to its sign. Sites that several patterns want belong to the strongest.
    """
    m = mean_overlaps(patterns, means)
    order = jnp.argsort(-jnp.abs(m))
    ranked = patterns[order].astype(jnp.float32)
    taken = jnp.cumsum(jnp.abs(ranked), axis=0) - jnp.abs(ranked)
    private = jnp.where(taken > 0, 0.0, ranked)
    agreement = (private @ means) / jnp.maximum(jnp.sum(jnp.abs(private), axis=1), 1.0)
    wrong = (1 - jnp.sign(m[order]) * agreement) / 2
    return jnp.zeros_like(wrong).at[order].set(wrong)


class Chains(System):
    """Tick t stores fresh patterns of the t-th dilution and runs a chain from the t-th start.

    The state is the seed's key alone: patterns are drawn anew from it and never kept.
    """

    size: int = eqx.field(static=True)
    patterns: int = eqx.field(static=True)
    damage: float = eqx.field(static=True)
    burn_in: int = eqx.field(static=True)
    sweeps: int = eqx.field(static=True)
    dilution: Float[Array, " ticks"]
    start: Int[Array, " ticks"]
    temperature: Float[Array, ""]
    nested: bool = eqx.field(static=True, default=False)
    """Whether all ticks share their draws, so that patterns only gain blanks with dilution."""

    def init(self, *, key: Key[Array, ""]) -> dict[str, Array]:
        """The seed's key."""
        return {"key": key}

    def step(self, state: dict[str, Array], input: Array) -> tuple[dict, dict[str, Array]]:
        """Overlaps m in order of support, and wrong bits on private and on all sites."""
        key = state["key"] if self.nested else jr.fold_in(state["key"], input)
        patterns = ordered_patterns(key, self.patterns, self.size, self.dilution[input])
        network = HopfieldNetwork.from_patterns(patterns)
        spins = start_state(key, patterns, self.start[input], self.damage)
        beta = 1 / self.temperature
        means = mean_spins(named(key, "chain"), network, spins, beta, self.burn_in, self.sweeps)
        m = mean_overlaps(patterns, means)
        return state, {"m": m, "error": private_errors(patterns, means)}


class Diagram(System):
    """One cell of the phase diagram: patterns learned with normal noise of entropy rho."""

    size: int = eqx.field(static=True)
    patterns: int = eqx.field(static=True)
    burn_in: int = eqx.field(static=True)
    sweeps: int = eqx.field(static=True)
    dilution: Float[Array, ""]
    temperature: Float[Array, ""]
    entropy: Float[Array, ""]

    def init(self, *, key: Key[Array, ""]) -> dict[str, Array]:
        """The seed's key."""
        return {"key": key}

    def step(self, state: dict[str, Array], input: Array) -> tuple[dict, dict[str, Array]]:
        """Overlaps in order of support, from the ladder."""
        key = jr.fold_in(state["key"], input)
        patterns = ordered_patterns(key, self.patterns, self.size, self.dilution)
        noise = jr.normal(named(key, "examples"), (self.patterns * self.size,))
        learned = 1 + jnp.sqrt(self.entropy) * noise.reshape(patterns.shape)
        network = HopfieldNetwork.from_patterns(patterns.astype(jnp.float32) * learned)
        spins = ladder(named(key, "blanks"), patterns)
        beta = 1 / self.temperature
        means = mean_spins(named(key, "chain"), network, spins, beta, self.burn_in, self.sweeps)
        return state, {"m": mean_overlaps(patterns, means)}
