"""The other row operators, and the projection onto the simplex."""

import equinox as eqx
import hypothesis
import hypothesis.extra.numpy as hnp
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import scipy.optimize

from engrax.nn import (
    ConstantRows,
    KANRowOperator,
    MixedFirstRows,
    PadeRows,
    RowOperator,
    SimplexRows,
    SoftmaxRows,
    project_simplex,
    row_basis,
)

N, R = 5, 3
A = jr.normal(jr.key(0), (N, N))
V = jr.normal(jr.key(1), (N, 4))
KAN = eqx.Partial(KANRowOperator, N, R)
OPERATORS = {
    "softmax": SoftmaxRows(),
    "bias": eqx.tree_at(
        lambda op: op.bias,
        SoftmaxRows(N),
        jr.normal(jr.key(2), (N, N)),
        is_leaf=lambda z: z is None,
    ),
    "constant": ConstantRows(KAN, key=jr.key(3)),
    "simplex": SimplexRows(KAN, key=jr.key(3)),
    "mixed first": MixedFirstRows(N, R, row_basis("fourier", 2), key=jr.key(3)),
    "pade": PadeRows(N, R, key=jr.key(3)),
}
project = jax.jit(project_simplex)


@pytest.mark.parametrize("name", OPERATORS)
def test_answers_are_the_map_times_the_values_for_all_rows_and_for_the_last(name):
    op = OPERATORS[name]
    assert isinstance(op, RowOperator)
    whole = op.matrix(A)
    np.testing.assert_allclose(op.apply(A, V), whole @ V, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(op.matrix(A[-1:]), whole[-1:], rtol=1e-4, atol=1e-5)
    gradient = eqx.filter_grad(lambda op: jnp.square(op.apply(A, V)).sum())(op)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


def test_softmax_rows_with_a_bias():
    bias = OPERATORS["bias"].bias
    np.testing.assert_allclose(OPERATORS["bias"].matrix(A), jax.nn.softmax(A + bias), rtol=1e-5)
    np.testing.assert_array_equal(SoftmaxRows(N).matrix(A), SoftmaxRows().matrix(A))


def test_constant_rows_hear_nothing_of_the_logits():
    op = OPERATORS["constant"]
    np.testing.assert_array_equal(op.matrix(A), op.matrix(3 * A))
    np.testing.assert_array_equal(op.matrix(A)[0], op.matrix(A)[-1])
    np.testing.assert_allclose(op.matrix(A)[0], op.operator.matrix(0 * A)[0], rtol=1e-5)


def test_mixed_first_is_its_definition():
    op = OPERATORS["mixed first"]
    z = np.asarray(A @ op.mix.T, np.float64)
    c = np.asarray(op.coefficients, np.float64)
    waves = [np.cos(z), np.cos(2 * z), np.sin(z), np.sin(2 * z)]
    slow = sum(wave @ c[m].T for m, wave in enumerate(waves))
    np.testing.assert_allclose(op.matrix(A), slow, rtol=1e-4, atol=1e-5)


def test_every_pair_has_a_quotient_of_its_own():
    op = OPERATORS["pade"]
    a, b, w = (np.asarray(z, np.float64) for z in (op.numerator, op.denominator, op.mix))
    x = np.asarray(A, np.float64)
    slow = np.zeros((N, R))
    for k, p, q in np.ndindex(N, R, N):
        top = sum(a[m, p, q] * x[k, q] ** m for m in range(6))
        slow[k, p] += top / (1 + abs(sum(b[m, p, q] * x[k, q] ** (m + 1) for m in range(4))))
    np.testing.assert_allclose(op.features(A), slow, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(op.matrix(A), slow @ w.T, rtol=1e-4, atol=1e-5)
    # a_1 = 1 on the diagonal and all else 0: linear attention.
    line = PadeRows(N, N, key=jr.key(3))
    line = eqx.tree_at(
        lambda op: (op.numerator, op.denominator, op.mix),
        line,
        (jnp.zeros((6, N, N)).at[1].set(jnp.eye(N)), jnp.zeros((4, N, N)), jnp.eye(N)),
    )
    np.testing.assert_allclose(line.matrix(A), A, rtol=1e-6)


def by_bisection(y):
    """The threshold as the root of a falling function, without sorting."""
    total = lambda t: np.maximum(y - t, 0).sum() - 1
    return np.maximum(y - scipy.optimize.brentq(total, y.min() - 2, y.max(), xtol=1e-14), 0)


@hypothesis.given(
    hnp.arrays(np.float32, (4, 7), elements=hypothesis.strategies.floats(-3, 3, width=32))
)
def test_the_projection_is_the_nearest_point_of_the_simplex(y):
    x = np.asarray(project(y))
    assert x.min() >= 0
    # The threshold comes from sums up to 21, rounded to 2e-6, and is taken off up to 7 times.
    np.testing.assert_allclose(x.sum(-1), 1, atol=1e-5)
    np.testing.assert_allclose(x, [by_bisection(row) for row in y.astype(float)], atol=4e-6)
    np.testing.assert_allclose(project(x), x, atol=1e-5)


def test_the_projection_keeps_the_simplex_and_its_slope_is_centered_on_the_support():
    on = jnp.array([[0.2, 0.5, 0.3], [0.0, 1.0, 0.0]])
    np.testing.assert_allclose(project_simplex(on), on, atol=1e-6)
    y = jnp.array([0.9, -1.0, 0.6, 0.2, -0.3])
    support = np.asarray(project_simplex(y) > 0)
    s = support.astype(float)
    expected = np.diag(s) - np.outer(s, s) / s.sum()
    np.testing.assert_allclose(jax.jacrev(project_simplex)(y), expected, atol=1e-6)
    assert 1 < s.sum() < 5


def test_bad_input():
    with pytest.raises(ValueError, match="belong to positions"):
        SoftmaxRows(N).matrix(jnp.zeros((3, 3)))
    with pytest.raises(ValueError, match="belong to positions"):
        OPERATORS["mixed first"].matrix(jnp.zeros((3, 3)))
    with pytest.raises(ValueError, match="number of tokens is fixed"):
        OPERATORS["pade"].matrix(jnp.zeros((3, 3)))
    with pytest.raises(ValueError, match="rank=0"):
        PadeRows(N, 0, key=jr.key(0))
    with pytest.raises(ValueError, match="rank=0"):
        MixedFirstRows(N, 0, row_basis("fourier", 2), key=jr.key(0))
