"""C7: blocks on devices of their own, and what passes between them."""

import time
from collections.abc import Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import xarray as xr
from jax.sharding import AxisType, PartitionSpec
from jaxtyping import Array, Float, Key

from engrax.core import Batch
from engrax.credit import NoProp
from engrax.lab import Reference

from ._config import Config
from ._data import images_a
from ._learners import chain

COLLECTIVES = ("psum", "all_gather", "all_to_all", "ppermute", "reduce_scatter", "pmax", "pmin")


def local_errors(
    learner: NoProp, parts: Any, batch: Batch, key: Key[Array, ""], numbers: Array
) -> Float[Array, " blocks"]:
    """Each block's own loss, for the blocks that `parts` holds, which have these numbers."""

    def one(block: Any, number: Array) -> Array:
        inner, _ = learner.block_loss({**parts, "blocks": block}, number, batch, key)
        return inner

    return eqx.filter_vmap(one)(parts["blocks"], numbers)


def gradient_on(
    devices: int, learner: NoProp, parts: Any, batch: Batch, key: Key[Array, ""]
) -> Any:
    """The gradient of a step, its blocks spread over devices.

    Each device holds its blocks and their gradients; it has the images, the read-out and the
    embedding, and adds up with the others the gradients of the last two alone.
    """
    program, arguments = _spread(devices, learner, parts)
    return program(*arguments, batch.x, batch.y, key)


def _spread(devices: int, learner: NoProp, parts: Any) -> tuple[Any, tuple[Any, ...]]:
    """The compiled gradient, and its arguments but for batch and key."""
    mesh = jax.make_mesh(
        (devices,), ("block",), axis_types=(AxisType.Auto,), devices=jax.devices()[:devices]
    )
    trained, fixed = eqx.partition(parts, learner.trainable(parts))
    arrays, static = eqx.partition(fixed, eqx.is_array)
    numbers = jnp.arange(len(jax.tree.leaves(trained["blocks"])[0]))
    split, whole = PartitionSpec("block"), PartitionSpec()

    def parts_spec(tree: Any) -> Any:
        return {name: split if name == "blocks" else whole for name in tree}

    def local(trained: Any, arrays: Any, numbers: Array, x: Array, y: Array, key: Array) -> Any:
        def value(trained: Any) -> Array:
            parts = eqx.combine(trained, arrays, static)
            shared = learner.shared_loss(parts, y, key)
            own = local_errors(learner, parts, Batch(x, y), key, numbers) - shared
            return own.sum() + shared / devices

        found = jax.grad(value)(trained)
        summed = {name: jax.lax.psum(found[name], "block") for name in found if name != "blocks"}
        return {**summed, "blocks": found["blocks"]}

    def gradient(trained: Any, arrays: Any, *rest: Array) -> Any:
        specs = (parts_spec(trained), parts_spec(arrays), split, whole, whole, whole)
        mapped = jax.shard_map(
            local, mesh=mesh, in_specs=specs, out_specs=parts_spec(trained), check_vma=False
        )
        return mapped(trained, arrays, *rest)

    return jax.jit(gradient), (trained, arrays, numbers)


def exchanged(program: Any) -> int:
    """Numbers that the collectives of a traced program take in on each device."""
    total = 0
    for equation in _equations(program):
        if equation.primitive.name.startswith(COLLECTIVES):
            total += sum(v.aval.size for v in equation.invars)
    return total


def _equations(program: Any) -> Iterator[Any]:
    for equation in program.eqns:
        yield equation
        for value in jax.tree.leaves(
            list(equation.params.values()), is_leaf=lambda v: hasattr(v, "eqns")
        ):
            inner = getattr(value, "jaxpr", value)
            if hasattr(inner, "eqns"):
                yield from _equations(inner)


def crossing_gradients(learner: NoProp, parts: Any, batch: Batch) -> tuple[float, float]:
    """The largest derivative of a block's loss by another block's weights, and the smallest of the
    largest by its own.
    """
    trained, fixed = eqx.partition(parts["blocks"], eqx.is_inexact_array)
    numbers = jnp.arange(len(jax.tree.leaves(trained)[0]))

    def losses(trained: Any) -> Array:
        mine = {**parts, "blocks": eqx.combine(trained, fixed)}
        return local_errors(learner, mine, batch, jr.key(0), numbers)

    rows = jax.jit(jax.jacrev(losses))(trained)
    # (loss, block): the largest entry over all weights.
    largest = np.max(
        [np.abs(v).reshape(*v.shape[:2], -1).max(-1) for v in jax.tree.leaves(rows)], axis=0
    )
    own = np.eye(len(largest), dtype=bool)
    crossing = float(largest[~own].max()) if len(largest) > 1 else 0.0
    return crossing, float(largest[own].min())


def _measured(config: Config) -> xr.Dataset:
    images = images_a(config)
    learner = chain(config, images, "a", "dim")
    parts = learner.model(learner.init(key=jr.key(0)))
    x = images.scaling(jnp.asarray(images.split.train.x[: config.batch]))
    batch = Batch(x, jnp.asarray(images.split.train.y[: config.batch]))
    few = Batch(x[:16], batch.y[:16])
    crossing, own = crossing_gradients(learner, parts, few)
    counts = [k for k in range(1, jax.device_count() + 1) if config.blocks % k == 0]
    program = jax.make_jaxpr(
        lambda x: gradient_on(counts[-1], learner, parts, Batch(x, batch.y), jr.key(0))
    )(x)
    shared = sum(
        v.size
        for name in ("embedding", "readout")
        for v in jax.tree.leaves(eqx.filter(parts[name], eqx.is_inexact_array))
    )
    # States forward and their gradients back, over every border between two blocks.
    passed = 2 * config.batch * config.dim * (config.blocks - 1)
    return xr.Dataset(
        {
            "crossing_gradient": crossing,
            "own_gradient": own,
            "exchanged_bytes": 4.0 * exchanged(program.jaxpr),
            "shared_bytes": 4.0 * shared,
            "passed_bytes": 4.0 * passed,
            "seconds": ("devices", [_seconds(k, learner, parts, batch) for k in counts]),
        },
        {"devices": counts},
    )


def _seconds(devices: int, learner: NoProp, parts: Any, batch: Batch, repeats: int = 5) -> float:
    """Of one gradient on so many devices, the least of several."""
    times = []
    program, arguments = _spread(devices, learner, parts)
    for _ in range(1 + repeats):
        begun = time.monotonic()
        jax.block_until_ready(program(*arguments, batch.x, batch.y, jr.key(0)))
        times.append(time.monotonic() - begun)
    return min(times[1:])


def reference(config: Config) -> Reference:
    """Exact counts, and a stopwatch."""
    return Reference(eqx.Partial(_measured, config))
