"""Checkpoints of one arm: each a safetensors file that is written whole or not at all."""

import os
import time
from collections.abc import Callable, Iterator
from io import IOBase
from pathlib import Path

from jaxtyping import PyTree

from ._errors import one_line
from ._manifest import check_seal, write
from ._safetensors import SEAL_AT, from_safetensors, largest, to_safetensors

KEPT = 2
"""Checkpoints kept of an arm: should the newest be damaged, the one before it is used."""

SHARE = 20
"""A save waits for so many times its own cost in work: saving takes under 5 % of the time."""

FIRST_COST = 0.1
"""What a save is taken to cost, in seconds, before the first one of a session."""

SUFFIX = ".safetensors"


class ArmCheckpoints:
    """Implements `engrax.core.Checkpoints` in a folder of one arm.

    A checkpoint is the states and the records so far, in one file called `TICK.safetensors`, so
    that the two always agree. Its metadata hold the tick and the SHA-256 of the file, which counts
    every bit; typed keys are kept as their data, and no array is cast.

    A process that is killed loses what it did since the last save: no more than one chunk where a
    chunk takes longer than `every` seconds, and so with `every=0` always.

    **Arguments:** `every`: seconds of work between two saves, but for the last; `SHARE` times what
    the last save took if `None`. `warn`: told in a sentence about each checkpoint that is damaged
    and passed over.
    """

    def __init__(
        self, folder: Path, *, every: float | None = None, warn: Callable[[str], None]
    ) -> None:
        self.folder = folder
        self.every = every
        self.warn = warn
        self.cost = FIRST_COST
        self.saved_at = time.monotonic()

    def save(self, tick: int, kept: PyTree, *, last: bool) -> None:
        """Writes `kept`, if it is time to, and then drops what is older than the last two.

        **Raises:** `OSError`; what was there before still is. `TypeError` where an array of `kept`
        holds Python objects.
        """
        begun = time.monotonic()
        wait = SHARE * self.cost if self.every is None else self.every
        if not last and begun - self.saved_at < wait:
            return
        self._write(f"{tick}{SUFFIX}", to_safetensors(tick, kept))
        self._drop_others(tick)
        self.saved_at = time.monotonic()
        self.cost = self.saved_at - begun

    def restore(self, like: Callable[[], PyTree]) -> tuple[int, PyTree] | None:
        """The newest checkpoint that is whole, in the form of `like()`, on the host.

        A file that is larger than that form allows is not read.
        """
        if not (ticks := self._ticks()):
            return None
        form = like()
        for tick in ticks:
            try:
                return tick, self._read(tick, form)
            except (OSError, ValueError, MemoryError) as error:
                self._damaged(tick, error)
        return None

    def good(self) -> Iterator[int]:
        """Ticks of the checkpoints that agree with their seals, newest first; warns of others."""
        for tick in self._ticks():
            try:
                with self._open(f"{tick}{SUFFIX}") as file:
                    check_seal(file, SEAL_AT)
            except (OSError, ValueError) as error:
                self._damaged(tick, error)
            else:
                yield tick

    def _read(self, tick: int, like: PyTree) -> PyTree:
        limit = largest(like)
        with self._open(f"{tick}{SUFFIX}") as file:
            if (size := file.seek(0, os.SEEK_END)) > limit:
                raise ValueError(f"it has {size} bytes, and no more than {limit} are wanted")
            file.seek(0)
            written, kept = from_safetensors(file.read(limit), like)
        if written != tick:
            raise ValueError(f"it was written as checkpoint {written}")
        return kept

    def _damaged(self, tick: int, error: Exception) -> None:
        self.warn(f"checkpoint {tick} of {self.folder.name} is damaged ({one_line(error)})")

    def _drop_others(self, tick: int) -> None:
        """Those before the last two, any later one (this run has passed it over as damaged), and
        what a process that was killed while it wrote has left.
        """
        ticks = self._ticks()
        keep = [old for old in ticks if old <= tick][:KEPT]
        drop = [f"{old}{SUFFIX}" for old in ticks if old not in keep]
        for name in (*drop, *(name for name in self._names() if name.endswith(".part"))):
            self._remove(name)

    def _ticks(self) -> list[int]:
        """Ticks of the checkpoints, newest first."""
        found = (n.removesuffix(SUFFIX) for n in self._names() if n.endswith(SUFFIX))
        return sorted((int(name) for name in found if name.isdecimal()), reverse=True)

    # Where the files are; `StoredCheckpoints` has another place.

    def _names(self) -> list[str]:
        return [path.name for path in self.folder.glob("*") if path.is_file()]

    def _open(self, name: str) -> IOBase:
        return (self.folder / name).open("rb")

    def _write(self, name: str, content: list[bytes | memoryview]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        write(self.folder / name, *content)

    def _remove(self, name: str) -> None:
        (self.folder / name).unlink(missing_ok=True)
