"""Weights held near where they were, each as firmly as it mattered."""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, Key, PyTree

from engrax.core import Batch, GradientLearner, State, named

from ._learner import WrappedLearner


def anchor_penalty(
    params: PyTree[Array],
    anchor: PyTree[Array],
    precision: PyTree[Array],
    strength: float | Float[Array, ""],
    *,
    mask: PyTree[bool] | None = None,
) -> Float[Array, ""]:
    """`strength / 2 * sum precision (params - anchor)^2` over all leaves.

    L2 (precision 1), elastic weight consolidation (the Fisher diagonal), synaptic intelligence and
    memory-aware synapses differ in the precision alone; two anchors are the sum of two penalties.

    **Arguments:** `mask`: a tree of booleans, which leaves count (task heads do not).

    **Raises:** `ValueError` where the trees differ in structure or shapes.
    """
    trees = [jax.tree.structure(tree) for tree in (params, anchor, precision)]
    shapes = [[a.shape for a in jax.tree.leaves(tree)] for tree in (params, anchor, precision)]
    if len(set(trees)) > 1 or shapes.count(shapes[0]) < 3:
        raise ValueError(
            "anchor_penalty got params, anchor and precision of different structure or shapes; "
            "give three trees alike"
        )
    counted = jax.tree.map(lambda _: True, params) if mask is None else mask
    terms = jax.tree.map(
        lambda p, a, f, use: jnp.sum(f * jnp.square(p - a)) if use else jnp.float32(0),
        params,
        anchor,
        precision,
        counted,
    )
    return jnp.asarray(strength) / 2 * sum(jax.tree.leaves(terms), jnp.float32(0))


def diagonal_fisher(
    log_prob: Callable[[PyTree, Array], Float[Array, " classes"]],
    params: PyTree[Array],
    x: Float[Array, "n ..."],
    y: Int[Array, " n"] | None = None,
    *,
    key: Key[Array, ""] | None = None,
    labels: Literal["sampled", "true"] = "sampled",
    reduce: Literal["example", "batch"] = "example",
    normalize: bool = False,
) -> PyTree[Array]:
    """The diagonal of the Fisher information: mean over data of squared gradients of log p(y | x).

    Gradients are accumulated example by example, never stacked.

    **Arguments:**

    - `log_prob(params, x)`: log probabilities (classes,) of one example.
    - `labels`: "sampled" from the model, the Fisher information (needs `key`); "true", the
      empirical one (needs `y`).
    - `reduce`: "example" squares each example's gradient; "batch" squares the gradient of the mean
      over all examples and multiplies by their number, which is another quantity.
    - `normalize`: divide by the mean over all entries, so that strengths compare.

    **Raises:** `ValueError` where the key or the labels are missing.
    """
    if (labels == "sampled" and key is None) or (labels == "true" and y is None):
        missing = "a key" if labels == "sampled" else "the labels y"
        raise ValueError(f"diagonal_fisher with labels={labels!r} needs {missing}; pass it")
    count = len(x)

    def gradient(index: Array) -> PyTree[Array]:
        def chosen(params: PyTree) -> Array:
            found = log_prob(params, x[index])
            if labels == "true":
                assert y is not None
                label = y[index]
            else:
                assert key is not None
                label = jr.categorical(jr.fold_in(key, index), jax.lax.stop_gradient(found))
            return found[label]

        return jax.grad(chosen)(params)

    def add(total: PyTree[Array], index: Array) -> tuple[PyTree[Array], None]:
        found = gradient(index)
        if reduce == "example":
            found = jax.tree.map(jnp.square, found)
        return jax.tree.map(jnp.add, total, found), None

    total, _ = jax.lax.scan(add, jax.tree.map(jnp.zeros_like, params), jnp.arange(count))
    if reduce == "batch":
        total = jax.tree.map(jnp.square, total)
    fisher = jax.tree.map(lambda a: a / jnp.float32(count), total)
    if not normalize:
        return fisher
    leaves = jax.tree.leaves(fisher)
    mean = sum(jnp.sum(a) for a in leaves) / jnp.float32(sum(a.size for a in leaves))
    return jax.tree.map(lambda a: a / mean, fisher)


