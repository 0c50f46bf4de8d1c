"""The study: both paths of simulation against each other, its claims on made-up runs, smoke."""

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
from engrax.plasticity import DeltaReadout, RecursiveLeastSquares
from engrax.studies.what_when import CLAIMS, SCALES, STUDY, arms, plots
from engrax.studies.what_when import _claims as claims
from engrax.studies.what_when._arms import adapted, block_kinds, structures, successors, surrogates
from engrax.studies.what_when._closed_loop import ClosedLoop, Gains
from engrax.studies.what_when._experiment import Experiment
from engrax.studies.what_when._prediction import (
    beta_confidence,
    errors,
    peak_time,
    prediction,
    time_locked_amplitude,
)
from engrax.studies.what_when._trial import features, network, present, response, time
from engrax.studies.what_when._weights import (
    Angles,
    Components,
    block_normalized,
    mixed_null,
    mixed_share,
)
from engrax.tasks import MeetBlock, event_bump

CONFIG = dataclasses.replace(SCALES["smoke"], neurons=60, trials=3)
LATENCY = jnp.array([300.0, 600.0])


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    return run_study(STUDY, scale="smoke", claims=(), out=tmp_path_factory.mktemp("run") / "smoke")


@pytest.fixture(scope="module")
def trial():
    """One trial of a seed with everything in the loop, as a function of the weights."""
    net = network(CONFIG, jr.key(0))

    @jax.jit
    def run(when, occurs, learn):
        readout = DeltaReadout(CONFIG.neurons, 2, 0.02)
        return present(CONFIG, net, readout, when, occurs=occurs, latency=LATENCY, learn=learn)

    return run


BLOCK = MeetBlock((300.0, 600.0), 0.8, 3)


def experiment(rls=None, blocks=(BLOCK,)):
    return Experiment(
        config=CONFIG,
        conditions=(tuple(blocks),),
        draws=("trials 0",),
        when=rls or (DeltaReadout(CONFIG.neurons, 2, 0.02),),
        what=DeltaReadout(CONFIG.neurons, 2, 0.1, when="trial"),
        leak=jnp.float32(0.0),
    )


def test_test_trials_are_bit_identical_and_learning_changes_no_spike(trial):
    nothing, first = jnp.zeros(2), jnp.array([1.0, 0.0])
    blank = jnp.zeros((2, CONFIG.neurons))
    taught = trial(blank, first, True)
    tests = [trial(w, nothing, False) for w in (blank, blank, taught.when)]
    for test in (*tests, taught):
        np.testing.assert_array_equal(test.spikes, tests[0].spikes)
        np.testing.assert_array_equal(test.rates, tests[0].rates)
    np.testing.assert_array_equal(tests[2].when, taught.when)
    assert tests[0].spikes.sum() > 100
    np.testing.assert_array_equal(tests[0].spikes, np.round(tests[0].spikes))


def test_the_inactive_channel_keeps_every_bit_over_a_trial(trial):
    weight = jr.normal(jr.key(1), (2, CONFIG.neurons)) / 10
    after = trial(weight, jnp.array([0.0, 1.0]), True).when
    np.testing.assert_array_equal(after[0], weight[0])
    assert (after[1] != weight[1]).any()


def test_the_cached_response_is_that_of_the_full_path_bit_for_bit(trial):
    cached = jax.jit(lambda key: response(CONFIG, network(CONFIG, key)))(jr.key(0))
    full = trial(jnp.zeros((2, CONFIG.neurons)), jnp.array([1.0, 0.0]), True).rates
    np.testing.assert_array_equal(cached, full)


