import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

from engrax.continual import (
    PermutedTasks,
    SplitTasks,
    TaskSequence,
    all_classes,
    average_accuracy,
    classes_seen,
    classes_up_to_tested,
    masked_cross_entropy,
    own_classes,
)
from engrax.core import simulate
from tests.continual.cases import FLAT, dataset, learner

DATA = dataset()
LABELS = jnp.array([[1, 1, 0, 0], [0, 0, 1, 1]], bool)


def permuted(n=3):
    return PermutedTasks(DATA, n, first_identity=False, batch=16, scaling=FLAT)


def sequence(inner=None, tasks=None, steps=30, **more):
    more = {"candidates": own_classes, "reset_optimizer": True, **more}
    return TaskSequence(inner or learner(), tasks or permuted(), steps, **more)


@pytest.mark.parametrize(
    ("candidates", "expected"),
    [
        (own_classes, [[0, 1], [2, 3], [0, 1], [2, 3]]),
        (classes_up_to_tested, [[0, 1], [0, 1, 2, 3], [0, 1], [0, 1, 2, 3]]),
        (classes_seen, [[0, 1], [0, 1, 2, 3], [0, 1, 2, 3], [0, 1, 2, 3]]),
        (all_classes, [[0, 1, 2, 3]] * 4),
    ],
)
def test_candidates(candidates, expected):
    found = [
        np.flatnonzero(np.asarray(candidates(LABELS, jnp.int32(i), jnp.int32(j)))).tolist()
        for i in range(2)
        for j in range(2)
    ]
    assert found == expected


def test_a_tick_learns_a_task_and_tests_all():
    result = simulate(sequence(), 3, key=jr.key(0), seeds=2)
    matrix = result.records["accuracy"]
    assert matrix.shape == (2, 3, 3)
    assert (np.diagonal(matrix, axis1=1, axis2=2) > 0.9).all()
    np.testing.assert_array_equal(matrix, result.records["own_accuracy"])
    assert result.records["loss"].shape == (2, 3)


def test_a_tick_is_the_plain_loop():
    system = sequence(steps=4)
    state = system.init(key=jr.key(3))
    jumped, record = jax.jit(lambda s, t: system.step(s, t))(state, jnp.int32(0))
    tasks, inner = state["tasks"], state["learner"]
    losses = []
    for place in range(4):
        tasks, batch = system.tasks.draw(tasks, jnp.int32(0), jnp.int32(place))
        inner, out = system.learner.step(inner, batch)
        losses.append(out["loss"])
    np.testing.assert_allclose(record["loss"], np.mean(losses), rtol=1e-5)
    for a, b in zip(
        jax.tree.leaves(inner["model"]),
        jax.tree.leaves(jumped["learner"]["model"]),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_joint_training_learns_all_tasks_at_once():
    result = simulate(sequence(mixed=True, steps=60), 2, key=jr.key(0), seeds=1)
    assert average_accuracy(result.records["accuracy"][:, :, :2])[0] > 0.9
    assert result.records["accuracy"][0, 1, 2] > 0.9  # a task that is never visited on its own


def other_classes(labels, trained, tested):
    return ~labels[tested]


@pytest.mark.parametrize("candidates", [all_classes, other_classes])
def test_candidates_decide_what_is_right(candidates):
    tasks = SplitTasks(DATA, 2, order=(0, 1, 2, 3), heads="task", batch=16, scaling=FLAT)
    system = sequence(tasks=tasks, candidates=candidates)
    records = simulate(system, 2, key=jr.key(0), seeds=1).records
    assert (np.diagonal(records["own_accuracy"][0]) > 0.9).all()
    assert (records["accuracy"] <= records["own_accuracy"] + 1e-6).all()
    if candidates is other_classes:
        assert (records["accuracy"] == 0).all()


def test_the_optimizer_starts_afresh_only_if_told_so():
    def momentum(learning_rate):
        return optax.sgd(learning_rate, momentum=0.9)

    inner = learner(optimizer=momentum)
    norms = {}
    for reset in (True, False):
        system = sequence(inner, steps=1, reset_optimizer=reset)
        state = system.init(key=jr.key(0))
        state, _ = system.step(state, jnp.int32(0))
        before = state["learner"]["model"]
        state, _ = system.step(state, jnp.int32(1))
        moved = jax.tree.map(jnp.subtract, state["learner"]["model"], before)
        trace = jax.tree.leaves(state["learner"]["optimizer"])
        norms[reset] = [
            float(jnp.linalg.norm(d + 0.2 * t))
            for d, t in zip(jax.tree.leaves(moved), trace, strict=True)
        ]
        # In both cases the change is the rate times the momentum it ends with.
        assert max(norms[reset]) < 1e-5
    fresh, kept = (
        sequence(inner, steps=1, reset_optimizer=r).init(key=jr.key(0)) for r in (True, False)
    )
    for a, b in zip(jax.tree.leaves(fresh), jax.tree.leaves(kept), strict=True):
        assert a.shape == b.shape


def test_masked_outputs_do_not_compete():
    logits = jnp.array([[1.0, 2.0, 50.0]])
    mask = jnp.array([[True, True, False]])
    expected = np.log(np.exp(1) + np.exp(2)) - 2
    found = masked_cross_entropy(logits, jnp.array([1]), mask)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    gradient = jax.grad(lambda z: masked_cross_entropy(z, jnp.array([1]), mask))(logits)
    assert gradient[0, 2] == 0
    assert np.isfinite(gradient).all()


def test_numbers_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="steps and examples"):
        sequence(steps=0)
    with pytest.raises(KeyError, match="tasks, learner"):
        sequence()["stream"]
    assert sequence()["tasks"].tasks == 3


def test_a_trace_shows_how_a_task_is_learned_and_changes_nothing():
    runs = []
    for trace in (None, 4):
        tasks = PermutedTasks(dataset(noise=60), 2, first_identity=True, batch=16, scaling=FLAT)
        system = TaskSequence(
            learner(), tasks, 18, candidates=own_classes, reset_optimizer=True, trace=trace
        )
        runs.append(simulate(system, 2, key=jr.key(0), seeds=2).records)
    assert runs[1]["trace"].shape == (2, 2, 4)
    for name, record in runs[0].items():
        np.testing.assert_allclose(runs[1][name], record, rtol=1e-6)
    with pytest.raises(ValueError, match="trace=19"):
        TaskSequence(learner(), tasks, 18, candidates=own_classes, reset_optimizer=True, trace=19)
    whole = TaskSequence(
        learner(), tasks, 18, candidates=own_classes, reset_optimizer=True, trace=18
    )
    found = simulate(whole, 2, key=jr.key(0), seeds=2).records
    # After all its steps a task is tested twice, with the same result.
    np.testing.assert_allclose(found["trace"][..., 0], np.diagonal(found["accuracy"], 0, 1, 2))
