"""The dense network against brute force over all groups of spins."""

import itertools
import math

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engrax.memory import DenseAssociativeMemory, HebbianTensor, elementary_symmetric
from engrax.tasks import averaged_examples, random_patterns

SIZE = 8


def network(order, interactions="distinct", averaged=False, count=5, size=SIZE, seed=0):
    key = jr.key(seed)
    patterns = random_patterns(key, count, size)
    if averaged:
        patterns = averaged_examples(jr.fold_in(key, 1), patterns, 3, 0.5) / 0.7
    return DenseAssociativeMemory(patterns, order, interactions)


def slow_energy(net, spins):
    x = np.asarray(net.patterns, float) * np.asarray(spins, float)
    if net.interactions == "all":
        return -net.size / 2 * np.sum(x.mean(1) ** net.order)
    groups = [
        x[:, list(group)].prod(1) for group in itertools.combinations(range(net.size), net.order)
    ]
    return -net.size / 2 * np.sum(groups) / math.comb(net.size, net.order)


cases = pytest.mark.parametrize(
    ("order", "interactions", "averaged"),
    [(p, i, a) for p in (2, 3, 4, 5, 6) for i in ("distinct", "all") for a in (False, True)],
)


@given(st.integers(0, 6), st.integers(0, 10**6))
def test_elementary_symmetric_equals_the_sum_over_groups(order, seed):
    x = np.random.default_rng(seed).choice([-1.0, 1.0, 0.5], SIZE)
    brute = sum(math.prod(x[list(g)]) for g in itertools.combinations(range(SIZE), order))
    sums = jnp.asarray([np.sum(x**k) for k in range(1, order + 1)], jnp.float32)
    # Integers and halves up to 8^6 / 6! are nearly exact in float32.
    assert float(elementary_symmetric(sums, order)) == pytest.approx(brute, abs=1e-3)


def test_elementary_symmetric_refuses_missing_power_sums():
    with pytest.raises(ValueError, match=r"given 2 power sums.*pass p_1"):
        elementary_symmetric([1.0, 2.0], 3)


@cases
def test_energy_equals_the_sum_over_groups(order, interactions, averaged):
    net = network(order, interactions, averaged)
    spins = random_patterns(jr.key(9), 1, SIZE)[0]
    # Float32 sums of about a hundred terms of order one.
    assert float(net.energy(spins)) == pytest.approx(slow_energy(net, spins), rel=1e-4, abs=1e-4)


@cases
def test_field_is_half_the_energy_of_a_flip(order, interactions, averaged):
    net = network(order, interactions, averaged)
    spins = np.array(random_patterns(jr.key(9), 1, SIZE)[0])
    field = np.asarray(net.local_field(jnp.asarray(spins)))
    for site in range(SIZE):
        up, down = spins.copy(), spins.copy()
        up[site], down[site] = 1, -1
        expected = (slow_energy(net, down) - slow_energy(net, up)) / 2
        assert field[site] == pytest.approx(expected, rel=1e-4, abs=2e-4)


@pytest.mark.parametrize("order", [2, 3, 4, 5, 6])
def test_field_is_the_slope_of_the_multilinear_extension(order):
    net = network(order, averaged=True)
    spins = random_patterns(jr.key(9), 1, SIZE)[0]

    def extension(means):
        x = net.patterns * means[None]
        groups = jnp.asarray(list(itertools.combinations(range(SIZE), order)))
        return net.size / 2 / len(groups) * jnp.sum(jnp.prod(x[:, groups], axis=2))

    slope = jax.grad(extension)(spins.astype(jnp.float32))
    np.testing.assert_allclose(net.local_field(spins), slope, rtol=1e-4, atol=2e-4)


@cases
def test_cavity_field_equals_the_field_of_all_sites(order, interactions, averaged):
    net = network(order, interactions, averaged)
    spins = random_patterns(jr.key(9), 1, SIZE)[0]
    tables, sums = net.tables(), net.sums(spins)
    fields = []
    for site in range(SIZE):
        spin = spins[site].astype(jnp.float32)
        field, without, own = net.cavity(tables, sums, jnp.int32(site), spin)
        np.testing.assert_allclose(without + spin * own, sums, rtol=1e-5, atol=1e-5)
        fields.append(field)
    np.testing.assert_allclose(jnp.stack(fields), net.local_field(spins), rtol=1e-4, atol=2e-4)


