"""Whether a log of events follows a power law of need."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy import special


class NeedOdds(NamedTuple):
    """What `need_odds` finds.

    **Fields:** `lags` (n,), those at which some task was at risk; `odds` (n,) there, 0 where none
    came back; `at_risk` (n,), how often; `slope` of log odds against log lag (for a power law with
    exponent b it is -b), its interval `ci`, and `intercept`; `r_squared` of that line over the lags
    with odds above 0, each weighted by its precision; `rate` and `rate_intercept` of the
    exponential alternative, log odds against lag; `aic_power`, `aic_exp` of the two models: the
    lower one describes the log better.
    """

    lags: Float[np.ndarray, " lags"]
    odds: Float[np.ndarray, " lags"]
    at_risk: Float[np.ndarray, " lags"]
    slope: float
    ci: tuple[float, float]
    intercept: float
    r_squared: float
    rate: float
    rate_intercept: float
    aic_power: float
    aic_exp: float


def need_odds(
    events: ArrayLike,
    n_tasks: int,
    max_lag: int,
    *,
    min_lag: int = 1,
    counted: ArrayLike | None = None,
    level: float = 0.95,
) -> NeedOdds:
    """The odds that a task is needed, given how long ago it was last needed: Anderson & Schooler's
    (1991) analysis, for the log of any process.

    At step `s` a task that last occurred at `s - l` is at risk at lag `l`; over all tasks and
    steps, P(l) is the share of those risks at which it occurred, and the odds are P / (1 - P). Both
    models are logistic regressions on these counts, by maximum likelihood, so that lags at which
    nothing ever came back count too: log odds linear in log lag, and linear in lag.

    **Arguments:**

    - `events` (steps,): the task that occurred at each step, from 0; -1 where none did.
    - `n_tasks`: how many tasks there are; they are taken together.
    - `min_lag`, `max_lag`: shorter and longer lags are left out. Where exactly one task occurs at
      each step, the one that just did competes with older ones alone: lag 1 then stands above the
      line of all others, and 2 is the lag to start from.
    - `counted` (steps,): steps that count as risks; the others (introductions, say) only set the
      tasks' clocks.
    - `level`: of the interval, which takes steps as independent given the lags.

    **Raises:** `ValueError` where events are not one task from -1 to `n_tasks - 1` a step, where
    `counted` is of another shape, and for a log in which too little comes back.
    """
    log = np.asarray(events)
    use = np.ones(log.shape, bool) if counted is None else np.asarray(counted, bool)
    if log.ndim != 1 or use.shape != log.shape or not np.issubdtype(log.dtype, np.integer):
        raise ValueError(
            f"need_odds got events of shape {log.shape} and type {log.dtype}, counted of shape "
            f"{use.shape}; give one whole number a step, and as many in counted"
        )
    if (
        n_tasks < 1
        or not 1 <= min_lag < max_lag
        or (log.size and not -1 <= log.min() <= log.max() < n_tasks)
    ):
        ends = (log.min(), log.max()) if log.size else (0, 0)
        raise ValueError(
            f"need_odds got n_tasks={n_tasks}, lags from {min_lag} to {max_lag} and events from "
            f"{ends[0]} to {ends[1]}; tasks are -1 (none) to n_tasks - 1, and there are two lags "
            "from 1 on, or more"
        )
    risk, hit = _counts(log, use, n_tasks, max_lag)
    there = (risk > 0) & (np.arange(max_lag) >= min_lag - 1)
    if there.sum() < 2 or hit[there].sum() < 2:
        raise ValueError(
            f"need_odds found risks at {there.sum()} lags and {int(hit[there].sum())} events that "
            "came back; it takes two of each, so give a longer log"
        )
    lags = 1.0 + np.flatnonzero(there)
    risk, hit = risk[there], hit[there]
    power, error, power_fit = _logistic(np.log(lags), risk, hit)
    exponential, _, exponential_fit = _logistic(lags, risk, hit)
    half = float(special.ndtri(0.5 + level / 2)) * error
    with np.errstate(divide="ignore"):
        odds = hit / (risk - hit)
    return NeedOdds(
        lags,
        odds,
        risk,
        power[1],
        (power[1] - half, power[1] + half),
        power[0],
        _r_squared(np.log(lags), risk, hit, power),
        exponential[1],
        exponential[0],
        4 - 2 * power_fit,
        4 - 2 * exponential_fit,
    )


def _counts(
    log: np.ndarray, use: np.ndarray, n_tasks: int, max_lag: int
) -> tuple[np.ndarray, np.ndarray]:
    """At each lag from 1: how often a task was at risk, and how often it occurred."""
    risk, hit = np.zeros(max_lag), np.zeros(max_lag)
    steps = np.arange(len(log))
    for task in range(n_tasks):
        here = log == task
        # The last occurrence before each step.
        last = np.maximum.accumulate(np.where(here, steps, -1))
        last = np.concatenate([[-1], last[:-1]]) if len(log) else last
        lag = steps - last
        ok = (last >= 0) & use & (lag <= max_lag)
        risk += np.bincount(lag[ok] - 1, minlength=max_lag)
        hit += np.bincount(lag[ok & here] - 1, minlength=max_lag)
    return risk, hit


def _logistic(
    x: np.ndarray, risk: np.ndarray, hit: np.ndarray
) -> tuple[tuple[float, float], float, float]:
    """Intercept and slope by Newton's method, the slope's standard error, the log likelihood."""
    center, spread = x.mean(), x.std()
    design = np.stack([np.ones_like(x), (x - center) / spread], 1)

    def likelihood(beta: np.ndarray) -> float:
        line = design @ beta
        return float(hit @ line - risk @ np.logaddexp(0, line))

    share = (hit.sum() + 0.5) / (risk.sum() + 1)
    beta = np.array([np.log(share / (1 - share)), 0.0])
    value, information = likelihood(beta), np.eye(2)
    for _ in range(200):
        p = special.expit(design @ beta)
        information = (design * (risk * p * (1 - p))[:, None]).T @ design
        step = np.linalg.lstsq(information, design.T @ (hit - risk * p), rcond=None)[0]
        # Halved until it climbs: the likelihood is concave, so this cannot get stuck.
        while (new := likelihood(beta + step)) < value and np.abs(step).max() > 1e-12:
            step = step / 2
        beta, gain, value = beta + step, new - value, new
        if abs(gain) < 1e-10 * (1 + abs(value)):
            break
    error = float(np.sqrt(np.linalg.pinv(information)[1, 1])) / spread
    slope = float(beta[1]) / spread
    return (float(beta[0]) - slope * center, slope), error, value


def _r_squared(
    x: np.ndarray, risk: np.ndarray, hit: np.ndarray, line: tuple[float, float]
) -> float:
    """The share of the empirical log odds' weighted variance that the line explains."""
    ok = (hit > 0) & (hit < risk)
    if ok.sum() < 3:
        return float("nan")
    logit = np.log(hit[ok] / (risk[ok] - hit[ok]))
    weight = hit[ok] * (1 - hit[ok] / risk[ok])
    center = np.average(logit, weights=weight)
    left = np.average((logit - line[0] - line[1] * x[ok]) ** 2, weights=weight)
    return float(1 - left / np.average((logit - center) ** 2, weights=weight))
