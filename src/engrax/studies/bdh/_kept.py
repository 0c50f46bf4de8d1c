"""Trained models, to be looked into: arms that measure and train nothing."""

from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from engrax.core import State, System, named, rebuild


@final
class Kept(System):
    """Models that stay as they are: those of other arms, and the same before training.

    State: `{"untrained": {name: arrays}, "trained": {name: arrays}}`. The untrained ones have the
    weights that the arms of the same seed started from.
    """

    names: tuple[str, ...] = eqx.field(static=True)
    builds: tuple[Any, ...]

    def init(self, *, key: Key[Array, ""]) -> State:
        # The names under which `serial` and the learner draw a model's key.
        mine = named(named(key, "learner"), "model")
        made = {
            name: eqx.filter(build(key=mine), eqx.is_array)
            for name, build in zip(self.names, self.builds, strict=True)
        }
        return {"untrained": made, "trained": jax.tree.map(lambda a: a, made)}

    def step(self, state: State, input: Array) -> tuple[State, dict[str, Array]]:
        return state, {}

    def model(self, state: State, name: str, which: str = "trained") -> Any:
        """The model of one run."""
        build = self.builds[self.names.index(name)]
        return rebuild(build, jax.tree.map(jnp.asarray, state[which][name]))


def kept(**builds: Any) -> Kept:
    """Models by name, in the order in which `take` gets the arms."""
    return Kept(tuple(builds), tuple(builds.values()))


class Take(eqx.Module):
    """`start` of such an arm: the weights that other arms ended with."""

    names: tuple[str, ...] = eqx.field(static=True)

    def __call__(self, fresh: State, *finals: State) -> State:
        """The state of one run."""
        trained = {
            name: final["learner"]["model"] for name, final in zip(self.names, finals, strict=True)
        }
        return {"untrained": fresh["untrained"], "trained": trained}
