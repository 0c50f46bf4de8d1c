"""Kernels of wide networks, and the process of trained ensembles, against networks."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from engrax.nn import TwoLayerNet
from engrax.tasks import binary_inputs, permutation_task
from engrax.theory import KernelPredictor, relu_nngp, relu_ntk

K = 5
BASIS = np.eye(K)
TESTS = np.asarray(binary_inputs(K).x, float)[[2, 6, 12, 14, 30]]


def double(kernel, cosine, fan_in):
    with jax.enable_x64(True):
        return np.asarray(kernel(jnp.asarray(cosine, jnp.float64), fan_in))


def test_kernels_are_averages_over_random_features():
    rng = np.random.default_rng(0)
    cosine = np.array([1.0, 0.7, 0.0, -0.5])
    w = rng.standard_normal((1_000_000, 2))
    # Only the plane of the two inputs matters; w x / sqrt(d) with d = fan-in.
    first = w[:, :1] / np.sqrt(K)
    second = (w[:, :1] * cosine + w[:, 1:] * np.sqrt(1 - cosine**2)) / np.sqrt(K)
    products = np.maximum(first, 0) * np.maximum(second, 0)
    gates = (first > 0) * (second > 0) * cosine / K
    # Means of a million values: four standard errors.
    for kernel, values in ((relu_nngp, products), (relu_ntk, products + gates)):
        error = values.std(0) / 1000
        assert np.all(np.abs(values.mean(0) - double(kernel, cosine, K)) < 4 * error + 1e-12)


def test_the_tangent_kernel_of_a_wide_network():
    x = jnp.asarray(np.concatenate([BASIS, TESTS]), jnp.float32)

    def gram(key):
        net = TwoLayerNet(K, 16384, K, parametrization="ntk", key=key)

        def first_output(weights):
            moved = TwoLayerNet.read(weights, jax.vmap(weights.hidden)(x))
            return moved[:, 0]

        tangent = jax.jacobian(first_output)(net)
        return sum(jnp.einsum("i...,j...->ij", leaf, leaf) for leaf in jax.tree.leaves(tangent))

    found = np.mean([np.asarray(gram(jr.key(i))) for i in range(4)], axis=0)
    cosine = np.clip(np.asarray(x, float) @ np.asarray(x, float).T, -1, 1)
    expected = double(relu_ntk, cosine, K)
    np.testing.assert_allclose(found, expected, atol=0.03 * expected.max())


def test_training_inputs_are_learned_without_error():
    y = np.asarray(permutation_task(jr.key(1), K).y, float)
    for kernel in (relu_ntk, relu_nngp):
        model = KernelPredictor(kernel, relu_nngp, BASIS, y)
        np.testing.assert_allclose(model.mean(BASIS), y, atol=1e-12)
        np.testing.assert_allclose(model.cov(BASIS, BASIS), 0, atol=1e-12)
        sigma = model.cov(TESTS, TESTS)
        np.testing.assert_allclose(sigma, sigma.T, atol=1e-15)
        assert np.linalg.eigvalsh(sigma).min() > 0


def test_the_readout_is_gaussian_process_regression():
    model = KernelPredictor(relu_nngp, relu_nngp, BASIS, BASIS)
    a = model.gram(BASIS, BASIS, relu_nngp)
    across = model.gram(TESTS, BASIS, relu_nngp)
    posterior = model.gram(TESTS, TESTS, relu_nngp) - across @ np.linalg.solve(a, across.T)
    np.testing.assert_allclose(model.cov(TESTS, TESTS), posterior, atol=1e-14)


def test_covariance_is_that_of_linearized_networks():
    """f_lin(x) = f_0(x) - Theta(x, X) A^-1 (f_0(X) - Y), with each network's own f_0."""
    rng = np.random.default_rng(0)
    model = KernelPredictor(relu_ntk, relu_nngp, BASIS, BASIS)
    response = np.linalg.solve(
        model.gram(BASIS, BASIS, relu_ntk), model.gram(BASIS, TESTS, relu_ntk)
    ).T
    width, nets, outputs = 400, 400, 40
    seen = np.concatenate([BASIS, TESTS])
    samples = []
    for _ in range(nets):
        hidden = np.maximum(seen @ rng.standard_normal((K, width)) / np.sqrt(K), 0)
        start = hidden @ rng.standard_normal((width, outputs)) / np.sqrt(width)
        samples.append(start[K:] - response @ start[:K])
    # Outputs share the hidden units, so count networks: 16,000 values, but 400 kernels of width
    # 400, each entry off by a few per cent.
    found = np.mean([s @ s.T / outputs for s in samples], axis=0)
    sigma = model.cov(TESTS, TESTS)
    assert np.linalg.norm(found - sigma) / np.linalg.norm(sigma) < 0.04


