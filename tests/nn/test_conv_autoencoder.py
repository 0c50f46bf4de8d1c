import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from engrax.nn import ConvAutoencoder

X = jr.normal(jr.key(5), (6, 2, 8, 8))


def net():
    return ConvAutoencoder((2, 3, 5), key=jr.key(0))


def test_levels_mirror_each_other():
    levels, _ = net().activities(X)
    down = [(2, 8, 8, 6), (3, 4, 4, 6), (5, 2, 2, 6)]
    assert [level.shape for level in levels] == [*down, *down[-2::-1]]


@pytest.mark.parametrize("training", [False, True])
def test_the_first_output_is_exactly_zero_so_the_error_is_the_mean_square(training):
    model = net()
    y = model.train(X)[0] if training else model.predict(X)
    assert not y.any()
    np.testing.assert_array_equal(jnp.mean((X - y) ** 2), jnp.mean(X**2))


def test_kernels_are_orthonormal_over_the_larger_side():
    kernels = net().kernels
    first = kernels[0].reshape(3, -1)
    np.testing.assert_allclose(first @ first.T, np.eye(3), atol=1e-5)
    # The first kernel on the way up, from 5 to 3, is scaled by 1e-3; the last one is zero.
    up = 1e3 * kernels[2].transpose(1, 0, 2, 3).reshape(5, -1)
    np.testing.assert_allclose(up @ up.T, np.eye(5), atol=1e-5)
    assert not kernels[3].any()


def awake():
    """A net whose last block does something."""
    return eqx.tree_at(lambda m: m.kernels[-1], net(), jr.normal(jr.key(1), (2, 3, 3, 3)))


def test_training_normalizes_by_the_batch_and_evaluation_by_what_it_has_seen():
    model = awake()
    apart, moved = model.train(X)
    assert not np.allclose(apart, model.predict(X), atol=1e-3)
    settled, _ = jax.lax.scan(lambda m, _: (m.train(X)[1], None), model, None, length=200)
    # Nothing is left of the start (0.9^200), and the unbiased deviation is 2 % larger than that of
    # the batch at most (24 values a channel at the code); three normalizations compound this.
    error = jnp.abs(settled.predict(X) - apart).mean() / jnp.abs(apart).mean()
    assert error < 0.1
    np.testing.assert_array_equal(moved.kernels[0], model.kernels[0])
    assert not np.allclose(moved.norms[0].var, model.norms[0].var)


def test_the_code_is_the_middle_level():
    model = awake()
    levels, _ = model.activities(X)
    np.testing.assert_array_equal(model.encode(X), levels[2].reshape(-1, 6).T)


def test_gradients_are_finite_from_the_zero_start():
    grads = eqx.filter_grad(lambda m: jnp.mean((m.train(X)[0] - X) ** 2))(net())
    assert all(np.isfinite(g).all() for g in jax.tree.leaves(grads))
    assert np.any(grads.kernels[-1])


def test_bad_input():
    with pytest.raises(ValueError, match="multiples of 4"):
        net().predict(X[:, :, :6])
    with pytest.raises(ValueError, match="at least one level"):
        ConvAutoencoder((2,), key=jr.key(0))
