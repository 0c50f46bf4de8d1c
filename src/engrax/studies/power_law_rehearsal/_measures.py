"""What is measured beside accuracy, and the net that starts afresh."""

from collections.abc import Mapping
from typing import Any, final

import numpy as np
from jaxtyping import Array, Int, Key

from engrax.continual import WrappedLearner
from engrax.core import Batch, State


@final
class FreshNet(WrappedLearner):
    """A learner whose net is drawn anew for every task."""

    def step(self, state: State, input: Batch) -> tuple[State, dict[str, Array]]:
        """The learner's step."""
        inner, record = self.learner.step(state["learner"], input)
        return {**state, "learner": inner}, record

    def start_task(self, state: State, task: Int[Array, ""], key: Key[Array, ""]) -> State:
        """A net that has seen nothing."""
        return super().start_task({"learner": self.learner.init(key=key)}, task, key)


def rehearsed(system: Any, state: State, t: Array) -> dict[str, Array]:
    """Examples of each task (tasks,) in the rehearsal of the phase that just ended."""
    return {"rehearsed": system["tasks"].counts(state["tasks"])}


def validation_score(records: Mapping[str, np.ndarray]) -> np.ndarray:
    """What strengths are chosen by: (seed, value)."""
    return records["validation_accuracy"][..., -1]
