"""`engrax bench [TOPIC]`: timings against other libraries."""

import subprocess
import sys
from pathlib import Path

from engrax._registry import unknown

from ._errors import UsageError

BENCHMARKS = Path("benchmarks")


def bench(args: list[str]) -> int:
    """Runs one module of `benchmarks/`, or all of them; without a topic, lists them."""
    if {"-h", "--help"} & set(args):
        print("usage: engrax bench [TOPIC|all]\n\nRuns benchmarks/TOPIC.py; lists the topics.")
        return 0
    if len(args) > 1:
        raise UsageError(f"engrax bench takes one topic, got {len(args)}")
    files = (p for p in BENCHMARKS.glob("*.py") if not p.name.startswith(("_", "conftest")))
    topics = sorted(path.stem for path in files)
    if not topics:
        raise UsageError(
            f"there are no benchmarks in {BENCHMARKS}/; run this in a clone of the repository"
        )
    if not args:
        print("\n".join(topics))
        return 0
    if args[0] != "all" and args[0] not in topics:
        raise UsageError(unknown("topic", args[0], [*topics, "all"]))
    chosen = topics if args[0] == "all" else [args[0]]
    # Each in a process of its own: a benchmark chooses threads before JAX starts.
    commands = ([sys.executable, "-m", f"{BENCHMARKS.name}.{topic}"] for topic in chosen)
    codes = [subprocess.run(command, check=False).returncode for command in commands]
    return 1 if any(codes) else 0
