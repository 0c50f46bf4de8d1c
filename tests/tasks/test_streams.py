"""Streams: what an epoch visits, what the clock decides, what the learner sees."""

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, settings

from engrax.tasks import Batches, Examples, FullBatch, Scaling


def examples(n):
    x = (np.arange(n * 6) % 256).astype(np.uint8).reshape(n, 2, 3)
    return Examples(x, np.arange(n, dtype=np.int32))


def play(stream, ticks, seed=0):
    """The batches of the first ticks, stacked."""

    def run(state):
        return jax.lax.scan(lambda s, t: stream.step(s, t), state, jnp.arange(ticks))

    return jax.jit(run)(stream.init(key=jr.key(seed)))[1]


@settings(max_examples=10)  # each compiles a program
@given(n=st.integers(1, 23), data=st.data())
def test_an_epoch_visits_each_example_at_most_once(n, data):
    batch = data.draw(st.integers(1, n))
    stream = Batches(examples(n), batch)
    per_epoch = n // batch
    assert stream.per_epoch == per_epoch
    index = np.asarray(play(stream, 3 * per_epoch).index).reshape(3, -1)
    for epoch in index:
        assert len(set(epoch.tolist())) == per_epoch * batch
        assert ((epoch >= 0) & (epoch < n)).all()


def test_epochs_differ_and_seeds_differ():
    stream = Batches(examples(40), 8)
    one, other = (np.asarray(play(stream, 10, seed).index) for seed in (0, 1))
    assert (one[:5] != one[5:]).any()
    assert (one != other).any()
    np.testing.assert_array_equal(one, play(stream, 10, 0).index)


def test_a_batch_is_the_scaled_rows_of_its_index():
    data = examples(30)
    stream = Batches(data, 7, scaling=Scaling(3.0, 5.0, shape=(6,)))
    out = play(stream, 4)
    index = np.asarray(out.index)
    expected = (data.x[index].reshape(4, 7, 6).astype(np.float32) - 3) / 5
    np.testing.assert_allclose(out.x, expected, rtol=1e-6)  # one rounding each
    np.testing.assert_array_equal(out.y, data.y[index])
    assert out.x.dtype == jnp.float32


def test_the_view_is_what_a_batch_shows():
    data = examples(30)
    stream = Batches(data, 30, scaling=Scaling(shape=(1, 2, 3)))
    state = stream.init(key=jr.key(0))
    _, batch = stream.step(state, jnp.int32(0))
    shown = stream.view(state, jnp.asarray(data.x))
    np.testing.assert_array_equal(batch.x, shown[batch.index])
    assert shown.shape == (30, 1, 2, 3)


def test_with_replacement_draws_are_uniform():
    stream = Batches(examples(10), 10, replace=True)
    index = np.asarray(play(stream, 2000).index).ravel()
    counts = np.bincount(index, minlength=10)
    # Chi-squared with 9 degrees of freedom passes 33.7 once in 10,000 times; the key is fixed.
    assert ((counts - 2000) ** 2 / 2000).sum() < 33.7
    assert (np.diff(np.sort(np.asarray(play(stream, 1).index))) == 0).any()


def test_shuffles_are_uniform():
    stream = Batches(examples(4), 4)
    index = np.asarray(play(stream, 2400).index)
    codes = index @ np.array([64, 16, 4, 1])
    _, counts = np.unique(codes, return_counts=True)
    assert len(counts) == 24
    # Chi-squared with 23 degrees of freedom passes 57.1 once in 10,000 times; the key is fixed.
    assert ((counts - 100) ** 2 / 100).sum() < 57.1


def test_inputs_that_are_no_bytes_pass_as_they_are():
    tokens = Examples(np.arange(12, dtype=np.int32).reshape(6, 2), np.arange(6, dtype=np.int32))
    for stream in (Batches(tokens, 6), FullBatch(tokens)):
        _, batch = stream.step(stream.init(key=jr.key(0)), jnp.int32(0))
        np.testing.assert_array_equal(batch.x, tokens.x[np.asarray(batch.index)])
        assert batch.x.dtype == jnp.int32


def test_full_batch_is_everything_in_order():
    data = examples(5)
    stream = FullBatch(data)
    state = stream.init(key=jr.key(0))
    after, batch = stream.step(state, jnp.int32(3))
    assert jax.tree.leaves(after) == []
    np.testing.assert_array_equal(batch.index, np.arange(5))
    np.testing.assert_allclose(batch.x, data.x / np.float32(255), rtol=1e-6)
    np.testing.assert_array_equal(batch.x, stream.view(state, jnp.asarray(data.x)))


def test_the_reshuffle_stays_a_real_branch_when_states_are_batched():
    stream = Batches(examples(12), 4)
    states = jax.vmap(lambda key: stream.init(key=key))(jr.split(jr.key(0), 3))
    program = jax.make_jaxpr(jax.vmap(lambda s, t: stream.step(s, t), (0, None)))(
        states, jnp.int32(1)
    )
    assert "cond[" in str(program)


def test_mapped_over_seeds_is_each_seed_alone():
    stream = Batches(examples(12), 4)
    keys = jr.split(jr.key(0), 3)

    def indices(key):
        return jax.lax.scan(lambda s, t: stream.step(s, t), stream.init(key=key), jnp.arange(6))[
            1
        ].index

    together = jax.jit(jax.vmap(indices))(keys)
    for i in range(3):
        np.testing.assert_array_equal(together[i], jax.jit(indices)(keys[i]))


def test_the_data_stay_bytes_on_the_device():
    assert Batches(examples(12), 4).x.dtype == jnp.uint8


@pytest.mark.parametrize("batch", [0, -1, 13])
def test_an_impossible_batch_size_is_refused(batch):
    with pytest.raises(ValueError, match=f"batch={batch} does not fit 12 examples"):
        Batches(examples(12), batch)


@pytest.mark.parametrize(("n_x", "n_y"), [(3, 4), (0, 0)])
def test_inputs_and_targets_must_pair_up(n_x, n_y):
    data = Examples(np.zeros((n_x, 2), np.uint8), np.zeros(n_y, np.int32))
    with pytest.raises(ValueError, match=f"{n_x} inputs and {n_y} targets"):
        FullBatch(data)
