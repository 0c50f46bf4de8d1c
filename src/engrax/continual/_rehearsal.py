"""A stream in which old tasks come back."""

from typing import Any, Literal, final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Int, Key

from engrax.core import Batch, State, named

from ._rehearsal_weights import rehearsal_counts
from ._tasks import TaskStream

Order = Literal["mixed", "block"]
Mode = Literal["exact", "sampled"]


def _of_source(name: str) -> Any:
    return property(lambda self: getattr(self.source, name), doc=f"`{name}` of the source.")


@final
class RehearsalStream(TaskStream):
    """The tasks of another stream, each with examples of old tasks among its own.

    When task `p` is visited, a list is made: all its examples, and `budget` more. How many of
    these belong to each old task says row `p` of `table`; what no old task takes is drawn from
    task `p` itself, so that all tables, and all phases, have the same number of steps. The list is
    gone over again in a new order every epoch. Examples lie where they are and are gathered by
    index, so a rehearsed one costs what a new one does. With `budget=0` this is `source`, bit for
    bit.

    **Fields:**

    - `source`: the tasks.
    - `table` (phases, tasks): shares of the old tasks in each phase, as `rehearsal_table` makes
      them; an array, so that schedules can be swept in one program.
    - `budget`: rehearsed examples of a phase.
    - `order`: "mixed" shuffles new and old examples together; "block" goes through the new ones
      first. The examples that fill no batch are left out, in "block" new ones.
    - `mode`: "exact" or "sampled" numbers, see `rehearsal_counts`.
    - `memory`: examples of each task that were kept to rehearse from, drawn once; None where all
      of an old task's examples come back.
    - `replace`: whether rehearsed examples are drawn independently; False takes them from a random
      order, so that none comes twice before all have come.
    - `shrinking`: with a `memory`, whether it is one store of `budget` examples: each old task's
      share is the first so many of those kept, so that what a task had to give up for later ones
      never comes back. An example of every class in turn is kept. Takes the place of `replace`.

    State: that of `source`, with `"order"` (rows + budget,), places in the list in the order of
    this epoch, and, with a budget, `"rehearsed"` (2, budget), tasks and rows of the rehearsed;
    `"memory"` (tasks, memory) if there is one.

    **Raises:** `ValueError` for sizes that do not fit, negative shares, or shares of tasks that
    have not come yet; another order or mode.
    """

    source: TaskStream
    table: Float[Array, "phases tasks"]
    budget: int = eqx.field(static=True)
    order: Order = eqx.field(static=True)
    mode: Mode = eqx.field(static=True)
    memory: int | None = eqx.field(static=True)
    replace: bool = eqx.field(static=True)
    shrinking: bool = eqx.field(static=True)

    # Data, indices and sizes are the source's; as fields they would be copied to the device twice.
    x = _of_source("x")
    y = _of_source("y")
    x_test = _of_source("x_test")
    y_test = _of_source("y_test")
    index = _of_source("index")
    count = _of_source("count")
    test_index = _of_source("test_index")
    test_count = _of_source("test_count")
    labels = _of_source("labels")
    output = _of_source("output")
    scaling = _of_source("scaling")
    batch = _of_source("batch")

    def __init__(
        self,
        source: TaskStream,
        table: Float[Array, "phases tasks"],
        budget: int,
        *,
        order: Order,
        mode: Mode = "exact",
        memory: int | None = None,
        replace: bool = True,
        shrinking: bool = False,
    ) -> None:
        self.source, self.table, self.budget = source, table, budget
        self.order, self.mode, self.memory, self.replace = order, mode, memory, replace
        self.shrinking = shrinking

    def __check_init__(self) -> None:
        tasks = self.source.tasks
        if self.budget < 0 or (self.memory is not None and self.memory < 1):
            raise ValueError(
                f"a rehearsal stream got budget={self.budget} and memory={self.memory}; give a "
                "budget from 0, and a memory from 1 or None"
            )
        if self.order not in ("mixed", "block") or self.mode not in ("exact", "sampled"):
            raise ValueError(
                f"a rehearsal stream got order={self.order!r} and mode={self.mode!r}; give 'mixed' "
                "or 'block', and 'exact' or 'sampled'"
            )
        if self.shrinking and self.memory is None:
            raise ValueError("a shrinking store needs a memory, the examples a task may keep in it")
        if self.table.shape != (tasks, tasks):
            raise ValueError(
                f"a table of rehearsal of shape {self.table.shape} does not fit {tasks} tasks; "
                "give a row of shares for every phase"
            )
        if not isinstance(self.table, Tracer):
            table = np.asarray(self.table)
            if (table < 0).any() or np.triu(table).any():
                raise ValueError(
                    "a table of rehearsal has a negative share, or one of a task that has not come "
                    "before that phase; row p shares out among the tasks 0 to p - 1"
                )

    def init(self, *, key: Key[Array, ""]) -> dict[str, Any]:
        """The source's state; lists that the first draw replaces; the memory."""
        state = self.source.init(key=key)
        rows = self.index.shape[1] + self.budget
        state["order"] = jnp.arange(rows, dtype=jnp.int32)
        if self.budget:
            state["rehearsed"] = jnp.zeros((2, self.budget), jnp.int32)
        if self.memory is not None:
            keys = jr.split(named(key, "memory"), self.tasks)
            every = jnp.arange(self.tasks, dtype=jnp.int32)
            orders = jax.vmap(self._permutation)(every, keys)
            if self.shrinking:
                orders = jax.vmap(lambda task, order: self._in_turn(state, task, order))(
                    every, orders
                )
            kept = jnp.arange(self.memory)[None] % self.count[:, None]
            state["memory"] = jnp.take_along_axis(orders, kept, 1)
        return state

    def draw(
        self, state: dict[str, Any], task: Int[Array, ""], place: Int[Array, ""]
    ) -> tuple[dict[str, Any], Batch]:
        """Batch number `place` of a visit to `task`; `task` of the batch is (batch,)."""
        if self.budget:
            state = jax.lax.cond(place == 0, lambda s: self._listed(s, task), lambda s: s, state)
        place = place % ((self.count[task] + self.budget) // self.batch)
        state = jax.lax.cond(place == 0, lambda s: self._shuffled(s, task), lambda s: s, state)
        start = (place * self.batch).astype(jnp.int32)
        spots = jax.lax.dynamic_slice(state["order"], (start,), (self.batch,))
        if not self.budget:
            return state, self.pick(state, jnp.full(self.batch, task, jnp.int32), spots)
        old = jnp.clip(spots - self.index.shape[1], 0, self.budget - 1)
        fresh = spots < self.index.shape[1]
        tasks = jnp.where(fresh, task, state["rehearsed"][0, old]).astype(jnp.int32)
        rows = jnp.where(fresh, spots, state["rehearsed"][1, old])
        return state, self.pick(state, tasks, rows)

    def counts(self, state: dict[str, Any]) -> Int[Array, " tasks"]:
        """How many examples of each task the present phase's rehearsal holds."""
        counts = jnp.zeros(self.tasks, jnp.int32)
        return counts.at[state["rehearsed"][0]].add(1) if self.budget else counts

    def _listed(self, state: dict[str, Any], task: Array) -> dict[str, Any]:
        """The state with the rehearsed examples of a phase."""
        key = named(state["key"], "rehearsed")
        share, drawn, shuffle = jr.split(key, 3)
        counts = rehearsal_counts(self.table[task], self.budget, self.mode, share)
        ends = jnp.cumsum(counts)
        number = jnp.arange(self.budget, dtype=jnp.int32)
        tasks = jnp.searchsorted(ends, number, side="right").astype(jnp.int32)
        tasks = jnp.where(number < ends[-1], tasks, task).astype(jnp.int32)
        limit = self.count if self.memory is None else jnp.full_like(self.count, self.memory)
        # What fills up the present task comes from all of it: there is no memory of it yet.
        pool = jnp.where(tasks == task, self.count[task], limit[tasks])
        if self.shrinking:
            first = jnp.where(number < ends[-1], (ends - counts)[tasks], ends[-1])
            spot = (number - first) % pool
        elif self.replace:
            share = jr.uniform(drawn, (self.budget,))
            spot = jnp.minimum((share * pool.astype(jnp.float32)).astype(jnp.int32), pool - 1)
        else:
            first = jnp.where(number < ends[-1], (ends - counts)[tasks], ends[-1])
            spot = self._without_replacement(shuffle, limit, task, tasks, number - first)
        if self.memory is None:
            rows = spot
        else:
            kept = state["memory"][tasks, jnp.minimum(spot, self.memory - 1)]
            rows = jnp.where(tasks == task, spot, kept)
        return {**state, "rehearsed": jnp.stack([tasks, rows.astype(jnp.int32)])}

    def _without_replacement(
        self, key: Key[Array, ""], limit: Array, task: Array, tasks: Array, rank: Array
    ) -> Int[Array, " budget"]:
        width = self.index.shape[1]
        pool = jnp.where(jnp.arange(self.tasks) == task, self.count, limit)
        longest = width if self.memory is None else max(width, self.memory)
        drawn = jr.uniform(key, (self.tasks, longest))
        drawn = jnp.where(jnp.arange(longest)[None] < pool[:, None], drawn, 2.0)
        orders = jnp.argsort(drawn, axis=1).astype(jnp.int32)
        return orders[tasks, rank % pool[tasks]]

    def _shuffled(self, state: dict[str, Any], task: Array) -> dict[str, Any]:
        """A new order of the list: places from `rows` on are the rehearsed ones."""
        key, now = jr.split(state["key"])
        rows, count = self.index.shape[1], self.count[task]
        spots = jnp.arange(rows + self.budget)
        drawn = jr.uniform(now, (rows + self.budget,))
        if self.order == "block":
            # New examples, the rehearsed ones, and the new ones that fill no batch.
            spare = (count + self.budget) % self.batch
            fresh = jnp.where(spots < count, drawn, 2.0)
            rank = jnp.argsort(jnp.argsort(fresh))
            late = (spots < count) & (rank >= count - spare)
            drawn = drawn + jnp.where(late, 2.0, jnp.where(spots >= rows, 1.0, 0.0))
        there = (spots < count) | (spots >= rows)
        # Padding comes last in any order.
        order = jnp.argsort(jnp.where(there, drawn, 4.0)).astype(jnp.int32)
        return {**state, "key": key, "order": order}

    def _in_turn(self, state: dict[str, Any], task: Array, order: Array) -> Int[Array, " rows"]:
        """The order with an example of every class in turn, padding last."""
        labels = self.pick(state, jnp.full(len(order), task, jnp.int32), order).y
        same = labels[:, None] == labels[None]
        rank = jnp.sum(jnp.tril(same, -1), axis=1)
        rank = jnp.where(jnp.arange(len(order)) < self.count[task], rank, len(order))
        return order[jnp.argsort(rank, stable=True)]

    def pick(self, state: State, tasks: Int[Array, " n"], rows: Int[Array, " n"]) -> Batch:
        """As the source picks them."""
        return self.source.pick(state, tasks, rows)

    def test(
        self, state: State, task: Int[Array, ""]
    ) -> tuple[Float[Array, "rows ..."], Int[Array, " rows"], Bool[Array, " rows"]]:
        """As the source tests it."""
        return self.source.test(state, task)

    def presented(
        self, state: State, x: Float[Array, "n ..."], tasks: Int[Array, " n"]
    ) -> Float[Array, "n ..."]:
        """As the source presents them."""
        return self.source.presented(state, x, tasks)

    def trained_outputs(self, tasks: Int[Array, " n"]) -> Bool[Array, "n classes"] | None:
        """As the source has them."""
        return self.source.trained_outputs(tasks)
