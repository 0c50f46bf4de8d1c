import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

from engrax.continual import (
    L2Anchor,
    LearningWithoutForgetting,
    OnlineEWC,
    PermutedTasks,
    SynapticIntelligence,
    TaskSequence,
    backward_transfer,
    diagonal_fisher,
    distillation,
    own_classes,
    synaptic_intelligence,
)
from engrax.core import Batch, GradientLearner, named, simulate
from tests.continual.cases import FLAT, dataset, learner, loss


def log_prob(model, x):
    return jax.nn.log_softmax(model(x))


def anchored(kind, strength, inner=None):
    inner, strength = learner() if inner is None else inner, jnp.float32(strength)
    if kind == "ewc":
        return OnlineEWC(inner, strength, log_prob)
    if kind == "si":
        return SynapticIntelligence(inner, strength, jnp.float32(0.1))
    if kind == "l2":
        return L2Anchor(inner, strength)
    return LearningWithoutForgetting(inner, jnp.float32(2), strength, shared=False)


def batch(seed=0, n=16):
    x, y = jr.normal(jr.key(seed), (n, 9)), jr.randint(jr.key(seed + 50), (n,), 0, 4)
    return Batch(x, y.astype(jnp.int32))


def leaves(tree):
    return [np.asarray(a) for a in jax.tree.leaves(eqx.filter(tree, eqx.is_inexact_array))]


def same(a, b, **how):
    for x, y in zip(leaves(a), leaves(b), strict=True):
        np.testing.assert_allclose(x, y, **how)


class Line(eqx.Module):
    """Linear regression with unit noise."""

    w: jax.Array

    def __init__(self, key):
        self.w = jnp.zeros(5)

    def __call__(self, x):
        return (self.w @ x)[None]


def half_sum(model, batch, key):
    return jnp.sum(jnp.square(jax.vmap(model)(batch.x)[:, 0] - batch.y)) / 2, (model, {})


def test_consolidation_of_a_linear_regression_is_its_exact_posterior():
    # Orthogonal inputs: the Hessian is diagonal, so the diagonal Fisher information is exact.
    x = [np.eye(5) * s for s in (1.0, 0.7)]
    x[0][4, 4] = 0.0  # the first task says nothing of the last weight
    y = [np.array([1.0, -2, 0.5, 3, 9]), np.array([-1.0, 1, 2, 0.3, 0.7])]
    inner = GradientLearner(
        eqx.Partial(Line), half_sum, optax.sgd, {"learning_rate": jnp.float32(0.3)}
    )
    system = anchored("l2", 1.0, inner)
    step = jax.jit(lambda s, b: system.step(s, b))
    state = system.init(key=jr.key(0))
    for task in range(2):
        data = Batch(jnp.asarray(x[task], jnp.float32), jnp.asarray(y[task], jnp.float32))
        for _ in range(200):
            state, _ = step(state, data)
        # Sum over examples of the squared gradient of log p with noise 1: x^2.
        fisher = jnp.asarray((x[task] ** 2).sum(0), jnp.float32)
        state = system.end_task(state, jnp.int32(task), data, jr.key(0))
        state["precision"] = eqx.tree_at(lambda m: m.w, state["precision"], fisher)
    both_x, both_y = np.concatenate(x), np.concatenate(y)
    exact = np.linalg.lstsq(both_x, both_y, rcond=None)[0]
    np.testing.assert_allclose(state["learner"]["model"].w, exact, atol=1e-5)


