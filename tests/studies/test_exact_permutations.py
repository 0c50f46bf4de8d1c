"""The study: its ways of training, its ensembles, its claims on made-up runs, itself at smoke."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import xarray as xr

from engrax.core import simulate
from engrax.lab import figures, judge, run_study
from engrax.studies.exact_permutations import CLAIMS, SCALES, STUDY, arms, plots
from engrax.studies.exact_permutations import _claims as claims
from engrax.studies.exact_permutations._ensembles import (
    Ensemble,
    Outputs,
    inputs_of,
    windows,
)
from engrax.studies.exact_permutations._growing import Growing
from engrax.studies.exact_permutations._nets import (
    largest_eigenvalue,
    trained,
    trained_on,
    untrained,
)
from engrax.studies.exact_permutations._process import process
from engrax.studies.exact_permutations._theory import linear, quadratic_bound
from engrax.tasks import binary_inputs, permutation_task
from engrax.theory import ensemble_size, permutation_coefficients, relu_nngp, relu_ntk
from tests.made_run import Made

K, WIDTH = 5, 512
Y = permutation_task(jr.key(1), K).y


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    return run_study(STUDY, scale="smoke", out=tmp_path_factory.mktemp("run") / "smoke")


def test_descent_against_a_loop():
    net = untrained(jr.key(0), K, 40, "ntk")
    w, v, y = (np.array(a, float) for a in (net.weight, net.readout, Y))
    rate, m = 1 / largest_eigenvalue("ntk", K, 40), 40
    for _ in range(7):
        u = w / np.sqrt(K)
        h = np.maximum(u, 0)
        error = v @ h / np.sqrt(m) - y.T
        v, w = (
            v - rate * error @ h.T / np.sqrt(m),
            w - rate * (v.T @ error) * (u > 0) / np.sqrt(m * K),
        )
    found = trained(net, Y, "ntk", 7)
    np.testing.assert_allclose(found.readout, v, atol=1e-4)
    np.testing.assert_allclose(found.weight, w, atol=1e-4)


@pytest.mark.parametrize(("kind", "kernel"), [("ntk", relu_ntk), ("readout", relu_nngp)])
def test_the_rate_is_that_of_the_kernel(kind, kernel):
    a, b = (float(kernel(jnp.float32(c), K)) for c in (1.0, 0.0))
    assert largest_eigenvalue(kind, K, 7) == pytest.approx(a + (K - 1) * b, rel=1e-6)
    assert largest_eigenvalue("standard", K, 7) == pytest.approx(
        7 * largest_eigenvalue("readout", K, 7)
    )


@pytest.mark.parametrize("kind", ["ntk", "readout", "standard"])
def test_all_ways_of_training_fit_the_examples_seen(kind):
    net = untrained(jr.key(0), K, WIDTH, kind)
    found = trained(net, Y, kind, 150)
    np.testing.assert_allclose(found.columns(), Y, atol=1e-4)
    seen = jnp.arange(K) != 2
    partly = trained(net, Y, kind, 150, seen=seen)
    np.testing.assert_allclose(partly.columns()[seen], Y[seen], atol=1e-4)
    assert float(jnp.abs(partly.columns()[2] - Y[2]).max()) > 0.05


def test_the_standard_parametrization_with_a_rate_for_each_layer_is_the_other_one():
    ntk = untrained(jr.key(0), K, WIDTH, "ntk")
    both = lambda net: (net.weight, net.readout)
    scaled = ntk.weight / np.float32(np.sqrt(K)), ntk.readout / np.float32(np.sqrt(WIDTH))
    net = eqx.tree_at(both, untrained(jr.key(0), K, WIDTH, "standard"), scaled)
    rate = 1 / largest_eigenvalue("ntk", K, WIDTH)
    for _ in range(20):
        slope = jax.grad(lambda net: jnp.sum((net.columns() - Y) ** 2) / 2)(net)
        moved = net.weight - rate / K * slope.weight, net.readout - rate / WIDTH * slope.readout
        net = eqx.tree_at(both, net, moved)
    x = binary_inputs(K).x
    np.testing.assert_allclose(jax.vmap(net)(x), jax.vmap(trained(ntk, Y, "ntk", 20))(x), atol=2e-5)


def test_the_standard_parametrization_with_one_rate_trains_the_readout():
    # The first layer's share of the kernel is K / WIDTH, one per cent.
    key, x = jr.key(3), binary_inputs(K, 2).x
    readout = jax.vmap(trained(untrained(key, K, WIDTH, "readout"), Y, "readout", 0))(x)
    standard = jax.vmap(trained(untrained(key, K, WIDTH, "standard"), Y, "standard", 150))(x)
    full = jax.vmap(trained(untrained(key, K, WIDTH, "ntk"), Y, "ntk", 40))(x)
    assert float(jnp.abs(standard - readout).max()) < 0.02
    assert float(jnp.abs(full - readout).max()) > 0.04


def test_training_on_other_inputs_fits_them():
    x, y = binary_inputs(K, 2).x[:4], Y[:4]
    net = trained_on(untrained(jr.key(0), K, WIDTH, "ntk"), x, y, 400)
    np.testing.assert_allclose(jax.vmap(net)(x), y, atol=1e-3)


def test_accuracy_is_one_only_where_no_bit_is_wrong():
    inputs = inputs_of(3, 1e-5)
    right = jnp.where(inputs.bits, 0.5, -0.5)
    assert float(inputs.accuracy(right)) == 1.0
    # Just above zero counts as zero: it is rounding.
    assert float(inputs.accuracy(jnp.where(inputs.bits, 0.5, 1e-6))) == 1.0
    assert float(inputs.accuracy(right.at[2, 0].set(-1.0))) == pytest.approx(6 / 7)
    pairs = jnp.sum(inputs.bits, axis=1) == 2
    assert float(inputs.accuracy(right.at[2, 0].set(-1.0), pairs)) == pytest.approx(2 / 3)
    assert float(inputs.accuracy(right.at[0, 0].set(jnp.nan), None)) < 1


def test_an_ensemble_is_the_mean_of_its_networks():
    inputs = inputs_of(4, 1e-5)
    system = Ensemble(inputs, "readout", 64, 0)
    state = system.init(key=jr.key(0))
    alone = Outputs(inputs.x, "readout", 64, 0)
    outputs = []
    other = alone.init(key=jr.key(0))
    for tick in range(3):
        state, record = system.step(state, jnp.int32(tick))
        outputs.append(alone.step(other, jnp.int32(tick))[1]["outputs"])
    np.testing.assert_allclose(state["total"], sum(outputs), atol=1e-5)
    mean = np.asarray(sum(outputs)) / 3
    wrong = ((mean > 1e-5) != np.asarray(inputs.bits)).any(1)
    assert float(record["accuracy"]) == pytest.approx(1 - wrong.mean(), abs=1e-6)
    assert float(record["residual"]) < 1e-4


def test_taking_the_untrained_outputs_out_leaves_the_mean_and_less_noise():
    x = binary_inputs(4, 2).x
    found = simulate(Outputs(x, "ntk", 256, 40, quiet=True), 60, key=jr.key(0), seeds=1).records
    noisy, quiet = found["outputs"][0], found["quiet"][0]
    assert quiet.std(0).mean() < 0.5 * noisy.std(0).mean()
    # Five standard errors of the noisier mean.
    np.testing.assert_allclose(
        quiet.mean(0), noisy.mean(0), atol=5 * noisy.std(0).max() / np.sqrt(60)
    )


def test_parts_stop_growing_at_their_number():
    inputs = inputs_of(3, 1e-5)
    part = Ensemble(inputs, "readout", 32, 0)
    system = Growing(("few", "many"), (part, part), (2, 4))
    two, four = (simulate(system, n, key=jr.key(0), seeds=2) for n in (2, 4))
    assert four.records["residual"].shape == (2, 4, 2)
    pairs = four.records["pairs"][:, :, 0]
    np.testing.assert_array_equal(pairs[:, 1:], pairs[:, 1:2].repeat(3, 1))
    np.testing.assert_array_equal(two.state["few"]["total"], four.state["few"]["total"])
    assert float(jnp.abs(two.state["many"]["total"] - four.state["many"]["total"]).max()) > 1


def test_windows_leave_out_neighbors():
    seen = np.asarray(windows(4, 2))
    assert seen.tolist() == [
        [True] * 4,
        [False, True, True, True],
        [True, False, True, True],
        [False, False, True, True],
        [True, False, False, True],
    ]


def test_sampled_needs_follow_the_formula():
    at = process(np.asarray(binary_inputs(5, 2).bits), "readout")
    need = at.needed(jr.key(0), 2000)
    assert need.shape == (2000, 10)
    size = ensemble_size(5, 0.1, 2, relu_nngp)
    # 20,000 values, ten of each sample dependent: a standard error below 0.7 %.
    assert float(jnp.mean(need <= size)) == pytest.approx(0.9, abs=0.025)
    assert at.worst(jr.key(0), 7).shape == (7,)


def test_the_bound_is_that_of_the_published_plot():
    assert quadratic_bound(2, 0.1) == pytest.approx(6.7e3, rel=0.01)
    assert quadratic_bound(30, 0.1) == pytest.approx(12.5e3, rel=0.01)


def test_least_squares_is_the_permutation():
    found = linear(dataclasses.replace(SCALES["smoke"], exact_bits=(3, 6)))
    np.testing.assert_array_equal(found["accuracy"], 1.0)


def test_first_crossings_and_shares():
    config = dataclasses.replace(SCALES["cpu"], exact_bits=(4,), net_bits=(4,), allowance=1.5)
    accuracy = np.array([[0.5, 0.95, 1.0, 0.9], [0.2, 0.3, 0.4, 1.0], [0.1, 0.1, 0.1, 0.1]])
    both = dict.fromkeys(("accuracy", "pairs"), (("seed", "tick", "k"), accuracy[:, :, None]))
    sizes = xr.Dataset(
        {
            "exact": (("kernel", "exact_k"), [[2.0], [2.0]]),
            "single": (("kernel", "k"), [[2.0], [8.0]]),
        },
        {"kernel": ["ntk", "readout"], "exact_k": [4], "k": [4]},
    )
    run = Made(config, ntk=xr.Dataset(both, {"k": [4]}), sizes=sizes)
    np.testing.assert_array_equal(claims.first_exact(run, "ntk", 4), [3, 4, np.inf])
    np.testing.assert_array_equal(claims.first_crossings(run, "ntk")[:, 0], [2, 4, np.inf])
    np.testing.assert_allclose(claims.share_exact(run, "ntk", 4), 1 / 3)
    np.testing.assert_array_equal(claims.against_other(run, "ntk", "readout")[:2], [0.25, 0.5])


def test_networks_with_the_means_of_theory_pass():
    config = dataclasses.replace(SCALES["cpu"], mean_bits=6)
    bits, _ = claims.mean_inputs(config)
    w = permutation_coefficients(6, bits.sum(1))
    mean = np.where(bits, np.asarray(w.one)[:, None], np.asarray(w.zero)[:, None])
    rng = np.random.default_rng(0)
    outputs = mean + 0.08 * rng.standard_normal((200, *mean.shape))
    for shift, expected in ((0.0, 1.0), (0.05, 0.0)):
        arm = xr.Dataset({"outputs": (("seed", "tick", "input", "bit"), outputs[:, None] + shift)})
        run = Made(config, mean_ntk=arm)
        for bit in ("one", "zero"):
            assert claims.contains_theory(run, "ntk", 3, bit)[0] == expected
    assert claims.zero_bits(run, "ntk", 2).shape == (200,)


def test_covariance_and_exponents_of_a_process():
    config = SCALES["cpu"]
    mean, sigma = claims.process_theory(Made(config))
    factor = np.linalg.cholesky(sigma + 1e-12 * np.eye(len(sigma)))
    rng = np.random.default_rng(0)
    noise = np.einsum("ij,snjb->snib", factor, rng.standard_normal((4, 300, *mean.shape)))
    made = {}
    for arm, width in zip(claims.WIDTHS, config.process_widths, strict=True):
        data = {"outputs": mean + noise, "quiet": np.broadcast_to(mean + width**-0.5, noise.shape)}
        dims = ("seed", "tick", "input", "bit")
        made[arm] = xr.Dataset({name: (dims, value) for name, value in data.items()})
    run = Made(config, **made)
    assert np.all(claims.covariance_error(run, claims.WIDTHS[0]) < 0.1)
    np.testing.assert_allclose(claims.width_exponent(run, claims.mean_deviation), -0.5, atol=1e-6)
    assert claims.reaches_half(run)[0] == 1
    assert np.abs(claims.kurtosis(run)).max() < 0.15
    assert np.abs(claims.cross_correlation(run)).max() < 0.02


def test_smoke(smoke):
    config = SCALES["smoke"]
    assert smoke["ntk"]["accuracy"].dims == ("seed", "tick", "k")
    assert smoke["missing_ntk"]["accuracy"].dims == ("seed", "tick", "missing")
    assert smoke["process_wide"]["outputs"].shape[:2] == (config.seeds, config.process_nets)
    assert smoke.judgements == ()
    assert not smoke.diverged
    assert [j.name for j in judge(CLAIMS, smoke)] == [claim.name for claim in CLAIMS]


def test_every_figure_is_drawn_from_the_arms_that_are_there(smoke):
    drawn = plots(smoke)
    assert len(drawn) == 6
    for figure in drawn.values():
        figures.check_labels(figure)
    few = Made(smoke.config, missing_ntk=smoke["missing_ntk"])
    assert set(plots(few)) == set()


@pytest.mark.parametrize("scale", ["smoke", "cpu", "paper"])
def test_claims_name_arms_that_exist(scale):
    known = arms(SCALES[scale])
    for claim in CLAIMS:
        assert set(claim.arms) <= set(known), claim.name
