"""Runs a study: tunes, simulates, judges, draws, and keeps it all in a folder."""

import contextlib
import dataclasses
import math
import shutil
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import xarray as xr
from jax.sharding import Mesh

from engrax.core import (
    Checkpoints,
    Grid,
    Simulation,
    State,
    Stopped,
    axis_values,
    is_key,
    named,
    simulate,
)

from ._checkpoints import ArmCheckpoints
from ._claims import judge
from ._errors import Interrupted, RunError
from ._folder import CHECKPOINTS, Folder, Run
from ._host import computed_once
from ._manifest import read_sealed, write_sealed
from ._memory import check_memory
from ._processes import (
    SharedCheckpoints,
    agreed,
    asked_mesh,
    folder_of_its_own,
    leads,
    share_files,
)
from ._report import redraw
from ._stopping import stoppable
from ._study import Arm, Claim, LazyArm, Reference, Study, Tuning, known
from ._tracking import Tracked

FIRST_CALIBRATION_SEED = 1000
"""Seeds from here on tune; claims use 0, 1, 2, ..."""


class Progress(NamedTuple):
    """Where a run stands."""

    arm: str
    position: int
    """Which arm this is, from 0."""
    arms: int
    phase: str
    """"tuning", "running" or "drawing"."""
    tick: int
    ticks: int


def run_study(
    study: Study,
    *,
    scale: str = "cpu",
    config: Any = None,
    claims: tuple[str, ...] | None = None,
    out: Path,
    resume: bool = False,
    every: float | None = None,
    command: str = "",
    progress: Callable[[Progress], None] = lambda progress: None,
    warn: Callable[[str], None] = lambda sentence: None,
    track: str = "",
    cluster: str = "",
    store: str = "",
    mesh: str = "",
) -> Run:
    """Runs the arms of a study, and leaves everything in the folder `out`.

    **Arguments:**

    - `config`: the configuration; that of `scale` if `None`. Claims are judged only where it is
      that of the scale (but for the number of seeds, of which there must be 5) and the scale is
      not "smoke".
    - `claims`: names of claims, for which the arms that they need are run; everything if empty.
      `None` leaves it to the study: everything, but at scale "smoke" what it chose for it.
    - `resume`: go on from what an earlier run, of the same study and configuration, left there.
    - `every`: seconds of work between two checkpoints, which is what the death of the process
      costs, or one chunk if that takes longer; 20 times what a checkpoint costs if `None`.
    - `command`: what a person typed; kept in the folder.
    - `track`: the address of an MLflow server that gets the run; none where empty. What it does
      not take is kept in the folder, and `Tracker.send` sends it later.
    - `cluster`: the address of a Ray cluster whose machines share the seeds, "auto" for the one on
      this machine; `store`: where they keep checkpoints, a folder or any address of fsspec, the
      run folder where empty.
    - `mesh`: "data=8" spreads the batches of each model over 8 devices, which may belong to several
      processes of `jax.distributed`; the first of them writes `out`.
    - `progress`, `warn`: called between chunks, and with one sentence where something was mended.

    **Raises:** `RunError` and its kinds: unknown names, a folder of another run or in use by
    another process, no room to write, too many seeds for the memory, a server at `track`, a
    `cluster` or a `store` that does not answer at the start; `Interrupted` after a SIGINT or
    SIGTERM, once the chunk in flight is finished and kept.
    """
    config = config if config is not None else study.scale(scale)
    _check_seeds(config)
    claims = (study.chosen(scale) if claims is None else claims) or None
    wanted = study.select(claims)
    arms = _built(study, study.arms(config), None if claims is None else wanted)
    devices = asked_mesh(mesh)
    if cluster and devices:
        raise RunError("--mesh has one model on many devices, --cluster many models; choose one")
    tracked = Tracked(track if leads() else "", warn)
    if not cluster:
        check_memory(arms, config.seeds)
    with contextlib.ExitStack() as held:
        runs: Callable[..., _Runner] = partial(_Runner, mesh=devices)
        if cluster:
            runs = _on_cluster(held, cluster, store, study, config)
        out = held.enter_context(folder_of_its_own(out))
        opened = Folder.open(
            out, study, scale, config, wanted, resume=resume, command=command, warn=warn
        )
        folder, begun = held.enter_context(opened), time.monotonic()
        stop = agreed(held.enter_context(stoppable()))
        tracked.begin(folder.run(study, xr.DataTree()))
        share_files(folder.path / "tuning")
        runner = runs(folder, int(config.seeds), arms, every, progress, warn, stop)
        try:
            tree = runner.tree()
        except Stopped:
            folder.add_minutes((time.monotonic() - begun) / 60)
            tracked.stopped(folder.run(study, xr.DataTree()))
            raise Interrupted(folder.path) from None
        progress(Progress("", len(arms), len(arms), "drawing", 0, 1))
        folder.write_records(tree)
        run = folder.run(study, tree)
        judged = judge(wanted, run) if judgeable(study, scale, config) else ()
        minutes = folder.minutes + (time.monotonic() - begun) / 60
        run = dataclasses.replace(run, judgements=judged, minutes=minutes)
        folder.finish(run)
        redraw(run)
        tracked.send(run)
    return run


