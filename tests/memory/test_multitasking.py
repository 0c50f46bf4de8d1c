"""Hopfield networks of diluted and learned patterns: couplings, losses, the parallel sampler."""

import itertools

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from engrax.memory import (
    DenseAssociativeMemory,
    HopfieldNetwork,
    block_gibbs,
    glauber,
    pattern_losses,
    pattern_overlaps,
)
from engrax.tasks import (
    averaged_examples,
    class_averages,
    diluted_patterns,
    flip,
    noisy_examples,
    random_patterns,
)
from engrax.theory import dataset_entropy, multitasking_mean_field

SIZE, COUNT, EXAMPLES, QUALITY = 50, 3, 6, 0.7


def sample(dilution=0.4):
    patterns = diluted_patterns(jr.key(0), COUNT, SIZE, dilution)
    examples = noisy_examples(jr.key(1), patterns, EXAMPLES, QUALITY)
    return patterns, examples, random_patterns(jr.key(2), 1, SIZE)[0]


def explicit(rows, scale):
    """J spelled out, in float64."""
    f = np.asarray(rows, float)
    couplings = scale / f.shape[1] * f.T @ f
    np.fill_diagonal(couplings, 0)
    return couplings


def test_couplings_are_those_of_the_paper_with_measured_moments():
    patterns, examples, spins = sample()
    xi, eta, s = (np.asarray(a, float) for a in (patterns, examples, spins))
    kept = np.mean(xi**2)  # 1 - d
    # etahat = average / r, and (1 - d)(1 + rho) is its second moment: r cancels.
    etahat = eta.mean(1) / QUALITY
    learned = np.mean(etahat**2)
    networks = {
        "patterns": (HopfieldNetwork.from_patterns(patterns), xi, 1 / kept),
        "supervised": (HopfieldNetwork.supervised(examples), etahat, 1 / learned),
        "unsupervised": (
            HopfieldNetwork.unsupervised(examples),
            eta.reshape(-1, SIZE),
            1 / (learned * QUALITY**2 * EXAMPLES),
        ),
    }
    for name, (net, rows, scale) in networks.items():
        couplings = explicit(rows, scale)
        np.testing.assert_allclose(
            net.local_field(spins), couplings @ s, rtol=1e-4, atol=1e-5, err_msg=name
        )
        assert float(net.energy(spins)) == pytest.approx(-s @ couplings @ s / 2, rel=1e-4), name
        sums = net.sums(spins)
        field, without, own = net.cavity(net.tables(), sums, jnp.int32(7), jnp.float32(s[7]))
        assert float(field) == pytest.approx(couplings[7] @ s, rel=1e-4, abs=1e-5)
        np.testing.assert_allclose(without + s[7] * own, sums, atol=1e-5)


def test_examples_without_labels_give_the_same_couplings_in_another_unit():
    _, examples, spins = sample()
    grouped, flat = (
        HopfieldNetwork.unsupervised(e) for e in (examples, examples.reshape(-1, SIZE))
    )
    ratio = float(flat.scale / grouped.scale)
    # Order below T = 1 + (M - 1) r^2 instead of 1; measured on 150 sites, so roughly.
    assert ratio == pytest.approx(1 + (EXAMPLES - 1) * QUALITY**2, rel=0.15)
    np.testing.assert_allclose(
        flat.local_field(spins), ratio * grouped.local_field(spins), rtol=1e-4, atol=1e-4
    )
    shuffled = HopfieldNetwork.unsupervised(examples.reshape(-1, SIZE)[::-1])
    assert float(shuffled.energy(spins)) == pytest.approx(float(flat.energy(spins)), rel=1e-5)


