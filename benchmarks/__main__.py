"""`python -m benchmarks TOPIC`: times a topic, or all, each in a process of its own."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

TOPICS = sorted(p.stem for p in Path(__file__).parent.glob("*.py") if not p.stem.startswith("_"))
PACKAGES = {
    **dict.fromkeys(("gpu", "hlop", "spiking"), ("snntorch", "spikingjelly")),
    "continual": ("avalanche",),
}
"""What a topic imports beyond PyTorch."""
VARIABLES = {
    **dict.fromkeys(("bdh", "gpu"), "ENGRAX_BDH_REFERENCE"),
    "kan": "ENGRAX_EFFICIENT_KAN",
    "reservoir": "ENGRAX_BRIAN",
}
"""The variable that says where a topic's peer is, if it cannot be a package beside ours."""


def missing(topic: str) -> str | None:
    """What a topic asks for and does not find, in a sentence."""
    absent = [p for p in ("torch", *PACKAGES.get(topic, ())) if importlib.util.find_spec(p) is None]
    if absent:
        return f"{topic} needs {', '.join(absent)} installed; see benchmarks/README.md"
    if topic == "gpu" and not shutil.which("nvidia-smi"):
        return "gpu needs a GPU, and there is no nvidia-smi"
    variable = VARIABLES.get(topic)
    if variable and variable not in os.environ:
        return f"{topic} needs {variable}, the place of its peer; see benchmarks/README.md"
    return None


def main() -> int:
    """Runs what the command line names; threads are chosen before JAX starts, so not in here.

    Of all topics, those whose peers are not there are left out, and named.
    """
    asked = sys.argv[1:]
    if not asked or not set(asked) <= {*TOPICS, "all"}:
        print(f"usage: python -m benchmarks [all | {' | '.join(TOPICS)}]", file=sys.stderr)
        return 2
    worst = 0
    for topic in TOPICS if "all" in asked else asked:
        if reason := missing(topic):
            print(f"benchmarks: {reason}", file=sys.stderr)
            worst = max(worst, 0 if "all" in asked else 1)
            continue
        command = [sys.executable, "-m", f"benchmarks.{topic}"]
        worst = max(worst, subprocess.run(command, check=False).returncode)
    return worst


if __name__ == "__main__":
    sys.exit(main())
