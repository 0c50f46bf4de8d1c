"""Edges that are known functions are read as what they are."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from engrax.nn import (
    CANDIDATES,
    KAN,
    KANLayer,
    SelectableKAN,
    bases,
    prune,
    read_edge,
    read_function,
    read_kan,
)

X = np.linspace(-1, 1, 101)


@pytest.mark.parametrize(
    ("name", "a", "b"),
    [
        ("x", 2.0, 0.5),
        ("x^2", 1.5, 0.4),
        ("x^3", 1.0, -0.3),
        ("x^4", 1.2, 0.2),
        ("abs", 1.0, 0.3),
        ("exp", -2.5, 0.0),
        ("sin", 12 * np.pi, 0.4),
        ("tanh", 4.0, 1.0),
        ("gaussian", 5.0, -1.0),
        ("sqrt", 2.0, 2.5),
        ("log", -1.0, 1.4),
        ("1/x", 1.0, 1.7),
        ("arctan", 9.0, 2.0),
        ("1/(1+x^2)", 5.0, 1.0),
    ],
)
def test_every_candidate_is_recognized(name, a, b):
    y = -3.0 * CANDIDATES[name].function(a * X + b) + 0.7
    # The tolerance is below what tells a tanh from an arctan, or a Gaussian from a Lorentzian.
    reading = read_function(X, y, tolerance=1e-6)
    assert reading.name == name
    assert reading.r2 > 1 - 1e-6
    np.testing.assert_allclose(reading(X), y, atol=2e-3 * np.abs(y).max())


def test_shifted_and_scaled_inputs():
    x = np.linspace(100, 140, 60)
    reading = read_function(x, np.sin(0.3 * x) + 5)
    assert reading.name == "sin"
    np.testing.assert_allclose(abs(reading.a), 0.3, atol=1e-3)
    assert reading.text("t").startswith(("1 sin(", "-1 sin("))


def test_the_simpler_one_wins_where_both_fit():
    noisy = 2 * X + 1e-3 * np.random.default_rng(0).normal(size=101)
    assert read_function(X, noisy).name == "x"
    assert read_function(X, noisy, {"sin": CANDIDATES["sin"]}).name == "sin"


def test_a_constant():
    reading = read_function(X, np.full(101, 2.5))
    assert (reading.name, reading.c, reading.d, reading.r2) == ("0", 0.0, 2.5, 1.0)
    np.testing.assert_array_equal(reading(X), 2.5)
    assert reading.text() == "2.5"


def test_no_candidate_fits_noise():
    y = np.random.default_rng(1).normal(size=101)
    assert read_function(X, y).r2 < 0.5


def known_net():
    """x1^2 - 2 x2 through an odd cubic: edges that Chebyshev polynomials hold exactly."""
    model = KAN((2, 1, 1), bases.Chebyshev(4), base=None, squash=lambda x: x, key=jr.key(0))
    first = jnp.zeros((1, 4, 2)).at[0, 0, 0].set(0.25).at[0, 2, 0].set(0.25).at[0, 1, 1].set(-0.2)
    second = jnp.zeros((1, 4, 1)).at[0, 1, 0].set(0.75).at[0, 3, 0].set(0.25)
    import equinox as eqx

    return eqx.tree_at(
        lambda m: (m.layers[0].coefficients, m.layers[1].coefficients, m.layers[1].bias),
        model,
        (first, second, jnp.ones(1)),
    )


def test_a_whole_net():
    model, x = known_net(), jr.uniform(jr.key(1), (150, 2), minval=-1.0, maxval=1.0)
    read = read_kan(model, x)
    assert [edge.name for edge in read.edges[0][0]] == ["x^2", "x"]
    assert read.edges[1][0][0].name == "x^3"
    np.testing.assert_allclose(read(np.asarray(x)), model(x), atol=1e-3)
    (text,) = read.texts(["p", "q"])
    assert "p" in text
    assert "q" in text


def test_one_edge_and_bad_input():
    layer = known_net().layers[0]
    assert isinstance(layer, KANLayer)
    assert read_edge(layer, 0, 0).name == "x^2"
    assert read_edge(layer, 0, 1, jnp.linspace(0, 1, 20)).name == "x"
    with pytest.raises(ValueError, match="count from 0"):
        read_edge(layer, 1, 0)
    with pytest.raises(ValueError, match="at least 8"):
        read_function(X[:7], X[:7])
    with pytest.raises(ValueError, match="finite"):
        read_function(X, np.where(X > 0, np.nan, 1.0))
    with pytest.raises(ValueError, match="no candidate"):
        read_function(X, X, {"log": CANDIDATES["log"]._replace(places=np.array([-9.0]))})
    pool = (bases.Chebyshev(4), bases.RBF(4))
    per_edge = prune(SelectableKAN((2, 1), pool, granularity="edge", key=jr.key(0)))
    with pytest.raises(ValueError, match="one basis for all outputs"):
        read_kan(per_edge, jax.numpy.zeros((10, 2)))
