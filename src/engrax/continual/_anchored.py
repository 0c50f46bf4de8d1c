"""Backpropagation with the pull of an anchor in its loss: L2, online EWC, synaptic intelligence."""

import abc
from collections.abc import Callable
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key, PyTree

from engrax.core import Batch, GradientLearner, State, named

from ._anchor import anchor_penalty, diagonal_fisher
from ._learner import WrappedLearner, part_of
from ._taught import TaughtLearner


def synaptic_intelligence(
    path: PyTree[Array], moved: PyTree[Array], *, damping: float | Array = 0.1
) -> PyTree[Array]:
    """The importance of each weight for a task, `max(0, path) / (moved^2 + damping)`
    (Zenke et al. 2017, Eq. 5).

    **Arguments:** `path`: what a weight contributed to the fall of the loss, the sum over steps of
    -gradient x change; `moved`: its change from the task's start to its end.
    """
    return jax.tree.map(
        lambda omega, d: jnp.maximum(omega, 0) / (jnp.square(d) + jnp.asarray(damping)), path, moved
    )


class AnchoredLearner(WrappedLearner):
    """A `GradientLearner` with `strength / 2 * sum precision (weights - anchor)^2` in its loss.

    The anchor is where the weights stood at the end of the last task, and the pull passes through
    the optimizer with the gradient of the task. (`ElasticWeightConsolidation` goes around any
    learner and pulls after its step.)

    **Fields:**

    - `learner`: a `GradientLearner`, or a `TaughtLearner` around one.
    - `strength`: an array.
    - `held`: `held(model) -> ` tree of booleans, the weights that are pulled (not those of a head
      that grows); all if `None`.
      `Paths` of the core is such a function.
    - `from_start`: whether the weights with which the first task starts are an anchor too.

    State: that of a wrapper, with trees like the weights: "anchor", "precision".
    """

    # Fields of a module are never assigned, so a narrower type is safe.
    learner: GradientLearner | TaughtLearner  # pyright: ignore - narrower, never assigned
    strength: Float[Array, ""]
    held: Callable[[Any], PyTree[bool]] | None = eqx.field(kw_only=True, default=None)
    from_start: bool = eqx.field(static=True, kw_only=True, default=False)

    @abc.abstractmethod
    def important(
        self, state: State, examples: Batch, key: Key[Array, ""]
    ) -> tuple[State, PyTree[Array]]:
        """The precision after a task, and what else of the state changes with it."""

    def follow(self, state: State, gradient: PyTree, before: PyTree, after: PyTree) -> State:
        """What a subclass keeps of each step: the task's gradient, the weights before and after."""
        return state

    def init(self, *, key: Key[Array, ""]) -> State:
        """The learner's state, and an anchor without force."""
        state = super().init(key=key)
        zeros = jax.tree.map(jnp.zeros_like, weights_of(state))
        return {**state, "anchor": zeros, "precision": zeros}

    def first_precision(self, state: State) -> PyTree[Array]:
        """The precision during the first task, where its start is an anchor: one for each."""
        return jax.tree.map(jnp.ones_like, state["precision"])

    def start_task(self, state: State, task: Int[Array, ""], key: Key[Array, ""]) -> State:
        """Before the first task, if so asked, the weights become the anchor."""
        state = super().start_task(state, task, key)
        if not self.from_start:
            return state
        first = jnp.asarray(task) == 0
        begun = {
            "anchor": weights_of(state),
            "precision": self._pulled(state, self.first_precision(state)),
        }
        chosen = {
            name: jax.tree.map(lambda new, old: jnp.where(first, new, old), tree, state[name])
            for name, tree in begun.items()
        }
        return {**state, **chosen}

    def step(self, state: State, input: Batch) -> tuple[State, dict[str, Array]]:
        """One step on the loss and the penalty; the loss reported is that of the task."""
        inner = state["learner"]
        found = self.learner.differentiate(inner, input)
        anchor, precision = (self._trained(state, state[name]) for name in ("anchor", "precision"))
        pull = jax.grad(anchor_penalty)(found.trained, anchor, precision, self.strength)
        total = jax.tree.map(jnp.add, found.gradient, pull)
        moved = self.learner.advance(inner, found._replace(gradient=total))
        state = self.follow(state, found.gradient, weights_of(state), weights_of(moved))
        return {**state, "learner": moved}, found.record

    def end_task(
        self, state: State, task: Int[Array, ""], examples: Batch, key: Key[Array, ""]
    ) -> State:
        """The new precision, and the anchor moved to where the weights are."""
        state = super().end_task(state, task, examples, key)
        state, precision = self.important(state, examples, key)
        precision = self._pulled(state, precision)
        return {**state, "precision": precision, "anchor": weights_of(state)}

    def _pulled(self, state: State, precision: PyTree[Array]) -> PyTree[Array]:
        """The precision, 0 where weights are not held."""
        if self.held is None:
            return precision
        model = self.learner.model(state["learner"])
        held = [
            chosen
            for chosen, leaf in zip(
                jax.tree.leaves(self.held(model)), jax.tree.leaves(model), strict=True
            )
            if eqx.is_inexact_array(leaf)
        ]
        leaves, tree = jax.tree.flatten(precision)
        return tree.unflatten(
            [a if chosen else jnp.zeros_like(a) for a, chosen in zip(leaves, held, strict=True)]
        )

    def _trained(self, state: State, kept: PyTree[Array]) -> PyTree[Array]:
        """Of a tree like the weights the leaves that learn, in the form of the gradient."""
        model = self.learner.model(state["learner"])
        whole = jax.tree.structure(eqx.filter(model, eqx.is_inexact_array))
        return eqx.filter(whole.unflatten(jax.tree.leaves(kept)), self.learner.trained(model))


