"""What a compiled function costs, by the compiler's own count."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax


class CompiledCost(NamedTuple):
    """Floating-point operations (2 a multiply-add), bytes read and written, peak scratch bytes."""

    flops: float
    bytes: float
    peak_memory: float


def compiled_cost(function: Callable[..., Any], *arguments: Any) -> CompiledCost:
    """Cost of `function(*arguments)` as XLA compiled it for this machine; nothing is run.

    Arguments may be arrays or `jax.ShapeDtypeStruct`s. The body of a loop counts once, whatever
    its length: give a single step. Elementwise transcendental functions are not in `flops`.

    Raises RuntimeError if the backend has no cost model.
    """
    compiled = jax.jit(function).lower(*arguments).compile()
    analysis, memory = compiled.cost_analysis(), compiled.memory_analysis()
    if not analysis or "flops" not in analysis:
        raise RuntimeError(
            f"the {jax.default_backend()} backend reports no operation count; expected XLA's cost "
            "analysis, so run this on the CPU backend (JAX_PLATFORMS=cpu)."
        )
    peak = getattr(memory, "temp_size_in_bytes", float("nan"))
    return CompiledCost(float(analysis["flops"]), float(analysis["bytes accessed"]), float(peak))
