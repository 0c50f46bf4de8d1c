"""What a tracking server gets of a run: parameters, tags, and metrics over ticks."""

import dataclasses
import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import xarray as xr

from ._folder import Run
from ._format import flat
from ._intervals import t_half_width

POINTS = 200
"""Ticks of a record that are sent at most, evenly spread, the last among them."""


class Point(NamedTuple):
    """A value of a metric at a tick."""

    name: str
    value: float
    tick: int


def parameters(run: Run) -> dict[str, str]:
    """The configuration, with dotted names."""
    return {name: str(value) for name, value in flat(dataclasses.asdict(run.config)).items()}


def tags(run: Run) -> dict[str, str]:
    """Study, scale, command, versions and hardware, and the verdicts where there are any."""
    about = {"study": run.study.name, "scale": run.scale, "command": run.command}
    about |= {f"environment.{k}": str(v) for k, v in flat(run.environment).items()}
    about |= {f"verdict.{judged.name}": judged.verdict for judged in run.judgements}
    return {f"engrax.{name}": value for name, value in about.items()}


def points(run: Run) -> Iterator[Point]:
    """Each record's mean over the seeds and the ends of its 95 % interval, then the claims.

    A cell of a grid is a metric of its own; over a record's own dimensions the mean is taken.
    """
    for name, arm in run.records.children.items():
        if "diverged" not in arm:  # a reference, which has no seeds
            continue
        grid = [str(dim) for dim in arm["diverged"].dims if dim != "seed"]
        last = int(arm.sizes.get("tick", 1))
        for group, of in (("", arm), ("final/", arm.children.get("final"))):
            if of is not None:
                data = of.to_dataset(inherit=False)
                yield from _points(f"{name}/{group}", data, grid, last)
    for judged in run.judgements:
        for part in judged.parts:
            ends = {"": part.estimate, " low": part.low, " high": part.high}
            for end, value in ends.items():
                yield Point(_plain(f"claims/{judged.name} {part.name}{end}"), value, 0)
    yield Point("minutes", run.minutes, 0)


def _points(prefix: str, data: xr.Dataset, grid: list[str], last: int) -> Iterator[Point]:
    for name, record in data.data_vars.items():
        if name == "diverged" or "seed" not in record.dims or record.dtype.kind not in "biuf":
            continue
        lead = [dim for dim in ("seed", *grid, "tick") if dim in record.dims]
        own = [dim for dim in record.dims if dim not in lead]
        record = record.astype(float).mean(own, skipna=False).transpose(*lead)
        ticks = np.array([last])
        if "tick" in lead:
            where = thinned(record.sizes["tick"])
            record = record.isel(tick=where)
            labels = record["tick"].to_numpy()
            ticks = labels if labels.dtype.kind in "iu" else 1 + where
        for cell in np.ndindex(*(record.sizes[dim] for dim in grid)):
            one = record.isel(dict(zip(grid, cell, strict=True)))
            of = "".join(f" {dim} {one[dim].item() if dim in one.coords else i}"
                         for dim, i in zip(grid, cell, strict=True))  # fmt: skip
            for end, values in _ends(one.to_numpy()).items():
                for tick, value in zip(ticks, np.atleast_1d(values), strict=True):
                    yield Point(_plain(f"{prefix}{name}{of}{end}"), float(value), int(tick))


def _ends(values: np.ndarray) -> dict[str, np.ndarray]:
    """Mean over the leading axis and the ends of Student's interval, where there are two seeds."""
    mean = values.mean(0)
    if len(values) < 2:
        return {"": mean}
    half = t_half_width(values)
    return {"": mean, " low": mean - half, " high": mean + half}


def thinned(length: int, points: int = POINTS) -> np.ndarray:
    """Positions in 0 .. length - 1, at most `points`, evenly spread, with the first and last."""
    return np.unique(np.linspace(0, length - 1, min(points, length)).round().astype(int))


def _plain(name: str) -> str:
    """A name of those letters, signs and lengths that MLflow allows."""
    return re.sub(r"[^\w./ -]", "_", name)[:250]
