"""The claims, fixed before any run; each rule reads one value a seed."""

from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from engrax.continual import (
    NeedOdds,
    average_accuracy,
    need_odds,
    need_weighted_accuracy,
    rehearsal_weights,
)
from engrax.lab import (
    Claim,
    Part,
    at_least,
    at_most,
    between,
    non_inferior,
    paired_difference,
    t_half_width,
)
from engrax.probes import first_passage

REGULARIZERS = ("ewc", "si", "l2", "lwf")
COMBINED = ("power_ewc", "power_lwf")
RIVALS = {"exp": "exponential, same mean lag", "recent": "last task only",
          "oldest": "first task only"}  # fmt: skip
SHARES = {"small": "r=.1", "large": "r=.5"}
PERCENT = (2, 5, 10, 25, 50)
"""Shares of rehearsal of C5 at the middle width, as its arms are called by them."""
CELLS = (*(f"middle_{p}" for p in PERCENT), "narrow_10", "wide_10")
"""Width and share of the pairs of arms of C5."""


def average(arm: Any) -> xr.DataArray:
    """A_T, mean accuracy over all tasks after the last one: (seed,)."""
    return after(arm, arm["accuracy"].sizes["tick"])


def after(arm: Any, tasks: int) -> xr.DataArray:
    """A_T for the first `tasks` tasks: what comes later cannot reach back."""
    found = arm["accuracy"].transpose("seed", "tick", "tested")[:, :tasks, :tasks]
    return _by_seed(arm, average_accuracy(found.to_numpy()))


def needed(run: Any, arm: Any) -> xr.DataArray:
    """W_T, where each task counts by how likely the power law needs it next: (seed,)."""
    found = arm["accuracy"].transpose("seed", "tick", "tested").to_numpy()
    weights = rehearsal_weights("power", found.shape[-1], run.config.b)
    return _by_seed(arm, need_weighted_accuracy(found, weights))


def lead(run: Any, first: str, second: str) -> xr.DataArray:
    """A_T of one arm minus that of another, seed by seed."""
    return paired_difference(run, first, second, average)


def over_regularizers(run: Any) -> xr.DataArray:
    """A_T of the power law minus that of each seed's best regularizer."""
    best = xr.concat([average(run[name]) for name in REGULARIZERS], "method", join="exact")
    with xr.set_options(arithmetic_join="exact"):
        return average(run["power_small"]) - best.max("method")


def steps_to_criterion(run: Any, name: str) -> tuple[xr.DataArray, xr.DataArray]:
    """Steps (seed, tick) until the present task's test accuracy reaches the criterion, and whether
    it never did, when they are all the steps of the trace.
    """
    traced = run[name]["trace"].transpose("seed", "tick", "point")
    curves = jnp.asarray(traced.to_numpy())
    level = jnp.float32(run.config.criterion)
    step, censored = jax.vmap(jax.vmap(lambda curve: first_passage(curve, level)))(curves)
    points = np.minimum(np.asarray(step) + 1, curves.shape[-1])
    dims, coords = ("seed", "tick"), {"seed": traced["seed"], "tick": traced["tick"]}
    return (
        xr.DataArray(run.config.trace * points, coords, dims),
        xr.DataArray(np.asarray(censored), coords, dims),
    )


def facilitation(run: Any, name: str) -> xr.DataArray:
    """Slope of log steps to criterion against the task's number: (seed,)."""
    steps, _ = steps_to_criterion(run, name)
    slopes = np.polyfit(steps["tick"].to_numpy(), np.log(steps.to_numpy()).T, 1)[0]
    return _by_seed(run[name], slopes)


def facilitation_lead(run: Any, first: str, second: str) -> xr.DataArray:
    """Slope of one arm minus that of another: negative where it gets faster by more."""
    with xr.set_options(arithmetic_join="exact"):
        return facilitation(run, first) - facilitation(run, second)


def drop(arm: Any) -> xr.DataArray:
    """What A_T loses from 5 tasks to 20."""
    return after(arm, 5) - after(arm, 20)