@dataclasses.dataclass
class _Runner:
    folder: Folder
    seeds: int
    arms: Mapping[str, Arm | Reference]
    every: float | None
    progress: Callable[[Progress], None]
    warn: Callable[[str], None]
    stop: Callable[[], bool]
    finals: dict[str, State] = dataclasses.field(default_factory=dict)
    mesh: Mesh | None = None
    chosen: dict[str, Arm] = dataclasses.field(default_factory=dict)
    """Arms as they run: with their tuned numbers."""
    calibrations: dict[tuple[str, int], State] = dataclasses.field(default_factory=dict)
    """Final states of arms on the first calibration seeds, for what starts from them."""

    def tree(self) -> xr.DataTree:
        """All arms, one after another, as one tree of records."""
        groups: dict[str, xr.Dataset] = {}
        for position, (name, arm) in enumerate(self.arms.items()):
            if isinstance(arm, Reference):
                groups[f"/{name}"] = self._once(name, "reference", arm.compute)
                continue

            def told(phase: str, tick: int, ticks: int, at: int = position, of: str = name) -> None:
                self.progress(Progress(of, at, len(self.arms), phase, tick, ticks))

            begun = time.monotonic()
            if arm.tuning is not None:
                arm, table = self._tuned(name, arm, arm.tuning, told)
                groups[f"/{name}/tuning"] = table
            self.chosen[name] = arm
            result = self._simulated(name, arm, told)
            self.finals[name] = result.state
            records = _dataset(arm, self._seeds(arm), result)
            records.attrs["seconds"] = time.monotonic() - begun
            groups[f"/{name}"] = records
            if arm.measure is not None:
                measured = partial(_measured, arm, self._seeds(arm), result.state)
                groups[f"/{name}/final"] = self._once(name, "final", measured)
        return xr.DataTree.from_dict(groups)

    def _once(self, name: str, what: str, compute: Callable[[], xr.Dataset]) -> xr.Dataset:
        return computed_once(self._kept(name) / what, compute, every=self.every, warn=self.warn)

    def _kept(self, name: str) -> Path:
        """Where checkpoints of an arm are."""
        return self.folder.path / CHECKPOINTS / name

    def _checkpoints(self, folder: Path) -> Checkpoints:
        return SharedCheckpoints(ArmCheckpoints(folder, every=self.every, warn=self.warn))

    def _seeds(self, arm: Arm) -> int:
        return arm.seeds or self.seeds

    def _simulated(self, name: str, arm: Arm, told: Callable[[str, int, int], None]) -> Simulation:
        seeds = self._seeds(arm)
        told("running", 0, arm.ticks)
        return simulate(
            arm.system,
            arm.ticks,
            key=named(jr.key(0), "claim"),
            seeds=seeds,
            grid=arm.grid,
            start=self._start(name, arm, self.finals, seeds, arm.grid),
            placement=arm.placement,
            chunk=arm.chunk,
            checkpoints=self._checkpoints(self._kept(name)),
            progress=lambda tick: told("running", tick, arm.ticks),
            stop=self.stop,
            mesh=self.mesh,
        )

    def _start(
        self, name: str, arm: Arm, finals: Mapping[str, State], seeds: int, grid: Grid
    ) -> Callable[[State, np.ndarray], State] | None:
        """One run's `start`, over all runs; an arm without this one's grid serves all its cells."""
        each = arm.start
        if each is None:
            return None

        def rows(final: State, run: np.ndarray) -> State:
            have = len(jax.tree.leaves(final)[0])
            mine = seeds * math.prod(len(_labels(v)) for _, v in grid.values())
            if have not in (seeds, mine):
                raise RunError(f"arm {name!r} starts from an arm with {have} runs, not {mine}")
            index = run if have == mine else run // (mine // seeds)
            # On the host, where it takes no program for each shape; keys can be nowhere else.
            return jax.tree.map(lambda a: (a if is_key(a) else np.asarray(a))[index], final)

        def start(fresh: State, run: np.ndarray) -> State:
            return jax.vmap(each)(fresh, *(rows(finals[needed], run) for needed in arm.needs))

        return start

    def _calibrated(self, name: str, seeds: int) -> State:
        """The final states of an arm, with its tuned numbers, on the first calibration seeds."""
        arm = self.chosen[name]
        if (name, seeds) not in self.calibrations:
            kept = self._kept(name) / f"calibration-{seeds}"
            found = self._calibration(name, arm, arm.ticks, seeds, arm.grid, kept)
            self.calibrations[name, seeds] = found.state
        return self.calibrations[name, seeds]

    def _calibration(
        self, name: str, arm: Arm, ticks: int, seeds: int, grid: Grid, kept: Path
    ) -> Simulation:
        """An arm on the first calibration seeds, started from others as the arm itself is."""
        needs = {needed: self._calibrated(needed, seeds) for needed in arm.needs}
        return simulate(
            arm.system,
            ticks,
            key=named(jr.key(0), "tuning"),
            seeds=range(FIRST_CALIBRATION_SEED, FIRST_CALIBRATION_SEED + seeds),
            grid=grid,
            start=self._start(name, arm, needs, seeds, grid),
            placement=arm.placement,
            chunk=arm.chunk,
            checkpoints=self._checkpoints(kept),
            stop=self.stop,
            mesh=self.mesh,
        )

    def _tuned(
        self, name: str, arm: Arm, tuning: Tuning, told: Callable[[str, int, int], None]
    ) -> tuple[Arm, xr.Dataset]:
        """The arm with its best value, and the table that chose it, which is stored first."""
        path = self.folder.path / "tuning" / f"{name}.json"
        stored = self._stored(path)
        if stored is None:
            values, scores = self._search(name, arm, tuning, told)
            path.parent.mkdir(exist_ok=True)
            write_sealed(path, stored := {"values": values, "scores": scores})
        for done in self._kept(name).glob("tuning-*"):
            shutil.rmtree(done, ignore_errors=True)
        values, scores = stored["values"], stored["scores"]
        return _best(arm, tuning, values, scores)

    def _stored(self, path: Path) -> dict[str, Any] | None:
        """The table of an earlier session, if it is there and whole."""
        try:
            return read_sealed(path)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            self.warn(f"the tuning of {path.stem} is damaged ({error}), and made again")
            return None

    def _search(
        self, name: str, arm: Arm, tuning: Tuning, told: Callable[[str, int, int], None]
    ) -> tuple[list[float], list[list[float]]]:
        """The grid, grown while its best value lies on an edge, and its scores (value, seed)."""
        found: dict[float, np.ndarray] = {}
        new, ratio = list(tuning.values), tuning.values[1] / tuning.values[0]
        for growth in range(tuning.extensions + 1):
            told("tuning", growth, tuning.extensions + 1)
            kept = self._kept(name) / f"tuning-{growth}"
            found |= dict(zip(new, self._scores(name, arm, tuning, new, kept), strict=True))
            best = max(found, key=lambda value: _mean(found[value]))
            if min(found) < best < max(found):
                break
            new = [best / ratio if best == min(found) else best * ratio]
        values = sorted(found)
        return values, [found[value].tolist() for value in values]

    def _scores(
        self, name: str, arm: Arm, tuning: Tuning, values: list[float], kept: Path
    ) -> np.ndarray:
        """(value, seed): what each value scores on the calibration seeds."""
        leaves = jax.tree.leaves(tuning.where(arm.system))
        grid = {"value": (tuning.where, np.asarray(values))}
        if any(leaf.ndim for leaf in leaves):
            raise RunError("a tuned field must be a scalar array")
        ticks = arm.ticks if tuning.ticks is None else tuning.ticks
        result = self._calibration(name, arm, ticks, tuning.seeds, grid, kept)
        scores = np.asarray(tuning.score(result.records), float)
        if scores.shape != (tuning.seeds, len(values)):
            raise RunError(
                f"a tuning score has shape {scores.shape}; it should be (seed, value), "
                f"{(tuning.seeds, len(values))}"
            )
        return scores.T


