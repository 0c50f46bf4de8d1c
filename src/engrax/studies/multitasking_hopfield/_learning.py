"""Patterns known by examples: with a teacher and without, and as a function of rho alone."""

import equinox as eqx
import jax
import jax.random as jr
from jaxtyping import Array, Float, Key

from engrax.core import System, named
from engrax.memory import HopfieldNetwork
from engrax.tasks import averaged_examples, noisy_examples

from ._chains import ladder, mean_overlaps, mean_spins, ordered_patterns

PATTERNS = 3
"""K of the claims on learning."""


class Teacher(System):
    """Tick t draws the t-th number of examples and stores the same ones with and without labels."""

    sizes: tuple[int, ...] = eqx.field(static=True)
    examples: tuple[int, ...] = eqx.field(static=True)
    quality: float = eqx.field(static=True)
    burn_in: int = eqx.field(static=True)
    sweeps: int = eqx.field(static=True)
    dilution: Float[Array, ""]
    temperature: Float[Array, ""]

    def init(self, *, key: Key[Array, ""]) -> dict[str, Array]:
        """The seed's key."""
        return {"key": key}

    def step(self, state: dict[str, Array], input: Array) -> tuple[dict, dict[str, Array]]:
        """Overlaps with the archetypes, in order of support, of both networks."""
        key = jr.fold_in(state["key"], input)
        branches = [
            lambda k, n=n, m=m: self._both(k, n, m)
            for n, m in zip(self.sizes, self.examples, strict=True)
        ]
        return state, jax.lax.switch(input, branches, key)

    def _both(self, key: Key[Array, ""], size: int, count: int) -> dict[str, Array]:
        patterns = ordered_patterns(key, PATTERNS, size, self.dilution)
        examples = noisy_examples(named(key, "examples"), patterns, count, self.quality)
        spins, found = ladder(named(key, "blanks"), patterns), {}
        for name, store in (
            ("supervised", HopfieldNetwork.supervised),
            ("unsupervised", HopfieldNetwork.unsupervised),
        ):
            chain_key = named(key, "chain")
            means = mean_spins(
                chain_key, store(examples), spins, 1 / self.temperature, self.burn_in, self.sweeps
            )
            found[name] = mean_overlaps(patterns, means)
        return found


class Collapse(System):
    """Tick t stores averages of so many examples of such a quality; cells share one program."""

    size: int = eqx.field(static=True)
    cells: tuple[tuple[int, float], ...] = eqx.field(static=True)
    """Number and quality of the examples."""
    burn_in: int = eqx.field(static=True)
    sweeps: int = eqx.field(static=True)
    dilution: Float[Array, ""]
    temperature: Float[Array, ""]

    def init(self, *, key: Key[Array, ""]) -> dict[str, Array]:
        """The seed's key."""
        return {"key": key}

    def step(self, state: dict[str, Array], input: Array) -> tuple[dict, dict[str, Array]]:
        """Overlaps with the archetypes, in order of support."""
        key = jr.fold_in(state["key"], input)
        patterns = ordered_patterns(key, PATTERNS, self.size, self.dilution)
        draws = [
            lambda k, p, count=count, quality=quality: averaged_examples(k, p, count, quality)
            for count, quality in self.cells
        ]
        averages = jax.lax.switch(input, draws, named(key, "examples"), patterns)
        spins = ladder(named(key, "blanks"), patterns)
        means = mean_spins(
            named(key, "chain"),
            HopfieldNetwork.from_patterns(averages),
            spins,
            1 / self.temperature,
            self.burn_in,
            self.sweeps,
        )
        return state, {"m": mean_overlaps(patterns, means)}
