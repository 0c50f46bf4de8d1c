import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engrax.core import image_columns, patches


def slow(x, size, stride, padding):
    """One patch after the other."""
    x = np.pad(np.asarray(x), ((0, 0), (padding, padding), (padding, padding)))
    rows = []
    for r in range(0, x.shape[1] - size + 1, stride):
        for c in range(0, x.shape[2] - size + 1, stride):
            rows.append(x[:, r : r + size, c : c + size].ravel())
    return np.stack(rows)


@settings(derandomize=True, deadline=None, max_examples=15)
@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(0, 2))
def test_patches_equal_a_slow_loop(channels, size, stride, padding):
    x = jr.normal(jr.key(0), (channels, 5, 4))
    # Copies: equal bit for bit.
    np.testing.assert_array_equal(patches(x, size, stride, padding), slow(x, size, stride, padding))


def test_a_batch_in_the_last_axis_is_carried_along():
    x = jr.normal(jr.key(1), (2, 5, 6, 3))
    together = image_columns(x, 3, 2, 1)
    apart = jax.vmap(lambda x: image_columns(x, 3, 2, 1), in_axes=-1, out_axes=-1)(x)
    np.testing.assert_array_equal(together, apart)


def test_the_gradient_counts_how_many_patches_hold_a_pixel():
    count = jax.grad(lambda x: patches(x, 3).sum())(jnp.zeros((1, 5, 5)))[0]
    reach = np.array([1.0, 2.0, 3.0, 2.0, 1.0])
    np.testing.assert_array_equal(count, np.outer(reach, reach))


def test_bad_input():
    x = jnp.zeros((1, 4, 4))
    with pytest.raises(ValueError, match="does not fit"):
        patches(x, 5)
    with pytest.raises(ValueError, match="size >= 1"):
        patches(x, 0)
