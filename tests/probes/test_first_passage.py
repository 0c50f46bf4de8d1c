import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engrax.probes import first_passage


@given(
    st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=12),
    st.floats(-1, 1, width=32),
    st.integers(1, 4),
)
def test_against_a_loop(values, level, persist):
    found = first_passage(jnp.asarray(values, jnp.float32), jnp.float32(level), persist=persist)
    expected = len(values)
    for start in range(len(values) - persist, -1, -1):
        if all(np.float32(v) >= np.float32(level) for v in values[start : start + persist]):
            expected = start
    assert int(found.step) == expected
    assert bool(found.censored) == (expected == len(values))


def test_a_nan_is_below_every_level():
    found = first_passage(jnp.array([jnp.nan, 0.2, 0.9]), 0.5)
    assert int(found.step) == 2


def test_a_bad_persistence_is_named():
    with pytest.raises(ValueError, match="persist"):
        first_passage(jnp.zeros(3), 0.0, persist=0)
