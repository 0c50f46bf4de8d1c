"""What a study is made of, and where studies are found."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from engrax._registry import studies, unknown
from engrax.core import Grid, Placement, State, System

from ._claims import Claim
from ._errors import UnknownName


@dataclasses.dataclass(frozen=True)
class Paper:
    """Where a method and its figures come from."""

    title: str
    authors: str
    year: int
    venue: str = ""
    arxiv: str = ""


@dataclasses.dataclass(frozen=True)
class Tuning:
    """A search over one number of an arm, on seeds of its own, before any claim seed runs.

    The method and its baselines get grids of the same size. While the best value lies on the edge
    of the grid, the grid grows by its own ratio, at most `extensions` times.
    """

    where: Callable[[Any], Any]
    """From the system to the array field, or the tuple of fields, that gets the value."""
    values: tuple[float, ...]
    """The grid, geometric and ascending."""
    score: Callable[[Mapping[str, np.ndarray]], np.ndarray]
    """From the records, (seed, value, tick, ...), to (seed, value): higher is better. Reads
    validation records only; a value that is not finite loses."""
    seeds: int = 1
    """Calibration seeds: 1000, 1001, ..., which no claim uses."""
    extensions: int = 2
    ticks: int | None = None
    """Ticks of a calibration run, where fewer than the arm's are enough to choose."""

    def __post_init__(self) -> None:
        if len(self.values) < 2 or not all(
            0 < a < b for a, b in zip(self.values, self.values[1:], strict=False)
        ):
            raise ValueError(f"A tuning grid ascends from above 0, got {self.values}.")


@dataclasses.dataclass(frozen=True)
class Arm:
    """One system that a study runs: the method, or a baseline on the same stream and budget."""

    system: System
    ticks: int
    dims: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    """Record -> names of its own dimensions, those after `tick`."""
    coords: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Dimension -> its labels; one for "tick" replaces 1, 2, ..."""
    grid: Grid = dataclasses.field(default_factory=dict)
    """Axis -> (where, values), as in `engrax.core.simulate`; the axis becomes a dimension."""
    needs: tuple[str, ...] = ()
    """Arms whose final states `start` reads; they stand earlier in the study."""
    start: Callable[..., State] | None = None
    """`start(fresh, *final states of needs) -> state`, for one run."""
    measure: Callable[[State], Mapping[str, Any]] | None = None
    """From the final state of one run, on the host, to what goes into the group `final`."""
    tuning: Tuning | None = None
    seeds: int | None = None
    """Number of seeds, where the arm wants another than the study's."""
    placement: Placement | None = None
    chunk: int | None = None
    """Ticks between two looks at the clock; chosen from `ticks` if `None`."""


@dataclasses.dataclass(frozen=True)
class Reference:
    """What a claim is held against and has no seeds: a theory curve, a count, a PCA."""

    compute: Callable[[], xr.Dataset]


LazyArm = Arm | Reference | Callable[[], Arm | Reference]
"""An arm, or a call that builds it once a claim needs it."""


@dataclasses.dataclass(frozen=True)
class Study:
    """A paper, as something that can be run."""

    name: str
    paper: Paper
    summary: str
    """What the method is, in two plain sentences."""
    config: type
    """A frozen dataclass of every knob, with a field `seeds`."""
    scales: Mapping[str, Any]
    """"smoke" (seconds, never judged), "cpu" (the default), "paper"; -> an instance of `config`."""
    arms: Callable[[Any], Mapping[str, LazyArm]]
    """From the configuration to the arms by name. An arm may stand there as a call that builds it:
    then a run of some claims loads the data of those claims alone."""
    claims: tuple[Claim, ...]
    headline: str
    """The claim that `make run` and the front page show."""
    plots: Callable[[Any], Mapping[str, Figure]]
    """From a `Run` to its figures; draws what the run holds."""
    method: str = ""
    """What the method is in plain words: paragraphs of Markdown, for the study's page."""
    notes: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Claim -> what did not hold, what was tried, and what is known of the reason."""
    smoke: tuple[str, ...] = ()
    """Claims whose arms a run at scale "smoke" makes where it is not told which; all if empty. A
    study of many arms names some, for a run of less than ten seconds."""

    def __post_init__(self) -> None:
        names = [claim.name for claim in self.claims]
        if self.headline not in names:
            raise ValueError(f"headline {self.headline!r} is no claim of {self.name}: {names}")
        if strange := [name for name in self.notes if name not in names]:
            raise ValueError(f"a note is about {strange[0]!r}, no claim of {self.name}: {names}")
        if strange := [name for name in self.smoke if name not in names]:
            raise ValueError(f"smoke runs {strange[0]!r}, no claim of {self.name}: {names}")

    def scale(self, name: str) -> Any:
        """The configuration called `name`.

        Raises:
            UnknownName: there is no such scale.
        """
        return self.scales[known("scale", name, self.scales)]

    def chosen(self, scale: str) -> tuple[str, ...]:
        """The claims for a run at this scale that is not told which; empty for all."""
        return self.smoke if scale == "smoke" else ()

    def select(self, names: tuple[str, ...] | None) -> tuple[Claim, ...]:
        """The claims called so, in the study's order; all of them for `None`.

        Raises:
            UnknownName: there is no such claim.
        """
        mine = {claim.name: claim for claim in self.claims}
        wanted = set(mine) if names is None else {known("claim", n, mine) for n in names}
        return tuple(claim for claim in self.claims if claim.name in wanted)


def known(kind: str, name: str, names: Any) -> str:
    """`name`, if it is one of `names`.

    Raises:
        UnknownName: it is not; the sentence says what there is, and what may have been meant.
    """
    if name in names:
        return name
    raise UnknownName(unknown(kind, name, names))


def load_study(name: str) -> Study:
    """The installed study called `name`.

    Raises:
        UnknownName: no installed package registers it.
    """
    registry = studies()
    return registry[known("study", name, registry)].load()
