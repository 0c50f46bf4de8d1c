"""Several tasks over one set of examples: who emits what in which task."""

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Int, Key, Shaped

from engrax.core import Batch, State, Stream, named
from engrax.tasks import Scaling


class TaskStream(Stream):
    """A stream of several tasks, each over its own rows of shared data.

    `draw` gives batches of one task; `step`, which has nothing but the clock, gives batches of all
    tasks mixed, every example's task drawn uniformly: what joint training sees. Examples lie on
    the device as they are and are gathered by index.

    **Fields:** inputs and labels of the training part `x`, `y` and of the test part `x_test`,
    `y_test`; `index` (tasks, rows), `count` (tasks,): the rows of each task, padded; `test_index`,
    `test_count` alike; `labels` (tasks, classes): which outputs a task uses; `output` (tasks,
    labels): at which output a label stands; `batch`: examples a batch.

    State: `{"key", "order"}`, the order (rows,) of the present epoch, and what a subclass adds.
    """

    x: eqx.AbstractVar[Shaped[Array, "examples ..."]]
    y: eqx.AbstractVar[Int[Array, " examples"]]
    x_test: eqx.AbstractVar[Shaped[Array, "tests ..."]]
    y_test: eqx.AbstractVar[Int[Array, " tests"]]
    index: eqx.AbstractVar[Int[Array, "tasks rows"]]
    count: eqx.AbstractVar[Int[Array, " tasks"]]
    test_index: eqx.AbstractVar[Int[Array, "tasks test_rows"]]
    test_count: eqx.AbstractVar[Int[Array, " tasks"]]
    labels: eqx.AbstractVar[Bool[Array, "tasks classes"]]
    output: eqx.AbstractVar[Int[Array, "tasks all_labels"]]
    scaling: eqx.AbstractVar[Scaling]
    batch: eqx.AbstractVar[int]

    @property
    def tasks(self) -> int:
        """How many tasks there are."""
        return len(self.index)

    @abc.abstractmethod
    def presented(
        self, state: State, x: Float[Array, "n ..."], tasks: Int[Array, " n"]
    ) -> Float[Array, "n ..."]:
        """Scaled inputs as they look in their tasks."""

    @abc.abstractmethod
    def trained_outputs(self, tasks: Int[Array, " n"]) -> Bool[Array, "n classes"] | None:
        """The outputs that compete while each example trains; None for all of them."""

    def init(self, *, key: Key[Array, ""]) -> dict[str, Any]:
        """A key, and an order that the first draw replaces."""
        return {
            "key": named(key, "order"),
            "order": jnp.arange(self.index.shape[1], dtype=jnp.int32),
        }

    def draw(
        self, state: dict[str, Any], task: Int[Array, ""], place: Int[Array, ""]
    ) -> tuple[dict[str, Any], Batch]:
        """Batch number `place` of a visit to `task`.

        An epoch is a random order of the task's examples, drawn anew whenever `place` is a multiple
        of the task's batches; the last `count % batch` examples of that order are left out.
        """
        place = place % (self.count[task] // self.batch)
        # Wrapped, since JAX wants to hash a branch and a bound method hashes its arrays.
        state = jax.lax.cond(
            place == 0, lambda old: self._shuffled(old, task), lambda old: old, state
        )
        start = (place * self.batch).astype(jnp.int32)
        rows = jax.lax.dynamic_slice(state["order"], (start,), (self.batch,))
        batch = self.pick(state, jnp.full(self.batch, task, jnp.int32), rows)
        return state, batch._replace(task=task)

    def step(self, state: dict[str, Any], input: Int[Array, ""]) -> tuple[dict[str, Any], Batch]:
        """A batch of all tasks mixed; draws are independent."""
        key, task_key, row_key = jr.split(state["key"], 3)
        tasks = jr.randint(task_key, (self.batch,), 0, self.tasks, jnp.int32)
        share = jr.uniform(row_key, (self.batch,))
        rows = (share * self.count[tasks].astype(jnp.float32)).astype(jnp.int32)
        rows = jnp.minimum(rows, self.count[tasks] - 1)
        return {**state, "key": key}, self.pick(state, tasks, rows)

    def pick(self, state: State, tasks: Int[Array, " n"], rows: Int[Array, " n"]) -> Batch:
        """The given rows of the given tasks; `task` is (n,), `mask` (n, classes) or None."""
        index = self.index[tasks, rows]
        x = self.presented(state, self.scaling(self.x[index]), tasks)
        y = self.output[tasks, self.y[index]]
        return Batch(x, y, tasks, index, self.trained_outputs(tasks))

    def sample(self, state: State, task: Int[Array, ""], count: int, key: Key[Array, ""]) -> Batch:
        """`count` different training examples of a task; some come twice if it has fewer."""
        order = self._permutation(task, key)
        rows = order[jnp.arange(count) % self.count[task]]
        return self.pick(state, jnp.full(count, task, jnp.int32), rows)._replace(task=task)

    def test(
        self, state: State, task: Int[Array, ""]
    ) -> tuple[Float[Array, "rows ..."], Int[Array, " rows"], Bool[Array, " rows"]]:
        """Test inputs and labels of a task, padded, and which of them are there."""
        index = self.test_index[task]
        y = self.output[task, self.y_test[index]]
        here = jnp.arange(len(index)) < self.test_count[task]
        return self.view(state, self.x_test[index], task), y, here

    def view(
        self, state: State, x: Shaped[Array, "n ..."], task: Array | int = 0
    ) -> Float[Array, "n ..."]:
        """Raw inputs as a learner sees them in `task`.

        **Raises:** `ValueError` for a task that there is not; a traced task is not checked.
        """
        if isinstance(task, int) and not 0 <= task < self.tasks:
            raise ValueError(f"task {task} is not one of the tasks 0 to {self.tasks - 1}")
        return self.presented(state, self.scaling(x), jnp.full(len(x), task, jnp.int32))

    def _shuffled(self, state: dict[str, Any], task: Array) -> dict[str, Any]:
        key, now = jr.split(state["key"])
        return {**state, "key": key, "order": self._permutation(task, now)}

    def _permutation(self, task: Array, key: Key[Array, ""]) -> Int[Array, " rows"]:
        """The rows of a task in random order, then the padding."""
        rows = self.index.shape[1]
        drawn = jnp.where(jnp.arange(rows) < self.count[task], jr.uniform(key, (rows,)), 2.0)
        return jnp.argsort(drawn).astype(jnp.int32)


def check_batch(batch: int, counts: Any) -> None:
    """Refuses batches that do not fit the smallest task."""
    if not 1 <= batch <= min(counts):
        raise ValueError(
            f"batch={batch} does not fit tasks of {min(counts)} or more training examples; choose "
            f"a size from 1 to {min(counts)}"
        )
