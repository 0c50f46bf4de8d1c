"""Conditioning: a table of closed forms, both conventions on compounds, and a NumPy oracle."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from engrax.memory import AssociativeMemory
from engrax.plasticity import delta_rule, hebb, td_rule, trace_rule
from engrax.tasks import (
    ConditioningExperiment,
    Phase,
    acquisition,
    blocking,
    conditioned_inhibition,
    extinction,
    latent_inhibition,
    over_expectation,
    overshadowing,
    second_order,
    trace_conditioning,
    unblocking,
)

RATE, LONG = 0.2, 300


def run(experiment, rule, rate=RATE, **options):
    size = len(experiment.stimulus(""))
    return experiment.run(AssociativeMemory(size, 1, rule), rate=rate, **options)


def last(experiment, rule, **options):
    return {name: float(r[-1]) for name, r in run(experiment, rule, **options).items()}


def test_acquisition_is_exact_at_every_trial():
    n = np.arange(1, 21)
    np.testing.assert_allclose(run(acquisition(20), delta_rule)["A"], 1 - 0.8**n, atol=1e-5)
    np.testing.assert_allclose(run(acquisition(20), hebb)["A"], RATE * n, atol=1e-5)


@pytest.mark.parametrize(
    ("experiment", "delta", "hebbian"),
    [
        (extinction(LONG), {"A": 0}, {"A": RATE * LONG}),
        (overshadowing(LONG), {"A": 0.5, "B": 0.5}, {"A": RATE * LONG, "B": RATE * LONG}),
        (blocking(LONG), {"A": 1, "B": 0}, {"A": 2 * RATE * LONG, "B": RATE * LONG}),
        (unblocking(LONG, magnitude=3.0), {"A": 2, "B": 1}, {"A": RATE * 4 * LONG}),
        (conditioned_inhibition(LONG), {"A": 1, "B": -1}, {"A": RATE * LONG, "B": 0}),
        (over_expectation(LONG), {"A": 0.5, "B": 0.5}, {"A": 2 * RATE * LONG}),
        (latent_inhibition(LONG), {"A": 1}, {"A": RATE * LONG}),
        (trace_conditioning(LONG), {"A": 0}, {"A": 0}),
        (second_order(LONG), {"A": 0, "B": 0}, {"A": RATE * LONG, "B": 0}),
    ],
)
def test_the_table(experiment, delta, hebbian):
    for rule, expected in ((delta_rule, delta), (hebb, hebbian)):
        found = last(experiment, rule)
        for name, value in expected.items():
            # Relative for hebb, whose responses grow to 60 and more.
            assert found[name] == pytest.approx(value, rel=1e-4, abs=1e-4), (rule, name)


def test_salience_splits_by_its_square():
    elements = {"A": np.array([2.0, 0.0]), "B": np.array([0.0, 1.0])}
    found = last(overshadowing(LONG, elements=elements), delta_rule)
    assert found == pytest.approx({"A": 0.8, "B": 0.2}, abs=1e-4)


def test_compounds_of_norm_one_share_more_and_block_less():
    shared = last(overshadowing(LONG, normalize_compound=True), delta_rule)
    assert shared == pytest.approx(dict.fromkeys("AB", 2**-0.5), abs=1e-4)
    blocked = last(blocking(LONG, normalize_compound=True), delta_rule)
    assert blocked["B"] == pytest.approx((2**0.5 - 1) / 2, abs=1e-4)


def test_a_trace_bridges_the_gap():
    lam, gap, trials, rest = 0.6, 3, 5, 2
    found = last(trace_conditioning(trials, gap=gap, rest=rest), eqx.Partial(trace_rule, trace=lam))
    # Trial m still has the traces of the trials before it, a period of `gap + 1 + rest` apart.
    period = gap + 1 + rest
    left = [lam**gap * sum(lam ** (period * j) for j in range(m + 1)) for m in range(trials)]
    assert found["A"] == pytest.approx(RATE * sum(left), rel=1e-5)
    once = last(trace_conditioning(1, gap=gap), eqx.Partial(trace_rule, trace=lam))
    assert once["A"] == pytest.approx(RATE * lam**gap, rel=1e-5)


def test_second_order_conditioning_needs_a_forecast():
    # As many trials of B -> A extinguish A, so B rises and falls: it is there after a few.
    phases = ConditioningExperiment((Phase("A+ .", LONG), Phase("B A .", 3)))
    rule = eqx.Partial(td_rule, discount=0.9)
    assert last(phases, rule, lookahead=True)["B"] > 0.2
    assert last(phases, delta_rule)["B"] == 0


def test_ten_thousand_subjects_of_an_independent_loop():
    """Rescorla and Wagner's sum over present cues, as a loop over events."""
    rng = np.random.default_rng(0)
    subjects, trials, cues, alpha = 10_000, 12, 4, 0.15
    present = rng.random((subjects, trials, cues)) < 0.5
    outcome = rng.random((subjects, trials)) < 0.6
    strength = np.zeros((subjects, cues))
    for t in range(trials):
        total = (strength * present[:, t]).sum(1)
        strength += alpha * present[:, t] * (outcome[:, t] - total)[:, None]
    memory = AssociativeMemory(cues, 1, delta_rule)

    def subject(keys, values):
        return memory.scan(keys, values[:, None], keys, rate=alpha)[1].weight[0]

    found = jax.jit(jax.vmap(subject))(
        jnp.asarray(present, jnp.float32), jnp.asarray(outcome, jnp.float32)
    )
    # Twelve steps in float32.
    np.testing.assert_allclose(found, strength, atol=1e-5)


def test_trials_that_cannot_be_read_are_named():
    for trial in ("A*", "A+-", "1+", "-"):
        with pytest.raises(ValueError, match="A step is letters"):
            ConditioningExperiment((Phase(trial),))
    with pytest.raises(ValueError, match="no element for B"):
        ConditioningExperiment((Phase("AB+"),), {"A": np.ones(2)})
