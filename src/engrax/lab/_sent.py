"""States as something that can be pickled and sent: arrays of the host, and keys as their data."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import PyTree

from engrax.core import is_key


@dataclasses.dataclass(frozen=True)
class _Key:
    """Typed random keys, which cannot be pickled as they are."""

    data: np.ndarray
    kind: str


def packed(tree: PyTree) -> PyTree:
    """The tree with arrays of the host, and keys as something that can be sent."""

    def pack(leaf: Any) -> Any:
        if is_key(leaf):
            return _Key(np.asarray(jr.key_data(leaf)), str(jr.key_impl(leaf)))
        return np.asarray(leaf)

    return jax.tree.map(pack, tree)


def unpacked(tree: PyTree) -> PyTree:
    """The tree that was packed, its arrays still those of the host."""

    def unpack(leaf: Any) -> Any:
        if isinstance(leaf, _Key):
            return jr.wrap_key_data(jnp.asarray(leaf.data), impl=leaf.kind)
        return leaf

    return jax.tree.map(unpack, tree)
