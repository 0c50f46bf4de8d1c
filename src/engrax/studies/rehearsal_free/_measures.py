"""What is measured beside the accuracy of tasks."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, UInt8

from engrax.core import State, correct


class PrefixAccuracy(eqx.Module):
    """Accuracy on validation images of the first tasks' classes, among these classes alone.

    Measured once, after the last of these tasks; 0 after all others. Strengths are chosen by it, on
    spare seeds, so that no choice has seen a later task.

    **Fields:** `x` (examples, ...), `y` (examples,): raw images and labels of all classes;
    `tasks`: how many count.
    """

    x: UInt8[Array, "n ..."]
    y: Int[Array, " n"]
    tasks: int = eqx.field(static=True)

    def __call__(self, system: Any, state: State, t: Array) -> dict[str, Array]:
        """The record of one task of a `TaskSequence` over `ShuffledSplitTasks`."""
        stream = system["tasks"]
        seen = jnp.any(stream.labels[: self.tasks], axis=0)

        def measured() -> Array:
            output = stream.outputs_of(state["tasks"], self.y)
            x = stream.view(state["tasks"], self.x)
            logits = system["learner"].predict(state["learner"], x)
            right = correct(jnp.where(seen[None], logits, -jnp.inf), output)
            return jnp.sum(right & seen[output]) / jnp.sum(seen[output])

        found = jax.lax.cond(t == self.tasks - 1, measured, lambda: jnp.float32(0))
        return {"validation_accuracy": found}


def validation_score(records: Mapping[str, np.ndarray]) -> np.ndarray:
    """What strengths are chosen by: (seed, value)."""
    return records["validation_accuracy"][..., -1]
