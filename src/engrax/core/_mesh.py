"""One model over several devices: the examples of each batch are spread over a mesh."""

import contextlib
from collections.abc import Iterator
from typing import Any

import jax
import jax.random as jr
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import PyTree

from ._system import is_key

DATA = "data"
"""The axis of a mesh over which the examples of a batch are spread."""


def data_mesh(devices: int) -> Mesh:
    """A mesh of so many devices, those of all processes of `jax.distributed` counted.

    **Raises:** `ValueError` where there are fewer.
    """
    there = jax.devices()
    if not 1 <= devices <= len(there):
        raise ValueError(
            f"a mesh of {devices} devices is wanted and JAX has {len(there)}; on a CPU "
            f"JAX_NUM_CPU_DEVICES={max(devices, 1)} makes as many"
        )
    return jax.make_mesh((devices,), (DATA,), axis_types=(AxisType.Auto,), devices=there[:devices])


def spread(batch: PyTree) -> PyTree:
    """The batch with its examples over the mesh of `simulate(mesh=...)`; itself where none is.

    An array whose leading axis the devices cannot share evenly stays as it is. What is computed
    from a batch follows it over the devices, and sums over examples become sums over devices.
    """
    mesh = jax.sharding.get_abstract_mesh()
    if DATA not in mesh.axis_names:
        return batch

    def over(leaf: Any) -> Any:
        if getattr(leaf, "ndim", 0) == 0 or leaf.shape[0] % mesh.shape[DATA]:
            return leaf
        return jax.lax.with_sharding_constraint(leaf, PartitionSpec(DATA))

    return jax.tree.map(over, batch)


def whole(tree: PyTree) -> PyTree:
    """The arrays with all of each on every device of the mesh."""
    return jax.tree.map(lambda a: jax.lax.with_sharding_constraint(a, PartitionSpec()), tree)


@contextlib.contextmanager
def over(mesh: Mesh | None) -> Iterator[None]:
    """Programs that are called here may use the mesh."""
    if mesh is None:
        yield
    else:
        with jax.set_mesh(mesh):
            yield


def placed(tree: PyTree, sharding: NamedSharding, *, copy: bool = False) -> PyTree:
    """The arrays spread so, of which every process has all, and the same; on demand as copies."""

    def place(leaf: Any) -> Any:
        if is_key(leaf):
            return jr.wrap_key_data(place(jr.key_data(leaf)), impl=jr.key_impl(leaf))
        here = np.asarray(leaf)
        return jax.make_array_from_callback(here.shape, sharding, lambda part: here[part])

    if not sharding.is_fully_addressable:
        return jax.tree.map(place, tree)
    if not sharding.is_fully_replicated:
        # From the host: on a device, a part of each shape would be cut out by its own program.
        tree = jax.tree.map(lambda leaf: leaf if is_key(leaf) else np.asarray(leaf), tree)
    return jax.device_put(tree, sharding, may_alias=False if copy else None)
