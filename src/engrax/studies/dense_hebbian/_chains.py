"""Monte Carlo of one sample: patterns, what is stored of them, and a chain from the first one."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key

from engrax.core import System, named
from engrax.memory import (
    DenseAssociativeMemory,
    Interactions,
    SpinNetwork,
    glauber,
    tap_magnetization,
)
from engrax.tasks import averaged_examples, random_patterns


class Cell(NamedTuple):
    """One setting of a chain; all of it is known before tracing."""

    order: int
    size: int
    patterns: int
    temperature: float
    interactions: Interactions = "distinct"
    n_examples: int = 0
    """Examples a class; 0 stores the patterns themselves."""
    quality: float = 1.0
    heat: float = 0.0
    """Temperature at which the chain starts; 0 starts at its own."""
    cooling: int = 0
    """Sweeps from `heat` to `temperature`."""

    @property
    def shape(self) -> "Cell":
        """The cell without what its examples are: equal where one program can serve."""
        return self._replace(n_examples=min(self.n_examples, 1), quality=1.0)


class Chains(System):
    """Tick t runs the t-th cell: a fresh sample, then sequential Glauber from the archetype.

    The state is the seed's key alone. Patterns are drawn anew from it rather than kept: they never
    change, and of all cells together they would fill memory and checkpoints.
    """

    cells: tuple[Cell, ...] = eqx.field(static=True)
    sweeps: int = eqx.field(static=True)
    burn_in: int = eqx.field(static=True)
    cues: int = eqx.field(static=True, default=1)
    """Archetypes that are started from, each in a chain of its own; results are their means."""

    def init(self, *, key: Key[Array, ""]) -> dict[str, Array]:
        """The seed's key."""
        return {"key": key}

    def step(self, state: dict[str, Array], input: Array) -> tuple[dict, dict[str, Array]]:
        """Overlaps m with the archetype, n with what is stored of it, and q, of cell `input`."""
        key = jr.fold_in(state["key"], input)
        first = self.cells[0]
        if any(cell.shape != first.shape for cell in self.cells):
            branches = [lambda k, c=c: self._run(k, c, *sample(k, c)) for c in self.cells]
            return state, jax.lax.switch(input, branches, key)
        # Only what is stored differs, so one program for the chains serves all cells.
        samples = [lambda k, c=cell: sample(k, c) for cell in self.cells]
        return state, self._run(key, first, *jax.lax.switch(input, samples, key))

    def _run(self, key: Key[Array, ""], cell: Cell, patterns: Array, stored: Array) -> dict:
        network = DenseAssociativeMemory(stored, cell.order, cell.interactions)
        ramp = jnp.linspace(cell.heat or cell.temperature, cell.temperature, cell.cooling)
        hold = jnp.full(self.sweeps, cell.temperature)
        temperatures = jnp.concatenate([ramp, hold])

        def one(cue: Array) -> dict[str, Array]:
            chain_key = jr.fold_in(named(key, "chain"), cue)
            found = chain(
                chain_key, network, patterns[cue], cue, temperatures, cell.cooling + self.burn_in
            )
            # For even orders a pattern and its negative are the same state.
            sign = jnp.where((found["m"] < 0) & (cell.order % 2 == 0), -1.0, 1.0)
            return found | {"m": sign * found["m"], "n": sign * found["n"]}

        if self.cues == 1:
            return one(jnp.int32(0))
        each = jax.vmap(one)(jnp.arange(self.cues))
        return jax.tree.map(lambda a: jnp.mean(a, axis=0), each)


def sample(key: Key[Array, ""], cell: Cell) -> tuple[Array, Array]:
    """Patterns, and what a network stores: the patterns themselves or averages of examples."""
    patterns = random_patterns(named(key, "patterns"), cell.patterns, cell.size)
    if not cell.n_examples:
        return patterns, patterns
    averages = averaged_examples(named(key, "examples"), patterns, cell.n_examples, cell.quality)
    return patterns, averages / jnp.sqrt(jnp.mean(averages**2))


def chain(
    key: Key[Array, ""],
    network: SpinNetwork,
    archetype: Array,
    stored: Array,
    temperatures: Float[Array, " sweeps"],
    burn_in: int,
) -> dict[str, Array]:
    """Sequential heat bath from `archetype`, one temperature a sweep; means after `burn_in`."""

    def kept(spins: Array, overlaps: Array) -> tuple[Array, Array]:
        return spins, overlaps[stored]

    _, (spins, overlaps) = glauber(
        key, network, archetype, 1 / temperatures, len(temperatures), measure=kept
    )
    mean = jnp.mean(spins[burn_in:].astype(jnp.float32), axis=0)
    return {
        "m": jnp.mean(mean * archetype.astype(jnp.float32)),
        "n": jnp.mean(overlaps[burn_in:]),
        "q": jnp.mean(mean**2),
    }


class Expansions(System):
    """One sample by the exact sampler, by first-order Plefka dynamics and by the TAP equations."""

    cell: Cell = eqx.field(static=True)
    sweeps: int = eqx.field(static=True)
    burn_in: int = eqx.field(static=True)

    def init(self, *, key: Key[Array, ""]) -> dict[str, Array]:
        """The seed's key."""
        return {"key": key}

    def step(self, state: dict[str, Array], input: Array) -> tuple[dict, dict[str, Array]]:
        """Overlap with the archetype by each of the three."""
        key = jr.fold_in(state["key"], input)
        patterns, stored = sample(key, self.cell)
        network = DenseAssociativeMemory(stored, self.cell.order, self.cell.interactions)
        beta = 1 / self.cell.temperature
        exact = chain(
            named(key, "chain"),
            network,
            patterns[0],
            jnp.int32(0),
            jnp.full(self.sweeps, self.cell.temperature),
            self.burn_in,
        )
        _, overlaps = glauber(
            named(key, "plefka"), network, patterns[0], beta, self.sweeps, schedule="subset"
        )
        tap = tap_magnetization(network, patterns[0].astype(jnp.float32), beta)
        archetype = patterns[0].astype(jnp.float32)
        return state, {
            "exact": exact["m"],
            "plefka": jnp.mean(overlaps[self.burn_in :, 0]),
            "tap": jnp.mean(tap.magnetization * archetype),
        }
