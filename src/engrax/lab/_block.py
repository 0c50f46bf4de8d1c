"""What a machine of a cluster does: one block of seeds of one arm, or the tuning of an arm."""

import dataclasses
import importlib.metadata
import socket
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import jax.random as jr
import numpy as np
import xarray as xr

from engrax._registry import ENTRY_POINTS
from engrax.core import Checkpoints, named, simulate

from ._errors import RunError
from ._folder import Folder
from ._memory import free_memory
from ._run import _best, _built_arm, _dataset, _measured, _Runner
from ._sent import packed, unpacked
from ._stopping import stoppable
from ._store import Store, StoredCheckpoints
from ._study import Arm, Study

Table = tuple[list[float], list[list[float]]]
"""Values that were tried in a tuning, and their scores (value, seed)."""


@dataclasses.dataclass(frozen=True)
class Job:
    """A study as every machine of a cluster is told of it."""

    study: Study | str
    """Itself, or where it is imported from, as `module:name`."""
    config: Any
    store: str
    folder: str
    """Where in the store the checkpoints of this run are."""
    every: float | None
    settings: Mapping[str, Any]
    """What JAX is told, as where the results are put together."""
    gpu: bool

    def arm(self, name: str, table: Table | None = None) -> Arm:
        """The arm called `name`, built here, with the value that the table of its tuning chose."""
        if not self.gpu:
            jax.config.update("jax_platforms", "cpu")
        for setting, value in self.settings.items():
            jax.config.update(setting, value)
        study = self.study
        if isinstance(study, str):
            study = importlib.metadata.EntryPoint("study", study, ENTRY_POINTS).load()
        arm = _built_arm(study, study.arms(self.config), name)
        assert isinstance(arm, Arm)  # references have no seeds, and are computed elsewhere
        if arm.tuning is not None and table is not None:
            arm, _ = _best(arm, arm.tuning, *table)
        return arm


@dataclasses.dataclass(frozen=True)
class Block:
    """Seeds `first` .. `stop` - 1 of an arm."""

    arm: str
    first: int
    stop: int

    def __str__(self) -> str:
        return f"arm {self.arm}, seeds {self.first} to {self.stop - 1}"


@dataclasses.dataclass(frozen=True)
class Done:
    """What a block found, and how it came about."""

    records: xr.Dataset
    final: xr.Dataset | None
    began: int
    """The tick of the checkpoint it went on from; 0 if from none."""
    node: str
    seconds: float
    heard: tuple[str, ...]
    """Sentences about what was mended."""


def run_block(job: Job, block: Block, table: Table | None, *finals: Any) -> tuple[Done, Any]:
    """Runs a block; the second part is its final states, for arms that start from them.

    **Raises:** `engrax.core.Stopped` where it was asked to stop, once the chunk in flight is kept.
    """
    begun, heard = time.monotonic(), []
    arm = job.arm(block.arm, table)
    seeds = block.stop - block.first
    known = dict(zip(arm.needs, map(unpacked, finals), strict=True))
    place = f"{job.folder}/{block.arm}/{block.first}-{block.stop}"
    kept = StoredCheckpoints(Store(job.store), place, every=job.every, warn=heard.append)
    node = _Node.of(job)
    with stoppable() as stop:
        result = simulate(
            arm.system,
            arm.ticks,
            key=named(jr.key(0), "claim"),
            seeds=range(block.first, block.stop),
            grid=arm.grid,
            start=node._start(block.arm, arm, known, seeds, arm.grid),
            placement=arm.placement,
            chunk=arm.chunk,
            checkpoints=kept,
            stop=stop,
        )
    records = _dataset(arm, seeds, result)
    final = None if arm.measure is None else _measured(arm, seeds, result.state)
    ids = {"seed": np.arange(block.first, block.stop)}
    done = Done(
        records.assign_coords(ids),
        None if final is None else final.assign_coords(ids),
        kept.began,
        socket.gethostname(),
        time.monotonic() - begun,
        tuple(heard),
    )
    return done, packed(result.state)


def tune(job: Job, name: str, before: Sequence[str], *tables: Table | None) -> Table:
    """Searches the value of an arm's tuned number.

    `before` are the arms that it starts from, and those that these start from, each with the table
    of its own tuning.
    """
    node = _Node.of(job)
    for earlier, table in zip(before, tables, strict=True):
        node.chosen[earlier] = job.arm(earlier, table)
    arm = job.arm(name)
    assert arm.tuning is not None
    return node._search(name, arm, arm.tuning, lambda phase, tick, ticks: None)


@dataclasses.dataclass(frozen=True)
class Machine:
    """What a node says of itself."""

    name: str
    engrax: str
    jax: str
    free: int
    """Bytes of memory."""
    device_free: int | None
    """Bytes of an accelerator's memory."""


def look_around(store: str, token: str, *, gpu: bool) -> Machine:
    """Tries the store from this node, and says what the node has.

    **Raises:** `RunError` where it does not see the store that the others see.
    """
    name = socket.gethostname()
    there = Store(store)
    if not there.has(token):
        raise RunError(f"node {name} does not see {store}")
    there.check()
    stats = (jax.local_devices()[0].memory_stats() or {}) if gpu else {}
    free = stats["bytes_limit"] - stats["bytes_in_use"] if "bytes_limit" in stats else None
    return Machine(name, version("engrax"), jax.__version__, free_memory(), free)


@dataclasses.dataclass
class _Node(_Runner):
    """The parts of a runner that a node needs: it has no folder, and checkpoints in the store."""

    job: Job | None = None

    @classmethod
    def of(cls, job: Job) -> "_Node":
        """That of a job."""
        quiet: Any = lambda *ignored: False
        return cls(Folder(Path(), {}), 0, {}, job.every, quiet, quiet, quiet, job=job)

    def _checkpoints(self, folder: Path) -> Checkpoints:
        assert self.job is not None
        place = f"{self.job.folder}/{folder.parent.name}/{folder.name}"
        store = Store(self.job.store)
        return StoredCheckpoints(store, place, every=self.every, warn=lambda sentence: None)