def share_rank(run: Any) -> xr.DataArray:
    """Spearman's rho of A_T and the share of rehearsal: (seed,)."""
    tasks = run.config.tasks
    found = np.stack([after(run[f"power_middle_{p}"], tasks).to_numpy() for p in PERCENT], 1)
    # Average ranks, so that ties count half.
    below = (found[:, :, None] > found[:, None]).sum(-1)
    rank = below + ((found[:, :, None] == found[:, None]).sum(-1) - 1) / 2
    order = np.arange(len(PERCENT))
    rho = [np.corrcoef(order, each)[0, 1] if np.ptp(each) else 0.0 for each in rank]
    return _by_seed(run["power_middle_10"], np.array(rho))


def cell_leads(run: Any) -> dict[tuple[str, int], xr.DataArray]:
    """(width and share, tasks) -> A_T of the power law minus EWC's, in each cell that was run."""
    found = {}
    for cell in CELLS:
        power, ewc = run[f"power_{cell}"], run[f"ewc_{cell}"]
        for tasks in run.config.robust_tasks:
            if tasks <= power["accuracy"].sizes["tick"]:
                found[cell, tasks] = after(power, tasks) - after(ewc, tasks)
    return found


def cells_won(run: Any) -> xr.DataArray:
    """The share of cells in which the power law beats EWC: (seed,)."""
    return (xr.concat(list(cell_leads(run).values()), "cell", join="exact") > 0).mean("cell")


def best_combination(run: Any) -> xr.DataArray:
    """The lead over the power law alone of the combination whose interval reaches less far down:
    its interval is above a line where that of at least one combination is.
    """
    leads = [lead(run, name, "power_small") for name in COMBINED]
    return max(leads, key=lambda x: float(x.mean() - t_half_width(x.to_numpy())))


def counts_error(run: Any, name: str) -> xr.DataArray:
    """The largest deviation of the numbers of rehearsed images from those of the power law by
    largest remainders, in all phases: (seed,).
    """
    found = run[name]["rehearsed"].transpose("seed", "tick", "tested").to_numpy()
    budget = int(found[0, 0].sum())
    error = np.zeros(len(found))
    for phase in range(1, found.shape[1]):
        right = exact_counts(phase, budget, run.config.b)
        error = np.maximum(error, np.abs(found[:, phase, :phase] - right).max(-1))
        error = np.maximum(error, np.abs(found[:, phase, phase:]).max(-1))
    return _by_seed(run[name], error)


def exact_counts(old: int, budget: int, b: float) -> np.ndarray:
    """`budget` in proportion to lag^-b, oldest first, rounded by largest remainders in exact
    arithmetic.
    """
    weights = [Fraction(float(lag) ** -b).limit_denominator(10**9) for lag in range(old, 0, -1)]
    share = [budget * w / sum(weights) for w in weights]
    counts = [int(s) for s in share]
    late = sorted(range(old), key=lambda k: (counts[k] - share[k], k))
    for k in late[: budget - sum(counts)]:
        counts[k] += 1
    return np.array(counts)


def odds(run: Any) -> list[NeedOdds]:
    """The curve of need of every seed's log of the stochastic environment."""
    arm, config = run["need"], run.config
    task, introduced = (
        arm[name].transpose("seed", "tick").to_numpy() for name in ("task", "introduced")
    )
    return [
        need_odds(events, config.tasks, config.max_lag, counted=~intro)
        for events, intro in zip(task, introduced, strict=True)
    ]


def _of_odds(run: Any, measure: Any) -> xr.DataArray:
    return _by_seed(run["need"], np.array([measure(each) for each in odds(run)]))


def _by_seed(arm: Any, values: np.ndarray) -> xr.DataArray:
    return xr.DataArray(values, {"seed": arm["seed"].to_numpy()}, ["seed"])


def _against_rehearsal() -> dict[str, Part]:
    parts = {}
    for size, share in SHARES.items():
        for rival, label in RIVALS.items():
            parts[f"A_T: power - {label}, {share}"] = Part(
                lambda run, a=f"power_{size}", b=f"{rival}_{size}": lead(run, a, b),
                at_least(0.0),
                unit="%",
            )
        parts[f"A_T: power - uniform, {share}"] = Part(
            lambda run, a=f"power_{size}", b=f"uniform_{size}": lead(run, a, b),
            non_inferior(0.03),
            unit="%",
        )
        parts[f"need-weighted accuracy: power - uniform, {share}"] = Part(
            lambda run, a=f"power_{size}", b=f"uniform_{size}": (
                needed(run, run[a]) - needed(run, run[b])
            ),
            at_least(0.0),
            unit="%",
        )
    return parts


