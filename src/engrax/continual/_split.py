"""Split tasks: some of the classes at a time."""

from collections.abc import Sequence
from typing import Literal, final

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Shaped

from engrax.core import State
from engrax.tasks import Dataset, Scaling, Split

from ._tasks import TaskStream, check_batch

Heads = Literal["task", "shared", "growing"]
"""What a task's labels stand at, and which outputs compete while it trains."""


def rows_by_task(
    task_of_row: Int[np.ndarray, " examples"], tasks: int
) -> tuple[Int[np.ndarray, "tasks rows"], Int[np.ndarray, " tasks"]]:
    """The rows of each task in the order of the data, padded to the longest, and their numbers;
    rows with a negative task are left out.
    """
    members = [np.flatnonzero(task_of_row == task) for task in range(tasks)]
    count = np.array([len(rows) for rows in members], np.int32)
    index = np.zeros((tasks, max(1, count.max())), np.int32)
    for row, found in zip(index, members, strict=True):
        row[: len(found)] = found
    return index, count


@final
class SplitTasks(TaskStream):
    """The classes in groups of `classes_per_task`, one group a task.

    **Arguments:**

    - `order`: the labels in the order in which they come, a whole number of groups. Labels that
      are not in it are left out.
    - `heads`: "task": each label has an output of its own, and only the outputs of the example's
      task compete (a head a task, task-incremental); "growing": an output of its own, and all
      outputs up to the task's compete (class-incremental); "shared": the i-th label of every task
      stands at output i (domain-incremental).

    **Raises:** `ValueError` where labels are out of range, come twice or do not fill the groups,
    and for a batch that does not fit the smallest task.
    """

    x: Shaped[Array, "examples ..."]
    y: Int[Array, " examples"]
    x_test: Shaped[Array, "tests ..."]
    y_test: Int[Array, " tests"]
    index: Int[Array, "tasks rows"]
    count: Int[Array, " tasks"]
    test_index: Int[Array, "tasks test_rows"]
    test_count: Int[Array, " tasks"]
    labels: Bool[Array, "tasks classes"]
    output: Int[Array, "tasks all_labels"]
    scaling: Scaling
    batch: int = eqx.field(static=True)
    heads: Heads = eqx.field(static=True)

    def __init__(
        self,
        data: Dataset | Split,
        classes_per_task: int,
        *,
        order: Sequence[int],
        heads: Heads,
        batch: int,
        scaling: Scaling | None = None,
    ) -> None:
        classes = 1 + int(max(np.max(data.train.y), np.max(data.test.y)))
        task_of = _task_of_label(order, classes, classes_per_task)
        tasks = len(order) // classes_per_task
        self.x, self.y = jnp.asarray(data.train.x), jnp.asarray(data.train.y)
        self.x_test, self.y_test = jnp.asarray(data.test.x), jnp.asarray(data.test.y)
        index, count = rows_by_task(task_of[np.asarray(data.train.y)], tasks)
        test_index, test_count = rows_by_task(task_of[np.asarray(data.test.y)], tasks)
        check_batch(batch, count)
        self.index, self.count = jnp.asarray(index), jnp.asarray(count)
        self.test_index, self.test_count = jnp.asarray(test_index), jnp.asarray(test_count)
        place = np.zeros(classes, np.int32)
        place[np.asarray(order)] = np.arange(len(order))
        if heads == "shared":
            output = np.broadcast_to(place % classes_per_task, (tasks, classes))
            labels = np.ones((tasks, classes_per_task), bool)
        else:
            output = np.broadcast_to(np.arange(classes), (tasks, classes))
            labels = task_of[None] == np.arange(tasks)[:, None]
        self.output, self.labels = jnp.asarray(output, jnp.int32), jnp.asarray(labels)
        self.scaling = Scaling() if scaling is None else scaling
        self.batch, self.heads = batch, heads

    def presented(
        self, state: State, x: Float[Array, "n ..."], tasks: Int[Array, " n"]
    ) -> Float[Array, "n ..."]:
        """Inputs look the same in every task."""
        return x

    def trained_outputs(self, tasks: Int[Array, " n"]) -> Bool[Array, "n classes"] | None:
        """The task's own outputs, or all up to the task's; None where the head is shared."""
        if self.heads == "shared":
            return None
        if self.heads == "task":
            return self.labels[tasks]
        return jnp.cumsum(self.labels, axis=0)[tasks] > 0


def _task_of_label(
    order: Sequence[int], classes: int, classes_per_task: int
) -> Int[np.ndarray, " classes"]:
    """The task in which each label comes, -1 where it never does."""
    wrong = [label for label in order if not 0 <= label < classes]
    if wrong:
        raise ValueError(
            f"label {wrong[0]} in the order of tasks is out of range; the data have labels 0 to "
            f"{classes - 1}"
        )
    if len(set(order)) < len(order):
        raise ValueError("a label comes twice in the order of tasks; name each label once")
    if classes_per_task < 1 or not len(order) or len(order) % classes_per_task:
        raise ValueError(
            f"{len(order)} labels cannot be cut into tasks of {classes_per_task}; give a whole "
            "number of groups"
        )
    task_of = np.full(classes, -1, np.int32)
    task_of[np.asarray(order)] = np.arange(len(order)) // classes_per_task
    return task_of
