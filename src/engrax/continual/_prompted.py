"""Prompts that learn one task after another around a frozen transformer."""

from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from engrax.core import Batch, GradientLearner, State

from ._learner import WrappedLearner
from ._sequence import masked_cross_entropy


def prompted_cross_entropy(
    model: Any, batch: Batch, key: Key[Array, ""]
) -> tuple[Float[Array, ""], tuple[Any, dict[str, Array]]]:
    """Mean cross-entropy among the outputs of the batch's mask, and the mean pull on the keys.

    A loss for `GradientLearner`, for a `PromptedTransformer`.
    """
    logits, pull = jax.vmap(model.train)(batch.x)
    return masked_cross_entropy(logits, batch.y, batch.mask) + jnp.mean(pull), (model, {})


@final
class PromptedLearner(WrappedLearner):
    """A learner of a `PromptedTransformer`, whose prompts are told when a task begins.

    **Fields:** `learner`, with a loss like `prompted_cross_entropy` and `trainable` true for the
    prompts and the head alone.
    """

    # Fields of a module are never assigned, so a narrower type is safe.
    learner: GradientLearner  # pyright: ignore - narrower, never assigned

    def step(self, state: State, input: Batch) -> tuple[State, dict[str, Array]]:
        """The inner learner's step."""
        inner, record = self.learner.step(state["learner"], input)
        return {**state, "learner": inner}, record

    def start_task(self, state: State, task: Int[Array, ""], key: Key[Array, ""]) -> State:
        """The state with the prompts made ready for the task."""
        inner = state["learner"]
        model = self.learner.model(inner).begin_task(task, key=key)
        return {**state, "learner": {**inner, "model": eqx.filter(model, eqx.is_array)}}
