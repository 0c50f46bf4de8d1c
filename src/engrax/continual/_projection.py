"""Learners whose later tasks cannot move what earlier tasks put in."""

import abc
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, final, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, PyTree

from engrax.core import Batch, Learner, State, named
from engrax.plasticity import LateralState, OrthogonalLateralCircuit

from ._learner import WrappedLearner, is_later, part_of, with_part

Weights = Callable[[Any], tuple[Float[Array, "out ..."], ...]]
"""The weights of a model that are protected, one for each projected layer."""
Projection = Callable[[Array], Array]
"""From a presynaptic trace (..., n) to what takes its place in the weight's gradient."""
Activity = Callable[[Any, Array], Sequence[Float[Array, "..."]]]
"""From a model and a batch of inputs to the inputs of each protected layer."""


@runtime_checkable
class TraceLearner(Protocol):
    """A learner whose step lets projections in and presynaptic activity out, as those of
    `engrax.credit` for spiking networks do.
    """

    def learn(
        self, state: State, batch: Batch, *, projections: Sequence[Projection | None] | None = None
    ) -> tuple[State, dict[str, Array], Sequence[Float[Array, "times rows n"]]]:
        """A step in which weight gradients pair errors with projected traces; the samples of each
        layer's input are for circuits that learn, one time after the other.
        """
        ...


class Moved(NamedTuple):
    """One step of a projected learner: its new state and record, and the changes of the protected
    weights (out, n) as the inner learner made them (`raw`) and as they were applied (`applied`).
    """

    state: State
    record: dict[str, Array]
    raw: list[Float[Array, "out n"]]
    applied: list[Float[Array, "out n"]]


class ProjectedLearner(WrappedLearner):
    """Any learner, its weight changes projected away from what earlier tasks used.

    The inner learner makes its step; then each protected weight's change `D` becomes `D - (D H^T)
    H`, with `H` (k, n) the directions of its inputs that are taken. For a learner whose changes are
    linear in its gradients (SGD, with momentum or without) this is projecting the gradients, which
    is projecting every presynaptic trace. Adam's are not: scaling each coordinate turns the change
    back into the protected directions.

    **Fields:**

    - `weights(model)`: the protected weights; convolutions `(out, ...)` are taken as `(out, n)`.
    - `freeze_vectors`: whether leaves with fewer than two axes (thresholds, biases, norms and their
      statistics) stay as they are after the first task; they move all inputs' outputs at once, so
      they forget however the weights are projected.
    """

    weights: Weights
    freeze_vectors: bool = eqx.field(static=True, kw_only=True)

    @abc.abstractmethod
    def project(self, state: State, level: int, change: Float[Array, "out n"]) -> Array:
        """The change of a protected weight, without what is taken."""

    def step(self, state: State, input: Batch) -> tuple[State, dict[str, Array]]:
        """One projected step; the record is the inner learner's."""
        moved = self.advance(state, input)
        return moved.state, moved.record

    def advance(self, state: State, batch: Batch) -> Moved:
        """One projected step, with the changes of the protected weights."""
        before = part_of(state, "model")
        inner, record = self.learner.step(state["learner"], batch)
        return self.moved(state, inner, record, before)

    def moved(self, state: State, inner: State, record: dict[str, Array], before: PyTree) -> Moved:
        """Projects what the inner learner did since `before`."""
        after = part_of(inner, "model")
        old, new = self.weights(before), self.weights(after)
        raw = [(b - a).reshape(len(a), -1) for a, b in zip(old, new, strict=True)]
        applied = [self.project(state, level, change) for level, change in enumerate(raw)]
        kept = [a + d.reshape(a.shape) for a, d in zip(old, applied, strict=True)]
        model = eqx.tree_at(lambda m: list(self.weights(m)), after, kept)
        if self.freeze_vectors:
            later = is_later(state["task"])
            model = jax.tree.map(
                lambda a, b: jnp.where(later, a, b) if a.ndim < 2 else b, before, model
            )
        return Moved({**state, "learner": with_part(inner, "model", model)}, record, raw, applied)

    def start_task(self, state: State, task: Int[Array, ""], key: Key[Array, ""]) -> State:
        """Notes the task, which decides on frozen vectors."""
        state = super().start_task(state, task, key)
        return {**state, "task": jnp.asarray(task, jnp.int32)}


