import itertools

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from engrax.core import patches
from engrax.nn import dense
from engrax.plasticity import LateralState, OrthogonalLateralCircuit, subspace_rule


def orthonormal(key, k, n):
    return jnp.linalg.qr(jr.normal(key, (n, k)))[0].T


def frozen(circuit, rows):
    """A state of the circuit in which these rows are frozen."""
    state, k = circuit.init(), jnp.int32(len(rows))
    return LateralState(state.rows.at[: len(rows)].set(rows), state.momentum, k, k)


def spectrum(n):
    """A rotation, the eigenvalues 1/j, and draws of Gaussian inputs with that covariance."""
    basis = orthonormal(jr.key(7), n, n)
    scale = jnp.sqrt(1 / jnp.arange(1, n + 1))

    def draw(key, batch):
        return (jr.normal(key, (batch, n)) * scale[None]) @ basis

    return basis, draw


def subspace_distance(rows, basis):
    """The norm of the difference of the two projectors: sine of the largest principal angle."""
    a, b = (np.linalg.qr(np.asarray(m, np.float64).T)[0] for m in (rows, basis))
    return np.linalg.norm(a @ a.T - b @ b.T, 2)


def learned(circuit, state, draw, steps, batch=64):
    def step(state, key):
        return circuit.update(state, draw(key, batch)), None

    return jax.lax.scan(step, state, jr.split(jr.key(3), steps))[0]


@pytest.mark.parametrize("batch", [(), (5,), (3, 4)])
def test_a_projected_trace_is_a_projected_gradient(batch):
    circuit = OrthogonalLateralCircuit(6, 4)
    state = frozen(circuit, orthonormal(jr.key(0), 3, 6))
    x, w, t = jr.normal(jr.key(1), (*batch, 6)), jr.normal(jr.key(2), (5, 6)), 0.3

    def loss(w, trace):
        return jnp.sum(jnp.sin(dense(x, w, trace=trace) * t))

    raw = jax.grad(loss)(w, x)
    through_trace = jax.grad(loss)(w, circuit.project(state, x))
    # Float32 products of entries of order 1 over 6 terms and up to 12 rows.
    np.testing.assert_allclose(through_trace, circuit.project_gradient(state, raw), atol=1e-5)
    h = np.asarray(state.rows)
    np.testing.assert_allclose(
        through_trace, np.asarray(raw) - np.asarray(raw) @ h.T @ h, atol=1e-5
    )


def test_projected_patches_are_the_weight_form_of_a_convolution():
    image, w = jr.normal(jr.key(0), (2, 7, 7)), jr.normal(jr.key(1), (3, 2, 3, 3))
    circuit = OrthogonalLateralCircuit(18, 5)
    state = frozen(circuit, orthonormal(jr.key(2), 5, 18))
    columns = patches(image, 3)

    def loss(w, trace):
        return jnp.sum(jnp.sin(dense(columns, w.reshape(3, -1), trace=trace)))

    raw = jax.grad(loss)(w, columns).reshape(3, -1)
    projected = jax.grad(loss)(w, circuit.project(state, columns)).reshape(3, -1)
    np.testing.assert_allclose(projected, circuit.project_gradient(state, raw), atol=1e-5)


def test_orthonormal_rows_make_a_projector():
    circuit = OrthogonalLateralCircuit(8, 6)
    state = frozen(circuit, orthonormal(jr.key(0), 3, 8))
    x = jr.normal(jr.key(1), (5, 8))
    once = circuit.project(state, x)
    np.testing.assert_allclose(circuit.project(state, once), once, atol=1e-5)
    np.testing.assert_allclose(once @ state.rows.T, np.zeros((5, 6)), atol=1e-5)


def test_without_rows_nothing_is_projected_bit_for_bit():
    circuit = OrthogonalLateralCircuit(8, 6)
    x, w = jr.normal(jr.key(1), (5, 8)), jr.normal(jr.key(2), (3, 8))
    trace = circuit.project(circuit.init(), x)
    np.testing.assert_array_equal(trace, x)
    np.testing.assert_array_equal(circuit.project_gradient(circuit.init(), w), w)

    def loss(w, trace):
        return jnp.sum(jnp.sin(dense(x, w, trace=trace)))

    np.testing.assert_array_equal(jax.grad(loss)(w, trace), jax.grad(loss)(w, x))


def test_rows_that_still_learn_do_not_project():
    circuit = OrthogonalLateralCircuit(8, 6)
    state = circuit.grow(circuit.init(), 4, key=jr.key(0))
    x = jr.normal(jr.key(1), (5, 8))
    np.testing.assert_array_equal(circuit.project(state, x), x)
    assert not np.allclose(circuit.project(circuit.freeze(state), x), x)


