"""What one process tells the others of a run."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from engrax.lab._processes import _received, _sent


def test_a_checkpoint_is_sent_as_arrays_and_received_to_the_bit() -> None:
    state = {
        "key": jr.split(jr.key(3), 2),
        "weights": jnp.arange(6, dtype=jnp.bfloat16).reshape(2, 3) / 7,
        "count": jnp.int32(5),
        "seen": np.array([True, False]),
    }
    like = jax.eval_shape(lambda: state)
    tick, found = _received(_sent(40, state), like)
    assert tick == 40
    assert jax.tree.structure(found) == jax.tree.structure(state)
    for name in ("weights", "count", "seen"):
        assert found[name].dtype == state[name].dtype
        np.testing.assert_array_equal(found[name], state[name])
    assert jr.key_impl(found["key"]) == jr.key_impl(state["key"])
    np.testing.assert_array_equal(jr.key_data(found["key"]), jr.key_data(state["key"]))


def test_where_there_is_no_checkpoint_none_is_received() -> None:
    assert _received(b"", {"key": jr.key(0)}) is None
