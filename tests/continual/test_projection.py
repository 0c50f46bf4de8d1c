import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

from engrax.continual import (
    ExemplarReplay,
    GradientProjectionMemory,
    HebbianOrthogonalProjection,
    PermutedTasks,
    ReplayBuffer,
    TaskSequence,
    backward_transfer,
    learning_accuracy,
    own_classes,
)
from engrax.core import Batch, GradientLearner, Learner, simulate
from engrax.credit import FeedbackAlignment
from engrax.nn import MLP, dense
from engrax.plasticity import OrthogonalLateralCircuit
from tests.continual.cases import FLAT, activity, dataset, learner, weights

ROWS = [[4, 4], [2, 3], [2, 3]]


def circuits(**more):
    options = {"rate": 0.05, "block": 4, **more}
    return (OrthogonalLateralCircuit(9, 8, **options), OrthogonalLateralCircuit(12, 10, **options))


def hlop(inner=None, **more):
    options = {"freeze_vectors": True, "activity": activity, **more}
    mine, rows = options.pop("circuits", circuits()), options.pop("rows", ROWS)
    return HebbianOrthogonalProjection(inner or learner(), mine, rows, weights, **options)


def batch(seed=0, n=16):
    x = jr.normal(jr.key(seed), (n, 9))
    return Batch(x, jr.randint(jr.key(seed + 1), (n,), 0, 4))


def second_task(system, seed=0):
    """A state in task 1, with what task 0 left frozen."""
    state = system.init(key=jr.key(seed))
    state = system.start_task(state, jnp.int32(0), jr.key(1))
    for i in range(20):
        state, _ = system.step(state, batch(i))
    state = system.end_task(state, jnp.int32(0), batch(3), jr.key(2))
    return system.start_task(state, jnp.int32(1), jr.key(3))


def test_the_first_task_is_learned_as_if_alone():
    system = hlop()
    state = system.start_task(system.init(key=jr.key(0)), jnp.int32(0), jr.key(1))
    alone = system.learner.init(key=jr.key(0))
    for i in range(3):
        state, _ = system.step(state, batch(i))
        alone, _ = system.learner.step(alone, batch(i))
    for a, b in zip(
        jax.tree.leaves(state["learner"]["model"]), jax.tree.leaves(alone["model"]), strict=True
    ):
        np.testing.assert_allclose(a, b, atol=1e-6)  # old + (new - old) rounds once


@pytest.mark.parametrize("momentum", [None, 0.9])
def test_changes_are_projected_gradients(momentum):
    optimizer = eqx.Partial(optax.sgd, momentum=momentum)
    system = hlop(learner(optimizer=optimizer))
    state = second_task(system)
    moved = system.advance(state, batch(50))
    raw, _ = system.learner.step(state["learner"], batch(50))
    for level in range(2):
        h = np.asarray(system.circuits[level].frozen_rows(state["circuits"][level]))
        old = np.asarray(weights(state["learner"]["model"])[level])
        change = np.asarray(weights(raw["model"])[level]) - old
        expected = change - change @ h.T @ h
        new = np.asarray(weights(moved.state["learner"]["model"])[level])
        np.testing.assert_allclose(new - old, expected, atol=1e-6)
        np.testing.assert_allclose(moved.raw[level], change, atol=1e-6)
        np.testing.assert_allclose(moved.applied[level], expected, atol=1e-6)
        assert np.linalg.norm(expected) < 0.95 * np.linalg.norm(change)


def test_biases_move_in_the_first_task_alone():
    system = hlop(learner(bias=True))
    state = system.start_task(system.init(key=jr.key(0)), jnp.int32(0), jr.key(1))
    first, _ = system.step(state, batch(0))
    assert not np.allclose(first["learner"]["model"].layers[0].bias, 0)
    state = second_task(system)
    after, _ = system.step(state, batch(60))
    for a, b in zip(
        state["learner"]["model"].layers, after["learner"]["model"].layers, strict=True
    ):
        np.testing.assert_array_equal(a.bias, b.bias)
        assert not np.array_equal(a.weight, b.weight)
    free = hlop(learner(bias=True), freeze_vectors=False)
    moved, _ = free.step(second_task(free), batch(60))
    first = state["learner"]["model"].layers[0].bias
    assert not np.allclose(moved["learner"]["model"].layers[0].bias, first)


