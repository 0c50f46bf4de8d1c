"""Glauber dynamics: exact distribution, conserved bookkeeping, zero temperature."""

import itertools

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from engrax.core import simulate
from engrax.memory import DenseAssociativeMemory, Glauber, HopfieldNetwork, glauber, retrieve
from engrax.memory._glauber import site_order
from engrax.tasks import averaged_examples, flip, random_patterns


@pytest.mark.parametrize("interactions", ["distinct", "all"])
def test_the_sampler_visits_energies_as_boltzmann_says(interactions):
    # N = 10 can be enumerated; beta = 1 mixes within a sweep or two.
    size, beta, chains, sweeps = 10, 1.0, 64, 400
    net = DenseAssociativeMemory(random_patterns(jr.key(0), 6, size), 3, interactions)
    states = jnp.asarray(list(itertools.product([-1, 1], repeat=size)), jnp.int8)
    energy = np.asarray(jax.vmap(net.energy)(states))
    levels = np.unique(np.round(energy, 3))
    weight = np.exp(-beta * (energy - energy.min()))
    weight /= weight.sum()
    exact = np.array([weight[np.round(energy, 3) == level].sum() for level in levels])

    @jax.jit
    def run(key):
        start = random_patterns(key, 1, size)[0]

        def sweep(spins, key):
            spins, _ = glauber(key, net, spins, beta, 1)
            return spins, net.energy(spins)

        return jax.lax.scan(sweep, start, jr.split(key, sweeps))[1][100:]

    seen = np.asarray(jax.vmap(run)(jr.split(jr.key(1), chains))).ravel()
    nearest = np.abs(seen[:, None] - levels[None]).argmin(1)
    found = np.bincount(nearest, minlength=len(levels)) / seen.size
    # 64 chains x 300 sweeps, about 10,000 independent samples: 0.005 at most, four times that.
    assert np.abs(found - exact).max() < 0.02
    assert abs((seen.mean() - (weight * energy).sum()) / energy.std()) < 0.1


@pytest.mark.parametrize("averaged", [False, True])
def test_sums_do_not_drift_over_ten_thousand_flips(averaged):
    # 50 sweeps of 200 spins at a high temperature, without the refresh at each sweep's start.
    patterns = random_patterns(jr.key(0), 300, 200)
    stored = averaged_examples(jr.key(1), patterns, 15, 0.5) / 0.55 if averaged else patterns
    net = DenseAssociativeMemory(stored, 4)
    tables = net.tables()

    @jax.jit
    def run(spins, sites, noise):
        def update(carry, drawn):
            spins, sums, energy = carry
            site, uniform = drawn
            field, without, own = net.cavity(tables, sums, site, spins[site])
            new = jnp.where(uniform < 0.5, 1.0, -1.0)
            energy = energy - (new - spins[site]) * field
            return (spins.at[site].set(new), without + new * own, energy), None

        start = (spins.astype(jnp.float32), net.sums(spins), net.energy(spins))
        return jax.lax.scan(update, start, (sites, noise))[0]

    sites = jr.randint(jr.key(2), (20_000,), 0, 200)
    spins, sums, energy = run(patterns[0], sites, jr.uniform(jr.key(3), (20_000,)))
    fresh = net.sums(spins.astype(jnp.int8))
    assert float(jnp.max(jnp.abs(sums - fresh)) / 200) < 1e-3
    # The energy by accumulated differences: 10,000 float32 terms of order 10 in a sum of order 10.
    assert float(energy) == pytest.approx(float(net.energy(spins.astype(jnp.int8))), abs=0.05)


def test_zero_temperature_never_raises_the_energy_and_stops_in_a_fixed_point():
    patterns = random_patterns(jr.key(0), 12, 60)
    net = DenseAssociativeMemory(patterns, 3)
    spins = random_patterns(jr.key(1), 1, 60)[0]
    energies = [float(net.energy(spins))]
    for sweep in range(12):
        spins, _ = glauber(jr.key(sweep), net, spins, jnp.inf, 1)
        energies.append(float(net.energy(spins)))
    assert np.all(np.diff(energies) < 1e-3)
    np.testing.assert_array_equal(jnp.sign(net.local_field(spins)), spins)


def test_a_spin_without_field_keeps_its_value_at_zero_temperature():
    net = HopfieldNetwork(jnp.zeros((1, 20)), jnp.float32(1.0))
    spins = random_patterns(jr.key(1), 1, 20)[0]
    moved, _ = glauber(jr.key(0), net, spins, jnp.inf, 3)
    np.testing.assert_array_equal(moved, spins)
    np.testing.assert_array_equal(retrieve(net, spins), spins)
    hot, _ = glauber(jr.key(0), net, spins, 1.0, 3)
    assert not np.array_equal(hot, spins)  # at T > 0 it is a fair coin: 2^-20 to see this fail


