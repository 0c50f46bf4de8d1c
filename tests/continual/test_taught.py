"""A taught net, and the pulls on its features."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

from engrax.continual import (
    ClassIncrementalEWC,
    L2Anchor,
    TaughtLearner,
    TaughtLoss,
    diagonal_fisher,
    label_log_likelihoods,
    mixed_bce,
)
from engrax.core import Batch, GradientLearner, Paths
from engrax.nn import FeatureClassifier

BODY = Paths("body.*")
RATE, CLASSES = 0.1, 6


class Tanh(eqx.Module):
    """One layer of features."""

    w: jax.Array
    features = 5

    def __init__(self, key):
        self.w = jr.normal(key, (5, 9)) / 3

    def __call__(self, x):
        return jnp.tanh(x @ self.w.T)


def build(key):
    return FeatureClassifier(Tanh(key), CLASSES, key=key)


def predicted(model, x):
    return model.predict(x)


def taught(criterion=mixed_bce, weight=None, trainable=None, rate=RATE):
    weight = None if weight is None else jnp.float32(weight)
    inner = GradientLearner(
        eqx.Partial(build), TaughtLoss(criterion, weight), optax.sgd,
        {"learning_rate": jnp.float32(rate)}, trainable, predicted,
    )  # fmt: skip
    return TaughtLearner(inner, 2)


def batch(task, seed=0, n=8):
    x = jr.normal(jr.key(seed + 7 * task), (n, 9))
    y = 2 * task + jr.randint(jr.key(seed + 90), (n,), 0, 2)
    return Batch(x, y.astype(jnp.int32), jnp.int32(task))


def l2(strength, inner=None, **more):
    inner = taught() if inner is None else inner
    return L2Anchor(inner, jnp.float32(strength), held=BODY, **more)


def ewc(strength, inner=None, **more):
    inner = taught() if inner is None else inner
    return ClassIncrementalEWC(inner, jnp.float32(strength), held=BODY, batch=4, **more)


def trained(learner, tasks=2, steps=3):
    state = learner.init(key=jr.key(0))
    step = jax.jit(lambda s, b: learner.step(s, b)[0])
    for task in range(tasks):
        state = learner.start_task(state, jnp.int32(task), jr.key(1))
        for i in range(steps):
            state = step(state, batch(task, i))
        if task < tasks - 1:
            state = learner.end_task(state, jnp.int32(task), batch(task), jr.key(2))
    return state


def weights(state):
    while "model" not in state:
        state = state["learner"]
    return state["model"].body.w, state["model"].weight, state["model"].bias


def loop(eps, mu, weight, tasks=2, steps=3):
    """The whole method in NumPy: backpropagation by hand, two tasks, L2 or EWC on the features."""
    w, v, b = (np.asarray(a, float) for a in weights(taught().init(key=jr.key(0))))
    fisher, anchor = np.full_like(w, 2 * eps), w.copy()
    strength = mu if mu else 1.0
    if mu:
        fisher = np.zeros_like(w)

    def push(w, v, b, x, y, old, seen, said, feat, mean_only=False):
        f = np.tanh(x @ w.T)
        z = f @ v.T + b
        target = np.eye(CLASSES)[y]
        counted = np.zeros(CLASSES, bool)
        counted[(old if mean_only else 0) : seen] = True
        if not mean_only:
            target[:, :old] = 1 / (1 + np.exp(-said[:, :old]))
        dz = 5 * (1 / (1 + np.exp(-z)) - target) * counted / (len(y) * counted.sum())
        df = dz @ v
        if not mean_only:
            df = df + weight * 2 * (f - feat) / f.size
        return (df * (1 - f**2)).T @ x, dz.T @ f, dz.sum(0)

    for task in range(tasks):
        old, seen = 2 * task, 2 * task + 2
        tw, tv, tb = w.copy(), v.copy(), b.copy()
        for i in range(steps):
            x, y = (np.asarray(a) for a in batch(task, i)[:2])
            feat = np.tanh(x @ tw.T)
            dw, dv, db = push(w, v, b, x, y, old, seen, feat @ tv.T + tb, feat)
            dw = dw + strength * fisher * (w - anchor)
            w, v, b = w - RATE * dw, v - RATE * dv, b - RATE * db
        if task < tasks - 1 and mu:
            x, y = (np.asarray(a) for a in batch(task)[:2])
            for rows in (slice(0, 4), slice(4, 8)):
                g, _, _ = push(w, v, b, x[rows], y[rows], old, seen, None, None, mean_only=True)
                fisher = fisher + g**2 * 4 / 2
        anchor = w.copy()
    return w, v, b


@pytest.mark.parametrize(
    ("learner", "how"),
    [
        (taught(weight=2.0), (0.0, 0.0, 2.0)),
        (l2(2 * 0.3, from_start=True), (0.3, 0.0, 0.0)),
        (ewc(50.0), (0.0, 50.0, 0.0)),
    ],
    ids=["features", "l2", "ewc"],
)
def test_two_tasks_against_numpy(learner, how):
    for found, expected in zip(weights(trained(learner)), loop(*how), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_consolidation_with_ones_is_l2():
    """F = 1 and mu = 2 eps: the same loss and the same step."""
    eps = 0.4
    plain, elastic = l2(2 * eps), ewc(2 * eps)
    inner = trained(taught(), 1)
    moved = eqx.tree_at(lambda m: m.body.w, inner["learner"]["model"], jnp.ones((5, 9)))
    states = []
    for learner in (plain, elastic):
        state = learner.init(key=jr.key(0))
        state["learner"] = {**inner, "learner": {**inner["learner"], "model": moved}}
        ones = jax.tree.map(jnp.ones_like, state["precision"])
        states.append(learner.step({**state, "precision": ones}, batch(0))[0])
    for a, b in zip(*map(weights, states), strict=True):
        np.testing.assert_array_equal(a, b)


def test_l2_pulls_in_the_first_task_and_consolidation_does_not():
    free, pulled, later = (
        weights(trained(learner, 1))[0]
        for learner in (taught(), l2(5.0, from_start=True), ewc(5.0))
    )
    np.testing.assert_array_equal(later, free)
    start = weights(taught().init(key=jr.key(0)))[0]
    assert np.abs(pulled - start).max() < np.abs(free - start).max()
    # The first step is at the anchor, where penalty and gradient are 0.
    one = [weights(trained(learner, 1, 1))[0] for learner in (taught(), l2(5.0, from_start=True))]
    np.testing.assert_array_equal(*one)
    both = trained(ewc(5.0, from_start=True, start_strength=jnp.float32(5.0)), 1)
    np.testing.assert_allclose(weights(both)[0], pulled, rtol=1e-5, atol=1e-6)


def test_the_l2_start_is_over_after_the_first_task():
    learner = ewc(7.0, from_start=True, start_strength=jnp.float32(5.0))
    state = trained(learner, 1)
    ended = learner.end_task(state, jnp.int32(0), batch(0), jr.key(2))
    plain = ewc(7.0).fisher_of(state, batch(0), jr.key(2))
    np.testing.assert_allclose(ended["precision"].body.w, plain.body.w, rtol=1e-6)
    np.testing.assert_array_equal(ended["precision"].weight, 0)


def test_a_strong_pull_is_the_linear_probe():
    """Strength 1e6 with a step that is stable for it: features stay, and the head follows them."""
    frozen = trained(taught(trainable=Paths("weight", "bias"), rate=1e-7))
    held = trained(l2(1e6, taught(rate=1e-7), from_start=True))
    start = weights(taught().init(key=jr.key(0)))[0]
    np.testing.assert_array_equal(weights(frozen)[0], start)
    assert np.abs(weights(held)[0] - start).max() < 1e-5
    for a, b in zip(weights(frozen)[1:], weights(held)[1:], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-8)


def test_the_implicit_limit_holds_features_while_the_head_moves():
    head = trained(taught(trainable=Paths("weight", "bias")))
    assert np.abs(weights(head)[1] - weights(taught().init(key=jr.key(0)))[1]).max() > 1e-2


def test_a_fisher_of_single_batches_is_that_of_examples():
    params = {"w": jr.normal(jr.key(0), (CLASSES, 4))}
    x, y = jr.normal(jr.key(1), (8, 4)), jr.randint(jr.key(2), (8,), 2, 4)

    def log_prob(params, x):
        return label_log_likelihoods(params["w"] @ x, 2, 4)

    def fisher(**how):
        return diagonal_fisher(log_prob, params, x, y, labels="true", **how)["w"]

    single = fisher(reduce="batch", batch=1)
    np.testing.assert_allclose(single, fisher(), rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(fisher(reduce="batch"), fisher(reduce="batch", batch=8), rtol=1e-6)
    halves = [
        diagonal_fisher(log_prob, params, x[r], y[r], labels="true", reduce="batch")["w"]
        for r in (slice(0, 4), slice(4, 8))
    ]
    np.testing.assert_allclose(
        fisher(reduce="batch", batch=4), (halves[0] + halves[1]) / 2, rtol=1e-5, atol=1e-9
    )
    with pytest.raises(ValueError, match="batch=9 with reduce='batch'"):
        fisher(reduce="batch", batch=9)


def test_sampled_labels_are_those_of_the_new_classes():
    learner = ewc(1.0, fisher="sample")
    state = trained(learner, 2)
    found = learner.fisher_of(state, batch(1), jr.key(3))
    assert all(np.isfinite(a).all() for a in jax.tree.leaves(found))
    # Old and later classes have no part in the loss.
    np.testing.assert_array_equal(found.weight[:2], 0)
    np.testing.assert_array_equal(found.weight[4:], 0)
    assert (np.asarray(found.weight)[2:4] > 0).any()


class Quadratic(eqx.Module):
    """A model whose only features are its weights."""

    w: jax.Array

    def __init__(self, key):
        self.w = jnp.zeros(3)


def squares(model, batch, key):
    return jnp.sum(jnp.square(batch.x @ model.w - batch.y)) / 2, (model, {})


def test_two_least_squares_tasks():
    """L2 ends at the ridge solution around its anchor; with the exact (diagonal) Hessian of the
    first task in its place, at the joint solution.
    """
    x = [np.diag([1.0, 0.5, 0.0]), np.array([[1.0, 0.4, 0.0], [0.2, 1.0, 0.3], [0.0, 0.5, 1.0]])]
    y = [np.array([1.0, -1.0, 0.0]), np.array([2.0, 0.5, -1.0])]
    inner = GradientLearner(
        eqx.Partial(Quadratic), squares, optax.sgd, {"learning_rate": jnp.float32(0.3)}
    )
    learner = L2Anchor(inner, jnp.float32(1.0))
    step = jax.jit(lambda s, b: learner.step(s, b)[0])

    def learned(state, task):
        given = Batch(jnp.asarray(x[task], jnp.float32), jnp.asarray(y[task], jnp.float32))
        for _ in range(200):
            state = step(state, given)
        return state, given

    state, given = learned(learner.init(key=jr.key(0)), 0)
    state = learner.end_task(state, jnp.int32(0), given, jr.key(0))
    anchor = np.asarray(state["anchor"].w, float)
    hessian = x[0].T @ x[0]
    exact = eqx.tree_at(
        lambda m: m.w, state["precision"], jnp.asarray(np.diag(hessian), jnp.float32)
    )
    ridge, _ = learned(state, 1)
    joint, _ = learned({**state, "precision": exact}, 1)
    second = x[1].T @ x[1]
    np.testing.assert_allclose(
        weights_of(ridge), np.linalg.solve(second + np.eye(3), x[1].T @ y[1] + anchor), rtol=1e-4
    )
    both = np.linalg.solve(second + hessian, x[1].T @ y[1] + x[0].T @ y[0])
    np.testing.assert_allclose(weights_of(joint), both, rtol=1e-4)


def weights_of(state):
    return np.asarray(state["learner"]["model"].w)


def test_net_and_teacher_see_the_same_augmented_images():
    """Inputs doubled by the hook are inputs that were doubled before."""
    inner = taught(weight=3.0)
    doubled = TaughtLearner(inner.learner, 2, lambda x, key: 2 * x)
    found, expected = [], []
    for learner, factor, kept in ((doubled, 1, found), (inner, 2, expected)):
        state = learner.start_task(learner.init(key=jr.key(0)), jnp.int32(1), jr.key(1))
        for i in range(2):
            given = batch(1, i)
            state, _ = learner.step(state, given._replace(x=factor * given.x))
        kept.extend(weights(state))
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="at least one class"):
        TaughtLearner(taught().learner, 0)
    with pytest.raises(ValueError, match="batch=0"):
        ClassIncrementalEWC(taught(), jnp.float32(1.0), batch=0)
    with pytest.raises(ValueError, match="start_strength, or neither"):
        ewc(1.0, from_start=True)
