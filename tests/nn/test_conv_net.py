import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jax import lax
from jaxtyping import TypeCheckError

from engrax.nn import ConvNet, conv_sizes

X = jr.normal(jr.key(5), (3, 1, 14, 14))
# A few hundred float32 products of order one in another order.
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


def net(**options):
    return ConvNet((1, 4, 5, 6), (14, 14), 3, key=jr.key(0), **options)


def slow_max(model, x):
    """One image at a time: convolution, activation, pooling in the paper's order."""
    for layer in model.convolutions:
        y = lax.conv_general_dilated(x[None], layer.weight, (1, 1), ((1, 1), (1, 1)))[0]
        x = lax.reduce_window(jax.nn.elu(y), -jnp.inf, lax.max, (1, 2, 2), (1, 2, 2), "VALID")
    return model.readout @ x.ravel()


def test_logits_and_gradients_equal_a_slow_loop():
    model = net()

    def ours(model):
        return (model.predict(X) ** 2).sum()

    def theirs(model):
        return sum((slow_max(model, x) ** 2).sum() for x in X)

    np.testing.assert_allclose(model.predict(X)[0], slow_max(model, X[0]), **CLOSE)
    ours, theirs = eqx.filter_grad(ours)(model), eqx.filter_grad(theirs)(model)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("pool", "sizes"), [("max", (7, 3, 1)), ("stride", (7, 4, 2))])
def test_levels_are_halved(pool, sizes):
    levels, _ = net(pool=pool).activities(X)
    channels = (1, 4, 5, 6)
    expected = [(3, c, s, s) for c, s in zip(channels, (14, *sizes), strict=True)]
    assert [level.shape for level in levels] == [*expected, (3, 3)]
    assert conv_sizes((14, 14), 3, pool)[1:] == [(s, s) for s in sizes]


def test_biases_stand_with_strides_alone_and_start_at_zero():
    assert all(layer.bias is None for layer in net().convolutions)
    assert all(not layer.bias.any() for layer in net(pool="stride").convolutions)


def test_normalization_uses_the_batch_while_training_and_moves_its_statistics():
    model = net(normalize=True)
    logits, moved = model.train(X)
    shifted, _ = model.train(2.0 * X + 1.0)
    # The first normalization takes scale and offset away, up to its eps; zero padding follows it.
    np.testing.assert_allclose(logits, shifted, rtol=1e-2, atol=1e-3)
    assert not np.allclose(moved.norms[0].mean, model.norms[0].mean)
    assert not np.allclose(model.predict(X), model.predict(2.0 * X + 1.0))
    np.testing.assert_array_equal(moved.readout, model.readout)


def test_one_image_equals_the_batch():
    model = net(pool="stride")
    np.testing.assert_allclose(jax.vmap(model)(X), model.predict(X), **CLOSE)


def test_bad_input():
    with pytest.raises(ValueError, match="cannot be halved"):
        ConvNet((1, 2, 2, 2), (4, 4), 3, key=jr.key(0))
    with pytest.raises(ValueError, match="at least one level"):
        ConvNet((1,), (4, 4), 3, key=jr.key(0))
    # Without run-time type checks it is the function itself that complains.
    with pytest.raises((ValueError, TypeCheckError)):
        conv_sizes((4, 4), 1, "mean")
