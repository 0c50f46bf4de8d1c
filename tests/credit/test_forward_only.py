"""Forward-forward and forward gradients: rules without a backward pass."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

from engrax.core import Batch, accuracy
from engrax.credit import ForwardForward, ForwardGradient
from engrax.nn import MLP

HYPER = {"learning_rate": jnp.float32(1e-2)}
Y = jnp.arange(24) % 3
X = 2 * jr.normal(jr.key(11), (3, 5))[Y] + 0.3 * jr.normal(jr.key(10), (24, 5))
BATCH = Batch(X, Y)
FORWARD = ForwardForward(eqx.Partial(MLP, (8, 16, 12)), optax.adam, HYPER, 3)
GRADIENT = ForwardGradient(eqx.Partial(MLP, (5, 16, 12, 3), jnp.tanh), optax.adam, HYPER)
LEARNERS = {"forward-forward": FORWARD, "forward gradient": GRADIENT}


@pytest.mark.parametrize("name", LEARNERS)
def test_learner_contract(name):
    learner = LEARNERS[name]
    state = learner.init(key=jr.key(0))

    @eqx.filter_jit
    def run(learner, state):
        return jax.lax.scan(lambda s, _: learner.step(s, BATCH), state, length=400)

    final, record = run(learner, state)
    form = jax.tree.map(lambda v: (v.shape, v.dtype), state)
    assert form == jax.tree.map(lambda v: (v.shape, v.dtype), final)
    assert all(jnp.isfinite(v).all() for v in record.values())
    outputs = learner.predict(final, X)
    assert outputs.shape == (24, 3)
    # A third is chance; neither rule hears an exact error.
    assert accuracy(outputs, Y) > 0.7


def test_goodness_against_a_slow_loop():
    model = FORWARD.model(FORWARD.init(key=jr.key(0)))
    found = FORWARD.goodness(model, X, Y)
    for x, y, goodness in zip(np.asarray(X), np.asarray(Y), found.T, strict=True):
        h = np.concatenate([x, 3.0 * np.eye(3)[y]])
        for layer, g in zip(model.layers, goodness, strict=True):
            h = h / (np.sqrt(np.mean(h**2)) + 1e-6)
            h = np.maximum(np.asarray(layer.weight) @ h + np.asarray(layer.bias), 0)
            np.testing.assert_allclose(g, np.mean(h**2), rtol=1e-5)


@pytest.mark.parametrize("layers", [(8, 16), (8, 16, 12)])
def test_scores_leave_out_the_first_of_several_layers(layers):
    learner = ForwardForward(eqx.Partial(MLP, layers), optax.adam, HYPER, 3)
    state = learner.init(key=jr.key(0))
    goodness = learner.goodness(learner.model(state), X, jnp.full(24, 2))
    wanted = goodness[-1]
    np.testing.assert_allclose(learner.predict(state, X)[:, 2], wanted, rtol=1e-6)


def test_no_goodness_reaches_a_layer_below():
    model = FORWARD.model(FORWARD.init(key=jr.key(0)))
    rows = jax.jacrev(lambda m: FORWARD.goodness(m, X, Y).sum(1))(model)
    for layer, gradient in enumerate(rows.layers):
        for level in range(2):
            assert np.any(gradient.weight[level]) == (layer == level)


def test_the_forward_gradient_is_the_local_gradient_on_average():
    """Mean over directions of (v . g) v = g; and nothing crosses a layer."""
    state = GRADIENT.init(key=jr.key(0))
    model, heads = GRADIENT.model(state), state["model"]["heads"]
    keys = jr.split(jr.key(1), 4000)
    found = jax.jit(jax.vmap(lambda k: GRADIENT.gradient(model, heads, X, Y, k)[0]))(keys)

    def local(model):
        h = X
        tops = [*((head, None) for head in heads), (model.layers[-1].weight, model.layers[-1].bias)]
        total = 0.0
        for layer, (weight, bias) in zip(model.layers[:-1], tops, strict=True):
            h = layer(jax.lax.stop_gradient(h))
            logits = h @ weight.T + (0.0 if bias is None else bias[None])
            total += optax.softmax_cross_entropy_with_integer_labels(logits, Y).mean()
        return total

    exact = jax.grad(local)(model)
    for estimate, layer in zip(found["layers"].layers, exact.layers, strict=True):
        for a, b in ((estimate.weight, layer.weight), (estimate.bias, layer.bias)):
            error = np.asarray(a).std(0) / np.sqrt(len(keys))
            # Six standard errors; the output layer's gradient is exact.
            assert (np.abs(a.mean(0) - b) < 6 * error + 1e-6).all()


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="classes=1"):
        ForwardForward(eqx.Partial(MLP, (8, 16)), optax.adam, HYPER, 1)
    wrong = ForwardForward(eqx.Partial(MLP, (9, 16)), optax.adam, HYPER, 3)
    with pytest.raises(ValueError, match="5 features and 3 classes for a first layer of 9"):
        wrong.predict(wrong.init(key=jr.key(0)), X)
    flat = ForwardGradient(eqx.Partial(MLP, (5, 3)), optax.adam, HYPER)
    with pytest.raises(ValueError, match="without a hidden layer"):
        flat.init(key=jr.key(0))
