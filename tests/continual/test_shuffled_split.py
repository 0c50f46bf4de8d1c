import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from engrax.continual import RehearsalStream, ShuffledSplitTasks, rehearsal_table
from engrax.tasks import Dataset
from tests.continual.cases import FLAT, dataset

DATA = dataset(classes=6, per_class=8)


def stream(data=DATA, batch=4):
    return ShuffledSplitTasks(data, 2, batch=batch, scaling=FLAT)


def test_every_seed_has_its_own_order_and_numbers_outputs_by_it():
    tasks = stream()
    states = [tasks.init(key=jr.key(seed)) for seed in range(4)]
    orders = {tuple(s["classes"].tolist()) for s in states}
    assert len(orders) > 1
    for state in states[:2]:
        order = np.asarray(state["classes"])
        assert sorted(order.tolist()) == list(range(6))
        np.testing.assert_array_equal(tasks.outputs_of(state, jnp.asarray(order)), np.arange(6))
        for task in range(3):
            seen = []
            for place in range(4):
                state, batch = tasks.draw(state, jnp.int32(task), jnp.int32(place))
                np.testing.assert_array_equal(order[batch.y], DATA.y[batch.index])
                np.testing.assert_array_equal(batch.x, FLAT(jnp.asarray(DATA.x)[batch.index]))
                assert (np.asarray(batch.y) // 2 == task).all()
                np.testing.assert_array_equal(batch.mask[0], np.arange(6) < 2 * task + 2)
                seen += np.asarray(batch.index).tolist()
            # Four batches of four: each image of two classes of eight once.
            assert sorted(seen) == np.flatnonzero(np.isin(DATA.y, order[2 * task :][:2])).tolist()


def test_test_images_are_those_of_the_tasks_classes():
    tasks = stream()
    state = tasks.init(key=jr.key(1))
    # One class has a test image less: its place is padding.
    short = Dataset("x", DATA.x, DATA.y, DATA.x_test[:-1], DATA.y_test[:-1], "a test")
    for source, count in ((tasks, 24), (stream(short), 23)):
        total = 0
        for task in range(3):
            x, y, here = source.test(state, jnp.int32(task))
            labels = np.asarray(state["classes"])[np.asarray(y)]
            for row in np.flatnonzero(here):
                same = DATA.x_test[DATA.y_test == labels[row]]
                assert any(np.array_equal(x[row], FLAT(jnp.asarray(s[None]))[0]) for s in same)
            total += int(here.sum())
        assert total == count


def test_a_shrinking_store_never_takes_anything_back():
    rehearsal = RehearsalStream(
        stream(), jnp.asarray(rehearsal_table("uniform", 3, 1.0), jnp.float32), 8,
        order="mixed", memory=8, shrinking=True,
    )  # fmt: skip
    state = rehearsal.init(key=jr.key(2))
    order = np.asarray(state["classes"])
    held = []
    for task in range(3):
        seen = []
        for place in range((16 + 8) // 4):
            state, batch = rehearsal.draw(state, jnp.int32(task), jnp.int32(place))
            np.testing.assert_array_equal(order[batch.y], DATA.y[batch.index])
            old = np.asarray(batch.y) // 2 < task
            seen += np.asarray(batch.index)[old].tolist()
        held.append(set(seen))
        assert len(seen) == (8 if task else 0)
        if task:
            # The store holds eight different images, as many of every old class.
            assert len(held[-1]) == 8
            np.testing.assert_array_equal(
                np.bincount(DATA.y[sorted(held[-1])], minlength=6)[order[: 2 * task]], 4 // task
            )
    first = {i for i in held[2] if DATA.y[i] in order[:2]}
    assert first < held[1]


def test_states_are_mapped_over_seeds():
    tasks = stream()
    states = jax.vmap(lambda k: tasks.init(key=k))(jr.split(jr.key(0), 3))
    _, batch = jax.jit(jax.vmap(lambda s: tasks.draw(s, jnp.int32(1), jnp.int32(0))))(states)
    assert batch.x.shape == (3, 4, 9)


def test_what_cannot_be_split_is_refused():
    with pytest.raises(ValueError, match="cannot be cut into tasks of 4"):
        ShuffledSplitTasks(DATA, 4, batch=2)
    uneven = Dataset("x", DATA.x[:-1], DATA.y[:-1], DATA.x_test, DATA.y_test, "a test")
    with pytest.raises(ValueError, match="from 7 to 8 training examples"):
        ShuffledSplitTasks(uneven, 2, batch=2)
    with pytest.raises(ValueError, match="batch=40 does not fit"):
        ShuffledSplitTasks(DATA, 2, batch=40)
    with pytest.raises(ValueError, match="needs a memory"):
        RehearsalStream(stream(), jnp.zeros((3, 3)), 4, order="mixed", shrinking=True)