@final
class HebbianOrthogonalProjection(ProjectedLearner):
    """HLOP: lateral circuits learn where each layer's inputs live, and later tasks learn beside
    it (Xiao et al., ICLR 2024).

    While a task is learned, every circuit takes Hebbian and anti-Hebbian steps on the presynaptic
    activity of its layer; when the task ends its rows are frozen and from then on project. Any
    learner may be inside. Spiking learners hand their layers' samples out with the step itself
    (`learn`, see `TraceLearner`); for any other, `activity` says what the layers' inputs are.

    **Fields:**

    - `circuits`: one `OrthogonalLateralCircuit` for each protected weight.
    - `rows` (tasks, layers): neurons that each task adds.
    - `activity(model, x)`: the layers' inputs, one array (..., n) for each protected weight, for a
      learner that does not hand them out.
    - `traces`: project the presynaptic traces inside the learner, which must have `learn`, and not
      the changes it makes. For linear lateral neurons both are the same, and the changes cost one
      product a step; lateral neurons that spike need this.

    **Raises:** `ValueError` where learner, circuits, rows and sizes do not fit.
    """

    circuits: tuple[OrthogonalLateralCircuit, ...]
    rows: Int[Array, "tasks layers"]
    activity: Activity | None
    traces: bool = eqx.field(static=True)

    def __init__(
        self,
        learner: Learner,
        circuits: Sequence[OrthogonalLateralCircuit],
        rows: Sequence[Sequence[int]],
        weights: Weights,
        *,
        freeze_vectors: bool,
        activity: Activity | None = None,
        traces: bool = False,
    ) -> None:
        table = np.asarray(rows, np.int32)
        if table.ndim != 2 or table.shape[1] != len(circuits) or table.min() < 0:
            raise ValueError(
                f"rows of shape {table.shape} do not fit {len(circuits)} circuits; give (tasks, "
                "circuits), the neurons that each task adds"
            )
        for level, circuit in enumerate(circuits):
            added = table[:, level]
            if added.sum() > circuit.k_max or added.max() > circuit.block:
                raise ValueError(
                    f"the tasks add {added.sum()} rows to circuit {level}, at most {added.max()} "
                    f"at once, and it holds {circuit.k_max} and learns {circuit.block} at once; "
                    "make it larger or add fewer"
                )
        self.learner, self.weights = learner, weights
        self.circuits, self.rows = tuple(circuits), jnp.asarray(table)
        if not isinstance(learner, TraceLearner) and (traces or activity is None):
            raise ValueError(
                f"{type(learner).__name__} does not hand its layers' traces out by a method "
                "`learn`; give `activity`, and leave `traces` off"
            )
        if not traces and any(circuit.burst_levels is not None for circuit in circuits):
            raise ValueError(
                "lateral neurons with burst_levels are not linear, so projecting changes is not "
                "projecting traces; set traces=True"
            )
        self.activity, self.traces = activity, traces
        self.freeze_vectors = freeze_vectors

    def init(self, *, key: Key[Array, ""]) -> State:
        """The inner state, the task, and circuits without neurons.

        **Raises:** `ValueError` where a circuit has another number of inputs than its weight.
        """
        state = super().init(key=key)
        found = self.weights(part_of(state, "model"))
        sizes = [w.size // len(w) for w in found]
        if sizes != [circuit.n for circuit in self.circuits]:
            raise ValueError(
                f"circuits on {[c.n for c in self.circuits]} inputs were given for weights of "
                f"{sizes} inputs; give one circuit for each protected weight, of its size"
            )
        circuits = tuple(circuit.init() for circuit in self.circuits)
        return {**state, "task": jnp.int32(0), "circuits": circuits}

    def project(self, state: State, level: int, change: Float[Array, "out n"]) -> Array:
        """Without the frozen rows of the layer's circuit, unless the traces went without them."""
        if self.traces:
            return change
        return self.circuits[level].project_gradient(state["circuits"][level], change)

    def advance(self, state: State, batch: Batch) -> Moved:
        """One projected step, then the circuits' own on the activity of its forward pass."""
        before = part_of(state, "model")
        learner: Any = self.learner
        if isinstance(learner, TraceLearner):
            projections = self._projections(state) if self.traces else None
            inner, record, samples = learner.learn(state["learner"], batch, projections=projections)
        else:
            assert self.activity is not None
            found = self.activity(learner.model(state["learner"]), batch.x)
            samples = [x.reshape(1, -1, x.shape[-1]) for x in found]
            inner, record = learner.step(state["learner"], batch)
        moved = self.moved(state, inner, record, before)
        circuits = tuple(
            _shown(circuit, own, jax.lax.stop_gradient(x))
            for circuit, own, x in zip(self.circuits, state["circuits"], samples, strict=True)
        )
        return moved._replace(state={**moved.state, "circuits": circuits})

    def _projections(self, state: State) -> tuple[Projection, ...]:
        pairs = zip(self.circuits, state["circuits"], strict=True)
        return tuple(eqx.Partial(_projected, circuit, own) for circuit, own in pairs)

    def start_task(self, state: State, task: Int[Array, ""], key: Key[Array, ""]) -> State:
        """Adds this task's neurons to every circuit."""
        state = super().start_task(state, task, key)
        count = self.rows[task]
        circuits = tuple(
            circuit.grow(own, count[level], key=named(key, f"circuit{level}"))
            for level, (circuit, own) in enumerate(
                zip(self.circuits, state["circuits"], strict=True)
            )
        )
        return {**state, "circuits": circuits}

    def end_task(
        self, state: State, task: Int[Array, ""], examples: Batch, key: Key[Array, ""]
    ) -> State:
        """Freezes all rows."""
        state = super().end_task(state, task, examples, key)
        pairs = zip(self.circuits, state["circuits"], strict=True)
        return {**state, "circuits": tuple(circuit.freeze(own) for circuit, own in pairs)}


def _shown(
    circuit: OrthogonalLateralCircuit, state: LateralState, samples: Float[Array, "times rows n"]
) -> LateralState:
    """The circuit after updates on the samples, one time after the other."""
    if len(samples) == 1:
        return circuit.update(state, samples[0])
    return jax.lax.scan(lambda s, x: (circuit.update(s, x), None), state, samples)[0]


def _projected(circuit: OrthogonalLateralCircuit, state: LateralState, x: Array) -> Array:
    return circuit.project(state, x)


class _Basis(NamedTuple):
    """Directions that are taken: orthonormal rows (k_max, n), zero from `used` on."""

    rows: Float[Array, "k_max n"]
    used: Int[Array, ""]


@final
class GradientProjectionMemory(ProjectedLearner):
    """GPM: after each task the leading singular vectors of the activity are taken (Saha et al.,
    ICLR 2021).

    What the directions taken so far leave over of the activity of a task's examples is decomposed;
    the leading vectors are added, either `k` of them or as many as it takes for all directions to
    carry the share `energy` of the activity's squared norm (their Eq. 9).

    **Fields:**

    - `activity(model, x)`: the layers' inputs, one array (..., n) for each protected weight.
    - `k_max`: directions that each layer may have at most.
    - `k` (tasks, layers): directions that each task adds; or
    - `energy` (layers,): shares between 0 and 1.

    **Raises:** `ValueError` unless exactly one of `k` and `energy` is given, in the right shape.
    """

    activity: Activity
    k_max: tuple[int, ...] = eqx.field(static=True)
    k: Int[Array, "tasks layers"] | None
    energy: Float[Array, " layers"] | None

    def __init__(
        self,
        learner: Learner,
        weights: Weights,
        activity: Activity,
        *,
        k_max: Sequence[int],
        k: Sequence[Sequence[int]] | None = None,
        energy: Sequence[float] | None = None,
        freeze_vectors: bool,
    ) -> None:
        if (k is None) == (energy is None):
            raise ValueError("give GradientProjectionMemory either k or energy, and not both")
        if k is not None:
            table = np.asarray(k, np.int32)
            if table.ndim != 2 or table.shape[1] != len(k_max) or table.min() < 0:
                raise ValueError(
                    f"k of shape {table.shape} does not fit {len(k_max)} layers; give (tasks, "
                    "layers), the directions that each task adds"
                )
            if (table.sum(0) > np.asarray(k_max)).any():
                raise ValueError(
                    f"the tasks add {table.sum(0).tolist()} directions to layers that hold "
                    f"{list(k_max)}; raise k_max or add fewer"
                )
        if energy is not None:
            shares = np.asarray(energy, float)
            if shares.shape != (len(k_max),) or not ((shares > 0) & (shares <= 1)).all():
                raise ValueError(
                    f"energy={energy} does not fit {len(k_max)} layers; give one share in (0, 1] "
                    "for each"
                )
        self.learner, self.weights, self.activity = learner, weights, activity
        self.k_max = tuple(int(size) for size in k_max)
        self.k = None if k is None else jnp.asarray(k, jnp.int32)
        self.energy = None if energy is None else jnp.asarray(energy, jnp.float32)
        self.freeze_vectors = freeze_vectors

    def init(self, *, key: Key[Array, ""]) -> State:
        """The inner state, the task, and no direction.

        **Raises:** `ValueError` where `k_max` does not fit the protected weights.
        """
        state = super().init(key=key)
        sizes = [w.size // len(w) for w in self.weights(part_of(state, "model"))]
        if len(sizes) != len(self.k_max) or any(
            not 1 <= k <= n for k, n in zip(self.k_max, sizes, strict=True)
        ):
            raise ValueError(
                f"k_max={self.k_max} does not fit protected weights of {sizes} inputs; give one "
                "number for each, at most its inputs"
            )
        bases = tuple(
            _Basis(jnp.zeros((k, n)), jnp.int32(0)) for k, n in zip(self.k_max, sizes, strict=True)
        )
        return {**state, "task": jnp.int32(0), "bases": bases}

    def project(self, state: State, level: int, change: Float[Array, "out n"]) -> Array:
        """Without the directions taken so far."""
        rows = state["bases"][level].rows
        return change - (change @ rows.T) @ rows

    def end_task(
        self, state: State, task: Int[Array, ""], examples: Batch, key: Key[Array, ""]
    ) -> State:
        """Takes the leading directions of what is left of these examples' activity."""
        state = super().end_task(state, task, examples, key)
        learner: Any = self.learner
        found = self.activity(learner.model(state["learner"]), examples.x)
        bases = tuple(
            self._extended(level, basis, x, task)
            for level, (basis, x) in enumerate(zip(state["bases"], found, strict=True))
        )
        return {**state, "bases": bases}

    def _extended(self, level: int, basis: _Basis, x: Array, task: Array) -> _Basis:
        x = x.reshape(-1, x.shape[-1])
        left = x - (x @ basis.rows.T) @ basis.rows
        _, values, vectors = jnp.linalg.svd(left, full_matrices=False)
        power = jnp.square(values)
        if self.k is not None:
            count = self.k[task, level]
        else:
            assert self.energy is not None
            total = jnp.sum(jnp.square(x))
            carried = (total - jnp.sum(power) + jnp.cumsum(power)) / total
            before = (total - jnp.sum(power)) / total
            enough = jnp.argmax(carried >= self.energy[level] * (1 - 1e-6)) + 1
            count = jnp.where(before >= self.energy[level], 0, enough)
        # Never beyond the table, nor directions in which there is nothing.
        count = jnp.minimum(count, jnp.sum(power > 1e-9 * power[0]))
        last = jnp.minimum(basis.used + count, len(basis.rows)).astype(jnp.int32)
        index = jnp.arange(len(basis.rows))
        place = jnp.clip(index - basis.used, 0, len(vectors) - 1)
        new = (index >= basis.used) & (index < last)
        return _Basis(jnp.where(new[:, None], vectors[place], basis.rows), last)
