"""Checkpoints in a place that many machines share: a folder, or whatever fsspec can reach."""

import posixpath
import shutil
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jaxtyping import PyTree

from ._checkpoints import KEPT, ArmCheckpoints
from ._errors import RunError

SEAL = ".sha256.json"


class StoreError(RunError):
    """A store that cannot be written or read."""


class Store:
    """Files below an address, such as `/shared/runs`, `s3://bucket/runs` or `gs://bucket/runs`.

    Raises:
        StoreError: the address makes no sense, or the package that speaks its protocol is missing.
    """

    def __init__(self, address: str) -> None:
        try:
            import fsspec.core
        except ImportError as error:
            raise StoreError(
                "--store needs fsspec, which is not installed: pip install 'engrax[cluster]'"
            ) from error
        self.address = address
        try:
            files, root = fsspec.core.url_to_fs(address)
        except (ImportError, ValueError) as error:
            raise StoreError(f"the store {address} cannot be used: {_first_line(error)}") from error
        self._files: Any = files
        self._root = str(root)

    def check(self) -> None:
        """Writes a small file, reads it and removes it.

        Raises:
            StoreError: one of these was refused.
        """
        name, word = f".engrax-{uuid.uuid4().hex}", uuid.uuid4().bytes
        try:
            self.write(name, word)
            there = self.read(name) == word
            self.remove(name)
        except Exception as error:  # each protocol has its own
            raise StoreError(
                f"the store {self.address} cannot be written: {_first_line(error)}"
            ) from error
        if not there:
            raise StoreError(f"the store {self.address} does not give back what is written there")

    def write(self, name: str, content: bytes) -> None:
        """Writes a file."""
        path = self._path(name)
        self._files.makedirs(posixpath.dirname(path), exist_ok=True)
        self._files.pipe_file(path, content)

    def read(self, name: str) -> bytes:
        """Reads a file."""
        return self._files.cat_file(self._path(name))

    def has(self, name: str) -> bool:
        """Whether there is such a file, as seen now and not as remembered."""
        self._files.invalidate_cache()
        return self._files.exists(self._path(name))

    def remove(self, name: str) -> None:
        """Removes a file, or a folder and all that is in it; nothing if there is none."""
        if self._files.exists(self._path(name)):
            self._files.rm(self._path(name), recursive=True)

    def names(self, folder: str) -> list[str]:
        """The files below a folder, by their names from there."""
        self._files.invalidate_cache()
        path = self._path(folder)
        return [posixpath.relpath(str(found), path) for found in self._files.find(path)]

    def _path(self, name: str) -> str:
        return posixpath.join(self._root, name)


class StoredCheckpoints:
    """Implements `engrax.core.Checkpoints` in a folder of a `Store`.

    A checkpoint is written and sealed on the machine's own disk, as `ArmCheckpoints` does, and
    then copied, the seal last: what a lost machine left half copied has no seal and is no
    checkpoint. `began` is the tick that `restore` went on from, 0 if from none.
    """

    def __init__(
        self, store: Store, folder: str, *, every: float | None, warn: Callable[[str], None]
    ) -> None:
        self.store, self.folder, self.began = store, folder, 0
        self._scratch = tempfile.TemporaryDirectory(prefix="engrax-")
        # The last part of the name stands in sentences about a damaged checkpoint.
        self._here = Path(self._scratch.name) / posixpath.basename(folder)
        self._own = ArmCheckpoints(self._here, every=every, warn=warn)

    def save(self, tick: int, kept: PyTree, *, last: bool) -> None:
        """Writes `kept`, if it is time to, and copies it."""
        self._own.save(tick, kept, last=last)
        seal = self._here / f"{tick}{SEAL}"
        if not seal.exists():
            return
        self._forget(tick)
        for path in sorted((self._here / str(tick)).rglob("*")):
            if path.is_file():
                name = path.relative_to(self._here).as_posix()
                self.store.write(f"{self.folder}/{name}", path.read_bytes())
        self.store.write(f"{self.folder}/{seal.name}", seal.read_bytes())
        for old in self._ticks()[KEPT:]:
            self._forget(old)

    def restore(self, like: Callable[[], PyTree]) -> tuple[int, PyTree] | None:
        """The newest checkpoint in the store that is whole."""
        for tick in self._ticks():
            shutil.rmtree(self._here, ignore_errors=True)
            for name in (*self._files(tick), f"{tick}{SEAL}"):
                path = self._here / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(self.store.read(f"{self.folder}/{name}"))
            if found := self._own.restore(like):
                self.began = found[0]
                return found
        return None

    def close(self) -> None:
        """Gives the machine's disk back."""
        self._scratch.cleanup()

    def _files(self, tick: int) -> list[str]:
        return [n for n in self.store.names(self.folder) if n.startswith(f"{tick}/")]

    def _forget(self, tick: int) -> None:
        self.store.remove(f"{self.folder}/{tick}{SEAL}")
        self.store.remove(f"{self.folder}/{tick}")

    def _ticks(self) -> list[int]:
        """Ticks of the sealed checkpoints in the store, newest first."""
        found = (n.removesuffix(SEAL) for n in self.store.names(self.folder) if n.endswith(SEAL))
        return sorted((int(name) for name in found if name.isdigit()), reverse=True)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
