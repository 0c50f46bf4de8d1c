"""Time of a sweep, by power sums and by the explicit tensor of couplings."""

import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import xarray as xr
from jaxtyping import Array

from engrax.memory import DenseAssociativeMemory, HebbianTensor, glauber
from engrax.tasks import random_patterns

from ._config import Config

EQUAL_SIZE = 24
"""N at which both are compared field by field."""
SWEEPS = 5
"""Sweeps in one timing; their number does not enter the exponent."""


@jax.jit
def power_sum_sweeps(network: DenseAssociativeMemory, spins: Array, key: Array) -> Array:
    """Some sweeps of the sampler that never forms the tensor."""
    return glauber(key, network, spins, 5.0, SWEEPS)[0]


@jax.jit
def tensor_sweeps(tensor: HebbianTensor, spins: Array, key: Array) -> Array:
    """The same number of sweeps, each field contracted from the couplings."""

    def update(spins, drawn):
        site, uniform = drawn
        up = uniform < jax.nn.sigmoid(10.0 * tensor.site_field(site, spins))
        return spins.at[site].set(jnp.where(up, 1.0, -1.0)), None

    size = spins.shape[0]
    sites = jnp.tile(jnp.arange(size), SWEEPS)
    return jax.lax.scan(update, spins.astype(jnp.float32), (sites, jr.uniform(key, sites.shape)))[0]


def measure(config: Config) -> xr.Dataset:
    """Seconds of a sweep (size, repeat) of both, and how far their fields are apart."""
    ours, tensor = [], []
    for size in config.timing_sizes:
        patterns = random_patterns(jr.key(size), config.timing_patterns, size)
        network = DenseAssociativeMemory(patterns, config.timing_order)
        ours.append(_seconds(power_sum_sweeps, network, patterns[0], config.timing_repeats))
    for size in config.tensor_sizes:
        patterns = random_patterns(jr.key(size), min(config.timing_patterns, 50), size)
        couplings = HebbianTensor.from_patterns(patterns, config.timing_order)
        tensor.append(_seconds(tensor_sweeps, couplings, patterns[0], config.timing_repeats))
    return xr.Dataset(
        {
            "seconds": (("size", "repeat"), np.array(ours)),
            "tensor_seconds": (("tensor_size", "repeat"), np.array(tensor)),
            "field_error": (("order",), np.array([field_error(order) for order in (3, 4)])),
        },
        {
            "size": list(config.timing_sizes),
            "tensor_size": list(config.tensor_sizes),
            "order": [3, 4],
        },
    )


def field_error(order: int) -> float:
    """Largest difference of the two fields at N = 24, over the largest field."""
    patterns = random_patterns(jr.key(0), 50, EQUAL_SIZE)
    spins = random_patterns(jr.key(1), 1, EQUAL_SIZE)[0]
    expected = HebbianTensor.from_patterns(patterns, order).local_field(spins)
    found = DenseAssociativeMemory(patterns, order).local_field(spins)
    return float(jnp.max(jnp.abs(found - expected)) / jnp.max(jnp.abs(expected)))


def _seconds(sweeps: Callable, network: object, spins: Array, repeats: int) -> list[float]:
    """Seconds of a sweep: one call to compile, then the median of 5 calls a repeat."""
    jax.block_until_ready(sweeps(network, spins, jr.key(0)))
    found = []
    for _ in range(repeats):
        calls = []
        for _ in range(5):
            begun = time.perf_counter()
            jax.block_until_ready(sweeps(network, spins, jr.key(1)))
            calls.append(time.perf_counter() - begun)
        found.append(float(np.median(calls)) / SWEEPS)
    return found
