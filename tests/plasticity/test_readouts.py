"""The delta readout and recursive least squares, against closed forms and ridge regression."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from engrax.plasticity import DeltaReadout, RecursiveLeastSquares

N, K, T = 12, 2, 30


def test_a_trial_readout_is_an_exponential_average_of_outcomes():
    """y after n trials = sum_i eta (1 - eta)^(n - i) o_i, whatever the constant features."""
    readout = DeltaReadout(N, K, 0.1, when="trial")
    x = jr.normal(jr.key(0), (N,)) * 3
    outcomes = np.asarray(jr.bernoulli(jr.key(1), 0.7, (40, K)), np.float64)
    weight, average = readout.init(), np.zeros(K)
    for o in outcomes:
        weight = readout.update(weight, x, jnp.asarray(o, jnp.float32))
        average += 0.1 * (o - average)
        np.testing.assert_allclose(readout.predict(weight, x), average, atol=1e-6)
    powers = 0.9 ** np.arange(len(outcomes))[::-1]
    np.testing.assert_allclose(average, 0.1 * powers @ outcomes, atol=1e-12)


def test_rates_of_one_over_n_give_the_mean():
    x = jr.normal(jr.key(0), (N,))
    outcomes = np.asarray(jr.bernoulli(jr.key(1), 0.4, (25, K)), np.float32)
    weight = jnp.zeros((K, N))
    for n, o in enumerate(outcomes, start=1):
        weight = DeltaReadout(N, K, 1 / n, when="trial").update(weight, x, jnp.asarray(o))
    np.testing.assert_allclose(weight @ x, outcomes.mean(0), atol=1e-6)


def test_silence_teaches_a_trial_readout_nothing():
    readout = DeltaReadout(N, K, 0.1, when="trial")
    weight = readout.update(jnp.ones((K, N)), jnp.zeros(N), jnp.ones(K))
    np.testing.assert_array_equal(weight, 1)


def test_orthonormal_time_features_converge_at_their_own_rate():
    """With |r| = 1 and eps = 1 a step moves by eta/2; other channels make no difference."""
    eta, latency = 0.02, 14.0
    readout = DeltaReadout(T, K, eta)
    bump = np.exp(-0.5 * ((np.arange(T) - latency) / 4) ** 2).astype(np.float32)
    targets = jnp.asarray(np.stack([bump, 1 - bump], -1))
    gates = jnp.zeros((T, K)).at[:, 0].set(1.0)
    weight = readout.init().at[1].set(0.3)
    for n in range(1, 6):
        weight = readout.epoch(weight, jnp.eye(T), targets, gates)
        np.testing.assert_allclose(weight[0], bump * (1 - (1 - eta / 2) ** n), atol=1e-6)
        np.testing.assert_array_equal(weight[1], np.float32(0.3))


def test_a_closed_gate_leaves_every_bit():
    readout = DeltaReadout(N, K, 0.05)
    weight = jr.normal(jr.key(0), (K, N))
    rates = jr.uniform(jr.key(1), (T, N))
    targets = jnp.ones((T, K))
    np.testing.assert_array_equal(readout.epoch(weight, rates, targets, jnp.zeros((T, K))), weight)
    half = jnp.zeros((T, K)).at[:, 1].set(1.0)
    moved = readout.epoch(weight, rates, targets, half)
    np.testing.assert_array_equal(moved[0], weight[0])
    assert (moved[1] != weight[1]).any()


def test_an_epoch_is_its_steps_one_by_one():
    readout = DeltaReadout(N, K, 0.05)
    rates, targets = jr.uniform(jr.key(1), (T, N)), jr.normal(jr.key(2), (T, K))
    gates = jr.uniform(jr.key(3), (T, K))
    slow = np.zeros((K, N))
    for r, m, g in zip(*(np.asarray(x, float) for x in (rates, targets, gates)), strict=True):
        slow += 0.05 * np.outer(g * (m - slow @ r), r) / (1 + r @ r)
    np.testing.assert_allclose(
        readout.epoch(readout.init(), rates, targets, gates), slow, rtol=1e-4, atol=1e-6
    )


def test_gates_open_when_they_should():
    time = jnp.arange(-50.0, 850.0)
    occurs, latency = jnp.array([0.0, 1.0]), jnp.array([300.0, 600.0])
    gate = {g: DeltaReadout(N, K, 0.1, gate=g) for g in ("epoch", "window", "none")}
    epoch, window, none = (np.asarray(r.gates(time, occurs, latency)) for r in gate.values())
    assert (epoch[:, 0] == 0).all()
    np.testing.assert_array_equal(epoch[:, 1], time >= 0)
    assert (window[:, 0] == 0).all()
    np.testing.assert_array_equal(window[:, 1], (time >= 0) & (time <= 700))
    assert (none == 1).all()


@pytest.mark.parametrize("bad", [{"gate": "always"}, {"when": "never"}])
def test_other_words_are_refused(bad):
    with pytest.raises((ValueError, TypeError)):
        DeltaReadout(N, K, 0.1, **bad)


@pytest.mark.parametrize("cls", [lambda n, k: DeltaReadout(n, k, 0.1), RecursiveLeastSquares])
def test_empty_readouts_are_refused(cls):
    with pytest.raises(ValueError, match="features and channels"):
        cls(0, 2)


def data(seed, steps=T):
    x = jr.normal(jr.key(seed), (steps, N))
    y = jr.normal(jr.key(seed + 100), (steps, K))
    return x, y


def ridge(x, y, weights=None, penalty=1.0):
    """(k, n) weights of a discounted ridge regression, in float64."""
    x, y = np.asarray(x, float), np.asarray(y, float)
    d = np.ones(len(x)) if weights is None else weights
    left = (x * d[:, None]).T @ x + np.asarray(penalty) * np.eye(x.shape[1])
    return np.linalg.solve(left, (x * d[:, None]).T @ y).T


def test_without_forgetting_it_is_ridge_regression_on_all_data_so_far():
    readout = RecursiveLeastSquares(N, K, ridge=0.5)
    x, y = data(0)
    state = readout.init()
    for t in range(T):
        state = readout.update(state, x[t], y[t])
        if t in (3, 10, T - 1):
            expected = ridge(x[: t + 1], y[: t + 1], penalty=0.5)
            np.testing.assert_allclose(state["weight"], expected, atol=1e-4)


def test_with_forgetting_old_data_and_the_prior_fade():
    lam = 0.9
    readout = RecursiveLeastSquares(N, K, forgetting=lam)
    x, y = data(1)
    state = readout.init()
    for t in range(T):
        state = readout.update(state, x[t], y[t])
    expected = ridge(x, y, lam ** np.arange(T)[::-1], penalty=lam**T)
    np.testing.assert_allclose(state["weight"], expected, atol=1e-4)


@pytest.mark.parametrize("lam", [1.0, 0.99, 0.9])
def test_a_whole_trial_at_once_is_its_steps(lam):
    readout = RecursiveLeastSquares(N, K, forgetting=lam)
    state = fast = readout.init()
    for trial in range(3):
        x, y = data(trial)
        gate = jnp.array([1.0, 0.0]) if trial % 2 else jnp.array([0.0, 1.0])
        for t in range(T):
            state = readout.update(state, x[t], y[t], gate)
        fast = readout.epoch(fast, x, y, gate)
    # Forgetting divides the inverse correlations by lam at every step, their rounding as well.
    atol = 1e-4 if lam > 0.95 else 1e-3
    for name in state:
        np.testing.assert_allclose(state[name], fast[name], atol=atol)


def test_kept_correlations_adapt_as_slowly_as_a_pooled_regression():
    """100 trials of one block, then n of another: the solution is the regression on all of them."""
    readout = RecursiveLeastSquares(N, 1)
    x = jr.normal(jr.key(0), (20, N)) / 4
    old, new = (jr.normal(jr.key(k), (20, 1)) for k in (1, 2))
    step = jax.jit(lambda state, x, y: readout.epoch(state, x, y))
    state = readout.init()
    for _ in range(100):
        state = step(state, x, old)
    fit_old, fit_new = ridge(x, old, np.full(20, 100.0)), ridge(x, new, np.full(20, 100.0))
    distances = []
    for n in range(1, 101):
        state = step(state, x, new)
        if n in (10, 50, 100):
            share = n / (100 + n)
            pooled = ridge(x, (1 - share) * old + share * new, np.full(20, 100.0 + n))
            np.testing.assert_allclose(state["weight"], pooled, atol=2e-3)
            distances.append(np.linalg.norm(state["weight"] - fit_new))
    # After as many new trials as old ones, half of the way is left.
    np.testing.assert_allclose(distances[-1] / np.linalg.norm(fit_old - fit_new), 0.5, atol=0.02)


def test_a_reset_forgets_correlations_and_keeps_weights():
    x, y = data(0)
    for reset in (False, True):
        readout = RecursiveLeastSquares(N, K, reset=reset)
        state = readout.epoch(readout.init(), x, y)
        begun = readout.begin_block(state)
        np.testing.assert_array_equal(begun["weight"], state["weight"])
        expected = np.eye(N) if reset else state["inverse"]
        np.testing.assert_array_equal(begun["inverse"], expected)


def test_a_closed_gate_leaves_weights_and_correlations():
    x, y = data(0)
    readout = RecursiveLeastSquares(N, K)
    state = readout.epoch(readout.init(), x, y, jnp.array([1.0, 0.0]))
    assert (state["weight"][1] == 0).all()
    still = readout.epoch(state, x, y, jnp.zeros(K))
    for after in (still, readout.update(state, x[0], y[0], jnp.zeros(K))):
        assert eqx.tree_equal(after, state)
    np.testing.assert_array_equal(state["inverse"], state["inverse"].T)