@pytest.mark.parametrize("kind", ["ewc", "si", "l2", "lwf"])
def test_without_strength_it_is_the_learner(kind):
    system, plain = anchored(kind, 0.0), learner()
    state, alone = system.init(key=jr.key(0)), plain.init(key=jr.key(0))
    step, single = jax.jit(lambda s, b: system.step(s, b)), jax.jit(lambda s, b: plain.step(s, b))
    for task in range(2):
        state = system.start_task(state, jnp.int32(task), jr.key(task))
        for i in range(3):
            state, record = step(state, batch(3 * task + i))
            alone, told = single(alone, batch(3 * task + i))
            np.testing.assert_allclose(record["loss"], told["loss"], rtol=1e-5)
        state = system.end_task(state, jnp.int32(task), batch(9), jr.key(9))
    same(state["learner"]["model"], alone["model"], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["ewc", "si", "l2"])
def test_the_first_task_is_learned_freely_and_then_the_pull_is_the_gradient_of_the_penalty(kind):
    system, plain = anchored(kind, 3.0), learner()
    step, single = jax.jit(lambda s, b: system.step(s, b)), jax.jit(lambda s, b: plain.step(s, b))
    state, alone = system.init(key=jr.key(0)), plain.init(key=jr.key(0))
    for i in range(3):
        state, _ = step(state, batch(i))
        alone, _ = single(alone, batch(i))
    same(state["learner"]["model"], alone["model"], rtol=1e-6)
    state = system.end_task(state, jnp.int32(0), batch(9), jr.key(9))
    same(state["anchor"], alone["model"], rtol=1e-6)
    away = jax.tree.map(lambda a: a + 0.25, alone["model"])
    moved = {**state, "learner": {**state["learner"], "model": away}}
    found, _ = step(moved, batch(4))
    free, _ = single({**alone, "model": away}, batch(4))
    for a, b, f in zip(*map(leaves, (found["learner"]["model"], free["model"], state["precision"])),
                       strict=True):  # fmt: skip
        # SGD at 0.2: -rate x strength x precision x distance.
        np.testing.assert_allclose(a - b, -0.2 * 3 * f * 0.25, rtol=1e-3, atol=1e-6)


def test_online_consolidation_adds_up_fisher_diagonals_and_l2_does_not():
    ewc, l2 = anchored("ewc", 1.0), anchored("l2", 1.0)
    state = ewc.init(key=jr.key(0))
    first = ewc.end_task(state, jnp.int32(0), batch(1), jr.key(1))
    second = ewc.end_task(first, jnp.int32(1), batch(2), jr.key(2))

    model = learner().model(state["learner"])
    params, rest = eqx.partition(model, eqx.is_inexact_array)
    alone = diagonal_fisher(
        lambda p, x: log_prob(eqx.combine(p, rest), x), params, batch(2).x,
        key=named(jr.key(2), "labels"),
    )  # fmt: skip
    for a, b, c in zip(leaves(first["precision"]), leaves(second["precision"]), leaves(alone),
                       strict=True):  # fmt: skip
        np.testing.assert_allclose(b - a, c, rtol=1e-4, atol=1e-6)
    state = l2.init(key=jr.key(0))
    for task in range(2):
        state = l2.end_task(state, jnp.int32(task), batch(1), jr.key(1))
    assert all((a == 1).all() for a in leaves(state["precision"]))


