"""One run by several processes of `jax.distributed`: the first writes, and tells the others."""

import contextlib
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh
from jaxtyping import PyTree

from engrax.core import Checkpoints, data_mesh

from ._errors import RunError, one_line
from ._safetensors import from_safetensors, to_safetensors

COORDINATOR, PROCESSES, PROCESS = "ENGRAX_COORDINATOR", "ENGRAX_PROCESSES", "ENGRAX_PROCESS"
"""Environment variables: HOST:PORT of the first process, how many there are, and which this is."""


def join_processes() -> None:
    """Joins the other processes, where the environment or Slurm started several.

    To be called before JAX computes anything.

    Raises:
        RunError: the variables make no sense, or the others cannot be reached.
    """
    given = [os.environ.get(name, "") for name in (COORDINATOR, PROCESSES, PROCESS)]
    if any(given):
        address, count, index = given
        if not (re.fullmatch(r".+:\d+", address) and count.isdigit() and index.isdigit()):
            raise RunError(
                f"{COORDINATOR}=HOST:PORT, {PROCESSES}=COUNT and {PROCESS}=NUMBER go together; "
                f"they are {address!r}, {count!r} and {index!r}"
            )
        how = {"coordinator_address": address, "num_processes": int(count)}
        how |= {"process_id": int(index)}
    elif int(os.environ.get("SLURM_STEP_NUM_TASKS", "1")) > 1:
        how = {}  # JAX asks Slurm itself
    else:
        return
    try:
        jax.distributed.initialize(**how)
    except (RuntimeError, ValueError) as error:
        raise RunError(f"the processes of this run cannot meet: {one_line(error)}") from error


def asked_mesh(text: str) -> Mesh | None:
    """The mesh that `data=8` asks for; `None` for an empty text.

    Raises:
        RunError: it asks for nothing that there is.
    """
    if not text:
        return None
    found = re.fullmatch(r"data=(\d+)", text)
    if not found:
        raise RunError(f"a mesh is data=DEVICES, such as data=8, not {text!r}")
    try:
        return data_mesh(int(found[1]))
    except ValueError as error:
        raise RunError(str(error)) from error


def alone() -> bool:
    """Whether this process is the only one."""
    return jax.process_count() == 1


def leads() -> bool:
    """Whether this is the process that writes."""
    return jax.process_index() == 0


def told(content: bytes) -> bytes:
    """What the first process calls this with, on all; each must call it."""
    if alone():
        return content
    size = multihost_utils.broadcast_one_to_all(np.array(divmod(len(content), 2**20), np.int32))
    length = int(size[0]) * 2**20 + int(size[1])
    mine = np.frombuffer(content, np.uint8) if leads() else np.zeros(length, np.uint8)
    return np.asarray(multihost_utils.broadcast_one_to_all(mine)).tobytes()


@contextlib.contextmanager
def folder_of_its_own(out: Path) -> Iterator[Path]:
    """`out` in the process that writes; in another a folder that goes when the run ends."""
    if leads():
        yield out
    else:
        with tempfile.TemporaryDirectory(prefix="engrax-") as path:
            yield Path(path) / out.name


def share_files(folder: Path) -> None:
    """Gives every process the text files that the first has in a folder."""
    if alone():
        return
    here = {path.name: path.read_text() for path in folder.glob("*") if path.is_file()}
    for name, content in json.loads(told(json.dumps(here).encode())).items():
        if not leads():
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(content)


def agreed(stop: Callable[[], bool]) -> Callable[[], bool]:
    """Whether the first process is to stop, on all."""
    return stop if alone() else lambda: told(b"y" if stop() else b"n") == b"y"


class SharedCheckpoints:
    """Implements `engrax.core.Checkpoints` for all processes by those of the first."""

    def __init__(self, own: Checkpoints) -> None:
        self.own = own

    def save(self, tick: int, kept: PyTree, *, last: bool) -> None:
        """Offers what there is, if this is the process that writes."""
        if leads():
            self.own.save(tick, kept, last=last)

    def restore(self, like: Callable[[], PyTree]) -> tuple[int, PyTree] | None:
        """What the first process finds."""
        found = self.own.restore(like) if leads() else None
        if alone():
            return found
        content = told(b"" if found is None else b"".join(to_safetensors(*found)))
        return found if leads() or not content else from_safetensors(content, like())
