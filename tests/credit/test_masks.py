"""Learners with a softmax at the output: those outside the mask take no part."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

from engrax.core import Batch
from engrax.credit import (
    DirectFeedbackAlignment,
    DirectRandomTargetProjection,
    FeedbackAlignment,
    ForwardGradient,
    TargetPropagation,
)
from engrax.nn import MLP

RULES = [
    DirectFeedbackAlignment,
    DirectRandomTargetProjection,
    FeedbackAlignment,
    ForwardGradient,
    TargetPropagation,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_outputs_off_the_mask_do_not_move_and_move_nothing(rule):
    learner = rule(eqx.Partial(MLP, (4, 6, 5, 3)), optax.sgd, {"learning_rate": jnp.float32(0.5)})
    x, y = jr.normal(jr.key(0), (8, 4)), jnp.arange(8) % 2
    mask = jnp.tile(jnp.array([True, True, False]), (8, 1))
    start = learner.init(key=jr.key(1))

    def stepped(state, mask):
        return learner.step(state, Batch(x, y, None, None, mask))

    def last(state):
        return learner.model(state).layers[-1].weight

    moved, record = stepped(start, mask)
    assert bool(jnp.isfinite(record["loss"]))
    np.testing.assert_array_equal(last(moved)[2], last(start)[2])
    assert np.abs(last(moved)[:2] - last(start)[:2]).min() > 0
    # Whatever the third output says, the step is the same.
    loud = eqx.tree_at(
        lambda tree: jax.tree.leaves(tree["model"]),
        start,
        [a.at[2].add(9.0) if a.shape[0] == 3 else a for a in jax.tree.leaves(start["model"])],
    )
    other, again = stepped(loud, mask)
    assert float(again["loss"]) == pytest.approx(float(record["loss"]))
    np.testing.assert_allclose(last(other)[:2], last(moved)[:2], atol=1e-6)
    # A mask of all is none.
    full, _ = stepped(start, jnp.ones((8, 3), bool))
    none, _ = stepped(start, None)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), full["model"], none["model"]
    )
