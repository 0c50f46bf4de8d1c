"""What is measured beside accuracy: other ways to test, and which weights change their sign."""

import dataclasses
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key, UInt8

from engrax.core import State, System, accuracy
from engrax.probes import ranking_auc


class EpochMedians(eqx.Module):
    """A `reduce` for `TaskSequence`: the median of each epoch's steps."""

    per_epoch: int = eqx.field(static=True)

    def __call__(self, records: Float[Array, "steps ..."]) -> Float[Array, "epochs ..."]:
        """The medians, epoch by epoch."""
        cut = records.reshape(-1, self.per_epoch, *records.shape[1:])
        return jnp.median(cut, axis=1)


class Modes(eqx.Module):
    """A probe: the row of the accuracy matrix with binary weights, drawn and most probable."""

    def __call__(self, system: Any, state: State, t: Array) -> dict[str, Array]:
        """`accuracy_sample` and `accuracy_sign` (tasks,) after task `t`."""
        record = {}
        for mode in ("sample", "sign"):
            learner = dataclasses.replace(system.learner, mode=mode)
            tested = dataclasses.replace(system, learner=learner)
            record[f"accuracy_{mode}"] = tested.accuracies(state, t)["accuracy"]
        return record


@final
class Plasticity(System):
    """A task sequence of binary weights, and how well uncertainty foretells which of them move.

    Tick t adds `auc`: the chance that a weight whose sign task t changed had, when the task began,
    a larger variance than one whose sign stayed; and `changed`, their share. NaN never occurs: with
    no change at all, or nothing else, `auc` is 1/2.
    """

    inner: Any

    def __getitem__(self, name: str) -> System:
        return self.inner[name]

    def init(self, *, key: Key[Array, ""]) -> State:
        """The state of the sequence."""
        return self.inner.init(key=key)

    def step(self, state: State, input: Int[Array, ""]) -> tuple[State, dict[str, Array]]:
        """A task."""
        moved, record = self.inner.step(state, input)
        before, after = (_fields(s) for s in (state, moved))
        changed = (before < 0) != (after < 0)
        share = changed.mean(dtype=jnp.float32)
        # The variance falls with |theta|, which unlike the variance has no ties at 0.
        auc = ranking_auc(-jnp.abs(before), changed)
        auc = jnp.where((share > 0) & (share < 1), auc, 0.5)
        return moved, {**record, "auc": auc, "changed": share}


def _fields(state: State) -> Float[Array, " weights"]:
    model = state["learner"]["model"]
    return jnp.concatenate([leaf.reshape(-1) for leaf in jax.tree.leaves(model)])


class ValidationAccuracy(eqx.Module):
    """A probe: mean accuracy over all tasks on images that neither train nor test, 0 until the last
    task. Numbers of baselines are chosen by it.
    """

    x: UInt8[Array, "n ..."]
    y: Int[Array, " n"]

    def __call__(self, system: Any, state: State, t: Array) -> dict[str, Array]:
        """After task `t`."""
        tasks, learner = system["tasks"], system["learner"]

        def one(task: Array) -> Array:
            x = tasks.view(state["tasks"], self.x, task)
            if hasattr(learner, "predict_task"):
                return accuracy(learner.predict_task(state["learner"], x, task), self.y)
            return accuracy(learner.predict(state["learner"], x), self.y)

        def all_tasks() -> Array:
            return jax.lax.map(one, jnp.arange(tasks.tasks, dtype=jnp.int32)).mean()

        last = t == tasks.tasks - 1
        return {"validation_accuracy": jax.lax.cond(last, all_tasks, lambda: jnp.float32(0))}


def last_validation_accuracy(records: Any) -> Any:
    """What numbers of baselines are chosen by: (seed, value)."""
    return records["validation_accuracy"][..., -1]
