"""New examples and old ones in the same step."""

from typing import final

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Int, Key

from engrax.core import Batch, State

from ._learner import WrappedLearner
from ._replay import ReplayBuffer


@final
class ReservoirReplay(WrappedLearner):
    """Experience replay: every step goes over a batch and as many stored examples as one likes
    (Chaudhry et al. 2019, Alg. 1).

    The inner learner sees both as one batch, so that each example weighs the same. While the memory
    is empty, the batch's own examples stand in for stored ones, in their order: with as many as in
    the batch, or a multiple, that is the step on the batch alone.

    **Fields:**

    - `learner`: what learns.
    - `buffer`: a reservoir. If it stores no masks, stored examples compete among the outputs that
      the batch's first example competes among.
    - `batch`: stored examples in a step, drawn with replacement.
    - `online`: whether every batch is offered to the memory right after its step, as on a stream
      without tasks; otherwise the examples of `end_task` are, and what `remember` is given.

    **Raises:** `ValueError` for a buffer of another policy, or fewer than one example.

    State: `{"learner", "stored", "key"}`, and if online `"drawn"`, the stored examples of the next
    step: they are drawn as soon as the memory has changed. Drawn later, from a memory that is
    written in the same step, they would make a compiled loop copy the whole memory twice a step.
    """

    buffer: ReplayBuffer
    batch: int = eqx.field(static=True, kw_only=True)
    online: bool = eqx.field(static=True, kw_only=True)

    def __check_init__(self) -> None:
        if self.buffer.policy != "reservoir" or self.batch < 1:
            raise ValueError(
                "ReservoirReplay needs a buffer with policy='reservoir' and a batch of at least 1, "
                f"got policy={self.buffer.policy!r} and batch={self.batch}"
            )

    def init(self, *, key: Key[Array, ""]) -> State:
        """The inner state, an empty memory, and the key of the draws."""
        state = {
            **super().init(key=key),
            "stored": self.buffer.init(),
            "key": jr.fold_in(key, 1),
        }
        return self._drawn(state) if self.online else state

    def step(self, state: State, input: Batch) -> tuple[State, dict[str, Array]]:
        """One step of the inner learner on the batch and on what is drawn."""
        key, _, store = jr.split(state["key"], 3)
        old = (state if self.online else self._drawn(state))["drawn"]
        inner, record = self.learner.step(state["learner"], self._joined(state, input, old))
        state = {**state, "learner": inner, "key": key}
        return (self.remember(state, input, store) if self.online else state), record

    def remember(
        self, state: State, batch: Batch, key: Key[Array, ""], rows: Int[Array, ""] | None = None
    ) -> State:
        """The state after the batch (its first `rows` examples) was offered to the memory."""
        task = jnp.int32(0) if batch.task is None else batch.task
        stored = self.buffer.add(state["stored"], batch, task, key, rows=rows)
        state = {**state, "stored": stored}
        return self._drawn(state) if self.online else state

    def end_task(
        self, state: State, task: Int[Array, ""], examples: Batch, key: Key[Array, ""]
    ) -> State:
        """The inner learner's end; if not online, the examples are offered to the memory."""
        state = super().end_task(state, task, examples, key)
        return state if self.online else self.remember(state, examples, key)

    def _drawn(self, state: State) -> State:
        """The state with the stored examples of its next step."""
        draw = jr.split(state["key"], 3)[1]
        return {**state, "drawn": self.buffer.sample(state["stored"], self.batch, draw)}

    def _joined(self, state: State, new: Batch, old: Batch) -> Batch:
        any_there = state["stored"].seen > 0
        stand_in = jnp.arange(self.batch) % len(new.y)
        x = jnp.where(any_there, old.x, new.x[stand_in])
        y = jnp.where(any_there, old.y.astype(new.y.dtype), new.y[stand_in])
        mask = None
        if new.mask is not None:
            first = jnp.broadcast_to(new.mask[:1], (self.batch, new.mask.shape[1]))
            if old.mask is not None:
                first = jnp.where(any_there, old.mask, new.mask[stand_in])
            mask = jnp.concatenate([new.mask, first])
        return Batch(
            jnp.concatenate([new.x, x]),
            jnp.concatenate([new.y, y]),
            new.task,
            None,
            mask,
        )
