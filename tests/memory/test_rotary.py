import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engrax.memory import rotary, rotary_frequencies

T, N = 6, 16


def slow(x, positions, base, pairs):
    """The definition, pair by pair, in float64."""
    out = np.array(x, np.float64)
    for t, position in enumerate(np.array(positions)):
        for j, (a, b) in enumerate(pairs):
            angle = position * base ** (-2 * j / x.shape[1])
            va, vb = float(x[t, a]), float(x[t, b])
            out[t, a] = va * np.cos(angle) - vb * np.sin(angle)
            out[t, b] = vb * np.cos(angle) + va * np.sin(angle)
    return out


@pytest.mark.parametrize("pairing", ["adjacent", "half"])
def test_against_the_definition(pairing):
    x = jr.normal(jr.key(0), (T, N))
    positions = jnp.array([0, 1, 2, -3, 500, 7])
    pairs = [
        (2 * j, 2 * j + 1) if pairing == "adjacent" else (j, j + N // 2) for j in range(N // 2)
    ]
    # A frequency is rounded to 2^-33 turns, which 500 positions amplify to 4e-7 radians.
    expected = slow(x, positions, 2.0**16, pairs)
    np.testing.assert_allclose(
        rotary(x, positions, base=2.0**16, pairing=pairing), expected, atol=2e-6
    )


@given(st.integers(-(2**30), 2**30))
def test_scores_do_not_depend_on_where_the_text_stands(shift):
    q, k = jr.normal(jr.key(1), (2, T, N))
    place = jnp.arange(T)
    near = rotary(q, place, base=100.0) @ rotary(k, place, base=100.0).T
    far = rotary(q, place + shift, base=100.0) @ rotary(k, place + shift, base=100.0).T
    # Exact up to the rounding of sines, however far: phases are integers.
    np.testing.assert_allclose(near, far, atol=1e-5)


def test_turning_what_is_stored_is_moving_the_origin():
    keys, values = jr.normal(jr.key(2), (T, N)), jr.normal(jr.key(3), (T, 3))
    query = jr.normal(jr.key(4), (2, N))
    far = jnp.array([T, T + 1])
    absolute = rotary(query, far, base=50.0) @ (rotary(keys, jnp.arange(T), base=50.0).T @ values)
    state = values.T @ rotary(keys, jnp.arange(T), base=50.0)
    carried = rotary(state, jnp.full(3, -T), base=50.0)
    local = rotary(query, far - T, base=50.0) @ carried.T
    np.testing.assert_allclose(local, absolute, atol=1e-5)


def test_bad_sizes_say_so():
    with pytest.raises(ValueError, match="n=3 is not even"):
        rotary_frequencies(3)
    with pytest.raises(ValueError, match="base above 0"):
        rotary_frequencies(4, 0.0)
