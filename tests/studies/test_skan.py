"""The study: its parts in cases that are known, its claims on made-up runs, itself at smoke."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import xarray as xr

from engrax.core import Batch
from engrax.lab import figures, run_study
from engrax.nn import MLP, SelectableKAN, parameter_count
from engrax.studies.skan import CLAIMS, SCALES, STUDY, Config, arms, plots
from engrax.studies.skan import _claims as claims
from engrax.studies.skan import _measures as measures
from engrax.studies.skan._functions import groups, kan_parameters, mlp_widths, picked_kan, pool
from engrax.studies.skan._learner import drawn, gated, learner, mean_squares, plain

SMOKE = SCALES["smoke"]


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    return run_study(STUDY, scale="smoke", out=tmp_path_factory.mktemp("run") / "smoke")


class Made(dict):
    """A run of arrays that a test made up."""

    diverged = ()
    config = Config()


def arm(tasks, values, **dims):
    """(seed, [dim], task) final errors as an arm's records."""
    values = np.asarray(values, float)
    names = ["seed", *dims, "task"]
    data = xr.DataArray(values, dims=names, coords={**dims, "task": tasks})
    data = data.assign_coords(seed=np.arange(len(values))).expand_dims(tick=[1])
    return xr.Dataset({"test_rmse": data, "validation_rmse": data})


def made():
    single = np.array([[[0.1, 1.0], [1.0, 0.01]]] * 2)  # (seed, family, task)
    return Made(
        single_1d=arm(["f3", "g1"], single, family=["bspline", "rbf"]),
        single_2d=arm(["f1", "g2"], single, family=["bspline", "rbf"]),
        skan_1d=arm(["f3", "g1"], [[0.2, 0.02]] * 2),
        skan_2d=arm(["f1", "g2"], [[0.1, 0.1]] * 2),
        mlp_1d=arm(["f3", "g1"], [[[1.0, 0.1], [0.1, 1.0]]] * 2, rate=[0.1, 0.2]),
        mlp_2d=arm(["f1", "g2"], [[[1.0, 0.1], [0.1, 1.0]]] * 2, rate=[0.1, 0.2]),
    )


def test_leads_and_regrets_by_hand():
    run = made()
    np.testing.assert_allclose(
        measures.errors(run, "skan", "seven"), np.log10([[0.1, 0.2]] * 2), atol=1e-12
    )
    # f1, f3: S-KAN .1, .2; bspline .1, .1; rbf 1, 1. g1, g2: .02, .1; bspline 1, 1; rbf .01, .01.
    np.testing.assert_allclose(measures.lead(run, "seven", "bspline"), np.log10(2) / 2, atol=1e-9)
    np.testing.assert_allclose(measures.lead(run, "confirmation", "bspline"), -1.349485, atol=1e-6)
    np.testing.assert_allclose(measures.regret(run, "seven", "skan"), np.log10(2), atol=1e-9)
    np.testing.assert_allclose(measures.regret(run, "seven", "rbf"), 1.0, atol=1e-9)
    np.testing.assert_allclose(measures.regret(run, "confirmation", "skan"), 1.0, atol=1e-9)
    # Each run of the MLP keeps the rate that is best for its task.
    np.testing.assert_allclose(measures.errors(run, "mlp", "seven"), -1.0, atol=1e-9)
    np.testing.assert_allclose(measures.best_of_all(run, "seven"), -1.0, atol=1e-9)
    table = measures.regret_table(Made({**run, **others(run)}), "seven")
    np.testing.assert_allclose(table.sel(arm="rbf"), 1.0)
    np.testing.assert_allclose(measures.ranks(run, "seven").sel(arm="skan"), 1.75)


def others(run):
    """Arms that the table wants and the test does not."""
    return {f"{k}_{g}": run[f"skan_{g}"] for k in ("mixture", "random") for g in ("1d", "2d")}


def test_claims_on_images_by_hand():
    def accuracy(values, **dims):
        data = xr.DataArray(np.asarray(values, float), dims=["seed", *dims], coords=dims)
        return xr.Dataset({"test_accuracy": data.expand_dims(tick=[1])})

    run = Made()
    for i in (1, 2, 3, 4):
        run[f"conv_skan_{i}"] = accuracy([0.9, 0.8])
        run[f"conv_single_{i}"] = accuracy([[0.8, 0.7], [0.9, 0.7]], family=["a", "b"])
        run[f"conv_cnn_wide_{i}"] = accuracy([0.85, 0.85])
    np.testing.assert_allclose(claims.conv_lead(run), [0.15, 0.0])
    np.testing.assert_allclose(claims.rank_lead(run), [1.0, -1.0])
    np.testing.assert_allclose(claims.cnn_lead(run, "cnn_wide"), [0.05, -0.05])
    run |= {"flat_skan": accuracy([0.9, 0.9]), "flat_mlp": accuracy([0.8, 0.95])}
    np.testing.assert_allclose(claims.digits_lead(run), [0.1, -0.05])


