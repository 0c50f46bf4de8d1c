"""C4: teachers whose families are known."""

from collections.abc import Callable
from functools import partial
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Key

from engrax.core import Batch, State, Stream, named, observe, repeat, serial
from engrax.lab import Arm
from engrax.nn import SelectableKAN, bases, select

from ._config import Config
from ._functions import _steps, pool
from ._learner import gated, learner, mean_squares


class Teacher(Stream):
    """A layer with a family at random for every input, and normal coefficients of its functions.

    One layer, since the hidden nodes of a net can be exchanged, and then no node has a family that
    a student could find. Outputs are standardized.
    """

    pool: tuple[bases.Basis, ...]
    inputs: int = eqx.field(static=True)
    outputs: int = eqx.field(static=True)
    points: int = eqx.field(static=True)

    def init(self, *, key: Key[Array, ""]) -> State:
        """The points, what the teacher says of them, and its families."""
        x = jr.uniform(named(key, "x"), (self.points, self.inputs), minval=-1.0, maxval=1.0)
        picks = jr.randint(named(key, "picks"), (self.inputs,), 0, len(self.pool))
        shape = (self.outputs, self.pool[0].size, self.inputs)
        coefficients = jr.normal(named(key, "coefficients"), shape)
        features = bases.Picked(self.pool, picks)(x, -2)
        y = jnp.einsum("bmi,omi->bo", features, coefficients)
        y = (y - y.mean(0, keepdims=True)) / y.std(0, keepdims=True)
        return {"x": x, "y": y, "picks": picks}

    def step(self, state: State, input: Array) -> tuple[State, Batch]:
        """All points."""
        return state, Batch(state["x"], state["y"])

    def view(self, state: State, x: Array, task: Array | int = 0) -> Array:
        """Points as they are."""
        return x


class Recovered(eqx.Module):
    """A probe: the share of inputs whose selected family is the teacher's."""

    def __call__(self, system: Any, state: State, t: Array) -> dict[str, Array]:
        """The record of one tick."""
        one, mine = system["learner"], state["learner"]
        temperature, _ = one.cooled(mine["count"])
        model = select(one.model(mine), state["stream"]["x"], temperature=temperature)
        right = model.picks()[0] == state["stream"]["picks"]
        return {"recovered": right.mean(dtype=jnp.float32)}


def arms(config: Config) -> dict[str, Callable[[], Arm]]:
    """The one arm: the soft phase on planted teachers."""
    return {"planted": partial(_planted, config)}


def _planted(config: Config) -> Arm:
    steps = _steps(config, config.full)
    sizes = (config.planted_inputs, config.planted_outputs)
    one = learner(
        eqx.Partial(SelectableKAN, sizes, pool(config)),
        gated,
        mean_squares,
        peak=config.rate,
        floor=config.floor,
        steps=steps,
        temperature=config.temperature,
        entropy=config.entropy,
    )
    stream = Teacher(pool(config), *sizes, config.points or 1000)
    system = repeat(serial(stream=stream, learner=one), config.tick)
    return Arm(
        observe(system, Recovered()), steps // config.tick, seeds=config.planted_seeds, chunk=1
    )
