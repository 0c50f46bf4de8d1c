import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engrax.probes import activation_sparsity, find_synapse, rank_biserial, synaptic_state


def turn(x, positions):
    """Rotates the one pair of features by 0.3 a position."""
    angle = 0.3 * positions.astype(jnp.float32)[:, None]
    a, b = x[:, :1], x[:, 1:]
    return jnp.concatenate(
        [a * jnp.cos(angle) - b * jnp.sin(angle), b * jnp.cos(angle) + a * jnp.sin(angle)], 1
    )


def test_the_state_is_that_of_a_loop():
    pre = jnp.abs(jr.normal(jr.key(0), (5, 2)))
    post = jnp.abs(jr.normal(jr.key(1), (5, 3)))
    sigma, back = np.zeros((3, 2)), np.array(turn(jnp.eye(2), -jnp.ones(2, jnp.int32)))
    for x, y in zip(np.array(pre), np.array(post), strict=True):
        sigma = (sigma + np.outer(y, x)) @ back  # one write, then one turn: U
    found = synaptic_state(pre, post, rotate=turn, rectify=False)
    np.testing.assert_allclose(found, sigma, atol=1e-5)
    np.testing.assert_allclose(
        synaptic_state(pre, post, rotate=turn), np.maximum(sigma, 0), atol=1e-5
    )


def test_padding_leaves_no_trace():
    pre, post = jr.normal(jr.key(0), (7, 2)), jr.normal(jr.key(1), (7, 3))
    padded = synaptic_state(pre, post, rotate=turn, length=jnp.asarray(4))
    np.testing.assert_allclose(padded, synaptic_state(pre[:4], post[:4], rotate=turn), atol=1e-5)


def test_without_a_position_code_the_order_does_not_matter():
    pre, post = jr.normal(jr.key(0), (6, 4)), jr.normal(jr.key(1), (6, 4))
    np.testing.assert_allclose(
        synaptic_state(pre, post), synaptic_state(pre[::-1], post[::-1]), atol=1e-5
    )


def test_the_planted_synapse_is_found():
    rng = np.random.default_rng(0)
    positive, negative = (rng.standard_normal((2, 40, 6, 5)) for _ in range(2))
    positive[:, :, 4, 2] += 3
    positive[0, :, 1, 1] += 9  # in one group alone: no good
    found = find_synapse(positive, negative)
    assert found.place == (4, 2)
    assert 2 < found.separation < 4.5


def test_a_silent_entry_is_never_chosen():
    positive, negative = np.zeros((1, 3, 2)), np.zeros((1, 3, 2))
    positive[0, :, 1] = [1, 2, 3]
    assert find_synapse(positive, negative).place == (1,)


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=12),
    st.lists(st.integers(0, 5), min_size=1, max_size=12),
)
def test_the_rank_correlation_counts_pairs(positive, negative):
    pairs = [np.sign(a - b) for a in positive for b in negative]
    found = rank_biserial(np.array(positive), np.array(negative))
    assert found == pytest.approx(np.mean(pairs), abs=1e-12)


def test_sparsity_counts_what_is_above_the_threshold():
    x = jnp.array([[0.0, 1.0, -1.0, 2.0], [0.0, 0.0, 0.0, 0.0]])
    np.testing.assert_array_equal(activation_sparsity(x), [0.5, 0.0])
    np.testing.assert_array_equal(activation_sparsity(x, 1.0), [0.25, 0.0])


def test_too_few_examples_are_named():
    with pytest.raises(ValueError, match="two examples"):
        find_synapse(np.zeros((1, 1, 3)), np.zeros((1, 4, 3)))
