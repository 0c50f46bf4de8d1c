"""JAX as a command wants it; never done by `import engrax`."""

import atexit
import contextlib
import gc
import os
from pathlib import Path

import jax
import platformdirs


def configure() -> None:
    """One CPU device a core, compiled programs kept in the user's cache, and few collections.

    Seeds are spread over the devices. What the user chose (by `JAX_NUM_CPU_DEVICES`,
    `JAX_COMPILATION_CACHE_DIR` or in code) stays. Both thresholds of the cache go: with them a
    study of many small programs is compiled anew each time.
    """
    if jax.config.values["jax_compilation_cache_dir"] is None:
        folder = Path(platformdirs.user_cache_dir("engrax")) / "jax"
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    if jax.config.values["jax_num_cpu_devices"] < 0:  # not chosen
        with contextlib.suppress(RuntimeError):  # JAX has started: its devices are what they are
            jax.config.update("jax_num_cpu_devices", cores())
    # Tracing makes objects by the million that live on: going through them all again and again
    # takes an eighth of a short run.
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)
    atexit.register(gc.freeze)  # the interpreter goes through them once more before it ends


def multiply_exactly() -> None:
    """Multiplies float32 as float32 on an accelerator, as a study should, unless the user chose.

    JAX's own choice there is TF32, with 10 bits of mantissa, and training at the rates of a study
    shows it. `JAX_DEFAULT_MATMUL_PRECISION` chooses.
    """
    chosen = jax.config.values["jax_default_matmul_precision"]
    if chosen is None and jax.default_backend() != "cpu":
        jax.config.update("jax_default_matmul_precision", "float32")


def cores() -> int:
    """CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
