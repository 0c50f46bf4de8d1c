import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jaxtyping import TypeCheckError

from engrax.nn import BatchNorm, DenoisingBlock, without_statistics

KEY = jr.key(0)
X = jr.normal(jr.key(1), (6, 1, 6, 5))
Z = jr.normal(jr.key(2), (6, 3))
T = jnp.linspace(0.0, 1.0, 6)
CONV = {"channels": (2, 3, 4), "hidden": 8}
DENSE = {"image_path": "dense", "hidden": 8}


def block(dim=3, **options):
    return DenoisingBlock((1, 6, 5), dim, 4, **{**DENSE, **options}, key=KEY)


def test_a_dense_block_against_a_slow_loop():
    """Evaluation mode, batch normalization at its start (mean 0, variance 1)."""
    net = block()
    shrink = 1 / np.sqrt(1 + 1e-5)

    def relu(v):
        return np.maximum(v, 0)

    def affine(layer, v, normed=True):
        return (np.asarray(layer.weight) @ v + np.asarray(layer.bias)) * (shrink if normed else 1)

    for x, z, logits in zip(X, Z, net(X, Z), strict=True):
        first, second = net.image.layers
        features = affine(second, relu(affine(first, np.asarray(x).ravel(), False)))
        h = relu(affine(net.entry, np.asarray(z)))
        change = affine(net.residual[1], relu(affine(net.residual[0], h)))
        joined = np.concatenate([features, h + change])
        for layer in net.joined:
            joined = relu(affine(layer, joined))
        expected = np.asarray(net.weight) @ joined + np.asarray(net.bias)
        np.testing.assert_allclose(logits, expected, atol=1e-5)


def test_a_convolutional_image_path_against_the_library():
    net = block(image_path="conv", **CONV)
    h = X
    for layer, pooled in zip(net.image.convolutions, (True, False, True), strict=True):
        h = jax.lax.conv(h, layer.weight, (1, 1), "SAME") + layer.bias[None, :, None, None]
        h = jax.nn.relu(h)
        if pooled:
            rows, columns = h.shape[2] // 2, h.shape[3] // 2
            h = h[:, :, : 2 * rows, : 2 * columns].reshape(6, -1, rows, 2, columns, 2).max((3, 5))
    dense = net.image.dense
    expected = (h.reshape(6, -1) @ dense.weight.T + dense.bias[None]) / np.sqrt(1 + 1e-5)
    np.testing.assert_allclose(net.image_features(X), expected, atol=1e-5)


@pytest.mark.parametrize("path", [{**DENSE}, {"image_path": "conv", **CONV}])
def test_features_once_are_as_good_as_features_each_time(path):
    net = block(time=True, norm=None, **path)
    features = net.image_features(X)
    np.testing.assert_allclose(net(X, Z, T), net.decide(features, Z, T).logits, atol=1e-6)
    # Time and label both count.
    assert jnp.abs(net(X, Z, T) - net(X, Z, T[::-1])).max() > 1e-4
    assert jnp.abs(net(X, Z, T) - net(X, Z[::-1], T)).max() > 1e-4


def test_training_normalizes_by_the_batch_and_moves_every_statistic():
    net = block(dropout=0.0)
    logits, moved = net.train(X, Z, key=None)

    def norms(tree):
        leaves = jax.tree.leaves(tree, is_leaf=lambda part: isinstance(part, BatchNorm))
        return [part for part in leaves if isinstance(part, BatchNorm)]

    assert len(norms(net)) == 6
    assert all(jnp.any(a.mean != b.mean) for a, b in zip(norms(net), norms(moved), strict=True))
    assert logits.shape == (6, 4)
    mask = without_statistics(net)
    for norm in norms(eqx.combine(mask, net)):
        assert (norm.weight, norm.bias, norm.mean, norm.var) == (True, True, False, False)


def test_dropout_needs_a_key_and_keeps_the_mean():
    net = block(image_path="conv", norm=None, **CONV)
    once = net.train(X, Z, key=None)[0]
    np.testing.assert_allclose(once, net(X, Z), atol=1e-6)
    first, second = (net.train(X, Z, key=jr.key(k))[0] for k in (0, 1))
    assert jnp.abs(first - second).max() > 1e-5


def test_a_label_that_is_an_image_has_a_path_of_its_own():
    net = block(30, z_shape=(1, 6, 5), image_path="conv", **CONV)
    z = jr.normal(jr.key(5), (6, 30))
    logits, _ = net.train(X, z, key=jr.key(0))
    assert logits.shape == (6, 4)
    shifted = eqx.tree_at(lambda b: b.z_image.dense.bias, net, net.z_image.dense.bias + 1)
    assert jnp.abs(shifted(X, z) - net(X, z)).max() > 1e-4


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"image_path": "attention"}, "'attention'"),
        ({"norm": "group"}, "'group'"),
        ({"time": True}, "norm='batch', whose statistics"),
        ({"dim": 0}, "dim=0"),
        ({"hidden": 1}, "hidden=1"),
        ({"z_shape": (1, 2, 2)}, "does not hold dim=3"),
        ({"image_path": "conv", "channels": (2, 3)}, "3 numbers of channels"),
        ({"image_path": "conv", "dropout": 1.0}, "dropout is a share"),
    ],
)
def test_what_makes_no_block_is_refused(options, sentence):
    # With types checked at run time, as in the tests, an unknown name is caught before.
    with pytest.raises((ValueError, TypeCheckError), match=sentence):
        block(**options)


def test_what_no_block_takes_is_refused():
    with pytest.raises(ValueError, match="batch of shape"):
        block()(X[:, :, :4], Z)
    with pytest.raises(ValueError, match="without time was given a time"):
        block()(X, Z, T)
    with pytest.raises(ValueError, match="with time was not given a time"):
        block(time=True, norm=None)(X, Z)


def test_jit_and_vmap_change_nothing():
    net = block(norm="layer", time=True)
    alone = net(X, Z, T)
    np.testing.assert_allclose(eqx.filter_jit(net)(X, Z, T), alone, atol=1e-6)
    pairs = [v.reshape(2, 3, *v.shape[1:]) for v in (X, Z, T)]
    np.testing.assert_allclose(jax.vmap(net)(*pairs).reshape(6, 4), alone, atol=1e-6)
