"""The study: its arms, its claims on made-up runs, itself at smoke."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import xarray as xr

from engrax.continual import rehearsal_counts, rehearsal_weights
from engrax.core import simulate
from engrax.lab import figures, judge, run_study
from engrax.studies.power_law_rehearsal import CLAIMS, SCALES, STUDY, arms, plots
from engrax.studies.power_law_rehearsal import _claims as claims
from engrax.studies.power_law_rehearsal._arms import cells, images, net, regularized, stream
from tests import made_run

CONFIG = SCALES["smoke"]


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    return run_study(STUDY, scale="smoke", out=tmp_path_factory.mktemp("run") / "smoke")


Made = partial(made_run.Made, config=CONFIG)


def accuracies(*matrices, **more):
    found = np.array(matrices)
    return xr.Dataset(
        {"accuracy": (("seed", "tick", "tested"), found), **more},
        {"seed": np.arange(len(found)), "tick": 1 + np.arange(found.shape[1])},
    )


def last_row(*rows):
    """Arms (seed, tick, tested) of which only the last row counts."""
    rows = np.array(rows, float)
    return accuracies(*np.repeat(rows[:, None], rows.shape[1], 1))


def test_average_and_needed_accuracy():
    arm = accuracies([[0.9, 0.1, 0.1], [0.8, 0.9, 0.1], [0.3, 0.6, 0.9]])
    np.testing.assert_allclose(claims.average(arm), [0.6])
    np.testing.assert_allclose(claims.after(arm, 2), [0.85])
    weights = np.array([1 / 3, 1 / 2, 1])
    expected = weights @ [0.3, 0.6, 0.9] / weights.sum()
    np.testing.assert_allclose(claims.needed(Made(), arm), [expected])


def test_leads_are_paired_and_the_best_regularizer_is_each_seeds_own():
    run = Made(
        power_small=last_row([0.8, 0.8], [0.7, 0.7]),
        none_small=last_row([0.5, 0.5], [0.6, 0.6]),
        ewc=last_row([0.6, 0.6], [0.9, 0.9]),
        si=last_row([0.7, 0.7], [0.1, 0.1]),
        l2=last_row([0.1, 0.1], [0.1, 0.1]),
        lwf=last_row([0.2, 0.2], [0.2, 0.2]),
    )
    np.testing.assert_allclose(claims.lead(run, "power_small", "none_small"), [0.3, 0.1])
    np.testing.assert_allclose(claims.over_regularizers(run), [0.1, -0.2])


def test_steps_to_criterion_and_their_slope():
    config = dataclasses.replace(CONFIG, criterion=0.5, trace=2)
    curves = np.zeros((1, 3, 8))
    for task, first in enumerate((3, 1, 0)):
        curves[0, task, first:] = 0.6
    trace = (("seed", "tick", "point"), curves)
    arm = accuracies(*np.zeros((1, 3, 3)), trace=trace)
    run = Made(config=config, power_small=arm, fresh=arm)
    steps, censored = claims.steps_to_criterion(run, "power_small")
    np.testing.assert_array_equal(steps, [[8, 4, 2]])
    assert not censored.any()
    np.testing.assert_allclose(claims.facilitation(run, "power_small"), [-np.log(2)])
    np.testing.assert_allclose(claims.facilitation_lead(run, "power_small", "fresh"), [0])
    curves[0, 2] = 0
    never = Made(config=config, fresh=accuracies(*np.zeros((1, 3, 3)), trace=(trace[0], curves)))
    steps, censored = claims.steps_to_criterion(never, "fresh")
    np.testing.assert_array_equal(steps[0, 2], 16)
    np.testing.assert_array_equal(censored, [[False, False, True]])


def test_robustness_reads_prefixes_of_the_longest_run():
    config = dataclasses.replace(SCALES["cpu"], tasks=10)

    def falling(first, slope, seeds=2):
        """A_T = first - slope (T - 1) after every task."""
        rows = first - slope * np.arange(20)
        return accuracies(*np.tile(rows[:, None], (seeds, 1, 20)))

    made = {f"power_{cell}": falling(0.9, 0.01) for cell in claims.CELLS}
    made |= {f"ewc_{cell}": falling(0.92, 0.02) for cell in claims.CELLS}
    made["none_middle_10"] = falling(0.9, 0.03)
    for i, p in enumerate(claims.PERCENT):
        made[f"power_middle_{p}"] = falling(0.9 + i / 100, 0.01)
    run = Made(config=config, **made)
    np.testing.assert_allclose(claims.drop(run["power_middle_10"]), 0.15)
    np.testing.assert_allclose(claims.share_rank(run), 1)
    assert len(claims.cell_leads(run)) == 21
    np.testing.assert_allclose(claims.cells_won(run), 1)
    made["ewc_wide_10"] = made["ewc_narrow_10"] = falling(0.99, 0.0)
    np.testing.assert_allclose(claims.cells_won(Made(config=config, **made)), 15 / 21)
    assert {"robustness"} == set(plots(run))


def test_one_combination_that_is_not_worse_is_enough():
    run = Made(
        power_small=last_row([0.8, 0.8], [0.8, 0.8], [0.8, 0.8]),
        power_ewc=last_row([0.5, 0.5], [0.5, 0.5], [0.6, 0.6]),
        power_lwf=last_row([0.82, 0.82], [0.81, 0.81], [0.83, 0.83]),
    )
    np.testing.assert_allclose(claims.best_combination(run), [0.02, 0.01, 0.03])


def test_numbers_of_rehearsed_images_are_checked_by_exact_arithmetic():
    for old in range(1, 10):
        weights = jnp.asarray(rehearsal_weights("power", old), jnp.float32)
        np.testing.assert_array_equal(
            claims.exact_counts(old, 360, 1.0), rehearsal_counts(weights, 360)
        )
    counts = np.zeros((1, 3, 3))
    counts[0, 0, 0] = counts[0, 1, 0] = 12
    counts[0, 2] = [4, 8, 0]
    arm = accuracies(*np.zeros((1, 3, 3)), rehearsed=(("seed", "tick", "tested"), counts))
    assert claims.counts_error(Made(power_small=arm), "power_small") == 0
    counts[0, 2] = [3, 9, 0]
    assert claims.counts_error(Made(power_small=arm), "power_small") == 1


def test_fresh_nets_learn_no_task_faster():
    """The null of the facilitation claim: of 8 slopes' interval at 99.99 %, 0 is inside."""
    config = dataclasses.replace(
        CONFIG, tasks=4, train=400, width=24, epochs=6, criterion=0.6, trace=1, test=120
    )
    arm = arms(config)["fresh"]()
    found = simulate(arm.system, arm.ticks, key=jr.key(3), seeds=8, chunk=4).records["trace"]
    data = accuracies(*np.zeros((8, 4, 4)), trace=(("seed", "tick", "point"), found))
    run = Made(config=config, fresh=data)
    assert not claims.steps_to_criterion(run, "fresh")[1].any()
    slopes = claims.facilitation(run, "fresh").to_numpy()
    # Student's t with 7 degrees of freedom.
    assert abs(slopes.mean()) < 7.9 * slopes.std(ddof=1) / np.sqrt(8)
    assert slopes.std() > 0


