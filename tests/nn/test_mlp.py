import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from engrax.nn import MLP, capture, tag


@pytest.mark.parametrize("bias", [True, False])
def test_forward_is_the_textbook_loop(bias):
    model = MLP((4, 6, 5, 3), jnp.tanh, bias=bias, key=jr.key(0))
    x = jr.normal(jr.key(1), (7, 4))
    h = np.asarray(x, np.float64)
    for level, layer in enumerate(model.layers, start=1):
        h = h @ np.asarray(layer.weight, np.float64).T
        h = h + (np.asarray(layer.bias) if bias else 0)
        h = h if level == 3 else np.tanh(h)
    np.testing.assert_allclose(model(x), h, atol=1e-6)
    np.testing.assert_allclose(jax.vmap(model)(x), h, atol=1e-6)


def test_initial_weights_depend_on_the_layer_not_on_the_depth():
    short, long = (MLP(w, key=jr.key(3)) for w in ((4, 6, 3), (4, 6, 6, 3)))
    np.testing.assert_array_equal(short.layers[0].weight, long.layers[0].weight)


@pytest.mark.parametrize("widths", [(4,), (4, 0, 2)])
def test_bad_widths(widths):
    with pytest.raises(ValueError, match="expected input and output widths"):
        MLP(widths, key=jr.key(0))


def test_capture_sees_every_layer():
    model = MLP((4, 6, 5, 3), jax.nn.elu, key=jr.key(0))
    x = jr.normal(jr.key(1), (7, 4))
    out, seen = capture(model, x)
    np.testing.assert_array_equal(out, model(x))
    assert list(seen) == ["layer1", "layer2", "layer3"]
    for one, activity in zip(seen.values(), model.activities(x)[1:], strict=True):
        np.testing.assert_array_equal(one, activity)


def test_capture_under_jit_vmap_and_grad():
    model = MLP((4, 6, 3), jnp.tanh, key=jr.key(0))
    x = jr.normal(jr.key(1), (7, 4))

    def hidden(x):
        return capture(model, x)[1]["layer1"]

    np.testing.assert_allclose(jax.jit(jax.vmap(hidden))(x), model.activities(x)[1], atol=1e-6)
    seen = jax.grad(lambda x: hidden(x).sum())(x)
    plain = jax.grad(lambda x: model.activities(x)[1].sum())(x)
    np.testing.assert_allclose(seen, plain, atol=1e-6)


def test_capture_refuses_one_name_for_two_activities():
    with pytest.raises(ValueError, match="twice"):
        capture(lambda x: tag(tag(x, "a") + 1, "a"), jnp.ones(3))