def test_all_scales_find_the_arms_of_their_claims():
    for scale in ("cpu", "paper"):
        assert {name for claim in CLAIMS for name in claim.arms} <= set(arms(SCALES[scale]))
    assert SCALES["paper"].families == claims.FAMILIES


def test_sizes_are_fair():
    config = Config()
    for group in groups(config):
        target = kan_parameters(group.widths, config.functions)
        model = picked_kan(group.widths, pool(config), jnp.int32(0), key=jr.key(0))
        assert parameter_count(model) == target
        for times in (1, len(config.families)):
            wanted = kan_parameters(group.widths, config.functions * times)
            widths = mlp_widths(group.widths[0], 1, wanted)
            count = parameter_count(eqx.filter_eval_shape(MLP, widths, jnp.tanh, key=jr.key(0)))
            assert abs(count - wanted) <= 0.05 * wanted
    names = [task.name for group in groups(config) for task in group.tasks]
    assert sorted(names) == sorted(config.tasks)


def test_schedules_and_a_step_by_hand():
    build = eqx.Partial(MLP, (2, 1), jnp.tanh)
    options = {"peak": 0.1, "floor": 0.02, "steps": 4, "horizon": 8, "offset": 2}
    one = learner(build, plain, mean_squares, temperature=0.5, entropy=0.2, **options)
    np.testing.assert_allclose(one.cooled(jnp.float32(2)), [0.75, 0.1], atol=1e-6)
    hard = learner(build, plain, mean_squares, temperature=0.5, entropy=0.2, hard=True, **options)
    np.testing.assert_allclose(hard.cooled(jnp.float32(0)), [0.5, 0.2], atol=1e-6)
    state = one.init(key=jr.key(0))
    batch = Batch(jnp.ones((3, 2)), jnp.full((3, 1), 50.0))
    moved, record = one.step(state, batch)
    before, after = state["model"].layers[0].weight, moved["model"].layers[0].weight
    rate = 0.02 + 0.08 * (1 + np.cos(np.pi * 2 / 8)) / 2
    np.testing.assert_allclose(after - before, rate, rtol=1e-4)  # Adam's first step has size 1
    assert record["loss"] > 2000


def test_random_families_stay():
    config = dataclasses.replace(SMOKE, points=20)
    model = SelectableKAN((2, 3, 1), pool(config), key=jr.key(0))
    fresh = {"learner": {"key": jr.key(3)}}
    chosen = drawn(model, fresh, jnp.float32(1.0))
    for layer, old in zip(chosen.layers, model.layers, strict=True):
        np.testing.assert_allclose(layer.shares().max(-1), 1.0, atol=1e-5)
        np.testing.assert_allclose(layer.coefficients, old.coefficients / 3, rtol=1e-5)
    outputs, entropy = gated(chosen, jnp.ones((4, 2)), jnp.float32(1.0), jnp.asarray(True))
    assert outputs.shape == (4, 1)
    assert entropy < 1e-3


def test_smoke(smoke):
    groups_run = [name for name in ("skan_2d", "single_2d", "mixture_2d", "random_2d", "planted",
                                    "conv_skan_1", "flat_skan") if name in smoke]  # fmt: skip
    assert len(groups_run) == 7
    assert smoke["single_2d"]["test_rmse"].dims == ("seed", "task", "family", "tick")
    assert smoke["mlp_2d"]["test_rmse"].dims == ("seed", "task", "rate", "tick")
    assert not smoke.diverged
    assert smoke.judgements == ()
    final = smoke["skan_2d"]["final"]
    assert final["edges_1"].shape[-1] == 101
    for claim in CLAIMS:
        if set(claim.arms) <= set(arms(SMOKE)):
            for part in claim.parts.values():
                assert np.isfinite(np.asarray(part.value(smoke))).all()
    # The phases hand on: pruning leaves the error where hard gates had brought it.
    assert np.isfinite(measures.regret(smoke, "seven", "skan")).all()


def test_every_figure_is_drawn_from_the_arms_that_are_there(smoke):
    drawn_figures = plots(smoke)
    assert set(drawn_figures) == {"errors", "regret", "edges", "families", "planted", "images"}
    for figure in drawn_figures.values():
        figures.check_labels(figure)
    only = Made(planted=smoke["planted"])
    assert set(plots(only)) == {"planted"}


def test_figures_of_made_up_runs():
    found = plots(made())
    assert set(found) == {"errors", "regret"}
    assert jax.default_backend() == "cpu"
