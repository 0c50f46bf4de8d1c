"""The study: its systems in known limits, its claims on made-up runs, itself at smoke."""

import dataclasses
import math
from functools import partial

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import xarray as xr

from engrax.core import simulate
from engrax.lab import figures, judge, run_study
from engrax.memory import pattern_overlaps
from engrax.studies.multitasking_hopfield import CLAIMS, SCALES, STUDY, arms, plots
from engrax.studies.multitasking_hopfield import _claims as claims
from engrax.studies.multitasking_hopfield._arms import entropy_cells
from engrax.studies.multitasking_hopfield._chains import (
    STARTS,
    Chains,
    ladder,
    ordered_patterns,
    private_errors,
    start_state,
)
from engrax.studies.multitasking_hopfield._descent import rungs
from engrax.theory import dataset_entropy, multitasking_mean_field
from tests import made_run

CPU = SCALES["cpu"]


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    return run_study(STUDY, scale="smoke", out=tmp_path_factory.mktemp("run") / "smoke")


Made = partial(made_run.Made, config=CPU)


def records(**values):
    """(seed, tick, ...) arrays as an arm."""
    arrays = {name: np.asarray(v, float) for name, v in values.items()}
    return xr.Dataset(
        {
            name: (("seed", "tick", *(f"{name}_{i}" for i in range(v.ndim - 2))), v)
            for name, v in arrays.items()
        }
    )


def test_patterns_come_by_support_and_starts_are_what_they_say():
    patterns = ordered_patterns(jr.key(0), 4, 300, 0.5)
    support = np.abs(np.asarray(patterns, int)).sum(1)
    assert np.all(np.diff(support) <= 0)
    steps = ladder(jr.key(1), patterns)
    np.testing.assert_array_equal(steps[patterns[0] != 0], patterns[0][patterns[0] != 0])
    second = (patterns[0] == 0) & (patterns[1] != 0)
    np.testing.assert_array_equal(steps[second], patterns[1][second])
    made = {s: start_state(jr.key(1), patterns, i, 0.2) for i, s in enumerate(STARTS)}
    assert float(pattern_overlaps(patterns, made["pure"])[0]) == 1.0
    # 300 sites of which 20 % are flipped: 4 standard errors are 0.09.
    changed = np.mean(np.asarray(made["ladder"] != made["noisy"]))
    assert changed == pytest.approx(0.2, abs=0.09)
    mixed = np.asarray(patterns[:3], int).sum(0)
    np.testing.assert_array_equal(np.asarray(made["mixture"])[mixed < 0], -1)


def test_bits_are_private_where_stronger_patterns_are_blank():
    patterns = jnp.asarray([[1, 1, 1, 0, 0, 0], [-1, 0, 0, 1, 1, 0]], jnp.int8)
    means = jnp.asarray([1.0, 1.0, -1.0, -1.0, -1.0, 1.0])
    # Overlaps 1/3 and -1: the second, reversed, is the stronger; the first keeps sites 1 and 2.
    errors = private_errors(patterns, means)
    np.testing.assert_allclose(errors, [0.5, 0.0], atol=1e-6)


def test_chains_give_the_ladder_of_the_theory():
    system = Chains(4000, 3, 0.2, 50, 50, jnp.float32([0.4]), jnp.asarray([1]), jnp.float32(0.05))
    m = simulate(system, 1, key=jr.key(0), seeds=4).records["m"][:, 0].mean(0)
    expected = multitasking_mean_field(3, 0.4, 0.0, 20.0, init="hierarchical").m
    # 4 samples; the overlap of two patterns has a standard deviation of 0.02 at 2,400 sites.
    np.testing.assert_allclose(m, expected, atol=0.05)


