import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from engrax.nn import BinaryPerceptron, MeanFieldBinaryLinear, MeanFieldBinaryMLP

N_IN, N_OUT, BETA = 6, 3, 1.3


def layer(seed=0, n_in=N_IN, n_out=N_OUT):
    return MeanFieldBinaryLinear(n_in, n_out, key=jr.key(seed))


def inputs(*shape, seed=1):
    return jr.normal(jr.key(seed), shape)


def test_noise_has_the_moments_of_sampled_weights():
    """Mean and variance over 1e5 draws of both modes agree within 5 standard errors."""
    net, a, draws = layer(), inputs(N_IN), 100_000
    keys = jr.split(jr.key(2), draws)
    moments = {}
    for mode in ("gaussian", "sample"):
        z = np.asarray(jax.vmap(lambda k, mode=mode: net(a, BETA, k, mode))(keys))
        moments[mode] = z.mean(0), z.var(0)
    mu = np.tanh(BETA * np.asarray(net.theta))
    mean = mu @ np.asarray(a) / np.sqrt(N_IN)
    var = (1 - mu**2) @ np.asarray(a) ** 2 / N_IN
    for found_mean, found_var in moments.values():
        np.testing.assert_allclose(found_mean, mean, atol=5 * np.sqrt(var.max() / draws))
        # The variance of a normal variance is 2 var^2 / draws; a sum of coins has less.
        np.testing.assert_allclose(found_var, var, rtol=5 * np.sqrt(2 / draws))


def test_gradients_are_the_formulas():
    """dz/dtheta and dz/da with eps frozen, entry by entry."""
    net, a, key = layer(), inputs(N_IN), jr.key(3)
    theta, x = np.asarray(net.theta, float), np.asarray(a, float)
    mu = np.tanh(BETA * theta)
    sigma2 = 1 - mu**2
    v = np.sqrt(sigma2 @ x**2 / N_IN)
    eps = (np.asarray(net(a, BETA, key), float) - mu @ x / np.sqrt(N_IN)) / v
    call = jax.jit(lambda t, b: eqx.tree_at(lambda n: n.theta, net, t)(b, BETA, key))
    by_theta, by_a = jax.jacobian(call, argnums=(0, 1))(net.theta, a)
    for i in range(N_OUT):
        for j in range(N_IN):
            slope = x[j] / np.sqrt(N_IN) - eps[i] * mu[i, j] * x[j] ** 2 / (N_IN * v[i])
            expected = BETA * sigma2[i, j] * slope
            np.testing.assert_allclose(by_theta[i, i, j], expected, rtol=2e-4, atol=1e-6)
            down = mu[i, j] / np.sqrt(N_IN) + eps[i] * sigma2[i, j] * x[j] / (N_IN * v[i])
            np.testing.assert_allclose(by_a[i, j], down, rtol=2e-4, atol=1e-6)
    np.testing.assert_array_equal(by_theta[0, 1], 0)


def test_cold_weights_are_signs_and_hot_ones_coins():
    net, a = layer(), inputs(4, N_IN)
    cold = net(a, 1e4, jr.key(4))
    np.testing.assert_allclose(cold, net(a, 1.0, mode="sign"), atol=1e-6)
    np.testing.assert_allclose(cold, net(a, 1e4, jr.key(4), "sample"), atol=1e-6)
    z = jax.vmap(lambda k: net(a[0], 0.0, k))(jr.split(jr.key(5), 4000))
    np.testing.assert_allclose(z.mean(0), 0, atol=0.1)
    np.testing.assert_allclose(z.var(0), np.mean(a[0] ** 2), rtol=0.15)


def test_every_unit_and_example_has_its_own_noise():
    net = layer()
    z = np.asarray(net(jnp.ones((50, N_IN)), BETA, jr.key(6)))
    assert len(np.unique(z)) == z.size
    drawn = np.asarray(net(jnp.ones((50, N_IN)), BETA, jr.key(6), "sample"))
    assert (drawn == drawn[0]).all()  # one network for the batch