def test_one_step_is_the_mean_field_of_the_batch():
    circuit = OrthogonalLateralCircuit(7, 5, rate=0.1, momentum=0.0, iterations=1, clip=1e9)
    state = circuit.grow(circuit.init(), 5, key=jr.key(0))
    x = jr.normal(jr.key(1), (64, 7))
    h, c = np.asarray(state.rows, np.float64), np.asarray(x.T @ x / 64, np.float64)
    expected = 0.1 * h @ c @ (np.eye(7) - h.T @ h)
    moved = circuit.update(state, x).rows - state.rows
    # Products of entries of order 1, scaled by the rate .1, in float32.
    np.testing.assert_allclose(moved, expected, atol=1e-6)
    np.testing.assert_allclose(0.1 * subspace_rule(state.rows, x), expected, atol=1e-6)


def test_momentum_and_clip_as_written():
    circuit = OrthogonalLateralCircuit(4, 2, rate=0.5, momentum=0.9, iterations=3, clip=0.05)
    state = circuit.grow(circuit.init(), 2, key=jr.key(0))
    x = np.asarray(3 * jr.normal(jr.key(1), (16, 4)), np.float64)
    h, m = np.asarray(state.rows, np.float64), np.zeros((2, 4))
    for _ in range(3):
        y = x @ h.T
        change = np.clip(y.T @ (x - y @ h) / 16, -0.05, 0.05)
        m = 0.9 * m + 0.1 * change
        h = h + 0.5 * m
    moved = circuit.update(state, jnp.asarray(x, jnp.float32))
    np.testing.assert_allclose(moved.rows, h, atol=1e-6)
    np.testing.assert_allclose(moved.momentum, m, atol=1e-6)


def test_eigenvectors_are_a_fixed_point_in_any_rotation():
    x = jr.normal(jr.key(0), (200, 8)) * jnp.linspace(2, 0.5, 8)[None]
    c = np.asarray(x.T @ x / 200, np.float64)
    top = np.linalg.eigh(c)[1][:, ::-1][:, :3].T
    turn = np.asarray(orthonormal(jr.key(1), 3, 3), np.float64)
    for h in (top, turn @ top):
        # Up to the rounding of float32 eigenvectors against a covariance of norm about 4.
        np.testing.assert_allclose(
            subspace_rule(jnp.asarray(h, jnp.float32), x), np.zeros((3, 8)), atol=1e-5
        )
        c32 = h @ c @ (np.eye(8) - h.T @ h)
        assert np.abs(c32).max() < 1e-6


def test_random_rows_find_the_principal_subspace():
    basis, draw = spectrum(20)
    circuit = OrthogonalLateralCircuit(20, 5, rate=0.02)
    state = circuit.grow(circuit.init(), 5, key=jr.key(0))
    state = learned(circuit, state, draw, 2000, batch=500)
    assert subspace_distance(state.rows, basis[:5]) < 0.05
    np.testing.assert_allclose(state.rows @ state.rows.T, np.eye(5), atol=0.05)


def test_new_rows_learn_what_frozen_ones_leave_over():
    basis, draw = spectrum(20)
    circuit = OrthogonalLateralCircuit(20, 12, rate=0.02, block=6)
    state = circuit.grow(frozen(circuit, basis[:5]), 5, key=jr.key(0))
    overlaps = []
    for _ in range(6):
        overlaps.append(float(jnp.linalg.norm(state.rows[5:10] @ basis[:5].T)))
        state = learned(circuit, state, draw, 400, batch=500)
    # From about .5 down; below 1e-4 it is rounding that is left.
    assert all(b < max(a, 1e-4) for a, b in itertools.pairwise(overlaps))
    assert overlaps[-1] < 0.01
    assert subspace_distance(state.rows[5:10], basis[5:10]) < 0.1
    np.testing.assert_array_equal(state.rows[10:], 0)


def test_frozen_rows_keep_their_bits_and_growth_changes_no_output():
    circuit = OrthogonalLateralCircuit(9, 7, rate=0.1, block=4)
    x = jr.normal(jr.key(1), (16, 9))
    state = circuit.grow(circuit.init(), 4, key=jr.key(0))
    state = circuit.freeze(circuit.update(state, x))
    before = circuit.project(state, x)
    for count in (2, 1):  # the last growth meets the end of the table: its block holds frozen rows
        old = state
        state = circuit.grow(state, jnp.int32(count), key=jr.key(count))
        np.testing.assert_array_equal(circuit.project(state, x), before)
        for _ in range(3):
            state = circuit.update(state, x)
        np.testing.assert_array_equal(circuit.project(state, x), before)
        done = int(old.used)
        np.testing.assert_array_equal(state.rows[:done], old.rows[:done])
        assert int(state.used) == done + count
        assert (np.abs(state.rows[done : done + count]).max(1) > 0).all()
        np.testing.assert_array_equal(state.rows[done + count :], 0)
        state = circuit.freeze(state)
        assert not np.allclose(circuit.project(state, x), before)
        before = circuit.project(state, x)


def test_growth_is_orthonormal_and_ends_with_the_table():
    circuit = OrthogonalLateralCircuit(9, 5, block=4)
    state = circuit.freeze(circuit.grow(circuit.init(), 3, key=jr.key(0)))
    np.testing.assert_allclose(state.rows[:3] @ state.rows[:3].T, np.eye(3), atol=1e-6)
    state = circuit.grow(state, jnp.int32(4), key=jr.key(1))
    assert int(state.used) == 5
    np.testing.assert_allclose(state.rows[3:] @ state.rows[3:].T, np.eye(2), atol=1e-6)
    twice = circuit.grow(circuit.grow(circuit.init(), 2, key=jr.key(0)), 2, key=jr.key(1))
    assert int(twice.used) == 4
    assert (np.abs(twice.rows[:4]).max(1) > 0).all()


