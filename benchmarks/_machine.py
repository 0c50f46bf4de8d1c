"""What this machine is, and how fast it multiplies matrices."""

import importlib.metadata
import os
import platform
from pathlib import Path

import jax
import jax.numpy as jnp
import jax.random as jr
from jax.sharding import AxisType, PartitionSpec

from ._timer import best_seconds

THREADS = 2


def describe(*packages: str) -> dict[str, str]:
    """Processor, threads and the versions of Python and these packages, for the record."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        model = names[0].split(":", 1)[1].strip() if names else model
    versions = {name: importlib.metadata.version(name) for name in packages}
    described = {
        "processor": model,
        "cores": str(os.cpu_count()),
        "cores used": str(THREADS),
        "python": platform.python_version(),
        **versions,
    }
    if jax.default_backend() == "cpu":
        return described
    return {"accelerator": jax.devices()[0].device_kind, **described}


def product_rate(size: int = 1024, times: int = 20) -> float:
    """Float operations a second of square matrix products, one chain on each device at once."""
    mesh = jax.make_mesh((jax.local_device_count(),), ("run",), axis_types=(AxisType.Auto,))
    spec = PartitionSpec("run")

    @jax.jit
    def work(x, w):
        def chain(x):
            return jax.lax.scan(lambda a, _: (a @ w, None), x[0], None, times)[0][None]

        return jax.shard_map(chain, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False)(x)

    x = jr.normal(jr.key(0), (mesh.size, size, size))
    w = jnp.eye(size)
    took = best_seconds(lambda: work(x, w).block_until_ready())
    return mesh.size * times * 2 * size**3 / took
