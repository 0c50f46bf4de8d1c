"""From runs to the numbers that claims are about: errors, regrets, ranks."""

from typing import Any

import numpy as np
import xarray as xr

SUITES = {"seven": "f", "confirmation": "g"}
"""Suite -> the first letter of its tasks."""
GROUPS = ("1d", "2d", "3d", "4d")


def errors(run: Any, kind: str, suite: str) -> xr.DataArray:
    """log10 of the test error at the end: (seed, task), and (.., family) of single families.

    An MLP's run keeps, for every seed and task, the learning rate that is best on the validation
    points.
    """
    found = []
    for group in GROUPS:
        name = f"{kind}_{group}"
        if name not in run:
            continue
        last = run[name].isel(tick=-1, drop=True)
        test = last["test_rmse"]
        if "rate" in test.dims:
            test = _best(test, last["validation_rmse"], "rate")
        mine = [task for task in test["task"].values if str(task).startswith(SUITES[suite])]
        found.append(np.log10(test.sel(task=mine)))
    table = xr.concat(found, "task", join="exact", coords="minimal", compat="override")
    return table.sortby("task")


def _best(test: xr.DataArray, validation: xr.DataArray, dim: str) -> xr.DataArray:
    """The test values where the validation values are lowest; what is not finite loses."""
    index = validation.fillna(np.inf).argmin(dim)
    return test.isel({dim: index}).drop_vars(dim, errors="ignore")


def best_of_all(run: Any, suite: str) -> xr.DataArray:
    """Every family trained, the best on validation points kept: (seed, task)."""
    test, validation = errors(run, "single", suite), []
    for group in GROUPS:
        if f"single_{group}" in run:
            last = run[f"single_{group}"].isel(tick=-1, drop=True)["validation_rmse"]
            mine = [t for t in last["task"].values if str(t).startswith(SUITES[suite])]
            validation.append(last.sel(task=mine))
    joined = xr.concat(validation, "task", join="exact", coords="minimal", compat="override")
    return _best(test, joined.sortby("task"), "family")


def lead(run: Any, suite: str, other: str) -> xr.DataArray:
    """S-KAN minus an arm or a family, mean over tasks of log10 error: (seed)."""
    mine = errors(run, "skan", suite)
    return (mine - other_errors(run, suite, other)).mean("task")


def other_errors(run: Any, suite: str, other: str) -> xr.DataArray:
    """log10 errors of an arm by its kind, or of a family by its name."""
    kinds = ("mixture", "random", "mlp", "mlp_k", "mlp_long", "skan")
    if other in kinds:
        return errors(run, other, suite)
    return errors(run, "single", suite).sel(family=other, drop=True)


def regret(run: Any, suite: str, other: str) -> xr.DataArray:
    """The largest distance over tasks to the best single family, in decades: (seed)."""
    best = errors(run, "single", suite).min("family")
    return (other_errors(run, suite, other) - best).max("task")


def ranks(run: Any, suite: str) -> xr.DataArray:
    """Average rank (1 is best) of S-KAN and the families over tasks: (arm, seed)."""
    names = ["skan", *map(str, families(run))]
    table = xr.concat([other_errors(run, suite, name) for name in names], "arm", join="exact")
    return ranked(table.assign_coords(arm=names), "arm").mean("task")


def wins(run: Any, suite: str) -> xr.DataArray:
    """On how many tasks S-KAN, or a family, has the lowest error of them: (arm, seed)."""
    names = ["skan", *map(str, families(run))]
    table = xr.concat([other_errors(run, suite, name) for name in names], "arm", join="exact")
    return (table == table.min("arm")).sum("task").assign_coords(arm=names)


def curve(run: Any, suite: str, other: str) -> xr.DataArray:
    """log10 of the test error over the steps, mean over tasks: (seed, tick).

    S-KAN's phases follow one another; an MLP's run keeps the learning rate of `errors`.
    """
    single = other in families(run)
    parts = ("full", "commit", "skan") if other == "skan" else ("single" if single else other,)
    found: list[Any] = []
    for group in GROUPS:
        if f"{parts[0]}_{group}" not in run:
            continue
        steps = 0
        pieces: list[xr.DataArray] = []
        for part in parts:
            arm = run[f"{part}_{group}"]
            test: xr.DataArray = arm["test_rmse"]
            if "rate" in test.dims:
                test = _best(test, arm["validation_rmse"].isel(tick=-1, drop=True), "rate")
            pieces.append(test.assign_coords(tick=steps + arm["tick"]))
            steps += int(arm["tick"].max())
        whole = xr.concat(pieces, "tick", join="exact") if len(pieces) > 1 else pieces[0]
        whole = whole.sel(family=other, drop=True) if single else whole
        mine = [task for task in whole["task"].values if str(task).startswith(SUITES[suite])]
        found.append(np.log10(whole.sel(task=mine)))
    table: Any = xr.concat(found, "task", join="exact", coords="minimal", compat="override")
    return table.mean("task")


def ranked(values: xr.DataArray, dim: str) -> xr.DataArray:
    """Ranks along one dimension, 1 the lowest; equals share the mean of theirs."""
    from scipy import stats  # 0.3 s, and only here

    return xr.apply_ufunc(
        lambda array: stats.rankdata(array, axis=-1),
        values,
        input_core_dims=[[dim]],
        output_core_dims=[[dim]],
    )


def families(run: Any) -> list[str]:
    """The families that were run alone."""
    for group in GROUPS:
        if f"single_{group}" in run:
            return [str(name) for name in run[f"single_{group}"]["family"].values]
    return []
