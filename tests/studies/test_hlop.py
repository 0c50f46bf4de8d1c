"""The study: its learners in cases that are known, its claims on made-up runs, itself at smoke."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import xarray as xr

from engrax.core import Batch
from engrax.lab import figures, judge, run_study
from engrax.studies.hlop import CLAIMS, SCALES, STUDY, arms, plots
from engrax.studies.hlop import _claims as claims
from engrax.studies.hlop._arms import images, widths
from engrax.studies.hlop._learners import (
    RULES,
    Samples,
    circuits,
    gradient_projection,
    projected,
    rule,
    span,
    weights,
)
from engrax.studies.hlop._measures import Interference, Subspaces
from tests import made_run

CONFIG = SCALES["smoke"]
SIZES = (64, 12, 12, 10)


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    return run_study(STUDY, scale="smoke", out=tmp_path_factory.mktemp("run") / "smoke")


Made = partial(made_run.Made, config=CONFIG)


def accuracies(*matrices, **more):
    return xr.Dataset(
        {"accuracy": (("seed", "tick", "tested"), np.array(matrices)), **more},
        {"seed": np.arange(len(matrices))},
    )


def batch(n=20, seed=0):
    x = jr.normal(jr.key(seed), (n, 64))
    return Batch(x, jr.randint(jr.key(seed + 1), (n,), 0, 10))


@pytest.mark.parametrize("name", list(RULES))
def test_every_rule_reports_what_its_circuits_are_shown(name):
    learner = rule(CONFIG, name, SIZES)
    state = learner.init(key=jr.key(0))
    _, record, samples = learner.learn(state, batch())
    assert np.isfinite(record["loss"])
    found = Samples(learner)(learner.model(state), batch().x)
    for a, b, n in zip(samples, found, SIZES, strict=False):
        np.testing.assert_allclose(a.reshape(-1, n), b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["dsr", "ottt"])
def test_thresholds_and_old_outputs_stay_after_the_first_task(name):
    learner = projected(CONFIG, rule(CONFIG, name, SIZES), SIZES, traces=name == "dsr")
    state = learner.init(key=jr.key(0))
    for task in range(2):
        state = learner.start_task(state, jnp.int32(task), jr.key(task))
        before = learner.learner.model(state["learner"])
        for i in range(3):
            state, _ = learner.step(state, batch(seed=i))
        after = learner.learner.model(state["learner"])
        vectors = [a for a in jax.tree.leaves(before) if hasattr(a, "ndim") and a.ndim < 2]
        moved = [a for a in jax.tree.leaves(after) if hasattr(a, "ndim") and a.ndim < 2]
        same = all(np.array_equal(a, b) for a, b in zip(vectors, moved, strict=True))
        assert same or (task == 0 and name == "dsr")
        change = np.asarray(weights(after)[0] - weights(before)[0])
        rows = np.asarray(learner.circuits[0].frozen_rows(state["circuits"][0]))
        reached = np.linalg.norm(change @ rows.T) / np.linalg.norm(change)
        # Rows that Hebbian learning left nearly, not exactly, orthonormal.
        assert reached < 0.05 if task else reached == 0
        state = learner.end_task(state, jnp.int32(task), batch(), jr.key(9))


def test_circuits_have_room_for_all_tasks_and_gpm_for_no_more_than_there_is():
    config = SCALES["cpu"]
    sizes = (784, *config.hidden, 10)
    assert [c.k_max for c in circuits(config, sizes)] == [360, 280, 220]
    assert [c.block for c in circuits(config, sizes)] == [80, 80, 60]
    memory = gradient_projection(config, sizes)
    assert memory.k_max == (360, 256, 220)
    assert memory.k[:4].tolist() == [list(rows) for rows in config.rows[:4]]
    assert config.steps == 616
    assert len(SCALES["paper"].rows) == SCALES["paper"].tasks


def test_a_span_is_orthonormal_on_the_rows_it_has():
    rows = jr.normal(jr.key(0), (2, 5))
    found = span(jnp.concatenate([rows, rows[:1], jnp.zeros((1, 5))]))
    np.testing.assert_allclose(found @ found.T, np.diag([1, 1, 0, 0]), atol=1e-5)
    np.testing.assert_allclose((rows @ found.T) @ found, rows, atol=1e-5)


def test_principal_components_capture_what_is_best():
    x = jr.normal(jr.key(0), (40, 8)) * jnp.linspace(3, 0.1, 8)[None]
    vectors = jnp.linalg.svd(x, full_matrices=False)[2]
    probe = Subspaces(Samples(rule(CONFIG, "dsr", SIZES)), ((3,), (2,)))
    first = jnp.zeros((5, 8)).at[:3].set(vectors[:3])
    found = probe._layer(0, x, first, jnp.int32(0))
    np.testing.assert_allclose(found["energy"], found["best_energy"], rtol=1e-5)
    assert int(found["components"]) >= 2
    both = probe._layer(0, x, first.at[3:].set(vectors[3:5]), jnp.int32(1))
    np.testing.assert_allclose(both["energy"], both["best_energy"], rtol=1e-5)
    np.testing.assert_allclose(both["alignment"], 1, rtol=1e-4)
    wrong = probe._layer(0, x, jnp.zeros((5, 8)).at[:3].set(vectors[5:]), jnp.int32(0))
    assert float(wrong["energy"]) < 0.1 * float(wrong["best_energy"])
    assert float(wrong["alignment"]) < 1e-3


def test_measuring_interference_changes_nothing():
    inner = rule(CONFIG, "dsr", SIZES)
    plain = projected(CONFIG, inner, SIZES, traces=False)
    measured = Interference(plain, Samples(inner), images=20, directions=CONFIG.first_rows)
    a, b = plain.init(key=jr.key(0)), measured.init(key=jr.key(0))
    for task in range(2):
        a = plain.start_task(a, jnp.int32(task), jr.key(task))
        b = measured.start_task(b, jnp.int32(task), jr.key(task))
        a, _ = plain.step(a, batch(seed=task))
        b, record = measured.step(b, batch(seed=task))
        a = plain.end_task(a, jnp.int32(task), batch(), jr.key(9))
        b = measured.end_task(b, jnp.int32(task), batch(), jr.key(9))
        if task == 0:
            np.testing.assert_array_equal(record["interference"], 1)
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b["learner"]), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6)
    assert (np.asarray(record["interference"]) < 1).all()


def test_claims_read_their_numbers():
    hlop = accuracies([[0.9, 0.1], [0.88, 0.92]], [[0.8, 0.1], [0.79, 0.9]])
    plain = accuracies([[0.9, 0.1], [0.5, 0.9]], [[0.9, 0.1], [0.6, 0.9]])
    run = Made(hlop=hlop, sequential=plain)
    np.testing.assert_allclose(claims.average(hlop), [0.9, 0.845])
    np.testing.assert_allclose(claims.transfer(hlop), [-0.02, -0.01])
    np.testing.assert_allclose(claims.lead(run, "hlop", "sequential"), [0.2, 0.095])
    bursts = xr.concat([hlop, plain], xr.DataArray([20.0, 40.0], dims="burst_levels"))
    run = Made(hlop=hlop, burst=bursts)
    np.testing.assert_allclose(claims.spiking_lead(run), [-0.2, -0.095])


def test_the_worst_layer_after_the_first_task_counts():
    shape = ("seed", "tick", "layer")
    arm = accuracies(
        [[0.9, 0.1], [0.8, 0.9]],
        energy=(shape, [[[0.9, 0.6], [0.1, 0.1]]]),
        best_energy=(shape, [[[0.9, 0.8], [1.0, 1.0]]]),
        alignment=(shape, [[[0.95, 0.85], [0.1, 0.1]]]),
    )
    run = Made(hlop=arm)
    np.testing.assert_allclose(claims.worst_layer(run, claims.energy_ratio), [0.75])
    np.testing.assert_allclose(claims.worst_layer(run, lambda a: a["alignment"]), [0.85])


def test_all_scales_find_the_arms_of_their_claims():
    for scale, config in SCALES.items():
        wanted = config if scale != "smoke" else dataclasses.replace(config, rules=tuple(RULES))
        assert {name for claim in CLAIMS for name in claim.arms} <= set(arms(wanted))
        assert claims.BURST in config.burst_levels
        assert len(config.lateral_rates) == len(config.first_rows) == len(config.hidden) + 1
    changed = dataclasses.replace(CONFIG, tuning_seeds=1)
    tuned = [name for name, build in arms(changed).items() if build().tuning]
    assert tuned == ["ewc", "replay", "hlop_replay"]


def test_no_test_image_trains_or_chooses():
    split = images(CONFIG)
    rows = [{x.tobytes() for x in part.x} for part in (split.train, split.validation, split.test)]
    assert not rows[0] & rows[2]
    assert not rows[1] & rows[2]
    assert widths(CONFIG, split) == SIZES


def test_smoke(smoke):
    assert smoke["hlop"]["accuracy"].dims == ("seed", "tick", "tested")
    assert smoke["burst"]["accuracy"].dims == ("seed", "burst_levels", "tick", "tested")
    steps = smoke.config.steps
    assert smoke["interference"]["interference"].shape == (2, 2, steps, 3)
    assert smoke.judgements == ()
    assert not smoke.diverged
    # The claims can be computed, whatever they say of nets that have learned nothing. Other rules
    # than DSR are left out there, for the time that it takes to compile them.
    found = [j.name for j in judge(CLAIMS, smoke)]
    assert found == [claim.name for claim in CLAIMS if claim.name != "C4"]


def test_every_figure_is_drawn_from_the_arms_that_are_there(smoke):
    drawn = plots(smoke)
    assert set(drawn) == {
        "forgetting", "tasks", "methods", "subspaces", "angles", "interference", "plasticity",
        "bursts", "rules",
    }  # fmt: skip
    for figure in drawn.values():
        figures.check_labels(figure)
    assert set(plots(Made(interference=smoke["interference"]))) == {"interference", "plasticity"}
