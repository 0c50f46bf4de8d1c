import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jax import lax

from engrax.nn import max_pool, mean_pool, upsample


@pytest.mark.parametrize("shape", [(6, 6), (7, 5)])
def test_max_pooling_equals_the_library_and_cuts_odd_edges(shape):
    x = jr.normal(jr.key(0), (2, *shape))
    expected = lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2), (1, 2, 2), "VALID")
    assert expected.shape[1:] == (shape[0] // 2, shape[1] // 2)
    np.testing.assert_array_equal(max_pool(x), expected)
    np.testing.assert_array_equal(
        jax.grad(lambda x: (max_pool(x) ** 2).sum())(x),
        jax.grad(
            lambda x: (
                lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2), (1, 2, 2), "VALID") ** 2
            ).sum()
        )(x),
    )


def test_fourteen_seven_three_one():
    x = jnp.zeros((1, 14, 14))
    sizes = [(x := max_pool(x)).shape[1] for _ in range(3)]
    assert sizes == [7, 3, 1]


def test_a_monotone_activation_commutes_with_max_pooling():
    x = jr.normal(jr.key(0), (2, 6, 6))
    np.testing.assert_array_equal(max_pool(jax.nn.elu(x)), jax.nn.elu(max_pool(x)))


def test_upsampling_repeats_and_mean_pooling_takes_it_back():
    x = jr.normal(jr.key(0), (2, 3, 4, 5))
    large = upsample(x, 3)
    np.testing.assert_array_equal(large, np.repeat(np.repeat(x, 3, axis=1), 3, axis=2))
    # A mean of nine equal numbers rounds in the last place.
    np.testing.assert_allclose(mean_pool(large, 3), x, rtol=1e-6)


@pytest.mark.parametrize("shape", [(7, 7), (6, 7)])
def test_upsampling_to_a_shape_undoes_pooling_pixel_by_pixel(shape):
    x = jr.normal(jr.key(0), (2, 3, 3))
    large = upsample(x, 2, shape=shape)
    assert large.shape == (2, *shape)
    np.testing.assert_array_equal(max_pool(large), x)
    np.testing.assert_array_equal(large[:, -1], large[:, 5])


def test_upsampling_to_a_smaller_shape_cuts_the_edge_that_striding_added():
    x = jr.normal(jr.key(0), (1, 4, 4))
    np.testing.assert_array_equal(upsample(x, 2, shape=(7, 8)), upsample(x, 2)[:, :7])


def test_bad_input():
    with pytest.raises(ValueError, match="no 3 x 3 block"):
        max_pool(jnp.zeros((1, 2, 2)), 3)
    with pytest.raises(ValueError, match="at least 1 x 1"):
        mean_pool(jnp.zeros((1, 2, 2)), 0)
    with pytest.raises(ValueError, match="factor of at least 1"):
        upsample(jnp.zeros((1, 2, 2)), 0)
