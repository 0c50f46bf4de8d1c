"""Among which outputs an answer is sought when a task is tested.

Accuracy depends on it, so it is a required argument of `TaskSequence`. Each function gets the
outputs of every task (tasks, classes), the task i trained last and the task j tested, and gives the
outputs (classes,) that compete.
"""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

Labels = Bool[Array, "tasks classes"]
Task = Int[Array, ""]


def own_classes(labels: Labels, trained: Task, tested: Task) -> Bool[Array, " classes"]:
    """The outputs of the tested task: the task is known (task-incremental)."""
    return labels[tested]


def classes_up_to_tested(labels: Labels, trained: Task, tested: Task) -> Bool[Array, " classes"]:
    """The outputs of all tasks up to the tested one."""
    return _up_to(labels, tested)


def classes_seen(labels: Labels, trained: Task, tested: Task) -> Bool[Array, " classes"]:
    """The outputs of all tasks up to the one trained last, and of the tested one."""
    return _up_to(labels, trained) | labels[tested]


def all_classes(labels: Labels, trained: Task, tested: Task) -> Bool[Array, " classes"]:
    """All outputs of all tasks."""
    return jnp.any(labels, axis=0)


def _up_to(labels: Labels, task: Task) -> Bool[Array, " classes"]:
    return jnp.any(labels & (jnp.arange(len(labels)) <= task)[:, None], axis=0)
