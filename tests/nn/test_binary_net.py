import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from engrax.nn import BinaryNet, binarize_weight, binary_activation

WIDTHS = (6, 5, 3)


def slow(net, x, task):
    """Unit by unit, in NumPy."""
    a = np.asarray(x, float)
    for level, weight in enumerate(net.weights):
        signs = np.where(np.asarray(weight) < 0, -1, 1)
        z = np.empty((len(a), len(signs)))
        for unit, row in enumerate(signs):
            pre = np.array([np.dot(row, example) for example in a])
            pre = (pre - pre.mean()) / np.sqrt(pre.var() + 1e-5)
            scale, shift = (float(t[level][task, unit]) for t in (net.scales, net.shifts))
            z[:, unit] = scale * pre + shift
        a = z if level == len(net.weights) - 1 else np.where(z < 0, -1, 1)
    return a


@pytest.mark.parametrize("task", [0, 1])
def test_it_is_the_slow_loop(task):
    net = BinaryNet(WIDTHS, tasks=2, key=jr.key(0))
    net = eqx.tree_at(lambda n: n.shifts[0], net, jr.normal(jr.key(1), (2, 5)))
    x = jr.normal(jr.key(2), (8, 6))
    found = eqx.filter_jit(net)(x, jnp.int32(task))
    np.testing.assert_allclose(found, slow(net, x, task), rtol=1e-4, atol=1e-5)


def test_signs_have_straight_through_gradients():
    x = jnp.array([-2.0, -0.5, 0.0, 0.5, 2.0])
    np.testing.assert_array_equal(binary_activation(x), [-1, -1, 1, 1, 1])
    np.testing.assert_array_equal(binarize_weight(x), [-1, -1, 1, 1, 1])
    slopes = jax.vmap(jax.grad(binary_activation))(x)
    np.testing.assert_array_equal(slopes, [0, 1, 1, 1, 0])
    np.testing.assert_array_equal(jax.vmap(jax.grad(binarize_weight))(x), 1)


def test_latent_weights_start_within_their_spread():
    net = BinaryNet(WIDTHS, spread=0.1, key=jr.key(0))
    flat = np.concatenate([np.ravel(w) for w in net.weights])
    assert np.abs(flat).max() <= 0.05
    assert flat.min() < 0 < flat.max()


@pytest.mark.parametrize(("widths", "tasks"), [((6,), 1), ((6, 0), 1), ((6, 3), 0)])
def test_bad_sizes_are_refused(widths, tasks):
    with pytest.raises(ValueError, match="BinaryNet got"):
        BinaryNet(widths, tasks=tasks, key=jr.key(0))
