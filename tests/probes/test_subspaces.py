"""Principal components and angles, against NumPy, SciPy and planes drawn by hand."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy.linalg import subspace_angles

from engrax.probes import principal_angles, uncentered_pca


def test_components_diagonalize_the_second_moment():
    x = jr.normal(jr.key(0), (30, 6)) * jnp.arange(1.0, 7.0)[None] + 2.0
    found = uncentered_pca(x, 4)
    values = np.linalg.eigvalsh(np.asarray(x, float).T @ np.asarray(x, float))[::-1]
    np.testing.assert_allclose(found.captured, values[:4] / values.sum(), rtol=1e-4)
    np.testing.assert_allclose(found.directions @ found.directions.T, np.eye(4), atol=1e-5)
    np.testing.assert_allclose(x @ found.directions.T, found.scores, rtol=1e-4, atol=1e-3)
    largest = np.take_along_axis(
        np.asarray(found.directions), np.abs(found.directions).argmax(1)[:, None], 1
    )
    assert (largest > 0).all()


@pytest.mark.parametrize("k", [0, 4])
def test_directions_that_are_not_there_are_refused(k):
    with pytest.raises(ValueError, match="directions"):
        uncentered_pca(jnp.ones((3, 5)), k)


def test_a_zero_matrix_captures_nothing():
    np.testing.assert_array_equal(uncentered_pca(jnp.zeros((3, 5)), 2).captured, 0)


@pytest.mark.parametrize("angle", [0.0, 1e-3, 0.3, 1.0, np.pi / 2])
def test_planes_that_share_a_line(angle):
    a = jnp.eye(4)[:2]
    b = jnp.stack([jnp.eye(4)[0], np.cos(angle) * jnp.eye(4)[1] + np.sin(angle) * jnp.eye(4)[2]])
    np.testing.assert_allclose(principal_angles(a, b), [0, angle], atol=1e-6)
    np.testing.assert_allclose(principal_angles(2 * a, -b), [0, angle], atol=1e-6)


def test_random_spans_agree_with_scipy():
    a, b = jr.normal(jr.key(0), (3, 10)), jr.normal(jr.key(1), (5, 10))
    expected = np.sort(subspace_angles(np.asarray(a, float).T, np.asarray(b, float).T))
    np.testing.assert_allclose(principal_angles(a, b), expected, atol=1e-5)
    np.testing.assert_allclose(principal_angles(b, a), expected, atol=1e-5)


def test_parallel_rows_span_a_line():
    line = jnp.array([[1.0, 0.0, 0.0], [-3.0, 0.0, 0.0]])
    plane = jnp.array([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    np.testing.assert_allclose(principal_angles(line, plane), [np.pi / 4], atol=1e-6)


def test_a_span_of_nothing_is_refused():
    with pytest.raises(ValueError, match="zeros"):
        principal_angles(jnp.zeros((2, 3)), jnp.eye(3))