def _best(
    arm: Arm, tuning: Tuning, values: list[float], scores: list[list[float]]
) -> tuple[Arm, xr.Dataset]:
    """The arm with the value that scores best, and the scores (value, seed) as a table."""
    table = np.asarray(scores, float)
    best = values[int(np.argmax([_mean(row) for row in table]))]
    system = arm.system
    chosen = jax.tree.leaves(tuning.where(system))
    system = eqx.tree_at(
        lambda s: jax.tree.leaves(tuning.where(s)),
        system,
        [jnp.full_like(leaf, best) for leaf in chosen],
    )
    data = xr.Dataset(
        {"score": (("tuned_value", "calibration_seed"), table)},
        {
            "tuned_value": values,
            "calibration_seed": FIRST_CALIBRATION_SEED + np.arange(table.shape[1]),
        },
        {"best": best},
    )
    return dataclasses.replace(arm, system=system), data


def _mean(scores: np.ndarray) -> float:
    return float(scores.mean()) if np.isfinite(scores).all() else -math.inf


def _dataset(arm: Arm, seeds: int, result: Simulation) -> xr.Dataset:
    lead = ("seed", *arm.grid)
    variables: dict[str, Any] = {"diverged": (lead, result.diverged)}
    for name, record in result.records.items():
        own = arm.dims.get(name, tuple(f"{name}_{i}" for i in range(record.ndim - len(lead) - 1)))
        variables[name] = ((*lead, "tick", *own), record)
    coords = _coordinates(arm, seeds) | {"tick": 1 + np.arange(arm.ticks)}
    return xr.Dataset(variables, coords | _used(arm, variables))


