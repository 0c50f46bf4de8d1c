"""`python -m benchmarks TOPIC`: times a topic, or all, each in a process of its own."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

TOPICS = sorted(p.stem for p in Path(__file__).parent.glob("*.py") if not p.stem.startswith("_"))
PACKAGES = {
    **dict.fromkeys(("gpu", "hlop"), ("spikingjelly",)),
    "continual": ("avalanche",),
}
"""What a topic imports beyond PyTorch."""
PEERS = {"spiking": ("snntorch", "spikingjelly")}
"""Peers of which one is enough; the topic names those that it leaves out."""
VARIABLES = {
    **dict.fromkeys(("bdh", "gpu"), "ENGRAX_BDH_REFERENCE"),
    "kan": "ENGRAX_EFFICIENT_KAN",
    "reservoir": "ENGRAX_BRIAN",
}
"""The variable that says where a topic's peer is, if it cannot be a package beside ours."""


ALONE = {"start"}
"""Topics without a peer, which run only where they are named."""
OWN = {"continual": "avalanche"}
"""The environment in which a topic runs, if its peer cannot be in ours."""
INTERPRETERS = {"ENGRAX_BRIAN": "brian"}
"""The environment whose interpreter a variable names, where it is there and nobody named another.

`make peers` makes both.
"""


def interpreter(environment: str) -> Path:
    """The Python of an environment under .peers/, there or not."""
    return Path(".peers") / environment / "bin" / "python"


def python_of(topic: str) -> str:
    """The Python that runs a topic."""
    own = interpreter(OWN[topic]) if topic in OWN else None
    return str(own) if own and own.exists() else sys.executable


def absent(python: str, packages: Sequence[str]) -> list[str]:
    """Those of the packages that an interpreter does not have."""
    code = (
        "import importlib.util as u, sys; print(*(p for p in sys.argv[1:] if not u.find_spec(p)))"
    )
    command = [python, "-c", code, *packages]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def missing(topic: str) -> str | None:
    """What a topic asks for and does not find, in a sentence."""
    if topic in ALONE:
        return None
    if lacks := absent(python_of(topic), ("torch", *PACKAGES.get(topic, ()))):
        return f"{topic} needs {', '.join(lacks)} installed; see benchmarks/README.md"
    peers = PEERS.get(topic, ())
    if peers and absent(python_of(topic), peers) == list(peers):
        return f"{topic} needs {' or '.join(peers)} installed; see benchmarks/README.md"
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
    for variable, environment in INTERPRETERS.items():
        if (python := interpreter(environment)).exists():
            os.environ.setdefault(variable, str(python.absolute()))
    worst = 0
    for topic in sorted({*TOPICS} - ALONE) if "all" in asked else asked:
        if reason := missing(topic):
            print(f"benchmarks: {reason}", file=sys.stderr)
            worst = max(worst, 0 if "all" in asked else 1)
            continue
        command = [python_of(topic), "-m", f"benchmarks.{topic}"]
        worst = max(worst, subprocess.run(command, check=False).returncode)
    return worst


if __name__ == "__main__":
    sys.exit(main())
