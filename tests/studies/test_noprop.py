"""The study: claims on made-up runs, references in known cases, itself at smoke."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import xarray as xr

from engrax.core import Batch
from engrax.lab import claims_hash, figures, run_study
from engrax.nn import parameter_count
from engrax.studies.noprop import CLAIMS, SCALES, STUDY, arms, plots
from engrax.studies.noprop import _claims as claims
from engrax.studies.noprop._cost import chains, step_cost
from engrax.studies.noprop._data import images_a, images_b
from engrax.studies.noprop._distribution import crossing_gradients, exchanged, gradient_on
from engrax.studies.noprop._learners import BASELINES, baseline, budget, chain

SMOKE = SCALES["smoke"]
KEY = jr.key(0)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    # At this scale the arms on B are the programs of those on A.
    folder = tmp_path_factory.mktemp("noprop") / "run"
    return run_study(STUDY, scale="smoke", out=folder)


def test_claims_can_be_read_and_figures_are_drawn(run):
    for claim in CLAIMS:
        if claim.name in STUDY.smoke:
            for part in claim.parts.values():
                values = np.atleast_1d(np.asarray(part.value(run), float))
                assert values.ndim == 1
                assert np.isfinite(values).all()
    drawn = plots(run)
    assert set(drawn) == {"accuracy", "depth", "readouts"}
    for figure in drawn.values():
        figures.check_labels(figure)


SYSTEMS = [name for name in arms(SMOKE) if name not in ("cost", "distribution")]


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_arm_can_be_traced(name):
    """A tick of every arm records an accuracy; nothing is compiled."""
    system = arms(SMOKE)[name]().system
    state = jax.eval_shape(lambda: system.init(key=KEY))
    moved, record = jax.eval_shape(lambda s: system.step(s, jnp.int32(0)), state)
    assert jax.tree.structure(moved) == jax.tree.structure(state)
    assert record["test_accuracy"].shape == ()


def test_memory_of_a_step_grows_with_backpropagation_alone():
    images = images_a(SMOKE)
    scratch = {
        (name, blocks): step_cost(chains(SMOKE, images, blocks)[name], 32, images.shape)[0][2]
        for name in ("noprop", "bp")
        for blocks in (2, 12)
    }
    # The batch, and what one block makes of it; a little is kept for each block beside.
    assert scratch["noprop", 12] < 1.5 * scratch["noprop", 2]
    assert scratch["bp", 12] > 2.5 * scratch["bp", 2]


def test_arms_of_one_seed_share_blocks_and_batches():
    built = arms(SMOKE)
    names = ("a_noprop_onehot", "a_bp_onehot", "a_independent")
    states = [built[name]().system.init(key=KEY) for name in names]
    first = states[0]
    for other in states[1:]:
        assert (jr.key_data(first["stream"]["key"]) == jr.key_data(other["stream"]["key"])).all()
        mine, theirs = (jax.tree.leaves(s["learner"]["model"]["blocks"]) for s in (first, other))
        for one, two in zip(mine, theirs, strict=True):
            np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_has_as_many_parameters(name):
    images = images_b(SMOKE)
    state = jax.eval_shape(lambda: baseline(SMOKE, images, "b", name).init(key=KEY))
    allowed = budget(SMOKE, images, "b")
    # A unit more or less of width, and the inner classifiers of forward gradients.
    assert 0.8 * allowed < parameter_count(state["model"]) < 1.25 * allowed


def test_blocks_on_two_devices_get_the_gradient_of_one():
    images = images_a(SMOKE)
    learner = chain(SMOKE, images, "a", "dim")
    parts = learner.model(learner.init(key=KEY))
    x = images.scaling(jnp.asarray(images.split.train.x[:8]))
    batch = Batch(x, jnp.asarray(images.split.train.y[:8]))
    two = gradient_on(2, learner, parts, batch, KEY)

    def loss(trained, fixed):
        return learner.loss(eqx.combine(trained, fixed), batch, KEY)[0]

    trained, fixed = eqx.partition(parts, learner.trainable(parts))
    whole = eqx.filter_jit(jax.grad(loss))(trained, fixed)
    for a, b in zip(*map(jax.tree.leaves, (two, whole)), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    program = jax.make_jaxpr(lambda x: gradient_on(2, learner, parts, Batch(x, batch.y), KEY))(x)
    assert exchanged(program.jaxpr) == 250
    crossing, own = crossing_gradients(learner, parts, batch)
    assert crossing == 0 < own


def test_figures_of_costs_and_grids_can_be_drawn():
    cells = xr.Dataset(
        {"test_accuracy": (("seed", "rate", "eta", "tick"), np.full((2, 2, 1, 1), 0.7))},
        {"seed": [0, 1], "rate": [1e-3, 3e-3], "eta": [0.1]},
    )
    names = ["noprop", "noprop, all blocks at once", "bp"]
    cost = xr.Dataset(
        {"scratch_bytes": (("learner", "depth"), np.ones((3, 2))),
         "state_bytes": (("learner", "depth"), [[1.0, 1.0], [1.0, 1.0], [3.0, 3.0]]),
         "seconds": ("variant", [1.0, 1.0, 1.0])},
        {"learner": names, "depth": [1, 2], "variant": ["ct", "fm", "adjoint"]},
    )  # fmt: skip
    distribution = xr.Dataset(
        {"exchanged_bytes": 4e3, "passed_bytes": 2e5, "seconds": ("devices", [0.2, 0.1])},
        {"devices": [1, 2]},
    )
    curve = arm([0.1, 0.5], [0.2, 0.4])
    spread = arm([0.5], [0.4], spread=[1.0, 2.0])
    run = Made(
        cost=cost, ct=curve, fm=curve, adjoint=curve, grid_noprop=cells,
        grid_fwdtp=cells.rename(eta="step_size"), factor_fm=spread, factor_fm_onehot=spread,
        factor_fm_collapse=spread, distribution=distribution,
    )  # fmt: skip
    drawn = plots(run)
    assert set(drawn) == {"memory", "time", "grid", "many_classes", "distribution"}
    for figure in drawn.values():
        figures.check_labels(figure)
    np.testing.assert_allclose(claims.collapse(run), [1, 1])
    np.testing.assert_allclose(claims.worst_cell_gap(run), [0, 0])
    np.testing.assert_allclose(claims.growth("bp")(run), [1])
    np.testing.assert_allclose(claims.memory_ratio(run), [0.5])


class Made(dict):
    """As much of a run as a claim reads."""

    diverged = ()
    config = SMOKE


def arm(*rows, **final):
    """Test accuracies (seed, tick), and final values (seed,) or (seed, block)."""
    data = xr.Dataset(
        {"test_accuracy": (("seed", "tick"), np.array(rows, float))},
        {"seed": np.arange(len(rows)), "tick": 10 * (1 + np.arange(len(rows[0])))},
    )
    if not final:
        return data
    inner = xr.Dataset(
        {n: (("seed", "block")[: np.ndim(v)], np.array(v, float)) for n, v in final.items()},
        {"seed": np.arange(len(rows))},
    )
    return xr.DataTree.from_dict({"/": data, "/final": inner})


def test_the_best_rival_is_taken_for_each_seed():
    run = Made(
        b_noprop_onehot=arm([0.9], [0.8]), b_ff=arm([0.5], [0.7]), b_drtp=arm([0.8], [0.5]),
        b_fwdtp=arm([0.1], [0.1]), b_fg=arm([0.2], [0.2]),
    )  # fmt: skip
    np.testing.assert_allclose(claims.lead(run), [0.1, 0.1])


def test_equal_time_ends_with_the_run_of_the_adjoint_method():
    seconds = xr.Dataset({"seconds": ("variant", [1.0, 6.0, 1.0])},
                         {"variant": ["ct", "fm", "adjoint"]})  # fmt: skip
    run = Made(
        cost=seconds,
        adjoint=arm([0.1, 0.5], [0.2, 0.4]),
        ct=arm([0.3, 0.6, 0.9], [0.3, 0.7, 0.9]),
        fm=arm([0.3, 0.6, 0.9], [0.3, 0.7, 0.9]),
    )
    # 20 seconds: two measurements of 10 seconds each, none of 60.
    np.testing.assert_allclose(claims.over_adjoint("ct")(run), [0.1, 0.3])
    np.testing.assert_allclose(claims.over_adjoint("fm")(run), [-0.5, -0.4])


def test_slopes_are_those_of_lines():
    made = arm([0.0], [0.0], probe_accuracy=[[0.1, 0.3, 0.5], [0.9, 0.9, 0.9]])
    np.testing.assert_allclose(claims.slopes(made, "probe_accuracy"), [0.2, 0.0], atol=1e-12)


@pytest.mark.parametrize(
    ("rise", "noise", "steep", "met"),
    [(0.0, 0.01, 0.0, 1.0), (0.02, 0.001, 0.01, 0.0), (0.02, 0.001, 0.2, 1.0)],
)
def test_no_hierarchy_is_flat_or_less_than_half_as_steep(rise, noise, steep, met):
    tilt = np.array([-1.0, 0.0, 1.0])[:, None] * np.arange(4)[None]
    probes = 0.5 + rise * np.arange(4)[None] + noise * tilt
    guesses = 0.1 + steep * np.arange(4)[None] + 0 * tilt
    rows = [[0.0]] * 3
    run = Made(
        a_noprop_onehot=arm(*rows, probe_accuracy=probes),
        a_bp_onehot=arm(*rows, block_accuracy=guesses),
    )
    np.testing.assert_array_equal(claims.no_hierarchy(run), [met])


def test_rules_are_those_of_the_sheet():
    """A rule that moves must move this line too."""
    regions = {
        claim.name: [(p.rule.low, p.rule.high, p.interval) for p in claim.parts.values()]
        for claim in CLAIMS
    }
    inf = np.inf
    assert regions == {
        "C1": [(-0.01, inf, "t")] * 6,
        "C2": [(0.0, inf, "t")],
        "C2f": [(0.0, inf, "t")] * 4,
        "C3": [
            (-inf, 0.7, "exact"), (-inf, 1.5, "exact"), (3.0, inf, "exact"),
            (0.0, inf, "t"), (0.0, inf, "t"),
        ],
        "C4": [(0.0, inf, "t")],
        "C5": [(1.0, inf, "exact")],
        "C6": [(0.0, inf, "t")] * 2,
        "C6c": [(-inf, 0.1, "t")],
        "C7": [(0.0, 0.0, "exact")] * 2,
    }  # fmt: skip
    assert len(claims_hash(CLAIMS)) == 64


def test_only_the_arms_that_are_asked_for_are_built():
    lazy = arms(dataclasses.replace(SMOKE, a_data="cifar100"))
    assert lazy["b_bp_onehot"]().ticks == SMOKE.b_epochs
    uneven = dataclasses.replace(SMOKE, a_every=3)
    with pytest.raises(ValueError, match="use a divisor"):
        arms(uneven)["a_bp_onehot"]()