def test_numbers_of_examples_give_the_entropy_that_is_asked_for():
    for i, (count, quality) in enumerate(entropy_cells((0.1, 2.0), (8, 32))):
        assert float(dataset_entropy(quality, count)) == pytest.approx((0.1, 2.0)[i // 2])
    assert [rungs(n, 0.3) for n in (300, 1000, 3000, 8000)] == [4, 5, 6, 7]


def test_counts_and_errors_of_made_up_overlaps():
    m = np.zeros((2, 5, 5))
    error = np.full((2, 5, 5), 0.4)
    order = list(claims.TASKS)
    m[:, order.index("ladder")] = [1.0, -0.45, 0.2, 0.09, 0.01]
    error[:, order.index("ladder"), :4] = [0.0, 0.001, 0.002, 0.005]
    m[:, order.index("dense"), 0] = 1.0
    m[:, order.index("mixture"), :3] = 0.5
    run = Made(tasks=records(m=m, error=error))
    np.testing.assert_array_equal(claims.count_gain(run, "ladder"), [3, 3])
    np.testing.assert_allclose(claims.worst_error(run, "ladder"), 0.005)
    np.testing.assert_allclose(claims.mixture_error(run), 0.25)


def test_slopes_and_gaps_of_a_perfect_ladder():
    d = np.array(CPU.ladder_dilutions)
    m = np.broadcast_to(d[:, None] ** np.arange(4), (3, 4, 4))
    arm = records(m=m).assign_coords(tick=d)
    theory = xr.Dataset({"m": (("dilution", "pattern"), m[0] + 0.01)}, {"dilution": d})
    run = Made(rungs=arm, ladder_theory=theory)
    for value in d:
        np.testing.assert_allclose(claims.slope_gap(run, value), 0.0, atol=1e-12)
        np.testing.assert_allclose(claims.rung_gap(run, value), -0.01)


def test_the_end_of_the_ladder_is_the_first_dilution_that_breaks_it():
    grid = np.array(CPU.onset_dilutions)
    m = np.ones((2, len(grid), 3)) * [1.0, 0.6, 0.4]
    m[0, 6:, 0] = 0.93
    run = Made(onset=records(m=m))
    np.testing.assert_allclose(claims.onset(run), [0.62, grid[-1] + 0.01])


def test_spreads_and_their_ratios():
    d = np.array(CPU.parallel_dilutions)
    small = np.stack([np.full((2, 3), x) for x in (1.0, 0.9, 0.8)], axis=-1)
    large = np.stack([np.full((2, 3), x) for x in (0.95, 0.9, 0.85)], axis=-1)
    theory = xr.Dataset({"m": (("dilution", "pattern"), small[0])}, {"dilution": d})
    run = Made(
        parallel_small=records(m=small).assign_coords(tick=d),
        parallel_large=records(m=large).assign_coords(tick=d),
        parallel_theory=theory,
    )
    np.testing.assert_allclose(claims.spread_ratio(run, 0.9), math.log(0.5))
    np.testing.assert_allclose(claims.mean_gap(run, 0.9, "large"), 0.0, atol=1e-12)
    assert claims.spread_in_reach(run, 0.7, "small") == [1.0]
    assert claims.spread_in_reach(run, 0.7, "large") == [0.0]


def test_thresholds_are_interpolated_and_missing_where_they_are_not_reached():
    count = np.array([2, 4, 8])
    m = np.array([[0.1, 0.4, 0.8], [0.1, 0.2, 0.3]])[..., None] * np.ones(3)
    arm = records(supervised=m, unsupervised=m).assign_coords(tick=count)
    run = Made(teacher_20=arm, learning_theory=xr.Dataset({"known": 2 / 3}))
    found = claims.thresholds(run, 0.2, "supervised")
    assert found[0] == pytest.approx(math.exp((math.log(4) + math.log(8)) / 2))
    assert np.isnan(found[1])
    assert claims.threshold_ratio(run, 0.2)[0] == 0.0
    np.testing.assert_allclose(claims.teacher_gap(run, 0.2, 4), 0.0)


def test_energies_that_fall_with_the_loss_have_rank_correlation_one():
    loss = np.linspace(1, 0.2, 9) * np.ones((2, 1, 9))
    energy = np.exp(loss)
    energy[1, 0, 0] = 0.0
    arm = records(energy=energy, loss=loss).assign_coords(tick=[0.0])
    found = claims.energy_and_loss(Made(descent=arm), 0.0)
    assert found[0] == pytest.approx(1.0)
    assert found[1] < 0.5


def test_smoke(smoke):
    config = SCALES["smoke"]
    assert smoke["tasks"]["m"].shape == (2, len(claims.TASKS), config.tasks_patterns)
    assert smoke["diagram"]["m"].dims == (
        "seed", "dilution", "temperature", "entropy", "tick", "pattern",
    )  # fmt: skip
    assert smoke.judgements == ()
    assert not smoke.diverged
    assert smoke["images"]["error"].max() < smoke["images"]["cue_error"].min()
    # The smoke scale has not all cells that the claims name.
    judged = judge([c for c in CLAIMS if c.name in ("C1", "C7")], smoke)
    assert [j.name for j in judged] == ["C1", "C7"]


def test_every_figure_is_drawn_from_the_arms_that_are_there(smoke):
    drawn = plots(smoke)
    assert len(drawn) == 9
    for figure in drawn.values():
        figures.check_labels(figure)
    assert set(plots(Made(config=smoke.config, growth=smoke["growth"]))) == {"growth"}


@pytest.mark.parametrize("scale", ["smoke", "cpu", "paper"])
def test_claims_name_arms_that_exist(scale):
    known = arms(SCALES[scale])
    for claim in CLAIMS:
        assert set(claim.arms) <= set(known), claim.name


def test_the_scale_has_the_cells_that_the_claims_name():
    assert CPU.ladder_dilutions == (0.2, 0.3, 0.4, 0.45)
    assert CPU.entropies == (0.05, 0.2, 0.5, 1.0, 2.0)
    assert set(CPU.learn_examples) >= {4, 8, 16, 32, 64}
    assert dataclasses.replace(CPU, seeds=5).seeds == 5
