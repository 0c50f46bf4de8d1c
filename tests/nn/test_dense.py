import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from engrax.nn import dense, uniform_fan_in


def draws(*shapes, seed=0):
    keys = jr.split(jr.key(seed), len(shapes))
    return [jr.normal(k, shape) for k, shape in zip(keys, shapes, strict=True)]


@pytest.mark.parametrize("batch", [(), (5,), (2, 3)])
def test_without_options_it_is_the_affine_map(batch):
    x, w, b = draws((*batch, 4), (3, 4), (3,))
    expected = np.asarray(x, np.float64) @ np.asarray(w, np.float64).T + np.asarray(b, np.float64)
    np.testing.assert_allclose(dense(x, w, b), expected, atol=1e-6)


def test_rerouting_leaves_the_output_alone():
    x, w, f, e = draws((5, 4), (3, 4), (3, 4), (5, 4))
    np.testing.assert_array_equal(dense(x, w, trace=e, feedback=f), dense(x, w))


def test_its_own_weight_as_feedback_and_input_as_trace_is_backpropagation():
    x, w, t = draws((5, 4), (3, 4), (5, 3))

    def loss(x, w, **options):
        return jnp.sum(jnp.sin(dense(x, w, **options)) * t)

    plain = jax.grad(loss, (0, 1))(x, w)
    rerouted = jax.grad(lambda x, w: loss(x, w, feedback=w, trace=x), (0, 1))(x, w)
    for a, b in zip(plain, rerouted, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("batch", [(), (5,), (2, 3)])
def test_error_goes_down_through_feedback_and_meets_the_trace(batch):
    x, w, f, e, t = draws((*batch, 4), (3, 4), (3, 4), (*batch, 4), (*batch, 3))

    def loss(x, w, f, e):
        return jnp.sum(dense(x, w, trace=e, feedback=f) * t)

    dx, dw, df, de = jax.grad(loss, (0, 1, 2, 3))(x, w, f, e)
    rows, traces = np.reshape(t, (-1, 3)), np.reshape(e, (-1, 4))
    np.testing.assert_allclose(dx, np.asarray(t) @ np.asarray(f), atol=1e-6)
    np.testing.assert_allclose(
        dw, sum(np.outer(r, s) for r, s in zip(rows, traces, strict=True)), atol=1e-6
    )
    assert not np.any(df)
    assert not np.any(de)


def test_rerouting_survives_vmap_and_jit():
    x, w, f, t = draws((6, 5, 4), (6, 3, 4), (3, 4), (6, 5, 3))

    def gradient(x, w, t):
        return jax.grad(lambda w: jnp.sum(dense(x, w, feedback=f) * t))(w)

    together = jax.jit(jax.vmap(gradient))(x, w, t)
    alone = jnp.stack([gradient(*one) for one in zip(x, w, t, strict=True)])
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_uniform_fan_in_has_the_bound_and_the_variance_of_a_linear_layer():
    w = uniform_fan_in(jr.key(0), (200, 100), 25)
    assert np.abs(w).max() <= 1 / 5
    # The variance of 20,000 uniform draws has a relative standard error of 0.6 %.
    np.testing.assert_allclose(np.var(w), 1 / (3 * 25), rtol=0.03)
    with pytest.raises(ValueError, match="fan_in=0"):
        uniform_fan_in(jr.key(0), (2, 2), 0)
