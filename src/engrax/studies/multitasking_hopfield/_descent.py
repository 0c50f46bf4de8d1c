"""Trajectories at T = 0: energy beside loss, the first step's stability, and rungs against N."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Key

from engrax.core import System, named
from engrax.memory import HopfieldNetwork, align, block_gibbs, pattern_losses, pattern_overlaps
from engrax.tasks import averaged_examples, flip

from ._chains import STARTS, ladder, ordered_patterns, start_state

PATTERNS = 3
"""K of C6."""


class Descent(System):
    """Tick 0 stores patterns, later ones averages of examples; a damaged ladder relaxes at T = 0.

    Each point of the trajectory aligns a random share of the spins with their exact fields.
    """

    size: int = eqx.field(static=True)
    dilution: float = eqx.field(static=True)
    cells: tuple[tuple[int, float], ...] = eqx.field(static=True)
    """Number and quality of the examples of tick 1, 2, ..."""
    steps: int = eqx.field(static=True)
    fraction: float = eqx.field(static=True)
    damage: float = eqx.field(static=True)

    def init(self, *, key: Key[Array, ""]) -> dict[str, Array]:
        """The seed's key."""
        return {"key": key}

    def step(self, state: dict[str, Array], input: Array) -> tuple[dict, dict[str, Array]]:
        """Energy and summed loss of the archetypes after every step."""
        key = jr.fold_in(state["key"], input)
        patterns = ordered_patterns(key, PATTERNS, self.size, self.dilution)
        network = HopfieldNetwork.from_patterns(
            jax.lax.switch(input, stores(self.cells), named(key, "examples"), patterns)
        )
        cue = flip(named(key, "damage"), ladder(named(key, "blanks"), patterns), self.damage)

        def move(spins: Array, key: Array) -> tuple[Array, tuple[Array, Array]]:
            chosen = jr.uniform(key, spins.shape) < self.fraction
            spins = jnp.where(chosen, align(network.local_field(spins), spins), spins)
            loss = jnp.sum(pattern_losses(patterns, spins).product)
            return spins, (network.energy(spins), loss)

        keys = jr.split(named(key, "steps"), self.steps)
        _, (energy, loss) = jax.lax.scan(move, cue, keys)
        return state, {"energy": energy, "loss": loss}


class Stability(System):
    """Tick t: share of the first pattern's bits whose field has their sign, in the ladder state."""

    size: int = eqx.field(static=True)
    dilution: float = eqx.field(static=True)
    cells: tuple[tuple[int, float], ...] = eqx.field(static=True)

    def init(self, *, key: Key[Array, ""]) -> dict[str, Array]:
        """The seed's key."""
        return {"key": key}

    def step(self, state: dict[str, Array], input: Array) -> tuple[dict, dict[str, Array]]:
        """The share."""
        key = jr.fold_in(state["key"], input)
        patterns = ordered_patterns(key, PATTERNS, self.size, self.dilution)
        stored = jax.lax.switch(input, stores(self.cells)[1:], named(key, "examples"), patterns)
        network = HopfieldNetwork.from_patterns(stored)
        field = network.local_field(ladder(named(key, "blanks"), patterns))
        first = patterns[0].astype(jnp.float32)
        return state, {
            "stable": jnp.sum(first * field > 0, dtype=first.dtype) / jnp.sum(jnp.abs(first))
        }


def stores(cells: tuple[tuple[int, float], ...]) -> list:
    """What is stored: the patterns, then averages of each cell's examples."""
    learned = [
        lambda k, p, count=count, quality=quality: averaged_examples(k, p, count, quality)
        for count, quality in cells
    ]
    return [lambda k, p: p.astype(jnp.float32), *learned]


class Growth(System):
    """Tick t counts the patterns that are there at the t-th size, at T = 0 from a damaged ladder.

    K grows with ln N. After all sizes they come once more without blanks, where the ladder is the
    first pattern alone.
    """

    sizes: tuple[int, ...] = eqx.field(static=True)
    dilution: float = eqx.field(static=True)
    damage: float = eqx.field(static=True)
    sweeps: int = eqx.field(static=True)

    def init(self, *, key: Key[Array, ""]) -> dict[str, Array]:
        """The seed's key."""
        return {"key": key}

    def step(self, state: dict[str, Array], input: Array) -> tuple[dict, dict[str, Array]]:
        """The count, and all overlaps in falling order of size, zeros after the last pattern."""
        key = jr.fold_in(state["key"], input)
        branches = [lambda k, d, n=size: self._count(k, d, n) for size in self.sizes]
        dilution = jnp.where(input < len(self.sizes), self.dilution, 0.0)
        return state, jax.lax.switch(input % len(self.sizes), branches, key, dilution)

    def _count(self, key: Key[Array, ""], dilution: Array, size: int) -> dict[str, Array]:
        count = rungs(size, self.dilution)
        patterns = ordered_patterns(key, count, size, dilution)
        spins, _ = block_gibbs(
            named(key, "chain"),
            HopfieldNetwork.from_patterns(patterns),
            start_state(key, patterns, STARTS.index("noisy"), self.damage),
            jnp.inf,
            self.sweeps,
            measure=lambda *_: (),
        )
        m = jnp.sort(jnp.abs(pattern_overlaps(patterns, spins)))[::-1]
        there = m > 3 / jnp.sqrt(size * (1 - dilution))
        most = rungs(max(self.sizes), self.dilution)
        padded = jnp.zeros(most, m.dtype).at[:count].set(m)
        return {"count": jnp.sum(there).astype(jnp.float32), "m": padded}


def rungs(size: int, dilution: float) -> int:
    """``floor(ln N / ln(1/d))``."""
    return max(1, int(math.log(size) / math.log(1 / dilution)))
