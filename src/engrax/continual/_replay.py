"""Stored examples, and learners that go over them again."""

from typing import Literal, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from engrax.core import Batch, Learner, State, named

from ._learner import WrappedLearner, part_of, with_part

Policy = Literal["per_class", "per_task", "reservoir"]


class Stored(NamedTuple):
    """The content of a `ReplayBuffer`.

    **Fields:** `x` (places, ...), `y` (places,), `task` (places,) of each example; `mask` (places,
    classes) or None, the outputs that competed; `filled` (places,); `seen`, examples offered.
    """

    x: Float[Array, "places ..."]
    y: Int[Array, " places"]
    task: Int[Array, " places"]
    mask: Bool[Array, "places classes"] | None
    filled: Bool[Array, " places"]
    seen: Int[Array, ""]


@final
class ReplayBuffer(eqx.Module):
    """A memory of examples, of a fixed size.

    **Fields:**

    - `capacity`: examples for each class and task ("per_class"), for each task ("per_task"), or in
      all ("reservoir": every example offered so far is kept with the same probability, Vitter
      1985).
    - `tasks`, `classes`: how many there are; of no account for "reservoir".
    - `shape`: that of one example's input.
    - `policy`: see above.
    - `masked`: whether to store which outputs compete, too.

    **Raises:** `ValueError` for sizes below 1, or another policy.
    """

    capacity: int = eqx.field(static=True)
    tasks: int = eqx.field(static=True)
    classes: int = eqx.field(static=True)
    shape: tuple[int, ...] = eqx.field(static=True)
    policy: Policy = eqx.field(static=True, kw_only=True)
    masked: bool = eqx.field(static=True, kw_only=True, default=False)

    def __check_init__(self) -> None:
        if min(self.capacity, self.tasks, self.classes) < 1:
            raise ValueError(
                f"a replay buffer got capacity={self.capacity}, tasks={self.tasks} and "
                f"classes={self.classes}; give numbers of at least 1"
            )
        if self.policy not in ("per_class", "per_task", "reservoir"):
            raise ValueError(
                f"a replay buffer got policy={self.policy!r}; give 'per_class', 'per_task' or "
                "'reservoir'"
            )

    @property
    def places(self) -> int:
        """Examples there is room for."""
        return (
            self.capacity
            * {
                "per_class": self.tasks * self.classes,
                "per_task": self.tasks,
                "reservoir": 1,
            }[self.policy]
        )

    def init(self) -> Stored:
        """An empty memory."""
        return Stored(
            jnp.zeros((self.places, *self.shape)),
            jnp.zeros(self.places, jnp.int32),
            jnp.zeros(self.places, jnp.int32),
            jnp.zeros((self.places, self.classes), bool) if self.masked else None,
            jnp.zeros(self.places, bool),
            jnp.int32(0),
        )

    def add(
        self,
        stored: Stored,
        batch: Batch,
        task: Int[Array, ""],
        key: Key[Array, ""],
        *,
        rows: Int[Array, ""] | None = None,
    ) -> Stored:
        """Offers a batch of one task; the first ones of each class (task) are kept, or a reservoir.

        **Arguments:** `rows`: how many examples at the beginning of the batch are offered, where
        the rest is padding; all of them if `None`. For "reservoir" only.

        **Raises:** `ValueError` where the examples look unlike those stored, and for padding under
        another policy.
        """
        if batch.x.shape[1:] != self.shape or (self.masked and batch.mask is None):
            raise ValueError(
                f"examples of shape {batch.x.shape[1:]} with mask={batch.mask is not None} do not "
                f"fit a memory of shape {self.shape} with masked={self.masked}; make them alike"
            )
        if rows is not None and self.policy != "reservoir":
            raise ValueError(
                f"a memory with policy={self.policy!r} takes no padding; leave out rows"
            )
        count = len(batch.y)
        task = jnp.asarray(task, jnp.int32)
        offered = jnp.int32(count) if rows is None else rows
        if self.policy == "reservoir":
            place = self._reservoir(stored.seen, count, offered, key)
        else:
            place = self._slots(stored, batch.y, task)
        # A place of its own for what is not kept: writes there are dropped.
        mask = stored.mask
        if mask is not None:
            rows = jnp.broadcast_to(batch.mask, (count, mask.shape[1]))
            mask = mask.at[place].set(rows, mode="drop")
        return Stored(
            stored.x.at[place].set(batch.x, mode="drop"),
            stored.y.at[place].set(batch.y.astype(jnp.int32), mode="drop"),
            stored.task.at[place].set(jnp.full(count, task), mode="drop"),
            mask,
            stored.filled.at[place].set(True, mode="drop"),
            stored.seen + offered,
        )

    def draw(
        self, stored: Stored, count: int, task: Int[Array, ""], key: Key[Array, ""]
    ) -> tuple[Batch, Bool[Array, ""]]:
        """`count` stored examples of a task with replacement, and whether there are any."""
        mine = stored.filled & (stored.task == task)
        chosen = jr.categorical(key, jnp.where(mine, 0.0, -jnp.inf), shape=(count,))
        mask = None if stored.mask is None else stored.mask[chosen]
        return Batch(stored.x[chosen], stored.y[chosen], task, None, mask), jnp.any(mine)

    def sample(self, stored: Stored, count: int, key: Key[Array, ""]) -> Batch:
        """`count` stored examples of all tasks with replacement, from a reservoir.

        Of an empty memory they are zeros: see whether `stored.seen` is above 0.

        **Raises:** `ValueError` for another policy, whose places do not fill up from the first on.
        """
        if self.policy != "reservoir":
            raise ValueError(f"sample draws from a reservoir, and policy={self.policy!r}; use draw")
        kept = jnp.clip(stored.seen, 1, self.places).astype(jnp.int32)
        chosen = jr.randint(key, (count,), 0, kept, jnp.int32)
        mask = None if stored.mask is None else stored.mask[chosen]
        return Batch(stored.x[chosen], stored.y[chosen], stored.task[chosen], None, mask)

    def _slots(self, stored: Stored, y: Array, task: Array) -> Array:
        """Where each example goes; `places`, which is nowhere, for what is not kept."""
        groups = self.classes if self.policy == "per_class" else 1
        group = y if self.policy == "per_class" else jnp.zeros_like(y)
        same = group[:, None] == group[None]
        earlier = jnp.sum(jnp.tril(same, -1), axis=1)
        own = (stored.task[None] == task) & stored.filled[None]
        if self.policy == "per_class":
            own = own & (stored.y[None] == y[:, None])
        rank = earlier + jnp.sum(own, axis=1)
        place = (task * groups + group) * self.capacity + rank
        return jnp.where(rank < self.capacity, place, self.places).astype(jnp.int32)

    def _reservoir(self, seen: Array, count: int, offered: Array, key: Key[Array, ""]) -> Array:
        """Algorithm R for a batch at once; of several hits of one place the last one stays."""
        rank = jnp.arange(count, dtype=jnp.int32)
        number = seen + rank
        drawn = (jr.uniform(key, (count,)) * (number + 1).astype(jnp.float32)).astype(jnp.int32)
        place = jnp.where(number < self.capacity, number, drawn)
        place = jnp.where((place < self.capacity) & (rank < offered), place, self.places)
        place = place.astype(jnp.int32)
        last = jnp.full(self.places + 1, -1, jnp.int32).at[place].max(rank)
        return jnp.where(last[place] == rank, place, self.places)


