import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from engrax.probes import pruning_curve, rank_units

N, UNITS, OUTPUTS = 40, 12, 5


def setting():
    hidden = jr.normal(jr.key(0), (N, UNITS))
    readout = jr.normal(jr.key(1), (OUTPUTS, UNITS))
    labels = jr.randint(jr.key(2), (N,), 0, OUTPUTS)
    mask = jr.bernoulli(jr.key(3), 0.4, (N,))
    return hidden, readout, labels, {"some": mask, "rest": ~mask}


@pytest.mark.parametrize("block", [1, 3, 12])
def test_the_curve_is_that_of_zeroing_units(block):
    hidden, readout, labels, parts = setting()
    order = jr.permutation(jr.key(4), UNITS)
    curve = pruning_curve(hidden, readout, labels, order, parts, block=block)
    for step, removed in enumerate(range(0, UNITS + 1, block)):
        left = readout.at[:, order[:removed]].set(0)
        outputs = np.array(hidden @ left.T)
        right = outputs.argmax(1) == np.array(labels) if removed < UNITS else np.zeros(N, bool)
        error = ((outputs - np.eye(OUTPUTS)[labels]) ** 2).mean(1)
        for name, mask in parts.items():
            np.testing.assert_allclose(
                curve[f"accuracy_{name}"][step], right[np.array(mask)].mean(), atol=1e-5
            )
            np.testing.assert_allclose(
                curve[f"mse_{name}"][step], error[np.array(mask)].mean(), rtol=1e-4, atol=1e-5
            )
        np.testing.assert_allclose(curve["removed"][step], removed / UNITS, rtol=1e-6)


def test_a_net_without_units_has_the_error_of_zero_and_is_wrong_everywhere():
    hidden, readout, labels, parts = setting()
    curve = pruning_curve(hidden, readout, labels, jnp.arange(UNITS), parts)
    assert float(curve["accuracy_some"][-1]) == 0
    # A zero net misses one 1 among the outputs: 1 / outputs exactly.
    np.testing.assert_allclose(curve["mse_some"][-1], 1 / OUTPUTS, rtol=1e-6)


def test_errors_of_constant_outputs():
    """Constant 1/p has the error (1/p) (1 - 1/p), as the zero net has 1/p."""
    readout = jnp.full((OUTPUTS, 1), 1 / OUTPUTS)
    labels = jr.randint(jr.key(2), (N,), 0, OUTPUTS)
    everything = {"all": jnp.ones(N, bool)}
    curve = pruning_curve(jnp.ones((N, 1)), readout, labels, jnp.array([0]), everything)
    np.testing.assert_allclose(curve["mse_all"], [0.2 * 0.8, 0.2], rtol=1e-5)


def test_ranking():
    scores = jnp.array([0.3, 0.1, 0.3, 0.2])
    assert rank_units(scores).tolist() == [1, 3, 0, 2]
    assert rank_units(scores, highest_first=True).tolist() == [0, 2, 3, 1]


def test_it_compiles_and_names_a_bad_block():
    hidden, readout, labels, parts = setting()
    order = jnp.arange(UNITS)
    compiled = jax.jit(pruning_curve, static_argnames="block")
    a = compiled(hidden, readout, labels, order, parts, block=4)
    b = pruning_curve(hidden, readout, labels, order, parts, block=4)
    np.testing.assert_allclose(a["mse_rest"], b["mse_rest"], rtol=1e-5)
    with pytest.raises(ValueError, match="divides"):
        pruning_curve(hidden, readout, labels, order, parts, block=5)
