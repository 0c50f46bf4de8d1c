"""An environment that asks for old tasks, the less likely the longer they were left alone."""

from typing import Any, Literal, final

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, Int, Key

from engrax.core import State, System, named

Spacing = Literal["even", "power"]

_NEVER = -(2**30)
"""The step at which a task was last performed that has not been introduced."""


@final
class NeedProcess(System):
    """A random row of tasks in which the need of a task falls as a power of the time since it was
    last performed (after Anderson & Schooler 1991).

    Tasks are introduced one by one, each performed `intro` steps in a row. At any other step one
    task of those introduced is drawn, with probability proportional to
    `floor + (steps since it was last performed)^-b`. Performing it sets its clock back, so the
    young ones dominate where `floor` is 0: look at the realized curve with `need_odds`.

    Step `s`, the clock, emits `{"task", "introduced"}`: the task performed, and whether it was
    its introduction rather than need.

    **Fields:** `b` and `floor`, arrays, so that they can be swept; `n_tasks`; `intro`, steps of an
    introduction; `every`, steps from the first introduction to the second; `spacing`: "even", or
    "power", where introduction `p` (from 0) starts at step `every * p^(1/b)` and new tasks get
    rarer for b < 1.

    **Raises:** `ValueError` for sizes below 1, introductions that overlap, or another spacing.
    """

    n_tasks: int = eqx.field(static=True)
    b: Float[Array, ""]
    floor: Float[Array, ""]
    intro: int = eqx.field(static=True, kw_only=True)
    every: int = eqx.field(static=True, kw_only=True)
    spacing: Spacing = eqx.field(static=True, kw_only=True, default="even")

    def __check_init__(self) -> None:
        if min(self.n_tasks, self.intro) < 1 or self.spacing not in ("even", "power"):
            raise ValueError(
                f"a need process got n_tasks={self.n_tasks}, intro={self.intro} and "
                f"spacing={self.spacing!r}; give sizes from 1, and 'even' or 'power'"
            )
        if self.every < self.intro:
            raise ValueError(
                f"a need process got every={self.every} and intro={self.intro}; introductions may "
                "not overlap, so every is at least intro"
            )
        if not isinstance(self.b, Tracer) and self.spacing == "power":
            gaps = np.diff(np.asarray(self.starts()))
            if (gaps < self.intro).any():
                raise ValueError(
                    f"introductions spaced by a power overlap at b={float(self.b):g}, the closest "
                    f"{gaps.min()} steps apart; raise every"
                )

    def starts(self) -> Int[Array, " tasks"]:
        """The step at which each task is introduced."""
        order = jnp.arange(self.n_tasks, dtype=jnp.float32)
        if self.spacing == "power":
            order = jnp.power(order, 1 / self.b)
        return jnp.round(jnp.float32(self.every) * order).astype(jnp.int32)

    def init(self, *, key: Key[Array, ""]) -> dict[str, Any]:
        """A key, and `last` (tasks,), the step at which each task was last performed."""
        return {"key": named(key, "need"), "last": jnp.full(self.n_tasks, _NEVER, jnp.int32)}

    def probabilities(self, state: State, step: Int[Array, ""]) -> Float[Array, " tasks"]:
        """How likely each task is drawn at a step; 0 for one that was not introduced."""
        known = state["last"] > _NEVER
        age = jnp.where(known, step - state["last"], 1).astype(jnp.float32)
        weight = jnp.where(known, self.floor + jnp.power(age, -self.b), 0)
        return weight / jnp.maximum(weight.sum(), 1e-30)

    def step(
        self, state: dict[str, Any], input: Int[Array, ""]
    ) -> tuple[dict[str, Any], dict[str, Array]]:
        """The task of step `input`."""
        starts = self.starts()
        new = (starts <= input) & (input < starts + self.intro)
        introduced = jnp.any(new)
        chance = self.probabilities(state, input)
        drawn = jr.categorical(jr.fold_in(state["key"], input), jnp.log(chance))
        task = jnp.where(introduced, jnp.argmax(new), drawn).astype(jnp.int32)
        last = state["last"].at[task].set(input.astype(jnp.int32))
        return {**state, "last": last}, {"task": task, "introduced": introduced}
