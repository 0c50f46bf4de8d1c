"""Run folders: everything to resume a run, to read it and to draw it again."""

import dataclasses
import datetime
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np
import xarray as xr

from engrax.core import default_placement

from ._claims import Claim
from ._errors import FolderError, one_line
from ._judgements import ClaimJudgement
from ._lock import LOCK, held
from ._manifest import damage, read_json, read_sealed, write, write_sealed
from ._netcdf import content, read_tree
from ._study import Study, load_study

FORMAT = 3
"""The version of the layout of a run folder. Version 1, whose `run.json` and manifest carry no
seal of their own, and version 2, whose checkpoints are folders, are read but not gone on with; any
other is refused."""

ABOUT = "run.json"
RECORDS = "records.nc"
MANIFEST = "manifest.json"
CHECKPOINTS = "checkpoints"
FIGURES = "figures"
REPORT = "report.html"
TRACKING = "tracking"
UNSEALED = (LOCK, TRACKING)
"""What the manifest leaves out: the lock holds nothing, and what a server is to get bears on no
result."""


@dataclasses.dataclass(frozen=True)
class Run:
    """A run of a study: its records, and what was made of them."""

    study: Study
    scale: str
    config: Any
    folder: Path
    records: xr.DataTree
    """One group an arm, with dimensions seed, the arm's grid, tick and the record's own;
    `<arm>/final` holds what was measured at the end, `<arm>/tuning` the table of its tuning."""
    judgements: tuple[ClaimJudgement, ...] = ()
    """Empty where the scale or the configuration is not one that claims are judged at."""
    environment: dict[str, Any] = dataclasses.field(default_factory=dict)
    minutes: float = 0.0
    command: str = ""

    def __getitem__(self, name: str) -> xr.DataTree:
        """The records of an arm."""
        arm = self.records[name]
        assert isinstance(arm, xr.DataTree)  # the root holds arms alone
        return arm

    def __contains__(self, name: object) -> bool:
        return name in self.records.children

    @property
    def diverged(self) -> list[tuple[str, int, int]]:
        """(arm, seed, first tick that is not finite), one for each run that diverged."""
        found = []
        for name, arm in self.records.children.items():
            if "diverged" not in arm:
                continue
            data = arm.to_dataset()
            ticks, seeds = data["diverged"].to_numpy(), data["seed"].to_numpy()
            for index in np.argwhere(ticks >= 0):
                found.append((name, int(seeds[index[0]]), int(ticks[tuple(index)])))
        return found


@dataclasses.dataclass
class Folder:
    """The folder of one run while it is being written."""

    path: Path
    about: dict[str, Any]

    @classmethod
    @contextmanager
    def open(
        cls,
        path: Path,
        study: Study,
        scale: str,
        config: Any,
        claims: tuple[Claim, ...],
        *,
        resume: bool,
        command: str,
        warn: Callable[[str], None],
    ) -> Iterator["Folder"]:
        """The folder of a new run, or that of an old one to go on with, held for this process.

        Raises:
            FolderError: the folder cannot be written, another process writes to it, or it holds
                something else than this run.
        """
        path = path.absolute()
        mine = _identity(study, scale, config)
        with _writing(path):
            _earlier(path, mine, resume=resume)  # refused before anything is written
            path.mkdir(parents=True, exist_ok=True)
            with held(path):
                old = _earlier(path, mine, resume=resume, warn=warn)
                about = cls._about(mine, claims, command, old or {})
                (path / MANIFEST).unlink(missing_ok=True)
                folder = cls(path, about)
                folder._write_about()
                yield folder

    @staticmethod
    def _about(
        identity: dict[str, Any], claims: tuple[Claim, ...], command: str, old: dict[str, Any]
    ) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "identity": identity,
            "claims": [claim.name for claim in claims],
            "command": command,
            "environment": environment(),
            "begun": old.get("begun", _now()),
            "minutes": old.get("minutes", 0.0),
            "finished": None,
            "judgements": [],
        }

    def _write_about(self) -> None:
        write_sealed(self.path / ABOUT, self.about)  # first, since it makes the folder a run's
        copy = self.path / CHECKPOINTS / ABOUT
        copy.parent.mkdir(exist_ok=True)
        write_sealed(copy, self.about)

    @property
    def minutes(self) -> float:
        """Minutes spent by earlier sessions on this run."""
        return self.about["minutes"]

    def add_minutes(self, minutes: float) -> None:
        """Adds the time of a session that was stopped."""
        self.about["minutes"] += minutes
        self._write_about()

    def write_records(self, tree: xr.DataTree) -> None:
        """Writes all records as one file, whole or not at all."""
        write(self.path / RECORDS, content(tree))

    def run(self, study: Study, tree: xr.DataTree) -> Run:
        """The run as far as it has come, its claims not yet judged."""
        identity = self.about["identity"]
        return Run(
            study=study,
            scale=identity["scale"],
            config=_config(study, identity["config"]),
            folder=self.path,
            records=tree,
            environment=self.about["environment"],
            command=self.about["command"],
        )

    def finish(self, run: Run) -> None:
        """Writes the verdicts."""
        self.about |= {
            "minutes": run.minutes,
            "finished": _now(),
            "judgements": [judgement.to_json() for judgement in run.judgements],
        }
        self._write_about()