CLAIMS = (
    Claim(
        "C1",
        "A plain net hardly forgets where old tasks come back by a power law: a tenth as many "
        "rehearsed as new examples keeps it 20 points above fine-tuning with as many updates.",
        arms=("power_small", "none_small"),
        parts={
            "A_T: power law - fine-tuning": Part(
                lambda run: lead(run, "power_small", "none_small"), at_least(0.2), unit="%"
            )
        },
        paper="forgetting is mitigated; numbers could not be read",
    ),
    Claim(
        "C2",
        "Power-law rehearsal is comparable or superior to regularization: EWC, SI, L2 and LwF, "
        "each at its best strength.",
        arms=("power_small", *REGULARIZERS),
        parts={
            "A_T: power law - best regularizer of each seed": Part(
                over_regularizers, non_inferior(0.02), unit="%"
            )
        },
        paper="comparable or superior",
    ),
    Claim(
        "C3",
        "It is superior to as much rehearsal by an exponential law, of the last task or of the "
        "first, not inferior to uniform rehearsal by more than 3 points, and better than that "
        "where tasks count by how likely they are needed next.",
        arms=tuple(f"{name}_{size}" for size in SHARES for name in ("power", *RIVALS, "uniform")),
        parts=_against_rehearsal(),
        paper="comparable or superior to rehearsal in environments without a power law",
    ),
    Claim(
        "C4",
        "Later tasks are learned faster, and not because a fresh net would learn them faster.",
        arms=("power_small", "none_small", "fresh"),
        parts={
            "slope of log steps to criterion, power law": Part(
                lambda run: facilitation(run, "power_small"), at_most(0.0)
            ),
            "slope: power law - fresh nets": Part(
                lambda run: facilitation_lead(run, "power_small", "fresh"), at_most(0.0)
            ),
        },
        paper="later tasks are learned faster",
    ),
    Claim(
        "C5",
        "It holds up: from 5 tasks to 20 it loses less than half of what fine-tuning loses, more "
        "rehearsal is never worse, and it beats EWC in four of five cells of tasks, widths and "
        "shares.",
        arms=("none_middle_10", *(f"{m}_{cell}" for m in ("power", "ewc") for cell in CELLS)),
        parts={
            "loss from 5 to 20 tasks - half of fine-tuning's": Part(
                lambda run: drop(run["power_middle_10"]) - drop(run["none_middle_10"]) / 2,
                at_most(0.0),
                unit="%",
            ),
            "Spearman's rho of A_T and the share": Part(share_rank, at_least(0.0)),
            "share of cells in which it beats EWC": Part(cells_won, at_least(0.8), unit="%"),
        },
        paper="robust to the number of tasks, model size and amount of rehearsal",
    ),
    Claim(
        "C6",
        "It can be combined: with EWC or with LwF it is not worse than alone by half a point.",
        arms=("power_small", *COMBINED),
        parts={
            "A_T: better combination - power law alone": Part(
                best_combination, non_inferior(0.005), unit="%"
            )
        },
        paper="combines with other methods; LwF gains most (later version)",
    ),
    Claim(
        "C7",
        "The environments follow a power law: that of the phases in its numbers, the stochastic "
        "one in its odds of need, better than an exponential and with the exponent it was made "
        "with.",
        arms=("power_small", "power_large", "need"),
        parts={
            "AIC: exponential - power law": Part(
                lambda run: _of_odds(run, lambda o: o.aic_exp - o.aic_power), at_least(10.0)
            ),
            "slope of log odds / -b": Part(
                lambda run: _of_odds(run, lambda o: o.slope) / -run.config.b, between(0.75, 1.25)
            ),
            "phases: largest error of a count": Part(
                lambda run: np.maximum(
                    counts_error(run, "power_small"), counts_error(run, "power_large")
                ),
                at_most(0.0),
                interval="exact",
            ),
        },
        paper="a power law by construction",
    ),
)
