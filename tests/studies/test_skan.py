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
from engrax.nn import MLP, SelectableKAN, bases, parameter_count
from engrax.studies.skan import CLAIMS, SCALES, STUDY, Config, arms, plots
from engrax.studies.skan import _claims as claims
from engrax.studies.skan import _measures as measures
from engrax.studies.skan._functions import groups, kan_parameters, mlp_widths, picked_kan, pool
from engrax.studies.skan._learner import drawn, gated, learner, mean_squares, plain
from engrax.studies.skan._nets import ConvKAN, ConvReLU, SelectableConvKAN

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


def made_images():
    def accuracy(values, **dims):
        data = xr.DataArray(np.asarray(values, float), dims=["seed", *dims], coords=dims)
        return xr.Dataset({"test_accuracy": data.expand_dims(tick=[1])})

    run = Made()
    for i in (1, 2, 3, 4):
        run[f"conv_skan_{i}"] = accuracy([0.9, 0.8])
        run[f"conv_single_{i}"] = accuracy([[0.8, 0.7], [0.9, 0.7]], family=["a", "b"])
        run[f"conv_cnn_wide_{i}"] = accuracy([0.85, 0.85])
    run |= {"flat_skan": accuracy([0.9, 0.9]), "flat_mlp": accuracy([0.8, 0.95])}
    return run


def test_claims_on_images_by_hand():
    run = made_images()
    np.testing.assert_allclose(claims.conv_lead(run), [0.15, 0.0])
    np.testing.assert_allclose(claims.rank_lead(run), [1.0, -1.0])
    np.testing.assert_allclose(claims.cnn_lead(run, "cnn_wide"), [0.05, -0.05])
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
        np.testing.assert_allclose(
            layer.coefficients, old.coefficients / len(config.families), rtol=1e-5
        )
    outputs, entropy = gated(chosen, jnp.ones((4, 2)), jnp.float32(1.0), jnp.asarray(True))
    assert outputs.shape == (4, 1)
    assert entropy < 1e-3


SMALL = dataclasses.replace(
    SMOKE,
    images=("digits",),
    digits_widths=(64, 4, 10),
    digits_epochs=4,
    image_train=100,
    image_test=60,
    image_validation=40,
    image_families=("bspline", "chebyshev"),
    image_channels=(2, 3),
    image_epochs=4,
    image_seeds=2,
    batch=25,
    tune=False,
)


@pytest.mark.parametrize("net", ["conv_{}_1", "flat_{}"])
def test_phases_on_images_fit_together(net):
    """By shapes alone: what a phase begins with is what its learner would have drawn."""
    built = {kind: arms(SMALL)[net.format(kind)]() for kind in ("full", "commit", "skan")}
    key, clock = jax.eval_shape(lambda: jr.key(0)), jax.ShapeDtypeStruct((), jnp.int32)
    state = None
    for arm in built.values():
        fresh = jax.eval_shape(lambda key, arm=arm: arm.system.init(key=key), key)
        begun = fresh if state is None else jax.eval_shape(arm.start, fresh, state)
        assert jax.tree.structure(begun) == jax.tree.structure(fresh)
        assert [a.shape for a in jax.tree.leaves(begun)] == [
            a.shape for a in jax.tree.leaves(fresh)
        ]
        state, record = jax.eval_shape(arm.system.step, begun, clock)
        assert set(record) == {"loss", "validation_accuracy", "test_accuracy"}
    assert built["commit"].needs == (net.format("full"),)
    assert built["skan"].needs == (net.format("commit"),)


def test_convolutional_nets_are_of_fair_size():
    made_arms = arms(dataclasses.replace(Config(), images=("digits",)))
    sizes = {}
    for kind in ("skan", "single", "cnn", "cnn_wide"):
        system = made_arms[f"conv_{kind}_1"]().system
        model = jax.eval_shape(lambda k, s=system: s["learner"].init(key=k)["model"], jr.key(0))
        sizes[kind] = parameter_count(model)
    assert sizes["skan"] == sizes["single"] > sizes["cnn"]
    assert abs(sizes["cnn_wide"] - sizes["skan"]) < 0.05 * sizes["skan"]


def test_signals_run_through_the_same_nets():
    families = tuple(bases.by_name(name, 6) for name in ("bspline", "chebyshev"))
    x = jr.uniform(jr.key(0), (5, 1, 12), minval=-1.0, maxval=1.0)
    soft = SelectableConvKAN((1, 12), (2, 3), 3, 4, families, key=jr.key(1))
    like = ConvKAN((1, 12), (2, 3), 3, 4, families, jnp.int32(0), key=jr.key(2))

    @eqx.filter_jit
    def run(soft, x):
        chosen = soft.select(x, jnp.float32(0.5))
        return chosen(x, 0.5, True), chosen.prune(like)(x), chosen.entropy(0.5)

    hard, pruned, entropy = run(soft, x)
    assert hard.shape == (5, 4)
    np.testing.assert_allclose(pruned, hard, atol=1e-5)
    assert 0 <= entropy <= np.log(2)
    plain_net = ConvReLU((1, 12), (2, 3), 3, 4, key=jr.key(1))
    assert jax.eval_shape(plain_net, x).shape == (5, 4)


def test_smoke(smoke):
    for name in ("skan_2d", "single_2d", "mixture_2d", "random_2d", "planted"):
        assert name in smoke
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
    assert set(drawn_figures) == {"errors", "regret", "edges", "families", "planted"}
    for figure in drawn_figures.values():
        figures.check_labels(figure)
    only = Made(planted=smoke["planted"])
    assert set(plots(only)) == {"planted"}


def test_figures_of_made_up_runs():
    assert set(plots(made())) == {"errors", "regret"}
    found = plots(made_images())
    assert set(found) == {"images"}
    figures.check_labels(found["images"])
