"""What is measured beside accuracy: captured energy, principal angles, interference."""

from typing import Any, final

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, Key

from engrax.continual import HebbianOrthogonalProjection, WrappedLearner
from engrax.core import Batch, State, named
from engrax.probes import captured_energy

from ._learners import Samples, span

CARRIED = 0.9
"""Share of the activity's energy that the compared principal components carry."""


class Subspaces(eqx.Module):
    """How well the lateral neurons span the activity of the task that was just learned, on test
    images: against its uncentered principal components, which are the best there is.
    """

    samples: Samples
    rows: tuple[tuple[int, ...], ...] = eqx.field(static=True)

    def __call__(self, system: Any, state: State, t: Array) -> dict[str, Array]:
        """After task `t`, for each layer.

        `energy`: share of the activity in the rows' span, as 1 - |X - X H^T H|^2 / |X|^2;
        `best_energy`: the same for the old rows and as many principal components of what they
        leave over as there are new rows; `alignment`: mean squared cosine between the rows' span
        and the principal components that carry 90 % of the energy; `components`: how many these
        are; `cosine` (component,): the cosines, largest first, zero beyond.
        """
        learner = system["learner"]
        x, _, _ = system["tasks"].test(state["tasks"], t)
        model = learner.learner.model(state["learner"]["learner"])
        found = [
            self._layer(level, a, circuit.rows, t)
            for level, (a, circuit) in enumerate(
                zip(self.samples(model, x), state["learner"]["circuits"], strict=True)
            )
        ]
        longest = max(len(each["cosine"]) for each in found)
        for each in found:
            each["cosine"] = jnp.pad(each["cosine"], (0, longest - len(each["cosine"])))
        return {name: jnp.stack([each[name] for each in found]) for name in found[0]}

    def _layer(self, level: int, x: Array, rows: Array, t: Array) -> dict[str, Array]:
        new = jnp.asarray([r[level] for r in self.rows])
        old = jnp.cumsum(new) - new
        before = span(jnp.where(jnp.arange(len(rows))[:, None] < old[t], rows, 0))
        left = x - (x @ before.T) @ before
        total = jnp.sum(jnp.square(x))
        power = jnp.linalg.eigvalsh(left.T @ left)[::-1]
        added = jnp.sum(jnp.where(jnp.arange(len(power)) < new[t], power, 0))
        values, vectors = jnp.linalg.eigh(x.T @ x)
        carried = jnp.cumsum(values[::-1]) / total
        needed = 1 + jnp.sum(carried < CARRIED)
        first = jnp.where(jnp.arange(len(values))[:, None] < needed, vectors.T[::-1], 0)
        overlap = span(rows) @ first.T
        squared = jnp.linalg.eigvalsh(overlap @ overlap.T)[::-1]
        cosine = jnp.sqrt(jnp.clip(squared, 0, 1))
        return {
            "energy": captured_energy(x, rows),
            "best_energy": (total - jnp.sum(jnp.square(left)) + added) / total,
            "alignment": jnp.sum(jnp.square(cosine)) / needed.astype(jnp.float32),
            "components": needed.astype(jnp.int32),
            "cosine": cosine,
        }


@final
class Interference(WrappedLearner):
    """HLOP, with two measurements at every step; what is learned does not change.

    `interference` (layer,): |dW X^T| / |G X^T| for the weights' change dW as applied, the change G
    as the learner alone would make it, and the activity X of images of the first task at its end:
    how much of a step reaches old outputs. `random_interference`: the same with the projection on
    as many random directions. Both are 1 in the first task. `energy` (layer,): share of the
    batch's activity that all rows span, which shows them learning. `images` of the first task are
    kept to measure with, and `directions` random ones taken out at each layer.
    """

    # Fields of a module are never assigned, so a narrower type is safe.
    learner: HebbianOrthogonalProjection  # pyright: ignore - narrower, never assigned
    samples: Samples
    images: int = eqx.field(static=True)
    directions: tuple[int, ...] = eqx.field(static=True)

    def init(self, *, key: Key[Array, ""]) -> State:
        """The inner state, no old activity, and the random directions."""
        state = super().init(key=key)
        sizes = [circuit.n for circuit in self.learner.circuits]
        keys = [named(key, f"random{level}") for level in range(len(sizes))]
        return {
            **state,
            "old": tuple(jnp.zeros((self.images, n)) for n in sizes),
            "random": tuple(
                jnp.linalg.qr(jr.normal(k, (n, count)))[0].T
                for k, n, count in zip(keys, sizes, self.directions, strict=True)
            ),
        }

    def step(self, state: State, input: Batch) -> tuple[State, dict[str, Array]]:
        """One step of HLOP, measured."""
        inner: Any = self.learner.learner
        model = inner.model(state["learner"]["learner"])
        moved = self.learner.advance(state["learner"], input)
        applied, random, energy = [], [], []
        activity = self.samples(model, input.x)
        circuits = moved.state["circuits"]
        for level, old in enumerate(state["old"]):
            raw, basis = moved.raw[level], state["random"][level]
            whole = jnp.linalg.norm(raw @ old.T)

            def share(change: Array, old: Array = old, whole: Array = whole) -> Array:
                reached = jnp.linalg.norm(change @ old.T)
                return jnp.where(whole > 0, reached / jnp.where(whole > 0, whole, 1), 1)

            applied.append(share(moved.applied[level]))
            random.append(share(raw - (raw @ basis.T) @ basis))
            energy.append(captured_energy(activity[level], circuits[level].rows))
        measured = {
            "interference": jnp.stack(applied),
            "random_interference": jnp.stack(random),
            "step_energy": jnp.stack(energy),
        }
        return {**state, "learner": moved.state}, {**moved.record, **measured}

    def end_task(
        self, state: State, task: Int[Array, ""], examples: Batch, key: Key[Array, ""]
    ) -> State:
        """The end of HLOP's task; after the first, its activity is kept to measure with."""
        state = super().end_task(state, task, examples, key)
        inner: Any = self.learner.learner
        found = self.samples(inner.model(state["learner"]["learner"]), examples.x)
        first = jnp.asarray(task) == 0
        old = [jnp.where(first, a, b) for a, b in zip(found, state["old"], strict=True)]
        return {**state, "old": tuple(old)}


def everything(records: Float[Array, "step ..."]) -> Float[Array, "step ..."]:
    """All steps of a task."""
    return records


def last_validation_accuracy(records: Any) -> Any:
    """What numbers of baselines are chosen by: (seed, value)."""
    return records["validation_accuracy"][..., -1]
