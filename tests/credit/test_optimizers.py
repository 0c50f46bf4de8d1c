import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

from engrax.credit import network_sgd

LAYERS = [
    jr.normal(jr.key(0), (5, 4)),
    jr.normal(jr.key(1), (3, 5, 3, 3)),
    jr.normal(jr.key(2), (3,)),
]
GRADIENT = [3 * jr.normal(jr.key(3), w.shape) for w in LAYERS]


def moves(optimizer, steps=1):
    """What each step adds to the weights, under a constant gradient."""
    state, layers, out = optimizer.init(LAYERS), LAYERS, []
    for _ in range(steps):
        updates, state = optimizer.update(GRADIENT, state, layers)
        layers = optax.apply_updates(layers, updates)
        out.append(updates)
    return out


def norm(arrays):
    return np.sqrt(sum(np.sum(np.square(np.asarray(a, np.float64))) for a in arrays))


def test_plain_descent():
    for update, gradient in zip(moves(network_sgd(0.1))[0], GRADIENT, strict=True):
        np.testing.assert_allclose(update, -0.1 * gradient, rtol=1e-6)


def test_centralization_is_over_the_inputs_of_a_unit_and_spares_biases():
    dense, conv, bias = moves(network_sgd(1.0, centralize=True))[0]
    # Sums of 4 and 45 float32 numbers of size 3.
    np.testing.assert_allclose(dense.sum(1), 0, atol=1e-5)
    np.testing.assert_allclose(conv.sum((1, 2, 3)), 0, atol=1e-4)
    assert np.any(np.abs(conv.sum((0,))) > 1e-2)
    np.testing.assert_array_equal(bias, -GRADIENT[2])


def test_clip_of_the_network_bounds_the_norm_and_keeps_the_direction():
    updates = moves(network_sgd(1.0, clip=jnp.float32(0.5)))[0]
    np.testing.assert_allclose(norm(updates), 0.5, rtol=1e-5)
    scale = norm(GRADIENT) / 0.5
    for update, gradient in zip(updates, GRADIENT, strict=True):
        np.testing.assert_allclose(-update * scale, gradient, rtol=1e-4)
    assert norm(moves(network_sgd(1.0, clip=1e6))[0]) > 10


def test_clip_by_layer_bounds_each():
    updates = moves(network_sgd(1.0, clip=0.5, clip_by="layer"))[0]
    np.testing.assert_allclose([norm([u]) for u in updates], 0.5, rtol=1e-5)
    with pytest.raises(TypeError, match="one entry a layer"):
        network_sgd(1.0, clip=0.5, clip_by="layer").update({"w": LAYERS[0]}, ((), ()))


def test_momentum_and_decay_follow_the_coupled_recursion():
    rate, mu, decay = 0.1, 0.8, 0.01
    weights, velocity = [np.asarray(w, np.float64) for w in LAYERS], [0.0] * 3
    for updates in moves(network_sgd(rate, momentum=mu, weight_decay=decay), steps=3):
        for i, (update, gradient) in enumerate(zip(updates, GRADIENT, strict=True)):
            velocity[i] = mu * velocity[i] + np.asarray(gradient) + decay * weights[i]
            np.testing.assert_allclose(update, -rate * velocity[i], rtol=1e-5)
            weights[i] = weights[i] - rate * velocity[i]


def factors(steps, **options):
    return [
        float(u[0][0, 0] / -GRADIENT[0][0, 0]) for u in moves(network_sgd(1.0, **options), steps)
    ]


def test_warmup_restarts_with_the_epoch():
    np.testing.assert_allclose(
        factors(6, warmup=5, epoch=3), [0.2, 0.4, 0.6, 0.2, 0.4, 1.0], rtol=1e-6
    )


def test_half_cosine_moves_once_an_epoch_and_ends_at_the_floor():
    expected = [1, 1, 0.55, 0.55, 0.1, 0.1, 0.1]
    np.testing.assert_allclose(factors(7, decay=2, floor=0.1, epoch=2), expected, rtol=1e-5)
