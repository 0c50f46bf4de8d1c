import dataclasses
import itertools

import jax.random as jr
import numpy as np
import pytest
import xarray as xr

from engrax.core import simulate
from engrax.lab import Arm, claims_hash, figures, run_study
from engrax.studies.counter_current import CLAIMS, SCALES, STUDY, arms
from engrax.studies.counter_current._cost import crossing_gradients, step_cost
from engrax.studies.counter_current._figures import plots
from engrax.studies.counter_current._mlp import RULES, rules

KEY = jr.key(0)
SMOKE = SCALES["smoke"]
OWN = ("C1m", "C1", "C2", "C3", "C6")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("counter_current") / "run"
    return run_study(STUDY, scale="smoke", claims=OWN, out=folder)


def test_every_claim_can_be_read_and_every_figure_is_drawn(run):
    for claim in CLAIMS:
        if claim.name in OWN:
            for part in claim.parts.values():
                values = np.atleast_1d(np.asarray(part.value(run), float))
                assert values.ndim == 1
                assert np.isfinite(values).all()
    drawn = plots(run)
    assert set(drawn) == {
        "accuracy", "learning", "rates", "agreement", "weights", "cost",
    }  # fmt: skip
    for figure in drawn.values():
        figures.check_labels(figure)


def test_arms_of_one_seed_share_initial_weights_and_batches():
    ccl, bp = (arms(SMOKE)[name]().system.init(key=KEY) for name in ("ccl", "bp"))
    assert (jr.key_data(ccl["stream"]["key"]) == jr.key_data(bp["stream"]["key"])).all()
    up, layers = ccl["learner"]["model"].forward_weights, bp["learner"]["model"].layers
    for one, layer in zip(up, layers, strict=True):
        np.testing.assert_array_equal(one, layer.weight)


def test_a_frozen_feedback_network_stays_as_it_was_drawn():
    arm = arms(SMOKE)["frozen"]()
    before = arm.system.init(key=jr.fold_in(KEY, 0))
    after = simulate(arm.system, 2, key=KEY, seeds=1).state
    for one, other in zip(
        before["learner"]["model"].feedback_weights,
        after["learner"]["model"].feedback_weights,
        strict=True,
    ):
        assert np.asarray(one).tobytes() == np.asarray(other)[0].tobytes()


def test_no_gradient_crosses_a_layer():
    crossing, local = crossing_gradients((12, 8, 8, 4))
    assert crossing == 0.0
    assert local > 1e-4


@pytest.mark.parametrize(("rule", "paper", "slack"), [("bp", 2.39, 1.1), ("ccl", 2.55, 1.15)])
def test_operations_of_a_step_come_close_to_the_paper(rule, paper, slack):
    """Million operations an image on the paper's net; ours count the update and the slopes too."""
    learner = rules(SMOKE, (784, *[256] * 5, 10))[rule]
    flops = step_cost(learner, 32)[0] / 1e6
    assert paper < flops < slack * paper


class Records(dict):
    """As much of a run as a claim reads."""

    diverged = ()


def test_the_best_baseline_is_taken_for_each_seed():
    """The lead over the best of three is the least lead, seed by seed."""

    def arm(*accuracy):
        return xr.Dataset({"test_accuracy": (("seed", "tick"), [[0.0, v] for v in accuracy])})

    def with_seeds(data):
        return data.assign_coords(seed=np.arange(2))

    run = {
        "ccl": arm(0.9, 0.8), "fa": arm(0.5, 0.7), "dfa": arm(0.8, 0.5), "fwdtp": arm(0.1, 0.1),
        "bp": arm(0.9, 0.9), "drtp": arm(0.3, 0.3),
    }  # fmt: skip
    run = Records({name: with_seeds(data) for name, data in run.items()})
    claim = next(claim for claim in CLAIMS if claim.name == "C1")
    lead = claim.parts["CCL - best of FA, DFA, FW-DTP"].value(run)
    np.testing.assert_allclose(lead, [0.1, 0.1])


def test_rules_are_those_of_the_sheet():
    """A rule that moves must move this line too."""
    own = tuple(claim for claim in CLAIMS if claim.name in OWN)
    regions = {
        claim.name: [(p.rule.low, p.rule.high, p.interval) for p in claim.parts.values()]
        for claim in own
    }
    inf = np.inf
    comparable = [(0.0, inf, "t"), (-0.005, inf, "t"), (-inf, 0.02, "t")]
    assert regions == {
        "C1m": comparable,
        "C1": comparable,
        "C2": [(0.0, inf, "t")] * 2,
        "C3": [(0.0, inf, "t")] * 3,
        "C6": [(0.0, 0.0, "exact"), (-inf, 1.2, "exact"), (3.0, inf, "exact")],
    }
    assert len(claims_hash(own)) == 64


def test_every_rule_searches_a_grid_of_one_form():
    config = SCALES["cpu"]
    grids = [getattr(config, f"{rule}_rates") for rule in RULES]
    ratios = {round(b / a, 6) for grid in grids for a, b in itertools.pairwise(grid)}
    assert {len(grid) for grid in grids} == {3}
    assert ratios == {2.0}


def test_only_the_arms_that_are_asked_for_are_built():
    lazy = arms(dataclasses.replace(SMOKE, data="cifar100"))
    assert isinstance(lazy["mnist_bp"](), Arm)
