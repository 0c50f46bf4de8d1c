import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engrax.core import Stream, accuracy, simulate
from engrax.tasks import GroupStream, group_task, operation_table

P = 23
TABLE = operation_table(P, np.add)


@settings(max_examples=8)
@given(st.integers(0, 2**31 - 1), st.floats(0.05, 1.0), st.floats(0.0, 1.0))
def test_split_and_corruption(seed, fraction, corrupt):
    task = group_task(jr.key(seed), TABLE, fraction, corrupt=corrupt)
    n = len(task.y)
    # `int` up to the rounding of a product that is whole on paper.
    assert n in (int(fraction * P * P), int(fraction * P * P + 1e-2))
    assert int(task.corrupt.sum()) in (int(corrupt * n), int(corrupt * n + 1e-2))
    seen = np.concatenate([np.array(task.x), np.array(task.x_test)])
    assert len({tuple(pair) for pair in seen.tolist()}) == P * P
    np.testing.assert_array_equal(TABLE[task.x[:, 0], task.x[:, 1]], task.y_true)
    np.testing.assert_array_equal(TABLE[task.x_test[:, 0], task.x_test[:, 1]], task.y_test)
    np.testing.assert_array_equal(task.y[~task.corrupt], task.y_true[~task.corrupt])


def test_random_labels_are_uniform_and_sometimes_right():
    tasks = [group_task(jr.key(k), TABLE, 1.0, corrupt=1.0) for k in range(20)]
    wrong = np.concatenate([np.array(t.y != t.y_true) for t in tasks])
    # 10,580 draws that are right with 1/23: six standard deviations are .012.
    assert abs((1 - wrong.mean()) - 1 / P) < 0.012
    counts = np.bincount(np.concatenate([np.array(t.y) for t in tasks]), minlength=P)
    assert abs(counts / counts.mean() - 1).max() < 6 / np.sqrt(counts.mean())


def test_the_ceiling_of_a_net_that_ignores_corruption_is_exact():
    task = group_task(jr.key(0), TABLE, 0.5, corrupt=0.35)
    truth = jnp.eye(P)[task.y_true]
    ceiling = 1 - (task.y != task.y_true).sum() / len(task.y)
    # One number of wrong labels; its share is rounded once or twice.
    np.testing.assert_allclose(accuracy(truth, task.y), ceiling, rtol=3e-7)


def test_full_batches_are_the_task():
    stream = GroupStream(TABLE, 0.4, corrupt=0.3)
    state = stream.init(key=jr.key(5))
    task = group_task(jr.key(5), TABLE, 0.4, corrupt=0.3)
    _, batch = stream.step(state, jnp.int32(3))
    np.testing.assert_array_equal(batch.x, task.x)
    np.testing.assert_array_equal(batch.y, task.y)
    assert bool(batch.mask.all())
    np.testing.assert_array_equal(stream.view(state, task.x), task.x)


@pytest.mark.parametrize(("fraction", "corrupt"), [(0.1, 0.0), (0.35, 0.8), (0.9, 0.45)])
def test_a_sweep_trains_on_a_prefix_of_shared_rows(fraction, corrupt):
    wide = GroupStream(TABLE, 0.9)
    swept = eqx.tree_at(
        lambda s: (s.fraction, s.corrupt), wide, (jnp.float32(fraction), jnp.float32(corrupt))
    )
    state = wide.init(key=jr.key(1))
    task = group_task(jr.key(1), TABLE, fraction, corrupt=corrupt)
    _, batch = swept.step(state, jnp.int32(0))
    assert batch.x.shape[0] == wide.rows
    np.testing.assert_array_equal(batch.x[batch.mask], task.x)
    np.testing.assert_array_equal(batch.y[batch.mask], task.y)
    entries = swept.entries(state)
    np.testing.assert_array_equal(entries.x[~entries.train], task.x_test)
    np.testing.assert_array_equal(entries.corrupt[entries.train], task.corrupt)


class _Recorded(Stream):
    """The stream, emitting what it dealt."""

    stream: GroupStream

    def init(self, *, key):
        return self.stream.init(key=key)

    def step(self, state, input):
        state, batch = self.stream.step(state, input)
        return state, {"index": batch.index, "x": batch.x}

    def view(self, state, x, task=0):
        return x


def test_an_epoch_deals_every_example_once_and_drops_the_rest():
    stream = GroupStream(TABLE, 0.5, batch=50)
    assert stream.rows == 264
    records = simulate(_Recorded(stream), 11, key=jr.key(0), seeds=2).records
    epochs = records["index"][:, :10].reshape(2, 2, 250)
    assert all(len(set(epoch)) == 250 for seed in epochs.tolist() for epoch in seed)
    assert len({tuple(epoch) for seed in epochs.tolist() for epoch in seed}) == 4


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"fraction": 0.0}, "fraction"),
        ({"fraction": 0.5, "corrupt": 1.5}, "corrupt"),
        ({"fraction": 0.1, "batch": 60}, "smaller batch"),
    ],
)
def test_bad_input_is_named(options, says):
    with pytest.raises(ValueError, match=says):
        GroupStream(TABLE, **options)