def test_what_lies_in_the_rows_is_computed_as_before():
    system = hlop(circuits=circuits(reorthonormalize=True))
    state = second_task(system)
    h = system.circuits[0].frozen_rows(state["circuits"][0])
    old = jr.normal(jr.key(9), (5, len(h))) @ h
    before = old @ weights(state["learner"]["model"])[0].T
    for i in range(30):
        state, _ = system.step(state, batch(i))
    np.testing.assert_allclose(old @ weights(state["learner"]["model"])[0].T, before, atol=1e-5)


class TracingLearner(Learner):
    """A learner that lets projections in, and hands its layers' inputs out."""

    inner: GradientLearner

    def init(self, *, key):
        return self.inner.init(key=key)

    def model(self, state):
        return self.inner.model(state)

    def predict(self, state, x):
        return self.inner.predict(state, x)

    def step(self, state, input):
        return self.learn(state, input)[:2]

    def learn(self, state, batch, *, projections=None):
        samples = []

        def loss(model, batch, key):
            x = batch.x
            for level, layer in enumerate(model.layers):
                samples.append(jax.lax.stop_gradient(x)[None])
                trace = x if projections is None else projections[level](x)
                y = dense(x, layer.weight, trace=jax.lax.stop_gradient(trace))
                x = y if layer.activation is None else layer.activation(y)
            right = jnp.take_along_axis(jax.nn.log_softmax(x), batch.y[:, None], 1)
            return -right.mean(), (model, {f"sample{i}": a for i, a in enumerate(samples)})

        state, record = dataclasses.replace(self.inner, loss=loss).step(state, batch)
        return state, {"loss": record["loss"]}, [record["sample0"], record["sample1"]]


def test_projected_traces_are_projected_changes():
    inside, outside = hlop(TracingLearner(learner()), traces=True), hlop()
    state = second_task(outside)
    a, b = inside.advance(state, batch(50)), outside.advance(state, batch(50))
    for x, y in zip(
        weights(a.state["learner"]["model"]), weights(b.state["learner"]["model"]), strict=True
    ):
        np.testing.assert_allclose(x, y, atol=1e-6)
    for x, y in zip(jax.tree.leaves(a.state["circuits"]), jax.tree.leaves(b.state["circuits"]),
                    strict=True):  # fmt: skip
        np.testing.assert_allclose(x, y, atol=1e-6)
    coded = hlop(TracingLearner(learner()), traces=True, circuits=circuits(burst_levels=4.0))
    c = coded.advance(state, batch(50))
    assert not np.allclose(
        weights(c.state["learner"]["model"])[0], weights(a.state["learner"]["model"])[0], atol=1e-4
    )


def sequence(inner, **more):
    tasks = PermutedTasks(dataset(noise=60), 3, first_identity=False, batch=16, scaling=FLAT)
    return TaskSequence(
        inner, tasks, 60, candidates=own_classes, reset_optimizer=True, examples=80, **more
    )


def gpm(**more):
    options = {"k": ROWS, **more}
    return GradientProjectionMemory(
        learner(), weights, activity, k_max=(8, 10), freeze_vectors=True, **options
    )


def transfer(inner):
    records = simulate(sequence(inner), 3, key=jr.key(0), seeds=4).records
    return backward_transfer(records["accuracy"]).mean(), learning_accuracy(
        records["accuracy"]
    ).mean()


def test_projection_forgets_less_and_still_learns():
    plain, _ = transfer(learner())
    for method in (hlop(), gpm()):
        kept, learned = transfer(method)
        assert kept > plain + 0.03
        assert learned > 0.7


def test_any_credit_rule_can_be_inside():
    build = eqx.Partial(MLP, (9, 12, 4), jnp.tanh, bias=False)
    rule = FeedbackAlignment(build, optax.sgd, {"learning_rate": jnp.float32(0.2)})
    method = GradientProjectionMemory(
        rule, weights, activity, k_max=(8, 10), k=ROWS, freeze_vectors=True
    )
    assert transfer(method)[0] > transfer(rule)[0]


