"""The layer is the memory with projections; conditioning is the layer; kernels converge."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from engrax.memory import linear_attention
from engrax.nn import LinearAttention

X = jr.normal(jr.key(0), (11, 6))


@pytest.mark.parametrize("rule", ["hebb", "delta"])
@pytest.mark.parametrize("gates", [False, True])
def test_the_layer_is_a_loop(rule, gates):
    layer = LinearAttention(
        6, 4, d_value=5, rule=rule, feature_map=jax.nn.relu, normalize_keys=True,
        learned_write=gates, learned_decay=gates, key=jr.key(1),
    )  # fmt: skip
    s, rows = np.zeros((5, 4)), []
    for x in np.asarray(X, np.float64):
        q, k = (np.maximum(w @ x, 0) for w in (np.asarray(layer.query), np.asarray(layer.key)))
        q, k = (a / np.sqrt(a @ a + 1e-6) for a in (q, k))
        b, g = (0.5, 1 / (1 + np.exp(-4))) if gates else (1.0, 1.0)
        v, s = np.asarray(layer.value) @ x, g * s
        s = s + b * np.outer(v - s @ k if rule == "delta" else v, k)
        rows.append(np.asarray(layer.output) @ s @ q)
    for form in ("parallel", "chunked", "recurrent"):
        np.testing.assert_allclose(layer(X, form=form), rows, rtol=1e-4, atol=1e-4)


def test_a_memory_can_be_carried_on():
    layer = LinearAttention(6, 4, rule="delta", normalize_keys=True, key=jr.key(2))
    first, state = layer.extend(X[:5], None)
    second, _ = layer.extend(X[5:], state)
    np.testing.assert_allclose(jnp.concatenate([first, second]), layer(X), rtol=1e-4, atol=1e-5)


def test_gates_are_learned():
    layer = LinearAttention(6, 4, learned_write=True, learned_decay=True, key=jr.key(3))
    gradient = jax.grad(lambda m: jnp.sum(m(X) ** 2))(layer)
    assert (jnp.abs(gradient.write) > 0).all()
    assert (jnp.abs(gradient.decay) > 0).all()


def test_random_positive_features_converge_to_softmax():
    """`exp(w.x - |x|^2/2) / sqrt(m)` estimates `exp(q.k)` (Choromanski et al. 2021, Lemma 1)."""
    q, k, v = (0.3 * jr.normal(key, (8, 4)) for key in jr.split(jr.key(4), 3))
    scores = jnp.tril(jnp.exp(q @ k.T))
    exact = scores @ v / scores.sum(1, keepdims=True)

    def approximate(key, m):
        w = jr.normal(key, (4, m))

        def phi(x):
            return jnp.exp(x @ w - 0.5 * jnp.sum(x**2, 1, keepdims=True)) / m**0.5

        wide = jnp.concatenate([v, jnp.ones((8, 1))], 1)
        out, _ = linear_attention(phi(q), phi(k), wide)
        return out[:, :-1] / out[:, -1:]

    def error(m):
        found = jax.vmap(lambda key: approximate(key, m))(jr.split(jr.key(5), 200))
        return jnp.sqrt(jnp.mean((found - exact[None]) ** 2))

    # The Monte-Carlo rate: 16 times the features, a quarter of the error.
    assert float(error(256) / error(4096)) == pytest.approx(4.0, rel=0.15)


def test_softmax_without_temperature_looks_up_the_nearest_key():
    q, k, v = (jr.normal(key, (9, 4)) for key in jr.split(jr.key(6), 3))
    found = jax.nn.softmax(1e4 * q @ k.T) @ v
    np.testing.assert_allclose(found, v[jnp.argmax(q @ k.T, 1)], atol=1e-5)
