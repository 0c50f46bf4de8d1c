"""A net whose head grows, taught by what it was before the task."""

from collections.abc import Callable
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key, PyTree

from engrax.core import Batch, Differentiated, GradientLearner, State, named

from ._learner import WrappedLearner, part_of
from ._mixed_bce import Taught, feature_distillation


@final
class TaughtLoss(eqx.Module):
    """`criterion + feature_weight * feature_distillation`: a loss for the `GradientLearner` inside
    a `TaughtLearner`, whose batches have a `Taught` for their targets.

    **Fields:** `criterion`: `mixed_bce`, `new_class_bce`, `seen_class_bce`, `balanced_bce`,
    `seen_cross_entropy`, `softmax_kd` or a function like these; `feature_weight`: an array, or None
    where features are free.
    """

    criterion: Callable[..., Float[Array, ""]]
    feature_weight: Float[Array, ""] | None = None

    def __call__(
        self, model: Any, batch: Batch, key: Key[Array, ""]
    ) -> tuple[Float[Array, ""], tuple[Any, dict[str, Array]]]:
        """The loss of a `FeatureClassifier` or a model like it."""
        taught: Taught = batch.y
        features = model.body(batch.x)
        loss = self.criterion(
            model.classify(features), taught.labels, taught.logits, taught.n_old,
            n_seen=taught.n_seen,
        )  # fmt: skip
        if self.feature_weight is not None:
            pull = feature_distillation(features, taught.features)
            loss = loss + self.feature_weight * pull
        return loss, (model, {})


@final
class TaughtLearner(WrappedLearner):
    """A classifier that learns new classes from their images alone, and from its own past.

    When a task starts, the net as it is becomes the teacher; before the first task that is the net
    as it was initialized or pre-trained. Task t adds `classes_per_task` outputs to the head, which
    has room for all of them from the start: outputs are numbered in the order in which classes
    come, as `ShuffledSplitTasks` numbers them. Put an `AnchoredLearner` around it to hold weights.

    **Fields:** `learner`, a `GradientLearner` of a `FeatureClassifier` (or a model with `body(x)`
    and `classify(features)`) whose loss is a `TaughtLoss`; `classes_per_task`; `augment(x, key)`:
    what is done to a batch's inputs at random, before net and teacher see them; None for nothing.

    State: that of a wrapper, `"teacher"`, and `"task"`, the number of the present one.
    """

    # Fields of a module are never assigned, so a narrower type is safe.
    learner: GradientLearner  # pyright: ignore - narrower, never assigned
    classes_per_task: int = eqx.field(static=True)
    augment: Callable[[Array, Key[Array, ""]], Array] | None = None

    def __check_init__(self) -> None:
        if self.classes_per_task < 1:
            raise ValueError(
                f"a task brings at least one class, and was given {self.classes_per_task}"
            )

    def init(self, *, key: Key[Array, ""]) -> State:
        """The learner's state, and a teacher that the first task replaces."""
        state = super().init(key=key)
        return {**state, "teacher": part_of(state, "model"), "task": jnp.int32(0)}

    def start_task(self, state: State, task: Int[Array, ""], key: Key[Array, ""]) -> State:
        """The net as it is becomes the teacher."""
        state = super().start_task(state, task, key)
        return {**state, "teacher": part_of(state, "model"), "task": jnp.asarray(task, jnp.int32)}

    def model(self, state: State) -> Any:
        """The model with its present weights."""
        return self.learner.model(state["learner"])

    def trained(self, model: Any) -> PyTree[bool]:
        """Which leaves of a model learn."""
        return self.learner.trained(model)

    def step(self, state: State, input: Batch) -> tuple[State, dict[str, Array]]:
        """One step on the loss."""
        found = self.differentiate(state, input)
        return self.advance(state, found), found.record

    def differentiate(self, state: State, input: Batch) -> Differentiated:
        """The loss and its gradient on a batch, of which nothing has been learned yet."""
        if self.augment is not None:
            key = named(part_of(state, "key"), "augment")
            input = input._replace(x=self.augment(input.x, key))
        teacher = self.learner.model({**state["learner"], "model": state["teacher"]})
        features = jax.lax.stop_gradient(teacher.body(input.x))
        n_old, n_seen = self.known(state["task"])
        taught = Taught(input.y, teacher.classify(features), features, n_old, n_seen)
        return self.learner.differentiate(state["learner"], input._replace(y=taught))

    def advance(self, state: State, found: Differentiated) -> State:
        """The state after the optimizer's step along what `differentiate` found."""
        return {**state, "learner": self.learner.advance(state["learner"], found)}

    def known(self, task: Int[Array, ""]) -> tuple[Int[Array, ""], Int[Array, ""]]:
        """How many classes there were before a task, and there are with it."""
        return task * self.classes_per_task, (task + 1) * self.classes_per_task
