import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from engrax.probes import loss_plane, spectrum


def bowl(weights):
    return jnp.sum(weights["a"] ** 2) + 3.0 * weights["b"]


def path(key=0, checkpoints=6):
    """A path in a plane of 8 dimensions, to (0, 0)."""
    first, second = jr.split(jr.key(key))
    plane = jnp.linalg.qr(jr.normal(first, (8, 2)))[0]
    at = jr.normal(second, (checkpoints, 2)) * jnp.array([[3.0, 1.0]])
    at = at.at[-1].set(0.0)
    flat = at @ plane.T
    return {"a": flat[:, :7], "b": flat[:, 7]}, at


def test_the_path_lies_in_its_own_plane_and_losses_are_the_losses_there():
    trajectory, at = path()
    plane = jax.jit(lambda t: loss_plane(t, bowl, points=9))(trajectory)
    np.testing.assert_allclose(plane.captured.sum(), 1, atol=1e-5)
    np.testing.assert_allclose(plane.path[-1], 0, atol=1e-5)
    distance = lambda z: np.linalg.norm(np.asarray(z)[:, None] - np.asarray(z)[None], axis=-1)
    np.testing.assert_allclose(distance(plane.path), distance(at), rtol=1e-4, atol=1e-4)
    # Of the bowl's parts the square is |place|^2 - b^2 and b is linear: checked at the corners.
    low = np.asarray(plane.path).min(0)
    wide = 0.1 * (np.asarray(plane.path).max(0) - low)
    np.testing.assert_allclose([plane.first[0], plane.second[0]], low - wide, rtol=1e-4)
    square = loss_plane(trajectory, lambda w: jnp.sum(w["a"] ** 2) + w["b"] ** 2, points=9)
    expected = np.asarray(square.first)[:, None] ** 2 + np.asarray(square.second)[None] ** 2
    np.testing.assert_allclose(square.loss, expected, rtol=1e-3, atol=1e-3)


def test_roughness_of_a_plane_a_parabola_and_a_ripple():
    trajectory, _ = path()
    find = lambda loss: float(loss_plane(trajectory, loss, points=11).roughness)
    flat = lambda w: w["a"].sum() + w["b"]
    assert find(flat) < 1e-3
    ripple = lambda w: jnp.sin(5.0 * w["a"][0]) + jnp.sin(7.0 * w["b"])
    assert find(ripple) > 3 * find(bowl) > 0
    assert find(lambda w: 0.0 * w["b"]) == 0.0


def test_a_path_that_stands_still_has_finite_losses():
    still = jnp.ones((4, 3))
    plane = loss_plane(still, lambda w: jnp.sum(w**2), points=3)
    np.testing.assert_allclose(plane.loss, 3.0)
    np.testing.assert_array_equal(plane.captured, 0)


def test_spectrum_shows_the_rank():
    a = np.asarray(jr.normal(jr.key(0), (4, 7, 2)))
    found = spectrum(a @ np.swapaxes(a, 1, 2))
    assert found.shape == (4, 7)
    assert (found[:, 2] < 1e-6 * found[:, 0]).all()
    np.testing.assert_allclose(found[:, :2], spectrum(a) ** 2, rtol=1e-5)
    np.testing.assert_allclose(spectrum(jnp.diag(jnp.array([1.0, -3.0]))), [3, 1])


def test_bad_input():
    with pytest.raises(ValueError, match="3 or more checkpoints"):
        loss_plane(jnp.zeros((2, 3)), jnp.sum)
    with pytest.raises(ValueError, match="same"):
        loss_plane({"a": jnp.zeros((4, 3)), "b": jnp.zeros((5, 3))}, bowl)
    with pytest.raises(ValueError, match="finite"):
        spectrum(np.full((2, 2), np.nan))
