"""What is measured beside the accuracy of tasks."""

from collections.abc import Mapping
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key, PyTree, UInt8

from engrax.continual import WrappedLearner, innermost, part_of
from engrax.core import Batch, GradientLearner, State, correct
from engrax.probes import cka


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


@final
class KeptFirst(WrappedLearner):
    """A learner that keeps the net as it was after the first task, to measure with."""

    def init(self, *, key: Key[Array, ""]) -> State:
        """The learner's state, and a net that the first task replaces."""
        state = super().init(key=key)
        return {**state, "first": part_of(state, "model")}

    def step(self, state: State, input: Batch) -> tuple[State, dict[str, Array]]:
        """The learner's step."""
        inner, record = self.learner.step(state["learner"], input)
        return {**state, "learner": inner}, record

    def end_task(
        self, state: State, task: Int[Array, ""], examples: Batch, key: Key[Array, ""]
    ) -> State:
        """After the first task, the net is kept."""
        state = super().end_task(state, task, examples, key)
        first = jnp.asarray(task) == 0
        kept = jax.tree.map(
            lambda new, old: jnp.where(first, new, old), part_of(state, "model"), state["first"]
        )
        return {**state, "first": kept}


class Drift(eqx.Module):
    """How alike the layers are to what they were after the first task, on its test images.

    Centered kernel alignment of every convolution, the features and the logits, with RBF kernels
    exp(-d^2 / (2 * 0.25 * median d^2)) and linearly.
    """

    def __call__(self, system: Any, state: State, t: Array) -> dict[str, Array]:
        """The record of one task: (layer,)."""
        x, _, _ = system["tasks"].test(state["tasks"], jnp.int32(0))
        learner = innermost(system["learner"])
        assert isinstance(learner, GradientLearner)

        def layers(model: PyTree) -> list[Array]:
            net: Any = learner.model({"model": model})
            levels = net.body.levels(x)
            return [*levels, net.classify(levels[-1])]

        old = layers(state["learner"]["first"])
        new = layers(part_of(state["learner"], "model"))
        pairs = list(zip(old, new, strict=True))
        # A width of half the median distance: 0.25 of its square.
        rbf = [cka(a, b, kernel="rbf", bandwidth=0.5) for a, b in pairs]
        return {"cka": jnp.stack(rbf), "linear_cka": jnp.stack([cka(a, b) for a, b in pairs])}


def validation_score(records: Mapping[str, np.ndarray]) -> np.ndarray:
    """What strengths are chosen by: (seed, value)."""
    return records["validation_accuracy"][..., -1]