def test_averages_have_the_second_moment_of_the_theory():
    patterns = diluted_patterns(jr.key(0), 4, 20_000, 0.3)
    mean, second = class_averages(noisy_examples(jr.key(1), patterns, 5, 0.4))
    rho = float(dataset_entropy(0.4, 5))
    # E etahat^2 = (1 - d)(1 + rho); 80,000 sites of standard deviation 1.5: 4 standard errors.
    found = float(second.mean()) / 0.4**2
    assert found == pytest.approx(0.7 * (1 + rho), abs=4 * 1.5 / 80_000**0.5)
    assert jnp.all(mean[patterns == 0] == 0)


@pytest.mark.parametrize("learned", [False, True])
def test_the_energy_is_a_sum_of_losses(learned):
    patterns, examples, spins = sample()
    net = (
        HopfieldNetwork.supervised(examples) if learned else HopfieldNetwork.from_patterns(patterns)
    )
    f, s = np.asarray(net.factor, float), np.asarray(spins, float)
    plus, minus = (np.sum((f - sign * s) ** 2, axis=1) / (2 * SIZE) for sign in (1, -1))
    losses = net.pattern_losses(spins)
    np.testing.assert_allclose(losses.plus, plus, rtol=1e-6)
    np.testing.assert_allclose(losses.minus, minus, rtol=1e-6)
    square = np.mean(f**2, axis=1)
    identity = (
        float(net.scale) * SIZE / 2 * np.sum(plus * minus - ((1 + square) / 2) ** 2 + square / SIZE)
    )
    assert float(net.energy(spins)) == pytest.approx(identity, rel=1e-5)
    if not learned:  # in the overlaps of the paper, over the support
        m = pattern_overlaps(patterns, spins)
        expected = ((1 + square) / 2) ** 2 - (square * np.asarray(m)) ** 2
        np.testing.assert_allclose(losses.product, expected, rtol=1e-5)


def test_overlaps_are_taken_over_the_support():
    patterns = jnp.asarray([[1, -1, 0, 0], [0, 0, 0, 0]], jnp.int8)
    states = jnp.asarray([[1, -1, 1, 1], [1, 1, -1, 1]], jnp.int8)
    np.testing.assert_array_equal(pattern_overlaps(patterns, states), [[1, 0], [0, 0]])
    np.testing.assert_allclose(pattern_overlaps(patterns, jnp.asarray([0.5, -0.5, 0, 0])), [0.5, 0])


def boltzmann(net, beta, size):
    states = np.array(list(itertools.product([-1, 1], repeat=size)))
    f = np.asarray(net.factor, float)
    energy = -float(net.scale) / (2 * size) * np.sum((states @ f.T) ** 2, axis=1)
    weight = np.exp(-beta * (energy - energy.min()))
    return states, weight / weight.sum()


@pytest.mark.parametrize("sampler", [block_gibbs, glauber])
def test_both_samplers_visit_states_as_boltzmann_says(sampler):
    # N = 10 can be enumerated; the diagonal that boltzmann leaves in is a constant.
    size, beta, chains, sweeps = 10, 1.2, 500, 220
    examples = noisy_examples(jr.key(1), diluted_patterns(jr.key(0), 2, size, 0.3), 3, 0.6)
    net = HopfieldNetwork.unsupervised(examples)
    states, weight = boltzmann(net, beta, size)
    code = jnp.asarray(2 ** np.arange(size)[::-1], jnp.int32)

    @jax.jit
    def run(key):
        return sampler(
            key, net, random_patterns(key, 1, size)[0], beta, sweeps,
            measure=lambda s, _: jnp.sum(jnp.where(s > 0, code, 0)),
        )[1][20:]  # fmt: skip

    seen = np.asarray(jax.vmap(run)(jr.split(jr.key(2), chains))).ravel()
    found = np.bincount(seen, minlength=2**size) / seen.size
    energy = np.round(np.log(weight), 4)
    levels = np.unique(energy)
    distance = 0.5 * sum(
        abs(weight[energy == level].sum() - found[energy == level].sum()) for level in levels
    )
    # 100,000 sweeps; the sum over the levels of 0.4 sqrt(p / n) is below 0.01.
    assert distance < 0.02
    marginal = (found @ states - weight @ states).max()
    assert abs(marginal) < 0.05


