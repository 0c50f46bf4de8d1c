"""What a learner may add to learn one task after another, and how wrappers reach inside."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Int, Key

from engrax.core import Batch, Learner, State


class ContinualLearner(Learner):
    """A learner that is told when a task begins and ends.

    Both hooks give the state on; a subclass overrides the ones it needs. They run once a task,
    outside the loop over batches.
    """

    def start_task(self, state: State, task: Int[Array, ""], key: Key[Array, ""]) -> State:
        """The state with which learning of `task` (from 0) starts."""
        return state

    def end_task(
        self, state: State, task: Int[Array, ""], examples: Batch, key: Key[Array, ""]
    ) -> State:
        """The state after `task`; `examples` are some of its training examples."""
        return state

    def predict_task(self, state: State, x: Array, task: Int[Array, ""]) -> Array:
        """The outputs for inputs known to come from `task`; `predict` unless overridden."""
        return self.predict(state, x)


class WrappedLearner(ContinualLearner):
    """A continual learner around another learner; the state holds the inner one's as "learner".

    Hooks reach a continual learner inside, so wrappers can be put around one another.
    """

    learner: Learner

    def init(self, *, key: Key[Array, ""]) -> dict[str, Any]:
        """The inner learner's state under the same key, so that arms share their weights."""
        return {"learner": self.learner.init(key=key)}

    def predict(self, state: State, x: Array) -> Array:
        """The inner learner's outputs."""
        return self.learner.predict(state["learner"], x)

    def predict_task(self, state: State, x: Array, task: Int[Array, ""]) -> Array:
        """The inner learner's outputs."""
        return predict_task(self.learner, state["learner"], x, task)

    def start_task(self, state: State, task: Int[Array, ""], key: Key[Array, ""]) -> State:
        """Hands the start on to the inner learner."""
        return {**state, "learner": start_task(self.learner, state["learner"], task, key)}

    def end_task(
        self, state: State, task: Int[Array, ""], examples: Batch, key: Key[Array, ""]
    ) -> State:
        """Hands the end on to the inner learner."""
        return {**state, "learner": end_task(self.learner, state["learner"], task, examples, key)}


def start_task(learner: Learner, state: State, task: Array, key: Key[Array, ""]) -> State:
    """The learner's own `start_task`; nothing for one that does not know of tasks."""
    return learner.start_task(state, task, key) if isinstance(learner, ContinualLearner) else state


def end_task(
    learner: Learner, state: State, task: Array, examples: Batch, key: Key[Array, ""]
) -> State:
    """The learner's own `end_task`; nothing for one that does not know of tasks."""
    if isinstance(learner, ContinualLearner):
        return learner.end_task(state, task, examples, key)
    return state


def predict_task(learner: Learner, state: State, x: Array, task: Array) -> Array:
    """The learner's own `predict_task`; `predict` for one that does not know of tasks."""
    if isinstance(learner, ContinualLearner):
        return learner.predict_task(state, x, task)
    return learner.predict(state, x)


def innermost(learner: Learner) -> Learner:
    """The learner inside all wrappers."""
    while isinstance(learner, WrappedLearner):
        learner = learner.learner
    return learner


def part_of(state: State, name: str) -> Any:
    """The part `name` of the innermost learner's state.

    **Raises:** `ValueError` where that learner keeps no such part.
    """
    while name not in state:
        if "learner" not in state:
            raise ValueError(
                f"the learner's state holds {', '.join(sorted(state))} and no {name!r}; wrap a "
                f"learner that keeps its {name} there, as GradientLearner does"
            )
        state = state["learner"]
    return state[name]


def with_part(state: State, name: str, value: Any) -> State:
    """The state with the innermost learner's part `name` replaced."""
    if name in state:
        return {**state, name: value}
    return {**state, "learner": with_part(state["learner"], name, value)}


def fresh_optimizer(learner: Learner, state: State, key: Key[Array, ""]) -> State:
    """The state with the optimizer as it is before the first step: no momentum, step 0."""
    fresh = part_of(innermost(learner).init(key=key), "optimizer")
    return with_part(state, "optimizer", fresh)


def is_later(task: Array | int) -> Array:
    """Whether a task is not the first."""
    return jnp.asarray(task) > 0
