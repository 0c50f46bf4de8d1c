"""Tasks one after another, and the row of the accuracy matrix after each."""

from collections.abc import Callable
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from engrax.core import Learner, State, System, correct, named

from ._candidates import classes_up_to_tested, own_classes
from ._learner import end_task, fresh_optimizer, predict_task, start_task
from ._tasks import TaskStream

Candidates = Callable[[Array, Array, Array], Bool[Array, " classes"]]


def mean_over_steps(records: Array) -> Array:
    """The mean over the leading axis, in which the steps of a task are stacked."""
    return records.mean(0)


@final
class TaskSequence(System):
    """One tick is one task: `steps` batches of it, the learner's hooks around them, and a test.

    Tick `i` records `accuracy` (tasks,), row i of the matrix R, `own_accuracy` (tasks,), the same
    among each task's own outputs alone (the matrix A), and what the learner reports of its steps;
    with `trace` also `trace` (steps // trace,), how the task is learned.

    **Fields:**

    - `learner`, `tasks`: what learns, and from what.
    - `steps`: batches a task.
    - `candidates`: among which outputs R seeks the answer: `own_classes`, `classes_up_to_tested`,
      `classes_seen`, `all_classes` or a function like these. R means nothing without it.
    - `reset_optimizer`: whether every task starts with a fresh state of the optimizer.
    - `mixed`: every batch is drawn from all tasks, as joint training sees them; the learner is told
      of no task. An upper bound, not a way to learn one task after another.
    - `examples`: training examples of a task that the learner's `end_task` may read.
    - `reduce`: what is kept of the learner's reports, stacked over the steps in the leading axis.
    - `known`: whether to record `known_accuracy` (tasks,) too, among the outputs of all tasks up to
      the tested one, which `global_forgetting` reads.
    - `trace`: steps between two tests of the present task while it is learned; None for no such
      tests, which cost as much as all of its test images do.

    State: `{"key", "tasks", "learner"}`.
    """

    learner: Learner
    tasks: TaskStream
    steps: int = eqx.field(static=True)
    candidates: Candidates = eqx.field(kw_only=True)
    reset_optimizer: bool = eqx.field(static=True, kw_only=True)
    mixed: bool = eqx.field(static=True, kw_only=True, default=False)
    examples: int = eqx.field(static=True, kw_only=True, default=300)
    reduce: Callable[[Array], Array] = eqx.field(kw_only=True, default=mean_over_steps)
    known: bool = eqx.field(static=True, kw_only=True, default=False)
    trace: int | None = eqx.field(static=True, kw_only=True, default=None)

    def __check_init__(self) -> None:
        if self.trace is not None and not 1 <= self.trace <= self.steps:
            raise ValueError(
                f"trace={self.trace} does not fit {self.steps} steps a task; choose from 1 to "
                f"{self.steps}, or None"
            )
        if self.steps < 1 or self.examples < 1:
            raise ValueError(
                f"a task sequence needs steps and examples of at least 1, got steps={self.steps} "
                f"and examples={self.examples}"
            )

    def __getitem__(self, name: str) -> System:
        if name not in ("tasks", "learner"):
            raise KeyError(f"no part is called {name!r}; the parts are tasks, learner")
        return self.tasks if name == "tasks" else self.learner

    def init(self, *, key: Key[Array, ""]) -> dict[str, Any]:
        """The states of both parts, under keys of their names, and a key for the hooks."""
        return {
            "key": named(key, "hooks"),
            "tasks": self.tasks.init(key=named(key, "tasks")),
            "learner": self.learner.init(key=named(key, "learner")),
        }

    def step(
        self, state: dict[str, Any], input: Int[Array, ""]
    ) -> tuple[dict[str, Any], dict[str, Array]]:
        """Learns task `input` and tests all tasks."""
        task = input
        start, end, reset, chosen = (
            jax.random.fold_in(named(state["key"], part), task)
            for part in ("start", "end", "reset", "examples")
        )
        learner = state["learner"]
        if not self.mixed:
            learner = start_task(self.learner, learner, task, start)
        if self.reset_optimizer:
            learner = fresh_optimizer(self.learner, learner, reset)

        def train(carry: tuple[State, State], place: Array) -> tuple[tuple[State, State], Any]:
            tasks, learner = carry
            if self.mixed:
                tasks, batch = self.tasks.step(tasks, place)
            else:
                tasks, batch = self.tasks.draw(tasks, task, place)
            learner, record = self.learner.step(learner, batch)
            return (tasks, learner), record

        (tasks, learner), records, traced = self._scanned(train, (state["tasks"], learner), task)
        if not self.mixed:
            batch = self.tasks.sample(tasks, task, self.examples, chosen)
            learner = end_task(self.learner, learner, task, batch, end)
        new = {"key": state["key"], "tasks": tasks, "learner": learner}
        records = jax.tree.map(self.reduce, records)
        return new, {**records, **traced, **self.accuracies(new, task)}

    def _scanned(
        self, train: Callable[[Any, Array], Any], carry: tuple[State, State], task: Array
    ) -> tuple[tuple[State, State], Any, dict[str, Array]]:
        """All steps of a task; with `trace`, in blocks with a test after each."""
        places = jnp.arange(self.steps, dtype=jnp.int32)
        if self.trace is None:
            return *jax.lax.scan(train, carry, places), {}
        whole = self.steps // self.trace * self.trace

        def block(carry: tuple[State, State], places: Array) -> tuple[tuple[State, State], Any]:
            carry, records = jax.lax.scan(train, carry, places)
            tasks, learner = carry
            x, y, here = self.tasks.test(tasks, task)
            outputs = self.learner.predict(learner, x)
            among = self.candidates(self.tasks.labels, task, task)
            right = correct(jnp.where(among[None], outputs, -jnp.inf), y)
            return carry, (records, jnp.sum(right & here) / jnp.sum(here))

        carry, (records, trace) = jax.lax.scan(block, carry, places[:whole].reshape(-1, self.trace))
        records = jax.tree.map(lambda a: a.reshape(whole, *a.shape[2:]), records)
        if whole < self.steps:
            carry, rest = jax.lax.scan(train, carry, places[whole:])
            records = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), records, rest)
        return carry, records, {"trace": trace}

    def accuracies(
        self, state: dict[str, Any], trained: Int[Array, ""]
    ) -> dict[str, Float[Array, " tasks"]]:
        """Test accuracy on every task; a tie or a NaN is wrong."""
        rules: dict[str, Candidates] = {"accuracy": self.candidates, "own_accuracy": own_classes}
        if self.known:
            rules["known_accuracy"] = classes_up_to_tested

        def tested(task: Array) -> dict[str, Array]:
            x, y, here = self.tasks.test(state["tasks"], task)
            outputs = predict_task(self.learner, state["learner"], x, task)

            def share(candidates: Candidates) -> Array:
                among = candidates(self.tasks.labels, trained, task)
                right = correct(jnp.where(among[None], outputs, -jnp.inf), y)
                return jnp.sum(right & here) / jnp.sum(here)

            return {name: share(candidates) for name, candidates in rules.items()}

        return jax.lax.map(tested, jnp.arange(self.tasks.tasks, dtype=jnp.int32))


def task_cross_entropy(
    model: Any, batch: Any, key: Key[Array, ""]
) -> tuple[Float[Array, ""], tuple[Any, dict[str, Array]]]:
    """Mean softmax cross-entropy over the batch, among the outputs that `batch.mask` lets compete.

    A loss for `GradientLearner`, for models of one example.
    """
    logits = jax.vmap(model)(batch.x)
    return masked_cross_entropy(logits, batch.y, batch.mask), (model, {})


def masked_cross_entropy(
    logits: Float[Array, "batch classes"],
    labels: Int[Array, " batch"],
    mask: Bool[Array, "batch classes"] | None,
) -> Float[Array, ""]:
    """Mean softmax cross-entropy among the outputs in the mask; among all without one."""
    if mask is not None:
        logits = jnp.where(mask, logits, -jnp.inf)
    right = jnp.take_along_axis(logits, labels[:, None], 1)[:, 0]
    return jnp.mean(jax.nn.logsumexp(logits, axis=1) - right)
