"""`python -m benchmarks TOPIC ...`: times the topics and writes the ledger and the page."""

import argparse
import importlib

TOPICS = ("credit", "conv", "glauber", "grokking", "simulate_overhead")


def main() -> None:
    """Runs the topics named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("topics", nargs="+", choices=(*TOPICS, "all"), metavar="TOPIC")
    chosen = parser.parse_args().topics
    # Both before JAX or PyTorch start their thread pools.
    import jax
    import torch

    from ._machine import THREADS, describe
    from ._report import record

    jax.config.update("jax_num_cpu_devices", THREADS)
    torch.set_num_threads(THREADS)
    for topic in TOPICS if "all" in chosen else chosen:
        module = importlib.import_module(f"benchmarks.{topic}")
        comparisons = []
        for comparison in module.comparisons():
            comparisons.append(comparison)
            row = comparison.row()
            print(f"{topic}: {row['case']}: {row['ratio']}x {row['range']} {row['rates']}")
            record(topic, describe(), comparisons)


if __name__ == "__main__":
    main()
