import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from engrax.continual import (
    ExemplarReplay,
    PermutedTasks,
    ReplayBuffer,
    SplitTasks,
    TaskSequence,
    average_accuracy,
    own_classes,
)
from engrax.core import Batch, simulate
from tests.continual.cases import FLAT, dataset, learner


def offer(n, classes=3, seed=0):
    y = jr.randint(jr.key(seed), (n,), 0, classes)
    return Batch(jnp.arange(float(n))[:, None], y)


def test_the_first_of_each_class_and_task_are_kept():
    buffer = ReplayBuffer(2, 2, 3, (1,), policy="per_class")
    stored = buffer.init()
    for task, seed in ((0, 0), (1, 1)):
        batch = offer(30, seed=seed)
        stored = buffer.add(stored, batch, jnp.int32(task), jr.key(0))
        mine = np.asarray(stored.filled & (stored.task == task))
        for label in range(3):
            kept = np.asarray(stored.x)[mine & (np.asarray(stored.y) == label), 0]
            first = np.flatnonzero(np.asarray(batch.y) == label)[:2]
            assert sorted(kept) == sorted(first)
    assert int(stored.filled.sum()) == buffer.places == 12


def test_a_second_batch_fills_up_what_the_first_left():
    buffer = ReplayBuffer(3, 1, 1, (1,), policy="per_task")
    stored = buffer.add(buffer.init(), offer(2), jnp.int32(0), jr.key(0))
    assert int(stored.filled.sum()) == 2
    stored = buffer.add(stored, offer(5), jnp.int32(0), jr.key(0))
    assert int(stored.filled.sum()) == 3
    np.testing.assert_array_equal(stored.x[:, 0], [0, 1, 0])


def test_a_reservoir_keeps_every_example_equally_often():
    buffer = ReplayBuffer(5, 1, 1, (1,), policy="reservoir")
    kept = np.zeros(20)
    for seed in range(400):
        stored, batch = buffer.init(), offer(20)
        for part in range(4):
            some = Batch(batch.x[5 * part : 5 * part + 5], batch.y[5 * part : 5 * part + 5])
            stored = buffer.add(stored, some, jnp.int32(0), jr.fold_in(jr.key(seed), part))
        assert bool(stored.filled.all())
        kept[np.asarray(stored.x[:, 0], int)] += 1
    # Each is kept 100 times of 400, with a standard deviation of at most 8.7: five of them.
    assert np.abs(kept - 100).max() < 44


def test_draws_are_of_the_task_and_say_when_there_is_none():
    buffer = ReplayBuffer(4, 2, 3, (1,), policy="per_task")
    stored = buffer.add(buffer.init(), offer(9), jnp.int32(1), jr.key(0))
    batch, there = buffer.draw(stored, 50, jnp.int32(1), jr.key(1))
    assert bool(there)
    assert set(np.asarray(batch.x[:, 0])) == {0, 1, 2, 3}
    assert not bool(buffer.draw(stored, 5, jnp.int32(0), jr.key(1))[1])


def run(steps):
    tasks = PermutedTasks(dataset(noise=60), 3, first_identity=False, batch=16, scaling=FLAT)
    inner = learner()
    buffer = ReplayBuffer(6, 3, 4, (9,), policy="per_class")
    replay = ExemplarReplay(
        inner, learner(rate=0.05), buffer, steps=steps, batch=8, freeze_vectors=False
    )
    system = TaskSequence(
        replay, tasks, 60, candidates=own_classes, reset_optimizer=True, examples=80
    )
    return simulate(system, 3, key=jr.key(0), seeds=3)


def test_going_over_stored_examples_helps():
    short, long = (average_accuracy(run(steps).records["accuracy"]) for steps in (1, 60))
    assert long.mean() > short.mean() + 0.02


def test_a_rehearsal_step_is_one_step_on_the_sum_of_gradients():
    inner = learner()
    buffer = ReplayBuffer(1, 2, 1, (9,), policy="per_task")
    rehearsal = learner(rate=0.05)
    replay = ExemplarReplay(inner, rehearsal, buffer, steps=1, batch=3, freeze_vectors=False)
    state = replay.init(key=jr.key(0))
    examples = [Batch(jr.normal(jr.key(i), (1, 9)), jnp.array([i])) for i in range(2)]
    state = replay.end_task(state, jnp.int32(0), examples[0], jr.key(1))
    before = state["learner"]["model"]
    after = replay.end_task(state, jnp.int32(1), examples[1], jr.key(2))["learner"]["model"]
    # One example is stored for each task, so a batch of three is three times that one.
    total = [np.zeros(w.shape) for w in (before.layers[0].weight, before.layers[1].weight)]
    for batch in examples:
        moved, _ = rehearsal.step({**rehearsal.init(key=jr.key(0)), "model": before}, batch)
        for sum_, layer, old in zip(total, moved["model"].layers, before.layers, strict=True):
            sum_ += np.asarray(layer.weight - old.weight)
    for sum_, layer, old in zip(total, after.layers, before.layers, strict=True):
        np.testing.assert_allclose(layer.weight - old.weight, sum_, atol=1e-6)


def test_masks_are_stored_with_split_tasks():
    tasks = SplitTasks(dataset(), 2, order=(0, 1, 2, 3), heads="task", batch=16, scaling=FLAT)
    buffer = ReplayBuffer(5, 2, 4, (9,), policy="per_class", masked=True)
    state = tasks.init(key=jr.key(0))
    stored = buffer.init()
    for task in range(2):
        sample = tasks.sample(state, jnp.int32(task), 40, jr.key(task))
        stored = buffer.add(stored, sample, jnp.int32(task), jr.key(0))
    batch, _ = buffer.draw(stored, 12, jnp.int32(1), jr.key(3))
    np.testing.assert_array_equal(batch.mask, np.broadcast_to(tasks.labels[1], (12, 4)))
    assert int(stored.filled.sum()) == 20


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        ReplayBuffer(0, 1, 1, (1,), policy="per_task")
    with pytest.raises(Exception, match="newest"):  # beartype's own, where it is on
        ReplayBuffer(1, 1, 1, (1,), policy="newest")
    buffer = ReplayBuffer(2, 1, 1, (2,), policy="per_task")
    with pytest.raises(ValueError, match="do not fit a memory"):
        buffer.add(buffer.init(), offer(3), jnp.int32(0), jr.key(0))
