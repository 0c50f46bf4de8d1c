import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from engrax.continual import NeedProcess, need_odds
from engrax.core import simulate


def process(n=2, b=1.0, floor=0.0, intro=1, every=1, **more):
    return NeedProcess(n, jnp.float32(b), jnp.float32(floor), intro=intro, every=every, **more)


def logs(system, steps, seeds=1, key=0):
    found = simulate(system, steps, key=jr.key(key), seeds=seeds).records
    return found["task"], found["introduced"]


@pytest.mark.parametrize("b", [0.5, 1.0, 2.0])
def test_two_tasks_have_their_closed_form(b):
    system = process(2, b)
    task, introduced = logs(system, 4000)
    np.testing.assert_array_equal(introduced[0, :3], [True, True, False])
    last, z = {0: 0, 1: 1}, []
    state = {"key": jr.key(0), "last": jnp.array([0, 1], jnp.int32)}
    chances = jax.jit(lambda state, s: system.probabilities(state, s))
    for s in range(2, 4000):
        d0, d1 = s - last[0], s - last[1]
        p = d0**-b / (d0**-b + d1**-b)
        if s < 40:
            state["last"] = jnp.array([last[0], last[1]], jnp.int32)
            np.testing.assert_allclose(chances(state, jnp.int32(s)), [p, 1 - p], rtol=1e-5)
        drawn = int(task[0, s])
        z.append(((drawn == 0) - p) / np.sqrt(p * (1 - p)))
        last[drawn] = s
    # Standardized draws: mean 0 and variance 1; 4 standard errors, a false alarm of 1e-4.
    assert abs(np.mean(z)) < 4 / np.sqrt(len(z))
    # Its square has a heavy tail where a draw is rare, so a wide margin.
    assert 0.7 < np.mean(np.square(z)) < 1.3


def test_tasks_are_introduced_one_by_one():
    task, introduced = logs(process(3, intro=4, every=10), 60, seeds=3)
    for p in range(3):
        np.testing.assert_array_equal(task[:, 10 * p : 10 * p + 4], p)
        assert (task[:, : 10 * p] < p).all() or p == 0
    assert introduced.sum() == 3 * 12
    rarer = process(4, b=0.5, intro=2, every=5, spacing="power")
    np.testing.assert_array_equal(rarer.starts(), [0, 5, 20, 45])


def test_a_floor_keeps_old_tasks_alive():
    free, kept = (logs(process(4, 2.0, floor), 4000)[0][0, 2000:] for floor in (0.0, 0.5))

    def least(log):
        return np.bincount(log, minlength=4).min()

    assert least(kept) > 300 > least(free)


def renewal(b, c, steps, rng, longest=10**6):
    """One item that occurs with odds c lag^-b: a log in which the law is exact."""
    log, lag = np.full(steps, -1), 1
    for s in range(steps):
        odds = c * min(lag, longest) ** -b
        if rng.random() < odds / (1 + odds):
            log[s], lag = 0, 1
        else:
            lag += 1
    return log


def test_need_without_memory_has_no_slope():
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(20):
        found = need_odds(rng.integers(0, 5, 3000), 5, 40)
        covered.append(found.ci[0] <= 0 <= found.ci[1])
        np.testing.assert_allclose(found.odds[0], 0.25, rtol=0.25)
    # Of 20 intervals at 95 %, fewer than 15 cover with a probability below 1e-4.
    assert sum(covered) >= 15


@pytest.mark.parametrize("b", [0.4, 0.8])
def test_a_power_law_gives_its_exponent(b):
    rng = np.random.default_rng(1)
    found = [need_odds(renewal(b, 0.5, 20000, rng), 1, 500) for _ in range(3)]
    for each in found:
        error = (each.ci[1] - each.ci[0]) / 2 / 1.96
        assert abs(each.slope + b) < 4.5 * error
        assert error < 0.1 * b
        assert each.aic_exp - each.aic_power > 10
        np.testing.assert_allclose(np.exp(each.intercept), 0.5, rtol=0.25)


def test_an_exponential_is_told_from_a_power_law():
    rng = np.random.default_rng(2)
    log, lag = np.full(20000, -1), 1
    for s in range(len(log)):
        odds = 0.8 * np.exp(-0.15 * min(lag, 20))
        if rng.random() < odds / (1 + odds):
            log[s], lag = 0, 1
        else:
            lag += 1
    found = need_odds(log, 1, 20)
    assert found.aic_power - found.aic_exp > 10
    np.testing.assert_allclose(found.rate, -0.15, rtol=0.15)


def test_counts_agree_with_a_slow_loop():
    rng = np.random.default_rng(3)
    log, use = rng.integers(-1, 3, 200), rng.random(200) < 0.7
    found = need_odds(log, 3, 15, counted=use)
    risk, hit, last = np.zeros(15), np.zeros(15), {}
    for s, event in enumerate(log):
        for task, when in last.items():
            if s - when <= 15 and use[s]:
                risk[s - when - 1] += 1
                hit[s - when - 1] += event == task
        if event >= 0:
            last[int(event)] = s
    there = risk > 0
    np.testing.assert_array_equal(found.lags, 1 + np.flatnonzero(there))
    np.testing.assert_array_equal(found.at_risk, risk[there])
    risk, hit = risk[there], hit[there]
    np.testing.assert_allclose(
        found.odds[hit < risk], (hit / (risk - hit + (hit == risk)))[hit < risk]
    )
    assert np.isinf(found.odds[hit == risk]).all()


def test_the_task_that_just_occurred_stands_above_the_line_of_all_others():
    """The process normalizes over tasks, and that bends its curve of need by more than a quarter of
    the exponent: at lag 1 all rivals are older. From lag 2 on the exponent is right.
    """
    task, introduced = logs(process(10, intro=5, every=400), 8000, seeds=2)
    for log, intro in zip(task, introduced, strict=True):
        every = need_odds(log, 10, 500, counted=~intro)
        later = need_odds(log, 10, 500, min_lag=2, counted=~intro)
        assert every.slope < -1.25
        error = (later.ci[1] - later.ci[0]) / 2 / 1.96
        assert abs(later.slope + 1) < 0.1 + 3 * error
        # With two tasks it is exact: the odds are lag^-b from 2 on, and above 1 at 1.
        assert every.odds[0] > 3
        assert later.lags[0] == 2
    task, introduced = logs(process(2, 1.0), 8000)
    two = need_odds(task[0], 2, 50, counted=~introduced[0])
    often = (two.lags > 1) & (two.at_risk > 400)
    # Standard errors of log odds from 400 risks on are below 0.14 up to lag 10.
    near = often & (two.lags <= 10)
    np.testing.assert_allclose(np.log(two.odds[near]), -np.log(two.lags[near]), atol=0.5)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="sizes from 1"):
        process(0)
    with pytest.raises(ValueError, match="may not overlap"):
        process(2, intro=3, every=2)
    with pytest.raises(ValueError, match="overlap at b=2"):
        process(4, b=2.0, intro=4, every=4, spacing="power")
    with pytest.raises(ValueError, match="one whole number a step"):
        need_odds(np.zeros(5), 1, 3)
    with pytest.raises(ValueError, match="n_tasks - 1"):
        need_odds(np.array([0, 3]), 2, 3)
    with pytest.raises(ValueError, match="longer log"):
        need_odds(np.array([0, 1]), 2, 3)
