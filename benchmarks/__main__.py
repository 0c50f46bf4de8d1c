"""`python -m benchmarks TOPIC`: times a topic, or all, each in a process of its own."""

import importlib.util
import subprocess
import sys
from pathlib import Path

TOPICS = sorted(p.stem for p in Path(__file__).parent.glob("*.py") if not p.stem.startswith("_"))


def main() -> int:
    """Runs what the command line names; threads are chosen before JAX starts, so not in here."""
    asked = sys.argv[1:]
    if not asked or not set(asked) <= {*TOPICS, "all"}:
        print(f"usage: python -m benchmarks [all | {' | '.join(TOPICS)}]", file=sys.stderr)
        return 2
    if importlib.util.find_spec("torch") is None:
        print("PyTorch is not installed; `make bench` installs it first.", file=sys.stderr)
        return 1
    chosen = TOPICS if "all" in asked else asked
    commands = ([sys.executable, "-m", f"benchmarks.{topic}"] for topic in chosen)
    return max(subprocess.run(command, check=False).returncode for command in commands)


if __name__ == "__main__":
    sys.exit(main())
