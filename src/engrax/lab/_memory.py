"""How many seeds fit into memory, estimated from shapes before anything runs."""

import contextlib
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import jax
import psutil

from engrax.core import Footprint, axis_values, chunk_length, default_placement, footprint

from ._errors import RunError
from ._study import Arm, Reference

SHARE = 0.9
"""The part of the free memory that a run may plan with."""

STATES = 5
"""Times that the state of a run stands in memory at its worst moment: as drawn, as copied to where
it runs, as it comes out, as brought back, and on its way into a checkpoint (measured)."""

RECORDS = 3
"""Times that a record does: where it is kept, and as the bytes of a checkpoint or of the file,
which both are made in memory before a disk sees them (measured)."""

PROGRAM = 100_000_000
"""Bytes that compilers, threads and the programs themselves take (measured)."""

WORKSPACE = 2
"""What a compiled step keeps beside its state, in multiples of the state and a tick's record:
gradients and what they are made from."""


class Need(NamedTuple):
    """Bytes that a run takes in one kind of memory.

    **Fields:** `kind` in words; `fixed`, whatever the number of seeds; `per_seed`; `free`.
    """

    kind: str
    fixed: int
    per_seed: int
    free: int

    def total(self, seeds: int) -> int:
        """Bytes for so many seeds."""
        return self.fixed + self.per_seed * seeds

    def fits(self) -> int:
        """The number of seeds that there is room for."""
        room = int(SHARE * self.free) - self.fixed
        return max(0, room // max(1, self.per_seed))


def check_memory(arms: Mapping[str, Arm | Reference], seeds: int) -> None:
    """Refuses a run for which this machine has not enough memory.

    Raises:
        RunError: it has not; the sentence says how many seeds fit.
    """
    refuse(host_needs(arms) + device_needs(arms), seeds)


def refuse(needs: Iterable[Need], seeds: int) -> None:
    """Raises a `RunError` with the number of seeds that fit, unless `seeds` do."""
    needs = tuple(needs)
    fit = min((need.fits() for need in needs), default=seeds)
    if fit >= seeds:
        return
    need = min(needs, key=Need.fits)
    what = f"{seeds} seeds" if seeds > 1 else "1 seed"
    said = f"{what} would need about {in_words(need.total(seeds))} of {need.kind}"
    if fit == 0:
        raise RunError(f"{said}, and {in_words(need.free)} is free: not even one seed fits")
    raise RunError(
        f"{said}, and {in_words(need.free)} is free: {fit} fit; give --seeds {fit} or fewer, "
        "or spread them over more machines by --cluster"
    )


def host_needs(arms: Mapping[str, Arm | Reference]) -> list[Need]:
    """What the records of all arms take, which stay until they are written, and the states."""
    here = jax.default_backend() == "cpu"
    devices = jax.local_device_count()
    fixed, per_seed, worst_fixed, worst = PROGRAM, 0, 0, 0
    for arm, cells, foot in _each(arms):
        kept = cells * (RECORDS * foot.records + foot.state)
        at_work = cells * _at_work(arm, foot) if here else cells * foot.state
        if arm.seeds is None:
            per_seed, worst = per_seed + kept, max(worst, at_work)
        else:
            fixed += kept * arm.seeds + at_work * arm.seeds
        if here:
            once = WORKSPACE * (foot.state + foot.tick) + foot.system
            worst_fixed = max(worst_fixed, devices * once)
    return [Need("memory", fixed + worst_fixed, per_seed + worst, free_memory())]


def device_needs(arms: Mapping[str, Arm | Reference]) -> list[Need]:
    """What the states of the largest arm take on each accelerator; nothing on a CPU."""
    devices = jax.local_devices()
    stats = devices[0].memory_stats() or {}
    if jax.default_backend() == "cpu" or "bytes_limit" not in stats:
        return []
    free = stats["bytes_limit"] - stats.get("bytes_in_use", 0)
    fixed, worst = 0, 0
    for arm, cells, foot in _each(arms):
        each = math.ceil(cells * _at_work(arm, foot) / len(devices))
        fixed = max(fixed, foot.system + each * (arm.seeds or 0))
        worst = max(worst, 0 if arm.seeds else each)
    return [Need(f"the memory of a {devices[0].device_kind}", fixed, worst, free)]


def block_need(arm: Arm, free: int) -> Need:
    """What a block of seeds of one arm takes in a process of its own."""
    cells, foot = _cells(arm), footprint(arm.system, arm.ticks)
    per_seed = cells * (RECORDS * foot.records + foot.state + _at_work(arm, foot))
    fixed = PROGRAM + WORKSPACE * (foot.state + foot.tick) + 2 * foot.system
    return Need("memory in a process of the cluster", fixed, per_seed, free)


def records_need(arms: Mapping[str, Arm | Reference]) -> Need:
    """What the assembled records take, where the arms themselves run elsewhere."""
    fixed, per_seed = 0, 0
    for arm, cells, foot in _each(arms):
        per_seed += 0 if arm.seeds else RECORDS * cells * foot.records
        fixed += RECORDS * cells * foot.records * (arm.seeds or 0)
    return Need("memory where the results are put together", fixed, per_seed, free_memory())


def _each(arms: Mapping[str, Arm | Reference]) -> Iterable[tuple[Arm, int, Footprint]]:
    for arm in arms.values():
        if isinstance(arm, Arm):
            yield arm, _cells(arm), footprint(arm.system, arm.ticks)


def _cells(arm: Arm) -> int:
    return math.prod(len(axis_values(values)[0]) for _, values in arm.grid.values())


def _at_work(arm: Arm, foot: Footprint) -> int:
    """Bytes a run takes while its arm is running, on the device that it runs on."""
    chunk = arm.chunk or chunk_length(arm.ticks)
    together = (arm.placement or default_placement()) == "vmap"
    return (
        STATES * foot.state
        + chunk * foot.tick
        + (WORKSPACE * (foot.state + foot.tick) if together else 0)
    )


def free_memory() -> int:
    """Bytes that this process can still have, by the system and by its control groups."""
    return min((psutil.virtual_memory().available, *_free_by_groups()))


GROUPS = (  # version 2, version 1
    ("0::", "", "memory.max", "memory.current", "inactive_file"),
    (":memory:", "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def _free_by_groups(root: Path = Path("/sys/fs/cgroup"), own: str | None = None) -> Iterable[int]:
    """What the control groups leave, from the own one upwards; a container has no other limit."""
    try:
        mine = Path("/proc/self/cgroup").read_text() if own is None else own
    except OSError:  # no Linux
        return
    for mark, folder, most, used, cached in GROUPS:
        line = next((line for line in mine.splitlines() if mark in line), None)
        if line is None:
            continue
        path = root / folder / line.partition(mark)[2].lstrip("/")
        for group in (path, *path.parents):
            with contextlib.suppress(OSError, ValueError, KeyError):  # "max", or no such file
                stat = dict(s.split() for s in (group / "memory.stat").read_text().splitlines())
                limit, use = (int((group / name).read_text()) for name in (most, used))
                yield limit - use + int(stat[cached])


def in_words(size: int) -> str:
    """Bytes for a person.

    ```python
    >>> in_words(3_500_000_000)
    '3.5 GB'
    ```
    """
    power = min(4, max(0, (len(str(size)) - 1) // 3))
    short = size / 1000**power
    digits = 0 if power == 0 or short >= 100 else 1
    return f"{short:.{digits}f} {('bytes', 'kB', 'MB', 'GB', 'TB')[power]}"