def _measured(arm: Arm, seeds: int, final: State) -> xr.Dataset:
    """`measure` of every run, stacked as (seed, *grid, ...)."""
    assert arm.measure is not None
    host = jax.device_get(final)
    runs = len(jax.tree.leaves(host)[0])
    each = [arm.measure(jax.tree.map(lambda a, r=r: a[r], host)) for r in range(runs)]
    coords = _coordinates(arm, seeds)
    shape = tuple(len(labels) for labels in coords.values())
    variables = {}
    for name in each[0]:
        value = np.stack([np.asarray(one[name]) for one in each])
        own = arm.dims.get(name, tuple(f"{name}_{i}" for i in range(value.ndim - 1)))
        variables[name] = ((*coords, *own), value.reshape(*shape, *value.shape[1:]))
    return xr.Dataset(variables, coords | _used(arm, variables))


def _coordinates(arm: Arm, seeds: int) -> dict[str, Any]:
    return {"seed": np.arange(seeds)} | {k: _labels(v) for k, (_, v) in arm.grid.items()}


def _used(arm: Arm, variables: Mapping[str, Any]) -> dict[str, Any]:
    used = {dim for dims, _ in variables.values() for dim in dims}
    return {k: v for k, v in arm.coords.items() if k in used}


def _labels(values: Any) -> np.ndarray:
    """The values of a grid axis where they are single numbers, else their positions."""
    fields = axis_values(values)
    single = len(fields) == 1 and fields[0].ndim == 1
    return fields[0] if single else np.arange(len(fields[0]))


def _built(
    study: Study, arms: Mapping[str, LazyArm], claims: tuple[Claim, ...] | None
) -> dict[str, Arm | Reference]:
    """The arms of these claims and what they start from, in the study's order; no other is made.
    All arms for `None`.
    """
    built: dict[str, Arm | Reference] = {}
    ask = list(arms) if claims is None else [name for claim in claims for name in claim.arms]
    while ask:
        name = known(f"arm of {study.name}", ask.pop(), arms)
        if name not in built:
            arm = built[name] = _built_arm(study, arms, name)
            ask.extend(arm.needs if isinstance(arm, Arm) else ())
    return {name: built[name] for name in arms if name in built}


def _built_arm(study: Study, arms: Mapping[str, LazyArm], name: str) -> Arm | Reference:
    """One arm alone."""
    given = arms[known(f"arm of {study.name}", name, arms)]
    return given if isinstance(given, Arm | Reference) else given()


def _on_cluster(
    held: contextlib.ExitStack, address: str, store: str, study: Study, config: Any
) -> Callable[..., _Runner]:
    """What runs arms on the cluster there, which is left when `held` ends.

    **Raises:** `RunError` where the store cannot be written, or no cluster answers.
    """
    from ._cluster import ClusterRunner, absolute, check_store  # Ray only where it is asked for
    from ._ray import connected

    store = absolute(store) if store else ""
    check_store(store)
    ray = held.enter_context(connected(address))
    return partial(ClusterRunner, ray=ray, store=store, study=study, config=config)


def _check_seeds(config: Any) -> None:
    if not isinstance(config.seeds, int) or config.seeds < 1:
        raise RunError(f"seeds must be a whole number of at least 1, got {config.seeds!r}")


def judgeable(study: Study, scale: str, config: Any) -> bool:
    """Whether claims are judged: at an unmodified scale but smoke, with any 5 seeds or more."""
    unmodified = dataclasses.replace(config, seeds=study.scale(scale).seeds) == study.scale(scale)
    return scale != "smoke" and unmodified and config.seeds >= 5
