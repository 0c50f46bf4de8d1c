"""The row operator against loops, closed forms and the paper's counts."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from engrax.nn import KANRowOperator, bases, parameter_count, row_basis
from engrax.probes import spectrum

N, R, G, DV = 5, 3, 3, 4
A = jr.normal(jr.key(0), (N, N))
V = jr.normal(jr.key(1), (N, DV))
matrix = eqx.filter_jit(lambda op, a: op.matrix(a))


def operator(n=N, rank: int | None = R, basis: str | bases.Basis = "fourier", grid=G, **options):
    return KANRowOperator(n, rank, basis, grid, **options, key=jr.key(2))


def with_coefficients(op, coefficients):
    return eqx.tree_at(lambda op: op.coefficients, op, jnp.asarray(coefficients, jnp.float32))


def test_against_loops_over_rows_outputs_and_keys():
    op = operator()
    a, c, w = (np.array(z, np.float64) for z in (A, op.coefficients, op.mix))
    slow = np.zeros((N, R))
    for k in range(N):
        for p in range(R):
            for q in range(N):
                for m in range(1, G + 1):
                    slow[k, p] += c[m - 1, p, q] * math.cos(m * a[k, q])
                    slow[k, p] += c[G + m - 1, p, q] * math.sin(m * a[k, q])
    # Float32 against float64.
    np.testing.assert_allclose(op.features(A), slow, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(matrix(op, A), slow @ w.T, rtol=1e-4, atol=1e-5)


def test_the_factored_order_is_the_same_with_the_same_gradients():
    def of(form):
        def total(op, a, v):
            out = op.apply(a, v) if form == "factored" else op.matrix(a) @ v
            return jnp.sum(jnp.sin(out)), out

        gradient = eqx.filter_jit(jax.grad(total, argnums=(0, 1, 2), has_aux=True))
        return gradient(operator(), A, V)

    for one, other in zip(*map(jax.tree.leaves, (of("factored"), of("whole"))), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_harmonics_by_recurrence_are_direct_and_periodic():
    x = jnp.linspace(-4.0, 4.0, 101)
    got = row_basis("fourier", 11)(x)
    m = np.arange(1, 12)
    angle = np.asarray(x, np.float64)[:, None] * m
    # The recurrence of order 11 magnifies float32's rounding by at most 11^2 near 0.
    np.testing.assert_allclose(got, np.concatenate([np.cos(angle), np.sin(angle)], 1), atol=1e-5)
    op = operator()
    np.testing.assert_allclose(matrix(op, A + 2 * math.pi), matrix(op, A), atol=1e-4)


def test_without_logits_all_rows_are_the_sum_of_the_cosines():
    op = operator()
    zeros = jnp.zeros((N, N))
    rows = matrix(op, zeros)
    s = np.asarray(op.coefficients)[:G].sum((0, 2))
    np.testing.assert_allclose(rows, np.tile(op.mix @ s, (N, 1)), rtol=1e-5, atol=1e-6)
    weigh = jr.normal(jr.key(3), (N, N))
    to_op, to_a = jax.jit(jax.grad(lambda op, a: jnp.sum(weigh * op.matrix(a)), argnums=(0, 1)))(
        op, zeros
    )
    np.testing.assert_array_equal(to_op.coefficients[G:], 0)
    slope = np.einsum("m,mpq->pq", np.arange(1, G + 1), np.asarray(op.coefficients)[G:])
    expected = np.asarray(weigh @ op.mix) @ slope
    np.testing.assert_allclose(to_a, expected, rtol=1e-4, atol=1e-5)


def test_the_rank_is_r_and_the_full_operator_is_rank_n_without_mixing():
    for rank in (1, 2, R):
        found = spectrum(np.asarray(matrix(operator(rank=rank), A)))
        assert (found > 1e-5 * found[0]).sum() == rank
    full = operator(rank=None)
    assert full.mix is None
    same = eqx.tree_at(lambda op: op.mix, operator(rank=N), jnp.eye(N))
    same = with_coefficients(same, full.coefficients)
    np.testing.assert_allclose(matrix(same, A), matrix(full, A), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(full.apply(A, V), full.matrix(A) @ V, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("basis", ["identity", "pade"])
def test_the_identity_on_the_diagonal_is_linear_attention(basis):
    op = eqx.tree_at(lambda op: op.mix, operator(rank=N, basis=basis), jnp.eye(N))
    coefficients = np.zeros(op.coefficients.shape)
    coefficients[1 if basis == "pade" else 0] = np.eye(N)
    op = with_coefficients(op, coefficients)
    if isinstance(op.basis, bases.Pade):
        op = eqx.tree_at(lambda op: op.basis.denominator, op, jnp.zeros(4))
    np.testing.assert_allclose(matrix(op, A), A, rtol=1e-6)


def test_the_jacobian_of_a_row_has_rank_r_and_that_of_a_softmax_n_minus_one():
    n, r = 17, 6
    a = jr.normal(jr.key(4), (n, n))
    op = operator(n, r)
    whole = jax.jit(jax.jacrev(lambda a: op.matrix(a)[3]))(a)
    rows = spectrum(np.asarray(whole[:, 3]))
    assert (rows > 1e-5 * rows[0]).sum() == r
    np.testing.assert_array_equal(np.delete(whole, 3, axis=1), 0)
    soft = spectrum(np.asarray(jax.jacrev(jax.nn.softmax)(a[3])))
    assert (soft > 1e-5 * soft[0]).sum() == n - 1


def test_parameters_are_those_of_the_text_and_with_dc_those_of_the_tables():
    def count(grid, dc):
        build = eqx.Partial(KANRowOperator, 197, 12, "fourier", grid, dc=dc)
        return parameter_count(eqx.filter_eval_shape(build, key=jr.key(0)))

    for grid in (1, 3):
        assert count(grid, False) == 2 * 197 * 12 * grid + 197 * 12
        assert count(grid, True) == 2 * 197 * 12 * (grid + 1) + 197 * 12
    # Table 1: millions added to ViT-Tiny (3 heads, 12 blocks), Small (6) and Base (12).
    added = {(3, 36): 0.76, (3, 3): 0.06, (3, 72): 1.53, (1, 144): 1.70, (1, 12): 0.14}
    for (grid, operators), millions in added.items():
        # Printed as differences of two rounded totals.
        assert operators * count(grid, True) / 1e6 == pytest.approx(millions, abs=0.011)


def test_the_constant_harmonic_adds_a_bias_and_its_sine_is_dead():
    op = operator(dc=True)
    gradient = eqx.filter_grad(lambda op: op.matrix(A).sum())(op)
    np.testing.assert_array_equal(gradient.coefficients[1], 0)
    silent = with_coefficients(op, np.asarray(op.coefficients) * (np.arange(8) == 0)[:, None, None])
    bias = np.asarray(op.coefficients)[0].sum(-1)
    np.testing.assert_allclose(silent.features(A), np.tile(bias, (N, 1)), rtol=1e-5, atol=1e-6)


def test_a_base_function_is_added_to_every_pair():
    plain, with_base = operator(), operator(base=jax.nn.silu)
    more = jax.nn.silu(A).sum(-1, keepdims=True)
    expected = np.asarray(plain.features(A)) + more
    np.testing.assert_allclose(with_base.features(A), expected, rtol=1e-5, atol=1e-5)


def test_features_start_with_unit_variance_or_as_printed():
    x = jr.normal(jr.key(5), (200, 64))
    for init, variance in (("scaled", 1.0), ("unit", 64.0 * G)):
        op = KANRowOperator(64, 32, init=init, key=jr.key(0))
        # 6,400 values of which those of an output hang together: a tenth.
        assert float(op.features(x).var()) == pytest.approx(variance, rel=0.15)


@pytest.mark.parametrize("name", bases.FAMILIES)
def test_every_family_in_one_code_path(name):
    op = operator(basis=name)

    def total(op, a, v):
        return jnp.square(jax.vmap(op.apply)(a, v)).sum()

    value, gradient = eqx.filter_jit(eqx.filter_value_and_grad(total))(
        op, jnp.stack([A, 3 * A]), jnp.stack([V, V])
    )
    alone = sum(jnp.square(op.matrix(a) @ V).sum() for a in (A, 3 * A))
    np.testing.assert_allclose(value, alone, rtol=1e-4)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


def test_a_basis_of_ones_own_and_saving(tmp_path):
    op = operator(basis=bases.Chebyshev(4))
    assert op.coefficients.shape == (4, R, N)
    eqx.tree_serialise_leaves(tmp_path / "op.eqx", op)
    blank = KANRowOperator(N, R, bases.Chebyshev(4), key=jr.key(9))
    assert eqx.tree_equal(eqx.tree_deserialise_leaves(tmp_path / "op.eqx", blank), op)


def test_bad_input():
    with pytest.raises(ValueError, match="n_tokens=0 and rank=3"):
        operator(n=0)
    with pytest.raises(ValueError, match="rank=0"):
        operator(rank=0)
    with pytest.raises(ValueError, match="no basis 'cosine'"):
        operator(basis="cosine")
    with pytest.raises(ValueError, match="grid=0"):
        operator(grid=0)
    with pytest.raises(ValueError, match="at least 2"):
        operator(basis="rbf", grid=1)
    with pytest.raises(ValueError, match="dc=True"):
        operator(basis="identity", dc=True)
    with pytest.raises(ValueError, match="number of tokens is fixed"):
        operator().matrix(jnp.zeros((7, 7)))
