"""One process a run folder: a lock of the kernel, which goes when its holder does."""

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ._errors import FolderError

LOCK = ".lock"
"""The file in a run folder that is locked, and that names the process that holds it."""


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Holds the folder, which exists, until the block ends or this process is killed.

    **Raises:** `FolderError` where another process holds it; `OSError`.
    """
    path = folder / LOCK
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise FolderError(
            f"{folder} is in use by {_holder(path)}; wait for it, or choose another --out"
        ) from None
    try:
        with contextlib.suppress(OSError):  # a full disk: the lock holds without a name
            path.write_text(f"{os.getpid()}\n")
        yield
    finally:
        lock.release()


def _holder(path: Path) -> str:
    try:
        number = path.read_text()[:20].strip()
    except OSError:
        number = ""
    return f"another process ({number})" if number.isdigit() else "another process"