def test_what_lies_in_the_subspace_keeps_its_output_through_training():
    circuit = OrthogonalLateralCircuit(10, 4)
    state = frozen(circuit, orthonormal(jr.key(0), 4, 10))
    old = jr.normal(jr.key(1), (6, 4)) @ state.rows[:4]
    old = old / jnp.linalg.norm(old, axis=1, keepdims=True)  # outputs of order 1
    x, y = jr.normal(jr.key(2), (32, 10)), jr.normal(jr.key(3), (32, 3))
    w = start = jr.normal(jr.key(4), (3, 10))

    def loss(w):
        return jnp.mean((dense(x, w, trace=circuit.project(state, x)) - y) ** 2)

    for _ in range(50):
        w = w - 0.2 * jax.grad(loss)(w)
    assert float(loss(w)) < 0.8 * float(loss(start))
    np.testing.assert_allclose(old @ w.T, old @ start.T, atol=1e-5)


@pytest.mark.parametrize("levels", [10.0, 40.0])
def test_bursts_count_spikes(levels):
    circuit = OrthogonalLateralCircuit(6, 3, burst_levels=levels)
    h = orthonormal(jr.key(0), 3, 6)
    x = 8 * jr.normal(jr.key(1), (50, 6))
    y = np.asarray(x @ h.T)
    coded = np.asarray(circuit._response(x, h))
    inside = np.abs(y) <= 20
    assert (np.abs(y - coded)[inside] <= 20 / (2 * levels) * (1 + 1e-5)).all()
    spikes = coded * levels / 20
    np.testing.assert_allclose(spikes, np.round(spikes), atol=1e-4)
    assert np.abs(spikes).max() <= levels
    np.testing.assert_allclose(
        circuit.project(frozen(circuit, h), x), np.asarray(x) - coded @ np.asarray(h), atol=1e-4
    )


def test_long_bursts_are_the_linear_circuit():
    x = jr.normal(jr.key(1), (50, 6))
    linear, coded = (
        OrthogonalLateralCircuit(6, 3, rate=0.1, burst_levels=levels) for levels in (None, 1e6)
    )
    a = linear.update(linear.grow(linear.init(), 3, key=jr.key(0)), x)
    b = coded.update(coded.grow(coded.init(), 3, key=jr.key(0)), x)
    # One spike is worth 2e-5; five updates at rate .1.
    np.testing.assert_allclose(a.rows, b.rows, atol=1e-4)
    np.testing.assert_allclose(
        linear.project(linear.freeze(a), x), coded.project(coded.freeze(b), x), atol=1e-3
    )


def test_reorthonormalized_rows_span_the_same_space():
    circuit = OrthogonalLateralCircuit(9, 6, rate=0.3, reorthonormalize=True, block=4)
    x = jr.normal(jr.key(1), (16, 9))
    state = circuit.freeze(circuit.update(circuit.grow(circuit.init(), 3, key=jr.key(0)), x))
    state = circuit.update(circuit.grow(state, 2, key=jr.key(2)), x)
    merged = circuit.freeze(state)
    np.testing.assert_array_equal(merged.rows[:3], state.rows[:3])
    np.testing.assert_allclose(merged.rows[:5] @ merged.rows[:5].T, np.eye(5), atol=1e-5)
    assert subspace_distance(merged.rows[:5], state.rows[:5]) < 1e-4
    np.testing.assert_array_equal(merged.rows[5:], 0)


def test_one_compiled_update_serves_all_tasks_and_rates():
    circuit = OrthogonalLateralCircuit(9, 6, block=3)

    @jax.jit
    def task(circuit, state, count, key, x):
        return circuit.freeze(circuit.update(circuit.grow(state, count, key=key), x))

    state = circuit.init()
    for count in (3, 2, 1):
        state = task(circuit, state, jnp.int32(count), jr.key(count), jnp.ones((4, 9)))
    assert task._cache_size() == 1
    assert int(state.frozen) == 6


@pytest.mark.parametrize(
    ("sizes", "options"),
    [
        ((4, 3), {"block": 5}),
        ((4, 8), {}),
        ((4, 3), {"iterations": 0}),
        ((4, 3), {"burst_levels": 0}),
        ((4, 5), {"block": 3, "reorthonormalize": True}),
    ],
)
def test_impossible_circuits_are_refused(sizes, options):
    with pytest.raises(ValueError):
        OrthogonalLateralCircuit(*sizes, **options)


def test_wrong_inputs_are_refused():
    circuit = OrthogonalLateralCircuit(4, 3)
    with pytest.raises(ValueError, match="4 inputs got an array of shape"):
        circuit.project(circuit.init(), jnp.ones((2, 5)))
    with pytest.raises(ValueError, match="9 new rows"):
        circuit.grow(circuit.init(), 9, key=jr.key(0))
