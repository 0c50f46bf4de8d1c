"""How a budget of rehearsal is split over old tasks, by their age."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int, Key

_KINDS = ("power", "exp", "uniform", "recent", "oldest", "none")


def rehearsal_weights(
    kind: str,
    n_old: int,
    b: float = 1.0,
    lam: float | None = None,
    match: str = "mean_lag",
) -> Float[np.ndarray, " old"]:
    """The share of each of `n_old` old tasks, oldest first; the newest has lag 1, the oldest
    `n_old`. Shares add up to 1, those of "none" to 0.

    **Arguments:**

    - `kind`: "power" is `lag^-b`; "exp" is `exp(-lam (lag - 1))`; "uniform" is the same for all;
      "recent" and "oldest" give all to one task; "none" gives nothing.
    - `lam`: the rate of "exp". If None it is the one that matches the power law with exponent `b`
      over these lags: in the mean lag (`match="mean_lag"`: then only the shape of the tail
      differs), or in the share of lag 1 (`match="lag1"`).

    **Raises:** `ValueError` for another kind or match, a negative `n_old` or `b`.
    """
    if kind not in _KINDS or match not in ("mean_lag", "lag1"):
        raise ValueError(
            f"rehearsal_weights got kind={kind!r} and match={match!r}; kinds are "
            f"{', '.join(_KINDS)}, and matches mean_lag and lag1"
        )
    if n_old < 0 or b < 0:
        raise ValueError(
            f"rehearsal_weights needs n_old and b of at least 0, got n_old={n_old} and b={b}"
        )
    lag = np.arange(n_old, 0, -1.0)
    if kind == "none" or n_old == 0:
        return np.zeros(n_old)
    if kind == "exp":
        rate = matched_rate(n_old, b, match) if lam is None else lam
        return _shares(np.exp(-rate * (lag - 1)))
    if kind == "power":
        return _shares(lag**-b)
    return _shares({"uniform": lag > 0, "recent": lag == 1, "oldest": lag == n_old}[kind])


def matched_rate(n_old: int, b: float, match: str = "mean_lag") -> float:
    """The rate `lam` at which an exponential law has the power law's mean lag, or share of lag 1.

    Both laws run over the lags 1 to `n_old`. With fewer than two lags every rate will do, and with
    `b = 0` it is 0.
    """
    from scipy import optimize  # 0.1 s, and only here

    lag = np.arange(1.0, n_old + 1)
    target = _shares(lag**-b)

    def gap(rate: float) -> float:
        found = _shares(np.exp(-rate * (lag - 1)))
        return float(found[0] - target[0] if match == "lag1" else (target - found) @ lag)

    # The gap grows with the rate, from at most 0; far out all of the weight is on lag 1.
    if n_old < 2 or gap(0.0) >= 0:
        return 0.0
    high = 1.0
    while gap(high) < 0:
        high *= 2
    return optimize.root_scalar(gap, bracket=(0.0, high), xtol=1e-12).root


def rehearsal_table(
    kind: str, tasks: int, b: float = 1.0, lam: float | None = None, match: str = "mean_lag"
) -> Float[np.ndarray, "phases tasks"]:
    """The shares of all tasks in every phase: row `p` holds those of the tasks before `p`, the rest
    is 0. An exponential law has one rate in all phases, matched over the lags 1 to `tasks - 1`.

    **Raises:** as `rehearsal_weights`; `ValueError` for fewer than one task.
    """
    if tasks < 1:
        raise ValueError(f"a table of rehearsal needs at least one task, got {tasks}")
    rate = matched_rate(tasks - 1, b, match) if kind == "exp" and lam is None else lam
    table = np.zeros((tasks, tasks))
    for phase in range(tasks):
        table[phase, :phase] = rehearsal_weights(kind, phase, b, rate, match)
    return table


def rehearsal_counts(
    weights: Float[Array, " tasks"],
    budget: int,
    mode: str = "exact",
    key: Key[Array, ""] | None = None,
) -> Int[Array, " tasks"]:
    """How many of `budget` examples each task gets; all 0 where no weight is above 0.

    **Arguments:** `mode`: "exact" rounds `budget * weight / sum` by largest remainders, earlier
    tasks first at a tie; "sampled" draws every example's task, which needs a `key`.

    **Raises:** `ValueError` for a negative budget, another mode, or a missing key.
    """
    if budget < 0 or mode not in ("exact", "sampled") or (mode == "sampled" and key is None):
        raise ValueError(
            f"rehearsal_counts got budget={budget}, mode={mode!r} and key={key}; give a budget "
            "from 0, and mode 'exact', or 'sampled' with a key"
        )
    weights = jnp.asarray(weights)
    total = jnp.sum(weights)
    share = weights / jnp.where(total > 0, total, 1)
    if mode == "sampled":
        assert key is not None
        drawn = jr.categorical(key, jnp.log(share), shape=(budget,))
        counts = jnp.zeros(len(weights), jnp.int32).at[drawn].add(1)
        return jnp.where(total > 0, counts, 0)
    exact = jnp.float32(budget) * share.astype(jnp.float32)
    counts = jnp.floor(exact).astype(jnp.int32)
    # A stable order: float32 may put a whole share just below, and then it comes first here.
    rank = jnp.argsort(jnp.argsort(jnp.floor(exact) - exact, stable=True), stable=True)
    left = jnp.where(total > 0, budget - jnp.sum(counts), 0)
    return counts + (rank < left).astype(jnp.int32)


def _shares(weights: Float[np.ndarray, " n"] | np.ndarray) -> Float[np.ndarray, " n"]:
    weights = np.asarray(weights, float)
    return weights / weights.sum()
