"""How long a command takes to begin, and a study at its smallest scale, cold and warm.

Each is a process of its own. Cold means with an empty cache of compiled programs, warm with the
cache that the cold run left.
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
    """Each study once with an empty cache, once with the cache that this leaves."""
    for name in studies():
        with tempfile.TemporaryDirectory() as folder:
            run = engrax("run", name, "--scale", "smoke", "--out")
            cache = {"JAX_COMPILATION_CACHE_DIR": "cache", **KEEP_ALL}
            yield name, {s: seconds([*run, s], folder, **cache) for s in ("cold", "warm")}


def table(ledger: Mapping[str, Mapping]) -> str:
    """What was measured, and on what."""
    lines = ["| process | cold | warm |", "|---|---|---|"]
    for name, taken in ledger["seconds"].items():
        cells = (f"{taken[s]:.2f} s" if s in taken else "" for s in ("cold", "warm"))
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
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
compiled programs, warm with the cache that the cold run left.

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
