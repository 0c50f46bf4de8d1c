"""What an old model said, as a target for a new one."""

from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from engrax.core import Batch, GradientLearner, State

from ._learner import WrappedLearner, is_later, part_of


def distillation(
    student: Float[Array, "*n classes"],
    teacher: Float[Array, "*n classes"],
    *,
    kind: str,
    temperature: float | Array,
    weight: float | Array,
) -> Float[Array, "*n"]:
    """`weight * T^2 * CE(p(teacher / T), p(student / T))` of each example, from logits.

    With T^2 the gradient's size does not depend on the temperature T (Hinton et al. 2015).

    **Arguments:** `kind`: "softmax", over all classes; "sigmoid", each class by itself, summed.

    **Raises:** `ValueError` for another kind.
    """
    T, scale = jnp.asarray(temperature), jnp.asarray(weight)
    target, found = teacher / T, student / T
    if kind == "softmax":
        each = -jax.nn.softmax(target) * jax.nn.log_softmax(found)
    elif kind == "sigmoid":
        p = jax.nn.sigmoid(target)
        each = -p * jax.nn.log_sigmoid(found) - (1 - p) * jax.nn.log_sigmoid(-found)
    else:
        raise ValueError(f"distillation got kind={kind!r}; give 'softmax' or 'sigmoid'")
    return scale * jnp.square(T) * jnp.sum(each, axis=-1)


@final
class LearningWithoutForgetting(WrappedLearner):
    """LwF: on the new task's inputs the net also has to say what it said before the task
    (Li & Hoiem 2016).

    From the second task on the loss is `L + weight * T^2 CE(old / T, new / T)`, or, with `shared`,
    `L / p + (1 - 1/p) * weight * T^2 CE(old / T, new / T)` in task p = 2, 3, ... (van de Ven &
    Tolias 2018). The second term is the mean over the examples of the present task, so a stream
    that rehearses old ones distills nothing on those.

    **Fields:** `learner`, whose loss is L and whose model maps one example to logits;
    `temperature`, `weight`: arrays; `shared`.
    """

    # Fields of a module are never assigned, so a narrower type is safe.
    learner: GradientLearner  # pyright: ignore - narrower, never assigned
    temperature: Float[Array, ""]
    weight: Float[Array, ""]
    shared: bool = eqx.field(static=True, kw_only=True)

    def init(self, *, key: Key[Array, ""]) -> State:
        """The learner's state, a teacher and the task's number, which the first task replaces."""
        state = super().init(key=key)
        return {**state, "teacher": part_of(state, "model"), "task": jnp.int32(0)}

    def start_task(self, state: State, task: Int[Array, ""], key: Key[Array, ""]) -> State:
        """The present model becomes the teacher."""
        state = super().start_task(state, task, key)
        number = jnp.asarray(task, jnp.int32)
        return {**state, "teacher": part_of(state, "model"), "task": number}

    def step(self, state: State, input: Batch) -> tuple[State, dict[str, Array]]:
        """One step on both losses; the loss reported is their sum."""
        task = state["task"]
        teacher = self.learner.model({**state["learner"], "model": state["teacher"]})
        targets = jax.lax.stop_gradient(jax.vmap(teacher)(input.x))
        tasks = task if input.task is None else input.task
        mine = jnp.broadcast_to(tasks == task, (len(input.y),)).astype(jnp.float32)
        old = 1 - 1 / (1 + task.astype(jnp.float32)) if self.shared else jnp.float32(1)
        new = 1 - old if self.shared else jnp.float32(1)
        later = is_later(task).astype(jnp.float32)

        def loss(model: Any, batch: Batch, key: Key[Array, ""]) -> Any:
            value, kept = self.learner.loss(model, batch, key)
            each = distillation(
                jax.vmap(model)(batch.x), targets, kind="softmax",
                temperature=self.temperature, weight=self.weight,
            )  # fmt: skip
            said = jnp.sum(mine * each) / jnp.maximum(jnp.sum(mine), 1)
            return new * value + later * old * said, kept

        learner = eqx.tree_at(lambda part: part.loss, self.learner, loss)
        inner, record = learner.step(state["learner"], input)
        return {**state, "learner": inner}, record
