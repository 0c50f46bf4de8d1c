"""How much is stored: retrieval from damaged cues at T = 0, and the largest number of patterns."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key

from engrax.core import System, named
from engrax.memory import DenseAssociativeMemory, glauber
from engrax.tasks import flip, random_patterns

RETRIEVED = 0.9
"""Mean overlap above which a load counts as stored."""


SPAN = 16.0
"""Ratio of the ends of the search for a capacity."""


class Storage(System):
    """One cue of one sample, relaxed at T = 0. Orders share samples: keys come from names."""

    order: int = eqx.field(static=True)
    size: int = eqx.field(static=True)
    patterns: int = eqx.field(static=True)
    sweeps: int = eqx.field(static=True)
    damage: Float[Array, ""]

    def init(self, *, key: Key[Array, ""]) -> dict[str, Array]:
        """The seed's key."""
        return {"key": key}

    def step(self, state: dict[str, Array], input: Array) -> tuple[dict, dict[str, Array]]:
        """Final overlap of the cue with its pattern."""
        key = jr.fold_in(state["key"], input)
        patterns = random_patterns(named(key, "patterns"), self.patterns, self.size)
        network = DenseAssociativeMemory(patterns, self.order)
        return state, {"m": relaxed(key, network, patterns[0], self.damage, self.sweeps)}


class Capacity(System):
    """Tick t finds the largest K that is still retrieved at the t-th size, by bisection of ln K.

    The patterns are nested: the first K of one sample. Those beyond K are set to zero, which takes
    them out of the field, so all steps share their shapes.
    """

    order: int = eqx.field(static=True)
    sizes: tuple[int, ...] = eqx.field(static=True)
    most: tuple[int, ...] = eqx.field(static=True)
    """Upper end of the search for each size."""
    sweeps: int = eqx.field(static=True)
    cues: int = eqx.field(static=True)
    steps: int = eqx.field(static=True)
    damage: Float[Array, ""]

    def init(self, *, key: Key[Array, ""]) -> dict[str, Array]:
        """The seed's key."""
        return {"key": key}

    def step(self, state: dict[str, Array], input: Array) -> tuple[dict, dict[str, Array]]:
        """The capacity at size number `input`."""
        key = jr.fold_in(state["key"], input)
        branches = [
            lambda k, n=size, m=most: self._search(k, n, m)
            for size, most in zip(self.sizes, self.most, strict=True)
        ]
        return state, {"capacity": jax.lax.switch(input, branches, key)}

    def _search(self, key: Key[Array, ""], size: int, most: int) -> Float[Array, ""]:
        patterns = random_patterns(named(key, "patterns"), most, size)

        def overlap(count: Array) -> Array:
            kept = jnp.where((jnp.arange(most) < count)[:, None], patterns, jnp.int8(0))
            network = DenseAssociativeMemory(kept, self.order)

            def one(cue: Array) -> Array:
                cue_key = jr.fold_in(named(key, "cue"), cue)
                return relaxed(cue_key, network, kept[cue % count], self.damage, self.sweeps)

            return jnp.mean(jax.lax.map(one, jnp.arange(self.cues)))

        def halve(bracket: Array, _: None) -> tuple[Array, None]:
            middle = jnp.mean(bracket)
            count = jnp.maximum(jnp.round(jnp.exp(middle)), 1.0).astype(jnp.int32)
            good = overlap(count) > RETRIEVED
            return jnp.where(good, bracket.at[0].set(middle), bracket.at[1].set(middle)), None

        bracket = jnp.log(jnp.asarray([max(1.0, most / SPAN), most], jnp.float32))
        return jnp.exp(jnp.mean(jax.lax.scan(halve, bracket, length=self.steps)[0]))


def relaxed(
    key: Key[Array, ""],
    network: DenseAssociativeMemory,
    pattern: Array,
    damage: Float[Array, ""],
    sweeps: int,
) -> Float[Array, ""]:
    """Overlap with `pattern` after a quench from a copy with a share `damage` of flipped spins.

    The quench ends when a sweep moves nothing, at the latest after `sweeps`.
    """
    cue = flip(named(key, "damage"), pattern, damage)

    def moving(carry: tuple[Array, Array, Array]) -> Array:
        sweep, before, spins = carry
        return (sweep < sweeps) & jnp.any(before != spins)

    def quench(carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        sweep, _, spins = carry
        sweep_key = jr.fold_in(named(key, "quench"), sweep)
        return sweep + 1, spins, glauber(sweep_key, network, spins, jnp.inf, 1)[0]

    spins = jax.lax.while_loop(moving, quench, (jnp.int32(0), jnp.zeros_like(cue), cue))[2]
    return jnp.mean((spins * pattern).astype(jnp.float32))