def test_a_sweep_is_that_of_a_slow_loop():
    patterns, _, spins = sample()
    net, beta = HopfieldNetwork.from_patterns(patterns), 3.0
    moved, overlaps = block_gibbs(jr.key(5), net, spins, beta, 1)
    hidden_key, noise_key = jr.split(jr.split(jr.key(5), 1)[0])
    w = np.asarray(net.factor, float) * np.sqrt(beta * float(net.scale) / SIZE)
    z = w @ np.asarray(spins, float) + np.asarray(jr.normal(hidden_key, (COUNT,)))
    uniform = np.asarray(jr.uniform(noise_key, (SIZE,)))
    for i in range(SIZE):
        up = uniform[i] < 1 / (1 + np.exp(-2 * (w[:, i] @ z)))
        assert int(moved[i]) == (1 if up else -1)
    np.testing.assert_allclose(overlaps[0], net.overlaps(moved), atol=1e-6)


def test_at_zero_temperature_the_energy_never_rises_and_free_spins_stay():
    patterns = diluted_patterns(jr.key(0), 4, 200, 0.5)
    net = HopfieldNetwork.from_patterns(patterns)
    cue = flip(jr.key(1), jnp.where(patterns[0] == 0, patterns[1], patterns[0]), 0.3)
    cue = jnp.where(cue == 0, jnp.int8(1), cue)
    _, states = block_gibbs(jr.key(2), net, cue, jnp.inf, 12, measure=lambda s, _: s)
    # With its constant diagonal the energy is convex in the field: parallel steps lower it too.
    energies = [float(net.energy(s)) for s in (cue, *states)]
    assert np.all(np.diff(energies) < 1e-4)
    np.testing.assert_array_equal(states[-1], states[-2])
    free = jnp.all(patterns == 0, axis=0)
    assert bool(free.any())
    np.testing.assert_array_equal(states[-1][free], cue[free])


@pytest.mark.parametrize("supervised", [True, False])
def test_chains_give_the_overlaps_of_the_theory(supervised):
    size, count, quality, dilution, beta = 2000, 20, 0.5, 0.7, 4.0
    patterns = diluted_patterns(jr.key(0), 2, size, dilution)
    examples = noisy_examples(jr.key(1), patterns, count, quality)
    store = HopfieldNetwork.supervised if supervised else HopfieldNetwork.unsupervised
    start = jnp.where(patterns[0] == 0, patterns[1], patterns[0])
    start = jnp.where(start == 0, jnp.int8(1), start)
    _, m = jax.jit(
        lambda net: block_gibbs(
            jr.key(2), net, start, beta, 300, measure=lambda s, _: pattern_overlaps(patterns, s)
        )
    )(store(examples))
    rho = float(dataset_entropy(quality, count))
    theory = multitasking_mean_field(2, dilution, rho, beta, init="hierarchical")
    # The mean over two patterns of 600 sites each: 1 / sqrt(1200) = 0.03 of frozen disorder.
    assert float(m[100:].mean()) == pytest.approx(float(theory.m.mean()), abs=0.06)


def test_temperatures_may_change_and_batches_go_by_vmap():
    patterns, _, spins = sample()
    net = HopfieldNetwork.from_patterns(patterns)
    end, kept = block_gibbs(
        jr.key(1), net, spins, jnp.asarray([1e-6, jnp.inf, jnp.inf]), 3, measure=lambda s, n: (s, n)
    )
    np.testing.assert_array_equal(kept[0][-1], end)
    assert not np.array_equal(kept[0][0], spins)
    keys = jr.split(jr.key(3), 4)
    many = jax.vmap(lambda k: block_gibbs(k, net, spins, 2.0, 5)[0])(keys)
    for key, row in zip(keys, many, strict=True):
        np.testing.assert_array_equal(row, block_gibbs(key, net, spins, 2.0, 5)[0])


