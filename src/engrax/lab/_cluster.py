"""A study over a cluster: blocks of seeds of each arm as tasks, put together as from one machine.

A task lost with its node runs again on another and goes on from its checkpoint in the store. Under
placement `map` the bits of a seed depend on nothing but its number, so that the result is that of
one machine; under `vmap` it is so to rounding.
"""

import dataclasses
import json
import math
import uuid
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import xarray as xr

from engrax._registry import studies
from engrax.core import Stopped

from ._block import Block, Done, Job, Machine, Table, look_around, run_block, tune
from ._errors import RunError
from ._folder import CHECKPOINTS
from ._manifest import write_json
from ._memory import block_need, records_need, refuse
from ._ray import ClusterError
from ._run import Progress, _Runner
from ._store import Store
from ._study import Arm, Reference, Study

RETRIES = 10
"""Times that a task is begun again after the loss of its node."""

SETTINGS = (
    "jax_compilation_cache_dir",
    "jax_persistent_cache_min_compile_time_secs",
    "jax_persistent_cache_min_entry_size_bytes",
    "jax_default_matmul_precision",
    "jax_enable_x64",
)
"""What every machine has from the one that puts the results together."""


@dataclasses.dataclass
class ClusterRunner(_Runner):
    """Runs the arms of a study over the cluster that `ray` is connected to."""

    ray: Any = None
    study: Study | None = None
    config: Any = None
    store: str = ""
    tables: dict[str, Table] = dataclasses.field(default_factory=dict)

    def tree(self) -> xr.DataTree:
        """All arms as one tree of records."""
        job, slots, machines = self._prepared()
        cut = self._cut(slots, machines)
        arms = {name: arm for name, arm in self.arms.items() if isinstance(arm, Arm)}
        needed = {name for arm in arms.values() for name in arm.needs}
        blocks = {name: _blocks(name, self._seeds(arm), cut) for name, arm in arms.items()}
        tasks = _Tasks(self.ray, job, needed, self.stop)
        tables: dict[str, Any] = {}
        for name, arm in arms.items():
            if arm.tuning is not None:
                before = [(earlier, tables.get(earlier)) for earlier in _before(name, arms)]
                tables[name] = self._kept_table(name, arm) or tasks.tuning(name, before)
        for name, arm in arms.items():
            for at, block in enumerate(blocks[name]):
                if any(self._seeds(arms[n]) != self._seeds(arm) for n in arm.needs):
                    raise RunError(f"arm {name!r} starts from an arm with other seeds")
                tasks.block(block, tables.get(name), [(n, at) for n in arm.needs])
        return self._assembled(blocks, self._awaited(tasks, blocks))

    def _awaited(self, tasks: "_Tasks", blocks: Mapping[str, list[Block]]) -> dict[Block, Done]:
        """What all blocks found, while it is told how far they are."""
        done: dict[Block, Done] = {}
        count = dict.fromkeys(blocks, 0)
        for what, found in tasks.finished():
            if isinstance(what, str):
                self.tables[what] = found
                continue
            done[what] = found
            self._tell(what, found)
            name = what.arm
            count[name] += 1
            at, all_of = list(self.arms).index(name), len(blocks[name])
            self.progress(Progress(name, at, len(self.arms), "running", count[name], all_of))
        return done

    def _tell(self, block: Block, found: Done) -> None:
        if found.began:
            self.warn(f"{block}, went on from tick {found.began} on {found.node}")
        for sentence in found.heard:
            self.warn(sentence)

    def _search(self, name: str, arm: Arm, tuning: Any, told: Callable[..., None]) -> Table:
        """What a task of the cluster found."""
        return self.tables[name]

    def _kept_table(self, name: str, arm: Arm) -> Table | None:
        """What an earlier session found in the tuning of an arm."""
        if arm.tuning is None or not self._stored(self.folder.path / "tuning" / f"{name}.json"):
            return None
        _, data = self._tuned(name, arm, arm.tuning, lambda *ignored: None)
        return data["tuned_value"].values.tolist(), data["score"].values.tolist()

    def _assembled(self, blocks: dict[str, list[Block]], done: dict[Block, Done]) -> xr.DataTree:
        groups: dict[str, xr.Dataset] = {}
        for name, arm in self.arms.items():
            if isinstance(arm, Reference):
                groups[f"/{name}"] = self._once(name, "reference", arm.compute)
                continue
            if arm.tuning is not None:
                _, groups[f"/{name}/tuning"] = self._tuned(
                    name, arm, arm.tuning, lambda *ignored: None
                )
            mine = [done.pop(block) for block in blocks[name]]
            groups[f"/{name}"] = _joined([each.records for each in mine])
            groups[f"/{name}"].attrs["seconds"] = sum(each.seconds for each in mine)
            if finals := [each.final for each in mine if each.final is not None]:
                groups[f"/{name}/final"] = _joined(finals)
        return xr.DataTree.from_dict(groups)

    def _prepared(self) -> tuple[Job, int, list[Machine]]:
        """The job, the number of tasks that can run at a time, and the machines, all tried."""
        about = self.folder.path / CHECKPOINTS / "cluster.json"
        kept = json.loads(about.read_text()) if about.exists() else {}
        store = self.store or kept.get("store") or str(self.folder.path / CHECKPOINTS)
        about.parent.mkdir(exist_ok=True)
        assert self.study is not None
        folder = kept.get("folder") or f"{self.study.name}-{uuid.uuid4().hex[:12]}"
        write_json(about, kept | {"store": store, "folder": folder})
        gpus = int(self.ray.cluster_resources().get("GPU", 0))
        slots = gpus or int(self.ray.cluster_resources().get("CPU", 0))
        if slots < 1:
            raise ClusterError("the cluster has neither CPUs nor GPUs for tasks")
        job = Job(
            study=_place(self.study),
            config=self.config,
            store=store,
            folder=folder,
            every=self.every,
            settings={name: jax.config.values[name] for name in SETTINGS},
            gpu=gpus > 0,
        )
        return job, slots, self._machines(job, given=bool(self.store or kept.get("store")))

    def _machines(self, job: Job, *, given: bool) -> list[Machine]:
        """Every node, after it has tried the store."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        token, ray = f"{job.folder}/here", self.ray
        store = Store(job.store)
        store.write(token, b"")
        nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
        # A process that saw a GPU keeps hold of its memory.
        look = ray.remote(max_calls=int(job.gpu), num_cpus=0)(look_around)
        asked = [
            look.options(
                num_gpus=int(job.gpu and node["Resources"].get("GPU", 0) > 0),
                scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=True),
            ).remote(job.store, token, gpu=job.gpu)
            for node in nodes
        ]
        try:
            machines = ray.get(asked, timeout=300)
        except Exception as error:
            cause = getattr(error, "cause", None) or error
            how = "" if given else "; give --store, or an --out on a folder that all nodes share"
            raise ClusterError(f"a node cannot be used: {_line(cause)}{how}") from error
        finally:
            store.remove(token)
        mine = version("engrax"), jax.__version__
        for machine in machines:
            if (machine.engrax, machine.jax) != mine:
                raise ClusterError(
                    f"node {machine.name} has engrax {machine.engrax} with jax {machine.jax}, not "
                    f"{mine[0]} with {mine[1]}; install the same on all nodes"
                )
        return machines

    def _cut(self, slots: int, machines: list[Machine]) -> int:
        """Seeds of a block: as many as keep all machines at work, if their memory allows it."""
        # Here the records alone: the states stay in the cluster.
        refuse([records_need(self.arms)], self.seeds)
        each = math.ceil(slots / len(machines))
        free = min(m.device_free or m.free // each for m in machines)
        needs = [block_need(arm, free) for arm in self.arms.values() if isinstance(arm, Arm)]
        most = min((need.fits() for need in needs), default=1)
        if most == 0:
            refuse(needs, 1)
        about = self.folder.path / CHECKPOINTS / "cluster.json"
        kept = json.loads(about.read_text())
        # A run that goes on keeps its cut, for its checkpoints are those of its blocks.
        cut = kept.get("cut") or min(most, math.ceil(self.seeds / slots))
        write_json(about, kept | {"cut": cut})
        return cut


def _before(name: str, arms: Mapping[str, Arm]) -> list[str]:
    """What an arm starts from, and what that starts from, in the order in which arms run."""
    found: set[str] = set()
    ask = list(arms[name].needs)
    while ask:
        if (needed := ask.pop()) not in found:
            found.add(needed)
            ask.extend(arms[needed].needs)
    return [arm for arm in arms if arm in found]


def _blocks(arm: str, seeds: int, cut: int) -> list[Block]:
    return [Block(arm, at, min(at + cut, seeds)) for at in range(0, seeds, cut)]


class _Tasks:
    """The tasks of a run that are not finished yet."""

    def __init__(self, ray: Any, job: Job, needed: set[str], stop: Callable[[], bool]) -> None:
        self.ray, self.stop, self.job = ray, stop, ray.put(job)
        self.needed = needed
        how = {"num_cpus": 1, "num_gpus": int(job.gpu), "max_calls": int(job.gpu)}
        how |= {"max_retries": RETRIES, "retry_exceptions": False}
        self.run = ray.remote(num_returns=2, **how)(run_block)
        self.tune = ray.remote(**how)(tune)
        self.asked: dict[Any, str | Block] = {}
        self.finals: dict[str, list[Any]] = {}

    def tuning(self, name: str, before: list[tuple[str, Any]]) -> Any:
        """Begins the tuning of an arm, once those of the arms that it starts from are there."""
        ref = self.tune.remote(self.job, name, [n for n, _ in before], *(t for _, t in before))
        self.asked[ref] = name
        return ref

    def block(self, block: Block, table: Any, needs: list[tuple[str, int]]) -> None:
        """Begins a block, once what it needs is there."""
        finals = [self.finals[name][i] for name, i in needs]
        done, final = self.run.remote(self.job, block, table, *finals)
        self.asked[done] = block
        if block.arm in self.needed:  # the cluster forgets what nobody refers to
            self.finals.setdefault(block.arm, []).append(final)

    def finished(self) -> Iterator[tuple[str | Block, Any]]:
        """Each task and what it found, in the order in which they end.

        **Raises:** `Stopped` once all are stopped, if the run is to stop; `RunError` where one
        failed for a reason of its own.
        """
        while self.asked:
            if self.stop():
                self._cancel()
                raise Stopped("stopped the tasks on the cluster")
            ready, _ = self.ray.wait(list(self.asked), num_returns=1, timeout=0.3)
            for ref in ready:
                what = self.asked.pop(ref)
                try:
                    found = self.ray.get(ref)
                except self.ray.exceptions.RayError as error:
                    self._cancel()
                    of = what if isinstance(what, Block) else f"tuning of arm {what}"
                    cause = getattr(error, "cause", None) or error
                    raise RunError(f"{of}, failed on the cluster: {_line(cause)}") from error
                yield what, found

    def _cancel(self) -> None:
        """Asks all tasks to stop and gives them time to keep what they have."""
        for ref in self.asked:
            self.ray.cancel(ref, force=False)
        if self.asked:
            self.ray.wait(list(self.asked), num_returns=len(self.asked), timeout=30)


def _place(study: Study) -> Study | str:
    """Where the study is imported from, if it is an installed one, or else itself."""
    entry = studies().get(study.name)
    return entry.value if entry is not None and entry.load() is study else study


def _joined(parts: list[xr.Dataset]) -> xr.Dataset:
    """One data set of those of all blocks, which differ in their seeds alone."""
    return xr.concat(
        parts, "seed", data_vars="minimal", coords="minimal", compat="override", join="override",
        combine_attrs="override",
    )  # fmt: skip


def _line(error: BaseException) -> str:
    said = str(error).strip().partition("\n")[0]
    plain = isinstance(error, RunError | ValueError)
    return said if plain and said else f"{type(error).__name__}: {said}"


def check_store(address: str) -> None:
    """Tries a store from this machine, before anything is begun.

    Raises:
        StoreError: it cannot be written.
    """
    if address:
        Store(address).check()


def absolute(address: str) -> str:
    """A folder by its whole path; another address as it is."""
    return address if "://" in address or "::" in address else str(Path(address).absolute())
