import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from engrax.continual import ReplayBuffer, ReservoirReplay
from engrax.core import Batch
from tests.continual.cases import learner

BUFFER = ReplayBuffer(5, 1, 1, (9,), policy="reservoir")


def batches(steps, rows=6, seed=0):
    x, y = jr.normal(jr.key(seed), (steps, rows, 9)), jr.key(seed + 1)
    mask = jnp.ones((steps, rows, 4), bool)
    return Batch(x, jr.randint(y, (steps, rows), 0, 4), jnp.zeros(steps, jnp.int32), None, mask)


def one(many, step):
    return jax.tree.map(lambda leaf: leaf[step], many)


@jax.jit
def kept_of(rows, key):
    x = jnp.arange(80.0).reshape(-1, 1)
    buffer = ReplayBuffer(20, 1, 1, (1,), policy="reservoir")
    batch = Batch(x, jnp.zeros(80, jnp.int32))
    return buffer.add(buffer.init(), batch, jnp.int32(0), key, rows=rows)


@pytest.mark.parametrize("online", [True, False])
def test_a_step_is_one_on_the_batch_and_on_what_is_drawn(online):
    inner, many = learner(), batches(6)
    system = ReservoirReplay(inner, BUFFER, batch=6, online=online)
    state = system.init(key=jr.key(0))
    alone = inner.init(key=jr.key(0))
    for step in range(3):
        batch = one(many, step)
        _, draw, store = jr.split(state["key"], 3)
        old = BUFFER.sample(state["stored"], 6, draw)
        joined = batch  # twelve examples, or each of the six twice: the same mean
        if int(state["stored"].seen):
            x, y = (jnp.concatenate(pair) for pair in ((batch.x, old.x), (batch.y, old.y)))
            joined = Batch(x, y, batch.task, None, jnp.ones((12, 4), bool))
        alone, _ = inner.step(alone, joined)
        before = state["stored"]
        state, record = system.step(state, batch)
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6),
            state["learner"]["model"],
            alone["model"],
        )
        assert record["loss"].shape == ()
        stored = BUFFER.add(before, batch, jnp.int32(0), store) if online else before
        np.testing.assert_array_equal(state["stored"].x, stored.x)
        assert int(state["stored"].seen) == (6 * (step + 1) if online else 0)
        if not online and step == 1:
            state = system.end_task(state, jnp.int32(0), batch, jr.key(3))
            assert int(state["stored"].seen) == 6
            state["stored"] = before  # as if it had not been
    ended = system.end_task(state, jnp.int32(0), one(many, 4), jr.key(3))
    assert int(ended["stored"].seen) - int(state["stored"].seen) == (0 if online else 6)


def test_padding_is_not_offered():
    buffer = ReplayBuffer(20, 1, 1, (1,), policy="reservoir")
    few = kept_of(jnp.int32(7), jr.key(0))
    assert int(few.seen) == few.filled.sum() == 7
    np.testing.assert_array_equal(few.x[:7, 0], np.arange(7))
    np.testing.assert_array_equal(buffer.sample(few, 50, jr.key(1)).x < 7, True)
    count = np.zeros(80)
    for stored in jax.vmap(lambda key: kept_of(jnp.int32(60), key))(jr.split(jr.key(2), 300)).x:
        count[np.asarray(stored[:, 0], int)] += 1
    # Each of 60 is kept 100 times of 300, with a standard deviation of at most 8.2: five of them.
    assert np.abs(count[:60] - 100).max() < 41
    assert not count[60:].any()


def test_the_last_of_several_hits_stays():
    """Against a loop over single examples, with the draws that a batch makes."""
    buffer = ReplayBuffer(3, 1, 1, (1,), policy="reservoir")
    batch = Batch(jnp.arange(40.0)[:, None], jnp.arange(40, dtype=jnp.int32))
    stored = buffer.add(buffer.init(), batch, jnp.int32(0), jr.key(5))
    wanted = np.arange(3.0)
    for number, share in enumerate(np.asarray(jr.uniform(jr.key(5), (40,)))):
        place = number if number < 3 else int(np.float32(share) * np.float32(number + 1))
        if place < 3:
            wanted[place] = number
    np.testing.assert_array_equal(stored.x[:, 0], wanted)


def test_what_makes_no_replay_is_refused():
    per_task = ReplayBuffer(5, 2, 1, (9,), policy="per_task")
    with pytest.raises(ValueError, match="policy='reservoir'"):
        ReservoirReplay(learner(), per_task, batch=3, online=True)
    with pytest.raises(ValueError, match="batch=0"):
        ReservoirReplay(learner(), BUFFER, batch=0, online=True)
    with pytest.raises(ValueError, match="use draw"):
        per_task.sample(per_task.init(), 3, jr.key(0))
    batch = one(batches(1), 0)
    with pytest.raises(ValueError, match="takes no padding"):
        per_task.add(per_task.init(), batch, jnp.int32(0), jr.key(0), rows=jnp.int32(2))
