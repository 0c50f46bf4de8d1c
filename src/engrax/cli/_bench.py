"""`engrax bench [TOPIC]`: timings against other libraries."""

import subprocess
import sys
from pathlib import Path

from engrax._registry import unknown

from ._errors import UsageError

BENCHMARKS = Path("benchmarks")


def bench(args: list[str]) -> int:
    """Runs one topic of `benchmarks/`, or all of them; without a topic, lists them."""
    if {"-h", "--help"} & set(args):
        print("usage: engrax bench [TOPIC|all]\n\nTimes a topic; lists them without one.")
        return 0
    if len(args) > 1:
        raise UsageError(f"engrax bench takes one topic, got {len(args)}")
    found = (path.stem for path in BENCHMARKS.glob("*.py"))
    topics = sorted(name for name in found if not name.startswith("_"))
    if not topics:
        raise UsageError(
            f"there are no benchmarks in {BENCHMARKS}/; run this in a clone of the repository"
        )
    if not args:
        print("\n".join(topics))
        return 0
    if args[0] not in (*topics, "all"):
        raise UsageError(unknown("topic", args[0], [*topics, "all"]))
    # A process of its own: benchmarks choose their threads before JAX starts.
    done = subprocess.run([sys.executable, "-m", BENCHMARKS.name, args[0]], check=False)
    return 1 if done.returncode else 0
