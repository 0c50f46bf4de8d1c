"""`engrax bench [TOPIC]`: timings against other libraries."""

import subprocess
import sys
from pathlib import Path

from engrax._registry import unknown

from ._errors import UsageError

BENCHMARKS = Path("benchmarks")
HELP = """\
usage: engrax bench [TOPIC]

Times a topic against other libraries; without one, all topics whose peers are installed, and names
the others. Writes benchmarks/results.json, and the tables made from it."""


def bench(args: list[str]) -> int:
    """Runs one topic of `benchmarks/`, or all whose peers are installed."""
    found = (path.stem for path in BENCHMARKS.glob("*.py"))
    topics = sorted(name for name in found if not name.startswith("_"))
    if {"-h", "--help"} & set(args):
        print(HELP + (f"\nTopics: {', '.join(topics)}." if topics else ""))
        return 0
    if len(args) > 1:
        raise UsageError(f"engrax bench takes one topic, got {len(args)}")
    if not topics:
        raise UsageError(
            f"there are no benchmarks in {BENCHMARKS}/; run this in a clone of the repository"
        )
    topic = args[0] if args else "all"
    if topic not in (*topics, "all"):
        raise UsageError(unknown("topic", topic, [*topics, "all"]))
    # A process of its own: benchmarks choose their threads before JAX starts.
    done = subprocess.run([sys.executable, "-m", BENCHMARKS.name, topic], check=False)
    return 1 if done.returncode else 0