def load_run(
    path: str | os.PathLike[str], *, study: Study | None = None, drawn: bool = True
) -> Run:
    """A finished run from its folder, after checking every file against the folder's manifest.

    **Arguments:**

    - `study`: the study it is a run of; looked up by name if `None`.
    - `drawn`: whether figures and page count; not where they are to be drawn again.

    Raises:
        FolderError: the folder is no finished run, or something in it has changed.
    """
    folder = Path(path).absolute()
    about = read_about(folder)
    if about["finished"] is None or not (folder / MANIFEST).exists():
        raise FolderError(f"{folder} holds a run that is not finished; resume it first")
    skip = (CHECKPOINTS, *UNSEALED, *(() if drawn else (FIGURES, REPORT)))
    if broken := damage(folder, folder / MANIFEST, skip=skip, old=about["format"] == 1):
        raise FolderError(f"{folder} is damaged: {broken}")
    identity = about["identity"]
    study = study or load_study(identity["study"])
    try:
        records = read_tree(folder / RECORDS)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FolderError(f"{folder / RECORDS} cannot be read: {one_line(error)}") from error
    return Run(
        study=study,
        scale=identity["scale"],
        config=_config(study, identity["config"]),
        folder=folder,
        records=records,
        judgements=tuple(ClaimJudgement.from_json(j) for j in about["judgements"]),
        environment=about["environment"],
        minutes=about["minutes"],
        command=about["command"],
    )


def environment() -> dict[str, Any]:
    """Versions and hardware, as far as they bear on a result."""
    packages = ("engrax", "jax", "jaxlib", "equinox", "optax", "numpy", "scipy", "xarray")
    return {
        "versions": {"python": platform.python_version()} | {p: version(p) for p in packages},
        "platform": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "devices": [str(d.device_kind) for d in jax.devices()],
        "placement": default_placement(),
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if sys.platform == "linux" and info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _identity(study: Study, scale: str, config: Any) -> dict[str, Any]:
    """What two sessions must share for one to go on from the other's checkpoints.

    Under placement `vmap` the bits of a seed depend on the block it runs in, which the number of
    seeds in the configuration fixes.
    """
    return {
        "study": study.name,
        "scale": scale,
        "config": dataclasses.asdict(config),
        "placement": default_placement(),
        "engrax": version("engrax"),
        "jax": jax.__version__,
    }


def _difference(old: dict[str, Any], new: dict[str, Any]) -> str:
    a, b = ({**d, **d["config"], "config": None} for d in (old, json.loads(json.dumps(new))))
    for name in {**a, **b}:
        if a.get(name) != b.get(name):
            return f"it was made with {name} = {a.get(name)!r}, not {b.get(name)!r}"
    return "it was made by another run"


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turns the operating system's refusals into one sentence."""
    try:
        yield
    except OSError as error:
        where = error.filename or path
        raise FolderError(
            f"cannot write {where}: {error.strerror or one_line(error)}; nothing that was there is "
            "lost"
        ) from error


def _earlier(
    path: Path,
    mine: dict[str, Any],
    *,
    resume: bool,
    warn: Callable[[str], None] = lambda sentence: None,
) -> dict[str, Any] | None:
    """What is known of the run in the folder that may be gone on with; `None` if there is none."""
    copy = path / CHECKPOINTS
    if not (path / ABOUT).exists() and not (copy / ABOUT).exists():
        # What a process killed at its very start leaves is no run yet.
        own = {LOCK, f".{ABOUT}.part"}
        if path.exists() and (not path.is_dir() or {p.name for p in path.iterdir()} - own):
            raise FolderError(f"{path} is in use and holds no run; choose another --out")
        return None
    if not resume:
        raise FolderError(f"{path} already holds a run; add --resume, or choose another --out")
    try:
        old = read_about(path)
    except FolderError as error:
        if not (copy / ABOUT).exists():
            raise
        old = read_about(copy)
        warn(f"{error}; its copy among the checkpoints is used")
    if old["format"] != FORMAT:
        raise FolderError(
            f"{path} cannot be resumed: it was written in format {old['format']}, which this "
            f"version reads but does not go on with; choose another --out"
        )
    if old["identity"] != json.loads(json.dumps(mine)):
        raise FolderError(
            f"{path} cannot be resumed: {_difference(old['identity'], mine)}; choose another --out"
        )
    return old


def read_about(folder: Path) -> dict[str, Any]:
    """What `run.json` says.

    Raises:
        FolderError: it cannot be read, or not by this version.
    """
    path = folder / ABOUT
    try:
        about = read_json(path)
        version = about["format"]
        if version in (2, FORMAT):
            about = read_sealed(path)
    except FileNotFoundError:
        raise FolderError(f"{folder} is no run folder: it has no {ABOUT}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FolderError(
            f"{folder} is no run folder: its {ABOUT} cannot be read ({one_line(error)})"
        ) from error
    if version not in (1, 2, FORMAT):
        raise FolderError(
            f"{folder} was written in format {version!r}; this version reads 1, 2 and {FORMAT}"
        )
    if not {"identity", "finished", "judgements"} <= set(about):
        raise FolderError(f"{folder} is no run folder: its {ABOUT} says too little")
    return about


def _config(study: Study, fields: dict[str, Any]) -> Any:
    """The configuration from JSON, in which tuples have become lists."""
    return _restored(study.config, fields)


def _restored(kind: Any, fields: dict[str, Any]) -> Any:
    default = kind()
    values = {}
    for field in dataclasses.fields(kind):
        value = fields[field.name]
        if dataclasses.is_dataclass(getattr(default, field.name)):
            value = _restored(type(getattr(default, field.name)), value)
        values[field.name] = _tuples(value)
    return kind(**values)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
