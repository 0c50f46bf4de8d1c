"""Checkpoints of one arm: written by Orbax, sealed by a hash of every file."""

import errno
import os
import re
import shutil
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import orbax.checkpoint as ocp
from jaxtyping import PyTree

from ._errors import one_line
from ._manifest import damage, seal
from ._quiet import quiet
from ._zarr import check_arrays

KEPT = 2
"""Checkpoints kept of an arm: should the newest be damaged, the one before it is used."""

SHARE = 20
"""A save waits for so many times its own cost in work: saving takes under 5 % of the time."""

FIRST_COST = 0.1
"""What a save is taken to cost, in seconds, before the first one of a session."""


class ArmCheckpoints:
    """Implements `engrax.core.Checkpoints` in a folder of one arm.

    A checkpoint is the states and the records so far, in one save, so that the two always agree.
    It counts once its seal (a SHA-256 of each of its files) stands beside it: Orbax restores a
    flipped bit without a word.

    A process that is killed loses what it did since the last save: no more than one chunk where a
    chunk takes longer than `every` seconds, and so with `every=0` always.

    **Arguments:** `every`: seconds of work between two saves, but for the last; `SHARE` times what
    the last save took if `None`. `warn`: told in a sentence about each checkpoint that is damaged
    and passed over.
    """

    def __init__(
        self, folder: Path, *, every: float | None = None, warn: Callable[[str], None]
    ) -> None:
        self.folder = folder.absolute()
        self.every = every
        self.warn = warn
        self.cost = FIRST_COST
        self.saved_at = time.monotonic()

    def save(self, tick: int, kept: PyTree, *, last: bool) -> None:
        """Writes `kept`, if it is time to, and then drops what is older than the last two.

        **Raises:** `OSError` in one line; what was there before still is.
        """
        begun = time.monotonic()
        wait = SHARE * self.cost if self.every is None else self.every
        if not last and begun - self.saved_at < wait:
            return
        path = self.folder / str(tick)
        with _one_line(path), quiet():
            # The seal goes first: without it what is left of an unfinished save does not count.
            self._seal(tick).unlink(missing_ok=True)
            shutil.rmtree(path, ignore_errors=True)
            with _checkpointer() as checkpointer:
                checkpointer.save(path, jax.tree.map(plain, kept))
            seal(path, self._seal(tick))
            self._drop_old()
        self.saved_at = time.monotonic()
        self.cost = self.saved_at - begun

    def restore(self, like: Callable[[], PyTree]) -> tuple[int, PyTree] | None:
        """The newest checkpoint that is whole, in the form of `like()`, on the host."""
        for tick in self.good():
            path, form = self.folder / str(tick), like()
            try:
                return tick, _restored(path, form)
            # What Orbax and TensorStore raise on files that are not what they promise.
            except Exception as error:
                self._damaged(tick, one_line(error))
        return None

    def good(self) -> Iterator[int]:
        """Ticks of the checkpoints that agree with their seals, newest first; warns of others."""
        sealed = self._ticks()
        for tick in self._unsealed():
            if not sealed or tick > sealed[0]:
                self.warn(f"checkpoint {tick} of {self.folder.name} was not finished")
        for tick in sealed:
            if broken := damage(self.folder / str(tick), self._seal(tick)):
                self._damaged(tick, broken)
            else:
                yield tick

    def _damaged(self, tick: int, how: str) -> None:
        self.warn(f"checkpoint {tick} of {self.folder.name} is damaged ({how})")

    def _drop_old(self) -> None:
        keep = {str(tick) for tick in self._ticks()[:KEPT]}
        for old in self._ticks()[KEPT:]:
            self._seal(old).unlink(missing_ok=True)
        for path in self.folder.iterdir():  # and what saves that were cut short have left
            if path.name.split(".")[0].isdigit() and path.is_dir() and path.name not in keep:
                shutil.rmtree(path, ignore_errors=True)

    def _seal(self, tick: int) -> Path:
        return self.folder / f"{tick}.sha256.json"

    def _ticks(self) -> list[int]:
        """Ticks of the sealed checkpoints, newest first."""
        if not self.folder.is_dir():
            return []
        found = [p.name.split(".")[0] for p in self.folder.glob("*.sha256.json")]
        return sorted((int(name) for name in found if name.isdigit()), reverse=True)

    def _unsealed(self) -> list[int]:
        """Ticks of checkpoints without a seal."""
        if not self.folder.is_dir():
            return []
        found = [int(p.name) for p in self.folder.iterdir() if p.name.isdigit()]
        return sorted(set(found) - set(self._ticks()), reverse=True)


@contextmanager
def _one_line(path: Path) -> Iterator[None]:
    """Turns what Orbax and TensorStore raise where they cannot write into an `OSError`."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        found = re.search(r"(?:OS error |os_error_code=')(\d+)", str(error))
        number = int(found[1]) if found else errno.EIO
        said = os.strerror(number) if found else one_line(error)
        raise OSError(number, said, str(path)) from error


def _restored(path: Path, like: PyTree) -> PyTree:
    form = jax.tree.map(_form, like)
    check_arrays(path, max(leaf.nbytes for leaf in jax.tree.leaves(form)))
    with warnings.catch_warnings(), _checkpointer() as checkpointer:
        warnings.simplefilter("ignore")  # Orbax warns that arrays come back on the host
        found = checkpointer.restore(path, form)
    return jax.tree.map(typed, like, found)


def _checkpointer() -> ocp.StandardCheckpointer:
    """Orbax's, which waits for no other process: the first alone keeps checkpoints."""
    if jax.process_count() == 1:
        return ocp.StandardCheckpointer()
    mine = jax.process_index()
    alone = ocp.options.MultiprocessingOptions(
        primary_host=mine, active_processes={mine}, barrier_sync_key_prefix="engrax"
    )
    return ocp.StandardCheckpointer(multiprocessing_options=alone)


Leaf = jax.Array | np.ndarray | jax.ShapeDtypeStruct


def _is_key(leaf: Leaf) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def plain(leaf: jax.Array | np.ndarray) -> np.ndarray:
    """A leaf of a state as an array of the host; of typed keys their data."""
    return np.asarray(jr.key_data(leaf) if _is_key(leaf) else leaf)


def _form(leaf: Leaf) -> np.ndarray:
    if _is_key(leaf):
        data = jax.eval_shape(jr.key_data, leaf)
        return np.empty(data.shape, data.dtype)
    return np.empty(leaf.shape, leaf.dtype)


def typed(like: Leaf, found: np.ndarray) -> jax.Array | np.ndarray:
    """What `plain` gave, typed keys again where `like` has them."""
    return jr.wrap_key_data(jnp.asarray(found)) if _is_key(like) else found
