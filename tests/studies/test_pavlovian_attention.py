"""The study: systems in limits that are known, claims on made-up runs, itself at smoke."""

import dataclasses

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import xarray as xr

from engrax.core import simulate
from engrax.lab import figures, judge, run_study
from engrax.studies.pavlovian_attention import CLAIMS, SCALES, STUDY, arms, plots
from engrax.studies.pavlovian_attention import _claims as claims
from engrax.studies.pavlovian_attention._conditioning import Identity, conditioning
from engrax.studies.pavlovian_attention._recall import RULES, _arm
from engrax.studies.pavlovian_attention._rules import Storage
from engrax.tasks import AssociativeRecall
from tests.made_run import Made


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    return run_study(STUDY, scale="smoke", claims=(), out=tmp_path_factory.mktemp("run") / "smoke")


def test_attention_is_conditioning():
    records = simulate(Identity(64), 2, key=jr.key(0), seeds=2).records
    # 64 steps of float32 products.
    assert max(records["plain"].max(), records["mapped"].max()) < 1e-5


def test_the_table_holds():
    data = conditioning(SCALES["smoke"])
    assert float(data["error"].max()) < 1e-4
    for name in ("trace_error", "salience_error", "td_error", "form_error"):
        assert float(data[name]) < 1e-5


def test_storage_as_measured_elsewhere():
    """One sweep of delta forgets old pairs: its nearest value is worse at N = d, its error not."""

    def stored(rule, sweeps, d, n):
        system = Storage(rule, sweeps, d, (n,), jnp.zeros(1), 0.25, 20)
        records = simulate(system, 1, key=jr.key(0), seeds=2).records
        return {name: float(a.mean()) for name, a in records.items()}

    hebb, delta, swept = (
        stored(rule, sweeps, 64, 64) for rule, sweeps in (("hebb", 1), ("delta", 1), ("delta", 20))
    )
    # The sheet's figures come from NumPy and few draws, hence the third decimal is open.
    assert hebb["recall"] > 0.98 > 0.95 > delta["recall"] > 0.84
    assert hebb["error"] == pytest.approx(0.97, abs=0.03)
    assert delta["error"] == pytest.approx(0.72, abs=0.03)
    assert swept["recall"] > 0.99
    assert swept["error"] == pytest.approx(0.34, abs=0.04)
    assert delta["overwrite"] > hebb["overwrite"] + 0.3


def test_every_trained_rule_learns_a_small_task():
    config = dataclasses.replace(
        SCALES["smoke"], keys=4, values=3, pairs=(2,), steps=150, batch=32, measurements=1,
        rates=(1e-2, 2e-2, 4e-2), test_prompts=64,
    )  # fmt: skip
    for name in RULES:
        arm = _arm(config, name)
        records = simulate(arm.system, 1, key=jr.key(0), seeds=1).records
        assert records["test"].max() > 0.7, name  # chance is 1/3


def test_the_task_is_a_stream_of_the_configured_sizes():
    arm = _arm(SCALES["cpu"], "delta")
    task = arm.system["learner"] and arm.system.inner.inner.tasks[1]
    assert isinstance(task, AssociativeRecall)
    assert (task.keys, task.values, task.pairs, task.batch) == (128, 128, 16, 64)
    assert arm.tuning.values == (1e-3, 3e-3, 1e-2)


def capacities(values, d):
    return xr.Dataset(
        {"capacity": (("seed", "cosine", "tick", "d_key"), np.asarray(values)[:, None, None])},
        {"d_key": d, "cosine": [0.1]},
    )


def test_slopes_of_power_laws():
    d = np.array([16, 32, 64, 128, 256, 512, 1024])
    bend = np.where(d <= 256, d, 256.0)
    run = Made(
        SCALES["cpu"],
        a=capacities([3 * d**0.5, 2 * d**0.5], d),
        b=capacities([bend, bend], d),
        bits=capacities([2.0 * bend], d),
        capacity_theory=xr.Dataset({"bits": (("cosine", "d_key"), bend[None])}, {"cosine": [0.1]}),
    )
    np.testing.assert_allclose(claims.slope(run, "a"), 0.5)
    np.testing.assert_allclose(claims.slope(run, "b", upper=True), 0, atol=1e-9)
    assert (claims.slope_difference(run, "b", "a") > 0.1).all()
    np.testing.assert_allclose(claims.saturation(run, 0.1), 2)


def chain_run(failure):
    """Chains that obey the series law for these failures (seed, cell)."""
    config = dataclasses.replace(SCALES["cpu"], chain_d_keys=(16,), chain_loads=(0.5,), chains=5000)
    depth = np.array(config.depths)
    success = (1 - failure[:, :, None]) ** depth
    data = xr.Dataset(
        {
            "cleaned": (("seed", "tick", "cell", "depth"), success[:, None]),
            "failure": (("seed", "tick", "cell"), failure[:, None]),
        },
        {"depth": depth},
    )
    return Made(config, chains=data)


def test_the_series_law_is_recognized_and_its_breach_too():
    # Two halves of the seeds differ, as two draws would.
    failure = np.array([0.1, 0.01, 0.001, 0.0]) * np.array([[1.02], [0.98]] * 5)
    run = chain_run(failure)
    assert claims.agreeing(run) == 1
    run.arms["chains"]["cleaned"] = run["chains"]["cleaned"] * 0.5
    assert claims.agreeing(run) == 0


def test_minimal_heads_grow_with_log_depth():
    # p_H = 0.04 e^-(H - 1): the failure of L layers is L p_H, so H = 1 + ln(4 L).
    heads = np.array(SCALES["cpu"].heads)
    run = chain_run(np.tile(0.04 * np.exp(-(heads - 1.0)), (3, 1)))
    depth = np.array(run.config.depths)
    # 1 - (1 - p)^L is a little below L p, and interpolation is exact otherwise.
    np.testing.assert_allclose(claims.minimal_heads(run)[0], 1 + np.log(4 * depth), atol=0.15)
    assert (claims.heads_on_depth(run, 1) > 0.9).all()


def test_intervals_that_include_zero():
    assert claims.within_its_interval(0.1, 0.2) <= 1
    assert claims.within_its_interval(-0.3, 0.2) > 1
    assert claims.within_its_interval(0.0, 0.0) <= 1


def test_smoke(smoke):
    config = SCALES["smoke"]
    assert smoke["bits"]["capacity"].dims == ("seed", "cosine", "tick", "d_key")
    assert smoke["trained_delta"]["test"].dims == ("seed", "tick", "pairs")
    assert smoke["trained_delta"]["final"]["ratio"].shape == (2, len(config.pairs))
    assert smoke.judgements == ()
    assert not smoke.diverged
    assert [j.name for j in judge(CLAIMS, smoke)] == [claim.name for claim in CLAIMS]


def test_every_figure_is_drawn_from_the_arms_that_are_there(smoke):
    drawn = plots(smoke)
    assert set(drawn) == {"conditioning", "capacity", "chains", "rules", "recall", "blocking"}
    for figure in drawn.values():
        figures.check_labels(figure)
    few = Made(smoke.config, conditioning=smoke["conditioning"])
    assert set(plots(few)) == {"conditioning"}


@pytest.mark.parametrize("scale", ["smoke", "cpu", "paper"])
def test_claims_name_arms_that_exist(scale):
    known = arms(SCALES[scale])
    for claim in CLAIMS:
        assert set(claim.arms) <= set(known), claim.name
