"""The study: its measures against slow ones, its claims on made-up runs, itself at scale smoke."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import xarray as xr

from engrax.core import Batch, correct, simulate
from engrax.lab import figures, judge, run_study
from engrax.nn import TwoLayerNet
from engrax.probes import Phase
from engrax.studies.corrupted_grokking import CLAIMS, SCALES, STUDY, arms, plots
from engrax.studies.corrupted_grokking._arms import DeepNet, _addition, _learner, _net
from engrax.studies.corrupted_grokking._claims import fall_share, in_order, stages
from engrax.studies.corrupted_grokking._measures import (
    Accuracies,
    MeanSquaredError,
    Pruning,
    Spectra,
    _area,
    _loss_rise,
    trainable,
)
from engrax.studies.corrupted_grokking._plots import phases_of
from engrax.tasks import GroupStream, group_task

P, WIDTH = 11, 12
STREAM = GroupStream(_addition(P), 0.6, corrupt=0.3)
BUILD = _net(P, WIDTH)


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    return run_study(STUDY, scale="smoke", out=tmp_path_factory.mktemp("run") / "smoke")


def batch() -> Batch:
    return STREAM.step(STREAM.init(key=jr.key(0)), jnp.int32(0))[1]


def loss_of(model) -> float:
    return float(MeanSquaredError(16)(model, batch(), jr.key(0))[0])


@pytest.mark.parametrize(("outputs", "expected"), [(0.0, 1 / P), (1 / P, (1 / P) * (1 - 1 / P))])
def test_the_loss_of_constant_outputs(outputs, expected):
    """A net of zeros has 1/p exactly; constant 1/p has (1/p) (1 - 1/p)."""
    net = TwoLayerNet(2 * P, 1, P, activation=jnp.ones_like, key=jr.key(0))
    net = eqx.tree_at(lambda net: net.readout, net, jnp.full((P, 1), outputs))
    np.testing.assert_allclose(loss_of(net), expected, rtol=1e-6)


def test_the_loss_is_the_mean_over_examples_and_outputs_in_any_block():
    net = BUILD(key=jr.key(1))
    given = batch()
    slow = np.mean((np.array(net.batch(given.x)[0]) - np.eye(P)[np.array(given.y)]) ** 2)
    for block in (7, 16, 1000):
        value, _ = MeanSquaredError(block)(net, given, jr.key(0))
        np.testing.assert_allclose(value, slow, rtol=1e-5)
    deep = DeepNet(P, 8, key=jr.key(0))
    slow = np.mean((np.array(jax.vmap(deep)(given.x)) - np.eye(P)[np.array(given.y)]) ** 2)
    np.testing.assert_allclose(loss_of(deep), slow, rtol=1e-5)


def test_masked_rows_do_not_count():
    wide = GroupStream(_addition(P), 0.9, corrupt=0.3)
    swept = eqx.tree_at(lambda stream: stream.fraction, wide, jnp.float32(0.6))
    given = swept.step(wide.init(key=jr.key(0)), jnp.int32(0))[1]
    net = BUILD(key=jr.key(1))
    value, _ = MeanSquaredError(16)(net, given, jr.key(0))
    np.testing.assert_allclose(value, loss_of(net), rtol=1e-5)


def test_running_statistics_are_moved_and_not_trained():
    net = _net(P, WIDTH, norm="post_bn")(key=jr.key(0))
    flags = trainable(net)
    assert flags.weight
    assert flags.readout
    assert flags.norm.weight
    assert not flags.norm.mean
    assert not flags.norm.var
    _, (moved, _) = MeanSquaredError(16)(net, batch(), jr.key(0))
    assert not np.allclose(moved.norm.mean, net.norm.mean)


def test_accuracies_are_those_of_the_parts():
    learner = _learner(BUILD, 0.01, 0.0, 16)
    system = {"stream": STREAM, "learner": learner}
    state = {"stream": STREAM.init(key=jr.key(0)), "learner": learner.init(key=jr.key(1))}
    record = Accuracies()(system, state, jnp.int32(0))
    task = group_task(jr.key(0), _addition(P), 0.6, corrupt=0.3)
    net = learner.model(state["learner"])
    right = np.array(correct(net.batch(task.x)[0], task.y))
    for part, mask in (
        ("train", slice(None)),
        ("corrupt", task.corrupt),
        ("intact", ~task.corrupt),
    ):
        np.testing.assert_allclose(record[f"{part}_accuracy"], right[mask].mean(), rtol=1e-5)
    outputs = net.batch(task.x_test)[0]
    test = np.array(correct(outputs, task.y_test)).mean()
    np.testing.assert_allclose(record["test_accuracy"], test, rtol=1e-5, atol=1e-7)
    error = ((np.array(outputs) - np.eye(P)[np.array(task.y_test)]) ** 2).mean()
    np.testing.assert_allclose(record["test_mse"], error, rtol=1e-5)


def test_the_ceiling_and_the_spectra():
    learner = _learner(BUILD, 0.01, 0.0, 16)
    state = {"stream": STREAM.init(key=jr.key(0)), "learner": learner.init(key=jr.key(1))}
    found = Spectra(STREAM)(jax.device_get(state))
    task = group_task(jr.key(0), _addition(P), 0.6, corrupt=0.3)
    np.testing.assert_allclose(found["ceiling"], 1 - np.mean(task.y != task.y_true), rtol=1e-6)
    assert found["ipr"].shape == (WIDTH,)
    closed = TwoLayerNet.modular_addition(P, WIDTH, jr.key(0))
    state["learner"]["model"] = eqx.filter(closed, eqx.is_array)
    np.testing.assert_allclose(Spectra(STREAM)(state)["ipr"], 1, atol=1e-4)


def test_no_order_of_pruning_reads_a_test_label():
    learner = _learner(BUILD, 0.01, 0.0, 16)
    state = {"stream": STREAM.init(key=jr.key(0)), "learner": learner.init(key=jr.key(1))}
    pruning = Pruning(Spectra(STREAM), BUILD, 3, 2)
    a = pruning(state)
    # Another operation: other labels everywhere; the corrupted ones stay as they were drawn.
    other = GroupStream((_addition(P) + np.arange(P)) % P, 0.6, corrupt=1.0)
    same = GroupStream(_addition(P), 0.6, corrupt=1.0)
    b, c = (Pruning(Spectra(stream), BUILD, 3, 2)(state) for stream in (other, same))
    for order in ("lowest", "highest", "random", "magnitude", "loss"):
        assert a[f"{order}_accuracy_test"].shape == (WIDTH // 3 + 1,)
        assert a[f"{order}_accuracy_train"][-1] == 0
        # All training labels are random and equal in b and c: so are the training curves.
        np.testing.assert_array_equal(b[f"{order}_mse_train"], c[f"{order}_mse_train"])
    assert not np.allclose(b["loss_mse_test"], c["loss_mse_test"])


def test_the_rise_of_the_loss_against_removal():
    net = BUILD(key=jr.key(1))
    given = batch()
    hidden = net._activations(given.x, None)
    train = jr.bernoulli(jr.key(2), 0.5, given.y.shape)
    rise = _loss_rise(net, hidden, given.y, train)
    target = np.eye(P)[np.array(given.y)]

    def error(readout):
        return (((np.array(hidden) @ readout.T - target) ** 2).sum(1) * np.array(train)).sum()

    readout = np.array(net.readout)
    for unit in (0, 5):
        without = readout.copy()
        without[:, unit] = 0
        np.testing.assert_allclose(
            rise[unit], error(without) - error(readout), rtol=1e-3, atol=1e-4
        )


def test_the_area_under_the_curve():
    score = jnp.array([0.1, 0.4, 0.4, 0.8])
    positive = jnp.array([False, True, False, True])
    # Pairs (positive, negative): .4>.1, .4=.4, .8>.1, .8>.4.
    np.testing.assert_allclose(_area(score, positive), 3.5 / 4, rtol=1e-6)


def made_up(train, test, ceiling=0.65):
    steps = 5 * (1 + np.arange(len(train)))
    data = xr.Dataset(
        {
            "train_accuracy": (("seed", "tick"), [train]),
            "test_accuracy": (("seed", "tick"), [test]),
        },
        {"tick": steps, "seed": [0]},
    )
    final = xr.Dataset({"ceiling": ("seed", [ceiling])}, {"seed": [0]})
    tree = xr.DataTree.from_dict({"/decay": data, "/decay/final": final})
    return {"decay": tree["decay"]}


def test_stages_are_read_off_a_trace():
    train = [0.3, 0.999, 1.0, 0.95, 0.8, 0.66, 0.65, 0.65]
    test = [0.0, 0.0, 0.2, 0.96, 1.0, 1.0, 1.0, 1.0]
    run = made_up(train, test)
    np.testing.assert_array_equal(stages(run, "decay"), [[10, 20, 30]])
    assert in_order(run).tolist() == [1.0]
    # From step 15 (1.0) to .65: below 90 % of the drop at 20 (.857 of it), below 10 % at 30 (.03).
    np.testing.assert_allclose(fall_share(run), [10 / 40])


def test_a_net_that_never_inverts_is_not_in_order():
    run = made_up([0.3, 1.0, 1.0, 1.0], [0.0, 0.5, 0.96, 1.0])
    assert stages(run, "decay")[0].tolist() == [10, 15, np.inf]
    assert in_order(run).tolist() == [0.0]
    # Low accuracy before memorization is no inversion.
    run = made_up([0.3, 0.4, 0.5, 0.6], [0.0, 0.96, 0.96, 1.0])
    assert in_order(run).tolist() == [0.0]


def test_phases_of_a_diagram():
    shape = ("seed", "corruption", "tick")
    data = xr.Dataset(
        {
            "train_accuracy": (shape, [[[0.5, 1.0], [0.9, 0.5], [0.9, 0.1]]]),
            "test_accuracy": (shape, [[[0.5, 1.0], [0.9, 1.0], [0.95, 0.1]]]),
        },
        {"corruption": [0.0, 0.5, 0.8]},
    )
    expected = [[Phase.COEXISTENCE, Phase.FULL_INVERSION, Phase.FORGETTING]]
    np.testing.assert_array_equal(phases_of(data), expected)


def test_all_scales_build_their_arms_and_every_claim_finds_its_own():
    for config in SCALES.values():
        built = arms(config)
        assert {name for claim in CLAIMS for name in claim.arms} <= set(built)
        assert len({arm.ticks for arm in built.values()}) >= 1
    assert {"deep", "phases_norm_8", "phases_dropout_0.9", "width_10000"} <= set(built)


def test_deep_layers_start_with_variance_two_over_fan_in():
    net = DeepNet(97, 400, key=jr.key(0))
    h = jax.vmap(net.first)(jnp.stack(jnp.divmod(jnp.arange(500), 97), -1))
    # Signal keeps its size through He layers: mean square 2 at each pre-activation of two ones.
    np.testing.assert_allclose(jnp.square(h).mean(), 2.0, rtol=0.15)


def test_smoke(smoke):
    config = SCALES["smoke"]
    assert smoke["none"]["test_accuracy"].shape == (config.seeds, config.measurements)
    assert smoke["phases"]["test_accuracy"].dims[1:4] == ("fraction", "corruption", "weight_decay")
    assert smoke["norm"]["final"]["gain"].shape == (config.seeds, config.width)
    assert smoke.judgements == ()
    assert not smoke.diverged
    # The claims can be computed, whatever they say of nets that have learned nothing.
    assert [j.name for j in judge(CLAIMS, smoke)] == [claim.name for claim in CLAIMS]


def test_every_figure_is_drawn_from_the_arms_that_are_there(smoke):
    drawn = plots(smoke)
    assert set(drawn) == {
        "traces", "spectra", "pruning", "stages", "gains", "transformer", "phases"
    }  # fmt: skip
    for figure in drawn.values():
        figures.check_labels(figure)
    part = _Part(transformer=smoke["transformer"])
    part.config = smoke.config
    assert set(plots(part)) == {"transformer"}


class _Part(dict):
    """Some of a run's arms."""


def test_the_net_learns_at_all():
    """A clean table of p = 7, all of it: training accuracy reaches 1 in 100 steps."""
    from engrax.core import observe, repeat, serial

    stream = GroupStream(_addition(7), 0.8)
    system = serial(stream=stream, learner=_learner(_net(7, 32), 0.01, 0.0, 16))
    records = simulate(observe(repeat(system, 50), Accuracies()), 2, key=jr.key(0), seeds=2).records
    assert (records["train_accuracy"][:, -1] == 1).all()
