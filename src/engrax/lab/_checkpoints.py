"""Checkpoints of one arm: written by Orbax, sealed by a hash of every file."""

import shutil
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import orbax.checkpoint as ocp
from jaxtyping import PyTree

from ._manifest import damage, seal

KEPT = 2
"""Checkpoints kept of an arm: should the newest be damaged, the one before it is used."""


class ArmCheckpoints:
    """Implements `engrax.core.Checkpoints` in a folder of one arm.

    A checkpoint is the states and the records so far, in one save, so that the two always agree.
    It counts once its seal (a SHA-256 of each of its files) stands beside it: Orbax restores a
    flipped bit without a word.

    **Arguments:** `every`: seconds between two saves, but for the last; `warn`: told in a sentence
    about each checkpoint that is damaged and passed over.
    """

    def __init__(self, folder: Path, *, every: float = 30.0, warn: Callable[[str], None]) -> None:
        self.folder = folder.absolute()
        self.every = every
        self.warn = warn
        self.saved_at = time.monotonic()

    def save(self, tick: int, kept: PyTree, *, last: bool) -> None:
        """Writes `kept`, if it is time to, and then drops what is older than the last two."""
        if not last and time.monotonic() - self.saved_at < self.every:
            return
        path = self.folder / str(tick)
        shutil.rmtree(path, ignore_errors=True)
        with ocp.StandardCheckpointer() as checkpointer:
            checkpointer.save(path, jax.tree.map(_plain, kept))
        seal(path, self._seal(tick))
        for old in self._ticks()[KEPT:]:
            self._seal(old).unlink(missing_ok=True)
            shutil.rmtree(self.folder / str(old))
        self.saved_at = time.monotonic()

    def restore(self, like: PyTree) -> tuple[int, PyTree] | None:
        """The newest checkpoint that is whole, in the form of `like`, on the host."""
        for tick in self._ticks():
            path = self.folder / str(tick)
            if broken := damage(path, self._seal(tick)):
                self.warn(f"checkpoint {path.name} of {path.parent.name} is damaged ({broken})")
                continue
            form = jax.tree.map(_form, like)
            with warnings.catch_warnings(), ocp.StandardCheckpointer() as checkpointer:
                warnings.simplefilter("ignore")  # Orbax warns that arrays come back on the host
                found = checkpointer.restore(path, form)
            return tick, jax.tree.map(_typed, like, found)
        return None

    def _seal(self, tick: int) -> Path:
        return self.folder / f"{tick}.sha256.json"

    def _ticks(self) -> list[int]:
        """Ticks of the sealed checkpoints, newest first."""
        if not self.folder.is_dir():
            return []
        found = [p.name.split(".")[0] for p in self.folder.glob("*.sha256.json")]
        return sorted((int(name) for name in found if name.isdigit()), reverse=True)


Leaf = jax.Array | np.ndarray | jax.ShapeDtypeStruct


def _is_key(leaf: Leaf) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _plain(leaf: jax.Array | np.ndarray) -> np.ndarray:
    return np.asarray(jr.key_data(leaf) if _is_key(leaf) else leaf)


def _form(leaf: Leaf) -> np.ndarray:
    if _is_key(leaf):
        data = jax.eval_shape(jr.key_data, leaf)
        return np.empty(data.shape, data.dtype)
    return np.empty(leaf.shape, leaf.dtype)


def _typed(like: Leaf, found: np.ndarray) -> jax.Array | np.ndarray:
    return jr.wrap_key_data(jnp.asarray(found)) if _is_key(like) else found
