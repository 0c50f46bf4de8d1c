import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax

from engrax.continual import (
    PermutedTasks,
    TaskNorms,
    TaskSequence,
    latent_weights,
    own_classes,
    task_norm_loss,
)
from engrax.core import Batch, GradientLearner, metaplastic, simulate
from engrax.nn import BinaryNet
from tests.continual.cases import FLAT, dataset

WIDTHS = (9, 10, 4)


def adam(learning_rate):
    return optax.chain(
        optax.add_decayed_weights(1e-3),
        optax.adam(learning_rate),
        optax.masked(metaplastic(1.35), latent_weights),
    )


def learner(tasks=3):
    inner = GradientLearner(
        eqx.Partial(BinaryNet, WIDTHS, tasks=tasks),
        task_norm_loss,
        adam,
        {"learning_rate": jnp.float32(0.02)},
    )
    return TaskNorms(inner)


def batch(task, n=12):
    x = jr.normal(jr.key(task), (n, 9))
    return Batch(x, jr.randint(jr.key(9), (n,), 0, 4), task=jnp.int32(task))


def norms(state):
    model = state["learner"]["model"]
    return [np.asarray(a) for a in (*model.scales, *model.shifts)]


def test_only_the_present_tasks_norms_move_and_later_ones_inherit():
    system = learner()
    state = system.init(key=jr.key(0))
    before = norms(state)
    step = eqx.filter_jit(system.step)
    for _ in range(3):
        state, _ = step(state, batch(1))
    after = norms(state)
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old[[0, 2]], new[[0, 2]])
        assert not np.array_equal(old[1], new[1])
    state = system.end_task(state, jnp.int32(1), batch(1), jr.key(0))
    for old, new in zip(after, norms(state), strict=True):
        np.testing.assert_array_equal(new[2], old[1])
        np.testing.assert_array_equal(new[0], old[0])


def test_a_task_is_tested_under_its_own_norms():
    system = learner()
    state = system.init(key=jr.key(0))
    state, _ = eqx.filter_jit(system.step)(state, batch(0))
    x = batch(0).x
    model, found = system.learner.model(state["learner"]), []
    call = eqx.filter_jit(lambda net, x, task: net(x, jnp.int32(task)))
    for task in range(2):
        found.append(system.predict_task(state, x, jnp.int32(task)))
        np.testing.assert_allclose(found[task], call(model, x, task), rtol=1e-5, atol=1e-5)
    assert not np.allclose(*found)


def test_a_mask_of_latent_weights():
    net = BinaryNet(WIDTHS, key=jr.key(0))
    mask = latent_weights(net)
    assert all(mask.weights)
    assert not any(jax.tree.leaves((mask.scales, mask.shifts)))


def test_a_sequence_tests_each_task_with_its_norms():
    data = PermutedTasks(dataset(), 2, first_identity=False, batch=16, scaling=FLAT)
    sequence = TaskSequence(learner(2), data, 60, candidates=own_classes, reset_optimizer=True)
    records = simulate(sequence, 2, key=jr.key(0), seeds=1).records
    assert (np.diagonal(records["accuracy"][0]) > 0.8).all()
