"""Ensembles of several sizes of the task in one run."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from engrax.core import State, System, named


class Growing(System):
    """Tick t adds a network to every ensemble that has not reached its number; records (part,).

    An ensemble that has is left as it is, and so are its records.
    """

    names: tuple[str, ...] = eqx.field(static=True)
    parts: tuple[System, ...]
    most: tuple[int, ...] = eqx.field(static=True)
    """Networks of each ensemble."""

    def init(self, *, key: Key[Array, ""]) -> dict[str, State]:
        """The states of the parts, and what each recorded last."""
        state: dict[str, State] = {}
        for name, part in zip(self.names, self.parts, strict=True):
            begun = part.init(key=named(key, name))
            shapes = jax.eval_shape(lambda s, p=part: p.step(s, jnp.int32(0))[1], begun)
            state[name] = begun
            state[f"{name} record"] = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), shapes)
        return state

    def step(self, state: dict[str, State], input: Array) -> tuple[dict, dict[str, Array]]:
        """One network more each."""
        new, records = {}, []
        for name, part, most in zip(self.names, self.parts, self.most, strict=True):
            kept = state[name], state[f"{name} record"]

            def grow(kept: tuple, part: System = part) -> tuple:
                return part.step(kept[0], input)

            # The clock is never batched, so one branch runs.
            new[name], record = jax.lax.cond(input < most, grow, lambda kept: kept, kept)
            new[f"{name} record"] = record
            records.append(record)
        return new, jax.tree.map(lambda *each: jnp.stack(each), *records)