def test_both_paths_learn_the_same():
    zero = jnp.float32(0.0)
    cached = experiment()
    full = ClosedLoop(
        config=CONFIG,
        block=cached.conditions[0][0],
        gains=Gains(jnp.float32(CONFIG.g), zero, zero, zero),
        when=cached.when[0],
        what=cached.what,
    )
    a, b = (simulate(system, 3, key=jr.key(0), seeds=2) for system in (cached, full))
    # The same spikes; weights differ by the order of additions over 2,700 steps.
    for name in ("when", "what"):
        np.testing.assert_allclose(a.state[name][:, 0], b.state[name], rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(a.records["error"][..., 0], b.records["error"], rtol=1e-3)
    assert b.records["spikes"].dtype == np.int32
    # Same bits for a seed alone and among others.
    alone = simulate(cached, 3, key=jr.key(0), seeds=[1])
    np.testing.assert_array_equal(alone.state["rates"][0], a.state["rates"][1])


def test_noise_feedback_and_events_change_the_trajectory():
    zero = jnp.float32(0.0)
    full = ClosedLoop(
        config=CONFIG,
        block=MeetBlock((300.0, 600.0), 0.8, 3),
        gains=Gains(jnp.float32(CONFIG.g), zero, zero, zero),
        when=DeltaReadout(CONFIG.neurons, 2, 0.02),
        what=DeltaReadout(CONFIG.neurons, 2, 0.1, when="trial"),
    )
    quiet = (CONFIG.g, 0.0, 0.0, 0.0)
    values = np.array([quiet, (6, 1.0, 0, 0), (6, 0, 5.0, 0), (6, 0, 0, 5.0)], np.float32)
    where = lambda system: (
        system.gains.g, system.gains.noise, system.gains.feedback_gain, system.gains.event_gain
    )  # fmt: skip
    grid = {"cell": (where, tuple(values.T))}
    state = simulate(full, 2, key=jr.key(0), seeds=1, grid=grid).state
    for other in range(1, 4):
        assert (state["when"][other] != state["when"][0]).any()


def test_half_millisecond_steps_are_read_out_each_millisecond():
    fine = dataclasses.replace(CONFIG, dt=0.5)
    net = network(fine, jr.key(0))
    readout = DeltaReadout(fine.neurons, 2, 0.02)
    full = present(
        fine, net, readout, readout.init(), occurs=jnp.zeros(2), latency=LATENCY, learn=False
    )
    np.testing.assert_array_equal(full.rates, response(fine, net))
    assert full.rates.shape == (fine.trial_ms, fine.neurons)


def test_recursive_least_squares_starts_again_at_a_switch_if_it_is_told():
    blocks = (MeetBlock((300.0, 600.0), 0.8, 2), MeetBlock((600.0, 300.0), 0.2, 2))
    found = {}
    for reset in (False, True):
        system = experiment(RecursiveLeastSquares(CONFIG.neurons, 2, reset=reset), blocks)
        found[reset] = simulate(system, 4, key=jr.key(0), seeds=1).records["when_error"][0, :, 0]
    np.testing.assert_array_equal(found[True][:2], found[False][:2])
    assert found[True][2] != found[False][2]


def test_forgetting_is_swept_by_its_leak():
    system = experiment(RecursiveLeastSquares(CONFIG.neurons, 2))
    grid = {"leak": (lambda system: system.leak, np.array([0.0, 0.01], np.float32))}
    state = simulate(system, 3, key=jr.key(0), seeds=1, grid=grid).state
    assert np.trace(state["inverse"][1, 0]) > np.trace(state["inverse"][0, 0])


def test_the_error_of_an_exact_when_is_that_of_what():
    """P = y z with z = b: E^2 = sum_k (y_k - p_k)^2 |b_k|^2 / sum_k p_k^2 |b_k|^2."""
    at = time(CONFIG)
    bump = event_bump(at, LATENCY, 40.0)
    p, y = jnp.array([0.8, 0.2]), jnp.array([0.7, 0.5])
    found = errors(prediction(y, bump), prediction(p, bump))
    # Both bumps have the same area to 1e-3: none is cut by the end of the trial.
    expected = np.sqrt(((y - p) ** 2).sum() / (p**2).sum())
    np.testing.assert_allclose(found.relative, expected, rtol=1e-3)
    np.testing.assert_allclose(errors(bump, bump).relative, 0)
    np.testing.assert_allclose(errors(0 * bump, bump).relative, 1)
    square = np.mean(np.asarray(prediction(y, bump) - prediction(p, bump)) ** 2)
    np.testing.assert_allclose(found.absolute, np.sqrt(square), rtol=1e-5)
    np.testing.assert_array_equal(peak_time(bump, at), LATENCY)
    far = bump + 3 * event_bump(at, LATENCY + 200, 10.0)
    np.testing.assert_allclose(time_locked_amplitude(far, at, LATENCY), 1.0, atol=1e-5)


def test_confidence_is_that_of_as_many_outcomes_as_the_average_holds():
    belief = beta_confidence(jnp.array([0.7, 1.2]), 0.1)
    np.testing.assert_allclose(belief.alpha, [8, 11], rtol=1e-6)
    np.testing.assert_allclose(belief.beta, [4, 1], rtol=1e-6)


def test_the_what_window_follows_the_cue():
    rates = jnp.arange(900.0)[:, None] * jnp.ones((1, 2))
    np.testing.assert_allclose(features(CONFIG, rates), np.arange(100, 250).mean())


def test_conditions_are_those_of_the_sheet():
    config = SCALES["cpu"]
    kinds = block_kinds(config)
    assert [b.latency[0] for b in kinds["timing"]] == [300, 600, 300]
    assert [b.probability for b in kinds["timing"]] == [0.8] * 3
    np.testing.assert_allclose([b.probability for b in kinds["probability"]], [0.8, 0.2, 0.8])
    assert kinds["both"][1].latency == (600.0, 300.0)
    assert len(structures(config)) == 9
    blocks = structures(config)
    for i, j in enumerate(successors(config)):
        assert blocks[i].probability != blocks[j].probability
        assert blocks[i].latency != blocks[j].latency
    inside = np.array([blocks[0].latency for blocks in surrogates(config)])
    assert inside.min() >= 50
    assert inside.max() <= 200
    kept = adapted(np.arange(300), axis=0)
    np.testing.assert_array_equal(kept, [*range(150, 200), *range(250, 300)])


def test_angles_of_made_up_weights():
    what = np.zeros((1, 2, 8), np.float32)
    when = np.zeros((1, 2, 8), np.float32)
    what[0, :, 0] = (0.8, 0.2)  # parallel: one dimension
    when[0, 0, :2] = (0.6, 0.8)
    when[0, 1, 2] = 1
    found = Angles()({"what": what, "when": when})
    np.testing.assert_allclose(found["cosine"], [[0.6, 0]], atol=1e-6)
    np.testing.assert_allclose(found["largest_angle"], [0.6], atol=1e-5)
    assert found["what_dimensions"].tolist() == [1]


def test_mixing_of_modules_of_shared_neurons_and_of_chance():
    ramp = np.tile(np.arange(1.0, 101.0), (2, 1))
    assert mixed_share(ramp, -ramp) == 0.5
    assert mixed_share(ramp, ramp[:, ::-1]) == 0.0
    null = mixed_null(ramp, ramp, 200)
    # Hypergeometric: mean 1/4, over two channels.
    np.testing.assert_allclose(null.mean(), 0.25, atol=0.01)


def test_components_of_made_up_weights_are_their_factors():
    p = np.repeat([0.2, 0.5, 0.8], 3)[:, None, None]
    latency = np.tile([-1.0, 0.0, 1.0], 3)[:, None, None]
    rng = np.random.default_rng(0)
    state = {"what": p * rng.normal(size=(1, 2, 30)), "when": latency * rng.normal(size=(1, 2, 30))}
    scores = Components(3)(state)["scores"]
    for wanted in (p, latency):
        r = [abs(np.corrcoef(wanted.ravel(), s)[0, 1]) for s in scores.T[:2]]
        assert max(r) > 0.999
    rows = block_normalized(state["what"], state["when"])
    np.testing.assert_allclose((rows[:, :60] ** 2).mean(), 1)
    np.testing.assert_allclose((rows[:, 60:] ** 2).mean(), 1)


class Made(dict):
    """A run of arrays that a test made up."""

    diverged = ()
    config = SCALES["cpu"]


def dataset(dims, **values):
    return xr.Dataset({name: (dims, np.asarray(v)) for name, v in values.items()})


def test_heights_that_are_probabilities_hold_c2():
    p = np.linspace(0, 1, 11)
    height = np.stack([p, 1 - p], -1)[None, None].repeat(3, 0)
    data = dataset(
        ("seed", "tick", "condition", "channel"), height=height, when_height=np.ones_like(height)
    ).assign_coords(condition=p)
    run = Made(levels=data)
    np.testing.assert_allclose(claims.correlation(run, 0), 1)
    np.testing.assert_allclose(claims.correlation(run, 1), -1)
    for channel in (0, 1):
        np.testing.assert_allclose(claims.slope(run, channel), 1)
        np.testing.assert_allclose(claims.slope(run, channel, "when_height", True), 0, atol=1e-12)
    # Inner levels are the seven own probabilities 0.3 ... 0.9.
    squared = data.assign(height=data["height"] ** 2)
    expected = np.polyfit(p[3:10], p[3:10] ** 2, 1)[0]
    np.testing.assert_allclose(claims.slope(Made(levels=squared), 0, "height", True), expected)


def test_errors_are_compared_over_the_second_halves_after_switches():
    tick = np.arange(300)
    late = ((tick >= 150) & (tick < 200)) | (tick >= 250)
    error = np.where(late, 0.2, 9.0)[None, :, None] * np.ones((2, 1, 3))
    dims = ("seed", "tick", "condition")
    local = dataset(dims, error=error)
    other = dataset(dims, error=np.where(late, 0.5, 0.0)[None, :, None] * np.ones((2, 1, 3)))
    run = Made(local=local, rls_keep=other)
    np.testing.assert_allclose(claims.over_baseline(run, "rls_keep", "both"), -0.3)


def test_a_block_that_halves_its_error_and_peaks_in_time_holds_c1():
    error = np.linspace(1.0, 0.4, 100)[None, :, None].repeat(3, 0)
    late = np.zeros((3, 100, 1, 2))
    late[:, -1, 0, 1] = -7.0
    data = dataset(("seed", "tick", "condition"), error=error)
    run = Made(single=data.assign(late=(("seed", "tick", "condition", "channel"), late)))
    np.testing.assert_allclose(claims.learning_ratio(run), 0.4)
    np.testing.assert_allclose(claims.lateness(run), 7)


def test_all_scales_build_their_arms_and_every_claim_finds_its_own():
    for config in SCALES.values():
        assert {name for claim in CLAIMS for name in claim.arms} <= set(arms(config))
    assert SCALES["paper"].neurons == 1000
    assert len(arms(SCALES["cpu"])["levels"].system.conditions) == 11


def test_smoke(smoke):
    config = SCALES["smoke"]
    assert smoke["single"]["error"].shape == (config.seeds, config.trials, 3)
    assert smoke["rls_forget"]["tuning"]["score"].dims == ("tuned_value", "calibration_seed")
    assert smoke["recording"]["spike_count"].dtype.kind == "i"
    assert smoke.judgements == ()
    assert not smoke.diverged
    assert [j.name for j in judge(CLAIMS, smoke)] == [claim.name for claim in CLAIMS]
    distance = claims.distances(smoke)
    np.testing.assert_allclose(distance[:, 0], 1)


def test_every_figure_is_drawn_from_the_arms_that_are_there(smoke):
    drawn = plots(smoke)
    assert set(drawn) == {
        "spikes", "prediction", "learning", "probability", "switches", "baselines", "angles",
        "structure", "mixing", "gates", "limits",
    }  # fmt: skip
    for figure in drawn.values():
        figures.check_labels(figure)
    part = Made(levels=smoke["levels"])
    assert set(plots(part)) == {"probability"}


def test_arms_of_a_seed_share_their_reservoir(smoke):
    assert eqx.tree_equal(network(CONFIG, jr.key(3)), network(CONFIG, jr.key(3)))
    # Every rule and every gate sees the same outcomes.
    what = smoke["single"]["what"].to_numpy()
    np.testing.assert_array_equal(what[:, :, 0], what[:, :, 1])
    np.testing.assert_allclose(
        smoke["local"]["what"].to_numpy()[:, :, :3], smoke["rls_keep"]["what"].to_numpy(), atol=1e-6
    )
