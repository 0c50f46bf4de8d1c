"""What a `ContinualClassifier` computes: strategies, learners with a mask, and its programs."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Int, Key

from engrax.continual import (
    ContinualLearner,
    ElasticWeightConsolidation,
    ReplayBuffer,
    ReservoirReplay,
    task_cross_entropy,
)
from engrax.core import Batch, GradientLearner, Learner, named

from ._credit import CREDITS, Hyper, Widths, layered

LEARNERS: dict[str, Callable[[Widths, int, Hyper], Learner]] = {
    "backprop": layered(GradientLearner, task_cross_entropy),
    **{
        name: CREDITS[name]
        for name in (
            "feedback_alignment",
            "sign_symmetric",
            "direct_feedback_alignment",
            "direct_random_target_projection",
            "target_propagation",
            "forward_gradient",
            "counter_current",
        )
    },
}
"""Learners whose outputs can be masked and can grow, under the names of `CREDITS`."""

ANCHORED = tuple(name for name in LEARNERS if name not in ("forward_gradient", "counter_current"))
"""Those whose weights are one model's, which a penalty can hold."""

STRATEGIES = ("finetune", "replay", "ewc")


class Setting(eqx.Module):
    """What the strategies need to know, the numbers as arrays."""

    features: int = eqx.field(static=True)
    memory: int = eqx.field(static=True)
    replay_batch: int = eqx.field(static=True)
    strength: Float[Array, ""]
    rate: Float[Array, ""]


class SeenLogProb(eqx.Module):
    """Log probabilities of one example among the outputs that were trained."""

    seen: Bool[Array, " heads"]

    def __call__(self, learner: Any, model: Any, x: Array) -> Float[Array, " heads"]:
        """For `ElasticWeightConsolidation`."""
        return jax.nn.log_softmax(jnp.where(self.seen, model(x), -jnp.inf))


def buffer_of(setting: Setting) -> ReplayBuffer:
    """A reservoir of rows."""
    return ReplayBuffer(setting.memory, 1, 1, (setting.features,), policy="reservoir")


def with_strategy(strategy: Any, learner: Learner, setting: Setting, seen: Array) -> Learner:
    """The learner under a strategy: a name, or a function from learner to learner."""
    if strategy == "finetune":
        return learner
    if strategy == "replay":
        return ReservoirReplay(
            learner, buffer_of(setting), batch=setting.replay_batch, online=False
        )
    if strategy == "ewc":
        return ElasticWeightConsolidation(
            learner, SeenLogProb(seen), setting.strength, setting.rate
        )
    return strategy(learner)


def keeps_recent(learner: Learner) -> bool:
    """Whether rows of the present task are kept, for the learner's `end_task`."""
    return isinstance(learner, ContinualLearner) and not isinstance(learner, ReservoirReplay)


@eqx.filter_jit
def initial(learner: Learner, buffer: ReplayBuffer, key: Key[Array, ""]) -> dict[str, Any]:
    """The state before the first row."""
    recent = buffer.init() if keeps_recent(learner) else None
    return {"learner": learner.init(key=key), "recent": recent}


def grown(old: Any, fresh: Any) -> Any:
    """The old state in the sizes of a fresh one with more heads; what is new is as it is there.

    Heads stand first in every axis that they are counted along.
    """

    def corner(a: Array, b: Array) -> Array:
        return a if a.shape == b.shape else b.at[tuple(slice(0, n) for n in a.shape)].set(a)

    return jax.tree.map(corner, old, fresh)


@eqx.filter_jit
def trained(
    learner: Learner,
    state: dict[str, Any],
    rows: tuple[Float[Array, "padded features"], Int[Array, " padded"]],
    seen: Bool[Array, " heads"],
    order: Int[Array, "most batch"],
    steps: Int[Array, ""],
    task: Int[Array, ""],
) -> tuple[dict[str, Any], Float[Array, ""]]:
    """After `steps` steps on these batches of rows, and their mean loss."""
    x, y = rows
    mask = jnp.broadcast_to(seen[None], (order.shape[1], len(seen)))

    def step(t: Array, carry: tuple[Any, Array]) -> tuple[Any, Array]:
        inner, total = carry
        inner, record = learner.step(inner, Batch(x[order[t]], y[order[t]], task, None, mask))
        return inner, total + record["loss"]

    inner, total = jax.lax.fori_loop(0, steps, step, (state["learner"], jnp.float32(0)))
    return {**state, "learner": inner}, total / steps.astype(jnp.float32)


@eqx.filter_jit
def remembered(
    learner: Learner,
    state: dict[str, Any],
    buffer: ReplayBuffer,
    rows: tuple[Float[Array, "padded features"], Int[Array, " padded"]],
    count: Int[Array, ""],
    task: Int[Array, ""],
    key: Key[Array, ""],
) -> dict[str, Any]:
    """After the first `count` rows were offered to the memory, where there is one."""
    batch = Batch(*rows, task)
    if isinstance(learner, ReservoirReplay):
        return {**state, "learner": learner.remember(state["learner"], batch, key, count)}
    if state["recent"] is None:
        return state
    return {**state, "recent": buffer.add(state["recent"], batch, task, key, rows=count)}


@eqx.filter_jit
def started(
    learner: Learner, state: dict[str, Any], task: Int[Array, ""], key: Key[Array, ""]
) -> dict[str, Any]:
    """After the learner was told that a task begins; rows of the one before are forgotten."""
    if not isinstance(learner, ContinualLearner):
        return state
    inner = learner.start_task(state["learner"], task, key)
    recent = state["recent"]
    if recent is not None:
        recent = recent._replace(filled=jnp.zeros_like(recent.filled), seen=jnp.int32(0))
    return {"learner": inner, "recent": recent}


def ended(
    learner: Learner,
    state: dict[str, Any],
    task: Int[Array, ""],
    seen: Bool[Array, " heads"],
    key: Key[Array, ""],
) -> dict[str, Any]:
    """After the learner was told that a task has ended, with the rows that were kept of it."""
    if not isinstance(learner, ContinualLearner) or state["recent"] is None:
        return state
    kept = int(min(state["recent"].seen, len(state["recent"].y)))
    if kept == 0:
        return state
    recent = state["recent"]
    batch = Batch(recent.x[:kept], recent.y[:kept], task, None, jnp.tile(seen, (kept, 1)))
    return {**state, "learner": _ended(learner, state["learner"], batch, key)}


@eqx.filter_jit
def _ended(learner: ContinualLearner, state: Any, batch: Batch, key: Key[Array, ""]) -> Any:
    return learner.end_task(state, batch.task, batch, named(key, "end"))


@eqx.filter_jit
def scored(
    learner: Learner,
    state: dict[str, Any],
    x: Float[Array, "padded features"],
    seen: Bool[Array, " heads"],
) -> Float[Array, "padded heads"]:
    """Scores of the heads that were trained, -inf of the others."""
    return jnp.where(seen[None], learner.predict(state["learner"], x), -jnp.inf)


def shapes_of(learner: Learner, buffer: ReplayBuffer) -> Any:
    """The state as shapes alone: nothing is allocated."""
    return eqx.filter_eval_shape(initial, learner, buffer, jr.key(0))
