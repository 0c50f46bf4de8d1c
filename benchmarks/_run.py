"""A topic as a program: choose the threads, compare, write the ledger and the page."""

import contextlib
from collections.abc import Callable, Iterable

import jax

from ._machine import THREADS, describe
from ._report import Comparison, record


def measure(topic: str, comparisons: Callable[[], Iterable[Comparison]]) -> None:
    """Runs a topic; each comparison is printed and kept as soon as it is there."""
    with contextlib.suppress(RuntimeError):  # JAX has started, to look for an accelerator
        jax.config.update("jax_num_cpu_devices", THREADS)
    done: list[Comparison] = []
    for comparison in comparisons():
        done.append(comparison)
        row = comparison.row()
        others = {name: row[name] for name in ("fastest rounds", "processor time", "fastest")}
        print(f"{row['case']}: {row['ratio']}x {row['range']}, {others}", flush=True)
        for name, rate in comparison.rates.items():
            print(f"  {name}: {rate}")
        record(topic, describe("jax", "torch", "numpy"), done)
