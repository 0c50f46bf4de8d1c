"""A binarized network with scales and shifts of its own for every task."""

from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Key

from engrax.core import Batch, Learner, State, accuracy
from engrax.nn import BinaryNet

from ._learner import WrappedLearner
from ._sequence import masked_cross_entropy


def shared_norm_loss(
    model: BinaryNet, batch: Batch, key: Key[Array, ""]
) -> tuple[Float[Array, ""], tuple[BinaryNet, dict[str, Array]]]:
    """Mean cross-entropy of a `BinaryNet` that has one set of norms for all tasks."""
    return _loss(model, batch, 0)


def task_norm_loss(
    model: BinaryNet, batch: Batch, key: Key[Array, ""]
) -> tuple[Float[Array, ""], tuple[BinaryNet, dict[str, Array]]]:
    """Mean cross-entropy of a `BinaryNet` under the norms of the batch's task."""
    return _loss(model, batch, batch.task)


@final
class TaskNorms(WrappedLearner):
    """Gives a learner of a `BinaryNet` with `tasks` sets of norms the right one for each task.

    Only the present task's scales and shifts move; when it ends, the tasks to come start from
    them. Tests use each task's own: an oracle, for a network with shared norms is not told which
    task an image is from. The "task" scenario of Laborieux et al. (2021).

    `learner` is a `GradientLearner` with the loss `task_norm_loss`.
    """

    learner: Learner

    def step(self, state: State, input: Batch) -> tuple[State, dict[str, Array]]:
        """A step that leaves other tasks' norms alone, whatever the optimizer's decay is."""
        inner, record = self.learner.step(state["learner"], input)

        def only_now(old: Array, new: Array) -> Array:
            rows = jnp.arange(len(old)) == input.task
            return jnp.where(rows[:, None], new, old)

        old = _norms(state["learner"]["model"])
        norms = jax.tree.map(only_now, old, _norms(inner["model"]))
        return {**state, "learner": _with_norms(inner, norms)}, record

    def end_task(
        self, state: State, task: Int[Array, ""], examples: Batch, key: Key[Array, ""]
    ) -> State:
        """Hands the norms of this task on to those to come."""
        state = super().end_task(state, task, examples, key)

        def inherit(rows: Array) -> Array:
            later = jnp.arange(len(rows)) > task
            return jnp.where(later[:, None], rows[task][None], rows)

        inner = state["learner"]
        norms = jax.tree.map(inherit, _norms(inner["model"]))
        return {**state, "learner": _with_norms(inner, norms)}

    def predict_task(self, state: State, x: Array, task: Int[Array, ""]) -> Array:
        """Logits under the norms of `task`; all inputs are one batch."""
        learner: Any = self.learner
        return learner.model(state["learner"])(x, task)


def _loss(model: BinaryNet, batch: Batch, task: Any) -> tuple[Array, tuple[BinaryNet, dict]]:
    logits = model(batch.x, task)
    loss = masked_cross_entropy(logits, batch.y, batch.mask)
    return loss, (model, {"accuracy": accuracy(logits, batch.y)})


def _norms(model: BinaryNet) -> tuple[Any, Any]:
    return model.scales, model.shifts


def _with_norms(state: State, norms: tuple[Any, Any]) -> State:
    return {**state, "model": eqx.tree_at(_norms, state["model"], norms)}


def latent_weights(params: optax.Params) -> Any:
    """A mask for `optax.masked`: the latent weights of a `BinaryNet`, not its norms."""
    model: Any = params
    marked = jax.tree.map(lambda _: False, model)
    return eqx.tree_at(lambda m: m.weights, marked, jax.tree.map(lambda _: True, model.weights))
