"""Weights held near where they were, each as firmly as it mattered."""

from collections.abc import Callable
from typing import Any, Literal, final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, Key, PyTree

from engrax.core import Batch, State, named

from ._learner import WrappedLearner, part_of, with_part


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
    batch: int | None = None,
    normalize: bool = False,
) -> PyTree[Array]:
    """The diagonal of the Fisher information: mean over data of squared gradients of log p(y | x).

    Gradients are accumulated example by example, or batch by batch where a batch is given, never
    stacked.

    **Arguments:**

    - `log_prob(params, x)`: log probabilities (classes,) of one example.
    - `labels`: "sampled" from the model, the Fisher information (needs `key`); "true", the
      empirical one (needs `y`).
    - `reduce`: "example" squares each example's gradient; "batch" squares the gradient of the mean
      over the examples of a batch and multiplies by their number, which is another quantity.
    - `batch`: the number of examples in a batch, of which the mean is taken; the last ones that
      fill none are left out. All examples if `None`.
    - `normalize`: divide by the mean over all entries, so that strengths compare.

    **Raises:** `ValueError` where the key or the labels are missing, and for a batch that does not
    fit the examples.
    """
    if batch is not None and (reduce != "batch" or not 1 <= batch <= len(x)):
        raise ValueError(
            f"diagonal_fisher got batch={batch} with reduce={reduce!r} for {len(x)} examples; give "
            f"reduce='batch' and a size from 1 to {len(x)}, or no batch"
        )
    if (labels == "sampled" and key is None) or (labels == "true" and y is None):
        missing = "a key" if labels == "sampled" else "the labels y"
        raise ValueError(f"diagonal_fisher with labels={labels!r} needs {missing}; pass it")
    count = len(x)

    def chosen(params: PyTree, index: Array) -> Array:
        found = log_prob(params, x[index])
        if labels == "true":
            assert y is not None
            return found[y[index]]
        assert key is not None
        return found[jr.categorical(jr.fold_in(key, index), jax.lax.stop_gradient(found))]

    def batch_sum(params: PyTree, rows: Array) -> Array:
        return jnp.sum(jax.vmap(lambda index: chosen(params, index))(rows))

    zeros = jax.tree.map(jnp.zeros_like, params)

    def add(total: PyTree[Array], index: Array) -> tuple[PyTree[Array], None]:
        return jax.tree.map(jnp.add, total, jax.grad(chosen)(params, index)), None

    def squares(total: PyTree[Array], rows: Array) -> tuple[PyTree[Array], None]:
        found = jax.grad(batch_sum if rows.ndim else chosen)(params, rows)
        return jax.tree.map(lambda t, g: t + jnp.square(g), total, found), None

    if reduce == "batch" and batch is None:
        total, _ = jax.lax.scan(add, zeros, jnp.arange(count))
        total = jax.tree.map(jnp.square, total)
    else:
        count = count if batch is None else count // batch * batch
        rows = jnp.arange(count)
        total, _ = jax.lax.scan(squares, zeros, rows if batch is None else rows.reshape(-1, batch))
    # B |sum / B|^2 a batch, and the mean over batches: the sum over batches by the examples.
    fisher = jax.tree.map(lambda a: a / jnp.float32(count), total)
    if not normalize:
        return fisher
    leaves = jax.tree.leaves(fisher)
    mean = sum(jnp.sum(a) for a in leaves) / jnp.float32(sum(a.size for a in leaves))
    return jax.tree.map(lambda a: a / mean, fisher)


@final
class ElasticWeightConsolidation(WrappedLearner):
    """EWC: a quadratic penalty around the weights of past tasks (Kirkpatrick et al. 2017, Eq. 3).

    After each task the Fisher diagonal of its examples is added up (`diagonal_fisher`): per example
    and with sampled labels, or, with `fisher_batch`, of means over batches of so many with true
    labels, as much continual learning code has it; strengths do not transfer between the two. One
    penalty for each past task and their sum differ by a constant
    only, so one anchor is kept: the mean of the tasks' weights, weighted by their precisions.

    Any learner may be inside. After its step each weight takes the step of SGD on `anchor_penalty`
    in its implicit form, `w <- (w + c F a) / (1 + c F)` with `c = rate * strength`: for small `c F`
    that is the gradient step, and no strength makes it diverge.

    **Fields:** `log_prob(learner, model, x) -> (classes,)` of one example; `strength`: lambda;
    `rate`: the learning rate of the learner inside.
    """

    log_prob: Callable[[Any, Any, Array], Float[Array, " classes"]]
    strength: Float[Array, ""]
    rate: Float[Array, ""]
    fisher_batch: int | None = eqx.field(static=True, kw_only=True, default=None)

    def init(self, *, key: Key[Array, ""]) -> State:
        """The learner's state, and an anchor without force."""
        state = super().init(key=key)
        params = eqx.filter(part_of(state, "model"), eqx.is_inexact_array)
        zeros = jax.tree.map(jnp.zeros_like, params)
        return {**state, "precision": zeros, "weighted": zeros}

    def step(self, state: State, input: Batch) -> tuple[State, dict[str, Array]]:
        """One step of the learner, and one toward the anchor."""
        inner, record = self.learner.step(state["learner"], input)
        force = self.rate * self.strength

        def pulled(weight: Array, precision: Array, weighted: Array) -> Array:
            # `weighted` is precision x anchor.
            return (weight + force * weighted) / (1 + force * precision)

        params, rest = eqx.partition(part_of(inner, "model"), eqx.is_inexact_array)
        params = jax.tree.map(pulled, params, state["precision"], state["weighted"])
        return {**state, "learner": with_part(inner, "model", eqx.combine(params, rest))}, record

    def end_task(
        self, state: State, task: Int[Array, ""], examples: Batch, key: Key[Array, ""]
    ) -> State:
        """Adds this task's Fisher diagonal, and its weights to the anchor."""
        state = super().end_task(state, task, examples, key)
        learner: Any = self.learner
        params, rest = eqx.partition(learner.model(state["learner"]), eqx.is_inexact_array)

        def log_prob(params: PyTree, x: Array) -> Array:
            return self.log_prob(learner, eqx.combine(params, rest), x)

        if self.fisher_batch is None:
            fisher = diagonal_fisher(log_prob, params, examples.x, key=named(key, "labels"))
        else:
            fisher = diagonal_fisher(
                log_prob, params, examples.x, examples.y,
                labels="true", reduce="batch", batch=self.fisher_batch,
            )  # fmt: skip
        # A model and what a state keeps of it have the same arrays in trees of their own.
        tree = jax.tree.structure(state["precision"])
        fisher, params = (tree.unflatten(jax.tree.leaves(part)) for part in (fisher, params))
        return {
            **state,
            "precision": jax.tree.map(jnp.add, state["precision"], fisher),
            "weighted": jax.tree.map(
                lambda sum_, f, p: sum_ + f * p, state["weighted"], fisher, params
            ),
        }