def test_all_conditions_take_as_many_steps():
    built = {name: build() for name, build in arms(CONFIG).items()}
    for size in ("small", "large"):
        steps = {arm.system.inner.steps for name, arm in built.items() if name.endswith(f"_{size}")}
        assert len(steps) == 1
    rest = ("fresh", "joint", "power_steep", "power_ewc")
    small = built["power_small"].system.inner.steps
    for name in rest:
        system = built[name].system
        while not hasattr(system, "steps"):
            system = system.inner
        assert system.steps == small
    assert built["unmatched"].system.inner.steps < small


def test_all_scales_find_the_arms_of_their_claims():
    for scale, config in SCALES.items():
        wanted = config if scale != "smoke" else dataclasses.replace(config, robust_tasks=(5,))
        assert {name for claim in CLAIMS for name in claim.arms} <= set(arms(wanted))
        if scale != "smoke":
            assert {5, 20} <= set(config.robust_tasks)
            assert config.tasks in config.robust_tasks
            assert (config.robust_shares[2], config.shares[0]) == (0.1, 0.1)
    assert len(cells(SCALES["cpu"])) == 15
    assert SCALES["cpu"].steps(3600, 360) == 183
    changed = dataclasses.replace(CONFIG, tuning_seeds=1)
    tuned = {name for name, build in arms(changed).items() if build().tuning}
    assert tuned == {"l2", "ewc", "si", "lwf", "power_ewc", "power_lwf"}
    longer = dataclasses.replace(changed, robust_tasks=(5,), robust_tuning_tasks=2)
    arm = arms(longer)["ewc_wide_10"]()
    assert (arm.ticks, arm.tuning.ticks, arm.seeds) == (5, 2, 5)


def test_no_test_image_trains_or_chooses():
    split = images(CONFIG)
    rows = [{x.tobytes() for x in part.x} for part in (split.train, split.validation, split.test)]
    assert not rows[0] & rows[2]
    assert not rows[1] & rows[2]


def test_every_arm_has_the_same_net_at_the_start():
    split = images(CONFIG)
    plain = net(CONFIG, split)
    found = [plain.init(key=jr.key(0))["model"]]
    for method in ("ewc", "si", "l2", "lwf"):
        found.append(regularized(CONFIG, method, plain).init(key=jr.key(0))["learner"]["model"])
    for other in found[1:]:
        for a, b in zip(jax.tree.leaves(found[0]), jax.tree.leaves(other), strict=True):
            np.testing.assert_array_equal(a, b)
    assert stream(CONFIG, split, 0.2, "power", 3).budget == 24


def test_smoke(smoke):
    assert smoke["power_small"]["accuracy"].dims == ("seed", "tick", "tested")
    counts = smoke["power_small"]["rehearsed"].isel(tick=-1).to_numpy()
    np.testing.assert_array_equal(counts, [[8, 16, 0]] * 2)
    np.testing.assert_array_equal(smoke["none_small"]["rehearsed"].isel(tick=-1)[0], [0, 0, 24])
    assert smoke.judgements == ()
    assert not smoke.diverged
    # The claims can be computed, whatever they say of nets that have learned nothing.
    found = [j.name for j in judge(CLAIMS, smoke)]
    assert found == [claim.name for claim in CLAIMS if claim.name != "C5"]
    drawn = plots(smoke)
    assert set(drawn) == {"matrices", "ages", "facilitation", "need", "comparisons"}
    for figure in drawn.values():
        figures.check_labels(figure)