@pytest.mark.parametrize("order", [3, 4])
@pytest.mark.parametrize("averaged", [False, True])
def test_field_equals_the_explicit_tensor(order, averaged):
    net = network(order, averaged=averaged, count=30, size=24)
    tensor = HebbianTensor.from_patterns(net.patterns, order)
    spins = random_patterns(jr.key(9), 1, 24)[0]
    expected = tensor.local_field(spins)
    # Relative to the largest field; 24^4 float32 products are summed in the tensor.
    error = jnp.max(jnp.abs(net.local_field(spins) - expected)) / jnp.max(jnp.abs(expected))
    assert float(error) < 1e-5
    site = tensor.site_field(jnp.int32(3), spins.astype(jnp.float32))
    assert float(site) == pytest.approx(float(expected[3]), rel=1e-4)


def test_a_tensor_beyond_memory_is_refused():
    with pytest.raises(ValueError, match=r"784\^4.*use DenseAssociativeMemory"):
        HebbianTensor.from_patterns(jnp.ones((1, 784)), 4)


@pytest.mark.parametrize("order", [2, 3, 4, 6])
def test_perfect_retrieval_has_energy_minus_half_a_spin(order):
    for interactions in ("distinct", "all"):
        patterns = random_patterns(jr.key(1), 1, 40)
        net = DenseAssociativeMemory(patterns, order, interactions)
        # float32: p_1^6 is 4e9, so a relative error of a few 1e-6 is left by Newton's identities.
        assert float(net.energy(patterns[0])) == pytest.approx(-20, rel=1e-4)
        assert float(net.overlaps(patterns[0])[0]) == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize("order", [2, 3, 4, 5])
def test_even_orders_alone_are_symmetric_under_flipping_all_spins(order):
    net = network(order)
    spins = random_patterns(jr.key(9), 1, SIZE)[0]
    sign = 1 if order % 2 == 0 else -1
    assert float(net.energy(-spins)) == pytest.approx(sign * float(net.energy(spins)), rel=1e-5)
    assert abs(float(net.energy(spins))) > 0.1  # so that the two cases differ


@pytest.mark.parametrize(("interactions", "ratio"), [("distinct", 1.0), ("all", 10 / 4)])
def test_crosstalk_has_the_variance_of_the_theory(interactions, ratio):
    # Field of all other patterns at sigma = xi^1, P = 4: variance gamma P / 2 = 2 gamma over
    # sites and patterns, and C'(1) = 96 + 144 = 240 of "all" against 96, that is 10/4 times.
    order, size, count = 4, 60, 800
    patterns = random_patterns(jr.key(2), count, size)
    net = DenseAssociativeMemory(patterns, order, interactions)
    alone = DenseAssociativeMemory(patterns[:1], order, interactions)
    load = count * net.field_scale
    fields = [
        net.local_field(xi) - DenseAssociativeMemory(xi[None], order, interactions).local_field(xi)
        for xi in patterns[:40]
    ]
    variance = float(jnp.var(jnp.concatenate(fields)))
    # 2400 fields give 3 % (they are correlated in groups of 60); "all" is 7 % low at N = 60,
    # because its repeated indices enter at (3 N - 2) and not 3 N.
    assert variance == pytest.approx(ratio * load * order / 2, rel=0.2)
    signal = np.mean(np.asarray(alone.local_field(patterns[0])) * np.asarray(patterns[0]))
    assert signal == pytest.approx(2, rel=0.1)


def test_leading_order_field_of_a_batch():
    net = network(3, count=4, size=500)
    cues = net.patterns
    # Crosstalk of three overlaps of order 1/sqrt(N) is squared: 1.5 / 500 each.
    np.testing.assert_allclose(net.mean_field(cues), 1.5 * np.asarray(cues), atol=0.1)
    assert net.overlaps(cues).shape == (4, 4)


@pytest.mark.parametrize(
    ("patterns", "order", "interactions", "message"),
    [
        (jnp.ones((3, 8), jnp.int8), 1, "distinct", "2 <= order <= N"),
        (jnp.ones((3, 8), jnp.int8), 9, "distinct", "2 <= order <= N"),
    ],
)
def test_bad_networks_are_refused(patterns, order, interactions, message):
    with pytest.raises(ValueError, match=message):
        DenseAssociativeMemory(patterns, order, interactions)
