"""Split tasks whose classes come in another order for every seed."""

from typing import final

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key, Shaped

from engrax.core import Batch, State, named
from engrax.tasks import Dataset, Scaling, Split

from ._split import rows_by_task
from ._tasks import TaskStream, check_batch


@final
class ShuffledSplitTasks(TaskStream):
    """The classes in groups of `classes_per_task`, in an order that each seed draws for itself.

    Outputs are numbered in the order in which classes come: the class that comes k-th stands at
    output k, so that task t has the outputs from `t * classes_per_task` on, whatever its classes.
    While it trains, all outputs up to its own compete (class-incremental). `SplitTasks` has one
    order for all seeds.

    **Arguments:** `data` with as many training examples of every class.

    State: that of a stream, and `"classes"` (classes,), the labels in the order in which they come.

    **Raises:** `ValueError` where classes do not fill the groups or differ in their numbers of
    training examples, or a batch does not fit a task.
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
    members: Int[Array, "classes each"]
    """The rows of each label."""
    test_members: Int[Array, "classes each_test"]
    """The test rows of each label, padded."""
    test_each: Int[Array, " classes"]
    """Test rows of each label."""
    scaling: Scaling
    batch: int = eqx.field(static=True)

    def __init__(
        self,
        data: Dataset | Split,
        classes_per_task: int,
        *,
        batch: int,
        scaling: Scaling | None = None,
    ) -> None:
        classes = 1 + int(max(np.max(data.train.y), np.max(data.test.y)))
        if classes_per_task < 1 or classes % classes_per_task:
            raise ValueError(
                f"{classes} classes cannot be cut into tasks of {classes_per_task}; give a whole "
                "number of groups"
            )
        members, each = rows_by_task(np.asarray(data.train.y), classes)
        if len(set(each.tolist())) > 1:
            raise ValueError(
                f"classes have from {each.min()} to {each.max()} training examples; give as many "
                "of each, since any of them may come first"
            )
        tasks, rows = classes // classes_per_task, classes_per_task * int(each[0])
        check_batch(batch, [rows])
        self.x, self.y = jnp.asarray(data.train.x), jnp.asarray(data.train.y)
        self.x_test, self.y_test = jnp.asarray(data.test.x), jnp.asarray(data.test.y)
        test_members, test_each = rows_by_task(np.asarray(data.test.y), classes)
        self.members, self.test_members = jnp.asarray(members), jnp.asarray(test_members)
        self.test_each = jnp.asarray(test_each)
        # Places, not rows: the k-th `each` of them belong to the class that comes k-th.
        places = np.arange(tasks * rows, dtype=np.int32).reshape(tasks, rows)
        self.index, self.count = jnp.asarray(places), jnp.full(tasks, rows, jnp.int32)
        test_rows = classes_per_task * test_members.shape[1]
        places = np.arange(tasks * test_rows, dtype=np.int32).reshape(tasks, test_rows)
        self.test_index = jnp.asarray(places)
        self.test_count = jnp.full(tasks, test_rows, jnp.int32)
        task_of = np.arange(classes) // classes_per_task
        self.labels = jnp.asarray(task_of[None] == np.arange(tasks)[:, None])
        self.output = jnp.broadcast_to(jnp.arange(classes, dtype=jnp.int32), (tasks, classes))
        self.scaling = Scaling() if scaling is None else scaling
        self.batch = batch

    def init(self, *, key: Key[Array, ""]) -> dict[str, Array]:
        """That of any stream, and the order of classes."""
        classes = jr.permutation(named(key, "classes"), len(self.members)).astype(jnp.int32)
        return {**super().init(key=key), "classes": classes}

    def pick(self, state: State, tasks: Int[Array, " n"], rows: Int[Array, " n"]) -> Batch:
        """The given rows of the given tasks; `index` says where they stand in the data."""
        place = self.index[tasks, rows]
        each = self.members.shape[1]
        came = place // each
        index = self.members[state["classes"][came], place % each]
        x = self.presented(state, self.scaling(self.x[index]), tasks)
        return Batch(x, came, tasks, index, self.trained_outputs(tasks))

    def test(
        self, state: State, task: Int[Array, ""]
    ) -> tuple[Float[Array, "rows ..."], Int[Array, " rows"], Bool[Array, " rows"]]:
        """Test inputs and outputs of a task, padded, and which of them are there."""
        place = self.test_index[task]
        each = self.test_members.shape[1]
        came = place // each
        label = state["classes"][came]
        index = self.test_members[label, place % each]
        return (
            self.view(state, self.x_test[index], task),
            came,
            place % each < self.test_each[label],
        )

    def presented(
        self, state: State, x: Float[Array, "n ..."], tasks: Int[Array, " n"]
    ) -> Float[Array, "n ..."]:
        """Inputs look the same in every task."""
        return x

    def trained_outputs(self, tasks: Int[Array, " n"]) -> Bool[Array, "n classes"]:
        """All outputs up to the task's."""
        return jnp.cumsum(self.labels, axis=0)[tasks] > 0

    def outputs_of(self, state: State, labels: Int[Array, " n"]) -> Int[Array, " n"]:
        """At which outputs labels stand for this seed."""
        return jnp.argsort(state["classes"]).astype(jnp.int32)[labels]
