"""The learner against slow loops, its schedule, and both references."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

from engrax.continual import (
    EpochAnneal,
    PermutedTasks,
    TaskSequence,
    VariationalBinary,
    average_accuracy,
    own_classes,
    tanh_anneal,
)
from engrax.core import Batch, simulate
from engrax.nn import MeanFieldBinaryMLP
from engrax.theory import bernoulli_kl
from tests.continual.cases import FLAT, dataset

WIDTHS = (9, 8, 4)
PER_EPOCH, EPOCHS = 4, 6


def learner(weight=1.0, **more):
    return VariationalBinary(
        eqx.Partial(MeanFieldBinaryMLP, WIDTHS),
        more.pop("schedule", EpochAnneal(PER_EPOCH, EPOCHS)),
        eqx.Partial(optax.adam, b2=0.99),
        {"learning_rate": jnp.float32(more.pop("rate", 0.02))},
        jnp.float32(weight),
        **more,
    )


def batch(seed=0, n=6):
    x = jr.normal(jr.key(seed), (n, 9))
    return Batch(x, jr.randint(jr.key(seed + 100), (n,), 0, 4))


def advance(system, state, seeds):
    step = eqx.filter_jit(system.step)
    for seed in seeds:
        state, record = step(state, batch(seed))
    return state, record


def fields(state):
    return [np.asarray(leaf, float) for leaf in jax.tree.leaves(state["model"])]


def test_a_run_is_the_slow_loop():
    """Adam and the stored gradient by hand; the gradient of the data from the model itself."""
    system = learner(schedule=EpochAnneal(PER_EPOCH, EPOCHS, maximum=2.0))
    state = system.init(key=jr.key(0))
    key, theta = state["key"], fields(state)
    m, s, pull = ([np.zeros_like(t) for t in theta] for _ in range(3))
    build = system.build(key=jr.key(0))

    @jax.jit
    def data_gradient(theta, x, y, beta, noise):
        def loss(leaves):
            model = jax.tree.unflatten(jax.tree.structure(build), leaves)
            log_p = jax.nn.log_softmax(model(x, beta, noise))
            return -sum(log_p[i, label] for i, label in enumerate(y))

        return jax.grad(loss)(theta)

    for t in range(1, 8):
        key, noise = jr.split(key)
        beta = 2 * np.tanh(0.1 + 2 * ((t - 1) // PER_EPOCH + 1) / EPOCHS)
        now = batch(t)
        given = [jnp.float32(a) for a in theta]
        gradient = data_gradient(given, now.x, list(now.y), jnp.float32(beta), noise)
        for layer, g in enumerate(gradient):
            g = np.asarray(g, float) + pull[layer]
            m[layer] = 0.9 * m[layer] + 0.1 * g
            s[layer] = 0.99 * s[layer] + 0.01 * g**2
            step = (m[layer] / (1 - 0.9**t)) / (np.sqrt(s[layer] / (1 - 0.99**t)) + 1e-8)
            new = theta[layer] - 0.02 * step
            pull[layer] = beta**2 * (1 - np.tanh(beta * new) ** 2) * (new - theta[layer])
            theta[layer] = new
    state, _ = advance(system, state, range(1, 8))
    for found, expected in zip(fields(state), theta, strict=True):
        # Adam turns rounding of a small gradient into a step of up to its rate.
        np.testing.assert_allclose(found, expected, atol=2e-3)
        assert np.abs(found - expected).mean() < 2e-5


def test_the_previous_task_pulls_by_the_gradient_of_the_divergence():
    schedule = EpochAnneal.fixed(1.5, PER_EPOCH, EPOCHS)
    system = learner(reference="previous_task", schedule=schedule)
    state, _ = advance(system, system.init(key=jr.key(0)), range(3))
    none = system._pull(state, system.model(state), jnp.float32(1.5))
    assert all((leaf == 0).all() for leaf in jax.tree.leaves(none))
    state = system.end_task(state, jnp.int32(0), batch(), jr.key(1))
    kept = system.model(state)
    state, _ = advance(system, state, range(3, 6))
    model = system.model(state)

    def divergence(model):
        terms = jax.tree.map(lambda a, b: bernoulli_kl(a, b, 1.5).sum(), model, kept)
        return sum(jax.tree.leaves(terms))

    exact = jax.grad(divergence)(model)
    found = system._pull(state, model, jnp.float32(1.5))
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(exact), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


def test_a_task_without_news_changes_nothing_under_the_prior():
    """Teacher of overlap 1 and no data: with the prior at the end of the task before, the gradient
    is zero there, so the fields stay.
    """
    system = learner(reference="previous_task", schedule=EpochAnneal.fixed(1.0, 4, 6))
    state, _ = advance(system, system.init(key=jr.key(0)), range(3))
    state = system.end_task(state, jnp.int32(0), batch(), jr.key(1))
    pull = system._pull(state, system.model(state), jnp.float32(1.0))
    for leaf in jax.tree.leaves(pull):
        np.testing.assert_array_equal(leaf, 0)


def test_no_weight_is_no_prior():
    free = learner(weight=0.0)
    start = free.init(key=jr.key(0))
    a, _ = advance(free, start, range(4))
    held = learner(weight=0.0, reference="previous_task")
    b, _ = advance(held, held.init(key=jr.key(0)), range(4))
    for x, y in zip(fields(a), fields(b), strict=True):
        np.testing.assert_allclose(x, y, atol=1e-6)


def test_the_record_of_a_step():
    system = learner(watch=True)
    state, before = advance(system, system.init(key=jr.key(0)), range(2))
    old = fields(state)
    state, record = advance(system, state, [2])
    beta = float(state["beta"])
    new = fields(state)
    mu = [np.tanh(beta * t) for t in new]
    expected = np.concatenate([np.ravel(1 - u**2) for u in mu]).mean()
    np.testing.assert_allclose(record["variance"], expected, rtol=1e-4)
    exact = sum(
        np.sum(u * beta * (n - o) - np.log(np.cosh(beta * n) / np.cosh(beta * o)))
        for u, n, o in zip(mu, new, old, strict=True)
    )
    np.testing.assert_allclose(record["kl"], exact, rtol=1e-2)
    assert 0 <= float(record["kl_error"]) < 0.2
    assert set(before) == {"loss", "variance", "kl", "kl_error"}


def test_temperature_falls_by_epochs_over_the_whole_run():
    schedule = EpochAnneal(PER_EPOCH, EPOCHS)
    betas = [float(schedule(jnp.int32(t))) for t in range(PER_EPOCH * EPOCHS)]
    expected = [10 * np.tanh(0.1 + 2 * (i + 1) / EPOCHS) for i in range(EPOCHS)]
    np.testing.assert_allclose(betas[::PER_EPOCH], expected, rtol=1e-5)
    np.testing.assert_allclose(betas[PER_EPOCH - 1 :: PER_EPOCH], expected, rtol=1e-5)
    np.testing.assert_allclose(tanh_anneal(3, 4), 10 * np.tanh(0.85), rtol=1e-6)
    fixed = EpochAnneal.fixed(1.0, PER_EPOCH, EPOCHS)
    np.testing.assert_allclose([float(fixed(jnp.int32(t))) for t in (0, 11)], 1.0)
    assert jax.tree.structure(fixed) == jax.tree.structure(schedule)  # one program for both


def test_it_learns_a_row_of_tasks():
    data = PermutedTasks(dataset(), 2, first_identity=False, batch=16, scaling=FLAT)
    schedule = EpochAnneal(5, 24)
    system = learner(1 / 5, reference="previous_task", rate=0.05, schedule=schedule)
    sequence = TaskSequence(system, data, 60, candidates=own_classes, reset_optimizer=False)
    result = simulate(sequence, 2, key=jr.key(0), seeds=2)
    assert (np.diagonal(result.records["accuracy"], axis1=1, axis2=2) > 0.7).all()  # chance is 0.25
    assert (average_accuracy(result.records["accuracy"]) > 0.6).all()


def test_ways_to_predict():
    system = learner()
    state, _ = advance(system, system.init(key=jr.key(0)), range(3))
    x = batch().x
    model, found = system.model(state), {}
    for mode in ("gaussian", "sample", "sign"):
        found[mode] = dataclasses.replace(system, mode=mode).predict(state, x)
    np.testing.assert_allclose(found["sign"], model(x, 1.0, mode="sign"), rtol=1e-6)
    assert not np.allclose(found["gaussian"], found["sign"])
    np.testing.assert_array_equal(found["gaussian"], system.predict(state, x))


def test_bad_settings_are_refused():
    with pytest.raises((ValueError, TypeError), match="previous_step"):
        learner(reference="yesterday")
    with pytest.raises(ValueError, match="needs steps"):
        EpochAnneal(0, 3)
