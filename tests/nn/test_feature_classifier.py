import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from engrax.nn import ConvFeatures, FeatureClassifier

KEY = jr.key(0)


def net():
    return FeatureClassifier(ConvFeatures((1, 2, 3), (6, 5), 4, key=KEY), 7, key=KEY)


def by_hand(model, image):
    """Loops over pixels and taps."""
    x = np.asarray(image)
    levels = []
    for layer in model.body.convolutions:
        w, b = np.asarray(layer.weight), np.asarray(layer.bias)
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
        rows, columns = -(-x.shape[1] // 2), -(-x.shape[2] // 2)
        y = np.zeros((len(w), rows, columns))
        for o in range(len(w)):
            for i in range(rows):
                for j in range(columns):
                    window = padded[:, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3]
                    y[o, i, j] = max(0, (window * w[o]).sum() + b[o])
        x = y
        levels.append(x.ravel())
    body = model.body
    features = np.maximum(np.asarray(body.weight) @ x.ravel() + np.asarray(body.bias), 0)
    return [*levels, features], np.asarray(model.weight) @ features + np.asarray(model.bias)


def test_a_loop_over_pixels_says_the_same():
    model, x = net(), jr.normal(KEY, (3, 1, 6, 5))
    levels, logits = model.body.levels(x), jax.jit(type(model).predict)(model, x)
    for row, image in enumerate(x):
        expected, out = by_hand(model, image)
        for level, wanted in zip(levels, expected, strict=True):
            np.testing.assert_allclose(level[row], wanted, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(logits[row], out, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(jax.vmap(model)(x), logits, rtol=1e-5, atol=1e-6)
    assert model.body.features == 4
    gradient = jax.grad(lambda m: jnp.sum(m.predict(x) ** 2), allow_int=True)
    assert all(np.isfinite(a).all() for a in jax.tree.leaves(gradient(model)))


def test_sizes_that_make_no_net_are_refused():
    with pytest.raises(ValueError, match="at least 1 class"):
        FeatureClassifier(net().body, 0, key=KEY)
    with pytest.raises(ValueError, match="at least one convolution"):
        ConvFeatures((1,), (6, 6), 4, key=KEY)
    with pytest.raises(ValueError, match="cannot be halved"):
        ConvFeatures((1, 2, 2), (0, 6), 4, key=KEY)
