import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engrax.probes import cka, cka_matrix, compiled_cost

kernels = pytest.mark.parametrize("kernel", ["linear", "rbf"])


def draw(seed, *shape):
    return jr.normal(jr.key(seed), shape)


@kernels
def test_a_representation_is_alike_to_itself(kernel):
    x = draw(0, 40, 6)
    np.testing.assert_allclose(cka(x, x, kernel=kernel), 1, atol=1e-6)


@kernels
@given(st.integers(0, 20), st.floats(0.1, 10))
def test_rotations_shifts_and_scalings_change_nothing(kernel, seed, scale):
    x, y = draw(seed, 30, 6), draw(seed + 100, 30, 4)
    rotation = jnp.linalg.qr(draw(seed + 200, 6, 6))[0]
    moved = jnp.float32(scale) * (x @ rotation) + 3.0
    # float32 sums over 30 x 30 kernel entries: relative error well below 1e-4.
    np.testing.assert_allclose(
        cka(moved, y, kernel=kernel), cka(x, y, kernel=kernel), rtol=1e-3, atol=1e-4
    )


def test_linear_kernel_against_the_kernel_form():
    x, y = np.asarray(draw(0, 25, 6), np.float64), np.asarray(draw(1, 25, 4), np.float64)
    center = np.eye(25) - 1 / 25
    k, m = center @ x @ x.T @ center, center @ y @ y.T @ center
    expected = np.trace(k @ m) / np.sqrt(np.trace(k @ k) * np.trace(m @ m))
    np.testing.assert_allclose(cka(jnp.float32(x), jnp.float32(y)), expected, rtol=1e-5)


def test_rbf_kernel_against_the_definition():
    x, y = np.asarray(draw(0, 25, 6), np.float64), np.asarray(draw(1, 25, 4), np.float64)
    center = np.eye(25) - 1 / 25

    def gram(z):
        d2 = ((z[:, None] - z[None]) ** 2).sum(-1)
        width = 0.25 * np.sqrt(np.median(d2[np.triu_indices(25, 1)]))
        return center @ np.exp(-d2 / (2 * width**2)) @ center

    k, m = gram(x), gram(y)
    expected = np.trace(k @ m) / np.sqrt(np.trace(k @ k) * np.trace(m @ m))
    np.testing.assert_allclose(
        cka(jnp.float32(x), jnp.float32(y), kernel="rbf"), expected, rtol=1e-4
    )


@kernels
def test_class_features_gathered_by_label_agree_with_themselves(kernel):
    labels = jnp.arange(50) % 5
    one_hot = jnp.eye(5)[labels]
    np.testing.assert_allclose(cka(one_hot, jnp.eye(5)[labels], kernel=kernel), 1, atol=1e-6)


def test_a_constant_is_alike_to_nothing():
    assert cka(jnp.ones((9, 3)), draw(0, 9, 2)) == 0


def test_examples_must_match():
    with pytest.raises(ValueError, match="9 and 8 examples"):
        cka(draw(0, 9, 2), draw(0, 8, 2))


def test_compiled_cost_counts_a_matrix_product():
    a, b = jnp.ones((16, 32)), jnp.ones((32, 8))
    cost = compiled_cost(jnp.matmul, a, b)
    assert cost.flops == 2 * 16 * 32 * 8
    assert cost.bytes >= 4 * (a.size + b.size + 16 * 8)
    assert cost.peak_memory >= 0


def test_the_matrix_holds_every_pair():
    xs, ys = [draw(i, 30, 3 + i) for i in range(3)], [draw(9, 30, 5), jnp.ones((30, 2))]
    expected = [[cka(x, y) for y in ys] for x in xs]
    np.testing.assert_allclose(cka_matrix(xs, ys), expected, atol=1e-5)


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_independent_gaussians_are_hardly_alike(kernel):
    """Of 400 examples in 3 dimensions: linear CKA of independent data is about 3 / 400."""
    x, y = jr.normal(jr.key(0), (400, 3)), jr.normal(jr.key(1), (400, 3))
    assert float(cka(x, y, kernel=kernel, bandwidth=0.5)) < 0.1


def test_half_the_median_distance_is_a_quarter_of_its_square():
    """exp(-d^2 / (2 * 0.25 * median d^2)), as Smith et al. (2023) have it."""
    x, y = np.random.default_rng(0).normal(size=(2, 9, 3))

    def kernel(v):
        d = np.square(v[:, None] - v[None]).sum(-1)
        k = np.exp(-d / (2 * 0.25 * np.median(d[np.triu_indices(9, 1)])))
        h = np.eye(9) - 1 / 9
        return h @ k @ h

    k, m = kernel(x), kernel(y)
    expected = (k * m).sum() / np.sqrt((k * k).sum() * (m * m).sum())
    found = cka(
        jnp.asarray(x, jnp.float32), jnp.asarray(y, jnp.float32), kernel="rbf", bandwidth=0.5
    )
    np.testing.assert_allclose(found, expected, rtol=1e-4)
