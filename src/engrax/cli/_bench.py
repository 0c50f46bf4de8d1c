"""`engrax bench [TOPIC]`: timings against other libraries."""

import subprocess
import sys
from pathlib import Path

from engrax._registry import unknown

from ._errors import UsageError

BENCHMARKS = Path("benchmarks")


def bench(args: list[str]) -> int:
    """Runs one file of `benchmarks/`, or all of them; without a topic, lists them."""
    if {"-h", "--help"} & set(args):
        print("usage: engrax bench [TOPIC|all]\n\nRuns benchmarks/TOPIC.py; lists the topics.")
        return 0
    if len(args) > 1:
        raise UsageError(f"engrax bench takes one topic, got {len(args)}")
    files = (p for p in BENCHMARKS.glob("*.py") if not p.name.startswith(("_", "conftest")))
    topics = {path.stem: path for path in sorted(files)}
    if not topics:
        raise UsageError(
            f"there are no benchmarks in {BENCHMARKS}/; run this in a clone of the repository"
        )
    if not args:
        print("\n".join(topics))
        return 0
    if args[0] != "all" and args[0] not in topics:
        raise UsageError(unknown("topic", args[0], [*topics, "all"]))
    chosen = topics.values() if args[0] == "all" else [topics[args[0]]]
    # Each in a process of its own: a benchmark chooses threads before JAX starts.
    codes = [subprocess.run([sys.executable, str(path)], check=False).returncode for path in chosen]
    return 1 if any(codes) else 0
