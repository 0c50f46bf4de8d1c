"""How long a command takes to begin, and a study at its smallest scale, cold and warm.

Each is a process of its own. Cold means with an empty cache of compiled programs, warm with the
cache that the cold run left. A study of many arms tries itself with some of them; how long all of
them take is measured beside.
"""

import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from engrax._registry import studies
from engrax.lab import load_run, load_study

from ._machine import describe
from ._report import measured_on

LEDGER = Path(__file__).parent / "start.json"
PAGE = Path(__file__).parent / "README.md"
_BEGIN, _END = "<!-- start -->", "<!-- /start -->"

ROUNDS = 5
PYTHON = {
    "import engrax": "import engrax",
    "import engrax.core": "import engrax.core",
    "import engrax.lab": "import engrax.lab",
}
KEEP_ALL = {
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}
"""What `engrax` itself chooses where nobody names another folder for compiled programs."""
STATES = {"cold": "cold", "warm": "warm", "all": "every arm, warm"}
"""What is timed -> the head of its column."""
COMMANDS = {"engrax --help": ["--help"], "engrax list": ["list"], "engrax check": ["check"]}


def engrax(*arguments: str) -> list[str]:
    """The command line of this interpreter's Engrax."""
    code = "import sys; from engrax.cli import main; sys.exit(main())"
    return [sys.executable, "-c", code, *arguments]


def seconds(command: list[str], folder: str, **variables: str) -> float:
    """Wall time of a process, started in `folder`, that must succeed.

    Raises:
        RuntimeError: it did not; with the last line it said.
    """
    begun = time.perf_counter()
    done = subprocess.run(
        command, cwd=folder, env=os.environ | variables, capture_output=True, text=True, check=False
    )
    taken = time.perf_counter() - begun
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no word"])[-1]
        raise RuntimeError(f"{' '.join(command[-4:])} ended with {done.returncode}: {last}")
    return taken


def begins() -> Iterator[tuple[str, Mapping[str, float]]]:
    """The median over rounds for what has nothing to compile, or not much."""
    for name, code in PYTHON.items():
        yield name, _median([sys.executable, "-c", code])
    for name, arguments in COMMANDS.items():
        yield name, _median(engrax(*arguments))


def _median(command: list[str]) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        taken = [seconds(command, folder) for _ in range(ROUNDS)]
    return {"warm": statistics.median(taken)}


def smokes() -> Iterator[tuple[str, Mapping[str, float]]]:
    """Each study once with an empty cache, once with the cache that this leaves; and once more
    with every arm, where it tries itself with some, after a run that compiled them.
    """
    for name in studies():
        study = load_study(name)
        with tempfile.TemporaryDirectory() as folder:
            run = engrax("run", name, "--scale", "smoke", "--out")
            cache = {"JAX_COMPILATION_CACHE_DIR": "cache", **KEEP_ALL}
            taken: dict[str, float] = {
                state: seconds([*run, state], folder, **cache) for state in ("cold", "warm")
            }
            taken["arms"] = len(load_run(Path(folder, "warm")).records.children)
            if study.smoke:
                for out in ("compiled", "all"):
                    taken["all"] = seconds([*run, out, "--claims", "all"], folder, **cache)
                taken["of"] = len(load_run(Path(folder, "all")).records.children)
            yield name, taken


def table(ledger: Mapping[str, Mapping]) -> str:
    """What was measured, and on what."""
    lines = [f"| process | arms | {' | '.join(STATES.values())} |", "|---|---|---|---|---|"]
    for name, taken in ledger["seconds"].items():
        arms = f"{taken['arms']}" if "arms" in taken else ""
        arms += f" of {taken['of']}" if "of" in taken else ""
        cells = (f"{taken[s]:.2f} s" if s in taken else "" for s in STATES)
        lines.append(f"| `{name}` | {arms} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", measured_on(ledger), ""])


def drawn(page: str, ledger: Mapping[str, Mapping]) -> str:
    """The page with its part on starts replaced."""
    head, rest = page.split(_BEGIN)
    _, tail = rest.split(_END)
    return f"{head}{_BEGIN}\n\n{table(ledger)}\n{_END}{tail}"


def atlas_section(ledger: Mapping[str, Mapping]) -> str:
    """The part on starts of the documentation's page of benchmarks."""
    return f"""
## Start

How long a command takes to begin, and a study at scale `smoke`: cold with an empty cache of
compiled programs, warm with the cache that the cold run left. A study of many arms tries itself
with those of some of its claims; `--claims all` makes every arm.

{table(ledger)}"""


def main() -> None:
    """Times all, prints each, and writes the ledger and the page."""
    rows: dict[str, Mapping[str, float]] = {}
    ledger = {"machine": describe("jax", "numpy"), "seconds": rows}
    for name, taken in itertools.chain(begins(), smokes()):
        rows[name] = {state: round(value, 2) for state, value in taken.items()}
        print(name, rows[name], flush=True)
    LEDGER.write_text(json.dumps(ledger, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    PAGE.write_text(drawn(PAGE.read_text(encoding="utf-8"), ledger), encoding="utf-8")


if __name__ == "__main__":
    main()