@final
class L2Anchor(AnchoredLearner):
    """Every weight is held at its last task's value, all as firmly."""

    def important(
        self, state: State, examples: Batch, key: Key[Array, ""]
    ) -> tuple[State, PyTree[Array]]:
        """One for every weight."""
        return state, jax.tree.map(jnp.ones_like, state["precision"])


@final
class OnlineEWC(AnchoredLearner):
    """Elastic weight consolidation with one anchor (Schwarz et al. 2018, gamma = 1): the Fisher
    diagonals of all tasks are added up, and the anchor is where the last task ended.

    **Fields:** `log_prob(model, x) -> (classes,)` of one example; labels are sampled.
    """

    log_prob: Callable[[Any, Array], Float[Array, " classes"]]

    def important(
        self, state: State, examples: Batch, key: Key[Array, ""]
    ) -> tuple[State, PyTree[Array]]:
        """The Fisher diagonal of the task's examples, added to that of the tasks before."""
        params, rest = eqx.partition(self.learner.model(state["learner"]), eqx.is_inexact_array)

        def log_prob(params: PyTree, x: Array) -> Array:
            return self.log_prob(eqx.combine(params, rest), x)

        fisher = diagonal_fisher(log_prob, params, examples.x, key=named(key, "labels"))
        fisher = jax.tree.structure(state["precision"]).unflatten(jax.tree.leaves(fisher))
        return state, jax.tree.map(jnp.add, state["precision"], fisher)


@final
class SynapticIntelligence(AnchoredLearner):
    """Weights that brought the loss down are held (Zenke et al. 2017).

    Each step adds -gradient x change, the gradient of the task's loss alone, to a weight's path;
    after a task `synaptic_intelligence` turns the paths into importances, which add up.

    **Fields:** `damping`, xi. With this library's 1/2 the strength is twice the paper's c.
    """

    damping: Float[Array, ""]

    def init(self, *, key: Key[Array, ""]) -> State:
        """As of any anchored learner, with paths of 0 and the weights at the task's start."""
        state = super().init(key=key)
        zeros = jax.tree.map(jnp.zeros_like, state["anchor"])
        return {**state, "path": zeros, "start": weights_of(state)}

    def follow(self, state: State, gradient: PyTree, before: PyTree, after: PyTree) -> State:
        """The paths, one step on."""
        tree = jax.tree.structure(before)
        gradient = tree.unflatten(jax.tree.leaves(gradient))
        path = jax.tree.map(
            lambda omega, g, a, b: omega - g * (b - a), state["path"], gradient, before, after
        )
        return {**state, "path": path}

    def important(
        self, state: State, examples: Batch, key: Key[Array, ""]
    ) -> tuple[State, PyTree[Array]]:
        """The importances of this task, added to those before; paths start again at 0."""
        weights = weights_of(state)
        moved = jax.tree.map(jnp.subtract, weights, state["start"])
        found = synaptic_intelligence(state["path"], moved, damping=self.damping)
        precision = jax.tree.map(jnp.add, state["precision"], found)
        zeros = jax.tree.map(jnp.zeros_like, state["path"])
        return {**state, "path": zeros, "start": weights}, precision


def weights_of(state: State) -> PyTree[Array]:
    """All floating-point arrays of the model in a learner's state."""
    return eqx.filter(part_of(state, "model"), eqx.is_inexact_array)