@pytest.mark.parametrize("kernel", [relu_ntk, relu_nngp])
def test_finite_time_is_simulated_descent(kernel):
    y = np.asarray(permutation_task(jr.key(0), K).y, float)
    model = KernelPredictor(kernel, relu_nngp, BASIS, y)
    a, across = model.gram(BASIS, BASIS, kernel), model.gram(TESTS, BASIS, kernel)
    values = np.linalg.eigvalsh(a)
    rate, seen, tests = 1 / values[-1], np.zeros_like(y), np.zeros((len(TESTS), K))
    errors = []
    for step in range(1, 13):
        error = seen - y
        seen, tests = seen - rate * a @ error, tests - rate * across @ error
        errors.append(np.linalg.norm(seen - y))
        if step in (1, 5, 12):
            np.testing.assert_allclose(model.mean(TESTS, step, rate=rate), tests, atol=1e-12)
    # From the second step on only the smallest eigenvalue is left.
    np.testing.assert_allclose(errors[-1] / errors[-2], 1 - rate * values[0], rtol=1e-9)
    # Many small steps are the flow.
    flow, steps = model.mean(TESTS, 3.0), model.mean(TESTS, 30_000, rate=1e-4)
    np.testing.assert_allclose(steps, flow, atol=1e-4)
    np.testing.assert_allclose(model.mean(TESTS, 1e4), model.mean(TESTS), atol=1e-12)
    untrained = model.gram(TESTS, TESTS, relu_nngp)
    np.testing.assert_allclose(model.cov(TESTS, TESTS, 0.0), untrained, atol=1e-15)


def test_lengths_are_those_of_homogeneous_networks():
    model = KernelPredictor(relu_ntk, relu_nngp, BASIS, BASIS)
    np.testing.assert_allclose(model.mean(3 * TESTS), 3 * model.mean(TESTS), rtol=1e-12)
    np.testing.assert_allclose(model.cov(3 * TESTS, TESTS), 3 * model.cov(TESTS, TESTS), rtol=1e-9)
    square = KernelPredictor(relu_ntk, relu_nngp, BASIS, BASIS, degree=2)
    np.testing.assert_allclose(square.mean(3 * TESTS), 9 * square.mean(TESTS), rtol=1e-12)


def test_relabeling_inputs_and_outputs_permutes_predictions():
    y = np.asarray(permutation_task(jr.key(3), K).y, float)
    order, out = np.array([3, 0, 4, 1, 2]), np.array([1, 2, 0, 4, 3])
    mean = KernelPredictor(relu_ntk, relu_nngp, BASIS, y).mean(TESTS)
    moved = KernelPredictor(relu_ntk, relu_nngp, BASIS[:, order], y[:, out]).mean(TESTS[:, order])
    np.testing.assert_allclose(moved, mean[:, out], atol=1e-13)


def test_nothing_of_float64_leaks():
    KernelPredictor(relu_ntk, relu_nngp, BASIS, BASIS).mean(TESTS)
    assert jnp.ones(1).dtype == jnp.float32


@pytest.mark.parametrize(
    ("x", "y", "sentence"),
    [
        (BASIS, BASIS[:3], "expected .n, d. and .n, outputs."),
        (np.concatenate([BASIS, BASIS[:1]]), np.eye(6), "singular"),
        (np.zeros((1, K)), np.ones((1, 1)), "length 0"),
    ],
)
def test_bad_training_sets(x, y, sentence):
    with pytest.raises(ValueError, match=sentence):
        KernelPredictor(relu_ntk, relu_nngp, x, y)


def test_bad_questions():
    model = KernelPredictor(relu_ntk, relu_nngp, BASIS, BASIS)
    with pytest.raises(ValueError, match="time -1"):
        model.mean(TESTS, -1.0)
    with pytest.raises(ValueError, match=r"expected .n, 5."):
        model.mean(np.eye(4))