@final
class ExemplarReplay(WrappedLearner):
    """A learner that goes over stored examples of all tasks after each task but the first.

    When a task ends, its examples are stored. Then `rehearsal`, a learner of the same model that
    knows nothing of projections, takes `steps` steps: one batch of every task seen, each from the
    same weights, and the changes added up, which for SGD is one step on the sum of the gradients
    (Xiao et al. 2024, App.).

    **Fields:** `learner`; `rehearsal`, with an optimizer of its own and a fresh one at every step;
    `buffer`; `steps`; `batch`: stored examples of each task in a step; `freeze_vectors`: leave
    leaves with fewer than two axes alone.
    """

    rehearsal: Learner
    buffer: ReplayBuffer
    steps: int = eqx.field(static=True, kw_only=True)
    batch: int = eqx.field(static=True, kw_only=True)
    freeze_vectors: bool = eqx.field(static=True, kw_only=True)

    def init(self, *, key: Key[Array, ""]) -> State:
        """The inner state, and an empty memory."""
        return {**super().init(key=key), "stored": self.buffer.init()}

    def step(self, state: State, input: Batch) -> tuple[State, dict[str, Array]]:
        """The inner learner's step: nothing is replayed while a task is learned."""
        inner, record = self.learner.step(state["learner"], input)
        return {**state, "learner": inner}, record

    def end_task(
        self, state: State, task: Int[Array, ""], examples: Batch, key: Key[Array, ""]
    ) -> State:
        """The inner learner's end, the examples stored, and the rehearsal."""
        state = super().end_task(state, task, examples, key)
        stored = self.buffer.add(state["stored"], examples, task, named(key, "store"))
        state = {**state, "stored": stored}
        return jax.lax.cond(
            jnp.asarray(task) > 0,
            lambda now: self._rehearsed(now, named(key, "rehearse")),
            lambda now: now,
            state,
        )

    def _rehearsed(self, state: State, key: Key[Array, ""]) -> State:
        fresh = self.rehearsal.init(key=key)
        tasks = jnp.arange(self.buffer.tasks, dtype=jnp.int32)

        def step(model: PyTree, now: Array) -> tuple[PyTree, None]:
            def change(task: Array) -> PyTree:
                batch, any_there = self.buffer.draw(
                    state["stored"], self.batch, task, jr.fold_in(now, task)
                )
                moved, _ = self.rehearsal.step(with_part(fresh, "model", model), batch)
                return jax.tree.map(
                    lambda b, a: jnp.where(any_there, b - a, 0), part_of(moved, "model"), model
                )

            changes = jax.lax.map(change, tasks)
            held = self.freeze_vectors
            return jax.tree.map(
                lambda a, d: a if held and a.ndim < 2 else a + d.sum(0), model, changes
            ), None

        model, _ = jax.lax.scan(step, part_of(state, "model"), jr.split(key, self.steps))
        return with_part(state, "model", model)
