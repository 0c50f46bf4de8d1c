"""Numerics as strict as they go, for every test."""

import gc
import os
import pathlib
import warnings

os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Without it scikit-learn leaves out its check of the array API.
os.environ.setdefault("SCIPY_ARRAY_API", "1")
# Tests compile much and compute little: without optimizations in LLVM they take two thirds.
os.environ["XLA_FLAGS"] = f"--xla_backend_optimization_level=0 {os.environ.get('XLA_FLAGS', '')}"

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import jax

import hypothesis
import pytest

gc.freeze()
gc.set_threshold(100_000, 20, 20)  # as the command line does

jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update(
    "jax_compilation_cache_dir",
    os.environ.get(
        "ENGRAX_TEST_CACHE", str(pathlib.Path(__file__).parent.parent / ".cache" / "jax")
    ),
)
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)

# The same examples at every run; compilation makes single examples slow, so no deadline.
hypothesis.settings.register_profile(
    "engrax", derandomize=True, deadline=None, max_examples=15, database=None
)
hypothesis.settings.load_profile("engrax")


@pytest.fixture(autouse=True, scope="module")
def _programs_of_one_file():
    """Lets go of compiled programs: thousands of them run out of the memory maps of a process."""
    yield
    jax.clear_caches()
