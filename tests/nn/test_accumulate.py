import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from engrax.nn import TwoLayerNet, accumulate
from engrax.nn._two_layer_net import drop


def squared_error(net, data, key):
    x, y = data
    outputs = net.batch(x, key=key)[0]
    return jnp.square(outputs - y).sum(1), outputs


def setting(n: int):
    net = TwoLayerNet(4, 6, 3, key=jr.key(0))
    x, y = jr.normal(jr.key(1), (n, 4)), jr.normal(jr.key(2), (n, 3))
    return net, (x, y), jr.uniform(jr.key(3), (n,))


@pytest.mark.parametrize(("n", "block"), [(1, 1), (12, 4), (7, 3), (5, 9)])
def test_any_block_gives_the_sum_the_rest_and_the_gradient(n, block):
    net, data, weights = setting(n)

    def whole(net):
        values, rest = squared_error(net, data, None)
        return jnp.sum(weights * values), rest

    def blocks(net):
        return accumulate(squared_error, net, data, weights, block=block)

    (a, rest_a), grad_a = eqx.filter_value_and_grad(whole, has_aux=True)(net)
    (b, rest_b), grad_b = eqx.filter_value_and_grad(blocks, has_aux=True)(net)
    # The same terms in another order.
    np.testing.assert_allclose(a, b, rtol=1e-5)
    np.testing.assert_allclose(rest_a, rest_b, rtol=1e-5, atol=1e-6)
    for one, other in zip(jax.tree.leaves(grad_a), jax.tree.leaves(grad_b), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(blocks(net)[0], a, rtol=1e-5)


def test_the_gradient_is_scaled_by_what_follows():
    net, data, weights = setting(5)

    def loss(net, factor):
        return factor * accumulate(squared_error, net, data, weights, block=2)[0]

    once, thrice = (eqx.filter_grad(loss)(net, f).weight for f in (1.0, 3.0))
    np.testing.assert_allclose(3 * once, thrice, rtol=1e-6)


def test_each_block_has_its_own_key():
    def noise(model, data, key):
        dropped = drop(data, 0.5, key) * model
        return dropped, dropped

    n, ones = 64, jnp.ones(())
    _, dropped = accumulate(noise, ones, jnp.ones(n), jnp.ones(n), block=16, key=jr.key(0))
    masks = np.array(dropped).reshape(4, 16)
    # Four equal keys would give four equal masks; 16 fair bits agree once in 65,536.
    assert len({tuple(mask) for mask in masks.tolist()}) == 4


@pytest.mark.parametrize(("block", "n", "says"), [(0, 5, "at least 1"), (2, 4, "another length")])
def test_bad_input_is_named(block, n, says):
    net, data, _ = setting(5)
    with pytest.raises(ValueError, match=says):
        accumulate(squared_error, net, data, jnp.ones(n), block=block)