def test_a_network_of_averages_is_that_of_dense_memories_of_order_two():
    # The one divides the average by r, the other by the root of its moment: the same couplings.
    patterns = random_patterns(jr.key(0), 5, SIZE)
    spins = random_patterns(jr.key(2), 1, SIZE)[0]
    examples = noisy_examples(jr.key(1), patterns, EXAMPLES, QUALITY)
    ratio = (SIZE - 1) / SIZE
    for store in ("supervised", "unsupervised"):
        pair = getattr(HopfieldNetwork, store)(examples)
        dense = getattr(DenseAssociativeMemory, store)(examples, 2)
        np.testing.assert_allclose(
            ratio * dense.local_field(spins), pair.local_field(spins), rtol=2e-4, atol=1e-4
        )
        assert ratio * float(dense.energy(spins)) == pytest.approx(float(pair.energy(spins)), 1e-3)


def test_a_dense_memory_keeps_spins_as_they_are_and_scales_the_rest():
    patterns, examples, _ = sample()
    assert DenseAssociativeMemory.from_patterns(random_patterns(jr.key(0), 3, 9), 3).binary
    diluted = DenseAssociativeMemory.from_patterns(patterns, 3)
    assert float(jnp.mean(diluted.patterns**2)) == pytest.approx(1.0, rel=1e-5)
    learned = DenseAssociativeMemory.supervised(examples, 4, "all")
    assert learned.interactions == "all"
    assert float(jnp.mean(learned.patterns**2)) == pytest.approx(1.0, rel=1e-5)


def test_an_order_above_two_shares_its_energy_among_examples():
    # All M examples equal their pattern: the energy is that of the pattern itself.
    patterns = random_patterns(jr.key(0), 2, 30)
    copies = jnp.repeat(patterns[:, None], 5, axis=1)
    spins = random_patterns(jr.key(1), 1, 30)[0]
    alone = DenseAssociativeMemory.from_patterns(patterns, 3).energy(spins)
    many = DenseAssociativeMemory.unsupervised(copies, 3).energy(spins)
    assert float(many) == pytest.approx(float(alone), rel=1e-4)


def test_what_cannot_be_stored_or_sampled_is_refused():
    net = HopfieldNetwork.from_patterns(jnp.ones((2, 5), jnp.int8))
    spins = jnp.ones(5, jnp.int8)
    with pytest.raises(ValueError, match="all zero"):
        HopfieldNetwork.from_patterns(jnp.zeros((2, 5), jnp.int8))
    for call, message in (
        (lambda: block_gibbs(jr.key(0), net, spins, 1.0, -1), "0 or more"),
        (lambda: block_gibbs(jr.key(0), net, spins, jnp.ones(2), 3), "one number or one for"),
        (lambda: block_gibbs(jr.key(0), net, jnp.ones(4, jnp.int8), 1.0, 1), "expected"),
        (lambda: block_gibbs(jr.key(0), HopfieldNetwork(net.factor, -net.scale), spins, 1.0, 1),
         "at least 0"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            call()
    dense = DenseAssociativeMemory(jnp.ones((2, 5), jnp.int8), 3)
    for call in (
        lambda: pattern_losses(jnp.ones((2, 4), jnp.int8), spins),
        lambda: HopfieldNetwork.supervised(jnp.ones((2, 5))),
        lambda: HopfieldNetwork.unsupervised(jnp.ones(5)),
        lambda: block_gibbs(jr.key(0), dense, spins, 1.0, 1),
    ):
        # Types are also refused by the type checks of the tests, in words of theirs.
        with pytest.raises((ValueError, TypeError)):
            call()


def test_averages_of_diluted_patterns_stay_blank():
    patterns = diluted_patterns(jr.key(0), 3, 500, 0.5)
    drawn = averaged_examples(jr.key(1), patterns, 7, 0.5)
    assert jnp.all(drawn[patterns == 0] == 0)
