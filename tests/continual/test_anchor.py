import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from engrax.continual import (
    ElasticWeightConsolidation,
    PermutedTasks,
    TaskSequence,
    anchor_penalty,
    backward_transfer,
    diagonal_fisher,
    own_classes,
)
from engrax.core import Batch, simulate
from tests.continual.cases import FLAT, dataset, learner


def linear(params, x):
    return jax.nn.log_softmax(params["w"] @ x)


def problem(n=6):
    params = {"w": jr.normal(jr.key(0), (3, 4))}
    return params, jr.normal(jr.key(1), (n, 4)), jr.randint(jr.key(2), (n,), 0, 3)


def test_the_penalty_is_half_the_weighted_distance():
    params, anchor = {"a": jnp.array([1.0, 2.0]), "b": jnp.array(3.0)}, {
        "a": jnp.array([0.0, 4.0]), "b": jnp.array(0.0)
    }  # fmt: skip
    precision = {"a": jnp.array([1.0, 0.5]), "b": jnp.array(2.0)}
    value = anchor_penalty(params, anchor, precision, 10.0)
    np.testing.assert_allclose(value, 5 * (1 + 0.5 * 4 + 2 * 9))
    only = anchor_penalty(params, anchor, precision, 10.0, mask={"a": True, "b": False})
    np.testing.assert_allclose(only, 5 * 3)
    gradient = jax.grad(anchor_penalty)(params, anchor, precision, 10.0)
    np.testing.assert_allclose(gradient["a"], [10.0, -10.0])
    assert float(anchor_penalty(params, params, precision, 10.0)) == 0


def test_the_empirical_fisher_is_the_mean_of_squared_gradients():
    params, x, y = problem()
    found = diagonal_fisher(linear, params, x, y, labels="true")["w"]
    p = np.exp(np.asarray(jax.vmap(lambda row: linear(params, row))(x)))
    errors = np.eye(3)[np.asarray(y)] - p
    each = errors[:, :, None] * np.asarray(x)[:, None]
    np.testing.assert_allclose(found, (each**2).mean(0), rtol=1e-5)
    batch = diagonal_fisher(linear, params, x, y, labels="true", reduce="batch")["w"]
    np.testing.assert_allclose(batch, len(x) * each.mean(0) ** 2, rtol=1e-5, atol=1e-7)
    scaled = diagonal_fisher(linear, params, x, y, labels="true", normalize=True)["w"]
    np.testing.assert_allclose(scaled.mean(), 1, rtol=1e-5)
    np.testing.assert_allclose(scaled * found.mean(), found, rtol=1e-5)


def test_sampled_labels_come_near_the_exact_fisher():
    params, x, _ = problem(4)
    found = diagonal_fisher(linear, params, jnp.repeat(x, 2000, 0), key=jr.key(5))["w"]
    p = np.exp(np.asarray(jax.vmap(lambda row: linear(params, row))(x)))
    expected = np.einsum("nc,nd->cd", p * (1 - p), np.asarray(x) ** 2) / len(x)
    # 8,000 draws: a standard error of about 2 % of each entry.
    np.testing.assert_allclose(found, expected, rtol=0.1)


def run(strength):
    data = dataset(noise=60)
    tasks = PermutedTasks(data, 3, first_identity=False, batch=16, scaling=FLAT)
    inner = learner()
    if strength is not None:
        inner = consolidated(inner, strength)
    system = TaskSequence(
        inner, tasks, 60, candidates=own_classes, reset_optimizer=True, examples=80
    )
    return simulate(system, 3, key=jr.key(0), seeds=4)


def log_prob(learner, model, x):
    return jax.nn.log_softmax(model(x))


def consolidated(inner, strength):
    return ElasticWeightConsolidation(inner, log_prob, jnp.float32(strength), jnp.float32(0.2))