def test_a_silent_input_has_a_gradient_of_zero():
    net = MeanFieldBinaryMLP((N_IN, 4, 2), key=jr.key(0))

    def loss(model):
        return jnp.sum(model(jnp.zeros((3, N_IN)), 10.0, jr.key(1)) ** 2)

    for leaf in jax.tree.leaves(eqx.filter_jit(eqx.filter_grad(loss))(net)):
        np.testing.assert_allclose(leaf, 0, atol=1e-20)


def test_a_network_is_its_layers():
    net = MeanFieldBinaryMLP((N_IN, 4, 2), key=jr.key(0))
    x, key = inputs(5, N_IN), jr.key(7)
    for mode in ("gaussian", "sign"):
        h = jax.nn.relu(net.layers[0](x, BETA, jr.fold_in(key, 0), mode))
        expected = net.layers[1](h, BETA, jr.fold_in(key, 1), mode)
        found = eqx.filter_jit(net)(x, BETA, key, mode)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    each = jax.vmap(lambda a: net(a, BETA, mode="sign"))(x)
    np.testing.assert_allclose(each, net(x, BETA, mode="sign"), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: layer(n_in=0), "sizes of at least 1"),
        (lambda: MeanFieldBinaryMLP((3,), key=jr.key(0)), "input and output widths"),
        (lambda: layer()(jnp.ones(N_IN), 1.0), "pass a key"),
        (lambda: layer()(jnp.ones(N_IN), 1.0, jr.key(0), "mean"), "gaussian"),
        (lambda: BinaryPerceptron.random(0, key=jr.key(0)), "at least one input"),
    ],
)
def test_bad_calls_are_refused(call, said):
    # Of an unknown mode the type checker of the tests speaks first.
    with pytest.raises((ValueError, TypeError), match=said):
        call()


def perceptron(n=7):
    net = BinaryPerceptron.random(n, key=jr.key(0))
    x = jr.rademacher(jr.key(1), (5, n), jnp.float32)
    return net, x, jr.rademacher(jr.key(2), (5,), jnp.float32)


def test_the_energy_of_a_perceptron_has_the_gradient_of_its_formula():
    from scipy.stats import norm

    net, x, y = perceptron()
    found = eqx.filter_jit(eqx.filter_grad(lambda p: p.energy(x, y)))(net).h
    m = np.tanh(np.asarray(net.h, float))
    s = np.sum(1 - m**2)
    expected = np.zeros(7)
    energy = 0.0
    for xi, label in zip(np.asarray(x, float), np.asarray(y, float), strict=True):
        t = label * (m @ xi) / np.sqrt(s)
        energy -= norm.logcdf(t)
        bracket = xi / np.sqrt(s) + (m @ xi) * m / s**1.5
        expected -= norm.pdf(t) / norm.cdf(t) * label * (1 - m**2) * bracket
    np.testing.assert_allclose(net.energy(x, y), energy, rtol=1e-5)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_the_energy_does_not_know_the_sign_of_an_example():
    net, x, y = perceptron()
    np.testing.assert_allclose(net.energy(x, y), net.energy(-x, -y), rtol=1e-6)
    masked = net.energy(x, y, jnp.array([1.0, 1.0, 1.0, 0.0, 0.0]))
    np.testing.assert_allclose(masked, net.energy(x[:3], y[:3]), rtol=1e-6)


def test_overlaps_of_the_teacher_itself():
    teacher = jnp.array([1.0, -1.0, 1.0])
    found = BinaryPerceptron(9.0 * teacher).overlaps(teacher)
    np.testing.assert_allclose(list(found.values()), [1, 1, 1, 0], atol=1e-4)
    wrong = BinaryPerceptron(-9.0 * teacher).overlaps(teacher)
    assert float(wrong["error"]) == pytest.approx(1.0)
