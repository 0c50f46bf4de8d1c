"""A probe: accuracy on examples that neither train nor test."""

from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, UInt8

from engrax.core import State, accuracy


@final
class ValidationAccuracy(eqx.Module):
    """Mean accuracy over the tasks learned so far on validation examples, after one task; numbers
    of baselines are chosen by it. 0 after all others.

    **Fields:** `x` (examples, ...), `y` (examples,): raw, seen as every task shows them; `after`:
    the task, from 0, after which it is measured; None for the last one.
    """

    x: UInt8[Array, "n ..."]
    y: Int[Array, " n"]
    after: int | None = eqx.field(static=True, default=None)

    def __call__(self, system: Any, state: State, t: Array) -> dict[str, Array]:
        """The record of one task of a `TaskSequence`."""
        tasks = system["tasks"]
        after = tasks.tasks - 1 if self.after is None else self.after

        def one(task: Array) -> Array:
            x = tasks.view(state["tasks"], self.x, task)
            return accuracy(system["learner"].predict(state["learner"], x), self.y)

        def so_far() -> Array:
            return jax.lax.map(one, jnp.arange(after + 1, dtype=jnp.int32)).mean()

        return {"validation_accuracy": jax.lax.cond(t == after, so_far, lambda: jnp.float32(0))}
