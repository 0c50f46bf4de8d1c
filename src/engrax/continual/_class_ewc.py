"""Elastic weight consolidation for a head that grows."""

from typing import Any, Literal, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from engrax.core import Batch, State, named

from ._anchor import diagonal_fisher
from ._anchored import AnchoredLearner
from ._mixed_bce import label_log_likelihoods
from ._taught import TaughtLearner


@final
class ClassIncrementalEWC(AnchoredLearner):
    """EWC on the sigmoid loss of the classes that a task brought (Smith et al. 2023).

    After each task the Fisher diagonal of its examples is added up, and the anchor is where the
    task ended. A Fisher diagonal here is either

    - `fisher="batch"`, as the authors take it: squared gradients of means over batches of true
      labels, times the batch's size. Its size grows with the noise of such means, so that it
      depends on the batch;
    - `fisher="sample"`: squared gradients of single examples, with labels sampled from the net.

    Strengths do not transfer between the two.

    **Fields:** those of an `AnchoredLearner`, with a `TaughtLearner` inside; `fisher`; `batch`, of
    the first kind; `start_strength`: with `from_start`, the strength of a plain L2 pull to the
    starting weights during the first task ("with L2 start"). Without `from_start` nothing is held
    until a Fisher diagonal is known.
    """

    # Fields of a module are never assigned, so a narrower type is safe.
    learner: TaughtLearner  # pyright: ignore - narrower, never assigned
    fisher: Literal["batch", "sample"] = eqx.field(static=True, kw_only=True, default="batch")
    batch: int = eqx.field(static=True, kw_only=True)
    start_strength: Float[Array, ""] | None = eqx.field(kw_only=True, default=None)

    def __check_init__(self) -> None:
        if self.fisher not in ("batch", "sample") or self.batch < 1:
            raise ValueError(
                f"ClassIncrementalEWC got fisher={self.fisher!r} and batch={self.batch}; give "
                "'batch' or 'sample', and a batch of at least 1"
            )
        if self.from_start != (self.start_strength is not None):
            raise ValueError(
                "ClassIncrementalEWC starts from an anchor with a strength; give from_start=True "
                "and a start_strength, or neither"
            )

    def first_precision(self, state: State) -> PyTree[Array]:
        """What makes `strength` times it the strength of the start."""
        assert self.start_strength is not None
        share = self.start_strength / self.strength
        return jax.tree.map(lambda a: jnp.broadcast_to(share, a.shape), state["precision"])

    def important(
        self, state: State, examples: Batch, key: Key[Array, ""]
    ) -> tuple[State, PyTree[Array]]:
        """The Fisher diagonal of the task's examples, added to that of the tasks before."""
        found = self.fisher_of(state, examples, key)
        before = state["precision"]
        if self.from_start:
            first = jnp.asarray(examples.task) == 0
            before = jax.tree.map(lambda a: jnp.where(first, 0, a), before)
        return state, jax.tree.map(jnp.add, before, found)

    def fisher_of(self, state: State, examples: Batch, key: Key[Array, ""]) -> PyTree[Array]:
        """The Fisher diagonal of one task's examples."""
        params, rest = eqx.partition(self.learner.model(state["learner"]), eqx.is_inexact_array)
        n_old, n_seen = self.learner.known(jnp.asarray(examples.task, jnp.int32))

        def log_likelihoods(params: PyTree, x: Array) -> Array:
            model: Any = eqx.combine(params, rest)
            return label_log_likelihoods(model(x), n_old, n_seen)

        if self.fisher == "batch":
            size = min(self.batch, len(examples.y))
            found = diagonal_fisher(
                log_likelihoods, params, examples.x, examples.y,
                labels="true", reduce="batch", batch=size,
            )  # fmt: skip
        else:
            labels = named(key, "labels")
            found = diagonal_fisher(log_likelihoods, params, examples.x, key=labels)
        return jax.tree.structure(state["precision"]).unflatten(jax.tree.leaves(found))
