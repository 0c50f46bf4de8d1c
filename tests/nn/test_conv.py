import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jax import lax

from engrax.core import patches
from engrax.nn import Conv2d, conv2d, upsample, upsample_conv2d
from engrax.nn._conv import _by_library

# Sums of at most a hundred products of order one, in float32.
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


def library(x, weight, bias=None, stride=1, padding=0):
    """XLA's convolution of one image, by its own conventions."""
    y = lax.conv_general_dilated(x[None], weight, (stride, stride), ((padding, padding),) * 2)[0]
    return y if bias is None else y + bias[:, None, None]


SETTINGS = [(3, 1, 1), (3, 2, 1), (2, 2, 0), (1, 1, 0), (3, 3, 2), (5, 1, 2)]


@pytest.mark.parametrize(("size", "stride", "padding"), SETTINGS)
def test_output_and_gradients_equal_the_library(size, stride, padding):
    x = jr.normal(jr.key(0), (3, 7, 6))
    weight = jr.normal(jr.key(1), (4, 3, size, size))
    bias = jnp.arange(4.0)

    def ours(x, weight, bias):
        return conv2d(x, weight, bias, stride=stride, padding=padding)

    def theirs(x, weight, bias):
        return library(x, weight, bias, stride, padding)

    y, pull = jax.vjp(ours, x, weight, bias)
    expected, pull_expected = jax.vjp(theirs, x, weight, bias)
    np.testing.assert_allclose(y, expected, **CLOSE)
    cotangent = jr.normal(jr.key(2), y.shape)
    for a, b in zip(pull(cotangent), pull_expected(cotangent), strict=True):
        np.testing.assert_allclose(a, b, **CLOSE)


@pytest.mark.parametrize(("size", "stride", "padding"), SETTINGS)
def test_the_form_for_other_backends_agrees(size, stride, padding):
    x = jr.normal(jr.key(0), (3, 7, 6, 2))
    weight = jr.normal(jr.key(1), (4, 3, size, size))
    y = _by_library(x, weight, stride, padding)
    np.testing.assert_allclose(y, conv2d(x, weight, stride=stride, padding=padding), **CLOSE)


def test_a_batch_in_the_last_axis_equals_one_image_at_a_time():
    x = jr.normal(jr.key(0), (3, 6, 6, 5))
    layer = Conv2d(3, 4, 3, stride=2, padding=1, key=jr.key(1))
    apart = jax.vmap(layer, in_axes=-1, out_axes=-1)(x)
    np.testing.assert_allclose(layer(x), apart, **CLOSE)


def test_it_is_patches_times_weights():
    x = jr.normal(jr.key(0), (3, 6, 6))
    weight = jr.normal(jr.key(1), (4, 3, 3, 3))
    rows = patches(x, 3, 2, 1) @ weight.reshape(4, -1).T
    np.testing.assert_allclose(
        rows.T.reshape(4, 3, 3), conv2d(x, weight, stride=2, padding=1), **CLOSE
    )


def test_a_delta_kernel_copies_the_image():
    x = jr.normal(jr.key(0), (1, 5, 5))
    delta = jnp.zeros((1, 1, 3, 3)).at[0, 0, 1, 1].set(1.0)
    np.testing.assert_array_equal(conv2d(x, delta, padding=1), x)


@pytest.mark.parametrize("shape", [(3, 4), (1, 1), (3, 4, 2)])
def test_upsampling_folded_into_the_kernel(shape):
    x = jr.normal(jr.key(0), (3, *shape))
    weight, bias = jr.normal(jr.key(1), (4, 3, 3, 3)), jnp.arange(4.0)

    def plain(x, weight):
        return conv2d(upsample(x, 2), weight, bias, padding=1)

    y, pull = jax.vjp(lambda x, w: upsample_conv2d(x, w, bias), x, weight)
    expected, pull_expected = jax.vjp(plain, x, weight)
    np.testing.assert_allclose(y, expected, **CLOSE)
    cotangent = jr.normal(jr.key(2), y.shape)
    for a, b in zip(pull(cotangent), pull_expected(cotangent), strict=True):
        np.testing.assert_allclose(a, b, **CLOSE)


def test_the_start_is_uniform_within_one_over_the_root_of_the_fan_in():
    layer = Conv2d(4, 64, 3, key=jr.key(0))
    bound = 1 / 6
    assert jnp.abs(layer.weight).max() <= bound
    assert jnp.abs(layer.bias).max() <= bound
    # 2,304 uniform draws: the deviation is bound / sqrt(3) within 1 % or so; 5 % is beyond chance.
    np.testing.assert_allclose(layer.weight.std(), bound / 3**0.5, rtol=0.05)


def test_bad_input():
    with pytest.raises(ValueError, match="Conv2d needs"):
        Conv2d(0, 1, 3, key=jr.key(0))
    with pytest.raises(ValueError, match="does not fit"):
        Conv2d(1, 1, 5, key=jr.key(0))(jnp.zeros((1, 4, 4)))