def test_gradient_projection_takes_the_leading_singular_vectors():
    system = gpm()
    state = system.start_task(system.init(key=jr.key(0)), jnp.int32(0), jr.key(1))
    examples = batch(4, 40)
    state = system.end_task(state, jnp.int32(0), examples, jr.key(2))
    found = activity(system.learner.model(state["learner"]), examples.x)
    for basis, x, k in zip(state["bases"], found, ROWS[0], strict=True):
        top = np.linalg.svd(np.asarray(x, np.float64))[2][:k]
        assert int(basis.used) == k
        rows = np.asarray(basis.rows[:k])
        np.testing.assert_allclose(rows.T @ rows, top.T @ top, atol=1e-4)
        np.testing.assert_array_equal(basis.rows[k:], 0)
    state = system.end_task(state, jnp.int32(1), batch(8, 40), jr.key(2))
    for basis, k in zip(state["bases"], np.sum(ROWS[:2], 0), strict=True):
        rows = np.asarray(basis.rows[:k])
        np.testing.assert_allclose(rows @ rows.T, np.eye(k), atol=1e-5)


def test_energy_decides_on_the_number_of_directions():
    system = gpm(k=None, energy=(0.8, 0.95))
    state = system.init(key=jr.key(0))
    examples = batch(4, 40)
    state = system.end_task(state, jnp.int32(0), examples, jr.key(2))
    found = activity(system.learner.model(state["learner"]), examples.x)
    for basis, x, share in zip(state["bases"], found, (0.8, 0.95), strict=True):
        values = np.linalg.svd(np.asarray(x, np.float64), compute_uv=False) ** 2
        needed = int(np.argmax(np.cumsum(values) / values.sum() >= share)) + 1
        assert int(basis.used) == min(needed, len(basis.rows))
    again = system.end_task(state, jnp.int32(1), examples, jr.key(2))
    for a, b in zip(state["bases"], again["bases"], strict=True):
        if int(a.used) < len(a.rows):
            assert int(a.used) == int(b.used)  # the same examples ask for nothing more


def test_wrappers_go_around_wrappers():
    buffer = ReplayBuffer(6, 3, 4, (9,), policy="per_class")
    both = ExemplarReplay(
        hlop(), learner(rate=0.05), buffer, steps=40, batch=8, freeze_vectors=True
    )
    kept, learned = transfer(both)
    assert kept > transfer(learner())[0] + 0.03
    assert learned > 0.7


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: hlop(rows=[[1, 2, 3]]), "do not fit 2"),
        (lambda: hlop(rows=[[5, 1]]), "5 at once"),
        (lambda: hlop(rows=[[4, 1]] * 3), "12 rows"),
        (lambda: hlop(learner(widths=(9, 13, 4))).init(key=jr.key(0)), "one circuit for each"),
        (lambda: gpm(energy=(0.9, 0.9)), "either k or energy"),
        (lambda: gpm(k=[[9, 1]]), "raise k_max"),
        (lambda: gpm(k=[[1]]), "does not fit 2 layers"),
        (lambda: gpm(k=None, energy=(1.5, 0.9)), "one share in"),
        (lambda: GradientProjectionMemory(
            learner(), weights, activity, k_max=(10, 1), k=[[1, 1]], freeze_vectors=True
        ).init(key=jr.key(0)), "at most its inputs"),
        (lambda: hlop(activity=None), "give `activity`"),
        (lambda: hlop(traces=True), "leave `traces` off"),
        (lambda: hlop(circuits=circuits(burst_levels=5)), "set traces=True"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_in_a_sentence(make, says):
    with pytest.raises(ValueError, match=says):
        make()


def test_the_learner_keeps_a_gradient_learners_interface():
    system = hlop()
    state = system.init(key=jr.key(0))
    assert isinstance(system.learner, GradientLearner)
    assert system.predict(state, batch().x).shape == (16, 4)