def test_the_pull_is_a_gradient_step_on_the_penalty():
    system = consolidated(learner(), 0.01)
    state = system.init(key=jr.key(0))
    batch = Batch(jr.normal(jr.key(1), (16, 9)), jr.randint(jr.key(2), (16,), 0, 4))
    state = system.end_task(state, jnp.int32(0), batch, jr.key(3))
    anchor = state["learner"]["model"]
    away = jax.tree.map(lambda a: a + 0.5, anchor)
    state = {**state, "learner": {**state["learner"], "model": away}}
    plain, _ = system.learner.step(state["learner"], batch)
    after, _ = system.step(state, batch)
    pull = jax.grad(anchor_penalty)(plain["model"], anchor, state["precision"], 0.01)
    for a, b, g in zip(
        *(jax.tree.leaves(t) for t in (after["learner"]["model"], plain["model"], pull)),
        strict=True,
    ):
        # Implicit and explicit differ by (c F)^2, here below 1e-4 of a step of at most .002.
        np.testing.assert_allclose(a - b, -0.2 * g, atol=1e-6)


def test_a_fisher_diagonal_of_batches_is_asked_for():
    system = ElasticWeightConsolidation(
        learner(), log_prob, jnp.float32(1), jnp.float32(0.2), fisher_batch=4
    )
    state = system.init(key=jr.key(0))
    batch = Batch(jr.normal(jr.key(1), (9, 9)), jr.randint(jr.key(2), (9,), 0, 4))
    ended = system.end_task(state, jnp.int32(0), batch, jr.key(3))
    model = system.learner.model(state["learner"])
    mean = lambda model, rows: jnp.mean(
        jax.vmap(lambda x, y: log_prob(system.learner, model, x)[y])(batch.x[rows], batch.y[rows])
    )
    halves = [eqx.filter_grad(mean)(model, slice(i, i + 4)) for i in (0, 4)]
    for found, one, two in zip(
        *(jax.tree.leaves(tree) for tree in (ended["precision"], *halves)), strict=True
    ):
        # 4 |g|^2 of the two whole batches; the ninth example fills none.
        np.testing.assert_allclose(found, 2 * (one**2 + two**2), rtol=1e-4, atol=1e-7)


def test_without_strength_it_is_the_learner_and_with_it_less_is_forgotten():
    plain, off, on = run(None), run(0.0), run(20.0)
    np.testing.assert_allclose(
        plain.records["accuracy"], off.records["accuracy"], atol=1 / 40 + 1e-6
    )
    np.testing.assert_allclose(plain.records["loss"], off.records["loss"], rtol=1e-3)
    assert (
        backward_transfer(on.records["accuracy"]).mean()
        > backward_transfer(plain.records["accuracy"]).mean() + 0.02
    )


def test_one_anchor_stands_for_all():
    inner = consolidated(learner(), 7.0)
    state = inner.init(key=jr.key(0))
    first, second = (jr.normal(jr.key(i), (10, 9)) for i in (1, 2))
    parts = []
    for task, x in enumerate((first, second)):
        before = state["precision"]
        batch = Batch(x, jnp.zeros(10, jnp.int32))
        state = inner.end_task(state, jnp.int32(task), batch, jr.key(task))
        precision = jax.tree.map(jnp.subtract, state["precision"], before)
        parts.append((state["learner"]["model"], precision))
        moved = jax.tree.map(lambda a: a + 0.1, state["learner"]["model"])
        state = {**state, "learner": {**state["learner"], "model": moved}}
    anchor = jax.tree.map(
        lambda w, f: w / jnp.where(f > 0, f, 1), state["weighted"], state["precision"]
    )

    def both(params):
        return sum(anchor_penalty(params, a, f, 7.0) for a, f in parts)

    def one(params):
        return anchor_penalty(params, anchor, state["precision"], 7.0)

    a, b = (jax.grad(f)(state["learner"]["model"]) for f in (both, one))
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-5)


def test_what_does_not_fit_is_refused():
    params, x, _ = problem()
    with pytest.raises(ValueError, match="structure or shapes"):
        anchor_penalty(params, {"w": jnp.zeros((3, 5))}, params, 1.0)
    with pytest.raises(ValueError, match="needs a key"):
        diagonal_fisher(linear, params, x)
    with pytest.raises(ValueError, match="needs the labels"):
        diagonal_fisher(linear, params, x, labels="true")
