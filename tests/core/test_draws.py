import jax
import jax.random as jr
import numpy as np
import pytest

from engrax.core import draw_normal, draw_uniform


@pytest.mark.parametrize("shape", [(), (7,), (3, 5), (2, 3, 5)])
def test_a_vector_with_a_shape_is_the_array_bit_for_bit(shape):
    key = jr.key(3)
    np.testing.assert_array_equal(draw_normal(key, shape), jr.normal(key, shape))
    np.testing.assert_array_equal(
        draw_uniform(key, shape, -0.3, 0.7), jr.uniform(key, shape, minval=-0.3, maxval=0.7)
    )


def test_it_is_so_under_vmap():
    keys = jr.split(jr.key(1), 4)
    drawn, expected = (jax.vmap(f, (0, None))(keys, (3, 5)) for f in (draw_normal, jr.normal))
    np.testing.assert_array_equal(drawn, expected)
