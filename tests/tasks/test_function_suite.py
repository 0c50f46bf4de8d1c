import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import scipy.special

from engrax.tasks import bessel_j0, function_suite

TASKS = {task.name: task for suite in ("seven", "confirmation") for task in function_suite(suite)}


@pytest.mark.parametrize("name", TASKS)
def test_parts_are_scaled_by_the_training_part(name):
    task = TASKS[name]
    data = jax.jit(task.sample)(jr.key(0))
    for part, n in (("", task.train), ("_validation", 200), ("_test", 2000)):
        x, y = getattr(data, f"x{part}"), getattr(data, f"y{part}")
        assert x.shape == (n, task.dims)
        assert y.shape == (n, 1)
        assert float(jnp.abs(x).max()) <= 1
        assert np.isfinite(y).all()
    np.testing.assert_allclose([data.y.mean(), data.y.std()], [0, 1], atol=1e-5)
    raw = task.function(data.x_test)
    scale = (data.y_test[1, 0] - data.y_test[0, 0]) / (raw[1] - raw[0])
    shift = data.y_test[0, 0] - scale * raw[0]
    np.testing.assert_allclose(data.y_test[:, 0], scale * raw + shift, atol=2e-3)


def test_formulas_are_what_they_say():
    names = {"pi": np.pi, "exp": np.exp, "sin": np.sin, "cos": np.cos, "tanh": np.tanh}
    names |= {"J0": scipy.special.j0, "max": np.maximum, "abs": np.abs}
    points = np.random.default_rng(0).uniform(-1, 1, (50, 4))
    for task in TASKS.values():
        axes = dict(zip(("x", "y", "z"), points.T, strict=False))
        axes |= {f"x{i + 1}": points[:, i] for i in range(4)}
        got = task.function(jnp.asarray(points[:, : task.dims], jnp.float32))
        np.testing.assert_allclose(
            got, eval(task.formula, names | axes), atol=2e-5, err_msg=task.name
        )


def test_bessel():
    z = np.linspace(-40, 40, 500)
    np.testing.assert_allclose(
        bessel_j0(jnp.asarray(z, jnp.float32)), scipy.special.j0(z), atol=5e-6
    )


def test_unknown_suite():
    with pytest.raises((ValueError, TypeError)):
        function_suite("eight")
