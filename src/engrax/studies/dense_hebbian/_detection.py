"""Detection of patterns behind enormous noise, by networks of order 4 and 2."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key

from engrax.core import System, named
from engrax.memory import RedundantMemory
from engrax.tasks import random_patterns


class Detection(System):
    """Tick t stores K = alpha N patterns of the t-th size and starts from each of them."""

    order: int = eqx.field(static=True)
    sizes: tuple[int, ...] = eqx.field(static=True)
    load: float = eqx.field(static=True)
    tau: Float[Array, ""]
    """Storage noise over sqrt(N)."""

    def init(self, *, key: Key[Array, ""]) -> dict[str, Array]:
        """The seed's key."""
        return {"key": key}

    def step(self, state: dict[str, Array], input: Array) -> tuple[dict, dict[str, Array]]:
        """Mean overlap after one parallel step at T = 0, and after relaxation."""
        key = jr.fold_in(state["key"], input)
        branches = [lambda k, n=size: self._size(k, n) for size in self.sizes]
        return state, jax.lax.switch(input, branches, key)

    def _size(self, key: Key[Array, ""], size: int) -> dict[str, Array]:
        patterns = random_patterns(named(key, "patterns"), round(self.load * size), size)
        network = RedundantMemory.store(
            named(key, "noise"), patterns, self.tau * size**0.5, self.order
        )

        def overlap(spins: Array) -> Array:
            return jnp.mean((spins * patterns).astype(jnp.float32))

        return {
            "one_step": overlap(jax.vmap(network.one_step)(patterns)),
            "relaxed": overlap(jax.vmap(network.relax)(patterns)),
        }
