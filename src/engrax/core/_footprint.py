"""What a run takes in memory, found from shapes alone: nothing is drawn and nothing compiled."""

import math
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.random as jr
from jaxtyping import Array, Key, PyTree

from ._simulate import Static, emitted_shapes, joined, parted
from ._system import State, System, is_key


class Footprint(NamedTuple):
    """Bytes that one run of a system (one seed, one cell of a grid) takes.

    **Fields:** `state`, all that changes; `tick`, what it records in a tick; `records`, in all
    ticks; `system`, the arrays of the system itself, which all runs share.
    """

    state: int
    tick: int
    records: int
    system: int


def footprint(system: System, ticks: int) -> Footprint:
    """What a run of `system` over `ticks` ticks takes.

    **Raises:** `ValueError` where `simulate` could not run it, for the same reasons.
    """
    arrays, static = parted(system)
    one = _init.eval_shape(static, arrays, jr.key(0))
    state = jax.tree.map(lambda a: jax.ShapeDtypeStruct((1, *a.shape), a.dtype), one)
    tick = nbytes(emitted_shapes(system, state))
    return Footprint(nbytes(state), tick, tick * ticks, nbytes(system))


@partial(jax.jit, static_argnums=0)
def _init(static: Static, arrays: PyTree, key: Key[Array, ""]) -> State:
    """The state of one run; compiled, so that a system of the same form is not traced again."""
    return joined(arrays, static).init(key=key)


def nbytes(tree: PyTree) -> int:
    """Bytes of the arrays, or of what has the shapes, in a tree; random keys count as their data.

    ```python
    >>> nbytes({"w": np.zeros((2, 3), np.float32), "n": 4})
    24
    ```
    """
    leaves = (leaf for leaf in jax.tree.leaves(tree) if hasattr(leaf, "dtype"))
    return sum(math.prod(leaf.shape) * _itemsize(leaf) for leaf in leaves)


def _itemsize(leaf: Any) -> int:
    if is_key(leaf):
        return nbytes(jax.eval_shape(jr.key_data, jax.ShapeDtypeStruct((), leaf.dtype)))
    return leaf.dtype.itemsize
