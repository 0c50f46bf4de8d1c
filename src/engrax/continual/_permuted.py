"""Permuted tasks: the same examples, their pixels in another order."""

from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key, Shaped

from engrax.core import State, named
from engrax.tasks import Dataset, Scaling, Split

from ._tasks import TaskStream, check_batch


@final
class PermutedTasks(TaskStream):
    """`n` tasks over the same images, each with its own fixed order of the pixels.

    All tasks share their labels (domain-incremental). The orders are drawn with the state, so that
    every seed has its own.

    **Arguments:** `first_identity`: whether the first task shows the images as they are.

    **Raises:** `ValueError` for fewer than one task, or a batch that does not fit the data.
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
    first_identity: bool = eqx.field(static=True)

    def __init__(
        self,
        data: Dataset | Split,
        n: int,
        *,
        first_identity: bool,
        batch: int,
        scaling: Scaling | None = None,
    ) -> None:
        if n < 1:
            raise ValueError(f"there must be at least one task, got n={n}")
        self.x, self.y = jnp.asarray(data.train.x), jnp.asarray(data.train.y)
        self.x_test, self.y_test = jnp.asarray(data.test.x), jnp.asarray(data.test.y)
        check_batch(batch, [len(self.x)])
        rows, tests = len(self.x), len(self.x_test)
        self.index = jnp.broadcast_to(jnp.arange(rows, dtype=jnp.int32)[None], (n, rows))
        self.test_index = jnp.broadcast_to(jnp.arange(tests, dtype=jnp.int32)[None], (n, tests))
        self.count, self.test_count = (jnp.full(n, k, jnp.int32) for k in (rows, tests))
        classes = 1 + int(max(np.max(data.train.y), np.max(data.test.y)))
        self.labels = jnp.ones((n, classes), bool)
        self.output = jnp.broadcast_to(jnp.arange(classes, dtype=jnp.int32)[None], (n, classes))
        self.scaling = (
            Scaling(shape=(int(np.prod(self.x.shape[1:])),)) if scaling is None else scaling
        )
        self.batch, self.first_identity = batch, first_identity

    def init(self, *, key: Key[Array, ""]) -> dict[str, Any]:
        """The state of any task stream, and `pixels` (tasks, features), the orders."""
        features = int(np.prod(self.x.shape[1:]))
        keys = jr.split(named(key, "pixels"), self.tasks)
        pixels = jax.vmap(lambda k: jr.permutation(k, features).astype(jnp.int32))(keys)
        if self.first_identity:
            pixels = pixels.at[0].set(jnp.arange(features, dtype=jnp.int32))
        return {**super().init(key=key), "pixels": pixels}

    def presented(
        self, state: State, x: Float[Array, "n ..."], tasks: Int[Array, " n"]
    ) -> Float[Array, "n ..."]:
        """Each input with its pixels in its task's order."""
        pixels = state["pixels"].at[tasks].get(mode="promise_in_bounds")
        flat = x.reshape(len(x), -1)
        rows = jnp.take_along_axis(flat, pixels, axis=1, mode="promise_in_bounds")
        return rows.reshape(x.shape)

    def trained_outputs(self, tasks: Int[Array, " n"]) -> None:
        """All outputs compete: the head is shared."""
        return None
