import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engrax.nn import BatchNorm

# Float32 sums of a few hundred numbers of order one: relative errors of a few 1e-7.
CLOSE = {"rtol": 2e-5, "atol": 2e-5}


def batch(shape, seed=0):
    return 3.0 * jr.normal(jr.key(seed), shape) + 1.5


def slow(x, weight, bias, eps):
    """The textbook loop over channels, in float64."""
    x = np.asarray(x, np.float64)
    y = np.empty_like(x)
    for c in range(x.shape[1]):
        v = x[:, c]
        y[:, c] = (v - v.mean()) / np.sqrt(v.var() + eps) * weight[c] + bias[c]
    return y


@pytest.mark.parametrize("space", [(), (4,), (5, 3)])
def test_training_equals_a_slow_loop(space):
    norm = BatchNorm(3, eps=0.01)
    norm = eqx.tree_at(
        lambda n: (n.weight, n.bias),
        norm,
        (jnp.array([1.0, 2.0, -1.0]), jnp.array([0.0, 1.0, 3.0])),
    )
    x = batch((8, 3, *space))
    y, _ = norm.train(x)
    np.testing.assert_allclose(y, slow(x, [1, 2, -1], [0, 1, 3], 0.01), **CLOSE)


@settings(derandomize=True, deadline=None, max_examples=10)
@given(st.integers(2, 6), st.integers(1, 4), st.integers(0, 3))
def test_training_gives_mean_bias_and_deviation_weight(n, size, width):
    space = () if width == 0 else (width, width)
    y, _ = BatchNorm(size, eps=0.0).train(batch((n, size, *space)))
    axes = (0, *range(2, y.ndim))
    # Two examples may lie close together, where centering loses digits: hence the wide tolerance.
    np.testing.assert_allclose(y.mean(axes), 0.0, atol=1e-4)
    np.testing.assert_allclose(y.var(axes), 1.0, atol=1e-3)


def test_running_statistics_keep_momentum_and_follow_the_unbiased_variance():
    x = batch((6, 2, 3, 3))
    _, norm = BatchNorm(2, momentum=0.75).train(x)
    flat = np.asarray(x, np.float64).transpose(1, 0, 2, 3).reshape(2, -1)
    np.testing.assert_allclose(norm.mean, 0.25 * flat.mean(1), **CLOSE)
    np.testing.assert_allclose(norm.var, 0.75 + 0.25 * flat.var(1, ddof=1), **CLOSE)


def test_evaluation_uses_the_running_statistics_alone():
    norm = eqx.tree_at(
        lambda n: (n.mean, n.var),
        BatchNorm(2, eps=0.0),
        (jnp.array([1.0, -1.0]), jnp.array([4.0, 9.0])),
    )
    x = batch((5, 2, 3))
    expected = (x - jnp.array([1.0, -1.0])[None, :, None]) / jnp.array([2.0, 3.0])[None, :, None]
    np.testing.assert_allclose(jax.vmap(norm)(x), expected, **CLOSE)


def test_evaluation_becomes_training_when_the_statistics_have_settled():
    x = batch((16, 3, 4, 4))
    y, settled = BatchNorm(3, momentum=0.0).train(x)
    # They differ by the root of count / (count - 1), with a count of 256: less than 0.2 %.
    np.testing.assert_allclose(jax.vmap(settled)(x), y, rtol=3e-3, atol=3e-3)


def test_momentum_one_keeps_the_statistics_and_training_moves_nothing_else():
    norm = BatchNorm(2, momentum=1.0)
    _, moved = norm.train(batch((4, 2)))
    assert eqx.tree_equal(norm, moved)


def test_no_gradient_enters_the_running_statistics_but_the_affine_has_one():
    x = batch((4, 2, 3))

    def loss(norm):
        y, moved = norm.train(x)
        return jnp.sum(y**3) + jnp.sum(moved.mean * moved.var)

    grad = eqx.filter_grad(loss)(BatchNorm(2, momentum=0.0))
    assert not grad.mean.any()
    assert not grad.var.any()
    assert jnp.abs(grad.weight).min() > 0

    def through(x):
        return jnp.sum(BatchNorm(2).train(x)[0] ** 3)

    # A batch shifted by a constant gives the same output: the gradient sums to zero over a channel.
    slope = jax.grad(through)(x)
    np.testing.assert_allclose(slope.sum((0, 2)), 0.0, atol=1e-4)


def test_a_gradient_is_finite_on_a_constant_channel():
    slope = jax.grad(lambda x: jnp.sum(BatchNorm(2).train(x)[0]))(jnp.ones((4, 2)))
    assert jnp.isfinite(slope).all()


def test_scan_equals_steps():
    xs = batch((4, 8, 3, 2, 2))
    scanned, ys = jax.lax.scan(lambda n, x: n.train(x)[::-1], BatchNorm(3), xs)
    norm = BatchNorm(3)
    for i, x in enumerate(xs):
        y, norm = norm.train(x)
        np.testing.assert_allclose(y, ys[i], **CLOSE)
    np.testing.assert_allclose(norm.var, scanned.var, **CLOSE)


def test_channels_may_stand_in_another_axis():
    x = batch((5, 3, 2, 4))
    y, norm = BatchNorm(3).train(x)
    last, moved = BatchNorm(3).train(jnp.moveaxis(x, 0, -1), channel=0)
    np.testing.assert_allclose(jnp.moveaxis(last, -1, 0), y, **CLOSE)
    np.testing.assert_allclose(moved.var, norm.var, **CLOSE)


def test_bad_input():
    with pytest.raises(ValueError, match="not of that length"):
        BatchNorm(3).train(jnp.ones((4, 2)))

    with pytest.raises(ValueError, match="at least 1"):
        BatchNorm(0)
    with pytest.raises(ValueError, match="between 0 and 1"):
        BatchNorm(3, momentum=1.5)
    with pytest.raises(ValueError, match="at least 2 values"):
        BatchNorm(3).train(jnp.ones((1, 3)))