class _Anchored(NamedTuple):
    """A loss and an anchor as one loss, to be handed to the learner while a step is traced."""

    loss: Callable
    anchor: PyTree[Array]
    precision: PyTree[Array]
    strength: Array
    mask: PyTree[bool]

    def __call__(
        self, model: Any, batch: Batch, key: Key[Array, ""]
    ) -> tuple[Array, tuple[Any, dict[str, Array]]]:
        value, (model, record) = self.loss(model, batch, key)
        params = eqx.filter(model, eqx.is_inexact_array)
        penalty = anchor_penalty(params, self.anchor, self.precision, self.strength, mask=self.mask)
        return value + penalty, (model, record)


@final
class ElasticWeightConsolidation(WrappedLearner):
    """EWC: a quadratic penalty around the weights of past tasks (Kirkpatrick et al. 2017, Eq. 3).

    After each task the Fisher diagonal of its examples is added up, per example and with sampled
    labels (`diagonal_fisher`). One penalty for each past task and their sum differ by a constant
    only, so one anchor is kept: the mean of the tasks' weights, weighted by their precisions.

    **Fields:** `learner`: a `GradientLearner`, whose loss gets the penalty added; `log_prob(model,
    x) -> (classes,)` of one example; `strength`: lambda, an array; `counted(model) -> ` tree of
    booleans, the leaves that are held (all floating-point ones if None).
    """

    # Fields of a module are never assigned, so a narrower type is safe.
    learner: GradientLearner  # pyright: ignore[reportIncompatibleVariableOverride]
    log_prob: Callable[[Any, Array], Float[Array, " classes"]]
    strength: Float[Array, ""]
    counted: Callable[[Any], PyTree[bool]] | None = None

    def init(self, *, key: Key[Array, ""]) -> State:
        """The learner's state, and an anchor without force."""
        inner = self.learner.init(key=key)
        params = eqx.filter(inner["model"], eqx.is_inexact_array)
        zeros = jax.tree.map(jnp.zeros_like, params)
        return {"learner": inner, "precision": zeros, "weighted": zeros}

    def step(self, state: State, input: Batch) -> tuple[State, dict[str, Array]]:
        """One step of the learner on the loss with the penalty."""
        # 0 / 0 where nothing was learned yet: no precision, so any anchor will do.
        anchor = jax.tree.map(
            lambda w, f: w / jnp.where(f > 0, f, 1), state["weighted"], state["precision"]
        )
        model = self.learner.model(state["learner"])
        params = eqx.filter(model, eqx.is_inexact_array)
        everything = jax.tree.map(lambda _: True, params)
        mask = everything if self.counted is None else self.counted(params)
        # The model's own structure: a state's filtered model has the same leaves.
        anchor, precision = (
            jax.tree.unflatten(jax.tree.structure(params), jax.tree.leaves(tree))
            for tree in (anchor, state["precision"])
        )
        loss = _Anchored(self.learner.loss, anchor, precision, self.strength, mask)
        learner = dataclasses.replace(self.learner, loss=loss)
        inner, record = learner.step(state["learner"], input)
        return {**state, "learner": inner}, record

    def end_task(
        self, state: State, task: Int[Array, ""], examples: Batch, key: Key[Array, ""]
    ) -> State:
        """Adds this task's Fisher diagonal, and its weights to the anchor."""
        model = self.learner.model(state["learner"])
        params, rest = eqx.partition(model, eqx.is_inexact_array)

        def log_prob(params: PyTree, x: Array) -> Array:
            return self.log_prob(eqx.combine(params, rest), x)

        fisher = diagonal_fisher(log_prob, params, examples.x, key=named(key, "labels"))
        leaves = zip(
            jax.tree.leaves(state["precision"]),
            jax.tree.leaves(state["weighted"]),
            jax.tree.leaves(fisher),
            jax.tree.leaves(params),
            strict=True,
        )
        summed = [(f + new, w + new * p) for f, w, new, p in leaves]
        tree = jax.tree.structure(state["precision"])
        return {
            **state,
            "precision": tree.unflatten([f for f, _ in summed]),
            "weighted": tree.unflatten([w for _, w in summed]),
        }
