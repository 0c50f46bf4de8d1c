"""C3: memory and operations of a training step, and the seconds of an epoch."""

import dataclasses
import time
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import xarray as xr

from engrax.core import Batch, Learner, repeat, serial
from engrax.lab import Reference
from engrax.probes import CompiledCost, compiled_cost
from engrax.tasks import Batches

from ._config import Config
from ._data import Images, images_a
from ._learners import backprop, chain, continuous

TIMED = ("ct", "fm", "adjoint")


def step_cost(learner: Learner, batch: int, shape: tuple[int, ...]) -> tuple[CompiledCost, int]:
    """Cost of one compiled training step, and the bytes of the state; nothing is run."""
    arrays, static = eqx.partition(learner, eqx.is_array)
    state = jax.eval_shape(lambda key: learner.init(key=key), jr.key(0))
    x = jax.ShapeDtypeStruct((batch, *shape), jnp.float32)
    y = jax.ShapeDtypeStruct((batch,), jnp.int32)

    def step(arrays: Any, state: Any, x: Any, y: Any) -> Any:
        return eqx.combine(arrays, static).step(state, Batch(x, y))

    kept = sum(v.size * v.dtype.itemsize for v in jax.tree.leaves(state))
    return compiled_cost(step, arrays, state, x, y), kept


def chains(config: Config, images: Images, blocks: int) -> dict[str, Learner]:
    """NoProp block by block, and backpropagation, of this depth."""
    one_by_one = chain(config, images, "a", blocks=blocks, mode="sequential")
    return {
        "noprop": one_by_one,
        "noprop, all blocks at once": dataclasses.replace(one_by_one, mode="parallel"),
        "bp": backprop(config, images, "a", blocks=blocks),
    }


def memory(config: Config, images: Images) -> xr.Dataset:
    """Scratch bytes of a step, bytes of the state (weights and optimizer), by depth; and the
    operations an image of a step that trains every block once.
    """
    found = {
        name: [
            step_cost(chains(config, images, blocks)[name], config.batch, images.shape)
            for blocks in config.depths
        ]
        for name in chains(config, images, 1)
    }
    scratch = [[cost.peak_memory for cost, _ in row] for row in found.values()]
    kept = [[float(state) for _, state in row] for row in found.values()]
    whole, _ = found["noprop, all blocks at once"][config.depths.index(config.blocks)]
    flops = [whole.flops, unrolled_flops(config, images)]
    dims = ("learner", "depth")
    return xr.Dataset(
        {
            "scratch_bytes": (dims, scratch),
            "state_bytes": (dims, kept),
            "flops_per_image": ("rule", np.array(flops) / config.batch),
        },
        {"learner": list(found), "depth": list(config.depths), "rule": ["noprop", "bp"]},
    )


def unrolled_flops(config: Config, images: Images) -> float:
    """Operations of a step of backpropagation; from chains of one and two blocks, since the cost
    model counts a loop's body once, and each block costs the same.
    """
    one, two = (
        step_cost(
            backprop(config, images, "a", blocks=blocks, unroll=blocks), config.batch, images.shape
        )[0].flops
        for blocks in (1, 2)
    )
    return one + (config.blocks - 1) * (two - one)


def seconds(config: Config, images: Images, repeats: int = 3) -> xr.Dataset:
    """Seconds of an epoch of training on this machine, the least of several."""
    found = []
    for name in TIMED:
        learner = continuous(config, images, name)
        stream = Batches(images.split.train, config.batch, scaling=images.scaling)
        system = repeat(serial(stream=stream, learner=learner), stream.per_epoch)
        arrays, static = eqx.partition(system, eqx.is_array)

        @jax.jit
        def epoch(arrays: Any, state: Any, t: Any, static: Any = static) -> Any:
            return eqx.combine(arrays, static).step(state, t)[0]

        state, times = system.init(key=jr.key(0)), []
        for tick in range(1 + repeats):
            begun = time.monotonic()
            state = jax.block_until_ready(epoch(arrays, state, jnp.int32(tick)))
            times.append(time.monotonic() - begun)
        found.append(min(times[1:]))
    return xr.Dataset({"seconds": ("variant", np.array(found))}, {"variant": list(TIMED)})


def _costs(config: Config) -> xr.Dataset:
    images = images_a(config)
    return xr.merge([memory(config, images), seconds(config, images)])


def reference(config: Config) -> Reference:
    """Counts of compiled programs, and a stopwatch."""
    return Reference(eqx.Partial(_costs, config))