def test_path_integrals_agree_with_a_slow_loop():
    system, plain = anchored("si", 0.5), learner()
    state = system.init(key=jr.key(0))
    weights = leaves(state["learner"]["model"])
    total = [np.zeros_like(w) for w in weights]
    anchor = [w.copy() for w in weights]
    for task in range(2):
        omega, start = [np.zeros_like(w) for w in weights], [w.copy() for w in weights]
        for i in range(4):
            inner = {**state["learner"]}
            gradient = leaves(plain.differentiate(inner, batch(10 * task + i)).gradient)
            for k, g in enumerate(gradient):
                step = -0.2 * (g + 0.5 * total[k] * (weights[k] - anchor[k]))
                omega[k] -= g * step
                weights[k] = weights[k] + step
            state, _ = system.step(state, batch(10 * task + i))
            for a, b in zip(leaves(state["learner"]["model"]), weights, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
        state = system.end_task(state, jnp.int32(task), batch(9), jr.key(9))
        for k, w in enumerate(weights):
            total[k] = total[k] + np.maximum(omega[k], 0) / ((w - start[k]) ** 2 + 0.1)
            anchor[k] = w.copy()
        for a, b in zip(leaves(state["precision"]), total, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-6)
    assert max(a.max() for a in leaves(state["precision"])) > 0


def test_importance_is_never_negative():
    found = synaptic_intelligence(
        {"a": jnp.array([-1.0, 2.0])}, {"a": jnp.array([1.0, 3.0])}, damping=1.0
    )
    np.testing.assert_allclose(found["a"], [0, 0.2])


def test_distillation_is_a_cross_entropy_at_a_temperature():
    s, t = np.random.default_rng(0).normal(size=(2, 3, 4))
    p = np.exp(t / 2) / np.exp(t / 2).sum(-1, keepdims=True)
    q = np.exp(s / 2) / np.exp(s / 2).sum(-1, keepdims=True)
    student, teacher = jnp.asarray(s, jnp.float32), jnp.asarray(t, jnp.float32)
    found = distillation(student, teacher, kind="softmax", temperature=2.0, weight=3.0)
    np.testing.assert_allclose(found, -3 * 4 * (p * np.log(q)).sum(-1), rtol=1e-5)
    p, q = (1 / (1 + np.exp(-a / 2)) for a in (t, s))
    found = distillation(student, teacher, kind="sigmoid", temperature=2.0, weight=1.0)
    expected = -4 * (p * np.log(q) + (1 - p) * np.log(1 - q)).sum(-1)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    # Nothing pulls where the student says what the teacher says.
    pull = jax.grad(
        lambda a: distillation(a, teacher, kind="softmax", temperature=2.0, weight=1.0).sum()
    )(teacher)
    np.testing.assert_allclose(pull, 0, atol=1e-6)
    with pytest.raises(ValueError, match="'softmax' or 'sigmoid'"):
        distillation(student, teacher, kind="hinge", temperature=1.0, weight=1.0)


@pytest.mark.parametrize("shared", [False, True])
def test_lwf_adds_what_the_old_net_said_of_new_inputs(shared):
    inner = learner()
    system = LearningWithoutForgetting(inner, jnp.float32(2), jnp.float32(0.7), shared=shared)
    state = system.init(key=jr.key(0))
    state, _ = system.step(system.start_task(state, jnp.int32(0), jr.key(0)), batch(0))
    teacher = inner.model(state["learner"])
    state = system.start_task(state, jnp.int32(2), jr.key(0))
    state, _ = system.step(state, batch(1))
    student = inner.model(state["learner"])
    mixed = batch(2)._replace(task=jnp.array([2] * 10 + [0] * 6, jnp.int32))
    _, record = system.step(state, mixed)
    base, _ = loss(student, mixed, jr.key(0))
    said = distillation(
        jax.vmap(student)(mixed.x[:10]), jax.vmap(teacher)(mixed.x[:10]), kind="softmax",
        temperature=2.0, weight=0.7,
    ).mean()  # fmt: skip
    expected = base / 3 + 2 * said / 3 if shared else base + said
    np.testing.assert_allclose(record["loss"], expected, rtol=1e-5)


def run(strength):
    tasks = PermutedTasks(dataset(noise=60), 3, first_identity=True, batch=16, scaling=FLAT)
    # Without strength it is the learner: one program for both, in which the strength is swept.
    system = TaskSequence(
        anchored("ewc", 0.0), tasks, 60, candidates=own_classes, reset_optimizer=True, examples=80
    )
    grid = {"strength": (lambda s: s["learner"].strength, np.float32([0.0, strength]))}
    found = simulate(system, 3, key=jr.key(0), seeds=4, grid=grid).records["accuracy"]
    return backward_transfer(found).mean(0)


def test_less_is_forgotten():
    free, held = run(5.0)
    assert held > free + 0.02
