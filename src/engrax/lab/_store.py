"""Checkpoints in a place that many machines share: a folder, or whatever fsspec can reach."""

import contextlib
import posixpath
import uuid
from collections.abc import Callable
from io import IOBase
from pathlib import Path
from typing import Any

from jaxtyping import PyTree

from ._checkpoints import ArmCheckpoints
from ._errors import RunError, one_line


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
            raise StoreError(f"the store {address} cannot be used: {one_line(error)}") from error
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
            with self.open(name) as file:
                there = file.read() == word
            self.remove(name)
        except Exception as error:  # each protocol has its own
            raise StoreError(
                f"the store {self.address} cannot be written: {one_line(error)}"
            ) from error
        if not there:
            raise StoreError(f"the store {self.address} does not give back what is written there")

    def write(self, name: str, content: bytes) -> None:
        """Writes a file."""
        path = self._path(name)
        self._files.makedirs(posixpath.dirname(path), exist_ok=True)
        self._files.pipe_file(path, content)

    def open(self, name: str) -> IOBase:
        """A file to be read."""
        return self._files.open(self._path(name), "rb")

    def has(self, name: str) -> bool:
        """Whether there is such a file, as seen now and not as remembered."""
        self._files.invalidate_cache()
        return self._files.exists(self._path(name))

    def remove(self, name: str) -> None:
        """Removes a file; nothing if there is none."""
        with contextlib.suppress(FileNotFoundError):
            self._files.rm_file(self._path(name))

    def names(self, folder: str) -> list[str]:
        """The files below a folder, by their names from there."""
        self._files.invalidate_cache()
        path = self._path(folder)
        return [posixpath.relpath(str(found), path) for found in self._files.find(path)]

    def _path(self, name: str) -> str:
        return posixpath.join(self._root, name)


class StoredCheckpoints(ArmCheckpoints):
    """The same in a folder of a `Store`.

    What a lost machine left half copied does not agree with its seal, and the checkpoint before it
    is used. `began` is the tick that `restore` went on from, 0 if from none.
    """

    def __init__(
        self, store: Store, folder: str, *, every: float | None, warn: Callable[[str], None]
    ) -> None:
        super().__init__(Path(folder), every=every, warn=warn)
        self.store, self.began = store, 0

    def restore(self, like: Callable[[], PyTree]) -> tuple[int, PyTree] | None:
        """The newest checkpoint in the store that is whole."""
        found = super().restore(like)
        self.began = found[0] if found else 0
        return found

    def _names(self) -> list[str]:
        return self.store.names(self.folder.as_posix())

    def _open(self, name: str) -> IOBase:
        return self.store.open(f"{self.folder.as_posix()}/{name}")

    def _write(self, name: str, content: list[bytes | memoryview]) -> None:
        self.store.write(f"{self.folder.as_posix()}/{name}", b"".join(content))

    def _remove(self, name: str) -> None:
        self.store.remove(f"{self.folder.as_posix()}/{name}")