@pytest.mark.parametrize("schedule", ["sequential", "subset"])
def test_a_damaged_pattern_is_restored(schedule):
    patterns = random_patterns(jr.key(0), 30, 200)
    net = DenseAssociativeMemory(patterns, 3)
    cue = flip(jr.key(1), patterns[4], 0.2)
    spins, overlaps = glauber(jr.key(2), net, cue, 20.0, 5, schedule=schedule)
    assert overlaps.shape == (5, 30)
    # 5 sweeps leave about N e^-5 spins that a subset never chose; the field is 1.5 at T = 0.05.
    assert float(overlaps[-1, 4]) > 0.97
    np.testing.assert_allclose(overlaps[-1], net.overlaps(spins), atol=1e-6)


@pytest.mark.parametrize("size", [1, 2, 64, 100])
def test_every_site_is_visited_once_in_an_order_that_favors_none(size):
    orders = np.asarray(jax.vmap(lambda key: site_order(key, size))(jr.split(jr.key(0), 2000)))
    np.testing.assert_array_equal(np.sort(orders, axis=1), np.tile(np.arange(size), (2000, 1)))
    # The site in each position: uniform on 0 .. N - 1, so its mean over 2,000 orders has a
    # standard error of N / sqrt(12 * 2000); 100 positions, 4.5 of them.
    gap = np.abs(orders.mean(0) - (size - 1) / 2).max()
    assert gap <= 4.5 * size / np.sqrt(12 * 2000)


def test_a_sweep_is_that_of_a_slow_loop():
    patterns = random_patterns(jr.key(0), 5, 40)
    net, beta, spins = HopfieldNetwork.from_patterns(patterns), 1.5, patterns[0]
    moved, _ = glauber(jr.key(3), net, spins, beta, 1)
    order_key, noise_key = jr.split(jr.split(jr.key(3), 1)[0])
    uniform = np.asarray(jr.uniform(noise_key, (40,)))
    xi, state = np.asarray(patterns, float), np.asarray(spins, float).copy()
    couplings = xi.T @ xi / 40
    np.fill_diagonal(couplings, 0)
    for k, site in enumerate(np.asarray(site_order(order_key, 40))):
        up = uniform[k] < 1 / (1 + np.exp(-2 * beta * couplings[site] @ state))
        state[site] = 1.0 if up else -1.0
    np.testing.assert_array_equal(moved, state)


def test_the_subset_schedule_agrees_with_the_sequential_one_at_moderate_load():
    patterns = random_patterns(jr.key(0), 60, 200)
    net = DenseAssociativeMemory(patterns, 3, "all")
    means = []
    for schedule in ("sequential", "subset"):
        _, overlaps = glauber(jr.key(2), net, patterns[0], 2.0, 200, schedule=schedule)
        means.append(float(overlaps[50:, 0].mean()))
    # m is about 0.99; its fluctuation in one sweep is 0.01, over 150 sweeps 0.001.
    assert means[0] == pytest.approx(means[1], abs=0.01)


def test_cues_relax_in_a_batch():
    patterns = random_patterns(jr.key(0), 10, 300)
    cues = flip(jr.key(1), patterns, 0.2)
    np.testing.assert_array_equal(retrieve(DenseAssociativeMemory(patterns, 4), cues), patterns)


def test_the_system_runs_one_sweep_a_tick():
    patterns = random_patterns(jr.key(0), 10, 100)
    system = Glauber(DenseAssociativeMemory(patterns, 3), patterns[0], jnp.float32(5.0))
    result = simulate(system, 4, key=jr.key(1), seeds=2)
    assert result.records["overlaps"].shape == (2, 4, 10)
    # The field 1.5 at beta = 5 gives m = tanh(7.5); 100 spins never leave the pattern far behind.
    assert np.all(result.records["overlaps"][:, :, 0] > 0.9)


def test_temperatures_may_change_and_any_measure_is_kept():
    patterns = random_patterns(jr.key(0), 4, 60)
    net = DenseAssociativeMemory(patterns, 3)
    betas = jnp.asarray([jnp.inf, 0.0, 0.0])
    end, kept = glauber(
        jr.key(1), net, patterns[0], betas, 3, measure=lambda spins, n: {"spins": spins, "n": n[0]}
    )
    np.testing.assert_array_equal(kept["spins"][-1], end)
    np.testing.assert_array_equal(kept["spins"][0], patterns[0])
    # At infinite temperature 60 fair coins: 6 standard deviations.
    assert abs(float(kept["n"][-1])) < 0.78
    same, overlaps = glauber(jr.key(1), net, patterns[0], betas, 3)
    np.testing.assert_array_equal(same, end)
    np.testing.assert_array_equal(overlaps[:, 0], kept["n"])
    with pytest.raises(ValueError, match="one for each sweep"):
        glauber(jr.key(1), net, patterns[0], betas, 2)


@pytest.mark.parametrize(
    ("sweeps", "options", "message"),
    [(-1, {}, "0 or more"), (1, {"fraction": 0.0}, "0 < fraction <= 1")],
)
def test_bad_settings_are_refused(sweeps, options, message):
    net = HopfieldNetwork(jnp.zeros((1, 4)), jnp.float32(1.0))
    with pytest.raises(ValueError, match=message):
        glauber(jr.key(0), net, jnp.ones(4, jnp.int8), 1.0, sweeps, **options)
