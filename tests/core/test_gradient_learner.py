"""Backpropagation as a learner, and how accuracy is counted."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engrax.core import (
    AccuracyOn,
    Batch,
    GradientLearner,
    Stream,
    accuracy,
    cross_entropy,
    in_parts,
    named,
    observe,
    serial,
    simulate,
)

X = jr.normal(jr.key(0), (64, 6))
Y = jnp.argmax(X[:, :3], -1)
RATE = jnp.float32(0.1)
BUILD = eqx.Partial(eqx.nn.MLP, 6, 3, 8, 1)


def learner(**changes):
    fields = {"build": BUILD, "loss": cross_entropy, "optimizer": optax.sgd}
    return GradientLearner(**(fields | {"hyper": {"learning_rate": RATE}} | changes))


def test_it_is_the_loop_that_anyone_would_write():
    mine = learner(optimizer=eqx.Partial(optax.sgd, momentum=0.9))
    state = mine.init(key=jr.key(1))
    model = BUILD(key=named(jr.key(1), "model"))
    optimizer = optax.sgd(0.1, momentum=0.9)
    weights = eqx.filter(model, eqx.is_array)
    memory = optimizer.init(weights)

    @eqx.filter_grad
    def gradient(model, x, y):
        logits = jax.vmap(model)(x)
        return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

    for i in range(5):
        batch = slice(8 * i, 8 * i + 8)
        state, _ = mine.step(state, Batch(X[batch], Y[batch]))
        updates, memory = optimizer.update(gradient(model, X[batch], Y[batch]), memory)
        model = eqx.apply_updates(model, updates)
    # The same sums in the same order; compiled or not differs by roundings of 6e-8 a step.
    for a, b in zip(
        jax.tree.leaves(state["model"]),
        jax.tree.leaves(eqx.filter(model, eqx.is_array)),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(mine.predict(state, X), jax.vmap(model)(X), rtol=1e-4, atol=1e-5)


def first_layer_only(model):
    frozen = jax.tree.map(lambda _: False, model)
    return eqx.tree_at(lambda m: m.layers[0].weight, frozen, True)


def test_what_is_not_trainable_keeps_its_bits():
    mine = learner(trainable=first_layer_only)
    old = mine.init(key=jr.key(1))
    new, _ = mine.step(old, Batch(X, Y))
    moved = jax.tree.map(lambda a, b: not np.array_equal(a, b), old["model"], new["model"])
    assert jax.tree.leaves(moved) == [True] + [False] * 3


class Counting(eqx.Module):
    weight: jax.Array
    seen: jax.Array

    def __init__(self, *, key):
        self.weight, self.seen = jr.normal(key, (3, 6)), jnp.float32(0)

    def __call__(self, x):
        return self.weight @ x


def counting_loss(model, batch, key):
    loss, (model, record) = cross_entropy(model, batch, key)
    return loss, (eqx.tree_at(lambda m: m.seen, model, model.seen + len(batch.x)), record)


def weight_only(model):
    return eqx.tree_at(lambda m: m.seen, jax.tree.map(lambda _: True, model), False)


def test_running_statistics_come_from_the_model_that_the_loss_returns():
    mine = learner(build=Counting, loss=counting_loss, trainable=weight_only)
    state = mine.init(key=jr.key(1))
    for _ in range(3):
        state, _ = mine.step(state, Batch(X, Y))
    assert mine.model(state).seen == 3 * 64


class Same(Stream):
    def init(self, *, key):
        return {"key": key}

    def step(self, state, input):
        return state, Batch(X, Y)

    def view(self, state, x, task=0):
        return x


def test_the_learning_rate_is_swept_in_one_program():
    run = observe(serial(stream=Same(), learner=learner()), AccuracyOn(X, Y))
    rates = {"rate": (lambda s: s["learner"].hyper["learning_rate"], (0.01, 0.3))}
    both = simulate(run, 10, key=jr.key(0), seeds=2, grid=rates).records
    fast = observe(
        serial(stream=Same(), learner=learner(hyper={"learning_rate": jnp.float32(0.3)})),
        AccuracyOn(X, Y),
    )
    alone = simulate(fast, 10, key=jr.key(0), seeds=2).records
    for name in alone:
        np.testing.assert_array_equal(both[name][:, 1], alone[name])
    assert (both["loss"][:, 1, -1] < both["loss"][:, 0, -1]).all()


@given(st.integers(1, 30), st.integers(1, 12))
def test_in_parts_is_the_whole(n, part):
    x = jnp.arange(2.0 * n).reshape(n, 2)
    np.testing.assert_array_equal(in_parts(jnp.sin, x, part), jnp.sin(x))


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        ([0.0, 1.0, 0.0], 1.0),
        ([1.0, 1.0, 0.0], 0.0),  # a tie
        ([0.0, 0.0, 0.0], 0.0),
        ([0.0, np.nan, 0.0], 0.0),
        ([np.nan, 1.0, 0.0], 0.0),
        ([0.0, np.inf, 0.0], 1.0),
        ([-3.0, -1.0, -2.0], 1.0),
    ],
)
def test_a_tie_or_a_nan_is_a_wrong_answer(outputs, expected):
    assert accuracy(jnp.array([outputs]), jnp.array([1])) == expected
