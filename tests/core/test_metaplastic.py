import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

from engrax.core import metaplastic


def test_only_updates_that_shrink_a_weight_are_scaled():
    weight = jnp.array([0.5, 0.5, -2.0, -2.0, 0.0])
    update = jnp.array([-0.1, 0.1, 0.1, -0.1, 0.1])
    found, _ = metaplastic(1.35).update(update, optax.EmptyState(), weight)
    kept = 1 - np.tanh(1.35 * np.array([0.5, 2.0])) ** 2
    np.testing.assert_allclose(found, [-0.1 * kept[0], 0.1, 0.1 * kept[1], -0.1, 0.1], rtol=1e-5)


def test_without_strength_it_is_adam():
    weight = {"w": jr.normal(jr.key(0), (7,))}
    optimizers = optax.adam(0.01), optax.chain(optax.adam(0.01), metaplastic(0.0))
    gradient = {"w": jr.normal(jr.key(1), (7,))}
    with jax.numpy_dtype_promotion("standard"):
        steps = [o.update(gradient, o.init(weight), weight)[0]["w"] for o in optimizers]
    np.testing.assert_array_equal(*steps)


def test_it_is_the_loop_of_adam_with_a_decayed_first_moment():
    """A weight alone for 40 steps, in plain Python, as the rule is stated for Adam's moments."""
    meta, rate = 1.5, 0.05
    gradients = np.asarray(jr.normal(jr.key(2), (40,)), float) + 0.3
    w, m, s = 0.4, 0.0, 0.0
    for t, g in enumerate(gradients, start=1):
        m, s = 0.9 * m + 0.1 * g, 0.999 * s + 0.001 * g * g
        step = rate * (m / (1 - 0.9**t)) / (np.sqrt(s / (1 - 0.999**t)) + 1e-8)
        w -= step * ((1 - np.tanh(meta * abs(w)) ** 2) if np.sign(w) * m > 0 else 1)
    optimizer = optax.chain(optax.adam(rate), metaplastic(jnp.float32(meta)))
    found = jnp.float32(0.4)
    with jax.numpy_dtype_promotion("standard"):
        state = optimizer.init(found)
        for g in gradients:
            update, state = optimizer.update(jnp.float32(g), state, found)
            found = found + update
    np.testing.assert_allclose(found, w, rtol=1e-4)


def test_it_asks_for_the_weights():
    with pytest.raises(ValueError, match="needs the weights"):
        metaplastic(1.0).update(jnp.ones(2), optax.EmptyState())
